/*
 * slot_winner.h - the winners of slots, brought into file order so that they can be fetched.
 */
#ifndef FRZ_PIT_SLOT_WINNER_H
#define FRZ_PIT_SLOT_WINNER_H

#include "base/buf.h"
#include "base/runtime.h"

typedef struct frz_slot_winner {
  int64_t position; /* in its file; not negative */
  uint32_t file_rank;
  uint32_t slot;
} frz_slot_winner;

/** Sort a buffer of frz_slot_winner by file rank, then position, on all threads. */
frz_status frz_slot_winners_sort(frz_context *context, frz_buf *winners,
                                 frz_error *err) FRZ_MUST_CHECK;

#endif
