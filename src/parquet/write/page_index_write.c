/*
 * page_index_write.c - see page_index_write.h.
 *
 * Source: parquet-format, PageIndex.md.
 */
#include "parquet/write/page_index_write.h"

enum { ORDER_NONE = 0, ORDER_ASCENDING = 1, ORDER_DESCENDING = 2 };

static const frz_page_record *records_of(const frz_column_writer *column, size_t *n_out)
{
  *n_out = column->records.size / sizeof(frz_page_record);
  return (const frz_page_record *)(const void *)column->records.data;
}

/* Where all bounds are empty texts no byte was ever kept. */
static frz_str bound_of(const frz_column_writer *column, size_t at, size_t n_bytes)
{
  if (n_bytes == 0) return (frz_str){"", 0};
  return (frz_str){(const char *)column->bound_bytes.data + at, n_bytes};
}

static frz_str min_of(const frz_column_writer *column, const frz_page_record *record)
{
  return bound_of(column, record->min_at, record->min_bytes);
}

static frz_str max_of(const frz_column_writer *column, const frz_page_record *record)
{
  return bound_of(column, record->max_at, record->max_bytes);
}

/* Pages without values do not count. */
static int32_t boundary_order(const frz_column_writer *column)
{
  size_t n;
  const frz_page_record *records = records_of(column, &n);
  const frz_page_record *before = NULL;
  bool ascending = true;
  bool descending = true;
  for (size_t i = 0; i < n; i++) {
    if (records[i].is_null) continue;
    if (before != NULL) {
      int of_min = frz_value_bound_compare(column->plan, min_of(column, before),
                                           min_of(column, &records[i]));
      int of_max = frz_value_bound_compare(column->plan, max_of(column, before),
                                           max_of(column, &records[i]));
      ascending = ascending && of_min <= 0 && of_max <= 0;
      descending = descending && of_min >= 0 && of_max >= 0;
    }
    before = &records[i];
  }
  return ascending ? ORDER_ASCENDING : descending ? ORDER_DESCENDING : ORDER_NONE;
}

/* In lists a boolean is one byte: 1 true, 2 false. */
static void write_bool_item(frz_thrift_writer *thrift, bool value)
{
  if (thrift->status == FRZ_OK)
    thrift->status = frz_buf_append_byte(thrift->out, value ? 1 : 2, &thrift->error);
}

frz_status frz_column_index_write(const frz_column_writer *column, frz_buf *out, frz_error *err)
{
  size_t n;
  const frz_page_record *records = records_of(column, &n);
  for (size_t i = 0; i < n; i++)
    if (!records[i].is_null && !records[i].has_bounds) return FRZ_OK;
  frz_thrift_writer thrift;
  frz_thrift_writer_init(&thrift, out);
  frz_thrift_write_struct_begin(&thrift);
  frz_thrift_write_list_field(&thrift, 1, FRZ_THRIFT_TRUE, n);
  for (size_t i = 0; i < n; i++) write_bool_item(&thrift, records[i].is_null);
  frz_thrift_write_list_field(&thrift, 2, FRZ_THRIFT_BINARY, n);
  for (size_t i = 0; i < n; i++)
    frz_thrift_write_binary(&thrift,
                            records[i].is_null ? FRZ_STR("") : min_of(column, &records[i]));
  frz_thrift_write_list_field(&thrift, 3, FRZ_THRIFT_BINARY, n);
  for (size_t i = 0; i < n; i++)
    frz_thrift_write_binary(&thrift,
                            records[i].is_null ? FRZ_STR("") : max_of(column, &records[i]));
  frz_thrift_write_i32_field(&thrift, 4, boundary_order(column));
  frz_thrift_write_list_field(&thrift, 5, FRZ_THRIFT_I64, n);
  for (size_t i = 0; i < n; i++) frz_thrift_write_i64(&thrift, records[i].n_nulls);
  frz_thrift_write_struct_end(&thrift);
  return frz_thrift_writer_finish(&thrift, err);
}

frz_status frz_offset_index_write(const frz_column_writer *column, int64_t offset, frz_buf *out,
                                  frz_error *err)
{
  size_t n;
  const frz_page_record *records = records_of(column, &n);
  frz_thrift_writer thrift;
  frz_thrift_writer_init(&thrift, out);
  frz_thrift_write_struct_begin(&thrift);
  frz_thrift_write_list_field(&thrift, 1, FRZ_THRIFT_STRUCT, n);
  for (size_t i = 0; i < n; i++) {
    frz_thrift_write_struct_begin(&thrift);
    frz_thrift_write_i64_field(&thrift, 1, offset + (int64_t)records[i].at);
    frz_thrift_write_i32_field(&thrift, 2, (int32_t)records[i].bytes);
    frz_thrift_write_i64_field(&thrift, 3, records[i].first_row);
    frz_thrift_write_struct_end(&thrift);
  }
  frz_thrift_write_struct_end(&thrift);
  return frz_thrift_writer_finish(&thrift, err);
}
