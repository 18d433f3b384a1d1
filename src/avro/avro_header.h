/*
 * avro_header.h - what is common to readers and writers of Avro object container files: marks and
 * names, the header parsed, blocks decompressed.
 */
#ifndef FRZ_AVRO_AVRO_HEADER_H
#define FRZ_AVRO_AVRO_HEADER_H

#include "avro/avro_file.h"

enum {
  FRZ_AVRO_SYNC_BYTES = 16,
  FRZ_AVRO_CRC_BYTES = 4 /* of the CRC-32 behind a snappy block, big-endian */
};

/** How a file begins. */
#define FRZ_AVRO_MAGIC "Obj\x01"

typedef struct frz_avro_header {
  const frz_avro_type *schema;
  frz_codec codec;
  uint8_t sync[FRZ_AVRO_SYNC_BYTES];
  const frz_avro_meta *meta; /* borrowed from the input */
  size_t n_meta;
} frz_avro_header;

/** Does it begin as an Avro file does? */
bool frz_avro_has_magic(const void *data, size_t size);

/** What the header calls a codec; NULL: Avro does not have it. */
const char *frz_avro_codec_name(frz_codec codec);

/** Read the header; `in` is left behind it, or where it is wrong. FRZ_ERR_UNSUPPORTED names a
 * codec.
 */
frz_status frz_avro_header_read(frz_reader *in, frz_arena *arena, frz_avro_header *header_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** A metadata value; false when absent. */
bool frz_avro_header_meta(const frz_avro_header *header, const char *key, frz_str *value_out);

/** The records of a block: decompressed into `plain`, or where they lie. */
frz_status frz_avro_block_open(frz_codec codec, const uint8_t *data, size_t size, frz_buf *plain,
                               frz_reader *records_out, frz_error *err) FRZ_MUST_CHECK;

#endif
