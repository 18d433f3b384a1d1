/*
 * help.c - what `frazil --help` and `frazil COMMAND --help` print.
 *
 * Options come from the table in options.c, the changes of `alter` from that in run_alter.c.
 */
#include <string.h>

#include "options.h"

enum { COMMAND_COLUMNS = 32, OPTION_COLUMNS = 26 };

typedef struct command_help {
  int flag;
  const char *usage;
  const char *help; /* lines */
} command_help;

static const command_help commands[] = {
    {FOR_CATALOG, "catalog ls [NAMESPACE]", "namespaces at the top, or directly under another"},
    {FOR_CATALOG, "catalog create NAMESPACE", "make a namespace"},
    {FOR_CATALOG, "catalog drop NAMESPACE", "drop an empty namespace"},
    {FOR_CATALOG, "catalog views NAMESPACE", "views of a REST or SQL catalog"},
    {FOR_TABLE, "table ls [NAMESPACE]", "tables of all namespaces, or of one and below"},
    {FOR_TABLE, "table show TABLE", "place, snapshot, size, columns; with --json all\nmetadata"},
    {FOR_TABLE, "table schema TABLE", "columns with field ids and types"},
    {FOR_TABLE, "table METADATA TABLE", "snapshots, files, partitions...: rows about it"},
    {FOR_TABLE, "table drop TABLE [--purge]", "drop a table; with --purge its files too"},
    {FOR_TABLE, "table rename TABLE NEW-NAME", "give a table another name"},
    {FOR_ALTER, "alter TABLE CHANGE",
     "change columns, partitioning, order, properties,\n"
     "branches, tags: one commit, no row is moved"},
    {FOR_SCAN, "scan TABLE", "rows"},
    {FOR_IMPORT, "import FILE TABLE",
     "append a Parquet or CSV file, creating the table\n"
     "if it is not there"},
    {FOR_PIT, "pit ENTITIES TABLE...",
     "join a Parquet or CSV file of entity rows with\n"
     "tables: each feature as it was at the row's time"},
    {FOR_EXPLAIN, "explain scan|pit ...",
     "what a scan or a join would read, and why the rest\n"
     "is left out; with --run what it did read"},
    {FOR_COMPACT, "compact TABLE", "write small and much-deleted files anew"},
    {FOR_MANIFESTS, "rewrite-manifests TABLE", "join manifests and order them by partition"},
    {FOR_EXPIRE, "expire TABLE", "forget old snapshots and remove their files"},
    {FOR_ORPHANS, "orphans TABLE", "files below a table that nothing leads to"},
    {FOR_VERIFY, "verify TABLE",
     "check every file against what is said of it;\n"
     "exit code 1 where there are errors"},
    {FOR_MATERIALIZE, "materialize TABLE ONLINE-TABLE",
     "write the latest row of each key of a table into\n"
     "an online table, in one commit"},
    {FOR_ONLINE, "online stats TABLE", "an online table's lookup index: keys, bytes, memory"},
    {FOR_ONLINE, "online compact TABLE",
     "join an online table's files, keeping the newest row\n"
     "a key, and expire old snapshots"},
    {FOR_SERVE, "serve", "serve a Feast project's online features over HTTP"},
    {0, "version", "print the version"},
};

static const char *const titles[N_SECTIONS] = {
    [SECTION_CATALOG] = "catalog options",
    [SECTION_SCAN] = "options about rows, for scan, pit, explain and materialize",
    [SECTION_PIT] = "join options, for pit, explain pit and materialize",
    [SECTION_OUTPUT] = "output options, for scan, pit, table METADATA, orphans and verify",
    [SECTION_IMPORT] = "import options",
    [SECTION_ALTER] = "options of changes",
    [SECTION_MAINTENANCE] = "maintenance options",
    [SECTION_SERVE] = "options of serve and online",
    [SECTION_EXPLAIN] = "explain options",
    [SECTION_ALL] = "for every command",
};

/* `left` in its column, then the lines of `help` in theirs. */
static void print_entry(FILE *file, const char *left, const char *help, int columns)
{
  fprintf(file, "  %-*s", columns, left);
  for (const char *at = help;;) {
    size_t size = strcspn(at, "\n");
    fprintf(file, "%.*s\n", (int)size, at);
    if (at[size] == '\0') return;
    at += size + 1;
    fprintf(file, "  %-*s", columns, "");
  }
}

static void print_section(FILE *file, option_section section, int flag)
{
  int n;
  const option_info *options = list_options(&n);
  bool any = false;
  const char *short_name = NULL;
  for (int i = 0; i < n; i++) {
    const option_info *option = &options[i];
    if (option->section != section || (option->commands & flag) == 0) continue;
    if (option->help == NULL) {
      short_name = option->name;
      continue;
    }
    char left[64];
    snprintf(left, sizeof left, "%s%s%s%s%s", short_name != NULL ? short_name : "",
             short_name != NULL ? ", " : "", option->name, option->value != NULL ? " " : "",
             option->value != NULL ? option->value : "");
    if (!any && flag == FOR_ALL) fprintf(file, "\n%s:\n", titles[section]);
    any = true;
    print_entry(file, left, option->help, OPTION_COLUMNS);
    short_name = NULL;
  }
}

static const char notes[] =
    "\n"
    "TABLE is namespace.table, or a path of a table folder or metadata file (no catalog needed;\n"
    "read-only). TIME is 2026-01-31T12:00:00Z, a date (UTC) or milliseconds since 1970.\n"
    "\n"
    "exit codes: 0 done, 1 it could not be done, 2 the command line is wrong, 130 interrupted.\n";

static void print_commands(FILE *file, int flag)
{
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (flag == FOR_ALL || (commands[i].flag & flag) != 0)
      print_entry(file, commands[i].usage, commands[i].help, COMMAND_COLUMNS);
}

void print_help(FILE *file, const char *name, int flag)
{
  if (name == NULL) {
    fputs("frazil - Apache Iceberg tables for feature stores\n\n"
          "usage: frazil COMMAND [ARGUMENT...] [OPTION...]\n\n",
          file);
    print_commands(file, FOR_ALL);
    fputs("\nfrazil COMMAND --help tells more of a command.\n", file);
    for (int section = 0; section < N_SECTIONS; section++)
      print_section(file, (option_section)section, FOR_ALL);
  } else {
    fprintf(file, "usage of frazil %s:\n\n", name);
    print_commands(file, flag);
    if (flag == FOR_ALTER) print_changes(file);
    if (flag == FOR_TABLE) print_metadata_tables(file);
    if (flag == FOR_PIT)
      fputs(
          "\nOptions of a table stand behind it; those in front of the first table are for all.\n",
          file);
    fputs("\noptions:\n", file);
    for (int section = SECTION_SCAN; section < N_SECTIONS; section++)
      print_section(file, (option_section)section, flag);
    print_section(file, SECTION_CATALOG, flag);
  }
  fputs(notes, file);
}
