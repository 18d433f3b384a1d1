/*
 * test_expression.c - filters: parsing, row evaluation, pruning.
 *
 * The heart is a brute-force check. Random filters are made as trees, evaluated on random rows by a
 * plain three-valued evaluator written here, printed as text, and given to the library, which must
 * select the same rows. The rows also stand for files with partition values and metrics, and files
 * for manifests: pruning must never lose a matching row, and "all match" must be true of all.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "iceberg/filter/expression.h"

/* ---- parsing ---- */

static const char schema_text[] =
    "{\"type\":\"struct\",\"fields\":["
    "{\"id\":1,\"name\":\"b\",\"required\":false,\"type\":\"boolean\"},"
    "{\"id\":2,\"name\":\"i\",\"required\":false,\"type\":\"int\"},"
    "{\"id\":3,\"name\":\"l\",\"required\":false,\"type\":\"long\"},"
    "{\"id\":4,\"name\":\"f\",\"required\":false,\"type\":\"float\"},"
    "{\"id\":5,\"name\":\"d\",\"required\":false,\"type\":\"double\"},"
    "{\"id\":6,\"name\":\"dec\",\"required\":false,\"type\":\"decimal(9, 2)\"},"
    "{\"id\":7,\"name\":\"day\",\"required\":false,\"type\":\"date\"},"
    "{\"id\":8,\"name\":\"t\",\"required\":false,\"type\":\"time\"},"
    "{\"id\":9,\"name\":\"tz\",\"required\":false,\"type\":\"timestamptz\"},"
    "{\"id\":10,\"name\":\"ns\",\"required\":false,\"type\":\"timestamp_ns\"},"
    "{\"id\":11,\"name\":\"s\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":12,\"name\":\"u\",\"required\":false,\"type\":\"uuid\"},"
    "{\"id\":13,\"name\":\"x\",\"required\":false,\"type\":\"fixed[2]\"},"
    "{\"id\":14,\"name\":\"y\",\"required\":false,\"type\":\"binary\"},"
    "{\"id\":15,\"name\":\"at\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":["
    "{\"id\":16,\"name\":\"city\",\"required\":false,\"type\":\"string\"}]}},"
    "{\"id\":17,\"name\":\"tags\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":18,"
    "\"element\":\"string\",\"element-required\":false}},"
    "{\"id\":19,\"name\":\"odd \\\"name\",\"required\":false,\"type\":\"int\"}]}";

enum { N_COLUMNS = 14 };

static frz_arena schema_arena;
static frz_schema schema;

static int setup(void **state)
{
  (void)state;
  frz_json_reader json;
  frz_arena_init(&schema_arena, frz_alloc_default(), (size_t)64 << 20);
  frz_json_reader_init(&json, schema_text, sizeof schema_text - 1, &schema_arena);
  return frz_schema_parse(&json, &schema_arena, &schema, NULL) == FRZ_OK ? 0 : -1;
}

static int teardown(void **state)
{
  (void)state;
  frz_arena_free(&schema_arena);
  return 0;
}

static const char *const predicate_names[] = {
    "=",      "<>",      "<",        "<=",     ">",       ">=",     "in",
    "not-in", "is-null", "not-null", "is-nan", "not-nan", "starts", "not-starts"};

static void print(const frz_expr *expr, frz_arena *arena, char *out, size_t room)
{
  size_t at = strlen(out);
  switch (expr->kind) {
  case FRZ_EXPR_TRUE: snprintf(out + at, room - at, "true"); return;
  case FRZ_EXPR_FALSE: snprintf(out + at, room - at, "false"); return;
  case FRZ_EXPR_PREDICATE:
    snprintf(out + at, room - at, "%.*s %s", FRZ_STR_ARG(expr->field->name),
             predicate_names[expr->predicate]);
    for (size_t i = 0; i < expr->n_literals; i++) {
      at = strlen(out);
      snprintf(out + at, room - at, " %.*s",
               FRZ_STR_ARG(frz_literal_print(&expr->literals[i], arena)));
    }
    return;
  default: break;
  }
  snprintf(out + at, room - at, "(");
  print(expr->left, arena, out, room);
  at = strlen(out);
  snprintf(out + at, room - at, expr->kind == FRZ_EXPR_AND ? " & " : " | ");
  print(expr->right, arena, out, room);
  at = strlen(out);
  snprintf(out + at, room - at, ")");
}

static void test_shapes(void **state)
{
  (void)state;
  static const struct {
    const char *text, *shape;
  } cases[] = {
      {"i = 5", "i = 5"},
      {"I == 5", NULL},
      {"5 < i", "i > 5"},
      {"5 >= l", "l <= 5"},
      {"not i = 5", "i <> 5"},
      {"NOT NOT i != 5", "i <> 5"},
      {"i = 1 and l = 2 or s = 'a'", "((i = 1 & l = 2) | s = a)"},
      {"i = 1 and (l = 2 or s = 'a')", "(i = 1 & (l = 2 | s = a))"},
      {"not (i = 1 and l < 2)", "(i <> 1 | l >= 2)"},
      {"not (i is null or l is not null)", "(i not-null & l is-null)"},
      {"i in (3, 1, 3, 2)", "i in 1 2 3"},
      {"i in (3)", "i = 3"},
      {"i not in (3, 1)", "i not-in 1 3"},
      {"not i in (3, 1)", "i not-in 1 3"},
      {"i between 1 and 5 and l = 2", "((i >= 1 & i <= 5) & l = 2)"},
      {"i not between 1 and 5", "(i < 1 | i > 5)"},
      {"s like 'ab%'", "s starts ab"},
      {"s not like 'ab%'", "s not-starts ab"},
      {"s like 'ab'", "s = ab"},
      {"s like 'a\\%b\\_%'", "s starts a%b_"},
      {"s = 'it''s'", "s = it's"},
      {"d is nan", "d is-nan"},
      {"d is not nan", "d not-nan"},
      {"true", "true"},
      {"not true", "false"},
      {"true and i = 1", "i = 1"},
      {"false or i = 1", "i = 1"},
      {"false and i = 1", "false"},
      {"true = b", "b = true"},
      {"b <> FALSE", "b <> false"},
      {"at.city = 'x'", "city = x"},
      {"\"at\".`city` = 'x'", "city = x"},
      {"\"odd \"\"name\" = 1", "odd \"name = 1"},
      {"i = 3000000000", "i in"},
      {"i <> 3000000000", "i not-in"},
      {"i < 3000000000", "i not-in"},
      {"i > 3000000000", "i in"},
      {"i > -3000000000", "i not-in"},
      {"i in (3000000000, 5)", "i = 5"},
      {"f < 1e300", "f < Infinity"},
      {"f >= 1e300", "f >= Infinity"},
      {"f <= -1e300", "f <= -Infinity"},
      {"f > -1e300", "f > -Infinity"},
      {"d = -0.0", "d = 0.0"},
      {"tz >= '2024-01-01T00:00:00+00:00'", "tz >= 2024-01-01T00:00:00+00:00"},
      {"i=-5 and l>+6", "(i = -5 & l > 6)"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
    const frz_expr *expr;
    frz_error err = {0};
    char out[1000] = "";
    frz_status st = frz_expr_parse(frz_str_from(cases[i].text), &schema, true, &arena, &expr, &err);
    if (cases[i].shape == NULL) {
      assert_int_equal(st, FRZ_ERR_INVALID);
      assert_int_equal(
          frz_expr_parse(frz_str_from(cases[i].text), &schema, false, &arena, &expr, &err), FRZ_OK);
    } else {
      if (st != FRZ_OK) fail_msg("%s: %s", cases[i].text, err.message);
      print(expr, &arena, out, sizeof out);
      if (strcmp(out, cases[i].shape) != 0) fail_msg("%s: %s", cases[i].text, out);
    }
    frz_arena_free(&arena);
  }
}

static void test_errors_give_the_offset(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"", "offset 0"},
      {"i", "offset 1"},
      {"i =", "offset 3"},
      {"i = x", "offset 4"},
      {"i = 5 l", "offset 6"},
      {"i = 5 and", "offset 9"},
      {"(i = 5", "offset 6"},
      {"i = 5)", "offset 5"},
      {"nope = 5", "offset 0"},
      {"i = 'abc'", "offset 4"},
      {"i = 1.5", "offset 4"},
      {"i = null", "offset 4"},
      {"i in ()", "offset 6"},
      {"i in (1,)", "offset 8"},
      {"i in (1, null)", "offset 9"},
      {"i ! 5", "offset 2"},
      {"s = 'abc", "offset 4"},
      {"\"i = 5", "offset 0"},
      {"s like 'a%b'", "offset 7"},
      {"s like '_b'", "offset 7"},
      {"i like 'a%'", "offset 7"},
      {"i is nan", "offset 5"},
      {"i is 5", "offset 5"},
      {"i between 1", "offset 11"},
      {"tags is null", "offset 0"},
      {"tags.element = 'a'", "offset 0"},
      {"at = 'a'", "offset 0"},
      {"i = 5 and d = nan", "offset 14"},
      {"d = 'nan'", "offset 4"},
      {"5 = 5", "offset 4"},
      {"#", "offset 0"},
      {"i = 1x", "offset 4"},
      {"tz = 5", "offset 5"},
      {"a..b = 5", "offset 2"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
    const frz_expr *expr = NULL;
    frz_error err = {0};
    assert_int_equal(
        frz_expr_parse(frz_str_from(cases[i].text), &schema, true, &arena, &expr, &err),
        FRZ_ERR_INVALID);
    if (strstr(err.message, cases[i].message) == NULL)
      fail_msg("'%s': '%s' does not say %s", cases[i].text, err.message, cases[i].message);
    assert_null(expr);
    frz_arena_free(&arena);
  }
}

static void test_depth_and_length(void **state)
{
  (void)state;
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)256 << 20);
  const frz_expr *expr;
  char deep[200];
  memset(deep, '(', sizeof deep);
  assert_int_equal(frz_expr_parse((frz_str){deep, sizeof deep}, &schema, true, &arena, &expr, NULL),
                   FRZ_ERR_LIMIT);
  size_t n = 80000; /* a long list of conditions is no deep tree */
  char *text = malloc(n * 13 + 14);
  size_t at = 0;
  for (size_t i = 0; i < n; i++)
    at += (size_t)snprintf(text + at, 14, "%si=%zu", i != 0 ? " or " : "", i % 10000);
  assert_int_equal(frz_expr_parse((frz_str){text, at}, &schema, true, &arena, &expr, NULL), FRZ_OK);
  const int32_t *ids;
  size_t n_ids;
  assert_int_equal(frz_expr_field_ids(expr, &arena, &ids, &n_ids, NULL), FRZ_OK);
  assert_int_equal(n_ids, 1);
  assert_non_null(frz_expr_not(expr, &arena));
  free(text);
  frz_arena_free(&arena);
}

