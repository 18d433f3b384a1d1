/*
 * online_answer.c - from a request for features to the JSON of its answer.
 *
 * First a plan: features grouped by view, in the order in which views and features are first named,
 * from references or from the projections of a service. Then entities are printed, as values of the
 * type that their join key has. Then each view is read, once, for all rows, and its features are
 * printed; statuses and times are the same for all features of a view and printed once.
 *
 * What must stay true: what is borrowed from a view's layout or from what was published is used
 * before it is given back, at the end of online_answer_put().
 */
#include "online_answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server_fail.h"
#include "value_json.h"

enum { VIEWS_MAX = 256, KEYS_MAX = 32 };

static const char epoch[] = "\"1970-01-01T00:00:00Z\"";

/* A name that need not end with NUL. */
typedef struct name_text {
  const char *data;
  size_t size;
} name_text;

/* The features of one view. */
typedef struct view_part {
  served_view *view;
  const frz_online_info *info;
  name_text label; /* in full feature names: name or alias, without version */
  uint32_t version;
  uint32_t projection; /* node in what was published; 0: by reference */
  uint32_t first;      /* in answer_scratch.features */
  uint32_t n_features;
  uint32_t key_columns[KEYS_MAX]; /* of the request, one a join key */
} view_part;

typedef struct planned_feature {
  const char *name; /* of the view's layout */
  uint32_t part;
  uint32_t hash;
} planned_feature;

/* An entity column of the request that is printed. */
typedef struct entity_part {
  name_text name;
  uint32_t values;              /* node */
  const frz_online_column *key; /* NULL: no view that is read has it */
} entity_part;

struct answer_scratch {
  view_part parts[VIEWS_MAX];
  uint32_t n_parts;
  planned_feature features[REQUEST_FEATURES_MAX];
  uint32_t n_features;
  const char *names[REQUEST_FEATURES_MAX]; /* by view */
  entity_part entities[REQUEST_ENTITIES_MAX];
  uint32_t n_entities;
  uint8_t *key_bytes;
  size_t key_capacity;
  frz_bytes *keys;
  size_t *key_ends;
  uint32_t rows_capacity;
  text_out columns; /* statuses and times of a view */
};

typedef struct answer {
  view_store *store;
  const json_tree *tree;
  const feature_request *request;
  bool check_ttl;
  answer_scratch *scratch;
  published *published;
  text_out *out;
  answer_totals totals;
} answer;

answer_scratch *answer_scratch_create(void)
{
  answer_scratch *scratch = calloc(1, sizeof *scratch);
  if (scratch != NULL) text_out_init(&scratch->columns, (size_t)64 << 20);
  return scratch;
}

void answer_scratch_free(answer_scratch *scratch)
{
  if (scratch == NULL) return;
  free(scratch->key_bytes);
  free(scratch->keys);
  free(scratch->key_ends);
  text_out_dispose(&scratch->columns);
  free(scratch);
}

static bool same_name(name_text a, const char *data, size_t size)
{
  return a.size == size && memcmp(a.data, data, size) == 0;
}

static int shown(size_t size)
{
  return (int)(size < 100 ? size : 100);
}

/* ---- planning ---- */

/* "view@v2" is version 2 of view; "view@latest" and "view@" are view; else @ is part of the name.
 */
static name_text split_version(name_text name, uint32_t *version_out)
{
  *version_out = 0;
  const char *at = memchr(name.data, '@', name.size);
  if (at == NULL) return name;
  name_text view = {name.data, (size_t)(at - name.data)};
  name_text tail = {at + 1, name.size - view.size - 1};
  if (tail.size == 0 || (tail.size == 6 && strncasecmp(tail.data, "latest", 6) == 0)) return view;
  if (tail.size < 2 || tail.size > 9 || (tail.data[0] | 0x20) != 'v') return name;
  uint32_t version = 0;
  for (size_t i = 1; i < tail.size; i++) {
    if (tail.data[i] < '0' || tail.data[i] > '9') return name;
    version = version * 10 + (uint32_t)(tail.data[i] - '0');
  }
  *version_out = version;
  return view;
}

