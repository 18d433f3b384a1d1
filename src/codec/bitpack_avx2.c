/*
 * bitpack_avx2.c - eight values a step with byte shuffles and per-lane shifts.
 *
 * Eight values of width w take w bytes, so one shuffle and one shift vector serve all groups. A
 * value of up to 25 bits starts in bit 0 to 7 of some byte and so lies within four bytes: a shuffle
 * brings those four into its 32-bit lane, a shift drops the bits in front, a mask those behind. Up
 * to 57 bits the same works with 8 bytes and 64-bit lanes. Wider values are left to the portable
 * code.
 *
 * What must stay true: the last load of a group ends at most LOAD bytes behind the byte at which
 * the group's last lane starts; the loops stop where that would pass the end of the input. What
 * they leave, less than the reach of one group's loads, goes through them once more from a padded
 * copy.
 */
#include "codec/bitpack_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

enum {
  LOAD = 16,
  WIDTH32_MAX = 25,
  WIDTH64_MAX = 57,
  TAIL_BYTES_MAX = WIDTH64_MAX * 6 / 8 + LOAD + WIDTH64_MAX, /* a group's last load, and a rest */
  TAIL_SLACK = 64 /* the loads of a group that starts anywhere in the tail */
};

/* The first byte of value i, counted from the first byte of value `from`, where its lane loads. */
#define FIRST(w, i, from) ((i) * (w) / 8 - (from) * (w) / 8)

#define BYTES4(w, i, from) \
  FIRST(w, i, from), FIRST(w, i, from) + 1, FIRST(w, i, from) + 2, FIRST(w, i, from) + 3
#define SHUFFLE4(w)                                                    \
  {BYTES4(w, 0, 0), BYTES4(w, 1, 0), BYTES4(w, 2, 0), BYTES4(w, 3, 0), \
   BYTES4(w, 4, 4), BYTES4(w, 5, 4), BYTES4(w, 6, 4), BYTES4(w, 7, 4)},
#define SHIFTS4(w) \
  {0, (w) % 8, 2 * (w) % 8, 3 * (w) % 8, 4 * (w) % 8, 5 * (w) % 8, 6 * (w) % 8, 7 * (w) % 8},

#define BYTES8(w, i, from)                                                                \
  FIRST(w, i, from), FIRST(w, i, from) + 1, FIRST(w, i, from) + 2, FIRST(w, i, from) + 3, \
      FIRST(w, i, from) + 4, FIRST(w, i, from) + 5, FIRST(w, i, from) + 6, FIRST(w, i, from) + 7
#define SHUFFLE8(w)                                                    \
  {BYTES8(w, 0, 0), BYTES8(w, 1, 0), BYTES8(w, 2, 2), BYTES8(w, 3, 2), \
   BYTES8(w, 4, 4), BYTES8(w, 5, 4), BYTES8(w, 6, 6), BYTES8(w, 7, 6)},

/* clang-format never settles on lists of macro calls. */
/* clang-format off */
#define WIDTHS_0_TO_25(X) \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) \
  X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25)
#define WIDTHS_26_TO_57(X) \
  X(26) X(27) X(28) X(29) X(30) X(31) X(32) X(33) X(34) X(35) X(36) X(37) X(38) X(39) X(40) \
  X(41) X(42) X(43) X(44) X(45) X(46) X(47) X(48) X(49) X(50) X(51) X(52) X(53) X(54) X(55) \
  X(56) X(57)
/* clang-format on */

static const _Alignas(32) uint8_t shuffle4[WIDTH32_MAX + 1][32] = {WIDTHS_0_TO_25(SHUFFLE4)};
static const _Alignas(32) uint32_t shifts4[WIDTH32_MAX + 1][8] = {WIDTHS_0_TO_25(SHIFTS4)};
static const _Alignas(32) uint8_t shuffle8[WIDTH64_MAX + 1][64] = {WIDTHS_0_TO_25(SHUFFLE8)
                                                                       WIDTHS_26_TO_57(SHUFFLE8)};
