/*
 * level_kernels.c - levels into masks of 64 entries, masks into counts, bits and offsets.
 *
 * Nulls and ends of lists come at random, so nothing here branches on a single level. A comparison
 * of 64 levels is one mask; slots are picked out of it with PEXT and counted with POPCNT. Each
 * loop is written once and compiled twice, with those instructions and without.
 */
#include "parquet/read/level_kernels.h"

#include <assert.h>
#include <string.h>

#include "base/endian.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

enum { STEP = 64 };

/* ---- masks ---- */

/* Bit i: levels[i] >= least, of 64 levels. */
INLINE uint64_t mask_of_step(const uint8_t *levels, uint8_t least)
{
  uint64_t mask = 0;
#if defined(__SSE2__)
  __m128i limit = _mm_set1_epi8((char)least);
  for (unsigned i = 0; i < STEP; i += 16) {
    __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(levels + i));
    __m128i reaches = _mm_cmpeq_epi8(_mm_max_epu8(part, limit), part);
    mask |= (uint64_t)(unsigned)_mm_movemask_epi8(reaches) << i;
  }
#else
  for (unsigned i = 0; i < STEP; i++) mask |= (uint64_t)(levels[i] >= least) << i;
#endif
  return mask;
}

/* The same for the `n` <= 64 levels that there are; bits behind them are 0. */
INLINE uint64_t at_least(const uint8_t *levels, size_t n, int32_t least)
{
  if (least > UINT8_MAX) return 0;
  if (n == STEP) return mask_of_step(levels, (uint8_t)least);
  uint8_t padded[STEP] = {0};
  memcpy(padded, levels, n);
  return mask_of_step(padded, (uint8_t)least) & ~(UINT64_MAX << n);
}

INLINE uint64_t valid_mask(size_t n)
{
  return UINT64_MAX >> (STEP - n);
}

INLINE size_t step_of(size_t n, size_t at)
{
  return n - at < STEP ? n - at : STEP;
}

INLINE uint64_t slots_of(const frz_level_span *span, size_t at, size_t n)
{
  uint64_t slots = at_least(span->def + at, n, span->slot_def);
  if (span->rep != NULL) slots &= ~at_least(span->rep + at, n, span->slot_rep + 1);
  return slots;
}

INLINE unsigned count_bits(uint64_t mask)
{
  return (unsigned)__builtin_popcountll(mask);
}

/* ---- bits picked by a mask ---- */

INLINE uint64_t pick_portable(uint64_t bits, uint64_t mask)
{
  uint64_t picked = 0;
  for (unsigned n = 0; mask != 0; n++, mask &= mask - 1)
    picked |= (bits >> __builtin_ctzll(mask) & 1) << n;
  return picked;
}

#if defined(__x86_64__)
#include <immintrin.h>
#define FAST __attribute__((target("bmi,bmi2,popcnt")))
FAST static inline uint64_t pick_fast(uint64_t bits, uint64_t mask)
{
  return _pext_u64(bits, mask);
}
#endif

/* ---- the loops ---- */

INLINE size_t skip_rows(const uint8_t *rep, size_t n_levels, int64_t *rows_inout)
{
  for (size_t at = 0; at < n_levels; at += STEP) {
    size_t n = step_of(n_levels, at);
    uint64_t starts = valid_mask(n) & ~at_least(rep + at, n, 1);
    unsigned n_starts = count_bits(starts);
    if (n_starts > *rows_inout) {
      for (; *rows_inout > 0; --*rows_inout) starts &= starts - 1;
      return at + (unsigned)__builtin_ctzll(starts);
    }
    *rows_inout -= n_starts;
  }
  return n_levels;
}

INLINE void count(const frz_level_span *span, int64_t *n_slots_out, int64_t *n_present_out)
{
  int64_t n_slots = 0, n_present = 0;
  for (size_t at = 0; at < span->n; at += STEP) {
    size_t n = step_of(span->n, at);
    uint64_t slots = slots_of(span, at, n);
    n_slots += count_bits(slots);
    n_present += count_bits(slots & at_least(span->def + at, n, span->present_def));
  }
  *n_slots_out = n_slots;
  *n_present_out = n_present;
}

