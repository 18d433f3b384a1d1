/*
 * join_time.c - see join_time.h. Sums and products are made in 128 bits, where none can overflow.
 */
#include "pit/join_time.h"

__extension__ typedef __int128 wide;

static const int64_t unit_step_ns[] = {
    [FRZ_UNIT_S] = 1000000000, [FRZ_UNIT_MS] = 1000000, [FRZ_UNIT_US] = 1000, [FRZ_UNIT_NS] = 1};

frz_status frz_time_scale_of(const frz_arrow_field *field, const char *what, frz_str name,
                             frz_time_scale *scale_out, frz_error *err)
{
  if (field->type.kind == FRZ_ARROW_TIMESTAMP) {
    *scale_out = (frz_time_scale){unit_step_ns[field->type.unit], false};
    return FRZ_OK;
  }
  if (field->type.kind == FRZ_ARROW_DATE32) {
    *scale_out = (frz_time_scale){(int64_t)86400 * 1000000000, true};
    return FRZ_OK;
  }
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 16);
  frz_str type = frz_arrow_field_describe(field, &arena);
  frz_status st =
      frz_fail(err, FRZ_ERR_INVALID, "%s '%.*s' has type %.*s: a timestamp or date is needed", what,
               FRZ_STR_ARG(name), FRZ_STR_ARG(type));
  frz_arena_free(&arena);
  return st;
}

static int64_t saturate(wide value)
{
  if (value > INT64_MAX) return INT64_MAX;
  if (value < INT64_MIN) return INT64_MIN;
  return (int64_t)value;
}

static wide floor_divide(wide value, int64_t by)
{
  wide quotient = value / by;
  return value % by < 0 ? quotient - 1 : quotient;
}

int64_t frz_time_floor(int64_t time, frz_time_scale from, frz_time_scale to)
{
  if (from.step_ns == to.step_ns) return time;
  return saturate(floor_divide((wide)time * from.step_ns, to.step_ns));
}

int64_t frz_time_ceil_minus(int64_t time, frz_time_scale from, int64_t ttl_us, frz_time_scale to)
{
  wide lower_ns = (wide)time * from.step_ns - (wide)ttl_us * 1000;
  return saturate(-floor_divide(-lower_ns, to.step_ns));
}
