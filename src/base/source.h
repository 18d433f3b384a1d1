/*
 * source.h - where bytes come from and go to: range reads and a streaming write.
 *
 * Both are small tables of functions, so that local files, object stores, memory and
 * the failing wrappers of the tests look the same to the formats above.
 */
#ifndef FRZ_BASE_SOURCE_H
#define FRZ_BASE_SOURCE_H

#include <stdint.h>

#include "base/buf.h"

/** One range to read: `size` bytes at `offset`, into `dest`. */
typedef struct frz_range {
  int64_t offset;
  size_t size;
  uint8_t *dest;
} frz_range;

typedef struct frz_source frz_source;
struct frz_source {
  int64_t size_bytes;
  /** Fill every range whole, or fail (FRZ_ERR_CORRUPT: past the end). Any number of threads. */
  frz_status (*read_ranges)(frz_source *source, const frz_range *ranges, size_t n_ranges,
                            frz_error *err);
  void (*free)(frz_source *source);
};

static inline frz_status frz_source_read(frz_source *source, int64_t offset, size_t size,
                                         uint8_t *dest, frz_error *err)
{
  frz_range range = {offset, size, dest};
  return source->read_ranges(source, &range, 1, err);
}

static inline void frz_source_free(frz_source *source)
{
  if (source != NULL) source->free(source);
}

/** A source over memory that the caller keeps alive. */
frz_status frz_source_from_memory(const frz_alloc *alloc, const void *data, size_t size,
                                  frz_source **source_out, frz_error *err) FRZ_MUST_CHECK;

/**
 * A streaming write. Nothing is visible under the final name before commit; abort (or freeing
 * without commit) leaves nothing behind.
 */
typedef struct frz_sink frz_sink;
struct frz_sink {
  int64_t written_bytes;
  frz_status (*write)(frz_sink *sink, const void *data, size_t size, frz_error *err);
  frz_status (*commit)(frz_sink *sink, frz_error *err);
  void (*free)(frz_sink *sink); /* aborts when not committed */
};

static inline frz_status frz_sink_write(frz_sink *sink, const void *data, size_t size,
                                        frz_error *err)
{
  return sink->write(sink, data, size, err);
}

static inline frz_status frz_sink_commit(frz_sink *sink, frz_error *err)
{
  return sink->commit(sink, err);
}

static inline void frz_sink_free(frz_sink *sink)
{
  if (sink != NULL) sink->free(sink);
}

/** A sink that appends to a buffer of the caller. */
frz_status frz_sink_to_buf(const frz_alloc *alloc, frz_buf *buf, frz_sink **sink_out,
                           frz_error *err) FRZ_MUST_CHECK;

#endif