/* Where there is no entry yet, one is opened. */
static frz_status part_of(answer *a, name_text view, name_text label, uint32_t version,
                          uint32_t projection, uint32_t *part_out, frz_error *err)
{
  answer_scratch *scratch = a->scratch;
  for (uint32_t i = 0; i < scratch->n_parts; i++) {
    const view_part *part = &scratch->parts[i];
    if (part->version == version && part->projection == projection &&
        same_name(part->label, label.data, label.size)) {
      *part_out = i;
      return FRZ_OK;
    }
  }
  if (scratch->n_parts == VIEWS_MAX)
    return server_fail(err, FRZ_ERR_LIMIT, "more than %d feature views", VIEWS_MAX);
  view_part part = {.label = label, .version = version, .projection = projection};
  /* Where a project's views are versioned, the current version is in the table's name, too. */
  uint32_t table_version =
      version > 0 ? version
                  : published_view_number(a->published, view.data, view.size, "table_version");
  SERVER_TRY(view_store_get(a->store, view.data, view.size, table_version, &part.view, err));
  frz_status st = frz_online_describe(served_view_table(part.view), &part.info, err);
  if (st != FRZ_OK) {
    view_store_release(a->store, part.view);
    return st;
  }
  *part_out = scratch->n_parts;
  scratch->parts[scratch->n_parts++] = part;
  return FRZ_OK;
}

static uint32_t hash_text(const char *data, size_t size)
{
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (size_t i = 0; i < size; i++) hash = (hash ^ (uint8_t)data[i]) * 16777619u;
  return hash;
}

static frz_status add_feature(answer *a, uint32_t part_at, name_text name, frz_error *err)
{
  answer_scratch *scratch = a->scratch;
  view_part *part = &scratch->parts[part_at];
  const frz_online_info *info = part->info;
  const char *found = NULL;
  for (size_t i = 0; i < info->n_features && found == NULL; i++)
    if (same_name(name, info->features[i].name, strlen(info->features[i].name)))
      found = info->features[i].name;
  if (found == NULL)
    return server_fail(err, FRZ_ERR_NOT_FOUND, "feature view '%s' has no feature '%.*s'",
                       served_view_name(part->view), shown(name.size), name.data);
  if (scratch->n_features == REQUEST_FEATURES_MAX)
    return server_fail(err, FRZ_ERR_LIMIT, "more than %d features", REQUEST_FEATURES_MAX);
  scratch->features[scratch->n_features++] =
      (planned_feature){found, part_at, hash_text(name.data, name.size)};
  return FRZ_OK;
}

static frz_status plan_references(answer *a, frz_error *err)
{
  const json_node *nodes = a->tree->nodes;
  uint32_t list = a->request->features;
  for (uint32_t i = 1; i <= nodes[list].size; i++) {
    name_text text = {nodes[list + i].as.text, nodes[list + i].size};
    const char *colon = memchr(text.data, ':', text.size);
    if (colon == NULL)
      return server_fail(err, FRZ_ERR_INVALID, "feature '%.*s' is not of the form view:feature",
                         shown(text.size), text.data);
    name_text view = {text.data, (size_t)(colon - text.data)};
    name_text feature = {colon + 1, text.size - view.size - 1};
    uint32_t version, part;
    view = split_version(view, &version);
    SERVER_TRY(part_of(a, view, view, version, 0, &part, err));
    SERVER_TRY(add_feature(a, part, feature, err));
  }
  return FRZ_OK;
}

/* ---- services ---- */

static frz_status broken(frz_error *err, const char *what)
{
  return server_fail(err, FRZ_ERR_CORRUPT,
                     "what was published is broken: %s; run frazil.feast.publish(store) again",
                     what);
}

static name_text text_member(const json_tree *tree, uint32_t object, const char *name)
{
  uint32_t at = json_member(tree, object, name);
  if (at == 0 || tree->nodes[at].kind != JSON_STRING) return (name_text){0};
  return (name_text){tree->nodes[at].as.text, tree->nodes[at].size};
}

