/*
 * test_metadata.c - table metadata: reading, writing, updates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/os.h"
#include "codec/compress.h"
#include "fault.h"
#include "iceberg/metadata/metadata_update.h"
#include "iceberg/metadata/summary_json.h"
#include "iceberg/metadata/update_json.h"
#include "test_files.h"

static frz_status parse(const char *text, size_t size, frz_table_metadata **out, frz_error *err)
{
  return frz_table_metadata_parse(frz_alloc_default(), FRZ_STR("test"), text, size, out, err);
}

static frz_table_metadata *must_parse(const char *text)
{
  frz_table_metadata *m = NULL;
  frz_error err = {0};
  if (parse(text, strlen(text), &m, &err) != FRZ_OK) fail_msg("%s", err.message);
  return m;
}

static void write_json(const frz_table_metadata *m, frz_buf *out)
{
  frz_buf_init(out, frz_alloc_default(), (size_t)16 << 20);
  assert_int_equal(frz_table_metadata_write(m, out, NULL), FRZ_OK);
}

/* Written, read and written again, it must be the same. */
static void assert_round_trip(const frz_table_metadata *m)
{
  frz_buf first, second;
  frz_table_metadata *again = NULL;
  frz_error err = {0};
  write_json(m, &first);
  if (parse((char *)first.data, first.size, &again, &err) != FRZ_OK)
    fail_msg("%s in %.*s", err.message, (int)first.size, (char *)first.data);
  write_json(again, &second);
  assert_int_equal(first.size, second.size);
  assert_memory_equal(first.data, second.data, first.size);
  assert_int_equal(m->n_snapshots, again->n_snapshots);
  assert_int_equal(m->current_snapshot_id, again->current_snapshot_id);
  frz_table_metadata_release(again);
  frz_buf_dispose(&first);
  frz_buf_dispose(&second);
}

static void test_files_of_the_reference(void **state)
{
  (void)state;
  static const struct {
    const char *file, *names; /* `names` NULL: good */
  } cases[] = {
      {"TableMetadataPartitionStatisticsFiles.json", NULL},
      {"TableMetadataStatisticsFiles.json", NULL},
      {"TableMetadataV1Valid.json", NULL},
      {"TableMetadataV2Valid.json", NULL},
      {"TableMetadataV2ValidMinimal.json", NULL},
      {"TableMetadataV3ValidMinimal.json", NULL},
      {"TableMetadataUnsupportedVersion.json", "format-version"},
      {"TableMetadataV1MissingSchemaType.json", "'type'"},
      {"TableMetadataV2CurrentSchemaNotFound.json", "current-schema-id"},
      {"TableMetadataV2MissingLastPartitionId.json", "last-partition-id"},
      {"TableMetadataV2MissingPartitionSpecs.json", "partition-specs"},
      {"TableMetadataV2MissingSchemas.json", "schemas"},
      {"TableMetadataV2MissingSortOrder.json", "sort-orders"},
  };
  char folder[4096], path[4300];
  if (!frz_test_fixtures(folder)) skip();
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    snprintf(path, sizeof path, "%s/iceberg/metadata/%s", folder, cases[i].file);
    size_t size;
    uint8_t *text = frz_test_read(path, &size);
    assert_non_null(text);
    frz_table_metadata *m = NULL;
    frz_error err = {0};
    frz_status st = parse((char *)text, size, &m, &err);
    if (cases[i].names == NULL) {
      if (st != FRZ_OK) fail_msg("%s: %s", cases[i].file, err.message);
      assert_round_trip(m);
      frz_table_metadata_release(m);
    } else {
      assert_int_not_equal(st, FRZ_OK);
      if (strstr(err.message, cases[i].names) == NULL)
        fail_msg("%s: '%s' does not name %s", cases[i].file, err.message, cases[i].names);
    }
    free(text);
  }
}

#define SCHEMA_0                                                                                 \
  "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"x\",\"required\":true," \
  "\"type\":\"long\"},{\"id\":2,\"name\":\"ts\",\"required\":false,\"type\":\"timestamptz\"}]}"
#define UUID "\"9c12d441-03fe-4693-9a96-a0705ddf69c1\""
#define HEAD(version)                                                                  \
  "{\"format-version\":" version ",\"table-uuid\":" UUID ",\"location\":\"s3://b/t\"," \
  "\"last-updated-ms\":1000,\"last-column-id\":2,"
#define PARTS                                                                                   \
  "\"current-schema-id\":0,\"schemas\":[" SCHEMA_0 "],\"default-spec-id\":0,"                   \
  "\"partition-specs\":[{\"spec-id\":0,\"fields\":[{\"name\":\"x\",\"transform\":\"identity\"," \
  "\"source-id\":1,\"field-id\":1000}]}],\"last-partition-id\":1000,"                           \
  "\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}]"
#define SNAPSHOT(id, sequence, more)                                                          \
  "{\"snapshot-id\":" id ",\"sequence-number\":" sequence ",\"timestamp-ms\":500,"            \
  "\"summary\":{\"operation\":\"append\",\"added-records\":\"5\",\"n\":7},\"manifest-list\":" \
  "\"s3://b/m" id ".avro\"" more "}"

