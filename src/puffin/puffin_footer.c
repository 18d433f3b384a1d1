/*
 * puffin_footer.c - the JSON footer of a Puffin file, checked against the file.
 *
 * One request brings the head of the file and its last bytes; a footer that is longer than those
 * costs a second one. Its text is kept in the arena, so that names and values are borrowed from it.
 *
 * What must stay true: every blob that is handed out lies between the file's first magic and its
 * footer, and no two share a byte.
 *
 * Source: Iceberg, "Puffin file format".
 */
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/endian.h"
#include "base/limits.h"
#include "puffin/puffin_parts.h"
#include "text/json_reader.h"

enum {
  TAIL_BYTES = 4096, /* holds the footer of most files */
  FRAME_BYTES = FRZ_PUFFIN_MAGIC_BYTES + FRZ_PUFFIN_TRAILER_BYTES /* of a footer, around its JSON */
};

/* ---- where it lies ---- */

typedef struct tail {
  uint8_t bytes[TAIL_BYTES];
  size_t size;
  uint32_t flags;
  size_t payload_bytes;
} tail;

static frz_status check_magic(const uint8_t *at, const char *where, frz_error *err)
{
  uint32_t found = frz_load_u32be(at);
  if (frz_load_u32le(at) == FRZ_PUFFIN_MAGIC) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "%s is %08x instead of 'PFA1'", where, found);
}

static frz_status parse_trailer(tail *t, int64_t file_bytes, frz_error *err)
{
  const uint8_t *at = t->bytes + t->size - FRZ_PUFFIN_TRAILER_BYTES;
  FRZ_TRY(check_magic(at + 8, "the magic at the end", err));
  uint32_t payload_bytes = frz_load_u32le(at);
  t->flags = frz_load_u32le(at + 4);
  if ((t->flags & ~(uint32_t)FRZ_PUFFIN_FLAG_COMPRESSED) != 0)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "unknown flags %08x", t->flags);
  if (payload_bytes > file_bytes - FRZ_PUFFIN_MAGIC_BYTES - FRAME_BYTES)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%u bytes in a file of %lld", payload_bytes,
                    (long long)file_bytes);
  if (payload_bytes > FRZ_LIMIT_PUFFIN_FOOTER_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "%u bytes pass the limit of %zu", payload_bytes,
                    FRZ_LIMIT_PUFFIN_FOOTER_BYTES);
  t->payload_bytes = payload_bytes;
  return FRZ_OK;
}

static frz_status read_tail(frz_source *source, tail *t, frz_error *err)
{
  uint8_t head[FRZ_PUFFIN_MAGIC_BYTES];
  int64_t size = source->size_bytes;
  if (size < FRZ_PUFFIN_MAGIC_BYTES + FRAME_BYTES)
    return frz_fail(err, FRZ_ERR_CORRUPT, "a file of %lld bytes is too short", (long long)size);
  t->size = size < TAIL_BYTES ? (size_t)size : TAIL_BYTES;
  frz_range ranges[] = {{size - (int64_t)t->size, t->size, t->bytes}, {0, sizeof head, head}};
  bool is_whole = t->size == (size_t)size;
  FRZ_TRY(source->read_ranges(source, ranges, is_whole ? 1 : 2, err));
  FRZ_TRY(check_magic(is_whole ? t->bytes : head, "the magic at the start", err));
  return parse_trailer(t, size, err);
}

/* The magic before the payload, and the payload as it is stored. */
static frz_status read_stored(frz_source *source, const tail *t, frz_buf *stored, frz_error *err)
{
  size_t wanted = FRZ_PUFFIN_MAGIC_BYTES + t->payload_bytes;
  if (wanted + FRZ_PUFFIN_TRAILER_BYTES <= t->size)
    return frz_buf_append(stored, t->bytes + t->size - FRZ_PUFFIN_TRAILER_BYTES - wanted, wanted,
                          err);
  FRZ_TRY(frz_buf_resize(stored, wanted, err));
  int64_t offset = source->size_bytes - FRZ_PUFFIN_TRAILER_BYTES - (int64_t)wanted;
  return frz_source_read(source, offset, wanted, stored->data, err);
}

