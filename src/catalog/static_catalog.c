/*
 * static_catalog.c - no catalog: a table is named by its folder or its metadata file. Read-only.
 *
 * In a folder, metadata/version-hint.text says which version is current where it exists; otherwise
 * the metadata file with the highest version in its name is taken, and of several with one version
 * the one modified last. A relative name is looked for as it is, then below the warehouse.
 *
 * Source: Iceberg specification, "File System Tables".
 */
#include "base/limits.h"
#include "catalog/catalog_ops.h"

typedef struct static_catalog {
  frz_context *context;
  const frz_alloc *alloc;
  frz_storage *storage;
  frz_string warehouse; /* data NULL: none */
} static_catalog;

static const char read_only[] =
    "a static catalog is read-only: it has nowhere to note a new version; open the table through "
    "a catalog of type sql to write";

/* The best metadata file seen so far in a folder. */
typedef struct newest {
  frz_arena *arena;
  frz_str uri;
  int64_t version;
  int64_t modified_ms;
} newest;

static bool is_metadata_file(frz_str uri)
{
  return frz_str_ends(uri, ".metadata.json") || frz_str_ends(uri, ".metadata.json.gz");
}

static frz_str file_name(frz_str uri)
{
  size_t at = uri.size;
  while (at > 0 && uri.data[at - 1] != '/') at--;
  return (frz_str){uri.data + at, uri.size - at};
}

/* "00012-<uuid>.metadata.json" and "v12.metadata.json" give 12; -1: no version in the name. */
static int64_t version_of(frz_str uri)
{
  frz_str name = file_name(uri);
  size_t at = name.size != 0 && name.data[0] == 'v' ? 1 : 0;
  int64_t version = -1;
  for (; at < name.size && name.data[at] >= '0' && name.data[at] <= '9'; at++) {
    if (version > INT32_MAX) return -1;
    version = (version < 0 ? 0 : version) * 10 + (name.data[at] - '0');
  }
  return version;
}

static frz_status visit_file(void *arg, const frz_storage_entry *entry, frz_error *err)
{
  newest *best = arg;
  if (!is_metadata_file(entry->uri)) return FRZ_OK;
  int64_t version = version_of(entry->uri);
  bool is_better = best->uri.data == NULL || version > best->version ||
                   (version == best->version && entry->modified_ms > best->modified_ms);
  if (!is_better) return FRZ_OK;
  best->uri = frz_arena_copy(best->arena, entry->uri);
  if (best->uri.data == NULL) return frz_fail_nomem(err, "metadata file name");
  best->version = version;
  best->modified_ms = entry->modified_ms;
  return FRZ_OK;
}

static frz_str trim(frz_str text)
{
  while (text.size != 0 && (unsigned char)text.data[text.size - 1] <= ' ') text.size--;
  while (text.size != 0 && (unsigned char)text.data[0] <= ' ')
    text = (frz_str){text.data + 1, text.size - 1};
  return text;
}

static bool is_number(frz_str text)
{
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] < '0' || text.data[i] > '9') return false;
  return text.size != 0;
}

