/*
 * glue_table.h - Iceberg tables as Glue describes them.
 *
 * Source: AWS Glue Web API Reference, "Table", "TableInput"; the parameters are those of Iceberg's
 * Java and Python libraries.
 */
#ifndef FRZ_CATALOG_GLUE_TABLE_H
#define FRZ_CATALOG_GLUE_TABLE_H

#include "catalog/catalog_ops.h"
#include "text/json_reader.h"

/** What a table's description says. Texts point into it or the arena; size 0: not there. */
typedef struct frz_glue_table {
  frz_str name;
  frz_str version_id;
  frz_str owner;
  frz_str description;
  frz_str location; /* of the metadata file */
  frz_str storage;  /* StorageDescriptor, as JSON */
  frz_text_pair *parameters;
  size_t n_parameters;
  bool is_iceberg;
} frz_glue_table;

/** Read one description; `json` stands at its object. FRZ_ERR_CORRUPT. */
frz_status frz_glue_table_read(frz_json_reader *json, frz_arena *arena, frz_glue_table *table_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** Write the member TableInput of a table whose metadata file is `next`. What `old` (NULL: a new
 * table) says beyond the pointer and the columns is kept. */
frz_status frz_glue_table_write(frz_json_writer *json, frz_str name, const frz_glue_table *old,
                                const frz_loaded_table *next, frz_arena *arena,
                                frz_error *err) FRZ_MUST_CHECK;

/** The same table under another name. */
void frz_glue_table_write_renamed(frz_json_writer *json, frz_str name, const frz_glue_table *old);

#endif
