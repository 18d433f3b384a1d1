/*
 * random_columns.c - see random_columns.h.
 */
#include "random_columns.h"

#include <string.h>

__extension__ typedef __int128 wide_int;

uint64_t frz_feed_choose(frz_feed *feed, uint64_t bound)
{
  uint64_t value = 0;
  if (feed->pos < feed->size) {
    size_t n = bound <= 256 ? 1 : bound <= 65536 ? 2 : 8;
    for (size_t i = 0; i < n && feed->pos < feed->size; i++)
      value = value << 8 | feed->data[feed->pos++];
  } else if (feed->state != 0) {
    feed->state ^= feed->state << 13;
    feed->state ^= feed->state >> 7;
    feed->state ^= feed->state << 17;
    value = feed->state >> 3;
  }
  return value % bound;
}

frz_arrow_kind frz_random_kind(frz_feed *feed, bool nested)
{
  for (;;) {
    frz_arrow_kind kind =
        (frz_arrow_kind)frz_feed_choose(feed, nested ? FRZ_ARROW_MAP + 1 : FRZ_ARROW_BINARY + 1);
    if (kind != FRZ_ARROW_DURATION) return kind;
  }
}

static void random_parameters(frz_feed *feed, frz_arrow_type *type)
{
  switch (type->kind) {
  case FRZ_ARROW_DECIMAL128:
    type->byte_width = 16;
    type->precision = 1 + (int32_t)frz_feed_choose(feed, 38);
    type->scale = (int32_t)frz_feed_choose(feed, (uint64_t)type->precision + 1);
    break;
  case FRZ_ARROW_TIME32: type->unit = FRZ_UNIT_MS; break;
  case FRZ_ARROW_TIMESTAMP: type->has_zone = frz_feed_choose(feed, 2) != 0; /* fall through */
  case FRZ_ARROW_TIME64:
    type->unit = frz_feed_choose(feed, 2) != 0 ? FRZ_UNIT_NS : FRZ_UNIT_US;
    break;
  case FRZ_ARROW_FIXED:
    type->is_uuid = frz_feed_choose(feed, 2) != 0;
    type->byte_width = type->is_uuid ? 16 : 1 + (int32_t)frz_feed_choose(feed, 20);
    break;
  default: break;
  }
}

static bool random_children(frz_feed *feed, frz_arena *arena, int depth, int32_t *next_id,
                            frz_arrow_field *field)
{
  bool is_struct = field->type.kind == FRZ_ARROW_STRUCT;
  field->n_children = is_struct ? 1 + frz_feed_choose(feed, 3) : 1;
  field->children = frz_arena_array(arena, field->n_children, sizeof *field->children);
  if (field->children == NULL) return false;
  for (size_t i = 0; i < field->n_children; i++) {
    frz_arrow_field *child = &field->children[i];
    if (field->type.kind == FRZ_ARROW_MAP) {
      *child = (frz_arrow_field){
          .name = FRZ_STR("key_value"), .field_id = -1, .type = {.kind = FRZ_ARROW_STRUCT}};
      child->children = frz_arena_array(arena, 2, sizeof *child->children);
      if (child->children == NULL ||
          !frz_random_field(feed, arena, frz_random_kind(feed, false), depth + 1, next_id,
                            &child->children[0]) ||
          !frz_random_field(feed, arena, frz_random_kind(feed, depth < 3), depth + 1, next_id,
                            &child->children[1]))
        return false;
      child->n_children = 2;
      if (child->children[0].type.kind == FRZ_ARROW_NULL)
        child->children[0].type.kind = FRZ_ARROW_INT32;
      child->children[0].nullable = false;
      child->children[0].name = FRZ_STR("key");
      child->children[1].name = FRZ_STR("value");
    } else if (!frz_random_field(feed, arena, frz_random_kind(feed, depth < 3), depth + 1, next_id,
                                 child)) {
      return false;
    }
    if (field->type.kind == FRZ_ARROW_LIST) child->name = FRZ_STR("element");
  }
  return true;
}

bool frz_random_field(frz_feed *feed, frz_arena *arena, frz_arrow_kind kind, int depth,
                      int32_t *next_id, frz_arrow_field *field_out)
{
  frz_arrow_field field = {.field_id = (*next_id)++, .type = {.kind = kind}};
  field.name = frz_arena_print(arena, "f%d", field.field_id);
  if (field.name.data == NULL) return false;
  field.nullable = kind == FRZ_ARROW_NULL || frz_feed_choose(feed, 4) != 0;
  random_parameters(feed, &field.type);
  if (kind >= FRZ_ARROW_LIST && !random_children(feed, arena, depth, next_id, &field)) return false;
  *field_out = field;
  return true;
}

