/*
 * memory_store.h - a storage whose files are in memory, for tests.
 *
 * A name that begins with "golden/" and was not written is read from tests/golden/<folder>.
 */
#ifndef FRZ_TESTS_MEMORY_STORE_H
#define FRZ_TESTS_MEMORY_STORE_H

#include "storage/storage.h"

enum { FRZ_MEMORY_FILES_MAX = 64 };

typedef struct frz_memory_file {
  char name[128];
  frz_buf data;
} frz_memory_file;

typedef struct frz_memory_store {
  const char *golden; /* the folder below tests/golden/; NULL: none */
  frz_memory_file files[FRZ_MEMORY_FILES_MAX];
  size_t n_files;
} frz_memory_store;

/** The operations; the store is their context and must outlive the storage. */
frz_storage_ops frz_memory_store_ops(void);

/** Set a file's bytes. */
void frz_memory_store_put(frz_memory_store *store, const char *name, const void *data, size_t size);

/** NULL where there is none. */
frz_buf *frz_memory_store_find(frz_memory_store *store, const char *name);

/** Forget and free all files. */
void frz_memory_store_clear(frz_memory_store *store);

#endif
