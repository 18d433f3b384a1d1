/*
 * avro_columns.c - see avro_columns.h: which records are read, batch by batch.
 *
 * A row's position is the number of records before it. Blocks outside the ranges are passed over
 * unopened, and so are all when no column is wanted: then their counts are the answer. A batch ends
 * early when its bytes are many, so that it stays small whatever a row is.
 *
 * What must stay true: `next_row` is the position of the next record, of which `left` are in the
 * open block, and `records` stands at it.
 */
#include "avro/avro_columns.h"

#include <assert.h>
#include <inttypes.h>

#include "avro/avro_blocks.h"
#include "avro/avro_shape.h"
#include "avro/avro_value.h"
#include "base/limits.h"

enum { HEADER_FIRST_BYTES = 64 << 10 };

/** Bytes of records, or of padding, after which a batch ends. */
#define BATCH_BYTES ((size_t)16 << 20)

struct frz_avro_table {
  const frz_alloc *alloc;
  frz_arena arena;
  frz_source *source;
  frz_str name;
  frz_buf header_bytes;
  frz_avro_header header;
  int64_t data_offset;
  frz_avro_column *columns;
  size_t n_columns;
};

struct frz_avro_columns_reader {
  const frz_alloc *alloc;
  const frz_avro_table *table;
  frz_arena arena;
  frz_avro_shape *shapes; /* one a column of the file */
  frz_arrow_field *fields;
  size_t n_fields;
  frz_row_range *ranges;
  size_t n_ranges, range;
  int64_t batch_rows_max;
  bool merge_ranges;
  frz_avro_blocks blocks;
  frz_reader records;
  bool is_open; /* the block's records are at hand: not only counted */
  int64_t left;
  int64_t next_row;
};

/* ---- the header ---- */

static frz_status try_header(frz_avro_table *table, frz_error *err)
{
  frz_reader in = frz_reader_of(table->header_bytes.data, table->header_bytes.size);
  frz_arena_free(&table->arena);
  frz_arena_init(&table->arena, table->alloc, FRZ_LIMIT_OPEN_FILE_BYTES);
  frz_status st = frz_avro_header_read(&in, &table->arena, &table->header, err);
  if (st != FRZ_OK) frz_error_where(err, "avro header, offset %zu: ", in.pos);
  table->data_offset = (int64_t)in.pos;
  return st;
}

/* Headers are short; one that seems to be cut is read again with twice the bytes. */
static frz_status read_header(frz_avro_table *table, frz_error *err)
{
  frz_buf *bytes = &table->header_bytes;
  size_t wanted = HEADER_FIRST_BYTES;
  for (;;) {
    size_t have = bytes->size;
    uint64_t file_bytes = (uint64_t)table->source->size_bytes;
    if (wanted > file_bytes) wanted = (size_t)file_bytes;
    FRZ_TRY(frz_buf_resize(bytes, wanted, err));
    if (wanted > have)
      FRZ_TRY(
          frz_source_read(table->source, (int64_t)have, wanted - have, bytes->data + have, err));
    frz_status st = try_header(table, err);
    bool is_whole = wanted == file_bytes || wanted == FRZ_LIMIT_AVRO_HEADER_BYTES;
    if (st == FRZ_ERR_CORRUPT && wanted < file_bytes && is_whole)
      return frz_fail(err, FRZ_ERR_LIMIT, "avro header: no end within the %zu bytes that are read",
                      FRZ_LIMIT_AVRO_HEADER_BYTES);
    if (st != FRZ_ERR_CORRUPT || is_whole || !frz_avro_has_magic(bytes->data, bytes->size))
      return st;
    wanted *= 2;
  }
}

