/*
 * test_expire.c - snapshots that are forgotten, files that nothing leads to, and how locations are
 * compared before anything is removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "base/os.h"
#include "frazil/evolution.h"
#include "iceberg/maintain/expire_choose.h"
#include "iceberg/maintain/location.h"
#include "iceberg/table/table_state.h"
#include "puffin/puffin.h"
#include "test_lake.h"
#include "troubled_store.h"

#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS (24 * HOUR_MS)

/* ---- locations ---- */

static void assert_normal(const char *location, const char *expected)
{
  frz_buf out;
  frz_error err = {0};
  frz_buf_init(&out, frz_alloc_default(), 4096);
  frz_test_ok(frz_location_normalise(frz_str_from(location), &out, &err), &err);
  if (!frz_str_is(frz_buf_str(&out), expected))
    fail_msg("'%s' became '%.*s', not '%s'", location, (int)out.size, (const char *)out.data,
             expected);
  frz_buf_dispose(&out);
}

static void test_one_place_has_one_form(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"/x/y", "/x/y"},
      {"/x/y/", "/x/y"},
      {"//x///y//", "/x/y"},
      {"/", "/"},
      {"file:/x", "/x"},
      {"file:///x/", "/x"},
      {"FILE://localhost/x", "/x"},
      {"file://host/x", "file://host/x"},
      {"s3://b/k", "s3://b/k"},
      {"s3a://b/k", "s3://b/k"},
      {"S3N://b//k/", "s3://b/k"},
      {"s3://b", "s3://b"},
      {"s3://b/", "s3://b"},
      {"s3://B/k", "s3://B/k"}, /* hosts of buckets keep their case */
      {"gs://b/a%20b", "gs://b/a%20b"},
      {"GCS://b/k", "gs://b/k"},
      {"abfss://c@h.net/x", "abfss://c@h.net/x"},
      {"abfs://c@a.dfs.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/x"},
      {"wasbs://c@a.blob.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/x"},
      {"wasb://c@a.blob.core.windows.net", "abfss://c@a.dfs.core.windows.net"},
      {"az://c/x", "az://c/x"},
      {"/x/a%2Fb", "/x/a%2Fb"},
      {"/x/a:b", "/x/a:b"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_normal(cases[i][0], cases[i][1]);
  char folder[2048], expected[2100];
  assert_non_null(getcwd(folder, sizeof folder));
  snprintf(expected, sizeof expected, "%s/a/b", folder);
  assert_normal("a//b/", expected);
  assert_true(frz_location_is_below(FRZ_STR("/a/b"), FRZ_STR("/a")));
  assert_true(frz_location_is_below(FRZ_STR("/a"), FRZ_STR("/a")));
  assert_true(frz_location_is_below(FRZ_STR("/a"), FRZ_STR("/")));
  assert_false(frz_location_is_below(FRZ_STR("/ab"), FRZ_STR("/a")));
  assert_true(frz_str_is(frz_location_path(FRZ_STR("s3://b/x/y")), "/x/y"));
  assert_true(frz_str_is(frz_location_path(FRZ_STR("/x/y")), "/x/y"));
}

/* ---- which snapshots go ---- */

/* Snapshots 1 to 8, one a day, the youngest an hour old; 7 and 8 branch off from 4. */
static const frz_snapshot history[] = {
    {.snapshot_id = 1, .parent_id = -1, .timestamp_ms = 93 * DAY_MS},
    {.snapshot_id = 2, .parent_id = 1, .timestamp_ms = 94 * DAY_MS},
    {.snapshot_id = 3, .parent_id = 2, .timestamp_ms = 95 * DAY_MS},
    {.snapshot_id = 4, .parent_id = 3, .timestamp_ms = 96 * DAY_MS},
    {.snapshot_id = 5, .parent_id = 4, .timestamp_ms = 97 * DAY_MS},
    {.snapshot_id = 6, .parent_id = 5, .timestamp_ms = 98 * DAY_MS},
    {.snapshot_id = 7, .parent_id = 4, .timestamp_ms = 96 * DAY_MS + HOUR_MS},
    {.snapshot_id = 8, .parent_id = 7, .timestamp_ms = 100 * DAY_MS - HOUR_MS},
};

