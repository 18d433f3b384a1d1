/*
 * online_lake.h - online tables with small random rows, and what a right answer is.
 *
 * A table has the join key driver_id (int64) and a feature of every kind. All features of a row
 * follow from one number, its seed, so that a read row can be compared whole. Helpers end the test
 * on failure.
 */
#ifndef FRZ_TESTS_ONLINE_LAKE_H
#define FRZ_TESTS_ONLINE_LAKE_H

#include "frazil/online.h"
#include "test_lake.h"

enum { FRZ_TEST_FEATURES = 11, FRZ_TEST_KEY_BYTES = 37 };

typedef struct frz_test_row {
  int64_t driver;
  int64_t event_us;
  int64_t created_us; /* INT64_MIN: null */
  int64_t seed;       /* negative: every feature is null */
} frz_test_row;

/** Create "ns.<name>". `partition_spec` NULL: bucket[4] of driver_id. */
void frz_test_online_table(frz_test_lake *lake, const char *name, const char *partition_spec);

/** Open it with a timeout that no slow machine reaches; NULL options: defaults but for that. */
frz_online *frz_test_online_open(frz_test_lake *lake, const char *name,
                                 const frz_online_options *options);

/** The serialized entity key of a driver. */
void frz_test_entity_key(int64_t driver, uint8_t key_out[FRZ_TEST_KEY_BYTES]);

/** Rows as a stream. */
void frz_test_online_rows(const frz_test_row *rows, size_t n, const frz_alloc *alloc,
                          struct ArrowArrayStream *stream_out);

frz_status frz_test_online_write(frz_online *online, const frz_test_row *rows, size_t n,
                                 frz_error *err);

/** Read one driver: found with exactly this row's times and values? */
bool frz_test_online_has(frz_online *online, const frz_test_row *row);
/** ... or not found at all? */
bool frz_test_online_lacks(frz_online *online, int64_t driver);

/** Is key `i` of a result, which has all features, this row? */
bool frz_test_result_is(const frz_online_result *result, size_t i, const frz_test_row *row);

/** Read drivers into a result (made where *result is NULL). */
frz_status frz_test_online_read(frz_online *online, const int64_t *drivers, size_t n,
                                frz_online_result **result, frz_error *err);

#endif
