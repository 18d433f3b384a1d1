/*
 * data_file_metrics.c - see data_file_metrics.h.
 *
 * Every column gives its size; "counts" adds the counts of values, nulls and NaNs, "truncate(n)"
 * and "full" add bounds. Below lists and maps there are counts, but no bounds.
 *
 * Source: Iceberg specification, "Manifests", data_file; the meaning of the properties follows the
 * Java reference implementation's documentation.
 */
#include "iceberg/write/data_file_metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"

enum { INFERRED_COLUMNS_MAX = 100, DEFAULT_LENGTH = 16 };

/* ---- modes ---- */

static bool parse_length(frz_str text, int32_t *length_out)
{
  int64_t length = 0;
  if (text.size == 0 || text.size > 9) return false;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    length = length * 10 + (text.data[i] - '0');
  }
  *length_out = (int32_t)length;
  return length > 0;
}

static frz_status parse_mode(frz_str key, frz_str text, frz_column_metrics *mode, frz_error *err)
{
  static const char opening[] = "truncate(";
  size_t n = sizeof opening - 1;
  if (frz_str_is_word(text, "none")) {
    mode->kind = FRZ_METRICS_NONE;
  } else if (frz_str_is_word(text, "counts")) {
    mode->kind = FRZ_METRICS_COUNTS;
  } else if (frz_str_is_word(text, "full")) {
    mode->kind = FRZ_METRICS_FULL;
  } else if (text.size > n + 1 && text.data[text.size - 1] == ')' &&
             memcmp(text.data, opening, n) == 0 &&
             parse_length((frz_str){text.data + n, text.size - n - 1}, &mode->length)) {
    mode->kind = FRZ_METRICS_TRUNCATE;
  } else {
    return frz_fail(err, FRZ_ERR_INVALID,
                    "table property '%.*s': '%.*s' is not none, counts, truncate(n) or full",
                    FRZ_STR_ARG(key), FRZ_STR_ARG(text));
  }
  return FRZ_OK;
}

static size_t count_primitives(const frz_type *type)
{
  if (frz_type_is_primitive(type)) return 1;
  size_t n = 0;
  for (size_t i = 0; i < type->n_fields; i++) n += count_primitives(&type->fields[i].type);
  return n;
}

static void collect_primitives(const frz_field *field, frz_metrics_config *config)
{
  if (frz_type_is_primitive(&field->type)) {
    config->columns[config->n_columns++].field = field;
    return;
  }
  for (size_t i = 0; i < field->type.n_fields; i++)
    collect_primitives(&field->type.fields[i], config);
}

static bool is_sort_column(const frz_table_metadata *metadata, int32_t field_id)
{
  const frz_sort_order *order = frz_metadata_sort_order(metadata, metadata->default_sort_order_id);
  if (order == NULL) return false;
  for (size_t i = 0; i < order->n_fields; i++)
    if (order->fields[i].source_id == field_id) return true;
  return false;
}

static frz_status choose_mode(const frz_table_metadata *metadata, const frz_schema *schema,
                              const frz_column_metrics *fallback, frz_arena *arena,
                              frz_column_metrics *column, frz_error *err)
{
  column->kind = fallback->kind;
  column->length = fallback->length;
  /* Sorted columns prune best: they keep bounds unless their own property says otherwise. */
  if (column->kind < FRZ_METRICS_TRUNCATE && is_sort_column(metadata, column->field->id)) {
    column->kind = FRZ_METRICS_TRUNCATE;
    column->length = DEFAULT_LENGTH;
  }
  frz_str name = frz_schema_name_of(schema, column->field->id, arena);
  if (name.data == NULL) return frz_fail_nomem(err, "metrics");
  for (size_t i = 0; i < metadata->n_properties; i++) {
    static const char prefix[] = "write.metadata.metrics.column.";
    frz_str key = metadata->properties[i].key;
    if (!frz_str_starts(key, prefix)) continue;
    frz_str rest = {key.data + sizeof prefix - 1, key.size - (sizeof prefix - 1)};
    if (frz_str_equal(rest, name))
      FRZ_TRY(parse_mode(key, metadata->properties[i].value, column, err));
  }
  return FRZ_OK;
}

