/*
 * page_stream.h - the pages of one column chunk, in order: bytes fetched in windows, headers
 * parsed, checksums compared, bodies decompressed.
 */
#ifndef FRZ_PARQUET_PAGE_STREAM_H
#define FRZ_PARQUET_PAGE_STREAM_H

#include "base/source.h"
#include "codec/compress.h"
#include "parquet/read/page_header.h"

/** Bytes of the file that will be asked for, ascending and apart. */
typedef struct frz_segment {
  int64_t start;
  int64_t end;
} frz_segment;

/** A piece of the window: `size` bytes of the file from `offset`, at `at` in the window. */
typedef struct frz_window_piece {
  int64_t offset;
  size_t size;
  size_t at;
} frz_window_piece;

typedef struct frz_page_stream {
  frz_source *source;
  const frz_alloc *alloc;
  frz_decompressor *decompressor; /* borrowed: the columns of a reader take turns */
  frz_codec codec;
  size_t window_bytes_max; /* of one fetch, unless a page is larger */
  int64_t pos;             /* in the file: the next header, or the body whose header was read */
  int64_t end;
  frz_buf segments; /* frz_segment */
  size_t segment;   /* the first that is not behind us */
  frz_buf window;
  frz_buf pieces; /* frz_window_piece */
  size_t piece;   /* the last one used */
  frz_buf ranges; /* frz_range: of a planned fetch */
  frz_buf body;   /* decompressed */
  bool owns_body; /* the last one lies there */
} frz_page_stream;

void frz_page_stream_init(frz_page_stream *stream, frz_source *source,
                          frz_decompressor *decompressor, const frz_alloc *alloc);
void frz_page_stream_dispose(frz_page_stream *stream);

/** Start over with another chunk: [start, end) of the file, and no segments yet. */
void frz_page_stream_open(frz_page_stream *stream, int64_t start, int64_t end, frz_codec codec,
                          size_t window_bytes_max);

/** Name bytes that will be needed; calls ascend. Touching or near segments become one. */
frz_status frz_page_stream_need(frz_page_stream *stream, int64_t start, int64_t end,
                                frz_error *err) FRZ_MUST_CHECK;

/** Plan the first fetch; the caller then fills `ranges` (frz_range), perhaps together with those
 * of other streams. Without it the first page fetches. */
frz_status frz_page_stream_plan(frz_page_stream *stream, frz_error *err) FRZ_MUST_CHECK;

/** Jump to a page inside of the segments. */
void frz_page_stream_seek(frz_page_stream *stream, int64_t pos);

/** Is there another page? */
static inline bool frz_page_stream_more(const frz_page_stream *stream)
{
  return stream->pos < stream->end;
}

/** Parse the next header; its body follows with one of the two calls below. */
frz_status frz_page_stream_header(frz_page_stream *stream, frz_page_header *header_out,
                                  frz_error *err) FRZ_MUST_CHECK;

void frz_page_stream_skip(frz_page_stream *stream, const frz_page_header *header);

/** The body, checked and decompressed: v2 levels in front, as in the file. Borrowed until the next
 * call. */
frz_status frz_page_stream_body(frz_page_stream *stream, const frz_page_header *header,
                                const uint8_t **data_out, size_t *size_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** Swap the memory of the last body for that of `buf_inout`, where the body was decompressed into
 * memory of the stream's own and the buffer may hold so much; false: nothing changed. */
bool frz_page_stream_swap_body(frz_page_stream *stream, frz_buf *buf_inout);

#endif
