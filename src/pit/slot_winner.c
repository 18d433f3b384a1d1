/*
 * slot_winner.c - sort winners by file and position: a radix sort, least digit first.
 *
 * Positions and ranks are small numbers, so two or three passes over the bits that differ at all do
 * what a comparing sort needs twenty for.
 */
#include "pit/slot_winner.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static size_t digit_of(const frz_slot_winner *winner, bool of_rank, unsigned shift)
{
  uint64_t key = of_rank ? winner->file_rank : (uint64_t)winner->position;
  return (size_t)(key >> shift) & (DIGITS - 1);
}

/* One stable pass. */
static void sort_by_digit(const frz_slot_winner *from, frz_slot_winner *to, size_t n, bool of_rank,
                          unsigned shift)
{
  size_t next[DIGITS + 1] = {0};
  for (size_t i = 0; i < n; i++) next[digit_of(&from[i], of_rank, shift) + 1]++;
  for (size_t d = 0; d < DIGITS; d++) next[d + 1] += next[d];
  for (size_t i = 0; i < n; i++) to[next[digit_of(&from[i], of_rank, shift)]++] = from[i];
}

frz_status frz_slot_winners_sort(frz_buf *winners, frz_error *err)
{
  size_t n = winners->size / sizeof(frz_slot_winner);
  const frz_slot_winner *rows = (const frz_slot_winner *)(const void *)winners->data;
  uint64_t positions = 0; /* every bit that some value has */
  uint64_t ranks = 0;
  for (size_t i = 0; i < n; i++) {
    positions |= (uint64_t)rows[i].position;
    ranks |= rows[i].file_rank;
  }
  frz_buf other;
  frz_buf_init(&other, winners->alloc, winners->max_bytes);
  FRZ_TRY(frz_buf_resize(&other, winners->size, err));
  for (int of_rank = 0; of_rank < 2; of_rank++) {
    uint64_t bits = of_rank ? ranks : positions;
    for (unsigned shift = 0; shift < 64 && bits >> shift != 0; shift += DIGIT_BITS) {
      sort_by_digit((const frz_slot_winner *)(const void *)winners->data,
                    (frz_slot_winner *)(void *)other.data, n, of_rank, shift);
      frz_buf sorted = other;
      other = *winners;
      *winners = sorted;
    }
  }
  frz_buf_dispose(&other);
  return FRZ_OK;
}