static frz_status list_columns(frz_avro_table *table, frz_error *err)
{
  const frz_avro_type *root = table->header.schema;
  if (root->kind != FRZ_AVRO_RECORD)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "an avro file of values that are no records");
  table->columns = frz_arena_array(&table->arena, root->n_fields, sizeof *table->columns);
  if (table->columns == NULL) return frz_fail_nomem(err, "columns of an avro file");
  table->n_columns = root->n_fields;
  frz_avro_shaper shaper = {.arena = &table->arena};
  for (size_t i = 0; i < root->n_fields; i++) {
    frz_avro_column *column = &table->columns[i];
    frz_avro_shape unused;
    column->first_leaf = shaper.n_leaves;
    frz_status st = frz_avro_shape_make(&shaper, &root->fields[i], &unused, &column->field, err);
    if (st == FRZ_ERR_UNSUPPORTED) {
      column->is_unknown = true;
      column->field =
          (frz_arrow_field){.name = root->fields[i].name, .field_id = root->fields[i].field_id};
      shaper.n_leaves = column->first_leaf + 1;
    } else if (st != FRZ_OK) {
      return st;
    }
    column->n_leaves = shaper.n_leaves - column->first_leaf;
  }
  return FRZ_OK;
}

frz_status frz_avro_table_open(const frz_alloc *alloc, frz_source *source, frz_str name,
                               frz_avro_table **table_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_avro_table *table = frz_alloc_zeroed(alloc, sizeof *table);
  if (table == NULL) {
    frz_source_free(source);
    return frz_fail_nomem(err, "avro file");
  }
  table->alloc = alloc;
  table->source = source;
  frz_buf_init(&table->header_bytes, alloc, FRZ_LIMIT_AVRO_HEADER_BYTES);
  FRZ_TRY_OUT(read_header(table, err));
  FRZ_TRY_OUT(list_columns(table, err));
  table->name = frz_arena_copy(&table->arena, name);
  if (table->name.data == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "avro file"));
  *table_out = table;
  table = NULL;
out:
  if (st != FRZ_OK) frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(name));
  frz_avro_table_free(table);
  return st;
}

void frz_avro_table_free(frz_avro_table *table)
{
  if (table == NULL) return;
  frz_source_free(table->source);
  frz_buf_dispose(&table->header_bytes);
  frz_arena_free(&table->arena);
  frz_alloc_free(table->alloc, table, sizeof *table);
}

const frz_avro_column *frz_avro_table_columns(const frz_avro_table *table, size_t *n_columns_out)
{
  *n_columns_out = table->n_columns;
  return table->columns;
}

frz_status frz_avro_table_field(const frz_avro_table *table, size_t column, const bool *selected,
                                frz_arena *arena, frz_arrow_field *field_out, frz_error *err)
{
  frz_avro_shape unused;
  frz_avro_shaper shaper = {
      .arena = arena, .selected = selected, .n_leaves = table->columns[column].first_leaf};
  return frz_avro_shape_make(&shaper, &table->header.schema->fields[column], &unused, field_out,
                             err);
}

/* ---- readers ---- */

static bool is_selected(const frz_avro_column *column, const bool *selected)
{
  if (selected == NULL) return !column->is_unknown;
  for (size_t i = 0; i < column->n_leaves; i++)
    if (selected[column->first_leaf + i]) return true;
  return false;
}

static frz_status make_shapes(frz_avro_columns_reader *reader, const bool *selected, frz_error *err)
{
  const frz_avro_table *table = reader->table;
  size_t n = table->n_columns;
  reader->shapes = frz_arena_array(&reader->arena, n, sizeof *reader->shapes);
  reader->fields = frz_arena_array(&reader->arena, n, sizeof *reader->fields);
  if (reader->shapes == NULL || reader->fields == NULL)
    return frz_fail_nomem(err, "columns of an avro file");
  frz_avro_shaper shaper = {.arena = &reader->arena, .selected = selected};
  for (size_t i = 0; i < n; i++) {
    const frz_avro_field *field = &table->header.schema->fields[i];
    frz_avro_shape *shape = &reader->shapes[i];
    shape->stored = field->type;
    if (!is_selected(&table->columns[i], selected)) continue;
    shaper.n_leaves = table->columns[i].first_leaf;
    FRZ_TRY(frz_avro_shape_make(&shaper, field, shape, &reader->fields[reader->n_fields], err));
    shape->column = reader->n_fields++;
  }
  return FRZ_OK;
}

