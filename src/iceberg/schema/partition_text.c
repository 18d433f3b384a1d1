/*
 * partition_text.c - partition specs and sort orders from the text that users write.
 *
 * Both are lists of terms: a column, or a transform of one, as "bucket(16, driver_id)". Columns
 * may be dotted, and quoted with " or `, which is doubled inside. Names of partition fields follow
 * what Spark and PyIceberg give them, so that a table made here looks the same there.
 */
#include <stdio.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/schema/partition.h"
#include "text/quoted_text.h"

enum { FIRST_FIELD_ID = 1000 };

typedef struct scanner {
  const char *what;
  frz_str text;
  size_t at;
  frz_arena *arena;
} scanner;

typedef struct term {
  frz_str column;
  frz_transform transform;
  const char *suffix; /* of the partition field's name */
} term;

static frz_status refuse(const scanner *s, size_t at, const char *wanted, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_INVALID, "%s, offset %zu: %s expected in '%.*s'", s->what, at,
                  wanted, FRZ_STR_ARG(s->text));
}

static void skip_space(scanner *s)
{
  while (s->at < s->text.size && (s->text.data[s->at] == ' ' || s->text.data[s->at] == '\t' ||
                                  s->text.data[s->at] == '\n' || s->text.data[s->at] == '\r'))
    s->at++;
}

static bool take(scanner *s, char wanted)
{
  skip_space(s);
  if (s->at == s->text.size || s->text.data[s->at] != wanted) return false;
  s->at++;
  return true;
}

static bool is_name_char(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '$' || (unsigned char)c >= 0x80;
}

static bool take_bare_word(scanner *s, frz_str *word_out)
{
  skip_space(s);
  size_t first = s->at;
  while (s->at < s->text.size && is_name_char(s->text.data[s->at])) s->at++;
  *word_out = (frz_str){s->text.data + first, s->at - first};
  return s->at != first;
}

/* A bare word, or any text in quotes; `wanted` says what is missing where there is none. */
static frz_status take_word(scanner *s, const char *wanted, frz_str *word_out, bool *is_quoted_out,
                            frz_error *err)
{
  skip_space(s);
  size_t first = s->at;
  char quote = s->at < s->text.size ? s->text.data[s->at] : '\0';
  *is_quoted_out = quote == '"' || quote == '`';
  if (!*is_quoted_out) return take_bare_word(s, word_out) ? FRZ_OK : refuse(s, first, wanted, err);
  frz_status st = frz_quoted_text_take(s->text, &s->at, s->arena, word_out, err);
  if (st != FRZ_OK) frz_error_where(err, "%s, ", s->what);
  if (st == FRZ_OK && word_out->size == 0) st = refuse(s, first, wanted, err);
  return st;
}

static bool take_keyword(scanner *s, const char *word)
{
  size_t before = s->at;
  frz_str found;
  if (take_bare_word(s, &found) && frz_str_is_word(found, word)) return true;
  s->at = before;
  return false;
}

static bool whole_number(frz_str text, int32_t *number_out)
{
  int64_t number = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    number = number * 10 + (text.data[i] - '0');
    if (number > INT32_MAX) return false;
  }
  *number_out = (int32_t)number;
  return text.size != 0 && number != 0;
}

typedef struct function_name {
  const char *name;
  frz_transform_kind kind;
  const char *suffix;
} function_name;

static const function_name functions[] = {
    {"identity", FRZ_TRANSFORM_IDENTITY, ""},
    {"bucket", FRZ_TRANSFORM_BUCKET, "_bucket"},
    {"truncate", FRZ_TRANSFORM_TRUNCATE, "_trunc"},
    {"year", FRZ_TRANSFORM_YEAR, "_year"},
    {"years", FRZ_TRANSFORM_YEAR, "_year"},
    {"month", FRZ_TRANSFORM_MONTH, "_month"},
    {"months", FRZ_TRANSFORM_MONTH, "_month"},
    {"day", FRZ_TRANSFORM_DAY, "_day"},
    {"days", FRZ_TRANSFORM_DAY, "_day"},
    {"date", FRZ_TRANSFORM_DAY, "_day"},
    {"hour", FRZ_TRANSFORM_HOUR, "_hour"},
    {"hours", FRZ_TRANSFORM_HOUR, "_hour"},
};

/* The transform's own text, in the form that metadata holds. */
static frz_status name_transform(scanner *s, frz_transform *transform, frz_error *err)
{
  static const char *const names[] = {"identity", "bucket", "truncate", "year",
                                      "month",    "day",    "hour",     "void"};
  const char *name = names[transform->kind];
  bool has_param =
      transform->kind == FRZ_TRANSFORM_BUCKET || transform->kind == FRZ_TRANSFORM_TRUNCATE;
  transform->text = has_param ? frz_arena_print(s->arena, "%s[%d]", name, (int)transform->param)
                              : frz_str_from(name);
  return transform->text.data != NULL ? FRZ_OK : frz_fail_nomem(err, s->what);
}

