/*
 * object_upload.c - see object_upload.h.
 *
 * Bytes are gathered until a part is full. An object of less than a part is sent with one request
 * at commit; otherwise parts go as they fill, and commit joins them. Nothing is visible under the
 * name before; an upload that ends without commit is aborted, so that no parts stay behind.
 *
 * An object that must be new is written under a condition. Where an answer was lost and the next
 * attempt finds the name taken (or the upload gone), the object itself is asked who wrote it: each
 * carries the random id of its writer as user metadata.
 *
 * What must stay true: a write that failed is never committed; "exists" is only said of an object
 * that another writer made.
 */
#include "storage/object_upload.h"

#include "base/os.h"

enum {
  PART_BYTES = 8 << 20,
  PARTS_A_SIZE = 1000,      /* after so many parts their size doubles: 10,000 hold 8 TB */
  LIST_BYTES_MAX = 16 << 20 /* what names 50,000 parts */
};

static size_t part_bytes(const frz_object_upload *upload)
{
  int32_t doublings = upload->n_parts / PARTS_A_SIZE;
  return (size_t)PART_BYTES << (doublings < 9 ? doublings : 9); /* 4 GB: Azure's longest */
}

frz_status frz_object_upload_settle(frz_object_upload *upload, const frz_http_request *request,
                                    frz_status st, frz_error *err)
{
  /* curl repeats some requests on its own, so a lost answer is not told by counting. */
  int32_t status = request->answer.status;
  if (st == FRZ_OK || (status != 412 && status != 404 && status != 409 && status != 410)) return st;
  frz_http_answer found;
  frz_error why;
  frz_status asked = frz_object_ask(upload->object, &found, &why);
  if (asked == FRZ_OK && strcmp(found.writer, upload->writer) == 0) return FRZ_OK;
  if (st != FRZ_ERR_EXISTS || asked == FRZ_OK || asked == FRZ_ERR_NOT_FOUND) return st;
  if (err != NULL) *err = why;
  frz_error_where(err, "the name is taken, whether by this write is not known: ");
  return asked;
}

static frz_status check_usable(const frz_object_upload *upload, const char *what, frz_error *err)
{
  if (upload->failed)
    return frz_fail(err, FRZ_ERR_IO, "%s %.*s: an earlier write was lost", what,
                    FRZ_STR_ARG(upload->object->uri));
  if (upload->is_done)
    return frz_fail(err, FRZ_ERR_INVALID, "%s %.*s: already committed", what,
                    FRZ_STR_ARG(upload->object->uri));
  return FRZ_OK;
}

static frz_status send_part(frz_object_upload *upload, frz_error *err)
{
  if (upload->n_parts == upload->ops->parts_max - 1)
    return frz_fail(err, FRZ_ERR_LIMIT, "%.*s: an upload has at most %d parts",
                    FRZ_STR_ARG(upload->object->uri), (int)upload->ops->parts_max);
  upload->n_parts++;
  FRZ_TRY(upload->ops->send_part(upload, frz_buf_str(&upload->part), err));
  upload->sent_bytes += (int64_t)upload->part.size;
  upload->part.size = 0;
  return FRZ_OK;
}

static frz_status upload_write(frz_sink *base, const void *data, size_t size, frz_error *err)
{
  frz_object_upload *upload = (frz_object_upload *)base;
  const uint8_t *bytes = data;
  FRZ_TRY(check_usable(upload, "write", err));
  upload->failed = true; /* until all of it is done */
  for (size_t left = size; left != 0;) {
    size_t limit = part_bytes(upload);
    upload->part.max_bytes = limit;
    if (upload->part.size == limit) {
      FRZ_TRY(send_part(upload, err));
      continue;
    }
    size_t n = limit - upload->part.size < left ? limit - upload->part.size : left;
    FRZ_TRY(frz_buf_append(&upload->part, bytes, n, err));
    bytes += n;
    left -= n;
  }
  upload->failed = false;
  upload->base.written_bytes += (int64_t)size;
  return FRZ_OK;
}

static frz_status upload_commit(frz_sink *base, frz_error *err)
{
  frz_object_upload *upload = (frz_object_upload *)base;
  FRZ_TRY(check_usable(upload, "commit", err));
  upload->failed = true;
  frz_str rest = frz_buf_str(&upload->part);
  assert(upload->n_parts == 0 || rest.size != 0); /* a part goes when more bytes come */
  if (upload->n_parts == 0)
    FRZ_TRY(upload->ops->put(upload, rest, err));
  else
    FRZ_TRY(upload->ops->finish(upload, rest, err));
  upload->failed = false;
  upload->is_done = true;
  return FRZ_OK;
}

static void upload_free(frz_sink *base)
{
  frz_object_upload *upload = (frz_object_upload *)base;
  const frz_alloc *alloc = upload->part.alloc;
  if (!upload->is_done && upload->n_parts != 0 && upload->ops->abort != NULL)
    upload->ops->abort(upload);
  frz_buf_dispose(&upload->part);
  frz_buf_dispose(&upload->list);
  frz_object_free(upload->object);
  frz_alloc_free(alloc, upload, sizeof *upload);
}

frz_status frz_object_upload_create(frz_object *object, const frz_object_upload_ops *ops,
                                    bool must_be_new, frz_sink **sink_out, frz_error *err)
{
  const frz_alloc *alloc = object->store->alloc;
  frz_object_upload *upload = frz_alloc_zeroed(alloc, sizeof *upload);
  if (upload == NULL) {
    frz_object_free(object);
    return frz_fail_nomem(err, "object");
  }
  upload->base.write = upload_write;
  upload->base.commit = upload_commit;
  upload->base.free = upload_free;
  upload->ops = ops;
  upload->object = object;
  upload->must_be_new = must_be_new;
  frz_buf_init(&upload->part, alloc, PART_BYTES);
  frz_buf_init(&upload->list, alloc, LIST_BYTES_MAX);
  frz_status st = frz_os_uuid(upload->writer, err);
  if (st == FRZ_OK)
    *sink_out = &upload->base;
  else
    upload_free(&upload->base);
  return st;
}
