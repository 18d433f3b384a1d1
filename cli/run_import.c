/*
 * run_import.c - `frazil import`: a Parquet or CSV file into a table.
 *
 * The rows arrive in one commit, or none do: a table and a namespace that this import made go away
 * again when the rows do not arrive.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "input_file.h"

/* What an import made before the rows. */
typedef struct made_things {
  bool table;
  char namespace_name[512]; /* empty: it was there */
} made_things;

static frz_status create_namespace(const invocation *run, const char *identifier, made_things *made,
                                   frz_error *err)
{
  char name[sizeof made->namespace_name];
  const char *dot = strrchr(identifier, '.');
  if ((size_t)(dot - identifier) >= sizeof name) {
    err->code = FRZ_ERR_LIMIT;
    snprintf(err->message, sizeof err->message, "table '%.100s...': the namespace is too long",
             identifier);
    return err->code;
  }
  snprintf(name, sizeof name, "%.*s", (int)(dot - identifier), identifier);
  frz_status st = frz_catalog_create_namespace(run->catalog, name, NULL, 0, err);
  if (st == FRZ_OK) memcpy(made->namespace_name, name, sizeof name);
  return st == FRZ_ERR_EXISTS ? FRZ_OK : st;
}

/* Make the table with the stream's schema, and its namespace where that is missing too. */
static frz_status create_table(const invocation *run, const char *identifier,
                               struct ArrowArrayStream *stream, made_things *made,
                               frz_table **table_out, frz_error *err)
{
  frz_status st = create_namespace(run, identifier, made, err);
  if (st != FRZ_OK) return st;
  struct ArrowSchema schema = {0};
  if (stream->get_schema(stream, &schema) != 0) {
    const char *message = stream->get_last_error(stream);
    err->code = FRZ_ERR_IO;
    snprintf(err->message, sizeof err->message, "%s", message != NULL ? message : "out of memory");
    return FRZ_ERR_IO;
  }
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  options.partition_spec = run->line->partition;
  st = frz_catalog_create_table(run->catalog, identifier, &schema, &options, table_out, err);
  made->table = st == FRZ_OK;
  schema.release(&schema);
  return st;
}

/* Take back what was made, unless somebody else has put rows into it. What cannot be taken back is
 * an empty table, which the next import fills. */
static void undo(const invocation *run, const char *identifier, frz_table *table,
                 const made_things *made)
{
  frz_error ignored;
  bool changed;
  frz_status st = FRZ_OK;
  frz_context_resume(run->context);
  if (made->table) {
    st = frz_table_refresh(table, &changed, &ignored);
    if (st == FRZ_OK && frz_table_current_snapshot_id(table) >= 0) return;
    if (st == FRZ_OK) st = frz_catalog_drop_table(run->catalog, identifier, true, &ignored);
  }
  if (st == FRZ_OK && made->namespace_name[0] != '\0')
    st = frz_catalog_drop_namespace(run->catalog, made->namespace_name, &ignored);
  (void)st;
}

static frz_status write_rows(const invocation *run, frz_table *table,
                             struct ArrowArrayStream *stream, frz_write_result *result_out,
                             frz_error *err)
{
  frz_status st = count_rows(stream, "rows read", err);
  if (st != FRZ_OK) return st;
  frz_write_options options;
  frz_write_options_init(&options);
  options.branch = run->line->branch;
  return run->line->replace ? frz_table_overwrite(table, stream, NULL, &options, result_out, err)
                            : frz_table_append(table, stream, &options, result_out, err);
}

static void print_result(const invocation *run, const char *path, const frz_write_result *result)
{
  end_progress();
  if (run->line->json) {
    printf("{\"rows\": %" PRId64 ", \"files\": %" PRId64 ", \"snapshot_id\": ",
           result->n_rows_added, result->n_files_added);
    if (result->snapshot_id < 0)
      printf("null}\n");
    else
      printf("%" PRId64 "}\n", result->snapshot_id);
    return;
  }
  printf("%" PRId64 " row%s of %s in %" PRId64 " file%s", result->n_rows_added,
         result->n_rows_added == 1 ? "" : "s", path, result->n_files_added,
         result->n_files_added == 1 ? "" : "s");
  if (result->snapshot_id < 0)
    printf(", no snapshot: there was nothing to do\n");
  else
    printf(", snapshot %" PRId64 "\n", result->snapshot_id);
}

/* Everything but the words; `table` and `made` tell what to end and to undo. */
static frz_status import_file(const invocation *run, const char *path, const char *identifier,
                              frz_table **table, made_things *made, frz_write_result *result_out,
                              frz_error *err)
{
  struct ArrowArrayStream stream = {0};
  frz_status st = load_table(run, identifier, table, err);
  bool is_new = st == FRZ_ERR_NOT_FOUND;
  frz_error not_found = *err;
  if (st == FRZ_OK && run->line->partition != NULL) {
    err->code = FRZ_ERR_EXISTS;
    snprintf(err->message, sizeof err->message,
             "table '%.500s' is there already; --partition is for a new table", identifier);
    return err->code;
  }
  if (st == FRZ_OK || is_new) st = open_rows(run, path, *table, &stream, err);
  if (st == FRZ_OK && is_new) st = create_table(run, identifier, &stream, made, table, err);
  if (st == FRZ_ERR_EXISTS) *err = not_found; /* in the catalog, but its metadata is missing */
  if (st == FRZ_OK) return write_rows(run, *table, &stream, result_out, err);
  if (stream.release != NULL) stream.release(&stream);
  return st;
}

int check_import(const command_line *line)
{
  if (line->n_arguments != 3) return report_usage("import wants a file and a table");
  const char *identifier = line->arguments[2];
  if (is_path(identifier))
    return report_usage("import wants namespace.table, not the path '%s'", identifier);
  return is_table_name(identifier) ? EXIT_FINE : EXIT_USAGE;
}

int run_import(const invocation *run)
{
  const char *path = run->line->arguments[1];
  const char *identifier = run->line->arguments[2];
  frz_error err = {0};
  frz_table *table = NULL;
  made_things made = {0};
  frz_write_result result = {0};
  frz_status st = import_file(run, path, identifier, &table, &made, &result, &err);
  if (st == FRZ_OK)
    print_result(run, path, &result);
  else if (st != FRZ_ERR_COMMIT_UNKNOWN)
    undo(run, identifier, table, &made);
  frz_table_free(table);
  return st == FRZ_OK ? EXIT_FINE : report(&err);
}
