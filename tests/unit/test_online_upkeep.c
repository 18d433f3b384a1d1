/*
 * test_online_upkeep.c - compaction, materialization, and the index's files.
 *
 * Numbers in brackets are invariants of docs/design/lookup-index.md.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/os.h"
#include "online_lake.h"
#include "test_files.h"

static frz_online *open_table(frz_test_lake *lake, int64_t staleness_ms, const char *cache_dir)
{
  frz_online_options options;
  frz_online_options_init(&options);
  options.max_staleness_ms = staleness_ms;
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  options.cache_dir = cache_dir;
  return frz_test_online_open(lake, "t", &options);
}

static void write_row(frz_online *online, frz_test_row row)
{
  frz_error err = {0};
  frz_test_ok(frz_test_online_write(online, &row, 1, &err), &err);
}

static void prepare(frz_online *online)
{
  frz_error err = {0};
  frz_test_ok(frz_online_prepare(online, &err), &err);
}

static int64_t data_files(frz_test_lake *lake)
{
  frz_error err = {0};
  frz_table *table;
  char value[FRZ_TEST_VALUE_BYTES];
  frz_test_ok(frz_catalog_load_table(lake->catalog, "ns.t", &table, &err), &err);
  frz_test_summary(table, "total-data-files", value);
  frz_table_free(table);
  return strtoll(value, NULL, 10);
}

/* ---- compaction ---- */

typedef struct meddler {
  frz_online *writer;
  frz_test_row row;
  bool has_written;
} meddler;

/* While files are being joined another process commits. */
static void write_meanwhile(void *ctx, int64_t n_done, int64_t n_total)
{
  (void)n_done;
  (void)n_total;
  meddler *m = ctx;
  if (m->has_written) return;
  m->has_written = true;
  write_row(m->writer, m->row);
}

static void test_equal_time_committed_meanwhile(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(1, driver_id)");
  frz_online *compactor = open_table(&lake, 0, NULL), *writer = open_table(&lake, 0, NULL);
  frz_online *direct = open_table(&lake, 0, NULL);
  prepare(compactor);
  prepare(writer);
  for (int i = 0; i < 10; i++) write_row(compactor, (frz_test_row){1, 500, 5, i});
  meddler m = {writer, {1, 500, 5, 77}, false};
  frz_online_compact_options options;
  frz_online_compact_result result;
  frz_online_compact_options_init(&options);
  options.progress = write_meanwhile;
  options.progress_ctx = &m;
  frz_test_ok(frz_online_compact(compactor, &options, &result, &err), &err);
  assert_true(m.has_written);
  assert_int_equal(result.n_files_before, 10);
  assert_int_equal(result.n_files_after, 1);
  assert_int_equal(result.n_rows_after, 1);
  assert_int_equal(data_files(&lake), 2);
  assert_true(frz_test_online_has(compactor, &m.row));
  assert_true(frz_test_online_has(writer, &m.row));
  assert_true(frz_test_online_has(direct, &m.row)); /* that one built its index just now */
  frz_online_stats stats;
  frz_online_stats_get(writer, &stats);
  assert_int_equal(stats.n_builds, 1); /* [9] a compaction is followed, not built upon anew */
  frz_online_close(direct);
  frz_online_close(writer);
  frz_online_close(compactor);
  frz_test_lake_close(&lake);
}

