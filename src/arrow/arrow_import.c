/*
 * arrow_import.c - foreign arrays into columns of the normal layouts.
 *
 * import_run() appends logical rows [first, first + n) of one array: the array's own offset is
 * added where buffers are touched, a struct's offset also where its children are. Validity is
 * copied first; the values follow, with what lies under a null zeroed or left out, as columns
 * promise. A NULL validity pointer means that all rows are present, whatever null_count says.
 *
 * Source: Apache Arrow, "The Arrow C data interface" and "Arrow Columnar Format".
 */
#include "arrow/arrow_import.h"

#include <string.h>

#include "arrow/arrow_format.h"
#include "arrow/bit_copy.h"
#include "arrow/column_parts.h"
#include "base/limits.h"

/* One array being read: a run of its rows. */
typedef struct run {
  const struct ArrowSchema *schema;
  const struct ArrowArray *array;
  frz_arrow_format format;
  int64_t first; /* logical */
  int64_t n;
  int64_t n_nulls;
  const uint8_t *validity; /* NULL: all present */
} run;

static frz_status fail_run(const run *self, const char *what, int64_t value, frz_error *err)
{
  const char *name = self->schema->name != NULL ? self->schema->name : "";
  return frz_fail(err, FRZ_ERR_INVALID, "Arrow column '%s' (%s): %s %lld", name,
                  self->schema->format, what, (long long)value);
}

static int64_t expected_buffers(const run *self)
{
  if (self->schema->dictionary != NULL) return 2;
  switch (self->format.layout) {
  case FRZ_LAYOUT_VIEW: return 3; /* and one for each variadic buffer */
  case FRZ_LAYOUT_FIXED_LIST: return 1;
  default: break;
  }
  switch (self->format.type.kind) {
  case FRZ_ARROW_NULL: return 0;
  case FRZ_ARROW_STRUCT: return 1;
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY: return 3;
  default: return 2;
  }
}

static frz_status check_array(const run *self, frz_error *err)
{
  const struct ArrowArray *array = self->array;
  int64_t wanted = expected_buffers(self);
  bool is_view = self->format.layout == FRZ_LAYOUT_VIEW;
  if (array->length < 0) return fail_run(self, "length", array->length, err);
  if (array->offset < 0 || array->offset > INT64_MAX / 64 - array->length)
    return fail_run(self, "offset", array->offset, err);
  if (self->first < 0 || self->n < 0 || self->first > array->length ||
      self->n > array->length - self->first)
    return fail_run(self, "rows past the length", array->length, err);
  if (is_view ? array->n_buffers < wanted : array->n_buffers != wanted)
    return fail_run(self, "number of buffers", array->n_buffers, err);
  if (wanted > 0 && array->buffers == NULL) return fail_run(self, "no buffers", 0, err);
  if (array->n_children != self->schema->n_children ||
      (array->n_children > 0 && array->children == NULL))
    return fail_run(self, "number of children", array->n_children, err);
  for (int64_t i = 0; i < array->n_children; i++)
    if (array->children[i] == NULL) return fail_run(self, "no child", i, err);
  if ((array->dictionary != NULL) != (self->schema->dictionary != NULL))
    return fail_run(self, "dictionary, or none, at length", array->length, err);
  return FRZ_OK;
}

static frz_status open_run(run *self, const struct ArrowSchema *schema,
                           const struct ArrowArray *array, int64_t first, int64_t n, frz_error *err)
{
  *self = (run){.schema = schema, .array = array, .first = first, .n = n};
  if (!frz_arrow_format_parse(schema->format, &self->format))
    return fail_run(self, "unknown format with children", schema->n_children, err);
  FRZ_TRY(check_array(self, err));
  if (self->schema->dictionary == NULL && self->format.type.kind == FRZ_ARROW_NULL) {
    self->n_nulls = n;
    return FRZ_OK;
  }
  self->validity = array->buffers[0];
  if (array->null_count == 0) self->validity = NULL;
  if (self->validity != NULL)
    self->n_nulls = n - frz_bits_count(self->validity, array->offset + first, n);
  if (self->n_nulls == 0) self->validity = NULL;
  return FRZ_OK;
}

static bool is_present(const run *self, int64_t i)
{
  return self->validity == NULL ||
         frz_bit_get(self->validity, self->array->offset + self->first + i);
}

static frz_status need_buffer(const run *self, int at, const uint8_t **data_out, frz_error *err)
{
  const void *data = self->array->buffers[at];
  if (data == NULL) return fail_run(self, "missing buffer", at, err);
  *data_out = data;
  return FRZ_OK;
}