static frz_status plan_projection(answer *a, uint32_t projection, frz_error *err)
{
  const json_tree *tree = &a->published->tree;
  if (tree->nodes[projection].kind != JSON_OBJECT) return broken(err, "a projection");
  name_text view = text_member(tree, projection, "view");
  name_text label = text_member(tree, projection, "alias");
  if (view.data == NULL) return broken(err, "a projection without a view");
  if (label.data == NULL) label = view;
  uint32_t version = json_member(tree, projection, "version");
  uint32_t number = 0;
  if (version != 0 && tree->nodes[version].kind == JSON_INTEGER)
    number = (uint32_t)tree->nodes[version].as.integer;
  uint32_t features = json_member(tree, projection, "features");
  if (features == 0 || tree->nodes[features].kind != JSON_ARRAY)
    return broken(err, "a projection without features");
  uint32_t part;
  SERVER_TRY(part_of(a, view, label, number, projection, &part, err));
  for (uint32_t i = 1; i <= tree->nodes[features].size; i++) {
    const json_node *name = &tree->nodes[features + i];
    if (name->kind != JSON_STRING) return broken(err, "a feature's name");
    SERVER_TRY(add_feature(a, part, (name_text){name->as.text, name->size}, err));
  }
  return FRZ_OK;
}

/* The service's node in what was published, which is then held. */
static frz_status find_service(answer *a, uint32_t *service_out, frz_error *err)
{
  const json_node *name = &a->tree->nodes[a->request->service];
  for (int look = 0; look < 2; look++) {
    published_release(a->published);
    a->published = NULL;
    SERVER_TRY(view_store_published(a->store, look == 1, &a->published, err));
    if (a->published == NULL) continue;
    *service_out = published_find(a->published, a->published->services, name->as.text, name->size);
    if (*service_out != 0) return FRZ_OK;
  }
  return server_fail(
      err, FRZ_ERR_NOT_FOUND,
      "feature service '%.*s' of project '%s' is not published in the catalog; after "
      "feast apply call frazil.feast.publish(store) in Python",
      shown(name->size), name->as.text, view_store_project(a->store));
}

static frz_status plan_service(answer *a, frz_error *err)
{
  uint32_t service;
  SERVER_TRY(find_service(a, &service, err));
  const json_tree *tree = &a->published->tree;
  const json_node *name = &a->tree->nodes[a->request->service];
  uint32_t on_demand = json_member(tree, service, "on_demand");
  if (on_demand != 0 && tree->nodes[on_demand].kind == JSON_ARRAY &&
      tree->nodes[on_demand].size > 0)
    return server_fail(err, FRZ_ERR_UNSUPPORTED,
                       "feature service '%.*s' has on-demand feature views, which are Python: use "
                       "feast serve",
                       shown(name->size), name->as.text);
  uint32_t projections = json_member(tree, service, "projections");
  if (projections == 0 || tree->nodes[projections].kind != JSON_ARRAY)
    return broken(err, "a service without projections");
  for (uint32_t at = projections + 1; at < tree->nodes[projections].as.end;
       at = json_next(tree, at))
    SERVER_TRY(plan_projection(a, at, err));
  if (a->scratch->n_features == 0)
    return server_fail(err, FRZ_ERR_INVALID, "feature service '%.*s' has no features",
                       shown(name->size), name->as.text);
  return FRZ_OK;
}

/* ---- after planning ---- */

static bool same_label(const view_part *a, const view_part *b)
{
  return a->version == b->version && same_name(a->label, b->label.data, b->label.size);
}

/* Two features of an answer must not have one name. */
static frz_status check_names(const answer *a, frz_error *err)
{
  const answer_scratch *scratch = a->scratch;
  for (uint32_t i = 1; i < scratch->n_features; i++)
    for (uint32_t j = 0; j < i; j++) {
      const planned_feature *one = &scratch->features[i];
      const planned_feature *other = &scratch->features[j];
      if (one->hash != other->hash || strcmp(one->name, other->name) != 0) continue;
      if (a->request->full_feature_names &&
          !same_label(&scratch->parts[one->part], &scratch->parts[other->part]))
        continue;
      return server_fail(err, FRZ_ERR_INVALID, "two features are called '%s'%s", one->name,
                         a->request->full_feature_names
                             ? "; give the projections of the view different aliases"
                             : "; ask with full_feature_names, or for one of them");
    }
  return FRZ_OK;
}

/* The features of each view one behind the other. */
static void group_features(answer_scratch *scratch)
{
  uint32_t n = 0;
  for (uint32_t part = 0; part < scratch->n_parts; part++) {
    scratch->parts[part].first = n;
    for (uint32_t i = 0; i < scratch->n_features; i++)
      if (scratch->features[i].part == part) scratch->names[n++] = scratch->features[i].name;
    scratch->parts[part].n_features = n - scratch->parts[part].first;
  }
  assert(n == scratch->n_features);
}

