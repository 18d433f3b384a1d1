/*
 * page_stream.c - fetch, check and decompress the pages of a column chunk.
 *
 * The window holds one or more pieces of the file. When bytes are asked for that no piece holds
 * whole, what is held of them moves to the front and the window is filled up from there: the
 * rest of the current segment, then whole following segments, in one call to the source, up to
 * window_bytes_max (more only where a single page needs it). So memory stays bounded by the
 * greatest page, and reading a few pages far apart still takes few calls.
 *
 * Invariants: pieces ascend in the file and in the window and do not overlap; pos lies in
 * [segments] whenever bytes are asked for, or the file is corrupt.
 */
#include "parquet/read/page_stream.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "codec/checksum.h"

enum {
  HEADER_BYTES_FIRST = 64,
  GAP_BYTES = 32 << 10, /* segments this near are fetched as one */
  WINDOW_BYTES_EXTRA = 64 << 20
};

void frz_page_stream_init(frz_page_stream *stream, frz_source *source,
                          frz_decompressor *decompressor, const frz_alloc *alloc)
{
  *stream = (frz_page_stream){.source = source, .alloc = alloc, .decompressor = decompressor};
  frz_buf_init(&stream->segments, alloc, (size_t)1 << 30);
  frz_buf_init(&stream->pieces, alloc, (size_t)1 << 30);
  frz_buf_init(&stream->ranges, alloc, (size_t)1 << 30);
  frz_buf_init(&stream->window, alloc, FRZ_LIMIT_PAGE_BYTES + WINDOW_BYTES_EXTRA);
  frz_buf_init(&stream->body, alloc, FRZ_LIMIT_PAGE_BYTES);
}

void frz_page_stream_dispose(frz_page_stream *stream)
{
  if (stream->alloc == NULL) return;
  frz_buf_dispose(&stream->segments);
  frz_buf_dispose(&stream->pieces);
  frz_buf_dispose(&stream->ranges);
  frz_buf_dispose(&stream->window);
  frz_buf_dispose(&stream->body);
}

void frz_page_stream_open(frz_page_stream *stream, int64_t start, int64_t end, frz_codec codec,
                          size_t window_bytes_max)
{
  assert(start >= 0 && start <= end && window_bytes_max > 0);
  stream->codec = codec;
  stream->window_bytes_max = window_bytes_max;
  stream->pos = start;
  stream->end = end;
  stream->segments.size = stream->pieces.size = stream->ranges.size = stream->window.size = 0;
  stream->segment = stream->piece = 0;
}

static frz_segment *segments_of(const frz_page_stream *stream, size_t *n_out)
{
  *n_out = stream->segments.size / sizeof(frz_segment);
  return (frz_segment *)(void *)stream->segments.data;
}

frz_status frz_page_stream_need(frz_page_stream *stream, int64_t start, int64_t end, frz_error *err)
{
  size_t n;
  frz_segment *segments = segments_of(stream, &n);
  assert(start >= 0 && start <= end);
  if (start == end) return FRZ_OK;
  if (n > 0 && start - segments[n - 1].end <= GAP_BYTES) {
    if (end > segments[n - 1].end) segments[n - 1].end = end;
    return FRZ_OK;
  }
  frz_segment added = {start, end};
  return frz_buf_append(&stream->segments, &added, sizeof added, err);
}

void frz_page_stream_seek(frz_page_stream *stream, int64_t pos)
{
  stream->pos = pos;
}

/* ---- windows ---- */

/* The bytes at `pos` that the window holds. */
static size_t held_at(frz_page_stream *stream, int64_t pos, const uint8_t **data_out)
{
  const frz_window_piece *pieces = (const frz_window_piece *)(const void *)stream->pieces.data;
  size_t n = stream->pieces.size / sizeof *pieces;
  for (size_t i = stream->piece < n ? stream->piece : 0; i < n; i++) {
    if (pos < pieces[i].offset) break;
    if (pos - pieces[i].offset >= (int64_t)pieces[i].size) continue;
    size_t skip = (size_t)(pos - pieces[i].offset);
    stream->piece = i;
    *data_out = stream->window.data + pieces[i].at + skip;
    return pieces[i].size - skip;
  }
  return 0;
}

