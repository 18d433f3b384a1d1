/*
 * expression.h - row filters: parsed from text, bound to a schema, evaluated on partitions, column
 * bounds and rows.
 *
 * Grammar (keywords in any case): comparisons = == != <> < <= > >=; IS [NOT] NULL, IS [NOT] NAN;
 * [NOT] IN (...); [NOT] LIKE 'prefix%'; BETWEEN a AND b; NOT, AND, OR; parentheses; TRUE, FALSE.
 * Columns: identifiers, dotted for structs, "quoted" or `quoted`. Literals: 'text', x'00ff',
 * numbers, TRUE, FALSE, dates and times as text. Semantics are SQL's with three values; a row is
 * kept when the filter is true. NaN follows Iceberg: equal to itself and greater than every number.
 */
#ifndef FRZ_ICEBERG_EXPRESSION_H
#define FRZ_ICEBERG_EXPRESSION_H

#include "iceberg/manifest/manifest.h"

typedef enum frz_predicate {
  FRZ_PREDICATE_EQ,
  FRZ_PREDICATE_NE,
  FRZ_PREDICATE_LT,
  FRZ_PREDICATE_LE,
  FRZ_PREDICATE_GT,
  FRZ_PREDICATE_GE,
  FRZ_PREDICATE_IN,
  FRZ_PREDICATE_NOT_IN,
  FRZ_PREDICATE_IS_NULL,
  FRZ_PREDICATE_NOT_NULL,
  FRZ_PREDICATE_IS_NAN,
  FRZ_PREDICATE_NOT_NAN,
  FRZ_PREDICATE_STARTS_WITH,
  FRZ_PREDICATE_NOT_STARTS_WITH
} frz_predicate;

typedef enum frz_expr_kind {
  FRZ_EXPR_TRUE,
  FRZ_EXPR_FALSE,
  FRZ_EXPR_AND,
  FRZ_EXPR_OR,
  FRZ_EXPR_PREDICATE
} frz_expr_kind;

/** A bound filter in an arena. NOT was pushed into the predicates. */
typedef struct frz_expr frz_expr;
struct frz_expr {
  frz_expr_kind kind;
  const frz_expr *left, *right; /* AND, OR */
  frz_predicate predicate;
  const frz_field *field;      /* the column: a primitive, reachable by structs */
  const frz_literal *literals; /* one; IN: sorted, distinct; null tests: none */
  size_t n_literals;
};

/** Parse and bind. FRZ_ERR_INVALID gives the offset in the text, or the column and literal. */
frz_status frz_expr_parse(frz_str text, const frz_schema *schema, bool case_sensitive,
                          frz_arena *arena, const frz_expr **expr_out,
                          frz_error *err) FRZ_MUST_CHECK;

/** AND of two; NULL stands for true on both sides and in the result. */
const frz_expr *frz_expr_and(const frz_expr *a, const frz_expr *b, frz_arena *arena);

/** The logical negation (SQL's three values: rows where the filter is not true need
 * frz_expr_select). */
const frz_expr *frz_expr_not(const frz_expr *expr, frz_arena *arena);

/** Distinct field ids that the filter reads, ascending, into the arena. */
frz_status frz_expr_field_ids(const frz_expr *expr, frz_arena *arena, const int32_t **ids_out,
                              size_t *n_ids_out, frz_error *err) FRZ_MUST_CHECK;

/** May a manifest hold matching files? True when in doubt. `expr` is bound to the row schema; it is
 * projected through the spec's transforms here. */
bool frz_expr_may_match_manifest(const frz_expr *expr, const frz_partition_spec *spec,
                                 const frz_schema *schema, const frz_manifest_file *manifest);

/** May a file hold matching rows, by its partition values and metrics? True when in doubt. */
bool frz_expr_may_match_file(const frz_expr *expr, const frz_partition_spec *spec,
                             const frz_schema *schema, const frz_data_file *file);

/** Do all rows of a file match, surely? False when in doubt. Deletes whole files by metadata. */
bool frz_expr_all_match_file(const frz_expr *expr, const frz_partition_spec *spec,
                             const frz_schema *schema, const frz_data_file *file);

/** A column's bounds as some format's statistics give them, for the next call. */
typedef struct frz_column_bounds {
  const frz_literal *lower, *upper; /* NULL: unknown */
  int64_t n_values;                 /* -1: unknown */
  int64_t n_nulls;                  /* -1: unknown */
  int64_t n_nans;                   /* -1: unknown */
} frz_column_bounds;

/** May rows match, given each column's bounds? `lookup` returns false where it knows nothing;
 * `excludes` (may be NULL) is true of a predicate that no row satisfies, whatever its bounds. */
bool frz_expr_may_match_bounds(const frz_expr *expr,
                               bool (*lookup)(void *arg, const frz_field *field,
                                              frz_column_bounds *bounds_out),
                               bool (*excludes)(void *arg, const frz_expr *predicate), void *arg);

/**
 * The rows of a batch for which the filter is true. `field_columns` finds the column of a field id
 * in the batch (NULL never: all were projected). rows_out holds n_rows places; returns through
 * n_rows_out.
 */
frz_status frz_expr_select(const frz_expr *expr, const frz_schema *schema,
                           const frz_column *(*column_of)(void *arg, int32_t field_id), void *arg,
                           int64_t n_rows, int64_t *rows_out, int64_t *n_rows_out,
                           const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;

#endif
