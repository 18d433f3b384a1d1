/*
 * compress.c - every codec behind three calls: decompress exactly, decompress and append, compress.
 *
 * Each codec is a row of a table. An exact call knows the plain length from the file around it and
 * must meet it to the byte; an appending call grows its buffer and is bounded by the buffer's
 * maximum. Brotli's streams take their memory from a frz_alloc; the other libraries have no call
 * for that which each context could use for itself, and use their own.
 *
 * An exact call takes no bytes for no bytes: writers store empty pages so.
 *
 * What must stay true: an appending call that fails leaves the buffer's size as it was; no length
 * in the input is believed beyond that maximum.
 *
 * Sources: RFC 1950 to 1952; RFC 8878; RFC 7932; LZ4 block and frame formats; Apache Parquet
 * format, Compression.md (LZ4 and LZ4_RAW).
 */
#include "codec/compress.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <lz4.h>
#include <lz4frame.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/endian.h"
#include "base/limits.h"
#include "codec/brotli_encode.h"
#include "codec/deflate.h"
#include "codec/snappy.h"

enum {
  CHUNK_BYTES = 1 << 16,    /* the least room a stream is given */
  LZ4_RATIO_MAX = 255,      /* a length byte of an LZ4 match stands for at most that many */
  SNAPPY_RATIO_MAX = 32,    /* three bytes of a copy stand for 64 */
  ZSTD_RATIO_MAX = 1 << 15, /* four bytes of a block that repeats one stand for 128 KiB */
  ZSTD_LEVEL = 3,
  DEFLATE_LEVEL = 6,
  BROTLI_LEVEL = 8
};

/* Input and output of a stream. The output is either fixed or grows with a buffer. */
typedef struct stream {
  const uint8_t *in;
  size_t in_left;
  uint8_t *out;
  size_t out_left;
  frz_buf *buf; /* NULL: fixed */
  uint8_t none[1];
} stream;

static void use_room(stream *s)
{
  if (s->buf->data == NULL) return; /* nothing was reserved yet */
  s->out = s->buf->data + s->buf->size;
  s->out_left = s->buf->capacity - s->buf->size;
}

static frz_status make_room(stream *s, frz_error *err)
{
  frz_buf *buf = s->buf;
  if (buf->size == buf->capacity) {
    size_t left = buf->max_bytes > buf->size ? buf->max_bytes - buf->size : 0;
    FRZ_TRY(frz_buf_reserve(buf, left != 0 && left < CHUNK_BYTES ? left : CHUNK_BYTES, err));
  }
  use_room(s);
  return FRZ_OK;
}

/* A decoder that moved nothing wants room or input. Room is made only then, so that a stream whose
 * output is full may still read its trailer. */
static frz_status unblock(stream *s, const char *name, frz_error *err)
{
  if (s->out_left != 0) return frz_fail(err, FRZ_ERR_CORRUPT, "%s: the input ends early", name);
  if (s->buf != NULL) return make_room(s, err);
  return frz_fail(err, FRZ_ERR_CORRUPT, "%s: more bytes than are due, %zu of the input left", name,
                  s->in_left);
}

/* Where to write; libraries want an address even for no bytes. */
static uint8_t *room_of(stream *s)
{
  return s->out != NULL ? s->out : s->none;
}

static void take(stream *s, size_t n_in, size_t n_out)
{
  s->in += n_in;
  s->in_left -= n_in;
  if (n_out == 0) return;
  s->out += n_out;
  s->out_left -= n_out;
  if (s->buf != NULL) s->buf->size += n_out;
}

/* Brotli frees without a size, so each block carries its own in front. */
enum { SIZED_HEADER = FRZ_ALLOC_ALIGNMENT };

static void *sized_alloc(void *opaque, size_t bytes)
{
  if (bytes > SIZE_MAX - SIZED_HEADER) return NULL;
  uint8_t *block = frz_alloc_new(opaque, bytes + SIZED_HEADER);
  if (block == NULL) return NULL;
  memcpy(block, &bytes, sizeof bytes);
  return block + SIZED_HEADER;
}

static void sized_free(void *opaque, void *block)
{
  if (block == NULL) return;
  uint8_t *start = (uint8_t *)block - SIZED_HEADER;
  size_t bytes;
  memcpy(&bytes, start, sizeof bytes);
  frz_alloc_free(opaque, start, bytes + SIZED_HEADER);
}

