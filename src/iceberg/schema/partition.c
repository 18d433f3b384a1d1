/*
 * partition.c - partition specs and sort orders: JSON, paths and comparison.
 *
 * A field with several sources is kept whole, for writing back, but its transform counts as
 * unknown: nothing here knows one that takes two arguments.
 *
 * Source: Iceberg specification, "Partitioning", "Sorting", appendix C "Partition Specs", "Sort
 * Orders".
 */
#include "iceberg/schema/partition.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/schema/date_text.h"

enum { FIRST_FIELD_ID = 1000 };

/* ---- reading ---- */

/* What a partition field and a sort field have in common. */
typedef struct source {
  int32_t id;
  int32_t *ids;
  size_t n_ids;
  bool has_id;
  bool has_transform;
  frz_transform transform;
} source;

static frz_status read_source_ids(frz_json_reader *json, frz_arena *arena, source *s,
                                  frz_error *err)
{
  size_t capacity = 0;
  FRZ_TRY(frz_json_array_begin(json, err));
  for (s->n_ids = 0;;) {
    bool more;
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) break;
    int32_t id;
    FRZ_TRY(frz_json_read_i32(json, &id, err));
    s->ids = frz_arena_list_room(arena, s->ids, s->n_ids, &capacity, sizeof id);
    if (s->ids == NULL) return frz_fail_nomem(err, "source ids");
    s->ids[s->n_ids++] = id;
  }
  if (s->n_ids == 0) return frz_fail(err, FRZ_ERR_CORRUPT, "'source-ids' is empty");
  if (!s->has_id) s->id = s->ids[0];
  s->has_id = true;
  return FRZ_OK;
}

static frz_status read_transform(frz_json_reader *json, frz_arena *arena, source *s, frz_error *err)
{
  frz_str text;
  FRZ_TRY(frz_json_read_string(json, &text, err));
  s->has_transform = true;
  frz_status st = frz_transform_parse(text, arena, &s->transform, err);
  if (st == FRZ_ERR_INVALID) {
    st = FRZ_ERR_CORRUPT;
    if (err != NULL) err->code = st;
  }
  return st;
}

static frz_status read_source_member(frz_json_reader *json, frz_arena *arena, frz_str key,
                                     source *s, frz_error *err)
{
  if (frz_str_is(key, "source-id")) {
    s->has_id = true;
    return frz_json_read_i32(json, &s->id, err);
  }
  if (frz_str_is(key, "source-ids")) return read_source_ids(json, arena, s, err);
  if (frz_str_is(key, "transform")) return read_transform(json, arena, s, err);
  return frz_json_skip(json, err);
}

static frz_status close_source(source *s, const char *what, frz_error *err)
{
  if (!s->has_id) return frz_fail(err, FRZ_ERR_CORRUPT, "%s field: 'source-id' is missing", what);
  if (!s->has_transform)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%s field: 'transform' is missing", what);
  if (s->n_ids > 1)
    s->transform.kind = FRZ_TRANSFORM_UNKNOWN;
  else
    s->ids = NULL, s->n_ids = 0;
  return FRZ_OK;
}

static frz_status read_partition_field(frz_json_reader *json, frz_arena *arena,
                                       frz_partition_field *field_out, bool *has_id_out,
                                       frz_error *err)
{
  source s = {0};
  frz_partition_field field = {0};
  bool has_id = false;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "field-id")) {
      FRZ_TRY(frz_json_read_i32(json, &field.field_id, err));
      has_id = true;
    } else if (frz_str_is(key, "name")) {
      frz_str name;
      FRZ_TRY(frz_json_read_string(json, &name, err));
      field.name = frz_arena_keep(arena, name);
      if (field.name.data == NULL) return frz_fail_nomem(err, "partition field");
    } else {
      FRZ_TRY(read_source_member(json, arena, key, &s, err));
    }
  }
  if (field.name.data == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: partition field: 'name' is missing",
                    json->pos);
  FRZ_TRY(close_source(&s, "partition", err));
  field.source_id = s.id;
  field.transform = s.transform;
  field.source_ids = s.ids;
  field.n_source_ids = s.n_ids;
  *field_out = field;
  *has_id_out = has_id;
  return FRZ_OK;
}

