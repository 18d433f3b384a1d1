/*
 * arrow_export.c - schemas and batches as structures of the C data interface.
 *
 * Every exported node owns one private block that holds its texts or buffers, its child pointers
 * and the children themselves. A consumer may move any child out (copy the struct, set release
 * to NULL) and keep it after the parent was released: the child's own block holds all it needs.
 *
 * Source: Apache Arrow, "The Arrow C data interface", "Memory management".
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "arrow/column.h"

/* ---- schemas ---- */

enum { FORMAT_BYTES = 48, METADATA_BYTES = 128 };

typedef struct schema_node {
  const frz_alloc *alloc;
  size_t bytes; /* of this block */
  struct ArrowSchema *children;
  struct ArrowSchema **child_pointers;
  char format[FORMAT_BYTES];
  char metadata[METADATA_BYTES];
  char name[]; /* NUL-terminated */
} schema_node;

static void schema_release(struct ArrowSchema *schema)
{
  schema_node *node = schema->private_data;
  for (int64_t i = 0; i < schema->n_children; i++)
    if (node->children[i].release != NULL) node->children[i].release(&node->children[i]);
  const frz_alloc *alloc = node->alloc;
  size_t n = (size_t)schema->n_children;
  if (n > 0) {
    frz_alloc_free(alloc, node->children, n * sizeof *node->children);
    frz_alloc_free(alloc, node->child_pointers, n * sizeof(struct ArrowSchema *));
  }
  frz_alloc_free(alloc, node, node->bytes);
  schema->release = NULL;
  schema->private_data = NULL;
}

static void print_format(frz_arrow_type type, char *out)
{
  static const char units[] = {'s', 'm', 'u', 'n'};
  static const char *const plain[] = {
      [FRZ_ARROW_NULL] = "n",    [FRZ_ARROW_BOOL] = "b",     [FRZ_ARROW_INT8] = "c",
      [FRZ_ARROW_INT16] = "s",   [FRZ_ARROW_INT32] = "i",    [FRZ_ARROW_INT64] = "l",
      [FRZ_ARROW_UINT8] = "C",   [FRZ_ARROW_UINT16] = "S",   [FRZ_ARROW_UINT32] = "I",
      [FRZ_ARROW_UINT64] = "L",  [FRZ_ARROW_FLOAT16] = "e",  [FRZ_ARROW_FLOAT32] = "f",
      [FRZ_ARROW_FLOAT64] = "g", [FRZ_ARROW_DATE32] = "tdD", [FRZ_ARROW_STRING] = "u",
      [FRZ_ARROW_BINARY] = "z",  [FRZ_ARROW_LIST] = "+l",    [FRZ_ARROW_STRUCT] = "+s",
      [FRZ_ARROW_MAP] = "+m"};
  char unit = units[type.unit & 3];
  switch (type.kind) {
  case FRZ_ARROW_DECIMAL128:
    snprintf(out, FORMAT_BYTES, "d:%d,%d", type.precision, type.scale);
    return;
  case FRZ_ARROW_TIME32:
  case FRZ_ARROW_TIME64: snprintf(out, FORMAT_BYTES, "tt%c", unit); return;
  case FRZ_ARROW_DURATION: snprintf(out, FORMAT_BYTES, "tD%c", unit); return;
  case FRZ_ARROW_TIMESTAMP:
    snprintf(out, FORMAT_BYTES, "ts%c:%s", unit, type.has_zone ? "UTC" : "");
    return;
  case FRZ_ARROW_FIXED: snprintf(out, FORMAT_BYTES, "w:%d", type.byte_width); return;
  default: snprintf(out, FORMAT_BYTES, "%s", plain[type.kind]); return;
  }
}

static size_t put_text(char *at, const char *text)
{
  int32_t size = (int32_t)strlen(text);
  memcpy(at, &size, sizeof size);
  memcpy(at + sizeof size, text, (size_t)size);
  return sizeof size + (size_t)size;
}

