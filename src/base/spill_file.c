/*
 * spill_file.c - temporary files without a name: O_TMPFILE where the file system knows it, else a
 * name that is removed before the first byte is written.
 */
#include "base/spill_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/os.h"

enum { TRANSFER_BYTES_MAX = 1 << 30 /* of one system call */ };

struct frz_spill_file {
  frz_context *context;
  int descriptor;
  int64_t end;
};

static frz_status fail_in_folder(frz_context *context, int code, frz_error *err)
{
  const char *hint = code == ENOSPC || code == EDQUOT || code == EFBIG
                         ? "make room there, name another with spill_dir, or raise the memory limit"
                         : "name another with spill_dir, or raise the memory limit";
  return frz_fail(err, FRZ_ERR_IO, "spill folder '%s': %s; %s", frz_context_spill_dir(context),
                  strerror(code), hint);
}

/* A file with a random name, which is taken away at once. */
static int open_named(const char *folder)
{
  char uuid[37];
  char path[FRZ_LIMIT_PATH_BYTES];
  if (frz_os_uuid(uuid, NULL) != FRZ_OK) {
    errno = EIO;
    return -1;
  }
  int size = snprintf(path, sizeof path, "%s/frazil-%s.spill", folder, uuid);
  if (size < 0 || (size_t)size >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0) (void)unlink(path);
  return descriptor;
}

static int open_nameless(const char *folder)
{
  if (mkdir(folder, 0700) != 0 && errno != EEXIST) return -1;
#ifdef O_TMPFILE
  int descriptor = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  if (descriptor >= 0) return descriptor;
#endif
  return open_named(folder);
}

frz_status frz_spill_file_create(frz_context *context, frz_spill_file **file_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_spill_file *file = frz_alloc_zeroed(alloc, sizeof *file);
  if (file == NULL) return frz_fail_nomem(err, "spill file");
  file->context = context;
  file->descriptor = open_nameless(frz_context_spill_dir(context));
  if (file->descriptor < 0) {
    int code = errno;
    frz_alloc_free(alloc, file, sizeof *file);
    return fail_in_folder(context, code, err);
  }
  *file_out = file;
  return FRZ_OK;
}

void frz_spill_file_free(frz_spill_file *file)
{
  if (file == NULL) return;
  (void)close(file->descriptor);
  frz_alloc_free(frz_context_alloc(file->context), file, sizeof *file);
}

int64_t frz_spill_file_end(const frz_spill_file *file)
{
  return file->end;
}

frz_status frz_spill_file_write(frz_spill_file *file, const void *data, size_t size, frz_error *err)
{
  const char *at = data;
  while (size != 0) {
    size_t some = size < TRANSFER_BYTES_MAX ? size : TRANSFER_BYTES_MAX;
    ssize_t written = pwrite(file->descriptor, at, some, file->end);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail_in_folder(file->context, written < 0 ? errno : ENOSPC, err);
    file->end += written;
    at += written;
    size -= (size_t)written;
  }
  return FRZ_OK;
}

frz_status frz_spill_file_read(const frz_spill_file *file, int64_t offset, void *data, size_t size,
                               frz_error *err)
{
  assert(offset >= 0);
  if (offset > file->end || size > (size_t)(file->end - offset))
    return frz_fail(err, FRZ_ERR_CORRUPT, "spill file: %zu bytes at %lld of %lld", size,
                    (long long)offset, (long long)file->end);
  char *at = data;
  while (size != 0) {
    size_t some = size < TRANSFER_BYTES_MAX ? size : TRANSFER_BYTES_MAX;
    ssize_t got = pread(file->descriptor, at, some, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail_in_folder(file->context, got < 0 ? errno : EIO, err);
    offset += got;
    at += got;
    size -= (size_t)got;
  }
  return FRZ_OK;
}