static frz_status import_validity(frz_column *column, const run *self, frz_error *err)
{
  if (self->n_nulls == 0) return frz_column_add_present(column, self->n, err);
  FRZ_TRY(frz_column_need_validity(column, self->n, err));
  frz_bits_copy(column->validity.data, column->n_rows, self->validity,
                self->array->offset + self->first, self->n);
  return FRZ_OK;
}

static frz_status import_run(frz_column *column, const struct ArrowSchema *schema,
                             const struct ArrowArray *array, int64_t first, int64_t n, int depth,
                             frz_error *err);

/* ---- fixed width ---- */

static frz_status import_bools(frz_column *column, const run *self, frz_error *err)
{
  const uint8_t *bits = NULL;
  FRZ_TRY(need_buffer(self, 1, &bits, err));
  FRZ_TRY(frz_buf_resize_zeroed(&column->values, frz_bits_bytes(column->n_rows + self->n), err));
  frz_bits_copy(column->values.data, column->n_rows, bits, self->array->offset + self->first,
                self->n);
  for (int64_t i = 0; self->n_nulls > 0 && i < self->n; i++)
    if (!is_present(self, i)) frz_bit_clear(column->values.data, column->n_rows + i);
  return FRZ_OK;
}

/* Decimals of 32 and 64 bits, with their sign. */
static void widen_decimals(uint8_t *to, const uint8_t *from, size_t source_bytes, int64_t n)
{
  for (int64_t i = 0; i < n; i++, to += 16, from += source_bytes) {
    memcpy(to, from, source_bytes);
    memset(to + source_bytes, (from[source_bytes - 1] & 0x80) != 0 ? 0xff : 0, 16 - source_bytes);
  }
}

static frz_status import_date64(uint8_t *to, const run *self, const uint8_t *from, frz_error *err)
{
  enum { MS_PER_DAY = 86400000 };
  for (int64_t i = 0; i < self->n; i++) {
    int64_t ms;
    memcpy(&ms, from + i * 8, sizeof ms);
    if (!is_present(self, i)) ms = 0;
    int64_t days = ms / MS_PER_DAY;
    if (ms % MS_PER_DAY != 0 || days < INT32_MIN || days > INT32_MAX)
      return fail_run(self, "not a whole day of 32 bits:", ms, err);
    int32_t day = (int32_t)days;
    memcpy(to + i * 4, &day, sizeof day);
  }
  return FRZ_OK;
}

static frz_status import_fixed(frz_column *column, const run *self, frz_error *err)
{
  size_t width = frz_arrow_value_bytes(self->format.type);
  size_t source_width = width;
  size_t n = (size_t)self->n;
  if (self->format.layout == FRZ_LAYOUT_DATE64) source_width = 8;
  if (self->format.source_bytes != 0) source_width = (size_t)self->format.source_bytes;
  const uint8_t *from = NULL;
  uint8_t *to = NULL;
  size_t bytes;
  if (__builtin_mul_overflow(n, width, &bytes)) return fail_run(self, "length", self->n, err);
  FRZ_TRY(need_buffer(self, 1, &from, err));
  from += (size_t)(self->array->offset + self->first) * source_width;
  FRZ_TRY(frz_buf_extend(&column->values, bytes, &to, err));
  if (self->format.layout == FRZ_LAYOUT_DATE64) return import_date64(to, self, from, err);
  if (source_width != width)
    widen_decimals(to, from, source_width, self->n);
  else
    memcpy(to, from, bytes);
  for (int64_t i = 0; self->n_nulls > 0 && i < self->n; i++)
    if (!is_present(self, i)) memset(to + (size_t)i * width, 0, width);
  return FRZ_OK;
}

/* ---- offsets ---- */

/* Start and length of row i, checked; a null row is empty. */
static frz_status read_offsets(const run *self, const uint8_t *offsets, int64_t i,
                               int64_t *start_out, int64_t *length_out, frz_error *err)
{
  int64_t at = self->array->offset + self->first + i;
  int64_t start, end;
  if (self->format.layout == FRZ_LAYOUT_LARGE) {
    memcpy(&start, offsets + at * 8, sizeof start);
    memcpy(&end, offsets + at * 8 + 8, sizeof end);
  } else {
    int32_t pair[2];
    memcpy(pair, offsets + at * 4, sizeof pair);
    start = pair[0];
    end = pair[1];
  }
  if (start < 0 || end < start) return fail_run(self, "offsets that descend at row", at, err);
  *start_out = start;
  *length_out = is_present(self, i) ? end - start : 0;
  return FRZ_OK;
}

