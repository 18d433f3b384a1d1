/*
 * table_commit.c - the commit loop: try, and on conflict build again on what won.
 *
 * Waits between attempts are drawn between zero and a doubling bound (full jitter), so that many
 * writers spread out. Where the catalog has a queue (Hive's locks), who lost builds and commits in
 * a turn of its own: one that only queued with what it had built would find it replaced by those in
 * front, each time. A lost answer is looked into: the table is loaded again and searched for the
 * snapshot; while it is not seen the outcome stays unknown, and nothing that was written may be
 * deleted by anyone.
 *
 * A commit to several tables goes the same way, with all of them built anew on any conflict. Their
 * handles are locked in the order of their addresses, so that two such commits cannot wait for each
 * other.
 *
 * Properties, with defaults: commit.retry.num-retries (100), commit.retry.min-wait-ms (20),
 * commit.retry.max-wait-ms (500), commit.retry.total-timeout-ms (1800000),
 * commit.status-check.num-retries (3), commit.status-check.min-wait-ms (100).
 */

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "base/os.h"
#include "iceberg/table/table_state.h"

typedef struct retry_policy {
  int64_t n_retries;
  int64_t wait_min_ms;
  int64_t wait_max_ms;
  int64_t total_ms;
  int64_t n_checks;
  int64_t check_wait_ms;
} retry_policy;

/* On failure the defaults stand in for the wrong value and those behind it. */
static frz_status read_policy(const frz_table_metadata *metadata, retry_policy *policy_out,
                              frz_error *err)
{
  const struct {
    const char *key;
    int64_t fallback;
    int64_t *value;
  } settings[] = {
      {"commit.retry.num-retries", 100, &policy_out->n_retries},
      {"commit.retry.min-wait-ms", 20, &policy_out->wait_min_ms},
      {"commit.retry.max-wait-ms", 500, &policy_out->wait_max_ms},
      {"commit.retry.total-timeout-ms", 1800000, &policy_out->total_ms},
      {"commit.status-check.num-retries", 3, &policy_out->n_checks},
      {"commit.status-check.min-wait-ms", 100, &policy_out->check_wait_ms},
  };
  size_t n = sizeof settings / sizeof settings[0];
  for (size_t i = 0; i < n; i++) *settings[i].value = settings[i].fallback;
  for (size_t i = 0; i < n; i++) {
    int64_t value;
    FRZ_TRY(
        frz_metadata_property_i64(metadata, settings[i].key, settings[i].fallback, &value, err));
    if (value < 0)
      return frz_fail(err, FRZ_ERR_INVALID, "property %s: %lld is negative", settings[i].key,
                      (long long)value);
    *settings[i].value = value;
  }
  return FRZ_OK;
}

/* FRZ_ERR_CONFLICT, with more words before what `err` says: there were enough attempts. */
static frz_status wait_before_retry(frz_context *context, const retry_policy *policy,
                                    int64_t attempt, int64_t started_us, frz_error *err)
{
  int64_t passed_ms = (frz_os_monotonic_us() - started_us) / 1000;
  if (attempt >= policy->n_retries || passed_ms >= policy->total_ms) {
    frz_error_where(err, "%lld attempts in %lld ms: ", (long long)attempt + 1,
                    (long long)passed_ms);
    return FRZ_ERR_CONFLICT;
  }
  int64_t bound_ms = policy->wait_min_ms;
  for (int64_t i = 0; i < attempt && bound_ms < policy->wait_max_ms; i++) bound_ms *= 2;
  if (bound_ms > policy->wait_max_ms) bound_ms = policy->wait_max_ms;
  uint64_t random;
  FRZ_TRY(frz_os_random(&random, sizeof random, err));
  return frz_context_sleep(context, (int64_t)(random % ((uint64_t)bound_ms + 1)), err);
}

/* Was the snapshot committed after all? `loaded_out` is filled where it was. */
static bool find_commit(frz_table *table, const retry_policy *policy, int64_t snapshot_id,
                        frz_loaded_table *loaded_out)
{
  if (snapshot_id == 0) return false;
  for (int64_t check = 0; check <= policy->n_checks; check++) {
    if (check > 0 &&
        frz_context_sleep(table->context, policy->check_wait_ms << (check < 6 ? check : 6), NULL) !=
            FRZ_OK)
      return false;
    frz_loaded_table loaded = {0};
    if (table->port->load(table->port_ctx, table->identifier.data, &loaded, NULL) != FRZ_OK)
      continue;
    if (frz_metadata_snapshot(loaded.metadata, snapshot_id) != NULL) {
      *loaded_out = loaded;
      return true;
    }
    frz_loaded_table_dispose(&loaded);
  }
  return false;
}

