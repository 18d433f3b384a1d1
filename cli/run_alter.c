/*
 * run_alter.c - `frazil alter`: changes of a table that move no row.
 *
 * Every change is a word with its arguments, and one commit.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

/* The words behind the change's name; what was not given is NULL. */
typedef struct alter_words {
  const char *first;
  const char *second;
  const char *third;
  const command_line *line;
} alter_words;

typedef struct alter_change {
  const char *name;
  const char *usage; /* its arguments */
  int n_least, n_most;
  frz_status (*run)(frz_table *table, int op, const alter_words *words, frz_error *err);
  int op;
} alter_change;

static frz_status invalid(frz_error *err, const char *message, const char *word)
{
  err->code = FRZ_ERR_INVALID;
  snprintf(err->message, sizeof err->message, "%s '%s'", message, word);
  return FRZ_ERR_INVALID;
}

static frz_status number_of(const char *word, int64_t *number_out, frz_error *err)
{
  char *end = NULL;
  errno = 0;
  int64_t number = strtoll(word, &end, 10);
  if (errno != 0 || end == word || *end != '\0') return invalid(err, "not a number:", word);
  *number_out = number;
  return FRZ_OK;
}

static frz_status change_schema(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  frz_schema_change change = {.op = (frz_schema_op)op, .path = words->first};
  switch (change.op) {
  case FRZ_SCHEMA_ADD_COLUMN:
    change.type_text = words->second;
    change.default_json = words->third;
    break;
  case FRZ_SCHEMA_PROMOTE_COLUMN: change.type_text = words->second; break;
  case FRZ_SCHEMA_RENAME_COLUMN: change.new_name = words->second; break;
  case FRZ_SCHEMA_SET_DOC: change.doc = words->second; break;
  case FRZ_SCHEMA_SET_DEFAULT: change.default_json = words->second; break;
  default: change.reference = words->second; break;
  }
  return frz_table_update_schema(table, &change, 1, err);
}

static frz_status change_spec(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  frz_spec_change change = {.op = (frz_spec_op)op, .name = words->first};
  if (change.op == FRZ_SPEC_ADD_FIELD) {
    change.term = words->first;
    change.name = words->second;
  } else {
    change.new_name = words->second;
  }
  return frz_table_update_spec(table, &change, 1, err);
}

static frz_status change_order(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  (void)op;
  return frz_table_set_sort_order(table, words->first, err);
}

static frz_status set_property(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  (void)op;
  const frz_property property = {words->first, words->second};
  return frz_table_set_properties(table, &property, 1, NULL, 0, err);
}

static frz_status unset_property(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  (void)op;
  return frz_table_set_properties(table, NULL, 0, &words->first, 1, err);
}

static frz_status set_statistics(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  (void)op;
  int64_t snapshot_id = 0;
  frz_status st = number_of(words->first, &snapshot_id, err);
  return st == FRZ_OK ? frz_table_set_statistics(table, snapshot_id, words->second, err) : st;
}

static frz_status drop_statistics(frz_table *table, int op, const alter_words *words,
                                  frz_error *err)
{
  (void)op;
  int64_t snapshot_id = 0;
  frz_status st = number_of(words->first, &snapshot_id, err);
  return st == FRZ_OK ? frz_table_remove_statistics(table, snapshot_id, err) : st;
}

/* `op`: is it a branch? */
static frz_status set_ref(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  frz_ref_options options;
  frz_ref_options_init(&options);
  options.is_branch = op != 0;
  options.max_ref_age_ms = words->line->max_ref_age_ms;
  options.max_snapshot_age_ms = words->line->max_snapshot_age_ms;
  options.min_snapshots_to_keep = (int32_t)words->line->min_snapshots;
  if (words->second != NULL) {
    frz_status st = number_of(words->second, &options.snapshot_id, err);
    if (st != FRZ_OK) return st;
  }
  return frz_table_set_ref(table, words->first, &options, err);
}

static frz_status drop_ref(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  (void)op;
  return frz_table_remove_ref(table, words->first, err);
}

static frz_status upgrade(frz_table *table, int op, const alter_words *words, frz_error *err)
{
  (void)op;
  int64_t version = 0;
  frz_status st = number_of(words->first, &version, err);
  if (st != FRZ_OK) return st;
  if (version < 1 || version > 9) return invalid(err, "no format version:", words->first);
  return frz_table_upgrade(table, (int32_t)version, err);
}

