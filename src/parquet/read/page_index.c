/*
 * page_index.c - see page_index.h.
 *
 * A chunk's index is in two parts, which writers put near the end of the file: the column indexes
 * of all chunks, then the offset indexes of all. Reading those of several chunks merges what lies
 * near each other.
 *
 * Source: apache/parquet-format, PageIndex.md.
 */
#include "parquet/read/page_index.h"

#include "base/limits.h"
#include "parquet/read/file_pieces.h"
#include "parquet/read/parquet_file.h"

enum { GAP_BYTES = 4 << 10 };

static const frz_parquet_chunk *chunk_of(const frz_parquet_metadata *metadata, frz_chunk_id id)
{
  return &metadata->row_groups[id.row_group].chunks[id.leaf];
}

size_t frz_page_index_bytes(const frz_parquet_metadata *metadata, frz_chunk_id id)
{
  const frz_parquet_chunk *chunk = chunk_of(metadata, id);
  if (chunk->offset_index_offset < 0 || chunk->column_index_offset < 0 || chunk->is_encrypted ||
      metadata->leaves[id.leaf]->max_repetition_level > 0)
    return 0;
  return (size_t)chunk->offset_index_bytes + (size_t)chunk->column_index_bytes;
}

static frz_status parse_chunk(const frz_parquet_file *file, frz_chunk_id id,
                              const frz_file_piece *places, const frz_file_piece *bounds,
                              frz_arena *arena, frz_chunk_pages *pages_out, frz_error *err)
{
  const frz_parquet_metadata *metadata = &file->metadata;
  int64_t n_rows = metadata->row_groups[id.row_group].n_rows;
  frz_chunk_pages pages = {0};
  FRZ_TRY(frz_offset_index_parse(places->data, places->size, chunk_of(metadata, id), n_rows,
                                 file->source->size_bytes, arena, &pages.places, err));
  if (pages.places.n_places > 0)
    FRZ_TRY(frz_column_index_parse(bounds->data, bounds->size, metadata->leaves[id.leaf],
                                   &pages.places, n_rows, arena, &pages.statistics, err));
  if (pages.statistics == NULL) pages = (frz_chunk_pages){0};
  *pages_out = pages;
  return FRZ_OK;
}

static frz_status read_chunks(frz_parquet_file *file, const frz_chunk_id *chunks, size_t n_chunks,
                              frz_buf *bytes, frz_arena *arena, frz_chunk_pages *pages_out,
                              frz_error *err)
{
  frz_file_piece *pieces = frz_arena_array(arena, n_chunks * 2, sizeof *pieces);
  if (pieces == NULL) return frz_fail_nomem(err, "page index");
  size_t n = 0;
  for (size_t i = 0; i < n_chunks; i++) {
    const frz_parquet_chunk *chunk = chunk_of(&file->metadata, chunks[i]);
    if (frz_page_index_bytes(&file->metadata, chunks[i]) == 0) continue;
    pieces[n++] =
        (frz_file_piece){chunk->offset_index_offset, (size_t)chunk->offset_index_bytes, NULL};
    pieces[n++] =
        (frz_file_piece){chunk->column_index_offset, (size_t)chunk->column_index_bytes, NULL};
  }
  FRZ_TRY(frz_file_pieces_read(file->source, pieces, n, GAP_BYTES, bytes, err));
  n = 0;
  for (size_t i = 0; i < n_chunks; i++) {
    pages_out[i] = (frz_chunk_pages){0};
    if (frz_page_index_bytes(&file->metadata, chunks[i]) == 0) continue;
    FRZ_TRY(parse_chunk(file, chunks[i], &pieces[n], &pieces[n + 1], arena, &pages_out[i], err));
    n += 2;
  }
  return FRZ_OK;
}

frz_status frz_page_index_read(frz_parquet_file *file, const frz_chunk_id *chunks, size_t n_chunks,
                               frz_arena *arena, frz_chunk_pages *pages_out, frz_error *err)
{
  frz_buf bytes;
  frz_buf_init(&bytes, file->alloc,
               FRZ_LIMIT_PAGE_INDEX_BYTES + (n_chunks * 2 + 1) * (size_t)GAP_BYTES);
  frz_status st = read_chunks(file, chunks, n_chunks, &bytes, arena, pages_out, err);
  if (st != FRZ_OK) frz_error_where(err, "parquet '%.*s': page index: ", FRZ_STR_ARG(file->name));
  frz_buf_dispose(&bytes);
  return st;
}
