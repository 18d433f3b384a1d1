/*
 * incremental_plan.h - the rows that were appended between two snapshots.
 *
 * Only snapshots of the operation "append" count: one that replaced, removed or overwrote rows says
 * nothing about new ones. No deletes apply: what was appended is read as it was appended.
 */
#ifndef FRZ_ICEBERG_INCREMENTAL_PLAN_H
#define FRZ_ICEBERG_INCREMENTAL_PLAN_H

#include "iceberg/manifest/manifest.h"

/** FRZ_ERR_NOT_FOUND: there is no snapshot `from_id` (any more); FRZ_ERR_INVALID: it is no ancestor
 * of `to` (NULL: an empty table). */
frz_status frz_appends_check(const frz_table_metadata *metadata, int64_t from_id,
                             const frz_snapshot *to, frz_error *err) FRZ_MUST_CHECK;

/** The data manifests that append snapshots after `from_id` up to `to` added, oldest first, in the
 * arena. Their entries of status ADDED and of the manifest's snapshot are the appended files. */
frz_status frz_appends_collect(frz_storage *storage, const frz_table_metadata *metadata,
                               int64_t from_id, const frz_snapshot *to, frz_arena *arena,
                               const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
