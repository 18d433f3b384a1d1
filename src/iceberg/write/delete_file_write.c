/*
 * delete_file_write.c - see delete_file_write.h.
 *
 * The rows of all data files are collected first (they are bitmaps, and small), then ordered by
 * partition and path, so that what goes into one position delete file lies together and is sorted
 * as the specification wants.
 *
 * Invariants: every path that may exist in storage is in `paths`, from before it is committed; a
 * position delete file of one data file has equal bounds of file_path, uncut, and names the file.
 */
#include "iceberg/write/delete_file_write.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/os.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/deletion_vector.h"
#include "iceberg/table/table_handle.h"
#include "iceberg/write/data_file_metrics.h"
#include "parquet/write/parquet_writer.h"
#include "puffin/puffin.h"

enum { BATCH_ROWS = 65536, FIELD_ID_ROW_POSITION = 2147483645 };

typedef struct deleted_rows {
  const frz_data_file *file;
  frz_str partition; /* equal for files of one partition of one spec */
  frz_roaring *positions;
} deleted_rows;

struct frz_delete_file_writer {
  frz_context *context;
  const frz_alloc *alloc;
  frz_storage *storage;
  frz_table_metadata *metadata;
  frz_arena arena;
  bool by_partition;
  frz_str folder;
  char uuid[37];
  size_t n_named;
  deleted_rows *rows;
  size_t n_rows, rows_capacity;
  frz_str *paths;
  size_t n_paths, paths_capacity;
  bool kept;
};

/* ---- life ---- */

static frz_status read_granularity(frz_delete_file_writer *writer, frz_error *err)
{
  static const char key[] = "write.delete.granularity";
  frz_str value = frz_metadata_property(writer->metadata, key);
  writer->by_partition = value.data != NULL && frz_str_is_word(value, "partition");
  if (value.data == NULL || writer->by_partition || frz_str_is_word(value, "file")) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "table property '%s': '%.*s' is neither file nor partition",
                  key, FRZ_STR_ARG(value));
}

frz_status frz_delete_file_writer_create(frz_context *context, frz_storage *storage,
                                         frz_table_metadata *metadata,
                                         frz_delete_file_writer **writer_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  assert(metadata->format_version >= 2);
  frz_delete_file_writer *writer = frz_alloc_zeroed(alloc, sizeof *writer);
  if (writer == NULL) return frz_fail_nomem(err, "delete file writer");
  writer->context = context;
  writer->alloc = alloc;
  writer->storage = frz_storage_retain(storage);
  writer->metadata = frz_table_metadata_retain(metadata);
  frz_arena_init(&writer->arena, alloc, FRZ_LIMIT_WRITER_BYTES);
  writer->folder = frz_data_folder(metadata, &writer->arena);
  if (writer->folder.data == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "delete file writer"));
  FRZ_TRY_OUT(read_granularity(writer, err));
  FRZ_TRY_OUT(frz_os_uuid(writer->uuid, err));
  *writer_out = writer;
  writer = NULL;
out:
  frz_delete_file_writer_free(writer);
  return st;
}

static void remove_files(frz_delete_file_writer *writer)
{
  for (size_t i = 0; i < writer->n_paths; i++) {
    frz_error error = {0};
    frz_status st = frz_storage_remove(writer->storage, writer->paths[i], &error);
    if (st != FRZ_OK && st != FRZ_ERR_NOT_FOUND)
      frz_context_log(writer->context, FRZ_LOG_WARNING, "delete file '%.*s' stays behind: %s",
                      FRZ_STR_ARG(writer->paths[i]), error.message);
  }
}

void frz_delete_file_writer_keep(frz_delete_file_writer *writer)
{
  writer->kept = true;
}

void frz_delete_file_writer_free(frz_delete_file_writer *writer)
{
  if (writer == NULL) return;
  if (!writer->kept) remove_files(writer);
  for (size_t i = 0; i < writer->n_rows; i++) frz_roaring_free(writer->rows[i].positions);
  frz_arena_free(&writer->arena);
  frz_table_metadata_release(writer->metadata);
  frz_storage_release(writer->storage);
  frz_alloc_free(writer->alloc, writer, sizeof *writer);
}

/* ---- collecting ---- */

