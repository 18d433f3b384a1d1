/*
 * brotli_encode.h - brotli compression that survives a refused allocation; called by compress.h.
 */
#ifndef FRZ_CODEC_BROTLI_ENCODE_H
#define FRZ_CODEC_BROTLI_ENCODE_H

#include "base/buf.h"

/** Append a brotli stream of `quality` 1 to 11. On failure what was appended is left for the caller
 * to cut off. */
frz_status frz_brotli_encode(int32_t quality, const uint8_t *src, size_t src_size, frz_buf *out,
                             frz_error *err) FRZ_MUST_CHECK;

#endif
