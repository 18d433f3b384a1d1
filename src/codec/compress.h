/*
 * compress.h - the compression codecs of Parquet, Avro and Puffin behind one call.
 */
#ifndef FRZ_CODEC_COMPRESS_H
#define FRZ_CODEC_COMPRESS_H

#include <stdatomic.h>

#include "base/buf.h"

typedef enum frz_codec {
  FRZ_CODEC_NONE,
  FRZ_CODEC_SNAPPY,  /* block format, no framing */
  FRZ_CODEC_GZIP,    /* RFC 1952, several members allowed */
  FRZ_CODEC_DEFLATE, /* RFC 1951, raw: Avro's "deflate" */
  FRZ_CODEC_ZSTD,
  FRZ_CODEC_BROTLI,
  FRZ_CODEC_LZ4_RAW,    /* LZ4 block */
  FRZ_CODEC_LZ4_HADOOP, /* Parquet's deprecated LZ4: Hadoop frames, or a bare block or frame as some
                           wrote */
  FRZ_CODEC_LZ4_FRAME   /* LZ4 frame, written with its content size: Puffin's "lz4" */
} frz_codec;

const char *frz_codec_name(frz_codec codec);

/** Decompress into exactly `dest_size` bytes; any other length is FRZ_ERR_CORRUPT. */
frz_status frz_decompress(frz_codec codec, const void *src, size_t src_size, void *dest,
                          size_t dest_size, frz_error *err) FRZ_MUST_CHECK;

/** Called before memory is asked for: refuses a plain length that no `src_size` bytes can stand for
 * (FRZ_ERR_CORRUPT), or where a codec has no bound of its own, more than limits.h allows. */
frz_status frz_decompress_check(frz_codec codec, size_t src_size, size_t dest_size,
                                frz_error *err) FRZ_MUST_CHECK;

/** What a codec can use again from one call to the next; zeroed before the first. Used by one
 * thread at a time. */
typedef struct frz_decompressor {
  void *zstd;
} frz_decompressor;

void frz_decompressor_dispose(frz_decompressor *decompressor);

/** As frz_decompress(), for many short blocks. */
frz_status frz_decompress_again(frz_decompressor *decompressor, frz_codec codec, const void *src,
                                size_t src_size, void *dest, size_t dest_size,
                                frz_error *err) FRZ_MUST_CHECK;

/** Decompress where the length is not known before: appends to `out`, bounded by its maximum. */
frz_status frz_decompress_append(frz_codec codec, const void *src, size_t src_size, frz_buf *out,
                                 frz_error *err) FRZ_MUST_CHECK;

/** Compress, appended to `out`. `level` 0 is the codec's default as used by Parquet writers. */
frz_status frz_compress_append(frz_codec codec, int32_t level, const void *src, size_t src_size,
                               frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** Compressors that were used before, for whichever thread comes next; zeroed before the first use.
 * The bytes do not depend on what a compressor was used for. */
typedef struct frz_compressors {
  _Atomic(void *) zstd[16]; /* NULL: none, or in use; more threads than that start anew */
} frz_compressors;

/** Free those that are not in use. They may be used again. */
void frz_compressors_dispose(frz_compressors *compressors);

/** Memory that is held; while no thread compresses. */
size_t frz_compressors_memory(const frz_compressors *compressors);

/** As frz_compress_append(), for many blocks, by several threads. */
frz_status frz_compress_again(frz_compressors *compressors, frz_codec codec, int32_t level,
                              const void *src, size_t src_size, frz_buf *out,
                              frz_error *err) FRZ_MUST_CHECK;

#endif
