/*
 * delete_index.c - see delete_index.h.
 *
 * Every delete entry belongs to one group, named by a key: its kind, then a path or a partition.
 * Entries of a group lie together in `entries`: ordered by data sequence number, so that what
 * applies to a data file is a tail that is shared and not copied; position deletes of a partition
 * are ordered by lower path bound instead, with `reach` telling how far up the upper bounds of an
 * entry and all before it go, so that the files around one path are found without visiting the
 * rest.
 *
 * Invariants: `entries` is never changed after creation, tasks point into it; groups cover it
 * without overlap.
 */
#include "iceberg/scan/delete_index.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/map.h"

enum {
  KIND_VECTOR = 'v',
  KIND_PATH = 'f',
  KIND_PARTITION = 'p',
  KIND_EQUALITY = 'e',
  KIND_GLOBAL = 'g',
  /* A tail longer than this is taken whole: comparing bounds of every pair is quadratic. */
  BOUNDS_TESTED_MAX = 256
};

typedef struct record {
  const frz_manifest_entry *entry;
  size_t group;
  frz_str lower; /* KIND_PARTITION: the least path, "" when unknown */
  frz_str upper; /* KIND_PARTITION: the greatest path, data NULL when unknown */
  bool by_path;
} record;

typedef struct group {
  size_t first;
  size_t n;
} group;

struct frz_delete_index {
  const frz_alloc *alloc;
  const frz_table_metadata *metadata;
  frz_map keys; /* to the group's number */
  record *records;
  const frz_manifest_entry **entries; /* of the records, for sharing */
  size_t *reach;                      /* the record with the greatest upper bound up to here */
  size_t n_records;
  group *groups;
  size_t n_groups;
};

frz_str frz_delete_target(const frz_data_file *file)
{
  frz_str lower, upper;
  if (file->referenced_data_file.data != NULL) return file->referenced_data_file;
  if (file->content == FRZ_CONTENT_POSITION_DELETES &&
      frz_bound_find(file->lower_bounds, file->n_lower_bounds, FRZ_FIELD_ID_DELETE_PATH, &lower) &&
      frz_bound_find(file->upper_bounds, file->n_upper_bounds, FRZ_FIELD_ID_DELETE_PATH, &upper) &&
      frz_str_equal(lower, upper))
    return lower; /* a bound that was cut is never equal to its partner, which was incremented */
  return (frz_str){0};
}

const frz_field *frz_metadata_find_field(const frz_table_metadata *metadata,
                                         const frz_schema *schema, int32_t field_id,
                                         const frz_schema **schema_out)
{
  const frz_field *field = schema != NULL ? frz_schema_find_id(schema, field_id) : NULL;
  for (size_t i = metadata->n_schemas; field == NULL && i > 0; i--) {
    schema = &metadata->schemas[i - 1];
    field = frz_schema_find_id(schema, field_id);
  }
  if (schema_out != NULL) *schema_out = schema;
  return field;
}

static frz_status append_value_key(const frz_literal *value, frz_buf *out, frz_error *err)
{
  int64_t whole = 0;
  double real = 0;
  FRZ_TRY(frz_buf_append_byte(out, value->is_null ? 0 : 1, err));
  if (value->is_null) return FRZ_OK;
  switch (value->kind) {
  case FRZ_TYPE_BOOLEAN: whole = value->as.boolean ? 1 : 0; break;
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: whole = value->as.i32; break;
  case FRZ_TYPE_FLOAT:
  case FRZ_TYPE_DOUBLE:
    real = value->kind == FRZ_TYPE_FLOAT ? (double)value->as.f32 : value->as.f64;
    if (isnan(real)) real = (double)NAN;
    if (real == 0) real = 0; /* -0.0 too */
    return frz_buf_append(out, &real, sizeof real, err);
  case FRZ_TYPE_DECIMAL: return frz_buf_append(out, &value->as.decimal, 16, err);
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_UUID: {
    uint64_t size = value->as.bytes.size;
    FRZ_TRY(frz_buf_append(out, &size, sizeof size, err));
    return frz_buf_append_str(out, value->as.bytes, err);
  }
  default: whole = value->as.i64; break;
  }
  return frz_buf_append(out, &whole, sizeof whole, err);
}

