/*
 * test_storage.c - local files, schemes, wrapped operations.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/storage.h"
#include "test_files.h"

typedef struct fixture {
  frz_context *context;
  frz_storage *storage;
  char folder[256];
} fixture;

static int setup(void **state)
{
  fixture *f = calloc(1, sizeof *f);
  assert_int_equal(frz_context_create(NULL, &f->context, NULL), FRZ_OK);
  assert_int_equal(frz_storage_create(f->context, NULL, 0, &f->storage, NULL), FRZ_OK);
  frz_test_folder(f->folder);
  *state = f;
  return 0;
}

static int teardown(void **state)
{
  fixture *f = *state;
  frz_storage_release(f->storage);
  frz_context_free(f->context);
  frz_test_folder_remove(f->folder);
  free(f);
  return 0;
}

/* A URI below the test's folder; four may be in use at once. */
static frz_str uri_of(const fixture *f, const char *prefix, const char *name)
{
  static char texts[4][1024];
  static unsigned turn;
  char *text = texts[turn++ % 4];
  int n = snprintf(text, sizeof texts[0], "%s%s/%s", prefix, f->folder, name);
  assert_true(n > 0 && n < (int)sizeof texts[0]);
  return (frz_str){text, (size_t)n};
}

static void assert_file(fixture *f, frz_str uri, const void *data, size_t size)
{
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 1 << 24);
  assert_int_equal(frz_storage_read_all(f->storage, uri, &buf, NULL), FRZ_OK);
  assert_int_equal(buf.size, size);
  if (size != 0) assert_memory_equal(buf.data, data, size);
  frz_buf_dispose(&buf);
}

static frz_status count_entry(void *arg, const frz_storage_entry *entry, frz_error *err)
{
  (void)entry;
  (void)err;
  ++*(int *)arg;
  return FRZ_OK;
}

static int count_files(fixture *f, const char *name)
{
  int n = 0;
  assert_int_equal(frz_storage_list(f->storage, uri_of(f, "", name), count_entry, &n, NULL),
                   FRZ_OK);
  return n;
}

