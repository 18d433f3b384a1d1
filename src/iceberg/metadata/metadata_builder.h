/*
 * metadata_builder.h - table metadata in the making: the lists of the next version while updates
 * are applied to them. Inside of metadata_update.c and its parts.
 */
#ifndef FRZ_ICEBERG_METADATA_BUILDER_H
#define FRZ_ICEBERG_METADATA_BUILDER_H

#include "iceberg/metadata/metadata_update.h"

enum { FRZ_NONE_ADDED = -1 };

/**
 * The lists below belong to `out`'s arena and are `out`'s own once the builder closes. Invariant:
 * `out` itself is complete but for those lists, and what is in them is owned by the arena.
 */
typedef struct frz_metadata_builder {
  frz_table_metadata *out;
  frz_schema *schemas;
  size_t n_schemas, cap_schemas;
  frz_partition_spec *specs;
  size_t n_specs, cap_specs;
  frz_sort_order *orders;
  size_t n_orders, cap_orders;
  frz_text_pair *properties;
  size_t n_properties, cap_properties;
  frz_snapshot *snapshots;
  size_t n_snapshots, cap_snapshots;
  frz_snapshot_ref *refs;
  size_t n_refs, cap_refs;
  frz_snapshot_log_entry *snapshot_log;
  size_t n_snapshot_log, cap_snapshot_log;
  frz_statistics_file *statistics[2]; /* of tables, of partitions */
  size_t n_statistics[2], cap_statistics[2];
  int32_t added_schema_id, added_spec_id, added_order_id; /* the last; FRZ_NONE_ADDED */
  size_t n_base_snapshots; /* those before were there already; moves as snapshots are removed */
  bool removed_snapshots;
} frz_metadata_builder;

frz_status frz_builder_add_schema(frz_metadata_builder *b, const frz_schema *schema,
                                  int32_t last_column_id, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_builder_add_spec(frz_metadata_builder *b, const frz_partition_spec *spec,
                                frz_error *err) FRZ_MUST_CHECK;
frz_status frz_builder_add_sort_order(frz_metadata_builder *b, const frz_sort_order *order,
                                      frz_error *err) FRZ_MUST_CHECK;
frz_status frz_builder_set_current_schema(frz_metadata_builder *b, int32_t id,
                                          frz_error *err) FRZ_MUST_CHECK;
frz_status frz_builder_set_default_spec(frz_metadata_builder *b, int32_t id,
                                        frz_error *err) FRZ_MUST_CHECK;
frz_status frz_builder_set_default_order(frz_metadata_builder *b, int32_t id,
                                         frz_error *err) FRZ_MUST_CHECK;

frz_status frz_builder_add_snapshot(frz_metadata_builder *b, const frz_snapshot *snapshot,
                                    frz_error *err) FRZ_MUST_CHECK;
frz_status frz_builder_set_ref(frz_metadata_builder *b, const frz_snapshot_ref *ref,
                               frz_error *err) FRZ_MUST_CHECK;
void frz_builder_remove_ref(frz_metadata_builder *b, frz_str name);
frz_status frz_builder_remove_snapshots(frz_metadata_builder *b, const int64_t *ids, size_t n_ids,
                                        frz_error *err) FRZ_MUST_CHECK;
/** Add or replace a snapshot's statistics. */
frz_status frz_builder_set_statistics(frz_metadata_builder *b, bool of_partitions,
                                      const frz_statistics_file *file,
                                      frz_error *err) FRZ_MUST_CHECK;
/** Remove the statistics of these snapshots; ids ascending. */
void frz_builder_remove_statistics(frz_metadata_builder *b, bool of_partitions, const int64_t *ids,
                                   size_t n_ids);
/** Drop what the log must not say: removed snapshots with all before them, and snapshots of this
 * very change that were overtaken within it. */
frz_status frz_builder_close_log(frz_metadata_builder *b, frz_error *err) FRZ_MUST_CHECK;

#endif
