/*
 * entity_rows.c - see entity_rows.h.
 *
 * Batches of the stream are gathered until they fill a block; one that fills it alone is moved, not
 * copied. Once the blocks take more than their share of memory all of them go to the file, and
 * later ones as soon as they are full.
 */
#include "pit/entity_rows.h"

#include "arrow/arrow_stream.h"
#include "base/limits.h"
#include "pit/spill_column.h"

/* A block of long values is closed early, and so is one that would take much of the memory. */
enum { BLOCK_BYTES_MAX = 16 << 20, BLOCKS_IN_MEMORY = 4 };

void frz_entity_rows_init(frz_entity_rows *rows, frz_context *context, size_t memory_bytes_max)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  *rows =
      (frz_entity_rows){.context = context, .alloc = alloc, .memory_bytes_max = memory_bytes_max};
  frz_arena_init(&rows->arena, alloc, FRZ_LIMIT_JOIN_BYTES);
  frz_buf_init(&rows->blocks, alloc, FRZ_LIMIT_JOIN_BYTES);
}

void frz_entity_rows_dispose(frz_entity_rows *rows)
{
  for (size_t b = 0; b < frz_entity_rows_blocks(rows); b++)
    frz_batch_dispose(&frz_entity_rows_block(rows, b)->batch);
  frz_buf_dispose(&rows->blocks);
  frz_spill_file_free(rows->file);
  frz_arena_free(&rows->arena);
}

/* ---- reading ---- */

static frz_status spill_block(frz_entity_rows *rows, frz_entity_block *block, frz_error *err)
{
  size_t bytes = frz_batch_memory(&block->batch);
  block->column_places = frz_arena_array(&rows->arena, rows->n_fields, sizeof(int64_t));
  if (block->column_places == NULL) return frz_fail_nomem(err, "entity rows");
  for (size_t c = 0; c < rows->n_fields; c++) {
    block->column_places[c] = frz_spill_file_end(rows->file);
    FRZ_TRY(frz_spill_column_write(rows->file, &block->batch.columns[c], err));
  }
  frz_batch_dispose(&block->batch);
  rows->memory_bytes -= bytes;
  return FRZ_OK;
}

/* Make a block of the gathered rows, if there are any. */
static frz_status close_block(frz_entity_rows *rows, frz_batch *gathered, frz_error *err)
{
  if (gathered->n_rows == 0) return FRZ_OK;
  frz_entity_block block = {
      .first_row = rows->n_rows, .n_rows = gathered->n_rows, .batch = *gathered};
  FRZ_TRY(frz_buf_append(&rows->blocks, &block, sizeof block, err));
  *gathered = (frz_batch){0};
  size_t bytes = frz_batch_memory(&block.batch);
  rows->n_rows += block.n_rows;
  rows->memory_bytes += bytes;
  rows->total_bytes += bytes;
  if (rows->memory_bytes <= rows->memory_bytes_max && rows->file == NULL) return FRZ_OK;
  size_t first = frz_entity_rows_blocks(rows) - 1;
  if (rows->file == NULL) {
    FRZ_TRY(frz_spill_file_create(rows->context, &rows->file, err));
    first = 0;
  }
  for (size_t b = first; b < frz_entity_rows_blocks(rows); b++) {
    FRZ_TRY(frz_context_check(rows->context, err));
    FRZ_TRY(spill_block(rows, frz_entity_rows_block(rows, b), err));
  }
  return FRZ_OK;
}

/* Add a batch (taken over) to what is gathered. */
static frz_status gather(frz_entity_rows *rows, frz_batch *gathered, frz_batch *batch,
                         frz_error *err)
{
  bool fits = gathered->n_rows + batch->n_rows <= FRZ_ENTITY_BLOCK_ROWS;
  if (!fits) FRZ_TRY(close_block(rows, gathered, err));
  if (gathered->n_rows == 0) {
    frz_batch_dispose(gathered);
    *gathered = *batch;
    *batch = (frz_batch){0};
  } else {
    for (size_t c = 0; c < batch->n_columns; c++)
      FRZ_TRY(
          frz_column_append_rows(&gathered->columns[c], &batch->columns[c], 0, batch->n_rows, err));
    gathered->n_rows += batch->n_rows;
  }
  size_t bytes_max = rows->memory_bytes_max / BLOCKS_IN_MEMORY;
  if (bytes_max > BLOCK_BYTES_MAX) bytes_max = BLOCK_BYTES_MAX;
  bool full = gathered->n_rows == FRZ_ENTITY_BLOCK_ROWS || frz_batch_memory(gathered) >= bytes_max;
  return full ? close_block(rows, gathered, err) : FRZ_OK;
}

