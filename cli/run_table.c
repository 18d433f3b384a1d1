/*
 * run_table.c - `frazil table`: what tables there are and what they are made of.
 */
#include <inttypes.h>
#include <string.h>

#include "options.h"
#include "text_output.h"

enum { NAMESPACE_DEPTH_MAX = 32 };

/* The tables of a namespace and of those under it; NULL: of all. */
static frz_status list_tables_of(const invocation *run, const char *parent, int depth,
                                 frz_error *err)
{
  frz_string_list list = {0};
  frz_status st = FRZ_OK;
  if (parent != NULL) st = frz_catalog_list_tables(run->catalog, parent, &list, err);
  if (st != FRZ_OK) return st;
  print_name_list(run, "table", &list);
  frz_string_list_dispose(&list);
  if (depth == NAMESPACE_DEPTH_MAX) return FRZ_OK;
  st = frz_catalog_list_namespaces(run->catalog, parent, &list, err);
  for (size_t i = 0; st == FRZ_OK && i < list.n_items; i++)
    st = list_tables_of(run, list.items[i], depth + 1, err);
  frz_string_list_dispose(&list);
  return st;
}

static int list_tables(const invocation *run)
{
  frz_error err = {0};
  const char *parent = run->line->n_arguments > 2 ? run->line->arguments[2] : NULL;
  return list_tables_of(run, parent, 0, &err) == FRZ_OK ? EXIT_FINE : report(&err);
}

static const char *field_id(const struct ArrowSchema *field, char text_out[16])
{
  const char *value;
  int32_t size = 0;
  if (!arrow_metadata_find(field, "PARQUET:field_id", &value, &size)) value = "";
  snprintf(text_out, 16, "%.*s", size < 15 ? size : 15, value);
  return text_out;
}

static void print_fields(const invocation *run, const struct ArrowSchema *schema)
{
  for (int64_t i = 0; i < schema->n_children; i++) {
    const struct ArrowSchema *field = schema->children[i];
    bool required = (field->flags & ARROW_FLAG_NULLABLE) == 0;
    char id[16];
    text type = {0};
    text line = {0};
    text_append_type(&type, field);
    field_id(field, id);
    if (run->line->json) {
      text_print(&line, "{\"id\": %s, \"name\": ", id[0] != '\0' ? id : "null");
      text_append_json_string(&line, field->name, strlen(field->name));
      text_append(&line, ", \"type\": ", 10);
      text_append_json_string(&line, type.data, type.size);
      text_print(&line, ", \"required\": %s}", required ? "true" : "false");
    } else
      text_print(&line, "%4s  %-30s  %.*s%s", id, field->name, (int)type.size, type.data,
                 required ? " required" : "");
    printf("%.*s\n", (int)line.size, line.data);
    text_free(&type);
    text_free(&line);
  }
}

static int show_schema(const invocation *run, frz_table *table)
{
  frz_error err = {0};
  struct ArrowSchema schema;
  if (frz_table_arrow_schema(table, &schema, &err) != FRZ_OK) return report(&err);
  print_fields(run, &schema);
  schema.release(&schema);
  return EXIT_FINE;
}

/* Sums two columns of the planned files: what a reader would touch. */
static frz_status count_files(frz_table *table, int64_t *n_files, int64_t *n_rows, int64_t *n_bytes,
                              frz_error *err)
{
  frz_scan *scan = NULL;
  struct ArrowArrayStream files = {0};
  frz_status st = frz_table_scan(table, NULL, &scan, err);
  if (st == FRZ_OK) st = frz_scan_plan_files(scan, &files, err);
  frz_scan_free(scan);
  if (st != FRZ_OK) return st;
  for (;;) {
    struct ArrowArray batch = {0};
    if (files.get_next(&files, &batch) != 0) {
      st = FRZ_ERR_IO;
      err->code = st;
      snprintf(err->message, sizeof err->message, "%s", files.get_last_error(&files));
      break;
    }
    if (batch.release == NULL) break;
    *n_files += batch.length;
    const int64_t *rows = batch.children[2]->buffers[1];
    const int64_t *bytes = batch.children[3]->buffers[1];
    for (int64_t i = 0; i < batch.length; i++) {
      *n_rows += rows[i];
      *n_bytes += bytes[i];
    }
    batch.release(&batch);
  }
  files.release(&files);
  return st;
}

static int show_table(const invocation *run, frz_table *table)
{
  frz_error err = {0};
  frz_string location = {0};
  int64_t n_files = 0;
  int64_t n_rows = 0;
  int64_t n_bytes = 0;
  if (run->line->json) {
    frz_string json = {0};
    if (frz_table_metadata_json(table, &json, &err) != FRZ_OK) return report(&err);
    printf("%s\n", json.data);
    frz_string_dispose(&json);
    return EXIT_FINE;
  }
  if (frz_table_metadata_location(table, &location, &err) != FRZ_OK ||
      count_files(table, &n_files, &n_rows, &n_bytes, &err) != FRZ_OK) {
    frz_string_dispose(&location);
    return report(&err);
  }
  printf("table      %s\n", frz_table_identifier(table));
  printf("metadata   %s\n", location.data);
  if (frz_table_current_snapshot_id(table) >= 0)
    printf("snapshot   %" PRId64 "\n", frz_table_current_snapshot_id(table));
  else
    printf("snapshot   none: the table is empty\n");
  printf("data       %" PRId64 " rows in %" PRId64 " file%s, %" PRId64 " bytes\n", n_rows, n_files,
         n_files == 1 ? "" : "s", n_bytes);
  printf("columns\n");
  frz_string_dispose(&location);
  return show_schema(run, table);
}

