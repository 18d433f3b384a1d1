/*
 * fuzz_avro.c - any bytes as an Avro file: records are passed over one by one, each within its
 * block, and what can be skipped by schema can be copied into a new file that holds the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "avro/avro_file.h"
#include "avro/avro_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Copy records as they are; the count of those that were read, whether or not the end was reached.
 */
static frz_status copy_records(frz_avro_reader *in, frz_avro_writer *out, int64_t *n_out)
{
  const frz_avro_type *type = frz_avro_reader_schema(in);
  for (;;) {
    frz_reader *record;
    bool more;
    FRZ_TRY(frz_avro_reader_next(in, &record, &more, NULL));
    if (!more) return FRZ_OK;
    size_t before = record->pos;
    FRZ_TRY(frz_avro_skip(record, type, NULL));
    if (record->pos < before || record->pos > record->size) abort();
    if (record->pos == before) continue;
    if (frz_buf_append(frz_avro_writer_record(out), record->data + before, record->pos - before,
                       NULL) != FRZ_OK ||
        frz_avro_writer_end_record(out, NULL) != FRZ_OK)
      abort();
    ++*n_out;
  }
}

static int64_t count_copied(const frz_buf *file)
{
  frz_avro_reader *in;
  int64_t n = 0;
  if (frz_avro_reader_open(frz_alloc_default(), FRZ_STR("copy"), file->data, file->size, &in,
                           NULL) != FRZ_OK)
    abort();
  for (;;) {
    frz_reader *record;
    bool more;
    if (frz_avro_reader_next(in, &record, &more, NULL) != FRZ_OK) abort();
    if (!more) break;
    if (frz_avro_skip(record, frz_avro_reader_schema(in), NULL) != FRZ_OK) abort();
    n++;
  }
  frz_avro_reader_free(in);
  return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_avro_reader *in;
  if (frz_avro_reader_open(frz_alloc_default(), FRZ_STR("fuzz"), data, size, &in, NULL) != FRZ_OK)
    return 0;
  frz_buf file;
  frz_sink *sink;
  frz_avro_writer *out;
  frz_str schema;
  int64_t n = 0;
  frz_buf_init(&file, frz_alloc_default(), (size_t)256 << 20);
  if (!frz_avro_reader_meta(in, "avro.schema", &schema)) abort();
  if (frz_sink_to_buf(frz_alloc_default(), &file, &sink, NULL) != FRZ_OK ||
      frz_avro_writer_create(frz_alloc_default(), sink, schema, NULL, 0, FRZ_CODEC_NONE, &out,
                             NULL) != FRZ_OK)
    abort();
  (void)copy_records(in, out, &n);
  if (frz_avro_writer_finish(out, NULL) != FRZ_OK || count_copied(&file) != n) abort();
  frz_avro_writer_free(out);
  frz_sink_free(sink);
  frz_buf_dispose(&file);
  frz_avro_reader_free(in);
  return 0;
}
