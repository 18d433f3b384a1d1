/*
 * table_handle.h - the inside of frz_table, and the port that a catalog implements to load and
 * commit it.
 */
#ifndef FRZ_ICEBERG_TABLE_HANDLE_H
#define FRZ_ICEBERG_TABLE_HANDLE_H

#include "frazil/table.h"
#include "iceberg/metadata/metadata_update.h"
#include "storage/storage.h"

/** A catalog's promise that nobody else commits to a table meanwhile; of the catalog's own form. */
typedef struct frz_commit_turn frz_commit_turn;

/** One loaded version; the holder releases the metadata and disposes of the location. */
typedef struct frz_loaded_table {
  frz_table_metadata *metadata;
  frz_string location;   /* of the metadata file */
  frz_commit_turn *turn; /* it was loaded in, and is to be committed to in; NULL: none */
} frz_loaded_table;

/** One attempt at a commit. */
typedef struct frz_commit_attempt {
  const frz_requirement *requirements;
  size_t n_requirements;
  const frz_metadata_update *updates;
  size_t n_updates;
  int64_t snapshot_id; /* 0: none is added */
} frz_commit_attempt;

/** One table of a commit to several. */
typedef struct frz_commit_part {
  const char *identifier;
  const frz_loaded_table *base;
  const frz_commit_attempt *attempt;
} frz_commit_part;

/** What a table needs of its catalog. Any thread. */
typedef struct frz_commit_port {
  int32_t version; /* 1 */
  frz_status (*load)(void *ctx, const char *identifier, frz_loaded_table *loaded_out,
                     frz_error *err);
  /**
   * Swap `base` for base + updates. FRZ_ERR_CONFLICT: nothing happened, reload and retry.
   * FRZ_ERR_COMMIT_UNKNOWN: it may have happened. Any other failure: nothing happened.
   */
  frz_status (*commit)(void *ctx, const char *identifier, const frz_loaded_table *base,
                       const frz_requirement *requirements, size_t n_requirements,
                       const frz_metadata_update *updates, size_t n_updates,
                       frz_loaded_table *loaded_out, frz_error *err);
  void (*retain)(void *ctx);
  void (*release)(void *ctx);
  /**
   * May be NULL. As `load`, but where the table's metadata file is still `known_location` nothing
   * is read and *changed_out is false.
   */
  frz_status (*load_newer)(void *ctx, const char *identifier, frz_str known_location,
                           frz_loaded_table *loaded_out, bool *changed_out, frz_error *err);
  const char *read_only; /* why there are no commits here; NULL: there are */
  /**
   * May be NULL, with `end_turn`. Wait in the catalog's queue for the table, where it has one: what
   * is loaded from then until end_turn() is not replaced by others who queue. *turn_out NULL: there
   * is no queue for this table. `base` is any version of it.
   */
  frz_status (*take_turn)(void *ctx, const char *identifier, const frz_loaded_table *base,
                          frz_commit_turn **turn_out, frz_error *err);
  void (*end_turn)(void *ctx, frz_commit_turn *turn);
  /** May be NULL. As `commit` for several tables: all of them or none. What they are then has to be
   * loaded. */
  frz_status (*commit_tables)(void *ctx, const frz_commit_part *parts, size_t n_parts,
                              frz_error *err);
} frz_commit_port;

/** Make a handle; takes `loaded`, retains port and storage. */
frz_status frz_table_create_handle(frz_context *context, const char *identifier,
                                   const frz_commit_port *port, void *port_ctx,
                                   frz_storage *storage, frz_loaded_table *loaded,
                                   frz_table **table_out, frz_error *err) FRZ_MUST_CHECK;

void frz_loaded_table_dispose(frz_loaded_table *loaded);

/** FRZ_ERR_UNSUPPORTED where the table's catalog takes no commits: asked before files are written.
 */
frz_status frz_table_check_commits(const frz_table *table, frz_error *err) FRZ_MUST_CHECK;

/** FRZ_ERR_INVALID where a commit would refuse a property on how to retry: asked before files are
 * written too. */
frz_status frz_table_check_retries(const frz_table_metadata *metadata,
                                   frz_error *err) FRZ_MUST_CHECK;

