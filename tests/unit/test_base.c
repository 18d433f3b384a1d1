/*
 * test_base.c - memory, text, readers, errors, maps, threads, cancellation and forks.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/os.h"
#include "base/reader.h"
#include "base/runtime.h"
#include "base/source.h"

static void test_map_keeps_every_key(void **state)
{
  (void)state;
  frz_map map;
  frz_map_init(&map, frz_alloc_default(), 1 << 20);
  for (uint64_t i = 0; i < 1000; i++) {
    bool inserted;
    assert_int_equal(
        frz_map_insert(&map, (frz_str){(char *)&i, sizeof i}, i * 3, NULL, &inserted, NULL),
        FRZ_OK);
    assert_true(inserted);
  }
  for (uint64_t i = 0; i < 1000; i++) {
    uint64_t *value = frz_map_find(&map, (frz_str){(char *)&i, sizeof i});
    assert_non_null(value);
    assert_int_equal(*value, i * 3);
  }
  assert_null(frz_map_find(&map, FRZ_STR("absent")));
  frz_map_dispose(&map);
}

typedef struct tally {
  frz_context *context;
  _Atomic size_t sum;
} tally;

static frz_status add_one(void *arg, size_t i, frz_error *err)
{
  (void)err;
  ((tally *)arg)->sum += i;
  return FRZ_OK;
}

static frz_status add_nested(void *arg, size_t i, frz_error *err)
{
  (void)i;
  return frz_parallel_for(((tally *)arg)->context, 10, add_one, arg, err);
}

static void test_parallel_for_nests_without_deadlock(void **state)
{
  (void)state;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 2;
  tally count = {0};
  assert_int_equal(frz_context_create(&options, &count.context, NULL), FRZ_OK);
  for (int round = 0; round < 200; round++) {
    count.sum = 0;
    assert_int_equal(frz_parallel_for(count.context, 20, add_nested, &count, NULL), FRZ_OK);
    assert_int_equal(count.sum, 20 * 45);
  }
  frz_context_free(count.context);
}

/* ---- arena ---- */

static bool all_zero(const void *data, size_t size)
{
  const uint8_t *at = data;
  for (size_t i = 0; i < size; i++)
    if (at[i] != 0) return false;
  return true;
}

static void test_arena_pushes_are_aligned_cleared_and_stay(void **state)
{
  (void)state;
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 64 << 20);
  enum { N = 300 };
  uint8_t *blocks[N];
  for (size_t i = 0; i < N; i++) {
    size_t size = i * i;
    blocks[i] = frz_arena_push(&arena, size);
    assert_non_null(blocks[i]);
    assert_int_equal((uintptr_t)blocks[i] % 16, 0);
    assert_true(all_zero(blocks[i], size));
    memset(blocks[i], (int)(i & 0xff), size);
  }
  for (size_t i = 0; i < N; i++)
    for (size_t k = 0; k < i * i; k++) assert_int_equal(blocks[i][k], i & 0xff);
  frz_arena_free(&arena);
  assert_null(arena.chunks);
  frz_arena_free(&arena); /* a zeroed arena is accepted */
}

static void test_arena_refuses(void **state)
{
  (void)state;
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 10000);
  assert_null(frz_arena_push(&arena, 10001));
  assert_null(frz_arena_push(&arena, SIZE_MAX));
  assert_null(frz_arena_array(&arena, SIZE_MAX / 2, 3));
  assert_null(frz_arena_copy(&arena, (frz_str){"x", SIZE_MAX}).data);
  assert_non_null(frz_arena_push(&arena, 6000));
  assert_null(frz_arena_push(&arena, 6000));
  assert_non_null(frz_arena_push(&arena, 1));
  frz_arena_free(&arena);
}