frz_status frz_partition_key(int32_t spec_id, const frz_partition *partition, frz_buf *out,
                             frz_error *err)
{
  FRZ_TRY(frz_buf_append(out, &spec_id, sizeof spec_id, err));
  for (size_t i = 0; i < partition->n_values; i++)
    FRZ_TRY(append_value_key(&partition->values[i], out, err));
  return FRZ_OK;
}

bool frz_spec_is_unpartitioned(const frz_partition_spec *spec)
{
  for (size_t i = 0; i < spec->n_fields; i++)
    if (spec->fields[i].transform.kind != FRZ_TRANSFORM_VOID) return false;
  return true;
}

static frz_status path_key(char kind, frz_str path, frz_buf *key, frz_error *err)
{
  key->size = 0;
  FRZ_TRY(frz_buf_append_byte(key, (uint8_t)kind, err));
  return frz_buf_append_str(key, path, err);
}

static frz_status partition_key(char kind, const frz_data_file *file, frz_buf *key, frz_error *err)
{
  key->size = 0;
  FRZ_TRY(frz_buf_append_byte(key, (uint8_t)kind, err));
  return frz_partition_key(file->spec_id, &file->partition, key, err);
}

/* ---- building ---- */

static frz_status key_of(const frz_table_metadata *metadata, record *self, frz_buf *key,
                         frz_error *err)
{
  const frz_data_file *file = &self->entry->file;
  const frz_partition_spec *spec = frz_metadata_spec(metadata, file->spec_id);
  if (spec == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "delete file '%.*s': unknown partition spec %d",
                    FRZ_STR_ARG(file->path), file->spec_id);
  if (file->content == FRZ_CONTENT_EQUALITY_DELETES) {
    if (file->n_equality_ids == 0)
      return frz_fail(err, FRZ_ERR_CORRUPT, "equality delete file '%.*s' has no equality ids",
                      FRZ_STR_ARG(file->path));
    if (frz_spec_is_unpartitioned(spec)) return path_key(KIND_GLOBAL, (frz_str){0}, key, err);
    return partition_key(KIND_EQUALITY, file, key, err);
  }
  if (file->content != FRZ_CONTENT_POSITION_DELETES)
    return frz_fail(err, FRZ_ERR_CORRUPT, "'%.*s' is a data file in a manifest of deletes",
                    FRZ_STR_ARG(file->path));
  frz_str target = frz_delete_target(file);
  if (file->format == FRZ_FORMAT_PUFFIN) {
    if (file->referenced_data_file.data == NULL)
      return frz_fail(err, FRZ_ERR_CORRUPT, "deletion vector in '%.*s' names no data file",
                      FRZ_STR_ARG(file->path));
    return path_key(KIND_VECTOR, target, key, err);
  }
  if (target.data != NULL) return path_key(KIND_PATH, target, key, err);
  self->by_path = true;
  if (!frz_bound_find(file->lower_bounds, file->n_lower_bounds, FRZ_FIELD_ID_DELETE_PATH,
                      &self->lower))
    self->lower = FRZ_STR("");
  if (!frz_bound_find(file->upper_bounds, file->n_upper_bounds, FRZ_FIELD_ID_DELETE_PATH,
                      &self->upper))
    self->upper = (frz_str){0};
  return partition_key(KIND_PARTITION, file, key, err);
}

static int compare_records(const void *a_arg, const void *b_arg)
{
  const record *a = a_arg;
  const record *b = b_arg;
  if (a->group != b->group) return a->group < b->group ? -1 : 1;
  if (a->by_path) {
    int order = frz_str_compare(a->lower, b->lower);
    if (order != 0) return order;
  }
  int64_t a_sequence = a->entry->data_sequence_number;
  int64_t b_sequence = b->entry->data_sequence_number;
  if (a_sequence != b_sequence) return a_sequence < b_sequence ? -1 : 1;
  return frz_str_compare(a->entry->file.path, b->entry->file.path); /* a stable result */
}

