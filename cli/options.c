/*
 * options.c - the command line of `frazil`: options, their values, and what is no option.
 *
 * One table says what each option takes, which commands know it and what the help says of it, so
 * that none of the three can be without the others.
 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "csv_values.h"

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

static bool parse_threads(const char *option, const char *text, int64_t *n_out)
{
  if (!parse_count(option, text, n_out)) return false;
  if (*n_out < 1 || *n_out > 256) report_usage("%s %s is not within 1 and 256", option, text);
  return *n_out >= 1 && *n_out <= 256;
}

static bool parse_snapshot(const char *option, const char *text, int64_t *id_out)
{
  if (!parse_integer(option, text, id_out)) return false;
  if (*id_out <= 0) report_usage("%s %s is no snapshot's id", option, text);
  return *id_out > 0;
}

/* Milliseconds since 1970, or a date or timestamp, which is UTC where it has no zone. */
static bool parse_time_us(const char *option, const char *text, int64_t *us_out)
{
  int32_t days;
  int64_t ms;
  bool has_zone;
  if (csv_is_integer(text)) {
    if (!parse_count(option, text, &ms)) return false;
    if (!__builtin_mul_overflow(ms, 1000, us_out)) return true;
  } else if (csv_parse_date(text, &days)) {
    *us_out = days * INT64_C(86400000000);
    return true;
  } else if (csv_parse_timestamp(text, us_out, &has_zone)) {
    return true;
  }
  report_usage("%s '%s' is not a time such as 2026-01-31T12:00:00Z", option, text);
  return false;
}

static bool parse_time(const char *option, const char *text, int64_t *ms_out)
{
  int64_t us;
  if (!parse_time_us(option, text, &us)) return false;
  *ms_out = us / 1000;
  if (*ms_out == 0) *ms_out = 1; /* 0 stands for no time; no table is that old */
  return true;
}

/* "90d", "12h", "30m" or "10s", in milliseconds. */
static bool read_age(const char *text, int64_t *ms_out)
{
  static const struct {
    char unit;
    int64_t ms;
  } units[] = {{'d', 86400000}, {'h', 3600000}, {'m', 60000}, {'s', 1000}};
  char *end;
  errno = 0;
  long long n = strtoll(text, &end, 10);
  if (errno != 0 || end == text || n < 0 || end[0] == '\0' || end[1] != '\0') return false;
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
    if (*end == units[i].unit) return !__builtin_mul_overflow(n, units[i].ms, ms_out);
  return false;
}

static bool parse_age(const char *option, const char *text, int64_t *ms_out)
{
  if (read_age(text, ms_out) && *ms_out > 0) return true;
  report_usage("%s '%s' is not an age such as 90d, 12h, 30m or 10s", option, text);
  return false;
}

/* A time, or an age before now. */
static bool parse_past(const char *option, const char *text, int64_t *ms_out)
{
  int64_t age_ms;
  if (!read_age(text, &age_ms)) return parse_time(option, text, ms_out);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  *ms_out = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - age_ms;
  if (*ms_out < 1) *ms_out = 1;
  return true;
}