/* Bits collect in a word, which is stored when it is full: nothing behind the last is touched. */
#define SLOTS_TO_BITS(pick)                                                                     \
  do {                                                                                          \
    uint8_t *to = bits + at / 8;                                                                \
    unsigned n_held = (unsigned)(at & 7);                                                       \
    uint64_t held = n_held > 0 ? *to : 0;                                                       \
    for (size_t from = 0; from < span->n; from += STEP) {                                       \
      size_t n = step_of(span->n, from);                                                        \
      uint64_t slots = slots_of(span, from, n);                                                 \
      uint64_t present = at_least(span->def + from, n, span->present_def);                      \
      uint64_t picked = slots == UINT64_MAX ? present : pick(present & slots, slots);           \
      unsigned n_picked = count_bits(slots);                                                    \
      held |= picked << n_held;                                                                 \
      if (n_held + n_picked >= 64) {                                                            \
        frz_store_u64le(to, held);                                                              \
        to += 8;                                                                                \
        held = n_held > 0 ? picked >> (64 - n_held) : 0;                                        \
        n_held = n_held + n_picked - 64;                                                        \
      } else {                                                                                  \
        n_held += n_picked;                                                                     \
      }                                                                                         \
    }                                                                                           \
    for (; n_held > 0; n_held = n_held > 8 ? n_held - 8 : 0, held >>= 8) *to++ = (uint8_t)held; \
  } while (0)

/*
 * An entry that goes on with a list (rep between slot_rep and item_rep) must be an item, and so
 * must the entry that started the list. The entries that follow a start without an item are found
 * by an addition: its carry runs through them up to the next start.
 */
INLINE bool list_offsets(const frz_level_span *span, frz_list_levels list, int32_t *offsets,
                         size_t *bad_out)
{
  int32_t n_items = 0;
  uint64_t closed = 1; /* no list is open: the newest start has no item */
  for (size_t at = 0; at < span->n; at += STEP) {
    size_t n = step_of(span->n, at);
    uint64_t full = at_least(span->def + at, n, list.item_def);
    uint64_t inside = at_least(span->rep + at, n, span->slot_rep + 1);
    uint64_t deeper = at_least(span->rep + at, n, list.item_rep + 1);
    uint64_t starts = valid_mask(n) & ~inside;
    uint64_t closing = starts & ~full;
    uint64_t orphans = inside & ~(inside + ((closing << 1 | closed) & inside));
    uint64_t bad = inside & ~deeper & (~full | orphans);
    if (bad != 0) {
      *bad_out = at + (unsigned)__builtin_ctzll(bad);
      return false;
    }
    if (starts != 0) closed = closing >> (63 - __builtin_clzll(starts)) & 1;
    uint64_t items = full & ~deeper;
    uint64_t slots = starts & at_least(span->def + at, n, span->slot_def);
    for (; slots != 0; slots &= slots - 1) {
      uint64_t before = (slots & (0 - slots)) - 1;
      *offsets++ = n_items + (int32_t)count_bits(items & before);
    }
    n_items += (int32_t)count_bits(items);
  }
  *offsets = n_items;
  return true;
}

/* ---- portable ---- */

static size_t skip_rows_portable(const uint8_t *rep, size_t n, int64_t *rows_inout)
{
  return skip_rows(rep, n, rows_inout);
}

static void count_portable(const frz_level_span *span, int64_t *n_slots_out, int64_t *n_present_out)
{
  count(span, n_slots_out, n_present_out);
}

static void slots_to_bits_portable(const frz_level_span *span, uint8_t *bits, int64_t at)
{
  SLOTS_TO_BITS(pick_portable);
}

static bool list_offsets_portable(const frz_level_span *span, frz_list_levels list,
                                  int32_t *offsets, size_t *bad_out)
{
  return list_offsets(span, list, offsets, bad_out);
}

const frz_level_kernels *frz_level_kernels_portable(void)
{
  static const frz_level_kernels kernels = {skip_rows_portable, count_portable,
                                            slots_to_bits_portable, list_offsets_portable};
  return &kernels;
}

/* ---- with PEXT and POPCNT ---- */

#if defined(__x86_64__)

FAST static size_t skip_rows_fast(const uint8_t *rep, size_t n, int64_t *rows_inout)
{
  return skip_rows(rep, n, rows_inout);
}

FAST static void count_fast(const frz_level_span *span, int64_t *n_slots_out,
                            int64_t *n_present_out)
{
  count(span, n_slots_out, n_present_out);
}

FAST static void slots_to_bits_fast(const frz_level_span *span, uint8_t *bits, int64_t at)
{
  SLOTS_TO_BITS(pick_fast);
}

FAST static bool list_offsets_fast(const frz_level_span *span, frz_list_levels list,
                                   int32_t *offsets, size_t *bad_out)
{
  return list_offsets(span, list, offsets, bad_out);
}

const frz_level_kernels *frz_level_kernels_best(void)
{
  static const frz_level_kernels kernels = {skip_rows_fast, count_fast, slots_to_bits_fast,
                                            list_offsets_fast};
  bool has_all = __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") &&
                 __builtin_cpu_supports("bmi");
  return has_all ? &kernels : frz_level_kernels_portable();
}

#else

const frz_level_kernels *frz_level_kernels_best(void)
{
  return frz_level_kernels_portable();
}

#endif
