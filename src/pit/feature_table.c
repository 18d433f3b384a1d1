/*
 * feature_table.c - plan and fetch from a feature view's table.
 *
 * Files are known by rank: their place in the order that decides between rows of equal event and
 * created time.
 */
#include "pit/feature_table.h"

#include <stdlib.h>

#include "base/limits.h"
#include "iceberg/scan/incremental_plan.h"
#include "iceberg/table/table_handle.h"

enum { BATCH_ROWS = 65536, PIECES_A_THREAD = 8, GROUP_COLUMNS_MAX = 8 };

frz_status frz_feature_table_open(frz_feature_table *table, frz_table *handle,
                                  const frz_scan_options *scan, frz_error *err)
{
  frz_scan_options options;
  FRZ_TRY(frz_scan_options_fill(scan, &options, err));
  *table = (frz_feature_table){.context = frz_table_context(handle),
                               .from_snapshot_id = options.from_snapshot_id};
  frz_arena_init(&table->arena, frz_context_alloc(table->context), FRZ_LIMIT_JOIN_BYTES);
  table->storage = frz_storage_retain(frz_table_storage(handle));
  table->metadata = frz_table_current(handle);
  frz_status st = frz_scan_resolve(table->metadata, &options, &table->arena, &table->snapshot,
                                   &table->schema, &table->filter, err);
  if (st == FRZ_OK && table->from_snapshot_id != 0)
    st = frz_appends_check(table->metadata, table->from_snapshot_id, table->snapshot, err);
  if (st != FRZ_OK) frz_feature_table_dispose(table);
  return st;
}

void frz_feature_table_dispose(frz_feature_table *table)
{
  if (table->context == NULL) return;
  if (table->is_planned) frz_scan_plan_dispose(&table->plan);
  frz_delete_cache_free(table->deletes);
  frz_table_metadata_release(table->metadata);
  frz_storage_release(table->storage);
  frz_arena_free(&table->arena);
  *table = (frz_feature_table){0};
}

frz_status frz_feature_table_column(const frz_feature_table *table, const char *what,
                                    const char *name, const frz_field **field_out, frz_error *err)
{
  const frz_type *root = &table->schema->root;
  char columns[512] = "";
  size_t used = 0;
  for (size_t i = 0; i < root->n_fields; i++) {
    if (frz_str_is(root->fields[i].name, name)) {
      *field_out = &root->fields[i];
      return FRZ_OK;
    }
    frz_str text = root->fields[i].name;
    if (used + text.size + 3 >= sizeof columns) continue;
    if (used != 0) {
      memcpy(columns + used, ", ", 2);
      used += 2;
    }
    memcpy(columns + used, text.data, text.size);
    used += text.size;
    columns[used] = '\0';
  }
  return frz_fail(err, FRZ_ERR_INVALID, "%s '%s' is not a column of the table; its columns: %s",
                  what, name, columns);
}

frz_status frz_feature_table_arrow(frz_feature_table *table, const frz_field *field,
                                   frz_arrow_field *arrow_out, frz_error *err)
{
  return frz_field_to_arrow(field, &table->arena, arrow_out, err);
}

/* ---- planning ---- */

/* time_field >= least and time_field <= greatest, left open at the ends of the range. */
static frz_status window_filter(frz_feature_table *table, const frz_field *time_field,
                                int64_t least, int64_t greatest, const frz_expr **expr_out,
                                frz_error *err)
{
  const frz_expr *both = NULL;
  for (int side = 0; side < 2; side++) {
    int64_t bound = side == 0 ? least : greatest;
    bool is_date = time_field->type.kind == FRZ_TYPE_DATE;
    if (is_date && (bound < INT32_MIN || bound > INT32_MAX)) continue;
    if (bound == INT64_MIN || bound == INT64_MAX) continue;
    frz_literal *literal = frz_arena_push(&table->arena, sizeof *literal);
    frz_expr *expr = frz_arena_push(&table->arena, sizeof *expr);
    if (literal == NULL || expr == NULL) return frz_fail_nomem(err, "join window");
    literal->kind = time_field->type.kind;
    if (is_date)
      literal->as.i32 = (int32_t)bound;
    else
      literal->as.i64 = bound;
    *expr = (frz_expr){.kind = FRZ_EXPR_PREDICATE,
                       .predicate = side == 0 ? FRZ_PREDICATE_GE : FRZ_PREDICATE_LE,
                       .field = time_field,
                       .literals = literal,
                       .n_literals = 1};
    both = both == NULL ? expr : frz_expr_and(both, expr, &table->arena);
    if (both == NULL) return frz_fail_nomem(err, "join window");
  }
  *expr_out = both;
  return FRZ_OK;
}

typedef struct ranked_task {
  int64_t sequence;
  frz_str path;
  uint32_t task;
} ranked_task;

