/*
 * page_index_write.h - column index and offset index of a chunk.
 */
#ifndef FRZ_PARQUET_PAGE_INDEX_WRITE_H
#define FRZ_PARQUET_PAGE_INDEX_WRITE_H

#include "parquet/write/column_writer.h"

/** Append the ColumnIndex of a closed chunk. Nothing is appended where a page with values has no
 * bounds (only NaNs, or a type without order): an index without them would be wrong. */
frz_status frz_column_index_write(const frz_column_writer *column, frz_buf *out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Append the OffsetIndex; the chunk's data pages start at `offset` of the file. */
frz_status frz_offset_index_write(const frz_column_writer *column, int64_t offset, frz_buf *out,
                                  frz_error *err) FRZ_MUST_CHECK;

#endif
