/*
 * fuzz_name_mapping.c - any text as a name mapping: what is taken can be written, reads back as the
 * same, and keeps doing so while its fields are renamed, dropped and added to.
 */
#include <stdint.h>
#include <stdlib.h>

#include "iceberg/schema/name_mapping.h"

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { BYTES_MAX = 64 << 20 };

static void write(const frz_name_mapping *mapping, frz_buf *out)
{
  frz_json_writer json;
  frz_buf_init(out, frz_alloc_default(), BYTES_MAX);
  frz_json_writer_init(&json, out);
  frz_name_mapping_write(&json, mapping);
  MUST(frz_json_writer_finish(&json, NULL) == FRZ_OK);
}

/* Written and read, it is written as before. */
static void round_trip(const frz_name_mapping *mapping)
{
  frz_arena arena;
  frz_name_mapping back;
  frz_buf once, twice;
  frz_arena_init(&arena, frz_alloc_default(), BYTES_MAX);
  write(mapping, &once);
  MUST(frz_name_mapping_parse(frz_buf_str(&once), &arena, &back, NULL) == FRZ_OK);
  write(&back, &twice);
  MUST(frz_str_equal(frz_buf_str(&once), frz_buf_str(&twice)));
  frz_buf_dispose(&once);
  frz_buf_dispose(&twice);
  frz_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const frz_field added = {.id = 77, .name = FRZ_STR("new"), .type = {.kind = FRZ_TYPE_LONG}};
  frz_arena arena;
  frz_name_mapping mapping;
  frz_str text = {(const char *)data, size};
  frz_arena_init(&arena, frz_alloc_default(), BYTES_MAX);
  if (frz_name_mapping_parse(text, &arena, &mapping, NULL) == FRZ_OK) {
    round_trip(&mapping);
    MUST(frz_name_mapping_rename(&mapping, 1, FRZ_STR("renamed"), &arena, NULL) == FRZ_OK);
    MUST(frz_name_mapping_add(&mapping, -1, &added, &arena, NULL) == FRZ_OK);
    frz_name_mapping_drop(&mapping, 2);
    round_trip(&mapping);
  }
  frz_arena_free(&arena);
  return 0;
}
