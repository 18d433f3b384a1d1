/*
 * parquet_dump.c - print a Parquet file's rows as JSON lines, for comparison with other readers.
 *
 * Usage: parquet_dump FILE [BATCH_ROWS [FIRST:LAST,FIRST:LAST...]]
 *        parquet_dump --time FILE [BATCH_ROWS]
 *
 * The first line holds the columns' names and types, each other line one row as a list. Bytes and
 * decimals are hexadecimal, floating point numbers have all their digits, times are integers. With
 * --time nothing is printed but the rows and the processor seconds that reading took, best of five.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/endian.h"
#include "parquet/read/parquet_reader.h"
#include "test_files.h"

static void print_hex(frz_str bytes)
{
  putchar('"');
  for (size_t i = 0; i < bytes.size; i++) printf("%02x", (unsigned char)bytes.data[i]);
  putchar('"');
}

static void print_float(double value)
{
  if (value != value)
    printf("\"nan\"");
  else if (value - value != 0)
    printf(value > 0 ? "\"inf\"" : "\"-inf\"");
  else
    printf("%.17g", value);
}

static double half_to_double(uint16_t half)
{
  int exponent = half >> 10 & 31;
  double fraction = (half & 1023) / 1024.0;
  double value = exponent == 0 ? fraction / 16384 : 1 + fraction;
  for (int e = exponent; exponent != 0 && e > 15; e--) value *= 2;
  for (int e = exponent; exponent != 0 && e < 15; e++) value /= 2;
  if (exponent == 31) value = fraction != 0 ? strtod("nan", NULL) : strtod("inf", NULL);
  return (half & 0x8000) != 0 ? -value : value;
}

static void print_number(const frz_column *column, int64_t row)
{
  const uint8_t *at = column->values.data + (size_t)row * frz_arrow_value_bytes(column->type);
  float f;
  double d;
  switch (column->type.kind) {
  case FRZ_ARROW_INT8: printf("%d", (int8_t)*at); return;
  case FRZ_ARROW_UINT8: printf("%d", *at); return;
  case FRZ_ARROW_INT16: printf("%d", (int16_t)frz_load_u16le(at)); return;
  case FRZ_ARROW_UINT16: printf("%d", frz_load_u16le(at)); return;
  case FRZ_ARROW_FLOAT16: print_float(half_to_double(frz_load_u16le(at))); return;
  case FRZ_ARROW_UINT32: printf("%" PRIu32, frz_load_u32le(at)); return;
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_DATE32:
  case FRZ_ARROW_TIME32: printf("%" PRId32, (int32_t)frz_load_u32le(at)); return;
  case FRZ_ARROW_UINT64: printf("%" PRIu64, frz_load_u64le(at)); return;
  case FRZ_ARROW_FLOAT32:
    memcpy(&f, at, sizeof f);
    print_float((double)f);
    return;
  case FRZ_ARROW_FLOAT64:
    memcpy(&d, at, sizeof d);
    print_float(d);
    return;
  default: printf("%" PRId64, (int64_t)frz_load_u64le(at)); return;
  }
}

static void print_value(const frz_column *column, int64_t row);

static void print_items(const frz_column *column, int64_t row)
{
  const int32_t *offsets = (const int32_t *)(const void *)column->offsets.data;
  putchar('[');
  for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
    if (i > offsets[row]) putchar(',');
    print_value(&column->children[0], i);
  }
  putchar(']');
}

static void print_value(const frz_column *column, int64_t row)
{
  if (frz_column_is_null(column, row)) {
    printf("null");
    return;
  }
  switch (column->type.kind) {
  case FRZ_ARROW_BOOL: printf(frz_bit_get(column->values.data, row) ? "true" : "false"); return;
  case FRZ_ARROW_DECIMAL128:
  case FRZ_ARROW_FIXED:
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY: print_hex(frz_column_bytes(column, row)); return;
  case FRZ_ARROW_LIST:
  case FRZ_ARROW_MAP: print_items(column, row); return;
  case FRZ_ARROW_STRUCT:
    putchar('[');
    for (size_t i = 0; i < column->n_children; i++) {
      if (i > 0) putchar(',');
      print_value(&column->children[i], row);
    }
    putchar(']');
    return;
  default: print_number(column, row); return;
  }
}

static void print_fields(const frz_parquet_reader *reader)
{
  frz_arena arena;
  size_t n;
  const frz_arrow_field *fields = frz_parquet_reader_fields(reader, &n);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  putchar('[');
  for (size_t i = 0; i < n; i++) {
    frz_str type = frz_arrow_field_describe(&fields[i], &arena);
    printf("%s[", i > 0 ? "," : "");
    print_hex(fields[i].name);
    printf(",\"%.*s\"]", (int)type.size, type.data);
  }
  printf("]\n");
  frz_arena_free(&arena);
}

static void print_batch(const frz_batch *batch, int64_t first_row)
{
  (void)first_row;
  for (int64_t row = 0; row < batch->n_rows; row++) {
    putchar('[');
    for (size_t i = 0; i < batch->n_columns; i++) {
      if (i > 0) putchar(',');
      print_value(&batch->columns[i], row);
    }
    printf("]\n");
  }
}

static size_t parse_ranges(char *text, frz_row_range *ranges, size_t max)
{
  size_t n = 0;
  for (char *at = text; *at != '\0' && n < max; n++) {
    ranges[n].first = strtoll(at, &at, 10);
    if (*at == ':') at++;
    ranges[n].last = strtoll(at, &at, 10);
    if (*at == ',') at++;
  }
  return n;
}

static frz_status read_all(frz_context *context, const uint8_t *data, size_t size, const char *path,
                           const frz_parquet_read_options *options, bool is_printed,
                           int64_t *n_rows_out, frz_error *err)
{
  frz_source *source;
  frz_parquet_file *file;
  frz_parquet_reader *reader;
  frz_status st;
  FRZ_TRY(frz_source_from_memory(frz_alloc_default(), data, size, &source, err));
  FRZ_TRY(frz_parquet_file_open(context, source, frz_str_from(path), &file, err));
  st = frz_parquet_reader_create(file, options, &reader, err);
  if (st != FRZ_OK) {
    frz_parquet_file_free(file);
    return st;
  }
  if (is_printed) print_fields(reader);
  *n_rows_out = 0;
  for (;;) {
    frz_batch batch;
    int64_t first_row;
    st = frz_parquet_reader_next(reader, &batch, &first_row, err);
    if (st != FRZ_OK) break;
    int64_t n = batch.n_rows;
    *n_rows_out += n;
    if (is_printed) print_batch(&batch, first_row);
    frz_batch_dispose(&batch);
    if (n == 0) break;
  }
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(file);
  return st;
}

int main(int argc, char **argv)
{
  bool is_timed = argc > 1 && strcmp(argv[1], "--time") == 0;
  if (is_timed) argv++, argc--;
  if (argc < 2) {
    fprintf(stderr, "usage: parquet_dump [--time] FILE [BATCH_ROWS [FIRST:LAST,...]]\n");
    return 2;
  }
  static frz_row_range ranges[4096];
  size_t size;
  uint8_t *data = frz_test_read(argv[1], &size);
  frz_context *context = NULL;
  frz_error error = {0};
  frz_parquet_read_options options = {.batch_rows_max = argc > 2 ? atoi(argv[2]) : 65536};
  if (argc > 3) {
    options.n_ranges = parse_ranges(argv[3], ranges, sizeof ranges / sizeof ranges[0]);
    options.ranges = ranges;
    options.merge_ranges = true;
  }
  if (data == NULL || frz_context_create(NULL, &context, &error) != FRZ_OK) {
    fprintf(stderr, "%s: cannot be read\n", argv[1]);
    return 2;
  }
  double best_seconds = 1e9;
  int64_t n_rows = 0;
  frz_status st = FRZ_OK;
  for (int i = 0; i < (is_timed ? 5 : 1) && st == FRZ_OK; i++) {
    clock_t start = clock();
    st = read_all(context, data, size, argv[1], &options, !is_timed, &n_rows, &error);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds < best_seconds) best_seconds = seconds;
  }
  if (st != FRZ_OK) fprintf(stderr, "%s: %s\n", frz_status_name(st), error.message);
  if (is_timed) printf("%lld rows %.6f s\n", (long long)n_rows, best_seconds);
  frz_context_free(context);
  free(data);
  return st == FRZ_OK ? 0 : 1;
}