static const alter_change changes[] = {
    {"add-column", "NAME TYPE [DEFAULT]", 2, 3, change_schema, FRZ_SCHEMA_ADD_COLUMN},
    {"rename-column", "NAME NEW-NAME", 2, 2, change_schema, FRZ_SCHEMA_RENAME_COLUMN},
    {"drop-column", "NAME", 1, 1, change_schema, FRZ_SCHEMA_DROP_COLUMN},
    {"promote-column", "NAME TYPE", 2, 2, change_schema, FRZ_SCHEMA_PROMOTE_COLUMN},
    {"make-optional", "NAME", 1, 1, change_schema, FRZ_SCHEMA_MAKE_OPTIONAL},
    {"set-doc", "NAME TEXT", 2, 2, change_schema, FRZ_SCHEMA_SET_DOC},
    {"set-default", "NAME DEFAULT", 2, 2, change_schema, FRZ_SCHEMA_SET_DEFAULT},
    {"move-first", "NAME", 1, 1, change_schema, FRZ_SCHEMA_MOVE_FIRST},
    {"move-before", "NAME OTHER", 2, 2, change_schema, FRZ_SCHEMA_MOVE_BEFORE},
    {"move-after", "NAME OTHER", 2, 2, change_schema, FRZ_SCHEMA_MOVE_AFTER},
    {"add-identifier", "NAME", 1, 1, change_schema, FRZ_SCHEMA_ADD_IDENTIFIER},
    {"drop-identifier", "NAME", 1, 1, change_schema, FRZ_SCHEMA_DROP_IDENTIFIER},
    {"add-partition", "TERM [NAME]", 1, 2, change_spec, FRZ_SPEC_ADD_FIELD},
    {"drop-partition", "NAME", 1, 1, change_spec, FRZ_SPEC_REMOVE_FIELD},
    {"rename-partition", "NAME NEW-NAME", 2, 2, change_spec, FRZ_SPEC_RENAME_FIELD},
    {"sort-order", "ORDER", 1, 1, change_order, 0},
    {"set-property", "NAME VALUE", 2, 2, set_property, 0},
    {"unset-property", "NAME", 1, 1, unset_property, 0},
    {"tag", "NAME [SNAPSHOT-ID]", 1, 2, set_ref, 0},
    {"branch", "NAME [SNAPSHOT-ID]", 1, 2, set_ref, 1},
    {"drop-ref", "NAME", 1, 1, drop_ref, 0},
    {"set-statistics", "SNAPSHOT-ID PUFFIN-FILE", 2, 2, set_statistics, 0},
    {"drop-statistics", "SNAPSHOT-ID", 1, 1, drop_statistics, 0},
    {"upgrade", "VERSION", 1, 1, upgrade, 0},
};

static const alter_change *find_change(const char *name)
{
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
    if (strcmp(changes[i].name, name) == 0) return &changes[i];
  return NULL;
}

static const char *list_changes(char *names, size_t size)
{
  size_t at = 0;
  names[0] = '\0';
  for (size_t i = 0; i < sizeof changes / sizeof changes[0] && at < size; i++)
    at += (size_t)snprintf(names + at, size - at, "%s%s", i == 0 ? "" : ", ", changes[i].name);
  return names;
}

void print_changes(FILE *file)
{
  fputs("\nchanges:\n", file);
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
    fprintf(file, "  %s %s\n", changes[i].name, changes[i].usage);
  fputs(
      "\nTYPE is an Iceberg type such as long, string or decimal(9,2); DEFAULT is JSON, such as 7\n"
      "or '\"none\"', for the rows that are there and rows to come, in format version 3. A TERM "
      "is\n"
      "a column or bucket(16, id), truncate(4, name), year(at), month(at), day(at), hour(at); an\n"
      "ORDER such as \"id desc nulls last, at\", \"\" for none. A tag or branch that is there\n"
      "moves; branch main SNAPSHOT-ID rolls the table back.\n",
      file);
}

/* Retention is of refs, and what is about snapshots of branches. */
static int check_retention(const command_line *line, const alter_change *change)
{
  bool is_branch = change->run == set_ref && change->op != 0;
  if (line->max_ref_age_ms >= 0 && change->run != set_ref)
    return report_usage("alter TABLE %s takes no '--max-ref-age'", change->name);
  if (line->max_snapshot_age_ms >= 0 && !is_branch)
    return report_usage("alter TABLE %s takes no '--max-snapshot-age'", change->name);
  if (line->min_snapshots >= 0 && !is_branch)
    return report_usage("alter TABLE %s takes no '--min-snapshots'", change->name);
  if (line->min_snapshots > INT32_MAX) return report_usage("--min-snapshots is too large");
  return EXIT_FINE;
}

int check_alter(const command_line *line)
{
  enum { N_BEFORE = 3 }; /* alter TABLE CHANGE */
  char names[600];
  if (line->n_arguments < N_BEFORE)
    return report_usage("alter wants a table and one of %s", list_changes(names, sizeof names));
  if (!is_table_name(line->arguments[1])) return EXIT_USAGE;
  const alter_change *change = find_change(line->arguments[2]);
  if (change == NULL)
    return report_usage("change '%s' is none of %s", line->arguments[2],
                        list_changes(names, sizeof names));
  int n = line->n_arguments - N_BEFORE;
  if (n < change->n_least || n > change->n_most)
    return report_usage("alter TABLE %s wants %s", change->name, change->usage);
  return check_retention(line, change);
}

int run_alter(const invocation *run)
{
  const char *const *arguments = run->line->arguments;
  int n = run->line->n_arguments;
  const alter_words words = {arguments[3], n > 4 ? arguments[4] : NULL, n > 5 ? arguments[5] : NULL,
                             run->line};
  const alter_change *change = find_change(arguments[2]);
  frz_error err = {0};
  frz_table *table = NULL;
  if (load_table(run, arguments[1], &table, &err) != FRZ_OK) return report_table(&err);
  frz_status st = change->run(table, change->op, &words, &err);
  if (st != FRZ_OK && strstr(err.message, "': json offset") != NULL)
    add_hint(&err, "a default is JSON: a text is written '\"text\"', quotes and all");
  frz_table_free(table);
  return st == FRZ_OK ? EXIT_FINE : report(&err);
}