static frz_status add_piece(frz_page_stream *stream, int64_t offset, size_t size, size_t n_held,
                            frz_error *err)
{
  frz_window_piece piece = {offset, size, stream->window.size};
  frz_range range = {offset + (int64_t)n_held, size - n_held, NULL};
  FRZ_TRY(frz_buf_append(&stream->pieces, &piece, sizeof piece, err));
  if (range.size > 0) FRZ_TRY(frz_buf_append(&stream->ranges, &range, sizeof range, err));
  return frz_buf_resize(&stream->window, stream->window.size + size, err);
}

/* Where each range goes; only once the window has its final address. */
static void place_ranges(frz_page_stream *stream, size_t n_held)
{
  frz_range *ranges = (frz_range *)(void *)stream->ranges.data;
  size_t n = stream->ranges.size / sizeof *ranges;
  size_t at = n_held;
  for (size_t i = 0; i < n; i++) {
    ranges[i].dest = stream->window.data + at;
    at += ranges[i].size;
  }
  assert(at == stream->window.size);
}

/* Move what is held at `pos` to the front; nothing else stays. */
static size_t keep_held(frz_page_stream *stream, int64_t pos)
{
  const uint8_t *held = NULL;
  size_t n_held = held_at(stream, pos, &held);
  if (n_held > 0) memmove(stream->window.data, held, n_held);
  stream->pieces.size = stream->ranges.size = stream->window.size = 0;
  stream->piece = 0;
  return n_held;
}

/* Plan a window that holds at least `wanted` bytes at `pos`, and more as it fits. */
static frz_status plan_window(frz_page_stream *stream, int64_t pos, size_t wanted, frz_error *err)
{
  size_t n;
  const frz_segment *segments = segments_of(stream, &n);
  while (stream->segment < n && segments[stream->segment].end <= pos) stream->segment++;
  if (stream->segment == n || pos < segments[stream->segment].start ||
      (int64_t)wanted > segments[stream->segment].end - pos)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%zu bytes at offset %lld pass the pages' end", wanted,
                    (long long)pos);
  size_t n_held = keep_held(stream, pos);
  size_t target = wanted > stream->window_bytes_max ? wanted : stream->window_bytes_max;
  int64_t rest = segments[stream->segment].end - pos;
  size_t size = rest < (int64_t)target ? (size_t)rest : target;
  FRZ_TRY(add_piece(stream, pos, size, n_held, err));
  for (size_t i = stream->segment + 1; i < n && rest == (int64_t)size; i++) {
    int64_t next = segments[i].end - segments[i].start;
    if (next > (int64_t)(target - stream->window.size)) break;
    FRZ_TRY(add_piece(stream, segments[i].start, (size_t)next, 0, err));
    if (stream->window.size >= target) break;
  }
  place_ranges(stream, n_held);
  return FRZ_OK;
}

frz_status frz_page_stream_plan(frz_page_stream *stream, frz_error *err)
{
  size_t n;
  const frz_segment *segments = segments_of(stream, &n);
  if (n == 0) return FRZ_OK;
  return plan_window(stream, segments[0].start, 1, err);
}

static frz_status fetch(frz_page_stream *stream, int64_t pos, size_t wanted,
                        const uint8_t **data_out, size_t *n_out, frz_error *err)
{
  *n_out = held_at(stream, pos, data_out);
  if (*n_out >= wanted) return FRZ_OK;
  FRZ_TRY(plan_window(stream, pos, wanted, err));
  size_t n_ranges = stream->ranges.size / sizeof(frz_range);
  frz_status st = stream->source->read_ranges(
      stream->source, (const frz_range *)(const void *)stream->ranges.data, n_ranges, err);
  stream->ranges.size = 0;
  if (st != FRZ_OK) {
    stream->pieces.size = 0; /* the window's bytes are not what its pieces say */
    return st;
  }
  *n_out = held_at(stream, pos, data_out);
  assert(*n_out >= wanted);
  return FRZ_OK;
}

/* ---- pages ---- */

/* Bytes from pos to the end of its segment. */
static int64_t segment_rest(const frz_page_stream *stream)
{
  size_t n;
  const frz_segment *segments = segments_of(stream, &n);
  for (size_t i = stream->segment; i < n; i++)
    if (stream->pos >= segments[i].start && stream->pos < segments[i].end)
      return segments[i].end - stream->pos;
  return 0;
}

