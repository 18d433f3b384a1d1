/*
 * test_limits.c - the bounds of base/limits.h: what is exactly as large as one is taken, or refused
 * for another reason that is named; what is one greater is refused, and the message says the bound.
 *
 * Where a bound is too large to build, the input only claims the size: sources may be longer than
 * their bytes, and metadata lies in memory that is reserved but never touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "avro/avro_columns.h"
#include "avro/avro_value.h"
#include "base/endian.h"
#include "base/limits.h"
#include "codec/compress.h"
#include "iceberg/filter/expression.h"
#include "iceberg/maintain/location.h"
#include "iceberg/scan/deletion_vector.h"
#include "iceberg/schema/name_mapping.h"
#include "parquet/format/thrift.h"
#include "parquet/read/bloom_filter.h"
#include "parquet/read/decoder.h"
#include "parquet/read/page_header.h"
#include "parquet/read/parquet_file.h"
#include "puffin/puffin.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* ---- inputs ---- */

static frz_arena new_arena(void)
{
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)1 << 30);
  return arena;
}

static frz_buf new_buf(void)
{
  frz_buf buf;
  frz_buf_init(&buf, frz_alloc_default(), (size_t)1 << 30);
  return buf;
}

static void put(frz_buf *buf, const char *text)
{
  assert_int_equal(frz_buf_append(buf, text, strlen(text), NULL), FRZ_OK);
}

static void put_long(frz_buf *buf, int64_t value)
{
  assert_int_equal(frz_avro_write_long(buf, value, NULL), FRZ_OK);
}

static void put_text(frz_buf *buf, const char *text)
{
  put_long(buf, (int64_t)strlen(text));
  put(buf, text);
}

/* `n` times, to nest something. */
static void put_times(frz_buf *buf, const char *text, int64_t n)
{
  for (int64_t i = 0; i < n; i++) put(buf, text);
}

/* A file that is longer than the bytes that it has. */
typedef struct claimed_source {
  frz_source base;
  const frz_buf *bytes;
} claimed_source;

static frz_status claimed_read(frz_source *base, const frz_range *ranges, size_t n_ranges,
                               frz_error *err)
{
  const frz_buf *bytes = ((claimed_source *)base)->bytes;
  for (size_t i = 0; i < n_ranges; i++) {
    if (ranges[i].size >
        2 * FRZ_LIMIT_AVRO_HEADER_BYTES) /* not touched, so that it costs nothing */
      return frz_fail(err, FRZ_ERR_IO, "read of %zu bytes", ranges[i].size);
    memset(ranges[i].dest, 0, ranges[i].size);
    if (ranges[i].offset >= (int64_t)bytes->size) continue;
    size_t left = bytes->size - (size_t)ranges[i].offset;
    memcpy(ranges[i].dest, bytes->data + ranges[i].offset,
           ranges[i].size < left ? ranges[i].size : left);
  }
  return FRZ_OK;
}

static void claimed_free(frz_source *base)
{
  free(base);
}

static frz_source *new_source(const frz_buf *bytes, int64_t size)
{
  claimed_source *source = malloc(sizeof *source);
  *source = (claimed_source){
      {.size_bytes = size, .read_ranges = claimed_read, .free = claimed_free}, bytes};
  return &source->base;
}

/* A storage whose one file is as long as it is said to be, and has no bytes. */
static frz_status empty_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  static const frz_buf none = {0};
  (void)uri;
  (void)err;
  *source_out = new_source(&none, *(const int64_t *)ctx);
  return FRZ_OK;
}

static void nothing_free(void *ctx)
{
  (void)ctx;
}

static frz_storage *new_storage(frz_context *context, int64_t *size_bytes)
{
  frz_storage_ops ops = {.version = 1, .open = empty_open, .free = nothing_free};
  frz_storage *storage;
  assert_int_equal(frz_storage_wrap(context, &ops, size_bytes, &storage, NULL), FRZ_OK);
  return storage;
}

static frz_context *new_context(void)
{
  frz_context *context;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  return context;
}

/* ---- JSON, schemas, texts ---- */

static frz_status try_json_depth(int64_t n, frz_error *err)
{
  frz_buf text = new_buf();
  frz_json_reader json;
  put_times(&text, "[", n);
  put_times(&text, "]", n);
  frz_json_reader_init(&json, text.data, text.size, NULL);
  frz_status st = frz_json_skip(&json, err);
  frz_buf_dispose(&text);
  return st;
}

static frz_status parse_schema(frz_buf *text, frz_error *err)
{
  frz_arena arena = new_arena();
  frz_json_reader json;
  frz_schema schema;
  frz_json_reader_init(&json, text->data, text->size, &arena);
  frz_status st = frz_schema_parse(&json, &arena, &schema, err);
  frz_arena_free(&arena);
  frz_buf_dispose(text);
  return st;
}

