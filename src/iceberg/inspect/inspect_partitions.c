/*
 * inspect_partitions.c - the metadata table "partitions": what a snapshot holds by partition.
 *
 * Partitions are told apart by their values in all specs' fields; the spec of a row is that of its
 * first file. Memory grows with the number of partitions. A table that no spec partitions has one
 * row, without the columns of a partition.
 */
#include "base/limits.h"
#include "base/map.h"
#include "iceberg/inspect/inspect.h"
#include "iceberg/inspect/partition_union.h"

static const frz_rows_column COLUMNS[] = {
    {"spec_id", FRZ_ROWS_I32, false}, /* with "partition" in front, where there is one */
    {"record_count", FRZ_ROWS_I64, false},
    {"file_count", FRZ_ROWS_I32, false},
    {"total_data_file_size_in_bytes", FRZ_ROWS_I64, false},
    {"position_delete_record_count", FRZ_ROWS_I64, false},
    {"position_delete_file_count", FRZ_ROWS_I32, false},
    {"equality_delete_record_count", FRZ_ROWS_I64, false},
    {"equality_delete_file_count", FRZ_ROWS_I32, false},
    {"last_updated_at", FRZ_ROWS_TIME, true},
    {"last_updated_snapshot_id", FRZ_ROWS_I64, true},
};

enum { N_PLAIN = FRZ_N_COLUMNS(COLUMNS) };

typedef struct partition_row {
  const frz_literal *values; /* in the arena, with their bytes */
  int32_t spec_id;
  int64_t n_rows[3]; /* by file content */
  int64_t n_files[3];
  int64_t n_data_bytes;
  const frz_snapshot *latest; /* of its files; NULL: gone */
} partition_row;

typedef struct partition_counter {
  const frz_inspection *inspection;
  const frz_alloc *alloc;
  frz_arena arena;
  frz_partition_union partitions;
  frz_literal *values; /* of one file */
  frz_map places;      /* values in bytes to the place of the row */
  frz_buf key;
  frz_buf list; /* of partition_row */
} partition_counter;

/* ---- counting ---- */

static frz_status make_key(partition_counter *self, frz_error *err)
{
  self->key.size = 0;
  for (size_t i = 0; i < self->partitions.n_fields; i++) {
    const frz_literal *value = &self->values[i];
    uint32_t size = 0;
    size_t at = self->key.size;
    FRZ_TRY(frz_buf_append(&self->key, &size, sizeof size, err));
    if (!value->is_null) FRZ_TRY(frz_literal_to_bytes(value, &self->key, err));
    size = value->is_null ? UINT32_MAX : (uint32_t)(self->key.size - at - sizeof size);
    memcpy(self->key.data + at, &size, sizeof size);
  }
  return FRZ_OK;
}

static frz_status add_row(partition_counter *self, int32_t spec_id, frz_error *err)
{
  size_t n = self->partitions.n_fields;
  frz_literal *values = frz_arena_array(&self->arena, n, sizeof *values);
  if (values == NULL) return frz_fail_nomem(err, "partitions");
  for (size_t i = 0; i < n; i++) {
    values[i] = self->values[i];
    bool has_bytes = values[i].kind == FRZ_TYPE_STRING || values[i].kind == FRZ_TYPE_BINARY ||
                     values[i].kind == FRZ_TYPE_FIXED || values[i].kind == FRZ_TYPE_UUID;
    if (values[i].is_null || !has_bytes) continue;
    values[i].as.bytes = frz_arena_copy(&self->arena, values[i].as.bytes);
    if (values[i].as.bytes.data == NULL) return frz_fail_nomem(err, "partitions");
  }
  const partition_row row = {.values = values, .spec_id = spec_id};
  return frz_buf_append(&self->list, &row, sizeof row, err);
}

static frz_status count_file(partition_counter *self, const frz_manifest_entry *entry,
                             frz_error *err)
{
  static const frz_partition_spec none = {0};
  const frz_table_metadata *metadata = self->inspection->metadata;
  const frz_data_file *file = &entry->file;
  const frz_partition_spec *spec = frz_metadata_spec(metadata, file->spec_id);
  frz_partition_union_values(&self->partitions, spec != NULL ? spec : &none, &file->partition,
                             self->values);
  FRZ_TRY(make_key(self, err));
  uint64_t *place;
  bool is_new;
  frz_str key = self->key.size != 0 ? frz_buf_str(&self->key) : FRZ_STR("");
  FRZ_TRY(frz_map_insert(&self->places, key, self->list.size / sizeof(partition_row), &place,
                         &is_new, err));
  uint64_t at = *place;
  if (is_new) FRZ_TRY(add_row(self, file->spec_id, err));
  partition_row *row = (partition_row *)(void *)self->list.data + at;
  row->n_rows[file->content] += file->n_rows;
  row->n_files[file->content]++;
  if (file->content == FRZ_CONTENT_DATA) row->n_data_bytes += file->size_bytes;
  if (row->latest != NULL && row->latest->snapshot_id == entry->snapshot_id) return FRZ_OK;
  const frz_snapshot *snapshot = frz_metadata_snapshot(metadata, entry->snapshot_id);
  if (snapshot != NULL &&
      (row->latest == NULL || row->latest->timestamp_ms < snapshot->timestamp_ms))
    row->latest = snapshot;
  return FRZ_OK;
}

