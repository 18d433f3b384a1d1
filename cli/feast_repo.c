/*
 * feast_repo.c - what a Feast repo's feature_store.yaml says of the catalog and the online store.
 *
 * The same rules as those of frazil.feast's settings: $NAME and ${NAME} are replaced by environment
 * variables first, relative paths begin at the repo, and without a URI the catalog is a SQLite file
 * under data/. Of the file's sections `project` and `online_store` are used.
 *
 * Values may be secrets, so messages name keys and lines only.
 */
#include "feast_repo.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <yaml.h>

enum { FILE_BYTES_MAX = 1 << 20 };

typedef struct repo_reader {
  command_line *line;
  char *folder; /* absolute */
  char *path;   /* of the file, for messages */
  yaml_document_t document;
  frz_error *err;
} repo_reader;

static frz_status fail(frz_error *err, frz_status code, const char *format, ...) FRZ_PRINTF(3, 4);

static frz_status fail(frz_error *err, frz_status code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  err->code = code;
  return code;
}

/* ---- texts ---- */

static char *join_path(const char *folder, const char *name)
{
  char *joined = NULL;
  if (name[0] == '/') return strdup(name);
  return asprintf(&joined, "%s/%s", folder, name) < 0 ? NULL : joined;
}

static bool has_scheme(const char *text)
{
  if (!isalpha((unsigned char)text[0])) return false;
  size_t n = 1;
  while (isalnum((unsigned char)text[n]) || (text[n] != '\0' && strchr("+.-", text[n]) != NULL))
    n++;
  return text[n] == ':';
}

/* The length of the variable's name at `text`, which is behind a '$'; with braces, of all. */
static size_t variable_at(const char *text, char *name_out, size_t size)
{
  size_t start = text[0] == '{';
  size_t n = start;
  while (isalnum((unsigned char)text[n]) || text[n] == '_') n++;
  bool fine = n > start && n - start < size && (start == 0 || text[n] == '}');
  if (!fine) return 0;
  memcpy(name_out, text + start, n - start);
  name_out[n - start] = '\0';
  return n + start;
}

/* As Python's os.path.expandvars(): what is not set stays as it is. */
static char *expand_variables(const char *text)
{
  char *out = NULL;
  size_t size = 0;
  FILE *file = open_memstream(&out, &size);
  if (file == NULL) return NULL;
  while (*text != '\0') {
    char name[256];
    size_t n = *text == '$' ? variable_at(text + 1, name, sizeof name) : 0;
    const char *value = n > 0 ? getenv(name) : NULL;
    if (value != NULL) {
      fputs(value, file);
      text += n + 1;
    } else {
      fputc(*text++, file);
    }
  }
  fclose(file);
  return out;
}

static frz_status read_file(const char *path, char **text_out, frz_error *err)
{
  FILE *file = fopen(path, "rbe");
  if (file == NULL)
    return fail(err, errno == ENOENT ? FRZ_ERR_NOT_FOUND : FRZ_ERR_IO, "'%.500s': %s", path,
                strerror(errno));
  char *text = malloc(FILE_BYTES_MAX + 1);
  size_t size = text != NULL ? fread(text, 1, FILE_BYTES_MAX, file) : 0;
  bool is_whole = text != NULL && !ferror(file) && fgetc(file) == EOF;
  fclose(file);
  if (!is_whole) {
    free(text);
    return fail(err, FRZ_ERR_LIMIT, "'%.500s' cannot be read, or is larger than %d bytes", path,
                FILE_BYTES_MAX);
  }
  text[size] = '\0';
  *text_out = expand_variables(text);
  free(text);
  return *text_out != NULL ? FRZ_OK : fail(err, FRZ_ERR_NOMEM, "no memory for '%.500s'", path);
}

/* The line frees the text in the end; NULL, where memory or room is short, passes through. */
static char *own(const repo_reader *reader, char *text)
{
  command_line *line = reader->line;
  if (text == NULL) return NULL;
  if (line->n_owned == OWNED_MAX) {
    free(text);
    return NULL;
  }
  line->owned[line->n_owned++] = text;
  return text;
}

