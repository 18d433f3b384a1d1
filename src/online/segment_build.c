/*
 * segment_build.c - collect rows by parts of the hash, choose winners, write.
 *
 * Rows come as records, the form in which they will be stored with a head in front, in one buffer a
 * lane and part. A part holds the keys of a range of hashes, so that its table of winners stays in
 * the cache, and the slots that its rows go to lie side by side. What is the same in all keys and
 * rows (the prefix, the lengths) is learnt on the way and left out when rows are written.
 *
 * Must stay true: of two records of one key the one that wins by event time, created time, rank and
 * position is written, and no other.
 */
#include "online/segment_build.h"

#include <assert.h>

#include "base/limits.h"
#include "online/segment_write.h"

enum { ROWS_A_PART = 8192, PART_BITS_MAX = 12, PARTS_A_WAVE = 16 };

/* Behind it: key, null bits, values, bytes of values; then up to 7 bytes of nothing. */
typedef struct record {
  uint64_t hash;
  int64_t event_us;
  int64_t created_us;
  uint64_t rank;
  int64_t position;
  uint32_t key_bytes;
  uint32_t payload_bytes;
} record;

static_assert(sizeof(record) == 48, "heads are aligned");

typedef struct lane {
  frz_buf *parts;
  bool has_rows;
  bool has_created;
  bool keys_differ; /* in length */
  frz_buf prefix;   /* common to all keys of the lane */
  size_t key_bytes;
} lane;

struct frz_segment_builder {
  frz_context *context;
  const frz_alloc *alloc;
  char uuid[FRZ_SEGMENT_UUID_BYTES];
  int32_t schema_id;
  frz_stored_column *columns;
  size_t n_columns;
  uint32_t *value_at;
  uint32_t fixed_bytes, null_bits_bytes;
  bool has_variable;
  unsigned part_bits;
  lane *lanes;
  size_t n_lanes;
};

/* ---- life ---- */

static size_t n_parts(const frz_segment_builder *builder)
{
  return (size_t)1 << builder->part_bits;
}

static frz_status make_lanes(frz_segment_builder *builder, frz_error *err)
{
  builder->lanes = frz_alloc_zeroed(builder->alloc, builder->n_lanes * sizeof *builder->lanes);
  if (builder->lanes == NULL) return frz_fail_nomem(err, "segment rows");
  for (size_t i = 0; i < builder->n_lanes; i++) {
    lane *each = &builder->lanes[i];
    frz_buf_init(&each->prefix, builder->alloc, FRZ_LIMIT_COLUMN_BYTES);
    each->parts = frz_alloc_zeroed(builder->alloc, n_parts(builder) * sizeof *each->parts);
    if (each->parts == NULL) return frz_fail_nomem(err, "segment rows");
    for (size_t p = 0; p < n_parts(builder); p++)
      frz_buf_init(&each->parts[p], builder->alloc, SIZE_MAX / 4);
  }
  return FRZ_OK;
}

static frz_status take_plan(frz_segment_builder *builder, const frz_segment_plan *plan,
                            frz_error *err)
{
  size_t n = plan->n_columns;
  assert(plan->table_uuid.size <= sizeof builder->uuid);
  if (plan->table_uuid.size != 0)
    memcpy(builder->uuid, plan->table_uuid.data, plan->table_uuid.size);
  builder->schema_id = plan->schema_id;
  builder->n_columns = n;
  builder->n_lanes = plan->n_lanes;
  builder->columns = frz_alloc_array(builder->alloc, n + 1, sizeof *builder->columns);
  builder->value_at = frz_alloc_array(builder->alloc, n + 1, sizeof *builder->value_at);
  if (builder->columns == NULL || builder->value_at == NULL)
    return frz_fail_nomem(err, "segment columns");
  for (size_t i = 0; i < n; i++) {
    builder->columns[i] = plan->columns[i];
    builder->value_at[i] = builder->fixed_bytes;
    builder->fixed_bytes += (uint32_t)frz_stored_bytes(plan->columns[i].kind);
    builder->has_variable |= frz_item_bytes(plan->columns[i].kind) == 0;
  }
  builder->null_bits_bytes = (uint32_t)((n + 7) / 8);
  while (builder->part_bits < PART_BITS_MAX &&
         ((int64_t)ROWS_A_PART << builder->part_bits) < plan->rows_expected)
    builder->part_bits++;
  return make_lanes(builder, err);
}