static int by_value(const void *a, const void *b)
{
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static frz_status check_field_ids(const frz_partition_field *fields, size_t n_fields,
                                  frz_arena *arena, frz_error *err)
{
  if (n_fields < 2) return FRZ_OK;
  int32_t *ids = frz_arena_array(arena, n_fields, sizeof *ids);
  if (ids == NULL) return frz_fail_nomem(err, "partition spec");
  for (size_t i = 0; i < n_fields; i++) ids[i] = fields[i].field_id;
  qsort(ids, n_fields, sizeof *ids, by_value);
  for (size_t i = 1; i < n_fields; i++)
    if (ids[i] == ids[i - 1])
      return frz_fail(err, FRZ_ERR_CORRUPT, "partition spec: field id %d is used twice",
                      (int)ids[i]);
  return FRZ_OK;
}

/* Before format v2 fields had no ids and counted from 1000. */
static frz_status read_partition_fields(frz_json_reader *json, frz_arena *arena,
                                        frz_partition_spec *spec, frz_error *err)
{
  frz_partition_field *fields = NULL;
  size_t n = 0, capacity = 0, n_with_id = 0;
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    bool more, has_id = false;
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) break;
    frz_partition_field field;
    FRZ_TRY(read_partition_field(json, arena, &field, &has_id, err));
    fields = frz_arena_list_room(arena, fields, n, &capacity, sizeof *fields);
    if (fields == NULL) return frz_fail_nomem(err, "partition spec");
    n_with_id += has_id;
    fields[n++] = field;
  }
  if (n > FRZ_LIMIT_PARTITION_FIELDS)
    return frz_fail(err, FRZ_ERR_LIMIT, "partition spec: %zu fields; at most %d are read", n,
                    FRZ_LIMIT_PARTITION_FIELDS);
  if (n_with_id != 0 && n_with_id != n)
    return frz_fail(err, FRZ_ERR_CORRUPT, "partition spec: 'field-id' is missing in %zu of %zu",
                    n - n_with_id, n);
  for (size_t i = 0; i < n && n_with_id == 0; i++) fields[i].field_id = FIRST_FIELD_ID + (int32_t)i;
  FRZ_TRY(check_field_ids(fields, n, arena, err));
  spec->fields = fields;
  spec->n_fields = n;
  return FRZ_OK;
}

frz_status frz_partition_spec_parse(frz_json_reader *json, frz_arena *arena,
                                    frz_partition_spec *spec_out, frz_error *err)
{
  frz_partition_spec spec = {0};
  frz_json_kind kind;
  bool has_id = false, has_fields = false;
  FRZ_TRY(frz_json_peek(json, &kind, err));
  if (kind == FRZ_JSON_ARRAY) {
    FRZ_TRY(read_partition_fields(json, arena, &spec, err));
    *spec_out = spec;
    return FRZ_OK;
  }
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "spec-id")) {
      FRZ_TRY(frz_json_read_i32(json, &spec.spec_id, err));
      has_id = true;
    } else if (frz_str_is(key, "fields")) {
      FRZ_TRY(read_partition_fields(json, arena, &spec, err));
      has_fields = true;
    } else {
      FRZ_TRY(frz_json_skip(json, err));
    }
  }
  if (!has_id)
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: partition spec: 'spec-id' is missing",
                    json->pos);
  if (!has_fields)
    return frz_fail(err, FRZ_ERR_CORRUPT, "partition spec %d: 'fields' is missing",
                    (int)spec.spec_id);
  *spec_out = spec;
  return FRZ_OK;
}

static frz_status read_word(frz_json_reader *json, const char *key, const char *no, const char *yes,
                            bool *is_yes_out, frz_error *err)
{
  frz_str text;
  FRZ_TRY(frz_json_read_string(json, &text, err));
  if (!frz_str_is(text, no) && !frz_str_is(text, yes))
    return frz_fail(err, FRZ_ERR_CORRUPT, "sort field: '%s' is '%.*s', not %s or %s", key,
                    FRZ_STR_ARG(text), no, yes);
  *is_yes_out = frz_str_is(text, yes);
  return FRZ_OK;
}

