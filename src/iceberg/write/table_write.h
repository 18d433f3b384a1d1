/*
 * table_write.h - what append, overwrite and delete share.
 */
#ifndef FRZ_ICEBERG_TABLE_WRITE_H
#define FRZ_ICEBERG_TABLE_WRITE_H

#include "iceberg/scan/scan_plan.h"
#include "iceberg/write/data_file_write.h"
#include "iceberg/write/snapshot_producer.h"

/** Copy the caller's options over the defaults. `options` may be NULL. */
frz_status frz_write_options_read(const frz_write_options *options, frz_write_options *filled_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** A writer of the table's current schema and default spec; checks that the table is writable. */
frz_status frz_table_open_writer(frz_table *table, frz_table_metadata *metadata,
                                 frz_data_file_writer **writer_out, frz_error *err) FRZ_MUST_CHECK;

/** Write a whole stream, conformed to the current schema. The stream is consumed. */
frz_status frz_table_write_stream(frz_table *table, const frz_table_metadata *metadata,
                                  struct ArrowArrayStream *data, const frz_write_options *options,
                                  frz_data_file_writer *writer, int64_t *n_rows_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Which files a filter takes out of a table, after the rows to keep were written again. */
typedef struct frz_row_removal {
  frz_arena arena;
  frz_scan_plan plan;
  frz_data_file *removed;
  size_t n_removed;
  int64_t n_rows_removed; /* that match the filter; in files dropped whole: all their rows */
  frz_conflict_rules rules;
} frz_row_removal;

/**
 * Find the files with rows that match `filter` (NULL: every row). Files that match in part are read
 * and their other rows given to `writer`. Nothing is committed. Ended by the next call, also after
 * a failure.
 */
frz_status frz_row_removal_make(frz_table *table, const frz_table_metadata *metadata,
                                const char *filter, bool case_sensitive,
                                frz_data_file_writer *writer, frz_row_removal *removal_out,
                                frz_error *err) FRZ_MUST_CHECK;
void frz_row_removal_dispose(frz_row_removal *removal);

#endif
