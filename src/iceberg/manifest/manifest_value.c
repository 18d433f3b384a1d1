/*
 * manifest_value.c - see manifest_value.h.
 *
 * What must stay true: metrics leave here by strictly ascending field id; a field id that a map
 * holds twice says nothing certain and is left out, which readers take as unknown.
 *
 * Source: Iceberg specification, appendix A "Avro".
 */
#include "iceberg/manifest/manifest_value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static const char *kind_name(frz_avro_kind kind)
{
  static const char *const names[] = {"null",   "boolean", "int",    "long",   "float",
                                      "double", "bytes",   "string", "record", "enum",
                                      "array",  "map",     "union",  "fixed"};
  return names[kind];
}

static frz_status fail_kind(const frz_avro_type *type, const char *wanted, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "stored as Avro %s, expected %s", kind_name(type->kind),
                  wanted);
}

frz_status frz_manifest_enter(frz_reader *in, const frz_avro_type **type_inout, bool *found_out,
                              frz_error *err)
{
  const frz_avro_type *type = *type_inout;
  while (type->kind == FRZ_AVRO_UNION) FRZ_TRY(frz_avro_read_branch(in, type, &type, err));
  *type_inout = type;
  *found_out = type->kind != FRZ_AVRO_NULL;
  return FRZ_OK;
}

frz_status frz_manifest_read_i64(frz_reader *in, const frz_avro_type *type, int64_t *value_out,
                                 bool *found_out, frz_error *err)
{
  FRZ_TRY(frz_manifest_enter(in, &type, found_out, err));
  if (!*found_out) return FRZ_OK;
  if (type->kind != FRZ_AVRO_INT && type->kind != FRZ_AVRO_LONG)
    return fail_kind(type, "int or long", err);
  return frz_avro_read_long(in, value_out, err);
}

frz_status frz_manifest_read_i32(frz_reader *in, const frz_avro_type *type, int32_t *value_out,
                                 bool *found_out, frz_error *err)
{
  int64_t value = 0;
  FRZ_TRY(frz_manifest_read_i64(in, type, &value, found_out, err));
  if (value < INT32_MIN || value > INT32_MAX)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId64 " does not fit 32 bits", value);
  if (*found_out) *value_out = (int32_t)value;
  return FRZ_OK;
}

frz_status frz_manifest_read_bool(frz_reader *in, const frz_avro_type *type, bool *value_out,
                                  bool *found_out, frz_error *err)
{
  FRZ_TRY(frz_manifest_enter(in, &type, found_out, err));
  if (!*found_out) return FRZ_OK;
  if (type->kind != FRZ_AVRO_BOOLEAN) return fail_kind(type, "boolean", err);
  return frz_avro_read_boolean(in, value_out, err);
}

frz_status frz_manifest_read_bytes(frz_reader *in, const frz_avro_type *type, frz_str *value_out,
                                   bool *found_out, frz_error *err)
{
  FRZ_TRY(frz_manifest_enter(in, &type, found_out, err));
  if (!*found_out) return FRZ_OK;
  if (type->kind == FRZ_AVRO_BYTES || type->kind == FRZ_AVRO_STRING)
    return frz_avro_read_bytes(in, value_out, err);
  if (type->kind != FRZ_AVRO_FIXED) return fail_kind(type, "string, bytes or fixed", err);
  const uint8_t *bytes;
  if (!frz_read_bytes(in, (size_t)type->fixed_bytes, &bytes))
    return frz_fail(err, FRZ_ERR_CORRUPT, "fixed of %" PRId32 " bytes where %zu are left",
                    type->fixed_bytes, frz_reader_left(in));
  *value_out = (frz_str){(const char *)bytes, (size_t)type->fixed_bytes};
  return FRZ_OK;
}