static frz_status copy_ranges(frz_avro_columns_reader *reader, const frz_avro_read_options *options,
                              frz_error *err)
{
  static const frz_row_range all = {0, INT64_MAX};
  const frz_row_range *ranges = options->ranges != NULL ? options->ranges : &all;
  size_t n = options->ranges != NULL ? options->n_ranges : 1;
  reader->ranges = frz_arena_array(&reader->arena, n, sizeof *reader->ranges);
  if (reader->ranges == NULL) return frz_fail_nomem(err, "row ranges");
  if (n != 0) memcpy(reader->ranges, ranges, n * sizeof *ranges);
  reader->n_ranges = n;
  return FRZ_OK;
}

frz_status frz_avro_columns_create(const frz_avro_table *table,
                                   const frz_avro_read_options *options,
                                   frz_avro_columns_reader **reader_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  assert(options->batch_rows_max > 0);
  frz_avro_columns_reader *reader = frz_alloc_zeroed(table->alloc, sizeof *reader);
  if (reader == NULL) return frz_fail_nomem(err, "avro reader");
  reader->alloc = table->alloc;
  reader->table = table;
  reader->batch_rows_max = options->batch_rows_max;
  reader->merge_ranges = options->merge_ranges;
  frz_arena_init(&reader->arena, table->alloc, FRZ_LIMIT_OPEN_FILE_BYTES);
  frz_avro_blocks_init(&reader->blocks, table->alloc, table->source, &table->header,
                       table->data_offset);
  FRZ_TRY_OUT(make_shapes(reader, options->selected_leaves, err));
  FRZ_TRY_OUT(copy_ranges(reader, options, err));
  *reader_out = reader;
  reader = NULL;
out:
  frz_avro_columns_free(reader);
  return st;
}

void frz_avro_columns_free(frz_avro_columns_reader *reader)
{
  if (reader == NULL) return;
  frz_avro_blocks_dispose(&reader->blocks);
  frz_arena_free(&reader->arena);
  frz_alloc_free(reader->alloc, reader, sizeof *reader);
}

/* ---- rows ---- */

static frz_status skip_records(frz_avro_columns_reader *reader, int64_t n, frz_error *err)
{
  if (reader->is_open)
    for (int64_t i = 0; i < n; i++)
      FRZ_TRY(frz_avro_skip(&reader->records, reader->table->header.schema, err));
  reader->left -= n;
  reader->next_row += n;
  return FRZ_OK;
}

/* Look for a block with rows at or behind `first`; `more_out` false: the file ends before. */
static frz_status find_block(frz_avro_columns_reader *reader, int64_t first, bool *more_out,
                             frz_error *err)
{
  assert(reader->left == 0);
  *more_out = true;
  while (*more_out && reader->left == 0) {
    int64_t n = 0;
    if (reader->is_open && frz_reader_left(&reader->records) != 0)
      return frz_fail(err, FRZ_ERR_CORRUPT, "%zu bytes behind the last record",
                      frz_reader_left(&reader->records));
    reader->is_open = false;
    FRZ_TRY(frz_avro_blocks_next(&reader->blocks, &n, more_out, err));
    if (!*more_out) return FRZ_OK;
    if (n > INT64_MAX - reader->next_row)
      return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId64 " records", n);
    bool is_before = first - reader->next_row >= n;
    /* A count that the bytes may bear out is believed unseen. */
    bool is_counted = reader->n_fields == 0 && (uint64_t)n <= reader->blocks.data_bytes;
    if (is_before || is_counted) {
      FRZ_TRY(frz_avro_blocks_skip(&reader->blocks, err));
      if (is_before) reader->next_row += n;
      reader->left = is_before ? 0 : n;
      continue;
    }
    FRZ_TRY(frz_avro_blocks_open(&reader->blocks, &reader->records, err));
    if ((uint64_t)n > reader->records.size)
      return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId64 " records in %zu bytes", n,
                      reader->records.size);
    reader->left = n;
    reader->is_open = true;
  }
  return FRZ_OK;
}

