/*
 * row_prune.h - which rows of a Parquet file may a filter want?
 */
#ifndef FRZ_ICEBERG_ROW_PRUNE_H
#define FRZ_ICEBERG_ROW_PRUNE_H

#include "iceberg/scan/row_group_filter.h"
#include "parquet/read/parquet_reader.h"

/** The rows that the filter may want, of those in `asked` (NULL: all; a row group is looked at
 * whole where one of its rows is asked for): by row group statistics, then bloom filters, then
 * column indexes. The ranges ascend, are apart, lie within one row group each, and live in `arena`.
 * The rows left out match surely not. */
frz_status frz_row_prune(const frz_row_group_filter *filter, frz_parquet_file *file,
                         const frz_row_range *asked, size_t n_asked, frz_arena *arena,
                         const frz_row_range **ranges_out, size_t *n_ranges_out,
                         frz_error *err) FRZ_MUST_CHECK;

#endif
