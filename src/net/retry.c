/*
 * retry.c - see retry.h. Full jitter as in "Exponential Backoff And Jitter" (AWS Architecture
 * Blog); the budget as the token bucket of AWS's client libraries.
 */
#include "net/retry.h"

void frz_retry_policy_init(frz_retry_policy *policy)
{
  *policy = (frz_retry_policy){.attempts_max = 8, .base_ms = 50, .cap_ms = 5000, .total_ms = 60000};
}

void frz_retry_budget_init(frz_retry_budget *budget)
{
  atomic_init(&budget->tokens, FRZ_RETRY_TOKENS_MAX);
}

bool frz_retry_budget_take(frz_retry_budget *budget)
{
  int tokens = atomic_load(&budget->tokens);
  do
    if (tokens < FRZ_RETRY_COST) return false;
  while (!atomic_compare_exchange_weak(&budget->tokens, &tokens, tokens - FRZ_RETRY_COST));
  return true;
}

void frz_retry_budget_refill(frz_retry_budget *budget)
{
  int tokens = atomic_load(&budget->tokens);
  do
    if (tokens >= FRZ_RETRY_TOKENS_MAX) return;
  while (!atomic_compare_exchange_weak(&budget->tokens, &tokens, tokens + 1));
}

int64_t frz_retry_wait_ms(const frz_retry_policy *policy, int32_t attempt, int64_t passed_ms,
                          int64_t retry_after_ms, uint64_t random)
{
  if (attempt >= policy->attempts_max) return -1;
  int64_t bound_ms = policy->base_ms;
  for (int32_t i = 1; i < attempt && bound_ms < policy->cap_ms; i++) bound_ms *= 2;
  if (bound_ms > policy->cap_ms) bound_ms = policy->cap_ms;
  int64_t wait_ms = (int64_t)(random % ((uint64_t)bound_ms + 1));
  if (wait_ms < retry_after_ms) wait_ms = retry_after_ms;
  return wait_ms > policy->total_ms - passed_ms ? -1 : wait_ms;
}
