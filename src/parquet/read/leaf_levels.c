/*
 * leaf_levels.c - definition and repetition levels into validity bits and kept levels.
 *
 * A leaf below no list has one entry a row. Its definition levels are mostly one long run (all
 * present), which costs nothing here, or bits (one level), which are copied as a bitmap; only
 * deeper nesting is unpacked. Validity bits are made on the first null.
 *
 * A leaf below lists is unpacked in windows, so that memory does not depend on what a page's
 * header claims.
 */
#include <assert.h>
#include <string.h>

#include "arrow/bit_copy.h"
#include "arrow/column_parts.h"
#include "parquet/read/leaf_reader.h"
#include "parquet/read/level_kernels.h"

enum { PIECE = 1024 };

static frz_status fail_level(uint32_t level, int32_t max, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "level %u, the greatest is %d", (unsigned)level, max);
}

/* Validity of the rows that one call adds: bits exist from the first null on. */
typedef struct validity_run {
  frz_column *column;
  int64_t n;    /* rows of the call */
  int64_t done; /* entries taken */
  int64_t n_present;
  bool has_bits;
} validity_run;

static frz_status need_bits(validity_run *run, frz_error *err)
{
  if (run->has_bits) return FRZ_OK;
  FRZ_TRY(frz_column_need_validity(run->column, run->n, err));
  frz_bits_fill(run->column->validity.data, run->column->n_rows, run->done);
  run->has_bits = true;
  return FRZ_OK;
}

static frz_status take_repeats(frz_leaf_reader *reader, validity_run *run, uint32_t level,
                               int64_t n, frz_error *err)
{
  if (level > (uint32_t)reader->max_def) return fail_level(level, reader->max_def, err);
  if (reader->keep_levels) {
    uint8_t *at = NULL;
    FRZ_TRY(frz_buf_extend(&reader->def_levels, (size_t)n, &at, err));
    memset(at, (int)level, (size_t)n);
  }
  if (level == (uint32_t)reader->max_def) {
    if (run->has_bits)
      frz_bits_fill(run->column->validity.data, run->column->n_rows + run->done, n);
    run->n_present += n;
  } else {
    FRZ_TRY(need_bits(run, err));
  }
  run->done += n;
  return FRZ_OK;
}

/* One bit a level: the packed run is the bitmap. */
static frz_status take_bitmap(frz_leaf_reader *reader, validity_run *run, int64_t n, frz_error *err)
{
  frz_rle_decoder *def = &reader->def;
  FRZ_TRY(need_bits(run, err));
  int64_t at = run->column->n_rows + run->done;
  frz_bits_copy(run->column->validity.data, at, def->data + def->packed_pos, def->packed_skip, n);
  run->n_present += frz_bits_count(run->column->validity.data, at, n);
  def->packed_skip += (uint32_t)n;
  def->packed_left -= (uint32_t)n;
  run->done += n;
  return FRZ_OK;
}

/* The next `n` <= PIECE levels of a packed run, or of several runs, as bytes. */
static frz_status unpack_piece(frz_rle_decoder *decoder, int32_t max, uint8_t *dest, size_t n,
                               frz_error *err)
{
  uint32_t levels[PIECE];
  uint32_t greatest = 0;
  FRZ_TRY(frz_rle_decode(decoder, levels, n, err));
  for (size_t i = 0; i < n; i++) {
    greatest = levels[i] > greatest ? levels[i] : greatest;
    dest[i] = (uint8_t)levels[i];
  }
  return greatest <= (uint32_t)max ? FRZ_OK : fail_level(greatest, max, err);
}

static frz_status take_packed(frz_leaf_reader *reader, validity_run *run, int64_t n, frz_error *err)
{
  uint8_t levels[PIECE];
  const frz_level_kernels *kernels = frz_level_kernels_best();
  frz_level_span span = {levels, NULL, (size_t)n, 0, 0, reader->max_def};
  int64_t n_slots = 0, n_present = 0;
  FRZ_TRY(unpack_piece(&reader->def, reader->max_def, levels, (size_t)n, err));
  FRZ_TRY(need_bits(run, err));
  if (reader->keep_levels) FRZ_TRY(frz_buf_append(&reader->def_levels, levels, (size_t)n, err));
  kernels->count(&span, &n_slots, &n_present);
  kernels->slots_to_bits(&span, run->column->validity.data, run->column->n_rows + run->done);
  run->n_present += n_present;
  run->done += n;
  return FRZ_OK;
}

