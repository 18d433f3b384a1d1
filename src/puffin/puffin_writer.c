/*
 * puffin_writer.c - writes a Puffin file: each blob goes to the sink at once, the footer at the
 * end.
 *
 * What must stay true: `written_bytes` is where the next byte of the file goes; `blobs` has the
 * blobs that were written, in their order, with all they point to in the arena.
 *
 * Source: Iceberg, "Puffin file format".
 */
#include <assert.h>

#include "base/arena_list.h"
#include "base/endian.h"
#include "base/limits.h"
#include "puffin/puffin_parts.h"
#include "text/json_writer.h"

struct frz_puffin_writer {
  const frz_alloc *alloc;
  frz_sink *sink;
  frz_arena arena;
  frz_puffin_blob *blobs;
  size_t n_blobs;
  size_t blobs_capacity;
  int64_t written_bytes;
};

static frz_status put(frz_puffin_writer *w, const void *data, size_t size, frz_error *err)
{
  FRZ_TRY(frz_sink_write(w->sink, data, size, err));
  w->written_bytes += (int64_t)size;
  return FRZ_OK;
}

static frz_status put_magic(frz_puffin_writer *w, frz_error *err)
{
  uint8_t magic[FRZ_PUFFIN_MAGIC_BYTES];
  frz_store_u32le(magic, FRZ_PUFFIN_MAGIC);
  return put(w, magic, sizeof magic, err);
}

frz_status frz_puffin_writer_create(const frz_alloc *alloc, frz_sink *sink,
                                    frz_puffin_writer **writer_out, frz_error *err)
{
  frz_puffin_writer *w = frz_alloc_zeroed(alloc, sizeof *w);
  if (w == NULL) return frz_fail_nomem(err, "puffin writer");
  w->alloc = alloc;
  w->sink = sink;
  frz_arena_init(&w->arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_status st = put_magic(w, err);
  if (st != FRZ_OK) {
    frz_puffin_writer_free(w);
    return st;
  }
  *writer_out = w;
  return FRZ_OK;
}

void frz_puffin_writer_free(frz_puffin_writer *writer)
{
  if (writer == NULL) return;
  frz_arena_free(&writer->arena);
  frz_alloc_free(writer->alloc, writer, sizeof *writer);
}

/* ---- blobs ---- */

static frz_status keep_text(frz_arena *arena, frz_str *text, frz_error *err)
{
  *text = frz_arena_keep(arena, *text);
  return text->data != NULL ? FRZ_OK : frz_fail_nomem(err, "puffin blob");
}

static frz_status keep_properties(frz_arena *arena, frz_puffin_blob *blob, frz_error *err)
{
  frz_puffin_property *kept = frz_arena_array(arena, blob->n_properties, sizeof *kept);
  if (kept == NULL) return frz_fail_nomem(err, "puffin blob");
  for (size_t i = 0; i < blob->n_properties; i++) {
    kept[i] = blob->properties[i];
    FRZ_TRY(keep_text(arena, &kept[i].key, err));
    FRZ_TRY(keep_text(arena, &kept[i].value, err));
  }
  blob->properties = kept;
  return FRZ_OK;
}

/* Make room for a blob and copy what `about` points to; it counts once its bytes are written. */
static frz_status keep_blob(frz_puffin_writer *w, const frz_puffin_blob *about,
                            frz_puffin_blob **blob_out, frz_error *err)
{
  frz_puffin_blob *blobs =
      frz_arena_list_room(&w->arena, w->blobs, w->n_blobs, &w->blobs_capacity, sizeof *blobs);
  if (blobs == NULL) return frz_fail_nomem(err, "puffin blobs");
  w->blobs = blobs;
  frz_puffin_blob *blob = &blobs[w->n_blobs];
  *blob = *about;
  int32_t *ids = frz_arena_array(&w->arena, blob->n_field_ids, sizeof *ids);
  if (ids == NULL) return frz_fail_nomem(err, "puffin blob");
  if (blob->n_field_ids != 0) memcpy(ids, blob->field_ids, blob->n_field_ids * sizeof *ids);
  blob->field_ids = ids;
  FRZ_TRY(keep_text(&w->arena, &blob->type, err));
  FRZ_TRY(keep_properties(&w->arena, blob, err));
  *blob_out = blob;
  return FRZ_OK;
}

frz_status frz_puffin_writer_add(frz_puffin_writer *writer, const frz_puffin_blob *about,
                                 const void *data, size_t size, int64_t *offset_out,
                                 int64_t *length_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_puffin_blob *blob;
  frz_buf packed;
  frz_buf_init(&packed, writer->alloc, FRZ_LIMIT_PUFFIN_BLOB_BYTES);
  frz_str stored = {data, size};
  if (size > FRZ_LIMIT_PUFFIN_BLOB_BYTES)
    FRZ_TRY_OUT(frz_fail(err, FRZ_ERR_LIMIT, "%zu bytes pass the limit of %zu", size,
                         FRZ_LIMIT_PUFFIN_BLOB_BYTES));
  if (about->codec != FRZ_PUFFIN_UNCOMPRESSED) {
    FRZ_TRY_OUT(
        frz_compress_append(frz_puffin_codec_of(about->codec), 0, data, size, &packed, err));
    stored = frz_buf_str(&packed);
  }
  FRZ_TRY_OUT(keep_blob(writer, about, &blob, err));
  blob->offset = writer->written_bytes;
  blob->length = (int64_t)stored.size;
  if (stored.size != 0) FRZ_TRY_OUT(put(writer, stored.data, stored.size, err));
  writer->n_blobs++;
  *offset_out = blob->offset;
  *length_out = blob->length;
out:
  if (st != FRZ_OK) frz_error_where(err, "puffin blob '%.*s': ", FRZ_STR_ARG(about->type));
  frz_buf_dispose(&packed);
  return st;
}

/* ---- the footer ---- */

static void write_properties(frz_json_writer *json, const frz_puffin_property *properties,
                             size_t n_properties)
{
  for (size_t i = 0; i < n_properties; i++) {
    frz_json_write_key_str(json, properties[i].key);
    frz_json_write_string(json, properties[i].value);
  }
}

static void write_blob(frz_json_writer *json, const frz_puffin_blob *blob)
{
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "type", blob->type);
  frz_json_write_key(json, "fields");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < blob->n_field_ids; i++) frz_json_write_i64(json, blob->field_ids[i]);
  frz_json_write_array_end(json);
  frz_json_write_i64_member(json, "snapshot-id", blob->snapshot_id);
  frz_json_write_i64_member(json, "sequence-number", blob->sequence_number);
  frz_json_write_i64_member(json, "offset", blob->offset);
  frz_json_write_i64_member(json, "length", blob->length);
  if (blob->codec != FRZ_PUFFIN_UNCOMPRESSED)
    frz_json_write_string_member(json, "compression-codec",
                                 blob->codec == FRZ_PUFFIN_LZ4 ? FRZ_STR("lz4") : FRZ_STR("zstd"));
  if (blob->n_properties != 0) {
    frz_json_write_key(json, "properties");
    frz_json_write_object_begin(json);
    write_properties(json, blob->properties, blob->n_properties);
    frz_json_write_object_end(json);
  }
  frz_json_write_object_end(json);
}

