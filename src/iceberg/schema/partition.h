/*
 * partition.h - partition specs, sort orders and the transforms they use.
 *
 * Source: Iceberg specification, "Partitioning", "Sorting", appendix B "32-bit hash requirements".
 */
#ifndef FRZ_ICEBERG_PARTITION_H
#define FRZ_ICEBERG_PARTITION_H

#include "iceberg/schema/literal.h"
#include "iceberg/schema/schema.h"

typedef enum frz_transform_kind {
  FRZ_TRANSFORM_IDENTITY,
  FRZ_TRANSFORM_BUCKET,
  FRZ_TRANSFORM_TRUNCATE,
  FRZ_TRANSFORM_YEAR,
  FRZ_TRANSFORM_MONTH,
  FRZ_TRANSFORM_DAY,
  FRZ_TRANSFORM_HOUR,
  FRZ_TRANSFORM_VOID,
  FRZ_TRANSFORM_UNKNOWN /* read, never written; no pruning */
} frz_transform_kind;

typedef struct frz_transform {
  frz_transform_kind kind;
  int32_t param; /* BUCKET: N; TRUNCATE: W */
  frz_str text;  /* as in the metadata */
} frz_transform;

typedef struct frz_partition_field {
  int32_t source_id; /* the first of several for multi-argument transforms */
  int32_t field_id;  /* 1000 and up */
  frz_str name;
  frz_transform transform;   /* UNKNOWN where there are several sources */
  const int32_t *source_ids; /* all of several; NULL: source_id alone */
  size_t n_source_ids;
} frz_partition_field;

/** Is the column among the sources of the field? */
static inline bool frz_partition_field_reads(const frz_partition_field *field, int32_t column_id)
{
  for (size_t i = 0; i < field->n_source_ids; i++)
    if (field->source_ids[i] == column_id) return true;
  return field->source_id == column_id;
}

typedef struct frz_partition_spec {
  int32_t spec_id;
  const frz_partition_field *fields;
  size_t n_fields;
} frz_partition_spec;

typedef struct frz_sort_field {
  int32_t source_id;
  frz_transform transform;
  bool descending;
  bool nulls_last;
  const int32_t *source_ids; /* all of several; NULL: source_id alone */
  size_t n_source_ids;
} frz_sort_field;

typedef struct frz_sort_order {
  int32_t order_id; /* 0: unsorted */
  const frz_sort_field *fields;
  size_t n_fields;
} frz_sort_order;

/** Partition values of one file, by position in its spec's fields. */
typedef struct frz_partition {
  const frz_literal *values;
  size_t n_values;
} frz_partition;

frz_status frz_transform_parse(frz_str text, frz_arena *arena, frz_transform *transform_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** The type a transform gives for a source type (day gives DATE); false: not defined for it. */
bool frz_transform_result_type(const frz_transform *transform, const frz_type *source,
                               frz_type *result_out);

/** Apply to one value; null gives null (void always null). Bytes may be borrowed from `value`. */
frz_status frz_transform_apply(const frz_transform *transform, const frz_literal *value,
                               frz_arena *arena, frz_literal *result_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** The bucket, of `n`, of a whole number: of an int, long or date, a time or timestamp in
 * microseconds. */
uint32_t frz_bucket_of_number(int64_t value, int32_t n);

/** From the object form, or from the fields array alone (spec id 0). */
frz_status frz_partition_spec_parse(frz_json_reader *json, frz_arena *arena,
                                    frz_partition_spec *spec_out, frz_error *err) FRZ_MUST_CHECK;
void frz_partition_spec_write(frz_json_writer *json, const frz_partition_spec *spec);
/** The fields array alone: manifests store it in their "partition-spec" metadata. */
void frz_partition_fields_write(frz_json_writer *json, const frz_partition_spec *spec);

frz_status frz_sort_order_parse(frz_json_reader *json, frz_arena *arena, frz_sort_order *order_out,
                                frz_error *err) FRZ_MUST_CHECK;
void frz_sort_order_write(frz_json_writer *json, const frz_sort_order *order);

/** From the user's text: "bucket(16, driver_id), day(event_ts), region". Names follow PyIceberg and
 * Spark: driver_id_bucket, event_ts_day, ts_trunc, region. Field ids from 1000. */
frz_status frz_partition_spec_from_text(frz_str text, const frz_schema *schema, frz_arena *arena,
                                        frz_partition_spec *spec_out,
                                        frz_error *err) FRZ_MUST_CHECK;

/** From one term, as it is added to a spec that is there. Named as Spark and PyIceberg do then,
 * with the transform's number: "driver_id_bucket_16", "event_ts_day"; the name is not checked.
 * Field id -1. */
frz_status frz_partition_field_from_text(frz_str text, const frz_schema *schema, frz_arena *arena,
                                         frz_partition_field *field_out,
                                         frz_error *err) FRZ_MUST_CHECK;

/** "driver_id asc nulls first, event_ts desc". */
frz_status frz_sort_order_from_text(frz_str text, const frz_schema *schema, frz_arena *arena,
                                    frz_sort_order *order_out, frz_error *err) FRZ_MUST_CHECK;

/** The type of a partition field's values under a schema; UNKNOWN where the source column is gone.
 */
frz_type frz_partition_field_type(const frz_partition_field *field, const frz_schema *schema);

/** A value as people read it: "2024-01-01" of a day, "2024-01" of a month; data NULL: refused by
 * the arena. */
frz_str frz_partition_value_print(const frz_transform *transform, const frz_literal *value,
                                  frz_arena *arena);

/** "region=eu/event_ts_day=2024-01-01", URL-encoded as Java does; "" when unpartitioned. */
frz_str frz_partition_path(const frz_partition_spec *spec, const frz_schema *schema,
                           const frz_partition *partition, frz_arena *arena);

/** The greatest field id of a spec; 999 when it has no fields. */
int32_t frz_partition_last_field_id(const frz_partition_spec *spec);

/** Same fields but for their ids: sources, transforms and names. */
bool frz_partition_spec_compatible(const frz_partition_spec *a, const frz_partition_spec *b);

/** Same fields. */
bool frz_sort_order_same(const frz_sort_order *a, const frz_sort_order *b);

/** Every source column is there and of a type that its transform takes (void takes any). `code` is
 * the status of a refusal. */
frz_status frz_partition_spec_check(const frz_partition_spec *spec, const frz_schema *schema,
                                    frz_status code, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_sort_order_check(const frz_sort_order *order, const frz_schema *schema,
                                frz_status code, frz_error *err) FRZ_MUST_CHECK;

/** The same with null equal to null, NaN to NaN and -0.0 to +0.0. */
bool frz_partition_equal(const frz_partition *a, const frz_partition *b);

#endif