static void test_field_ids_and_negation(void **state)
{
  (void)state;
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  const frz_expr *expr;
  const int32_t *ids;
  size_t n_ids;
  assert_int_equal(frz_expr_parse(FRZ_STR("s = 'a' or i = 1 and (s is null or at.city = 'x')"),
                                  &schema, true, &arena, &expr, NULL),
                   FRZ_OK);
  assert_int_equal(frz_expr_field_ids(expr, &arena, &ids, &n_ids, NULL), FRZ_OK);
  assert_int_equal(n_ids, 3);
  assert_int_equal(ids[0], 2);
  assert_int_equal(ids[1], 11);
  assert_int_equal(ids[2], 16);
  char out[500] = "";
  print(frz_expr_not(expr, &arena), &arena, out, sizeof out);
  assert_string_equal(out, "(s <> a & (i <> 1 | (s not-null & city <> x)))");
  assert_null(frz_expr_and(NULL, NULL, &arena));
  assert_ptr_equal(frz_expr_and(NULL, expr, &arena), expr);
  assert_ptr_equal(frz_expr_and(expr, NULL, &arena), expr);
  assert_int_equal(frz_expr_and(expr, expr, &arena)->kind, FRZ_EXPR_AND);
  assert_int_equal(frz_expr_field_ids(NULL, &arena, &ids, &n_ids, NULL), FRZ_OK);
  assert_int_equal(n_ids, 0);
  frz_arena_free(&arena);
}

