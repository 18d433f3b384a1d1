/*
 * maintenance.h - keeping a table small, fast and sound: compaction, manifests, expiry, orphans,
 * verification.
 *
 * Every call works beside readers and writers. Whatever a call removes, it removes after the commit
 * that no longer needs it, and never on an unknown outcome. Numbers of 0 in options mean the
 * default.
 */
#ifndef FRAZIL_MAINTENANCE_H
#define FRAZIL_MAINTENANCE_H

#include "frazil/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Told of the progress of a long call: `n_done` of `n_total` steps (files). On the calling thread
 * only, at most about ten times a second.
 */
typedef void (*frz_progress_callback)(void *ctx, int64_t n_done, int64_t n_total);

/* ---- compaction ---- */

typedef struct frz_compact_options {
  size_t struct_bytes;       /**< Set by frz_compact_options_init(). */
  const char *row_filter;    /**< Only files that may hold matching rows; NULL: all. */
  int64_t target_file_bytes; /**< Default: the table's write.target-file-size-bytes. */
  int64_t min_file_bytes;    /**< Smaller files are rewritten; default 3/4 of the target. */
  int64_t max_file_bytes;    /**< Larger ones as well; default 9/5 of the target. */
  int64_t min_input_files; /**< A partition with fewer files to rewrite is left alone; default 5. */
  int64_t max_group_bytes; /**< Input of one group, which is written at once; default 10 GiB. */
  double delete_ratio;     /**< Files with at least this part of their rows hidden by position
                              deletes are rewritten; default 0.3. */
  const char *sort_order;  /**< "": by the table's own order; terms as in frz_table_set_sort_order;
                              NULL: files are joined as they are (bin-pack), each new one sorted
                              by the table's order as in every write. */
  bool rewrite_all;        /**< Every file, whatever its size. */
  const frz_property *snapshot_properties;
  size_t n_snapshot_properties;
  frz_progress_callback progress; /**< NULL: none. */
  void *progress_ctx;
} frz_compact_options;

typedef struct frz_compact_result {
  int64_t snapshot_id; /**< -1: nothing to do. */
  int64_t n_files_before, n_files_after;
  int64_t n_bytes_before, n_bytes_after;
  int64_t n_rows;                 /**< Written again. */
  int64_t n_delete_files_removed; /**< That applied to rewritten files alone. */
} frz_compact_result;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_compact_options_init(frz_compact_options *options);

/**
 * @brief Write small, large and much-deleted files anew, in files of the target size. The rows stay
 * what they are: operation "replace".
 * @param[in] options     May be NULL.
 * @param[out] result_out May be NULL.
 * @retval FRZ_ERR_CONFLICT another commit removed or deleted rows of a file that was rewritten,
 * until the retries ended. Appends do not conflict.
 */
