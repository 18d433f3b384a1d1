/*
 * segment.c - open segments, find rows, look at values.
 *
 * What is checked when: opening looks at the header and the checksum section, both covered by sums
 * of their own; a block is compared with its checksum when it is first touched; and every offset
 * that is read is compared with what it points into, so that not even a file with right sums can
 * lead outside. A segment in memory was made by this process: its sums are not compared.
 */
#include "online/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/os.h"

size_t frz_item_bytes(uint8_t kind)
{
  switch (kind) {
  case FRZ_VALUE_BOOL: return 1;
  case FRZ_VALUE_INT32:
  case FRZ_VALUE_FLOAT: return 4;
  case FRZ_VALUE_INT64:
  case FRZ_VALUE_DOUBLE:
  case FRZ_VALUE_TIMESTAMP: return 8;
  default: return 0;
  }
}

size_t frz_stored_bytes(uint8_t kind)
{
  size_t bytes = frz_item_bytes(kind);
  return bytes != 0 ? bytes : 4;
}

/* ---- opening ---- */

static frz_status torn(frz_error *err, const char *what, uint64_t value)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "segment: %s %llu", what, (unsigned long long)value);
}

static frz_status read_columns(frz_segment *segment, const uint8_t *at, frz_error *err)
{
  uint64_t fixed = 0;
  for (size_t i = 0; i < segment->n_columns; i++, at += 8) {
    frz_stored_column column = {(int32_t)frz_load_u32le(at), at[4], at[5]};
    bool is_list = column.kind == FRZ_VALUE_LIST;
    if (column.kind == FRZ_VALUE_NULL || column.kind > FRZ_VALUE_SERIALIZED)
      return torn(err, "unknown kind of column", column.kind);
    if (is_list ? column.item_kind == FRZ_VALUE_NULL || column.item_kind >= FRZ_VALUE_LIST
                : column.item_kind != FRZ_VALUE_NULL)
      return torn(err, "unknown kind of items", column.item_kind);
    segment->columns[i] = column;
    segment->value_at[i] = (uint32_t)fixed;
    fixed += frz_stored_bytes(column.kind);
    if (frz_item_bytes(column.kind) == 0 && segment->row_bytes != 0)
      return torn(err, "equal rows of different sizes: column", i);
  }
  segment->fixed_bytes = (uint32_t)fixed;
  segment->null_bits_bytes = (uint32_t)((segment->n_columns + 7) / 8);
  return FRZ_OK;
}

/* Sections lie one after the other, at multiples of a block. */
static frz_status place_sections(frz_segment *segment, size_t header_bytes, uint64_t rows_bytes,
                                 frz_error *err)
{
  const uint64_t block = FRZ_SEGMENT_BLOCK_BYTES;
  uint64_t left = segment->size_bytes - header_bytes;
  if (rows_bytes > left) return torn(err, "bytes of rows", rows_bytes);
  uint64_t rows_padded = (rows_bytes + block - 1) / block * block;
  if (rows_padded > left) return torn(err, "bytes of rows", rows_bytes);
  left -= rows_padded;
  if (segment->n_slots_stored > left / 8) return torn(err, "slots", segment->n_slots_stored);
  uint64_t slots_padded = (segment->n_slots_stored * 8 + block - 1) / block * block;
  if (slots_padded > left) return torn(err, "slots", segment->n_slots_stored);
  left -= slots_padded;
  if (left != (rows_padded + slots_padded) / block * 8)
    return torn(err, "bytes of checksums", left);
  if (segment->n_slots >= segment->n_slots_stored) return torn(err, "slots", segment->n_slots);
  if (segment->n_rows < 0 || (uint64_t)segment->n_rows > segment->n_slots)
    return torn(err, "rows", (uint64_t)segment->n_rows);
  segment->body_at = header_bytes;
  segment->rows = segment->base + header_bytes;
  segment->rows_bytes = (size_t)rows_bytes;
  segment->slots = segment->rows + rows_padded;
  segment->checksums = segment->slots + slots_padded;
  return FRZ_OK;
}