static bool reaches_further(const record *a, const record *b)
{
  if (a->upper.data == NULL || b->upper.data == NULL) return a->upper.data == NULL;
  return frz_str_compare(a->upper, b->upper) > 0;
}

static frz_status number_groups(frz_delete_index *index, const frz_manifest_entry *const *entries,
                                frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf key;
  frz_buf_init(&key, index->alloc, FRZ_LIMIT_COLUMN_BYTES);
  for (size_t i = 0; i < index->n_records; i++) {
    record *self = &index->records[i];
    self->entry = entries[i];
    FRZ_TRY_OUT(key_of(index->metadata, self, &key, err));
    uint64_t *number;
    FRZ_TRY_OUT(
        frz_map_insert(&index->keys, frz_buf_str(&key), index->keys.size, &number, NULL, err));
    self->group = (size_t)*number;
  }
  index->n_groups = index->keys.size;
out:
  frz_buf_dispose(&key);
  return st;
}

static frz_status lay_out(frz_delete_index *index, frz_error *err)
{
  qsort(index->records, index->n_records, sizeof *index->records, compare_records);
  for (size_t i = 0; i < index->n_records; i++) {
    record *self = &index->records[i];
    bool is_first = i == 0 || index->records[i - 1].group != self->group;
    if (is_first) index->groups[self->group].first = i;
    index->groups[self->group].n++;
    index->entries[i] = self->entry;
    index->reach[i] = i;
    if (is_first) continue;
    if (!reaches_further(self, &index->records[index->reach[i - 1]]))
      index->reach[i] = index->reach[i - 1];
    const frz_data_file *file = &self->entry->file;
    if (file->format == FRZ_FORMAT_PUFFIN)
      return frz_fail(err, FRZ_ERR_CORRUPT, "data file '%.*s' has two deletion vectors",
                      FRZ_STR_ARG(file->referenced_data_file));
  }
  return FRZ_OK;
}

frz_status frz_delete_index_create(const frz_alloc *alloc, const frz_table_metadata *metadata,
                                   const frz_manifest_entry *const *entries, size_t n_entries,
                                   frz_delete_index **index_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_delete_index *index = frz_alloc_zeroed(alloc, sizeof *index);
  if (index == NULL) return frz_fail_nomem(err, "delete index");
  index->alloc = alloc;
  index->metadata = metadata;
  index->n_records = n_entries;
  frz_map_init(&index->keys, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  if (n_entries != 0) {
    index->records = frz_alloc_zeroed(alloc, n_entries * sizeof *index->records);
    index->entries = frz_alloc_array(alloc, n_entries, sizeof *index->entries);
    index->reach = frz_alloc_array(alloc, n_entries, sizeof *index->reach);
    if (index->records == NULL || index->entries == NULL || index->reach == NULL) {
      st = frz_fail_nomem(err, "delete index");
      goto out;
    }
    FRZ_TRY_OUT(number_groups(index, entries, err));
    index->groups = frz_alloc_zeroed(alloc, index->n_groups * sizeof *index->groups);
    if (index->groups == NULL) {
      st = frz_fail_nomem(err, "delete index");
      goto out;
    }
    FRZ_TRY_OUT(lay_out(index, err));
  }
  *index_out = index;
  index = NULL;
out:
  frz_delete_index_free(index);
  return st;
}

void frz_delete_index_free(frz_delete_index *index)
{
  if (index == NULL) return;
  const frz_alloc *alloc = index->alloc;
  frz_alloc_free(alloc, index->records, index->n_records * sizeof *index->records);
  frz_alloc_free(alloc, index->entries, index->n_records * sizeof *index->entries);
  frz_alloc_free(alloc, index->reach, index->n_records * sizeof *index->reach);
  frz_alloc_free(alloc, index->groups, index->n_groups * sizeof *index->groups);
  frz_map_dispose(&index->keys);
  frz_alloc_free(alloc, index, sizeof *index);
}

/* ---- finding ---- */

/** A run of entries: a slice of the index, or a list made for one task. */
typedef struct run {
  const frz_manifest_entry *const *at;
  size_t n;
} run;

static const group *find_group(const frz_delete_index *index, const frz_buf *key)
{
  uint64_t *number = frz_map_find(&index->keys, frz_buf_str(key));
  return number != NULL ? &index->groups[*number] : NULL;
}

/** The entries of a group whose sequence number is at least `sequence_min`. */
static run tail_from(const frz_delete_index *index, const group *in, int64_t sequence_min)
{
  if (in == NULL) return (run){0};
  size_t low = in->first;
  size_t end = in->first + in->n;
  size_t high = end;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (index->entries[middle]->data_sequence_number < sequence_min)
      low = middle + 1;
    else
      high = middle;
  }
  return (run){index->entries + low, end - low};
}

