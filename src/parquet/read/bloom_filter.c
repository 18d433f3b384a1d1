/*
 * bloom_filter.c - see bloom_filter.h.
 *
 * A filter in the file is a Thrift header, then the blocks. It is an aid to speed: whatever is
 * wrong with one, its chunk may contain everything.
 *
 * Source: apache/parquet-format, BloomFilter.md; parquet.thrift, BloomFilterHeader.
 */
#include "parquet/read/bloom_filter.h"

#include "base/endian.h"
#include "codec/checksum.h"
#include "parquet/format/bloom_block.h"
#include "parquet/format/thrift.h"
#include "parquet/read/file_pieces.h"
#include "parquet/read/parquet_file.h"

enum {
  HEADER_BYTES = 64, /* a header takes about 16 */
  GAP_BYTES = 256
};

uint64_t frz_bloom_filter_hash(frz_str plain)
{
  return frz_xxh64(plain.data, plain.size, 0);
}

bool frz_bloom_filter_exists(const frz_parquet_metadata *metadata, frz_chunk_id id)
{
  const frz_parquet_chunk *chunk = &metadata->row_groups[id.row_group].chunks[id.leaf];
  return chunk->bloom_filter_offset > 0 && !chunk->is_encrypted &&
         metadata->leaves[id.leaf]->physical != FRZ_PARQUET_BOOLEAN;
}

/* ---- headers ---- */

/* A union of empty structs: the field that is set; 0: none, or several. */
static frz_status parse_union(frz_thrift_reader *reader, int *choice_out, frz_error *err)
{
  int choice = 0;
  int n = 0;
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    choice = id;
    n++;
    FRZ_TRY(frz_thrift_skip(reader, type, err));
  }
  *choice_out = n == 1 ? choice : 0;
  return FRZ_OK;
}

