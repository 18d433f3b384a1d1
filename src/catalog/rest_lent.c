/*
 * rest_lent.c - credentials that a REST catalog lends for its tables' files.
 *
 * Each loaded table leaves what the server lent for it, under the prefix it holds for. A request on
 * a file takes those of the longest prefix; where they end within a minute the table is asked for
 * anew first. The server's common configuration holds for all.
 *
 * What must stay true: entries are read and replaced under the lock; the table is asked for without
 * it, by one thread at a time.
 */
#include <openssl/crypto.h>
#include <pthread.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/os.h"
#include "catalog/rest_session.h"

enum { EARLY_MS = 60000, ENTRY_BYTES_MAX = 1 << 20 };

typedef struct entry {
  frz_arena arena; /* owns all below */
  frz_str identifier;
  frz_str prefix; /* with the scheme s3 */
  frz_text_pair *pairs;
  size_t n_pairs;
  int64_t ends_ms; /* INT64_MAX: not said */
} entry;

struct frz_rest_lent {
  const frz_alloc *alloc;
  pthread_mutex_t lock;
  pthread_mutex_t renewal_lock;
  frz_arena arena; /* owns the common ones */
  frz_text_pair *common;
  size_t n_common, cap_common;
  entry *entries;
  size_t n_entries, cap_entries;
};

static void entry_free(entry *e)
{
  for (size_t i = 0; i < e->n_pairs; i++)
    OPENSSL_cleanse((void *)(uintptr_t)e->pairs[i].value.data, e->pairs[i].value.size);
  frz_arena_free(&e->arena);
}

frz_status frz_rest_lent_create(const frz_alloc *alloc, frz_rest_lent **lent_out, frz_error *err)
{
  frz_rest_lent *lent = frz_alloc_zeroed(alloc, sizeof *lent);
  if (lent == NULL) return frz_fail_nomem(err, "REST catalog");
  lent->alloc = alloc;
  frz_arena_init(&lent->arena, alloc, ENTRY_BYTES_MAX);
  pthread_mutex_init(&lent->lock, NULL);
  pthread_mutex_init(&lent->renewal_lock, NULL);
  *lent_out = lent;
  return FRZ_OK;
}

void frz_rest_lent_free(frz_rest_lent *lent)
{
  if (lent == NULL) return;
  for (size_t i = 0; i < lent->n_entries; i++) entry_free(&lent->entries[i]);
  frz_alloc_free(lent->alloc, lent->entries, lent->cap_entries * sizeof *lent->entries);
  frz_arena_free(&lent->arena);
  pthread_mutex_destroy(&lent->lock);
  pthread_mutex_destroy(&lent->renewal_lock);
  frz_alloc_free(lent->alloc, lent, sizeof *lent);
}

static bool keep_pair(frz_arena *arena, frz_str key, frz_str value, frz_text_pair *pair)
{
  /* Copied even where empty, so that wiping an entry touches no literal. */
  pair->key = frz_arena_copy(arena, key);
  pair->value = frz_arena_copy(arena, value);
  return pair->key.data != NULL && pair->value.data != NULL;
}

frz_status frz_rest_lent_add_common(frz_rest_lent *lent, frz_str key, frz_str value, frz_error *err)
{
  lent->common = frz_arena_list_room(&lent->arena, lent->common, lent->n_common, &lent->cap_common,
                                     sizeof *lent->common);
  if (lent->common == NULL || !keep_pair(&lent->arena, key, value, &lent->common[lent->n_common]))
    return frz_fail_nomem(err, "REST catalog");
  lent->n_common++;
  return FRZ_OK;
}

/* ---- entries ---- */

/* "s3a://x" and "s3n://x" as "s3://x". */
static frz_str plain_uri(frz_str uri, frz_arena *arena)
{
  if (!frz_str_starts(uri, "s3a://") && !frz_str_starts(uri, "s3n://"))
    return frz_arena_keep(arena, uri);
  return frz_arena_print(arena, "s3%.*s", (int)uri.size - 3, uri.data + 3);
}

/* "adls.sas-token-expires-at-ms.<account>" has an account's host behind it. */
static bool tells_end(frz_str key)
{
  return frz_str_is(key, "s3.session-token-expires-at-ms") ||
         frz_str_is(key, "gcs.oauth2.token-expires-at") ||
         frz_str_starts(key, "adls.sas-token-expires-at-ms");
}