static int compare_ranks(const void *a, const void *b)
{
  const ranked_task *left = a;
  const ranked_task *right = b;
  if (left->sequence != right->sequence) return left->sequence < right->sequence ? -1 : 1;
  return frz_str_compare(left->path, right->path);
}

/* v1 tables have no sequence numbers: the order of snapshots takes their place. */
static int64_t sequence_of(const frz_table_metadata *metadata, const frz_manifest_entry *entry)
{
  if (metadata->format_version > 1) return entry->data_sequence_number;
  const frz_snapshot *snapshot = frz_metadata_snapshot(metadata, entry->snapshot_id);
  return snapshot != NULL ? snapshot->timestamp_ms : 0;
}

static frz_status rank_tasks(frz_feature_table *table, frz_error *err)
{
  size_t n = table->plan.n_tasks;
  if (n >= UINT32_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "join: %zu data files; at most %u are read in one call", n,
                    UINT32_MAX - 1);
  ranked_task *ranked = frz_arena_array(&table->arena, n, sizeof *ranked);
  table->task_of_rank = frz_arena_array(&table->arena, n, sizeof *table->task_of_rank);
  if (ranked == NULL || table->task_of_rank == NULL) return frz_fail_nomem(err, "join plan");
  for (size_t i = 0; i < n; i++) {
    const frz_manifest_entry *entry = table->plan.tasks[i].entry;
    ranked[i] = (ranked_task){sequence_of(table->metadata, entry), entry->file.path, (uint32_t)i};
  }
  qsort(ranked, n, sizeof *ranked, compare_ranks);
  for (size_t i = 0; i < n; i++) table->task_of_rank[i] = ranked[i].task;
  return FRZ_OK;
}

frz_status frz_feature_table_plan(frz_feature_table *table, const frz_field *time_field,
                                  int64_t least, int64_t greatest, const frz_expr *keys,
                                  frz_error *err)
{
  if (table->snapshot == NULL) return FRZ_OK;
  table->time_field = time_field;
  const frz_expr *window = NULL;
  FRZ_TRY(window_filter(table, time_field, least, greatest, &window, err));
  const frz_expr *parts[] = {table->filter, window, keys};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (parts[i] == NULL) continue;
    table->prune = frz_expr_and(table->prune, parts[i], &table->arena);
    if (table->prune == NULL) return frz_fail_nomem(err, "join window");
  }
  FRZ_TRY(frz_scan_plan_make_from(table->context, table->storage, table->metadata, table->snapshot,
                                  table->from_snapshot_id, table->schema, table->prune,
                                  table->search_counts, &table->plan, err));
  table->is_planned = true;
  FRZ_TRY(frz_delete_cache_create(table->context, table->storage, table->metadata, table->schema,
                                  &table->deletes, err));
  return rank_tasks(table, err);
}

const frz_scan_task *frz_feature_table_task(const frz_feature_table *table, uint32_t rank)
{
  return &table->plan.tasks[table->task_of_rank[rank]];
}

/* ---- what the manifests tell of values ---- */

/* A value of a type that is a whole number of something. */
static bool whole_value(const frz_literal *literal, int64_t *value_out)
{
  switch (literal->kind) {
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: *value_out = literal->as.i32; return true;
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: *value_out = literal->as.i64; return true;
  default: return false;
  }
}

static bool bound_of(const frz_field *field, const frz_bound *bounds, size_t n_bounds,
                     int64_t *value_out)
{
  for (size_t i = 0; i < n_bounds; i++) {
    frz_literal literal;
    if (bounds[i].field_id != field->id) continue;
    return frz_literal_from_bytes(&field->type, bounds[i].bytes, &literal, NULL) == FRZ_OK &&
           whole_value(&literal, value_out);
  }
  return false;
}

bool frz_feature_table_file_range(const frz_feature_table *table, uint32_t rank,
                                  const frz_field *field, int64_t *least_out, int64_t *greatest_out)
{
  const frz_data_file *file = &frz_feature_table_task(table, rank)->entry->file;
  return bound_of(field, file->lower_bounds, file->n_lower_bounds, least_out) &&
         bound_of(field, file->upper_bounds, file->n_upper_bounds, greatest_out) &&
         *least_out <= *greatest_out;
}

bool frz_feature_table_file_has_no_nulls(const frz_feature_table *table, uint32_t rank,
                                         const frz_field *field)
{
  const frz_data_file *file = &frz_feature_table_task(table, rank)->entry->file;
  for (size_t i = 0; i < file->n_null_counts; i++)
    if (file->null_counts[i].field_id == field->id) return file->null_counts[i].value == 0;
  return field->required;
}

