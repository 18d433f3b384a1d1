/*
 * orphan_files.c - files below a table that nothing leads to.
 *
 * The folder is listed first, then the table is loaded again and everything it may still need is
 * struck from the list: a file that is committed in between is on the list and is struck, one that
 * is written in between is not on it. What is left, is old enough, and is no other spelling of a
 * live file's location, is an orphan.
 *
 * Invariants: nothing is removed where any part of the current metadata cannot be read, nor where a
 * listed file looks like a live one seen from elsewhere, nor where another table lives below the
 * folder, nor in a folder that has nothing to do with the table, nor before all of that is known.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "base/os.h"
#include "iceberg/maintain/file_removal.h"
#include "iceberg/maintain/live_files.h"
#include "iceberg/maintain/location.h"
#include "iceberg/scan/metadata_rows.h"

#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)
#define IS_LIVE ((uint64_t)1 << 63)

typedef struct listed_file {
  frz_str uri;
  int64_t size_bytes;
  int64_t modified_ms;
} listed_file;

typedef struct orphan_search {
  frz_context *context;
  frz_storage *storage;
  const frz_alloc *alloc;
  frz_table *table;
  frz_orphan_options options;
  frz_buf folder;          /* normalised */
  frz_buf metadata_folder; /* of the table, normalised */
  bool is_inside;          /* the folder is the table's location, or below it */
  size_t n_live;           /* listed files that are live */
  frz_loaded_table loaded; /* of before the listing: partition names; then of after it */
  frz_arena arena;         /* URIs of listed files and of live files elsewhere */
  frz_buf files;           /* listed_file each */
  frz_location_set listed; /* their index; IS_LIVE once something leads there */
  frz_map elsewhere;       /* ends of the paths of live files outside the folder: their URI */
  frz_buf scratch;
} orphan_search;

void frz_orphan_options_init(frz_orphan_options *options)
{
  *options = (frz_orphan_options){.struct_bytes = sizeof *options};
}

/* ---- options ---- */

static frz_status check_age(frz_orphan_options *options, frz_error *err)
{
  int64_t now_ms = frz_os_now_ms();
  if (options->older_than_ms < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "orphan files: older_than_ms %lld is negative",
                    (long long)options->older_than_ms);
  if (options->older_than_ms == 0) options->older_than_ms = now_ms - 3 * DAY_MS;
  if (options->older_than_ms <= now_ms - DAY_MS || options->allow_recent) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "orphan files: older_than_ms is less than a day ago: files of a commit under way "
                  "look like orphans; allow_recent says that there is none");
}

static frz_status check_removal(const orphan_search *search, frz_error *err)
{
  if (!search->options.remove) return FRZ_OK;
  FRZ_TRY(frz_table_check_commits(search->table, err)); /* else it may show an old version */
  frz_str enabled = frz_metadata_property(search->loaded.metadata, "gc.enabled");
  if (!frz_str_is_word(enabled, "false")) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "orphan files: property gc.enabled is false: other tables may need the files");
}

/* The folder to look through. One that holds the table's own holds those of others as well. */
static frz_status choose_folder(orphan_search *search, frz_str *folder_out, frz_error *err)
{
  frz_str own = search->loaded.metadata->location;
  frz_str folder = search->options.location != NULL ? frz_str_from(search->options.location) : own;
  if (folder.size == 0) return frz_fail(err, FRZ_ERR_INVALID, "orphan files: location is empty");
  FRZ_TRY(frz_location_normalise(folder, &search->folder, err));
  FRZ_TRY(frz_location_normalise(own, &search->scratch, err));
  frz_str asked = frz_buf_str(&search->folder);
  frz_str table = frz_buf_str(&search->scratch);
  if (asked.size < table.size && frz_location_is_below(table, asked))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "orphan files: location '%.*s' holds the whole table and may hold others",
                    FRZ_STR_ARG(folder));
  search->is_inside = frz_location_is_below(asked, table);
  *folder_out = folder;
  frz_str metadata_folder = frz_metadata_folder(search->loaded.metadata, &search->arena);
  if (metadata_folder.data == NULL) return frz_fail_nomem(err, "orphan files");
  return frz_location_normalise(metadata_folder, &search->metadata_folder, err);
}

/* ---- the list ---- */

static bool is_partition_folder(const frz_table_metadata *metadata, frz_str name)
{
  for (size_t i = 0; i < metadata->n_specs; i++)
    for (size_t k = 0; k < metadata->specs[i].n_fields; k++) {
      frz_str field = metadata->specs[i].fields[k].name;
      if (name.size > field.size && memcmp(name.data, field.data, field.size) == 0 &&
          name.data[field.size] == '=')
        return true;
    }
  return false;
}

