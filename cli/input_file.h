/*
 * input_file.h - a Parquet or CSV file as an Arrow stream, and how far one is.
 */
#ifndef FRAZIL_CLI_INPUT_FILE_H
#define FRAZIL_CLI_INPUT_FILE_H

#include "command.h"

/** Open a file: as CSV where it is so named, else as Parquet. CSV columns that `table` (may be
 * NULL) has too get their types from it. */
frz_status open_rows(const invocation *run, const char *path, frz_table *table,
                     struct ArrowArrayStream *stream_out, frz_error *err);

/** Let a stream show how many rows came through it, as "5 `what`", and end with a signal. On
 * failure it is released. */
frz_status count_rows(struct ArrowArrayStream *stream, const char *what, frz_error *err);

#endif
