/*
 * leaf_convert.h - physical values into Arrow's, where the two differ.
 */
#ifndef FRZ_PARQUET_LEAF_CONVERT_H
#define FRZ_PARQUET_LEAF_CONVERT_H

#include "parquet/format/parquet_metadata.h"

/** Turn `n` values of `raw_bytes` each into values of the Arrow type. */
typedef frz_status (*frz_leaf_convert)(const uint8_t *raw, size_t raw_bytes, uint8_t *dest,
                                       size_t n, frz_error *err);

/** The conversion from a leaf's fixed-width values to `type`; NULL: they are the same bytes. */
frz_leaf_convert frz_leaf_convert_for(const frz_parquet_node *leaf, frz_arrow_type type);

/** A big-endian two's complement number of any length as 16 bytes, little-endian. */
frz_status frz_decimal_from_bytes(const uint8_t *bytes, size_t size, uint8_t dest[16],
                                  frz_error *err) FRZ_MUST_CHECK;

#endif
