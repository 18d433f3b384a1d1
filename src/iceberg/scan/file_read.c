/*
 * file_read.c - see file_read.h.
 *
 * One batch of the file at a time: decode, note which rows are alive (positions first, then keys,
 * then the filter), drop the columns that only the filter or the keys wanted, compact the rest to
 * the surviving rows, and map it onto the table's columns. Batches that nothing survives are passed
 * over.
 *
 * Positions count from the file's start. A batch covers consecutive positions, unless ranges are
 * merged: then its positions are those of the next rows of the ranges, one after the other.
 */
#include "iceberg/scan/file_read.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/scan/open_file.h"

struct frz_file_reader {
  const frz_open_file *file;
  frz_open_file *owned_file;
  const frz_alloc *alloc;
  frz_row_reader *source; /* NULL: nothing to read */
  frz_row_range *ranges;  /* that are read */
  size_t n_ranges, ranges_capacity;
  bool merge_ranges;
  const frz_roaring *left_out; /* NULL: none */
  int64_t n_live_rows;
  size_t range; /* the next row of merged ranges */
  int64_t range_next;
  int64_t *rows;      /* of the batch: those alive; rows_capacity places each */
  int64_t *matches;   /* those that the filter selects, then positions of the rows that leave */
  int64_t *positions; /* of all rows of the batch */
  const int64_t *live_positions; /* of the rows that leave: one of those two */
  size_t rows_capacity;
};

/* ---- ranges ---- */

static frz_status add_range(frz_file_reader *reader, int64_t first, int64_t last, frz_error *err)
{
  if (first >= last) return FRZ_OK;
  if (reader->n_ranges == reader->ranges_capacity) {
    size_t capacity = reader->ranges_capacity != 0 ? reader->ranges_capacity * 2 : 8;
    frz_row_range *grown = frz_alloc_array(reader->alloc, capacity, sizeof *grown);
    if (grown == NULL) return frz_fail_nomem(err, "row ranges");
    if (reader->n_ranges != 0) memcpy(grown, reader->ranges, reader->n_ranges * sizeof *grown);
    frz_alloc_free(reader->alloc, reader->ranges, reader->ranges_capacity * sizeof *grown);
    reader->ranges = grown;
    reader->ranges_capacity = capacity;
  }
  reader->ranges[reader->n_ranges++] = (frz_row_range){first, last};
  return FRZ_OK;
}

/** What the filter may want of the asked ranges, in this share of the row groups. */
static frz_status choose_ranges(frz_file_reader *reader, const frz_file_read_options *options,
                                size_t share, size_t n_shares, frz_error *err)
{
  const frz_open_file *file = reader->file;
  size_t n = file->rows->n_groups;
  if (n > FRZ_LIMIT_ROW_GROUPS)
    return frz_fail(err, FRZ_ERR_LIMIT, "%zu row groups; at most %zu are read", n,
                    FRZ_LIMIT_ROW_GROUPS);
  size_t begin = n * share / n_shares;
  size_t end = n * (share + 1) / n_shares;
  if (begin == end) return FRZ_OK;
  int64_t share_first = file->rows->groups[begin].first;
  int64_t share_last = file->rows->groups[end - 1].last;
  const frz_row_range *asked = options != NULL ? options->ranges : NULL;
  size_t n_asked = asked != NULL ? options->n_ranges : 0;
  size_t next = 0;
  for (size_t i = 0; i < file->n_ranges; i++) {
    frz_row_range wanted = file->ranges[i];
    if (wanted.first < share_first || wanted.last > share_last) continue;
    if (asked == NULL) {
      FRZ_TRY(add_range(reader, wanted.first, wanted.last, err));
      continue;
    }
    while (next < n_asked && asked[next].last <= wanted.first) next++;
    for (size_t k = next; k < n_asked && asked[k].first < wanted.last; k++) {
      int64_t first = asked[k].first > wanted.first ? asked[k].first : wanted.first;
      int64_t last = asked[k].last < wanted.last ? asked[k].last : wanted.last;
      FRZ_TRY(add_range(reader, first, last, err));
    }
  }
  return FRZ_OK;
}

static int64_t count_rows(const frz_row_range *ranges, size_t n_ranges)
{
  int64_t n_rows = 0;
  for (size_t i = 0; i < n_ranges; i++) n_rows += ranges[i].last - ranges[i].first;
  return n_rows;
}

/* ---- life ---- */