void feast_repo_dispose(command_line *line)
{
  while (line->n_owned > 0) free(line->owned[--line->n_owned]);
}

/* ---- YAML ---- */

static yaml_node_t *member(repo_reader *reader, yaml_node_t *mapping, const char *name)
{
  if (mapping == NULL || mapping->type != YAML_MAPPING_NODE) return NULL;
  for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
       pair < mapping->data.mapping.pairs.top; pair++) {
    yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
    if (key->type == YAML_SCALAR_NODE && strcmp((const char *)key->data.scalar.value, name) == 0)
      return yaml_document_get_node(&reader->document, pair->value);
  }
  return NULL;
}

static bool is_null(const yaml_node_t *node)
{
  const char *text = node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : "x";
  bool is_plain =
      node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  return is_plain && (text[0] == '\0' || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
}

/* A scalar's text, which lives as long as the document; NULL where the key is missing or null. */
static frz_status text_of(repo_reader *reader, yaml_node_t *mapping, const char *key,
                          const char **text_out)
{
  yaml_node_t *node = member(reader, mapping, key);
  *text_out = NULL;
  if (node == NULL || is_null(node)) return FRZ_OK;
  if (node->type != YAML_SCALAR_NODE)
    return fail(reader->err, FRZ_ERR_INVALID, "'%.500s' line %zu: %s is not a text", reader->path,
                node->start_mark.line + 1, key);
  *text_out = (const char *)node->data.scalar.value;
  return FRZ_OK;
}

static frz_status number_of(repo_reader *reader, yaml_node_t *mapping, const char *key,
                            int64_t *number)
{
  const char *text;
  frz_status st = text_of(reader, mapping, key, &text);
  if (st != FRZ_OK || text == NULL || *number >= 0) return st;
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < 0)
    return fail(reader->err, FRZ_ERR_INVALID, "'%.500s': online_store.%s is not a whole number",
                reader->path, key);
  *number = value;
  return FRZ_OK;
}

/* ---- the catalog ---- */

static bool has_property(const command_line *line, const char *key)
{
  for (size_t i = 0; i < line->n_properties; i++)
    if (strcmp(line->properties[i].key, key) == 0) return true;
  return false;
}

/* What the command line gave stays. */
static frz_status add_property(repo_reader *reader, const char *key, const char *value)
{
  command_line *line = reader->line;
  if (value == NULL || has_property(line, key)) return FRZ_OK;
  if (line->n_properties == PROPERTIES_MAX)
    return fail(reader->err, FRZ_ERR_LIMIT, "'%.500s': more than %d properties", reader->path,
                PROPERTIES_MAX);
  line->properties[line->n_properties++] = (frz_property){key, value};
  return FRZ_OK;
}

/* The file of an SQLite URI in SQLAlchemy's form (three slashes: relative, four: absolute), or of a
 * plain path; NULL where it is of another database or in memory. */
static char *sqlite_path(const repo_reader *reader, const char *uri)
{
  if (strncasecmp(uri, "sqlite", 6) == 0 && (uri[6] == ':' || uri[6] == '+')) {
    uri = strchr(uri, ':');
    if (uri == NULL) return NULL;
    uri++;
    if (strncmp(uri, "//", 2) == 0) uri += 2;
    if (uri[0] == '/') uri++;
    bool is_file = uri[0] != '\0' && strcmp(uri, ":memory:") != 0;
    return is_file ? join_path(reader->folder, uri) : NULL;
  }
  return has_scheme(uri) ? NULL : join_path(reader->folder, uri);
}

