/*
 * snapshot_producer.h - from files that were added and removed to a committed snapshot.
 *
 * A producer describes one change. frz_snapshot_commit() builds manifests and a manifest list on
 * the version the table has, commits, and on conflict builds again on the version that won: the
 * snapshot id and the manifests stay the same over all attempts, the manifest list is new.
 */
#ifndef FRZ_ICEBERG_SNAPSHOT_PRODUCER_H
#define FRZ_ICEBERG_SNAPSHOT_PRODUCER_H

#include "base/map.h"
#include "iceberg/filter/expression.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/table/table_handle.h"

typedef struct frz_snapshot_producer frz_snapshot_producer;

/** What a commit makes sure of when others committed since the change was planned. */
typedef struct frz_conflict_rules {
  int64_t starting_snapshot_id; /* the change was planned on it; -1: the table was empty */
  const frz_schema *schema;     /* `filter` is bound to it */
  const frz_expr *filter;       /* the rows the change read or removes; NULL: every row */
  bool allow_new_rows;         /* snapshot isolation: new rows that match are none of our concern */
  bool refuse_deletes;         /* rows of kept files are written anew: others must not have */
  bool allow_equality_deletes; /* the added files are older than these: they go on applying */
} frz_conflict_rules;

/**
 * How a change puts the table's manifests in another order. `rewrite` is called on each attempt
 * with those of the parent that list live files, and gives the ones to list in their place, in the
 * arena (which lives as long as the attempt) or of its own. The same files must be live.
 * `*changed_out` false: there is nothing to do, and no snapshot is made.
 */
typedef struct frz_manifest_rewrite {
  frz_status (*rewrite)(void *arg, const frz_table_metadata *base, int64_t snapshot_id,
                        const frz_manifest_file *manifests, size_t n_manifests, frz_arena *arena,
                        const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                        bool *changed_out, frz_error *err);
  void *arg;
} frz_manifest_rewrite;

/** One change; what it points to is borrowed until frz_snapshot_commit() returns. */
typedef struct frz_snapshot_change {
  const char *operation;      /* "append", "overwrite", "delete" or "replace" */
  const frz_data_file *added; /* data and delete files */
  size_t n_added;
  const frz_data_file *removed; /* data and delete files: named by frz_data_file_key() */
  size_t n_removed;
  const frz_str *kept_paths; /* data files some of whose rows are deleted: they must stay */
  size_t n_kept_paths;
  int64_t added_sequence_number; /* data sequence number of the added files; -1: the snapshot's */
  const int64_t *added_sequence_numbers; /* of each added file; NULL: the one above is all files' */
  const frz_conflict_rules *rules;       /* NULL: an append, which conflicts with nothing */
  const char *branch;                    /* to commit to; NULL: "main" */
  const frz_manifest_rewrite *rewrite;   /* NULL: manifests are carried over, small ones joined */
  const frz_property *properties;        /* for the summary */
  size_t n_properties;
} frz_snapshot_change;

/**
 * Commit a change to its branch. FRZ_ERR_CONFLICT: another commit added rows that match the rules'
 * filter, or touched a file that the change removes or deletes rows of; the message names the file.
 * Nothing that was written is deleted on failure.
 */
frz_status frz_snapshot_commit(frz_table *table, const frz_snapshot_change *change,
                               int64_t *snapshot_id_out, frz_error *err) FRZ_MUST_CHECK;

/** A change, and the table that it is of. */
typedef struct frz_table_snapshot_change {
  frz_table *table;
  const frz_snapshot_change *change;
  int64_t snapshot_id; /* set by the commit */
} frz_table_snapshot_change;

/** Commit changes of several tables of one catalog, all or none: see frz_tables_commit(). */
frz_status frz_snapshots_commit(frz_table_snapshot_change *changes, size_t n,
                                frz_error *err) FRZ_MUST_CHECK;

/** FRZ_ERR_UNSUPPORTED for tables whose format version frazil does not write, and encrypted ones.
 */
frz_status frz_table_check_writable(const frz_table_metadata *metadata,
                                    frz_error *err) FRZ_MUST_CHECK;

/** The last snapshot of a branch (NULL: "main"); NULL where "main" has none yet.
 * FRZ_ERR_NOT_FOUND: there is no such branch. FRZ_ERR_INVALID: it is a tag. */
frz_status frz_branch_head(const frz_table_metadata *metadata, const char *branch,
                           const frz_snapshot **head_out, frz_error *err) FRZ_MUST_CHECK;

/** Append what tells a file from every other of a table: its path, and for deletion vectors, many
 * of which share a path, also the place. */
frz_status frz_data_file_key(const frz_data_file *file, frz_buf *out,
                             frz_error *err) FRZ_MUST_CHECK;

/* ---- parts, in files of their own ---- */

/** The summary of a change: counts, totals carried on from the parent (NULL: none), properties. */
frz_status frz_snapshot_summarize(const frz_snapshot_change *change, const frz_table_metadata *base,
                                  const frz_snapshot *parent, frz_arena *arena,
                                  frz_str *summary_out, frz_error *err) FRZ_MUST_CHECK;

/** Check the rules against every snapshot between the start and `head` (NULL: none).
 * `removed_keys` is the change's removed files. */
frz_status frz_conflicts_check(frz_storage *storage, const frz_table_metadata *base,
                               const frz_snapshot *head, const frz_snapshot_change *change,
                               const frz_map *removed_keys, const frz_alloc *alloc,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