frz_status frz_segment_builder_create(frz_context *context, const frz_segment_plan *plan,
                                      frz_segment_builder **builder_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_segment_builder *builder = frz_alloc_zeroed(alloc, sizeof *builder);
  if (builder == NULL) return frz_fail_nomem(err, "segment");
  builder->context = context;
  builder->alloc = alloc;
  frz_status st = take_plan(builder, plan, err);
  if (st != FRZ_OK) {
    frz_segment_builder_free(builder);
    return st;
  }
  *builder_out = builder;
  return FRZ_OK;
}

void frz_segment_builder_free(frz_segment_builder *builder)
{
  if (builder == NULL) return;
  const frz_alloc *alloc = builder->alloc;
  for (size_t i = 0; builder->lanes != NULL && i < builder->n_lanes; i++) {
    lane *each = &builder->lanes[i];
    for (size_t p = 0; each->parts != NULL && p < n_parts(builder); p++)
      frz_buf_dispose(&each->parts[p]);
    frz_alloc_free(alloc, each->parts, n_parts(builder) * sizeof *each->parts);
    frz_buf_dispose(&each->prefix);
  }
  frz_alloc_free(alloc, builder->lanes, builder->n_lanes * sizeof *builder->lanes);
  frz_alloc_free(alloc, builder->columns, (builder->n_columns + 1) * sizeof *builder->columns);
  frz_alloc_free(alloc, builder->value_at, (builder->n_columns + 1) * sizeof *builder->value_at);
  frz_alloc_free(alloc, builder, sizeof *builder);
}

/* ---- adding ---- */

static frz_status learn_key(lane *to, frz_str key, frz_error *err)
{
  if (!to->has_rows) {
    to->has_rows = true;
    to->key_bytes = key.size;
    return frz_buf_append_str(&to->prefix, key, err);
  }
  if (key.size != to->key_bytes) to->keys_differ = true;
  size_t n = key.size < to->prefix.size ? key.size : to->prefix.size;
  size_t same = 0;
  if (n != 0 && memcmp(key.data, to->prefix.data, n) == 0) same = n;
  while (same < n && (uint8_t)key.data[same] == to->prefix.data[same]) same++;
  to->prefix.size = same;
  return FRZ_OK;
}

/* Room for a record in its part; the head is filled. */
static frz_status add_record(frz_segment_builder *builder, lane *to, frz_str key,
                             const record *head, uint8_t **payload_out, frz_error *err)
{
  FRZ_TRY(learn_key(to, key, err));
  to->has_created |= head->created_us != INT64_MIN;
  size_t part = builder->part_bits == 0 ? 0 : (size_t)(head->hash >> (64 - builder->part_bits));
  size_t size = (sizeof *head + key.size + head->payload_bytes + 7) & ~(size_t)7;
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(&to->parts[part], size, &at, err));
  memcpy(at, head, sizeof *head);
  if (key.size != 0) memcpy(at + sizeof *head, key.data, key.size);
  *payload_out = at + sizeof *head + key.size;
  return FRZ_OK;
}