static void test_local_paths(void **state)
{
  (void)state;
  static const struct {
    const char *uri;
    const char *path; /* NULL: not local */
  } cases[] = {
      {"/a/b", "/a/b"},
      {"a/b", "a/b"},
      {"file:///a/b", "/a/b"},
      {"file:/a/b", "/a/b"},
      {"FILE:///a/b", "/a/b"},
      {"file://localhost/a", "/a"},
      {"file:a", "a"},
      {"file:///a%20b", "/a%20b"},
      {"/a:b/c", "/a:b/c"},
      {"a:b", "a:b"},
      {"part=x://y", "part=x://y"},
      {"1a://b", "1a://b"},
      {"file://host/a", NULL},
      {"s3://bucket/key", NULL},
      {"abfss://c@a.dfs.core.windows.net/x", NULL},
      {"hdfs://n:8020/x", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_str path = {0};
    bool local = frz_storage_local_path(frz_str_from(cases[i].uri), &path);
    print_message("  %s\n", cases[i].uri);
    assert_int_equal(local, cases[i].path != NULL);
    if (local) assert_true(frz_str_is(path, cases[i].path));
  }
}

static void test_refused_uris(void **state)
{
  fixture *f = *state;
  static const struct {
    const char *uri;
    frz_status status;
    const char *message;
  } cases[] = {
      {"s3://", FRZ_ERR_INVALID, "names no bucket"},
      {"hdfs://n:8020/key", FRZ_ERR_UNSUPPORTED, "'hdfs://'"},
      {"gs://", FRZ_ERR_INVALID, "names no bucket"},
      {"abfss://@a.dfs.core.windows.net/x", FRZ_ERR_INVALID, "names no container"},
      {"file://host/a", FRZ_ERR_INVALID, "another machine"},
      {"", FRZ_ERR_INVALID, "empty URI"},
      {"file:", FRZ_ERR_INVALID, "not the path of a file"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_error err = {0};
    frz_source *source = NULL;
    frz_sink *sink = NULL;
    frz_str uri = frz_str_from(cases[i].uri);
    assert_int_equal(frz_storage_open(f->storage, uri, &source, &err), cases[i].status);
    assert_non_null(strstr(err.message, cases[i].message));
    assert_int_equal(frz_storage_create_file(f->storage, uri, false, &sink, NULL), cases[i].status);
    assert_int_equal(frz_storage_remove(f->storage, uri, NULL), cases[i].status);
    int n = 0;
    assert_int_equal(frz_storage_list(f->storage, uri, count_entry, &n, NULL), cases[i].status);
    assert_null(source);
    assert_null(sink);
  }
  frz_error err = {0};
  frz_source *source = NULL;
  assert_int_equal(frz_storage_open(f->storage, (frz_str){"/tmp/a\0b", 8}, &source, &err),
                   FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "NUL"));
}

static void test_write_then_read(void **state)
{
  fixture *f = *state;
  static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 200000};
  uint8_t *data = malloc(200000);
  for (size_t i = 0; i < 200000; i++) data[i] = (uint8_t)(i * 7 + i / 256);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    frz_str uri = uri_of(f, "file://", "new/folders/file.bin");
    assert_int_equal(frz_storage_write_all(f->storage, uri, false, data, sizes[i], NULL), FRZ_OK);
    assert_file(f, uri, data, sizes[i]);
    assert_file(f, uri_of(f, "", "new/folders/file.bin"), data, sizes[i]);
    assert_file(f, uri_of(f, "file:", "new//folders/file.bin"), data, sizes[i]);
  }
  assert_int_equal(count_files(f, ""), 1); /* no temporary file stays */
  free(data);
}

static void test_streamed_write_of_many_pieces(void **state)
{
  fixture *f = *state;
  frz_sink *sink = NULL;
  frz_str uri = uri_of(f, "", "pieces");
  uint8_t *expected = malloc(2000000);
  size_t size = 0;
  assert_int_equal(frz_storage_create_file(f->storage, uri, false, &sink, NULL), FRZ_OK);
  for (size_t step = 1; size + step < 2000000; step = step * 3 % 150001) {
    memset(expected + size, (int)(step & 255), step);
    assert_int_equal(frz_sink_write(sink, expected + size, step, NULL), FRZ_OK);
    size += step;
    assert_int_equal(sink->written_bytes, size);
  }
  assert_int_equal(frz_sink_commit(sink, NULL), FRZ_OK);
  frz_error err = {0};
  assert_int_equal(frz_sink_commit(sink, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_sink_write(sink, "x", 1, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "already committed"));
  frz_sink_free(sink);
  assert_file(f, uri, expected, size);
  free(expected);
}

static void test_nothing_is_visible_before_commit(void **state)
{
  fixture *f = *state;
  frz_str uri = uri_of(f, "", "a/file");
  frz_sink *sink = NULL;
  frz_source *source = NULL;
  frz_error err = {0};
  assert_int_equal(frz_storage_create_file(f->storage, uri, true, &sink, NULL), FRZ_OK);
  assert_int_equal(frz_sink_write(sink, "half", 4, NULL), FRZ_OK);
  assert_int_equal(frz_storage_open(f->storage, uri, &source, &err), FRZ_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "a/file"));
  frz_sink_free(sink);
  assert_int_equal(frz_storage_open(f->storage, uri, &source, NULL), FRZ_ERR_NOT_FOUND);
  assert_int_equal(count_files(f, ""), 0);
  assert_null(source);
}

