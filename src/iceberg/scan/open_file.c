/*
 * open_file.c - see open_file.h.
 *
 * Works in this order: open the file; give every column its field id, by name mapping where the
 * file has none; choose the leaves that the projection, the filter and the keys need; map what they
 * decode to onto the table's fields; leave out rows that cannot match; load deletes.
 */
#include "iceberg/scan/open_file.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/deletion_vector.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/schema/name_mapping.h"

/** While a file is being opened. */
typedef struct opening {
  frz_open_file *file;
  frz_row_column *columns; /* the file's, with the ids that count */
  bool *selected;          /* by leaf */
  bool has_mapping;
  frz_name_mapping mapping;
} opening;

/* ---- the file's columns ---- */

static frz_status read_mapping(opening *self, frz_error *err)
{
  frz_open_file *file = self->file;
  frz_str json = frz_metadata_name_mapping(file->projection->metadata);
  if (file->rows->has_ids) return FRZ_OK;
  if (json.data == NULL)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "the file has no field ids and the table no 'schema.name-mapping.default'");
  self->has_mapping = true;
  return frz_name_mapping_parse(json, &file->arena, &self->mapping, err);
}

/** The columns with the ids that count: the file's own, or those of the mapping. */
static frz_status read_columns(opening *self, frz_error *err)
{
  const frz_row_file *rows = self->file->rows;
  frz_arena *arena = &self->file->arena;
  self->columns = frz_arena_array(arena, rows->n_columns, sizeof *self->columns);
  self->selected = frz_arena_array(arena, rows->n_leaves, sizeof *self->selected);
  if (self->columns == NULL || self->selected == NULL)
    return frz_fail_nomem(err, "columns of a file");
  FRZ_TRY(read_mapping(self, err));
  for (size_t i = 0; i < rows->n_columns; i++) {
    frz_row_column *column = &self->columns[i];
    *column = rows->columns[i];
    if (!self->has_mapping) continue;
    FRZ_TRY(frz_arrow_field_copy(&rows->columns[i].field, arena, &column->field, err));
    frz_name_mapping_apply(&self->mapping, &column->field, 1);
  }
  return FRZ_OK;
}

/* ---- choosing leaves ---- */

static bool any_selected(const opening *self, size_t first, size_t n)
{
  for (size_t i = first; i < first + n; i++)
    if (self->selected[i]) return true;
  return false;
}

static void select_field(opening *self, const frz_field *field, const frz_arrow_field *from,
                         size_t first)
{
  if (from->n_children == 0) {
    self->selected[first] = true;
    return;
  }
  if (field->type.kind == FRZ_TYPE_VARIANT) {
    for (size_t i = 0; i < frz_row_count_leaves(from); i++) self->selected[first + i] = true;
  } else if (field->type.kind == FRZ_TYPE_STRUCT && from->type.kind == FRZ_ARROW_STRUCT) {
    size_t at = first;
    for (size_t i = 0; i < from->n_children; i++) {
      for (size_t k = 0; k < field->type.n_fields; k++)
        if (field->type.fields[k].id == from->children[i].field_id)
          select_field(self, &field->type.fields[k], &from->children[i], at);
      at += frz_row_count_leaves(&from->children[i]);
    }
  } else if (field->type.kind == FRZ_TYPE_LIST && from->type.kind == FRZ_ARROW_LIST &&
             from->n_children == 1) {
    select_field(self, &field->type.fields[0], &from->children[0], first);
  } else if (field->type.kind == FRZ_TYPE_MAP && from->type.kind == FRZ_ARROW_MAP &&
             from->n_children == 1 && from->children[0].n_children == 2) {
    const frz_arrow_field *key = &from->children[0].children[0];
    select_field(self, &field->type.fields[0], key, first);
    select_field(self, &field->type.fields[1], key + 1, first + frz_row_count_leaves(key));
  }
  /* Of a struct with none of the wanted columns its nulls are still wanted, and any leaf has them.
   * Types that do not go together are refused later, by name. */
  if (!any_selected(self, first, frz_row_count_leaves(from))) self->selected[first] = true;
}

static frz_status select_top(opening *self, const frz_field *field, frz_error *err)
{
  const frz_row_file *rows = self->file->rows;
  for (size_t i = 0; i < rows->n_columns; i++) {
    const frz_row_column *column = &self->columns[i];
    if (column->field.field_id != field->id) continue;
    if (column->is_unknown) return rows->explain(rows, i, &self->file->arena, err);
    select_field(self, field, &column->field, column->first_leaf);
    return FRZ_OK;
  }
  return FRZ_OK;
}