/* One attempt on `base`. FRZ_OK with done_out false: CONFLICT that may be retried. */
static frz_status attempt_once(frz_table *table, const retry_policy *policy,
                               const frz_loaded_table *base,
                               frz_status (*prepare)(void *arg, const frz_table_metadata *base,
                                                     frz_commit_attempt *attempt_out,
                                                     frz_error *err),
                               void *arg, bool *done_out, frz_error *err)
{
  frz_commit_attempt attempt = {0};
  frz_loaded_table next = {0};
  *done_out = true;
  FRZ_TRY(prepare(arg, base->metadata, &attempt, err));
  if (attempt.n_updates == 0) return FRZ_OK;
  frz_status st =
      table->port->commit(table->port_ctx, table->identifier.data, base, attempt.requirements,
                          attempt.n_requirements, attempt.updates, attempt.n_updates, &next, err);
  if (st == FRZ_ERR_COMMIT_UNKNOWN && find_commit(table, policy, attempt.snapshot_id, &next))
    st = FRZ_OK;
  if (st == FRZ_OK) frz_table_publish(table, &next);
  *done_out = st != FRZ_ERR_CONFLICT;
  return *done_out ? st : FRZ_OK;
}

/* True: there was a turn. */
static bool end_turn(frz_table *table, frz_loaded_table *base)
{
  frz_commit_turn *turn = base->turn;
  base->turn = NULL;
  if (turn != NULL) table->port->end_turn(table->port_ctx, turn);
  return turn != NULL;
}

/* Load what won, in a turn where that helps. A table that was dropped and made again under the name
 * is another table. */
static frz_status reload(frz_table *table, frz_loaded_table *base, bool *is_newer_out,
                         frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_loaded_table loaded = {0};
  if (table->is_contended)
    FRZ_TRY(
        table->port->take_turn(table->port_ctx, table->identifier.data, base, &loaded.turn, err));
  frz_commit_turn *turn = loaded.turn;
  st = table->port->load(table->port_ctx, table->identifier.data, &loaded, err);
  loaded.turn = turn; /* whatever the load did to it */
  if (st == FRZ_OK && !frz_str_equal(loaded.metadata->table_uuid, base->metadata->table_uuid))
    st = frz_fail(err, FRZ_ERR_CONFLICT,
                  "table '%s' was replaced by another: uuid %.*s, expected %.*s",
                  table->identifier.data, FRZ_STR_ARG(loaded.metadata->table_uuid),
                  FRZ_STR_ARG(base->metadata->table_uuid));
  if (st == FRZ_OK) {
    *is_newer_out = strcmp(loaded.location.data, base->location.data) != 0;
    frz_loaded_table_dispose(base);
    *base = loaded;
  } else {
    end_turn(table, &loaded);
    frz_loaded_table_dispose(&loaded);
  }
  return st;
}

/* A file was not found. Where another writer has expired the base's snapshot since, the newest
 * version is built on; else the file is missed, and `err` says which. */
static frz_status leave_expired(frz_table *table, frz_loaded_table *base, frz_error *err)
{
  const frz_error cause = *err;
  bool is_newer;
  FRZ_TRY(reload(table, base, &is_newer, err));
  if (is_newer) return FRZ_OK;
  *err = cause;
  return FRZ_ERR_NOT_FOUND;
}

