/*
 * avro_rows.c - Avro files as row files: see row_reader.h.
 *
 * An Avro file says nothing about its rows but in its blocks, so it is one group: one thread reads
 * it, and no part is left out by a filter. Nor does it say where it ends: what was read whole is
 * compared with the count in the manifest, so that a file cut between two blocks is found out.
 */
#include "avro/avro_columns.h"
#include "iceberg/scan/row_reader.h"

typedef struct avro_rows {
  frz_row_file base;
  const frz_alloc *alloc;
  frz_arena arena;
  frz_avro_table *table;
  int64_t n_rows; /* as the manifest says; -1: it does not */
} avro_rows;

typedef struct avro_row_reader {
  frz_row_reader base;
  const avro_rows *rows;
  frz_avro_columns_reader *columns;
  bool is_whole;
  int64_t n_read;
} avro_row_reader;

static const frz_row_range WHOLE_FILE = {0, INT64_MAX};

/* ---- columns ---- */

static bool has_ids(const frz_arrow_field *field)
{
  if (field->field_id >= 0) return true;
  for (size_t i = 0; i < field->n_children; i++)
    if (has_ids(&field->children[i])) return true;
  return false;
}

static frz_status list_columns(avro_rows *rows, frz_error *err)
{
  size_t n;
  const frz_avro_column *from = frz_avro_table_columns(rows->table, &n);
  frz_row_column *columns = frz_arena_array(&rows->arena, n, sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "columns of a file");
  for (size_t i = 0; i < n; i++) {
    columns[i] = (frz_row_column){.field = from[i].field,
                                  .first_leaf = from[i].first_leaf,
                                  .n_leaves = from[i].n_leaves,
                                  .is_unknown = from[i].is_unknown};
    rows->base.n_leaves += from[i].n_leaves;
    if (has_ids(&from[i].field)) rows->base.has_ids = true;
  }
  rows->base.columns = columns;
  rows->base.n_columns = n;
  return FRZ_OK;
}

static frz_status avro_prune(const frz_row_file *file, size_t column, const bool *selected,
                             frz_arena *arena, frz_arrow_field *field_out, frz_error *err)
{
  return frz_avro_table_field(((const avro_rows *)file)->table, column, selected, arena, field_out,
                              err);
}

static frz_status avro_explain(const frz_row_file *file, size_t column, frz_arena *arena,
                               frz_error *err)
{
  frz_arrow_field unused;
  FRZ_TRY(avro_prune(file, column, NULL, arena, &unused, err));
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "column '%.*s': unknown layout",
                  FRZ_STR_ARG(file->columns[column].field.name));
}

/* ---- rows ---- */

static frz_status avro_next(frz_row_reader *reader, frz_batch *batch_out, int64_t *first_out,
                            frz_error *err)
{
  avro_row_reader *self = (avro_row_reader *)reader;
  int64_t n_expected = self->rows->n_rows;
  frz_batch batch;
  FRZ_TRY(frz_avro_columns_next(self->columns, &batch, first_out, err));
  self->n_read += batch.n_rows;
  if (self->is_whole && n_expected >= 0 &&
      (self->n_read > n_expected || (batch.n_rows == 0 && self->n_read != n_expected))) {
    frz_batch_dispose(&batch);
    return frz_fail(err, FRZ_ERR_CORRUPT, "%lld rows%s, the manifest says %lld",
                    (long long)self->n_read, self->n_read > n_expected ? " or more" : "",
                    (long long)n_expected);
  }
  *batch_out = batch;
  return FRZ_OK;
}

static void avro_reader_free(frz_row_reader *reader)
{
  avro_row_reader *self = (avro_row_reader *)reader;
  frz_avro_columns_free(self->columns);
  frz_alloc_free(self->rows->alloc, self, sizeof *self);
}

static frz_status avro_read(const frz_row_file *file, const frz_row_read_options *options,
                            frz_row_reader **reader_out, frz_error *err)
{
  const avro_rows *rows = (const avro_rows *)file;
  const frz_avro_read_options read = {.selected_leaves = options->selected_leaves,
                                      .ranges = options->ranges,
                                      .n_ranges = options->n_ranges,
                                      .batch_rows_max = options->batch_rows_max,
                                      .merge_ranges = options->merge_ranges};
  avro_row_reader *reader = frz_alloc_zeroed(rows->alloc, sizeof *reader);
  if (reader == NULL) return frz_fail_nomem(err, "avro rows");
  reader->base = (frz_row_reader){avro_next, avro_reader_free};
  reader->rows = rows;
  reader->is_whole = options->ranges == NULL ||
                     (options->n_ranges == 1 && options->ranges[0].first == WHOLE_FILE.first &&
                      options->ranges[0].last == WHOLE_FILE.last);
  frz_status st = frz_avro_columns_create(rows->table, &read, &reader->columns, err);
  if (st != FRZ_OK) {
    avro_reader_free(&reader->base);
    return st;
  }
  *reader_out = &reader->base;
  return FRZ_OK;
}

/* ---- life ---- */

static void avro_rows_free(frz_row_file *file)
{
  avro_rows *rows = (avro_rows *)file;
  frz_avro_table_free(rows->table);
  frz_arena_free(&rows->arena);
  frz_alloc_free(rows->alloc, rows, sizeof *rows);
}

frz_status frz_avro_rows_open(frz_context *context, frz_storage *storage, frz_str path,
                              int64_t n_rows, frz_row_file **file_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_source *source;
  const frz_alloc *alloc = frz_context_alloc(context);
  avro_rows *rows = frz_alloc_zeroed(alloc, sizeof *rows);
  if (rows == NULL) return frz_fail_nomem(err, "avro rows");
  rows->alloc = alloc;
  rows->n_rows = n_rows;
  rows->base.groups = &WHOLE_FILE;
  rows->base.n_groups = 1;
  rows->base.explain = avro_explain;
  rows->base.prune = avro_prune;
  rows->base.read = avro_read;
  rows->base.free = avro_rows_free;
  frz_arena_init(&rows->arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(frz_storage_open_cached(storage, path, &source, err));
  FRZ_TRY_OUT(frz_avro_table_open(alloc, source, path, &rows->table, err));
  FRZ_TRY_OUT(list_columns(rows, err));
  *file_out = &rows->base;
  rows = NULL;
out:
  if (rows != NULL) avro_rows_free(&rows->base);
  return st;
}
