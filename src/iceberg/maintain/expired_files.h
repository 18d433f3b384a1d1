/*
 * expired_files.h - the files that only snapshots which are gone lead to.
 */
#ifndef FRZ_ICEBERG_EXPIRED_FILES_H
#define FRZ_ICEBERG_EXPIRED_FILES_H

#include "iceberg/maintain/reachable_files.h"

typedef enum frz_expired_kind {
  FRZ_EXPIRED_DATA,
  FRZ_EXPIRED_DELETES,
  FRZ_EXPIRED_MANIFEST,
  FRZ_EXPIRED_MANIFEST_LIST,
  FRZ_EXPIRED_STATISTICS
} frz_expired_kind;
enum { FRZ_EXPIRED_KINDS = 5 };

/** Paths by kind, as the metadata writes them. */
typedef struct frz_expired_files {
  frz_arena arena;
  frz_str *paths[FRZ_EXPIRED_KINDS];
  size_t n_paths[FRZ_EXPIRED_KINDS];
} frz_expired_files;

/**
 * Find the files that snapshots of `before` lead to and none of `kept` does. A file that an expired
 * snapshot needs but that is not there is passed over; one that a kept snapshot needs fails the
 * call.
 */
frz_status frz_expired_files_find(frz_context *context, frz_storage *storage,
                                  const frz_table_metadata *before, const frz_table_metadata *kept,
                                  frz_expired_files *files_out, frz_error *err) FRZ_MUST_CHECK;
void frz_expired_files_dispose(frz_expired_files *files);

#endif