/* NULL where there is nothing to say. */
static const char *put_metadata(const frz_arrow_field *field, char out[METADATA_BYTES])
{
  int32_t n_pairs = 0;
  size_t at = sizeof n_pairs;
  if (field->field_id >= 0) {
    char id[16];
    snprintf(id, sizeof id, "%d", field->field_id);
    at += put_text(out + at, "PARQUET:field_id");
    at += put_text(out + at, id);
    n_pairs++;
  }
  bool is_uuid = field->type.kind == FRZ_ARROW_FIXED && field->type.is_uuid;
  bool is_variant = field->type.kind == FRZ_ARROW_STRUCT && field->type.is_variant;
  if (is_uuid || is_variant) {
    at += put_text(out + at, "ARROW:extension:name");
    at += put_text(out + at, is_uuid ? "arrow.uuid" : "arrow.parquet.variant");
    at += put_text(out + at, "ARROW:extension:metadata");
    at += put_text(out + at, "");
    n_pairs += 2;
  }
  assert(at <= METADATA_BYTES);
  memcpy(out, &n_pairs, sizeof n_pairs);
  return n_pairs > 0 ? out : NULL;
}

/* A node with room for its children, none of which is filled in yet. */
static frz_status make_schema_node(const frz_arrow_field *field, const frz_alloc *alloc,
                                   struct ArrowSchema *schema_out, frz_error *err)
{
  size_t n = field->n_children;
  size_t bytes = sizeof(schema_node) + field->name.size + 1;
  schema_node *node = frz_alloc_zeroed(alloc, bytes);
  if (node == NULL) return frz_fail_nomem(err, "Arrow schema");
  node->alloc = alloc;
  node->bytes = bytes;
  if (field->name.size > 0) memcpy(node->name, field->name.data, field->name.size);
  print_format(field->type, node->format);
  if (n > 0) {
    node->children = frz_alloc_zeroed(alloc, n * sizeof *node->children);
    node->child_pointers = frz_alloc_zeroed(alloc, n * sizeof(struct ArrowSchema *));
    if (node->children == NULL || node->child_pointers == NULL) {
      frz_alloc_free(alloc, node->children, n * sizeof *node->children);
      frz_alloc_free(alloc, node->child_pointers, n * sizeof(struct ArrowSchema *));
      frz_alloc_free(alloc, node, bytes);
      return frz_fail_nomem(err, "Arrow schema");
    }
    for (size_t i = 0; i < n; i++) node->child_pointers[i] = &node->children[i];
  }
  *schema_out = (struct ArrowSchema){.format = node->format,
                                     .name = node->name,
                                     .metadata = put_metadata(field, node->metadata),
                                     .flags = field->nullable ? ARROW_FLAG_NULLABLE : 0,
                                     .n_children = (int64_t)n,
                                     .children = node->child_pointers,
                                     .release = schema_release,
                                     .private_data = node};
  return FRZ_OK;
}

frz_status frz_arrow_field_export(const frz_arrow_field *field, const frz_alloc *alloc,
                                  struct ArrowSchema *schema_out, frz_error *err)
{
  struct ArrowSchema schema;
  FRZ_TRY(make_schema_node(field, alloc, &schema, err));
  for (size_t i = 0; i < field->n_children; i++) {
    frz_status st = frz_arrow_field_export(&field->children[i], alloc, schema.children[i], err);
    if (st != FRZ_OK) {
      schema.release(&schema);
      return st;
    }
  }
  *schema_out = schema;
  return FRZ_OK;
}

frz_status frz_arrow_schema_export(const frz_arrow_field *fields, size_t n_fields,
                                   const frz_alloc *alloc, struct ArrowSchema *schema_out,
                                   frz_error *err)
{
  /* The children are only read: the cast does not lead to a write. */
  frz_arrow_field root = {.name = FRZ_STR(""),
                          .field_id = -1,
                          .type = {.kind = FRZ_ARROW_STRUCT},
                          .children = (frz_arrow_field *)(uintptr_t)fields,
                          .n_children = n_fields};
  return frz_arrow_field_export(&root, alloc, schema_out, err);
}

/* ---- arrays ---- */

typedef struct array_node {
  const frz_alloc *alloc;
  frz_buf owned[3]; /* validity, offsets, values */
  const void *buffers[3];
  struct ArrowArray *children;
  struct ArrowArray **child_pointers;
  size_t n_children;
} array_node;

static void array_release(struct ArrowArray *array)
{
  array_node *node = array->private_data;
  const frz_alloc *alloc = node->alloc;
  for (size_t i = 0; i < node->n_children; i++)
    if (node->children[i].release != NULL) node->children[i].release(&node->children[i]);
  for (int i = 0; i < 3; i++) frz_buf_dispose(&node->owned[i]);
  if (node->n_children > 0) {
    frz_alloc_free(alloc, node->children, node->n_children * sizeof *node->children);
    frz_alloc_free(alloc, node->child_pointers, node->n_children * sizeof(struct ArrowArray *));
  }
  frz_alloc_free(alloc, node, sizeof *node);
  array->release = NULL;
  array->private_data = NULL;
}

