/*
 * slot_sweep.c - let feature rows compete that come in about the order of their times.
 *
 * For each key a cursor: the slot that the key's last row belonged to, the stretch of times that
 * belong to it, and the best row so far. While a row's time lies in the stretch nothing else is
 * looked at, and a cursor is half a cache line. A row outside of it moves the cursor: the best row
 * is handed over to its slot, and the row's own slot is found by looking at the neighbour, then by
 * a search. So a row out of order costs time, but is never wrong.
 *
 * Each lane has cursors of its own, for it reads files of its own. What two lanes hold for one slot
 * meets in the slot, where the better row stays (slot_table.h, invariant 2). Lanes share the
 * directory, which tells the number of a key's cursor.
 */
#include <assert.h>

#include "pit/slot_index.h"
#include "pit/slot_table.h"

enum { GROUP_ROWS = 16, GROUPS_AT_ONCE = 4, KEYS_AHEAD = 16 };

/* Which row a cursor holds, packed so that a greater number wins where times are equal: the file's
 * rank and one, the position, the slot from the key's first. */
enum { AT_BITS = 16, POSITION_BITS = 28 };
#define AT_MASK ((UINT64_C(1) << AT_BITS) - 1)
_Static_assert(FRZ_NUMBERED_SLOTS_MAX <= AT_MASK, "and the place after the last");
_Static_assert(FRZ_SWEPT_POSITION_MAX < INT64_C(1) << POSITION_BITS, "a position");
_Static_assert((FRZ_SWEPT_RANK_MAX + UINT64_C(1)) >> (64 - AT_BITS - POSITION_BITS) == 0,
               "a rank and one");

typedef struct cursor {
  int64_t first_time, last_time; /* that belong to the slot, both included */
  int64_t best_time; /* of the slot's rows, the event time of the best; none: the least */
  uint64_t held;     /* that row, and the slot; n_slots: after the key's last */
} cursor;

_Static_assert(sizeof(cursor) == 32, "half a cache line");

/* What else decides between rows of equal times. */
typedef struct tie_break {
  int64_t created_time;
  uint32_t sequence;
} tie_break;

struct frz_slot_sweep {
  cursor *cursors; /* one a number */
  tie_break *ties; /* one a number; NULL: rows have neither */
};

static inline bool is_held(uint64_t held)
{
  return held >> AT_BITS != 0;
}

static inline uint64_t packed(uint32_t file_rank, int64_t position)
{
  return ((uint64_t)file_rank + 1) << (AT_BITS + POSITION_BITS) | (uint64_t)position << AT_BITS;
}

/* ---- cursors ---- */

size_t frz_slot_sweep_bytes(const frz_slot_index *index)
{
  return index->n_keys * FRZ_SLOT_NUMBERS_PER_KEY * (sizeof(cursor) + sizeof(tie_break));
}

static frz_status make_sweep(const frz_slot_index *index, frz_slot_sweep **sweep_out,
                             frz_error *err)
{
  size_t n = index->directory.n_numbers;
  frz_slot_sweep *sweep = frz_alloc_zeroed(index->alloc, sizeof *sweep);
  if (sweep == NULL) return frz_fail_nomem(err, "join sweep");
  sweep->cursors = frz_alloc_table(index->alloc, n, sizeof *sweep->cursors);
  if (sweep->cursors == NULL) {
    frz_slot_sweep_free(index, sweep);
    return frz_fail_nomem(err, "join sweep");
  }
  for (size_t number = 0; number < n; number++) {
    uint16_t n_slots = index->directory.runs[number].n_slots;
    cursor *at = &sweep->cursors[number];
    *at = (cursor){INT64_MAX, INT64_MIN, INT64_MIN, n_slots}; /* no time belongs to no slot */
    if (n_slots == 0) *at = (cursor){INT64_MIN, INT64_MAX, INT64_MIN, 0}; /* no key: never moves */
  }
  *sweep_out = sweep;
  return FRZ_OK;
}

/* The first rows of a lane that have more to decide ties with. */
static frz_status make_ties(const frz_slot_index *index, frz_slot_sweep *sweep, frz_error *err)
{
  sweep->ties = frz_alloc_table(index->alloc, index->directory.n_numbers, sizeof *sweep->ties);
  if (sweep->ties == NULL) return frz_fail_nomem(err, "join sweep");
  for (size_t number = 0; number < index->directory.n_numbers; number++)
    sweep->ties[number] = (tie_break){.created_time = INT64_MIN};
  return FRZ_OK;
}

