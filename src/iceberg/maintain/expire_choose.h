/*
 * expire_choose.h - which snapshots and refs an expiry forgets: a decision over metadata alone.
 */
#ifndef FRZ_ICEBERG_EXPIRE_CHOOSE_H
#define FRZ_ICEBERG_EXPIRE_CHOOSE_H

#include "frazil/maintenance.h"
#include "iceberg/metadata/table_metadata.h"

typedef struct frz_expire_choice {
  const int64_t *snapshot_ids;
  size_t n_snapshot_ids;
  const frz_str *refs; /* borrowed from the metadata */
  size_t n_refs;
} frz_expire_choice;

/**
 * Choose, into the arena. `options` is complete; `now_ms` is what ages are counted from.
 * FRZ_ERR_INVALID: a snapshot that was asked for is named by a ref that stays. Ids that the table
 * lacks are passed over.
 */
frz_status frz_expire_choose(const frz_table_metadata *metadata, const frz_expire_options *options,
                             int64_t now_ms, frz_arena *arena, frz_expire_choice *choice_out,
                             frz_error *err) FRZ_MUST_CHECK;

#endif