/* ---- zstd ---- */

static frz_status zstd_fail(size_t result, frz_error *err)
{
  if (ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation) return frz_fail_nomem(err, "zstd");
  return frz_fail(err, FRZ_ERR_CORRUPT, "zstd: %s", ZSTD_getErrorName(result));
}

static frz_status zstd_exact(frz_decompressor *decompressor, const uint8_t *src, size_t src_size,
                             uint8_t *dest, size_t dest_size, frz_error *err)
{
  if (decompressor->zstd == NULL) decompressor->zstd = ZSTD_createDCtx();
  if (decompressor->zstd == NULL) return frz_fail_nomem(err, "zstd");
  size_t result = ZSTD_decompressDCtx(decompressor->zstd, dest, dest_size, src, src_size);
  if (ZSTD_isError(result)) return zstd_fail(result, err);
  if (result != dest_size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "zstd: %zu bytes where %zu are due", result, dest_size);
  return FRZ_OK;
}

/* With the frame's size as room the stream decodes straight into the buffer. */
static frz_status zstd_reserve(const uint8_t *src, size_t src_size, frz_buf *out, frz_error *err)
{
  unsigned long long claimed = ZSTD_getFrameContentSize(src, src_size);
  if (claimed == ZSTD_CONTENTSIZE_ERROR)
    return frz_fail(err, FRZ_ERR_CORRUPT, "zstd: no frame in %zu bytes", src_size);
  if (claimed == ZSTD_CONTENTSIZE_UNKNOWN || claimed == 0) return FRZ_OK;
  size_t room = claimed > SIZE_MAX ? SIZE_MAX : (size_t)claimed;
  FRZ_TRY(frz_decompress_check(FRZ_CODEC_ZSTD, src_size, room, err));
  return frz_buf_reserve(out, room, err);
}

static frz_status zstd_append(const uint8_t *src, size_t src_size, frz_buf *out, frz_error *err)
{
  FRZ_TRY(zstd_reserve(src, src_size, out, err));
  ZSTD_DCtx *context = ZSTD_createDCtx();
  if (context == NULL) return frz_fail_nomem(err, "zstd");
  frz_status st = FRZ_OK;
  stream s = {.in = src, .in_left = src_size, .buf = out};
  use_room(&s);
  for (;;) {
    ZSTD_inBuffer in = {s.in, s.in_left, 0};
    ZSTD_outBuffer room = {room_of(&s), s.out_left, 0};
    size_t result = ZSTD_decompressStream(context, &room, &in);
    if (ZSTD_isError(result)) {
      st = zstd_fail(result, err);
      break;
    }
    take(&s, in.pos, room.pos);
    if (result == 0 && s.in_left == 0) break;
    if (in.pos == 0 && room.pos == 0) FRZ_TRY_OUT(unblock(&s, "zstd", err));
  }
out:
  ZSTD_freeDCtx(context);
  return st;
}

#define COMPRESSORS (sizeof((frz_compressors *)0)->zstd / sizeof(_Atomic(void *)))

static ZSTD_CCtx *take_zstd(frz_compressors *compressors)
{
  for (size_t i = 0; compressors != NULL && i < COMPRESSORS; i++) {
    void *taken = atomic_exchange_explicit(&compressors->zstd[i], NULL, memory_order_acquire);
    if (taken != NULL) return taken;
  }
  return ZSTD_createCCtx();
}

static void give_zstd(frz_compressors *compressors, ZSTD_CCtx *context)
{
  for (size_t i = 0; compressors != NULL && i < COMPRESSORS; i++) {
    void *none = NULL;
    if (atomic_compare_exchange_strong_explicit(&compressors->zstd[i], &none, (void *)context,
                                                memory_order_release, memory_order_relaxed))
      return;
  }
  ZSTD_freeCCtx(context);
}

static frz_status zstd_compress(frz_compressors *compressors, int32_t level, const uint8_t *src,
                                size_t src_size, frz_buf *out, frz_error *err)
{
  uint8_t *at;
  size_t bound = ZSTD_compressBound(src_size);
  if (ZSTD_isError(bound)) return frz_fail(err, FRZ_ERR_LIMIT, "zstd: %zu bytes", src_size);
  FRZ_TRY(frz_buf_extend(out, bound, &at, err));
  ZSTD_CCtx *context = take_zstd(compressors);
  if (context == NULL) return frz_fail_nomem(err, "zstd");
  size_t result = ZSTD_compressCCtx(context, at, bound, src, src_size, level);
  give_zstd(compressors, context);
  if (ZSTD_isError(result)) return frz_fail_nomem(err, "zstd");
  out->size -= bound - result;
  return FRZ_OK;
}

