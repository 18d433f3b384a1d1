/*
 * file_removal.h - remove many files, passing over those that resist.
 */
#ifndef FRZ_ICEBERG_FILE_REMOVAL_H
#define FRZ_ICEBERG_FILE_REMOVAL_H

#include "iceberg/maintain/maintain_job.h"
#include "storage/storage.h"

/**
 * Remove the files; removed_out[i] tells which went. A file that cannot be removed is logged, one
 * that is gone already is not counted, where the store tells. Fails only where the context was
 * cancelled or memory ran out. Each file is a step of `progress`. Both may be NULL.
 */
frz_status frz_files_remove(frz_context *context, frz_storage *storage, const frz_str *paths,
                            size_t n_paths, bool *removed_out, frz_progress *progress,
                            frz_error *err) FRZ_MUST_CHECK;

#endif