static frz_status check_row_size(const frz_segment *segment, frz_error *err)
{
  if (segment->row_bytes == 0) return FRZ_OK;
  if (segment->key_bytes == FRZ_SEGMENT_VARIABLE || segment->row_bytes % 4 != 0)
    return torn(err, "bytes of a row", segment->row_bytes);
  uint64_t least = (uint64_t)segment->key_bytes + segment->times_bytes + segment->null_bits_bytes +
                   segment->fixed_bytes;
  if (segment->row_bytes < least) return torn(err, "bytes of a row", segment->row_bytes);
  return FRZ_OK;
}

static frz_status read_header(frz_segment *segment, frz_str uuid, frz_error *err)
{
  const uint8_t *h = segment->base;
  size_t size = segment->size_bytes;
  if (size < FRZ_SEGMENT_BLOCK_BYTES || memcmp(h, FRZ_SEGMENT_MAGIC, 8) != 0)
    return torn(err, "not one, bytes", size);
  if (frz_load_u32le(h + 8) != FRZ_SEGMENT_VERSION)
    return torn(err, "version", frz_load_u32le(h + 8));
  if (frz_load_u64le(h + 16) != size) return torn(err, "size", frz_load_u64le(h + 16));
  uint32_t header_bytes = frz_load_u32le(h + 104);
  if (header_bytes % FRZ_SEGMENT_BLOCK_BYTES != 0 || header_bytes == 0 || header_bytes > size)
    return torn(err, "bytes of header", header_bytes);
  if (frz_load_u32le(h + 12) != frz_crc32(0, h + 16, header_bytes - 16))
    return torn(err, "checksum of header", frz_load_u32le(h + 12));
  char wanted[FRZ_SEGMENT_UUID_BYTES] = {0};
  memcpy(wanted, uuid.data != NULL ? uuid.data : "",
         uuid.size < sizeof wanted ? uuid.size : sizeof wanted);
  if (uuid.data != NULL && memcmp(wanted, h + 24, sizeof wanted) != 0)
    return frz_fail(err, FRZ_ERR_STALE, "segment: of another table");
  segment->schema_id = (int32_t)frz_load_u32le(h + 64);
  segment->has_created = (frz_load_u32le(h + 68) & FRZ_SEGMENT_HAS_CREATED) != 0;
  segment->times_bytes = segment->has_created ? 16 : 8;
  segment->n_rows = (int64_t)frz_load_u64le(h + 72);
  segment->n_slots = frz_load_u64le(h + 88);
  segment->n_slots_stored = frz_load_u64le(h + 96);
  segment->n_columns = frz_load_u32le(h + 108);
  segment->row_bytes = frz_load_u32le(h + 112);
  segment->key_bytes = frz_load_u32le(h + 116);
  uint32_t prefix_bytes = frz_load_u32le(h + 120);
  size_t left = header_bytes - FRZ_SEGMENT_HEADER_BYTES;
  if (segment->n_columns > left / 8 || segment->n_columns > FRZ_LIMIT_SCHEMA_FIELDS)
    return torn(err, "columns", segment->n_columns);
  left -= segment->n_columns * 8;
  if (prefix_bytes > left) return torn(err, "bytes of prefix", prefix_bytes);
  segment->prefix =
      (frz_str){(const char *)h + FRZ_SEGMENT_HEADER_BYTES + segment->n_columns * 8, prefix_bytes};
  return place_sections(segment, header_bytes, frz_load_u64le(h + 80), err);
}

static frz_status open_parts(frz_segment *segment, frz_str uuid, frz_error *err)
{
  FRZ_TRY(read_header(segment, uuid, err));
  size_t n = segment->n_columns;
  segment->columns = frz_alloc_array(segment->alloc, n + 1, sizeof *segment->columns);
  segment->value_at = frz_alloc_array(segment->alloc, n + 1, sizeof *segment->value_at);
  if (segment->columns == NULL || segment->value_at == NULL) return frz_fail_nomem(err, "segment");
  FRZ_TRY(read_columns(segment, segment->base + FRZ_SEGMENT_HEADER_BYTES, err));
  FRZ_TRY(check_row_size(segment, err));
  if (!segment->is_mapped) return FRZ_OK;
  size_t sums_bytes = (size_t)(segment->base + segment->size_bytes - segment->checksums);
  if (frz_load_u64le(segment->base + 128) != frz_xxh64(segment->checksums, sums_bytes, 0))
    return torn(err, "checksum of checksums, bytes", sums_bytes);
  segment->checked_bytes = sums_bytes / 8 / 8 + 1;
  segment->checked = frz_alloc_zeroed(segment->alloc, segment->checked_bytes);
  return segment->checked != NULL ? FRZ_OK : frz_fail_nomem(err, "segment");
}

