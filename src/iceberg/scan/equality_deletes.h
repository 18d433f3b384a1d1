/*
 * equality_deletes.h - keys of deleted rows: one map for all equality delete files that share their
 * columns, spec and partition.
 *
 * A key leads to the greatest data sequence number that deletes it; a row is dead when its own is
 * smaller. So it does no harm when a map knows more delete files than apply to a data file, and a
 * row is looked up once however many files there are. Null equals null.
 *
 * Source: Iceberg specification, "Equality Delete Files", "Scan Planning".
 */
#ifndef FRZ_ICEBERG_EQUALITY_DELETES_H
#define FRZ_ICEBERG_EQUALITY_DELETES_H

#include "iceberg/scan/column_map.h"

typedef struct frz_equality_set frz_equality_set;

/** An empty set over columns; `field_ids` are copied. Keys may take `max_bytes`. */
frz_status frz_equality_set_create(const frz_alloc *alloc, const int32_t *field_ids, size_t n_ids,
                                   size_t max_bytes, frz_equality_set **set_out,
                                   frz_error *err) FRZ_MUST_CHECK;
void frz_equality_set_free(frz_equality_set *set);

const int32_t *frz_equality_set_ids(const frz_equality_set *set, size_t *n_ids_out);

/** Add the keys of `n_rows` rows, columns in the order of the ids. Any thread. */
frz_status frz_equality_set_add(frz_equality_set *set, const frz_leaf_column *columns,
                                int64_t n_rows, int64_t sequence, frz_error *err) FRZ_MUST_CHECK;

/** Keep those of `rows` that are alive in a data file of this sequence number. Any thread. */
frz_status frz_equality_set_filter(frz_equality_set *set, const frz_leaf_column *columns,
                                   int64_t sequence, int64_t *rows, int64_t *n_rows_inout,
                                   frz_error *err) FRZ_MUST_CHECK;

#endif
