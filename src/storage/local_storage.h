/*
 * local_storage.h - files of this machine as a storage.
 */
#ifndef FRZ_STORAGE_LOCAL_STORAGE_H
#define FRZ_STORAGE_LOCAL_STORAGE_H

#include "storage/storage.h"

/** The operations on local files. Static storage; their ctx is the `const frz_alloc *`, which
 * outlives every source and sink. */
const frz_storage_ops *frz_local_storage_ops(void);

#endif