FRZ_API frz_status frz_table_compact(frz_table *table, const frz_compact_options *options,
                                     frz_compact_result *result_out, frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_manifests_result {
  int64_t snapshot_id; /**< -1: nothing to do. */
  int64_t n_manifests_before, n_manifests_after;
} frz_manifests_result;

/**
 * @brief Write the manifests anew: joined to commit.manifest.target-size-bytes and ordered by
 * partition, so that filters on partitions read few of them. Files and rows stay what they are.
 * @param[out] result_out May be NULL.
 */
FRZ_API frz_status frz_table_rewrite_manifests(frz_table *table, frz_manifests_result *result_out,
                                               frz_error *err) FRZ_MUST_CHECK;

/* ---- expiry ---- */

typedef struct frz_expire_options {
  size_t struct_bytes;   /**< Set by frz_expire_options_init(). */
  int64_t older_than_ms; /**< Snapshots from before this time (since 1970 UTC) go; default: now less
                            history.expire.max-snapshot-age-ms (5 days). */
  int32_t retain_last;   /**< Ancestors of each branch that stay whatever their age; default:
                            history.expire.min-snapshots-to-keep (1). */
  const int64_t *snapshot_ids; /**< These go as well; one that a ref names is refused. */
  size_t n_snapshot_ids;
  bool dry_run;    /**< Count, and change nothing. */
  bool keep_files; /**< Change the metadata, remove no file. */
  frz_progress_callback progress;
  void *progress_ctx;
} frz_expire_options;

typedef struct frz_expire_result {
  int64_t n_snapshots;
  int64_t n_refs; /**< Branches and tags past their own age. */
  int64_t n_data_files, n_delete_files, n_manifests, n_manifest_lists, n_statistics_files;
} frz_expire_result;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_expire_options_init(frz_expire_options *options);

/**
 * @brief Forget old snapshots and remove the files that no kept snapshot reaches. Refs keep what
 * their retention says. A file that cannot be removed is left, and logged.
 * @param[in] options     May be NULL.
 * @param[out] result_out May be NULL.
 */
FRZ_API frz_status frz_table_expire_snapshots(frz_table *table, const frz_expire_options *options,
                                              frz_expire_result *result_out,
                                              frz_error *err) FRZ_MUST_CHECK;

/* ---- orphan files ---- */

typedef struct frz_orphan_options {
  size_t struct_bytes;   /**< Set by frz_orphan_options_init(). */
  int64_t older_than_ms; /**< Only files last changed before this time; default: three days ago.
                            Files whose time the store does not tell stay. */
  const char *location;  /**< The folder to look through; NULL: the table's. */
  bool remove;           /**< Default false: a dry run. */
  bool allow_recent; /**< Needed for an older_than_ms less than a day ago: files of a commit under
                        way look like orphans. */
  frz_progress_callback progress;
  void *progress_ctx;
} frz_orphan_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_orphan_options_init(frz_orphan_options *options);

/**
 * @brief Find, and with options->remove delete, files below the table that no snapshot, no metadata
 * file of the log and no statistics reaches.
 *
 * Locations are compared as what they mean: "s3", "s3a" and "s3n" are one scheme, "file:/x",
 * "file:///x" and "/x" one path, doubled and final slashes do not count. A listed file whose name
 * and end of path are those of a live file at another host or root is a conflict: the call is
 * refused. So it is where a table metadata file of another table lies below the folder, and where a
 * folder outside of the table's location holds none of its files.
 *
 * @param[in] options     May be NULL.
 * @param[out] stream_out One row a file: path, size_bytes, modified_at, removed.
 */
FRZ_API frz_status frz_table_remove_orphans(frz_table *table, const frz_orphan_options *options,
                                            struct ArrowArrayStream *stream_out,
                                            frz_error *err) FRZ_MUST_CHECK;

/* ---- verification ---- */

typedef struct frz_verify_options {
  size_t struct_bytes; /**< Set by frz_verify_options_init(). */
  bool all_snapshots;  /**< Default false: the current snapshot and those that refs name. */
  bool read_data; /**< Read every data file whole: checksums, row counts, nulls, bounds. Default
                     false: footers are compared. */
  frz_progress_callback progress;
  void *progress_ctx;
} frz_verify_options;

typedef struct frz_verify_result {
  int64_t n_snapshots, n_manifests, n_files; /**< Looked at. */
  int64_t n_errors;                          /**< Rows are lost, wrong or unreadable. */
  int64_t n_warnings; /**< Reads are right, but something is not as it should be. */
} frz_verify_result;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_verify_options_init(frz_verify_options *options);

/**
 * @brief Check a whole table: every file is there with the size, rows, bounds and counts that its
 * manifest says, sequence numbers are in order, deletes name rows that exist, totals add up. Goes
 * on after a finding; fails itself only where it cannot go on.
 * @param[in] options     May be NULL.
 * @param[out] stream_out One row a finding: severity ("error", "warning"), check, object, message,
 *                        advice. No row: the table is sound.
 * @param[out] result_out May be NULL.
 */
FRZ_API frz_status frz_table_verify(frz_table *table, const frz_verify_options *options,
                                    struct ArrowArrayStream *stream_out,
                                    frz_verify_result *result_out, frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
