/*
 * gcs_upload.c - writing an object of Google Cloud Storage: one request with name and bytes, or a
 * resumable upload where it is long.
 *
 * A resumable upload is a session that the store names; the parts follow one another, and the last
 * makes the object. The store tells how much it has, after each part and when it is asked: what it
 * did not keep of a part is sent again, and nothing else. An object that must be new is written
 * under the condition that no generation of it lives (ifGenerationMatch=0).
 *
 * What must stay true: a session stands for the right to write, so its query goes only to the
 * server that the properties name, and into no message.
 *
 * Source: Google Cloud documentation, "Uploads and downloads", "Resumable uploads".
 */
#include <stdio.h>

#include "base/limits.h"
#include "storage/gcs_object.h"
#include "storage/object_upload.h"
#include "text/json_writer.h"

enum { PARTS_MAX = 100000, ENVELOPE_BYTES_MAX = 1 << 17, RESUME_INCOMPLETE = 308, IDLE_MAX = 5 };

/* What is known of the object beside its bytes. */
static frz_status append_about(const frz_object_upload *upload, frz_buf *out, frz_error *err)
{
  const frz_gcs_object *object = (const frz_gcs_object *)upload->object;
  frz_json_writer json;
  frz_json_writer_init(&json, out);
  frz_json_write_object_begin(&json);
  frz_json_write_string_member(&json, "name", object->name);
  frz_json_write_string_member(&json, "contentType", FRZ_STR("application/octet-stream"));
  frz_json_write_key(&json, "metadata");
  frz_json_write_object_begin(&json);
  frz_json_write_string_member(&json, "frazil-write", frz_str_from(upload->writer));
  frz_json_write_object_end(&json);
  frz_json_write_object_end(&json);
  return frz_json_writer_finish(&json, err);
}

/* ---- one request ---- */

/* The writer's id parts the two: it is random, and so not in the bytes. */
static frz_status append_envelope(const frz_object_upload *upload, frz_str bytes, frz_buf *out,
                                  frz_error *err)
{
  FRZ_TRY(frz_buf_print(out, err, "--%s\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n",
                        upload->writer));
  FRZ_TRY(append_about(upload, out, err));
  FRZ_TRY(frz_buf_print(out, err, "\r\n--%s\r\ncontent-type: application/octet-stream\r\n\r\n",
                        upload->writer));
  FRZ_TRY(frz_buf_append_str(out, bytes, err));
  return frz_buf_print(out, err, "\r\n--%s--\r\n", upload->writer);
}

/* A request that begins to write the object: its query says how, and on what condition. */
static frz_http_request upload_request(const frz_object_upload *upload, frz_http_pair query[2],
                                       const char *type, frz_buf *text)
{
  const frz_gcs_object *object = (const frz_gcs_object *)upload->object;
  query[0] = (frz_http_pair){FRZ_STR("uploadType"), frz_str_from(type)};
  query[1] = (frz_http_pair){FRZ_STR("ifGenerationMatch"), FRZ_STR("0")};
  frz_http_request request = upload->object->ops->request(upload->object, "POST", text);
  request.path = object->upload_path;
  request.query = query;
  request.n_query = upload->must_be_new ? 2 : 1;
  return request;
}

static frz_status put_object(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  char type[96];
  frz_http_pair query[2];
  frz_buf text, body;
  frz_status st = FRZ_OK;
  snprintf(type, sizeof type, "multipart/related; boundary=%s", upload->writer);
  const frz_http_pair header = {FRZ_STR("content-type"), frz_str_from(type)};
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_buf_init(&body, upload->part.alloc, bytes.size + ENVELOPE_BYTES_MAX);
  FRZ_TRY_OUT(append_envelope(upload, bytes, &body, err));
  frz_http_request request = upload_request(upload, query, "multipart", &text);
  request.headers = &header;
  request.n_headers = 1;
  request.body = frz_buf_str(&body);
  st = frz_object_upload_settle(upload, &request,
                                frz_object_send(upload->object, &request, 200, err), err);
out:
  frz_buf_dispose(&body);
  frz_buf_dispose(&text);
  return st;
}

