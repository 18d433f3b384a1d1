/*
 * segment_write.c - header, rows, slots, checksums.
 *
 * The body passes through one buffer of whole blocks, which is summed and written when it reaches a
 * multiple of a large page in the file: so written, the system's cache has the file in large pages,
 * and a lookup needs a page table's walk less often. The header comes last, at the front: a file
 * that was cut short has none.
 */
#include "online/segment_write.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/os.h"
#include "online/segment_build.h"

enum { SLOTS_SPARE = 64, PATH_BYTES = 4096 };

struct frz_segment_writer {
  const frz_alloc *alloc;
  const frz_segment_shape *shape;
  int fd; /* -1: memory */
  char path[PATH_BYTES], temporary[PATH_BYTES + 8];
  bool is_done;
  frz_buf memory; /* of all, where there is no file */
  frz_buf buffer; /* of the body, not yet written */
  frz_buf sums;
  frz_buf places;
  size_t header_bytes;
  uint64_t written_bytes; /* of the body */
  uint64_t rows_bytes;
  int64_t n_rows;
};

static frz_status write_at(frz_segment_writer *writer, const uint8_t *data, size_t size,
                           uint64_t offset, frz_error *err)
{
  if (size == 0) return FRZ_OK;
  if (writer->fd < 0) {
    if (writer->memory.size < offset + size)
      FRZ_TRY(frz_buf_resize_zeroed(&writer->memory, (size_t)offset + size, err));
    memcpy(writer->memory.data + offset, data, size);
    return FRZ_OK;
  }
  while (size != 0) {
    ssize_t n = pwrite(writer->fd, data, size, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return frz_fail(err, FRZ_ERR_IO, "%s: %s", writer->temporary,
                      n < 0 ? strerror(errno) : "nothing was written");
    data += n;
    offset += (uint64_t)n;
    size -= (size_t)n;
  }
  return FRZ_OK;
}

static frz_status flush(frz_segment_writer *writer, frz_error *err)
{
  frz_buf *buffer = &writer->buffer;
  assert(buffer->size % FRZ_SEGMENT_BLOCK_BYTES == 0);
  for (size_t at = 0; at < buffer->size; at += FRZ_SEGMENT_BLOCK_BYTES) {
    uint64_t sum = frz_xxh64(buffer->data + at, FRZ_SEGMENT_BLOCK_BYTES, 0);
    FRZ_TRY(frz_buf_append(&writer->sums, &sum, sizeof sum, err));
  }
  FRZ_TRY(write_at(writer, buffer->data, buffer->size, writer->header_bytes + writer->written_bytes,
                   err));
  writer->written_bytes += buffer->size;
  buffer->size = 0;
  return FRZ_OK;
}

static frz_status put(frz_segment_writer *writer, const uint8_t *data, size_t size, frz_error *err)
{
  while (size != 0) {
    uint64_t at = writer->header_bytes + writer->written_bytes + writer->buffer.size;
    size_t room = FRZ_LARGE_PAGE_BYTES - (size_t)(at % FRZ_LARGE_PAGE_BYTES);
    size_t n = size < room ? size : room;
    FRZ_TRY(frz_buf_append(&writer->buffer, data, n, err));
    data += n;
    size -= n;
    if (n == room) FRZ_TRY(flush(writer, err));
  }
  return FRZ_OK;
}

/* Fill the last block with zeros. */
static frz_status pad(frz_segment_writer *writer, frz_error *err)
{
  size_t over = writer->buffer.size % FRZ_SEGMENT_BLOCK_BYTES;
  if (over != 0)
    FRZ_TRY(frz_buf_resize_zeroed(&writer->buffer,
                                  writer->buffer.size + FRZ_SEGMENT_BLOCK_BYTES - over, err));
  return flush(writer, err);
}

static frz_status open_file(frz_segment_writer *writer, const char *folder, const char *name,
                            frz_error *err)
{
  int n = snprintf(writer->path, sizeof writer->path, "%s/%s", folder, name);
  if (n < 0 || (size_t)n >= sizeof writer->path)
    return frz_fail(err, FRZ_ERR_INVALID, "cache folder: a path of %d bytes", n);
  snprintf(writer->temporary, sizeof writer->temporary, "%s.tmp", writer->path);
  writer->fd = open(writer->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (writer->fd < 0)
    return frz_fail(err, FRZ_ERR_IO, "%s: %s", writer->temporary, strerror(errno));
  return FRZ_OK;
}

frz_status frz_segment_writer_create(const frz_alloc *alloc, const frz_segment_shape *shape,
                                     const char *folder, const char *name,
                                     frz_segment_writer **writer_out, frz_error *err)
{
  frz_segment_writer *writer = frz_alloc_zeroed(alloc, sizeof *writer);
  if (writer == NULL) return frz_fail_nomem(err, "segment");
  const size_t block = FRZ_SEGMENT_BLOCK_BYTES;
  writer->alloc = alloc;
  writer->shape = shape;
  writer->fd = -1;
  frz_buf_init(&writer->memory, alloc, SIZE_MAX / 4);
  frz_buf_init(&writer->buffer, alloc, FRZ_LARGE_PAGE_BYTES + block);
  frz_buf_init(&writer->sums, alloc, SIZE_MAX / 4);
  frz_buf_init(&writer->places, alloc, SIZE_MAX / 4);
  size_t header = FRZ_SEGMENT_HEADER_BYTES + shape->n_columns * 8 + shape->prefix.size;
  writer->header_bytes = (header + block - 1) / block * block;
  frz_status st = folder != NULL ? open_file(writer, folder, name, err) : FRZ_OK;
  if (st != FRZ_OK) {
    frz_segment_writer_free(writer);
    return st;
  }
  *writer_out = writer;
  return FRZ_OK;
}

void frz_segment_writer_free(frz_segment_writer *writer)
{
  if (writer == NULL) return;
  if (writer->fd >= 0) {
    close(writer->fd);
    if (!writer->is_done) unlink(writer->temporary);
  }
  frz_buf_dispose(&writer->memory);
  frz_buf_dispose(&writer->buffer);
  frz_buf_dispose(&writer->sums);
  frz_buf_dispose(&writer->places);
  frz_alloc_free(writer->alloc, writer, sizeof *writer);
}

frz_status frz_segment_writer_rows(frz_segment_writer *writer, const frz_part_output *rows,
                                   frz_error *err)
{
  size_t n = rows->places.size / sizeof(frz_row_place);
  if (n == 0) return FRZ_OK; /* buffers that were never filled have no address to count from */
  size_t before = writer->places.size;
  FRZ_TRY(frz_buf_append(&writer->places, rows->places.data, rows->places.size, err));
  frz_row_place *places = (frz_row_place *)(void *)(writer->places.data + before);
  for (size_t i = 0; i < n; i++) places[i].offset += writer->rows_bytes;
  FRZ_TRY(put(writer, rows->rows.data, rows->rows.size, err));
  writer->rows_bytes += rows->rows.size;
  writer->n_rows += (int64_t)n;
  if (writer->rows_bytes / 4 >= ((uint64_t)1 << FRZ_SLOT_OFFSET_BITS) - 1)
    return frz_fail(err, FRZ_ERR_LIMIT, "segment: %llu bytes of rows",
                    (unsigned long long)writer->rows_bytes);
  return FRZ_OK;
}

/* ---- slots ---- */

/* Put every row into a slot. False: the spare ones at the end do not do. */
static bool fill_slots(const frz_row_place *places, size_t n, uint64_t n_slots, uint64_t n_stored,
                       uint64_t *slots)
{
  const frz_segment mapping = {.n_slots = n_slots};
  for (size_t i = 0; i < n; i++) {
    uint64_t at = frz_slot_home(&mapping, places[i].hash);
    while (slots[at] != 0)
      if (++at == n_stored - 1) return false;
    slots[at] = places[i].hash << FRZ_SLOT_OFFSET_BITS | (places[i].offset / 4 + 1);
  }
  return true;
}

static frz_status write_slots(frz_segment_writer *writer, uint64_t *n_slots_out,
                              uint64_t *n_stored_out, frz_error *err)
{
  size_t n = (size_t)writer->n_rows;
  uint64_t n_slots = (uint64_t)n + n / 3 + 1;
  for (uint64_t spare = SLOTS_SPARE;; spare *= 4) {
    uint64_t n_stored = n_slots + spare;
    size_t bytes = (size_t)n_stored * 8;
    uint64_t *slots = frz_alloc_zeroed(writer->alloc, bytes);
    if (slots == NULL) return frz_fail_nomem(err, "segment slots");
    const frz_row_place *places = (const frz_row_place *)(const void *)writer->places.data;
    bool fits = fill_slots(places, n, n_slots, n_stored, slots);
    frz_status st = fits ? put(writer, (const uint8_t *)slots, bytes, err) : FRZ_OK;
    frz_alloc_free(writer->alloc, slots, bytes);
    if (st != FRZ_OK) return st;
    *n_slots_out = n_slots;
    *n_stored_out = n_stored;
    if (fits) return FRZ_OK;
  }
}

/* ---- the end ---- */

static frz_status write_header(frz_segment_writer *writer, uint64_t n_slots, uint64_t n_stored,
                               frz_error *err)
{
  const frz_segment_shape *shape = writer->shape;
  frz_buf header;
  frz_status st = FRZ_OK;
  frz_buf_init(&header, writer->alloc, SIZE_MAX / 4);
  FRZ_TRY_OUT(frz_buf_resize_zeroed(&header, writer->header_bytes, err));
  uint8_t *h = header.data;
  memcpy(h, FRZ_SEGMENT_MAGIC, 8);
  frz_store_u32le(h + 8, FRZ_SEGMENT_VERSION);
  frz_store_u64le(h + 16, writer->header_bytes + writer->written_bytes + writer->sums.size);
  memcpy(h + 24, shape->uuid, FRZ_SEGMENT_UUID_BYTES);
  frz_store_u32le(h + 64, (uint32_t)shape->schema_id);
  frz_store_u32le(h + 68, shape->has_created ? FRZ_SEGMENT_HAS_CREATED : 0);
  frz_store_u64le(h + 72, (uint64_t)writer->n_rows);
  frz_store_u64le(h + 80, writer->rows_bytes);
  frz_store_u64le(h + 88, n_slots);
  frz_store_u64le(h + 96, n_stored);
  frz_store_u32le(h + 104, (uint32_t)writer->header_bytes);
  frz_store_u32le(h + 108, (uint32_t)shape->n_columns);
  frz_store_u32le(h + 112, shape->row_bytes);
  frz_store_u32le(h + 116, shape->key_bytes);
  frz_store_u32le(h + 120, (uint32_t)shape->prefix.size);
  frz_store_u64le(h + 128, frz_xxh64(writer->sums.data, writer->sums.size, 0));
  uint8_t *at = h + FRZ_SEGMENT_HEADER_BYTES;
  for (size_t i = 0; i < shape->n_columns; i++, at += 8) {
    frz_store_u32le(at, (uint32_t)shape->columns[i].field_id);
    at[4] = shape->columns[i].kind;
    at[5] = shape->columns[i].item_kind;
  }
  if (shape->prefix.size != 0) memcpy(at, shape->prefix.data, shape->prefix.size);
  frz_store_u32le(h + 12, frz_crc32(0, h + 16, header.size - 16));
  FRZ_TRY_OUT(write_at(writer, h, header.size, 0, err));
out:
  frz_buf_dispose(&header);
  return st;
}

static frz_status open_memory(frz_segment_writer *writer, frz_segment **segment_out, frz_error *err)
{
  size_t size = writer->memory.size;
  uint8_t *bytes = frz_alloc_new(writer->alloc, size);
  if (bytes == NULL) return frz_fail_nomem(err, "segment");
  memcpy(bytes, writer->memory.data, size);
  frz_status st =
      frz_segment_open(writer->alloc, bytes, size, false, (frz_str){0}, segment_out, err);
  if (st != FRZ_OK) frz_alloc_free(writer->alloc, bytes, size);
  return st;
}

static frz_status publish(int fd, const char *temporary, const char *path, frz_error *err)
{
  if (fsync(fd) != 0 || rename(temporary, path) != 0)
    return frz_fail(err, FRZ_ERR_IO, "%s: %s", temporary, strerror(errno));
  return FRZ_OK;
}

frz_status frz_segment_writer_finish(frz_segment_writer *writer, frz_segment **segment_out,
                                     frz_error *err)
{
  uint64_t n_slots, n_stored;
  FRZ_TRY(pad(writer, err));
  FRZ_TRY(write_slots(writer, &n_slots, &n_stored, err));
  FRZ_TRY(pad(writer, err));
  FRZ_TRY(write_at(writer, writer->sums.data, writer->sums.size,
                   writer->header_bytes + writer->written_bytes, err));
  FRZ_TRY(write_header(writer, n_slots, n_stored, err));
  if (writer->fd < 0) return open_memory(writer, segment_out, err);
  FRZ_TRY(publish(writer->fd, writer->temporary, writer->path, err));
  writer->is_done = true;
  return frz_segment_open_file(writer->alloc, writer->path,
                               (frz_str){writer->shape->uuid, FRZ_SEGMENT_UUID_BYTES}, segment_out,
                               err);
}

frz_status frz_write_file_whole(const char *folder, const char *name, const void *data, size_t size,
                                frz_error *err)
{
  frz_segment_writer writer = {.fd = -1};
  FRZ_TRY(open_file(&writer, folder, name, err));
  frz_status st = write_at(&writer, data, size, 0, err);
  if (st == FRZ_OK) st = publish(writer.fd, writer.temporary, writer.path, err);
  close(writer.fd);
  if (st != FRZ_OK) unlink(writer.temporary);
  return st;
}
