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
#include "feast_repo.h"
#include "options.h"

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

/* ---- the catalog ---- */

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
  int flag; /* of options.h */
} command;

static const command commands[] = {
    {"catalog", check_catalog, run_catalog, FOR_CATALOG},
    {"table", check_table, run_table, FOR_TABLE},
    {"alter", check_alter, run_alter, FOR_ALTER},
    {"scan", check_scan, run_scan, FOR_SCAN},
    {"import", check_import, run_import, FOR_IMPORT},
    {"pit", check_pit, run_pit, FOR_PIT},
    {"explain", check_explain, run_explain, FOR_EXPLAIN},
    {"compact", check_maintain, run_compact, FOR_COMPACT},
    {"rewrite-manifests", check_maintain, run_manifests, FOR_MANIFESTS},
    {"expire", check_maintain, run_expire, FOR_EXPIRE},
    {"orphans", check_maintain, run_orphans, FOR_ORPHANS},
    {"verify", check_maintain, run_verify, FOR_VERIFY},
    {"materialize", check_materialize, run_materialize, FOR_MATERIALIZE},
    {"online", check_online, run_online, FOR_ONLINE},
    {"serve", check_serve, run_serve, FOR_SERVE}};

static const command *find_command(const char *name)
{
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
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

/* A table by its path needs none. Other words may have slashes too. */
static bool needs_catalog(const command_line *line, const command *chosen)
{
  if (chosen->run == run_catalog || chosen->run == run_import || chosen->run == run_serve ||
      chosen->run == run_materialize)
    return true;
  bool explains = chosen->run == run_explain;
  bool joins = chosen->run == run_pit || (explains && strcmp(line->arguments[1], "pit") == 0);
  for (int i = explains ? 3 : 2; joins && i < line->n_arguments; i++)
    if (!is_path(line->arguments[i])) return true;
  if (joins) return false;
  int at = chosen->run == run_table || explains ? 2 : 1;
  if (line->n_arguments <= at || !is_path(line->arguments[at])) return true;
  return chosen->run == run_table && strcmp(line->arguments[1], "ls") == 0;
}

static int run_command(const command *chosen, command_line *line)
{
  invocation run = {.line = line};
  frz_error err = {0};
  frz_context_options options;
  frz_context_options_init(&options);
  options.memory_limit_bytes = line->memory_limit_bytes;
  options.n_threads = (int32_t)line->n_threads;
  options.spill_dir = line->spill_dir != NULL ? line->spill_dir : getenv("TMPDIR");
  if (frz_context_create(&options, &run.context, &err) != FRZ_OK) return report(&err);
  signal_context = run.context;
  struct sigaction action = {.sa_handler = on_interrupt};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error like a full disk */
  int code = EXIT_FINE;
  if (line->serve.repo != NULL && feast_repo_apply(line, &err) != FRZ_OK) code = report(&err);
  add_default(line, "uri", "FRAZIL_URI", "sqlite:///frazil.db");
  add_default(line, "warehouse", "FRAZIL_WAREHOUSE", "warehouse");
  if (code == EXIT_FINE && needs_catalog(line, chosen) &&
      open_catalog(&run, chosen, &err) != FRZ_OK)
    code = report(&err);
  if (code == EXIT_FINE) code = chosen->run(&run);
  end_progress();
  signal_context = NULL;
  frz_catalog_free(run.catalog);
  frz_context_free(run.context);
  feast_repo_dispose(line);
  return close_output(code);
}

static int print_version(const command_line *line)
{
  printf(line->json ? "{\"version\": \"%s\"}\n" : "frazil %s\n", frz_version());
  return close_output(EXIT_FINE);
}

/* `frazil help COMMAND`, `frazil COMMAND --help`, or of all. */
static int tell_help(const command_line *line)
{
  bool is_word = line->n_arguments > 0 && strcmp(line->arguments[0], "help") == 0;
  const char *name = line->n_arguments > is_word ? line->arguments[is_word] : NULL;
  const command *about = name != NULL ? find_command(name) : NULL;
  if (name != NULL && about == NULL && strcmp(name, "version") != 0)
    return report_usage("unknown command '%s'", name);
  print_help(stdout, about != NULL ? name : NULL, about != NULL ? about->flag : FOR_ALL);
  return close_output(EXIT_FINE);
}

int main(int argc, char **argv)
{
  command_line line;
  signal(SIGPIPE, SIG_IGN); /* a reader that has enough is no mistake, see close_output() */
  if (!command_line_parse(argc, argv, &line)) return EXIT_USAGE;
  if (line.help || (line.n_arguments > 0 && strcmp(line.arguments[0], "help") == 0))
    return tell_help(&line);
  if (line.n_arguments == 0) {
    print_help(stderr, NULL, FOR_ALL);
    return EXIT_USAGE;
  }
  if (strcmp(line.arguments[0], "version") == 0) return print_version(&line);
  const command *chosen = find_command(line.arguments[0]);
  if (chosen == NULL) return report_usage("unknown command '%s'", line.arguments[0]);
  if (!takes_options(chosen->name, chosen->flag, &line) || chosen->check(&line) != EXIT_FINE)
    return EXIT_USAGE;
  return run_command(chosen, &line);
}
