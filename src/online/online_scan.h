/*
 * online_scan.h - rows of an online table's files into a segment builder.
 */
#ifndef FRZ_ONLINE_ONLINE_SCAN_H
#define FRZ_ONLINE_ONLINE_SCAN_H

#include "iceberg/scan/file_read.h"
#include "online/segment_build.h"

/** The live files of the current snapshot of a layout's metadata. Used by one thread, but reads on
 * all. */
typedef struct frz_online_scan {
  frz_context *context;
  frz_storage *storage;      /* borrowed */
  frz_online_layout *layout; /* borrowed */
  frz_arena arena;
  const frz_snapshot *snapshot; /* NULL: the table is empty */
  const frz_expr *filter;
  frz_scan_plan plan;
  frz_delete_cache *deletes;
  frz_projection projection;
  uint32_t *task_of_rank; /* chosen tasks by sequence number and path */
  size_t n_chosen;
} frz_online_scan;

/** Plan. `filter` may be NULL; bound to the layout's schema. */
frz_status frz_online_scan_open(frz_online_scan *scan, frz_context *context, frz_storage *storage,
                                frz_online_layout *layout, const frz_expr *filter,
                                frz_error *err) FRZ_MUST_CHECK;
void frz_online_scan_close(frz_online_scan *scan);

/** Commit order of a file: its data sequence number, or in format version 1 its snapshot's time. */
int64_t frz_online_file_sequence(const frz_online_layout *layout, const frz_manifest_entry *entry);

/** Choose the files with a sequence number greater than this (INT64_MIN: all). */
frz_status frz_online_scan_choose(frz_online_scan *scan, int64_t after_sequence,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Rows that the chosen files hold, deletes not taken off. */
int64_t frz_online_scan_rows(const frz_online_scan *scan);

/** A builder for the layout's rows, with a lane for each of the context's threads. */
frz_status frz_online_builder_create(frz_context *context, const frz_online_layout *layout,
                                     int64_t rows_expected, frz_segment_builder **builder_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** Read the chosen files into a builder. */
frz_status frz_online_scan_read(frz_online_scan *scan, frz_segment_builder *builder,
                                frz_error *err) FRZ_MUST_CHECK;

/** A batch whose columns are those of frz_online_layout_names(), as rows for a builder. `columns`
 * has room for every feature. */
void frz_online_batch_rows(const frz_online_layout *layout, const frz_batch *batch,
                           const frz_column **columns, frz_segment_rows *rows_out);

#endif
