/*
 * main.c - the `frazil` command: words to sub-commands, signals to cancellation, statuses to exit
 * codes.
 *
 * Exit codes: 0 done, 1 it could not be done (one line on stderr says why), 2 the command line is
 * wrong, 130 interrupted.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static const char help_text[] =
    "frazil - Apache Iceberg tables for feature stores\n"
    "\n"
    "usage: frazil COMMAND [ARGUMENT...] [OPTION...]\n"
    "\n"
    "  catalog ls [NAMESPACE]          namespaces\n"
    "  catalog create NAMESPACE        make a namespace\n"
    "  catalog drop NAMESPACE          drop an empty namespace\n"
    "  table ls [NAMESPACE]            tables\n"
    "  table show TABLE                what a table is: place, version, schema, size\n"
    "  table schema TABLE              columns with field ids and types\n"
    "  table snapshots|history|refs|files|manifests|properties TABLE\n"
    "  table drop TABLE [--purge]      drop a table; with --purge its files too\n"
    "  table rename TABLE NEW-NAME\n"
    "  scan TABLE                      rows\n"
    "  import FILE TABLE               append a Parquet or CSV file, creating the table if it is "
    "not there\n"
    "  version\n"
    "\n"
    "TABLE is namespace.table, or a path of a table folder or metadata file (no catalog needed).\n"
    "\n"
    "catalog options:\n"
    "  --catalog NAME      the catalog's name (default: default)\n"
    "  --uri URI           the database (default: $FRAZIL_URI, or sqlite:///frazil.db)\n"
    "  --warehouse PATH    where new tables go (default: $FRAZIL_WAREHOUSE, or warehouse)\n"
    "  -p, --property K=V  any other catalog property, by PyIceberg's names\n"
    "\n"
    "scan options:\n"
    "  --filter EXPRESSION     such as \"driver_id = 5 and event_ts >= "
    "'2026-01-01T00:00:00+00:00'\"\n"
    "  --columns A,B           only these columns\n"
    "  --limit N               at most N rows\n"
    "  --snapshot ID           as of a snapshot\n"
    "  --ref NAME              a branch or tag\n"
    "  --as-of MILLISECONDS    as of a time, in milliseconds since 1970 UTC\n"
    "  --format FORMAT         pretty, csv, jsonl or parquet (default: pretty on a terminal, else "
    "csv)\n"
    "  -o, --output FILE       write there instead of to stdout\n"
    "\n"
    "import options:\n"
    "  --partition SPEC    for a new table, such as \"bucket(16, driver_id), day(event_ts)\"\n"
    "  --replace           replace the table's rows instead of appending\n"
    "\n"
    "  --json              print JSON lines\n"
    "  -h, --help          this text\n";

/* The one process-wide thing: what a signal cancels. */
static frz_context *signal_context;

static void on_interrupt(int signal_number)
{
  (void)signal_number;
  if (signal_context != NULL) frz_context_cancel(signal_context);
}

int report_usage(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  fputs("frazil: ", stderr);
  vfprintf(stderr, format, args);
  fputs("; see frazil --help\n", stderr);
  va_end(args);
  return EXIT_USAGE;
}

int report(const frz_error *err)
{
  end_progress();
  if (err->code == FRZ_ERR_CANCELLED) {
    fputs("frazil: interrupted\n", stderr);
    return EXIT_INTERRUPTED;
  }
  fprintf(stderr, "frazil: %s\n", err->message);
  return EXIT_FAILED;
}

/* ---- progress ---- */

static bool progress_shown;

void show_progress(const char *format, ...)
{
  if (!isatty(STDERR_FILENO)) return;
  va_list args;
  va_start(args, format);
  fputs("\r\033[K", stderr);
  vfprintf(stderr, format, args);
  va_end(args);
  fflush(stderr);
  progress_shown = true;
}

