/*
 * index_view.c - views: segments under one layout, and batches of keys looked up in them.
 *
 * A batch goes through in strides, so that the memory that one key waits for is on its way while
 * the others are worked on: first all slots of a stride, then all rows, then the comparison.
 */
#include "online/index_view.h"

#include <stdlib.h>

enum { STRIDE = 128, LINE_BYTES = FRZ_CACHE_LINE_BYTES };

/* ---- watermarks ---- */

frz_file_mark frz_file_mark_of(frz_str path)
{
  return (frz_file_mark){{frz_xxh64(path.data, path.size, 0), frz_xxh64(path.data, path.size, 1)}};
}

static int compare_marks(const void *a, const void *b)
{
  const frz_file_mark *x = a, *y = b;
  for (int i = 0; i < 2; i++)
    if (x->hash[i] != y->hash[i]) return x->hash[i] < y->hash[i] ? -1 : 1;
  return 0;
}

void frz_marks_sort(frz_buf *marks)
{
  if (marks->size != 0)
    qsort(marks->data, marks->size / sizeof(frz_file_mark), sizeof(frz_file_mark), compare_marks);
}

bool frz_marks_contain(const frz_buf *whole, const frz_buf *part)
{
  size_t n = whole->size / sizeof(frz_file_mark), n_part = part->size / sizeof(frz_file_mark);
  for (size_t i = 0; i < n_part; i++)
    if (n == 0 || bsearch(part->data + i * sizeof(frz_file_mark), whole->data, n,
                          sizeof(frz_file_mark), compare_marks) == NULL)
      return false;
  return true;
}

void frz_watermark_init(frz_watermark *mark, const frz_alloc *alloc)
{
  *mark = (frz_watermark){.snapshot_id = -1};
  frz_buf_init(&mark->data_files, alloc, SIZE_MAX / 4);
  frz_buf_init(&mark->delete_files, alloc, SIZE_MAX / 4);
}

void frz_watermark_dispose(frz_watermark *mark)
{
  if (mark->data_files.alloc == NULL) return;
  frz_buf_dispose(&mark->data_files);
  frz_buf_dispose(&mark->delete_files);
}

frz_status frz_watermark_copy(const frz_watermark *from, frz_watermark *to, frz_error *err)
{
  frz_watermark_init(to, from->data_files.alloc);
  to->snapshot_id = from->snapshot_id;
  to->sequence = from->sequence;
  frz_status st =
      frz_buf_append(&to->data_files, from->data_files.data, from->data_files.size, err);
  if (st == FRZ_OK)
    st = frz_buf_append(&to->delete_files, from->delete_files.data, from->delete_files.size, err);
  if (st != FRZ_OK) frz_watermark_dispose(to);
  return st;
}

/* ---- life ---- */

static frz_status fill(frz_index_view *view, const frz_view_part *parts, size_t n_parts,
                       frz_error *err)
{
  size_t n_features = view->layout->info.n_features;
  view->capacity = n_parts + 1;
  view->segments = frz_alloc_zeroed(view->alloc, view->capacity * sizeof *view->segments);
  if (view->segments == NULL) return frz_fail_nomem(err, "index view");
  for (size_t i = 0; i < n_parts; i++) {
    frz_view_segment *each = &view->segments[i];
    each->places = frz_alloc_array(view->alloc, n_features + 1, sizeof *each->places);
    if (each->places == NULL) return frz_fail_nomem(err, "index view");
    each->segment = frz_segment_retain(parts[i].segment);
    each->overlay_sequence = parts[i].overlay_sequence;
    view->n_segments++;
    for (size_t f = 0; f < n_features; f++)
      each->places[f] = frz_segment_column(each->segment, view->layout->stored[f].field_id);
  }
  return FRZ_OK;
}

frz_status frz_index_view_create(const frz_alloc *alloc, frz_online_layout *layout,
                                 const frz_view_part *parts, size_t n_parts, frz_watermark *mark,
                                 frz_index_view **view_out, frz_error *err)
{
  frz_index_view *view = frz_alloc_zeroed(alloc, sizeof *view);
  if (view == NULL) {
    frz_watermark_dispose(mark);
    return frz_fail_nomem(err, "index view");
  }
  atomic_init(&view->references, 1);
  view->alloc = alloc;
  view->layout = frz_online_layout_retain(layout);
  view->mark = *mark;
  *mark = (frz_watermark){0};
  frz_status st = fill(view, parts, n_parts, err);
  if (st != FRZ_OK) {
    frz_index_view_release(view);
    return st;
  }
  *view_out = view;
  return FRZ_OK;
}

frz_index_view *frz_index_view_retain(frz_index_view *view)
{
  atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
  return view;
}

void frz_index_view_release(frz_index_view *view)
{
  if (view == NULL || atomic_fetch_sub(&view->references, 1) != 1) return;
  const frz_alloc *alloc = view->alloc;
  size_t n_places = view->layout->info.n_features + 1;
  for (size_t i = 0; i < view->n_segments; i++) {
    frz_segment_release(view->segments[i].segment);
    frz_alloc_free(alloc, view->segments[i].places, n_places * sizeof(int32_t));
  }
  frz_alloc_free(alloc, view->segments, view->capacity * sizeof *view->segments);
  frz_watermark_dispose(&view->mark);
  frz_online_layout_release(view->layout);
  frz_alloc_free(alloc, view, sizeof *view);
}