static void free_parts(frz_segment *segment)
{
  const frz_alloc *alloc = segment->alloc;
  frz_alloc_free(alloc, segment->columns, (segment->n_columns + 1) * sizeof *segment->columns);
  frz_alloc_free(alloc, segment->value_at, (segment->n_columns + 1) * sizeof *segment->value_at);
  frz_alloc_free(alloc, (void *)segment->checked, segment->checked_bytes);
  frz_alloc_free(alloc, segment, sizeof *segment);
}

frz_status frz_segment_open(const frz_alloc *alloc, const uint8_t *bytes, size_t size, bool mapped,
                            frz_str uuid, frz_segment **segment_out, frz_error *err)
{
  frz_segment *segment = frz_alloc_zeroed(alloc, sizeof *segment);
  if (segment == NULL) return frz_fail_nomem(err, "segment");
  atomic_init(&segment->references, 1);
  segment->alloc = alloc;
  segment->base = bytes;
  segment->size_bytes = size;
  segment->is_mapped = mapped;
  frz_status st = open_parts(segment, uuid, err);
  if (st != FRZ_OK) {
    free_parts(segment);
    return st;
  }
  *segment_out = segment;
  return FRZ_OK;
}

frz_status frz_segment_open_file(const frz_alloc *alloc, const char *path, frz_str uuid,
                                 frz_segment **segment_out, frz_error *err)
{
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return frz_fail(err, errno == ENOENT ? FRZ_ERR_NOT_FOUND : FRZ_ERR_IO, "%s: %s", path,
                    strerror(errno));
  if (fstat(fd, &info) != 0 || info.st_size < FRZ_SEGMENT_BLOCK_BYTES) {
    close(fd);
    return frz_fail(err, FRZ_ERR_CORRUPT, "%s: too short for a segment", path);
  }
  size_t size = (size_t)info.st_size;
  void *bytes = frz_os_map_file(fd, size);
  int error = errno;
  close(fd);
  if (bytes == NULL) return frz_fail(err, FRZ_ERR_IO, "%s: %s", path, strerror(error));
  frz_status st = frz_segment_open(alloc, bytes, size, true, uuid, segment_out, err);
  if (st != FRZ_OK) {
    frz_os_unmap(bytes, size);
    frz_error_where(err, "%s: ", path);
    return st;
  }
  const char *slash = strrchr(path, '/');
  frz_str name = frz_str_from(slash != NULL ? slash + 1 : path);
  size_t room = sizeof(*segment_out)->name - 1;
  memcpy((*segment_out)->name, name.data, name.size < room ? name.size : room);
  return FRZ_OK;
}

frz_segment *frz_segment_retain(frz_segment *segment)
{
  atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
  return segment;
}

void frz_segment_release(frz_segment *segment)
{
  if (segment == NULL || atomic_fetch_sub(&segment->references, 1) != 1) return;
  if (segment->is_mapped)
    frz_os_unmap((void *)segment->base, segment->size_bytes);
  else
    frz_alloc_free(segment->alloc, (void *)segment->base, segment->size_bytes);
  free_parts(segment);
}

/* ---- checksums ---- */

bool frz_segment_check_blocks(frz_segment *segment, size_t first, size_t last)
{
  for (size_t block = first; block <= last; block++) {
    uint8_t bit = (uint8_t)(1u << (block & 7));
    if ((atomic_load_explicit(&segment->checked[block >> 3], memory_order_relaxed) & bit) != 0)
      continue;
    const uint8_t *bytes = segment->base + segment->body_at + block * FRZ_SEGMENT_BLOCK_BYTES;
    if (frz_xxh64(bytes, FRZ_SEGMENT_BLOCK_BYTES, 0) !=
        frz_load_u64le(segment->checksums + block * 8)) {
      atomic_store(&segment->is_torn, true);
      return false;
    }
    atomic_fetch_or_explicit(&segment->checked[block >> 3], bit, memory_order_relaxed);
  }
  return true;
}