frz_status frz_manifest_read_text(frz_reader *in, const frz_avro_type *type, frz_arena *arena,
                                  frz_str *value_out, bool *found_out, frz_error *err)
{
  frz_str borrowed = {0};
  FRZ_TRY(frz_manifest_read_bytes(in, type, &borrowed, found_out, err));
  if (!*found_out) return FRZ_OK;
  frz_str copy = frz_arena_copy(arena, borrowed);
  if (copy.data == NULL) return frz_fail_nomem(err, "manifest text");
  *value_out = copy;
  return FRZ_OK;
}

/* ---- literals ---- */

static bool has_logical(const frz_avro_type *type, const char *name)
{
  return frz_str_is(type->logical_type, name);
}

static frz_type_kind kind_of_long(const frz_avro_type *type)
{
  if (has_logical(type, "time-micros")) return FRZ_TYPE_TIME;
  if (has_logical(type, "timestamp-micros"))
    return type->adjust_to_utc ? FRZ_TYPE_TIMESTAMPTZ : FRZ_TYPE_TIMESTAMP;
  if (has_logical(type, "timestamp-nanos"))
    return type->adjust_to_utc ? FRZ_TYPE_TIMESTAMPTZ_NS : FRZ_TYPE_TIMESTAMP_NS;
  return FRZ_TYPE_LONG;
}

/* The Iceberg type that an Avro type stands for, for values whose column is not known any more. */
static frz_status infer_type(const frz_avro_type *type, frz_type *type_out, frz_error *err)
{
  frz_type result = {0};
  switch (type->kind) {
  case FRZ_AVRO_BOOLEAN: result.kind = FRZ_TYPE_BOOLEAN; break;
  case FRZ_AVRO_INT: result.kind = has_logical(type, "date") ? FRZ_TYPE_DATE : FRZ_TYPE_INT; break;
  case FRZ_AVRO_LONG: result.kind = kind_of_long(type); break;
  case FRZ_AVRO_FLOAT: result.kind = FRZ_TYPE_FLOAT; break;
  case FRZ_AVRO_DOUBLE: result.kind = FRZ_TYPE_DOUBLE; break;
  case FRZ_AVRO_STRING: result.kind = FRZ_TYPE_STRING; break;
  case FRZ_AVRO_BYTES: result.kind = FRZ_TYPE_BINARY; break;
  case FRZ_AVRO_FIXED:
    result.kind =
        has_logical(type, "uuid") && type->fixed_bytes == 16 ? FRZ_TYPE_UUID : FRZ_TYPE_FIXED;
    result.length = type->fixed_bytes;
    break;
  default: return fail_kind(type, "a primitive", err);
  }
  if ((type->kind == FRZ_AVRO_BYTES || type->kind == FRZ_AVRO_FIXED) &&
      has_logical(type, "decimal")) {
    result.kind = FRZ_TYPE_DECIMAL;
    result.precision = type->precision;
    result.scale = type->scale;
  }
  *type_out = result;
  return FRZ_OK;
}

/* Big-endian two's complement; bytes beyond sixteen may only repeat the sign. */
static frz_status read_decimal(frz_str bytes, frz_int128 *value_out, frz_error *err)
{
  if (bytes.size == 0) return frz_fail(err, FRZ_ERR_CORRUPT, "decimal of 0 bytes");
  const uint8_t *at = (const uint8_t *)bytes.data;
  uint8_t sign = at[0] & 0x80 ? 0xff : 0;
  size_t skipped = bytes.size > 16 ? bytes.size - 16 : 0;
  for (size_t i = 0; i < skipped; i++)
    if (at[i] != sign || ((at[skipped] ^ sign) & 0x80) != 0)
      return frz_fail(err, FRZ_ERR_CORRUPT, "decimal of %zu bytes", bytes.size);
  __extension__ typedef unsigned __int128 wide;
  wide value = sign != 0 ? ~(wide)0 : 0;
  for (size_t i = skipped; i < bytes.size; i++) value = value << 8 | at[i];
  *value_out = (frz_int128)value;
  return FRZ_OK;
}

