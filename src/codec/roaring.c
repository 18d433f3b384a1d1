/*
 * roaring.c - a set of 64-bit positions as containers of 2^16 neighbours.
 *
 * The upper 48 bits of a position name its container, the lower 16 a value in it. A container is a
 * sorted array, a bitmap of 1,024 words, or a list of runs, whichever the file chose or growth led
 * to. The stored form groups the containers under 32-bit keys; in memory they are one flat, sorted
 * list, whose keys lie apart so that a search touches little memory.
 *
 * What must stay true: keys ascend; a container is never empty; an array's values ascend and are at
 * most ARRAY_MAX; runs ascend and do not overlap; `cardinality` counts what is there, in each
 * container and in all. Reading believes none of that and proves it. A call that fails leaves the
 * set as it was.
 *
 * Source: RoaringFormatSpec ("extension for 64-bit implementations"); Iceberg specification,
 * Puffin.
 */
#include "codec/roaring.h"

#include <string.h>

#include "base/reader.h"

enum {
  ARRAY_MAX = 4096, /* the format's own bound: more values are a bitmap */
  BITMAP_WORDS = 1024,
  BITMAP_BYTES = BITMAP_WORDS * 8,
  COOKIE_PLAIN = 12346, /* no run containers; the count follows */
  COOKIE_RUNS = 12347,  /* in the lower half; the count, less one, in the upper */
  OFFSETS_FROM = 4,     /* with runs, the offset list is left out below this count */
  MAP_BYTES_MIN = 12    /* a key and an empty map */
};

typedef enum container_kind { KIND_ARRAY, KIND_BITMAP, KIND_RUNS } container_kind;

typedef struct value_run {
  uint16_t first;
  uint16_t last; /* of the run, inclusive */
} value_run;

typedef struct container {
  container_kind kind;
  uint32_t cardinality; /* 1 to 65536 */
  uint32_t size;        /* values of an array, runs of a run list */
  uint32_t capacity;    /* the room for them */
  union {
    uint16_t *values;
    uint64_t *words;
    value_run *runs;
    void *data;
  };
} container;

struct frz_roaring {
  const frz_alloc *alloc;
  uint64_t *keys; /* position >> 16 of each container */
  container *containers;
  size_t size;
  size_t capacity;
  int64_t cardinality;
};

/* ---- containers ---- */

static size_t container_bytes(container_kind kind, uint32_t capacity)
{
  switch (kind) {
  case KIND_ARRAY: return capacity * sizeof(uint16_t);
  case KIND_RUNS: return capacity * sizeof(value_run);
  case KIND_BITMAP: break;
  }
  return BITMAP_BYTES;
}

static frz_status container_create(const frz_alloc *alloc, container_kind kind, uint32_t capacity,
                                   container *container_out, frz_error *err)
{
  void *data = frz_alloc_new(alloc, container_bytes(kind, capacity));
  if (data == NULL) return frz_fail_nomem(err, "position set");
  *container_out = (container){.kind = kind, .capacity = capacity, .data = data};
  return FRZ_OK;
}

static void container_free(const frz_alloc *alloc, container *c)
{
  frz_alloc_free(alloc, c->data, container_bytes(c->kind, c->capacity));
}

/* The first index whose value is not less; without branches that the processor must guess. */
static uint32_t lower_bound(const uint16_t *values, uint32_t n, uint32_t wanted)
{
  const uint16_t *base = values;
  if (n == 0) return 0;
  while (n > 1) {
    uint32_t half = n / 2;
    base += base[half - 1] < wanted ? half : 0;
    n -= half;
  }
  return (uint32_t)(base - values) + (*base < wanted);
}

