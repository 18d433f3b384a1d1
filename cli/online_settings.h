/*
 * online_settings.h - the command line's options about online tables.
 */
#ifndef FRAZIL_CLI_ONLINE_SETTINGS_H
#define FRAZIL_CLI_ONLINE_SETTINGS_H

#include "command.h"

/** Prints a mistake and returns EXIT_USAGE. */
int check_online_settings(const command_line *line);

frz_online_options online_settings_of(const command_line *line);

#endif