#define REF(ref_name, id, branch)                                                     \
  {                                                                                   \
    .name = {ref_name, sizeof(ref_name) - 1}, .snapshot_id = id, .is_branch = branch, \
    .max_ref_age_ms = -1, .max_snapshot_age_ms = -1, .min_snapshots_to_keep = -1      \
  }

typedef struct choice_case {
  const char *label;
  frz_snapshot_ref refs[3];
  size_t n_refs;
  int64_t older_than_ms;
  int32_t retain_last;
  int64_t named; /* an id; 0: none */
  const char *key, *value;
  const char *expired; /* ids */
  size_t n_refs_gone;
} choice_case;

static frz_status choose(const choice_case *c, frz_arena *arena, frz_expire_choice *choice,
                         frz_error *err)
{
  frz_text_pair pair = {frz_str_from(c->key), frz_str_from(c->value)};
  frz_table_metadata metadata = {.snapshots = history,
                                 .n_snapshots = 8,
                                 .refs = c->refs,
                                 .n_refs = c->n_refs,
                                 .properties = &pair,
                                 .n_properties = c->key != NULL};
  frz_expire_options options;
  frz_expire_options_init(&options);
  options.older_than_ms = c->older_than_ms;
  options.retain_last = c->retain_last;
  options.snapshot_ids = &c->named;
  options.n_snapshot_ids = c->named != 0;
  return frz_expire_choose(&metadata, &options, 100 * DAY_MS, arena, choice, err);
}

