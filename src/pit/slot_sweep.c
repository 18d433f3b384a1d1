/*
 * slot_sweep.c - let feature rows compete that come in about the order of their times.
 *
 * For each key a cursor: the slot that the key's last row belonged to, the stretch of times that
 * belong to it, and the best row so far. While a row's time lies in the stretch nothing else is
 * looked at, and a cursor is one cache line. A row outside of it moves the cursor: the best row is
 * handed over to its slot, and the row's own slot is found by looking at the neighbour, then by a
 * search. So a row out of order costs time, but is never wrong.
 *
 * With the created cutoff a row's time is the later of its event and created time: that is what
 * decides its first slot (both have one unit here, so a slot's two bounds are one).
 *
 * Each lane has cursors of its own, for it reads files of its own. What two lanes hold for one slot
 * meets in the slot, where the better row stays (slot_table.h, invariant 2).
 *
 * All lanes share the directory, which tells the number of a key's cursor: open addressing over 32
 * bits a place, at most half full. A place holds the number and as much of the hash as there is
 * room for, so that a key which no entity row has is mostly told from it alone. Where keys have
 * bytes, those of each key lie there once more, close together: entity rows are all over.
 */
#include "pit/slot_index.h"

#include <assert.h>

#include "pit/slot_table.h"

enum { GROUP_ROWS = 32 };

typedef struct cursor {
  uint64_t hash;
  int64_t first_time, last_time; /* that belong to the slot, both included */
  frz_candidate best;            /* of the slot's rows, not handed over yet */
  uint32_t first_slot;           /* of the key */
  uint16_t n_slots;              /* of the key */
  uint16_t at;                   /* the slot, from the key's first; n_slots: after its last */
} cursor;

_Static_assert(sizeof(cursor) == 64, "one cache line");

struct frz_slot_sweep {
  cursor *cursors; /* one a key */
};

/* ---- the directory ---- */

static size_t places_of(const frz_slot_index *index)
{
  size_t places = 16;
  while (places / 2 < index->n_keys) places *= 2;
  return places;
}

size_t frz_slot_sweep_bytes(const frz_slot_index *index)
{
  return index->n_keys * sizeof(cursor);
}

/* Bits of the hash that neither choose the place nor, mostly, the partition. */
static inline uint32_t tag_of(const frz_slot_directory *directory, uint64_t hash)
{
  return (uint32_t)(hash >> 22) & ~directory->number_mask;
}

/* The keys' bytes, in the order of their numbers. */
static frz_status copy_names(frz_slot_index *index, frz_error *err)
{
  frz_slot_directory *directory = &index->directory;
  if (index->keys->bytes == NULL) return FRZ_OK;
  directory->names = frz_alloc_table(index->alloc, index->n_keys, sizeof *directory->names);
  if (directory->names == NULL) return frz_fail_nomem(err, "join index");
  for (int pass = 0; pass < 2; pass++) { /* first their sizes */
    size_t at = 0;
    size_t number = 0;
    for (size_t p = 0; p < frz_slot_partitions(index); p++) {
      const frz_slot_partition *part = &index->partitions[p];
      for (size_t k = 0; k < part->n_places; k++) {
        if (part->keys[k].n_slots == 0) continue;
        frz_str name = frz_key_batch_bytes(index->keys, part->keys[k].entity_row);
        if (pass == 1 && name.size != 0) memcpy(directory->bytes + at, name.data, name.size);
        directory->names[number++] = (frz_slot_name){(uint32_t)at, (uint32_t)name.size};
        at += name.size;
      }
    }
    if (pass == 1) break;
    directory->bytes = frz_alloc_table(index->alloc, at + 1, 1);
    if (directory->bytes == NULL) return frz_fail_nomem(err, "join index");
    directory->n_bytes = at + 1;
  }
  return FRZ_OK;
}

