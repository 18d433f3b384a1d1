/*
 * avro_table.c - see avro_table.h.
 */
#include "avro_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "avro/avro_value.h"
#include "iceberg/write/snapshot_producer.h"

void frz_test_avro_begin(frz_test_avro *file, frz_table *table, const frz_test_lake *lake,
                         const char *name, const char *schema)
{
  frz_error err = {0};
  *file = (frz_test_avro){0};
  snprintf(file->path, sizeof file->path, "%s/%s", lake->folder, name);
  file->described = (frz_data_file){.format = FRZ_FORMAT_AVRO,
                                    .path = frz_str_from(file->path),
                                    .sort_order_id = -1,
                                    .first_row_id = -1,
                                    .content_offset = -1};
  frz_test_ok(frz_storage_create_file(frz_table_storage(table), file->described.path, true,
                                      &file->sink, &err),
              &err);
  frz_test_ok(frz_avro_writer_create(frz_alloc_default(), file->sink, frz_str_from(schema), NULL, 0,
                                     FRZ_CODEC_DEFLATE, &file->writer, &err),
              &err);
}

void frz_test_avro_long(frz_test_avro *file, int64_t value)
{
  assert_int_equal(frz_avro_write_long(frz_avro_writer_record(file->writer), value, NULL), FRZ_OK);
}

void frz_test_avro_text(frz_test_avro *file, const char *text)
{
  assert_int_equal(
      frz_avro_write_bytes(frz_avro_writer_record(file->writer), frz_str_from(text), NULL), FRZ_OK);
}

void frz_test_avro_end_row(frz_test_avro *file)
{
  assert_int_equal(frz_avro_writer_end_record(file->writer, NULL), FRZ_OK);
  file->described.n_rows++;
}

static void close_file(frz_test_avro *file)
{
  frz_error err = {0};
  frz_test_ok(frz_avro_writer_finish(file->writer, &err), &err);
  frz_test_ok(frz_sink_commit(file->sink, &err), &err);
  file->described.size_bytes = file->sink->written_bytes;
  frz_avro_writer_free(file->writer);
  frz_sink_free(file->sink);
}

frz_status frz_test_add_file(frz_table *table, const frz_data_file *described, frz_error *err)
{
  int64_t snapshot_id;
  frz_snapshot_change change = {.operation =
                                    described->content == FRZ_CONTENT_DATA ? "append" : "delete",
                                .added = described,
                                .n_added = 1,
                                .added_sequence_number = -1};
  return frz_snapshot_commit(table, &change, &snapshot_id, err);
}

void frz_test_avro_commit(frz_table *table, frz_test_avro *file)
{
  frz_error err = {0};
  close_file(file);
  frz_test_ok(frz_test_add_file(table, &file->described, &err), &err);
}

/* Rows as frz_test_rows() makes them. */
void frz_test_avro_rows(frz_test_avro *file, int64_t first, int64_t n, bool with_names)
{
  for (int64_t i = first; i < first + n; i++) {
    char name[32];
    snprintf(name, sizeof name, "n%lld", (long long)i);
    frz_test_avro_long(file, i);
    if (with_names) {
      frz_test_avro_long(file, i % 7 != 0);
      if (i % 7 != 0) frz_test_avro_text(file, name);
    }
    frz_test_avro_end_row(file);
  }
}

void frz_test_avro_add(frz_table *table, const frz_test_lake *lake, const char *name,
                       const char *schema, int64_t first, int64_t n, bool with_names,
                       frz_test_avro *file_out)
{
  frz_test_avro_begin(file_out, table, lake, name, schema);
  frz_test_avro_rows(file_out, first, n, with_names);
  frz_test_avro_commit(table, file_out);
}
