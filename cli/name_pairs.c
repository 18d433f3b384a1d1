/*
 * name_pairs.c - see name_pairs.h.
 */
#include "name_pairs.h"

#include <string.h>

size_t name_pairs_count(const char *text)
{
  size_t n = 1;
  for (; *text != '\0'; text++) n += *text == ',';
  return n;
}

void name_pairs_next(char **at, const char **name_out, const char **value_out)
{
  char *start = *at;
  char *comma = strchr(start, ',');
  if (comma != NULL) *comma = '\0';
  *at = comma != NULL ? comma + 1 : NULL;
  char *equals = strchr(start, '=');
  if (equals != NULL) *equals = '\0';
  *name_out = start;
  *value_out = equals != NULL ? equals + 1 : NULL;
}
