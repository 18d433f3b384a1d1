/*
 * expression_parse.c - filters from text, bound to a schema as they are read.
 *
 * A recursive descent over OR, AND, NOT and parentheses. Each step is told whether it stands under
 * an odd number of NOTs and builds the opposite if so, so that no NOT is left in the result. Only
 * parentheses recurse, and their depth is limited. A literal takes the type of the column that it
 * is compared with; one beyond that type's range becomes a predicate on an empty list, which is
 * false (or true) for every value and still not true for null.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/filter/expression_token.h"
#include "iceberg/filter/expression_tree.h"

typedef struct parser {
  frz_tokenizer tokens;
  frz_token token; /* the next, not taken yet */
  const frz_schema *schema;
  bool case_sensitive;
  frz_arena *arena;
} parser;

static frz_status parse_or(parser *p, bool negate, int depth, const frz_expr **out, frz_error *err);

static frz_status advance(parser *p, frz_error *err)
{
  return frz_token_next(&p->tokens, &p->token, err);
}

static frz_status expected(const parser *p, const char *what, frz_error *err)
{
  if (p->token.kind == FRZ_TOKEN_END)
    return frz_fail(err, FRZ_ERR_INVALID, "filter offset %zu: %s expected, found the end",
                    p->token.offset, what);
  return frz_fail(err, FRZ_ERR_INVALID, "filter offset %zu: %s expected, found '%.*s'",
                  p->token.offset, what, FRZ_STR_ARG(p->token.text));
}

static frz_status take(parser *p, frz_token_kind kind, const char *what, frz_error *err)
{
  if (p->token.kind != kind) return expected(p, what, err);
  return advance(p, err);
}

/* Takes the keyword if it comes next. */
static frz_status take_keyword(parser *p, const char *keyword, bool *was_there, frz_error *err)
{
  *was_there = frz_token_is(&p->token, keyword);
  return *was_there ? advance(p, err) : FRZ_OK;
}

/* ---- nodes ---- */

static frz_status make(parser *p, frz_predicate predicate, bool negate, const frz_field *field,
                       const frz_literal *literals, size_t n, const frz_expr **out, frz_error *err)
{
  frz_expr *expr = frz_arena_push(p->arena, sizeof *expr);
  if (expr == NULL) return frz_fail_nomem(err, "filter");
  *expr = (frz_expr){.kind = FRZ_EXPR_PREDICATE,
                     .predicate = negate ? frz_predicate_opposite(predicate) : predicate,
                     .field = field,
                     .literals = literals,
                     .n_literals = n};
  *out = expr;
  return FRZ_OK;
}

static frz_status read_literal(parser *p, frz_token *literal, frz_error *err)
{
  bool is_literal = p->token.kind == FRZ_TOKEN_STRING || p->token.kind == FRZ_TOKEN_NUMBER ||
                    frz_token_is(&p->token, "true") || frz_token_is(&p->token, "false");
  if (frz_token_is(&p->token, "null"))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "filter offset %zu: nothing compares with null; use IS NULL", p->token.offset);
  if (!is_literal) return expected(p, "a value", err);
  *literal = p->token;
  return advance(p, err);
}

static frz_status bind_literal(parser *p, const frz_field *field, const frz_token *token,
                               frz_literal *literal_out, int *range_out, frz_error *err)
{
  frz_status st = frz_literal_from_text(&field->type, token->text, token->kind == FRZ_TOKEN_STRING,
                                        p->arena, literal_out, range_out, err);
  if (st == FRZ_ERR_INVALID)
    frz_error_where(err, "filter offset %zu: column '%.*s': ", token->offset,
                    FRZ_STR_ARG(field->name));
  if (st != FRZ_OK) return st;
  /* -0.0 is the same to a filter, but has other bits. */
  if (field->type.kind == FRZ_TYPE_FLOAT && literal_out->as.f32 == 0) literal_out->as.f32 = 0;
  if (field->type.kind == FRZ_TYPE_DOUBLE && literal_out->as.f64 == 0) literal_out->as.f64 = 0;
  return FRZ_OK;
}

