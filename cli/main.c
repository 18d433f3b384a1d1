/*
 * main.c - the `frazil` command: words to sub-commands, signals to cancellation, statuses to exit
 * codes.
 *
 * Exit codes: 0 done, 1 it could not be done (one line on stderr says why), 2 the command line is
 * wrong, 130 interrupted.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "csv_values.h"

static const char help_text[] =
    "frazil - Apache Iceberg tables for feature stores\n"
    "\n"
    "usage: frazil COMMAND [ARGUMENT...] [OPTION...]\n"
    "\n"
    "  catalog ls [NAMESPACE]          namespaces at the top, or directly under another\n"
    "  catalog create NAMESPACE        make a namespace\n"
    "  catalog drop NAMESPACE          drop an empty namespace\n"
    "  table ls [NAMESPACE]            tables of all namespaces, or of one and those under it\n"
    "  table show TABLE                what a table is: place, version, schema, size\n"
    "  table schema TABLE              columns with field ids and types\n"
    "  table METADATA TABLE            snapshots, files, partitions...: rows about the table\n"
    "  table drop TABLE [--purge]      drop a table; with --purge its files too\n"
    "  table rename TABLE NEW-NAME\n"
    "  alter TABLE CHANGE              add-column NAME TYPE...: change the table, not its rows\n"
    "  scan TABLE                      rows\n"
    "  import FILE TABLE               append a Parquet or CSV file, creating the table if it is "
    "not there\n"
    "  compact TABLE                   write small and much-deleted files anew, the rows as they "
    "are\n"
    "  rewrite-manifests TABLE         join manifests and order them by partition\n"
    "  expire TABLE                    forget old snapshots and remove their files\n"
    "  orphans TABLE                   files below a table that nothing leads to\n"
    "  verify TABLE                    check every file against what is said of it\n"
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
    "  --as-of TIME            as of a time: 2026-01-31T12:00:00Z, 2026-01-31 (UTC) or "
    "milliseconds\n"
    "                          since 1970\n"
    "\n"
    "output options, for scan and for snapshots, history, refs, files, manifests and properties:\n"
    "  --format FORMAT         pretty, csv, jsonl or parquet (default: by FILE's ending, "
    "else\n"
    "                          pretty on a terminal, else csv)\n"
    "  -o, --output FILE       write there instead of to stdout; parquet needs it\n"
    "\n"
    "import options:\n"
    "  --partition SPEC    for a new table, such as \"bucket(16, driver_id), day(event_ts)\"\n"
    "  --replace           replace the table's rows instead of appending\n"
    "\n"
    "maintenance options:\n"
    "  --filter EXPRESSION  compact: only files that may hold such rows\n"
    "  --target-size BYTES  compact: size of new files\n"
    "  --min-files N        compact: leave partitions with fewer files to rewrite (default: 5)\n"
    "  --sort ORDER         compact: sort the rows, such as \"driver_id, event_ts desc\"; \"\" "
    "for\n"
    "                       the table's own order\n"
    "  --rewrite-all        compact: every file, whatever its size\n"
    "  --older-than TIME    expire, orphans: what is from before this time\n"
    "  --retain N           expire: keep at least the last N snapshots of each branch\n"
    "  --keep-files         expire: change the metadata alone\n"
    "  --dry-run            expire: say what would go\n"
    "  --remove             orphans: remove the files, after a look without this option\n"
    "  --recent             orphans: nobody writes to the table now: younger than a day is fine\n"
    "  --all-snapshots      verify: also those that no branch or tag names\n"
    "  --data               verify: read every row\n"
    "\n"
    "for every command:\n"
    "  --json              print JSON lines\n"
    "  -h, --help          this text\n";

/* Process-wide because signals are: what one cancels, and whether one came. */
static frz_context *signal_context;
static volatile sig_atomic_t signal_seen;

bool interrupted(void)
{
  return signal_seen != 0;
}

static void on_interrupt(int signal_number)
{
  (void)signal_number;
  signal_seen = 1;
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
  /* What else fails after a signal fails because of it; an unknown commit must be told. */
  if (err->code == FRZ_ERR_CANCELLED || (interrupted() && err->code != FRZ_ERR_COMMIT_UNKNOWN)) {
    fputs("frazil: interrupted\n", stderr);
    return EXIT_INTERRUPTED;
  }
  fprintf(stderr, "frazil: %s\n", err->message);
  return EXIT_FAILED;
}

void add_hint(frz_error *err, const char *hint)
{
  size_t size = strlen(err->message);
  snprintf(err->message + size, sizeof err->message - size, "; %s", hint);
}