static frz_status read_payload(frz_source *source, frz_arena *arena, frz_str *json_out,
                               int64_t *footer_bytes_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf stored, plain;
  tail t;
  frz_buf_init(&stored, arena->alloc, FRZ_LIMIT_PUFFIN_FOOTER_BYTES + FRZ_PUFFIN_MAGIC_BYTES);
  frz_buf_init(&plain, arena->alloc, FRZ_LIMIT_PUFFIN_FOOTER_BYTES);
  FRZ_TRY_OUT(read_tail(source, &t, err));
  FRZ_TRY_OUT(read_stored(source, &t, &stored, err));
  FRZ_TRY_OUT(check_magic(stored.data, "the magic before it", err));
  frz_codec codec =
      (t.flags & FRZ_PUFFIN_FLAG_COMPRESSED) != 0 ? FRZ_CODEC_LZ4_FRAME : FRZ_CODEC_NONE;
  FRZ_TRY_OUT(frz_decompress_append(codec, stored.data + FRZ_PUFFIN_MAGIC_BYTES,
                                    stored.size - FRZ_PUFFIN_MAGIC_BYTES, &plain, err));
  frz_str json = frz_arena_keep(arena, frz_buf_str(&plain));
  if (json.data == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "footer"));
  *json_out = json;
  *footer_bytes_out = FRAME_BYTES + (int64_t)t.payload_bytes;
out:
  frz_buf_dispose(&stored);
  frz_buf_dispose(&plain);
  return st;
}

/* ---- what it says ---- */

static frz_status read_properties(frz_json_reader *json, frz_arena *arena,
                                  const frz_puffin_property **properties_out, size_t *n_out,
                                  frz_error *err)
{
  frz_puffin_property *properties = NULL;
  size_t n = 0, capacity = 0;
  bool more, was_null;
  FRZ_TRY(frz_json_read_null(json, &was_null, err));
  if (was_null) return FRZ_OK;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_puffin_property property;
    FRZ_TRY(frz_json_object_next(json, &property.key, &more, err));
    if (!more) break;
    FRZ_TRY(frz_json_read_string(json, &property.value, err));
    properties = frz_arena_list_room(arena, properties, n, &capacity, sizeof property);
    if (properties == NULL) return frz_fail_nomem(err, "properties");
    properties[n++] = property;
  }
  *properties_out = properties;
  *n_out = n;
  return FRZ_OK;
}

static frz_status read_codec(frz_json_reader *json, frz_puffin_codec *codec_out, frz_error *err)
{
  frz_str name;
  bool was_null;
  FRZ_TRY(frz_json_read_null(json, &was_null, err));
  if (was_null) return FRZ_OK;
  FRZ_TRY(frz_json_read_string(json, &name, err));
  if (frz_str_is(name, "lz4"))
    *codec_out = FRZ_PUFFIN_LZ4;
  else if (frz_str_is(name, "zstd"))
    *codec_out = FRZ_PUFFIN_ZSTD;
  else
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "compression-codec '%.*s'", FRZ_STR_ARG(name));
  return FRZ_OK;
}

/* The members without which a blob is none; each one's place is its bit in `seen`. */
static const char *const required[] = {"type",   "fields", "snapshot-id", "sequence-number",
                                       "offset", "length"};
enum { N_REQUIRED = sizeof required / sizeof required[0] };

static frz_status read_required(frz_json_reader *json, size_t member, frz_puffin_blob *blob,
                                frz_error *err)
{
  switch (member) {
  case 0: return frz_json_read_string(json, &blob->type, err);
  case 1: return frz_json_read_i32_array(json, &blob->field_ids, &blob->n_field_ids, err);
  case 2: return frz_json_read_i64(json, &blob->snapshot_id, err);
  case 3: return frz_json_read_i64(json, &blob->sequence_number, err);
  case 4: return frz_json_read_i64(json, &blob->offset, err);
  default: return frz_json_read_i64(json, &blob->length, err);
  }
}

static frz_status read_blob(frz_json_reader *json, frz_arena *arena, frz_puffin_blob *blob,
                            frz_error *err)
{
  unsigned seen = 0;
  bool more;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    size_t member = 0;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) break;
    while (member < N_REQUIRED && !frz_str_is(key, required[member])) member++;
    if (member < N_REQUIRED) {
      FRZ_TRY(read_required(json, member, blob, err));
      seen |= 1u << member;
    } else if (frz_str_is(key, "compression-codec")) {
      FRZ_TRY(read_codec(json, &blob->codec, err));
    } else if (frz_str_is(key, "properties")) {
      FRZ_TRY(read_properties(json, arena, &blob->properties, &blob->n_properties, err));
    } else {
      FRZ_TRY(frz_json_skip(json, err));
    }
  }
  for (size_t i = 0; i < N_REQUIRED; i++) {
    if ((seen & 1u << i) == 0)
      return frz_fail(err, FRZ_ERR_CORRUPT, "a blob before offset %zu has no '%s'", json->pos,
                      required[i]);
  }
  return FRZ_OK;
}

