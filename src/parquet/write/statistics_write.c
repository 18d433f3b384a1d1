/*
 * statistics_write.c - see statistics_write.h.
 */
#include "parquet/write/statistics_write.h"

#include <assert.h>

#include "base/endian.h"

__extension__ typedef unsigned __int128 stat_u128;

enum { BOUND_BYTES_MAX = 64 };

void frz_value_bounds_init(frz_value_bounds *bounds, const frz_alloc *alloc)
{
  *bounds = (frz_value_bounds){0};
  frz_buf_init(&bounds->min_bytes, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&bounds->max_bytes, alloc, FRZ_LIMIT_COLUMN_BYTES);
}

void frz_value_bounds_dispose(frz_value_bounds *bounds)
{
  frz_buf_dispose(&bounds->min_bytes);
  frz_buf_dispose(&bounds->max_bytes);
}

void frz_value_bounds_clear(frz_value_bounds *bounds)
{
  bounds->has = false;
  bounds->min_bytes.size = 0;
  bounds->max_bytes.size = 0;
}

/* ---- numbers ---- */

static bool is_unsigned(frz_stored_kind kind)
{
  return kind == FRZ_STORED_BOOL || kind == FRZ_STORED_U32 || kind == FRZ_STORED_U64;
}

static bool is_float(frz_stored_kind kind)
{
  return kind == FRZ_STORED_F32 || kind == FRZ_STORED_F64;
}

static int compare_numbers(frz_stored_kind kind, frz_stat_number a, frz_stat_number b)
{
  if (kind == FRZ_STORED_I128) return (a.wide > b.wide) - (a.wide < b.wide);
  if (is_float(kind)) return (a.f > b.f) - (a.f < b.f);
  if (is_unsigned(kind)) return (a.u > b.u) - (a.u < b.u);
  return (a.i > b.i) - (a.i < b.i);
}

static void add_range(frz_value_bounds *bounds, frz_stored_kind kind, frz_stat_number min,
                      frz_stat_number max)
{
  if (!bounds->has || compare_numbers(kind, min, bounds->min) < 0) bounds->min = min;
  if (!bounds->has || compare_numbers(kind, max, bounds->max) > 0) bounds->max = max;
  bounds->has = true;
}

/* Plain loops over one type, so that the compiler can use vectors. */
#define DEFINE_RANGE(name, type)                                                      \
  static void name(const uint8_t *values, size_t n, type *min_inout, type *max_inout) \
  {                                                                                   \
    const type *items = (const type *)(const void *)values;                           \
    type min = items[0];                                                              \
    type max = items[0];                                                              \
    for (size_t i = 1; i < n; i++) {                                                  \
      min = items[i] < min ? items[i] : min;                                          \
      max = items[i] > max ? items[i] : max;                                          \
    }                                                                                 \
    *min_inout = min;                                                                 \
    *max_inout = max;                                                                 \
  }
DEFINE_RANGE(range_u8, uint8_t)
DEFINE_RANGE(range_i32, int32_t)
DEFINE_RANGE(range_u32, uint32_t)
DEFINE_RANGE(range_i64, int64_t)
DEFINE_RANGE(range_u64, uint64_t)
DEFINE_RANGE(range_i128, frz_stat_i128)

/* Floats start outside of every value; a comparison with NaN is false, so NaN changes nothing. Each
 * lane keeps a range of its own, as the compiler may not regroup comparisons of floats itself. */
#define DEFINE_FLOAT_RANGE(name, type, lanes)                                       \
  static size_t name(const uint8_t *values, size_t n, type *min_out, type *max_out) \
  {                                                                                 \
    const type *items = (const type *)(const void *)values;                         \
    type min[lanes];                                                                \
    type max[lanes];                                                                \
    size_t n_nans = 0;                                                              \
    size_t i = 0;                                                                   \
    for (size_t k = 0; k < lanes; k++) {                                            \
      min[k] = (type)__builtin_inf();                                               \
      max[k] = -(type)__builtin_inf();                                              \
    }                                                                               \
    for (; n - i >= lanes; i += lanes)                                              \
      for (size_t k = 0; k < lanes; k++) {                                          \
        min[k] = items[i + k] < min[k] ? items[i + k] : min[k];                     \
        max[k] = items[i + k] > max[k] ? items[i + k] : max[k];                     \
      }                                                                             \
    for (size_t k = 0; i + k < n; k++) {                                            \
      min[k] = items[i + k] < min[k] ? items[i + k] : min[k];                       \
      max[k] = items[i + k] > max[k] ? items[i + k] : max[k];                       \
    }                                                                               \
    for (size_t k = 1; k < lanes; k++) {                                            \
      min[0] = min[k] < min[0] ? min[k] : min[0];                                   \
      max[0] = max[k] > max[0] ? max[k] : max[0];                                   \
    }                                                                               \
    for (i = 0; i < n; i++) n_nans += items[i] != items[i];                         \
    *min_out = min[0];                                                              \
    *max_out = max[0];                                                              \
    return n_nans;                                                                  \
  }
