/*
 * avro_file.c - Avro object container files.
 *
 *   header: "Obj" 1 | metadata map | sync marker (16 bytes)
 *   block:  count of records | size | data, compressed | sync marker
 *
 * The reader decompresses one block at a time into a buffer that is used again; uncompressed blocks
 * are read where they lie. The marker behind each block must be the header's, and the records must
 * fill their block exactly.
 *
 * What must stay true: `pos` <= file size; `left` records remain in `record`, which covers the
 * current block.
 *
 * Source: Apache Avro 1.11 specification, "Object Container Files" and "Required Codecs".
 */
#include "avro/avro_file.h"

#include <assert.h>
#include <inttypes.h>

#include "avro/avro_header.h"
#include "avro/avro_value.h"
#include "base/limits.h"
#include "base/os.h"
#include "codec/checksum.h"

enum { BLOCK_BYTES = 64 << 10 };

struct frz_avro_reader {
  const frz_alloc *alloc;
  frz_arena arena; /* metadata list and schema */
  frz_str name;
  frz_reader file;
  frz_avro_header header;
  frz_buf block;     /* decompressed; empty for codec null */
  frz_reader record; /* over the current block */
  int64_t left;      /* records of it */
  int64_t n_blocks;  /* begun */
};

/* ---- reading ---- */

frz_status frz_avro_reader_open(const frz_alloc *alloc, frz_str name, const void *data, size_t size,
                                frz_avro_reader **reader_out, frz_error *err)
{
  frz_avro_reader *r = frz_alloc_zeroed(alloc, sizeof *r);
  if (r == NULL) return frz_fail_nomem(err, "avro reader");
  r->alloc = alloc;
  r->name = name;
  r->file = frz_reader_of(data, size);
  frz_arena_init(&r->arena, alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_buf_init(&r->block, alloc, FRZ_LIMIT_PAGE_BYTES);
  frz_status st = frz_avro_header_read(&r->file, &r->arena, &r->header, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "avro file '%.*s' header, offset %zu: ", FRZ_STR_ARG(name), r->file.pos);
    frz_avro_reader_free(r);
    return st;
  }
  *reader_out = r;
  return FRZ_OK;
}

void frz_avro_reader_free(frz_avro_reader *reader)
{
  if (reader == NULL) return;
  frz_buf_dispose(&reader->block);
  frz_arena_free(&reader->arena);
  frz_alloc_free(reader->alloc, reader, sizeof *reader);
}

const frz_avro_type *frz_avro_reader_schema(const frz_avro_reader *reader)
{
  return reader->header.schema;
}

bool frz_avro_reader_meta(const frz_avro_reader *reader, const char *key, frz_str *value_out)
{
  return frz_avro_header_meta(&reader->header, key, value_out);
}

static frz_status read_block(frz_avro_reader *r, frz_error *err)
{
  int64_t n;
  frz_str data;
  const uint8_t *sync;
  r->n_blocks++;
  r->record = (frz_reader){0};
  FRZ_TRY(frz_avro_read_long(&r->file, &n, err));
  FRZ_TRY(frz_avro_read_bytes(&r->file, &data, err));
  if (!frz_read_bytes(&r->file, FRZ_AVRO_SYNC_BYTES, &sync) ||
      memcmp(sync, r->header.sync, FRZ_AVRO_SYNC_BYTES) != 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "no sync marker behind it, at file offset %zu",
                    r->file.pos);
  if (data.size > FRZ_LIMIT_PAGE_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "%zu bytes pass the limit of %zu", data.size,
                    FRZ_LIMIT_PAGE_BYTES);
  FRZ_TRY(frz_avro_block_open(r->header.codec, (const uint8_t *)data.data, data.size, &r->block,
                              &r->record, err));
  if (n < 0 || (uint64_t)n > r->record.size)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%" PRId64 " records in %zu bytes", n, r->record.size);
  r->left = n;
  return FRZ_OK;
}

