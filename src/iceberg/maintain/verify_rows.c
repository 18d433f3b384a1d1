/*
 * verify_rows.c - every row of a data file against its manifest entry. See verify.h.
 *
 * Columns at the top of the schema are compared: number of nulls and of NaN, bounds, the partition
 * that each row belongs to, and the order where the file claims one. Deletes are left out of it: an
 * entry describes all rows of its file.
 */
#include <inttypes.h>

#include "arrow/column_sort.h"
#include "base/limits.h"
#include "iceberg/maintain/verify.h"

static const frz_check check_unreadable = {"data-unreadable", true,
                                           "The file is damaged: restore it from a copy."};
static const frz_check check_nan_count = {"nan-count", true,
                                          "Filters leave out rows that match: compact the file."};
static const frz_check check_partition = {
    "partition-value", true,
    "Filters on the partition lose rows: compact the file with rewrite_all."};
static const frz_check check_order = {
    "sort-order", false, "The file is not sorted as it claims: compact it with a sort order."};

typedef struct column_check {
  const frz_field *field;
  frz_literal lower, upper;
  int64_t n_nulls, n_nans;
  bool is_outside;                            /* was told */
  const frz_partition_field *partition_field; /* NULL: rows decide no partition value */
  size_t partition_index;
  bool is_misplaced; /* was told */
} column_check;

typedef struct rows_check {
  const frz_verify_job *job;
  const frz_manifest_entry *entry;
  const frz_partition_spec *spec;
  frz_findings *findings;
  frz_arena arena;
  column_check *columns; /* by projected field, then partition fields that share one */
  size_t n_columns;
  frz_sort_key *keys; /* of the order that is claimed; columns are set a batch at a time */
  size_t *key_columns;
  size_t n_keys;
  frz_batch before; /* the batch before this one */
  bool is_unsorted; /* was told */
} rows_check;

/* ---- values ---- */

static bool is_nan(const frz_literal *value)
{
  return !value->is_null && ((value->kind == FRZ_TYPE_FLOAT && value->as.f32 != value->as.f32) ||
                             (value->kind == FRZ_TYPE_DOUBLE && value->as.f64 != value->as.f64));
}