/* Bytes of a value that has no fixed width. */
static size_t variable_bytes(const frz_column *column, uint8_t kind, uint8_t item_kind, int64_t row)
{
  if (kind != FRZ_VALUE_LIST) return frz_column_bytes(column, row).size;
  const int32_t *offsets = (const int32_t *)(const void *)column->offsets.data;
  size_t first = (size_t)offsets[row], n = (size_t)(offsets[row + 1] - offsets[row]);
  const frz_column *items = &column->children[0];
  size_t width = frz_item_bytes(item_kind);
  size_t size = 8 + (items->n_nulls != 0 ? (n + 7) / 8 : 0) + n * (width != 0 ? width : 4);
  for (size_t i = 0; width == 0 && i < n; i++)
    size += frz_column_bytes(items, (int64_t)(first + i)).size;
  return size;
}

static void store_fixed(const frz_column *column, uint8_t kind, int64_t row, uint8_t *to)
{
  if (kind == FRZ_VALUE_BOOL) {
    *to = frz_bit_get(column->values.data, row);
    return;
  }
  size_t width = frz_item_bytes(kind);
  memcpy(to, column->values.data + (size_t)row * width, width);
}

static uint8_t *store_list(const frz_column *column, uint8_t item_kind, int64_t row, uint8_t *to)
{
  const int32_t *offsets = (const int32_t *)(const void *)column->offsets.data;
  int64_t first = offsets[row], n = offsets[row + 1] - first;
  const frz_column *items = &column->children[0];
  size_t width = frz_item_bytes(item_kind);
  bool has_nulls = items->n_nulls != 0;
  frz_store_u32le(to, (uint32_t)n);
  frz_store_u32le(to + 4, has_nulls);
  to += 8;
  if (has_nulls) {
    memset(to, 0, (size_t)(n + 7) / 8);
    for (int64_t i = 0; i < n; i++)
      if (frz_column_is_null(items, first + i)) frz_bit_set(to, i);
    to += (n + 7) / 8;
  }
  if (width != 0) {
    for (int64_t i = 0; i < n; i++, to += width) store_fixed(items, item_kind, first + i, to);
    return to;
  }
  uint8_t *ends = to, *bytes = to + n * 4;
  uint32_t end = 0;
  for (int64_t i = 0; i < n; i++) {
    frz_str item = frz_column_bytes(items, first + i);
    if (item.size != 0) memcpy(bytes + end, item.data, item.size);
    end += (uint32_t)item.size;
    frz_store_u32le(ends + i * 4, end);
  }
  return bytes + end;
}

static void store_row(const frz_segment_builder *builder, const frz_segment_rows *rows, int64_t row,
                      uint8_t *payload)
{
  uint8_t *values = payload + builder->null_bits_bytes;
  uint8_t *bytes = values + builder->fixed_bytes;
  uint32_t end = 0;
  memset(payload, 0, builder->null_bits_bytes);
  for (size_t c = 0; c < builder->n_columns; c++) {
    const frz_column *column = rows->columns[c];
    frz_stored_column stored = builder->columns[c];
    uint8_t *to = values + builder->value_at[c];
    bool is_null = column == NULL || frz_column_is_null(column, row);
    size_t width = frz_item_bytes(stored.kind);
    if (is_null) {
      frz_bit_set(payload, (int64_t)c);
      if (width != 0) memset(to, 0, width);
    } else if (width != 0) {
      store_fixed(column, stored.kind, row, to);
    } else if (stored.kind == FRZ_VALUE_LIST) {
      end = (uint32_t)(store_list(column, stored.item_kind, row, bytes + end) - bytes);
    } else {
      frz_str value = frz_column_bytes(column, row);
      if (value.size != 0) memcpy(bytes + end, value.data, value.size);
      end += (uint32_t)value.size;
    }
    if (width == 0) frz_store_u32le(to, end);
  }
}