/* The first run that ends at or behind `wanted`. */
static uint32_t first_run_to(const container *c, uint32_t wanted)
{
  uint32_t low = 0;
  uint32_t high = c->size;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (c->runs[middle].last < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static bool container_contains(const container *c, uint32_t value)
{
  uint32_t at;
  switch (c->kind) {
  case KIND_BITMAP: return (c->words[value / 64] >> (value % 64) & 1) != 0;
  case KIND_ARRAY:
    at = lower_bound(c->values, c->size, value);
    return at < c->size && c->values[at] == value;
  case KIND_RUNS: at = first_run_to(c, value); return at < c->size && c->runs[at].first <= value;
  }
  return false;
}

/* Sets [first, last]; bits set already are allowed. */
static void set_range(uint64_t *words, uint32_t first, uint32_t last)
{
  uint64_t head = UINT64_MAX << (first % 64);
  uint64_t tail = UINT64_MAX >> (63 - last % 64);
  uint32_t from = first / 64;
  uint32_t to = last / 64;
  if (from == to) {
    words[from] |= head & tail;
    return;
  }
  words[from] |= head;
  for (uint32_t i = from + 1; i < to; i++) words[i] = UINT64_MAX;
  words[to] |= tail;
}

static uint32_t count_bits(const uint64_t *words)
{
  uint32_t n = 0;
  for (uint32_t i = 0; i < BITMAP_WORDS; i++) n += (uint32_t)__builtin_popcountll(words[i]);
  return n;
}

/* Gives the maximal runs of any container, one a call. */
typedef struct run_cursor {
  const container *c;
  uint32_t at; /* the next index, or the next bit of a bitmap */
} run_cursor;

/* The first bit from `from` on that differs from `flip`'s, 65536 where there is none. */
static uint32_t next_bit(const uint64_t *words, uint32_t from, uint64_t flip)
{
  uint32_t i = from / 64;
  if (i >= BITMAP_WORDS) return UINT16_MAX + 1;
  uint64_t word = (words[i] ^ flip) & UINT64_MAX << (from % 64);
  while (word == 0) {
    if (++i == BITMAP_WORDS) return UINT16_MAX + 1;
    word = words[i] ^ flip;
  }
  return i * 64 + (uint32_t)__builtin_ctzll(word);
}

static bool next_run(run_cursor *cursor, uint32_t *first_out, uint32_t *last_out)
{
  const container *c = cursor->c;
  if (c->kind == KIND_BITMAP) {
    uint32_t first = next_bit(c->words, cursor->at, 0);
    if (first > UINT16_MAX) return false;
    cursor->at = next_bit(c->words, first, UINT64_MAX);
    *first_out = first;
    *last_out = cursor->at - 1;
    return true;
  }
  uint32_t i = cursor->at;
  if (i == c->size) return false;
  if (c->kind == KIND_ARRAY) {
    *first_out = c->values[i];
    while (i + 1 < c->size && c->values[i + 1] == c->values[i] + 1) i++;
    *last_out = c->values[i];
  } else { /* a file may hold runs that touch */
    *first_out = c->runs[i].first;
    while (i + 1 < c->size && c->runs[i + 1].first == c->runs[i].last + 1) i++;
    *last_out = c->runs[i].last;
  }
  cursor->at = i + 1;
  return true;
}

static uint32_t count_runs(const container *c)
{
  run_cursor cursor = {c, 0};
  uint32_t n = 0, first, last;
  while (next_run(&cursor, &first, &last)) n++;
  return n;
}

static void set_all(uint64_t *words, const container *c)
{
  if (c->kind == KIND_BITMAP) {
    for (uint32_t i = 0; i < BITMAP_WORDS; i++) words[i] |= c->words[i];
    return;
  }
  run_cursor cursor = {c, 0};
  uint32_t first, last;
  while (next_run(&cursor, &first, &last)) set_range(words, first, last);
}

/* A bitmap of all that is in `a` and in `b`, which may be NULL. */
static frz_status make_bitmap(const frz_alloc *alloc, const container *a, const container *b,
                              container *container_out, frz_error *err)
{
  container bitmap = {0};
  FRZ_TRY(container_create(alloc, KIND_BITMAP, 0, &bitmap, err));
  memset(bitmap.words, 0, BITMAP_BYTES);
  set_all(bitmap.words, a);
  if (b != NULL) set_all(bitmap.words, b);
  bitmap.cardinality = count_bits(bitmap.words);
  *container_out = bitmap;
  return FRZ_OK;
}

static frz_status container_copy(const frz_alloc *alloc, const container *c,
                                 container *container_out, frz_error *err)
{
  container copy = {0};
  FRZ_TRY(container_create(alloc, c->kind, c->size, &copy, err));
  memcpy(copy.data, c->data, container_bytes(c->kind, c->size));
  copy.size = c->size;
  copy.cardinality = c->cardinality;
  *container_out = copy;
  return FRZ_OK;
}

static frz_status container_union(const frz_alloc *alloc, const container *a, const container *b,
                                  container *container_out, frz_error *err)
{
  if (a->kind != KIND_ARRAY || b->kind != KIND_ARRAY || a->size + b->size > ARRAY_MAX)
    return make_bitmap(alloc, a, b, container_out, err);
  container both = {0};
  FRZ_TRY(container_create(alloc, KIND_ARRAY, a->size + b->size, &both, err));
  uint32_t i = 0, k = 0, n = 0;
  while (i < a->size && k < b->size) {
    uint16_t x = a->values[i];
    uint16_t y = b->values[k];
    both.values[n++] = x < y ? x : y;
    i += x <= y;
    k += y <= x;
  }
  while (i < a->size) both.values[n++] = a->values[i++];
  while (k < b->size) both.values[n++] = b->values[k++];
  both.size = n;
  both.cardinality = n;
  *container_out = both;
  return FRZ_OK;
}

/* ---- the set ---- */

frz_status frz_roaring_create(const frz_alloc *alloc, frz_roaring **roaring_out, frz_error *err)
{
  frz_roaring *roaring = frz_alloc_zeroed(alloc, sizeof *roaring);
  if (roaring == NULL) return frz_fail_nomem(err, "position set");
  roaring->alloc = alloc;
  *roaring_out = roaring;
  return FRZ_OK;
}

static void release_contents(frz_roaring *roaring)
{
  const frz_alloc *alloc = roaring->alloc;
  for (size_t i = 0; i < roaring->size; i++) container_free(alloc, &roaring->containers[i]);
  frz_alloc_free(alloc, roaring->keys, roaring->capacity * sizeof *roaring->keys);
  frz_alloc_free(alloc, roaring->containers, roaring->capacity * sizeof *roaring->containers);
}

void frz_roaring_free(frz_roaring *roaring)
{
  if (roaring == NULL) return;
  release_contents(roaring);
  frz_alloc_free(roaring->alloc, roaring, sizeof *roaring);
}

int64_t frz_roaring_cardinality(const frz_roaring *roaring)
{
  return roaring->cardinality;
}

/* The index of the first container whose key is not less. Neighbours usually all exist, so the
 * distance from the first key is a good guess. */
static size_t find_key(const frz_roaring *roaring, uint64_t key)
{
  const uint64_t *keys = roaring->keys;
  size_t low = 0;
  size_t high = roaring->size;
  if (high == 0 || key <= keys[0]) return 0;
  uint64_t guess = key - keys[0];
  if (guess < high && keys[guess] == key) return (size_t)guess;
  if (keys[high - 1] < key) return high;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (keys[middle] < key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static const container *find_container(const frz_roaring *roaring, uint64_t key)
{
  size_t at = find_key(roaring, key);
  return at < roaring->size && roaring->keys[at] == key ? &roaring->containers[at] : NULL;
}

bool frz_roaring_contains(const frz_roaring *roaring, int64_t position)
{
  if (position < 0) return false;
  const container *c = find_container(roaring, (uint64_t)position >> 16);
  return c != NULL && container_contains(c, (uint32_t)(position & UINT16_MAX));
}

/* Room for `n` containers in both lists, which grow together. */
static frz_status reserve_containers(frz_roaring *roaring, size_t n, frz_error *err)
{
  if (n <= roaring->capacity) return FRZ_OK;
  const frz_alloc *alloc = roaring->alloc;
  size_t capacity = roaring->capacity < 4 ? 8 : roaring->capacity * 2;
  if (capacity < n) capacity = n;
  uint64_t *keys = frz_alloc_array(alloc, capacity, sizeof *keys);
  container *containers = frz_alloc_array(alloc, capacity, sizeof *containers);
  if (keys == NULL || containers == NULL) {
    frz_alloc_free(alloc, keys, capacity * sizeof *keys);
    frz_alloc_free(alloc, containers, capacity * sizeof *containers);
    return frz_fail_nomem(err, "position set");
  }
  if (roaring->size != 0) {
    memcpy(keys, roaring->keys, roaring->size * sizeof *keys);
    memcpy(containers, roaring->containers, roaring->size * sizeof *containers);
  }
  frz_alloc_free(alloc, roaring->keys, roaring->capacity * sizeof *keys);
  frz_alloc_free(alloc, roaring->containers, roaring->capacity * sizeof *containers);
  roaring->keys = keys;
  roaring->containers = containers;
  roaring->capacity = capacity;
  return FRZ_OK;
}

/* Puts a container in at `at`; the room is there and the set owns it from here. */
static void insert_container(frz_roaring *roaring, size_t at, uint64_t key, const container *c)
{
  assert(roaring->size < roaring->capacity && at <= roaring->size && c->cardinality != 0);
  size_t n_behind = roaring->size - at;
  memmove(roaring->keys + at + 1, roaring->keys + at, n_behind * sizeof *roaring->keys);
  memmove(roaring->containers + at + 1, roaring->containers + at,
          n_behind * sizeof *roaring->containers);
  roaring->keys[at] = key;
  roaring->containers[at] = *c;
  roaring->size++;
  roaring->cardinality += c->cardinality;
}

static frz_status add_container(frz_roaring *roaring, size_t at, uint64_t key, uint16_t value,
                                frz_error *err)
{
  FRZ_TRY(reserve_containers(roaring, roaring->size + 1, err));
  container fresh = {0};
  FRZ_TRY(container_create(roaring->alloc, KIND_ARRAY, 32, &fresh, err));
  fresh.values[0] = value;
  fresh.size = 1;
  fresh.cardinality = 1;
  insert_container(roaring, at, key, &fresh);
  return FRZ_OK;
}

static frz_status replace_by_bitmap(const frz_alloc *alloc, container *c, frz_error *err)
{
  container bitmap = {0};
  FRZ_TRY(make_bitmap(alloc, c, NULL, &bitmap, err));
  container_free(alloc, c);
  *c = bitmap;
  return FRZ_OK;
}

static frz_status grow_array(const frz_alloc *alloc, container *c, frz_error *err)
{
  uint32_t capacity = c->capacity * 2 < ARRAY_MAX ? c->capacity * 2 : ARRAY_MAX;
  if (capacity < 32) capacity = 32;
  void *grown = alloc->resize(alloc->ctx, c->data, container_bytes(KIND_ARRAY, c->capacity),
                              container_bytes(KIND_ARRAY, capacity));
  if (grown == NULL) return frz_fail_nomem(err, "position set");
  c->data = grown;
  c->capacity = capacity;
  return FRZ_OK;
}

/* Adds a value that is not there yet. */
static frz_status add_value(const frz_alloc *alloc, container *c, uint16_t value, frz_error *err)
{
  if (c->kind == KIND_RUNS || (c->kind == KIND_ARRAY && c->size == ARRAY_MAX))
    FRZ_TRY(replace_by_bitmap(alloc, c, err));
  if (c->kind == KIND_BITMAP) {
    c->words[value / 64] |= UINT64_C(1) << (value % 64);
  } else {
    if (c->size == c->capacity) FRZ_TRY(grow_array(alloc, c, err));
    uint32_t at = c->values[c->size - 1] < value ? c->size : lower_bound(c->values, c->size, value);
    memmove(c->values + at + 1, c->values + at, (c->size - at) * sizeof *c->values);
    c->values[at] = value;
    c->size++;
  }
  c->cardinality++;
  return FRZ_OK;
}

frz_status frz_roaring_add(frz_roaring *roaring, int64_t position, frz_error *err)
{
  if (position < 0) return frz_fail(err, FRZ_ERR_INVALID, "row position %lld", (long long)position);
  uint64_t key = (uint64_t)position >> 16;
  uint16_t value = (uint16_t)(position & UINT16_MAX);
  size_t n = roaring->size;
  size_t at = n != 0 && roaring->keys[n - 1] == key ? n - 1 : find_key(roaring, key);
  if (at == n || roaring->keys[at] != key) return add_container(roaring, at, key, value, err);
  container *c = &roaring->containers[at];
  bool behind_all = c->kind == KIND_ARRAY && c->values[c->size - 1] < value;
  if (!behind_all && container_contains(c, value)) return FRZ_OK;
  FRZ_TRY(add_value(roaring->alloc, c, value, err));
  roaring->cardinality++;
  return FRZ_OK;
}

/* Appends the union of the containers at `*i` of `a` and `*k` of `b`, whichever comes first. */
static frz_status merge_next(frz_roaring *to, const frz_roaring *a, size_t *i, const frz_roaring *b,
                             size_t *k, frz_error *err)
{
  bool take_a = *k == b->size || (*i < a->size && a->keys[*i] <= b->keys[*k]);
  bool take_b = *i == a->size || (*k < b->size && b->keys[*k] <= a->keys[*i]);
  uint64_t key = take_a ? a->keys[*i] : b->keys[*k];
  container made = {0};
  if (take_a && take_b)
    FRZ_TRY(container_union(to->alloc, &a->containers[*i], &b->containers[*k], &made, err));
  else
    FRZ_TRY(
        container_copy(to->alloc, take_a ? &a->containers[*i] : &b->containers[*k], &made, err));
  insert_container(to, to->size, key, &made);
  *i += take_a;
  *k += take_b;
  return FRZ_OK;
}

frz_status frz_roaring_merge(frz_roaring *roaring, const frz_roaring *other, frz_error *err)
{
  /* Into a new set, so that a refused allocation half way leaves the old one whole. */
  frz_status st = FRZ_OK;
  frz_roaring merged = {.alloc = roaring->alloc};
  size_t i = 0, k = 0;
  if (other->size == 0) return FRZ_OK;
  FRZ_TRY_OUT(reserve_containers(&merged, roaring->size + other->size, err));
  while (i < roaring->size || k < other->size)
    FRZ_TRY_OUT(merge_next(&merged, roaring, &i, other, &k, err));
  release_contents(roaring);
  *roaring = merged;
  return FRZ_OK;
out:
  release_contents(&merged);
  return st;
}

/* ---- complement ---- */

static int64_t *emit(int64_t *to, int64_t from, int64_t n)
{
  for (int64_t i = 0; i < n; i++) to[i] = from + i;
  return to + n;
}

/* `shift` turns a value of the container into a row. [from, to) are values. */
static int64_t *absent_in_bitmap(const container *c, uint32_t from, uint32_t to, int64_t shift,
                                 int64_t *rows)
{
  for (uint32_t at = from; at < to;) {
    uint32_t start = at / 64 * 64;
    uint32_t end = start + 64 < to ? start + 64 : to;
    uint64_t absent = ~c->words[at / 64] & UINT64_MAX << (at % 64);
    if (end - start < 64) absent &= (UINT64_C(1) << (end - start)) - 1;
    if (absent == UINT64_MAX)
      rows = emit(rows, shift + start, 64);
    else
      for (; absent != 0; absent &= absent - 1) *rows++ = shift + start + __builtin_ctzll(absent);
    at = end;
  }
  return rows;
}

static int64_t *absent_in_array(const container *c, uint32_t from, uint32_t to, int64_t shift,
                                int64_t *rows)
{
  for (uint32_t i = lower_bound(c->values, c->size, from); i < c->size && c->values[i] < to; i++) {
    rows = emit(rows, shift + from, c->values[i] - (int64_t)from);
    from = (uint32_t)c->values[i] + 1;
  }
  return emit(rows, shift + from, (int64_t)to - from);
}

static int64_t *absent_in_runs(const container *c, uint32_t from, uint32_t to, int64_t shift,
                               int64_t *rows)
{
  for (uint32_t i = first_run_to(c, from); i < c->size && c->runs[i].first < to; i++) {
    if (c->runs[i].first > from) rows = emit(rows, shift + from, c->runs[i].first - (int64_t)from);
    from = (uint32_t)c->runs[i].last + 1;
    if (from >= to) return rows;
  }
  return emit(rows, shift + from, (int64_t)to - from);
}

int64_t frz_roaring_complement(const frz_roaring *roaring, int64_t first, int64_t n,
                               int64_t *rows_out)
{
  assert(first >= 0 && n >= 0);
  int64_t *rows = rows_out;
  if (n > INT64_MAX - first) n = INT64_MAX - first;
  for (int64_t done = 0; done < n;) {
    int64_t position = first + done;
    uint32_t from = (uint32_t)(position & UINT16_MAX);
    int64_t n_span = UINT16_MAX + 1 - (int64_t)from;
    if (n_span > n - done) n_span = n - done;
    uint32_t to = from + (uint32_t)n_span;
    int64_t shift = done - from;
    const container *c = find_container(roaring, (uint64_t)position >> 16);
    if (c == NULL)
      rows = emit(rows, done, n_span);
    else if (c->kind == KIND_BITMAP)
      rows = absent_in_bitmap(c, from, to, shift, rows);
    else if (c->kind == KIND_ARRAY)
      rows = absent_in_array(c, from, to, shift, rows);
    else
      rows = absent_in_runs(c, from, to, shift, rows);
    done += n_span;
  }
  return rows - rows_out;
}

/* ---- members ---- */

static int64_t *list_container(const container *c, uint32_t from, int64_t base, int64_t *members,
                               const int64_t *end)
{
  run_cursor cursor = {c, 0};
  uint32_t first, last;
  if (c->kind == KIND_BITMAP) cursor.at = from;
  if (c->kind == KIND_ARRAY) cursor.at = lower_bound(c->values, c->size, from);
  while (members < end && next_run(&cursor, &first, &last)) {
    if (last < from) continue;
    for (uint32_t value = first > from ? first : from; value <= last && members < end; value++)
      *members++ = base + value;
  }
  return members;
}

int64_t frz_roaring_members(const frz_roaring *roaring, int64_t from, int64_t n_max,
                            int64_t *members_out)
{
  assert(from >= 0 && n_max >= 0);
  int64_t *members = members_out;
  const int64_t *end = members_out + n_max;
  uint64_t from_key = (uint64_t)from >> 16;
  for (size_t i = find_key(roaring, from_key); i < roaring->size && members < end; i++) {
    uint32_t low = roaring->keys[i] == from_key ? (uint32_t)(from & UINT16_MAX) : 0;
    int64_t base = (int64_t)(roaring->keys[i] << 16);
    members = list_container(&roaring->containers[i], low, base, members, end);
  }
  return members - members_out;
}

/* ---- reading ---- */

/* What the header of a 32-bit map says. */
typedef struct map_header {
  uint32_t n;
  const uint8_t *run_flags; /* NULL: no run containers */
  const uint8_t *keys;      /* n times key and cardinality - 1, 16 bits each */
  const uint8_t *offsets;   /* n times 32 bits; NULL: left out */
  size_t start;             /* of the map, in the reader */
} map_header;

static frz_status corrupt(frz_error *err, const frz_reader *reader, const char *what)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "position set, byte %zu of %zu: %s", reader->pos,
                  reader->size, what);
}

static frz_status read_header(frz_reader *reader, map_header *header_out, frz_error *err)
{
  map_header header = {.start = reader->pos};
  uint32_t cookie;
  if (!frz_read_u32le(reader, &cookie)) return corrupt(err, reader, "ends before a map");
  if ((cookie & UINT16_MAX) == COOKIE_RUNS) {
    header.n = (cookie >> 16) + 1;
    if (!frz_read_bytes(reader, (header.n + 7) / 8, &header.run_flags))
      return corrupt(err, reader, "ends in the run flags");
  } else if (cookie == COOKIE_PLAIN) {
    if (!frz_read_u32le(reader, &header.n)) return corrupt(err, reader, "ends before a count");
    if (header.n > UINT16_MAX + 1) return corrupt(err, reader, "more than 65536 containers");
  } else {
    return frz_fail(err, FRZ_ERR_CORRUPT, "position set, byte %zu: cookie %u", header.start,
                    (unsigned)cookie);
  }
  if (!frz_read_bytes(reader, (size_t)header.n * 4, &header.keys))
    return corrupt(err, reader, "ends in the list of containers");
  if ((header.run_flags == NULL || header.n >= OFFSETS_FROM) &&
      !frz_read_bytes(reader, (size_t)header.n * 4, &header.offsets))
    return corrupt(err, reader, "ends in the list of offsets");
  *header_out = header;
  return FRZ_OK;
}

static frz_status check_array(const container *c, const frz_reader *reader, frz_error *err)
{
  for (uint32_t i = 1; i < c->size; i++)
    if (c->values[i] <= c->values[i - 1])
      return frz_fail(err, FRZ_ERR_CORRUPT,
                      "position set, array before byte %zu: value %u follows %u", reader->pos,
                      c->values[i], c->values[i - 1]);
  return FRZ_OK;
}

static frz_status check_bitmap(const container *c, const frz_reader *reader, frz_error *err)
{
  uint32_t n = count_bits(c->words);
  if (n == c->cardinality) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT,
                  "position set, bitmap before byte %zu: %u values, %u announced", reader->pos,
                  (unsigned)n, (unsigned)c->cardinality);
}

/* The stored pairs are (first, length - 1). */
static frz_status take_runs(container *c, const uint8_t *stored, const frz_reader *reader,
                            frz_error *err)
{
  uint32_t free_from = 0; /* behind the last run */
  uint32_t n_values = 0;
  for (uint32_t i = 0; i < c->size; i++, stored += 4) {
    uint32_t first = frz_load_u16le(stored);
    uint32_t last = first + frz_load_u16le(stored + 2);
    if (first < free_from || last > UINT16_MAX)
      return frz_fail(err, FRZ_ERR_CORRUPT,
                      "position set, runs before byte %zu: %u to %u where %u is next", reader->pos,
                      (unsigned)first, (unsigned)last, (unsigned)free_from);
    c->runs[i] = (value_run){(uint16_t)first, (uint16_t)last};
    free_from = last + 1;
    n_values += last - first + 1;
  }
  if (n_values == c->cardinality) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT,
                  "position set, runs before byte %zu: %u values, %u announced", reader->pos,
                  (unsigned)n_values, (unsigned)c->cardinality);
}