frz_status frz_slot_directory_make(frz_slot_index *index, frz_error *err)
{
  frz_slot_directory *directory = &index->directory;
  size_t n_places = places_of(index);
  directory->places = frz_alloc_table(index->alloc, n_places, sizeof *directory->places);
  if (directory->places == NULL) return frz_fail_nomem(err, "join index");
  memset(directory->places, 0, n_places * sizeof *directory->places);
  directory->place_mask = n_places - 1;
  directory->number_mask = 1;
  while (directory->number_mask < index->n_keys)
    directory->number_mask = directory->number_mask * 2 + 1;
  uint32_t number = 0;
  for (size_t p = 0; p < frz_slot_partitions(index); p++) {
    const frz_slot_partition *part = &index->partitions[p];
    for (size_t k = 0; k < part->n_places; k++) {
      if (part->keys[k].n_slots == 0) continue;
      size_t at = (size_t)part->keys[k].hash & directory->place_mask;
      while (directory->places[at] != 0) at = (at + 1) & directory->place_mask;
      directory->places[at] = tag_of(directory, part->keys[k].hash) | ++number;
    }
  }
  assert(number == index->n_keys);
  return copy_names(index, err);
}

void frz_slot_directory_dispose(frz_slot_index *index)
{
  frz_slot_directory *directory = &index->directory;
  frz_alloc_free(index->alloc, directory->names, index->n_keys * sizeof *directory->names);
  frz_alloc_free(index->alloc, directory->bytes, directory->n_bytes);
  frz_alloc_free(index->alloc, directory->places,
                 (directory->place_mask + 1) * sizeof *directory->places);
}

/* The first key from place `at_inout` on that may have this hash, as number and one; 0: none. */
static inline uint32_t next_number(const frz_slot_directory *directory, uint64_t hash,
                                   size_t *at_inout)
{
  uint32_t tag = tag_of(directory, hash);
  size_t at = *at_inout;
  for (;;) {
    uint32_t place = directory->places[at];
    at = (at + 1) & directory->place_mask;
    if (place != 0 && (place & ~directory->number_mask) != tag) continue;
    *at_inout = at;
    return place & directory->number_mask;
  }
}

/* ---- cursors ---- */

static frz_status make_sweep(const frz_slot_index *index, frz_slot_sweep **sweep_out,
                             frz_error *err)
{
  frz_slot_sweep *sweep = frz_alloc_zeroed(index->alloc, sizeof *sweep);
  if (sweep == NULL) return frz_fail_nomem(err, "join sweep");
  sweep->cursors = frz_alloc_table(index->alloc, index->n_keys, sizeof(cursor));
  if (sweep->cursors == NULL) {
    frz_slot_sweep_free(index, sweep);
    return frz_fail_nomem(err, "join sweep");
  }
  cursor *next = sweep->cursors;
  for (size_t p = 0; p < frz_slot_partitions(index); p++) {
    const frz_slot_partition *part = &index->partitions[p];
    for (size_t k = 0; k < part->n_places; k++) {
      const frz_slot_key *key = &part->keys[k];
      if (key->n_slots == 0) continue;
      assert(key->n_slots <= FRZ_SWEPT_SLOTS_MAX);
      *next++ = (cursor){.hash = key->hash,
                         .first_time = INT64_MAX, /* no time belongs to no slot */
                         .last_time = INT64_MIN,
                         .best = {.file_rank = FRZ_NO_FILE},
                         .first_slot = key->first_slot,
                         .n_slots = (uint16_t)key->n_slots,
                         .at = (uint16_t)key->n_slots};
    }
  }
  *sweep_out = sweep;
  return FRZ_OK;
}

void frz_slot_sweep_free(const frz_slot_index *index, frz_slot_sweep *sweep)
{
  if (sweep == NULL) return;
  frz_alloc_free(index->alloc, sweep->cursors, frz_slot_sweep_bytes(index));
  frz_alloc_free(index->alloc, sweep, sizeof *sweep);
}

/* The best row to its slot. */
static void hand_over(const frz_slot_index *index, cursor *at)
{
  if (at->best.file_rank == FRZ_NO_FILE) return;
  if (at->at < at->n_slots) {
    size_t p = frz_partition_of(at->hash, index->partition_bits);
    frz_candidate *winner = &index->winners[at->first_slot + at->at];
    pthread_mutex_lock(&index->partitions[p].lock);
    if (frz_candidate_beats(&at->best, winner)) *winner = at->best;
    pthread_mutex_unlock(&index->partitions[p].lock);
  }
  at->best.file_rank = FRZ_NO_FILE;
}