bool frz_feature_table_range(const frz_feature_table *table, const frz_field *field,
                             int64_t *least_out, int64_t *greatest_out)
{
  if (!table->is_planned || table->plan.n_tasks == 0) return false;
  *least_out = INT64_MAX;
  *greatest_out = INT64_MIN;
  for (uint32_t rank = 0; rank < table->plan.n_tasks; rank++) {
    int64_t least, greatest;
    if (!frz_feature_table_file_range(table, rank, field, &least, &greatest)) return false;
    if (least < *least_out) *least_out = least;
    if (greatest > *greatest_out) *greatest_out = greatest;
  }
  return true;
}

/* ---- fetching rows ---- */

/* The work is cut by file, and where there are few files or many columns by columns too: no page is
 * read twice, and the dictionaries and buffers of a few columns stay in the caches. */
typedef struct fetch_pass {
  frz_feature_table *table;
  const frz_row_reference *rows;
  const size_t *first; /* first row of each file's run; one more at the end */
  size_t n_runs;
  frz_projection *groups; /* of columns */
  size_t n_groups;
  frz_batch *pieces; /* by run, then group */
  frz_batch whole;
} fetch_pass;

/* The run's positions as ranges: neighbours join. */
static size_t make_ranges(const frz_row_reference *rows, size_t n_rows, frz_row_range *ranges)
{
  size_t n = 0;
  for (size_t i = 0; i < n_rows; i++) {
    if (n != 0 && ranges[n - 1].last == rows[i].position)
      ranges[n - 1].last++;
    else
      ranges[n++] = (frz_row_range){rows[i].position, rows[i].position + 1};
  }
  return n;
}

static frz_status append_batch(frz_batch *to, const frz_batch *from, frz_error *err)
{
  for (size_t c = 0; c < to->n_columns; c++)
    FRZ_TRY(frz_column_append_rows(&to->columns[c], &from->columns[c], 0, from->n_rows, err));
  to->n_rows += from->n_rows;
  return FRZ_OK;
}

/* All rows that a reader gives as one batch; mostly it is the reader's own. */
static frz_status read_whole(frz_context *context, frz_file_reader *reader, frz_batch *whole,
                             frz_error *err)
{
  for (;;) {
    frz_batch batch;
    FRZ_TRY(frz_context_check(context, err));
    FRZ_TRY(frz_file_reader_next(reader, &batch, NULL, err));
    if (batch.n_rows == 0) {
      frz_batch_dispose(&batch);
      return FRZ_OK;
    }
    if (whole->n_rows == 0) {
      *whole = batch;
      continue;
    }
    frz_status st = append_batch(whole, &batch, err);
    frz_batch_dispose(&batch);
    FRZ_TRY(st);
  }
}

static frz_status fetch_piece_of(void *arg, size_t piece, frz_error *err)
{
  fetch_pass *pass = arg;
  frz_feature_table *table = pass->table;
  const frz_alloc *alloc = frz_context_alloc(table->context);
  /* The newest files' first: they mostly have most rows, and the last to end is waited for. */
  piece = pass->n_runs * pass->n_groups - 1 - piece;
  size_t run = piece / pass->n_groups;
  const frz_projection *projection = &pass->groups[piece % pass->n_groups];
  const frz_row_reference *rows = pass->rows + pass->first[run];
  const frz_scan_task *task = frz_feature_table_task(table, rows->file_rank);
  size_t n_rows = pass->first[run + 1] - pass->first[run];
  frz_file_reader *reader = NULL;
  frz_row_range *ranges = frz_alloc_array(alloc, n_rows, sizeof *ranges);
  if (ranges == NULL) return frz_fail_nomem(err, "join fetch");
  frz_file_read_options options = {.ranges = ranges,
                                   .n_ranges = make_ranges(rows, n_rows, ranges),
                                   .merge_ranges = true,
                                   .without_deletes = true};
  frz_batch *whole = &pass->pieces[piece];
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_file_reader_open(table->context, table->storage, projection, task, table->deletes,
                                   &options, &reader, err));
  FRZ_TRY_OUT(read_whole(table->context, reader, whole, err));
  if (whole->n_rows != (int64_t)n_rows)
    st = frz_fail(err, FRZ_ERR_CORRUPT, "%.*s: %lld of %zu rows came back by position",
                  FRZ_STR_ARG(task->entry->file.path), (long long)whole->n_rows, n_rows);
out:
  frz_file_reader_free(reader);
  frz_alloc_free(alloc, ranges, n_rows * sizeof *ranges);
  return st;
}

/* Where each file's rows start. */
static frz_status find_runs(fetch_pass *pass, size_t n_rows, frz_arena *arena, frz_error *err)
{
  const frz_row_reference *rows = pass->rows;
  for (size_t i = 0; i < n_rows; i++)
    pass->n_runs += i == 0 || rows[i].file_rank != rows[i - 1].file_rank;
  size_t *first = frz_arena_array(arena, pass->n_runs + 1, sizeof *first);
  if (first == NULL) return frz_fail_nomem(err, "join fetch");
  size_t run = 0;
  for (size_t i = 0; i < n_rows; i++)
    if (i == 0 || rows[i].file_rank != rows[i - 1].file_rank) first[run++] = i;
  first[pass->n_runs] = n_rows;
  pass->first = first;
  return FRZ_OK;
}