DEFINE_FLOAT_RANGE(range_f32, float, 8)
DEFINE_FLOAT_RANGE(range_f64, double, 4)

static size_t range_f16(const uint8_t *values, size_t n, int64_t *min_out, int64_t *max_out)
{
  int64_t min = INT64_MAX;
  int64_t max = INT64_MIN;
  size_t n_nans = 0;
  for (size_t i = 0; i < n; i++) {
    uint16_t bits = frz_load_u16le(values + 2 * i);
    int64_t magnitude = bits & 0x7fff;
    if (magnitude > 0x7c00) {
      n_nans++;
      continue;
    }
    int64_t key = (bits & 0x8000) != 0 ? -magnitude : magnitude;
    min = key < min ? key : min;
    max = key > max ? key : max;
  }
  *min_out = min;
  *max_out = max;
  return n_nans;
}

static size_t float_range(frz_stored_kind kind, const uint8_t *values, size_t n,
                          frz_stat_number *min, frz_stat_number *max)
{
  if (kind == FRZ_STORED_F16) return range_f16(values, n, &min->i, &max->i);
  if (kind == FRZ_STORED_F64) return range_f64(values, n, &min->f, &max->f);
  float least;
  float greatest;
  size_t n_nans = range_f32(values, n, &least, &greatest);
  min->f = (double)least;
  max->f = (double)greatest;
  return n_nans;
}

static void integer_range(frz_stored_kind kind, const uint8_t *values, size_t n,
                          frz_stat_number *min, frz_stat_number *max)
{
  if (kind == FRZ_STORED_I64) {
    range_i64(values, n, &min->i, &max->i);
  } else if (kind == FRZ_STORED_U64) {
    range_u64(values, n, &min->u, &max->u);
  } else if (kind == FRZ_STORED_I128) {
    range_i128(values, n, &min->wide, &max->wide);
  } else if (kind == FRZ_STORED_I32) {
    int32_t least;
    int32_t greatest;
    range_i32(values, n, &least, &greatest);
    min->i = least;
    max->i = greatest;
  } else if (kind == FRZ_STORED_U32) {
    uint32_t least;
    uint32_t greatest;
    range_u32(values, n, &least, &greatest);
    min->u = least;
    max->u = greatest;
  } else {
    uint8_t least;
    uint8_t greatest;
    assert(kind == FRZ_STORED_BOOL);
    range_u8(values, n, &least, &greatest);
    min->u = least;
    max->u = greatest;
  }
}

void frz_value_bounds_add_numbers(frz_value_bounds *bounds, frz_stored_kind kind,
                                  const uint8_t *values, size_t n, int64_t *n_nans_inout)
{
  if (n == 0) return;
  frz_stat_number min = {0};
  frz_stat_number max = {0};
  if (is_float(kind) || kind == FRZ_STORED_F16) {
    size_t n_nans = float_range(kind, values, n, &min, &max);
    *n_nans_inout += (int64_t)n_nans;
    if (n_nans == n) return;
  } else {
    integer_range(kind, values, n, &min, &max);
  }
  add_range(bounds, kind, min, max);
}

/* ---- byte strings ---- */

static frz_status replace_bytes(frz_buf *buf, frz_str bytes, frz_error *err)
{
  buf->size = 0;
  return frz_buf_append_str(buf, bytes, err);
}

frz_status frz_value_bounds_add_bytes(frz_value_bounds *bounds, frz_str least, frz_str greatest,
                                      frz_error *err)
{
  if (!bounds->has || frz_str_compare(least, frz_buf_str(&bounds->min_bytes)) < 0)
    FRZ_TRY(replace_bytes(&bounds->min_bytes, least, err));
  if (!bounds->has || frz_str_compare(greatest, frz_buf_str(&bounds->max_bytes)) > 0)
    FRZ_TRY(replace_bytes(&bounds->max_bytes, greatest, err));
  bounds->has = true;
  return FRZ_OK;
}

frz_status frz_value_bounds_merge(frz_value_bounds *bounds, frz_stored_kind kind,
                                  const frz_value_bounds *other, frz_error *err)
{
  if (!other->has) return FRZ_OK;
  if (kind == FRZ_STORED_FIXED || kind == FRZ_STORED_BYTES)
    return frz_value_bounds_add_bytes(bounds, frz_buf_str(&other->min_bytes),
                                      frz_buf_str(&other->max_bytes), err);
  add_range(bounds, kind, other->min, other->max);
  return FRZ_OK;
}

