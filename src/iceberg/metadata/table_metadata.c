/*
 * table_metadata.c - one version of a table: lifetime and lookup.
 *
 * The struct is a block of its own, everything it points to lies in its arena. It is immutable once
 * made, so any number of threads may hold it; the last to release it frees it.
 */
#include "iceberg/metadata/table_metadata.h"

#include <assert.h>
#include <stdlib.h>

#include "base/limits.h"

frz_table_metadata *frz_table_metadata_new(const frz_alloc *alloc)
{
  frz_table_metadata *m = frz_alloc_zeroed(alloc, sizeof *m);
  if (m == NULL) return NULL;
  atomic_init(&m->references, 1);
  frz_arena_init(&m->arena, alloc, 4 * FRZ_LIMIT_METADATA_BYTES);
  m->current_snapshot_id = -1;
  m->next_row_id = -1;
  return m;
}

frz_table_metadata *frz_table_metadata_retain(frz_table_metadata *metadata)
{
  int before = atomic_fetch_add_explicit(&metadata->references, 1, memory_order_relaxed);
  assert(before > 0);
  (void)before;
  return metadata;
}

void frz_table_metadata_release(frz_table_metadata *metadata)
{
  if (metadata == NULL) return;
  if (atomic_fetch_sub_explicit(&metadata->references, 1, memory_order_acq_rel) != 1) return;
  const frz_alloc *alloc = metadata->arena.alloc;
  frz_metadata_document_release(metadata->document);
  frz_arena_free(&metadata->arena);
  frz_alloc_free(alloc, metadata, sizeof *metadata);
}

/* ---- the document ---- */

bool frz_metadata_document_holds(const frz_metadata_document *document, frz_str text)
{
  if (document == NULL) return false;
  uintptr_t first = (uintptr_t)document->text.data;
  uintptr_t at = (uintptr_t)text.data;
  return at >= first && at < first + document->text.size;
}

frz_metadata_document *frz_metadata_document_retain(frz_metadata_document *document)
{
  if (document != NULL) atomic_fetch_add_explicit(&document->references, 1, memory_order_relaxed);
  return document;
}

void frz_metadata_document_release(frz_metadata_document *document)
{
  if (document == NULL) return;
  if (atomic_fetch_sub_explicit(&document->references, 1, memory_order_acq_rel) != 1) return;
  const frz_alloc *alloc = document->text.alloc;
  frz_buf_dispose(&document->text);
  frz_alloc_free(alloc, document, sizeof *document);
}

frz_str frz_location_trim(frz_str location)
{
  while (location.size > 1 && location.data[location.size - 1] == '/' &&
         !frz_str_ends(location, "://"))
    location.size--;
  return location;
}

const frz_schema *frz_metadata_schema(const frz_table_metadata *metadata, int32_t schema_id)
{
  for (size_t i = 0; i < metadata->n_schemas; i++)
    if (metadata->schemas[i].schema_id == schema_id) return &metadata->schemas[i];
  return NULL;
}

const frz_schema *frz_metadata_current_schema(const frz_table_metadata *metadata)
{
  return frz_metadata_schema(metadata, metadata->current_schema_id);
}

const frz_partition_spec *frz_metadata_spec(const frz_table_metadata *metadata, int32_t spec_id)
{
  for (size_t i = 0; i < metadata->n_specs; i++)
    if (metadata->specs[i].spec_id == spec_id) return &metadata->specs[i];
  return NULL;
}

const frz_sort_order *frz_metadata_sort_order(const frz_table_metadata *metadata, int32_t order_id)
{
  for (size_t i = 0; i < metadata->n_sort_orders; i++)
    if (metadata->sort_orders[i].order_id == order_id) return &metadata->sort_orders[i];
  return NULL;
}

static int compare_places(const void *a, const void *b)
{
  int64_t x = ((const frz_snapshot_place *)a)->snapshot_id;
  int64_t y = ((const frz_snapshot_place *)b)->snapshot_id;
  return (x > y) - (x < y);
}