static void test_retention(void **state)
{
  (void)state;
  static const choice_case cases[] = {
      {.label = "five days", .refs = {REF("main", 6, true)}, .n_refs = 1, .expired = "1 2"},
      {.label = "by property",
       .refs = {REF("main", 6, true)},
       .n_refs = 1,
       .key = "history.expire.max-snapshot-age-ms",
       .value = "86400000",
       .expired = "1 2 3 4 5 7"},
      {.label = "at least three",
       .refs = {REF("main", 6, true)},
       .n_refs = 1,
       .older_than_ms = 200 * DAY_MS,
       .retain_last = 3,
       .expired = "1 2 3 7 8"},
      {.label = "three by property",
       .refs = {REF("main", 6, true)},
       .n_refs = 1,
       .older_than_ms = 200 * DAY_MS,
       .key = "history.expire.min-snapshots-to-keep",
       .value = "3",
       .expired = "1 2 3 7 8"},
      {.label = "a tag keeps itself, not its ancestors",
       .refs = {REF("main", 6, true), REF("t", 2, false)},
       .n_refs = 2,
       .older_than_ms = 200 * DAY_MS,
       .expired = "1 3 4 5 7 8"},
      {.label = "an old branch with rules of its own",
       .refs = {REF("main", 6, true),
                {.name = {"b", 1},
                 .snapshot_id = 8,
                 .is_branch = true,
                 .max_ref_age_ms = -1,
                 .max_snapshot_age_ms = 4 * DAY_MS,
                 .min_snapshots_to_keep = -1}},
       .n_refs = 2,
       .older_than_ms = 200 * DAY_MS,
       .expired = "1 2 3 5"},
      {.label = "a branch that keeps two",
       .refs = {REF("main", 6, true),
                {.name = {"b", 1},
                 .snapshot_id = 8,
                 .is_branch = true,
                 .max_ref_age_ms = -1,
                 .max_snapshot_age_ms = -1,
                 .min_snapshots_to_keep = 2}},
       .n_refs = 2,
       .older_than_ms = 200 * DAY_MS,
       .expired = "1 2 3 4 5"},
      {.label = "a tag past its age goes, and what it named",
       .refs = {REF("main", 6, true),
                {.name = {"t", 1},
                 .snapshot_id = 2,
                 .max_ref_age_ms = 6 * DAY_MS - 1,
                 .max_snapshot_age_ms = -1,
                 .min_snapshots_to_keep = -1}},
       .n_refs = 2,
       .expired = "1 2",
       .n_refs_gone = 1},
      {.label = "a tag of exactly its age stays",
       .refs = {REF("main", 6, true),
                {.name = {"t", 1},
                 .snapshot_id = 2,
                 .max_ref_age_ms = 6 * DAY_MS,
                 .max_snapshot_age_ms = -1,
                 .min_snapshots_to_keep = -1}},
       .n_refs = 2,
       .expired = "1"},
      {.label = "main never goes",
       .refs = {{.name = {"main", 4},
                 .snapshot_id = 3,
                 .is_branch = true,
                 .max_ref_age_ms = 1,
                 .max_snapshot_age_ms = -1,
                 .min_snapshots_to_keep = -1}},
       .n_refs = 1,
       .expired = "1 2"},
      {.label = "a ref that leads nowhere goes",
       .refs = {REF("main", 6, true), REF("t", 99, false)},
       .n_refs = 2,
       .expired = "1 2",
       .n_refs_gone = 1},
      {.label = "named",
       .refs = {REF("main", 6, true)},
       .n_refs = 1,
       .named = 5,
       .expired = "1 2 5"},
      {.label = "named and not there",
       .refs = {REF("main", 6, true)},
       .n_refs = 1,
       .named = 55,
       .expired = "1 2"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_arena arena;
    frz_error err = {0};
    frz_expire_choice choice = {0};
    char text[100] = "";
    frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
    frz_test_ok(choose(&cases[i], &arena, &choice, &err), &err);
    for (size_t k = 0; k < choice.n_snapshot_ids; k++)
      snprintf(text + strlen(text), sizeof text - strlen(text), "%s%lld", k != 0 ? " " : "",
               (long long)choice.snapshot_ids[k]);
    if (strcmp(text, cases[i].expired) != 0)
      fail_msg("%s: '%s', not '%s'", cases[i].label, text, cases[i].expired);
    assert_int_equal(choice.n_refs, cases[i].n_refs_gone);
    frz_arena_free(&arena);
  }
}

/* Times of a foreign table may be anything. */
static void test_a_snapshot_older_than_time(void **state)
{
  (void)state;
  const frz_snapshot snapshot = {.snapshot_id = 1, .parent_id = -1, .timestamp_ms = INT64_MIN};
  const frz_snapshot_ref refs[] = {REF("main", 1, true), REF("t", 1, false)};
  const frz_table_metadata metadata = {
      .snapshots = &snapshot, .n_snapshots = 1, .refs = refs, .n_refs = 2};
  frz_expire_options options;
  frz_expire_choice choice;
  frz_arena arena;
  frz_error err = {0};
  frz_expire_options_init(&options);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_test_ok(frz_expire_choose(&metadata, &options, 100 * DAY_MS, &arena, &choice, &err), &err);
  assert_int_equal(choice.n_snapshot_ids, 0);
  assert_int_equal(choice.n_refs, 1);
  frz_arena_free(&arena);
}

static void test_what_a_ref_names_is_not_expired(void **state)
{
  (void)state;
  const choice_case c = {
      .refs = {REF("main", 6, true), REF("t", 2, false)}, .n_refs = 2, .named = 2};
  frz_arena arena;
  frz_error err = {0};
  frz_expire_choice choice;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  assert_int_equal(choose(&c, &arena, &choice, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "expire: snapshot 2 is what tag 't' names");
  const choice_case bad = {.refs = {REF("main", 6, true)},
                           .n_refs = 1,
                           .key = "history.expire.min-snapshots-to-keep",
                           .value = "0"};
  assert_int_equal(choose(&bad, &arena, &choice, &err), FRZ_ERR_INVALID);
  frz_arena_free(&arena);
}

/* ---- tables ---- */

static frz_expire_options all_old(void)
{
  frz_expire_options options;
  frz_expire_options_init(&options);
  options.older_than_ms = frz_os_now_ms() + DAY_MS;
  return options;
}

/* Three appends, a delete that rewrites one file, a tag on the first. */
static frz_table *make_history(frz_test_lake *lake, const frz_property *properties, bool tagged)
{
  frz_error err = {0};
  frz_table *table = frz_test_lake_table(lake, "t", NULL, properties);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  if (tagged) frz_test_ok(frz_table_set_ref(table, "first", NULL, &err), &err);
  frz_test_ok(frz_test_append(table, 10, 10, &err), &err);
  frz_test_ok(frz_test_append(table, 20, 10, &err), &err);
  frz_test_ok(frz_table_delete(table, "id = 15", NULL, NULL, &err), &err);
  return table;
}

static void test_files_of_no_snapshot_go(void **state)
{
  (void)state;
  for (int tagged = 0; tagged < 2; tagged++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_expire_result result, dry;
    frz_test_lake_open(&lake, NULL);
    frz_table *table = make_history(&lake, NULL, tagged == 1);
    frz_expire_options options = all_old();
    size_t n_parquet = frz_test_count_files(&lake, "warehouse", ".parquet");
    size_t n_avro = frz_test_count_files(&lake, "warehouse", ".avro");
    assert_int_equal(n_parquet, 4);
    options.dry_run = true;
    frz_test_ok(frz_table_expire_snapshots(table, &options, &dry, &err), &err);
    assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), n_parquet);
    options.dry_run = false;
    frz_test_ok(frz_table_expire_snapshots(table, &options, &result, &err), &err);
    assert_memory_equal(&dry, &result, sizeof result);
    assert_int_equal(result.n_snapshots, tagged ? 2 : 3);
    assert_int_equal(result.n_data_files, 1); /* the one that the delete rewrote */
    assert_int_equal(result.n_manifest_lists, result.n_snapshots);
    assert_int_equal(result.n_manifests, 1);
    assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 3);
    assert_int_equal(frz_test_count_files(&lake, "warehouse", ".avro"),
                     n_avro - (size_t)(result.n_manifests + result.n_manifest_lists));
    assert_int_equal(frz_test_scan(table, NULL).n_rows, 29);
    frz_test_ok(frz_table_expire_snapshots(table, &options, &result, &err), &err);
    assert_int_equal(result.n_snapshots, 0);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

/* A handle's snapshot was expired by another writer, and its manifests are gone: an append through
 * the handle builds on the newest version. */
static void test_an_append_outlives_its_snapshot(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_table *other;
  frz_expire_result result;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, NULL, false);
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &other, &err), &err);
  frz_test_ok(frz_test_append(other, 30, 10, &err), &err);
  frz_expire_options options = all_old();
  frz_test_ok(frz_table_expire_snapshots(other, &options, &result, &err), &err);
  assert_int_equal(result.n_snapshots, 4);
  frz_test_ok(frz_test_append(table, 40, 10, &err), &err);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 49);
  frz_table_free(other);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* Where the newest version itself lacks a file, that is said, not waited for. */
