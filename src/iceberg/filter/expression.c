/*
 * expression.c - putting filters together, negating them, and what they read.
 *
 * Filters hold no NOT: negating swaps AND with OR and each predicate with its opposite. With SQL's
 * three values that is exact, because a comparison with null is not true either way, and the tests
 * for null and NaN have two values only.
 */
#include "iceberg/filter/expression.h"

#include <stdlib.h>

#include "iceberg/filter/expression_tree.h"

const frz_expr frz_expr_always = {.kind = FRZ_EXPR_TRUE};
const frz_expr frz_expr_never = {.kind = FRZ_EXPR_FALSE};

const frz_expr *frz_expr_pair(frz_expr_kind kind, const frz_expr *a, const frz_expr *b,
                              frz_arena *arena)
{
  frz_expr_kind neutral = kind == FRZ_EXPR_AND ? FRZ_EXPR_TRUE : FRZ_EXPR_FALSE;
  frz_expr_kind ruling = kind == FRZ_EXPR_AND ? FRZ_EXPR_FALSE : FRZ_EXPR_TRUE;
  if (a->kind == ruling || b->kind == neutral) return a;
  if (b->kind == ruling || a->kind == neutral) return b;
  frz_expr *both = frz_arena_push(arena, sizeof *both);
  if (both != NULL) *both = (frz_expr){.kind = kind, .left = a, .right = b};
  return both;
}

/* A balanced tree, so that a long list of conditions does not become a deep one. */
const frz_expr *frz_expr_join(frz_expr_kind kind, const frz_expr *const *operands, size_t n,
                              frz_arena *arena)
{
  if (n == 1) return operands[0];
  size_t half = n / 2;
  const frz_expr *left = frz_expr_join(kind, operands, half, arena);
  const frz_expr *right = frz_expr_join(kind, operands + half, n - half, arena);
  return left != NULL && right != NULL ? frz_expr_pair(kind, left, right, arena) : NULL;
}

const frz_expr *frz_expr_and(const frz_expr *a, const frz_expr *b, frz_arena *arena)
{
  if (a == NULL) return b;
  if (b == NULL) return a;
  return frz_expr_pair(FRZ_EXPR_AND, a, b, arena);
}

frz_predicate frz_predicate_opposite(frz_predicate predicate)
{
  switch (predicate) {
  case FRZ_PREDICATE_EQ: return FRZ_PREDICATE_NE;
  case FRZ_PREDICATE_NE: return FRZ_PREDICATE_EQ;
  case FRZ_PREDICATE_LT: return FRZ_PREDICATE_GE;
  case FRZ_PREDICATE_LE: return FRZ_PREDICATE_GT;
  case FRZ_PREDICATE_GT: return FRZ_PREDICATE_LE;
  case FRZ_PREDICATE_GE: return FRZ_PREDICATE_LT;
  case FRZ_PREDICATE_IN: return FRZ_PREDICATE_NOT_IN;
  case FRZ_PREDICATE_NOT_IN: return FRZ_PREDICATE_IN;
  case FRZ_PREDICATE_IS_NULL: return FRZ_PREDICATE_NOT_NULL;
  case FRZ_PREDICATE_NOT_NULL: return FRZ_PREDICATE_IS_NULL;
  case FRZ_PREDICATE_IS_NAN: return FRZ_PREDICATE_NOT_NAN;
  case FRZ_PREDICATE_NOT_NAN: return FRZ_PREDICATE_IS_NAN;
  case FRZ_PREDICATE_STARTS_WITH: return FRZ_PREDICATE_NOT_STARTS_WITH;
  case FRZ_PREDICATE_NOT_STARTS_WITH: return FRZ_PREDICATE_STARTS_WITH;
  }
  return predicate;
}

const frz_expr *frz_expr_not(const frz_expr *expr, frz_arena *arena)
{
  if (expr == NULL || expr->kind == FRZ_EXPR_TRUE) return &frz_expr_never;
  if (expr->kind == FRZ_EXPR_FALSE) return &frz_expr_always;
  frz_expr *opposite = frz_arena_push(arena, sizeof *opposite);
  if (opposite == NULL) return NULL;
  *opposite = *expr;
  if (expr->kind == FRZ_EXPR_PREDICATE) {
    opposite->predicate = frz_predicate_opposite(expr->predicate);
    return opposite;
  }
  opposite->kind = expr->kind == FRZ_EXPR_AND ? FRZ_EXPR_OR : FRZ_EXPR_AND;
  opposite->left = frz_expr_not(expr->left, arena);
  opposite->right = frz_expr_not(expr->right, arena);
  return opposite->left != NULL && opposite->right != NULL ? opposite : NULL;
}

static size_t count_predicates(const frz_expr *expr)
{
  if (expr->kind == FRZ_EXPR_PREDICATE) return 1;
  if (expr->kind != FRZ_EXPR_AND && expr->kind != FRZ_EXPR_OR) return 0;
  return count_predicates(expr->left) + count_predicates(expr->right);
}

static void collect_ids(const frz_expr *expr, int32_t *ids, size_t *n)
{
  if (expr->kind == FRZ_EXPR_PREDICATE) {
    ids[(*n)++] = expr->field->id;
  } else if (expr->kind == FRZ_EXPR_AND || expr->kind == FRZ_EXPR_OR) {
    collect_ids(expr->left, ids, n);
    collect_ids(expr->right, ids, n);
  }
}

static int by_id(const void *a, const void *b)
{
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

frz_status frz_expr_field_ids(const frz_expr *expr, frz_arena *arena, const int32_t **ids_out,
                              size_t *n_ids_out, frz_error *err)
{
  size_t n = 0, n_distinct = 0;
  size_t room = expr != NULL ? count_predicates(expr) : 0;
  int32_t *ids = frz_arena_array(arena, room, sizeof *ids);
  if (ids == NULL) return frz_fail_nomem(err, "filter");
  if (expr != NULL) collect_ids(expr, ids, &n);
  if (n > 1) qsort(ids, n, sizeof *ids, by_id);
  for (size_t i = 0; i < n; i++)
    if (i == 0 || ids[i] != ids[i - 1]) ids[n_distinct++] = ids[i];
  *ids_out = ids;
  *n_ids_out = n_distinct;
  return FRZ_OK;
}
