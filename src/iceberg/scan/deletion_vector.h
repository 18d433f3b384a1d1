/*
 * deletion_vector.h - the "deletion-vector-v1" blob: which rows of one data file are deleted.
 *
 *   | length (4, big-endian) | D1 D3 39 64 | 64-bit roaring bitmap | CRC-32 (4, big-endian) |
 *
 * The length and the CRC cover magic and bitmap. Source: Iceberg specification, Puffin,
 * "deletion-vector-v1".
 */
#ifndef FRZ_ICEBERG_DELETION_VECTOR_H
#define FRZ_ICEBERG_DELETION_VECTOR_H

#include "codec/roaring.h"
#include "iceberg/manifest/manifest.h"

/** Parse a blob of exactly `size` bytes. FRZ_ERR_CORRUPT names what does not fit. */
frz_status frz_deletion_vector_parse(const frz_alloc *alloc, const void *data, size_t size,
                                     frz_roaring **roaring_out, frz_error *err) FRZ_MUST_CHECK;

/** Append the blob for a bitmap. */
frz_status frz_deletion_vector_write(const frz_roaring *roaring, frz_buf *out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** Read the vector that a delete file of a manifest describes, and compare its cardinality with the
 * entry's record count. The Puffin footer is not read: it would cost a request more, and a blob in
 * the wrong place has neither length, magic nor CRC. */
frz_status frz_deletion_vector_read(frz_context *context, frz_storage *storage,
                                    const frz_data_file *file, frz_roaring **roaring_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** As reading it, and the Puffin footer too: it must have a deletion vector at just that offset and
 * length, with the entry's data file and record count among its properties. */
frz_status frz_deletion_vector_verify(frz_context *context, frz_storage *storage,
                                      const frz_data_file *file, frz_error *err) FRZ_MUST_CHECK;

#endif
