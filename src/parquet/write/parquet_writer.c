/*
 * parquet_writer.c - see parquet_writer.h.
 *
 * A batch is cut where a row group ends, and each piece given to every leaf's column writer, in
 * parallel where it is large. When a row group is full its chunks are closed in parallel and
 * written one behind the other; only their metadata stays in memory.
 *
 * Invariants: every column writer holds group_rows rows; after a failure nothing more is written.
 */
#include "parquet/write/parquet_writer.h"

#include <assert.h>

#include "parquet/write/footer_write.h"

enum { PARALLEL_VALUES_MIN = 16384 };

typedef enum writer_state { WRITER_OPEN, WRITER_FAILED, WRITER_FINISHED } writer_state;

struct frz_parquet_writer {
  frz_context *context;
  const frz_alloc *alloc;
  frz_parquet_write_options options;
  frz_sink *sink;
  int64_t start_bytes; /* of the sink when the file began */
  writer_state state;
  frz_arena arena; /* schema, key-values, summary */
  frz_write_schema schema;
  frz_column_writer *columns; /* by leaf */
  frz_compressors own_compressors;
  frz_compressors *compressors; /* those, or the caller's */
  size_t n_columns;
  int64_t group_rows;
  frz_footer footer;
};

void frz_parquet_write_options_init(frz_parquet_write_options *options)
{
  *options = (frz_parquet_write_options){
      .codec = FRZ_PARQUET_ZSTD,
      .row_group_rows_max = 1048576,
      .row_group_bytes = (int64_t)128 << 20,
      .page_bytes = (int64_t)1 << 20,
      .page_rows_max = 20000,
      .dictionary_bytes = (int64_t)2 << 20,
      .encodings = FRZ_ENCODINGS_DELTA,
      .bloom_bytes_max = (int64_t)1 << 20,
  };
}

/* ---- creation ---- */

static frz_status check_options(const frz_parquet_write_options *options, frz_error *err)
{
  if (options->row_group_rows_max < 1 || options->row_group_bytes < 1)
    return frz_fail(err, FRZ_ERR_INVALID, "Parquet row groups of %lld rows and %lld bytes",
                    (long long)options->row_group_rows_max, (long long)options->row_group_bytes);
  if (options->page_bytes < 1 || options->page_bytes > (int64_t)FRZ_LIMIT_PAGE_BYTES / 2 ||
      options->page_rows_max < 1 || options->page_rows_max > INT32_MAX / 2)
    return frz_fail(err, FRZ_ERR_INVALID, "Parquet pages of %lld rows and %lld bytes",
                    (long long)options->page_rows_max, (long long)options->page_bytes);
  if (options->dictionary_bytes < 0 ||
      options->dictionary_bytes > (int64_t)FRZ_LIMIT_PAGE_BYTES / 2)
    return frz_fail(err, FRZ_ERR_INVALID, "Parquet dictionaries of %lld bytes",
                    (long long)options->dictionary_bytes);
  for (size_t i = 0; i < options->n_blooms; i++)
    if (!(options->blooms[i].fpp > 0 && options->blooms[i].fpp < 1) || options->blooms[i].ndv < 0)
      return frz_fail(
          err, FRZ_ERR_INVALID, "Parquet bloom filter of field id %d: rate %g for %lld values",
          options->blooms[i].field_id, options->blooms[i].fpp, (long long)options->blooms[i].ndv);
  return FRZ_OK;
}

static frz_status choose_codec(frz_parquet_codec number, frz_codec *codec_out, frz_error *err)
{
  switch (number) {
  case FRZ_PARQUET_UNCOMPRESSED: *codec_out = FRZ_CODEC_NONE; return FRZ_OK;
  case FRZ_PARQUET_SNAPPY: *codec_out = FRZ_CODEC_SNAPPY; return FRZ_OK;
  case FRZ_PARQUET_GZIP: *codec_out = FRZ_CODEC_GZIP; return FRZ_OK;
  case FRZ_PARQUET_BROTLI: *codec_out = FRZ_CODEC_BROTLI; return FRZ_OK;
  case FRZ_PARQUET_ZSTD: *codec_out = FRZ_CODEC_ZSTD; return FRZ_OK;
  case FRZ_PARQUET_LZ4_RAW: *codec_out = FRZ_CODEC_LZ4_RAW; return FRZ_OK;
  case FRZ_PARQUET_LZ4:
  case FRZ_PARQUET_LZO: break;
  }
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "Parquet codec %d is not written", (int)number);
}

