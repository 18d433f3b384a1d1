/*
 * s3_client.h - requests on S3 objects: signed, retried, their errors in words.
 *
 * Source: Amazon S3 API Reference.
 */
#ifndef FRZ_STORAGE_S3_CLIENT_H
#define FRZ_STORAGE_S3_CLIENT_H

#include "storage/object_store.h"
#include "storage/s3_config.h"

typedef struct frz_s3 frz_s3;

/** The properties are copied. `lender` may be NULL; it is retained. The store begins with a
 * `frz_object_store`, which counts references. */
frz_status frz_s3_create(frz_context *context, const frz_property *properties, size_t n_properties,
                         const frz_storage_lender *lender, void *lender_ctx, void **s3_out,
                         frz_error *err) FRZ_MUST_CHECK;

/** One object, or a bucket (an empty key), with what requests on it need. */
typedef struct frz_s3_target {
  frz_object base;
  frz_str bucket;
  frz_str key;
  frz_s3_address address;
  frz_str path; /* of the object, encoded */
} frz_s3_target;

/** A `frz_s3_target`. */
frz_status frz_s3_object_open(void *s3, frz_str uri, frz_object **object_out,
                              frz_error *err) FRZ_MUST_CHECK;

/** The path of requests on the target's bucket. */
frz_str frz_s3_bucket_path(const frz_s3_target *target);

#endif
