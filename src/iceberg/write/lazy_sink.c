/*
 * lazy_sink.c - see lazy_sink.h.
 *
 * Invariant: `held` is empty once `real` exists.
 */
#include "iceberg/write/lazy_sink.h"

#include <assert.h>

typedef struct lazy_sink {
  frz_sink base;
  const frz_alloc *alloc;
  frz_storage *storage;
  char *uri;
  size_t uri_bytes;
  size_t hold_bytes;
  frz_buf held;
  frz_sink *real; /* NULL: not created yet */
} lazy_sink;

static frz_status create_file(lazy_sink *self, frz_error *err)
{
  assert(self->real == NULL);
  FRZ_TRY(frz_storage_create_file(self->storage, (frz_str){self->uri, self->uri_bytes - 1}, false,
                                  &self->real, err));
  if (self->held.size != 0)
    FRZ_TRY(frz_sink_write(self->real, self->held.data, self->held.size, err));
  frz_buf_dispose(&self->held);
  return FRZ_OK;
}

static frz_status lazy_write(frz_sink *sink, const void *data, size_t size, frz_error *err)
{
  lazy_sink *self = (lazy_sink *)sink;
  bool holds = self->real == NULL && size <= self->hold_bytes - self->held.size;
  if (holds) {
    FRZ_TRY(frz_buf_append(&self->held, data, size, err));
  } else {
    if (self->real == NULL) FRZ_TRY(create_file(self, err));
    FRZ_TRY(frz_sink_write(self->real, data, size, err));
  }
  sink->written_bytes += (int64_t)size;
  return FRZ_OK;
}

static frz_status lazy_prepare(frz_sink *sink, frz_error *err)
{
  lazy_sink *self = (lazy_sink *)sink;
  if (self->real == NULL) FRZ_TRY(create_file(self, err));
  return self->real->prepare != NULL ? self->real->prepare(self->real, err) : FRZ_OK;
}

static frz_status lazy_commit(frz_sink *sink, frz_error *err)
{
  lazy_sink *self = (lazy_sink *)sink;
  if (self->real == NULL) FRZ_TRY(create_file(self, err));
  return self->real->commit(self->real, err);
}

static void lazy_settle(frz_sink *sink)
{
  frz_sink *real = ((lazy_sink *)sink)->real;
  if (real->settle != NULL) real->settle(real);
}

static void lazy_free(frz_sink *sink)
{
  lazy_sink *self = (lazy_sink *)sink;
  frz_sink_free(self->real);
  frz_buf_dispose(&self->held);
  frz_alloc_free(self->alloc, self->uri, self->uri_bytes);
  frz_alloc_free(self->alloc, self, sizeof *self);
}

frz_status frz_lazy_sink_create(const frz_alloc *alloc, frz_storage *storage, frz_str uri,
                                size_t hold_bytes, frz_sink **sink_out, frz_error *err)
{
  lazy_sink *self = frz_alloc_zeroed(alloc, sizeof *self);
  if (self == NULL) return frz_fail_nomem(err, "data file");
  self->base = (frz_sink){0, lazy_write, lazy_commit, lazy_free, lazy_prepare, lazy_settle};
  self->alloc = alloc;
  self->storage = storage;
  self->hold_bytes = hold_bytes;
  frz_buf_init(&self->held, alloc, hold_bytes);
  self->uri_bytes = uri.size + 1;
  self->uri = frz_alloc_zeroed(alloc, self->uri_bytes);
  if (self->uri == NULL) {
    frz_alloc_free(alloc, self, sizeof *self);
    return frz_fail_nomem(err, "data file");
  }
  memcpy(self->uri, uri.data, uri.size);
  *sink_out = &self->base;
  return FRZ_OK;
}

frz_status frz_lazy_sink_open(frz_sink *sink, frz_error *err)
{
  lazy_sink *self = (lazy_sink *)sink;
  return self->real == NULL ? create_file(self, err) : FRZ_OK;
}

bool frz_lazy_sink_is_open(const frz_sink *sink)
{
  return ((const lazy_sink *)sink)->real != NULL;
}

size_t frz_lazy_sink_memory(const frz_sink *sink)
{
  return ((const lazy_sink *)sink)->held.capacity;
}