void frz_slot_sweep_free(const frz_slot_index *index, frz_slot_sweep *sweep)
{
  if (sweep == NULL) return;
  frz_alloc_free(index->alloc, sweep->cursors, index->directory.n_numbers * sizeof *sweep->cursors);
  frz_alloc_free(index->alloc, sweep->ties, index->directory.n_numbers * sizeof *sweep->ties);
  frz_alloc_free(index->alloc, sweep, sizeof *sweep);
}

/* The best row to its slot. */
static void hand_over(const frz_slot_index *index, const frz_slot_sweep *sweep, size_t number)
{
  cursor *at = &sweep->cursors[number];
  frz_slot_run run = index->directory.runs[number];
  uint32_t slot = (uint32_t)(at->held & AT_MASK);
  if (!is_held(at->held) || slot >= run.n_slots) return;
  const int64_t position_mask = (INT64_C(1) << POSITION_BITS) - 1;
  frz_candidate best = {.event_time = at->best_time,
                        .created_time = INT64_MIN,
                        .position = (int64_t)(at->held >> AT_BITS) & position_mask,
                        .file_rank = (uint32_t)(at->held >> (AT_BITS + POSITION_BITS)) - 1};
  if (sweep->ties != NULL) {
    best.created_time = sweep->ties[number].created_time;
    best.sequence = sweep->ties[number].sequence;
  }
  frz_candidate *winner = &index->winners[run.first_slot + slot];
  pthread_mutex_t *lock = &index->partitions[run.partition].lock;
  pthread_mutex_lock(lock);
  if (frz_candidate_beats(&best, winner)) *winner = best;
  pthread_mutex_unlock(lock);
}

void frz_slot_sweep_flush_keys(const frz_slot_index *index, frz_slot_sweep *sweep, size_t first,
                               size_t end)
{
  if (sweep == NULL) return;
  for (size_t number = first; number < end; number++) {
    if (number + KEYS_AHEAD < end) { /* slots lie in the order of partitions, and are many */
      const cursor *later = &sweep->cursors[number + KEYS_AHEAD];
      uint32_t first_slot = index->directory.runs[number + KEYS_AHEAD].first_slot;
      __builtin_prefetch(&index->winners[first_slot + (later->held & AT_MASK)], 1);
    }
    hand_over(index, sweep, number);
    sweep->cursors[number].held &= AT_MASK;
    sweep->cursors[number].best_time = INT64_MIN;
  }
}

void frz_slot_sweep_flush(const frz_slot_index *index, frz_slot_sweep *sweep)
{
  frz_slot_sweep_flush_keys(index, sweep, 0, index->directory.n_numbers);
}

/* To the slot that `time` belongs to. Not inlined: the loop around it is for the rows that stay. */
__attribute__((noinline)) static void move(const frz_slot_index *index, const frz_slot_sweep *sweep,
                                           size_t number, int64_t time)
{
  cursor *at = &sweep->cursors[number];
  frz_slot_run run = index->directory.runs[number];
  const int64_t *upper = index->upper + run.first_slot;
  uint32_t n = run.n_slots;
  uint32_t now = (uint32_t)(at->held & AT_MASK) + 1; /* the next slot, mostly */
  hand_over(index, sweep, number);
  if (now >= n || time <= upper[now - 1] || time > upper[now])
    now = frz_slot_lower_bound(upper, n, time);
  *at = (cursor){.first_time = now > 0 ? upper[now - 1] + 1 : INT64_MIN, /* upper[now - 1] < time */
                 .last_time = now < n ? upper[now] : INT64_MAX,
                 .best_time = INT64_MIN,
                 .held = now};
  assert(time >= at->first_time && time <= at->last_time);
}

/* ---- rows ---- */

/* Rows of a batch, the numbers of their keys, and the numbers of those whose cursors will move. */
typedef struct swept_group {
  size_t n, n_moving;
  uint32_t rows[GROUP_ROWS];
  uint32_t numbers[GROUP_ROWS];
  uint32_t moving[GROUP_ROWS];
} swept_group;

static inline bool is_number_of(const frz_slot_directory *directory, uint32_t number,
                                const frz_key_batch *keys, uint32_t row)
{
  if (directory->hashes[number] != keys->hashes[row]) return false;
  if (keys->bytes == NULL) return true;
  frz_str bytes = frz_key_batch_bytes(keys, row);
  frz_slot_name name = directory->names[number];
  return name.size == bytes.size &&
         (bytes.size == 0 || memcmp(directory->bytes + name.offset, bytes.data, bytes.size) == 0);
}