frz_status frz_file_reader_over(const frz_open_file *file, const frz_file_read_options *options,
                                size_t share, size_t n_shares, frz_file_reader **reader_out,
                                frz_error *err)
{
  frz_status st = FRZ_OK;
  assert(share < n_shares && n_shares < FRZ_LIMIT_ROW_GROUPS);
  frz_file_reader *reader = frz_alloc_zeroed(file->alloc, sizeof *reader);
  if (reader == NULL) return frz_fail_nomem(err, "file reader");
  reader->file = file;
  reader->alloc = file->alloc;
  reader->merge_ranges = options != NULL && options->merge_ranges;
  reader->left_out = options != NULL ? options->left_out : NULL;
  FRZ_TRY_OUT(choose_ranges(reader, options, share, n_shares, err));
  if (reader->n_ranges != 0) {
    reader->range_next = reader->ranges[0].first;
    frz_row_read_options read = {.selected_leaves = file->selected,
                                 .ranges = reader->ranges,
                                 .n_ranges = reader->n_ranges,
                                 .batch_rows_max = file->projection->batch_rows_max,
                                 .merge_ranges = reader->merge_ranges};
    FRZ_TRY_OUT(file->rows->read(file->rows, &read, &reader->source, err));
  }
  *reader_out = reader;
  reader = NULL;
out:
  if (st != FRZ_OK) frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(file->task->entry->file.path));
  frz_file_reader_free(reader);
  return st;
}

frz_status frz_file_reader_open(frz_context *context, frz_storage *storage,
                                const frz_projection *projection, const frz_scan_task *task,
                                frz_delete_cache *deletes, const frz_file_read_options *options,
                                frz_file_reader **reader_out, frz_error *err)
{
  frz_open_file *file;
  frz_open_options open = {0};
  if (options != NULL) {
    open.without_deletes = options->without_deletes;
    open.ranges = options->ranges;
    open.n_ranges = options->n_ranges;
  }
  FRZ_TRY(frz_open_file_create(context, storage, projection, task, deletes, &open, &file, err));
  frz_status st = frz_file_reader_over(file, options, 0, 1, reader_out, err);
  if (st == FRZ_OK)
    (*reader_out)->owned_file = file;
  else
    frz_open_file_free(file);
  return st;
}

void frz_file_reader_free(frz_file_reader *reader)
{
  if (reader == NULL) return;
  const frz_alloc *alloc = reader->alloc;
  size_t rows_bytes = reader->rows_capacity * sizeof *reader->rows;
  frz_row_reader_free(reader->source);
  frz_alloc_free(alloc, reader->ranges, reader->ranges_capacity * sizeof *reader->ranges);
  frz_alloc_free(alloc, reader->rows, rows_bytes);
  frz_alloc_free(alloc, reader->matches, rows_bytes);
  frz_alloc_free(alloc, reader->positions, rows_bytes);
  frz_open_file_free(reader->owned_file);
  frz_alloc_free(alloc, reader, sizeof *reader);
}

/* ---- rows ---- */

static frz_status make_room(frz_file_reader *reader, int64_t n_rows, frz_error *err)
{
  size_t n = (size_t)n_rows;
  if (n <= reader->rows_capacity) return FRZ_OK;
  int64_t *made[3] = {NULL, NULL, NULL};
  for (size_t i = 0; i < 3; i++) {
    made[i] = frz_alloc_array(reader->alloc, n, sizeof *made[i]);
    if (made[i] == NULL) {
      for (size_t k = 0; k < i; k++) frz_alloc_free(reader->alloc, made[k], n * sizeof *made[k]);
      return frz_fail_nomem(err, "rows of a batch");
    }
  }
  size_t old_bytes = reader->rows_capacity * sizeof *reader->rows;
  frz_alloc_free(reader->alloc, reader->rows, old_bytes);
  frz_alloc_free(reader->alloc, reader->matches, old_bytes);
  frz_alloc_free(reader->alloc, reader->positions, old_bytes);
  reader->rows = made[0];
  reader->matches = made[1];
  reader->positions = made[2];
  reader->rows_capacity = n;
  return FRZ_OK;
}

static void number_positions(frz_file_reader *reader, int64_t first, int64_t n_rows)
{
  if (!reader->merge_ranges) {
    for (int64_t i = 0; i < n_rows; i++) reader->positions[i] = first + i;
    return;
  }
  for (int64_t i = 0; i < n_rows; i++) {
    if (reader->range_next == reader->ranges[reader->range].last) {
      reader->range++;
      assert(reader->range < reader->n_ranges);
      reader->range_next = reader->ranges[reader->range].first;
    }
    reader->positions[i] = reader->range_next++;
  }
}