/* Foreign buffers may lie at any address. */
static inline int32_t offset_at(const uint8_t *offsets, int64_t i)
{
  int32_t offset;
  memcpy(&offset, offsets + i * 4, sizeof offset);
  return offset;
}

/* Offsets of 32 bits of rows that are all present: one run, so they differ by a constant. */
static frz_status import_plain_offsets(frz_column *column, const run *self, const uint8_t *offsets,
                                       int64_t *start_out, int64_t *total_out, frz_error *err)
{
  int32_t *at = NULL;
  FRZ_TRY(frz_column_add_offsets(column, self->n, &at, err));
  int64_t first = self->array->offset + self->first;
  const uint8_t *from = offsets + first * 4;
  int32_t start = offset_at(from, 0);
  bool descends = start < 0;
  for (int64_t i = 0; i < self->n; i++) descends |= offset_at(from, i + 1) < offset_at(from, i);
  if (descends) {
    int64_t i = 0;
    while (offset_at(from, i) >= 0 && offset_at(from, i + 1) >= offset_at(from, i)) i++;
    return fail_run(self, "offsets that descend at row", first + i, err);
  }
  int64_t total = (int64_t)offset_at(from, self->n) - start;
  if (total > INT32_MAX - at[-1])
    return frz_fail(err, FRZ_ERR_LIMIT, "Arrow column '%s': more than %d bytes or items",
                    self->schema->name != NULL ? self->schema->name : "", INT32_MAX);
  int32_t base = at[-1];
  for (int64_t i = 0; i < self->n; i++) at[i] = base + (offset_at(from, i + 1) - start);
  *start_out = start;
  *total_out = total;
  return FRZ_OK;
}

/* Offsets of the new rows, and whether the values are one run that starts at `start_out`. */
static frz_status import_offsets(frz_column *column, const run *self, const uint8_t *offsets,
                                 int64_t *start_out, int64_t *total_out, bool *is_one_run_out,
                                 frz_error *err)
{
  if (self->validity == NULL && self->format.layout != FRZ_LAYOUT_LARGE) {
    *is_one_run_out = true;
    return import_plain_offsets(column, self, offsets, start_out, total_out, err);
  }
  int32_t *at = NULL;
  FRZ_TRY(frz_column_add_offsets(column, self->n, &at, err));
  int64_t base = at[-1];
  int64_t end = base;
  int64_t source_start = 0, source_end = 0;
  bool is_one_run = true;
  for (int64_t i = 0; i < self->n; i++) {
    int64_t start = 0, length = 0;
    FRZ_TRY(read_offsets(self, offsets, i, &start, &length, err));
    if (length > INT32_MAX - end)
      return frz_fail(
          err, FRZ_ERR_LIMIT, "Arrow column '%s': more than %d bytes or items at row %lld",
          self->schema->name != NULL ? self->schema->name : "", INT32_MAX, (long long)i);
    if (length > 0) {
      if (end == base) source_start = source_end = start;
      is_one_run &= start == source_end;
      source_end = start + length;
    }
    end += length;
    at[i] = (int32_t)end;
  }
  *start_out = source_start;
  *total_out = end - base;
  *is_one_run_out = is_one_run;
  return FRZ_OK;
}

static frz_status import_bytes(frz_column *column, const run *self, frz_error *err)
{
  const uint8_t *offsets = NULL;
  const uint8_t *bytes = NULL;
  int64_t start = 0, total = 0;
  bool is_one_run = false;
  FRZ_TRY(need_buffer(self, 1, &offsets, err));
  FRZ_TRY(import_offsets(column, self, offsets, &start, &total, &is_one_run, err));
  if (total == 0) return FRZ_OK;
  FRZ_TRY(need_buffer(self, 2, &bytes, err));
  if (is_one_run) return frz_buf_append(&column->values, bytes + start, (size_t)total, err);
  FRZ_TRY(frz_buf_reserve(&column->values, (size_t)total, err));
  for (int64_t i = 0; i < self->n; i++) {
    int64_t length = 0;
    FRZ_TRY(read_offsets(self, offsets, i, &start, &length, err));
    FRZ_TRY(frz_buf_append(&column->values, bytes + start, (size_t)length, err));
  }
  return FRZ_OK;
}

