/*
 * fuzz_json.c - any bytes as JSON: skipping and reading agree, and what was read can be written and
 * read again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "text/json_reader.h"
#include "text/json_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static frz_status copy_value(frz_json_reader *in, frz_json_writer *out);

static frz_status copy_object(frz_json_reader *in, frz_json_writer *out)
{
  frz_json_write_object_begin(out);
  FRZ_TRY(frz_json_object_begin(in, NULL));
  for (;;) {
    frz_str key;
    bool more;
    size_t before = in->pos;
    FRZ_TRY(frz_json_object_next(in, &key, &more, NULL));
    if (in->pos <= before || in->pos > in->size) abort();
    if (!more) break;
    frz_json_write_key_str(out, key);
    FRZ_TRY(copy_value(in, out));
  }
  frz_json_write_object_end(out);
  return FRZ_OK;
}

static frz_status copy_array(frz_json_reader *in, frz_json_writer *out)
{
  frz_json_write_array_begin(out);
  FRZ_TRY(frz_json_array_begin(in, NULL));
  for (;;) {
    bool more;
    FRZ_TRY(frz_json_array_next(in, &more, NULL));
    if (in->pos > in->size) abort();
    if (!more) break;
    FRZ_TRY(copy_value(in, out));
  }
  frz_json_write_array_end(out);
  return FRZ_OK;
}

static frz_status copy_number(frz_json_reader *in, frz_json_writer *out)
{
  int64_t whole;
  if (frz_json_read_i64(in, &whole, NULL) == FRZ_OK) {
    frz_json_write_i64(out, whole);
    return FRZ_OK;
  }
  double number;
  FRZ_TRY(frz_json_read_double(in, &number, NULL));
  frz_json_write_double(out, number);
  return FRZ_OK;
}

static frz_status copy_value(frz_json_reader *in, frz_json_writer *out)
{
  frz_json_kind kind;
  frz_str text;
  bool flag;
  FRZ_TRY(frz_json_peek(in, &kind, NULL));
  switch (kind) {
  case FRZ_JSON_OBJECT: return copy_object(in, out);
  case FRZ_JSON_ARRAY: return copy_array(in, out);
  case FRZ_JSON_NUMBER: return copy_number(in, out);
  case FRZ_JSON_STRING:
    FRZ_TRY(frz_json_read_string(in, &text, NULL));
    frz_json_write_string(out, text);
    return FRZ_OK;
  case FRZ_JSON_BOOL:
    FRZ_TRY(frz_json_read_bool(in, &flag, NULL));
    frz_json_write_bool(out, flag);
    return FRZ_OK;
  case FRZ_JSON_NULL:
    FRZ_TRY(frz_json_read_null(in, &flag, NULL));
    frz_json_write_null(out);
    return FRZ_OK;
  case FRZ_JSON_END: return FRZ_ERR_CORRUPT;
  }
  return FRZ_ERR_CORRUPT;
}

/* Copy a document; `out` holds it when FRZ_OK is returned. */
static frz_status copy_document(const void *data, size_t size, frz_buf *out)
{
  frz_arena arena;
  frz_json_reader in;
  frz_json_writer writer;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)64 << 20);
  frz_json_reader_init(&in, data, size, &arena);
  frz_json_writer_init(&writer, out);
  frz_status st = copy_value(&in, &writer);
  if (st == FRZ_OK) st = frz_json_finish(&in, NULL);
  if (st == FRZ_OK && frz_json_writer_finish(&writer, NULL) != FRZ_OK) abort();
  frz_arena_free(&arena);
  return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_buf first;
  frz_buf second;
  frz_buf_init(&first, frz_alloc_default(), (size_t)64 << 20);
  frz_buf_init(&second, frz_alloc_default(), (size_t)64 << 20);
  frz_status st = copy_document(data, size, &first);
  frz_json_reader reader;
  frz_json_reader_init(&reader, data, size, NULL);
  frz_status skipped = frz_json_skip(&reader, NULL);
  if (skipped == FRZ_OK) skipped = frz_json_finish(&reader, NULL);
  /* A skip does not look at the size of numbers; in all else both agree. */
  if (st == FRZ_OK && skipped != FRZ_OK) abort();
  if (st == FRZ_OK) {
    if (copy_document(first.data, first.size, &second) != FRZ_OK) abort();
    if (!frz_str_equal(frz_buf_str(&first), frz_buf_str(&second))) abort();
  }
  frz_buf_dispose(&first);
  frz_buf_dispose(&second);
  return 0;
}
