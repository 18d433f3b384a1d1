/*
 * metadata_update.h - changes to table metadata and the requirements they are made under.
 *
 * The list is kept apart from the metadata, so that a commit that was overtaken applies it again to
 * what is there then. Source: Iceberg REST catalog specification, TableUpdate and
 * TableRequirement.
 */
#ifndef FRZ_ICEBERG_METADATA_UPDATE_H
#define FRZ_ICEBERG_METADATA_UPDATE_H

#include "iceberg/metadata/table_metadata.h"

typedef enum frz_update_kind {
  FRZ_UPDATE_ASSIGN_UUID,
  FRZ_UPDATE_UPGRADE_FORMAT,     /* format_version */
  FRZ_UPDATE_ADD_SCHEMA,         /* schema; its id is assigned (reused when equal) */
  FRZ_UPDATE_SET_CURRENT_SCHEMA, /* id; -1: the last added */
  FRZ_UPDATE_ADD_SPEC,           /* spec */
  FRZ_UPDATE_SET_DEFAULT_SPEC,   /* id; -1: the last added */
  FRZ_UPDATE_ADD_SORT_ORDER,     /* sort_order */
  FRZ_UPDATE_SET_DEFAULT_SORT_ORDER,
  FRZ_UPDATE_ADD_SNAPSHOT,      /* snapshot */
  FRZ_UPDATE_SET_REF,           /* ref */
  FRZ_UPDATE_REMOVE_REF,        /* name */
  FRZ_UPDATE_REMOVE_SNAPSHOTS,  /* snapshot ids */
  FRZ_UPDATE_SET_LOCATION,      /* name */
  FRZ_UPDATE_SET_PROPERTIES,    /* pairs */
  FRZ_UPDATE_REMOVE_PROPERTIES, /* pairs' keys */
  FRZ_UPDATE_SET_STATISTICS,    /* statistics: takes the place of its snapshot's */
  FRZ_UPDATE_REMOVE_STATISTICS, /* snapshot ids, ascending */
  FRZ_UPDATE_SET_PARTITION_STATISTICS,
  FRZ_UPDATE_REMOVE_PARTITION_STATISTICS
} frz_update_kind;

/** One change; what it points to is borrowed until the commit ended. */
typedef struct frz_metadata_update {
  frz_update_kind kind;
  int32_t id;
  frz_str name;
  const frz_schema *schema;
  int32_t last_column_id; /* with ADD_SCHEMA */
  const frz_partition_spec *spec;
  const frz_sort_order *sort_order;
  const frz_snapshot *snapshot;
  const frz_snapshot_ref *ref;
  const frz_statistics_file *statistics;
  const int64_t *snapshot_ids;
  size_t n_snapshot_ids;
  const frz_text_pair *pairs;
  size_t n_pairs;
} frz_metadata_update;

typedef enum frz_requirement_kind {
  FRZ_REQUIRE_CREATE,          /* the table must not exist */
  FRZ_REQUIRE_UUID,            /* text */
  FRZ_REQUIRE_REF_SNAPSHOT_ID, /* text: ref; value: snapshot id, -1: absent */
  FRZ_REQUIRE_LAST_ASSIGNED_FIELD_ID,
  FRZ_REQUIRE_CURRENT_SCHEMA_ID,
  FRZ_REQUIRE_LAST_ASSIGNED_PARTITION_ID,
  FRZ_REQUIRE_DEFAULT_SPEC_ID,
  FRZ_REQUIRE_DEFAULT_SORT_ORDER_ID
} frz_requirement_kind;

typedef struct frz_requirement {
  frz_requirement_kind kind;
  frz_str text;
  int64_t value;
} frz_requirement;

/** FRZ_ERR_CONFLICT names the requirement that `base` (NULL: no table) does not meet. */
frz_status frz_requirements_check(const frz_table_metadata *base,
                                  const frz_requirement *requirements, size_t n_requirements,
                                  frz_error *err) FRZ_MUST_CHECK;

/**
 * Make the next version. `base_location` (data NULL: none) joins the metadata log, which is trimmed
 * by "write.metadata.previous-versions-max". last-updated-ms is now, never before the base's.
 */
frz_status frz_metadata_apply(const frz_table_metadata *base, frz_str base_location,
                              const frz_metadata_update *updates, size_t n_updates,
                              const frz_alloc *alloc, frz_table_metadata **metadata_out,
                              frz_error *err) FRZ_MUST_CHECK;

/** Metadata of a new table at version 0: format, uuid, location, schema, spec, order, properties.
 */
frz_status frz_metadata_create(const frz_alloc *alloc, int32_t format_version, frz_str location,
                               const frz_schema *schema, const frz_partition_spec *spec,
                               const frz_sort_order *sort_order, const frz_text_pair *properties,
                               size_t n_properties, frz_table_metadata **metadata_out,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
