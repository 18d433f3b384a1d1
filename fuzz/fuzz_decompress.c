/*
 * fuzz_decompress.c - snappy blocks and Hadoop's LZ4, whose framing is ours.
 *
 * The first byte chooses the codec. What decompresses when its length is not known must come out
 * the same when it is, must be refused at any other length, and must survive a round trip. liblz4
 * takes blocks that end against its rules when there is room to spare, so there "the same" may also
 * be an error.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/compress.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { PLAIN_MAX = 1 << 20 };

static void exact_lengths(frz_codec codec, const uint8_t *data, size_t size, const frz_buf *plain)
{
  uint8_t *dest = malloc(plain->size + 1);
  REQUIRE(dest != NULL);
  if (size != 0) {
    frz_status st = frz_decompress(codec, data, size, dest, plain->size, NULL);
    REQUIRE(st == FRZ_OK || codec != FRZ_CODEC_SNAPPY);
    if (st == FRZ_OK && plain->size != 0) REQUIRE(memcmp(dest, plain->data, plain->size) == 0);
  }
  if (codec == FRZ_CODEC_SNAPPY) {
    REQUIRE(frz_decompress(codec, data, size, dest, plain->size + 1, NULL) == FRZ_ERR_CORRUPT);
    if (plain->size > 1)
      REQUIRE(frz_decompress(codec, data, size, dest, plain->size - 1, NULL) == FRZ_ERR_CORRUPT);
  }
  free(dest);
}

static void round_trip(frz_codec codec, const frz_buf *plain)
{
  frz_buf packed, back;
  frz_buf_init(&packed, frz_alloc_default(), 2 * PLAIN_MAX);
  frz_buf_init(&back, frz_alloc_default(), PLAIN_MAX);
  REQUIRE(frz_compress_append(codec, 0, plain->data, plain->size, &packed, NULL) == FRZ_OK);
  REQUIRE(frz_decompress_append(codec, packed.data, packed.size, &back, NULL) == FRZ_OK);
  REQUIRE(back.size == plain->size);
  REQUIRE(back.size == 0 || memcmp(back.data, plain->data, back.size) == 0);
  frz_buf_dispose(&packed);
  frz_buf_dispose(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0) return 0;
  frz_codec codec = (data[0] & 1) == 0 ? FRZ_CODEC_SNAPPY : FRZ_CODEC_LZ4_HADOOP;
  data++;
  size--;
  frz_buf plain;
  frz_buf_init(&plain, frz_alloc_default(), PLAIN_MAX);
  frz_error err = {0};
  frz_status st = frz_decompress_append(codec, data, size, &plain, &err);
  REQUIRE(st == FRZ_OK || st == FRZ_ERR_CORRUPT || st == FRZ_ERR_LIMIT);
  REQUIRE((st == FRZ_OK) == (err.message[0] == '\0'));
  if (st == FRZ_OK) {
    exact_lengths(codec, data, size, &plain);
    round_trip(codec, &plain);
  } else {
    REQUIRE(plain.size == 0);
  }
  frz_buf_dispose(&plain);
  /* lengths that the block does not claim */
  uint8_t dest[300];
  (void)!frz_decompress(codec, data, size, dest, sizeof dest, NULL);
  plain = (frz_buf){.data = (uint8_t *)(uintptr_t)data, .size = size < 4096 ? size : 4096};
  round_trip(FRZ_CODEC_SNAPPY, &plain); /* the input itself, as content */
  return 0;
}