static frz_status import_list(frz_column *column, const run *self, int depth, frz_error *err)
{
  const uint8_t *offsets = NULL;
  int64_t start = 0, total = 0;
  bool is_one_run = false;
  const struct ArrowSchema *schema = self->schema->children[0];
  const struct ArrowArray *items = self->array->children[0];
  FRZ_TRY(need_buffer(self, 1, &offsets, err));
  FRZ_TRY(import_offsets(column, self, offsets, &start, &total, &is_one_run, err));
  if (total == 0) return FRZ_OK;
  if (is_one_run)
    return import_run(&column->children[0], schema, items, start, total, depth + 1, err);
  for (int64_t i = 0; i < self->n; i++) {
    int64_t length = 0;
    FRZ_TRY(read_offsets(self, offsets, i, &start, &length, err));
    if (length > 0)
      FRZ_TRY(import_run(&column->children[0], schema, items, start, length, depth + 1, err));
  }
  return FRZ_OK;
}

static frz_status import_fixed_list(frz_column *column, const run *self, int depth, frz_error *err)
{
  int64_t items = self->format.list_items;
  int32_t *at = NULL;
  FRZ_TRY(frz_column_add_offsets(column, self->n, &at, err));
  int64_t end = at[-1];
  if (items > 0 && self->array->offset + self->array->length > INT64_MAX / 64 / items)
    return fail_run(self, "length", self->array->length, err);
  for (int64_t i = 0; i < self->n; i++) {
    if (is_present(self, i)) end += items;
    if (end > INT32_MAX) return fail_run(self, "too many items at row", i, err);
    at[i] = (int32_t)end;
  }
  int64_t source = (self->array->offset + self->first) * items;
  for (int64_t i = 0; i < self->n && items > 0;) {
    int64_t start = i;
    while (i < self->n && is_present(self, i)) i++;
    if (i > start)
      FRZ_TRY(import_run(&column->children[0], self->schema->children[0], self->array->children[0],
                         source + start * items, (i - start) * items, depth + 1, err));
    while (i < self->n && !is_present(self, i)) i++;
  }
  return FRZ_OK;
}

/* ---- views ---- */

static frz_status find_view(const run *self, const uint8_t *view, frz_str *bytes_out,
                            frz_error *err)
{
  enum { INLINE_BYTES = 12 };
  int32_t parts[4]; /* length, prefix, buffer, offset */
  memcpy(parts, view, sizeof parts);
  if (parts[0] < 0) return fail_run(self, "view of length", parts[0], err);
  size_t length = (size_t)parts[0];
  if (length <= INLINE_BYTES) {
    *bytes_out = (frz_str){(const char *)view + 4, length};
    return FRZ_OK;
  }
  int64_t n_data = self->array->n_buffers - 3;
  const uint8_t *sizes = self->array->buffers[self->array->n_buffers - 1];
  if (parts[2] < 0 || parts[2] >= n_data || sizes == NULL)
    return fail_run(self, "view into buffer", parts[2], err);
  int64_t buffer_bytes;
  memcpy(&buffer_bytes, sizes + (size_t)parts[2] * 8, sizeof buffer_bytes);
  const char *data = self->array->buffers[2 + parts[2]];
  if (data == NULL || parts[3] < 0 || parts[3] > buffer_bytes || parts[0] > buffer_bytes - parts[3])
    return fail_run(self, "view at offset", parts[3], err);
  *bytes_out = (frz_str){data + parts[3], length};
  return FRZ_OK;
}

static frz_status import_views(frz_column *column, const run *self, frz_error *err)
{
  const uint8_t *views = NULL;
  int32_t *at = NULL;
  FRZ_TRY(need_buffer(self, 1, &views, err));
  FRZ_TRY(frz_column_add_offsets(column, self->n, &at, err));
  views += (self->array->offset + self->first) * 16;
  for (int64_t i = 0; i < self->n; i++) {
    frz_str bytes = {NULL, 0};
    if (is_present(self, i)) FRZ_TRY(find_view(self, views + i * 16, &bytes, err));
    FRZ_TRY(frz_buf_append_str(&column->values, bytes, err));
    at[i] = (int32_t)column->values.size;
  }
  return FRZ_OK;
}

/* ---- dictionaries ---- */

