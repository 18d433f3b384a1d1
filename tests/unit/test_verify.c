/*
 * test_verify.c - sound tables have no findings; a table with one thing wrong has that finding.
 *
 * Damage is done where it would be in the field: to files on disk, and to manifest entries, which a
 * commit of the test writes again with one value changed.
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

#include "arrow/arrow_stream.h"
#include "base/limits.h"
#include "delete_writer.h"
#include "frazil/evolution.h"
#include "frazil/maintenance.h"
#include "iceberg/table/table_state.h"
#include "iceberg/write/snapshot_producer.h"
#include "test_lake.h"
#include "troubled_store.h"

typedef struct findings {
  frz_verify_result result;
  char checks[600]; /* names, apart by spaces, each once */
  char messages[4000];
} findings;

static findings verify(frz_table *table, const frz_verify_options *options)
{
  findings found = {0};
  frz_error err = {0};
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  frz_test_ok(frz_table_verify(table, options, &stream, &found.result, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  for (;;) {
    frz_batch batch;
    frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
    if (batch.n_rows == 0) break;
    for (int64_t i = 0; i < batch.n_rows; i++) {
      frz_str check = frz_column_bytes(&batch.columns[1], i);
      frz_str message = frz_column_bytes(&batch.columns[3], i);
      size_t n = strlen(found.checks), m = strlen(found.messages);
      char name[64];
      snprintf(name, sizeof name, "%.*s", (int)check.size, check.data);
      if (strstr(found.checks, name) == NULL)
        snprintf(found.checks + n, sizeof found.checks - n, "%s%s", n != 0 ? " " : "", name);
      snprintf(found.messages + m, sizeof found.messages - m, "%s: %.*s\n", name, (int)message.size,
               message.data);
      assert_true(frz_column_bytes(&batch.columns[4], i).size != 0);
    }
    frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
  return found;
}

static frz_verify_options whole(void)
{
  frz_verify_options options;
  frz_verify_options_init(&options);
  options.all_snapshots = true;
  options.read_data = true;
  return options;
}

static void expect_sound(frz_table *table)
{
  frz_verify_options options = whole();
  findings found = verify(table, NULL);
  if (found.checks[0] != '\0') fail_msg("%s", found.messages);
  found = verify(table, &options);
  if (found.checks[0] != '\0') fail_msg("%s", found.messages);
  assert_int_equal(found.result.n_errors, 0);
  assert_int_equal(found.result.n_warnings, 0);
}

static void expect_finding(frz_table *table, const char *label, const char *check)
{
  frz_verify_options options = whole();
  options.all_snapshots = false;
  findings found = verify(table, &options);
  if (strcmp(found.checks, check) != 0)
    fail_msg("%s: '%s', not '%s':\n%s", label, found.checks, check, found.messages);
}

/* ---- sound tables ---- */

static void delete_on_read(frz_table *table, const char *filter)
{
  frz_error err = {0};
  frz_write_options options;
  frz_write_options_init(&options);
  options.mode = FRZ_WRITE_MERGE_ON_READ;
  frz_test_ok(frz_table_delete(table, filter, &options, NULL, &err), &err);
}

static void test_tables_of_ours_are_sound(void **state)
{
  (void)state;
  static const char *const versions[] = {"1", "2", "3"};
  static const char *const specs[] = {NULL, "bucket(3, id)", "truncate(7, id), truncate(2, name)"};
  for (int version = 0; version < 3; version++)
    for (int spec = 0; spec < 3; spec++) {
      frz_test_lake lake;
      frz_error err = {0};
      const frz_property properties[] = {{"format-version", versions[version]}, {NULL, NULL}};
      frz_test_lake_open(&lake, NULL);
      frz_table *table = frz_test_lake_table(&lake, "t", specs[spec], properties);
      expect_sound(table); /* empty */
      frz_test_ok(frz_test_append(table, 0, 50, &err), &err);
      frz_test_ok(frz_test_append(table, 50, 50, &err), &err);
      frz_test_ok(frz_table_delete(table, "id = 7 or id = 60", NULL, NULL, &err), &err);
      if (version > 0) delete_on_read(table, "id = 8 or id = 61");
      expect_sound(table);
      frz_compact_options options;
      frz_compact_options_init(&options);
      options.rewrite_all = true;
      frz_test_ok(frz_table_set_sort_order(table, "id desc", &err), &err);
      options.sort_order = "";
      frz_test_ok(frz_table_compact(table, &options, NULL, &err), &err);
      frz_test_ok(frz_test_append(table, 200, 10, &err), &err);
      frz_test_ok(frz_table_rewrite_manifests(table, NULL, &err), &err);
      expect_sound(table);
      frz_table_free(table);
      frz_test_lake_close(&lake);
    }
}

/* ---- damaged entries ---- */

/* Changes one thing of the entry that holds the smallest id, or of the manifest. */
typedef void (*flip)(frz_manifest_entry *entry, frz_manifest_file *manifest);

typedef struct rewrite_job {
  frz_storage *storage;
  flip change;
  frz_manifest_content content;
  frz_arena arena;
  frz_manifest_file list[16];
} rewrite_job;

static frz_status rewrite_with_flip(void *arg, const frz_table_metadata *base, int64_t snapshot_id,
                                    const frz_manifest_file *manifests, size_t n_manifests,
                                    frz_arena *arena, const frz_manifest_file **manifests_out,
                                    size_t *n_manifests_out, bool *changed_out, frz_error *err)
{
  rewrite_job *job = arg;
  (void)arena;
  bool done = false;
  for (size_t i = 0; i < n_manifests; i++) {
    job->list[i] = manifests[i];
    if (done || manifests[i].content != job->content) continue;
    const frz_manifest_entry *entries;
    size_t n;
    char path[700];
    frz_manifest_entry changed[8];
    FRZ_TRY(frz_manifest_read(job->storage, base, &manifests[i], false, NULL, 0, &job->arena,
                              &entries, &n, err));
    assert_true(n <= 8);
    memcpy(changed, entries, n * sizeof *entries);
    for (size_t k = 0; k < n; k++) changed[k].status = FRZ_ENTRY_EXISTING;
    frz_manifest_file before = {0};
    job->change(&changed[0], &before); /* what the entry says */
    snprintf(path, sizeof path, "%.*s.flipped.avro", (int)manifests[i].path.size,
             manifests[i].path.data);
    FRZ_TRY(frz_manifest_write(job->storage, base, frz_metadata_spec(base, manifests[i].spec_id),
                               job->content, frz_str_from(path), snapshot_id, changed, n,
                               &job->arena, &job->list[i], err));
    frz_manifest_entry ignored = changed[0];
    job->change(&ignored, &job->list[i]); /* what the list says */
    done = true;
  }
  *manifests_out = job->list;
  *n_manifests_out = n_manifests;
  *changed_out = true;
  return FRZ_OK;
}

static void damage(frz_table *table, frz_manifest_content content, flip change)
{
  frz_error err = {0};
  rewrite_job job = {.storage = table->storage, .change = change, .content = content};
  frz_arena_init(&job.arena, frz_alloc_default(), FRZ_LIMIT_MANIFEST_BYTES);
  const frz_manifest_rewrite with = {rewrite_with_flip, &job};
  const frz_snapshot_change commit = {
      .operation = "replace", .added_sequence_number = -1, .rewrite = &with};
  frz_test_ok(frz_snapshot_commit(table, &commit, NULL, &err), &err);
  frz_arena_free(&job.arena);
}

static void flip_rows(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  entry->file.n_rows -= 1;
}

static void flip_size(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  entry->file.size_bytes += 1;
}

static void flip_path(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  entry->file.path = FRZ_STR("/nowhere/lost.parquet");
}

static void flip_value_count(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  ((frz_metric *)(uintptr_t)entry->file.value_counts)[0].value += 1;
}

static void flip_null_count(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  static frz_metric counts[] = {{1, 0}, {2, 0}};
  (void)manifest;
  entry->file.null_counts = counts;
  entry->file.n_null_counts = 2;
}

static void flip_lower(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  static const char twelve[8] = {12, 0, 0, 0, 0, 0, 0, 0};
  static const frz_bound bound = {1, {twelve, 8}};
  (void)manifest;
  entry->file.lower_bounds = &bound;
  entry->file.n_lower_bounds = 1;
}

static void flip_upper(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  static const char twelve[8] = {12, 0, 0, 0, 0, 0, 0, 0};
  static const frz_bound bound = {1, {twelve, 8}};
  (void)manifest;
  entry->file.upper_bounds = &bound;
  entry->file.n_upper_bounds = 1;
}

static void flip_bound_width(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  static const frz_bound bound = {1, {"abc", 3}};
  (void)manifest;
  entry->file.lower_bounds = &bound;
  entry->file.n_lower_bounds = 1;
}

static void flip_partition(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  static frz_literal value = {.kind = FRZ_TYPE_LONG, .as.i64 = 700};
  (void)manifest;
  entry->file.partition = (frz_partition){&value, 1};
}

static void flip_sequence(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  entry->data_sequence_number = 99;
}

static void flip_manifest_min(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)entry;
  manifest->min_sequence_number = 4;
}

static void flip_manifest_length(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)entry;
  manifest->length_bytes += 3;
}

static void flip_manifest_counts(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)entry;
  manifest->n_existing_rows += 3;
}