/** Visits the position deletes of a partition whose path bounds hold `path`; fills `found` when it
 * is not NULL. Returns how many. */
static size_t around_path(const frz_delete_index *index, const group *in, frz_str path,
                          int64_t sequence_min, const frz_manifest_entry **found)
{
  if (in == NULL) return 0;
  size_t low = in->first;
  size_t high = in->first + in->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (frz_str_compare(index->records[middle].lower, path) <= 0)
      low = middle + 1;
    else
      high = middle;
  }
  size_t n = 0;
  for (size_t i = low; i > in->first; i--) {
    const record *furthest = &index->records[index->reach[i - 1]];
    if (furthest->upper.data != NULL && frz_str_compare(furthest->upper, path) < 0) break;
    const record *self = &index->records[i - 1];
    if (self->upper.data != NULL && frz_str_compare(self->upper, path) < 0) continue;
    if (self->entry->data_sequence_number < sequence_min) continue;
    if (found != NULL) found[n] = self->entry;
    n++;
  }
  return n;
}

static frz_status find_position_deletes(const frz_delete_index *index, frz_scan_task *task,
                                        frz_buf *key, frz_arena *arena, frz_error *err)
{
  const frz_data_file *file = &task->entry->file;
  int64_t sequence = task->entry->data_sequence_number;
  FRZ_TRY(path_key(KIND_VECTOR, file->path, key, err));
  run named = tail_from(index, find_group(index, key), sequence);
  size_t n_around = 0;
  const group *partition = NULL;
  if (named.n == 0) { /* a deletion vector takes the place of all position delete files */
    FRZ_TRY(path_key(KIND_PATH, file->path, key, err));
    named = tail_from(index, find_group(index, key), sequence);
    FRZ_TRY(partition_key(KIND_PARTITION, file, key, err));
    partition = find_group(index, key);
    n_around = around_path(index, partition, file->path, sequence, NULL);
  }
  task->position_deletes = named.at;
  task->n_position_deletes = named.n;
  if (n_around == 0) return FRZ_OK;
  const frz_manifest_entry **list = frz_arena_array(arena, named.n + n_around, sizeof *list);
  if (list == NULL) return frz_fail_nomem(err, "scan task");
  for (size_t i = 0; i < named.n; i++) list[i] = named.at[i];
  around_path(index, partition, file->path, sequence, list + named.n);
  task->position_deletes = list;
  task->n_position_deletes = named.n + n_around;
  return FRZ_OK;
}

static bool read_bound(const frz_bound *bounds, size_t n_bounds, const frz_field *field,
                       frz_literal *literal_out)
{
  frz_str bytes;
  return frz_bound_find(bounds, n_bounds, field->id, &bytes) &&
         frz_literal_from_bytes(&field->type, bytes, literal_out, NULL) == FRZ_OK &&
         !literal_out->is_null;
}

