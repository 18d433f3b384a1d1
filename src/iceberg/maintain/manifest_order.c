/*
 * manifest_order.c - see manifest_order.h.
 *
 * Entries are counted by partition first; partitions are sorted by their values, null first; then
 * places are given out partition by partition, in the order in which entries were read.
 */
#include "iceberg/maintain/manifest_order.h"

#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/map.h"
#include "iceberg/maintain/reachable_files.h"
#include "iceberg/manifest/manifest_field.h"
#include "iceberg/scan/delete_index.h"

typedef struct known_partition {
  frz_partition values;
  uint32_t number;
  uint32_t n_entries; /* then: the next place */
} known_partition;

typedef struct order_builder {
  frz_manifest_order order; /* places hold partition numbers at first */
  frz_arena arena;
  frz_map partitions;
  known_partition *known;
  size_t n_known, capacity;
  frz_buf key;
} order_builder;

static frz_status keep_values(order_builder *b, const frz_partition *values, frz_partition *out,
                              frz_error *err)
{
  frz_data_file copy, bare = {.partition = *values};
  FRZ_TRY(frz_data_file_copy(&bare, &b->arena, &copy, err));
  *out = copy.partition;
  return FRZ_OK;
}

static frz_status add_entry(void *arg, const frz_manifest_entry *entry, frz_error *err)
{
  order_builder *b = arg;
  uint64_t *number;
  bool is_new;
  if (b->order.n_entries == UINT32_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "manifests of more than %u files", UINT32_MAX);
  b->key.size = 0;
  FRZ_TRY(frz_partition_key(entry->file.spec_id, &entry->file.partition, &b->key, err));
  FRZ_TRY(frz_map_insert(&b->partitions, frz_buf_str(&b->key), b->n_known, &number, &is_new, err));
  if (is_new) {
    known_partition *list =
        frz_arena_list_room(&b->arena, b->known, b->n_known, &b->capacity, sizeof *list);
    if (list == NULL) return frz_fail_nomem(err, "partitions");
    b->known = list;
    list[b->n_known] = (known_partition){.number = (uint32_t)b->n_known};
    FRZ_TRY(keep_values(b, &entry->file.partition, &list[b->n_known].values, err));
    b->n_known++;
  }
  b->known[*number].n_entries++;
  b->order.n_entries++;
  uint32_t partition = (uint32_t)*number;
  return frz_buf_append(&b->order.places, &partition, sizeof partition, err);
}

static int compare_values(const frz_literal *a, const frz_literal *b)
{
  if (a->is_null || b->is_null) return (int)b->is_null - (int)a->is_null;
  return a->kind == b->kind ? frz_literal_compare(a, b) : (a->kind > b->kind) - (a->kind < b->kind);
}

static int by_values(const void *a, const void *b)
{
  const known_partition *x = a, *y = b;
  for (size_t i = 0; i < x->values.n_values && i < y->values.n_values; i++) {
    int order = compare_values(&x->values.values[i], &y->values.values[i]);
    if (order != 0) return order;
  }
  return (x->number > y->number) - (x->number < y->number);
}

/* Partition numbers become places. */
static frz_status give_places(order_builder *b, frz_error *err)
{
  uint32_t *next = frz_arena_array(&b->arena, b->n_known, sizeof *next);
  if (next == NULL) return frz_fail_nomem(err, "partitions");
  if (b->n_known != 0) qsort(b->known, b->n_known, sizeof *b->known, by_values);
  uint32_t place = 0;
  for (size_t i = 0; i < b->n_known; i++) {
    next[b->known[i].number] = place;
    place += b->known[i].n_entries;
  }
  uint32_t *places = (uint32_t *)(void *)b->order.places.data;
  for (size_t i = 0; i < b->order.n_entries; i++) places[i] = next[places[i]]++;
  return FRZ_OK;
}

