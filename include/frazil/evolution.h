/*
 * evolution.h - changes to a table that move no row: schema, partition spec, sort order,
 * properties, named snapshots, format version, statistics.
 *
 * Each call is one commit, made again on the version that won where another writer was faster.
 */
#ifndef FRAZIL_EVOLUTION_H
#define FRAZIL_EVOLUTION_H

#include "frazil/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- schema ---- */

typedef enum frz_schema_op {
  FRZ_SCHEMA_ADD_COLUMN = 0,    /**< path, arrow_type or type_text, required, doc, default_json */
  FRZ_SCHEMA_RENAME_COLUMN = 1, /**< path, new_name */
  FRZ_SCHEMA_DROP_COLUMN = 2,   /**< path */
  FRZ_SCHEMA_PROMOTE_COLUMN =
      3, /**< path, arrow_type or type_text: int to long, float to double, wider decimal; in format
            version 3 date to timestamp, unknown to anything */
  FRZ_SCHEMA_MAKE_OPTIONAL = 4,    /**< path */
  FRZ_SCHEMA_SET_DOC = 5,          /**< path, doc */
  FRZ_SCHEMA_SET_DEFAULT = 6,      /**< path, default_json: what writers put into rows that lack the
                                      column from now on; NULL: null again. Format version 3. */
  FRZ_SCHEMA_MOVE_FIRST = 7,       /**< path */
  FRZ_SCHEMA_MOVE_BEFORE = 8,      /**< path, reference: a column of the same struct */
  FRZ_SCHEMA_MOVE_AFTER = 9,       /**< path, reference */
  FRZ_SCHEMA_ADD_IDENTIFIER = 10,  /**< path: becomes part of the rows' key */
  FRZ_SCHEMA_DROP_IDENTIFIER = 11, /**< path: is no longer part of it */
  FRZ_SCHEMA_MAKE_REQUIRED = 12    /**< path: always refused, as rows without a value may be there;
                                      by name, so that the message can say so */
} frz_schema_op;

typedef struct frz_schema_change {
  frz_schema_op op;
  const char *path; /**< Dotted column path. */
  const char *new_name;
  const struct ArrowSchema *arrow_type; /**< Borrowed; or NULL and type_text. */
  const char
      *type_text; /**< An Iceberg primitive by its specification name, such as "decimal(9, 2)". */
  const char *doc;
  bool required;            /**< A column that is added as required needs a default. */
  const char *default_json; /**< A single value as the specification's appendix D writes it, such as
                               "34" or "\"2024-01-01\"". Of an added column: the value of all rows
                               that are there, and of rows to come. */
  const char *reference;
} frz_schema_change;

/** @brief Apply schema changes in order, in one commit. The table's name mapping
 * ("schema.name-mapping.default") follows. @retval FRZ_ERR_INVALID a change that Iceberg forbids,
 * by name. */
FRZ_API frz_status frz_table_update_schema(frz_table *table, const frz_schema_change *changes,
                                           size_t n_changes, frz_error *err) FRZ_MUST_CHECK;

/* ---- partition spec and sort order ---- */

typedef enum frz_spec_op {
  FRZ_SPEC_ADD_FIELD = 0,    /**< term, name (NULL: made from the term) */
  FRZ_SPEC_REMOVE_FIELD = 1, /**< name, or term */
  FRZ_SPEC_RENAME_FIELD = 2  /**< name, new_name */
} frz_spec_op;

typedef struct frz_spec_change {
  frz_spec_op op;
  const char *term; /**< Such as "driver_id", "bucket(16, driver_id)", "day(event_ts)". */
  const char *name;
  const char *new_name;
} frz_spec_change;

/** @brief Change the partition spec that new files are written with; files that are there keep
 * theirs. @retval FRZ_ERR_INVALID an unknown column, a transform its type does not take, a name or
 * term that is there twice. */
FRZ_API frz_status frz_table_update_spec(frz_table *table, const frz_spec_change *changes,
                                         size_t n_changes, frz_error *err) FRZ_MUST_CHECK;

/** @brief Set the order in which new files are sorted, such as "driver_id asc nulls first, event_ts
 * desc"; NULL or "": none. */
FRZ_API frz_status frz_table_set_sort_order(frz_table *table, const char *order,
                                            frz_error *err) FRZ_MUST_CHECK;

/* ---- properties and format version ---- */

/** @brief Set and remove table properties in one commit. */
FRZ_API frz_status frz_table_set_properties(frz_table *table, const frz_property *properties,
                                            size_t n_properties, const char *const *removals,
                                            size_t n_removals, frz_error *err) FRZ_MUST_CHECK;

/** @brief Raise the format version to 2 or 3. @retval FRZ_ERR_INVALID it would go down. */
FRZ_API frz_status frz_table_upgrade(frz_table *table, int32_t format_version,
                                     frz_error *err) FRZ_MUST_CHECK;

/* ---- branches and tags ---- */

typedef struct frz_ref_options {
  size_t struct_bytes;         /**< Set by frz_ref_options_init(). */
  bool is_branch;              /**< Default false: a tag. */
  int64_t snapshot_id;         /**< 0: the current one. */
  int64_t max_ref_age_ms;      /**< The ref itself goes after this time; -1: never. */
  int64_t max_snapshot_age_ms; /**< Branches: how long expiry keeps snapshots; -1: by the table. */
  int32_t min_snapshots_to_keep; /**< Branches: how many expiry keeps at least; -1: by the table. */
} frz_ref_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_ref_options_init(frz_ref_options *options);

/** @brief Make or move a tag or branch; moving "main" rolls the table back or forward. Retention of
 * a ref that is there stays where the options say -1. @retval FRZ_ERR_NOT_FOUND no such snapshot.
 * @retval FRZ_ERR_INVALID the ref is of the other kind; "main" as a tag. */
FRZ_API frz_status frz_table_set_ref(frz_table *table, const char *ref,
                                     const frz_ref_options *options, frz_error *err) FRZ_MUST_CHECK;

/** @brief Remove a tag or branch, not "main". @retval FRZ_ERR_NOT_FOUND */
FRZ_API frz_status frz_table_remove_ref(frz_table *table, const char *ref,
                                        frz_error *err) FRZ_MUST_CHECK;

/* ---- statistics files ---- */

/** @brief Name a Puffin file as the statistics of a snapshot; its footer is read and its blobs are
 * listed in the metadata. @retval FRZ_ERR_NOT_FOUND no such file or snapshot. @retval
 * FRZ_ERR_CORRUPT not a Puffin file. */
FRZ_API frz_status frz_table_set_statistics(frz_table *table, int64_t snapshot_id, const char *uri,
                                            frz_error *err) FRZ_MUST_CHECK;

/** @brief Remove the statistics of a snapshot from the metadata; the file stays. @retval
 * FRZ_ERR_NOT_FOUND */
FRZ_API frz_status frz_table_remove_statistics(frz_table *table, int64_t snapshot_id,
                                               frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
