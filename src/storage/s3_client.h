/*
 * s3_client.h - requests on S3 objects: signed, retried, their errors in words.
 *
 * Source: Amazon S3 API Reference.
 */
#ifndef FRZ_STORAGE_S3_CLIENT_H
#define FRZ_STORAGE_S3_CLIENT_H

#include "net/http_client.h"
#include "storage/s3_config.h"
#include "storage/storage.h"

typedef struct frz_s3 frz_s3;

/** The properties are copied. `lender` may be NULL; it is retained. */
frz_status frz_s3_create(frz_context *context, const frz_property *properties, size_t n_properties,
                         const frz_storage_lender *lender, void *lender_ctx, frz_s3 **s3_out,
                         frz_error *err) FRZ_MUST_CHECK;

/** Counted, since sources and sinks use it. */
frz_s3 *frz_s3_retain(frz_s3 *s3);
void frz_s3_release(frz_s3 *s3);

const frz_alloc *frz_s3_alloc(const frz_s3 *s3);

/** One object, or a bucket (an empty key), with what requests on it need. */
typedef struct frz_s3_target {
  frz_s3 *s3;
  frz_arena arena; /* owns all texts */
  frz_str uri;
  frz_str bucket;
  frz_str key;
  frz_s3_address address;
  frz_str path; /* of the object, encoded */
} frz_s3_target;

frz_status frz_s3_target_open(frz_s3 *s3, frz_str uri, frz_s3_target *target_out,
                              frz_error *err) FRZ_MUST_CHECK;
/** A zeroed target is accepted. */
void frz_s3_target_close(frz_s3_target *target);

/** A request on the target, signed on each attempt. `text` takes error answers (and the body, where
 * there are no pieces). May be repeated. */
frz_http_request frz_s3_request(frz_s3_target *target, const char *method, frz_buf *text);

frz_status frz_s3_send(frz_s3_target *target, frz_http_request *requests, size_t n_requests,
                       frz_error *err) FRZ_MUST_CHECK;

/** The error that an answer other than the wanted means: FRZ_ERR_NOT_FOUND, FRZ_ERR_EXISTS (a
 * condition was not met), FRZ_ERR_AUTH, FRZ_ERR_INVALID (another region), FRZ_ERR_IO. */
frz_status frz_s3_fail(const frz_s3_target *target, const frz_http_request *request,
                       frz_error *err);

enum { FRZ_S3_ERROR_BYTES_MAX = 1 << 16 };

#endif
