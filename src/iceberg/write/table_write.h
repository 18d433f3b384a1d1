/*
 * table_write.h - what append, overwrite and delete share.
 */
#ifndef FRZ_ICEBERG_TABLE_WRITE_H
#define FRZ_ICEBERG_TABLE_WRITE_H

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

#endif
