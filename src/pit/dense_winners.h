/*
 * dense_winners.h - the best row of every key of a small range of integers: an array with a place a
 * key, where a hash table has to search, to grow, and to keep the keys.
 *
 * Any number of threads may offer rows.
 */
#ifndef FRZ_PIT_DENSE_WINNERS_H
#define FRZ_PIT_DENSE_WINNERS_H

#include "pit/feature_offer.h"

typedef struct frz_dense_place frz_dense_place;

typedef struct frz_dense_winners {
  const frz_alloc *alloc;
  int64_t least_key;
  uint64_t n_keys;         /* 0: no key has a place */
  frz_dense_place *places; /* a key; NULL: their rows were found before, and take part no more */
} frz_dense_winners;

/** What places for so many keys take. */
size_t frz_dense_winners_bytes(uint64_t n_keys);

/** For keys from `least_key` on. `were_found`: there are no places, rows of the keys only pass. */
frz_status frz_dense_winners_init(frz_dense_winners *winners, const frz_alloc *alloc,
                                  int64_t least_key, uint64_t n_keys, bool were_found,
                                  frz_error *err) FRZ_MUST_CHECK;
void frz_dense_winners_dispose(frz_dense_winners *winners);

/** Let the rows of an offer that have a place compete for it. `n_others_out`: the rows without one,
 * which may have to compete elsewhere. `sieve`: as frz_latest_index_sieve(); NULL: none. */
frz_status frz_dense_winners_offer(frz_dense_winners *winners, const frz_offer *offer,
                                   const frz_offer_window *window, frz_key_sieve *sieve,
                                   frz_offer_scratch *scratch, int64_t *n_others_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** Does a row's key have a place? */
static inline bool frz_dense_winners_have(const frz_dense_winners *winners, const frz_offer *offer,
                                          int64_t row)
{
  const frz_key_batch *keys = offer->keys;
  if (keys->integers == NULL) return false;
  if (keys->bytes != NULL && frz_key_batch_bytes(keys, row).size != 0) return false; /* null */
  return (uint64_t)keys->integers[row] - (uint64_t)winners->least_key < winners->n_keys;
}

/** Append the winners (frz_slot_winner). */
frz_status frz_dense_winners_append(const frz_dense_winners *winners, frz_buf *found,
                                    frz_error *err) FRZ_MUST_CHECK;

#endif
