/*
 * fault_object_stores.c - S3, Google Cloud Storage and Azure with every allocation refused in turn,
 * and with answers that are lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "object_server.h"
#include "storage/storage.h"

enum { LARGE = (9 << 20) + 5 };

typedef struct store {
  const char *name;
  const char *root;
  const char *endpoint; /* printed with the port */
  frz_property properties[5];
  size_t n_properties;
} store;

static const store stores[] = {
    {"S3",
     "s3://lake/t",
     "http://127.0.0.1:%d",
     {{"s3.endpoint", NULL},
      {"s3.access-key-id", "key"},
      {"s3.secret-access-key", "secret"},
      {"s3.session-token", "token"}},
     4},
    {"GCS",
     "gs://lake/t",
     "http://127.0.0.1:%d",
     {{"gcs.service.host", NULL}, {"gcs.oauth2.token", "token"}},
     2},
    {"Azure",
     "abfss://lake@account.dfs.core.windows.net/t",
     "AccountName=account;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:%d/account",
     {{"adls.connection-string", NULL}},
     1},
};

typedef struct fixture {
  frz_object_server server;
  char endpoint[256];
  frz_property properties[5];
  char uris[3][128];
} fixture;

static const store *store_of(fixture *f, size_t i)
{
  const store *s = &stores[i];
  print_message("  %s\n", s->name);
  snprintf(f->endpoint, sizeof f->endpoint, s->endpoint, f->server.port);
  memcpy(f->properties, s->properties, sizeof f->properties);
  f->properties[0].value = f->endpoint;
  for (int k = 0; k < 3; k++) snprintf(f->uris[k], sizeof f->uris[k], "%s/k%d", s->root, k);
  frz_object_server_clear(&f->server);
  return s;
}

static int setup(void **state)
{
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  frz_object_server_start(&f->server);
  *state = f;
  return 0;
}

static int teardown(void **state)
{
  fixture *f = *state;
  frz_object_server_stop(&f->server);
  free(f);
  return 0;
}

/* ---- the work ---- */

static frz_status count_entry(void *arg, const frz_storage_entry *entry, frz_error *err)
{
  (void)err;
  assert_int_equal(entry->modified_ms, 1767323045000);
  ++*(int *)arg;
  return FRZ_OK;
}

static void note_failure(void *arg, size_t i, const frz_error *why)
{
  (void)i;
  if (why != NULL && why->code != FRZ_ERR_NOT_FOUND) *(frz_status *)arg = why->code;
}

static frz_status write_parts(frz_storage *storage, frz_str uri, bool must_be_new,
                              const uint8_t *data, frz_error *err)
{
  frz_sink *sink = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_storage_create_file(storage, uri, must_be_new, &sink, err));
  FRZ_TRY_OUT(frz_sink_write(sink, data, LARGE, err));
  FRZ_TRY_OUT(frz_sink_commit(sink, err));
out:
  frz_sink_free(sink);
  return st;
}

/* Ranges before the tail that is kept, near and far from each other. */
static frz_status read_ranges(frz_storage *storage, frz_str uri, const uint8_t *data,
                              frz_error *err)
{
  uint8_t a[100], b[100], c[100];
  const frz_range ranges[] = {{5, sizeof a, a}, {9000000, sizeof b, b}, {300, sizeof c, c}};
  frz_source *source = NULL;
  FRZ_TRY(frz_storage_open(storage, uri, &source, err));
  assert_int_equal(source->size_bytes, LARGE);
  frz_status st = source->read_ranges(source, ranges, 3, err);
  if (st == FRZ_OK) {
    assert_memory_equal(a, data + 5, sizeof a);
    assert_memory_equal(b, data + 9000000, sizeof b);
    assert_memory_equal(c, data + 300, sizeof c);
  }
  frz_source_free(source);
  return st;
}

static frz_status use_store(fixture *f, frz_storage *storage, const uint8_t *data, const char *root,
                            frz_error *err)
{
  frz_str uri = frz_str_from(f->uris[0]);
  const frz_str uris[] = {uri, frz_str_from(f->uris[1]), frz_str_from(f->uris[2])};
  frz_status failure = FRZ_OK;
  int n = 0;
  FRZ_TRY(frz_storage_write_all(storage, uri, true, "x", 1, err));
  FRZ_TRY(write_parts(storage, uri, false, data, err));
  FRZ_TRY(read_ranges(storage, uri, data, err));
  FRZ_TRY(frz_storage_list(storage, frz_str_from(root), count_entry, &n, err));
  assert_int_equal(n, 1);
  FRZ_TRY(frz_storage_remove(storage, uri, err));
  FRZ_TRY(frz_storage_remove_many(storage, uris, 3, note_failure, &failure, err));
  return failure == FRZ_OK ? FRZ_OK : frz_fail(err, failure, "of one of many");
}