static void test_a_lost_manifest_list_is_told(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, NULL, false);
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_snapshot *snapshot = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  char path[1024];
  snprintf(path, sizeof path, "%.*s", (int)snapshot->manifest_list.size,
           (const char *)snapshot->manifest_list.data);
  frz_table_metadata_release(metadata);
  assert_int_equal(remove(strncmp(path, "file://", 7) == 0 ? path + 7 : path), 0);
  assert_int_equal(frz_test_append(table, 40, 10, &err), FRZ_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "snap-"));
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

typedef struct orphan_count {
  int64_t n_files, n_removed, size_bytes;
  char first[600];
} orphan_count;

static frz_status find_orphans(frz_table *table, const frz_orphan_options *options,
                               orphan_count *count_out, frz_error *err)
{
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  orphan_count count = {0};
  FRZ_TRY(frz_table_remove_orphans(table, options, &stream, err));
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), err), err);
  for (;;) {
    frz_batch batch;
    frz_test_ok(frz_stream_reader_next(&reader, &batch, err), err);
    if (batch.n_rows == 0) break;
    for (int64_t i = 0; i < batch.n_rows; i++) {
      frz_str path = frz_column_bytes(&batch.columns[0], i);
      if (count.n_files++ == 0)
        snprintf(count.first, sizeof count.first, "%.*s", (int)path.size, path.data);
      count.size_bytes += ((const int64_t *)(const void *)batch.columns[1].values.data)[i];
      count.n_removed += frz_bit_get(batch.columns[3].values.data, i);
    }
    frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
  *count_out = count;
  return FRZ_OK;
}