/* What a write of ours that was cut short leaves: ".<name>.<16 hexadecimal digits>.tmp". */
static bool is_temporary(frz_str name)
{
  enum { DIGITS = 16, TAIL = DIGITS + 5 };
  if (name.size < TAIL + 2 || name.data[0] != '.' || !frz_str_ends(name, ".tmp")) return false;
  const char *tail = name.data + name.size - TAIL;
  for (int i = 1; i <= DIGITS; i++)
    if (!((tail[i] >= '0' && tail[i] <= '9') || (tail[i] >= 'a' && tail[i] <= 'f'))) return false;
  return tail[0] == '.';
}

/* Names that begin with '_' or '.' belong to other programs. `path` is relative to the folder. */
static bool is_hidden(const frz_table_metadata *metadata, frz_str path)
{
  for (size_t at = 0; at < path.size;) {
    size_t end = at;
    while (end < path.size && path.data[end] != '/') end++;
    frz_str name = {path.data + at, end - at};
    bool is_marked = name.size != 0 && (name.data[0] == '_' || name.data[0] == '.');
    if (is_marked && !is_partition_folder(metadata, name) &&
        !(end == path.size && is_temporary(name)))
      return true;
    at = end + 1;
  }
  return false;
}

static frz_str below_folder(const orphan_search *search, frz_str normalised)
{
  size_t n = search->folder.size;
  while (n < normalised.size && normalised.data[n] == '/') n++;
  return (frz_str){normalised.data + n, normalised.size - n};
}

static bool is_table_metadata(frz_str path)
{
  return frz_str_ends(path, ".metadata.json") || frz_str_ends(path, ".metadata.json.gz");
}

/* Is a file of metadata that lies outside of the table's own folder for it of another table? What
 * cannot be read might be. */
static frz_status read_is_other(const orphan_search *search, frz_str uri, bool *is_other_out,
                                frz_error *err)
{
  frz_loaded_table found = {0};
  frz_error why;
  frz_str own = search->loaded.metadata->table_uuid;
  frz_status st = frz_metadata_read(search->context, search->storage, uri, &found, &why);
  *is_other_out = st == FRZ_ERR_CORRUPT || st == FRZ_ERR_UNSUPPORTED || st == FRZ_ERR_LIMIT;
  if (st == FRZ_ERR_NOT_FOUND || *is_other_out) return FRZ_OK; /* or it went since it was listed */
  if (st != FRZ_OK) {
    if (err != NULL) *err = why;
    return st;
  }
  *is_other_out = own.size == 0 || !frz_str_equal(found.metadata->table_uuid, own);
  frz_loaded_table_dispose(&found);
  return FRZ_OK;
}

/* A table may lie inside of another's folder: nothing here leads to its files. Whatever its age,
 * its metadata gives it away. */
static frz_status check_other_table(orphan_search *search, frz_str uri, frz_error *err)
{
  bool is_other;
  if (!is_table_metadata(uri)) return FRZ_OK;
  search->scratch.size = 0;
  FRZ_TRY(frz_location_normalise(uri, &search->scratch, err));
  frz_str place = frz_buf_str(&search->scratch);
  frz_str own = frz_buf_str(&search->metadata_folder);
  size_t n_folder = place.size;
  while (n_folder > 0 && place.data[n_folder - 1] != '/') n_folder--;
  bool is_ours = n_folder == own.size + 1 && frz_location_is_below(place, own);
  if (is_ours || is_hidden(search->loaded.metadata, below_folder(search, place))) return FRZ_OK;
  FRZ_TRY(read_is_other(search, uri, &is_other, err));
  if (!is_other) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "orphan files: '%.*s' is of another table: pass a location that holds none",
                  FRZ_STR_ARG(uri));
}

