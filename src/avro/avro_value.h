/*
 * avro_value.h - single Avro values: read, skipped by schema, and written.
 *
 * Source: Apache Avro 1.11 specification, "Binary Encoding".
 */
#ifndef FRZ_AVRO_AVRO_VALUE_H
#define FRZ_AVRO_AVRO_VALUE_H

#include "avro/avro_schema.h"
#include "base/buf.h"
#include "base/reader.h"

frz_status frz_avro_read_long(frz_reader *reader, int64_t *value_out,
                              frz_error *err) FRZ_MUST_CHECK;
frz_status frz_avro_read_int(frz_reader *reader, int32_t *value_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_avro_read_boolean(frz_reader *reader, bool *value_out,
                                 frz_error *err) FRZ_MUST_CHECK;
frz_status frz_avro_read_float(frz_reader *reader, float *value_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_avro_read_double(frz_reader *reader, double *value_out,
                                frz_error *err) FRZ_MUST_CHECK;
/** bytes and string: borrowed from the input. */
frz_status frz_avro_read_bytes(frz_reader *reader, frz_str *value_out,
                               frz_error *err) FRZ_MUST_CHECK;

/**
 * The next block of an array or map: `n_out` items follow, 0 at the end. Byte sizes of blocks
 * (negative counts) are read and checked against what is left; a count with no bytes behind it is
 * refused.
 */
frz_status frz_avro_read_block(frz_reader *reader, int64_t *n_out, frz_error *err) FRZ_MUST_CHECK;

/** A union's branch, checked against the schema; `type_out` is the branch's type. */
frz_status frz_avro_read_branch(frz_reader *reader, const frz_avro_type *type,
                                const frz_avro_type **type_out, frz_error *err) FRZ_MUST_CHECK;

/** Pass over a value of any type. */
frz_status frz_avro_skip(frz_reader *reader, const frz_avro_type *type,
                         frz_error *err) FRZ_MUST_CHECK;

frz_status frz_avro_write_long(frz_buf *out, int64_t value, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_avro_write_boolean(frz_buf *out, bool value, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_avro_write_float(frz_buf *out, float value, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_avro_write_double(frz_buf *out, double value, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_avro_write_bytes(frz_buf *out, frz_str value, frz_error *err) FRZ_MUST_CHECK;

#endif