static frz_orphan_options orphans_now(void)
{
  frz_orphan_options options;
  frz_orphan_options_init(&options);
  options.older_than_ms = frz_os_now_ms() + HOUR_MS;
  options.allow_recent = true;
  return options;
}

static void put_statistics(frz_table *table, const char *path, int64_t snapshot_id)
{
  frz_error err = {0};
  frz_sink *sink = NULL;
  frz_puffin_writer *writer = NULL;
  frz_test_ok(
      frz_storage_create_file(frz_table_storage(table), frz_str_from(path), false, &sink, &err),
      &err);
  frz_test_ok(frz_puffin_writer_create(frz_alloc_default(), sink, &writer, &err), &err);
  frz_test_ok(frz_puffin_writer_finish(writer, NULL, 0, &err), &err);
  frz_puffin_writer_free(writer);
  frz_test_ok(frz_sink_commit(sink, &err), &err);
  frz_sink_free(sink);
  frz_test_ok(frz_table_set_statistics(table, snapshot_id, path, &err), &err);
}

/* A statistics file goes with the last snapshot that it is named for. */
static void test_statistics_go_with_their_snapshot(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_expire_result result;
  orphan_count count;
  char one[600], two[600];
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, NULL, false);
  snprintf(one, sizeof one, "%s/warehouse/ns/t/metadata/one.puffin", lake.folder);
  snprintf(two, sizeof two, "%s/warehouse/ns/t/metadata/two.puffin", lake.folder);
  frz_table_metadata *before = frz_table_current(table);
  put_statistics(table, one, before->snapshots[0].snapshot_id);
  put_statistics(table, two, before->snapshots[1].snapshot_id);
  put_statistics(table, two, before->current_snapshot_id);
  frz_expire_options options = all_old();
  frz_test_ok(frz_table_expire_snapshots(table, &options, &result, &err), &err);
  assert_int_equal(result.n_statistics_files, 1);
  assert_int_equal(access(one, F_OK), -1);
  assert_int_equal(access(two, F_OK), 0);
  frz_table_metadata *after = frz_table_current(table);
  assert_int_equal(after->n_statistics, 1);
  assert_int_equal(after->statistics[0].snapshot_id, before->current_snapshot_id);
  frz_orphan_options orphans = orphans_now();
  frz_test_ok(find_orphans(table, &orphans, &count, &err), &err);
  assert_int_equal(count.n_files, 0);
  frz_table_metadata_release(before);
  frz_table_metadata_release(after);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* Folders elsewhere, whose names hold what some URIs give a meaning. */