/* Columns [first_column(g), first_column(g + 1)) are those of group g. */
static size_t first_column(const fetch_pass *pass, size_t n_columns, size_t group)
{
  return n_columns * group / pass->n_groups;
}

static frz_status make_groups(fetch_pass *pass, const char *const *names, size_t n_names,
                              frz_arena *arena, frz_error *err)
{
  const frz_feature_table *table = pass->table;
  size_t n_pieces = (size_t)frz_context_threads(table->context) * PIECES_A_THREAD;
  pass->n_groups = 1;
  if (pass->n_runs != 0 && pass->n_runs < n_pieces && n_pieces > PIECES_A_THREAD)
    pass->n_groups = (n_pieces + pass->n_runs - 1) / pass->n_runs;
  if (pass->n_groups < (n_names + GROUP_COLUMNS_MAX - 1) / GROUP_COLUMNS_MAX)
    pass->n_groups = (n_names + GROUP_COLUMNS_MAX - 1) / GROUP_COLUMNS_MAX;
  if (pass->n_groups > n_names) pass->n_groups = n_names != 0 ? n_names : 1;
  pass->groups = frz_arena_array(arena, pass->n_groups, sizeof *pass->groups);
  pass->pieces = frz_arena_array(arena, pass->n_runs * pass->n_groups, sizeof *pass->pieces);
  if (pass->groups == NULL || pass->pieces == NULL) return frz_fail_nomem(err, "join fetch");
  for (size_t g = 0; g < pass->n_groups; g++) {
    size_t first = first_column(pass, n_names, g);
    size_t n = first_column(pass, n_names, g + 1) - first;
    FRZ_TRY(frz_projection_make(table->metadata, table->schema, names + first, n, true, NULL,
                                BATCH_ROWS, arena, &pass->groups[g], err));
    /* Each group reads the same rows: they count once. */
    if (g == 0) pass->groups[g].counts = table->fetch_counts;
  }
  return FRZ_OK;
}

/* One column of the result, out of the pieces, which it ends. */
static frz_status join_column(void *arg, size_t c, frz_error *err)
{
  fetch_pass *pass = arg;
  size_t n_columns = pass->whole.n_columns;
  size_t group = 0;
  while (first_column(pass, n_columns, group + 1) <= c) group++;
  size_t at = c - first_column(pass, n_columns, group);
  frz_column *column = &pass->whole.columns[c];
  FRZ_TRY(frz_column_reserve(column, (int64_t)pass->first[pass->n_runs], err));
  for (size_t run = 0; run < pass->n_runs; run++) {
    frz_column *piece = &pass->pieces[run * pass->n_groups + group].columns[at];
    FRZ_TRY(frz_context_check(pass->table->context, err));
    FRZ_TRY(frz_column_append_rows(column, piece, 0, piece->n_rows, err));
    frz_column_dispose(piece);
  }
  return FRZ_OK;
}

static void dispose_pieces(fetch_pass *pass)
{
  if (pass->pieces == NULL) return;
  for (size_t i = 0; i < pass->n_runs * pass->n_groups; i++) frz_batch_dispose(&pass->pieces[i]);
}

frz_status frz_feature_table_fetch(frz_feature_table *table, const char *const *names,
                                   size_t n_names, const frz_row_reference *rows, size_t n_rows,
                                   frz_batch *batch_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(table->context);
  frz_projection projection;
  frz_arena arena;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_JOIN_BYTES);
  fetch_pass pass = {.table = table, .rows = rows};
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_projection_make(table->metadata, table->schema, names, n_names, true, NULL,
                                  BATCH_ROWS, &arena, &projection, err));
  FRZ_TRY_OUT(find_runs(&pass, n_rows, &arena, err));
  FRZ_TRY_OUT(make_groups(&pass, names, n_names, &arena, err));
  FRZ_TRY_OUT(
      frz_parallel_for(table->context, pass.n_runs * pass.n_groups, fetch_piece_of, &pass, err));
  FRZ_TRY_OUT(
      frz_batch_init(&pass.whole, projection.arrow_fields, projection.n_fields, alloc, err));
  FRZ_TRY_OUT(frz_parallel_for(table->context, pass.whole.n_columns, join_column, &pass, err));
  pass.whole.n_rows = (int64_t)n_rows;
  *batch_out = pass.whole;
  pass.whole = (frz_batch){0};
out:
  dispose_pieces(&pass);
  frz_batch_dispose(&pass.whole);
  frz_arena_free(&arena);
  return st;
}
