/*
 * arrow_batch.c - columns that are built value by value, given away as an Arrow stream of one
 * batch.
 *
 * The stream owns the columns; what it gives out (schema, batch) owns copies of names and the
 * columns' buffers, so that each may outlive the others.
 *
 * Source: Apache Arrow, "The Arrow C data interface", "The Arrow C stream interface".
 */
#include "arrow_batch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server_fail.h"

static const size_t column_bytes_max = (size_t)INT32_MAX;

/* ---- building ---- */

static bool has_offsets(frz_value_kind kind)
{
  return kind == FRZ_VALUE_STRING || kind == FRZ_VALUE_BYTES || kind == FRZ_VALUE_SERIALIZED ||
         kind == FRZ_VALUE_LIST;
}

static void put_offset(batch_column *column, int64_t offset)
{
  int32_t narrow = (int32_t)offset;
  if (offset > INT32_MAX) column->offsets.failed = true;
  text_put(&column->offsets, (const char *)&narrow, sizeof narrow);
}

static bool init_column(batch_column *column, const char *name, frz_value_kind kind)
{
  *column = (batch_column){.kind = kind, .name = strdup(name)};
  text_out_init(&column->data, column_bytes_max);
  text_out_init(&column->offsets, column_bytes_max);
  text_out_init(&column->validity, column_bytes_max);
  if (has_offsets(kind)) put_offset(column, 0);
  return column->name != NULL;
}

static void dispose_column(batch_column *column)
{
  if (column->item != NULL) dispose_column(column->item);
  free(column->item);
  free(column->name);
  text_out_dispose(&column->data);
  text_out_dispose(&column->offsets);
  text_out_dispose(&column->validity);
}

frz_status arrow_batch_create(size_t n_columns, arrow_batch *batch_out, frz_error *err)
{
  batch_column *columns = calloc(n_columns + 1, sizeof *columns);
  if (columns == NULL)
    return server_fail(err, FRZ_ERR_NOMEM, "no memory for %zu columns", n_columns);
  *batch_out = (arrow_batch){.columns = columns, .capacity = n_columns};
  return FRZ_OK;
}

void arrow_batch_dispose(arrow_batch *batch)
{
  for (size_t i = 0; i < batch->n_columns; i++) dispose_column(&batch->columns[i]);
  free(batch->columns);
  *batch = (arrow_batch){0};
}

frz_status arrow_batch_add(arrow_batch *batch, const char *name, frz_value_kind kind,
                           frz_value_kind item_kind, batch_column **column_out, frz_error *err)
{
  assert(batch->n_columns < batch->capacity);
  batch_column *column = &batch->columns[batch->n_columns++];
  bool fine = init_column(column, name, kind);
  if (fine && kind == FRZ_VALUE_LIST) {
    column->item = calloc(1, sizeof *column->item);
    fine = column->item != NULL && init_column(column->item, "element", item_kind);
  }
  if (!fine) return server_fail(err, FRZ_ERR_NOMEM, "no memory for column '%s'", name);
  *column_out = column;
  return FRZ_OK;
}

static void put_bit(text_out *bits, int64_t at, bool bit)
{
  if (at % 8 == 0) text_put_byte(bits, 0);
  if (bit && !bits->failed) bits->data[at / 8] = (char)(bits->data[at / 8] | 1 << (at % 8));
}

static void count_value(batch_column *column, bool is_valid)
{
  put_bit(&column->validity, column->n_values, is_valid);
  column->n_values++;
  column->n_nulls += !is_valid;
  if (column->kind == FRZ_VALUE_LIST)
    put_offset(column, column->item->n_values);
  else if (has_offsets(column->kind))
    put_offset(column, (int64_t)column->data.size);
}

static size_t width_of(frz_value_kind kind)
{
  return kind == FRZ_VALUE_INT32 || kind == FRZ_VALUE_FLOAT ? 4 : 8;
}

