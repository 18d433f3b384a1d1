/*
 * upsert.c - update the rows whose key is in the data, insert the others, in one snapshot.
 *
 * The data is held in memory with a map of its keys. Files of the table that may hold one of the
 * keys are read one after the other: the key columns first, to find the rows that match; then every
 * column of those rows alone, to leave out what would not change. Rows that change are removed and
 * written anew with the lineage they had (format version 3); where several rows of the table have
 * one key, one row takes the place of all of them.
 *
 * The filter of the keys is what the commit is checked with: under serializable isolation a row
 * that somebody adds meanwhile, and that may have one of the keys, is a conflict, so that no key
 * comes to be there twice.
 */
#include "base/limits.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/write/keyed_rows.h"
#include "iceberg/write/row_removal.h"
#include "iceberg/write/table_write.h"

enum { BATCH_ROWS = 65536 };

typedef struct upsert {
  struct ArrowArrayStream *data;
  const char *const *join_columns;
  size_t n_join_columns;
  frz_write_options options;
} upsert;

/* A row of a data file, and the row of the data with its key. */
typedef struct key_match {
  int64_t position;
  int64_t row;
} key_match;

/* Finds rows by their keys. */
typedef struct key_matcher {
  frz_keyed_rows *data;
  frz_projection keys;
  frz_leaf *leaves; /* of the keys, in the batches of `keys` */
  frz_buf matches;  /* key_match, of the file at hand; by ascending position */
  frz_buf scratch;
  bool has_lineage;
} key_matcher;

static size_t n_matches(const key_matcher *by)
{
  return by->matches.size / sizeof(key_match);
}

static const key_match *match_at(const key_matcher *by, size_t i)
{
  return (const key_match *)(const void *)by->matches.data + i;
}

/* ---- keys ---- */

static frz_status find_keys(key_matcher *by, const frz_batch *batch, const int64_t *positions,
                            frz_error *err)
{
  const frz_alloc *alloc = by->data->alloc;
  size_t n_keys = by->data->n_keys;
  frz_status st = FRZ_OK;
  frz_leaf_column *columns = frz_alloc_zeroed(alloc, n_keys * sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "join columns");
  for (size_t i = 0; i < n_keys; i++)
    FRZ_TRY_OUT(
        frz_leaf_read(&by->leaves[i], batch->columns, batch->n_rows, alloc, &columns[i], err));
  for (int64_t row = 0; row < batch->n_rows; row++) {
    key_match match = {.position = positions[row]};
    FRZ_TRY_OUT(frz_keyed_rows_find(by->data, columns, row, &by->scratch, &match.row, err));
    if (match.row >= 0) FRZ_TRY_OUT(frz_buf_append(&by->matches, &match, sizeof match, err));
  }
out:
  for (size_t i = 0; i < n_keys; i++) frz_leaf_column_dispose(&columns[i]);
  frz_alloc_free(alloc, columns, n_keys * sizeof *columns);
  return st;
}

static frz_status read_keys(key_matcher *by, const frz_row_removal *removal,
                            const frz_scan_task *task, int64_t *n_live_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_file_reader *reader = NULL;
  FRZ_TRY(frz_file_reader_open(removal->context, removal->storage, &by->keys, task,
                               removal->deletes, NULL, &reader, err));
  for (bool ended = false; !ended;) {
    frz_batch batch = {0};
    const int64_t *positions = NULL;
    FRZ_TRY_OUT(frz_context_poll(removal->context, err));
    FRZ_TRY_OUT(frz_file_reader_next(reader, &batch, &positions, err));
    ended = batch.n_rows == 0;
    if (!ended) st = find_keys(by, &batch, positions, err);
    frz_batch_dispose(&batch);
    if (st != FRZ_OK) goto out;
  }
  *n_live_out = frz_file_reader_live_rows(reader);
out:
  frz_file_reader_free(reader);
  return st;
}

/* ---- values ---- */

static bool is_equal(const frz_keyed_rows *data, const frz_batch *batch, int64_t at, int64_t row)
{
  int64_t place;
  const frz_batch *other = frz_keyed_rows_at(data, row, &place);
  for (size_t i = 0; i < other->n_columns; i++)
    if (!frz_column_values_equal(&batch->columns[i], at, &other->columns[i], place)) return false;
  return true;
}

static int64_t row_id_of(const key_matcher *by, const frz_batch *batch, int64_t at)
{
  if (!by->has_lineage) return -1;
  const frz_column *ids = &batch->columns[batch->n_columns - FRZ_LINEAGE_COLUMNS];
  if (frz_column_is_null(ids, at)) return -1;
  return ((const int64_t *)(const void *)ids->values.data)[at];
}

