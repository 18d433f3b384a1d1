/*
 * run_online.c - `frazil online`: numbers and upkeep of an online table.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "online_settings.h"

int check_online_settings(const command_line *line)
{
  const char *lookup = line->serve.lookup;
  if (lookup != NULL && strcmp(lookup, "index") != 0 && strcmp(lookup, "direct") != 0)
    return report_usage("--lookup '%s' is not index or direct", lookup);
  return EXIT_FINE;
}

frz_online_options online_settings_of(const command_line *line)
{
  const serve_settings *given = &line->serve;
  frz_online_options options;
  frz_online_options_init(&options);
  if (given->lookup != NULL && strcmp(given->lookup, "direct") == 0)
    options.lookup = FRZ_LOOKUP_DIRECT;
  options.cache_dir = given->cache_dir;
  if (given->max_staleness_ms >= 0) options.max_staleness_ms = given->max_staleness_ms;
  if (given->read_timeout_ms >= 0) options.read_timeout_ms = given->read_timeout_ms;
  if (given->key_ttl_seconds > 0) options.key_ttl_us = given->key_ttl_seconds * 1000000;
  return options;
}

int check_online(const command_line *line)
{
  const char *verb = line->n_arguments > 1 ? line->arguments[1] : NULL;
  if (verb == NULL || (strcmp(verb, "stats") != 0 && strcmp(verb, "compact") != 0))
    return report_usage("online wants stats or compact, and a table");
  if (line->n_arguments != 3) return report_usage("online %s wants one table", verb);
  if (strchr(line->arguments[2], '/') != NULL || strchr(line->arguments[2], '.') == NULL)
    return report_usage("online table '%s' is not of the form namespace.table", line->arguments[2]);
  if (line->serve.all && strcmp(verb, "compact") != 0)
    return report_usage("online %s takes no '--all'", verb);
  return check_online_settings(line);
}

/* ---- stats ---- */

/* Of this process, from the kernel; -1: it does not tell. */
static int64_t resident_bytes(void)
{
  long long pages = -1;
  long long total;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return -1;
  if (fscanf(file, "%lld %lld", &total, &pages) != 2) pages = -1;
  fclose(file);
  return pages < 0 ? -1 : (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void print_stats(const invocation *run, const frz_online_info *info,
                        const frz_online_stats *stats)
{
  int64_t n_bytes = stats->n_file_bytes + stats->n_memory_bytes;
  double bytes_per_key = stats->n_keys > 0 ? (double)n_bytes / (double)stats->n_keys : 0;
  if (run->line->json) {
    printf(
        "{\"snapshot_id\": %" PRId64 ", \"join_keys\": %zu, \"features\": %zu, \"keys\": %" PRId64
        ", \"segments\": %" PRId64 ", \"file_bytes\": %" PRId64 ", \"memory_bytes\": %" PRId64
        ", \"bytes_per_key\": %.1f, \"resident_bytes\": %" PRId64 "}\n",
        stats->snapshot_id, info->n_join_keys, info->n_features, stats->n_keys, stats->n_segments,
        stats->n_file_bytes, stats->n_memory_bytes, bytes_per_key, resident_bytes());
    return;
  }
  printf("view            %s of project %s\n", info->view, info->project);
  if (stats->snapshot_id < 0)
    printf("snapshot        none\n");
  else
    printf("snapshot        %" PRId64 "\n", stats->snapshot_id);
  printf("columns         %zu join keys, %zu features\n", info->n_join_keys, info->n_features);
  printf("keys            %" PRId64 "\n", stats->n_keys);
  printf("index           %" PRId64 " segments, %" PRId64 " bytes in files, %" PRId64
         " bytes in memory\n",
         stats->n_segments, stats->n_file_bytes, stats->n_memory_bytes);
  printf("bytes a key     %.1f\n", bytes_per_key);
  printf("resident memory %" PRId64 " bytes\n", resident_bytes());
}

static int show_stats(const invocation *run, frz_online *online)
{
  frz_error err = {0};
  frz_online_stats stats;
  const frz_online_info *info;
  if (frz_online_prepare(online, &err) != FRZ_OK) return report(&err);
  if (frz_online_describe(online, &info, &err) != FRZ_OK) return report(&err);
  frz_online_stats_get(online, &stats);
  print_stats(run, info, &stats);
  frz_online_info_free(info);
  return EXIT_FINE;
}

/* ---- compact ---- */

static void tell(void *ctx, int64_t n_done, int64_t n_total)
{
  (void)ctx;
  show_progress("compact: %" PRId64 " of %" PRId64 " files", n_done, n_total);
}

static int compact(const invocation *run, frz_online *online)
{
  frz_error err = {0};
  frz_online_compact_options options;
  frz_online_compact_result r;
  frz_online_compact_options_init(&options);
  options.all = run->line->serve.all;
  options.progress = tell;
  if (frz_online_compact(online, &options, &r, &err) != FRZ_OK) return report(&err);
  end_progress();
  if (run->line->json)
    printf("{\"snapshot_id\": %" PRId64 ", \"files_before\": %" PRId64 ", \"files_after\": %" PRId64
           ", \"bytes_before\": %" PRId64 ", \"bytes_after\": %" PRId64
           ", \"rows_before\": %" PRId64 ", \"rows_after\": %" PRId64
           ", \"snapshots_expired\": %" PRId64 "}\n",
           r.snapshot_id, r.n_files_before, r.n_files_after, r.n_bytes_before, r.n_bytes_after,
           r.n_rows_before, r.n_rows_after, r.n_snapshots_expired);
  else if (r.snapshot_id == -1)
    printf("nothing to compact; %" PRId64 " snapshots expired\n", r.n_snapshots_expired);
  else
    printf("%" PRId64 " files, %" PRId64 " bytes, %" PRId64 " rows, became %" PRId64
           " files, %" PRId64 " bytes, %" PRId64 " rows; %" PRId64 " snapshots expired\n",
           r.n_files_before, r.n_bytes_before, r.n_rows_before, r.n_files_after, r.n_bytes_after,
           r.n_rows_after, r.n_snapshots_expired);
  return EXIT_FINE;
}

int run_online(const invocation *run)
{
  frz_error err = {0};
  frz_online *online = NULL;
  frz_online_options options = online_settings_of(run->line);
  options.read_timeout_ms = 0;
  if (frz_online_open(run->catalog, run->line->arguments[2], &options, &online, &err) != FRZ_OK)
    return report_table(&err);
  bool is_stats = strcmp(run->line->arguments[1], "stats") == 0;
  int code = is_stats ? show_stats(run, online) : compact(run, online);
  frz_online_close(online);
  return code;
}
