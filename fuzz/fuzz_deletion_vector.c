/*
 * fuzz_deletion_vector.c - any bytes as the blob of a deletion vector.
 *
 * What is accepted writes and reads back with the same rows. So that the bitmap behind the checksum
 * is reached too, the bytes are also wrapped into a blob whose length, magic and CRC are right.
 * Taken as positions, the bytes make a vector that holds just those when it is read back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "codec/checksum.h"
#include "iceberg/scan/deletion_vector.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { WRITTEN_MAX = 1 << 26, AROUND_BYTES = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_and_write(const uint8_t *data, size_t size)
{
  frz_roaring *vector = NULL;
  frz_roaring *back = NULL;
  frz_error err = {0};
  frz_buf blob;
  frz_status st = frz_deletion_vector_parse(frz_alloc_default(), data, size, &vector, &err);
  REQUIRE(st == FRZ_OK || st == FRZ_ERR_CORRUPT);
  REQUIRE((st == FRZ_OK) == (vector != NULL) && (st == FRZ_OK) == (err.message[0] == '\0'));
  if (vector == NULL) return false;
  frz_buf_init(&blob, frz_alloc_default(), WRITTEN_MAX);
  REQUIRE(frz_deletion_vector_write(vector, &blob, NULL) == FRZ_OK);
  REQUIRE(frz_deletion_vector_parse(frz_alloc_default(), blob.data, blob.size, &back, NULL) ==
          FRZ_OK);
  REQUIRE(frz_roaring_cardinality(back) == frz_roaring_cardinality(vector));
  int64_t n = frz_roaring_cardinality(vector);
  REQUIRE(frz_roaring_merge(back, vector, NULL) == FRZ_OK && frz_roaring_cardinality(back) == n);
  frz_roaring_free(vector);
  frz_roaring_free(back);
  frz_buf_dispose(&blob);
  return true;
}

/* Positions are chosen near to each other, so that there are runs. */
static void write_and_read(const uint8_t *data, size_t size)
{
  frz_roaring *vector, *back;
  frz_buf blob;
  int64_t n = 0;
  REQUIRE(frz_roaring_create(frz_alloc_default(), &vector, NULL) == FRZ_OK);
  for (size_t i = 0; i + 3 <= size; i += 3) {
    int64_t first = (int64_t)data[i] << 26 | (int64_t)data[i + 1] << 8;
    for (int64_t k = 0; k <= data[i + 2] % 40; k++) {
      n += !frz_roaring_contains(vector, first + k);
      REQUIRE(frz_roaring_add(vector, first + k, NULL) == FRZ_OK);
    }
  }
  frz_buf_init(&blob, frz_alloc_default(), WRITTEN_MAX);
  REQUIRE(frz_deletion_vector_write(vector, &blob, NULL) == FRZ_OK);
  REQUIRE(frz_deletion_vector_parse(frz_alloc_default(), blob.data, blob.size, &back, NULL) ==
          FRZ_OK);
  REQUIRE(frz_roaring_cardinality(vector) == n && frz_roaring_cardinality(back) == n);
  for (size_t i = 0; i + 3 <= size; i += 3) {
    int64_t first = (int64_t)data[i] << 26 | (int64_t)data[i + 1] << 8;
    REQUIRE(frz_roaring_contains(back, first + data[i + 2] % 40));
  }
  frz_roaring_free(vector);
  frz_roaring_free(back);
  frz_buf_dispose(&blob);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  write_and_read(data, size);
  static const uint8_t magic[4] = {0xd1, 0xd3, 0x39, 0x64};
  read_and_write(data, size);
  uint8_t *wrapped = malloc(size + AROUND_BYTES);
  REQUIRE(wrapped != NULL && size < UINT32_MAX - AROUND_BYTES);
  frz_store_u32be(wrapped, (uint32_t)(size + sizeof magic));
  memcpy(wrapped + 4, magic, sizeof magic);
  if (size != 0) memcpy(wrapped + 8, data, size);
  frz_store_u32be(wrapped + 8 + size, frz_crc32(0, wrapped + 4, size + sizeof magic));
  if (read_and_write(wrapped, size + AROUND_BYTES)) {
    wrapped[size / 2 + 4] ^= 1; /* any damage is seen */
    REQUIRE(!read_and_write(wrapped, size + AROUND_BYTES));
  }
  free(wrapped);
  return 0;
}