/** The rows of a batch that position deletes leave. */
static int64_t drop_positions(frz_file_reader *reader, int64_t first, int64_t n_rows)
{
  const frz_roaring *deleted = reader->file->deleted;
  const frz_roaring *left_out = reader->left_out;
  int64_t n = n_rows;
  if (deleted != NULL && !reader->merge_ranges) {
    n = frz_roaring_complement(deleted, first, n_rows, reader->rows);
    deleted = NULL;
  } else {
    for (int64_t i = 0; i < n_rows; i++) reader->rows[i] = i;
  }
  if (deleted == NULL && left_out == NULL) return n;
  int64_t n_kept = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t position = reader->positions[reader->rows[i]];
    if (deleted != NULL && frz_roaring_contains(deleted, position)) continue;
    if (left_out != NULL && frz_roaring_contains(left_out, position)) continue;
    reader->rows[n_kept++] = reader->rows[i];
  }
  return n_kept;
}

static frz_status read_leaves(const frz_open_file *file, const frz_leaf *leaves, size_t n_leaves,
                              const frz_batch *batch, frz_leaf_column **columns_out, frz_error *err)
{
  frz_leaf_column *columns = frz_alloc_zeroed(file->alloc, n_leaves * sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "columns of a batch");
  for (size_t i = 0; i < n_leaves; i++) {
    frz_status st =
        frz_leaf_read(&leaves[i], batch->columns, batch->n_rows, file->alloc, &columns[i], err);
    if (st == FRZ_OK) continue;
    for (size_t k = 0; k < i; k++) frz_leaf_column_dispose(&columns[k]);
    frz_alloc_free(file->alloc, columns, n_leaves * sizeof *columns);
    return st;
  }
  *columns_out = columns;
  return FRZ_OK;
}

static void free_leaves(const frz_open_file *file, frz_leaf_column *columns, size_t n_leaves)
{
  for (size_t i = 0; i < n_leaves; i++) frz_leaf_column_dispose(&columns[i]);
  frz_alloc_free(file->alloc, columns, n_leaves * sizeof *columns);
}

static frz_status drop_keys(frz_file_reader *reader, const frz_batch *batch, int64_t *n_live,
                            frz_error *err)
{
  const frz_open_file *file = reader->file;
  for (size_t i = 0; i < file->n_checks && *n_live != 0; i++) {
    const frz_key_columns *check = &file->checks[i];
    frz_leaf_column *columns;
    FRZ_TRY(read_leaves(file, check->leaves, check->n_leaves, batch, &columns, err));
    frz_status st = frz_equality_set_filter(
        check->set, columns, file->task->entry->data_sequence_number, reader->rows, n_live, err);
    free_leaves(file, columns, check->n_leaves);
    FRZ_TRY(st);
  }
  return FRZ_OK;
}

typedef struct filter_columns {
  const frz_open_file *file;
  frz_leaf_column *columns;
} filter_columns;

static const frz_column *column_of(void *arg, int32_t field_id)
{
  const filter_columns *self = arg;
  for (size_t i = 0; i < self->file->n_filter_leaves; i++)
    if (self->file->filter_leaves[i].field->id == field_id) return &self->columns[i].column;
  return NULL;
}

/** Rows that are in both ascending lists. */
static int64_t intersect(int64_t *rows, int64_t n_rows, const int64_t *matches, int64_t n_matches)
{
  int64_t n = 0;
  int64_t k = 0;
  for (int64_t i = 0; i < n_rows; i++) {
    while (k < n_matches && matches[k] < rows[i]) k++;
    if (k < n_matches && matches[k] == rows[i]) rows[n++] = rows[i];
  }
  return n;
}

static frz_status drop_unmatched(frz_file_reader *reader, const frz_batch *batch, int64_t *n_live,
                                 frz_error *err)
{
  const frz_open_file *file = reader->file;
  const frz_projection *projection = file->projection;
  if (projection->filter == NULL || *n_live == 0) return FRZ_OK;
  filter_columns columns = {.file = file};
  int64_t n_matches = 0;
  if (file->n_filter_leaves != 0)
    FRZ_TRY(read_leaves(file, file->filter_leaves, file->n_filter_leaves, batch, &columns.columns,
                        err));
  frz_status st = frz_expr_select(projection->filter, projection->schema, column_of, &columns,
                                  batch->n_rows, reader->matches, &n_matches, file->alloc, err);
  if (st == FRZ_OK) *n_live = intersect(reader->rows, *n_live, reader->matches, n_matches);
  if (columns.columns != NULL) free_leaves(file, columns.columns, file->n_filter_leaves);
  return st;
}