void batch_column_put(batch_column *column, const frz_value *value)
{
  text_out *data = &column->data;
  switch (column->kind) {
  case FRZ_VALUE_BOOL: put_bit(data, column->n_values, value->as.boolean); break;
  case FRZ_VALUE_INT32: text_put(data, (const char *)&value->as.i32, 4); break;
  case FRZ_VALUE_FLOAT: text_put(data, (const char *)&value->as.f32, 4); break;
  case FRZ_VALUE_INT64:
  case FRZ_VALUE_TIMESTAMP: text_put(data, (const char *)&value->as.i64, 8); break;
  case FRZ_VALUE_DOUBLE: text_put(data, (const char *)&value->as.f64, 8); break;
  case FRZ_VALUE_STRING:
  case FRZ_VALUE_BYTES:
  case FRZ_VALUE_SERIALIZED:
    text_put(data, value->as.bytes.data, value->as.bytes.size_bytes);
    break;
  case FRZ_VALUE_LIST:
  case FRZ_VALUE_NULL: assert(false && "a list is ended, a null put as one"); break;
  }
  count_value(column, true);
}

void batch_column_put_null(batch_column *column)
{
  static const char zeros[8] = {0};
  if (column->kind == FRZ_VALUE_BOOL)
    put_bit(&column->data, column->n_values, false);
  else if (!has_offsets(column->kind))
    text_put(&column->data, zeros, width_of(column->kind));
  count_value(column, false);
}

void batch_column_end_list(batch_column *column)
{
  count_value(column, true);
}

/* ---- schema ---- */

static const char *format_of(frz_value_kind kind)
{
  switch (kind) {
  case FRZ_VALUE_BOOL: return "b";
  case FRZ_VALUE_INT32: return "i";
  case FRZ_VALUE_INT64: return "l";
  case FRZ_VALUE_FLOAT: return "f";
  case FRZ_VALUE_DOUBLE: return "g";
  case FRZ_VALUE_TIMESTAMP: return "tsu:UTC";
  case FRZ_VALUE_STRING: return "u";
  case FRZ_VALUE_LIST: return "+l";
  case FRZ_VALUE_BYTES:
  case FRZ_VALUE_SERIALIZED: return "z";
  case FRZ_VALUE_NULL: break;
  }
  return "n";
}

static void release_schema(struct ArrowSchema *schema)
{
  for (int64_t i = 0; i < schema->n_children; i++) {
    struct ArrowSchema *child = schema->children[i];
    if (child != NULL && child->release != NULL) child->release(child);
    free(child);
  }
  free(schema->children);
  free(schema->private_data);
  schema->release = NULL;
}

/* A node with room for children; its name is its private data. */
static bool init_schema(struct ArrowSchema *schema, const char *name, const char *format,
                        int64_t flags, size_t n_children)
{
  *schema = (struct ArrowSchema){.format = format, .flags = flags, .release = release_schema};
  char *copy = strdup(name);
  schema->name = copy;
  schema->private_data = copy;
  schema->children = calloc(n_children + 1, sizeof *schema->children);
  if (copy == NULL || schema->children == NULL) return false;
  for (size_t i = 0; i < n_children; i++) {
    schema->children[i] = calloc(1, sizeof *schema->children[i]);
    if (schema->children[i] == NULL) return false;
    schema->n_children++;
  }
  return true;
}

static bool column_schema(const batch_column *column, struct ArrowSchema *schema)
{
  int64_t flags = column->is_required ? 0 : ARROW_FLAG_NULLABLE;
  size_t n_children = column->item != NULL;
  if (!init_schema(schema, column->name, format_of(column->kind), flags, n_children)) return false;
  return column->item == NULL || column_schema(column->item, schema->children[0]);
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
  const arrow_batch *batch = stream->private_data;
  bool fine = init_schema(out, "", "+s", 0, batch->n_columns);
  for (size_t i = 0; fine && i < batch->n_columns; i++)
    fine = column_schema(&batch->columns[i], out->children[i]);
  if (fine) return 0;
  release_schema(out);
  return ENOMEM;
}

/* ---- arrays ---- */

/* Buffers are of malloc(); NULL where there is none. */
static void release_array(struct ArrowArray *array)
{
  for (int64_t i = 0; i < array->n_children; i++) {
    struct ArrowArray *child = array->children[i];
    if (child != NULL && child->release != NULL) child->release(child);
    free(child);
  }
  for (int64_t i = 0; i < array->n_buffers; i++) free((void *)(uintptr_t)array->buffers[i]);
  free(array->children);
  free(array->buffers);
  array->release = NULL;
}