/* A comparison with a value outside the type: beyond all values, or for floats, beyond all but
 * the infinity on that side, which the literal then is. */
static frz_predicate fold(frz_predicate predicate, int range, bool is_float, size_t *n_literals)
{
  bool is_less = predicate == FRZ_PREDICATE_LT || predicate == FRZ_PREDICATE_LE;
  if (predicate == FRZ_PREDICATE_EQ || predicate == FRZ_PREDICATE_NE) {
    *n_literals = 0;
    return predicate == FRZ_PREDICATE_EQ ? FRZ_PREDICATE_IN : FRZ_PREDICATE_NOT_IN;
  }
  if (is_float && range > 0) return is_less ? FRZ_PREDICATE_LT : FRZ_PREDICATE_GE;
  if (is_float) return is_less ? FRZ_PREDICATE_LE : FRZ_PREDICATE_GT;
  *n_literals = 0;
  return is_less == (range > 0) ? FRZ_PREDICATE_NOT_IN : FRZ_PREDICATE_IN;
}

static frz_status compare(parser *p, const frz_field *field, frz_predicate predicate, bool negate,
                          const frz_token *token, const frz_expr **out, frz_error *err)
{
  int range;
  size_t n = 1;
  frz_literal *literal = frz_arena_array(p->arena, 1, sizeof *literal);
  if (literal == NULL) return frz_fail_nomem(err, "filter");
  FRZ_TRY(bind_literal(p, field, token, literal, &range, err));
  bool is_float = field->type.kind == FRZ_TYPE_FLOAT || field->type.kind == FRZ_TYPE_DOUBLE;
  if (range != 0) predicate = fold(predicate, range, is_float, &n);
  return make(p, predicate, negate, field, literal, n, out, err);
}

static int by_value(const void *a, const void *b)
{
  return frz_literal_compare(a, b);
}

static frz_status read_list(parser *p, const frz_field *field, bool negate, const frz_expr **out,
                            frz_error *err)
{
  frz_literal *literals = NULL;
  size_t n = 0, capacity = 0, n_distinct = 0;
  FRZ_TRY(take(p, FRZ_TOKEN_OPEN, "'('", err));
  for (;;) {
    frz_token token;
    int range;
    FRZ_TRY(read_literal(p, &token, err));
    literals = frz_arena_list_room(p->arena, literals, n, &capacity, sizeof *literals);
    if (literals == NULL) return frz_fail_nomem(err, "filter");
    FRZ_TRY(bind_literal(p, field, &token, &literals[n], &range, err));
    if (range == 0) n++; /* no value equals one beyond the range */
    if (p->token.kind != FRZ_TOKEN_COMMA) break;
    FRZ_TRY(advance(p, err));
  }
  FRZ_TRY(take(p, FRZ_TOKEN_CLOSE, "',' or ')'", err));
  if (n > 1) qsort(literals, n, sizeof *literals, by_value);
  for (size_t i = 0; i < n; i++)
    if (i == 0 || frz_literal_compare(&literals[i], &literals[n_distinct - 1]) != 0)
      literals[n_distinct++] = literals[i];
  return make(p, n_distinct == 1 ? FRZ_PREDICATE_EQ : FRZ_PREDICATE_IN, negate, field, literals,
              n_distinct, out, err);
}

/* 'text%' is a prefix, a pattern without wildcards is the text itself; \ takes the next character
 * literally. */
