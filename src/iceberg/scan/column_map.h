/*
 * column_map.h - from the columns of a file to the columns of a table.
 *
 * Fields are found by id, at every level. A value that the file does not have comes from, in this
 * order: the partition value of an identity field, the field's initial default (of a struct: a
 * struct of its fields' initial defaults), null. What was
 * promoted since, or stored by another writer in a narrower or finer form, is converted.
 *
 * Source: Iceberg specification, "Column Projection", "Schema Evolution".
 */
#ifndef FRZ_ICEBERG_COLUMN_MAP_H
#define FRZ_ICEBERG_COLUMN_MAP_H

#include "arrow/column.h"
#include "base/limits.h"
#include "iceberg/manifest/manifest.h"

/** How values become the target's. */
typedef enum frz_conversion {
  FRZ_CONVERT_CONSTANT,    /* not in the file */
  FRZ_CONVERT_DEFAULTS,    /* a struct that is not in the file: one of its fields' defaults */
  FRZ_CONVERT_NONE,        /* the bytes stay as they are */
  FRZ_CONVERT_NULLS,       /* the file's type holds nothing but nulls */
  FRZ_CONVERT_INT,         /* to a wider integer */
  FRZ_CONVERT_FLOAT,       /* float to double */
  FRZ_CONVERT_TIME,        /* another unit or width of time */
  FRZ_CONVERT_DATE_TO_TIME /* days to a timestamp */
} frz_conversion;

typedef struct frz_column_map frz_column_map;
struct frz_column_map {
  const frz_field *field; /* NULL: the entries of a map */
  const frz_arrow_field *target;
  size_t source; /* index among the columns of the level; not for CONSTANT and DEFAULTS */
  frz_conversion conversion;
  frz_literal constant;     /* CONSTANT */
  frz_column_map *children; /* STRUCT, LIST, MAP; none for CONSTANT */
  size_t n_children;
};

/** What the values of missing columns are taken from. */
typedef struct frz_column_source {
  const frz_arrow_field *fields; /* of the file, with field ids */
  size_t n_fields;
  const frz_partition_spec *spec; /* may be NULL */
  const frz_partition *partition;
} frz_column_source;

/** Map one field. FRZ_ERR_CORRUPT: the file's type cannot become the table's, or a required column
 * is missing. All arguments are borrowed by the result. */
frz_status frz_column_map_make(const frz_field *field, const frz_arrow_field *target,
                               const frz_column_source *source, frz_arena *arena,
                               frz_column_map *map_out, frz_error *err) FRZ_MUST_CHECK;

/** Make the target column of `n_rows` rows. Buffers are moved out of `columns`. */
frz_status frz_column_map_apply(const frz_column_map *map, frz_column *columns, int64_t n_rows,
                                const frz_alloc *alloc, frz_column *column_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** The value a missing field has in every row of a file. */
frz_status frz_column_constant(const frz_field *field, const frz_column_source *source,
                               frz_arena *arena, frz_literal *literal_out,
                               frz_error *err) FRZ_MUST_CHECK;

/* ---- single values ---- */

/** A primitive field, at the top or inside structs, read for a filter or a key. */
typedef struct frz_leaf {
  const frz_field *field;
  const frz_arrow_field *target;
  frz_column_map map;
  size_t depth; /* structs above it */
  size_t path[FRZ_LIMIT_DEPTH];
} frz_leaf;

/** A leaf's column in one batch: borrowed from it, or owned. */
typedef struct frz_leaf_column {
  frz_column column;
  bool is_owned;
} frz_leaf_column;

/** The structs from the top of a schema down to a field, the field itself not among them; `depth`
 * is 0 at first. False: it is not there, or below a list or map. */
bool frz_type_find_path(const frz_type *type, int32_t field_id, size_t depth,
                        const frz_field **path, size_t *depth_out);

/** `root`: the schema that the field is of. */
frz_status frz_leaf_make(const frz_type *root, const frz_field *field,
                         const frz_column_source *source, frz_arena *arena, frz_leaf *leaf_out,
                         frz_error *err) FRZ_MUST_CHECK;

/** The values of a leaf; `columns` are untouched. Null where a struct above is null. */
frz_status frz_leaf_read(const frz_leaf *leaf, const frz_column *columns, int64_t n_rows,
                         const frz_alloc *alloc, frz_leaf_column *column_out,
                         frz_error *err) FRZ_MUST_CHECK;
void frz_leaf_column_dispose(frz_leaf_column *column);

/** Append the bytes of a row that are equal for equal values: null to null, NaN to NaN. */
frz_status frz_leaf_key(const frz_leaf_column *column, int64_t row, frz_buf *out,
                        frz_error *err) FRZ_MUST_CHECK;

#endif
