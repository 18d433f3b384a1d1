/*
 * os_posix.c - os.h on POSIX systems; Linux's cgroup limits where they exist.
 */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

int64_t frz_os_now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t frz_os_monotonic_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void frz_os_sleep_ms(int64_t duration_ms)
{
  struct timespec left = {(time_t)(duration_ms / 1000), (long)(duration_ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

frz_status frz_os_random(void *bytes, size_t size, frz_error *err)
{
  uint8_t *at = bytes;
  while (size != 0) {
    ssize_t got = getrandom(at, size < 256 ? size : 256, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return frz_fail(err, FRZ_ERR_IO, "random bytes: %s", strerror(errno));
    at += got;
    size -= (size_t)got;
  }
  return FRZ_OK;
}

frz_status frz_os_uuid(char text_out[37], frz_error *err)
{
  unsigned char raw[16];
  FRZ_TRY(frz_os_random(raw, sizeof raw, err));
  raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40);
  raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
  static const char digits[] = "0123456789abcdef";
  size_t at = 0;
  for (size_t i = 0; i < sizeof raw; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text_out[at++] = '-';
    text_out[at++] = digits[raw[i] >> 4];
    text_out[at++] = digits[raw[i] & 15];
  }
  text_out[at] = '\0';
  return FRZ_OK;
}

int32_t frz_os_process_id(void)
{
  return (int32_t)getpid();
}

int32_t frz_os_processors(void)
{
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    int n = CPU_COUNT(&set);
    if (n > 0) return n;
  }
#endif
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (int32_t)n : 1;
}

frz_status frz_os_current_folder(frz_buf *out, frz_error *err)
{
  char path[4096]; /* PATH_MAX of Linux */
  if (getcwd(path, sizeof path) == NULL)
    return frz_fail(err, FRZ_ERR_IO, "current folder: %s", strerror(errno));
  return frz_buf_append_str(out, frz_str_from(path), err);
}

/* A cgroup file holds a number, or "max". 0 where it tells nothing. */
static int64_t read_limit_file(const char *path)
{
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  char text[32] = "";
  size_t n = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[n] = '\0';
  char *end;
  long long value = strtoll(text, &end, 10);
  return end == text || value <= 0 ? 0 : (int64_t)value;
}

int64_t frz_os_memory_bytes(void)
{
  long pages = sysconf(_SC_PHYS_PAGES);
  long page_bytes = sysconf(_SC_PAGESIZE);
  int64_t bytes = pages > 0 && page_bytes > 0 ? (int64_t)pages * page_bytes : (int64_t)1 << 30;
  static const char *const limit_files[] = {"/sys/fs/cgroup/memory.max",
                                            "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
  for (size_t i = 0; i < sizeof limit_files / sizeof limit_files[0]; i++) {
    int64_t limit = read_limit_file(limit_files[i]);
    if (limit != 0 && limit < bytes) bytes = limit;
  }
  return bytes;
}

/* ---- memory ---- */

void *frz_os_map(size_t bytes)
{
  void *mapped =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return mapped != MAP_FAILED ? mapped : NULL;
}

void *frz_os_map_file(int fd, size_t bytes)
{
  const size_t large = FRZ_LARGE_PAGE_BYTES;
  if (bytes < large || bytes > SIZE_MAX - large) {
    void *mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    return mapped != MAP_FAILED ? mapped : NULL;
  }
  /* Reserve more, to have a multiple of a large page inside; give back what is over. */
  size_t reserved = bytes + large;
  uint8_t *start =
      mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) return NULL;
  size_t before = (large - (uintptr_t)start % large) % large;
  uint8_t *mapped = mmap(start + before, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
  if (mapped == MAP_FAILED) {
    int error = errno;
    (void)munmap(start, reserved);
    errno = error;
    return NULL;
  }
  const size_t page = 4096;
  size_t end = (before + bytes + page - 1) / page * page;
  if (before != 0) (void)munmap(start, before);
  if (end < reserved) (void)munmap(start + end, reserved - end);
  frz_os_prefer_large_pages(mapped, bytes);
  return mapped;
}

void frz_os_begin_writing(int fd)
{
#ifdef SYNC_FILE_RANGE_WRITE
  (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
  (void)fd;
#endif
}

void frz_os_forget(void *start, size_t bytes)
{
  (void)madvise(start, bytes, MADV_DONTNEED);
}

void frz_os_unmap(void *start, size_t bytes)
{
  (void)munmap(start, bytes);
}

void frz_os_prefer_large_pages(void *start, size_t bytes)
{
#ifdef MADV_HUGEPAGE
  enum { PAGE_BYTES = 4096 };
  uintptr_t first = ((uintptr_t)start + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  uintptr_t last = ((uintptr_t)start + bytes) / PAGE_BYTES * PAGE_BYTES;
  if (first < last) (void)madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
  (void)start;
  (void)bytes;
#endif
}
