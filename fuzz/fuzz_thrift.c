/*
 * fuzz_thrift.c - any bytes as Thrift, and as the structures that Parquet makes of it.
 *
 * Skipping moves forward and never past the end; a footer that is parsed keeps the promises of
 * parquet_metadata.h.
 */
#include <stdint.h>
#include <stdlib.h>

#include "parquet/format/thrift.h"
#include "parquet/read/offset_index.h"
#include "parquet/read/page_header.h"

enum { FILE_BYTES = 1 << 20, ARENA_MAX = 1 << 26 };

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

static void skip_fields(const uint8_t *data, size_t size)
{
  frz_thrift_reader reader;
  frz_thrift_reader_init(&reader, data, size);
  if (frz_thrift_struct_begin(&reader, NULL) != FRZ_OK) return;
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    size_t before = reader.bytes.pos;
    if (frz_thrift_field(&reader, &id, &type, NULL) != FRZ_OK) return;
    MUST(reader.bytes.pos > before && reader.bytes.pos <= size);
    if (type == FRZ_THRIFT_STOP) break;
    MUST(reader.depth == 1);
    if (frz_thrift_skip(&reader, type, NULL) != FRZ_OK) return;
    MUST(reader.bytes.pos <= size && reader.depth == 1);
  }
  MUST(reader.depth == 0);
}

static void check_footer(const frz_parquet_metadata *metadata)
{
  int64_t n_rows = 0;
  MUST(metadata->root != NULL && metadata->root->parent == NULL && !metadata->root->is_leaf);
  for (size_t i = 0; i < metadata->n_leaves; i++) {
    const frz_parquet_node *leaf = metadata->leaves[i];
    MUST(leaf->is_leaf && leaf->leaf_index == (int32_t)i);
    MUST(leaf->max_definition_level <= FRZ_LIMIT_DEPTH &&
         leaf->max_repetition_level <= leaf->max_definition_level);
  }
  for (size_t i = 0; i < metadata->n_row_groups; i++) {
    const frz_parquet_row_group *group = &metadata->row_groups[i];
    MUST(group->n_rows >= 0 && group->first_row == n_rows);
    n_rows += group->n_rows;
    for (size_t j = 0; j < metadata->n_leaves; j++) {
      const frz_parquet_chunk *chunk = &group->chunks[j];
      MUST(chunk->n_values >= 0 && chunk->compressed_bytes >= 0);
      MUST(chunk->compressed_bytes <= FILE_BYTES && chunk->data_page_offset >= 0);
      MUST(chunk->statistics.null_count <= chunk->n_values);
    }
  }
  MUST(n_rows == metadata->n_rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_arena arena;
  frz_parquet_metadata metadata;
  frz_page_header header;
  frz_page_places places;
  frz_parquet_chunk chunk = {.data_page_offset = 4, .dictionary_page_offset = -1};
  skip_fields(data, size);
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  if (frz_parquet_metadata_parse(data, size, FILE_BYTES, &arena, &metadata, NULL) == FRZ_OK)
    check_footer(&metadata);
  if (frz_page_header_parse(data, size, &header, NULL) == FRZ_OK) {
    MUST(header.header_bytes > 0 && header.header_bytes <= size && header.n_values >= 0);
    MUST(header.def_bytes + header.rep_bytes <= header.compressed_bytes);
  }
  MUST(frz_offset_index_parse(data, size, &chunk, 1000, FILE_BYTES, &arena, &places, NULL) !=
       FRZ_ERR_CORRUPT);
  for (size_t i = 1; i < places.n_places; i++)
    MUST(places.places[i].offset >= places.places[i - 1].offset + places.places[i - 1].bytes);
  frz_arena_free(&arena);
  return 0;
}
