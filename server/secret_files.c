/*
 * secret_files.c - tokens and keys: read from files, compared in constant time, wiped.
 *
 * Nothing here prints what it holds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_state.h"
#include "server_fail.h"

enum { SECRET_BYTES_MAX = 1 << 20 };

frz_status secret_file_read(const char *path, const char *what, char **secret_out, size_t *size_out,
                            frz_error *err)
{
  FILE *file = fopen(path, "rbe");
  if (file == NULL)
    return server_fail(err, FRZ_ERR_IO, "%s '%.300s': %s", what, path, strerror(errno));
  char *text = malloc(SECRET_BYTES_MAX + 1);
  size_t size = text != NULL ? fread(text, 1, SECRET_BYTES_MAX, file) : 0;
  bool is_read = text != NULL && !ferror(file);
  bool is_whole = is_read && fgetc(file) == EOF;
  fclose(file);
  frz_status st = FRZ_OK;
  if (text == NULL)
    st = server_fail(err, FRZ_ERR_NOMEM, "no memory for %s", what);
  else if (!is_read)
    st = server_fail(err, FRZ_ERR_IO, "%s '%.300s' cannot be read", what, path);
  else if (!is_whole)
    st = server_fail(err, FRZ_ERR_LIMIT, "%s '%.300s' is larger than %d bytes", what, path,
                     SECRET_BYTES_MAX);
  if (st != FRZ_OK) {
    secret_free(text, size);
    return st;
  }
  text[size] = '\0';
  *secret_out = text;
  *size_out = size;
  return FRZ_OK;
}

void secret_free(char *text, size_t size)
{
  if (text != NULL) explicit_bzero(text, size);
  free(text);
}

bool secret_equal(const char *known, size_t known_size, const char *given, size_t given_size)
{
  /* Which bytes agree must not show in the time; the given length may. */
  unsigned difference = known_size != given_size;
  for (size_t i = 0; i < given_size; i++)
    difference |= (unsigned char)(given[i] ^ known[known_size > 0 ? i % known_size : 0]);
  return difference == 0;
}