/** The leaf of a field that a filter or key wants, or a leaf of the last struct above it. */
static frz_status select_leaf(opening *self, const frz_type *root, const frz_field *field,
                              frz_error *err)
{
  const frz_field *path[FRZ_LIMIT_DEPTH];
  size_t depth = 0;
  if (!frz_type_find_path(root, field->id, 0, path, &depth)) return FRZ_OK; /* refused later */
  if (depth == 0) return select_top(self, field, err);
  /* As if the struct at the top had this one field: pruned copies, one inside the other. */
  frz_field pruned[FRZ_LIMIT_DEPTH + 1];
  pruned[depth] = *field;
  for (size_t i = depth; i > 0; i--) {
    pruned[i - 1] = *path[i - 1];
    pruned[i - 1].type.fields = &pruned[i];
    pruned[i - 1].type.n_fields = 1;
  }
  return select_top(self, &pruned[0], err);
}

/* ---- fields by id, for filters and keys ---- */

static frz_status find_leaf_field(const opening *self, int32_t id, const frz_field **field_out,
                                  const frz_type **root_out, frz_error *err)
{
  const frz_projection *projection = self->file->projection;
  const frz_schema *schema = NULL;
  const frz_field *field =
      frz_metadata_find_field(projection->metadata, projection->schema, id, &schema);
  if (field == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "no schema of the table has field %d", id);
  *field_out = field;
  *root_out = &schema->root;
  return FRZ_OK;
}

static frz_status select_ids(opening *self, const int32_t *ids, size_t n_ids, frz_error *err)
{
  for (size_t i = 0; i < n_ids; i++) {
    const frz_field *field;
    const frz_type *root;
    FRZ_TRY(find_leaf_field(self, ids[i], &field, &root, err));
    FRZ_TRY(select_leaf(self, root, field, err));
  }
  return FRZ_OK;
}

static frz_status make_leaves(opening *self, const int32_t *ids, size_t n_ids,
                              frz_leaf **leaves_out, frz_error *err)
{
  frz_open_file *file = self->file;
  frz_leaf *leaves = frz_arena_array(&file->arena, n_ids, sizeof *leaves);
  if (leaves == NULL) return frz_fail_nomem(err, "columns of a file");
  for (size_t i = 0; i < n_ids; i++) {
    const frz_field *field;
    const frz_type *root;
    FRZ_TRY(find_leaf_field(self, ids[i], &field, &root, err));
    FRZ_TRY(frz_leaf_make(root, field, &file->columns, &file->arena, &leaves[i], err));
  }
  *leaves_out = leaves;
  return FRZ_OK;
}

/* ---- maps ---- */

/** The fields of the batches: what is selected of each column. */
static frz_status prune_fields(opening *self, frz_error *err)
{
  frz_open_file *file = self->file;
  const frz_row_file *rows = file->rows;
  frz_arrow_field *fields = frz_arena_array(&file->arena, rows->n_columns, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "columns of a file");
  size_t n = 0;
  for (size_t i = 0; i < rows->n_columns; i++)
    if (frz_row_column_is_selected(&rows->columns[i], self->selected))
      FRZ_TRY(rows->prune(rows, i, self->selected, &file->arena, &fields[n++], err));
  if (self->has_mapping) frz_name_mapping_apply(&self->mapping, fields, n);
  file->columns.fields = fields;
  file->columns.n_fields = n;
  file->is_projected = frz_arena_array(&file->arena, n, sizeof *file->is_projected);
  return file->is_projected != NULL ? FRZ_OK : frz_fail_nomem(err, "columns of a file");
}

static frz_status make_maps(opening *self, frz_error *err)
{
  frz_open_file *file = self->file;
  const frz_projection *projection = file->projection;
  file->maps = frz_arena_array(&file->arena, projection->n_fields, sizeof *file->maps);
  if (file->maps == NULL) return frz_fail_nomem(err, "columns of a file");
  for (size_t i = 0; i < projection->n_fields; i++) {
    if (frz_is_metadata_column(&projection->fields[i])) file->wants_positions = true;
    if (frz_metadata_column_is_computed(&projection->fields[i])) {
      file->maps[i].conversion = FRZ_CONVERT_CONSTANT;
      continue;
    }
    FRZ_TRY(frz_column_map_make(&projection->fields[i], &projection->arrow_fields[i],
                                &file->columns, &file->arena, &file->maps[i], err));
    if (file->maps[i].conversion != FRZ_CONVERT_CONSTANT)
      file->is_projected[file->maps[i].source] = true;
  }
  return FRZ_OK;
}

/* ---- rows ---- */

