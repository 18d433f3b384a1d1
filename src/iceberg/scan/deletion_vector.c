/*
 * deletion_vector.c - see deletion_vector.h.
 *
 * The blob's place in its Puffin file comes from the manifest entry, so the container itself is
 * read for verification alone. Length, magic and CRC are checked before the bitmap is looked at;
 * the bitmap's own reader trusts nothing either.
 */
#include "iceberg/scan/deletion_vector.h"

#include "base/endian.h"
#include "base/limits.h"
#include "codec/checksum.h"
#include "puffin/puffin.h"

enum { LENGTH_BYTES = 4, MAGIC_BYTES = 4, CRC_BYTES = 4 };

#define MAGIC 0xd1d33964u
/** A bitmap of every second row of 2^31 rows takes 256 MiB. */
frz_status frz_deletion_vector_parse(const frz_alloc *alloc, const void *data, size_t size,
                                     frz_roaring **roaring_out, frz_error *err)
{
  const uint8_t *bytes = data;
  if (size < LENGTH_BYTES + MAGIC_BYTES + CRC_BYTES)
    return frz_fail(err, FRZ_ERR_CORRUPT, "deletion vector of %zu bytes is too short", size);
  size_t covered = size - LENGTH_BYTES - CRC_BYTES;
  uint32_t length = frz_load_u32be(bytes);
  if (length != covered)
    return frz_fail(err, FRZ_ERR_CORRUPT, "deletion vector: length %u in a blob with %zu", length,
                    covered);
  uint32_t magic = frz_load_u32be(bytes + LENGTH_BYTES);
  if (magic != MAGIC)
    return frz_fail(err, FRZ_ERR_CORRUPT, "deletion vector: magic %08x instead of %08x", magic,
                    MAGIC);
  uint32_t stored = frz_load_u32be(bytes + size - CRC_BYTES);
  uint32_t counted = frz_crc32(0, bytes + LENGTH_BYTES, covered);
  if (stored != counted)
    return frz_fail(err, FRZ_ERR_CORRUPT, "deletion vector: CRC %08x, stored is %08x", counted,
                    stored);
  frz_status st = frz_roaring_parse(alloc, bytes + LENGTH_BYTES + MAGIC_BYTES,
                                    covered - MAGIC_BYTES, roaring_out, err);
  if (st != FRZ_OK) frz_error_where(err, "deletion vector: ");
  return st;
}

frz_status frz_deletion_vector_write(const frz_roaring *roaring, frz_buf *out, frz_error *err)
{
  size_t start = out->size;
  uint8_t *head;
  FRZ_TRY(frz_buf_extend(out, LENGTH_BYTES + MAGIC_BYTES, &head, err));
  frz_store_u32be(head, 0);
  frz_store_u32be(head + LENGTH_BYTES, MAGIC);
  frz_status st = frz_roaring_write(roaring, out, err);
  uint8_t *crc = NULL;
  if (st == FRZ_OK) st = frz_buf_extend(out, CRC_BYTES, &crc, err);
  size_t covered = out->size - start - LENGTH_BYTES - CRC_BYTES;
  if (st == FRZ_OK && covered > FRZ_LIMIT_PUFFIN_BLOB_BYTES)
    st = frz_fail(err, FRZ_ERR_LIMIT, "deletion vector of %zu bytes; at most %zu are written",
                  covered, FRZ_LIMIT_PUFFIN_BLOB_BYTES);
  if (st != FRZ_OK) {
    out->size = start;
    return st;
  }
  frz_store_u32be(out->data + start, (uint32_t)covered);
  frz_store_u32be(crc, frz_crc32(0, out->data + start + LENGTH_BYTES, covered));
  return FRZ_OK;
}

static frz_status read_blob(frz_context *context, frz_storage *storage, const frz_data_file *file,
                            frz_buf *blob, frz_error *err)
{
  frz_source *source;
  FRZ_TRY(frz_context_check(context, err));
  if (file->content_offset < 0 || file->content_size_bytes < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "deletion vector has no offset or size in its manifest");
  if ((uint64_t)file->content_size_bytes > FRZ_LIMIT_PUFFIN_BLOB_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "deletion vector of %lld bytes; at most %zu are read",
                    (long long)file->content_size_bytes, FRZ_LIMIT_PUFFIN_BLOB_BYTES);
  FRZ_TRY(frz_storage_open_cached(storage, file->path, &source, err));
  frz_status st = FRZ_OK;
  if (file->content_offset > source->size_bytes ||
      file->content_size_bytes > source->size_bytes - file->content_offset)
    st = frz_fail(err, FRZ_ERR_CORRUPT, "deletion vector of %lld bytes at offset %lld passes %lld",
                  (long long)file->content_size_bytes, (long long)file->content_offset,
                  (long long)source->size_bytes);
  if (st == FRZ_OK) st = frz_buf_resize(blob, (size_t)file->content_size_bytes, err);
  if (st == FRZ_OK) st = frz_source_read(source, file->content_offset, blob->size, blob->data, err);
  frz_source_free(source);
  return st;
}