static const char whole[] = HEAD("2") PARTS
    ",\"last-sequence-number\":2,\"properties\":{\"a\":\"b\",\"n\":5},\"current-snapshot-id\":12,"
    "\"snapshots\":[" SNAPSHOT("11", "1", "") "," SNAPSHOT(
        "12", "2",
        ",\"parent-snapshot-id\":11,\"schema-id\":0") "],"
                                                      "\"snapshot-log\":[{\"snapshot-id\":11,"
                                                      "\"timestamp-ms\":400},{\"snapshot-id\":12,"
                                                      "\"timestamp-ms\":500}],\"metadata-log\":[{"
                                                      "\"metadata-file\":\"s3://b/1.json\","
                                                      "\"timestamp-ms\":399}],\"refs\":{\"main\":{"
                                                      "\"snapshot-id\":12,\"type\":\"branch\"},"
                                                      "\"old\":{\"snapshot-id\":11,\"type\":"
                                                      "\"tag\",\"max-ref-age-ms\":7}},"
                                                      "\"statistics\":[{\"snapshot-id\":11,"
                                                      "\"statistics-path\":\"p\"},{\"statistics-"
                                                      "path\":\"q\","
                                                      "\"snapshot-id\":12}],\"from-the-future\":{"
                                                      "\"x\":[1,{}]}}";

static void expect_summary(const frz_snapshot *snapshot)
{
  frz_arena arena;
  const frz_text_pair *pairs;
  size_t n_pairs;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_summary_parse(snapshot->summary, &arena, &pairs, &n_pairs, NULL), FRZ_OK);
  assert_int_equal(n_pairs, 2);                 /* without the operation */
  assert_true(frz_str_is(pairs[1].value, "7")); /* a number where a text belongs */
  assert_null(frz_summary_find(pairs, n_pairs, "operation").data);
  frz_arena_free(&arena);
}

static void test_members(void **state)
{
  (void)state;
  frz_table_metadata *m = must_parse(whole);
  assert_int_equal(m->format_version, 2);
  assert_true(frz_str_is(m->location, "s3://b/t"));
  assert_int_equal(m->last_sequence_number, 2);
  assert_int_equal(m->n_snapshots, 2);
  const frz_snapshot *s = frz_metadata_snapshot(m, 12);
  assert_int_equal(s->parent_id, 11);
  assert_int_equal(s->schema_id, 0);
  assert_int_equal(m->snapshots[0].parent_id, -1);
  assert_int_equal(m->snapshots[0].schema_id, -1);
  assert_true(frz_str_is(s->operation, "append"));
  expect_summary(s);
  assert_null(frz_metadata_snapshot(m, 13));
  assert_false(frz_metadata_ref(m, FRZ_STR("old"))->is_branch);
  assert_int_equal(frz_metadata_ref(m, FRZ_STR("old"))->max_ref_age_ms, 7);
  assert_null(frz_metadata_ref(m, FRZ_STR("new")));
  assert_true(frz_str_is(frz_metadata_property(m, "a"), "b"));
  assert_null(frz_metadata_property(m, "z").data);
  int64_t number;
  frz_error err;
  assert_int_equal(frz_metadata_property_i64(m, "n", 1, &number, NULL), FRZ_OK);
  assert_int_equal(number, 5);
  assert_int_equal(frz_metadata_property_i64(m, "z", 9, &number, NULL), FRZ_OK);
  assert_int_equal(number, 9);
  assert_int_equal(frz_metadata_property_i64(m, "a", 9, &number, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "'b'"));
  assert_null(frz_metadata_snapshot_as_of(m, 399));
  assert_int_equal(frz_metadata_snapshot_as_of(m, 400)->snapshot_id, 11);
  assert_int_equal(frz_metadata_snapshot_as_of(m, 499)->snapshot_id, 11);
  assert_int_equal(frz_metadata_snapshot_as_of(m, 10000)->snapshot_id, 12);
  assert_round_trip(m);
  frz_table_metadata_release(frz_table_metadata_retain(m));
  frz_table_metadata_release(m);
}

static void test_every_truncation_is_refused(void **state)
{
  (void)state;
  for (size_t size = 0; size < sizeof whole - 1; size++) {
    frz_table_metadata *m = NULL;
    assert_int_equal(parse(whole, size, &m, NULL), FRZ_ERR_CORRUPT);
  }
}

static void test_gzip(void **state)
{
  (void)state;
  frz_buf packed;
  frz_buf_init(&packed, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_compress_append(FRZ_CODEC_GZIP, 0, whole, sizeof whole - 1, &packed, NULL),
                   FRZ_OK);
  frz_table_metadata *m = NULL;
  assert_int_equal(parse((char *)packed.data, packed.size, &m, NULL), FRZ_OK);
  assert_int_equal(m->n_snapshots, 2);
  frz_table_metadata_release(m);
  for (size_t size = 0; size < packed.size; size += 7)
    assert_int_not_equal(parse((char *)packed.data, size, &m, NULL), FRZ_OK);
  frz_buf_dispose(&packed);
}

