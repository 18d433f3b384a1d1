/*
 * table.h - a table: its metadata, scans, writes and evolution.
 *
 * A table handle shows one version of the table until frz_table_refresh() or a commit
 * through it moves it on. It may be used by several threads; commits through one handle
 * take turns. Arrow streams that are passed in are consumed: the callee releases them, on
 * failure too. Arrow streams passed out belong to the caller and hold what they need.
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
 * @param[in] kind "snapshots", "history", "refs", "files", "manifests" or "properties".
 * @retval FRZ_ERR_INVALID any other kind; the message lists them.
 */
FRZ_API frz_status frz_table_inspect(frz_table *table, const char *kind,
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
      *selected_fields; /**< Column names; a dot reaches into a struct. NULL: every column. */
  size_t n_selected_fields;
  int64_t limit_rows;     /**< -1: no limit. */
  int64_t batch_rows_max; /**< Default 65536. */
  bool case_sensitive;    /**< Default true. */
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

typedef struct frz_write_options {
  size_t struct_bytes;                     /**< Set by frz_write_options_init(). */
  const frz_property *snapshot_properties; /**< Added to the snapshot's summary. */
  size_t n_snapshot_properties;
  bool truncate_nanoseconds; /**< Floor finer timestamps to the column's unit; else a loss is
                                refused. */
  bool case_sensitive;       /**< Of filter columns; default true. */
} frz_write_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_write_options_init(frz_write_options *options);

typedef struct frz_write_result {
  int64_t snapshot_id; /**< -1: nothing to do, no snapshot was made. */
  int64_t n_rows_added;
  int64_t n_rows_deleted;
  int64_t n_files_added;
  int64_t n_files_deleted;
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
 * @param[in] filter NULL: every row. Files that match in part are rewritten (copy-on-write).
 */
FRZ_API frz_status frz_table_overwrite(frz_table *table, struct ArrowArrayStream *data,
                                       const char *filter, const frz_write_options *options,
                                       frz_write_result *result_out, frz_error *err) FRZ_MUST_CHECK;

/** @brief Delete the rows that match the filter (copy-on-write). NULL is refused: pass "true" for
 * every row. */
FRZ_API frz_status frz_table_delete(frz_table *table, const char *filter,
                                    const frz_write_options *options, frz_write_result *result_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/* ---- evolution ---- */

typedef enum frz_schema_op {
  FRZ_SCHEMA_ADD_COLUMN = 0,    /**< path, arrow_type or type_text, required, doc */
  FRZ_SCHEMA_RENAME_COLUMN = 1, /**< path, new_name */
  FRZ_SCHEMA_DROP_COLUMN = 2,   /**< path */
  FRZ_SCHEMA_PROMOTE_COLUMN =
      3, /**< path, arrow_type or type_text: int to long, float to double, wider decimal */
  FRZ_SCHEMA_MAKE_OPTIONAL = 4, /**< path */
  FRZ_SCHEMA_SET_DOC = 5        /**< path, doc */
} frz_schema_op;

typedef struct frz_schema_change {
  frz_schema_op op;
  const char *path; /**< Dotted column path. */
  const char *new_name;
  const struct ArrowSchema *arrow_type; /**< Borrowed; or NULL and type_text. */
  const char
      *type_text; /**< An Iceberg primitive by its specification name, such as "decimal(9, 2)". */
  const char *doc;
  bool required;
} frz_schema_change;

/** @brief Apply schema changes in order, in one commit. @retval FRZ_ERR_INVALID a change that
 * Iceberg forbids, by name. */
FRZ_API frz_status frz_table_update_schema(frz_table *table, const frz_schema_change *changes,
                                           size_t n_changes, frz_error *err) FRZ_MUST_CHECK;

/** @brief Set and remove table properties in one commit. */
FRZ_API frz_status frz_table_set_properties(frz_table *table, const frz_property *properties,
                                            size_t n_properties, const char *const *removals,
                                            size_t n_removals, frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief Make or move a tag or branch.
 * @param[in] kind        "tag" or "branch".
 * @param[in] snapshot_id The snapshot it names; 0: the current one. -1 removes the ref.
 */
FRZ_API frz_status frz_table_set_ref(frz_table *table, const char *ref, const char *kind,
                                     int64_t snapshot_id, frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
