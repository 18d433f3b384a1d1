/*
 * segment.h - an immutable file, or block of memory, of rows found by entity key.
 *
 * The layout is docs/design/lookup-index.md's. A segment is counted and may be read by any number
 * of threads. Nothing in a file is trusted: see invariant 6 there.
 */
#ifndef FRZ_ONLINE_SEGMENT_H
#define FRZ_ONLINE_SEGMENT_H

#include <stdatomic.h>

#include "base/endian.h"
#include "base/map.h"
#include "codec/checksum.h"
#include "online/online_layout.h"

enum {
  FRZ_SEGMENT_BLOCK_BYTES = 4096,
  FRZ_SEGMENT_VERSION = 1,
  FRZ_SEGMENT_UUID_BYTES = 40,
  FRZ_SEGMENT_HEADER_BYTES = 136, /* before the columns */
  FRZ_SEGMENT_HAS_CREATED = 1,
  FRZ_SLOT_OFFSET_BITS = 40,
  FRZ_SLOTS_A_LOOK = 8,     /* compared at a time */
  FRZ_CACHE_LINE_BYTES = 64 /* of most processors: it decides about speed alone */
};
#define FRZ_SEGMENT_MAGIC "FRZLKUP\x01"
#define FRZ_SEGMENT_VARIABLE UINT32_MAX

typedef struct frz_segment {
  atomic_int references;
  const frz_alloc *alloc;
  const uint8_t *base;
  size_t size_bytes;
  bool is_mapped;            /* a file; else memory of the allocator */
  _Atomic(uint8_t) *checked; /* a bit a block; NULL: nothing is to check */
  size_t checked_bytes;
  atomic_bool is_torn; /* a checksum was wrong */
  char name[64];       /* of the file in its folder; "": memory */

  int32_t schema_id;
  bool has_created;
  int64_t n_rows;
  const uint8_t *rows;
  size_t rows_bytes;
  const uint8_t *slots;
  uint64_t n_slots, n_slots_stored;
  const uint8_t *checksums;
  size_t body_at; /* where blocks start */
  uint32_t row_bytes, key_bytes;
  frz_str prefix;
  frz_stored_column *columns;
  size_t n_columns;
  uint32_t *value_at; /* of each column, behind the times and null bits */
  uint32_t null_bits_bytes;
  uint32_t fixed_bytes; /* of all values */
  uint32_t times_bytes;
} frz_segment;

/** Take `size` bytes. `mapped`: a file's, to be unmapped; else the allocator's, which are trusted.
 * On failure the bytes are still the caller's. FRZ_ERR_CORRUPT says what is wrong; FRZ_ERR_STALE:
 * of another table (`uuid` data NULL: of any). */
frz_status frz_segment_open(const frz_alloc *alloc, const uint8_t *bytes, size_t size, bool mapped,
                            frz_str uuid, frz_segment **segment_out, frz_error *err) FRZ_MUST_CHECK;
/** Map a file read-only and open it. */
frz_status frz_segment_open_file(const frz_alloc *alloc, const char *path, frz_str uuid,
                                 frz_segment **segment_out, frz_error *err) FRZ_MUST_CHECK;
frz_segment *frz_segment_retain(frz_segment *segment);
void frz_segment_release(frz_segment *segment);

/** Compare the checksums of every block: false and is_torn where one is wrong. */
bool frz_segment_verify(frz_segment *segment);

/** Bring a file into memory and verify it, so that rows are read without looking at checksums. By
 * the only holder. False: it is torn. */
bool frz_segment_load(frz_segment *segment);

/* ---- finding ---- */

static inline uint64_t frz_entity_key_hash(frz_str key)
{
  return frz_xxh64(key.data, key.size, 0);
}

static inline uint64_t frz_slot_home(const frz_segment *segment, uint64_t hash)
{
  __extension__ typedef unsigned __int128 wide;
  return (uint64_t)((wide)hash * segment->n_slots >> 64);
}

bool frz_segment_check_blocks(frz_segment *segment, size_t first, size_t last);

/** Are bytes [at, at + size) of the segment as they were written? The range lies inside. */
static inline bool frz_segment_intact(frz_segment *segment, const uint8_t *at, size_t size)
{
  if (segment->checked == NULL) return true;
  size_t offset = (size_t)(at - segment->base) - segment->body_at;
  size_t first = offset / FRZ_SEGMENT_BLOCK_BYTES;
  size_t last = (offset + size - 1) / FRZ_SEGMENT_BLOCK_BYTES;
  if (first == last &&
      (atomic_load_explicit(&segment->checked[first >> 3], memory_order_relaxed) >> (first & 7) &
       1) != 0)
    return true;
  return frz_segment_check_blocks(segment, first, last);
}

/** The offset in the row section that a slot in use names. */
static inline uint64_t frz_slot_row(uint64_t slot)
{
  return ((slot & (((uint64_t)1 << FRZ_SLOT_OFFSET_BITS) - 1)) - 1) * 4;
}

/* Which of the slots from `at` on have the tag: a bit each. All are compared, since at which one a
 * loop would end is chance, and a wrong guess of the processor costs more. */
