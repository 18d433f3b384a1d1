/*
 * s3_storage.h - objects of S3 and compatible stores as a storage.
 */
#ifndef FRZ_STORAGE_S3_STORAGE_H
#define FRZ_STORAGE_S3_STORAGE_H

#include "storage/s3_client.h"

/** The operations on s3://, s3a:// and s3n:// URIs. Static storage; their ctx is the `frz_s3 *`. */
const frz_storage_ops *frz_s3_storage_ops(void);

/** As frz_storage_ops.create. */
frz_status frz_s3_create_object(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                frz_error *err);

/** As frz_storage_ops.remove and remove_many. */
frz_status frz_s3_remove_object(void *ctx, frz_str uri, frz_error *err);
frz_status frz_s3_remove_objects(void *ctx, const frz_str *uris, size_t n_uris, bool *gone,
                                 frz_error *err);

#endif
