/*
 * map.c - open-addressing hash map.
 *
 * Invariants: capacity is zero or a power of two, and at most three quarters are used, so a
 * probe always meets a free entry.
 */
#include "base/map.h"

#include <assert.h>

#include "base/endian.h"

void frz_map_init(frz_map *map, const frz_alloc *alloc, size_t max_key_bytes)
{
  *map = (frz_map){.alloc = alloc};
  frz_arena_init(&map->keys, alloc, max_key_bytes);
}

void frz_map_dispose(frz_map *map)
{
  if (map->entries != NULL)
    frz_alloc_free(map->alloc, map->entries, map->capacity * sizeof *map->entries);
  frz_arena_free(&map->keys);
  *map = (frz_map){0};
}

static uint64_t mix(uint64_t a, uint64_t b)
{
  __extension__ unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t frz_hash_bytes(const void *data, size_t size, uint64_t seed)
{
  const uint8_t *at = data;
  uint64_t hash = seed ^ 0x9e3779b97f4a7c15u ^ (uint64_t)size;
  size_t left = size;
  for (; left >= 8; left -= 8, at += 8) hash = mix(hash ^ frz_load_u64le(at), 0xa0761d6478bd642fu);
  uint64_t tail = 0;
  for (size_t i = 0; i < left; i++) tail |= (uint64_t)at[i] << (8 * i);
  return mix(hash ^ tail, 0xe7037ed1a0b428dbu);
}

static frz_map_entry *probe(const frz_map *map, uint64_t hash, frz_str key)
{
  size_t mask = map->capacity - 1;
  size_t at = (size_t)hash & mask;
  for (;;) {
    frz_map_entry *entry = &map->entries[at];
    if (entry->key.data == NULL) return entry;
    if (entry->hash == hash && frz_str_equal(entry->key, key)) return entry;
    at = (at + 1) & mask;
  }
}

uint64_t *frz_map_find(const frz_map *map, frz_str key)
{
  if (map->size == 0) return NULL;
  frz_map_entry *entry = probe(map, frz_hash_bytes(key.data, key.size, 0), key);
  return entry->key.data != NULL ? &entry->value : NULL;
}

static frz_status grow(frz_map *map, frz_error *err)
{
  frz_map old = *map;
  size_t capacity = old.capacity != 0 ? old.capacity * 2 : 16;
  if (capacity > SIZE_MAX / 2 / sizeof *map->entries) return frz_fail_nomem(err, "map");
  map->entries = frz_alloc_zeroed(map->alloc, capacity * sizeof *map->entries);
  if (map->entries == NULL) {
    map->entries = old.entries;
    return frz_fail_nomem(err, "map");
  }
  map->capacity = capacity;
  for (size_t i = 0; i < old.capacity; i++)
    if (old.entries[i].key.data != NULL)
      *probe(map, old.entries[i].hash, old.entries[i].key) = old.entries[i];
  if (old.entries != NULL)
    frz_alloc_free(map->alloc, old.entries, old.capacity * sizeof *old.entries);
  return FRZ_OK;
}

frz_status frz_map_insert(frz_map *map, frz_str key, uint64_t initial, uint64_t **value_out,
                          bool *inserted_out, frz_error *err)
{
  assert(map->alloc != NULL);
  if (map->size >= map->capacity / 4 * 3) FRZ_TRY(grow(map, err));
  uint64_t hash = frz_hash_bytes(key.data, key.size, 0);
  frz_map_entry *entry = probe(map, hash, key);
  bool inserted = entry->key.data == NULL;
  if (inserted) {
    frz_str copy = frz_arena_copy(&map->keys, key);
    if (copy.data == NULL) return frz_fail_nomem(err, "map key");
    *entry = (frz_map_entry){hash, copy, initial};
    map->size++;
  }
  if (value_out != NULL) *value_out = &entry->value;
  if (inserted_out != NULL) *inserted_out = inserted;
  return FRZ_OK;
}
