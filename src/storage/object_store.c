/*
 * object_store.c - see object_store.h.
 */
#include "storage/object_store.h"

#include "base/limits.h"

enum {
  PROPERTY_BYTES_MAX = 16 << 20,
  OBJECT_BYTES_MAX = 32 << 20 /* ids of 50,000 blocks are kept in it */
};

void frz_object_store_init(frz_object_store *store, frz_context *context,
                           const frz_storage_lender *lender, void *lender_ctx,
                           void (*free)(frz_object_store *store))
{
  atomic_init(&store->n_references, 1);
  atomic_init(&store->clock_ahead_ms, 0);
  store->context = context;
  store->alloc = frz_context_alloc(context);
  store->lender = lender;
  store->lender_ctx = lender_ctx;
  store->free = free;
  if (lender != NULL) lender->retain(lender_ctx);
  frz_arena_init(&store->arena, store->alloc, PROPERTY_BYTES_MAX);
}

frz_status frz_object_store_read(frz_object_store *store, const frz_property *properties,
                                 size_t n_properties, const char *const *prefixes,
                                 frz_status (*set)(void *config, frz_str key, frz_str value,
                                                   frz_error *err),
                                 void *config, frz_error *err)
{
  for (size_t i = 0; i < n_properties; i++) {
    frz_str key = frz_str_from(properties[i].key);
    const char *const *prefix = prefixes;
    while (*prefix != NULL && !frz_str_starts(key, *prefix)) prefix++;
    if (*prefix == NULL) continue;
    frz_str value = frz_arena_copy(&store->arena, frz_str_from(properties[i].value));
    if (value.data == NULL) return frz_fail_nomem(err, "object store");
    FRZ_TRY(set(config, key, value, err));
  }
  return FRZ_OK;
}

frz_status frz_object_store_connect(frz_object_store *store, const frz_http_options *options,
                                    frz_error *err)
{
  return frz_http_client_create(store->context, options, &store->http, err);
}

void frz_object_store_retain(frz_object_store *store)
{
  atomic_fetch_add(&store->n_references, 1);
}

void frz_object_store_release(frz_object_store *store)
{
  if (store != NULL && atomic_fetch_sub(&store->n_references, 1) == 1) store->free(store);
}

void frz_object_store_dispose(frz_object_store *store)
{
  frz_http_client_free(store->http);
  if (store->lender != NULL) store->lender->release(store->lender_ctx);
  frz_arena_free(&store->arena);
}

/* ---- objects ---- */

frz_status frz_object_open(frz_object_store *store, const frz_object_ops *ops, frz_str uri,
                           frz_object **object_out, frz_error *err)
{
  frz_object *object = frz_alloc_zeroed(store->alloc, ops->struct_bytes);
  if (object == NULL) return frz_fail_nomem(err, "object");
  frz_object_store_retain(store);
  object->ops = ops;
  object->store = store;
  frz_arena_init(&object->arena, store->alloc, OBJECT_BYTES_MAX);
  object->uri = frz_arena_copy(&object->arena, uri);
  frz_status st =
      object->uri.data != NULL ? ops->set_up(object, err) : frz_fail_nomem(err, "object");
  if (st == FRZ_OK)
    *object_out = object;
  else
    frz_object_free(object);
  return st;
}

void frz_object_free(frz_object *object)
{
  if (object == NULL) return;
  frz_object_store *store = object->store;
  frz_arena_free(&object->arena);
  frz_alloc_free(store->alloc, object, object->ops->struct_bytes);
  frz_object_store_release(store);
}

frz_status frz_object_path(frz_object *object, frz_str path, frz_str name, bool keeps_slash,
                           frz_str *path_out, frz_error *err)
{
  frz_buf text;
  frz_buf_init(&text, object->store->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_status st = frz_buf_append_str(&text, path, err);
  if (st == FRZ_OK) st = frz_percent_encode(name, keeps_slash, &text, err);
  if (st == FRZ_OK) {
    *path_out = frz_arena_copy(&object->arena, frz_buf_str(&text));
    if (path_out->data == NULL) st = frz_fail_nomem(err, "object");
  }
  frz_buf_dispose(&text);
  return st;
}

frz_status frz_object_send(frz_object *object, frz_http_request *request, int32_t wanted,
                           frz_error *err)
{
  FRZ_TRY(frz_http_send(object->store->http, request, 1, err));
  return request->answer.status == wanted ? FRZ_OK : object->ops->fail(object, request, err);
}

frz_status frz_object_ask(frz_object *object, frz_http_answer *answer_out, frz_error *err)
{
  if (object->ops->ask != NULL) return object->ops->ask(object, answer_out, err);
  frz_http_request request = object->ops->request(object, "HEAD", NULL);
  FRZ_TRY(frz_object_send(object, &request, 200, err));
  *answer_out = request.answer;
  return FRZ_OK;
}

frz_status frz_object_remove(frz_object *object, frz_error *err)
{
  frz_buf text;
  frz_buf_init(&text, object->store->alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_http_request request = object->ops->request(object, "DELETE", &text);
  frz_status st = frz_http_send(object->store->http, &request, 1, err);
  int32_t status = request.answer.status;
  bool is_gone = status == 204 || status == 200 || status == 202;
  /* Not there any more: an attempt before this one, of which nobody heard, may have removed it. */
  if (status == 404 && request.answer.may_be_done) is_gone = true;
  if (st == FRZ_OK && !is_gone) st = object->ops->fail(object, &request, err);
  frz_buf_dispose(&text);
  return st;
}