frz_status frz_avro_reader_next(frz_avro_reader *reader, frz_reader **record_out, bool *more_out,
                                frz_error *err)
{
  frz_status st = FRZ_OK;
  while (reader->left == 0) {
    size_t unread = frz_reader_left(&reader->record);
    if (unread != 0) {
      st = frz_fail(err, FRZ_ERR_CORRUPT, "%zu bytes behind the last record", unread);
      goto out;
    }
    if (frz_reader_left(&reader->file) == 0) {
      *more_out = false;
      return FRZ_OK;
    }
    FRZ_TRY_OUT(read_block(reader, err));
  }
  reader->left--;
  *record_out = &reader->record;
  *more_out = true;
out:
  if (st != FRZ_OK) frz_avro_reader_where(reader, err);
  return st;
}

void frz_avro_reader_where(const frz_avro_reader *reader, frz_error *err)
{
  frz_error_where(err,
                  "avro file '%.*s' block %" PRId64 ", offset %zu: ", FRZ_STR_ARG(reader->name),
                  reader->n_blocks, reader->record.pos);
}

/* ---- writing ---- */

struct frz_avro_writer {
  const frz_alloc *alloc;
  frz_sink *sink;
  frz_codec codec;
  frz_buf records; /* of the block being filled */
  frz_buf out;     /* a header or block as it goes to the sink */
  int64_t n_records;
  uint8_t sync[FRZ_AVRO_SYNC_BYTES];
};

static frz_status write_meta(frz_buf *out, frz_str key, frz_str value, frz_error *err)
{
  FRZ_TRY(frz_avro_write_bytes(out, key, err));
  return frz_avro_write_bytes(out, value, err);
}

static frz_status write_header(frz_avro_writer *w, frz_str schema_json, const frz_avro_meta *meta,
                               size_t n_meta, const char *codec, frz_error *err)
{
  frz_buf *out = &w->out;
  FRZ_TRY(frz_os_random(w->sync, FRZ_AVRO_SYNC_BYTES, err));
  FRZ_TRY(frz_buf_append_str(out, FRZ_STR(FRZ_AVRO_MAGIC), err));
  FRZ_TRY(frz_avro_write_long(out, (int64_t)n_meta + 2, err));
  for (size_t i = 0; i < n_meta; i++) FRZ_TRY(write_meta(out, meta[i].key, meta[i].value, err));
  FRZ_TRY(write_meta(out, FRZ_STR("avro.codec"), frz_str_from(codec), err));
  FRZ_TRY(write_meta(out, FRZ_STR("avro.schema"), schema_json, err));
  FRZ_TRY(frz_avro_write_long(out, 0, err));
  FRZ_TRY(frz_buf_append(out, w->sync, FRZ_AVRO_SYNC_BYTES, err));
  return frz_sink_write(w->sink, out->data, out->size, err);
}

frz_status frz_avro_writer_create(const frz_alloc *alloc, frz_sink *sink, frz_str schema_json,
                                  const frz_avro_meta *meta, size_t n_meta, frz_codec codec,
                                  frz_avro_writer **writer_out, frz_error *err)
{
  const char *name = frz_avro_codec_name(codec);
  if (name == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "avro has no codec '%s'", frz_codec_name(codec));
  frz_avro_writer *w = frz_alloc_zeroed(alloc, sizeof *w);
  if (w == NULL) return frz_fail_nomem(err, "avro writer");
  w->alloc = alloc;
  w->sink = sink;
  w->codec = codec;
  frz_buf_init(&w->records, alloc, FRZ_LIMIT_PAGE_BYTES);
  frz_buf_init(&w->out, alloc, FRZ_LIMIT_PAGE_BYTES * 2);
  frz_status st = write_header(w, schema_json, meta, n_meta, name, err);
  if (st != FRZ_OK) {
    frz_avro_writer_free(w);
    return st;
  }
  *writer_out = w;
  return FRZ_OK;
}

frz_buf *frz_avro_writer_record(frz_avro_writer *writer)
{
  return &writer->records;
}

static frz_status append_crc(frz_avro_writer *w, frz_error *err)
{
  uint8_t crc[FRZ_AVRO_CRC_BYTES];
  frz_store_u32be(crc, frz_crc32(0, w->records.data, w->records.size));
  return frz_buf_append(&w->out, crc, sizeof crc, err);
}