/* ---- brotli ---- */

static frz_status brotli_all(BrotliDecoderState *state, stream *s, frz_error *err)
{
  for (;;) {
    size_t in_left = s->in_left;
    size_t out_left = s->out_left;
    const uint8_t *in = s->in;
    uint8_t *out = room_of(s);
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(state, &in_left, &in, &out_left, &out, NULL);
    bool moved = in_left != s->in_left || out_left != s->out_left;
    take(s, s->in_left - in_left, s->out_left - out_left);
    if (result == BROTLI_DECODER_RESULT_SUCCESS) {
      if (s->in_left == 0) return FRZ_OK;
      return frz_fail(err, FRZ_ERR_CORRUPT, "brotli: %zu bytes behind the end", s->in_left);
    }
    if (result == BROTLI_DECODER_RESULT_ERROR) {
      BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state);
      if (code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
          code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES)
        return frz_fail_nomem(err, "brotli");
      return frz_fail(err, FRZ_ERR_CORRUPT, "brotli: %s, %zu bytes before the end",
                      BrotliDecoderErrorString(code), s->in_left);
    }
    if (!moved) FRZ_TRY(unblock(s, "brotli", err));
  }
}

static frz_status brotli_stream(stream *s, const frz_alloc *alloc, frz_error *err)
{
  void *opaque = (void *)(uintptr_t)alloc; /* handed back to sized_alloc(), which reads it */
  BrotliDecoderState *state = BrotliDecoderCreateInstance(sized_alloc, sized_free, opaque);
  if (state == NULL) return frz_fail_nomem(err, "brotli");
  frz_status st = brotli_all(state, s, err);
  BrotliDecoderDestroyInstance(state);
  return st;
}

/* ---- lz4 ---- */

/* The length of the plain block, or -1. */
static int64_t lz4_block(const uint8_t *src, size_t src_size, uint8_t *dest, size_t dest_size)
{
  if (src_size > INT32_MAX || src_size == 0) return -1;
  int room = dest_size < INT32_MAX ? (int)dest_size : INT32_MAX;
  int size = LZ4_decompress_safe((const char *)src, (char *)dest, (int)src_size, room);
  /* Of no bytes there is one form; with room left the library takes others too. */
  if (size == 0 && (src_size != 1 || src[0] != 0)) return -1;
  return size;
}

static frz_status lz4_raw_exact(const uint8_t *src, size_t src_size, uint8_t *dest,
                                size_t dest_size, frz_error *err)
{
  int64_t size = lz4_block(src, src_size, dest, dest_size);
  if (size == (int64_t)dest_size) return FRZ_OK;
  if (size < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "lz4: bad block of %zu bytes, or more than the %zu due",
                    src_size, dest_size);
  return frz_fail(err, FRZ_ERR_CORRUPT, "lz4: %lld bytes where %zu are due", (long long)size,
                  dest_size);
}

/* A bare block does not say its length and its decoder cannot continue: try with more room. */
static frz_status lz4_raw_append(const uint8_t *src, size_t src_size, frz_buf *out, frz_error *err)
{
  size_t room_max =
      src_size < SIZE_MAX / LZ4_RATIO_MAX - 64 ? src_size * LZ4_RATIO_MAX + 64 : SIZE_MAX;
  size_t left = out->max_bytes > out->size ? out->max_bytes - out->size : 0;
  size_t room = src_size < CHUNK_BYTES / 4 ? CHUNK_BYTES : src_size * 4;
  for (;;) {
    if (room > room_max) room = room_max;
    if (room > left) room = left;
    if (room == 0) room = 1; /* so that a full buffer gives its own error */
    FRZ_TRY(frz_buf_reserve(out, room, err));
    int64_t size = lz4_block(src, src_size, out->data + out->size, room);
    if (size >= 0) {
      out->size += (size_t)size;
      return FRZ_OK;
    }
    if (room >= room_max || room >= INT32_MAX)
      return frz_fail(err, FRZ_ERR_CORRUPT, "lz4: bad block of %zu bytes", src_size);
    if (room >= left)
      return frz_fail(err, FRZ_ERR_LIMIT, "lz4: bad block of %zu bytes, or more than %zu plain",
                      src_size, left);
    room = room > SIZE_MAX / 2 ? SIZE_MAX : room * 2;
  }
}

