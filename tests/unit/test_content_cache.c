/*
 * test_content_cache.c - contents kept by name up to a bound, and the properties that turn it on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "storage/storage.h"

static frz_content *add(frz_content_cache *cache, const char *name, char fill, size_t size)
{
  frz_buf bytes;
  uint8_t *at;
  frz_content *content = NULL;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_buf_extend(&bytes, size, &at, NULL), FRZ_OK);
  memset(at, fill, size);
  assert_int_equal(frz_content_cache_add(cache, frz_str_from(name), &bytes, &content, NULL),
                   FRZ_OK);
  assert_null(bytes.data);
  return content;
}

static bool is_kept(frz_content_cache *cache, const char *name)
{
  frz_content *found = frz_content_cache_find(cache, frz_str_from(name));
  frz_content_release(found);
  return found != NULL;
}

static void test_the_least_recently_used_goes(void **state)
{
  (void)state;
  frz_content_cache *cache;
  assert_int_equal(frz_content_cache_create(frz_alloc_default(), 300, 200, &cache, NULL), FRZ_OK);
  frz_content_release(add(cache, "a", 'a', 100));
  frz_content_release(add(cache, "b", 'b', 100));
  frz_content_release(add(cache, "c", 'c', 100));
  assert_true(is_kept(cache, "a")); /* the newest now */
  frz_content_release(add(cache, "d", 'd', 1));
  assert_false(is_kept(cache, "b"));
  assert_true(is_kept(cache, "a") && is_kept(cache, "c") && is_kept(cache, "d"));
  frz_content_release(add(cache, "e", 'e', 200));
  assert_false(is_kept(cache, "a") || is_kept(cache, "c"));
  assert_true(is_kept(cache, "d") && is_kept(cache, "e"));
  frz_content_cache_free(cache);
}

static void test_what_is_in_use_stays(void **state)
{
  (void)state;
  frz_content_cache *cache;
  assert_int_equal(frz_content_cache_create(frz_alloc_default(), 100, 100, &cache, NULL), FRZ_OK);
  frz_content *held = add(cache, "a", 'a', 60);
  frz_content_release(add(cache, "b", 'b', 60));
  assert_false(is_kept(cache, "a"));
  assert_int_equal(frz_content_bytes(held).size, 60);
  assert_int_equal(frz_content_bytes(held).data[59], 'a');
  frz_content *large = add(cache, "large", 'l', 101); /* given, not kept */
  assert_int_equal(frz_content_bytes(large).size, 101);
  assert_false(is_kept(cache, "large"));
  assert_true(is_kept(cache, "b"));
  frz_content *twin = add(cache, "b", 'x', 10); /* another thread was faster */
  assert_int_equal(frz_content_bytes(twin).data[0], 'b');
  frz_content_cache_free(cache);
  frz_content_release(held);
  frz_content_release(large);
  frz_content_release(twin);
}

static void test_many_names_share_buckets(void **state)
{
  (void)state;
  enum { N = 5000 };
  char name[32];
  frz_content_cache *cache;
  assert_int_equal(frz_content_cache_create(frz_alloc_default(), N, N, &cache, NULL), FRZ_OK);
  for (int i = 0; i < 2 * N; i++) {
    snprintf(name, sizeof name, "m-%d.avro", i);
    frz_content_release(add(cache, name, 'm', 1));
  }
  for (int i = 0; i < 2 * N; i++) {
    snprintf(name, sizeof name, "m-%d.avro", i);
    assert_int_equal(is_kept(cache, name), i >= N);
  }
  frz_content_cache_free(cache);
}

static void test_properties(void **state)
{
  (void)state;
  static const struct {
    const char *key, *value;
    frz_status status;
    bool is_on;
  } cases[] = {
      {"io.manifest.cache-enabled", "true", FRZ_OK, true},
      {"io.manifest.cache-enabled", "false", FRZ_OK, false},
      {"io.manifest.cache-enabled", "yes", FRZ_ERR_INVALID, false},
      {"io.manifest.cache.max-total-bytes", "1048576", FRZ_OK, false},
      {"io.manifest.cache.max-total-bytes", "1 MB", FRZ_ERR_INVALID, false},
      {"io.manifest.cache.max-content-length", "", FRZ_ERR_INVALID, false},
      {"io.manifest.cache.max-content-length", "99999999999999999999999", FRZ_ERR_INVALID, false},
      {"other", "", FRZ_OK, false},
  };
  frz_context *context;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_storage *storage = NULL;
    frz_error err = {0};
    const frz_property property = {cases[i].key, cases[i].value};
    assert_int_equal(frz_storage_create(context, &property, 1, &storage, &err), cases[i].status);
    if (storage == NULL) {
      assert_non_null(strstr(err.message, cases[i].key));
      continue;
    }
    assert_int_equal(frz_storage_manifest_cache(storage) != NULL, cases[i].is_on);
    frz_storage_release(storage);
  }
  frz_context_free(context);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_least_recently_used_goes),
      cmocka_unit_test(test_what_is_in_use_stays),
      cmocka_unit_test(test_many_names_share_buckets),
      cmocka_unit_test(test_properties),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
