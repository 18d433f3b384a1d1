/*
 * run_explain.c - `frazil explain`: what a scan or a join reads, and why the rest is left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "input_file.h"
#include "options.h"
#include "pit_request.h"
#include "text_output.h"

enum { TABLE = 2, ENTITIES = 2 }; /* arguments */

static bool explains_join(const command_line *line)
{
  return strcmp(line->arguments[1], "pit") == 0;
}

int check_explain(const command_line *line)
{
  const char *what = line->n_arguments > 1 ? line->arguments[1] : "";
  bool is_join = strcmp(what, "pit") == 0;
  if (!is_join && strcmp(what, "scan") != 0)
    return report_usage("explain wants 'scan TABLE' or 'pit ENTITIES TABLE...'");
  if (!takes_options(is_join ? "explain pit" : "explain scan",
                     (is_join ? FOR_PIT : FOR_SCAN) | FOR_EXPLAINED, line))
    return EXIT_USAGE;
  return is_join ? pit_request_check(line, ENTITIES) : scan_request_check(line, TABLE);
}

/* ---- reports as text ---- */

typedef struct report_field {
  const char *name;
  int64_t value;
} report_field;

static void print_json_report(const frz_read_report *report)
{
#define FIELD(name) {#name, report->name},
  const report_field fields[] = {FRZ_READ_REPORT_COUNTS(FIELD)};
#undef FIELD
  putchar('{');
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
    printf("%s\"%s\": %" PRId64, i != 0 ? ", " : "", fields[i].name, fields[i].value);
  putchar('}');
}

static void print_plan(const frz_read_report *r)
{
  printf("  manifests   %" PRId64 " of %" PRId64 " read; left out: %" PRId64 " by partition\n",
         r->manifests_read, r->manifests_total, r->manifests_total - r->manifests_read);
  printf("  files       %" PRId64 " of %" PRId64 " planned; left out: %" PRId64
         " by partition, %" PRId64 " by bounds\n",
         r->files_planned, r->files_total, r->files_pruned_by_partition, r->files_pruned_by_bounds);
  printf("              %" PRId64 " rows, %" PRId64 " bytes, %" PRId64 " with deletes\n",
         r->rows_planned, r->bytes_planned, r->files_with_deletes);
}

static void print_inside(const frz_read_report *r)
{
  int64_t left_out = r->row_groups_pruned_by_statistics + r->row_groups_pruned_by_bloom;
  printf("  row groups  %" PRId64 " of %" PRId64 " in %" PRId64 " opened files; left out: %" PRId64
         " by statistics, %" PRId64 " by bloom filter\n",
         r->row_groups_total - left_out, r->row_groups_total, r->files_opened,
         r->row_groups_pruned_by_statistics, r->row_groups_pruned_by_bloom);
  if (r->pages_total != 0)
    printf("  pages       %" PRId64 " of %" PRId64 " told apart by the column index\n",
           r->pages_total - r->pages_pruned, r->pages_total);
  printf("  to read     %" PRId64 " rows", r->rows_wanted);
  if (r->bytes_wanted != 0) printf(", %" PRId64 " bytes of columns", r->bytes_wanted);
  putchar('\n');
}

static void print_done(const frz_read_report *r)
{
  printf("  read        %" PRId64 " rows, %" PRId64 " deleted, %" PRId64 " matched; %" PRId64
         " requests, %" PRId64 " bytes\n",
         r->rows_read, r->rows_deleted, r->rows_matched, r->requests, r->bytes_read);
  if (r->server_requests != 0 || r->cached_bytes != 0)
    printf("  from store  %" PRId64 " requests, %" PRId64 " bytes; %" PRId64
           " bytes from the cache of files\n",
           r->server_requests, r->server_bytes, r->cached_bytes);
}

/* ---- a scan ---- */

/* Read a stream to its end, and end it. */
static int drain(struct ArrowArrayStream *stream)
{
  int failed = 0;
  for (bool more = true; failed == 0 && more;) {
    struct ArrowArray batch = {0};
    failed = stream->get_next(stream, &batch);
    more = failed == 0 && batch.release != NULL;
    if (more) batch.release(&batch);
  }
  int code = failed == 0 ? EXIT_FINE : report_stream(stream, failed);
  stream->release(stream);
  return code;
}

