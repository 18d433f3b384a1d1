/*
 * random_columns.h - schemas and rows made from bytes: of a fuzzer, or of a seeded generator.
 *
 * Only types that a Parquet file gives back as they are: no seconds, no durations, list elements
 * named "element".
 */
#ifndef FRZ_TESTS_RANDOM_COLUMNS_H
#define FRZ_TESTS_RANDOM_COLUMNS_H

#include "arrow/column.h"

/** Where choices come from: `data` first; then the generator, or zeros when `state` is 0. */
typedef struct frz_feed {
  const uint8_t *data;
  size_t size;
  size_t pos;
  uint64_t state;
} frz_feed;

/** A choice in [0, bound); bound > 0. */
uint64_t frz_feed_choose(frz_feed *feed, uint64_t bound);

/** A field of the given kind, with random parameters, children and nullability; NULL memory: false.
 */
bool frz_random_field(frz_feed *feed, frz_arena *arena, frz_arrow_kind kind, int depth,
                      int32_t *next_id, frz_arrow_field *field_out);

/** A kind that frz_random_field() makes. */
frz_arrow_kind frz_random_kind(frz_feed *feed, bool nested);

/** Append rows to a column of the field. */
frz_status frz_random_rows(frz_feed *feed, const frz_arrow_field *field, frz_column *column,
                           int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Fields of kinds at random, the arena's, and a batch of rows for them. */
frz_status frz_random_batch(frz_feed *feed, frz_arena *arena, int depth, frz_arrow_field *fields,
                            size_t n_fields, int64_t n_rows, frz_batch *batch_out) FRZ_MUST_CHECK;

#endif
