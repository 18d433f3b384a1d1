/*
 * parquet_reader.c - batches of the selected columns over ranges of rows.
 *
 * A batch is taken from one row group: its rows are found first, as runs, then each leaf reads all
 * of them into its column, then nested columns are assembled above. A row group's chunks are opened
 * when its first row is needed; where only some of its rows are, offset indexes are read first, so
 * that pages in between are not fetched.
 *
 * Invariants: range and row name the next row to give, or range is n_ranges at the end; the open
 * row group holds the rows given last. After a failure only freeing is allowed.
 */
#include "parquet/read/parquet_reader.h"

#include <assert.h>

#include "base/limits.h"
#include "parquet/format/metadata_parts.h"
#include "parquet/read/column_assemble.h"
#include "parquet/read/parquet_file.h"

enum {
  WINDOW_BYTES_NEAR = 1 << 20, /* stays in the processor's cache */
  WINDOW_BYTES_FAR = 8 << 20,
  WINDOW_BYTES_MIN = 128 << 10,
  WINDOW_BYTES_TOTAL = 96 << 20, /* of all columns together */
  BATCH_BYTES_MAX = 64 << 20,
  FAR_CHUNK_BYTES_MIN = 256 << 10 /* smaller chunks are fetched whole rather than looked up */
};

struct frz_parquet_reader {
  frz_parquet_file *file;
  const frz_alloc *alloc;
  frz_arena arena; /* options, shapes, fields, the array of leaves */
  frz_arrow_field *fields;
  frz_parquet_shape *shapes;
  size_t n_fields;
  frz_leaf_reader *leaves; /* the selected ones, in file order */
  size_t n_leaves;
  int32_t *leaf_slots; /* by leaf index: place in `leaves`, or -1 */
  frz_row_range *ranges;
  size_t n_ranges;
  int64_t batch_rows_max;
  bool merge_ranges;

  size_t range; /* the next row is ranges[range] at `row` */
  int64_t row;
  size_t group; /* the open row group; n_row_groups: none yet */
  int64_t group_batch_rows;
  frz_arena index_arena; /* offset indexes of the open row group */
  frz_buf bytes;
  frz_buf fetches;   /* frz_range */
  frz_buf runs;      /* frz_row_run, of the batch */
  size_t held_bytes; /* of the leaves, and of the batch's columns that are read */
  frz_decompressor decompressor;
};

/* ---- making a reader ---- */

static frz_status check_ranges(const frz_parquet_read_options *options, int64_t n_rows,
                               frz_error *err)
{
  int64_t last = 0;
  for (size_t i = 0; options->ranges != NULL && i < options->n_ranges; i++) {
    const frz_row_range *range = &options->ranges[i];
    if (range->first < last || range->last < range->first || range->last > n_rows)
      return frz_fail(err, FRZ_ERR_INVALID, "rows [%lld, %lld) behind row %lld of %lld",
                      (long long)range->first, (long long)range->last, (long long)last,
                      (long long)n_rows);
    last = range->last;
  }
  if (options->batch_rows_max <= 0)
    return frz_fail(err, FRZ_ERR_INVALID, "batch_rows_max %lld",
                    (long long)options->batch_rows_max);
  return FRZ_OK;
}

static frz_status copy_ranges(frz_parquet_reader *reader, const frz_parquet_read_options *options,
                              frz_error *err)
{
  frz_row_range whole = {0, reader->file->metadata.n_rows};
  const frz_row_range *ranges = options->ranges != NULL ? options->ranges : &whole;
  size_t n = options->ranges != NULL ? options->n_ranges : 1;
  reader->ranges = frz_arena_array(&reader->arena, n, sizeof *reader->ranges);
  if (reader->ranges == NULL) return frz_fail_nomem(err, "row ranges");
  for (size_t i = 0; i < n; i++)
    if (ranges[i].first < ranges[i].last) reader->ranges[reader->n_ranges++] = ranges[i];
  if (reader->n_ranges > 0) reader->row = reader->ranges[0].first;
  return FRZ_OK;
}