/* ---- brute force ---- */

enum { DOMAIN_VALUES = 7, MAX_ROWS = 24, MAX_NODES = 64, MAX_PARTS = 3, MAX_FILES = 4 };

static uint64_t random_state;

static uint64_t rnd(void)
{
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545f4914f6cdd1du >> 11;
}

static int64_t rnd_below(int64_t n)
{
  return (int64_t)(rnd() % (uint64_t)n);
}

static bool chance(int percent)
{
  return rnd_below(100) < percent;
}

typedef struct world {
  frz_arena arena;
  frz_literal domain[N_COLUMNS][DOMAIN_VALUES]; /* few values, so that they meet */
} world;

static const frz_field *column(int c)
{
  return &schema.root.fields[c];
}

static frz_str random_text(frz_arena *arena)
{
  static const char *const pieces[] = {"a", "b", "ab", "\xc3\xa9", "\xf0\x9f\x98\x80", "z", "'"};
  char text[64] = "";
  int64_t n = rnd_below(5);
  for (int64_t i = 0; i < n; i++) strcat(text, pieces[rnd_below(7)]);
  return frz_arena_copy(arena, frz_str_from(text));
}

static frz_str random_bytes(frz_arena *arena, size_t size)
{
  char bytes[16];
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)(chance(50) ? 'a' + rnd_below(3) : rnd_below(256));
  return frz_arena_copy(arena, (frz_str){bytes, size});
}

static int64_t random_number(void)
{
  switch (rnd_below(6)) {
  case 0: return rnd_below(5) - 2;
  case 1: return INT32_MAX - rnd_below(3);
  case 2: return INT32_MIN + rnd_below(3);
  default: return rnd_below(60) - 30;
  }
}

static double random_double(void)
{
  static const double special[] = {0.0, -0.0, NAN, INFINITY, -INFINITY, 0.5, 1e30};
  return chance(50) ? special[rnd_below(7)] : (double)(rnd_below(20) - 10) / 2;
}

static frz_literal random_value(frz_arena *arena, const frz_type *type)
{
  const int64_t hour = INT64_C(3600000000);
  frz_literal v = {.kind = type->kind, .scale = type->scale};
  switch (type->kind) {
  case FRZ_TYPE_BOOLEAN: v.as.boolean = chance(50); break;
  case FRZ_TYPE_INT: v.as.i32 = (int32_t)random_number(); break;
  case FRZ_TYPE_LONG: v.as.i64 = chance(10) ? INT64_MIN : random_number(); break;
  case FRZ_TYPE_FLOAT: v.as.f32 = (float)random_double(); break;
  case FRZ_TYPE_DOUBLE: v.as.f64 = random_double(); break;
  case FRZ_TYPE_DECIMAL: v.as.decimal = rnd_below(400) - 200; break;
  case FRZ_TYPE_DATE: v.as.i32 = (int32_t)(rnd_below(800) - 400); break;
  case FRZ_TYPE_TIME: v.as.i64 = rnd_below(24 * hour); break;
  case FRZ_TYPE_TIMESTAMPTZ: v.as.i64 = (rnd_below(4000) - 2000) * hour / 2 - rnd_below(2); break;
  case FRZ_TYPE_TIMESTAMP_NS:
    v.as.i64 = (rnd_below(4000) - 2000) * hour * 500 - rnd_below(2);
    break;
  case FRZ_TYPE_STRING: v.as.bytes = random_text(arena); break;
  case FRZ_TYPE_UUID: v.as.bytes = random_bytes(arena, 16); break;
  case FRZ_TYPE_FIXED: v.as.bytes = random_bytes(arena, 2); break;
  default: v.as.bytes = random_bytes(arena, (size_t)rnd_below(5)); break;
  }
  return v;
}

static bool is_nan_value(const frz_literal *v)
{
  return !v->is_null && ((v->kind == FRZ_TYPE_FLOAT && isnan(v->as.f32)) ||
                         (v->kind == FRZ_TYPE_DOUBLE && isnan(v->as.f64)));
}

static frz_literal pick(const world *w, int c)
{
  return chance(15) ? frz_literal_null(column(c)->type.kind)
                    : w->domain[c][rnd_below(DOMAIN_VALUES)];
}

static frz_literal pick_literal(const world *w, int c)
{
  frz_literal v;
  do v = w->domain[c][rnd_below(DOMAIN_VALUES)];
  while (is_nan_value(&v));
  return v;
}

/* A filter as a tree with NOT, for the evaluator here. */
typedef struct node {
  enum { AND, OR, NOT, COMPARE, IN, IS_NULL, IS_NAN, PREFIX } kind;
  int left, right;
  int c;
  frz_predicate op; /* COMPARE */
  frz_literal values[4];
  int n_values;
} node;

typedef struct tree {
  node nodes[MAX_NODES];
  int n;
} tree;

