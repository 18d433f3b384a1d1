/*
 * verify_file.c - a file against what its manifest says: size, footer, counts, bounds. See
 * verify.h.
 *
 * A footer's statistics are compared where they are sure: exact minima and maxima, counts of
 * columns that are not repeated. What the footer does not say is left to reading the rows.
 */
#include <inttypes.h>

#include "base/limits.h"
#include "iceberg/maintain/verify.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/deletion_vector.h"
#include "iceberg/scan/row_group_filter.h"
#include "parquet/read/parquet_reader.h"

static const frz_check check_missing = {
    "file-missing", true,
    "Its rows are lost: restore the file, or roll back to a snapshot without."};
static const frz_check check_size = {"file-size", true,
                                     "The file was changed or cut: restore it from a copy."};
static const frz_check check_unreadable = {"file-unreadable", true,
                                           "The file is damaged: restore it from a copy."};
static const frz_check check_unsupported = {"file-unchecked", false,
                                            "Check the file with an engine that reads it."};
static const frz_check check_vector = {"vector", true,
                                       "The deletion vector is damaged: restore its file."};
static const frz_check check_value_count = {"value-count", true,
                                            "Filters leave out rows that match: compact the file."};
const frz_check frz_check_bounds = {"bounds", true,
                                    "Filters leave out rows that match: compact the file."};
const frz_check frz_check_null_count = {"null-count", true,
                                        "Filters leave out rows that match: compact the file."};
const frz_check frz_check_row_count = {"row-count", true,
                                       "Counts and row ids are wrong: compact the file."};

/* ---- bounds ---- */

/* Zero without a sign: writers differ in which of the two is the less. */
static frz_literal plain_zero(const frz_literal *value)
{
  frz_literal plain = *value;
  if (plain.kind == FRZ_TYPE_FLOAT && plain.as.f32 == 0) plain.as.f32 = 0;
  if (plain.kind == FRZ_TYPE_DOUBLE && plain.as.f64 == 0) plain.as.f64 = 0;
  return plain;
}

static bool is_nan(const frz_literal *value)
{
  return (value->kind == FRZ_TYPE_FLOAT && value->as.f32 != value->as.f32) ||
         (value->kind == FRZ_TYPE_DOUBLE && value->as.f64 != value->as.f64);
}

bool frz_verify_in_bounds(const frz_literal *value, const frz_literal *lower,
                          const frz_literal *upper)
{
  if (value->is_null || is_nan(value)) return true;
  frz_literal plain = plain_zero(value);
  if (!lower->is_null && lower->kind == plain.kind) {
    frz_literal bound = plain_zero(lower);
    if (frz_literal_compare(&plain, &bound) < 0) return false;
  }
  if (!upper->is_null && upper->kind == plain.kind) {
    frz_literal bound = plain_zero(upper);
    if (frz_literal_compare(&plain, &bound) > 0) return false;
  }
  return true;
}

static frz_status read_bound(const frz_bound *bounds, size_t n_bounds, const frz_data_file *file,
                             const frz_field *field, frz_findings *findings, frz_literal *out,
                             frz_error *err)
{
  frz_str bytes;
  frz_error why;
  *out = frz_literal_null(field->type.kind);
  if (!frz_bound_find(bounds, n_bounds, field->id, &bytes)) return FRZ_OK;
  frz_status st = frz_literal_from_bytes(&field->type, bytes, out, &why);
  if (st == FRZ_OK) return FRZ_OK;
  *out = frz_literal_null(field->type.kind);
  return frz_findings_add(findings, &frz_check_bounds, file->path, err, "column '%.*s': %s",
                          FRZ_STR_ARG(field->name), why.message);
}

frz_status frz_verify_read_bounds(const frz_data_file *file, const frz_field *field,
                                  frz_findings *findings, frz_literal *lower_out,
                                  frz_literal *upper_out, frz_error *err)
{
  FRZ_TRY(
      read_bound(file->lower_bounds, file->n_lower_bounds, file, field, findings, lower_out, err));
  return read_bound(file->upper_bounds, file->n_upper_bounds, file, field, findings, upper_out,
                    err);
}

/* ---- Parquet footers ---- */

typedef struct footer_check {
  const frz_verify_job *job;
  const frz_data_file *file;
  const frz_parquet_metadata *footer;
  frz_findings *findings;
} footer_check;

static frz_status verify_chunk_counts(const footer_check *c, const frz_parquet_node *leaf,
                                      frz_error *err)
{
  const frz_data_file *file = c->file;
  int64_t n_values = 0, n_nulls = 0;
  for (size_t i = 0; i < c->footer->n_row_groups; i++) {
    const frz_parquet_chunk *chunk = &c->footer->row_groups[i].chunks[leaf->leaf_index];
    n_values += chunk->n_values;
    if (n_nulls >= 0 && chunk->statistics.null_count >= 0)
      n_nulls += chunk->statistics.null_count;
    else
      n_nulls = -1;
  }
  int64_t said = frz_metric_find(file->value_counts, file->n_value_counts, leaf->field_id);
  if (said >= 0 && said != n_values)
    FRZ_TRY(frz_findings_add(c->findings, &check_value_count, file->path, err,
                             "column '%.*s': its manifest says %" PRId64
                             " values, the footer %" PRId64,
                             FRZ_STR_ARG(leaf->name), said, n_values));
  said = frz_metric_find(file->null_counts, file->n_null_counts, leaf->field_id);
  if (said < 0 || n_nulls < 0 || said == n_nulls) return FRZ_OK;
  return frz_findings_add(c->findings, &frz_check_null_count, file->path, err,
                          "column '%.*s': its manifest says %" PRId64 " nulls, the footer %" PRId64,
                          FRZ_STR_ARG(leaf->name), said, n_nulls);
}

