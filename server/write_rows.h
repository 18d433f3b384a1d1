/*
 * write_rows.h - the rows of a write request as Arrow columns of an online table.
 */
#ifndef FRAZIL_SERVER_WRITE_ROWS_H
#define FRAZIL_SERVER_WRITE_ROWS_H

#include "feature_request.h"

/** Which columns of the request hold the times. NULL: by Feast's usual names. */
typedef struct time_columns {
  const char *event;
  const char *created;
} time_columns;

/**
 * Make a stream of one batch.
 * @param[out] stream_out Owns what it needs: tree and request may go.
 * @retval FRZ_ERR_INVALID a column is missing, or a value does not fit its type; the message names
 * column and row.
 */
frz_status write_rows_stream(const json_tree *tree, const write_request *request,
                             const frz_online_info *info, time_columns times,
                             struct ArrowArrayStream *stream_out, frz_error *err) FRZ_MUST_CHECK;

#endif