static frz_status commit_with_retry(frz_table *table, frz_loaded_table *base,
                                    frz_status (*prepare)(void *arg, const frz_table_metadata *base,
                                                          frz_commit_attempt *attempt_out,
                                                          frz_error *err),
                                    void *arg, bool mends, frz_error *err)
{
  retry_policy policy;
  frz_status st = read_policy(base->metadata, &policy, mends ? NULL : err);
  if (st != FRZ_OK && !mends) return st;
  int64_t started_us = frz_os_monotonic_us();
  frz_error local;
  if (err == NULL) err = &local; /* the last conflict's words are needed below */
  bool done, is_newer;
  if (table->is_contended) {
    FRZ_TRY(reload(table, base, &is_newer, err));
    table->is_contended = is_newer;
  }
  for (int64_t attempt = 0;; attempt++) {
    st = attempt_once(table, &policy, base, prepare, arg, &done, err);
    bool had_turn = end_turn(table, base);
    if (st == FRZ_ERR_NOT_FOUND && attempt < policy.n_retries) {
      FRZ_TRY(leave_expired(table, base, err));
      continue;
    }
    if (done) return st;
    /* What a turn did not help with, the next one may not. */
    table->is_contended = table->port->take_turn != NULL && !had_turn;
    FRZ_TRY(wait_before_retry(table->context, &policy, attempt, started_us, err));
    FRZ_TRY(reload(table, base, &is_newer, err));
  }
}

frz_status frz_table_check_commits(const frz_table *table, frz_error *err)
{
  if (table->port->read_only == NULL) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "table '%s': %s", table->identifier.data,
                  table->port->read_only);
}

frz_status frz_table_check_retries(const frz_table_metadata *metadata, frz_error *err)
{
  retry_policy unused;
  return read_policy(metadata, &unused, err);
}

static frz_status commit(frz_table *table,
                         frz_status (*prepare)(void *arg, const frz_table_metadata *base,
                                               frz_commit_attempt *attempt_out, frz_error *err),
                         void *arg, bool mends, frz_error *err)
{
  frz_loaded_table base = {0};
  FRZ_TRY(frz_table_check_commits(table, err));
  pthread_mutex_lock(&table->commit_lock);
  frz_status st = frz_table_current_loaded(table, &base, err);
  if (st == FRZ_OK) st = commit_with_retry(table, &base, prepare, arg, mends, err);
  frz_loaded_table_dispose(&base);
  pthread_mutex_unlock(&table->commit_lock);
  if (st != FRZ_OK) frz_error_where(err, "table '%s': ", table->identifier.data);
  return st;
}

frz_status frz_table_commit(frz_table *table,
                            frz_status (*prepare)(void *arg, const frz_table_metadata *base,
                                                  frz_commit_attempt *attempt_out, frz_error *err),
                            void *arg, frz_error *err)
{
  return commit(table, prepare, arg, false, err);
}

frz_status frz_table_commit_properties(frz_table *table,
                                       frz_status (*prepare)(void *arg,
                                                             const frz_table_metadata *base,
                                                             frz_commit_attempt *attempt_out,
                                                             frz_error *err),
                                       void *arg, frz_error *err)
{
  return commit(table, prepare, arg, true, err);
}

/* ---- several tables ---- */

typedef struct group {
  const frz_table_commit_job *jobs;
  size_t n;
  frz_table **order; /* as they are locked */
  frz_loaded_table *bases;
  frz_commit_attempt *attempts;
  frz_commit_part *parts;
} group;

static frz_status prepare_all(group *g, frz_error *err)
{
  for (size_t i = 0; i < g->n; i++) {
    const frz_table_commit_job *job = &g->jobs[i];
    frz_status st = job->prepare(job->arg, g->bases[i].metadata, &g->attempts[i], err);
    if (st == FRZ_ERR_NOT_FOUND) {
      st = leave_expired(job->table, &g->bases[i], err);
      if (st == FRZ_OK) st = job->prepare(job->arg, g->bases[i].metadata, &g->attempts[i], err);
    }
    if (st != FRZ_OK) {
      frz_error_where(err, "table '%s': ", job->table->identifier.data);
      return st;
    }
    g->parts[i] = (frz_commit_part){job->table->identifier.data, &g->bases[i], &g->attempts[i]};
  }
  return FRZ_OK;
}

/* After a commit whose outcome is unknown. */
static size_t find_in_each(const group *g, const retry_policy *policy)
{
  size_t n_found = 0;
  for (size_t i = 0; i < g->n; i++) {
    frz_loaded_table next = {0};
    if (!find_commit(g->jobs[i].table, policy, g->attempts[i].snapshot_id, &next)) continue;
    frz_table_publish(g->jobs[i].table, &next);
    n_found++;
  }
  return n_found;
}

