/*
 * map.h - a hash map from byte strings to 64-bit values.
 *
 * Keys are copied into the map. Open addressing, linear probing, no removal: maps here are
 * built, asked and thrown away whole.
 */
#ifndef FRZ_BASE_MAP_H
#define FRZ_BASE_MAP_H

#include "base/arena.h"
#include "base/fail.h"

typedef struct frz_map_entry {
  uint64_t hash;
  frz_str key; /* data NULL: free */
  uint64_t value;
} frz_map_entry;

typedef struct frz_map {
  const frz_alloc *alloc;
  frz_arena keys;
  frz_map_entry *entries;
  size_t capacity; /* a power of two, or 0 */
  size_t size;
} frz_map;

void frz_map_init(frz_map *map, const frz_alloc *alloc, size_t max_key_bytes);
void frz_map_dispose(frz_map *map);

/** The value's address, valid until the next insertion; NULL where the key is absent. */
uint64_t *frz_map_find(const frz_map *map, frz_str key);

/** Find the key or insert it with `initial`; `inserted_out` may be NULL. */
frz_status frz_map_insert(frz_map *map, frz_str key, uint64_t initial, uint64_t **value_out,
                          bool *inserted_out, frz_error *err) FRZ_MUST_CHECK;

/** A good 64-bit hash of bytes: for tables in memory, never stored. */
uint64_t frz_hash_bytes(const void *data, size_t size, uint64_t seed);

/** A good mix of one 64-bit value: a bijection. */
static inline uint64_t frz_hash_u64(uint64_t value)
{
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93u;
  value ^= value >> 32;
  value *= 0xd6e8feb86659fd93u;
  value ^= value >> 32;
  return value;
}

/** The value that has this mix. */
static inline uint64_t frz_unhash_u64(uint64_t hash)
{
  hash ^= hash >> 32;
  hash *= 0xcfee444d8b59a89bu; /* times 0xd6e8feb86659fd93 it is 1 */
  hash ^= hash >> 32;
  hash *= 0xcfee444d8b59a89bu;
  hash ^= hash >> 32;
  return hash;
}

#endif