static bool init_array(struct ArrowArray *array, int64_t length, int64_t n_buffers,
                       size_t n_children)
{
  *array = (struct ArrowArray){.length = length, .release = release_array};
  array->buffers = calloc((size_t)n_buffers, sizeof *array->buffers);
  array->children = calloc(n_children + 1, sizeof *array->children);
  if (array->buffers == NULL || array->children == NULL) return false;
  array->n_buffers = n_buffers;
  for (size_t i = 0; i < n_children; i++) {
    array->children[i] = calloc(1, sizeof *array->children[i]);
    if (array->children[i] == NULL) return false;
    array->n_children++;
  }
  return true;
}

/* Move a column's bytes out; a consumer may not be given NULL where there must be a buffer. */
static const void *take_buffer(text_out *from)
{
  if (from->data == NULL) return calloc(1, 8);
  const void *data = from->data;
  *from = (text_out){.size_max = from->size_max};
  return data;
}

static bool column_array(batch_column *column, struct ArrowArray *array)
{
  bool is_list = column->kind == FRZ_VALUE_LIST;
  int64_t n_buffers = has_offsets(column->kind) && !is_list ? 3 : 2;
  if (!init_array(array, column->n_values, n_buffers, is_list)) return false;
  array->null_count = column->n_nulls;
  if (column->n_nulls > 0) array->buffers[0] = take_buffer(&column->validity);
  if (has_offsets(column->kind)) array->buffers[1] = take_buffer(&column->offsets);
  if (!is_list) array->buffers[n_buffers - 1] = take_buffer(&column->data);
  if (array->buffers[1] == NULL || array->buffers[n_buffers - 1] == NULL) return false;
  return !is_list || column_array(column->item, array->children[0]);
}

/* The batch's length is in its last, unused column. */
static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
  arrow_batch *batch = stream->private_data;
  int64_t *n_rows = &batch->columns[batch->capacity].n_values;
  if (*n_rows < 0) {
    *out = (struct ArrowArray){0};
    return 0;
  }
  bool fine = init_array(out, *n_rows, 1, batch->n_columns);
  for (size_t i = 0; fine && i < batch->n_columns; i++)
    fine = column_array(&batch->columns[i], out->children[i]);
  *n_rows = -1;
  if (fine) return 0;
  release_array(out);
  return ENOMEM;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
  (void)stream;
  return "out of memory";
}

static void release_stream(struct ArrowArrayStream *stream)
{
  arrow_batch *batch = stream->private_data;
  arrow_batch_dispose(batch);
  free(batch);
  stream->release = NULL;
}

/* The part of a column, or of its items, that was refused something; NULL: none. */
static const text_out *failed_part(const batch_column *column)
{
  const text_out *parts[] = {&column->data, &column->offsets, &column->validity};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (parts[i]->failed) return parts[i];
  return column->item != NULL ? failed_part(column->item) : NULL;
}

frz_status arrow_batch_stream(arrow_batch *batch, int64_t n_rows,
                              struct ArrowArrayStream *stream_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  for (size_t i = 0; i < batch->n_columns && st == FRZ_OK; i++) {
    const text_out *failed = failed_part(&batch->columns[i]);
    if (failed != NULL) {
      char text[200];
      snprintf(text, sizeof text, "column '%.150s' has more than 2 GiB", batch->columns[i].name);
      st = text_out_failure(failed, text, err);
    }
    assert(st != FRZ_OK || batch->columns[i].n_values == n_rows);
  }
  arrow_batch *moved = st == FRZ_OK ? malloc(sizeof *moved) : NULL;
  if (moved == NULL) {
    arrow_batch_dispose(batch);
    return st != FRZ_OK ? st : server_fail(err, FRZ_ERR_NOMEM, "no memory for a stream");
  }
  *moved = *batch;
  *batch = (arrow_batch){0};
  moved->columns[moved->capacity].n_values = n_rows;
  *stream_out = (struct ArrowArrayStream){.get_schema = get_schema,
                                          .get_next = get_next,
                                          .get_last_error = get_last_error,
                                          .release = release_stream,
                                          .private_data = moved};
  return FRZ_OK;
}