static bool has_property(const frz_puffin_property *properties, size_t n_properties,
                         const char *key)
{
  for (size_t i = 0; i < n_properties; i++)
    if (frz_str_is(properties[i].key, key)) return true;
  return false;
}

static frz_status write_json(frz_puffin_writer *w, const frz_puffin_property *properties,
                             size_t n_properties, frz_buf *out, frz_error *err)
{
  frz_json_writer json;
  frz_json_writer_init(&json, out);
  frz_json_write_object_begin(&json);
  frz_json_write_key(&json, "blobs");
  frz_json_write_array_begin(&json);
  for (size_t i = 0; i < w->n_blobs; i++) write_blob(&json, &w->blobs[i]);
  frz_json_write_array_end(&json);
  frz_json_write_key(&json, "properties");
  frz_json_write_object_begin(&json);
  write_properties(&json, properties, n_properties);
  if (!has_property(properties, n_properties, "created-by")) {
    frz_str created_by = frz_arena_print(&w->arena, "frazil version %s", frz_version());
    if (created_by.data == NULL) return frz_fail_nomem(err, "created-by");
    frz_json_write_string_member(&json, "created-by", created_by);
  }
  frz_json_write_object_end(&json);
  frz_json_write_object_end(&json);
  return frz_json_writer_finish(&json, err);
}

frz_status frz_puffin_writer_finish(frz_puffin_writer *writer,
                                    const frz_puffin_property *properties, size_t n_properties,
                                    frz_error *err)
{
  frz_status st = FRZ_OK;
  uint8_t trailer[FRZ_PUFFIN_TRAILER_BYTES] = {0};
  frz_buf json;
  frz_buf_init(&json, writer->alloc, FRZ_LIMIT_PUFFIN_FOOTER_BYTES);
  FRZ_TRY_OUT(write_json(writer, properties, n_properties, &json, err));
  FRZ_TRY_OUT(put_magic(writer, err));
  FRZ_TRY_OUT(put(writer, json.data, json.size, err));
  frz_store_u32le(trailer, (uint32_t)json.size);
  frz_store_u32le(trailer + 8, FRZ_PUFFIN_MAGIC);
  FRZ_TRY_OUT(put(writer, trailer, sizeof trailer, err));
out:
  if (st != FRZ_OK) frz_error_where(err, "puffin footer: ");
  frz_buf_dispose(&json);
  return st;
}