static void test_folders_of_other_names(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_expire_result result;
  orphan_count count;
  char data[600], metadata[600], command[900];
  frz_test_lake_open(&lake, NULL);
  snprintf(data, sizeof data, "%s/da ta%%20#/x=1?", lake.folder);
  snprintf(metadata, sizeof metadata, "file://%s/me%%74a+", lake.folder);
  const frz_property properties[] = {
      {"write.data.path", data}, {"write.metadata.path", metadata}, {NULL, NULL}};
  frz_table *table = make_history(&lake, properties, false);
  frz_expire_options options = all_old();
  frz_test_ok(frz_table_expire_snapshots(table, &options, &result, &err), &err);
  assert_int_equal(result.n_snapshots, 3);
  assert_int_equal(result.n_data_files, 1);
  assert_int_equal(frz_test_count_files(&lake, "da ta%20#/x=1?", ".parquet"), 3);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ""), 0);
  snprintf(command, sizeof command, "cp '%s/catalog.db' '%s/lost.parquet'", lake.folder, data);
  assert_int_equal(system(command), 0);
  frz_orphan_options orphans = orphans_now();
  orphans.remove = true;
  orphans.location = data;
  frz_test_ok(find_orphans(table, &orphans, &count, &err), &err);
  assert_int_equal(count.n_removed, 1);
  orphans.location = metadata;
  frz_test_ok(find_orphans(table, &orphans, &count, &err), &err);
  assert_int_equal(count.n_removed, 0);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 29);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_expiry_options(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_expire_result result;
  const frz_property not_ours[] = {{"gc.enabled", "false"}, {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, not_ours, false);
  frz_expire_options options = all_old();
  assert_int_equal(frz_table_expire_snapshots(table, &options, NULL, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "gc.enabled"));
  options.keep_files = true;
  frz_test_ok(frz_table_expire_snapshots(table, &options, &result, &err), &err);
  assert_int_equal(result.n_snapshots, 3);
  assert_int_equal(result.n_data_files, 0);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 4);
  const int64_t current = frz_table_current_snapshot_id(table);
  options.snapshot_ids = &current;
  options.n_snapshot_ids = 1;
  assert_int_equal(frz_table_expire_snapshots(table, &options, NULL, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "is what branch 'main' names"));
  options.struct_bytes = 3;
  assert_int_equal(frz_table_expire_snapshots(table, &options, NULL, &err), FRZ_ERR_INVALID);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* Refuse one request after the other. Whatever happens, what the table says is there. */
static void test_no_failure_loses_a_live_file(void **state)
{
  (void)state;
  for (long n = 1;; n++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_test_lake_open(&lake, NULL);
    frz_table *table = make_history(&lake, NULL, n % 2 == 0);
    frz_storage *real = table->storage;
    frz_troubled_store trouble = {.real = real, .refuse_at = n, .all_after = n % 3 == 0};
    table->storage = frz_troubled_store_wrap(&trouble, lake.context);
    frz_expire_options options = all_old();
    frz_status st = frz_table_expire_snapshots(table, &options, NULL, &err);
    assert_true(st == FRZ_OK || st == FRZ_ERR_IO);
    if (trouble.n_removed == 0 && st == FRZ_ERR_IO)
      assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 4);
    long requests = trouble.requests;
    frz_storage_release(table->storage);
    table->storage = real;
    frz_test_ok(frz_table_refresh(table, NULL, &err), &err);
    assert_int_equal(frz_test_scan(table, NULL).n_rows, 29);
    frz_table_free(table);
    frz_test_lake_close(&lake);
    if (requests < n) break;
  }
}

/* ---- orphan files ---- */

static void put_file(const frz_test_lake *lake, const char *below, int64_t age_ms)
{
  char path[700];
  snprintf(path, sizeof path, "%s/warehouse/ns/t/%s", lake->folder, below);
  for (char *at = path + strlen(lake->folder) + 1; *at != '\0'; at++) {
    if (*at != '/') continue;
    *at = '\0';
    (void)mkdir(path, 0777);
    *at = '/';
  }
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  fputs("orphan", file);
  fclose(file);
  time_t then = (time_t)((frz_os_now_ms() - age_ms) / 1000);
  const struct utimbuf times = {then, then};
  assert_int_equal(utime(path, &times), 0);
}

