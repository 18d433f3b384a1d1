/*
 * lazy_sink.h - a file that is created only once it is worth it.
 *
 * A writer of many partitions has many files under way, and most of them small: while they are
 * held in memory they cost no descriptor and no upload.
 */
#ifndef FRZ_ICEBERG_LAZY_SINK_H
#define FRZ_ICEBERG_LAZY_SINK_H

#include "storage/storage.h"

/** Keeps up to `hold_bytes`, then creates the file; commit creates it at the latest. `storage` is
 * borrowed, `uri` copied. */
frz_status frz_lazy_sink_create(const frz_alloc *alloc, frz_storage *storage, frz_str uri,
                                size_t hold_bytes, frz_sink **sink_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** Create the file now and write what is held. */
frz_status frz_lazy_sink_open(frz_sink *sink, frz_error *err) FRZ_MUST_CHECK;

/** Was the file created? */
bool frz_lazy_sink_is_open(const frz_sink *sink);

/** Bytes of memory that are held. */
size_t frz_lazy_sink_memory(const frz_sink *sink);

#endif