/* Decide over one matching row of the table. */
static frz_status compare_row(const key_matcher *by, const frz_batch *batch, int64_t at,
                              const key_match *match, frz_roaring *positions, frz_error *err)
{
  bool is_first = frz_keyed_rows_state(by->data, match->row) == FRZ_KEYED_NEW;
  if (is_first && is_equal(by->data, batch, at, match->row)) {
    frz_keyed_rows_set(by->data, match->row, FRZ_KEYED_EQUAL, -1);
    return FRZ_OK;
  }
  if (is_first)
    frz_keyed_rows_set(by->data, match->row, FRZ_KEYED_CHANGED, row_id_of(by, batch, at));
  return frz_roaring_add(positions, match->position, err);
}

/* The positions of the matches as ranges; the array belongs to the caller. */
static frz_status make_ranges(const key_matcher *by, frz_row_range **ranges_out, size_t *n_out,
                              frz_error *err)
{
  size_t n = 0;
  frz_row_range *ranges = frz_alloc_array(by->data->alloc, n_matches(by), sizeof *ranges);
  if (ranges == NULL) return frz_fail_nomem(err, "row ranges");
  for (size_t i = 0; i < n_matches(by); i++) {
    int64_t position = match_at(by, i)->position;
    if (n != 0 && ranges[n - 1].last == position)
      ranges[n - 1].last++;
    else
      ranges[n++] = (frz_row_range){position, position + 1};
  }
  *ranges_out = ranges;
  *n_out = n;
  return FRZ_OK;
}

static frz_status compare_rows(const key_matcher *by, const frz_row_removal *removal,
                               const frz_scan_task *task, frz_roaring *positions, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_row_range *ranges = NULL;
  frz_file_reader *reader = NULL;
  frz_file_read_options options = {.merge_ranges = true, .without_deletes = true};
  size_t next = 0;
  FRZ_TRY_OUT(make_ranges(by, &ranges, &options.n_ranges, err));
  options.ranges = ranges;
  FRZ_TRY_OUT(frz_file_reader_open(removal->context, removal->storage, &removal->all_columns, task,
                                   removal->deletes, &options, &reader, err));
  while (next < n_matches(by)) {
    frz_batch batch = {0};
    FRZ_TRY_OUT(frz_context_poll(removal->context, err));
    FRZ_TRY_OUT(frz_file_reader_next(reader, &batch, NULL, err));
    if (batch.n_rows == 0)
      st = frz_fail(err, FRZ_ERR_CORRUPT, "'%.*s': rows came and went between two looks",
                    FRZ_STR_ARG(task->entry->file.path));
    for (int64_t at = 0; st == FRZ_OK && at < batch.n_rows; at++)
      st = compare_row(by, &batch, at, match_at(by, next++), positions, err);
    frz_batch_dispose(&batch);
    if (st != FRZ_OK) goto out;
  }
out:
  frz_file_reader_free(reader);
  frz_alloc_free(by->data->alloc, ranges, n_matches(by) * sizeof *ranges);
  return st;
}

/* ---- files ---- */

static frz_status match_keys(void *self, const frz_row_removal *removal, const frz_scan_task *task,
                             frz_row_match *match, frz_error *err)
{
  key_matcher *by = self;
  by->matches.size = 0;
  FRZ_TRY(read_keys(by, removal, task, &match->n_live_rows, err));
  if (by->matches.size == 0) return FRZ_OK;
  if (by->data->missing_column.data != NULL)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "column '%.*s' is not in the data, of which row %lld would update a row",
                    FRZ_STR_ARG(by->data->missing_column), (long long)match_at(by, 0)->row);
  return compare_rows(by, removal, task, match->positions, err);
}

