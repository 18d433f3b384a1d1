/*
 * hive_lock.c - see hive_lock.h.
 *
 * The metastore queues who asks and answers at once; a lock that waits is asked about again until
 * it is had. It is asked for under a name of its own, so that one whose answer was lost can be
 * found and given back. Locks are held for two calls, or while a change is built anew on what they
 * guard, far shorter than the minutes after which the metastore takes a lock from who sends no
 * heartbeat: none is sent, and what was built for too long is not committed.
 */
#include "catalog/hive_lock.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"

enum {
  STATE_ACQUIRED = 1,
  STATE_WAITING = 2,
  TYPE_EXCLUSIVE = 3,
  LEVEL_TABLE = 2,
  HELD_MS_MAX = 60000 /* the least that a metastore may be set to is longer */
};

/* ---- settings ---- */

static frz_status read_number(const frz_catalog_setup *setup, const char *key, double scale,
                              int64_t fallback_ms, int64_t *ms_out, frz_error *err)
{
  const char *text = frz_catalog_property(setup, key);
  char *end = NULL;
  *ms_out = fallback_ms;
  if (text == NULL) return FRZ_OK;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value > 0) || value * scale > 86400000.0)
    return frz_fail(err, FRZ_ERR_INVALID, "property %s: '%s' is not a time above 0, up to a day",
                    key, text);
  *ms_out = (int64_t)(value * scale) > 0 ? (int64_t)(value * scale) : 1;
  return FRZ_OK;
}

frz_status frz_hive_lock_policy_read(const frz_catalog_setup *setup,
                                     frz_hive_lock_policy *policy_out, frz_error *err)
{
  FRZ_TRY(read_number(setup, "lock-check-min-wait-time", 1000, 20, &policy_out->check_min_ms, err));
  FRZ_TRY(
      read_number(setup, "lock-check-max-wait-time", 1000, 200, &policy_out->check_max_ms, err));
  return read_number(setup, "hive.lock-timeout-ms", 1, 180000, &policy_out->timeout_ms, err);
}

/* ---- calls ---- */

static frz_status read_response(frz_hive_call *call, int64_t *id_out, int32_t *state_out,
                                frz_error *err)
{
  FRZ_TRY(frz_hive_call_ask(call, FRZ_TBINARY_STRUCT, err));
  for (;;) {
    int16_t id;
    frz_tbinary_type type;
    FRZ_TRY(frz_tbinary_field(&call->result, &id, &type, err));
    if (type == FRZ_TBINARY_STOP) return FRZ_OK;
    if (id == 1 && type == FRZ_TBINARY_I64)
      FRZ_TRY(frz_tbinary_read_i64(&call->result, id_out, err));
    else if (id == 2 && type == FRZ_TBINARY_I32)
      FRZ_TRY(frz_tbinary_read_i32(&call->result, state_out, err));
    else
      FRZ_TRY(frz_tbinary_skip(&call->result, type, err));
  }
}