/* ---- columns ---- */

/** Free what only filter and keys needed, and compact the rest to the rows that live. */
static frz_status keep_projected(const frz_file_reader *reader, frz_batch *batch, int64_t n_live,
                                 frz_error *err)
{
  const frz_open_file *file = reader->file;
  size_t n_kept = 0;
  for (size_t i = 0; i < batch->n_columns; i++) {
    if (!file->is_projected[i])
      frz_column_dispose(&batch->columns[i]);
    else
      n_kept++;
  }
  if (n_live == batch->n_rows || n_kept == 0) return FRZ_OK;
  /* The batch functions want columns of equal length: the freed ones step aside. */
  frz_column *columns = frz_alloc_zeroed(file->alloc, n_kept * sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "columns of a batch");
  frz_batch kept = {
      .n_rows = batch->n_rows, .columns = columns, .n_columns = n_kept, .alloc = batch->alloc};
  size_t k = 0;
  for (size_t i = 0; i < batch->n_columns; i++)
    if (file->is_projected[i]) columns[k++] = batch->columns[i];
  frz_status st = frz_batch_filter(&kept, reader->rows, n_live, err);
  k = 0;
  for (size_t i = 0; i < batch->n_columns; i++)
    if (file->is_projected[i]) batch->columns[i] = columns[k++];
  frz_alloc_free(file->alloc, columns, n_kept * sizeof *columns);
  return st;
}

static frz_status make_column(const frz_file_reader *reader, size_t i, frz_column *columns,
                              int64_t n_rows, frz_column *column_out, frz_error *err)
{
  const frz_open_file *file = reader->file;
  const frz_field *field = &file->projection->fields[i];
  if (!frz_metadata_column_is_computed(field))
    FRZ_TRY(frz_column_map_apply(&file->maps[i], columns, n_rows, file->alloc, column_out, err));
  if (!frz_is_metadata_column(field)) return FRZ_OK;
  return frz_metadata_column_fill(field, &file->projection->arrow_fields[i], file->task,
                                  reader->live_positions, n_rows, file->alloc, column_out, err);
}

static frz_status project(const frz_file_reader *reader, frz_batch *batch, int64_t n_live,
                          frz_batch *batch_out, frz_error *err)
{
  const frz_open_file *file = reader->file;
  size_t n_fields = file->projection->n_fields;
  frz_batch made = {.n_rows = n_live, .alloc = file->alloc};
  FRZ_TRY(keep_projected(reader, batch, n_live, err));
  if (n_fields != 0) {
    made.columns = frz_alloc_zeroed(file->alloc, n_fields * sizeof *made.columns);
    if (made.columns == NULL) return frz_fail_nomem(err, "columns of a batch");
    made.n_columns = n_fields;
  }
  for (size_t i = 0; i < n_fields; i++) {
    frz_status st = make_column(reader, i, batch->columns, n_live, &made.columns[i], err);
    if (st == FRZ_OK) continue;
    frz_error_where(err, "column '%.*s': ", FRZ_STR_ARG(file->projection->fields[i].name));
    frz_batch_dispose(&made);
    return st;
  }
  *batch_out = made;
  return FRZ_OK;
}

/* ---- batches ---- */

static frz_status next_batch(frz_file_reader *reader, frz_batch *batch_out, int64_t *first_out,
                             frz_error *err)
{
  FRZ_TRY(frz_context_check(reader->file->context, err));
  if (reader->source == NULL) {
    *batch_out = (frz_batch){.alloc = reader->alloc};
    *first_out = 0;
    return FRZ_OK;
  }
  return reader->source->next(reader->source, batch_out, first_out, err);
}