static frz_status flush_block(frz_avro_writer *w, frz_error *err)
{
  if (w->n_records == 0) return FRZ_OK;
  const frz_buf *data = &w->records;
  if (w->codec != FRZ_CODEC_NONE) {
    w->out.size = 0;
    FRZ_TRY(frz_compress_append(w->codec, 0, w->records.data, w->records.size, &w->out, err));
    if (w->codec == FRZ_CODEC_SNAPPY) FRZ_TRY(append_crc(w, err));
    data = &w->out;
  }
  uint8_t head_bytes[24];
  frz_buf head = {.data = head_bytes,
                  .capacity = sizeof head_bytes,
                  .max_bytes = sizeof head_bytes,
                  .alloc = w->alloc};
  FRZ_TRY(frz_avro_write_long(&head, w->n_records, err));
  FRZ_TRY(frz_avro_write_long(&head, (int64_t)data->size, err));
  FRZ_TRY(frz_sink_write(w->sink, head.data, head.size, err));
  FRZ_TRY(frz_sink_write(w->sink, data->data, data->size, err));
  FRZ_TRY(frz_sink_write(w->sink, w->sync, FRZ_AVRO_SYNC_BYTES, err));
  w->records.size = 0;
  w->n_records = 0;
  return FRZ_OK;
}

frz_status frz_avro_writer_end_record(frz_avro_writer *writer, frz_error *err)
{
  assert(writer->records.size != 0);
  writer->n_records++;
  return writer->records.size >= BLOCK_BYTES ? flush_block(writer, err) : FRZ_OK;
}

frz_status frz_avro_writer_finish(frz_avro_writer *writer, frz_error *err)
{
  return flush_block(writer, err);
}

void frz_avro_writer_free(frz_avro_writer *writer)
{
  if (writer == NULL) return;
  frz_buf_dispose(&writer->records);
  frz_buf_dispose(&writer->out);
  frz_alloc_free(writer->alloc, writer, sizeof *writer);
}

/* ---- flattening ---- */

static frz_status flatten_header(const frz_avro_reader *r, frz_buf *out, frz_error *err)
{
  FRZ_TRY(frz_buf_append_str(out, FRZ_STR(FRZ_AVRO_MAGIC), err));
  FRZ_TRY(frz_avro_write_long(out, (int64_t)r->header.n_meta + 1, err));
  FRZ_TRY(write_meta(out, FRZ_STR("avro.codec"), FRZ_STR("null"), err)); /* the first one counts */
  for (size_t i = 0; i < r->header.n_meta; i++)
    FRZ_TRY(write_meta(out, r->header.meta[i].key, r->header.meta[i].value, err));
  FRZ_TRY(frz_avro_write_long(out, 0, err));
  return frz_buf_append(out, r->header.sync, FRZ_AVRO_SYNC_BYTES, err);
}

static frz_status flatten_blocks(frz_avro_reader *r, frz_buf *out, frz_error *err)
{
  while (frz_reader_left(&r->file) != 0) {
    frz_status st = read_block(r, err);
    if (st != FRZ_OK) {
      frz_avro_reader_where(r, err);
      return st;
    }
    FRZ_TRY(frz_avro_write_long(out, r->left, err));
    FRZ_TRY(
        frz_avro_write_bytes(out, (frz_str){(const char *)r->record.data, r->record.size}, err));
    FRZ_TRY(frz_buf_append(out, r->header.sync, FRZ_AVRO_SYNC_BYTES, err));
  }
  return FRZ_OK;
}

frz_status frz_avro_flatten(const frz_alloc *alloc, frz_str name, const void *data, size_t size,
                            frz_buf *out, frz_error *err)
{
  frz_avro_reader *r;
  size_t size_before = out->size;
  FRZ_TRY(frz_avro_reader_open(alloc, name, data, size, &r, err));
  frz_status st = flatten_header(r, out, err);
  if (st == FRZ_OK) st = flatten_blocks(r, out, err);
  if (st != FRZ_OK) out->size = size_before;
  frz_avro_reader_free(r);
  return st;
}