static frz_status read_sort_field(frz_json_reader *json, frz_arena *arena,
                                  frz_sort_field *field_out, frz_error *err)
{
  source s = {0};
  frz_sort_field field = {0};
  bool has_direction = false, has_nulls = false;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "direction")) {
      FRZ_TRY(read_word(json, "direction", "asc", "desc", &field.descending, err));
      has_direction = true;
    } else if (frz_str_is(key, "null-order")) {
      FRZ_TRY(read_word(json, "null-order", "nulls-first", "nulls-last", &field.nulls_last, err));
      has_nulls = true;
    } else {
      FRZ_TRY(read_source_member(json, arena, key, &s, err));
    }
  }
  if (!has_direction)
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: sort field: 'direction' is missing",
                    json->pos);
  if (!has_nulls)
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: sort field: 'null-order' is missing",
                    json->pos);
  FRZ_TRY(close_source(&s, "sort", err));
  field.source_id = s.id;
  field.transform = s.transform;
  field.source_ids = s.ids;
  field.n_source_ids = s.n_ids;
  *field_out = field;
  return FRZ_OK;
}

static frz_status read_sort_fields(frz_json_reader *json, frz_arena *arena, frz_sort_order *order,
                                   frz_error *err)
{
  frz_sort_field *fields = NULL;
  size_t n = 0, capacity = 0;
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    bool more;
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) break;
    frz_sort_field field;
    FRZ_TRY(read_sort_field(json, arena, &field, err));
    fields = frz_arena_list_room(arena, fields, n, &capacity, sizeof *fields);
    if (fields == NULL) return frz_fail_nomem(err, "sort order");
    fields[n++] = field;
  }
  order->fields = fields;
  order->n_fields = n;
  return FRZ_OK;
}

frz_status frz_sort_order_parse(frz_json_reader *json, frz_arena *arena, frz_sort_order *order_out,
                                frz_error *err)
{
  frz_sort_order order = {0};
  bool has_id = false, has_fields = false;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "order-id")) {
      FRZ_TRY(frz_json_read_i32(json, &order.order_id, err));
      has_id = true;
    } else if (frz_str_is(key, "fields")) {
      FRZ_TRY(read_sort_fields(json, arena, &order, err));
      has_fields = true;
    } else {
      FRZ_TRY(frz_json_skip(json, err));
    }
  }
  if (!has_id)
    return frz_fail(err, FRZ_ERR_CORRUPT, "json offset %zu: sort order: 'order-id' is missing",
                    json->pos);
  if (!has_fields)
    return frz_fail(err, FRZ_ERR_CORRUPT, "sort order %d: 'fields' is missing",
                    (int)order.order_id);
  if ((order.order_id == 0) != (order.n_fields == 0))
    return frz_fail(err, FRZ_ERR_CORRUPT, "sort order %d has %zu fields: 0 alone is unsorted",
                    (int)order.order_id, order.n_fields);
  *order_out = order;
  return FRZ_OK;
}

/* ---- writing ---- */

static void write_source(frz_json_writer *json, int32_t id, const int32_t *ids, size_t n_ids)
{
  if (n_ids < 2) {
    frz_json_write_i64_member(json, "source-id", id);
    return;
  }
  frz_json_write_key(json, "source-ids");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < n_ids; i++) frz_json_write_i64(json, ids[i]);
  frz_json_write_array_end(json);
}

void frz_partition_fields_write(frz_json_writer *json, const frz_partition_spec *spec)
{
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < spec->n_fields; i++) {
    const frz_partition_field *field = &spec->fields[i];
    frz_json_write_object_begin(json);
    frz_json_write_string_member(json, "name", field->name);
    frz_json_write_string_member(json, "transform", field->transform.text);
    write_source(json, field->source_id, field->source_ids, field->n_source_ids);
    frz_json_write_i64_member(json, "field-id", field->field_id);
    frz_json_write_object_end(json);
  }
  frz_json_write_array_end(json);
}

void frz_partition_spec_write(frz_json_writer *json, const frz_partition_spec *spec)
{
  frz_json_write_object_begin(json);
  frz_json_write_i64_member(json, "spec-id", spec->spec_id);
  frz_json_write_key(json, "fields");
  frz_partition_fields_write(json, spec);
  frz_json_write_object_end(json);
}

void frz_sort_order_write(frz_json_writer *json, const frz_sort_order *order)
{
  frz_json_write_object_begin(json);
  frz_json_write_i64_member(json, "order-id", order->order_id);
  frz_json_write_key(json, "fields");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < order->n_fields; i++) {
    const frz_sort_field *field = &order->fields[i];
    frz_json_write_object_begin(json);
    frz_json_write_string_member(json, "transform", field->transform.text);
    write_source(json, field->source_id, field->source_ids, field->n_source_ids);
    frz_json_write_string_member(json, "direction",
                                 field->descending ? FRZ_STR("desc") : FRZ_STR("asc"));
    frz_json_write_string_member(
        json, "null-order", field->nulls_last ? FRZ_STR("nulls-last") : FRZ_STR("nulls-first"));
    frz_json_write_object_end(json);
  }
  frz_json_write_array_end(json);
  frz_json_write_object_end(json);
}