static frz_status try_schema_fields(int64_t n, frz_error *err)
{
  frz_buf text = new_buf();
  put(&text, "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[");
  for (int64_t i = 0; i < n; i++)
    assert_int_equal(frz_buf_print(&text, NULL,
                                   "%s{\"id\":%d,\"name\":\"c%d\",\"required\":false,\"type\":"
                                   "\"int\"}",
                                   i > 0 ? "," : "", (int)i + 1, (int)i),
                     FRZ_OK);
  put(&text, "]}");
  return parse_schema(&text, err);
}

static frz_status try_name_mapping_fields(int64_t n, frz_error *err)
{
  frz_buf text = new_buf();
  frz_arena arena = new_arena();
  frz_name_mapping mapping;
  put(&text, "[{}");
  put_times(&text, ",{}", n - 1);
  put(&text, "]");
  frz_status st = frz_name_mapping_parse(frz_buf_str(&text), &arena, &mapping, err);
  frz_arena_free(&arena);
  frz_buf_dispose(&text);
  return st;
}

static const frz_field one_field[] = {{.id = 1, .name = {"a", 1}, .type = {.kind = FRZ_TYPE_INT}}};
static const frz_schema one_column = {
    .root = {.kind = FRZ_TYPE_STRUCT, .fields = one_field, .n_fields = 1}, .highest_field_id = 1};

static frz_status parse_filter(frz_buf *text, frz_error *err)
{
  frz_arena arena = new_arena();
  const frz_expr *expr;
  frz_status st = frz_expr_parse(frz_buf_str(text), &one_column, true, &arena, &expr, err);
  frz_arena_free(&arena);
  frz_buf_dispose(text);
  return st;
}

static frz_status try_filter_depth(int64_t n, frz_error *err)
{
  frz_buf text = new_buf();
  put_times(&text, "(", n);
  put(&text, "a = 1");
  put_times(&text, ")", n);
  return parse_filter(&text, err);
}

static frz_buf padded(const char *start, int64_t n)
{
  frz_buf text = new_buf();
  put(&text, start);
  assert_int_equal(frz_buf_resize(&text, (size_t)n, NULL), FRZ_OK);
  memset(text.data + strlen(start), ' ', (size_t)n - strlen(start));
  return text;
}

static frz_status try_filter_bytes(int64_t n, frz_error *err)
{
  frz_buf text = padded("a = 1", n);
  return parse_filter(&text, err);
}

static frz_status parse_partitioning(frz_buf *text, frz_error *err)
{
  frz_arena arena = new_arena();
  frz_partition_spec spec;
  frz_status st = frz_partition_spec_from_text(frz_buf_str(text), &one_column, &arena, &spec, err);
  frz_arena_free(&arena);
  frz_buf_dispose(text);
  return st;
}

static frz_status try_partitioning_bytes(int64_t n, frz_error *err)
{
  frz_buf text = padded("a", n);
  return parse_partitioning(&text, err);
}

/* Columns c0, c1, ... and text that names them all. */
static void name_columns(int64_t n, frz_arena *arena, frz_schema *schema, frz_buf *text)
{
  frz_field *fields = frz_arena_array(arena, (size_t)n, sizeof *fields);
  for (int64_t i = 0; i < n; i++) {
    frz_str name = frz_arena_print(arena, "c%d", (int)i);
    fields[i] = (frz_field){.id = (int32_t)i + 1, .name = name, .type = {.kind = FRZ_TYPE_INT}};
    if (i > 0) put(text, ",");
    put(text, name.data);
  }
  *schema = (frz_schema){.root = {.kind = FRZ_TYPE_STRUCT, .fields = fields, .n_fields = (size_t)n},
                         .highest_field_id = (int32_t)n};
}

static frz_status try_partitioning_terms(int64_t n, frz_error *err)
{
  frz_buf text = new_buf();
  frz_arena arena = new_arena();
  frz_schema schema;
  frz_partition_spec spec;
  name_columns(n, &arena, &schema, &text);
  frz_status st = frz_partition_spec_from_text(frz_buf_str(&text), &schema, &arena, &spec, err);
  frz_arena_free(&arena);
  frz_buf_dispose(&text);
  return st;
}

static frz_status try_sort_order_terms(int64_t n, frz_error *err)
{
  frz_buf text = new_buf();
  frz_arena arena = new_arena();
  frz_schema schema;
  frz_sort_order order;
  name_columns(n, &arena, &schema, &text);
  frz_status st = frz_sort_order_from_text(frz_buf_str(&text), &schema, &arena, &order, err);
  frz_arena_free(&arena);
  frz_buf_dispose(&text);
  return st;
}

