/*
 * replay.c - run a fuzz target over the files of its corpus, with any compiler.
 *
 * Usage: replay_<target> FOLDER-OR-FILE...
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int n_files;

static void replay_file(const char *path)
{
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
  if (data == NULL || size < 0 || fread(data, 1, (size_t)size, file) != (size_t)size) exit(1);
  fclose(file);
  LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
  n_files++;
}

static void replay_folder(const char *path)
{
  DIR *folder = opendir(path);
  if (folder == NULL) {
    perror(path);
    exit(1);
  }
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    char file[4096];
    if (snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < (int)sizeof file)
      replay_file(file);
  }
  closedir(folder);
}

int main(int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    struct stat info;
    if (stat(argv[i], &info) != 0) {
      perror(argv[i]);
      return 1;
    }
    if (S_ISDIR(info.st_mode))
      replay_folder(argv[i]);
    else
      replay_file(argv[i]);
  }
  printf("replayed %d files\n", n_files);
  return n_files > 0 ? 0 : 1;
}
