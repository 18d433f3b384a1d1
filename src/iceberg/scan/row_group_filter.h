/*
 * row_group_filter.h - may a Parquet row group hold rows that a filter wants?
 */
#ifndef FRZ_ICEBERG_ROW_GROUP_FILTER_H
#define FRZ_ICEBERG_ROW_GROUP_FILTER_H

#include "iceberg/filter/expression.h"
#include "iceberg/scan/column_map.h"
#include "parquet/format/parquet_metadata.h"

/** What the statistics of a file belong to. */
typedef struct frz_row_group_filter {
  const frz_parquet_metadata *file;
  const int32_t *leaf_ids;         /* the field id of each leaf; -1: none, or below a list or map */
  const frz_column_source *source; /* for the columns that the file lacks */
  const frz_schema *schema;
  const frz_expr *filter;
} frz_row_group_filter;

/** True when in doubt. */
bool frz_row_group_may_match(const frz_row_group_filter *filter, size_t row_group);

/** A statistic of a leaf as a value of the table's column; false: it cannot be told. `is_upper`
 * rounds in the safe direction. */
bool frz_parquet_statistic(const frz_parquet_node *node, const frz_type *type, frz_str bytes,
                           bool is_upper, frz_literal *literal_out);

#endif
