/*
 * local_storage.c - local files: positioned reads, writes that appear whole or not at all.
 *
 * A write goes to ".<name>.<random>.tmp" in the folder of its final name, is flushed to the disk
 * (fsync) and only then gets that name: by rename, which replaces, or by link, which refuses a name
 * that is taken. So no reader ever sees half a file, and of two writers that both want a
 * new name one is told FRZ_ERR_EXISTS.
 *
 * What must stay true: a sink that is freed without a successful commit leaves no file behind; the
 * temporary name is gone after commit; errno is read before anything else may change it.
 */
#include "storage/local_storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/os.h"

enum {
  NAME_BYTES_MAX = 200,        /* of a final name that is kept in its temporary one */
  WRITE_BYTES = 1 << 16,       /* smaller writes are gathered */
  TRANSFER_BYTES_MAX = 1 << 30 /* of one system call */
};

/* What errno means to the caller of `what` on `path`. */
static frz_status fail_errno(frz_error *err, int code, const char *what, const char *path)
{
  frz_status status = FRZ_ERR_IO;
  switch (code) {
  case ENOENT: status = FRZ_ERR_NOT_FOUND; break;
  case EEXIST: status = FRZ_ERR_EXISTS; break;
  case EACCES:
  case EPERM: status = FRZ_ERR_AUTH; break;
  case ENOMEM: status = FRZ_ERR_NOMEM; break;
  case EISDIR:
  case ENAMETOOLONG: status = FRZ_ERR_INVALID; break;
  default: break;
  }
  return frz_fail(err, status, "%s '%s': %s", what, path, strerror(code));
}