static frz_status sql_places(repo_reader *reader, const char *uri, const char *warehouse)
{
  char *path = sqlite_path(reader, uri != NULL ? uri : "data/frazil.db");
  char *full = NULL;
  if (path == NULL) {
    full = strdup(uri);
  } else {
    if (asprintf(&full, "sqlite:///%s", path) < 0) full = NULL;
    if (warehouse == NULL) warehouse = "data/warehouse";
  }
  free(path);
  if (full == NULL) return fail(reader->err, FRZ_ERR_NOMEM, "no memory for a URI");
  frz_status st = add_property(reader, "uri", own(reader, full));
  if (st != FRZ_OK || warehouse == NULL) return st;
  char *place = has_scheme(warehouse) ? strdup(warehouse) : join_path(reader->folder, warehouse);
  return add_property(reader, "warehouse", own(reader, place));
}

static frz_status add_options(repo_reader *reader, yaml_node_t *options)
{
  if (options == NULL || is_null(options)) return FRZ_OK;
  if (options->type != YAML_MAPPING_NODE)
    return fail(reader->err, FRZ_ERR_INVALID, "'%.500s' line %zu: storage_options is no mapping",
                reader->path, options->start_mark.line + 1);
  frz_status st = FRZ_OK;
  for (yaml_node_pair_t *pair = options->data.mapping.pairs.start;
       pair < options->data.mapping.pairs.top && st == FRZ_OK; pair++) {
    yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
    yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
    if (is_null(value)) continue;
    if (key->type != YAML_SCALAR_NODE || value->type != YAML_SCALAR_NODE)
      return fail(reader->err, FRZ_ERR_INVALID, "'%.500s' line %zu: a storage option is no text",
                  reader->path, value->start_mark.line + 1);
    st = add_property(reader, own(reader, strdup((const char *)key->data.scalar.value)),
                      own(reader, strdup((const char *)value->data.scalar.value)));
  }
  return st;
}

static frz_status read_catalog(repo_reader *reader, yaml_node_t *store)
{
  const char *kind, *name, *uri, *warehouse;
  frz_status st = text_of(reader, store, "catalog_type", &kind);
  if (st == FRZ_OK) st = text_of(reader, store, "catalog_name", &name);
  if (st == FRZ_OK) st = text_of(reader, store, "uri", &uri);
  if (st == FRZ_OK) st = text_of(reader, store, "warehouse", &warehouse);
  if (st != FRZ_OK) return st;
  if (kind == NULL) kind = "sql";
  if (strcmp(kind, "none") == 0) kind = "static";
  if (name != NULL && strcmp(reader->line->catalog, "default") == 0)
    reader->line->catalog = own(reader, strdup(name));
  st = add_property(reader, "type", own(reader, strdup(kind)));
  if (st == FRZ_OK) st = add_options(reader, member(reader, store, "storage_options"));
  if (st != FRZ_OK) return st;
  if (strcmp(kind, "sql") == 0) return sql_places(reader, uri, warehouse);
  if (uri != NULL) st = add_property(reader, "uri", own(reader, strdup(uri)));
  if (st != FRZ_OK || warehouse == NULL) return st;
  bool is_path = strcmp(kind, "static") == 0 && !has_scheme(warehouse);
  return add_property(
      reader, "warehouse",
      own(reader, is_path ? join_path(reader->folder, warehouse) : strdup(warehouse)));
}

/* ---- the online store ---- */

static frz_status take_text(repo_reader *reader, yaml_node_t *mapping, const char *key,
                            const char **setting)
{
  const char *text;
  frz_status st = text_of(reader, mapping, key, &text);
  if (st == FRZ_OK && text != NULL && *setting == NULL) *setting = own(reader, strdup(text));
  return st;
}