/* What of the file there is to read: of the asked rows what the filter may want. */
static void count_choice(const frz_open_file *file, const frz_open_options *options)
{
  frz_read_counts *counts = file->projection->counts;
  if (counts == NULL) return;
  int64_t n_groups = 0;
  size_t at = 0;
  for (size_t g = 0; g < file->rows->n_groups; g++) {
    frz_row_range group = file->rows->groups[g];
    while (at < options->n_ranges && options->ranges[at].last <= group.first) at++;
    n_groups += options->ranges == NULL ||
                (at < options->n_ranges && options->ranges[at].first < group.last);
  }
  FRZ_COUNT(counts, n_files_opened, 1);
  FRZ_COUNT(counts, n_row_groups, n_groups);
  const frz_row_range *ranges = file->ranges;
  size_t n_ranges = file->n_ranges;
  if (options->ranges != NULL && ranges == file->rows->groups) { /* no filter chose */
    ranges = options->ranges;
    n_ranges = options->n_ranges;
  }
  int64_t n_rows = 0;
  for (size_t i = 0; i < n_ranges; i++) n_rows += ranges[i].last - ranges[i].first;
  FRZ_COUNT(counts, n_rows_wanted, n_rows);
  if (file->rows->stored_bytes != NULL)
    FRZ_COUNT(counts, n_bytes_wanted,
              file->rows->stored_bytes(file->rows, file->selected, ranges, n_ranges));
}

static frz_status choose_rows(opening *self, const frz_open_options *options, frz_error *err)
{
  frz_open_file *file = self->file;
  const frz_row_file *rows = file->rows;
  const frz_projection *projection = file->projection;
  frz_row_choice choice = {.columns = self->columns,
                           .source = &file->columns,
                           .schema = projection->schema,
                           .filter =
                               projection->prune != NULL ? projection->prune : projection->filter,
                           .ranges = options->ranges,
                           .n_ranges = options->n_ranges,
                           .counts = projection->counts};
  if (choice.filter != NULL && rows->choose != NULL)
    return rows->choose(rows, &choice, &file->arena, &file->ranges, &file->n_ranges, err);
  file->ranges = rows->groups;
  file->n_ranges = rows->n_groups;
  return FRZ_OK;
}

/* ---- deletes ---- */

static frz_status merge_positions(frz_open_file *file, const frz_roaring *more, frz_error *err)
{
  if (more == NULL) return FRZ_OK;
  if (file->deleted == NULL) {
    file->deleted = more;
    return FRZ_OK;
  }
  if (file->owned_deleted == NULL) {
    FRZ_TRY(frz_roaring_create(file->alloc, &file->owned_deleted, err));
    FRZ_TRY(frz_roaring_merge(file->owned_deleted, file->deleted, err));
    file->deleted = file->owned_deleted;
  }
  return frz_roaring_merge(file->owned_deleted, more, err);
}

/** Position deletes of this file alone: merged at once, since the next one replaces them. */
static frz_status read_own_positions(frz_open_file *file, const frz_data_file *deletes,
                                     frz_error *err)
{
  frz_str path = file->task->entry->file.path;
  frz_position_deletes *read;
  FRZ_TRY(frz_position_deletes_read(file->context, file->storage, deletes, path, &read, err));
  if (file->owned_positions == NULL) {
    file->owned_positions = read;
    return merge_positions(file, frz_position_deletes_find(read, path), err);
  }
  const frz_roaring *found = frz_position_deletes_find(read, path);
  frz_status st = FRZ_OK;
  if (found != NULL && file->deleted == NULL) { /* nothing else owns it: a copy */
    st = frz_roaring_create(file->alloc, &file->owned_deleted, err);
    if (st == FRZ_OK) file->deleted = file->owned_deleted;
  }
  if (st == FRZ_OK) st = merge_positions(file, found, err);
  frz_position_deletes_free(read);
  return st;
}

static frz_status read_positions(frz_open_file *file, frz_delete_cache *cache, frz_error *err)
{
  const frz_scan_task *task = file->task;
  for (size_t i = 0; i < task->n_position_deletes; i++) {
    const frz_manifest_entry *entry = task->position_deletes[i];
    const frz_position_deletes *shared;
    if (entry->file.format == FRZ_FORMAT_PUFFIN) {
      frz_roaring *vector;
      FRZ_TRY(frz_deletion_vector_read(file->context, file->storage, &entry->file, &vector, err));
      frz_roaring_free(file->owned_deleted);
      file->owned_deleted = vector;
      file->deleted = vector;
      return FRZ_OK; /* the only one: see delete_index.h */
    }
    if (frz_delete_target(&entry->file).data != NULL) {
      FRZ_TRY(read_own_positions(file, &entry->file, err));
      continue;
    }
    FRZ_TRY(frz_delete_cache_positions(cache, entry, &shared, err));
    FRZ_TRY(merge_positions(file, frz_position_deletes_find(shared, task->entry->file.path), err));
  }
  return FRZ_OK;
}

