/*
 * spread_values.h - values that were decoded densely, moved to the rows that have one.
 */
#ifndef FRZ_PARQUET_SPREAD_VALUES_H
#define FRZ_PARQUET_SPREAD_VALUES_H

#include <stddef.h>
#include <stdint.h>

/** The first `n_present` of `n_slots` values of `width` bytes move to the slots whose bit, from
 * `first` on, is set; the others become zero. Exactly `n_present` of the bits are set. */
void frz_spread_fixed(uint8_t *values, size_t width, const uint8_t *bits, int64_t first,
                      int64_t n_slots, int64_t n_present);

/** The same on any machine. */
void frz_spread_fixed_portable(uint8_t *values, size_t width, const uint8_t *bits, int64_t first,
                               int64_t n_slots, int64_t n_present);

#endif
