/*
 * entity_slice.c - see entity_slice.h.
 *
 * Keys that are numbers have a place that is known beforehand, and blocks in memory are filled in
 * by all threads; other keys follow each other, and blocks of a file are read one by one.
 */
#include "pit/entity_slice.h"

#include "base/runtime.h"

void frz_entity_slice_init(frz_entity_slice *slice, const frz_alloc *alloc)
{
  *slice = (frz_entity_slice){0};
  frz_key_batch_init(&slice->keys, alloc);
  frz_buf_init(&slice->times, alloc, SIZE_MAX / 2);
  frz_buf_init(&slice->present, alloc, SIZE_MAX / 2);
}

void frz_entity_slice_dispose(frz_entity_slice *slice)
{
  frz_key_batch_dispose(&slice->keys);
  frz_buf_dispose(&slice->times);
  frz_buf_dispose(&slice->present);
}

frz_status frz_entity_columns_look(const frz_entity_columns *columns, const frz_entity_rows *rows,
                                   size_t block, const frz_column **times_out, frz_error *err)
{
  for (size_t k = 0; k < columns->n_keys; k++)
    FRZ_TRY(frz_entity_rows_column(rows, block, columns->key_at[k], &columns->scratch[k],
                                   &columns->keys[k], err));
  return frz_entity_rows_column(rows, block, columns->time_at, &columns->scratch[columns->n_keys],
                                times_out, err);
}

/* The block behind a slice of at most `rows_max` rows, but at least a block. */
static size_t slice_end(const frz_entity_rows *rows, size_t first_block, int64_t rows_max)
{
  size_t end = first_block;
  int64_t n_rows = 0;
  for (; end < frz_entity_rows_blocks(rows); end++) {
    n_rows += frz_entity_rows_block(rows, end)->n_rows;
    if (end != first_block && n_rows > rows_max) break;
  }
  return end;
}

int64_t frz_entity_slices(const frz_entity_rows *rows, int64_t rows_max)
{
  int64_t n = 0;
  for (size_t block = 0; block < frz_entity_rows_blocks(rows); n++)
    block = slice_end(rows, block, rows_max);
  return n;
}

/* ---- filling ---- */

static void put_times(const frz_entity_columns *columns, const frz_column *times, int64_t first,
                      frz_entity_slice *slice)
{
  int64_t *values = (int64_t *)(void *)slice->times.data + first;
  uint8_t *present = slice->present.data + first;
  for (int64_t i = 0; i < times->n_rows; i++) {
    present[i] = columns->has_times && !frz_column_is_null(times, i);
    values[i] = present[i] ? frz_time_value(times, columns->time_scale, i) : 0;
  }
}

/* The bytes of a block's keys behind those of the slice. */
static frz_status append_bytes(frz_entity_slice *slice, const frz_key_batch *block, size_t n_rows,
                               frz_error *err)
{
  frz_key_batch *keys = &slice->keys;
  int32_t base = (int32_t)keys->byte_store.size - block->offsets[0];
  size_t n_bytes = (size_t)(block->offsets[n_rows] - block->offsets[0]);
  FRZ_TRY(frz_buf_append(&keys->byte_store, block->bytes + block->offsets[0], n_bytes, err));
  if (keys->offset_store.size == 0)
    FRZ_TRY(frz_buf_append(&keys->offset_store, &(int32_t){0}, sizeof(int32_t), err));
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(&keys->offset_store, n_rows * sizeof(int32_t), &at, err));
  int32_t *ends = (int32_t *)(void *)at;
  for (size_t i = 0; i < n_rows; i++) ends[i] = base + block->offsets[i + 1];
  return FRZ_OK;
}

typedef struct slice_fill {
  frz_entity_slice *slice;
  const frz_entity_rows *rows;
  const frz_entity_columns *columns;
} slice_fill;

