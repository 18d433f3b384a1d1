/*
 * parquet_rows.c - Parquet files as row files: see row_reader.h.
 *
 * A Parquet leaf and its Arrow field are brought together by order: both trees have the same leaves
 * from left to right. A column where that does not hold, or whose type has no Arrow form, is
 * unknown. Groups are row groups.
 */
#include "base/limits.h"
#include "iceberg/scan/row_prune.h"
#include "iceberg/scan/row_reader.h"
#include "parquet/read/parquet_reader.h"

typedef struct parquet_rows {
  frz_row_file base;
  const frz_alloc *alloc;
  frz_arena arena;
  frz_parquet_file *parquet;
  const frz_parquet_metadata *footer;
} parquet_rows;

typedef struct parquet_row_reader {
  frz_row_reader base;
  const frz_alloc *alloc;
  frz_parquet_reader *parquet;
} parquet_row_reader;

/* ---- columns ---- */

static bool has_ids(const frz_parquet_node *node)
{
  if (node->field_id >= 0) return true;
  for (size_t i = 0; i < node->n_children; i++)
    if (has_ids(node->children[i])) return true;
  return false;
}

static size_t count_node_leaves(const frz_parquet_node *node)
{
  size_t n = node->is_leaf ? 1 : 0;
  for (size_t i = 0; i < node->n_children; i++) n += count_node_leaves(node->children[i]);
  return n;
}

static frz_status list_columns(parquet_rows *rows, frz_error *err)
{
  const frz_parquet_node *root = rows->footer->root;
  frz_row_column *columns = frz_arena_array(&rows->arena, root->n_children, sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "columns of a file");
  size_t first_leaf = 0;
  for (size_t i = 0; i < root->n_children; i++) {
    const frz_parquet_node *node = root->children[i];
    frz_row_column *column = &columns[i];
    column->first_leaf = first_leaf;
    column->n_leaves = count_node_leaves(node);
    first_leaf += column->n_leaves;
    frz_status st = frz_parquet_node_to_arrow(node, NULL, &rows->arena, &column->field, err);
    if (st == FRZ_ERR_UNSUPPORTED ||
        (st == FRZ_OK && frz_row_count_leaves(&column->field) != column->n_leaves)) {
      column->is_unknown = true;
      column->field = (frz_arrow_field){.name = node->name, .field_id = node->field_id};
    } else if (st != FRZ_OK) {
      return st;
    }
  }
  rows->base.columns = columns;
  rows->base.n_columns = root->n_children;
  rows->base.n_leaves = rows->footer->n_leaves;
  rows->base.has_ids = has_ids(root);
  return FRZ_OK;
}

static frz_status parquet_explain(const frz_row_file *file, size_t column, frz_arena *arena,
                                  frz_error *err)
{
  const frz_parquet_node *node = ((const parquet_rows *)file)->footer->root->children[column];
  frz_arrow_field unused;
  FRZ_TRY(frz_parquet_node_to_arrow(node, NULL, arena, &unused, err));
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "column '%.*s': unknown layout",
                  FRZ_STR_ARG(node->name));
}

static frz_status parquet_prune(const frz_row_file *file, size_t column, const bool *selected,
                                frz_arena *arena, frz_arrow_field *field_out, frz_error *err)
{
  const parquet_rows *rows = (const parquet_rows *)file;
  return frz_parquet_node_to_arrow(rows->footer->root->children[column], selected, arena, field_out,
                                   err);
}

/* ---- row groups ---- */

static frz_status list_groups(parquet_rows *rows, frz_error *err)
{
  size_t n = rows->footer->n_row_groups;
  frz_row_range *groups = frz_arena_array(&rows->arena, n, sizeof *groups);
  if (groups == NULL) return frz_fail_nomem(err, "row groups of a file");
  for (size_t i = 0; i < n; i++) {
    const frz_parquet_row_group *group = &rows->footer->row_groups[i];
    groups[i] = (frz_row_range){group->first_row, group->first_row + group->n_rows};
  }
  rows->base.groups = groups;
  rows->base.n_groups = n;
  return FRZ_OK;
}

static size_t number_leaves(const frz_arrow_field *field, bool in_structs, size_t first,
                            int32_t *leaf_ids)
{
  if (field->n_children == 0) {
    leaf_ids[first] = in_structs ? field->field_id : -1;
    return first + 1;
  }
  bool below = in_structs && field->type.kind == FRZ_ARROW_STRUCT;
  for (size_t i = 0; i < field->n_children; i++)
    first = number_leaves(&field->children[i], below, first, leaf_ids);
  return first;
}

