/*
 * encode_dictionary.c - see encode_dictionary.h.
 *
 * A hash table with linear probing over 64-bit slots. A slot keeps half of the hash, so that most
 * misses are told without looking at an entry, and growing needs no entry at all.
 *
 * Invariants: n_slots is at least twice n; stamps.size is 4 * n for BYTES and FIXED.
 */
#include "parquet/write/encode_dictionary.h"

#include <assert.h>

#include "base/endian.h"
#include "base/map.h"

enum { SLOTS_MIN = 256, SLOTS_KEPT = 1 << 14 };

static bool is_bytes_like(const frz_dictionary *dictionary)
{
  return dictionary->plan->stored == FRZ_STORED_BYTES ||
         dictionary->plan->stored == FRZ_STORED_FIXED;
}

void frz_dictionary_init(frz_dictionary *dictionary, const frz_leaf_plan *plan,
                         const frz_alloc *alloc)
{
  *dictionary = (frz_dictionary){.plan = plan, .alloc = alloc};
  frz_buf_init(&dictionary->entries, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&dictionary->starts, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&dictionary->stamps, alloc, FRZ_LIMIT_COLUMN_BYTES);
}

static void free_slots(frz_dictionary *dictionary)
{
  if (dictionary->slots != NULL)
    frz_alloc_free(dictionary->alloc, dictionary->slots,
                   dictionary->n_slots * sizeof *dictionary->slots);
  dictionary->slots = NULL;
  dictionary->n_slots = 0;
}

void frz_dictionary_dispose(frz_dictionary *dictionary)
{
  free_slots(dictionary);
  frz_buf_dispose(&dictionary->entries);
  frz_buf_dispose(&dictionary->starts);
  frz_buf_dispose(&dictionary->stamps);
}

void frz_dictionary_clear(frz_dictionary *dictionary)
{
  if (dictionary->n_slots > SLOTS_KEPT) {
    frz_dictionary_dispose(dictionary);
  } else if (dictionary->slots != NULL) {
    memset(dictionary->slots, 0, dictionary->n_slots * sizeof *dictionary->slots);
  }
  dictionary->entries.size = 0;
  dictionary->starts.size = 0;
  dictionary->stamps.size = 0;
  dictionary->n = 0;
}

frz_str frz_dictionary_bytes(const frz_dictionary *dictionary, uint32_t index)
{
  const char *entries = (const char *)dictionary->entries.data;
  if (dictionary->plan->stored == FRZ_STORED_FIXED) {
    size_t width = dictionary->plan->width;
    return (frz_str){entries + index * width, width};
  }
  uint32_t start = frz_load_u32le(dictionary->starts.data + 4 * (size_t)index);
  return (frz_str){entries + start + 4, frz_load_u32le(entries + start)};
}

frz_str frz_dictionary_head(const frz_dictionary *dictionary, size_t n)
{
  assert(n > 0 && n <= dictionary->n);
  const char *entries = (const char *)dictionary->entries.data;
  if (dictionary->plan->stored != FRZ_STORED_BYTES)
    return (frz_str){entries, n * dictionary->plan->width};
  frz_str last = frz_dictionary_bytes(dictionary, (uint32_t)n - 1);
  return (frz_str){entries, (size_t)(last.data + last.size - entries)};
}

/* ---- the table ---- */

static frz_status grow_slots(frz_dictionary *dictionary, frz_error *err)
{
  size_t factor = dictionary->n_slots < SLOTS_KEPT ? 4 : 2;
  size_t n_slots = dictionary->n_slots != 0 ? dictionary->n_slots * factor : SLOTS_MIN;
  uint64_t *slots = frz_alloc_array(dictionary->alloc, n_slots, sizeof *slots);
  if (slots == NULL) return frz_fail_nomem(err, "Parquet dictionary");
  memset(slots, 0, n_slots * sizeof *slots);
  for (size_t i = 0; i < dictionary->n_slots; i++) {
    uint64_t slot = dictionary->slots[i];
    if (slot == 0) continue;
    size_t at = (size_t)(slot >> 32) & (n_slots - 1);
    while (slots[at] != 0) at = (at + 1) & (n_slots - 1);
    slots[at] = slot;
  }
  free_slots(dictionary);
  dictionary->slots = slots;
  dictionary->n_slots = n_slots;
  return FRZ_OK;
}

