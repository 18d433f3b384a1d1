/*
 * run_catalog.c - `frazil catalog`: namespaces, and the views in them.
 */
#include <string.h>

#include "command.h"
#include "text_output.h"

static int list_views(const invocation *run)
{
  frz_string_list list = {0};
  frz_error err = {0};
  if (frz_catalog_list_views(run->catalog, run->line->arguments[2], &list, &err) != FRZ_OK)
    return report(&err);
  print_name_list(run, "view", &list);
  frz_string_list_dispose(&list);
  return EXIT_FINE;
}

static int list_namespaces(const invocation *run)
{
  const char *parent = run->line->n_arguments > 2 ? run->line->arguments[2] : NULL;
  frz_string_list list = {0};
  frz_error err = {0};
  if (frz_catalog_list_namespaces(run->catalog, parent, &list, &err) != FRZ_OK) return report(&err);
  print_name_list(run, "namespace", &list);
  frz_string_list_dispose(&list);
  return EXIT_FINE;
}

int check_catalog(const command_line *line)
{
  const char *verb = line->n_arguments > 1 ? line->arguments[1] : "ls";
  bool is_list = strcmp(verb, "ls") == 0;
  if (!is_list && strcmp(verb, "create") != 0 && strcmp(verb, "drop") != 0 &&
      strcmp(verb, "views") != 0)
    return report_usage("unknown command 'catalog %s'", verb);
  if (!is_list && line->n_arguments < 3) return report_usage("catalog %s wants a namespace", verb);
  if (line->n_arguments > 3)
    return report_usage("catalog %s: '%s' is one word too many", verb, line->arguments[3]);
  return EXIT_FINE;
}

int run_catalog(const invocation *run)
{
  const command_line *line = run->line;
  const char *verb = line->n_arguments > 1 ? line->arguments[1] : "ls";
  if (strcmp(verb, "ls") == 0) return list_namespaces(run);
  if (strcmp(verb, "views") == 0) return list_views(run);
  const char *name = line->arguments[2];
  frz_error err = {0};
  frz_status st = strcmp(verb, "create") == 0
                      ? frz_catalog_create_namespace(run->catalog, name, NULL, 0, &err)
                      : frz_catalog_drop_namespace(run->catalog, name, &err);
  return st == FRZ_OK ? EXIT_FINE : report(&err);
}