static frz_status read_pattern(parser *p, const frz_field *field, bool negate, const frz_expr **out,
                               frz_error *err)
{
  if (p->token.kind != FRZ_TOKEN_STRING) return expected(p, "a pattern in quotes", err);
  if (field->type.kind != FRZ_TYPE_STRING)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "filter offset %zu: LIKE is for strings, column '%.*s' is %s", p->token.offset,
                    FRZ_STR_ARG(field->name), frz_type_kind_name(field->type.kind));
  frz_str pattern = p->token.text;
  char *text = frz_arena_push(p->arena, pattern.size);
  frz_literal *literal = frz_arena_array(p->arena, 1, sizeof *literal);
  if (text == NULL || literal == NULL) return frz_fail_nomem(err, "filter");
  size_t n = 0, end = pattern.size;
  bool is_prefix = false;
  for (size_t i = 0; i < end; i++) {
    char c = pattern.data[i];
    if (c == '%' && i + 1 == end) {
      is_prefix = true;
      break;
    }
    if (c == '%' || c == '_')
      return frz_fail(err, FRZ_ERR_INVALID,
                      "filter offset %zu: LIKE takes one %% at the pattern's end only",
                      p->token.offset);
    if (c == '\\' && i + 1 < end) c = pattern.data[++i];
    text[n++] = c;
  }
  FRZ_TRY(advance(p, err));
  *literal = (frz_literal){.kind = FRZ_TYPE_STRING, .as = {.bytes = {text, n}}};
  return make(p, is_prefix ? FRZ_PREDICATE_STARTS_WITH : FRZ_PREDICATE_EQ, negate, field, literal,
              1, out, err);
}

static frz_status read_between(parser *p, const frz_field *field, bool negate, const frz_expr **out,
                               frz_error *err)
{
  frz_token low, high;
  const frz_expr *above, *below;
  bool has_and;
  FRZ_TRY(read_literal(p, &low, err));
  FRZ_TRY(take_keyword(p, "and", &has_and, err));
  if (!has_and) return expected(p, "AND", err);
  FRZ_TRY(read_literal(p, &high, err));
  FRZ_TRY(compare(p, field, FRZ_PREDICATE_GE, negate, &low, &above, err));
  FRZ_TRY(compare(p, field, FRZ_PREDICATE_LE, negate, &high, &below, err));
  *out = frz_expr_pair(negate ? FRZ_EXPR_OR : FRZ_EXPR_AND, above, below, p->arena);
  return *out != NULL ? FRZ_OK : frz_fail_nomem(err, "filter");
}

static frz_status read_is(parser *p, const frz_field *field, bool negate, const frz_expr **out,
                          frz_error *err)
{
  bool is_not, is_null, is_nan;
  size_t offset = p->token.offset;
  FRZ_TRY(take_keyword(p, "not", &is_not, err));
  FRZ_TRY(take_keyword(p, "null", &is_null, err));
  if (is_null) return make(p, FRZ_PREDICATE_IS_NULL, negate != is_not, field, NULL, 0, out, err);
  FRZ_TRY(take_keyword(p, "nan", &is_nan, err));
  if (!is_nan) return expected(p, "NULL or NAN", err);
  if (field->type.kind != FRZ_TYPE_FLOAT && field->type.kind != FRZ_TYPE_DOUBLE)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "filter offset %zu: IS NAN is for floats and doubles, column '%.*s' is %s",
                    offset, FRZ_STR_ARG(field->name), frz_type_kind_name(field->type.kind));
  return make(p, FRZ_PREDICATE_IS_NAN, negate != is_not, field, NULL, 0, out, err);
}

/* ---- columns ---- */

static frz_status append_part(parser *p, frz_str *name, frz_error *err)
{
  frz_str part = p->token.text;
  size_t dot = name->data != NULL;
  char *joined = frz_arena_push(p->arena, name->size + dot + part.size + 1);
  if (joined == NULL) return frz_fail_nomem(err, "filter");
  if (name->size != 0) memcpy(joined, name->data, name->size);
  if (dot) joined[name->size] = '.';
  if (part.size != 0) memcpy(joined + name->size + dot, part.data, part.size);
  *name = (frz_str){joined, name->size + dot + part.size};
  return FRZ_OK;
}

