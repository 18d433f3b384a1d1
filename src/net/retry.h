/*
 * retry.h - when a request is sent again, and after how long.
 *
 * One policy for everything that speaks HTTP: exponential waits with full jitter, bounded by a
 * number of attempts, by a time, and by a budget that all requests of a client share, so that an
 * ill server is not hit with a multiple of its load.
 */
#ifndef FRZ_NET_RETRY_H
#define FRZ_NET_RETRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct frz_retry_policy {
  int32_t attempts_max; /* the first one counted */
  int64_t base_ms;      /* bound of the first wait; it doubles */
  int64_t cap_ms;       /* of the bound */
  int64_t total_ms;     /* no attempt starts later */
} frz_retry_policy;

/** 8 attempts, 50 ms doubling up to 5 s, 60 s in all. */
void frz_retry_policy_init(frz_retry_policy *policy);

/** Shared by the requests of a client; any thread. */
typedef struct frz_retry_budget {
  atomic_int tokens;
} frz_retry_budget;

enum { FRZ_RETRY_TOKENS_MAX = 500, FRZ_RETRY_COST = 5 };

void frz_retry_budget_init(frz_retry_budget *budget);
/** Take what a retry costs; false: the budget is spent. */
bool frz_retry_budget_take(frz_retry_budget *budget);
/** An answer came at the first attempt: one token is given back. */
void frz_retry_budget_refill(frz_retry_budget *budget);

/**
 * The wait before attempt number `attempt` (1: the first retry), drawn by `random`; what the server
 * asked for (`retry_after_ms`, -1: nothing) is waited at least. -1: no further attempt.
 */
int64_t frz_retry_wait_ms(const frz_retry_policy *policy, int32_t attempt, int64_t passed_ms,
                          int64_t retry_after_ms, uint64_t random);

#endif
