/*
 * key_filter.h - what the entity rows' keys say of the feature rows that can match, as a filter.
 *
 * For each key column: one of so many values where they are few, else between the least and the
 * greatest. Partitions, manifests, file bounds, row group statistics, bloom filters and pages are
 * pruned by it like by any filter; rows are not tested with it.
 *
 * The keys are shown block by block, so that not all entity rows need be in memory.
 */
#ifndef FRZ_PIT_KEY_FILTER_H
#define FRZ_PIT_KEY_FILTER_H

#include "pit/view_columns.h"

typedef struct frz_key_values frz_key_values;

typedef struct frz_key_filter {
  const frz_view_columns *columns; /* borrowed */
  const frz_alloc *alloc;
  frz_key_values *values; /* one a key column; NULL: no keys */
} frz_key_filter;

/** `columns` has its key forms. */
frz_status frz_key_filter_init(frz_key_filter *filter, const frz_view_columns *columns,
                               const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;
void frz_key_filter_dispose(frz_key_filter *filter);

/** Take the keys of some entity rows: one column a key, in the order of the view's. */
frz_status frz_key_filter_add(frz_key_filter *filter, const frz_column *const *entity_keys,
                              frz_error *err) FRZ_MUST_CHECK;

/** The filter for all keys added, in an arena; NULL: they say nothing. */
frz_status frz_key_filter_make(const frz_key_filter *filter, frz_arena *arena,
                               const frz_expr **expr_out, frz_error *err) FRZ_MUST_CHECK;

#endif
