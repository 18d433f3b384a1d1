/*
 * fuzz_rle.c - the hybrid of runs and bit-packed groups.
 *
 * The first byte is the width, the next two say how many values to ask for. Asking at once, in
 * steps and by runs must give the same values; those, encoded, must decode to themselves.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "codec/bitpack.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { VALUES_MAX = 1 << 14 };

/* How many values come before the end, at most `n`; steps of changing length. */
static size_t decode_in_steps(const uint8_t *data, size_t size, unsigned width, uint32_t *values,
                              size_t n)
{
  frz_rle_decoder decoder;
  frz_rle_decoder_init(&decoder, data, size, width);
  for (size_t i = 0, turn = 1; i < n; turn++) {
    size_t step = turn * 7 % 19 + 1;
    if (step > n - i) step = n - i;
    uint32_t value;
    size_t n_run;
    if (frz_rle_peek_run(&decoder, step, &value, &n_run, NULL) != FRZ_OK) return i;
    REQUIRE(n_run <= step);
    if (n_run != 0) {
      for (size_t k = 0; k < n_run; k++) values[i + k] = value;
      frz_rle_skip_run(&decoder, n_run);
      i += n_run;
      continue;
    }
    if (frz_rle_decode(&decoder, values + i, 1, NULL) != FRZ_OK) return i;
    i++;
  }
  return n;
}

static void encode_and_decode(const uint32_t *values, size_t n, unsigned width)
{
  static uint32_t back[VALUES_MAX];
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), 1 << 20);
  REQUIRE(frz_rle_encode(&buf, values, n, width, NULL) == FRZ_OK);
  frz_rle_decoder decoder;
  frz_rle_decoder_init(&decoder, buf.data, buf.size, width);
  REQUIRE(frz_rle_decode(&decoder, back, n, NULL) == FRZ_OK);
  REQUIRE(memcmp(back, values, n * sizeof *back) == 0);
  frz_buf_dispose(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static uint32_t at_once[VALUES_MAX], in_steps[VALUES_MAX];
  if (size < 3) return 0;
  unsigned width = data[0] % 40; /* some are too wide */
  size_t n = frz_load_u16le(data + 1) % VALUES_MAX;
  data += 3;
  size -= 3;
  frz_rle_decoder decoder;
  frz_rle_decoder_init(&decoder, data, size, width);
  frz_error err = {0};
  frz_status st = frz_rle_decode(&decoder, at_once, n, &err);
  REQUIRE(st == FRZ_OK || (st == FRZ_ERR_CORRUPT && err.message[0] != '\0'));
  size_t n_steps = decode_in_steps(data, size, width, in_steps, n);
  REQUIRE((st == FRZ_OK) == (n_steps == n));
  if (st != FRZ_OK || width > 32) return 0;
  REQUIRE(memcmp(at_once, in_steps, n * sizeof *at_once) == 0);
  encode_and_decode(at_once, n, width);
  return 0;
}