static frz_status scan_arguments(scanner *s, term *t, frz_error *err)
{
  bool needs_param =
      t->transform.kind == FRZ_TRANSFORM_BUCKET || t->transform.kind == FRZ_TRANSFORM_TRUNCATE;
  bool has_param = false, has_column = false;
  do {
    frz_str word;
    bool is_quoted;
    skip_space(s);
    size_t at = s->at;
    FRZ_TRY(take_word(s, "a column", &word, &is_quoted, err));
    if (needs_param && !has_param && !is_quoted && whole_number(word, &t->transform.param)) {
      has_param = true;
    } else if (!has_column) {
      t->column = word;
      has_column = true;
    } else {
      return refuse(s, at, needs_param && !has_param ? "a positive number" : "')'", err);
    }
  } while (take(s, ','));
  if (!take(s, ')')) return refuse(s, s->at, "')'", err);
  if (needs_param && !has_param) return refuse(s, s->at - 1, "a positive number", err);
  if (!has_column) return refuse(s, s->at - 1, "a column", err);
  return FRZ_OK;
}

static frz_status scan_term(scanner *s, term *term_out, frz_error *err)
{
  term t = {.transform = {.kind = FRZ_TRANSFORM_IDENTITY}, .suffix = ""};
  bool is_quoted;
  skip_space(s);
  size_t at = s->at;
  FRZ_TRY(take_word(s, "a column or transform", &t.column, &is_quoted, err));
  if (!is_quoted && take(s, '(')) {
    size_t i = 0, n = sizeof functions / sizeof functions[0];
    while (i < n && !frz_str_is_word(t.column, functions[i].name)) i++;
    if (i == n) return refuse(s, at, "identity, bucket, truncate, year, month, day or hour", err);
    t.transform.kind = functions[i].kind;
    t.suffix = functions[i].suffix;
    FRZ_TRY(scan_arguments(s, &t, err));
  }
  FRZ_TRY(name_transform(s, &t.transform, err));
  *term_out = t;
  return FRZ_OK;
}

static frz_status bind(const scanner *s, const frz_schema *schema, const term *t,
                       int32_t *source_id_out, frz_error *err)
{
  const frz_field *field = frz_schema_find_name(schema, t->column, true);
  if (field == NULL) {
    char where[64];
    snprintf(where, sizeof where, "%s: ", s->what);
    return frz_schema_fail_name(schema, where, t->column, err);
  }
  *source_id_out = field->id;
  return FRZ_OK;
}

static bool is_at_end(scanner *s)
{
  skip_space(s);
  return s->at == s->text.size;
}

/* An identity field may be called as its own column; any other name must be new. */
static frz_status check_name(const frz_schema *schema, const frz_partition_field *fields, size_t n,
                             const frz_partition_field *field, frz_error *err)
{
  for (size_t i = 0; i < n; i++)
    if (frz_str_equal(fields[i].name, field->name))
      return frz_fail(err, FRZ_ERR_INVALID, "partitioning: two fields are named '%.*s'",
                      FRZ_STR_ARG(field->name));
  const frz_field *column = frz_schema_find_name(schema, field->name, true);
  if (column != NULL &&
      (field->transform.kind != FRZ_TRANSFORM_IDENTITY || column->id != field->source_id))
    return frz_fail(err, FRZ_ERR_INVALID, "partitioning: '%.*s' is the name of a column",
                    FRZ_STR_ARG(field->name));
  return FRZ_OK;
}

static frz_str join(frz_arena *arena, frz_str column, const char *suffix, const char *param)
{
  size_t n_suffix = strlen(suffix), n_param = strlen(param);
  char *name = frz_arena_push(arena, column.size + n_suffix + n_param + 1);
  if (name == NULL) return (frz_str){0};
  memcpy(name, column.data, column.size);
  memcpy(name + column.size, suffix, n_suffix);
  memcpy(name + column.size + n_suffix, param, n_param);
  return (frz_str){name, column.size + n_suffix + n_param};
}

/* The field of one term; its name is the column's with `suffix_out`. */
static frz_status scan_field(scanner *s, const frz_schema *schema, frz_partition_field *field,
                             frz_str *column_out, const char **suffix_out, frz_error *err)
{
  term t;
  FRZ_TRY(scan_term(s, &t, err));
  FRZ_TRY(bind(s, schema, &t, &field->source_id, err));
  field->transform = t.transform;
  *column_out = t.column;
  *suffix_out = t.suffix;
  return FRZ_OK;
}

