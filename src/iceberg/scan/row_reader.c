/*
 * row_reader.c - see row_reader.h: which format reads a file.
 */
#include "iceberg/scan/row_reader.h"

size_t frz_row_count_leaves(const frz_arrow_field *field)
{
  size_t n = field->n_children == 0 ? 1 : 0;
  for (size_t i = 0; i < field->n_children; i++) n += frz_row_count_leaves(&field->children[i]);
  return n;
}

frz_status frz_row_file_check(const frz_data_file *described, frz_error *err)
{
  if (described->key_metadata.data != NULL)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "the file is encrypted");
  if (described->format == FRZ_FORMAT_ORC)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "files in ORC are not read");
  return FRZ_OK;
}

frz_status frz_row_file_open(frz_context *context, frz_storage *storage,
                             const frz_data_file *described, frz_row_file **file_out,
                             frz_error *err)
{
  FRZ_TRY(frz_row_file_check(described, err));
  switch (described->format) {
  case FRZ_FORMAT_PARQUET:
    return frz_parquet_rows_open(context, storage, described->path, file_out, err);
  case FRZ_FORMAT_AVRO:
    return frz_avro_rows_open(context, storage, described->path, described->n_rows, file_out, err);
  case FRZ_FORMAT_ORC: /* refused before */
  case FRZ_FORMAT_PUFFIN: break;
  }
  return frz_fail(err, FRZ_ERR_CORRUPT, "rows do not lie in Puffin files");
}
