/*
 * test_data_file_write.c - rows into data files: partitions, metrics, rolling, removal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "iceberg/write/data_file_metrics.h"
#include "iceberg/write/data_file_write.h"
#include "iceberg/write/lazy_sink.h"
#include "iceberg/write/sort_plan.h"
#include "parquet/read/parquet_reader.h"
#include "storage/storage.h"
#include "test_files.h"

#define ASSERT_OK(call)                                             \
  do {                                                              \
    if ((call) != FRZ_OK) fail_msg("%s: %s", #call, error.message); \
  } while (0)

/* ---- a table without a catalog ---- */

#define FIELD(id, name, required, type) \
  "{\"id\":" #id ",\"name\":\"" name "\",\"required\":" #required ",\"type\":" type "}"

static const char fields_json[] =
    FIELD(1, "id", true, "\"long\"") "," FIELD(2, "name", false, "\"string\"") "," FIELD(3, "price", false, "\"double\"") "," FIELD(
        4, "amount", false,
        "\"decimal(9, 2)\"") "," FIELD(5, "at", false,
                                       "\"timestamptz\"") "," FIELD(6, "info", false,
                                                                    "{\"type\":\"struct\","
                                                                    "\"fields\":[" FIELD(
                                                                        7, "city", false,
                                                                        "\"string\"") "]}") "," FIELD(8,
                                                                                                      "tags",
                                                                                                      false,
                                                                                                      "{\"type\":\"list\",\"element-id\":9,\"element\":\"double\",\"element-required\":false}");

typedef struct table {
  char folder[256];
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata;
  const frz_schema *schema;
  const frz_partition_spec *spec;
  frz_arena arena; /* of described files */
  frz_data_file_writer *writer;
} table;

#define SORT(transform, source, direction, nulls)                                         \
  "{\"transform\":\"" transform "\",\"source-id\":" #source ",\"direction\":\"" direction \
  "\",\"null-order\":\"nulls-" nulls "\"}"

/* Of tables that are opened from here on; NULL: unsorted. */
static const char *sort_fields;

/* `spec` are partition fields as JSON, `properties` the inside of a JSON object. */
static void table_open_with(table *self, const char *fields, const char *spec,
                            const char *properties)
{
  frz_error error = {0};
  *self = (table){0};
  frz_test_folder(self->folder);
  frz_arena_init(&self->arena, frz_alloc_default(), (size_t)1 << 28);
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 2;
  ASSERT_OK(frz_context_create(&options, &self->context, &error));
  ASSERT_OK(frz_storage_create(self->context, NULL, 0, &self->storage, &error));
  frz_buf json;
  frz_buf_init(&json, frz_alloc_default(), 1 << 24);
  ASSERT_OK(frz_buf_print(
      &json, &error,
      "{\"format-version\":2,\"table-uuid\":\"7a1b2c3d-0000-4000-8000-000000000001\","
      "\"location\":\"%s/t\",\"last-sequence-number\":0,\"last-updated-ms\":1700000000000,"
      "\"last-column-id\":1000,\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\","
      "\"schema-id\":0,\"fields\":[%s]}],\"default-spec-id\":3,\"partition-specs\":[{\"spec-id\":3,"
      "\"fields\":[%s]}],\"last-partition-id\":1001,\"default-sort-order-id\":%d,"
      "\"sort-orders\":[{\"order-id\":0,\"fields\":[]},{\"order-id\":5,\"fields\":[%s]}],"
      "\"properties\":{%s},\"snapshots\":[]}",
      self->folder, fields, spec, sort_fields != NULL ? 5 : 0,
      sort_fields != NULL ? sort_fields : SORT("identity", 1, "asc", "first"), properties));
  ASSERT_OK(frz_table_metadata_parse(frz_alloc_default(), FRZ_STR("test"), json.data, json.size,
                                     &self->metadata, &error));
  frz_buf_dispose(&json);
  self->schema = frz_metadata_current_schema(self->metadata);
  self->spec = frz_metadata_spec(self->metadata, 3);
}

static frz_status start(table *self, frz_error *err)
{
  return frz_data_file_writer_create(self->context, self->storage, self->metadata, self->schema,
                                     self->spec, &self->writer, err);
}

static void table_open(table *self, const char *spec, const char *properties)
{
  frz_error error = {0};
  table_open_with(self, fields_json, spec, properties);
  ASSERT_OK(start(self, &error));
}

static void table_close(table *self)
{
  frz_data_file_writer_free(self->writer);
  frz_table_metadata_release(self->metadata);
  frz_storage_release(self->storage);
  frz_context_free(self->context);
  frz_arena_free(&self->arena);
  frz_test_folder_remove(self->folder);
}

/* ---- rows ---- */

/* A row of the table; a NULL name or city is null, and so is a price of `no_price`. */
typedef struct row {
  int64_t id;
  const char *name;
  double price;
  int64_t at;
  const char *city;
} row;

static const double no_price = -1e300;

static void append_text(frz_column *column, const char *text)
{
  frz_error error = {0};

  if (text == NULL)
    ASSERT_OK(frz_column_append_nulls(column, 1, &error));
  else
    ASSERT_OK(frz_column_append_value(column, text, strlen(text), &error));
}

