/*
 * file_removal.c - see file_removal.h.
 */
#include "iceberg/maintain/file_removal.h"

typedef struct removal_chunk {
  frz_context *context;
  bool *removed; /* NULL: nobody asks */
} removal_chunk;

static void note_removed(void *arg, size_t i, const frz_error *why)
{
  removal_chunk *chunk = arg;
  if (chunk->removed != NULL) chunk->removed[i] = why == NULL;
  if (why != NULL && why->code != FRZ_ERR_NOT_FOUND)
    frz_context_log(chunk->context, FRZ_LOG_WARNING, "file stays: %s", why->message);
}

frz_status frz_files_remove(frz_context *context, frz_storage *storage, const frz_str *paths,
                            size_t n_paths, bool *removed_out, frz_progress *progress,
                            frz_error *err)
{
  for (size_t first = 0, n; first < n_paths; first += n) {
    removal_chunk chunk = {context, removed_out != NULL ? removed_out + first : NULL};
    n = n_paths - first < FRZ_STORAGE_REMOVE_MAX ? n_paths - first : FRZ_STORAGE_REMOVE_MAX;
    FRZ_TRY(frz_context_poll(context, err));
    FRZ_TRY(frz_storage_remove_many(storage, paths + first, n, note_removed, &chunk, err));
    if (progress != NULL) frz_progress_add(progress, (int64_t)n);
  }
  return FRZ_OK;
}
