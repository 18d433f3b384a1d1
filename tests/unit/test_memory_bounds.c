/*
 * test_memory_bounds.c - a small input cannot make frazil ask for much memory.
 *
 * Every fuzz corpus and every small file of other implementations is read with an allocator that
 * counts: the peak stays below SMALL_BYTES and FACTOR times the input. Then come files made to
 * swell: what they may cost is what base/limits.h allows them, and mostly nothing at all.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "avro/avro_columns.h"
#include "avro/avro_value.h"
#include "base/endian.h"
#include "base/limits.h"
#include "codec/checksum.h"
#include "codec/compress.h"
#include "codec/roaring.h"
#include "fault.h"
#include "iceberg/scan/deletion_vector.h"
#include "memory_store.h"
#include "parquet/format/thrift.h"
#include "parquet/read/parquet_reader.h"
#include "puffin/puffin.h"
#include "test_files.h"
#include "text/json_reader.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum { SMALL_FILE_BYTES = 10 << 10, BATCHES_MAX = 20, FACTOR = 64 };

#define SMALL_BYTES ((long long)64 << 20)

typedef frz_status (*read_fn)(const uint8_t *data, size_t size, const frz_alloc *alloc,
                              frz_error *err);

/* ---- readers ---- */

static frz_context *new_context(const frz_alloc *alloc)
{
  frz_context *context;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  assert_int_equal(frz_context_create(&options, &context, NULL), FRZ_OK);
  return context;
}

static frz_source *new_source(const uint8_t *data, size_t size, const frz_alloc *alloc)
{
  frz_source *source;
  assert_int_equal(frz_source_from_memory(alloc, data, size, &source, NULL), FRZ_OK);
  return source;
}

/* All batches, or as many as tell how much memory they take. */
static frz_status read_rows(frz_parquet_file *file, const frz_parquet_read_options *options,
                            frz_error *err)
{
  frz_parquet_reader *reader;
  FRZ_TRY(frz_parquet_reader_create(file, options, &reader, err));
  frz_status st = FRZ_OK;
  for (int i = 0; i < BATCHES_MAX && st == FRZ_OK; i++) {
    frz_batch batch;
    int64_t first;
    st = frz_parquet_reader_next(reader, &batch, &first, err);
    if (st != FRZ_OK) break;
    bool is_end = batch.n_rows == 0;
    frz_batch_dispose(&batch);
    if (is_end) break;
  }
  frz_parquet_reader_free(reader);
  return st;
}

/* Whole, and two ranges, for which page indexes are read. */
static frz_status read_parquet(const uint8_t *data, size_t size, const frz_alloc *alloc,
                               frz_error *err)
{
  frz_parquet_file *file;
  frz_context *context = new_context(alloc);
  frz_status st =
      frz_parquet_file_open(context, new_source(data, size, alloc), FRZ_STR("f"), &file, err);
  if (st == FRZ_OK) {
    int64_t n_rows = frz_parquet_file_metadata(file)->n_rows;
    frz_row_range ranges[] = {{n_rows / 3, n_rows / 2}};
    frz_parquet_read_options options = {.batch_rows_max = 65536};
    st = read_rows(file, &options, err);
    options.ranges = ranges;
    options.n_ranges = 1;
    frz_status again = read_rows(file, &options, err);
    if (st == FRZ_OK) st = again;
    frz_parquet_file_free(file);
  }
  frz_context_free(context);
  return st;
}

static frz_status read_avro_columns(const uint8_t *data, size_t size, const frz_alloc *alloc,
                                    frz_error *err)
{
  frz_avro_table *table;
  frz_avro_columns_reader *reader;
  frz_avro_read_options options = {.batch_rows_max = 65536};
  FRZ_TRY(frz_avro_table_open(alloc, new_source(data, size, alloc), FRZ_STR("f"), &table, err));
  frz_status st = frz_avro_columns_create(table, &options, &reader, err);
  for (int i = 0; i < BATCHES_MAX && st == FRZ_OK; i++) {
    frz_batch batch;
    int64_t first;
    st = frz_avro_columns_next(reader, &batch, &first, err);
    if (st == FRZ_OK) frz_batch_dispose(&batch);
  }
  if (reader != NULL) frz_avro_columns_free(reader);
  frz_avro_table_free(table);
  return st;
}

