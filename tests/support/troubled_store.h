/*
 * troubled_store.h - a storage over another that counts what it is asked and refuses one request.
 */
#ifndef FRZ_TESTS_TROUBLED_STORE_H
#define FRZ_TESTS_TROUBLED_STORE_H

#include <stdatomic.h>

#include "storage/storage.h"

typedef struct frz_troubled_store {
  frz_storage *real;
  long refuse_at; /* this request, and those after it where `all_after`; 0: none */
  bool all_after;
  atomic_long requests; /* opens, creations, commits of files, removals, lists */
  atomic_long n_removed;
} frz_troubled_store;

/** Make a storage over `store->real`, which is retained. The store must outlive it. */
frz_storage *frz_troubled_store_wrap(frz_troubled_store *store, frz_context *context);

#endif
