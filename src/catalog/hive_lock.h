/*
 * hive_lock.h - a table's exclusive lock in a Hive metastore, which all that write Iceberg tables
 * there take for a commit.
 */
#ifndef FRZ_CATALOG_HIVE_LOCK_H
#define FRZ_CATALOG_HIVE_LOCK_H

#include "catalog/hive_session.h"

/** How locks are waited for. */
typedef struct frz_hive_lock_policy {
  int64_t check_min_ms; /* the first wait; it doubles */
  int64_t check_max_ms;
  int64_t timeout_ms;
} frz_hive_lock_policy;

typedef struct frz_hive_lock {
  int64_t id;
  int64_t since_us; /* by frz_os_monotonic_us() */
} frz_hive_lock;

/** Reads "lock-check-min-wait-time", "lock-check-max-wait-time" (seconds) and
 * "hive.lock-timeout-ms". */
frz_status frz_hive_lock_policy_read(const frz_catalog_setup *setup,
                                     frz_hive_lock_policy *policy_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** Wait for the lock. FRZ_ERR_TIMEOUT: others have it for too long. */
frz_status frz_hive_lock_take(frz_context *context, frz_hive_session *session,
                              const frz_hive_lock_policy *policy, const frz_identifier *id,
                              frz_hive_lock *lock_out, frz_error *err) FRZ_MUST_CHECK;

/** FRZ_ERR_CONFLICT: so long ago that the metastore may have given it to others. */
frz_status frz_hive_lock_check(const frz_hive_lock *lock, frz_error *err) FRZ_MUST_CHECK;

/** A failure is logged: the metastore frees the lock of who is silent after some minutes. */
void frz_hive_lock_release(frz_context *context, frz_hive_session *session,
                           const frz_hive_lock *lock);

#endif