static frz_status note_listed(void *arg, const frz_storage_entry *entry, frz_error *err)
{
  orphan_search *search = arg;
  FRZ_TRY(frz_context_poll(search->context, err));
  FRZ_TRY(check_other_table(search, entry->uri, err));
  bool is_dated = entry->modified_ms > 0; /* what is not may be new */
  if (!is_dated || entry->modified_ms >= search->options.older_than_ms) return FRZ_OK;
  uint64_t index = search->files.size / sizeof(listed_file);
  bool added;
  FRZ_TRY(frz_location_set_add(&search->listed, entry->uri, index, &added, err));
  frz_str normalised = frz_buf_str(&search->listed.scratch);
  if (!added || !frz_location_is_below(normalised, frz_buf_str(&search->folder)))
    return added ? frz_fail(err, FRZ_ERR_IO, "'%.*s' was listed, which is not below '%.*s'",
                            FRZ_STR_ARG(entry->uri), FRZ_STR_ARG(frz_buf_str(&search->folder)))
                 : FRZ_OK;
  bool is_foreign = is_hidden(search->loaded.metadata, below_folder(search, normalised));
  listed_file file = {frz_arena_copy(&search->arena, entry->uri), entry->size_bytes,
                      entry->modified_ms};
  if (file.uri.data == NULL) return frz_fail_nomem(err, "listed files");
  if (is_foreign) {
    uint64_t *number = frz_map_find(&search->listed.map, normalised);
    *number |= IS_LIVE; /* stays, whatever it is */
  }
  return frz_buf_append(&search->files, &file, sizeof file, err);
}

/* ---- what is live ---- */

/* Remember every end of a path, so that a listed one can be recognised under another root. */
static frz_status note_elsewhere(orphan_search *search, frz_str path, frz_str normalised,
                                 frz_error *err)
{
  frz_str copy = frz_arena_copy(&search->arena, path);
  if (copy.data == NULL) return frz_fail_nomem(err, "live files");
  frz_str *kept = frz_arena_push(&search->arena, sizeof *kept);
  if (kept == NULL) return frz_fail_nomem(err, "live files");
  *kept = copy;
  frz_str rest = frz_location_path(normalised);
  for (size_t at = rest.size; at-- > 0;) {
    if (rest.data[at] != '/') continue;
    frz_str end = {rest.data + at + 1, rest.size - at - 1};
    FRZ_TRY(frz_map_insert(&search->elsewhere, end, (uint64_t)(uintptr_t)kept, NULL, NULL, err));
  }
  return FRZ_OK;
}

static frz_status strike_live(void *arg, frz_str path, frz_error *err)
{
  orphan_search *search = arg;
  uint64_t *number;
  FRZ_TRY(frz_location_set_find(&search->listed, path, &number, err));
  if (number != NULL) {
    *number |= IS_LIVE;
    search->n_live++;
    return FRZ_OK;
  }
  frz_str normalised = frz_buf_str(&search->listed.scratch);
  if (frz_location_is_below(normalised, frz_buf_str(&search->folder))) return FRZ_OK;
  return note_elsewhere(search, path, normalised, err);
}

/* ---- what is left ---- */

static frz_status check_elsewhere(orphan_search *search, const listed_file *file, frz_error *err)
{
  search->scratch.size = 0;
  FRZ_TRY(frz_location_normalise(file->uri, &search->scratch, err));
  frz_str end = below_folder(search, frz_buf_str(&search->scratch));
  const uint64_t *found = frz_map_find(&search->elsewhere, end);
  if (found == NULL) return FRZ_OK;
  const frz_str *live = (const frz_str *)(uintptr_t)*found;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "orphan files: '%.*s' may be the live file '%.*s' seen from elsewhere: pass a "
                  "location that is spelled as the table's files are",
                  FRZ_STR_ARG(file->uri), FRZ_STR_ARG(*live));
}

static int by_uri(const void *a, const void *b)
{
  return frz_str_compare(((const listed_file *)a)->uri, ((const listed_file *)b)->uri);
}

/* Keep the orphans alone, by name. */
static frz_status keep_orphans(orphan_search *search, size_t *n_out, frz_error *err)
{
  listed_file *files = (listed_file *)(void *)search->files.data;
  size_t n_listed = search->files.size / sizeof *files;
  size_t n = 0;
  for (size_t i = 0; i < n_listed; i++) {
    uint64_t *number;
    FRZ_TRY(frz_location_set_find(&search->listed, files[i].uri, &number, err));
    if (number == NULL || (*number & IS_LIVE) != 0) continue;
    FRZ_TRY(check_elsewhere(search, &files[i], err));
    files[n++] = files[i];
  }
  if (n != 0 && search->n_live == 0 && !search->is_inside)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "orphan files: '%.*s' holds files, none of which is live in the table",
                    FRZ_STR_ARG(frz_buf_str(&search->folder)));
  if (n != 0) qsort(files, n, sizeof *files, by_uri);
  *n_out = n;
  return FRZ_OK;
}

