/*
 * write_properties.h - table properties that shape the Parquet files of a table.
 *
 * data_file_write.h lists them with their defaults. Source: Apache Iceberg, "Configuration", "Write
 * properties".
 */
#ifndef FRZ_ICEBERG_WRITE_PROPERTIES_H
#define FRZ_ICEBERG_WRITE_PROPERTIES_H

#include "iceberg/metadata/table_metadata.h"
#include "parquet/write/parquet_writer.h"

typedef struct frz_write_properties {
  frz_parquet_write_options parquet; /* lists in the arena */
  int64_t target_bytes;              /* of a file */
} frz_write_properties;

/** FRZ_ERR_INVALID names a property that cannot be followed. */
frz_status frz_write_properties_read(const frz_table_metadata *metadata, const frz_schema *schema,
                                     frz_arena *arena, frz_write_properties *properties_out,
                                     frz_error *err) FRZ_MUST_CHECK;

#endif
