/*
 * latest_index.h - the best row of every key: like slot_index.h, with keys learnt on the way.
 */
#ifndef FRZ_PIT_LATEST_INDEX_H
#define FRZ_PIT_LATEST_INDEX_H

#include "base/runtime.h"
#include "pit/feature_offer.h"
#include "pit/feature_table.h"

typedef struct frz_latest_index frz_latest_index;

/** Rows with an event time outside [least, greatest] do not take part. */
frz_status frz_latest_index_create(frz_context *context, int64_t least, int64_t greatest,
                                   frz_latest_index **index_out, frz_error *err) FRZ_MUST_CHECK;
void frz_latest_index_free(frz_latest_index *index);

/** Any number of threads, each with a scratch of its own. */
frz_status frz_latest_index_offer(frz_latest_index *index, const frz_offer *offer,
                                  frz_offer_scratch *scratch, frz_error *err) FRZ_MUST_CHECK;

/** The winners' rows in file order, appended to `references` (frz_row_reference). */
frz_status frz_latest_index_rows(const frz_latest_index *index, frz_buf *references,
                                 frz_error *err) FRZ_MUST_CHECK;

#endif
