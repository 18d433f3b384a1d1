/*
 * snappy.c - compress and decompress snappy blocks.
 *
 * A block is the plain length as a varint, then elements. The low two bits of an element's first
 * byte say what it is: 0 a literal (length - 1 in the upper six bits, 60 to 63: in the next 1 to 4
 * bytes), 1 a copy of 4 to 11 bytes with an 11-bit offset, 2 and 3 a copy of 1 to 64 bytes with an
 * offset of 16 or 32 bits. A copy may overlap what it writes and so repeats a pattern.
 *
 * Decompression has two loops. The fast one runs while FAST_IN bytes of input and FAST_OUT bytes of
 * output are left, so that it may read and write whole vectors past the end of an element: whatever
 * is written too much is overwritten by the next element. The careful one checks every byte and
 * ends both buffers.
 *
 * What must stay true: nothing behind `dest_size` is written and nothing in front of `dest` is
 * read, whatever the input is; the fast loop leaves its position on the start of an element.
 *
 * The compressor works on fragments of 64 KiB with a hash table of the last place where four bytes
 * were seen, and probes less and less often where nothing matches.
 *
 * Source: snappy, format_description.txt.
 */
#include "codec/snappy.h"

#include <string.h>

#include "base/reader.h"

enum {
  FAST_IN = 80,  /* a tag and its longest inline literal with the slack of a vector copy */
  FAST_OUT = 96, /* the longest copy, 64, and the slack behind it */
  FRAGMENT = 1 << 16,
  HASH_BITS_MAX = 14,
  HASH_BITS_MIN = 8,
  MATCH_SLACK = 16, /* matches end this many bytes in front of the fragment's end */
  COPY_MAX = 64
};

#define INLINE static inline __attribute__((always_inline))

INLINE void copy16(uint8_t *to, const uint8_t *from)
{
  uint8_t held[16];
  memcpy(held, from, 16);
  memcpy(to, held, 16);
}

INLINE void copy64(uint8_t *to, const uint8_t *from)
{
  copy16(to, from);
  copy16(to + 16, from + 16);
  copy16(to + 32, from + 32);
  copy16(to + 48, from + 48);
}

frz_status frz_snappy_header(const uint8_t *src, size_t src_size, size_t *plain_size_out,
                             size_t *start_out, frz_error *err)
{
  frz_reader reader = frz_reader_of(src, src_size);
  uint64_t plain_size;
  if (!frz_read_uleb128(&reader, &plain_size) || reader.pos > 5 || plain_size > UINT32_MAX)
    return frz_fail(err, FRZ_ERR_CORRUPT, "snappy: no valid length in front of %zu bytes",
                    src_size);
  /* A copy of three bytes gives at most 64, so a greater claim is a lie; found before memory is
   * asked for. */
  if (plain_size / (COPY_MAX / 2) > src_size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "snappy: %zu bytes claim to hold %llu", src_size,
                    (unsigned long long)plain_size);
  *plain_size_out = (size_t)plain_size;
  *start_out = reader.pos;
  return FRZ_OK;
}

typedef struct window {
  const uint8_t *in;
  const uint8_t *in_end;
  uint8_t *out;
  uint8_t *out_start;
  uint8_t *out_end;
} window;

/* Up to 64 bytes from `offset` bytes back, whole vectors at a time; up to 15 bytes too many. A
 * short pattern is first made longer: each vector written doubles what may be copied at once. */
INLINE void copy_back_fast(uint8_t *out, size_t offset, size_t length)
{
  const uint8_t *from = out - offset;
  if (offset >= 16) {
    copy16(out, from);
    if (length > 16) {
      copy16(out + 16, from + 16);
      if (length > 32) {
        copy16(out + 32, from + 32);
        copy16(out + 48, from + 48);
      }
    }
    return;
  }
  uint8_t *end = out + length;
  while (out - from < 8) { /* each round doubles the distance */
    uint64_t held = frz_load_u64le(from);
    size_t distance = (size_t)(out - from);
    frz_store_u64le(out, held);
    out += distance;
    if (out >= end) return;
  }
  for (; out < end; out += 8, from += 8) frz_store_u64le(out, frz_load_u64le(from));
}