static frz_status make_shapes(frz_parquet_reader *reader, const bool *selected, frz_error *err)
{
  const frz_parquet_node *root = reader->file->metadata.root;
  reader->fields = frz_arena_array(&reader->arena, root->n_children, sizeof *reader->fields);
  reader->shapes = frz_arena_array(&reader->arena, root->n_children, sizeof *reader->shapes);
  if (reader->fields == NULL || reader->shapes == NULL) return frz_fail_nomem(err, "columns");
  for (size_t i = 0; i < root->n_children; i++) {
    if (!frz_parquet_node_selected(root->children[i], selected)) continue;
    FRZ_TRY(frz_parquet_shape_make(root->children[i], selected, &reader->arena,
                                   &reader->shapes[reader->n_fields],
                                   &reader->fields[reader->n_fields], err));
    reader->n_fields++;
  }
  return FRZ_OK;
}

/* `is_kept`: a shape above takes its levels from the first leaf below it. */
static frz_status make_leaves(frz_parquet_reader *reader, const frz_parquet_shape *shape,
                              bool is_kept, frz_error *err)
{
  if (shape->kind != FRZ_SHAPE_LEAF) {
    for (size_t i = 0; i < shape->n_children; i++) {
      bool needs = frz_shape_needs_levels(shape) || is_kept;
      FRZ_TRY(make_leaves(reader, &shape->children[i], i == 0 && needs, err));
    }
    return FRZ_OK;
  }
  bool keeps = is_kept || shape->node->max_repetition_level > 0;
  reader->leaf_slots[shape->node->leaf_index] = (int32_t)reader->n_leaves;
  return frz_leaf_reader_init(&reader->leaves[reader->n_leaves++], shape->node, shape->field->type,
                              shape->slot_def, keeps, reader->file->source, &reader->decompressor,
                              reader->alloc, err);
}

static frz_status make_reader(frz_parquet_reader *reader, const frz_parquet_read_options *options,
                              frz_error *err)
{
  size_t n_leaves = reader->file->metadata.n_leaves;
  FRZ_TRY(check_ranges(options, reader->file->metadata.n_rows, err));
  FRZ_TRY(copy_ranges(reader, options, err));
  FRZ_TRY(make_shapes(reader, options->selected_leaves, err));
  reader->leaves = frz_arena_array(&reader->arena, n_leaves, sizeof *reader->leaves);
  reader->leaf_slots = frz_arena_array(&reader->arena, n_leaves, sizeof *reader->leaf_slots);
  if (reader->leaves == NULL || reader->leaf_slots == NULL) return frz_fail_nomem(err, "columns");
  for (size_t i = 0; i < n_leaves; i++) reader->leaf_slots[i] = -1;
  for (size_t i = 0; i < reader->n_fields; i++)
    FRZ_TRY(make_leaves(reader, &reader->shapes[i], false, err));
  return FRZ_OK;
}

frz_status frz_parquet_reader_create(frz_parquet_file *file,
                                     const frz_parquet_read_options *options,
                                     frz_parquet_reader **reader_out, frz_error *err)
{
  frz_parquet_reader *reader = frz_alloc_zeroed(file->alloc, sizeof *reader);
  if (reader == NULL) return frz_fail_nomem(err, "Parquet reader");
  reader->file = file;
  reader->alloc = file->alloc;
  reader->group = file->metadata.n_row_groups;
  reader->batch_rows_max = options->batch_rows_max;
  reader->merge_ranges = options->merge_ranges;
  frz_arena_init(&reader->arena, file->alloc, FRZ_LIMIT_OPEN_FILE_BYTES);
  frz_arena_init(&reader->index_arena, file->alloc, FRZ_LIMIT_OFFSET_INDEXES_BYTES);
  frz_buf_init(&reader->bytes, file->alloc, FRZ_LIMIT_OFFSET_INDEXES_BYTES);
  frz_buf_init(&reader->fetches, file->alloc, FRZ_LIMIT_OFFSET_INDEXES_BYTES);
  frz_buf_init(&reader->runs, file->alloc, FRZ_LIMIT_OFFSET_INDEXES_BYTES);
  frz_status st = make_reader(reader, options, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "parquet '%.*s': ", FRZ_STR_ARG(file->name));
    frz_parquet_reader_free(reader);
    return st;
  }
  *reader_out = reader;
  return FRZ_OK;
}

void frz_parquet_reader_free(frz_parquet_reader *reader)
{
  if (reader == NULL) return;
  for (size_t i = 0; i < reader->n_leaves; i++) frz_leaf_reader_dispose(&reader->leaves[i]);
  frz_buf_dispose(&reader->bytes);
  frz_buf_dispose(&reader->fetches);
  frz_buf_dispose(&reader->runs);
  frz_decompressor_dispose(&reader->decompressor);
  frz_arena_free(&reader->index_arena);
  frz_arena_free(&reader->arena);
  frz_alloc_free(reader->alloc, reader, sizeof *reader);
}

