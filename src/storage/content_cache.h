/*
 * content_cache.h - contents of files that never change, kept in memory up to a bound.
 *
 * Any number of threads. Contents are counted, so that one which is in use outlives its place in
 * the cache.
 */
#ifndef FRZ_STORAGE_CONTENT_CACHE_H
#define FRZ_STORAGE_CONTENT_CACHE_H

#include "base/buf.h"
#include "base/fail.h"

typedef struct frz_content_cache frz_content_cache;

/** What a file holds; immutable. */
typedef struct frz_content frz_content;

/** Keep contents of up to `max_bytes` in all; one of more than `max_content_bytes` is not kept. */
frz_status frz_content_cache_create(const frz_alloc *alloc, size_t max_bytes,
                                    size_t max_content_bytes, frz_content_cache **cache_out,
                                    frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. Contents in use stay until they are released. */
void frz_content_cache_free(frz_content_cache *cache);

/** The content under a name, retained for the caller; NULL: not kept. */
frz_content *frz_content_cache_find(frz_content_cache *cache, frz_str name);

/**
 * Keep bytes under a name, in place of those used least recently. Takes the bytes, on failure too;
 * the content is retained for the caller, also where it was too large to be kept. Where another
 * thread was faster its content is given.
 */
frz_status frz_content_cache_add(frz_content_cache *cache, frz_str name, frz_buf *bytes,
                                 frz_content **content_out, frz_error *err) FRZ_MUST_CHECK;

frz_str frz_content_bytes(const frz_content *content);

/** NULL is accepted. */
void frz_content_release(frz_content *content);

#endif