static frz_status read_column(parser *p, const frz_field **field_out, frz_error *err)
{
  frz_str name = {0};
  size_t offset = p->token.offset;
  for (int n_parts = 0;; n_parts++) {
    if (p->token.kind != FRZ_TOKEN_WORD && p->token.kind != FRZ_TOKEN_QUOTED)
      return expected(p, "a column", err);
    if (n_parts > FRZ_LIMIT_DEPTH)
      return frz_fail(err, FRZ_ERR_INVALID, "filter offset %zu: the column has too many parts",
                      offset);
    FRZ_TRY(append_part(p, &name, err));
    FRZ_TRY(advance(p, err));
    if (p->token.kind != FRZ_TOKEN_DOT) break;
    FRZ_TRY(advance(p, err));
  }
  const frz_field *field = frz_schema_find_name(p->schema, name, p->case_sensitive);
  if (field == NULL) {
    char where[64];
    snprintf(where, sizeof where, "filter offset %zu: ", offset);
    return frz_schema_fail_name(p->schema, where, name, err);
  }
  if (!frz_type_is_primitive(&field->type) ||
      !frz_schema_is_reachable_by_structs(p->schema, field->id))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "filter offset %zu: column '%.*s' is, or is inside of, a list, map or struct "
                    "that cannot be filtered",
                    offset, FRZ_STR_ARG(name));
  *field_out = field;
  return FRZ_OK;
}

/* ---- predicates ---- */

static bool comparison(frz_token_kind kind, frz_predicate *predicate_out)
{
  switch (kind) {
  case FRZ_TOKEN_EQ: *predicate_out = FRZ_PREDICATE_EQ; return true;
  case FRZ_TOKEN_NE: *predicate_out = FRZ_PREDICATE_NE; return true;
  case FRZ_TOKEN_LT: *predicate_out = FRZ_PREDICATE_LT; return true;
  case FRZ_TOKEN_LE: *predicate_out = FRZ_PREDICATE_LE; return true;
  case FRZ_TOKEN_GT: *predicate_out = FRZ_PREDICATE_GT; return true;
  case FRZ_TOKEN_GE: *predicate_out = FRZ_PREDICATE_GE; return true;
  default: return false;
  }
}

/* With the sides changed. */
static frz_predicate mirrored(frz_predicate predicate)
{
  switch (predicate) {
  case FRZ_PREDICATE_LT: return FRZ_PREDICATE_GT;
  case FRZ_PREDICATE_LE: return FRZ_PREDICATE_GE;
  case FRZ_PREDICATE_GT: return FRZ_PREDICATE_LT;
  case FRZ_PREDICATE_GE: return FRZ_PREDICATE_LE;
  default: return predicate;
  }
}

static frz_status read_after_column(parser *p, const frz_field *field, bool negate,
                                    const frz_expr **out, frz_error *err)
{
  frz_predicate predicate;
  frz_token literal;
  bool found;
  if (comparison(p->token.kind, &predicate)) {
    FRZ_TRY(advance(p, err));
    FRZ_TRY(read_literal(p, &literal, err));
    return compare(p, field, predicate, negate, &literal, out, err);
  }
  FRZ_TRY(take_keyword(p, "is", &found, err));
  if (found) return read_is(p, field, negate, out, err);
  FRZ_TRY(take_keyword(p, "not", &found, err));
  if (found) negate = !negate;
  FRZ_TRY(take_keyword(p, "in", &found, err));
  if (found) return read_list(p, field, negate, out, err);
  FRZ_TRY(take_keyword(p, "like", &found, err));
  if (found) return read_pattern(p, field, negate, out, err);
  FRZ_TRY(take_keyword(p, "between", &found, err));
  if (found) return read_between(p, field, negate, out, err);
  return expected(p, "a comparison, IS, IN, LIKE or BETWEEN", err);
}

/* A value first: TRUE or FALSE alone, or the mirrored comparison. */
static frz_status read_after_literal(parser *p, const frz_token *literal, bool negate,
                                     const frz_expr **out, frz_error *err)
{
  frz_predicate predicate;
  const frz_field *field;
  if (!comparison(p->token.kind, &predicate)) {
    if (literal->kind != FRZ_TOKEN_WORD) return expected(p, "a comparison", err);
    *out = frz_token_is(literal, "true") != negate ? &frz_expr_always : &frz_expr_never;
    return FRZ_OK;
  }
  FRZ_TRY(advance(p, err));
  FRZ_TRY(read_column(p, &field, err));
  return compare(p, field, mirrored(predicate), negate, literal, out, err);
}

