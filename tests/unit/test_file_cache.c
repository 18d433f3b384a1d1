/*
 * test_file_cache.c - remote objects read through a folder: what is kept, trusted, dropped,
 * removed.
 *
 * The store is in memory and counts; tests change the folder's files under the cache's feet, as
 * other processes and failing disks do.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/cache_folder.h"
#include "storage/file_cache.h"
#include "test_files.h"

enum { BLOCK = FRZ_CACHE_BLOCK_BYTES, OBJECT_BYTES = 10 * BLOCK + 1234 };

#define UNIQUE "s3://lake/t/data/00000-0-2f1b7a4e-11c4-4d3e-9c55-0d2f4c4b8a01.parquet"
#define PLAIN "s3://lake/t/data/part-0.parquet"

/* ---- the store ---- */

typedef struct remote {
  uint8_t bytes[OBJECT_BYTES];
  int64_t size;
  const char *etag;
  int n_opened, n_reads, n_live;
  int64_t n_bytes;
} remote;

typedef struct remote_source {
  frz_source base;
  remote *store;
} remote_source;

static frz_status remote_read(frz_source *base, const frz_range *ranges, size_t n, frz_error *err)
{
  remote *store = ((remote_source *)base)->store;
  store->n_reads++;
  atomic_fetch_add(&base->counts.n_requests, 1);
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(frz_source_check_range(base, FRZ_STR("remote"), &ranges[i], err));
    memcpy(ranges[i].dest, store->bytes + ranges[i].offset, ranges[i].size);
    store->n_bytes += (int64_t)ranges[i].size;
  }
  return FRZ_OK;
}

static void remote_free(frz_source *base)
{
  ((remote_source *)base)->store->n_live--;
  free(base);
}

static frz_status remote_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  remote *store = ctx;
  (void)uri;
  (void)err;
  remote_source *source = calloc(1, sizeof *source);
  assert_non_null(source);
  source->base.size_bytes = store->size;
  source->base.read_ranges = remote_read;
  source->base.free = remote_free;
  source->base.etag = store->etag;
  atomic_fetch_add(&source->base.counts.n_requests, 1);
  source->store = store;
  store->n_opened++;
  store->n_live++;
  *source_out = &source->base;
  return FRZ_OK;
}

static void remote_retain(void *ctx)
{
  ((remote *)ctx)->n_live++;
}

static void remote_release(void *ctx)
{
  ((remote *)ctx)->n_live--;
}

/* ---- a lake: the store, a folder and a cache over both ---- */

typedef struct lake {
  char folder[256];
  frz_context *context;
  frz_file_cache *cache;
  remote store;
  frz_file_opener opener;
} lake;