static void flip_summary(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  static const char far[8] = {0, 0, 0, 0, 1, 0, 0, 0};
  static const frz_field_summary summary = {
      .contains_nan = -1, .lower = {far, 8}, .upper = {far, 8}};
  (void)entry;
  if (manifest->n_partitions == 0) return;
  manifest->partitions = &summary;
}

static void flip_sort_order(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  entry->file.sort_order_id = 1;
}

static void flip_cardinality(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  if (entry->file.content == FRZ_CONTENT_POSITION_DELETES) entry->file.n_rows += 1;
}

static void flip_offset(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  entry->file.content_offset += 1;
}

static void flip_target(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  entry->file.referenced_data_file = FRZ_STR("/nowhere/lost.parquet");
}

static void flip_equality(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  static const int32_t ids[] = {77};
  (void)manifest;
  entry->file.equality_ids = ids;
}

static void flip_row_id(frz_manifest_entry *entry, frz_manifest_file *manifest)
{
  (void)manifest;
  if (entry->file.first_row_id >= 0) entry->file.first_row_id = 5; /* another file's */
}

typedef struct damage_case {
  const char *label;
  const char *version;
  frz_manifest_content content;
  flip change;
  const char *check;
} damage_case;

static const damage_case cases[] = {
    {"rows", "2", FRZ_MANIFEST_DATA, flip_rows, "row-count summary-totals"},
    {"size", "2", FRZ_MANIFEST_DATA, flip_size, "file-size summary-totals"},
    {"path", "2", FRZ_MANIFEST_DATA, flip_path, "file-missing"},
    {"value count", "2", FRZ_MANIFEST_DATA, flip_value_count, "value-count"},
    {"null count", "2", FRZ_MANIFEST_DATA, flip_null_count, "null-count"},
    {"lower bound", "2", FRZ_MANIFEST_DATA, flip_lower, "bounds"},
    {"upper bound", "2", FRZ_MANIFEST_DATA, flip_upper, "bounds"},
    {"width of a bound", "2", FRZ_MANIFEST_DATA, flip_bound_width, "bounds"},
    {"partition", "2", FRZ_MANIFEST_DATA, flip_partition, "partition-value"},
    {"sequence number", "2", FRZ_MANIFEST_DATA, flip_sequence, "entry-sequence"},
    {"least sequence number", "2", FRZ_MANIFEST_DATA, flip_manifest_min, "manifest-sequence"},
    {"length", "2", FRZ_MANIFEST_DATA, flip_manifest_length, "manifest-length"},
    {"counts", "2", FRZ_MANIFEST_DATA, flip_manifest_counts, "manifest-counts"},
    {"partition bounds", "2", FRZ_MANIFEST_DATA, flip_summary, "manifest-partitions"},
    {"sort order", "2", FRZ_MANIFEST_DATA, flip_sort_order, "sort-order"},
    {"row ids", "3", FRZ_MANIFEST_DATA, flip_row_id, "row-ids-overlap"},
    {"cardinality", "3", FRZ_MANIFEST_DELETES, flip_cardinality, "vector"},
    {"offset", "3", FRZ_MANIFEST_DELETES, flip_offset, "vector"},
    {"vector's data file", "3", FRZ_MANIFEST_DELETES, flip_target, "delete-dangling vector"},
    {"deletes' rows", "2", FRZ_MANIFEST_DELETES, flip_cardinality, "row-count"},
    {"deletes' data file", "2", FRZ_MANIFEST_DELETES, flip_target, "delete-dangling"},
    {"equality ids", "2", FRZ_MANIFEST_DELETES, flip_equality, "equality-ids"},
};

