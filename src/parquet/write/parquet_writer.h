/*
 * parquet_writer.h - write a Parquet file, row group by row group, in bounded memory.
 */
#ifndef FRZ_PARQUET_PARQUET_WRITER_H
#define FRZ_PARQUET_PARQUET_WRITER_H

#include "arrow/column.h"
#include "base/runtime.h"
#include "base/source.h"
#include "codec/compress.h"
#include "parquet/format/parquet_metadata.h"

/** Encodings that may be chosen for a chunk: see page_encoding.c. */
typedef enum frz_encoding_set {
  FRZ_ENCODINGS_BASIC, /* dictionary and PLAIN: any reader of any age */
  FRZ_ENCODINGS_DELTA, /* and the delta encodings: every engine of today, vectorised or not */
  FRZ_ENCODINGS_ALL    /* and BYTE_STREAM_SPLIT of floats: not Spark's own reader */
} frz_encoding_set;

/** A leaf that gets a bloom filter in each row group. */
typedef struct frz_parquet_bloom_option {
  int32_t field_id;
  double fpp;  /* share of values that are taken for present though they are not: (0, 1) */
  int64_t ndv; /* distinct values that are expected in a row group; 0: unknown */
} frz_parquet_bloom_option;

/** What the rows are sorted by: said in the footer, not checked. */
typedef struct frz_parquet_sorting_column {
  int32_t field_id; /* of a leaf */
  bool descending;
  bool nulls_first;
} frz_parquet_sorting_column;

typedef struct frz_parquet_write_options {
  frz_parquet_codec codec;                /* default ZSTD */
  int32_t level;                          /* 0: the codec's default */
  int64_t row_group_rows_max;             /* default 1048576 */
  int64_t row_group_bytes;                /* default 128 MiB, of encoded and compressed data */
  int64_t page_bytes;                     /* default 1 MiB, before compression */
  int64_t page_rows_max;                  /* default 20000 */
  int64_t dictionary_bytes;               /* default 2 MiB; 0: no dictionaries */
  bool data_page_v2;                      /* default false */
  frz_encoding_set encodings;             /* default FRZ_ENCODINGS_DELTA */
  bool force_encoding;                    /* default false */
  frz_parquet_encoding forced_encoding;   /* for every leaf whose type can have it: no choice */
  int64_t bloom_bytes_max;                /* of one filter; default 1 MiB */
  const frz_parquet_bloom_option *blooms; /* borrowed for the create call, as all lists */
  size_t n_blooms;
  const frz_parquet_sorting_column *sorting;
  size_t n_sorting;
  const frz_parquet_key_value *key_values; /* footer metadata; borrowed for the create call */
  size_t n_key_values;
  frz_compressors *compressors; /* shared with other files, borrowed; NULL: its own */
} frz_parquet_write_options;

void frz_parquet_write_options_init(frz_parquet_write_options *options);

/** What was written of one leaf column, for Iceberg's metrics. Lives in the writer. */
typedef struct frz_parquet_leaf_summary {
  int32_t field_id;         /* -1: none */
  bool in_list;             /* below a LIST or MAP: no bounds are given for it */
  int64_t compressed_bytes; /* of the column's chunks */
  int64_t n_values;         /* with nulls */
  int64_t n_nulls;
  int64_t n_nans;  /* floating point; else -1 */
  bool has_bounds; /* some value is neither null nor NaN */
  frz_str min,
      max; /* whole, uncut: little-endian as in the column (decimals: 16 bytes), or the bytes */
  frz_arrow_type type;
} frz_parquet_leaf_summary;

typedef struct frz_parquet_write_summary {
  int64_t file_bytes;
  int64_t n_rows;
  const int64_t *row_group_offsets; /* for Iceberg's split_offsets */
  size_t n_row_groups;
  const frz_parquet_leaf_summary *leaves;
  size_t n_leaves;
} frz_parquet_write_summary;

/** Rows are taken so many at a time: longer batches cost memory and gain nothing. */
enum { FRZ_PARQUET_BATCH_ROWS = 65536 };

typedef struct frz_parquet_writer frz_parquet_writer;

/** `fields` is the schema (copied), with field ids; `sink` is borrowed and not committed. */
frz_status frz_parquet_writer_create(frz_context *context, const frz_arrow_field *fields,
                                     size_t n_fields, frz_sink *sink,
                                     const frz_parquet_write_options *options,
                                     frz_parquet_writer **writer_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** Write the rows of a batch of the same fields. A null in a field that is not nullable is
 * FRZ_ERR_INVALID. */
frz_status frz_parquet_writer_write(frz_parquet_writer *writer, const frz_batch *batch,
                                    frz_error *err) FRZ_MUST_CHECK;

/** As above, for rows [first, first + n) of the batch. */
frz_status frz_parquet_writer_write_rows(frz_parquet_writer *writer, const frz_batch *batch,
                                         int64_t first, int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Memory that the writer occupies: pages of the row group, dictionaries, scratch. */
size_t frz_parquet_writer_memory(const frz_parquet_writer *writer);

/** End the row group now and give back its memory: for those who hold many writers open. */
frz_status frz_parquet_writer_flush(frz_parquet_writer *writer, frz_error *err) FRZ_MUST_CHECK;

/** Give back what is not needed until the next rows come; it will be allocated again. */
void frz_parquet_writer_relax(frz_parquet_writer *writer);

/** Bytes written and held so far: when to start another file. */
int64_t frz_parquet_writer_bytes(const frz_parquet_writer *writer);

/** Write what is held and the footer. The summary is borrowed until the writer is freed. */
frz_status frz_parquet_writer_finish(frz_parquet_writer *writer,
                                     frz_parquet_write_summary *summary_out,
                                     frz_error *err) FRZ_MUST_CHECK;
void frz_parquet_writer_free(frz_parquet_writer *writer);

#endif