static void fill(lake *l, unsigned seed)
{
  for (size_t i = 0; i < OBJECT_BYTES; i++)
    l->store.bytes[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
}

static void open_cache(lake *l, int64_t max_bytes)
{
  char path[300];
  snprintf(path, sizeof path, "%s/deep/cache", l->folder);
  assert_int_equal(
      frz_file_cache_create(l->context, frz_str_from(path), max_bytes, &l->cache, NULL), FRZ_OK);
}

static int set_up(void **state)
{
  lake *l = calloc(1, sizeof *l);
  frz_test_folder(l->folder);
  assert_int_equal(frz_context_create(NULL, &l->context, NULL), FRZ_OK);
  l->store.size = OBJECT_BYTES;
  l->store.etag = "\"one\"";
  l->opener = (frz_file_opener){remote_open, remote_retain, remote_release, &l->store, 7};
  fill(l, 1);
  open_cache(l, 64 << 20);
  *state = l;
  return 0;
}

static int tear_down(void **state)
{
  lake *l = *state;
  assert_int_equal(l->store.n_live, 0);
  frz_file_cache_free(l->cache);
  frz_context_free(l->context);
  frz_test_folder_remove(l->folder);
  free(l);
  return 0;
}

static frz_source *open_object(lake *l, const char *uri)
{
  frz_source *source = NULL;
  frz_error err = {0};
  frz_status st = frz_file_cache_open(l->cache, &l->opener, frz_str_from(uri), &source, &err);
  if (st != FRZ_OK) print_message("%s\n", err.message);
  assert_int_equal(st, FRZ_OK);
  assert_int_equal(source->size_bytes, l->store.size);
  return source;
}

static void read_from(lake *l, frz_source *source, int64_t offset, size_t size)
{
  uint8_t *bytes = malloc(size + 1);
  frz_error err = {0};
  frz_status st = frz_source_read(source, offset, size, bytes, &err);
  if (st != FRZ_OK) print_message("%s\n", err.message);
  assert_int_equal(st, FRZ_OK);
  assert_memory_equal(bytes, l->store.bytes + offset, size);
  free(bytes);
}

static void read_once(lake *l, const char *uri, int64_t offset, size_t size)
{
  frz_source *source = open_object(l, uri);
  read_from(l, source, offset, size);
  frz_source_free(source);
}

/* Visits the folder's entries; returns how many there are. */
static int each_entry(const lake *l, void (*visit)(const char *path, void *arg), void *arg)
{
  char folder[300], path[600];
  int n = 0;
  snprintf(folder, sizeof folder, "%s/deep/cache/v1", l->folder);
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  for (struct dirent *at; (at = readdir(dir)) != NULL;) {
    if (strlen(at->d_name) != 32) continue;
    snprintf(path, sizeof path, "%s/%s", folder, at->d_name);
    if (visit != NULL) visit(path, arg);
    n++;
  }
  closedir(dir);
  return n;
}

static void add_bytes(const char *path, void *arg)
{
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  *(int64_t *)arg += (int64_t)info.st_blocks * 512;
}

static int64_t kept_bytes(const lake *l)
{
  int64_t bytes = 0;
  each_entry(l, add_bytes, &bytes);
  return bytes;
}

/* ---- what is kept ---- */

static void test_a_unique_name_is_read_once(void **state)
{
  lake *l = *state;
  read_once(l, UNIQUE, 0, OBJECT_BYTES);
  assert_int_equal(l->store.n_opened, 1);
  assert_int_equal(l->store.n_bytes, OBJECT_BYTES);
  frz_source *source = open_object(l, UNIQUE);
  read_from(l, source, 0, OBJECT_BYTES);
  read_from(l, source, OBJECT_BYTES - 8, 8);
  read_from(l, source, BLOCK - 1, 2);
  assert_int_equal(l->store.n_opened, 1); /* neither opened nor read again */
  assert_int_equal(l->store.n_bytes, OBJECT_BYTES);
  assert_int_equal(atomic_load(&source->counts.n_requests), 0);
  assert_int_equal(atomic_load(&source->counts.n_cached_bytes),
                   OBJECT_BYTES + (OBJECT_BYTES - 10 * BLOCK) + 2 * BLOCK);
  frz_source_free(source);
}

static void test_only_what_is_missing_is_read(void **state)
{
  lake *l = *state;
  read_once(l, UNIQUE, 3 * BLOCK + 5, 100);
  assert_int_equal(l->store.n_bytes, BLOCK);
  read_once(l, UNIQUE, 2 * BLOCK, 3 * BLOCK);
  assert_int_equal(l->store.n_bytes, 3 * BLOCK);
  assert_int_equal(l->store.n_reads, 2); /* both sides of what was there in one call */
}

static void test_ranges_in_any_order_that_share_blocks_and_overlap(void **state)
{
  lake *l = *state;
  enum { N = 700 };
  frz_range ranges[N];
  uint8_t *bytes = calloc(N, 200);
  frz_source *source = open_object(l, UNIQUE);
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < N; i++)
      ranges[i] = (frz_range){(int64_t)(i * 7919) % (OBJECT_BYTES - 200), (size_t)(i % 200),
                              bytes + (ptrdiff_t)i * 200};
    ranges[5] = (frz_range){BLOCK / 2, 3 * BLOCK, malloc(3 * BLOCK)};
    assert_int_equal(source->read_ranges(source, ranges, N, NULL), FRZ_OK);
    for (int i = 0; i < N; i++)
      assert_memory_equal(ranges[i].dest, l->store.bytes + ranges[i].offset, ranges[i].size);
    free(ranges[5].dest);
  }
  uint8_t byte;
  assert_int_equal(frz_source_read(source, OBJECT_BYTES, 1, &byte, NULL), FRZ_ERR_CORRUPT);
  assert_int_equal(frz_source_read(source, -1, 1, &byte, NULL), FRZ_ERR_CORRUPT);
  frz_source_free(source);
  free(bytes);
}

/* ---- what is trusted ---- */

static void test_a_plain_name_is_asked_about(void **state)
{
  lake *l = *state;
  read_once(l, PLAIN, 0, OBJECT_BYTES);
  read_once(l, PLAIN, 0, OBJECT_BYTES);
  assert_int_equal(l->store.n_opened, 2);
  assert_int_equal(l->store.n_bytes, OBJECT_BYTES); /* opened again, not read again */
  fill(l, 2);
  l->store.etag = "\"two\"";
  read_once(l, PLAIN, 0, OBJECT_BYTES);
  assert_int_equal(l->store.n_bytes, 2 * OBJECT_BYTES);
  l->store.size = 2 * BLOCK;
  read_once(l, PLAIN, 0, 2 * BLOCK);
}

