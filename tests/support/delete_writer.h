/*
 * delete_writer.h - commits position and equality delete files, which frazil itself reads but does
 * not write: for tests, and to hand such tables to other engines.
 */
#ifndef FRZ_TESTS_DELETE_WRITER_H
#define FRZ_TESTS_DELETE_WRITER_H

#include "arrow/column.h"
#include "iceberg/table/table_handle.h"

/** Delete the rows with the keys in `rows`, whose columns are the fields `ids` of the current
 * schema. `spec_id`: of the delete files; the spec's sources must be among the ids. */
frz_status frz_test_delete_keys(frz_table *table, const int32_t *ids, size_t n_ids, int32_t spec_id,
                                const frz_batch *rows, frz_error *err);

/** As above; the files hold all of `ids`, of which the first `n_keys` are the key: a partition may
 * then come from a column that is not compared. */
frz_status frz_test_delete_keys_among(frz_table *table, const int32_t *ids, size_t n_ids,
                                      size_t n_keys, int32_t spec_id, const frz_batch *rows,
                                      frz_error *err);

/** Delete rows by position: a batch of file_path (STRING) and pos (INT64). The delete file gets the
 * partition of the first data file named, and with `bounded` its path bounds. */
frz_status frz_test_delete_positions(frz_table *table, const frz_batch *rows, bool bounded,
                                     frz_error *err);

/** The Arrow fields of such a batch; static storage. */
const frz_arrow_field *frz_test_position_fields(void);

#endif
