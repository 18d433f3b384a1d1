/*
 * troubled_store.c - see troubled_store.h.
 */
#include "troubled_store.h"

#include <stdlib.h>

static frz_status refuse(frz_troubled_store *store, frz_error *err)
{
  long request = atomic_fetch_add(&store->requests, 1) + 1;
  bool is_hit = store->refuse_at != 0 &&
                (request == store->refuse_at || (store->all_after && request > store->refuse_at));
  return is_hit ? frz_fail(err, FRZ_ERR_IO, "request %ld is refused", request) : FRZ_OK;
}

static frz_status troubled_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  frz_troubled_store *store = ctx;
  FRZ_TRY(refuse(store, err));
  return frz_storage_open(store->real, uri, source_out, err);
}

typedef struct troubled_sink {
  frz_sink base;
  frz_troubled_store *store;
  frz_sink *real;
} troubled_sink;

static frz_status sink_write(frz_sink *sink, const void *data, size_t size, frz_error *err)
{
  troubled_sink *self = (troubled_sink *)sink;
  FRZ_TRY(frz_sink_write(self->real, data, size, err));
  sink->written_bytes = self->real->written_bytes;
  return FRZ_OK;
}

static frz_status sink_commit(frz_sink *sink, frz_error *err)
{
  troubled_sink *self = (troubled_sink *)sink;
  FRZ_TRY(refuse(self->store, err));
  return frz_sink_commit(self->real, err);
}

static void sink_free(frz_sink *sink)
{
  troubled_sink *self = (troubled_sink *)sink;
  frz_sink_free(self->real);
  free(self);
}

static frz_status troubled_create(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                  frz_error *err)
{
  frz_troubled_store *store = ctx;
  frz_sink *real;
  FRZ_TRY(refuse(store, err));
  FRZ_TRY(frz_storage_create_file(store->real, uri, must_be_new, &real, err));
  troubled_sink *sink = calloc(1, sizeof *sink);
  if (sink == NULL) abort();
  sink->base = (frz_sink){.write = sink_write, .commit = sink_commit, .free = sink_free};
  sink->store = store;
  sink->real = real;
  *sink_out = &sink->base;
  return FRZ_OK;
}

static frz_status troubled_remove(void *ctx, frz_str uri, frz_error *err)
{
  frz_troubled_store *store = ctx;
  FRZ_TRY(refuse(store, err));
  FRZ_TRY(frz_storage_remove(store->real, uri, err));
  atomic_fetch_add(&store->n_removed, 1);
  return FRZ_OK;
}

static frz_status troubled_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                                frz_error *err)
{
  frz_troubled_store *store = ctx;
  FRZ_TRY(refuse(store, err));
  return frz_storage_list(store->real, uri, visit, arg, err);
}

static void troubled_free(void *ctx)
{
  frz_troubled_store *store = ctx;
  frz_storage_release(store->real);
}

frz_storage *frz_troubled_store_wrap(frz_troubled_store *store, frz_context *context)
{
  static const frz_storage_ops ops = {.version = 1,
                                      .open = troubled_open,
                                      .create = troubled_create,
                                      .remove = troubled_remove,
                                      .list = troubled_list,
                                      .free = troubled_free};
  frz_storage *storage;
  frz_storage_retain(store->real);
  if (frz_storage_wrap(context, &ops, store, &storage, NULL) != FRZ_OK) abort();
  return storage;
}