static void append_row(frz_batch *batch, const row *r)
{
  frz_error error = {0};
  frz_column *columns = batch->columns;
  ASSERT_OK(frz_column_append_value(&columns[0], &r->id, 8, &error));
  append_text(&columns[1], r->name);
  if (r->price == no_price)
    ASSERT_OK(frz_column_append_nulls(&columns[2], 1, &error));
  else
    ASSERT_OK(frz_column_append_value(&columns[2], &r->price, 8, &error));
  int64_t amount[2] = {r->id * 3, r->id < 0 ? -1 : 0};
  ASSERT_OK(frz_column_append_value(&columns[3], amount, 16, &error));
  ASSERT_OK(frz_column_append_value(&columns[4], &r->at, 8, &error));
  if (r->city == NULL) {
    ASSERT_OK(frz_column_append_nulls(&columns[5], 1, &error));
  } else {
    append_text(&columns[5].children[0], r->city);
    ASSERT_OK(frz_column_append_present(&columns[5], &error));
  }
  ASSERT_OK(frz_column_append_value(&columns[6].children[0], &r->price, 8, &error));
  ASSERT_OK(frz_column_append_present(&columns[6], &error));
  batch->n_rows++;
}

static void new_batch(const table *self, frz_batch *batch)
{
  frz_error error = {0};
  size_t n_fields;
  const frz_arrow_field *fields = frz_data_file_writer_fields(self->writer, &n_fields);
  ASSERT_OK(frz_batch_init(batch, fields, n_fields, frz_alloc_default(), &error));
}

static void write_rows(table *self, const row *rows, size_t n)
{
  frz_error error = {0};
  frz_batch batch;
  new_batch(self, &batch);
  for (size_t i = 0; i < n; i++) append_row(&batch, &rows[i]);
  ASSERT_OK(frz_data_file_writer_write(self->writer, &batch, &error));
  frz_batch_dispose(&batch);
}

static const frz_data_file *finish(table *self, size_t *n_out)
{
  frz_error error = {0};
  const frz_data_file *files = NULL;
  ASSERT_OK(frz_data_file_writer_finish(self->writer, &self->arena, &files, n_out, &error));
  return files;
}

static frz_status count_file(void *arg, const frz_storage_entry *entry, frz_error *err)
{
  (void)entry;
  (void)err;

  ++*(size_t *)arg;
  return FRZ_OK;
}

static size_t count_files(const table *self)
{
  frz_error error = {0};
  size_t n = 0;
  ASSERT_OK(frz_storage_list(self->storage, frz_str_from(self->folder), count_file, &n, &error));
  return n;
}

static const row sample[] = {
    {5, "pear", 1.5, 1000, "Oslo"},
    {-7, "fig", no_price, -1, NULL},
    {9, NULL, __builtin_nan(""), 5, "Rome"},
    {2, "pear", -2.0, 86400000000, "Lima"},
};
enum { N_SAMPLE = sizeof sample / sizeof *sample };

/* ---- one file ---- */

static void assert_bound(const frz_bound *bounds, size_t n, int32_t id, const void *bytes,
                         size_t size)
{
  frz_str found;
  assert_true(frz_bound_find(bounds, n, id, &found));
  assert_int_equal(found.size, size);
  assert_memory_equal(found.data, bytes, size);
}

static void test_a_file_is_described(void **state)
{
  (void)state;
  table self;
  table_open(&self, "", "");
  write_rows(&self, sample, N_SAMPLE);
  size_t n;
  const frz_data_file *file = finish(&self, &n);
  assert_int_equal(n, 1);
  assert_int_equal(file->content, FRZ_CONTENT_DATA);
  assert_int_equal(file->format, FRZ_FORMAT_PARQUET);
  assert_int_equal(file->spec_id, 3);
  assert_int_equal(file->n_rows, N_SAMPLE);
  assert_int_equal(file->partition.n_values, 0);
  assert_int_equal(file->sort_order_id, 0);
  assert_int_equal(file->first_row_id, -1);
  char prefix[300];
  snprintf(prefix, sizeof prefix, "%s/t/data/00000-", self.folder);
  assert_true(frz_str_starts(file->path, prefix));
  assert_true(frz_str_ends(file->path, ".parquet"));
  assert_int_equal(file->n_split_offsets, 1);
  assert_int_equal(file->split_offsets[0], 4);

  static const int32_t leaves[] = {1, 2, 3, 4, 5, 7, 9};
  assert_int_equal(file->n_column_sizes, 7);
  for (size_t i = 0; i < 7; i++) {
    assert_int_equal(file->column_sizes[i].field_id, leaves[i]);
    assert_true(file->column_sizes[i].value > 0);
    assert_int_equal(frz_metric_find(file->value_counts, file->n_value_counts, leaves[i]),
                     N_SAMPLE);
  }
  static const int64_t nulls[] = {0, 1, 1, 0, 0, 1, 0};
  for (size_t i = 0; i < 7; i++)
    assert_int_equal(frz_metric_find(file->null_counts, file->n_null_counts, leaves[i]), nulls[i]);
  assert_int_equal(file->n_nan_counts, 1);
  assert_int_equal(frz_metric_find(file->nan_counts, file->n_nan_counts, 3), 1);

  const int64_t id_bounds[] = {-7, 9};
  assert_bound(file->lower_bounds, file->n_lower_bounds, 1, &id_bounds[0], 8);
  assert_bound(file->upper_bounds, file->n_upper_bounds, 1, &id_bounds[1], 8);
  assert_bound(file->lower_bounds, file->n_lower_bounds, 2, "fig", 3);
  assert_bound(file->upper_bounds, file->n_upper_bounds, 2, "pear", 4);
  const double price_bounds[] = {-2.0, 1.5};
  assert_bound(file->lower_bounds, file->n_lower_bounds, 3, &price_bounds[0], 8);
  assert_bound(file->upper_bounds, file->n_upper_bounds, 3, &price_bounds[1], 8);
  assert_bound(file->lower_bounds, file->n_lower_bounds, 4, "\xeb", 1); /* -21, minimal */
  assert_bound(file->upper_bounds, file->n_upper_bounds, 4, "\x1b", 1);
  assert_bound(file->lower_bounds, file->n_lower_bounds, 7, "Lima", 4);
  assert_bound(file->upper_bounds, file->n_upper_bounds, 7, "Rome", 4);
  /* Elements of a list have no bounds. */
  frz_str none;
  assert_false(frz_bound_find(file->lower_bounds, file->n_lower_bounds, 9, &none));

  frz_source *source = NULL;
  frz_error error = {0};
  ASSERT_OK(frz_storage_open(self.storage, file->path, &source, &error));
  assert_int_equal(source->size_bytes, file->size_bytes);
  frz_source_free(source);
  table_close(&self);
}