static bool chunk_is_outside(const frz_parquet_node *leaf, const frz_type *type,
                             const frz_parquet_statistics *statistics, const frz_literal *lower,
                             const frz_literal *upper)
{
  frz_literal value, none = frz_literal_null(type->kind);
  if (statistics->has_min && statistics->min_exact &&
      frz_parquet_statistic(leaf, type, statistics->min, false, &value) &&
      !frz_verify_in_bounds(&value, lower, &none))
    return true;
  return statistics->has_max && statistics->max_exact &&
         frz_parquet_statistic(leaf, type, statistics->max, true, &value) &&
         !frz_verify_in_bounds(&value, &none, upper);
}

static frz_status verify_chunk_bounds(const footer_check *c, const frz_parquet_node *leaf,
                                      frz_error *err)
{
  const frz_schema *schema = frz_metadata_current_schema(c->job->metadata);
  const frz_field *field = frz_metadata_find_field(c->job->metadata, schema, leaf->field_id, NULL);
  frz_literal lower, upper;
  if (field == NULL || !frz_type_is_primitive(&field->type)) return FRZ_OK;
  FRZ_TRY(frz_verify_read_bounds(c->file, field, c->findings, &lower, &upper, err));
  if (lower.is_null && upper.is_null) return FRZ_OK;
  for (size_t i = 0; i < c->footer->n_row_groups; i++) {
    const frz_parquet_chunk *chunk = &c->footer->row_groups[i].chunks[leaf->leaf_index];
    if (!chunk_is_outside(leaf, &field->type, &chunk->statistics, &lower, &upper)) continue;
    return frz_findings_add(c->findings, &frz_check_bounds, c->file->path, err,
                            "column '%.*s': row group %zu has values outside the manifest's bounds",
                            FRZ_STR_ARG(leaf->name), i);
  }
  return FRZ_OK;
}

static frz_status verify_footer(const footer_check *c, frz_error *err)
{
  const frz_data_file *file = c->file;
  if (c->footer->n_rows != file->n_rows)
    FRZ_TRY(frz_findings_add(c->findings, &frz_check_row_count, file->path, err,
                             "its manifest says %" PRId64 " rows, it has %" PRId64, file->n_rows,
                             c->footer->n_rows));
  for (size_t i = 0; i < c->footer->n_leaves; i++) {
    const frz_parquet_node *leaf = c->footer->leaves[i];
    if (leaf->field_id < 0 || leaf->max_repetition_level != 0) continue;
    FRZ_TRY(verify_chunk_counts(c, leaf, err));
    if (file->content == FRZ_CONTENT_DATA) FRZ_TRY(verify_chunk_bounds(c, leaf, err));
  }
  return FRZ_OK;
}

/* ---- one file ---- */

static frz_status verify_parquet(const frz_verify_job *job, const frz_manifest_entry *entry,
                                 frz_source *source, frz_findings *findings, bool *is_sound_out,
                                 frz_error *err)
{
  frz_parquet_file *parquet = NULL;
  frz_error why;
  const frz_data_file *file = &entry->file;
  frz_status st = frz_parquet_file_open(job->context, source, file->path, &parquet, &why);
  *is_sound_out = st == FRZ_OK;
  if (st != FRZ_OK)
    return frz_findings_add_failure(
        findings, st == FRZ_ERR_UNSUPPORTED ? &check_unsupported : &check_unreadable, file->path,
        st, &why, err);
  const footer_check c = {job, file, frz_parquet_file_metadata(parquet), findings};
  st = verify_footer(&c, err);
  frz_parquet_file_free(parquet);
  return st;
}

static frz_status verify_contents(const frz_verify_job *job, const frz_manifest_entry *entry,
                                  frz_source *source, frz_findings *findings, frz_error *err)
{
  const frz_data_file *file = &entry->file;
  bool is_sound = true;
  if (file->format == FRZ_FORMAT_PARQUET) {
    FRZ_TRY(verify_parquet(job, entry, source, findings, &is_sound, err));
  } else {
    frz_source_free(source);
    if (file->format == FRZ_FORMAT_PUFFIN) {
      frz_error why;
      frz_status st = frz_deletion_vector_verify(job->context, job->storage, file, &why);
      is_sound = st == FRZ_OK;
      FRZ_TRY(frz_findings_add_failure(findings, &check_vector, file->path, st, &why, err));
    } else if (file->format == FRZ_FORMAT_ORC) {
      return frz_findings_add(findings, &check_unsupported, file->path, err,
                              "ORC files are not looked into");
    }
  }
  if (!is_sound) return FRZ_OK;
  if (file->content == FRZ_CONTENT_POSITION_DELETES)
    return frz_verify_positions(job, entry, findings, err);
  if (file->content == FRZ_CONTENT_DATA && job->options.read_data)
    return frz_verify_rows(job, entry, findings, err);
  return FRZ_OK;
}

frz_status frz_verify_file_of(const frz_verify_job *job, const frz_manifest_entry *entry,
                              frz_findings *findings, frz_error *err)
{
  const frz_data_file *file = &entry->file;
  frz_source *source = NULL;
  frz_error why;
  frz_status st = frz_storage_open(job->storage, file->path, &source, &why);
  if (st != FRZ_OK)
    return frz_findings_add_failure(findings,
                                    st == FRZ_ERR_NOT_FOUND ? &check_missing : &check_unreadable,
                                    file->path, st, &why, err);
  if (source->size_bytes != file->size_bytes) {
    int64_t bytes = source->size_bytes;
    frz_source_free(source);
    return frz_findings_add(findings, &check_size, file->path, err,
                            "its manifest says %" PRId64 " bytes, it has %" PRId64,
                            file->size_bytes, bytes);
  }
  return verify_contents(job, entry, source, findings, err);
}
