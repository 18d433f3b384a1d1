/*
 * latest_index.h - the best row of every key: like slot_index.h, with keys learnt on the way.
 *
 * Keys fall into partitions by their hash. Where memory does not hold all keys, the index forgets
 * those of its last partitions, and tells where it ended: another pass begins there.
 */
#ifndef FRZ_PIT_LATEST_INDEX_H
#define FRZ_PIT_LATEST_INDEX_H

#include "base/runtime.h"
#include "pit/feature_offer.h"
#include "pit/feature_table.h"

typedef struct frz_latest_index frz_latest_index;

enum { FRZ_LATEST_PARTITIONS = 256 };

/** Rows with an event time outside [least, greatest] do not take part, nor keys of a partition
 * before `first`. `bytes_max` bounds what the index holds but for one partition that is growing. */
frz_status frz_latest_index_create(frz_context *context, int64_t least, int64_t greatest,
                                   size_t first, size_t bytes_max, frz_latest_index **index_out,
                                   frz_error *err) FRZ_MUST_CHECK;
void frz_latest_index_free(frz_latest_index *index);

/** Turn away rows that `sieve`, of which nothing was noted yet, knows to be older than another of
 * their key. Before the first offer; borrowed for the life of the index. */
void frz_latest_index_sieve(frz_latest_index *index, frz_key_sieve *sieve);

/** Keep the keys of a small range of integers in an array (dense_winners.h), which is not counted
 * against `bytes_max`. Before the first offer. In passes after the first they take part no more. */
frz_status frz_latest_index_dense(frz_latest_index *index, int64_t least_key, uint64_t n_keys,
                                  frz_error *err) FRZ_MUST_CHECK;

/** The first partition whose keys were not kept; FRZ_LATEST_PARTITIONS: none. For when the offers
 * have ended. */
size_t frz_latest_index_end(const frz_latest_index *index);

/** Any number of threads, each with a scratch of its own. FRZ_ERR_LIMIT: not even the keys of one
 * partition fit. */
frz_status frz_latest_index_offer(frz_latest_index *index, const frz_offer *offer,
                                  frz_offer_scratch *scratch, frz_error *err) FRZ_MUST_CHECK;

/** The winners' rows in file order, appended to `references` (frz_row_reference). */
frz_status frz_latest_index_rows(const frz_latest_index *index, frz_buf *references,
                                 frz_error *err) FRZ_MUST_CHECK;

#endif