static void test_names_that_are_taken(void **state)
{
  fixture *f = *state;
  frz_str uri = uri_of(f, "", "metadata/v1.json");
  frz_error err = {0};
  assert_int_equal(frz_storage_write_all(f->storage, uri, true, "one", 3, NULL), FRZ_OK);
  assert_int_equal(frz_storage_write_all(f->storage, uri, true, "two", 3, &err), FRZ_ERR_EXISTS);
  assert_non_null(strstr(err.message, "v1.json"));
  assert_file(f, uri, "one", 3);
  assert_int_equal(frz_storage_write_all(f->storage, uri, false, "three", 5, NULL), FRZ_OK);
  assert_file(f, uri, "three", 5);
  assert_int_equal(count_files(f, ""), 1);
}

/* Of two writers of one new name, the one that commits second loses. */
static void test_two_writers_of_one_new_name(void **state)
{
  fixture *f = *state;
  frz_str uri = uri_of(f, "", "v2.json");
  frz_sink *first = NULL;
  frz_sink *second = NULL;
  assert_int_equal(frz_storage_create_file(f->storage, uri, true, &first, NULL), FRZ_OK);
  assert_int_equal(frz_storage_create_file(f->storage, uri, true, &second, NULL), FRZ_OK);
  assert_int_equal(frz_sink_write(first, "1", 1, NULL), FRZ_OK);
  assert_int_equal(frz_sink_write(second, "2", 1, NULL), FRZ_OK);
  assert_int_equal(frz_sink_commit(second, NULL), FRZ_OK);
  assert_int_equal(frz_sink_commit(first, NULL), FRZ_ERR_EXISTS);
  assert_int_equal(frz_sink_commit(first, NULL), FRZ_ERR_IO); /* and stays lost */
  frz_sink_free(first);
  frz_sink_free(second);
  assert_file(f, uri, "2", 1);
  assert_int_equal(count_files(f, ""), 1);
}

static void test_read_ranges(void **state)
{
  fixture *f = *state;
  frz_str uri = uri_of(f, "", "ten");
  assert_int_equal(frz_storage_write_all(f->storage, uri, true, "0123456789", 10, NULL), FRZ_OK);
  frz_source *source = NULL;
  assert_int_equal(frz_storage_open(f->storage, uri, &source, NULL), FRZ_OK);
  assert_int_equal(source->size_bytes, 10);
  uint8_t a[4], b[10], c[1];
  frz_range ranges[] = {{6, 4, a}, {0, 10, b}, {10, 0, c}};
  assert_int_equal(source->read_ranges(source, ranges, 3, NULL), FRZ_OK);
  assert_memory_equal(a, "6789", 4);
  assert_memory_equal(b, "0123456789", 10);
  static const struct {
    int64_t offset;
    size_t size;
  } bad[] = {{10, 1}, {9, 2}, {0, 11}, {-1, 1}, {11, 0}, {INT64_MAX, 1}, {0, SIZE_MAX}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    frz_error err = {0};
    assert_int_equal(frz_source_read(source, bad[i].offset, bad[i].size, b, &err), FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "/ten"));
  }
  /* a file that shrinks under the reader ends early; it does not hang */
  assert_int_equal(truncate(uri.data, 5), 0);
  assert_int_equal(frz_source_read(source, 2, 8, b, NULL), FRZ_ERR_CORRUPT);
  frz_source_free(source);
}

static void test_read_all_keeps_its_limit(void **state)
{
  fixture *f = *state;
  frz_str uri = uri_of(f, "", "ten");
  assert_int_equal(frz_storage_write_all(f->storage, uri, true, "0123456789", 10, NULL), FRZ_OK);
  frz_buf buf;
  frz_error err = {0};
  frz_buf_init(&buf, frz_alloc_default(), 9);
  assert_int_equal(frz_storage_read_all(f->storage, uri, &buf, &err), FRZ_ERR_LIMIT);
  assert_int_equal(buf.size, 0);
  assert_non_null(strstr(err.message, "10 bytes pass the limit of 9"));
  frz_buf_dispose(&buf);
}

