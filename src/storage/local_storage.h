/*
 * local_storage.h - files of this machine as a storage.
 */
#ifndef FRZ_STORAGE_LOCAL_STORAGE_H
#define FRZ_STORAGE_LOCAL_STORAGE_H

#include "base/arena.h"
#include "storage/storage.h"

/** The operations on local files. Static storage; their ctx is the `const frz_alloc *`, which
 * outlives every source and sink. */
const frz_storage_ops *frz_local_storage_ops(void);

/** A small file's text, with a NUL behind it, in the arena. FRZ_ERR_NOT_FOUND; FRZ_ERR_LIMIT. */
frz_status frz_local_file_read(frz_str path, size_t max_bytes, frz_arena *arena, frz_str *text_out,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
