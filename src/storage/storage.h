/*
 * storage.h - bytes by URI: open, create, list, delete.
 *
 * A storage is a table of callbacks chosen by a URI's scheme. Local files take "file:///path",
 * "file:/path" and plain absolute or relative paths. A test wraps the operations to fail, stall or
 * tear.
 */
#ifndef FRZ_STORAGE_STORAGE_H
#define FRZ_STORAGE_STORAGE_H

#include <stdatomic.h>

#include "base/runtime.h"
#include "base/source.h"
#include "storage/content_cache.h"

typedef struct frz_storage frz_storage;

/** One listed object. Borrowed for the callback. */
typedef struct frz_storage_entry {
  frz_str uri;
  int64_t size_bytes;
  int64_t modified_ms; /* since 1970; 0: the store tells no time that is understood */
} frz_storage_entry;

typedef frz_status (*frz_storage_visit)(void *arg, const frz_storage_entry *entry, frz_error *err);

enum { FRZ_STORAGE_REMOVE_MAX = 1000 };

typedef struct frz_storage_ops {
  int32_t version; /* 1 */
  /** Open for reading. FRZ_ERR_NOT_FOUND names the URI. */
  frz_status (*open)(void *ctx, frz_str uri, frz_source **source_out, frz_error *err);
  /** Start writing. With `must_be_new` the commit fails with FRZ_ERR_EXISTS when the name is taken
   * by then. */
  frz_status (*create)(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                       frz_error *err);
  /** Delete one object; FRZ_ERR_NOT_FOUND when it is not there. */
  frz_status (*remove)(void *ctx, frz_str uri, frz_error *err);
  /** Visit everything below a folder, in no order. A missing folder is empty. */
  frz_status (*list)(void *ctx, frz_str uri, frz_storage_visit visit, void *arg, frz_error *err);
  void (*free)(void *ctx);
  /** Optional. Remove at most FRZ_STORAGE_REMOVE_MAX objects with few requests, and mark those that
   * are gone; the others are removed one by one then. A failure: that of all which are not marked.
   */
  frz_status (*remove_many)(void *ctx, const frz_str *uris, size_t n_uris, bool *gone,
                            frz_error *err);
} frz_storage_ops;

/**
 * The storage for tables of a catalog: local files and S3, set up from properties (s3_config.h),
 * which are copied. What they say of S3 is checked when it is first used.
 *
 * Followed for all schemes, by the names of Iceberg's Java library: "io.manifest.cache-enabled"
 * (false), "io.manifest.cache.max-total-bytes" (100 MiB), "io.manifest.cache.max-content-length" (8
 * MiB). Also "cache.directory", a folder through which remote files that never change are read
 * (file_cache.h), and "cache.max-bytes" (10 GiB). FRZ_ERR_INVALID names a property that cannot be
 * followed.
 */
frz_status frz_storage_create(frz_context *context, const frz_property *properties,
                              size_t n_properties, frz_storage **storage_out,
                              frz_error *err) FRZ_MUST_CHECK;

/**
 * Who lends properties for parts of a store, such as credentials for one table's files: a catalog.
 * Those that are lent take the place of the storage's own.
 */
struct frz_http_headers;
struct frz_http_request;

typedef struct frz_storage_lender {
  int32_t version; /* 1 */
  /** Visit what is lent for a URI; nothing: the storage's own are used. Called for each attempt at
   * a request, from any thread: what ends is to be renewed here. */
  frz_status (*properties)(void *ctx, frz_str uri,
                           frz_status (*visit)(void *arg, frz_str key, frz_str value,
                                               frz_error *err),
                           void *arg, frz_error *err);
  void (*retain)(void *ctx);
  void (*release)(void *ctx);
  /** Optional. Add the headers that prove to S3 who sends a request on a URI, where
   * "s3.remote-signing-enabled" is true for it. Called for each attempt, from any thread. */
  frz_status (*sign)(void *ctx, frz_str uri, frz_str region, const struct frz_http_request *request,
                     struct frz_http_headers *headers, frz_error *err);
} frz_storage_lender;

