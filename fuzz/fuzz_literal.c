/*
 * fuzz_literal.c - any bytes as a single value: in binary as bounds are stored, in JSON as defaults
 * are, as the text of a filter. The first byte chooses the type. What is taken is written and read
 * back as the same value, in both forms.
 */
#include <stdint.h>
#include <stdlib.h>

#include "iceberg/schema/literal.h"

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { BYTES_MAX = 16 << 20 };

static const frz_type types[] = {
    {.kind = FRZ_TYPE_BOOLEAN},
    {.kind = FRZ_TYPE_INT},
    {.kind = FRZ_TYPE_LONG},
    {.kind = FRZ_TYPE_FLOAT},
    {.kind = FRZ_TYPE_DOUBLE},
    {.kind = FRZ_TYPE_DECIMAL, .precision = 9, .scale = 2},
    {.kind = FRZ_TYPE_DECIMAL, .precision = 38, .scale = 10},
    {.kind = FRZ_TYPE_DATE},
    {.kind = FRZ_TYPE_TIME},
    {.kind = FRZ_TYPE_TIMESTAMP},
    {.kind = FRZ_TYPE_TIMESTAMPTZ},
    {.kind = FRZ_TYPE_TIMESTAMP_NS},
    {.kind = FRZ_TYPE_TIMESTAMPTZ_NS},
    {.kind = FRZ_TYPE_STRING},
    {.kind = FRZ_TYPE_UUID},
    {.kind = FRZ_TYPE_FIXED, .length = 5},
    {.kind = FRZ_TYPE_BINARY},
};

static bool same(const frz_literal *a, const frz_literal *b)
{
  if (a->is_null || b->is_null) return a->is_null && b->is_null;
  return a->kind == b->kind && frz_literal_compare(a, b) == 0;
}

static void binary_round_trip(const frz_type *type, const frz_literal *value)
{
  frz_buf bytes;
  frz_literal back;
  if (value->is_null) return;
  frz_buf_init(&bytes, frz_alloc_default(), BYTES_MAX);
  MUST(frz_literal_to_bytes(value, &bytes, NULL) == FRZ_OK);
  MUST(frz_literal_from_bytes(type, frz_buf_str(&bytes), &back, NULL) == FRZ_OK);
  MUST(same(value, &back));
  frz_buf_dispose(&bytes);
}

/* Text that is no UTF-8, and numbers that are not finite, have no form in JSON. */
static void json_round_trip(const frz_type *type, const frz_literal *value, frz_arena *arena)
{
  frz_buf text;
  frz_json_writer json;
  frz_literal back;
  frz_buf_init(&text, frz_alloc_default(), BYTES_MAX);
  frz_json_writer_init(&json, &text);
  if (frz_literal_to_json(value, arena, &json, NULL) == FRZ_OK &&
      frz_json_writer_finish(&json, NULL) == FRZ_OK) {
    MUST(frz_literal_from_json(type, frz_buf_str(&text), arena, &back, NULL) == FRZ_OK);
    MUST(same(value, &back));
  }
  frz_buf_dispose(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0) return 0;
  const frz_type *type = &types[data[0] % (sizeof types / sizeof types[0])];
  frz_str text = {(const char *)data + 1, size - 1};
  frz_arena arena;
  frz_literal value;
  frz_error err = {0};
  int range = 0;
  frz_arena_init(&arena, frz_alloc_default(), BYTES_MAX);
  if (frz_literal_from_bytes(type, text, &value, &err) == FRZ_OK)
    binary_round_trip(type, &value);
  else
    MUST(err.message[0] != '\0');
  if (frz_literal_from_json(type, text, &arena, &value, NULL) == FRZ_OK) {
    json_round_trip(type, &value, &arena);
    binary_round_trip(type, &value);
  }
  for (int is_string = 0; is_string <= 1; is_string++) {
    if (frz_literal_from_text(type, text, is_string != 0, &arena, &value, &range, NULL) != FRZ_OK ||
        range != 0)
      continue;
    binary_round_trip(type, &value);
    MUST(frz_literal_print(&value, &arena).data != NULL);
  }
  frz_arena_free(&arena);
  return 0;
}
