/*
 * data_file_write.h - rows into the Parquet data files of a table.
 *
 * Rows are split by partition value, files are rolled at the table's target size, and each file
 * that was written is described with its metrics, ready for a manifest. Nothing is committed to
 * the table here. In a table with a sort order each file is sorted as a whole by it, and says so;
 * no order is kept between files, neither of one partition nor of several: rows are sorted in runs
 * of as many as memory holds (half of what the writer may use for one partition, four times the
 * target size at most), each run a file, or several where it passes the target size. An order that
 * cannot be followed (see sort_plan.h) leaves rows as they come, and files say that they are not
 * sorted. A writer is used by one thread; it works on the context's threads itself.
 *
 * Table properties that are followed, with defaults: write.data.path (<location>/data),
 * write.target-file-size-bytes (512 MiB), write.parquet.compression-codec (zstd),
 * write.parquet.compression-level, write.parquet.row-group-size-bytes (128 MiB),
 * write.parquet.row-group-limit (1048576 rows), write.parquet.page-size-bytes (1 MiB),
 * write.parquet.page-row-limit (20000), write.parquet.dict-size-bytes (2 MiB),
 * write.parquet.page-version (v1), write.parquet.bloom-filter-max-bytes (1 MiB),
 * write.parquet.bloom-filter-enabled.column.<name> (false),
 * write.parquet.bloom-filter-fpp.column.<name> (0.01),
 * write.parquet.bloom-filter-ndv.column.<name> (from the data), frazil.parquet.encodings: "basic"
 * (dictionary and PLAIN), "delta" (default; the delta encodings where they are smaller) or "all"
 * (BYTE_STREAM_SPLIT too, which Spark reads in Iceberg tables alone),
 * write.metadata.metrics.default (truncate(16)), write.metadata.metrics.column.<name>.
 */
#ifndef FRZ_ICEBERG_DATA_FILE_WRITE_H
#define FRZ_ICEBERG_DATA_FILE_WRITE_H

#include "arrow/column.h"
#include "iceberg/manifest/manifest.h"

typedef struct frz_data_file_writer frz_data_file_writer;

/**
 * Start writing. `metadata` and `storage` are retained; `schema` and `spec` are of the metadata (or
 * live as long as the writer). Writes no file yet. FRZ_ERR_INVALID: a table property that cannot be
 * followed; FRZ_ERR_UNSUPPORTED: a transform or a column type that frazil does not write.
 */
frz_status frz_data_file_writer_create(frz_context *context, frz_storage *storage,
                                       frz_table_metadata *metadata, const frz_schema *schema,
                                       const frz_partition_spec *spec,
                                       frz_data_file_writer **writer_out,
                                       frz_error *err) FRZ_MUST_CHECK;

/** Sort files by this order (the schema's) instead of the table's; NULL: rows stay as they come.
 * Before the first rows. The order is borrowed for the writer's life. */
frz_status frz_data_file_writer_sort_by(frz_data_file_writer *writer, const frz_sort_order *order,
                                        frz_error *err) FRZ_MUST_CHECK;

/** The Arrow fields that batches must have: frz_field_to_arrow() of the schema's. Borrowed. */
const frz_arrow_field *frz_data_file_writer_fields(const frz_data_file_writer *writer,
                                                   size_t *n_fields_out);

/**
 * From here on, and before the first row, batches may bring the lineage of rows that were in the
 * table before: two more columns at the end (scan/metadata_columns.h). Rows of batches without them
 * count as new. Called twice, or for a table before format version 3: no change.
 */
frz_status frz_data_file_writer_add_lineage(frz_data_file_writer *writer,
                                            frz_error *err) FRZ_MUST_CHECK;

/** Longer batches cost memory and gain nothing. */
int64_t frz_data_file_writer_batch_rows(const frz_data_file_writer *writer);

/** Write rows. The batch is borrowed for the call. After a failure only free may be called. */
frz_status frz_data_file_writer_write(frz_data_file_writer *writer, const frz_batch *batch,
                                      frz_error *err) FRZ_MUST_CHECK;

/**
 * End all files and describe them in the arena, in the order in which they were closed. No rows:
 * no files. May be called once.
 */
frz_status frz_data_file_writer_finish(frz_data_file_writer *writer, frz_arena *arena,
                                       const frz_data_file **files_out, size_t *n_files_out,
                                       frz_error *err) FRZ_MUST_CHECK;

/** The files belong to the table from here (committed, or perhaps committed): free leaves them. */
void frz_data_file_writer_keep(frz_data_file_writer *writer);

/** End the writer; NULL is accepted. Removes every file it wrote unless they were kept. */
void frz_data_file_writer_free(frz_data_file_writer *writer);

#endif