static frz_status try_sort_order_bytes(int64_t n, frz_error *err)
{
  frz_buf text = padded("a", n);
  frz_arena arena = new_arena();
  frz_sort_order order;
  frz_status st = frz_sort_order_from_text(frz_buf_str(&text), &one_column, &arena, &order, err);
  frz_arena_free(&arena);
  frz_buf_dispose(&text);
  return st;
}

static frz_status try_spec_fields(int64_t n, frz_error *err)
{
  frz_buf text = new_buf();
  frz_arena arena = new_arena();
  frz_json_reader json;
  frz_partition_spec spec;
  put(&text, "{\"spec-id\":0,\"fields\":[");
  for (int64_t i = 0; i < n; i++)
    assert_int_equal(frz_buf_print(&text, NULL,
                                   "%s{\"source-id\":1,\"field-id\":%d,\"name\":\"p%d\","
                                   "\"transform\":\"bucket[%d]\"}",
                                   i > 0 ? "," : "", (int)i + 1000, (int)i, (int)i + 1),
                     FRZ_OK);
  put(&text, "]}");
  frz_json_reader_init(&json, text.data, text.size, &arena);
  frz_status st = frz_partition_spec_parse(&json, &arena, &spec, err);
  frz_arena_free(&arena);
  frz_buf_dispose(&text);
  return st;
}

static frz_status try_location_bytes(int64_t n, frz_error *err)
{
  frz_buf text = padded("s3://b/", n);
  frz_buf out = new_buf();
  frz_status st = frz_location_normalise(frz_buf_str(&text), &out, err);
  frz_buf_dispose(&text);
  frz_buf_dispose(&out);
  return st;
}

/* ---- table metadata, manifests ---- */

/* Gives memory as usual, but leaves a block alone that is not the heap's. */
static void *guarded_resize(void *ctx, void *block, size_t old_bytes, size_t new_bytes)
{
  const frz_alloc *real = frz_alloc_default();
  if (block == ctx) return NULL;
  return real->resize(real->ctx, block, old_bytes, new_bytes);
}

static frz_status try_metadata_bytes(int64_t n, frz_error *err)
{
  void *zeros =
      mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  assert_ptr_not_equal(zeros, MAP_FAILED);
  frz_alloc alloc = {zeros, guarded_resize};
  frz_buf bytes = {.data = zeros,
                   .size = (size_t)n,
                   .capacity = (size_t)n,
                   .max_bytes = (size_t)n,
                   .alloc = &alloc};
  frz_table_metadata *metadata;
  frz_status st = frz_table_metadata_take(FRZ_STR("m"), &bytes, &metadata, err);
  munmap(zeros, (size_t)n);
  return st;
}

static frz_status try_manifest_bytes(int64_t n, frz_error *err)
{
  static const char text[] =
      "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
      "\"location\":\"f\",\"last-sequence-number\":0,\"last-updated-ms\":1,\"last-column-id\":1,"
      "\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,\"fields\":[]}],"
      "\"default-spec-id\":0,\"last-partition-id\":999,\"partition-specs\":[{\"spec-id\":0,"
      "\"fields\":[]}],\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}]"
      "}";
  frz_table_metadata *metadata;
  const frz_manifest_entry *entries;
  size_t n_entries;
  frz_arena arena = new_arena();
  frz_context *context = new_context();
  frz_storage *storage = new_storage(context, &n);
  frz_manifest_file manifest = {.path = FRZ_STR("m.avro"), .content = FRZ_MANIFEST_DATA};
  assert_int_equal(frz_table_metadata_parse(frz_alloc_default(), FRZ_STR("m"), text,
                                            sizeof text - 1, &metadata, NULL),
                   FRZ_OK);
  frz_status st = frz_manifest_read(storage, metadata, &manifest, false, NULL, 0, &arena, &entries,
                                    &n_entries, err);
  frz_table_metadata_release(metadata);
  frz_storage_release(storage);
  frz_context_free(context);
  frz_arena_free(&arena);
  return st;
}

static frz_status try_vector_bytes(int64_t n, frz_error *err)
{
  int64_t size = 100;
  frz_context *context = new_context();
  frz_storage *storage = new_storage(context, &size);
  frz_roaring *roaring;
  frz_data_file file = {
      .path = FRZ_STR("d.puffin"), .content_offset = 4, .content_size_bytes = n, .n_rows = 1};
  frz_status st = frz_deletion_vector_read(context, storage, &file, &roaring, err);
  frz_storage_release(storage);
  frz_context_free(context);
  return st;
}

/* ---- Parquet ---- */

static frz_status try_thrift_depth(int64_t n, frz_error *err)
{
  frz_buf bytes = new_buf();
  frz_thrift_reader reader;
  put_times(&bytes, "\x1c", n - 1); /* field 1, a structure */
  assert_int_equal(frz_buf_resize_zeroed(&bytes, bytes.size + (size_t)n, NULL), FRZ_OK);
  frz_thrift_reader_init(&reader, bytes.data, bytes.size);
  frz_status st = frz_thrift_skip(&reader, FRZ_THRIFT_STRUCT, err);
  frz_buf_dispose(&bytes);
  return st;
}

