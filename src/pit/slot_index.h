/*
 * slot_index.h - the slots of a point-in-time join: one for each distinct (entity key, time).
 *
 * A feature row belongs to the first slot of its key whose time is not before it, and stays there
 * if it beats the row already kept; carrying forward then gives every slot its winner. Memory grows
 * with entity rows only.
 *
 * Rows compete in two ways that may be mixed freely, for the result is the same:
 *   filling   brings rows together by partition, so that each partition's work stays in the cache,
 *             and searches each row's slot;
 *   sweeping  keeps for each key the slot that its last row belonged to and the best row for it: as
 *             long as rows come in about the order of time, the next row needs that one cache line.
 * frz_slot_index_offer() chooses by how many slots of a key the times of the batch span.
 */
#ifndef FRZ_PIT_SLOT_INDEX_H
#define FRZ_PIT_SLOT_INDEX_H

#include "base/runtime.h"
#include "pit/feature_offer.h"
#include "pit/join_time.h"

#define FRZ_NO_SLOT UINT32_MAX

/** Bytes that an index takes for an entity row, at most: slot 4 + 4, upper 8, winner 32, a
 * key's two places 48, while it is built 16, sweeps 64, piles 64. Besides: twice 8 MB, and each
 * key's bytes once. */
#define FRZ_SLOT_BYTES_PER_ROW ((int64_t)244)

typedef struct frz_slot_index frz_slot_index;

typedef struct frz_slot_options {
  frz_time_scale entity_scale;
  frz_time_scale event_scale;
  frz_time_scale created_scale; /* with created_cutoff */
  int64_t ttl_us;               /* 0: none */
  bool created_cutoff;
  bool integer_keys; /* each key is one integer, which offers tell; its hash is frz_hash_u64() of it
                      */
} frz_slot_options;

/**
 * Build the index over entity rows. `times` in the entity's unit; a row takes part when its key is
 * present and `time_present` is not 0. `keys` and `times` must outlive the index.
 */
frz_status frz_slot_index_create(frz_context *context, const frz_key_batch *keys,
                                 const int64_t *times, const uint8_t *time_present, int64_t n_rows,
                                 const frz_slot_options *options, frz_slot_index **index_out,
                                 frz_error *err) FRZ_MUST_CHECK;
void frz_slot_index_free(frz_slot_index *index);

/** Feature rows with an event time outside [least, greatest] win nothing; false: no entity row
 * takes part. */
bool frz_slot_index_window(const frz_slot_index *index, int64_t *least_out, int64_t *greatest_out);

/** Let the rows compete, in the better of the two ways. Any number of threads, each with a lane in
 * [0, frz_context_threads()) and a scratch of its own. */
frz_status frz_slot_index_offer(frz_slot_index *index, size_t lane, const frz_offer *offer,
                                frz_offer_scratch *scratch, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_slot_index_fill(frz_slot_index *index, size_t lane, const frz_offer *offer,
                               frz_offer_scratch *scratch, frz_error *err) FRZ_MUST_CHECK;
/** Asks for frz_slot_index_may_sweep(). */
frz_status frz_slot_index_sweep(frz_slot_index *index, size_t lane, const frz_offer *offer,
                                frz_error *err) FRZ_MUST_CHECK;
bool frz_slot_index_may_sweep(const frz_slot_index *index);
/** How many rows frz_slot_index_offer() let compete in each way. */
void frz_slot_index_ways(const frz_slot_index *index, int64_t *rows_swept_out,
                         int64_t *rows_filled_out);

/**
 * Can no row with an event time in [oldest, newest] change any slot's winner? By the rows offered
 * so far; false when in doubt. Called by the lane's own thread.
 */
bool frz_slot_index_is_settled(frz_slot_index *index, size_t lane, int64_t oldest, int64_t newest);
/** False: it will never say so, for slots have their own times there. */
bool frz_slot_index_may_settle(const frz_slot_index *index, int64_t oldest, int64_t newest);

/** After all offers, none running: carry winners forward to later slots inside the time to live. */
frz_status frz_slot_index_carry(frz_slot_index *index, frz_error *err) FRZ_MUST_CHECK;

/** An entity row's slot, or FRZ_NO_SLOT; and a slot's winner. */
uint32_t frz_slot_index_slot(const frz_slot_index *index, int64_t entity_row);
/** Slots lie in [0, frz_slot_index_slots()); places between them that no entity row has hold no
 * file. */
size_t frz_slot_index_slots(const frz_slot_index *index);
const frz_candidate *frz_slot_index_winner(const frz_slot_index *index, uint32_t slot);

#endif