static const char metadata_text[] =
    "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
    "\"location\":\"f\",\"last-sequence-number\":6,\"last-updated-ms\":1,\"last-column-id\":2,"
    "\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]}],\"default-spec-id\":0,"
    "\"last-partition-id\":1000,\"partition-specs\":[{\"spec-id\":0,\"fields\":[{\"source-id\":1,"
    "\"field-id\":1000,\"name\":\"b\",\"transform\":\"bucket[4]\"}]}],\"default-sort-order-id\":0,"
    "\"sort-orders\":[{\"order-id\":0,\"fields\":[]}]}";

static frz_status read_manifest(const uint8_t *data, size_t size, const frz_alloc *alloc,
                                frz_error *err)
{
  frz_memory_store store = {0};
  frz_context *context = new_context(alloc);
  frz_storage_ops ops = frz_memory_store_ops();
  frz_storage *storage;
  frz_table_metadata *metadata;
  const frz_manifest_entry *entries;
  const frz_manifest_file *manifests;
  frz_arena arena;
  size_t n;
  frz_memory_store_put(&store, "f", data, size);
  assert_int_equal(frz_storage_wrap(context, &ops, &store, &storage, NULL), FRZ_OK);
  assert_int_equal(frz_table_metadata_parse(alloc, FRZ_STR("m"), metadata_text,
                                            sizeof metadata_text - 1, &metadata, NULL),
                   FRZ_OK);
  frz_arena_init(&arena, alloc, FRZ_LIMIT_PLAN_BYTES);
  frz_manifest_file manifest = {.path = FRZ_STR("f"), .content = FRZ_MANIFEST_DATA};
  frz_snapshot snapshot = {.snapshot_id = 1, .manifest_list = FRZ_STR("f")};
  frz_status st =
      frz_manifest_list_read(storage, metadata, &snapshot, &arena, &manifests, &n, NULL);
  frz_status other =
      frz_manifest_read(storage, metadata, &manifest, false, NULL, 0, &arena, &entries, &n, err);
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
  frz_storage_release(storage);
  frz_context_free(context);
  frz_memory_store_clear(&store);
  return st == FRZ_OK ? st : other;
}

static frz_status read_metadata(const uint8_t *data, size_t size, const frz_alloc *alloc,
                                frz_error *err)
{
  frz_table_metadata *metadata;
  FRZ_TRY(frz_table_metadata_parse(alloc, FRZ_STR("f"), data, size, &metadata, err));
  frz_table_metadata_release(metadata);
  return FRZ_OK;
}

static frz_status read_puffin(const uint8_t *data, size_t size, const frz_alloc *alloc,
                              frz_error *err)
{
  frz_source *source = new_source(data, size, alloc);
  frz_arena arena;
  frz_puffin_footer footer;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_status st = frz_puffin_footer_read(source, &arena, &footer, err);
  for (size_t i = 0; st == FRZ_OK && i < footer.n_blobs; i++) {
    frz_buf blob;
    frz_buf_init(&blob, alloc, FRZ_LIMIT_PUFFIN_BLOB_BYTES);
    st = frz_puffin_blob_read(source, &footer.blobs[i], &blob, err);
    frz_buf_dispose(&blob);
  }
  frz_arena_free(&arena);
  frz_source_free(source);
  return st;
}

static frz_status read_roaring(const uint8_t *data, size_t size, const frz_alloc *alloc,
                               frz_error *err)
{
  frz_roaring *set;
  FRZ_TRY(frz_roaring_parse(alloc, data, size, &set, err));
  frz_roaring_free(set);
  return FRZ_OK;
}

static frz_status read_vector(const uint8_t *data, size_t size, const frz_alloc *alloc,
                              frz_error *err)
{
  frz_roaring *set;
  FRZ_TRY(frz_deletion_vector_parse(alloc, data, size, &set, err));
  frz_roaring_free(set);
  return FRZ_OK;
}

