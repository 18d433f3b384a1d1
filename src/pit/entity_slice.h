/*
 * entity_slice.h - the keys and times of neighbouring entity rows: what one slot index is made
 * over.
 */
#ifndef FRZ_PIT_ENTITY_SLICE_H
#define FRZ_PIT_ENTITY_SLICE_H

#include "pit/entity_rows.h"
#include "pit/join_key.h"
#include "pit/join_time.h"

/** Where a view's key and time columns are in the entity rows. */
typedef struct frz_entity_columns {
  size_t time_at;
  frz_time_scale time_scale;
  bool has_times; /* false: a column of nulls, nothing takes part */
  size_t n_keys;
  size_t *key_at;
  const frz_key_form *key_forms;
  const frz_column **keys; /* of the block that is being looked at */
  frz_column *scratch;     /* one a key, and one for the time; for who looks to dispose */
} frz_entity_columns;

/** The key columns of a block into `keys`, and its times. */
frz_status frz_entity_columns_look(const frz_entity_columns *columns, const frz_entity_rows *rows,
                                   size_t block, const frz_column **times_out,
                                   frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_entity_slice {
  size_t first_block, end_block;
  int64_t first_row, n_rows;
  frz_key_batch keys;
  frz_buf times; /* int64 in the column's unit */
  frz_buf present;
} frz_entity_slice;

void frz_entity_slice_init(frz_entity_slice *slice, const frz_alloc *alloc);
void frz_entity_slice_dispose(frz_entity_slice *slice);

/** How many slices of at most `rows_max` rows (but at least a block) there are. */
int64_t frz_entity_slices(const frz_entity_rows *rows, int64_t rows_max);

/** Fill an empty slice with the rows from a block on. */
frz_status frz_entity_slice_fill(frz_entity_slice *slice, const frz_entity_rows *rows,
                                 const frz_entity_columns *columns, size_t first_block,
                                 int64_t rows_max, frz_error *err) FRZ_MUST_CHECK;

#endif