const frz_arrow_field *frz_parquet_reader_fields(const frz_parquet_reader *reader,
                                                 size_t *n_fields_out)
{
  *n_fields_out = reader->n_fields;
  return reader->fields;
}

/* ---- row groups ---- */

static frz_status where_leaf(const frz_parquet_reader *reader, const frz_leaf_reader *leaf,
                             frz_status st, frz_error *err)
{
  if (st == FRZ_OK || err == NULL) return st;
  char path[FRZ_PARQUET_PATH_BYTES];
  frz_parquet_node_path(leaf->leaf, path);
  frz_error_where(err, "row group %zu, column '%s', page at offset %lld: ", reader->group, path,
                  (long long)leaf->page_offset);
  return st;
}

static const frz_parquet_chunk *chunk_of(const frz_parquet_reader *reader, size_t leaf)
{
  const frz_parquet_row_group *group = &reader->file->metadata.row_groups[reader->group];
  return &group->chunks[reader->leaves[leaf].leaf->leaf_index];
}

static bool wants_index(const frz_parquet_reader *reader, const frz_parquet_chunk *chunk)
{
  if (chunk->offset_index_offset <= 0 || chunk->offset_index_bytes > FRZ_LIMIT_OFFSET_INDEX_BYTES)
    return false;
  return !reader->file->is_far || chunk->compressed_bytes >= FAR_CHUNK_BYTES_MIN;
}

static frz_status run_fetches(frz_parquet_reader *reader, frz_error *err)
{
  size_t n = reader->fetches.size / sizeof(frz_range);
  if (n == 0) return FRZ_OK;
  return reader->file->source->read_ranges(
      reader->file->source, (const frz_range *)(const void *)reader->fetches.data, n, err);
}

/* The offset indexes of the selected chunks, in one read; `places` by place in leaves. */
static frz_status read_indexes(frz_parquet_reader *reader, frz_page_places *places, frz_error *err)
{
  const frz_parquet_row_group *group = &reader->file->metadata.row_groups[reader->group];
  int64_t file_bytes = reader->file->source->size_bytes;
  size_t total = 0;
  for (size_t i = 0; i < reader->n_leaves; i++)
    if (wants_index(reader, chunk_of(reader, i)))
      total += (size_t)chunk_of(reader, i)->offset_index_bytes;
  if (total == 0 || total > FRZ_LIMIT_OFFSET_INDEXES_BYTES) return FRZ_OK;
  FRZ_TRY(frz_buf_resize(&reader->bytes, total, err));
  reader->fetches.size = 0;
  size_t at = 0;
  for (size_t i = 0; i < reader->n_leaves; i++) {
    const frz_parquet_chunk *chunk = chunk_of(reader, i);
    if (!wants_index(reader, chunk)) continue;
    size_t size = (size_t)chunk->offset_index_bytes;
    frz_range range = {chunk->offset_index_offset, size, reader->bytes.data + at};
    FRZ_TRY(frz_buf_append(&reader->fetches, &range, sizeof range, err));
    at += size;
  }
  FRZ_TRY(run_fetches(reader, err));
  at = 0;
  for (size_t i = 0; i < reader->n_leaves; i++) {
    const frz_parquet_chunk *chunk = chunk_of(reader, i);
    if (!wants_index(reader, chunk)) continue;
    size_t size = (size_t)chunk->offset_index_bytes;
    FRZ_TRY(frz_offset_index_parse(reader->bytes.data + at, size, chunk, group->n_rows, file_bytes,
                                   &reader->index_arena, &places[i], err));
    at += size;
  }
  return FRZ_OK;
}

/* How many ranges, from the current one, touch the row group, and whether they cover it whole. */
static size_t ranges_of_group(const frz_parquet_reader *reader, const frz_parquet_row_group *group,
                              bool *is_whole_out)
{
  int64_t end = group->first_row + group->n_rows;
  size_t n = 0;
  int64_t n_rows = 0;
  for (size_t i = reader->range; i < reader->n_ranges && reader->ranges[i].first < end; i++, n++) {
    int64_t first =
        reader->ranges[i].first > group->first_row ? reader->ranges[i].first : group->first_row;
    n_rows += (reader->ranges[i].last < end ? reader->ranges[i].last : end) - first;
  }
  *is_whole_out = n_rows == group->n_rows;
  return n;
}