static const _Alignas(32) uint64_t shifts8[WIDTH64_MAX + 1][8] = {WIDTHS_0_TO_25(SHIFTS4)
                                                                      WIDTHS_26_TO_57(SHIFTS4)};

/* How far into the input a group may start so that its loads stay inside; less than 0: nowhere. A
 * limit instead of a count, since short calls would spend their time on the division. */
static inline ptrdiff_t last_start(size_t src_size, size_t last_lane)
{
  return (ptrdiff_t)src_size - (ptrdiff_t)(last_lane + LOAD);
}

AVX2 static inline __m256i load_lanes(const uint8_t *low, const uint8_t *high)
{
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)low)),
      _mm_loadu_si128((const __m128i *)(const void *)high), 1);
}

AVX2 static inline __m256i load_table(const void *table)
{
  return _mm256_load_si256(table);
}

AVX2 static size_t narrow32(const uint8_t *src, size_t src_size, unsigned width,
                            uint32_t *values_out, size_t n)
{
  size_t second = (size_t)width * 4 / 8;
  ptrdiff_t last = last_start(src_size, second);
  size_t groups = 0;
  __m256i shuffle = load_table(shuffle4[width]);
  __m256i shifts = load_table(shifts4[width]);
  __m256i mask = _mm256_set1_epi32((int)((1u << width) - 1));
  for (ptrdiff_t at = 0; at <= last && groups < n / 8; at += width, groups++) {
    __m256i bytes = _mm256_shuffle_epi8(load_lanes(src + at, src + at + second), shuffle);
    __m256i values = _mm256_and_si256(_mm256_srlv_epi32(bytes, shifts), mask);
    _mm256_storeu_si256((__m256i *)(void *)(values_out + groups * 8), values);
  }
  return groups * 8;
}

/* What the 64-bit loops share: two vectors of four values each. */
typedef struct wide_plan {
  __m256i shuffle_low, shuffle_high, shifts_low, shifts_high, mask;
  size_t lane[4]; /* where each pair of values starts */
} wide_plan;

AVX2 static inline wide_plan plan_wide(unsigned width)
{
  wide_plan plan = {load_table(shuffle8[width]),
                    load_table(shuffle8[width] + 32),
                    load_table(shifts8[width]),
                    load_table(shifts8[width] + 4),
                    _mm256_set1_epi64x((long long)((UINT64_C(1) << width) - 1)),
                    {0, (size_t)width * 2 / 8, (size_t)width * 4 / 8, (size_t)width * 6 / 8}};
  return plan;
}

AVX2 static inline __m256i wide_values(const uint8_t *low, const uint8_t *high, __m256i shuffle,
                                       __m256i shifts, __m256i mask)
{
  __m256i bytes = _mm256_shuffle_epi8(load_lanes(low, high), shuffle);
  return _mm256_and_si256(_mm256_srlv_epi64(bytes, shifts), mask);
}

AVX2 static size_t wide32(const uint8_t *src, size_t src_size, unsigned width, uint32_t *values_out,
                          size_t n)
{
  wide_plan plan = plan_wide(width);
  ptrdiff_t last = last_start(src_size, plan.lane[3]);
  size_t groups = 0;
  __m256i halves = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  for (ptrdiff_t at = 0; at <= last && groups < n / 8; at += width, groups++) {
    __m256i low = wide_values(src + at, src + at + plan.lane[1], plan.shuffle_low, plan.shifts_low,
                              plan.mask);
    __m256i high = wide_values(src + at + plan.lane[2], src + at + plan.lane[3], plan.shuffle_high,
                               plan.shifts_high, plan.mask);
    low = _mm256_permutevar8x32_epi32(low, halves);
    high = _mm256_permutevar8x32_epi32(high, halves);
    _mm256_storeu_si256((__m256i *)(void *)(values_out + groups * 8),
                        _mm256_blend_epi32(low, high, 0xf0));
  }
  return groups * 8;
}

