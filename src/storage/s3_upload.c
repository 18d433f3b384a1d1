/*
 * s3_upload.c - writing an S3 object: one PUT, or a multipart upload where it is long.
 *
 * An object that must be new is written under the condition "If-None-Match: *".
 *
 * Source: Amazon S3 API Reference, "PutObject", "CreateMultipartUpload", "UploadPart",
 * "CompleteMultipartUpload", "AbortMultipartUpload".
 */
#include <stdio.h>

#include "storage/object_upload.h"
#include "storage/s3_storage.h"
#include "text/xml_reader.h"

static const char writer_header[] = "x-amz-meta-frazil-write";

static frz_status put_whole(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  const frz_http_pair headers[] = {{frz_str_from(writer_header), frz_str_from(upload->writer)},
                                   {FRZ_STR("content-type"), FRZ_STR("application/octet-stream")},
                                   {FRZ_STR("if-none-match"), FRZ_STR("*")}};
  frz_buf text;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_http_request request = upload->object->ops->request(upload->object, "PUT", &text);
  request.headers = headers;
  request.n_headers = upload->must_be_new ? 3 : 2;
  request.body = bytes;
  frz_status st = frz_object_upload_settle(
      upload, &request, frz_object_send(upload->object, &request, 200, err), err);
  frz_buf_dispose(&text);
  return st;
}

static frz_status begin_upload(frz_object_upload *upload, frz_error *err)
{
  static const frz_http_pair query = {{"uploads", 7}, {"", 0}};
  const frz_http_pair headers[] = {{frz_str_from(writer_header), frz_str_from(upload->writer)},
                                   {FRZ_STR("content-type"), FRZ_STR("application/octet-stream")}};
  frz_buf text;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_http_request request = upload->object->ops->request(upload->object, "POST", &text);
  request.query = &query;
  request.n_query = 1;
  request.headers = headers;
  request.n_headers = 2;
  frz_status st = frz_object_send(upload->object, &request, 200, err);
  if (st == FRZ_OK) {
    frz_str id = frz_xml_find(frz_buf_str(&text), "UploadId", &upload->object->arena);
    if (id.size == 0)
      st = frz_fail(err, FRZ_ERR_CORRUPT, "POST %.*s?uploads: the answer holds no UploadId",
                    FRZ_STR_ARG(upload->object->uri));
    else
      upload->session = frz_arena_copy(&upload->object->arena, id);
    if (st == FRZ_OK && upload->session.data == NULL) st = frz_fail_nomem(err, "S3 upload");
  }
  frz_buf_dispose(&text);
  return st;
}

static frz_status note_part(frz_object_upload *upload, const char *etag, frz_error *err)
{
  if (etag[0] == '\0')
    return frz_fail(err, FRZ_ERR_CORRUPT, "PUT %.*s: part %d was answered without an ETag",
                    FRZ_STR_ARG(upload->object->uri), (int)upload->n_parts);
  FRZ_TRY(frz_buf_print(&upload->list, err, "<Part><PartNumber>%d</PartNumber><ETag>",
                        (int)upload->n_parts));
  FRZ_TRY(frz_xml_append_text(&upload->list, frz_str_from(etag), err));
  return frz_buf_append_str(&upload->list, FRZ_STR("</ETag></Part>"), err);
}

static frz_status send_part(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  if (upload->session.size == 0) FRZ_TRY(begin_upload(upload, err));
  char number[16];
  snprintf(number, sizeof number, "%d", (int)upload->n_parts);
  const frz_http_pair query[] = {{FRZ_STR("partNumber"), frz_str_from(number)},
                                 {FRZ_STR("uploadId"), upload->session}};
  frz_buf text;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_http_request request = upload->object->ops->request(upload->object, "PUT", &text);
  request.query = query;
  request.n_query = 2;
  request.body = bytes;
  frz_status st = frz_object_send(upload->object, &request, 200, err);
  if (st == FRZ_OK) st = note_part(upload, request.answer.etag, err);
  frz_buf_dispose(&text);
  return st;
}

/* A failure may come after the status 200, as an Error in the body. */
static frz_status check_joined(frz_object_upload *upload, const frz_http_request *request,
                               frz_error *err)
{
  frz_str code = frz_xml_find(frz_buf_str(request->text), "Code", &upload->object->arena);
  if (code.size == 0) return FRZ_OK;
  return upload->object->ops->fail(upload->object, request, err);
}

static frz_status join_parts(frz_object_upload *upload, frz_error *err)
{
  const frz_http_pair query = {FRZ_STR("uploadId"), upload->session};
  const frz_http_pair headers[] = {{FRZ_STR("content-type"), FRZ_STR("application/xml")},
                                   {FRZ_STR("if-none-match"), FRZ_STR("*")}};
  frz_buf text, body;
  frz_status st = FRZ_OK;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_buf_init(&body, upload->part.alloc, upload->list.max_bytes + 256);
  FRZ_TRY_OUT(frz_buf_append_str(&body, FRZ_STR("<CompleteMultipartUpload>"), err));
  FRZ_TRY_OUT(frz_buf_append_str(&body, frz_buf_str(&upload->list), err));
  FRZ_TRY_OUT(frz_buf_append_str(&body, FRZ_STR("</CompleteMultipartUpload>"), err));
  frz_http_request request = upload->object->ops->request(upload->object, "POST", &text);
  request.query = &query;
  request.n_query = 1;
  request.headers = headers;
  request.n_headers = upload->must_be_new ? 2 : 1;
  request.body = frz_buf_str(&body);
  st = frz_object_send(upload->object, &request, 200, err);
  if (st == FRZ_OK) st = check_joined(upload, &request, err);
  st = frz_object_upload_settle(upload, &request, st, err);
out:
  frz_buf_dispose(&body);
  frz_buf_dispose(&text);
  return st;
}

static frz_status finish(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  upload->n_parts++;
  FRZ_TRY(send_part(upload, bytes, err));
  return join_parts(upload, err);
}

static void abort_upload(frz_object_upload *upload)
{
  if (upload->session.size == 0) return;
  const frz_http_pair query = {FRZ_STR("uploadId"), upload->session};
  frz_http_request request = upload->object->ops->request(upload->object, "DELETE", NULL);
  request.query = &query;
  request.n_query = 1;
  /* Best effort: a store's own rules remove what is left of abandoned uploads. */
  frz_status st = frz_http_send(upload->object->store->http, &request, 1, NULL);
  (void)st;
}

frz_status frz_s3_create_object(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                frz_error *err)
{
  static const frz_object_upload_ops ops = {put_whole, send_part, finish, abort_upload, 10000};
  frz_object *object;
  FRZ_TRY(frz_s3_object_open(ctx, uri, &object, err));
  frz_str key = ((const frz_s3_target *)object)->key;
  if (key.size == 0 || frz_str_ends(key, "/")) {
    frz_object_free(object);
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not the name of an object", FRZ_STR_ARG(uri));
  }
  return frz_object_upload_create(object, &ops, must_be_new, sink_out, err);
}
