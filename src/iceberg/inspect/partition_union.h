/*
 * partition_union.h - one struct for the partition values of all specs of a table.
 */
#ifndef FRZ_ICEBERG_PARTITION_UNION_H
#define FRZ_ICEBERG_PARTITION_UNION_H

#include "iceberg/metadata/table_metadata.h"

typedef struct frz_union_field {
  int32_t field_id;
  const frz_partition_field *field; /* of the newest spec that has it and is not void */
  frz_type type;
} frz_union_field;

/** In an arena. Fields by ascending id; those that are void everywhere, or whose column's type
 * nobody knows any more, are left out. */
typedef struct frz_partition_union {
  frz_union_field *fields;
  frz_arrow_field *arrow; /* beside them: all nullable */
  size_t n_fields;
} frz_partition_union;

frz_status frz_partition_union_make(const frz_table_metadata *metadata, frz_arena *arena,
                                    frz_partition_union *union_out, frz_error *err) FRZ_MUST_CHECK;

/** A file's values in the fields of the union; `values_out` has room for all. Null where the file's
 * spec has no such field. */
void frz_partition_union_values(const frz_partition_union *self, const frz_partition_spec *spec,
                                const frz_partition *partition, frz_literal *values_out);

#endif
