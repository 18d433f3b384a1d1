/*
 * keyed_rows.h - rows from outside, held in memory and found by the values of their key columns.
 *
 * Rows are numbered from 0 in the order of their stream. A row whose key has a null is found by no
 * key. Used by one thread.
 */
#ifndef FRZ_ICEBERG_KEYED_ROWS_H
#define FRZ_ICEBERG_KEYED_ROWS_H

#include "arrow/arrow_stream.h"
#include "iceberg/filter/expression.h"
#include "iceberg/scan/column_map.h"
#include "iceberg/write/table_write.h"

/** What an upsert did, or has to do, with a row. */
typedef enum frz_keyed_state {
  FRZ_KEYED_NEW = 0,    /* no row of the table had its key */
  FRZ_KEYED_EQUAL = 1,  /* one had it, and every other value too */
  FRZ_KEYED_CHANGED = 2 /* one had it, and other values */
} frz_keyed_state;

typedef struct frz_keyed_batch {
  frz_batch batch;
  int64_t first_row;
} frz_keyed_batch;

typedef struct frz_keyed_rows {
  const frz_alloc *alloc;
  frz_arena arena;
  const frz_schema *schema;
  frz_arrow_field *fields; /* of the schema's columns */
  const frz_field **key_fields;
  const char **key_names; /* dotted */
  size_t n_keys;
  frz_leaf *leaves; /* of the keys, in `fields` */
  frz_map rows;     /* key to row number */
  frz_keyed_batch *batches;
  size_t n_batches, batches_capacity;
  int64_t n_rows;
  frz_buf states;         /* a frz_keyed_state byte a row */
  frz_buf row_ids;        /* int64_t a row: the lineage of the row that it takes the place of */
  frz_str missing_column; /* a column that the data does not have; data NULL: it has all */
} frz_keyed_rows;

/** No rows yet; `schema` is borrowed. Key columns by name, or with none of them the schema's
 * identifier fields. FRZ_ERR_INVALID: there are none either, or one that cannot be a key. Ended by
 * frz_keyed_rows_dispose(), also after a failure. */
frz_status frz_keyed_rows_init(frz_keyed_rows *self, frz_context *context, const frz_schema *schema,
                               const char *const *names, size_t n_names, bool case_sensitive,
                               frz_error *err) FRZ_MUST_CHECK;
void frz_keyed_rows_dispose(frz_keyed_rows *self);

/** Take the whole stream, conformed to the schema. FRZ_ERR_INVALID: two rows have one key. */
frz_status frz_keyed_rows_read(frz_keyed_rows *self, frz_context *context,
                               struct ArrowArrayStream *data, const frz_write_options *options,
                               frz_error *err) FRZ_MUST_CHECK;

/** A filter that is true of every row of a table whose key is among these rows': the keys
 * themselves where they are few, else their range; in an arena. */
frz_status frz_keyed_rows_filter(const frz_keyed_rows *self, frz_arena *arena,
                                 const frz_expr **filter_out, frz_error *err) FRZ_MUST_CHECK;

/** Leaves of the key columns among other fields of the same schema. */
frz_status frz_keyed_rows_leaves(const frz_keyed_rows *self, const frz_arrow_field *fields,
                                 size_t n_fields, frz_arena *arena, frz_leaf **leaves_out,
                                 frz_error *err) FRZ_MUST_CHECK;

/** The row with the key of row `row` of some columns (those of its leaves); -1: none. `scratch` is
 * reused. */
frz_status frz_keyed_rows_find(const frz_keyed_rows *self, const frz_leaf_column *columns,
                               int64_t row, frz_buf *scratch, int64_t *found_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** The batch that holds a row, and its place there. */
const frz_batch *frz_keyed_rows_at(const frz_keyed_rows *self, int64_t row, int64_t *place_out);

static inline frz_keyed_state frz_keyed_rows_state(const frz_keyed_rows *self, int64_t row)
{
  return (frz_keyed_state)self->states.data[row];
}

static inline void frz_keyed_rows_set(frz_keyed_rows *self, int64_t row, frz_keyed_state state,
                                      int64_t row_id)
{
  self->states.data[row] = (uint8_t)state;
  ((int64_t *)(void *)self->row_ids.data)[row] = row_id;
}

/** Give the writer every row that is new or changed, and count them. `with_lineage`: the writer
 * takes it. The rows are gone then. */
frz_status frz_keyed_rows_write(frz_keyed_rows *self, frz_data_file_writer *writer,
                                bool with_lineage, int64_t *n_new_out, int64_t *n_changed_out,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
