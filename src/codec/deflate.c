/*
 * deflate.c - see deflate.h.
 *
 * libdeflate works on whole buffers, at two to three times zlib's speed. A gzip input is one member
 * after another; some writers of Parquet call zlib's own wrapper gzip, which its first two bytes
 * tell. Where the plain length is not known, the room grows until the output fits: a member that
 * does not is decompressed again, so the first guess is generous.
 *
 * What must stay true: room never grows beyond what deflate can make of the input, whatever the
 * buffer's maximum allows.
 *
 * Sources: RFC 1950 (zlib), 1951 (deflate), 1952 (gzip).
 */
#include "codec/deflate.h"

#include <libdeflate.h>

enum {
  RATIO_GUESS = 4, /* what room is made for at first */
  ROOM_BYTES_MIN = 256,
  ADLER_BYTES = 4
};

/* What is left of the input, and where the next bytes go. */
typedef struct inflation {
  struct libdeflate_decompressor *library;
  frz_codec codec;
  const uint8_t *in;
  size_t in_left;
  uint8_t *out;
  size_t out_left;
  uint8_t nothing[1]; /* an address for no room */
} inflation;

static bool is_zlib(const inflation *s)
{
  if (s->codec != FRZ_CODEC_GZIP || s->in_left < 2) return false;
  return (s->in[0] & 0x0f) == 8 && (s->in[0] * 256 + s->in[1]) % 31 == 0;
}

/* Decompress one member; moves on where that succeeds. */
static enum libdeflate_result next_member(inflation *s)
{
  size_t n_in = 0;
  size_t n_out = 0;
  enum libdeflate_result result;
  if (s->codec == FRZ_CODEC_DEFLATE)
    result = libdeflate_deflate_decompress_ex(s->library, s->in, s->in_left, s->out, s->out_left,
                                              &n_in, &n_out);
  else if (is_zlib(s))
    result = libdeflate_zlib_decompress_ex(s->library, s->in, s->in_left, s->out, s->out_left,
                                           &n_in, &n_out);
  else
    result = libdeflate_gzip_decompress_ex(s->library, s->in, s->in_left, s->out, s->out_left,
                                           &n_in, &n_out);
  if (result != LIBDEFLATE_SUCCESS) return result;
  s->in += n_in;
  s->in_left -= n_in;
  s->out += n_out;
  s->out_left -= n_out;
  return LIBDEFLATE_SUCCESS;
}

/* Is the input used up? Avro writers in Python cut zlib's head off and leave (part of) its checksum
 * behind. */
static bool is_done(const inflation *s)
{
  return s->in_left == 0 || (s->codec == FRZ_CODEC_DEFLATE && s->in_left <= ADLER_BYTES);
}

static frz_status fail_behind(const inflation *s, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "%s: %zu bytes behind the end", frz_codec_name(s->codec),
                  s->in_left);
}

static frz_status fail_data(const inflation *s, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "%s: malformed or cut, with %zu bytes of the input left",
                  frz_codec_name(s->codec), s->in_left);
}

static frz_status inflation_open(inflation *s, frz_error *err)
{
  s->library = libdeflate_alloc_decompressor();
  return s->library != NULL ? FRZ_OK : frz_fail_nomem(err, frz_codec_name(s->codec));
}

frz_status frz_inflate(frz_codec codec, const uint8_t *src, size_t src_size, uint8_t *dest,
                       size_t dest_size, frz_error *err)
{
  frz_status st = FRZ_OK;
  inflation s = {
      .codec = codec, .in = src, .in_left = src_size, .out = dest, .out_left = dest_size};
  FRZ_TRY(inflation_open(&s, err));
  do {
    enum libdeflate_result result = next_member(&s);
    if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
      st = frz_fail(err, FRZ_ERR_CORRUPT, "%s: more bytes than the %zu that are due",
                    frz_codec_name(codec), dest_size);
    else if (result != LIBDEFLATE_SUCCESS)
      st = fail_data(&s, err);
    else if (codec == FRZ_CODEC_DEFLATE && !is_done(&s))
      st = fail_behind(&s, err);
  } while (st == FRZ_OK && !is_done(&s));
  if (st == FRZ_OK && s.out_left != 0)
    st = frz_fail(err, FRZ_ERR_CORRUPT, "%s: %zu bytes where %zu are due", frz_codec_name(codec),
                  dest_size - s.out_left, dest_size);
  libdeflate_free_decompressor(s.library);
  return st;
}

