/*
 * fuzz_segment.c - any bytes as a segment, or as an "index" file, of the lookup index.
 *
 * The first byte chooses. Checksums would keep a fuzzer from getting anywhere, so that of the
 * header is put right, and the segment is opened as memory, whose blocks are not summed: every
 * offset in it is then what the input says. Whatever is read must lie inside of the segment, and
 * what is opened as a file must be refused or read the same way.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "online/index_files.h"
#include "online/segment_build.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { SIZE_MAX_BYTES = 1 << 20, ROWS_MAX = 2000 };

static void inside(const frz_segment *segment, const void *data, size_t size)
{
  const uint8_t *at = data;
  REQUIRE(size == 0 || (at >= segment->base && size <= segment->size_bytes &&
                        at <= segment->base + segment->size_bytes - size));
}

static uint64_t read_value(const frz_segment *segment, const frz_value *value)
{
  uint64_t sum = value->kind;
  if (value->kind == FRZ_VALUE_STRING || value->kind == FRZ_VALUE_BYTES ||
      value->kind == FRZ_VALUE_SERIALIZED) {
    inside(segment, value->as.bytes.data, value->as.bytes.size_bytes);
  } else if (value->kind == FRZ_VALUE_LIST) {
    inside(segment, value->as.list.data, value->as.list.size_bytes);
    for (uint32_t i = 0; i < value->as.list.n_items && i < 100; i++) {
      frz_value item = frz_value_item(value, i);
      REQUIRE(item.kind != FRZ_VALUE_LIST);
      sum += read_value(segment, &item);
    }
  }
  return sum;
}

static void read_rows(frz_segment *segment)
{
  uint64_t offset = 0;
  for (int64_t i = 0; i < segment->n_rows && i < ROWS_MAX; i++) {
    frz_segment_row row;
    if (!frz_segment_row_at(segment, offset, &row)) return;
    inside(segment, segment->rows + offset, row.row_bytes);
    inside(segment, row.key, row.key_bytes);
    inside(segment, row.values, segment->fixed_bytes + row.var_bytes);
    for (size_t c = 0; c < segment->n_columns && c < 100; c++) {
      frz_value value = frz_segment_value(segment, &row, c);
      (void)read_value(segment, &value);
    }
    offset += row.row_bytes;
  }
}

static void find_keys(frz_segment *segment, const uint8_t *data, size_t size)
{
  for (size_t at = 0; at + 24 <= size && at < 4096; at += 97) {
    frz_segment_row row;
    frz_str key = {(const char *)data + at, at % 24};
    if (frz_segment_find(segment, key, frz_entity_key_hash(key), &row))
      inside(segment, row.key, row.key_bytes);
    /* Any hash: it need not be the key's. */
    if (frz_segment_find(segment, key, frz_load_u64le(data + at), &row))
      inside(segment, row.key, row.key_bytes);
  }
}

static void join(frz_context *context, frz_segment *segment)
{
  frz_segment_builder *builder;
  frz_segment *joined;
  if (segment->n_columns > 100 || segment->n_rows > ROWS_MAX) return;
  const frz_segment_plan plan = {
      .columns = segment->columns, .n_columns = segment->n_columns, .n_lanes = 1};
  const frz_segment_target memory = {0};
  REQUIRE(frz_segment_builder_create(context, &plan, &builder, NULL) == FRZ_OK);
  if (frz_segment_builder_add_segment(builder, 0, segment, 0, NULL) == FRZ_OK &&
      frz_segment_builder_finish(builder, &memory, &joined, NULL) == FRZ_OK) {
    REQUIRE(joined->n_rows <= segment->n_rows);
    read_rows(joined);
    frz_segment_release(joined);
  }
  frz_segment_builder_free(builder);
}

static void open_memory(frz_context *context, const uint8_t *data, size_t size)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_segment *segment;
  uint8_t *bytes = frz_alloc_new(alloc, size);
  REQUIRE(bytes != NULL);
  memcpy(bytes, data, size);
  if (size >= FRZ_SEGMENT_BLOCK_BYTES) {
    uint32_t header = frz_load_u32le(bytes + 104);
    if (header <= size && header > 16)
      frz_store_u32le(bytes + 12, frz_crc32(0, bytes + 16, header - 16));
    frz_store_u64le(bytes + 16, size);
  }
  if (frz_segment_open(alloc, bytes, size, false, (frz_str){0}, &segment, NULL) != FRZ_OK) {
    frz_alloc_free(alloc, bytes, size);
    return;
  }
  read_rows(segment);
  find_keys(segment, data, size);
  join(context, segment);
  frz_segment_release(segment);
}

static void open_mapped(frz_context *context, const uint8_t *data, size_t size)
{
  frz_segment *segment;
  void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(bytes != MAP_FAILED);
  memcpy(bytes, data, size);
  if (frz_segment_open(frz_context_alloc(context), bytes, size, true, (frz_str){0}, &segment,
                       NULL) != FRZ_OK) {
    munmap(bytes, size);
    return;
  }
  read_rows(segment);
  find_keys(segment, data, size);
  frz_segment_release(segment);
}

static void parse_index(frz_context *context, const uint8_t *data, size_t size)
{
  frz_str names[FRZ_INDEX_SEGMENTS_MAX];
  size_t n_names;
  frz_watermark mark;
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_buf bytes;
  frz_buf_init(&bytes, alloc, SIZE_MAX_BYTES * 2);
  REQUIRE(frz_buf_append(&bytes, data, size, NULL) == FRZ_OK);
  if (size >= 8) frz_store_u64le(bytes.data + size - 8, frz_xxh64(bytes.data, size - 8, 0));
  frz_str uuid = {size >= 48 ? (const char *)data + 8 : "", size >= 48 ? 40 : 0};
  if (frz_index_file_parse(frz_buf_str(&bytes), uuid, alloc, names, &n_names, &mark, NULL) ==
      FRZ_OK) {
    REQUIRE(n_names <= FRZ_INDEX_SEGMENTS_MAX);
    for (size_t i = 0; i < n_names; i++)
      REQUIRE(names[i].size != 0 && memchr(names[i].data, '/', names[i].size) == NULL);
    REQUIRE(frz_marks_contain(&mark.data_files, &mark.data_files));
    frz_watermark_dispose(&mark);
  }
  frz_buf_dispose(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 2 || size > SIZE_MAX_BYTES) return 0;
  frz_context_options options;
  frz_context *context;
  frz_context_options_init(&options);
  options.n_threads = 1;
  REQUIRE(frz_context_create(&options, &context, NULL) == FRZ_OK);
  if (data[0] == 'i') {
    parse_index(context, data + 1, size - 1);
  } else {
    open_memory(context, data + 1, size - 1);
    open_mapped(context, data + 1, size - 1);
  }
  frz_context_free(context);
  return 0;
}