static int64_t read_index(frz_arrow_kind kind, const uint8_t *data, int64_t at)
{
  switch (kind) {
  case FRZ_ARROW_INT8: return ((const int8_t *)data)[at];
  case FRZ_ARROW_UINT8: return data[at];
  case FRZ_ARROW_INT16: return ((const int16_t *)(const void *)data)[at];
  case FRZ_ARROW_UINT16: return ((const uint16_t *)(const void *)data)[at];
  case FRZ_ARROW_INT32: return ((const int32_t *)(const void *)data)[at];
  case FRZ_ARROW_UINT32: return ((const uint32_t *)(const void *)data)[at];
  default: return ((const int64_t *)(const void *)data)[at]; /* past INT64_MAX: negative */
  }
}

static frz_status read_indices(const run *self, int64_t n_values, int64_t *rows, frz_error *err)
{
  frz_arrow_kind kind = self->format.type.kind;
  const uint8_t *data = NULL;
  if (kind < FRZ_ARROW_INT8 || kind > FRZ_ARROW_UINT64)
    return fail_run(self, "dictionary positions that are no integers, kind", kind, err);
  FRZ_TRY(need_buffer(self, 1, &data, err));
  for (int64_t i = 0; i < self->n; i++) {
    rows[i] = -1;
    if (!is_present(self, i)) continue;
    rows[i] = read_index(kind, data, self->array->offset + self->first + i);
    if (rows[i] < 0 || rows[i] >= n_values)
      return fail_run(self, "position outside the dictionary:", rows[i], err);
  }
  return FRZ_OK;
}

/* An empty column of the same type as another. */
static frz_status init_like(frz_column *column, const struct ArrowSchema *schema,
                            const frz_alloc *alloc, frz_error *err)
{
  frz_arena arena;
  frz_arrow_field field;
  frz_arena_init(&arena, alloc, (size_t)16 << 20);
  frz_status st = frz_arrow_field_import(schema, &arena, &field, err);
  if (st == FRZ_OK) st = frz_column_init(column, &field, alloc, err);
  frz_arena_free(&arena);
  return st;
}

static frz_status import_dictionary(frz_column *column, const run *self, int depth, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_column values = {0};
  int64_t n_values = self->array->dictionary->length;
  int64_t *rows = frz_alloc_array(column->alloc, (size_t)self->n, sizeof *rows);
  if (rows == NULL) return frz_fail_nomem(err, "dictionary positions");
  FRZ_TRY_OUT(read_indices(self, n_values, rows, err));
  FRZ_TRY_OUT(init_like(&values, self->schema->dictionary, column->alloc, err));
  if (values.type.kind != column->type.kind || values.n_children != column->n_children)
    FRZ_TRY_OUT(fail_run(self, "another type than the schema's, kind", values.type.kind, err));
  FRZ_TRY_OUT(import_run(&values, self->schema->dictionary, self->array->dictionary, 0, n_values,
                         depth + 1, err));
  st = frz_column_append_take(column, &values, rows, self->n, err);
out:
  frz_column_dispose(&values);
  frz_alloc_free(column->alloc, rows, (size_t)self->n * sizeof *rows);
  return st;
}

/* ---- all together ---- */

static frz_status import_struct(frz_column *column, const run *self, int depth, frz_error *err)
{
  for (size_t i = 0; i < column->n_children; i++)
    FRZ_TRY(import_run(&column->children[i], self->schema->children[i], self->array->children[i],
                       self->array->offset + self->first, self->n, depth + 1, err));
  return FRZ_OK;
}

static frz_status import_values(frz_column *column, const run *self, int depth, frz_error *err)
{
  switch (self->format.type.kind) {
  case FRZ_ARROW_BOOL: return import_bools(column, self, err);
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY:
    if (self->format.layout == FRZ_LAYOUT_VIEW) return import_views(column, self, err);
    return import_bytes(column, self, err);
  case FRZ_ARROW_LIST:
  case FRZ_ARROW_MAP:
    if (self->format.layout == FRZ_LAYOUT_FIXED_LIST)
      return import_fixed_list(column, self, depth, err);
    return import_list(column, self, depth, err);
  case FRZ_ARROW_STRUCT: return import_struct(column, self, depth, err);
  default: return import_fixed(column, self, err);
  }
}

static frz_status import_run(frz_column *column, const struct ArrowSchema *schema,
                             const struct ArrowArray *array, int64_t first, int64_t n, int depth,
                             frz_error *err)
{
  run self;
  FRZ_TRY(open_run(&self, schema, array, first, n, err));
  if (depth > FRZ_LIMIT_DEPTH) return fail_run(&self, "types nested deeper than", depth, err);
  if (n == 0) return FRZ_OK;
  FRZ_TRY(frz_column_check_rows(column, n, err));
  if (schema->dictionary != NULL) return import_dictionary(column, &self, depth, err);
  if (column->type.kind != self.format.type.kind ||
      column->n_children != (size_t)schema->n_children)
    return fail_run(&self, "another type than the schema's, kind", self.format.type.kind, err);
  if (column->type.kind == FRZ_ARROW_NULL) return frz_column_append_nulls(column, n, err);
  FRZ_TRY(import_validity(column, &self, err));
  FRZ_TRY(import_values(column, &self, depth, err));
  column->n_rows += n;
  column->n_nulls += self.n_nulls;
  return FRZ_OK;
}