static frz_status parse_header(const void *data, size_t size, int64_t *bytes_out,
                               size_t *header_bytes_out, frz_error *err)
{
  int kinds[5] = {0}; /* of algorithm, hash and compression, by field; 1 is the one known */
  int64_t bytes = -1;
  frz_thrift_reader reader;
  frz_thrift_reader_init(&reader, data, size);
  FRZ_TRY(frz_thrift_struct_begin(&reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(&reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    if (id == 1 && type == FRZ_THRIFT_I32)
      FRZ_TRY(frz_thrift_read_i64(&reader, &bytes, err));
    else if (id >= 2 && id <= 4 && type == FRZ_THRIFT_STRUCT)
      FRZ_TRY(parse_union(&reader, &kinds[id], err));
    else
      FRZ_TRY(frz_thrift_skip(&reader, type, err));
  }
  if (kinds[2] != 1 || kinds[3] != 1 || kinds[4] != 1)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "bloom filter of algorithm %d, hash %d, compression %d", kinds[2], kinds[3],
                    kinds[4]);
  *bytes_out = bytes;
  *header_bytes_out = reader.bytes.pos;
  return FRZ_OK;
}

frz_bloom_filter frz_bloom_filter_parse(const void *data, size_t size, int64_t offset,
                                        int32_t filter_bytes, int64_t file_bytes)
{
  const frz_bloom_filter none = {0, 0};
  int64_t bytes = 0;
  size_t header_bytes = 0;
  if (parse_header(data, size, &bytes, &header_bytes, NULL) != FRZ_OK) return none;
  if (bytes <= 0 || bytes % FRZ_BLOOM_BLOCK_BYTES != 0 || (size_t)bytes > FRZ_LIMIT_BLOOM_BYTES)
    return none;
  int64_t start = offset + (int64_t)header_bytes;
  if (start > file_bytes || bytes > file_bytes - start) return none;
  if (filter_bytes >= 0 && bytes > (int64_t)filter_bytes - (int64_t)header_bytes) return none;
  return (frz_bloom_filter){start, (uint32_t)(bytes / FRZ_BLOOM_BLOCK_BYTES)};
}

/* ---- probes ---- */

static bool same_chunk(const frz_bloom_probe *a, const frz_bloom_probe *b)
{
  return a->chunk.row_group == b->chunk.row_group && a->chunk.leaf == b->chunk.leaf;
}

/* Reading in two steps: `pieces` has one place a probe, `filters` too. */
typedef struct probing {
  frz_parquet_file *file;
  frz_bloom_probe *probes;
  size_t n_probes;
  frz_file_piece *pieces;
  frz_bloom_filter *filters; /* of each probe's chunk */
  frz_buf bytes;
} probing;

static frz_status read_headers(probing *self, frz_error *err)
{
  const frz_parquet_metadata *metadata = &self->file->metadata;
  int64_t file_bytes = self->file->source->size_bytes;
  size_t n = 0;
  for (size_t i = 0; i < self->n_probes; i++) {
    const frz_bloom_probe *probe = &self->probes[i];
    if (!frz_bloom_filter_exists(metadata, probe->chunk)) continue;
    if (i > 0 && same_chunk(probe, probe - 1)) continue;
    int64_t offset =
        metadata->row_groups[probe->chunk.row_group].chunks[probe->chunk.leaf].bloom_filter_offset;
    int64_t left = file_bytes - offset;
    self->pieces[n++] =
        (frz_file_piece){offset, left < HEADER_BYTES ? (size_t)left : HEADER_BYTES, NULL};
  }
  FRZ_TRY(frz_file_pieces_read(self->file->source, self->pieces, n, GAP_BYTES, &self->bytes, err));
  n = 0;
  for (size_t i = 0; i < self->n_probes; i++) {
    const frz_bloom_probe *probe = &self->probes[i];
    if (!frz_bloom_filter_exists(metadata, probe->chunk)) continue;
    if (i > 0 && same_chunk(probe, probe - 1)) {
      self->filters[i] = self->filters[i - 1];
      continue;
    }
    const frz_parquet_chunk *chunk =
        &metadata->row_groups[probe->chunk.row_group].chunks[probe->chunk.leaf];
    self->filters[i] =
        frz_bloom_filter_parse(self->pieces[n].data, self->pieces[n].size,
                               chunk->bloom_filter_offset, chunk->bloom_filter_bytes, file_bytes);
    n++;
  }
  return FRZ_OK;
}

static frz_status read_blocks(probing *self, frz_error *err)
{
  size_t n = 0;
  for (size_t i = 0; i < self->n_probes; i++) {
    const frz_bloom_filter *filter = &self->filters[i];
    if (filter->n_blocks == 0) continue;
    int64_t block = frz_bloom_block_of(self->probes[i].hash, filter->n_blocks);
    self->pieces[n++] = (frz_file_piece){filter->offset + block * FRZ_BLOOM_BLOCK_BYTES,
                                         FRZ_BLOOM_BLOCK_BYTES, NULL};
  }
  FRZ_TRY(frz_file_pieces_read(self->file->source, self->pieces, n, GAP_BYTES, &self->bytes, err));
  n = 0;
  for (size_t i = 0; i < self->n_probes; i++) {
    frz_bloom_probe *probe = &self->probes[i];
    probe->may_contain = true;
    if (self->filters[i].n_blocks == 0) continue;
    uint32_t block[FRZ_BLOOM_BLOCK_WORDS];
    for (size_t k = 0; k < FRZ_BLOOM_BLOCK_WORDS; k++)
      block[k] = frz_load_u32le(self->pieces[n].data + k * sizeof(uint32_t));
    probe->may_contain = frz_bloom_block_check(block, probe->hash);
    n++;
  }
  return FRZ_OK;
}

frz_status frz_bloom_filter_probe(frz_parquet_file *file, frz_bloom_probe *probes, size_t n_probes,
                                  frz_error *err)
{
  probing self = {.file = file, .probes = probes, .n_probes = n_probes};
  frz_status st = FRZ_OK;
  if (n_probes == 0) return FRZ_OK;
  frz_buf_init(&self.bytes, file->alloc, (n_probes + 1) * (GAP_BYTES + HEADER_BYTES));
  self.pieces = frz_alloc_array(file->alloc, n_probes, sizeof *self.pieces);
  self.filters = frz_alloc_zeroed(file->alloc, n_probes * sizeof *self.filters);
  if (self.pieces == NULL || self.filters == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "bloom filter"));
  FRZ_TRY_OUT(read_headers(&self, err));
  FRZ_TRY_OUT(read_blocks(&self, err));
out:
  if (st != FRZ_OK) frz_error_where(err, "parquet '%.*s': bloom filter: ", FRZ_STR_ARG(file->name));
  frz_alloc_free(file->alloc, self.pieces, n_probes * sizeof *self.pieces);
  frz_alloc_free(file->alloc, self.filters, n_probes * sizeof *self.filters);
  frz_buf_dispose(&self.bytes);
  return st;
}