static frz_status payload_bytes(const frz_segment_builder *builder, const frz_segment_rows *rows,
                                int64_t row, uint32_t *size_out, frz_error *err)
{
  size_t size = builder->null_bits_bytes + builder->fixed_bytes;
  for (size_t c = 0; builder->has_variable && c < builder->n_columns; c++) {
    const frz_column *column = rows->columns[c];
    frz_stored_column stored = builder->columns[c];
    if (frz_item_bytes(stored.kind) != 0 || column == NULL || frz_column_is_null(column, row))
      continue;
    size += variable_bytes(column, stored.kind, stored.item_kind, row);
  }
  if (size > FRZ_LIMIT_COLUMN_BYTES / 2)
    return frz_fail(err, FRZ_ERR_LIMIT, "a row of %zu bytes: at most %zu are indexed", size,
                    FRZ_LIMIT_COLUMN_BYTES / 2);
  *size_out = (uint32_t)size;
  return FRZ_OK;
}

frz_status frz_segment_builder_add(frz_segment_builder *builder, size_t lane_number,
                                   const frz_segment_rows *rows, frz_error *err)
{
  lane *to = &builder->lanes[lane_number];
  const int64_t *event = (const int64_t *)(const void *)rows->event_times->values.data;
  const int64_t *created = (const int64_t *)(const void *)rows->created_times->values.data;
  for (int64_t row = 0; row < rows->n_rows; row++) {
    if (frz_column_is_null(rows->keys, row) || frz_column_is_null(rows->event_times, row)) continue;
    frz_str key = frz_column_bytes(rows->keys, row);
    if (key.data == NULL) key.data = "";
    record head = {
        .hash = frz_entity_key_hash(key),
        .event_us = event[row],
        .created_us = frz_column_is_null(rows->created_times, row) ? INT64_MIN : created[row],
        .rank = rows->rank,
        .position = rows->positions != NULL ? rows->positions[row] : rows->first_row + row,
        .key_bytes = (uint32_t)key.size};
    uint8_t *payload;
    FRZ_TRY(payload_bytes(builder, rows, row, &head.payload_bytes, err));
    FRZ_TRY(add_record(builder, to, key, &head, &payload, err));
    store_row(builder, rows, row, payload);
  }
  return FRZ_OK;
}

/* ---- rows of other segments ---- */

static bool same_columns(const frz_segment_builder *builder, const frz_segment *segment)
{
  if (segment->n_columns != builder->n_columns) return false;
  for (size_t i = 0; i < builder->n_columns; i++) {
    const frz_stored_column *a = &segment->columns[i], *b = &builder->columns[i];
    if (a->field_id != b->field_id || a->kind != b->kind || a->item_kind != b->item_kind)
      return false;
  }
  return true;
}

/* A stored value in the form of a column: promoted, or null where the forms do not go together. */
static frz_value value_as(frz_value value, frz_stored_column column)
{
  if (value.kind == FRZ_VALUE_INT32 && column.kind == FRZ_VALUE_INT64)
    return (frz_value){.kind = FRZ_VALUE_INT64, .as.i64 = value.as.i32};
  if (value.kind == FRZ_VALUE_FLOAT && column.kind == FRZ_VALUE_DOUBLE)
    return (frz_value){.kind = FRZ_VALUE_DOUBLE, .as.f64 = (double)value.as.f32};
  if (value.kind == FRZ_VALUE_BYTES && column.kind == FRZ_VALUE_SERIALIZED)
    value.kind = FRZ_VALUE_SERIALIZED;
  if (value.kind == FRZ_VALUE_SERIALIZED && column.kind == FRZ_VALUE_BYTES)
    value.kind = FRZ_VALUE_BYTES;
  bool fits = value.kind == (frz_value_kind)column.kind &&
              (value.kind != FRZ_VALUE_LIST || value.item_kind == (frz_value_kind)column.item_kind);
  return fits ? value : (frz_value){.kind = FRZ_VALUE_NULL};
}

static frz_bytes value_bytes(const frz_value *value)
{
  if (value->kind == FRZ_VALUE_LIST)
    return (frz_bytes){value->as.list.data, value->as.list.size_bytes};
  return value->as.bytes;
}

