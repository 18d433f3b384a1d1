/*
 * dictionary_reader.h - a column chunk's dictionary, and numbers turned into its values.
 */
#ifndef FRZ_PARQUET_DICTIONARY_READER_H
#define FRZ_PARQUET_DICTIONARY_READER_H

#include "base/limits.h"
#include "codec/bitpack.h"

/** The values: of `width` bytes each, or (width 0) byte strings. Bytes have some to spare behind
 * them, so that short ones can be copied as blocks. */
typedef struct frz_dictionary_reader {
  size_t width;
  size_t n_values;
  frz_buf values;  /* width > 0 */
  frz_buf offsets; /* width 0: n_values + 1 int32 */
  frz_buf bytes;
  size_t longest;          /* of the byte strings */
  frz_rle_decoder numbers; /* of the current page */
} frz_dictionary_reader;

void frz_dictionary_reader_init(frz_dictionary_reader *dictionary, size_t width,
                                const frz_alloc *alloc);
void frz_dictionary_reader_dispose(frz_dictionary_reader *dictionary);

/** A data page of numbers: a byte with their width, then a hybrid. */
frz_status frz_dictionary_reader_open_page(frz_dictionary_reader *dictionary, const uint8_t *data,
                                           size_t size, frz_error *err) FRZ_MUST_CHECK;

frz_status frz_dictionary_gather_fixed(frz_dictionary_reader *dictionary, uint8_t *dest, size_t n,
                                       frz_error *err) FRZ_MUST_CHECK;
frz_status frz_dictionary_gather_bytes(frz_dictionary_reader *dictionary, int32_t *ends_out,
                                       frz_buf *bytes, size_t n, frz_error *err) FRZ_MUST_CHECK;

enum { FRZ_DICTIONARY_SPARE_BYTES = 32 };

#endif
