/*
 * metadata_file.c - table metadata files: names, reading, and writing the next version.
 *
 * Files are never changed: each version gets a name of its own,
 * "<version, 5 digits>-<uuid>.metadata.json", or ".gz.metadata.json" when the table asks for gzip.
 * They are written as new objects only, so two writers that choose the same version never touch
 * each other's file; which of them counts is the catalog's decision.
 *
 * Source: Iceberg specification, "Metastore Tables"; names as its Java and Python libraries give.
 */
#include <stdio.h>

#include "base/limits.h"
#include "base/os.h"
#include "codec/compress.h"
#include "iceberg/table/table_handle.h"

/* The folder that a property names, or one below the table's location. */
static frz_str choose_folder(const frz_table_metadata *metadata, const char *key, const char *below,
                             frz_arena *arena)
{
  frz_str folder = frz_metadata_property(metadata, key);
  while (folder.size > 1 && folder.data[folder.size - 1] == '/') folder.size--;
  if (folder.size != 0) return frz_arena_copy(arena, folder);
  frz_str location = metadata->location;
  if (location.size != 0 && location.data[location.size - 1] == '/') location.size--; /* "/" */
  return frz_arena_print(arena, "%.*s/%s", (int)location.size, location.data, below);
}

frz_str frz_metadata_folder(const frz_table_metadata *metadata, frz_arena *arena)
{
  return choose_folder(metadata, "write.metadata.path", "metadata", arena);
}

frz_str frz_data_folder(const frz_table_metadata *metadata, frz_arena *arena)
{
  return choose_folder(metadata, "write.data.path", "data", arena);
}

/* The version in a file's name: "00012-<uuid>..." and "v12.metadata.json" give 12; -1: none. */
static int64_t version_of(frz_str location)
{
  size_t at = location.size;
  while (at > 0 && location.data[at - 1] != '/') at--;
  if (at < location.size && location.data[at] == 'v') at++;
  int64_t version = 0;
  size_t digits = 0;
  for (; at < location.size && location.data[at] >= '0' && location.data[at] <= '9'; at++) {
    if (++digits > 9) return -1;
    version = version * 10 + (location.data[at] - '0');
  }
  bool ends_well = at < location.size && (location.data[at] == '-' || location.data[at] == '.');
  return digits != 0 && ends_well ? version : -1;
}

static frz_status metadata_codec(const frz_table_metadata *metadata, bool *is_gzip_out,
                                 frz_error *err)
{
  frz_str codec = frz_metadata_property(metadata, "write.metadata.compression-codec");
  *is_gzip_out = frz_str_is(codec, "gzip") || frz_str_is(codec, "GZIP");
  if (*is_gzip_out || codec.size == 0 || frz_str_is(codec, "none") || frz_str_is(codec, "NONE") ||
      frz_str_is(codec, "uncompressed"))
    return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "property write.metadata.compression-codec: '%.*s' is neither none nor gzip",
                  FRZ_STR_ARG(codec));
}

static frz_status new_location(const frz_table_metadata *metadata, int64_t version, bool is_gzip,
                               frz_arena *arena, frz_str *location_out, frz_error *err)
{
  char uuid[37];
  FRZ_TRY(frz_os_uuid(uuid, err));
  frz_str folder = frz_metadata_folder(metadata, arena);
  if (folder.data == NULL) return frz_fail_nomem(err, "metadata location");
  *location_out = frz_arena_print(arena, "%s/%05lld-%s%s.metadata.json", folder.data,
                                  (long long)version, uuid, is_gzip ? ".gz" : "");
  return location_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "metadata location");
}

