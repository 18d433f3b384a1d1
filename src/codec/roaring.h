/*
 * roaring.h - sets of row positions: 64-bit roaring bitmaps in the portable form.
 *
 * Built from position deletes or read from deletion vectors (Puffin "deletion-vector-v1": a count
 * of 32-bit maps, each a 32-bit key and a portable 32-bit roaring bitmap). Reading recounts
 * cardinality and checks the order of keys, values and runs: nothing in the input is trusted.
 *
 * Source: RoaringFormatSpec; Iceberg specification, Puffin, "deletion-vector-v1".
 */
#ifndef FRZ_CODEC_ROARING_H
#define FRZ_CODEC_ROARING_H

#include "base/buf.h"

typedef struct frz_roaring frz_roaring;

frz_status frz_roaring_create(const frz_alloc *alloc, frz_roaring **roaring_out,
                              frz_error *err) FRZ_MUST_CHECK;
void frz_roaring_free(frz_roaring *roaring);

/** Add a position >= 0. Any order; ascending is fastest. */
frz_status frz_roaring_add(frz_roaring *roaring, int64_t position, frz_error *err) FRZ_MUST_CHECK;

bool frz_roaring_contains(const frz_roaring *roaring, int64_t position);
int64_t frz_roaring_cardinality(const frz_roaring *roaring);

/** Write into `rows_out` the rows i of [0, n) for which first + i is NOT in the set; returns how
 * many. */
int64_t frz_roaring_complement(const frz_roaring *roaring, int64_t first, int64_t n,
                               int64_t *rows_out);

/** The first members that are not less than `from`, ascending, at most `n_max`; returns how many.
 */
int64_t frz_roaring_members(const frz_roaring *roaring, int64_t from, int64_t n_max,
                            int64_t *members_out);

/** Add every member of `other`. */
frz_status frz_roaring_merge(frz_roaring *roaring, const frz_roaring *other,
                             frz_error *err) FRZ_MUST_CHECK;

/** Read and write the portable 64-bit form; reading wants exactly `size` bytes. */
frz_status frz_roaring_parse(const frz_alloc *alloc, const void *data, size_t size,
                             frz_roaring **roaring_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_roaring_write(const frz_roaring *roaring, frz_buf *out,
                             frz_error *err) FRZ_MUST_CHECK;

#endif
