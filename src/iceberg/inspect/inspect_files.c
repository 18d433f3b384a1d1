/*
 * inspect_files.c - the metadata tables of files: "files", "data_files", "delete_files", "entries",
 * and the same of all snapshots.
 *
 * A batch is one manifest, so that memory does not grow with the table. Over all snapshots each
 * manifest is read once; a file that manifests which were written anew list again comes again.
 * "partition" is a struct of all specs' fields, and is left out where no spec has any;
 * "readable_metrics" has counts and bounds of every primitive column by its name.
 */
#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/inspect/inspect.h"
#include "iceberg/inspect/partition_union.h"

static const frz_rows_column FIRST_COLUMNS[] = {
    {"content", FRZ_ROWS_I32, false},
    {"file_path", FRZ_ROWS_TEXT, false},
    {"file_format", FRZ_ROWS_TEXT, false},
    {"spec_id", FRZ_ROWS_I32, false},
};
static const frz_rows_column FILE_COLUMNS[] = {
    {"record_count", FRZ_ROWS_I64, false},
    {"file_size_in_bytes", FRZ_ROWS_I64, false},
    {"column_sizes", FRZ_ROWS_METRIC_MAP, true},
    {"value_counts", FRZ_ROWS_METRIC_MAP, true},
    {"null_value_counts", FRZ_ROWS_METRIC_MAP, true},
    {"nan_value_counts", FRZ_ROWS_METRIC_MAP, true},
    {"lower_bounds", FRZ_ROWS_BOUND_MAP, true},
    {"upper_bounds", FRZ_ROWS_BOUND_MAP, true},
    {"key_metadata", FRZ_ROWS_BYTES, true},
    {"split_offsets", FRZ_ROWS_I64_LIST, true},
    {"equality_ids", FRZ_ROWS_I32_LIST, true},
    {"sort_order_id", FRZ_ROWS_I32, true},
    {"first_row_id", FRZ_ROWS_I64, true},
    {"referenced_data_file", FRZ_ROWS_TEXT, true},
    {"content_offset", FRZ_ROWS_I64, true},
    {"content_size_in_bytes", FRZ_ROWS_I64, true},
};
static const frz_rows_column FILE_ENTRY_COLUMNS[] = {
    {"data_sequence_number", FRZ_ROWS_I64, true},
    {"snapshot_id", FRZ_ROWS_I64, true},
};
static const frz_rows_column ENTRY_COLUMNS[] = {
    {"status", FRZ_ROWS_I32, false},
    {"snapshot_id", FRZ_ROWS_I64, true},
    {"sequence_number", FRZ_ROWS_I64, true},
    {"file_sequence_number", FRZ_ROWS_I64, true},
};
static const frz_rows_column METRIC_COLUMNS[] = {
    {"column_size", FRZ_ROWS_I64, true},
    {"value_count", FRZ_ROWS_I64, true},
    {"null_value_count", FRZ_ROWS_I64, true},
    {"nan_value_count", FRZ_ROWS_I64, true},
};

enum {
  N_FIRST = FRZ_N_COLUMNS(FIRST_COLUMNS),
  N_FILE = FRZ_N_COLUMNS(FILE_COLUMNS),
  N_FILE_ENTRY = FRZ_N_COLUMNS(FILE_ENTRY_COLUMNS),
  N_ENTRY = FRZ_N_COLUMNS(ENTRY_COLUMNS),
  N_METRICS = FRZ_N_COLUMNS(METRIC_COLUMNS) + 2 /* bounds */
};

typedef enum file_kind { ALL_FILES, DATA_FILES, DELETE_FILES, ENTRIES } file_kind;

typedef struct file_lister {
  const frz_alloc *alloc;
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata;
  file_kind kind;
  frz_arena arena; /* fields and manifests */
  frz_partition_union partitions;
  frz_literal *values;      /* of one file, by field of the union */
  const frz_field **leaves; /* primitive columns of the current schema */
  size_t n_leaves;
  const frz_manifest_file *manifests;
  size_t n_manifests, next;
  frz_rows rows;
} file_lister;

static void lister_free(void *arg)
{
  file_lister *self = arg;
  if (self == NULL) return;
  const frz_alloc *alloc = self->alloc;
  frz_rows_dispose(&self->rows);
  frz_arena_free(&self->arena);
  frz_storage_release(self->storage);
  frz_table_metadata_release(self->metadata);
  frz_alloc_free(alloc, self, sizeof *self);
}

/* ---- rows ---- */

static void add_metric_map(frz_rows *rows, const frz_metric *metrics, size_t n)
{
  if (n == 0)
    frz_rows_null(rows);
  else
    frz_rows_metrics(rows, metrics, n);
}