static void delete_key(frz_table *table, int64_t id)
{
  static const frz_arrow_field field = {
      .name = {"id", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}};
  static const int32_t key[] = {1};
  frz_error err = {0};
  frz_batch rows;
  frz_test_ok(frz_batch_init(&rows, &field, 1, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_column_append_value(&rows.columns[0], &id, sizeof id, &err), &err);
  rows.n_rows = 1;
  frz_test_ok(frz_test_delete_keys(table, key, 1, 0, &rows, &err), &err);
  frz_batch_dispose(&rows);
}

static void test_damage_is_found(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_test_lake lake;
    frz_error err = {0};
    const damage_case *c = &cases[i];
    const frz_property properties[] = {{"format-version", c->version}, {NULL, NULL}};
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", "truncate(1000, id)", properties);
    frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
    frz_test_ok(frz_test_append(table, 10, 10, &err), &err);
    frz_test_ok(frz_table_set_sort_order(table, "id desc", &err), &err);
    if (c->content == FRZ_MANIFEST_DELETES && c->change == flip_equality)
      delete_key(table, 3);
    else if (c->content == FRZ_MANIFEST_DELETES)
      delete_on_read(table, "id = 3");
    expect_finding(table, c->label, "");
    damage(table, c->content, c->change);
    expect_finding(table, c->label, c->check);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

/* ---- damaged files ---- */

static void change_file(const frz_test_lake *lake, const char *find, const char *command)
{
  char line[1200];
  snprintf(line, sizeof line,
           "f=$(find %s/warehouse -name '%s' | sort | head -1); test -n \"$f\" && %s", lake->folder,
           find, command);
  if (system(line) != 0) fail_msg("%s", line);
}

static void test_damaged_files_are_found(void **state)
{
  (void)state;
  static const struct {
    const char *label, *find, *command, *check;
  } damages[] = {
      {"data gone", "*.parquet", "rm \"$f\"", "file-missing"},
      {"data cut", "*.parquet", "truncate -s -1 \"$f\"", "file-size"},
      {"footer", "*.parquet",
       "printf 'xxxx' | dd of=\"$f\" bs=1 conv=notrunc status=none seek=$(($(stat -c %s "
       "\"$f\")-4))",
       "file-unreadable"},
      {"pages", "*.parquet",
       "printf 'xxxxxxxxxxxxxxxx' | dd of=\"$f\" bs=1 conv=notrunc status=none seek=8",
       "data-unreadable"},
      {"manifest gone", "*-m0.avro", "rm \"$f\"", "manifest-unreadable"},
      {"list gone", "snap-*.avro", "rm \"$f\"", "manifest-list-unreadable"},
  };
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
    frz_test_ok(frz_test_append(table, 0, 100, &err), &err);
    expect_finding(table, damages[i].label, "");
    change_file(&lake, damages[i].find, damages[i].command);
    expect_finding(table, damages[i].label, damages[i].check);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

/* ---- the call ---- */

static void test_snapshots_that_are_looked_at(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  frz_test_ok(frz_table_set_ref(table, "first", NULL, &err), &err);
  frz_test_ok(frz_test_append(table, 10, 10, &err), &err);
  frz_test_ok(frz_test_append(table, 20, 10, &err), &err);
  frz_verify_options options;
  frz_verify_options_init(&options);
  findings found = verify(table, &options);
  assert_int_equal(found.result.n_snapshots, 2);
  assert_int_equal(found.result.n_manifests, 3);
  assert_int_equal(found.result.n_files, 3);
  options.all_snapshots = true;
  assert_int_equal(verify(table, &options).result.n_snapshots, 3);
  options.struct_bytes = 1;
  struct ArrowArrayStream stream;
  assert_int_equal(frz_table_verify(table, &options, &stream, NULL, &err), FRZ_ERR_INVALID);
  frz_context_cancel(lake.context);
  assert_int_equal(frz_table_verify(table, NULL, &stream, NULL, &err), FRZ_ERR_CANCELLED);
  frz_context_resume(lake.context);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* A request that fails is a finding, not the end. */
static void test_verification_goes_on(void **state)
{
  (void)state;
  for (long n = 1;; n++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
    frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
    delete_on_read(table, "id = 3");
    frz_storage *real = table->storage;
    frz_troubled_store trouble = {.real = real, .refuse_at = n};
    table->storage = frz_troubled_store_wrap(&trouble, lake.context);
    frz_verify_options options = whole();
    findings found = verify(table, &options);
    assert_int_equal(found.result.n_errors > 0, trouble.requests >= n);
    long requests = trouble.requests;
    frz_storage_release(table->storage);
    table->storage = real;
    frz_table_free(table);
    frz_test_lake_close(&lake);
    if (requests < n) break;
  }
}

/* ---- everything together ---- */

static void step(frz_table *table, uint64_t random, int64_t *next_id)
{
  frz_error err = {0};
  char filter[80];
  frz_expire_options expire;
  frz_compact_options compact;
  frz_orphan_options orphans;
  frz_compact_options_init(&compact);
  frz_expire_options_init(&expire);
  frz_orphan_options_init(&orphans);
  snprintf(filter, sizeof filter, "id >= %lld and id < %lld",
           (long long)(random / 64 % (uint64_t)(*next_id + 1)),
           (long long)(random / 64 % (uint64_t)(*next_id + 1) + 4));
  switch (random % 8) {
  case 0:
  case 1:
  case 2:
    frz_test_ok(frz_test_append(table, *next_id, 10, &err), &err);
    *next_id += 10;
    break;
  case 3: delete_on_read(table, filter); break;
  case 4: frz_test_ok(frz_table_delete(table, filter, NULL, NULL, &err), &err); break;
  case 5:
    compact.min_input_files = 2;
    compact.rewrite_all = random / 8 % 2 != 0;
    compact.sort_order = random / 16 % 2 != 0 ? "id desc" : NULL;
    frz_test_ok(frz_table_compact(table, &compact, NULL, &err), &err);
    break;
  case 6: frz_test_ok(frz_table_rewrite_manifests(table, NULL, &err), &err); break;
  default:
    expire.older_than_ms = INT64_MAX / 2;
    expire.retain_last = (int32_t)(random / 8 % 3 + 1);
    frz_test_ok(frz_table_expire_snapshots(table, &expire, NULL, &err), &err);
    struct ArrowArrayStream stream;
    orphans.older_than_ms = INT64_MAX / 2;
    orphans.allow_recent = orphans.remove = true;
    frz_test_ok(frz_table_remove_orphans(table, &orphans, &stream, &err), &err);
    stream.release(&stream);
  }
}

/* Beside each step the same deletes and appends on a table that is never maintained. */
static void test_maintenance_changes_no_row(void **state)
{
  (void)state;
  static const char *const versions[] = {"2", "3"};
  for (int version = 0; version < 2; version++) {
    frz_test_lake lake;
    const frz_property properties[] = {{"format-version", versions[version]}, {NULL, NULL}};
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", "bucket(2, id)", properties);
    frz_table *plain = frz_test_lake_table(&lake, "plain", NULL, properties);
    uint64_t random = 88172645463325252u;
    int64_t next_id = 0, plain_id = 0;
    for (int i = 0; i < 40; i++) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      step(table, random, &next_id);
      if (random % 8 < 5) step(plain, random, &plain_id);
      frz_test_sum a = frz_test_scan(table, NULL), b = frz_test_scan(plain, NULL);
      assert_memory_equal(&a, &b, sizeof a);
    }
    expect_sound(table);
    expect_sound(plain);
    frz_table_free(table);
    frz_table_free(plain);
    frz_test_lake_close(&lake);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tables_of_ours_are_sound),
      cmocka_unit_test(test_damage_is_found),
      cmocka_unit_test(test_damaged_files_are_found),
      cmocka_unit_test(test_snapshots_that_are_looked_at),
      cmocka_unit_test(test_verification_goes_on),
      cmocka_unit_test(test_maintenance_changes_no_row),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
