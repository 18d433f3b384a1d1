/*
 * test_net.c - signatures by AWS's published vectors, URLs, when requests are sent again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_client.h"
#include "net/sigv4.h"
#include "net/tcp_stream.h"
#include "net/thrift_binary.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

typedef struct vector {
  const char *name;
  const char *method;
  const char *path;
  const char *query[6]; /* names and values */
  const char *headers[8];
  const char *payload_hash;
  const char *signature;
} vector;

static size_t pairs_of(const char *const *texts, frz_http_pair *pairs)
{
  size_t n = 0;
  for (; texts[2 * n] != NULL; n++)
    pairs[n] = (frz_http_pair){frz_str_from(texts[2 * n]), frz_str_from(texts[2 * n + 1])};
  return n;
}

static void check(const vector *v, const char *host, const char *date, const char *region,
                  const char *service, const frz_aws_credentials *credentials)
{
  frz_http_pair query[3], headers[8];
  size_t n_headers = pairs_of(v->headers, headers);
  headers[n_headers++] = (frz_http_pair){FRZ_STR("Host"), frz_str_from(host)};
  headers[n_headers++] = (frz_http_pair){FRZ_STR("X-Amz-Date"), frz_str_from(date)};
  frz_sigv4_request request = {.method = frz_str_from(v->method),
                               .path = frz_str_from(v->path),
                               .query = query,
                               .n_query = pairs_of(v->query, query),
                               .headers = headers,
                               .n_headers = n_headers,
                               .payload_hash = frz_str_from(v->payload_hash),
                               .region = frz_str_from(region),
                               .service = frz_str_from(service),
                               .is_s3 = strcmp(service, "s3") == 0};
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_str value;
  frz_error err;
  assert_int_equal(frz_sigv4_authorization(&request, credentials, &arena, &value, &err), FRZ_OK);
  const char *found = strstr(value.data, "Signature=");
  assert_non_null(found);
  if (strcmp(found + 10, v->signature) != 0) {
    frz_buf canonical;
    frz_buf_init(&canonical, frz_alloc_default(), 1 << 20);
    assert_int_equal(frz_sigv4_canonical_request(&request, &canonical, NULL), FRZ_OK);
    fail_msg("%s: %s\n%.*s", v->name, found, (int)canonical.size, (const char *)canonical.data);
  }
  frz_arena_free(&arena);
}

