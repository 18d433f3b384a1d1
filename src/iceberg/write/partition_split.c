/*
 * partition_split.c - see partition_split.h.
 *
 * Field by field: each row's source value is transformed, and its result numbered by a map from the
 * result's bytes. Number and the number so far are then numbered together by a second map, so that
 * after the last field each partition has one number. A row like the one before it asks no map, nor
 * does one in a bucket of whole numbers that was seen before.
 *
 * Invariants: values[code] is the field's result with that code; pairs[number] tells the number so
 * far and the code that were combined into it.
 */
#include "iceberg/write/partition_split.h"

#include <assert.h>

#include "base/arena_list.h"
#include "base/endian.h"
#include "base/limits.h"
#include "iceberg/write/field_path.h"

typedef struct code_pair {
  uint32_t number;
  uint32_t code;
} code_pair;

struct frz_split_field {
  const frz_partition_field *field;
  frz_type source_type;
  frz_type result_type;
  bool is_void;
  frz_field_path path;
  frz_map codes;
  uint32_t *bucket_codes; /* of buckets that were seen, else NO_CODE; NULL: other transforms */
  frz_literal *values;
  size_t n_values, values_capacity;
  frz_map numbers; /* of pairs; unused in the first field */
  code_pair *pairs;
  size_t n_pairs, pairs_capacity;
};

enum { BUCKETS_MAX = 1 << 16 };
#define NO_CODE UINT32_MAX

/* ---- preparing ---- */

static bool is_whole_number(frz_type_kind kind)
{
  return kind == FRZ_TYPE_INT || kind == FRZ_TYPE_LONG || kind == FRZ_TYPE_DATE ||
         kind == FRZ_TYPE_TIMESTAMP || kind == FRZ_TYPE_TIMESTAMPTZ;
}

static frz_status make_bucket_codes(frz_split_field *self, frz_arena *arena, frz_error *err)
{
  const frz_transform *transform = &self->field->transform;
  if (transform->kind != FRZ_TRANSFORM_BUCKET || transform->param > BUCKETS_MAX ||
      self->path.n != 1 || !is_whole_number(self->source_type.kind))
    return FRZ_OK;
  size_t n = (size_t)transform->param;
  self->bucket_codes = frz_arena_array(arena, n, sizeof *self->bucket_codes);
  if (self->bucket_codes == NULL) return frz_fail_nomem(err, "partitions");
  for (size_t i = 0; i < n; i++) self->bucket_codes[i] = NO_CODE;
  return FRZ_OK;
}

static frz_status prepare_field(frz_split_field *self, const frz_schema *schema,
                                const frz_partition_field *field, frz_arena *arena, frz_error *err)
{
  self->field = field;
  const frz_transform *transform = &field->transform;
  if (transform->kind == FRZ_TRANSFORM_UNKNOWN)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "partition field '%.*s': transform '%.*s' is not known",
                    FRZ_STR_ARG(field->name), FRZ_STR_ARG(transform->text));
  self->is_void = transform->kind == FRZ_TRANSFORM_VOID;
  self->result_type = frz_partition_field_type(field, schema);
  const frz_field *source = frz_field_path_find(schema, field->source_id, &self->path);
  if (source == NULL) {
    if (self->is_void) return FRZ_OK;
    return frz_fail(err, FRZ_ERR_INVALID, "partition field '%.*s': no column has its source id %d",
                    FRZ_STR_ARG(field->name), field->source_id);
  }
  self->source_type = source->type;
  frz_type result;
  if (!self->is_void && !frz_transform_result_type(transform, &source->type, &result))
    return frz_fail(err, FRZ_ERR_INVALID, "partition field '%.*s': '%.*s' is not for column '%.*s'",
                    FRZ_STR_ARG(field->name), FRZ_STR_ARG(transform->text),
                    FRZ_STR_ARG(source->name));
  return make_bucket_codes(self, arena, err);
}

frz_status frz_partition_split_init(frz_partition_split *split, const frz_alloc *alloc,
                                    const frz_schema *schema, const frz_partition_spec *spec,
                                    frz_error *err)
{
  *split = (frz_partition_split){.alloc = alloc, .spec = spec};
  frz_arena_init(&split->arena, alloc, FRZ_LIMIT_WRITER_BYTES);
  frz_buf_init(&split->key, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&split->codes, alloc, SIZE_MAX / 4);
  frz_status st = FRZ_OK;
  frz_split_field *fields = frz_arena_array(&split->arena, spec->n_fields, sizeof *fields);
  if (fields == NULL) st = frz_fail_nomem(err, "partitions");
  for (size_t i = 0; st == FRZ_OK && i < spec->n_fields; i++)
    st = prepare_field(&fields[i], schema, &spec->fields[i], &split->arena, err);
  if (st != FRZ_OK) {
    frz_arena_free(&split->arena);
    return st;
  }
  for (size_t i = 0; i < spec->n_fields; i++) {
    frz_map_init(&fields[i].codes, alloc, FRZ_LIMIT_WRITER_BYTES);
    frz_map_init(&fields[i].numbers, alloc, FRZ_LIMIT_WRITER_BYTES);
  }
  split->fields = fields;
  return FRZ_OK;
}

