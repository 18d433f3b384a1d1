/*
 * online.h - online tables: the latest feature values of each entity key, read by key.
 *
 * An online table is an Iceberg table whose property "frazil.feast" says which columns are the
 * entity key, the join keys, the times and the features of a feature view. The newest row of a key
 * is the one with the greatest event time, then the greatest created time (null is least), then
 * the latest commit. Reads go through a lookup index in memory-mapped files that follows the
 * table's snapshots, or directly to the table's files until it is there.
 *
 * A frz_online may be used by any number of threads at once, and goes on in a child after a fork. A
 * frz_online_info is immutable: any thread. A frz_online_result is used by one thread at a time;
 * different threads use results of their own.
 *
 * Times are microseconds since 1970 UTC.
 */
#ifndef FRAZIL_ONLINE_H
#define FRAZIL_ONLINE_H

#include "frazil/arrow.h"
#include "frazil/catalog.h"
#include "frazil/maintenance.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct frz_online frz_online;
typedef struct frz_online_result frz_online_result;

/** Bytes that belong to somebody else. */
typedef struct frz_bytes {
  const void *data;
  size_t size_bytes;
} frz_bytes;

/* ---- opening ---- */

typedef enum frz_online_lookup {
  FRZ_LOOKUP_INDEX = 0, /**< Through the lookup index; directly until it is built. */
  FRZ_LOOKUP_DIRECT = 1 /**< From the table's files on every read: for processes that start cold. */
} frz_online_lookup;

typedef struct frz_online_options {
  size_t struct_bytes; /**< Set by frz_online_options_init(). */
  frz_online_lookup lookup;
  const char *cache_dir;      /**< Folder of lookup indexes, made with mode 0700; each table has a
                                 folder of its own in it. NULL: the index is kept in memory alone. */
  int64_t max_staleness_ms;   /**< How late others' commits may be seen; 0: the catalog is asked on
                                 every read. Default 1000. A process always sees its own. */
  int64_t read_timeout_ms;    /**< Bound of one read; 0: none. Default 100. Building the index never
                                 counts. */
  int64_t key_ttl_us;         /**< Rows whose event time is older than this read as absent, and
                                 compaction drops them; 0: none. */
  int64_t commit_timeout_ms;  /**< How long a write goes on when other processes commit first;
                                 default 60000. */
  bool compact_automatically; /**< After every few commits, behind: what frz_online_compact() finds
                                 due. Default true. */
  int64_t min_snapshot_age_ms; /**< Compaction expires snapshots in whose place another has been for
                                  so long: longer than any reader works on one. Default 60000. */
} frz_online_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_online_options_init(frz_online_options *options);

/**
 * @brief Open an online table. Reads no row: the index is built behind, from the first read on, or
 * by frz_online_prepare().
 * @param[in] catalog      Borrowed for the life of the handle.
 * @param[in] identifier   Dotted name. Copied.
 * @param[in] options      May be NULL: the defaults. Copied.
 * @param[out] online_out  Owned by the caller; end it with frz_online_close().
 * @retval FRZ_ERR_NOT_FOUND no such table.
 * @retval FRZ_ERR_INVALID   not an online table, or an option is out of range.
 */