static void test_no_rows_make_no_file(void **state)
{
  (void)state;
  table self;
  table_open(&self, "", "");
  write_rows(&self, sample, 0);
  size_t n;
  finish(&self, &n);
  assert_int_equal(n, 0);
  assert_int_equal(count_files(&self), 0);
  table_close(&self);
}

static void test_files_are_removed_unless_kept(void **state)
{
  (void)state;
  for (int round = 0; round < 3; round++) {
    table self;
    table_open(&self, "", "\"write.target-file-size-bytes\":\"1\"");
    write_rows(&self, sample, N_SAMPLE); /* closed at once */
    assert_int_equal(count_files(&self), 1);
    size_t n;
    if (round > 0) finish(&self, &n);
    if (round == 2) frz_data_file_writer_keep(self.writer);
    frz_data_file_writer_free(self.writer);
    self.writer = NULL;
    assert_int_equal(count_files(&self), round == 2 ? 1 : 0);
    table_close(&self);
  }
}

static void test_files_roll_at_their_target_size(void **state)
{
  (void)state;
  table self;
  table_open(&self, "",
             "\"write.target-file-size-bytes\":\"20000\",\"write.parquet.compression-codec\":"
             "\"none\",\"write.parquet.dict-size-bytes\":\"0\",\"frazil.parquet.encodings\":"
             "\"basic\"");
  row rows[500];
  for (int i = 0; i < 500; i++) rows[i] = (row){i, "x", i, i, NULL};
  for (int i = 0; i < 10; i++) write_rows(&self, rows, 500);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_in_range(n, 5, 10);
  int64_t n_rows = 0;
  for (size_t i = 0; i < n; i++) {
    n_rows += files[i].n_rows;
    if (i + 1 < n) assert_in_range(files[i].size_bytes, 20000, 60000);
    for (size_t k = 0; k < i; k++) assert_false(frz_str_equal(files[i].path, files[k].path));
  }
  assert_int_equal(n_rows, 5000);
  table_close(&self);
}

static void test_properties_place_and_shape_files(void **state)
{
  (void)state;
  frz_error error = {0};
  table self;
  table_open(&self, "", "\"write.parquet.row-group-limit\":\"2\"");
  write_rows(&self, sample, N_SAMPLE);
  size_t n;
  const frz_data_file *file = finish(&self, &n);
  assert_int_equal(file->n_split_offsets, 2);
  assert_true(file->split_offsets[1] > file->split_offsets[0]);
  table_close(&self);

  char properties[400];
  char folder[256];
  frz_test_folder(folder);
  snprintf(properties, sizeof properties, "\"write.data.path\":\"%s/else/\"", folder);
  table_open(&self, "", properties);
  write_rows(&self, sample, N_SAMPLE);
  file = finish(&self, &n);
  snprintf(properties, sizeof properties, "%s/else/00000-", folder);
  assert_true(frz_str_starts(file->path, properties));
  table_close(&self);
  frz_test_folder_remove(folder);

  static const char *const refused[] = {
      "\"write.parquet.compression-codec\":\"lzo\"",
      "\"write.parquet.page-size-bytes\":\"0\"",
      "\"write.parquet.row-group-limit\":\"-3\"",
      "\"write.parquet.page-version\":\"v3\"",
      "\"frazil.parquet.encodings\":\"some\"",
      "\"write.parquet.bloom-filter-max-bytes\":\"0\"",
      "\"write.parquet.bloom-filter-enabled.column.id\":\"true\","
      "\"write.parquet.bloom-filter-fpp.column.id\":\"1.0\"",
      "\"write.parquet.bloom-filter-enabled.column.id\":\"true\","
      "\"write.parquet.bloom-filter-fpp.column.id\":\"0.1x\"",
      "\"write.parquet.bloom-filter-enabled.column.id\":\"true\","
      "\"write.parquet.bloom-filter-ndv.column.id\":\"-5\"",
      "\"write.target-file-size-bytes\":\"many\"",
      "\"write.metadata.metrics.default\":\"truncate(0)\"",
      "\"write.metadata.metrics.default\":\"truncate()\"",
      "\"write.metadata.metrics.default\":\"some\"",
      "\"write.metadata.metrics.column.name\":\"truncate(1\"",
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    table_open_with(&self, fields_json, "", refused[i]);
    assert_int_equal(start(&self, &error), FRZ_ERR_INVALID);
    assert_non_null(strstr(error.message, "table property '"));
    table_close(&self);
  }
}

