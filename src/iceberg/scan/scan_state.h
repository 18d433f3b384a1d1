/*
 * scan_state.h - the inside of frz_scan, shared with the streams made from it.
 */
#ifndef FRZ_ICEBERG_SCAN_STATE_H
#define FRZ_ICEBERG_SCAN_STATE_H

#include <stdatomic.h>

#include "arrow/arrow_stream.h"
#include "iceberg/scan/file_read.h"

/** Immutable; any number of streams hold it. The arena owns projection, filter and names. */
struct frz_scan {
  atomic_int references;
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata;
  frz_arena arena;
  const frz_snapshot *snapshot; /* NULL: the table is empty */
  int64_t from_snapshot_id;     /* not 0: only rows appended after it */
  frz_projection projection;
  frz_read_counts counts; /* of its streams together */
  int64_t limit_rows;     /* -1: none */
};

frz_scan *frz_scan_retain(frz_scan *scan);

/** What reads the rows, for an outgoing stream. Retains the scan. */
frz_status frz_scan_source_create(frz_scan *scan, frz_batch_source *source_out,
                                  frz_error *err) FRZ_MUST_CHECK;

#endif
