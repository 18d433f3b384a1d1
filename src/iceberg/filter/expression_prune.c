/*
 * expression_prune.c - what a filter can say about rows that were not read.
 *
 * Everything that is known of a column's values in a file, a manifest or a row group is brought
 * into one form: a range of values with counts of nulls and NaNs. Column metrics are that already;
 * a partition value is turned back into the range of source values that give it (a day into its
 * first and last microsecond), so that one set of rules serves all. Buckets alone have no range and
 * are compared as buckets.
 *
 * What must stay true: "may match" is false only when no row can match, "all match" true only when
 * every row does. What is unknown, broken or not understood decides nothing.
 *
 * Source: Iceberg specification, "Scan Planning", "Manifest Lists" (field_summary), "Data File
 * Fields" (bounds and counts).
 */
#include "iceberg/filter/expression_tree.h"
#include "iceberg/schema/date_text.h"

/* The values v of a column: lower <= v <= upper but for nulls and NaNs. Where upper_cut is set,
 * the upper bound holds for v cut to that many code points (bytes, for binary). */
typedef struct range {
  bool has_lower, has_upper;
  frz_literal lower, upper;
  int32_t upper_cut;
  int64_t n_values, n_nulls, n_nans; /* -1: unknown */
} range;

static bool is_float(frz_type_kind kind)
{
  return kind == FRZ_TYPE_FLOAT || kind == FRZ_TYPE_DOUBLE;
}

static bool is_nan(const frz_literal *value)
{
  return (value->kind == FRZ_TYPE_FLOAT && value->as.f32 != value->as.f32) ||
         (value->kind == FRZ_TYPE_DOUBLE && value->as.f64 != value->as.f64);
}

static range range_unknown(frz_type_kind kind)
{
  return (range){.n_values = -1, .n_nulls = -1, .n_nans = is_float(kind) ? -1 : 0};
}

/* A bound that cannot be one (NaN, another type, upside down) is as good as none. */
static void range_set(range *r, const frz_type *type, const frz_literal *lower,
                      const frz_literal *upper)
{
  r->has_lower = lower != NULL && !lower->is_null && lower->kind == type->kind && !is_nan(lower);
  r->has_upper = upper != NULL && !upper->is_null && upper->kind == type->kind && !is_nan(upper);
  if (r->has_lower) r->lower = *lower;
  if (r->has_upper) r->upper = *upper;
  if (r->has_lower && r->has_upper && frz_filter_compare(lower, upper) > 0)
    r->has_lower = r->has_upper = false;
}

/* ---- rules ---- */

static bool all_null(const range *r)
{
  return r->n_values >= 0 && r->n_nulls >= r->n_values;
}

/* Is no value other than null and NaN there? */
static bool only_nan(const range *r)
{
  return r->n_values >= 0 && r->n_nulls >= 0 && r->n_nans > 0 &&
         r->n_nans >= r->n_values - r->n_nulls;
}

static bool may_be_nan(const range *r, frz_type_kind kind)
{
  return is_float(kind) && r->n_nans != 0;
}

static frz_literal cut(const range *r, const frz_literal *value)
{
  frz_literal result = *value;
  if (r->upper_cut == 0) return result;
  if (value->kind == FRZ_TYPE_STRING)
    result.as.bytes.size = frz_utf8_prefix(value->as.bytes, r->upper_cut);
  else if (result.as.bytes.size > (size_t)r->upper_cut)
    result.as.bytes.size = (size_t)r->upper_cut;
  return result;
}

/* Of the upper bound against a literal, both cut alike; needs has_upper. */
static int compare_upper(const range *r, const frz_literal *value)
{
  frz_literal shorter = cut(r, value);
  return frz_filter_compare(&r->upper, &shorter);
}

static bool may_be_less(const range *r, const frz_literal *value, bool or_equal)
{
  if (only_nan(r)) return false;
  if (!r->has_lower) return true;
  int order = frz_filter_compare(&r->lower, value);
  return order < 0 || (or_equal && order == 0);
}

/* NaN is greater than every number; a cut value may go on behind the cut. */
static bool may_be_greater(const range *r, const frz_literal *value, bool or_equal)
{
  if (!r->has_upper || may_be_nan(r, value->kind)) return true;
  int order = compare_upper(r, value);
  return order > 0 || ((or_equal || r->upper_cut != 0) && order == 0);
}