static frz_status plan(answer *a, frz_error *err)
{
  a->scratch->n_parts = 0;
  a->scratch->n_features = 0;
  if (a->request->service != 0)
    SERVER_TRY(plan_service(a, err));
  else
    SERVER_TRY(plan_references(a, err));
  SERVER_TRY(check_names(a, err));
  group_features(a->scratch);
  a->totals.n_features = a->scratch->n_features;
  return FRZ_OK;
}

/* ---- entities ---- */

/* What a join key of a view is called in the request: a service's projection may rename it. */
static name_text key_alias(const answer *a, const view_part *part, const char *join_key)
{
  name_text alias = {0};
  if (part->projection != 0) {
    const json_tree *tree = &a->published->tree;
    uint32_t map = json_member(tree, part->projection, "join_key_map");
    if (map != 0 && tree->nodes[map].kind == JSON_OBJECT) alias = text_member(tree, map, join_key);
  }
  return alias.data != NULL ? alias : (name_text){join_key, strlen(join_key)};
}

/* The join key of the entity that has this name; else the name itself. `is_known`: it is an
 * entity's name or join key. */
static name_text published_key(const answer *a, name_text name, bool *is_known)
{
  *is_known = false;
  if (a->published == NULL) return name;
  const json_tree *tree = &a->published->tree;
  uint32_t group = a->published->entities;
  for (uint32_t at = group + 1; at < tree->nodes[group].as.end; at = json_next(tree, at + 1)) {
    name_text key = text_member(tree, at + 1, "join_key");
    if (key.data != NULL && same_name(key, name.data, name.size)) {
      *is_known = true;
      return name;
    }
  }
  uint32_t entity = published_find(a->published, group, name.data, name.size);
  name_text key = entity != 0 ? text_member(tree, entity, "join_key") : (name_text){0};
  if (key.data == NULL) return name;
  *is_known = true;
  return key;
}

/* The last view that has a join key of that name decides its type. */
static const frz_online_column *find_key(const answer *a, name_text name)
{
  const frz_online_column *found = NULL;
  for (uint32_t p = 0; p < a->scratch->n_parts; p++) {
    const view_part *part = &a->scratch->parts[p];
    for (size_t k = 0; k < part->info->n_join_keys; k++) {
      name_text alias = key_alias(a, part, part->info->join_keys[k].name);
      if (same_name(alias, name.data, name.size)) found = &part->info->join_keys[k];
    }
  }
  return found;
}

static void plan_entities(answer *a)
{
  answer_scratch *scratch = a->scratch;
  scratch->n_entities = 0;
  for (uint32_t i = 0; i < a->request->n_entities; i++) {
    const request_column *column = &a->request->entities[i];
    bool is_known;
    name_text given = {column->name, column->name_size};
    const frz_online_column *key = find_key(a, given);
    name_text name = given;
    if (key == NULL) {
      name = published_key(a, given, &is_known);
      key = find_key(a, name);
      if (key == NULL && !is_known) continue;
    }
    entity_part part = {name, column->values, key};
    uint32_t at = 0;
    while (at < scratch->n_entities && !same_name(scratch->entities[at].name, name.data, name.size))
      at++;
    scratch->entities[at] = part;
    if (at == scratch->n_entities) scratch->n_entities++;
  }
}

/* A value that no view's join key gives a type: as it came. */
static void put_node(text_out *out, const json_node *node)
{
  switch (node->kind) {
  case JSON_BOOL: text_put_z(out, node->as.boolean ? "true" : "false"); break;
  case JSON_INTEGER: text_put_i64(out, node->as.integer); break;
  case JSON_DOUBLE: text_put_double(out, node->as.number); break;
  case JSON_STRING: text_put_json(out, node->as.text, node->size); break;
  default: text_put_z(out, "null"); break;
  }
}

static void put_repeated(text_out *out, const char *text, size_t size, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) {
    char *at = text_out_reserve(out, size + 1);
    if (at == NULL) return;
    if (i > 0) *at++ = ',';
    memcpy(at, text, size);
    text_out_commit(out, size + (i > 0));
  }
}

