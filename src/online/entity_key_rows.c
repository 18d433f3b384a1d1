/*
 * entity_key_rows.c - the entity keys of a batch's rows.
 *
 * Where every join key takes as many bytes in each row, all keys begin as copies of the first one,
 * into which the row's values are put.
 */
#include <string.h>

#include "base/endian.h"
#include "base/limits.h"
#include "online/entity_key.h"

typedef struct key_maker {
  const frz_online_info *info;
  const frz_column *columns;
  frz_value *values; /* of one row */
  frz_buf key;       /* the head of all, then the values of one */
  size_t head_bytes;
} key_maker;

static frz_value value_at(const frz_column *column, int64_t row)
{
  const void *values = column->values.data;
  frz_str bytes;
  switch (column->type.kind) {
  case FRZ_ARROW_BOOL:
    return (frz_value){.kind = FRZ_VALUE_BOOL, .as.boolean = frz_bit_get(values, row)};
  case FRZ_ARROW_INT32:
    return (frz_value){.kind = FRZ_VALUE_INT32, .as.i32 = ((const int32_t *)values)[row]};
  case FRZ_ARROW_INT64:
    return (frz_value){.kind = FRZ_VALUE_INT64, .as.i64 = ((const int64_t *)values)[row]};
  case FRZ_ARROW_TIMESTAMP:
    if (column->type.unit != FRZ_UNIT_US) break;
    return (frz_value){.kind = FRZ_VALUE_TIMESTAMP, .as.i64 = ((const int64_t *)values)[row]};
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY:
    bytes = frz_column_bytes(column, row);
    return (frz_value){.kind = FRZ_VALUE_BYTES, .as.bytes = {bytes.data, bytes.size}};
  default: break;
  }
  return (frz_value){.kind = FRZ_VALUE_NULL};
}

static frz_status make_key(key_maker *maker, int64_t row, frz_error *err)
{
  for (size_t k = 0; k < maker->info->n_join_keys; k++)
    maker->values[k] = value_at(&maker->columns[k], row);
  maker->key.size = maker->head_bytes;
  return frz_entity_key_values(maker->info, maker->values, &maker->key, err);
}

/* ---- keys of one size ---- */

enum { PART_HEAD_BYTES = 8 };

/* The bytes of a join key's values that are stored as the column has them; 0: others. */
static size_t copied_bytes(const frz_online_column *key, const frz_column *column)
{
  if (key->kind == FRZ_VALUE_INT64 && column->type.kind == FRZ_ARROW_INT64) return 8;
  return key->kind == FRZ_VALUE_INT32 && column->type.kind == FRZ_ARROW_INT32 ? 4 : 0;
}

/* Is the first row's key, which was made, one of which all values are copied? */
static bool are_copied(const key_maker *maker)
{
  size_t size = maker->head_bytes;
  for (size_t k = 0; k < maker->info->n_join_keys; k++) {
    size_t bytes = copied_bytes(&maker->info->join_keys[k], &maker->columns[k]);
    if (bytes == 0) return false;
    size += PART_HEAD_BYTES + bytes;
  }
  return size == maker->key.size;
}

static void put_values(const key_maker *maker, int64_t n_rows, uint8_t *keys)
{
  size_t size = maker->key.size;
  size_t at = maker->head_bytes;
  for (size_t k = 0; k < maker->info->n_join_keys; k++) {
    const uint8_t *values = maker->columns[k].values.data;
    size_t bytes = copied_bytes(&maker->info->join_keys[k], &maker->columns[k]);
    uint8_t *to = keys + at + PART_HEAD_BYTES;
    for (int64_t i = 0; i < n_rows; i++, to += size) {
      if (bytes == 8)
        frz_store_u64le(to, frz_load_u64le(values + 8 * i));
      else
        frz_store_u32le(to, frz_load_u32le(values + 4 * i));
    }
    at += PART_HEAD_BYTES + bytes;
  }
}

static frz_status append_copies(const key_maker *maker, int64_t n_rows, frz_column *keys,
                                frz_error *err)
{
  size_t size = maker->key.size;
  uint8_t *to, *at;
  FRZ_TRY(frz_buf_extend(&keys->values, (size_t)n_rows * size, &to, err));
  FRZ_TRY(frz_buf_extend(&keys->offsets, ((size_t)n_rows + 1) * sizeof(int32_t), &at, err));
  int32_t *offsets = (int32_t *)(void *)at;
  offsets[0] = 0;
  for (int64_t i = 0; i < n_rows; i++) {
    memcpy(to + (size_t)i * size, maker->key.data, size);
    offsets[i + 1] = (int32_t)((size_t)(i + 1) * size);
  }
  put_values(maker, n_rows, to);
  keys->n_rows = n_rows;
  return FRZ_OK;
}

/* ---- all ---- */

static frz_status append_keys(key_maker *maker, int64_t n_rows, frz_column *keys, frz_error *err)
{
  FRZ_TRY(frz_entity_key_head(maker->info, &maker->key, err));
  maker->head_bytes = maker->key.size;
  for (int64_t row = 0; row < n_rows; row++) {
    FRZ_TRY(make_key(maker, row, err));
    if (row == 0 && are_copied(maker)) return append_copies(maker, n_rows, keys, err);
    FRZ_TRY(frz_column_append_value(keys, maker->key.data, maker->key.size, err));
  }
  return FRZ_OK;
}

frz_status frz_entity_key_rows(const frz_online_info *info, const frz_column *columns,
                               int64_t n_rows, frz_column *keys, frz_error *err)
{
  const frz_alloc *alloc = keys->alloc;
  size_t n = info->n_join_keys + 1; /* not none */
  key_maker maker = {.info = info, .columns = columns};
  maker.values = frz_alloc_array(alloc, n, sizeof *maker.values);
  if (maker.values == NULL) return frz_fail_nomem(err, "entity keys");
  frz_buf_init(&maker.key, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_status st = append_keys(&maker, n_rows, keys, err);
  frz_buf_dispose(&maker.key);
  frz_alloc_free(alloc, maker.values, n * sizeof *maker.values);
  return st;
}