static void test_what_nothing_leads_to_is_found(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  orphan_count count;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, NULL, true);
  frz_orphan_options options = orphans_now();
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_int_equal(count.n_files, 0);
  put_file(&lake, "data/lost.parquet", 0);
  put_file(&lake, "metadata/.00001-x.metadata.json.0123456789abcdef.tmp", 0);
  put_file(&lake, "data/_SUCCESS", 0);              /* another program's */
  put_file(&lake, "data/.hidden/lost.parquet", 0);  /* likewise */
  put_file(&lake, "metadata/version-hint.text", 0); /* a reader without catalog needs it */
  frz_test_ok(find_orphans(table, NULL, &count, &err), &err);
  assert_int_equal(count.n_files, 0); /* too young */
  put_file(&lake, "data/old.parquet", 3 * DAY_MS + HOUR_MS);
  put_file(&lake, "data/younger.parquet", 3 * DAY_MS - HOUR_MS);
  put_file(&lake, "data/undated.parquet", frz_os_now_ms()); /* time 0: no store told */
  frz_test_ok(find_orphans(table, NULL, &count, &err), &err);
  assert_int_equal(count.n_files, 1);
  assert_non_null(strstr(count.first, "/data/old.parquet"));
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_int_equal(count.n_files, 4);
  assert_int_equal(count.n_removed, 0);
  assert_int_equal(count.size_bytes, 4 * 6);
  options.remove = true;
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_int_equal(count.n_removed, 4);
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_int_equal(count.n_files, 0);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 29);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* Snapshots of older metadata files are still somebody's. */
static void test_the_metadata_log_is_followed(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  orphan_count count;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, NULL, false);
  frz_expire_options expire = all_old();
  expire.keep_files = true;
  frz_test_ok(frz_table_expire_snapshots(table, &expire, NULL, &err), &err);
  frz_orphan_options options = orphans_now();
  options.remove = true;
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_int_equal(count.n_files, 0);
  /* Once the log is short, the files that were kept are orphans: data, manifest, lists, metadata.
   */
  const frz_property trim = {"write.metadata.previous-versions-max", "1"};
  frz_test_ok(frz_table_set_properties(table, &trim, 1, NULL, 0, &err), &err);
  frz_test_ok(frz_test_append(table, 30, 1, &err), &err);
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_true(count.n_files > 5);
  assert_int_equal(count.n_removed, count.n_files);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 4);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 30);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_refusals_of_orphans(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  orphan_count count;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, NULL, false);
  frz_orphan_options options = orphans_now();
  options.allow_recent = false;
  assert_int_equal(find_orphans(table, &options, &count, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "allow_recent"));
  options.allow_recent = true;
  char folder[600];
  snprintf(folder, sizeof folder, "%s/warehouse", lake.folder);
  options.location = folder;
  assert_int_equal(find_orphans(table, &options, &count, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "holds the whole table"));
  snprintf(folder, sizeof folder, "file://%s/warehouse//ns/t/data/", lake.folder);
  put_file(&lake, "data/lost.parquet", 0);
  put_file(&lake, "metadata/lost.avro", 0);
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_int_equal(count.n_files, 1);
  const frz_property not_ours = {"gc.enabled", "false"};
  frz_test_ok(frz_table_set_properties(table, &not_ours, 1, NULL, 0, &err), &err);
  options.location = NULL;
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_int_equal(count.n_files, 2);
  options.remove = true;
  assert_int_equal(find_orphans(table, &options, &count, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "gc.enabled"));
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* The same files under another root: nobody can tell whether they are the same. */
static void test_a_file_seen_from_elsewhere_is_refused(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  orphan_count count;
  char command[900], folder[600];
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, NULL, false);
  snprintf(command, sizeof command, "cp -r %s/warehouse/ns/t %s/copy", lake.folder, lake.folder);
  assert_int_equal(system(command), 0);
  snprintf(folder, sizeof folder, "%s/copy", lake.folder);
  frz_orphan_options options = orphans_now();
  options.location = folder;
  options.remove = true;
  assert_int_equal(find_orphans(table, &options, &count, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "seen from elsewhere"));
  assert_int_equal(frz_test_count_files(&lake, "copy", ".parquet"), 4);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* A table inside of another's folder: its metadata gives it away, young as it may be. */
