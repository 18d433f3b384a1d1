/*
 * thrift_binary.h - Thrift's binary protocol, as services speak it.
 *
 * (Parquet's footers are in the compact one: parquet/format/thrift.h. Here a struct's fields stand
 * on their own, so that what is not known can be copied as it is.)
 *
 * Source: apache/thrift, doc/specs/thrift-binary-protocol.md.
 */
#ifndef FRZ_NET_THRIFT_BINARY_H
#define FRZ_NET_THRIFT_BINARY_H

#include "base/buf.h"
#include "base/reader.h"

typedef enum frz_tbinary_type {
  FRZ_TBINARY_STOP = 0,
  FRZ_TBINARY_BOOL = 2,
  FRZ_TBINARY_BYTE = 3,
  FRZ_TBINARY_DOUBLE = 4,
  FRZ_TBINARY_I16 = 6,
  FRZ_TBINARY_I32 = 8,
  FRZ_TBINARY_I64 = 10,
  FRZ_TBINARY_STRING = 11,
  FRZ_TBINARY_STRUCT = 12,
  FRZ_TBINARY_MAP = 13,
  FRZ_TBINARY_SET = 14,
  FRZ_TBINARY_LIST = 15
} frz_tbinary_type;

/* ---- reading ---- */

/** Texts are borrowed from the bytes, which `more` may move: they are taken only where it is NULL.
 */
typedef struct frz_tbinary_reader {
  frz_reader bytes;
  /** Make more bytes follow, at least one: sets data and size. NULL: those are all. */
  frz_status (*more)(void *ctx, frz_reader *bytes, frz_error *err);
  void *ctx;
} frz_tbinary_reader;

/** The next field's id and type; type STOP at the struct's end. */
frz_status frz_tbinary_field(frz_tbinary_reader *reader, int16_t *id_out,
                             frz_tbinary_type *type_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_tbinary_read_i32(frz_tbinary_reader *reader, int32_t *value_out,
                                frz_error *err) FRZ_MUST_CHECK;
frz_status frz_tbinary_read_i64(frz_tbinary_reader *reader, int64_t *value_out,
                                frz_error *err) FRZ_MUST_CHECK;
frz_status frz_tbinary_read_string(frz_tbinary_reader *reader, frz_str *value_out,
                                   frz_error *err) FRZ_MUST_CHECK;
/** FRZ_ERR_CORRUPT: the items have another type. An empty list has any. */
frz_status frz_tbinary_list_begin(frz_tbinary_reader *reader, frz_tbinary_type item, size_t *n_out,
                                  frz_error *err) FRZ_MUST_CHECK;
frz_status frz_tbinary_map_begin(frz_tbinary_reader *reader, frz_tbinary_type key,
                                 frz_tbinary_type value, size_t *n_out,
                                 frz_error *err) FRZ_MUST_CHECK;
/** Pass over a value. */
frz_status frz_tbinary_skip(frz_tbinary_reader *reader, frz_tbinary_type type,
                            frz_error *err) FRZ_MUST_CHECK;

/** A message's header. FRZ_ERR_CORRUPT: not one of the strict form. */
typedef struct frz_tbinary_message {
  enum { FRZ_TBINARY_CALL = 1, FRZ_TBINARY_REPLY = 2, FRZ_TBINARY_EXCEPTION = 3 } kind;
  frz_str name;
  int32_t sequence;
} frz_tbinary_message;

frz_status frz_tbinary_read_message(frz_tbinary_reader *reader, frz_tbinary_message *message_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/* ---- writing ---- */

/** The first failure is kept and given by frz_tbinary_finish(). */
typedef struct frz_tbinary_writer {
  frz_buf *out;
  frz_status status;
  frz_error error;
} frz_tbinary_writer;

void frz_tbinary_writer_init(frz_tbinary_writer *writer, frz_buf *out);
frz_status frz_tbinary_finish(const frz_tbinary_writer *writer, frz_error *err) FRZ_MUST_CHECK;

void frz_tbinary_write_call(frz_tbinary_writer *writer, const char *name, int32_t sequence);
/** The header of a field; its value follows. */
void frz_tbinary_write_field(frz_tbinary_writer *writer, int16_t id, frz_tbinary_type type);
/** The end of a struct. */
void frz_tbinary_write_stop(frz_tbinary_writer *writer);
void frz_tbinary_write_i32(frz_tbinary_writer *writer, int32_t value);
void frz_tbinary_write_string(frz_tbinary_writer *writer, frz_str text);
/** Bytes that were read, as they are. */
void frz_tbinary_write_raw(frz_tbinary_writer *writer, frz_str bytes);
void frz_tbinary_write_bool_field(frz_tbinary_writer *writer, int16_t id, bool value);
void frz_tbinary_write_i32_field(frz_tbinary_writer *writer, int16_t id, int32_t value);
void frz_tbinary_write_i64_field(frz_tbinary_writer *writer, int16_t id, int64_t value);
void frz_tbinary_write_string_field(frz_tbinary_writer *writer, int16_t id, frz_str text);
void frz_tbinary_write_list_field(frz_tbinary_writer *writer, int16_t id, frz_tbinary_type item,
                                  size_t n);
/** A map of texts; its keys and values follow as strings. */
void frz_tbinary_write_map_field(frz_tbinary_writer *writer, int16_t id, size_t n);

#endif
