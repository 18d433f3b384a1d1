/*
 * snappy.h - the snappy block format; called through compress.h.
 *
 * Source: snappy, format_description.txt.
 */
#ifndef FRZ_CODEC_SNAPPY_H
#define FRZ_CODEC_SNAPPY_H

#include "base/buf.h"

/** The length that the block claims to decompress to, and where its elements start. Refuses a claim
 * that no block of `src_size` bytes can meet. */
frz_status frz_snappy_header(const uint8_t *src, size_t src_size, size_t *plain_size_out,
                             size_t *start_out, frz_error *err) FRZ_MUST_CHECK;

/** Decompress a block that must come to exactly `dest_size` bytes. */
frz_status frz_snappy_decompress(const uint8_t *src, size_t src_size, uint8_t *dest,
                                 size_t dest_size, frz_error *err) FRZ_MUST_CHECK;

/** The most bytes that compressing `src_size` bytes can give. */
size_t frz_snappy_bound(size_t src_size);

/** Compress into `dest` of at least frz_snappy_bound() bytes; returns the length. Input above 4 GiB
 * cannot be expressed: the caller refuses it. */
size_t frz_snappy_compress(const uint8_t *src, size_t src_size, uint8_t *dest);

#endif