static int make_leaf(const world *w, tree *t)
{
  node *leaf = &t->nodes[t->n];
  leaf->c = (int)rnd_below(N_COLUMNS);
  frz_type_kind kind = column(leaf->c)->type.kind;
  leaf->kind = COMPARE;
  leaf->op = (frz_predicate)rnd_below(6);
  int64_t choice = rnd_below(10);
  leaf->n_values = 1;
  if (choice == 0) leaf->kind = IS_NULL;
  if (choice == 1 && (kind == FRZ_TYPE_FLOAT || kind == FRZ_TYPE_DOUBLE)) leaf->kind = IS_NAN;
  if (choice == 2 && kind == FRZ_TYPE_STRING) leaf->kind = PREFIX;
  if (choice == 3 || choice == 4) {
    leaf->kind = IN;
    leaf->n_values = 1 + (int)rnd_below(4);
  }
  for (int i = 0; i < leaf->n_values; i++) leaf->values[i] = pick_literal(w, leaf->c);
  return t->n++;
}

static int make_tree(const world *w, tree *t, int depth)
{
  if (depth == 0 || chance(30)) return make_leaf(w, t);
  int left = make_tree(w, t, depth - 1);
  int64_t choice = rnd_below(5);
  int right = choice == 0 ? -1 : make_tree(w, t, depth - 1);
  t->nodes[t->n] = (node){.kind = choice == 0  ? NOT
                                  : choice < 3 ? AND
                                               : OR,
                          .left = left,
                          .right = right};
  return t->n++;
}

static double as_double(const frz_literal *v)
{
  return v->kind == FRZ_TYPE_FLOAT ? (double)v->as.f32 : v->as.f64;
}

static int order_of(const frz_literal *a, const frz_literal *b)
{
  if (a->kind != FRZ_TYPE_FLOAT && a->kind != FRZ_TYPE_DOUBLE) return frz_literal_compare(a, b);
  double x = as_double(a), y = as_double(b);
  if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
  return (x > y) - (x < y);
}

enum { NO, YES, UNKNOWN };

static int eval_leaf(const node *leaf, const frz_literal *row)
{
  const frz_literal *v = &row[leaf->c];
  if (leaf->kind == IS_NULL) return v->is_null;
  if (leaf->kind == IS_NAN) return is_nan_value(v);
  if (v->is_null) return UNKNOWN;
  if (leaf->kind == IN) {
    for (int i = 0; i < leaf->n_values; i++)
      if (order_of(v, &leaf->values[i]) == 0) return YES;
    return NO;
  }
  if (leaf->kind == PREFIX) {
    frz_str prefix = leaf->values[0].as.bytes;
    return v->as.bytes.size >= prefix.size &&
           memcmp(v->as.bytes.data, prefix.data, prefix.size) == 0;
  }
  int order = order_of(v, &leaf->values[0]);
  switch (leaf->op) {
  case FRZ_PREDICATE_EQ: return order == 0;
  case FRZ_PREDICATE_NE: return order != 0;
  case FRZ_PREDICATE_LT: return order < 0;
  case FRZ_PREDICATE_LE: return order <= 0;
  case FRZ_PREDICATE_GT: return order > 0;
  default: return order >= 0;
  }
}

static int eval(const tree *t, int at, const frz_literal *row)
{
  const node *n = &t->nodes[at];
  if (n->kind != AND && n->kind != OR && n->kind != NOT) return eval_leaf(n, row);
  int left = eval(t, n->left, row);
  if (n->kind == NOT) return left == UNKNOWN ? UNKNOWN : !left;
  int right = eval(t, n->right, row);
  int ruling = n->kind == AND ? NO : YES;
  if (left == ruling || right == ruling) return ruling;
  return left == UNKNOWN || right == UNKNOWN ? UNKNOWN : !ruling;
}

typedef struct text_out {
  char data[20000];
  size_t size;
} text_out;

static void put(text_out *out, const char *text)
{
  size_t n = strlen(text);
  assert_true(out->size + n < sizeof out->data);
  memcpy(out->data + out->size, text, n);
  out->size += n;
}

static void put_literal(text_out *out, const frz_literal *v, frz_arena *arena, const char *suffix)
{
  bool is_bytes =
      v->kind == FRZ_TYPE_STRING || v->kind == FRZ_TYPE_BINARY || v->kind == FRZ_TYPE_FIXED;
  frz_str text = is_bytes ? v->as.bytes : frz_literal_print(v, arena);
  bool is_plain = v->kind == FRZ_TYPE_BOOLEAN || v->kind == FRZ_TYPE_INT ||
                  v->kind == FRZ_TYPE_LONG || v->kind == FRZ_TYPE_DECIMAL;
  if (!is_plain) put(out, "'");
  for (size_t i = 0; i < text.size; i++) {
    assert_true(out->size + 2 < sizeof out->data);
    if (text.data[i] == '\'') out->data[out->size++] = '\'';
    out->data[out->size++] = text.data[i];
  }
  put(out, suffix);
  if (!is_plain) put(out, "'");
}

static void put_leaf(text_out *out, const node *leaf, frz_arena *arena)
{
  char name[32];
  snprintf(name, sizeof name, "%.*s ", FRZ_STR_ARG(column(leaf->c)->name));
  put(out, name);
  if (leaf->kind == IS_NULL) put(out, "is null");
  if (leaf->kind == IS_NAN) put(out, "is nan");
  if (leaf->kind == PREFIX) {
    put(out, "like ");
    put_literal(out, &leaf->values[0], arena, "%");
  }
  if (leaf->kind == COMPARE) {
    put(out, predicate_names[leaf->op]);
    put(out, " ");
    put_literal(out, &leaf->values[0], arena, "");
  }
  if (leaf->kind == IN) {
    put(out, "in (");
    for (int i = 0; i < leaf->n_values; i++) {
      if (i != 0) put(out, ", ");
      put_literal(out, &leaf->values[i], arena, "");
    }
    put(out, ")");
  }
}

