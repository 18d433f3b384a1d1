/*
 * test_files.c - see test_files.h.
 */
#include "test_files.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef FRZ_SOURCE_ROOT
#define FRZ_SOURCE_ROOT "."
#endif

void frz_test_folder(char path_out[256])
{
  const char *parent = getenv("TMPDIR");
  snprintf(path_out, 256, "%s/frazil-test-XXXXXX", parent != NULL ? parent : "/tmp");
  if (mkdtemp(path_out) == NULL) {
    perror(path_out);
    exit(1);
  }
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
  (void)info;
  (void)kind;
  (void)walk;
  return remove(path);
}

void frz_test_folder_remove(const char *path)
{
  nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

uint8_t *frz_test_read(const char *path, size_t *size_out)
{
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
  if (size < 0 || data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
    perror(path);
    exit(1);
  }
  fclose(file);
  *size_out = (size_t)size;
  return data;
}

void frz_test_write(const char *path, const void *data, size_t size)
{
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
    perror(path);
    exit(1);
  }
}

bool frz_test_fixtures(char path_out[4096])
{
  const char *named = getenv("FRAZIL_FIXTURES");
  snprintf(path_out, 4096, "%s", named != NULL ? named : FRZ_SOURCE_ROOT "/../shared/fixtures");
  struct stat info;
  if (stat(path_out, &info) == 0 && S_ISDIR(info.st_mode)) return true;
  printf("skipped: no fixtures at %s\n", path_out);
  return false;
}

void frz_test_golden(const char *name, char path_out[4096])
{
  snprintf(path_out, 4096, "%s/tests/golden/%s", FRZ_SOURCE_ROOT, name);
}
