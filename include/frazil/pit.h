/*
 * pit.h - point-in-time join and latest row per key.
 *
 * Contract: docs/design/point-in-time.md. For an entity row with key k and time t and a view with
 * time-to-live d, candidates are feature rows with key k (a null key matches nothing), event time
 * <= t and, when d > 0, event time >= t - d, both ends included. The winner has the greatest event
 * time, then the greatest created time (null is least), then the greatest data sequence number,
 * file path and position. Every entity row comes back once, in its order.
 */
#ifndef FRAZIL_PIT_H
#define FRAZIL_PIT_H

#include "frazil/arrow.h"
#include "frazil/explain.h"
#include "frazil/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One entity column joined with one table column, both borrowed. */
typedef struct frz_join_key {
  const char *entity_column;
  const char *table_column;
} frz_join_key;

/** A feature column and the name it has in the result; `output_name` NULL: by full_feature_names.
 */
typedef struct frz_feature {
  const char *column;
  const char *output_name;
} frz_feature;

typedef struct frz_pit_view {
  size_t struct_bytes;          /**< Set by frz_pit_view_init(). */
  const char *name;             /**< Prefix of full feature names, and used in errors. */
  frz_table *table;             /**< Borrowed for the call that makes the stream. */
  const frz_scan_options *scan; /**< Snapshot, from_snapshot_id and row filter; its selected_fields
                                   and limit are ignored. NULL: current. */
  const frz_join_key
      *join_keys; /**< None: every feature row is a candidate for every entity row. */
  size_t n_join_keys;
  const char *timestamp_field;
  const char *created_timestamp_field; /**< NULL: none. */
  int64_t ttl_us;                      /**< Microseconds; 0: no limit. */
  bool created_cutoff;                 /**< Candidates also need created time <= t. */
  const frz_feature *features;
  size_t n_features;
} frz_pit_view;

/** @brief Fill `view` with the defaults. */
FRZ_API void frz_pit_view_init(frz_pit_view *view);

/** How far a join is. Counts of a view begin at 0 with it; its entity rows may need its files
 * several times, and rows that are left out unread count as done at its end. */
typedef struct frz_pit_progress {
  size_t struct_bytes;   /**< Of this struct as the library knows it. */
  int64_t n_entity_rows; /**< Read so far. */
  size_t view;           /**< The view that is being joined, */
  size_t n_views;        /**< of so many. */
  int64_t files_done;    /**< Of the view: data files that rows came from, */
  int64_t files_total;   /**< of those to be read; 0 while entity rows are read. */
  int64_t rows_done;     /**< Feature rows. */
  int64_t rows_total;
} frz_pit_progress;

/** How a view was joined. */
typedef struct frz_pit_report {
  size_t struct_bytes;    /**< Of this struct as the library knows it. */
  frz_read_report search; /**< The pass over keys and times; files may be left out unopened when
                             newer ones have decided. A pass a slice. */
  frz_read_report fetch;  /**< The winners' features, by position; its plan is that of `search`,
                             and bytes_wanted is 0. */
  int64_t entity_rows;
  int64_t entity_rows_won; /**< Entity rows with a winner. */
  int64_t slices;          /**< Passes: more than one where memory does not hold all slots. */
  int64_t windows;         /**< Fetches: more than one where memory does not hold all features. */
  int64_t spilled_bytes;   /**< Entity rows and winners written to spill files; entity rows count in
                              the first view. */
  int64_t rows_swept;      /**< Feature rows that came in about the order of time and were swept. */
  int64_t rows_filled;     /**< Feature rows whose slot was searched. */
} frz_pit_report;

