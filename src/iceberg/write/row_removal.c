/*
 * row_removal.c - see row_removal.h.
 *
 * Files are dealt with one after the other, in the order of the plan: memory is that of one file's
 * batches, and of the bitmaps that merge-on-read keeps until the end. Delete files that name a data
 * file which is dropped go with it, since they apply to nothing more; those of several data files
 * stay. Rows that are written again keep their lineage (format version 3).
 */
#include "iceberg/write/row_removal.h"

#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/scan/delete_cache.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/deletion_vector.h"
#include "iceberg/scan/metadata_columns.h"

enum { BATCH_ROWS = 65536 };

/* ---- options ---- */

static frz_status choose_mode(const frz_table_metadata *metadata, const char *key,
                              frz_write_mode asked, bool *merges_on_read_out, frz_error *err)
{
  const char *source = "options";
  if (asked < FRZ_WRITE_BY_TABLE || asked > FRZ_WRITE_MERGE_ON_READ)
    return frz_fail(err, FRZ_ERR_INVALID, "write mode %d is not known", (int)asked);
  bool merges_on_read = asked == FRZ_WRITE_MERGE_ON_READ;
  frz_str value = frz_metadata_property(metadata, key);
  if (asked == FRZ_WRITE_BY_TABLE && value.data != NULL) {
    source = key;
    merges_on_read = frz_str_is_word(value, "merge-on-read");
    if (!merges_on_read && !frz_str_is_word(value, "copy-on-write"))
      return frz_fail(err, FRZ_ERR_INVALID,
                      "table property '%s': '%.*s' is neither copy-on-write nor merge-on-read", key,
                      FRZ_STR_ARG(value));
  }
  if (merges_on_read && metadata->format_version < 2)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "%s: merge-on-read needs format version 2 or 3, the table has %d", source,
                    metadata->format_version);
  *merges_on_read_out = merges_on_read;
  return FRZ_OK;
}

static frz_status choose_isolation(const frz_table_metadata *metadata, const char *key,
                                   bool *allow_new_rows_out, frz_error *err)
{
  frz_str isolation = frz_metadata_property(metadata, key);
  *allow_new_rows_out = frz_str_is(isolation, "snapshot");
  if (isolation.size == 0 || *allow_new_rows_out || frz_str_is(isolation, "serializable"))
    return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "property %s: '%.*s' is neither serializable nor snapshot",
                  key, FRZ_STR_ARG(isolation));
}

/* ---- life ---- */

static frz_status open_readers(frz_row_removal *removal, frz_error *err)
{
  static const char *const none[] = {NULL};
  FRZ_TRY(frz_projection_make(removal->metadata, removal->schema, NULL, 0, true, NULL, BATCH_ROWS,
                              &removal->arena, &removal->all_columns, err));
  FRZ_TRY(frz_projection_add_lineage(&removal->all_columns, &removal->arena, err));
  FRZ_TRY(frz_projection_make(removal->metadata, removal->schema, none, 0, true, NULL, BATCH_ROWS,
                              &removal->arena, &removal->no_columns, err));
  return frz_delete_cache_create(removal->context, removal->storage, removal->metadata,
                                 removal->schema, &removal->deletes, err);
}