static frz_status make_array_node(size_t n_children, const frz_alloc *alloc,
                                  struct ArrowArray *array_out, frz_error *err)
{
  array_node *node = frz_alloc_zeroed(alloc, sizeof *node);
  if (node == NULL) return frz_fail_nomem(err, "Arrow array");
  node->alloc = alloc;
  if (n_children > 0) {
    node->children = frz_alloc_zeroed(alloc, n_children * sizeof *node->children);
    node->child_pointers = frz_alloc_zeroed(alloc, n_children * sizeof(struct ArrowArray *));
    if (node->children == NULL || node->child_pointers == NULL) {
      frz_alloc_free(alloc, node->children, n_children * sizeof *node->children);
      frz_alloc_free(alloc, node->child_pointers, n_children * sizeof(struct ArrowArray *));
      frz_alloc_free(alloc, node, sizeof *node);
      return frz_fail_nomem(err, "Arrow array");
    }
    node->n_children = n_children;
    for (size_t i = 0; i < n_children; i++) node->child_pointers[i] = &node->children[i];
  }
  *array_out = (struct ArrowArray){.n_children = (int64_t)n_children,
                                   .buffers = node->buffers,
                                   .children = node->child_pointers,
                                   .release = array_release,
                                   .private_data = node};
  return FRZ_OK;
}

/* The tree of nodes for a column; its buffers stay where they are. */
static frz_status make_array_tree(const frz_column *column, const frz_alloc *alloc,
                                  struct ArrowArray *array_out, frz_error *err)
{
  struct ArrowArray array;
  FRZ_TRY(make_array_node(column->n_children, alloc, &array, err));
  for (size_t i = 0; i < column->n_children; i++) {
    frz_status st = make_array_tree(&column->children[i], alloc, array.children[i], err);
    if (st != FRZ_OK) {
      array.release(&array);
      return st;
    }
  }
  *array_out = array;
  return FRZ_OK;
}

static const void *buffer_of(const frz_buf *buf)
{
  /* Some readers refuse NULL for an empty buffer, and want one offset of no rows. */
  static const uint64_t nothing[8] = {0};
  return buf->data != NULL && buf->size > 0 ? (const void *)buf->data : (const void *)nothing;
}

/* Cannot fail: everything was allocated before. */
static void move_buffers(frz_column *column, struct ArrowArray *array)
{
  array_node *node = array->private_data;
  array->length = column->n_rows;
  array->null_count = column->n_nulls;
  array->n_buffers = 0;
  frz_buf *from[3] = {&column->validity, &column->offsets, &column->values};
  for (int i = 0; i < 3; i++) {
    node->owned[i] = *from[i];
    *from[i] = (frz_buf){.alloc = from[i]->alloc, .max_bytes = from[i]->max_bytes};
  }
  if (column->type.kind != FRZ_ARROW_NULL) {
    bool has_nulls = column->n_nulls > 0;
    node->buffers[array->n_buffers++] = has_nulls ? (const void *)node->owned[0].data : NULL;
    if (frz_arrow_type_has_offsets(column->type))
      node->buffers[array->n_buffers++] = buffer_of(&node->owned[1]);
    if (column->n_children == 0 && column->type.kind != FRZ_ARROW_STRUCT)
      node->buffers[array->n_buffers++] = buffer_of(&node->owned[2]);
  }
  for (size_t i = 0; i < column->n_children; i++)
    move_buffers(&column->children[i], array->children[i]);
}

frz_status frz_batch_export(frz_batch *batch, struct ArrowArray *array_out, frz_error *err)
{
  struct ArrowArray array;
  FRZ_TRY(make_array_node(batch->n_columns, batch->alloc, &array, err));
  for (size_t i = 0; i < batch->n_columns; i++) {
    frz_status st = make_array_tree(&batch->columns[i], batch->alloc, array.children[i], err);
    if (st != FRZ_OK) {
      array.release(&array);
      return st;
    }
  }
  for (size_t i = 0; i < batch->n_columns; i++) {
    assert(batch->columns[i].n_rows == batch->n_rows);
    move_buffers(&batch->columns[i], array.children[i]);
  }
  array.length = batch->n_rows;
  array.n_buffers = 1;
  frz_batch_dispose(batch);
  *array_out = array;
  return FRZ_OK;
}
