/*
 * leaf_values.c - a page's values into a column.
 *
 * Present values are decoded densely, straight into the column's buffers. Where rows are null, the
 * dense values at the front are then spread from the back to their places, so that no second
 * buffer is needed; a null's place becomes zero (or empty).
 */
#include <assert.h>
#include <string.h>

#include "arrow/column_parts.h"
#include "parquet/read/leaf_reader.h"
#include "parquet/read/spread_values.h"

enum { SCRATCH_BYTES = 16 << 10 };

/* ---- spreading ---- */

/* `ends` may not be read below the first: an empty front has the end before. */
static void spread_ends(int32_t *ends, const uint8_t *bits, int64_t first, int64_t n_slots,
                        int64_t n_present)
{
  int64_t k = n_present;
  int32_t before = ends[-1];
  for (int64_t i = n_slots - 1; i >= k && i >= 0; i--) {
    ends[i] = k > 0 ? ends[k - 1] : before;
    k -= frz_bit_get(bits, first + i);
  }
}

/* ---- decoding ---- */

static frz_status decode_ends(frz_leaf_reader *reader, int32_t *ends, frz_buf *bytes, int64_t n,
                              frz_error *err)
{
  if (reader->is_dictionary_page)
    return frz_dictionary_gather_bytes(&reader->dictionary, ends, bytes, (size_t)n, err);
  return frz_decoder_bytes(&reader->decoder, ends, bytes, (size_t)n, err);
}

/* BYTE_ARRAY decimals: few and small, by way of a piece of strings. */
static frz_status decode_byte_decimals(frz_decoder *decoder, frz_buf *scratch, uint8_t *dest,
                                       size_t n, frz_error *err)
{
  enum { PIECE = 256 };
  int32_t ends[PIECE];
  for (size_t done = 0; done < n;) {
    size_t piece = n - done < PIECE ? n - done : PIECE;
    scratch->size = 0;
    FRZ_TRY(frz_decoder_bytes(decoder, ends, scratch, piece, err));
    int32_t start = 0;
    for (size_t i = 0; i < piece; i++) {
      static const uint8_t zero[1] = {0};
      const uint8_t *from = scratch->data != NULL ? scratch->data + start : zero;
      FRZ_TRY(frz_decimal_from_bytes(from, (size_t)(ends[i] - start), dest + (done + i) * 16, err));
      start = ends[i];
    }
    done += piece;
  }
  return FRZ_OK;
}

/* Values that are no dictionary numbers, of any fixed-width Arrow type. */
static frz_status decode_converted(frz_leaf_reader *reader, uint8_t *dest, size_t n, frz_error *err)
{
  frz_decoder *decoder = &reader->decoder;
  if (reader->is_byte_list) return decode_byte_decimals(decoder, &reader->scratch, dest, n, err);
  if (reader->convert == NULL) return frz_decoder_fixed(decoder, dest, n, err);
  size_t piece_max = SCRATCH_BYTES / decoder->width;
  FRZ_TRY(frz_buf_resize(&reader->scratch, SCRATCH_BYTES, err));
  for (size_t done = 0; done < n;) {
    size_t piece = n - done < piece_max ? n - done : piece_max;
    FRZ_TRY(frz_decoder_fixed(decoder, reader->scratch.data, piece, err));
    FRZ_TRY(reader->convert(reader->scratch.data, decoder->width, dest + done * reader->width,
                            piece, err));
    done += piece;
  }
  return FRZ_OK;
}

static frz_status decode_fixed(frz_leaf_reader *reader, uint8_t *dest, int64_t n, frz_error *err)
{
  if (reader->is_dictionary_page)
    return frz_dictionary_gather_fixed(&reader->dictionary, dest, (size_t)n, err);
  return decode_converted(reader, dest, (size_t)n, err);
}

/* ---- one kind of column each ---- */

static frz_status add_bytes(frz_leaf_reader *reader, frz_column *column, int64_t n_slots,
                            int64_t n_present, frz_error *err)
{
  int32_t *ends = NULL;
  FRZ_TRY(frz_column_add_offsets(column, n_slots, &ends, err));
  FRZ_TRY(decode_ends(reader, ends, &column->values, n_present, err));
  if (n_present < n_slots)
    spread_ends(ends, column->validity.data, column->n_rows, n_slots, n_present);
  return FRZ_OK;
}