static frz_status read_container(const frz_alloc *alloc, frz_reader *reader, bool is_runs,
                                 uint32_t cardinality, container *container_out, frz_error *err)
{
  container_kind kind = is_runs ? KIND_RUNS : cardinality <= ARRAY_MAX ? KIND_ARRAY : KIND_BITMAP;
  uint32_t size = kind == KIND_ARRAY ? cardinality : 0;
  const uint8_t *stored;
  if (is_runs) {
    if (!frz_read_bytes(reader, 2, &stored)) return corrupt(err, reader, "ends before runs");
    size = frz_load_u16le(stored);
    if (size == 0) return corrupt(err, reader, "no runs");
  }
  size_t n_bytes = container_bytes(kind, size);
  if (!frz_read_bytes(reader, n_bytes, &stored)) return corrupt(err, reader, "ends in a container");
  container c = {0};
  FRZ_TRY(container_create(alloc, kind, size, &c, err));
  c.size = size;
  c.cardinality = cardinality;
  frz_status st;
  if (is_runs) {
    st = take_runs(&c, stored, reader, err);
  } else {
    memcpy(c.data, stored, n_bytes);
    st = kind == KIND_ARRAY ? check_array(&c, reader, err) : check_bitmap(&c, reader, err);
  }
  if (st != FRZ_OK) {
    container_free(alloc, &c);
    return st;
  }
  *container_out = c;
  return FRZ_OK;
}