static void test_arena_texts(void **state)
{
  (void)state;
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_str copy = frz_arena_copy(&arena, FRZ_STR("ab\0c"));
  assert_int_equal(copy.size, 4);
  assert_memory_equal(copy.data, "ab\0c", 5);
  frz_str empty = frz_arena_copy(&arena, (frz_str){NULL, 0});
  assert_non_null(empty.data);
  assert_int_equal(empty.data[0], '\0');
  frz_str text = frz_arena_print(&arena, "%s-%05d", "key", 42);
  assert_true(frz_str_is(text, "key-00042"));
  assert_int_equal(text.data[text.size], '\0');
  frz_arena_free(&arena);
}

/* ---- buffer ---- */

static void test_buf_grows_to_its_maximum_and_not_further(void **state)
{
  (void)state;
  frz_buf buf;
  frz_error err = {0};
  frz_buf_init(&buf, frz_alloc_default(), 1000);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(frz_buf_append_byte(&buf, (uint8_t)i, &err), FRZ_OK);
    assert_true(buf.capacity <= 1000);
    assert_int_equal((uintptr_t)buf.data % 64, 0);
  }
  assert_int_equal(frz_buf_append_byte(&buf, 1, &err), FRZ_ERR_LIMIT);
  assert_non_null(strstr(err.message, "limit of 1000"));
  assert_int_equal(frz_buf_append(&buf, "ab", 2, NULL), FRZ_ERR_LIMIT);
  assert_int_equal(frz_buf_reserve(&buf, SIZE_MAX, NULL), FRZ_ERR_LIMIT);
  assert_int_equal(frz_buf_resize(&buf, SIZE_MAX, NULL), FRZ_ERR_LIMIT);
  assert_int_equal(frz_buf_print(&buf, NULL, "%d", 1), FRZ_ERR_LIMIT);
  assert_int_equal(buf.size, 1000);
  for (int i = 0; i < 1000; i++) assert_int_equal(buf.data[i], i & 0xff);
  frz_buf_dispose(&buf);
  assert_int_equal(frz_buf_append(&buf, "again", 5, NULL), FRZ_OK);
  frz_buf_dispose(&buf);
  frz_buf zeroed = {0};
  frz_buf_dispose(&zeroed);
}

static void test_buf_small_maxima(void **state)
{
  (void)state;
  for (size_t max = 0; max < 70; max++) {
    frz_buf buf;
    frz_buf_init(&buf, frz_alloc_default(), max);
    size_t n = 0;
    while (frz_buf_append_byte(&buf, 'x', NULL) == FRZ_OK) n++;
    assert_int_equal(n, max);
    assert_int_equal(buf.size, max);
    frz_buf_dispose(&buf);
  }
}

static void test_buf_resize_print_and_take(void **state)
{
  (void)state;
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_buf_append(&buf, NULL, 0, NULL), FRZ_OK);
  assert_int_equal(frz_buf_append_str(&buf, FRZ_STR("head "), NULL), FRZ_OK);
  assert_int_equal(frz_buf_print(&buf, NULL, "%d %s", -7, "tail"), FRZ_OK);
  assert_true(frz_str_is(frz_buf_str(&buf), "head -7 tail"));
  assert_int_equal(frz_buf_resize(&buf, 4, NULL), FRZ_OK);
  assert_int_equal(frz_buf_resize_zeroed(&buf, 200, NULL), FRZ_OK);
  assert_memory_equal(buf.data, "head", 4);
  assert_true(all_zero(buf.data + 4, 196));
  uint8_t *at = NULL;
  assert_int_equal(frz_buf_extend(&buf, 3, &at, NULL), FRZ_OK);
  assert_ptr_equal(at, buf.data + 200);
  frz_string text = {0};
  assert_int_equal(frz_buf_resize(&buf, 4, NULL), FRZ_OK);
  assert_int_equal(frz_buf_take_string(&buf, &text, NULL), FRZ_OK);
  assert_string_equal(text.data, "head");
  assert_int_equal(text.size_bytes, 4);
  assert_int_equal(buf.size, 0);
  frz_string_dispose(&text);
  assert_null(text.data);
  frz_string_dispose(&text);
  frz_string_dispose(NULL);
}

static void test_alloc_refuses_overflow(void **state)
{
  (void)state;
  assert_null(frz_alloc_array(frz_alloc_default(), SIZE_MAX / 2, 4));
  assert_null(frz_alloc_new(frz_alloc_default(), SIZE_MAX));
  frz_alloc_free(frz_alloc_default(), NULL, 0);
}

