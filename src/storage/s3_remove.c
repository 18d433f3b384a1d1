/*
 * s3_remove.c - S3 objects deleted: one, or up to a thousand with one request.
 *
 * The objects of a bucket go into one DeleteObjects. Its answer lists only those that stayed; they
 * are left to a request of their own each, which says in its error why. So is every object where a
 * store does not offer the call, and a name that XML cannot write.
 *
 * What must stay true: an object is marked as gone only by an answer that was read to its end.
 *
 * Source: Amazon S3 API Reference, "DeleteObject", "DeleteObjects".
 */
#include <openssl/evp.h>
#include <stdlib.h>

#include "storage/s3_storage.h"
#include "text/base64.h"
#include "text/xml_reader.h"

enum {
  BODY_BYTES_MAX = 32 << 20, /* a thousand names of 1,024 bytes, each escaped to six times that */
  ANSWER_BYTES_MAX = 32 << 20,
  MD5_BYTES = 16
};

frz_status frz_s3_remove_object(void *ctx, frz_str uri, frz_error *err)
{
  frz_object *object;
  FRZ_TRY(frz_s3_object_open(ctx, uri, &object, err));
  frz_status st = frz_object_remove(object, err);
  frz_object_free(object);
  return st;
}

/* ---- many ---- */

/* Objects of one bucket. */
typedef struct batch {
  frz_object *bucket;
  const frz_str *uris;
  size_t n;
  bool *gone;
} batch;

/* The key of a name that one request may delete with others; size 0: it may not. XML has no control
 * characters, and a reader takes some for spaces. */
static frz_str key_of(frz_str uri)
{
  frz_str bucket, key;
  if (frz_s3_uri_parse(uri, &bucket, &key, NULL) != FRZ_OK) return (frz_str){0};
  for (size_t i = 0; i < key.size; i++)
    if ((unsigned char)key.data[i] < ' ' || key.data[i] == 0x7f) return (frz_str){0};
  return key;
}

static frz_status append_keys(batch *b, frz_buf *body, size_t *n_out, frz_error *err)
{
  *n_out = 0;
  FRZ_TRY(frz_buf_append_str(body, FRZ_STR("<Delete><Quiet>true</Quiet>"), err));
  for (size_t i = 0; i < b->n; i++) {
    frz_str key = key_of(b->uris[i]);
    if (key.size == 0) continue;
    ++*n_out;
    FRZ_TRY(frz_buf_append_str(body, FRZ_STR("<Object><Key>"), err));
    FRZ_TRY(frz_xml_append_text(body, key, err));
    FRZ_TRY(frz_buf_append_str(body, FRZ_STR("</Key></Object>"), err));
  }
  return frz_buf_append_str(body, FRZ_STR("</Delete>"), err);
}

static int compare_texts(const void *a, const void *b)
{
  return frz_str_compare(*(const frz_str *)a, *(const frz_str *)b);
}

/* The keys that the answer calls errors, sorted, in the arena. */
static frz_status read_stayed(frz_str answer, size_t n_max, frz_arena *arena, frz_str **keys_out,
                              size_t *n_out, frz_error *err)
{
  frz_xml_reader xml;
  frz_xml_event event;
  frz_str key = {0};
  size_t n = 0;
  frz_str *keys = frz_arena_array(arena, n_max, sizeof *keys);
  if (keys == NULL) return frz_fail_nomem(err, "S3 answer");
  frz_xml_reader_init(&xml, answer.data, answer.size, arena);
  for (;;) {
    FRZ_TRY(frz_xml_next(&xml, &event, err));
    if (event.kind == FRZ_XML_DONE) break;
    if (event.kind == FRZ_XML_BEGIN) continue;
    if (event.depth == 1 && !frz_str_is(event.name, "DeleteResult"))
      return frz_fail(err, FRZ_ERR_CORRUPT, "the answer is a '%.*s'", FRZ_STR_ARG(event.name));
    if (event.depth == 3 && frz_str_is(event.name, "Key")) key = event.text;
    if (event.depth != 2 || !frz_str_is(event.name, "Error")) continue;
    if (n == n_max)
      return frz_fail(err, FRZ_ERR_CORRUPT, "the answer holds more errors than there were keys");
    keys[n++] = key;
  }
  qsort(keys, n, sizeof *keys, compare_texts);
  *keys_out = keys;
  *n_out = n;
  return FRZ_OK;
}

