/*
 * manifest_copy.c - look up and copy what manifests describe.
 */
#include "iceberg/manifest/manifest.h"

/* Index of a field among ascending ids that lie `stride` bytes apart; SIZE_MAX: none. */
static size_t find_id(const void *items, size_t n, size_t stride, int32_t field_id)
{
  size_t low = 0;
  size_t high = n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int32_t id;
    memcpy(&id, (const uint8_t *)items + middle * stride, sizeof id);
    if (id == field_id) return middle;
    if (id < field_id)
      low = middle + 1;
    else
      high = middle;
  }
  return SIZE_MAX;
}

int64_t frz_metric_find(const frz_metric *metrics, size_t n_metrics, int32_t field_id)
{
  size_t at = find_id(metrics, n_metrics, sizeof *metrics, field_id);
  return at != SIZE_MAX ? metrics[at].value : -1;
}

bool frz_bound_find(const frz_bound *bounds, size_t n_bounds, int32_t field_id, frz_str *bytes_out)
{
  size_t at = find_id(bounds, n_bounds, sizeof *bounds, field_id);
  if (at == SIZE_MAX) return false;
  *bytes_out = bounds[at].bytes;
  return true;
}

/* The first refusal stays in `st`; later copies are then skipped. */
typedef struct copier {
  frz_arena *arena;
  frz_status st;
  frz_error *err;
} copier;

static const void *copy_array(copier *c, const void *items, size_t n, size_t item_bytes)
{
  if (c->st != FRZ_OK || n == 0) return NULL;
  void *copy = frz_arena_array(c->arena, n, item_bytes);
  if (copy == NULL)
    c->st = frz_fail_nomem(c->err, "data file");
  else
    memcpy(copy, items, n * item_bytes);
  return copy;
}

static frz_str copy_text(copier *c, frz_str text)
{
  if (c->st != FRZ_OK || text.data == NULL) return (frz_str){0};
  frz_str copy = frz_arena_copy(c->arena, text);
  if (copy.data == NULL) c->st = frz_fail_nomem(c->err, "data file");
  return copy;
}

static const frz_bound *copy_bounds(copier *c, const frz_bound *bounds, size_t n)
{
  if (c->st != FRZ_OK || n == 0) return NULL;
  frz_bound *copy = frz_arena_array(c->arena, n, sizeof *copy);
  if (copy == NULL) {
    c->st = frz_fail_nomem(c->err, "data file");
    return NULL;
  }
  for (size_t i = 0; i < n; i++)
    copy[i] = (frz_bound){bounds[i].field_id, copy_text(c, bounds[i].bytes)};
  return copy;
}

static bool has_bytes(const frz_literal *value)
{
  return !value->is_null && (value->kind == FRZ_TYPE_STRING || value->kind == FRZ_TYPE_BINARY ||
                             value->kind == FRZ_TYPE_FIXED || value->kind == FRZ_TYPE_UUID);
}

static frz_partition copy_partition(copier *c, const frz_partition *partition)
{
  size_t n = partition->n_values;
  if (c->st != FRZ_OK || n == 0) return (frz_partition){0};
  frz_literal *copy = frz_arena_array(c->arena, n, sizeof *copy);
  if (copy == NULL) {
    c->st = frz_fail_nomem(c->err, "data file");
    return (frz_partition){0};
  }
  memcpy(copy, partition->values, n * sizeof *copy);
  for (size_t i = 0; i < n; i++)
    if (has_bytes(&copy[i])) copy[i].as.bytes = copy_text(c, copy[i].as.bytes);
  return (frz_partition){copy, n};
}

frz_status frz_data_file_copy(const frz_data_file *file, frz_arena *arena, frz_data_file *file_out,
                              frz_error *err)
{
  copier c = {.arena = arena, .st = FRZ_OK, .err = err};
  frz_data_file f = *file;
  f.path = copy_text(&c, file->path);
  f.partition = copy_partition(&c, &file->partition);
  f.column_sizes = copy_array(&c, file->column_sizes, file->n_column_sizes, sizeof(frz_metric));
  f.value_counts = copy_array(&c, file->value_counts, file->n_value_counts, sizeof(frz_metric));
  f.null_counts = copy_array(&c, file->null_counts, file->n_null_counts, sizeof(frz_metric));
  f.nan_counts = copy_array(&c, file->nan_counts, file->n_nan_counts, sizeof(frz_metric));
  f.lower_bounds = copy_bounds(&c, file->lower_bounds, file->n_lower_bounds);
  f.upper_bounds = copy_bounds(&c, file->upper_bounds, file->n_upper_bounds);
  f.key_metadata = copy_text(&c, file->key_metadata);
  f.split_offsets = copy_array(&c, file->split_offsets, file->n_split_offsets, sizeof(int64_t));
  f.equality_ids = copy_array(&c, file->equality_ids, file->n_equality_ids, sizeof(int32_t));
  f.referenced_data_file = copy_text(&c, file->referenced_data_file);
  if (c.st == FRZ_OK) *file_out = f;
  return c.st;
}