/** May some row of the data file have the key of some row of the delete file? */
static bool may_share_keys(const frz_delete_index *index, const frz_data_file *data,
                           const frz_data_file *deletes)
{
  for (size_t i = 0; i < deletes->n_equality_ids; i++) {
    int32_t id = deletes->equality_ids[i];
    const frz_field *field = frz_metadata_find_field(index->metadata, NULL, id, NULL);
    if (field == NULL || !frz_type_is_primitive(&field->type)) continue;
    if (frz_metric_find(data->null_counts, data->n_null_counts, id) != 0 &&
        frz_metric_find(deletes->null_counts, deletes->n_null_counts, id) != 0)
      continue; /* null equals null */
    if ((field->type.kind == FRZ_TYPE_FLOAT || field->type.kind == FRZ_TYPE_DOUBLE) &&
        frz_metric_find(data->nan_counts, data->n_nan_counts, id) != 0 &&
        frz_metric_find(deletes->nan_counts, deletes->n_nan_counts, id) != 0)
      continue; /* NaN is in no bound and equals NaN */
    frz_literal lower, upper;
    if (read_bound(data->lower_bounds, data->n_lower_bounds, field, &lower) &&
        read_bound(deletes->upper_bounds, deletes->n_upper_bounds, field, &upper) &&
        frz_literal_compare(&upper, &lower) < 0)
      return false;
    if (read_bound(deletes->lower_bounds, deletes->n_lower_bounds, field, &lower) &&
        read_bound(data->upper_bounds, data->n_upper_bounds, field, &upper) &&
        frz_literal_compare(&upper, &lower) < 0)
      return false;
  }
  return true;
}

/** Leave out what bounds exclude; the shared tail stays where nothing is, or it is long. */
static frz_status narrow(const frz_delete_index *index, const frz_data_file *data, run *tail,
                         frz_arena *arena, frz_error *err)
{
  bool keep[BOUNDS_TESTED_MAX];
  size_t n_kept = 0;
  if (tail->n == 0 || tail->n > BOUNDS_TESTED_MAX) return FRZ_OK;
  for (size_t i = 0; i < tail->n; i++) {
    keep[i] = may_share_keys(index, data, &tail->at[i]->file);
    n_kept += keep[i];
  }
  if (n_kept == tail->n) return FRZ_OK;
  const frz_manifest_entry **list = frz_arena_array(arena, n_kept, sizeof *list);
  if (list == NULL) return frz_fail_nomem(err, "scan task");
  size_t n = 0;
  for (size_t i = 0; i < tail->n; i++)
    if (keep[i]) list[n++] = tail->at[i];
  *tail = (run){list, n_kept};
  return FRZ_OK;
}

static frz_status find_equality_deletes(const frz_delete_index *index, frz_scan_task *task,
                                        frz_buf *key, frz_arena *arena, frz_error *err)
{
  const frz_data_file *file = &task->entry->file;
  int64_t sequence = task->entry->data_sequence_number;
  if (sequence == INT64_MAX) return FRZ_OK;
  FRZ_TRY(path_key(KIND_GLOBAL, (frz_str){0}, key, err));
  run global = tail_from(index, find_group(index, key), sequence + 1);
  FRZ_TRY(partition_key(KIND_EQUALITY, file, key, err));
  run local = tail_from(index, find_group(index, key), sequence + 1);
  FRZ_TRY(narrow(index, file, &global, arena, err));
  FRZ_TRY(narrow(index, file, &local, arena, err));
  run both = local.n == 0 ? global : local;
  if (global.n != 0 && local.n != 0) {
    const frz_manifest_entry **list = frz_arena_array(arena, global.n + local.n, sizeof *list);
    if (list == NULL) return frz_fail_nomem(err, "scan task");
    for (size_t i = 0; i < global.n; i++) list[i] = global.at[i];
    for (size_t i = 0; i < local.n; i++) list[global.n + i] = local.at[i];
    both = (run){list, global.n + local.n};
  }
  task->equality_deletes = both.at;
  task->n_equality_deletes = both.n;
  return FRZ_OK;
}

frz_status frz_delete_index_find(const frz_delete_index *index, frz_scan_task *task,
                                 frz_arena *arena, frz_error *err)
{
  frz_status st = FRZ_OK;
  assert(task->entry != NULL && task->spec != NULL);
  if (index->n_records == 0) return FRZ_OK;
  frz_buf key;
  frz_buf_init(&key, index->alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(find_position_deletes(index, task, &key, arena, err));
  FRZ_TRY_OUT(find_equality_deletes(index, task, &key, arena, err));
  task->n_deletes = task->n_position_deletes + task->n_equality_deletes;
out:
  frz_buf_dispose(&key);
  return st;
}
