/*
 * column_sort.c - see column_sort.h.
 *
 * Rows are sorted by the last key first and by the first key last, each time stably, so that the
 * result is ordered by all of them. For one key each row gets a 64-bit word that has the order of
 * its value: numbers with their sign turned, floating point by the order of its bits, the first
 * eight bytes of text. Words are sorted by radix, least digit first, over those digits that differ
 * at all. 128-bit numbers take two words. Where eight bytes do not tell texts apart, each run of
 * equal words is merge sorted by comparison. Nulls are moved to their end of the rows first.
 *
 * What must stay true: every pass is stable; a pass over words that are in order already moves
 * nothing.
 *
 * Source: Iceberg specification, "Sorting".
 */
#include "arrow/column_sort.h"

#include <assert.h>
#include <string.h>

#include "base/endian.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, RADIX_ROWS_MIN = 256, INSERTION_ROWS = 12 };

typedef struct sort_item {
  uint64_t word;
  int64_t row;
} sort_item;

bool frz_column_is_sortable(frz_arrow_type type)
{
  return type.kind != FRZ_ARROW_STRUCT && type.kind != FRZ_ARROW_LIST && type.kind != FRZ_ARROW_MAP;
}

/* ---- words ---- */

#define SIGN_64 ((uint64_t)1 << 63)

/* The order of an IEEE 754 number whose bits lie at the top: negative ones turned around. */
static inline uint64_t float_word(uint64_t bits)
{
  return (bits & SIGN_64) != 0 ? ~bits : bits | SIGN_64;
}

/* The first bytes of a text as a big-endian number; what is missing counts as zero. */
static inline uint64_t text_word(frz_str text)
{
  if (text.size >= 8) return __builtin_bswap64(frz_load_u64le((const uint8_t *)text.data));
  uint8_t bytes[8] = {0};
  if (text.size != 0) memcpy(bytes, text.data, text.size);
  return __builtin_bswap64(frz_load_u64le(bytes));
}

static inline uint64_t signed_word(int64_t value)
{
  return (uint64_t)value ^ SIGN_64;
}

static uint64_t word_of(const frz_column *column, int64_t row)
{
  const uint8_t *values = column->values.data;
  switch (column->type.kind) {
  case FRZ_ARROW_BOOL: return frz_bit_get(values, row);
  case FRZ_ARROW_INT8: return signed_word((int8_t)values[row]);
  case FRZ_ARROW_UINT8: return values[row];
  case FRZ_ARROW_INT16: return signed_word((int16_t)frz_load_u16le(values + 2 * row));
  case FRZ_ARROW_UINT16: return frz_load_u16le(values + 2 * row);
  case FRZ_ARROW_FLOAT16: return float_word((uint64_t)frz_load_u16le(values + 2 * row) << 48);
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_DATE32:
  case FRZ_ARROW_TIME32: return signed_word((int32_t)frz_load_u32le(values + 4 * row));
  case FRZ_ARROW_UINT32: return frz_load_u32le(values + 4 * row);
  case FRZ_ARROW_FLOAT32: return float_word((uint64_t)frz_load_u32le(values + 4 * row) << 32);
  case FRZ_ARROW_UINT64: return frz_load_u64le(values + 8 * row);
  case FRZ_ARROW_FLOAT64: return float_word(frz_load_u64le(values + 8 * row));
  case FRZ_ARROW_DECIMAL128: return signed_word((int64_t)frz_load_u64le(values + 16 * row + 8));
  case FRZ_ARROW_FIXED:
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY: return text_word(frz_column_bytes(column, row));
  case FRZ_ARROW_NULL:
  case FRZ_ARROW_LIST:
  case FRZ_ARROW_STRUCT:
  case FRZ_ARROW_MAP: return 0;
  default: return signed_word((int64_t)frz_load_u64le(values + 8 * row));
  }
}

static uint64_t low_word(const frz_column *column, int64_t row)
{
  return frz_load_u64le(column->values.data + 16 * row);
}

/* Is there more to a value than its word? */
static bool is_text(const frz_column *column)
{
  frz_arrow_kind kind = column->type.kind;
  return kind == FRZ_ARROW_STRING || kind == FRZ_ARROW_BINARY ||
         (kind == FRZ_ARROW_FIXED && column->type.byte_width > 8);
}

/* Fill in the words. Are they out of order? */
static bool fill_words(const frz_sort_key *key, bool low, sort_item *items, size_t n)
{
  const frz_column *column = key->column;
  uint64_t turn = key->descending ? UINT64_MAX : 0;
  bool out_of_order = false;
  uint64_t before = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t word = (low ? low_word(column, items[i].row) : word_of(column, items[i].row)) ^ turn;
    items[i].word = word;
    out_of_order |= word < before;
    before = word;
  }
  return out_of_order;
}