static void store_values(const frz_segment_builder *builder, const frz_value *values,
                         uint8_t *payload)
{
  uint8_t *fixed = payload + builder->null_bits_bytes;
  uint8_t *bytes = fixed + builder->fixed_bytes;
  uint32_t end = 0;
  memset(payload, 0, builder->null_bits_bytes);
  for (size_t c = 0; c < builder->n_columns; c++) {
    uint8_t *to = fixed + builder->value_at[c];
    size_t width = frz_item_bytes(builder->columns[c].kind);
    bool is_null = values[c].kind == FRZ_VALUE_NULL;
    if (is_null) frz_bit_set(payload, (int64_t)c);
    if (width != 0) {
      memset(to, 0, width);
      if (values[c].kind == FRZ_VALUE_BOOL)
        *to = values[c].as.boolean;
      else if (!is_null)
        memcpy(to, &values[c].as, width);
      continue;
    }
    if (!is_null) {
      frz_bytes from = value_bytes(&values[c]);
      if (from.size_bytes != 0) memcpy(bytes + end, from.data, from.size_bytes);
      end += (uint32_t)from.size_bytes;
    }
    frz_store_u32le(to, end);
  }
}

static frz_status add_converted(frz_segment_builder *builder, lane *to, const frz_segment *segment,
                                const int32_t *places, const frz_segment_row *row, frz_str key,
                                record *head, frz_value *values, frz_error *err)
{
  size_t size = builder->null_bits_bytes + builder->fixed_bytes;
  for (size_t c = 0; c < builder->n_columns; c++) {
    values[c] = (frz_value){.kind = FRZ_VALUE_NULL};
    if (places[c] >= 0)
      values[c] = value_as(frz_segment_value(segment, row, (size_t)places[c]), builder->columns[c]);
    if (values[c].kind != FRZ_VALUE_NULL && frz_item_bytes(builder->columns[c].kind) == 0)
      size += value_bytes(&values[c]).size_bytes;
  }
  if (size > FRZ_LIMIT_COLUMN_BYTES)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "segment: %zu bytes of a "
                    "row",
                    size);
  uint8_t *payload;
  head->payload_bytes = (uint32_t)size;
  FRZ_TRY(add_record(builder, to, key, head, &payload, err));
  store_values(builder, values, payload);
  return FRZ_OK;
}

/* Bytes of values without a fixed width that a row really holds: not the padding behind them. */
static bool used_var_bytes(const frz_segment *segment, const frz_segment_row *row, uint32_t *out)
{
  *out = 0;
  for (size_t i = segment->n_columns; i-- > 0;) {
    if (frz_item_bytes(segment->columns[i].kind) != 0) continue;
    *out = frz_load_u32le(row->values + segment->value_at[i]);
    break;
  }
  return *out <= row->var_bytes;
}

typedef struct segment_walk {
  frz_segment *segment;
  const int32_t *places;
  bool is_same;
  frz_value *values;
  frz_buf key;
  uint64_t rank;
} segment_walk;