void end_progress(void)
{
  if (progress_shown) fputs("\r\033[K", stderr);
  progress_shown = false;
}

/* ---- the command line ---- */

static bool parse_integer(const char *option, const char *text, int64_t *value_out)
{
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0') {
    report_usage("%s '%s' is not a whole number", option, text);
    return false;
  }
  *value_out = value;
  return true;
}

static bool parse_format(const char *text, command_line *line)
{
  static const char *const names[] = {"pretty", "csv", "jsonl", "parquet"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(text, names[i]) != 0) continue;
    line->format = (output_format)i;
    line->has_format = true;
    return true;
  }
  report_usage("--format '%s' is not one of pretty, csv, jsonl, parquet", text);
  return false;
}

static bool add_property(command_line *line, const char *key, const char *value)
{
  if (line->n_properties == PROPERTIES_MAX) {
    report_usage("more than %d properties", PROPERTIES_MAX);
    return false;
  }
  line->properties[line->n_properties++] = (frz_property){key, value};
  return true;
}

/* argv lives as long as the process, so the key is cut off in place. */
static bool parse_property(char *text, command_line *line)
{
  char *equals = strchr(text, '=');
  if (equals == NULL) {
    report_usage("property '%s' has no '='", text);
    return false;
  }
  *equals = '\0';
  return add_property(line, text, equals + 1);
}

static bool parse_flag(const char *option, command_line *line)
{
  if (strcmp(option, "--json") == 0)
    line->json = true;
  else if (strcmp(option, "--purge") == 0)
    line->purge = true;
  else if (strcmp(option, "--replace") == 0)
    line->replace = true;
  else if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
    line->help = true;
  else
    return false;
  return true;
}

static bool takes_value(const char *option)
{
  static const char *const options[] = {"--catalog",  "--uri",    "--warehouse", "--property",
                                        "-p",         "--filter", "--columns",   "--limit",
                                        "--snapshot", "--ref",    "--as-of",     "--format",
                                        "--output",   "-o",       "--partition"};
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
    if (strcmp(option, options[i]) == 0) return true;
  return false;
}

static bool parse_option(const char *option, char *value, command_line *line)
{
  if (strcmp(option, "--catalog") == 0)
    line->catalog = value;
  else if (strcmp(option, "--uri") == 0)
    return add_property(line, "uri", value);
  else if (strcmp(option, "--warehouse") == 0)
    return add_property(line, "warehouse", value);
  else if (strcmp(option, "--property") == 0 || strcmp(option, "-p") == 0)
    return parse_property(value, line);
  else if (strcmp(option, "--filter") == 0)
    line->filter = value;
  else if (strcmp(option, "--columns") == 0)
    line->columns = value;
  else if (strcmp(option, "--limit") == 0)
    return parse_integer(option, value, &line->limit);
  else if (strcmp(option, "--snapshot") == 0)
    return parse_integer(option, value, &line->snapshot_id);
  else if (strcmp(option, "--ref") == 0)
    line->ref = value;
  else if (strcmp(option, "--as-of") == 0)
    return parse_integer(option, value, &line->as_of_ms);
  else if (strcmp(option, "--format") == 0)
    return parse_format(value, line);
  else if (strcmp(option, "--partition") == 0)
    line->partition = value;
  else
    line->output = value;
  return true;
}

bool command_line_parse(int argc, char **argv, command_line *line_out)
{
  *line_out = (command_line){.catalog = "default", .limit = -1};
  for (int i = 1; i < argc; i++) {
    char *word = argv[i];
    if (word[0] != '-' || word[1] == '\0') {
      if (line_out->n_arguments == ARGUMENTS_MAX) {
        report_usage("too many arguments at '%s'", word);
        return false;
      }
      line_out->arguments[line_out->n_arguments++] = word;
      continue;
    }
    if (parse_flag(word, line_out)) continue;
    char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    if (equals != NULL) *equals = '\0';
    if (!takes_value(word)) {
      report_usage("unknown option '%s'", word);
      return false;
    }
    char *value = equals != NULL ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
    if (value == NULL) {
      report_usage("option '%s' wants a value", word);
      return false;
    }
    if (!parse_option(word, value, line_out)) return false;
  }
  return true;
}