/* ---- comparison and checks ---- */

int32_t frz_partition_last_field_id(const frz_partition_spec *spec)
{
  int32_t last = FIRST_FIELD_ID - 1;
  for (size_t i = 0; i < spec->n_fields; i++)
    if (spec->fields[i].field_id > last) last = spec->fields[i].field_id;
  return last;
}

static bool sources_equal(int32_t a, const int32_t *a_ids, size_t n_a, int32_t b,
                          const int32_t *b_ids, size_t n_b)
{
  if (a != b || n_a != n_b) return false;
  return n_a == 0 || memcmp(a_ids, b_ids, n_a * sizeof *a_ids) == 0;
}

bool frz_partition_spec_compatible(const frz_partition_spec *a, const frz_partition_spec *b)
{
  if (a->n_fields != b->n_fields) return false;
  for (size_t i = 0; i < a->n_fields; i++) {
    const frz_partition_field *x = &a->fields[i], *y = &b->fields[i];
    if (!sources_equal(x->source_id, x->source_ids, x->n_source_ids, y->source_id, y->source_ids,
                       y->n_source_ids) ||
        !frz_str_equal(x->transform.text, y->transform.text) || !frz_str_equal(x->name, y->name))
      return false;
  }
  return true;
}

bool frz_sort_order_same(const frz_sort_order *a, const frz_sort_order *b)
{
  if (a->n_fields != b->n_fields) return false;
  for (size_t i = 0; i < a->n_fields; i++) {
    const frz_sort_field *x = &a->fields[i], *y = &b->fields[i];
    if (!sources_equal(x->source_id, x->source_ids, x->n_source_ids, y->source_id, y->source_ids,
                       y->n_source_ids) ||
        !frz_str_equal(x->transform.text, y->transform.text) || x->descending != y->descending ||
        x->nulls_last != y->nulls_last)
      return false;
  }
  return true;
}

static frz_status check_source(const char *what, int32_t source_id, const frz_transform *transform,
                               const frz_schema *schema, frz_status code, frz_error *err)
{
  if (transform->kind == FRZ_TRANSFORM_VOID || transform->kind == FRZ_TRANSFORM_UNKNOWN)
    return FRZ_OK;
  const frz_field *field = frz_schema_find_id(schema, source_id);
  frz_type result;
  if (field == NULL)
    return frz_fail(err, code, "%s: its source column %d is not in schema %d", what, (int)source_id,
                    (int)schema->schema_id);
  if (!frz_schema_is_reachable_by_structs(schema, source_id))
    return frz_fail(err, code, "%s: column '%.*s' is inside a list or map", what,
                    FRZ_STR_ARG(field->name));
  if (!frz_transform_result_type(transform, &field->type, &result))
    return frz_fail(err, code, "%s: %.*s is not defined for column '%.*s' of type %s", what,
                    FRZ_STR_ARG(transform->text), FRZ_STR_ARG(field->name),
                    frz_type_kind_name(field->type.kind));
  return FRZ_OK;
}

frz_status frz_partition_spec_check(const frz_partition_spec *spec, const frz_schema *schema,
                                    frz_status code, frz_error *err)
{
  for (size_t i = 0; i < spec->n_fields; i++) {
    char what[128];
    snprintf(what, sizeof what, "partition field '%.*s'",
             (int)(spec->fields[i].name.size < 100 ? spec->fields[i].name.size : 100),
             spec->fields[i].name.data);
    FRZ_TRY(check_source(what, spec->fields[i].source_id, &spec->fields[i].transform, schema, code,
                         err));
  }
  return FRZ_OK;
}

frz_status frz_sort_order_check(const frz_sort_order *order, const frz_schema *schema,
                                frz_status code, frz_error *err)
{
  for (size_t i = 0; i < order->n_fields; i++)
    FRZ_TRY(check_source("sort order", order->fields[i].source_id, &order->fields[i].transform,
                         schema, code, err));
  return FRZ_OK;
}