static void test_another_table_below_is_not_touched(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  orphan_count count;
  char command[900], folder[600];
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_history(&lake, NULL, false);
  frz_table *other = frz_test_lake_table(&lake, "u", NULL, NULL);
  frz_test_ok(frz_test_append(other, 0, 10, &err), &err);
  snprintf(command, sizeof command, "cp -r '%s/warehouse/ns/u' '%s/warehouse/ns/t/in%%20 here'",
           lake.folder, lake.folder);
  assert_int_equal(system(command), 0);
  put_file(&lake, "in%20 here/data/old.parquet", 4 * DAY_MS);
  frz_orphan_options options = orphans_now();
  options.remove = true;
  assert_int_equal(find_orphans(table, &options, &count, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "is of another table"));
  options.older_than_ms = frz_os_now_ms() - 2 * DAY_MS; /* its metadata is younger */
  assert_int_equal(find_orphans(table, &options, &count, &err), FRZ_ERR_INVALID);
  /* A folder of another table, given by mistake. */
  snprintf(folder, sizeof folder, "%s/warehouse/ns/u/data", lake.folder);
  options = orphans_now();
  options.remove = true;
  options.location = folder;
  assert_int_equal(find_orphans(table, &options, &count, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "none of which is live"));
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 7);
  /* Our own metadata in another place is an orphan as any other. */
  snprintf(command, sizeof command,
           "cd '%s/warehouse/ns/t' && rm -r in* && mkdir old && cp metadata/00000* old",
           lake.folder);
  assert_int_equal(system(command), 0);
  options.location = NULL;
  frz_test_ok(find_orphans(table, &options, &count, &err), &err);
  assert_int_equal(count.n_removed, 1);
  frz_table_free(other);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* A manifest that cannot be read might name any file: nothing is removed. */
static void test_nothing_goes_while_metadata_is_unreadable(void **state)
{
  (void)state;
  for (long n = 1;; n++) {
    frz_test_lake lake;
    frz_error err = {0};
    orphan_count count;
    frz_test_lake_open(&lake, NULL);
    frz_table *table = make_history(&lake, NULL, false);
    put_file(&lake, "data/lost.parquet", 0);
    frz_storage *real = table->storage;
    frz_troubled_store trouble = {.real = real, .refuse_at = n};
    table->storage = frz_troubled_store_wrap(&trouble, lake.context);
    frz_orphan_options options = orphans_now();
    options.remove = true;
    frz_status st = find_orphans(table, &options, &count, &err);
    assert_true(st == FRZ_OK || st == FRZ_ERR_IO);
    assert_int_equal(trouble.n_removed, st == FRZ_OK && count.n_removed == 1);
    long requests = trouble.requests;
    frz_storage_release(table->storage);
    table->storage = real;
    assert_int_equal(frz_test_scan(table, NULL).n_rows, 29);
    frz_table_free(table);
    frz_test_lake_close(&lake);
    if (requests < n) break;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_place_has_one_form),
      cmocka_unit_test(test_retention),
      cmocka_unit_test(test_a_snapshot_older_than_time),
      cmocka_unit_test(test_what_a_ref_names_is_not_expired),
      cmocka_unit_test(test_files_of_no_snapshot_go),
      cmocka_unit_test(test_an_append_outlives_its_snapshot),
      cmocka_unit_test(test_a_lost_manifest_list_is_told),
      cmocka_unit_test(test_statistics_go_with_their_snapshot),
      cmocka_unit_test(test_folders_of_other_names),
      cmocka_unit_test(test_expiry_options),
      cmocka_unit_test(test_no_failure_loses_a_live_file),
      cmocka_unit_test(test_what_nothing_leads_to_is_found),
      cmocka_unit_test(test_the_metadata_log_is_followed),
      cmocka_unit_test(test_refusals_of_orphans),
      cmocka_unit_test(test_a_file_seen_from_elsewhere_is_refused),
      cmocka_unit_test(test_another_table_below_is_not_touched),
      cmocka_unit_test(test_nothing_goes_while_metadata_is_unreadable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