static frz_status remove_orphans(orphan_search *search, size_t n, bool *removed, frz_error *err)
{
  const listed_file *files = (const listed_file *)(const void *)search->files.data;
  frz_progress progress = {.callback = search->options.progress,
                           .ctx = search->options.progress_ctx,
                           .n_total = (int64_t)n};
  if (!search->options.remove || n == 0) return FRZ_OK;
  frz_str *paths = frz_arena_array(&search->arena, n, sizeof *paths);
  if (paths == NULL) return frz_fail_nomem(err, "orphan files");
  for (size_t i = 0; i < n; i++) paths[i] = files[i].uri;
  return frz_files_remove(search->context, search->storage, paths, n, removed, &progress, err);
}

static frz_status report(const orphan_search *search, size_t n, const bool *removed,
                         struct ArrowArrayStream *stream_out, frz_error *err)
{
  static const frz_rows_column columns[] = {{"path", FRZ_ROWS_TEXT, false},
                                            {"size_bytes", FRZ_ROWS_I64, false},
                                            {"modified_at", FRZ_ROWS_TIME, false},
                                            {"removed", FRZ_ROWS_BOOL, false}};
  const listed_file *files = (const listed_file *)(const void *)search->files.data;
  frz_rows rows = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_rows_init(&rows, columns, 4, search->alloc, err));
  for (size_t i = 0; i < n; i++) {
    frz_rows_text(&rows, files[i].uri);
    frz_rows_i64(&rows, files[i].size_bytes);
    frz_rows_time(&rows, files[i].modified_ms);
    frz_rows_bool(&rows, removed[i]);
    FRZ_TRY_OUT(frz_rows_end(&rows, err));
  }
  FRZ_TRY_OUT(frz_rows_stream(&rows, stream_out, err));
out:
  frz_rows_dispose(&rows);
  return st;
}

/* ---- all of it ---- */

static frz_status search_folder(orphan_search *search, struct ArrowArrayStream *stream_out,
                                frz_error *err)
{
  frz_str folder;
  size_t n;
  FRZ_TRY(frz_table_refresh(search->table, NULL, err));
  FRZ_TRY(frz_table_current_loaded(search->table, &search->loaded, err));
  FRZ_TRY(check_removal(search, err));
  FRZ_TRY(choose_folder(search, &folder, err));
  FRZ_TRY(frz_storage_list(search->storage, folder, note_listed, search, err));
  FRZ_TRY(frz_table_refresh(search->table, NULL, err));
  frz_loaded_table_dispose(&search->loaded);
  FRZ_TRY(frz_table_current_loaded(search->table, &search->loaded, err));
  FRZ_TRY(frz_live_files_visit(search->context, search->storage, &search->loaded, strike_live,
                               search, err));
  FRZ_TRY(keep_orphans(search, &n, err));
  bool *removed = frz_arena_array(&search->arena, n, sizeof *removed);
  if (removed == NULL) return frz_fail_nomem(err, "orphan files");
  FRZ_TRY(remove_orphans(search, n, removed, err));
  return report(search, n, removed, stream_out, err);
}

frz_status frz_table_remove_orphans(frz_table *table, const frz_orphan_options *options,
                                    struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (table == NULL || stream_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "orphan files: table or stream_out is NULL");
  frz_context *context = frz_table_context(table);
  const frz_alloc *alloc = frz_context_alloc(context);
  orphan_search search = {
      .context = context, .storage = frz_table_storage(table), .alloc = alloc, .table = table};
  frz_orphan_options_init(&search.options);
  FRZ_TRY(frz_maintain_options("frz_orphan_options", options, &search.options,
                               sizeof search.options, err));
  FRZ_TRY(check_age(&search.options, err));
  frz_buf_init(&search.folder, alloc, FRZ_LIMIT_LOCATION_BYTES * 2);
  frz_buf_init(&search.metadata_folder, alloc, FRZ_LIMIT_LOCATION_BYTES * 2);
  frz_buf_init(&search.scratch, alloc, FRZ_LIMIT_LOCATION_BYTES * 2);
  frz_buf_init(&search.files, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_arena_init(&search.arena, alloc, FRZ_LIMIT_MANIFEST_BYTES * 16);
  frz_location_set_init(&search.listed, alloc);
  frz_map_init(&search.elsewhere, alloc, FRZ_LIMIT_MANIFEST_BYTES * 16);
  frz_status st = search_folder(&search, stream_out, err);
  frz_map_dispose(&search.elsewhere);
  frz_location_set_dispose(&search.listed);
  frz_arena_free(&search.arena);
  frz_loaded_table_dispose(&search.loaded);
  frz_buf_dispose(&search.files);
  frz_buf_dispose(&search.scratch);
  frz_buf_dispose(&search.metadata_folder);
  frz_buf_dispose(&search.folder);
  return st;
}
