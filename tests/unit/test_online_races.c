/*
 * test_online_races.c - what other processes do while a compaction stands between its reading and
 * its commit, or in the middle of its reading; and own commits while the first index is built: no
 * reader ever sees an older value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/os.h"
#include "frazil/maintenance.h"
#include "iceberg/table/table_handle.h"
#include "online/index_files.h"
#include "online_lake.h"

enum { WRITES = 10, DRIVER = 1 };

/* All rows have this time: only the order of commits tells which is the newest. */
static frz_test_row row_of(int64_t seed)
{
  return (frz_test_row){DRIVER, 500, 5, seed};
}

typedef struct race_state race_state;

typedef struct race_case {
  const char *label;
  void (*meddle)(race_state *race);
  bool has_row;  /* the driver is there afterwards */
  bool is_whole; /* the compaction succeeds where it has read everything */
} race_case;

struct race_state {
  frz_test_lake *lake;
  const race_case *chosen;
  frz_online *other;
  int64_t hold_at; /* files that were read; -1: all */
  bool has_meddled;
  int64_t newest; /* seed */
};

static frz_online *open_as(frz_test_lake *lake, frz_online_lookup lookup, int64_t staleness_ms,
                           const char *cache_dir)
{
  frz_online_options options;
  frz_online_options_init(&options);
  options.lookup = lookup;
  options.max_staleness_ms = staleness_ms;
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  options.min_snapshot_age_ms = 0;
  options.cache_dir = cache_dir;
  return frz_test_online_open(lake, "t", &options);
}

static void write_next(race_state *race, frz_online *online)
{
  frz_error err = {0};
  frz_test_row row = row_of(++race->newest);
  frz_test_ok(frz_test_online_write(online, &row, 1, &err), &err);
}

/* ---- what others do meanwhile ---- */

static void do_nothing(race_state *race)
{
  (void)race;
}

static void write_equal(race_state *race)
{
  write_next(race, race->other);
}

static void expire_all(race_state *race)
{
  frz_error err = {0};
  frz_table *table;
  frz_expire_options options;
  frz_expire_options_init(&options);
  frz_os_sleep_ms(2);
  options.older_than_ms = frz_os_now_ms();
  frz_test_ok(frz_catalog_load_table(race->lake->catalog, "ns.t", &table, &err), &err);
  frz_test_ok(frz_table_expire_snapshots(table, &options, NULL, &err), &err);
  frz_table_free(table);
}

static void write_and_expire(race_state *race)
{
  write_next(race, race->other);
  expire_all(race);
}

/* The very files that are being joined are joined by another, and removed. */
static void compact_and_expire(race_state *race)
{
  frz_error err = {0};
  frz_online_compact_options all;
  frz_online_compact_result result;
  frz_online_compact_options_init(&all);
  all.all = true;
  frz_test_ok(frz_online_compact(race->other, &all, &result, &err), &err);
  assert_int_equal(result.n_files_after, 1);
  write_next(race, race->other);
  expire_all(race);
}

/* Any engine may delete rows of the table. */
static void delete_rows(race_state *race)
{
  frz_error err = {0};
  frz_table *table;
  frz_test_ok(frz_catalog_load_table(race->lake->catalog, "ns.t", &table, &err), &err);
  frz_test_ok(frz_table_delete(table, "driver_id = 1", NULL, NULL, &err), &err);
  frz_table_free(table);
}

static const race_case cases[] = {{"nothing", do_nothing, true, true},
                                  {"an equal time", write_equal, true, true},
                                  {"an equal time, then expiry", write_and_expire, true, false},
                                  {"compaction, then expiry", compact_and_expire, true, false},
                                  {"a delete", delete_rows, false, false}};

static void hold(void *ctx, int64_t n_done, int64_t n_total)
{
  race_state *r = ctx;
  if (r->has_meddled || n_done != (r->hold_at < 0 ? n_total : r->hold_at)) return;
  r->has_meddled = true;
  r->chosen->meddle(r);
}

/* ---- readers ---- */

enum { N_READERS = 4 };

typedef struct reader_group {
  frz_online *readers[N_READERS];
} reader_group;

static void open_readers(frz_test_lake *lake, const char *cache, reader_group *group)
{
  frz_error err = {0};
  group->readers[0] = open_as(lake, FRZ_LOOKUP_INDEX, 0, NULL);
  group->readers[1] = open_as(lake, FRZ_LOOKUP_INDEX, 0, cache);
  group->readers[2] = open_as(lake, FRZ_LOOKUP_DIRECT, 0, NULL);
  group->readers[3] = open_as(lake, FRZ_LOOKUP_DIRECT, 3600000, NULL); /* looks at nothing new */
  for (int i = 0; i < N_READERS; i++)
    frz_test_ok(frz_online_prepare(group->readers[i], &err), &err);
}

