/*
 * materialize.h - from an offline table to an online one: the latest row of each key.
 */
#ifndef FRAZIL_MATERIALIZE_H
#define FRAZIL_MATERIALIZE_H

#include "frazil/online.h"
#include "frazil/pit.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How far a materialization is. */
typedef struct frz_materialize_progress {
  size_t struct_bytes; /**< Of this struct as the library knows it. */
  int64_t rows_read;   /**< Of the source: rows that were looked at, */
  int64_t rows_total;  /**< of those in its files. */
  int64_t keys_written;
} frz_materialize_progress;

typedef struct frz_online_materialize_options {
  size_t struct_bytes; /**< Set by frz_online_materialize_options_init(). */
  const char *timestamp_field;
  const char *created_timestamp_field; /**< NULL: none. */
  int64_t start_us;                    /**< Included; INT64_MIN: open. */
  int64_t end_us;                      /**< Included; INT64_MAX: open. */
  const frz_scan_options *scan; /**< Of the source: snapshot, from_snapshot_id and row filter; NULL:
                                   current. */
  const frz_join_key *join_keys; /**< Pairs (join key, source column) that differ in name. */
  size_t n_join_keys;
  const frz_join_key *features; /**< Pairs (feature, source column) that differ in name. */
  size_t n_features;
  void *progress_ctx; /**< Passed to `progress`. */
  bool (*progress)(void *progress_ctx, const frz_materialize_progress *progress); /**< Told how far
                         the call is, on the thread that made it, about ten times a second; false
                         cancels. NULL: nobody. */
} frz_online_materialize_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_online_materialize_options_init(frz_online_materialize_options *options);

/**
 * @brief Write the latest row of each key of an offline table in a window of event time.
 * @param[in] source Borrowed. Rows with a null join key or event time are left out.
 * @param[out] result_out May be NULL.
 * @retval FRZ_ERR_INVALID  a column that the source lacks or whose type does not fit.
 * @retval FRZ_ERR_CANCELLED frz_context_cancel() or a callback; nothing was committed.
 * @retval FRZ_ERR_LIMIT    as frz_latest_per_key().
 */
FRZ_API frz_status frz_online_materialize(frz_online *online, frz_table *source,
                                          const frz_online_materialize_options *options,
                                          frz_online_write_result *result_out,
                                          frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
