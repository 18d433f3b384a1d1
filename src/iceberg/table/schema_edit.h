/*
 * schema_edit.h - a schema while changes are made to it. Inside of schema_update.c and its parts.
 *
 * The schema, its identifier fields and the name mapping are copies that belong to the arena of one
 * attempt to commit; whatever they point to may be changed.
 */
#ifndef FRZ_ICEBERG_SCHEMA_EDIT_H
#define FRZ_ICEBERG_SCHEMA_EDIT_H

#include "frazil/evolution.h"
#include "iceberg/schema/name_mapping.h"
#include "iceberg/table/table_handle.h"

typedef struct frz_schema_edit {
  frz_arena arena;
  const frz_table_metadata *base;
  frz_schema schema; /* identifier_field_ids has room for every field of the schema */
  int32_t next_id;
  bool has_mapping;
  bool mapping_changed;
  frz_name_mapping mapping;
} frz_schema_edit;

/** FRZ_ERR_INVALID: "column '<path>' <why>". */
frz_status frz_schema_edit_refuse(const frz_schema_change *change, const char *why, frz_error *err);

/**
 * The field at a path and the type that holds it among its fields; NULL: there is none. Lists and
 * maps stand for the struct in them: "points.x" is "points.element.x".
 */
frz_field *frz_schema_edit_lookup(frz_schema_edit *edit, frz_str path, frz_type **holder_out,
                                  bool *in_map_key_out);

/**
 * The field of a change and the type that holds it. Fields of map keys are refused: they never
 * change.
 */
frz_status frz_schema_edit_find(frz_schema_edit *edit, const frz_schema_change *change,
                                frz_field **field_out, frz_type **holder_out,
                                frz_error *err) FRZ_MUST_CHECK;

bool frz_schema_edit_is_identifier(const frz_schema_edit *edit, int32_t field_id);

/* ---- columns ---- */

frz_status frz_schema_edit_add(frz_schema_edit *edit, const frz_schema_change *change,
                               frz_error *err) FRZ_MUST_CHECK;
frz_status frz_schema_edit_rename(frz_schema_edit *edit, const frz_schema_change *change,
                                  frz_error *err) FRZ_MUST_CHECK;
frz_status frz_schema_edit_drop(frz_schema_edit *edit, const frz_schema_change *change,
                                frz_error *err) FRZ_MUST_CHECK;
frz_status frz_schema_edit_move(frz_schema_edit *edit, const frz_schema_change *change,
                                frz_error *err) FRZ_MUST_CHECK;

/* ---- what a column is ---- */

frz_status frz_schema_edit_promote(frz_schema_edit *edit, const frz_schema_change *change,
                                   frz_error *err) FRZ_MUST_CHECK;
frz_status frz_schema_edit_make_optional(frz_schema_edit *edit, const frz_schema_change *change,
                                         frz_error *err) FRZ_MUST_CHECK;
frz_status frz_schema_edit_set_doc(frz_schema_edit *edit, const frz_schema_change *change,
                                   frz_error *err) FRZ_MUST_CHECK;
frz_status frz_schema_edit_set_default(frz_schema_edit *edit, const frz_schema_change *change,
                                       frz_error *err) FRZ_MUST_CHECK;
frz_status frz_schema_edit_add_identifier(frz_schema_edit *edit, const frz_schema_change *change,
                                          frz_error *err) FRZ_MUST_CHECK;
frz_status frz_schema_edit_drop_identifier(frz_schema_edit *edit, const frz_schema_change *change,
                                           frz_error *err) FRZ_MUST_CHECK;

/** The type a change names; takes fresh ids from *next_id for the column and what is in it. */
frz_status frz_schema_edit_read_type(frz_schema_edit *edit, const frz_schema_change *change,
                                     int32_t *next_id, frz_type *type_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** The change's default as the JSON of a value of `type`; data NULL: none or null. */
frz_status frz_schema_edit_read_default(frz_schema_edit *edit, const frz_schema_change *change,
                                        const frz_type *type, frz_str *json_out,
                                        frz_error *err) FRZ_MUST_CHECK;

/** The change's doc; data NULL: none. */
frz_status frz_schema_edit_read_doc(frz_schema_edit *edit, const frz_schema_change *change,
                                    frz_str *doc_out, frz_error *err) FRZ_MUST_CHECK;

#endif
