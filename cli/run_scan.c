/*
 * run_scan.c - `frazil scan`: rows of a table.
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

enum { COLUMNS_MAX = 1024 };

/* Cut "a,b,c" into names in place of a copy; returns how many, or -1 for too many. */
static int split_columns(char *list, const char **names)
{
  int n = 0;
  for (char *at = list; at != NULL;) {
    char *comma = strchr(at, ',');
    if (comma != NULL) *comma = '\0';
    if (n == COLUMNS_MAX) return -1;
    names[n++] = at;
    at = comma != NULL ? comma + 1 : NULL;
  }
  return n;
}

int scan_request_check(const command_line *line, int at)
{
  if (line->n_arguments != at + 1)
    return report_usage("%s wants one table", line->arguments[at - 1]);
  if ((line->snapshot_id != 0) + (line->ref != NULL) + (line->as_of_ms != 0) > 1)
    return report_usage("at most one of --snapshot, --ref and --as-of");
  return is_table_name(line->arguments[at]) ? EXIT_FINE : EXIT_USAGE;
}

int check_scan(const command_line *line)
{
  return scan_request_check(line, 1);
}

int with_scan(const invocation *run, int at, int (*use)(const invocation *run, frz_scan *scan))
{
  const command_line *line = run->line;
  frz_scan_options options;
  frz_scan_options_init(&options);
  options.snapshot_id = line->snapshot_id;
  options.ref = line->ref;
  options.as_of_ms = line->as_of_ms;
  options.from_snapshot_id = line->from_snapshot_id;
  options.row_filter = line->filter;
  options.limit_rows = line->limit;
  const char *names[COLUMNS_MAX];
  char *list = NULL;
  if (line->columns != NULL) {
    list = strdup(line->columns);
    int n = list != NULL ? split_columns(list, names) : -1;
    if (n < 0) {
      free(list);
      return report_usage("--columns names more than %d columns", COLUMNS_MAX);
    }
    options.selected_fields = names;
    options.n_selected_fields = (size_t)n;
  }
  frz_error err = {0};
  frz_table *table = NULL;
  frz_scan *scan = NULL;
  int code =
      load_table(run, line->arguments[at], &table, &err) == FRZ_OK ? EXIT_FINE : report_table(&err);
  if (code == EXIT_FINE && frz_table_scan(table, &options, &scan, &err) != FRZ_OK)
    code = report(&err);
  if (code == EXIT_FINE) code = use(run, scan);
  frz_scan_free(scan);
  frz_table_free(table);
  free(list);
  return code;
}

static int print_scan(const invocation *run, frz_scan *scan)
{
  frz_error err = {0};
  struct ArrowArrayStream stream = {0};
  return frz_scan_stream(scan, &stream, &err) == FRZ_OK ? print_stream(run, &stream) : report(&err);
}

int run_scan(const invocation *run)
{
  return with_scan(run, 1, print_scan);
}
