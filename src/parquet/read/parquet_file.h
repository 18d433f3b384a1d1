/*
 * parquet_file.h - an open file, as its readers see it.
 */
#ifndef FRZ_PARQUET_PARQUET_FILE_H
#define FRZ_PARQUET_PARQUET_FILE_H

#include "parquet/read/parquet_reader.h"

struct frz_parquet_file {
  frz_context *context;
  const frz_alloc *alloc;
  frz_source *source;
  frz_str name;
  frz_arena arena; /* name and metadata */
  frz_parquet_metadata metadata;
  bool is_far; /* a read takes long to come back: fetch more at once */
};

#endif
