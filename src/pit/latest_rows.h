/*
 * latest_rows.h - what frz_latest_per_key() streams, for callers in the library: batches come as
 * they are, not through Arrow's interface, and may be fetched while others are worked on.
 */
#ifndef FRZ_PIT_LATEST_ROWS_H
#define FRZ_PIT_LATEST_ROWS_H

#include "arrow/column.h"
#include "frazil/pit.h"

typedef struct frz_latest_rows frz_latest_rows;

/** As frz_latest_per_key(), whose stream they are. */
frz_status frz_latest_rows_open(frz_table *table, const frz_latest_options *options,
                                frz_latest_rows **rows_out, frz_error *err) FRZ_MUST_CHECK;
void frz_latest_rows_free(frz_latest_rows *rows);

/** The columns of the batches. */
const frz_arrow_field *frz_latest_rows_fields(const frz_latest_rows *rows, size_t *n_fields_out);

/** Is the next batch only fetched? Else keys that memory did not hold are looked for first, which
 * tells progress: on the calling thread. */
bool frz_latest_rows_are_found(const frz_latest_rows *rows);

/** The next rows; none at the end. One thread at a time; a task where they are found. */
frz_status frz_latest_rows_next(frz_latest_rows *rows, frz_batch *batch_out,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