/* Room for one entry more. */
static frz_status make_room(frz_dictionary *dictionary, frz_error *err)
{
  if (dictionary->n >= dictionary->n_slots / 2) FRZ_TRY(grow_slots(dictionary, err));
  if (is_bytes_like(dictionary)) {
    uint8_t *stamp;
    FRZ_TRY(frz_buf_extend(&dictionary->stamps, 4, &stamp, err));
    frz_store_u32le(stamp, 0);
  }
  return FRZ_OK;
}

/* Slots are chosen by the half of the hash that they keep, so at most 2^31 of them are useful. */
static void put_slot(frz_dictionary *dictionary, uint32_t half)
{
  size_t mask = dictionary->n_slots - 1;
  size_t at = half & mask;
  while (dictionary->slots[at] != 0) at = (at + 1) & mask;
  dictionary->slots[at] = (uint64_t)half << 32 | (dictionary->n + 1u);
  dictionary->n++;
}

static __attribute__((noinline)) frz_status add_fixed(frz_dictionary *dictionary, uint32_t half,
                                                      const uint8_t *value, frz_error *err)
{
  FRZ_TRY(make_room(dictionary, err));
  FRZ_TRY(frz_buf_append(&dictionary->entries, value, dictionary->plan->width, err));
  put_slot(dictionary, half);
  return FRZ_OK;
}

static __attribute__((noinline)) frz_status add_bytes(frz_dictionary *dictionary, uint32_t half,
                                                      frz_str value, frz_error *err)
{
  FRZ_TRY(make_room(dictionary, err));
  uint8_t *at;
  size_t start = dictionary->entries.size;
  FRZ_TRY(frz_buf_extend(&dictionary->starts, 4, &at, err));
  frz_store_u32le(at, (uint32_t)start);
  FRZ_TRY(frz_buf_extend(&dictionary->entries, 4 + value.size, &at, err));
  frz_store_u32le(at, (uint32_t)value.size);
  if (value.size != 0) memcpy(at + 4, value.data, value.size);
  put_slot(dictionary, half);
  return FRZ_OK;
}

