/*
 * test_lake.h - a catalog in a temporary folder, with small tables to write and read.
 *
 * Tables have the columns id (long) and name (string); row i has the id i and the name "n<i>",
 * null for every seventh. Helpers end the test on failure.
 */
#ifndef FRZ_TESTS_TEST_LAKE_H
#define FRZ_TESTS_TEST_LAKE_H

#include "frazil/frazil.h"

typedef struct frz_test_lake {
  char folder[256];
  frz_context *context;
  frz_catalog *catalog;
} frz_test_lake;

/** End the test with err's message unless `status` is FRZ_OK. */
void frz_test_ok(frz_status status, const frz_error *err);

/** A fresh folder with an SQL catalog that has the namespace "ns". `alloc` NULL: the default. */
void frz_test_lake_open(frz_test_lake *lake, const frz_alloc *alloc);
void frz_test_lake_close(frz_test_lake *lake);

/** Open the folder's catalog once more, as another process would. */
frz_catalog *frz_test_lake_connect(const frz_test_lake *lake, frz_context *context);

/** Create "ns.<name>". `partition_spec` may be NULL; properties end with a NULL key. */
frz_table *frz_test_lake_table(frz_test_lake *lake, const char *name, const char *partition_spec,
                               const frz_property *properties);

/** The rows [first, first + n_rows) as a stream. */
void frz_test_rows(int64_t first, int64_t n_rows, const frz_alloc *alloc,
                   struct ArrowArrayStream *stream_out);

/** Append those rows. */
frz_status frz_test_append(frz_table *table, int64_t first, int64_t n_rows, frz_error *err);

/** What a scan gives. */
typedef struct frz_test_sum {
  int64_t n_rows;
  int64_t id_sum;
  int64_t n_null_names;
} frz_test_sum;
frz_test_sum frz_test_scan(frz_table *table, const char *filter);

enum { FRZ_TEST_VALUE_BYTES = 128 };

/** A value of the current snapshot's summary; "" where it is absent. */
void frz_test_summary(frz_table *table, const char *key, char value_out[FRZ_TEST_VALUE_BYTES]);

/** Files below a folder of the lake whose names end with `suffix`. */
size_t frz_test_count_files(const frz_test_lake *lake, const char *below, const char *suffix);

#endif
