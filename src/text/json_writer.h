/*
 * json_writer.h - writes JSON into a buffer: commas and escapes are its business.
 *
 * The first failure (memory, limit) is kept and returned by frz_json_writer_finish(), so that calls
 * in between need no check. Doubles are written with the fewest digits that read back the same.
 */
#ifndef FRZ_TEXT_JSON_WRITER_H
#define FRZ_TEXT_JSON_WRITER_H

#include "base/buf.h"

typedef struct frz_json_writer {
  frz_buf *out;
  frz_status status;
  frz_error error;
  int depth;
  bool needs_comma;
  bool after_key;
} frz_json_writer;

void frz_json_writer_init(frz_json_writer *writer, frz_buf *out);

void frz_json_write_object_begin(frz_json_writer *writer);
void frz_json_write_object_end(frz_json_writer *writer);
void frz_json_write_array_begin(frz_json_writer *writer);
void frz_json_write_array_end(frz_json_writer *writer);

void frz_json_write_key(frz_json_writer *writer, const char *key);
void frz_json_write_key_str(frz_json_writer *writer, frz_str key);
void frz_json_write_string(frz_json_writer *writer, frz_str value);
void frz_json_write_i64(frz_json_writer *writer, int64_t value);
void frz_json_write_double(frz_json_writer *writer, double value); /* NaN, infinities: null */
void frz_json_write_bool(frz_json_writer *writer, bool value);
void frz_json_write_null(frz_json_writer *writer);
/** A key and its value. */
void frz_json_write_i64_member(frz_json_writer *writer, const char *key, int64_t value);
void frz_json_write_string_member(frz_json_writer *writer, const char *key, frz_str value);
/** Text that is JSON already. */
void frz_json_write_raw(frz_json_writer *writer, frz_str json);

frz_status frz_json_writer_finish(frz_json_writer *writer, frz_error *err) FRZ_MUST_CHECK;

#endif