static frz_status copy_key_values(frz_parquet_writer *writer, frz_error *err)
{
  size_t n = writer->options.n_key_values;
  frz_parquet_key_value *copies = frz_arena_array(&writer->arena, n, sizeof *copies);
  if (copies == NULL) return frz_fail_nomem(err, "Parquet writer");
  for (size_t i = 0; i < n; i++) {
    copies[i].key = frz_arena_copy(&writer->arena, writer->options.key_values[i].key);
    copies[i].value = frz_arena_copy(&writer->arena, writer->options.key_values[i].value);
    if (copies[i].key.data == NULL || copies[i].value.data == NULL)
      return frz_fail_nomem(err, "Parquet writer");
  }
  writer->options.key_values = NULL; /* the caller's */
  writer->footer.key_values = copies;
  writer->footer.n_key_values = n;
  return FRZ_OK;
}

static frz_status find_sorting(frz_parquet_writer *writer, frz_error *err)
{
  size_t n = writer->options.n_sorting;
  frz_written_sorting *sorting = frz_arena_array(&writer->arena, n, sizeof *sorting);
  if (sorting == NULL) return frz_fail_nomem(err, "Parquet writer");
  for (size_t i = 0; i < n; i++) {
    const frz_parquet_sorting_column *from = &writer->options.sorting[i];
    size_t leaf = 0;
    while (leaf < writer->schema.n_leaves &&
           writer->schema.leaves[leaf].node->field_id != from->field_id)
      leaf++;
    if (from->field_id < 0 || leaf == writer->schema.n_leaves)
      return frz_fail(err, FRZ_ERR_INVALID, "Parquet sorting column: no leaf has field id %d",
                      from->field_id);
    sorting[i] = (frz_written_sorting){(int32_t)leaf, from->descending, from->nulls_first};
  }
  writer->options.sorting = NULL; /* the caller's */
  writer->footer.sorting = sorting;
  writer->footer.n_sorting = n;
  return FRZ_OK;
}

static frz_status start_columns(frz_parquet_writer *writer, frz_error *err)
{
  size_t n = writer->schema.n_leaves;
  writer->columns = frz_alloc_array(writer->alloc, n, sizeof *writer->columns);
  if (writer->columns == NULL) return frz_fail_nomem(err, "Parquet writer");
  writer->n_columns = n;
  for (size_t i = 0; i < n; i++)
    frz_column_writer_init(&writer->columns[i], &writer->schema.leaves[i], &writer->options,
                           writer->footer.codec, writer->compressors, writer->alloc);
  writer->options.blooms = NULL; /* the caller's; columns took what they need */
  writer->options.n_blooms = 0;
  return FRZ_OK;
}

