/*
 * object_store.h - what stores of objects over HTTP have in common: S3, Google Cloud Storage,
 * Azure.
 *
 * They differ in addresses, in the proof of who asks and in the words of their errors; a tail that
 * is read first, ranges read side by side, parts of an upload and pages of a listing are the same.
 * A kind of store embeds a `frz_object_store`, and its objects a `frz_object`, as first members.
 */
#ifndef FRZ_STORAGE_OBJECT_STORE_H
#define FRZ_STORAGE_OBJECT_STORE_H

#include "net/http_client.h"
#include "storage/storage.h"

typedef struct frz_object_store frz_object_store;
struct frz_object_store {
  atomic_size_t n_references; /* sources and sinks use it */
  frz_context *context;
  const frz_alloc *alloc;
  frz_arena arena; /* owns the properties' copies */
  frz_http_client *http;
  const frz_storage_lender *lender; /* NULL: none */
  void *lender_ctx;
  atomic_llong clock_ahead_ms;           /* the server's clock, against ours */
  void (*free)(frz_object_store *store); /* what the kind adds, and the store itself */
};

/** One reference. The lender may be NULL; it is retained. The HTTP client is made later, with
 * frz_object_store_connect(). */
void frz_object_store_init(frz_object_store *store, frz_context *context,
                           const frz_storage_lender *lender, void *lender_ctx,
                           void (*free)(frz_object_store *store));

/** Copy the properties whose names begin with one of the prefixes (NULL ends them) and hand them to
 * `set`. */
frz_status frz_object_store_read(frz_object_store *store, const frz_property *properties,
                                 size_t n_properties, const char *const *prefixes,
                                 frz_status (*set)(void *config, frz_str key, frz_str value,
                                                   frz_error *err),
                                 void *config, frz_error *err) FRZ_MUST_CHECK;

/** Make the HTTP client. */
frz_status frz_object_store_connect(frz_object_store *store, const frz_http_options *options,
                                    frz_error *err) FRZ_MUST_CHECK;

void frz_object_store_retain(frz_object_store *store);
/** NULL is accepted. */
void frz_object_store_release(frz_object_store *store);

/** For `free` of a kind: ends what frz_object_store_init() and the others made. */
void frz_object_store_dispose(frz_object_store *store);

typedef struct frz_object frz_object;

/** What a kind of store does with an object. */
typedef struct frz_object_ops {
  size_t struct_bytes; /* of the kind's object */
  /** Find out from `uri` where requests go. */
  frz_status (*set_up)(frz_object *object, frz_error *err);
  /** A request on the object, authorized on each attempt. `text` takes error answers (and the body,
   * where there are no pieces). May be repeated. */
  frz_http_request (*request)(frz_object *object, const char *method, frz_buf *text);
  /** The error that an answer other than the wanted means: FRZ_ERR_NOT_FOUND, FRZ_ERR_EXISTS (a
   * condition was not met), FRZ_ERR_AUTH, FRZ_ERR_INVALID, FRZ_ERR_IO. */
  frz_status (*fail)(const frz_object *object, const frz_http_request *request, frz_error *err);
  /** Ask for length_bytes, etag and writer. NULL: HEAD tells them. */
  frz_status (*ask)(frz_object *object, frz_http_answer *answer_out, frz_error *err);
  frz_http_pair media;       /* of the query, where the bytes are meant; name of size 0: nothing */
  bool has_no_suffix_ranges; /* the last bytes cannot be asked for without knowing the length */
} frz_object_ops;

struct frz_object {
  const frz_object_ops *ops;
  frz_object_store *store; /* a reference */
  frz_arena arena;         /* owns all texts */
  frz_str uri;
};

/** An object, or the container of some. */
frz_status frz_object_open(frz_object_store *store, const frz_object_ops *ops, frz_str uri,
                           frz_object **object_out, frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. */
void frz_object_free(frz_object *object);

/** A path followed by a name, which is percent-encoded; in the object's arena. */
frz_status frz_object_path(frz_object *object, frz_str path, frz_str name, bool keeps_slash,
                           frz_str *path_out, frz_error *err) FRZ_MUST_CHECK;

enum { FRZ_OBJECT_ERROR_BYTES_MAX = 1 << 16 };

/** Send, and turn an answer of another status than `wanted` into an error. */
frz_status frz_object_send(frz_object *object, frz_http_request *request, int32_t wanted,
                           frz_error *err) FRZ_MUST_CHECK;

/** length_bytes, etag and writer of an object. */
frz_status frz_object_ask(frz_object *object, frz_http_answer *answer_out,
                          frz_error *err) FRZ_MUST_CHECK;

/** DELETE; FRZ_ERR_NOT_FOUND where the store tells that it was not there. */
frz_status frz_object_remove(frz_object *object, frz_error *err) FRZ_MUST_CHECK;

/** Open for reading. The object is the source's, on failure too. */
frz_status frz_object_source_open(frz_object *object, frz_source **source_out,
                                  frz_error *err) FRZ_MUST_CHECK;

#endif