/* A number of bytes, or of what a letter stands for: "512M", "2G", also with B or iB behind. */
static bool parse_size(const char *option, const char *text, int64_t *bytes_out)
{
  static const char letters[] = "KMGT";
  char *end;
  errno = 0;
  long long n = strtoll(text, &end, 10);
  bool valid = errno == 0 && end != text && n > 0;
  const char *letter = valid && *end != '\0' ? strchr(letters, *end) : NULL;
  if (letter != NULL) {
    valid = !__builtin_mul_overflow(n, INT64_C(1024) << (10 * (letter - letters)), bytes_out);
    end++;
    valid = valid && (*end == '\0' || strcmp(end, "B") == 0 || strcmp(end, "iB") == 0);
  } else {
    valid = valid && *end == '\0';
    *bytes_out = n;
  }
  if (!valid) report_usage("%s '%s' is not a size such as 512M or 2G", option, text);
  return valid;
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

static const option_info options[] = {
    {"--catalog", "NAME", FOR_ALL, SECTION_CATALOG, "the catalog's name (default: default)"},
    {"--uri", "URI", FOR_ALL, SECTION_CATALOG,
     "the database (default: $FRAZIL_URI, or sqlite:///frazil.db)"},
    {"--warehouse", "PATH", FOR_ALL, SECTION_CATALOG,
     "where new tables go (default: $FRAZIL_WAREHOUSE, or warehouse)"},
    {"-p", "KEY=VALUE", FOR_ALL, SECTION_CATALOG, NULL},
    {"--property", "KEY=VALUE", FOR_ALL, SECTION_CATALOG,
     "any other catalog property, by PyIceberg's names"},
    {"--repo", "FOLDER", FOR_ALL, SECTION_CATALOG,
     "a Feast repo: the catalog of its online store, and for serve\n"
     "and online all that it says of that"},
    {"--filter", "EXPRESSION", FOR_SCAN | FOR_PIT | FOR_EXPLAIN | FOR_COMPACT | FOR_MATERIALIZE,
     SECTION_SCAN,
     "rows, such as \"driver_id = 5 and day >= '2026-01-01'\";\n"
     "compact: only files that may hold such rows"},
    {"--columns", "A,B", FOR_SCAN | FOR_EXPLAIN, SECTION_SCAN, "only these columns"},
    {"--limit", "N", FOR_SCAN | FOR_EXPLAIN, SECTION_SCAN, "at most N rows"},
    {"--snapshot", "ID", FOR_SCAN | FOR_PIT | FOR_EXPLAIN | FOR_TABLE | FOR_MATERIALIZE,
     SECTION_SCAN, "as of a snapshot; table: of files, partitions and the like"},
    {"--ref", "NAME", FOR_SCAN | FOR_EXPLAIN | FOR_PIT | FOR_MATERIALIZE, SECTION_SCAN,
     "a branch or tag"},
    {"--as-of", "TIME", FOR_SCAN | FOR_EXPLAIN | FOR_PIT | FOR_MATERIALIZE, SECTION_SCAN,
     "as of a time"},
    {"--from-snapshot", "ID", FOR_SCAN | FOR_EXPLAIN | FOR_MATERIALIZE, SECTION_SCAN,
     "only rows that were appended after it"},
    {"--on", "KEYS", FOR_PIT | FOR_EXPLAIN | FOR_MATERIALIZE, SECTION_PIT,
     "join keys: names that both have, or ENTITY=COLUMN, by commas"},
    {"--timestamp", "COLUMN", FOR_PIT | FOR_EXPLAIN | FOR_MATERIALIZE, SECTION_PIT,
     "the table's event times (default: event_timestamp)"},
    {"--start", "TIME", FOR_MATERIALIZE, SECTION_PIT, "materialize: event times from then on"},
    {"--end", "TIME", FOR_MATERIALIZE, SECTION_PIT,
     "materialize: event times up to then, included"},
    {"--created", "COLUMN", FOR_PIT | FOR_EXPLAIN | FOR_MATERIALIZE, SECTION_PIT,
     "decides among equal event times"},
    {"--created-cutoff", NULL, FOR_PIT | FOR_EXPLAIN, SECTION_PIT,
     "only rows whose created time is not after the entity row's"},
    {"--ttl", "AGE", FOR_PIT | FOR_EXPLAIN, SECTION_PIT,
     "how old a feature may be, such as 90d or 12h"},
    {"--features", "A,B=NAME", FOR_PIT | FOR_EXPLAIN | FOR_MATERIALIZE, SECTION_PIT,
     "columns, and names for them (default: all but keys and times)"},
    {"--name", "NAME", FOR_PIT | FOR_EXPLAIN, SECTION_PIT,
     "of the table, in full names (default: its own)"},
    {"--full-names", NULL, FOR_PIT | FOR_EXPLAIN, SECTION_PIT, "name features table__feature"},
    {"--entity-timestamp", "COLUMN", FOR_PIT | FOR_EXPLAIN, SECTION_PIT,
     "the time of an entity row (default: event_timestamp)"},
    {"--memory-limit", "SIZE", FOR_PIT | FOR_EXPLAIN | FOR_MATERIALIZE, SECTION_PIT,
     "such as 512M or 2G (default: half of the machine's); beyond it\n"
     "entity rows go through files in the spill folder"},
    {"--spill-dir", "FOLDER", FOR_PIT | FOR_EXPLAIN | FOR_MATERIALIZE, SECTION_PIT,
     "for temporary files (default: $TMPDIR, or /tmp)"},
    {"--threads", "N", FOR_PIT | FOR_EXPLAIN | FOR_SERVE | FOR_MATERIALIZE, SECTION_PIT,
     "at most N threads (default: one a processor)"},
    {"--format", "FORMAT", FOR_ROWS, SECTION_OUTPUT,
     "pretty, csv, jsonl or parquet (default: by FILE's ending,\n"
     "else pretty on a terminal, else csv)"},
    {"-o", "FILE", FOR_ROWS, SECTION_OUTPUT, NULL},
    {"--output", "FILE", FOR_ROWS, SECTION_OUTPUT,
     "write there instead of to stdout; parquet needs it"},
    {"--partition", "SPEC", FOR_IMPORT, SECTION_IMPORT,
     "for a new table, such as \"bucket(16, driver_id), day(event_ts)\""},
    {"--replace", NULL, FOR_IMPORT, SECTION_IMPORT,
     "replace the table's rows instead of appending"},
    {"--branch", "NAME", FOR_IMPORT, SECTION_IMPORT, "commit to an existing branch"},
    {"--max-ref-age", "AGE", FOR_ALTER, SECTION_ALTER,
     "tag, branch: it ends itself at this age, such as 90d"},
    {"--max-snapshot-age", "AGE", FOR_ALTER, SECTION_ALTER,
     "branch: expiry keeps its snapshots up to this age"},
    {"--min-snapshots", "N", FOR_ALTER, SECTION_ALTER,
     "branch: expiry keeps at least its last N snapshots"},
    {"--purge", NULL, FOR_TABLE, SECTION_ALTER, "table drop: remove the table's files too"},
    {"--target-size", "BYTES", FOR_COMPACT, SECTION_MAINTENANCE, "compact: size of new files"},
    {"--min-files", "N", FOR_COMPACT, SECTION_MAINTENANCE,
     "compact: leave partitions with fewer files to rewrite (5)"},
    {"--sort", "ORDER", FOR_COMPACT, SECTION_MAINTENANCE,
     "compact: sort the rows, such as \"driver_id, event_ts desc\";\n"
     "\"\" for the table's own order"},
    {"--rewrite-all", NULL, FOR_COMPACT, SECTION_MAINTENANCE,
     "compact: every file, whatever its size"},
    {"--older-than", "TIME", FOR_EXPIRE | FOR_ORPHANS, SECTION_MAINTENANCE,
     "expire, orphans: what is from before this time, or older than\n"
     "an age such as 5d (by the table's properties; three days)"},
    {"--retain", "N", FOR_EXPIRE, SECTION_MAINTENANCE,
     "expire: keep at least the last N snapshots of each branch"},
    {"--keep-files", NULL, FOR_EXPIRE, SECTION_MAINTENANCE, "expire: change the metadata alone"},
    {"--dry-run", NULL, FOR_EXPIRE, SECTION_MAINTENANCE, "expire: say what would go"},
    {"--remove", NULL, FOR_ORPHANS, SECTION_MAINTENANCE,
     "orphans: remove the files, after a look without this option"},
    {"--recent", NULL, FOR_ORPHANS, SECTION_MAINTENANCE,
     "orphans: nobody writes to the table now: younger than a day is\nfine"},
    {"--all-snapshots", NULL, FOR_VERIFY, SECTION_MAINTENANCE,
     "verify: also those that no branch or tag names"},
    {"--data", NULL, FOR_VERIFY, SECTION_MAINTENANCE, "verify: read every row"},
    {"--project", "NAME", FOR_SERVE, SECTION_SERVE, "of Feast (default: the repo's)"},
    {"--namespace", "NAME", FOR_SERVE, SECTION_SERVE, "of the online tables (default: feast)"},
    {"--host", "HOST", FOR_SERVE, SECTION_SERVE, "to listen on (default: 127.0.0.1)"},
    {"--port", "PORT", FOR_SERVE, SECTION_SERVE, "to listen on, 0 for a free one (6566)"},
    {"--tls-cert", "FILE", FOR_SERVE, SECTION_SERVE, "a PEM certificate: HTTPS"},
    {"--tls-key", "FILE", FOR_SERVE, SECTION_SERVE, "its PEM key"},
    {"--token-file", "FILE", FOR_SERVE, SECTION_SERVE,
     "holds the bearer token that clients must send (default:\n"
     "$FRAZIL_TOKEN; without either none is asked for)"},
    {"--access-log", "FILE", FOR_SERVE, SECTION_SERVE,
     "a JSON line a request, - for stdout (default: none)"},
    {"--check-ttl", NULL, FOR_SERVE, SECTION_SERVE,
     "values older than their view's TTL get OUTSIDE_MAX_AGE"},
    {"--max-body-bytes", "N", FOR_SERVE, SECTION_SERVE, "of a request (8388608)"},
    {"--max-rows", "N", FOR_SERVE, SECTION_SERVE, "entities of a request (10000)"},
    {"--max-connections", "N", FOR_SERVE, SECTION_SERVE, "open at once (16384)"},
    {"--idle-timeout", "SECONDS", FOR_SERVE, SECTION_SERVE,
     "close a connection that completes no request for so long (75)"},
    {"--drain-timeout", "SECONDS", FOR_SERVE, SECTION_SERVE,
     "how long stopping waits for requests (30)"},
    {"--cache-dir", "FOLDER", FOR_SERVE | FOR_ONLINE, SECTION_SERVE,
     "for lookup indexes (default: in memory alone; of a repo:\n"
     "as its online store)"},
    {"--lookup", "HOW", FOR_SERVE | FOR_ONLINE, SECTION_SERVE, "index or direct (index)"},
    {"--max-staleness-ms", "N", FOR_SERVE, SECTION_SERVE,
     "how late others' writes may be seen (1000)"},
    {"--read-timeout-ms", "N", FOR_SERVE, SECTION_SERVE, "bound of a read; 0 for none (100)"},
    {"--key-ttl-seconds", "N", FOR_SERVE | FOR_ONLINE, SECTION_SERVE,
     "rows older than this read as absent, compaction drops them"},
    {"--all", NULL, FOR_ONLINE, SECTION_SERVE, "online compact: every file, not just what is due"},
    {"--run", NULL, FOR_EXPLAIN | FOR_EXPLAINED, SECTION_EXPLAIN,
     "read the rows too, and tell what was read"},
    {"--json", NULL, FOR_ALL, SECTION_ALL, "print JSON lines"},
    {"-h", NULL, FOR_ALL, SECTION_ALL, NULL},
    {"--help", NULL, FOR_ALL, SECTION_ALL, "help; behind a command, about that command"},
};

enum { N_OPTIONS = sizeof options / sizeof options[0] };
static_assert((int)N_OPTIONS <= (int)OPTIONS_MAX, "command_line.used has a flag for each");

const option_info *list_options(int *n_out)
{
  *n_out = N_OPTIONS;
  return options;
}

static int find_option(const char *name)
{
  for (int i = 0; i < N_OPTIONS; i++)
    if (strcmp(options[i].name, name) == 0) return i;
  return -1;
}

static view_options *view_of(command_line *line)
{
  return &line->view[line->n_arguments == 0 ? 0 : line->n_arguments - 1];
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
               {"--full-names", &line->full_names},
               {"--check-ttl", &line->serve.check_ttl},
               {"--all", &line->serve.all},
               {"--run", &line->run},
               {"--help", &line->help},
               {"-h", &line->help}};
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
    if (strcmp(option, flags[i].name) == 0) *flags[i].flag = true;
  if (strcmp(option, "--created-cutoff") == 0) view_of(line)->created_cutoff = true;
}

