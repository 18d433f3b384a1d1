/*
 * fault_metadata.c - table metadata read, written, changed and created with every allocation
 * refused in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/compress.h"
#include "fault.h"
#include "iceberg/metadata/metadata_update.h"

static const char text[] =
    "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
    "\"location\":\"s3://b/t\",\"last-updated-ms\":1000,\"last-column-id\":7,"
    "\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,"
    "\"identifier-field-ids\":[1],\"fields\":[{\"id\":1,\"name\":\"x\",\"required\":true,"
    "\"type\":\"long\"},{\"id\":2,\"name\":\"t\\u0073\",\"required\":false,"
    "\"type\":\"timestamptz\",\"doc\":\"time\"},{\"id\":3,\"name\":\"m\",\"required\":false,"
    "\"type\":{\"type\":\"map\",\"key-id\":4,\"key\":\"string\",\"value-id\":5,\"value\":"
    "{\"type\":\"list\",\"element-id\":6,\"element\":{\"type\":\"struct\",\"fields\":[{\"id\":7,"
    "\"name\":\"y\",\"required\":false,\"type\":\"int\"}]},\"element-required\":true},"
    "\"value-required\":true}}]}],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,"
    "\"fields\":[{\"name\":\"x\",\"transform\":\"bucket[4]\",\"source-id\":1,\"field-id\":1000},"
    "{\"name\":\"z\",\"transform\":\"zorder\",\"source-ids\":[1,2],\"field-id\":1001}]}],"
    "\"last-partition-id\":1001,\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":1,"
    "\"fields\":[{\"transform\":\"identity\",\"source-id\":1,\"direction\":\"asc\","
    "\"null-order\":\"nulls-first\"}]}],\"last-sequence-number\":2,"
    "\"properties\":{\"a\":\"b\",\"c\":\"d\"},\"current-snapshot-id\":12,\"snapshots\":["
    "{\"snapshot-id\":11,\"sequence-number\":1,\"timestamp-ms\":400,\"summary\":{\"operation\":"
    "\"append\",\"n\":\"1\"},\"manifests\":[\"a.avro\"]},{\"snapshot-id\":12,"
    "\"sequence-number\":2,\"timestamp-ms\":500,\"summary\":{\"operation\":\"append\",\"n\":"
    "\"2\"},\"manifest-list\":\"b.avro\"}],\"snapshot-log\":[{\"snapshot-id\":12,"
    "\"timestamp-ms\":500}],\"metadata-log\":[{\"metadata-file\":\"1.json\",\"timestamp-ms\":3}],"
    "\"refs\":{\"old\":{\"snapshot-id\":11,\"type\":\"tag\"}},"
    "\"statistics\":[{\"snapshot-id\":11,\"statistics-path\":\"s.puffin\",\"file-size-in-bytes\":9,"
    "\"file-footer-size-in-bytes\":4,\"blob-metadata\":[]},"
    "{\"snapshot-id\":12,\"statistics-path\":\"s.puffin\",\"file-size-in-bytes\":9,"
    "\"file-footer-size-in-bytes\":4,\"blob-metadata\":[]}]}";

typedef struct input {
  const void *data;
  size_t size;
} input;

static frz_status change(const frz_alloc *alloc, const frz_table_metadata *base,
                         frz_table_metadata **next_out)
{
  frz_schema schema = *frz_metadata_current_schema(base);
  frz_field fields[2] = {schema.root.fields[0],
                         {.id = 8, .name = FRZ_STR("new"), .type = {.kind = FRZ_TYPE_INT}}};
  schema.root.fields = fields;
  schema.root.n_fields = 2;
  frz_partition_field part = {
      .source_id = 1,
      .name = FRZ_STR("p"),
      .transform = {.kind = FRZ_TRANSFORM_BUCKET, .param = 8, .text = FRZ_STR("bucket[8]")}};
  frz_partition_spec spec = {.fields = &part, .n_fields = 1};
  frz_sort_field sort_field = {.source_id = 8, .transform = part.transform};
  frz_sort_order order = {.fields = &sort_field, .n_fields = 1};
  frz_snapshot snapshot = base->snapshots[1];
  snapshot.snapshot_id = 13;
  snapshot.parent_id = 12;
  snapshot.sequence_number = 3;
  frz_snapshot_ref ref = {.name = FRZ_STR("main"),
                          .snapshot_id = 13,
                          .is_branch = true,
                          .max_ref_age_ms = -1,
                          .max_snapshot_age_ms = -1,
                          .min_snapshots_to_keep = -1};
  frz_snapshot_ref tag = ref;
  tag.name = FRZ_STR("v1");
  frz_text_pair pairs[3] = {
      {FRZ_STR("a"), FRZ_STR("x")}, {FRZ_STR("e"), FRZ_STR("f")}, {FRZ_STR("g"), FRZ_STR("h")}};
  int64_t removed = 11;
  const frz_metadata_update updates[] = {
      {.kind = FRZ_UPDATE_ADD_SCHEMA, .schema = &schema, .last_column_id = 8},
      {.kind = FRZ_UPDATE_SET_CURRENT_SCHEMA, .id = -1},
      {.kind = FRZ_UPDATE_ADD_SPEC, .spec = &spec},
      {.kind = FRZ_UPDATE_SET_DEFAULT_SPEC, .id = -1},
      {.kind = FRZ_UPDATE_ADD_SORT_ORDER, .sort_order = &order},
      {.kind = FRZ_UPDATE_SET_DEFAULT_SORT_ORDER, .id = -1},
      {.kind = FRZ_UPDATE_ADD_SNAPSHOT, .snapshot = &snapshot},
      {.kind = FRZ_UPDATE_SET_REF, .ref = &ref},
      {.kind = FRZ_UPDATE_SET_REF, .ref = &tag},
      {.kind = FRZ_UPDATE_REMOVE_SNAPSHOTS, .snapshot_ids = &removed, .n_snapshot_ids = 1},
      {.kind = FRZ_UPDATE_SET_PROPERTIES, .pairs = pairs, .n_pairs = 3},
      {.kind = FRZ_UPDATE_SET_LOCATION, .name = FRZ_STR("s3://b/u")},
  };
  return frz_metadata_apply(base, FRZ_STR("2.json"), updates, sizeof updates / sizeof updates[0],
                            alloc, next_out, NULL);
}

static frz_status work(const frz_alloc *alloc, const input *in)
{
  frz_status st = FRZ_OK;
  frz_table_metadata *base = NULL, *next = NULL, *fresh = NULL, *again = NULL;
  frz_text_pair property = {FRZ_STR("k"), FRZ_STR("v")};
  frz_buf out;
  frz_buf_init(&out, alloc, 1 << 20);
  FRZ_TRY_OUT(frz_table_metadata_parse(alloc, FRZ_STR("t"), in->data, in->size, &base, NULL));
  FRZ_TRY_OUT(change(alloc, base, &next));
  FRZ_TRY_OUT(frz_table_metadata_write(next, &out, NULL));
  FRZ_TRY_OUT(frz_table_metadata_parse(alloc, FRZ_STR("t"), out.data, out.size, &again, NULL));
  FRZ_TRY_OUT(frz_metadata_create(alloc, 2, FRZ_STR("/t"), frz_metadata_current_schema(again), NULL,
                                  NULL, &property, 1, &fresh, NULL));
out:
  frz_table_metadata_release(base);
  frz_table_metadata_release(next);
  frz_table_metadata_release(fresh);
  frz_table_metadata_release(again);
  frz_buf_dispose(&out);
  return st;
}

static void run(const void *data, size_t size)
{
  input in = {data, size};
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_fault_arm(&fault, ++n);
    frz_status st = work(&fault.alloc, &in);
    assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 10);
}

static void test_plain(void **state)
{
  (void)state;
  run(text, sizeof text - 1);
}

static void test_gzip(void **state)
{
  (void)state;
  frz_buf packed;
  frz_buf_init(&packed, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_compress_append(FRZ_CODEC_GZIP, 0, text, sizeof text - 1, &packed, NULL),
                   FRZ_OK);
  run(packed.data, packed.size);
  frz_buf_dispose(&packed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plain),
      cmocka_unit_test(test_gzip),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
