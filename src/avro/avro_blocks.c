/*
 * avro_blocks.c - see avro_blocks.h.
 *
 * The window grows to the largest block, which the file's size and a limit bound; what a block
 * claims is compared with both before it is used.
 */
#include "avro/avro_blocks.h"

#include <assert.h>
#include <inttypes.h>

#include "avro/avro_value.h"
#include "base/limits.h"

enum { READ_BYTES = 1 << 20, HEAD_BYTES_MAX = 20 /* two numbers */ };

void frz_avro_blocks_init(frz_avro_blocks *blocks, const frz_alloc *alloc, frz_source *source,
                          const frz_avro_header *header, int64_t position)
{
  *blocks = (frz_avro_blocks){.source = source, .header = header, .position = position};
  frz_buf_init(&blocks->window, alloc,
               FRZ_LIMIT_PAGE_BYTES + FRZ_AVRO_SYNC_BYTES + READ_BYTES); /* a block, and ahead */
  frz_buf_init(&blocks->plain, alloc, FRZ_LIMIT_PAGE_BYTES);
}

void frz_avro_blocks_dispose(frz_avro_blocks *blocks)
{
  frz_buf_dispose(&blocks->window);
  frz_buf_dispose(&blocks->plain);
}

static int64_t bytes_left(const frz_avro_blocks *blocks)
{
  return blocks->source->size_bytes - blocks->position;
}

/* The next `size` bytes of the file in the window; so many are left. */
static frz_status need(frz_avro_blocks *blocks, size_t size, const uint8_t **bytes_out,
                       frz_error *err)
{
  frz_buf *window = &blocks->window;
  assert(bytes_left(blocks) >= 0 && size <= (uint64_t)bytes_left(blocks));
  int64_t window_end = blocks->window_offset + (int64_t)window->size;
  size_t have = blocks->position < window_end && blocks->position >= blocks->window_offset
                    ? (size_t)(window_end - blocks->position)
                    : 0;
  if (have < size) {
    if (have != 0) memmove(window->data, window->data + window->size - have, have);
    window->size = have;
    blocks->window_offset = blocks->position;
    size_t wanted = size - have > READ_BYTES ? size - have : READ_BYTES;
    int64_t left = bytes_left(blocks) - (int64_t)have;
    if (wanted > (uint64_t)left) wanted = (size_t)left;
    uint8_t *at;
    FRZ_TRY(frz_buf_extend(window, wanted, &at, err));
    frz_status st =
        frz_source_read(blocks->source, blocks->position + (int64_t)have, wanted, at, err);
    if (st != FRZ_OK) {
      window->size = have;
      return st;
    }
  }
  *bytes_out = window->data + (blocks->position - blocks->window_offset);
  return FRZ_OK;
}

static frz_status where(const frz_avro_blocks *blocks, frz_status st, frz_error *err)
{
  if (st != FRZ_OK)
    frz_error_where(err, "avro block %" PRId64 " at offset %" PRId64 ": ", blocks->n_blocks,
                    blocks->block_offset);
  return st;
}

static frz_status read_head(frz_avro_blocks *blocks, int64_t *n_records_out, frz_error *err)
{
  const uint8_t *bytes;
  int64_t left = bytes_left(blocks);
  size_t head_bytes = left < HEAD_BYTES_MAX ? (size_t)left : HEAD_BYTES_MAX;
  FRZ_TRY(need(blocks, head_bytes, &bytes, err));
  frz_reader head = frz_reader_of(bytes, head_bytes);
  int64_t n_records;
  int64_t size;
  FRZ_TRY(frz_avro_read_long(&head, &n_records, err));
  FRZ_TRY(frz_avro_read_long(&head, &size, err));
  left -= (int64_t)head.pos;
  if (size < 0 || left < FRZ_AVRO_SYNC_BYTES || size > left - FRZ_AVRO_SYNC_BYTES)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId64 " bytes where %" PRId64 " are left", size,
                    left);
  if ((uint64_t)size > FRZ_LIMIT_PAGE_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "%" PRId64 " bytes pass the limit of %zu", size,
                    FRZ_LIMIT_PAGE_BYTES);
  if (n_records < 0) return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId64 " records", n_records);
  blocks->position += (int64_t)head.pos;
  blocks->data_bytes = (size_t)size;
  *n_records_out = n_records;
  return FRZ_OK;
}

frz_status frz_avro_blocks_next(frz_avro_blocks *blocks, int64_t *n_records_out, bool *more_out,
                                frz_error *err)
{
  *more_out = bytes_left(blocks) > 0;
  if (!*more_out) return FRZ_OK;
  blocks->n_blocks++;
  blocks->block_offset = blocks->position;
  return where(blocks, read_head(blocks, n_records_out, err), err);
}

static frz_status check_sync(const frz_avro_blocks *blocks, const uint8_t *bytes, frz_error *err)
{
  if (memcmp(bytes, blocks->header->sync, FRZ_AVRO_SYNC_BYTES) == 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "no sync marker behind it, at file offset %" PRId64,
                  blocks->position);
}

static frz_status open_block(frz_avro_blocks *blocks, frz_reader *records_out, frz_error *err)
{
  const uint8_t *bytes;
  size_t size = blocks->data_bytes;
  FRZ_TRY(need(blocks, size + FRZ_AVRO_SYNC_BYTES, &bytes, err));
  FRZ_TRY(check_sync(blocks, bytes + size, err));
  FRZ_TRY(
      frz_avro_block_open(blocks->header->codec, bytes, size, &blocks->plain, records_out, err));
  blocks->position += (int64_t)size + FRZ_AVRO_SYNC_BYTES;
  return FRZ_OK;
}

frz_status frz_avro_blocks_open(frz_avro_blocks *blocks, frz_reader *records_out, frz_error *err)
{
  return where(blocks, open_block(blocks, records_out, err), err);
}

frz_status frz_avro_blocks_skip(frz_avro_blocks *blocks, frz_error *err)
{
  const uint8_t *bytes;
  blocks->position += (int64_t)blocks->data_bytes;
  frz_status st = need(blocks, FRZ_AVRO_SYNC_BYTES, &bytes, err);
  if (st == FRZ_OK) st = check_sync(blocks, bytes, err);
  blocks->position += FRZ_AVRO_SYNC_BYTES;
  return where(blocks, st, err);
}
