/*
 * csv_input.h - a CSV file as an Arrow stream.
 *
 * RFC 4180: fields by commas, quotes doubled inside quotes, one header line. An empty unquoted
 * field is null. A byte order mark is passed over, as are blank lines between rows of several
 * columns; a field has at most 16 MiB; text is UTF-8.
 */
#ifndef FRAZIL_CLI_CSV_INPUT_H
#define FRAZIL_CLI_CSV_INPUT_H

#include "command.h"

/**
 * Open a CSV file. Columns that `table_schema` (may be NULL) names get its types; the others the
 * narrowest that holds every value of the file exactly: boolean, long, double, date, timestamp
 * (UTC, where a zone is written), string. Reads the file twice where a type must be found. Messages
 * name file, line and column.
 */
frz_status csv_open(const char *path, const struct ArrowSchema *table_schema,
                    struct ArrowArrayStream *stream_out, frz_error *err);

#endif
