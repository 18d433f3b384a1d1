/*
 * s3_upload.c - writing an S3 object: one PUT, or a multipart upload where it is long.
 *
 * Bytes are gathered until a part is full. An object of less than a part is sent with one PUT at
 * commit; otherwise parts go as they fill, and commit joins them. Nothing is visible under the name
 * before; a sink that ends without commit aborts its upload, so that no parts stay behind.
 *
 * An object that must be new is written under the condition "If-None-Match: *". Where an answer was
 * lost and the next attempt finds the name taken (or the upload gone), the object itself is asked
 * who wrote it: each carries the random id of its writer as user metadata.
 *
 * What must stay true: a write that failed is never committed; "exists" is only said of an object
 * that another writer made.
 */
#include <stdio.h>

#include "base/limits.h"
#include "base/os.h"
#include "storage/s3_storage.h"
#include "text/xml_reader.h"

enum {
  PART_BYTES = 8 << 20,
  PARTS_MAX = 10000,       /* S3's limit */
  PARTS_A_SIZE = 1000,     /* after so many parts their size doubles: 10,000 hold 8 TB */
  LIST_BYTES_MAX = 4 << 20 /* ETags of the parts, and the text that joins them */
};

static const char writer_header[] = "x-amz-meta-frazil-write";

typedef struct s3_sink {
  frz_sink base;
  frz_s3 *s3;
  frz_s3_target target;
  frz_buf part;  /* bytes that are not sent yet */
  frz_buf parts; /* "<Part>...</Part>" of those that are */
  int32_t n_parts;
  frz_str upload_id; /* size 0: no upload was begun */
  bool must_be_new;
  bool is_done; /* committed, or committing began: nothing more is written */
  bool failed;
  char writer[37]; /* who writes: a random UUID */
} s3_sink;

static size_t part_bytes(const s3_sink *sink)
{
  return (size_t)PART_BYTES << (sink->n_parts / PARTS_A_SIZE);
}

/* ---- requests ---- */

/* Sends, and tells other answers than 200 as errors. */
static frz_status send_one(s3_sink *sink, frz_http_request *request, frz_error *err)
{
  FRZ_TRY(frz_s3_send(&sink->target, request, 1, err));
  return request->answer.status == 200 ? FRZ_OK : frz_s3_fail(&sink->target, request, err);
}

/* Is the object under the name the one that this sink wrote? */
static bool is_ours(s3_sink *sink)
{
  frz_http_request request = frz_s3_request(&sink->target, "HEAD", NULL);
  return frz_s3_send(&sink->target, &request, 1, NULL) == FRZ_OK && request.answer.status == 200 &&
         strcmp(request.answer.writer, sink->writer) == 0;
}

/* After a request that makes the object was refused: an attempt before it, of which nobody heard,
 * may have made it. (curl repeats some on its own, so this is not told by counting.) */
static frz_status settle(s3_sink *sink, const frz_http_request *request, frz_status st)
{
  bool is_refused = request->answer.status == 412 || request->answer.status == 404 ||
                    request->answer.status == 409;
  return st != FRZ_OK && is_refused && is_ours(sink) ? FRZ_OK : st;
}

static frz_status put_whole(s3_sink *sink, frz_error *err)
{
  const frz_http_pair headers[] = {{frz_str_from(writer_header), frz_str_from(sink->writer)},
                                   {FRZ_STR("content-type"), FRZ_STR("application/octet-stream")},
                                   {FRZ_STR("if-none-match"), FRZ_STR("*")}};
  frz_buf text;
  frz_buf_init(&text, frz_s3_alloc(sink->s3), FRZ_S3_ERROR_BYTES_MAX);
  frz_http_request request = frz_s3_request(&sink->target, "PUT", &text);
  request.headers = headers;
  request.n_headers = sink->must_be_new ? 3 : 2;
  request.body = frz_buf_str(&sink->part);
  frz_status st = settle(sink, &request, send_one(sink, &request, err));
  frz_buf_dispose(&text);
  return st;
}

