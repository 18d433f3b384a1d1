/*
 * json_tree.c - JSON into a flat list of nodes, without recursion.
 *
 * A loop reads one value after another; a stack of the containers that are open says what may
 * follow. A container's node is written when it begins and learns its size and end when it closes.
 *
 * What must stay true: nothing is read at or behind the document's end; a text is never longer
 * unescaped than escaped, so that it fits where it stood.
 *
 * Source: RFC 8259.
 */
#include "json_tree.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server_fail.h"

typedef struct parser {
  json_tree *tree;
  char *text;
  size_t pos;
  size_t size;
  frz_error *err;
  uint32_t open[JSON_DEPTH_MAX]; /* containers, outermost first */
  int depth;
} parser;

void json_tree_init(json_tree *tree, uint32_t n_nodes_max)
{
  *tree = (json_tree){.n_nodes_max = n_nodes_max};
}

void json_tree_dispose(json_tree *tree)
{
  free(tree->nodes);
  *tree = (json_tree){.n_nodes_max = tree->n_nodes_max};
}

const char *json_kind_name(uint8_t kind)
{
  static const char *const names[] = {"null",   "a boolean", "a whole number", "a number",
                                      "a text", "an array",  "an object"};
  return names[kind];
}

bool json_is_text(const json_node *node, const char *text)
{
  size_t size = strlen(text);
  return node->kind == JSON_STRING && node->size == size && memcmp(node->as.text, text, size) == 0;
}

uint32_t json_member(const json_tree *tree, uint32_t object, const char *name)
{
  const json_node *node = &tree->nodes[object];
  assert(node->kind == JSON_OBJECT);
  uint32_t found = 0;
  for (uint32_t at = object + 1; at < node->as.end; at = json_next(tree, at + 1))
    if (json_is_text(&tree->nodes[at], name)) found = at + 1;
  return found;
}

/* ---- nodes ---- */

static frz_status add_node(parser *p, json_node node)
{
  json_tree *tree = p->tree;
  if (tree->n_nodes == tree->capacity) {
    if (tree->n_nodes >= tree->n_nodes_max)
      return server_fail(p->err, FRZ_ERR_LIMIT, "json: more than %u values", tree->n_nodes_max);
    uint32_t capacity = tree->capacity == 0 ? 256 : tree->capacity * 2;
    if (capacity > tree->n_nodes_max) capacity = tree->n_nodes_max;
    json_node *grown = realloc(tree->nodes, capacity * sizeof *grown);
    if (grown == NULL)
      return server_fail(p->err, FRZ_ERR_NOMEM, "json: no memory for %u values", capacity);
    tree->nodes = grown;
    tree->capacity = capacity;
  }
  tree->nodes[tree->n_nodes++] = node;
  return FRZ_OK;
}

static frz_status unexpected(parser *p, const char *wanted)
{
  if (p->pos >= p->size)
    return server_fail(p->err, FRZ_ERR_INVALID, "json ends at offset %zu where %s is wanted",
                       p->pos, wanted);
  unsigned char byte = (unsigned char)p->text[p->pos];
  if (byte >= 0x20 && byte < 0x7f)
    return server_fail(p->err, FRZ_ERR_INVALID, "json offset %zu: '%c' where %s is wanted", p->pos,
                       byte, wanted);
  return server_fail(p->err, FRZ_ERR_INVALID, "json offset %zu: byte 0x%02x where %s is wanted",
                     p->pos, byte, wanted);
}

static void skip_space(parser *p)
{
  while (p->pos < p->size) {
    char byte = p->text[p->pos];
    if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r') return;
    p->pos++;
  }
}

/* ---- texts ---- */

static bool read_hex4(const parser *p, size_t at, uint32_t *value_out)
{
  if (p->size - at < 4) return false;
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; i++) {
    char c = p->text[i];
    uint32_t digit;
    if (c >= '0' && c <= '9')
      digit = (uint32_t)(c - '0');
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
      digit = (uint32_t)((c | 0x20) - 'a') + 10;
    else
      return false;
    value = value << 4 | digit;
  }
  *value_out = value;
  return true;
}

static size_t put_utf8(char *out, uint32_t code)
{
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | code >> 18);
  out[1] = (char)(0x80 | (code >> 12 & 0x3f));
  out[2] = (char)(0x80 | (code >> 6 & 0x3f));
  out[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}