bool frz_segment_verify(frz_segment *segment)
{
  if (segment->checked == NULL) return true;
  size_t n_blocks =
      ((size_t)(segment->checksums - segment->base) - segment->body_at) / FRZ_SEGMENT_BLOCK_BYTES;
  return n_blocks == 0 || frz_segment_check_blocks(segment, 0, n_blocks - 1);
}

bool frz_segment_load(frz_segment *segment)
{
  if (segment->checked == NULL) return true;
#ifdef MADV_POPULATE_READ
  /* Page by page it would come on first touch; an old kernel says no, which is no loss. */
  (void)madvise((void *)segment->base, segment->size_bytes, MADV_POPULATE_READ);
#endif
  if (!frz_segment_verify(segment)) return false;
  frz_alloc_free(segment->alloc, (void *)segment->checked, segment->checked_bytes);
  segment->checked = NULL;
  return true;
}

/* ---- rows ---- */

static bool tear(frz_segment *segment)
{
  atomic_store(&segment->is_torn, true);
  return false;
}

bool frz_segment_any_row_at(frz_segment *segment, uint64_t offset, frz_segment_row *row_out)
{
  size_t left = segment->rows_bytes;
  if (offset >= left || offset % 4 != 0) return tear(segment);
  const uint8_t *at = segment->rows + offset;
  const uint8_t *start = at;
  left -= (size_t)offset;
  uint32_t row_bytes = segment->row_bytes, key_bytes = segment->key_bytes;
  if (row_bytes == 0) {
    if (left < 4 || !frz_segment_intact(segment, at, 4)) return tear(segment);
    row_bytes = frz_load_u32le(at);
    at += 4;
  }
  if (row_bytes > left || row_bytes < 4 || !frz_segment_intact(segment, start, row_bytes))
    return tear(segment);
  left = row_bytes - (size_t)(at - start);
  if (key_bytes == FRZ_SEGMENT_VARIABLE) {
    if (left < 4) return tear(segment);
    key_bytes = frz_load_u32le(at);
    at += 4;
    left -= 4;
  }
  size_t rest = (size_t)segment->times_bytes + segment->null_bits_bytes + segment->fixed_bytes;
  if (left < rest || left - rest < key_bytes) return tear(segment);
  frz_segment_row row = {.key = at, .key_bytes = key_bytes, .row_bytes = row_bytes};
  row.times = at + key_bytes;
  row.null_bits = row.times + segment->times_bytes;
  row.values = row.null_bits + segment->null_bits_bytes;
  row.var_bytes = (uint32_t)(left - rest - key_bytes);
  *row_out = row;
  return true;
}

bool frz_segment_next_slot_slowly(frz_segment *segment, uint64_t hash, uint64_t *place,
                                  uint64_t *offset_out)
{
  uint64_t tag = hash << FRZ_SLOT_OFFSET_BITS;
  for (; *place < segment->n_slots_stored; ++*place) {
    const uint8_t *at = segment->slots + *place * 8;
    if (!frz_segment_intact(segment, at, 8)) return false;
    uint64_t slot = frz_load_u64le(at);
    if (slot == 0) return false;
    if (((slot ^ tag) >> FRZ_SLOT_OFFSET_BITS) != 0) continue;
    *offset_out = frz_slot_row(slot);
    return true;
  }
  return false;
}

bool frz_segment_find(frz_segment *segment, frz_str key, uint64_t hash, frz_segment_row *row_out)
{
  uint64_t offset, place = frz_slot_home(segment, hash);
  for (; frz_segment_next_slot(segment, hash, &place, &offset); place++) {
    if (!frz_segment_row_at(segment, offset, row_out)) return false;
    if (frz_segment_row_is(segment, row_out, (const uint8_t *)key.data, key.size)) return true;
  }
  return false;
}

int32_t frz_segment_column(const frz_segment *segment, int32_t field_id)
{
  for (size_t i = 0; i < segment->n_columns; i++)
    if (segment->columns[i].field_id == field_id) return (int32_t)i;
  return -1;
}

/* ---- values ---- */