static frz_status add_bools(frz_leaf_reader *reader, frz_column *column, int64_t n_slots,
                            int64_t n_present, frz_error *err)
{
  FRZ_TRY(frz_buf_resize_zeroed(&column->values, frz_bits_bytes(column->n_rows + n_slots), err));
  if (n_present == n_slots)
    return frz_decoder_bools(&reader->decoder, column->values.data, column->n_rows, (size_t)n_slots,
                             err);
  reader->scratch.size = 0;
  FRZ_TRY(frz_buf_resize_zeroed(&reader->scratch, frz_bits_bytes(n_present), err));
  FRZ_TRY(frz_decoder_bools(&reader->decoder, reader->scratch.data, 0, (size_t)n_present, err));
  int64_t k = 0;
  for (int64_t i = column->n_rows; i < column->n_rows + n_slots; i++) {
    if (!frz_bit_get(column->validity.data, i)) continue;
    if (frz_bit_get(reader->scratch.data, k++)) frz_bit_set(column->values.data, i);
  }
  return FRZ_OK;
}

static frz_status add_fixed(frz_leaf_reader *reader, frz_column *column, int64_t n_slots,
                            int64_t n_present, frz_error *err)
{
  uint8_t *dest = NULL;
  size_t bytes;
  if (__builtin_mul_overflow((size_t)n_slots, reader->width, &bytes))
    return frz_fail(err, FRZ_ERR_LIMIT, "%lld values of %zu bytes pass 64 bits", (long long)n_slots,
                    reader->width);
  FRZ_TRY(frz_buf_extend(&column->values, bytes, &dest, err));
  FRZ_TRY(decode_fixed(reader, dest, n_present, err));
  if (n_present < n_slots)
    frz_spread_fixed(dest, reader->width, column->validity.data, column->n_rows, n_slots,
                     n_present);
  return FRZ_OK;
}

frz_status frz_leaf_values_add(frz_leaf_reader *reader, frz_column *column, int64_t n_slots,
                               int64_t n_present, frz_error *err)
{
  assert(n_present <= n_slots);
  if (n_slots == 0) return FRZ_OK;
  FRZ_TRY(frz_column_check_rows(column, n_slots, err));
  switch (column->type.kind) {
  case FRZ_ARROW_NULL:
    FRZ_TRY(frz_leaf_values_skip(reader, n_present, err));
    return frz_column_append_nulls(column, n_slots, err);
  case FRZ_ARROW_BOOL: FRZ_TRY(add_bools(reader, column, n_slots, n_present, err)); break;
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY: FRZ_TRY(add_bytes(reader, column, n_slots, n_present, err)); break;
  default: FRZ_TRY(add_fixed(reader, column, n_slots, n_present, err)); break;
  }
  column->n_rows += n_slots;
  column->n_nulls += n_slots - n_present;
  return FRZ_OK;
}

/* ---- gathering ---- */

/* Do the page's values lie there as the column wants them, one for each entry to come? */
static bool is_gatherable(const frz_leaf_reader *reader, const frz_column *column)
{
  const frz_decoder *decoder = &reader->decoder;
  if (reader->max_rep != 0 || reader->keep_levels || reader->page_left == 0 ||
      reader->is_dictionary_page || decoder->encoding != FRZ_PARQUET_PLAIN ||
      reader->convert != NULL || reader->is_byte_list || column->n_nulls != 0)
    return false;
  if (reader->width == 0 || reader->width != decoder->width) return false;
  return (size_t)reader->page_left <= (decoder->size - decoder->pos) / decoder->width;
}

/* Are all entries to come in the page present, by one run of levels? */
static frz_status is_all_present(frz_leaf_reader *reader, bool *is_present_out, frz_error *err)
{
  uint32_t level = 0;
  size_t n = (size_t)reader->page_left;
  if (reader->max_def > 0) FRZ_TRY(frz_rle_peek_run(&reader->def, n, &level, &n, err));
  *is_present_out = level == (uint32_t)reader->max_def && n == (size_t)reader->page_left;
  return FRZ_OK;
}

static void copy_runs(uint8_t *dest, const uint8_t *values, size_t width, int64_t first_row,
                      const frz_row_run *runs, size_t n_runs)
{
  for (size_t i = 0; i < n_runs; i++) {
    const uint8_t *from = values + (size_t)(runs[i].first - first_row) * width;
    size_t bytes = (size_t)runs[i].n * width;
    if (bytes == 8)
      memcpy(dest, from, 8);
    else if (bytes == 4)
      memcpy(dest, from, 4);
    else
      memcpy(dest, from, bytes);
    dest += bytes;
  }
}

