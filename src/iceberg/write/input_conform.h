/*
 * input_conform.h - rows from outside into the shape of a table's schema.
 *
 * Columns are matched by name at every level. A missing optional column becomes its write default
 * or null; an unknown one is refused. Values are widened where nothing is lost, and refused by
 * column and row number where something would be.
 */
#ifndef FRZ_ICEBERG_INPUT_CONFORM_H
#define FRZ_ICEBERG_INPUT_CONFORM_H

#include "arrow/column.h"
#include "iceberg/schema/schema.h"

/** How the columns of one input map onto a schema. Used by one thread. */
typedef struct frz_conform frz_conform;

typedef struct frz_conform_options {
  bool truncate_nanoseconds; /* floor finer times instead of refusing them */
} frz_conform_options;

/**
 * Match an input's fields with a schema. `schema` and `fields` must stay alive. FRZ_ERR_INVALID
 * names an unknown, repeated or missing column, or two types that do not go together.
 */
frz_status frz_conform_create(const frz_schema *schema, const frz_arrow_field *fields,
                              size_t n_fields, const frz_conform_options *options,
                              const frz_alloc *alloc, frz_conform **conform_out,
                              frz_error *err) FRZ_MUST_CHECK;
void frz_conform_free(frz_conform *conform);

/**
 * Convert one batch. Takes the columns of `batch`, which is left for frz_batch_dispose().
 * FRZ_ERR_INVALID names column, row (counted from 0 over all batches) and value.
 */
frz_status frz_conform_batch(frz_conform *conform, frz_batch *batch, frz_batch *batch_out,
                             frz_error *err) FRZ_MUST_CHECK;

#endif
