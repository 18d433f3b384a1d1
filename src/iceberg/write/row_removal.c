/*
 * row_removal.c - copy-on-write: which files a filter takes out, and the rows to write again.
 *
 * A file whose statistics prove that all its rows match is dropped without being read. Any other
 * candidate is read twice at most: first only the filter's columns, to learn how many rows match;
 * then, if some do and some do not, all columns of the rows for which the filter is not true. Rows
 * that delete files hide are gone from the rewritten file; the delete files themselves stay, and
 * apply to nothing more. Rows that are written again keep their lineage (format version 3).
 */

#include "base/limits.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/write/table_write.h"

enum { BATCH_ROWS = 65536 };

/* What reading the files of one removal shares. */
typedef struct removal_reader {
  frz_context *context;
  frz_storage *storage;
  frz_delete_cache *deletes;
  frz_projection filter_columns;
  frz_projection all_columns;
  frz_data_file_writer *writer;
} removal_reader;

static frz_status project_filter(const frz_table_metadata *metadata, const frz_row_removal *removal,
                                 frz_arena *arena, frz_projection *projection_out, frz_error *err)
{
  const frz_schema *schema = removal->rules.schema;
  const int32_t *ids;
  size_t n_ids;
  FRZ_TRY(frz_expr_field_ids(removal->rules.filter, arena, &ids, &n_ids, err));
  const char **names = frz_arena_array(arena, n_ids, sizeof *names);
  if (names == NULL) return frz_fail_nomem(err, "filter columns");
  for (size_t i = 0; i < n_ids; i++) {
    names[i] = frz_schema_name_of(schema, ids[i], arena).data;
    if (names[i] == NULL) return frz_fail_nomem(err, "filter columns");
  }
  return frz_projection_make(metadata, schema, names, n_ids, true, removal->rules.filter,
                             BATCH_ROWS, arena, projection_out, err);
}

static frz_status open_reader(frz_table *table, const frz_table_metadata *metadata,
                              frz_row_removal *removal, frz_data_file_writer *writer,
                              removal_reader *reader, frz_error *err)
{
  const frz_schema *schema = removal->rules.schema;
  reader->context = frz_table_context(table);
  reader->storage = frz_table_storage(table);
  reader->writer = writer;
  FRZ_TRY(project_filter(metadata, removal, &removal->arena, &reader->filter_columns, err));
  FRZ_TRY(frz_projection_make(metadata, schema, NULL, 0, true, removal->rules.filter, BATCH_ROWS,
                              &removal->arena, &reader->all_columns, err));
  FRZ_TRY(frz_projection_add_lineage(&reader->all_columns, &removal->arena, err));
  FRZ_TRY(frz_data_file_writer_add_lineage(writer, err));
  return frz_delete_cache_create(reader->context, reader->storage, metadata, schema,
                                 &reader->deletes, err);
}

/* Read one file; with a writer, write what is read. `n_rows_out` (may be NULL) counts the rows. */
static frz_status read_rows(const removal_reader *reader, const frz_projection *projection,
                            const frz_scan_task *task, bool invert, frz_data_file_writer *writer,
                            int64_t *n_rows_out, frz_error *err)
{
  const frz_file_read_options options = {.invert_filter = invert};
  frz_file_reader *file = NULL;
  frz_status st = FRZ_OK;
  int64_t n_rows = 0;
  FRZ_TRY(frz_file_reader_open(reader->context, reader->storage, projection, task, reader->deletes,
                               &options, &file, err));
  for (bool ended = false; !ended;) {
    frz_batch batch = {0};
    FRZ_TRY_OUT(frz_context_poll(reader->context, err));
    FRZ_TRY_OUT(frz_file_reader_next(file, &batch, NULL, err));
    n_rows += batch.n_rows;
    ended = batch.n_rows == 0;
    if (!ended && writer != NULL) st = frz_data_file_writer_write(writer, &batch, err);
    frz_batch_dispose(&batch);
    if (st != FRZ_OK) goto out;
  }
  if (n_rows_out != NULL) *n_rows_out = n_rows;
out:
  frz_file_reader_free(file);
  return st;
}