static void add_bound_map(frz_rows *rows, const frz_bound *bounds, size_t n)
{
  if (n == 0)
    frz_rows_null(rows);
  else
    frz_rows_bounds(rows, bounds, n);
}

static void add_file(file_lister *self, const frz_data_file *file)
{
  frz_rows *rows = &self->rows;
  const frz_partition_spec *spec = frz_metadata_spec(self->metadata, file->spec_id);
  static const frz_partition_spec none = {0};
  frz_rows_i32(rows, (int32_t)file->content);
  frz_rows_text(rows, file->path);
  frz_rows_text(rows, frz_file_format_name(file->format));
  frz_rows_i32(rows, file->spec_id);
  if (self->partitions.n_fields != 0) {
    frz_partition_union_values(&self->partitions, spec != NULL ? spec : &none, &file->partition,
                               self->values);
    frz_rows_struct_begin(rows);
    for (size_t i = 0; i < self->partitions.n_fields; i++) frz_rows_literal(rows, &self->values[i]);
    frz_rows_struct_end(rows);
  }
  frz_rows_i64(rows, file->n_rows);
  frz_rows_i64(rows, file->size_bytes);
  add_metric_map(rows, file->column_sizes, file->n_column_sizes);
  add_metric_map(rows, file->value_counts, file->n_value_counts);
  add_metric_map(rows, file->null_counts, file->n_null_counts);
  add_metric_map(rows, file->nan_counts, file->n_nan_counts);
  add_bound_map(rows, file->lower_bounds, file->n_lower_bounds);
  add_bound_map(rows, file->upper_bounds, file->n_upper_bounds);
  frz_rows_bytes(rows, file->key_metadata);
  if (file->n_split_offsets != 0)
    frz_rows_i64s(rows, file->split_offsets, file->n_split_offsets);
  else
    frz_rows_null(rows);
  if (file->n_equality_ids != 0)
    frz_rows_i32s(rows, file->equality_ids, file->n_equality_ids);
  else
    frz_rows_null(rows);
  frz_rows_id(rows, file->sort_order_id);
  frz_rows_id(rows, file->first_row_id);
  frz_rows_text(rows, file->referenced_data_file);
  frz_rows_id(rows, file->content_offset);
  frz_rows_id(rows, file->content_offset >= 0 ? file->content_size_bytes : -1);
}

static void add_readable_bound(frz_rows *rows, const frz_type *type, const frz_bound *bounds,
                               size_t n, int32_t field_id)
{
  frz_str bytes;
  frz_literal value = frz_literal_null(type->kind);
  /* A bound that does not fit its column says nothing: it is there in bytes beside. A cut one of a
   * fixed column is a bound, but no value. */
  bool is_found = frz_bound_find(bounds, n, field_id, &bytes);
  bool fits = is_found && (type->kind != FRZ_TYPE_FIXED || bytes.size == (size_t)type->length);
  if (fits && frz_literal_from_bytes(type, bytes, &value, NULL) != FRZ_OK)
    value = frz_literal_null(type->kind);
  frz_rows_literal(rows, &value);
}

static void add_readable_metrics(file_lister *self, const frz_data_file *file)
{
  frz_rows *rows = &self->rows;
  if (self->n_leaves == 0) return;
  frz_rows_struct_begin(rows);
  for (size_t i = 0; i < self->n_leaves; i++) {
    int32_t id = self->leaves[i]->id;
    const frz_type *type = &self->leaves[i]->type;
    frz_rows_struct_begin(rows);
    frz_rows_id(rows, frz_metric_find(file->column_sizes, file->n_column_sizes, id));
    frz_rows_id(rows, frz_metric_find(file->value_counts, file->n_value_counts, id));
    frz_rows_id(rows, frz_metric_find(file->null_counts, file->n_null_counts, id));
    frz_rows_id(rows, frz_metric_find(file->nan_counts, file->n_nan_counts, id));
    add_readable_bound(rows, type, file->lower_bounds, file->n_lower_bounds, id);
    add_readable_bound(rows, type, file->upper_bounds, file->n_upper_bounds, id);
    frz_rows_struct_end(rows);
  }
  frz_rows_struct_end(rows);
}

static frz_status add_entry(file_lister *self, const frz_manifest_entry *entry, frz_error *err)
{
  frz_rows *rows = &self->rows;
  if (self->kind == ENTRIES) {
    frz_rows_i32(rows, (int32_t)entry->status);
    frz_rows_id(rows, entry->snapshot_id);
    frz_rows_id(rows, entry->data_sequence_number);
    frz_rows_id(rows, entry->file_sequence_number);
    frz_rows_struct_begin(rows);
    add_file(self, &entry->file);
    frz_rows_struct_end(rows);
  } else {
    add_file(self, &entry->file);
    frz_rows_id(rows, entry->data_sequence_number);
    frz_rows_id(rows, entry->snapshot_id);
  }
  add_readable_metrics(self, &entry->file);
  return frz_rows_end(rows, err);
}