/* Options of a join's table, which belong to the argument that they stand behind. */
static bool parse_view_option(const char *option, const char *value, command_line *line,
                              bool *known_out)
{
  view_options *view = view_of(line);
  const struct {
    const char *name;
    const char **text;
  } texts[] = {{"--name", &view->name},
               {"--on", &view->on},
               {"--timestamp", &view->timestamp},
               {"--created", &view->created},
               {"--features", &view->features},
               {"--filter", &view->filter},
               {"--ref", &view->ref}};
  *known_out = true;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (strcmp(option, texts[i].name) != 0) continue;
    *texts[i].text = value;
    return true;
  }
  if (strcmp(option, "--snapshot") == 0) return parse_snapshot(option, value, &view->snapshot_id);
  if (strcmp(option, "--as-of") == 0) return parse_time(option, value, &view->as_of_ms);
  if (strcmp(option, "--ttl") == 0) return parse_age(option, value, &view->ttl_ms);
  *known_out = false;
  return true;
}

/* For the commands that have one table, it does not matter where they stand. */
static void share_view_options(command_line *line)
{
  const view_options *view = view_of(line);
  if (view->filter != NULL) line->filter = view->filter;
  if (view->ref != NULL) line->ref = view->ref;
  if (view->snapshot_id != 0) line->snapshot_id = view->snapshot_id;
  if (view->as_of_ms != 0) line->as_of_ms = view->as_of_ms;
}

