/*
 * kept_sources.c - see kept_sources.h.
 *
 * A few hundred files at most: they are looked for one by one, under a lock that is held for that
 * alone. What is given out is a lease, which counts as a reference to its file.
 *
 * What must stay true: a file is closed by whoever drops its last reference, the list's own
 * included; what reading costs is told to one lease only.
 */
#include "storage/kept_sources.h"

#include <pthread.h>

#include "base/str.h"

typedef struct kept_file {
  const frz_alloc *alloc;
  atomic_size_t n_references;
  frz_source *source;
  frz_source_counts passed_on; /* of the source's counts, to leases */
  char *name;
  size_t name_bytes;
  uint64_t used; /* under the lock: when, by the list's clock */
} kept_file;

struct frz_kept_sources {
  const frz_alloc *alloc;
  pthread_mutex_t lock;
  kept_file **files;
  size_t n_files, n_max;
  uint64_t clock;
};

static void release_file(kept_file *file)
{
  if (file == NULL || atomic_fetch_sub(&file->n_references, 1) != 1) return;
  frz_source_free(file->source);
  frz_alloc_free(file->alloc, file->name, file->name_bytes);
  frz_alloc_free(file->alloc, file, sizeof *file);
}

/* ---- leases ---- */

typedef struct lease {
  frz_source base;
  kept_file *file; /* a reference */
} lease;

static void pass_counts(lease *self)
{
  frz_source_counts_pass(&self->file->source->counts, &self->file->passed_on, &self->base.counts);
}

static frz_status lease_read(frz_source *source, const frz_range *ranges, size_t n_ranges,
                             frz_error *err)
{
  lease *self = (lease *)source;
  frz_source *file = self->file->source;
  frz_status st = file->read_ranges(file, ranges, n_ranges, err);
  pass_counts(self);
  return st;
}

static void lease_free(frz_source *source)
{
  lease *self = (lease *)source;
  const frz_alloc *alloc = self->file->alloc;
  release_file(self->file);
  frz_alloc_free(alloc, self, sizeof *self);
}

/* Takes the reference, on failure too. */
static frz_status lend(kept_file *file, frz_source **source_out, frz_error *err)
{
  lease *self = frz_alloc_zeroed(file->alloc, sizeof *self);
  if (self == NULL) {
    release_file(file);
    return frz_fail_nomem(err, "file");
  }
  self->base = (frz_source){.size_bytes = file->source->size_bytes,
                            .read_ranges = lease_read,
                            .free = lease_free,
                            .is_remote = file->source->is_remote,
                            .etag = file->source->etag};
  self->file = file;
  pass_counts(self);
  *source_out = &self->base;
  return FRZ_OK;
}

/* ---- the list ---- */

frz_status frz_kept_sources_create(const frz_alloc *alloc, size_t n_max,
                                   frz_kept_sources **kept_out, frz_error *err)
{
  assert(n_max != 0);
  frz_kept_sources *kept = frz_alloc_zeroed(alloc, sizeof *kept);
  kept_file **files = frz_alloc_zeroed(alloc, n_max * sizeof(kept_file *));
  if (kept == NULL || files == NULL) {
    frz_alloc_free(alloc, kept, sizeof *kept);
    frz_alloc_free(alloc, files, n_max * sizeof(kept_file *));
    return frz_fail_nomem(err, "files to keep");
  }
  kept->alloc = alloc;
  kept->files = files;
  kept->n_max = n_max;
  pthread_mutex_init(&kept->lock, NULL);
  *kept_out = kept;
  return FRZ_OK;
}

void frz_kept_sources_free(frz_kept_sources *kept)
{
  if (kept == NULL) return;
  for (size_t i = 0; i < kept->n_files; i++) release_file(kept->files[i]);
  frz_alloc_free(kept->alloc, kept->files, kept->n_max * sizeof(kept_file *));
  pthread_mutex_destroy(&kept->lock);
  frz_alloc_free(kept->alloc, kept, sizeof *kept);
}

/* Retained; NULL: none has the name. Under the lock. */
static kept_file *find(frz_kept_sources *kept, frz_str name)
{
  for (size_t i = 0; i < kept->n_files; i++) {
    kept_file *file = kept->files[i];
    if (!frz_str_equal((frz_str){file->name, file->name_bytes}, name)) continue;
    file->used = ++kept->clock;
    atomic_fetch_add(&file->n_references, 1);
    return file;
  }
  return NULL;
}

frz_status frz_kept_sources_find(frz_kept_sources *kept, frz_str name, frz_source **source_out,
                                 frz_error *err)
{
  *source_out = NULL;
  pthread_mutex_lock(&kept->lock);
  kept_file *file = find(kept, name);
  pthread_mutex_unlock(&kept->lock);
  return file != NULL ? lend(file, source_out, err) : FRZ_OK;
}

/* Takes the source, on failure too. Two references: the list's and the caller's. */
static kept_file *make_file(const frz_alloc *alloc, frz_str name, frz_source *opened)
{
  kept_file *file = frz_alloc_zeroed(alloc, sizeof *file);
  char *copy = frz_alloc_new(alloc, name.size);
  if (file == NULL || copy == NULL) {
    frz_alloc_free(alloc, file, sizeof *file);
    frz_alloc_free(alloc, copy, name.size);
    frz_source_free(opened);
    return NULL;
  }
  memcpy(copy, name.data, name.size);
  *file = (kept_file){.alloc = alloc, .source = opened, .name = copy, .name_bytes = name.size};
  atomic_init(&file->n_references, 2);
  return file;
}

/* The place of the next file, and the one that has to leave it; NULL: it is free. Under the lock.
 */
static size_t place_for(frz_kept_sources *kept, kept_file **leaving_out)
{
  *leaving_out = NULL;
  if (kept->n_files < kept->n_max) return kept->n_files++;
  size_t oldest = 0;
  for (size_t i = 1; i < kept->n_files; i++)
    if (kept->files[i]->used < kept->files[oldest]->used) oldest = i;
  *leaving_out = kept->files[oldest];
  return oldest;
}

frz_status frz_kept_sources_add(frz_kept_sources *kept, frz_str name, frz_source *opened,
                                frz_source **source_out, frz_error *err)
{
  kept_file *leaving = NULL;
  kept_file *file = make_file(kept->alloc, name, opened);
  if (file == NULL) return frz_fail_nomem(err, "file");
  pthread_mutex_lock(&kept->lock);
  kept_file *faster = find(kept, name);
  if (faster == NULL) {
    size_t place = place_for(kept, &leaving);
    file->used = ++kept->clock;
    kept->files[place] = file;
  }
  pthread_mutex_unlock(&kept->lock);
  release_file(leaving);
  if (faster == NULL) return lend(file, source_out, err);
  release_file(file);
  release_file(file);
  return lend(faster, source_out, err);
}
