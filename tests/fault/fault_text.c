/*
 * fault_text.c - JSON with every allocation refused in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"
#include "text/json_reader.h"
#include "text/json_writer.h"

static frz_status read_strings(const frz_alloc *alloc)
{
  static const char text[] = "[\"a\\n\",\"b\\u00e9\",\"plain\",\"\\ud83d\\ude00\"]";
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_json_reader json;
  frz_str value;
  bool more;
  frz_arena_init(&arena, alloc, 1 << 20);
  frz_json_reader_init(&json, text, sizeof text - 1, &arena);
  FRZ_TRY_OUT(frz_json_array_begin(&json, NULL));
  for (;;) {
    FRZ_TRY_OUT(frz_json_array_next(&json, &more, NULL));
    if (!more) break;
    FRZ_TRY_OUT(frz_json_read_string(&json, &value, NULL));
  }
out:
  frz_arena_free(&arena);
  return st;
}

static frz_status write_document(const frz_alloc *alloc)
{
  frz_buf out;
  frz_json_writer json;
  frz_buf_init(&out, alloc, 1 << 20);
  frz_json_writer_init(&json, &out);
  frz_json_write_array_begin(&json);
  for (int i = 0; i < 500; i++) {
    frz_json_write_object_begin(&json);
    frz_json_write_key(&json, "key");
    frz_json_write_string(&json, FRZ_STR("va\nlue"));
    frz_json_write_key(&json, "number");
    frz_json_write_double(&json, i / 7.0);
    frz_json_write_object_end(&json);
  }
  frz_json_write_array_end(&json);
  frz_status st = frz_json_writer_finish(&json, NULL);
  frz_buf_dispose(&out);
  return st;
}

static void refuse_each(frz_status (*work)(const frz_alloc *))
{
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_fault_arm(&fault, ++n);
    frz_status st = work(&fault.alloc);
    assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 1);
}

static void test_reading(void **state)
{
  (void)state;
  refuse_each(read_strings);
}

static void test_writing(void **state)
{
  (void)state;
  refuse_each(write_document);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading),
                                     cmocka_unit_test(test_writing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