/* Bytes of a row, from the chunks' sizes: wide rows make short batches. */
static int64_t rows_that_fit(const frz_parquet_reader *reader, const frz_parquet_row_group *group)
{
  int64_t bytes = 0;
  for (size_t i = 0; i < reader->n_leaves; i++) {
    int64_t chunk = chunk_of(reader, i)->uncompressed_bytes;
    bytes = chunk > INT64_MAX - bytes ? INT64_MAX : bytes + chunk;
  }
  int64_t row_bytes = bytes / (group->n_rows > 0 ? group->n_rows : 1) + 1;
  int64_t rows = BATCH_BYTES_MAX / row_bytes;
  if (rows < 1) rows = 1;
  return rows < reader->batch_rows_max ? rows : reader->batch_rows_max;
}

/* What a column may fetch at once: all columns together hold bounded memory. From far away whole
 * chunks come where they fit, so that a row group is one call. */
static size_t window_bytes(const frz_parquet_reader *reader)
{
  size_t longest = 0, total = 0;
  for (size_t i = 0; i < reader->n_leaves; i++) {
    size_t chunk = (size_t)chunk_of(reader, i)->compressed_bytes;
    if (chunk > longest) longest = chunk;
    total = chunk < WINDOW_BYTES_TOTAL - total ? total + chunk : WINDOW_BYTES_TOTAL;
  }
  if (reader->file->is_far && total < WINDOW_BYTES_TOTAL && longest > 0) return longest;
  size_t share = reader->n_leaves > 0 ? WINDOW_BYTES_TOTAL / reader->n_leaves : 1;
  size_t bytes = reader->file->is_far ? WINDOW_BYTES_FAR : WINDOW_BYTES_NEAR;
  if (bytes > share) bytes = share;
  return bytes > WINDOW_BYTES_MIN ? bytes : WINDOW_BYTES_MIN;
}

/* From far away, the first windows of all columns come in one call. */
static frz_status fetch_ahead(frz_parquet_reader *reader, frz_error *err)
{
  reader->fetches.size = 0;
  for (size_t i = 0; i < reader->n_leaves; i++) {
    frz_page_stream *pages = &reader->leaves[i].pages;
    FRZ_TRY(frz_page_stream_plan(pages, err));
    FRZ_TRY(frz_buf_append(&reader->fetches, pages->ranges.data, pages->ranges.size, err));
    pages->ranges.size = 0;
  }
  return run_fetches(reader, err);
}

static frz_status open_group(frz_parquet_reader *reader, size_t index, frz_error *err)
{
  const frz_parquet_row_group *group = &reader->file->metadata.row_groups[index];
  bool is_whole = true;
  size_t n_ranges = ranges_of_group(reader, group, &is_whole);
  reader->group = index;
  reader->group_batch_rows = rows_that_fit(reader, group);
  frz_arena_free(&reader->index_arena);
  frz_arena_init(&reader->index_arena, reader->alloc, FRZ_LIMIT_OFFSET_INDEXES_BYTES);
  frz_page_places *places = frz_arena_array(&reader->index_arena, reader->n_leaves, sizeof *places);
  if (places == NULL) return frz_fail_nomem(err, "offset indexes");
  if (!is_whole) FRZ_TRY(read_indexes(reader, places, err));
  size_t window = window_bytes(reader);
  for (size_t i = 0; i < reader->n_leaves; i++) {
    frz_leaf_reader *leaf = &reader->leaves[i];
    frz_status st = frz_leaf_reader_open(
        leaf, chunk_of(reader, i), group->n_rows, reader->file->source->size_bytes, &places[i],
        reader->ranges + reader->range, n_ranges, group->first_row, window, err);
    FRZ_TRY(where_leaf(reader, leaf, st, err));
  }
  return reader->file->is_far ? fetch_ahead(reader, err) : FRZ_OK;
}

/* ---- batches ---- */

/* The row group that holds the next row, opened. */
static frz_status find_group(frz_parquet_reader *reader, frz_error *err)
{
  const frz_parquet_metadata *metadata = &reader->file->metadata;
  size_t i = reader->group < metadata->n_row_groups ? reader->group : 0;
  while (reader->row >= metadata->row_groups[i].first_row + metadata->row_groups[i].n_rows) i++;
  assert(i < metadata->n_row_groups);
  return i == reader->group ? FRZ_OK : open_group(reader, i, err);
}

