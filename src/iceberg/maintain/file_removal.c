/*
 * file_removal.c - see file_removal.h.
 */
#include "iceberg/maintain/file_removal.h"

enum { FILES_AT_ONCE = 64 };

typedef struct removal_chunk {
  frz_context *context;
  frz_storage *storage;
  const frz_str *paths;
  bool *removed;
} removal_chunk;

static frz_status remove_one(void *arg, size_t i, frz_error *err)
{
  removal_chunk *chunk = arg;
  (void)err; /* a file that stays does not stop the others */
  frz_error why;
  frz_status st = frz_storage_remove(chunk->storage, chunk->paths[i], &why);
  chunk->removed[i] = st == FRZ_OK;
  if (st != FRZ_OK && st != FRZ_ERR_NOT_FOUND)
    frz_context_log(chunk->context, FRZ_LOG_WARNING, "file stays: %s", why.message);
  return FRZ_OK;
}

frz_status frz_files_remove(frz_context *context, frz_storage *storage, const frz_str *paths,
                            size_t n_paths, bool *removed_out, frz_progress *progress,
                            frz_error *err)
{
  for (size_t first = 0; first < n_paths; first += FILES_AT_ONCE) {
    size_t n = n_paths - first < FILES_AT_ONCE ? n_paths - first : FILES_AT_ONCE;
    removal_chunk chunk = {context, storage, paths + first, removed_out + first};
    FRZ_TRY(frz_context_poll(context, err));
    FRZ_TRY(frz_parallel_for(context, n, remove_one, &chunk, err));
    frz_progress_add(progress, (int64_t)n);
  }
  return FRZ_OK;
}