/* Where Hadoop's frame at `pos` may be one: its plain length, which its bytes must be able to give.
 * A frame is that length, then chunks of (length, block) until it is reached; all big-endian. */
static bool lz4_hadoop_header(const uint8_t *src, size_t src_size, size_t *pos, size_t *plain_out)
{
  if (src_size - *pos < 4) return false;
  size_t plain = frz_load_u32be(src + *pos);
  size_t left = src_size - *pos - 4;
  if (plain / LZ4_RATIO_MAX > left) return false;
  if (plain != 0 && (left < 4 || frz_load_u32be(src + *pos + 4) > left - 4)) return false;
  *pos += 4;
  *plain_out = plain;
  static const uint8_t empty_chunk[5] = {0, 0, 0, 1, 0}; /* some write a block of nothing */
  if (plain == 0 && left == sizeof empty_chunk &&
      memcmp(src + *pos, empty_chunk, sizeof empty_chunk) == 0)
    *pos = src_size;
  return true;
}

static bool lz4_hadoop_chunks(const uint8_t *src, size_t src_size, size_t *pos, uint8_t *dest,
                              size_t plain)
{
  while (plain != 0) {
    if (src_size - *pos < 4) return false;
    size_t block_size = frz_load_u32be(src + *pos);
    *pos += 4;
    if (block_size > src_size - *pos) return false;
    int64_t size = lz4_block(src + *pos, block_size, dest, plain);
    if (size <= 0) return false;
    dest += size;
    plain -= (size_t)size;
    *pos += block_size;
  }
  return true;
}

static bool lz4_is_frame(const uint8_t *src, size_t src_size)
{
  return src_size >= 7 && frz_load_u32le(src) == 0x184d2204;
}

static frz_status lz4_frame_stream(stream *s, frz_error *err)
{
  LZ4F_dctx *context;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
    return frz_fail_nomem(err, "lz4 frame");
  frz_status st = FRZ_OK;
  for (;;) {
    size_t n_out = s->out_left;
    size_t n_in = s->in_left;
    size_t result = LZ4F_decompress(context, room_of(s), &n_out, s->in, &n_in, NULL);
    if (LZ4F_isError(result)) {
      st = frz_fail(err, FRZ_ERR_CORRUPT, "lz4 frame: %s", LZ4F_getErrorName(result));
      break;
    }
    take(s, n_in, n_out);
    if (result == 0 && s->in_left == 0) break;
    if (n_in == 0 && n_out == 0) FRZ_TRY_OUT(unblock(s, "lz4 frame", err));
  }
out:
  LZ4F_freeDecompressionContext(context);
  return st;
}

static frz_status lz4_frame_exact(const uint8_t *src, size_t src_size, uint8_t *dest,
                                  size_t dest_size, frz_error *err)
{
  stream s = {.in = src, .in_left = src_size, .out = dest, .out_left = dest_size};
  FRZ_TRY(lz4_frame_stream(&s, err));
  if (s.out_left == 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "lz4 frame: %zu bytes where %zu are due",
                  dest_size - s.out_left, dest_size);
}

static frz_status lz4_frame_append(const uint8_t *src, size_t src_size, frz_buf *out,
                                   frz_error *err)
{
  stream s = {.in = src, .in_left = src_size, .buf = out};
  return lz4_frame_stream(&s, err);
}

static frz_status lz4_hadoop_exact(const uint8_t *src, size_t src_size, uint8_t *dest,
                                   size_t dest_size, frz_error *err)
{
  size_t pos = 0, done = 0, plain;
  while (pos < src_size) {
    if (!lz4_hadoop_header(src, src_size, &pos, &plain) || plain > dest_size - done ||
        !lz4_hadoop_chunks(src, src_size, &pos, dest + done, plain))
      break;
    done += plain;
  }
  if (pos == src_size && done == dest_size) return FRZ_OK;
  if (lz4_is_frame(src, src_size)) return lz4_frame_exact(src, src_size, dest, dest_size, err);
  return lz4_raw_exact(src, src_size, dest, dest_size, err);
}

