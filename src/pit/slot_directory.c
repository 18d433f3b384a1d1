/*
 * slot_directory.c - see slot_directory.h.
 */
#include "pit/slot_directory.h"

#include <assert.h>

#include "base/map.h"
#include "pit/slot_table.h"

/* Goes through the keys of an index, in the order of their numbers. */
typedef struct key_walk {
  const frz_slot_index *index;
  size_t partition, place;
} key_walk;

/* NULL: there are no more. */
static const frz_slot_key *next_key(key_walk *walk)
{
  for (; walk->partition < frz_slot_partitions(walk->index); walk->partition++) {
    const frz_slot_partition *part = &walk->index->partitions[walk->partition];
    while (walk->place < part->n_places)
      if (part->keys[walk->place++].n_slots != 0) return &part->keys[walk->place - 1];
    walk->place = 0;
  }
  return NULL;
}

/* ---- by value ---- */

static bool lie_close(const frz_slot_index *index, uint64_t *least_out, size_t *n_values_out)
{
  int64_t least = INT64_MAX;
  int64_t greatest = INT64_MIN;
  if (!index->options.integer_keys) return false;
  key_walk walk = {.index = index};
  for (const frz_slot_key *key; (key = next_key(&walk)) != NULL;) {
    int64_t value = (int64_t)frz_unhash_u64(key->hash);
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  *least_out = (uint64_t)least;
  *n_values_out = (size_t)((uint64_t)greatest - (uint64_t)least + 1); /* 0: all of 2^64 */
  return *n_values_out != 0 && *n_values_out / FRZ_SLOT_NUMBERS_PER_KEY <= index->n_keys;
}

/* ---- by hash ---- */

/* The keys' bytes, in the order of their numbers. */
static frz_status copy_names(const frz_slot_index *index, frz_slot_directory *directory,
                             frz_error *err)
{
  if (index->keys->bytes == NULL) return FRZ_OK;
  directory->names = frz_alloc_table(index->alloc, index->n_keys, sizeof *directory->names);
  if (directory->names == NULL) return frz_fail_nomem(err, "join index");
  size_t n_bytes = 0;
  frz_slot_name *name = directory->names;
  key_walk walk = {.index = index};
  for (const frz_slot_key *key; (key = next_key(&walk)) != NULL;) {
    frz_str bytes = frz_key_batch_bytes(index->keys, key->entity_row);
    *name++ = (frz_slot_name){(uint32_t)n_bytes, (uint32_t)bytes.size};
    n_bytes += bytes.size;
  }
  directory->bytes = frz_alloc_table(index->alloc, n_bytes + 1, 1);
  if (directory->bytes == NULL) return frz_fail_nomem(err, "join index");
  directory->n_bytes = n_bytes + 1;
  uint8_t *at = directory->bytes;
  walk = (key_walk){.index = index};
  for (const frz_slot_key *key; (key = next_key(&walk)) != NULL;) {
    frz_str bytes = frz_key_batch_bytes(index->keys, key->entity_row);
    if (bytes.size != 0) memcpy(at, bytes.data, bytes.size);
    at += bytes.size;
  }
  return FRZ_OK;
}

static frz_status make_places(const frz_slot_index *index, frz_slot_directory *directory,
                              frz_error *err)
{
  size_t n_places = 16;
  while (n_places / 2 < index->n_keys) n_places *= 2;
  directory->hashes = frz_alloc_table(index->alloc, index->n_keys, sizeof *directory->hashes);
  directory->places = frz_alloc_table(index->alloc, n_places, sizeof *directory->places);
  if (directory->hashes == NULL || directory->places == NULL)
    return frz_fail_nomem(err, "join index");
  memset(directory->places, 0, n_places * sizeof *directory->places);
  directory->place_mask = n_places - 1;
  directory->number_mask = 1;
  while (directory->number_mask < index->n_keys)
    directory->number_mask = directory->number_mask * 2 + 1;
  uint32_t number = 0;
  key_walk walk = {.index = index};
  for (const frz_slot_key *key; (key = next_key(&walk)) != NULL;) {
    size_t at = (size_t)key->hash & directory->place_mask;
    while (directory->places[at] != 0) at = (at + 1) & directory->place_mask;
    directory->hashes[number] = key->hash;
    directory->places[at] = frz_slot_directory_tag(directory, key->hash) | ++number;
  }
  return copy_names(index, directory, err);
}

static frz_status make_runs(const frz_slot_index *index, frz_slot_directory *directory,
                            frz_error *err)
{
  size_t n = directory->n_numbers;
  directory->runs = frz_alloc_table(index->alloc, n, sizeof *directory->runs);
  if (directory->runs == NULL) return frz_fail_nomem(err, "join index");
  memset(directory->runs, 0, n * sizeof *directory->runs);
  size_t number = 0;
  key_walk walk = {.index = index};
  for (const frz_slot_key *key; (key = next_key(&walk)) != NULL; number++) {
    if (directory->by_value) number = (size_t)(frz_unhash_u64(key->hash) - directory->least);
    directory->runs[number] =
        (frz_slot_run){key->first_slot, (uint16_t)key->n_slots, (uint16_t)walk.partition};
  }
  return FRZ_OK;
}

frz_status frz_slot_directory_make(frz_slot_index *index, frz_error *err)
{
  frz_slot_directory *directory = &index->directory;
  directory->by_value = lie_close(index, &directory->least, &directory->n_numbers);
  if (!directory->by_value) directory->n_numbers = index->n_keys;
  FRZ_TRY(make_runs(index, directory, err));
  return directory->by_value ? FRZ_OK : make_places(index, directory, err);
}

void frz_slot_directory_dispose(frz_slot_directory *directory, const frz_alloc *alloc)
{
  size_t n = directory->n_numbers;
  frz_alloc_free(alloc, directory->runs, n * sizeof *directory->runs);
  frz_alloc_free(alloc, directory->hashes, n * sizeof *directory->hashes);
  frz_alloc_free(alloc, directory->places, (directory->place_mask + 1) * sizeof *directory->places);
  frz_alloc_free(alloc, directory->names, n * sizeof *directory->names);
  frz_alloc_free(alloc, directory->bytes, directory->n_bytes);
}
