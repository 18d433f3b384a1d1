/*
 * hive_type.c - see hive_type.h. The names are those of Iceberg's Java and Python libraries.
 */
#include "catalog/hive_type.h"

enum { COMMENT_BYTES_MAX = 255 };

static const char *name_of(frz_type_kind kind, frz_hive_dialect dialect)
{
  static const char *const names[] = {
      [FRZ_TYPE_BOOLEAN] = "boolean",       [FRZ_TYPE_INT] = "int",
      [FRZ_TYPE_LONG] = "bigint",           [FRZ_TYPE_FLOAT] = "float",
      [FRZ_TYPE_DOUBLE] = "double",         [FRZ_TYPE_DATE] = "date",
      [FRZ_TYPE_TIME] = "string",           [FRZ_TYPE_TIMESTAMP] = "timestamp",
      [FRZ_TYPE_TIMESTAMPTZ] = "timestamp", [FRZ_TYPE_STRING] = "string",
      [FRZ_TYPE_UUID] = "string",           [FRZ_TYPE_FIXED] = "binary",
      [FRZ_TYPE_BINARY] = "binary",         [FRZ_TYPE_MAP] = NULL};
  bool has_zone = kind == FRZ_TYPE_TIMESTAMPTZ || kind == FRZ_TYPE_TIMESTAMPTZ_NS;
  if (dialect == FRZ_HIVE_GLUE) return names[kind];
  if (has_zone && dialect == FRZ_HIVE_3) return "timestamp with local time zone";
  if (has_zone || kind == FRZ_TYPE_TIMESTAMP_NS) return "timestamp";
  if (kind == FRZ_TYPE_UNKNOWN) return "void";
  return names[kind] != NULL ? names[kind] : "binary";
}

frz_status frz_hive_type_append(const frz_type *type, frz_hive_dialect dialect, frz_arena *arena,
                                frz_buf *out, frz_error *err)
{
  if (type->kind == FRZ_TYPE_DECIMAL)
    return frz_buf_print(out, err, "decimal(%d,%d)", (int)type->precision, (int)type->scale);
  if (type->kind < FRZ_TYPE_STRUCT) {
    const char *name = name_of(type->kind, dialect);
    frz_str text = name != NULL ? frz_str_from(name) : frz_type_print(type, arena);
    return text.data != NULL ? frz_buf_append_str(out, text, err) : frz_fail_nomem(err, "column");
  }
  const char *head = type->kind == FRZ_TYPE_LIST  ? "array<"
                     : type->kind == FRZ_TYPE_MAP ? "map<"
                                                  : "struct<";
  FRZ_TRY(frz_buf_append_str(out, frz_str_from(head), err));
  for (size_t i = 0; i < type->n_fields; i++) {
    if (i != 0) FRZ_TRY(frz_buf_append_byte(out, ',', err));
    if (type->kind == FRZ_TYPE_STRUCT) {
      FRZ_TRY(frz_buf_append_str(out, type->fields[i].name, err));
      FRZ_TRY(frz_buf_append_byte(out, ':', err));
    }
    FRZ_TRY(frz_hive_type_append(&type->fields[i].type, dialect, arena, out, err));
  }
  return frz_buf_append_byte(out, '>', err);
}

frz_str frz_hive_comment(frz_str text)
{
  if (text.size <= COMMENT_BYTES_MAX) return text;
  text.size = COMMENT_BYTES_MAX;
  while (text.size != 0 && ((unsigned char)text.data[text.size] & 0xC0) == 0x80) text.size--;
  return text;
}
