/*
 * fuzz_xml.c - any bytes as XML: every event moves on, ends match their beginnings.
 */
#include <stdint.h>
#include <stdlib.h>

#include "text/xml_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_xml_reader reader;
  frz_xml_event event;
  frz_arena arena;
  int depth = 0;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)16 << 20);
  frz_xml_reader_init(&reader, data, size, &arena);
  while (frz_xml_next(&reader, &event, NULL) == FRZ_OK && event.kind != FRZ_XML_DONE) {
    if (event.kind == FRZ_XML_BEGIN && event.depth != ++depth) abort();
    if (event.kind == FRZ_XML_END && event.depth != depth--) abort();
    if (event.name.size == 0 && event.kind == FRZ_XML_BEGIN && reader.pos == 0) abort();
    if (event.text.size > size || reader.pos > size) abort();
  }
  frz_arena_free(&arena);
  return 0;
}