static void test_things_that_are_not_files(void **state)
{
  fixture *f = *state;
  frz_source *source = NULL;
  frz_sink *sink = NULL;
  assert_int_equal(mkdir(uri_of(f, "", "sub").data, 0777), 0);
  assert_int_equal(mkfifo(uri_of(f, "", "pipe").data, 0666), 0);
  assert_int_equal(frz_storage_open(f->storage, uri_of(f, "", "sub"), &source, NULL),
                   FRZ_ERR_INVALID);
  assert_int_equal(frz_storage_open(f->storage, uri_of(f, "", "pipe"), &source, NULL),
                   FRZ_ERR_INVALID);
  assert_int_equal(frz_storage_create_file(f->storage, uri_of(f, "", "sub/"), true, &sink, NULL),
                   FRZ_ERR_INVALID);
  assert_int_equal(frz_storage_remove(f->storage, uri_of(f, "", "sub"), NULL), FRZ_ERR_INVALID);
  frz_error err = {0};
  assert_int_equal(frz_storage_write_all(f->storage, uri_of(f, "", "sub"), false, "x", 1, &err),
                   FRZ_ERR_INVALID);
  assert_int_equal(frz_storage_write_all(f->storage, uri_of(f, "", "pipe/x"), false, "x", 1, &err),
                   FRZ_ERR_IO);
  assert_non_null(strstr(err.message, "Not a directory"));
  assert_int_equal(count_files(f, ""), 0);
}

static void test_refusals_of_the_system(void **state)
{
  fixture *f = *state;
  frz_error err = {0};
  char name[300];
  memset(name, 'n', 255);
  name[255] = '\0';
  assert_int_equal(frz_storage_write_all(f->storage, uri_of(f, "", name), true, "x", 1, NULL),
                   FRZ_OK); /* the longest name that the system takes */
  memset(name, 'n', 256);
  name[256] = '\0';
  assert_int_equal(frz_storage_write_all(f->storage, uri_of(f, "", name), true, "x", 1, &err),
                   FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "name too long"));
  assert_int_equal(count_files(f, ""), 1);
  if (geteuid() == 0) return; /* root is refused nothing */
  assert_int_equal(mkdir(uri_of(f, "", "closed").data, 0500), 0);
  frz_str inside = uri_of(f, "", "closed/x");
  assert_int_equal(frz_storage_write_all(f->storage, inside, true, "x", 1, &err), FRZ_ERR_AUTH);
  assert_non_null(strstr(err.message, "closed/x"));
  assert_non_null(strstr(err.message, "Permission denied"));
}

/* A write that the system cuts short (as a full disk does): an error, and nothing is left. */
static void test_write_that_does_not_fit(void **state)
{
  fixture *f = *state;
  struct rlimit before, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 100000;
  void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  uint8_t *data = calloc(1, 300000);
  frz_error err = {0};
  frz_sink *sink = NULL;
  assert_int_equal(frz_storage_create_file(f->storage, uri_of(f, "", "big"), false, &sink, NULL),
                   FRZ_OK);
  frz_status st = frz_sink_write(sink, data, 300000, &err);
  frz_status again = frz_sink_write(sink, data, 1, NULL);
  frz_status commit = frz_sink_commit(sink, NULL);
  frz_sink_free(sink);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, old);
  assert_int_equal(st, FRZ_ERR_IO);
  assert_non_null(strstr(err.message, "big': File too large"));
  assert_int_equal(again, FRZ_ERR_IO);
  assert_int_equal(commit, FRZ_ERR_IO);
  assert_int_equal(count_files(f, ""), 0);
  free(data);
}

static void test_remove(void **state)
{
  fixture *f = *state;
  frz_str uri = uri_of(f, "", "x");
  frz_error err = {0};
  assert_int_equal(frz_storage_remove(f->storage, uri, &err), FRZ_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "/x'"));
  assert_int_equal(frz_storage_write_all(f->storage, uri, true, "x", 1, NULL), FRZ_OK);
  assert_int_equal(frz_storage_remove(f->storage, uri, NULL), FRZ_OK);
  assert_int_equal(count_files(f, ""), 0);
}