/* ---- cutting ---- */

/* Where the last code point that starts in text[0, size) begins. */
static size_t last_code_point(const uint8_t *text, size_t size)
{
  assert(size > 0);
  size_t at = size - 1;
  while (at > 0 && size - at < 4 && (text[at] & 0xc0) == 0x80) at--;
  return at;
}

/* Length of a well-formed code point, or 0. */
static size_t decode_utf8(const uint8_t *text, size_t size, uint32_t *point_out)
{
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  uint8_t head = text[0];
  size_t n = head < 0x80   ? 1
             : head < 0xc2 ? 0
             : head < 0xe0 ? 2
             : head < 0xf0 ? 3
             : head < 0xf5 ? 4
                           : 0;
  if (n == 0 || n > size) return 0;
  uint32_t point = n == 1 ? head : head & (0x7fu >> n);
  for (size_t i = 1; i < n; i++) {
    if ((text[i] & 0xc0) != 0x80) return 0;
    point = point << 6 | (text[i] & 0x3fu);
  }
  if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return 0;
  *point_out = point;
  return n;
}

static size_t encode_utf8(uint32_t point, uint8_t *text)
{
  if (point < 0x80) {
    text[0] = (uint8_t)point;
    return 1;
  }
  if (point < 0x800) {
    text[0] = (uint8_t)(0xc0 | point >> 6);
    text[1] = (uint8_t)(0x80 | (point & 0x3f));
    return 2;
  }
  if (point < 0x10000) {
    text[0] = (uint8_t)(0xe0 | point >> 12);
    text[1] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
    text[2] = (uint8_t)(0x80 | (point & 0x3f));
    return 3;
  }
  text[0] = (uint8_t)(0xf0 | point >> 18);
  text[1] = (uint8_t)(0x80 | (point >> 12 & 0x3f));
  text[2] = (uint8_t)(0x80 | (point >> 6 & 0x3f));
  text[3] = (uint8_t)(0x80 | (point & 0x3f));
  return 4;
}

/* The size at which text may be cut without splitting a code point; 0: it is not text. */
static size_t text_cut(const uint8_t *text, size_t size_max)
{
  size_t size = size_max;
  /* The byte behind the cut must start a code point. */
  while (size > 0 && size_max - size < 4 && (text[size] & 0xc0) == 0x80) size--;
  return (text[size] & 0xc0) == 0x80 ? 0 : size;
}

/* Make a cut text greater than everything that starts with it; false: there is no such text. */
static bool increment_text(uint8_t *text, size_t *size_inout)
{
  size_t size = *size_inout;
  while (size > 0) {
    size_t at = last_code_point(text, size);
    uint32_t point = 0;
    if (decode_utf8(text + at, size - at, &point) != size - at) return false;
    size = at;
    if (point == 0x10ffff) continue;
    point = point == 0xd7ff ? 0xe000 : point + 1;
    *size_inout = at + encode_utf8(point, text + at);
    return true;
  }
  return false;
}

static bool increment_bytes(uint8_t *bytes, size_t *size_inout)
{
  for (size_t size = *size_inout; size > 0; size--) {
    if (bytes[size - 1] == 0xff) continue;
    bytes[size - 1]++;
    *size_inout = size;
    return true;
  }
  return false;
}

static frz_status encode_bytes(const frz_leaf_plan *plan, frz_str whole, bool is_max, frz_buf *out,
                               bool *exact_out, frz_error *err)
{
  *exact_out = true;
  if (whole.size <= BOUND_BYTES_MAX || plan->stored == FRZ_STORED_FIXED)
    return frz_buf_append_str(out, whole, err);
  uint8_t cut[BOUND_BYTES_MAX + 4];
  const uint8_t *bytes = (const uint8_t *)whole.data;
  bool is_text = plan->type.kind == FRZ_ARROW_STRING;
  size_t size = is_text ? text_cut(bytes, BOUND_BYTES_MAX) : BOUND_BYTES_MAX;
  if (size == 0) {
    size = BOUND_BYTES_MAX;
    is_text = false;
  }
  memcpy(cut, bytes, size);
  if (is_max && !(is_text ? increment_text(cut, &size) : increment_bytes(cut, &size)))
    return frz_buf_append_str(out, whole, err);
  *exact_out = false;
  return frz_buf_append(out, cut, size, err);
}

/* ---- encoding ---- */

bool frz_store_big_endian(frz_stat_i128 value, uint8_t *bytes_out, size_t n)
{
  assert(n >= 1 && n <= 16);
  for (size_t i = n; i-- > 0;) {
    bytes_out[i] = (uint8_t)(value & 0xff);
    value >>= 8;
  }
  bool is_negative = (bytes_out[0] & 0x80) != 0;
  return value == (is_negative ? -1 : 0);
}