/* ---- a session ---- */

/* A session's URL in parts; FRZ_ERR_CORRUPT: it is of another server. */
static frz_status keep_session(frz_object_upload *upload, frz_str location, frz_error *err)
{
  frz_gcs_object *object = (frz_gcs_object *)upload->object;
  frz_arena *arena = &object->base.arena;
  frz_str origin = object->origin;
  const char *mark = location.size != 0 ? memchr(location.data, '?', location.size) : NULL;
  bool is_own = location.size > origin.size && location.data[origin.size] == '/' &&
                frz_str_equal((frz_str){location.data, origin.size}, origin);
  if (!is_own || mark == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "POST %.*s: the store names no session on %.*s for the upload",
                    FRZ_STR_ARG(object->base.uri), FRZ_STR_ARG(origin));
  size_t n_url = (size_t)(mark - location.data);
  frz_str path = {location.data + origin.size, n_url - origin.size};
  frz_str query = {mark + 1, location.size - n_url - 1};
  object->session_path = frz_arena_copy(arena, path);
  object->session_query = frz_arena_copy(arena, query);
  upload->session = object->session_query;
  if (object->session_path.data == NULL || object->session_query.data == NULL)
    return frz_fail_nomem(err, "GCS upload");
  return FRZ_OK;
}

static frz_status begin_session(frz_object_upload *upload, frz_error *err)
{
  static const frz_http_pair type = {{"content-type", 12}, {"application/json; charset=UTF-8", 31}};
  frz_http_pair query[2];
  frz_buf text, about, location;
  frz_status st = FRZ_OK;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_buf_init(&about, upload->part.alloc, ENVELOPE_BYTES_MAX);
  frz_buf_init(&location, upload->part.alloc, FRZ_LIMIT_PATH_BYTES);
  FRZ_TRY_OUT(append_about(upload, &about, err));
  frz_http_request request = upload_request(upload, query, "resumable", &text);
  request.headers = &type;
  request.n_headers = 1;
  request.body = frz_buf_str(&about);
  request.location = &location;
  FRZ_TRY_OUT(frz_object_send(upload->object, &request, 200, err));
  FRZ_TRY_OUT(keep_session(upload, frz_buf_str(&location), err));
out:
  frz_buf_dispose(&location);
  frz_buf_dispose(&about);
  frz_buf_dispose(&text);
  return st;
}

/* A request on the session. */
static frz_http_request session_request(const frz_object_upload *upload, const char *method,
                                        const frz_http_pair *content_range, frz_buf *text)
{
  const frz_gcs_object *object = (const frz_gcs_object *)upload->object;
  frz_http_request request = upload->object->ops->request(upload->object, method, text);
  request.path = object->session_path;
  request.headers = content_range;
  request.n_headers = content_range != NULL;
  return request;
}

/* What an answer says: how far the store has the object, or (`made_out`) that it is made. */
static frz_status read_progress(frz_object_upload *upload, const frz_http_request *request,
                                int64_t *kept_out, bool *made_out, frz_error *err)
{
  int32_t status = request->answer.status;
  if (status == RESUME_INCOMPLETE) {
    *kept_out = request->answer.kept_bytes > 0 ? request->answer.kept_bytes : 0;
    return FRZ_OK;
  }
  frz_status st = FRZ_OK;
  if (status != 200 && status != 201) st = upload->object->ops->fail(upload->object, request, err);
  st = frz_object_upload_settle(upload, request, st, err);
  if (st == FRZ_OK) *made_out = true;
  return st;
}

/* How far the store has it, when nobody heard what became of a part. */
static frz_status ask_progress(frz_object_upload *upload, int64_t *kept_out, bool *made_out,
                               frz_error *err)
{
  static const frz_http_pair header = {{"content-range", 13}, {"bytes */*", 9}};
  frz_buf text;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_http_request request = session_request(upload, "PUT", &header, &text);
  frz_status st = frz_http_send(upload->object->store->http, &request, 1, err);
  if (st == FRZ_OK) st = read_progress(upload, &request, kept_out, made_out, err);
  frz_buf_dispose(&text);
  return st;
}