static frz_status copy_partition_key(frz_delete_file_writer *writer, const frz_data_file *file,
                                     frz_str *key_out, frz_error *err)
{
  frz_buf key;
  frz_buf_init(&key, writer->alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_status st = frz_partition_key(file->spec_id, &file->partition, &key, err);
  if (st == FRZ_OK) {
    *key_out = frz_arena_copy(&writer->arena, frz_buf_str(&key));
    if (key_out->data == NULL) st = frz_fail_nomem(err, "delete file writer");
  }
  frz_buf_dispose(&key);
  return st;
}

frz_status frz_delete_file_writer_add(frz_delete_file_writer *writer, const frz_data_file *file,
                                      frz_roaring *positions, frz_error *err)
{
  deleted_rows added = {.file = file, .positions = positions};
  assert(frz_roaring_cardinality(positions) > 0);
  frz_status st = copy_partition_key(writer, file, &added.partition, err);
  deleted_rows *rows = NULL;
  if (st == FRZ_OK) {
    rows = frz_arena_list_room(&writer->arena, writer->rows, writer->n_rows, &writer->rows_capacity,
                               sizeof *rows);
    if (rows == NULL) st = frz_fail_nomem(err, "delete file writer");
  }
  if (st != FRZ_OK) {
    frz_roaring_free(positions);
    return st;
  }
  writer->rows = rows;
  rows[writer->n_rows++] = added;
  return FRZ_OK;
}

/* ---- naming ---- */

static frz_status note_path(frz_delete_file_writer *writer, frz_str path, frz_error *err)
{
  frz_str *paths = frz_arena_list_room(&writer->arena, writer->paths, writer->n_paths,
                                       &writer->paths_capacity, sizeof *paths);
  if (paths == NULL) return frz_fail_nomem(err, "delete file writer");
  writer->paths = paths;
  paths[writer->n_paths++] = path;
  return FRZ_OK;
}

/* A name beside the data files; `file` NULL: of no partition. */
static frz_status make_path(frz_delete_file_writer *writer, const frz_data_file *file,
                            const char *ending, frz_str *path_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena scratch;
  frz_buf text;
  frz_arena_init(&scratch, writer->alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&text, writer->alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(frz_buf_append_str(&text, writer->folder, err));
  const frz_partition_spec *spec =
      file != NULL ? frz_metadata_spec(writer->metadata, file->spec_id) : NULL;
  if (spec != NULL && spec->n_fields != 0) {
    frz_str below = frz_partition_path(spec, frz_metadata_current_schema(writer->metadata),
                                       &file->partition, &scratch);
    if (below.data == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "partition path"));
    FRZ_TRY_OUT(frz_buf_append_byte(&text, '/', err));
    FRZ_TRY_OUT(frz_buf_append_str(&text, below, err));
  }
  FRZ_TRY_OUT(
      frz_buf_print(&text, err, "/%05zu-%s-deletes.%s", writer->n_named++, writer->uuid, ending));
  *path_out = frz_arena_copy(&writer->arena, frz_buf_str(&text));
  if (path_out->data == NULL) st = frz_fail_nomem(err, "delete file path");
out:
  frz_buf_dispose(&text);
  frz_arena_free(&scratch);
  return st;
}

/* ---- position delete files ---- */

static const frz_arrow_field columns[] = {
    {.name = {"file_path", 9},
     .field_id = FRZ_FIELD_ID_DELETE_PATH,
     .type = {.kind = FRZ_ARROW_STRING}},
    {.name = {"pos", 3}, .field_id = FRZ_FIELD_ID_DELETE_POS, .type = {.kind = FRZ_ARROW_INT64}},
};

static frz_status write_some(frz_parquet_writer *parquet, frz_str path, const int64_t *positions,
                             int64_t n, const frz_alloc *alloc, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_batch batch;
  FRZ_TRY(frz_batch_init(&batch, columns, 2, alloc, err));
  for (int64_t i = 0; i < n; i++)
    FRZ_TRY_OUT(frz_column_append_value(&batch.columns[0], path.data, path.size, err));
  for (int64_t i = 0; i < n; i++)
    FRZ_TRY_OUT(frz_column_append_value(&batch.columns[1], &positions[i], 8, err));
  batch.n_rows = n;
  FRZ_TRY_OUT(frz_parquet_writer_write(parquet, &batch, err));
out:
  frz_batch_dispose(&batch);
  return st;
}

static frz_status write_rows(const frz_delete_file_writer *writer, const deleted_rows *rows,
                             frz_parquet_writer *parquet, frz_error *err)
{
  frz_status st = FRZ_OK;
  /* A batch of long paths stays far from what one column may hold. */
  size_t batch_rows = ((size_t)64 << 20) / (rows->file->path.size + 1);
  if (batch_rows > BATCH_ROWS) batch_rows = BATCH_ROWS;
  if (batch_rows == 0) batch_rows = 1;
  int64_t *positions = frz_alloc_array(writer->alloc, batch_rows, sizeof *positions);
  if (positions == NULL) return frz_fail_nomem(err, "position deletes");
  int64_t from = 0;
  for (;;) {
    FRZ_TRY_OUT(frz_context_poll(writer->context, err));
    int64_t n = frz_roaring_members(rows->positions, from, (int64_t)batch_rows, positions);
    if (n == 0) break;
    from = positions[n - 1] + 1;
    FRZ_TRY_OUT(write_some(parquet, rows->file->path, positions, n, writer->alloc, err));
  }
out:
  frz_alloc_free(writer->alloc, positions, batch_rows * sizeof *positions);
  return st;
}

/* Everything a manifest says of a file whose footer is written. */
static frz_status describe(const deleted_rows *rows, size_t n, frz_str path,
                           const frz_parquet_write_summary *summary, frz_arena *arena,
                           frz_data_file *file_out, frz_error *err)
{
  static const frz_field fields[] = {
      {.id = FRZ_FIELD_ID_DELETE_POS,
       .name = {"pos", 3},
       .required = true,
       .type = {.kind = FRZ_TYPE_LONG}},
      {.id = FRZ_FIELD_ID_DELETE_PATH,
       .name = {"file_path", 9},
       .required = true,
       .type = {.kind = FRZ_TYPE_STRING}},
  };
  frz_column_metrics metrics[] = {{.field = &fields[0], .kind = FRZ_METRICS_FULL},
                                  {.field = &fields[1], .kind = FRZ_METRICS_FULL}};
  const frz_metrics_config config = {metrics, 2};
  frz_data_file described = {.content = FRZ_CONTENT_POSITION_DELETES,
                             .path = path,
                             .format = FRZ_FORMAT_PARQUET,
                             .partition = rows->file->partition,
                             .spec_id = rows->file->spec_id,
                             .sort_order_id = -1, /* the format has an order of its own */
                             .first_row_id = -1,
                             .content_offset = -1,
                             .content_size_bytes = -1};
  if (n == 1) described.referenced_data_file = rows->file->path;
  FRZ_TRY(frz_data_file_set_metrics(&config, summary, arena, &described, err));
  return frz_data_file_copy(&described, arena, file_out, err);
}

/* One file for the rows of `n` data files of one partition. */
static frz_status write_position_file(frz_delete_file_writer *writer, const deleted_rows *rows,
                                      size_t n, frz_arena *arena, frz_data_file *file_out,
                                      frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_sink *sink = NULL;
  frz_parquet_writer *parquet = NULL;
  frz_parquet_write_options options;
  frz_parquet_write_summary summary;
  frz_str path;
  frz_parquet_write_options_init(&options);
  FRZ_TRY_OUT(make_path(writer, rows->file, "parquet", &path, err));
  FRZ_TRY_OUT(frz_storage_create_file(writer->storage, path, true, &sink, err));
  FRZ_TRY_OUT(
      frz_parquet_writer_create(writer->context, columns, 2, sink, &options, &parquet, err));
  for (size_t i = 0; i < n; i++) FRZ_TRY_OUT(write_rows(writer, &rows[i], parquet, err));
  FRZ_TRY_OUT(frz_parquet_writer_finish(parquet, &summary, err));
  FRZ_TRY_OUT(describe(rows, n, path, &summary, arena, file_out, err));
  FRZ_TRY_OUT(note_path(writer, path, err));
  FRZ_TRY_OUT(frz_sink_commit(sink, err));
out:
  frz_parquet_writer_free(parquet);
  frz_sink_free(sink);
  return st;
}

static int compare_rows(const void *a_arg, const void *b_arg)
{
  const deleted_rows *a = a_arg;
  const deleted_rows *b = b_arg;
  int order = frz_str_compare(a->partition, b->partition);
  return order != 0 ? order : frz_str_compare(a->file->path, b->file->path);
}

static frz_status write_position_files(frz_delete_file_writer *writer, frz_arena *arena,
                                       frz_data_file *files, size_t *n_files_out, frz_error *err)
{
  size_t n_files = 0;
  for (size_t first = 0, n; first < writer->n_rows; first += n) {
    const deleted_rows *rows = &writer->rows[first];
    for (n = 1; writer->by_partition && first + n < writer->n_rows; n++)
      if (!frz_str_equal(rows[n].partition, rows->partition)) break;
    FRZ_TRY(write_position_file(writer, rows, n, arena, &files[n_files++], err));
  }
  *n_files_out = n_files;
  return FRZ_OK;
}

/* ---- deletion vectors ---- */

static frz_status write_vector(frz_puffin_writer *puffin, const deleted_rows *rows, frz_str path,
                               frz_arena *arena, frz_buf *blob, frz_data_file *file_out,
                               frz_error *err)
{
  static const int32_t row_position = FIELD_ID_ROW_POSITION;
  char count[24];
  int64_t n_rows = frz_roaring_cardinality(rows->positions);
  snprintf(count, sizeof count, "%lld", (long long)n_rows);
  const frz_puffin_property properties[] = {
      {FRZ_STR("referenced-data-file"), rows->file->path},
      {FRZ_STR("cardinality"), frz_str_from(count)},
  };
  const frz_puffin_blob about = {.type = FRZ_STR("deletion-vector-v1"),
                                 .field_ids = &row_position,
                                 .n_field_ids = 1,
                                 .snapshot_id = -1,
                                 .sequence_number = -1,
                                 .codec = FRZ_PUFFIN_UNCOMPRESSED,
                                 .properties = properties,
                                 .n_properties = 2};
  frz_data_file described = {.content = FRZ_CONTENT_POSITION_DELETES,
                             .path = path,
                             .format = FRZ_FORMAT_PUFFIN,
                             .partition = rows->file->partition,
                             .spec_id = rows->file->spec_id,
                             .n_rows = n_rows,
                             .sort_order_id = -1,
                             .first_row_id = -1,
                             .referenced_data_file = rows->file->path};
  blob->size = 0;
  FRZ_TRY(frz_deletion_vector_write(rows->positions, blob, err));
  FRZ_TRY(frz_puffin_writer_add(puffin, &about, blob->data, blob->size, &described.content_offset,
                                &described.content_size_bytes, err));
  return frz_data_file_copy(&described, arena, file_out, err);
}

static frz_status write_vectors(frz_delete_file_writer *writer, frz_arena *arena,
                                frz_data_file *files, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_sink *sink = NULL;
  frz_puffin_writer *puffin = NULL;
  frz_str path;
  frz_buf blob;
  frz_buf_init(&blob, writer->alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(make_path(writer, NULL, "puffin", &path, err));
  FRZ_TRY_OUT(frz_storage_create_file(writer->storage, path, true, &sink, err));
  FRZ_TRY_OUT(frz_puffin_writer_create(writer->alloc, sink, &puffin, err));
  for (size_t i = 0; i < writer->n_rows; i++) {
    FRZ_TRY_OUT(frz_context_poll(writer->context, err));
    FRZ_TRY_OUT(write_vector(puffin, &writer->rows[i], path, arena, &blob, &files[i], err));
  }
  FRZ_TRY_OUT(frz_puffin_writer_finish(puffin, NULL, 0, err));
  for (size_t i = 0; i < writer->n_rows; i++) files[i].size_bytes = sink->written_bytes;
  FRZ_TRY_OUT(note_path(writer, path, err));
  FRZ_TRY_OUT(frz_sink_commit(sink, err));
out:
  frz_puffin_writer_free(puffin);
  frz_sink_free(sink);
  frz_buf_dispose(&blob);
  return st;
}

/* ---- the end ---- */

frz_status frz_delete_file_writer_finish(frz_delete_file_writer *writer, frz_arena *arena,
                                         const frz_data_file **files_out, size_t *n_files_out,
                                         frz_error *err)
{
  frz_data_file *files = frz_arena_array(arena, writer->n_rows, sizeof *files);
  if (files == NULL) return frz_fail_nomem(err, "delete files");
  size_t n_files = writer->n_rows;
  if (n_files != 0) {
    qsort(writer->rows, writer->n_rows, sizeof *writer->rows, compare_rows);
    if (writer->metadata->format_version >= 3)
      FRZ_TRY(write_vectors(writer, arena, files, err));
    else
      FRZ_TRY(write_position_files(writer, arena, files, &n_files, err));
  }
  *files_out = files;
  *n_files_out = n_files;
  return FRZ_OK;
}
