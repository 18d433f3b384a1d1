/*
 * source.c - sources and sinks over memory.
 */
#include "base/source.h"

#include <string.h>

frz_status frz_source_check_range(const frz_source *source, frz_str name, const frz_range *range,
                                  frz_error *err)
{
  int64_t size = source->size_bytes;
  if (range->offset >= 0 && range->offset <= size &&
      range->size <= (uint64_t)(size - range->offset))
    return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT,
                  "read '%.*s': %zu bytes at offset %lld pass the end at %lld", FRZ_STR_ARG(name),
                  range->size, (long long)range->offset, (long long)size);
}

typedef struct memory_source {
  frz_source base;
  const frz_alloc *alloc;
  const uint8_t *data;
} memory_source;

static frz_status memory_read_ranges(frz_source *source, const frz_range *ranges, size_t n_ranges,
                                     frz_error *err)
{
  memory_source *memory = (memory_source *)source;
  for (size_t i = 0; i < n_ranges; i++) {
    if (ranges[i].offset < 0 || ranges[i].offset > source->size_bytes ||
        ranges[i].size > (size_t)(source->size_bytes - ranges[i].offset))
      return frz_fail(err, FRZ_ERR_CORRUPT, "%zu bytes at offset %lld pass the end at %lld",
                      ranges[i].size, (long long)ranges[i].offset, (long long)source->size_bytes);
    if (ranges[i].size != 0)
      memcpy(ranges[i].dest, memory->data + ranges[i].offset, ranges[i].size);
  }
  return FRZ_OK;
}

static void memory_source_free(frz_source *source)
{
  frz_alloc_free(((memory_source *)source)->alloc, source, sizeof(memory_source));
}

frz_status frz_source_from_memory(const frz_alloc *alloc, const void *data, size_t size,
                                  frz_source **source_out, frz_error *err)
{
  memory_source *memory = frz_alloc_zeroed(alloc, sizeof *memory);
  if (memory == NULL) return frz_fail_nomem(err, "memory source");
  memory->base.size_bytes = (int64_t)size;
  memory->base.read_ranges = memory_read_ranges;
  memory->base.free = memory_source_free;
  memory->alloc = alloc;
  memory->data = data;
  *source_out = &memory->base;
  return FRZ_OK;
}

typedef struct memory_sink {
  frz_sink base;
  const frz_alloc *alloc;
  frz_buf *buf;
} memory_sink;

static frz_status memory_write(frz_sink *sink, const void *data, size_t size, frz_error *err)
{
  FRZ_TRY(frz_buf_append(((memory_sink *)sink)->buf, data, size, err));
  sink->written_bytes += (int64_t)size;
  return FRZ_OK;
}

static frz_status memory_commit(frz_sink *sink, frz_error *err)
{
  (void)sink;
  (void)err;
  return FRZ_OK;
}

static void memory_sink_free(frz_sink *sink)
{
  frz_alloc_free(((memory_sink *)sink)->alloc, sink, sizeof(memory_sink));
}

frz_status frz_sink_to_buf(const frz_alloc *alloc, frz_buf *buf, frz_sink **sink_out,
                           frz_error *err)
{
  memory_sink *memory = frz_alloc_zeroed(alloc, sizeof *memory);
  if (memory == NULL) return frz_fail_nomem(err, "memory sink");
  memory->base.write = memory_write;
  memory->base.commit = memory_commit;
  memory->base.free = memory_sink_free;
  memory->alloc = alloc;
  memory->buf = buf;
  *sink_out = &memory->base;
  return FRZ_OK;
}