void frz_partition_split_dispose(frz_partition_split *split)
{
  for (size_t i = 0; split->fields != NULL && i < split->spec->n_fields; i++) {
    frz_map_dispose(&split->fields[i].codes);
    frz_map_dispose(&split->fields[i].numbers);
  }
  split->fields = NULL;
  frz_buf_dispose(&split->key);
  frz_buf_dispose(&split->codes);
  frz_arena_free(&split->arena);
}

/* ---- one row ---- */

static frz_literal source_value(const frz_split_field *self, const frz_batch *batch, int64_t row)
{
  const frz_column *column = frz_field_path_column(&self->path, batch->columns, row);
  if (column == NULL) return frz_literal_null(self->source_type.kind);
  return frz_literal_from_column(&self->source_type, column, row);
}

static bool holds_bytes(frz_type_kind kind)
{
  return kind == FRZ_TYPE_STRING || kind == FRZ_TYPE_BINARY || kind == FRZ_TYPE_FIXED ||
         kind == FRZ_TYPE_UUID;
}

static size_t number_bytes(frz_type_kind kind)
{
  switch (kind) {
  case FRZ_TYPE_BOOLEAN: return 1;
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE:
  case FRZ_TYPE_FLOAT: return 4;
  case FRZ_TYPE_DECIMAL: return 16;
  default: return 8;
  }
}

/* The same bits: what the row before had, most of the time, in sorted data. */
static bool same_bits(const frz_literal *a, const frz_literal *b)
{
  if (a->is_null || b->is_null) return a->is_null && b->is_null;
  if (holds_bytes(a->kind)) return frz_str_equal(a->as.bytes, b->as.bytes);
  return memcmp(&a->as, &b->as, number_bytes(a->kind)) == 0;
}

/* Values that Iceberg takes for one partition become one: every NaN, and both zeros. */
static void make_canonical(frz_literal *value)
{
  if (value->is_null) return;
  if (value->kind == FRZ_TYPE_FLOAT) {
    if (value->as.f32 != value->as.f32) value->as.f32 = __builtin_nanf("");
    if (value->as.f32 == 0.0f) value->as.f32 = 0.0f;
  } else if (value->kind == FRZ_TYPE_DOUBLE) {
    if (value->as.f64 != value->as.f64) value->as.f64 = __builtin_nan("");
    if (value->as.f64 == 0.0) value->as.f64 = 0.0;
  }
}

static frz_status number_value(frz_partition_split *split, frz_split_field *self,
                               frz_literal *value, uint32_t *code_out, frz_error *err)
{
  frz_buf *key = &split->key;
  key->size = 0;
  make_canonical(value);
  FRZ_TRY(frz_buf_append_byte(key, !value->is_null, err));
  if (!value->is_null && holds_bytes(value->kind))
    FRZ_TRY(frz_buf_append_str(key, value->as.bytes, err));
  else if (!value->is_null)
    FRZ_TRY(frz_buf_append(key, &value->as, number_bytes(value->kind), err));
  bool inserted;
  uint64_t *code;
  FRZ_TRY(frz_map_insert(&self->codes, frz_buf_str(key), self->n_values, &code, &inserted, err));
  *code_out = (uint32_t)*code;
  if (!inserted) return FRZ_OK;
  frz_literal *values = frz_arena_list_room(&split->arena, self->values, self->n_values,
                                            &self->values_capacity, sizeof *values);
  if (values == NULL) return frz_fail_nomem(err, "partitions");
  self->values = values;
  frz_literal kept = *value;
  if (!kept.is_null && holds_bytes(kept.kind)) {
    kept.as.bytes = frz_arena_keep(&split->arena, kept.as.bytes);
    if (kept.as.bytes.data == NULL) return frz_fail_nomem(err, "partitions");
  }
  values[self->n_values++] = kept;
  return FRZ_OK;
}

static frz_status number_pair(frz_partition_split *split, frz_split_field *self, code_pair pair,
                              uint32_t *number_out, frz_error *err)
{
  bool inserted;
  uint64_t *number;
  FRZ_TRY(frz_map_insert(&self->numbers, (frz_str){(const char *)&pair, sizeof pair}, self->n_pairs,
                         &number, &inserted, err));
  *number_out = (uint32_t)*number;
  if (!inserted) return FRZ_OK;
  code_pair *pairs = frz_arena_list_room(&split->arena, self->pairs, self->n_pairs,
                                         &self->pairs_capacity, sizeof *pairs);
  if (pairs == NULL) return frz_fail_nomem(err, "partitions");
  self->pairs = pairs;
  pairs[self->n_pairs++] = pair;
  return FRZ_OK;
}

