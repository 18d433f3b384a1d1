/*
 * metadata_copy.h - deep copies of the parts of table metadata, from one arena to another.
 *
 * Each returns false where the arena refused; the copy is then unusable, the source untouched.
 */
#ifndef FRZ_ICEBERG_METADATA_COPY_H
#define FRZ_ICEBERG_METADATA_COPY_H

#include "iceberg/metadata/table_metadata.h"

/** A text; data NULL stays NULL. */
bool frz_copy_text(frz_arena *arena, frz_str from, frz_str *to);
bool frz_copy_pairs(frz_arena *arena, const frz_text_pair *from, size_t n, frz_text_pair *to);
bool frz_copy_schema(frz_arena *arena, const frz_schema *from, frz_schema *to);
bool frz_copy_spec(frz_arena *arena, const frz_partition_spec *from, frz_partition_spec *to);
bool frz_copy_sort_order(frz_arena *arena, const frz_sort_order *from, frz_sort_order *to);
/** Texts that lie in `document` (NULL: none) stay there: the copy's owner keeps it. */
bool frz_copy_snapshot(frz_arena *arena, const frz_snapshot *from,
                       const frz_metadata_document *document, frz_snapshot *to);
bool frz_copy_ref(frz_arena *arena, const frz_snapshot_ref *from, frz_snapshot_ref *to);

#endif