static int inspect_table(const invocation *run, frz_table *table, const char *kind)
{
  frz_error err = {0};
  struct ArrowArrayStream stream = {0};
  if (frz_table_inspect(table, kind, run->line->snapshot_id, &stream, &err) != FRZ_OK)
    return report(&err);
  return print_stream(run, &stream);
}

static int run_on_table(const invocation *run, const char *verb, const char *identifier)
{
  frz_error err = {0};
  frz_table *table = NULL;
  if (load_table(run, identifier, &table, &err) != FRZ_OK) return report_table(&err);
  int code;
  if (strcmp(verb, "show") == 0)
    code = show_table(run, table);
  else if (strcmp(verb, "schema") == 0)
    code = show_schema(run, table);
  else
    code = inspect_table(run, table, verb);
  frz_table_free(table);
  return code;
}

typedef enum verb_kind {
  VERB_LIST,
  VERB_SHOW,    /* prints in its own form */
  VERB_INSPECT, /* prints rows */
  VERB_DROP,
  VERB_RENAME
} verb_kind;

typedef struct verb_info {
  const char *name;
  verb_kind kind;
} verb_info;

static const verb_info verbs[] = {{"ls", VERB_LIST},
                                  {"show", VERB_SHOW},
                                  {"schema", VERB_SHOW},
                                  {"snapshots", VERB_INSPECT},
                                  {"history", VERB_INSPECT},
                                  {"refs", VERB_INSPECT},
                                  {"files", VERB_INSPECT},
                                  {"manifests", VERB_INSPECT},
                                  {"properties", VERB_INSPECT},
                                  {"metadata_log_entries", VERB_INSPECT},
                                  {"statistics", VERB_INSPECT},
                                  {"entries", VERB_INSPECT},
                                  {"data_files", VERB_INSPECT},
                                  {"delete_files", VERB_INSPECT},
                                  {"partitions", VERB_INSPECT},
                                  {"all_manifests", VERB_INSPECT},
                                  {"all_entries", VERB_INSPECT},
                                  {"all_files", VERB_INSPECT},
                                  {"all_data_files", VERB_INSPECT},
                                  {"all_delete_files", VERB_INSPECT},
                                  {"drop", VERB_DROP},
                                  {"rename", VERB_RENAME}};

static const verb_info *find_verb(const char *name)
{
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
    if (strcmp(name, verbs[i].name) == 0) return &verbs[i];
  return NULL;
}

/* The metadata tables with commas between, in lines of a help text or in one. */
static const char *list_metadata_tables(const char *between, char *names, size_t size)
{
  size_t at = 0;
  int n = 0;
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0] && at < size; i++) {
    if (verbs[i].kind != VERB_INSPECT) continue;
    at += (size_t)snprintf(names + at, size - at, "%s%s%s", n == 0 ? "" : ",",
                           n == 0       ? ""
                           : n % 6 == 0 ? between
                                        : " ",
                           verbs[i].name);
    n++;
  }
  return names;
}

void print_metadata_tables(FILE *file)
{
  char names[500];
  fprintf(file, "\nMETADATA is one of\n  %s\n", list_metadata_tables("\n  ", names, sizeof names));
}

static int check_words(const command_line *line, const verb_info *verb)
{
  int n_wanted = verb->kind == VERB_RENAME ? 4 : 3;
  if (line->n_arguments > n_wanted)
    return report_usage("table %s: '%s' is one word too many", verb->name,
                        line->arguments[n_wanted]);
  if (line->purge && verb->kind != VERB_DROP)
    return report_usage("table %s takes no '--purge'", verb->name);
  if ((line->has_format || line->output != NULL) && verb->kind != VERB_INSPECT)
    return report_usage("table %s takes no '--format' or '--output', only '--json'", verb->name);
  if (line->snapshot_id != 0 && verb->kind != VERB_INSPECT)
    return report_usage("table %s takes no '--snapshot'", verb->name);
  if (verb->kind == VERB_LIST) return EXIT_FINE;
  if (line->n_arguments < n_wanted)
    return report_usage(n_wanted == 4 ? "table %s wants a table and its new name"
                                      : "table %s wants a table",
                        verb->name);
  bool named =
      is_table_name(line->arguments[2]) && (n_wanted < 4 || is_table_name(line->arguments[3]));
  if (!named) return EXIT_USAGE;
  bool is_change = verb->kind == VERB_DROP || verb->kind == VERB_RENAME;
  if (is_change && (is_path(line->arguments[2]) || is_path(line->arguments[n_wanted - 1])))
    return report_usage("table %s wants namespace.table: a path names no table of the catalog",
                        verb->name);
  return EXIT_FINE;
}

int check_table(const command_line *line)
{
  const char *name = line->n_arguments > 1 ? line->arguments[1] : "ls";
  const verb_info *verb = find_verb(name);
  if (verb != NULL) return check_words(line, verb);
  char names[500];
  return report_usage("table '%s' is none of ls, show, schema, drop, rename, %s", name,
                      list_metadata_tables(" ", names, sizeof names));
}

int run_table(const invocation *run)
{
  const command_line *line = run->line;
  const char *name = line->n_arguments > 1 ? line->arguments[1] : "ls";
  const verb_info *verb = find_verb(name);
  frz_error err = {0};
  frz_status st = FRZ_OK;
  switch (verb->kind) {
  case VERB_LIST: return list_tables(run);
  case VERB_SHOW:
  case VERB_INSPECT: return run_on_table(run, name, line->arguments[2]);
  case VERB_DROP:
    st = frz_catalog_drop_table(run->catalog, line->arguments[2], line->purge, &err);
    break;
  case VERB_RENAME:
    st = frz_catalog_rename_table(run->catalog, line->arguments[2], line->arguments[3], &err);
    break;
  }
  return st == FRZ_OK ? EXIT_FINE : report_table(&err);
}