/* Where the directory's first answer was another key's: false: no entity row has the key. */
__attribute__((noinline)) static bool search_on(const frz_slot_directory *directory,
                                                const frz_key_batch *keys, uint32_t row,
                                                uint32_t *number_out)
{
  size_t place = (size_t)keys->hashes[row] & directory->place_mask;
  for (;;) {
    uint32_t number = frz_slot_directory_next(directory, keys->hashes[row], &place);
    *number_out = number - 1;
    if (number == 0 || is_number_of(directory, number - 1, keys, row)) return number != 0;
  }
}

/* The rows of [first, last) that take part and whose keys have numbers; by value. */
static inline void number_by_value(const frz_slot_index *index, const frz_slot_sweep *sweep,
                                   const frz_offer *offer, const frz_offer_window *window,
                                   int64_t first, int64_t last, swept_group *group)
{
  const frz_slot_directory *directory = &index->directory;
  size_t n = 0;
  for (int64_t row = first; row < last; row++) {
    uint64_t number = (uint64_t)offer->keys->integers[row] - directory->least;
    bool takes_part = frz_offer_takes_part(offer, window, row);
    takes_part &= number < directory->n_numbers;
    __builtin_prefetch(&sweep->cursors[takes_part ? number : 0], 1);
    group->rows[n] = (uint32_t)row;
    group->numbers[n] = (uint32_t)number;
    n += takes_part;
  }
  group->n = n;
}

/* The same, by hash. */
static inline void number_by_hash(const frz_slot_index *index, const frz_slot_sweep *sweep,
                                  const frz_offer *offer, const frz_offer_window *window,
                                  int64_t first, int64_t last, swept_group *group)
{
  const frz_slot_directory *directory = &index->directory;
  const uint64_t *hashes = offer->keys->hashes;
  size_t n_rows = 0;
  for (int64_t row = first; row < last; row++) {
    __builtin_prefetch(&directory->places[(size_t)hashes[row] & directory->place_mask]);
    group->rows[n_rows] = (uint32_t)row;
    n_rows += frz_offer_takes_part(offer, window, row);
  }
  size_t n = 0;
  for (size_t i = 0; i < n_rows; i++) {
    uint32_t row = group->rows[i];
    size_t place = (size_t)hashes[row] & directory->place_mask;
    uint32_t number = frz_slot_directory_next(directory, hashes[row], &place);
    __builtin_prefetch(sweep->cursors + (number - 1), 1);
    __builtin_prefetch(directory->hashes + (number - 1));
    if (directory->names != NULL) __builtin_prefetch(directory->names + (number - 1));
    group->rows[n] = row;
    group->numbers[n] = number - 1; /* of 0: not used */
    n += number != 0;
  }
  for (size_t i = 0; directory->names != NULL && i < n; i++)
    __builtin_prefetch(directory->bytes + directory->names[group->numbers[i]].offset);
  group->n = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t number = group->numbers[i];
    if (!is_number_of(directory, number, offer->keys, group->rows[i]) &&
        !search_on(directory, offer->keys, group->rows[i], &number))
      continue;
    group->rows[group->n] = group->rows[i];
    group->numbers[group->n++] = number;
  }
}

static inline bool wins_tie(const frz_offer *offer, uint32_t row, uint64_t row_bits,
                            const cursor *at, const tie_break *tie)
{
  if (tie != NULL && is_held(at->held)) {
    frz_candidate candidate = frz_offer_candidate(offer, row);
    if (candidate.created_time != tie->created_time)
      return candidate.created_time > tie->created_time;
    if (candidate.sequence != tie->sequence) return candidate.sequence > tie->sequence;
  }
  return row_bits > (at->held & ~AT_MASK);
}

/* `a` where `of_a`, else `b`: without a jump, for which rows win is not to be guessed. */
static inline uint64_t either(bool of_a, uint64_t a, uint64_t b)
{
  uint64_t mask = -(uint64_t)of_a;
  return (a & mask) | (b & ~mask);
}

/* Guess which cursors will move, and ask for their runs: groups before this one may move them too,
 * and then what was asked for is of no use, or comes late. */
static inline void find_moving(const frz_slot_index *index, const frz_slot_sweep *sweep,
                               const frz_offer *offer, swept_group *group)
{
  size_t n = 0;
  for (size_t i = 0; i < group->n; i++) {
    const cursor *at = &sweep->cursors[group->numbers[i]];
    int64_t time = offer->event_times[group->rows[i]];
    group->moving[n] = group->numbers[i];
    bool is_before = time < at->first_time; /* `||` becomes a jump */
    bool is_after = time > at->last_time;
    n += is_before | is_after;
  }
  group->n_moving = n;
  for (size_t i = 0; i < n; i++) __builtin_prefetch(&index->directory.runs[group->moving[i]]);
}

