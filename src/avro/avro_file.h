/*
 * avro_file.h - Avro object container files, read and written record by record.
 *
 * The reader gives blocks as bounded bytes plus the schema; avro_value.h steps through values.
 * Header metadata is kept: Iceberg stores its schema, spec and content type there.
 *
 * Source: Apache Avro 1.11 specification, "Object Container Files".
 */
#ifndef FRZ_AVRO_AVRO_FILE_H
#define FRZ_AVRO_AVRO_FILE_H

#include "avro/avro_schema.h"
#include "base/reader.h"
#include "base/source.h"
#include "codec/compress.h"

typedef struct frz_avro_meta {
  frz_str key;
  frz_str value;
} frz_avro_meta;

typedef struct frz_avro_reader frz_avro_reader;

/** Open a whole file held in memory; `data` must outlive the reader. `name` goes into errors
 * (borrowed). */
frz_status frz_avro_reader_open(const frz_alloc *alloc, frz_str name, const void *data, size_t size,
                                frz_avro_reader **reader_out, frz_error *err) FRZ_MUST_CHECK;
void frz_avro_reader_free(frz_avro_reader *reader);

const frz_avro_type *frz_avro_reader_schema(const frz_avro_reader *reader);

/** A header metadata value; false when absent. Borrowed from the reader. */
bool frz_avro_reader_meta(const frz_avro_reader *reader, const char *key, frz_str *value_out);

/**
 * Move to the next record. At the end `more_out` is false. `record_out` is positioned at the
 * record's bytes and must be advanced over all of it (avro_value.h) before the next call.
 */
frz_status frz_avro_reader_next(frz_avro_reader *reader, frz_reader **record_out, bool *more_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** Byte offset (in the decompressed block) and block number, for errors: adds them in front of err.
 */
void frz_avro_reader_where(const frz_avro_reader *reader, frz_error *err);

/** Append the same file with its blocks decompressed: for one that will be read often. */
frz_status frz_avro_flatten(const frz_alloc *alloc, frz_str name, const void *data, size_t size,
                            frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

typedef struct frz_avro_writer frz_avro_writer;

/** Start a file: `schema_json` is stored as given, then `n_meta` further metadata pairs. Borrowed
 * sink. */
frz_status frz_avro_writer_create(const frz_alloc *alloc, frz_sink *sink, frz_str schema_json,
                                  const frz_avro_meta *meta, size_t n_meta, frz_codec codec,
                                  frz_avro_writer **writer_out, frz_error *err) FRZ_MUST_CHECK;

/** The buffer that takes the current record's bytes; call frz_avro_writer_end_record() after each.
 */
frz_buf *frz_avro_writer_record(frz_avro_writer *writer);
frz_status frz_avro_writer_end_record(frz_avro_writer *writer, frz_error *err) FRZ_MUST_CHECK;

/** Flush the last block. The sink is not committed. */
frz_status frz_avro_writer_finish(frz_avro_writer *writer, frz_error *err) FRZ_MUST_CHECK;
void frz_avro_writer_free(frz_avro_writer *writer);

#endif