static bool is_wanted(const file_lister *self, bool is_data)
{
  return self->kind == DATA_FILES ? is_data : self->kind == DELETE_FILES ? !is_data : true;
}

static frz_status list_manifest(file_lister *self, const frz_manifest_file *manifest,
                                frz_error *err)
{
  const frz_manifest_entry *entries;
  size_t n_entries;
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, self->alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  FRZ_TRY_OUT(frz_manifest_read(self->storage, self->metadata, manifest, self->kind == ENTRIES,
                                NULL, 0, &arena, &entries, &n_entries, err));
  for (size_t i = 0; i < n_entries; i++)
    if (is_wanted(self, entries[i].file.content == FRZ_CONTENT_DATA))
      FRZ_TRY_OUT(add_entry(self, &entries[i], err));
out:
  frz_arena_free(&arena);
  return st;
}

static frz_status lister_next(void *arg, frz_batch *batch_out, frz_error *err)
{
  file_lister *self = arg;
  while (self->rows.batch.n_rows == 0 && self->next < self->n_manifests) {
    const frz_manifest_file *manifest = &self->manifests[self->next];
    FRZ_TRY(frz_context_poll(self->context, err));
    if (is_wanted(self, manifest->content == FRZ_MANIFEST_DATA))
      FRZ_TRY(list_manifest(self, manifest, err));
    self->next++;
  }
  return frz_rows_take(&self->rows, batch_out, err);
}

/* ---- fields ---- */

static frz_arrow_field struct_field(frz_str name, frz_arrow_field *children, size_t n_children)
{
  return (frz_arrow_field){.name = name,
                           .field_id = -1,
                           .type = {.kind = FRZ_ARROW_STRUCT},
                           .children = children,
                           .n_children = n_children};
}

static frz_status collect_leaves(file_lister *self, const frz_type *type, size_t *room,
                                 frz_error *err)
{
  for (size_t i = 0; i < type->n_fields; i++) {
    const frz_field *field = &type->fields[i];
    FRZ_TRY(collect_leaves(self, &field->type, room, err));
    if (!frz_type_is_primitive(&field->type) || field->type.kind == FRZ_TYPE_UNKNOWN ||
        field->type.kind == FRZ_TYPE_VARIANT)
      continue;
    self->leaves = frz_arena_list_room(&self->arena, self->leaves, self->n_leaves, room,
                                       sizeof(const frz_field *));
    if (self->leaves == NULL) return frz_fail_nomem(err, "metadata rows");
    self->leaves[self->n_leaves++] = field;
  }
  return FRZ_OK;
}

static frz_status make_metric_field(file_lister *self, const frz_field *leaf,
                                    frz_arrow_field *field, frz_error *err)
{
  frz_arena *arena = &self->arena;
  const frz_schema *schema = frz_metadata_current_schema(self->metadata);
  frz_str name = frz_schema_name_of(schema, leaf->id, arena);
  frz_arrow_field *plain = frz_rows_fields(METRIC_COLUMNS, N_METRICS - 2, arena);
  frz_arrow_field *children = frz_arena_array(arena, N_METRICS, sizeof *children);
  if (name.data == NULL || plain == NULL || children == NULL)
    return frz_fail_nomem(err, "metadata rows");
  memcpy(children, plain, (N_METRICS - 2) * sizeof *plain);
  for (size_t i = N_METRICS - 2; i < N_METRICS; i++) {
    const frz_field bound = {.id = -1,
                             .name = i == N_METRICS - 2 ? FRZ_STR("lower_bound")
                                                        : FRZ_STR("upper_bound"),
                             .type = leaf->type};
    FRZ_TRY(frz_field_to_arrow(&bound, arena, &children[i], err));
    children[i].field_id = -1;
  }
  *field = struct_field(name, children, N_METRICS);
  return FRZ_OK;
}

/* The columns of a file, from "content" on. */
static frz_status make_file_fields(file_lister *self, frz_arrow_field *fields, size_t *n_inout,
                                   frz_error *err)
{
  frz_arena *arena = &self->arena;
  frz_arrow_field *first = frz_rows_fields(FIRST_COLUMNS, N_FIRST, arena);
  frz_arrow_field *rest = frz_rows_fields(FILE_COLUMNS, N_FILE, arena);
  if (first == NULL || rest == NULL) return frz_fail_nomem(err, "metadata rows");
  memcpy(fields + *n_inout, first, N_FIRST * sizeof *first);
  *n_inout += N_FIRST;
  if (self->partitions.n_fields != 0)
    fields[(*n_inout)++] =
        struct_field(FRZ_STR("partition"), self->partitions.arrow, self->partitions.n_fields);
  memcpy(fields + *n_inout, rest, N_FILE * sizeof *rest);
  *n_inout += N_FILE;
  return FRZ_OK;
}