static inline uint32_t frz_slots_with_tag(const uint8_t *at, uint64_t tag)
{
  uint32_t same = 0;
  for (uint32_t i = 0; i < FRZ_SLOTS_A_LOOK; i++)
    same |= (uint32_t)((frz_load_u64le(at + (size_t)i * 8) ^ tag) >> FRZ_SLOT_OFFSET_BITS == 0)
            << i;
  return same;
}

/** As frz_segment_next_slot(), slot by slot: for the end of the section. */
bool frz_segment_next_slot_slowly(frz_segment *segment, uint64_t hash, uint64_t *place,
                                  uint64_t *offset_out);

/** The next slot at `*place` or behind it that has the hash's tag: moves `*place` to it and gives
 * the row's offset, which may lie outside. False: there is none before an empty slot, or the
 * segment is torn. One that is given may lie behind an empty slot: then its row has another key. */
static inline bool frz_segment_next_slot(frz_segment *segment, uint64_t hash, uint64_t *place,
                                         uint64_t *offset_out)
{
  if (*place + FRZ_SLOTS_A_LOOK <= segment->n_slots_stored) {
    const uint8_t *at = segment->slots + *place * 8;
    if (!frz_segment_intact(segment, at, (size_t)FRZ_SLOTS_A_LOOK * 8)) return false;
    uint32_t same = frz_slots_with_tag(at, hash << FRZ_SLOT_OFFSET_BITS);
    uint32_t first = (uint32_t)__builtin_ctz(same | 1u << FRZ_SLOTS_A_LOOK);
    uint64_t slot = same != 0 ? frz_load_u64le(at + (size_t)first * 8) : 0;
    if (slot != 0) {
      *place += first;
      *offset_out = frz_slot_row(slot);
      return true;
    }
  }
  return frz_segment_next_slot_slowly(segment, hash, place, offset_out);
}

/** A row's parts. Pointers into the segment. */
typedef struct frz_segment_row {
  const uint8_t *key; /* behind the prefix */
  uint32_t key_bytes;
  const uint8_t *times;
  const uint8_t *null_bits;
  const uint8_t *values;
  uint32_t var_bytes; /* behind the values */
  uint32_t row_bytes;
} frz_segment_row;

/** As frz_segment_row_at(), of rows that differ in size, and of offsets that lie outside. */
bool frz_segment_any_row_at(frz_segment *segment, uint64_t offset, frz_segment_row *row_out);

/** The row at an offset of the section. False: it does not lie inside, or is torn. */
static inline bool frz_segment_row_at(frz_segment *segment, uint64_t offset,
                                      frz_segment_row *row_out)
{
  uint32_t row_bytes = segment->row_bytes;
  if (row_bytes == 0 || segment->rows_bytes < row_bytes ||
      offset > segment->rows_bytes - row_bytes || offset % 4 != 0)
    return frz_segment_any_row_at(segment, offset, row_out);
  const uint8_t *at = segment->rows + offset;
  if (!frz_segment_intact(segment, at, row_bytes)) return false;
  uint32_t used = segment->key_bytes + segment->times_bytes + segment->null_bits_bytes;
  row_out->key = at;
  row_out->key_bytes = segment->key_bytes;
  row_out->times = at + segment->key_bytes;
  row_out->null_bits = row_out->times + segment->times_bytes;
  row_out->values = at + used;
  row_out->var_bytes = row_bytes - used - segment->fixed_bytes;
  row_out->row_bytes = row_bytes;
  return true;
}

static inline int64_t frz_segment_row_event(const frz_segment_row *row)
{
  return (int64_t)frz_load_u64le(row->times);
}

static inline int64_t frz_segment_row_created(const frz_segment *segment,
                                              const frz_segment_row *row)
{
  return segment->has_created ? (int64_t)frz_load_u64le(row->times + 8) : INT64_MIN;
}

/** Are `n` bytes equal? For keys, which are short. */
static inline bool frz_key_bytes_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
  if (n < 8) return memcmp(a, b, n) == 0;
  size_t at = 0;
  for (; at + 8 <= n; at += 8)
    if (frz_load_u64le(a + at) != frz_load_u64le(b + at)) return false;
  return frz_load_u64le(a + n - 8) == frz_load_u64le(b + n - 8);
}

/** Is it this key, prefix and rest? */
static inline bool frz_segment_row_is(const frz_segment *segment, const frz_segment_row *row,
                                      const uint8_t *key, size_t size)
{
  size_t prefix = segment->prefix.size;
  return size == prefix + row->key_bytes &&
         frz_key_bytes_equal(key + prefix, row->key, row->key_bytes) &&
         frz_key_bytes_equal(key, (const uint8_t *)segment->prefix.data, prefix);
}

/** The row of a key; false: there is none, or the segment is torn. */
bool frz_segment_find(frz_segment *segment, frz_str key, uint64_t hash, frz_segment_row *row_out);

/** The place in `columns` of a field; -1: none. */
int32_t frz_segment_column(const frz_segment *segment, int32_t field_id);

/** The value of a column in the form in which it is stored. */
frz_value frz_segment_value(const frz_segment *segment, const frz_segment_row *row, size_t column);

/** The bytes that a value of this kind takes among a row's fixed ones. */
size_t frz_stored_bytes(uint8_t kind);

/** The bytes of an item of a fixed-width kind; 0: of none. */
size_t frz_item_bytes(uint8_t kind);

#endif
