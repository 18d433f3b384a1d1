/*
 * online_layout.h - which columns of an online table are what, from its property "frazil.feast".
 *
 * A layout is immutable, counted, and of one schema: the columns' names may change from schema to
 * schema, their field ids do not.
 */
#ifndef FRZ_ONLINE_ONLINE_LAYOUT_H
#define FRZ_ONLINE_ONLINE_LAYOUT_H

#include <stdatomic.h>

#include "base/map.h"
#include "frazil/online.h"
#include "iceberg/metadata/table_metadata.h"

/** A stored column's form in a row of the index. */
typedef struct frz_stored_column {
  int32_t field_id;
  uint8_t kind;      /* frz_value_kind */
  uint8_t item_kind; /* of LIST */
} frz_stored_column;

/** `info` comes first, so that an info is its layout. */
typedef struct frz_online_layout {
  frz_online_info info;
  atomic_int references;
  const frz_alloc *alloc;
  frz_arena arena;
  frz_map by_name;           /* feature name to its place */
  frz_stored_column *stored; /* one a feature, in their order */
  int32_t schema_id;
  int32_t entity_key_id, event_ts_id, created_ts_id;
  const frz_schema *schema;     /* of `metadata` */
  frz_table_metadata *metadata; /* retained: texts of the schema */
} frz_online_layout;

/** The layout of a table's current schema. FRZ_ERR_INVALID: the property is missing or wrong, or
 * names a column of the entity key or times that is not there. Features whose columns are gone are
 * left out. */
frz_status frz_online_layout_make(const frz_alloc *alloc, const char *identifier,
                                  frz_table_metadata *metadata, frz_online_layout **layout_out,
                                  frz_error *err) FRZ_MUST_CHECK;
frz_online_layout *frz_online_layout_retain(frz_online_layout *layout);
void frz_online_layout_release(frz_online_layout *layout);

/** The columns that hold rows, by name, for a projection: entity key, event time, created time,
 * then the features. In the arena. */
frz_status frz_online_layout_names(const frz_online_layout *layout, frz_arena *arena,
                                   const char *const **names_out, size_t *n_names_out,
                                   frz_error *err) FRZ_MUST_CHECK;

enum { FRZ_ONLINE_KEY_AT, FRZ_ONLINE_EVENT_AT, FRZ_ONLINE_CREATED_AT, FRZ_ONLINE_FEATURES_AT };

#endif