static frz_str join(frz_arena *arena, frz_str a, const char *middle, frz_str b, const char *end)
{
  frz_buf text;
  frz_buf_init(&text, arena->alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_str joined = {0};
  if (frz_buf_append_str(&text, a, NULL) == FRZ_OK &&
      frz_buf_append_str(&text, frz_str_from(middle), NULL) == FRZ_OK &&
      frz_buf_append_str(&text, b, NULL) == FRZ_OK &&
      frz_buf_append_str(&text, frz_str_from(end), NULL) == FRZ_OK)
    joined = frz_arena_copy(arena, frz_buf_str(&text));
  frz_buf_dispose(&text);
  return joined;
}

/* FRZ_OK where the file was read; FRZ_ERR_NOT_FOUND where it is not there. */
static frz_status try_file(static_catalog *catalog, frz_str uri, frz_loaded_table *loaded_out,
                           frz_error *err)
{
  if (uri.data == NULL) return frz_fail_nomem(err, "metadata file name");
  return frz_metadata_read(catalog->context, catalog->storage, uri, loaded_out, err);
}

/* What version-hint.text names: a version N ("v<N>.metadata.json"), or a file's name. */
static frz_status try_hint(static_catalog *catalog, frz_str folder, frz_arena *arena,
                           frz_loaded_table *loaded_out, frz_error *err)
{
  static const char *const endings[] = {".metadata.json", ".gz.metadata.json", ".metadata.json.gz"};
  frz_buf text;
  frz_buf_init(&text, catalog->alloc, 4096);
  frz_str hint_uri = join(arena, folder, "/metadata/version-hint.text", (frz_str){0}, "");
  frz_status st = hint_uri.data != NULL
                      ? frz_storage_read_all(catalog->storage, hint_uri, &text, err)
                      : frz_fail_nomem(err, "metadata file name");
  if (st != FRZ_OK) {
    frz_buf_dispose(&text);
    return st;
  }
  frz_str hint = trim(frz_buf_str(&text));
  const char *middle = is_number(hint) ? "/metadata/v" : "/metadata/";
  st = FRZ_ERR_NOT_FOUND;
  if (is_metadata_file(hint))
    st = try_file(catalog, join(arena, folder, middle, hint, ""), loaded_out, err);
  for (size_t i = 0; i < 3 && st == FRZ_ERR_NOT_FOUND; i++)
    st = try_file(catalog, join(arena, folder, middle, hint, endings[i]), loaded_out, err);
  frz_buf_dispose(&text);
  return st;
}

static frz_status try_folder(static_catalog *catalog, frz_str folder, frz_arena *arena,
                             frz_loaded_table *loaded_out, frz_error *err)
{
  while (folder.size > 1 && folder.data[folder.size - 1] == '/') folder.size--;
  frz_status st = try_hint(catalog, folder, arena, loaded_out, err);
  if (st != FRZ_ERR_NOT_FOUND) return st;
  newest best = {.arena = arena};
  frz_str metadata_folder = join(arena, folder, "/metadata", (frz_str){0}, "");
  if (metadata_folder.data == NULL) return frz_fail_nomem(err, "metadata folder name");
  FRZ_TRY(frz_storage_list(catalog->storage, metadata_folder, visit_file, &best, err));
  if (best.uri.data == NULL)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "no metadata file in %.*s",
                    FRZ_STR_ARG(metadata_folder));
  return try_file(catalog, best.uri, loaded_out, err);
}

static frz_status try_name(static_catalog *catalog, frz_str name, frz_arena *arena,
                           frz_loaded_table *loaded_out, frz_error *err)
{
  if (is_metadata_file(name)) return try_file(catalog, name, loaded_out, err);
  return try_folder(catalog, name, arena, loaded_out, err);
}

/* "a.b.table" as folders "a.b/table" (frazil's and PyIceberg's SQL catalogs) below the warehouse.
 */
static frz_str dotted_folder(const static_catalog *catalog, frz_str name, frz_arena *arena)
{
  frz_str warehouse = {catalog->warehouse.data, catalog->warehouse.size_bytes};
  size_t dot = name.size;
  while (dot > 0 && name.data[dot - 1] != '.') dot--;
  if (dot < 2) return join(arena, warehouse, "/", name, "");
  frz_str head = join(arena, warehouse, "/", (frz_str){name.data, dot - 1}, "/");
  if (head.data == NULL) return head;
  return join(arena, head, "", (frz_str){name.data + dot, name.size - dot}, "");
}

