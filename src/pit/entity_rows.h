/*
 * entity_rows.h - the entity rows of a join: read once from a stream, kept in blocks, in memory or,
 * past a share of it, in a spill file.
 *
 * A block holds neighbouring rows, as many as one batch of the result. Each is looked into any
 * number of times and then taken.
 */
#ifndef FRZ_PIT_ENTITY_ROWS_H
#define FRZ_PIT_ENTITY_ROWS_H

#include "arrow/column.h"
#include "base/spill_file.h"

enum { FRZ_ENTITY_BLOCK_ROWS = 65536 };

typedef struct frz_entity_block {
  int64_t first_row;
  int64_t n_rows;
  frz_batch batch;        /* in memory; no columns: in the file */
  int64_t *column_places; /* in the file: where each column starts */
} frz_entity_block;

typedef struct frz_entity_rows {
  frz_context *context;
  const frz_alloc *alloc;
  frz_arena arena; /* fields, and places in the file */
  frz_arrow_field *fields;
  size_t n_fields;
  frz_buf blocks; /* frz_entity_block */
  int64_t n_rows;
  size_t memory_bytes;     /* of the blocks in memory */
  size_t memory_bytes_max; /* more go to the file */
  size_t total_bytes;      /* of all blocks, wherever they are */
  frz_spill_file *file;    /* NULL: all in memory */
} frz_entity_rows;

void frz_entity_rows_init(frz_entity_rows *rows, frz_context *context, size_t memory_bytes_max);
void frz_entity_rows_dispose(frz_entity_rows *rows);

/** Take the stream and read all of it. `arrived` (may be NULL) hears of each batch. */
frz_status frz_entity_rows_read(frz_entity_rows *rows, struct ArrowArrayStream *stream,
                                frz_status (*arrived)(void *arg, int64_t n_rows, frz_error *err),
                                void *arg, frz_error *err) FRZ_MUST_CHECK;

static inline size_t frz_entity_rows_blocks(const frz_entity_rows *rows)
{
  return rows->blocks.size / sizeof(frz_entity_block);
}

static inline frz_entity_block *frz_entity_rows_block(const frz_entity_rows *rows, size_t block)
{
  return (frz_entity_block *)(void *)rows->blocks.data + block;
}

/** A column of a block: the block's own, or read into `scratch`, which the caller disposes. */
frz_status frz_entity_rows_column(const frz_entity_rows *rows, size_t block, size_t column,
                                  frz_column *scratch, const frz_column **column_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Move the columns of a block to `columns_out`, one a field, initialised and empty. */
frz_status frz_entity_rows_take(frz_entity_rows *rows, size_t block, frz_column *columns_out,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