frz_context *frz_table_context(const frz_table *table);
frz_storage *frz_table_storage(const frz_table *table);

/** The version the handle shows now, retained for the caller. */
frz_table_metadata *frz_table_current(const frz_table *table);

/** As above, with the location of its file. */
frz_status frz_table_current_loaded(const frz_table *table, frz_loaded_table *loaded_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/**
 * Commit with retry. `prepare` is called on each attempt with the version to build on, and gives
 * requirements and updates that stay alive until the next call or the end; FRZ_OK with no updates
 * means there is nothing to do. Retries CONFLICT with full jitter until
 * "commit.retry.total-timeout-ms" (30 minutes) or "commit.retry.num-retries" (default here 100) is
 * reached. On COMMIT_UNKNOWN the table is loaded again and searched for `snapshot_id_of` the
 * attempt (0: no snapshot: stays unknown).
 */
frz_status frz_table_commit(frz_table *table,
                            frz_status (*prepare)(void *arg, const frz_table_metadata *base,
                                                  frz_commit_attempt *attempt_out, frz_error *err),
                            void *arg, frz_error *err) FRZ_MUST_CHECK;

/** The same for changes of properties: a wrong value of those above does not stop them, or nothing
 * could put it right. */
frz_status frz_table_commit_properties(frz_table *table,
                                       frz_status (*prepare)(void *arg,
                                                             const frz_table_metadata *base,
                                                             frz_commit_attempt *attempt_out,
                                                             frz_error *err),
                                       void *arg, frz_error *err) FRZ_MUST_CHECK;

/** One table of frz_tables_commit(); `prepare` as for frz_table_commit(), and there is something to
 * do. */
typedef struct frz_table_commit_job {
  frz_table *table;
  frz_status (*prepare)(void *arg, const frz_table_metadata *base, frz_commit_attempt *attempt_out,
                        frz_error *err);
  void *arg;
} frz_table_commit_job;

/** Commit to several tables of one catalog, which has commit_tables(), each once: all or none.
 * Conflicts and unknown outcomes as above; the first table says how to retry. */
frz_status frz_tables_commit(const frz_table_commit_job *jobs, size_t n_jobs,
                             frz_error *err) FRZ_MUST_CHECK;

/** Is the table of this catalog: one whose port_ctx it has? */
bool frz_table_is_of(const frz_table *table, const void *port_ctx);

/** The folder of a table's metadata files, by "write.metadata.path" or "<location>/metadata"; data
 * NULL when the arena refuses. */
frz_str frz_metadata_folder(const frz_table_metadata *metadata, frz_arena *arena);

/** The folder of a table's data and delete files, by "write.data.path" or "<location>/data"; data
 * NULL when the arena refuses. */
frz_str frz_data_folder(const frz_table_metadata *metadata, frz_arena *arena);

/** For pointer catalogs: check requirements, apply updates, write the next metadata file
 * ("<location>/metadata/<version>-<uuid>.metadata.json", gzip by property) and return it. */
frz_status frz_metadata_write_next(frz_context *context, frz_storage *storage,
                                   const frz_loaded_table *base,
                                   const frz_requirement *requirements, size_t n_requirements,
                                   const frz_metadata_update *updates, size_t n_updates,
                                   frz_loaded_table *next_out, frz_error *err) FRZ_MUST_CHECK;

/** Write version 0 of a new table's metadata. */
frz_status frz_metadata_write_first(frz_context *context, frz_storage *storage,
                                    frz_table_metadata *metadata, frz_loaded_table *first_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** After a commit: remove the metadata files that fell out of the metadata log, where
 * "write.metadata.delete-after-commit.enabled" is set. Failures are passed over. */
void frz_metadata_remove_trimmed(frz_context *context, frz_storage *storage,
                                 const frz_table_metadata *before, const frz_table_metadata *after);

/** Read a metadata file. */
frz_status frz_metadata_read(frz_context *context, frz_storage *storage, frz_str location,
                             frz_loaded_table *loaded_out, frz_error *err) FRZ_MUST_CHECK;

#endif
