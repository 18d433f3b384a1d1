/*
 * spill_column.h - columns in a spill file: sizes, then the buffers as they are, then the children.
 */
#ifndef FRZ_PIT_SPILL_COLUMN_H
#define FRZ_PIT_SPILL_COLUMN_H

#include "arrow/column.h"
#include "base/spill_file.h"

/** Append the column, its children behind it. */
frz_status frz_spill_column_write(frz_spill_file *file, const frz_column *column,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Read into `column`, which is of the same type and empty, from `*offset`, which moves behind it.
 */
frz_status frz_spill_column_read(const frz_spill_file *file, int64_t *offset, frz_column *column,
                                 frz_error *err) FRZ_MUST_CHECK;

#endif