static void put_tree(text_out *out, const tree *t, int at, frz_arena *arena)
{
  const node *n = &t->nodes[at];
  if (n->kind != AND && n->kind != OR && n->kind != NOT) {
    put_leaf(out, n, arena);
    return;
  }
  put(out, n->kind == NOT ? "not (" : "(");
  put_tree(out, t, n->left, arena);
  if (n->kind != NOT) {
    put(out, n->kind == AND ? " and " : " or ");
    put_tree(out, t, n->right, arena);
  }
  put(out, ")");
}

typedef struct rows {
  frz_literal values[MAX_ROWS][N_COLUMNS];
  int n;
  frz_column columns[N_COLUMNS];
} rows;

static void build_columns(rows *r, frz_arena *arena)
{
  for (int c = 0; c < N_COLUMNS; c++) {
    frz_arrow_field arrow;
    assert_int_equal(frz_field_to_arrow(column(c), arena, &arrow, NULL), FRZ_OK);
    assert_int_equal(frz_column_init(&r->columns[c], &arrow, frz_alloc_default(), NULL), FRZ_OK);
    for (int i = 0; i < r->n; i++)
      assert_int_equal(frz_literal_append(&r->values[i][c], &r->columns[c], NULL), FRZ_OK);
  }
}

static const frz_column *column_of(void *arg, int32_t field_id)
{
  return &((rows *)arg)->columns[field_id - 1];
}

/* Compares the library's rows with the evaluator's; returns how many match. */
static int check_select(const world *w, const tree *t, int root, const frz_expr *expr, rows *r,
                        const char *text)
{
  int64_t selected[MAX_ROWS], n_selected = -1;
  (void)w;
  assert_int_equal(frz_expr_select(expr, &schema, column_of, r, r->n, selected, &n_selected,
                                   frz_alloc_default(), NULL),
                   FRZ_OK);
  int n_matches = 0;
  for (int i = 0; i < r->n; i++) {
    bool expected = eval(t, root, r->values[i]) == YES;
    bool found = n_matches < n_selected && selected[n_matches] == i;
    if (expected != found) fail_msg("row %d of: %s", i, text);
    n_matches += found;
  }
  assert_int_equal(n_matches, n_selected);
  return n_matches;
}

/* ---- files and manifests made of rows ---- */

static const char *random_transform(frz_type_kind kind)
{
  static const char *const times[] = {"identity", "bucket[3]", "year", "month", "day", "hour"};
  static const char *const cuts[] = {"identity", "bucket[3]", "truncate[2]", "truncate[10]"};
  switch (kind) {
  case FRZ_TYPE_BOOLEAN:
  case FRZ_TYPE_FLOAT:
  case FRZ_TYPE_DOUBLE: return chance(90) ? "identity" : "void";
  case FRZ_TYPE_DATE: return times[rnd_below(5)];
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS: return times[rnd_below(6)];
  case FRZ_TYPE_INT:
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_DECIMAL:
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY: return cuts[rnd_below(4)];
  default: return cuts[rnd_below(2)];
  }
}

static void make_spec(frz_partition_spec *spec, frz_partition_field *fields, frz_arena *arena)
{
  spec->fields = fields;
  spec->n_fields = (size_t)rnd_below(MAX_PARTS + 1);
  for (size_t i = 0; i < spec->n_fields; i++) {
    int c = (int)rnd_below(N_COLUMNS);
    fields[i] = (frz_partition_field){
        .source_id = column(c)->id, .field_id = 1000 + (int32_t)i, .name = FRZ_STR("p")};
    assert_int_equal(frz_transform_parse(frz_str_from(random_transform(column(c)->type.kind)),
                                         arena, &fields[i].transform, NULL),
                     FRZ_OK);
  }
}

static frz_partition partition_of(const frz_partition_spec *spec, const frz_literal *row,
                                  frz_arena *arena)
{
  frz_literal *values = frz_arena_array(arena, MAX_PARTS, sizeof *values);
  for (size_t i = 0; i < spec->n_fields; i++)
    assert_int_equal(frz_transform_apply(&spec->fields[i].transform,
                                         &row[spec->fields[i].source_id - 1], arena, &values[i],
                                         NULL),
                     FRZ_OK);
  return (frz_partition){values, spec->n_fields};
}

/* Rows of one partition: those of random ones that share the first's. */
static void fill_rows(const world *w, const frz_partition_spec *spec, rows *r,
                      frz_partition *partition_out, frz_arena *arena)
{
  r->n = 0;
  int wanted = 1 + (int)rnd_below(MAX_ROWS);
  bool few_values = chance(40); /* so that whole files match now and then */
  for (int i = 0; i < wanted; i++) {
    frz_literal *row = r->values[r->n];
    for (int c = 0; c < N_COLUMNS; c++)
      row[c] = few_values && i != 0 && chance(90) ? r->values[0][c] : pick(w, c);
    frz_partition partition = partition_of(spec, row, arena);
    if (r->n == 0) *partition_out = partition;
    if (frz_partition_equal(partition_out, &partition)) r->n++;
  }
}

typedef struct metrics {
  frz_metric values[N_COLUMNS], nulls[N_COLUMNS], nans[N_COLUMNS];
  frz_bound lower[N_COLUMNS], upper[N_COLUMNS];
} metrics;

static frz_str bytes_of(const frz_literal *v, frz_arena *arena)
{
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), 1000);
  assert_int_equal(frz_literal_to_bytes(v, &out, NULL), FRZ_OK);
  frz_str bytes = frz_arena_copy(arena, frz_buf_str(&out));
  frz_buf_dispose(&out);
  return bytes;
}