frz_status frz_parquet_writer_create(frz_context *context, const frz_arrow_field *fields,
                                     size_t n_fields, frz_sink *sink,
                                     const frz_parquet_write_options *options,
                                     frz_parquet_writer **writer_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_parquet_writer *writer = frz_alloc_zeroed(alloc, sizeof *writer);
  if (writer == NULL) return frz_fail_nomem(err, "Parquet writer");
  writer->context = context;
  writer->alloc = alloc;
  writer->sink = sink;
  writer->start_bytes = sink->written_bytes;
  if (options != NULL)
    writer->options = *options;
  else
    frz_parquet_write_options_init(&writer->options);
  bool is_lent = writer->options.compressors != NULL;
  writer->compressors = is_lent ? writer->options.compressors : &writer->own_compressors;
  frz_footer *footer = &writer->footer;
  footer->schema = &writer->schema;
  footer->codec_number = writer->options.codec;
  footer->data_page_v2 = writer->options.data_page_v2;
  frz_arena_init(&writer->arena, alloc, FRZ_LIMIT_PARQUET_FOOTER_BYTES);
  frz_arena_init(&footer->arena, alloc, FRZ_LIMIT_PARQUET_FOOTER_BYTES);
  frz_buf_init(&footer->row_groups, alloc, FRZ_LIMIT_PARQUET_FOOTER_BYTES);
  frz_buf_init(&footer->column_indexes, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&footer->offset_indexes, alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(check_options(&writer->options, err));
  FRZ_TRY_OUT(choose_codec(writer->options.codec, &footer->codec, err));
  FRZ_TRY_OUT(frz_write_schema_build(fields, n_fields, &writer->arena, &writer->schema, err));
  FRZ_TRY_OUT(copy_key_values(writer, err));
  FRZ_TRY_OUT(find_sorting(writer, err));
  FRZ_TRY_OUT(start_columns(writer, err));
  FRZ_TRY_OUT(frz_sink_write(sink, "PAR1", 4, err));
  *writer_out = writer;
  writer = NULL;
out:
  frz_parquet_writer_free(writer);
  return st;
}

void frz_parquet_writer_free(frz_parquet_writer *writer)
{
  if (writer == NULL) return;
  for (size_t i = 0; i < writer->n_columns; i++) frz_column_writer_dispose(&writer->columns[i]);
  if (writer->columns != NULL)
    frz_alloc_free(writer->alloc, writer->columns, writer->n_columns * sizeof *writer->columns);
  frz_compressors_dispose(&writer->own_compressors);
  frz_buf_dispose(&writer->footer.row_groups);
  frz_buf_dispose(&writer->footer.column_indexes);
  frz_buf_dispose(&writer->footer.offset_indexes);
  frz_arena_free(&writer->footer.arena);
  frz_arena_free(&writer->arena);
  frz_alloc_free(writer->alloc, writer, sizeof *writer);
}

/* ---- row groups ---- */

static int64_t file_offset(const frz_parquet_writer *writer)
{
  return writer->sink->written_bytes - writer->start_bytes;
}

static frz_status close_column(void *arg, size_t i, frz_error *err)
{
  frz_parquet_writer *writer = arg;
  return frz_column_writer_close_chunk(&writer->columns[i], err);
}

static frz_status put(frz_parquet_writer *writer, const frz_buf *bytes, frz_error *err)
{
  if (bytes->size == 0) return FRZ_OK;
  return frz_sink_write(writer->sink, bytes->data, bytes->size, err);
}

static frz_status write_chunk(frz_parquet_writer *writer, size_t i, frz_written_chunk *chunk_out,
                              frz_error *err)
{
  frz_column_writer *column = &writer->columns[i];
  assert(column->chunk_rows == writer->group_rows);
  FRZ_TRY(frz_footer_add_chunk(&writer->footer, column, file_offset(writer), chunk_out, err));
  FRZ_TRY(put(writer, &column->dictionary_page, err));
  return frz_chunk_pages_write(&column->pages, writer->sink, err);
}

/* Behind the chunks of their row group, so that they need not wait in memory for the footer. */
static frz_status write_bloom(frz_parquet_writer *writer, size_t i, frz_written_chunk *chunk,
                              frz_error *err)
{
  frz_column_writer *column = &writer->columns[i];
  if (frz_bloom_is_on(&column->bloom)) {
    column->body.size = 0;
    FRZ_TRY(frz_bloom_append(&column->bloom, &column->body, err));
    chunk->bloom_offset = file_offset(writer);
    chunk->bloom_bytes = (int32_t)column->body.size;
    FRZ_TRY(put(writer, &column->body, err));
  }
  return frz_column_writer_next_chunk(column, err);
}

static frz_status end_row_group(frz_parquet_writer *writer, frz_error *err)
{
  if (writer->group_rows == 0) return FRZ_OK;
  frz_footer *footer = &writer->footer;
  FRZ_TRY(frz_parallel_for(writer->context, writer->n_columns, close_column, writer, err));
  frz_written_row_group group = {.n_rows = writer->group_rows, .offset = file_offset(writer)};
  group.chunks = frz_arena_array(&footer->arena, writer->n_columns, sizeof *group.chunks);
  if (group.chunks == NULL) return frz_fail_nomem(err, "Parquet row group");
  for (size_t i = 0; i < writer->n_columns; i++)
    FRZ_TRY(write_chunk(writer, i, &group.chunks[i], err));
  for (size_t i = 0; i < writer->n_columns; i++)
    FRZ_TRY(write_bloom(writer, i, &group.chunks[i], err));
  FRZ_TRY(frz_buf_append(&footer->row_groups, &group, sizeof group, err));
  footer->n_rows += writer->group_rows;
  writer->group_rows = 0;
  return FRZ_OK;
}

static int64_t held_bytes(const frz_parquet_writer *writer)
{
  size_t held = 0;
  for (size_t i = 0; i < writer->n_columns; i++)
    held += frz_column_writer_held(&writer->columns[i]);
  return (int64_t)held;
}

int64_t frz_parquet_writer_bytes(const frz_parquet_writer *writer)
{
  return file_offset(writer) + held_bytes(writer);
}

/* ---- batches ---- */

static frz_status check_column(const frz_arrow_field *field, const frz_column *column,
                               int64_t n_rows, frz_error *err)
{
  if (!frz_arrow_type_equal(field->type, column->type) || field->n_children != column->n_children)
    return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': the batch has another type than the file",
                    FRZ_STR_ARG(field->name));
  if (column->n_rows != n_rows && n_rows >= 0)
    return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': %lld rows, not %lld",
                    FRZ_STR_ARG(field->name), (long long)column->n_rows, (long long)n_rows);
  for (size_t i = 0; i < field->n_children; i++) {
    /* A list's elements are counted by its offsets. */
    int64_t n = field->type.kind == FRZ_ARROW_STRUCT ? column->n_rows : -1;
    FRZ_TRY(check_column(&field->children[i], &column->children[i], n, err));
  }
  return FRZ_OK;
}

