/*
 * window_winners.c - see window_winners.h.
 *
 * Each window gathers its winners in memory. When they take their share together, every window's
 * are written as one piece; a window is read back piece by piece.
 */
#include "pit/window_winners.h"

#include <assert.h>

#include "base/limits.h"

enum { SHARE_ROWS = 65536, SHARES_MAX = FRZ_LIMIT_THREADS, ROWS_AHEAD = 16 };

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

/* Entity rows of one window; each share of them writes what it finds to places of its own. */
typedef struct row_chunk {
  const frz_slot_index *index;
  int64_t first_row; /* of the index */
  uint32_t place;    /* of that row in the window */
  int64_t n_rows;
  frz_slot_winner *found; /* a place for each row */
  size_t n_found[SHARES_MAX];
} row_chunk;

static frz_status find_share(void *arg, size_t share, frz_error *err)
{
  (void)err;
  row_chunk *chunk = arg;
  int64_t first = (int64_t)share * SHARE_ROWS;
  int64_t end = first + SHARE_ROWS < chunk->n_rows ? first + SHARE_ROWS : chunk->n_rows;
  frz_slot_winner *to = chunk->found + first;
  for (int64_t i = first; i < end; i++) {
    if (i + ROWS_AHEAD < end) { /* winners lie in the order of keys */
      uint32_t later = frz_slot_index_slot(chunk->index, chunk->first_row + i + ROWS_AHEAD);
      if (later != FRZ_NO_SLOT) __builtin_prefetch(frz_slot_index_winner(chunk->index, later));
    }
    uint32_t slot = frz_slot_index_slot(chunk->index, chunk->first_row + i);
    if (slot == FRZ_NO_SLOT) continue;
    const frz_candidate *winner = frz_slot_index_winner(chunk->index, slot);
    if (winner->file_rank == FRZ_NO_FILE) continue;
    *to++ = (frz_slot_winner){winner->position, winner->file_rank, chunk->place + (uint32_t)i};
  }
  chunk->n_found[share] = (size_t)(to - (chunk->found + first));
  return FRZ_OK;
}

static frz_status add_chunk(frz_window_winners *winners, winner_window *window, row_chunk *chunk,
                            frz_error *err)
{
  frz_buf *gathered = &window->gathered;
  if (gathered->capacity == 0 && all_fit(winners)) /* most rows win */
    FRZ_TRY(frz_buf_reserve(gathered, (size_t)window->n_rows * sizeof(frz_slot_winner), err));
  FRZ_TRY(frz_buf_reserve(gathered, (size_t)chunk->n_rows * sizeof(frz_slot_winner), err));
  chunk->found = (frz_slot_winner *)(void *)(gathered->data + gathered->size);
  size_t n_shares = (size_t)(chunk->n_rows + SHARE_ROWS - 1) / SHARE_ROWS;
  FRZ_TRY(frz_parallel_for(winners->context, n_shares, find_share, chunk, err));
  size_t n_found = chunk->n_found[0];
  for (size_t s = 1; s < n_shares; s++) {
    memmove(chunk->found + n_found, chunk->found + s * SHARE_ROWS,
            chunk->n_found[s] * sizeof *chunk->found);
    n_found += chunk->n_found[s];
  }
  gathered->size += n_found * sizeof *chunk->found;
  winners->memory_bytes += n_found * sizeof *chunk->found;
  winners->n_added += (int64_t)n_found;
  return winners->memory_bytes > winners->memory_bytes_max ? spill(winners, err) : FRZ_OK;
}

frz_status frz_window_winners_add(frz_window_winners *winners, const frz_slot_index *index,
                                  int64_t first_row, int64_t n_rows, frz_error *err)
{
  int64_t chunk_rows = (int64_t)frz_context_threads(winners->context) * SHARE_ROWS;
  for (int64_t at = 0; at < n_rows;) {
    FRZ_TRY(frz_context_poll(winners->context, err));
    winner_window *window = find_window(winners, first_row + at);
    int64_t place = first_row + at - window->first_row;
    assert(place >= 0 && place < window->n_rows);
    int64_t n = n_rows - at < chunk_rows ? n_rows - at : chunk_rows;
    if (n > window->n_rows - place) n = window->n_rows - place;
    row_chunk chunk = {.index = index, .first_row = at, .place = (uint32_t)place, .n_rows = n};
    FRZ_TRY(add_chunk(winners, window, &chunk, err));
    at += n;
  }
  return FRZ_OK;
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
