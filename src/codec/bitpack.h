/*
 * bitpack.h - Parquet's little-endian bit packing and the RLE / bit-packing hybrid.
 *
 * Source: Apache Parquet format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".
 */
#ifndef FRZ_CODEC_BITPACK_H
#define FRZ_CODEC_BITPACK_H

#include "base/buf.h"

/** Unpack `n` values of `width` (0 to 32) bits. False when `src` is too short. Short calls are
 * faster where `src_size` counts bytes behind the values too: wide loads then need no care. */
bool frz_bitunpack32(const uint8_t *src, size_t src_size, unsigned width, uint32_t *values_out,
                     size_t n);

/** The same for 0 to 64 bits. */
bool frz_bitunpack64(const uint8_t *src, size_t src_size, unsigned width, uint64_t *values_out,
                     size_t n);

/** Append `n` values of `width` (0 to 64) bits, padded to a whole byte. */
frz_status frz_bitpack64(frz_buf *out, const uint64_t *values, size_t n, unsigned width,
                         frz_error *err) FRZ_MUST_CHECK;

/** Pack `n_groups` groups of eight values of `width` (0 to 32) bits into `n_groups` * `width`
 * bytes. No value may need more bits. */
void frz_bitpack32_groups(uint8_t *dest, const uint32_t *values, size_t n_groups, unsigned width);

/** Decodes the hybrid piece by piece. */
typedef struct frz_rle_decoder {
  const uint8_t *data;
  size_t size;
  size_t pos;
  unsigned width;    /* 0 to 32 bits */
  uint32_t run_left; /* of an RLE run */
  uint32_t run_value;
  uint32_t packed_left; /* values left of a bit-packed run */
  uint32_t packed_skip; /* values of it already given */
  size_t packed_pos;    /* where it starts */
} frz_rle_decoder;

void frz_rle_decoder_init(frz_rle_decoder *decoder, const uint8_t *data, size_t size,
                          unsigned width);

/** Give the next `n` values; FRZ_ERR_CORRUPT when the data ends early. */
frz_status frz_rle_decode(frz_rle_decoder *decoder, uint32_t *values_out, size_t n,
                          frz_error *err) FRZ_MUST_CHECK;

/** A run for callers that treat repeats as one: `n_out` values starting here are all `value_out`
 * (n_out 0: the next values are bit-packed, use frz_rle_decode). Never passes `n_max`. */
frz_status frz_rle_peek_run(frz_rle_decoder *decoder, size_t n_max, uint32_t *value_out,
                            size_t *n_out, frz_error *err) FRZ_MUST_CHECK;

/** Skip a run found with frz_rle_peek_run. */
void frz_rle_skip_run(frz_rle_decoder *decoder, size_t n);

/** Append all values as a hybrid, without a length in front. */
frz_status frz_rle_encode(frz_buf *out, const uint32_t *values, size_t n, unsigned width,
                          frz_error *err) FRZ_MUST_CHECK;

/** Bits needed for values up to `max`. */
static inline unsigned frz_bit_width(uint64_t max)
{
  return max == 0 ? 0 : 64 - (unsigned)__builtin_clzll(max);
}

#endif
