/*
 * cache_folder.c - see cache_folder.h.
 *
 *   <folder>/v1/lock        held (flock) while space is given out; its 8 bytes: the space in use
 *   <folder>/v1/<32 hex>    an entry, named by a hash of store and URI:
 *       4096 bytes          header: what object this is, with a checksum
 *       block 0, checksum, block 1, checksum ...
 *
 * A block's checksum is seeded by its index, and written behind it by the same call: a block that a
 * killed process or a failing disk left half written does not match, and a hole has the checksum 0,
 * which no block has. So entries need neither fsync nor locks, and two processes may write the same
 * block. A new entry gets its header under a temporary name first, and its own by rename.
 *
 * What must stay true: an entry's header never changes; names that do not look like ours are never
 * touched; the space in use is only ever overestimated (it is counted before it is taken, and
 * counted anew when entries are removed), but for what other processes are writing at that moment.
 */
#include "storage/cache_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/os.h"
#include "codec/checksum.h"

enum {
  HEADER_BYTES = 4096,
  HEADER_FIXED_BYTES = 40, /* magic, checksum, store, size, lengths of URI and etag */
  HASH_TEXT_BYTES = 32,
  NAME_BYTES_MAX = 64, /* of a file in the folder */
  SLOT_BYTES = FRZ_CACHE_BLOCK_BYTES + 8,
  RESERVED_BYTES =
      SLOT_BYTES + 4096, /* a block's pages may be shared with none of its neighbours */
  LOCK_TRIES = 5,
  TEMPORARY_SECONDS_MAX = 3600 /* older ones were left by processes that are gone */
};

static const char MAGIC[8] = "frzcach1";
static const int64_t REST_US = 10 * 1000000;

/* ---- the folder ---- */

/* The path of a file in the folder, with a NUL. */
static bool path_of(const frz_cache_folder *folder, const char *name, frz_buf *path)
{
  frz_buf_init(path, frz_context_alloc(folder->context), FRZ_LIMIT_PATH_BYTES);
  return frz_buf_append_str(path, frz_buf_str(&folder->path), NULL) == FRZ_OK &&
         frz_buf_append_byte(path, '/', NULL) == FRZ_OK &&
         frz_buf_append(path, name, strlen(name) + 1, NULL) == FRZ_OK;
}