/* Where the bytes of a column without a fixed width lie: behind those of the one before. */
static bool var_range(const frz_segment *segment, const frz_segment_row *row, size_t column,
                      const uint8_t **at_out, uint32_t *size_out)
{
  uint32_t start = 0;
  for (size_t i = column; i-- > 0;) {
    if (frz_item_bytes(segment->columns[i].kind) != 0) continue;
    start = frz_load_u32le(row->values + segment->value_at[i]);
    break;
  }
  uint32_t end = frz_load_u32le(row->values + segment->value_at[column]);
  if (start > end || end > row->var_bytes) return false;
  *at_out = row->values + segment->fixed_bytes + start;
  *size_out = end - start;
  return true;
}

/* Bytes before the items; false: the list does not fit into its bytes. */
static bool list_head(uint8_t item_kind, const uint8_t *at, uint32_t size, uint32_t *n_out,
                      size_t *head_out)
{
  if (size < 8) return false;
  uint64_t n = frz_load_u32le(at);
  uint64_t head = 8 + ((frz_load_u32le(at + 4) & 1) != 0 ? (n + 7) / 8 : 0);
  uint64_t width = frz_item_bytes(item_kind);
  uint64_t items = n * (width != 0 ? width : 4);
  if (head > size || items > size - head) return false;
  *n_out = (uint32_t)n;
  *head_out = (size_t)head;
  return true;
}

frz_value frz_segment_value(const frz_segment *segment, const frz_segment_row *row, size_t column)
{
  frz_value value = {.kind = FRZ_VALUE_NULL};
  if ((row->null_bits[column >> 3] >> (column & 7) & 1) != 0) return value;
  const frz_stored_column *stored = &segment->columns[column];
  const uint8_t *at = row->values + segment->value_at[column];
  uint32_t size = 0, n_items = 0;
  size_t head = 0;
  switch (stored->kind) {
  case FRZ_VALUE_BOOL: value.as.boolean = *at != 0; break;
  case FRZ_VALUE_INT32:
  case FRZ_VALUE_FLOAT: memcpy(&value.as, at, 4); break;
  case FRZ_VALUE_INT64:
  case FRZ_VALUE_DOUBLE:
  case FRZ_VALUE_TIMESTAMP: memcpy(&value.as, at, 8); break;
  default:
    if (!var_range(segment, row, column, &at, &size)) return value;
    if (stored->kind != FRZ_VALUE_LIST) {
      value.as.bytes = (frz_bytes){at, size};
      break;
    }
    if (!list_head(stored->item_kind, at, size, &n_items, &head)) return value;
    value.item_kind = (frz_value_kind)stored->item_kind;
    value.as.list.data = at;
    value.as.list.size_bytes = size;
    value.as.list.n_items = n_items;
  }
  value.kind = (frz_value_kind)stored->kind;
  return value;
}

frz_value frz_value_item(const frz_value *list, uint32_t i)
{
  frz_value item = {.kind = FRZ_VALUE_NULL};
  const uint8_t *at = list->as.list.data;
  uint32_t n;
  size_t head;
  if (list->kind != FRZ_VALUE_LIST || i >= list->as.list.n_items ||
      !list_head((uint8_t)list->item_kind, at, list->as.list.size_bytes, &n, &head))
    return item;
  if (head != 8 && (at[8 + (i >> 3)] >> (i & 7) & 1) != 0) return item;
  const uint8_t *items = at + head;
  size_t width = frz_item_bytes((uint8_t)list->item_kind);
  if (list->item_kind == FRZ_VALUE_BOOL) {
    item.as.boolean = items[i] != 0;
  } else if (width != 0) {
    memcpy(&item.as, items + (size_t)i * width, width);
  } else {
    const uint8_t *bytes = items + (size_t)n * 4;
    size_t room = list->as.list.size_bytes - head - (size_t)n * 4;
    uint32_t start = i == 0 ? 0 : frz_load_u32le(items + ((size_t)i - 1) * 4);
    uint32_t end = frz_load_u32le(items + (size_t)i * 4);
    if (start > end || end > room) return item;
    item.as.bytes = (frz_bytes){bytes + start, end - start};
  }
  item.kind = list->item_kind;
  return item;
}