void frz_slot_sweep_flush(const frz_slot_index *index, frz_slot_sweep *sweep)
{
  if (sweep == NULL) return;
  for (size_t i = 0; i < index->n_keys; i++) hand_over(index, &sweep->cursors[i]);
}

/* To the slot that `time` belongs to. Not inlined: the loop around it is for the rows that stay. */
__attribute__((noinline)) static void move(const frz_slot_index *index, cursor *at, int64_t time)
{
  const int64_t *upper = index->upper + at->first_slot;
  uint32_t n = at->n_slots;
  uint32_t now = at->at + 1u; /* the next slot, mostly */
  hand_over(index, at);
  if (now >= n || time <= upper[now - 1] || time > upper[now])
    now = frz_slot_lower_bound(upper, n, time);
  at->at = (uint16_t)now;
  at->first_time = now > 0 ? upper[now - 1] + 1 : INT64_MIN; /* upper[now - 1] < time */
  at->last_time = now < n ? upper[now] : INT64_MAX;
  assert(time >= at->first_time && time <= at->last_time);
}

/* ---- rows ---- */

/* Rows of a batch, and what was found of them. */
typedef struct swept_group {
  size_t n;
  uint32_t rows[GROUP_ROWS];
  cursor *at[GROUP_ROWS];
} swept_group;

static inline const frz_slot_name *name_of(const frz_slot_index *index, const frz_slot_sweep *sweep,
                                           const cursor *at)
{
  return &index->directory.names[at - sweep->cursors];
}

static inline bool is_cursor_of(const frz_slot_index *index, const frz_slot_sweep *sweep,
                                const cursor *at, const frz_key_batch *keys, uint32_t row)
{
  if (at->hash != keys->hashes[row]) return false;
  if (keys->bytes == NULL) return true;
  frz_str bytes = frz_key_batch_bytes(keys, row);
  const frz_slot_name *name = name_of(index, sweep, at);
  return name->size == bytes.size &&
         (bytes.size == 0 ||
          memcmp(index->directory.bytes + name->offset, bytes.data, bytes.size) == 0);
}

/* Ask for the bytes of the keys that were found. */
static inline void await_names(const frz_slot_index *index, const frz_slot_sweep *sweep,
                               const swept_group *group)
{
  for (size_t i = 0; i < group->n; i++) __builtin_prefetch(name_of(index, sweep, group->at[i]));
  for (size_t i = 0; i < group->n; i++)
    __builtin_prefetch(index->directory.bytes + name_of(index, sweep, group->at[i])->offset);
}

/* Where the directory's first answer was another key's: NULL: no entity row has the key. */
__attribute__((noinline)) static cursor *search_on(const frz_slot_index *index,
                                                   const frz_slot_sweep *sweep,
                                                   const frz_key_batch *keys, uint32_t row)
{
  size_t place = (size_t)keys->hashes[row] & index->directory.place_mask;
  for (;;) {
    uint32_t number = next_number(&index->directory, keys->hashes[row], &place);
    if (number == 0) return NULL;
    cursor *at = &sweep->cursors[number - 1];
    if (is_cursor_of(index, sweep, at, keys, row)) return at;
  }
}

/* The cursors that the directory gives; rows without one drop out. */
static inline void look_up(const frz_slot_index *index, const frz_slot_sweep *sweep,
                           const frz_offer *offer, swept_group *group)
{
  size_t n = 0;
  for (size_t i = 0; i < group->n; i++) {
    uint32_t row = group->rows[i];
    uint64_t hash = offer->keys->hashes[row];
    size_t place = (size_t)hash & index->directory.place_mask;
    uint32_t number = next_number(&index->directory, hash, &place);
    cursor *at = sweep->cursors + (number - 1); /* of 0 before the first: not used */
    __builtin_prefetch(at, 1);
    group->rows[n] = row;
    group->at[n] = at;
    n += number != 0;
  }
  group->n = n;
}