static int explain_scan(const invocation *run, frz_scan *scan)
{
  frz_error err = {0};
  frz_read_report read;
  struct ArrowArrayStream stream = {0};
  bool runs = run->line->run;
  frz_status st = runs ? frz_scan_stream(scan, &stream, &err) : frz_scan_explain(scan, &read, &err);
  if (st != FRZ_OK) return report(&err);
  int code = runs ? drain(&stream) : EXIT_FINE;
  if (code == EXIT_FINE && runs && frz_scan_report(scan, &read, &err) != FRZ_OK)
    code = report(&err);
  if (code != EXIT_FINE) return code;
  if (run->line->json) {
    print_json_report(&read);
    putchar('\n');
    return EXIT_FINE;
  }
  printf("scan of %s\n", run->line->arguments[TABLE]);
  print_plan(&read);
  print_inside(&read);
  if (runs) print_done(&read);
  return EXIT_FINE;
}

/* ---- a join ---- */

static void print_json_view(const char *name, const frz_pit_report *view)
{
  text quoted = {0};
  text_append_json_string(&quoted, name, strlen(name));
  printf("{\"view\": %.*s, \"entity_rows\": %" PRId64 ", \"entity_rows_won\": %" PRId64
         ", \"slices\": %" PRId64 ", \"windows\": %" PRId64 ", \"spilled_bytes\": %" PRId64
         ", \"rows_swept\": %" PRId64 ", \"rows_filled\": %" PRId64 ", \"search\": ",
         (int)quoted.size, quoted.data, view->entity_rows, view->entity_rows_won, view->slices,
         view->windows, view->spilled_bytes, view->rows_swept, view->rows_filled);
  print_json_report(&view->search);
  fputs(", \"fetch\": ", stdout);
  print_json_report(&view->fetch);
  puts("}");
  text_free(&quoted);
}

static void print_view(const char *name, const frz_pit_report *view, bool runs)
{
  printf("join with %s\n", name);
  printf("  entities    %" PRId64 " rows in %" PRId64 " slice%s and %" PRId64 " window%s, %" PRId64
         " bytes spilled\n",
         view->entity_rows, view->slices, view->slices == 1 ? "" : "s", view->windows,
         view->windows == 1 ? "" : "s", view->spilled_bytes);
  puts(" search, by keys and times");
  print_plan(&view->search);
  print_inside(&view->search);
  if (!runs) return;
  print_done(&view->search);
  printf("  competed    %" PRId64 " rows swept in the order of time, %" PRId64
         " by search of their slot\n",
         view->rows_swept, view->rows_filled);
  printf("  found       %" PRId64 " entity rows have a winner\n", view->entity_rows_won);
  puts(" fetch, of the winners' features by position");
  print_inside(&view->fetch);
  print_done(&view->fetch);
}

static int explain_views(const invocation *run, pit_request *request, frz_pit_report *reports)
{
  frz_error err = {0};
  struct ArrowArrayStream entities = {0};
  struct ArrowArrayStream stream = {0};
  bool runs = run->line->run;
  request->options.reports = reports;
  frz_status st = open_rows(run, run->line->arguments[ENTITIES], NULL, &entities, &err);
  if (st == FRZ_OK && runs)
    st = frz_pit_join(run->context, &entities, request->views, request->n_views, &request->options,
                      &stream, &err);
  else if (st == FRZ_OK)
    st = frz_pit_explain(run->context, &entities, request->views, request->n_views,
                         &request->options, reports, &err);
  int code = st == FRZ_OK ? EXIT_FINE : report(&err);
  if (code == EXIT_FINE && runs) code = drain(&stream);
  for (size_t v = 0; code == EXIT_FINE && v < request->n_views; v++) {
    if (run->line->json)
      print_json_view(request->views[v].name, &reports[v]);
    else
      print_view(request->views[v].name, &reports[v], runs);
  }
  return code;
}

static int explain_join(const invocation *run)
{
  pit_request request;
  frz_error err = {0};
  frz_status st = pit_request_open(run, ENTITIES, &request, &err);
  int code = st == FRZ_OK ? EXIT_FINE : report_table(&err);
  frz_pit_report *reports = calloc(request.n_views + 1, sizeof *reports);
  if (code == EXIT_FINE && reports == NULL) {
    fprintf(stderr, "frazil: %s\n", strerror(ENOMEM));
    code = EXIT_FAILED;
  }
  if (code == EXIT_FINE) code = explain_views(run, &request, reports);
  free(reports);
  pit_request_dispose(&request);
  return code;
}

int run_explain(const invocation *run)
{
  return explains_join(run->line) ? explain_join(run) : with_scan(run, TABLE, explain_scan);
}