/* One 32-bit map, whose containers belong under `high`. */
static frz_status read_map(frz_roaring *roaring, frz_reader *reader, uint32_t high, frz_error *err)
{
  map_header header = {0};
  FRZ_TRY(read_header(reader, &header, err));
  FRZ_TRY(reserve_containers(roaring, roaring->size + header.n, err));
  for (uint32_t i = 0; i < header.n; i++) {
    uint32_t key = frz_load_u16le(header.keys + (size_t)i * 4);
    uint32_t cardinality = (uint32_t)frz_load_u16le(header.keys + (size_t)i * 4 + 2) + 1;
    if (i != 0 && key <= frz_load_u16le(header.keys + (size_t)i * 4 - 4))
      return corrupt(err, reader, "container keys do not ascend");
    if (header.offsets != NULL &&
        frz_load_u32le(header.offsets + (size_t)i * 4) != reader->pos - header.start)
      return corrupt(err, reader, "a container is not at its offset");
    bool is_runs = header.run_flags != NULL && (header.run_flags[i / 8] >> (i % 8) & 1) != 0;
    container c = {0};
    FRZ_TRY(read_container(roaring->alloc, reader, is_runs, cardinality, &c, err));
    insert_container(roaring, roaring->size, (uint64_t)high << 16 | key, &c);
  }
  return FRZ_OK;
}