/* Returns false on a bad offset; stops in front of an element that needs the careful loop. */
static bool run_fast(window *w)
{
  const uint8_t *in = w->in;
  uint8_t *out = w->out;
  const uint8_t *in_stop = w->in_end - FAST_IN;
  uint8_t *out_stop = w->out_end - FAST_OUT;
  bool valid = true;
  while (in <= in_stop && out <= out_stop) {
    unsigned tag = *in;
    unsigned kind = tag & 3;
    if (kind == 0) {
      size_t length = (tag >> 2) + 1;
      if (length <= 16) {
        copy16(out, in + 1);
      } else if (length <= 60) {
        copy64(out, in + 1);
      } else {
        size_t n_extra = length - 60;
        length = (size_t)(frz_load_u32le(in + 1) & (UINT32_MAX >> (32 - 8 * n_extra))) + 1;
        if (length > (size_t)(w->in_end - in) - 5 || length > (size_t)(w->out_end - out)) break;
        memcpy(out, in + 1 + n_extra, length);
        in += n_extra;
      }
      in += 1 + length;
      out += length;
      continue;
    }
    size_t length, offset;
    if (kind == 1) {
      length = 4 + ((tag >> 2) & 7);
      offset = (tag >> 5) << 8 | in[1];
      in += 2;
    } else {
      length = (tag >> 2) + 1;
      offset = kind == 2 ? frz_load_u16le(in + 1) : frz_load_u32le(in + 1);
      in += kind == 2 ? 3 : 5;
    }
    if (offset - 1 >= (size_t)(out - w->out_start)) {
      valid = false;
      break;
    }
    copy_back_fast(out, offset, length);
    out += length;
  }
  w->in = in;
  w->out = out;
  return valid;
}

static bool literal_careful(window *w, unsigned tag)
{
  size_t length = (size_t)(tag >> 2) + 1;
  if (length > 60) {
    size_t n_extra = length - 60;
    if (n_extra > (size_t)(w->in_end - w->in)) return false;
    uint32_t stored = 0;
    for (size_t i = 0; i < n_extra; i++) stored |= (uint32_t)*w->in++ << (8 * i);
    length = (size_t)stored + 1;
  }
  if (length > (size_t)(w->in_end - w->in) || length > (size_t)(w->out_end - w->out)) return false;
  memcpy(w->out, w->in, length);
  w->in += length;
  w->out += length;
  return true;
}

static bool copy_careful(window *w, unsigned tag)
{
  size_t length = (size_t)(tag >> 2) + 1;
  size_t n_extra = (tag & 3) == 3 ? 4 : tag & 3;
  if (n_extra > (size_t)(w->in_end - w->in)) return false;
  size_t offset = 0;
  for (size_t i = 0; i < n_extra; i++) offset |= (size_t)*w->in++ << (8 * i);
  if ((tag & 3) == 1) {
    length = 4 + ((tag >> 2) & 7);
    offset |= (size_t)(tag >> 5) << 8;
  }
  if (offset == 0 || offset > (size_t)(w->out - w->out_start)) return false;
  if (length > (size_t)(w->out_end - w->out)) return false;
  for (; length != 0; length--, w->out++) *w->out = *(w->out - offset);
  return true;
}

static bool run_careful(window *w)
{
  while (w->in < w->in_end) {
    if (w->in_end - w->in >= FAST_IN && w->out_end - w->out >= FAST_OUT) {
      const uint8_t *before = w->in;
      if (!run_fast(w)) return false;
      if (w->in != before) continue;
    }
    unsigned tag = *w->in++;
    if (!((tag & 3) == 0 ? literal_careful(w, tag) : copy_careful(w, tag))) return false;
  }
  return true;
}

frz_status frz_snappy_decompress(const uint8_t *src, size_t src_size, uint8_t *dest,
                                 size_t dest_size, frz_error *err)
{
  size_t plain_size, start;
  FRZ_TRY(frz_snappy_header(src, src_size, &plain_size, &start, err));
  if (plain_size != dest_size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "snappy: block of %zu bytes where %zu are due",
                    plain_size, dest_size);
  if (dest_size == 0) {
    if (start == src_size) return FRZ_OK;
    return frz_fail(err, FRZ_ERR_CORRUPT, "snappy: %zu bytes behind an empty block",
                    src_size - start);
  }
  window w = {src + start, src + src_size, dest, dest, dest + dest_size};
  if (!run_careful(&w))
    return frz_fail(err, FRZ_ERR_CORRUPT, "snappy: bad element before byte %zu of %zu",
                    (size_t)(w.in - src), src_size);
  if (w.out != w.out_end)
    return frz_fail(err, FRZ_ERR_CORRUPT, "snappy: %zu bytes where %zu are due",
                    (size_t)(w.out - dest), dest_size);
  return FRZ_OK;
}

size_t frz_snappy_bound(size_t src_size)
{
  /* Every literal costs at most 5 bytes and stands for a fragment or is followed by a copy that
   * saves at least one; a fragment adds one literal. */
  return 32 + src_size + src_size / 6;
}

/* The literal's header and bytes. `slack`: 16 bytes may be read from `from`. */
INLINE uint8_t *put_literal(uint8_t *to, const uint8_t *from, size_t length, bool slack)
{
  size_t stored = length - 1;
  if (length <= 16 && slack) {
    *to++ = (uint8_t)(stored << 2);
    copy16(to, from);
    return to + length;
  }
  if (stored < 60) {
    *to++ = (uint8_t)(stored << 2);
  } else if (stored < 256) {
    *to++ = 60 << 2;
    *to++ = (uint8_t)stored;
  } else {
    *to++ = 61 << 2;
    *to++ = (uint8_t)stored;
    *to++ = (uint8_t)(stored >> 8);
  }
  memcpy(to, from, length);
  return to + length;
}

