/*
 * table_write.h - what append, overwrite and delete share; changes that are written and not yet
 * committed, of one table or of several.
 */
#ifndef FRZ_ICEBERG_TABLE_WRITE_H
#define FRZ_ICEBERG_TABLE_WRITE_H

#include "iceberg/write/row_removal.h"

/** Copy the caller's options over the defaults. `options` may be NULL. */
frz_status frz_write_options_read(const frz_write_options *options, frz_write_options *filled_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** A change of one table up to its commit. Its files are removed by dispose, unless a commit of it
 * was tried. */
typedef struct frz_staged_write {
  frz_table *table;
  frz_table_metadata *metadata; /* planned on; retained */
  frz_write_options options;
  frz_arena arena;
  frz_data_file_writer *writer;
  frz_row_removal removal;    /* zeroed: no rows are removed */
  frz_snapshot_change change; /* nothing added or removed: there is nothing to commit */
  frz_write_result result;
} frz_staged_write;

/** Read the options. Disposed of after a failure, too. */
frz_status frz_staged_write_open(frz_staged_write *staged, frz_table *table,
                                 const frz_write_options *options, frz_error *err) FRZ_MUST_CHECK;
void frz_staged_write_dispose(frz_staged_write *staged);

/** Write rows to append. The stream is consumed. */
frz_status frz_append_stage(frz_staged_write *staged, struct ArrowArrayStream *data,
                            frz_error *err) FRZ_MUST_CHECK;

/** Remove the rows that match (`filter` NULL: every row), write others (`data` NULL: none). */
frz_status frz_overwrite_stage(frz_staged_write *staged, struct ArrowArrayStream *data,
                               const char *filter, frz_error *err) FRZ_MUST_CHECK;

/** Commit, where there is something to. `result_out` may be NULL. */
frz_status frz_staged_write_commit(frz_staged_write *staged, frz_write_result *result_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** Write the changes, of several tables of one catalog that has commit_tables(), then commit all or
 * none. Streams are consumed, some of them not where it fails. */
frz_status frz_table_changes_commit(const frz_table_change *changes, size_t n_changes,
                                    frz_write_result *results_out, frz_error *err) FRZ_MUST_CHECK;

/** A writer of the table's current schema and default spec; checks that the table is writable. */
frz_status frz_table_open_writer(frz_table *table, frz_table_metadata *metadata,
                                 frz_data_file_writer **writer_out, frz_error *err) FRZ_MUST_CHECK;

/** Write a whole stream, conformed to the current schema. The stream is consumed. */
frz_status frz_table_write_stream(frz_table *table, const frz_table_metadata *metadata,
                                  struct ArrowArrayStream *data, const frz_write_options *options,
                                  frz_data_file_writer *writer, int64_t *n_rows_out,
                                  frz_error *err) FRZ_MUST_CHECK;

#endif