static frz_status read_footer(const uint8_t *data, size_t size, const frz_alloc *alloc,
                              frz_error *err)
{
  frz_arena arena;
  frz_parquet_metadata metadata;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_OPEN_FILE_BYTES);
  frz_status st = frz_parquet_metadata_parse(data, size, (int64_t)size, &arena, &metadata, err);
  frz_arena_free(&arena);
  return st;
}

static frz_status read_json(const uint8_t *data, size_t size, const frz_alloc *alloc,
                            frz_error *err)
{
  frz_arena arena;
  frz_json_reader json;
  frz_str raw;
  frz_arena_init(&arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_json_reader_init(&json, data, size, &arena);
  frz_status st = frz_json_read_raw(&json, &raw, err);
  frz_arena_free(&arena);
  return st;
}

/* ---- what others wrote, and what fuzzers found ---- */

static void check_peak(const char *name, read_fn read, const uint8_t *data, size_t size,
                       long long most)
{
  frz_fault fault = {0};
  frz_error err = {0};
  frz_fault_arm(&fault, 0);
  (void)read(data, size, &fault.alloc, &err);
  if (fault.live != 0) fail_msg("%s: %ld blocks are not freed", name, (long)fault.live);
  if (fault.peak_bytes > most)
    fail_msg("%s: %lld bytes of memory for a file of %zu; at most %lld are due: %s", name,
             (long long)fault.peak_bytes, size, most, err.message);
}

/* Every file of a folder and those below it, as each of the kinds; how many there were. */
static int check_folder(const char *folder, const read_fn *kinds, size_t n_kinds)
{
  int n_files = 0;
  DIR *dir = opendir(folder);
  if (dir == NULL) fail_msg("no folder %s", folder);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    char path[5000];
    struct stat info;
    if (entry->d_name[0] == '.') continue;
    int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (length >= (int)sizeof path || stat(path, &info) != 0) fail_msg("%s", path);
    if (S_ISDIR(info.st_mode)) {
      n_files += check_folder(path, kinds, n_kinds);
      continue;
    }
    size_t size;
    if (info.st_size >= SMALL_FILE_BYTES) continue;
    uint8_t *data = frz_test_read(path, &size);
    for (size_t i = 0; i < n_kinds; i++)
      check_peak(path, kinds[i], data, size, SMALL_BYTES + FACTOR * (long long)size);
    free(data);
    n_files++;
  }
  closedir(dir);
  return n_files;
}

static const read_fn all_kinds[] = {read_parquet,  read_avro_columns, read_manifest,
                                    read_metadata, read_puffin,       read_roaring,
                                    read_vector,   read_footer,       read_json};

/* The inputs of one decoder are tried on all others too. */
static void test_corpora(void **state)
{
  (void)state;
  char folder[4200];
  char golden[4096];
  frz_test_golden("", golden);
  snprintf(folder, sizeof folder, "%s../../fuzz/corpus", golden);
  assert_true(check_folder(folder, all_kinds, LENGTH(all_kinds)) > 100);
}

static void test_fixtures(void **state)
{
  (void)state;
  char folder[4096];
  if (!frz_test_fixtures(folder)) return;
  assert_true(check_folder(folder, all_kinds, LENGTH(all_kinds)) > 50);
}

/* ---- Parquet files that swell ---- */

static frz_buf new_buf(void)
{
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), (size_t)1 << 30);
  return buf;
}

static void append(frz_buf *buf, const void *data, size_t size)
{
  assert_int_equal(frz_buf_append(buf, data, size, NULL), FRZ_OK);
}

/* One page, and the columns that all claim to consist of it. */
typedef struct bomb {
  frz_parquet_codec codec;
  frz_parquet_physical physical;
  bool is_list;
  int32_t n_columns;
  int64_t n_rows;
  int64_t n_values;
  frz_buf pages;
} bomb;