/* ---- a batch ---- */

static frz_status code_of_value(frz_partition_split *split, frz_split_field *self,
                                const frz_literal *source, uint32_t *code_out, frz_error *err)
{
  frz_literal value = frz_literal_null(self->result_type.kind);
  if (!source->is_null)
    FRZ_TRY(frz_transform_apply(&self->field->transform, source, &split->arena, &value, err));
  return number_value(split, self, &value, code_out, err);
}

/* The bucket of a row that is not null. */
static uint32_t bucket_at(const frz_split_field *self, const frz_column *column, int64_t row)
{
  const uint8_t *values = column->values.data;
  bool is_narrow = number_bytes(self->source_type.kind) == 4;
  int64_t number = is_narrow ? (int32_t)frz_load_u32le(values + 4 * row)
                             : (int64_t)frz_load_u64le(values + 8 * row);
  return frz_bucket_of_number(number, self->field->transform.param);
}

/* The field's code of each row. */
static frz_status find_codes(frz_partition_split *split, frz_split_field *self,
                             const frz_batch *batch, uint32_t *codes, frz_error *err)
{
  const frz_column *numbers = self->bucket_codes != NULL ? &batch->columns[self->path.at[0]] : NULL;
  frz_literal before = {0};
  uint32_t code = NO_CODE; /* of `before` */
  for (int64_t row = 0; row < batch->n_rows; row++) {
    uint32_t *known = NULL;
    if (numbers != NULL && !frz_column_is_null(numbers, row)) {
      known = &self->bucket_codes[bucket_at(self, numbers, row)];
      codes[row] = *known;
      if (*known != NO_CODE) continue;
    }
    frz_literal source =
        self->is_void ? frz_literal_null(self->source_type.kind) : source_value(self, batch, row);
    if (code == NO_CODE || !same_bits(&source, &before))
      FRZ_TRY(code_of_value(split, self, &source, &code, err));
    before = source;
    codes[row] = code;
    if (known != NULL) *known = code;
  }
  return FRZ_OK;
}

/* Number `numbers` anew, each together with the code of its row. */
static frz_status number_pairs(frz_partition_split *split, frz_split_field *self, int64_t n_rows,
                               const uint32_t *codes, uint32_t *numbers, frz_error *err)
{
  code_pair before = {NO_CODE, NO_CODE};
  uint32_t number = 0;
  for (int64_t row = 0; row < n_rows; row++) {
    code_pair pair = {numbers[row], codes[row]};
    if (pair.number != before.number || pair.code != before.code)
      FRZ_TRY(number_pair(split, self, pair, &number, err));
    before = pair;
    numbers[row] = number;
  }
  return FRZ_OK;
}

static frz_status run_field(frz_partition_split *split, size_t at, const frz_batch *batch,
                            uint32_t *numbers, frz_error *err)
{
  frz_split_field *self = &split->fields[at];
  if (at == 0) return find_codes(split, self, batch, numbers, err);
  FRZ_TRY(frz_buf_resize(&split->codes, (size_t)batch->n_rows * sizeof(uint32_t), err));
  uint32_t *codes = (uint32_t *)(void *)split->codes.data;
  FRZ_TRY(find_codes(split, self, batch, codes, err));
  return number_pairs(split, self, batch->n_rows, codes, numbers, err);
}

frz_status frz_partition_split_run(frz_partition_split *split, const frz_batch *batch,
                                   uint32_t *numbers_out, frz_error *err)
{
  size_t n_fields = split->spec->n_fields;
  if (n_fields == 0) {
    memset(numbers_out, 0, (size_t)batch->n_rows * sizeof *numbers_out);
    split->n_partitions = 1;
    return FRZ_OK;
  }
  for (size_t i = 0; i < n_fields; i++) FRZ_TRY(run_field(split, i, batch, numbers_out, err));
  const frz_split_field *last = &split->fields[n_fields - 1];
  split->n_partitions = n_fields == 1 ? last->n_values : last->n_pairs;
  return FRZ_OK;
}

frz_status frz_partition_split_values(const frz_partition_split *split, uint32_t number,
                                      frz_arena *arena, frz_partition *partition_out,
                                      frz_error *err)
{
  size_t n_fields = split->spec->n_fields;
  assert(number < split->n_partitions);
  frz_literal *values = frz_arena_array(arena, n_fields, sizeof *values);
  if (values == NULL) return frz_fail_nomem(err, "partition");
  for (size_t i = n_fields; i-- > 0;) {
    const frz_split_field *self = &split->fields[i];
    uint32_t code = i == 0 ? number : self->pairs[number].code;
    if (i != 0) number = self->pairs[number].number;
    values[i] = self->values[code];
  }
  *partition_out = (frz_partition){values, n_fields};
  return FRZ_OK;
}