static frz_status read_bytes_literal(frz_reader *in, const frz_avro_type *type,
                                     const frz_type *wanted, frz_arena *arena, frz_literal *literal,
                                     frz_error *err)
{
  bool found;
  frz_str bytes;
  if (wanted->kind == FRZ_TYPE_DECIMAL) {
    FRZ_TRY(frz_manifest_read_bytes(in, type, &bytes, &found, err));
    literal->scale = wanted->scale;
    return read_decimal(bytes, &literal->as.decimal, err);
  }
  FRZ_TRY(frz_manifest_read_text(in, type, arena, &bytes, &found, err));
  size_t length = wanted->kind == FRZ_TYPE_UUID ? 16 : (size_t)wanted->length;
  if ((wanted->kind == FRZ_TYPE_UUID || wanted->kind == FRZ_TYPE_FIXED) && bytes.size != length)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%zu bytes, expected %zu", bytes.size, length);
  literal->as.bytes = bytes;
  return FRZ_OK;
}

static frz_status read_float_literal(frz_reader *in, const frz_avro_type *type,
                                     frz_literal *literal, frz_error *err)
{
  if (type->kind == FRZ_AVRO_FLOAT) {
    float value;
    FRZ_TRY(frz_avro_read_float(in, &value, err));
    if (literal->kind == FRZ_TYPE_FLOAT)
      literal->as.f32 = value;
    else
      literal->as.f64 = (double)value;
    return FRZ_OK;
  }
  if (type->kind != FRZ_AVRO_DOUBLE || literal->kind == FRZ_TYPE_FLOAT)
    return fail_kind(type, literal->kind == FRZ_TYPE_FLOAT ? "float" : "float or double", err);
  return frz_avro_read_double(in, &literal->as.f64, err);
}

static frz_status read_present(frz_reader *in, const frz_avro_type *type, const frz_type *wanted,
                               frz_arena *arena, frz_literal *literal, frz_error *err)
{
  bool found;
  switch (wanted->kind) {
  case FRZ_TYPE_BOOLEAN: return frz_manifest_read_bool(in, type, &literal->as.boolean, &found, err);
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: return frz_manifest_read_i32(in, type, &literal->as.i32, &found, err);
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS:
    return frz_manifest_read_i64(in, type, &literal->as.i64, &found, err);
  case FRZ_TYPE_FLOAT:
  case FRZ_TYPE_DOUBLE: return read_float_literal(in, type, literal, err);
  case FRZ_TYPE_DECIMAL:
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: return read_bytes_literal(in, type, wanted, arena, literal, err);
  default: return fail_kind(type, "a primitive", err);
  }
}

frz_status frz_manifest_read_literal(frz_reader *in, const frz_avro_type *type,
                                     const frz_type *wanted, frz_arena *arena,
                                     frz_literal *literal_out, frz_error *err)
{
  bool found;
  frz_type inferred = {0};
  FRZ_TRY(frz_manifest_enter(in, &type, &found, err));
  if (!found) {
    *literal_out = frz_literal_null(wanted->kind);
    literal_out->scale = wanted->scale;
    return FRZ_OK;
  }
  if (wanted->kind == FRZ_TYPE_UNKNOWN) {
    FRZ_TRY(infer_type(type, &inferred, err));
    wanted = &inferred;
  }
  frz_literal literal = {.kind = wanted->kind};
  FRZ_TRY(read_present(in, type, wanted, arena, &literal, err));
  *literal_out = literal;
  return FRZ_OK;
}

/* ---- maps and lists ---- */

static int compare_ids(const void *a, const void *b)
{
  int32_t left, right;
  memcpy(&left, a, sizeof left);
  memcpy(&right, b, sizeof right);
  return (left > right) - (left < right);
}

static_assert(offsetof(frz_metric, field_id) == 0 && offsetof(frz_bound, field_id) == 0,
              "compare_ids() reads the id at the start");

static bool is_wanted(frz_metric_filter filter, int32_t field_id)
{
  return filter.ids == NULL || (filter.n_ids != 0 && bsearch(&field_id, filter.ids, filter.n_ids,
                                                             sizeof *filter.ids, compare_ids));
}