/* The number's bytes in stored form, little-endian; returns how many. */
static size_t store_number(const frz_leaf_plan *plan, frz_stat_number number, bool is_max,
                           uint8_t bytes[16])
{
  switch (plan->stored) {
  case FRZ_STORED_F16: {
    uint16_t sign = number.i < 0 || (number.i == 0 && !is_max) ? 0x8000 : 0;
    frz_store_u16le(bytes, (uint16_t)(sign | (number.i < 0 ? -number.i : number.i)));
    return 2;
  }
  case FRZ_STORED_F32: {
    float value = (float)number.f;
    if (value == 0.0f) value = is_max ? 0.0f : -0.0f;
    memcpy(bytes, &value, sizeof value);
    return sizeof value;
  }
  case FRZ_STORED_F64: {
    double value = number.f;
    if (value == 0.0) value = is_max ? 0.0 : -0.0;
    memcpy(bytes, &value, sizeof value);
    return sizeof value;
  }
  case FRZ_STORED_I128: memcpy(bytes, &number.wide, 16); return 16;
  default: frz_store_u64le(bytes, number.u); return plan->width;
  }
}

frz_status frz_value_bound_encode(const frz_leaf_plan *plan, const frz_value_bounds *bounds,
                                  bool is_max, frz_buf *out, bool *exact_out, frz_error *err)
{
  assert(bounds->has);
  if (plan->stored == FRZ_STORED_BYTES || plan->stored == FRZ_STORED_FIXED)
    return encode_bytes(plan, frz_buf_str(is_max ? &bounds->max_bytes : &bounds->min_bytes), is_max,
                        out, exact_out, err);
  *exact_out = true;
  frz_stat_number number = is_max ? bounds->max : bounds->min;
  uint8_t bytes[16];
  size_t size = store_number(plan, number, is_max, bytes);
  if (plan->stored == FRZ_STORED_I128) {
    size = (size_t)plan->node->type_length;
    frz_store_big_endian(number.wide, bytes, size);
  }
  return frz_buf_append(out, bytes, size, err);
}

frz_status frz_value_bound_arrow(const frz_leaf_plan *plan, const frz_value_bounds *bounds,
                                 bool is_max, frz_buf *out, frz_error *err)
{
  assert(bounds->has);
  if (plan->stored == FRZ_STORED_BYTES || plan->stored == FRZ_STORED_FIXED)
    return frz_buf_append_str(out, frz_buf_str(is_max ? &bounds->max_bytes : &bounds->min_bytes),
                              err);
  frz_stat_number number = is_max ? bounds->max : bounds->min;
  uint8_t bytes[16];
  size_t size = store_number(plan, number, is_max, bytes);
  if (plan->type.kind == FRZ_ARROW_DECIMAL128 && plan->stored != FRZ_STORED_I128) {
    frz_stat_i128 wide = number.i;
    memcpy(bytes, &wide, 16);
    size = 16;
  }
  size_t arrow_bytes = frz_arrow_value_bytes(plan->type);
  if (arrow_bytes != 0 && arrow_bytes < size) size = arrow_bytes;
  return frz_buf_append(out, bytes, size, err);
}

static frz_stat_number load_number(const frz_leaf_plan *plan, frz_str bytes)
{
  frz_stat_number number = {0};
  const uint8_t *data = (const uint8_t *)bytes.data;
  switch (plan->stored) {
  case FRZ_STORED_BOOL: number.u = data[0]; break;
  case FRZ_STORED_I32: number.i = (int32_t)frz_load_u32le(data); break;
  case FRZ_STORED_U32: number.u = frz_load_u32le(data); break;
  case FRZ_STORED_F16: {
    int64_t bits = frz_load_u16le(data);
    number.i = (bits & 0x8000) != 0 ? -(bits & 0x7fff) : bits;
    break;
  }
  case FRZ_STORED_F32: {
    float value;
    memcpy(&value, data, sizeof value);
    number.f = (double)value;
    break;
  }
  case FRZ_STORED_I128:
    number.wide = (data[0] & 0x80) != 0 ? -1 : 0;
    for (size_t i = 0; i < bytes.size; i++)
      number.wide = (frz_stat_i128)((stat_u128)number.wide << 8 | data[i]);
    break;
  default: number.u = frz_load_u64le(data); break;
  }
  return number;
}

int frz_value_bound_compare(const frz_leaf_plan *plan, frz_str a, frz_str b)
{
  if (plan->stored == FRZ_STORED_BYTES || plan->stored == FRZ_STORED_FIXED)
    return frz_str_compare(a, b);
  return compare_numbers(plan->stored, load_number(plan, a), load_number(plan, b));
}
