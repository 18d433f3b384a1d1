/*
 * fault_puffin.c - Puffin files written and read with every allocation refused in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/compress.h"
#include "fault.h"
#include "puffin/puffin.h"

enum { N_BLOBS = 40, BLOB_BYTES = 3000 };

static frz_status write_file(frz_puffin_writer *writer, frz_error *err)
{
  static const frz_puffin_codec codecs[] = {FRZ_PUFFIN_UNCOMPRESSED, FRZ_PUFFIN_LZ4,
                                            FRZ_PUFFIN_ZSTD};
  static const frz_puffin_property property = {{"a key", 5}, {"a value", 7}};
  static const int32_t fields[] = {1, 2, 3, 4, 5};
  static const uint8_t data[BLOB_BYTES];
  for (size_t i = 0; i < N_BLOBS; i++) {
    int64_t offset, length;
    frz_puffin_blob about = {.type = FRZ_STR("a-blob"),
                             .field_ids = fields,
                             .n_field_ids = 5,
                             .codec = codecs[i % 3],
                             .properties = &property,
                             .n_properties = 1};
    FRZ_TRY(frz_puffin_writer_add(writer, &about, data, sizeof data, &offset, &length, err));
  }
  return frz_puffin_writer_finish(writer, &property, 1, err);
}

static frz_status read_file(const frz_alloc *alloc, frz_source *source, frz_arena *arena,
                            frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_puffin_footer footer = {0};
  frz_buf out;
  frz_buf_init(&out, alloc, N_BLOBS * BLOB_BYTES);
  FRZ_TRY_OUT(frz_puffin_footer_read(source, arena, &footer, err));
  assert_int_equal(footer.n_blobs, N_BLOBS);
  for (size_t i = 0; i < footer.n_blobs; i++)
    FRZ_TRY_OUT(frz_puffin_blob_read(source, &footer.blobs[i], &out, err));
  assert_int_equal(out.size, N_BLOBS * BLOB_BYTES);
out:
  frz_buf_dispose(&out);
  return st;
}

static frz_status there_and_back(const frz_alloc *alloc, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_sink *sink = NULL;
  frz_source *source = NULL;
  frz_puffin_writer *writer = NULL;
  frz_buf file;
  frz_arena arena;
  frz_buf_init(&file, alloc, 1 << 20);
  frz_arena_init(&arena, alloc, 1 << 20);
  FRZ_TRY_OUT(frz_sink_to_buf(alloc, &file, &sink, err));
  FRZ_TRY_OUT(frz_puffin_writer_create(alloc, sink, &writer, err));
  FRZ_TRY_OUT(write_file(writer, err));
  FRZ_TRY_OUT(frz_source_from_memory(alloc, file.data, file.size, &source, err));
  FRZ_TRY_OUT(read_file(alloc, source, &arena, err));
out:
  frz_puffin_writer_free(writer);
  frz_sink_free(sink);
  frz_source_free(source);
  frz_arena_free(&arena);
  frz_buf_dispose(&file);
  return st;
}

/* Footers are written plain; a compressed one takes another way. */
static frz_status read_packed_footer(const frz_alloc *alloc, frz_error *err)
{
  static const char json[] = "{\"blobs\":[]}";
  static const uint8_t end[8] = {1, 0, 0, 0, 'P', 'F', 'A', '1'};
  frz_status st = FRZ_OK;
  frz_source *source = NULL;
  frz_puffin_footer footer;
  frz_buf file;
  frz_arena arena;
  frz_buf_init(&file, alloc, 1 << 20);
  frz_arena_init(&arena, alloc, 1 << 20);
  FRZ_TRY_OUT(frz_buf_append(&file, "PFA1PFA1", 8, err));
  FRZ_TRY_OUT(frz_compress_append(FRZ_CODEC_LZ4_FRAME, 0, json, sizeof json - 1, &file, err));
  uint8_t size[4] = {(uint8_t)(file.size - 8), 0, 0, 0};
  FRZ_TRY_OUT(frz_buf_append(&file, size, sizeof size, err));
  FRZ_TRY_OUT(frz_buf_append(&file, end, sizeof end, err));
  FRZ_TRY_OUT(frz_source_from_memory(alloc, file.data, file.size, &source, err));
  FRZ_TRY_OUT(frz_puffin_footer_read(source, &arena, &footer, err));
out:
  frz_source_free(source);
  frz_arena_free(&arena);
  frz_buf_dispose(&file);
  return st;
}

static void run(frz_status (*body)(const frz_alloc *, frz_error *))
{
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_error err = {0};
    frz_fault_arm(&fault, ++n);
    frz_status st = body(&fault.alloc, &err);
    if (st != (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM))
      fail_msg("request %ld: %d %s", n, st, err.message);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 5);
}

static void test_files(void **state)
{
  (void)state;
  run(there_and_back);
}

static void test_packed_footers(void **state)
{
  (void)state;
  run(read_packed_footer);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_files),
                                     cmocka_unit_test(test_packed_footers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
