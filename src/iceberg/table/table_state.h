/*
 * table_state.h - the members of frz_table, for the files that make up the handle.
 */
#ifndef FRZ_ICEBERG_TABLE_STATE_H
#define FRZ_ICEBERG_TABLE_STATE_H

#include <pthread.h>

#include "iceberg/table/table_handle.h"

/**
 * `current` is read and replaced under `lock` only, and never changed in place: readers retain
 * the metadata. `commit_lock` makes commits of one handle take turns; it is taken before `lock`.
 * `is_contended` is read and written under `commit_lock`.
 */
struct frz_table {
  frz_context *context;
  const frz_alloc *alloc;
  frz_storage *storage;
  const frz_commit_port *port;
  void *port_ctx;
  frz_string identifier;
  pthread_mutex_t lock;
  pthread_mutex_t commit_lock;
  bool is_contended; /* others won lately, and the port has turns: take one first */
  frz_loaded_table current;
};

/** Show another version from here on; takes `loaded` and leaves it empty. */
void frz_table_publish(frz_table *table, frz_loaded_table *loaded);

#endif
