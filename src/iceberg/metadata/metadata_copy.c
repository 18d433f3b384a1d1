/*
 * metadata_copy.c - deep copies of the parts of table metadata.
 *
 * A new version owns all its memory: versions are shared between threads and end in any order, so
 * none may point into another. Depth is bounded by the schemas' own (FRZ_LIMIT_DEPTH).
 */
#include "iceberg/metadata/metadata_copy.h"

#include "base/arena_list.h"

bool frz_copy_text(frz_arena *arena, frz_str from, frz_str *to)
{
  *to = from.data != NULL ? frz_arena_keep(arena, from) : from;
  return from.data == NULL || to->data != NULL;
}

bool frz_copy_pairs(frz_arena *arena, const frz_text_pair *from, size_t n, frz_text_pair *to)
{
  for (size_t i = 0; i < n; i++)
    if (!frz_copy_text(arena, from[i].key, &to[i].key) ||
        !frz_copy_text(arena, from[i].value, &to[i].value))
      return false;
  return true;
}

static bool copy_ids(frz_arena *arena, const int32_t *from, size_t n, const int32_t **to)
{
  *to = NULL;
  if (n == 0) return true;
  int32_t *ids = frz_arena_array(arena, n, sizeof *ids);
  if (ids != NULL) memcpy(ids, from, n * sizeof *ids);
  *to = ids;
  return ids != NULL;
}

static bool copy_type(frz_arena *arena, const frz_type *from, frz_type *to)
{
  *to = *from;
  if (!frz_copy_text(arena, from->text, &to->text)) return false;
  if (from->n_fields == 0) return true;
  frz_field *fields = frz_arena_array(arena, from->n_fields, sizeof *fields);
  if (fields == NULL) return false;
  for (size_t i = 0; i < from->n_fields; i++) {
    const frz_field *source = &from->fields[i];
    fields[i] = *source;
    if (!frz_copy_text(arena, source->name, &fields[i].name) ||
        !frz_copy_text(arena, source->doc, &fields[i].doc) ||
        !frz_copy_text(arena, source->initial_default, &fields[i].initial_default) ||
        !frz_copy_text(arena, source->write_default, &fields[i].write_default) ||
        !copy_type(arena, &source->type, &fields[i].type))
      return false;
  }
  to->fields = fields;
  return true;
}

bool frz_copy_schema(frz_arena *arena, const frz_schema *from, frz_schema *to)
{
  *to = *from;
  return copy_type(arena, &from->root, &to->root) &&
         copy_ids(arena, from->identifier_field_ids, from->n_identifier_field_ids,
                  &to->identifier_field_ids);
}

static bool copy_transform(frz_arena *arena, frz_transform *transform)
{
  return frz_copy_text(arena, transform->text, &transform->text);
}

bool frz_copy_spec(frz_arena *arena, const frz_partition_spec *from, frz_partition_spec *to)
{
  *to = *from;
  if (from->n_fields == 0) return true;
  frz_partition_field *fields = frz_arena_array(arena, from->n_fields, sizeof *fields);
  if (fields == NULL) return false;
  for (size_t i = 0; i < from->n_fields; i++) {
    fields[i] = from->fields[i];
    if (!frz_copy_text(arena, from->fields[i].name, &fields[i].name) ||
        !copy_transform(arena, &fields[i].transform) ||
        !copy_ids(arena, from->fields[i].source_ids, from->fields[i].n_source_ids,
                  &fields[i].source_ids))
      return false;
  }
  to->fields = fields;
  return true;
}

bool frz_copy_sort_order(frz_arena *arena, const frz_sort_order *from, frz_sort_order *to)
{
  *to = *from;
  if (from->n_fields == 0) return true;
  frz_sort_field *fields = frz_arena_array(arena, from->n_fields, sizeof *fields);
  if (fields == NULL) return false;
  for (size_t i = 0; i < from->n_fields; i++) {
    fields[i] = from->fields[i];
    if (!copy_transform(arena, &fields[i].transform) ||
        !copy_ids(arena, from->fields[i].source_ids, from->fields[i].n_source_ids,
                  &fields[i].source_ids))
      return false;
  }
  to->fields = fields;
  return true;
}

static bool copy_manifests(frz_arena *arena, const frz_snapshot *from, frz_snapshot *to)
{
  if (from->n_manifests == 0) return true;
  frz_str *paths = frz_arena_array(arena, from->n_manifests, sizeof *paths);
  if (paths == NULL) return false;
  for (size_t i = 0; i < from->n_manifests; i++)
    if (!frz_copy_text(arena, from->manifests[i], &paths[i])) return false;
  to->manifests = paths;
  return true;
}

/* A text of a snapshot; one that the document holds stays there. */
static bool share_text(frz_arena *arena, const frz_metadata_document *document, frz_str from,
                       frz_str *to)
{
  *to = from;
  return frz_metadata_document_holds(document, from) || frz_copy_text(arena, from, to);
}

bool frz_copy_snapshot(frz_arena *arena, const frz_snapshot *from,
                       const frz_metadata_document *document, frz_snapshot *to)
{
  *to = *from;
  return share_text(arena, document, from->manifest_list, &to->manifest_list) &&
         share_text(arena, document, from->summary, &to->summary) &&
         frz_copy_text(arena, from->operation, &to->operation) &&
         frz_copy_text(arena, from->key_id, &to->key_id) && copy_manifests(arena, from, to);
}

bool frz_copy_ref(frz_arena *arena, const frz_snapshot_ref *from, frz_snapshot_ref *to)
{
  *to = *from;
  return frz_copy_text(arena, from->name, &to->name);
}
