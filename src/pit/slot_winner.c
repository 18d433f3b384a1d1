/*
 * slot_winner.c - sort winners by file and position: a radix sort, least digit first.
 *
 * Positions and ranks are small numbers, so two or three passes over the bits that differ at all do
 * what a comparing sort needs twenty for. In a pass each thread counts the digits of a share of the
 * rows, then moves them; shares keep their order, so a pass is stable.
 */
#include "pit/slot_winner.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, SHARE_ROWS_MIN = 65536 };

typedef struct digit_pass {
  const frz_slot_winner *from;
  frz_slot_winner *to;
  size_t n_rows, n_shares;
  size_t *next; /* by share, then digit: how many rows; then where the next one goes */
  bool of_rank;
  unsigned shift;
} digit_pass;

static size_t digit_of(const digit_pass *pass, const frz_slot_winner *winner)
{
  uint64_t key = pass->of_rank ? winner->file_rank : (uint64_t)winner->position;
  return (size_t)(key >> pass->shift) & (DIGITS - 1);
}

static size_t share_start(const digit_pass *pass, size_t share)
{
  return pass->n_rows / pass->n_shares * share;
}

static size_t share_end(const digit_pass *pass, size_t share)
{
  return share + 1 == pass->n_shares ? pass->n_rows : share_start(pass, share + 1);
}

static frz_status count_share(void *arg, size_t share, frz_error *err)
{
  (void)err;
  const digit_pass *pass = arg;
  size_t *counts = pass->next + share * DIGITS;
  memset(counts, 0, DIGITS * sizeof *counts);
  for (size_t i = share_start(pass, share); i < share_end(pass, share); i++)
    counts[digit_of(pass, &pass->from[i])]++;
  return FRZ_OK;
}

static frz_status move_share(void *arg, size_t share, frz_error *err)
{
  (void)err;
  const digit_pass *pass = arg;
  size_t *next = pass->next + share * DIGITS;
  for (size_t i = share_start(pass, share); i < share_end(pass, share); i++)
    pass->to[next[digit_of(pass, &pass->from[i])]++] = pass->from[i];
  return FRZ_OK;
}

static frz_status run_pass(frz_context *context, digit_pass *pass, frz_error *err)
{
  FRZ_TRY(frz_parallel_for(context, pass->n_shares, count_share, pass, err));
  size_t at = 0;
  for (size_t digit = 0; digit < DIGITS; digit++) {
    for (size_t share = 0; share < pass->n_shares; share++) {
      size_t n = pass->next[share * DIGITS + digit];
      pass->next[share * DIGITS + digit] = at;
      at += n;
    }
  }
  return frz_parallel_for(context, pass->n_shares, move_share, pass, err);
}

static frz_status sort_with(frz_context *context, frz_buf *winners, frz_buf *other,
                            digit_pass *pass, frz_error *err)
{
  const frz_slot_winner *rows = (const frz_slot_winner *)(const void *)winners->data;
  uint64_t positions = 0; /* every bit that some value has */
  uint64_t ranks = 0;
  for (size_t i = 0; i < pass->n_rows; i++) {
    positions |= (uint64_t)rows[i].position;
    ranks |= rows[i].file_rank;
  }
  for (int of_rank = 0; of_rank < 2; of_rank++) {
    uint64_t bits = of_rank ? ranks : positions;
    for (unsigned shift = 0; shift < 64 && bits >> shift != 0; shift += DIGIT_BITS) {
      pass->from = (const frz_slot_winner *)(const void *)winners->data;
      pass->to = (frz_slot_winner *)(void *)other->data;
      pass->of_rank = of_rank;
      pass->shift = shift;
      FRZ_TRY(run_pass(context, pass, err));
      frz_buf sorted = *other;
      *other = *winners;
      *winners = sorted;
    }
  }
  return FRZ_OK;
}

frz_status frz_slot_winners_sort(frz_context *context, frz_buf *winners, frz_error *err)
{
  digit_pass pass = {.n_rows = winners->size / sizeof(frz_slot_winner)};
  pass.n_shares = (size_t)frz_context_threads(context);
  if (pass.n_shares > pass.n_rows / SHARE_ROWS_MIN + 1)
    pass.n_shares = pass.n_rows / SHARE_ROWS_MIN + 1;
  size_t next_bytes = pass.n_shares * DIGITS * sizeof *pass.next;
  frz_buf other;
  frz_buf_init(&other, winners->alloc, winners->max_bytes);
  pass.next = frz_alloc_new(winners->alloc, next_bytes);
  frz_status st = pass.next != NULL ? FRZ_OK : frz_fail_nomem(err, "sorting winners");
  if (st == FRZ_OK) st = frz_buf_resize(&other, winners->size, err);
  if (st == FRZ_OK) st = sort_with(context, winners, &other, &pass, err);
  frz_alloc_free(winners->alloc, pass.next, next_bytes);
  frz_buf_dispose(&other);
  return st;
}