static frz_status make_fields(file_lister *self, const frz_arrow_field **fields_out, size_t *n_out,
                              frz_error *err)
{
  enum { N_MAX = N_ENTRY + N_FIRST + 1 + N_FILE + N_FILE_ENTRY + 1 };
  frz_arena *arena = &self->arena;
  size_t n = 0, n_file = 0;
  bool is_entry = self->kind == ENTRIES;
  frz_arrow_field *fields = frz_arena_array(arena, N_MAX, sizeof *fields);
  frz_arrow_field *file = frz_arena_array(arena, N_MAX, sizeof *file);
  frz_arrow_field *outer = is_entry ? frz_rows_fields(ENTRY_COLUMNS, N_ENTRY, arena)
                                    : frz_rows_fields(FILE_ENTRY_COLUMNS, N_FILE_ENTRY, arena);
  frz_arrow_field *metrics = frz_arena_array(arena, self->n_leaves, sizeof *metrics);
  if (fields == NULL || file == NULL || outer == NULL || metrics == NULL)
    return frz_fail_nomem(err, "metadata rows");
  if (is_entry) {
    FRZ_TRY(make_file_fields(self, file, &n_file, err));
    memcpy(fields, outer, N_ENTRY * sizeof *outer);
    n = N_ENTRY;
    fields[n++] = struct_field(FRZ_STR("data_file"), file, n_file);
  } else {
    FRZ_TRY(make_file_fields(self, fields, &n, err));
    memcpy(fields + n, outer, N_FILE_ENTRY * sizeof *outer);
    n += N_FILE_ENTRY;
  }
  for (size_t i = 0; i < self->n_leaves; i++)
    FRZ_TRY(make_metric_field(self, self->leaves[i], &metrics[i], err));
  if (self->n_leaves != 0)
    fields[n++] = struct_field(FRZ_STR("readable_metrics"), metrics, self->n_leaves);
  *fields_out = fields;
  *n_out = n;
  return FRZ_OK;
}

/* ---- the tables ---- */

static frz_status open_lister(const frz_inspection *inspection, file_lister *self,
                              const frz_arrow_field **fields_out, size_t *n_fields_out,
                              frz_error *err)
{
  size_t room = 0;
  const frz_schema *schema = frz_metadata_current_schema(self->metadata);
  FRZ_TRY(frz_partition_union_make(self->metadata, &self->arena, &self->partitions, err));
  self->values = frz_arena_array(&self->arena, self->partitions.n_fields, sizeof *self->values);
  if (self->values == NULL) return frz_fail_nomem(err, "metadata rows");
  FRZ_TRY(collect_leaves(self, &schema->root, &room, err));
  FRZ_TRY(make_fields(self, fields_out, n_fields_out, err));
  FRZ_TRY(frz_rows_init_fields(&self->rows, *fields_out, *n_fields_out, self->alloc, err));
  return frz_inspect_collect(inspection, &self->arena, &self->manifests, &self->n_manifests, err);
}

static frz_status list_files(const frz_inspection *inspection, file_kind kind,
                             struct ArrowArrayStream *stream_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(inspection->context);
  const frz_arrow_field *fields;
  size_t n_fields;
  file_lister *self = frz_alloc_zeroed(alloc, sizeof *self);
  if (self == NULL) return frz_fail_nomem(err, "metadata rows");
  self->alloc = alloc;
  self->context = inspection->context;
  self->storage = frz_storage_retain(inspection->storage);
  self->metadata = frz_table_metadata_retain(inspection->metadata);
  self->kind = kind;
  frz_arena_init(&self->arena, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_status st = open_lister(inspection, self, &fields, &n_fields, err);
  if (st != FRZ_OK) {
    lister_free(self);
    return st;
  }
  frz_batch_source source = {self, lister_next, lister_free};
  return frz_stream_export(fields, n_fields, source, alloc, stream_out, err);
}

frz_status frz_inspect_entries(const frz_inspection *inspection,
                               struct ArrowArrayStream *stream_out, frz_error *err)
{
  return list_files(inspection, ENTRIES, stream_out, err);
}

frz_status frz_inspect_files(const frz_inspection *inspection, struct ArrowArrayStream *stream_out,
                             frz_error *err)
{
  return list_files(inspection, ALL_FILES, stream_out, err);
}

frz_status frz_inspect_data_files(const frz_inspection *inspection,
                                  struct ArrowArrayStream *stream_out, frz_error *err)
{
  return list_files(inspection, DATA_FILES, stream_out, err);
}

frz_status frz_inspect_delete_files(const frz_inspection *inspection,
                                    struct ArrowArrayStream *stream_out, frz_error *err)
{
  return list_files(inspection, DELETE_FILES, stream_out, err);
}
