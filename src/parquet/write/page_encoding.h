/*
 * page_encoding.h - the encoding of pages that are not in dictionary form: which, and how.
 */
#ifndef FRZ_PARQUET_PAGE_ENCODING_H
#define FRZ_PARQUET_PAGE_ENCODING_H

#include "codec/compress.h"
#include "parquet/write/parquet_writer.h"
#include "parquet/write/schema_write.h"

/** A page's values: `n` of them in PLAIN form (booleans one byte each). */
typedef struct frz_plain_values {
  const frz_leaf_plan *plan;
  const uint8_t *data;
  size_t size;
  size_t n;
} frz_plain_values;

/** May pages of the leaf have this encoding, other than numbers of a dictionary? */
bool frz_page_encoding_fits(const frz_leaf_plan *plan, frz_parquet_encoding encoding);

/** Append the values as `encoding` has them; it fits. */
frz_status frz_page_encode(const frz_plain_values *values, frz_parquet_encoding encoding,
                           frz_buf *scratch, frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** What is tried out, and where. The buffers are scratch. */
typedef struct frz_encoding_trial {
  frz_encoding_set allowed;
  frz_codec codec;
  frz_compressors *compressors; /* may be NULL */
  int32_t level;
  frz_buf *encoded;
  frz_buf *compressed;
  frz_buf *scratch;
} frz_encoding_trial;

/** The encoding that makes a sample of the values smallest. */
frz_status frz_page_encoding_choose(const frz_plain_values *values, const frz_encoding_trial *trial,
                                    frz_parquet_encoding *encoding_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** Are values smaller in pages of numbers of a dictionary than in the best encoding without? */
frz_status frz_page_dictionary_beats(const frz_plain_values *values, frz_str numbers,
                                     frz_str entries, const frz_encoding_trial *trial,
                                     bool *beats_out, frz_error *err) FRZ_MUST_CHECK;

#endif