static frz_status add_rows_of(frz_segment_builder *builder, lane *to, segment_walk *walk,
                              frz_error *err)
{
  frz_segment *segment = walk->segment;
  size_t prefix_bytes = segment->prefix.size;
  uint64_t offset = 0;
  FRZ_TRY(frz_buf_append_str(&walk->key, segment->prefix, err));
  for (int64_t i = 0; i < segment->n_rows; i++) {
    frz_segment_row row;
    if (!frz_segment_row_at(segment, offset, &row))
      return frz_fail(err, FRZ_ERR_CORRUPT, "segment '%s': row at %llu is torn", segment->name,
                      (unsigned long long)offset);
    offset += row.row_bytes;
    walk->key.size = prefix_bytes;
    FRZ_TRY(frz_buf_append(&walk->key, row.key, row.key_bytes, err));
    frz_str key = frz_buf_str(&walk->key);
    if (key.data == NULL) key.data = "";
    record head = {.hash = frz_entity_key_hash(key),
                   .event_us = frz_segment_row_event(&row),
                   .created_us = frz_segment_row_created(segment, &row),
                   .rank = walk->rank,
                   .position = i,
                   .key_bytes = (uint32_t)key.size};
    if (!walk->is_same) {
      FRZ_TRY(
          add_converted(builder, to, segment, walk->places, &row, key, &head, walk->values, err));
      continue;
    }
    uint8_t *payload;
    uint32_t var_bytes;
    if (!used_var_bytes(segment, &row, &var_bytes))
      return frz_fail(err, FRZ_ERR_CORRUPT, "segment '%s': row %lld ends at %u", segment->name,
                      (long long)i, var_bytes);
    head.payload_bytes = builder->null_bits_bytes + builder->fixed_bytes + var_bytes;
    FRZ_TRY(add_record(builder, to, key, &head, &payload, err));
    memcpy(payload, row.null_bits, head.payload_bytes);
  }
  return FRZ_OK;
}

frz_status frz_segment_builder_add_segment(frz_segment_builder *builder, size_t lane_number,
                                           frz_segment *segment, uint64_t rank, frz_error *err)
{
  frz_arena arena;
  frz_arena_init(&arena, builder->alloc, FRZ_LIMIT_JOIN_BYTES);
  segment_walk walk = {.segment = segment, .rank = rank, .is_same = same_columns(builder, segment)};
  frz_buf_init(&walk.key, builder->alloc, FRZ_LIMIT_COLUMN_BYTES);
  int32_t *places = frz_arena_array(&arena, builder->n_columns, sizeof *places);
  walk.values = frz_arena_array(&arena, builder->n_columns, sizeof *walk.values);
  frz_status st = FRZ_OK;
  if (places == NULL || walk.values == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "segment"));
  for (size_t c = 0; c < builder->n_columns; c++)
    places[c] = frz_segment_column(segment, builder->columns[c].field_id);
  walk.places = places;
  FRZ_TRY_OUT(add_rows_of(builder, &builder->lanes[lane_number], &walk, err));
out:
  frz_buf_dispose(&walk.key);
  frz_arena_free(&arena);
  return st;
}

/* ---- choosing ---- */

static bool beats(const record *a, const record *b)
{
  if (a->event_us != b->event_us) return a->event_us > b->event_us;
  if (a->created_us != b->created_us) return a->created_us > b->created_us;
  if (a->rank != b->rank) return a->rank > b->rank;
  return a->position > b->position;
}

static frz_str key_of(const record *r)
{
  return (frz_str){(const char *)(r + 1), r->key_bytes};
}

static const record *next_record(const record *r)
{
  size_t size = (sizeof *r + (size_t)r->key_bytes + r->payload_bytes + 7) & ~(size_t)7;
  return (const record *)(const void *)((const uint8_t *)r + size);
}

static void keep_best(const record **table, size_t mask, const record *r)
{
  for (size_t at = (size_t)r->hash & mask;; at = (at + 1) & mask) {
    const record *held = table[at];
    if (held != NULL && (held->hash != r->hash || !frz_str_equal(key_of(held), key_of(r))))
      continue;
    if (held == NULL || beats(r, held)) table[at] = r;
    return;
  }
}

/* The size of equal rows of `used` bytes: whole lines of the processor's cache where that costs at
 * most an eighth more, since a row that begins within a line is one more to wait for. */
static uint32_t equal_row_bytes(size_t used)
{
  size_t padded = (used + 3) & ~(size_t)3;
  size_t lines = (used + FRZ_CACHE_LINE_BYTES - 1) / FRZ_CACHE_LINE_BYTES * FRZ_CACHE_LINE_BYTES;
  return (uint32_t)(lines - padded <= padded / 8 ? lines : padded);
}

