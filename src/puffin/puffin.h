/*
 * puffin.h - Puffin files: blobs beside a table, found by a JSON footer at the end.
 *
 *   | PFA1 | blobs ... | PFA1 | footer JSON, maybe lz4 | its size (4, LE) | flags (4) | PFA1 |
 *
 * Source: Iceberg, "Puffin file format".
 */
#ifndef FRZ_PUFFIN_PUFFIN_H
#define FRZ_PUFFIN_PUFFIN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/source.h"

typedef struct frz_puffin_property {
  frz_str key;
  frz_str value;
} frz_puffin_property;

typedef enum frz_puffin_codec {
  FRZ_PUFFIN_UNCOMPRESSED,
  FRZ_PUFFIN_LZ4, /* one frame, with its content size */
  FRZ_PUFFIN_ZSTD
} frz_puffin_codec;

typedef struct frz_puffin_blob {
  frz_str type; /* "deletion-vector-v1", "apache-datasketches-theta-v1", ... */
  const int32_t *field_ids;
  size_t n_field_ids;
  int64_t snapshot_id;     /* -1 for deletion vectors: inherited */
  int64_t sequence_number; /* likewise */
  int64_t offset;          /* of the stored bytes in the file */
  int64_t length;
  frz_puffin_codec codec;
  const frz_puffin_property *properties;
  size_t n_properties;
} frz_puffin_blob;

typedef struct frz_puffin_footer {
  const frz_puffin_blob *blobs;
  size_t n_blobs;
  const frz_puffin_property *properties;
  size_t n_properties;
  int64_t footer_bytes; /* from the first PFA1 of the footer to the end of the file */
} frz_puffin_footer;

/** Read the footer into the arena. Offsets and lengths were checked against the file's size. */
frz_status frz_puffin_footer_read(frz_source *source, frz_arena *arena,
                                  frz_puffin_footer *footer_out, frz_error *err) FRZ_MUST_CHECK;

/** Append a blob's bytes, decompressed, to `out`, whose maximum bounds them. */
frz_status frz_puffin_blob_read(frz_source *source, const frz_puffin_blob *blob, frz_buf *out,
                                frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_puffin_writer frz_puffin_writer;

/** Start a file. `sink` is borrowed and not committed. */
frz_status frz_puffin_writer_create(const frz_alloc *alloc, frz_sink *sink,
                                    frz_puffin_writer **writer_out, frz_error *err) FRZ_MUST_CHECK;

/**
 * Write a blob as `about` says (what it points to is copied; its offset and length are ignored).
 * Where its bytes are stored comes back in `offset_out` and `length_out`.
 */
frz_status frz_puffin_writer_add(frz_puffin_writer *writer, const frz_puffin_blob *about,
                                 const void *data, size_t size, int64_t *offset_out,
                                 int64_t *length_out, frz_error *err) FRZ_MUST_CHECK;

/** Write the footer; "created-by" is added to the properties. */
frz_status frz_puffin_writer_finish(frz_puffin_writer *writer,
                                    const frz_puffin_property *properties, size_t n_properties,
                                    frz_error *err) FRZ_MUST_CHECK;
void frz_puffin_writer_free(frz_puffin_writer *writer);

#endif