/* Have room for `wanted` more bytes, or what the buffer's maximum leaves, and use all there is. */
static frz_status make_room(inflation *s, frz_buf *out, size_t wanted, frz_error *err)
{
  size_t left = out->max_bytes > out->size ? out->max_bytes - out->size : 0;
  FRZ_TRY(frz_buf_reserve(out, wanted < left ? wanted : left, err));
  s->out = out->data != NULL ? out->data + out->size : s->nothing;
  s->out_left = out->capacity - out->size;
  return FRZ_OK;
}

/* Twice the room; where the buffer allows no more, its refusal is the answer. */
static frz_status grow_room(inflation *s, frz_buf *out, frz_error *err)
{
  size_t before = s->out_left;
  size_t wanted = before <= SIZE_MAX / 2 ? before * 2 + ROOM_BYTES_MIN : SIZE_MAX;
  FRZ_TRY(make_room(s, out, wanted, err));
  return s->out_left > before ? FRZ_OK : frz_buf_reserve(out, before + 1, err);
}

/* One member, in as much room as it takes. */
static frz_status append_member(inflation *s, frz_buf *out, frz_error *err)
{
  size_t room = s->in_left <= SIZE_MAX / (2 * RATIO_GUESS) ? s->in_left * RATIO_GUESS : s->in_left;
  FRZ_TRY(make_room(s, out, room + ROOM_BYTES_MIN, err));
  for (;;) {
    size_t before = s->out_left;
    enum libdeflate_result result = next_member(s);
    if (result == LIBDEFLATE_SUCCESS) {
      out->size += before - s->out_left;
      return FRZ_OK;
    }
    bool may_grow = s->out_left / FRZ_DEFLATE_RATIO_MAX <= s->in_left;
    if (result != LIBDEFLATE_INSUFFICIENT_SPACE || !may_grow) return fail_data(s, err);
    FRZ_TRY(grow_room(s, out, err));
  }
}

frz_status frz_inflate_append(frz_codec codec, const uint8_t *src, size_t src_size, frz_buf *out,
                              frz_error *err)
{
  frz_status st = FRZ_OK;
  inflation s = {.codec = codec, .in = src, .in_left = src_size};
  FRZ_TRY(inflation_open(&s, err));
  do {
    st = append_member(&s, out, err);
    if (st == FRZ_OK && codec == FRZ_CODEC_DEFLATE && !is_done(&s)) st = fail_behind(&s, err);
  } while (st == FRZ_OK && !is_done(&s));
  libdeflate_free_decompressor(s.library);
  return st;
}

frz_status frz_deflate_append(frz_codec codec, int32_t level, const uint8_t *src, size_t src_size,
                              frz_buf *out, frz_error *err)
{
  struct libdeflate_compressor *library = libdeflate_alloc_compressor(level);
  if (library == NULL) return frz_fail_nomem(err, frz_codec_name(codec));
  bool is_gzip = codec == FRZ_CODEC_GZIP;
  size_t bound = is_gzip ? libdeflate_gzip_compress_bound(library, src_size)
                         : libdeflate_deflate_compress_bound(library, src_size);
  uint8_t *at = NULL;
  frz_status st = frz_buf_extend(out, bound, &at, err);
  if (st == FRZ_OK) {
    size_t n = is_gzip ? libdeflate_gzip_compress(library, src, src_size, at, bound)
                       : libdeflate_deflate_compress(library, src, src_size, at, bound);
    out->size -= bound - n; /* n is never 0: the bound is enough */
  }
  libdeflate_free_compressor(library);
  return st;
}
