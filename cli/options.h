/*
 * options.h - the options of `frazil`: which commands take which, and the help about both.
 */
#ifndef FRAZIL_CLI_OPTIONS_H
#define FRAZIL_CLI_OPTIONS_H

#include "command.h"

/** Sets of commands. */
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
  FOR_PIT = 1024,
  FOR_SERVE = 2048,
  FOR_ONLINE = 4096,
  FOR_EXPLAIN = 8192,
  FOR_EXPLAINED = 16384, /* options of explain itself, whatever it explains */
  FOR_MATERIALIZE = 32768,
  FOR_ROWS = FOR_TABLE | FOR_SCAN | FOR_PIT | FOR_ORPHANS | FOR_VERIFY,
  FOR_MAINTENANCE = FOR_COMPACT | FOR_EXPIRE | FOR_ORPHANS | FOR_VERIFY,
  FOR_ALL = 16383 | FOR_MATERIALIZE
};

/** The sections of the help, in its order. */
typedef enum option_section {
  SECTION_CATALOG,
  SECTION_SCAN,
  SECTION_PIT,
  SECTION_OUTPUT,
  SECTION_IMPORT,
  SECTION_ALTER,
  SECTION_MAINTENANCE,
  SECTION_SERVE,
  SECTION_EXPLAIN,
  SECTION_ALL,
  N_SECTIONS
} option_section;

typedef struct option_info {
  const char *name;
  const char *value; /* what stands behind it in the help; NULL: it takes no value */
  int commands;
  option_section section;
  const char *help; /* NULL: another name of the option that follows */
} option_info;

/** Every option; their number goes to `n_out`. */
const option_info *list_options(int *n_out);

/** Does the command take every option that was given? Else prints which it does not. */
bool takes_options(const char *command, int flag, const command_line *line);

/** Print the help: of one command with its options, or (name NULL) of all. */
void print_help(FILE *file, const char *name, int flag);

/** Print the changes of `frazil alter` with their arguments. */
void print_changes(FILE *file);

/** Print the kinds of rows that `frazil table` knows. */
void print_metadata_tables(FILE *file);

#endif
