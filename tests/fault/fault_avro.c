/*
 * fault_avro.c - Avro files read and written with every allocation refused in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "avro/avro_file.h"
#include "avro/avro_value.h"
#include "fault.h"
#include "test_files.h"

typedef struct input {
  const uint8_t *data;
  size_t size;
} input;

static frz_status read_file(const frz_alloc *alloc, const input *in)
{
  frz_avro_reader *avro;
  FRZ_TRY(frz_avro_reader_open(alloc, FRZ_STR("f"), in->data, in->size, &avro, NULL));
  frz_status st;
  for (;;) {
    frz_reader *record;
    bool more;
    st = frz_avro_reader_next(avro, &record, &more, NULL);
    if (st != FRZ_OK || !more) break;
    st = frz_avro_skip(record, frz_avro_reader_schema(avro), NULL);
    if (st != FRZ_OK) break;
  }
  frz_avro_reader_free(avro);
  return st;
}

static frz_status write_file(const frz_alloc *alloc, frz_codec codec)
{
  frz_status st = FRZ_OK;
  frz_sink *sink = NULL;
  frz_avro_writer *writer = NULL;
  frz_buf out;
  frz_buf_init(&out, alloc, 1 << 20);
  FRZ_TRY_OUT(frz_sink_to_buf(alloc, &out, &sink, NULL));
  FRZ_TRY_OUT(
      frz_avro_writer_create(alloc, sink, FRZ_STR("\"string\""), NULL, 0, codec, &writer, NULL));
  for (int i = 0; i < 3000; i++) {
    FRZ_TRY_OUT(frz_avro_write_bytes(frz_avro_writer_record(writer),
                                     FRZ_STR("a text that fills its block"), NULL));
    FRZ_TRY_OUT(frz_avro_writer_end_record(writer, NULL));
  }
  FRZ_TRY_OUT(frz_avro_writer_finish(writer, NULL));
out:
  frz_avro_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&out);
  return st;
}

static void test_reading(void **state)
{
  (void)state;
  static const char *const names[] = {"avro/types_null.avro", "avro/types_deflate.avro",
                                      "avro/types_snappy.avro", "avro/types_zstandard.avro",
                                      "avro/v2/data.avro"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[4096];
    input in;
    frz_test_golden(names[i], path);
    uint8_t *data = frz_test_read(path, &in.size);
    assert_non_null(data);
    in.data = data;
    frz_fault fault = {0};
    long n = 0;
    do {
      frz_fault_arm(&fault, ++n);
      frz_status st = read_file(&fault.alloc, &in);
      assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
      assert_int_equal(fault.live, 0);
    } while (fault.requests >= n);
    assert_true(n > 3);
    free(data);
  }
}

static void test_writing(void **state)
{
  (void)state;
  static const frz_codec codecs[] = {FRZ_CODEC_NONE, FRZ_CODEC_DEFLATE, FRZ_CODEC_SNAPPY,
                                     FRZ_CODEC_ZSTD};
  for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
    frz_fault fault = {0};
    long n = 0;
    do {
      frz_fault_arm(&fault, ++n);
      frz_status st = write_file(&fault.alloc, codecs[i]);
      assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
      assert_int_equal(fault.live, 0);
    } while (fault.requests >= n);
    assert_true(n > 3);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading),
                                     cmocka_unit_test(test_writing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
