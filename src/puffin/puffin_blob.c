/*
 * puffin_blob.c - one blob of a Puffin file, decompressed.
 *
 * The stored size is compared with the file and a limit before it is used; the plain size is
 * bounded by the caller's buffer, whatever the compressed bytes claim.
 */
#include "base/limits.h"
#include "puffin/puffin_parts.h"

static frz_status check_place(const frz_source *source, const frz_puffin_blob *blob, frz_error *err)
{
  if (blob->offset < 0 || blob->length < 0 || blob->offset > source->size_bytes ||
      blob->length > source->size_bytes - blob->offset)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%lld bytes in a file of %lld", (long long)blob->length,
                    (long long)source->size_bytes);
  if ((uint64_t)blob->length > FRZ_LIMIT_PUFFIN_BLOB_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "%lld bytes pass the limit of %zu", (long long)blob->length,
                    FRZ_LIMIT_PUFFIN_BLOB_BYTES);
  return FRZ_OK;
}

static frz_status read_stored(frz_source *source, const frz_puffin_blob *blob, frz_buf *out,
                              frz_error *err)
{
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(out, (size_t)blob->length, &at, err));
  return blob->length == 0 ? FRZ_OK
                           : frz_source_read(source, blob->offset, (size_t)blob->length, at, err);
}

frz_status frz_puffin_blob_read(frz_source *source, const frz_puffin_blob *blob, frz_buf *out,
                                frz_error *err)
{
  frz_status st = FRZ_OK;
  size_t size_before = out->size;
  frz_buf stored;
  frz_buf_init(&stored, out->alloc, FRZ_LIMIT_PUFFIN_BLOB_BYTES);
  FRZ_TRY_OUT(check_place(source, blob, err));
  if (blob->codec == FRZ_PUFFIN_UNCOMPRESSED) {
    FRZ_TRY_OUT(read_stored(source, blob, out, err));
  } else {
    FRZ_TRY_OUT(read_stored(source, blob, &stored, err));
    FRZ_TRY_OUT(frz_decompress_append(frz_puffin_codec_of(blob->codec), stored.data, stored.size,
                                      out, err));
  }
out:
  if (st != FRZ_OK) {
    out->size = size_before;
    frz_error_where(err, "puffin blob '%.*s' at offset %lld: ", FRZ_STR_ARG(blob->type),
                    (long long)blob->offset);
  }
  frz_buf_dispose(&stored);
  return st;
}
