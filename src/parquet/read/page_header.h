/*
 * page_header.h - the header in front of every page.
 */
#ifndef FRZ_PARQUET_PAGE_HEADER_H
#define FRZ_PARQUET_PAGE_HEADER_H

#include "parquet/format/parquet_metadata.h"

typedef enum frz_page_type {
  FRZ_PAGE_DATA = 0,
  FRZ_PAGE_INDEX = 1,
  FRZ_PAGE_DICTIONARY = 2,
  FRZ_PAGE_DATA_V2 = 3
} frz_page_type;

typedef struct frz_page_header {
  int32_t type; /* a frz_page_type, or another: to be skipped */
  size_t header_bytes;
  size_t compressed_bytes;
  size_t uncompressed_bytes;
  bool has_crc;
  uint32_t crc;
  int64_t n_values; /* with nulls */
  int64_t n_rows;   /* v2; -1: not said */
  int32_t encoding;
  int32_t def_encoding, rep_encoding; /* v1 */
  size_t def_bytes, rep_bytes;        /* v2 */
  bool is_compressed;                 /* v2 */
} frz_page_header;

/** FRZ_ERR_CORRUPT also where `size` bytes are only the start of a header. */
frz_status frz_page_header_parse(const void *data, size_t size, frz_page_header *header_out,
                                 frz_error *err) FRZ_MUST_CHECK;

#endif
