/*
 * decode_bit_packed.c - levels in the deprecated BIT_PACKED encoding.
 *
 * Values are packed from the most significant bit of each byte, without a length in front. Only
 * files of the format's first years have them, so they are turned into a hybrid of one packed
 * run, and everything behind sees one encoding.
 *
 * Source: apache/parquet-format, Encodings.md, "Bit-packed (Deprecated)".
 */
#include "base/fail.h"
#include "parquet/read/decoder.h"

static uint64_t take_bits(const uint8_t *data, size_t bit, unsigned width)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < width; i++, bit++)
    value = value << 1 | ((unsigned)data[bit / 8] >> (7 - bit % 8) & 1u);
  return value;
}

frz_status frz_bit_packed_levels(const uint8_t *data, size_t size, unsigned width, size_t n,
                                 frz_buf *out, size_t *used_out, frz_error *err)
{
  enum { PIECE = 64 };
  out->size = 0;
  if (width == 0 || n > size * 8 / width)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%zu levels of %u bits in %zu bytes", n, width, size);
  uint64_t header = (uint64_t)((n + 7) / 8) << 1 | 1;
  for (; header >= 0x80; header >>= 7)
    FRZ_TRY(frz_buf_append_byte(out, (uint8_t)(header | 0x80), err));
  FRZ_TRY(frz_buf_append_byte(out, (uint8_t)header, err));
  for (size_t done = 0; done < n;) {
    uint64_t piece[PIECE];
    size_t n_piece = n - done < PIECE ? n - done : PIECE;
    for (size_t i = 0; i < n_piece; i++) piece[i] = take_bits(data, (done + i) * width, width);
    FRZ_TRY(frz_bitpack64(out, piece, n_piece, width, err));
    done += n_piece;
  }
  *used_out = (n * width + 7) / 8;
  return FRZ_OK;
}