typedef struct frz_pit_options {
  size_t struct_bytes;         /**< Set by frz_pit_options_init(). */
  const char *timestamp_field; /**< The entity column that holds t; default "event_timestamp". */
  bool full_feature_names;     /**< Name features "view__feature"; default false. */
  void *progress_ctx;          /**< Passed to `progress`. */
  bool (*progress)(void *progress_ctx, const frz_pit_progress *progress); /**< Told how far
                                  frz_pit_join() is, on the thread that called it, about ten times
                                  a second; false cancels the call. NULL: nobody. */
  frz_pit_report *reports; /**< One a view, or NULL. Filled as the join and its stream go on;
                              complete at the stream's end, which they must outlive. */
} frz_pit_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_pit_options_init(frz_pit_options *options);

/**
 * @brief Join feature views to entity rows, point-in-time-correctly.
 *
 * Memory follows the entity rows, up to the context's limit; what is more goes through files in its
 * spill folder, which have no name and end with the stream. The call returns when every row's
 * winner is known; where the features of all rows do not fit, the stream fetches them as it is
 * read.
 *
 * @param[in,out] entities Consumed: the entity rows; all columns come back, then the features view
 * by view.
 * @param[out] stream_out  The result; batches of at most 65536 rows.
 * @retval FRZ_ERR_INVALID a column that is missing or has a type that cannot be compared with its
 * partner; two result columns with one name.
 * @retval FRZ_ERR_IO        among others: no room in the spill folder, which the message names.
 * @retval FRZ_ERR_CANCELLED frz_context_cancel() was called, or a callback said so.
 */
FRZ_API frz_status frz_pit_join(frz_context *context, struct ArrowArrayStream *entities,
                                const frz_pit_view *views, size_t n_views,
                                const frz_pit_options *options, struct ArrowArrayStream *stream_out,
                                frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief What a join would read: `reports_out`, one a view. Reads the entity rows, manifests, and
 * the footers and indexes of the files that are left, but no feature row.
 */
FRZ_API frz_status frz_pit_explain(frz_context *context, struct ArrowArrayStream *entities,
                                   const frz_pit_view *views, size_t n_views,
                                   const frz_pit_options *options, frz_pit_report *reports_out,
                                   frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_latest_options {
  size_t struct_bytes;          /**< Set by frz_latest_options_init(). */
  const frz_scan_options *scan; /**< Snapshot, from_snapshot_id and row filter; NULL: current. */
  const char *const *key_columns;
  size_t n_key_columns; /**< 0: one row for the whole table. */
  const char *timestamp_field;
  const char *created_timestamp_field; /**< NULL: none. */
  int64_t start_us;           /**< Included; INT64_MIN: open. Microseconds since 1970 UTC. */
  int64_t end_us;             /**< Included; INT64_MAX: open. */
  const char *const *columns; /**< Result columns, in order; NULL: all. */
  size_t n_columns;
  void *progress_ctx; /**< Passed to `progress`. */
  bool (*progress)(void *progress_ctx, int64_t rows_done, int64_t rows_total); /**< Told about ten
                         times a second how many rows were looked at, of those in the files, on the
                         thread that calls or reads the stream; false cancels. Where memory takes
                         another pass `rows_total` grows. NULL: nobody. */
} frz_latest_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_latest_options_init(frz_latest_options *options);

/**
 * @brief The latest row of each key in a window of event time, by the same order as the join.
 * Rows with a null key value count as a key of their own here; a null event time never wins.
 *
 * Memory follows the number of keys, up to the context's limit. Where more keys are found than it
 * holds, the stream has several passes over the files, each for a part of the keys.
 *
 * @param[in] options     Borrowed for the call, but for `progress_ctx`: until the stream ends.
 * @param[out] stream_out The rows, in no order. May outlive `table`, not the context.
 * @retval FRZ_ERR_INVALID   a column that is missing or of a type that does not serve.
 * @retval FRZ_ERR_LIMIT     the memory limit does not hold 1 of 256 parts of the keys.
 * @retval FRZ_ERR_CANCELLED frz_context_cancel() was called, or a callback said so.
 */
FRZ_API frz_status frz_latest_per_key(frz_table *table, const frz_latest_options *options,
                                      struct ArrowArrayStream *stream_out,
                                      frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
