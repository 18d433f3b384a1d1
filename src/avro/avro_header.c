/*
 * avro_header.c - see avro_header.h.
 *
 *   header: "Obj" 1 | metadata map | sync marker (16 bytes)
 *
 * Source: Apache Avro 1.11 specification, "Object Container Files" and "Required Codecs".
 */
#include "avro/avro_header.h"

#include <inttypes.h>

#include "avro/avro_value.h"
#include "base/arena_list.h"
#include "base/limits.h"
#include "codec/checksum.h"

static const struct {
  const char *name;
  frz_codec codec;
} codecs[] = {{"null", FRZ_CODEC_NONE},
              {"deflate", FRZ_CODEC_DEFLATE},
              {"snappy", FRZ_CODEC_SNAPPY},
              {"zstandard", FRZ_CODEC_ZSTD}};

bool frz_avro_has_magic(const void *data, size_t size)
{
  frz_str magic = FRZ_STR(FRZ_AVRO_MAGIC);
  return size >= magic.size && memcmp(data, magic.data, magic.size) == 0;
}

const char *frz_avro_codec_name(frz_codec codec)
{
  for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++)
    if (codecs[i].codec == codec) return codecs[i].name;
  return NULL;
}

static bool find_codec(frz_str name, frz_codec *codec_out)
{
  for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
    if (!frz_str_is(name, codecs[i].name)) continue;
    *codec_out = codecs[i].codec;
    return true;
  }
  return false;
}

static frz_status read_meta(frz_reader *in, frz_arena *arena, frz_avro_header *header,
                            frz_error *err)
{
  frz_avro_meta *meta = NULL;
  size_t capacity = 0;
  for (;;) {
    int64_t n;
    FRZ_TRY(frz_avro_read_block(in, &n, err));
    if (n == 0) return FRZ_OK;
    for (int64_t i = 0; i < n; i++) {
      if (header->n_meta == FRZ_LIMIT_AVRO_PROPERTIES)
        return frz_fail(err, FRZ_ERR_LIMIT, "more than %d properties", FRZ_LIMIT_AVRO_PROPERTIES);
      meta = frz_arena_list_room(arena, meta, header->n_meta, &capacity, sizeof *meta);
      if (meta == NULL) return frz_fail_nomem(err, "avro header");
      header->meta = meta;
      FRZ_TRY(frz_avro_read_bytes(in, &meta[header->n_meta].key, err));
      FRZ_TRY(frz_avro_read_bytes(in, &meta[header->n_meta].value, err));
      header->n_meta++;
    }
  }
}

bool frz_avro_header_meta(const frz_avro_header *header, const char *key, frz_str *value_out)
{
  for (size_t i = 0; i < header->n_meta; i++) {
    if (!frz_str_is(header->meta[i].key, key)) continue;
    *value_out = header->meta[i].value;
    return true;
  }
  return false;
}

frz_status frz_avro_header_read(frz_reader *in, frz_arena *arena, frz_avro_header *header_out,
                                frz_error *err)
{
  frz_avro_header header = {0};
  const uint8_t *bytes;
  if (!frz_avro_has_magic(in->data, in->size))
    return frz_fail(err, FRZ_ERR_CORRUPT, "not an Avro file: it does not begin with 'Obj' 1");
  in->pos = sizeof FRZ_AVRO_MAGIC - 1;
  FRZ_TRY(read_meta(in, arena, &header, err));
  if (!frz_read_bytes(in, FRZ_AVRO_SYNC_BYTES, &bytes))
    return frz_fail(err, FRZ_ERR_CORRUPT, "the sync marker is cut");
  memcpy(header.sync, bytes, FRZ_AVRO_SYNC_BYTES);
  frz_str codec = FRZ_STR("null");
  frz_avro_header_meta(&header, "avro.codec", &codec);
  if (!find_codec(codec, &header.codec))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "avro.codec '%.*s'", FRZ_STR_ARG(codec));
  frz_str schema;
  if (!frz_avro_header_meta(&header, "avro.schema", &schema))
    return frz_fail(err, FRZ_ERR_CORRUPT, "no avro.schema in the header");
  FRZ_TRY(frz_avro_schema_parse(schema, arena, &header.schema, err));
  *header_out = header;
  return FRZ_OK;
}

/* Snappy blocks carry the CRC-32 of their decompressed bytes behind them. */
static frz_status check_crc(const frz_buf *plain, const uint8_t *stored, frz_error *err)
{
  uint32_t found = frz_crc32(0, plain->data, plain->size);
  uint32_t wanted = frz_load_u32be(stored);
  if (found == wanted) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "CRC-32 is 0x%08" PRIx32 ", stored is 0x%08" PRIx32, found,
                  wanted);
}

frz_status frz_avro_block_open(frz_codec codec, const uint8_t *data, size_t size, frz_buf *plain,
                               frz_reader *records_out, frz_error *err)
{
  if (codec == FRZ_CODEC_NONE) {
    *records_out = frz_reader_of(data, size);
    return FRZ_OK;
  }
  size_t crc_bytes = codec == FRZ_CODEC_SNAPPY ? FRZ_AVRO_CRC_BYTES : 0;
  if (size < crc_bytes)
    return frz_fail(err, FRZ_ERR_CORRUPT, "snappy block of %zu bytes has no CRC-32", size);
  size -= crc_bytes;
  plain->size = 0;
  FRZ_TRY(frz_decompress_append(codec, data, size, plain, err));
  if (crc_bytes != 0) FRZ_TRY(check_crc(plain, data + size, err));
  *records_out = frz_reader_of(plain->data, plain->size);
  return FRZ_OK;
}