/* `plain`: rows have neither created time nor sequence number. */
static inline int64_t time_of(const frz_slot_index *index, const frz_offer *offer, uint32_t row,
                              bool plain)
{
  int64_t time = offer->event_times[row];
  if (!plain && index->options.created_cutoff && offer->created_times[row] > time)
    time = offer->created_times[row];
  return time;
}

/* The rows whose cursor is that of their key. */
static inline void check_keys(const frz_slot_index *index, const frz_slot_sweep *sweep,
                              const frz_offer *offer, swept_group *group, bool plain)
{
  size_t n = 0;
  for (size_t i = 0; i < group->n; i++) {
    uint32_t row = group->rows[i];
    cursor *at = group->at[i];
    if (!is_cursor_of(index, sweep, at, offer->keys, row)) {
      at = search_on(index, sweep, offer->keys, row);
      if (at == NULL) continue;
    }
    int64_t time = time_of(index, offer, row, plain);
    if (time < at->first_time || time > at->last_time) {
      size_t slot = at->first_slot + at->at;
      __builtin_prefetch(&index->upper[slot]);
      __builtin_prefetch(&index->winners[slot], 1);
    }
    group->rows[n] = row;
    group->at[n++] = at;
  }
  group->n = n;
}

/* Each row waits for memory up to three times: the directory, its cursor, and where that moves the
 * key's times and winners. So rows go through in groups, and each step asks for what the next one
 * needs of the whole group. */
static inline void compete(const frz_slot_index *index, const frz_slot_sweep *sweep,
                           const frz_offer *offer, swept_group *group, bool plain)
{
  look_up(index, sweep, offer, group);
  if (offer->keys->bytes != NULL) await_names(index, sweep, group);
  check_keys(index, sweep, offer, group, plain);
  for (size_t i = 0; i < group->n; i++) {
    uint32_t row = group->rows[i];
    cursor *at = group->at[i];
    int64_t time = time_of(index, offer, row, plain);
    if (time < at->first_time || time > at->last_time) move(index, at, time);
    int64_t event_time = offer->event_times[row];
    bool is_held = at->best.file_rank != FRZ_NO_FILE;
    if (is_held && event_time < at->best.event_time) continue;
    frz_candidate candidate =
        plain ? (frz_candidate){event_time, INT64_MIN, offer->positions[row], offer->file_rank, 0}
              : frz_offer_candidate(offer, row);
    if (!is_held || event_time > at->best.event_time || frz_candidate_beats(&candidate, &at->best))
      at->best = candidate;
  }
}

frz_status frz_slot_index_sweep(frz_slot_index *index, size_t lane, const frz_offer *offer,
                                frz_error *err)
{
  assert(lane < index->n_lanes && index->may_sweep);
  if (index->sweeps[lane] == NULL) FRZ_TRY(make_sweep(index, &index->sweeps[lane], err));
  const frz_slot_sweep *sweep = index->sweeps[lane];
  const frz_slot_directory *directory = &index->directory;
  const frz_offer_window window = {index->least, index->greatest, index->options.created_cutoff, 0};
  bool plain = offer->created_times == NULL && offer->sequences == NULL;
  assert(offer->n_rows <= UINT32_MAX);
  for (int64_t first = 0; first < offer->n_rows; first += GROUP_ROWS) {
    swept_group group;
    group.n = 0;
    int64_t last = offer->n_rows - first < GROUP_ROWS ? offer->n_rows : first + GROUP_ROWS;
    for (int64_t row = first; row < last; row++) {
      __builtin_prefetch(
          &directory->places[(size_t)offer->keys->hashes[row] & directory->place_mask]);
      group.rows[group.n] = (uint32_t)row;
      group.n += frz_offer_takes_part(offer, &window, row);
    }
    if (plain)
      compete(index, sweep, offer, &group, true);
    else
      compete(index, sweep, offer, &group, false);
  }
  return FRZ_OK;
}