static int open_file(const frz_cache_folder *folder, const char *name, int flags)
{
  frz_buf path;
  int fd = -1;
  if (path_of(folder, name, &path)) do
      fd = open((const char *)path.data, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (fd < 0 && errno == EINTR);
  frz_buf_dispose(&path);
  return fd;
}

static void rest(frz_cache_folder *folder, const char *why)
{
  int64_t until_us = frz_os_monotonic_us() + REST_US;
  if (atomic_exchange(&folder->rests_until_us, until_us) < until_us - REST_US)
    frz_context_log(folder->context, FRZ_LOG_WARNING,
                    "cache.directory '%.*s': %s; files are read from the store",
                    FRZ_STR_ARG(frz_buf_str(&folder->path)), why);
}

static bool is_resting(frz_cache_folder *folder)
{
  return frz_os_monotonic_us() < atomic_load(&folder->rests_until_us);
}

static frz_status make_folder(char *path, frz_error *err)
{
  for (char *at = path + 1;; at++) {
    if (*at != '/' && *at != '\0') continue;
    char kept = *at;
    *at = '\0';
    int code = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
    if (code != 0)
      return frz_fail(err, code == EACCES ? FRZ_ERR_AUTH : FRZ_ERR_IO,
                      "property cache.directory: '%s': %s", path, strerror(code));
    *at = kept;
    if (kept == '\0') return FRZ_OK;
  }
}

frz_status frz_cache_folder_open(frz_context *context, frz_str path, int64_t max_bytes,
                                 frz_cache_folder *folder_out, frz_error *err)
{
  frz_cache_folder folder = {.context = context, .max_bytes = max_bytes};
  frz_status st = FRZ_OK;
  frz_buf_init(&folder.path, frz_context_alloc(context), FRZ_LIMIT_PATH_BYTES - NAME_BYTES_MAX);
  if (path.size == 0 || memchr(path.data, '\0', path.size) != NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "property cache.directory: '%.*s' is no path",
                    FRZ_STR_ARG(path));
  FRZ_TRY_OUT(frz_buf_append_str(&folder.path, path, err));
  FRZ_TRY_OUT(frz_buf_append(&folder.path, "/v1", 4, err));
  FRZ_TRY_OUT(make_folder((char *)folder.path.data, err));
  folder.path.size--;
  *folder_out = folder;
  return FRZ_OK;
out:
  frz_buf_dispose(&folder.path);
  return st;
}

void frz_cache_folder_close(frz_cache_folder *folder)
{
  frz_buf_dispose(&folder->path);
}

/* ---- headers ---- */

static void name_of(const frz_cache_object *object, char name_out[HASH_TEXT_BYTES + 1])
{
  uint64_t a = frz_xxh64(object->uri.data, object->uri.size, object->store);
  uint64_t b = frz_xxh64(object->uri.data, object->uri.size, a);
  snprintf(name_out, HASH_TEXT_BYTES + 1, "%016llx%016llx", (unsigned long long)a,
           (unsigned long long)b);
}

static uint64_t header_checksum(const uint8_t *header)
{
  return frz_xxh64(header + 16, HEADER_BYTES - 16, 1);
}

static void write_header(const frz_cache_object *object, uint8_t header_out[HEADER_BYTES])
{
  size_t etag_bytes = strlen(object->etag);
  memset(header_out, 0, HEADER_BYTES);
  memcpy(header_out, MAGIC, sizeof MAGIC);
  frz_store_u64le(header_out + 16, object->store);
  frz_store_u64le(header_out + 24, (uint64_t)object->size_bytes);
  frz_store_u32le(header_out + 32, (uint32_t)object->uri.size);
  frz_store_u32le(header_out + 36, (uint32_t)etag_bytes);
  memcpy(header_out + HEADER_FIXED_BYTES, object->uri.data, object->uri.size);
  memcpy(header_out + HEADER_FIXED_BYTES + object->uri.size, object->etag, etag_bytes);
  frz_store_u64le(header_out + 8, header_checksum(header_out));
}

/* Is it an entry of this URI? Sets size and etag. */
static bool read_header(int entry, frz_cache_object *object)
{
  uint8_t header[HEADER_BYTES];
  if (pread(entry, header, sizeof header, 0) != (ssize_t)sizeof header) return false;
  if (memcmp(header, MAGIC, sizeof MAGIC) != 0 ||
      frz_load_u64le(header + 8) != header_checksum(header))
    return false;
  int64_t size_bytes = (int64_t)frz_load_u64le(header + 24);
  size_t uri_bytes = frz_load_u32le(header + 32);
  size_t etag_bytes = frz_load_u32le(header + 36);
  if (uri_bytes > FRZ_CACHE_URI_BYTES_MAX || etag_bytes > FRZ_CACHE_ETAG_BYTES_MAX ||
      size_bytes < 0)
    return false;
  frz_str uri = {(const char *)header + HEADER_FIXED_BYTES, uri_bytes};
  if (!frz_str_equal(uri, object->uri) || frz_load_u64le(header + 16) != object->store)
    return false;
  object->size_bytes = size_bytes;
  memcpy(object->etag, header + HEADER_FIXED_BYTES + uri_bytes, etag_bytes);
  object->etag[etag_bytes] = '\0';
  return true;
}

/* ---- entries ---- */

/* Gives a file's space back at once, although another process may have it open: what it reads there
 * then are holes. */
static void remove_file(const frz_cache_folder *folder, const char *name)
{
  frz_buf path;
  int fd = open_file(folder, name, O_WRONLY);
  if (path_of(folder, name, &path)) (void)unlink((const char *)path.data);
  frz_buf_dispose(&path);
  if (fd < 0) return;
  if (ftruncate(fd, 0) != 0) { /* it goes when the last one closes it */
  }
  close(fd);
}

int frz_cache_entry_open(frz_cache_folder *folder, frz_cache_object *object)
{
  char name[HASH_TEXT_BYTES + 1];
  if (object->uri.size > FRZ_CACHE_URI_BYTES_MAX) return -1;
  name_of(object, name);
  int entry = open_file(folder, name, O_RDWR);
  if (entry < 0) return -1;
  if (!read_header(entry, object)) {
    close(entry);
    remove_file(folder, name);
    return -1;
  }
  (void)futimens(entry, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}});
  return entry;
}