static void column_metrics(const rows *r, int c, metrics *m, frz_data_file *file, frz_arena *arena)
{
  int32_t id = column(c)->id;
  int64_t n_nulls = 0, n_nans = 0;
  const frz_literal *low = NULL, *high = NULL;
  for (int i = 0; i < r->n; i++) {
    const frz_literal *v = &r->values[i][c];
    n_nulls += v->is_null;
    n_nans += is_nan_value(v);
    if (v->is_null || is_nan_value(v)) continue;
    if (low == NULL || frz_literal_compare(v, low) < 0) low = v;
    if (high == NULL || frz_literal_compare(v, high) > 0) high = v;
  }
  if (chance(80)) m->values[file->n_value_counts++] = (frz_metric){id, r->n};
  if (chance(80)) m->nulls[file->n_null_counts++] = (frz_metric){id, n_nulls};
  bool is_float = column(c)->type.kind == FRZ_TYPE_FLOAT || column(c)->type.kind == FRZ_TYPE_DOUBLE;
  if (is_float && chance(70)) m->nans[file->n_nan_counts++] = (frz_metric){id, n_nans};
  if (low == NULL) return;
  int32_t length = chance(50) ? 2 : 100;
  frz_literal bound;
  if (chance(85) && frz_literal_truncate_bound(low, length, false, arena, &bound))
    m->lower[file->n_lower_bounds++] = (frz_bound){id, bytes_of(&bound, arena)};
  if (chance(85) && frz_literal_truncate_bound(high, length, true, arena, &bound))
    m->upper[file->n_upper_bounds++] = (frz_bound){id, bytes_of(&bound, arena)};
}

static frz_data_file file_of(const rows *r, const frz_partition *partition, metrics *m,
                             frz_arena *arena)
{
  frz_data_file file = {.partition = *partition,
                        .n_rows = r->n,
                        .value_counts = m->values,
                        .null_counts = m->nulls,
                        .nan_counts = m->nans,
                        .lower_bounds = m->lower,
                        .upper_bounds = m->upper};
  for (int c = 0; c < N_COLUMNS; c++) column_metrics(r, c, m, &file, arena);
  return file;
}

static void summarize(const frz_partition *partitions, int n_files, size_t at,
                      frz_field_summary *summary, frz_arena *arena)
{
  const frz_literal *low = NULL, *high = NULL;
  bool has_nan = false;
  for (int i = 0; i < n_files; i++) {
    const frz_literal *v = &partitions[i].values[at];
    summary->contains_null |= v->is_null;
    has_nan |= is_nan_value(v);
    if (v->is_null || is_nan_value(v)) continue;
    if (low == NULL || frz_literal_compare(v, low) < 0) low = v;
    if (high == NULL || frz_literal_compare(v, high) > 0) high = v;
  }
  summary->contains_nan = chance(30) ? -1 : has_nan;
  if (low != NULL) summary->lower = bytes_of(low, arena);
  if (high != NULL) summary->upper = bytes_of(high, arena);
}

typedef struct tally {
  int files, pruned, whole, manifests, manifests_pruned;
} tally;

static void check_world(tally *count)
{
  world w;
  frz_arena_init(&w.arena, frz_alloc_default(), (size_t)16 << 20);
  for (int c = 0; c < N_COLUMNS; c++)
    for (int i = 0; i < DOMAIN_VALUES; i++) do
        w.domain[c][i] = random_value(&w.arena, &column(c)->type);
      while (i == 0 && is_nan_value(&w.domain[c][i]));
  tree t = {.n = 0};
  int root = make_tree(&w, &t, (int)rnd_below(4));
  text_out text = {.size = 0};
  put_tree(&text, &t, root, &w.arena);
  text.data[text.size] = '\0';
  const frz_expr *expr;
  frz_error err = {0};
  if (frz_expr_parse((frz_str){text.data, text.size}, &schema, true, &w.arena, &expr, &err) !=
      FRZ_OK)
    fail_msg("%s in %s", err.message, text.data);
  frz_partition_spec spec;
  frz_partition_field fields[MAX_PARTS];
  make_spec(&spec, fields, &w.arena);
  frz_partition partitions[MAX_FILES];
  int n_files = 1 + (int)rnd_below(MAX_FILES), n_matches_of_all = 0;
  for (int i = 0; i < n_files; i++) {
    static rows r;
    fill_rows(&w, &spec, &r, &partitions[i], &w.arena);
    build_columns(&r, &w.arena);
    int n_matches = check_select(&w, &t, root, expr, &r, text.data);
    metrics m;
    frz_data_file file = file_of(&r, &partitions[i], &m, &w.arena);
    bool may = frz_expr_may_match_file(expr, &spec, &schema, &file);
    bool all = frz_expr_all_match_file(expr, &spec, &schema, &file);
    if (!may && n_matches != 0) fail_msg("file lost: %s", text.data);
    if (all && n_matches != r.n) fail_msg("not all rows match: %s", text.data);
    n_matches_of_all += n_matches;
    count->files++;
    count->pruned += !may;
    count->whole += all;
    for (int c = 0; c < N_COLUMNS; c++) frz_column_dispose(&r.columns[c]);
  }
  frz_field_summary summaries[MAX_PARTS] = {{0}};
  for (size_t i = 0; i < spec.n_fields; i++)
    summarize(partitions, n_files, i, &summaries[i], &w.arena);
  frz_manifest_file manifest = {
      .partitions = summaries, .n_partitions = spec.n_fields, .has_partitions = true};
  bool may = frz_expr_may_match_manifest(expr, &spec, &schema, &manifest);
  if (!may && n_matches_of_all != 0) fail_msg("manifest lost: %s", text.data);
  count->manifests++;
  count->manifests_pruned += !may;
  frz_arena_free(&w.arena);
}

static void test_brute_force(void **state)
{
  (void)state;
  tally count = {0};
  const char *seed = getenv("FRAZIL_SEED");
  random_state = seed != NULL ? strtoull(seed, NULL, 10) * 2 + 1 : 88172645463325252u;
  for (int i = 0; i < 30000; i++) check_world(&count);
  /* It prunes, too: a test that always said "maybe" would pass the rest. */
  printf("%d files: %d pruned, %d whole; %d manifests: %d pruned\n", count.files, count.pruned,
         count.whole, count.manifests, count.manifests_pruned);
  assert_true(count.pruned > count.files / 5);
  assert_true(count.whole > count.files / 50);
  assert_true(count.manifests_pruned > count.manifests / 50);
}

