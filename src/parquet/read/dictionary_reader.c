/*
 * dictionary_reader.c - PLAIN_DICTIONARY and RLE_DICTIONARY: numbers gathered from a dictionary.
 *
 * Numbers are unpacked in pieces that stay in the nearest cache, their greatest is compared with
 * the dictionary's size once a piece, and the gather is one loop a width. A repeated number fills.
 *
 * Source: apache/parquet-format, Encodings.md, "Dictionary Encoding".
 */
#include "parquet/read/dictionary_reader.h"

#include <assert.h>
#include <string.h>

#include "base/fail.h"
#include "base/limits.h"

enum { PIECE = 1024, WIDTH_MAX = 32, BLOCK = FRZ_DICTIONARY_SPARE_BYTES };

void frz_dictionary_reader_init(frz_dictionary_reader *dictionary, size_t width,
                                const frz_alloc *alloc)
{
  *dictionary = (frz_dictionary_reader){.width = width};
  frz_buf_init(&dictionary->values, alloc, FRZ_LIMIT_DICTIONARY_BYTES);
  frz_buf_init(&dictionary->offsets, alloc, FRZ_LIMIT_DICTIONARY_BYTES);
  frz_buf_init(&dictionary->bytes, alloc, FRZ_LIMIT_COLUMN_BYTES);
}

void frz_dictionary_reader_dispose(frz_dictionary_reader *dictionary)
{
  frz_buf_dispose(&dictionary->values);
  frz_buf_dispose(&dictionary->offsets);
  frz_buf_dispose(&dictionary->bytes);
}

frz_status frz_dictionary_reader_open_page(frz_dictionary_reader *dictionary, const uint8_t *data,
                                           size_t size, frz_error *err)
{
  if (size == 0) { /* no present value */
    frz_rle_decoder_init(&dictionary->numbers, data, 0, 0);
    return FRZ_OK;
  }
  if (data[0] > WIDTH_MAX)
    return frz_fail(err, FRZ_ERR_CORRUPT, "dictionary numbers of %d bits", data[0]);
  frz_rle_decoder_init(&dictionary->numbers, data + 1, size - 1, data[0]);
  return FRZ_OK;
}

static frz_status check_numbers(const frz_dictionary_reader *dictionary, const uint32_t *numbers,
                                size_t n, frz_error *err)
{
  uint32_t greatest = 0;
  for (size_t i = 0; i < n; i++) greatest = numbers[i] > greatest ? numbers[i] : greatest;
  if (greatest < dictionary->n_values) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "number %u in a dictionary of %zu values",
                  (unsigned)greatest, dictionary->n_values);
}

#define GATHER(type)                                                        \
  do {                                                                      \
    type *to = (type *)(void *)dest;                                        \
    const type *from = (const type *)(const void *)dictionary->values.data; \
    for (size_t i = 0; i < n; i++) to[i] = from[numbers[i]];                \
  } while (0)

typedef struct pair {
  uint64_t low, high;
} pair;

static void gather(const frz_dictionary_reader *dictionary, uint8_t *dest, const uint32_t *numbers,
                   size_t n)
{
  size_t width = dictionary->width;
  switch (width) {
  case 1: GATHER(uint8_t); return;
  case 2: GATHER(uint16_t); return;
  case 4: GATHER(uint32_t); return;
  case 8: GATHER(uint64_t); return;
  case 16: GATHER(pair); return;
  default: break;
  }
  for (size_t i = 0; i < n; i++)
    memcpy(dest + i * width, dictionary->values.data + numbers[i] * width, width);
}

static void fill(uint8_t *dest, const uint8_t *value, size_t width, size_t n)
{
  if (width == 8) {
    uint64_t word;
    memcpy(&word, value, sizeof word);
    for (size_t i = 0; i < n; i++) memcpy(dest + i * 8, &word, sizeof word);
    return;
  }
  for (size_t i = 0; i < n; i++) memcpy(dest + i * width, value, width);
}

frz_status frz_dictionary_gather_fixed(frz_dictionary_reader *dictionary, uint8_t *dest, size_t n,
                                       frz_error *err)
{
  assert(dictionary->width > 0);
  uint32_t numbers[PIECE];
  while (n > 0) {
    size_t taken = 0;
    FRZ_TRY(frz_rle_peek_run(&dictionary->numbers, n, &numbers[0], &taken, err));
    if (taken > 0) {
      FRZ_TRY(check_numbers(dictionary, numbers, 1, err));
      fill(dest, dictionary->values.data + numbers[0] * dictionary->width, dictionary->width,
           taken);
      frz_rle_skip_run(&dictionary->numbers, taken);
    } else {
      taken = n < PIECE ? n : PIECE;
      if (taken > dictionary->numbers.packed_left) taken = dictionary->numbers.packed_left;
      FRZ_TRY(frz_rle_decode(&dictionary->numbers, numbers, taken, err));
      FRZ_TRY(check_numbers(dictionary, numbers, taken, err));
      gather(dictionary, dest, numbers, taken);
    }
    dest += taken * dictionary->width;
    n -= taken;
  }
  return FRZ_OK;
}