static bool parse_option(const char *option, char *value, command_line *line)
{
  bool known;
  if (!parse_view_option(option, value, line, &known)) return false;
  if (known) share_view_options(line);
  if (known) return true;
  if (!serve_settings_parse(option, value, &line->serve, &known)) return false;
  if (known) return true;
  if (strcmp(option, "--catalog") == 0)
    line->catalog = value;
  else if (strcmp(option, "--uri") == 0)
    return add_property(line, "uri", value);
  else if (strcmp(option, "--warehouse") == 0)
    return add_property(line, "warehouse", value);
  else if (strcmp(option, "--property") == 0 || strcmp(option, "-p") == 0)
    return parse_property(value, line);
  else if (strcmp(option, "--columns") == 0)
    line->columns = value;
  else if (strcmp(option, "--limit") == 0)
    return parse_count(option, value, &line->limit);
  else if (strcmp(option, "--from-snapshot") == 0)
    return parse_snapshot(option, value, &line->from_snapshot_id);
  else if (strcmp(option, "--start") == 0)
    return parse_time_us(option, value, &line->start_us);
  else if (strcmp(option, "--end") == 0)
    return parse_time_us(option, value, &line->end_us);
  else if (strcmp(option, "--branch") == 0)
    line->branch = value;
  else if (strcmp(option, "--max-ref-age") == 0)
    return parse_age(option, value, &line->max_ref_age_ms);
  else if (strcmp(option, "--max-snapshot-age") == 0)
    return parse_age(option, value, &line->max_snapshot_age_ms);
  else if (strcmp(option, "--min-snapshots") == 0)
    return parse_count(option, value, &line->min_snapshots);
  else if (strcmp(option, "--format") == 0)
    return parse_format(value, line);
  else if (strcmp(option, "--partition") == 0)
    line->partition = value;
  else if (strcmp(option, "--sort") == 0)
    line->sort = value;
  else if (strcmp(option, "--older-than") == 0)
    return parse_past(option, value, &line->older_than_ms);
  else if (strcmp(option, "--retain") == 0)
    return parse_count(option, value, &line->retain_last);
  else if (strcmp(option, "--target-size") == 0)
    return parse_count(option, value, &line->target_bytes);
  else if (strcmp(option, "--min-files") == 0)
    return parse_count(option, value, &line->min_files);
  else if (strcmp(option, "--entity-timestamp") == 0)
    line->entity_timestamp = value;
  else if (strcmp(option, "--spill-dir") == 0)
    line->spill_dir = value;
  else if (strcmp(option, "--memory-limit") == 0)
    return parse_size(option, value, &line->memory_limit_bytes);
  else if (strcmp(option, "--threads") == 0)
    return parse_threads(option, value, &line->n_threads);
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
  line->used[option] = true;
  if (options[option].value == NULL) {
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
  *line_out = (command_line){.catalog = "default",
                             .limit = -1,
                             .start_us = INT64_MIN,
                             .end_us = INT64_MAX,
                             .max_ref_age_ms = -1,
                             .max_snapshot_age_ms = -1,
                             .min_snapshots = -1};
  serve_settings_init(&line_out->serve);
  bool only_words = false; /* after "--" */
  for (int i = 1; i < argc; i++) {
    char *word = argv[i];
    if (!only_words && strcmp(word, "--") == 0) {
      only_words = true;
      continue;
    }
    bool is_number = word[0] == '-' && word[1] >= '0' && word[1] <= '9';
    if (!only_words && word[0] == '-' && word[1] != '\0' && !is_number) {
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

bool takes_options(const char *command, int flag, const command_line *line)
{
  for (int i = 0; i < N_OPTIONS; i++) {
    if (!line->used[i] || (options[i].commands & flag) != 0) continue;
    report_usage("%s takes no '%s'", command, options[i].name);
    return false;
  }
  return true;
}
