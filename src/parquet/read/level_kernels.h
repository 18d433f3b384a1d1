/*
 * level_kernels.h - loops over definition and repetition levels, 64 entries a step.
 */
#ifndef FRZ_PARQUET_LEVEL_KERNELS_H
#define FRZ_PARQUET_LEVEL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Levels and what they mean to a node: an entry is a slot of it where rep <= slot_rep and
 * def >= slot_def, and the slot is present where def >= present_def (>= slot_def). */
typedef struct frz_level_span {
  const uint8_t *def;
  const uint8_t *rep; /* NULL: all zero */
  size_t n;
  int32_t slot_def, slot_rep, present_def;
} frz_level_span;

/** What is more to a list: an entry is an item of it where rep <= item_rep and def >= item_def
 * (> slot_def). */
typedef struct frz_list_levels {
  int32_t item_def, item_rep;
} frz_list_levels;

typedef struct frz_level_kernels {
  /** The entry that starts a row after `*rows_inout` more rows were started, or `n`; `*rows_inout`
   * becomes what is missing to that. */
  size_t (*skip_rows)(const uint8_t *rep, size_t n, int64_t *rows_inout);

  void (*count)(const frz_level_span *span, int64_t *n_slots_out, int64_t *n_present_out);

  /** Set a bit for each present slot, the first slot's being bit `at`. The bits were zero. */
  void (*slots_to_bits)(const frz_level_span *span, uint8_t *bits, int64_t at);

  /** Where each list starts in its items, and, one more, where the last ends. False: entry
   * `*bad_out` goes on with a list that is null, empty or not there. */
  bool (*list_offsets)(const frz_level_span *span, frz_list_levels list, int32_t *offsets,
                       size_t *bad_out);
} frz_level_kernels;

/** Any machine. */
const frz_level_kernels *frz_level_kernels_portable(void);

/** What this one does best. */
const frz_level_kernels *frz_level_kernels_best(void);

#endif
