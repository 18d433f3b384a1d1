/*
 * manifest_order.h - the live entries of some manifests, and where each goes when they are written
 * anew in the order of their partitions.
 */
#ifndef FRZ_ICEBERG_MANIFEST_ORDER_H
#define FRZ_ICEBERG_MANIFEST_ORDER_H

#include "base/runtime.h"
#include "iceberg/manifest/manifest.h"

/** Twelve bytes a file, and each partition's values once: order is known before entries are read
 * whole. */
typedef struct frz_manifest_order {
  const frz_alloc *alloc;
  frz_buf places; /* uint32_t an entry, manifest after manifest: its place */
  frz_buf firsts; /* uint32_t a manifest, and one more: the number of its first entry */
  size_t n_entries;
} frz_manifest_order;

/** Read the manifests, all of one spec and content, and order their entries. */
frz_status frz_manifest_order_make(frz_context *context, frz_storage *storage,
                                   const frz_table_metadata *metadata,
                                   const frz_manifest_file *const *manifests, size_t n_manifests,
                                   frz_manifest_order *order_out, frz_error *err) FRZ_MUST_CHECK;
void frz_manifest_order_dispose(frz_manifest_order *order);

/** The places of a manifest's live entries, in its own order. */
const uint32_t *frz_manifest_order_places(const frz_manifest_order *order, size_t manifest,
                                          size_t *n_out);

/** Are manifests of a spec in order already: none reaches into the partitions of the next? */
bool frz_manifests_are_ordered(const frz_partition_spec *spec, const frz_table_metadata *metadata,
                               const frz_manifest_file *const *manifests, size_t n_manifests,
                               const frz_alloc *alloc);

#endif