static frz_status append_decimal(frz_feed *feed, int32_t precision, frz_column *column,
                                 frz_error *err)
{
  wide_int limit = 1;
  for (int32_t i = 0; i < precision; i++) limit *= 10;
  wide_int value = (wide_int)frz_feed_choose(feed, UINT64_MAX);
  if (precision > 18) value *= (wide_int)frz_feed_choose(feed, INT64_MAX);
  value %= limit;
  if (frz_feed_choose(feed, 2) != 0) value = -value;
  return frz_column_append_value(column, &value, sizeof value, err);
}

static frz_status append_bytes(frz_feed *feed, frz_column *column, frz_error *err)
{
  char bytes[300];
  size_t size = (size_t)frz_feed_choose(feed, frz_feed_choose(feed, 8) == 0 ? sizeof bytes : 4);
  for (size_t i = 0; i < size; i++) bytes[i] = (char)('a' + frz_feed_choose(feed, 3));
  return frz_column_append_value(column, bytes, size, err);
}

static frz_status append_fixed(frz_feed *feed, const frz_arrow_field *field, frz_column *column,
                               frz_error *err)
{
  uint8_t bytes[32] = {0};
  size_t width = field->type.kind == FRZ_ARROW_FIXED ? (size_t)field->type.byte_width
                                                     : frz_arrow_value_bytes(field->type);
  bool is_small = frz_feed_choose(feed, 4) != 0;
  for (size_t i = 0; i < (is_small ? 1 : width); i++)
    bytes[i] = (uint8_t)frz_feed_choose(feed, 256);
  return frz_column_append_value(column, bytes, width, err);
}

static frz_status append_row(frz_feed *feed, const frz_arrow_field *field, frz_column *column,
                             frz_error *err)
{
  if (field->nullable && frz_feed_choose(feed, 5) == 0)
    return frz_column_append_nulls(column, 1, err);
  switch (field->type.kind) {
  case FRZ_ARROW_NULL: return frz_column_append_nulls(column, 1, err);
  case FRZ_ARROW_BOOL: {
    uint8_t value = (uint8_t)frz_feed_choose(feed, 2);
    return frz_column_append_value(column, &value, 1, err);
  }
  case FRZ_ARROW_DECIMAL128: return append_decimal(feed, field->type.precision, column, err);
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY: return append_bytes(feed, column, err);
  case FRZ_ARROW_LIST:
  case FRZ_ARROW_MAP:
    FRZ_TRY(frz_random_rows(feed, &field->children[0], &column->children[0],
                            (int64_t)frz_feed_choose(feed, 4), err));
    return frz_column_append_present(column, err);
  case FRZ_ARROW_STRUCT:
    for (size_t i = 0; i < field->n_children; i++)
      FRZ_TRY(append_row(feed, &field->children[i], &column->children[i], err));
    return frz_column_append_present(column, err);
  default: return append_fixed(feed, field, column, err);
  }
}

frz_status frz_random_rows(frz_feed *feed, const frz_arrow_field *field, frz_column *column,
                           int64_t n, frz_error *err)
{
  for (int64_t i = 0; i < n; i++) FRZ_TRY(append_row(feed, field, column, err));
  return FRZ_OK;
}

frz_status frz_random_batch(frz_feed *feed, frz_arena *arena, int depth, frz_arrow_field *fields,
                            size_t n_fields, int64_t n_rows, frz_batch *batch_out)
{
  int32_t next_id = 1;
  for (size_t i = 0; i < n_fields; i++)
    if (!frz_random_field(feed, arena, frz_random_kind(feed, true), depth, &next_id, &fields[i]))
      return FRZ_ERR_NOMEM;
  FRZ_TRY(frz_batch_init(batch_out, fields, n_fields, frz_alloc_default(), NULL));
  for (size_t i = 0; i < n_fields; i++)
    FRZ_TRY(frz_random_rows(feed, &fields[i], &batch_out->columns[i], n_rows, NULL));
  batch_out->n_rows = n_rows;
  return FRZ_OK;
}