/* The next rows to give, as runs in the open row group; moves past them. */
static frz_status take_runs(frz_parquet_reader *reader, int64_t *n_rows_out, frz_error *err)
{
  const frz_parquet_row_group *group = &reader->file->metadata.row_groups[reader->group];
  int64_t group_end = group->first_row + group->n_rows;
  int64_t left = reader->group_batch_rows;
  reader->runs.size = 0;
  do {
    int64_t last = reader->ranges[reader->range].last;
    int64_t end = last < group_end ? last : group_end;
    int64_t n = end - reader->row < left ? end - reader->row : left;
    frz_row_run run = {reader->row - group->first_row, n};
    FRZ_TRY(frz_buf_append(&reader->runs, &run, sizeof run, err));
    reader->row += n;
    left -= n;
    if (reader->row == last && ++reader->range < reader->n_ranges)
      reader->row = reader->ranges[reader->range].first;
  } while (reader->merge_ranges && left > 0 && reader->range < reader->n_ranges &&
           reader->row < group_end);
  *n_rows_out = reader->group_batch_rows - left;
  return FRZ_OK;
}

static frz_column *leaf_column(const frz_parquet_shape *shape, frz_column *column,
                               const frz_parquet_node *leaf)
{
  if (shape->kind == FRZ_SHAPE_LEAF) return shape->node == leaf ? column : NULL;
  for (size_t i = 0; i < shape->n_children; i++) {
    frz_column *found = leaf_column(&shape->children[i], &column->children[i], leaf);
    if (found != NULL) return found;
  }
  return NULL;
}

/* Room for as much as the batch before needed, an eighth more since rows differ, and less where
 * rows are fewer: a buffer that grows is copied. Nothing here comes from what a file claims. */
static frz_status reserve_rows(const frz_leaf_reader *leaf, frz_column *column, int64_t n_rows,
                               frz_error *err)
{
  if (leaf->max_rep == 0) FRZ_TRY(frz_column_reserve(column, n_rows, err));
  if (leaf->last_rows == 0) return FRZ_OK;
  double share = n_rows < leaf->last_rows ? (double)n_rows / (double)leaf->last_rows : 1.0;
  share *= 1.125;
  if (leaf->max_rep > 0)
    FRZ_TRY(frz_column_reserve(column, (int64_t)((double)leaf->last_slots * share), err));
  size_t bytes = (size_t)((double)leaf->last_bytes * share);
  if (!leaf->is_byte_list || bytes > column->values.max_bytes) return FRZ_OK;
  return frz_buf_reserve(&column->values, bytes, err);
}

/* What a leaf keeps from one batch to the next. */
static size_t kept_bytes(const frz_leaf_reader *leaf)
{
  const frz_dictionary_reader *dictionary = &leaf->dictionary;
  return leaf->pages.body.capacity + dictionary->values.capacity + dictionary->offsets.capacity +
         dictionary->bytes.capacity + leaf->scratch.capacity + leaf->old_def.capacity +
         leaf->old_rep.capacity + leaf->def_levels.capacity + leaf->rep_levels.capacity;
}

static size_t column_bytes(const frz_column *column)
{
  return column->values.capacity + column->offsets.capacity + column->validity.capacity;
}

/* How much all columns of a batch may hold: limits.h says why. */
static size_t reader_bytes_max(const frz_parquet_reader *reader)
{
  size_t file_bytes = (size_t)reader->file->source->size_bytes;
  if (file_bytes > (SIZE_MAX - FRZ_LIMIT_READER_BYTES) / FRZ_LIMIT_READER_FACTOR) return SIZE_MAX;
  return FRZ_LIMIT_READER_BYTES + file_bytes * FRZ_LIMIT_READER_FACTOR;
}

static frz_status read_runs(frz_parquet_reader *reader, frz_leaf_reader *leaf, frz_column *column,
                            int64_t n_rows, frz_error *err)
{
  const frz_row_run *runs = (const frz_row_run *)(const void *)reader->runs.data;
  FRZ_TRY(reserve_rows(leaf, column, n_rows, err));
  FRZ_TRY(frz_leaf_reader_read(leaf, runs, reader->runs.size / sizeof *runs, column, err));
  leaf->last_rows = n_rows;
  leaf->last_slots = column->n_rows;
  leaf->last_bytes = column->values.size;
  return FRZ_OK;
}