static frz_status remove_changed(frz_row_removal *removal, frz_keyed_rows *data, frz_arena *arena,
                                 frz_error *err)
{
  frz_status st = FRZ_OK;
  key_matcher by = {.data = data, .has_lineage = removal->metadata->format_version >= 3};
  const frz_row_matcher matcher = {&by, match_keys};
  frz_buf_init(&by.matches, data->alloc, (size_t)frz_context_memory_limit(removal->context));
  frz_buf_init(&by.scratch, data->alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(frz_projection_make(removal->metadata, removal->schema, data->key_names, data->n_keys,
                                  true, NULL, BATCH_ROWS, arena, &by.keys, err));
  by.keys.prune = removal->rules.filter;
  FRZ_TRY_OUT(
      frz_keyed_rows_leaves(data, by.keys.arrow_fields, by.keys.n_fields, arena, &by.leaves, err));
  FRZ_TRY_OUT(frz_row_removal_run(removal, &matcher, err));
out:
  frz_buf_dispose(&by.matches);
  frz_buf_dispose(&by.scratch);
  return st;
}

/* ---- the job ---- */

static frz_status commit(frz_table *table, frz_row_removal *removal, frz_data_file_writer *writer,
                         const upsert *job, frz_arena *arena, frz_write_result *result,
                         frz_error *err)
{
  frz_snapshot_change change = {.properties = job->options.snapshot_properties,
                                .n_properties = job->options.n_snapshot_properties};
  FRZ_TRY(frz_data_file_writer_finish(writer, arena, &change.added, &change.n_added, err));
  result->n_files_added = (int64_t)change.n_added;
  FRZ_TRY(frz_row_removal_finish(removal, arena, &change, err));
  if (change.n_added == 0 && change.n_removed == 0) return FRZ_OK;
  frz_data_file_writer_keep(writer);
  frz_row_removal_keep(removal);
  FRZ_TRY(frz_snapshot_commit(table, &change, &result->snapshot_id, err));
  result->n_rows_deleted = removal->n_rows_removed - result->n_rows_updated;
  result->n_files_deleted = removal->n_data_files_removed;
  result->n_delete_files_added = removal->n_delete_files_added;
  return FRZ_OK;
}

static frz_status run(frz_table *table, frz_table_metadata *metadata, const upsert *job,
                      frz_write_result *result, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = frz_table_context(table);
  frz_data_file_writer *writer = NULL;
  frz_row_removal removal = {0};
  frz_keyed_rows data = {0};
  const frz_expr *filter = NULL;
  const frz_snapshot *head = NULL;
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(context), FRZ_LIMIT_MANIFEST_BYTES);
  FRZ_TRY_OUT(frz_branch_head(metadata, job->options.branch, &head, err)); /* before all the work */
  FRZ_TRY_OUT(frz_table_open_writer(table, metadata, &writer, err));
  FRZ_TRY_OUT(frz_keyed_rows_init(&data, context, frz_metadata_current_schema(metadata),
                                  job->join_columns, job->n_join_columns,
                                  job->options.case_sensitive, err));
  FRZ_TRY_OUT(frz_keyed_rows_read(&data, context, job->data, &job->options, err));
  FRZ_TRY_OUT(frz_keyed_rows_filter(&data, &arena, &filter, err));
  FRZ_TRY_OUT(frz_row_removal_open(table, metadata, &job->options, FRZ_REMOVAL_UPDATE, filter,
                                   writer, &removal, err));
  FRZ_TRY_OUT(remove_changed(&removal, &data, &arena, err));
  bool with_lineage = metadata->format_version >= 3 && removal.n_rows_removed != 0;
  FRZ_TRY_OUT(frz_keyed_rows_write(&data, writer, with_lineage, &result->n_rows_added,
                                   &result->n_rows_updated, err));
  FRZ_TRY_OUT(commit(table, &removal, writer, job, &arena, result, err));
out:
  frz_keyed_rows_dispose(&data);
  frz_data_file_writer_free(writer);
  frz_row_removal_dispose(&removal);
  frz_arena_free(&arena);
  return st;
}

frz_status frz_table_upsert(frz_table *table, struct ArrowArrayStream *data,
                            const char *const *join_columns, size_t n_join_columns,
                            const frz_write_options *options, frz_write_result *result_out,
                            frz_error *err)
{
  if (data == NULL) return frz_fail(err, FRZ_ERR_INVALID, "upsert: data is NULL");
  upsert job = {.data = data, .join_columns = join_columns, .n_join_columns = n_join_columns};
  frz_write_result result = {.snapshot_id = -1};
  frz_status st = FRZ_OK;
  if (table == NULL || (join_columns == NULL && n_join_columns != 0))
    st = frz_fail(err, FRZ_ERR_INVALID, "upsert: %s is NULL",
                  table == NULL ? "table" : "join_columns");
  if (st == FRZ_OK) st = frz_write_options_read(options, &job.options, err);
  if (st == FRZ_OK) {
    frz_table_metadata *metadata = frz_table_current(table);
    st = run(table, metadata, &job, &result, err);
    frz_table_metadata_release(metadata);
  }
  if (data->release != NULL) data->release(data); /* not taken yet where it failed early */
  if (st == FRZ_OK && result_out != NULL) *result_out = result;
  return st;
}
