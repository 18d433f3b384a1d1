/*
 * input_convert.h - conversions of primitive columns that lose nothing.
 */
#ifndef FRZ_ICEBERG_INPUT_CONVERT_H
#define FRZ_ICEBERG_INPUT_CONVERT_H

#include "arrow/column.h"

typedef enum frz_convert {
  FRZ_CONVERT_NONE,     /* the layouts are the same */
  FRZ_CONVERT_NESTED,   /* struct, list or map: by children */
  FRZ_CONVERT_NULLS,    /* a column of the null type */
  FRZ_CONVERT_INTEGER,  /* any integer to int32 or int64, range checked */
  FRZ_CONVERT_TO_FLOAT, /* integers (exact ones) and narrower floats to float or double */
  FRZ_CONVERT_TIME,     /* units of times and timestamps */
  FRZ_CONVERT_DECIMAL   /* scale and precision */
} frz_convert;

/** Which conversion leads from one type to the other; false: none does. */
bool frz_convert_find(frz_arrow_type from, frz_arrow_type to, frz_convert *convert_out);

typedef struct frz_convert_task {
  frz_convert convert;
  frz_column *column; /* borrowed */
  const frz_arrow_field *target;
  bool truncate; /* floor times instead of refusing them */
  frz_str path;  /* for messages */
  int64_t first_row;
} frz_convert_task;

/** Convert all values; `column_out` is uninitialised. FRZ_ERR_INVALID names column, row, value. */
frz_status frz_convert_values(const frz_convert_task *task, const frz_alloc *alloc,
                              frz_column *column_out, frz_error *err) FRZ_MUST_CHECK;

#endif
