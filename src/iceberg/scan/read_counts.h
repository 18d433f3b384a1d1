/*
 * read_counts.h - what one scan, or one pass of a join, leaves out and reads: for explain.
 *
 * A few additions a file and batch, so they are always made.
 */
#ifndef FRZ_ICEBERG_READ_COUNTS_H
#define FRZ_ICEBERG_READ_COUNTS_H

#include <stdatomic.h>

#include "frazil/explain.h"
#include "storage/storage.h"

/** Any number of threads count. All zero at the beginning. */
typedef struct frz_read_counts {
  atomic_llong n_manifests, n_manifests_read;
  atomic_llong n_files_by_partition, n_files_by_bounds, n_files, n_files_with_deletes;
  atomic_llong n_rows_planned, n_bytes_planned;
  atomic_llong n_files_opened;
  atomic_llong n_row_groups, n_groups_by_statistics, n_groups_by_bloom;
  atomic_llong n_pages, n_pages_pruned;
  atomic_llong n_rows_wanted, n_bytes_wanted;
  atomic_llong n_rows_read, n_rows_deleted, n_rows_matched;
  frz_storage_counts storage;
} frz_read_counts;

/** Add to a counter of counts that may be NULL. */
#define FRZ_COUNT(counts, counter, n)                                           \
  do {                                                                          \
    if ((counts) != NULL) atomic_fetch_add(&(counts)->counter, (long long)(n)); \
  } while (0)

/** As the public report. */
void frz_read_counts_report(const frz_read_counts *counts, frz_read_report *report_out);

#endif
