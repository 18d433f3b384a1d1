/*
 * expression_tree.h - making the nodes of filters; inside of the expression files.
 */
#ifndef FRZ_ICEBERG_EXPRESSION_TREE_H
#define FRZ_ICEBERG_EXPRESSION_TREE_H

#include "iceberg/filter/expression.h"

extern const frz_expr frz_expr_always;
extern const frz_expr frz_expr_never;

/** AND or OR of two, simplified where one is constant; NULL: refused by the arena. */
const frz_expr *frz_expr_pair(frz_expr_kind kind, const frz_expr *a, const frz_expr *b,
                              frz_arena *arena);

/** AND or OR of `n` > 0 as a balanced tree; NULL: refused by the arena. */
const frz_expr *frz_expr_join(frz_expr_kind kind, const frz_expr *const *operands, size_t n,
                              frz_arena *arena);

/** What is true of exactly the values (not null) for which `predicate` is not. */
frz_predicate frz_predicate_opposite(frz_predicate predicate);

/** Order of two values as filters see them: -0.0 equals +0.0, NaN is greatest and equal to itself.
 */
static inline int frz_filter_compare(const frz_literal *a, const frz_literal *b)
{
  if (a->kind == FRZ_TYPE_FLOAT && a->as.f32 == b->as.f32) return 0;
  if (a->kind == FRZ_TYPE_DOUBLE && a->as.f64 == b->as.f64) return 0;
  return frz_literal_compare(a, b);
}

#endif
