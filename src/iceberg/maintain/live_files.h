/*
 * live_files.h - every file that a table may still need: of all snapshots, of the metadata log and
 * of what its files lead to.
 */
#ifndef FRZ_ICEBERG_LIVE_FILES_H
#define FRZ_ICEBERG_LIVE_FILES_H

#include "iceberg/maintain/reachable_files.h"
#include "iceberg/table/table_handle.h"

/** Called once or more with each file. Borrowed for the call. */
typedef frz_status (*frz_path_visit)(void *arg, frz_str path, frz_error *err);

/**
 * Visit them all. What the current metadata leads to must be readable; of older metadata files what
 * is lost or broken is passed over.
 */
frz_status frz_live_files_visit(frz_context *context, frz_storage *storage,
                                const frz_loaded_table *current, frz_path_visit visit, void *arg,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