static void put_page(bomb *b, int32_t type, int32_t n_values, int32_t encoding, int32_t plain_bytes,
                     const frz_buf *body)
{
  frz_thrift_writer w;
  frz_thrift_writer_init(&w, &b->pages);
  frz_thrift_write_struct_begin(&w);
  frz_thrift_write_i32_field(&w, 1, type);
  frz_thrift_write_i32_field(&w, 2, plain_bytes);
  frz_thrift_write_i32_field(&w, 3, (int32_t)body->size);
  frz_thrift_write_field(&w, type == 2 ? 7 : 5, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(&w);
  frz_thrift_write_i32_field(&w, 1, n_values);
  frz_thrift_write_i32_field(&w, 2, encoding);
  if (type == 0) {
    frz_thrift_write_i32_field(&w, 3, FRZ_PARQUET_RLE);
    frz_thrift_write_i32_field(&w, 4, FRZ_PARQUET_RLE);
  }
  frz_thrift_write_struct_end(&w);
  frz_thrift_write_struct_end(&w);
  assert_int_equal(frz_thrift_writer_finish(&w, NULL), FRZ_OK);
  append(&b->pages, body->data, body->size);
}

static void put_node(frz_thrift_writer *w, int32_t physical, int32_t repetition, const char *name,
                     int32_t n_children, int32_t converted)
{
  frz_thrift_write_struct_begin(w);
  if (physical >= 0) frz_thrift_write_i32_field(w, 1, physical);
  frz_thrift_write_i32_field(w, 3, repetition);
  frz_thrift_write_binary_field(w, 4, frz_str_from(name));
  if (n_children > 0) frz_thrift_write_i32_field(w, 5, n_children);
  if (converted >= 0) frz_thrift_write_i32_field(w, 6, converted);
  frz_thrift_write_struct_end(w);
}

static void put_schema(frz_thrift_writer *w, const bomb *b)
{
  int32_t a_column = b->is_list ? 3 : 1;
  frz_thrift_write_list_field(w, 2, FRZ_THRIFT_STRUCT, (size_t)(b->n_columns * a_column + 1));
  put_node(w, -1, FRZ_PARQUET_REQUIRED, "root", b->n_columns, -1);
  for (int32_t i = 0; i < b->n_columns; i++) {
    char name[16];
    snprintf(name, sizeof name, "c%d", (int)i);
    if (!b->is_list) {
      put_node(w, (int32_t)b->physical, FRZ_PARQUET_REQUIRED, name, 0, -1);
      continue;
    }
    put_node(w, -1, FRZ_PARQUET_REQUIRED, name, 1, 3); /* LIST */
    put_node(w, -1, FRZ_PARQUET_REPEATED, "list", 1, -1);
    put_node(w, (int32_t)b->physical, FRZ_PARQUET_OPTIONAL, "element", 0, -1);
  }
}

static void put_chunk(frz_thrift_writer *w, const bomb *b)
{
  frz_thrift_write_struct_begin(w);
  frz_thrift_write_i64_field(w, 2, 4);
  frz_thrift_write_field(w, 3, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(w);
  frz_thrift_write_i32_field(w, 1, (int32_t)b->physical);
  frz_thrift_write_i32_field(w, 4, (int32_t)b->codec);
  frz_thrift_write_i64_field(w, 5, b->n_values);
  frz_thrift_write_i64_field(w, 6, (int64_t)b->pages.size);
  frz_thrift_write_i64_field(w, 7, (int64_t)b->pages.size);
  frz_thrift_write_i64_field(w, 9, 4);
  frz_thrift_write_struct_end(w);
  frz_thrift_write_struct_end(w);
}

/* Ends the bomb: its file. */
static frz_buf make_file(bomb *b)
{
  frz_buf file = new_buf();
  frz_thrift_writer w;
  uint8_t length[4];
  append(&file, "PAR1", 4);
  append(&file, b->pages.data, b->pages.size);
  size_t footer = file.size;
  frz_thrift_writer_init(&w, &file);
  frz_thrift_write_struct_begin(&w);
  frz_thrift_write_i32_field(&w, 1, 1);
  put_schema(&w, b);
  frz_thrift_write_i64_field(&w, 3, b->n_rows);
  frz_thrift_write_list_field(&w, 4, FRZ_THRIFT_STRUCT, 1);
  frz_thrift_write_struct_begin(&w);
  frz_thrift_write_list_field(&w, 1, FRZ_THRIFT_STRUCT, (size_t)b->n_columns);
  for (int32_t i = 0; i < b->n_columns; i++) put_chunk(&w, b);
  frz_thrift_write_i64_field(&w, 2, 1);
  frz_thrift_write_i64_field(&w, 3, b->n_rows);
  frz_thrift_write_struct_end(&w);
  frz_thrift_write_struct_end(&w);
  assert_int_equal(frz_thrift_writer_finish(&w, NULL), FRZ_OK);
  frz_store_u32le(length, (uint32_t)(file.size - footer));
  append(&file, length, sizeof length);
  append(&file, "PAR1", 4);
  frz_buf_dispose(&b->pages);
  return file;
}

/* The input must be refused so, with these words, and for no more memory than that. */
static void check_refused(const char *name, read_fn read, frz_buf *file, frz_status expected,
                          const char *words, long long most)
{
  frz_fault fault = {0};
  frz_error err = {0};
  frz_fault_arm(&fault, 0);
  assert_true(file->size < SMALL_FILE_BYTES);
  frz_status st = read(file->data, file->size, &fault.alloc, &err);
  if (st != expected || strstr(err.message, words) == NULL)
    fail_msg("%s: %d, '%s'", name, (int)st, err.message);
  assert_int_equal(fault.live, 0);
  if (fault.peak_bytes > most)
    fail_msg("%s: %lld bytes of memory, at most %lld are due", name, (long long)fault.peak_bytes,
             most);
  frz_buf_dispose(file);
}

static void test_pages_that_claim_too_much(void **state)
{
  static const struct {
    frz_parquet_codec codec;
    frz_status st;
    const char *words;
  } cases[] = {
      {FRZ_PARQUET_UNCOMPRESSED, FRZ_ERR_CORRUPT, "100 bytes, its header says 536870912"},
      {FRZ_PARQUET_SNAPPY, FRZ_ERR_CORRUPT, "snappy: 100 bytes claim to hold 536870912"},
      {FRZ_PARQUET_GZIP, FRZ_ERR_CORRUPT, "gzip: 100 bytes claim to hold 536870912"},
      {FRZ_PARQUET_ZSTD, FRZ_ERR_CORRUPT, "zstd: 100 bytes claim to hold 536870912"},
      {FRZ_PARQUET_LZ4, FRZ_ERR_CORRUPT, "lz4: 100 bytes claim to hold 536870912"},
      {FRZ_PARQUET_LZ4_RAW, FRZ_ERR_CORRUPT, "lz4_raw: 100 bytes claim to hold 536870912"},
      {FRZ_PARQUET_BROTLI, FRZ_ERR_LIMIT, "brotli: 100 bytes hold 536870912"},
  };
  (void)state;
  for (size_t i = 0; i < LENGTH(cases); i++) {
    for (int32_t type = 0; type <= 2; type += 2) {
      bomb b = {cases[i].codec, FRZ_PARQUET_INT64, false, 1, 1000, 1000, new_buf()};
      frz_buf body = new_buf();
      assert_int_equal(frz_buf_resize_zeroed(&body, 100, NULL), FRZ_OK);
      put_page(&b, type, 1000, FRZ_PARQUET_PLAIN, (int32_t)FRZ_LIMIT_PAGE_BYTES, &body);
      frz_buf file = make_file(&b);
      check_refused(cases[i].words, read_parquet, &file, cases[i].st, cases[i].words, SMALL_BYTES);
      frz_buf_dispose(&body);
    }
  }
}

/* Pages of zeros that are truly that long, in columns that share them. */
static void test_columns_that_swell_together(void **state)
{
  (void)state;
  enum { PLAIN_BYTES = 96 << 20, COLUMNS = 30 };
  bomb b = {FRZ_PARQUET_ZSTD, FRZ_PARQUET_INT64, false, COLUMNS, 1000, 1000, new_buf()};
  frz_buf zeros = new_buf();
  frz_buf body = new_buf();
  assert_int_equal(frz_buf_resize_zeroed(&zeros, PLAIN_BYTES, NULL), FRZ_OK);
  assert_int_equal(frz_compress_append(FRZ_CODEC_ZSTD, 0, zeros.data, zeros.size, &body, NULL),
                   FRZ_OK);
  put_page(&b, 0, 1000, FRZ_PARQUET_PLAIN, PLAIN_BYTES, &body);
  frz_buf file = make_file(&b);
  check_refused("shared pages", read_parquet, &file, FRZ_ERR_LIMIT, "the columns up to this one",
                (long long)(FRZ_LIMIT_READER_BYTES + FRZ_LIMIT_PAGE_BYTES));
  frz_buf_dispose(&zeros);
  frz_buf_dispose(&body);
}

/* Two runs of levels stand for one row of two billion nulls. */
static void test_a_list_of_runs(void **state)
{
  (void)state;
  static const uint8_t levels[] = {
      8,    0,    0,    0,             /* repetition levels: */
      2,    0,                         /* one row starts, */
      0xfc, 0xff, 0xff, 0xff, 0x0f, 1, /* and goes on */
      6,    0,    0,    0,             /* definition levels: */
      0xfe, 0xff, 0xff, 0xff, 0x0f, 1, /* elements that are null */
  };
  bomb b = {FRZ_PARQUET_UNCOMPRESSED, FRZ_PARQUET_INT64, true, 1, 1, INT32_MAX, new_buf()};
  frz_buf body = new_buf();
  append(&body, levels, sizeof levels);
  put_page(&b, 0, INT32_MAX, FRZ_PARQUET_PLAIN, (int32_t)sizeof levels, &body);
  frz_buf file = make_file(&b);
  check_refused("a list of runs", read_parquet, &file, FRZ_ERR_LIMIT, "pass its limit of",
                (long long)FRZ_LIMIT_READER_BYTES * 2);
  frz_buf_dispose(&body);
}

/* One long string that every row has. */
static void test_a_dictionary_that_repeats(void **state)
{
  (void)state;
  enum { STRING_BYTES = 1 << 20, ROWS = 65536 };
  static const uint8_t numbers[] = {1, 0x80, 0x80, 0x08, 0}; /* of one bit: number 0, 65536 times */
  bomb b = {FRZ_PARQUET_ZSTD, FRZ_PARQUET_BYTE_ARRAY, false, 1, ROWS, ROWS, new_buf()};
  frz_buf plain = new_buf();
  frz_buf body = new_buf();
  assert_int_equal(frz_buf_resize_zeroed(&plain, 4 + STRING_BYTES, NULL), FRZ_OK);
  frz_store_u32le(plain.data, STRING_BYTES);
  assert_int_equal(frz_compress_append(FRZ_CODEC_ZSTD, 0, plain.data, plain.size, &body, NULL),
                   FRZ_OK);
  put_page(&b, 2, 1, FRZ_PARQUET_PLAIN, 4 + STRING_BYTES, &body);
  body.size = 0;
  assert_int_equal(frz_compress_append(FRZ_CODEC_ZSTD, 0, numbers, sizeof numbers, &body, NULL),
                   FRZ_OK);
  put_page(&b, 0, ROWS, FRZ_PARQUET_RLE_DICTIONARY, (int32_t)sizeof numbers, &body);
  frz_buf file = make_file(&b);
  check_refused("a dictionary", read_parquet, &file, FRZ_ERR_LIMIT, "strings of one batch pass",
                (long long)(FRZ_LIMIT_READER_BYTES + FRZ_LIMIT_PAGE_BYTES));
  frz_buf_dispose(&plain);
  frz_buf_dispose(&body);
}

static void test_dictionaries_that_count_too_far(void **state)
{
  (void)state;
  static const frz_parquet_physical types[] = {FRZ_PARQUET_INT64, FRZ_PARQUET_BYTE_ARRAY};
  for (size_t i = 0; i < LENGTH(types); i++) {
    bomb b = {FRZ_PARQUET_UNCOMPRESSED, types[i], false, 1, 1000, 1000, new_buf()};
    frz_buf body = new_buf();
    assert_int_equal(frz_buf_resize_zeroed(&body, 100, NULL), FRZ_OK);
    put_page(&b, 2, INT32_MAX, FRZ_PARQUET_PLAIN, 100, &body);
    frz_buf file = make_file(&b);
    check_refused("a dictionary's count", read_parquet, &file, FRZ_ERR_CORRUPT,
                  "dictionary of 2147483647", SMALL_BYTES);
    frz_buf_dispose(&body);
  }
}

/* Lists that claim a billion items: of the schema, of row groups, of pairs. */
static void test_footers_that_count_too_far(void **state)
{
  (void)state;
  for (int16_t id = 2; id <= 5; id++) {
    frz_buf footer = new_buf();
    frz_thrift_writer w;
    if (id == 3) continue;
    frz_thrift_writer_init(&w, &footer);
    frz_thrift_write_struct_begin(&w);
    if (id != 2) {
      bomb b = {.physical = FRZ_PARQUET_INT64, .n_columns = 1};
      put_schema(&w, &b);
    }
    frz_thrift_write_list_field(&w, id, FRZ_THRIFT_STRUCT, 1000000000);
    frz_thrift_write_struct_begin(&w);
    frz_thrift_write_struct_end(&w);
    frz_thrift_write_struct_end(&w);
    assert_int_equal(frz_thrift_writer_finish(&w, NULL), FRZ_OK);
    check_refused("a footer's list", read_footer, &footer, FRZ_ERR_CORRUPT, "1000000000",
                  SMALL_BYTES);
  }
}

/* ---- other formats ---- */

static void put_avro_header(frz_buf *file, const char *codec, const char *schema)
{
  const char *pairs[] = {"avro.codec", codec, "avro.schema", schema};
  append(file, "Obj\x01", 4);
  assert_int_equal(frz_avro_write_long(file, 2, NULL), FRZ_OK);
  for (size_t i = 0; i < LENGTH(pairs); i++) {
    assert_int_equal(frz_avro_write_long(file, (int64_t)strlen(pairs[i]), NULL), FRZ_OK);
    append(file, pairs[i], strlen(pairs[i]));
  }
  assert_int_equal(frz_buf_resize_zeroed(file, file->size + 1 + 16, NULL), FRZ_OK);
}

static void put_avro_block(frz_buf *file, int64_t n_records, const void *data, size_t size)
{
  assert_int_equal(frz_avro_write_long(file, n_records, NULL), FRZ_OK);
  assert_int_equal(frz_avro_write_long(file, (int64_t)size, NULL), FRZ_OK);
  append(file, data, size);
  assert_int_equal(frz_buf_resize_zeroed(file, file->size + 16, NULL), FRZ_OK);
}

static const char long_record[] =
    "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":\"long\"}]}";

static void test_avro_blocks_that_count_too_far(void **state)
{
  (void)state;
  frz_buf file = new_buf();
  put_avro_header(&file, "null", long_record);
  put_avro_block(&file, INT64_MAX, "0123456789", 10);
  check_refused("a block's count", read_avro_columns, &file, FRZ_ERR_CORRUPT,
                "9223372036854775807 records", SMALL_BYTES);
}

/* zstd frames that claim what they do not hold: all their bytes, and more than those can hold. */
static void test_avro_blocks_that_claim_too_much(void **state)
{
  (void)state;
  static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x1f, 1, 0, 0};
  frz_buf file = new_buf();
  put_avro_header(&file, "zstandard", long_record);
  put_avro_block(&file, 10, frame, sizeof frame);
  check_refused("a frame's size", read_avro_columns, &file, FRZ_ERR_CORRUPT,
                "zstd: 12 bytes claim to hold 520093696", SMALL_BYTES);
}

/* Records of almost no bytes, which take hundreds in memory each. */
static void test_a_manifest_that_swells(void **state)
{
  (void)state;
  static const char schema[] =
      "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":["
      "{\"name\":\"status\",\"type\":\"int\",\"field-id\":0},"
      "{\"name\":\"data_file\",\"field-id\":2,\"type\":{\"type\":\"record\",\"name\":\"r2\","
      "\"fields\":[{\"name\":\"file_path\",\"type\":\"string\",\"field-id\":100},"
      "{\"name\":\"file_format\",\"type\":\"string\",\"field-id\":101},"
      "{\"name\":\"partition\",\"field-id\":102,\"type\":{\"type\":\"record\",\"name\":\"r102\","
      "\"fields\":[]}},{\"name\":\"record_count\",\"type\":\"long\",\"field-id\":103},"
      "{\"name\":\"file_size_in_bytes\",\"type\":\"long\",\"field-id\":104}]}}]}";
  static const uint8_t entry[] = {0, 2, 'p', 14, 'p', 'a', 'r', 'q', 'u', 'e', 't', 2, 2};
  enum { ENTRIES = 4 << 20 };
  frz_buf plain = new_buf();
  frz_buf packed = new_buf();
  frz_buf file = new_buf();
  for (int i = 0; i < ENTRIES; i++) append(&plain, entry, sizeof entry);
  assert_int_equal(frz_compress_append(FRZ_CODEC_ZSTD, 0, plain.data, plain.size, &packed, NULL),
                   FRZ_OK);
  put_avro_header(&file, "zstandard", schema);
  put_avro_block(&file, ENTRIES, packed.data, packed.size);
  check_refused("a manifest", read_manifest, &file, FRZ_ERR_LIMIT, "manifest 'f': entry",
                (long long)1 << 30);
  frz_buf_dispose(&plain);
  frz_buf_dispose(&packed);
}

static void test_sets_that_count_too_far(void **state)
{
  (void)state;
  frz_buf keys = new_buf();
  frz_buf containers = new_buf();
  uint8_t number[8];
  frz_store_u64le(number, (uint64_t)1 << 31);
  append(&keys, number, 8);
  assert_int_equal(frz_buf_resize_zeroed(&keys, 100, NULL), FRZ_OK);
  check_refused("a set's keys", read_roaring, &keys, FRZ_ERR_CORRUPT, "2147483648", SMALL_BYTES);
  frz_store_u64le(number, 1);
  append(&containers, number, 8);
  assert_int_equal(frz_buf_resize_zeroed(&containers, 12, NULL), FRZ_OK);
  frz_store_u32le(number, 12346);
  append(&containers, number, 4);
  frz_store_u32le(number, 65536);
  append(&containers, number, 4);
  check_refused("a set's containers", read_roaring, &containers, FRZ_ERR_CORRUPT,
                "ends in the list", SMALL_BYTES);
}

static void test_json_that_nests(void **state)
{
  (void)state;
  frz_buf text = new_buf();
  assert_int_equal(frz_buf_resize(&text, 10000, NULL), FRZ_OK);
  memset(text.data, '[', text.size);
  check_refused("nested JSON", read_json, &text, FRZ_ERR_LIMIT, "64 levels", SMALL_BYTES);
}

/* A footer of LZ4 whose frame claims to hold far more than a footer may. */
static void test_a_puffin_footer_that_claims_too_much(void **state)
{
  (void)state;
  static const uint8_t frame[] = {0x04, 0x22, 0x4d, 0x18, 0x68, 0x40, 0, 0, 0, 0x80, 0, 0, 0, 0, 0};
  static const uint8_t trailer[] = {sizeof frame, 0, 0, 0, 1, 0, 0, 0, 'P', 'F', 'A', '1'};
  frz_buf file = new_buf();
  append(&file, "PFA1PFA1", 8);
  append(&file, frame, sizeof frame);
  append(&file, trailer, sizeof trailer);
  check_refused("a Puffin footer", read_puffin, &file, FRZ_ERR_CORRUPT, "puffin footer",
                SMALL_BYTES);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_corpora),
      cmocka_unit_test(test_fixtures),
      cmocka_unit_test(test_pages_that_claim_too_much),
      cmocka_unit_test(test_columns_that_swell_together),
      cmocka_unit_test(test_a_list_of_runs),
      cmocka_unit_test(test_a_dictionary_that_repeats),
      cmocka_unit_test(test_dictionaries_that_count_too_far),
      cmocka_unit_test(test_footers_that_count_too_far),
      cmocka_unit_test(test_avro_blocks_that_count_too_far),
      cmocka_unit_test(test_avro_blocks_that_claim_too_much),
      cmocka_unit_test(test_a_manifest_that_swells),
      cmocka_unit_test(test_sets_that_count_too_far),
      cmocka_unit_test(test_json_that_nests),
      cmocka_unit_test(test_a_puffin_footer_that_claims_too_much),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
