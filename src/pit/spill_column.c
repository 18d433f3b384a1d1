/*
 * spill_column.c - see spill_column.h.
 *
 * The file is the process' own and nameless, so its bytes are trusted; but every size is compared
 * with what the column's type and row count say, so that a slip here cannot become a wild read.
 */
#include "pit/spill_column.h"

typedef struct column_head {
  int64_t n_rows;
  int64_t n_nulls;
  uint64_t validity_bytes;
  uint64_t offsets_bytes;
  uint64_t values_bytes;
} column_head;

frz_status frz_spill_column_write(frz_spill_file *file, const frz_column *column, frz_error *err)
{
  const column_head head = {column->n_rows, column->n_nulls, column->validity.size,
                            column->offsets.size, column->values.size};
  FRZ_TRY(frz_spill_file_write(file, &head, sizeof head, err));
  FRZ_TRY(frz_spill_file_write(file, column->validity.data, column->validity.size, err));
  FRZ_TRY(frz_spill_file_write(file, column->offsets.data, column->offsets.size, err));
  FRZ_TRY(frz_spill_file_write(file, column->values.data, column->values.size, err));
  for (size_t i = 0; i < column->n_children; i++)
    FRZ_TRY(frz_spill_column_write(file, &column->children[i], err));
  return FRZ_OK;
}

static bool head_fits(const column_head *head, const frz_column *column)
{
  if (head->n_rows < 0 || head->n_nulls < 0 || head->n_nulls > head->n_rows) return false;
  uint64_t rows = (uint64_t)head->n_rows;
  bool has_offsets = frz_arrow_type_has_offsets(column->type);
  bool has_bits = head->n_nulls != 0 && column->type.kind != FRZ_ARROW_NULL;
  if (head->validity_bytes != (has_bits ? frz_bits_bytes(head->n_rows) : 0)) return false;
  if (head->offsets_bytes != 0 && head->offsets_bytes != (rows + 1) * sizeof(int32_t)) return false;
  if (head->offsets_bytes != 0 && !has_offsets) return false;
  if (has_offsets) return head->values_bytes <= column->values.max_bytes;
  if (column->type.kind == FRZ_ARROW_BOOL)
    return head->values_bytes == frz_bits_bytes(head->n_rows);
  return head->values_bytes == rows * frz_arrow_value_bytes(column->type);
}

static frz_status read_buffer(const frz_spill_file *file, int64_t *offset, frz_buf *buffer,
                              uint64_t size, frz_error *err)
{
  FRZ_TRY(frz_buf_resize(buffer, (size_t)size, err));
  FRZ_TRY(frz_spill_file_read(file, *offset, buffer->data, (size_t)size, err));
  *offset += (int64_t)size;
  return FRZ_OK;
}

frz_status frz_spill_column_read(const frz_spill_file *file, int64_t *offset, frz_column *column,
                                 frz_error *err)
{
  column_head head;
  FRZ_TRY(frz_spill_file_read(file, *offset, &head, sizeof head, err));
  if (!head_fits(&head, column))
    return frz_fail(err, FRZ_ERR_CORRUPT, "spill file: a column of %lld rows at %lld",
                    (long long)head.n_rows, (long long)*offset);
  *offset += (int64_t)sizeof head;
  FRZ_TRY(read_buffer(file, offset, &column->validity, head.validity_bytes, err));
  FRZ_TRY(read_buffer(file, offset, &column->offsets, head.offsets_bytes, err));
  FRZ_TRY(read_buffer(file, offset, &column->values, head.values_bytes, err));
  for (size_t i = 0; i < column->n_children; i++)
    FRZ_TRY(frz_spill_column_read(file, offset, &column->children[i], err));
  column->n_rows = head.n_rows;
  column->n_nulls = head.n_nulls;
  return FRZ_OK;
}