static frz_status try_footer_bytes(int64_t n, frz_error *err)
{
  frz_buf bytes = new_buf();
  frz_parquet_file *file;
  frz_context *context = new_context();
  uint8_t end[4];
  frz_store_u32le(end, (uint32_t)n);
  put(&bytes, "PAR1");
  assert_int_equal(frz_buf_append(&bytes, end, sizeof end, NULL), FRZ_OK);
  put(&bytes, "PAR1");
  frz_status st = frz_parquet_file_open(context, new_source(&bytes, (int64_t)bytes.size),
                                        FRZ_STR("f"), &file, err);
  frz_context_free(context);
  frz_buf_dispose(&bytes);
  return st;
}

/* A footer of the elements that `fill` writes, and no rows. */
static frz_status parse_elements(int64_t n, void (*fill)(frz_thrift_writer *, int64_t),
                                 frz_error *err)
{
  frz_buf bytes = new_buf();
  frz_arena arena = new_arena();
  frz_thrift_writer w;
  frz_parquet_metadata metadata;
  frz_thrift_writer_init(&w, &bytes);
  frz_thrift_write_struct_begin(&w);
  frz_thrift_write_i32_field(&w, 1, 1);
  fill(&w, n);
  frz_thrift_write_i64_field(&w, 3, 0);
  frz_thrift_write_list_field(&w, 4, FRZ_THRIFT_STRUCT, 0);
  frz_thrift_write_struct_end(&w);
  assert_int_equal(frz_thrift_writer_finish(&w, NULL), FRZ_OK);
  frz_status st = frz_parquet_metadata_parse(bytes.data, bytes.size, 1000, &arena, &metadata, err);
  frz_arena_free(&arena);
  frz_buf_dispose(&bytes);
  return st;
}

static void put_element(frz_thrift_writer *w, const char *name, int32_t n_children)
{
  frz_thrift_write_struct_begin(w);
  if (n_children == 0) frz_thrift_write_i32_field(w, 1, FRZ_PARQUET_INT32);
  frz_thrift_write_i32_field(w, 3, FRZ_PARQUET_REQUIRED);
  frz_thrift_write_binary_field(w, 4, frz_str_from(name));
  if (n_children > 0) frz_thrift_write_i32_field(w, 5, n_children);
  frz_thrift_write_struct_end(w);
}

static void fill_wide(frz_thrift_writer *w, int64_t n)
{
  frz_thrift_write_list_field(w, 2, FRZ_THRIFT_STRUCT, (size_t)n);
  put_element(w, "root", (int32_t)n - 1);
  for (int64_t i = 1; i < n; i++) put_element(w, "c", 0);
}

static void fill_deep(frz_thrift_writer *w, int64_t n)
{
  frz_thrift_write_list_field(w, 2, FRZ_THRIFT_STRUCT, (size_t)n + 1);
  for (int64_t i = 0; i < n; i++) put_element(w, "g", 1);
  put_element(w, "c", 0);
}

static frz_status try_parquet_elements(int64_t n, frz_error *err)
{
  return parse_elements(n, fill_wide, err);
}

static frz_status try_parquet_depth(int64_t n, frz_error *err)
{
  return parse_elements(n, fill_deep, err);
}

