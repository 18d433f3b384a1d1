/*
 * metadata_columns.h - columns that every table has without its schema saying so: _file, _pos,
 * _row_id and _last_updated_sequence_number.
 *
 * The last two are a row's lineage (format version 3). Who writes rows of a table again, in
 * another file, carries it along:
 *
 *   frz_projection_add_lineage(&projection, ...);  two more columns at the end of each batch
 *   frz_data_file_writer_add_lineage(writer, ...); takes them (write/data_file_write.h)
 *
 * Rows that are moved go from one to the other as they are. Of rows that are changed the row id
 * stays and the sequence number becomes null, which stands for that of the commit:
 * frz_batch_append_lineage() makes both columns. New rows are given to the writer without them.
 * For tables of older versions all of this does nothing, so that callers need not ask.
 *
 * Source: Iceberg specification, "Reserved Field IDs", "Row Lineage".
 */
#ifndef FRZ_ICEBERG_METADATA_COLUMNS_H
#define FRZ_ICEBERG_METADATA_COLUMNS_H

#include "iceberg/scan/file_read.h"

enum {
  FRZ_FIELD_ID_FILE = 2147483646,
  FRZ_FIELD_ID_POS = 2147483645,
  FRZ_FIELD_ID_ROW_ID = 2147483540,
  FRZ_FIELD_ID_LAST_UPDATED = 2147483539,
  FRZ_LINEAGE_COLUMNS = 2 /* row id, then last updated */
};

/** The column of that name; NULL: none has it. Static storage. */
const frz_field *frz_metadata_column_find(frz_str name, bool case_sensitive);

/** Is a field one of the above? */
bool frz_is_metadata_column(const frz_field *field);

/** Not stored in data files: the value follows from file and position alone. */
bool frz_metadata_column_is_computed(const frz_field *field);

/**
 * Finish a metadata column of `n_rows` rows. `column_inout` holds what the data file stores (all
 * nulls where it stores nothing); of computed columns it comes zeroed. `positions` are the rows'
 * positions in the file. On failure the column is still the caller's to dispose of.
 */
frz_status frz_metadata_column_fill(const frz_field *field, const frz_arrow_field *target,
                                    const frz_scan_task *task, const int64_t *positions,
                                    int64_t n_rows, const frz_alloc *alloc,
                                    frz_column *column_inout, frz_error *err) FRZ_MUST_CHECK;

/* ---- lineage ---- */

/** The Arrow fields of the lineage columns, FRZ_LINEAGE_COLUMNS of them. */
frz_status frz_lineage_fields(frz_arena *arena, const frz_arrow_field **fields_out,
                              frz_error *err) FRZ_MUST_CHECK;

/** Add the lineage columns behind the others. Before format version 3: no change. */
frz_status frz_projection_add_lineage(frz_projection *projection, frz_arena *arena,
                                      frz_error *err) FRZ_MUST_CHECK;

/** Add the lineage columns to a batch that has none, of n_rows values each; -1 is null.
 * `sequence_numbers` NULL: all null. */
frz_status frz_batch_append_lineage(frz_batch *batch, const int64_t *row_ids,
                                    const int64_t *sequence_numbers, frz_error *err) FRZ_MUST_CHECK;

#endif
