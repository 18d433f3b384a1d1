/*
 * statistics_file.c - see statistics_file.h.
 *
 * Invariant: `json` of an entry that is in table metadata is set, is of the metadata's arena, and
 * says what the entry's other members say.
 */
#include "iceberg/metadata/statistics_file.h"

#include <assert.h>

#include "base/arena_list.h"

/* ---- reading ---- */

static frz_status parse_properties(frz_json_reader *json, frz_arena *arena,
                                   frz_statistics_blob *blob, frz_error *err)
{
  frz_text_pair *pairs = NULL;
  size_t n = 0, capacity = 0;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_text_pair pair;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &pair.key, &more, err));
    if (!more) break;
    FRZ_TRY(frz_json_read_string(json, &pair.value, err));
    pairs = frz_arena_list_room(arena, pairs, n, &capacity, sizeof *pairs);
    if (pairs == NULL) return frz_fail_nomem(err, "statistics");
    pairs[n++] = pair;
  }
  blob->properties = pairs;
  blob->n_properties = n;
  return FRZ_OK;
}

static frz_status parse_blob(frz_json_reader *json, frz_arena *arena, frz_statistics_blob *blob,
                             frz_error *err)
{
  *blob = (frz_statistics_blob){.snapshot_id = -1, .sequence_number = -1};
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more, was_null;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_null(json, &was_null, err));
    if (was_null) continue;
    if (frz_str_is(key, "type"))
      FRZ_TRY(frz_json_read_string(json, &blob->type, err));
    else if (frz_str_is(key, "snapshot-id"))
      FRZ_TRY(frz_json_read_i64(json, &blob->snapshot_id, err));
    else if (frz_str_is(key, "sequence-number"))
      FRZ_TRY(frz_json_read_i64(json, &blob->sequence_number, err));
    else if (frz_str_is(key, "fields"))
      FRZ_TRY(frz_json_read_i32_array(json, &blob->field_ids, &blob->n_field_ids, err));
    else if (frz_str_is(key, "properties"))
      FRZ_TRY(parse_properties(json, arena, blob, err));
    else
      FRZ_TRY(frz_json_skip(json, err));
  }
}

static frz_status parse_blobs(frz_json_reader *json, frz_arena *arena, frz_statistics_file *file,
                              frz_error *err)
{
  frz_statistics_blob *blobs = NULL;
  size_t n = 0, capacity = 0;
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    bool more;
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) break;
    blobs = frz_arena_list_room(arena, blobs, n, &capacity, sizeof *blobs);
    if (blobs == NULL) return frz_fail_nomem(err, "statistics");
    FRZ_TRY(parse_blob(json, arena, &blobs[n], err));
    n++;
  }
  file->blobs = blobs;
  file->n_blobs = n;
  return FRZ_OK;
}

static frz_status parse_member(frz_json_reader *json, frz_arena *arena, frz_str key,
                               frz_statistics_file *file, bool *has_snapshot, frz_error *err)
{
  if (frz_str_is(key, "snapshot-id")) {
    *has_snapshot = true;
    return frz_json_read_i64(json, &file->snapshot_id, err);
  }
  if (frz_str_is(key, "statistics-path")) return frz_json_read_string(json, &file->path, err);
  if (frz_str_is(key, "file-size-in-bytes")) return frz_json_read_i64(json, &file->size_bytes, err);
  if (frz_str_is(key, "file-footer-size-in-bytes"))
    return frz_json_read_i64(json, &file->footer_bytes, err);
  if (frz_str_is(key, "key-metadata")) return frz_json_read_string(json, &file->key_metadata, err);
  if (frz_str_is(key, "blob-metadata")) return parse_blobs(json, arena, file, err);
  return frz_json_skip(json, err);
}

