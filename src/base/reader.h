/*
 * reader.h - bounded reading of bytes in memory.
 *
 * Every read checks what is left first and moves `pos` only on success. The functions
 * return false at the end of the input; the caller, who knows what was being read, makes the
 * error with the position.
 */
#ifndef FRZ_BASE_READER_H
#define FRZ_BASE_READER_H

#include "base/endian.h"
#include "base/str.h"

typedef struct frz_reader {
  const uint8_t *data;
  size_t size;
  size_t pos;
} frz_reader;

static inline frz_reader frz_reader_of(const void *data, size_t size)
{
  return (frz_reader){data, size, 0};
}

static inline size_t frz_reader_left(const frz_reader *reader)
{
  return reader->size - reader->pos;
}

/** Borrow the next `n` bytes. */
static inline bool frz_read_bytes(frz_reader *reader, size_t n, const uint8_t **bytes_out)
{
  if (n > frz_reader_left(reader)) return false;
  *bytes_out = reader->data + reader->pos;
  reader->pos += n;
  return true;
}

static inline bool frz_read_u8(frz_reader *reader, uint8_t *value_out)
{
  if (reader->pos == reader->size) return false;
  *value_out = reader->data[reader->pos++];
  return true;
}

static inline bool frz_read_u32le(frz_reader *reader, uint32_t *value_out)
{
  const uint8_t *at;
  if (!frz_read_bytes(reader, 4, &at)) return false;
  *value_out = frz_load_u32le(at);
  return true;
}

static inline bool frz_read_u64le(frz_reader *reader, uint64_t *value_out)
{
  const uint8_t *at;
  if (!frz_read_bytes(reader, 8, &at)) return false;
  *value_out = frz_load_u64le(at);
  return true;
}

/** Unsigned LEB128 of at most 64 bits; false also when it is longer. */
static inline bool frz_read_uleb128(frz_reader *reader, uint64_t *value_out)
{
  uint64_t value = 0;
  size_t pos = reader->pos;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (pos == reader->size) return false;
    uint8_t byte = reader->data[pos++];
    if (shift == 63 && byte > 1) return false;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      reader->pos = pos;
      *value_out = value;
      return true;
    }
  }
  return false;
}

static inline int64_t frz_zigzag_decode(uint64_t value)
{
  return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static inline uint64_t frz_zigzag_encode(int64_t value)
{
  return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

#endif