static frz_status work(fixture *f, const store *s, const frz_alloc *alloc, const uint8_t *data,
                       frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_storage *storage = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_storage_create(context, f->properties, s->n_properties, &storage, err));
  FRZ_TRY_OUT(use_store(f, storage, data, s->root, err));
out:
  frz_storage_release(storage);
  frz_context_free(context);
  return st;
}

static uint8_t *some_bytes(void)
{
  uint8_t *data = malloc(LARGE);
  assert_non_null(data);
  for (size_t i = 0; i < LARGE; i++) data[i] = (uint8_t)(i * 7 + i / 251);
  return data;
}

static void test_memory_runs_out(void **state)
{
  fixture *f = *state;
  uint8_t *data = some_bytes();
  for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
    const store *s = store_of(f, i);
    frz_fault fault = {0};
    long n = 1;
    do {
      frz_error err = {0};
      frz_object_server_clear(&f->server);
      frz_fault_arm(&fault, n);
      frz_status st = work(f, s, &fault.alloc, data, &err);
      if (st != (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM))
        print_message("request %ld: %d %s\n%s", n, (int)st, err.message, f->server.log);
      assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
      assert_int_equal(fault.live, 0);
      n++;
    } while (fault.requests >= n - 1);
    assert_true(n > 50);
  }
  free(data);
}

/* ---- credentials from elsewhere ---- */

static frz_status open_once(const frz_property *properties, const char *uri, const frz_alloc *alloc,
                            frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_storage *storage = NULL;
  frz_source *source = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_storage_create(context, properties, 2, &storage, err));
  FRZ_TRY_OUT(frz_storage_open(storage, frz_str_from(uri), &source, err));
  frz_source_free(source);
out:
  frz_storage_release(storage);
  frz_context_free(context);
  return st;
}

static void expect_nomem_until(frz_status last, const frz_property *properties, const char *uri)
{
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_error err = {0};
    frz_fault_arm(&fault, ++n);
    frz_status st = open_once(properties, uri, &fault.alloc, &err);
    if (st != last && (st != FRZ_ERR_NOMEM || fault.requests < n))
      fail_msg("request %ld: %s: %s", n, frz_status_name(st), err.message);
    assert_null(strstr(err.message, "secret-of-it"));
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
}

/* Texts have escapes, so that reading them takes memory. */
static void test_memory_runs_out_over_credentials(void **state)
{
  fixture *f = *state;
  char url[300], file[] = "/tmp/frazil-credentials-XXXXXX";
  int fd = mkstemp(file);
  assert_true(fd >= 0);
  snprintf(f->endpoint, sizeof f->endpoint, "http://127.0.0.1:%d", f->server.port);
  snprintf(url, sizeof url, "%s/credentials", f->endpoint);
  dprintf(fd,
          "{\"type\": \"authorized_user\", \"client_id\": \"a\\nb\", \"client_secret\": \"c\", "
          "\"refresh_token\": \"d\", \"token_uri\": \"%s/token\"}",
          f->endpoint);
  close(fd);
  const frz_property google[] = {{"gcs.service.host", f->endpoint}, {"gcs.credentials-file", file}};
  const frz_property amazon[] = {{"s3.endpoint", f->endpoint},
                                 {"s3.credentials-source", "container"}};
  expect_nomem_until(FRZ_ERR_CORRUPT, google, "gs://lake/k"); /* the server lends no token */
  frz_object_server_clear(&f->server); /* which took the request for a token for an object */
  assert_int_equal(setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1), 0);
  expect_nomem_until(FRZ_ERR_NOT_FOUND, amazon, "s3://lake/k");
  unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  assert_int_equal(unlink(file), 0);
}

/* ---- lost answers, names that are taken ---- */

typedef struct opened {
  frz_context *context;
  frz_storage *storage;
} opened;

static opened open_store(fixture *f, const store *s)
{
  opened o = {0};
  assert_int_equal(frz_context_create(NULL, &o.context, NULL), FRZ_OK);
  assert_int_equal(frz_storage_create(o.context, f->properties, s->n_properties, &o.storage, NULL),
                   FRZ_OK);
  return o;
}

static void close_store(opened *o)
{
  frz_storage_release(o->storage);
  frz_context_free(o->context);
}