static frz_status read_maps(frz_roaring *roaring, frz_reader *reader, frz_error *err)
{
  uint64_t n_maps;
  if (!frz_read_u64le(reader, &n_maps)) return corrupt(err, reader, "ends before the map count");
  if (n_maps > frz_reader_left(reader) / MAP_BYTES_MIN)
    return frz_fail(err, FRZ_ERR_CORRUPT, "position set: %llu maps in %zu bytes",
                    (unsigned long long)n_maps, reader->size);
  int64_t last_high = -1;
  for (uint64_t i = 0; i < n_maps; i++) {
    uint32_t high;
    if (!frz_read_u32le(reader, &high)) return corrupt(err, reader, "ends before a map's key");
    if (high > INT32_MAX) return corrupt(err, reader, "a negative position");
    if (high <= last_high) return corrupt(err, reader, "map keys do not ascend");
    last_high = high;
    FRZ_TRY(read_map(roaring, reader, high, err));
  }
  if (frz_reader_left(reader) != 0) return corrupt(err, reader, "bytes behind the last map");
  return FRZ_OK;
}

frz_status frz_roaring_parse(const frz_alloc *alloc, const void *data, size_t size,
                             frz_roaring **roaring_out, frz_error *err)
{
  frz_roaring *roaring = NULL;
  FRZ_TRY(frz_roaring_create(alloc, &roaring, err));
  frz_reader reader = frz_reader_of(data, size);
  frz_status st = read_maps(roaring, &reader, err);
  if (st != FRZ_OK) {
    frz_roaring_free(roaring);
    return st;
  }
  *roaring_out = roaring;
  return FRZ_OK;
}

