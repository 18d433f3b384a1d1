/*
 * run_materialize.c - `frazil materialize`: the latest row of each key of a table into an online
 * table, in one commit.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "name_pairs.h"
#include "online_settings.h"
#include "pit_request.h"

enum { SOURCE = 1, ONLINE = 2 }; /* the arguments */

/* Pairs of names, and the text that they are cut out of. */
typedef struct pairs {
  frz_join_key *items;
  size_t n;
  char *text;
} pairs;

int check_materialize(const command_line *line)
{
  if (line->n_arguments != 3) return report_usage("materialize wants a table and an online table");
  if (!is_table_name(line->arguments[SOURCE])) return EXIT_USAGE;
  if (is_path(line->arguments[ONLINE]) || strchr(line->arguments[ONLINE], '.') == NULL)
    return report_usage("online table '%s' is not of the form namespace.table",
                        line->arguments[ONLINE]);
  view_options options = pit_request_options(line, ONLINE, ONLINE);
  if ((options.snapshot_id != 0) + (options.ref != NULL) + (options.as_of_ms != 0) > 1)
    return report_usage("at most one of --snapshot, --ref and --as-of");
  if (line->start_us > line->end_us) return report_usage("--start is behind --end");
  return EXIT_FINE;
}

static frz_status no_memory(frz_error *err)
{
  err->code = FRZ_ERR_NOMEM;
  snprintf(err->message, sizeof err->message, "out of memory");
  return err->code;
}

static void pairs_dispose(pairs *list)
{
  free(list->items);
  free(list->text);
}

/* "KEY=COLUMN,..." as it stands; of features, "COLUMN=NAME,...", the other way round. */
static frz_status pairs_read(const char *text, bool column_first, pairs *list, frz_error *err)
{
  *list = (pairs){0};
  if (text == NULL || *text == '\0') return FRZ_OK;
  list->items = calloc(name_pairs_count(text), sizeof *list->items);
  list->text = strdup(text);
  if (list->items == NULL || list->text == NULL) return no_memory(err);
  for (char *at = list->text; at != NULL;) {
    const char *name, *value;
    name_pairs_next(&at, &name, &value);
    if (value == NULL) value = name;
    list->items[list->n++] =
        column_first ? (frz_join_key){value, name} : (frz_join_key){name, value};
  }
  return FRZ_OK;
}

static bool tell(void *ctx, const frz_materialize_progress *progress)
{
  (void)ctx;
  show_progress("materialize: %" PRId64 " of %" PRId64 " rows read, %" PRId64 " keys written",
                progress->rows_read, progress->rows_total, progress->keys_written);
  return true;
}

static frz_status materialize(const invocation *run, const view_options *given, frz_table *source,
                              frz_online *online, frz_online_write_result *result, frz_error *err)
{
  frz_online_materialize_options options;
  frz_scan_options scan;
  pairs keys = {0}, features = {0};
  frz_online_materialize_options_init(&options);
  frz_scan_options_init(&scan);
  scan.snapshot_id = given->snapshot_id;
  scan.ref = given->ref;
  scan.as_of_ms = given->as_of_ms;
  scan.row_filter = given->filter;
  scan.from_snapshot_id = run->line->from_snapshot_id;
  options.scan = &scan;
  options.timestamp_field = given->timestamp != NULL ? given->timestamp : "event_timestamp";
  options.created_timestamp_field = given->created;
  options.start_us = run->line->start_us;
  options.end_us = run->line->end_us;
  options.progress = tell;
  frz_status st = pairs_read(given->on, false, &keys, err);
  if (st == FRZ_OK) st = pairs_read(given->features, true, &features, err);
  options.join_keys = keys.items;
  options.n_join_keys = keys.n;
  options.features = features.items;
  options.n_features = features.n;
  if (st == FRZ_OK) st = frz_online_materialize(online, source, &options, result, err);
  pairs_dispose(&keys);
  pairs_dispose(&features);
  return st;
}

static void print_result(const invocation *run, const frz_online_write_result *result)
{
  if (run->line->json)
    printf("{\"snapshot_id\": %" PRId64 ", \"keys\": %" PRId64 "}\n", result->snapshot_id,
           result->n_rows);
  else if (result->snapshot_id < 0)
    printf("no rows in the window; nothing was written\n");
  else
    printf("%" PRId64 " keys written to %s, snapshot %" PRId64 "\n", result->n_rows,
           run->line->arguments[ONLINE], result->snapshot_id);
}

int run_materialize(const invocation *run)
{
  frz_error err = {0};
  frz_table *source = NULL;
  frz_online *online = NULL;
  frz_online_write_result result;
  const view_options given = pit_request_options(run->line, ONLINE, ONLINE);
  frz_online_options options = online_settings_of(run->line);
  options.lookup = FRZ_LOOKUP_DIRECT; /* nothing is looked up */
  if (load_table(run, run->line->arguments[SOURCE], &source, &err) != FRZ_OK)
    return report_table(&err);
  int code = EXIT_FINE;
  if (frz_online_open(run->catalog, run->line->arguments[ONLINE], &options, &online, &err) !=
      FRZ_OK)
    code = report_table(&err);
  else if (materialize(run, &given, source, online, &result, &err) != FRZ_OK)
    code = report(&err);
  if (code == EXIT_FINE) {
    end_progress();
    print_result(run, &result);
  }
  frz_online_close(online);
  frz_table_free(source);
  return code;
}
