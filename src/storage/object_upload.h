/*
 * object_upload.h - writing an object: with one request, or in parts where it is long.
 */
#ifndef FRZ_STORAGE_OBJECT_UPLOAD_H
#define FRZ_STORAGE_OBJECT_UPLOAD_H

#include "storage/object_store.h"

typedef struct frz_object_upload frz_object_upload;

/** What a kind of store does with an upload. */
typedef struct frz_object_upload_ops {
  /** Make the whole object with one request. */
  frz_status (*put)(frz_object_upload *upload, frz_str bytes, frz_error *err);
  /** Send a part that others follow: number n_parts, counted from 1. */
  frz_status (*send_part)(frz_object_upload *upload, frz_str bytes, frz_error *err);
  /** Send the last bytes, at least one, and make the object of all parts. */
  frz_status (*finish)(frz_object_upload *upload, frz_str bytes, frz_error *err);
  /** Best effort: parts that were sent are not wanted. NULL: the store forgets them by itself. */
  void (*abort)(frz_object_upload *upload);
  int32_t parts_max;
} frz_object_upload_ops;

struct frz_object_upload {
  frz_sink base;
  const frz_object_upload_ops *ops;
  frz_object *object;
  frz_buf part;       /* bytes that are not sent yet */
  frz_buf list;       /* of the kind: what names the parts */
  frz_str session;    /* of the kind, in the object's arena; size 0: none was begun */
  int64_t sent_bytes; /* in parts */
  int32_t n_parts;    /* sent or being sent */
  bool must_be_new;
  bool is_done; /* committed: nothing more is written */
  bool failed;
  char writer[37]; /* who writes: a random UUID, which goes with the object as user metadata */
};

/** The object is the upload's, on failure too. */
frz_status frz_object_upload_create(frz_object *object, const frz_object_upload_ops *ops,
                                    bool must_be_new, frz_sink **sink_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** After a request that makes the object was refused: FRZ_OK where the object under the name is the
 * one that this upload wrote, else `st`; where the name is taken and nobody tells whose the object
 * is, what kept it from being told. */
frz_status frz_object_upload_settle(frz_object_upload *upload, const frz_http_request *request,
                                    frz_status st, frz_error *err) FRZ_MUST_CHECK;

#endif
