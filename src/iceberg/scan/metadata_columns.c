/*
 * metadata_columns.c - see metadata_columns.h.
 *
 * A file whose rows have no ids (its first_row_id is null) gives null lineage, whatever it stores.
 * In any other a stored value stands, and a null is replaced: the row id by the file's first one
 * plus the position, the sequence number by the file's data sequence number.
 */
#include "iceberg/scan/metadata_columns.h"

#include <assert.h>

static const frz_field columns[] = {
    {.id = FRZ_FIELD_ID_FILE,
     .name = {"_file", 5},
     .required = true,
     .type = {.kind = FRZ_TYPE_STRING}},
    {.id = FRZ_FIELD_ID_POS,
     .name = {"_pos", 4},
     .required = true,
     .type = {.kind = FRZ_TYPE_LONG}},
    {.id = FRZ_FIELD_ID_ROW_ID, .name = {"_row_id", 7}, .type = {.kind = FRZ_TYPE_LONG}},
    {.id = FRZ_FIELD_ID_LAST_UPDATED,
     .name = {"_last_updated_sequence_number", 29},
     .type = {.kind = FRZ_TYPE_LONG}},
};

enum { N_COLUMNS = sizeof columns / sizeof columns[0], FIRST_LINEAGE = 2 };

const frz_field *frz_metadata_column_find(frz_str name, bool case_sensitive)
{
  for (size_t i = 0; i < N_COLUMNS; i++)
    if (case_sensitive ? frz_str_equal(name, columns[i].name)
                       : frz_str_same_word(name, columns[i].name))
      return &columns[i];
  return NULL;
}

bool frz_is_metadata_column(const frz_field *field)
{
  for (size_t i = 0; i < N_COLUMNS; i++)
    if (columns[i].id == field->id) return true;
  return false;
}

bool frz_metadata_column_is_computed(const frz_field *field)
{
  return field->id == FRZ_FIELD_ID_FILE || field->id == FRZ_FIELD_ID_POS;
}

/* ---- values ---- */

static frz_status fill_path(frz_str path, const frz_arrow_field *target, int64_t n_rows,
                            const frz_alloc *alloc, frz_column *column, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_column one = {0};
  FRZ_TRY_OUT(frz_column_init(&one, target, alloc, err));
  FRZ_TRY_OUT(frz_column_append_value(&one, path.data, path.size, err));
  FRZ_TRY_OUT(frz_column_init(column, target, alloc, err));
  FRZ_TRY_OUT(frz_column_append_repeat(column, &one, 0, n_rows, err));
out:
  frz_column_dispose(&one);
  return st;
}

static frz_status fill_positions(const int64_t *positions, const frz_arrow_field *target,
                                 int64_t n_rows, const frz_alloc *alloc, frz_column *column,
                                 frz_error *err)
{
  FRZ_TRY(frz_column_init(column, target, alloc, err));
  FRZ_TRY(frz_buf_append(&column->values, positions, (size_t)n_rows * sizeof *positions, err));
  column->n_rows = n_rows;
  return FRZ_OK;
}

/* Replace nulls by first + positions[row], or by `first` alone. */
static void fill_nulls(frz_column *column, int64_t first, const int64_t *positions)
{
  int64_t *values = (int64_t *)(void *)column->values.data;
  for (int64_t i = 0; column->n_nulls != 0 && i < column->n_rows; i++)
    if (!frz_bit_get(column->validity.data, i))
      values[i] = positions != NULL ? first + positions[i] : first;
  column->n_nulls = 0;
  column->validity.size = 0;
}

frz_status frz_metadata_column_fill(const frz_field *field, const frz_arrow_field *target,
                                    const frz_scan_task *task, const int64_t *positions,
                                    int64_t n_rows, const frz_alloc *alloc,
                                    frz_column *column_inout, frz_error *err)
{
  const frz_data_file *file = &task->entry->file;
  if (field->id == FRZ_FIELD_ID_FILE)
    return fill_path(file->path, target, n_rows, alloc, column_inout, err);
  if (field->id == FRZ_FIELD_ID_POS)
    return fill_positions(positions, target, n_rows, alloc, column_inout, err);
  assert(column_inout->n_rows == n_rows);
  if (file->first_row_id < 0) {
    frz_column_truncate(column_inout, 0);
    return frz_column_append_nulls(column_inout, n_rows, err);
  }
  if (n_rows > 0 && positions[n_rows - 1] > INT64_MAX - file->first_row_id)
    return frz_fail(err, FRZ_ERR_CORRUPT, "first row id %lld: row ids pass 64 bits",
                    (long long)file->first_row_id);
  if (field->id == FRZ_FIELD_ID_ROW_ID)
    fill_nulls(column_inout, file->first_row_id, positions);
  else
    fill_nulls(column_inout, task->entry->data_sequence_number, NULL);
  return FRZ_OK;
}

