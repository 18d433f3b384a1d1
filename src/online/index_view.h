/*
 * index_view.h - one state of the lookup index, and reading from it.
 *
 * Immutable and counted. Invariants: docs/design/lookup-index.md.
 */
#ifndef FRZ_ONLINE_INDEX_VIEW_H
#define FRZ_ONLINE_INDEX_VIEW_H

#include "online/segment.h"

/** A file's name in the watermark: two hashes of its path. */
typedef struct frz_file_mark {
  uint64_t hash[2];
} frz_file_mark;

frz_file_mark frz_file_mark_of(frz_str path);

/** Files of a watermark, ascending (frz_file_mark). */
typedef struct frz_watermark {
  int64_t snapshot_id; /* -1: an empty table */
  int64_t sequence;
  frz_buf data_files;
  frz_buf delete_files;
} frz_watermark;

void frz_watermark_init(frz_watermark *mark, const frz_alloc *alloc);
void frz_watermark_dispose(frz_watermark *mark);
frz_status frz_watermark_copy(const frz_watermark *from, frz_watermark *to,
                              frz_error *err) FRZ_MUST_CHECK;
/** Sort a list of marks that were appended in any order. */
void frz_marks_sort(frz_buf *marks);
/** Is every mark of `part` in `whole`? */
bool frz_marks_contain(const frz_buf *whole, const frz_buf *part);

typedef struct frz_view_segment {
  frz_segment *segment;     /* retained */
  int32_t *places;          /* of the layout's features among its columns; -1: none */
  int64_t overlay_sequence; /* of an own commit behind the watermark; 0: covered by it */
} frz_view_segment;

typedef struct frz_index_view {
  atomic_int references;
  const frz_alloc *alloc;
  frz_online_layout *layout; /* retained */
  frz_view_segment *segments;
  size_t n_segments, capacity;
  frz_watermark mark;
} frz_index_view;

/** A segment for a view to be. */
typedef struct frz_view_part {
  frz_segment *segment;
  int64_t overlay_sequence;
} frz_view_part;

/** Retains layout and segments; takes `mark` (on failure too). */
frz_status frz_index_view_create(const frz_alloc *alloc, frz_online_layout *layout,
                                 const frz_view_part *parts, size_t n_parts, frz_watermark *mark,
                                 frz_index_view **view_out, frz_error *err) FRZ_MUST_CHECK;
frz_index_view *frz_index_view_retain(frz_index_view *view);
void frz_index_view_release(frz_index_view *view);

/** The newest segment that has the key; false: none. */
bool frz_index_view_find(const frz_index_view *view, frz_str key, uint64_t hash,
                         size_t *segment_out, frz_segment_row *row_out);

/** For frz_segment_target: rows that these segments beat. */
typedef struct frz_view_rival {
  const frz_view_part *parts;
  size_t n_parts;
} frz_view_rival;
bool frz_view_rival_wins(void *arg, frz_str key, uint64_t hash, int64_t event_us,
                         int64_t created_us);

/** Is a segment torn? */
bool frz_index_view_is_torn(const frz_index_view *view);

/** A key's row in a result. */
typedef struct frz_found_row {
  frz_segment_row row;
  int32_t segment; /* -1: none */
} frz_found_row;

/** Look up a batch. Rows whose event time is before `oldest_us` count as absent. */
size_t frz_index_view_read(const frz_index_view *view, const frz_bytes *keys, size_t n_keys,
                           int64_t oldest_us, frz_found_row *rows_out);

#endif
