/*
 * window_winners.c - see window_winners.h.
 *
 * Each window gathers its winners in memory. When they take their share together, every window's
 * are written as one piece; a window is read back piece by piece.
 */
#include "pit/window_winners.h"

#include <assert.h>

#include "base/limits.h"

typedef struct winner_piece {
  int64_t offset;
  size_t bytes;
} winner_piece;

typedef struct winner_window {
  int64_t first_row;
  int64_t n_rows;
  frz_buf gathered; /* frz_slot_winner */
  frz_buf pieces;   /* winner_piece */
} winner_window;

static winner_window *window_at(const frz_window_winners *winners, size_t window)
{
  return (winner_window *)(void *)winners->windows.data + window;
}

void frz_window_winners_init(frz_window_winners *winners, frz_context *context,
                             size_t memory_bytes_max)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  *winners = (frz_window_winners){
      .context = context, .alloc = alloc, .memory_bytes_max = memory_bytes_max};
  frz_buf_init(&winners->windows, alloc, FRZ_LIMIT_JOIN_BYTES);
}

void frz_window_winners_dispose(frz_window_winners *winners)
{
  for (size_t w = 0; w < frz_window_winners_windows(winners); w++) {
    frz_buf_dispose(&window_at(winners, w)->gathered);
    frz_buf_dispose(&window_at(winners, w)->pieces);
  }
  frz_buf_dispose(&winners->windows);
  frz_spill_file_free(winners->file);
  winners->file = NULL;
}

frz_status frz_window_winners_add_window(frz_window_winners *winners, int64_t n_rows,
                                         frz_error *err)
{
  assert(n_rows > 0 && n_rows <= INT32_MAX);
  size_t n = frz_window_winners_windows(winners);
  winner_window window = {.n_rows = n_rows};
  if (n != 0)
    window.first_row =
        window_at(winners, n - 1)->first_row + frz_window_winners_rows(winners, n - 1);
  frz_buf_init(&window.gathered, winners->alloc, SIZE_MAX / 2);
  frz_buf_init(&window.pieces, winners->alloc, FRZ_LIMIT_JOIN_BYTES);
  return frz_buf_append(&winners->windows, &window, sizeof window, err);
}

size_t frz_window_winners_windows(const frz_window_winners *winners)
{
  return winners->windows.size / sizeof(winner_window);
}

int64_t frz_window_winners_rows(const frz_window_winners *winners, size_t window)
{
  return window_at(winners, window)->n_rows;
}

/* The window that holds the row. */
static winner_window *find_window(const frz_window_winners *winners, int64_t row)
{
  size_t low = 0;
  size_t high = frz_window_winners_windows(winners);
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (window_at(winners, middle)->first_row <= row)
      low = middle;
    else
      high = middle;
  }
  return window_at(winners, low);
}

static frz_status spill(frz_window_winners *winners, frz_error *err)
{
  if (winners->file == NULL) FRZ_TRY(frz_spill_file_create(winners->context, &winners->file, err));
  for (size_t w = 0; w < frz_window_winners_windows(winners); w++) {
    winner_window *window = window_at(winners, w);
    winner_piece piece = {frz_spill_file_end(winners->file), window->gathered.size};
    if (piece.bytes == 0) continue;
    FRZ_TRY(frz_spill_file_write(winners->file, window->gathered.data, piece.bytes, err));
    FRZ_TRY(frz_buf_append(&window->pieces, &piece, sizeof piece, err));
    window->gathered.size = 0;
  }
  winners->memory_bytes = 0;
  return FRZ_OK;
}

static bool all_fit(const frz_window_winners *winners)
{
  const winner_window *last = window_at(winners, frz_window_winners_windows(winners) - 1);
  return (size_t)(last->first_row + last->n_rows) <=
         winners->memory_bytes_max / sizeof(frz_slot_winner);
}

frz_status frz_window_winners_add(frz_window_winners *winners, int64_t entity_row,
                                  uint32_t file_rank, int64_t position, frz_error *err)
{
  winner_window *window = find_window(winners, entity_row);
  assert(entity_row >= window->first_row && entity_row - window->first_row < window->n_rows);
  if (window->gathered.capacity == 0 && all_fit(winners)) /* most rows win */
    FRZ_TRY(
        frz_buf_reserve(&window->gathered, (size_t)window->n_rows * sizeof(frz_slot_winner), err));
  frz_slot_winner winner = {position, file_rank, (uint32_t)(entity_row - window->first_row)};
  FRZ_TRY(frz_buf_append(&window->gathered, &winner, sizeof winner, err));
  winners->memory_bytes += sizeof winner;
  winners->n_added++;
  return winners->memory_bytes > winners->memory_bytes_max ? spill(winners, err) : FRZ_OK;
}

frz_status frz_window_winners_take(frz_window_winners *winners, size_t at, frz_buf *found,
                                   frz_error *err)
{
  winner_window *window = window_at(winners, at);
  const winner_piece *pieces = (const winner_piece *)(const void *)window->pieces.data;
  size_t n_pieces = window->pieces.size / sizeof *pieces;
  winners->memory_bytes -= window->gathered.size;
  frz_buf_dispose(found);
  if (n_pieces == 0) {
    frz_buf moved = window->gathered;
    window->gathered = *found;
    *found = moved;
    return frz_slot_winners_sort(winners->context, found, err);
  }
  size_t bytes = window->gathered.size;
  for (size_t p = 0; p < n_pieces; p++) bytes += pieces[p].bytes;
  if (bytes > (size_t)window->n_rows * sizeof(frz_slot_winner))
    return frz_fail(err, FRZ_ERR_CORRUPT, "spill file: %zu bytes of winners for %lld rows", bytes,
                    (long long)window->n_rows);
  FRZ_TRY(frz_buf_reserve(found, bytes, err));
  for (size_t p = 0; p < n_pieces; p++) {
    uint8_t *to;
    FRZ_TRY(frz_buf_extend(found, pieces[p].bytes, &to, err));
    FRZ_TRY(frz_spill_file_read(winners->file, pieces[p].offset, to, pieces[p].bytes, err));
  }
  FRZ_TRY(frz_buf_append(found, window->gathered.data, window->gathered.size, err));
  frz_buf_dispose(&window->gathered);
  return frz_slot_winners_sort(winners->context, found, err);
}
