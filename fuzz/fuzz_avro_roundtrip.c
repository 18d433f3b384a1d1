/*
 * fuzz_avro_roundtrip.c - bytes choose fields, rows and a codec; what the Avro writer makes of them
 * is read back equal, as columns.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avro/avro_columns.h"
#include "avro/avro_file.h"
#include "avro/avro_value.h"
#include "random_columns.h"

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { FIELDS_MAX = 6, ROWS_MAX = 300, BYTES_MAX = 1 << 28, TEXT_MAX = 24 };

typedef enum field_kind { KIND_LONG, KIND_INT, KIND_BOOLEAN, KIND_DOUBLE, KIND_STRING } field_kind;

typedef struct field {
  field_kind kind;
  bool is_optional;
} field;

typedef struct value {
  bool is_null;
  int64_t number;
  double real;
  char text[TEXT_MAX];
  size_t text_bytes;
} value;

typedef struct trial {
  field fields[FIELDS_MAX];
  size_t n_fields;
  int64_t n_rows;
  value *values; /* row by row */
} trial;

static void print_schema(const trial *self, frz_buf *out)
{
  static const char *const names[] = {"long", "int", "boolean", "double", "string"};
  MUST(frz_buf_print(out, NULL, "{\"type\":\"record\",\"name\":\"r\",\"fields\":[") == FRZ_OK);
  for (size_t i = 0; i < self->n_fields; i++) {
    const char *name = names[self->fields[i].kind];
    const char *comma = i > 0 ? "," : "";
    frz_status st =
        self->fields[i].is_optional
            ? frz_buf_print(out, NULL, "%s{\"name\":\"c%zu\",\"type\":[\"null\",\"%s\"]}", comma, i,
                            name)
            : frz_buf_print(out, NULL, "%s{\"name\":\"c%zu\",\"type\":\"%s\"}", comma, i, name);
    MUST(st == FRZ_OK);
  }
  MUST(frz_buf_print(out, NULL, "]}") == FRZ_OK);
}

static value choose_value(const field *f, frz_feed *feed)
{
  value v = {.is_null = f->is_optional && frz_feed_choose(feed, 3) == 0};
  uint64_t bits = frz_feed_choose(feed, UINT64_MAX) >> frz_feed_choose(feed, 64);
  v.number = f->kind == KIND_BOOLEAN ? (int64_t)(bits & 1) : (int64_t)bits;
  if (f->kind == KIND_INT) v.number = (int32_t)(uint32_t)bits;
  v.real = (double)v.number / 3;
  v.text_bytes = (size_t)frz_feed_choose(feed, TEXT_MAX);
  for (size_t i = 0; i < v.text_bytes; i++) v.text[i] = (char)('a' + (bits + i) % 26);
  return v;
}

static void put_value(const field *f, const value *v, frz_buf *out)
{
  frz_status st = FRZ_OK;
  if (f->is_optional) MUST(frz_avro_write_long(out, v->is_null ? 0 : 1, NULL) == FRZ_OK);
  if (v->is_null) return;
  switch (f->kind) {
  case KIND_LONG:
  case KIND_INT: st = frz_avro_write_long(out, v->number, NULL); break;
  case KIND_BOOLEAN: st = frz_avro_write_boolean(out, v->number != 0, NULL); break;
  case KIND_DOUBLE: st = frz_avro_write_double(out, v->real, NULL); break;
  case KIND_STRING: st = frz_avro_write_bytes(out, (frz_str){v->text, v->text_bytes}, NULL); break;
  }
  MUST(st == FRZ_OK);
}

static void check_value(const field *f, const value *v, const frz_column *column, int64_t row)
{
  MUST(frz_column_is_null(column, row) == v->is_null);
  if (v->is_null) return;
  const uint8_t *values = column->values.data;
  if (f->kind == KIND_STRING) {
    const int32_t *offsets = (const int32_t *)(const void *)column->offsets.data;
    MUST((size_t)(offsets[row + 1] - offsets[row]) == v->text_bytes);
    MUST(v->text_bytes == 0 || memcmp(values + offsets[row], v->text, v->text_bytes) == 0);
  } else if (f->kind == KIND_LONG) {
    MUST(memcmp(values + row * 8, &v->number, 8) == 0);
  } else if (f->kind == KIND_INT) {
    int32_t number = (int32_t)v->number;
    MUST(memcmp(values + row * 4, &number, 4) == 0);
  } else if (f->kind == KIND_DOUBLE) {
    MUST(memcmp(values + row * 8, &v->real, 8) == 0);
  } else {
    MUST((values[row / 8] >> (row % 8) & 1) == (v->number != 0));
  }
}

