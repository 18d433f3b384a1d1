/*
 * gcs_object.h - objects of Google Cloud Storage as a storage.
 *
 * Source: Google Cloud documentation, "Cloud Storage JSON API".
 */
#ifndef FRZ_STORAGE_GCS_OBJECT_H
#define FRZ_STORAGE_GCS_OBJECT_H

#include "storage/gcs_config.h"
#include "storage/object_store.h"

/** The properties are copied. `lender` may be NULL; it is retained. */
frz_status frz_gcs_create(frz_context *context, const frz_property *properties, size_t n_properties,
                          const frz_storage_lender *lender, void *lender_ctx, void **gcs_out,
                          frz_error *err) FRZ_MUST_CHECK;

/** The operations on gs:// URIs. Static storage; their ctx is what frz_gcs_create() made. */
const frz_storage_ops *frz_gcs_storage_ops(void);

typedef struct frz_gcs_object {
  frz_object base;
  frz_str bucket;
  frz_str name;
  frz_str origin;
  frz_str path;          /* of the object, encoded */
  frz_str list_path;     /* of the bucket's objects */
  frz_str upload_path;   /* where new objects of the bucket are posted */
  frz_str session_path;  /* of an upload in parts; size 0: none */
  frz_str session_query; /* of it: it stands for the right to write */
} frz_gcs_object;

/** A `frz_gcs_object`. */
frz_status frz_gcs_object_open(void *gcs, frz_str uri, frz_object **object_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** As frz_storage_ops.create. */
frz_status frz_gcs_create_object(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                 frz_error *err);

#endif
