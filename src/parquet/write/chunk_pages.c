/*
 * chunk_pages.c - see chunk_pages.h.
 *
 * A segment grows like any buffer up to its maximum, so that short chunks stay small.
 */
#include "parquet/write/chunk_pages.h"

enum { SEGMENT_BYTES = 256 << 10 };

void frz_chunk_pages_init(frz_chunk_pages *pages, const frz_alloc *alloc)
{
  *pages = (frz_chunk_pages){.alloc = alloc};
  frz_buf_init(&pages->segments, alloc, SIZE_MAX / 4);
}

static frz_buf *segments_of(const frz_chunk_pages *pages, size_t *n_out)
{
  *n_out = pages->segments.size / sizeof(frz_buf);
  return (frz_buf *)(void *)pages->segments.data;
}

void frz_chunk_pages_dispose(frz_chunk_pages *pages)
{
  size_t n;
  frz_buf *segments = segments_of(pages, &n);
  for (size_t i = 0; i < n; i++) frz_buf_dispose(&segments[i]);
  frz_buf_dispose(&pages->segments);
  pages->size = 0;
}

/* The segment that has room. */
static frz_status last_segment(frz_chunk_pages *pages, frz_buf **last_out, frz_error *err)
{
  size_t n;
  frz_buf *segments = segments_of(pages, &n);
  if (n == 0 || segments[n - 1].size == SEGMENT_BYTES) {
    frz_buf fresh;
    frz_buf_init(&fresh, pages->alloc, SEGMENT_BYTES);
    FRZ_TRY(frz_buf_append(&pages->segments, &fresh, sizeof fresh, err));
    segments = segments_of(pages, &n);
  }
  *last_out = &segments[n - 1];
  return FRZ_OK;
}

frz_status frz_chunk_pages_append(frz_chunk_pages *pages, const void *data, size_t size,
                                  frz_error *err)
{
  const uint8_t *from = data;
  while (size > 0) {
    frz_buf *last;
    FRZ_TRY(last_segment(pages, &last, err));
    size_t piece = SEGMENT_BYTES - last->size < size ? SEGMENT_BYTES - last->size : size;
    FRZ_TRY(frz_buf_append(last, from, piece, err));
    from += piece;
    size -= piece;
    pages->size += piece;
  }
  return FRZ_OK;
}

frz_status frz_chunk_pages_write(const frz_chunk_pages *pages, frz_sink *sink, frz_error *err)
{
  size_t n;
  const frz_buf *segments = segments_of(pages, &n);
  for (size_t i = 0; i < n; i++)
    FRZ_TRY(frz_sink_write(sink, segments[i].data, segments[i].size, err));
  return FRZ_OK;
}

size_t frz_chunk_pages_memory(const frz_chunk_pages *pages)
{
  size_t n;
  const frz_buf *segments = segments_of(pages, &n);
  size_t bytes = pages->segments.capacity;
  for (size_t i = 0; i < n; i++) bytes += segments[i].capacity;
  return bytes;
}