/* ---- metrics ---- */

static void test_metrics_follow_their_modes(void **state)
{
  (void)state;
  table self;
  table_open(&self, "",
             "\"write.metadata.metrics.default\":\"counts\","
             "\"write.metadata.metrics.column.id\":\"none\","
             "\"write.metadata.metrics.column.name\":\"truncate(2)\","
             "\"write.metadata.metrics.column.info.city\":\"FULL\"");
  write_rows(&self, sample, N_SAMPLE);
  size_t n;
  const frz_data_file *file = finish(&self, &n);
  assert_int_equal(file->n_column_sizes, 7);
  assert_int_equal(frz_metric_find(file->value_counts, file->n_value_counts, 1), -1);
  assert_int_equal(frz_metric_find(file->value_counts, file->n_value_counts, 3), N_SAMPLE);
  assert_int_equal(file->n_lower_bounds, 2);
  assert_bound(file->lower_bounds, file->n_lower_bounds, 2, "fi", 2);
  assert_bound(file->upper_bounds, file->n_upper_bounds, 2, "pf", 2);
  assert_bound(file->lower_bounds, file->n_lower_bounds, 7, "Lima", 4);
  table_close(&self);
}

static void test_wide_tables_have_metrics_for_their_first_columns(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_buf fields;
  frz_buf_init(&fields, frz_alloc_default(), 1 << 20);
  for (int i = 0; i < 120; i++)
    ASSERT_OK(frz_buf_print(&fields, &error,
                            "%s{\"id\":%d,\"name\":\"c%d\",\"required\":false,\"type\":\"int\"}",
                            i != 0 ? "," : "", i + 1, i));
  ASSERT_OK(frz_buf_append_byte(&fields, 0, &error));
  table self;
  table_open_with(&self, (const char *)fields.data, "",
                  "\"write.metadata.metrics.column.c110\":\"counts\"");
  frz_metrics_config config;
  ASSERT_OK(frz_metrics_config_make(self.metadata, self.schema, &self.arena, &config, &error));
  assert_int_equal(config.n_columns, 120);
  for (size_t i = 0; i < 120; i++) {
    frz_metrics_kind kind = i < 100 ? FRZ_METRICS_TRUNCATE : FRZ_METRICS_NONE;
    if (i == 110) kind = FRZ_METRICS_COUNTS;
    assert_int_equal(config.columns[i].kind, kind);
  }
  table_close(&self);
  frz_buf_dispose(&fields);
}

/* ---- partitions ---- */

#define PARTITION(id, source, name, transform)                       \
  "{\"field-id\":" #id ",\"source-id\":" #source ",\"name\":\"" name \
  "\",\"transform\":\"" transform "\"}"

static void test_rows_go_to_their_partition(void **state)
{
  (void)state;
  table self;
  table_open(&self, PARTITION(1000, 2, "name", "identity") "," PARTITION(1001, 5, "at_day", "day"),
             "");
  write_rows(&self, sample, N_SAMPLE);
  write_rows(&self, sample, N_SAMPLE);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  /* (pear, 1970-01-01), (fig, 1969-12-31), (null, 1970-01-01), (pear, 1970-01-02) */
  assert_int_equal(n, 4);
  static const char *const folders[] = {
      "/t/data/name=pear/at_day=1970-01-01/", "/t/data/name=fig/at_day=1969-12-31/",
      "/t/data/name=null/at_day=1970-01-01/", "/t/data/name=pear/at_day=1970-01-02/"};
  static const int64_t ids[] = {5, -7, 9, 2};
  static const int32_t days[] = {0, -1, 0, 1};
  for (size_t i = 0; i < 4; i++) {
    size_t at = 0;
    while (at < 4 && strstr(frz_arena_copy(&self.arena, files[i].path).data, folders[at]) == NULL)
      at++;
    assert_in_range(at, 0, 3);
    assert_int_equal(files[i].n_rows, 2);
    assert_bound(files[i].lower_bounds, files[i].n_lower_bounds, 1, &ids[at], 8);
    assert_bound(files[i].upper_bounds, files[i].n_upper_bounds, 1, &ids[at], 8);
    assert_int_equal(files[i].partition.n_values, 2);
    assert_int_equal(files[i].partition.values[0].is_null, at == 2);
    assert_int_equal(files[i].partition.values[1].as.i32, days[at]);
  }
  table_close(&self);
}