/* Sort by id where needed, and leave out ids that come twice. Returns how many remain. */
static size_t settle(uint8_t *items, size_t n, size_t item_bytes)
{
  bool is_ascending = true;
  for (size_t i = 1; i < n && is_ascending; i++)
    is_ascending = compare_ids(items + (i - 1) * item_bytes, items + i * item_bytes) < 0;
  if (is_ascending) return n;
  qsort(items, n, item_bytes, compare_ids);
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    const uint8_t *item = items + i * item_bytes;
    bool is_twin = (i > 0 && compare_ids(item - item_bytes, item) == 0) ||
                   (i + 1 < n && compare_ids(item, item + item_bytes) == 0);
    if (is_twin) continue;
    memmove(items + kept++ * item_bytes, item, item_bytes);
  }
  return kept;
}

typedef struct pair_reader {
  frz_reader *in;
  const frz_avro_type *record;
  size_t key_at, value_at;
  bool is_bytes; /* frz_bound, else frz_metric */
  frz_metric_filter filter;
  frz_buf *scratch;
} pair_reader;

/* Key and value by name, which the specification fixes for maps; else the first two fields. */
static frz_status bind_pair(const frz_avro_type *type, pair_reader *pairs, frz_error *err)
{
  if (type->kind != FRZ_AVRO_ARRAY) return fail_kind(type, "a map as an array", err);
  const frz_avro_type *record = type->branches[0];
  if (record->kind != FRZ_AVRO_RECORD || record->n_fields < 2 || record->is_empty)
    return fail_kind(record, "a record of key and value", err);
  pairs->record = record;
  pairs->key_at = 0;
  pairs->value_at = 1;
  for (size_t i = 0; i < record->n_fields; i++) {
    if (frz_str_is(record->fields[i].name, "key")) pairs->key_at = i;
    if (frz_str_is(record->fields[i].name, "value")) pairs->value_at = i;
  }
  if (pairs->key_at == pairs->value_at) return fail_kind(record, "a key and a value", err);
  return FRZ_OK;
}

static frz_status read_pair(pair_reader *pairs, frz_error *err)
{
  frz_metric metric = {0};
  frz_bound bound = {0};
  bool has_key = false;
  bool has_value = false;
  for (size_t i = 0; i < pairs->record->n_fields; i++) {
    const frz_avro_type *type = pairs->record->fields[i].type;
    if (i == pairs->key_at) {
      FRZ_TRY(frz_manifest_read_i32(pairs->in, type, &metric.field_id, &has_key, err));
    } else if (i != pairs->value_at) {
      FRZ_TRY(frz_avro_skip(pairs->in, type, err));
    } else if (pairs->is_bytes) {
      FRZ_TRY(frz_manifest_read_bytes(pairs->in, type, &bound.bytes, &has_value, err));
    } else {
      FRZ_TRY(frz_manifest_read_i64(pairs->in, type, &metric.value, &has_value, err));
    }
  }
  if (!has_key || !has_value || !is_wanted(pairs->filter, metric.field_id)) return FRZ_OK;
  bound.field_id = metric.field_id;
  return pairs->is_bytes ? frz_buf_append(pairs->scratch, &bound, sizeof bound, err)
                         : frz_buf_append(pairs->scratch, &metric, sizeof metric, err);
}