static void test_a_lost_answer_to_a_conditional_write(void **state)
{
  fixture *f = *state;
  uint8_t *data = some_bytes();
  for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
    opened o = open_store(f, store_of(f, i));
    frz_str uri = frz_str_from(f->uris[0]);
    frz_error err = {0};
    f->server.lose_answers = 1;
    assert_int_equal(frz_storage_write_all(o.storage, uri, true, "x", 1, &err), FRZ_OK);
    assert_int_equal(f->server.lose_answers, 0);
    /* what another wrote is not taken for ours */
    assert_int_equal(frz_storage_write_all(o.storage, uri, true, "y", 1, &err), FRZ_ERR_EXISTS);
    assert_int_equal(f->server.bytes[0], 'x');
    assert_int_equal(write_parts(o.storage, uri, true, data, &err), FRZ_ERR_EXISTS);
    frz_object_server_clear(&f->server);
    f->server.lose_answers = 1;
    assert_int_equal(write_parts(o.storage, uri, true, data, &err), FRZ_OK);
    assert_int_equal(f->server.size, LARGE);
    assert_memory_equal(f->server.bytes, data, LARGE);
    /* nor is it another's, where nobody tells whose it is */
    frz_object_server_clear(&f->server);
    f->server.lose_answers = 1;
    f->server.refuses_reads = true;
    assert_int_equal(frz_storage_write_all(o.storage, uri, true, "x", 1, &err), FRZ_ERR_AUTH);
    assert_non_null(strstr(err.message, "not known"));
    assert_int_equal(err.code, FRZ_ERR_AUTH);
    assert_int_equal(f->server.bytes[0], 'x');
    f->server.refuses_reads = false;
    close_store(&o);
  }
  free(data);
}

static void test_sizes_about_the_tail(void **state)
{
  fixture *f = *state;
  static const size_t sizes[] = {0, 1, 131071, 131072, 131073, 400000};
  uint8_t *data = some_bytes();
  for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
    opened o = open_store(f, store_of(f, i));
    frz_str uri = frz_str_from(f->uris[0]);
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
      frz_buf back;
      frz_buf_init(&back, frz_alloc_default(), LARGE);
      assert_int_equal(frz_storage_write_all(o.storage, uri, false, data, sizes[k], NULL), FRZ_OK);
      assert_int_equal(frz_storage_read_all(o.storage, uri, &back, NULL), FRZ_OK);
      assert_int_equal(back.size, sizes[k]);
      if (sizes[k] != 0) assert_memory_equal(back.data, data, sizes[k]);
      frz_buf_dispose(&back);
    }
    close_store(&o);
  }
  free(data);
}

static void test_another_range_than_was_asked_for(void **state)
{
  fixture *f = *state;
  uint8_t *data = some_bytes();
  for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
    opened o = open_store(f, store_of(f, i));
    frz_str uri = frz_str_from(f->uris[0]);
    frz_source *source = NULL;
    frz_error err = {0};
    assert_int_equal(write_parts(o.storage, uri, false, data, NULL), FRZ_OK);
    f->server.shifts_ranges = true;
    assert_int_equal(frz_storage_open(o.storage, uri, &source, &err), FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "came, not from"));
    f->server.shifts_ranges = false;
    assert_int_equal(frz_storage_open(o.storage, uri, &source, NULL), FRZ_OK);
    f->server.shifts_ranges = true;
    uint8_t bytes[100];
    const frz_range range = {300, sizeof bytes, bytes};
    assert_int_equal(source->read_ranges(source, &range, 1, &err), FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "bytes from 299 on came, not from 300"));
    f->server.shifts_ranges = false;
    frz_source_free(source);
    close_store(&o);
  }
  free(data);
}

static void test_an_object_that_is_not_there(void **state)
{
  fixture *f = *state;
  for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
    const store *s = store_of(f, i);
    opened o = open_store(f, s);
    frz_source *source = NULL;
    frz_error err = {0};
    int n = 0;
    frz_str uri = frz_str_from(f->uris[0]);
    assert_int_equal(frz_storage_open(o.storage, uri, &source, &err), FRZ_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, f->uris[0]));
    assert_int_equal(frz_storage_list(o.storage, frz_str_from(s->root), count_entry, &n, NULL),
                     FRZ_OK);
    assert_int_equal(n, 0);
    /* S3 does not tell that there was nothing to delete. */
    assert_int_equal(frz_storage_remove(o.storage, uri, NULL), i == 0 ? FRZ_OK : FRZ_ERR_NOT_FOUND);
    frz_sink *sink = NULL;
    frz_str folder = frz_str_from(s->root);
    char text[128];
    snprintf(text, sizeof text, "%.*s/", (int)folder.size, folder.data);
    assert_int_equal(frz_storage_create_file(o.storage, frz_str_from(text), false, &sink, NULL),
                     FRZ_ERR_INVALID);
    close_store(&o);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(test_sizes_about_the_tail),
      TEST(test_a_lost_answer_to_a_conditional_write),
      TEST(test_another_range_than_was_asked_for),
      TEST(test_an_object_that_is_not_there),
      TEST(test_memory_runs_out),
      TEST(test_memory_runs_out_over_credentials),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
