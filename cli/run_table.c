/*
 * run_table.c - `frazil table`: what tables there are and what they are made of.
 */
#include <inttypes.h>
#include <string.h>

#include "command.h"
#include "text_output.h"

static int list_tables(const session *run)
{
  frz_error err = {0};
  frz_string_list namespaces = {0};
  const char *wanted = run->line->n_arguments > 2 ? run->line->arguments[2] : NULL;
  if (wanted == NULL &&
      frz_catalog_list_namespaces(run->catalog, NULL, &namespaces, &err) != FRZ_OK)
    return report(&err);
  int code = EXIT_FINE;
  size_t n = wanted != NULL ? 1 : namespaces.n_items;
  for (size_t i = 0; code == EXIT_FINE && i < n; i++) {
    frz_string_list tables = {0};
    const char *name = wanted != NULL ? wanted : namespaces.items[i];
    if (frz_catalog_list_tables(run->catalog, name, &tables, &err) != FRZ_OK)
      code = report(&err);
    else
      print_name_list(run, "table", &tables);
    frz_string_list_dispose(&tables);
  }
  frz_string_list_dispose(&namespaces);
  return code;
}

static const char *field_id(const struct ArrowSchema *field, char text_out[16])
{
  text_out[0] = '\0';
  const char *at = field->metadata;
  int32_t n = 0;
  if (at != NULL) memcpy(&n, at, sizeof n);
  if (at != NULL) at += sizeof n;
  for (int32_t i = 0; i < n; i++) {
    int32_t key_size;
    int32_t value_size;
    memcpy(&key_size, at, sizeof key_size);
    const char *key = at + sizeof key_size;
    memcpy(&value_size, key + key_size, sizeof value_size);
    const char *value = key + key_size + sizeof value_size;
    if (key_size == 16 && memcmp(key, "PARQUET:field_id", 16) == 0)
      snprintf(text_out, 16, "%.*s", value_size < 15 ? value_size : 15, value);
    at = value + value_size;
  }
  return text_out;
}

static void print_fields(const session *run, const struct ArrowSchema *schema)
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

static int show_schema(const session *run, frz_table *table)
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

static int show_table(const session *run, frz_table *table)
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
  printf("data       %" PRId64 " rows in %" PRId64 " files, %" PRId64 " bytes\n", n_rows, n_files,
         n_bytes);
  printf("columns\n");
  frz_string_dispose(&location);
  return show_schema(run, table);
}

static int inspect_table(const session *run, frz_table *table, const char *kind)
{
  frz_error err = {0};
  struct ArrowArrayStream stream = {0};
  if (frz_table_inspect(table, kind, &stream, &err) != FRZ_OK) return report(&err);
  return print_stream(run, &stream);
}

static int run_on_table(const session *run, const char *verb, const char *identifier)
{
  frz_error err = {0};
  frz_table *table = NULL;
  if (load_table(run, identifier, &table, &err) != FRZ_OK) return report(&err);
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

static bool is_reading_verb(const char *verb)
{
  static const char *const verbs[] = {"show", "schema", "snapshots", "history",
                                      "refs", "files",  "manifests", "properties"};
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
    if (strcmp(verb, verbs[i]) == 0) return true;
  return false;
}

int run_table(const session *run)
{
  const command_line *line = run->line;
  const char *verb = line->n_arguments > 1 ? line->arguments[1] : "ls";
  const char *identifier = line->n_arguments > 2 ? line->arguments[2] : NULL;
  frz_error err = {0};
  frz_status st;
  if (strcmp(verb, "ls") == 0) return list_tables(run);
  if (!is_reading_verb(verb) && strcmp(verb, "drop") != 0 && strcmp(verb, "rename") != 0)
    return report_usage("unknown command 'table %s'", verb);
  if (identifier == NULL) return report_usage("table %s wants a table", verb);
  if (is_reading_verb(verb)) return run_on_table(run, verb, identifier);
  if (strcmp(verb, "drop") == 0)
    st = frz_catalog_drop_table(run->catalog, identifier, line->purge, &err);
  else {
    if (line->n_arguments != 4) return report_usage("table rename wants a table and its new name");
    st = frz_catalog_rename_table(run->catalog, identifier, line->arguments[3], &err);
  }
  return st == FRZ_OK ? EXIT_FINE : report(&err);
}
