/*
 * thrift.h - Thrift's compact protocol, as far as Parquet's footers and page headers need it.
 *
 * Source: apache/thrift, doc/specs/thrift-compact-protocol.md.
 */
#ifndef FRZ_PARQUET_THRIFT_H
#define FRZ_PARQUET_THRIFT_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/reader.h"

typedef enum frz_thrift_type {
  FRZ_THRIFT_STOP = 0,
  FRZ_THRIFT_TRUE = 1,
  FRZ_THRIFT_FALSE = 2,
  FRZ_THRIFT_BYTE = 3,
  FRZ_THRIFT_I16 = 4,
  FRZ_THRIFT_I32 = 5,
  FRZ_THRIFT_I64 = 6,
  FRZ_THRIFT_DOUBLE = 7,
  FRZ_THRIFT_BINARY = 8,
  FRZ_THRIFT_LIST = 9,
  FRZ_THRIFT_SET = 10,
  FRZ_THRIFT_MAP = 11,
  FRZ_THRIFT_STRUCT = 12
} frz_thrift_type;

/** Reading. Usage: struct_begin; while field() && type != STOP { read or skip }; struct_end. */
typedef struct frz_thrift_reader {
  frz_reader bytes;
  int depth;
  int16_t last_field[FRZ_LIMIT_DEPTH + 1];
} frz_thrift_reader;

void frz_thrift_reader_init(frz_thrift_reader *reader, const void *data, size_t size);
frz_status frz_thrift_struct_begin(frz_thrift_reader *reader, frz_error *err) FRZ_MUST_CHECK;
/** The next field's id and type; type STOP at the struct's end (struct_end is implied). */
frz_status frz_thrift_field(frz_thrift_reader *reader, int16_t *id_out, frz_thrift_type *type_out,
                            frz_error *err) FRZ_MUST_CHECK;
frz_status frz_thrift_read_i64(frz_thrift_reader *reader, int64_t *value_out,
                               frz_error *err) FRZ_MUST_CHECK;
frz_status frz_thrift_read_i32(frz_thrift_reader *reader, int32_t *value_out,
                               frz_error *err) FRZ_MUST_CHECK;
frz_status frz_thrift_read_i8(frz_thrift_reader *reader, int8_t *value_out,
                              frz_error *err) FRZ_MUST_CHECK;
/** Borrowed from the input. */
frz_status frz_thrift_read_binary(frz_thrift_reader *reader, frz_str *value_out,
                                  frz_error *err) FRZ_MUST_CHECK;
/** `n_out` is bounded by the bytes that are left. */
frz_status frz_thrift_list_begin(frz_thrift_reader *reader, frz_thrift_type *type_out,
                                 size_t *n_out, frz_error *err) FRZ_MUST_CHECK;
/** Pass over a field's value. */
frz_status frz_thrift_skip(frz_thrift_reader *reader, frz_thrift_type type,
                           frz_error *err) FRZ_MUST_CHECK;

/** Writing; the first failure is kept and returned by frz_thrift_writer_finish(). */
typedef struct frz_thrift_writer {
  frz_buf *out;
  frz_status status;
  frz_error error;
  int depth;
  int16_t last_field[FRZ_LIMIT_DEPTH + 1];
} frz_thrift_writer;

void frz_thrift_writer_init(frz_thrift_writer *writer, frz_buf *out);
void frz_thrift_write_struct_begin(
    frz_thrift_writer *writer); /* root, or after a field or list header */
void frz_thrift_write_struct_end(frz_thrift_writer *writer);
void frz_thrift_write_field(frz_thrift_writer *writer, int16_t id,
                            frz_thrift_type type); /* header alone */
void frz_thrift_write_bool_field(frz_thrift_writer *writer, int16_t id, bool value);
void frz_thrift_write_byte_field(frz_thrift_writer *writer, int16_t id, int8_t value);
void frz_thrift_write_i32_field(frz_thrift_writer *writer, int16_t id, int32_t value);
void frz_thrift_write_i64_field(frz_thrift_writer *writer, int16_t id, int64_t value);
void frz_thrift_write_binary_field(frz_thrift_writer *writer, int16_t id, frz_str value);
void frz_thrift_write_list_field(frz_thrift_writer *writer, int16_t id, frz_thrift_type item,
                                 size_t n);
void frz_thrift_write_i32(frz_thrift_writer *writer, int32_t value);    /* a list item */
void frz_thrift_write_i64(frz_thrift_writer *writer, int64_t value);    /* a list item */
void frz_thrift_write_binary(frz_thrift_writer *writer, frz_str value); /* a list item */
frz_status frz_thrift_writer_finish(frz_thrift_writer *writer, frz_error *err) FRZ_MUST_CHECK;

#endif
