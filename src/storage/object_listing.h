/*
 * object_listing.h - the objects below a folder, page by page.
 */
#ifndef FRZ_STORAGE_OBJECT_LISTING_H
#define FRZ_STORAGE_OBJECT_LISTING_H

#include "storage/object_store.h"

typedef struct frz_object_listing frz_object_listing;
struct frz_object_listing {
  frz_object *container;      /* what requests for pages go to; the caller's */
  const frz_http_pair *query; /* of every page */
  size_t n_query;             /* at most 6 */
  frz_str prefix_name;        /* the query's name for the prefix */
  frz_str token_name;         /* and for where the next page begins */
  /** Visit what a page lists, and set `next`. */
  frz_status (*read_page)(frz_object_listing *listing, frz_str page, frz_arena *arena,
                          frz_error *err);
  frz_str next; /* where the next page begins, in the page's arena; size 0: it was the last */
  frz_str root; /* of names: "s3://bucket/" as the caller writes it */
  frz_str prefix;
  frz_buf uri; /* of what is visited */
  frz_storage_visit visit;
  void *arg;
};

/** List what is below `key` of the container; the URI up to its name has `n_root` bytes. The fields
 * up to read_page are the caller's. */
frz_status frz_object_listing_run(frz_object_listing *listing, size_t n_root, frz_str key,
                                  frz_storage_visit visit, void *arg,
                                  frz_error *err) FRZ_MUST_CHECK;

/** For read_page: one object. Stand-ins for folders (a name that ends with a slash, of no bytes)
 * are passed over. */
frz_status frz_object_listing_visit(frz_object_listing *listing, frz_str key, int64_t size_bytes,
                                    int64_t modified_ms, frz_error *err) FRZ_MUST_CHECK;

/** "2009-10-12T17:50:30.000Z" in milliseconds; 0: not a time. */
int64_t frz_object_time(frz_str text);

/** A number of bytes; -1: not one. */
int64_t frz_object_size(frz_str text);

#endif
