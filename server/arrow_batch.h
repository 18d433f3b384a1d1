/*
 * arrow_batch.h - columns that are built value by value, given away as an Arrow stream of one
 * batch.
 */
#ifndef FRAZIL_SERVER_ARROW_BATCH_H
#define FRAZIL_SERVER_ARROW_BATCH_H

#include "frazil/online.h"
#include "text_out.h"

/** A column. Fixed-width values and bytes are in `data`; where values differ in size, and for
 * lists, `offsets` holds n + 1 int32. */
typedef struct batch_column {
  char *name; /* of malloc() */
  frz_value_kind kind;
  struct batch_column *item; /* of lists */
  text_out data;
  text_out offsets;
  text_out validity; /* a bit a value */
  int64_t n_values;
  int64_t n_nulls;
  bool is_required;
} batch_column;

typedef struct arrow_batch {
  batch_column *columns;
  size_t n_columns;
  size_t capacity;
} arrow_batch;

frz_status arrow_batch_create(size_t n_columns, arrow_batch *batch_out,
                              frz_error *err) FRZ_MUST_CHECK;
void arrow_batch_dispose(arrow_batch *batch);

/** @param[in] item_kind Of lists. */
frz_status arrow_batch_add(arrow_batch *batch, const char *name, frz_value_kind kind,
                           frz_value_kind item_kind, batch_column **column_out,
                           frz_error *err) FRZ_MUST_CHECK;

/** Failures (memory, 2 GiB) are found by arrow_batch_stream(). Lists: items go into column->item
 * first, then batch_column_end_list(). */
void batch_column_put(batch_column *column, const frz_value *value);
void batch_column_put_null(batch_column *column);
void batch_column_end_list(batch_column *column);

/** Takes the columns over, on failure too. */
frz_status arrow_batch_stream(arrow_batch *batch, int64_t n_rows,
                              struct ArrowArrayStream *stream_out, frz_error *err) FRZ_MUST_CHECK;

#endif