/* ---- lineage ---- */

frz_status frz_lineage_fields(frz_arena *arena, const frz_arrow_field **fields_out, frz_error *err)
{
  frz_arrow_field *fields = frz_arena_array(arena, FRZ_LINEAGE_COLUMNS, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "row lineage");
  for (size_t i = 0; i < FRZ_LINEAGE_COLUMNS; i++)
    FRZ_TRY(frz_field_to_arrow(&columns[FIRST_LINEAGE + i], arena, &fields[i], err));
  *fields_out = fields;
  return FRZ_OK;
}

frz_status frz_projection_add_lineage(frz_projection *projection, frz_arena *arena, frz_error *err)
{
  if (projection->metadata->format_version < 3) return FRZ_OK;
  size_t n = projection->n_fields;
  const frz_arrow_field *lineage;
  frz_field *fields = frz_arena_array(arena, n + FRZ_LINEAGE_COLUMNS, sizeof *fields);
  frz_arrow_field *arrow = frz_arena_array(arena, n + FRZ_LINEAGE_COLUMNS, sizeof *arrow);
  if (fields == NULL || arrow == NULL) return frz_fail_nomem(err, "row lineage");
  FRZ_TRY(frz_lineage_fields(arena, &lineage, err));
  if (n != 0) {
    memcpy(fields, projection->fields, n * sizeof *fields);
    memcpy(arrow, projection->arrow_fields, n * sizeof *arrow);
  }
  memcpy(fields + n, columns + FIRST_LINEAGE, FRZ_LINEAGE_COLUMNS * sizeof *fields);
  memcpy(arrow + n, lineage, FRZ_LINEAGE_COLUMNS * sizeof *arrow);
  projection->fields = fields;
  projection->arrow_fields = arrow;
  projection->n_fields = n + FRZ_LINEAGE_COLUMNS;
  return FRZ_OK;
}

static frz_status make_longs(const frz_alloc *alloc, const int64_t *values, int64_t n_rows,
                             frz_column *column_out, frz_error *err)
{
  static const frz_arrow_field field = {
      .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}};
  frz_column column;
  FRZ_TRY(frz_column_init(&column, &field, alloc, err));
  frz_status st = values == NULL ? frz_column_append_nulls(&column, n_rows, err) : FRZ_OK;
  for (int64_t i = 0; values != NULL && st == FRZ_OK && i < n_rows; i++)
    st = values[i] < 0 ? frz_column_append_nulls(&column, 1, err)
                       : frz_column_append_value(&column, &values[i], sizeof values[i], err);
  if (st == FRZ_OK)
    *column_out = column;
  else
    frz_column_dispose(&column);
  return st;
}

frz_status frz_batch_append_lineage(frz_batch *batch, const int64_t *row_ids,
                                    const int64_t *sequence_numbers, frz_error *err)
{
  size_t n = batch->n_columns;
  frz_column ids;
  FRZ_TRY(make_longs(batch->alloc, row_ids, batch->n_rows, &ids, err));
  frz_column numbers = {0};
  frz_column *grown = NULL;
  frz_status st = make_longs(batch->alloc, sequence_numbers, batch->n_rows, &numbers, err);
  if (st == FRZ_OK) {
    grown = frz_alloc_array(batch->alloc, n + FRZ_LINEAGE_COLUMNS, sizeof *grown);
    if (grown == NULL) st = frz_fail_nomem(err, "row lineage");
  }
  if (st != FRZ_OK) {
    frz_column_dispose(&ids);
    frz_column_dispose(&numbers);
    return st;
  }
  if (n != 0) memcpy(grown, batch->columns, n * sizeof *grown);
  grown[n] = ids;
  grown[n + 1] = numbers;
  frz_alloc_free(batch->alloc, batch->columns, n * sizeof *grown);
  batch->columns = grown;
  batch->n_columns = n + FRZ_LINEAGE_COLUMNS;
  return FRZ_OK;
}