static bool has_property(const command_line *line, const char *key)
{
  for (size_t i = 0; i < line->n_properties; i++)
    if (strcmp(line->properties[i].key, key) == 0) return true;
  return false;
}

static void add_default(command_line *line, const char *key, const char *variable,
                        const char *fallback)
{
  if (has_property(line, key) || line->n_properties == PROPERTIES_MAX) return;
  const char *value = getenv(variable);
  line->properties[line->n_properties++] = (frz_property){key, value != NULL ? value : fallback};
}

/* ---- running ---- */

typedef struct command {
  const char *name;
  int (*run)(const session *run);
} command;

static const command commands[] = {
    {"catalog", run_catalog}, {"table", run_table}, {"scan", run_scan}, {"import", run_import}};

static const command *find_command(const char *name)
{
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

static bool is_path(const char *identifier)
{
  return strchr(identifier, '/') != NULL;
}

static frz_status open_catalog(session *run, frz_error *err)
{
  const command_line *line = run->line;
  return frz_catalog_open(run->context, line->catalog, line->properties, line->n_properties,
                          &run->catalog, err);
}

frz_status load_table(const session *run, const char *identifier, frz_table **table_out,
                      frz_error *err)
{
  if (!is_path(identifier)) return frz_catalog_load_table(run->catalog, identifier, table_out, err);
  const frz_property type = {"type", "static"};
  frz_catalog *folder = NULL;
  frz_status st = frz_catalog_open(run->context, "static", &type, 1, &folder, err);
  if (st == FRZ_OK) st = frz_catalog_load_table(folder, identifier, table_out, err);
  frz_catalog_free(folder);
  return st;
}

static int run_command(const command *chosen, command_line *line)
{
  session run = {.line = line};
  frz_error err = {0};
  if (frz_context_create(NULL, &run.context, &err) != FRZ_OK) return report(&err);
  signal_context = run.context;
  struct sigaction action = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  add_default(line, "uri", "FRAZIL_URI", "sqlite:///frazil.db");
  add_default(line, "warehouse", "FRAZIL_WAREHOUSE", "warehouse");
  int code = EXIT_FINE;
  bool needs_catalog = !(line->n_arguments > 1 && is_path(line->arguments[line->n_arguments - 1]) &&
                         chosen->run != run_import);
  if (needs_catalog && open_catalog(&run, &err) != FRZ_OK) code = report(&err);
  if (code == EXIT_FINE) code = chosen->run(&run);
  end_progress();
  signal_context = NULL;
  frz_catalog_free(run.catalog);
  frz_context_free(run.context);
  if (fflush(stdout) != 0 && code == EXIT_FINE) {
    if (errno != EPIPE) fprintf(stderr, "frazil: standard output: %s\n", strerror(errno));
    code = EXIT_FAILED;
  }
  return code;
}

int main(int argc, char **argv)
{
  command_line line;
  if (!command_line_parse(argc, argv, &line)) return EXIT_USAGE;
  if (line.help || (line.n_arguments > 0 && strcmp(line.arguments[0], "help") == 0)) {
    fputs(help_text, stdout);
    return EXIT_FINE;
  }
  if (line.n_arguments == 0) {
    fputs(help_text, stderr);
    return EXIT_USAGE;
  }
  if (strcmp(line.arguments[0], "version") == 0) {
    printf("frazil %s\n", frz_version());
    return EXIT_FINE;
  }
  const command *chosen = find_command(line.arguments[0]);
  if (chosen == NULL) return report_usage("unknown command '%s'", line.arguments[0]);
  return run_command(chosen, &line);
}
