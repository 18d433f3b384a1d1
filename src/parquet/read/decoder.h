/*
 * decoder.h - decoders of a page's values, one file an encoding.
 *
 * A decoder gives the page's present values densely, in order, in pieces of any size. It borrows
 * the page's bytes. Asking for more values than the page holds is FRZ_ERR_CORRUPT: the
 * definition levels promised them. Dictionary numbers have a file of their own:
 * dictionary_reader.h.
 */
#ifndef FRZ_PARQUET_DECODER_H
#define FRZ_PARQUET_DECODER_H

#include "codec/bitpack.h"
#include "parquet/format/parquet_metadata.h"

/* ---- DELTA_BINARY_PACKED, also inside of the two delta encodings for bytes ---- */

enum { FRZ_DELTA_HELD = 128 };

typedef struct frz_delta_decoder {
  const uint8_t *data;
  size_t size;
  size_t pos;        /* behind what was read of headers and miniblocks */
  uint64_t n_values; /* in all */
  uint64_t left;     /* not unpacked yet */
  uint64_t mini_values;
  uint32_t n_minis;
  uint32_t mini;   /* the current miniblock */
  uint32_t skip;   /* values of it already unpacked */
  size_t mini_pos; /* where its bits start */
  size_t widths_pos;
  uint64_t min_delta;
  uint64_t last;
  uint64_t held[FRZ_DELTA_HELD];
  uint32_t held_next, held_end;
} frz_delta_decoder;

frz_status frz_delta_open(frz_delta_decoder *delta, const uint8_t *data, size_t size,
                          frz_error *err) FRZ_MUST_CHECK;
/** Have at least one value in held[held_next..held_end). */
frz_status frz_delta_fill(frz_delta_decoder *delta, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_delta_skip(frz_delta_decoder *delta, size_t n, frz_error *err) FRZ_MUST_CHECK;
/** Where the encoding ends and what follows starts. */
frz_status frz_delta_find_end(const frz_delta_decoder *delta, size_t *end_out,
                              frz_error *err) FRZ_MUST_CHECK;

/* ---- all encodings ---- */

typedef struct frz_decoder {
  frz_parquet_encoding encoding;
  frz_parquet_physical physical;
  size_t width; /* bytes of a value; 0: BYTE_ARRAY and BOOLEAN */
  const uint8_t *data;
  size_t size;
  size_t pos;              /* PLAIN: bytes; BOOLEAN: bits; BYTE_STREAM_SPLIT: values */
  frz_rle_decoder rle;     /* RLE booleans */
  frz_delta_decoder delta; /* values or lengths; DELTA_BYTE_ARRAY: lengths of suffixes */
  frz_delta_decoder prefixes;
  frz_buf last; /* DELTA_BYTE_ARRAY: the value before */
} frz_decoder;

void frz_decoder_init(frz_decoder *decoder, frz_parquet_physical physical, int32_t type_length,
                      const frz_alloc *alloc);
void frz_decoder_dispose(frz_decoder *decoder);

/** FRZ_ERR_UNSUPPORTED: the encoding is not known or not for this physical type. */
frz_status frz_decoder_open(frz_decoder *decoder, int32_t encoding, const uint8_t *data,
                            size_t size, frz_error *err) FRZ_MUST_CHECK;

/** The next `n` values of `width` bytes each. Not for BYTE_ARRAY and BOOLEAN. */
frz_status frz_decoder_fixed(frz_decoder *decoder, uint8_t *dest, size_t n,
                             frz_error *err) FRZ_MUST_CHECK;

/** BYTE_ARRAY: append the next `n` values' bytes; ends_out[i] is bytes->size behind value i. */
frz_status frz_decoder_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                             frz_error *err) FRZ_MUST_CHECK;

/** BOOLEAN: the next `n` values as bits from bit `at` of `bits`, where they are zero. */
frz_status frz_decoder_bools(frz_decoder *decoder, uint8_t *bits, int64_t at, size_t n,
                             frz_error *err) FRZ_MUST_CHECK;

frz_status frz_decoder_skip(frz_decoder *decoder, size_t n, frz_error *err) FRZ_MUST_CHECK;

/* ---- one encoding each; the functions above choose ---- */

frz_status frz_plain_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err);
frz_status frz_plain_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                           frz_error *err);
frz_status frz_plain_bools(frz_decoder *decoder, uint8_t *bits, int64_t at, size_t n,
                           frz_error *err);
frz_status frz_plain_skip(frz_decoder *decoder, size_t n, frz_error *err);

frz_status frz_rle_bools_open(frz_decoder *decoder, frz_error *err);
frz_status frz_rle_bools(frz_decoder *decoder, uint8_t *bits, int64_t at, size_t n, frz_error *err);

frz_status frz_delta_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err);

frz_status frz_delta_length_open(frz_decoder *decoder, frz_error *err);
/** The next value's bytes. */
frz_status frz_delta_length_next(frz_decoder *decoder, frz_str *value_out, frz_error *err);
frz_status frz_delta_length_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                                  frz_error *err);
frz_status frz_delta_length_skip(frz_decoder *decoder, size_t n, frz_error *err);

frz_status frz_delta_bytes_open(frz_decoder *decoder, frz_error *err);
frz_status frz_delta_bytes_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err);
frz_status frz_delta_bytes_bytes(frz_decoder *decoder, int32_t *ends_out, frz_buf *bytes, size_t n,
                                 frz_error *err);
frz_status frz_delta_bytes_skip(frz_decoder *decoder, size_t n, frz_error *err);

frz_status frz_stream_split_open(frz_decoder *decoder, frz_error *err);
frz_status frz_stream_split_fixed(frz_decoder *decoder, uint8_t *dest, size_t n, frz_error *err);
frz_status frz_stream_split_skip(frz_decoder *decoder, size_t n, frz_error *err);

/* ---- levels ---- */

/** Pass over `n` values of a hybrid without unpacking them. */
frz_status frz_rle_skip(frz_rle_decoder *decoder, size_t n, frz_error *err) FRZ_MUST_CHECK;

/** Levels in the deprecated BIT_PACKED order (most significant bit first) as a hybrid in `out`,
 * which is emptied first. `used_out`: bytes of `data` that they take. */
frz_status frz_bit_packed_levels(const uint8_t *data, size_t size, unsigned width, size_t n,
                                 frz_buf *out, size_t *used_out, frz_error *err) FRZ_MUST_CHECK;

#endif
