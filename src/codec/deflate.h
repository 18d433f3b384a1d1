/*
 * deflate.h - gzip, zlib and raw deflate by libdeflate; inside of compress.c.
 */
#ifndef FRZ_CODEC_DEFLATE_H
#define FRZ_CODEC_DEFLATE_H

#include "codec/compress.h"

enum { FRZ_DEFLATE_RATIO_MAX = 1032 }; /* bytes that one byte of deflate can stand for, at most */

/** Decompress into exactly `dest_size` bytes. `codec` is GZIP or DEFLATE. */
frz_status frz_inflate(frz_codec codec, const uint8_t *src, size_t src_size, uint8_t *dest,
                       size_t dest_size, frz_error *err) FRZ_MUST_CHECK;

/** Append what `src` decompresses to, bounded by the buffer's maximum. */
frz_status frz_inflate_append(frz_codec codec, const uint8_t *src, size_t src_size, frz_buf *out,
                              frz_error *err) FRZ_MUST_CHECK;

/** Append the compressed form; levels 1 to 9. */
frz_status frz_deflate_append(frz_codec codec, int32_t level, const uint8_t *src, size_t src_size,
                              frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

#endif
