/*
 * delete_index.h - which delete files apply to a data file, found without asking each of them.
 *
 * Delete files are grouped by what they can apply to: one path (deletion vectors, and position
 * deletes that name or are bounded to one file), one partition of one spec, or everything
 * (equality deletes of an unpartitioned spec). Groups are found by hash and ordered by sequence
 * number or by path, so that planning stays linear in data files, delete files and results.
 *
 * Source: Iceberg specification, "Scan Planning", "Delete Formats".
 */
#ifndef FRZ_ICEBERG_DELETE_INDEX_H
#define FRZ_ICEBERG_DELETE_INDEX_H

#include "iceberg/scan/scan_plan.h"

/** Reserved field ids of position delete files. */
enum { FRZ_FIELD_ID_DELETE_PATH = 2147483546, FRZ_FIELD_ID_DELETE_POS = 2147483545 };

typedef struct frz_delete_index frz_delete_index;

/** Build over live delete entries, which are borrowed. FRZ_ERR_CORRUPT: two deletion vectors for
 * one data file, or an unknown spec. */
frz_status frz_delete_index_create(const frz_alloc *alloc, const frz_table_metadata *metadata,
                                   const frz_manifest_entry *const *entries, size_t n_entries,
                                   frz_delete_index **index_out, frz_error *err) FRZ_MUST_CHECK;
void frz_delete_index_free(frz_delete_index *index);

/** Fill the deletes of a task whose entry and spec are set. Lists are borrowed from the index or
 * made in `arena`. Any number of threads. */
frz_status frz_delete_index_find(const frz_delete_index *index, frz_scan_task *task,
                                 frz_arena *arena, frz_error *err) FRZ_MUST_CHECK;

/** The one data file that a position delete file can apply to, by its reference or equal path
 * bounds; data NULL: several. */
frz_str frz_delete_target(const frz_data_file *file);

/** Append a key that is equal for partitions that are equal (null to null, NaN to NaN, -0.0 to
 * +0.0, int to promoted long) and of one spec. */
frz_status frz_partition_key(int32_t spec_id, const frz_partition *partition, frz_buf *out,
                             frz_error *err) FRZ_MUST_CHECK;

/** Has the spec no field, or void ones alone? Its equality deletes apply to files of every spec. */
bool frz_spec_is_unpartitioned(const frz_partition_spec *spec);

/** The field of an id in `schema`, or in the newest schema that has it; NULL: in none. Equality
 * deletes go on applying after their columns were dropped. `schema_out` (may be NULL): its schema.
 */
const frz_field *frz_metadata_find_field(const frz_table_metadata *metadata,
                                         const frz_schema *schema, int32_t field_id,
                                         const frz_schema **schema_out);

#endif
