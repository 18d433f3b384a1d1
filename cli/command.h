/*
 * command.h - what the sub-commands of `frazil` share: options, the catalog, exit codes, output.
 */
#ifndef FRAZIL_CLI_COMMAND_H
#define FRAZIL_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "frazil/frazil.h"
#include "serve_settings.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

enum { PROPERTIES_MAX = 64, OPTIONS_MAX = 128, OWNED_MAX = 160, ARGUMENTS_MAX = 64 };

typedef enum output_format {
  FORMAT_PRETTY,
  FORMAT_CSV,
  FORMAT_JSONL,
  FORMAT_PARQUET
} output_format;

/** What `frazil pit` does with a table. NULL, 0 and false: not given. Texts are borrowed. */
typedef struct view_options {
  const char *name;
  const char *on;
  const char *timestamp;
  const char *created;
  const char *features;
  const char *filter;
  const char *ref;
  int64_t snapshot_id;
  int64_t as_of_ms;
  int64_t ttl_ms;
  bool created_cutoff;
} view_options;

/** The whole command line. Texts are borrowed from argv. */
typedef struct command_line {
  const char *arguments[ARGUMENTS_MAX]; /* what is not an option, the command's words first */
  int n_arguments;
  view_options view[ARGUMENTS_MAX]; /* the options that stand behind each argument */
  const char *catalog;
  frz_property properties[PROPERTIES_MAX]; /* of the catalog */
  size_t n_properties;
  const char *filter;
  const char *columns;
  const char *output;
  const char *partition;
  const char *ref;
  const char *branch;
  int64_t snapshot_id;
  int64_t from_snapshot_id;
  int64_t as_of_ms;
  int64_t limit;
  int64_t older_than_ms;
  int64_t retain_last;
  int64_t target_bytes;
  int64_t min_files;
  int64_t start_us;       /* INT64_MIN: not given */
  int64_t end_us;         /* INT64_MAX: not given */
  int64_t max_ref_age_ms; /* -1: not given; so for the next two */
  int64_t max_snapshot_age_ms;
  int64_t min_snapshots;
  const char *sort;
  const char *entity_timestamp;
  const char *spill_dir;
  int64_t memory_limit_bytes; /* 0: not given; so for the next */
  int64_t n_threads;
  serve_settings serve;
  char *owned[OWNED_MAX]; /* texts that are not argv's, see feast_repo_dispose() */
  int n_owned;
  bool used[OPTIONS_MAX]; /* for each option: it was given */
  output_format format;
  bool has_format;
  bool json;
  bool purge;
  bool replace;
  bool dry_run;
  bool remove;
  bool recent;
  bool rewrite_all;
  bool keep_files;
  bool all_snapshots;
  bool read_data;
  bool full_names;
  bool run;
  bool help;
} command_line;

/** Everything a command works with. */
typedef struct invocation {
  const command_line *line;
  frz_context *context;
  frz_catalog *catalog;
} invocation;

/** Parse argv; on a mistake prints what is wrong to stderr and returns false. */
bool command_line_parse(int argc, char **argv, command_line *line_out);

/** SIGINT or SIGTERM has come. */
bool interrupted(void);

/** Print the error of a failed call and return the exit code for it. */
int report(const frz_error *err);

/** Print a mistake in the usage and return EXIT_USAGE. */
int report_usage(const char *format, ...) FRZ_PRINTF(1, 2);

/** A path, not a name in the catalog: it has a slash. */
bool is_path(const char *identifier);

/** A path or a dotted name; else prints what is wrong. */
bool is_table_name(const char *identifier);

/** Load the table that `identifier` names: in the catalog, or by path where it has a slash. */
frz_status load_table(const invocation *run, const char *identifier, frz_table **table_out,
                      frz_error *err);

/** Print a stream in the format and to the place that the command line names; consumes it. */
int print_stream(const invocation *run, struct ArrowArrayStream *stream);

/** Print the error of a failed stream call and return the exit code for it. */
int report_stream(struct ArrowArrayStream *stream, int code);

/** A line on stderr that is overwritten, on a terminal only; NULL ends it. */
void show_progress(const char *format, ...) FRZ_PRINTF(1, 2);
void end_progress(void);

/** Add what to do next to a message, where there is room. */
void add_hint(frz_error *err, const char *hint);

/** Print the error of a call that was about a table of the catalog. */
int report_table(frz_error *err);

/* Of each command: look at the words, printing a mistake and returning EXIT_USAGE, and do them. */
int check_catalog(const command_line *line);
int run_catalog(const invocation *run);
int check_table(const command_line *line);
int run_table(const invocation *run);
int check_alter(const command_line *line);
int run_alter(const invocation *run);
int check_scan(const command_line *line);
int run_scan(const invocation *run);
int check_maintain(const command_line *line);
int run_compact(const invocation *run);
int run_manifests(const invocation *run);
int run_expire(const invocation *run);
int run_orphans(const invocation *run);
int run_verify(const invocation *run);
int check_import(const command_line *line);
int run_import(const invocation *run);
int check_serve(const command_line *line);
int run_serve(const invocation *run);
int check_online(const command_line *line);
int run_online(const invocation *run);
int check_materialize(const command_line *line);
int run_materialize(const invocation *run);
int check_explain(const command_line *line);
int run_explain(const invocation *run);

/** Look at the words of a scan, whose table is `arguments[at]`. */
int scan_request_check(const command_line *line, int at);

/** Prepare the scan of the table that `arguments[at]` names, let `use` have it, and return its exit
 * code; or report why there is none. */
int with_scan(const invocation *run, int at, int (*use)(const invocation *run, frz_scan *scan));
int check_pit(const command_line *line);
int run_pit(const invocation *run);

#endif