static int by_field_id(const void *a, const void *b)
{
  int32_t a_id = ((const frz_column_metrics *)a)->field->id;
  int32_t b_id = ((const frz_column_metrics *)b)->field->id;
  return (a_id > b_id) - (a_id < b_id);
}

frz_status frz_metrics_config_make(const frz_table_metadata *metadata, const frz_schema *schema,
                                   frz_arena *arena, frz_metrics_config *config_out, frz_error *err)
{
  static const char default_key[] = "write.metadata.metrics.default";
  frz_column_metrics fallback = {.kind = FRZ_METRICS_TRUNCATE, .length = DEFAULT_LENGTH};
  frz_str text = frz_metadata_property(metadata, default_key);
  int64_t n_inferred = INT64_MAX;
  if (text.data != NULL)
    FRZ_TRY(parse_mode(FRZ_STR("write.metadata.metrics.default"), text, &fallback, err));
  else
    FRZ_TRY(frz_metadata_property_i64(metadata,
                                      "write.metadata.metrics.max-inferred-column-defaults",
                                      INFERRED_COLUMNS_MAX, &n_inferred, err));
  frz_metrics_config config = {0};
  config.columns = frz_arena_array(arena, count_primitives(&schema->root), sizeof *config.columns);
  if (config.columns == NULL) return frz_fail_nomem(err, "metrics");
  for (size_t i = 0; i < schema->root.n_fields; i++)
    collect_primitives(&schema->root.fields[i], &config);
  for (size_t i = 0; i < config.n_columns; i++) {
    /* A wide table whose owner asked for nothing is spared the metrics of its later columns. */
    if ((int64_t)i == n_inferred) fallback.kind = FRZ_METRICS_NONE;
    FRZ_TRY(choose_mode(metadata, schema, &fallback, arena, &config.columns[i], err));
  }
  if (config.n_columns > 1)
    qsort(config.columns, config.n_columns, sizeof *config.columns, by_field_id);
  *config_out = config;
  return FRZ_OK;
}

/* ---- bounds ---- */

/* A bound as the Arrow column holds it; false: the type has none. */
static bool bound_literal(const frz_type *type, frz_str bytes, frz_literal *literal_out)
{
  frz_literal literal = {.kind = type->kind, .scale = type->scale};
  switch (type->kind) {
  case FRZ_TYPE_BOOLEAN: literal.as.boolean = bytes.data[0] != 0; break;
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE:
  case FRZ_TYPE_FLOAT:
    assert(bytes.size == 4);
    memcpy(&literal.as, bytes.data, 4);
    break;
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_DOUBLE:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS:
    assert(bytes.size == 8);
    memcpy(&literal.as, bytes.data, 8);
    break;
  case FRZ_TYPE_DECIMAL:
    assert(bytes.size == 16);
    memcpy(&literal.as, bytes.data, 16);
    break;
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: literal.as.bytes = bytes; break;
  default: return false;
  }
  *literal_out = literal;
  return true;
}

static frz_status make_bound(const frz_column_metrics *column, frz_str bytes, bool is_upper,
                             frz_buf *scratch, frz_arena *arena, frz_bound *bounds, size_t *n_inout,
                             frz_error *err)
{
  frz_literal literal;
  if (!bound_literal(&column->field->type, bytes, &literal)) return FRZ_OK;
  bool can_cut = literal.kind == FRZ_TYPE_STRING || literal.kind == FRZ_TYPE_BINARY;
  if (can_cut && column->kind == FRZ_METRICS_TRUNCATE) {
    frz_literal cut;
    if (!frz_literal_truncate_bound(&literal, column->length, is_upper, arena, &cut)) return FRZ_OK;
    literal = cut;
  }
  scratch->size = 0;
  FRZ_TRY(frz_literal_to_bytes(&literal, scratch, err));
  frz_str copy = frz_arena_copy(arena, frz_buf_str(scratch));
  if (copy.data == NULL) return frz_fail_nomem(err, "metrics");
  bounds[(*n_inout)++] = (frz_bound){column->field->id, copy};
  return FRZ_OK;
}

/* ---- files ---- */

static const frz_parquet_leaf_summary *find_leaf(const frz_parquet_write_summary *summary,
                                                 int32_t field_id)
{
  for (size_t i = 0; i < summary->n_leaves; i++)
    if (summary->leaves[i].field_id == field_id) return &summary->leaves[i];
  return NULL;
}

