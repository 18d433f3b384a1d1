/*
 * parquet_sample.h - Parquet files in memory with random columns, and sources that watch reads.
 */
#ifndef FRZ_TESTS_PARQUET_SAMPLE_H
#define FRZ_TESTS_PARQUET_SAMPLE_H

#include "parquet/read/parquet_reader.h"
#include "parquet/write/parquet_writer.h"
#include "random_columns.h"

enum { FRZ_SAMPLE_FIELDS = 6 };

/** A file and the rows it was written from. */
typedef struct frz_parquet_sample {
  frz_arena arena;
  frz_arrow_field fields[FRZ_SAMPLE_FIELDS];
  size_t n_fields;
  frz_batch batch;
  frz_buf bytes;
} frz_parquet_sample;

/** `n_fields` random columns of `n_rows`, in row groups of `group_rows` and pages of `page_rows`.
 */
void frz_parquet_sample_make(frz_parquet_sample *sample, frz_context *context, uint64_t seed,
                             size_t n_fields, int64_t n_rows, int64_t group_rows,
                             int64_t page_rows);
void frz_parquet_sample_free(frz_parquet_sample *sample);

/** A source over memory that counts, and that may be slow or fail. */
typedef struct frz_watched_source {
  frz_source base;
  const uint8_t *data;
  int64_t n_calls;
  int64_t n_bytes;
  int64_t first_call_ms; /* the first read takes this long */
  int64_t fail_at;       /* this call fails with FRZ_ERR_IO; 0: none */
} frz_watched_source;

/** Lives on the caller's stack; freeing it does nothing. */
void frz_watched_source_init(frz_watched_source *source, const void *data, size_t size);

#endif
