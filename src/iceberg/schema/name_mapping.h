/*
 * name_mapping.h - field ids for files that were written without them, by column name.
 *
 * Source: Iceberg specification, appendix C "Name mapping serialization", and "Column Projection".
 */
#ifndef FRZ_ICEBERG_NAME_MAPPING_H
#define FRZ_ICEBERG_NAME_MAPPING_H

#include "arrow/arrow_type.h"
#include "iceberg/schema/schema.h"
#include "text/json_writer.h"

typedef struct frz_mapped_field frz_mapped_field;

/** The mapped fields of one level; nested in each other. In an arena. */
typedef struct frz_name_mapping {
  frz_mapped_field *fields;
  size_t n_fields;
} frz_name_mapping;

struct frz_mapped_field {
  int32_t field_id; /* -1: none */
  const frz_str *names;
  size_t n_names;
  frz_name_mapping children;
};

/** Parse the value of "schema.name-mapping.default"; `json` is borrowed by the result. */
frz_status frz_name_mapping_parse(frz_str json, frz_arena *arena, frz_name_mapping *mapping_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Give ids to the fields of a file that have none. List elements are "element", maps have "key"
 * and "value", whatever the file calls them. */
void frz_name_mapping_apply(const frz_name_mapping *mapping, frz_arrow_field *fields,
                            size_t n_fields);

/* ---- keeping up with the schema (name_mapping_update.c) ----
 * The mapping must be of the arena. A field that the mapping lacks is passed over: it was left out
 * by whoever made it. */

/** Map a new column below the field `parent_id` (-1: the top), with everything in it. Another field
 * of the level that has its name loses it. */
frz_status frz_name_mapping_add(frz_name_mapping *mapping, int32_t parent_id,
                                const frz_field *field, frz_arena *arena,
                                frz_error *err) FRZ_MUST_CHECK;

/** The column is found by its new name too; by the old ones still, as files have them. */
frz_status frz_name_mapping_rename(frz_name_mapping *mapping, int32_t field_id, frz_str new_name,
                                   frz_arena *arena, frz_error *err) FRZ_MUST_CHECK;

void frz_name_mapping_drop(frz_name_mapping *mapping, int32_t field_id);

/** The JSON form. */
void frz_name_mapping_write(frz_json_writer *json, const frz_name_mapping *mapping);

#endif