/* Part of a loop that has effects: of its own the compiler may leave it out, as without any. */
__attribute__((always_inline)) static inline void ask_for_slots(const frz_slot_index *index,
                                                                const frz_slot_sweep *sweep,
                                                                const swept_group *group)
{
  for (size_t i = 0; i < group->n_moving; i++) {
    uint32_t number = group->moving[i];
    size_t slot =
        index->directory.runs[number].first_slot + (sweep->cursors[number].held & AT_MASK);
    __builtin_prefetch(&index->upper[slot]);
    __builtin_prefetch(&index->winners[slot], 1);
  }
}

static inline void compete(const frz_slot_index *index, const frz_slot_sweep *sweep,
                           const frz_offer *offer, const swept_group *group)
{
  for (size_t i = 0; i < group->n; i++) {
    uint32_t row = group->rows[i];
    cursor *at = &sweep->cursors[group->numbers[i]];
    tie_break *tie = sweep->ties != NULL ? &sweep->ties[group->numbers[i]] : NULL;
    int64_t time = offer->event_times[row];
    if (time < at->first_time || time > at->last_time) move(index, sweep, group->numbers[i], time);
    uint64_t row_bits = packed(offer->file_rank, offer->positions[row]);
    bool wins = time > at->best_time;
    if (time == at->best_time) wins = wins_tie(offer, row, row_bits, at, tie);
    at->best_time = (int64_t)either(wins, (uint64_t)time, (uint64_t)at->best_time);
    at->held = either(wins, row_bits | (at->held & AT_MASK), at->held);
    if (tie == NULL || !wins) continue;
    frz_candidate candidate = frz_offer_candidate(offer, row);
    *tie = (tie_break){candidate.created_time, candidate.sequence};
  }
}

/* Each row waits for memory up to four times: the directory, its cursor, and where that moves the
 * key's slots, their times and winners. So rows go through in groups, a step at a time, and between
 * a group's steps come those of the groups around it, while what it asked for arrives. Larger
 * groups push it out of the first cache before it is used. */
static void sweep_groups(const frz_slot_index *index, const frz_slot_sweep *sweep,
                         const frz_offer *offer)
{
  const frz_offer_window window = {index->least, index->greatest, false, 0, NULL};
  swept_group groups[GROUPS_AT_ONCE];
  int64_t n_groups = (offer->n_rows + GROUP_ROWS - 1) / GROUP_ROWS;
  for (int64_t i = 0; i < n_groups + GROUPS_AT_ONCE - 1; i++) {
    if (i < n_groups) {
      swept_group *group = &groups[i % GROUPS_AT_ONCE];
      int64_t first = i * GROUP_ROWS, last = first + GROUP_ROWS;
      if (last > offer->n_rows) last = offer->n_rows;
      if (index->directory.by_value)
        number_by_value(index, sweep, offer, &window, first, last, group);
      else
        number_by_hash(index, sweep, offer, &window, first, last, group);
    }
    if (i >= 1 && i - 1 < n_groups)
      find_moving(index, sweep, offer, &groups[(i - 1) % GROUPS_AT_ONCE]);
    if (i >= 2 && i - 2 < n_groups) ask_for_slots(index, sweep, &groups[(i - 2) % GROUPS_AT_ONCE]);
    if (i >= 3) compete(index, sweep, offer, &groups[(i - 3) % GROUPS_AT_ONCE]);
  }
}

frz_status frz_slot_index_sweep(frz_slot_index *index, size_t lane, const frz_offer *offer,
                                frz_error *err)
{
  assert(lane < index->n_lanes && index->may_sweep && offer->n_rows <= UINT32_MAX);
  assert(offer->file_rank <= FRZ_SWEPT_RANK_MAX);
  if (index->sweeps[lane] == NULL) FRZ_TRY(make_sweep(index, &index->sweeps[lane], err));
  frz_slot_sweep *sweep = index->sweeps[lane];
  bool has_ties = offer->created_times != NULL || offer->sequences != NULL;
  if (has_ties && sweep->ties == NULL) FRZ_TRY(make_ties(index, sweep, err));
  sweep_groups(index, sweep, offer);
  return FRZ_OK;
}