FRZ_API frz_status frz_online_open(frz_catalog *catalog, const char *identifier,
                                   const frz_online_options *options, frz_online **online_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** @brief End a handle; NULL is accepted. Waits for its threads. Results and infos stay usable. */
FRZ_API void frz_online_close(frz_online *online);

/* ---- what a table holds ---- */

/** How a value is held. */
typedef enum frz_value_kind {
  FRZ_VALUE_NULL = 0,
  FRZ_VALUE_BOOL = 1,
  FRZ_VALUE_INT32 = 2,
  FRZ_VALUE_INT64 = 3,
  FRZ_VALUE_FLOAT = 4,
  FRZ_VALUE_DOUBLE = 5,
  FRZ_VALUE_TIMESTAMP = 6, /**< Microseconds since 1970 UTC. */
  FRZ_VALUE_STRING = 7,    /**< UTF-8. */
  FRZ_VALUE_BYTES = 8,
  FRZ_VALUE_LIST = 9,       /**< Items by frz_value_item(). */
  FRZ_VALUE_SERIALIZED = 10 /**< A serialized feast.types.Value: maps, structs and other types with
                               no column form. */
} frz_value_kind;

/** A join key or feature. `value_type` is the number of feast.types.ValueType.Enum. */
typedef struct frz_online_column {
  const char *name;   /**< In Feast. */
  const char *column; /**< In the table. */
  int32_t field_id;
  int32_t value_type;
  frz_value_kind kind;      /**< Of values that are not null. */
  frz_value_kind item_kind; /**< Of a list's items; else FRZ_VALUE_NULL. */
} frz_online_column;

/** One version of a table's layout; texts and arrays belong to it. */
typedef struct frz_online_info {
  const char *project;
  const char *view;
  double ttl_seconds; /**< Of the feature view; negative: none. */
  const char *entity_key_column;
  const char *event_ts_column;
  const char *created_ts_column;
  const frz_online_column *join_keys; /**< By ascending name. */
  size_t n_join_keys;
  const frz_online_column *features;
  size_t n_features;
} frz_online_info;

/**
 * @brief The layout as the handle knows it now.
 * @param[out] info_out End it with frz_online_info_free(); it may outlive the handle, not the
 * context.
 */
FRZ_API frz_status frz_online_describe(frz_online *online, const frz_online_info **info_out,
                                       frz_error *err) FRZ_MUST_CHECK;

/** @brief Give a layout back; NULL is accepted. */
FRZ_API void frz_online_info_free(const frz_online_info *info);

/* ---- values ---- */

/** A value in a result. Pointers are borrowed from the result until it is filled or freed. */
typedef struct frz_value {
  frz_value_kind kind;
  frz_value_kind item_kind; /**< LIST. */
  union {
    bool boolean;
    int32_t i32;
    int64_t i64; /**< INT64, TIMESTAMP. */
    float f32;
    double f64;
    frz_bytes bytes; /**< STRING, BYTES, SERIALIZED. */
    struct {
      const uint8_t *data; /**< frz_value_item() reads it. */
      uint32_t size_bytes;
      uint32_t n_items;
    } list;
  } as;
} frz_value;

/** @brief Item `i` < n_items of a list. Nested values have no list items. */
FRZ_API frz_value frz_value_item(const frz_value *list, uint32_t i);

/** @brief Append one serialized feast.types.EntityKey: Feast's serialization version 3.
 * @param[in] info    Its join keys say which values, in which order.
 * @param[in] values  One a join key: INT32, INT64, STRING, BYTES, BOOL, FLOAT, DOUBLE or TIMESTAMP
 *                    as the key's value_type asks; integers are widened or narrowed to it.
 * @param[out] buffer At least `capacity` bytes; may be NULL with capacity 0.
 * @param[out] size_out Bytes that the key takes. More than `capacity`: `buffer` holds a part of it.
 * @retval FRZ_ERR_INVALID a value that does not fit its join key, or null. */
FRZ_API frz_status frz_online_entity_key(const frz_online_info *info, const frz_value *values,
                                         uint8_t *buffer, size_t capacity, size_t *size_out,
                                         frz_error *err) FRZ_MUST_CHECK;

/** @brief Serialize a feast.types.EntityKey message as keys are read and written: version 3.
 * @param[in] message  Borrowed: what protobuf serialized.
 * @param[out] buffer  At least `capacity` bytes; may be NULL with capacity 0. Four bytes, and four
 *                     for each of the message's, are always enough.
 * @param[out] size_out Bytes that the key takes. More than `capacity`: the buffer holds no key.
 * @retval FRZ_ERR_INVALID no such message, as many names as values are not there, or a value of a
 *                         type that Feast serializes no key of.
 * @retval FRZ_ERR_LIMIT   more than 64 join keys or 16 MiB. */
FRZ_API frz_status frz_online_key_from_message(frz_bytes message, uint8_t *buffer, size_t capacity,
                                               size_t *size_out, frz_error *err) FRZ_MUST_CHECK;

/** @brief The same from `n` names of join keys and as many feast.types.Value messages.
 * @param[out] buffer  Four bytes, 8 for each name and value and four for each of their bytes are
 *                     always enough. */
FRZ_API frz_status frz_online_key_from_values(const frz_bytes *names, const frz_bytes *values,
                                              size_t n, uint8_t *buffer, size_t capacity,
                                              size_t *size_out, frz_error *err) FRZ_MUST_CHECK;

/* ---- reading ---- */

/** @brief Would a read be answered at once, from the index? False: it would read files, or wait
 * for a look at the catalog. For callers that must not wait. */
FRZ_API bool frz_online_is_fresh(frz_online *online);

/** @brief An empty result, to be filled by any number of reads in turn.
 * @param[out] result_out End it with frz_online_result_free(). It may outlive `online`, not the
 * context. */
FRZ_API frz_status frz_online_result_create(frz_online *online, frz_online_result **result_out,
                                            frz_error *err) FRZ_MUST_CHECK;

/** @brief End a result; NULL is accepted. */
FRZ_API void frz_online_result_free(frz_online_result *result);

/**
 * @brief Read the newest rows of `n_keys` serialized entity keys.
 *
 * Until max_staleness_ms have passed since the last look at the catalog the answer comes from what
 * is known; a thread of the handle looks again in time while there are reads.
 *
 * @param[in] keys        Borrowed for the call. A key may come twice.
 * @param[in] features    Names of features, borrowed for the call; NULL: all, in the info's order.
 * @param[in,out] result  Filled anew.
 * @retval FRZ_ERR_INVALID a feature that the view does not have.
 * @retval FRZ_ERR_TIMEOUT read_timeout_ms passed.
 * @retval FRZ_ERR_STALE   the catalog does not answer, and max_staleness_ms have passed since it
 * did.
 * @retval FRZ_ERR_NOT_FOUND the table was dropped.
 */
FRZ_API frz_status frz_online_read(frz_online *online, const frz_bytes *keys, size_t n_keys,
                                   const char *const *features, size_t n_features,
                                   frz_online_result *result, frz_error *err) FRZ_MUST_CHECK;

/** @brief Keys of the last read, and features of each. */
FRZ_API size_t frz_online_result_keys(const frz_online_result *result);
FRZ_API size_t frz_online_result_features(const frz_online_result *result);

/** @brief A feature of the result: name and types. Borrowed until the result is filled or freed. */
FRZ_API const frz_online_column *frz_online_result_feature(const frz_online_result *result,
                                                           size_t feature);

/** @brief Is there a row of the key?
 * @param[out] event_us_out   May be NULL; untouched where there is no row.
 * @param[out] created_us_out May be NULL; INT64_MIN: null or no row. */
FRZ_API bool frz_online_result_found(const frz_online_result *result, size_t key,
                                     int64_t *event_us_out, int64_t *created_us_out);

/** @brief A feature's value for a key. NULL kind where it is null or there is no row. */
FRZ_API frz_value frz_online_result_value(const frz_online_result *result, size_t key,
                                          size_t feature);

/**
 * @brief The whole result as one matrix of numbers, a row a key and a column a feature: the input
 * of a model, without a call a value. Nulls, and keys without a row, are NaN; booleans are 0 and 1;
 * timestamps are seconds.
 * @param[out] matrix Keys times features, of the caller.
 * @retval FRZ_ERR_INVALID a feature that is no number.
 */
FRZ_API frz_status frz_online_result_floats(const frz_online_result *result, float *matrix,
                                            frz_error *err) FRZ_MUST_CHECK;
FRZ_API frz_status frz_online_result_doubles(const frz_online_result *result, double *matrix,
                                             frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief The result for Feast's Python types.
 * @param[out] values_out  One serialized feast.types.RepeatedValue: for every key that was found,
 * in order, one Value a feature; a null is a Value with nothing set. Timestamps are whole seconds,
 * rounded down; the least int64 is NaT. End it with frz_string_dispose().
 * @param[out] found       One byte a key: 1 where there is a row. Owned by the caller.
 * @param[out] event_us    One a key; 0 where there is no row. Owned by the caller.
 * @retval FRZ_ERR_LIMIT   more than 2 GiB, which protobuf does not read.
 */
FRZ_API frz_status frz_online_result_encode(const frz_online_result *result, frz_string *values_out,
                                            uint8_t *found, int64_t *event_us,
                                            frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief The result as fields `results` of a feast.serving.GetOnlineFeaturesResponse: one
 * FeatureVector a feature, with values, statuses (PRESENT, or NOT_FOUND where there is no row) and
 * event times of all keys. Values are those of frz_online_result_encode().
 * @param[out] results_out May be merged into a response. End it with frz_string_dispose().
 * @retval FRZ_ERR_LIMIT   more than 2 GiB, which protobuf does not read.
 */
FRZ_API frz_status frz_online_result_encode_vectors(const frz_online_result *result,
                                                    frz_string *results_out,
                                                    frz_error *err) FRZ_MUST_CHECK;

/* ---- writing ---- */

typedef struct frz_online_write_result {
  int64_t snapshot_id; /**< Of the commit that holds the rows, perhaps with other writers'; -1:
                          there were none. */
  int64_t n_rows;
} frz_online_write_result;

/**
 * @brief Write rows: one commit, shared with writers that wait at the same time.
 * @param[in,out] data    Consumed. Columns by their names in the table: entity key, join keys,
 *                        event time (both times in any unit), created time, features; a missing
 *                        optional column is null. In which order rows of one key come does not
 *                        matter but for rows of equal times, of which the last wins.
 * @param[out] result_out May be NULL.
 * @retval FRZ_ERR_INVALID        as frz_table_append().
 * @retval FRZ_ERR_CONFLICT       others won until commit_timeout_ms had passed.
 * @retval FRZ_ERR_COMMIT_UNKNOWN the catalog's answer was lost: the rows may be there.
 */
FRZ_API frz_status frz_online_write(frz_online *online, struct ArrowArrayStream *data,
                                    frz_online_write_result *result_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/* ---- upkeep ---- */

/** @brief Build the index, or bring it up to date, and wait for it: before the first read. Not
 * bound by read_timeout_ms. */
FRZ_API frz_status frz_online_prepare(frz_online *online, frz_error *err) FRZ_MUST_CHECK;

/** @brief Look at the catalog now, and take in what is new. @param[out] changed_out May be NULL. */
FRZ_API frz_status frz_online_refresh(frz_online *online, bool *changed_out,
                                      frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_online_compact_options {
  size_t struct_bytes; /**< Set by frz_online_compact_options_init(). */
  bool all;            /**< Every file of each partition, not just what is due. */
  int32_t size_ratio;  /**< So many files of like size (within this ratio) are joined; default 4. */
  bool keep_snapshots; /**< Do not expire snapshots. */
  frz_progress_callback progress; /**< NULL: none. */
  void *progress_ctx;
} frz_online_compact_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_online_compact_options_init(frz_online_compact_options *options);

typedef struct frz_online_compact_result {
  int64_t snapshot_id; /**< -1: nothing was due. */
  int64_t n_files_before, n_files_after;
  int64_t n_bytes_before, n_bytes_after;
  int64_t n_rows_before, n_rows_after;
  int64_t n_snapshots_expired;
} frz_online_compact_result;

/**
 * @brief Join files, keeping the newest row of a key, and expire old snapshots.
 * @param[in] options     May be NULL.
 * @param[out] result_out May be NULL.
 * @retval FRZ_ERR_CONFLICT another process compacted the same files.
 */
FRZ_API frz_status frz_online_compact(frz_online *online, const frz_online_compact_options *options,
                                      frz_online_compact_result *result_out,
                                      frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_online_stats {
  bool is_ready;           /**< Reads go through the index. */
  int64_t snapshot_id;     /**< That the index shows; -1: none. */
  int64_t n_keys;          /**< Distinct keys, at most: a key that has newer rows counts again. */
  int64_t n_segments;      /**< Of the index. */
  int64_t n_file_bytes;    /**< Of memory-mapped segments. */
  int64_t n_memory_bytes;  /**< Of segments in this process's memory. */
  int64_t n_builds;        /**< Of the whole index, by this handle. */
  int64_t n_refreshes;     /**< That took something in. */
  int64_t last_refresh_us; /**< Duration of the last one. */
  int64_t staleness_ms;    /**< Since the last look at the catalog; -1: there was none. */
  int64_t n_reads, n_keys_read, n_keys_found;
  int64_t n_reads_direct;
  int64_t n_commits, n_rows_written;
} frz_online_stats;

/** @brief Numbers of a handle since it was opened. */
FRZ_API void frz_online_stats_get(frz_online *online, frz_online_stats *stats_out);

#ifdef __cplusplus
}
#endif
#endif