static bool values_equal(const frz_literal *a, const frz_literal *b)
{
  if (a->is_null || b->is_null) return a->is_null == b->is_null;
  if (a->kind != b->kind) {
    /* day is a date in some files and an int in others */
    bool both_days = (a->kind == FRZ_TYPE_DATE && b->kind == FRZ_TYPE_INT) ||
                     (a->kind == FRZ_TYPE_INT && b->kind == FRZ_TYPE_DATE);
    return both_days && a->as.i32 == b->as.i32;
  }
  if (a->kind == FRZ_TYPE_FLOAT && a->as.f32 == b->as.f32) return true; /* -0.0 and +0.0 */
  if (a->kind == FRZ_TYPE_DOUBLE && a->as.f64 == b->as.f64) return true;
  return frz_literal_compare(a, b) == 0;
}

bool frz_partition_equal(const frz_partition *a, const frz_partition *b)
{
  if (a->n_values != b->n_values) return false;
  for (size_t i = 0; i < a->n_values; i++)
    if (!values_equal(&a->values[i], &b->values[i])) return false;
  return true;
}

/* ---- paths ---- */

/* The form of Java's URLEncoder: letters, digits and ".-*_" stay, a space is '+'. */
static frz_status append_escaped(frz_buf *out, frz_str text)
{
  static const char hex[] = "0123456789ABCDEF";
  for (size_t i = 0; i < text.size; i++) {
    uint8_t c = (uint8_t)text.data[i];
    bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '*' || c == '_';
    if (is_plain || c == ' ') {
      FRZ_TRY(frz_buf_append_byte(out, is_plain ? c : '+', NULL));
    } else {
      char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
      FRZ_TRY(frz_buf_append(out, escape, sizeof escape, NULL));
    }
  }
  return FRZ_OK;
}

frz_str frz_partition_value_print(const frz_transform *transform, const frz_literal *value,
                                  frz_arena *arena)
{
  if (value->is_null) return FRZ_STR("null");
  int64_t unit = value->as.i32;
  int64_t year, days = frz_floor_div(unit, 24);
  int month, day;
  char date[FRZ_DATE_TEXT_BYTES];
  switch (transform->kind) {
  case FRZ_TRANSFORM_YEAR: return frz_arena_print(arena, "%04lld", (long long)(1970 + unit));
  case FRZ_TRANSFORM_MONTH:
    year = 1970 + frz_floor_div(unit, 12);
    return frz_arena_print(arena, "%04lld-%02d", (long long)year,
                           (int)(unit - frz_floor_div(unit, 12) * 12) + 1);
  case FRZ_TRANSFORM_DAY: {
    frz_date_of_days(unit, &year, &month, &day);
    return frz_arena_print(arena, "%04lld-%02d-%02d", (long long)year, month, day);
  }
  case FRZ_TRANSFORM_HOUR: {
    size_t size = frz_date_print(days, date);
    return frz_arena_print(arena, "%.*s-%02d", (int)size, date, (int)(unit - days * 24));
  }
  default: return frz_literal_print(value, arena);
  }
}

static frz_status build_path(const frz_partition_spec *spec, const frz_partition *partition,
                             frz_arena *arena, frz_buf *out)
{
  size_t n = spec->n_fields < partition->n_values ? spec->n_fields : partition->n_values;
  for (size_t i = 0; i < n; i++) {
    frz_str value =
        frz_partition_value_print(&spec->fields[i].transform, &partition->values[i], arena);
    if (value.data == NULL) return FRZ_ERR_NOMEM;
    if (i != 0) FRZ_TRY(frz_buf_append_byte(out, '/', NULL));
    FRZ_TRY(append_escaped(out, spec->fields[i].name));
    FRZ_TRY(frz_buf_append_byte(out, '=', NULL));
    FRZ_TRY(append_escaped(out, value));
  }
  return FRZ_OK;
}

frz_str frz_partition_path(const frz_partition_spec *spec, const frz_schema *schema,
                           const frz_partition *partition, frz_arena *arena)
{
  (void)schema; /* values know their types */
  frz_buf text;
  frz_buf_init(&text, arena->alloc, (size_t)64 << 20);
  frz_str path = {0};
  if (build_path(spec, partition, arena, &text) == FRZ_OK)
    path = frz_arena_keep(arena, frz_buf_str(&text));
  frz_buf_dispose(&text);
  return path;
}