frz_status frz_column_import(frz_column *column, const struct ArrowSchema *schema,
                             const struct ArrowArray *array, frz_error *err)
{
  int64_t before = column->n_rows;
  frz_status st = import_run(column, schema, array, 0, array->length, 0, err);
  if (st != FRZ_OK) frz_column_truncate(column, before);
  return st;
}

/* Rows whose struct is null become null in every column. */
static frz_status mask_rows(frz_batch *batch, const run *self, const frz_arrow_field *fields,
                            frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_batch masked = {0};
  int64_t *rows = frz_alloc_array(batch->alloc, (size_t)self->n, sizeof *rows);
  if (rows == NULL) return frz_fail_nomem(err, "rows of a batch");
  for (int64_t i = 0; i < self->n; i++) rows[i] = is_present(self, i) ? i : -1;
  FRZ_TRY_OUT(frz_batch_init(&masked, fields, batch->n_columns, batch->alloc, err));
  for (size_t i = 0; i < batch->n_columns; i++)
    FRZ_TRY_OUT(frz_column_append_take(&masked.columns[i], &batch->columns[i], rows, self->n, err));
  masked.n_rows = batch->n_rows;
  frz_alloc_free(batch->alloc, rows, (size_t)self->n * sizeof *rows);
  frz_batch_dispose(batch);
  *batch = masked;
  return FRZ_OK;
out:
  frz_batch_dispose(&masked);
  frz_alloc_free(batch->alloc, rows, (size_t)self->n * sizeof *rows);
  return st;
}

frz_status frz_batch_import_rows(frz_batch *batch_out, const frz_arrow_field *fields,
                                 size_t n_fields, const struct ArrowSchema *schema,
                                 const struct ArrowArray *array, int64_t first, int64_t n,
                                 const frz_alloc *alloc, frz_error *err)
{
  run self;
  frz_batch batch = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY(open_run(&self, schema, array, first, n, err));
  if (self.format.type.kind != FRZ_ARROW_STRUCT || schema->dictionary != NULL ||
      (size_t)array->n_children != n_fields)
    return fail_run(&self, "not a struct of the schema's columns, but", array->n_children, err);
  FRZ_TRY_OUT(frz_batch_init(&batch, fields, n_fields, alloc, err));
  batch.n_rows = n;
  for (size_t i = 0; i < n_fields; i++)
    FRZ_TRY_OUT(import_run(&batch.columns[i], schema->children[i], array->children[i],
                           array->offset + first, n, 1, err));
  if (self.n_nulls > 0) FRZ_TRY_OUT(mask_rows(&batch, &self, fields, err));
  *batch_out = batch;
  return FRZ_OK;
out:
  frz_batch_dispose(&batch);
  return st;
}

frz_status frz_batch_import(frz_batch *batch_out, const frz_arrow_field *fields, size_t n_fields,
                            const struct ArrowSchema *schema, const struct ArrowArray *array,
                            const frz_alloc *alloc, frz_error *err)
{
  return frz_batch_import_rows(batch_out, fields, n_fields, schema, array, 0, array->length, alloc,
                               err);
}

/* Nothing of the array is checked yet: what does not agree with the schema is passed over, as its
 * import fails. The schema's depth was checked. */
int64_t frz_array_longest_dictionary(const struct ArrowSchema *schema,
                                     const struct ArrowArray *array)
{
  int64_t longest = 0;
  if (schema->dictionary != NULL && array->dictionary != NULL) {
    longest = frz_array_longest_dictionary(schema->dictionary, array->dictionary);
    if (array->dictionary->length > longest) longest = array->dictionary->length;
  }
  if (array->n_children != schema->n_children || array->children == NULL) return longest;
  for (int64_t i = 0; i < array->n_children; i++) {
    if (array->children[i] == NULL) continue;
    int64_t below = frz_array_longest_dictionary(schema->children[i], array->children[i]);
    if (below > longest) longest = below;
  }
  return longest;
}