static frz_status mark_gone(batch *b, frz_str answer, frz_error *err)
{
  frz_arena arena;
  frz_str *stayed;
  size_t n;
  frz_arena_init(&arena, b->bucket->store->alloc, ANSWER_BYTES_MAX);
  frz_status st = read_stayed(answer, b->n, &arena, &stayed, &n, err);
  for (size_t i = 0; i < b->n && st == FRZ_OK; i++) {
    frz_str key = key_of(b->uris[i]);
    bool was_sent = key.size != 0;
    b->gone[i] = was_sent && bsearch(&key, stayed, n, sizeof key, compare_texts) == NULL;
  }
  frz_arena_free(&arena);
  return st;
}

/* Does the store say that it has no such call? The objects are removed one by one then. */
static bool is_not_offered(const frz_http_answer *answer)
{
  return answer->status == 400 || answer->status == 405 || answer->status == 501;
}

static frz_status send_keys(batch *b, frz_str body, frz_str md5, frz_error *err)
{
  const frz_http_pair query = {FRZ_STR("delete"), FRZ_STR("")};
  const frz_http_pair headers[] = {{FRZ_STR("content-md5"), md5},
                                   {FRZ_STR("content-type"), FRZ_STR("application/xml")}};
  frz_buf answer;
  frz_buf_init(&answer, b->bucket->store->alloc, ANSWER_BYTES_MAX);
  frz_http_request request = b->bucket->ops->request(b->bucket, "POST", &answer);
  request.query = &query;
  request.n_query = 1;
  request.headers = headers;
  request.n_headers = 2;
  request.body = body;
  frz_status st = frz_http_send(b->bucket->store->http, &request, 1, err);
  if (st == FRZ_OK && request.answer.status == 200)
    st = mark_gone(b, frz_buf_str(&answer), err);
  else if (st == FRZ_OK && !is_not_offered(&request.answer))
    st = b->bucket->ops->fail(b->bucket, &request, err);
  frz_buf_dispose(&answer);
  return st;
}

static frz_status remove_batch(batch *b, frz_error *err)
{
  unsigned char digest[MD5_BYTES];
  size_t n_keys;
  frz_buf body;
  frz_status st = FRZ_OK;
  frz_buf_init(&body, b->bucket->store->alloc, BODY_BYTES_MAX);
  FRZ_TRY_OUT(append_keys(b, &body, &n_keys, err));
  /* Where OpenSSL refuses MD5, which this call demands, nothing is marked. */
  if (n_keys == 0 || EVP_Digest(body.data, body.size, digest, NULL, EVP_md5(), NULL) != 1) goto out;
  frz_str md5 = frz_base64_print((frz_str){(char *)digest, MD5_BYTES}, &b->bucket->arena);
  if (md5.data == NULL)
    st = frz_fail_nomem(err, "S3 request");
  else
    st = send_keys(b, frz_buf_str(&body), md5, err);
out:
  frz_buf_dispose(&body);
  return st;
}

static bool is_in_bucket(frz_str uri, frz_str bucket)
{
  frz_str other, key;
  return frz_s3_uri_parse(uri, &other, &key, NULL) == FRZ_OK && frz_str_equal(other, bucket);
}

frz_status frz_s3_remove_objects(void *ctx, const frz_str *uris, size_t n_uris, bool *gone,
                                 frz_error *err)
{
  for (size_t first = 0, n; first < n_uris; first += n) {
    batch b = {.uris = uris + first, .gone = gone + first};
    n = 1;
    frz_status st = frz_s3_object_open(ctx, uris[first], &b.bucket, err);
    if (st == FRZ_ERR_NOMEM) return st;
    if (st != FRZ_OK) continue; /* what is wrong with a name is said by a request of its own */
    frz_s3_target *target = (frz_s3_target *)b.bucket;
    while (first + n < n_uris && is_in_bucket(uris[first + n], target->bucket)) n++;
    b.n = n;
    target->path = frz_s3_bucket_path(target);
    if (n > 1) st = remove_batch(&b, err);
    frz_object_free(b.bucket);
    FRZ_TRY(st);
  }
  return FRZ_OK;
}