/** Is it the name of a property that stores of objects take, from a lender too? */
bool frz_storage_takes_property(frz_str key);

/** Set before the storage is first used, which retains it. */
void frz_storage_set_lender(frz_storage *storage, const frz_storage_lender *lender, void *ctx);

/** A storage over the caller's operations for every URI: for tests. `ctx` passes to ops->free at
 * the end. */
frz_status frz_storage_wrap(frz_context *context, const frz_storage_ops *ops, void *ctx,
                            frz_storage **storage_out, frz_error *err) FRZ_MUST_CHECK;

/** What was asked of a storage's files. Any number of threads count. */
typedef struct frz_storage_counts {
  atomic_llong n_requests; /* range reads: one a call and range */
  atomic_llong n_bytes;
  frz_source_counts sources; /* what these cost */
} frz_storage_counts;

/** The same storage, with a count of what is read through this view of it. `counts` must outlive
 * the view and what is opened through it. */
frz_status frz_storage_count(frz_storage *storage, frz_storage_counts *counts,
                             frz_storage **view_out, frz_error *err) FRZ_MUST_CHECK;

/** The same storage; of the remote files that are opened through this view with
 * frz_storage_open_cached() the last `n_files` stay open (kept_sources.h). */
frz_status frz_storage_keep(frz_storage *storage, size_t n_files, frz_storage **view_out,
                            frz_error *err) FRZ_MUST_CHECK;

/** Storages are shared by tables, scans and streams: counted references. */
frz_storage *frz_storage_retain(frz_storage *storage);
void frz_storage_release(frz_storage *storage);

/** The cache of manifests; NULL: there is none. */
frz_content_cache *frz_storage_manifest_cache(frz_storage *storage);

frz_status frz_storage_open(frz_storage *storage, frz_str uri, frz_source **source_out,
                            frz_error *err) FRZ_MUST_CHECK;
frz_status frz_storage_create_file(frz_storage *storage, frz_str uri, bool must_be_new,
                                   frz_sink **sink_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_storage_remove(frz_storage *storage, frz_str uri, frz_error *err) FRZ_MUST_CHECK;

/** What became of one of many files; `why` NULL: it is gone. Called once at most for each, from any
 * thread. */
typedef void (*frz_storage_removed)(void *arg, size_t i, const frz_error *why);

/** Remove many files, with as few requests as the store takes and side by side. A file that stays
 * does not stop the others; fails only where the context was cancelled or memory ran out. */
frz_status frz_storage_remove_many(frz_storage *storage, const frz_str *uris, size_t n_uris,
                                   frz_storage_removed tell, void *arg,
                                   frz_error *err) FRZ_MUST_CHECK;

frz_status frz_storage_list(frz_storage *storage, frz_str uri, frz_storage_visit visit, void *arg,
                            frz_error *err) FRZ_MUST_CHECK;

/** As frz_storage_open(), for a file whose name is never written twice: through the cache of files
 * where there is one. Not to find out whether a file is there, or is sound. */
frz_status frz_storage_open_cached(frz_storage *storage, frz_str uri, frz_source **source_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** Read a whole object; FRZ_ERR_LIMIT when it is larger than buf->max_bytes. */
frz_status frz_storage_read_all(frz_storage *storage, frz_str uri, frz_buf *buf,
                                frz_error *err) FRZ_MUST_CHECK;

/** The same as frz_storage_open_cached() opens it. */
frz_status frz_storage_read_all_cached(frz_storage *storage, frz_str uri, frz_buf *buf,
                                       frz_error *err) FRZ_MUST_CHECK;

/** Write a whole object. */
frz_status frz_storage_write_all(frz_storage *storage, frz_str uri, bool must_be_new,
                                 const void *data, size_t size, frz_error *err) FRZ_MUST_CHECK;

/** `uri` appended to `out`, with a relative local path made absolute from the current folder: what
 * is stored in a table must mean the same to a reader elsewhere. */
frz_status frz_storage_absolute(frz_str uri, frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** The path of a local URI, taken as it is (Iceberg does not percent-encode). False for other
 * schemes. */
bool frz_storage_local_path(frz_str uri, frz_str *path_out);

#endif
