/*
 * position_deletes.c - see position_deletes.h.
 *
 * The two columns are found by their reserved ids, or by name where a writer left ids out. Rows are
 * sorted by path and position in files that keep the specification, so the bitmap of the last path
 * is kept at hand and looked up again only when the path changes; nothing depends on the order.
 */
#include "iceberg/scan/position_deletes.h"

#include "base/endian.h"
#include "base/limits.h"
#include "base/map.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/row_reader.h"

enum { BATCH_ROWS = 65536 };

struct frz_position_deletes {
  const frz_alloc *alloc;
  frz_map paths; /* to the address of a bitmap */
  int64_t n_rows;
};

static frz_roaring *bitmap_of(uint64_t value)
{
  return (frz_roaring *)(uintptr_t)value;
}

static frz_status bitmap_for(frz_position_deletes *deletes, frz_str path, frz_roaring **out,
                             frz_error *err)
{
  uint64_t *value;
  FRZ_TRY(frz_map_insert(&deletes->paths, path, 0, &value, NULL, err));
  if (*value == 0) {
    frz_roaring *roaring;
    FRZ_TRY(frz_roaring_create(deletes->alloc, &roaring, err));
    *value = (uint64_t)(uintptr_t)roaring;
  }
  *out = bitmap_of(*value);
  return FRZ_OK;
}

static frz_status add_batch(frz_position_deletes *deletes, const frz_column *paths,
                            const frz_column *positions, frz_str only_path, frz_error *err)
{
  frz_str last = {0};
  frz_roaring *roaring = NULL;
  if (paths->n_nulls != 0 || positions->n_nulls != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "null in a path or position");
  deletes->n_rows += paths->n_rows;
  if (deletes->n_rows > FRZ_LIMIT_DELETE_ROWS)
    return frz_fail(err, FRZ_ERR_LIMIT, "more than %lld rows", (long long)FRZ_LIMIT_DELETE_ROWS);
  for (int64_t row = 0; row < paths->n_rows; row++) {
    frz_str path = frz_column_bytes(paths, row);
    if (row == 0 || !frz_str_equal(path, last)) {
      last = path;
      roaring = NULL;
      if (only_path.data == NULL || frz_str_equal(path, only_path))
        FRZ_TRY(bitmap_for(deletes, path, &roaring, err));
    }
    if (roaring == NULL) continue;
    int64_t position = (int64_t)frz_load_u64le(positions->values.data + 8 * row);
    if (position < 0) return frz_fail(err, FRZ_ERR_CORRUPT, "position %lld", (long long)position);
    FRZ_TRY(frz_roaring_add(roaring, position, err));
  }
  return FRZ_OK;
}

/** By its reserved id, or by name where it has none. */
static const frz_row_column *find_column(const frz_row_file *file, int32_t field_id,
                                         const char *name)
{
  for (size_t i = 0; i < file->n_columns; i++)
    if (file->columns[i].field.field_id == field_id) return &file->columns[i];
  for (size_t i = 0; i < file->n_columns; i++)
    if (file->columns[i].field.field_id < 0 && frz_str_is(file->columns[i].field.name, name))
      return &file->columns[i];
  return NULL;
}

static frz_status read_rows(frz_position_deletes *deletes, frz_context *context,
                            frz_row_reader *reader, bool path_first, frz_str only_path,
                            frz_error *err)
{
  for (;;) {
    frz_batch batch;
    int64_t first;
    FRZ_TRY(frz_context_check(context, err));
    FRZ_TRY(reader->next(reader, &batch, &first, err));
    frz_status st = FRZ_OK;
    int64_t n_rows = batch.n_rows;
    if (n_rows != 0) {
      const frz_column *paths = &batch.columns[path_first ? 0 : 1];
      const frz_column *positions = &batch.columns[path_first ? 1 : 0];
      bool is_text = paths->type.kind == FRZ_ARROW_STRING || paths->type.kind == FRZ_ARROW_BINARY;
      if (!is_text || positions->type.kind != FRZ_ARROW_INT64)
        st = frz_fail(err, FRZ_ERR_CORRUPT, "path is not a string, or position not a long");
      else
        st = add_batch(deletes, paths, positions, only_path, err);
    }
    frz_batch_dispose(&batch);
    if (st != FRZ_OK || n_rows == 0) return st;
  }
}

static frz_status read_columns(frz_position_deletes *deletes, frz_context *context,
                               const frz_row_file *file, bool *selected, frz_str only_path,
                               frz_error *err)
{
  const frz_row_column *path = find_column(file, FRZ_FIELD_ID_DELETE_PATH, "file_path");
  const frz_row_column *position = find_column(file, FRZ_FIELD_ID_DELETE_POS, "pos");
  if (path == NULL || position == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "no column for %s", path == NULL ? "file_path" : "pos");
  if (path->field.n_children != 0 || position->field.n_children != 0 || path == position)
    return frz_fail(err, FRZ_ERR_CORRUPT, "path and position are not two plain columns");
  frz_row_reader *reader;
  selected[path->first_leaf] = true;
  selected[position->first_leaf] = true;
  frz_row_read_options options = {.selected_leaves = selected, .batch_rows_max = BATCH_ROWS};
  FRZ_TRY(file->read(file, &options, &reader, err));
  frz_status st = read_rows(deletes, context, reader, path < position, only_path, err);
  frz_row_reader_free(reader);
  return st;
}

static frz_status read_file(frz_position_deletes *deletes, frz_context *context,
                            frz_storage *storage, const frz_data_file *described, frz_str only_path,
                            frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_row_file *file;
  FRZ_TRY(frz_row_file_open(context, storage, described, &file, err));
  bool *selected = frz_alloc_zeroed(deletes->alloc, (file->n_leaves + 1) * sizeof *selected);
  if (selected != NULL)
    st = read_columns(deletes, context, file, selected, only_path, err);
  else
    st = frz_fail_nomem(err, "position deletes");
  frz_alloc_free(deletes->alloc, selected, (file->n_leaves + 1) * sizeof *selected);
  frz_row_file_free(file);
  return st;
}

frz_status frz_position_deletes_read(frz_context *context, frz_storage *storage,
                                     const frz_data_file *file, frz_str only_path,
                                     frz_position_deletes **deletes_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  frz_position_deletes *deletes = frz_alloc_zeroed(alloc, sizeof *deletes);
  if (deletes == NULL) return frz_fail_nomem(err, "position deletes");
  deletes->alloc = alloc;
  frz_map_init(&deletes->paths, alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(read_file(deletes, context, storage, file, only_path, err));
  *deletes_out = deletes;
  deletes = NULL;
out:
  if (st != FRZ_OK) frz_error_where(err, "position deletes '%.*s': ", FRZ_STR_ARG(file->path));
  frz_position_deletes_free(deletes);
  return st;
}

void frz_position_deletes_free(frz_position_deletes *deletes)
{
  if (deletes == NULL) return;
  for (size_t i = 0; i < deletes->paths.capacity; i++)
    if (deletes->paths.entries[i].key.data != NULL)
      frz_roaring_free(bitmap_of(deletes->paths.entries[i].value));
  frz_map_dispose(&deletes->paths);
  frz_alloc_free(deletes->alloc, deletes, sizeof *deletes);
}

const frz_roaring *frz_position_deletes_find(const frz_position_deletes *deletes, frz_str path)
{
  uint64_t *value = frz_map_find(&deletes->paths, path);
  return value != NULL ? bitmap_of(*value) : NULL;
}
