/*
 * row_removal.h - rows to take out of the data files of a table, by copy-on-write or merge-on-read.
 *
 * A matcher finds the rows file by file: by a filter, by keys. What follows is the same for all of
 * them. A file that loses every live row is dropped whole. Of any other, copy-on-write writes the
 * rest anew and drops the file; merge-on-read leaves the file and writes the positions of the rows
 * as position deletes (format version 2) or as its deletion vector (3), which takes the place of
 * the one it had and of older position delete files of that file alone.
 *
 * Source: Iceberg specification, "Row-level Deletes", "Deletion Vectors".
 */
#ifndef FRZ_ICEBERG_ROW_REMOVAL_H
#define FRZ_ICEBERG_ROW_REMOVAL_H

#include "iceberg/scan/file_read.h"
#include "iceberg/scan/scan_plan.h"
#include "iceberg/write/data_file_write.h"
#include "iceberg/write/delete_file_write.h"
#include "iceberg/write/snapshot_producer.h"

/** What the removal is for: which table properties rule mode and isolation. */
typedef enum frz_removal_cause {
  FRZ_REMOVAL_DELETE, /* write.delete.mode, write.delete.isolation-level */
  FRZ_REMOVAL_UPDATE  /* write.update.mode, write.update.isolation-level */
} frz_removal_cause;

/** One removal under way; what is above the line is for matchers to read. */
typedef struct frz_row_removal {
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata; /* borrowed */
  const frz_schema *schema;     /* the current one */
  frz_scan_plan plan;           /* files that may hold rows to remove */
  frz_delete_cache *deletes;
  frz_projection all_columns; /* no filter */
  /* ---- */
  frz_arena arena;
  bool merges_on_read;
  const char *branch;
  frz_projection no_columns;
  frz_data_file_writer *writer; /* borrowed: rows that are kept */
  frz_delete_file_writer *delete_writer;
  frz_data_file *removed; /* data files, and delete files that go with them */
  size_t n_removed, removed_capacity;
  frz_str *kept_paths;
  size_t n_kept_paths, kept_capacity;
  int64_t n_data_files_removed;
  int64_t n_delete_files_added;
  int64_t n_rows_removed; /* rows that were alive */
  frz_conflict_rules rules;
} frz_row_removal;

/** What a matcher found in one data file. */
typedef struct frz_row_match {
  frz_roaring *positions; /* live rows to remove; empty at first */
  bool is_all;            /* every live row goes, whatever the positions say */
  int64_t n_live_rows;    /* -1: not counted */
} frz_row_match;

typedef struct frz_row_matcher {
  void *self;
  frz_status (*match)(void *self, const frz_row_removal *removal, const frz_scan_task *task,
                      frz_row_match *match, frz_error *err);
} frz_row_matcher;

/**
 * Plan a removal on a branch's head. `filter` (NULL: every row) is bound to the current schema and
 * true of every row that a matcher may remove; it, `metadata`, the options and `writer` are
 * borrowed. Ended by frz_row_removal_dispose(), also after a failure. FRZ_ERR_INVALID: a mode or an
 * isolation level that is not known, or that the format version does not have.
 */
frz_status frz_row_removal_open(frz_table *table, frz_table_metadata *metadata,
                                const frz_write_options *options, frz_removal_cause cause,
                                const frz_expr *filter, frz_data_file_writer *writer,
                                frz_row_removal *removal_out, frz_error *err) FRZ_MUST_CHECK;

/** Remove from every planned file what the matcher finds in it. Rows to keep go to the writer. */
frz_status frz_row_removal_run(frz_row_removal *removal, const frz_row_matcher *matcher,
                               frz_error *err) FRZ_MUST_CHECK;

/** Write the delete files and describe the change, whose added data files are set, in `arena`: all
 * but its properties. With nothing added and removed there is nothing to commit. */
frz_status frz_row_removal_finish(frz_row_removal *removal, frz_arena *arena,
                                  frz_snapshot_change *change, frz_error *err) FRZ_MUST_CHECK;

/** The delete files belong to the table from here (committed, or perhaps committed). */
void frz_row_removal_keep(frz_row_removal *removal);
void frz_row_removal_dispose(frz_row_removal *removal);

#endif
