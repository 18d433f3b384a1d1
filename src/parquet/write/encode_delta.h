/*
 * encode_delta.h - encodings that keep differences: of integers, of lengths, of byte strings.
 *
 * Source: apache/parquet-format, Encodings.md, "Delta Encoding", "Delta-length byte array", "Delta
 * Strings".
 */
#ifndef FRZ_PARQUET_ENCODE_DELTA_H
#define FRZ_PARQUET_ENCODE_DELTA_H

#include "base/buf.h"

/** DELTA_BINARY_PACKED of `n` integers of `width` (4 or 8) bytes, little-endian, aligned. */
frz_status frz_delta_encode(const uint8_t *values, size_t n, size_t width, frz_buf *out,
                            frz_error *err) FRZ_MUST_CHECK;

/** DELTA_LENGTH_BYTE_ARRAY of `n` byte strings in PLAIN form. `lengths` is scratch. */
frz_status frz_delta_length_encode(const uint8_t *plain, size_t n, frz_buf *lengths, frz_buf *out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** DELTA_BYTE_ARRAY of `n` byte strings in PLAIN form, or, where `width` is not 0, of `n` runs of
 * so many bytes. `lengths` is scratch. */
frz_status frz_delta_bytes_encode(const uint8_t *plain, size_t n, size_t width, frz_buf *lengths,
                                  frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

#endif
