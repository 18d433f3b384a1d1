/*
 * table_metadata_json.h - parts of table metadata in JSON that are written elsewhere too.
 */
#ifndef FRZ_ICEBERG_TABLE_METADATA_JSON_H
#define FRZ_ICEBERG_TABLE_METADATA_JSON_H

#include "iceberg/metadata/table_metadata.h"
#include "text/json_writer.h"

/** An object, with the members of the table's format version. */
void frz_snapshot_write(frz_json_writer *json, const frz_snapshot *snapshot,
                        int32_t format_version);

/** The members of a ref but its name, into an open object. */
void frz_snapshot_ref_members_write(frz_json_writer *json, const frz_snapshot_ref *ref);

#endif