static void test_bucket_counts_agree_with_the_transform(void **state)
{
  (void)state;
  frz_error error = {0};
  table self;
  table_open(&self, PARTITION(1000, 1, "id_bucket", "bucket[5]"), "");
  int64_t expected[5] = {0};
  row rows[400];
  for (int i = 0; i < 400; i++) {
    rows[i] = (row){i % 97, "x", 0.0, 0, NULL};
    frz_literal value = {.kind = FRZ_TYPE_LONG, .as = {.i64 = rows[i].id}};
    frz_literal bucket;
    ASSERT_OK(
        frz_transform_apply(&self.spec->fields[0].transform, &value, &self.arena, &bucket, &error));
    expected[bucket.as.i32]++;
  }
  write_rows(&self, rows, 400);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_int_equal(n, 5);
  for (size_t i = 0; i < n; i++)
    assert_int_equal(files[i].n_rows, expected[files[i].partition.values[0].as.i32]);
  table_close(&self);
}

/* NaN is one partition whatever its bits, and so is zero of either sign. */
static void test_equal_floats_share_a_partition(void **state)
{
  (void)state;
  table self;
  table_open(&self, PARTITION(1000, 3, "price", "identity"), "");
  const row rows[] = {{1, "x", 0.0, 0, NULL},
                      {2, "x", -0.0, 0, NULL},
                      {3, "x", __builtin_nan(""), 0, NULL},
                      {4, "x", -__builtin_nan("1"), 0, NULL},
                      {5, "x", no_price, 0, NULL}};
  write_rows(&self, rows, 5);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_int_equal(n, 3);
  for (size_t i = 0; i < n; i++) assert_int_equal(files[i].n_rows, i < 2 ? 2 : 1);
  table_close(&self);
}

static void test_a_source_may_lie_in_a_struct(void **state)
{
  (void)state;
  table self;
  table_open(&self, PARTITION(1000, 7, "city", "truncate[1]"), "");
  const row more[] = {{1, "x", 1, 0, "Oran"}, {2, "x", 1, 0, NULL}};
  write_rows(&self, sample, N_SAMPLE);
  write_rows(&self, more, 2);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_int_equal(n, 4); /* O, null, R, L */
  int64_t n_rows = 0;
  for (size_t i = 0; i < n; i++) {
    const frz_literal *city = &files[i].partition.values[0];
    bool is_double = city->is_null || frz_str_is(city->as.bytes, "O");
    assert_int_equal(files[i].n_rows, is_double ? 2 : 1);
    n_rows += files[i].n_rows;
  }
  assert_int_equal(n_rows, N_SAMPLE + 2);
  table_close(&self);
}

static void test_void_and_unknown_transforms(void **state)
{
  (void)state;
  frz_error error = {0};
  table self;
  table_open(&self, PARTITION(1000, 2, "gone", "void"), "");
  write_rows(&self, sample, N_SAMPLE);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_int_equal(n, 1);
  assert_true(files[0].partition.values[0].is_null);
  table_close(&self);

  table_open_with(&self, fields_json, PARTITION(1000, 1, "later", "zorder"), "");
  assert_int_equal(start(&self, &error), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "zorder"));
  table_close(&self);
}

/* Many files under way at once. */
static void test_many_partitions_lose_no_row(void **state)
{
  (void)state;
  enum { N = 300 };
  table self;
  table_open(&self, PARTITION(1000, 1, "id", "identity"), "");
  static row rows[N];
  for (int i = 0; i < N; i++) rows[i] = (row){(i * 7) % N, "x", 1, 0, "y"};
  for (int i = 0; i < 2; i++) write_rows(&self, rows, N);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_int_equal(n, N);
  int64_t per_id[N] = {0};
  for (size_t i = 0; i < n; i++) per_id[files[i].partition.values[0].as.i64] += files[i].n_rows;
  for (int i = 0; i < N; i++) assert_int_equal(per_id[i], 2);
  assert_int_equal(count_files(&self), n);
  table_close(&self);
}

/* ---- bounds on what is open ---- */