static frz_status build(order_builder *b, frz_context *context, frz_storage *storage,
                        const frz_table_metadata *metadata,
                        const frz_manifest_file *const *manifests, size_t n_manifests,
                        frz_error *err)
{
  for (size_t i = 0; i <= n_manifests; i++) {
    uint32_t first = (uint32_t)b->order.n_entries;
    FRZ_TRY(frz_buf_append(&b->order.firsts, &first, sizeof first, err));
    if (i == n_manifests) break;
    FRZ_TRY(frz_context_poll(context, err));
    FRZ_TRY(frz_manifest_visit(storage, metadata, manifests[i], b->order.alloc, add_entry, b, err));
  }
  return give_places(b, err);
}

frz_status frz_manifest_order_make(frz_context *context, frz_storage *storage,
                                   const frz_table_metadata *metadata,
                                   const frz_manifest_file *const *manifests, size_t n_manifests,
                                   frz_manifest_order *order_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  order_builder b = {.order = {.alloc = alloc}};
  frz_arena_init(&b.arena, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_map_init(&b.partitions, alloc, FRZ_LIMIT_MANIFEST_BYTES * 4);
  frz_buf_init(&b.key, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_buf_init(&b.order.places, alloc, (size_t)UINT32_MAX * sizeof(uint32_t));
  frz_buf_init(&b.order.firsts, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_status st = build(&b, context, storage, metadata, manifests, n_manifests, err);
  frz_buf_dispose(&b.key);
  frz_map_dispose(&b.partitions);
  frz_arena_free(&b.arena);
  if (st == FRZ_OK)
    *order_out = b.order;
  else
    frz_manifest_order_dispose(&b.order);
  return st;
}

void frz_manifest_order_dispose(frz_manifest_order *order)
{
  frz_buf_dispose(&order->places);
  frz_buf_dispose(&order->firsts);
  *order = (frz_manifest_order){0};
}

const uint32_t *frz_manifest_order_places(const frz_manifest_order *order, size_t manifest,
                                          size_t *n_out)
{
  const uint32_t *firsts = (const uint32_t *)(const void *)order->firsts.data;
  *n_out = firsts[manifest + 1] - firsts[manifest];
  return (const uint32_t *)(const void *)order->places.data + firsts[manifest];
}

/* ---- order that is there ---- */

typedef struct partition_range {
  frz_literal lower, upper; /* null: no value there */
} partition_range;

static int by_lower(const void *a, const void *b)
{
  const partition_range *x = a, *y = b;
  int order = compare_values(&x->lower, &y->lower);
  return order != 0 ? order : compare_values(&x->upper, &y->upper);
}

static bool read_range(const frz_manifest_file *manifest, const frz_type *type,
                       partition_range *range_out)
{
  if (!manifest->has_partitions || manifest->n_partitions == 0) return false;
  const frz_field_summary *summary = &manifest->partitions[0];
  *range_out = (partition_range){frz_literal_null(type->kind), frz_literal_null(type->kind)};
  if (summary->upper.data != NULL &&
      frz_literal_from_bytes(type, summary->upper, &range_out->upper, NULL) != FRZ_OK)
    return false;
  if (summary->contains_null || summary->lower.data == NULL) return true;
  return frz_literal_from_bytes(type, summary->lower, &range_out->lower, NULL) == FRZ_OK;
}

bool frz_manifests_are_ordered(const frz_partition_spec *spec, const frz_table_metadata *metadata,
                               const frz_manifest_file *const *manifests, size_t n_manifests,
                               const frz_alloc *alloc)
{
  if (n_manifests < 2 || spec->n_fields == 0) return true;
  partition_range *ranges = frz_alloc_array(alloc, n_manifests, sizeof *ranges);
  if (ranges == NULL) return false;
  frz_type type = frz_manifest_partition_type(metadata, &spec->fields[0]);
  bool is_ordered = type.kind != FRZ_TYPE_UNKNOWN;
  for (size_t i = 0; i < n_manifests && is_ordered; i++)
    is_ordered = read_range(manifests[i], &type, &ranges[i]);
  if (is_ordered) qsort(ranges, n_manifests, sizeof *ranges, by_lower);
  for (size_t i = 0; i + 1 < n_manifests && is_ordered; i++)
    is_ordered = compare_values(&ranges[i].upper, &ranges[i + 1].lower) <= 0;
  frz_alloc_free(alloc, ranges, n_manifests * sizeof *ranges);
  return is_ordered;
}
