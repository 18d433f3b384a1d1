/*
 * run_maintain.c - `frazil compact`, `rewrite-manifests`, `expire`, `orphans` and `verify`.
 *
 * What a command did is one line for people, or one JSON object; orphans and findings are rows, and
 * a summary of them goes to stderr so that the rows can be piped.
 */
#include <inttypes.h>
#include <string.h>

#include "command.h"

int check_maintain(const command_line *line)
{
  if (line->n_arguments != 2) return report_usage("%s wants one table", line->arguments[0]);
  if (line->retain_last > INT32_MAX) return report_usage("--retain is too large");
  return is_table_name(line->arguments[1]) ? EXIT_FINE : EXIT_USAGE;
}

static void tell(void *ctx, int64_t n_done, int64_t n_total)
{
  show_progress("%s: %" PRId64 " of %" PRId64 " files", (const char *)ctx, n_done, n_total);
}

/* Load the table and work on it. */
static int on_table(const invocation *run, int (*work)(const invocation *run, frz_table *table))
{
  frz_error err = {0};
  frz_table *table = NULL;
  if (load_table(run, run->line->arguments[1], &table, &err) != FRZ_OK) return report_table(&err);
  int code = work(run, table);
  frz_table_free(table);
  return code;
}

typedef struct number {
  const char *name;
  int64_t value;
} number;

static void print_json(const number *numbers, size_t n_numbers)
{
  for (size_t i = 0; i < n_numbers; i++) {
    printf("%s\"%s\": ", i == 0 ? "{" : ", ", numbers[i].name);
    if (numbers[i].value < 0) /* there was nothing to do, and so no snapshot */
      printf("null");
    else
      printf("%" PRId64, numbers[i].value);
  }
  printf("}\n");
}

/* ---- compact ---- */

static int compact(const invocation *run, frz_table *table)
{
  const command_line *line = run->line;
  frz_error err = {0};
  frz_compact_options options;
  frz_compact_result r;
  frz_compact_options_init(&options);
  options.row_filter = line->filter;
  options.target_file_bytes = line->target_bytes;
  options.min_input_files = line->min_files;
  options.sort_order = line->sort;
  options.rewrite_all = line->rewrite_all;
  options.progress = tell;
  options.progress_ctx = "compact";
  if (frz_table_compact(table, &options, &r, &err) != FRZ_OK) return report(&err);
  end_progress();
  const number numbers[] = {{"snapshot_id", r.snapshot_id},
                            {"files_before", r.n_files_before},
                            {"files_after", r.n_files_after},
                            {"bytes_before", r.n_bytes_before},
                            {"bytes_after", r.n_bytes_after},
                            {"rows", r.n_rows},
                            {"delete_files_removed", r.n_delete_files_removed}};
  if (line->json)
    print_json(numbers, sizeof numbers / sizeof numbers[0]);
  else if (r.snapshot_id == -1)
    printf("nothing to compact\n");
  else
    printf("%" PRId64 " files, %" PRId64 " bytes, became %" PRId64 ", %" PRId64 " bytes; %" PRId64
           " rows, %" PRId64 " delete files removed\n",
           r.n_files_before, r.n_bytes_before, r.n_files_after, r.n_bytes_after, r.n_rows,
           r.n_delete_files_removed);
  return EXIT_FINE;
}

int run_compact(const invocation *run)
{
  return on_table(run, compact);
}

/* ---- manifests ---- */

static int rewrite_manifests(const invocation *run, frz_table *table)
{
  frz_error err = {0};
  frz_manifests_result r;
  if (frz_table_rewrite_manifests(table, &r, &err) != FRZ_OK) return report(&err);
  const number numbers[] = {{"snapshot_id", r.snapshot_id},
                            {"manifests_before", r.n_manifests_before},
                            {"manifests_after", r.n_manifests_after}};
  if (run->line->json)
    print_json(numbers, sizeof numbers / sizeof numbers[0]);
  else if (r.snapshot_id == -1)
    printf("nothing to rewrite\n");
  else
    printf("%" PRId64 " manifests became %" PRId64 "\n", r.n_manifests_before, r.n_manifests_after);
  return EXIT_FINE;
}