static frz_status parquet_choose(const frz_row_file *file, const frz_row_choice *choice,
                                 frz_arena *arena, const frz_row_range **ranges_out,
                                 size_t *n_ranges_out, frz_error *err)
{
  const parquet_rows *rows = (const parquet_rows *)file;
  int32_t *leaf_ids = frz_arena_array(arena, file->n_leaves, sizeof *leaf_ids);
  if (leaf_ids == NULL) return frz_fail_nomem(err, "row groups of a file");
  for (size_t i = 0; i < file->n_columns; i++) {
    const frz_row_column *column = &choice->columns[i];
    if (column->is_unknown)
      for (size_t k = 0; k < column->n_leaves; k++) leaf_ids[column->first_leaf + k] = -1;
    else
      number_leaves(&column->field, true, column->first_leaf, leaf_ids);
  }
  frz_row_group_filter filter = {.file = rows->footer,
                                 .leaf_ids = leaf_ids,
                                 .source = choice->source,
                                 .schema = choice->schema,
                                 .filter = choice->filter,
                                 .counts = choice->counts};
  return frz_row_prune(&filter, rows->parquet, choice->ranges, choice->n_ranges, arena, ranges_out,
                       n_ranges_out, err);
}

static int64_t parquet_stored_bytes(const frz_row_file *file, const bool *selected_leaves,
                                    const frz_row_range *ranges, size_t n_ranges)
{
  const frz_parquet_metadata *footer = ((const parquet_rows *)file)->footer;
  int64_t bytes = 0;
  size_t at = 0;
  for (size_t g = 0; g < footer->n_row_groups; g++) {
    const frz_parquet_row_group *group = &footer->row_groups[g];
    while (at < n_ranges && ranges[at].last <= group->first_row) at++;
    if (at == n_ranges || ranges[at].first >= group->first_row + group->n_rows) continue;
    for (size_t leaf = 0; leaf < file->n_leaves; leaf++)
      if (selected_leaves[leaf]) bytes += group->chunks[leaf].compressed_bytes;
  }
  return bytes;
}

/* ---- rows ---- */

static frz_status parquet_next(frz_row_reader *reader, frz_batch *batch_out, int64_t *first_out,
                               frz_error *err)
{
  return frz_parquet_reader_next(((parquet_row_reader *)reader)->parquet, batch_out, first_out,
                                 err);
}

static void parquet_reader_free(frz_row_reader *reader)
{
  parquet_row_reader *self = (parquet_row_reader *)reader;
  frz_parquet_reader_free(self->parquet);
  frz_alloc_free(self->alloc, self, sizeof *self);
}

static frz_status parquet_read(const frz_row_file *file, const frz_row_read_options *options,
                               frz_row_reader **reader_out, frz_error *err)
{
  const parquet_rows *rows = (const parquet_rows *)file;
  const frz_parquet_read_options read = {.selected_leaves = options->selected_leaves,
                                         .ranges = options->ranges,
                                         .n_ranges = options->n_ranges,
                                         .batch_rows_max = options->batch_rows_max,
                                         .merge_ranges = options->merge_ranges};
  parquet_row_reader *reader = frz_alloc_zeroed(rows->alloc, sizeof *reader);
  if (reader == NULL) return frz_fail_nomem(err, "parquet rows");
  reader->base = (frz_row_reader){parquet_next, parquet_reader_free};
  reader->alloc = rows->alloc;
  frz_status st = frz_parquet_reader_create(rows->parquet, &read, &reader->parquet, err);
  if (st != FRZ_OK) {
    parquet_reader_free(&reader->base);
    return st;
  }
  *reader_out = &reader->base;
  return FRZ_OK;
}

/* ---- life ---- */

static void parquet_rows_free(frz_row_file *file)
{
  parquet_rows *rows = (parquet_rows *)file;
  frz_parquet_file_free(rows->parquet);
  frz_arena_free(&rows->arena);
  frz_alloc_free(rows->alloc, rows, sizeof *rows);
}

static frz_status open_footer(parquet_rows *rows, frz_context *context, frz_storage *storage,
                              frz_str path, frz_error *err)
{
  frz_source *source;
  FRZ_TRY(frz_storage_open_cached(storage, path, &source, err));
  FRZ_TRY(frz_parquet_file_open(context, source, path, &rows->parquet, err));
  rows->footer = frz_parquet_file_metadata(rows->parquet);
  return FRZ_OK;
}

frz_status frz_parquet_rows_open(frz_context *context, frz_storage *storage, frz_str path,
                                 frz_row_file **file_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  const frz_alloc *alloc = frz_context_alloc(context);
  parquet_rows *rows = frz_alloc_zeroed(alloc, sizeof *rows);
  if (rows == NULL) return frz_fail_nomem(err, "parquet rows");
  rows->alloc = alloc;
  rows->base.explain = parquet_explain;
  rows->base.prune = parquet_prune;
  rows->base.choose = parquet_choose;
  rows->base.stored_bytes = parquet_stored_bytes;
  rows->base.read = parquet_read;
  rows->base.free = parquet_rows_free;
  frz_arena_init(&rows->arena, alloc, FRZ_LIMIT_OPEN_FILE_BYTES);
  FRZ_TRY_OUT(open_footer(rows, context, storage, path, err));
  FRZ_TRY_OUT(list_columns(rows, err));
  FRZ_TRY_OUT(list_groups(rows, err));
  *file_out = &rows->base;
  rows = NULL;
out:
  if (rows != NULL) parquet_rows_free(&rows->base);
  return st;
}