static frz_status begin_upload(s3_sink *sink, frz_error *err)
{
  static const frz_http_pair query = {{"uploads", 7}, {"", 0}};
  const frz_http_pair headers[] = {{frz_str_from(writer_header), frz_str_from(sink->writer)},
                                   {FRZ_STR("content-type"), FRZ_STR("application/octet-stream")}};
  frz_buf text;
  frz_buf_init(&text, frz_s3_alloc(sink->s3), FRZ_S3_ERROR_BYTES_MAX);
  frz_http_request request = frz_s3_request(&sink->target, "POST", &text);
  request.query = &query;
  request.n_query = 1;
  request.headers = headers;
  request.n_headers = 2;
  frz_status st = send_one(sink, &request, err);
  if (st == FRZ_OK) {
    frz_str id = frz_xml_find(frz_buf_str(&text), "UploadId", &sink->target.arena);
    if (id.size == 0)
      st = frz_fail(err, FRZ_ERR_CORRUPT, "POST %.*s?uploads: the answer holds no UploadId",
                    FRZ_STR_ARG(sink->target.uri));
    else
      sink->upload_id = frz_arena_copy(&sink->target.arena, id);
    if (st == FRZ_OK && sink->upload_id.data == NULL) st = frz_fail_nomem(err, "S3 upload");
  }
  frz_buf_dispose(&text);
  return st;
}

static frz_status note_part(s3_sink *sink, const char *etag, frz_error *err)
{
  if (etag[0] == '\0')
    return frz_fail(err, FRZ_ERR_CORRUPT, "PUT %.*s: part %d was answered without an ETag",
                    FRZ_STR_ARG(sink->target.uri), (int)sink->n_parts);
  FRZ_TRY(frz_buf_print(&sink->parts, err, "<Part><PartNumber>%d</PartNumber><ETag>",
                        (int)sink->n_parts));
  FRZ_TRY(frz_xml_append_text(&sink->parts, frz_str_from(etag), err));
  return frz_buf_append_str(&sink->parts, FRZ_STR("</ETag></Part>"), err);
}

static frz_status send_part(s3_sink *sink, frz_error *err)
{
  if (sink->upload_id.size == 0) FRZ_TRY(begin_upload(sink, err));
  if (sink->n_parts == PARTS_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "%.*s: an upload has at most %d parts",
                    FRZ_STR_ARG(sink->target.uri), PARTS_MAX);
  char number[16];
  snprintf(number, sizeof number, "%d", (int)++sink->n_parts);
  const frz_http_pair query[] = {{FRZ_STR("partNumber"), frz_str_from(number)},
                                 {FRZ_STR("uploadId"), sink->upload_id}};
  frz_buf text;
  frz_buf_init(&text, frz_s3_alloc(sink->s3), FRZ_S3_ERROR_BYTES_MAX);
  frz_http_request request = frz_s3_request(&sink->target, "PUT", &text);
  request.query = query;
  request.n_query = 2;
  request.body = frz_buf_str(&sink->part);
  frz_status st = send_one(sink, &request, err);
  if (st == FRZ_OK) st = note_part(sink, request.answer.etag, err);
  frz_buf_dispose(&text);
  sink->part.size = 0;
  return st;
}

/* A failure may come after the status 200, as an Error in the body. */
static frz_status check_joined(s3_sink *sink, const frz_http_request *request, frz_error *err)
{
  frz_str code = frz_xml_find(frz_buf_str(request->text), "Code", &sink->target.arena);
  if (code.size == 0) return FRZ_OK;
  return frz_s3_fail(&sink->target, request, err);
}

static frz_status join_parts(s3_sink *sink, frz_error *err)
{
  const frz_http_pair query = {FRZ_STR("uploadId"), sink->upload_id};
  const frz_http_pair headers[] = {{FRZ_STR("content-type"), FRZ_STR("application/xml")},
                                   {FRZ_STR("if-none-match"), FRZ_STR("*")}};
  frz_buf text, body;
  frz_status st = FRZ_OK;
  frz_buf_init(&text, frz_s3_alloc(sink->s3), FRZ_S3_ERROR_BYTES_MAX);
  frz_buf_init(&body, frz_s3_alloc(sink->s3), LIST_BYTES_MAX);
  FRZ_TRY_OUT(frz_buf_append_str(&body, FRZ_STR("<CompleteMultipartUpload>"), err));
  FRZ_TRY_OUT(frz_buf_append_str(&body, frz_buf_str(&sink->parts), err));
  FRZ_TRY_OUT(frz_buf_append_str(&body, FRZ_STR("</CompleteMultipartUpload>"), err));
  frz_http_request request = frz_s3_request(&sink->target, "POST", &text);
  request.query = &query;
  request.n_query = 1;
  request.headers = headers;
  request.n_headers = sink->must_be_new ? 2 : 1;
  request.body = frz_buf_str(&body);
  st = send_one(sink, &request, err);
  if (st == FRZ_OK) st = check_joined(sink, &request, err);
  st = settle(sink, &request, st);
out:
  frz_buf_dispose(&body);
  frz_buf_dispose(&text);
  return st;
}

