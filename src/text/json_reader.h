/*
 * json_reader.h - a pull reader for JSON: the caller says what it expects next.
 *
 *   frz_json_object_begin(r, err);
 *   while (frz_json_object_next(r, &key, &more, err) == FRZ_OK && more) {
 *     if (frz_str_is(key, "schema-id")) frz_json_read_i32(r, &id, err);
 *     else frz_json_skip(r, err);
 *   }
 *
 * Nothing is built for what is not asked for. Errors give the byte offset and what was found.
 * Source: RFC 8259.
 */
#ifndef FRZ_TEXT_JSON_READER_H
#define FRZ_TEXT_JSON_READER_H

#include "base/arena.h"
#include "base/fail.h"
#include "base/limits.h"

typedef enum frz_json_kind {
  FRZ_JSON_OBJECT,
  FRZ_JSON_ARRAY,
  FRZ_JSON_STRING,
  FRZ_JSON_NUMBER,
  FRZ_JSON_BOOL,
  FRZ_JSON_NULL,
  FRZ_JSON_END /* the document is over */
} frz_json_kind;

typedef struct frz_json_reader {
  const char *data;
  size_t size;
  size_t pos;
  frz_arena *arena; /* strings with escapes are decoded into it; others are borrowed from `data` */
  int depth;
  bool is_first[FRZ_LIMIT_DEPTH + 1]; /* per open object or array: no member was read yet */
} frz_json_reader;

/** `data` must stay alive as long as strings that were read are used. Must be valid UTF-8 in
 * strings. */
void frz_json_reader_init(frz_json_reader *reader, const void *data, size_t size, frz_arena *arena);

/** What comes next, without reading it. */
frz_status frz_json_peek(frz_json_reader *reader, frz_json_kind *kind_out,
                         frz_error *err) FRZ_MUST_CHECK;

frz_status frz_json_object_begin(frz_json_reader *reader, frz_error *err) FRZ_MUST_CHECK;

/** The next member's key (its value must be read or skipped then); more_out false after the last.
 */
frz_status frz_json_object_next(frz_json_reader *reader, frz_str *key_out, bool *more_out,
                                frz_error *err) FRZ_MUST_CHECK;

frz_status frz_json_array_begin(frz_json_reader *reader, frz_error *err) FRZ_MUST_CHECK;

/** Is there another element (to be read then)? */
frz_status frz_json_array_next(frz_json_reader *reader, bool *more_out,
                               frz_error *err) FRZ_MUST_CHECK;

frz_status frz_json_read_string(frz_json_reader *reader, frz_str *value_out,
                                frz_error *err) FRZ_MUST_CHECK;
frz_status frz_json_read_i32(frz_json_reader *reader, int32_t *value_out,
                             frz_error *err) FRZ_MUST_CHECK;
frz_status frz_json_read_i64(frz_json_reader *reader, int64_t *value_out,
                             frz_error *err) FRZ_MUST_CHECK;
frz_status frz_json_read_double(frz_json_reader *reader, double *value_out,
                                frz_error *err) FRZ_MUST_CHECK;
frz_status frz_json_read_bool(frz_json_reader *reader, bool *value_out,
                              frz_error *err) FRZ_MUST_CHECK;

/** Read a null if one comes next; `was_null_out` tells. */
frz_status frz_json_read_null(frz_json_reader *reader, bool *was_null_out,
                              frz_error *err) FRZ_MUST_CHECK;

/** Read an array of numbers into the reader's arena; NULL with none. */
frz_status frz_json_read_i32_array(frz_json_reader *reader, const int32_t **values_out,
                                   size_t *n_out, frz_error *err) FRZ_MUST_CHECK;
/** Skip one value of any kind. */
frz_status frz_json_skip(frz_json_reader *reader, frz_error *err) FRZ_MUST_CHECK;

/** Borrow the text of one value of any kind, checked. */
frz_status frz_json_read_raw(frz_json_reader *reader, frz_str *text_out,
                             frz_error *err) FRZ_MUST_CHECK;

/** Only white space is left. */
frz_status frz_json_finish(frz_json_reader *reader, frz_error *err) FRZ_MUST_CHECK;

#endif