frz_status frz_leaf_values_gather(frz_leaf_reader *reader, const frz_row_run *runs, size_t n_runs,
                                  frz_column *column, size_t *n_taken_out, frz_error *err)
{
  bool is_present = false;
  int64_t end_row = reader->row + reader->page_left;
  *n_taken_out = 0;
  if (!is_gatherable(reader, column) || runs[0].first + runs[0].n > end_row) return FRZ_OK;
  FRZ_TRY(is_all_present(reader, &is_present, err));
  if (!is_present) return FRZ_OK;
  int64_t n_rows = 0;
  size_t n = 0;
  for (; n < n_runs && runs[n].first + runs[n].n <= end_row; n++) n_rows += runs[n].n;
  assert(runs[0].first >= reader->row);
  FRZ_TRY(frz_column_check_rows(column, n_rows, err));
  uint8_t *dest = NULL;
  FRZ_TRY(frz_buf_extend(&column->values, (size_t)n_rows * reader->width, &dest, err));
  copy_runs(dest, reader->decoder.data + reader->decoder.pos, reader->width, reader->row, runs, n);
  column->n_rows += n_rows;
  int64_t passed = runs[n - 1].first + runs[n - 1].n - reader->row;
  if (reader->max_def > 0) frz_rle_skip_run(&reader->def, (size_t)passed);
  reader->decoder.pos += (size_t)passed * reader->width;
  reader->page_left -= passed;
  reader->row += passed;
  *n_taken_out = n;
  return FRZ_OK;
}

frz_status frz_leaf_values_skip(frz_leaf_reader *reader, int64_t n_present, frz_error *err)
{
  if (n_present == 0) return FRZ_OK;
  if (reader->is_dictionary_page)
    return frz_rle_skip(&reader->dictionary.numbers, (size_t)n_present, err);
  return frz_decoder_skip(&reader->decoder, (size_t)n_present, err);
}

/* ---- dictionaries ---- */

static frz_status dictionary_of_bytes(frz_leaf_reader *reader, size_t size, size_t n,
                                      frz_error *err)
{
  static const uint8_t spare[FRZ_DICTIONARY_SPARE_BYTES] = {0};
  frz_dictionary_reader *dictionary = &reader->dictionary;
  if (n > size / 4)
    return frz_fail(err, FRZ_ERR_CORRUPT, "dictionary of %zu strings in %zu bytes", n, size);
  FRZ_TRY(frz_buf_resize(&dictionary->offsets, (n + 1) * sizeof(int32_t), err));
  int32_t *offsets = (int32_t *)(void *)dictionary->offsets.data;
  offsets[0] = 0;
  FRZ_TRY(frz_decoder_bytes(&reader->decoder, offsets + 1, &dictionary->bytes, n, err));
  dictionary->longest = 0;
  for (size_t i = 0; i < n; i++) {
    size_t length = (size_t)(offsets[i + 1] - offsets[i]);
    if (length > dictionary->longest) dictionary->longest = length;
  }
  return frz_buf_append(&dictionary->bytes, spare, sizeof spare, err);
}

static frz_status dictionary_of_fixed(frz_leaf_reader *reader, size_t size, size_t n,
                                      frz_error *err)
{
  size_t raw_bytes = reader->is_byte_list ? 4 : reader->decoder.width;
  if (n > size / raw_bytes)
    return frz_fail(err, FRZ_ERR_CORRUPT, "dictionary of %zu values in %zu bytes", n, size);
  bool is_as_stored = !reader->is_byte_list && reader->convert == NULL; /* PLAIN, fixed width */
  if (is_as_stored && frz_page_stream_swap_body(&reader->pages, &reader->dictionary.values)) {
    reader->dictionary.values.size = n * reader->width;
    return FRZ_OK;
  }
  FRZ_TRY(frz_buf_resize(&reader->dictionary.values, n * reader->width, err));
  if (n == 0) return FRZ_OK;
  return decode_converted(reader, reader->dictionary.values.data, n, err);
}

frz_status frz_leaf_values_dictionary(frz_leaf_reader *reader, const uint8_t *data, size_t size,
                                      int64_t n_values, frz_error *err)
{
  frz_dictionary_reader *dictionary = &reader->dictionary;
  dictionary->values.size = dictionary->offsets.size = dictionary->bytes.size = 0;
  dictionary->n_values = 0;
  if (reader->leaf->physical == FRZ_PARQUET_BOOLEAN)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "dictionary of booleans");
  FRZ_TRY(frz_decoder_open(&reader->decoder, FRZ_PARQUET_PLAIN, data, size, err));
  if (reader->type.kind != FRZ_ARROW_NULL) {
    if (reader->width == 0)
      FRZ_TRY(dictionary_of_bytes(reader, size, (size_t)n_values, err));
    else
      FRZ_TRY(dictionary_of_fixed(reader, size, (size_t)n_values, err));
  }
  dictionary->n_values = (size_t)n_values;
  return FRZ_OK;
}
