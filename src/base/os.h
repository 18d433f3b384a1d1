/*
 * os.h - the little that frazil asks of the operating system beside files: clocks, random bytes,
 * sizes of the machine. Platform differences live in os_posix.c alone.
 */
#ifndef FRZ_BASE_OS_H
#define FRZ_BASE_OS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/** Milliseconds since 1970-01-01 UTC. */
int64_t frz_os_now_ms(void);

/** A clock that only moves forward, in microseconds from an arbitrary start. */
int64_t frz_os_monotonic_us(void);

void frz_os_sleep_ms(int64_t duration_ms);

/** Fill with random bytes from the kernel. */
frz_status frz_os_random(void *bytes, size_t size, frz_error *err) FRZ_MUST_CHECK;

/** A random UUID version 4 as 36 characters and a NUL. */
frz_status frz_os_uuid(char text_out[37], frz_error *err) FRZ_MUST_CHECK;

int32_t frz_os_process_id(void);

/** Processors that this process may use; at least 1. */
int32_t frz_os_processors(void);

/** The current folder's path, appended to `out`. */
frz_status frz_os_current_folder(frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** Address space for `bytes`, that reads as zero and takes memory as it is touched. NULL when
 * refused. */
void *frz_os_map(size_t bytes);

/** What one large page is; files that are written in such pieces, at multiples of them, may get
 * large pages when they are mapped. */
#define FRZ_LARGE_PAGE_BYTES ((size_t)2 << 20)

/** A file from its start, read-only and shared, in large pages where the system has them. NULL with
 * errno set on failure; frz_os_unmap() ends it. */
void *frz_os_map_file(int fd, size_t bytes);

/** Begin to write a file's bytes to the disk, for who will wait for it later: a hint. */
void frz_os_begin_writing(int fd);

/** Give memory back, whole pages of it; they read as zero again. */
void frz_os_forget(void *start, size_t bytes);

void frz_os_unmap(void *start, size_t bytes);

/** Ask for large pages where memory is looked at all over: a hint, for whole ones of them. */
void frz_os_prefer_large_pages(void *start, size_t bytes);

/** Memory that this process may use: the machine's, or the cgroup's limit where that is less. */
int64_t frz_os_memory_bytes(void);

#endif
