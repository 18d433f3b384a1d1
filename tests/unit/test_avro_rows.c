/*
 * test_avro_rows.c - tables with Avro files: data, position and equality deletes, deletion vectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "avro_table.h"
#include "iceberg/scan/deletion_vector.h"
#include "puffin/puffin.h"

#define ID_FIELD(type, id) "{\"name\":\"id\",\"type\":\"" type "\"" id "}"
#define NAME_FIELD(id) "{\"name\":\"name\",\"type\":[\"null\",\"string\"]" id "}"
#define RECORD(fields) "{\"type\":\"record\",\"name\":\"r\",\"fields\":[" fields "]}"

static const char plain_schema[] =
    RECORD(ID_FIELD("long", ",\"field-id\":1") "," NAME_FIELD(",\"field-id\":2"));
static const char position_schema[] =
    RECORD("{\"name\":\"file_path\",\"field-id\":2147483546,\"type\":\"string\"},"
           "{\"name\":\"pos\",\"field-id\":2147483545,\"type\":\"long\"}");
static const char key_schema[] = RECORD(ID_FIELD("long", ",\"field-id\":1"));

static void assert_rows(frz_table *table, const char *filter, int64_t n_rows, int64_t id_sum,
                        int64_t n_null_names)
{
  frz_test_sum sum = frz_test_scan(table, filter);
  assert_int_equal(sum.n_rows, n_rows);
  assert_int_equal(sum.id_sum, id_sum);
  assert_int_equal(sum.n_null_names, n_null_names);
}

/* How a scan of everything ends. */
static frz_status scan_status(frz_table *table, int64_t *n_rows_out, frz_error *err)
{
  frz_scan *scan;
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  *n_rows_out = 0;
  frz_test_ok(frz_table_scan(table, NULL, &scan, err), err);
  frz_test_ok(frz_scan_stream(scan, &stream, err), err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), err), err);
  frz_status st;
  for (;;) {
    frz_batch batch;
    st = frz_stream_reader_next(&reader, &batch, err);
    if (st != FRZ_OK) break;
    int64_t n_rows = batch.n_rows;
    *n_rows_out += n_rows;
    frz_batch_dispose(&batch);
    if (n_rows == 0) break;
  }
  frz_stream_reader_dispose(&reader);
  frz_scan_free(scan);
  return st;
}

static void test_rows_of_both_formats(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_avro file;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 100, &err), &err);
  frz_test_avro_add(table, &lake, "a.avro", plain_schema, 100, 50, true, &file);
  assert_rows(table, NULL, 150, 149 * 150 / 2, 22);
  assert_rows(table, "id >= 98 and id < 102", 4, 98 + 99 + 100 + 101, 1);
  assert_rows(table, "name = 'n120'", 1, 120, 0);
  assert_rows(table, "name is null and id > 140", 1, 147, 1);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* An int that became a long, a column that came later, columns in another order, and one that the
 * table does not know. */