int run_manifests(const invocation *run)
{
  return on_table(run, rewrite_manifests);
}

/* ---- expire ---- */

static int expire(const invocation *run, frz_table *table)
{
  const command_line *line = run->line;
  frz_error err = {0};
  frz_expire_options options;
  frz_expire_result r;
  frz_expire_options_init(&options);
  options.older_than_ms = line->older_than_ms;
  options.retain_last = (int32_t)line->retain_last;
  options.dry_run = line->dry_run;
  options.keep_files = line->keep_files;
  options.progress = tell;
  options.progress_ctx = "expire";
  if (frz_table_expire_snapshots(table, &options, &r, &err) != FRZ_OK) return report(&err);
  end_progress();
  const number numbers[] = {{"snapshots", r.n_snapshots},
                            {"refs", r.n_refs},
                            {"data_files", r.n_data_files},
                            {"delete_files", r.n_delete_files},
                            {"manifests", r.n_manifests},
                            {"manifest_lists", r.n_manifest_lists},
                            {"statistics_files", r.n_statistics_files}};
  if (line->json)
    print_json(numbers, sizeof numbers / sizeof numbers[0]);
  else
    printf("%s%" PRId64 " snapshots, %" PRId64 " branches and tags; %" PRId64
           " data files, %" PRId64 " delete files, %" PRId64 " manifests, %" PRId64
           " manifest lists, %" PRId64 " statistics files\n",
           line->dry_run ? "would expire " : "expired ", r.n_snapshots, r.n_refs, r.n_data_files,
           r.n_delete_files, r.n_manifests, r.n_manifest_lists, r.n_statistics_files);
  return EXIT_FINE;
}

int run_expire(const invocation *run)
{
  return on_table(run, expire);
}

/* ---- orphans ---- */

static int find_orphans(const invocation *run, frz_table *table)
{
  const command_line *line = run->line;
  frz_error err = {0};
  frz_orphan_options options;
  struct ArrowArrayStream stream = {0};
  frz_orphan_options_init(&options);
  options.older_than_ms = line->older_than_ms;
  options.remove = line->remove;
  options.allow_recent = line->recent;
  options.progress = tell;
  options.progress_ctx = "orphans";
  if (frz_table_remove_orphans(table, &options, &stream, &err) != FRZ_OK) {
    if (strstr(err.message, "less than a day ago") != NULL)
      add_hint(&err, "on the command line that is --recent");
    return report(&err);
  }
  end_progress();
  return print_stream(run, &stream);
}

int run_orphans(const invocation *run)
{
  return on_table(run, find_orphans);
}

/* ---- verify ---- */

static int verify(const invocation *run, frz_table *table)
{
  const command_line *line = run->line;
  frz_error err = {0};
  frz_verify_options options;
  frz_verify_result r;
  struct ArrowArrayStream stream = {0};
  frz_verify_options_init(&options);
  options.all_snapshots = line->all_snapshots;
  options.read_data = line->read_data;
  options.progress = tell;
  options.progress_ctx = "verify";
  if (frz_table_verify(table, &options, &stream, &r, &err) != FRZ_OK) return report(&err);
  end_progress();
  int code = EXIT_FINE;
  if (r.n_errors + r.n_warnings != 0)
    code = print_stream(run, &stream);
  else
    stream.release(&stream);
  fprintf(stderr,
          "%" PRId64 " snapshots, %" PRId64 " manifests, %" PRId64 " files: %" PRId64
          " errors, %" PRId64 " warnings\n",
          r.n_snapshots, r.n_manifests, r.n_files, r.n_errors, r.n_warnings);
  return code == EXIT_FINE && r.n_errors != 0 ? EXIT_FAILED : code;
}

int run_verify(const invocation *run)
{
  return on_table(run, verify);
}