/* What all rows have in common, from all lanes. */
static void agree(const frz_segment_builder *builder, frz_segment_shape *shape)
{
  const lane *first = NULL;
  bool keys_differ = false;
  for (size_t i = 0; i < builder->n_lanes; i++) {
    const lane *each = &builder->lanes[i];
    if (!each->has_rows) continue;
    shape->has_created |= each->has_created;
    keys_differ |= each->keys_differ;
    if (first == NULL) {
      first = each;
      shape->prefix = frz_buf_str(&each->prefix);
      continue;
    }
    keys_differ |= each->key_bytes != first->key_bytes;
    size_t n = shape->prefix.size < each->prefix.size ? shape->prefix.size : each->prefix.size;
    size_t same = 0;
    while (same < n && (uint8_t)shape->prefix.data[same] == each->prefix.data[same]) same++;
    shape->prefix.size = same;
  }
  shape->key_bytes = FRZ_SEGMENT_VARIABLE;
  if (first != NULL && !keys_differ)
    shape->key_bytes = (uint32_t)(first->key_bytes - shape->prefix.size);
  size_t row_bytes = (size_t)(shape->key_bytes == FRZ_SEGMENT_VARIABLE ? 0 : shape->key_bytes) +
                     (shape->has_created ? 16 : 8) + builder->null_bits_bytes +
                     builder->fixed_bytes;
  bool differ = builder->has_variable || shape->key_bytes == FRZ_SEGMENT_VARIABLE;
  shape->row_bytes = differ ? 0 : equal_row_bytes(row_bytes);
}

static frz_status write_row(const frz_segment_shape *shape, const record *r, frz_part_output *out,
                            frz_error *err)
{
  size_t key_bytes = r->key_bytes - shape->prefix.size;
  size_t size = key_bytes + (shape->has_created ? 16 : 8) + r->payload_bytes;
  if (shape->row_bytes == 0) size += 4;
  if (shape->key_bytes == FRZ_SEGMENT_VARIABLE) size += 4;
  size_t padded = shape->row_bytes != 0 ? shape->row_bytes : (size + 3) & ~(size_t)3;
  frz_row_place place = {r->hash, out->rows.size};
  uint8_t *at;
  FRZ_TRY(frz_buf_append(&out->places, &place, sizeof place, err));
  FRZ_TRY(frz_buf_extend(&out->rows, padded, &at, err));
  memset(at + size, 0, padded - size);
  if (shape->row_bytes == 0) {
    frz_store_u32le(at, (uint32_t)padded);
    at += 4;
  }
  if (shape->key_bytes == FRZ_SEGMENT_VARIABLE) {
    frz_store_u32le(at, (uint32_t)key_bytes);
    at += 4;
  }
  const uint8_t *key = (const uint8_t *)(r + 1);
  memcpy(at, key + shape->prefix.size, key_bytes);
  at += key_bytes;
  frz_store_u64le(at, (uint64_t)r->event_us);
  at += 8;
  if (shape->has_created) {
    frz_store_u64le(at, (uint64_t)r->created_us);
    at += 8;
  }
  memcpy(at, key + r->key_bytes, r->payload_bytes);
  return FRZ_OK;
}

typedef struct wave {
  frz_segment_builder *builder;
  const frz_segment_target *target;
  const frz_segment_shape *shape;
  size_t first_part;
  frz_part_output outputs[PARTS_A_WAVE];
} wave;