bool frz_index_view_is_torn(const frz_index_view *view)
{
  for (size_t i = 0; i < view->n_segments; i++)
    if (atomic_load_explicit(&view->segments[i].segment->is_torn, memory_order_relaxed))
      return true;
  return false;
}

/* ---- one key ---- */

bool frz_index_view_find(const frz_index_view *view, frz_str key, uint64_t hash,
                         size_t *segment_out, frz_segment_row *row_out)
{
  for (size_t i = view->n_segments; i-- > 0;) {
    if (!frz_segment_find(view->segments[i].segment, key, hash, row_out)) continue;
    *segment_out = i;
    return true;
  }
  return false;
}

bool frz_view_rival_wins(void *arg, frz_str key, uint64_t hash, int64_t event_us,
                         int64_t created_us)
{
  const frz_view_rival *rival = arg;
  for (size_t i = rival->n_parts; i-- > 0;) {
    frz_segment_row row;
    if (!frz_segment_find(rival->parts[i].segment, key, hash, &row)) continue;
    int64_t event = frz_segment_row_event(&row);
    if (event != event_us) return event > event_us;
    return frz_segment_row_created(rival->parts[i].segment, &row) > created_us;
  }
  return false;
}

/* ---- batches ---- */

/* Where a key's row is, if the tag does not lie: one tag in 2^24 does. */
typedef struct candidate {
  uint64_t hash;
  uint64_t offset;
  const uint8_t *row;     /* to touch; never NULL */
  const uint8_t *row_end; /* behind the part that is worth it: lies in the segment too */
  int32_t segment;        /* -1: none */
} candidate;

static void find_candidate(const frz_index_view *view, candidate *found)
{
  found->segment = -1;
  found->row = found->row_end = (const uint8_t *)found;
  for (size_t i = view->n_segments; i-- > 0;) {
    frz_segment *segment = view->segments[i].segment;
    uint64_t place = frz_slot_home(segment, found->hash);
    if (!frz_segment_next_slot(segment, found->hash, &place, &found->offset)) continue;
    found->segment = (int32_t)i;
    found->row = segment->rows + (found->offset < segment->rows_bytes ? found->offset : 0);
    /* Rows are followed by a block of slots at least, which is longer than a line. */
    found->row_end = found->row + (segment->row_bytes == LINE_BYTES ? 0 : LINE_BYTES);
    return;
  }
}

static void take_row(const frz_index_view *view, frz_bytes key, const candidate *found,
                     frz_found_row *out)
{
  out->segment = -1;
  if (found->segment < 0) return;
  frz_segment *segment = view->segments[found->segment].segment;
  if (frz_segment_row_at(segment, found->offset, &out->row) &&
      frz_segment_row_is(segment, &out->row, key.data, key.size_bytes)) {
    out->segment = found->segment;
    return;
  }
  size_t at;
  frz_str text = {key.data, key.size_bytes};
  if (frz_index_view_find(view, text, found->hash, &at, &out->row)) out->segment = (int32_t)at;
}

/* Bring a line into the cache. By a load whose value nobody waits for: with prefetches a batch from
 * a large index takes a quarter longer (measured on Zen 3), since part of them comes to nothing. */
static inline void touch(const uint8_t *at)
{
  (void)*(const volatile uint8_t *)at;
}

/* The slots that the keys are looked for in. */
static void touch_slots(const frz_segment *segment, const candidate *found, size_t n)
{
  for (size_t k = 0; k < n; k++) {
    uint64_t first = frz_slot_home(segment, found[k].hash);
    uint64_t last = first + FRZ_SLOTS_A_LOOK - 1;
    if (last >= segment->n_slots_stored) last = segment->n_slots_stored - 1;
    touch(segment->slots + first * 8);
    touch(segment->slots + last * 8);
  }
}

/* Touching has loops of its own: where other work lies between, few loads are under way at a time,
 * since those that nobody waits for hold up what comes behind them all the same. */
static size_t read_stride(const frz_index_view *view, const frz_bytes *keys, size_t n,
                          int64_t oldest_us, frz_found_row *rows)
{
  candidate found[STRIDE];
  size_t n_found = 0;
  for (size_t k = 0; k < n; k++) {
    frz_str key = {keys[k].data != NULL ? keys[k].data : "", keys[k].size_bytes};
    found[k].hash = frz_entity_key_hash(key);
  }
  for (size_t i = 0; i < view->n_segments; i++) touch_slots(view->segments[i].segment, found, n);
  for (size_t k = 0; k < n; k++) find_candidate(view, &found[k]);
  for (size_t k = 0; k < n; k++) {
    touch(found[k].row);
    touch(found[k].row_end);
  }
  for (size_t k = 0; k < n; k++) {
    take_row(view, keys[k], &found[k], &rows[k]);
    if (rows[k].segment < 0) continue;
    if (frz_segment_row_event(&rows[k].row) < oldest_us)
      rows[k].segment = -1;
    else
      n_found++;
  }
  return n_found;
}

size_t frz_index_view_read(const frz_index_view *view, const frz_bytes *keys, size_t n_keys,
                           int64_t oldest_us, frz_found_row *rows_out)
{
  size_t n_found = 0;
  for (size_t k = 0; k < n_keys; k += STRIDE) {
    size_t n = n_keys - k < STRIDE ? n_keys - k : STRIDE;
    n_found += read_stride(view, keys + k, n, oldest_us, rows_out + k);
  }
  return n_found;
}
