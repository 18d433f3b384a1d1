/*
 * avro_blocks.h - the blocks of an Avro object container file, read by range.
 *
 *   block: count of records | size | data, compressed | sync marker
 *
 * A block is looked at first, then opened or passed over. The bytes of a block stay where they are
 * until the next is looked at.
 */
#ifndef FRZ_AVRO_AVRO_BLOCKS_H
#define FRZ_AVRO_AVRO_BLOCKS_H

#include "avro/avro_header.h"
#include "base/source.h"

typedef struct frz_avro_blocks {
  frz_source *source;
  const frz_avro_header *header;
  frz_buf window; /* the bytes of the file at window_offset */
  int64_t window_offset;
  int64_t position; /* of the next byte of the file */
  frz_buf plain;    /* of the open block, when it is compressed */
  int64_t n_blocks; /* looked at */
  int64_t block_offset;
  size_t data_bytes; /* of the block that was looked at and not yet opened or passed over */
} frz_avro_blocks;

/** All is borrowed. Blocks start at `position`, behind the header. */
void frz_avro_blocks_init(frz_avro_blocks *blocks, const frz_alloc *alloc, frz_source *source,
                          const frz_avro_header *header, int64_t position);
void frz_avro_blocks_dispose(frz_avro_blocks *blocks);

/** Look at the next block: how many records it has. `more_out` false: there is none. */
frz_status frz_avro_blocks_next(frz_avro_blocks *blocks, int64_t *n_records_out, bool *more_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** The records of that block. */
frz_status frz_avro_blocks_open(frz_avro_blocks *blocks, frz_reader *records_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** Or go on behind it. */
frz_status frz_avro_blocks_skip(frz_avro_blocks *blocks, frz_error *err) FRZ_MUST_CHECK;

#endif