static frz_status choose_part(wave *run, size_t part, frz_part_output *out, frz_error *err)
{
  frz_segment_builder *builder = run->builder;
  const frz_segment_target *target = run->target;
  size_t n = 0;
  for (size_t i = 0; i < builder->n_lanes; i++) {
    const frz_buf *buf = &builder->lanes[i].parts[part];
    if (buf->size == 0) continue;
    const record *end = (const record *)(const void *)(buf->data + buf->size);
    for (const record *r = (const record *)(const void *)buf->data; r != end; r = next_record(r))
      n++;
  }
  if (n == 0) return FRZ_OK;
  size_t capacity = 16;
  while (capacity < n + n / 2) capacity *= 2;
  const record **table = frz_alloc_zeroed(builder->alloc, capacity * sizeof *table);
  if (table == NULL) return frz_fail_nomem(err, "segment winners");
  for (size_t i = 0; i < builder->n_lanes; i++) {
    const frz_buf *buf = &builder->lanes[i].parts[part];
    if (buf->size == 0) continue;
    const record *end = (const record *)(const void *)(buf->data + buf->size);
    for (const record *r = (const record *)(const void *)buf->data; r != end; r = next_record(r))
      keep_best(table, capacity - 1, r);
  }
  frz_status st = FRZ_OK;
  for (size_t i = 0; i < capacity && st == FRZ_OK; i++) {
    const record *r = table[i];
    if (r == NULL || (target->loses != NULL && target->loses(target->loses_arg, key_of(r), r->hash,
                                                             r->event_us, r->created_us)))
      continue;
    st = write_row(run->shape, r, out, err);
  }
  frz_alloc_free(builder->alloc, table, capacity * sizeof *table);
  for (size_t i = 0; i < builder->n_lanes; i++) frz_buf_dispose(&builder->lanes[i].parts[part]);
  return st;
}

static frz_status run_part(void *arg, size_t i, frz_error *err)
{
  wave *run = arg;
  return choose_part(run, run->first_part + i, &run->outputs[i], err);
}

static frz_status run_waves(wave *run, frz_segment_writer *writer, frz_error *err)
{
  size_t parts = n_parts(run->builder);
  for (; run->first_part < parts; run->first_part += PARTS_A_WAVE) {
    size_t n = parts - run->first_part < PARTS_A_WAVE ? parts - run->first_part : PARTS_A_WAVE;
    FRZ_TRY(frz_parallel_for(run->builder->context, n, run_part, run, err));
    for (size_t i = 0; i < n; i++) {
      FRZ_TRY(frz_segment_writer_rows(writer, &run->outputs[i], err));
      frz_buf_dispose(&run->outputs[i].rows);
      frz_buf_dispose(&run->outputs[i].places);
    }
  }
  return FRZ_OK;
}

frz_status frz_segment_builder_finish(frz_segment_builder *builder,
                                      const frz_segment_target *target, frz_segment **segment_out,
                                      frz_error *err)
{
  frz_segment_shape shape = {.uuid = builder->uuid,
                             .schema_id = builder->schema_id,
                             .columns = builder->columns,
                             .n_columns = builder->n_columns};
  agree(builder, &shape);
  wave *run = frz_alloc_zeroed(builder->alloc, sizeof *run);
  if (run == NULL) return frz_fail_nomem(err, "segment");
  run->builder = builder;
  run->target = target;
  run->shape = &shape;
  for (size_t i = 0; i < PARTS_A_WAVE; i++) {
    frz_buf_init(&run->outputs[i].rows, builder->alloc, SIZE_MAX / 4);
    frz_buf_init(&run->outputs[i].places, builder->alloc, SIZE_MAX / 4);
  }
  frz_segment_writer *writer = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_segment_writer_create(builder->alloc, &shape, target->folder, target->name,
                                        &writer, err));
  FRZ_TRY_OUT(run_waves(run, writer, err));
  FRZ_TRY_OUT(frz_segment_writer_finish(writer, segment_out, err));
out:
  frz_segment_writer_free(writer);
  for (size_t i = 0; i < PARTS_A_WAVE; i++) {
    frz_buf_dispose(&run->outputs[i].rows);
    frz_buf_dispose(&run->outputs[i].places);
  }
  frz_alloc_free(builder->alloc, run, sizeof *run);
  return st;
}
