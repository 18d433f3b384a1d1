/*
 * file_cache.h - objects that never change, read through a folder of this machine.
 *
 * Iceberg never writes a file's name twice, so what was read of a data, delete, manifest or
 * metadata file stays true. A name that holds a UUID is taken at its word: an entry answers without
 * asking the store. Any other name might be used again after a table was dropped, so the store is
 * asked for the object's size and etag each time it is opened, and only their match makes an entry
 * good.
 */
#ifndef FRZ_STORAGE_FILE_CACHE_H
#define FRZ_STORAGE_FILE_CACHE_H

#include "base/runtime.h"
#include "base/source.h"

typedef struct frz_file_cache frz_file_cache;

/** `folder` is made where it is not there; `max_bytes` bounds what all processes that share it
 * keep, about. FRZ_ERR_INVALID, FRZ_ERR_AUTH and FRZ_ERR_IO: the folder cannot be used. */
frz_status frz_file_cache_create(frz_context *context, frz_str folder, int64_t max_bytes,
                                 frz_file_cache **cache_out, frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. Sources over it are freed before. */
void frz_file_cache_free(frz_file_cache *cache);

/** How an object is opened in its store. `ctx` is retained by each source over it. */
typedef struct frz_file_opener {
  frz_status (*open)(void *ctx, frz_str uri, frz_source **source_out, frz_error *err);
  void (*retain)(void *ctx);
  void (*release)(void *ctx);
  void *ctx;
  uint64_t store; /* differs for stores that have objects of one URI */
} frz_file_opener;

/** Open for reading, as the store does. A read that finds the object replaced since it was cached
 * drops the entry and fails with FRZ_ERR_CORRUPT; nothing else here fails that the store would not.
 */
frz_status frz_file_cache_open(frz_file_cache *cache, const frz_file_opener *opener, frz_str uri,
                               frz_source **source_out, frz_error *err) FRZ_MUST_CHECK;

/** Remove what is kept of an object that was deleted. */
void frz_file_cache_forget(frz_file_cache *cache, uint64_t store, frz_str uri);

#endif
