/*
 * partition_split.h - which partition each row of a batch belongs to.
 */
#ifndef FRZ_ICEBERG_PARTITION_SPLIT_H
#define FRZ_ICEBERG_PARTITION_SPLIT_H

#include "arrow/column.h"
#include "base/map.h"
#include "iceberg/schema/partition.h"

typedef struct frz_split_field frz_split_field;

typedef struct frz_partition_split {
  const frz_alloc *alloc;
  frz_arena arena; /* the fields, partition values */
  const frz_partition_spec *spec;
  frz_split_field *fields;
  size_t n_partitions; /* seen so far */
  frz_buf key;
  frz_buf codes; /* uint32_t a row, of one field */
} frz_partition_split;

/** `schema` and `spec` are borrowed. FRZ_ERR_UNSUPPORTED: a transform that is not known;
 * FRZ_ERR_INVALID: a source column that the schema lacks. */
frz_status frz_partition_split_init(frz_partition_split *split, const frz_alloc *alloc,
                                    const frz_schema *schema, const frz_partition_spec *spec,
                                    frz_error *err) FRZ_MUST_CHECK;
void frz_partition_split_dispose(frz_partition_split *split);

/** The number of each row's partition; numbers are given as partitions are first seen. */
frz_status frz_partition_split_run(frz_partition_split *split, const frz_batch *batch,
                                   uint32_t *numbers_out, frz_error *err) FRZ_MUST_CHECK;

/** A partition's values; arrays in `arena`, bytes borrowed from the split. */
frz_status frz_partition_split_values(const frz_partition_split *split, uint32_t number,
                                      frz_arena *arena, frz_partition *partition_out,
                                      frz_error *err) FRZ_MUST_CHECK;

#endif
