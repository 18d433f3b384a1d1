/*
 * index_files.c - see index_files.h.
 *
 * Readers take no lock: "index" is replaced by rename, and names only files that were renamed
 * before. One that is removed while a reader is on its way makes that reader start over. What a
 * writer leaves behind when it is killed has no name in "index": the next one removes it.
 */
#include "online/index_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/reader.h"
#include "base/runtime.h"
#include "online/segment_build.h"

#define MAGIC "FRZLKWM\x01"
enum { NAME_BYTES_MAX = 63, LOAD_ATTEMPTS = 5, FILE_BYTES_MAX = 1 << 30 };

static frz_status fail_path(frz_error *err, const char *path)
{
  return frz_fail(err, FRZ_ERR_IO, "%s: %s", path, strerror(errno));
}

/* ---- the folder ---- */

static frz_status make_folder(const char *path, frz_error *err)
{
  struct stat info;
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return fail_path(err, path);
  if (stat(path, &info) != 0) return fail_path(err, path);
  if (!S_ISDIR(info.st_mode)) return frz_fail(err, FRZ_ERR_IO, "%s: not a folder", path);
  if (info.st_uid != geteuid() || (info.st_mode & 022) != 0)
    return frz_fail(err, FRZ_ERR_AUTH,
                    "cache folder %s: it must belong to this user alone (mode 0700)", path);
  return FRZ_OK;
}

/* Folders above the cache folder, as a shell's mkdir -p makes them. */
static void make_parents(const char *path)
{
  char part[FRZ_INDEX_PATH_BYTES];
  size_t size = strlen(path);
  if (size >= sizeof part) return;
  memcpy(part, path, size + 1);
  for (size_t i = 1; i < size; i++) {
    if (part[i] != '/') continue;
    part[i] = '\0';
    (void)mkdir(part, 0700); /* what is missing shows when the folder itself is made */
    part[i] = '/';
  }
}

frz_status frz_index_folder_open(frz_index_folder *folder, const char *cache_dir, frz_str uuid,
                                 frz_error *err)
{
  *folder = (frz_index_folder){.lock_fd = -1};
  for (size_t i = 0; i < uuid.size; i++)
    if (strchr("0123456789abcdefABCDEF-", uuid.data[i]) == NULL)
      return frz_fail(err, FRZ_ERR_CORRUPT, "table uuid '%.*s' is none", FRZ_STR_ARG(uuid));
  if (uuid.size == 0 || uuid.size > FRZ_SEGMENT_UUID_BYTES)
    return frz_fail(err, FRZ_ERR_CORRUPT, "table uuid of %zu bytes", uuid.size);
  memcpy(folder->uuid, uuid.data, uuid.size);
  int n = snprintf(folder->path, sizeof folder->path - NAME_BYTES_MAX - 2, "%s/%s", cache_dir,
                   folder->uuid);
  if (n < 0 || (size_t)n >= sizeof folder->path - NAME_BYTES_MAX - 2)
    return frz_fail(err, FRZ_ERR_INVALID, "cache folder: a path of %d bytes", n);
  make_parents(cache_dir);
  FRZ_TRY(make_folder(cache_dir, err));
  return make_folder(folder->path, err);
}

static void path_in(const frz_index_folder *folder, const char *name,
                    char path_out[FRZ_INDEX_PATH_BYTES + 64])
{
  snprintf(path_out, FRZ_INDEX_PATH_BYTES + 64, "%s/%s", folder->path, name);
}

frz_status frz_index_folder_lock(frz_index_folder *folder, bool wait, bool *locked_out,
                                 frz_error *err)
{
  char path[FRZ_INDEX_PATH_BYTES + 64];
  path_in(folder, "lock", path);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail_path(err, path);
  int got;
  do {
    got = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
  } while (got != 0 && errno == EINTR);
  *locked_out = got == 0;
  if (got == 0) {
    folder->lock_fd = fd;
    return FRZ_OK;
  }
  bool is_taken = errno == EWOULDBLOCK;
  frz_status st = is_taken ? FRZ_OK : fail_path(err, path);
  close(fd);
  return st;
}

void frz_index_folder_unlock(frz_index_folder *folder)
{
  if (folder->lock_fd < 0) return;
  close(folder->lock_fd);
  folder->lock_fd = -1;
}

frz_index_stamp frz_index_folder_stamp(const frz_index_folder *folder)
{
  char path[FRZ_INDEX_PATH_BYTES + 64];
  struct stat info;
  path_in(folder, "index", path);
  if (stat(path, &info) != 0) return (frz_index_stamp){0};
  return (frz_index_stamp){(int64_t)info.st_ino, (int64_t)info.st_size,
                           (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec};
}

/* ---- "index" ---- */

static frz_status corrupt(frz_error *err, const char *what, uint64_t value)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "index: %s %llu", what, (unsigned long long)value);
}