/* No buffer may grow beyond what the columns before have left. */
static frz_status read_leaf(frz_parquet_reader *reader, frz_leaf_reader *leaf, frz_column *column,
                            int64_t n_rows, frz_error *err)
{
  size_t most = reader_bytes_max(reader);
  size_t left = reader->held_bytes < most ? most - reader->held_bytes : 0;
  size_t values_max = column->values.max_bytes;
  size_t levels_max = left < FRZ_LIMIT_BATCH_LEVELS ? left : FRZ_LIMIT_BATCH_LEVELS;
  reader->held_bytes -= kept_bytes(leaf);
  frz_leaf_reader_start_batch(leaf);
  leaf->def_levels.max_bytes = leaf->rep_levels.max_bytes = levels_max;
  if (left < values_max) column->values.max_bytes = left;
  frz_status st = read_runs(reader, leaf, column, n_rows, err);
  column->values.max_bytes = values_max;
  reader->held_bytes += kept_bytes(leaf) + column_bytes(column);
  if (st != FRZ_OK || reader->held_bytes <= most) return st;
  return frz_fail(err, FRZ_ERR_LIMIT,
                  "the columns up to this one hold %zu bytes for %lld rows of a file of %lld; at "
                  "most %zu are allowed",
                  reader->held_bytes, (long long)n_rows,
                  (long long)reader->file->source->size_bytes, most);
}

static frz_kept_levels levels_of(void *ctx, int32_t leaf_index)
{
  frz_parquet_reader *reader = ctx;
  const frz_leaf_reader *leaf = &reader->leaves[reader->leaf_slots[leaf_index]];
  assert(leaf->keep_levels);
  return (frz_kept_levels){leaf->def_levels.data, leaf->max_rep > 0 ? leaf->rep_levels.data : NULL,
                           leaf->def_levels.size};
}

static frz_status read_columns(frz_parquet_reader *reader, frz_batch *batch, int64_t n_rows,
                               frz_error *err)
{
  size_t leaf = 0;
  reader->held_bytes = 0;
  for (size_t i = 0; i < reader->n_leaves; i++)
    reader->held_bytes += kept_bytes(&reader->leaves[i]);
  for (size_t i = 0; i < reader->n_fields; i++) {
    const frz_parquet_shape *shape = &reader->shapes[i];
    FRZ_TRY(frz_context_check(reader->file->context, err)); /* a few rows may lie in many pages */
    /* Leaves stand in file order, so those of a field follow each other. */
    for (; leaf < reader->n_leaves; leaf++) {
      frz_column *column = leaf_column(shape, &batch->columns[i], reader->leaves[leaf].leaf);
      if (column == NULL) break;
      frz_status st = read_leaf(reader, &reader->leaves[leaf], column, n_rows, err);
      FRZ_TRY(where_leaf(reader, &reader->leaves[leaf], st, err));
    }
    FRZ_TRY(frz_column_assemble(shape, &batch->columns[i], levels_of, reader, err));
    if (batch->columns[i].n_rows != n_rows)
      return frz_fail(err, FRZ_ERR_CORRUPT, "column '%.*s' has %lld of %lld rows",
                      FRZ_STR_ARG(shape->node->name), (long long)batch->columns[i].n_rows,
                      (long long)n_rows);
  }
  return FRZ_OK;
}

static frz_status next_batch(frz_parquet_reader *reader, frz_batch *batch_out,
                             int64_t *first_row_out, frz_error *err)
{
  int64_t n_rows = 0;
  frz_batch batch = {.alloc = reader->alloc};
  FRZ_TRY(frz_context_check(reader->file->context, err));
  if (reader->range == reader->n_ranges) {
    *batch_out = batch;
    *first_row_out = reader->file->metadata.n_rows;
    return FRZ_OK;
  }
  int64_t first_row = reader->row;
  FRZ_TRY(find_group(reader, err));
  FRZ_TRY(take_runs(reader, &n_rows, err));
  FRZ_TRY(frz_batch_init(&batch, reader->fields, reader->n_fields, reader->alloc, err));
  frz_status st = read_columns(reader, &batch, n_rows, err);
  if (st != FRZ_OK) {
    frz_batch_dispose(&batch);
    return st;
  }
  batch.n_rows = n_rows;
  *batch_out = batch;
  *first_row_out = first_row;
  return FRZ_OK;
}

frz_status frz_parquet_reader_next(frz_parquet_reader *reader, frz_batch *batch_out,
                                   int64_t *first_row_out, frz_error *err)
{
  frz_status st = next_batch(reader, batch_out, first_row_out, err);
  if (st != FRZ_OK) frz_error_where(err, "parquet '%.*s': ", FRZ_STR_ARG(reader->file->name));
  return st;
}
