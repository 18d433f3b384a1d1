/*
 * fuzz_puffin.c - any bytes as a Puffin file.
 *
 * Blobs of an accepted footer lie within the file and apart from each other; what can be read of
 * them comes back the same from a file written anew.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "puffin/puffin.h"

#define REQUIRE(condition)     \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

enum { PLAIN_MAX = 1 << 20, COPY_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const frz_puffin_footer *footer, int64_t size)
{
  REQUIRE(footer->footer_bytes >= 16 && footer->footer_bytes <= size - 4);
  for (size_t i = 0; i < footer->n_blobs; i++) {
    const frz_puffin_blob *a = &footer->blobs[i];
    REQUIRE(a->offset >= 4 && a->length >= 0);
    REQUIRE(a->offset + a->length <= size - footer->footer_bytes);
    for (size_t k = 0; k < i && k < 100; k++) {
      const frz_puffin_blob *b = &footer->blobs[k];
      REQUIRE(a->offset + a->length <= b->offset || b->offset + b->length <= a->offset);
    }
  }
}

static void same_properties(const frz_puffin_property *a, size_t n, const frz_puffin_property *b)
{
  for (size_t i = 0; i < n; i++)
    REQUIRE(frz_str_equal(a[i].key, b[i].key) && frz_str_equal(a[i].value, b[i].value));
}

static void same_blob(const frz_puffin_blob *a, const frz_puffin_blob *b)
{
  REQUIRE(frz_str_equal(a->type, b->type) && a->codec == b->codec);
  REQUIRE(a->snapshot_id == b->snapshot_id && a->sequence_number == b->sequence_number);
  REQUIRE(a->n_field_ids == b->n_field_ids && a->n_properties == b->n_properties);
  if (a->n_field_ids != 0)
    REQUIRE(memcmp(a->field_ids, b->field_ids, a->n_field_ids * sizeof *a->field_ids) == 0);
  same_properties(a->properties, a->n_properties, b->properties);
}

/* The footer and first blob of the copy are those given. */
static void read_copy(const frz_buf *copy, const frz_puffin_footer *first, const frz_buf *plain)
{
  frz_arena arena;
  frz_source *source;
  frz_puffin_footer footer;
  frz_buf back;
  frz_arena_init(&arena, frz_alloc_default(), COPY_MAX);
  frz_buf_init(&back, frz_alloc_default(), PLAIN_MAX);
  REQUIRE(frz_source_from_memory(frz_alloc_default(), copy->data, copy->size, &source, NULL) ==
          FRZ_OK);
  REQUIRE(frz_puffin_footer_read(source, &arena, &footer, NULL) == FRZ_OK);
  REQUIRE(footer.n_blobs == first->n_blobs && footer.n_properties >= first->n_properties);
  same_properties(first->properties, first->n_properties, footer.properties);
  for (size_t i = 0; i < footer.n_blobs; i++) same_blob(&first->blobs[i], &footer.blobs[i]);
  if (footer.n_blobs != 0) {
    REQUIRE(frz_puffin_blob_read(source, &footer.blobs[0], &back, NULL) == FRZ_OK);
    REQUIRE(back.size == plain->size);
    REQUIRE(back.size == 0 || memcmp(back.data, plain->data, back.size) == 0);
  }
  frz_buf_dispose(&back);
  frz_source_free(source);
  frz_arena_free(&arena);
}

/* Blobs with their own bytes, or none where they cannot be read. */
static void copy_file(frz_source *source, const frz_puffin_footer *footer)
{
  frz_buf copy, plain, first;
  frz_sink *sink;
  frz_puffin_writer *writer;
  frz_buf_init(&copy, frz_alloc_default(), COPY_MAX);
  frz_buf_init(&plain, frz_alloc_default(), PLAIN_MAX);
  frz_buf_init(&first, frz_alloc_default(), PLAIN_MAX);
  REQUIRE(frz_sink_to_buf(frz_alloc_default(), &copy, &sink, NULL) == FRZ_OK);
  REQUIRE(frz_puffin_writer_create(frz_alloc_default(), sink, &writer, NULL) == FRZ_OK);
  for (size_t i = 0; i < footer->n_blobs; i++) {
    frz_buf *out = i == 0 ? &first : &plain;
    int64_t offset, length;
    plain.size = 0;
    if (frz_puffin_blob_read(source, &footer->blobs[i], out, NULL) != FRZ_OK) out->size = 0;
    REQUIRE(frz_puffin_writer_add(writer, &footer->blobs[i], out->data, out->size, &offset, &length,
                                  NULL) == FRZ_OK);
  }
  REQUIRE(frz_puffin_writer_finish(writer, footer->properties, footer->n_properties, NULL) ==
          FRZ_OK);
  read_copy(&copy, footer, &first);
  frz_puffin_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&first);
  frz_buf_dispose(&plain);
  frz_buf_dispose(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_arena arena;
  frz_source *source;
  frz_puffin_footer footer;
  frz_arena_init(&arena, frz_alloc_default(), COPY_MAX);
  REQUIRE(frz_source_from_memory(frz_alloc_default(), data, size, &source, NULL) == FRZ_OK);
  if (frz_puffin_footer_read(source, &arena, &footer, NULL) == FRZ_OK) {
    check_places(&footer, (int64_t)size);
    copy_file(source, &footer);
  }
  frz_source_free(source);
  frz_arena_free(&arena);
  return 0;
}