/* Files of more partitions than fit into memory: row groups end early, no row is lost. */
static void test_memory_is_bounded(void **state)
{
  (void)state;
  enum { N_PARTITIONS = 64, N_BATCHES = 32, TEXT_BYTES = 65536 };
  frz_error error = {0};
  frz_fault counter = {0};
  frz_fault_arm(&counter, 0);
  table self;
  table_open_with(&self, fields_json, PARTITION(1000, 1, "id", "identity"),
                  "\"write.parquet.compression-codec\":\"none\"");
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = &counter.alloc;
  options.n_threads = 1;
  options.memory_limit_bytes = 1; /* the writer takes 64 MiB at least */
  frz_context *context;
  ASSERT_OK(frz_context_create(&options, &context, &error));
  ASSERT_OK(frz_data_file_writer_create(context, self.storage, self.metadata, self.schema,
                                        self.spec, &self.writer, &error));
  static char text[TEXT_BYTES + 1];
  uint64_t random = 42;
  for (int b = 0; b < N_BATCHES; b++) {
    frz_batch batch;
    new_batch(&self, &batch);
    for (int i = 0; i < N_PARTITIONS; i++) {
      for (size_t k = 0; k < TEXT_BYTES; k++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        text[k] = (char)('a' + (random >> 60));
      }
      append_row(&batch, &(row){i, text, 1, 0, NULL});
    }
    ASSERT_OK(frz_data_file_writer_write(self.writer, &batch, &error));
    frz_batch_dispose(&batch);
  }
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_in_range(n, N_PARTITIONS, 2 * N_PARTITIONS);
  int64_t n_rows = 0, n_bytes = 0;
  for (size_t i = 0; i < n; i++) {
    n_rows += files[i].n_rows;
    n_bytes += files[i].size_bytes;
  }
  assert_int_equal(n_rows, N_PARTITIONS * N_BATCHES);
  assert_true(n_bytes > (int64_t)128 << 20);
  assert_in_range(counter.peak_bytes, 1, (long long)80 << 20);
  frz_data_file_writer_free(self.writer);
  self.writer = NULL;
  assert_int_equal(count_files(&self), 0);
  frz_context_free(context);
  table_close(&self);
}

static void test_a_lazy_sink_creates_its_file_late(void **state)
{
  (void)state;
  frz_error error = {0};
  table self;
  table_open(&self, "", "");
  char path[300];
  snprintf(path, sizeof path, "%s/late/file", self.folder);
  for (int round = 0; round < 4; round++) {
    bool is_large = (round & 1) != 0, commits = (round & 2) != 0;
    frz_sink *sink;
    ASSERT_OK(frz_lazy_sink_create(frz_alloc_default(), self.storage, frz_str_from(path), 10, &sink,
                                   &error));
    ASSERT_OK(frz_sink_write(sink, "abcdef", 6, &error));
    assert_false(frz_lazy_sink_is_open(sink));
    assert_true(frz_lazy_sink_memory(sink) >= 6);
    ASSERT_OK(frz_sink_write(sink, "ghijkl", is_large ? 6 : 4, &error));
    assert_int_equal(frz_lazy_sink_is_open(sink), is_large);
    assert_int_equal(frz_lazy_sink_memory(sink) == 0, is_large);
    assert_int_equal(sink->written_bytes, is_large ? 12 : 10);
    if (commits) ASSERT_OK(frz_sink_commit(sink, &error));
    frz_sink_free(sink);
    size_t size = 0;
    uint8_t *data = frz_test_read(path, &size);
    assert_int_equal(data != NULL, commits);
    if (commits) {
      assert_int_equal(size, is_large ? 12 : 10);
      assert_memory_equal(data, "abcdefghijkl", size);
      ASSERT_OK(frz_storage_remove(self.storage, frz_str_from(path), &error));
    }
    free(data);
  }
  table_close(&self);
}

static void test_a_wrong_batch_is_refused(void **state)
{
  (void)state;
  frz_error error = {0};
  table self;
  table_open(&self, "", "");
  frz_arrow_field other = {.name = FRZ_STR("id"), .type = {.kind = FRZ_ARROW_INT32}};
  frz_batch batch;
  ASSERT_OK(frz_batch_init(&batch, &other, 1, frz_alloc_default(), &error));
  assert_int_equal(frz_data_file_writer_write(self.writer, &batch, &error), FRZ_ERR_INVALID);
  frz_batch_dispose(&batch);
  size_t n;
  const frz_data_file *files;
  assert_int_equal(frz_data_file_writer_finish(self.writer, &self.arena, &files, &n, &error),
                   FRZ_ERR_INVALID);
  table_close(&self);
}

/* ---- unknown columns ---- */

static void test_unknown_columns_are_left_out(void **state)
{
  (void)state;
  frz_error error = {0};
  table self;
  table_open_with(&self,
                  FIELD(1, "a", false, "\"int\"") "," FIELD(2, "u", false, "\"unknown\"") "," FIELD(
                      3, "b", false, "\"int\""),
                  "", "");
  ASSERT_OK(start(&self, &error));
  frz_batch batch;
  new_batch(&self, &batch);
  const int32_t value = 4;
  ASSERT_OK(frz_column_append_value(&batch.columns[0], &value, 4, &error));
  ASSERT_OK(frz_column_append_nulls(&batch.columns[1], 1, &error));
  ASSERT_OK(frz_column_append_value(&batch.columns[2], &value, 4, &error));
  batch.n_rows = 1;
  ASSERT_OK(frz_data_file_writer_write(self.writer, &batch, &error));
  frz_batch_dispose(&batch);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_int_equal(n, 1);
  assert_int_equal(files[0].n_column_sizes, 2);
  assert_int_equal(files[0].column_sizes[1].field_id, 3);
  table_close(&self);
}

#define STRUCT(fields) "{\"type\":\"struct\",\"fields\":[" fields "]}"
#define LIST(id, element) \
  "{\"type\":\"list\",\"element-id\":" #id ",\"element-required\":false,\"element\":" element "}"

