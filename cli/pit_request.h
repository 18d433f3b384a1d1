/*
 * pit_request.h - the words of a join, `ENTITIES TABLE [OPTION...] [TABLE [OPTION...]]...`, as the
 * library's structs.
 */
#ifndef FRAZIL_CLI_PIT_REQUEST_H
#define FRAZIL_CLI_PIT_REQUEST_H

#include "command.h"

typedef struct pit_part pit_part;

/** Made by pit_request_open(). Its views point into its parts. */
typedef struct pit_request {
  frz_pit_options options;
  frz_pit_view *views;
  pit_part *parts; /* one a view */
  size_t n_views;
} pit_request;

/** The options of the table at `arguments[at]`: those behind it, then those from `arguments[first]`
 * back, of which the nearer wins. */
view_options pit_request_options(const command_line *line, int first, int at);

/** Look at the words from `arguments[first]`, the entity file, on; prints what is wrong. */
int pit_request_check(const command_line *line, int first);

/** Load the tables, whose names begin at `arguments[first + 1]`. Dispose it on failure too. */
frz_status pit_request_open(const invocation *run, int first, pit_request *request, frz_error *err);
void pit_request_dispose(pit_request *request);

#endif