static frz_status find_all(const group *g, const retry_policy *policy, frz_error *err)
{
  size_t n_found = find_in_each(g, policy);
  if (n_found != 0 && n_found < g->n) n_found = find_in_each(g, policy); /* it came in meanwhile? */
  if (n_found == g->n) return FRZ_OK;
  if (n_found != 0) frz_error_where(err, "%zu of %zu tables have the change: ", n_found, g->n);
  return FRZ_ERR_COMMIT_UNKNOWN;
}

/* It is done, whether or not it can be seen at once. */
static void show_all(const group *g)
{
  for (size_t i = 0; i < g->n; i++) {
    frz_error err;
    frz_table *table = g->jobs[i].table;
    frz_loaded_table next = {0};
    if (table->port->load(table->port_ctx, table->identifier.data, &next, &err) == FRZ_OK)
      frz_table_publish(table, &next);
    else
      frz_context_log(table->context, FRZ_LOG_WARNING,
                      "table '%s' is shown as it was before the commit: %s", table->identifier.data,
                      err.message);
  }
}

static frz_status attempt_group(group *g, const retry_policy *policy, bool *done_out,
                                frz_error *err)
{
  const frz_table *first = g->jobs[0].table;
  *done_out = true;
  FRZ_TRY(prepare_all(g, err));
  frz_status st = first->port->commit_tables(first->port_ctx, g->parts, g->n, err);
  if (st == FRZ_ERR_COMMIT_UNKNOWN)
    st = find_all(g, policy, err);
  else if (st == FRZ_OK)
    show_all(g);
  *done_out = st != FRZ_ERR_CONFLICT;
  return *done_out ? st : FRZ_OK;
}

static frz_status commit_group(group *g, frz_error *err)
{
  retry_policy policy;
  FRZ_TRY(read_policy(g->bases[0].metadata, &policy, err));
  int64_t started_us = frz_os_monotonic_us();
  for (int64_t attempt = 0;; attempt++) {
    bool done, is_newer;
    frz_status st = attempt_group(g, &policy, &done, err);
    if (done) return st;
    FRZ_TRY(wait_before_retry(g->jobs[0].table->context, &policy, attempt, started_us, err));
    for (size_t i = 0; i < g->n; i++)
      FRZ_TRY(reload(g->jobs[i].table, &g->bases[i], &is_newer, err));
  }
}

static void sort_by_address(group *g)
{
  for (size_t i = 0; i < g->n; i++) {
    frz_table *table = g->jobs[i].table;
    size_t at = i;
    for (; at > 0 && (uintptr_t)g->order[at - 1] > (uintptr_t)table; at--)
      g->order[at] = g->order[at - 1];
    g->order[at] = table;
    assert(at == 0 || g->order[at - 1] != table); /* it would be locked twice */
  }
}

frz_status frz_tables_commit(const frz_table_commit_job *jobs, size_t n_jobs, frz_error *err)
{
  assert(n_jobs != 0);
  frz_status st = FRZ_OK;
  frz_error local;
  size_t n_locked = 0;
  frz_arena arena;
  if (err == NULL) err = &local; /* a conflict's words are needed */
  frz_arena_init(&arena, jobs[0].table->alloc, FRZ_LIMIT_METADATA_BYTES);
  group g = {.jobs = jobs,
             .n = n_jobs,
             .order = frz_arena_array(&arena, n_jobs, sizeof *g.order),
             .bases = frz_arena_array(&arena, n_jobs, sizeof *g.bases),
             .attempts = frz_arena_array(&arena, n_jobs, sizeof *g.attempts),
             .parts = frz_arena_array(&arena, n_jobs, sizeof *g.parts)};
  if (g.order == NULL || g.bases == NULL || g.attempts == NULL || g.parts == NULL)
    FRZ_TRY_OUT(frz_fail_nomem(err, "commit of several tables"));
  sort_by_address(&g);
  for (; n_locked < n_jobs; n_locked++) pthread_mutex_lock(&g.order[n_locked]->commit_lock);
  for (size_t i = 0; i < n_jobs; i++)
    FRZ_TRY_OUT(frz_table_current_loaded(jobs[i].table, &g.bases[i], err));
  FRZ_TRY_OUT(commit_group(&g, err));
out:
  for (size_t i = 0; i < n_locked; i++) pthread_mutex_unlock(&g.order[i]->commit_lock);
  for (size_t i = 0; g.bases != NULL && i < n_jobs; i++) frz_loaded_table_dispose(&g.bases[i]);
  frz_arena_free(&arena);
  return st;
}