frz_status frz_deletion_vector_read(frz_context *context, frz_storage *storage,
                                    const frz_data_file *file, frz_roaring **roaring_out,
                                    frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  frz_roaring *roaring = NULL;
  frz_buf blob;
  frz_buf_init(&blob, alloc, FRZ_LIMIT_PUFFIN_BLOB_BYTES);
  FRZ_TRY_OUT(read_blob(context, storage, file, &blob, err));
  FRZ_TRY_OUT(frz_deletion_vector_parse(alloc, blob.data, blob.size, &roaring, err));
  int64_t n_deleted = frz_roaring_cardinality(roaring);
  if (n_deleted != file->n_rows) {
    st = frz_fail(err, FRZ_ERR_CORRUPT, "deletion vector of %lld rows, its manifest says %lld",
                  (long long)n_deleted, (long long)file->n_rows);
    goto out;
  }
  *roaring_out = roaring;
  roaring = NULL;
out:
  if (st != FRZ_OK) frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(file->path));
  frz_roaring_free(roaring);
  frz_buf_dispose(&blob);
  return st;
}

/* ---- verification ---- */

static frz_str property(const frz_puffin_blob *blob, const char *key)
{
  for (size_t i = 0; i < blob->n_properties; i++)
    if (frz_str_is(blob->properties[i].key, key)) return blob->properties[i].value;
  return (frz_str){0};
}

static frz_status find_blob(const frz_puffin_footer *footer, const frz_data_file *file,
                            const frz_puffin_blob **blob_out, frz_error *err)
{
  for (size_t i = 0; i < footer->n_blobs; i++) {
    const frz_puffin_blob *blob = &footer->blobs[i];
    if (blob->offset != file->content_offset) continue;
    *blob_out = blob;
    if (blob->length == file->content_size_bytes) return FRZ_OK;
    return frz_fail(
        err, FRZ_ERR_CORRUPT, "the blob at offset %lld has %lld bytes, its manifest says %lld",
        (long long)blob->offset, (long long)blob->length, (long long)file->content_size_bytes);
  }
  return frz_fail(err, FRZ_ERR_CORRUPT, "no blob at offset %lld", (long long)file->content_offset);
}

static frz_status check_blob(const frz_puffin_blob *blob, const frz_data_file *file,
                             frz_arena *arena, frz_error *err)
{
  frz_str target = property(blob, "referenced-data-file");
  frz_str cardinality = property(blob, "cardinality");
  frz_str n_rows = frz_arena_print(arena, "%lld", (long long)file->n_rows);
  if (n_rows.data == NULL) return frz_fail_nomem(err, "deletion vector");
  if (!frz_str_is(blob->type, "deletion-vector-v1") || blob->codec != FRZ_PUFFIN_UNCOMPRESSED)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "blob '%.*s' at offset %lld is no uncompressed deletion-vector-v1",
                    FRZ_STR_ARG(blob->type), (long long)blob->offset);
  if (!frz_str_equal(target, file->referenced_data_file))
    return frz_fail(
        err, FRZ_ERR_CORRUPT, "the vector at offset %lld is for '%.*s', its manifest says '%.*s'",
        (long long)blob->offset, FRZ_STR_ARG(target), FRZ_STR_ARG(file->referenced_data_file));
  if (!frz_str_equal(cardinality, n_rows))
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "the vector at offset %lld has a cardinality of '%.*s', its manifest says %.*s",
                    (long long)blob->offset, FRZ_STR_ARG(cardinality), FRZ_STR_ARG(n_rows));
  return FRZ_OK;
}

frz_status frz_deletion_vector_verify(frz_context *context, frz_storage *storage,
                                      const frz_data_file *file, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_source *source = NULL;
  frz_roaring *vector = NULL;
  frz_puffin_footer footer;
  const frz_puffin_blob *blob;
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(context), FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(frz_storage_open(storage, file->path, &source, err));
  FRZ_TRY_OUT(frz_puffin_footer_read(source, &arena, &footer, err));
  FRZ_TRY_OUT(find_blob(&footer, file, &blob, err));
  FRZ_TRY_OUT(check_blob(blob, file, &arena, err));
out:
  if (st != FRZ_OK) frz_error_where(err, "'%.*s': ", FRZ_STR_ARG(file->path));
  if (st == FRZ_OK) st = frz_deletion_vector_read(context, storage, file, &vector, err);
  frz_roaring_free(vector);
  frz_source_free(source);
  frz_arena_free(&arena);
  return st;
}
