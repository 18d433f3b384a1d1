/*
 * online_result.h - the members of frz_online_result.
 */
#ifndef FRZ_ONLINE_ONLINE_RESULT_H
#define FRZ_ONLINE_ONLINE_RESULT_H

#include "online/online_state.h"

struct frz_online_result {
  const frz_alloc *alloc;
  frz_index_view *view; /* retained; NULL: not filled yet */
  frz_buf rows;         /* frz_found_row, one a key */
  size_t n_keys, n_found;
  frz_buf features; /* uint32_t: places of the features in the layout */
  size_t n_features;
  frz_buf names;             /* of the features, as they were asked for, each with its NUL */
  bool has_all;              /* they were not named */
  frz_online_layout *chosen; /* retained: the layout that `features` is of */
};

/** A value converted to the kind of the layout's feature. */
frz_value frz_online_result_get(const frz_online_result *result, const frz_found_row *row,
                                uint32_t feature);

#endif