static frz_status decode_row(frz_avro_columns_reader *reader, frz_avro_decoder *decoder,
                             frz_batch *batch, frz_error *err)
{
  for (size_t i = 0; i < reader->table->n_columns; i++) {
    const frz_avro_shape *shape = &reader->shapes[i];
    frz_status st = shape->is_wanted
                        ? frz_avro_decode(decoder, shape, &batch->columns[shape->column], err)
                        : frz_avro_skip(decoder->in, shape->stored, err);
    if (st == FRZ_OK) continue;
    frz_error_where(err, "row %" PRId64 ", column '%.*s': ", reader->next_row,
                    FRZ_STR_ARG(reader->table->columns[i].field.name));
    return st;
  }
  return FRZ_OK;
}

/* Rows of the open block, up to `last` and to what a batch holds; `is_full_out`: no more into it.
 */
static frz_status take_rows(frz_avro_columns_reader *reader, frz_avro_decoder *decoder,
                            int64_t last, frz_batch *batch, size_t *batch_bytes, bool *is_full_out,
                            frz_error *err)
{
  int64_t n = last - reader->next_row < reader->left ? last - reader->next_row : reader->left;
  if (n > reader->batch_rows_max - batch->n_rows) n = reader->batch_rows_max - batch->n_rows;
  if (!reader->is_open) {
    batch->n_rows += n;
    *is_full_out = batch->n_rows == reader->batch_rows_max;
    return skip_records(reader, n, err);
  }
  for (int64_t i = 0; i < n && !*is_full_out; i++) {
    size_t start = reader->records.pos;
    FRZ_TRY(decode_row(reader, decoder, batch, err));
    *batch_bytes += reader->records.pos - start;
    batch->n_rows++;
    reader->next_row++;
    reader->left--;
    *is_full_out = batch->n_rows == reader->batch_rows_max || *batch_bytes >= BATCH_BYTES ||
                   decoder->padding_bytes >= BATCH_BYTES;
  }
  return FRZ_OK;
}

static frz_status fill_batch(frz_avro_columns_reader *reader, frz_batch *batch, int64_t *first_out,
                             frz_error *err)
{
  frz_avro_decoder decoder = {.in = &reader->records};
  size_t batch_bytes = 0;
  bool is_full = false;
  while (!is_full && reader->range < reader->n_ranges) {
    frz_row_range range = reader->ranges[reader->range];
    if (reader->next_row >= range.last) {
      reader->range++;
      is_full = batch->n_rows != 0 && !reader->merge_ranges;
      continue;
    }
    if (reader->left == 0) {
      bool more;
      FRZ_TRY(find_block(reader, range.first, &more, err));
      if (!more) return FRZ_OK;
    }
    if (reader->next_row < range.first) {
      int64_t before = range.first - reader->next_row;
      FRZ_TRY(skip_records(reader, before < reader->left ? before : reader->left, err));
      continue;
    }
    if (batch->n_rows == 0) *first_out = reader->next_row;
    FRZ_TRY(take_rows(reader, &decoder, range.last, batch, &batch_bytes, &is_full, err));
  }
  return FRZ_OK;
}

frz_status frz_avro_columns_next(frz_avro_columns_reader *reader, frz_batch *batch_out,
                                 int64_t *first_row_out, frz_error *err)
{
  frz_batch batch;
  int64_t first = 0;
  FRZ_TRY(frz_batch_init(&batch, reader->fields, reader->n_fields, reader->alloc, err));
  frz_status st = fill_batch(reader, &batch, &first, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(reader->table->name));
    frz_batch_dispose(&batch);
    return st;
  }
  *batch_out = batch;
  *first_row_out = first;
  return FRZ_OK;
}