/* Of a struct its other fields are stored; what cannot be stored without is refused by name. */
static void test_unknown_parts_are_left_out(void **state)
{
  (void)state;
  frz_error error = {0};
  table self;
  table_open_with(
      &self,
      FIELD(1, "s", false,
            STRUCT(FIELD(2, "u", false, "\"unknown\"") "," FIELD(
                3, "x", false,
                "\"int\""))) "," FIELD(4, "l", false,
                                       LIST(5, STRUCT(FIELD(6, "y", false, "\"int\"") "," FIELD(
                                                   7, "v", false, "\"unknown\"")))),
      "", "");
  ASSERT_OK(start(&self, &error));
  frz_batch batch;
  new_batch(&self, &batch);
  const int32_t value = 4;
  for (int i = 0; i < 2; i++) {
    frz_column *point = &batch.columns[i];
    if (i == 1) point = &point->children[0];
    ASSERT_OK(frz_column_append_value(&point->children[1 - i], &value, 4, &error));
    ASSERT_OK(frz_column_append_nulls(&point->children[i], 1, &error));
    ASSERT_OK(frz_column_append_present(point, &error));
  }
  ASSERT_OK(frz_column_append_present(&batch.columns[1], &error));
  batch.n_rows = 1;
  ASSERT_OK(frz_data_file_writer_write(self.writer, &batch, &error));
  frz_batch_dispose(&batch);
  size_t n;
  const frz_data_file *files = finish(&self, &n);
  assert_int_equal(n, 1);
  assert_int_equal(files[0].n_column_sizes, 2);
  assert_int_equal(files[0].column_sizes[0].field_id, 3);
  assert_int_equal(files[0].column_sizes[1].field_id, 6);
  table_close(&self);
  static const char *const refused[] = {
      FIELD(1, "bad", false, STRUCT(FIELD(2, "u", false, "\"unknown\""))),
      FIELD(1, "bad", false, LIST(2, "\"unknown\"")),
      FIELD(
          1, "bad", false,
          "{\"type\":\"map\",\"key-id\":2,\"key\":\"int\",\"value-id\":3,\"value-required\":false,"
          "\"value\":\"unknown\"}"),
  };
  for (size_t i = 0; i < 3; i++) {
    table_open_with(&self, refused[i], "", "");
    assert_int_equal(start(&self, &error), FRZ_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "column 'bad'"));
    table_close(&self);
  }
}

/* ---- sorted files ---- */

/* The file's rows, in one batch. */
static void read_file(const table *self, const frz_data_file *file, frz_batch *batch_out)
{
  frz_error error = {0};
  frz_source *source = NULL;
  frz_parquet_file *opened = NULL;
  frz_parquet_reader *reader = NULL;
  frz_parquet_read_options options = {.batch_rows_max = 1 << 20};
  ASSERT_OK(frz_storage_open(self->storage, file->path, &source, &error));
  ASSERT_OK(frz_parquet_file_open(self->context, source, file->path, &opened, &error));
  ASSERT_OK(frz_parquet_reader_create(opened, &options, &reader, &error));
  int64_t first;
  ASSERT_OK(frz_parquet_reader_next(reader, batch_out, &first, &error));
  assert_int_equal(batch_out->n_rows, file->n_rows);
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(opened);
}

/* Every file is sorted by the table's order; the files hold ids [0, n_rows) once each. */
static void check_sorted_files(const table *self, const frz_data_file *files, size_t n_files,
                               int64_t n_rows, frz_arena *arena)
{
  frz_error error = {0};
  frz_sort_plan plan;
  uint8_t *seen = test_calloc((size_t)n_rows, 1);
  ASSERT_OK(frz_sort_plan_init(&plan, frz_alloc_default(), arena, self->schema,
                               frz_metadata_sort_order(self->metadata, 5), true, &error));
  int64_t n_found = 0;
  for (size_t i = 0; i < n_files; i++) {
    frz_batch batch;
    frz_sort_keys keys;
    read_file(self, &files[i], &batch);
    assert_int_equal(files[i].sort_order_id, 5);
    ASSERT_OK(frz_sort_keys_make(&plan, batch.columns, batch.n_rows, &keys, &error));
    assert_true(frz_sort_is_ordered(keys.keys, keys.n_keys, 0, batch.n_rows));
    const int64_t *ids = (const int64_t *)(const void *)batch.columns[0].values.data;
    for (int64_t r = 0; r < batch.n_rows; r++) {
      assert_in_range(ids[r], 0, n_rows - 1);
      assert_int_equal(seen[ids[r]]++, 0);
    }
    n_found += batch.n_rows;
    frz_sort_keys_dispose(&keys);
    frz_batch_dispose(&batch);
  }
  assert_int_equal(n_found, n_rows);
  test_free(seen);
}

static const char *const some_names[] = {"pear", NULL, "fig", "a name of many letters", "", "pea"};
static const char *const some_cities[] = {"Oslo", "Rome", NULL, "Lima"};