static frz_status lz4_hadoop_append(const uint8_t *src, size_t src_size, frz_buf *out,
                                    frz_error *err)
{
  size_t size_before = out->size;
  size_t pos = 0, plain;
  while (pos < src_size) {
    if (!lz4_hadoop_header(src, src_size, &pos, &plain)) break;
    uint8_t *at = NULL;
    FRZ_TRY(frz_buf_extend(out, plain, &at, err));
    if (!lz4_hadoop_chunks(src, src_size, &pos, at, plain)) break;
  }
  if (pos == src_size && src_size != 0) return FRZ_OK;
  out->size = size_before;
  if (!lz4_is_frame(src, src_size)) return lz4_raw_append(src, src_size, out, err);
  return lz4_frame_append(src, src_size, out, err);
}

static frz_status lz4_compress(bool hadoop, const uint8_t *src, size_t src_size, frz_buf *out,
                               frz_error *err)
{
  if (src_size > LZ4_MAX_INPUT_SIZE)
    return frz_fail(err, FRZ_ERR_LIMIT, "lz4: a block of %zu bytes", src_size);
  int bound = LZ4_compressBound((int)src_size);
  size_t header = hadoop ? 8 : 0;
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(out, header + (size_t)bound, &at, err));
  int size = LZ4_compress_default((const char *)src, (char *)at + header, (int)src_size, bound);
  if (size <= 0) return frz_fail_nomem(err, "lz4");
  if (hadoop) {
    frz_store_u32be(at, (uint32_t)src_size);
    frz_store_u32be(at + 4, (uint32_t)size);
  }
  out->size -= (size_t)(bound - size);
  return FRZ_OK;
}

static frz_status lz4_frame_compress(const uint8_t *src, size_t src_size, frz_buf *out,
                                     frz_error *err)
{
  LZ4F_preferences_t preferences = {.frameInfo = {.contentSize = src_size}};
  size_t bound = LZ4F_compressFrameBound(src_size, &preferences);
  uint8_t *at;
  if (LZ4F_isError(bound)) return frz_fail(err, FRZ_ERR_LIMIT, "lz4 frame: %zu bytes", src_size);
  FRZ_TRY(frz_buf_extend(out, bound, &at, err));
  size_t size = LZ4F_compressFrame(at, bound, src, src_size, &preferences);
  if (LZ4F_isError(size)) return frz_fail_nomem(err, "lz4 frame");
  out->size -= bound - size;
  return FRZ_OK;
}

/* ---- the calls ---- */

const char *frz_codec_name(frz_codec codec)
{
  switch (codec) {
  case FRZ_CODEC_NONE: return "uncompressed";
  case FRZ_CODEC_SNAPPY: return "snappy";
  case FRZ_CODEC_GZIP: return "gzip";
  case FRZ_CODEC_DEFLATE: return "deflate";
  case FRZ_CODEC_ZSTD: return "zstd";
  case FRZ_CODEC_BROTLI: return "brotli";
  case FRZ_CODEC_LZ4_RAW: return "lz4_raw";
  case FRZ_CODEC_LZ4_HADOOP: return "lz4";
  case FRZ_CODEC_LZ4_FRAME: return "lz4 frame";
  }
  return "unknown codec";
}

static frz_status unknown_codec(frz_codec codec, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "codec %d", (int)codec);
}

static frz_status brotli_exact(const uint8_t *src, size_t src_size, uint8_t *dest, size_t dest_size,
                               frz_error *err)
{
  stream s = {.in = src, .in_left = src_size, .out = dest, .out_left = dest_size};
  FRZ_TRY(brotli_stream(&s, frz_alloc_default(), err));
  if (s.out_left == 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "brotli: %zu bytes where %zu are due",
                  dest_size - s.out_left, dest_size);
}

static frz_status plain_exact(const uint8_t *src, size_t src_size, uint8_t *dest, size_t dest_size,
                              frz_error *err)
{
  if (src_size != dest_size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "uncompressed: %zu bytes where %zu are due", src_size,
                    dest_size);
  if (src_size != 0) memcpy(dest, src, src_size);
  return FRZ_OK;
}

/* Bytes that one byte of the codec can stand for, at most; 0: no bound. */
static size_t ratio_max(frz_codec codec)
{
  switch (codec) {
  case FRZ_CODEC_NONE: return 1;
  case FRZ_CODEC_SNAPPY: return SNAPPY_RATIO_MAX;
  case FRZ_CODEC_GZIP:
  case FRZ_CODEC_DEFLATE: return FRZ_DEFLATE_RATIO_MAX;
  case FRZ_CODEC_LZ4_RAW:
  case FRZ_CODEC_LZ4_HADOOP:
  case FRZ_CODEC_LZ4_FRAME: return LZ4_RATIO_MAX;
  case FRZ_CODEC_ZSTD: return ZSTD_RATIO_MAX;
  case FRZ_CODEC_BROTLI: break;
  }
  return 0;
}