static void write_request(frz_tbinary_writer *args, const frz_hive_session *session,
                          const frz_identifier *id, const char *agent)
{
  char host[256] = "localhost";
  if (gethostname(host, sizeof host - 1) != 0) memcpy(host, "localhost", 10);
  frz_tbinary_write_field(args, 1, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_list_field(args, 1, FRZ_TBINARY_STRUCT, 1);
  frz_tbinary_write_i32_field(args, 1, TYPE_EXCLUSIVE);
  frz_tbinary_write_i32_field(args, 2, LEVEL_TABLE);
  frz_tbinary_write_string_field(args, 3, id->namespace_name);
  frz_tbinary_write_string_field(args, 4, id->table_name);
  frz_tbinary_write_bool_field(args, 7, true); /* isTransactional: no other kind is queued */
  frz_tbinary_write_stop(args);
  frz_tbinary_write_string_field(args, 3, frz_str_from(frz_hive_session_user(session)));
  frz_tbinary_write_string_field(args, 4, frz_str_from(host));
  frz_tbinary_write_string_field(args, 5, frz_str_from(agent));
  frz_tbinary_write_stop(args);
}

/* One element of the locks that there are. */
static frz_status read_element(frz_tbinary_reader *reader, const char *agent, int64_t *found_id,
                               frz_error *err)
{
  int64_t lock_id = 0;
  frz_str name = {"", 0};
  for (;;) {
    int16_t id;
    frz_tbinary_type type;
    FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
    if (type == FRZ_TBINARY_STOP) break;
    if (id == 1 && type == FRZ_TBINARY_I64)
      FRZ_TRY(frz_tbinary_read_i64(reader, &lock_id, err));
    else if (id == 13 && type == FRZ_TBINARY_STRING)
      FRZ_TRY(frz_tbinary_read_string(reader, &name, err));
    else
      FRZ_TRY(frz_tbinary_skip(reader, type, err));
  }
  if (frz_str_is(name, agent)) *found_id = lock_id;
  return FRZ_OK;
}

static frz_status read_elements(frz_hive_call *call, const char *agent, int64_t *found_id,
                                frz_error *err)
{
  size_t n;
  for (;;) {
    int16_t id;
    frz_tbinary_type type;
    FRZ_TRY(frz_tbinary_field(&call->result, &id, &type, err));
    if (type == FRZ_TBINARY_STOP) return FRZ_OK;
    if (id != 1 || type != FRZ_TBINARY_LIST) {
      FRZ_TRY(frz_tbinary_skip(&call->result, type, err));
      continue;
    }
    FRZ_TRY(frz_tbinary_list_begin(&call->result, FRZ_TBINARY_STRUCT, &n, err));
    for (size_t i = 0; i < n; i++) FRZ_TRY(read_element(&call->result, agent, found_id, err));
  }
}

/* The lock that was asked for under a name, whose answer was lost; 0: there is none. */
static frz_status find_lost(frz_hive_session *session, const frz_identifier *id, const char *agent,
                            int64_t *id_out, frz_error *err)
{
  frz_hive_call call;
  frz_hive_call_open(&call, session, "show_locks");
  frz_tbinary_write_field(&call.args, 1, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_string_field(&call.args, 1, id->namespace_name);
  frz_tbinary_write_string_field(&call.args, 2, id->table_name);
  frz_tbinary_write_stop(&call.args);
  frz_status st = frz_hive_call_ask(&call, FRZ_TBINARY_STRUCT, err);
  if (st == FRZ_OK) st = read_elements(&call, agent, id_out, err);
  frz_hive_call_close(&call);
  return st;
}

static frz_status ask_for_lock(frz_hive_session *session, const frz_identifier *id,
                               frz_hive_lock *lock, int32_t *state, frz_error *err)
{
  char agent[sizeof "frazil-" + 36] = "frazil-";
  frz_hive_call call;
  FRZ_TRY(frz_os_uuid(agent + 7, err));
  frz_hive_call_open(&call, session, "lock");
  write_request(&call.args, session, id, agent);
  frz_status st = read_response(&call, &lock->id, state, err);
  if (st != FRZ_OK && call.may_be_done &&
      find_lost(session, id, agent, &lock->id, NULL) == FRZ_OK && lock->id != 0) {
    *state = STATE_WAITING; /* it is asked about next */
    st = FRZ_OK;
  }
  frz_hive_call_close(&call);
  return st;
}

static frz_status check_lock(frz_hive_session *session, const frz_hive_lock *lock, int32_t *state,
                             frz_error *err)
{
  int64_t ignored;
  frz_hive_call call;
  frz_hive_call_open(&call, session, "check_lock");
  frz_tbinary_write_field(&call.args, 1, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_i64_field(&call.args, 1, lock->id);
  frz_tbinary_write_stop(&call.args);
  frz_status st = read_response(&call, &ignored, state, err);
  frz_hive_call_close(&call);
  return st;
}

/* ---- locks ---- */

static frz_status wait_for_lock(frz_context *context, frz_hive_session *session,
                                const frz_hive_lock_policy *policy, const frz_hive_lock *lock,
                                int32_t state, frz_error *err)
{
  int64_t end_us = frz_os_monotonic_us() + policy->timeout_ms * 1000;
  int64_t wait_ms = policy->check_min_ms;
  while (state == STATE_WAITING) {
    if (frz_os_monotonic_us() > end_us)
      return frz_fail(err, FRZ_ERR_TIMEOUT,
                      "others held the table's lock in Hive for %lld ms: SHOW LOCKS there says who",
                      (long long)policy->timeout_ms);
    FRZ_TRY(frz_context_sleep(context, wait_ms, err));
    wait_ms = wait_ms * 2 < policy->check_max_ms ? wait_ms * 2 : policy->check_max_ms;
    FRZ_TRY(check_lock(session, lock, &state, err));
  }
  if (state == STATE_ACQUIRED) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT, "Hive gives no lock on the table: state %d", (int)state);
}

frz_status frz_hive_lock_take(frz_context *context, frz_hive_session *session,
                              const frz_hive_lock_policy *policy, const frz_identifier *id,
                              frz_hive_lock *lock_out, frz_error *err)
{
  frz_hive_lock lock = {0};
  int32_t state = 0;
  FRZ_TRY(ask_for_lock(session, id, &lock, &state, err));
  frz_status st = wait_for_lock(context, session, policy, &lock, state, err);
  if (st != FRZ_OK) {
    frz_hive_lock_release(context, session, &lock);
    return st;
  }
  lock.since_us = frz_os_monotonic_us();
  *lock_out = lock;
  return FRZ_OK;
}

frz_status frz_hive_lock_check(const frz_hive_lock *lock, frz_error *err)
{
  int64_t held_ms = (frz_os_monotonic_us() - lock->since_us) / 1000;
  if (held_ms <= HELD_MS_MAX) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CONFLICT,
                  "the table's lock in Hive was taken %lld ms ago: it may be another's by now",
                  (long long)held_ms);
}

void frz_hive_lock_release(frz_context *context, frz_hive_session *session,
                           const frz_hive_lock *lock)
{
  frz_error err;
  frz_hive_call call;
  frz_hive_call_open(&call, session, "unlock");
  frz_tbinary_write_field(&call.args, 1, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_i64_field(&call.args, 1, lock->id);
  frz_tbinary_write_stop(&call.args);
  if (frz_hive_call_send(&call, &err) != FRZ_OK)
    frz_context_log(context, FRZ_LOG_WARNING, "a lock in Hive stays until its time is over: %s",
                    err.message);
  frz_hive_call_close(&call);
}