static frz_status parse_unary(parser *p, bool negate, int depth, const frz_expr **out,
                              frz_error *err)
{
  for (;;) {
    bool is_not;
    FRZ_TRY(take_keyword(p, "not", &is_not, err));
    if (!is_not) break;
    negate = !negate;
  }
  if (p->token.kind == FRZ_TOKEN_OPEN) {
    if (depth >= FRZ_LIMIT_DEPTH)
      return frz_fail(err, FRZ_ERR_LIMIT, "filter offset %zu: parentheses deeper than %d",
                      p->token.offset, FRZ_LIMIT_DEPTH);
    FRZ_TRY(advance(p, err));
    FRZ_TRY(parse_or(p, negate, depth + 1, out, err));
    return take(p, FRZ_TOKEN_CLOSE, "')'", err);
  }
  frz_token first = p->token;
  if (first.kind == FRZ_TOKEN_STRING || first.kind == FRZ_TOKEN_NUMBER ||
      frz_token_is(&first, "true") || frz_token_is(&first, "false")) {
    FRZ_TRY(advance(p, err));
    return read_after_literal(p, &first, negate, out, err);
  }
  const frz_field *field;
  FRZ_TRY(read_column(p, &field, err));
  return read_after_column(p, field, negate, out, err);
}

typedef frz_status parse_operand(parser *p, bool negate, int depth, const frz_expr **out,
                                 frz_error *err);

/* Operands joined by a keyword; under a NOT they are joined by the other one. */
static frz_status parse_joined(parser *p, const char *keyword, frz_expr_kind kind,
                               parse_operand *parse, bool negate, int depth, const frz_expr **out,
                               frz_error *err)
{
  const frz_expr **operands = NULL;
  size_t n = 0, capacity = 0;
  bool more = true;
  while (more) {
    const frz_expr *operand = NULL;
    FRZ_TRY(parse(p, negate, depth, &operand, err));
    operands = frz_arena_list_room(p->arena, operands, n, &capacity, sizeof(frz_expr *));
    if (operands == NULL) return frz_fail_nomem(err, "filter");
    operands[n++] = operand;
    FRZ_TRY(take_keyword(p, keyword, &more, err));
  }
  if (negate) kind = kind == FRZ_EXPR_AND ? FRZ_EXPR_OR : FRZ_EXPR_AND;
  *out = frz_expr_join(kind, operands, n, p->arena);
  return *out != NULL ? FRZ_OK : frz_fail_nomem(err, "filter");
}

static frz_status parse_and(parser *p, bool negate, int depth, const frz_expr **out, frz_error *err)
{
  return parse_joined(p, "and", FRZ_EXPR_AND, parse_unary, negate, depth, out, err);
}

static frz_status parse_or(parser *p, bool negate, int depth, const frz_expr **out, frz_error *err)
{
  return parse_joined(p, "or", FRZ_EXPR_OR, parse_and, negate, depth, out, err);
}

frz_status frz_expr_parse(frz_str text, const frz_schema *schema, bool case_sensitive,
                          frz_arena *arena, const frz_expr **expr_out, frz_error *err)
{
  if (text.size > FRZ_LIMIT_FILTER_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "filter of %zu bytes; at most %zu are read", text.size,
                    FRZ_LIMIT_FILTER_BYTES);
  parser p = {.tokens = {.text = text, .arena = arena},
              .schema = schema,
              .case_sensitive = case_sensitive,
              .arena = arena};
  const frz_expr *expr;
  FRZ_TRY(advance(&p, err));
  FRZ_TRY(parse_or(&p, false, 0, &expr, err));
  if (p.token.kind != FRZ_TOKEN_END) return expected(&p, "AND, OR or the end", err);
  *expr_out = expr;
  return FRZ_OK;
}