static void close_readers(reader_group *group)
{
  for (int i = 0; i < N_READERS; i++) frz_online_close(group->readers[i]);
}

static void check_reader(const race_state *race, frz_online *reader, const char *which)
{
  frz_test_row newest = row_of(race->newest);
  bool is_right = race->chosen->has_row ? frz_test_online_has(reader, &newest)
                                        : frz_test_online_lacks(reader, DRIVER);
  if (!is_right)
    fail_msg("%s, held at %lld: %s has another value", race->chosen->label,
             (long long)race->hold_at, which);
}

static void run_race(const race_case *chosen, int64_t hold_at)
{
  frz_error err = {0};
  frz_test_lake lake;
  char cache[300];
  reader_group group;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(1, driver_id)");
  snprintf(cache, sizeof cache, "%s/cache", lake.folder);
  race_state r = {.lake = &lake, .chosen = chosen, .hold_at = hold_at};
  frz_online *compactor = open_as(&lake, FRZ_LOOKUP_INDEX, 0, cache);
  r.other = open_as(&lake, FRZ_LOOKUP_INDEX, 0, NULL);
  for (int i = 0; i < WRITES; i++) write_next(&r, compactor);
  frz_test_ok(frz_online_prepare(compactor, &err), &err);
  open_readers(&lake, cache, &group);
  frz_online_compact_options options;
  frz_online_compact_result result;
  frz_online_compact_options_init(&options);
  options.progress = hold;
  options.progress_ctx = &r;
  frz_status st = frz_online_compact(compactor, &options, &result, &err);
  assert_true(r.has_meddled);
  if (st != FRZ_ERR_CONFLICT || (chosen->is_whole && hold_at < 0)) frz_test_ok(st, &err);
  for (int i = 0; i + 1 < N_READERS; i++) check_reader(&r, group.readers[i], "a reader");
  check_reader(&r, compactor, "the compactor");
  check_reader(&r, r.other, "the other one");
  frz_test_ok(frz_online_refresh(group.readers[N_READERS - 1], NULL, &err), &err);
  check_reader(&r, group.readers[N_READERS - 1], "a late reader");
  frz_online *after = open_as(&lake, FRZ_LOOKUP_INDEX, 0, NULL);
  frz_test_ok(frz_online_prepare(after, &err), &err);
  check_reader(&r, after, "one that is opened afterwards");
  frz_online_close(after);
  close_readers(&group);
  frz_online_close(r.other);
  frz_online_close(compactor);
  frz_test_lake_close(&lake);
}

static void test_others_meanwhile(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    run_race(&cases[i], 1);
    run_race(&cases[i], -1);
  }
}

/* ---- own commits while an index is built ---- */

static void lock_index_folder(frz_test_lake *lake, const char *cache, frz_index_folder *folder)
{
  frz_error err = {0};
  frz_table *table;
  bool locked;
  frz_test_ok(frz_catalog_load_table(lake->catalog, "ns.t", &table, &err), &err);
  frz_table_metadata *metadata = frz_table_current(table);
  frz_test_ok(frz_index_folder_open(folder, cache, metadata->table_uuid, &err), &err);
  frz_test_ok(frz_index_folder_lock(folder, true, &locked, &err), &err);
  frz_table_metadata_release(metadata);
  frz_table_free(table);
}

static void await_index(frz_online *online)
{
  frz_online_stats stats = {0};
  for (int i = 0; i < 5000 && !stats.is_ready; i++) {
    frz_os_sleep_ms(2);
    frz_online_stats_get(online, &stats);
  }
  assert_true(stats.is_ready);
}

/* The thread has planned its build and waits for the folder when commits come: what they add is in
 * no file that it reads, and no later look is due. */
static void test_own_commits_while_an_index_is_built(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_index_folder folder;
  char cache[300];
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(1, driver_id)");
  snprintf(cache, sizeof cache, "%s/cache", lake.folder);
  race_state r = {.lake = &lake};
  frz_online *online = open_as(&lake, FRZ_LOOKUP_INDEX, 3600000, cache);
  write_next(&r, online);
  lock_index_folder(&lake, cache, &folder);
  for (int i = 0; i < 3; i++) { /* the first read has the index built */
    frz_test_row newest = row_of(r.newest);
    assert_true(frz_test_online_has(online, &newest));
    frz_os_sleep_ms(100);
    write_next(&r, online);
  }
  frz_index_folder_unlock(&folder);
  await_index(online);
  frz_test_row newest = row_of(r.newest);
  assert_true(frz_test_online_has(online, &newest));
  write_next(&r, online);
  newest = row_of(r.newest);
  assert_true(frz_test_online_has(online, &newest));
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_others_meanwhile),
                                     cmocka_unit_test(test_own_commits_while_an_index_is_built)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