static frz_status write_version(frz_context *context, frz_storage *storage,
                                frz_table_metadata *metadata, int64_t version,
                                frz_string *location_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  frz_string location = {0};
  frz_arena arena;
  frz_buf json, packed;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_buf_init(&json, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_buf_init(&packed, alloc, FRZ_LIMIT_METADATA_BYTES);
  bool is_gzip;
  frz_str path;
  FRZ_TRY_OUT(metadata_codec(metadata, &is_gzip, err));
  FRZ_TRY_OUT(new_location(metadata, version, is_gzip, &arena, &path, err));
  FRZ_TRY_OUT(frz_string_copy(alloc, path, &location, err));
  FRZ_TRY_OUT(frz_table_metadata_write(metadata, &json, err));
  if (is_gzip)
    FRZ_TRY_OUT(frz_compress_append(FRZ_CODEC_GZIP, 0, json.data, json.size, &packed, err));
  const frz_buf *bytes = is_gzip ? &packed : &json;
  FRZ_TRY_OUT(frz_storage_write_all(storage, path, true, bytes->data, bytes->size, err));
  *location_out = location;
  location = (frz_string){0};
out:
  frz_string_dispose(&location);
  frz_buf_dispose(&json);
  frz_buf_dispose(&packed);
  frz_arena_free(&arena);
  return st;
}

frz_status frz_metadata_write_first(frz_context *context, frz_storage *storage,
                                    frz_table_metadata *metadata, frz_loaded_table *first_out,
                                    frz_error *err)
{
  frz_string location;
  FRZ_TRY(write_version(context, storage, metadata, 0, &location, err));
  *first_out =
      (frz_loaded_table){.metadata = frz_table_metadata_retain(metadata), .location = location};
  return FRZ_OK;
}

frz_status frz_metadata_write_next(frz_context *context, frz_storage *storage,
                                   const frz_loaded_table *base,
                                   const frz_requirement *requirements, size_t n_requirements,
                                   const frz_metadata_update *updates, size_t n_updates,
                                   frz_loaded_table *next_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_table_metadata *next = NULL;
  frz_string location;
  frz_str base_location = {base->location.data, base->location.size_bytes};
  FRZ_TRY(frz_requirements_check(base->metadata, requirements, n_requirements, err));
  FRZ_TRY(frz_metadata_apply(base->metadata, base_location, updates, n_updates,
                             frz_context_alloc(context), &next, err));
  int64_t version = version_of(base_location) + 1;
  FRZ_TRY_OUT(write_version(context, storage, next, version, &location, err));
  *next_out = (frz_loaded_table){.metadata = next, .location = location};
  return FRZ_OK;
out:
  frz_table_metadata_release(next);
  return st;
}

static bool in_log(const frz_table_metadata *metadata, frz_str file)
{
  for (size_t i = 0; i < metadata->n_metadata_log; i++)
    if (frz_str_equal(metadata->metadata_log[i].metadata_file, file)) return true;
  return false;
}

void frz_metadata_remove_trimmed(frz_context *context, frz_storage *storage,
                                 const frz_table_metadata *before, const frz_table_metadata *after)
{
  frz_str enabled = frz_metadata_property(after, "write.metadata.delete-after-commit.enabled");
  if (!frz_str_is(enabled, "true")) return;
  for (size_t i = 0; i < before->n_metadata_log; i++) {
    frz_str file = before->metadata_log[i].metadata_file;
    if (in_log(after, file)) continue;
    frz_error err;
    frz_status st = frz_storage_remove(storage, file, &err);
    if (st != FRZ_OK && st != FRZ_ERR_NOT_FOUND)
      frz_context_log(context, FRZ_LOG_WARNING, "old metadata file stays: %s", err.message);
  }
}

frz_status frz_metadata_read(frz_context *context, frz_storage *storage, frz_str location,
                             frz_loaded_table *loaded_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_status st = FRZ_OK;
  frz_loaded_table loaded = {0};
  frz_buf bytes;
  frz_buf_init(&bytes, alloc, FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(frz_storage_read_all_cached(storage, location, &bytes, err));
  FRZ_TRY_OUT(frz_string_copy(alloc, location, &loaded.location, err));
  FRZ_TRY_OUT(frz_table_metadata_take(location, &bytes, &loaded.metadata, err));
  *loaded_out = loaded;
  loaded = (frz_loaded_table){0};
out:
  frz_loaded_table_dispose(&loaded);
  frz_buf_dispose(&bytes);
  return st;
}