/* Sends bytes that begin at an offset of the object. They are not sent again unasked: what the
 * store has of them is found out first. */
static frz_status send_range(frz_object_upload *upload, frz_str bytes, int64_t offset, bool is_last,
                             int64_t *kept_out, bool *made_out, frz_error *err)
{
  char range[96], total[24] = "*";
  long long end = (long long)offset + (long long)bytes.size;
  if (is_last) snprintf(total, sizeof total, "%lld", end);
  snprintf(range, sizeof range, "bytes %lld-%lld/%s", (long long)offset, end - 1, total);
  const frz_http_pair header = {FRZ_STR("content-range"), frz_str_from(range)};
  frz_buf text;
  frz_buf_init(&text, upload->part.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
  frz_http_request request = session_request(upload, "PUT", &header, &text);
  request.body = bytes;
  request.may_repeat = false;
  frz_status st = frz_http_send(upload->object->store->http, &request, 1, err);
  bool is_unknown = st == FRZ_ERR_IO || st == FRZ_ERR_TIMEOUT ||
                    (st == FRZ_OK && frz_http_status_is_transient(request.answer.status));
  if (is_unknown)
    st = ask_progress(upload, kept_out, made_out, err);
  else if (st == FRZ_OK)
    st = read_progress(upload, &request, kept_out, made_out, err);
  frz_buf_dispose(&text);
  return st;
}

/* A store that keeps nothing of what it is sent is given up. */
static frz_status send_bytes(frz_object_upload *upload, frz_str bytes, bool is_last, frz_error *err)
{
  int64_t start = upload->sent_bytes, end = start + (int64_t)bytes.size, kept = start;
  int n_idle = 0;
  bool is_made = false;
  while (!is_made && (kept < end || is_last)) {
    size_t done = (size_t)(kept - start);
    int64_t before = kept;
    FRZ_TRY(send_range(upload, (frz_str){bytes.data + done, bytes.size - done}, kept, is_last,
                       &kept, &is_made, err));
    n_idle = kept > before ? 0 : n_idle + 1;
    bool is_sound = is_made ? is_last : kept >= start && (is_last ? kept < end : kept <= end);
    if (!is_sound || n_idle > IDLE_MAX)
      return frz_fail(err, FRZ_ERR_IO, "PUT %.*s: of %lld bytes the store has %lld",
                      FRZ_STR_ARG(upload->object->uri), (long long)end, (long long)kept);
  }
  return FRZ_OK;
}

static frz_status send_part(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  if (upload->session.size == 0) FRZ_TRY(begin_session(upload, err));
  return send_bytes(upload, bytes, false, err);
}

static frz_status finish(frz_object_upload *upload, frz_str bytes, frz_error *err)
{
  return send_bytes(upload, bytes, true, err);
}

static void abort_session(frz_object_upload *upload)
{
  if (upload->session.size == 0) return;
  frz_http_request request = session_request(upload, "DELETE", NULL, NULL);
  /* Best effort: the store forgets a session after a week. */
  frz_status st = frz_http_send(upload->object->store->http, &request, 1, NULL);
  (void)st;
}

frz_status frz_gcs_create_object(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                 frz_error *err)
{
  static const frz_object_upload_ops ops = {put_object, send_part, finish, abort_session,
                                            PARTS_MAX};
  frz_object *object;
  FRZ_TRY(frz_gcs_object_open(ctx, uri, &object, err));
  frz_str name = ((const frz_gcs_object *)object)->name;
  if (name.size == 0 || frz_str_ends(name, "/")) {
    frz_object_free(object);
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not the name of an object", FRZ_STR_ARG(uri));
  }
  return frz_object_upload_create(object, &ops, must_be_new, sink_out, err);
}