typedef struct slice {
  frz_parquet_writer *writer;
  const frz_batch *batch;
  int64_t first;
  int64_t n;
} slice;

static frz_status append_column(void *arg, size_t i, frz_error *err)
{
  const slice *self = arg;
  frz_column_writer *column = &self->writer->columns[i];
  const frz_column *top = &self->batch->columns[column->plan->top_column];
  return frz_column_writer_append(column, top, self->first, self->n, err);
}

static frz_status append_slice(slice *self, frz_error *err)
{
  frz_parquet_writer *writer = self->writer;
  if (self->n * (int64_t)writer->n_columns >= PARALLEL_VALUES_MIN) {
    FRZ_TRY(frz_parallel_for(writer->context, writer->n_columns, append_column, self, err));
  } else {
    FRZ_TRY(frz_context_check(writer->context, err));
    for (size_t i = 0; i < writer->n_columns; i++) FRZ_TRY(append_column(self, i, err));
  }
  writer->group_rows += self->n;
  return FRZ_OK;
}

static frz_status write_rows(frz_parquet_writer *writer, const frz_batch *batch, int64_t first,
                             int64_t end, frz_error *err)
{
  const frz_write_schema *schema = &writer->schema;
  if (batch->n_columns != schema->n_fields)
    return frz_fail(err, FRZ_ERR_INVALID, "batch of %zu columns for a Parquet file of %zu",
                    batch->n_columns, schema->n_fields);
  for (size_t i = 0; i < schema->n_fields; i++)
    FRZ_TRY(check_column(&schema->fields[i], &batch->columns[i], batch->n_rows, err));
  while (first < end) {
    slice piece = {writer, batch, first, end - first};
    int64_t room = writer->options.row_group_rows_max - writer->group_rows;
    if (piece.n > room) piece.n = room;
    if (piece.n > FRZ_PARQUET_BATCH_ROWS) piece.n = FRZ_PARQUET_BATCH_ROWS;
    FRZ_TRY(append_slice(&piece, err));
    first += piece.n;
    if (writer->group_rows >= writer->options.row_group_rows_max ||
        held_bytes(writer) >= writer->options.row_group_bytes)
      FRZ_TRY(end_row_group(writer, err));
  }
  return FRZ_OK;
}

static frz_status check_open(const frz_parquet_writer *writer, frz_error *err)
{
  if (writer->state == WRITER_OPEN) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "Parquet writer: used after it failed or finished");
}

frz_status frz_parquet_writer_write_rows(frz_parquet_writer *writer, const frz_batch *batch,
                                         int64_t first, int64_t n, frz_error *err)
{
  assert(first >= 0 && n >= 0 && n <= batch->n_rows - first);
  FRZ_TRY(check_open(writer, err));
  frz_status st = write_rows(writer, batch, first, first + n, err);
  if (st != FRZ_OK) writer->state = WRITER_FAILED;
  return st;
}

frz_status frz_parquet_writer_write(frz_parquet_writer *writer, const frz_batch *batch,
                                    frz_error *err)
{
  return frz_parquet_writer_write_rows(writer, batch, 0, batch->n_rows, err);
}

size_t frz_parquet_writer_memory(const frz_parquet_writer *writer)
{
  size_t bytes = writer->arena.used_bytes + writer->footer.arena.used_bytes +
                 writer->footer.column_indexes.capacity + writer->footer.offset_indexes.capacity +
                 frz_compressors_memory(&writer->own_compressors);
  for (size_t i = 0; i < writer->n_columns; i++)
    bytes += frz_column_writer_memory(&writer->columns[i]);
  return bytes;
}

void frz_parquet_writer_relax(frz_parquet_writer *writer)
{
  for (size_t i = 0; i < writer->n_columns; i++) frz_column_writer_relax(&writer->columns[i]);
  frz_compressors_dispose(&writer->own_compressors);
}