static frz_status read_marks(frz_reader *reader, frz_buf *marks, frz_error *err)
{
  uint32_t n = 0;
  const uint8_t *bytes;
  if (!frz_read_u32le(reader, &n) || n > frz_reader_left(reader) / sizeof(frz_file_mark) ||
      !frz_read_bytes(reader, n * sizeof(frz_file_mark), &bytes))
    return corrupt(err, "files", n);
  FRZ_TRY(frz_buf_append(marks, bytes, n * sizeof(frz_file_mark), err));
  frz_marks_sort(marks);
  return FRZ_OK;
}

static frz_status read_names(frz_reader *reader, frz_str *names_out, size_t *n_names_out,
                             frz_error *err)
{
  uint32_t n = 0, size = 0;
  if (!frz_read_u32le(reader, &n) || n > FRZ_INDEX_SEGMENTS_MAX) return corrupt(err, "segments", n);
  for (uint32_t i = 0; i < n; i++) {
    const uint8_t *bytes;
    if (!frz_read_u32le(reader, &size) || size == 0 || size > NAME_BYTES_MAX ||
        !frz_read_bytes(reader, size, &bytes))
      return corrupt(err, "bytes of a name", size);
    names_out[i] = (frz_str){(const char *)bytes, size};
    if (memchr(bytes, '/', size) != NULL || memchr(bytes, '\0', size) != NULL || bytes[0] == '.')
      return corrupt(err, "a name that is a path, bytes", size);
  }
  *n_names_out = n;
  return FRZ_OK;
}

static frz_status parse(frz_reader *reader, frz_str uuid, frz_str *names_out, size_t *n_names_out,
                        frz_watermark *mark, frz_error *err)
{
  const uint8_t *bytes;
  uint64_t snapshot_id, sequence;
  char wanted[FRZ_SEGMENT_UUID_BYTES] = {0};
  memcpy(wanted, uuid.data, uuid.size < sizeof wanted ? uuid.size : sizeof wanted);
  if (!frz_read_bytes(reader, 8, &bytes) || memcmp(bytes, MAGIC, 8) != 0)
    return corrupt(err, "not one, bytes", reader->size);
  if (!frz_read_bytes(reader, sizeof wanted, &bytes)) return corrupt(err, "bytes", reader->size);
  if (memcmp(bytes, wanted, sizeof wanted) != 0)
    return frz_fail(err, FRZ_ERR_STALE, "index: of another table");
  if (!frz_read_u64le(reader, &snapshot_id) || !frz_read_u64le(reader, &sequence))
    return corrupt(err, "bytes", reader->size);
  mark->snapshot_id = (int64_t)snapshot_id;
  mark->sequence = (int64_t)sequence;
  FRZ_TRY(read_names(reader, names_out, n_names_out, err));
  FRZ_TRY(read_marks(reader, &mark->data_files, err));
  FRZ_TRY(read_marks(reader, &mark->delete_files, err));
  return frz_reader_left(reader) == 0 ? FRZ_OK
                                      : corrupt(err, "bytes left", frz_reader_left(reader));
}

frz_status frz_index_file_parse(frz_str bytes, frz_str uuid, const frz_alloc *alloc,
                                frz_str *names_out, size_t *n_names_out, frz_watermark *mark_out,
                                frz_error *err)
{
  if (bytes.size < 8) return corrupt(err, "not one, bytes", bytes.size);
  size_t size = bytes.size - 8;
  if (frz_load_u64le(bytes.data + size) != frz_xxh64(bytes.data, size, 0))
    return corrupt(err, "checksum, bytes", size);
  frz_reader reader = frz_reader_of(bytes.data, size);
  frz_watermark mark;
  frz_watermark_init(&mark, alloc);
  frz_status st = parse(&reader, uuid, names_out, n_names_out, &mark, err);
  if (st == FRZ_OK)
    *mark_out = mark;
  else
    frz_watermark_dispose(&mark);
  return st;
}

static frz_status read_index(const frz_index_folder *folder, frz_buf *out, frz_error *err)
{
  char path[FRZ_INDEX_PATH_BYTES + 64];
  path_in(folder, "index", path);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? frz_fail(err, FRZ_ERR_NOT_FOUND, "%s: there is none", path)
                           : fail_path(err, path);
  frz_status st = FRZ_OK;
  for (ssize_t n = 1; n > 0 && st == FRZ_OK;) {
    st = frz_buf_reserve(out, 65536, err);
    if (st != FRZ_OK) break;
    do {
      n = read(fd, out->data + out->size, 65536);
    } while (n < 0 && errno == EINTR);
    if (n < 0) st = fail_path(err, path);
    if (n > 0) out->size += (size_t)n;
  }
  close(fd);
  return st;
}