static frz_status put_entity(answer *a, const entity_part *entity, frz_error *err)
{
  static const char present[] = "\"PRESENT\"";
  text_put_z(a->out, "{\"values\":[");
  uint32_t at = entity->values + 1;
  for (uint32_t row = 0; row < a->request->n_rows; row++, at = json_next(a->tree, at)) {
    if (row > 0) text_put_byte(a->out, ',');
    if (entity->key == NULL) {
      put_node(a->out, &a->tree->nodes[at]);
      continue;
    }
    frz_value value;
    SERVER_TRY(key_value_read(a->tree, at, entity->key, &value, err));
    if (value.kind == FRZ_VALUE_BYTES) value.kind = FRZ_VALUE_STRING; /* as it came */
    SERVER_TRY(value_json_put(a->out, &value, err));
  }
  text_put_z(a->out, "],\"statuses\":[");
  put_repeated(a->out, present, sizeof present - 1, a->request->n_rows);
  text_put_z(a->out, "],\"event_timestamps\":[");
  put_repeated(a->out, epoch, sizeof epoch - 1, a->request->n_rows);
  text_put_z(a->out, "]}");
  return FRZ_OK;
}

/* ---- keys ---- */

static frz_status reserve_rows(answer_scratch *scratch, uint32_t n_rows, frz_error *err)
{
  if (scratch->rows_capacity >= n_rows) return FRZ_OK;
  frz_bytes *keys = realloc(scratch->keys, n_rows * sizeof *keys);
  if (keys != NULL) scratch->keys = keys;
  size_t *ends = realloc(scratch->key_ends, n_rows * sizeof *ends);
  if (ends != NULL) scratch->key_ends = ends;
  if (keys == NULL || ends == NULL)
    return server_fail(err, FRZ_ERR_NOMEM, "no memory for %u keys", n_rows);
  scratch->rows_capacity = n_rows;
  return FRZ_OK;
}

static frz_status add_key(answer_scratch *scratch, const frz_online_info *info,
                          const frz_value *values, size_t *used, frz_error *err)
{
  for (;;) {
    size_t room = scratch->key_capacity - *used;
    size_t size;
    SERVER_TRY(frz_online_entity_key(info, values,
                                     scratch->key_bytes != NULL ? scratch->key_bytes + *used : NULL,
                                     room, &size, err));
    if (size <= room) {
      *used += size;
      return FRZ_OK;
    }
    size_t capacity = scratch->key_capacity == 0 ? 16384 : scratch->key_capacity * 2;
    while (capacity - *used < size) capacity *= 2;
    uint8_t *grown = realloc(scratch->key_bytes, capacity);
    if (grown == NULL) return server_fail(err, FRZ_ERR_NOMEM, "no memory for keys");
    scratch->key_bytes = grown;
    scratch->key_capacity = capacity;
  }
}

/* Which columns of the request hold a view's join keys. */
static frz_status bind_keys(const answer *a, const view_part *part, uint32_t *columns_out,
                            frz_error *err)
{
  if (part->info->n_join_keys > KEYS_MAX)
    return server_fail(err, FRZ_ERR_LIMIT, "feature view '%s' has more than %d join keys",
                       served_view_name(part->view), KEYS_MAX);
  for (size_t k = 0; k < part->info->n_join_keys; k++) {
    name_text alias = key_alias(a, part, part->info->join_keys[k].name);
    uint32_t at = 0;
    while (at < a->scratch->n_entities &&
           !same_name(a->scratch->entities[at].name, alias.data, alias.size))
      at++;
    if (at == a->scratch->n_entities)
      return server_fail(err, FRZ_ERR_INVALID,
                         "'entities' has no '%.*s', a join key of feature view '%s'",
                         shown(alias.size), alias.data, served_view_name(part->view));
    columns_out[k] = a->scratch->entities[at].values;
  }
  return FRZ_OK;
}

