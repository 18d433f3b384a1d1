/*
 * result_matrix.c - results as matrices of numbers.
 *
 * Where each feature lies in the rows of a segment is found once, and used for all keys whose rows
 * lie in it: a value is then a load and a look at its null bit.
 */
#include <math.h>

#include "base/limits.h"
#include "online/online_result.h"

typedef struct number_place {
  uint32_t at;    /* behind the row's values */
  uint32_t place; /* of the null bit */
  uint8_t kind;   /* FRZ_VALUE_NULL: the segment has no such column */
} number_place;

static bool is_number(frz_value_kind kind)
{
  return kind >= FRZ_VALUE_BOOL && kind <= FRZ_VALUE_TIMESTAMP;
}

static void find_places(const frz_online_result *result, int32_t segment_number,
                        number_place *places)
{
  const frz_view_segment *each = &result->view->segments[segment_number];
  const uint32_t *features = (const uint32_t *)(const void *)result->features.data;
  for (size_t f = 0; f < result->n_features; f++) {
    int32_t column = each->places[features[f]];
    places[f] = (number_place){.kind = FRZ_VALUE_NULL};
    if (column < 0 || !is_number((frz_value_kind)each->segment->columns[column].kind)) continue;
    places[f] = (number_place){each->segment->value_at[column], (uint32_t)column,
                               each->segment->columns[column].kind};
  }
}

static double number_at(const frz_segment_row *row, number_place place)
{
  const uint8_t *at = row->values + place.at;
  float single;
  double wide;
  if (place.kind == FRZ_VALUE_NULL || (row->null_bits[place.place >> 3] >> (place.place & 7) & 1))
    return (double)NAN;
  switch (place.kind) {
  case FRZ_VALUE_FLOAT: memcpy(&single, at, sizeof single); return (double)single;
  case FRZ_VALUE_DOUBLE: memcpy(&wide, at, sizeof wide); return wide;
  case FRZ_VALUE_INT32: return (double)(int32_t)frz_load_u32le(at);
  case FRZ_VALUE_INT64: return (double)(int64_t)frz_load_u64le(at);
  case FRZ_VALUE_TIMESTAMP: return (double)(int64_t)frz_load_u64le(at) / 1e6;
  default: return *at != 0;
  }
}

/* How the features lie in the rows of a segment, where each is stored as a float. */
typedef struct float_places {
  bool are_all;        /* they are */
  bool are_run;        /* one behind the other, in their order */
  uint32_t null_bytes; /* of a row's null bits */
} float_places;

static float_places look_for_floats(const frz_online_result *result, int32_t segment_number,
                                    const number_place *places)
{
  float_places floats = {true, true, 0};
  floats.null_bytes = result->view->segments[segment_number].segment->null_bits_bytes;
  for (size_t f = 0; f < result->n_features; f++) {
    floats.are_all &= places[f].kind == FRZ_VALUE_FLOAT;
    floats.are_run &= places[f].at == places[0].at + f * sizeof(float);
  }
  floats.are_run &= floats.are_all;
  return floats;
}

static void copy_floats(const frz_segment_row *row, const number_place *places, size_t n,
                        float_places floats, float *to)
{
  uint32_t nulls = 0;
  for (uint32_t i = 0; i < floats.null_bytes; i++) nulls |= row->null_bits[i];
  if (floats.are_run && nulls == 0) {
    memcpy(to, row->values + places[0].at, n * sizeof *to);
    return;
  }
  for (size_t f = 0; f < n; f++) {
    bool is_null = (row->null_bits[places[f].place >> 3] >> (places[f].place & 7) & 1) != 0;
    memcpy(&to[f], row->values + places[f].at, sizeof to[f]);
    if (is_null) to[f] = NAN;
  }
}

/* One of the two matrices is NULL. */
static frz_status fill(const frz_online_result *result, float *floats, double *doubles,
                       frz_error *err)
{
  const frz_found_row *rows = (const frz_found_row *)(const void *)result->rows.data;
  size_t n = result->n_features;
  for (size_t f = 0; f < n && result->n_keys != 0; f++) {
    const frz_online_column *column = frz_online_result_feature(result, f);
    if (!is_number(column->kind))
      return frz_fail(err, FRZ_ERR_INVALID, "feature '%s' is no number", column->name);
  }
  frz_arena arena;
  frz_arena_init(&arena, result->alloc, FRZ_LIMIT_JOIN_BYTES);
  number_place *places = frz_arena_array(&arena, n, sizeof *places);
  if (places == NULL) return frz_fail_nomem(err, "matrix");
  int32_t placed = -1;
  float_places singles = {0};
  for (size_t k = 0; k < result->n_keys; k++) {
    int32_t segment = rows[k].segment;
    if (segment >= 0 && segment != placed) {
      find_places(result, segment, places);
      placed = segment;
      if (floats != NULL) singles = look_for_floats(result, segment, places);
    }
    if (segment >= 0 && singles.are_all) {
      copy_floats(&rows[k].row, places, n, singles, floats + k * n);
      continue;
    }
    for (size_t f = 0; f < n; f++) {
      double value = segment >= 0 ? number_at(&rows[k].row, places[f]) : (double)NAN;
      if (floats != NULL)
        floats[k * n + f] = (float)value;
      else
        doubles[k * n + f] = value;
    }
  }
  frz_arena_free(&arena);
  return FRZ_OK;
}

frz_status frz_online_result_floats(const frz_online_result *result, float *matrix, frz_error *err)
{
  if (result == NULL || (matrix == NULL && result->n_keys * result->n_features != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_result_floats: an argument is NULL");
  return fill(result, matrix, NULL, err);
}

frz_status frz_online_result_doubles(const frz_online_result *result, double *matrix,
                                     frz_error *err)
{
  if (result == NULL || (matrix == NULL && result->n_keys * result->n_features != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_result_doubles: an argument is NULL");
  return fill(result, NULL, matrix, err);
}