int report_table(frz_error *err)
{
  /* A metadata file that is missing is not found either. */
  bool unknown = err->code == FRZ_ERR_NOT_FOUND && strstr(err->message, "not in catalog") != NULL;
  if (unknown) add_hint(err, "frazil table ls lists its tables");
  return report(err);
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

static bool parse_count(const char *option, const char *text, int64_t *value_out)
{
  int64_t value;
  if (!parse_integer(option, text, &value)) return false;
  if (value < 0) {
    report_usage("%s %s is negative", option, text);
    return false;
  }
  *value_out = value;
  return true;
}

static bool parse_snapshot(const char *option, const char *text, int64_t *id_out)
{
  if (!parse_integer(option, text, id_out)) return false;
  if (*id_out <= 0) report_usage("%s %s is no snapshot's id", option, text);
  return *id_out > 0;
}

/* Milliseconds since 1970, or a date or timestamp, which is UTC where it has no zone. */
static bool parse_time(const char *option, const char *text, int64_t *ms_out)
{
  int32_t days;
  int64_t micros;
  bool has_zone;
  if (csv_is_integer(text)) {
    if (!parse_count(option, text, ms_out)) return false;
  } else if (csv_parse_date(text, &days))
    *ms_out = (int64_t)days * 86400000;
  else if (csv_parse_timestamp(text, &micros, &has_zone))
    *ms_out = micros / 1000;
  else {
    report_usage("%s '%s' is not a time such as 2026-01-31T12:00:00Z", option, text);
    return false;
  }
  if (*ms_out == 0) *ms_out = 1; /* 0 stands for no time; no table is that old */
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

enum {
  FOR_CATALOG = 1,
  FOR_TABLE = 2,
  FOR_SCAN = 4,
  FOR_IMPORT = 8,
  FOR_COMPACT = 16,
  FOR_MANIFESTS = 32,
  FOR_EXPIRE = 64,
  FOR_ORPHANS = 128,
  FOR_VERIFY = 256,
  FOR_ALTER = 512,
  FOR_ROWS = FOR_TABLE | FOR_SCAN | FOR_ORPHANS | FOR_VERIFY,
  FOR_ALL = 1023
};

typedef struct option_info {
  const char *name;
  bool takes_value;
  int commands;
} option_info;

static const option_info options[] = {
    {"--catalog", true, FOR_ALL},
    {"--uri", true, FOR_ALL},
    {"--warehouse", true, FOR_ALL},
    {"--property", true, FOR_ALL},
    {"-p", true, FOR_ALL},
    {"--filter", true, FOR_SCAN | FOR_COMPACT},
    {"--columns", true, FOR_SCAN},
    {"--limit", true, FOR_SCAN},
    {"--snapshot", true, FOR_SCAN | FOR_TABLE},
    {"--ref", true, FOR_SCAN},
    {"--as-of", true, FOR_SCAN},
    {"--format", true, FOR_ROWS},
    {"--output", true, FOR_ROWS},
    {"-o", true, FOR_ROWS},
    {"--partition", true, FOR_IMPORT},
    {"--replace", false, FOR_IMPORT},
    {"--purge", false, FOR_TABLE},
    {"--target-size", true, FOR_COMPACT},
    {"--min-files", true, FOR_COMPACT},
    {"--sort", true, FOR_COMPACT},
    {"--rewrite-all", false, FOR_COMPACT},
    {"--older-than", true, FOR_EXPIRE | FOR_ORPHANS},
    {"--retain", true, FOR_EXPIRE},
    {"--keep-files", false, FOR_EXPIRE},
    {"--dry-run", false, FOR_EXPIRE},
    {"--remove", false, FOR_ORPHANS},
    {"--recent", false, FOR_ORPHANS},
    {"--all-snapshots", false, FOR_VERIFY},
    {"--data", false, FOR_VERIFY},
    {"--json", false, FOR_ALL},
    {"--help", false, FOR_ALL},
    {"-h", false, FOR_ALL},
};

enum { N_OPTIONS = sizeof options / sizeof options[0] };
static_assert(N_OPTIONS <= 64, "command_line.used has a bit for each");

static int find_option(const char *name)
{
  for (int i = 0; i < N_OPTIONS; i++)
    if (strcmp(options[i].name, name) == 0) return i;
  return -1;
}

static void parse_flag(const char *option, command_line *line)
{
  const struct {
    const char *name;
    bool *flag;
  } flags[] = {{"--json", &line->json},
               {"--purge", &line->purge},
               {"--replace", &line->replace},
               {"--dry-run", &line->dry_run},
               {"--remove", &line->remove},
               {"--recent", &line->recent},
               {"--rewrite-all", &line->rewrite_all},
               {"--keep-files", &line->keep_files},
               {"--all-snapshots", &line->all_snapshots},
               {"--data", &line->read_data},
               {"--help", &line->help},
               {"-h", &line->help}};
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
    if (strcmp(option, flags[i].name) == 0) *flags[i].flag = true;
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
    return parse_count(option, value, &line->limit);
  else if (strcmp(option, "--snapshot") == 0)
    return parse_snapshot(option, value, &line->snapshot_id);
  else if (strcmp(option, "--ref") == 0)
    line->ref = value;
  else if (strcmp(option, "--as-of") == 0)
    return parse_time(option, value, &line->as_of_ms);
  else if (strcmp(option, "--format") == 0)
    return parse_format(value, line);
  else if (strcmp(option, "--partition") == 0)
    line->partition = value;
  else if (strcmp(option, "--sort") == 0)
    line->sort = value;
  else if (strcmp(option, "--older-than") == 0)
    return parse_time(option, value, &line->older_than_ms);
  else if (strcmp(option, "--retain") == 0)
    return parse_count(option, value, &line->retain_last);
  else if (strcmp(option, "--target-size") == 0)
    return parse_count(option, value, &line->target_bytes);
  else if (strcmp(option, "--min-files") == 0)
    return parse_count(option, value, &line->min_files);
  else
    line->output = value;
  return true;
}

/* One option at argv[*at], with its value; moves `at` to the last word taken. */
static bool take_option(int argc, char **argv, int *at, command_line *line)
{
  char *word = argv[*at];
  char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
  if (equals != NULL) *equals = '\0';
  int option = find_option(word);
  if (option < 0) {
    report_usage("unknown option '%s'", word);
    return false;
  }
  line->used |= UINT64_C(1) << option;
  if (!options[option].takes_value) {
    if (equals != NULL) report_usage("option '%s' takes no value", word);
    parse_flag(word, line);
    return equals == NULL;
  }
  char *value = equals != NULL ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
  if (value == NULL) {
    report_usage("option '%s' wants a value", word);
    return false;
  }
  return parse_option(word, value, line);
}

bool command_line_parse(int argc, char **argv, command_line *line_out)
{
  *line_out = (command_line){.catalog = "default", .limit = -1};
  bool only_words = false; /* after "--" */
  for (int i = 1; i < argc; i++) {
    char *word = argv[i];
    if (!only_words && strcmp(word, "--") == 0) {
      only_words = true;
      continue;
    }
    if (!only_words && word[0] == '-' && word[1] != '\0') {
      if (!take_option(argc, argv, &i, line_out)) return false;
      continue;
    }
    if (line_out->n_arguments == ARGUMENTS_MAX) {
      report_usage("too many arguments at '%s'", word);
      return false;
    }
    line_out->arguments[line_out->n_arguments++] = word;
  }
  return true;
}

static const char *property_of(const command_line *line, const char *key)
{
  for (size_t i = 0; i < line->n_properties; i++)
    if (strcmp(line->properties[i].key, key) == 0) return line->properties[i].value;
  return NULL;
}

static void add_default(command_line *line, const char *key, const char *variable,
                        const char *fallback)
{
  if (property_of(line, key) != NULL || line->n_properties == PROPERTIES_MAX) return;
  const char *value = getenv(variable);
  line->properties[line->n_properties++] = (frz_property){key, value != NULL ? value : fallback};
}

/* ---- running ---- */

typedef struct command {
  const char *name;
  int (*check)(const command_line *line);
  int (*run)(const invocation *run);
  int flag; /* in option_info.commands */
} command;

static const command commands[] = {
    {"catalog", check_catalog, run_catalog, FOR_CATALOG},
    {"table", check_table, run_table, FOR_TABLE},
    {"alter", check_alter, run_alter, FOR_ALTER},
    {"scan", check_scan, run_scan, FOR_SCAN},
    {"import", check_import, run_import, FOR_IMPORT},
    {"compact", check_maintain, run_compact, FOR_COMPACT},
    {"rewrite-manifests", check_maintain, run_manifests, FOR_MANIFESTS},
    {"expire", check_maintain, run_expire, FOR_EXPIRE},
    {"orphans", check_maintain, run_orphans, FOR_ORPHANS},
    {"verify", check_maintain, run_verify, FOR_VERIFY}};

static const command *find_command(const char *name)
{
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

static bool takes_options(const command *chosen, const command_line *line)
{
  for (int i = 0; i < N_OPTIONS; i++) {
    if ((line->used >> i & 1) == 0 || (options[i].commands & chosen->flag) != 0) continue;
    report_usage("%s takes no '%s'", chosen->name, options[i].name);
    return false;
  }
  return true;
}

bool is_path(const char *identifier)
{
  return strchr(identifier, '/') != NULL;
}

/* A command that only looks must not make an empty database; that it is not there is the news. */
static bool lacks_database(const invocation *run, const command *chosen, const char **path_out)
{
  const command_line *line = run->line;
  bool makes = chosen->run == run_import || (chosen->run == run_catalog && line->n_arguments > 1 &&
                                             strcmp(line->arguments[1], "create") == 0);
  const char *type = property_of(line, "type");
  const char *uri = property_of(line, "uri");
  if (makes || uri == NULL || (type != NULL && strcmp(type, "sql") != 0)) return false;
  if (strncmp(uri, "sqlite:///", 10) == 0) uri += 10;
  struct stat found;
  *path_out = uri;
  return strchr(uri, ':') == NULL && strchr(uri, '?') == NULL && uri[0] != '\0' &&
         stat(uri, &found) != 0 && errno == ENOENT;
}

static frz_status open_catalog(invocation *run, const command *chosen, frz_error *err)
{
  const command_line *line = run->line;
  const char *path;
  if (lacks_database(run, chosen, &path)) {
    err->code = FRZ_ERR_NOT_FOUND;
    snprintf(err->message, sizeof err->message,
             "no catalog at %s; name one with --uri, or begin one with frazil import", path);
    return err->code;
  }
  return frz_catalog_open(run->context, line->catalog, line->properties, line->n_properties,
                          &run->catalog, err);
}

bool is_table_name(const char *identifier)
{
  const char *dot = strrchr(identifier, '.');
  if (is_path(identifier) || (dot != NULL && dot != identifier && dot[1] != '\0')) return true;
  report_usage("table '%s' has no namespace; write it as namespace.table, or ./%s for a folder",
               identifier, identifier);
  return false;
}

static frz_status load_folder(const invocation *run, const char *path, frz_table **table_out,
                              frz_error *err)
{
  struct stat found;
  if (strchr(path, ':') == NULL && stat(path, &found) != 0) {
    err->code = errno == ENOENT ? FRZ_ERR_NOT_FOUND : FRZ_ERR_IO;
    snprintf(err->message, sizeof err->message, "table '%.500s': %s", path, strerror(errno));
    return err->code;
  }
  const frz_property type = {"type", "static"};
  frz_catalog *folder = NULL;
  frz_status st = frz_catalog_open(run->context, "static", &type, 1, &folder, err);
  if (st == FRZ_OK) st = frz_catalog_load_table(folder, path, table_out, err);
  frz_catalog_free(folder);
  return st;
}

frz_status load_table(const invocation *run, const char *identifier, frz_table **table_out,
                      frz_error *err)
{
  return is_path(identifier) ? load_folder(run, identifier, table_out, err)
                             : frz_catalog_load_table(run->catalog, identifier, table_out, err);
}

static int close_output(int code)
{
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  if (errno == EPIPE || code != EXIT_FINE) return code; /* the reader has enough */
  fprintf(stderr, "frazil: standard output: %s\n", strerror(errno));
  return EXIT_FAILED;
}

static int run_command(const command *chosen, command_line *line)
{
  invocation run = {.line = line};
  frz_error err = {0};
  if (frz_context_create(NULL, &run.context, &err) != FRZ_OK) return report(&err);
  signal_context = run.context;
  struct sigaction action = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error like a full disk */
  add_default(line, "uri", "FRAZIL_URI", "sqlite:///frazil.db");
  add_default(line, "warehouse", "FRAZIL_WAREHOUSE", "warehouse");
  int code = EXIT_FINE;
  bool needs_catalog = !(line->n_arguments > 1 && is_path(line->arguments[line->n_arguments - 1]) &&
                         chosen->run != run_import);
  if (needs_catalog && open_catalog(&run, chosen, &err) != FRZ_OK) code = report(&err);
  if (code == EXIT_FINE) code = chosen->run(&run);
  end_progress();
  signal_context = NULL;
  frz_catalog_free(run.catalog);
  frz_context_free(run.context);
  return close_output(code);
}

int main(int argc, char **argv)
{
  command_line line;
  if (!command_line_parse(argc, argv, &line)) return EXIT_USAGE;
  if (line.help || (line.n_arguments > 0 && strcmp(line.arguments[0], "help") == 0)) {
    fputs(help_text, stdout);
    return close_output(EXIT_FINE);
  }
  if (line.n_arguments == 0) {
    fputs(help_text, stderr);
    return EXIT_USAGE;
  }
  if (strcmp(line.arguments[0], "version") == 0) {
    printf("frazil %s\n", frz_version());
    return close_output(EXIT_FINE);
  }
  const command *chosen = find_command(line.arguments[0]);
  if (chosen == NULL) return report_usage("unknown command '%s'", line.arguments[0]);
  if (!takes_options(chosen, &line) || chosen->check(&line) != EXIT_FINE) return EXIT_USAGE;
  return run_command(chosen, &line);
}
