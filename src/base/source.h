/*
 * source.h - where bytes come from and go to: range reads and a streaming write.
 *
 * Both are small tables of functions, so that local files, object stores, memory and
 * the failing wrappers of the tests look the same to the formats above.
 */
#ifndef FRZ_BASE_SOURCE_H
#define FRZ_BASE_SOURCE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

/** One range to read: `size` bytes at `offset`, into `dest`. */
typedef struct frz_range {
  int64_t offset;
  size_t size;
  uint8_t *dest;
} frz_range;

/** What reading cost beyond this machine's memory and files. Any number of threads count. */
typedef struct frz_source_counts {
  atomic_llong n_requests;     /* to a server, those sent again counted */
  atomic_llong n_bytes;        /* of bodies that it sent */
  atomic_llong n_cached_bytes; /* that came out of a cache in its place */
} frz_source_counts;

typedef struct frz_source frz_source;
struct frz_source {
  int64_t size_bytes;
  /** Fill every range whole, or fail (FRZ_ERR_CORRUPT: past the end). Any number of threads. */
  frz_status (*read_ranges)(frz_source *source, const frz_range *ranges, size_t n_ranges,
                            frz_error *err);
  void (*free)(frz_source *source);
  /** A read is a request to a server: few long ones are cheaper than many short ones. */
  bool is_remote;
  /** Tells versions of the object apart; NULL: the store told none. */
  const char *etag;
  /** Since before it was opened; a source without a server leaves them 0. */
  frz_source_counts counts;
};

/** FRZ_ERR_CORRUPT, which says `name`, where a range does not lie inside the source. */
frz_status frz_source_check_range(const frz_source *source, frz_str name, const frz_range *range,
                                  frz_error *err) FRZ_MUST_CHECK;

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

/** Add to `total` what `now` counts beyond `seen`, which is brought up to it: however many threads
 * do so, everything is added once. */
static inline void frz_source_counts_pass(frz_source_counts *now, frz_source_counts *seen,
                                          frz_source_counts *total)
{
  atomic_llong *const from[] = {&now->n_requests, &now->n_bytes, &now->n_cached_bytes};
  atomic_llong *const at[] = {&seen->n_requests, &seen->n_bytes, &seen->n_cached_bytes};
  atomic_llong *const to[] = {&total->n_requests, &total->n_bytes, &total->n_cached_bytes};
  for (int i = 0; i < 3; i++) {
    long long before = atomic_load(at[i]);
    long long current = atomic_load(from[i]);
    while (current > before && !atomic_compare_exchange_weak(at[i], &before, current)) continue;
    if (current > before) atomic_fetch_add(to[i], current - before);
  }
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
  /* Parts of a commit that are cheaper for many sinks together; NULL: nothing is to do. */
  frz_status (*prepare)(frz_sink *sink, frz_error *err); /* nothing is written any more: begin what
                                                            commit waits for */
  void (*settle)(frz_sink *sink); /* after commit: make the name as durable as the bytes */
};

static inline frz_status frz_sink_write(frz_sink *sink, const void *data, size_t size,
                                        frz_error *err)
{
  return sink->write(sink, data, size, err);
}

static inline frz_status frz_sink_commit(frz_sink *sink, frz_error *err)
{
  frz_status st = sink->commit(sink, err);
  if (st == FRZ_OK && sink->settle != NULL) sink->settle(sink);
  return st;
}

static inline void frz_sink_free(frz_sink *sink)
{
  if (sink != NULL) sink->free(sink);
}

/** A sink that appends to a buffer of the caller. */
frz_status frz_sink_to_buf(const frz_alloc *alloc, frz_buf *buf, frz_sink **sink_out,
                           frz_error *err) FRZ_MUST_CHECK;

#endif