static frz_status count_manifest(partition_counter *self, const frz_manifest_file *manifest,
                                 frz_error *err)
{
  static const int32_t no_metrics[1] = {0};
  const frz_inspection *inspection = self->inspection;
  const frz_manifest_entry *entries;
  size_t n_entries;
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, self->alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  FRZ_TRY_OUT(frz_context_poll(inspection->context, err));
  FRZ_TRY_OUT(frz_manifest_read(inspection->storage, inspection->metadata, manifest, false,
                                no_metrics, 0, &arena, &entries, &n_entries, err));
  for (size_t i = 0; i < n_entries; i++) FRZ_TRY_OUT(count_file(self, &entries[i], err));
out:
  frz_arena_free(&arena);
  return st;
}

static frz_status count_all(partition_counter *self, frz_error *err)
{
  const frz_manifest_file *manifests;
  size_t n_manifests;
  FRZ_TRY(
      frz_partition_union_make(self->inspection->metadata, &self->arena, &self->partitions, err));
  self->values = frz_arena_array(&self->arena, self->partitions.n_fields, sizeof *self->values);
  if (self->values == NULL) return frz_fail_nomem(err, "partitions");
  FRZ_TRY(frz_inspect_collect(self->inspection, &self->arena, &manifests, &n_manifests, err));
  for (size_t i = 0; i < n_manifests; i++) FRZ_TRY(count_manifest(self, &manifests[i], err));
  return FRZ_OK;
}

/* ---- rows ---- */

static frz_status add_rows(const partition_counter *self, frz_rows *rows, frz_error *err)
{
  const partition_row *list = (const partition_row *)(const void *)self->list.data;
  for (size_t i = 0; i < self->list.size / sizeof *list; i++) {
    const partition_row *row = &list[i];
    if (self->partitions.n_fields != 0) {
      frz_rows_struct_begin(rows);
      for (size_t k = 0; k < self->partitions.n_fields; k++)
        frz_rows_literal(rows, &row->values[k]);
      frz_rows_struct_end(rows);
      frz_rows_i32(rows, row->spec_id);
    }
    frz_rows_i64(rows, row->n_rows[FRZ_CONTENT_DATA]);
    frz_rows_i32(rows, (int32_t)row->n_files[FRZ_CONTENT_DATA]);
    frz_rows_i64(rows, row->n_data_bytes);
    frz_rows_i64(rows, row->n_rows[FRZ_CONTENT_POSITION_DELETES]);
    frz_rows_i32(rows, (int32_t)row->n_files[FRZ_CONTENT_POSITION_DELETES]);
    frz_rows_i64(rows, row->n_rows[FRZ_CONTENT_EQUALITY_DELETES]);
    frz_rows_i32(rows, (int32_t)row->n_files[FRZ_CONTENT_EQUALITY_DELETES]);
    if (row->latest != NULL)
      frz_rows_time(rows, row->latest->timestamp_ms);
    else
      frz_rows_null(rows);
    frz_rows_id(rows, row->latest != NULL ? row->latest->snapshot_id : -1);
    FRZ_TRY(frz_rows_end(rows, err));
  }
  return FRZ_OK;
}

static frz_status make_fields(partition_counter *self, const frz_arrow_field **fields_out,
                              size_t *n_out, frz_error *err)
{
  bool has_partition = self->partitions.n_fields != 0;
  frz_arrow_field *plain = frz_rows_fields(COLUMNS, N_PLAIN, &self->arena);
  frz_arrow_field *fields = frz_arena_array(&self->arena, N_PLAIN + 1, sizeof *fields);
  if (plain == NULL || fields == NULL) return frz_fail_nomem(err, "metadata rows");
  fields[0] = (frz_arrow_field){.name = FRZ_STR("partition"),
                                .field_id = -1,
                                .type = {.kind = FRZ_ARROW_STRUCT},
                                .children = self->partitions.arrow,
                                .n_children = self->partitions.n_fields};
  memcpy(fields + 1, plain, N_PLAIN * sizeof *plain);
  *fields_out = has_partition ? fields : fields + 2;
  *n_out = has_partition ? N_PLAIN + 1 : N_PLAIN - 1;
  return FRZ_OK;
}

frz_status frz_inspect_partitions(const frz_inspection *inspection,
                                  struct ArrowArrayStream *stream_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  const frz_alloc *alloc = frz_context_alloc(inspection->context);
  partition_counter self = {.inspection = inspection, .alloc = alloc};
  frz_rows rows = {0};
  const frz_arrow_field *fields;
  size_t n_fields;
  frz_arena_init(&self.arena, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_map_init(&self.places, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_buf_init(&self.key, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_buf_init(&self.list, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  FRZ_TRY_OUT(count_all(&self, err));
  FRZ_TRY_OUT(make_fields(&self, &fields, &n_fields, err));
  FRZ_TRY_OUT(frz_rows_init_fields(&rows, fields, n_fields, alloc, err));
  FRZ_TRY_OUT(add_rows(&self, &rows, err));
  FRZ_TRY_OUT(frz_rows_stream(&rows, stream_out, err));
out:
  frz_rows_dispose(&rows);
  frz_buf_dispose(&self.list);
  frz_buf_dispose(&self.key);
  frz_map_dispose(&self.places);
  frz_arena_free(&self.arena);
  return st;
}
