/*
 * row_group_filter.h - may a Parquet row group, or rows of it, hold what a filter wants?
 */
#ifndef FRZ_ICEBERG_ROW_GROUP_FILTER_H
#define FRZ_ICEBERG_ROW_GROUP_FILTER_H

#include "iceberg/filter/expression.h"
#include "iceberg/scan/column_map.h"
#include "iceberg/scan/read_counts.h"
#include "parquet/format/parquet_metadata.h"

/** What the statistics of a file belong to. */
typedef struct frz_row_group_filter {
  const frz_parquet_metadata *file;
  const int32_t *leaf_ids;         /* the field id of each leaf; -1: none, or below a list or map */
  const frz_column_source *source; /* for the columns that the file lacks */
  const frz_schema *schema;
  const frz_expr *filter;
  frz_read_counts *counts; /* of what is left out; NULL: nobody's */
} frz_row_group_filter;

/** The page of a leaf that holds some rows. */
typedef struct frz_leaf_page {
  size_t leaf;
  const frz_parquet_statistics *statistics;
  int64_t n_rows;
} frz_leaf_page;

/** What is known of rows of a row group beyond its statistics. */
typedef struct frz_row_group_details {
  const frz_leaf_page *pages; /* that hold all of the rows */
  size_t n_pages;
  bool (*excludes)(void *arg, const frz_expr *predicate); /* see frz_expr_may_match_bounds() */
  void *arg;
} frz_row_group_details;

/** May the row group, or those rows of it that `details` (may be NULL) is about, hold a match? True
 * when in doubt. */
bool frz_row_group_may_match(const frz_row_group_filter *filter, size_t row_group,
                             const frz_row_group_details *details);

/** A statistic of a leaf as a value of the table's column; false: it cannot be told. `is_upper`
 * rounds in the safe direction. */
bool frz_parquet_statistic(const frz_parquet_node *node, const frz_type *type, frz_str bytes,
                           bool is_upper, frz_literal *literal_out);

#endif