static void test_version_1_forms(void **state)
{
  (void)state;
  frz_table_metadata *m = must_parse(
      "{\"format-version\":1,\"location\":\"s3://b/t//"
      "\",\"last-updated-ms\":1,\"last-column-id\":2,"
      "\"schema\":" SCHEMA_0 ",\"partition-spec\":[{\"name\":\"x\",\"transform\":\"identity\","
      "\"source-id\":1},{\"name\":\"d\",\"transform\":\"day\",\"source-id\":2}],"
      "\"current-snapshot-id\":5,\"snapshots\":[{\"snapshot-id\":5,\"timestamp-ms\":2,"
      "\"manifests\":[\"a.avro\",\"b.avro\"]}]}");
  assert_null(m->table_uuid.data);
  assert_true(frz_str_is(m->location, "s3://b/t"));
  assert_int_equal(m->last_partition_id, 1001);
  assert_int_equal(m->n_sort_orders, 1);
  assert_int_equal(m->snapshots[0].n_manifests, 2);
  assert_null(m->snapshots[0].manifest_list.data);
  assert_int_equal(m->snapshots[0].sequence_number, 0);
  assert_true(frz_metadata_ref(m, FRZ_STR("main"))->is_branch); /* made of the current snapshot */
  assert_int_equal(m->next_row_id, -1);
  frz_buf out;
  write_json(m, &out);
  assert_non_null(memmem(out.data, out.size, "\"schema\":", 9));
  assert_non_null(memmem(out.data, out.size, "\"schemas\":", 10));
  assert_non_null(memmem(out.data, out.size, "\"partition-spec\":[", 18));
  assert_non_null(memmem(out.data, out.size, "\"partition-specs\":[", 19));
  assert_null(memmem(out.data, out.size, "sequence-number", 15));
  frz_buf_dispose(&out);
  assert_round_trip(m);
  frz_table_metadata_release(m);
}

static void test_version_3_members(void **state)
{
  (void)state;
  frz_table_metadata *m =
      must_parse(HEAD("3") PARTS
                 ",\"last-sequence-number\":1,\"next-row-id\":30,\"current-snapshot-id\":null,"
                 "\"encryption-keys\":[{\"key-id\":\"5f\"}],\"snapshots\":[" SNAPSHOT(
                     "11", "1", ",\"first-row-id\":10,\"added-rows\":20,\"key-id\":\"5f\"") "]}");
  assert_int_equal(m->next_row_id, 30);
  assert_int_equal(m->current_snapshot_id, -1);
  assert_int_equal(m->snapshots[0].first_row_id, 10);
  assert_int_equal(m->snapshots[0].added_rows, 20);
  assert_true(frz_str_is(m->snapshots[0].key_id, "5f"));
  assert_true(frz_str_is(m->encryption_keys, "[{\"key-id\":\"5f\"}]"));
  frz_buf out;
  write_json(m, &out);
  assert_non_null(memmem(out.data, out.size, "\"current-snapshot-id\":null", 26));
  frz_buf_dispose(&out);
  assert_round_trip(m);
  frz_table_metadata_release(m);
}

