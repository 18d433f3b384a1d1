/*
 * parquet_file.c - open a file: its last bytes, its footer.
 *
 * The footer's length stands in the last eight bytes; one read of a fixed tail usually brings all
 * of it. The file is far (an object store, a slow disk) where its source says so or that took long.
 *
 * Source: apache/parquet-format, README, "File format"; Encryption.md, "File Format".
 */
#include "parquet/read/parquet_file.h"

#include <string.h>

#include "base/endian.h"
#include "base/limits.h"
#include "base/os.h"

enum {
  END_BYTES = 8, /* length and magic */
  TAIL_BYTES = 64 << 10,
  FAR_US = 4000,
  ARENA_EXTRA_BYTES = 1 << 20,
  ARENA_FACTOR = 64 /* parsed metadata is larger than its file form */
};

static frz_status read_bytes(frz_parquet_file *file, int64_t offset, size_t size, frz_buf *buf,
                             frz_error *err)
{
  FRZ_TRY(frz_buf_resize(buf, size, err));
  return frz_source_read(file->source, offset, size, buf->data, err);
}

static frz_status check_end(const frz_parquet_file *file, const uint8_t *end, size_t *footer_out,
                            frz_error *err)
{
  int64_t size = file->source->size_bytes;
  if (memcmp(end + 4, "PARE", 4) == 0)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "the file is encrypted, which is not supported");
  if (memcmp(end + 4, "PAR1", 4) != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "no magic PAR1 at the end of %lld bytes",
                    (long long)size);
  uint32_t footer = frz_load_u32le(end);
  if (footer > FRZ_LIMIT_PARQUET_FOOTER_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "a footer of %u bytes; at most %zu are read",
                    (unsigned)footer, FRZ_LIMIT_PARQUET_FOOTER_BYTES);
  if (footer > size - END_BYTES - 4)
    return frz_fail(err, FRZ_ERR_CORRUPT, "a footer of %u bytes in a file of %lld",
                    (unsigned)footer, (long long)size);
  *footer_out = footer;
  return FRZ_OK;
}

static frz_status read_footer(frz_parquet_file *file, frz_buf *buf, frz_error *err)
{
  int64_t size = file->source->size_bytes;
  if (size < END_BYTES + 4)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%lld bytes are no Parquet file", (long long)size);
  size_t tail = size < TAIL_BYTES ? (size_t)size : TAIL_BYTES;
  int64_t started_us = frz_os_monotonic_us();
  FRZ_TRY(read_bytes(file, size - (int64_t)tail, tail, buf, err));
  file->is_far = file->source->is_remote || frz_os_monotonic_us() - started_us > FAR_US;
  size_t footer = 0;
  FRZ_TRY(check_end(file, buf->data + tail - END_BYTES, &footer, err));
  const uint8_t *data = buf->data + tail - END_BYTES - footer;
  if (footer > tail - END_BYTES) {
    FRZ_TRY(read_bytes(file, size - END_BYTES - (int64_t)footer, footer, buf, err));
    data = buf->data;
  }
  file->arena.max_bytes += ARENA_FACTOR * footer;
  return frz_parquet_metadata_parse(data, footer, size, &file->arena, &file->metadata, err);
}

frz_status frz_parquet_file_open(frz_context *context, frz_source *source, frz_str name,
                                 frz_parquet_file **file_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_parquet_file *file = frz_alloc_zeroed(alloc, sizeof *file);
  if (file == NULL) {
    frz_source_free(source);
    return frz_fail_nomem(err, "Parquet file");
  }
  file->context = context;
  file->alloc = alloc;
  file->source = source;
  frz_arena_init(&file->arena, alloc, ARENA_EXTRA_BYTES + name.size);
  frz_buf buf;
  frz_buf_init(&buf, alloc, FRZ_LIMIT_PARQUET_FOOTER_BYTES + TAIL_BYTES);
  frz_status st = FRZ_OK;
  file->name = frz_arena_copy(&file->arena, name);
  if (file->name.data == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "Parquet file"));
  FRZ_TRY_OUT(read_footer(file, &buf, err));
  *file_out = file;
  file = NULL;
out:
  if (st != FRZ_OK) frz_error_where(err, "parquet '%.*s': ", FRZ_STR_ARG(name));
  frz_buf_dispose(&buf);
  frz_parquet_file_free(file);
  return st;
}

void frz_parquet_file_free(frz_parquet_file *file)
{
  if (file == NULL) return;
  frz_source_free(file->source);
  frz_arena_free(&file->arena);
  frz_alloc_free(file->alloc, file, sizeof *file);
}

const frz_parquet_metadata *frz_parquet_file_metadata(const frz_parquet_file *file)
{
  return &file->metadata;
}