/* ---- writing: each container in its smallest form ---- */

static container_kind smallest_kind(const container *c, uint32_t *n_runs_out)
{
  uint32_t n_runs = count_runs(c);
  container_kind other = c->cardinality <= ARRAY_MAX ? KIND_ARRAY : KIND_BITMAP;
  *n_runs_out = n_runs;
  size_t other_bytes = container_bytes(other, c->cardinality);
  return 2 + container_bytes(KIND_RUNS, n_runs) < other_bytes ? KIND_RUNS : other;
}

static size_t stored_bytes(const container *c)
{
  uint32_t n_runs;
  container_kind kind = smallest_kind(c, &n_runs);
  if (kind == KIND_RUNS) return 2 + container_bytes(KIND_RUNS, n_runs);
  return container_bytes(kind, c->cardinality);
}

static void store_container(const container *c, uint8_t *to)
{
  uint32_t n_runs, first, last;
  container_kind kind = smallest_kind(c, &n_runs);
  run_cursor cursor = {c, 0};
  if (kind == KIND_BITMAP) {
    uint64_t words[BITMAP_WORDS] = {0};
    set_all(words, c);
    memcpy(to, words, BITMAP_BYTES);
    return;
  }
  if (kind == KIND_RUNS) {
    frz_store_u16le(to, (uint16_t)n_runs);
    to += 2;
  }
  while (next_run(&cursor, &first, &last)) {
    if (kind == KIND_RUNS) {
      frz_store_u16le(to, (uint16_t)first);
      frz_store_u16le(to + 2, (uint16_t)(last - first));
      to += 4;
      continue;
    }
    for (uint32_t value = first; value <= last; value++, to += 2)
      frz_store_u16le(to, (uint16_t)value);
  }
}

