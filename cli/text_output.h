/*
 * text_output.h - values, rows and names as text: CSV, JSON lines, aligned columns.
 */
#ifndef FRAZIL_CLI_TEXT_OUTPUT_H
#define FRAZIL_CLI_TEXT_OUTPUT_H

#include "command.h"

/** A growing text. Out of memory ends the process with a message: the command has nothing else to
 * do. */
typedef struct text {
  char *data;
  size_t size;
  size_t capacity;
} text;

void text_append(text *out, const char *bytes, size_t size);
void text_print(text *out, const char *format, ...) FRZ_PRINTF(2, 3);
void text_free(text *out);

/** Append `bytes` as a JSON string. */
void text_append_json_string(text *out, const char *bytes, size_t size);

/** Append one value: as JSON, or bare as CSV and tables show it (nested values as JSON, null as
 * nothing). */
void text_append_value(text *out, const struct ArrowSchema *schema, const struct ArrowArray *array,
                       int64_t row, bool as_json);

/** The value of `key` in a field's metadata, borrowed; false: it has none. */
bool arrow_metadata_find(const struct ArrowSchema *field, const char *key, const char **value_out,
                         int32_t *size_out);

/** An Arrow format in words, such as "timestamp[us, UTC]". */
void text_append_type(text *out, const struct ArrowSchema *schema);

/** Names, one a line, or as JSON lines {"<label>": name}. */
void print_name_list(const invocation *run, const char *label, const frz_string_list *list);

#endif