static inline uint32_t half_hash(uint64_t hash)
{
  return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

static inline uint32_t hash_fixed(const uint8_t *value, size_t width)
{
  switch (width) {
  case 2: return half_hash(frz_hash_u64(frz_load_u16le(value)));
  case 4: return half_hash(frz_hash_u64(frz_load_u32le(value)));
  case 8: return half_hash(frz_hash_u64(frz_load_u64le(value)));
  case 16:
    return half_hash(frz_hash_u64(frz_load_u64le(value) + frz_hash_u64(frz_load_u64le(value + 8))));
  default: return half_hash(frz_hash_bytes(value, width, 0));
  }
}

/* `width` is a constant where this is inlined, so that hash and comparison are a few moves. */
static inline __attribute__((always_inline)) frz_status index_fixed(frz_dictionary *dictionary,
                                                                    const uint8_t *values, size_t n,
                                                                    size_t width,
                                                                    uint32_t *indices_out,
                                                                    frz_error *err)
{
  for (size_t i = 0; i < n; i++) {
    const uint8_t *value = values + i * width;
    uint32_t half = hash_fixed(value, width);
    uint64_t slot = 0;
    for (size_t at = half; dictionary->n_slots != 0; at++) {
      slot = dictionary->slots[at & (dictionary->n_slots - 1)];
      if (slot == 0) break;
      if ((uint32_t)(slot >> 32) != half) continue;
      if (memcmp(dictionary->entries.data + ((uint32_t)slot - 1u) * width, value, width) == 0)
        break;
    }
    if (slot == 0) {
      FRZ_TRY(add_fixed(dictionary, half, value, err));
      indices_out[i] = dictionary->n - 1;
    } else {
      indices_out[i] = (uint32_t)slot - 1;
    }
  }
  return FRZ_OK;
}

static frz_status index_bytes(frz_dictionary *dictionary, const frz_value_view *view,
                              uint32_t *indices_out, frz_error *err)
{
  for (size_t i = 0; i < view->n; i++) {
    frz_str value = frz_value_view_bytes(view, i);
    uint32_t half = half_hash(frz_hash_bytes(value.data, value.size, 0));
    uint64_t slot = 0;
    for (size_t at = half; dictionary->n_slots != 0; at++) {
      slot = dictionary->slots[at & (dictionary->n_slots - 1)];
      if (slot == 0) break;
      if ((uint32_t)(slot >> 32) == half &&
          frz_str_equal(frz_dictionary_bytes(dictionary, (uint32_t)slot - 1), value))
        break;
    }
    if (slot == 0) {
      FRZ_TRY(add_bytes(dictionary, half, value, err));
      indices_out[i] = dictionary->n - 1;
    } else {
      indices_out[i] = (uint32_t)slot - 1;
    }
  }
  return FRZ_OK;
}

frz_status frz_dictionary_index(frz_dictionary *dictionary, const frz_value_view *view,
                                uint32_t *indices_out, frz_error *err)
{
  if (dictionary->plan->stored == FRZ_STORED_BYTES)
    return index_bytes(dictionary, view, indices_out, err);
  const uint8_t *values = view->fixed;
  size_t width = dictionary->plan->width;
  switch (width) {
  case 2: return index_fixed(dictionary, values, view->n, 2, indices_out, err);
  case 4: return index_fixed(dictionary, values, view->n, 4, indices_out, err);
  case 8: return index_fixed(dictionary, values, view->n, 8, indices_out, err);
  case 16: return index_fixed(dictionary, values, view->n, 16, indices_out, err);
  default: return index_fixed(dictionary, values, view->n, width, indices_out, err);
  }
}

/* ---- using it ---- */

void frz_dictionary_bytes_range(frz_dictionary *dictionary, const uint32_t *indices, size_t n,
                                uint32_t page, frz_str *least_out, frz_str *greatest_out)
{
  assert(n > 0 && page != 0);
  uint32_t *stamps = (uint32_t *)(void *)dictionary->stamps.data;
  frz_str least = frz_dictionary_bytes(dictionary, indices[0]);
  frz_str greatest = least;
  for (size_t i = 0; i < n; i++) {
    if (stamps[indices[i]] == page) continue;
    stamps[indices[i]] = page;
    frz_str entry = frz_dictionary_bytes(dictionary, indices[i]);
    if (frz_str_compare(entry, least) < 0) least = entry;
    if (frz_str_compare(entry, greatest) > 0) greatest = entry;
  }
  *least_out = least;
  *greatest_out = greatest;
}

static frz_status plain_fixed(const frz_dictionary *dictionary, const uint32_t *indices, size_t n,
                              frz_buf *out, frz_error *err)
{
  size_t width = dictionary->plan->width;
  const uint8_t *entries = dictionary->entries.data;
  uint8_t *to;
  FRZ_TRY(frz_buf_extend(out, n * width, &to, err));
  if (width == 8)
    for (size_t i = 0; i < n; i++) memcpy(to + 8 * i, entries + (size_t)8 * indices[i], 8);
  else if (width == 4)
    for (size_t i = 0; i < n; i++) memcpy(to + 4 * i, entries + (size_t)4 * indices[i], 4);
  else
    for (size_t i = 0; i < n; i++) memcpy(to + width * i, entries + width * indices[i], width);
  return FRZ_OK;
}

frz_status frz_dictionary_plain(const frz_dictionary *dictionary, const uint32_t *indices, size_t n,
                                frz_buf *out, frz_error *err)
{
  const frz_leaf_plan *plan = dictionary->plan;
  if (plan->stored != FRZ_STORED_BYTES && plan->stored != FRZ_STORED_I128)
    return plain_fixed(dictionary, indices, n, out, err);
  for (size_t i = 0; i < n; i++) {
    if (plan->stored == FRZ_STORED_BYTES) {
      /* The length in front of the entry is part of its PLAIN form. */
      frz_str entry = frz_dictionary_bytes(dictionary, indices[i]);
      FRZ_TRY(frz_buf_append(out, entry.data - 4, entry.size + 4, err));
      continue;
    }
    const uint8_t *entry = dictionary->entries.data + indices[i] * plan->width;
    FRZ_TRY(frz_wide_plain(entry, 1, (size_t)plan->node->type_length, out, err));
  }
  return FRZ_OK;
}

frz_status frz_dictionary_page(const frz_dictionary *dictionary, frz_buf *out, frz_error *err)
{
  const frz_leaf_plan *plan = dictionary->plan;
  if (plan->stored == FRZ_STORED_I128)
    return frz_wide_plain(dictionary->entries.data, dictionary->n, (size_t)plan->node->type_length,
                          out, err);
  return frz_buf_append(out, dictionary->entries.data, dictionary->entries.size, err);
}
