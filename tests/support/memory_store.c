/*
 * memory_store.c - see memory_store.h. Its own memory is not counted by a test's allocator.
 */
#include "memory_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "test_files.h"

static frz_memory_file *find(frz_memory_store *store, frz_str name)
{
  for (size_t i = 0; i < store->n_files; i++)
    if (frz_str_is(name, store->files[i].name)) return &store->files[i];
  return NULL;
}

static frz_memory_file *make(frz_memory_store *store, frz_str name)
{
  frz_memory_file *file = find(store, name);
  if (file == NULL) {
    if (store->n_files == FRZ_MEMORY_FILES_MAX || name.size >= sizeof file->name) abort();
    file = &store->files[store->n_files++];
    snprintf(file->name, sizeof file->name, "%.*s", (int)name.size, name.data);
    frz_buf_init(&file->data, frz_alloc_default(), (size_t)1 << 30);
  }
  file->data.size = 0;
  return file;
}

void frz_memory_store_put(frz_memory_store *store, const char *name, const void *data, size_t size)
{
  frz_memory_file *file = make(store, frz_str_from(name));
  if (size != 0 && frz_buf_append(&file->data, data, size, NULL) != FRZ_OK) abort();
}

frz_buf *frz_memory_store_find(frz_memory_store *store, const char *name)
{
  frz_memory_file *file = find(store, frz_str_from(name));
  return file != NULL ? &file->data : NULL;
}

void frz_memory_store_clear(frz_memory_store *store)
{
  for (size_t i = 0; i < store->n_files; i++) frz_buf_dispose(&store->files[i].data);
  store->n_files = 0;
}

static frz_memory_file *load_golden(frz_memory_store *store, frz_str uri)
{
  char below[300];
  char path[4096];
  size_t size;
  if (store->golden == NULL || !frz_str_starts(uri, "golden/")) return NULL;
  snprintf(below, sizeof below, "%s/%.*s", store->golden, (int)(uri.size - 7), uri.data + 7);
  frz_test_golden(below, path);
  uint8_t *data = frz_test_read(path, &size);
  if (data == NULL) return NULL;
  frz_memory_file *file = make(store, uri);
  if (frz_buf_append(&file->data, data, size, NULL) != FRZ_OK) abort();
  free(data);
  return file;
}

static frz_status store_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  frz_memory_file *file = find(ctx, uri);
  if (file == NULL) file = load_golden(ctx, uri);
  if (file == NULL)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "'%.*s' is not there", FRZ_STR_ARG(uri));
  return frz_source_from_memory(frz_alloc_default(), file->data.data, file->data.size, source_out,
                                err);
}

static frz_status store_create(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                               frz_error *err)
{
  if (must_be_new && find(ctx, uri) != NULL)
    return frz_fail(err, FRZ_ERR_EXISTS, "'%.*s' is there already", FRZ_STR_ARG(uri));
  return frz_sink_to_buf(frz_alloc_default(), &make(ctx, uri)->data, sink_out, err);
}

static frz_status store_remove(void *ctx, frz_str uri, frz_error *err)
{
  frz_memory_store *store = ctx;
  frz_memory_file *file = find(store, uri);
  if (file == NULL)
    return frz_fail(err, FRZ_ERR_NOT_FOUND, "'%.*s' is not there", FRZ_STR_ARG(uri));
  frz_buf_dispose(&file->data);
  *file = store->files[--store->n_files];
  return FRZ_OK;
}

static frz_status store_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                             frz_error *err)
{
  frz_memory_store *store = ctx;
  for (size_t i = 0; i < store->n_files; i++) {
    frz_str name = frz_str_from(store->files[i].name);
    if (name.size < uri.size || memcmp(name.data, uri.data, uri.size) != 0) continue;
    frz_storage_entry entry = {name, (int64_t)store->files[i].data.size, 0};
    FRZ_TRY(visit(arg, &entry, err));
  }
  return FRZ_OK;
}

static void store_free(void *ctx)
{
  (void)ctx;
}

frz_storage_ops frz_memory_store_ops(void)
{
  return (frz_storage_ops){.version = 1,
                           .open = store_open,
                           .create = store_create,
                           .remove = store_remove,
                           .list = store_list,
                           .free = store_free};
}
