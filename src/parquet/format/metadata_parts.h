/*
 * metadata_parts.h - the pieces of a footer's parser: schema elements and statistics.
 */
#ifndef FRZ_PARQUET_METADATA_PARTS_H
#define FRZ_PARQUET_METADATA_PARTS_H

#include "parquet/format/parquet_metadata.h"
#include "parquet/format/thrift.h"

/** Longest path that frz_parquet_node_path() writes, with its NUL. */
enum { FRZ_PARQUET_PATH_BYTES = 256 };

/** The schema elements of a list field, as a tree with levels; fills root, leaves and n_leaves. */
frz_status frz_parquet_schema_parse(frz_thrift_reader *reader, frz_arena *arena,
                                    frz_parquet_metadata *metadata, frz_error *err) FRZ_MUST_CHECK;

/** Statistics as they stand in the file. */
typedef struct frz_raw_statistics {
  frz_str old_min, old_max; /* deprecated fields 2 and 1 */
  frz_str min, max;
  bool has_old_min, has_old_max, has_min, has_max;
  int8_t min_exact, max_exact; /* 0, 1, or -1: not said */
  int64_t null_count;          /* -1: unknown */
  int64_t distinct_count;
} frz_raw_statistics;

frz_status frz_raw_statistics_parse(frz_thrift_reader *reader, frz_raw_statistics *raw_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** Keep what can be trusted of the statistics of `n_values` values of a leaf. */
frz_status frz_statistics_sift(const frz_raw_statistics *raw, const frz_parquet_node *leaf,
                               int64_t n_values, frz_arena *arena,
                               frz_parquet_statistics *statistics_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** The node's dotted path, cut to fit. */
void frz_parquet_node_path(const frz_parquet_node *node, char path_out[FRZ_PARQUET_PATH_BYTES]);

#endif