static frz_status remove_from_file(const removal_reader *reader, const frz_scan_task *task,
                                   frz_row_removal *removal, frz_error *err)
{
  const frz_data_file *file = &task->entry->file;
  const frz_conflict_rules *rules = &removal->rules;
  int64_t n_matching = file->n_rows;
  bool all = rules->filter == NULL ||
             frz_expr_all_match_file(rules->filter, task->spec, rules->schema, file);
  if (!all) {
    FRZ_TRY(read_rows(reader, &reader->filter_columns, task, false, NULL, &n_matching, err));
    if (n_matching == 0) return FRZ_OK;
    FRZ_TRY(read_rows(reader, &reader->all_columns, task, true, reader->writer, NULL, err));
  }
  removal->removed[removal->n_removed++] = *file;
  removal->n_rows_removed += n_matching;
  return FRZ_OK;
}

static frz_status resolve(const frz_table_metadata *metadata, const char *filter,
                          bool case_sensitive, frz_row_removal *removal, frz_error *err)
{
  frz_conflict_rules *rules = &removal->rules;
  frz_str isolation = frz_metadata_property(metadata, "write.delete.isolation-level");
  rules->starting_snapshot_id = metadata->current_snapshot_id;
  rules->schema = frz_metadata_current_schema(metadata);
  rules->allow_new_rows = frz_str_is(isolation, "snapshot");
  if (isolation.size != 0 && !rules->allow_new_rows && !frz_str_is(isolation, "serializable"))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "property write.delete.isolation-level: '%.*s' is neither serializable nor "
                    "snapshot",
                    FRZ_STR_ARG(isolation));
  if (filter == NULL) return FRZ_OK;
  FRZ_TRY(frz_expr_parse(frz_str_from(filter), rules->schema, case_sensitive, &removal->arena,
                         &rules->filter, err));
  return FRZ_OK;
}

static frz_status remove_from_files(frz_table *table, const frz_table_metadata *metadata,
                                    frz_data_file_writer *writer, frz_row_removal *removal,
                                    frz_error *err)
{
  removal_reader reader = {0};
  const frz_expr *filter = removal->rules.filter;
  bool reads = filter != NULL && filter->kind != FRZ_EXPR_TRUE && filter->kind != FRZ_EXPR_FALSE;
  frz_status st = FRZ_OK;
  removal->removed =
      frz_arena_array(&removal->arena, removal->plan.n_tasks, sizeof *removal->removed);
  if (removal->removed == NULL) return frz_fail_nomem(err, "files to remove");
  if (filter != NULL && filter->kind == FRZ_EXPR_FALSE) return FRZ_OK;
  if (reads) FRZ_TRY_OUT(open_reader(table, metadata, removal, writer, &reader, err));
  for (size_t i = 0; i < removal->plan.n_tasks; i++)
    FRZ_TRY_OUT(remove_from_file(&reader, &removal->plan.tasks[i], removal, err));
out:
  frz_delete_cache_free(reader.deletes);
  return st;
}

frz_status frz_row_removal_make(frz_table *table, const frz_table_metadata *metadata,
                                const char *filter, bool case_sensitive,
                                frz_data_file_writer *writer, frz_row_removal *removal_out,
                                frz_error *err)
{
  frz_context *context = frz_table_context(table);
  *removal_out = (frz_row_removal){0};
  frz_arena_init(&removal_out->arena, frz_context_alloc(context), FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY(resolve(metadata, filter, case_sensitive, removal_out, err));
  const frz_snapshot *snapshot = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  if (snapshot == NULL) return FRZ_OK;
  const frz_conflict_rules *rules = &removal_out->rules;
  FRZ_TRY(frz_scan_plan_make(context, frz_table_storage(table), metadata, snapshot, rules->schema,
                             rules->filter, &removal_out->plan, err));
  return remove_from_files(table, metadata, writer, removal_out, err);
}

void frz_row_removal_dispose(frz_row_removal *removal)
{
  frz_scan_plan_dispose(&removal->plan);
  frz_arena_free(&removal->arena);
}
