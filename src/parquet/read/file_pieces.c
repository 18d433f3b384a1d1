/*
 * file_pieces.c - see file_pieces.h.
 *
 * The pieces are put in the order of the file; a piece that starts behind the end of the range
 * before it, by more than the gap, starts a new range. Pieces may overlap or be equal.
 */
#include "parquet/read/file_pieces.h"

#include <stdlib.h>

static int compare_offsets(const void *a, const void *b)
{
  const frz_file_piece *const *left = a;
  const frz_file_piece *const *right = b;
  return ((*left)->offset > (*right)->offset) - ((*left)->offset < (*right)->offset);
}

/* The ranges that hold the pieces; their bytes stand one after the other in the buffer. */
static frz_status merge(frz_file_piece *const *order, size_t n, int64_t gap, frz_buf *ranges,
                        size_t *total_out, frz_error *err)
{
  frz_range range = {order[0]->offset, order[0]->size, NULL};
  size_t total = 0;
  for (size_t i = 1; i <= n; i++) {
    int64_t end = range.offset + (int64_t)range.size;
    if (i < n && order[i]->offset - end <= gap) {
      int64_t piece_end = order[i]->offset + (int64_t)order[i]->size;
      if (piece_end > end) range.size = (size_t)(piece_end - range.offset);
      continue;
    }
    FRZ_TRY(frz_buf_append(ranges, &range, sizeof range, err));
    if (range.size > SIZE_MAX - total)
      return frz_fail(err, FRZ_ERR_LIMIT, "pieces of a file: %zu bytes behind %zu", range.size,
                      total);
    total += range.size;
    if (i < n) range = (frz_range){order[i]->offset, order[i]->size, NULL};
  }
  *total_out = total;
  return FRZ_OK;
}

static frz_status read_merged(frz_source *source, frz_file_piece *const *order, size_t n,
                              size_t gap_bytes, frz_buf *ranges_buf, frz_buf *bytes, frz_error *err)
{
  size_t total = 0;
  FRZ_TRY(merge(order, n, (int64_t)gap_bytes, ranges_buf, &total, err));
  FRZ_TRY(frz_buf_resize(bytes, total, err));
  frz_range *ranges = (frz_range *)(void *)ranges_buf->data;
  size_t n_ranges = ranges_buf->size / sizeof *ranges;
  size_t at = 0;
  for (size_t i = 0; i < n_ranges; i++) {
    ranges[i].dest = bytes->data + at;
    at += ranges[i].size;
  }
  FRZ_TRY(source->read_ranges(source, ranges, n_ranges, err));
  size_t k = 0;
  for (size_t i = 0; i < n; i++) {
    while (order[i]->offset >= ranges[k].offset + (int64_t)ranges[k].size) k++;
    order[i]->data = ranges[k].dest + (order[i]->offset - ranges[k].offset);
  }
  return FRZ_OK;
}

frz_status frz_file_pieces_read(frz_source *source, frz_file_piece *pieces, size_t n_pieces,
                                size_t gap_bytes, frz_buf *bytes, frz_error *err)
{
  if (n_pieces == 0) return FRZ_OK;
  frz_status st = FRZ_OK;
  frz_buf ranges;
  frz_buf_init(&ranges, bytes->alloc, SIZE_MAX / 2);
  frz_file_piece **order = frz_alloc_array(bytes->alloc, n_pieces, sizeof *order);
  if (order == NULL) return frz_fail_nomem(err, "pieces of a file");
  for (size_t i = 0; i < n_pieces; i++) {
    assert(pieces[i].size > 0 && pieces[i].offset >= 0 && pieces[i].offset <= source->size_bytes &&
           pieces[i].size <= (size_t)(source->size_bytes - pieces[i].offset));
    order[i] = &pieces[i];
  }
  qsort(order, n_pieces, sizeof(frz_file_piece *), compare_offsets);
  FRZ_TRY_OUT(read_merged(source, order, n_pieces, gap_bytes, &ranges, bytes, err));
out:
  frz_alloc_free(bytes->alloc, order, n_pieces * sizeof(frz_file_piece *));
  frz_buf_dispose(&ranges);
  return st;
}