static frz_status open_segments(const frz_index_folder *folder, const frz_alloc *alloc,
                                const frz_str *names, size_t n_names, frz_segment **segments,
                                frz_error *err)
{
  frz_status st = FRZ_OK;
  size_t n = 0;
  for (; n < n_names && st == FRZ_OK; n++) {
    char name[NAME_BYTES_MAX + 1] = {0}, path[FRZ_INDEX_PATH_BYTES + 64];
    memcpy(name, names[n].data, names[n].size);
    path_in(folder, name, path);
    segments[n] = NULL;
    st = frz_segment_open_file(alloc, path, frz_str_from(folder->uuid), &segments[n], err);
  }
  for (size_t i = 0; st != FRZ_OK && i < n; i++) frz_segment_release(segments[i]);
  return st;
}

frz_status frz_index_folder_load(const frz_index_folder *folder, const frz_alloc *alloc,
                                 frz_segment **segments_out, size_t *n_segments_out,
                                 frz_watermark *mark_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  for (int attempt = 0; attempt < LOAD_ATTEMPTS; attempt++) {
    frz_str names[FRZ_INDEX_SEGMENTS_MAX];
    frz_buf bytes;
    frz_watermark mark = {0};
    frz_buf_init(&bytes, alloc, FILE_BYTES_MAX);
    bool is_there = false;
    st = read_index(folder, &bytes, err);
    if (st == FRZ_OK)
      st = frz_index_file_parse(frz_buf_str(&bytes), frz_str_from(folder->uuid), alloc, names,
                                n_segments_out, &mark, err);
    if (st == FRZ_OK) {
      is_there = true;
      st = open_segments(folder, alloc, names, *n_segments_out, segments_out, err);
    }
    frz_buf_dispose(&bytes);
    if (st == FRZ_OK) {
      *mark_out = mark;
      return FRZ_OK;
    }
    frz_watermark_dispose(&mark);
    /* A segment that is gone was replaced since "index" was read. */
    if (!is_there || st != FRZ_ERR_NOT_FOUND) return st;
  }
  return st;
}

/* ---- writing ---- */

frz_status frz_index_segment_name(char name_out[64], frz_error *err)
{
  char uuid[37];
  FRZ_TRY(frz_os_uuid(uuid, err));
  snprintf(name_out, 64, "segment-%s", uuid);
  return FRZ_OK;
}

static void remove_others(const frz_index_folder *folder, frz_segment *const *segments,
                          size_t n_segments)
{
  DIR *listing = opendir(folder->path);
  if (listing == NULL) return;
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    bool is_named = strncmp(entry->d_name, "segment-", 8) != 0;
    for (size_t i = 0; i < n_segments && !is_named; i++)
      is_named = strcmp(entry->d_name, segments[i]->name) == 0;
    if (!is_named) (void)unlinkat(dirfd(listing), entry->d_name, 0);
  }
  closedir(listing);
}

static frz_status put_u32(frz_buf *out, size_t value, frz_error *err)
{
  uint8_t bytes[4];
  frz_store_u32le(bytes, (uint32_t)value);
  return frz_buf_append(out, bytes, sizeof bytes, err);
}

static frz_status put_u64(frz_buf *out, uint64_t value, frz_error *err)
{
  uint8_t bytes[8];
  frz_store_u64le(bytes, value);
  return frz_buf_append(out, bytes, sizeof bytes, err);
}

static frz_status write_index(const frz_index_folder *folder, frz_segment *const *segments,
                              size_t n_segments, const frz_watermark *mark, frz_buf *out,
                              frz_error *err)
{
  FRZ_TRY(frz_buf_append(out, MAGIC, 8, err));
  FRZ_TRY(frz_buf_append(out, folder->uuid, FRZ_SEGMENT_UUID_BYTES, err));
  FRZ_TRY(put_u64(out, (uint64_t)mark->snapshot_id, err));
  FRZ_TRY(put_u64(out, (uint64_t)mark->sequence, err));
  FRZ_TRY(put_u32(out, n_segments, err));
  for (size_t i = 0; i < n_segments; i++) {
    frz_str name = frz_str_from(segments[i]->name);
    FRZ_TRY(put_u32(out, name.size, err));
    FRZ_TRY(frz_buf_append_str(out, name, err));
  }
  const frz_buf *lists[] = {&mark->data_files, &mark->delete_files};
  for (int i = 0; i < 2; i++) {
    FRZ_TRY(put_u32(out, lists[i]->size / sizeof(frz_file_mark), err));
    FRZ_TRY(frz_buf_append(out, lists[i]->data, lists[i]->size, err));
  }
  return put_u64(out, frz_xxh64(out->data, out->size, 0), err);
}

frz_status frz_index_folder_save(const frz_index_folder *folder, const frz_alloc *alloc,
                                 frz_segment *const *segments, size_t n_segments,
                                 const frz_watermark *mark, frz_error *err)
{
  frz_buf bytes;
  frz_buf_init(&bytes, alloc, FILE_BYTES_MAX);
  frz_status st = write_index(folder, segments, n_segments, mark, &bytes, err);
  if (st == FRZ_OK) st = frz_write_file_whole(folder->path, "index", bytes.data, bytes.size, err);
  frz_buf_dispose(&bytes);
  if (st == FRZ_OK) remove_others(folder, segments, n_segments);
  return st;
}