static frz_status read_store(repo_reader *reader, yaml_node_t *store)
{
  serve_settings *settings = &reader->line->serve;
  const char *type;
  frz_status st = text_of(reader, store, "type", &type);
  if (st != FRZ_OK) return st;
  if (type == NULL || strncmp(type, "frazil.feast.", 13) != 0)
    return fail(reader->err, FRZ_ERR_INVALID,
                "'%.500s': online_store.type is '%.100s', not frazil.feast.IcebergOnlineStore",
                reader->path, type != NULL ? type : "not given");
  st = read_catalog(reader, store);
  if (st == FRZ_OK) st = take_text(reader, store, "namespace", &settings->namespace_name);
  if (st == FRZ_OK) st = take_text(reader, store, "lookup", &settings->lookup);
  if (st == FRZ_OK) st = number_of(reader, store, "max_staleness_ms", &settings->max_staleness_ms);
  if (st == FRZ_OK) st = number_of(reader, store, "read_timeout_ms", &settings->read_timeout_ms);
  if (st == FRZ_OK) st = number_of(reader, store, "key_ttl_seconds", &settings->key_ttl_seconds);
  if (st != FRZ_OK || settings->cache_dir != NULL) return st;
  const char *cache;
  st = text_of(reader, store, "cache_dir", &cache);
  if (st == FRZ_OK)
    settings->cache_dir =
        own(reader, join_path(reader->folder, cache != NULL ? cache : "data/frazil-lookup"));
  return st;
}

static frz_status read_document(repo_reader *reader)
{
  yaml_node_t *root = yaml_document_get_root_node(&reader->document);
  if (root == NULL || root->type != YAML_MAPPING_NODE)
    return fail(reader->err, FRZ_ERR_INVALID, "'%.500s' is no mapping", reader->path);
  yaml_node_t *store = member(reader, root, "online_store");
  if (store == NULL || store->type != YAML_MAPPING_NODE)
    return fail(reader->err, FRZ_ERR_INVALID,
                "'%.500s' has no online_store section with type: frazil.feast.IcebergOnlineStore",
                reader->path);
  frz_status st = take_text(reader, root, "project", &reader->line->serve.project);
  return st == FRZ_OK ? read_store(reader, store) : st;
}

static frz_status parse(repo_reader *reader, const char *text)
{
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser))
    return fail(reader->err, FRZ_ERR_NOMEM, "no memory for YAML");
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
  frz_status st = FRZ_OK;
  if (!yaml_parser_load(&parser, &reader->document)) {
    st = fail(reader->err, FRZ_ERR_INVALID, "'%.500s' line %zu: %s", reader->path,
              parser.problem_mark.line + 1, parser.problem != NULL ? parser.problem : "not YAML");
  } else {
    st = read_document(reader);
    yaml_document_delete(&reader->document);
  }
  yaml_parser_delete(&parser);
  return st;
}

/* Folder and file of what the user named. */
static frz_status locate(repo_reader *reader, const char *repo)
{
  struct stat found;
  char resolved[PATH_MAX];
  bool is_file = stat(repo, &found) == 0 && S_ISREG(found.st_mode);
  reader->path = is_file ? strdup(repo) : join_path(repo, "feature_store.yaml");
  if (reader->path == NULL) return fail(reader->err, FRZ_ERR_NOMEM, "no memory for a path");
  if (!is_file && repo[0] != '/') {
    free(reader->path);
    if (asprintf(&reader->path, "%s/feature_store.yaml", repo) < 0)
      return fail(reader->err, FRZ_ERR_NOMEM, "no memory for a path");
  }
  if (realpath(reader->path, resolved) == NULL)
    return fail(reader->err, FRZ_ERR_NOT_FOUND, "--repo '%.500s': %s", reader->path,
                strerror(errno));
  *strrchr(resolved, '/') = '\0';
  reader->folder = strdup(resolved);
  return reader->folder != NULL ? FRZ_OK : fail(reader->err, FRZ_ERR_NOMEM, "no memory for a path");
}

frz_status feast_repo_apply(command_line *line, frz_error *err)
{
  repo_reader reader = {.line = line, .err = err};
  char *text = NULL;
  frz_status st = locate(&reader, line->serve.repo);
  if (st == FRZ_OK) st = read_file(reader.path, &text, err);
  if (st == FRZ_OK) st = parse(&reader, text);
  free(text);
  free(reader.folder);
  free(reader.path);
  return st;
}