frz_status frz_leaf_levels_flat(frz_leaf_reader *reader, frz_column *column, int64_t n,
                                int64_t *n_present_out, frz_error *err)
{
  assert(reader->max_def > 0 && reader->max_rep == 0);
  validity_run run = {.column = column, .n = n};
  bool is_null_type = column->type.kind == FRZ_ARROW_NULL;
  if (column->n_nulls > 0 && !is_null_type) FRZ_TRY(need_bits(&run, err));
  bool is_bitmap = reader->max_def == 1 && !reader->keep_levels;
  while (run.done < n) {
    uint32_t level = 0;
    size_t repeats = 0;
    int64_t left = n - run.done;
    FRZ_TRY(frz_rle_peek_run(&reader->def, (size_t)left, &level, &repeats, err));
    if (repeats > 0) {
      FRZ_TRY(take_repeats(reader, &run, level, (int64_t)repeats, err));
      frz_rle_skip_run(&reader->def, repeats);
      continue;
    }
    int64_t packed = reader->def.packed_left < left ? reader->def.packed_left : left;
    if (is_bitmap)
      FRZ_TRY(take_bitmap(reader, &run, packed, err));
    else
      FRZ_TRY(take_packed(reader, &run, packed < PIECE ? packed : PIECE, err));
  }
  /* Packed, but all present: no bits after all. */
  bool has_nulls = run.n_present < n || column->n_nulls > 0;
  if (run.has_bits && (!has_nulls || is_null_type)) column->validity.size = 0;
  *n_present_out = run.n_present;
  return FRZ_OK;
}

frz_status frz_leaf_levels_skip(frz_leaf_reader *reader, int64_t n, int64_t *n_present_out,
                                frz_error *err)
{
  frz_rle_decoder *def = &reader->def;
  int64_t n_present = 0;
  for (int64_t done = 0; done < n;) {
    uint32_t level = 0;
    size_t taken = 0;
    FRZ_TRY(frz_rle_peek_run(def, (size_t)(n - done), &level, &taken, err));
    if (taken > 0) {
      if (level == (uint32_t)reader->max_def) n_present += (int64_t)taken;
      frz_rle_skip_run(def, taken);
    } else if (reader->max_def == 1) {
      taken = def->packed_left < (uint64_t)(n - done) ? def->packed_left : (size_t)(n - done);
      n_present += frz_bits_count(def->data + def->packed_pos, def->packed_skip, (int64_t)taken);
      def->packed_skip += (uint32_t)taken;
      def->packed_left -= (uint32_t)taken;
    } else {
      uint32_t levels[PIECE];
      taken = n - done < PIECE ? (size_t)(n - done) : PIECE;
      FRZ_TRY(frz_rle_decode(def, levels, taken, err));
      for (size_t i = 0; i < taken; i++) n_present += levels[i] == (uint32_t)reader->max_def;
    }
    done += (int64_t)taken;
  }
  *n_present_out = n_present;
  return FRZ_OK;
}

/* ---- below lists ---- */

static frz_status unpack(frz_rle_decoder *decoder, int32_t max, uint8_t *dest, size_t n,
                         frz_error *err)
{
  for (size_t done = 0; done < n;) {
    uint32_t level = 0;
    size_t taken = 0;
    FRZ_TRY(frz_rle_peek_run(decoder, n - done, &level, &taken, err));
    if (taken > 0) {
      if (level > (uint32_t)max) return fail_level(level, max, err);
      memset(dest + done, (int)level, taken);
      frz_rle_skip_run(decoder, taken);
    } else {
      taken = n - done < PIECE ? n - done : PIECE;
      FRZ_TRY(unpack_piece(decoder, max, dest + done, taken, err));
    }
    done += taken;
  }
  return FRZ_OK;
}

frz_status frz_leaf_levels_refill(frz_leaf_reader *reader, frz_error *err)
{
  assert(reader->max_rep > 0 && reader->page_left > 0);
  assert(reader->window_next == reader->window_end);
  size_t n = reader->page_left < FRZ_LEVEL_WINDOW ? (size_t)reader->page_left : FRZ_LEVEL_WINDOW;
  uint8_t *def = reader->window.data;
  FRZ_TRY(unpack(&reader->def, reader->max_def, def, n, err));
  FRZ_TRY(unpack(&reader->rep, reader->max_rep, def + FRZ_LEVEL_WINDOW, n, err));
  reader->page_left -= (int64_t)n;
  reader->window_next = 0;
  reader->window_end = (uint32_t)n;
  return FRZ_OK;
}

frz_status frz_leaf_levels_take(frz_leaf_reader *reader, uint32_t end, frz_column *column,
                                int64_t *n_slots_out, int64_t *n_present_out, frz_error *err)
{
  const uint8_t *def = reader->window.data + reader->window_next;
  const uint8_t *rep = reader->window.data + FRZ_LEVEL_WINDOW + reader->window_next;
  size_t n = end - reader->window_next;
  const frz_level_kernels *kernels = frz_level_kernels_best();
  frz_level_span span = {def, NULL, n, reader->slot_def, 0, reader->max_def};
  int64_t n_slots = 0, n_present = 0;
  kernels->count(&span, &n_slots, &n_present);
  reader->window_next = end;
  *n_slots_out = n_slots;
  *n_present_out = n_present;
  if (column == NULL) return FRZ_OK;
  if (reader->keep_levels) {
    FRZ_TRY(frz_buf_append(&reader->def_levels, def, n, err));
    FRZ_TRY(frz_buf_append(&reader->rep_levels, rep, n, err));
  }
  if (column->type.kind == FRZ_ARROW_NULL) return FRZ_OK;
  if (n_present == n_slots) return frz_column_add_present(column, n_slots, err);
  FRZ_TRY(frz_column_need_validity(column, n_slots, err));
  kernels->slots_to_bits(&span, column->validity.data, column->n_rows);
  return FRZ_OK;
}