static frz_status find_table(static_catalog *catalog, frz_str name, frz_arena *arena,
                             frz_loaded_table *loaded_out, frz_error *err)
{
  frz_error first;
  frz_status st = try_name(catalog, name, arena, loaded_out, &first);
  bool is_relative = name.data[0] != '/' && strstr(name.data, "://") == NULL;
  if (st == FRZ_ERR_NOT_FOUND && is_relative && catalog->warehouse.data != NULL) {
    frz_str warehouse = {catalog->warehouse.data, catalog->warehouse.size_bytes};
    frz_str below = join(arena, warehouse, "/", name, "");
    frz_str dotted = dotted_folder(catalog, name, arena);
    if (below.data == NULL || dotted.data == NULL) return frz_fail_nomem(err, "table folder");
    st = try_name(catalog, below, arena, loaded_out, NULL);
    if (st == FRZ_ERR_NOT_FOUND) st = try_name(catalog, dotted, arena, loaded_out, &first);
  }
  return st == FRZ_OK ? st : frz_fail(err, st, "%s", first.message);
}

static frz_status static_load_table(void *self, const char *identifier, frz_str known_location,
                                    frz_loaded_table *loaded_out, bool *changed_out, frz_error *err)
{
  static_catalog *catalog = self;
  if (identifier[0] == '\0')
    return frz_fail(err, FRZ_ERR_INVALID, "the name of the table's folder is empty");
  frz_loaded_table loaded = {0};
  frz_arena arena;
  frz_arena_init(&arena, catalog->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_status st = find_table(catalog, frz_str_from(identifier), &arena, &loaded, err);
  frz_arena_free(&arena);
  if (st != FRZ_OK) return st;
  frz_str location = {loaded.location.data, loaded.location.size_bytes};
  *changed_out = !frz_str_equal(location, known_location);
  if (*changed_out)
    *loaded_out = loaded;
  else
    frz_loaded_table_dispose(&loaded);
  return FRZ_OK;
}

static frz_status static_commit_table(void *self, const char *identifier,
                                      const frz_loaded_table *base,
                                      const frz_requirement *requirements, size_t n_requirements,
                                      const frz_metadata_update *updates, size_t n_updates,
                                      frz_loaded_table *loaded_out, frz_error *err)
{
  (void)self;
  (void)base;
  (void)requirements;
  (void)n_requirements;
  (void)updates;
  (void)n_updates;
  (void)loaded_out;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "'%s': %s", identifier, read_only);
}

static frz_status static_list(void *self, frz_str name, frz_string_list *list, frz_error *err)
{
  (void)self;
  (void)name;
  (void)list;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                  "a static catalog keeps no list of names: tables are loaded by their folder");
}

static void static_free(void *self)
{
  static_catalog *catalog = self;
  frz_string_dispose(&catalog->warehouse);
  frz_storage_release(catalog->storage);
  frz_alloc_free(catalog->alloc, catalog, sizeof *catalog);
}

frz_status frz_static_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                   void **self_out, frz_error *err)
{
  static const frz_catalog_ops ops = {.version = 1,
                                      .read_only = read_only,
                                      .list_namespaces = static_list,
                                      .list_tables = static_list,
                                      .load_table = static_load_table,
                                      .commit_table = static_commit_table,
                                      .free = static_free};
  const frz_alloc *alloc = frz_context_alloc(setup->context);
  static_catalog *catalog = frz_alloc_zeroed(alloc, sizeof *catalog);
  if (catalog == NULL) return frz_fail_nomem(err, "static catalog");
  catalog->context = setup->context;
  catalog->alloc = alloc;
  catalog->storage = frz_storage_retain(setup->storage);
  frz_str folder = frz_str_from(frz_catalog_property(setup, "warehouse"));
  while (folder.size > 1 && folder.data[folder.size - 1] == '/') folder.size--;
  frz_status st = FRZ_OK;
  if (folder.size != 0) st = frz_string_copy(alloc, folder, &catalog->warehouse, err);
  if (st != FRZ_OK) {
    static_free(catalog);
    return st;
  }
  *ops_out = &ops;
  *self_out = catalog;
  return FRZ_OK;
}