static frz_status load_equality(opening *self, frz_delete_cache *cache, frz_error *err)
{
  frz_open_file *file = self->file;
  frz_equality_set **sets = NULL;
  size_t n_sets = 0;
  FRZ_TRY(frz_delete_cache_equality(cache, file->task, &file->arena, &sets, &n_sets, err));
  file->checks = frz_arena_array(&file->arena, n_sets, sizeof *file->checks);
  if (file->checks == NULL) return frz_fail_nomem(err, "equality deletes");
  for (size_t i = 0; i < n_sets; i++) {
    const int32_t *ids = frz_equality_set_ids(sets[i], &file->checks[i].n_leaves);
    file->checks[i].set = sets[i];
    FRZ_TRY(select_ids(self, ids, file->checks[i].n_leaves, err));
  }
  file->n_checks = n_sets;
  return FRZ_OK;
}

static frz_status make_check_leaves(opening *self, frz_error *err)
{
  for (size_t i = 0; i < self->file->n_checks; i++) {
    frz_key_columns *check = &self->file->checks[i];
    size_t n_ids;
    const int32_t *ids = frz_equality_set_ids(check->set, &n_ids);
    FRZ_TRY(make_leaves(self, ids, n_ids, &check->leaves, err));
  }
  return FRZ_OK;
}

/* ---- opening ---- */

static frz_status open_columns(opening *self, frz_delete_cache *deletes,
                               const frz_open_options *options, frz_error *err)
{
  frz_open_file *file = self->file;
  const frz_projection *projection = file->projection;
  const int32_t *filter_ids = NULL;
  FRZ_TRY(read_columns(self, err));
  for (size_t i = 0; i < projection->n_fields; i++)
    FRZ_TRY(select_top(self, &projection->fields[i], err));
  if (projection->filter != NULL)
    FRZ_TRY(frz_expr_field_ids(projection->filter, &file->arena, &filter_ids,
                               &file->n_filter_leaves, err));
  FRZ_TRY(select_ids(self, filter_ids, file->n_filter_leaves, err));
  FRZ_TRY(select_ids(self, options->key_ids, options->n_key_ids, err));
  if (!options->without_deletes && file->task->n_equality_deletes != 0)
    FRZ_TRY(load_equality(self, deletes, err));
  FRZ_TRY(prune_fields(self, err));
  FRZ_TRY(make_maps(self, err));
  FRZ_TRY(make_leaves(self, filter_ids, file->n_filter_leaves, &file->filter_leaves, err));
  FRZ_TRY(make_leaves(self, options->key_ids, options->n_key_ids, &file->keys.leaves, err));
  file->keys.n_leaves = options->n_key_ids;
  FRZ_TRY(make_check_leaves(self, err));
  file->selected = self->selected;
  FRZ_TRY(choose_rows(self, options, err));
  count_choice(file, options);
  return FRZ_OK;
}

frz_status frz_open_file_create(frz_context *context, frz_storage *storage,
                                const frz_projection *projection, const frz_scan_task *task,
                                frz_delete_cache *deletes, const frz_open_options *options,
                                frz_open_file **file_out, frz_error *err)
{
  static const frz_open_options defaults = {0};
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  if (options == NULL) options = &defaults;
  assert(options->without_deletes || task->n_deletes == 0 || deletes != NULL);
  frz_open_file *file = frz_alloc_zeroed(alloc, sizeof *file);
  if (file == NULL) return frz_fail_nomem(err, "data file");
  file->alloc = alloc;
  file->context = context;
  file->projection = projection;
  file->storage = storage;
  file->task = task;
  file->columns.spec = task->spec;
  file->columns.partition = &task->entry->file.partition;
  frz_arena_init(&file->arena, alloc, FRZ_LIMIT_OPEN_FILE_BYTES);
  FRZ_TRY_OUT(frz_row_file_open(context, storage, &task->entry->file, &file->rows, err));
  opening self = {.file = file};
  FRZ_TRY_OUT(open_columns(&self, deletes, options, err));
  if (!options->without_deletes) FRZ_TRY_OUT(read_positions(file, deletes, err));
  *file_out = file;
  file = NULL;
out:
  if (st != FRZ_OK) frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(task->entry->file.path));
  frz_open_file_free(file);
  return st;
}

void frz_open_file_free(frz_open_file *file)
{
  if (file == NULL) return;
  frz_row_file_free(file->rows);
  frz_roaring_free(file->owned_deleted);
  frz_position_deletes_free(file->owned_positions);
  frz_arena_free(&file->arena);
  frz_alloc_free(file->alloc, file, sizeof *file);
}

void frz_open_file_keys_free(const frz_open_file *file, frz_leaf_column *columns,
                             const frz_alloc *alloc)
{
  if (columns == NULL) return;
  for (size_t i = 0; i < file->keys.n_leaves; i++) frz_leaf_column_dispose(&columns[i]);
  frz_alloc_free(alloc, columns, file->keys.n_leaves * sizeof *columns);
}