frz_status frz_decompress_check(frz_codec codec, size_t src_size, size_t dest_size, frz_error *err)
{
  size_t ratio = ratio_max(codec);
  if (dest_size / (ratio != 0 ? ratio : FRZ_LIMIT_EXPANSION) <= src_size) return FRZ_OK;
  if (ratio != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%s: %zu bytes claim to hold %zu", frz_codec_name(codec),
                    src_size, dest_size);
  if (dest_size <= FRZ_LIMIT_EXPANSION_BYTES) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_LIMIT, "%s: %zu bytes hold %zu, at most %zu may be %d times as many",
                  frz_codec_name(codec), src_size, dest_size, FRZ_LIMIT_EXPANSION_BYTES,
                  (int)FRZ_LIMIT_EXPANSION);
}

frz_status frz_decompress_again(frz_decompressor *decompressor, frz_codec codec, const void *src,
                                size_t src_size, void *dest, size_t dest_size, frz_error *err)
{
  uint8_t nothing[1] = {0}; /* libraries want an address even for no bytes */
  const uint8_t *from = src != NULL ? src : nothing;
  uint8_t *to = dest != NULL ? dest : nothing;
  if (src_size == 0 && dest_size == 0) return FRZ_OK; /* empty Parquet pages are stored so */
  switch (codec) {
  case FRZ_CODEC_NONE: return plain_exact(from, src_size, to, dest_size, err);
  case FRZ_CODEC_SNAPPY: return frz_snappy_decompress(from, src_size, to, dest_size, err);
  case FRZ_CODEC_GZIP:
  case FRZ_CODEC_DEFLATE: return frz_inflate(codec, from, src_size, to, dest_size, err);
  case FRZ_CODEC_BROTLI: return brotli_exact(from, src_size, to, dest_size, err);
  case FRZ_CODEC_ZSTD: return zstd_exact(decompressor, from, src_size, to, dest_size, err);
  case FRZ_CODEC_LZ4_RAW: return lz4_raw_exact(from, src_size, to, dest_size, err);
  case FRZ_CODEC_LZ4_HADOOP: return lz4_hadoop_exact(from, src_size, to, dest_size, err);
  case FRZ_CODEC_LZ4_FRAME: return lz4_frame_exact(from, src_size, to, dest_size, err);
  }
  return unknown_codec(codec, err);
}

void frz_decompressor_dispose(frz_decompressor *decompressor)
{
  ZSTD_freeDCtx(decompressor->zstd);
  *decompressor = (frz_decompressor){0};
}

frz_status frz_decompress(frz_codec codec, const void *src, size_t src_size, void *dest,
                          size_t dest_size, frz_error *err)
{
  frz_decompressor once = {0};
  frz_status st = frz_decompress_again(&once, codec, src, src_size, dest, dest_size, err);
  frz_decompressor_dispose(&once);
  return st;
}

static frz_status snappy_append(const uint8_t *src, size_t src_size, frz_buf *out, frz_error *err)
{
  size_t plain_size, start;
  uint8_t *at = NULL;
  FRZ_TRY(frz_snappy_header(src, src_size, &plain_size, &start, err));
  FRZ_TRY(frz_buf_extend(out, plain_size, &at, err));
  return frz_snappy_decompress(src, src_size, at, plain_size, err);
}

static frz_status decompress_any(frz_codec codec, const uint8_t *src, size_t src_size, frz_buf *out,
                                 frz_error *err)
{
  stream s = {.in = src, .in_left = src_size, .buf = out};
  switch (codec) {
  case FRZ_CODEC_NONE: return frz_buf_append(out, src, src_size, err);
  case FRZ_CODEC_SNAPPY: return snappy_append(src, src_size, out, err);
  case FRZ_CODEC_GZIP:
  case FRZ_CODEC_DEFLATE: return frz_inflate_append(codec, src, src_size, out, err);
  case FRZ_CODEC_BROTLI: return brotli_stream(&s, out->alloc, err);
  case FRZ_CODEC_ZSTD: return zstd_append(src, src_size, out, err);
  case FRZ_CODEC_LZ4_RAW: return lz4_raw_append(src, src_size, out, err);
  case FRZ_CODEC_LZ4_HADOOP: return lz4_hadoop_append(src, src_size, out, err);
  case FRZ_CODEC_LZ4_FRAME: return lz4_frame_append(src, src_size, out, err);
  }
  return unknown_codec(codec, err);
}