static void abort_upload(s3_sink *sink)
{
  const frz_http_pair query = {FRZ_STR("uploadId"), sink->upload_id};
  frz_http_request request = frz_s3_request(&sink->target, "DELETE", NULL);
  request.query = &query;
  request.n_query = 1;
  /* Best effort: a store's own rules remove what is left of abandoned uploads. */
  frz_status st = frz_s3_send(&sink->target, &request, 1, NULL);
  (void)st;
}

/* ---- the sink ---- */

static frz_status check_usable(const s3_sink *sink, const char *what, frz_error *err)
{
  if (sink->failed)
    return frz_fail(err, FRZ_ERR_IO, "%s %.*s: an earlier write was lost", what,
                    FRZ_STR_ARG(sink->target.uri));
  if (sink->is_done)
    return frz_fail(err, FRZ_ERR_INVALID, "%s %.*s: already committed", what,
                    FRZ_STR_ARG(sink->target.uri));
  return FRZ_OK;
}

static frz_status s3_write(frz_sink *base, const void *data, size_t size, frz_error *err)
{
  s3_sink *sink = (s3_sink *)base;
  const uint8_t *bytes = data;
  FRZ_TRY(check_usable(sink, "write", err));
  sink->failed = true; /* until all of it is done */
  for (size_t left = size; left != 0;) {
    size_t limit = part_bytes(sink);
    sink->part.max_bytes = limit;
    if (sink->part.size == limit) {
      FRZ_TRY(send_part(sink, err));
      continue;
    }
    size_t n = limit - sink->part.size < left ? limit - sink->part.size : left;
    FRZ_TRY(frz_buf_append(&sink->part, bytes, n, err));
    bytes += n;
    left -= n;
  }
  sink->failed = false;
  sink->base.written_bytes += (int64_t)size;
  return FRZ_OK;
}

static frz_status s3_commit(frz_sink *base, frz_error *err)
{
  s3_sink *sink = (s3_sink *)base;
  FRZ_TRY(check_usable(sink, "commit", err));
  sink->failed = true;
  if (sink->upload_id.size == 0) {
    FRZ_TRY(put_whole(sink, err));
  } else {
    if (sink->part.size != 0) FRZ_TRY(send_part(sink, err));
    FRZ_TRY(join_parts(sink, err));
  }
  sink->failed = false;
  sink->is_done = true;
  return FRZ_OK;
}

static void s3_sink_free(frz_sink *base)
{
  s3_sink *sink = (s3_sink *)base;
  frz_s3 *s3 = sink->s3;
  if (!sink->is_done && sink->upload_id.size != 0) abort_upload(sink);
  frz_buf_dispose(&sink->part);
  frz_buf_dispose(&sink->parts);
  frz_s3_target_close(&sink->target);
  frz_alloc_free(frz_s3_alloc(s3), sink, sizeof *sink);
  frz_s3_release(s3);
}

frz_status frz_s3_create_object(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                frz_error *err)
{
  frz_s3 *s3 = ctx;
  s3_sink *sink = frz_alloc_zeroed(frz_s3_alloc(s3), sizeof *sink);
  if (sink == NULL) return frz_fail_nomem(err, "S3 object");
  sink->s3 = frz_s3_retain(s3);
  sink->must_be_new = must_be_new;
  sink->base.write = s3_write;
  sink->base.commit = s3_commit;
  sink->base.free = s3_sink_free;
  frz_buf_init(&sink->part, frz_s3_alloc(s3), PART_BYTES);
  frz_buf_init(&sink->parts, frz_s3_alloc(s3), LIST_BYTES_MAX);
  frz_status st = frz_s3_target_open(s3, uri, &sink->target, err);
  if (st == FRZ_OK && (sink->target.key.size == 0 || frz_str_ends(sink->target.key, "/")))
    st = frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not the name of an object", FRZ_STR_ARG(uri));
  if (st == FRZ_OK) st = frz_os_uuid(sink->writer, err);
  if (st == FRZ_OK)
    *sink_out = &sink->base;
  else
    s3_sink_free(&sink->base);
  return st;
}