static frz_status parse_page_header(int64_t uncompressed, int64_t compressed, frz_error *err)
{
  frz_buf bytes = new_buf();
  frz_thrift_writer w;
  frz_page_header header;
  frz_thrift_writer_init(&w, &bytes);
  frz_thrift_write_struct_begin(&w);
  frz_thrift_write_i32_field(&w, 1, FRZ_PAGE_DATA);
  frz_thrift_write_i32_field(&w, 2, (int32_t)uncompressed);
  frz_thrift_write_i32_field(&w, 3, (int32_t)compressed);
  frz_thrift_write_field(&w, 5, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(&w);
  frz_thrift_write_i32_field(&w, 1, 1);
  frz_thrift_write_i32_field(&w, 2, FRZ_PARQUET_PLAIN);
  frz_thrift_write_struct_end(&w);
  frz_thrift_write_struct_end(&w);
  assert_int_equal(frz_thrift_writer_finish(&w, NULL), FRZ_OK);
  frz_status st = frz_page_header_parse(bytes.data, bytes.size, &header, err);
  frz_buf_dispose(&bytes);
  return st;
}

static frz_status try_page_stored(int64_t n, frz_error *err)
{
  return parse_page_header(8, n, err);
}

static frz_status try_page_plain(int64_t n, frz_error *err)
{
  return parse_page_header(n, 8, err);
}

static frz_status open_delta(uint64_t block, uint64_t n_minis, frz_error *err)
{
  frz_buf bytes = new_buf();
  frz_delta_decoder delta;
  uint64_t numbers[] = {block, n_minis, 0, 0};
  for (size_t i = 0; i < LENGTH(numbers); i++) {
    uint64_t rest = numbers[i];
    for (; rest >= 128; rest >>= 7)
      assert_int_equal(frz_buf_append_byte(&bytes, (uint8_t)(rest | 128), NULL), FRZ_OK);
    assert_int_equal(frz_buf_append_byte(&bytes, (uint8_t)rest, NULL), FRZ_OK);
  }
  frz_status st = frz_delta_open(&delta, bytes.data, bytes.size, err);
  frz_buf_dispose(&bytes);
  return st;
}

static frz_status try_delta_block(int64_t n, frz_error *err)
{
  return open_delta((uint64_t)n, 4, err);
}

static frz_status try_delta_miniblocks(int64_t n, frz_error *err)
{
  return open_delta(1 << 20, (uint64_t)n, err);
}

static frz_status try_expansion(int64_t n, frz_error *err)
{
  return frz_decompress_check(FRZ_CODEC_BROTLI, 1, (size_t)n, err);
}

/* ---- Avro, Puffin ---- */

static frz_status parse_avro_schema(frz_buf *text, frz_error *err)
{
  frz_arena arena = new_arena();
  const frz_avro_type *type;
  frz_status st = frz_avro_schema_parse(frz_buf_str(text), &arena, &type, err);
  frz_arena_free(&arena);
  frz_buf_dispose(text);
  return st;
}

static frz_status try_avro_fixed(int64_t n, frz_error *err)
{
  frz_buf text = new_buf();
  assert_int_equal(
      frz_buf_print(&text, NULL, "{\"type\":\"fixed\",\"name\":\"f\",\"size\":%d}", (int)n),
      FRZ_OK);
  return parse_avro_schema(&text, err);
}

static frz_status avro_record_of(int64_t n, const char *type, frz_error *err)
{
  frz_buf text = new_buf();
  put(&text, "{\"type\":\"record\",\"name\":\"r\",\"fields\":[");
  for (int64_t i = 0; i < n; i++)
    assert_int_equal(frz_buf_print(&text, NULL, "%s{\"name\":\"c%d\",\"type\":\"%s\"}",
                                   i > 0 ? "," : "", (int)i, type),
                     FRZ_OK);
  put(&text, "]}");
  return parse_avro_schema(&text, err);
}

static frz_status try_avro_empty_parts(int64_t n, frz_error *err)
{
  return avro_record_of(n, "null", err);
}

static frz_status try_avro_fields(int64_t n, frz_error *err)
{
  return avro_record_of(n, "int", err);
}

static void put_avro_head(frz_buf *bytes, int64_t n_properties)
{
  put(bytes, "Obj\x01");
  put_long(bytes, n_properties);
  put_text(bytes, "avro.schema");
  put_text(bytes, "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":"
                  "\"long\"}]}");
}

static frz_status open_avro(const frz_buf *bytes, int64_t size, bool reads, frz_error *err)
{
  frz_avro_table *table;
  frz_avro_columns_reader *reader;
  frz_avro_read_options options = {.batch_rows_max = 10};
  frz_batch batch;
  int64_t first;
  FRZ_TRY(
      frz_avro_table_open(frz_alloc_default(), new_source(bytes, size), FRZ_STR("f"), &table, err));
  frz_status st = frz_avro_columns_create(table, &options, &reader, err);
  assert_int_equal(st, FRZ_OK);
  if (reads) st = frz_avro_columns_next(reader, &batch, &first, err);
  frz_avro_columns_free(reader);
  frz_avro_table_free(table);
  return st;
}

static frz_status try_avro_properties(int64_t n, frz_error *err)
{
  frz_buf bytes = new_buf();
  put_avro_head(&bytes, n);
  for (int64_t i = 1; i < n; i++) {
    char key[32];
    snprintf(key, sizeof key, "k%d", (int)i);
    put_text(&bytes, key);
    put_text(&bytes, "");
  }
  assert_int_equal(frz_buf_resize_zeroed(&bytes, bytes.size + 1 + 16, NULL), FRZ_OK);
  frz_status st = open_avro(&bytes, (int64_t)bytes.size, false, err);
  frz_buf_dispose(&bytes);
  return st;
}

/* A property that does not end within the file; a file of `n` bytes. */
static frz_status try_avro_header_bytes(int64_t n, frz_error *err)
{
  frz_buf bytes = new_buf();
  put_avro_head(&bytes, 2);
  put_text(&bytes, "k");
  put_long(&bytes, (int64_t)1 << 30);
  frz_status st = open_avro(&bytes, n, false, err);
  frz_buf_dispose(&bytes);
  return st;
}

static frz_status try_avro_block_bytes(int64_t n, frz_error *err)
{
  frz_buf bytes = new_buf();
  put_avro_head(&bytes, 1);
  assert_int_equal(frz_buf_resize_zeroed(&bytes, bytes.size + 1 + 16, NULL), FRZ_OK);
  put_long(&bytes, 1);
  put_long(&bytes, n);
  frz_status st = open_avro(&bytes, (int64_t)4 << 30, true, err);
  frz_buf_dispose(&bytes);
  return st;
}

/* The trailer stands at the end of a file whose other bytes are only claimed. */
static frz_status try_puffin_footer_bytes(int64_t n, frz_error *err)
{
  frz_buf bytes = new_buf();
  frz_arena arena = new_arena();
  frz_puffin_footer footer;
  size_t size = (size_t)n + 4 + 4 + 12;
  uint8_t trailer[12] = {0};
  assert_int_equal(frz_buf_resize_zeroed(&bytes, size, NULL), FRZ_OK);
  frz_store_u32le(trailer, (uint32_t)n);
  memcpy(trailer + 8, "PFA1", 4);
  memcpy(bytes.data, "PFA1", 4);
  memcpy(bytes.data + 4, "PFA1", 4);
  memcpy(bytes.data + size - sizeof trailer, trailer, sizeof trailer);
  frz_source *source = new_source(&bytes, (int64_t)size);
  frz_status st = frz_puffin_footer_read(source, &arena, &footer, err);
  frz_source_free(source);
  frz_arena_free(&arena);
  frz_buf_dispose(&bytes);
  return st;
}

static frz_status try_puffin_blob_bytes(int64_t n, frz_error *err)
{
  frz_buf bytes = new_buf();
  frz_buf out;
  frz_puffin_blob blob = {.type = FRZ_STR("t"), .codec = FRZ_PUFFIN_ZSTD, .offset = 4, .length = n};
  frz_buf_init(&out, frz_alloc_default(), 100);
  frz_source *source = new_source(&bytes, (int64_t)4 << 30);
  frz_status st = frz_puffin_blob_read(source, &blob, &out, err);
  frz_source_free(source);
  frz_buf_dispose(&out);
  return st;
}

/* ---- the table ---- */

typedef struct limit_case {
  const char *name;
  int64_t limit;
  frz_status (*try)(int64_t n, frz_error *err);
  frz_status at_limit;    /* of an input exactly as large */
  const char *also_names; /* in the message for one that is greater */
  bool names_value;       /* and its size too */
} limit_case;

static const limit_case cases[] = {
    {"JSON depth", FRZ_LIMIT_DEPTH, try_json_depth, FRZ_OK, "offset 64", false},
    {"Thrift depth", FRZ_LIMIT_DEPTH, try_thrift_depth, FRZ_OK, "offset", false},
    {"Parquet depth", FRZ_LIMIT_DEPTH, try_parquet_depth, FRZ_OK, "at 'g'", false},
    {"filter depth", FRZ_LIMIT_DEPTH, try_filter_depth, FRZ_OK, "offset 64", false},
    {"schema fields", FRZ_LIMIT_SCHEMA_FIELDS, try_schema_fields, FRZ_OK, "schema", false},
    {"name mapping", FRZ_LIMIT_SCHEMA_FIELDS, try_name_mapping_fields, FRZ_OK, "fields", false},
    {"Parquet elements", FRZ_LIMIT_SCHEMA_FIELDS, try_parquet_elements, FRZ_OK, "schema", true},
    {"Avro fields", FRZ_LIMIT_SCHEMA_FIELDS, try_avro_fields, FRZ_OK, "members of one type", false},
    {"Avro fixed", FRZ_LIMIT_FIXED_BYTES, try_avro_fixed, FRZ_OK, "'f'", true},
    {"Avro empty parts", FRZ_LIMIT_AVRO_EMPTY_PARTS, try_avro_empty_parts, FRZ_OK, "'r'", false},
    {"Avro properties", FRZ_LIMIT_AVRO_PROPERTIES, try_avro_properties, FRZ_OK, "offset", false},
    {"Avro header", FRZ_LIMIT_AVRO_HEADER_BYTES, try_avro_header_bytes, FRZ_ERR_CORRUPT, "header",
     false},
    {"Avro block", FRZ_LIMIT_PAGE_BYTES, try_avro_block_bytes, FRZ_ERR_IO, "block 1 at offset",
     true},
    {"filter text", FRZ_LIMIT_FILTER_BYTES, try_filter_bytes, FRZ_OK, "filter", true},
    {"partitioning text", FRZ_LIMIT_FILTER_BYTES, try_partitioning_bytes, FRZ_OK, "partitioning",
     true},
    {"sort order text", FRZ_LIMIT_FILTER_BYTES, try_sort_order_bytes, FRZ_OK, "sort order", true},
    {"partitioning terms", FRZ_LIMIT_PARTITION_FIELDS, try_partitioning_terms, FRZ_OK,
     "partitioning", false},
    {"sort order terms", FRZ_LIMIT_PARTITION_FIELDS, try_sort_order_terms, FRZ_OK, "sort order",
     false},
    {"partition spec", FRZ_LIMIT_PARTITION_FIELDS, try_spec_fields, FRZ_OK, "partition spec", true},
    {"location", FRZ_LIMIT_LOCATION_BYTES, try_location_bytes, FRZ_OK, "location", true},
    {"metadata", FRZ_LIMIT_METADATA_BYTES, try_metadata_bytes, FRZ_ERR_CORRUPT,
     "table metadata 'm'", true},
    {"manifest", FRZ_LIMIT_MANIFEST_BYTES, try_manifest_bytes, FRZ_ERR_IO, "'m.avro'", true},
    {"deletion vector", FRZ_LIMIT_PUFFIN_BLOB_BYTES, try_vector_bytes, FRZ_ERR_CORRUPT,
     "'d.puffin'", true},
    {"footer", FRZ_LIMIT_PARQUET_FOOTER_BYTES, try_footer_bytes, FRZ_ERR_CORRUPT, "parquet 'f'",
     true},
    {"stored page", FRZ_LIMIT_PAGE_BYTES, try_page_stored, FRZ_OK, "page", true},
    {"plain page", FRZ_LIMIT_PAGE_BYTES, try_page_plain, FRZ_OK, "page", true},
    {"delta block", FRZ_LIMIT_DELTA_BLOCK_VALUES, try_delta_block, FRZ_OK, "delta encoding", true},
    {"delta miniblocks", FRZ_LIMIT_DELTA_MINIBLOCKS, try_delta_miniblocks, FRZ_OK, "delta encoding",
     true},
    {"expansion", FRZ_LIMIT_EXPANSION_BYTES, try_expansion, FRZ_OK, "brotli", true},
    {"Puffin footer", FRZ_LIMIT_PUFFIN_FOOTER_BYTES, try_puffin_footer_bytes, FRZ_ERR_CORRUPT,
     "puffin footer", true},
    {"Puffin blob", FRZ_LIMIT_PUFFIN_BLOB_BYTES, try_puffin_blob_bytes, FRZ_ERR_IO, "blob", true},
};

static bool must_name(const char *name, const frz_error *err, const char *text)
{
  if (strstr(err->message, text) != NULL) return true;
  print_error("%s: no '%s' in: %s\n", name, text, err->message);
  return false;
}

static bool must_be(const char *name, frz_status st, frz_status expected, const frz_error *err)
{
  if (st == expected) return true;
  print_error("%s: %d instead of %d: %s\n", name, (int)st, (int)expected, err->message);
  return false;
}

static void test_boundaries(void **state)
{
  (void)state;
  bool is_good = true;
  for (size_t i = 0; i < LENGTH(cases); i++) {
    const limit_case *c = &cases[i];
    char number[32];
    frz_error err = {0};
    is_good &= must_be(c->name, c->try(c->limit, &err), c->at_limit, &err);
    err = (frz_error){0};
    is_good &= must_be(c->name, c->try(c->limit + 1, &err), FRZ_ERR_LIMIT, &err);
    snprintf(number, sizeof number, "%lld", (long long)c->limit);
    is_good &= must_name(c->name, &err, number);
    is_good &= must_name(c->name, &err, c->also_names);
    snprintf(number, sizeof number, "%lld", (long long)c->limit + 1);
    if (c->names_value) is_good &= must_name(c->name, &err, number);
  }
  assert_true(is_good);
}

/* ---- bounds without an error ---- */

/* A filter that is too large is not used. */
static void test_bloom_filter(void **state)
{
  (void)state;
  for (int32_t extra = 0; extra <= 32; extra += 32) {
    frz_buf bytes = new_buf();
    frz_thrift_writer w;
    frz_thrift_writer_init(&w, &bytes);
    frz_thrift_write_struct_begin(&w);
    frz_thrift_write_i32_field(&w, 1, (int32_t)FRZ_LIMIT_BLOOM_BYTES + extra);
    for (int16_t id = 2; id <= 4; id++) {
      frz_thrift_write_field(&w, id, FRZ_THRIFT_STRUCT);
      frz_thrift_write_struct_begin(&w);
      frz_thrift_write_field(&w, 1, FRZ_THRIFT_STRUCT);
      frz_thrift_write_struct_begin(&w);
      frz_thrift_write_struct_end(&w);
      frz_thrift_write_struct_end(&w);
    }
    frz_thrift_write_struct_end(&w);
    assert_int_equal(frz_thrift_writer_finish(&w, NULL), FRZ_OK);
    frz_bloom_filter filter =
        frz_bloom_filter_parse(bytes.data, bytes.size, 4, -1, (int64_t)1 << 40);
    assert_int_equal(filter.n_blocks, extra == 0 ? FRZ_LIMIT_BLOOM_BYTES / 32 : 0);
    frz_buf_dispose(&bytes);
  }
}

/* What a codec cannot give is found by its ratio alone, before memory is asked for. */
static void test_ratios(void **state)
{
  static const struct {
    frz_codec codec;
    size_t ratio;
  } ratios[] = {
      {FRZ_CODEC_NONE, 1},        {FRZ_CODEC_SNAPPY, 32},     {FRZ_CODEC_GZIP, 1032},
      {FRZ_CODEC_DEFLATE, 1032},  {FRZ_CODEC_LZ4_RAW, 255},   {FRZ_CODEC_LZ4_HADOOP, 255},
      {FRZ_CODEC_LZ4_FRAME, 255}, {FRZ_CODEC_ZSTD, 1u << 15}, {FRZ_CODEC_BROTLI, 1u << 15}};
  (void)state;
  for (size_t i = 0; i < LENGTH(ratios); i++) {
    frz_error err = {0};
    bool is_free = ratios[i].codec == FRZ_CODEC_BROTLI;
    size_t stored = is_free ? 10000 : 10;
    size_t least = (stored + 1) * ratios[i].ratio;
    assert_int_equal(frz_decompress_check(ratios[i].codec, stored, least - 1, &err), FRZ_OK);
    assert_int_equal(frz_decompress_check(ratios[i].codec, stored, least, &err),
                     is_free ? FRZ_ERR_LIMIT : FRZ_ERR_CORRUPT);
    assert_true(must_name("ratio", &err, frz_codec_name(ratios[i].codec)));
  }
}

/* What is missing has no value: the message says where. */
static void test_missing_members(void **state)
{
  static const struct {
    const char *json, *message;
    bool is_order;
  } refused[] = {
      {"{\"spec-id\":0,\"fields\":[{\"source-id\":1,\"transform\":\"void\"}]}",
       "json offset 57: partition field: 'name' is missing", false},
      {"{\"fields\":[]}", "json offset 13: partition spec: 'spec-id' is missing", false},
      {"{\"order-id\":1,\"fields\":[{\"null-order\":\"nulls-first\"}]}",
       "json offset 52: sort field: 'direction' is missing", true},
      {"{\"order-id\":1,\"fields\":[{\"direction\":\"asc\"}]}",
       "json offset 43: sort field: 'null-order' is missing", true},
      {"{\"fields\":[]}", "json offset 13: sort order: 'order-id' is missing", true},
  };
  (void)state;
  for (size_t i = 0; i < LENGTH(refused); i++) {
    frz_arena arena = new_arena();
    frz_json_reader json;
    frz_partition_spec spec;
    frz_sort_order order;
    frz_error err = {0};
    frz_json_reader_init(&json, refused[i].json, strlen(refused[i].json), &arena);
    frz_status st = refused[i].is_order ? frz_sort_order_parse(&json, &arena, &order, &err)
                                        : frz_partition_spec_parse(&json, &arena, &spec, &err);
    assert_int_equal(st, FRZ_ERR_CORRUPT);
    assert_true(must_name("missing", &err, refused[i].message));
    frz_arena_free(&arena);
  }
}

static void test_the_fixed_type(void **state)
{
  (void)state;
  frz_type type;
  frz_error err = {0};
  assert_int_equal(frz_type_parse_primitive(FRZ_STR("fixed[16777216]"), &type, &err), FRZ_OK);
  assert_int_equal(type.length, FRZ_LIMIT_FIXED_BYTES);
  assert_int_equal(frz_type_parse_primitive(FRZ_STR("fixed[16777217]"), &type, &err),
                   FRZ_ERR_INVALID);
  assert_true(must_name("fixed", &err, "16777217"));
}

static void test_threads(void **state)
{
  (void)state;
  frz_context_options options;
  frz_context *context;
  frz_error err = {0};
  frz_context_options_init(&options);
  options.n_threads = FRZ_LIMIT_THREADS + 1;
  assert_int_equal(frz_context_create(&options, &context, &err), FRZ_ERR_INVALID);
  assert_true(must_name("threads", &err, "257"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_boundaries),      cmocka_unit_test(test_bloom_filter),
      cmocka_unit_test(test_ratios),          cmocka_unit_test(test_the_fixed_type),
      cmocka_unit_test(test_missing_members), cmocka_unit_test(test_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