/* ---- chosen cases ---- */

typedef struct given {
  frz_column_bounds bounds;
} given;

static bool lookup(void *arg, const frz_field *field, frz_column_bounds *bounds_out)
{
  (void)field;
  *bounds_out = ((given *)arg)->bounds;
  return true;
}

static bool may(const char *text, given *g)
{
  frz_arena arena;
  const frz_expr *expr;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_expr_parse(frz_str_from(text), &schema, true, &arena, &expr, NULL), FRZ_OK);
  bool answer = frz_expr_may_match_bounds(expr, lookup, NULL, g);
  frz_arena_free(&arena);
  return answer;
}

static void test_bounds(void **state)
{
  (void)state;
  frz_literal low = {.kind = FRZ_TYPE_INT, .as = {.i32 = 10}};
  frz_literal high = {.kind = FRZ_TYPE_INT, .as = {.i32 = 20}};
  given g = {.bounds = {&low, &high, 100, 0, -1}};
  assert_false(may("i < 10", &g));
  assert_true(may("i <= 10", &g));
  assert_true(may("i > 19", &g));
  assert_false(may("i > 20", &g));
  assert_false(may("i = 9", &g));
  assert_false(may("i in (1, 9, 21)", &g));
  assert_true(may("i in (1, 15)", &g));
  assert_false(may("i is null", &g));
  assert_true(may("i <> 10", &g));
  assert_false(may("i < 5 or i > 25", &g));
  high.as.i32 = 10;
  assert_false(may("i <> 10", &g));
  assert_false(may("i not in (9, 10)", &g));
  g.bounds.n_nulls = 100;
  assert_true(may("i is null", &g));
  assert_false(may("i is not null", &g));
  assert_false(may("i = 10", &g));
  g.bounds = (frz_column_bounds){NULL, NULL, -1, -1, -1}; /* nothing is known */
  assert_true(may("i = 10", &g) && may("i is null", &g) && may("i > 5", &g));
  low.as.i32 = 30; /* upside down: not trusted */
  g.bounds = (frz_column_bounds){&low, &high, 100, 0, -1};
  assert_true(may("i = 20", &g));
  frz_literal nan = {.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = NAN}};
  frz_literal one = {.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = 1}};
  g.bounds = (frz_column_bounds){&one, &nan, 100, 0, -1}; /* NaN is no bound */
  assert_true(may("d = 5.0", &g));
  assert_false(may("d = 0.5", &g));
  g.bounds = (frz_column_bounds){&one, &one, 100, 0, -1};
  assert_true(may("d > 5.0", &g)); /* a NaN may be there, and is greater */
  g.bounds.n_nans = 0;
  assert_false(may("d > 5.0", &g));
  frz_literal zero = {.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = 0.0}};
  frz_literal minus = {.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = -0.0}};
  g.bounds = (frz_column_bounds){&zero, &zero, 100, 0, 0};
  assert_true(may("d >= 0.0", &g));
  g.bounds = (frz_column_bounds){&minus, &minus, 100, 0, 0};
  assert_true(may("d = 0.0", &g));
  assert_true(may("d >= 0.0", &g));
  frz_literal from = {.kind = FRZ_TYPE_STRING, .as = {.bytes = FRZ_STR("abc")}};
  frz_literal to = {.kind = FRZ_TYPE_STRING, .as = {.bytes = FRZ_STR("abd")}};
  g.bounds = (frz_column_bounds){&from, &to, 100, 0, -1};
  assert_true(may("s like 'ab%'", &g));
  assert_true(may("s like 'abcd%'", &g));
  assert_false(may("s like 'abe%'", &g));
  assert_false(may("s not like 'ab%'", &g));
  assert_true(may("s not like 'abc%'", &g));
}

/* What a filter says of a file that only its partition value is known of. */
static void ask_file(const char *filter, const char *transform, int c, frz_literal value,
                     bool *may_out, bool *all_out)
{
  frz_arena arena;
  const frz_expr *expr;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_expr_parse(frz_str_from(filter), &schema, true, &arena, &expr, NULL), 0);
  frz_partition_field field = {.source_id = column(c)->id, .field_id = 1000, .name = FRZ_STR("p")};
  assert_int_equal(frz_transform_parse(frz_str_from(transform), &arena, &field.transform, NULL),
                   FRZ_OK);
  frz_partition_spec spec = {.fields = &field, .n_fields = 1};
  frz_data_file file = {.partition = {&value, 1}, .n_rows = 5};
  *may_out = frz_expr_may_match_file(expr, &spec, &schema, &file);
  *all_out = frz_expr_all_match_file(expr, &spec, &schema, &file);
  frz_arena_free(&arena);
}

static bool file_may(const char *filter, const char *transform, int c, frz_literal value)
{
  bool may_match, all_match;
  ask_file(filter, transform, c, value, &may_match, &all_match);
  return may_match;
}

static bool file_all(const char *filter, const char *transform, int c, frz_literal value)
{
  bool may_match, all_match;
  ask_file(filter, transform, c, value, &may_match, &all_match);
  return all_match;
}