/* Fill scratch with the pairs of a map, settled; `n_out` of them. */
static frz_status read_pairs(frz_reader *in, const frz_avro_type *type, frz_metric_filter filter,
                             bool is_bytes, frz_buf *scratch, size_t *n_out, frz_error *err)
{
  bool found;
  scratch->size = 0;
  *n_out = 0;
  FRZ_TRY(frz_manifest_enter(in, &type, &found, err));
  if (!found) return FRZ_OK;
  if (filter.ids != NULL && filter.n_ids == 0) return frz_avro_skip(in, type, err);
  pair_reader pairs = {.in = in, .is_bytes = is_bytes, .filter = filter, .scratch = scratch};
  FRZ_TRY(bind_pair(type, &pairs, err));
  for (;;) {
    int64_t n;
    FRZ_TRY(frz_avro_read_block(in, &n, err));
    if (n == 0) break;
    for (int64_t i = 0; i < n; i++) FRZ_TRY(read_pair(&pairs, err));
  }
  size_t item_bytes = is_bytes ? sizeof(frz_bound) : sizeof(frz_metric);
  if (scratch->size != 0) *n_out = settle(scratch->data, scratch->size / item_bytes, item_bytes);
  return FRZ_OK;
}

frz_status frz_manifest_read_metrics(frz_reader *in, const frz_avro_type *type,
                                     frz_metric_filter filter, frz_buf *scratch, frz_arena *arena,
                                     const frz_metric **metrics_out, size_t *n_out, frz_error *err)
{
  size_t n;
  FRZ_TRY(read_pairs(in, type, filter, false, scratch, &n, err));
  if (n == 0) return FRZ_OK;
  frz_metric *metrics = frz_arena_array(arena, n, sizeof *metrics);
  if (metrics == NULL) return frz_fail_nomem(err, "column metrics");
  memcpy(metrics, scratch->data, n * sizeof *metrics);
  *metrics_out = metrics;
  *n_out = n;
  return FRZ_OK;
}

frz_status frz_manifest_read_bounds(frz_reader *in, const frz_avro_type *type,
                                    frz_metric_filter filter, frz_buf *scratch, frz_arena *arena,
                                    const frz_bound **bounds_out, size_t *n_out, frz_error *err)
{
  size_t n;
  FRZ_TRY(read_pairs(in, type, filter, true, scratch, &n, err));
  if (n == 0) return FRZ_OK;
  frz_bound *bounds = frz_arena_array(arena, n, sizeof *bounds);
  if (bounds == NULL) return frz_fail_nomem(err, "column bounds");
  memcpy(bounds, scratch->data, n * sizeof *bounds);
  size_t total = 0; /* at most the bytes of the block they are borrowed from */
  for (size_t i = 0; i < n; i++) total += bounds[i].bytes.size;
  char *copies = frz_arena_push(arena, total);
  if (copies == NULL) return frz_fail_nomem(err, "column bounds");
  for (size_t i = 0; i < n; i++) {
    size_t size = bounds[i].bytes.size;
    if (size != 0) memcpy(copies, bounds[i].bytes.data, size);
    bounds[i].bytes.data = copies;
    copies += size;
  }
  *bounds_out = bounds;
  *n_out = n;
  return FRZ_OK;
}

frz_status frz_manifest_read_longs(frz_reader *in, const frz_avro_type *type, frz_buf *scratch,
                                   frz_arena *arena, const int64_t **longs_out, size_t *n_out,
                                   frz_error *err)
{
  bool found;
  scratch->size = 0;
  FRZ_TRY(frz_manifest_enter(in, &type, &found, err));
  if (!found) return FRZ_OK;
  if (type->kind != FRZ_AVRO_ARRAY || type->branches[0]->is_empty)
    return fail_kind(type, "a list of int or long", err);
  for (;;) {
    int64_t n;
    FRZ_TRY(frz_avro_read_block(in, &n, err));
    if (n == 0) break;
    for (int64_t i = 0; i < n; i++) {
      int64_t value = 0;
      FRZ_TRY(frz_manifest_read_i64(in, type->branches[0], &value, &found, err));
      if (found) FRZ_TRY(frz_buf_append(scratch, &value, sizeof value, err));
    }
  }
  if (scratch->size == 0) return FRZ_OK;
  int64_t *longs = frz_arena_push(arena, scratch->size);
  if (longs == NULL) return frz_fail_nomem(err, "list");
  memcpy(longs, scratch->data, scratch->size);
  *longs_out = longs;
  *n_out = scratch->size / sizeof *longs;
  return FRZ_OK;
}