static void test_a_plain_name_without_an_etag_is_not_kept(void **state)
{
  lake *l = *state;
  l->store.etag = NULL;
  read_once(l, PLAIN, 0, OBJECT_BYTES);
  assert_int_equal(each_entry(l, NULL, NULL), 0);
  fill(l, 2);
  read_once(l, PLAIN, 0, OBJECT_BYTES);
  read_once(l, UNIQUE, 0, BLOCK);
  assert_int_equal(each_entry(l, NULL, NULL), 1);
}

static void test_an_object_replaced_under_a_unique_name_is_noticed(void **state)
{
  lake *l = *state;
  uint8_t bytes[BLOCK];
  frz_error err = {0};
  read_once(l, UNIQUE, 0, BLOCK);
  frz_source *source = open_object(l, UNIQUE);
  fill(l, 2);
  l->store.etag = "\"two\"";
  assert_int_equal(frz_source_read(source, BLOCK, BLOCK, bytes, &err), FRZ_ERR_CORRUPT);
  assert_non_null(strstr(err.message, "replaced since it was cached"));
  frz_source_free(source);
  read_once(l, UNIQUE, 0, OBJECT_BYTES);
}

static void test_stores_with_one_name_are_told_apart(void **state)
{
  lake *l = *state;
  read_once(l, UNIQUE, 0, BLOCK);
  fill(l, 2);
  l->opener.store = 8;
  read_once(l, UNIQUE, 0, BLOCK);
  assert_int_equal(each_entry(l, NULL, NULL), 2);
}

static void test_a_deleted_object_is_forgotten(void **state)
{
  lake *l = *state;
  read_once(l, UNIQUE, 0, BLOCK);
  frz_file_cache_forget(l->cache, 8, FRZ_STR(UNIQUE));
  assert_int_equal(each_entry(l, NULL, NULL), 1);
  frz_file_cache_forget(l->cache, 7, FRZ_STR(UNIQUE));
  assert_int_equal(each_entry(l, NULL, NULL), 0);
}

/* ---- what is broken ---- */

typedef struct damage {
  long at;   /* -1: cut the file to `size` */
  long size; /* bytes that are turned over */
} damage;

static void break_file(const char *path, void *arg)
{
  const damage *d = arg;
  if (d->at < 0) {
    assert_int_equal(truncate(path, d->size), 0);
    return;
  }
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0);
  for (long i = 0; i < d->size; i++) {
    uint8_t byte = 0;
    assert_true(pread(fd, &byte, 1, d->at + i) >= 0);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, d->at + i), 1);
  }
  close(fd);
}

static void test_damage_is_read_over(void **state)
{
  lake *l = *state;
  const damage damages[] = {{0, 1},        {9, 1},          {20, 1},     {30, 2},
                            {40, 1},       {4000, 1},       {4096, 1},   {4096 + BLOCK + 3, 1},
                            {4096, 70000}, {5 * BLOCK, 1},  {-1, 0},     {-1, 100},
                            {-1, 4096},    {-1, 4096 + 10}, {-1, 300000}};
  for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
    damage d = damages[i];
    read_once(l, UNIQUE, 0, OBJECT_BYTES);
    int64_t before = l->store.n_bytes;
    frz_source *source = open_object(l, UNIQUE);
    each_entry(l, break_file, &d);
    read_from(l, source, 0, OBJECT_BYTES);
    frz_source_free(source);
    read_once(l, UNIQUE, 0, OBJECT_BYTES);
    assert_true(l->store.n_bytes > before || d.at < 4096);
    before = l->store.n_bytes;
    read_once(l, UNIQUE, 0, OBJECT_BYTES);
    assert_int_equal(l->store.n_bytes, before); /* it is whole again */
  }
}

static void test_a_full_disk_fails_no_read(void **state)
{
  lake *l = *state;
  struct rlimit whole, small = {3 * BLOCK, 0};
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
  small.rlim_max = whole.rlim_max;
  void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  read_once(l, UNIQUE, 0, OBJECT_BYTES);
  read_once(l, UNIQUE, 0, OBJECT_BYTES);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
  signal(SIGXFSZ, before);
  read_once(l, UNIQUE, 0, OBJECT_BYTES);
}

static void test_a_folder_that_goes_away_fails_no_read(void **state)
{
  lake *l = *state;
  char path[300];
  read_once(l, UNIQUE, 0, BLOCK);
  snprintf(path, sizeof path, "%s/deep", l->folder);
  frz_test_folder_remove(path);
  read_once(l, UNIQUE, 0, OBJECT_BYTES);
}

static void test_a_folder_that_cannot_be_made_is_told(void **state)
{
  lake *l = *state;
  frz_file_cache *cache;
  frz_error err = {0};
  char path[300];
  snprintf(path, sizeof path, "%s/file", l->folder);
  frz_test_write(path, "x", 1);
  snprintf(path, sizeof path, "%s/file/cache", l->folder);
  assert_int_equal(frz_file_cache_create(l->context, frz_str_from(path), 1 << 20, &cache, &err),
                   FRZ_ERR_IO);
  assert_non_null(strstr(err.message, "cache.directory"));
}

