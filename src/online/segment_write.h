/*
 * segment_write.h - the bytes of a segment, into memory or a file. Inside of segment_build.c.
 */
#ifndef FRZ_ONLINE_SEGMENT_WRITE_H
#define FRZ_ONLINE_SEGMENT_WRITE_H

#include "online/segment.h"

/** What all rows of a segment have in common. Borrowed. */
typedef struct frz_segment_shape {
  const char *uuid; /* FRZ_SEGMENT_UUID_BYTES */
  int32_t schema_id;
  const frz_stored_column *columns;
  size_t n_columns;
  bool has_created;
  uint32_t row_bytes; /* 0: they differ */
  uint32_t key_bytes; /* FRZ_SEGMENT_VARIABLE: they differ */
  frz_str prefix;
} frz_segment_shape;

typedef struct frz_row_place {
  uint64_t hash;
  uint64_t offset; /* in the section, or in a part's rows */
} frz_row_place;

/** Rows as they are stored, and where each starts (frz_row_place). */
typedef struct frz_part_output {
  frz_buf rows;
  frz_buf places;
} frz_part_output;

typedef struct frz_segment_writer frz_segment_writer;

/** `folder` NULL: memory. The shape is borrowed for the writer's life. */
frz_status frz_segment_writer_create(const frz_alloc *alloc, const frz_segment_shape *shape,
                                     const char *folder, const char *name,
                                     frz_segment_writer **writer_out,
                                     frz_error *err) FRZ_MUST_CHECK;
frz_status frz_segment_writer_rows(frz_segment_writer *writer, const frz_part_output *rows,
                                   frz_error *err) FRZ_MUST_CHECK;

/** Write slots, checksums and header; sync and rename a file; open the segment. */
frz_status frz_segment_writer_finish(frz_segment_writer *writer, frz_segment **segment_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** Removes an unfinished file. NULL is accepted. */
void frz_segment_writer_free(frz_segment_writer *writer);

#endif