/* Serialized keys of all rows; a row with a null gets an empty one, which no row of a table has. */
static frz_status build_keys(answer *a, const view_part *part, frz_error *err)
{
  answer_scratch *scratch = a->scratch;
  uint32_t at[KEYS_MAX];
  SERVER_TRY(bind_keys(a, part, at, err));
  SERVER_TRY(reserve_rows(scratch, a->request->n_rows, err));
  size_t used = 0;
  for (size_t k = 0; k < part->info->n_join_keys; k++) at[k]++;
  for (uint32_t row = 0; row < a->request->n_rows; row++) {
    frz_value values[KEYS_MAX];
    bool has_null = false;
    for (size_t k = 0; k < part->info->n_join_keys; k++) {
      SERVER_TRY(key_value_read(a->tree, at[k], &part->info->join_keys[k], &values[k], err));
      has_null |= values[k].kind == FRZ_VALUE_NULL;
      at[k] = json_next(a->tree, at[k]);
    }
    if (!has_null) SERVER_TRY(add_key(scratch, part->info, values, &used, err));
    scratch->key_ends[row] = used;
  }
  size_t start = 0;
  for (uint32_t row = 0; row < a->request->n_rows; row++) {
    const uint8_t *data = scratch->key_bytes != NULL ? scratch->key_bytes + start : NULL;
    scratch->keys[row] =
        (frz_bytes){data != NULL ? (const void *)data : "", scratch->key_ends[row] - start};
    start = scratch->key_ends[row];
  }
  return FRZ_OK;
}

/* ---- features ---- */

static int64_t now_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* `],"statuses":[...],"event_timestamps":[...]}`, the same for each feature of a view. */
static void format_columns(answer *a, const view_part *part, const frz_online_result *result)
{
  text_out *columns = &a->scratch->columns;
  bool has_ttl = a->check_ttl && part->info->ttl_seconds > 0;
  double oldest_us = has_ttl ? (double)now_us() - part->info->ttl_seconds * 1e6 : 0;
  text_out_clear(columns);
  text_put_z(columns, "],\"statuses\":[");
  for (uint32_t row = 0; row < a->request->n_rows; row++) {
    int64_t event_us;
    bool is_found = frz_online_result_found(result, row, &event_us, NULL);
    bool is_old = is_found && has_ttl && (double)event_us < oldest_us;
    a->totals.n_found += is_found;
    if (row > 0) text_put_byte(columns, ',');
    text_put_z(columns, is_old     ? "\"OUTSIDE_MAX_AGE\""
                        : is_found ? "\"PRESENT\""
                                   : "\"NOT_FOUND\"");
  }
  text_put_z(columns, "],\"event_timestamps\":[");
  for (uint32_t row = 0; row < a->request->n_rows; row++) {
    int64_t event_us;
    if (row > 0) text_put_byte(columns, ',');
    if (frz_online_result_found(result, row, &event_us, NULL))
      text_put_time(columns, event_us);
    else
      text_put(columns, epoch, sizeof epoch - 1);
  }
  text_put_z(columns, "]}");
}

static frz_status put_features(answer *a, const view_part *part, const frz_online_result *result,
                               frz_error *err)
{
  format_columns(a, part, result);
  if (a->scratch->columns.failed) {
    a->out->failed = true;
    a->out->is_short_of_memory = a->scratch->columns.is_short_of_memory;
  }
  for (uint32_t f = 0; f < part->n_features && !a->out->failed; f++) {
    text_put_z(a->out, ",{\"values\":[");
    for (uint32_t row = 0; row < a->request->n_rows; row++) {
      frz_value value = frz_online_result_value(result, row, f);
      if (row > 0) text_put_byte(a->out, ',');
      SERVER_TRY(value_json_put(a->out, &value, err));
    }
    text_put(a->out, a->scratch->columns.data, a->scratch->columns.size);
  }
  return FRZ_OK;
}

static frz_status read_part(answer *a, view_part *part, frz_error *err)
{
  frz_online_result *result;
  SERVER_TRY(build_keys(a, part, err));
  SERVER_TRY(served_view_take_result(part->view, &result, err));
  frz_status st =
      frz_online_read(served_view_table(part->view), a->scratch->keys, a->request->n_rows,
                      a->scratch->names + part->first, part->n_features, result, err);
  if (st == FRZ_OK) st = put_features(a, part, result, err);
  served_view_give_result(part->view, result);
  if (st == FRZ_ERR_NOT_FOUND) view_store_forget(a->store, part->view);
  return st;
}

/* ---- the answer ---- */