static void test_wrong_references_are_refused(void **state)
{
  (void)state;
#define SNAPSHOTS ",\"snapshots\":[" SNAPSHOT("11", "1", "") "]"
#define REF(name, id, type) "\"" name "\":{\"snapshot-id\":" id ",\"type\":\"" type "\"}"
  static const struct {
    const char *text, *message;
  } cases[] = {
      {HEAD("2") PARTS "}", "last-sequence-number"},
      {HEAD("2") PARTS ",\"last-sequence-number\":0" SNAPSHOTS "}", "sequence-number"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"current-snapshot-id\":12" SNAPSHOTS "}",
       "current-snapshot-id"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"snapshots\":[" SNAPSHOT(
           "11", "1", "") "," SNAPSHOT("11", "1", "") "]}",
       "snapshot-id 11 is there twice"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"refs\":{" REF("t", "12", "tag") "}" SNAPSHOTS
                                                                                      "}",
       "'t' names snapshot 12"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"refs\":{" REF("t", "11", "twig") "}" SNAPSHOTS
                                                                                       "}",
       "twig"},
      {HEAD("2") PARTS
       ",\"last-sequence-number\":1,\"refs\":{" REF("main", "11", "branch") "}" SNAPSHOTS "}",
       "'main'"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"current-snapshot-id\":11,\"refs\":{" REF(
           "main", "11", "tag") "}" SNAPSHOTS "}",
       "tag"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"snapshots\":[{\"snapshot-id\":1,"
                       "\"sequence-number\":1,\"timestamp-ms\":5}]}",
       "manifest-list"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"snapshots\":[{\"timestamp-ms\":5}]}",
       "snapshot-id"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"snapshot-log\":[{\"timestamp-ms\":5}]}",
       "snapshot-id"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"metadata-log\":[{\"metadata-file\":\"\"}]}",
       "timestamp-ms"},
      {HEAD("3") PARTS ",\"last-sequence-number\":1}", "next-row-id"},
      {HEAD("0") PARTS ",\"last-sequence-number\":1}", "format-version"},
      {HEAD("4") PARTS ",\"last-sequence-number\":1}", "format-version"},
      {HEAD("2") PARTS ",\"last-sequence-number\":1,\"statistics\":{}}", "statistics"},
      {HEAD("2") "\"current-schema-id\":1,\"schemas\":[" SCHEMA_0
                 "],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],"
                 "\"last-partition-id\":999,\"default-sort-order-id\":0,\"sort-orders\":[],"
                 "\"last-sequence-number\":0}",
       "current-schema-id"},
      {HEAD("2") "\"current-schema-id\":0,\"schemas\":[" SCHEMA_0 "," SCHEMA_0
                 "],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],"
                 "\"last-partition-id\":999,\"default-sort-order-id\":0,\"sort-orders\":[],"
                 "\"last-sequence-number\":0}",
       "schema-id 0 is there twice"},
      {HEAD("2") "\"current-schema-id\":0,\"schemas\":[" SCHEMA_0
                 "],\"default-spec-id\":3,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],"
                 "\"last-partition-id\":999,\"default-sort-order-id\":0,\"sort-orders\":[],"
                 "\"last-sequence-number\":0}",
       "default-spec-id"},
      {HEAD("2") "\"current-schema-id\":0,\"schemas\":[" SCHEMA_0
                 "],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],"
                 "\"last-partition-id\":999,\"default-sort-order-id\":2,\"sort-orders\":[],"
                 "\"last-sequence-number\":0}",
       "default-sort-order-id"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_table_metadata *m = NULL;
    frz_error err = {0};
    frz_status st = parse(cases[i].text, strlen(cases[i].text), &m, &err);
    assert_int_not_equal(st, FRZ_OK);
    if (strstr(err.message, cases[i].message) == NULL)
      fail_msg("case %zu: '%s' does not name %s", i, err.message, cases[i].message);
  }
}

/* ---- updates ---- */

static frz_table_metadata *apply(const frz_table_metadata *base, const frz_metadata_update *updates,
                                 size_t n)
{
  frz_table_metadata *next = NULL;
  frz_error err = {0};
  if (frz_metadata_apply(base, FRZ_STR("s3://b/2.json"), updates, n, frz_alloc_default(), &next,
                         &err) != FRZ_OK)
    fail_msg("%s", err.message);
  assert_round_trip(next);
  return next;
}

static void apply_fails(const frz_table_metadata *base, const frz_metadata_update *updates,
                        size_t n, frz_status status, const char *message)
{
  frz_table_metadata *next = NULL;
  frz_error err = {0};
  frz_status st =
      frz_metadata_apply(base, (frz_str){0}, updates, n, frz_alloc_default(), &next, &err);
  if (st != status || strstr(err.message, message) == NULL)
    fail_msg("status %d: '%s', not '%s'", (int)st, err.message, message);
  assert_null(next);
}

static frz_snapshot new_snapshot(int64_t id, int64_t sequence)
{
  return (frz_snapshot){.snapshot_id = id,
                        .parent_id = 12,
                        .sequence_number = sequence,
                        .timestamp_ms = 5000,
                        .manifest_list = FRZ_STR("s3://b/m.avro"),
                        .operation = FRZ_STR("append"),
                        .schema_id = 0,
                        .first_row_id = -1,
                        .added_rows = -1};
}

static frz_snapshot_ref ref_of(const char *name, int64_t id, bool is_branch)
{
  return (frz_snapshot_ref){.name = frz_str_from(name),
                            .snapshot_id = id,
                            .is_branch = is_branch,
                            .max_ref_age_ms = -1,
                            .max_snapshot_age_ms = -1,
                            .min_snapshots_to_keep = -1};
}

static void test_add_snapshot_to_main(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  frz_snapshot s = new_snapshot(13, 3);
  frz_snapshot_ref main_ref = ref_of("main", 13, true);
  frz_metadata_update updates[] = {{.kind = FRZ_UPDATE_ADD_SNAPSHOT, .snapshot = &s},
                                   {.kind = FRZ_UPDATE_SET_REF, .ref = &main_ref}};
  int64_t before = frz_os_now_ms();
  frz_table_metadata *next = apply(base, updates, 2);
  assert_int_equal(next->current_snapshot_id, 13);
  assert_int_equal(next->last_sequence_number, 3);
  assert_int_equal(next->n_snapshots, 3);
  assert_int_equal(next->n_snapshot_log, 3);
  assert_int_equal(next->snapshot_log[2].snapshot_id, 13);
  assert_int_equal(next->snapshot_log[2].timestamp_ms, 5000);
  assert_true(next->last_updated_ms >= before);
  assert_int_equal(next->n_metadata_log, 2);
  assert_int_equal(next->metadata_log[1].timestamp_ms, 1000);
  assert_true(frz_str_is(next->metadata_log[1].metadata_file, "s3://b/2.json"));
  assert_int_equal(base->n_snapshots, 2); /* untouched */
  frz_table_metadata_release(base);
  assert_true(frz_str_is(next->snapshots[0].manifest_list, "s3://b/m11.avro"));
  s = new_snapshot(14, 3);
  apply_fails(next, updates, 1, FRZ_ERR_CONFLICT, "sequence number 3");
  s = new_snapshot(13, 4);
  apply_fails(next, updates, 1, FRZ_ERR_INVALID, "13 is there already");
  frz_table_metadata_release(next);
}

static void test_refs(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  frz_snapshot_ref tag = ref_of("v1", 11, false), back = ref_of("main", 11, true);
  frz_snapshot_ref lost = ref_of("x", 99, true), bad_main = ref_of("main", 11, false);
  frz_metadata_update updates[] = {{.kind = FRZ_UPDATE_SET_REF, .ref = &tag},
                                   {.kind = FRZ_UPDATE_SET_REF, .ref = &back},
                                   {.kind = FRZ_UPDATE_REMOVE_REF, .name = FRZ_STR("old")},
                                   {.kind = FRZ_UPDATE_REMOVE_REF, .name = FRZ_STR("absent")}};
  frz_table_metadata *next = apply(base, updates, 4);
  assert_int_equal(next->current_snapshot_id, 11); /* rolled back */
  assert_int_equal(next->n_snapshot_log, 3);
  assert_int_equal(next->snapshot_log[2].snapshot_id, 11);
  assert_int_equal(next->snapshot_log[2].timestamp_ms, next->last_updated_ms);
  assert_null(frz_metadata_ref(next, FRZ_STR("old")));
  assert_int_equal(frz_metadata_ref(next, FRZ_STR("v1"))->snapshot_id, 11);
  frz_table_metadata_release(next);
  updates[0].ref = &lost;
  apply_fails(base, updates, 1, FRZ_ERR_INVALID, "no snapshot 99");
  updates[0].ref = &bad_main;
  apply_fails(base, updates, 1, FRZ_ERR_INVALID, "'main' must be a branch");
  frz_metadata_update drop = {.kind = FRZ_UPDATE_REMOVE_REF, .name = FRZ_STR("main")};
  next = apply(base, &drop, 1);
  assert_int_equal(next->current_snapshot_id, -1);
  frz_table_metadata_release(next);
  frz_table_metadata_release(base);
}

static void test_remove_snapshots(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  int64_t ids[] = {11, 77};
  frz_metadata_update update = {
      .kind = FRZ_UPDATE_REMOVE_SNAPSHOTS, .snapshot_ids = ids, .n_snapshot_ids = 2};
  frz_table_metadata *next = apply(base, &update, 1);
  assert_int_equal(next->n_snapshots, 1);
  assert_null(frz_metadata_ref(next, FRZ_STR("old")));
  assert_int_equal(next->n_snapshot_log, 1);
  assert_int_equal(next->snapshot_log[0].snapshot_id, 12);
  assert_int_equal(next->n_statistics, 1);
  assert_true(
      frz_str_is(next->statistics[0].json, "{\"statistics-path\":\"q\",\"snapshot-id\":12}"));
  frz_table_metadata_release(next);
  ids[0] = 12;
  next = apply(base, &update, 1);
  assert_int_equal(next->current_snapshot_id, -1);
  assert_int_equal(next->n_snapshot_log, 0); /* what came before a gap says nothing */
  frz_table_metadata_release(next);
  frz_table_metadata_release(base);
}

/* A snapshot that was overtaken within one change was never current. */
static void test_intermediate_snapshots_leave_no_log(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  frz_snapshot a = new_snapshot(21, 3), b = new_snapshot(22, 4);
  frz_snapshot_ref to_a = ref_of("main", 21, true), to_b = ref_of("main", 22, true);
  frz_metadata_update updates[] = {{.kind = FRZ_UPDATE_ADD_SNAPSHOT, .snapshot = &a},
                                   {.kind = FRZ_UPDATE_SET_REF, .ref = &to_a},
                                   {.kind = FRZ_UPDATE_ADD_SNAPSHOT, .snapshot = &b},
                                   {.kind = FRZ_UPDATE_SET_REF, .ref = &to_b}};
  frz_table_metadata *next = apply(base, updates, 4);
  assert_int_equal(next->n_snapshot_log, 3);
  assert_int_equal(next->snapshot_log[2].snapshot_id, 22);
  frz_table_metadata_release(next);
  frz_table_metadata_release(base);
}

static void test_schema_updates(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  frz_schema same = *frz_metadata_current_schema(base);
  same.schema_id = 40;
  frz_field fields[3] = {same.root.fields[0],
                         same.root.fields[1],
                         {.id = 3, .name = FRZ_STR("new"), .type = {.kind = FRZ_TYPE_INT}}};
  frz_schema more = same;
  more.root.fields = fields;
  more.root.n_fields = 3;
  frz_metadata_update updates[] = {
      {.kind = FRZ_UPDATE_ADD_SCHEMA, .schema = &more, .last_column_id = 3},
      {.kind = FRZ_UPDATE_SET_CURRENT_SCHEMA, .id = -1},
      {.kind = FRZ_UPDATE_ADD_SCHEMA, .schema = &same, .last_column_id = 3}};
  frz_table_metadata *next = apply(base, updates, 3);
  assert_int_equal(next->n_schemas, 2); /* the equal one was not added again */
  assert_int_equal(next->current_schema_id, 1);
  assert_int_equal(next->last_column_id, 3);
  frz_table_metadata *back = apply(next, updates + 1, 0);
  frz_metadata_update reuse[] = {{.kind = FRZ_UPDATE_ADD_SCHEMA, .schema = &same},
                                 {.kind = FRZ_UPDATE_SET_CURRENT_SCHEMA, .id = -1}};
  frz_table_metadata_release(back);
  back = apply(next, reuse, 2);
  assert_int_equal(back->current_schema_id, 0); /* its old id again */
  assert_int_equal(back->last_column_id, 3);    /* never goes back */
  frz_table_metadata_release(back);
  fields[2].type.kind = FRZ_TYPE_TIMESTAMP_NS;
  apply_fails(base, updates, 2, FRZ_ERR_INVALID, "format version 3");
  fields[2].type.kind = FRZ_TYPE_INT;
  fields[2].doc = FRZ_STR("a doc makes a schema of its own");
  frz_table_metadata *documented = apply(next, updates, 2);
  assert_int_equal(documented->current_schema_id, 2);
  frz_table_metadata_release(documented);
  more.root.n_fields = 1;
  more.root.fields = fields + 1; /* drops "x", which the partition spec needs */
  apply_fails(base, updates, 2, FRZ_ERR_INVALID, "source column 1");
  frz_metadata_update unknown = {.kind = FRZ_UPDATE_SET_CURRENT_SCHEMA, .id = 9};
  apply_fails(base, &unknown, 1, FRZ_ERR_INVALID, "no schema 9");
  unknown.id = -1;
  apply_fails(base, &unknown, 1, FRZ_ERR_INVALID, "none was added");
  frz_table_metadata_release(next);
  frz_table_metadata_release(base);
}

static void test_spec_and_order_updates(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  frz_partition_field fields[2] = {
      {.source_id = 1,
       .name = FRZ_STR("x"),
       .transform = {.kind = FRZ_TRANSFORM_IDENTITY, .text = FRZ_STR("identity")}},
      {.source_id = 2,
       .name = FRZ_STR("ts_day"),
       .transform = {.kind = FRZ_TRANSFORM_DAY, .text = FRZ_STR("day")}}};
  frz_partition_spec spec = {.fields = fields, .n_fields = 2};
  frz_sort_field sort_field = {.source_id = 1, .transform = fields[0].transform};
  frz_sort_order order = {.order_id = 9, .fields = &sort_field, .n_fields = 1};
  frz_metadata_update updates[] = {{.kind = FRZ_UPDATE_ADD_SPEC, .spec = &spec},
                                   {.kind = FRZ_UPDATE_SET_DEFAULT_SPEC, .id = -1},
                                   {.kind = FRZ_UPDATE_ADD_SORT_ORDER, .sort_order = &order},
                                   {.kind = FRZ_UPDATE_SET_DEFAULT_SORT_ORDER, .id = -1}};
  frz_table_metadata *next = apply(base, updates, 4);
  assert_int_equal(next->default_spec_id, 1);
  const frz_partition_spec *added = frz_metadata_spec(next, 1);
  assert_int_equal(added->fields[0].field_id, 1000); /* the equivalent field's id */
  assert_int_equal(added->fields[1].field_id, 1001);
  assert_int_equal(next->last_partition_id, 1001);
  assert_int_equal(next->default_sort_order_id, 1);
  frz_table_metadata *again = apply(next, updates, 4);
  assert_int_equal(again->n_specs, 2);
  assert_int_equal(again->n_sort_orders, 2);
  assert_int_equal(again->default_spec_id, 1);
  frz_table_metadata_release(again);
  fields[0].field_id = 1005;
  fields[1].field_id = 1000; /* belongs to x */
  fields[1].name = FRZ_STR("other");
  apply_fails(next, updates, 2, FRZ_ERR_INVALID, "belongs to another field");
  fields[1].source_id = 44;
  apply_fails(next, updates, 2, FRZ_ERR_INVALID, "44");
  frz_table_metadata_release(next);
  frz_table_metadata_release(base);
}

static void test_properties_and_location(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  frz_text_pair set[] = {{FRZ_STR("a"), FRZ_STR("c")},
                         {FRZ_STR("write.metadata.previous-versions-max"), FRZ_STR("1")}};
  frz_text_pair removed[] = {{FRZ_STR("n"), {0}}, {FRZ_STR("absent"), {0}}};
  frz_metadata_update updates[] = {
      {.kind = FRZ_UPDATE_SET_PROPERTIES, .pairs = set, .n_pairs = 2},
      {.kind = FRZ_UPDATE_REMOVE_PROPERTIES, .pairs = removed, .n_pairs = 2},
      {.kind = FRZ_UPDATE_SET_LOCATION, .name = FRZ_STR("s3://c/t/")},
      {.kind = FRZ_UPDATE_UPGRADE_FORMAT, .id = 3}};
  frz_table_metadata *next = apply(base, updates, 4);
  assert_true(frz_str_is(frz_metadata_property(next, "a"), "c"));
  assert_null(frz_metadata_property(next, "n").data);
  assert_int_equal(next->n_metadata_log, 1); /* trimmed */
  assert_true(frz_str_is(next->metadata_log[0].metadata_file, "s3://b/2.json"));
  assert_true(frz_str_is(next->location, "s3://c/t"));
  assert_int_equal(next->format_version, 3);
  assert_int_equal(next->next_row_id, 0);
  updates[3].id = 2;
  apply_fails(next, updates + 3, 1, FRZ_ERR_INVALID, "cannot go back");
  updates[3].id = 4;
  apply_fails(next, updates + 3, 1, FRZ_ERR_UNSUPPORTED, "version 4");
  frz_snapshot s = new_snapshot(13, 3);
  frz_metadata_update add = {.kind = FRZ_UPDATE_ADD_SNAPSHOT, .snapshot = &s};
  apply_fails(next, &add, 1, FRZ_ERR_INVALID, "first row id");
  s.first_row_id = 0;
  s.added_rows = 25;
  frz_table_metadata *rows = apply(next, &add, 1);
  assert_int_equal(rows->next_row_id, 25);
  s = new_snapshot(14, 4);
  s.first_row_id = 24;
  s.added_rows = 1;
  apply_fails(rows, &add, 1, FRZ_ERR_CONFLICT, "row id 24");
  frz_table_metadata_release(rows);
  frz_table_metadata_release(next);
  frz_table_metadata_release(base);
}

static void test_requirements(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  frz_requirement good[] = {{FRZ_REQUIRE_UUID, FRZ_STR("9C12D441-03fe-4693-9a96-a0705ddf69c1"), 0},
                            {FRZ_REQUIRE_REF_SNAPSHOT_ID, FRZ_STR("main"), 12},
                            {FRZ_REQUIRE_REF_SNAPSHOT_ID, FRZ_STR("absent"), -1},
                            {FRZ_REQUIRE_LAST_ASSIGNED_FIELD_ID, {0}, 2},
                            {FRZ_REQUIRE_CURRENT_SCHEMA_ID, {0}, 0},
                            {FRZ_REQUIRE_LAST_ASSIGNED_PARTITION_ID, {0}, 1000},
                            {FRZ_REQUIRE_DEFAULT_SPEC_ID, {0}, 0},
                            {FRZ_REQUIRE_DEFAULT_SORT_ORDER_ID, {0}, 0}};
  assert_int_equal(frz_requirements_check(base, good, 8, NULL), FRZ_OK);
  static const char *const names[] = {
      "assert-table-uuid",        "assert-ref-snapshot-id",
      "assert-ref-snapshot-id",   "assert-last-assigned-field-id",
      "assert-current-schema-id", "assert-last-assigned-partition-id",
      "assert-default-spec-id",   "assert-default-sort-order-id"};
  for (size_t i = 0; i < 8; i++) {
    frz_requirement bad = good[i];
    frz_error err;
    bad.value += 5;
    if (bad.kind == FRZ_REQUIRE_UUID) bad.text = FRZ_STR("other");
    assert_int_equal(frz_requirements_check(base, &bad, 1, &err), FRZ_ERR_CONFLICT);
    assert_non_null(strstr(err.message, names[i]));
    assert_int_equal(frz_requirements_check(NULL, &good[i], 1, &err), FRZ_ERR_CONFLICT);
  }
  frz_requirement create = {.kind = FRZ_REQUIRE_CREATE};
  assert_int_equal(frz_requirements_check(base, &create, 1, NULL), FRZ_ERR_CONFLICT);
  assert_int_equal(frz_requirements_check(NULL, &create, 1, NULL), FRZ_OK);
  frz_table_metadata_release(base);
}

static void test_create(void **state)
{
  (void)state;
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_json_reader json;
  frz_schema schema;
  frz_partition_spec spec;
  frz_sort_order order;
  frz_json_reader_init(&json, SCHEMA_0, sizeof SCHEMA_0 - 1, &arena);
  assert_int_equal(frz_schema_parse(&json, &arena, &schema, NULL), FRZ_OK);
  assert_int_equal(frz_partition_spec_from_text(FRZ_STR("day(ts)"), &schema, &arena, &spec, NULL),
                   FRZ_OK);
  assert_int_equal(frz_sort_order_from_text(FRZ_STR("x desc"), &schema, &arena, &order, NULL), 0);
  frz_text_pair property = {FRZ_STR("k"), FRZ_STR("v")};
  for (int32_t version = 1; version <= 3; version++) {
    frz_table_metadata *m = NULL;
    assert_int_equal(frz_metadata_create(frz_alloc_default(), version, FRZ_STR("/tmp/t/"), &schema,
                                         version == 3 ? NULL : &spec, version == 3 ? NULL : &order,
                                         &property, 1, &m, NULL),
                     FRZ_OK);
    assert_int_equal(m->table_uuid.size, 36);
    assert_true(frz_str_is(m->location, "/tmp/t"));
    assert_int_equal(m->last_column_id, 2);
    assert_int_equal(m->last_partition_id, version == 3 ? 999 : 1000);
    assert_int_equal(m->default_sort_order_id, version == 3 ? 0 : 1);
    assert_int_equal(m->next_row_id, version == 3 ? 0 : -1);
    assert_int_equal(m->current_snapshot_id, -1);
    assert_round_trip(m);
    frz_table_metadata_release(m);
  }
  frz_table_metadata *m = NULL;
  assert_int_equal(frz_metadata_create(frz_alloc_default(), 4, FRZ_STR("/t"), &schema, NULL, NULL,
                                       NULL, 0, &m, NULL),
                   FRZ_ERR_INVALID);
  frz_arena_free(&arena);
}

/* Half a megabyte of snapshots: what is kept of them beside the document, and how they are found.
 */
static void test_many_snapshots_take_less_than_twice_their_size(void **state)
{
  (void)state;
  enum { N = 800 };
  static const char head[] = HEAD("2") PARTS ",\"last-sequence-number\":800";
  frz_fault fault = {0};
  frz_error err = {0};
  frz_buf text;
  frz_buf_init(&text, frz_alloc_default(), 16 << 20);
  assert_int_equal(frz_buf_append_str(&text, frz_str_from(head), NULL), FRZ_OK);
  assert_int_equal(frz_buf_append_str(&text, FRZ_STR(",\"snapshots\":["), NULL), FRZ_OK);
  for (int i = 0; i < N; i++)
    assert_int_equal(
        frz_buf_print(
            &text, NULL,
            "%s{\"snapshot-id\":%d,\"parent-snapshot-id\":%d,\"sequence-number\":%d,"
            "\"timestamp-ms\":%d,\"schema-id\":0,\"manifest-list\":\"s3://bucket/warehouse/"
            "demo/events/metadata/snap-%019d-0-0b5dd29e-65e9-4c4e-9a3c-0a2a1be5b4c2.avro\","
            "\"summary\":{\"operation\":\"append\",\"added-data-files\":\"4\","
            "\"added-records\":\"100000\",\"added-files-size\":\"6000000\","
            "\"changed-partition-count\":\"1\",\"total-records\":\"%d00000\","
            "\"total-files-size\":\"%d000000\",\"total-data-files\":\"%d\","
            "\"total-delete-files\":\"0\",\"total-position-deletes\":\"0\","
            "\"total-equality-deletes\":\"0\"}}",
            i != 0 ? "," : "", i * 7919 % 100003 + 1, i != 0 ? (i - 1) * 7919 % 100003 + 1 : 1,
            i + 1, i + 1, i, i, i, i),
        FRZ_OK);
  assert_int_equal(frz_buf_append_str(&text, FRZ_STR("]}"), NULL), FRZ_OK);

  frz_fault_arm(&fault, 0);
  frz_buf bytes;
  frz_table_metadata *m = NULL;
  frz_buf_init(&bytes, &fault.alloc, text.size);
  assert_int_equal(frz_buf_append(&bytes, text.data, text.size, NULL), FRZ_OK);
  frz_status st = frz_table_metadata_take(FRZ_STR("many"), &bytes, &m, &err);
  if (st != FRZ_OK) fail_msg("%s", err.message);
  assert_int_equal(m->n_snapshots, N);
  assert_in_range(fault.peak_bytes, text.size, 2 * text.size);
  for (int i = 0; i < N; i++)
    assert_int_equal(frz_metadata_snapshot(m, i * 7919 % 100003 + 1)->sequence_number, i + 1);
  assert_null(frz_metadata_snapshot(m, 0));
  frz_table_metadata_release(m);
  assert_int_equal(fault.live, 0);
  frz_buf_dispose(&text);
}

/* Nessie takes the id that a new schema is sent with. */
static void test_a_schema_is_sent_with_the_next_id(void **state)
{
  (void)state;
  frz_table_metadata *base = must_parse(whole);
  frz_schema schema = *frz_metadata_current_schema(base);
  frz_buf text;
  frz_json_writer json;
  frz_arena arena;
  frz_buf_init(&text, frz_alloc_default(), 1 << 20);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_json_writer_init(&json, &text);
  schema.schema_id = 0;
  const frz_metadata_update update = {.kind = FRZ_UPDATE_ADD_SCHEMA, .schema = &schema};
  frz_json_write_object_begin(&json);
  assert_int_equal(frz_commit_members_write(&json, base, NULL, 0, &update, 1, &arena, NULL),
                   FRZ_OK);
  frz_json_write_object_end(&json);
  assert_int_equal(frz_json_writer_finish(&json, NULL), FRZ_OK);
  char wanted[64];
  snprintf(wanted, sizeof wanted, "\"schema-id\":%d,", (int)base->n_schemas);
  assert_int_equal(frz_buf_append_byte(&text, 0, NULL), FRZ_OK);
  if (strstr((char *)text.data, wanted) == NULL) fail_msg("%s in %s", wanted, (char *)text.data);
  frz_arena_free(&arena);
  frz_buf_dispose(&text);
  frz_table_metadata_release(base);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_files_of_the_reference),
      cmocka_unit_test(test_members),
      cmocka_unit_test(test_every_truncation_is_refused),
      cmocka_unit_test(test_gzip),
      cmocka_unit_test(test_version_1_forms),
      cmocka_unit_test(test_version_3_members),
      cmocka_unit_test(test_wrong_references_are_refused),
      cmocka_unit_test(test_add_snapshot_to_main),
      cmocka_unit_test(test_refs),
      cmocka_unit_test(test_remove_snapshots),
      cmocka_unit_test(test_intermediate_snapshots_leave_no_log),
      cmocka_unit_test(test_schema_updates),
      cmocka_unit_test(test_spec_and_order_updates),
      cmocka_unit_test(test_properties_and_location),
      cmocka_unit_test(test_requirements),
      cmocka_unit_test(test_create),
      cmocka_unit_test(test_many_snapshots_take_less_than_twice_their_size),
      cmocka_unit_test(test_a_schema_is_sent_with_the_next_id),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
