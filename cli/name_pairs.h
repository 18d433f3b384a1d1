/*
 * name_pairs.h - lists such as "a,b=c": names, some with another behind an equals sign.
 */
#ifndef FRAZIL_CLI_NAME_PAIRS_H
#define FRAZIL_CLI_NAME_PAIRS_H

#include <stddef.h>

/** At least as many names as the list has. */
size_t name_pairs_count(const char *text);

/** Cut "a,b=c" at `*at` into its next name and what stands behind its equals sign (or NULL); `*at`
 * is NULL behind the last. */
void name_pairs_next(char **at, const char **name_out, const char **value_out);

#endif
