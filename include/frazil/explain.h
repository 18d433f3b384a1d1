/*
 * explain.h - what a scan or a join reads, and why it leaves out the rest.
 *
 * Reading leaves out, in this order: manifests by the partitions that they hold; files by their
 * partition, then by their columns' bounds; row groups of opened files by statistics, then by bloom
 * filters; pages by the column index. A report is of one scan or of one view of a join (pit.h).
 */
#ifndef FRAZIL_EXPLAIN_H
#define FRAZIL_EXPLAIN_H

#include "frazil/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Counts; bytes are as stored. */
typedef struct frz_read_report {
  size_t struct_bytes; /**< Of this struct as the library knows it. */
  int64_t manifests_total;
  int64_t manifests_read;
  int64_t files_total; /**< Data files of the manifests that were read. */
  int64_t files_pruned_by_partition;
  int64_t files_pruned_by_bounds;
  int64_t files_planned;
  int64_t files_with_deletes; /**< Of those planned. */
  int64_t rows_planned;       /**< Of those files. */
  int64_t bytes_planned;      /**< Of those files, whole. */
  int64_t files_opened;       /**< So far. */
  int64_t row_groups_total;   /**< Of the files that were opened. */
  int64_t row_groups_pruned_by_statistics;
  int64_t row_groups_pruned_by_bloom;
  int64_t pages_total; /**< Stretches of rows that the filter's column indexes tell apart: of one
                          column its pages. Row groups that cannot match, or match whole, are not
                          looked into. */
  int64_t pages_pruned;
  int64_t rows_wanted;  /**< Rows that are left to be read. */
  int64_t bytes_wanted; /**< Column chunks to be read, whole: pages of them may be left out. */
  int64_t rows_read;    /**< So far, and so for the next. */
  int64_t rows_deleted; /**< Of those read. */
  int64_t rows_matched; /**< Not deleted, and wanted by the filter. */
  int64_t requests;     /**< Ranges read from storage: of manifests, delete and data files. */
  int64_t bytes_read;
  int64_t server_requests; /**< Sent to object stores for these, opening and repeats included. */
  int64_t server_bytes;    /**< Received from them. */
  int64_t cached_bytes;    /**< Out of the cache of files, in their place. */
} frz_read_report;

/* clang-format off */
/** X(name) for each count of a report, in order: for those who print them all. */
#define FRZ_READ_REPORT_COUNTS(X) \
  X(manifests_total) X(manifests_read) X(files_total) X(files_pruned_by_partition) \
  X(files_pruned_by_bounds) X(files_planned) X(files_with_deletes) X(rows_planned) \
  X(bytes_planned) X(files_opened) X(row_groups_total) X(row_groups_pruned_by_statistics) \
  X(row_groups_pruned_by_bloom) X(pages_total) X(pages_pruned) X(rows_wanted) X(bytes_wanted) \
  X(rows_read) X(rows_deleted) X(rows_matched) X(requests) X(bytes_read) X(server_requests) \
  X(server_bytes) X(cached_bytes)
/* clang-format on */

/** @brief What a scan would read. Reads manifests and the footers and indexes of the files that are
 * left, but no row. */
FRZ_API frz_status frz_scan_explain(frz_scan *scan, frz_read_report *report_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** @brief What the scan's streams have read so far, together. Any thread, at any time. */
FRZ_API frz_status frz_scan_report(const frz_scan *scan, frz_read_report *report_out,
                                   frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