/* The path of a local URI as a C string. */
static frz_status path_of(frz_str uri, frz_buf *path, frz_error *err)
{
  frz_str text;
  if (!frz_storage_local_path(uri, &text) || text.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' is not the path of a file", FRZ_STR_ARG(uri));
  if (memchr(text.data, '\0', text.size) != NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "path '%.*s' holds a NUL", FRZ_STR_ARG(text));
  FRZ_TRY(frz_buf_append_str(path, text, err));
  return frz_buf_append_byte(path, '\0', err);
}

/* ---- reading ---- */

typedef struct local_source {
  frz_source base;
  const frz_alloc *alloc;
  size_t struct_bytes;
  int fd;
  char path[];
} local_source;

static frz_status read_range(const local_source *local, const frz_range *range, frz_error *err)
{
  int64_t size = local->base.size_bytes;
  FRZ_TRY(frz_source_check_range(&local->base, frz_str_from(local->path), range, err));
  size_t done = 0;
  while (done < range->size) {
    size_t step = range->size - done;
    if (step > TRANSFER_BYTES_MAX) step = TRANSFER_BYTES_MAX;
    int64_t at = range->offset + (int64_t)done;
    ssize_t n = pread(local->fd, range->dest + done, step, (off_t)at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(err, errno, "read", local->path);
    if (n == 0)
      return frz_fail(err, FRZ_ERR_CORRUPT, "read '%s': ends at offset %lld, had %lld bytes",
                      local->path, (long long)at, (long long)size);
    done += (size_t)n;
  }
  return FRZ_OK;
}

static frz_status local_read_ranges(frz_source *source, const frz_range *ranges, size_t n_ranges,
                                    frz_error *err)
{
  for (size_t i = 0; i < n_ranges; i++)
    FRZ_TRY(read_range((const local_source *)source, &ranges[i], err));
  return FRZ_OK;
}

static void local_source_free(frz_source *source)
{
  local_source *local = (local_source *)source;
  close(local->fd);
  frz_alloc_free(local->alloc, local, local->struct_bytes);
}

/* Opens without waiting: a pipe must not hang the caller, and is refused like all but files. */
static frz_status open_file(const char *path, int *fd_out, int64_t *size_out, frz_error *err)
{
  int fd;
  do fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail_errno(err, errno, "open", path);
  struct stat info;
  frz_status st = FRZ_OK;
  if (fstat(fd, &info) != 0)
    st = fail_errno(err, errno, "open", path);
  else if (!S_ISREG(info.st_mode))
    st = frz_fail(err, FRZ_ERR_INVALID, "open '%s': not a regular file", path);
  if (st != FRZ_OK) {
    close(fd);
    return st;
  }
  *fd_out = fd;
  *size_out = (int64_t)info.st_size;
  return FRZ_OK;
}

static frz_status local_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  const frz_alloc *alloc = ctx;
  frz_status st = FRZ_OK;
  local_source *local = NULL;
  size_t struct_bytes = 0;
  frz_buf path;
  frz_buf_init(&path, alloc, FRZ_LIMIT_PATH_BYTES);
  FRZ_TRY_OUT(path_of(uri, &path, err));
  struct_bytes = sizeof *local + path.size;
  local = frz_alloc_zeroed(alloc, struct_bytes);
  if (local == NULL) {
    st = frz_fail_nomem(err, "open file");
    goto out;
  }
  memcpy(local->path, path.data, path.size);
  FRZ_TRY_OUT(open_file(local->path, &local->fd, &local->base.size_bytes, err));
  local->alloc = alloc;
  local->struct_bytes = struct_bytes;
  local->base.read_ranges = local_read_ranges;
  local->base.free = local_source_free;
  *source_out = &local->base;
  local = NULL;
out:
  if (local != NULL) frz_alloc_free(alloc, local, struct_bytes);
  frz_buf_dispose(&path);
  return st;
}

/* ---- writing ---- */

typedef struct local_sink {
  frz_sink base;
  const frz_alloc *alloc;
  frz_buf path;      /* the final name */
  frz_buf temporary; /* the name until commit; empty: there is no such file */
  frz_buf pending;   /* bytes that are not given to the system yet */
  int fd;            /* -1: closed */
  bool must_be_new;
  bool failed; /* a write was lost: never commit */
} local_sink;

static const char *text_of(const frz_buf *path)
{
  return (const char *)path->data;
}

/* What lies in front of the last separator; 0 for a bare name. */
static size_t folder_bytes(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

static bool is_folder(const char *path)
{
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Makes the folders of `path`, outer ones first. The text is cut for a moment and restored. */
static frz_status make_parents(char *path, frz_error *err)
{
  for (size_t i = 1; path[i] != '\0'; i++) {
    if (path[i] != '/' || path[i - 1] == '/') continue;
    path[i] = '\0';
    frz_status st = FRZ_OK;
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
      int code = errno;
      if (!is_folder(path)) st = fail_errno(err, code, "create folder", path);
    }
    path[i] = '/';
    FRZ_TRY(st);
  }
  return FRZ_OK;
}

static frz_status name_temporary(local_sink *local, frz_error *err)
{
  const char *path = text_of(&local->path);
  size_t n_folder = folder_bytes(path);
  size_t n_name = strlen(path) - n_folder;
  if (n_name == 0) return frz_fail(err, FRZ_ERR_INVALID, "create '%s': the name of a folder", path);
  if (n_name > NAME_BYTES_MAX) n_name = NAME_BYTES_MAX;
  uint64_t random;
  FRZ_TRY(frz_os_random(&random, sizeof random, err));
  FRZ_TRY(frz_buf_print(&local->temporary, err, "%.*s.%.*s.%016llx.tmp", (int)n_folder, path,
                        (int)n_name, path + n_folder, (unsigned long long)random));
  return frz_buf_append_byte(&local->temporary, '\0', err);
}

static int open_temporary(const char *path)
{
  int fd;
  do fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  while (fd < 0 && errno == EINTR);
  return fd;
}

static frz_status start_file(local_sink *local, frz_error *err)
{
  FRZ_TRY(name_temporary(local, err));
  char *name = (char *)local->temporary.data;
  local->fd = open_temporary(name);
  if (local->fd < 0 && errno == ENOENT) {
    FRZ_TRY(make_parents(name, err));
    local->fd = open_temporary(name);
  }
  if (local->fd >= 0) return FRZ_OK;
  int code = errno;
  /* The folder is missing or refuses: the caller asked for the final name and is told about it. */
  return fail_errno(err, code == ENOENT ? EIO : code, "create", text_of(&local->path));
}

static frz_status write_now(local_sink *local, const uint8_t *data, size_t size, frz_error *err)
{
  while (size != 0) {
    ssize_t n = write(local->fd, data, size < TRANSFER_BYTES_MAX ? size : TRANSFER_BYTES_MAX);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int code = errno;
      local->failed = true;
      return fail_errno(err, code, "write", text_of(&local->path));
    }
    data += n;
    size -= (size_t)n;
  }
  return FRZ_OK;
}

static frz_status flush(local_sink *local, frz_error *err)
{
  size_t size = local->pending.size;
  local->pending.size = 0;
  return write_now(local, local->pending.data, size, err);
}

static frz_status check_usable(const local_sink *local, const char *what, frz_error *err)
{
  if (local->failed)
    return frz_fail(err, FRZ_ERR_IO, "%s '%s': an earlier write was lost", what,
                    text_of(&local->path));
  if (local->fd < 0)
    return frz_fail(err, FRZ_ERR_INVALID, "%s '%s': already committed", what,
                    text_of(&local->path));
  return FRZ_OK;
}

static frz_status local_write(frz_sink *sink, const void *data, size_t size, frz_error *err)
{
  local_sink *local = (local_sink *)sink;
  FRZ_TRY(check_usable(local, "write", err));
  if (size > WRITE_BYTES - local->pending.size) FRZ_TRY(flush(local, err));
  if (size >= WRITE_BYTES)
    FRZ_TRY(write_now(local, data, size, err));
  else
    FRZ_TRY(frz_buf_append(&local->pending, data, size, err));
  sink->written_bytes += (int64_t)size;
  return FRZ_OK;
}

/* Where many files are committed, each would wait for the disk in turn. */
static frz_status local_prepare(frz_sink *sink, frz_error *err)
{
  local_sink *local = (local_sink *)sink;
  FRZ_TRY(check_usable(local, "commit", err));
  FRZ_TRY(flush(local, err));
  frz_os_begin_writing(local->fd);
  return FRZ_OK;
}

/* Makes the new name itself durable. Its bytes are safe already, so a file system that cannot do
 * this is no failure. */
static void sync_folder(frz_sink *sink)
{
  local_sink *local = (local_sink *)sink;
  char *path = (char *)local->path.data;
  size_t n = folder_bytes(path);
  char name_starts = path[n];
  path[n] = '\0';
  int fd = open(n != 0 ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  path[n] = name_starts;
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

/* A name that nobody has: 0, or errno. Some file systems have no hard links. */
static int take_new_name(const char *temporary, const char *path)
{
  if (link(temporary, path) == 0) {
    (void)unlink(temporary);
    return 0;
  }
#if defined(RENAME_NOREPLACE)
  if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS)
    return renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ? 0 : errno;
#endif
  return errno;
}

static int take_name(const local_sink *local)
{
  const char *temporary = text_of(&local->temporary);
  const char *path = text_of(&local->path);
  if (local->must_be_new) return take_new_name(temporary, path);
  return rename(temporary, path) == 0 ? 0 : errno;
}

static frz_status local_commit(frz_sink *sink, frz_error *err)
{
  local_sink *local = (local_sink *)sink;
  FRZ_TRY(check_usable(local, "commit", err));
  FRZ_TRY(flush(local, err));
  const char *path = text_of(&local->path);
  local->failed = true; /* until all of it is done */
  if (fsync(local->fd) != 0) return fail_errno(err, errno, "flush", path);
  int fd = local->fd;
  local->fd = -1;
  if (close(fd) != 0 && errno != EINTR) return fail_errno(err, errno, "close", path);
  int code = take_name(local);
  if (code == ENOENT) code = EIO; /* our own file or folder was taken away */
  if (code != 0) return fail_errno(err, code, "create", path);
  local->failed = false;
  local->temporary.size = 0;
  return FRZ_OK;
}

static void local_sink_free(frz_sink *sink)
{
  local_sink *local = (local_sink *)sink;
  if (local->fd >= 0) close(local->fd);
  if (local->temporary.size != 0) (void)unlink(text_of(&local->temporary));
  frz_buf_dispose(&local->path);
  frz_buf_dispose(&local->temporary);
  frz_buf_dispose(&local->pending);
  frz_alloc_free(local->alloc, local, sizeof *local);
}

/* A device or folder under the name must not give way to a file. */
static frz_status refuse_special(const char *path, frz_error *err)
{
  struct stat info;
  if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "'%s' is not a regular file and cannot be replaced by one",
                  path);
}

static frz_status local_create(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                               frz_error *err)
{
  const frz_alloc *alloc = ctx;
  local_sink *local = frz_alloc_zeroed(alloc, sizeof *local);
  if (local == NULL) return frz_fail_nomem(err, "new file");
  frz_status st = FRZ_OK;
  local->alloc = alloc;
  local->fd = -1;
  local->must_be_new = must_be_new;
  local->base.write = local_write;
  local->base.commit = local_commit;
  local->base.free = local_sink_free;
  local->base.prepare = local_prepare;
  local->base.settle = sync_folder;
  frz_buf_init(&local->path, alloc, FRZ_LIMIT_PATH_BYTES);
  frz_buf_init(&local->temporary, alloc, FRZ_LIMIT_PATH_BYTES + NAME_BYTES_MAX);
  frz_buf_init(&local->pending, alloc, WRITE_BYTES);
  FRZ_TRY_OUT(path_of(uri, &local->path, err));
  FRZ_TRY_OUT(refuse_special(text_of(&local->path), err));
  FRZ_TRY_OUT(frz_buf_reserve(&local->pending, WRITE_BYTES, err));
  FRZ_TRY_OUT(start_file(local, err));
  *sink_out = &local->base;
  return FRZ_OK;
out:
  if (local->fd < 0) local->temporary.size = 0;
  local_sink_free(&local->base);
  return st;
}

static frz_status local_remove(void *ctx, frz_str uri, frz_error *err)
{
  frz_buf path;
  frz_buf_init(&path, ctx, FRZ_LIMIT_PATH_BYTES);
  frz_status st = path_of(uri, &path, err);
  if (st == FRZ_OK && unlink(text_of(&path)) != 0)
    st = fail_errno(err, errno, "remove", text_of(&path));
  frz_buf_dispose(&path);
  return st;
}

/* ---- listing ---- */

/* One walk. Folders wait on a stack of texts instead of in recursion. */
typedef struct walk {
  frz_str folder_uri; /* as asked for, without slashes at its end */
  frz_buf root;       /* its path */
  frz_buf folders;    /* "a/b" below the root, each with a NUL behind; the last one is next */
  frz_buf folder;     /* the one being listed, "" or "a/b/", NUL-terminated */
  frz_buf path;       /* of the entry, NUL-terminated */
  frz_buf uri;        /* of the entry */
  frz_storage_visit visit;
  void *arg;
} walk;

static frz_status visit_entry(walk *w, const char *name, frz_error *err)
{
  w->path.size = 0;
  FRZ_TRY(frz_buf_print(&w->path, err, "%s/%s%s", text_of(&w->root), text_of(&w->folder), name));
  FRZ_TRY(frz_buf_append_byte(&w->path, '\0', err));
  const char *path = text_of(&w->path);
  struct stat info;
  if (lstat(path, &info) != 0) {
    if (errno == ENOENT) return FRZ_OK; /* removed since it was listed */
    return fail_errno(err, errno, "list", path);
  }
  if (S_ISDIR(info.st_mode)) {
    FRZ_TRY(frz_buf_print(&w->folders, err, "%s%s", text_of(&w->folder), name));
    return frz_buf_append_byte(&w->folders, '\0', err);
  }
  if (S_ISLNK(info.st_mode) && stat(path, &info) != 0) return FRZ_OK; /* points nowhere */
  if (!S_ISREG(info.st_mode)) return FRZ_OK; /* a folder by link could lead in circles */
  w->uri.size = 0;
  FRZ_TRY(frz_buf_append_str(&w->uri, w->folder_uri, err));
  FRZ_TRY(frz_buf_print(&w->uri, err, "/%s%s", text_of(&w->folder), name));
  frz_storage_entry entry = {frz_buf_str(&w->uri), (int64_t)info.st_size,
                             (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000};
  return w->visit(w->arg, &entry, err);
}

/* Takes the last waiting folder off the stack. */
static frz_status next_folder(walk *w, frz_error *err)
{
  size_t at = w->folders.size - 1; /* on the NUL behind the last name */
  while (at != 0 && w->folders.data[at - 1] != '\0') at--;
  const char *name = text_of(&w->folders) + at;
  w->folder.size = 0;
  FRZ_TRY(frz_buf_print(&w->folder, err, "%s%s", name, *name != '\0' ? "/" : ""));
  FRZ_TRY(frz_buf_append_byte(&w->folder, '\0', err));
  w->folders.size = at;
  return FRZ_OK;
}

static frz_status list_folder(walk *w, frz_error *err)
{
  w->path.size = 0;
  FRZ_TRY(frz_buf_print(&w->path, err, "%s/%s", text_of(&w->root), text_of(&w->folder)));
  FRZ_TRY(frz_buf_append_byte(&w->path, '\0', err));
  DIR *handle = opendir(text_of(&w->path));
  if (handle == NULL)
    return errno == ENOENT ? FRZ_OK : fail_errno(err, errno, "list", text_of(&w->path));
  frz_status st = FRZ_OK;
  while (st == FRZ_OK) {
    errno = 0;
    const struct dirent *entry = readdir(handle);
    if (entry == NULL) {
      if (errno != 0) st = fail_errno(err, errno, "list", text_of(&w->path));
      break;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    st = visit_entry(w, entry->d_name, err);
  }
  closedir(handle);
  return st;
}

static frz_status local_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                             frz_error *err)
{
  frz_status st = FRZ_OK;
  walk w = {.folder_uri = uri, .visit = visit, .arg = arg};
  while (w.folder_uri.size > 1 && w.folder_uri.data[w.folder_uri.size - 1] == '/')
    w.folder_uri.size--;
  frz_buf_init(&w.root, ctx, FRZ_LIMIT_PATH_BYTES);
  frz_buf_init(&w.folders, ctx, FRZ_LIMIT_LIST_BYTES);
  frz_buf_init(&w.folder, ctx, FRZ_LIMIT_PATH_BYTES);
  frz_buf_init(&w.path, ctx, FRZ_LIMIT_PATH_BYTES * 2);
  frz_buf_init(&w.uri, ctx, FRZ_LIMIT_PATH_BYTES * 2);
  FRZ_TRY_OUT(path_of(uri, &w.root, err));
  while (w.root.size > 1 && w.root.data[w.root.size - 2] == '/') w.root.data[--w.root.size - 1] = 0;
  FRZ_TRY_OUT(frz_buf_append_byte(&w.folders, '\0', err)); /* the root itself: "" */
  while (w.folders.size != 0) {
    FRZ_TRY_OUT(next_folder(&w, err));
    FRZ_TRY_OUT(list_folder(&w, err));
  }
out:
  frz_buf_dispose(&w.root);
  frz_buf_dispose(&w.folders);
  frz_buf_dispose(&w.folder);
  frz_buf_dispose(&w.path);
  frz_buf_dispose(&w.uri);
  return st;
}

frz_status frz_local_file_read(frz_str path, size_t max_bytes, frz_arena *arena, frz_str *text_out,
                               frz_error *err)
{
  frz_source *source = NULL;
  FRZ_TRY(local_open((void *)(uintptr_t)arena->alloc, path, &source, err));
  frz_status st = FRZ_OK;
  char *text = NULL;
  size_t size = (size_t)source->size_bytes;
  if (size > max_bytes)
    st = frz_fail(err, FRZ_ERR_LIMIT, "'%.*s' passes the limit of %zu bytes", FRZ_STR_ARG(path),
                  max_bytes);
  if (st == FRZ_OK) {
    text = frz_arena_push(arena, size + 1);
    if (text == NULL) st = frz_fail_nomem(err, "file");
  }
  if (st == FRZ_OK && size != 0) st = frz_source_read(source, 0, size, (uint8_t *)text, err);
  frz_source_free(source);
  if (st == FRZ_OK) *text_out = (frz_str){text, size};
  return st;
}

const frz_storage_ops *frz_local_storage_ops(void)
{
  static const frz_storage_ops ops = {.version = 1,
                                      .open = local_open,
                                      .create = local_create,
                                      .remove = local_remove,
                                      .list = local_list};
  return &ops;
}
