/*
 * json_tree.h - a JSON document as a flat list of nodes, for request bodies.
 *
 * The parser unescapes texts where they stand, so the document must be writable and live as long as
 * the nodes. A node is 16 bytes; number of nodes and depth are bounded. One tree may be used for
 * one document after another: it keeps its memory.
 */
#ifndef FRAZIL_SERVER_JSON_TREE_H
#define FRAZIL_SERVER_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frazil/status.h"

enum { JSON_DEPTH_MAX = 32 };

typedef enum json_kind {
  JSON_NULL,
  JSON_BOOL,
  JSON_INTEGER, /* without point or exponent, and an int64 */
  JSON_DOUBLE,  /* any other number; NaN, Infinity and -Infinity as Python writes them */
  JSON_STRING,
  JSON_ARRAY,
  JSON_OBJECT
} json_kind;

/** Members of an object are pairs of nodes, a JSON_STRING and the value. */
typedef struct json_node {
  uint8_t kind;
  uint32_t size; /* bytes of a text; items of an array; members of an object */
  union {
    bool boolean;
    int64_t integer;
    double number;
    const char *text; /* UTF-8, not NUL-terminated; may hold NUL */
    uint32_t end;     /* of arrays and objects: index behind their last node */
  } as;
} json_node;

typedef struct json_tree {
  json_node *nodes; /* nodes[0] is the document */
  uint32_t n_nodes;
  uint32_t capacity;
  uint32_t n_nodes_max;
} json_tree;

/** An empty tree. */
void json_tree_init(json_tree *tree, uint32_t n_nodes_max);

/** Free the nodes. */
void json_tree_dispose(json_tree *tree);

/**
 * Parse a whole document.
 * @param[in,out] text  Changed by unescaping, also on failure.
 * @retval FRZ_ERR_INVALID not JSON (RFC 8259, UTF-8), or deeper than JSON_DEPTH_MAX; the message
 *                         tells the offset.
 * @retval FRZ_ERR_LIMIT   more than n_nodes_max nodes.
 */
frz_status json_tree_parse(json_tree *tree, char *text, size_t size, frz_error *err) FRZ_MUST_CHECK;

/** The node behind a value and all that is in it. */
static inline uint32_t json_next(const json_tree *tree, uint32_t at)
{
  const json_node *node = &tree->nodes[at];
  return node->kind == JSON_ARRAY || node->kind == JSON_OBJECT ? node->as.end : at + 1;
}

/** The value of an object's last member of that name; 0 (which no member has): there is none. */
uint32_t json_member(const json_tree *tree, uint32_t object, const char *name);

/** Is the node a text that equals a NUL-terminated one? */
bool json_is_text(const json_node *node, const char *text);

/** A kind in words, for messages. */
const char *json_kind_name(uint8_t kind);

#endif