static int64_t time_of(frz_str text)
{
  int64_t ms = 0;
  for (size_t at = 0; at < text.size && at < 18; at++) {
    if (text.data[at] < '0' || text.data[at] > '9') return INT64_MAX;
    ms = ms * 10 + (text.data[at] - '0');
  }
  return ms > 0 ? ms : INT64_MAX;
}

/* When the first of what is lent ends. */
static int64_t ends_of(const frz_text_pair *pairs, size_t n)
{
  int64_t ends_ms = INT64_MAX;
  for (size_t i = 0; i < n; i++) {
    int64_t ms = tells_end(pairs[i].key) ? time_of(pairs[i].value) : INT64_MAX;
    if (ms < ends_ms) ends_ms = ms;
  }
  return ends_ms;
}

static frz_status make_entry(frz_rest_lent *lent, frz_str identifier, frz_str prefix,
                             const frz_text_pair *pairs, size_t n_pairs, entry *made,
                             frz_error *err)
{
  *made = (entry){.ends_ms = ends_of(pairs, n_pairs)};
  frz_arena_init(&made->arena, lent->alloc, ENTRY_BYTES_MAX);
  made->identifier = frz_arena_keep(&made->arena, identifier);
  made->prefix = plain_uri(prefix, &made->arena);
  made->pairs = frz_arena_array(&made->arena, n_pairs, sizeof *made->pairs);
  bool kept = made->identifier.data != NULL && made->prefix.data != NULL && made->pairs != NULL;
  for (size_t i = 0; i < n_pairs && kept; i++) {
    kept = keep_pair(&made->arena, pairs[i].key, pairs[i].value, &made->pairs[i]);
    if (kept) made->n_pairs++;
  }
  if (kept) return FRZ_OK;
  entry_free(made);
  return frz_fail_nomem(err, "lent credentials");
}

/* The place for an entry, of the same table and prefix or a new one; NULL: no memory. */
static entry *place_for(frz_rest_lent *lent, const entry *made)
{
  for (size_t i = 0; i < lent->n_entries; i++) {
    entry *e = &lent->entries[i];
    if (!frz_str_equal(e->identifier, made->identifier) || !frz_str_equal(e->prefix, made->prefix))
      continue;
    entry_free(e);
    return e;
  }
  if (lent->n_entries == lent->cap_entries) {
    size_t wanted = lent->cap_entries < 8 ? 8 : lent->cap_entries * 2;
    entry *grown = lent->alloc->resize(lent->alloc->ctx, lent->entries,
                                       lent->cap_entries * sizeof *grown, wanted * sizeof *grown);
    if (grown == NULL) return NULL;
    lent->entries = grown;
    lent->cap_entries = wanted;
  }
  return &lent->entries[lent->n_entries++];
}

frz_status frz_rest_lent_add(frz_rest_lent *lent, frz_str identifier, frz_str prefix,
                             const frz_text_pair *pairs, size_t n_pairs, frz_error *err)
{
  entry made;
  bool lends = false;
  for (size_t i = 0; i < n_pairs; i++) lends = lends || frz_storage_takes_property(pairs[i].key);
  if (!lends) return FRZ_OK;
  FRZ_TRY(make_entry(lent, identifier, prefix, pairs, n_pairs, &made, err));
  pthread_mutex_lock(&lent->lock);
  entry *place = place_for(lent, &made);
  if (place != NULL) *place = made;
  pthread_mutex_unlock(&lent->lock);
  if (place != NULL) return FRZ_OK;
  entry_free(&made);
  return frz_fail_nomem(err, "lent credentials");
}

/* ---- lending ---- */

/* Those of the longest prefix; NULL: none. Under the lock. */
static const entry *find(const frz_rest_lent *lent, frz_str uri)
{
  const entry *best = NULL;
  for (size_t i = 0; i < lent->n_entries; i++) {
    const entry *e = &lent->entries[i];
    bool fits =
        e->prefix.size <= uri.size && frz_str_equal(e->prefix, (frz_str){uri.data, e->prefix.size});
    if (fits && (best == NULL || e->prefix.size > best->prefix.size)) best = e;
  }
  return best;
}

