/*
 * lookup_bench.c - how long frz_online_read() takes, for the bench's core part.
 *
 * Usage: lookup_bench URI WAREHOUSE TABLE CACHE_DIR N_KEYS
 *
 * The table is one that core_part.py makes: keys 0 to N_KEYS - 1, each with float features of which
 * feature f of key k is k mod 65536 + f / 64. Every value that is read is compared. Prints one JSON
 * object; times are of one thread, in seconds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frazil/frazil.h"

enum { BATCH_KEYS = 1000, N_BATCHES = 400, WARM_READS = 200000, WARM_KEYS = 1000, KEY_BYTES = 64 };

typedef struct bench {
  frz_context *context;
  frz_catalog *catalog;
  frz_online *online;
  const frz_online_info *info;
  frz_online_result *result;
  int64_t n_keys;
  uint64_t random;
} bench;

static void stop(const char *what)
{
  fprintf(stderr, "lookup_bench: %s\n", what);
  exit(1);
}

static void must(frz_status st, const frz_error *err)
{
  if (st != FRZ_OK) stop(err->message);
}

static double now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* splitmix64 */
static int64_t random_key(bench *b)
{
  uint64_t z = b->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (int64_t)((z ^ (z >> 31)) % (uint64_t)b->n_keys);
}

static void write_key(const bench *b, int64_t key, uint8_t *bytes, frz_bytes *out)
{
  frz_error err = {0};
  size_t size;
  const frz_value value = {.kind = FRZ_VALUE_INT64, .as.i64 = key};
  must(frz_online_entity_key(b->info, &value, bytes, KEY_BYTES, &size, &err), &err);
  if (size > KEY_BYTES) stop("a key of another length");
  *out = (frz_bytes){bytes, size};
}

static int compare_times(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts; prints `name` and `name`_p99. */
static void print_times(const char *name, double *times, size_t n)
{
  qsort(times, n, sizeof *times, compare_times);
  printf("\"%s\": %.9f, \"%s_p99\": %.9f, ", name, times[n / 2], name, times[n * 99 / 100]);
}

static void check_matrix(const bench *b, const int64_t *numbers, const float *matrix)
{
  size_t n_features = b->info->n_features;
  for (size_t k = 0; k < BATCH_KEYS; k++)
    for (size_t f = 0; f < n_features; f++)
      if (matrix[k * n_features + f] != (float)(numbers[k] % 65536) + (float)f / 64)
        stop("another value came back");
}

static void measure_batches(bench *b)
{
  static uint8_t bytes[BATCH_KEYS][KEY_BYTES];
  static frz_bytes keys[BATCH_KEYS];
  static int64_t numbers[BATCH_KEYS];
  static double times[N_BATCHES];
  frz_error err = {0};
  float *matrix = calloc(BATCH_KEYS * b->info->n_features, sizeof *matrix);
  if (matrix == NULL) stop("out of memory");
  for (size_t i = 0; i < N_BATCHES; i++) {
    for (size_t k = 0; k < BATCH_KEYS; k++) {
      numbers[k] = random_key(b);
      write_key(b, numbers[k], bytes[k], &keys[k]);
    }
    double start = now();
    must(frz_online_read(b->online, keys, BATCH_KEYS, NULL, 0, b->result, &err), &err);
    must(frz_online_result_floats(b->result, matrix, &err), &err);
    times[i] = now() - start;
    check_matrix(b, numbers, matrix);
  }
  print_times("batch", times, N_BATCHES);
  free(matrix);
}

/* One key a call, of a thousand that the processor's cache holds. */
static void measure_warm_keys(bench *b)
{
  static uint8_t bytes[WARM_KEYS][KEY_BYTES];
  static frz_bytes keys[WARM_KEYS];
  static double times[WARM_READS];
  frz_error err = {0};
  for (size_t k = 0; k < WARM_KEYS; k++) write_key(b, random_key(b), bytes[k], &keys[k]);
  double sum = 0;
  for (size_t i = 0; i < WARM_READS + WARM_KEYS; i++) {
    double start = now();
    must(frz_online_read(b->online, &keys[i % WARM_KEYS], 1, NULL, 0, b->result, &err), &err);
    double value = (double)frz_online_result_value(b->result, 0, 0).as.f32;
    if (i >= WARM_KEYS) times[i - WARM_KEYS] = now() - start;
    sum += value;
  }
  if (sum < 0) stop("another value came back");
  print_times("warm_key", times, WARM_READS);
}

static int64_t resident_bytes(void)
{
  long long total, pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return 0;
  if (fscanf(file, "%lld %lld", &total, &pages) != 2) pages = 0;
  fclose(file);
  return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
  if (argc != 6) stop("usage: lookup_bench URI WAREHOUSE TABLE CACHE_DIR N_KEYS");
  bench b = {.n_keys = strtoll(argv[5], NULL, 10), .random = 7};
  const frz_property properties[] = {{"type", "sql"}, {"uri", argv[1]}, {"warehouse", argv[2]}};
  frz_error err = {0};
  frz_online_options options;
  frz_online_stats stats;
  frz_online_options_init(&options);
  options.cache_dir = argv[4];
  options.read_timeout_ms = 0;
  must(frz_context_create(NULL, &b.context, &err), &err);
  must(frz_catalog_open(b.context, "default", properties, 3, &b.catalog, &err), &err);
  must(frz_online_open(b.catalog, argv[3], &options, &b.online, &err), &err);
  double start = now();
  must(frz_online_prepare(b.online, &err), &err);
  double prepared = now();
  must(frz_online_describe(b.online, &b.info, &err), &err);
  must(frz_online_result_create(b.online, &b.result, &err), &err);
  frz_online_stats_get(b.online, &stats);
  printf("{\"prepare\": %.6f, \"builds\": %" PRId64 ", ", prepared - start, stats.n_builds);
  measure_batches(&b);
  measure_warm_keys(&b);
  printf("\"keys\": %" PRId64 ", \"features\": %zu, \"index_bytes\": %" PRId64
         ", \"resident_bytes\": %" PRId64 "}\n",
         stats.n_keys, b.info->n_features, stats.n_file_bytes + stats.n_memory_bytes,
         resident_bytes());
  frz_online_result_free(b.result);
  frz_online_info_free(b.info);
  frz_online_close(b.online);
  frz_catalog_free(b.catalog);
  frz_context_free(b.context);
  return 0;
}