frz_status frz_parquet_writer_flush(frz_parquet_writer *writer, frz_error *err)
{
  FRZ_TRY(check_open(writer, err));
  frz_status st = end_row_group(writer, err);
  if (st != FRZ_OK) writer->state = WRITER_FAILED;
  for (size_t i = 0; st == FRZ_OK && i < writer->n_columns; i++)
    frz_column_writer_trim(&writer->columns[i]);
  frz_compressors_dispose(&writer->own_compressors);
  return st;
}

/* ---- the end ---- */

static frz_status summarize_leaf(frz_parquet_writer *writer, const frz_column_writer *column,
                                 frz_buf *bytes, frz_parquet_leaf_summary *summary, frz_error *err)
{
  const frz_leaf_plan *plan = column->plan;
  bool is_float = plan->stored == FRZ_STORED_F16 || plan->stored == FRZ_STORED_F32 ||
                  plan->stored == FRZ_STORED_F64;
  summary->field_id = plan->node->field_id;
  summary->in_list = plan->in_list;
  summary->compressed_bytes = column->file_compressed_bytes;
  summary->n_values = column->file_levels;
  summary->n_nulls = column->file_nulls;
  summary->n_nans = is_float ? column->file_nans : -1;
  summary->type = plan->stored_type;
  summary->has_bounds = column->file_bounds.has && !plan->in_list;
  if (!summary->has_bounds) return FRZ_OK;
  bytes->size = 0;
  FRZ_TRY(frz_value_bound_arrow(plan, &column->file_bounds, false, bytes, err));
  summary->min = frz_arena_copy(&writer->arena, frz_buf_str(bytes));
  bytes->size = 0;
  FRZ_TRY(frz_value_bound_arrow(plan, &column->file_bounds, true, bytes, err));
  summary->max = frz_arena_copy(&writer->arena, frz_buf_str(bytes));
  if (summary->min.data == NULL || summary->max.data == NULL)
    return frz_fail_nomem(err, "Parquet summary");
  return FRZ_OK;
}

static frz_status summarize(frz_parquet_writer *writer, frz_buf *bytes,
                            frz_parquet_write_summary *summary_out, frz_error *err)
{
  const frz_footer *footer = &writer->footer;
  const frz_written_row_group *groups =
      (const frz_written_row_group *)(const void *)footer->row_groups.data;
  size_t n_groups = footer->row_groups.size / sizeof *groups;
  int64_t *offsets = frz_arena_array(&writer->arena, n_groups, sizeof *offsets);
  frz_parquet_leaf_summary *leaves =
      frz_arena_array(&writer->arena, writer->n_columns, sizeof *leaves);
  if (offsets == NULL || leaves == NULL) return frz_fail_nomem(err, "Parquet summary");
  for (size_t i = 0; i < n_groups; i++) offsets[i] = groups[i].offset;
  for (size_t i = 0; i < writer->n_columns; i++)
    FRZ_TRY(summarize_leaf(writer, &writer->columns[i], bytes, &leaves[i], err));
  *summary_out = (frz_parquet_write_summary){.file_bytes = file_offset(writer),
                                             .n_rows = footer->n_rows,
                                             .row_group_offsets = offsets,
                                             .n_row_groups = n_groups,
                                             .leaves = leaves,
                                             .n_leaves = writer->n_columns};
  return FRZ_OK;
}

static frz_status finish(frz_parquet_writer *writer, frz_buf *bytes,
                         frz_parquet_write_summary *summary_out, frz_error *err)
{
  frz_footer *footer = &writer->footer;
  FRZ_TRY(end_row_group(writer, err));
  int64_t column_indexes_offset = file_offset(writer);
  FRZ_TRY(put(writer, &footer->column_indexes, err));
  int64_t offset_indexes_offset = file_offset(writer);
  FRZ_TRY(put(writer, &footer->offset_indexes, err));
  FRZ_TRY(frz_footer_write(footer, column_indexes_offset, offset_indexes_offset, bytes, err));
  FRZ_TRY(put(writer, bytes, err));
  return summarize(writer, bytes, summary_out, err);
}

frz_status frz_parquet_writer_finish(frz_parquet_writer *writer,
                                     frz_parquet_write_summary *summary_out, frz_error *err)
{
  FRZ_TRY(check_open(writer, err));
  frz_buf bytes;
  frz_buf_init(&bytes, writer->alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_parquet_write_summary summary;
  frz_status st = finish(writer, &bytes, &summary, err);
  frz_buf_dispose(&bytes);
  writer->state = st == FRZ_OK ? WRITER_FINISHED : WRITER_FAILED;
  if (st == FRZ_OK && summary_out != NULL) *summary_out = summary;
  return st;
}
