/*
 * crc32_clmul.c - CRC-32 of 64 bytes at a time with PCLMULQDQ.
 *
 * A message is a polynomial over GF(2), bits reflected. Multiplying a 128-bit part by x^n mod P (P
 * the CRC's polynomial) and adding it to the part n bits further on leaves the remainder as it was,
 * so the message is folded: four lanes of 128 bits over 512 bits at a time, then into one lane,
 * then to 64 bits, and the last step is Barrett's reduction. Constants are x^n mod P, reflected and
 * shifted left once, for n = 4*128+32 and 4*128-32 (four lanes), 128+32 and 128-32 (one lane), 64;
 * and P and floor(x^64 / P).
 *
 * Source: V. Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction", Intel, 2009.
 */
#include "codec/crc32_clmul.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul,sse4.1")))

static CLMUL __m128i load(const uint8_t *at)
{
  return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* `lane` moved on by what `by` stands for, added to `next`. */
static CLMUL __m128i fold(__m128i lane, __m128i by, __m128i next)
{
  __m128i low = _mm_clmulepi64_si128(lane, by, 0x00);
  __m128i high = _mm_clmulepi64_si128(lane, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* 128 bits to the 32 of the CRC. */
static CLMUL uint32_t reduce(__m128i lane, __m128i by_one_lane)
{
  const __m128i low_words = _mm_setr_epi32(-1, 0, -1, 0);
  const __m128i by_64 = _mm_set_epi64x(0, 0x163cd6124);
  const __m128i barrett = _mm_set_epi64x(0x1f7011641, 0x1db710641);
  __m128i part = _mm_clmulepi64_si128(lane, by_one_lane, 0x10);
  lane = _mm_xor_si128(_mm_srli_si128(lane, 8), part);
  part = _mm_srli_si128(lane, 4);
  lane = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(lane, low_words), by_64, 0x00), part);
  part = _mm_clmulepi64_si128(_mm_and_si128(lane, low_words), barrett, 0x10);
  part = _mm_clmulepi64_si128(_mm_and_si128(part, low_words), barrett, 0x00);
  return (uint32_t)_mm_extract_epi32(_mm_xor_si128(lane, part), 1);
}

static CLMUL uint32_t crc_of(uint32_t crc, const uint8_t *at, size_t size)
{
  const __m128i by_four_lanes = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
  const __m128i by_one_lane = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
  __m128i lanes[4];
  for (int i = 0; i < 4; i++) lanes[i] = load(at + 16 * i);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128((int)~crc));
  size_t done = 64;
  for (; size - done >= 64; done += 64)
    for (int i = 0; i < 4; i++)
      lanes[i] = fold(lanes[i], by_four_lanes, load(at + done + 16 * (size_t)i));
  __m128i lane = lanes[0];
  for (int i = 1; i < 4; i++) lane = fold(lane, by_one_lane, lanes[i]);
  for (; size - done >= 16; done += 16) lane = fold(lane, by_one_lane, load(at + done));
  return ~reduce(lane, by_one_lane);
}

bool frz_crc32_clmul(uint32_t *crc_inout, const void *data, size_t size)
{
  if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1")) return false;
  *crc_inout = crc_of(*crc_inout, data, size);
  return true;
}

#else

bool frz_crc32_clmul(uint32_t *crc_inout, const void *data, size_t size)
{
  (void)crc_inout;
  (void)data;
  (void)size;
  return false;
}

#endif
