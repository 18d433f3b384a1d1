/*
 * segment_build.h - make a segment: the winner of each key among rows that come in any order.
 */
#ifndef FRZ_ONLINE_SEGMENT_BUILD_H
#define FRZ_ONLINE_SEGMENT_BUILD_H

#include "arrow/column.h"
#include "base/runtime.h"
#include "online/segment.h"

typedef struct frz_segment_builder frz_segment_builder;

typedef struct frz_segment_plan {
  frz_str table_uuid;
  int32_t schema_id;
  const frz_stored_column *columns; /* copied */
  size_t n_columns;
  size_t n_lanes;        /* threads that add rows at once, each with a lane of its own */
  int64_t rows_expected; /* decides how rows are split; a guess */
} frz_segment_plan;

frz_status frz_segment_builder_create(frz_context *context, const frz_segment_plan *plan,
                                      frz_segment_builder **builder_out,
                                      frz_error *err) FRZ_MUST_CHECK;
void frz_segment_builder_free(frz_segment_builder *builder);

/** Rows of one batch; columns are borrowed for the call. */
typedef struct frz_segment_rows {
  const frz_column *keys;           /* BINARY */
  const frz_column *event_times;    /* TIMESTAMP in us */
  const frz_column *created_times;  /* likewise */
  const frz_column *const *columns; /* one a column of the plan; NULL: null in every row */
  int64_t n_rows;
  uint64_t rank;            /* commit order: greater is later */
  const int64_t *positions; /* decide between rows of one rank; NULL: their place, from first_row */
  int64_t first_row;
} frz_segment_rows;

/** Add rows; those without a key or an event time are left out. */
frz_status frz_segment_builder_add(frz_segment_builder *builder, size_t lane,
                                   const frz_segment_rows *rows, frz_error *err) FRZ_MUST_CHECK;

/** Add all rows of a segment, as of `rank`. FRZ_ERR_CORRUPT: it is torn. */
frz_status frz_segment_builder_add_segment(frz_segment_builder *builder, size_t lane,
                                           frz_segment *segment, uint64_t rank,
                                           frz_error *err) FRZ_MUST_CHECK;

/** Does an older row of the key win? Asked on several threads. */
typedef bool (*frz_row_loses)(void *arg, frz_str key, uint64_t hash, int64_t event_us,
                              int64_t created_us);

typedef struct frz_segment_target {
  const char *folder; /* of the file; NULL: memory */
  const char *name;   /* in the folder; written as "<name>.tmp" first */
  frz_row_loses loses;
  void *loses_arg; /* NULL loses: no row does */
} frz_segment_target;

/** Choose the winners, write the segment and open it. May be called once. */
frz_status frz_segment_builder_finish(frz_segment_builder *builder,
                                      const frz_segment_target *target, frz_segment **segment_out,
                                      frz_error *err) FRZ_MUST_CHECK;

/** Write bytes as a file: under another name, synced, renamed. */
frz_status frz_write_file_whole(const char *folder, const char *name, const void *data, size_t size,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
