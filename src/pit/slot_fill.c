/*
 * slot_fill.c - the general way for feature rows to compete: find each row's slot.
 *
 * Tables of slots are larger than the caches, so a row by itself waits for memory three times. Rows
 * are therefore taken partition by partition, in one of two forms.
 *
 * By batch: a batch is split by partition, and each partition's lock is taken once a batch. Rows
 * whose keys have bytes always go so, for the bytes leave with the batch.
 *
 * In piles: where an index is large, a batch has but a hundred rows for a partition, and hardly two
 * of them meet in a cache line. There each lane piles up the rows of each partition, and a pile
 * competes when it is full: a partition's tables come into the cache once for all of its rows.
 *
 * A row in a pile has not competed yet, as one that a sweep's cursor holds; all piles are flushed
 * before winners are carried forward (frz_slot_piles_flush_partition()).
 */
#include <assert.h>

#include "pit/slot_index.h"
#include "pit/slot_table.h"

enum { GROUP_ROWS = 64, PILE_ROWS_MIN = 256, PILE_ROWS_MAX = 1024, ROWS_AHEAD = 2 };

/* A partition's rows that a lane has piled up. */
typedef struct piled_row {
  uint64_t hash; /* which is the key */
  frz_candidate row;
} piled_row;

struct frz_slot_piles {
  uint32_t *n_rows; /* by partition */
  piled_row *rows;  /* by partition, each with room for pile_rows; at the end two more */
};

/* ---- competing ---- */

/* Rows of one partition: of a batch, or of a pile. */
typedef struct competitors {
  const frz_offer *offer; /* NULL: a pile */
  const frz_offered_row *offered;
  const piled_row *piled;
} competitors;

static inline uint64_t hash_of(const competitors *rows, size_t i)
{
  return rows->offer != NULL ? rows->offered[i].hash : rows->piled[i].hash;
}

static inline int64_t event_time_of(const competitors *rows, size_t i)
{
  return rows->offer != NULL ? rows->offered[i].event_time : rows->piled[i].row.event_time;
}

static inline int64_t created_time_of(const competitors *rows, size_t i)
{
  return rows->offer != NULL ? rows->offer->created_times[rows->offered[i].row]
                             : rows->piled[i].row.created_time;
}

static inline frz_str bytes_of(const competitors *rows, size_t i)
{
  return rows->offer != NULL ? frz_key_batch_bytes(rows->offer->keys, rows->offered[i].row)
                             : (frz_str){0};
}

static inline frz_candidate candidate_of(const competitors *rows, size_t i)
{
  return rows->offer != NULL ? frz_offer_candidate(rows->offer, rows->offered[i].row)
                             : rows->piled[i].row;
}

/* The first slot that admits the row, or FRZ_NO_SLOT. */
static inline uint32_t admitting_slot(const frz_slot_index *index, const frz_slot_key *key,
                                      const competitors *rows, size_t i)
{
  uint32_t first = key->first_slot;
  if (key->n_slots == 0) return FRZ_NO_SLOT; /* no entity row has the key */
  uint32_t at = frz_slot_lower_bound(index->upper + first, key->n_slots, event_time_of(rows, i));
  if (index->options.created_cutoff) {
    uint32_t by_created =
        frz_slot_lower_bound(index->created_upper + first, key->n_slots, created_time_of(rows, i));
    if (by_created > at) at = by_created;
  }
  return at != key->n_slots ? first + at : FRZ_NO_SLOT;
}

/* Each row looks at its key's entry, the key's times and the slot's winner. So rows go through in
 * groups, and each step asks for what the next one needs of the whole group. */
static inline void compete_group(const frz_slot_index *index, const frz_slot_partition *part,
                                 const competitors *rows, size_t first, size_t n)
{
  const frz_slot_key *keys[GROUP_ROWS];
  uint32_t slots[GROUP_ROWS];
  assert(n <= GROUP_ROWS);
  for (size_t i = 0; i < n; i++)
    __builtin_prefetch(&part->keys[(size_t)hash_of(rows, first + i) & (part->n_places - 1)]);
  for (size_t i = 0; i < n; i++) {
    keys[i] = frz_slot_find_key(index, part, hash_of(rows, first + i), bytes_of(rows, first + i));
    __builtin_prefetch(&index->upper[keys[i]->first_slot]);
  }
  for (size_t i = 0; i < n; i++) {
    slots[i] = admitting_slot(index, keys[i], rows, first + i);
    if (slots[i] != FRZ_NO_SLOT) __builtin_prefetch(&index->winners[slots[i]], 1);
  }
  for (size_t i = 0; i < n; i++) {
    if (slots[i] == FRZ_NO_SLOT) continue;
    frz_candidate *winner = &index->winners[slots[i]];
    /* Most rows lose by their event time, which is here; the rest of a batch's row is far away. */
    bool is_held = winner->file_rank != FRZ_NO_FILE;
    if (is_held && event_time_of(rows, first + i) < winner->event_time) continue;
    frz_candidate candidate = candidate_of(rows, first + i);
    if (frz_candidate_beats(&candidate, winner)) *winner = candidate;
  }
}