typedef struct metric_lists {
  frz_metric *sizes, *values, *nulls, *nans;
  frz_bound *lower, *upper;
  size_t n_sizes, n_values, n_nulls, n_nans, n_lower, n_upper;
} metric_lists;

static frz_status add_leaf(const frz_column_metrics *column, const frz_parquet_leaf_summary *leaf,
                           metric_lists *lists, frz_buf *scratch, frz_arena *arena, frz_error *err)
{
  int32_t id = column->field->id;
  lists->sizes[lists->n_sizes++] = (frz_metric){id, leaf->compressed_bytes};
  if (column->kind == FRZ_METRICS_NONE) return FRZ_OK;
  lists->values[lists->n_values++] = (frz_metric){id, leaf->n_values};
  lists->nulls[lists->n_nulls++] = (frz_metric){id, leaf->n_nulls};
  if (leaf->n_nans >= 0 && !leaf->in_list)
    lists->nans[lists->n_nans++] = (frz_metric){id, leaf->n_nans};
  if (column->kind == FRZ_METRICS_COUNTS || !leaf->has_bounds) return FRZ_OK;
  FRZ_TRY(make_bound(column, leaf->min, false, scratch, arena, lists->lower, &lists->n_lower, err));
  return make_bound(column, leaf->max, true, scratch, arena, lists->upper, &lists->n_upper, err);
}

static frz_status fill_lists(const frz_metrics_config *config,
                             const frz_parquet_write_summary *summary, metric_lists *lists,
                             frz_arena *arena, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf scratch;
  frz_buf_init(&scratch, arena->alloc, FRZ_LIMIT_COLUMN_BYTES);
  for (size_t i = 0; i < config->n_columns; i++) {
    /* Leaves are nearly always in the order of their ids; look there first. */
    int32_t id = config->columns[i].field->id;
    const frz_parquet_leaf_summary *leaf =
        i < summary->n_leaves && summary->leaves[i].field_id == id ? &summary->leaves[i]
                                                                   : find_leaf(summary, id);
    if (leaf != NULL) FRZ_TRY_OUT(add_leaf(&config->columns[i], leaf, lists, &scratch, arena, err));
  }
out:
  frz_buf_dispose(&scratch);
  return st;
}

frz_status frz_data_file_set_metrics(const frz_metrics_config *config,
                                     const frz_parquet_write_summary *summary, frz_arena *arena,
                                     frz_data_file *file, frz_error *err)
{
  size_t n = config->n_columns;
  frz_metric *metrics = frz_arena_array(arena, n * 4, sizeof *metrics);
  frz_bound *bounds = frz_arena_array(arena, n * 2, sizeof *bounds);
  int64_t *offsets = frz_arena_array(arena, summary->n_row_groups, sizeof *offsets);
  if (metrics == NULL || bounds == NULL || offsets == NULL) return frz_fail_nomem(err, "metrics");
  metric_lists lists = {.sizes = metrics,
                        .values = metrics + n,
                        .nulls = metrics + 2 * n,
                        .nans = metrics + 3 * n,
                        .lower = bounds,
                        .upper = bounds + n};
  FRZ_TRY(fill_lists(config, summary, &lists, arena, err));
  file->column_sizes = lists.sizes;
  file->n_column_sizes = lists.n_sizes;
  file->value_counts = lists.values;
  file->n_value_counts = lists.n_values;
  file->null_counts = lists.nulls;
  file->n_null_counts = lists.n_nulls;
  file->nan_counts = lists.nans;
  file->n_nan_counts = lists.n_nans;
  file->lower_bounds = lists.lower;
  file->n_lower_bounds = lists.n_lower;
  file->upper_bounds = lists.upper;
  file->n_upper_bounds = lists.n_upper;
  if (summary->n_row_groups != 0)
    memcpy(offsets, summary->row_group_offsets, summary->n_row_groups * sizeof *offsets);
  file->split_offsets = offsets;
  file->n_split_offsets = summary->n_row_groups;
  file->n_rows = summary->n_rows;
  file->size_bytes = summary->file_bytes;
  return FRZ_OK;
}