/* The table whose credentials for a URI end soon, in the arena; size 0: none does. */
static frz_str table_to_ask(frz_rest_lent *lent, frz_str uri, frz_arena *arena)
{
  frz_str identifier = {"", 0};
  pthread_mutex_lock(&lent->lock);
  const entry *e = find(lent, uri);
  if (e != NULL && e->ends_ms != INT64_MAX && e->ends_ms - EARLY_MS < frz_os_now_ms())
    identifier = frz_arena_copy(arena, e->identifier);
  pthread_mutex_unlock(&lent->lock);
  return identifier;
}

frz_status frz_rest_lent_table(frz_rest_lent *lent, frz_str uri, frz_arena *arena,
                               frz_str *identifier_out, frz_error *err)
{
  frz_str plain = plain_uri(uri, arena);
  if (plain.data == NULL) return frz_fail_nomem(err, "lent credentials");
  *identifier_out = (frz_str){"", 0};
  pthread_mutex_lock(&lent->lock);
  const entry *e = find(lent, plain);
  if (e != NULL) *identifier_out = frz_arena_copy(arena, e->identifier);
  pthread_mutex_unlock(&lent->lock);
  return identifier_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "lent credentials");
}

static frz_status ask_table(frz_rest_session *session, const char *identifier, frz_error *err)
{
  frz_identifier id;
  frz_rest_call call;
  frz_loaded_table loaded = {0};
  frz_buf path;
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  frz_buf_init(&path, session->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_rest_call_init(session, &call, "GET");
  frz_status st = frz_rest_table_path(session, &id, "", &path, err);
  call.path = frz_buf_str(&path);
  call.may_repeat = true;
  if (st == FRZ_OK) st = frz_rest_send_ok(session, &call, err);
  if (st == FRZ_OK)
    st = frz_rest_read_table(session, identifier, frz_buf_str(&call.answer), &loaded, err);
  frz_loaded_table_dispose(&loaded);
  frz_buf_dispose(&call.answer);
  frz_buf_dispose(&path);
  return st;
}

/* A failure counts only when requests fail for it: the old ones may still hold for a while. */
static void renew(frz_rest_session *session, frz_str uri, frz_arena *arena)
{
  frz_rest_lent *lent = session->lent;
  if (table_to_ask(lent, uri, arena).size == 0) return;
  pthread_mutex_lock(&lent->renewal_lock);
  frz_str identifier = table_to_ask(lent, uri, arena); /* another thread may have done it */
  frz_error err;
  if (identifier.size != 0 && ask_table(session, identifier.data, &err) != FRZ_OK)
    frz_context_log(session->context, FRZ_LOG_WARNING, "lent credentials stay as they were: %s",
                    err.message);
  pthread_mutex_unlock(&lent->renewal_lock);
}

static frz_status visit_pairs(const frz_text_pair *pairs, size_t n,
                              frz_status (*visit)(void *arg, frz_str key, frz_str value,
                                                  frz_error *err),
                              void *arg, frz_error *err)
{
  for (size_t i = 0; i < n; i++) FRZ_TRY(visit(arg, pairs[i].key, pairs[i].value, err));
  return FRZ_OK;
}

static frz_status lend(void *ctx, frz_str uri,
                       frz_status (*visit)(void *arg, frz_str key, frz_str value, frz_error *err),
                       void *arg, frz_error *err)
{
  frz_rest_session *session = ctx;
  frz_rest_lent *lent = session->lent;
  frz_arena arena;
  frz_arena_init(&arena, session->alloc, FRZ_LIMIT_PATH_BYTES);
  frz_str plain = plain_uri(uri, &arena);
  frz_status st = plain.data != NULL ? FRZ_OK : frz_fail_nomem(err, "lent credentials");
  if (st == FRZ_OK) {
    renew(session, plain, &arena);
    pthread_mutex_lock(&lent->lock);
    st = visit_pairs(lent->common, lent->n_common, visit, arg, err);
    const entry *e = find(lent, plain);
    if (st == FRZ_OK && e != NULL) st = visit_pairs(e->pairs, e->n_pairs, visit, arg, err);
    pthread_mutex_unlock(&lent->lock);
  }
  frz_arena_free(&arena);
  return st;
}

static void lender_retain(void *ctx)
{
  frz_rest_session_retain(ctx);
}

static void lender_release(void *ctx)
{
  frz_rest_session_release(ctx);
}

const frz_storage_lender frz_rest_lender = {.version = 1,
                                            .properties = lend,
                                            .retain = lender_retain,
                                            .release = lender_release,
                                            .sign = frz_rest_sign};