static void write_file(const trial *self, frz_codec codec, frz_buf *bytes)
{
  frz_sink *sink;
  frz_avro_writer *writer;
  frz_buf schema;
  frz_buf_init(&schema, frz_alloc_default(), BYTES_MAX);
  print_schema(self, &schema);
  MUST(frz_sink_to_buf(frz_alloc_default(), bytes, &sink, NULL) == FRZ_OK);
  MUST(frz_avro_writer_create(frz_alloc_default(), sink, frz_buf_str(&schema), NULL, 0, codec,
                              &writer, NULL) == FRZ_OK);
  for (int64_t row = 0; row < self->n_rows; row++) {
    const value *values = &self->values[row * (int64_t)self->n_fields];
    for (size_t i = 0; i < self->n_fields; i++)
      put_value(&self->fields[i], &values[i], frz_avro_writer_record(writer));
    MUST(frz_avro_writer_end_record(writer, NULL) == FRZ_OK);
  }
  MUST(frz_avro_writer_finish(writer, NULL) == FRZ_OK);
  frz_avro_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&schema);
}

static void read_file(const trial *self, int64_t batch_rows, const frz_buf *bytes)
{
  frz_source *source;
  frz_avro_table *table;
  frz_avro_columns_reader *reader;
  frz_avro_read_options options = {.batch_rows_max = batch_rows};
  int64_t row = 0;
  MUST(frz_source_from_memory(frz_alloc_default(), bytes->data, bytes->size, &source, NULL) ==
       FRZ_OK);
  MUST(frz_avro_table_open(frz_alloc_default(), source, FRZ_STR("f"), &table, NULL) == FRZ_OK);
  MUST(frz_avro_columns_create(table, &options, &reader, NULL) == FRZ_OK);
  for (;;) {
    frz_batch batch;
    int64_t first;
    MUST(frz_avro_columns_next(reader, &batch, &first, NULL) == FRZ_OK);
    int64_t n = batch.n_rows;
    MUST(n <= batch_rows && (n == 0 || (first == row && batch.n_columns == self->n_fields)));
    MUST(n <= self->n_rows - row);
    for (int64_t i = 0; i < n; i++)
      for (size_t c = 0; c < self->n_fields; c++)
        check_value(&self->fields[c],
                    &self->values[(row + i) * (int64_t)self->n_fields + (int64_t)c],
                    &batch.columns[c], i);
    row += n;
    frz_batch_dispose(&batch);
    if (n == 0) break;
  }
  MUST(row == self->n_rows);
  frz_avro_columns_free(reader);
  frz_avro_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const frz_codec codecs[] = {FRZ_CODEC_NONE, FRZ_CODEC_DEFLATE, FRZ_CODEC_SNAPPY,
                                     FRZ_CODEC_ZSTD};
  trial self = {0};
  frz_feed feed = {.data = data, .size = size};
  feed.state = 1 + frz_feed_choose(&feed, 255);
  frz_codec codec = codecs[frz_feed_choose(&feed, 4)];
  self.n_fields = 1 + (size_t)frz_feed_choose(&feed, FIELDS_MAX);
  self.n_rows = (int64_t)frz_feed_choose(&feed, ROWS_MAX);
  int64_t batch_rows = 1 + (int64_t)frz_feed_choose(&feed, 2 * ROWS_MAX);
  for (size_t i = 0; i < self.n_fields; i++)
    self.fields[i] = (field){(field_kind)frz_feed_choose(&feed, 5), frz_feed_choose(&feed, 2) != 0};
  size_t n_values = (size_t)self.n_rows * self.n_fields;
  self.values = calloc(n_values + 1, sizeof *self.values);
  MUST(self.values != NULL);
  for (size_t i = 0; i < n_values; i++)
    self.values[i] = choose_value(&self.fields[i % self.n_fields], &feed);
  frz_buf bytes;
  frz_buf_init(&bytes, frz_alloc_default(), BYTES_MAX);
  write_file(&self, codec, &bytes);
  read_file(&self, batch_rows, &bytes);
  frz_buf_dispose(&bytes);
  free(self.values);
  return 0;
}
