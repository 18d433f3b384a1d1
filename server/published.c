/*
 * published.c - what frazil.feast.publish() stored about a Feast project.
 *
 * The text is checked once for the shape that the rest relies on: objects of objects. Looking
 * something up walks over the nodes, of which there are few beside the work of a request.
 */
#include "published.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frazil/table.h"
#include "server_fail.h"

enum { NODES_MAX = 1 << 20, VERSION = 1 };

static const char property_name[] = "frazil.feast.registry";

void published_retain(published *loaded)
{
  __atomic_fetch_add(&loaded->references, 1, __ATOMIC_RELAXED);
}

void published_release(published *loaded)
{
  if (loaded == NULL || __atomic_sub_fetch(&loaded->references, 1, __ATOMIC_ACQ_REL) != 0) return;
  json_tree_dispose(&loaded->tree);
  free(loaded->text);
  free(loaded);
}

uint32_t published_find(const published *loaded, uint32_t group, const char *name, size_t size)
{
  const json_tree *tree = &loaded->tree;
  for (uint32_t at = group + 1; at < tree->nodes[group].as.end; at = json_next(tree, at + 1)) {
    const json_node *key = &tree->nodes[at];
    if (key->size == size && memcmp(key->as.text, name, size) == 0) return at + 1;
  }
  return 0;
}

uint32_t published_view_number(const published *loaded, const char *view, size_t size,
                               const char *member)
{
  uint32_t at = loaded != NULL ? published_find(loaded, loaded->views, view, size) : 0;
  uint32_t number = at != 0 ? json_member(&loaded->tree, at, member) : 0;
  if (number == 0 || loaded->tree.nodes[number].kind != JSON_INTEGER) return 0;
  int64_t value = loaded->tree.nodes[number].as.integer;
  return value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* An object whose members are objects. */
static frz_status find_group(published *loaded, const char *name, uint32_t *group_out,
                             frz_error *err)
{
  const json_tree *tree = &loaded->tree;
  uint32_t group = json_member(tree, 0, name);
  if (group == 0 || tree->nodes[group].kind != JSON_OBJECT)
    return server_fail(err, FRZ_ERR_CORRUPT, "property %s: '%s' is no object", property_name, name);
  for (uint32_t at = group + 1; at < tree->nodes[group].as.end; at = json_next(tree, at + 1))
    if (tree->nodes[at + 1].kind != JSON_OBJECT)
      return server_fail(err, FRZ_ERR_CORRUPT, "property %s: a member of '%s' is no object",
                         property_name, name);
  *group_out = group;
  return FRZ_OK;
}

static frz_status parse(published *loaded, size_t size, frz_error *err)
{
  SERVER_TRY(json_tree_parse(&loaded->tree, loaded->text, size, err));
  const json_tree *tree = &loaded->tree;
  if (tree->nodes[0].kind != JSON_OBJECT)
    return server_fail(err, FRZ_ERR_CORRUPT, "property %s is no object", property_name);
  uint32_t version = json_member(tree, 0, "version");
  if (version == 0 || tree->nodes[version].kind != JSON_INTEGER ||
      tree->nodes[version].as.integer != VERSION)
    return server_fail(err, FRZ_ERR_UNSUPPORTED,
                       "property %s is of a version that this server does not know", property_name);
  SERVER_TRY(find_group(loaded, "entities", &loaded->entities, err));
  SERVER_TRY(find_group(loaded, "views", &loaded->views, err));
  return find_group(loaded, "services", &loaded->services, err);
}

frz_status published_parse(char *text, size_t size, published **parsed_out, frz_error *err)
{
  published *made = calloc(1, sizeof *made);
  if (made == NULL) {
    free(text);
    return server_fail(err, FRZ_ERR_NOMEM, "no memory for published services");
  }
  made->references = 1;
  made->text = text;
  json_tree_init(&made->tree, NODES_MAX);
  frz_status st = parse(made, size, err);
  if (st == FRZ_OK)
    *parsed_out = made;
  else
    published_release(made);
  return st;
}

/* The property in a table's metadata, as a text of its own. */
static frz_status find_property(frz_string *metadata, const char *identifier, char **text_out,
                                size_t *size_out, frz_error *err)
{
  json_tree tree;
  json_tree_init(&tree, NODES_MAX);
  frz_status st = json_tree_parse(&tree, metadata->data, metadata->size_bytes, err);
  if (st == FRZ_OK) {
    uint32_t properties = json_member(&tree, 0, "properties");
    uint32_t at = properties != 0 && tree.nodes[properties].kind == JSON_OBJECT
                      ? json_member(&tree, properties, property_name)
                      : 0;
    char *copy = NULL;
    if (at == 0 || tree.nodes[at].kind != JSON_STRING) {
      st = server_fail(err, FRZ_ERR_CORRUPT, "table '%s' lacks the property %s", identifier,
                       property_name);
    } else if ((copy = malloc((size_t)tree.nodes[at].size + 1)) == NULL) {
      st = server_fail(err, FRZ_ERR_NOMEM, "no memory for property %s", property_name);
    } else {
      memcpy(copy, tree.nodes[at].as.text, tree.nodes[at].size);
      *text_out = copy;
      *size_out = tree.nodes[at].size;
    }
  }
  json_tree_dispose(&tree);
  return st;
}

frz_status published_load(frz_catalog *catalog, const char *identifier, published **loaded_out,
                          frz_error *err)
{
  frz_table *table = NULL;
  frz_string metadata = {0};
  char *text = NULL;
  size_t size = 0;
  SERVER_TRY(frz_catalog_load_table(catalog, identifier, &table, err));
  frz_status st = frz_table_metadata_json(table, &metadata, err);
  if (st == FRZ_OK) st = find_property(&metadata, identifier, &text, &size, err);
  if (st == FRZ_OK) st = published_parse(text, size, loaded_out, err);
  frz_string_dispose(&metadata);
  frz_table_free(table);
  return st;
}