typedef struct listing {
  char text[4096]; /* " uri=size" for each entry */
  frz_status stop_with;
} listing;

static frz_status note_entry(void *arg, const frz_storage_entry *entry, frz_error *err)
{
  listing *list = arg;
  size_t used = strlen(list->text);
  snprintf(list->text + used, sizeof list->text - used, " %.*s=%lld", FRZ_STR_ARG(entry->uri),
           (long long)entry->size_bytes);
  assert_true(entry->modified_ms > INT64_C(1600000000000));
  if (list->stop_with != FRZ_OK) return frz_fail(err, list->stop_with, "stopped");
  return FRZ_OK;
}

static void test_list_walks_all_folders(void **state)
{
  fixture *f = *state;
  static const char *const names[] = {"top", "a/one", "a/b/two", "a/b/c/d/three", "e/four"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_int_equal(
        frz_storage_write_all(f->storage, uri_of(f, "", names[i]), true, "xyz", i % 4, NULL),
        FRZ_OK);
  /* links: to a file it is listed, to a folder (here: in a circle) or to nothing it is not */
  assert_int_equal(symlink("top", uri_of(f, "", "link").data), 0);
  assert_int_equal(symlink("..", uri_of(f, "", "a/circle").data), 0);
  assert_int_equal(symlink("absent", uri_of(f, "", "nowhere").data), 0);
  assert_int_equal(count_files(f, ""), 6);
  assert_int_equal(count_files(f, "a"), 3);
  assert_int_equal(count_files(f, "a/b/"), 2);
  assert_int_equal(count_files(f, "absent"), 0);
  listing list = {{0}, FRZ_OK};
  assert_int_equal(
      frz_storage_list(f->storage, uri_of(f, "file://", "a/b///"), note_entry, &list, NULL),
      FRZ_OK);
  char expected[1024];
  snprintf(expected, sizeof expected, " file://%s/a/b/two=2", f->folder);
  assert_non_null(strstr(list.text, expected));
  snprintf(expected, sizeof expected, " file://%s/a/b/c/d/three=3", f->folder);
  assert_non_null(strstr(list.text, expected));
  listing stopped = {{0}, FRZ_ERR_CANCELLED};
  assert_int_equal(frz_storage_list(f->storage, uri_of(f, "", ""), note_entry, &stopped, NULL),
                   FRZ_ERR_CANCELLED);
  frz_error err = {0};
  assert_int_equal(frz_storage_list(f->storage, uri_of(f, "", "top"), note_entry, &list, &err),
                   FRZ_ERR_IO);
  assert_non_null(strstr(err.message, "Not a directory"));
}

/* ---- wrapped operations ---- */

typedef struct seen {
  int n_opens;
  int n_frees;
} seen;

static frz_status seen_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  (void)uri;
  (void)source_out;
  ((seen *)ctx)->n_opens++;
  return frz_fail(err, FRZ_ERR_IO, "refused by the test");
}

static void seen_free(void *ctx)
{
  ((seen *)ctx)->n_frees++;
}