static frz_status read_blobs(frz_json_reader *json, frz_arena *arena, frz_puffin_footer *footer,
                             frz_error *err)
{
  frz_puffin_blob *blobs = NULL;
  size_t n = 0, capacity = 0;
  bool more;
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) break;
    blobs = frz_arena_list_room(arena, blobs, n, &capacity, sizeof *blobs);
    if (blobs == NULL) return frz_fail_nomem(err, "blobs");
    FRZ_TRY(read_blob(json, arena, &blobs[n++], err));
  }
  footer->blobs = blobs;
  footer->n_blobs = n;
  return FRZ_OK;
}

static frz_status read_json(frz_str text, frz_arena *arena, frz_puffin_footer *footer,
                            frz_error *err)
{
  frz_json_reader json;
  bool has_blobs = false;
  bool more;
  frz_json_reader_init(&json, text.data, text.size, arena);
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str key;
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) break;
    if (frz_str_is(key, "blobs")) {
      FRZ_TRY(read_blobs(&json, arena, footer, err));
      has_blobs = true;
    } else if (frz_str_is(key, "properties")) {
      FRZ_TRY(read_properties(&json, arena, &footer->properties, &footer->n_properties, err));
    } else {
      FRZ_TRY(frz_json_skip(&json, err));
    }
  }
  if (!has_blobs) return frz_fail(err, FRZ_ERR_CORRUPT, "no 'blobs'");
  return frz_json_finish(&json, err);
}

/* ---- does it fit the file ---- */

static int by_offset(const void *a, const void *b)
{
  const frz_puffin_blob *left = *(const frz_puffin_blob *const *)a;
  const frz_puffin_blob *right = *(const frz_puffin_blob *const *)b;
  if (left->offset != right->offset) return left->offset < right->offset ? -1 : 1;
  return (left->length > right->length) - (left->length < right->length);
}

static frz_status check_range(const frz_puffin_blob *blob, int64_t end, frz_error *err)
{
  if (blob->offset >= FRZ_PUFFIN_MAGIC_BYTES && blob->length >= 0 && blob->offset <= end &&
      blob->length <= end - blob->offset)
    return FRZ_OK;
  return frz_fail(
      err, FRZ_ERR_CORRUPT, "blob '%.*s' of %lld bytes at offset %lld is not between 4 and %lld",
      FRZ_STR_ARG(blob->type), (long long)blob->length, (long long)blob->offset, (long long)end);
}

static frz_status check_blobs(const frz_puffin_footer *footer, frz_arena *arena, int64_t file_bytes,
                              frz_error *err)
{
  size_t n = footer->n_blobs;
  const frz_puffin_blob **sorted = frz_arena_array(arena, n, sizeof *sorted);
  if (sorted == NULL) return frz_fail_nomem(err, "places of blobs");
  for (size_t i = 0; i < n; i++) {
    FRZ_TRY(check_range(&footer->blobs[i], file_bytes - footer->footer_bytes, err));
    sorted[i] = &footer->blobs[i];
  }
  if (n > 1) qsort(sorted, n, sizeof *sorted, by_offset);
  for (size_t i = 1; i < n; i++) {
    if (sorted[i - 1]->length > sorted[i]->offset - sorted[i - 1]->offset)
      return frz_fail(err, FRZ_ERR_CORRUPT, "blobs at offsets %lld and %lld overlap",
                      (long long)sorted[i - 1]->offset, (long long)sorted[i]->offset);
  }
  return FRZ_OK;
}

frz_status frz_puffin_footer_read(frz_source *source, frz_arena *arena,
                                  frz_puffin_footer *footer_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_puffin_footer footer = {0};
  frz_str json;
  FRZ_TRY_OUT(read_payload(source, arena, &json, &footer.footer_bytes, err));
  FRZ_TRY_OUT(read_json(json, arena, &footer, err));
  FRZ_TRY_OUT(check_blobs(&footer, arena, source->size_bytes, err));
  *footer_out = footer;
out:
  if (st != FRZ_OK) frz_error_where(err, "puffin footer: ");
  return st;
}
