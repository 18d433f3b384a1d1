/*
 * delete_file_write.h - positions of deleted rows into delete files.
 *
 * In format version 2 they become position delete files, a Parquet file for each data file or for
 * each partition (table property "write.delete.granularity": file, which is the default, or
 * partition). In version 3 they become deletion vectors, all in one Puffin file. Nothing is
 * committed to the table here. A writer is used by one thread.
 *
 * Source: Iceberg specification, "Position Delete Files", "Deletion Vectors"; Puffin,
 * "deletion-vector-v1".
 */
#ifndef FRZ_ICEBERG_DELETE_FILE_WRITE_H
#define FRZ_ICEBERG_DELETE_FILE_WRITE_H

#include "codec/roaring.h"
#include "iceberg/manifest/manifest.h"

typedef struct frz_delete_file_writer frz_delete_file_writer;

/** Start writing for a table of version 2 or 3. `metadata` and `storage` are retained. Writes no
 * file yet. FRZ_ERR_INVALID: a granularity that is not known. */
frz_status frz_delete_file_writer_create(frz_context *context, frz_storage *storage,
                                         frz_table_metadata *metadata,
                                         frz_delete_file_writer **writer_out,
                                         frz_error *err) FRZ_MUST_CHECK;

/** Take the deleted rows of a data file, which must not be empty; once a file. `file` is borrowed
 * until the writer is freed, the bitmap is the writer's from here (on failure too). */
frz_status frz_delete_file_writer_add(frz_delete_file_writer *writer, const frz_data_file *file,
                                      frz_roaring *positions, frz_error *err) FRZ_MUST_CHECK;

/** Write all files and describe them in the arena. May be called once. */
frz_status frz_delete_file_writer_finish(frz_delete_file_writer *writer, frz_arena *arena,
                                         const frz_data_file **files_out, size_t *n_files_out,
                                         frz_error *err) FRZ_MUST_CHECK;

/** The files belong to the table from here (committed, or perhaps committed): free leaves them. */
void frz_delete_file_writer_keep(frz_delete_file_writer *writer);

/** End the writer; NULL is accepted. Removes every file it wrote unless they were kept. */
void frz_delete_file_writer_free(frz_delete_file_writer *writer);

#endif