static void put_label(text_out *out, const view_part *part, const char *feature)
{
  /* Escaped one by one, within one pair of quotes. */
  text_put_json(out, part->label.data, part->label.size);
  if (out->failed) return;
  out->size--;
  if (part->version > 0) text_put_format(out, "@v%u", part->version);
  text_put_z(out, "__");
  size_t quote = out->size;
  text_put_json(out, feature, strlen(feature));
  if (out->failed) return;
  memmove(out->data + quote, out->data + quote + 1, out->size - quote - 1);
  out->size--;
}

static void put_names(answer *a)
{
  const answer_scratch *scratch = a->scratch;
  text_put_z(a->out, "{\"metadata\":{\"feature_names\":[");
  for (uint32_t i = 0; i < scratch->n_entities; i++) {
    if (i > 0) text_put_byte(a->out, ',');
    text_put_json(a->out, scratch->entities[i].name.data, scratch->entities[i].name.size);
  }
  bool is_first = scratch->n_entities == 0;
  for (uint32_t p = 0; p < scratch->n_parts; p++) {
    const view_part *part = &scratch->parts[p];
    for (uint32_t f = 0; f < part->n_features; f++) {
      const char *name = scratch->names[part->first + f];
      if (!is_first) text_put_byte(a->out, ',');
      is_first = false;
      if (a->request->full_feature_names)
        put_label(a->out, part, name);
      else
        text_put_json(a->out, name, strlen(name));
    }
  }
  text_put_byte(a->out, ']');
}

/* Versions that were published; a view of which nothing was published has none. */
static void put_versions(answer *a)
{
  text_put_z(a->out, ",\"feature_view_metadata\":[");
  for (uint32_t p = 0; p < a->scratch->n_parts; p++) {
    const view_part *part = &a->scratch->parts[p];
    uint32_t version = part->version;
    const char *name = served_view_name(part->view);
    if (version == 0) version = published_view_number(a->published, name, strlen(name), "version");
    if (p > 0) text_put_byte(a->out, ',');
    text_put_z(a->out, "{\"name\":");
    text_put_json(a->out, part->label.data, part->label.size);
    if (version > 0) text_put_format(a->out, ",\"version\":%u", version);
    text_put_byte(a->out, '}');
  }
  text_put_byte(a->out, ']');
}

static frz_status put_answer(answer *a, frz_error *err)
{
  plan_entities(a);
  put_names(a);
  if (a->request->view_versions) put_versions(a);
  text_put_z(a->out, "},\"results\":[");
  for (uint32_t i = 0; i < a->scratch->n_entities; i++) {
    if (i > 0) text_put_byte(a->out, ',');
    SERVER_TRY(put_entity(a, &a->scratch->entities[i], err));
  }
  size_t start = a->out->size;
  for (uint32_t p = 0; p < a->scratch->n_parts; p++)
    SERVER_TRY(read_part(a, &a->scratch->parts[p], err));
  if (a->scratch->n_entities == 0 && !a->out->failed) {
    /* Features begin with a comma; without entities the first has none. */
    memmove(a->out->data + start, a->out->data + start + 1, a->out->size - start - 1);
    a->out->size--;
  }
  text_put_z(a->out, "]}");
  if (a->out->failed)
    return text_out_failure(a->out, "the answer is too large; ask for fewer rows at once", err);
  return FRZ_OK;
}

frz_status online_answer_put(view_store *store, const json_tree *tree,
                             const feature_request *request, bool check_ttl,
                             answer_scratch *scratch, text_out *out, answer_totals *totals_out,
                             frz_error *err)
{
  answer a = {.store = store,
              .tree = tree,
              .request = request,
              .check_ttl = check_ttl,
              .scratch = scratch,
              .out = out};
  frz_status st = FRZ_OK;
  a.totals.n_keys = request->n_rows;
  if (request->service == 0)
    /* Names of entities; that nothing was published, or cannot be read now, is no failure. */
    (void)!view_store_published(store, false, &a.published, NULL);
  st = plan(&a, err);
  if (st == FRZ_OK) st = put_answer(&a, err);
  for (uint32_t i = 0; i < scratch->n_parts; i++) {
    frz_online_info_free(scratch->parts[i].info);
    view_store_release(store, scratch->parts[i].view);
  }
  published_release(a.published);
  *totals_out = a.totals;
  return st;
}
