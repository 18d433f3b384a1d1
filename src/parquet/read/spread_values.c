/*
 * spread_values.c - from the back to the front, so that no second buffer is needed.
 *
 * What is still to come is always a dense run at the front that ends at or before the slot to be
 * filled, so a value is read before its place is written. The loops may stop as soon as that run
 * reaches the slot: all in front of it are in place.
 *
 * With AVX2 eight slots are filled at a time from one byte of bits. The dense values that end where
 * the run ends are loaded, a permutation made of the byte (PDEP spreads its bits to bytes, then to
 * lane numbers) brings each to its lane, and lanes without a bit are cleared. Values of eight bytes
 * are pairs of lanes, four slots a vector.
 */
#include "parquet/read/spread_values.h"

#include <stdbool.h>
#include <string.h>

/* Slots [0, i) and values [0, k) are left. A mask instead of a branch: nulls come at random. */
#define SPREAD(type, until)                                      \
  do {                                                           \
    type *at = (type *)(void *)values;                           \
    for (; k > 0 && k < i && (until); i--) {                     \
      int64_t bit = first + i - 1;                               \
      unsigned present = bits[bit >> 3] >> (bit & 7) & 1;        \
      at[i - 1] = (type)(at[k - 1] & (type)(0 - (type)present)); \
      k -= present;                                              \
    }                                                            \
  } while (0)

static void spread_wide(uint8_t *values, size_t width, const uint8_t *bits, int64_t first,
                        int64_t i, int64_t k)
{
  for (; k > 0 && k < i; i--) {
    int64_t bit = first + i - 1;
    uint8_t *at = values + (size_t)(i - 1) * width;
    if ((bits[bit >> 3] >> (bit & 7) & 1) != 0)
      memcpy(at, values + (size_t)--k * width, width);
    else
      memset(at, 0, width);
  }
  if (k == 0) memset(values, 0, (size_t)i * width);
}

void frz_spread_fixed_portable(uint8_t *values, size_t width, const uint8_t *bits, int64_t first,
                               int64_t n_slots, int64_t n_present)
{
  int64_t i = n_slots;
  int64_t k = n_present;
  switch (width) {
  case 1: SPREAD(uint8_t, true); break;
  case 2: SPREAD(uint16_t, true); break;
  case 4: SPREAD(uint32_t, true); break;
  case 8: SPREAD(uint64_t, true); break;
  default: spread_wide(values, width, bits, first, i, k); return;
  }
  if (k == 0) memset(values, 0, (size_t)i * width);
}

#if defined(__x86_64__)

#include <immintrin.h>

#define FAST __attribute__((target("avx2,bmi2,popcnt")))

enum { A_STEP = 8 };

/* Eight lanes of 32 bits: the values from `from` on, in order, in the lanes that `mask` names. */
FAST static inline __m256i expand(const uint8_t *from, unsigned mask)
{
  uint64_t bytes = _pdep_u64(mask, UINT64_C(0x0101010101010101)) * 0xff;
  uint64_t numbers = _pdep_u64(UINT64_C(0x0706050403020100), bytes);
  __m256i lanes = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)numbers));
  __m256i keep = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)bytes));
  __m256i dense = _mm256_loadu_si256((const __m256i *)(const void *)from);
  return _mm256_and_si256(_mm256_permutevar8x32_epi32(dense, lanes), keep);
}

FAST static inline void put(uint8_t *to, __m256i value)
{
  _mm256_storeu_si256((__m256i *)(void *)to, value);
}

/* Each of four bits twice. */
FAST static inline unsigned doubled(unsigned bits)
{
  return _pdep_u32(bits, 0x55) * 3;
}

FAST static void spread4(uint8_t *values, const uint8_t *bits, int64_t first, int64_t n_slots,
                         int64_t n_present)
{
  int64_t i = n_slots;
  int64_t k = n_present;
  SPREAD(uint32_t, ((first + i) & 7) != 0);
  for (; i >= A_STEP && k > 0 && k < i; i -= A_STEP) {
    unsigned mask = bits[(first + i - 1) >> 3];
    k -= _mm_popcnt_u32(mask);
    put(values + (i - A_STEP) * 4, expand(values + k * 4, mask));
  }
  SPREAD(uint32_t, true);
  if (k == 0) memset(values, 0, (size_t)i * 4);
}

FAST static void spread8(uint8_t *values, const uint8_t *bits, int64_t first, int64_t n_slots,
                         int64_t n_present)
{
  int64_t i = n_slots;
  int64_t k = n_present;
  SPREAD(uint64_t, ((first + i) & 7) != 0);
  for (; i >= A_STEP && k > 0 && k < i; i -= A_STEP) {
    unsigned mask = bits[(first + i - 1) >> 3];
    int64_t k_middle = k - _mm_popcnt_u32(mask >> 4);
    k -= _mm_popcnt_u32(mask);
    __m256i high = expand(values + k_middle * 8, doubled(mask >> 4));
    __m256i low = expand(values + k * 8, doubled(mask & 15));
    put(values + (i - 4) * 8, high);
    put(values + (i - 8) * 8, low);
  }
  SPREAD(uint64_t, true);
  if (k == 0) memset(values, 0, (size_t)i * 8);
}

void frz_spread_fixed(uint8_t *values, size_t width, const uint8_t *bits, int64_t first,
                      int64_t n_slots, int64_t n_present)
{
  bool is_fast = (width == 4 || width == 8) && __builtin_cpu_supports("avx2") &&
                 __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  if (!is_fast)
    frz_spread_fixed_portable(values, width, bits, first, n_slots, n_present);
  else if (width == 4)
    spread4(values, bits, first, n_slots, n_present);
  else
    spread8(values, bits, first, n_slots, n_present);
}

#else

void frz_spread_fixed(uint8_t *values, size_t width, const uint8_t *bits, int64_t first,
                      int64_t n_slots, int64_t n_present)
{
  frz_spread_fixed_portable(values, width, bits, first, n_slots, n_present);
}

#endif