frz_status frz_statistics_file_parse(frz_json_reader *json, frz_arena *arena,
                                     frz_statistics_file *file_out, frz_error *err)
{
  frz_statistics_file file = {.size_bytes = -1, .footer_bytes = -1};
  frz_json_reader entry; /* of a copy, that texts may be borrowed from */
  bool has_snapshot = false;
  frz_str text;
  FRZ_TRY(frz_json_read_raw(json, &text, err));
  file.json = frz_arena_copy(arena, text);
  if (file.json.data == NULL) return frz_fail_nomem(err, "statistics");
  frz_json_reader_init(&entry, file.json.data, file.json.size, arena);
  FRZ_TRY(frz_json_object_begin(&entry, err));
  for (;;) {
    frz_str key;
    bool more, was_null;
    FRZ_TRY(frz_json_object_next(&entry, &key, &more, err));
    if (!more) break;
    FRZ_TRY(frz_json_read_null(&entry, &was_null, err));
    if (!was_null) FRZ_TRY(parse_member(&entry, arena, key, &file, &has_snapshot, err));
  }
  if (!has_snapshot) return frz_fail(err, FRZ_ERR_CORRUPT, "statistics: 'snapshot-id' is missing");
  if (file.path.data == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "statistics: 'statistics-path' is missing");
  *file_out = file;
  return FRZ_OK;
}

/* ---- writing ---- */

static void write_blob(frz_json_writer *json, const frz_statistics_blob *blob)
{
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "type", blob->type);
  frz_json_write_i64_member(json, "snapshot-id", blob->snapshot_id);
  frz_json_write_i64_member(json, "sequence-number", blob->sequence_number);
  frz_json_write_key(json, "fields");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < blob->n_field_ids; i++) frz_json_write_i64(json, blob->field_ids[i]);
  frz_json_write_array_end(json);
  if (blob->n_properties != 0) {
    frz_json_write_key(json, "properties");
    frz_json_write_object_begin(json);
    for (size_t i = 0; i < blob->n_properties; i++) {
      frz_json_write_key_str(json, blob->properties[i].key);
      frz_json_write_string(json, blob->properties[i].value);
    }
    frz_json_write_object_end(json);
  }
  frz_json_write_object_end(json);
}

/* A footer size is what sets the statistics of a table apart from those of partitions. */
static void write_file(frz_json_writer *json, const frz_statistics_file *file)
{
  frz_json_write_object_begin(json);
  frz_json_write_i64_member(json, "snapshot-id", file->snapshot_id);
  frz_json_write_string_member(json, "statistics-path", file->path);
  frz_json_write_i64_member(json, "file-size-in-bytes", file->size_bytes);
  if (file->footer_bytes >= 0) {
    frz_json_write_i64_member(json, "file-footer-size-in-bytes", file->footer_bytes);
    if (file->key_metadata.data != NULL)
      frz_json_write_string_member(json, "key-metadata", file->key_metadata);
    frz_json_write_key(json, "blob-metadata");
    frz_json_write_array_begin(json);
    for (size_t i = 0; i < file->n_blobs; i++) write_blob(json, &file->blobs[i]);
    frz_json_write_array_end(json);
  }
  frz_json_write_object_end(json);
}

void frz_statistics_files_write(frz_json_writer *json, const char *key,
                                const frz_statistics_file *files, size_t n_files)
{
  if (n_files == 0) return;
  frz_json_write_key(json, key);
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < n_files; i++) {
    assert(files[i].json.data != NULL);
    frz_json_write_raw(json, files[i].json);
  }
  frz_json_write_array_end(json);
}

frz_status frz_statistics_file_copy(frz_arena *arena, const frz_statistics_file *from,
                                    frz_statistics_file *to, frz_error *err)
{
  frz_buf text;
  frz_json_writer writer;
  frz_json_reader reader;
  frz_status st = FRZ_OK;
  if (from->json.data != NULL) {
    frz_json_reader_init(&reader, from->json.data, from->json.size, arena);
    return frz_statistics_file_parse(&reader, arena, to, err);
  }
  frz_buf_init(&text, arena->alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_json_writer_init(&writer, &text);
  write_file(&writer, from);
  FRZ_TRY_OUT(frz_json_writer_finish(&writer, err));
  frz_json_reader_init(&reader, text.data, text.size, arena);
  FRZ_TRY_OUT(frz_statistics_file_parse(&reader, arena, to, err));
out:
  frz_buf_dispose(&text);
  return st;
}
