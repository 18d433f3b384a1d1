/*
 * azure_blob.h - blobs of Azure Storage (and of Data Lake Storage, which are the same) as a
 * storage.
 *
 * Source: Azure Storage documentation, "Blob Service REST API".
 */
#ifndef FRZ_STORAGE_AZURE_BLOB_H
#define FRZ_STORAGE_AZURE_BLOB_H

#include "storage/azure_config.h"
#include "storage/object_store.h"

/** The properties are copied. `lender` may be NULL; it is retained. */
frz_status frz_azure_create(frz_context *context, const frz_property *properties,
                            size_t n_properties, const frz_storage_lender *lender, void *lender_ctx,
                            void **azure_out, frz_error *err) FRZ_MUST_CHECK;

/** The operations on abfs://, abfss://, wasb://, wasbs:// and az:// URIs. Static storage; their ctx
 * is what frz_azure_create() made. */
const frz_storage_ops *frz_azure_storage_ops(void);

/** A blob, or a container. */
frz_status frz_azure_object_open(void *azure, frz_str uri, frz_object **object_out,
                                 frz_error *err) FRZ_MUST_CHECK;

/** As frz_storage_ops.create. */
frz_status frz_azure_create_blob(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                 frz_error *err);

#endif