/* Could a value (not null, not NaN) equal it? */
static bool holds(const range *r, const frz_literal *value)
{
  return (!r->has_lower || frz_filter_compare(&r->lower, value) <= 0) &&
         (!r->has_upper || compare_upper(r, value) >= 0);
}

/* Could a value equal one of the sorted literals? The first that is not below the range decides. */
static bool holds_any(const range *r, const frz_literal *literals, size_t n)
{
  size_t first = 0, end = n;
  while (r->has_lower && first < end) {
    size_t middle = first + (end - first) / 2;
    if (frz_filter_compare(&literals[middle], &r->lower) < 0)
      first = middle + 1;
    else
      end = middle;
  }
  return first < n && holds(r, &literals[first]);
}

/* Is every value that is neither null nor NaN the same, and in the list? */
static bool is_single_of(const range *r, const frz_literal *literals, size_t n)
{
  return r->has_lower && r->has_upper && r->upper_cut == 0 &&
         frz_filter_compare(&r->lower, &r->upper) == 0 && holds_any(r, literals, n);
}

static bool starts_with(frz_str text, frz_str prefix)
{
  return text.size >= prefix.size &&
         (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

static int compare_front(frz_str bound, frz_str prefix)
{
  if (bound.size > prefix.size) bound.size = prefix.size;
  return frz_str_compare(bound, prefix);
}

static bool may_start_with(const range *r, const frz_literal *prefix)
{
  if (r->has_lower && compare_front(r->lower.as.bytes, prefix->as.bytes) > 0) return false;
  frz_literal shorter = cut(r, prefix);
  return !r->has_upper || compare_front(r->upper.as.bytes, shorter.as.bytes) >= 0;
}

static bool all_start_with(const range *r, const frz_literal *prefix)
{
  return r->has_lower && r->has_upper && starts_with(r->lower.as.bytes, prefix->as.bytes) &&
         starts_with(r->upper.as.bytes, prefix->as.bytes);
}

/* May a value of the range satisfy the predicate? */
static bool range_may_match(const frz_expr *expr, const range *r)
{
  const frz_literal *value = expr->literals;
  frz_type_kind kind = expr->field->type.kind;
  switch (expr->predicate) {
  case FRZ_PREDICATE_IS_NULL: return r->n_nulls != 0;
  case FRZ_PREDICATE_NOT_NAN: return !(only_nan(r) && r->n_nulls == 0);
  default: break;
  }
  if (all_null(r)) return false;
  switch (expr->predicate) {
  case FRZ_PREDICATE_IS_NAN: return r->n_nans != 0;
  case FRZ_PREDICATE_LT: return may_be_less(r, value, false);
  case FRZ_PREDICATE_LE: return may_be_less(r, value, true);
  case FRZ_PREDICATE_GT: return may_be_greater(r, value, false);
  case FRZ_PREDICATE_GE: return may_be_greater(r, value, true);
  case FRZ_PREDICATE_EQ:
  case FRZ_PREDICATE_IN: return !only_nan(r) && holds_any(r, value, expr->n_literals);
  case FRZ_PREDICATE_NE:
  case FRZ_PREDICATE_NOT_IN:
    return may_be_nan(r, kind) || !is_single_of(r, value, expr->n_literals);
  case FRZ_PREDICATE_STARTS_WITH: return may_start_with(r, value);
  case FRZ_PREDICATE_NOT_STARTS_WITH: return !all_start_with(r, value);
  default: return true;
  }
}

/* Do all values of the range, nulls among them, satisfy the predicate? */
static bool range_all_match(const frz_expr *expr, const range *r)
{
  const frz_literal *value = expr->literals;
  frz_type_kind kind = expr->field->type.kind;
  switch (expr->predicate) {
  case FRZ_PREDICATE_IS_NULL: return r->n_values > 0 && r->n_nulls == r->n_values;
  case FRZ_PREDICATE_IS_NAN: return r->n_values > 0 && r->n_nans == r->n_values;
  case FRZ_PREDICATE_NOT_NAN: return r->n_nans == 0;
  default: break;
  }
  if (r->n_nulls != 0) return false;
  bool no_nan = !may_be_nan(r, kind);
  switch (expr->predicate) {
  case FRZ_PREDICATE_NOT_NULL: return true;
  case FRZ_PREDICATE_LT: return no_nan && !may_be_greater(r, value, true);
  case FRZ_PREDICATE_LE: return no_nan && !may_be_greater(r, value, false);
  case FRZ_PREDICATE_GT: return r->has_lower && frz_filter_compare(&r->lower, value) > 0;
  case FRZ_PREDICATE_GE: return r->has_lower && frz_filter_compare(&r->lower, value) >= 0;
  case FRZ_PREDICATE_EQ:
  case FRZ_PREDICATE_IN: return no_nan && is_single_of(r, value, expr->n_literals);
  case FRZ_PREDICATE_NE:
  case FRZ_PREDICATE_NOT_IN: return !holds_any(r, value, expr->n_literals);
  case FRZ_PREDICATE_STARTS_WITH: return all_start_with(r, value);
  case FRZ_PREDICATE_NOT_STARTS_WITH: return !may_start_with(r, value);
  default: return false;
  }
}

/* ---- partition values, back into source values ---- */

/* Partition values p: lower <= p <= upper. */
typedef struct part_range {
  const frz_literal *lower, *upper; /* NULL: unknown */
  bool is_all_null;                 /* every p is null, and so was every source value */
  bool has_no_null;
  bool has_no_nan;
} part_range;

static bool number_of(const frz_literal *value, frz_int128 *number_out)
{
  switch (value->kind) {
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: *number_out = value->as.i32; return true;
  case FRZ_TYPE_LONG: *number_out = value->as.i64; return true;
  case FRZ_TYPE_DECIMAL: *number_out = value->as.decimal; return true;
  default: return false;
  }
}

/* A value of the field's type from a number; false where it does not fit. */
static bool literal_of(const frz_type *type, frz_int128 number, frz_literal *literal_out)
{
  frz_literal literal = {.kind = type->kind, .scale = type->scale};
  switch (type->kind) {
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE:
    if (number < INT32_MIN || number > INT32_MAX) return false;
    literal.as.i32 = (int32_t)number;
    break;
  case FRZ_TYPE_DECIMAL: literal.as.decimal = number; break;
  default:
    if (number < INT64_MIN || number > INT64_MAX) return false;
    literal.as.i64 = (int64_t)number;
  }
  *literal_out = literal;
  return true;
}

static void set_numbers(range *r, const frz_type *type, frz_int128 lower, frz_int128 upper)
{
  frz_literal low, high;
  bool has_low = literal_of(type, lower, &low), has_high = literal_of(type, upper, &high);
  range_set(r, type, has_low ? &low : NULL, has_high ? &high : NULL);
}

static void from_identity(const part_range *p, const frz_type *type, range *r)
{
  frz_literal lower, upper;
  bool has_lower = p->lower != NULL && frz_literal_promote(p->lower, type, &lower);
  bool has_upper = p->upper != NULL && frz_literal_promote(p->upper, type, &upper);
  range_set(r, type, has_lower ? &lower : NULL, has_upper ? &upper : NULL);
  if (p->has_no_nan) r->n_nans = 0;
}

/* A number was cut down to p: p <= v < p + width. Where p + width leaves the type, p may also be
 * a value at the type's other end that wrapped around; that of a long may have been an int. */
static void from_truncate(const part_range *p, int32_t width, const frz_type *type, range *r)
{
  frz_int128 lower, upper;
  frz_literal top;
  if (p->lower == NULL || p->upper == NULL) return;
  if (type->kind == FRZ_TYPE_STRING || type->kind == FRZ_TYPE_BINARY) {
    frz_str text = p->upper->as.bytes;
    if (p->lower->kind != type->kind || p->upper->kind != type->kind) return;
    range_set(r, type, p->lower, p->upper);
    bool was_cut = type->kind == FRZ_TYPE_BINARY ? text.size >= (size_t)width
                                                 : frz_utf8_prefix(text, width - 1) < text.size;
    r->upper_cut = was_cut ? width : 0;
    return;
  }
  if (!number_of(p->lower, &lower) || !number_of(p->upper, &upper)) return;
  upper += width - 1;
  if (!literal_of(type, upper, &top)) return;
  set_numbers(r, type, lower, upper);
  if (type->kind == FRZ_TYPE_LONG && lower <= INT32_MAX && upper > INT32_MAX) r->has_lower = false;
}

/* The first day of a unit of time since 1970. */
static bool first_day(frz_transform_kind unit, int64_t number, int64_t *days_out)
{
  const int64_t years_max = 1000000; /* beyond any type's range */
  if (unit == FRZ_TRANSFORM_DAY) {
    *days_out = number;
    return true;
  }
  int64_t year = unit == FRZ_TRANSFORM_YEAR ? number : frz_floor_div(number, 12);
  int64_t month = unit == FRZ_TRANSFORM_YEAR ? 0 : number - year * 12;
  if (year < -years_max || year > years_max) return false;
  *days_out = frz_days_of_date(1970 + year, (int)month + 1, 1);
  return true;
}

/* The first tick of a unit in the column's type. */
static bool first_tick(frz_transform_kind unit, int64_t number, frz_type_kind kind,
                       frz_int128 *tick_out)
{
  int64_t days;
  bool is_nanos = kind == FRZ_TYPE_TIMESTAMP_NS || kind == FRZ_TYPE_TIMESTAMPTZ_NS;
  frz_int128 scale = is_nanos ? 1000 : 1;
  if (unit == FRZ_TRANSFORM_HOUR) {
    *tick_out = scale * number * FRZ_US_PER_HOUR;
    return kind != FRZ_TYPE_DATE;
  }
  if (!first_day(unit, number, &days)) return false;
  *tick_out = kind == FRZ_TYPE_DATE ? (frz_int128)days : scale * days * FRZ_US_PER_DAY;
  return true;
}

/* Old writers rounded times before 1970 towards zero, so a unit up to 0 may hold the one before. */
static void from_time(const part_range *p, frz_transform_kind unit, const frz_type *type, range *r)
{
  frz_int128 lower, upper, first, behind;
  if (p->lower == NULL || p->upper == NULL || !number_of(p->lower, &lower) ||
      !number_of(p->upper, &upper) || lower < INT32_MIN || upper > INT32_MAX)
    return;
  if (lower <= 0) lower--;
  if (first_tick(unit, (int64_t)lower, type->kind, &first) &&
      first_tick(unit, (int64_t)upper + 1, type->kind, &behind))
    set_numbers(r, type, first, behind - 1);
}

/* What a partition field says about its source column. */
static range range_of_partition(const frz_partition_field *field, const frz_type *type,
                                const part_range *p)
{
  range r = range_unknown(type->kind);
  if (p->is_all_null) {
    r.n_values = r.n_nulls = 1;
    r.n_nans = 0;
    return r;
  }
  if (p->has_no_null) r.n_nulls = 0;
  switch (field->transform.kind) {
  case FRZ_TRANSFORM_IDENTITY: from_identity(p, type, &r); break;
  case FRZ_TRANSFORM_TRUNCATE: from_truncate(p, field->transform.param, type, &r); break;
  case FRZ_TRANSFORM_YEAR:
  case FRZ_TRANSFORM_MONTH:
  case FRZ_TRANSFORM_DAY:
  case FRZ_TRANSFORM_HOUR: from_time(p, field->transform.kind, type, &r); break;
  default: break;
  }
  return r;
}

/* May one of the literals' buckets be among the partition values? */
static bool bucket_may_match(const frz_expr *expr, const frz_partition_field *field,
                             const part_range *p)
{
  if (expr->predicate != FRZ_PREDICATE_EQ && expr->predicate != FRZ_PREDICATE_IN) return true;
  if (p->lower == NULL || p->upper == NULL || p->lower->kind != FRZ_TYPE_INT ||
      p->upper->kind != FRZ_TYPE_INT)
    return true;
  for (size_t i = 0; i < expr->n_literals; i++) {
    frz_literal bucket;
    if (frz_transform_apply(&field->transform, &expr->literals[i], NULL, &bucket, NULL) != FRZ_OK)
      return true;
    if (bucket.as.i32 >= p->lower->as.i32 && bucket.as.i32 <= p->upper->as.i32) return true;
  }
  return false;
}

static bool partition_may_match(const frz_expr *expr, const frz_partition_field *field,
                                const part_range *p)
{
  range r = range_of_partition(field, &expr->field->type, p);
  if (!range_may_match(expr, &r)) return false;
  return field->transform.kind != FRZ_TRANSFORM_BUCKET || bucket_may_match(expr, field, p);
}

/* Does the partition field tell anything of the column? */
static bool is_about(const frz_partition_field *field, const frz_expr *expr)
{
  return field->source_id == expr->field->id && field->transform.kind != FRZ_TRANSFORM_VOID &&
         field->transform.kind != FRZ_TRANSFORM_UNKNOWN;
}

/* ---- leaves ---- */

typedef bool leaf_test(const frz_expr *expr, const void *arg);

/* The tree with each predicate answered by `test`. */
static bool walk(const frz_expr *expr, leaf_test *test, const void *arg)
{
  switch (expr->kind) {
  case FRZ_EXPR_TRUE: return true;
  case FRZ_EXPR_FALSE: return false;
  case FRZ_EXPR_AND: return walk(expr->left, test, arg) && walk(expr->right, test, arg);
  case FRZ_EXPR_OR: return walk(expr->left, test, arg) || walk(expr->right, test, arg);
  case FRZ_EXPR_PREDICATE: return test(expr, arg);
  }
  return true;
}

typedef struct file_arg {
  const frz_partition_spec *spec;
  const frz_schema *schema;
  const frz_data_file *file;
} file_arg;

static bool read_bound(const frz_bound *bounds, size_t n, const frz_field *field,
                       frz_literal *literal_out)
{
  frz_str bytes;
  return frz_bound_find(bounds, n, field->id, &bytes) &&
         frz_literal_from_bytes(&field->type, bytes, literal_out, NULL) == FRZ_OK;
}

static bool is_top_level(const frz_schema *schema, int32_t field_id)
{
  for (size_t i = 0; i < schema->root.n_fields; i++)
    if (schema->root.fields[i].id == field_id) return true;
  return false;
}

/* Below structs, rows whose struct is null may not have been counted as nulls. */
static range range_of_metrics(const frz_schema *schema, const frz_data_file *file,
                              const frz_field *field)
{
  range r = range_unknown(field->type.kind);
  frz_literal lower, upper;
  bool has_lower = read_bound(file->lower_bounds, file->n_lower_bounds, field, &lower);
  bool has_upper = read_bound(file->upper_bounds, file->n_upper_bounds, field, &upper);
  range_set(&r, &field->type, has_lower ? &lower : NULL, has_upper ? &upper : NULL);
  r.n_values = frz_metric_find(file->value_counts, file->n_value_counts, field->id);
  r.n_nulls = frz_metric_find(file->null_counts, file->n_null_counts, field->id);
  if (r.n_nulls == 0 && !is_top_level(schema, field->id)) r.n_nulls = -1;
  if (is_float(field->type.kind))
    r.n_nans = frz_metric_find(file->nan_counts, file->n_nan_counts, field->id);
  return r;
}

static part_range part_of_file(const frz_literal *value)
{
  if (value->is_null) return (part_range){.is_all_null = true};
  return (part_range){
      .lower = value, .upper = value, .has_no_null = true, .has_no_nan = !is_nan(value)};
}

static bool file_leaf_may_match(const frz_expr *expr, const void *arg)
{
  const file_arg *a = arg;
  range metrics = range_of_metrics(a->schema, a->file, expr->field);
  if (!range_may_match(expr, &metrics)) return false;
  const frz_partition *partition = &a->file->partition;
  for (size_t i = 0; i < a->spec->n_fields && i < partition->n_values; i++) {
    if (!is_about(&a->spec->fields[i], expr)) continue;
    part_range p = part_of_file(&partition->values[i]);
    if (!partition_may_match(expr, &a->spec->fields[i], &p)) return false;
  }
  return true;
}

/* Metrics below structs may not count rows whose struct is null, so they prove nothing of all. */
static bool file_leaf_all_match(const frz_expr *expr, const void *arg)
{
  const file_arg *a = arg;
  range metrics = range_of_metrics(a->schema, a->file, expr->field);
  bool counts_all_rows = metrics.n_values == a->file->n_rows || metrics.n_values == -1;
  if (counts_all_rows && is_top_level(a->schema, expr->field->id) &&
      range_all_match(expr, &metrics))
    return true;
  const frz_partition *partition = &a->file->partition;
  for (size_t i = 0; i < a->spec->n_fields && i < partition->n_values; i++) {
    if (!is_about(&a->spec->fields[i], expr)) continue;
    part_range p = part_of_file(&partition->values[i]);
    range r = range_of_partition(&a->spec->fields[i], &expr->field->type, &p);
    if (range_all_match(expr, &r)) return true;
  }
  return false;
}

bool frz_expr_may_match_file(const frz_expr *expr, const frz_partition_spec *spec,
                             const frz_schema *schema, const frz_data_file *file)
{
  file_arg arg = {spec, schema, file};
  return expr == NULL || walk(expr, file_leaf_may_match, &arg);
}

bool frz_expr_all_match_file(const frz_expr *expr, const frz_partition_spec *spec,
                             const frz_schema *schema, const frz_data_file *file)
{
  file_arg arg = {spec, schema, file};
  return expr == NULL || walk(expr, file_leaf_all_match, &arg);
}

typedef struct manifest_arg {
  const frz_partition_spec *spec;
  const frz_schema *schema;
  const frz_manifest_file *manifest;
} manifest_arg;

static bool summary_may_match(const frz_expr *expr, const manifest_arg *a, size_t i)
{
  const frz_field_summary *summary = &a->manifest->partitions[i];
  const frz_partition_field *field = &a->spec->fields[i];
  frz_type type = frz_partition_field_type(field, a->schema);
  frz_literal lower, upper;
  part_range p = {.has_no_null = !summary->contains_null, .has_no_nan = summary->contains_nan == 0};
  if (summary->lower.data != NULL &&
      frz_literal_from_bytes(&type, summary->lower, &lower, NULL) == FRZ_OK)
    p.lower = &lower;
  if (summary->upper.data != NULL &&
      frz_literal_from_bytes(&type, summary->upper, &upper, NULL) == FRZ_OK)
    p.upper = &upper;
  p.is_all_null = summary->contains_null && summary->lower.data == NULL &&
                  summary->upper.data == NULL && (p.has_no_nan || !is_float(type.kind));
  return partition_may_match(expr, field, &p);
}

static bool manifest_leaf_may_match(const frz_expr *expr, const void *arg)
{
  const manifest_arg *a = arg;
  for (size_t i = 0; i < a->spec->n_fields && i < a->manifest->n_partitions; i++)
    if (is_about(&a->spec->fields[i], expr) && !summary_may_match(expr, a, i)) return false;
  return true;
}

bool frz_expr_may_match_manifest(const frz_expr *expr, const frz_partition_spec *spec,
                                 const frz_schema *schema, const frz_manifest_file *manifest)
{
  manifest_arg arg = {spec, schema, manifest};
  if (expr == NULL || (expr->kind != FRZ_EXPR_FALSE && !manifest->has_partitions)) return true;
  return walk(expr, manifest_leaf_may_match, &arg);
}

typedef struct bounds_arg {
  bool (*lookup)(void *arg, const frz_field *field, frz_column_bounds *bounds_out);
  bool (*excludes)(void *arg, const frz_expr *predicate);
  void *arg;
} bounds_arg;

static bool bounds_leaf_may_match(const frz_expr *expr, const void *arg)
{
  const bounds_arg *a = arg;
  const frz_type *type = &expr->field->type;
  frz_column_bounds bounds = {.n_values = -1, .n_nulls = -1, .n_nans = -1};
  if (a->excludes != NULL && a->excludes(a->arg, expr)) return false;
  if (!a->lookup(a->arg, expr->field, &bounds)) return true;
  range r = range_unknown(type->kind);
  range_set(&r, type, bounds.lower, bounds.upper);
  r.n_values = bounds.n_values;
  r.n_nulls = bounds.n_nulls;
  if (is_float(type->kind)) r.n_nans = bounds.n_nans;
  return range_may_match(expr, &r);
}

bool frz_expr_may_match_bounds(const frz_expr *expr,
                               bool (*lookup)(void *arg, const frz_field *field,
                                              frz_column_bounds *bounds_out),
                               bool (*excludes)(void *arg, const frz_expr *predicate), void *arg)
{
  bounds_arg bounds = {lookup, excludes, arg};
  return expr == NULL || walk(expr, bounds_leaf_may_match, &bounds);
}
