/*
 * location.c - see location.h.
 */
#include "iceberg/maintain/location.h"

#include "base/limits.h"
#include "storage/storage.h"

/* Bytes of the scheme in front of ':'; 0: none. A single letter would be a drive, not a scheme. */
static size_t scheme_bytes(frz_str location)
{
  size_t n = 0;
  while (n < location.size) {
    char c = frz_char_lower(location.data[n]);
    bool is_letter = c >= 'a' && c <= 'z';
    bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!is_letter && !(is_other && n != 0)) break;
    n++;
  }
  return n > 1 && n < location.size && location.data[n] == ':' ? n : 0;
}

/* The scheme that stands for all those of a store; in small letters. */
static frz_status append_scheme(frz_str scheme, frz_buf *out, frz_error *err)
{
  static const char *const aliases[][2] = {{"s3a", "s3"},     {"s3n", "s3"},
                                           {"gcs", "gs"},     {"abfs", "abfss"},
                                           {"wasb", "abfss"}, {"wasbs", "abfss"}};
  for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
    if (frz_str_is_word(scheme, aliases[i][0])) scheme = frz_str_from(aliases[i][1]);
  for (size_t i = 0; i < scheme.size; i++)
    FRZ_TRY(frz_buf_append_byte(out, (uint8_t)frz_char_lower(scheme.data[i]), err));
  return frz_buf_append_str(out, FRZ_STR("://"), err);
}

/* An account of Azure has two hosts for the same files. */
static frz_status append_host(frz_str host, frz_buf *out, frz_error *err)
{
  static const char blob[] = ".blob.core.";
  const char *at = host.size != 0 ? memmem(host.data, host.size, blob, sizeof blob - 1) : NULL;
  if (at == NULL) return frz_buf_append_str(out, host, err);
  size_t before = (size_t)(at - host.data), after = before + sizeof blob - 1;
  FRZ_TRY(frz_buf_append(out, host.data, before, err));
  FRZ_TRY(frz_buf_append_str(out, FRZ_STR(".dfs.core."), err));
  return frz_buf_append(out, host.data + after, host.size - after, err);
}

/* A path without doubled slashes and without one at its end. */
static frz_status append_path(frz_str path, frz_buf *out, frz_error *err)
{
  for (size_t i = 0; i < path.size; i++) {
    bool is_slash = path.data[i] == '/';
    if (is_slash) {
      size_t next = i + 1;
      while (next < path.size && path.data[next] == '/') next++;
      if (next == path.size) break; /* at the end */
      i = next - 1;
    }
    FRZ_TRY(frz_buf_append_byte(out, (uint8_t)path.data[i], err));
  }
  return FRZ_OK;
}

static frz_str rest_of(frz_str text, size_t from)
{
  return (frz_str){text.data + from, text.size - from};
}

static frz_status append_local(frz_str path, frz_buf *out, frz_error *err)
{
  if (path.size != 0 && path.data[0] == '/') {
    size_t before = out->size;
    FRZ_TRY(append_path(path, out, err));
    return out->size != before ? FRZ_OK : frz_buf_append_byte(out, '/', err);
  }
  frz_buf absolute;
  frz_buf_init(&absolute, out->alloc, FRZ_LIMIT_LOCATION_BYTES);
  frz_status st = frz_storage_absolute(path, &absolute, err);
  if (st == FRZ_OK) st = append_path(frz_buf_str(&absolute), out, err);
  frz_buf_dispose(&absolute);
  return st;
}

frz_status frz_location_normalise(frz_str location, frz_buf *out, frz_error *err)
{
  if (location.size > FRZ_LIMIT_LOCATION_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "location of %zu bytes: at most %zu are allowed",
                    location.size, FRZ_LIMIT_LOCATION_BYTES);
  size_t n_scheme = scheme_bytes(location);
  if (n_scheme == 0) return append_local(location, out, err);
  frz_str scheme = {location.data, n_scheme};
  frz_str rest = rest_of(location, n_scheme + 1);
  frz_str host = {0};
  if (frz_str_starts(rest, "//")) {
    rest = rest_of(rest, 2);
    size_t n_host = 0;
    while (n_host < rest.size && rest.data[n_host] != '/') n_host++;
    host = (frz_str){rest.data, n_host};
    rest = rest_of(rest, n_host);
  }
  bool is_local =
      frz_str_is_word(scheme, "file") && (host.size == 0 || frz_str_is_word(host, "localhost"));
  if (is_local) return append_local(rest, out, err);
  FRZ_TRY(append_scheme(scheme, out, err));
  FRZ_TRY(append_host(host, out, err));
  if (rest.size != 0 && rest.data[0] != '/') FRZ_TRY(frz_buf_append_byte(out, '/', err));
  return append_path(rest, out, err);
}

frz_str frz_location_path(frz_str normalised)
{
  size_t n_scheme = scheme_bytes(normalised);
  if (n_scheme == 0) return normalised;
  size_t at = n_scheme + 3;
  while (at < normalised.size && normalised.data[at] != '/') at++;
  return rest_of(normalised, at);
}

bool frz_location_is_below(frz_str location, frz_str folder)
{
  if (location.size < folder.size || memcmp(location.data, folder.data, folder.size) != 0)
    return false;
  return location.size == folder.size || location.data[folder.size] == '/' ||
         (folder.size != 0 && folder.data[folder.size - 1] == '/');
}
