/*
 * slot_directory.h - the keys of a slot index by number: what sweeps find a row's cursor with.
 *
 * Integer keys that lie close together, as counted ids do, are numbered by their value: nothing is
 * read and nothing compared. All others are found by their hash: open addressing over 32 bits a
 * place, at most half full. A place holds the number and as much of the hash as there is room for,
 * so that a key which no entity row has is mostly told from it alone. Where keys have bytes, those
 * of each key lie here once more, close together: entity rows are all over.
 */
#ifndef FRZ_PIT_SLOT_DIRECTORY_H
#define FRZ_PIT_SLOT_DIRECTORY_H

#include "pit/slot_index.h"

/** The slots of a key, and the partition that they lie in. */
typedef struct frz_slot_run {
  uint32_t first_slot;
  uint16_t n_slots, partition;
} frz_slot_run;

/** Slots that a key in a directory may have. */
enum { FRZ_NUMBERED_SLOTS_MAX = UINT16_MAX };
_Static_assert(FRZ_PARTITION_BITS_MAX <= 16, "a partition's number has 16 bits");

/** A key's bytes in the directory's memory. */
typedef struct frz_slot_name {
  uint32_t offset, size;
} frz_slot_name;

/** Numbers lie in [0, n_numbers). By hash they follow partitions and their places; by value, one
 * that is no key's has a run without slots. */
typedef struct frz_slot_directory {
  size_t n_numbers;
  frz_slot_run *runs; /* one a number */
  bool by_value;
  uint64_t least;   /* by value: the value of number 0, as bits */
  uint64_t *hashes; /* one a number */
  uint32_t *places; /* 0: free; else a key's number and one, and above it bits of its hash */
  size_t place_mask;
  uint32_t number_mask;
  frz_slot_name *names; /* one a number; NULL: the hash is the key */
  uint8_t *bytes;
  size_t n_bytes;
} frz_slot_directory;

/** What a directory takes for a key, but for the key's bytes: at most. By value there are up to
 * this many numbers a key. */
enum { FRZ_SLOT_DIRECTORY_BYTES_PER_KEY = 40, FRZ_SLOT_NUMBERS_PER_KEY = 2 };

/** Number the keys of the built partitions of `index`. */
frz_status frz_slot_directory_make(frz_slot_index *index, frz_error *err) FRZ_MUST_CHECK;
void frz_slot_directory_dispose(frz_slot_directory *directory, const frz_alloc *alloc);

/** Bits of the hash that neither choose the place nor, mostly, the partition. */
static inline uint32_t frz_slot_directory_tag(const frz_slot_directory *directory, uint64_t hash)
{
  return (uint32_t)(hash >> 22) & ~directory->number_mask;
}

/** The first key from place `at_inout` on that may have this hash, as number and one; 0: none. */
static inline uint32_t frz_slot_directory_next(const frz_slot_directory *directory, uint64_t hash,
                                               size_t *at_inout)
{
  uint32_t tag = frz_slot_directory_tag(directory, hash);
  size_t at = *at_inout;
  for (;;) {
    uint32_t place = directory->places[at];
    at = (at + 1) & directory->place_mask;
    if (place != 0 && (place & ~directory->number_mask) != tag) continue;
    *at_inout = at;
    return place & directory->number_mask;
  }
}

#endif