AVX2 static size_t wide64(const uint8_t *src, size_t src_size, unsigned width, uint64_t *values_out,
                          size_t n)
{
  wide_plan plan = plan_wide(width);
  ptrdiff_t last = last_start(src_size, plan.lane[3]);
  size_t groups = 0;
  for (ptrdiff_t at = 0; at <= last && groups < n / 8; at += width, groups++) {
    __m256i low = wide_values(src + at, src + at + plan.lane[1], plan.shuffle_low, plan.shifts_low,
                              plan.mask);
    __m256i high = wide_values(src + at + plan.lane[2], src + at + plan.lane[3], plan.shuffle_high,
                               plan.shifts_high, plan.mask);
    _mm256_storeu_si256((__m256i *)(void *)(values_out + groups * 8), low);
    _mm256_storeu_si256((__m256i *)(void *)(values_out + groups * 8 + 4), high);
  }
  return groups * 8;
}

AVX2 static inline size_t run32(const uint8_t *src, size_t src_size, unsigned width,
                                uint32_t *values_out, size_t n)
{
  return width <= WIDTH32_MAX ? narrow32(src, src_size, width, values_out, n)
                              : wide32(src, src_size, width, values_out, n);
}

/* The bytes of the last `n` values with room for the loads behind them. */
typedef struct tail {
  uint8_t bytes[TAIL_BYTES_MAX + TAIL_SLACK];
  size_t size;
} tail;

static inline void copy_tail(tail *t, const uint8_t *src, unsigned width, size_t n)
{
  size_t n_bytes = n / 8 * width + (n % 8 * width + 7) / 8;
  assert(n_bytes <= TAIL_BYTES_MAX);
  memcpy(t->bytes, src, n_bytes);
  memset(t->bytes + n_bytes, 0, TAIL_SLACK);
  t->size = n_bytes + TAIL_SLACK;
}

bool frz_bitunpack32_avx2(const uint8_t *src, size_t src_size, unsigned width, uint32_t *values_out,
                          size_t n)
{
  if (!__builtin_cpu_supports("avx2")) return false;
  size_t done = run32(src, src_size, width, values_out, n);
  if (done == n) return true;
  tail t;
  copy_tail(&t, src + done / 8 * width, width, n - done);
  size_t whole = run32(t.bytes, t.size, width, values_out + done, n - done);
  done += whole;
  if (done == n) return true;
  uint32_t group[8];
  size_t at = whole / 8 * width;
  (void)run32(t.bytes + at, t.size - at, width, group, 8);
  memcpy(values_out + done, group, (n - done) * sizeof *group);
  return true;
}

bool frz_bitunpack64_avx2(const uint8_t *src, size_t src_size, unsigned width, uint64_t *values_out,
                          size_t n)
{
  if (width > WIDTH64_MAX || !__builtin_cpu_supports("avx2")) return false;
  size_t done = wide64(src, src_size, width, values_out, n);
  if (done == n) return true;
  tail t;
  copy_tail(&t, src + done / 8 * width, width, n - done);
  size_t whole = wide64(t.bytes, t.size, width, values_out + done, n - done);
  done += whole;
  if (done == n) return true;
  uint64_t group[8];
  size_t at = whole / 8 * width;
  (void)wide64(t.bytes + at, t.size - at, width, group, 8);
  memcpy(values_out + done, group, (n - done) * sizeof *group);
  return true;
}

#else

bool frz_bitunpack32_avx2(const uint8_t *src, size_t src_size, unsigned width, uint32_t *values_out,
                          size_t n)
{
  (void)src, (void)src_size, (void)width, (void)values_out, (void)n;
  return false;
}

bool frz_bitunpack64_avx2(const uint8_t *src, size_t src_size, unsigned width, uint64_t *values_out,
                          size_t n)
{
  (void)src, (void)src_size, (void)width, (void)values_out, (void)n;
  return false;
}

#endif