/** The rows that live of one batch, if there are any. */
static frz_status step(frz_file_reader *reader, frz_batch *batch, int64_t first,
                       const int64_t **positions_out, frz_batch *batch_out, frz_error *err)
{
  const frz_open_file *file = reader->file;
  bool wants_all = file->deleted == NULL && file->n_checks == 0 &&
                   file->projection->filter == NULL && reader->left_out == NULL;
  bool wants_positions = positions_out != NULL || file->wants_positions;
  int64_t n_live = batch->n_rows;
  if (!wants_all || wants_positions) {
    FRZ_TRY(make_room(reader, batch->n_rows, err));
    number_positions(reader, first, batch->n_rows);
    reader->live_positions = reader->positions;
  }
  if (!wants_all) {
    n_live = drop_positions(reader, first, batch->n_rows);
    FRZ_TRY(drop_keys(reader, batch, &n_live, err));
  }
  reader->n_live_rows += n_live;
  frz_read_counts *counts = file->projection->counts;
  FRZ_COUNT(counts, n_rows_read, batch->n_rows);
  FRZ_COUNT(counts, n_rows_deleted, batch->n_rows - n_live);
  if (!wants_all) FRZ_TRY(drop_unmatched(reader, batch, &n_live, err));
  FRZ_COUNT(counts, n_rows_matched, n_live);
  if (n_live == 0) return FRZ_OK;
  if (!wants_all && wants_positions) {
    for (int64_t i = 0; i < n_live; i++) reader->matches[i] = reader->positions[reader->rows[i]];
    reader->live_positions = reader->matches;
  }
  if (positions_out != NULL) *positions_out = reader->live_positions;
  return project(reader, batch, n_live, batch_out, err);
}

frz_status frz_file_reader_next(frz_file_reader *reader, frz_batch *batch_out,
                                const int64_t **positions_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_batch result = {.alloc = reader->alloc};
  for (;;) {
    frz_batch batch = {0};
    int64_t first = 0;
    st = next_batch(reader, &batch, &first, err);
    bool is_end = st == FRZ_OK && batch.n_rows == 0;
    if (st == FRZ_OK && !is_end) st = step(reader, &batch, first, positions_out, &result, err);
    frz_batch_dispose(&batch);
    if (st != FRZ_OK || is_end || result.n_rows != 0) break;
  }
  if (st == FRZ_OK)
    *batch_out = result;
  else
    frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(reader->file->task->entry->file.path));
  return st;
}

int64_t frz_file_reader_live_rows(const frz_file_reader *reader)
{
  const frz_row_file *rows = reader->file->rows;
  bool reads_all =
      count_rows(reader->ranges, reader->n_ranges) == count_rows(rows->groups, rows->n_groups);
  return reads_all ? reader->n_live_rows : -1;
}

frz_status frz_file_reader_next_keys(frz_file_reader *reader, frz_leaf_column **columns_out,
                                     int64_t *n_rows_out, frz_error *err)
{
  const frz_open_file *file = reader->file;
  frz_batch batch = {0};
  int64_t first;
  FRZ_TRY(next_batch(reader, &batch, &first, err));
  frz_leaf_column *columns = NULL;
  frz_status st = FRZ_OK;
  if (batch.n_rows != 0) {
    st = read_leaves(file, file->keys.leaves, file->keys.n_leaves, &batch, &columns, err);
    /* What is borrowed would go with the batch: it is taken along. */
    for (size_t i = 0; st == FRZ_OK && i < file->keys.n_leaves; i++) {
      if (columns[i].is_owned) continue;
      frz_column copy = {0};
      frz_arrow_field same = {.type = columns[i].column.type, .nullable = true, .field_id = -1};
      st = frz_column_init(&copy, &same, file->alloc, err);
      if (st == FRZ_OK)
        st = frz_column_append_rows(&copy, &columns[i].column, 0, batch.n_rows, err);
      columns[i] = (frz_leaf_column){copy, true};
    }
    if (st != FRZ_OK) frz_open_file_keys_free(file, columns, file->alloc);
  }
  if (st == FRZ_OK) {
    *columns_out = columns;
    *n_rows_out = batch.n_rows;
  }
  frz_batch_dispose(&batch);
  return st;
}

/* ---- splitting ---- */

frz_status frz_file_row_groups(frz_context *context, frz_storage *storage,
                               const frz_scan_task *task, frz_arena *arena,
                               const frz_row_range **ranges_out, size_t *n_ranges_out,
                               frz_error *err)
{
  const frz_data_file *described = &task->entry->file;
  frz_row_file *file = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_row_file_open(context, storage, described, &file, err));
  frz_row_range *ranges = frz_arena_array(arena, file->n_groups, sizeof *ranges);
  if (ranges == NULL) {
    st = frz_fail_nomem(err, "row ranges");
    goto out;
  }
  if (file->n_groups != 0) memcpy(ranges, file->groups, file->n_groups * sizeof *ranges);
  *ranges_out = ranges;
  *n_ranges_out = file->n_groups;
out:
  if (st != FRZ_OK) frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(described->path));
  frz_row_file_free(file);
  return st;
}