frz_status frz_decompress_append(frz_codec codec, const void *src, size_t src_size, frz_buf *out,
                                 frz_error *err)
{
  static const uint8_t nothing[1] = {0};
  size_t size_before = out->size;
  frz_status st = decompress_any(codec, src != NULL ? src : nothing, src_size, out, err);
  if (st != FRZ_OK) out->size = size_before;
  return st;
}

static frz_status snappy_compress(const uint8_t *src, size_t src_size, frz_buf *out, frz_error *err)
{
  if (src_size > UINT32_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "snappy: a block of %zu bytes", src_size);
  size_t bound = frz_snappy_bound(src_size);
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(out, bound, &at, err));
  out->size -= bound - frz_snappy_compress(src, src_size, at);
  return FRZ_OK;
}

/* 0 stands for the default; the range is the codec's own. */
static frz_status check_level(frz_codec codec, int32_t level, int32_t least, int32_t most,
                              frz_error *err)
{
  if (level == 0 || (level >= least && level <= most)) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "%s: level %d is not within %d and %d",
                  frz_codec_name(codec), (int)level, (int)least, (int)most);
}

static frz_status compress_any(frz_compressors *compressors, frz_codec codec, int32_t level,
                               const uint8_t *src, size_t src_size, frz_buf *out, frz_error *err)
{
  switch (codec) {
  case FRZ_CODEC_NONE: return frz_buf_append(out, src, src_size, err);
  case FRZ_CODEC_SNAPPY: return snappy_compress(src, src_size, out, err);
  case FRZ_CODEC_GZIP:
  case FRZ_CODEC_DEFLATE:
    FRZ_TRY(check_level(codec, level, 1, 9, err));
    return frz_deflate_append(codec, level != 0 ? level : DEFLATE_LEVEL, src, src_size, out, err);
  case FRZ_CODEC_ZSTD:
    FRZ_TRY(check_level(codec, level, ZSTD_minCLevel(), ZSTD_maxCLevel(), err));
    return zstd_compress(compressors, level != 0 ? level : ZSTD_LEVEL, src, src_size, out, err);
  case FRZ_CODEC_BROTLI:
    FRZ_TRY(check_level(codec, level, 1, BROTLI_MAX_QUALITY, err));
    return frz_brotli_encode(level != 0 ? level : BROTLI_LEVEL, src, src_size, out, err);
  case FRZ_CODEC_LZ4_RAW: return lz4_compress(false, src, src_size, out, err);
  case FRZ_CODEC_LZ4_HADOOP: return lz4_compress(true, src, src_size, out, err);
  case FRZ_CODEC_LZ4_FRAME: return lz4_frame_compress(src, src_size, out, err);
  }
  return unknown_codec(codec, err);
}

frz_status frz_compress_again(frz_compressors *compressors, frz_codec codec, int32_t level,
                              const void *src, size_t src_size, frz_buf *out, frz_error *err)
{
  static const uint8_t nothing[1] = {0};
  const uint8_t *from = src != NULL ? src : nothing;
  size_t size_before = out->size;
  frz_status st = compress_any(compressors, codec, level, from, src_size, out, err);
  if (st != FRZ_OK) out->size = size_before;
  return st;
}

frz_status frz_compress_append(frz_codec codec, int32_t level, const void *src, size_t src_size,
                               frz_buf *out, frz_error *err)
{
  return frz_compress_again(NULL, codec, level, src, src_size, out, err);
}

void frz_compressors_dispose(frz_compressors *compressors)
{
  for (size_t i = 0; i < COMPRESSORS; i++)
    ZSTD_freeCCtx(atomic_exchange_explicit(&compressors->zstd[i], NULL, memory_order_acquire));
}

size_t frz_compressors_memory(const frz_compressors *compressors)
{
  size_t bytes = 0;
  for (size_t i = 0; i < COMPRESSORS; i++)
    bytes += ZSTD_sizeof_CCtx(atomic_load_explicit(&compressors->zstd[i], memory_order_acquire));
  return bytes;
}
