/*
 * table.h - a table: its metadata, scans and writes.
 *
 * A table handle shows one version of the table until frz_table_refresh() or a commit
 * through it moves it on. It may be used by several threads; commits through one handle
 * take turns. Arrow streams that are passed in are consumed: the callee releases them, on
 * failure too. Arrow streams passed out belong to the caller and hold what they need. String
 * columns are not checked to be UTF-8, either way: their bytes pass through as they are.
 */
#ifndef FRAZIL_TABLE_H
#define FRAZIL_TABLE_H

#include "frazil/arrow.h"
#include "frazil/catalog.h"
#include "frazil/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct frz_scan frz_scan;

/** @brief End a table handle; NULL is accepted. Streams made from it stay usable. */
FRZ_API void frz_table_free(frz_table *table);

/** @brief The dotted name that the table was loaded by. Borrowed from the handle. */
FRZ_API const char *frz_table_identifier(const frz_table *table);

/** @brief Read the catalog again. @param[out] changed_out May be NULL: was there a newer version?
 */
FRZ_API frz_status frz_table_refresh(frz_table *table, bool *changed_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** @brief The URI of the metadata file that the handle shows. */
FRZ_API frz_status frz_table_metadata_location(const frz_table *table, frz_string *location_out,
                                               frz_error *err) FRZ_MUST_CHECK;

/** @brief The whole table metadata as JSON, by the Iceberg specification, appendix C. */
FRZ_API frz_status frz_table_metadata_json(const frz_table *table, frz_string *json_out,
                                           frz_error *err) FRZ_MUST_CHECK;

/** @brief The current snapshot's id, or -1 where the table has none. */
FRZ_API int64_t frz_table_current_snapshot_id(const frz_table *table);

/** @brief The current schema as an Arrow struct schema with "PARQUET:field_id" metadata. */
FRZ_API frz_status frz_table_arrow_schema(const frz_table *table, struct ArrowSchema *schema_out,
                                          frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief A metadata table as Arrow rows.
 *
 * Of the table: "snapshots", "history", "refs", "properties", "metadata_log_entries", "statistics".
 * Of one snapshot: "manifests", "entries", "files", "data_files", "delete_files", "partitions".
 * Of every snapshot that is still there: "all_manifests", "all_entries", "all_files",
 * "all_data_files", "all_delete_files".
 *
 * @param[in] snapshot_id 0: the current one. Any other needs a kind that is of one snapshot.
 * @retval FRZ_ERR_INVALID   any other kind; the message lists them.
 * @retval FRZ_ERR_NOT_FOUND no such snapshot.
 */
FRZ_API frz_status frz_table_inspect(frz_table *table, const char *kind, int64_t snapshot_id,
                                     struct ArrowArrayStream *stream_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/* ---- reading ---- */

typedef struct frz_scan_options {
  size_t struct_bytes; /**< Set by frz_scan_options_init(). */
  int64_t snapshot_id; /**< 0: not by id. At most one of snapshot_id, ref and as_of_ms. */
  const char *ref;     /**< Branch or tag; NULL: not by name. */
  int64_t as_of_ms; /**< Milliseconds since 1970 UTC: the snapshot current then; 0: not by time. */
  const char *row_filter; /**< Such as "driver_id = 5 and event_ts >= '2024-01-01T00:00:00+00:00'";
                             NULL: every row. */
  const char *const
      *selected_fields; /**< Column names; a dot reaches into a struct. NULL: every column. Besides
                           the table's own: "_file", "_pos", "_row_id",
                           "_last_updated_sequence_number". */
  size_t n_selected_fields;
  int64_t limit_rows;       /**< -1: no limit. */
  int64_t batch_rows_max;   /**< Default 65536. */
  bool case_sensitive;      /**< Default true. */
  int64_t from_snapshot_id; /**< Read only the rows that were appended after this snapshot, up to
                               the chosen one; 0: all rows. Snapshots that replaced, removed or
                               overwrote rows on the way are passed over. */
} frz_scan_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_scan_options_init(frz_scan_options *options);

/**
 * @brief Prepare a scan: choose the snapshot, bind projection and filter. Reads no manifest yet.
 * @param[in] options  May be NULL: the current snapshot, every column and row.
 * @retval FRZ_ERR_INVALID    unknown column, malformed filter, a literal that does not fit its
 * column.
 * @retval FRZ_ERR_NOT_FOUND  no such snapshot, ref, or none as early as as_of_ms.
 */
FRZ_API frz_status frz_table_scan(frz_table *table, const frz_scan_options *options,
                                  frz_scan **scan_out, frz_error *err) FRZ_MUST_CHECK;

/** @brief End a scan; NULL is accepted. Its streams stay usable. */
FRZ_API void frz_scan_free(frz_scan *scan);

/** @brief The rows, as record batches in file and row order. */
FRZ_API frz_status frz_scan_stream(frz_scan *scan, struct ArrowArrayStream *stream_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief The data files that the scan would read, one row each: file_path, file_format,
 * record_count, file_size_in_bytes, spec_id, partition (as text "name=value/..."),
 * data_sequence_number, n_delete_files.
 */
FRZ_API frz_status frz_scan_plan_files(frz_scan *scan, struct ArrowArrayStream *stream_out,
                                       frz_error *err) FRZ_MUST_CHECK;

/* ---- writing ---- */

/** How rows are deleted from files that hold others as well. */
typedef enum frz_write_mode {
  FRZ_WRITE_BY_TABLE = 0, /**< By "write.delete.mode" (delete, overwrite) or "write.update.mode"
                             (upsert); copy-on-write where it is not set. */
  FRZ_WRITE_COPY_ON_WRITE = 1, /**< Files are written again without the rows. */
  FRZ_WRITE_MERGE_ON_READ = 2  /**< The rows' positions are written: position delete files in
                                  format version 2, deletion vectors in 3. Version 1 has neither. */
} frz_write_mode;

typedef struct frz_write_options {
  size_t struct_bytes;                     /**< Set by frz_write_options_init(). */
  const frz_property *snapshot_properties; /**< Added to the snapshot's summary. */
  size_t n_snapshot_properties;
  bool truncate_nanoseconds; /**< Floor finer timestamps to the column's unit; else a loss is
                                refused. */
  bool case_sensitive;       /**< Of filter columns; default true. */
  const char *branch;        /**< An existing branch to commit to; NULL: "main". */
  frz_write_mode mode;
} frz_write_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_write_options_init(frz_write_options *options);

typedef struct frz_write_result {
  int64_t snapshot_id; /**< -1: nothing to do, no snapshot was made. */
  int64_t n_rows_added;
  int64_t n_rows_deleted;
  int64_t n_files_added;   /**< Data files. */
  int64_t n_files_deleted; /**< Data files. */
  int64_t n_delete_files_added;
  int64_t n_rows_updated; /**< By upsert: matched rows that were written anew; they are counted
                             neither as added nor as deleted. */
} frz_write_result;

/**
 * @brief Append rows in one commit. Columns are matched by name (case-sensitive); a missing
 * optional column is null.
 * @param[in,out] data    Consumed.
 * @param[in] options     May be NULL.
 * @param[out] result_out May be NULL.
 * @retval FRZ_ERR_INVALID        a column that the table lacks, a type that does not fit, null in a
 * required column.
 * @retval FRZ_ERR_CONFLICT       other writers won until the retries ended.
 * @retval FRZ_ERR_COMMIT_UNKNOWN the catalog's answer was lost: no file was deleted.
 */
FRZ_API frz_status frz_table_append(frz_table *table, struct ArrowArrayStream *data,
                                    const frz_write_options *options, frz_write_result *result_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief Delete the rows that match the filter and append others, in one snapshot.
 * @param[in] filter NULL: every row. Files that match in part are dealt with by options->mode.
 */
FRZ_API frz_status frz_table_overwrite(frz_table *table, struct ArrowArrayStream *data,
                                       const char *filter, const frz_write_options *options,
                                       frz_write_result *result_out, frz_error *err) FRZ_MUST_CHECK;

/** @brief Delete the rows that match the filter. NULL is refused: pass "true" for every row. */
FRZ_API frz_status frz_table_delete(frz_table *table, const char *filter,
                                    const frz_write_options *options, frz_write_result *result_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief Update the rows whose key is in `data`, insert the others, in one snapshot.
 *
 * A row of the table that equals its new form in every column is left alone. A null in a key column
 * matches nothing, so its row is inserted. Where several rows of the table have one key, one row
 * takes the place of all; those beyond the first count as deleted. `data` is held in memory, the
 * table is read file by file.
 *
 * @param[in,out] data      Consumed. Columns as for frz_table_append(): in rows that are inserted a
 *                          missing optional column is null, but no row is updated without all.
 * @param[in] join_columns  The key: primitive columns, not floating point. `n_join_columns` 0: the
 *                          schema's identifier fields.
 * @param[in] options       May be NULL.
 * @param[out] result_out   May be NULL.
 * @retval FRZ_ERR_INVALID  two rows of `data` have one key; no key columns; a row to update and a
 * column that `data` lacks; otherwise as for append.
 * @retval FRZ_ERR_CONFLICT as for append; also when another commit touched a file of rows to
 * update, or, unless "write.update.isolation-level" is "snapshot", added rows that may have one of
 * the keys.
 */
FRZ_API frz_status frz_table_upsert(frz_table *table, struct ArrowArrayStream *data,
                                    const char *const *join_columns, size_t n_join_columns,
                                    const frz_write_options *options, frz_write_result *result_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** What frz_catalog_commit_tables() does to one table. */
typedef struct frz_table_change {
  size_t struct_bytes;              /**< Set by frz_table_change_init(). */
  frz_table *table;                 /**< Of the catalog; each table once. */
  struct ArrowArrayStream *data;    /**< Rows to append; consumed. NULL: none. */
  const char *filter;               /**< Rows that match are deleted before; NULL: none. */
  const frz_write_options *options; /**< NULL: the defaults. */
} frz_table_change;

/** @brief Fill `change` with the defaults. */
FRZ_API void frz_table_change_init(frz_table_change *change);

/**
 * @brief Change several tables in one commit: others see all of the changes, or none.
 *
 * The files of all tables are written, then the catalog's server is sent one request. Where one of
 * the tables was changed meanwhile, all are tried anew as the first one's properties say.
 *
 * @param[in] n_changes    At most 1000.
 * @param[out] results_out As many; may be NULL. A table with nothing to do takes no part: its
 *                         snapshot_id is -1.
 * @retval FRZ_ERR_UNSUPPORTED    the catalog is not of type rest, or its server does not offer
 * this; nothing was written.
 * @retval FRZ_ERR_INVALID        a table of another catalog, or twice; a change without data and
 * filter; otherwise as for append.
 * @retval FRZ_ERR_CONFLICT       as for overwrite, of any of the tables; none is changed.
 * @retval FRZ_ERR_COMMIT_UNKNOWN the answer was lost, and the tables do not tell: no file was
 * deleted.
 * Source: Apache Iceberg REST Catalog API, commitTransaction.
 */
FRZ_API frz_status frz_catalog_commit_tables(frz_catalog *catalog, const frz_table_change *changes,
                                             size_t n_changes, frz_write_result *results_out,
                                             frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief Create a table with rows, in one commit: others see the whole table, or none.
 *
 * Arguments as for frz_catalog_create_table() and frz_table_append(). Without a row the table is
 * created empty and has no snapshot.
 * @param[in,out] data Consumed.
 * @retval FRZ_ERR_EXISTS the table is there already; what was written is removed.
 */
FRZ_API frz_status frz_catalog_create_table_as(frz_catalog *catalog, const char *identifier,
                                               const struct ArrowSchema *schema,
                                               const frz_create_table_options *options,
                                               struct ArrowArrayStream *data,
                                               const frz_write_options *write_options,
                                               frz_table **table_out, frz_write_result *result_out,
                                               frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief Give a table another schema, partition spec, sort order and other rows, in one commit:
 * others see the table before or after. Its earlier snapshots can be read until they expire.
 *
 * Arguments as for frz_catalog_create_table() and frz_table_overwrite(). Columns get new field ids.
 * The format version stays and the properties are added to those that are there.
 * @param[in,out] data Consumed.
 * @retval FRZ_ERR_NOT_FOUND no such table.
 * @retval FRZ_ERR_INVALID   also: options->location is given; a replaced table stays where it is.
 * @retval FRZ_ERR_CONFLICT  others added rows, or changed columns or partitions, meanwhile.
 */
FRZ_API frz_status frz_catalog_replace_table(frz_catalog *catalog, const char *identifier,
                                             const struct ArrowSchema *schema,
                                             const frz_create_table_options *options,
                                             struct ArrowArrayStream *data,
                                             const frz_write_options *write_options,
                                             frz_table **table_out, frz_write_result *result_out,
                                             frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
