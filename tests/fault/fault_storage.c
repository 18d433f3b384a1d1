/*
 * fault_storage.c - refused allocations in local files and in the cache of remote ones: no leak, no
 * file left behind, no wrong byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "storage/file_cache.h"
#include "storage/storage.h"
#include "test_files.h"

static frz_status count_entry(void *arg, const frz_storage_entry *entry, frz_error *err)
{
  (void)entry;
  (void)err;
  ++*(int *)arg;
  return FRZ_OK;
}

static int count_files(const char *folder)
{
  frz_context *context = NULL;
  frz_storage *storage = NULL;
  int n = 0;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  assert_int_equal(frz_storage_create(context, NULL, 0, &storage, NULL), FRZ_OK);
  assert_int_equal(frz_storage_list(storage, frz_str_from(folder), count_entry, &n, NULL), FRZ_OK);
  frz_storage_release(storage);
  frz_context_free(context);
  return n;
}

static frz_status stream_file(frz_storage *storage, frz_str uri, frz_error *err)
{
  static const uint8_t data[50000];
  frz_status st = FRZ_OK;
  frz_sink *sink = NULL;
  FRZ_TRY(frz_storage_create_file(storage, uri, false, &sink, err));
  for (int i = 0; i < 5; i++) FRZ_TRY_OUT(frz_sink_write(sink, data, sizeof data, err));
  FRZ_TRY_OUT(frz_sink_commit(sink, err));
out:
  frz_sink_free(sink);
  return st;
}

static frz_status use_files(frz_storage *storage, const char *folder, const frz_alloc *alloc,
                            frz_error *err)
{
  char path[512];
  int n = 0;
  frz_buf buf;
  frz_status st = FRZ_OK;
  frz_buf_init(&buf, alloc, 1 << 20);
  snprintf(path, sizeof path, "file://%s/a/b/c/file", folder);
  frz_str uri = frz_str_from(path);
  FRZ_TRY_OUT(stream_file(storage, uri, err));
  FRZ_TRY_OUT(frz_storage_read_all(storage, uri, &buf, err));
  assert_int_equal(buf.size, 250000);
  FRZ_TRY_OUT(frz_storage_list(storage, frz_str_from(folder), count_entry, &n, err));
  assert_int_equal(n, 1);
  FRZ_TRY_OUT(frz_storage_remove(storage, uri, err));
  FRZ_TRY_OUT(frz_storage_write_all(storage, uri, true, "x", 1, err));
  st = frz_storage_write_all(storage, uri, true, "y", 1, err);
  if (st == FRZ_ERR_EXISTS) st = frz_storage_remove(storage, uri, err);
out:
  frz_buf_dispose(&buf);
  return st;
}

static frz_status work(const frz_alloc *alloc, const char *folder, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_storage *storage = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_storage_create(context, NULL, 0, &storage, err));
  FRZ_TRY_OUT(use_files(storage, folder, alloc, err));
out:
  frz_storage_release(storage);
  frz_context_free(context);
  return st;
}

static void test_local_files(void **state)
{
  (void)state;
  char folder[256];
  frz_test_folder(folder);
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_error err = {0};
    frz_fault_arm(&fault, ++n);
    frz_status st = work(&fault.alloc, folder, &err);
    assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
    assert_int_equal(err.code != FRZ_ERR_NOMEM, fault.requests < n);
    assert_int_equal(fault.live, 0);
    int n_left = count_files(folder);
    assert_true(n_left <= 1); /* the finished file, never a temporary one beside it */
  } while (fault.requests >= n);
  assert_int_equal(count_files(folder), 0);
  assert_true(n > 10);
  frz_test_folder_remove(folder);
}

/* ---- the cache of files ---- */

static const uint8_t object[200000] = {1, 2, 3};

static frz_status open_object(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  (void)uri;
  return frz_source_from_memory(ctx, object, sizeof object, source_out, err);
}

static void count_nothing(void *ctx)
{
  (void)ctx;
}

static frz_status read_twice(frz_file_cache *cache, const frz_alloc *alloc, frz_error *err)
{
  static uint8_t bytes[sizeof object];
  const frz_file_opener opener = {open_object, count_nothing, count_nothing,
                                  (void *)(uintptr_t)alloc, 0};
  for (int i = 0; i < 2; i++) {
    frz_source *source;
    memset(bytes, 0xff, sizeof bytes);
    FRZ_TRY(frz_file_cache_open(
        cache, &opener, FRZ_STR("s3://b/2f1b7a4e-11c4-4d3e-9c55-0d2f4c4b8a01"), &source, err));
    frz_status st = frz_source_read(source, 7, sizeof object - 7, bytes, err);
    frz_source_free(source);
    FRZ_TRY(st);
    assert_memory_equal(bytes, object + 7, sizeof object - 7);
  }
  return FRZ_OK;
}

static frz_status cached_work(const frz_alloc *alloc, const char *folder, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_file_cache *cache = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_file_cache_create(context, frz_str_from(folder), 1 << 20, &cache, err));
  FRZ_TRY_OUT(read_twice(cache, alloc, err));
out:
  frz_file_cache_free(cache);
  frz_context_free(context);
  return st;
}

static void test_cached_files(void **state)
{
  (void)state;
  frz_fault fault = {0};
  long n = 0;
  do {
    char folder[256];
    frz_error err = {0};
    frz_test_folder(folder);
    frz_fault_arm(&fault, ++n);
    frz_status st = cached_work(&fault.alloc, folder, &err);
    /* Refusals that only concern what is kept fail no read. */
    assert_true(st == FRZ_OK || (st == FRZ_ERR_NOMEM && fault.requests >= n));
    assert_int_equal(fault.live, 0);
    frz_test_folder_remove(folder);
  } while (fault.requests >= n);
  assert_true(n > 10);
}

/* ---- files that stay open ---- */

static frz_status open_remote_object(void *ctx, frz_str uri, frz_source **source_out,
                                     frz_error *err)
{
  FRZ_TRY(open_object(ctx, uri, source_out, err));
  (*source_out)->is_remote = true;
  return FRZ_OK;
}

static frz_status kept_work(const frz_alloc *alloc, frz_error *err)
{
  static const char *const names[] = {"s3://b/a", "s3://b/b", "s3://b/a", "s3://b/a"};
  const frz_storage_ops ops = {.version = 1, .open = open_remote_object};
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_storage *storage = NULL, *view = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_storage_wrap(context, &ops, (void *)(uintptr_t)alloc, &storage, err));
  FRZ_TRY_OUT(frz_storage_keep(storage, 1, &view, err));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    frz_source *source;
    FRZ_TRY_OUT(frz_storage_open_cached(view, frz_str_from(names[i]), &source, err));
    frz_source_free(source);
  }
out:
  frz_storage_release(view);
  frz_storage_release(storage);
  frz_context_free(context);
  return st;
}

static void test_kept_files(void **state)
{
  (void)state;
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_error err = {0};
    frz_fault_arm(&fault, ++n);
    frz_status st = kept_work(&fault.alloc, &err);
    assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 10);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_local_files),
                                     cmocka_unit_test(test_cached_files),
                                     cmocka_unit_test(test_kept_files)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