/* The header of the map of containers [from, from + n); `n` is 1 to 65536. */
static frz_status write_header(const frz_roaring *roaring, size_t from, uint32_t n, frz_buf *out,
                               frz_error *err)
{
  uint8_t flags[(UINT16_MAX + 1) / 8] = {0};
  size_t n_flag_bytes = (n + 7) / 8;
  bool any_runs = false;
  uint32_t n_runs;
  for (uint32_t i = 0; i < n; i++) {
    if (smallest_kind(&roaring->containers[from + i], &n_runs) != KIND_RUNS) continue;
    flags[i / 8] = (uint8_t)(flags[i / 8] | 1u << (i % 8));
    any_runs = true;
  }
  bool has_offsets = !any_runs || n >= OFFSETS_FROM;
  size_t n_bytes = (any_runs ? 4 + n_flag_bytes : 8) + (size_t)n * (has_offsets ? 8 : 4);
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(out, n_bytes, &at, err));
  frz_store_u32le(at, any_runs ? COOKIE_RUNS | (n - 1) << 16 : COOKIE_PLAIN);
  if (any_runs)
    memcpy(at + 4, flags, n_flag_bytes);
  else
    frz_store_u32le(at + 4, n);
  at += any_runs ? 4 + n_flag_bytes : 8;
  size_t offset = n_bytes;
  for (uint32_t i = 0; i < n; i++) {
    const container *c = &roaring->containers[from + i];
    frz_store_u16le(at + (size_t)i * 4, (uint16_t)roaring->keys[from + i]);
    frz_store_u16le(at + (size_t)i * 4 + 2, (uint16_t)(c->cardinality - 1));
    if (has_offsets) frz_store_u32le(at + (size_t)(n + i) * 4, (uint32_t)offset);
    offset += stored_bytes(c);
  }
  return FRZ_OK;
}

