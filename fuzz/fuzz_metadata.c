/*
 * fuzz_metadata.c - any bytes as table metadata: what is taken can be written, and what was written
 * reads back as the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "iceberg/metadata/table_metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static frz_table_metadata *parse(const void *data, size_t size)
{
  frz_table_metadata *metadata = NULL;
  frz_status st =
      frz_table_metadata_parse(frz_alloc_default(), FRZ_STR("fuzz"), data, size, &metadata, NULL);
  if ((st == FRZ_OK) != (metadata != NULL)) abort();
  return metadata;
}

static void write(const frz_table_metadata *metadata, frz_buf *out)
{
  frz_buf_init(out, frz_alloc_default(), (size_t)64 << 20);
  if (frz_table_metadata_write(metadata, out, NULL) != FRZ_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_table_metadata *first = parse(data, size);
  if (first == NULL) return 0;
  frz_buf once, twice;
  write(first, &once);
  frz_table_metadata *second = parse(once.data, once.size);
  if (second == NULL) abort();
  write(second, &twice);
  if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0) abort();
  if (first->n_snapshots != second->n_snapshots || first->n_refs != second->n_refs) abort();
  frz_buf_dispose(&once);
  frz_buf_dispose(&twice);
  frz_table_metadata_release(first);
  frz_table_metadata_release(second);
  return 0;
}