/* ---- the bound ---- */

static const char *numbered(char uri[128], int i)
{
  snprintf(uri, 128, "s3://lake/%08x-0000-4000-8000-000000000000.avro", (unsigned)i);
  return uri;
}

static void test_the_bound_holds_and_the_oldest_go(void **state)
{
  lake *l = *state;
  char uri[128];
  frz_file_cache_free(l->cache);
  open_cache(l, 8 << 20);
  for (int i = 0; i < 40; i++) {
    read_once(l, numbered(uri, i), 0, OBJECT_BYTES);
    read_once(l, numbered(uri, 0), 0, OBJECT_BYTES); /* always in use */
    assert_true(kept_bytes(l) <= 8 << 20);
  }
  int64_t before = l->store.n_bytes;
  read_once(l, numbered(uri, 0), 0, OBJECT_BYTES);
  read_once(l, numbered(uri, 39), 0, OBJECT_BYTES);
  assert_int_equal(l->store.n_bytes, before);
  read_once(l, numbered(uri, 1), 0, OBJECT_BYTES);
  assert_int_equal(l->store.n_bytes, before + OBJECT_BYTES);
}

static void test_an_entry_removed_while_it_is_read(void **state)
{
  lake *l = *state;
  char uri[128];
  frz_file_cache_free(l->cache);
  open_cache(l, 4 << 20);
  frz_source *source = open_object(l, UNIQUE);
  read_from(l, source, 0, 5 * BLOCK);
  for (int i = 0; i < 20; i++) read_once(l, numbered(uri, i), 0, OBJECT_BYTES);
  read_from(l, source, 0, OBJECT_BYTES);
  assert_true(kept_bytes(l) <= 4 << 20);
  frz_source_free(source);
}

static void test_a_held_lock_fails_no_read(void **state)
{
  lake *l = *state;
  char path[300];
  read_once(l, UNIQUE, 0, BLOCK);
  snprintf(path, sizeof path, "%s/deep/cache/v1/lock", l->folder);
  int fd = open(path, O_RDWR);
  assert_int_equal(flock(fd, LOCK_EX), 0);
  read_once(l, UNIQUE, 0, OBJECT_BYTES);
  close(fd);
}

/* ---- several processes, some of them killed ---- */

static void read_for_ever(lake *l, unsigned seed)
{
  char uri[128];
  for (;;) {
    seed = seed * 1103515245u + 12345u;
    int64_t offset = (seed >> 8) % (OBJECT_BYTES - 1);
    int64_t size = (seed >> 4) % (unsigned)(OBJECT_BYTES - offset) + 1;
    read_once(l, numbered(uri, (int)(seed >> 16) % 20), offset, (size_t)size);
  }
}

static void test_processes_killed_at_any_moment(void **state)
{
  lake *l = *state;
  char uri[128];
  pid_t children[4];
  frz_file_cache_free(l->cache);
  open_cache(l, 8 << 20);
  for (int round = 0; round < 5; round++) {
    for (unsigned i = 0; i < 4; i++) {
      children[i] = fork();
      if (children[i] == 0) read_for_ever(l, i + (unsigned)round * 4);
    }
    usleep(60000);
    for (int i = 0; i < 4; i++) assert_int_equal(kill(children[i], SIGKILL), 0);
    for (int i = 0; i < 4; i++) {
      int status;
      assert_int_equal(waitpid(children[i], &status, 0), children[i]);
      assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* no wrong byte before */
    }
    for (int i = 0; i < 20; i++) read_once(l, numbered(uri, i), 0, OBJECT_BYTES);
    assert_true(kept_bytes(l) <= 8 << 20);
  }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_a_unique_name_is_read_once),
      TEST(test_only_what_is_missing_is_read),
      TEST(test_ranges_in_any_order_that_share_blocks_and_overlap),
      TEST(test_a_plain_name_is_asked_about),
      TEST(test_a_plain_name_without_an_etag_is_not_kept),
      TEST(test_an_object_replaced_under_a_unique_name_is_noticed),
      TEST(test_stores_with_one_name_are_told_apart),
      TEST(test_a_deleted_object_is_forgotten),
      TEST(test_damage_is_read_over),
      TEST(test_a_full_disk_fails_no_read),
      TEST(test_a_folder_that_goes_away_fails_no_read),
      TEST(test_a_folder_that_cannot_be_made_is_told),
      TEST(test_the_bound_holds_and_the_oldest_go),
      TEST(test_an_entry_removed_while_it_is_read),
      TEST(test_a_held_lock_fails_no_read),
      TEST(test_processes_killed_at_any_moment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