static void test_wrapped_operations_see_every_uri(void **state)
{
  fixture *f = *state;
  seen counts = {0, 0};
  frz_storage_ops ops = {.version = 1, .open = seen_open, .free = seen_free};
  frz_storage *storage = NULL;
  frz_source *source = NULL;
  assert_int_equal(frz_storage_wrap(f->context, &ops, &counts, &storage, NULL), FRZ_OK);
  assert_ptr_equal(frz_storage_retain(storage), storage);
  assert_int_equal(frz_storage_open(storage, FRZ_STR("s3://a/b"), &source, NULL), FRZ_ERR_IO);
  assert_int_equal(frz_storage_open(storage, FRZ_STR("/a"), &source, NULL), FRZ_ERR_IO);
  assert_int_equal(counts.n_opens, 2);
  frz_storage_release(storage);
  assert_int_equal(counts.n_frees, 0);
  frz_storage_release(storage);
  assert_int_equal(counts.n_frees, 1);
  frz_storage_release(NULL);
  ops.version = 2;
  assert_int_equal(frz_storage_wrap(f->context, &ops, &counts, &storage, NULL), FRZ_ERR_INVALID);
  assert_int_equal(counts.n_frees, 1);
}

/* ---- files that stay open ---- */

static const uint8_t far_bytes[100] = {1, 2, 3};

typedef struct far_store {
  bool is_remote;
  int n_opens;
} far_store;

static frz_status far_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  far_store *self = ctx;
  (void)uri;
  self->n_opens++;
  FRZ_TRY(
      frz_source_from_memory(frz_alloc_default(), far_bytes, sizeof far_bytes, source_out, err));
  (*source_out)->is_remote = self->is_remote;
  atomic_store(&(*source_out)->counts.n_requests, 1);
  return FRZ_OK;
}

/* What the opening and a read were told to cost. */
static long long open_and_read(frz_storage *view, const char *uri)
{
  frz_source *source;
  uint8_t bytes[3] = {0};
  assert_int_equal(frz_storage_open_cached(view, frz_str_from(uri), &source, NULL), FRZ_OK);
  assert_int_equal(source->size_bytes, sizeof far_bytes);
  assert_int_equal(frz_source_read(source, 0, 3, bytes, NULL), FRZ_OK);
  assert_memory_equal(bytes, far_bytes, 3);
  long long n = atomic_load(&source->counts.n_requests);
  frz_source_free(source);
  return n;
}

static void test_the_files_used_last_stay_open(void **state)
{
  fixture *f = *state;
  far_store store = {.is_remote = true};
  frz_storage_ops ops = {.version = 1, .open = far_open};
  frz_storage *storage, *view;
  frz_source *held;
  assert_int_equal(frz_storage_wrap(f->context, &ops, &store, &storage, NULL), FRZ_OK);
  assert_int_equal(frz_storage_keep(storage, 2, &view, NULL), FRZ_OK);
  frz_storage_release(storage);
  assert_int_equal(open_and_read(view, "s3://b/a"), 1);
  assert_int_equal(open_and_read(view, "s3://b/a"), 0);
  assert_int_equal(open_and_read(view, "s3://b/b"), 1);
  assert_int_equal(frz_storage_open_cached(view, FRZ_STR("s3://b/b"), &held, NULL), FRZ_OK);
  assert_int_equal(open_and_read(view, "s3://b/a"), 0);
  assert_int_equal(open_and_read(view, "s3://b/c"), 1); /* b leaves, and is held */
  assert_int_equal(open_and_read(view, "s3://b/a"), 0);
  assert_int_equal(store.n_opens, 3);
  frz_source_free(held);
  assert_int_equal(open_and_read(view, "s3://b/b"), 1);
  assert_int_equal(frz_storage_open(view, FRZ_STR("s3://b/b"), &held, NULL), FRZ_OK);
  assert_int_equal(store.n_opens, 5); /* who asks whether it is there is told anew */
  frz_source_free(held);
  frz_storage_release(view);
}