INLINE uint8_t *put_copy_short(uint8_t *to, size_t offset, size_t length)
{
  if (length < 12 && offset < 2048) {
    *to++ = (uint8_t)(1 | (length - 4) << 2 | (offset >> 8) << 5);
    *to++ = (uint8_t)offset;
    return to;
  }
  *to++ = (uint8_t)(2 | (length - 1) << 2);
  frz_store_u16le(to, (uint16_t)offset);
  return to + 2;
}

INLINE uint8_t *put_copy(uint8_t *to, size_t offset, size_t length)
{
  while (length >= COPY_MAX + 4) { /* leaves at least 4, so that the rest may be a short copy */
    to = put_copy_short(to, offset, COPY_MAX);
    length -= COPY_MAX;
  }
  if (length > COPY_MAX) {
    to = put_copy_short(to, offset, COPY_MAX - 4);
    length -= COPY_MAX - 4;
  }
  return put_copy_short(to, offset, length);
}

/* How many bytes from `a` and from `b` are equal; `b` is the later one and ends at `end`. */
INLINE size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
  const uint8_t *start = b;
  while (end - b >= 8) {
    uint64_t differ = frz_load_u64le(a) ^ frz_load_u64le(b);
    if (differ != 0) return (size_t)(b - start) + (unsigned)__builtin_ctzll(differ) / 8;
    a += 8;
    b += 8;
  }
  while (b < end && *a == *b) a++, b++;
  return (size_t)(b - start);
}

INLINE uint32_t hash4(uint32_t bytes, unsigned shift)
{
  return (bytes * UINT32_C(0x9e3779b1)) >> shift;
}

/* One fragment; `table` holds offsets from its start and is zeroed for it. */
static uint8_t *compress_fragment(const uint8_t *src, size_t size, uint8_t *to, uint16_t *table,
                                  unsigned shift)
{
  const uint8_t *end = src + size;
  const uint8_t *literal = src; /* bytes from here on are not written yet */
  if (size < MATCH_SLACK + 4) return put_literal(to, src, size, false);
  const uint8_t *stop = end - MATCH_SLACK; /* no match starts at or behind it */
  const uint8_t *at = src + 1;
  for (;;) {
    uint32_t misses = 32; /* the step grows by one each 32 probes without a match */
    const uint8_t *candidate;
    for (;;) {
      if (at >= stop) goto rest;
      uint32_t bytes = frz_load_u32le(at);
      uint32_t slot = hash4(bytes, shift);
      candidate = src + table[slot];
      table[slot] = (uint16_t)(at - src);
      if (bytes == frz_load_u32le(candidate)) break;
      at += misses++ >> 5;
    }
    if (at != literal) to = put_literal(to, literal, (size_t)(at - literal), true);
    for (;;) { /* copies that follow one another */
      size_t length = 4 + match_length(candidate + 4, at + 4, end);
      to = put_copy(to, (size_t)(at - candidate), length);
      at += length;
      literal = at;
      if (at >= stop) goto rest;
      uint64_t bytes = frz_load_u64le(at - 1);
      table[hash4((uint32_t)bytes, shift)] = (uint16_t)(at - 1 - src);
      uint32_t slot = hash4((uint32_t)(bytes >> 8), shift);
      candidate = src + table[slot];
      table[slot] = (uint16_t)(at - src);
      if ((uint32_t)(bytes >> 8) != frz_load_u32le(candidate)) break;
    }
    at++;
  }
rest:
  if (literal < end) to = put_literal(to, literal, (size_t)(end - literal), false);
  return to;
}

size_t frz_snappy_compress(const uint8_t *src, size_t src_size, uint8_t *dest)
{
  assert(src_size <= UINT32_MAX);
  uint16_t table[1 << HASH_BITS_MAX];
  uint8_t *to = dest;
  size_t left = src_size;
  for (size_t length = src_size;; length >>= 7) {
    *to++ = (uint8_t)(length >= 0x80 ? length | 0x80 : length);
    if (length < 0x80) break;
  }
  while (left != 0) {
    size_t size = left < FRAGMENT ? left : FRAGMENT;
    unsigned bits = HASH_BITS_MIN;
    while (bits < HASH_BITS_MAX && ((size_t)1 << bits) < size) bits++;
    memset(table, 0, sizeof *table << bits);
    to = compress_fragment(src, size, to, table, 32 - bits);
    src += size;
    left -= size;
  }
  return (size_t)(to - dest);
}