static void test_evolved_files(void **state)
{
  (void)state;
  static const char narrow[] = RECORD("{\"name\":\"gone\",\"field-id\":99,\"type\":\"string\"},"
                                      "{\"name\":\"renamed\",\"field-id\":1,\"type\":\"int\"}");
  static const char turned[] =
      RECORD(NAME_FIELD(",\"field-id\":2") "," ID_FIELD("long", ",\"field-id\":1"));
  frz_test_lake lake;
  frz_test_avro file;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_avro_begin(&file, table, &lake, "narrow.avro", narrow);
  for (int i = 0; i < 10; i++) {
    frz_test_avro_text(&file, "passed over");
    frz_test_avro_long(&file, i);
    frz_test_avro_end_row(&file);
  }
  frz_test_avro_commit(table, &file);
  assert_rows(table, NULL, 10, 45, 10);
  frz_test_avro_begin(&file, table, &lake, "turned.avro", turned);
  frz_test_avro_long(&file, 1);
  frz_test_avro_text(&file, "x");
  frz_test_avro_long(&file, 10);
  frz_test_avro_end_row(&file);
  frz_test_avro_commit(table, &file);
  assert_rows(table, NULL, 11, 55, 10);
  assert_rows(table, "name = 'x'", 1, 10, 0);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_files_without_ids(void **state)
{
  (void)state;
  static const char bare[] = RECORD(ID_FIELD("long", "") "," NAME_FIELD(""));
  static const char mapping[] =
      "[{\"field-id\":1,\"names\":[\"id\"]},{\"field-id\":2,\"names\":[\"name\"]}]";
  const frz_property properties[] = {{"schema.name-mapping.default", mapping}, {0}};
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_avro file;
  int64_t n_rows;
  frz_test_lake_open(&lake, NULL);
  frz_table *mapped = frz_test_lake_table(&lake, "mapped", NULL, properties);
  frz_test_avro_add(mapped, &lake, "m.avro", bare, 0, 20, true, &file);
  assert_rows(mapped, NULL, 20, 190, 3);
  frz_table_free(mapped);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_avro_add(table, &lake, "b.avro", bare, 0, 20, true, &file);
  assert_int_equal(scan_status(table, &n_rows, &err), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "b.avro': the file has no field ids"));
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void delete_positions(frz_table *table, const frz_test_lake *lake, const char *name,
                             const frz_test_avro *data, int64_t first, int64_t last)
{
  frz_test_avro file;
  frz_test_avro_begin(&file, table, lake, name, position_schema);
  for (int64_t i = first; i < last; i++) {
    frz_test_avro_text(&file, data->path);
    frz_test_avro_long(&file, i);
    frz_test_avro_end_row(&file);
  }
  file.described.content = FRZ_CONTENT_POSITION_DELETES;
  frz_test_avro_commit(table, &file);
}

static void test_deletes_in_avro(void **state)
{
  (void)state;
  static const int32_t key[] = {1};
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_avro data, keys;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 100, &err), &err); /* Parquet: for the keys */
  frz_test_avro_add(table, &lake, "a.avro", plain_schema, 100, 100, true, &data);
  delete_positions(table, &lake, "p.avro", &data, 10, 30); /* the ids 110 to 129 */
  int64_t sum = 199 * 200 / 2 - (110 + 129) * 10;
  assert_rows(table, NULL, 180, sum, 29 - 3);
  frz_test_avro_begin(&keys, table, &lake, "k.avro", key_schema);
  frz_test_avro_rows(&keys, 98, 4, false); /* 98 to 101: of both files */
  keys.described.content = FRZ_CONTENT_EQUALITY_DELETES;
  keys.described.equality_ids = key;
  keys.described.n_equality_ids = 1;
  frz_test_avro_commit(table, &keys);
  sum -= 98 + 99 + 100 + 101;
  assert_rows(table, NULL, 176, sum, 29 - 3 - 1);
  assert_rows(table, "id > 105 and id < 132", 6, 106 + 107 + 108 + 109 + 130 + 131, 0);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_deletion_vectors_on_avro(void **state)
{
  (void)state;
  static const frz_property v3[] = {{"format-version", "3"}, {0}};
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_avro data;
  char path[400];
  frz_buf blob;
  frz_sink *sink;
  frz_puffin_writer *writer;
  frz_roaring *rows;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, v3);
  frz_test_avro_add(table, &lake, "a.avro", plain_schema, 0, 100, true, &data);
  frz_test_ok(frz_roaring_create(frz_alloc_default(), &rows, &err), &err);
  for (int64_t i = 50; i < 60; i++) frz_test_ok(frz_roaring_add(rows, i, &err), &err);
  frz_buf_init(&blob, frz_alloc_default(), 1 << 20);
  frz_test_ok(frz_deletion_vector_write(rows, &blob, &err), &err);
  snprintf(path, sizeof path, "%s/v.puffin", lake.folder);
  frz_data_file vector = {.content = FRZ_CONTENT_POSITION_DELETES,
                          .format = FRZ_FORMAT_PUFFIN,
                          .path = frz_str_from(path),
                          .n_rows = 10,
                          .sort_order_id = -1,
                          .first_row_id = -1,
                          .referenced_data_file = frz_str_from(data.path)};
  frz_puffin_blob about = {
      .type = FRZ_STR("deletion-vector-v1"), .snapshot_id = -1, .sequence_number = -1};
  frz_test_ok(
      frz_storage_create_file(frz_table_storage(table), frz_str_from(path), true, &sink, &err),
      &err);
  frz_test_ok(frz_puffin_writer_create(frz_alloc_default(), sink, &writer, &err), &err);
  frz_test_ok(frz_puffin_writer_add(writer, &about, blob.data, blob.size, &vector.content_offset,
                                    &vector.content_size_bytes, &err),
              &err);
  frz_test_ok(frz_puffin_writer_finish(writer, NULL, 0, &err), &err);
  frz_test_ok(frz_sink_commit(sink, &err), &err);
  vector.size_bytes = sink->written_bytes;
  frz_test_ok(frz_test_add_file(table, &vector, &err), &err);
  assert_rows(table, NULL, 90, 99 * 100 / 2 - (50 + 59) * 5, 15 - 1);
  frz_puffin_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&blob);
  frz_roaring_free(rows);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_counts_that_do_not_fit(void **state)
{
  (void)state;
  for (int64_t more = -1; more <= 1; more += 2) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_test_avro file;
    int64_t n_rows;
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
    frz_test_avro_begin(&file, table, &lake, "a.avro", plain_schema);
    frz_test_avro_rows(&file, 0, 10, true);
    file.described.n_rows += more;
    frz_test_avro_commit(table, &file);
    assert_int_equal(scan_status(table, &n_rows, &err), FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, more < 0 ? "10 rows or more, the manifest says 9"
                                                 : "10 rows, the manifest says 11"));
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

