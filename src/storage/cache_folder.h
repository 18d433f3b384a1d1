/*
 * cache_folder.h - a folder that keeps blocks of remote objects, shared by the machine's processes.
 *
 * An object has one file, its entry. The blocks that were read lie in it at their places, each with
 * a checksum; those that were not are holes. Nothing here fails a read: what cannot be kept or
 * found is read from the store.
 */
#ifndef FRZ_STORAGE_CACHE_FOLDER_H
#define FRZ_STORAGE_CACHE_FOLDER_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/runtime.h"

enum {
  FRZ_CACHE_BLOCK_BYTES = 64 << 10,
  FRZ_CACHE_URI_BYTES_MAX = 3800, /* longer ones are not kept */
  FRZ_CACHE_ETAG_BYTES_MAX = 135
};

typedef struct frz_cache_folder {
  frz_context *context;
  frz_buf path; /* no NUL */
  int64_t max_bytes;
  atomic_llong rests_until_us; /* nothing is kept: the disk is full, or refuses */
} frz_cache_folder;

/** An object as an entry knows it. */
typedef struct frz_cache_object {
  uint64_t store; /* tells stores apart that have objects of one URI */
  frz_str uri;    /* borrowed */
  int64_t size_bytes;
  char etag[FRZ_CACHE_ETAG_BYTES_MAX + 1]; /* empty: none told */
} frz_cache_object;

/** Make the folder, for this user alone, where it is not there. At most about `max_bytes` are kept,
 * by all processes together. */
frz_status frz_cache_folder_open(frz_context *context, frz_str path, int64_t max_bytes,
                                 frz_cache_folder *folder_out, frz_error *err) FRZ_MUST_CHECK;
/** A zeroed folder is accepted. */
void frz_cache_folder_close(frz_cache_folder *folder);

/** Open the entry of `object->uri`, note its use, and set size and etag; -1: none. */
int frz_cache_entry_open(frz_cache_folder *folder, frz_cache_object *object);

/** Open the object's entry for writing, made anew unless there is one of the same size and etag;
 * -1: it cannot be had now. */
int frz_cache_entry_create(frz_cache_folder *folder, const frz_cache_object *object);

/** Remove the entry of a URI, if there is one. */
void frz_cache_entry_drop(frz_cache_folder *folder, const frz_cache_object *object);

/** Read a block of an entry; false: it is not there, or is not what was written. */
bool frz_cache_block_read(int entry, int64_t index, uint8_t *dest, size_t size);

/** Ask to write `n_blocks` into an entry; false: not now, or the entry was removed. Makes room by
 * removing the entries that were used least recently. */
bool frz_cache_blocks_reserve(frz_cache_folder *folder, int entry, size_t n_blocks);

/** Write a block; false: the disk refuses, and the folder rests. */
bool frz_cache_block_write(frz_cache_folder *folder, int entry, int64_t index, const uint8_t *bytes,
                           size_t size);

#endif
