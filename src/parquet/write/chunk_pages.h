/*
 * chunk_pages.h - the finished pages of a column chunk, which wait for the end of the row group.
 *
 * One growing buffer would be copied as it grows, and at its end hold twice what it needs. The
 * bytes lie in segments instead; pages may begin in one and end in another.
 */
#ifndef FRZ_PARQUET_CHUNK_PAGES_H
#define FRZ_PARQUET_CHUNK_PAGES_H

#include "base/buf.h"
#include "base/source.h"

typedef struct frz_chunk_pages {
  frz_buf segments; /* frz_buf; all but the last are full */
  size_t size;      /* bytes of all */
  const frz_alloc *alloc;
} frz_chunk_pages;

void frz_chunk_pages_init(frz_chunk_pages *pages, const frz_alloc *alloc);

/** Free the bytes; the pages may be filled again. */
void frz_chunk_pages_dispose(frz_chunk_pages *pages);

/** After a failure some of the bytes may be there. */
frz_status frz_chunk_pages_append(frz_chunk_pages *pages, const void *data, size_t size,
                                  frz_error *err) FRZ_MUST_CHECK;

frz_status frz_chunk_pages_write(const frz_chunk_pages *pages, frz_sink *sink,
                                 frz_error *err) FRZ_MUST_CHECK;

/** Memory that is occupied. */
size_t frz_chunk_pages_memory(const frz_chunk_pages *pages);

#endif