/* A header's length is not known before: parse what is there, and fetch more where that fails. */
frz_status frz_page_stream_header(frz_page_stream *stream, frz_page_header *header_out,
                                  frz_error *err)
{
  int64_t rest = segment_rest(stream);
  size_t wanted = rest < HEADER_BYTES_FIRST ? (size_t)rest : HEADER_BYTES_FIRST;
  for (;;) {
    const uint8_t *data = NULL;
    size_t n = 0;
    FRZ_TRY(fetch(stream, stream->pos, wanted, &data, &n, err));
    if ((int64_t)n > rest) n = (size_t)rest;
    frz_status st = frz_page_header_parse(data, n, header_out, err);
    if (st == FRZ_OK) break;
    if ((int64_t)n == rest || n >= FRZ_LIMIT_PAGE_HEADER_BYTES) return st;
    wanted = n < (size_t)rest / 2 ? n * 2 : (size_t)rest;
  }
  stream->pos += (int64_t)header_out->header_bytes;
  if ((int64_t)header_out->compressed_bytes > stream->end - stream->pos)
    return frz_fail(err, FRZ_ERR_CORRUPT, "page of %zu bytes where its chunk has %lld left",
                    header_out->compressed_bytes, (long long)(stream->end - stream->pos));
  return FRZ_OK;
}

void frz_page_stream_skip(frz_page_stream *stream, const frz_page_header *header)
{
  stream->pos += (int64_t)header->compressed_bytes;
}

static frz_status decompress(frz_page_stream *stream, const frz_page_header *header,
                             const uint8_t *data, frz_error *err)
{
  /* v2 levels stand in front, never compressed. */
  size_t levels = header->type == FRZ_PAGE_DATA_V2 ? header->def_bytes + header->rep_bytes : 0;
  size_t size = header->uncompressed_bytes - levels;
  size_t packed = header->compressed_bytes - levels;
  FRZ_TRY(frz_decompress_check(stream->codec, packed, size, err));
  FRZ_TRY(frz_buf_resize(&stream->body, header->uncompressed_bytes, err));
  if (levels > 0) memcpy(stream->body.data, data, levels);
  if (size == 0) return FRZ_OK;
  return frz_decompress_again(stream->decompressor, stream->codec, data + levels, packed,
                              stream->body.data + levels, size, err);
}

frz_status frz_page_stream_body(frz_page_stream *stream, const frz_page_header *header,
                                const uint8_t **data_out, size_t *size_out, frz_error *err)
{
  static const uint8_t nothing[1] = {0};
  const uint8_t *data = nothing;
  size_t n = 0;
  size_t size = header->compressed_bytes;
  if (size > 0) FRZ_TRY(fetch(stream, stream->pos, size, &data, &n, err));
  if (header->has_crc) {
    uint32_t crc = frz_crc32(0, data, size);
    if (crc != header->crc)
      return frz_fail(err, FRZ_ERR_CORRUPT, "checksum %08x, its header says %08x", (unsigned)crc,
                      (unsigned)header->crc);
  }
  stream->pos += (int64_t)size;
  bool is_plain = stream->codec == FRZ_CODEC_NONE ||
                  (header->type == FRZ_PAGE_DATA_V2 && !header->is_compressed);
  stream->owns_body = !is_plain;
  if (is_plain) {
    if (size != header->uncompressed_bytes)
      return frz_fail(err, FRZ_ERR_CORRUPT, "uncompressed page of %zu bytes, its header says %zu",
                      size, header->uncompressed_bytes);
    *data_out = data;
    *size_out = size;
    return FRZ_OK;
  }
  FRZ_TRY(decompress(stream, header, data, err));
  *data_out = stream->body.data != NULL ? stream->body.data : nothing;
  *size_out = header->uncompressed_bytes;
  return FRZ_OK;
}

bool frz_page_stream_swap_body(frz_page_stream *stream, frz_buf *buf_inout)
{
  if (!stream->owns_body || stream->body.capacity > buf_inout->max_bytes) return false;
  frz_buf body = stream->body;
  size_t buf_bytes_max = buf_inout->max_bytes;
  stream->body = *buf_inout;
  stream->body.max_bytes = body.max_bytes;
  *buf_inout = body;
  buf_inout->max_bytes = buf_bytes_max;
  stream->owns_body = false;
  return true;
}