/* The room for `n` values: counted where some are long, else more than enough. */
static frz_status make_room(const frz_dictionary_reader *dictionary, frz_buf *bytes,
                            const uint32_t *numbers, size_t n, frz_error *err)
{
  const int32_t *offsets = (const int32_t *)(const void *)dictionary->offsets.data;
  size_t total = n * dictionary->longest;
  if (dictionary->longest > BLOCK || total + BLOCK > bytes->max_bytes - bytes->size) {
    total = 0;
    for (size_t i = 0; i < n; i++) total += (size_t)(offsets[numbers[i] + 1] - offsets[numbers[i]]);
  }
  if (total > bytes->max_bytes - bytes->size)
    return frz_fail(err, FRZ_ERR_LIMIT, "strings of one batch pass %zu bytes", bytes->max_bytes);
  size_t room = total + BLOCK;
  if (room > bytes->max_bytes - bytes->size) room = total;
  return frz_buf_reserve(bytes, room, err);
}

/* All values are at most `block` bytes long and are copied as such: no branch, no call. */
static inline __attribute__((always_inline)) uint8_t *gather_blocks(
    const int32_t *offsets, const uint8_t *from, const uint32_t *numbers, size_t n, uint8_t *start,
    uint8_t *to, int32_t *ends_out, size_t block)
{
  for (size_t i = 0; i < n; i++) {
    const int32_t *ends = offsets + numbers[i];
    memcpy(to, from + ends[0], block);
    to += ends[1] - ends[0];
    ends_out[i] = (int32_t)(to - start);
  }
  return to;
}

/* Blocks may only be written while a whole one fits. */
static uint8_t *gather_any(const int32_t *offsets, const uint8_t *from, const uint32_t *numbers,
                           size_t n, uint8_t *start, uint8_t *to, const uint8_t *block_end,
                           int32_t *ends_out)
{
  for (size_t i = 0; i < n; i++) {
    int32_t at = offsets[numbers[i]];
    size_t length = (size_t)(offsets[numbers[i] + 1] - at);
    if (length <= BLOCK && block_end - to >= BLOCK)
      memcpy(to, from + at, BLOCK);
    else if (length > 0)
      memcpy(to, from + at, length);
    to += length;
    ends_out[i] = (int32_t)(to - start);
  }
  return to;
}

static frz_status gather_bytes(const frz_dictionary_reader *dictionary, int32_t *ends_out,
                               frz_buf *bytes, const uint32_t *numbers, size_t n, frz_error *err)
{
  const int32_t *offsets = (const int32_t *)(const void *)dictionary->offsets.data;
  const uint8_t *from = dictionary->bytes.data;
  FRZ_TRY(make_room(dictionary, bytes, numbers, n, err));
  uint8_t *start = bytes->data;
  uint8_t *to = start + bytes->size;
  size_t room = bytes->capacity - bytes->size;
  if (dictionary->longest > BLOCK || room < n * dictionary->longest + BLOCK)
    to = gather_any(offsets, from, numbers, n, start, to, start + bytes->capacity, ends_out);
  else if (dictionary->longest > BLOCK / 2)
    to = gather_blocks(offsets, from, numbers, n, start, to, ends_out, BLOCK);
  else
    to = gather_blocks(offsets, from, numbers, n, start, to, ends_out, BLOCK / 2);
  bytes->size = (size_t)(to - start);
  return FRZ_OK;
}

frz_status frz_dictionary_gather_bytes(frz_dictionary_reader *dictionary, int32_t *ends_out,
                                       frz_buf *bytes, size_t n, frz_error *err)
{
  assert(dictionary->width == 0);
  uint32_t numbers[PIECE];
  while (n > 0) {
    size_t taken = n < PIECE ? n : PIECE;
    FRZ_TRY(frz_rle_decode(&dictionary->numbers, numbers, taken, err));
    FRZ_TRY(check_numbers(dictionary, numbers, taken, err));
    FRZ_TRY(gather_bytes(dictionary, ends_out, bytes, numbers, taken, err));
    ends_out += taken;
    n -= taken;
  }
  return FRZ_OK;
}
