/*
 * catalog.h - catalogs: where tables are found, created and committed.
 *
 * A catalog handle may be used by several threads at once. Identifiers are dotted
 * names, "namespace.table" or "a.b.table": the last part is the table. Property names are
 * PyIceberg's: "type" (sql, rest, glue, hive, static), "uri" (sqlite:///path, a path,
 * postgresql://..., the REST server's address, thrift://host:port), "warehouse" (a folder or URI;
 * with REST what the server calls so); those of servers and stores are in docs/catalogs.md and
 * docs/storage.md.
 */
#ifndef FRAZIL_CATALOG_H
#define FRAZIL_CATALOG_H

#include "frazil/arrow.h"
#include "frazil/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct frz_catalog frz_catalog;
typedef struct frz_table frz_table;

/** A list of texts that a call returns; end it with frz_string_list_dispose(). */
typedef struct frz_string_list {
  char **items; /**< NUL-terminated. */
  size_t n_items;
  const frz_alloc *alloc;
} frz_string_list;

/** @brief Free a returned list and set it to empty; NULL is accepted. */
FRZ_API void frz_string_list_dispose(frz_string_list *list);

/**
 * @brief Open a catalog.
 * @param[in] name          The catalog's name: a column of the SQL layout. Copied.
 * @param[in] properties    `n_properties` pairs, copied. "type" defaults to "sql".
 * @param[out] catalog_out  Owned by the caller; end it with frz_catalog_free().
 * @retval FRZ_ERR_INVALID      a property is missing, unknown in value or malformed.
 * @retval FRZ_ERR_UNSUPPORTED  a known catalog type that this build does not have.
 * @retval FRZ_ERR_IO           the database or folder cannot be opened.
 */
FRZ_API frz_status frz_catalog_open(frz_context *context, const char *name,
                                    const frz_property *properties, size_t n_properties,
                                    frz_catalog **catalog_out, frz_error *err) FRZ_MUST_CHECK;

/** @brief End a catalog; NULL is accepted. Tables loaded from it stay usable. */
FRZ_API void frz_catalog_free(frz_catalog *catalog);

/** @brief The catalog's name. Borrowed from the handle. */
FRZ_API const char *frz_catalog_name(const frz_catalog *catalog);

/** @brief Create a namespace. @retval FRZ_ERR_EXISTS it is there already. */
FRZ_API frz_status frz_catalog_create_namespace(frz_catalog *catalog, const char *namespace_name,
                                                const frz_property *properties, size_t n_properties,
                                                frz_error *err) FRZ_MUST_CHECK;

/** @brief Drop an empty namespace. @retval FRZ_ERR_NOT_FOUND; FRZ_ERR_INVALID: it still has tables.
 */
FRZ_API frz_status frz_catalog_drop_namespace(frz_catalog *catalog, const char *namespace_name,
                                              frz_error *err) FRZ_MUST_CHECK;

/** @brief The namespaces directly under `parent` (NULL or "": the top), as dotted names, sorted. */
FRZ_API frz_status frz_catalog_list_namespaces(frz_catalog *catalog, const char *parent,
                                               frz_string_list *list_out,
                                               frz_error *err) FRZ_MUST_CHECK;

/** @brief The tables of a namespace, as full dotted names, sorted. @retval FRZ_ERR_NOT_FOUND no
 * such namespace. */
FRZ_API frz_status frz_catalog_list_tables(frz_catalog *catalog, const char *namespace_name,
                                           frz_string_list *list_out,
                                           frz_error *err) FRZ_MUST_CHECK;

/** @brief The views of a namespace, as full dotted names, sorted. They are named, not read.
 * @retval FRZ_ERR_NOT_FOUND    no such namespace.
 * @retval FRZ_ERR_UNSUPPORTED  a kind of catalog (Glue, Hive, static) or a server without views.
 * Source: Apache Iceberg REST Catalog API, listViews; JDBC catalog, column iceberg_type. */
FRZ_API frz_status frz_catalog_list_views(frz_catalog *catalog, const char *namespace_name,
                                          frz_string_list *list_out, frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_create_table_options {
  size_t struct_bytes;    /**< Set by frz_create_table_options_init(). */
  int32_t format_version; /**< 1, 2 or 3; default 2. */
  const char
      *partition_spec; /**< Such as "bucket(16, driver_id), day(event_ts)"; NULL: unpartitioned. */
  const char
      *sort_order;      /**< Such as "driver_id asc nulls first, event_ts desc"; NULL: unsorted. */
  const char *location; /**< NULL: warehouse/namespace/table. */
  const frz_property *properties;
  size_t n_properties;
} frz_create_table_options;

/** @brief Fill `options` with the defaults. */
FRZ_API void frz_create_table_options_init(frz_create_table_options *options);

/**
 * @brief Create a table.
 * @param[in] schema     An Arrow struct schema, borrowed. Field ids are assigned afresh, depth
 * first at each level as Iceberg's reference does; a field that is not nullable becomes required.
 * @param[out] table_out May be NULL. Owned by the caller; end it with frz_table_free().
 * @retval FRZ_ERR_EXISTS       the table is there already.
 * @retval FRZ_ERR_NOT_FOUND    no such namespace.
 * @retval FRZ_ERR_UNSUPPORTED  a type with no Iceberg form.
 */
FRZ_API frz_status frz_catalog_create_table(frz_catalog *catalog, const char *identifier,
                                            const struct ArrowSchema *schema,
                                            const frz_create_table_options *options,
                                            frz_table **table_out, frz_error *err) FRZ_MUST_CHECK;

/** @brief Load a table. A static catalog takes a table folder or a metadata file as identifier.
 * @retval FRZ_ERR_NOT_FOUND */
FRZ_API frz_status frz_catalog_load_table(frz_catalog *catalog, const char *identifier,
                                          frz_table **table_out, frz_error *err) FRZ_MUST_CHECK;

/** @brief Register an existing metadata file under a name. @retval FRZ_ERR_EXISTS */
FRZ_API frz_status frz_catalog_register_table(frz_catalog *catalog, const char *identifier,
                                              const char *metadata_location,
                                              frz_error *err) FRZ_MUST_CHECK;

/** @brief Drop a table; with `purge` its data, manifest and metadata files go too. @retval
 * FRZ_ERR_NOT_FOUND */
FRZ_API frz_status frz_catalog_drop_table(frz_catalog *catalog, const char *identifier, bool purge,
                                          frz_error *err) FRZ_MUST_CHECK;

/** @brief Give a table another name. @retval FRZ_ERR_NOT_FOUND, FRZ_ERR_EXISTS */
FRZ_API frz_status frz_catalog_rename_table(frz_catalog *catalog, const char *identifier,
                                            const char *new_identifier,
                                            frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
