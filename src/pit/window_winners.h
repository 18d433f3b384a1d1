/*
 * window_winners.h - which feature row each entity row won, kept by windows of entity rows.
 *
 * Winners are found in any order of entity rows and asked for a window at a time, in file order.
 * Past a share of memory they wait in a spill file.
 */
#ifndef FRZ_PIT_WINDOW_WINNERS_H
#define FRZ_PIT_WINDOW_WINNERS_H

#include "base/spill_file.h"
#include "pit/slot_index.h"
#include "pit/slot_winner.h"

typedef struct frz_window_winners {
  frz_context *context;
  const frz_alloc *alloc;
  frz_buf windows; /* winner_window, one a window */
  int64_t n_added;
  size_t memory_bytes;     /* of winners in memory */
  size_t memory_bytes_max; /* more go to the file */
  frz_spill_file *file;    /* NULL: all in memory */
} frz_window_winners;

void frz_window_winners_init(frz_window_winners *winners, frz_context *context,
                             size_t memory_bytes_max);
void frz_window_winners_dispose(frz_window_winners *winners);

/** Add a window of the entity rows behind the last window's. */
frz_status frz_window_winners_add_window(frz_window_winners *winners, int64_t n_rows,
                                         frz_error *err) FRZ_MUST_CHECK;
size_t frz_window_winners_windows(const frz_window_winners *winners);
int64_t frz_window_winners_rows(const frz_window_winners *winners, size_t window);

/** What the rows of an index won, on all threads. Its row 0 is entity row `first_row`; each entity
 * row at most once. */
frz_status frz_window_winners_add(frz_window_winners *winners, const frz_slot_index *index,
                                  int64_t first_row, int64_t n_rows, frz_error *err) FRZ_MUST_CHECK;

/** Move a window's winners to `found` (frz_slot_winner, empty): `slot` is the row's place in the
 * window. Sorted by file and position. */
frz_status frz_window_winners_take(frz_window_winners *winners, size_t window, frz_buf *found,
                                   frz_error *err) FRZ_MUST_CHECK;

#endif
