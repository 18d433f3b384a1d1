/*
 * reachable_files.h - which files a table's metadata leads to, streamed manifest by manifest.
 */
#ifndef FRZ_ICEBERG_REACHABLE_FILES_H
#define FRZ_ICEBERG_REACHABLE_FILES_H

#include "base/map.h"
#include "base/runtime.h"
#include "iceberg/manifest/manifest.h"

/** Called with each live entry of a manifest, which is borrowed for the call. */
typedef frz_status (*frz_entry_visit)(void *arg, const frz_manifest_entry *entry, frz_error *err);

/** Visit a manifest's live entries. Their column metrics are left out. */
frz_status frz_manifest_visit(frz_storage *storage, const frz_table_metadata *metadata,
                              const frz_manifest_file *manifest, const frz_alloc *alloc,
                              frz_entry_visit visit, void *arg, frz_error *err) FRZ_MUST_CHECK;

/** Called with a path that a snapshot's list names: of the list itself (`manifest` NULL) or of a
 * manifest in it. Borrowed for the call. */
typedef frz_status (*frz_list_visit)(void *arg, const frz_table_metadata *metadata, frz_str path,
                                     const frz_manifest_file *manifest, frz_error *err);

/** Visit a snapshot's manifest list and the manifests in it. */
frz_status frz_snapshot_visit(frz_storage *storage, const frz_table_metadata *metadata,
                              const frz_snapshot *snapshot, const frz_alloc *alloc,
                              frz_list_visit visit, void *arg, frz_error *err) FRZ_MUST_CHECK;

/** Called with one statistics file of the metadata; strings are borrowed for the call. */
typedef frz_status (*frz_statistics_visit)(void *arg, int64_t snapshot_id, frz_str path,
                                           frz_error *err);

/** Visit the files that "statistics" and "partition-statistics" name. */
frz_status frz_metadata_visit_statistics(const frz_table_metadata *metadata,
                                         frz_statistics_visit visit, void *arg,
                                         frz_error *err) FRZ_MUST_CHECK;

/** A set of places, by what their locations mean; each has a number of the caller's. */
typedef struct frz_location_set {
  frz_map map;
  frz_buf scratch; /* the normalised form of the last location */
} frz_location_set;

void frz_location_set_init(frz_location_set *set, const frz_alloc *alloc);
void frz_location_set_dispose(frz_location_set *set);

/** Add a location with a number, if it is not there. `added_out` may be NULL. */
frz_status frz_location_set_add(frz_location_set *set, frz_str location, uint64_t number,
                                bool *added_out, frz_error *err) FRZ_MUST_CHECK;

/** The number's address, or NULL. */
frz_status frz_location_set_find(frz_location_set *set, frz_str location, uint64_t **number_out,
                                 frz_error *err) FRZ_MUST_CHECK;

#endif
