/*
 * run_pit.c - `frazil pit`: a file of entity rows joined with tables, point-in-time-correctly.
 */
#include <inttypes.h>

#include "command.h"
#include "input_file.h"
#include "pit_request.h"

enum { ENTITIES = 1 }; /* the argument that names the file */

int check_pit(const command_line *line)
{
  return pit_request_check(line, ENTITIES);
}

static bool show_join(void *ctx, const frz_pit_progress *progress)
{
  (void)ctx;
  if (progress->files_total == 0)
    show_progress("%" PRId64 " entity rows read", progress->n_entity_rows);
  else
    show_progress("table %zu of %zu: %" PRId64 " of %" PRId64 " files, %" PRId64 "%% of the rows",
                  progress->view + 1, progress->n_views, progress->files_done,
                  progress->files_total,
                  progress->rows_total != 0 ? progress->rows_done * 100 / progress->rows_total
                                            : INT64_C(100));
  return true;
}

static frz_status join(const invocation *run, pit_request *request,
                       struct ArrowArrayStream *stream_out, frz_error *err)
{
  request->options.progress = show_join;
  struct ArrowArrayStream entities = {0};
  frz_status st = open_rows(run, run->line->arguments[ENTITIES], NULL, &entities, err);
  if (st == FRZ_OK)
    st = frz_pit_join(run->context, &entities, request->views, request->n_views, &request->options,
                      stream_out, err);
  if (st == FRZ_OK && run->line->output != NULL) st = count_rows(stream_out, "rows joined", err);
  return st;
}

int run_pit(const invocation *run)
{
  pit_request request;
  frz_error err = {0};
  frz_status st = pit_request_open(run, ENTITIES, &request, &err);
  int code = st == FRZ_OK ? EXIT_FINE : report_table(&err);
  struct ArrowArrayStream stream = {0};
  if (code == EXIT_FINE && join(run, &request, &stream, &err) != FRZ_OK) code = report(&err);
  pit_request_dispose(&request);
  return code == EXIT_FINE ? print_stream(run, &stream) : code;
}
