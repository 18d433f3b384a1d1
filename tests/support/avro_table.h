/*
 * avro_table.h - data and delete files in Avro, which frazil reads but does not write: for tests.
 */
#ifndef FRZ_TESTS_AVRO_TABLE_H
#define FRZ_TESTS_AVRO_TABLE_H

#include "avro/avro_file.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/table/table_handle.h"
#include "test_lake.h"

/** A file being written beside a table, and what its manifest will say of it. */
typedef struct frz_test_avro {
  char path[400];
  frz_sink *sink;
  frz_avro_writer *writer;
  frz_data_file described;
} frz_test_avro;

/** Start the file `name` in the lake's folder; helpers end the test on failure. */
void frz_test_avro_begin(frz_test_avro *file, frz_table *table, const frz_test_lake *lake,
                         const char *name, const char *schema);
void frz_test_avro_long(frz_test_avro *file, int64_t value);
void frz_test_avro_text(frz_test_avro *file, const char *text);
void frz_test_avro_end_row(frz_test_avro *file);

/** Rows as frz_test_rows() makes them: id and, if wanted, an optional name. */
void frz_test_avro_rows(frz_test_avro *file, int64_t first, int64_t n, bool with_names);

/** End the file and commit it as `described` says. */
void frz_test_avro_commit(frz_table *table, frz_test_avro *file);

/** All of that: a data file of such rows. */
void frz_test_avro_add(frz_table *table, const frz_test_lake *lake, const char *name,
                       const char *schema, int64_t first, int64_t n, bool with_names,
                       frz_test_avro *file_out);

/** Commit any file, which may not be there. */
frz_status frz_test_add_file(frz_table *table, const frz_data_file *described, frz_error *err);

#endif