bool frz_metadata_index_snapshots(frz_table_metadata *metadata)
{
  size_t n = metadata->n_snapshots;
  frz_snapshot_place *places = frz_arena_array(&metadata->arena, n, sizeof *places);
  if (places == NULL) return false;
  for (size_t i = 0; i < n; i++)
    places[i] = (frz_snapshot_place){metadata->snapshots[i].snapshot_id, i};
  if (n > 1) qsort(places, n, sizeof *places, compare_places);
  metadata->snapshot_places = places;
  return true;
}

/* Newest last: what is asked for most is found first from the end. */
const frz_snapshot *frz_metadata_snapshot(const frz_table_metadata *metadata, int64_t snapshot_id)
{
  if (metadata->snapshot_places != NULL) {
    const frz_snapshot_place wanted = {.snapshot_id = snapshot_id};
    const frz_snapshot_place *found = bsearch(&wanted, metadata->snapshot_places,
                                              metadata->n_snapshots, sizeof wanted, compare_places);
    return found != NULL ? &metadata->snapshots[found->at] : NULL;
  }
  for (size_t i = metadata->n_snapshots; i-- > 0;)
    if (metadata->snapshots[i].snapshot_id == snapshot_id) return &metadata->snapshots[i];
  return NULL;
}

const frz_snapshot_ref *frz_metadata_ref(const frz_table_metadata *metadata, frz_str name)
{
  for (size_t i = 0; i < metadata->n_refs; i++)
    if (frz_str_equal(metadata->refs[i].name, name)) return &metadata->refs[i];
  return NULL;
}

frz_str frz_metadata_property(const frz_table_metadata *metadata, const char *key)
{
  for (size_t i = 0; i < metadata->n_properties; i++)
    if (frz_str_is(metadata->properties[i].key, key)) return metadata->properties[i].value;
  return (frz_str){0};
}

frz_status frz_metadata_property_i64(const frz_table_metadata *metadata, const char *key,
                                     int64_t fallback, int64_t *value_out, frz_error *err)
{
  frz_str text = frz_metadata_property(metadata, key);
  if (text.data == NULL) {
    *value_out = fallback;
    return FRZ_OK;
  }
  size_t at = 0;
  while (at < text.size && text.data[at] == ' ') at++;
  while (text.size > at && text.data[text.size - 1] == ' ') text.size--;
  bool is_negative = at < text.size && text.data[at] == '-';
  if (is_negative) at++;
  bool is_number = at < text.size;
  int64_t value = 0;
  for (; at < text.size && is_number; at++) {
    char c = text.data[at];
    int digit = is_negative ? '0' - c : c - '0';
    is_number = c >= '0' && c <= '9' && !__builtin_mul_overflow(value, 10, &value) &&
                !__builtin_add_overflow(value, digit, &value);
  }
  if (!is_number)
    return frz_fail(err, FRZ_ERR_INVALID, "table property '%s' is '%.*s', not a whole number", key,
                    FRZ_STR_ARG(text));
  *value_out = value;
  return FRZ_OK;
}

/* The log says what was current when; the time of snapshots does not, for branches and rollbacks
 * exist. Entries may be out of order by the skew of clocks, so the last that is not later wins. */
const frz_snapshot *frz_metadata_snapshot_as_of(const frz_table_metadata *metadata,
                                                int64_t as_of_ms)
{
  const frz_snapshot_log_entry *best = NULL;
  for (size_t i = 0; i < metadata->n_snapshot_log; i++) {
    const frz_snapshot_log_entry *entry = &metadata->snapshot_log[i];
    if (entry->timestamp_ms <= as_of_ms &&
        (best == NULL || entry->timestamp_ms >= best->timestamp_ms))
      best = entry;
  }
  return best != NULL ? frz_metadata_snapshot(metadata, best->snapshot_id) : NULL;
}