void frz_cache_entry_drop(frz_cache_folder *folder, const frz_cache_object *object)
{
  char name[HASH_TEXT_BYTES + 1];
  name_of(object, name);
  remove_file(folder, name);
}

/* A file with the header alone, under a temporary name and then under its own. */
static int make_entry(frz_cache_folder *folder, const frz_cache_object *object, const char *name)
{
  uint8_t header[HEADER_BYTES];
  char temporary[NAME_BYTES_MAX];
  uint64_t random;
  frz_buf from, to;
  if (frz_os_random(&random, sizeof random, NULL) != FRZ_OK) return -1;
  snprintf(temporary, sizeof temporary, "new.%016llx", (unsigned long long)random);
  int entry = open_file(folder, temporary, O_RDWR | O_CREAT | O_EXCL);
  if (entry < 0) {
    rest(folder, strerror(errno));
    return -1;
  }
  write_header(object, header);
  bool is_made = pwrite(entry, header, sizeof header, 0) == (ssize_t)sizeof header;
  if (!is_made) rest(folder, strerror(errno));
  bool has_paths = path_of(folder, temporary, &from);
  has_paths = path_of(folder, name, &to) && has_paths;
  is_made = is_made && has_paths && rename((const char *)from.data, (const char *)to.data) == 0;
  frz_buf_dispose(&from);
  frz_buf_dispose(&to);
  if (is_made) return entry;
  close(entry);
  remove_file(folder, temporary);
  return -1;
}

int frz_cache_entry_create(frz_cache_folder *folder, const frz_cache_object *object)
{
  char name[HASH_TEXT_BYTES + 1];
  if (object->uri.size > FRZ_CACHE_URI_BYTES_MAX || is_resting(folder)) return -1;
  frz_cache_object found = *object;
  int entry = frz_cache_entry_open(folder, &found);
  if (entry >= 0) {
    if (found.size_bytes == object->size_bytes && strcmp(found.etag, object->etag) == 0)
      return entry;
    close(entry);
    frz_cache_entry_drop(folder, object);
  }
  name_of(object, name);
  return make_entry(folder, object, name);
}

/* ---- blocks ---- */

static uint64_t block_checksum(int64_t index, const uint8_t *bytes, size_t size)
{
  uint64_t sum = frz_xxh64(bytes, size, (uint64_t)index);
  return sum != 0 ? sum : 1;
}

static off_t block_offset(int64_t index)
{
  return (off_t)(HEADER_BYTES + index * SLOT_BYTES);
}

bool frz_cache_block_read(int entry, int64_t index, uint8_t *dest, size_t size)
{
  uint64_t sum = 0;
  const struct iovec into[] = {{dest, size}, {&sum, sizeof sum}};
  ssize_t n = preadv(entry, into, 2, block_offset(index));
  return n == (ssize_t)(size + sizeof sum) && sum != 0 && sum == block_checksum(index, dest, size);
}

bool frz_cache_block_write(frz_cache_folder *folder, int entry, int64_t index, const uint8_t *bytes,
                           size_t size)
{
  uint64_t sum = block_checksum(index, bytes, size);
  const struct iovec from[] = {{(void *)(uintptr_t)bytes, size}, {&sum, sizeof sum}};
  ssize_t n = pwritev(entry, from, 2, block_offset(index));
  if (n == (ssize_t)(size + sizeof sum)) return true;
  rest(folder, n < 0 ? strerror(errno) : strerror(ENOSPC));
  return false;
}

/* ---- space ---- */

typedef struct kept_file {
  char name[NAME_BYTES_MAX];
  struct timespec used;
  int64_t bytes;
} kept_file;

static int compare_use(const void *a, const void *b)
{
  const kept_file *left = a, *right = b;
  if (left->used.tv_sec != right->used.tv_sec)
    return left->used.tv_sec < right->used.tv_sec ? -1 : 1;
  return (left->used.tv_nsec > right->used.tv_nsec) - (left->used.tv_nsec < right->used.tv_nsec);
}

