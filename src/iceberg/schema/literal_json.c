/*
 * literal_json.c - single values from and to their JSON form: the defaults of columns.
 *
 * Dates, times, decimals and uuids are texts there, numbers are numbers, and bytes are hexadecimal.
 *
 * Source: Iceberg specification, appendix D "JSON single-value serialization".
 */
#include <assert.h>

#include "base/limits.h"
#include "iceberg/schema/literal.h"

static frz_status refuse(const frz_type *type, frz_str json, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "default %.*s is not a value of type %s", FRZ_STR_ARG(json),
                  frz_type_kind_name(type->kind));
}

static bool is_text_kind(frz_type_kind kind)
{
  return kind != FRZ_TYPE_BOOLEAN && kind != FRZ_TYPE_INT && kind != FRZ_TYPE_LONG &&
         kind != FRZ_TYPE_FLOAT && kind != FRZ_TYPE_DOUBLE;
}

static frz_status bytes_from_hex(const frz_type *type, frz_str json, frz_str hex, frz_arena *arena,
                                 frz_literal *out, frz_error *err)
{
  uint8_t *bytes = frz_arena_push(arena, hex.size / 2 + 1);
  if (bytes == NULL) return frz_fail_nomem(err, "default");
  if (!frz_hex_parse(hex, bytes)) return refuse(type, json, err);
  if (type->kind == FRZ_TYPE_FIXED && hex.size / 2 != (size_t)type->length)
    return refuse(type, json, err);
  *out = (frz_literal){.kind = type->kind, .as = {.bytes = {(char *)bytes, hex.size / 2}}};
  return FRZ_OK;
}

frz_status frz_literal_from_json(const frz_type *type, frz_str json, frz_arena *arena,
                                 frz_literal *literal_out, frz_error *err)
{
  frz_json_reader reader;
  frz_json_kind kind;
  frz_str text;
  if (!frz_type_is_primitive(type))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "default %.*s of type %s is not supported",
                    FRZ_STR_ARG(json), frz_type_kind_name(type->kind));
  frz_json_reader_init(&reader, json.data, json.size, arena);
  FRZ_TRY(frz_json_peek(&reader, &kind, err));
  if (kind == FRZ_JSON_NULL) {
    *literal_out = frz_literal_null(type->kind);
    return FRZ_OK;
  }
  bool is_string = kind == FRZ_JSON_STRING;
  if (is_string != is_text_kind(type->kind) || type->kind == FRZ_TYPE_UNKNOWN ||
      type->kind == FRZ_TYPE_VARIANT)
    return refuse(type, json, err);
  if (is_string)
    FRZ_TRY(frz_json_read_string(&reader, &text, err));
  else
    FRZ_TRY(frz_json_read_raw(&reader, &text, err));
  if (type->kind == FRZ_TYPE_BINARY || type->kind == FRZ_TYPE_FIXED)
    return bytes_from_hex(type, json, text, arena, literal_out, err);
  int range = 0;
  frz_literal literal;
  frz_status st = frz_literal_from_text(type, text, is_string, arena, &literal, &range, err);
  if (st == FRZ_ERR_NOMEM) return st;
  if (st != FRZ_OK || range != 0) return refuse(type, json, err);
  *literal_out = literal;
  return FRZ_OK;
}

static frz_str bytes_to_hex(frz_str bytes, frz_arena *arena)
{
  static const char digits[] = "0123456789abcdef";
  char *hex = frz_arena_push(arena, bytes.size * 2 + 1);
  if (hex == NULL) return (frz_str){0};
  for (size_t i = 0; i < bytes.size; i++) {
    hex[2 * i] = digits[(uint8_t)bytes.data[i] >> 4];
    hex[2 * i + 1] = digits[(uint8_t)bytes.data[i] & 15];
  }
  return (frz_str){hex, bytes.size * 2};
}

frz_status frz_literal_to_json(const frz_literal *literal, frz_arena *arena, frz_json_writer *json,
                               frz_error *err)
{
  bool is_bytes = literal->kind == FRZ_TYPE_BINARY || literal->kind == FRZ_TYPE_FIXED;
  if (literal->is_null) {
    frz_json_write_null(json);
    return FRZ_OK;
  }
  frz_str text =
      is_bytes ? bytes_to_hex(literal->as.bytes, arena) : frz_literal_print(literal, arena);
  if (text.data == NULL) return frz_fail_nomem(err, "default");
  if (is_text_kind(literal->kind))
    frz_json_write_string(json, text);
  else
    frz_json_write_raw(json, text);
  return FRZ_OK;
}

frz_status frz_nested_default(const frz_type *type, frz_str json, const frz_alloc *alloc,
                              bool *has_default_out, frz_error *err)
{
  assert(!frz_type_is_primitive(type));
  *has_default_out = false;
  if (json.data == NULL || frz_str_is(json, "null")) return FRZ_OK;
  frz_arena arena;
  frz_json_reader reader;
  frz_str key;
  bool more = true;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_json_reader_init(&reader, json.data, json.size, &arena);
  frz_status st = FRZ_OK;
  if (type->kind == FRZ_TYPE_STRUCT) st = frz_json_object_begin(&reader, NULL);
  if (st == FRZ_OK && type->kind == FRZ_TYPE_STRUCT)
    st = frz_json_object_next(&reader, &key, &more, NULL);
  frz_arena_free(&arena);
  if (st == FRZ_ERR_NOMEM) return frz_fail_nomem(err, "default");
  if (st != FRZ_OK || more)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "default %.*s of type %s is not supported",
                    FRZ_STR_ARG(json), frz_type_kind_name(type->kind));
  *has_default_out = true;
  return FRZ_OK;
}