/* Cases and signatures of AWS's "Signature Version 4 test suite". */
static void test_the_suite_of_aws(void **state)
{
  (void)state;
  static const vector vectors[] = {
      {"plain",
       "GET",
       "/",
       {0},
       {0},
       EMPTY,
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"plain post",
       "POST",
       "/",
       {0},
       {0},
       EMPTY,
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"no path",
       "GET",
       "",
       {0},
       {0},
       EMPTY,
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"one parameter",
       "GET",
       "/",
       {"Param1", "value1"},
       {0},
       EMPTY,
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
      {"parameters out of order",
       "GET",
       "/",
       {"Param2", "value2", "Param1", "value1"},
       {0},
       EMPTY,
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"a parameter beyond ASCII",
       "GET",
       "/",
       {"\xe1\x88\xb4", "bar"},
       {0},
       EMPTY,
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"a path beyond ASCII",
       "GET",
       "/\xe1\x88\xb4",
       {0},
       {0},
       EMPTY,
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"a space in the path",
       "GET",
       "/example space/",
       {0},
       {0},
       EMPTY,
       "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"dots to the root",
       "GET",
       "/example1/example2/../..",
       {0},
       {0},
       EMPTY,
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"a dot",
       "GET",
       "/./",
       {0},
       {0},
       EMPTY,
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"a dot before a name",
       "GET",
       "/./example",
       {0},
       {0},
       EMPTY,
       "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
      {"slashes",
       "GET",
       "//example//",
       {0},
       {0},
       EMPTY,
       "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
      {"a header three times",
       "GET",
       "/",
       {0},
       {"My-Header1", "value2", "My-Header1", "value2", "My-Header1", "value1"},
       EMPTY,
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
      {"spaces in headers",
       "GET",
       "/",
       {0},
       {"My-Header1", " value1", "My-Header2", " \"a   b   c\""},
       EMPTY,
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"a form",
       "POST",
       "/",
       {0},
       {"Content-Type", "application/x-www-form-urlencoded"},
       "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
       "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
  };
  const frz_aws_credentials credentials = {
      FRZ_STR("AKIDEXAMPLE"), FRZ_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), {0}};
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
    check(&vectors[i], "example.amazonaws.com", "20150830T123600Z", "us-east-1", "service",
          &credentials);
}

/* The examples of "Authenticating Requests: Using the Authorization Header" of S3. */
static void test_the_examples_of_s3(void **state)
{
  (void)state;
  static const vector vectors[] = {
      {"a range",
       "GET",
       "/test.txt",
       {0},
       {"Range", "bytes=0-9", "x-amz-content-sha256", EMPTY},
       EMPTY,
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
      {"an object with $ in its name",
       "PUT",
       "/test%24file.text",
       {0},
       {"Date", "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class", "REDUCED_REDUNDANCY",
        "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
       "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
      {"an empty parameter",
       "GET",
       "/",
       {"lifecycle", ""},
       {"x-amz-content-sha256", EMPTY},
       EMPTY,
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
      {"a listing",
       "GET",
       "/",
       {"prefix", "J", "max-keys", "2"},
       {"x-amz-content-sha256", EMPTY},
       EMPTY,
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
  };
  const frz_aws_credentials credentials = {
      FRZ_STR("AKIAIOSFODNN7EXAMPLE"), FRZ_STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), {0}};
  for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
    check(&vectors[i], "examplebucket.s3.amazonaws.com", "20130524T000000Z", "us-east-1", "s3",
          &credentials);
}

static void test_dates(void **state)
{
  (void)state;
  char date[17];
  frz_sigv4_date(1440938160000, date);
  assert_string_equal(date, "20150830T123600Z");
  frz_sigv4_date(1709164800999, date);
  assert_string_equal(date, "20240229T000000Z");
}

static void test_percent_encoding(void **state)
{
  (void)state;
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), 1024);
  frz_str odd = FRZ_STR("a=b/c d+\xc3\xa9~-._%");
  assert_int_equal(frz_percent_encode(odd, true, &out, NULL), FRZ_OK);
  assert_true(frz_str_is(frz_buf_str(&out), "a%3Db/c%20d%2B%C3%A9~-._%25"));
  out.size = 0;
  const frz_http_pair pairs[] = {{FRZ_STR("a"), {"", 0}}, {FRZ_STR("b c"), FRZ_STR("/&=")}};
  assert_int_equal(frz_query_append(pairs, 2, &out, NULL), FRZ_OK);
  assert_true(frz_str_is(frz_buf_str(&out), "a=&b%20c=%2F%26%3D"));
  frz_buf_dispose(&out);
}

static void test_percent_decoding(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"%2Fbc%2b%41", "/bc+A"}, {"a b", "a b"}, {"%", "%"},    {"%4", "%4"},
      {"%zz%4", "%zz%4"},       {"", ""},       {"%%41", "%A"}};
  char out[16];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t size = frz_percent_decode(frz_str_from(cases[i][0]), out, sizeof out);
    assert_int_equal(size, strlen(cases[i][1]));
    assert_memory_equal(out, cases[i][1], size);
  }
  assert_int_equal(frz_percent_decode(FRZ_STR("%41%42%43"), out, 2), 2);
  assert_memory_equal(out, "AB", 2);
}

static void test_urls(void **state)
{
  (void)state;
  frz_url url;
  assert_int_equal(frz_url_parse(FRZ_STR("https://h.example:8443/a/b"), "uri", &url, NULL), FRZ_OK);
  assert_true(frz_str_is(url.origin, "https://h.example:8443"));
  assert_true(frz_str_is(url.host, "h.example:8443"));
  assert_true(frz_str_is(url.path, "/a/b"));
  assert_true(url.is_https);
  static const char *const bad[] = {"",
                                    "ftp://h/",
                                    "http://",
                                    "http:///a",
                                    "http://h/?q",
                                    "http://h/a b",
                                    "http://h/\x7f",
                                    "h.example",
                                    "http://h#f",
                                    "http://u:p@h/a"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    frz_error err;
    assert_int_equal(frz_url_parse(frz_str_from(bad[i]), "uri", &url, &err), FRZ_ERR_INVALID);
    assert_null(strstr(err.message, "u:p"));
  }
}

static void test_waits_grow_and_end(void **state)
{
  (void)state;
  const frz_retry_policy policy = {4, 100, 300, 10000};
  assert_int_equal(frz_retry_wait_ms(&policy, 1, 0, -1, 0), 0);
  assert_int_equal(frz_retry_wait_ms(&policy, 1, 0, -1, 100), 100);
  assert_int_equal(frz_retry_wait_ms(&policy, 1, 0, -1, 101), 0);
  assert_int_equal(frz_retry_wait_ms(&policy, 2, 0, -1, 200), 200);
  assert_int_equal(frz_retry_wait_ms(&policy, 3, 0, -1, 300), 300);   /* capped, not 400 */
  assert_int_equal(frz_retry_wait_ms(&policy, 4, 0, -1, 0), -1);      /* attempts */
  assert_int_equal(frz_retry_wait_ms(&policy, 1, 9950, -1, 100), -1); /* time */
  assert_int_equal(frz_retry_wait_ms(&policy, 1, 0, 2000, 5), 2000);  /* as the server asks */
  assert_int_equal(frz_retry_wait_ms(&policy, 1, 0, 20000, 5), -1);
}

static void test_the_budget_ends_retries(void **state)
{
  (void)state;
  frz_retry_budget budget;
  frz_retry_budget_init(&budget);
  int n = 0;
  while (frz_retry_budget_take(&budget)) n++;
  assert_int_equal(n, FRZ_RETRY_TOKENS_MAX / FRZ_RETRY_COST);
  for (int i = 0; i < FRZ_RETRY_COST; i++) {
    assert_false(frz_retry_budget_take(&budget));
    frz_retry_budget_refill(&budget);
  }
  assert_true(frz_retry_budget_take(&budget));
  for (int i = 0; i < 2 * FRZ_RETRY_TOKENS_MAX; i++) frz_retry_budget_refill(&budget);
  assert_int_equal(atomic_load(&budget.tokens), FRZ_RETRY_TOKENS_MAX);
}

static void test_no_answer_is_an_error_in_words(void **state)
{
  (void)state;
  frz_context *context;
  frz_http_client *client;
  frz_http_options options;
  frz_error err;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  frz_http_options_init(&options);
  options.retry.attempts_max = 3;
  options.retry.base_ms = 1;
  assert_int_equal(frz_http_client_create(context, &options, &client, NULL), FRZ_OK);
  frz_http_request request = frz_http_get(FRZ_STR("http://127.0.0.1:1"), FRZ_STR("/a/b"));
  const frz_http_pair query = {FRZ_STR("secret"), FRZ_STR("hidden")};
  request.query = &query;
  request.n_query = 1;
  assert_int_equal(frz_http_send(client, &request, 1, &err), FRZ_ERR_IO);
  assert_int_equal(request.answer.n_attempts, 3);
  assert_false(request.answer.may_be_done);
  assert_non_null(strstr(err.message, "GET http://127.0.0.1:1/a/b (3 attempts)"));
  assert_null(strstr(err.message, "hidden"));
  frz_context_cancel(context);
  assert_int_equal(frz_http_send(client, &request, 1, &err), FRZ_ERR_CANCELLED);
  frz_http_client_free(client);
  frz_context_free(context);
}

/* ---- Thrift ---- */

static void write_sample(frz_buf *out)
{
  frz_tbinary_writer writer;
  frz_tbinary_writer_init(&writer, out);
  frz_tbinary_write_call(&writer, "method", 7);
  frz_tbinary_write_string_field(&writer, 1, FRZ_STR("text"));
  frz_tbinary_write_i32_field(&writer, -2, -3);
  frz_tbinary_write_i64_field(&writer, 3, INT64_MIN);
  frz_tbinary_write_bool_field(&writer, 4, true);
  frz_tbinary_write_map_field(&writer, 5, 1);
  frz_tbinary_write_string(&writer, FRZ_STR("key"));
  frz_tbinary_write_string(&writer, FRZ_STR(""));
  frz_tbinary_write_list_field(&writer, 6, FRZ_TBINARY_STRUCT, 2);
  frz_tbinary_write_stop(&writer);
  frz_tbinary_write_stop(&writer);
  frz_tbinary_write_stop(&writer);
  assert_int_equal(frz_tbinary_finish(&writer, NULL), FRZ_OK);
}

/* All of the sample; a failure at the first byte that is missing. */
static frz_status read_sample(frz_tbinary_reader *reader, frz_error *err)
{
  frz_tbinary_message message;
  int16_t id;
  frz_tbinary_type type;
  frz_str text;
  int32_t number = 0;
  int64_t large = 0;
  size_t n = 0;
  FRZ_TRY(frz_tbinary_read_message(reader, &message, err));
  FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
  FRZ_TRY(frz_tbinary_read_string(reader, &text, err));
  assert_true(id == 1 && type == FRZ_TBINARY_STRING && frz_str_is(text, "text"));
  FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
  FRZ_TRY(frz_tbinary_read_i32(reader, &number, err));
  assert_true(id == -2 && number == -3);
  FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
  FRZ_TRY(frz_tbinary_read_i64(reader, &large, err));
  assert_true(id == 3 && large == INT64_MIN);
  FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
  FRZ_TRY(frz_tbinary_skip(reader, type, err));
  FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
  FRZ_TRY(frz_tbinary_map_begin(reader, FRZ_TBINARY_STRING, FRZ_TBINARY_STRING, &n, err));
  assert_int_equal(n, 1);
  FRZ_TRY(frz_tbinary_read_string(reader, &text, err));
  FRZ_TRY(frz_tbinary_read_string(reader, &text, err));
  FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
  FRZ_TRY(frz_tbinary_skip(reader, type, err));
  FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
  assert_int_equal(type, FRZ_TBINARY_STOP);
  assert_true(message.kind == FRZ_TBINARY_CALL && message.sequence == 7);
  return FRZ_OK;
}

static void test_thrift_is_read_as_written(void **state)
{
  (void)state;
  frz_buf bytes;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 20);
  write_sample(&bytes);
  for (size_t size = 0; size <= bytes.size; size++) {
    frz_error err = {0};
    frz_tbinary_reader reader = {.bytes = frz_reader_of(bytes.data, size)};
    frz_status st = read_sample(&reader, &err);
    assert_int_equal(st, size == bytes.size ? FRZ_OK : FRZ_ERR_CORRUPT);
    assert_true(reader.bytes.pos <= size);
  }
  frz_buf_dispose(&bytes);
}

/* One byte more at a time. */
static frz_status one_more(void *ctx, frz_reader *bytes, frz_error *err)
{
  const frz_buf *all = ctx;
  if (bytes->size == all->size) return frz_fail(err, FRZ_ERR_IO, "the end");
  bytes->data = all->data;
  bytes->size++;
  return FRZ_OK;
}

static void test_thrift_is_read_as_it_comes_in(void **state)
{
  (void)state;
  frz_buf bytes;
  frz_error err;
  frz_tbinary_message message;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 20);
  write_sample(&bytes);
  frz_tbinary_reader reader = {.more = one_more, .ctx = &bytes};
  assert_int_equal(frz_tbinary_read_message(&reader, &message, &err), FRZ_OK);
  assert_int_equal(frz_tbinary_skip(&reader, FRZ_TBINARY_STRUCT, &err), FRZ_OK);
  assert_int_equal(reader.bytes.pos, bytes.size);
  assert_int_equal(reader.bytes.size, bytes.size); /* no byte was waited for in vain */
  frz_buf_dispose(&bytes);
}

static void test_bad_thrift_is_refused(void **state)
{
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
    const char *message;
  } cases[] = {
      {"HTTP/1.1 400 Bad", 16, "not Thrift's binary protocol: it begins with 48545450"},
      {"\x80\x01\x00\x02\xff\xff\xff\xff", 8, "a count of -1"},
      {"\x80\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01", 15, "type 1"},
      {"\x80\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x0f\x00\x01\x0c\x7f\xff\xff\xff", 20,
       "2147483647 items in 0 bytes"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_error err = {0};
    frz_tbinary_message message;
    frz_tbinary_reader reader = {.bytes = frz_reader_of(cases[i].bytes, cases[i].size)};
    frz_status st = frz_tbinary_read_message(&reader, &message, &err);
    if (st == FRZ_OK) st = frz_tbinary_skip(&reader, FRZ_TBINARY_STRUCT, &err);
    assert_int_equal(st, FRZ_ERR_CORRUPT);
    if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
  }
  uint8_t deep[3 * 100];
  for (size_t i = 0; i < sizeof deep; i++) deep[i] = i % 3 == 0 ? FRZ_TBINARY_STRUCT : 0;
  frz_tbinary_reader reader = {.bytes = frz_reader_of(deep, sizeof deep)};
  assert_int_equal(frz_tbinary_skip(&reader, FRZ_TBINARY_STRUCT, NULL), FRZ_ERR_LIMIT);
}

static void test_servers_that_are_not_there_are_named(void **state)
{
  (void)state;
  frz_context *context;
  frz_tcp_stream stream = {.fd = -1};
  frz_error err = {0};
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  assert_int_equal(frz_tcp_connect(context, "127.0.0.1", "1", 2000, 2000, &stream, &err),
                   FRZ_ERR_IO);
  assert_non_null(strstr(err.message, "server 127.0.0.1:1: connect: "));
  assert_int_equal(frz_tcp_connect(context, "no.such.host.invalid", "1", 10, 10, &stream, &err),
                   FRZ_ERR_IO);
  assert_non_null(strstr(err.message, "server no.such.host.invalid:1: "));
  assert_false(frz_tcp_is_idle(&stream));
  frz_context_free(context);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_suite_of_aws),
      cmocka_unit_test(test_the_examples_of_s3),
      cmocka_unit_test(test_dates),
      cmocka_unit_test(test_percent_encoding),
      cmocka_unit_test(test_percent_decoding),
      cmocka_unit_test(test_urls),
      cmocka_unit_test(test_waits_grow_and_end),
      cmocka_unit_test(test_the_budget_ends_retries),
      cmocka_unit_test(test_no_answer_is_an_error_in_words),
      cmocka_unit_test(test_thrift_is_read_as_written),
      cmocka_unit_test(test_thrift_is_read_as_it_comes_in),
      cmocka_unit_test(test_bad_thrift_is_refused),
      cmocka_unit_test(test_servers_that_are_not_there_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