/* ---- sorting words ---- */

static void sort_by_digit(const sort_item *from, sort_item *to, size_t n, unsigned shift)
{
  size_t next[DIGITS + 1] = {0};
  for (size_t i = 0; i < n; i++) next[((from[i].word >> shift) & (DIGITS - 1)) + 1]++;
  for (size_t d = 0; d < DIGITS; d++) next[d + 1] += next[d];
  for (size_t i = 0; i < n; i++) to[next[(from[i].word >> shift) & (DIGITS - 1)]++] = from[i];
}

/* Radix sort over the digits that differ; the result may end up in `spare`, which is returned. */
static sort_item *sort_by_radix(sort_item *items, sort_item *spare, size_t n)
{
  uint64_t differ = 0;
  for (size_t i = 1; i < n; i++) differ |= items[i].word ^ items[0].word;
  for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
    if ((differ >> shift & (DIGITS - 1)) == 0) continue;
    sort_by_digit(items, spare, n, shift);
    sort_item *sorted = spare;
    spare = items;
    items = sorted;
  }
  return items;
}

/* ---- sorting by comparison ---- */

/* Must `b`, which lies behind `a`, come before it? `text` is NULL where words tell all. */
static bool is_before(const frz_sort_key *text, const sort_item *b, const sort_item *a)
{
  if (text == NULL || a->word != b->word) return b->word < a->word;
  int order = frz_str_compare(frz_column_bytes(text->column, b->row),
                              frz_column_bytes(text->column, a->row));
  return text->descending ? order > 0 : order < 0;
}

static void insertion_sort(const frz_sort_key *text, sort_item *items, size_t n)
{
  for (size_t i = 1; i < n; i++) {
    sort_item item = items[i];
    size_t at = i;
    for (; at > 0 && is_before(text, &item, &items[at - 1]); at--) items[at] = items[at - 1];
    items[at] = item;
  }
}

/* Merge items[0, middle) and items[middle, n); only the first part is copied out. */
static void merge_runs(const frz_sort_key *text, sort_item *items, size_t middle, size_t n,
                       sort_item *spare)
{
  if (!is_before(text, &items[middle], &items[middle - 1])) return;
  memcpy(spare, items, middle * sizeof *items);
  size_t left = 0;
  size_t right = middle;
  size_t at = 0;
  while (left < middle && right < n) {
    if (is_before(text, &items[right], &spare[left]))
      items[at++] = items[right++];
    else
      items[at++] = spare[left++];
  }
  memcpy(items + at, spare + left, (middle - left) * sizeof *items);
}

static void merge_sort(const frz_sort_key *text, sort_item *items, size_t n, sort_item *spare)
{
  for (size_t i = 0; i < n; i += INSERTION_ROWS)
    insertion_sort(text, items + i, n - i < INSERTION_ROWS ? n - i : INSERTION_ROWS);
  for (size_t width = INSERTION_ROWS; width < n; width *= 2)
    for (size_t i = 0; i + width < n; i += 2 * width)
      merge_runs(text, items + i, width, n - i < 2 * width ? n - i : 2 * width, spare);
}

/* Texts whose first eight bytes are equal lie together by now. */
static void sort_equal_words(const frz_sort_key *key, sort_item *items, size_t n, sort_item *spare)
{
  for (size_t i = 0; i < n;) {
    size_t end = i + 1;
    while (end < n && items[end].word == items[i].word) end++;
    if (end - i > 1) merge_sort(key, items + i, end - i, spare);
    i = end;
  }
}

/* ---- one key ---- */

static void swap_items(sort_item **a, sort_item **b)
{
  sort_item *held = *a;
  *a = *b;
  *b = held;
}

/* Nulls to their end, order kept; tells where the values are. */
static void part_nulls(const frz_sort_key *key, sort_item **items, sort_item **spare, size_t n,
                       size_t *first_out, size_t *n_out)
{
  const frz_column *column = key->column;
  size_t n_nulls = 0;
  for (size_t i = 0; i < n; i++) n_nulls += frz_column_is_null(column, (*items)[i].row);
  size_t null_at = key->nulls_last ? n - n_nulls : 0;
  *first_out = key->nulls_last ? 0 : n_nulls;
  *n_out = n - n_nulls;
  if (n_nulls == 0 || n_nulls == n) return;
  size_t value_at = *first_out;
  for (size_t i = 0; i < n; i++)
    if (frz_column_is_null(column, (*items)[i].row))
      (*spare)[null_at++] = (*items)[i];
    else
      (*spare)[value_at++] = (*items)[i];
  swap_items(items, spare);
}