static frz_status put_block(const slice_fill *fill, const frz_entity_columns *columns, size_t block,
                            frz_key_batch *keys, frz_error *err)
{
  frz_entity_slice *slice = fill->slice;
  const frz_entity_block *from = frz_entity_rows_block(fill->rows, block);
  int64_t first = from->first_row - slice->first_row;
  size_t n_rows = (size_t)from->n_rows;
  const frz_column *times;
  FRZ_TRY(frz_context_check(fill->rows->context, err));
  FRZ_TRY(frz_entity_columns_look(columns, fill->rows, block, &times, err));
  FRZ_TRY(frz_key_batch_fill(keys, columns->keys, columns->key_forms, columns->n_keys, false,
                             from->n_rows, err));
  memcpy(slice->keys.hashes + first, keys->hashes, n_rows * sizeof(uint64_t));
  memcpy(slice->keys.present + first, keys->present, n_rows);
  put_times(columns, times, first, slice);
  return keys->bytes != NULL ? append_bytes(slice, keys, n_rows, err) : FRZ_OK;
}

/* A block in memory, with one key: nothing of what other threads look at is written to. */
static frz_status put_number_block(void *arg, size_t i, frz_error *err)
{
  const slice_fill *fill = arg;
  const frz_column *key;
  frz_entity_columns columns = *fill->columns;
  frz_key_batch keys;
  columns.keys = &key;
  frz_key_batch_init(&keys, fill->rows->alloc);
  frz_status st = put_block(fill, &columns, fill->slice->first_block + i, &keys, err);
  frz_key_batch_dispose(&keys);
  return st;
}

static frz_status put_blocks(const slice_fill *fill, frz_error *err)
{
  frz_key_batch keys;
  frz_status st = FRZ_OK;
  frz_key_batch_init(&keys, fill->rows->alloc);
  for (size_t block = fill->slice->first_block; block < fill->slice->end_block; block++) {
    FRZ_TRY_OUT(frz_context_poll(fill->rows->context, err));
    FRZ_TRY_OUT(put_block(fill, fill->columns, block, &keys, err));
  }
out:
  frz_key_batch_dispose(&keys);
  return st;
}

/* Room for all rows, but for the bytes of keys. */
static frz_status make_room(frz_entity_slice *slice, frz_error *err)
{
  size_t n_rows = (size_t)slice->n_rows;
  FRZ_TRY(frz_buf_resize(&slice->times, n_rows * sizeof(int64_t), err));
  FRZ_TRY(frz_buf_resize(&slice->present, n_rows, err));
  FRZ_TRY(frz_buf_resize(&slice->keys.hash_store, n_rows * sizeof(uint64_t), err));
  FRZ_TRY(frz_buf_resize(&slice->keys.present_store, n_rows, err));
  slice->keys.hashes = (uint64_t *)(void *)slice->keys.hash_store.data;
  slice->keys.present = slice->keys.present_store.data;
  return FRZ_OK;
}

frz_status frz_entity_slice_fill(frz_entity_slice *slice, const frz_entity_rows *rows,
                                 const frz_entity_columns *columns, size_t first_block,
                                 int64_t rows_max, frz_error *err)
{
  slice->first_block = first_block;
  slice->end_block = slice_end(rows, first_block, rows_max);
  slice->first_row = frz_entity_rows_block(rows, first_block)->first_row;
  for (size_t b = first_block; b < slice->end_block; b++)
    slice->n_rows += frz_entity_rows_block(rows, b)->n_rows;
  FRZ_TRY(make_room(slice, err));
  slice_fill fill = {slice, rows, columns};
  bool are_numbers = columns->n_keys == 1 && (columns->key_forms[0] == FRZ_KEY_INTEGER ||
                                              columns->key_forms[0] == FRZ_KEY_DOUBLE);
  if (are_numbers && rows->file == NULL)
    return frz_parallel_for(rows->context, slice->end_block - first_block, put_number_block, &fill,
                            err);
  FRZ_TRY(put_blocks(&fill, err));
  if (slice->keys.offset_store.size == 0) return FRZ_OK;
  slice->keys.offsets = (const int32_t *)(const void *)slice->keys.offset_store.data;
  slice->keys.bytes =
      slice->keys.byte_store.data != NULL ? slice->keys.byte_store.data : (const uint8_t *)"";
  return FRZ_OK;
}