/* Whichever file comes first, no row comes before the error. */
static void test_orc_is_refused_first(void **state)
{
  (void)state;
  for (int as_delete = 0; as_delete < 2; as_delete++) {
    frz_test_lake lake;
    frz_error err = {0};
    int64_t n_rows;
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
    frz_data_file orc = {.format = FRZ_FORMAT_ORC,
                         .path = FRZ_STR("x.orc"),
                         .n_rows = 1,
                         .size_bytes = 1,
                         .sort_order_id = -1,
                         .first_row_id = -1,
                         .content_offset = -1};
    if (as_delete != 0) orc.content = FRZ_CONTENT_POSITION_DELETES;
    frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
    frz_test_ok(frz_test_add_file(table, &orc, &err), &err);
    frz_test_ok(frz_test_append(table, 10, 10, &err), &err);
    frz_scan *scan;
    struct ArrowArrayStream stream;
    frz_test_ok(frz_table_scan(table, NULL, &scan, &err), &err);
    if (as_delete != 0) { /* known from the start */
      assert_int_equal(frz_scan_stream(scan, &stream, &err), FRZ_ERR_UNSUPPORTED);
    } else {
      assert_int_equal(scan_status(table, &n_rows, &err), FRZ_ERR_UNSUPPORTED);
      assert_true(n_rows <= 10); /* at most the rows of manifests before */
    }
    assert_non_null(strstr(err.message, as_delete != 0
                                            ? "deletes 'x.orc': files in ORC are not read"
                                            : "file 'x.orc': files in ORC are not read"));
    frz_scan_free(scan);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_of_both_formats),
      cmocka_unit_test(test_evolved_files),
      cmocka_unit_test(test_files_without_ids),
      cmocka_unit_test(test_deletes_in_avro),
      cmocka_unit_test(test_deletion_vectors_on_avro),
      cmocka_unit_test(test_counts_that_do_not_fit),
      cmocka_unit_test(test_orc_is_refused_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
