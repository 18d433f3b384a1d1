/*
 * arrow_stream.h - Arrow streams in and out of frazil.
 */
#ifndef FRZ_ARROW_ARROW_STREAM_H
#define FRZ_ARROW_ARROW_STREAM_H

#include "arrow/column.h"

/** What produces batches for an outgoing stream. */
typedef struct frz_batch_source {
  void *self;
  /** The next batch into an uninitialised `batch_out`; n_rows 0 is the end. */
  frz_status (*next)(void *self, frz_batch *batch_out, frz_error *err);
  void (*free)(void *self);
} frz_batch_source;

/**
 * Make a C stream. The source is owned by the stream from here (on failure it is freed).
 * Stream callbacks return errno values: EINVAL, ENOMEM, EIO..., and get_last_error the message,
 * which starts with the status' name in brackets, as "[FRZ_ERR_IO] ...", so that a caller on the
 * other side can raise the right error.
 */
frz_status frz_stream_export(const frz_arrow_field *fields, size_t n_fields,
                             frz_batch_source source, const frz_alloc *alloc,
                             struct ArrowArrayStream *stream_out, frz_error *err) FRZ_MUST_CHECK;

/** A stream of one or more batches that are complete already; takes the batches. */
frz_status frz_stream_export_batches(const frz_arrow_field *fields, size_t n_fields,
                                     frz_batch *batches, size_t n_batches, const frz_alloc *alloc,
                                     struct ArrowArrayStream *stream_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** Reads a foreign stream: schema once, then batches in the normal layouts. */
typedef struct frz_stream_reader {
  int64_t rows_max; /* longer arrays come as several batches; 0: as they are. Set after opening. */
  struct ArrowArrayStream stream;
  struct ArrowSchema schema;
  struct ArrowArray array; /* some of its rows are still to come; else released */
  int64_t array_row;
  int64_t array_piece_rows;
  frz_arena arena;
  frz_arrow_field *fields;
  size_t n_fields;
  const frz_alloc *alloc;
} frz_stream_reader;

/** Takes the stream (moved out, also on failure). */
frz_status frz_stream_reader_open(frz_stream_reader *reader, struct ArrowArrayStream *stream,
                                  const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;

/** The next batch, copied and checked (offsets, lengths, null counts); n_rows 0 is the end: empty
 * batches in between are passed over. An array with a dictionary longer than `rows_max` comes in
 * pieces as long as that. */
frz_status frz_stream_reader_next(frz_stream_reader *reader, frz_batch *batch_out,
                                  frz_error *err) FRZ_MUST_CHECK;

void frz_stream_reader_dispose(frz_stream_reader *reader);

#endif
