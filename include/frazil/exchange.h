/*
 * exchange.h - single Parquet files as Arrow streams, without a table: import and export.
 */
#ifndef FRAZIL_EXCHANGE_H
#define FRAZIL_EXCHANGE_H

#include "frazil/arrow.h"
#include "frazil/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @brief Stream the rows of a Parquet file.
 * @param[in] uri         A path or file URI.
 * @param[out] stream_out Owned by the caller; batches of at most 65536 rows.
 * @retval FRZ_ERR_NOT_FOUND    no such file.
 * @retval FRZ_ERR_CORRUPT      not a Parquet file, or a broken one.
 * @retval FRZ_ERR_UNSUPPORTED  encrypted, or a type with no Arrow form here.
 */
FRZ_API frz_status frz_parquet_file_read(frz_context *context, const char *uri,
                                         struct ArrowArrayStream *stream_out,
                                         frz_error *err) FRZ_MUST_CHECK;

/**
 * @brief Write a stream as a Parquet file (zstd). The name appears when the file is whole.
 * @param[in,out] data    Consumed.
 * @param[in] uri         A path or file URI; an existing file is replaced.
 * @param[out] n_rows_out May be NULL.
 */
FRZ_API frz_status frz_parquet_file_write(frz_context *context, struct ArrowArrayStream *data,
                                          const char *uri, int64_t *n_rows_out,
                                          frz_error *err) FRZ_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
