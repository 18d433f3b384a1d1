/*
 * schema.h - Iceberg types, fields and schemas.
 *
 * All of it lives in the arena of the table metadata (or of whatever made it) and is immutable.
 * Source: Iceberg specification, "Schemas and Data Types", appendix C "Schemas".
 */
#ifndef FRZ_ICEBERG_SCHEMA_H
#define FRZ_ICEBERG_SCHEMA_H

#include "arrow/arrow_type.h"
#include "base/arena.h"
#include "base/fail.h"
#include "text/json_reader.h"
#include "text/json_writer.h"

typedef enum frz_type_kind {
  FRZ_TYPE_BOOLEAN,
  FRZ_TYPE_INT,
  FRZ_TYPE_LONG,
  FRZ_TYPE_FLOAT,
  FRZ_TYPE_DOUBLE,
  FRZ_TYPE_DECIMAL,
  FRZ_TYPE_DATE,
  FRZ_TYPE_TIME,
  FRZ_TYPE_TIMESTAMP,
  FRZ_TYPE_TIMESTAMPTZ,
  FRZ_TYPE_TIMESTAMP_NS,
  FRZ_TYPE_TIMESTAMPTZ_NS,
  FRZ_TYPE_STRING,
  FRZ_TYPE_UUID,
  FRZ_TYPE_FIXED,
  FRZ_TYPE_BINARY,
  FRZ_TYPE_UNKNOWN,
  FRZ_TYPE_VARIANT,
  FRZ_TYPE_GEOMETRY, /* in schemas only: values are neither read nor written */
  FRZ_TYPE_GEOGRAPHY,
  FRZ_TYPE_STRUCT,
  FRZ_TYPE_LIST,
  FRZ_TYPE_MAP
} frz_type_kind;

typedef struct frz_field frz_field;

/** LIST: fields[0] is the element. MAP: fields[0] the key, fields[1] the value. */
typedef struct frz_type {
  frz_type_kind kind;
  int32_t precision, scale; /* DECIMAL */
  int32_t length;           /* FIXED */
  frz_str text;             /* GEOMETRY, GEOGRAPHY: with parameters, as in the metadata */
  const frz_field *fields;  /* STRUCT, LIST, MAP */
  size_t n_fields;
} frz_type;

struct frz_field {
  int32_t id;
  frz_str name; /* "element", "key", "value" below lists and maps */
  bool required;
  frz_type type;
  frz_str doc;             /* data NULL: none */
  frz_str initial_default; /* JSON single-value form; data NULL: none */
  frz_str write_default;
};

typedef struct frz_schema {
  int32_t schema_id;
  frz_type root; /* a STRUCT */
  const int32_t *identifier_field_ids;
  size_t n_identifier_field_ids;
  int32_t highest_field_id; /* in this schema */
} frz_schema;

/** What a VARIANT is made of, "metadata" and "value": found by name, since they have no ids. */
enum { FRZ_VARIANT_PARTS = 2 };
extern const frz_field frz_variant_fields[FRZ_VARIANT_PARTS];

/** One value as far as schemas go: VARIANT among them, whose parts are no columns. */
static inline bool frz_type_is_primitive(const frz_type *type)
{
  return type->kind < FRZ_TYPE_STRUCT;
}

/** The name without parameters, "decimal" or "list"; for messages. Static storage. */
const char *frz_type_kind_name(frz_type_kind kind);

bool frz_type_equal(const frz_type *a, const frz_type *b); /* with ids, names and requiredness */

/** As above, and with docs, defaults and identifier fields; ids of the schemas themselves apart. */
bool frz_schema_same(const frz_schema *a, const frz_schema *b);

/** "long", "decimal(9, 2)", "fixed[16]", "list<string>"... for metadata (primitives) and messages.
 */
frz_str frz_type_print(const frz_type *type, frz_arena *arena);

/** Is it a type that format versions before 3 have not? */
bool frz_type_needs_version_3(const frz_type *type);

/** Parse a primitive by its specification name. Of geometry and geography the text is borrowed. */
frz_status frz_type_parse_primitive(frz_str text, frz_type *type_out,
                                    frz_error *err) FRZ_MUST_CHECK;

frz_status frz_schema_parse(frz_json_reader *json, frz_arena *arena, frz_schema *schema_out,
                            frz_error *err) FRZ_MUST_CHECK;
void frz_schema_write(frz_json_writer *json, const frz_schema *schema);

/** Ids and the names of each struct are unique, ids are valid and not reserved, identifier fields
 * exist, columns that must be null by default are; sets highest_field_id. `code` is the status of a
 * refusal. */
frz_status frz_schema_validate(frz_schema *schema, const frz_alloc *alloc, frz_status code,
                               frz_error *err) FRZ_MUST_CHECK;

/** NULL where there is none. Any depth. */
const frz_field *frz_schema_find_id(const frz_schema *schema, int32_t field_id);

/** By dotted name ("a.b"; list elements as "a.element", maps as "a.key", "a.value"). Where case
 * does not count, a name in its very case goes first, and of two that differ in case alone is none.
 */
const frz_field *frz_schema_find_name(const frz_schema *schema, frz_str dotted,
                                      bool case_sensitive);

/** Refuse a name that frz_schema_find_name() did not find: the message, after `where`, lists the
 * columns there are. */
frz_status frz_schema_fail_name(const frz_schema *schema, const char *where, frz_str dotted,
                                frz_error *err);

/** The dotted name of a field; data NULL when absent or refused by the arena. */
frz_str frz_schema_name_of(const frz_schema *schema, int32_t field_id, frz_arena *arena);

/** Not below a list or map, so that its bounds and partition values are meaningful. */
bool frz_schema_is_reachable_by_structs(const frz_schema *schema, int32_t field_id);

/** May a file written with `from` be read as `to` (equal, int to long, float to double, wider
 * decimal)? */
bool frz_type_can_promote(const frz_type *from, const frz_type *to);

/* ---- Arrow ---- */

/** The Arrow field that values of an Iceberg field have when they leave frazil, with field ids. */
frz_status frz_field_to_arrow(const frz_field *field, frz_arena *arena, frz_arrow_field *field_out,
                              frz_error *err) FRZ_MUST_CHECK;

/** The Iceberg type for an Arrow field; fresh ids come from *next_id_inout (fields of a level
 * first, then their children, as the Java reference assigns them). Timestamps of ns become us
 * unless `format_version` >= 3. FRZ_ERR_UNSUPPORTED names the column. */
frz_status frz_schema_from_arrow(const frz_arrow_field *fields, size_t n_fields,
                                 int32_t format_version, int32_t *next_id_inout, frz_arena *arena,
                                 frz_schema *schema_out, frz_error *err) FRZ_MUST_CHECK;

/** As above, for one new column. */
frz_status frz_field_from_arrow(const frz_arrow_field *arrow, int32_t format_version,
                                int32_t *next_id_inout, frz_arena *arena, frz_field *field_out,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