static void test_partition_values(void **state)
{
  (void)state;
  frz_literal day = {.kind = FRZ_TYPE_DATE, .as = {.i32 = 19723}}; /* 2024-01-01 */
  assert_true(file_may("tz >= '2024-01-01T23:59:59.999999Z'", "day", 8, day));
  assert_false(file_may("tz >= '2024-01-02T00:00:00Z'", "day", 8, day));
  assert_false(file_may("tz < '2024-01-01T00:00:00Z'", "day", 8, day));
  day.kind = FRZ_TYPE_INT; /* as some writers store it */
  assert_false(file_may("tz >= '2024-01-02T00:00:00Z'", "day", 8, day));
  frz_literal month = {.kind = FRZ_TYPE_INT, .as = {.i32 = 648}};
  assert_false(file_may("day > '2024-01-31'", "month", 6, month));
  assert_true(file_may("day = '2024-01-31'", "month", 6, month));
  frz_literal year = {.kind = FRZ_TYPE_INT, .as = {.i32 = INT32_MAX}};
  assert_true(file_may("day = '2024-01-31'", "year", 6, year)); /* nonsense decides nothing */
  frz_literal before = {.kind = FRZ_TYPE_DATE, .as = {.i32 = 0}};
  assert_true(file_may("tz = '1969-12-31T23:00:00Z'", "day", 8, before)); /* old writers */
  frz_literal null = frz_literal_null(FRZ_TYPE_DATE);
  assert_false(file_may("tz >= '2024-01-02T00:00:00Z'", "day", 8, null));
  assert_true(file_may("tz is null", "day", 8, null));
  frz_literal text = {.kind = FRZ_TYPE_STRING, .as = {.bytes = FRZ_STR("ab")}};
  assert_true(file_may("s = 'abx'", "truncate[2]", 10, text));
  assert_false(file_may("s = 'acx'", "truncate[2]", 10, text));
  assert_false(file_may("s not like 'ab%'", "truncate[2]", 10, text));
  assert_true(file_may("s > 'ab'", "truncate[2]", 10, text));
  assert_false(file_may("s > 'ac'", "truncate[2]", 10, text));
  assert_true(file_may("s = 'x'", "zorder", 10, text));
  assert_true(file_may("s = 'x'", "void", 10, frz_literal_null(FRZ_TYPE_STRING)));
  frz_literal bucket = {.kind = FRZ_TYPE_INT, .as = {.i32 = 1210000089 % 16}};
  assert_true(file_may("s = 'iceberg'", "bucket[16]", 10, bucket));
  bucket.as.i32++;
  assert_false(file_may("s = 'iceberg'", "bucket[16]", 10, bucket));
  assert_true(file_may("s > 'iceberg'", "bucket[16]", 10, bucket));
}

/* The least int cut down to a multiple of 10 is no int: it wrapped around to 2147483646. When the
 * column is a long by now, nothing but the number tells. */
static void test_wrapped_partition_values(void **state)
{
  (void)state;
  frz_literal wrapped = {.kind = FRZ_TYPE_INT, .as = {.i32 = INT32_MAX - 1}};
  assert_true(file_may("i = -2147483648", "truncate[10]", 1, wrapped));
  assert_false(file_all("i > 0", "truncate[10]", 1, wrapped));
  wrapped = (frz_literal){.kind = FRZ_TYPE_LONG, .as = {.i64 = INT32_MAX - 1}};
  assert_true(file_may("l = -2147483648", "truncate[10]", 2, wrapped));
  assert_true(file_may("l < 0", "truncate[10]", 2, wrapped));
  assert_false(file_all("l > 0", "truncate[10]", 2, wrapped));
  assert_false(file_may("l > 2147483656", "truncate[10]", 2, wrapped));
  frz_literal plain = {.kind = FRZ_TYPE_LONG, .as = {.i64 = 2147483630}};
  assert_false(file_may("l < 0", "truncate[10]", 2, plain));
  assert_true(file_all("l > 0", "truncate[10]", 2, plain));
}

/* More rows than a block, nested ORs, values at the edges of blocks. */
static void test_select_many_rows(void **state)
{
  (void)state;
  enum { N = 10000 };
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  rows r = {.n = 0};
  build_columns(&r, &arena);
  for (int32_t i = 0; i < N; i++) {
    frz_literal number = {.kind = FRZ_TYPE_INT, .as = {.i32 = i}};
    if (i % 7 == 0) number = frz_literal_null(FRZ_TYPE_INT);
    assert_int_equal(frz_literal_append(&number, &r.columns[1], NULL), FRZ_OK);
  }
  const frz_expr *expr;
  assert_int_equal(
      frz_expr_parse(FRZ_STR("i < 3 or (i > 2046 and (i < 2050 or i = 9999 or i is null)) "
                             "or i in (4095, 4096, 4097)"),
                     &schema, true, &arena, &expr, NULL),
      FRZ_OK);
  int64_t *selected = malloc(N * sizeof *selected), n = 0;
  assert_int_equal(
      frz_expr_select(expr, &schema, column_of, &r, N, selected, &n, frz_alloc_default(), NULL),
      FRZ_OK);
  static const int64_t wanted[] = {1, 2, 2047, 2048, 2049, 4095, 4096, 4097, 9999};
  int64_t n_wanted = 0;
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
    if (wanted[i] % 7 != 0) assert_int_equal(selected[n_wanted++], wanted[i]);
  assert_int_equal(n, n_wanted);
  assert_int_equal(
      frz_expr_select(expr, &schema, column_of, &r, 0, selected, &n, frz_alloc_default(), NULL),
      FRZ_OK);
  assert_int_equal(n, 0);
  /* a column of another layout is refused, not misread */
  frz_error err;
  r.columns[1].type.kind = FRZ_ARROW_INT64;
  assert_int_equal(
      frz_expr_select(expr, &schema, column_of, &r, 5, selected, &n, frz_alloc_default(), &err),
      FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "'i'"));
  r.columns[1].type.kind = FRZ_ARROW_INT32;
  free(selected);
  for (int c = 0; c < N_COLUMNS; c++) frz_column_dispose(&r.columns[c]);
  frz_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shapes),
      cmocka_unit_test(test_errors_give_the_offset),
      cmocka_unit_test(test_depth_and_length),
      cmocka_unit_test(test_field_ids_and_negation),
      cmocka_unit_test(test_bounds),
      cmocka_unit_test(test_partition_values),
      cmocka_unit_test(test_wrapped_partition_values),
      cmocka_unit_test(test_select_many_rows),
      cmocka_unit_test(test_brute_force),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