static frz_status verify_partition(rows_check *c, column_check *column, const frz_literal *value,
                                   int64_t row, frz_error *err)
{
  frz_literal result;
  frz_arena scratch;
  const frz_partition *partition = &c->entry->file.partition;
  if (column->is_misplaced || column->partition_index >= partition->n_values) return FRZ_OK;
  const frz_literal *said = &partition->values[column->partition_index];
  frz_arena_init(&scratch, c->job->alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_status st =
      frz_transform_apply(&column->partition_field->transform, value, &scratch, &result, err);
  if (st == FRZ_OK) {
    const frz_partition left = {&result, 1}, right = {said, 1};
    column->is_misplaced = !frz_partition_equal(&left, &right);
  }
  frz_arena_free(&scratch);
  FRZ_TRY(st);
  if (!column->is_misplaced) return FRZ_OK;
  return frz_findings_add(c->findings, &check_partition, c->entry->file.path, err,
                          "partition field '%.*s': row %" PRId64 " belongs to another partition",
                          FRZ_STR_ARG(column->partition_field->name), row);
}

static frz_status verify_value(rows_check *c, column_check *column, const frz_literal *value,
                               int64_t row, frz_error *err)
{
  column->n_nulls += value->is_null;
  column->n_nans += is_nan(value);
  if (column->partition_field != NULL) FRZ_TRY(verify_partition(c, column, value, row, err));
  if (column->is_outside || frz_verify_in_bounds(value, &column->lower, &column->upper))
    return FRZ_OK;
  column->is_outside = true;
  return frz_findings_add(c->findings, &frz_check_bounds, c->entry->file.path, err,
                          "column '%.*s': row %" PRId64
                          " has a value outside the manifest's bounds",
                          FRZ_STR_ARG(column->field->name), row);
}

static frz_status verify_order(rows_check *c, const frz_batch *batch, int64_t first, frz_error *err)
{
  if (c->n_keys == 0 || c->is_unsorted) return FRZ_OK;
  frz_sort_key last[8];
  for (size_t i = 0; i < c->n_keys; i++) {
    last[i] = c->keys[i];
    if (c->before.n_rows != 0) last[i].column = &c->before.columns[c->key_columns[i]];
    c->keys[i].column = &batch->columns[c->key_columns[i]];
  }
  c->is_unsorted = !frz_sort_is_ordered(c->keys, c->n_keys, 0, batch->n_rows) ||
                   (c->before.n_rows != 0 &&
                    frz_sort_compare(last, c->before.n_rows - 1, c->keys, 0, c->n_keys) > 0);
  if (!c->is_unsorted) return FRZ_OK;
  return frz_findings_add(c->findings, &check_order, c->entry->file.path, err,
                          "rows from %" PRId64 " on are not in sort order %d", first,
                          c->entry->file.sort_order_id);
}

static frz_status verify_batch(rows_check *c, const frz_batch *batch, int64_t first, frz_error *err)
{
  for (size_t i = 0; i < c->n_columns; i++) {
    column_check *column = &c->columns[i];
    if (column->field == NULL) continue;
    size_t at = (size_t)(column->field - c->job->projection.fields);
    for (int64_t row = 0; row < batch->n_rows; row++) {
      frz_literal value = frz_literal_from_column(&column->field->type, &batch->columns[at], row);
      FRZ_TRY(verify_value(c, column, &value, first + row, err));
    }
  }
  return verify_order(c, batch, first, err);
}

/* ---- what to look at ---- */

static frz_status add_column(rows_check *c, const frz_field *field, frz_error *err)
{
  column_check *column = &c->columns[c->n_columns];
  column->field = field;
  c->n_columns++;
  return frz_verify_read_bounds(&c->entry->file, field, c->findings, &column->lower, &column->upper,
                                err);
}

static bool decides_partition(const frz_partition_field *field, const frz_field *source)
{
  frz_type result;
  return field->source_id == source->id && field->n_source_ids <= 1 &&
         field->transform.kind != FRZ_TRANSFORM_UNKNOWN &&
         field->transform.kind != FRZ_TRANSFORM_VOID &&
         frz_transform_result_type(&field->transform, &source->type, &result);
}

static frz_status choose_columns(rows_check *c, frz_error *err)
{
  const frz_projection *projection = &c->job->projection;
  size_t n_most = projection->n_fields + c->spec->n_fields;
  c->columns = frz_arena_array(&c->arena, n_most, sizeof *c->columns);
  if (c->columns == NULL) return frz_fail_nomem(err, "columns");
  for (size_t i = 0; i < projection->n_fields; i++) {
    const frz_field *field = &projection->fields[i];
    if (!frz_type_is_primitive(&field->type) || field->type.kind >= FRZ_TYPE_UNKNOWN) continue;
    FRZ_TRY(add_column(c, field, err));
    for (size_t k = 0, n = 0; k < c->spec->n_fields; k++) {
      if (!decides_partition(&c->spec->fields[k], field)) continue;
      if (n++ != 0) { /* the column again, for its partition alone */
        c->columns[c->n_columns] = (column_check){.field = field,
                                                  .lower = frz_literal_null(field->type.kind),
                                                  .upper = frz_literal_null(field->type.kind),
                                                  .n_nulls = INT64_MIN / 2,
                                                  .n_nans = INT64_MIN / 2};
        c->n_columns++;
      }
      c->columns[c->n_columns - 1].partition_field = &c->spec->fields[k];
      c->columns[c->n_columns - 1].partition_index = k;
    }
  }
  return FRZ_OK;
}

/* Orders by columns as they are can be checked a batch at a time; others are taken on trust. */
static frz_status choose_order(rows_check *c, frz_error *err)
{
  const frz_sort_order *order =
      frz_metadata_sort_order(c->job->metadata, c->entry->file.sort_order_id);
  const frz_projection *projection = &c->job->projection;
  if (order == NULL || order->n_fields == 0 || order->n_fields > 8) return FRZ_OK;
  c->keys = frz_arena_array(&c->arena, order->n_fields, sizeof *c->keys);
  c->key_columns = frz_arena_array(&c->arena, order->n_fields, sizeof *c->key_columns);
  if (c->keys == NULL || c->key_columns == NULL) return frz_fail_nomem(err, "sort order");
  size_t n = 0;
  for (; n < order->n_fields; n++) {
    const frz_sort_field *field = &order->fields[n];
    size_t at = 0;
    while (at < projection->n_fields && projection->fields[at].id != field->source_id) at++;
    if (at == projection->n_fields || field->transform.kind != FRZ_TRANSFORM_IDENTITY ||
        !frz_column_is_sortable(projection->arrow_fields[at].type))
      return FRZ_OK;
    c->keys[n] = (frz_sort_key){NULL, field->descending, field->nulls_last};
    c->key_columns[n] = at;
  }
  c->n_keys = n;
  return FRZ_OK;
}

/* ---- the file ---- */

static frz_status verify_counts(rows_check *c, int64_t n_rows, frz_error *err)
{
  const frz_data_file *file = &c->entry->file;
  if (n_rows != file->n_rows && file->format != FRZ_FORMAT_PARQUET) /* else the footer told */
    FRZ_TRY(frz_findings_add(c->findings, &frz_check_row_count, file->path, err,
                             "its manifest says %" PRId64 " rows, it has %" PRId64, file->n_rows,
                             n_rows));
  for (size_t i = 0; i < c->n_columns; i++) {
    const column_check *column = &c->columns[i];
    int64_t nulls = frz_metric_find(file->null_counts, file->n_null_counts, column->field->id);
    int64_t nans = frz_metric_find(file->nan_counts, file->n_nan_counts, column->field->id);
    if (nulls >= 0 && column->n_nulls >= 0 && nulls != column->n_nulls)
      FRZ_TRY(frz_findings_add(c->findings, &frz_check_null_count, file->path, err,
                               "column '%.*s': its manifest says %" PRId64
                               " nulls, it has %" PRId64,
                               FRZ_STR_ARG(column->field->name), nulls, column->n_nulls));
    if (nans >= 0 && column->n_nans >= 0 && nans != column->n_nans)
      FRZ_TRY(frz_findings_add(c->findings, &check_nan_count, file->path, err,
                               "column '%.*s': its manifest says %" PRId64 " NaN, it has %" PRId64,
                               FRZ_STR_ARG(column->field->name), nans, column->n_nans));
  }
  return FRZ_OK;
}

/* `why` is about the file, `err` about the call. */
static frz_status read_rows(rows_check *c, frz_file_reader *reader, bool *ended_whole_out,
                            int64_t *n_rows_out, frz_error *why, frz_error *err)
{
  int64_t n_rows = 0;
  *ended_whole_out = false;
  for (;;) {
    frz_batch batch = {0};
    FRZ_TRY(frz_context_check(c->job->context, err));
    frz_status st = frz_file_reader_next(reader, &batch, NULL, why);
    if (st != FRZ_OK)
      return frz_findings_add_failure(c->findings, &check_unreadable, c->entry->file.path, st, why,
                                      err);
    if (batch.n_rows == 0) {
      frz_batch_dispose(&batch);
      break;
    }
    st = verify_batch(c, &batch, n_rows, err);
    n_rows += batch.n_rows;
    frz_batch_dispose(&c->before);
    c->before = batch;
    FRZ_TRY(st);
  }
  *ended_whole_out = true;
  *n_rows_out = n_rows;
  return FRZ_OK;
}

static frz_status verify_all(rows_check *c, frz_error *err)
{
  const frz_file_read_options options = {.without_deletes = true};
  const frz_scan_task task = {.entry = c->entry, .spec = c->spec};
  const frz_verify_job *job = c->job;
  frz_file_reader *reader = NULL;
  frz_error why;
  bool is_whole;
  int64_t n_rows;
  FRZ_TRY(choose_columns(c, err));
  FRZ_TRY(choose_order(c, err));
  frz_status st = frz_file_reader_open(job->context, job->storage, &job->projection, &task,
                                       job->deletes, &options, &reader, &why);
  if (st != FRZ_OK)
    return frz_findings_add_failure(c->findings, &check_unreadable, c->entry->file.path, st, &why,
                                    err);
  st = read_rows(c, reader, &is_whole, &n_rows, &why, err);
  frz_file_reader_free(reader);
  if (st == FRZ_OK && is_whole) st = verify_counts(c, n_rows, err);
  return st;
}

frz_status frz_verify_rows(const frz_verify_job *job, const frz_manifest_entry *entry,
                           frz_findings *findings, frz_error *err)
{
  rows_check c = {.job = job,
                  .entry = entry,
                  .spec = frz_metadata_spec(job->metadata, entry->file.spec_id),
                  .findings = findings};
  if (c.spec == NULL) return FRZ_OK; /* was told already */
  frz_arena_init(&c.arena, job->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_status st = verify_all(&c, err);
  frz_batch_dispose(&c.before);
  frz_arena_free(&c.arena);
  return st;
}
