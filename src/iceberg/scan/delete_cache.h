/*
 * delete_cache.h - delete files that the data files of a scan share, each read once.
 *
 * What belongs to one data file alone (deletion vectors, position deletes that name it) is not
 * kept here: it is read with that file and goes with it.
 */
#ifndef FRZ_ICEBERG_DELETE_CACHE_H
#define FRZ_ICEBERG_DELETE_CACHE_H

#include "iceberg/scan/equality_deletes.h"
#include "iceberg/scan/file_read.h"
#include "iceberg/scan/position_deletes.h"

/** The contents of a position delete file of several data files. Borrowed from the cache. */
frz_status frz_delete_cache_positions(frz_delete_cache *cache, const frz_manifest_entry *entry,
                                      const frz_position_deletes **deletes_out,
                                      frz_error *err) FRZ_MUST_CHECK;

/** The sets that hold all equality deletes of a task. Sets are borrowed from the cache, their list
 * is made in `arena`. */
frz_status frz_delete_cache_equality(frz_delete_cache *cache, const frz_scan_task *task,
                                     frz_arena *arena, frz_equality_set ***sets_out,
                                     size_t *n_sets_out, frz_error *err) FRZ_MUST_CHECK;

#endif