static void sort_words(const frz_sort_key *key, bool low, sort_item **items, sort_item **spare,
                       size_t first, size_t n, size_t n_all)
{
  if (!fill_words(key, low, *items + first, n)) return;
  if (n < RADIX_ROWS_MIN) {
    merge_sort(NULL, *items + first, n, *spare);
    return;
  }
  sort_item *sorted = sort_by_radix(*items + first, *spare + first, n);
  if (sorted == *items + first) return;
  /* The nulls come along. */
  memcpy(*spare, *items, first * sizeof **items);
  memcpy(*spare + first + n, *items + first + n, (n_all - first - n) * sizeof **items);
  swap_items(items, spare);
}

static void sort_by_key(const frz_sort_key *key, sort_item **items, sort_item **spare, size_t n)
{
  const frz_column *column = key->column;
  size_t first = 0;
  size_t n_values = n;
  if (column->type.kind == FRZ_ARROW_NULL) return;
  if (column->n_nulls != 0) part_nulls(key, items, spare, n, &first, &n_values);
  if (column->type.kind == FRZ_ARROW_DECIMAL128)
    sort_words(key, true, items, spare, first, n_values, n);
  sort_words(key, false, items, spare, first, n_values, n);
  if (is_text(column)) sort_equal_words(key, *items + first, n_values, *spare);
}

frz_status frz_sort_rows(const frz_sort_key *keys, size_t n_keys, int64_t n_rows, frz_buf *rows_out,
                         frz_error *err)
{
  assert(n_rows >= 0);
  size_t n = (size_t)n_rows;
  size_t before = rows_out->size;
  assert(before % sizeof(int64_t) == 0);
  uint8_t *at;
  const frz_alloc *alloc = rows_out->alloc;
  FRZ_TRY(frz_buf_extend(rows_out, n * sizeof(int64_t), &at, err));
  if (n == 0) return FRZ_OK;
  sort_item *items = frz_alloc_array(alloc, n, 2 * sizeof *items);
  if (items == NULL) {
    rows_out->size = before;
    return frz_fail_nomem(err, "rows to sort");
  }
  sort_item *sorted = items;
  sort_item *spare = items + n;
  for (size_t i = 0; i < n; i++) items[i].row = (int64_t)i;
  for (size_t k = n_keys; k-- > 0;) {
    assert(frz_column_is_sortable(keys[k].column->type) && keys[k].column->n_rows >= n_rows);
    sort_by_key(&keys[k], &sorted, &spare, n);
  }
  int64_t *rows = (int64_t *)(void *)at;
  for (size_t i = 0; i < n; i++) rows[i] = sorted[i].row;
  frz_alloc_free(alloc, items, n * 2 * sizeof *items);
  return FRZ_OK;
}

/* ---- comparing rows ---- */

static int compare_values(const frz_column *a, int64_t a_row, const frz_column *b, int64_t b_row)
{
  uint64_t x = word_of(a, a_row);
  uint64_t y = word_of(b, b_row);
  if (x == y && a->type.kind == FRZ_ARROW_DECIMAL128) {
    x = low_word(a, a_row);
    y = low_word(b, b_row);
  }
  if (x != y) return x < y ? -1 : 1;
  if (!is_text(a)) return 0;
  int order = frz_str_compare(frz_column_bytes(a, a_row), frz_column_bytes(b, b_row));
  return (order > 0) - (order < 0);
}

int frz_sort_compare(const frz_sort_key *a, int64_t a_row, const frz_sort_key *b, int64_t b_row,
                     size_t n_keys)
{
  for (size_t k = 0; k < n_keys; k++) {
    assert(a[k].column->type.kind == b[k].column->type.kind);
    bool a_null = frz_column_is_null(a[k].column, a_row);
    bool b_null = frz_column_is_null(b[k].column, b_row);
    if (a_null && b_null) continue;
    if (a_null || b_null) return a_null == a[k].nulls_last ? 1 : -1;
    int order = compare_values(a[k].column, a_row, b[k].column, b_row);
    if (order != 0) return a[k].descending ? -order : order;
  }
  return 0;
}

bool frz_sort_is_ordered(const frz_sort_key *keys, size_t n_keys, int64_t first, int64_t n)
{
  for (int64_t i = first + 1; i < first + n; i++)
    if (frz_sort_compare(keys, i - 1, keys, i, n_keys) > 0) return false;
  return true;
}