/* ---- reader ---- */

static void test_reader_stops_at_the_end(void **state)
{
  (void)state;
  static const uint8_t data[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (size_t size = 0; size <= sizeof data; size++) {
    frz_reader reader = frz_reader_of(data, size);
    uint8_t byte = 99;
    uint32_t four = 99;
    uint64_t eight = 99;
    const uint8_t *bytes = NULL;
    bool ok = frz_read_u8(&reader, &byte);
    assert_int_equal(ok, size >= 1);
    assert_int_equal(byte, ok ? 1 : 99);
    ok = frz_read_u32le(&reader, &four);
    assert_int_equal(ok, size >= 5);
    assert_int_equal(four, ok ? 0x05040302 : 99);
    size_t pos = reader.pos;
    ok = frz_read_u64le(&reader, &eight);
    assert_int_equal(ok, size - pos >= 8);
    if (!ok) assert_int_equal(reader.pos, pos);
    assert_false(frz_read_bytes(&reader, frz_reader_left(&reader) + 1, &bytes));
    assert_false(frz_read_bytes(&reader, SIZE_MAX, &bytes));
    assert_null(bytes);
    assert_true(frz_read_bytes(&reader, frz_reader_left(&reader), &bytes));
    assert_int_equal(frz_reader_left(&reader), 0);
    assert_false(frz_read_u8(&reader, &byte));
  }
}

static void test_reader_uleb128(void **state)
{
  (void)state;
  static const struct {
    size_t size;
    uint8_t data[11];
    bool good;
    uint64_t value;
  } cases[] = {
      {1, {0}, true, 0},
      {1, {0x7f}, true, 127},
      {2, {0x80, 0x01}, true, 128},
      {2, {0x80, 0x00}, true, 0},
      {3, {0xe5, 0x8e, 0x26}, true, 624485},
      {10, {255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, true, UINT64_MAX},
      {10, {255, 255, 255, 255, 255, 255, 255, 255, 255, 2}, false, 0},
      {11, {128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1}, false, 0},
      {0, {0}, false, 0},
      {1, {0x80}, false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t size = 0; size <= cases[i].size; size++) {
      frz_reader reader = frz_reader_of(cases[i].data, size);
      uint64_t value = 99;
      bool good = cases[i].good && size == cases[i].size;
      assert_int_equal(frz_read_uleb128(&reader, &value), good);
      assert_true(value == (good ? cases[i].value : 99));
      assert_int_equal(reader.pos, good ? size : 0);
    }
  }
}

static void test_zigzag(void **state)
{
  (void)state;
  static const int64_t values[] = {0, -1, 1, -2, 2, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
  static const uint64_t coded[] = {0,         1, 2, 3, 4, 4294967294, 4294967295, UINT64_MAX - 1,
                                   UINT64_MAX};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    assert_true(frz_zigzag_encode(values[i]) == coded[i]);
    assert_true(frz_zigzag_decode(coded[i]) == values[i]);
  }
}

static void test_text_order(void **state)
{
  (void)state;
  static const char *const sorted[] = {"", "a", "ab", "b", "\x80", "\xff"};
  for (size_t i = 0; i < 6; i++)
    for (size_t k = 0; k < 6; k++) {
      int order = frz_str_compare(frz_str_from(sorted[i]), frz_str_from(sorted[k]));
      assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
    }
  assert_true(frz_str_starts(FRZ_STR("file:/x"), "file:"));
  assert_false(frz_str_starts(FRZ_STR("fil"), "file:"));
  assert_true(frz_str_ends(FRZ_STR("a.json"), ".json"));
  assert_false(frz_str_ends(FRZ_STR("json"), ".json"));
  assert_true(frz_str_is((frz_str){0}, ""));
}

/* ---- errors ---- */

static void test_errors_gain_places_in_front(void **state)
{
  (void)state;
  frz_error err = {0};
  assert_int_equal(frz_fail(&err, FRZ_ERR_CORRUPT, "value %d at byte %d", 7, 12), FRZ_ERR_CORRUPT);
  frz_error_where(&err, "column '%s': ", "x");
  frz_error_where(&err, "file '%s': ", "f");
  assert_int_equal(err.code, FRZ_ERR_CORRUPT);
  assert_string_equal(err.message, "file 'f': column 'x': value 7 at byte 12");
  assert_int_equal(frz_fail(NULL, FRZ_ERR_IO, "nobody listens"), FRZ_ERR_IO);
  frz_error_where(NULL, "nobody");
  assert_int_equal(frz_fail_nomem(&err, "page"), FRZ_ERR_NOMEM);
  assert_string_equal(err.message, "out of memory: page");
}

static void test_errors_stay_one_line_within_their_room(void **state)
{
  (void)state;
  frz_error err = {0};
  (void)frz_fail(&err, FRZ_ERR_INVALID, "a\nb\tc\x7f");
  assert_string_equal(err.message, "a?b?c?");
  frz_error_where(&err, "x\ny: ");
  assert_string_equal(err.message, "x?y: a?b?c?");
  char *huge = malloc(5000);
  memset(huge, 'h', 4999);
  huge[4999] = '\0';
  (void)frz_fail(&err, FRZ_ERR_INVALID, "%s", huge);
  assert_int_equal(strlen(err.message), FRZ_ERROR_MESSAGE_BYTES - 1);
  (void)frz_fail(&err, FRZ_ERR_INVALID, "cause");
  frz_error_where(&err, "%s", huge); /* a long place is cut before it hides the cause */
  assert_true(strlen(err.message) < FRZ_ERROR_MESSAGE_BYTES);
  assert_non_null(strstr(err.message, "cause"));
  free(huge);
}

static void test_every_status_has_a_name(void **state)
{
  (void)state;
  for (int code = FRZ_OK; code <= FRZ_ERR_EXISTS; code++)
    assert_memory_equal(frz_status_name((frz_status)code), "FRZ_", 4);
  assert_string_equal(frz_status_name((frz_status)999), "unknown status");
}

/* ---- sources and sinks over memory ---- */

static void test_memory_source_and_sink(void **state)
{
  (void)state;
  frz_source *source = NULL;
  assert_int_equal(frz_source_from_memory(frz_alloc_default(), "0123456789", 10, &source, NULL),
                   FRZ_OK);
  uint8_t a[3], b[10], c[1];
  frz_range ranges[] = {{7, 3, a}, {0, 10, b}, {10, 0, c}};
  assert_int_equal(source->read_ranges(source, ranges, 3, NULL), FRZ_OK);
  assert_memory_equal(a, "789", 3);
  assert_memory_equal(b, "0123456789", 10);
  static const struct {
    int64_t offset;
    size_t size;
  } bad[] = {{10, 1}, {8, 3}, {-1, 1}, {11, 0}, {INT64_MAX, 1}, {1, SIZE_MAX}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(frz_source_read(source, bad[i].offset, bad[i].size, b, NULL), FRZ_ERR_CORRUPT);
  frz_source_free(source);
  frz_source_free(NULL);
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 5);
  frz_sink *sink = NULL;
  assert_int_equal(frz_sink_to_buf(frz_alloc_default(), &buf, &sink, NULL), FRZ_OK);
  assert_int_equal(frz_sink_write(sink, "abc", 3, NULL), FRZ_OK);
  assert_int_equal(frz_sink_write(sink, "def", 3, NULL), FRZ_ERR_LIMIT);
  assert_int_equal(sink->written_bytes, 3);
  assert_int_equal(frz_sink_commit(sink, NULL), FRZ_OK);
  assert_true(frz_str_is(frz_buf_str(&buf), "abc"));
  frz_sink_free(sink);
  frz_sink_free(NULL);
  frz_buf_dispose(&buf);
}

/* ---- contexts: options, cancellation, forks ---- */

static frz_context *new_context(int32_t n_threads)
{
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = n_threads;
  frz_context *context = NULL;
  assert_int_equal(frz_context_create(&options, &context, NULL), FRZ_OK);
  return context;
}

static void test_context_options_are_checked(void **state)
{
  (void)state;
  frz_context *context = NULL;
  frz_context_options options;
  frz_error err = {0};
  frz_context_options_init(&options);
  options.n_threads = -1;
  assert_int_equal(frz_context_create(&options, &context, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "n_threads -1"));
  frz_context_options_init(&options);
  options.memory_limit_bytes = -5;
  assert_int_equal(frz_context_create(&options, &context, NULL), FRZ_ERR_INVALID);
  frz_context_options_init(&options);
  options.struct_bytes = 0;
  assert_int_equal(frz_context_create(&options, &context, NULL), FRZ_ERR_INVALID);
  options.struct_bytes = sizeof options + 1;
  assert_int_equal(frz_context_create(&options, &context, NULL), FRZ_ERR_INVALID);
  assert_int_equal(frz_context_create(NULL, NULL, NULL), FRZ_ERR_INVALID);
  assert_null(context);
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  assert_true(frz_context_threads(context) >= 1);
  assert_true(frz_context_memory_limit(context) > 0);
  assert_string_equal(frz_context_spill_dir(context), "/tmp");
  frz_context_free(context);
  frz_context_free(NULL);
}

static frz_status fail_at_77(void *arg, size_t i, frz_error *err)
{
  ((tally *)arg)->sum++;
  return i == 77 ? frz_fail(err, FRZ_ERR_CORRUPT, "item %zu", i) : FRZ_OK;
}

static frz_status cancel_at_50(void *arg, size_t i, frz_error *err)
{
  tally *count = arg;
  (void)err;
  count->sum++;
  if (i == 50) frz_context_cancel(count->context);
  return FRZ_OK;
}

static void test_parallel_for_stops(void **state)
{
  (void)state;
  for (int32_t n_threads = 1; n_threads <= 4; n_threads++) {
    tally count = {.context = new_context(n_threads)};
    frz_error err = {0};
    assert_int_equal(frz_parallel_for(count.context, 1000000, fail_at_77, &count, &err),
                     FRZ_ERR_CORRUPT);
    assert_string_equal(err.message, "item 77");
    assert_true(count.sum < 1000000);
    count.sum = 0;
    assert_int_equal(frz_parallel_for(count.context, 1000000, cancel_at_50, &count, &err),
                     FRZ_ERR_CANCELLED);
    assert_true(count.sum < 1000000);
    assert_int_equal(frz_context_check(count.context, NULL), FRZ_ERR_CANCELLED);
    assert_int_equal(frz_parallel_for(count.context, 10, add_one, &count, NULL), FRZ_ERR_CANCELLED);
    frz_context_resume(count.context);
    count.sum = 0;
    assert_int_equal(frz_context_check(count.context, NULL), FRZ_OK);
    assert_int_equal(frz_parallel_for(count.context, 10, add_one, &count, NULL), FRZ_OK);
    assert_int_equal(count.sum, 45);
    assert_int_equal(frz_parallel_for(count.context, 0, add_one, &count, NULL), FRZ_OK);
    frz_context_free(count.context);
  }
}

static bool always_interrupted(void *callback_ctx)
{
  ++*(int *)callback_ctx;
  return true;
}

/* Parts that end only by what frz_context_check() tells them. */
typedef struct endless {
  frz_context *context;
  pthread_t caller;
  atomic_int n_running;
  bool ends_on_caller; /* the calling thread's part ends at once */
  bool one_fails;
} endless;

static frz_status run_until_told(void *arg, size_t i, frz_error *err)
{
  endless *self = arg;
  atomic_fetch_add(&self->n_running, 1);
  while (atomic_load(&self->n_running) < 2) frz_os_sleep_ms(1); /* both threads have a part */
  if (self->one_fails && i == 1) return frz_fail(err, FRZ_ERR_CORRUPT, "item %zu", i);
  if (self->ends_on_caller && pthread_equal(self->caller, pthread_self())) return FRZ_OK;
  for (int ms = 0; ms < 20000; ms++) {
    FRZ_TRY(frz_context_check(self->context, err));
    frz_os_sleep_ms(1);
  }
  return frz_fail(err, FRZ_ERR_IO, "item %zu was not told to stop", i);
}

static void test_parts_that_run_are_stopped_by_a_failure(void **state)
{
  (void)state;
  endless parts = {.context = new_context(2), .caller = pthread_self(), .one_fails = true};
  frz_error err = {0};
  assert_int_equal(frz_parallel_for(parts.context, 2, run_until_told, &parts, &err),
                   FRZ_ERR_CORRUPT);
  assert_string_equal(err.message, "item 1");
  assert_int_equal(frz_context_check(parts.context, NULL), FRZ_OK); /* the loop's, not for ever */
  frz_context_free(parts.context);
}

static bool interrupted_at_third(void *callback_ctx)
{
  return ++*(int *)callback_ctx >= 3;
}

/* The caller asks inside its own part, and while it waits for the others' parts. */
static void test_parts_that_run_are_stopped_by_an_interrupt(void **state)
{
  (void)state;
  for (int ends_on_caller = 0; ends_on_caller < 2; ends_on_caller++) {
    int n_calls = 0;
    frz_context_options options;
    frz_context_options_init(&options);
    options.n_threads = 2;
    options.callback_ctx = &n_calls;
    options.interrupted = interrupted_at_third;
    endless parts = {.caller = pthread_self(), .ends_on_caller = ends_on_caller};
    frz_error err = {0};
    assert_int_equal(frz_context_create(&options, &parts.context, NULL), FRZ_OK);
    assert_int_equal(frz_parallel_for(parts.context, 2, run_until_told, &parts, &err),
                     FRZ_ERR_CANCELLED);
    assert_string_equal(err.message, "interrupted");
    assert_int_equal(n_calls, 3);
    frz_context_free(parts.context);
  }
}

/* A sleep of an hour ends at the third question. */
static void test_a_sleep_is_ended_by_an_interrupt(void **state)
{
  (void)state;
  int n_calls = 0;
  frz_context *context;
  frz_context_options options;
  frz_context_options_init(&options);
  options.callback_ctx = &n_calls;
  options.interrupted = interrupted_at_third;
  frz_error err = {0};
  assert_int_equal(frz_context_create(&options, &context, NULL), FRZ_OK);
  assert_int_equal(frz_context_sleep(context, 3600000, &err), FRZ_ERR_CANCELLED);
  assert_string_equal(err.message, "interrupted");
  assert_int_equal(n_calls, 3);
  frz_context_free(context);
}

static void count_line(void *callback_ctx, frz_log_level level, const char *line)
{
  assert_int_equal(level, FRZ_LOG_WARNING);
  assert_string_equal(line, "took 3 s");
  ++*(int *)callback_ctx;
}

static void test_callbacks(void **state)
{
  (void)state;
  int n_calls = 0;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 2;
  options.callback_ctx = &n_calls;
  options.interrupted = always_interrupted;
  options.log = count_line;
  tally count = {0};
  frz_error err = {0};
  assert_int_equal(frz_context_create(&options, &count.context, NULL), FRZ_OK);
  assert_int_equal(frz_parallel_for(count.context, 10, add_one, &count, &err), FRZ_ERR_CANCELLED);
  assert_string_equal(err.message, "interrupted");
  assert_int_equal(n_calls, 1);
  assert_int_equal(frz_context_poll(count.context, NULL), FRZ_OK); /* asked again in 20 ms */
  assert_int_equal(n_calls, 1);
  frz_context_log(count.context, FRZ_LOG_WARNING, "took %d s", 3);
  assert_int_equal(n_calls, 2);
  frz_context_free(count.context);
}

static void test_a_fork_may_go_on(void **state)
{
  (void)state;
  tally count = {.context = new_context(3)};
  assert_int_equal(frz_parallel_for(count.context, 1000, add_one, &count, NULL), FRZ_OK);
  frz_os_sleep_ms(50); /* new threads may still hold locks of the sanitizer's own allocator */
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) { /* no thread of the parent lives here */
    alarm(60);
    count.sum = 0;
    bool good = frz_parallel_for(count.context, 1000, add_nested, &count, NULL) == FRZ_OK &&
                count.sum == 1000 * 45;
    frz_context_free(count.context);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  count.sum = 0;
  assert_int_equal(frz_parallel_for(count.context, 1000, add_one, &count, NULL), FRZ_OK);
  assert_int_equal(count.sum, 499500);
  frz_context_free(count.context);
}

static void test_os_gives_sane_values(void **state)
{
  (void)state;
  assert_true(frz_os_now_ms() > INT64_C(1600000000000));
  int64_t before = frz_os_monotonic_us();
  frz_os_sleep_ms(2);
  assert_true(frz_os_monotonic_us() - before >= 2000);
  assert_true(frz_os_processors() >= 1);
  assert_true(frz_os_memory_bytes() > 1 << 20);
  char first[37], second[37];
  assert_int_equal(frz_os_uuid(first, NULL), FRZ_OK);
  assert_int_equal(frz_os_uuid(second, NULL), FRZ_OK);
  assert_int_equal(strlen(first), 36);
  assert_int_equal(first[14], '4');
  assert_non_null(strchr("89ab", first[19]));
  assert_string_not_equal(first, second);
}

static void test_files_are_mapped(void **state)
{
  (void)state;
  const size_t large = FRZ_LARGE_PAGE_BYTES;
  const size_t sizes[] = {1, 4096, large - 1, large, large + 1, 3 * large + 4097};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < sizes[s]; i++) fputc((int)(i * 31 >> 8 & 255), file);
    assert_int_equal(fflush(file), 0);
    const uint8_t *mapped = frz_os_map_file(fileno(file), sizes[s]);
    fclose(file); /* the mapping stays */
    assert_non_null(mapped);
    if (sizes[s] >= large) assert_int_equal((uintptr_t)mapped % large, 0);
    for (size_t i = 0; i < sizes[s]; i += i % 4096 == 0 ? 1 : 61)
      assert_int_equal(mapped[i], i * 31 >> 8 & 255);
    assert_int_equal(mapped[sizes[s] - 1], (sizes[s] - 1) * 31 >> 8 & 255);
    frz_os_unmap((void *)mapped, sizes[s]);
  }
  assert_null(frz_os_map_file(-1, large));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_map_keeps_every_key),
      cmocka_unit_test(test_parallel_for_nests_without_deadlock),
      cmocka_unit_test(test_arena_pushes_are_aligned_cleared_and_stay),
      cmocka_unit_test(test_arena_refuses),
      cmocka_unit_test(test_arena_texts),
      cmocka_unit_test(test_buf_grows_to_its_maximum_and_not_further),
      cmocka_unit_test(test_buf_small_maxima),
      cmocka_unit_test(test_buf_resize_print_and_take),
      cmocka_unit_test(test_alloc_refuses_overflow),
      cmocka_unit_test(test_reader_stops_at_the_end),
      cmocka_unit_test(test_reader_uleb128),
      cmocka_unit_test(test_zigzag),
      cmocka_unit_test(test_text_order),
      cmocka_unit_test(test_errors_gain_places_in_front),
      cmocka_unit_test(test_errors_stay_one_line_within_their_room),
      cmocka_unit_test(test_every_status_has_a_name),
      cmocka_unit_test(test_memory_source_and_sink),
      cmocka_unit_test(test_context_options_are_checked),
      cmocka_unit_test(test_parallel_for_stops),
      cmocka_unit_test(test_parts_that_run_are_stopped_by_a_failure),
      cmocka_unit_test(test_parts_that_run_are_stopped_by_an_interrupt),
      cmocka_unit_test(test_a_sleep_is_ended_by_an_interrupt),
      cmocka_unit_test(test_callbacks),
      cmocka_unit_test(test_a_fork_may_go_on),
      cmocka_unit_test(test_os_gives_sane_values),
      cmocka_unit_test(test_files_are_mapped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
