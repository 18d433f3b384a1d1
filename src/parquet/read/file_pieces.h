/*
 * file_pieces.h - many small pieces of a file, read in few requests.
 */
#ifndef FRZ_PARQUET_FILE_PIECES_H
#define FRZ_PARQUET_FILE_PIECES_H

#include "base/source.h"

typedef struct frz_file_piece {
  int64_t offset;
  size_t size;         /* > 0 */
  const uint8_t *data; /* filled in; borrowed from the buffer */
} frz_file_piece;

/** Read pieces that lie within the file, in any order, in one call of the source: those that are
 * at most `gap_bytes` apart as one range. `bytes` bounds what is read and holds it. */
frz_status frz_file_pieces_read(frz_source *source, frz_file_piece *pieces, size_t n_pieces,
                                size_t gap_bytes, frz_buf *bytes, frz_error *err) FRZ_MUST_CHECK;

#endif