static void test_counts_see_files_that_stay_open(void **state)
{
  fixture *f = *state;
  far_store store = {.is_remote = true};
  frz_storage_ops ops = {.version = 1, .open = far_open};
  frz_storage *storage, *kept, *counted;
  frz_storage_counts counts = {0};
  assert_int_equal(frz_storage_wrap(f->context, &ops, &store, &storage, NULL), FRZ_OK);
  assert_int_equal(frz_storage_keep(storage, 1, &kept, NULL), FRZ_OK);
  assert_int_equal(frz_storage_count(kept, &counts, &counted, NULL), FRZ_OK);
  for (int i = 0; i < 3; i++) (void)open_and_read(counted, "s3://b/a");
  assert_int_equal(store.n_opens, 1);
  assert_int_equal(atomic_load(&counts.n_requests), 3);
  assert_int_equal(atomic_load(&counts.sources.n_requests), 1);
  frz_storage_release(counted);
  frz_storage_release(kept);
  store.is_remote = false; /* nothing is gained by keeping local ones */
  assert_int_equal(frz_storage_keep(storage, 1, &kept, NULL), FRZ_OK);
  for (int i = 0; i < 3; i++) (void)open_and_read(kept, "/a");
  assert_int_equal(store.n_opens, 4);
  frz_storage_release(kept);
  frz_storage_release(storage);
}

/* ---- removing many ---- */

enum { MANY = 2500 };

/* A store that removes names of even number together, and says no to every seventh. */
typedef struct bulk {
  atomic_int n_batches, n_singles;
  frz_status all; /* what a batch comes to */
} bulk;

static int number_of(frz_str uri)
{
  char copy[32];
  snprintf(copy, sizeof copy, "%.*s", (int)uri.size, uri.data);
  return (int)strtol(strrchr(copy, '/') + 1, NULL, 10);
}

static frz_status bulk_remove(void *ctx, frz_str uri, frz_error *err)
{
  bulk *self = ctx;
  atomic_fetch_add(&self->n_singles, 1);
  if (number_of(uri) % 7 == 0) return frz_fail(err, FRZ_ERR_AUTH, "no: %.*s", FRZ_STR_ARG(uri));
  return FRZ_OK;
}

static frz_status bulk_remove_many(void *ctx, const frz_str *uris, size_t n_uris, bool *gone,
                                   frz_error *err)
{
  bulk *self = ctx;
  atomic_fetch_add(&self->n_batches, 1);
  assert_true(n_uris <= FRZ_STORAGE_REMOVE_MAX);
  if (self->all != FRZ_OK) return frz_fail(err, self->all, "all refused");
  for (size_t i = 0; i < n_uris; i++) {
    assert_false(gone[i]);
    gone[i] = number_of(uris[i]) % 2 == 0 && number_of(uris[i]) % 7 != 0;
  }
  return FRZ_OK;
}

typedef struct told {
  atomic_int n_gone, n_stayed, n_twice;
  atomic_int seen[MANY];
} told;

static void tell(void *arg, size_t i, const frz_error *why)
{
  told *self = arg;
  if (atomic_fetch_add(&self->seen[i], 1) != 0) atomic_fetch_add(&self->n_twice, 1);
  atomic_fetch_add(why == NULL ? &self->n_gone : &self->n_stayed, 1);
}

static void remove_all(fixture *f, bulk *self, bool has_bulk, told *what, frz_status expected)
{
  static char names[MANY][24];
  static frz_str uris[MANY];
  frz_storage_ops ops = {.version = 1, .remove = bulk_remove};
  if (has_bulk) ops.remove_many = bulk_remove_many;
  frz_storage *storage = NULL;
  for (int i = 0; i < MANY; i++) {
    snprintf(names[i], sizeof names[i], "s3://b/%d", i);
    uris[i] = frz_str_from(names[i]);
  }
  memset(what, 0, sizeof *what);
  assert_int_equal(frz_storage_wrap(f->context, &ops, self, &storage, NULL), FRZ_OK);
  assert_int_equal(frz_storage_remove_many(storage, uris, MANY, tell, what, NULL), expected);
  assert_int_equal(what->n_twice, 0);
  frz_storage_release(storage);
}

