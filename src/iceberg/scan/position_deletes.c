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
#include "parquet/read/parquet_reader.h"

enum { BATCH_ROWS = 65536, NO_COLUMN = -1 };

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

static int find_leaf(const frz_parquet_metadata *metadata, int32_t field_id, const char *name)
{
  for (size_t i = 0; i < metadata->n_leaves; i++)
    if (metadata->leaves[i]->field_id == field_id) return (int)i;
  for (size_t i = 0; i < metadata->n_leaves; i++)
    if (metadata->leaves[i]->field_id < 0 && metadata->leaves[i]->parent == metadata->root &&
        frz_str_is(metadata->leaves[i]->name, name))
      return (int)i;
  return NO_COLUMN;
}

static frz_status check_fields(const frz_parquet_reader *reader, frz_error *err)
{
  size_t n_fields;
  const frz_arrow_field *fields = frz_parquet_reader_fields(reader, &n_fields);
  for (size_t i = 0; i < n_fields; i++)
    if (fields[i].type.kind == FRZ_ARROW_LIST || fields[i].type.kind == FRZ_ARROW_STRUCT)
      n_fields = 0;
  if (n_fields != 2)
    return frz_fail(err, FRZ_ERR_CORRUPT, "path and position are not two columns at the top");
  return FRZ_OK;
}

static frz_status read_rows(frz_position_deletes *deletes, frz_context *context,
                            frz_parquet_reader *reader, bool path_first, frz_str only_path,
                            frz_error *err)
{
  FRZ_TRY(check_fields(reader, err));
  for (;;) {
    frz_batch batch;
    int64_t first;
    FRZ_TRY(frz_context_check(context, err));
    FRZ_TRY(frz_parquet_reader_next(reader, &batch, &first, err));
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

static frz_status read_parquet(frz_position_deletes *deletes, frz_context *context,
                               frz_storage *storage, const frz_data_file *file, frz_str only_path,
                               frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_source *source;
  frz_parquet_file *parquet = NULL;
  frz_parquet_reader *reader = NULL;
  bool *selected = NULL;
  size_t n_leaves = 0;
  FRZ_TRY(frz_storage_open(storage, file->path, &source, err));
  FRZ_TRY(frz_parquet_file_open(context, source, file->path, &parquet, err));
  const frz_parquet_metadata *metadata = frz_parquet_file_metadata(parquet);
  int path = find_leaf(metadata, FRZ_FIELD_ID_DELETE_PATH, "file_path");
  int position = find_leaf(metadata, FRZ_FIELD_ID_DELETE_POS, "pos");
  if (path == NO_COLUMN || position == NO_COLUMN) {
    st =
        frz_fail(err, FRZ_ERR_CORRUPT, "no column for %s", path == NO_COLUMN ? "file_path" : "pos");
    goto out;
  }
  n_leaves = metadata->n_leaves;
  selected = frz_alloc_zeroed(deletes->alloc, n_leaves * sizeof *selected);
  if (selected == NULL) {
    st = frz_fail_nomem(err, "position deletes");
    goto out;
  }
  selected[path] = true;
  selected[position] = true;
  frz_parquet_read_options options = {.selected_leaves = selected, .batch_rows_max = BATCH_ROWS};
  FRZ_TRY_OUT(frz_parquet_reader_create(parquet, &options, &reader, err));
  FRZ_TRY_OUT(read_rows(deletes, context, reader, path < position, only_path, err));
out:
  frz_parquet_reader_free(reader);
  frz_alloc_free(deletes->alloc, selected, n_leaves * sizeof *selected);
  frz_parquet_file_free(parquet);
  return st;
}

frz_status frz_position_deletes_read(frz_context *context, frz_storage *storage,
                                     const frz_data_file *file, frz_str only_path,
                                     frz_position_deletes **deletes_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  if (file->format != FRZ_FORMAT_PARQUET)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "position deletes '%.*s' are not in Parquet",
                    FRZ_STR_ARG(file->path));
  frz_position_deletes *deletes = frz_alloc_zeroed(alloc, sizeof *deletes);
  if (deletes == NULL) return frz_fail_nomem(err, "position deletes");
  deletes->alloc = alloc;
  frz_map_init(&deletes->paths, alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(read_parquet(deletes, context, storage, file, only_path, err));
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