/* `pos` is behind "\u"; moves it behind the digits, of a second half too. */
static frz_status read_code(parser *p, uint32_t *code_out)
{
  uint32_t code;
  if (!read_hex4(p, p->pos, &code)) return unexpected(p, "four hexadecimal digits");
  p->pos += 4;
  if (code >= 0xdc00 && code <= 0xdfff) {
    p->pos -= 4;
    return unexpected(p, "the first half of a surrogate pair");
  }
  if (code >= 0xd800 && code <= 0xdbff) {
    uint32_t low;
    bool has_pair = p->size - p->pos >= 6 && p->text[p->pos] == '\\' &&
                    p->text[p->pos + 1] == 'u' && read_hex4(p, p->pos + 2, &low) && low >= 0xdc00 &&
                    low <= 0xdfff;
    if (!has_pair) return unexpected(p, "the second half of a surrogate pair");
    p->pos += 6;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  *code_out = code;
  return FRZ_OK;
}

static frz_status read_escape(parser *p, char *out, size_t *size)
{
  static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
  p->pos++;
  if (p->pos == p->size) return unexpected(p, "an escaped character");
  char c = p->text[p->pos];
  if (c == 'u') {
    uint32_t code = 0;
    p->pos++;
    SERVER_TRY(read_code(p, &code));
    *size += put_utf8(out + *size, code);
    return FRZ_OK;
  }
  for (size_t i = 0; i + 1 < sizeof escapes; i += 2)
    if (escapes[i] == c) {
      out[(*size)++] = escapes[i + 1];
      p->pos++;
      return FRZ_OK;
    }
  return unexpected(p, "an escaped character");
}

/* Bytes of the well-formed UTF-8 sequence at `at`; 0: it is none. */
static size_t utf8_length(const parser *p, size_t at)
{
  const unsigned char *s = (const unsigned char *)p->text + at;
  size_t left = p->size - at;
  size_t n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : s[0] >= 0xe0 && s[0] <= 0xef ? 3 : 4;
  if ((n == 4 && (s[0] < 0xf0 || s[0] > 0xf4)) || left < n) return 0;
  unsigned char least = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
  unsigned char most = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
  if (s[1] < least || s[1] > most) return 0;
  for (size_t i = 2; i < n; i++)
    if (s[i] < 0x80 || s[i] > 0xbf) return 0;
  return n;
}

/* `pos` is at the opening quote. */
static frz_status read_text(parser *p)
{
  size_t start = ++p->pos;
  /* What has no escapes stays where it is. */
  char *out = p->text + start;
  size_t size = 0;
  while (p->pos < p->size) {
    unsigned char c = (unsigned char)p->text[p->pos];
    if (c == '"') {
      p->pos++;
      if (size > UINT32_MAX)
        return server_fail(p->err, FRZ_ERR_LIMIT, "json: a text of %zu bytes", size);
      return add_node(p, (json_node){.kind = JSON_STRING, .size = (uint32_t)size, .as.text = out});
    }
    if (c == '\\') {
      SERVER_TRY(read_escape(p, out, &size));
      continue;
    }
    if (c < 0x20) return unexpected(p, "an escape");
    size_t n = c < 0x80 ? 1 : utf8_length(p, p->pos);
    if (n == 0) return unexpected(p, "UTF-8");
    if (out + size != p->text + p->pos) memmove(out + size, p->text + p->pos, n);
    size += n;
    p->pos += n;
  }
  return unexpected(p, "the end of a text");
}

/* ---- other scalars ---- */

static bool take_word(parser *p, const char *word)
{
  size_t size = strlen(word);
  if (p->size - p->pos < size || memcmp(p->text + p->pos, word, size) != 0) return false;
  p->pos += size;
  return true;
}

static frz_status read_word(parser *p)
{
  json_node node = {.kind = JSON_BOOL};
  if (take_word(p, "null"))
    node.kind = JSON_NULL;
  else if (take_word(p, "true"))
    node.as.boolean = true;
  else if (take_word(p, "false"))
    node.as.boolean = false;
  else if (take_word(p, "NaN"))
    node = (json_node){.kind = JSON_DOUBLE, .as.number = (double)NAN};
  else if (take_word(p, "Infinity"))
    node = (json_node){.kind = JSON_DOUBLE, .as.number = (double)INFINITY};
  else
    return unexpected(p, "a value");
  return add_node(p, node);
}

static bool is_digit_at(const parser *p)
{
  return p->pos < p->size && p->text[p->pos] >= '0' && p->text[p->pos] <= '9';
}

static frz_status read_digits(parser *p)
{
  if (!is_digit_at(p)) return unexpected(p, "a digit");
  while (is_digit_at(p)) p->pos++;
  return FRZ_OK;
}

/* Moves over a number and tells whether it has neither point nor exponent. */
static frz_status scan_number(parser *p, bool *is_whole_out)
{
  *is_whole_out = true;
  if (p->text[p->pos] == '-') p->pos++;
  if (p->pos < p->size && p->text[p->pos] == '0')
    p->pos++;
  else
    SERVER_TRY(read_digits(p));
  if (p->pos < p->size && p->text[p->pos] == '.') {
    *is_whole_out = false;
    p->pos++;
    SERVER_TRY(read_digits(p));
  }
  if (p->pos < p->size && (p->text[p->pos] | 0x20) == 'e') {
    *is_whole_out = false;
    p->pos++;
    if (p->pos < p->size && (p->text[p->pos] == '+' || p->text[p->pos] == '-')) p->pos++;
    SERVER_TRY(read_digits(p));
  }
  return FRZ_OK;
}

static bool whole_number(const char *text, size_t size, int64_t *value_out)
{
  bool is_negative = text[0] == '-';
  int64_t value = 0;
  for (size_t i = is_negative; i < size; i++) {
    int digit = text[i] - '0';
    if (__builtin_mul_overflow(value, 10, &value) ||
        (is_negative ? __builtin_sub_overflow(value, digit, &value)
                     : __builtin_add_overflow(value, digit, &value)))
      return false;
  }
  *value_out = value;
  return true;
}

static frz_status read_number(parser *p)
{
  if (p->text[p->pos] == '-' && p->size - p->pos > 1 && p->text[p->pos + 1] == 'I') {
    p->pos++;
    if (!take_word(p, "Infinity")) return unexpected(p, "a number");
    return add_node(p, (json_node){.kind = JSON_DOUBLE, .as.number = -(double)INFINITY});
  }
  enum { DIGITS_MAX = 1023 };
  size_t start = p->pos;
  bool is_whole;
  SERVER_TRY(scan_number(p, &is_whole));
  size_t size = p->pos - start;
  json_node node = {.kind = JSON_INTEGER};
  if (is_whole && whole_number(p->text + start, size, &node.as.integer)) return add_node(p, node);
  char digits[DIGITS_MAX + 1];
  if (size > DIGITS_MAX)
    return server_fail(p->err, FRZ_ERR_LIMIT, "json offset %zu: a number of %zu digits", start,
                       size);
  memcpy(digits, p->text + start, size);
  digits[size] = '\0';
  node = (json_node){.kind = JSON_DOUBLE, .as.number = strtod(digits, NULL)};
  if (isinf(node.as.number))
    return server_fail(p->err, FRZ_ERR_INVALID,
                       "json offset %zu: '%.40s' is too large for a double", start, digits);
  return add_node(p, node);
}

/* ---- containers ---- */

static frz_status open_container(parser *p, uint8_t kind)
{
  if (p->depth == JSON_DEPTH_MAX)
    return server_fail(p->err, FRZ_ERR_INVALID, "json offset %zu: nested deeper than %d", p->pos,
                       JSON_DEPTH_MAX);
  p->open[p->depth++] = p->tree->n_nodes;
  p->pos++;
  return add_node(p, (json_node){.kind = kind});
}

static void close_container(parser *p)
{
  p->tree->nodes[p->open[--p->depth]].as.end = p->tree->n_nodes;
  p->pos++;
}

static frz_status read_value(parser *p)
{
  if (p->pos >= p->size) return unexpected(p, "a value");
  char c = p->text[p->pos];
  if (c == '{') return open_container(p, JSON_OBJECT);
  if (c == '[') return open_container(p, JSON_ARRAY);
  if (c == '"') return read_text(p);
  if (c == '-' || (c >= '0' && c <= '9')) return read_number(p);
  return read_word(p);
}

/* A member's name and colon. */
static frz_status read_name(parser *p)
{
  if (p->pos >= p->size || p->text[p->pos] != '"') return unexpected(p, "a member's name");
  SERVER_TRY(read_text(p));
  skip_space(p);
  if (p->pos >= p->size || p->text[p->pos] != ':') return unexpected(p, "':'");
  p->pos++;
  skip_space(p);
  return FRZ_OK;
}

/* The next item of the innermost container, or its end. */
static frz_status read_item(parser *p)
{
  json_node *container = &p->tree->nodes[p->open[p->depth - 1]];
  bool is_object = container->kind == JSON_OBJECT;
  char end = is_object ? '}' : ']';
  skip_space(p);
  if (p->pos < p->size && p->text[p->pos] == end) {
    close_container(p);
    return FRZ_OK;
  }
  if (container->size > 0) {
    if (p->pos >= p->size || p->text[p->pos] != ',')
      return unexpected(p, is_object ? "',' or '}'" : "',' or ']'");
    p->pos++;
    skip_space(p);
  }
  container->size++;
  if (is_object) SERVER_TRY(read_name(p));
  return read_value(p);
}

frz_status json_tree_parse(json_tree *tree, char *text, size_t size, frz_error *err)
{
  parser p = {.tree = tree, .text = text, .size = size, .err = err};
  tree->n_nodes = 0;
  skip_space(&p);
  SERVER_TRY(read_value(&p));
  while (p.depth > 0) SERVER_TRY(read_item(&p));
  skip_space(&p);
  if (p.pos < p.size) return unexpected(&p, "the end");
  return FRZ_OK;
}