static void test_many_files_are_removed(void **state)
{
  fixture *f = *state;
  static told what;
  bulk alone = {0}, some = {0}, none = {.all = FRZ_ERR_IO}, ended = {.all = FRZ_ERR_CANCELLED};
  remove_all(f, &alone, false, &what, FRZ_OK);
  assert_int_equal(what.n_gone, MANY - MANY / 7 - 1);
  assert_int_equal(what.n_stayed, MANY / 7 + 1);
  assert_int_equal(alone.n_singles, MANY);
  remove_all(f, &some, true, &what, FRZ_OK); /* what a batch leaves is asked for alone */
  assert_int_equal(what.n_gone, MANY - MANY / 7 - 1);
  assert_int_equal(what.n_stayed, MANY / 7 + 1);
  assert_int_equal(some.n_batches, 3);
  assert_int_equal(some.n_singles, MANY / 2 + MANY / 14 + 1);
  remove_all(f, &none, true, &what, FRZ_OK); /* an ill store is not asked a thousand times */
  assert_int_equal(what.n_stayed, MANY);
  assert_int_equal(none.n_singles, 0);
  remove_all(f, &ended, true, &what, FRZ_ERR_CANCELLED);
  assert_int_equal(ended.n_batches, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Run as root, a rename would put a file in the device's place. */
static void test_a_device_is_not_replaced(void **state)
{
  (void)state;
  frz_context *context;
  frz_storage *storage;
  frz_sink *sink = NULL;
  frz_error err = {0};
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  assert_int_equal(frz_storage_create(context, NULL, 0, &storage, NULL), FRZ_OK);
  assert_int_equal(frz_storage_create_file(storage, FRZ_STR("/dev/null"), false, &sink, &err),
                   FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "/dev/null"));
  assert_null(sink);
  frz_storage_release(storage);
  frz_context_free(context);
}

static void test_relative_paths_become_absolute(void **state)
{
  (void)state;
  char here[4096];
  frz_buf out;
  assert_non_null(getcwd(here, sizeof here));
  static const char *const cases[][2] = {
      {"lake", "lake"}, {"./lake/a", "lake/a"}, {"file:lake", "lake"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_buf_init(&out, frz_alloc_default(), 8192);
    assert_int_equal(frz_storage_absolute(frz_str_from(cases[i][0]), &out, NULL), FRZ_OK);
    size_t prefix = strlen(here);
    assert_true(out.size > prefix && memcmp(out.data, here, prefix) == 0);
    assert_int_equal(out.size, prefix + 1 + strlen(cases[i][1]));
    assert_memory_equal(out.data + prefix + 1, cases[i][1], strlen(cases[i][1]));
    frz_buf_dispose(&out);
  }
  static const char *const kept[] = {"/lake", "file:///lake", "s3://bucket/lake", ""};
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
    frz_buf_init(&out, frz_alloc_default(), 8192);
    assert_int_equal(frz_storage_absolute(frz_str_from(kept[i]), &out, NULL), FRZ_OK);
    assert_true(frz_str_is(frz_buf_str(&out), kept[i]));
    frz_buf_dispose(&out);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_device_is_not_replaced),
      cmocka_unit_test(test_relative_paths_become_absolute),
      cmocka_unit_test(test_local_paths),
      TEST(test_refused_uris),
      TEST(test_write_then_read),
      TEST(test_streamed_write_of_many_pieces),
      TEST(test_nothing_is_visible_before_commit),
      TEST(test_names_that_are_taken),
      TEST(test_two_writers_of_one_new_name),
      TEST(test_read_ranges),
      TEST(test_read_all_keeps_its_limit),
      TEST(test_things_that_are_not_files),
      TEST(test_refusals_of_the_system),
      TEST(test_write_that_does_not_fit),
      TEST(test_remove),
      TEST(test_list_walks_all_folders),
      TEST(test_wrapped_operations_see_every_uri),
      TEST(test_the_files_used_last_stay_open),
      TEST(test_counts_see_files_that_stay_open),
      TEST(test_many_files_are_removed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
