/*
 * test_object_auth.c - what proves to Azure and Google who asks, and where requests go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "storage/azure_auth.h"
#include "storage/gcs_token.h"
#include "text/base64.h"

static void assert_text(frz_str found, const char *expected)
{
  if (frz_str_is(found, expected)) return;
  print_message("found:    '%.*s'\nexpected: '%s'\n", (int)found.size, found.data, expected);
  fail();
}

/* ---- Azure ---- */

/* The example of Azure's documents: Get Container Metadata, version 2015-02-21. */
static void test_the_text_that_azure_signs(void **state)
{
  (void)state;
  frz_http_pair items[] = {{FRZ_STR("x-ms-version"), FRZ_STR("2015-02-21")},
                           {FRZ_STR("x-ms-date"), FRZ_STR("Fri, 26 Jun 2015 23:39:12 GMT")}};
  const frz_http_pair query[] = {{FRZ_STR("restype"), FRZ_STR("container")},
                                 {FRZ_STR("comp"), FRZ_STR("metadata")},
                                 {FRZ_STR("timeout"), FRZ_STR("20")}};
  frz_http_headers headers = {.items = items, .n_items = 2};
  frz_http_request request = {
      .method = FRZ_STR("GET"), .path = FRZ_STR("/mycontainer"), .query = query, .n_query = 3};
  frz_buf text;
  frz_buf_init(&text, frz_alloc_default(), 1 << 16);
  assert_int_equal(frz_azure_string_to_sign(FRZ_STR("myaccount"), &request, &headers, &text, NULL),
                   FRZ_OK);
  assert_text(frz_buf_str(&text),
              "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
              "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\n"
              "timeout:20");
  frz_buf_dispose(&text);
}

static void test_headers_of_a_body_are_signed(void **state)
{
  (void)state;
  frz_http_pair items[] = {{FRZ_STR("x-ms-meta-b"), FRZ_STR("2")},
                           {FRZ_STR("Content-Type"), FRZ_STR("text/plain")},
                           {FRZ_STR("if-none-match"), FRZ_STR("*")},
                           {FRZ_STR("x-ms-blob-type"), FRZ_STR("BlockBlob")},
                           {FRZ_STR("range"), FRZ_STR("bytes=0-9")}};
  frz_http_headers headers = {.items = items, .n_items = 5};
  frz_http_request request = {
      .method = FRZ_STR("PUT"), .path = FRZ_STR("/c/a%20b"), .body = FRZ_STR("hello")};
  frz_buf text;
  frz_buf_init(&text, frz_alloc_default(), 1 << 16);
  assert_int_equal(frz_azure_string_to_sign(FRZ_STR("a"), &request, &headers, &text, NULL), FRZ_OK);
  assert_text(frz_buf_str(&text),
              "PUT\n\n\n5\n\ntext/plain\n\n\n\n*\n\nbytes=0-9\nx-ms-blob-type:BlockBlob\n"
              "x-ms-meta-b:2\n/a/c/a%20b");
  frz_buf_dispose(&text);
}

typedef struct address_case {
  const char *uri;
  const char *properties[8];           /* names and values; NULL ends them */
  const char *origin, *path, *account; /* origin NULL: refused, with this in the message: path */
} address_case;

static void check_address(const address_case *c)
{
  frz_arena arena;
  frz_error err = {0};
  frz_azure_config config = {0};
  frz_azure_uri uri;
  frz_azure_address address;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_status st = FRZ_OK;
  print_message("  %s\n", c->uri);
  for (size_t i = 0; c->properties[i] != NULL && st == FRZ_OK; i += 2)
    st = frz_azure_config_set(&config, frz_str_from(c->properties[i]),
                              frz_str_from(c->properties[i + 1]), &err);
  if (st == FRZ_OK) st = frz_azure_uri_parse(frz_str_from(c->uri), &uri, &err);
  if (st == FRZ_OK) st = frz_azure_address_of(&config, &uri, &arena, &address, &err);
  assert_int_equal(st, c->origin != NULL ? FRZ_OK : FRZ_ERR_INVALID);
  if (st == FRZ_OK) {
    assert_text(address.origin, c->origin);
    assert_text(address.path, c->path);
    assert_text(address.account, c->account);
  } else {
    assert_non_null(strstr(err.message, c->path));
  }
  frz_arena_free(&arena);
}