static inline void compete(const frz_slot_index *index, frz_slot_partition *part,
                           const competitors *rows, size_t n)
{
  if (n == 0) return;
  pthread_mutex_lock(&part->lock);
  for (size_t at = 0; at < n; at += GROUP_ROWS)
    compete_group(index, part, rows, at, n - at < GROUP_ROWS ? n - at : GROUP_ROWS);
  pthread_mutex_unlock(&part->lock);
}

/* ---- piles ---- */

/* As many rows a pile as the lanes' share of memory allows; none where they would be too few. */
void frz_slot_piles_choose(frz_slot_index *index, size_t bytes_max)
{
  index->pile_rows = 0;
  if (index->keys->bytes != NULL || index->partition_bits < FRZ_PILED_PARTITION_BITS_MIN) return;
  size_t n_piles = frz_slot_partitions(index) * index->n_lanes;
  size_t rows = bytes_max / (n_piles * sizeof(piled_row));
  if (rows >= PILE_ROWS_MIN) index->pile_rows = rows < PILE_ROWS_MAX ? rows : PILE_ROWS_MAX;
}

static frz_status make_piles(const frz_slot_index *index, frz_slot_piles **piles_out,
                             frz_error *err)
{
  size_t n = frz_slot_partitions(index);
  frz_slot_piles *piles = frz_alloc_zeroed(index->alloc, sizeof *piles);
  if (piles == NULL) return frz_fail_nomem(err, "join piles");
  piles->n_rows = frz_alloc_zeroed(index->alloc, n * sizeof *piles->n_rows);
  piles->rows =
      frz_alloc_table(index->alloc, n * index->pile_rows + ROWS_AHEAD, sizeof *piles->rows);
  if (piles->n_rows == NULL || piles->rows == NULL) {
    frz_slot_piles_free(index, piles);
    return frz_fail_nomem(err, "join piles");
  }
  *piles_out = piles;
  return FRZ_OK;
}

void frz_slot_piles_free(const frz_slot_index *index, frz_slot_piles *piles)
{
  if (piles == NULL) return;
  size_t n = frz_slot_partitions(index);
  frz_alloc_free(index->alloc, piles->n_rows, n * sizeof *piles->n_rows);
  frz_alloc_free(index->alloc, piles->rows,
                 (n * index->pile_rows + ROWS_AHEAD) * sizeof *piles->rows);
  frz_alloc_free(index->alloc, piles, sizeof *piles);
}

void frz_slot_piles_flush_partition(const frz_slot_index *index, frz_slot_piles *piles, size_t p)
{
  if (piles == NULL) return;
  const competitors rows = {.piled = piles->rows + p * index->pile_rows};
  compete(index, &index->partitions[p], &rows, piles->n_rows[p]);
  piles->n_rows[p] = 0;
}

void frz_slot_piles_flush(const frz_slot_index *index, frz_slot_piles *piles)
{
  for (size_t p = 0; piles != NULL && p < frz_slot_partitions(index); p++)
    frz_slot_piles_flush_partition(index, piles, p);
}

/* A pile has room for a row more whenever none is being added: each is written before it is known
 * to stay. */
static frz_status fill_piles(frz_slot_index *index, size_t lane, const frz_offer *offer,
                             const frz_offer_window *window, frz_error *err)
{
  if (index->piles[lane] == NULL) FRZ_TRY(make_piles(index, &index->piles[lane], err));
  frz_slot_piles *piles = index->piles[lane];
  for (int64_t i = 0; i < offer->n_rows; i++) {
    uint64_t hash = offer->keys->hashes[i];
    size_t p = frz_partition_of(hash, window->partition_bits);
    piled_row *place = &piles->rows[p * index->pile_rows + piles->n_rows[p]];
    *place = (piled_row){hash, frz_offer_candidate(offer, i)};
    __builtin_prefetch(place + ROWS_AHEAD,
                       1); /* for the pile's next rows, which are a while away */
    piles->n_rows[p] += frz_offer_takes_part(offer, window, i);
    if (piles->n_rows[p] == index->pile_rows) frz_slot_piles_flush_partition(index, piles, p);
  }
  return FRZ_OK;
}

/* ---- filling ---- */

frz_status frz_slot_index_fill(frz_slot_index *index, size_t lane, const frz_offer *offer,
                               frz_offer_scratch *scratch, frz_error *err)
{
  assert(lane < index->n_lanes);
  if (!index->any) return FRZ_OK;
  const frz_offer_window window = {index->least, index->greatest, index->options.created_cutoff,
                                   index->partition_bits, NULL};
  if (index->pile_rows != 0) return fill_piles(index, lane, offer, &window, err);
  uint32_t ends[1 << FRZ_PARTITION_BITS_MAX];
  const frz_offered_row *rows;
  FRZ_TRY(frz_offer_split(offer, &window, scratch, &rows, ends, err));
  uint32_t start = 0;
  for (size_t p = 0; p < frz_slot_partitions(index); p++) {
    const competitors of_batch = {.offer = offer, .offered = rows + start};
    compete(index, &index->partitions[p], &of_batch, ends[p] - start);
    start = ends[p];
  }
  return FRZ_OK;
}
