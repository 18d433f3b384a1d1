/*
 * fault_server.c - the feature server's way from a body to its answer, with each request for memory
 * refused in turn: its own by malloc(), and those of the library.
 *
 * The linker sends every malloc(), calloc(), realloc() and strdup() of this program here. Only what
 * the thread of the test asks for is counted and refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "online_answer.h"
#include "online_lake.h"
#include "write_answer.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

/* Compilers take it that malloc() changes nothing of these. */
static _Thread_local volatile bool is_armed;
static _Thread_local volatile long n_requests, refuse_at;

static bool is_refused(void)
{
  return is_armed && ++n_requests >= refuse_at;
}

void *__wrap_malloc(size_t size)
{
  return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
  return is_refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *block, size_t size)
{
  return is_refused() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
  size_t size = strlen(text) + 1;
  char *copy = is_refused() ? NULL : __real_malloc(size);
  return copy != NULL ? memcpy(copy, text, size) : NULL;
}

/* ---- requests ---- */

static const char features[] =
    "{\"features\":[\"v:large\",\"v:name\",\"v:vector\",\"v:tags\"],"
    "\"entities\":{\"driver_id\":[1,2,3,4,5]},\"full_feature_names\":true,"
    "\"include_feature_view_version_metadata\":true}";

static const char rows[] =
    "{\"feature_view_name\":\"v\",\"df\":{\"driver_id\":[8,9],"
    "\"event_timestamp\":[\"2026-01-02T03:04:05\",\"2026-01-02T03:04:06\"],\"created\":[null,null],"
    "\"flag\":[true,null],\"small\":[1,2],\"large\":[3,4],\"ratio\":[0.5,null],\"exact\":[1.5,"
    "\"NaN\"],"
    "\"moment\":[\"2026-01-01T00:00:00\",null],\"name\":[\"a\",\"b\"],\"blob\":[\"AAEC\",null],"
    "\"mapped\":[{\"x\":1},null],\"vector\":[[1.0,2.0],[]],\"tags\":[[\"t\"],null]}}";

typedef struct store_case {
  frz_test_lake *lake;
  view_store *store;
} store_case;

static void open_store(frz_test_lake *lake, view_store **store_out)
{
  frz_error err = {0};
  view_store_options options = {
      .context = lake->context, .catalog = lake->catalog, .namespace_name = "ns", .project = "p"};
  frz_online_options_init(&options.online);
  options.online.max_staleness_ms = 3600000;
  options.online.read_timeout_ms = 0;
  options.online.compact_automatically = false;
  frz_test_ok(view_store_create(&options, store_out, &err), &err);
}

/* As a server's thread does it, from an empty state. */
static frz_status answer(view_store *store, text_out *out, frz_error *err)
{
  json_tree tree;
  answer_totals totals;
  feature_request *request = malloc(sizeof *request);
  char *body = malloc(sizeof features);
  answer_scratch *scratch = answer_scratch_create();
  frz_status st = FRZ_ERR_NOMEM;
  json_tree_init(&tree, 1000);
  if (request != NULL && body != NULL && scratch != NULL) {
    memcpy(body, features, sizeof features);
    st = json_tree_parse(&tree, body, sizeof features - 1, err);
    if (st == FRZ_OK) st = feature_request_read(&tree, 100, request, err);
    if (st == FRZ_OK)
      st = online_answer_put(store, &tree, request, false, scratch, out, &totals, err);
  }
  json_tree_dispose(&tree);
  answer_scratch_free(scratch);
  free(body);
  free(request);
  return st;
}

static frz_status write_body(view_store *store, frz_error *err)
{
  uint64_t n_rows;
  char *body = malloc(sizeof rows);
  if (body == NULL) return FRZ_ERR_NOMEM;
  memcpy(body, rows, sizeof rows);
  frz_status st = write_answer_view(store, body, sizeof rows - 1, &n_rows, err);
  free(body);
  return st;
}

static void arm(long n)
{
  n_requests = 0;
  refuse_at = n;
  is_armed = true;
}

static const frz_test_row base[] = {{1, 100, 1, 1}, {2, 100, 1, 2}, {3, 100, 1, -1}};

static void make_view(frz_test_lake *lake)
{
  frz_error err = {0};
  frz_test_lake_open(lake, NULL);
  frz_test_online_table(lake, "p_v_online", "bucket(1, driver_id)");
  frz_online *online = frz_test_online_open(lake, "p_v_online", NULL);
  frz_test_ok(frz_test_online_write(online, base, 3, &err), &err);
  frz_online_close(online);
}

/* Answers are whole or refused, and the same again once there is memory. */
static void test_answers(void **state)
{
  (void)state;
  frz_test_lake lake;
  text_out wanted;
  view_store *store;
  frz_error err = {0};
  make_view(&lake);
  open_store(&lake, &store);
  text_out_init(&wanted, 1 << 20);
  frz_test_ok(answer(store, &wanted, &err), &err);
  long n = 0;
  do {
    text_out out;
    text_out_init(&out, 1 << 20);
    arm(++n);
    frz_status st = answer(store, &out, &err);
    is_armed = false;
    bool was_refused = n_requests >= n;
    if (st != (was_refused ? FRZ_ERR_NOMEM : FRZ_OK) && !(was_refused && st == FRZ_OK))
      fail_msg("request %ld: %s: %s", n, frz_status_name(st), err.message);
    if (st == FRZ_OK) {
      assert_int_equal(out.size, wanted.size);
      assert_memory_equal(out.data, wanted.data, wanted.size);
    }
    text_out_dispose(&out);
  } while (n_requests >= n);
  assert_true(n > 10);
  text_out_dispose(&wanted);
  view_store_free(store);
  frz_test_lake_close(&lake);
}

/* A view that could not be opened is opened by the next request. */
static void test_first_requests(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  long n = 0;
  make_view(&lake);
  do {
    view_store *store;
    text_out out;
    open_store(&lake, &store);
    text_out_init(&out, 1 << 20);
    arm(++n);
    frz_status st = answer(store, &out, &err);
    is_armed = false;
    if (st != FRZ_OK && st != FRZ_ERR_NOMEM)
      fail_msg("request %ld: %s: %s", n, frz_status_name(st), err.message);
    if (n_requests < n) assert_int_equal(st, FRZ_OK);
    text_out_dispose(&out);
    view_store_free(store);
  } while (n_requests >= n);
  frz_test_lake_close(&lake);
}

static void test_writes(void **state)
{
  (void)state;
  frz_test_lake lake;
  view_store *store;
  frz_error err = {0};
  long n = 0;
  make_view(&lake);
  open_store(&lake, &store);
  frz_test_ok(write_body(store, &err), &err);
  do {
    arm(++n);
    frz_status st = write_body(store, &err);
    is_armed = false;
    if (st != FRZ_OK && st != FRZ_ERR_NOMEM)
      fail_msg("request %ld: %s: %s", n, frz_status_name(st), err.message);
    if (n_requests < n) assert_int_equal(st, FRZ_OK);
  } while (n_requests >= n);
  frz_test_ok(write_body(store, &err), &err);
  view_store_free(store);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                     cmocka_unit_test(test_first_requests),
                                     cmocka_unit_test(test_writes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