static frz_status write_maps(const frz_roaring *roaring, frz_buf *out, frz_error *err)
{
  uint64_t n_maps = 0;
  for (size_t i = 0; i < roaring->size; i++)
    n_maps += i == 0 || roaring->keys[i] >> 16 != roaring->keys[i - 1] >> 16;
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(out, 8, &at, err));
  frz_store_u64le(at, n_maps);
  for (size_t from = 0, to; from < roaring->size; from = to) {
    uint64_t high = roaring->keys[from] >> 16;
    for (to = from + 1; to < roaring->size && roaring->keys[to] >> 16 == high;) to++;
    FRZ_TRY(frz_buf_extend(out, 4, &at, err));
    frz_store_u32le(at, (uint32_t)high);
    FRZ_TRY(write_header(roaring, from, (uint32_t)(to - from), out, err));
    for (size_t i = from; i < to; i++) {
      const container *c = &roaring->containers[i];
      FRZ_TRY(frz_buf_extend(out, stored_bytes(c), &at, err));
      store_container(c, at);
    }
  }
  return FRZ_OK;
}

frz_status frz_roaring_write(const frz_roaring *roaring, frz_buf *out, frz_error *err)
{
  size_t size_before = out->size;
  frz_status st = write_maps(roaring, out, err);
  if (st != FRZ_OK) out->size = size_before;
  return st;
}
