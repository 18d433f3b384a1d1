/*
 * data_file_metrics.h - column metrics of a data file, as the table's properties ask for them.
 */
#ifndef FRZ_ICEBERG_DATA_FILE_METRICS_H
#define FRZ_ICEBERG_DATA_FILE_METRICS_H

#include "iceberg/manifest/manifest.h"
#include "parquet/write/parquet_writer.h"

typedef enum frz_metrics_kind {
  FRZ_METRICS_NONE,
  FRZ_METRICS_COUNTS,
  FRZ_METRICS_TRUNCATE,
  FRZ_METRICS_FULL
} frz_metrics_kind;

typedef struct frz_column_metrics {
  const frz_field *field; /* a primitive */
  frz_metrics_kind kind;
  int32_t length; /* TRUNCATE */
} frz_column_metrics;

/** By ascending field id. */
typedef struct frz_metrics_config {
  frz_column_metrics *columns;
  size_t n_columns;
} frz_metrics_config;

/** From write.metadata.metrics.*; FRZ_ERR_INVALID names a property with another value. */
frz_status frz_metrics_config_make(const frz_table_metadata *metadata, const frz_schema *schema,
                                   frz_arena *arena, frz_metrics_config *config_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** Set the file's metric arrays, in the arena. */
frz_status frz_data_file_set_metrics(const frz_metrics_config *config,
                                     const frz_parquet_write_summary *summary, frz_arena *arena,
                                     frz_data_file *file, frz_error *err) FRZ_MUST_CHECK;

#endif