/* A file that stays out of a run keeps its place: ties with joined rows end as before. */
static void test_ties_with_files_outside(void **state)
{
  (void)state;
  enum { SMALL = 9, MANY = 400 };
  frz_error err = {0};
  static frz_test_row many[MANY];
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(1, driver_id)");
  frz_online *online = open_table(&lake, 0, NULL);
  for (int i = 0; i < SMALL; i++) write_row(online, (frz_test_row){1, 500, 5, i});
  for (int i = 0; i < MANY; i++) many[i] = (frz_test_row){i, 500, 5, 1000 + i};
  frz_test_ok(frz_test_online_write(online, many, MANY, &err), &err);
  frz_online_compact_result result;
  frz_test_ok(frz_online_compact(online, NULL, &result, &err), &err);
  assert_int_equal(result.n_files_before, SMALL);
  prepare(online);
  assert_true(frz_test_online_has(online, &many[1]));
  for (int i = 0; i < SMALL; i++) write_row(online, (frz_test_row){1, 500, 5, 2000 + i});
  frz_test_ok(frz_online_compact(online, NULL, &result, &err), &err);
  frz_test_row last = {1, 500, 5, 2000 + SMALL - 1};
  assert_true(frz_test_online_has(online, &last));
  frz_online_compact_options all;
  frz_online_compact_options_init(&all);
  all.all = true;
  frz_test_ok(frz_online_compact(online, &all, &result, &err), &err);
  assert_int_equal(data_files(&lake), 1);
  frz_online *other = open_table(&lake, 0, NULL);
  prepare(other);
  assert_true(frz_test_online_has(other, &last));
  assert_true(frz_test_online_has(other, &many[2]));
  frz_online_close(other);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* Rows past the time to live read as absent, and go with the next compaction. */
static void test_time_to_live(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(1, driver_id)");
  frz_online_options options;
  frz_online_options_init(&options);
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  options.key_ttl_us = 3600LL * 1000000;
  frz_online *online = frz_test_online_open(&lake, "t", &options);
  frz_test_row old = {1, frz_os_now_ms() * 1000 - 2 * options.key_ttl_us, 5, 1};
  frz_test_row fresh = {2, frz_os_now_ms() * 1000, 5, 2};
  write_row(online, old);
  write_row(online, fresh);
  for (int indexed = 0; indexed < 2; indexed++) {
    assert_true(frz_test_online_lacks(online, 1));
    assert_true(frz_test_online_has(online, &fresh));
    prepare(online);
  }
  frz_online_compact_options all;
  frz_online_compact_result result;
  frz_online_compact_options_init(&all);
  all.all = true;
  frz_test_ok(frz_online_compact(online, &all, &result, &err), &err);
  assert_int_equal(result.n_rows_before, 2);
  assert_int_equal(result.n_rows_after, 1);
  assert_true(frz_test_online_has(online, &fresh));
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* Four commits of a key's row past its time to live are joined, beside a large file that has a row
 * of the key too, `other_age_us` old. Gives how many rows are left of the four. */
static int64_t join_expired(frz_test_lake *lake, const char *table, int64_t other_age_us,
                            frz_test_row *newest_out)
{
  enum { SMALL = 4, MANY = 400 };
  const int64_t hour_us = 3600LL * 1000000, now_us = frz_os_now_ms() * 1000;
  frz_error err = {0};
  static frz_test_row many[MANY];
  frz_test_online_table(lake, table, "bucket(1, driver_id)");
  frz_online_options options;
  frz_online_options_init(&options);
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  options.key_ttl_us = hour_us;
  frz_online *online = frz_test_online_open(lake, table, &options);
  for (int i = 0; i < MANY; i++) many[i] = (frz_test_row){i, now_us - other_age_us, 5, i};
  frz_test_ok(frz_test_online_write(online, many, MANY, &err), &err);
  for (int i = 0; i < SMALL; i++) {
    *newest_out = (frz_test_row){1, now_us - 2 * hour_us, 5, 1000 + i};
    write_row(online, *newest_out);
  }
  frz_online_compact_result result;
  frz_test_ok(frz_online_compact(online, NULL, &result, &err), &err);
  assert_int_equal(result.n_files_before, SMALL);
  frz_online_close(online);
  return result.n_rows_after;
}

/* A key's newest row stays, past its time to live too, while a file outside of the run may hold an
 * older one: who raises the time to live would read that. */
static void test_time_to_live_of_a_run(void **state)
{
  (void)state;
  const int64_t hour_us = 3600LL * 1000000;
  frz_error err = {0};
  frz_test_row newest;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  assert_int_equal(join_expired(&lake, "fresh", 0, &newest), 0);
  assert_int_equal(join_expired(&lake, "t", 3 * hour_us, &newest), 1);
  frz_online_options options;
  frz_online_options_init(&options);
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  frz_online *patient = frz_test_online_open(&lake, "t", &options); /* no time to live */
  assert_true(frz_test_online_has(patient, &newest));
  frz_online_close(patient);
  /* All files of the key: nothing older is left. */
  options.key_ttl_us = hour_us;
  frz_online *online = frz_test_online_open(&lake, "t", &options);
  frz_online_compact_options all;
  frz_online_compact_result result;
  frz_online_compact_options_init(&all);
  all.all = true;
  frz_test_ok(frz_online_compact(online, &all, &result, &err), &err);
  assert_int_equal(result.n_rows_after, 0);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* Compaction behind the writes keeps the number of files low, and what is written again. */
static void test_automatic(void **state)
{
  (void)state;
  enum { COMMITS = 200, BUCKETS = 2, ROWS = 40 };
  frz_error err = {0};
  frz_test_row rows[ROWS];
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(2, driver_id)");
  frz_online_options options;
  frz_online_options_init(&options);
  options.read_timeout_ms = 60000;
  options.min_snapshot_age_ms = 0;
  frz_online *online = frz_test_online_open(&lake, "t", &options);
  prepare(online);
  for (int c = 0; c < COMMITS; c++) {
    for (int i = 0; i < ROWS; i++)
      rows[i] = (frz_test_row){c * ROWS + i - c % 2 * ROWS, 1000 + c, 5, c + i};
    frz_test_ok(frz_test_online_write(online, rows, ROWS, &err), &err);
  }
  frz_online_close(online); /* waits for the compaction that runs */
  assert_true(data_files(&lake) <= 2 * 16 * BUCKETS);
  online = open_table(&lake, 0, NULL);
  frz_online_compact_result result;
  frz_test_ok(frz_online_compact(online, NULL, &result, &err), &err);
  frz_test_ok(frz_online_compact(online, NULL, &result, &err), &err);
  assert_int_equal(result.snapshot_id, -1); /* one call does all that is due */
  assert_true(data_files(&lake) <= 16 * BUCKETS);
  prepare(online);
  for (int i = 0; i < ROWS; i++) assert_true(frz_test_online_has(online, &rows[i]));
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* Another process has compacted, and the snapshot that a handle last saw has expired: its next
 * write builds on the newest version. */
static void test_write_after_expiry(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(1, driver_id)");
  frz_online_options options;
  frz_online_options_init(&options);
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  options.min_snapshot_age_ms = 0;
  frz_online *busy = frz_test_online_open(&lake, "t", &options);
  write_row(busy, (frz_test_row){1, 1, 1, 1});
  frz_online *idle = open_table(&lake, 3600000, NULL);
  frz_online_compact_options all;
  frz_online_compact_result result = {0};
  frz_online_compact_options_init(&all);
  all.all = true;
  for (int i = 0; i < 3; i++) {
    write_row(busy, (frz_test_row){2, 1 + i, 1, 1});
    frz_os_sleep_ms(2);
    frz_test_ok(frz_online_compact(busy, &all, &result, &err), &err);
  }
  assert_true(result.n_snapshots_expired > 0);
  frz_test_row row = {3, 5, 1, 9};
  write_row(idle, row);
  assert_true(frz_test_online_has(idle, &row));
  frz_online_close(idle);
  frz_online_close(busy);
  frz_test_lake_close(&lake);
}

/* Make all snapshots three years older: 17... milliseconds become 16... */
static void age_snapshots(frz_test_lake *lake)
{
  static const char member[] = "\"timestamp-ms\":1";
  frz_error err = {0};
  frz_table *table;
  frz_string location;
  size_t size, n = 0;
  frz_test_ok(frz_catalog_load_table(lake->catalog, "ns.t", &table, &err), &err);
  frz_test_ok(frz_table_metadata_location(table, &location, &err), &err);
  const char *path = strncmp(location.data, "file://", 7) == 0 ? location.data + 7 : location.data;
  uint8_t *bytes = frz_test_read(path, &size);
  for (size_t i = 0; i + sizeof member <= size; i++) {
    if (memcmp(bytes + i, member, sizeof member - 1) != 0) continue;
    bytes[i + sizeof member - 1]--;
    n++;
  }
  assert_true(n > 0);
  frz_test_write(path, bytes, size);
  free(bytes);
  frz_string_dispose(&location);
  frz_table_free(table);
}

/* A snapshot's age counts from when another took its place: what a reader began with before a
 * compaction stays for min_snapshot_age_ms, however old it was. */
static void test_what_was_current_just_now_stays(void **state)
{
  (void)state;
  enum { WRITES = 9, AGE_MS = 60000, OLD_MS = 3600000 };
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(1, driver_id)");
  frz_online_options options;
  frz_online_options_init(&options);
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  options.max_staleness_ms = OLD_MS;
  options.lookup = FRZ_LOOKUP_DIRECT;
  frz_test_row last = {1, 500, 5, WRITES - 1};
  frz_online *online = open_table(&lake, 0, NULL);
  for (int i = 0; i < WRITES; i++) write_row(online, (frz_test_row){1, 500, 5, i});
  age_snapshots(&lake);
  frz_online *reader = frz_test_online_open(&lake, "t", &options); /* sees the last write */
  frz_online_close(online);
  options.min_snapshot_age_ms = AGE_MS;
  online = frz_test_online_open(&lake, "t", &options);
  frz_online_compact_result result;
  frz_test_ok(frz_online_compact(online, NULL, &result, &err), &err);
  assert_int_equal(result.n_files_before, WRITES);
  assert_int_equal(result.n_snapshots_expired, WRITES - 1);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), WRITES + 1);
  assert_true(frz_test_online_has(reader, &last));
  frz_online_close(reader);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* Where it is gone all the same, a direct read goes on with the newest version. */
static void test_direct_read_outlives_expiry(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "bucket(1, driver_id)");
  frz_online_options options;
  frz_online_options_init(&options);
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  options.min_snapshot_age_ms = 0;
  frz_online *online = frz_test_online_open(&lake, "t", &options);
  frz_test_row rows[] = {{1, 500, 5, 1}, {1, 500, 5, 2}, {2, 500, 5, 3}};
  write_row(online, rows[0]);
  write_row(online, rows[1]);
  options.lookup = FRZ_LOOKUP_DIRECT;
  options.max_staleness_ms = 3600000;
  for (int timed = 0; timed < 2; timed++) {
    options.read_timeout_ms = timed ? 60000 : 0;
    frz_online *reader = frz_test_online_open(&lake, "t", &options);
    frz_online_compact_options all;
    frz_online_compact_result result;
    frz_online_compact_options_init(&all);
    all.all = true;
    write_row(online, rows[2]);
    for (int i = 0; i < 2; i++) { /* the second time the first one's parent is old enough */
      write_row(online, rows[2]);
      frz_os_sleep_ms(2);
      frz_test_ok(frz_online_compact(online, &all, &result, &err), &err);
    }
    assert_true(result.n_snapshots_expired > 0);
    assert_true(frz_test_online_has(reader, &rows[1]));
    frz_online_close(reader);
  }
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* ---- files of the index ---- */

static void cache_folder(const frz_test_lake *lake, char path_out[300])
{
  snprintf(path_out, 300, "%s/cache/deep", lake->folder);
}

/* The table's folder, and the first segment in it. */
static bool find_segment(const char *cache, char path_out[700])
{
  char folder[500] = "";
  DIR *listing = opendir(cache);
  if (listing == NULL) return false;
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
    if (entry->d_name[0] != '.') snprintf(folder, sizeof folder, "%s/%s", cache, entry->d_name);
  closedir(listing);
  listing = opendir(folder);
  bool found = false;
  if (listing == NULL) return false;
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    if (strncmp(entry->d_name, "segment-", 8) != 0) continue;
    snprintf(path_out, 700, "%s/%s", folder, entry->d_name);
    found = true;
  }
  closedir(listing);
  return found;
}

static int64_t builds_of(frz_online *online)
{
  frz_online_stats stats;
  frz_online_stats_get(online, &stats);
  return stats.n_builds;
}

/* [5, 8] a second process reads what the first built, then follows the table from there. */
static void test_files_are_shared(void **state)
{
  (void)state;
  char cache[300], segment[700];
  struct stat info;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  cache_folder(&lake, cache);
  frz_online *first = open_table(&lake, 0, cache);
  frz_test_row one = {1, 100, 1, 1}, two = {2, 100, 1, 2}, three = {3, 100, 1, 3};
  write_row(first, one);
  prepare(first);
  assert_int_equal(builds_of(first), 1);
  assert_true(find_segment(cache, segment));
  assert_int_equal(stat(cache, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0700);
  write_row(first, two);
  frz_online *second = open_table(&lake, 0, cache);
  prepare(second);
  assert_int_equal(builds_of(second), 0);
  assert_true(frz_test_online_has(second, &one));
  assert_true(frz_test_online_has(second, &two));
  write_row(second, three);
  assert_true(frz_test_online_has(first, &three));
  frz_online_close(first);
  frz_online_close(second);
  frz_test_lake_close(&lake);
}

/* [6, 7] files that are torn, cut or another table's are not used: the index is built anew. */
static void test_bad_files(void **state)
{
  (void)state;
  char cache[300], segment[700];
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  cache_folder(&lake, cache);
  frz_test_row one = {1, 100, 1, 1};
  for (int damage = 0; damage < 5; damage++) {
    frz_online *online = open_table(&lake, 0, cache);
    one.event_us = 100 + damage;
    write_row(online, one);
    prepare(online);
    assert_true(frz_test_online_has(online, &one));
    frz_online_close(online);
    assert_true(find_segment(cache, segment));
    size_t size;
    uint8_t *bytes = frz_test_read(segment, &size);
    static const size_t places[] = {12, 40, 4096 + 8, 2 * 4096 + 3, 0};
    size_t kept = damage == 4 ? size / 2 : size;
    if (damage < 4) {
      size_t at = places[damage];
      while (damage >= 2 && at < size - 16 && bytes[at] == 0) at++;
      bytes[at] ^= 0x41;
    }
    frz_test_write(segment, bytes, kept);
    free(bytes);
    online = open_table(&lake, 0, cache);
    prepare(online);
    assert_true(frz_test_online_has(online, &one));
    prepare(online);
    assert_true(frz_test_online_has(online, &one));
    assert_true(builds_of(online) >= 1);
    frz_online_close(online);
  }
  frz_test_lake_close(&lake);
}

/* [11] much in memory becomes a file, which all take in; nothing is lost on the way. */
static void test_memory_becomes_files(void **state)
{
  (void)state;
  enum { ROWS = 20000 };
  static frz_test_row rows[ROWS];
  frz_error err = {0};
  char cache[300];
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  cache_folder(&lake, cache);
  frz_online *online = open_table(&lake, 0, cache);
  prepare(online);
  frz_online_stats stats = {0};
  for (int round = 0; round < 6; round++) {
    for (int i = 0; i < ROWS; i++)
      rows[i] = (frz_test_row){i + round * ROWS / 2, 1000 + round, 5, i + round};
    frz_test_ok(frz_test_online_write(online, rows, ROWS, &err), &err);
    for (int i = 0; i < ROWS; i += 997) assert_true(frz_test_online_has(online, &rows[i]));
  }
  for (int tries = 0; tries < 1000 && stats.n_file_bytes < stats.n_memory_bytes * 4 + 1; tries++) {
    frz_test_ok(frz_online_refresh(online, NULL, &err), &err);
    frz_online_stats_get(online, &stats);
    frz_os_sleep_ms(5);
  }
  assert_true(stats.n_file_bytes > stats.n_memory_bytes * 4);
  for (int i = 0; i < ROWS; i += 97) assert_true(frz_test_online_has(online, &rows[i]));
  frz_online *other = open_table(&lake, 0, cache);
  prepare(other);
  assert_int_equal(builds_of(other), 0);
  for (int i = 0; i < ROWS; i += 97) assert_true(frz_test_online_has(other, &rows[i]));
  frz_online_close(other);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* ---- materialization ---- */

static void test_materialize(void **state)
{
  (void)state;
  enum { DRIVERS = 500 };
  static frz_test_row rows[DRIVERS * 3];
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  /* Any table with the columns is a source: an online one that was only appended to. */
  frz_test_online_table(&lake, "source", "bucket(2, driver_id)");
  frz_test_online_table(&lake, "t", NULL);
  for (int i = 0; i < DRIVERS * 3; i++)
    rows[i] = (frz_test_row){i % DRIVERS, 1000 + i / DRIVERS, 5, i};
  struct ArrowArrayStream stream;
  frz_table *source;
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.source", &source, &err), &err);
  frz_test_online_rows(rows, DRIVERS * 3, frz_alloc_default(), &stream);
  frz_test_ok(frz_table_append(source, &stream, NULL, NULL, &err), &err);
  frz_online *online = open_table(&lake, 3600000, NULL);
  prepare(online);
  frz_online_materialize_options options;
  frz_online_write_result result;
  frz_online_materialize_options_init(&options);
  options.timestamp_field = "event_ts";
  options.created_timestamp_field = "created_ts";
  options.end_us = 1001;
  frz_status st = frz_online_materialize(online, source, &options, &result, &err);
  assert_int_equal(st, FRZ_ERR_UNSUPPORTED); /* the map, which is stored serialized */
  assert_non_null(strstr(err.message, "mapped"));
  frz_table *target;
  const frz_schema_change drop = {.op = FRZ_SCHEMA_DROP_COLUMN, .path = "mapped"};
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &target, &err), &err);
  frz_test_ok(frz_table_update_schema(target, &drop, 1, &err), &err);
  frz_table_free(target);
  frz_test_ok(frz_online_materialize(online, source, &options, &result, &err), &err);
  assert_int_equal(result.n_rows, DRIVERS);
  int64_t drivers[DRIVERS], event_us;
  frz_online_result *read = NULL;
  for (int i = 0; i < DRIVERS; i++) drivers[i] = i;
  frz_test_ok(frz_test_online_read(online, drivers, DRIVERS, &read, &err), &err);
  for (size_t i = 0; i < DRIVERS; i++) {
    assert_true(frz_online_result_found(read, i, &event_us, NULL));
    assert_int_equal(event_us, 1001);
    assert_true(frz_online_result_value(read, i, 4).as.f64 == (double)(DRIVERS + (int)i) / 3);
  }
  frz_online_result_free(read);
  frz_online_close(online);
  frz_table_free(source);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_time_committed_meanwhile),
                                     cmocka_unit_test(test_ties_with_files_outside),
                                     cmocka_unit_test(test_time_to_live),
                                     cmocka_unit_test(test_time_to_live_of_a_run),
                                     cmocka_unit_test(test_automatic),
                                     cmocka_unit_test(test_write_after_expiry),
                                     cmocka_unit_test(test_what_was_current_just_now_stays),
                                     cmocka_unit_test(test_direct_read_outlives_expiry),
                                     cmocka_unit_test(test_files_are_shared),
                                     cmocka_unit_test(test_bad_files),
                                     cmocka_unit_test(test_memory_becomes_files),
                                     cmocka_unit_test(test_materialize)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
