/*
 * encode_dictionary.h - the distinct values of a column chunk, numbered as they appear.
 */
#ifndef FRZ_PARQUET_ENCODE_DICTIONARY_H
#define FRZ_PARQUET_ENCODE_DICTIONARY_H

#include "parquet/write/encode_values.h"

typedef struct frz_dictionary {
  const frz_leaf_plan *plan;
  const frz_alloc *alloc;
  frz_buf entries; /* BYTES: PLAIN, each behind its length; others: stored form */
  frz_buf starts;  /* BYTES: uint32_t, where each entry begins */
  frz_buf stamps;  /* BYTES and FIXED: uint32_t, the last page that an entry was seen in */
  uint64_t *slots; /* hash above, index + 1 below; 0: free */
  size_t n_slots;  /* a power of two, or 0 */
  uint32_t n;
} frz_dictionary;

void frz_dictionary_init(frz_dictionary *dictionary, const frz_leaf_plan *plan,
                         const frz_alloc *alloc);
void frz_dictionary_dispose(frz_dictionary *dictionary);
/** Forget all entries; keeps some of the memory. */
void frz_dictionary_clear(frz_dictionary *dictionary);

/** Number the values of a view; `indices_out` has room for all of them. */
frz_status frz_dictionary_index(frz_dictionary *dictionary, const frz_value_view *view,
                                uint32_t *indices_out, frz_error *err) FRZ_MUST_CHECK;

/** The first `n` entries as they are held; n > 0. */
frz_str frz_dictionary_head(const frz_dictionary *dictionary, size_t n);

/** An entry of BYTES or FIXED. */
frz_str frz_dictionary_bytes(const frz_dictionary *dictionary, uint32_t index);

/** The least and greatest of the entries that `indices` name (n > 0; BYTES or FIXED). `page` is
 * another number on each call, and not 0. */
void frz_dictionary_bytes_range(frz_dictionary *dictionary, const uint32_t *indices, size_t n,
                                uint32_t page, frz_str *least_out, frz_str *greatest_out);

/** Append the named entries in PLAIN form: when a page turns out to be better without. */
frz_status frz_dictionary_plain(const frz_dictionary *dictionary, const uint32_t *indices, size_t n,
                                frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** Append all entries as a dictionary page's body. */
frz_status frz_dictionary_page(const frz_dictionary *dictionary, frz_buf *out,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
