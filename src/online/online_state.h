/*
 * online_state.h - the members of frz_online, for the files that make it up.
 *
 * Locks, in the order in which they are taken: commit_lock (one commit at a time), refresh_lock
 * (one refresh at a time), publish_lock (who replaces the view), lock (everything below it in the
 * struct). Only `lock` is taken by reads, and nothing that waits is done under it.
 */
#ifndef FRZ_ONLINE_ONLINE_STATE_H
#define FRZ_ONLINE_ONLINE_STATE_H

#include <pthread.h>

#include "base/runtime.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/table/table_handle.h"
#include "online/index_files.h"
#include "online/index_view.h"
#include "online/segment_build.h"

typedef struct frz_pending_write frz_pending_write;

struct frz_online {
  frz_context *context;
  const frz_alloc *alloc;
  frz_storage *storage;        /* the table's */
  frz_storage *direct_storage; /* the same for reads of files by key; owned */
  frz_table *table;
  frz_online_options options;
  char *identifier;
  char *cache_dir; /* NULL: memory */
  atomic_int process_id;

  pthread_mutex_t commit_lock;
  pthread_mutex_t refresh_lock;
  pthread_mutex_t publish_lock;
  frz_index_stamp stamp; /* of the index file that was last taken in; under refresh_lock */

  pthread_mutex_t lock;
  pthread_cond_t changed;
  frz_online_layout *layout; /* of the last look */
  frz_index_view *view;      /* NULL: there is no index yet */
  int64_t checked_us;        /* when the last look that succeeded began; 0: none did */
  int64_t failed_us;         /* when one last failed, with `failure` */
  frz_error failure;
  bool wants_look; /* somebody waits for one */
  bool wants_index;
  bool is_stopping;
  bool has_thread;
  pthread_t thread;
  int32_t n_jobs;        /* threads that read directly, or write index files */
  bool is_writing;       /* one of them does */
  bool wants_files;      /* it has: they are to be taken in */
  bool is_compacting;    /* one of them does */
  int32_t n_uncompacted; /* commits since one last began to */
  frz_pending_write *pending;

  atomic_llong last_read_us;
  atomic_llong n_reads, n_keys_read, n_keys_found, n_reads_direct;
  atomic_llong n_builds, n_refreshes, last_refresh_us, n_commits, n_rows_written;
};

/** To be called first by every entry: a child after a fork has none of its parent's threads. */
void frz_online_enter(frz_online *online);

/** What the handle shows now, retained. *view_out NULL: no index. */
void frz_online_current(frz_online *online, frz_index_view **view_out,
                        frz_online_layout **layout_out);

/** Look at the catalog and bring layout and index up to date, on this thread. With `build` an index
 * is made where there is none. */
frz_status frz_online_look(frz_online *online, bool build, bool *changed_out,
                           frz_error *err) FRZ_MUST_CHECK;

/** Wait until a look that began after `since_us` has ended; the handle's thread makes it.
 * `deadline_us` 0: none. FRZ_ERR_TIMEOUT, or the look's failure as FRZ_ERR_STALE. */
frz_status frz_online_await_look(frz_online *online, int64_t since_us, int64_t deadline_us,
                                 frz_error *err) FRZ_MUST_CHECK;

/** Have the handle's thread running, and tell it to build the index where `build`. */
void frz_online_wake(frz_online *online, bool build);

/** The layout of the table's version that the handle shows. */
frz_status frz_online_layout_now(frz_online *online, frz_online_layout **layout_out,
                                 frz_error *err) FRZ_MUST_CHECK;

/* ---- online_refresh.c ---- */

/** Bring the index to the snapshot of `layout`, which the handle shows, or a later one, and show
 * it. Called under refresh_lock. */
frz_status frz_online_update_index(frz_online *online, frz_online_layout *layout,
                                   frz_error *err) FRZ_MUST_CHECK;

/** Segments of a view to be, owned by the list. */
enum { FRZ_ONLINE_PARTS_MAX = 64 };
typedef struct frz_part_list {
  frz_view_part parts[FRZ_ONLINE_PARTS_MAX];
  size_t n;
} frz_part_list;
void frz_part_list_dispose(frz_part_list *list);

/** A commit of this process, to be seen at once. */
typedef struct frz_own_commit {
  int64_t snapshot_id, parent_id, sequence;
  const frz_data_file *files;
  size_t n_files;
  frz_segment_builder *rows;
} frz_own_commit;

/** Put an own commit's rows into the index, if there is one. Called in the order of commits. */
frz_status frz_online_publish_commit(frz_online *online, const frz_own_commit *commit,
                                     frz_error *err) FRZ_MUST_CHECK;

/* ---- online_write.c ---- */

/** Commit files that were written for the layout's table, and have the index follow. Takes the
 * commit lock. */
frz_status frz_online_commit_files(frz_online *online, const frz_online_layout *layout,
                                   const frz_data_file *files, size_t n_files, int64_t n_rows,
                                   int64_t *snapshot_id_out, frz_error *err) FRZ_MUST_CHECK;

/* ---- online_compact.c ---- */

/** After an own commit: have the table compacted every few of them. */
void frz_online_count_commit(frz_online *online);

/* ---- online_files.c ---- */

/** Take in the index files, if there are any that were not seen yet: *loaded_out. Called under
 * refresh_lock, with an empty list; failures are logged. */
void frz_online_load_files(frz_online *online, frz_str uuid, frz_part_list *list,
                           frz_watermark *mark, bool *loaded_out);

/** Become the writer of the table's folder; false: there is no folder, or the handle is closed. */
bool frz_online_lock_folder(frz_online *online, frz_str uuid, frz_index_folder *folder);

/** Save a list that lies in files. Failures are logged. */
void frz_online_save_files(frz_online *online, const frz_index_folder *folder,
                           const frz_part_list *list, const frz_watermark *mark);

/** Let a thread write what is in memory to files, where that has become much. */
void frz_online_write_files_if_due(frz_online *online);

/* ---- online_direct.c ---- */

/** Read keys from the table's files: a view of one segment in memory. */
frz_status frz_online_read_direct(frz_online *online, frz_online_layout *layout,
                                  const frz_bytes *keys, size_t n_keys, frz_index_view **view_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** The same within a time; `deadline_us` 0: without one. */
frz_status frz_online_read_direct_until(frz_online *online, frz_online_layout *layout,
                                        const frz_bytes *keys, size_t n_keys, int64_t deadline_us,
                                        frz_index_view **view_out, frz_error *err) FRZ_MUST_CHECK;

#endif
