/*
 * puffin_parts.h - what the reader and the writer of Puffin files share.
 */
#ifndef FRZ_PUFFIN_PUFFIN_PARTS_H
#define FRZ_PUFFIN_PUFFIN_PARTS_H

#include "codec/compress.h"
#include "puffin/puffin.h"

enum {
  FRZ_PUFFIN_MAGIC_BYTES = 4,
  FRZ_PUFFIN_TRAILER_BYTES = 12, /* payload size, flags, magic */
  FRZ_PUFFIN_FLAG_COMPRESSED = 1 /* of the four bytes of flags, little-endian */
};

/** "PFA1" */
#define FRZ_PUFFIN_MAGIC UINT32_C(0x31414650)

static inline frz_codec frz_puffin_codec_of(frz_puffin_codec codec)
{
  switch (codec) {
  case FRZ_PUFFIN_UNCOMPRESSED: return FRZ_CODEC_NONE;
  case FRZ_PUFFIN_LZ4: return FRZ_CODEC_LZ4_FRAME;
  case FRZ_PUFFIN_ZSTD: return FRZ_CODEC_ZSTD;
  }
  return FRZ_CODEC_NONE;
}

#endif