frz_status frz_row_removal_open(frz_table *table, frz_table_metadata *metadata,
                                const frz_write_options *options, frz_removal_cause cause,
                                const frz_expr *filter, frz_data_file_writer *writer,
                                frz_row_removal *removal_out, frz_error *err)
{
  bool updates = cause == FRZ_REMOVAL_UPDATE;
  const frz_snapshot *head;
  *removal_out = (frz_row_removal){.context = frz_table_context(table),
                                   .storage = frz_table_storage(table),
                                   .metadata = metadata,
                                   .schema = frz_metadata_current_schema(metadata),
                                   .branch = options->branch,
                                   .writer = writer};
  frz_row_removal *removal = removal_out;
  frz_conflict_rules *rules = &removal->rules;
  frz_arena_init(&removal->arena, frz_context_alloc(removal->context), FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY(choose_mode(metadata, updates ? "write.update.mode" : "write.delete.mode", options->mode,
                      &removal->merges_on_read, err));
  FRZ_TRY(choose_isolation(
      metadata, updates ? "write.update.isolation-level" : "write.delete.isolation-level",
      &rules->allow_new_rows, err));
  FRZ_TRY(frz_branch_head(metadata, options->branch, &head, err));
  rules->starting_snapshot_id = head != NULL ? head->snapshot_id : -1;
  rules->schema = removal->schema;
  rules->filter = filter;
  if (removal->merges_on_read)
    FRZ_TRY(frz_delete_file_writer_create(removal->context, removal->storage, metadata,
                                          &removal->delete_writer, err));
  FRZ_TRY(open_readers(removal, err));
  if (head == NULL) return FRZ_OK;
  FRZ_TRY(frz_scan_plan_make(removal->context, removal->storage, metadata, head, removal->schema,
                             filter, &removal->plan, err));
  bool rewrites = filter != NULL && removal->plan.n_tasks != 0;
  if (rewrites && (updates || !removal->merges_on_read))
    FRZ_TRY(frz_data_file_writer_add_lineage(writer, err));
  return FRZ_OK;
}

void frz_row_removal_keep(frz_row_removal *removal)
{
  if (removal->delete_writer != NULL) frz_delete_file_writer_keep(removal->delete_writer);
}

void frz_row_removal_dispose(frz_row_removal *removal)
{
  if (removal->context == NULL) return;
  frz_delete_file_writer_free(removal->delete_writer);
  frz_delete_cache_free(removal->deletes);
  frz_scan_plan_dispose(&removal->plan);
  frz_arena_free(&removal->arena);
}

/* ---- dropping ---- */

static frz_status note_removed(frz_row_removal *removal, const frz_data_file *file, frz_error *err)
{
  frz_data_file *removed =
      frz_arena_list_room(&removal->arena, removal->removed, removal->n_removed,
                          &removal->removed_capacity, sizeof *removed);
  if (removed == NULL) return frz_fail_nomem(err, "files to remove");
  removal->removed = removed;
  removed[removal->n_removed++] = *file;
  return FRZ_OK;
}

/* Delete files that apply to this data file and to nothing else. */
static frz_status remove_own_deletes(frz_row_removal *removal, const frz_scan_task *task,
                                     frz_error *err)
{
  for (size_t i = 0; i < task->n_position_deletes; i++) {
    const frz_data_file *deletes = &task->position_deletes[i]->file;
    if (frz_delete_target(deletes).data != NULL) FRZ_TRY(note_removed(removal, deletes, err));
  }
  return FRZ_OK;
}

static frz_status drop_file(frz_row_removal *removal, const frz_scan_task *task, frz_error *err)
{
  FRZ_TRY(note_removed(removal, &task->entry->file, err));
  removal->n_data_files_removed++;
  return remove_own_deletes(removal, task, err);
}

/* Read rows of a file; `writer` (may be NULL) gets them. */
static frz_status read_rows(const frz_row_removal *removal, const frz_projection *projection,
                            const frz_scan_task *task, const frz_roaring *left_out,
                            frz_data_file_writer *writer, int64_t *n_rows_out, frz_error *err)
{
  const frz_file_read_options options = {.left_out = left_out};
  frz_file_reader *file = NULL;
  frz_status st = FRZ_OK;
  int64_t n_rows = 0;
  FRZ_TRY(frz_file_reader_open(removal->context, removal->storage, projection, task,
                               removal->deletes, &options, &file, err));
  for (bool ended = false; !ended;) {
    frz_batch batch = {0};
    FRZ_TRY_OUT(frz_context_poll(removal->context, err));
    FRZ_TRY_OUT(frz_file_reader_next(file, &batch, NULL, err));
    n_rows += batch.n_rows;
    ended = batch.n_rows == 0;
    if (!ended && writer != NULL) st = frz_data_file_writer_write(writer, &batch, err);
    frz_batch_dispose(&batch);
    if (st != FRZ_OK) goto out;
  }
  *n_rows_out = n_rows;
out:
  frz_file_reader_free(file);
  return st;
}

/* ---- hiding ---- */

/* The rows of a file that its position deletes hide already. */
static frz_status merge_hidden(const frz_row_removal *removal, const frz_scan_task *task,
                               frz_roaring *positions, frz_error *err)
{
  frz_str path = task->entry->file.path;
  for (size_t i = 0; i < task->n_position_deletes; i++) {
    const frz_manifest_entry *entry = task->position_deletes[i];
    const frz_roaring *found = NULL;
    frz_roaring *vector = NULL;
    const frz_position_deletes *shared = NULL;
    if (entry->file.format == FRZ_FORMAT_PUFFIN) {
      FRZ_TRY(
          frz_deletion_vector_read(removal->context, removal->storage, &entry->file, &vector, err));
      found = vector;
    } else {
      FRZ_TRY(frz_delete_cache_positions(removal->deletes, entry, &shared, err));
      found = frz_position_deletes_find(shared, path);
    }
    frz_status st = found != NULL ? frz_roaring_merge(positions, found, err) : FRZ_OK;
    frz_roaring_free(vector);
    FRZ_TRY(st);
  }
  return FRZ_OK;
}

/* The bitmap passes on to the delete file writer. */
static frz_status hide_rows(frz_row_removal *removal, const frz_scan_task *task,
                            frz_row_match *match, frz_error *err)
{
  frz_str *kept = frz_arena_list_room(&removal->arena, removal->kept_paths, removal->n_kept_paths,
                                      &removal->kept_capacity, sizeof *kept);
  if (kept == NULL) return frz_fail_nomem(err, "files with deleted rows");
  removal->kept_paths = kept;
  kept[removal->n_kept_paths++] = task->entry->file.path;
  if (removal->metadata->format_version >= 3) {
    FRZ_TRY(merge_hidden(removal, task, match->positions, err));
    FRZ_TRY(remove_own_deletes(removal, task, err));
  }
  frz_roaring *positions = match->positions;
  match->positions = NULL;
  return frz_delete_file_writer_add(removal->delete_writer, &task->entry->file, positions, err);
}

/* ---- file by file ---- */

static frz_status remove_matched(frz_row_removal *removal, const frz_scan_task *task,
                                 frz_row_match *match, frz_error *err)
{
  int64_t n_matching = frz_roaring_cardinality(match->positions);
  int64_t n_kept;
  if (!match->is_all && n_matching == 0) return FRZ_OK;
  bool is_all = match->is_all || n_matching == match->n_live_rows;
  if (is_all) {
    if (match->n_live_rows >= 0)
      n_matching = match->n_live_rows;
    else if (task->n_deletes == 0)
      n_matching = task->entry->file.n_rows;
    else
      FRZ_TRY(read_rows(removal, &removal->no_columns, task, NULL, NULL, &n_matching, err));
    FRZ_TRY(drop_file(removal, task, err));
  } else if (removal->merges_on_read) {
    FRZ_TRY(hide_rows(removal, task, match, err));
  } else {
    FRZ_TRY(read_rows(removal, &removal->all_columns, task, match->positions, removal->writer,
                      &n_kept, err));
    FRZ_TRY(drop_file(removal, task, err));
  }
  removal->n_rows_removed += n_matching;
  return FRZ_OK;
}

frz_status frz_row_removal_run(frz_row_removal *removal, const frz_row_matcher *matcher,
                               frz_error *err)
{
  for (size_t i = 0; i < removal->plan.n_tasks; i++) {
    const frz_scan_task *task = &removal->plan.tasks[i];
    frz_row_match match = {.n_live_rows = -1};
    FRZ_TRY(frz_roaring_create(frz_context_alloc(removal->context), &match.positions, err));
    frz_status st = matcher->match(matcher->self, removal, task, &match, err);
    if (st == FRZ_OK) st = remove_matched(removal, task, &match, err);
    frz_roaring_free(match.positions);
    FRZ_TRY(st);
  }
  return FRZ_OK;
}

/* ---- the change ---- */

static const char *operation_of(const frz_row_removal *removal, size_t n_data_files_added)
{
  if (removal->n_removed == 0 && removal->n_delete_files_added == 0) return "append";
  return n_data_files_added == 0 ? "delete" : "overwrite";
}

frz_status frz_row_removal_finish(frz_row_removal *removal, frz_arena *arena,
                                  frz_snapshot_change *change, frz_error *err)
{
  size_t n_data_files = change->n_added;
  const frz_data_file *deletes = NULL;
  size_t n_deletes = 0;
  if (removal->delete_writer != NULL)
    FRZ_TRY(
        frz_delete_file_writer_finish(removal->delete_writer, arena, &deletes, &n_deletes, err));
  if (n_deletes != 0) {
    frz_data_file *added = frz_arena_array(arena, n_data_files + n_deletes, sizeof *added);
    if (added == NULL) return frz_fail_nomem(err, "added files");
    if (n_data_files != 0) memcpy(added, change->added, n_data_files * sizeof *added);
    memcpy(added + n_data_files, deletes, n_deletes * sizeof *added);
    change->added = added;
    change->n_added += n_deletes;
  }
  removal->n_delete_files_added = (int64_t)n_deletes;
  change->operation = operation_of(removal, n_data_files);
  /* Where new rows are no conflict, a deleted row tells that somebody wrote it anew as well. */
  removal->rules.refuse_deletes = removal->rules.allow_new_rows && n_data_files != 0;
  change->added_sequence_number = -1;
  change->removed = removal->removed;
  change->n_removed = removal->n_removed;
  change->kept_paths = removal->kept_paths;
  change->n_kept_paths = removal->n_kept_paths;
  change->rules = &removal->rules;
  change->branch = removal->branch;
  return FRZ_OK;
}