frz_status frz_partition_field_from_text(frz_str text, const frz_schema *schema, frz_arena *arena,
                                         frz_partition_field *field_out, frz_error *err)
{
  scanner s = {"partitioning", text, 0, arena};
  frz_partition_field field = {.field_id = -1};
  frz_str column;
  const char *suffix;
  if (text.size > FRZ_LIMIT_FILTER_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "partitioning: text of %zu bytes; at most %zu are read",
                    text.size, FRZ_LIMIT_FILTER_BYTES);
  FRZ_TRY(scan_field(&s, schema, &field, &column, &suffix, err));
  if (!is_at_end(&s)) return refuse(&s, s.at, "the end", err);
  const frz_partition_spec alone = {.fields = &field, .n_fields = 1};
  bool has_param = field.transform.kind == FRZ_TRANSFORM_BUCKET ||
                   field.transform.kind == FRZ_TRANSFORM_TRUNCATE;
  char param[16] = "";
  if (has_param) snprintf(param, sizeof param, "_%d", (int)field.transform.param);
  field.name = join(arena, column, suffix, param);
  if (field.name.data == NULL) return frz_fail_nomem(err, s.what);
  FRZ_TRY(frz_partition_spec_check(&alone, schema, FRZ_ERR_INVALID, err));
  *field_out = field;
  return FRZ_OK;
}

frz_status frz_partition_spec_from_text(frz_str text, const frz_schema *schema, frz_arena *arena,
                                        frz_partition_spec *spec_out, frz_error *err)
{
  scanner s = {"partitioning", text, 0, arena};
  frz_partition_field *fields = NULL;
  size_t n = 0, capacity = 0;
  if (text.size > FRZ_LIMIT_FILTER_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "partitioning: text of %zu bytes; at most %zu are read",
                    text.size, FRZ_LIMIT_FILTER_BYTES);
  if (!is_at_end(&s)) {
    do {
      frz_str column;
      const char *suffix;
      frz_partition_field field = {.field_id = FIRST_FIELD_ID + (int32_t)n};
      if (n == FRZ_LIMIT_PARTITION_FIELDS)
        return frz_fail(err, FRZ_ERR_LIMIT, "partitioning: more than %d fields",
                        FRZ_LIMIT_PARTITION_FIELDS);
      FRZ_TRY(scan_field(&s, schema, &field, &column, &suffix, err));
      field.name = join(arena, column, suffix, "");
      fields = frz_arena_list_room(arena, fields, n, &capacity, sizeof *fields);
      if (field.name.data == NULL || fields == NULL) return frz_fail_nomem(err, s.what);
      FRZ_TRY(check_name(schema, fields, n, &field, err));
      fields[n++] = field;
    } while (take(&s, ','));
    if (!is_at_end(&s)) return refuse(&s, s.at, "',' or the end", err);
  }
  frz_partition_spec spec = {.fields = fields, .n_fields = n};
  FRZ_TRY(frz_partition_spec_check(&spec, schema, FRZ_ERR_INVALID, err));
  *spec_out = spec;
  return FRZ_OK;
}

static frz_status scan_direction(scanner *s, frz_sort_field *field, frz_error *err)
{
  if (take_keyword(s, "desc"))
    field->descending = true;
  else
    (void)take_keyword(s, "asc");
  field->nulls_last = field->descending; /* Iceberg's default */
  if (!take_keyword(s, "nulls")) return FRZ_OK;
  if (take_keyword(s, "first"))
    field->nulls_last = false;
  else if (take_keyword(s, "last"))
    field->nulls_last = true;
  else
    return refuse(s, s->at, "'first' or 'last'", err);
  return FRZ_OK;
}

frz_status frz_sort_order_from_text(frz_str text, const frz_schema *schema, frz_arena *arena,
                                    frz_sort_order *order_out, frz_error *err)
{
  scanner s = {"sort order", text, 0, arena};
  frz_sort_field *fields = NULL;
  size_t n = 0, capacity = 0;
  if (text.size > FRZ_LIMIT_FILTER_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "sort order: text of %zu bytes; at most %zu are read",
                    text.size, FRZ_LIMIT_FILTER_BYTES);
  if (!is_at_end(&s)) {
    do {
      term t;
      frz_sort_field field = {0};
      if (n == FRZ_LIMIT_PARTITION_FIELDS)
        return frz_fail(err, FRZ_ERR_LIMIT, "sort order: more than %d fields",
                        FRZ_LIMIT_PARTITION_FIELDS);
      FRZ_TRY(scan_term(&s, &t, err));
      FRZ_TRY(bind(&s, schema, &t, &field.source_id, err));
      FRZ_TRY(scan_direction(&s, &field, err));
      field.transform = t.transform;
      fields = frz_arena_list_room(arena, fields, n, &capacity, sizeof *fields);
      if (fields == NULL) return frz_fail_nomem(err, s.what);
      fields[n++] = field;
    } while (take(&s, ','));
    if (!is_at_end(&s)) return refuse(&s, s.at, "',' or the end", err);
  }
  frz_sort_order order = {.order_id = n != 0, .fields = fields, .n_fields = n};
  FRZ_TRY(frz_sort_order_check(&order, schema, FRZ_ERR_INVALID, err));
  *order_out = order;
  return FRZ_OK;
}
