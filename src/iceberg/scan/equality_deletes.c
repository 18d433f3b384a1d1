/*
 * equality_deletes.c - see equality_deletes.h.
 *
 * Readers share the lock for a batch of look-ups; whoever adds a delete file holds it alone for a
 * batch of insertions.
 */
#include "iceberg/scan/equality_deletes.h"

#include <pthread.h>

#include "base/map.h"

struct frz_equality_set {
  const frz_alloc *alloc;
  pthread_rwlock_t lock;
  frz_map keys; /* to a sequence number */
  int32_t *ids;
  size_t n_ids;
};

frz_status frz_equality_set_create(const frz_alloc *alloc, const int32_t *field_ids, size_t n_ids,
                                   size_t max_bytes, frz_equality_set **set_out, frz_error *err)
{
  frz_equality_set *set = frz_alloc_zeroed(alloc, sizeof *set);
  if (set == NULL) return frz_fail_nomem(err, "equality deletes");
  set->alloc = alloc;
  set->n_ids = n_ids;
  set->ids = frz_alloc_array(alloc, n_ids, sizeof *set->ids);
  if (set->ids == NULL) {
    frz_alloc_free(alloc, set, sizeof *set);
    return frz_fail_nomem(err, "equality deletes");
  }
  memcpy(set->ids, field_ids, n_ids * sizeof *set->ids);
  frz_map_init(&set->keys, alloc, max_bytes);
  pthread_rwlock_init(&set->lock, NULL);
  *set_out = set;
  return FRZ_OK;
}

void frz_equality_set_free(frz_equality_set *set)
{
  if (set == NULL) return;
  pthread_rwlock_destroy(&set->lock);
  frz_map_dispose(&set->keys);
  frz_alloc_free(set->alloc, set->ids, set->n_ids * sizeof *set->ids);
  frz_alloc_free(set->alloc, set, sizeof *set);
}

const int32_t *frz_equality_set_ids(const frz_equality_set *set, size_t *n_ids_out)
{
  *n_ids_out = set->n_ids;
  return set->ids;
}

static frz_status build_key(const frz_equality_set *set, const frz_leaf_column *columns,
                            int64_t row, frz_buf *key, frz_error *err)
{
  key->size = 0;
  for (size_t i = 0; i < set->n_ids; i++) FRZ_TRY(frz_leaf_key(&columns[i], row, key, err));
  return FRZ_OK;
}

static frz_status add_row(frz_equality_set *set, const frz_leaf_column *columns, int64_t row,
                          uint64_t sequence, frz_buf *key, frz_error *err)
{
  uint64_t *known;
  FRZ_TRY(build_key(set, columns, row, key, err));
  FRZ_TRY(frz_map_insert(&set->keys, frz_buf_str(key), sequence, &known, NULL, err));
  if (*known < sequence) *known = sequence;
  return FRZ_OK;
}

frz_status frz_equality_set_add(frz_equality_set *set, const frz_leaf_column *columns,
                                int64_t n_rows, int64_t sequence, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf key;
  frz_buf_init(&key, set->alloc, FRZ_LIMIT_COLUMN_BYTES);
  pthread_rwlock_wrlock(&set->lock);
  for (int64_t row = 0; row < n_rows; row++)
    FRZ_TRY_OUT(add_row(set, columns, row, (uint64_t)sequence, &key, err));
out:
  pthread_rwlock_unlock(&set->lock);
  frz_buf_dispose(&key);
  return st;
}

frz_status frz_equality_set_filter(frz_equality_set *set, const frz_leaf_column *columns,
                                   int64_t sequence, int64_t *rows, int64_t *n_rows_inout,
                                   frz_error *err)
{
  frz_status st = FRZ_OK;
  int64_t n_kept = 0;
  frz_buf key;
  frz_buf_init(&key, set->alloc, FRZ_LIMIT_COLUMN_BYTES);
  pthread_rwlock_rdlock(&set->lock);
  for (int64_t i = 0; i < *n_rows_inout; i++) {
    FRZ_TRY_OUT(build_key(set, columns, rows[i], &key, err));
    const uint64_t *deleted = frz_map_find(&set->keys, frz_buf_str(&key));
    if (deleted == NULL || *deleted <= (uint64_t)sequence) rows[n_kept++] = rows[i];
  }
  *n_rows_inout = n_kept;
out:
  pthread_rwlock_unlock(&set->lock);
  frz_buf_dispose(&key);
  return st;
}
