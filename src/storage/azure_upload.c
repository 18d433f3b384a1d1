/*
 * azure_upload.c - writing a blob: one Put Blob, or blocks and a Put Block List where it is long.
 *
 * Blocks that no list names are forgotten by the store within a week; nobody sees them. Their ids
 * hold the writer's, so that two writers of one name do not mix theirs. A blob that must be new is
 * written under the condition "If-None-Match: *".
 *
 * Source: Azure Storage documentation, "Put Blob", "Put Block", "Put Block List".
 */
#include "storage/azure_blob.h"
#include "storage/object_upload.h"
#include "text/base64.h"
#include "text/xml_reader.h"

enum { BLOCKS_MAX = 50000 };

/* Sends what makes the blob. */
static frz_status send_last(frz_object_upload *upload, frz_http_request *request, frz_str type,
                            frz_error *err)
{
  bool is_list = request->n_query != 0;
  const frz_http_pair headers[] = {
      {FRZ_STR("x-ms-meta-frazilwrite"), frz_str_from(upload->writer)},
      is_list
          ? (frz_http_pair){FRZ_STR("x-ms-blob-content-type"), FRZ_STR("application/octet-stream")}
          : (frz_http_pair){FRZ_STR("x-ms-blob-type"), FRZ_STR("BlockBlob")},
      {FRZ_STR("content-type"), type},
      {FRZ_STR("if-none-match"), FRZ_STR("*")}};
  request->headers = headers;
  request->n_headers = upload->must_be_new ? 4 : 3;
  frz_status st = frz_object_send(upload->object, request, 201, err);
  return frz_object_upload_settle(upload, request, st, err);
}

static frz_status put_blob(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  frz_buf text;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_http_request request = upload->object->ops->request(upload->object, "PUT", &text);
  request.body = bytes;
  frz_status st = send_last(upload, &request, FRZ_STR("application/octet-stream"), err);
  frz_buf_dispose(&text);
  return st;
}

static frz_status put_block(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  static const frz_http_pair type = {{"content-type", 12}, {"application/octet-stream", 24}};
  frz_arena *arena = &upload->object->arena;
  /* All ids of a blob have one length. */
  frz_str name = frz_arena_print(arena, "%s-%07d", upload->writer, (int)upload->n_parts);
  frz_str id = name.data != NULL ? frz_base64_print(name, arena) : name;
  if (id.data == NULL) return frz_fail_nomem(err, "Azure upload");
  const frz_http_pair query[] = {{FRZ_STR("comp"), FRZ_STR("block")}, {FRZ_STR("blockid"), id}};
  frz_buf text;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_http_request request = upload->object->ops->request(upload->object, "PUT", &text);
  request.query = query;
  request.n_query = 2;
  request.headers = &type;
  request.n_headers = 1;
  request.body = bytes;
  frz_status st = frz_object_send(upload->object, &request, 201, err);
  if (st == FRZ_OK) st = frz_buf_print(&upload->list, err, "<Latest>%s</Latest>", id.data);
  frz_buf_dispose(&text);
  return st;
}

static frz_status put_list(frz_object_upload *upload, frz_error *err)
{
  static const frz_http_pair query = {{"comp", 4}, {"blocklist", 9}};
  frz_buf text, body;
  frz_status st = FRZ_OK;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_buf_init(&body, upload->part.alloc, upload->list.max_bytes + 256);
  FRZ_TRY_OUT(frz_buf_append_str(&body, FRZ_STR("<?xml version=\"1.0\"?><BlockList>"), err));
  FRZ_TRY_OUT(frz_buf_append_str(&body, frz_buf_str(&upload->list), err));
  FRZ_TRY_OUT(frz_buf_append_str(&body, FRZ_STR("</BlockList>"), err));
  frz_http_request request = upload->object->ops->request(upload->object, "PUT", &text);
  request.query = &query;
  request.n_query = 1;
  request.body = frz_buf_str(&body);
  st = send_last(upload, &request, FRZ_STR("application/xml"), err);
out:
  frz_buf_dispose(&body);
  frz_buf_dispose(&text);
  return st;
}

static frz_status finish(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  upload->n_parts++;
  FRZ_TRY(put_block(upload, bytes, err));
  return put_list(upload, err);
}

frz_status frz_azure_create_blob(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                 frz_error *err)
{
  static const frz_object_upload_ops ops = {put_blob, put_block, finish, NULL, BLOCKS_MAX};
  frz_azure_uri parts;
  frz_object *blob;
  FRZ_TRY(frz_azure_uri_parse(uri, &parts, err));
  if (parts.key.size == 0 || frz_str_ends(parts.key, "/"))
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not the name of a blob", FRZ_STR_ARG(uri));
  FRZ_TRY(frz_azure_object_open(ctx, uri, &blob, err));
  return frz_object_upload_create(blob, &ops, must_be_new, sink_out, err);
}