static frz_status read_batches(frz_entity_rows *rows, frz_stream_reader *reader,
                               frz_status (*arrived)(void *arg, int64_t n_rows, frz_error *err),
                               void *arg, frz_error *err)
{
  frz_batch gathered = {0};
  frz_batch batch = {0};
  frz_status st = FRZ_OK;
  for (bool more = true; more;) {
    FRZ_TRY_OUT(frz_context_poll(rows->context, err));
    FRZ_TRY_OUT(frz_stream_reader_next(reader, &batch, err));
    more = batch.n_rows != 0;
    if (more) FRZ_TRY_OUT(gather(rows, &gathered, &batch, err));
    frz_batch_dispose(&batch);
    if (arrived != NULL) FRZ_TRY_OUT(arrived(arg, rows->n_rows + gathered.n_rows, err));
  }
  st = close_block(rows, &gathered, err);
out:
  frz_batch_dispose(&batch);
  frz_batch_dispose(&gathered);
  return st;
}

frz_status frz_entity_rows_read(frz_entity_rows *rows, struct ArrowArrayStream *stream,
                                frz_status (*arrived)(void *arg, int64_t n_rows, frz_error *err),
                                void *arg, frz_error *err)
{
  frz_stream_reader reader;
  FRZ_TRY(frz_stream_reader_open(&reader, stream, rows->alloc, err));
  reader.rows_max = FRZ_ENTITY_BLOCK_ROWS;
  frz_status st = FRZ_OK;
  rows->n_fields = reader.n_fields;
  rows->fields = frz_arena_array(&rows->arena, reader.n_fields, sizeof *rows->fields);
  if (rows->fields == NULL) st = frz_fail_nomem(err, "entity rows");
  for (size_t i = 0; st == FRZ_OK && i < reader.n_fields; i++)
    st = frz_arrow_field_copy(&reader.fields[i], &rows->arena, &rows->fields[i], err);
  if (st == FRZ_OK) st = read_batches(rows, &reader, arrived, arg, err);
  frz_stream_reader_dispose(&reader);
  return st;
}

/* ---- looking ---- */

frz_status frz_entity_rows_column(const frz_entity_rows *rows, size_t block, size_t column,
                                  frz_column *scratch, const frz_column **column_out,
                                  frz_error *err)
{
  const frz_entity_block *from = frz_entity_rows_block(rows, block);
  if (from->column_places == NULL) {
    *column_out = &from->batch.columns[column];
    return FRZ_OK;
  }
  frz_column_dispose(scratch);
  FRZ_TRY(frz_column_init(scratch, &rows->fields[column], rows->alloc, err));
  int64_t offset = from->column_places[column];
  FRZ_TRY(frz_spill_column_read(rows->file, &offset, scratch, err));
  *column_out = scratch;
  return FRZ_OK;
}

frz_status frz_entity_rows_take(frz_entity_rows *rows, size_t block, frz_column *columns_out,
                                frz_error *err)
{
  frz_entity_block *from = frz_entity_rows_block(rows, block);
  for (size_t c = 0; from->column_places != NULL && c < rows->n_fields; c++) {
    int64_t offset = from->column_places[c];
    FRZ_TRY(frz_spill_column_read(rows->file, &offset, &columns_out[c], err));
  }
  for (size_t c = 0; from->column_places == NULL && c < rows->n_fields; c++) {
    frz_column empty = columns_out[c];
    columns_out[c] = from->batch.columns[c];
    from->batch.columns[c] = empty;
  }
  if (from->column_places == NULL) frz_batch_dispose(&from->batch);
  return FRZ_OK;
}