static bool is_entry_name(const char *name)
{
  return strlen(name) == HASH_TEXT_BYTES && strspn(name, "0123456789abcdef") == HASH_TEXT_BYTES;
}

/* Appends the folder's entries to `files`, and removes temporary files that nobody will finish. */
static bool list_files(const frz_cache_folder *folder, frz_buf *files)
{
  DIR *dir = NULL;
  int fd = open_file(folder, ".", O_RDONLY | O_DIRECTORY);
  if (fd >= 0) dir = fdopendir(fd);
  if (dir == NULL) {
    if (fd >= 0) close(fd);
    return false;
  }
  bool is_whole = true;
  for (struct dirent *at; is_whole && (at = readdir(dir)) != NULL;) {
    struct stat info;
    bool is_new = strncmp(at->d_name, "new.", 4) == 0;
    if ((!is_new && !is_entry_name(at->d_name)) ||
        fstatat(fd, at->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (is_new) {
      if (frz_os_now_ms() / 1000 - info.st_mtim.tv_sec > TEMPORARY_SECONDS_MAX)
        remove_file(folder, at->d_name);
      continue;
    }
    kept_file file = {.used = info.st_mtim, .bytes = (int64_t)info.st_blocks * 512};
    memcpy(file.name, at->d_name, HASH_TEXT_BYTES);
    is_whole = frz_buf_append(files, &file, sizeof file, NULL) == FRZ_OK;
  }
  closedir(dir);
  return is_whole;
}

/* Counts the space in use and removes entries until `max_bytes` are left; -1: it cannot be told. */
static int64_t make_room(const frz_cache_folder *folder, int64_t max_bytes)
{
  frz_buf buf;
  int64_t used = -1;
  frz_buf_init(&buf, frz_context_alloc(folder->context), FRZ_LIMIT_LIST_BYTES);
  if (list_files(folder, &buf)) {
    kept_file *files = (kept_file *)(void *)buf.data;
    size_t n = buf.size / sizeof *files;
    used = 0;
    for (size_t i = 0; i < n; i++) used += files[i].bytes;
    if (n != 0) qsort(files, n, sizeof *files, compare_use);
    for (size_t i = 0; i < n && used > max_bytes; i++) {
      remove_file(folder, files[i].name);
      used -= files[i].bytes;
    }
  }
  frz_buf_dispose(&buf);
  return used;
}

/* The lock is opened for each use: after a fork parent and child would share it otherwise. */
static int take_lock(const frz_cache_folder *folder)
{
  int lock = open_file(folder, "lock", O_RDWR | O_CREAT);
  if (lock < 0) return -1;
  for (int i = 0; i < LOCK_TRIES; i++) {
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
    frz_os_sleep_ms(1);
  }
  close(lock); /* somebody makes room, or was stopped: nothing waits for that */
  return -1;
}

bool frz_cache_blocks_reserve(frz_cache_folder *folder, int entry, size_t n_blocks)
{
  struct stat info;
  int64_t wanted = (int64_t)n_blocks * RESERVED_BYTES + HEADER_BYTES;
  int64_t used = 0;
  if (is_resting(folder) || wanted > folder->max_bytes / 2) return false;
  if (fstat(entry, &info) != 0 || info.st_nlink == 0) return false;
  int lock = take_lock(folder);
  if (lock < 0) return false;
  bool is_counted = pread(lock, &used, sizeof used, 0) == (ssize_t)sizeof used && used >= 0;
  if (!is_counted || used > folder->max_bytes - wanted)
    used = make_room(folder, folder->max_bytes - folder->max_bytes / 8 - wanted);
  bool is_free = used >= 0 && used <= folder->max_bytes - wanted;
  if (is_free) used += wanted;
  is_free = pwrite(lock, &used, sizeof used, 0) == (ssize_t)sizeof used && is_free;
  close(lock);
  /* Room may have been made by removing this very entry. */
  return is_free && fstat(entry, &info) == 0 && info.st_nlink != 0;
}