/* `n` rows from id `first` on, none of which is where it belongs. */
static void write_mixed(table *self, int64_t first, int64_t n)
{
  row *rows = test_calloc((size_t)n, sizeof *rows);
  for (int64_t i = 0; i < n; i++) {
    int64_t id = first + i;
    int64_t mixed = id * 7919 % 1009;
    rows[i] = (row){id, some_names[mixed % 6],
                    mixed % 11 == 0   ? no_price
                    : mixed % 13 == 0 ? __builtin_nan("")
                                      : (double)(mixed % 50) - 25,
                    mixed * 3600000000 - 500 * 3600000000, some_cities[mixed % 4]};
  }
  write_rows(self, rows, (size_t)n);
  test_free(rows);
}

static void test_files_are_sorted_by_the_tables_order(void **state)
{
  (void)state;
  static const struct {
    const char *spec, *sort, *properties;
    size_t n_files;
  } cases[] = {
      {"", SORT("identity", 1, "desc", "first"), "", 1},
      {"", SORT("identity", 3, "asc", "first") "," SORT("identity", 2, "desc", "last"), "", 1},
      {"", SORT("identity", 3, "desc", "last"), "", 1},
      {"", SORT("bucket[5]", 1, "asc", "first") "," SORT("day", 5, "desc", "first"), "", 1},
      {"", SORT("truncate[2]", 2, "asc", "last") "," SORT("identity", 4, "desc", "last"), "", 1},
      {"", SORT("identity", 7, "asc", "last") "," SORT("identity", 5, "asc", "first"), "", 1},
      {"", SORT("void", 2, "asc", "last") "," SORT("year", 5, "desc", "first"), "", 1},
      {"{\"field-id\":1000,\"source-id\":7,\"name\":\"city\",\"transform\":\"identity\"}",
       SORT("identity", 2, "asc", "last") "," SORT("identity", 1, "asc", "first"), "", 4},
      /* One run, rolled into several files. */
      {"", SORT("identity", 2, "asc", "last"), "\"write.target-file-size-bytes\":\"1\"", 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    table self;
    frz_arena arena;
    frz_arena_init(&arena, frz_alloc_default(), 1 << 24);
    sort_fields = cases[i].sort;
    table_open(&self, cases[i].spec, cases[i].properties);
    int64_t n_rows = cases[i].n_files == 2 ? 70000 : 1000;
    for (int64_t first = 0; first < n_rows; first += n_rows / 5)
      write_mixed(&self, first, n_rows / 5);
    size_t n;
    const frz_data_file *files = finish(&self, &n);
    assert_int_equal(n, cases[i].n_files);
    check_sorted_files(&self, files, n, n_rows, &arena);
    table_close(&self);
    frz_arena_free(&arena);
  }
  sort_fields = NULL;
}

/* What cannot be followed leaves rows as they come, and says so. */
static void test_other_files_are_not_called_sorted(void **state)
{
  (void)state;
  static const struct {
    const char *sort;
    bool is_overruled;
  } cases[] = {
      {NULL, false},
      {SORT("identity", 1, "desc", "first"), true},
      {SORT("identity", 1, "desc", "first") "," SORT("zorder[3]", 2, "asc", "first"), false},
      {SORT("identity", 9, "desc", "first"), false}, /* below a list */
      {SORT("void", 1, "desc", "first"), false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    table self;
    frz_error error = {0};
    sort_fields = cases[i].sort;
    table_open(&self, "", "");
    if (cases[i].is_overruled) ASSERT_OK(frz_data_file_writer_sort_by(self.writer, NULL, &error));
    write_mixed(&self, 0, 100);
    size_t n;
    const frz_data_file *files = finish(&self, &n);
    assert_int_equal(n, 1);
    assert_int_equal(files[0].sort_order_id, 0);
    frz_batch batch;
    read_file(&self, &files[0], &batch);
    for (int64_t r = 0; r < 100; r++)
      assert_int_equal(((const int64_t *)(const void *)batch.columns[0].values.data)[r], r);
    frz_batch_dispose(&batch);
    table_close(&self);
  }
  sort_fields = NULL;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_file_is_described),
      cmocka_unit_test(test_no_rows_make_no_file),
      cmocka_unit_test(test_files_are_removed_unless_kept),
      cmocka_unit_test(test_files_roll_at_their_target_size),
      cmocka_unit_test(test_properties_place_and_shape_files),
      cmocka_unit_test(test_metrics_follow_their_modes),
      cmocka_unit_test(test_wide_tables_have_metrics_for_their_first_columns),
      cmocka_unit_test(test_rows_go_to_their_partition),
      cmocka_unit_test(test_bucket_counts_agree_with_the_transform),
      cmocka_unit_test(test_equal_floats_share_a_partition),
      cmocka_unit_test(test_a_source_may_lie_in_a_struct),
      cmocka_unit_test(test_void_and_unknown_transforms),
      cmocka_unit_test(test_many_partitions_lose_no_row),
      cmocka_unit_test(test_memory_is_bounded),
      cmocka_unit_test(test_a_lazy_sink_creates_its_file_late),
      cmocka_unit_test(test_a_wrong_batch_is_refused),
      cmocka_unit_test(test_unknown_columns_are_left_out),
      cmocka_unit_test(test_unknown_parts_are_left_out),
      cmocka_unit_test(test_files_are_sorted_by_the_tables_order),
      cmocka_unit_test(test_other_files_are_not_called_sorted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