static void test_where_requests_on_azure_go(void **state)
{
  (void)state;
  static const address_case cases[] = {
      {"abfss://c@acct.dfs.core.windows.net/k",
       {NULL},
       "https://acct.blob.core.windows.net",
       "/c",
       "acct"},
      {"wasbs://c@acct.blob.core.windows.net/k",
       {NULL},
       "https://acct.blob.core.windows.net",
       "/c",
       "acct"},
      {"abfs://c@acct.dfs.core.usgovcloudapi.net/",
       {NULL},
       "https://acct.blob.core.usgovcloudapi.net",
       "/c",
       "acct"},
      {"az://c/k",
       {"adls.account-name", "acct", NULL},
       "https://acct.blob.core.windows.net",
       "/c",
       "acct"},
      {"abfss://c/k",
       {"adls.account-name", "acct", "adls.account-host", "acct.blob.example.org", NULL},
       "https://acct.blob.example.org",
       "/c",
       "acct"},
      {"abfss://c@acct.dfs.core.windows.net/k",
       {"adls.blob-storage-authority", "127.0.0.1:10000", "adls.blob-storage-scheme", "http", NULL},
       "http://127.0.0.1:10000",
       "/acct/c",
       "acct"},
      {"abfss://c@acct.dfs.core.windows.net/k",
       {"adls.blob-storage-authority", ".blob.local:8080", NULL},
       "https://acct.blob.local:8080",
       "/c",
       "acct"},
      {"abfss://c/k",
       {"adls.connection-string",
        "DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=a+b==;"
        "BlobEndpoint=http://127.0.0.1:1/dev;",
        NULL},
       "http://127.0.0.1:1",
       "/dev/c",
       "dev"},
      {"az://c/k",
       {"adls.connection-string", "AccountName=dev;AccountKey=a==", NULL},
       "https://dev.blob.core.windows.net",
       "/c",
       "dev"},
      /* what proves who asks is not sent anywhere that a table's metadata names */
      {"abfss://c@acct.dfs.evil.org/k", {NULL}, NULL, "adls.account-host", NULL},
      {"abfss://c@acct.dfs.core.windows.net.evil.org/k", {NULL}, NULL, "adls.account-host", NULL},
      {"abfss://c@acct/k", {NULL}, NULL, "adls.account-host", NULL},
      {"abfss://c/k", {NULL}, NULL, "which account?", NULL},
      {"abfss://@acct.dfs.core.windows.net/k", {NULL}, NULL, "names no container", NULL},
      {"abfss://c d@acct.dfs.core.windows.net/k", {NULL}, NULL, "names no container", NULL},
      {"az://", {NULL}, NULL, "names no container", NULL},
      {"az://c/k", {"adls.connection-string", "AccountName=a;junk", NULL}, NULL, "byte 14", NULL},
      {"az://c/k", {"adls.anon", "perhaps", NULL}, NULL, "neither true nor false", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_address(&cases[i]);
}

static void test_lent_signatures_are_of_one_account(void **state)
{
  (void)state;
  frz_azure_config config = {.for_account = FRZ_STR("a")};
  frz_str key_a = FRZ_STR("adls.sas-token.a.dfs.core.windows.net"),
          key_b = FRZ_STR("adls.sas-token.b");
  assert_int_equal(frz_azure_config_set(&config, key_b, FRZ_STR("sig=b"), NULL), FRZ_OK);
  assert_int_equal(config.sas_token.size, 0);
  assert_int_equal(frz_azure_config_set(&config, key_a, FRZ_STR("?sv=1&sig=a"), NULL), FRZ_OK);
  assert_text(config.sas_token, "sv=1&sig=a");
}

static void test_azure_secrets_are_not_quoted(void **state)
{
  (void)state;
  frz_azure_config config = {.account_key = FRZ_STR("key=="),
                             .sas_token = FRZ_STR("sv=1&sig=%2Fbc%2Bd&se=2"),
                             .token = FRZ_STR("bearer"),
                             .client_secret = FRZ_STR("hush")};
  static const char *const told[] = {"key== is it", "x /bc+d", "a bearer token", "hush!",
                                     "sig=%2Fbc%2Bd"};
  for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
    assert_int_equal(frz_azure_unless_secret(&config, frz_str_from(told[i])).size, 0);
  assert_text(frz_azure_unless_secret(&config, FRZ_STR("plain words")), "plain words");
}

/* ---- Google ---- */

static frz_str new_key(EVP_PKEY **key_out, frz_arena *arena)
{
  BIO *bio = BIO_new(BIO_s_mem());
  char *pem;
  *key_out = EVP_RSA_gen(2048);
  assert_non_null(*key_out);
  assert_int_equal(PEM_write_bio_PrivateKey(bio, *key_out, NULL, NULL, 0, NULL, NULL), 1);
  long size = BIO_get_mem_data(bio, &pem);
  frz_str copy = frz_arena_copy(arena, (frz_str){pem, (size_t)size});
  BIO_free(bio);
  return copy;
}

static frz_str decoded(frz_str text, frz_arena *arena)
{
  frz_str bytes;
  assert_true(frz_base64_read(text, arena, &bytes));
  return bytes;
}

static void test_the_token_of_a_service_account(void **state)
{
  (void)state;
  frz_arena arena;
  frz_buf jwt;
  EVP_PKEY *key;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_buf_init(&jwt, frz_alloc_default(), 1 << 16);
  frz_str pem = new_key(&key, &arena);
  frz_status st = frz_gcs_jwt_append(FRZ_STR("me@project.iam"), FRZ_STR("k1"), pem,
                                     FRZ_STR("https://tokens/x"), 1700000000, &jwt, NULL);
  assert_int_equal(st, FRZ_OK);
  frz_str text = frz_buf_str(&jwt);
  const char *first = memchr(text.data, '.', text.size);
  const char *last = memrchr(text.data, '.', text.size);
  size_t n_signed = (size_t)(last - text.data);
  assert_text(decoded((frz_str){text.data, (size_t)(first - text.data)}, &arena),
              "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}");
  assert_text(decoded((frz_str){first + 1, (size_t)(last - first) - 1}, &arena),
              "{\"iss\":\"me@project.iam\","
              "\"scope\":\"https://www.googleapis.com/auth/devstorage.read_write\","
              "\"aud\":\"https://tokens/x\",\"iat\":1700000000,\"exp\":1700003600}");
  frz_str signature = decoded((frz_str){last + 1, text.size - n_signed - 1}, &arena);
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  assert_int_equal(EVP_DigestVerifyInit(digest, NULL, EVP_sha256(), NULL, key), 1);
  assert_int_equal(EVP_DigestVerify(digest, (const unsigned char *)signature.data, signature.size,
                                    (const unsigned char *)text.data, n_signed),
                   1);
  EVP_MD_CTX_free(digest);
  EVP_PKEY_free(key);
  frz_buf_dispose(&jwt);
  frz_arena_free(&arena);
}

static void test_a_key_that_is_none_is_not_quoted(void **state)
{
  (void)state;
  static const char *const keys[] = {"", "hush", "-----BEGIN PRIVATE KEY-----\nhush\n"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    frz_error err = {0};
    frz_buf jwt;
    frz_buf_init(&jwt, frz_alloc_default(), 1 << 16);
    frz_status st = frz_gcs_jwt_append(FRZ_STR("me"), FRZ_STR(""), frz_str_from(keys[i]),
                                       FRZ_STR("u"), 1, &jwt, &err);
    assert_int_equal(st, FRZ_ERR_INVALID);
    assert_null(strstr(err.message, "hush"));
    frz_buf_dispose(&jwt);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_text_that_azure_signs),
      cmocka_unit_test(test_headers_of_a_body_are_signed),
      cmocka_unit_test(test_where_requests_on_azure_go),
      cmocka_unit_test(test_lent_signatures_are_of_one_account),
      cmocka_unit_test(test_azure_secrets_are_not_quoted),
      cmocka_unit_test(test_the_token_of_a_service_account),
      cmocka_unit_test(test_a_key_that_is_none_is_not_quoted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
