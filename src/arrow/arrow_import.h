/*
 * arrow_import.h - copy foreign arrays into columns of the normal layouts, checked.
 *
 * Checked: lengths, offsets (ascending, from zero up), counts of buffers and children, views'
 * places, dictionary positions. Sizes of buffers cannot be: the interface does not tell them.
 */
#ifndef FRZ_ARROW_ARROW_IMPORT_H
#define FRZ_ARROW_ARROW_IMPORT_H

#include "arrow/column.h"

/** Append all rows of `array`, described by `schema`, to a column made from that schema's field.
 * FRZ_ERR_INVALID names what is wrong; the column is then as before. */
frz_status frz_column_import(frz_column *column, const struct ArrowSchema *schema,
                             const struct ArrowArray *array, frz_error *err) FRZ_MUST_CHECK;

/** A struct array as a batch: one column a child; a null row is a null in every column. */
frz_status frz_batch_import(frz_batch *batch_out, const frz_arrow_field *fields, size_t n_fields,
                            const struct ArrowSchema *schema, const struct ArrowArray *array,
                            const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;

/** As frz_batch_import(), of rows [first, first + n) alone. */
frz_status frz_batch_import_rows(frz_batch *batch_out, const frz_arrow_field *fields,
                                 size_t n_fields, const struct ArrowSchema *schema,
                                 const struct ArrowArray *array, int64_t first, int64_t n,
                                 const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;

/** Values of the longest dictionary at any depth, 0 without one: every import of some of the rows
 * copies all of them. */
int64_t frz_array_longest_dictionary(const struct ArrowSchema *schema,
                                     const struct ArrowArray *array);

#endif
