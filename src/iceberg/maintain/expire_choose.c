/*
 * expire_choose.c - see expire_choose.h.
 *
 * A ref goes once its snapshot is older than the ref may be; "main" never does. Of each branch that
 * stays, the head is kept, then ancestors while they are young enough or too few; the first that is
 * neither ends the walk. What no branch or tag leads to is kept while it is young.
 *
 * Source: Iceberg specification, "Snapshot Retention Policy".
 */
#include "iceberg/maintain/expire_choose.h"

enum { MAX_SNAPSHOT_AGE_MS = 5 * 24 * 60 * 60 * 1000 };

/* Snapshots and refs by their place in the metadata. */
typedef struct chooser {
  const frz_table_metadata *metadata;
  const frz_expire_options *options;
  int64_t now_ms;
  int64_t older_than_ms;
  int64_t retain_last;
  int64_t max_ref_age_ms;
  bool *is_kept;
  bool *is_referenced; /* a ref that stays leads to it */
  bool *ref_stays;
} chooser;

static frz_status read_settings(chooser *c, frz_error *err)
{
  int64_t age_ms;
  FRZ_TRY(frz_metadata_property_i64(c->metadata, "history.expire.max-snapshot-age-ms",
                                    MAX_SNAPSHOT_AGE_MS, &age_ms, err));
  FRZ_TRY(frz_metadata_property_i64(c->metadata, "history.expire.min-snapshots-to-keep", 1,
                                    &c->retain_last, err));
  FRZ_TRY(frz_metadata_property_i64(c->metadata, "history.expire.max-ref-age-ms", INT64_MAX,
                                    &c->max_ref_age_ms, err));
  c->older_than_ms = c->options->older_than_ms;
  if (c->older_than_ms == 0 && __builtin_sub_overflow(c->now_ms, age_ms, &c->older_than_ms))
    c->older_than_ms = INT64_MIN;
  if (c->options->retain_last != 0) c->retain_last = c->options->retain_last;
  if (c->retain_last >= 1) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "expire: %lld snapshots to keep; 1 is the least",
                  (long long)c->retain_last);
}

/* The snapshot's place; n_snapshots: it is not there. */
static size_t place_of(const frz_table_metadata *metadata, int64_t snapshot_id)
{
  size_t i = 0;
  while (i < metadata->n_snapshots && metadata->snapshots[i].snapshot_id != snapshot_id) i++;
  return i;
}

static void choose_refs(chooser *c)
{
  const frz_table_metadata *m = c->metadata;
  for (size_t i = 0; i < m->n_refs; i++) {
    const frz_snapshot_ref *ref = &m->refs[i];
    size_t at = place_of(m, ref->snapshot_id);
    int64_t max_age_ms = ref->max_ref_age_ms >= 0 ? ref->max_ref_age_ms : c->max_ref_age_ms;
    int64_t age_ms;
    bool is_young = at < m->n_snapshots &&
                    !__builtin_sub_overflow(c->now_ms, m->snapshots[at].timestamp_ms, &age_ms) &&
                    age_ms <= max_age_ms;
    c->ref_stays[i] = is_young || frz_str_is(ref->name, "main");
  }
}

static void keep_branch(chooser *c, const frz_snapshot_ref *branch)
{
  const frz_table_metadata *m = c->metadata;
  int64_t older_than_ms = c->older_than_ms;
  if (branch->max_snapshot_age_ms >= 0) older_than_ms = c->now_ms - branch->max_snapshot_age_ms;
  int64_t n_least =
      branch->min_snapshots_to_keep > 0 ? branch->min_snapshots_to_keep : c->retain_last;
  bool is_keeping = true;
  int64_t n_seen = 0;
  int64_t id = branch->snapshot_id;
  while (id != -1 && n_seen <= (int64_t)m->n_snapshots) { /* parents may form a ring */
    size_t at = place_of(m, id);
    if (at == m->n_snapshots) return;
    is_keeping = is_keeping && (n_seen < n_least || m->snapshots[at].timestamp_ms >= older_than_ms);
    if (is_keeping || n_seen == 0) c->is_kept[at] = true;
    c->is_referenced[at] = true;
    id = m->snapshots[at].parent_id;
    n_seen++;
  }
}

static void keep_by_refs(chooser *c)
{
  const frz_table_metadata *m = c->metadata;
  for (size_t i = 0; i < m->n_refs; i++) {
    if (!c->ref_stays[i]) continue;
    if (m->refs[i].is_branch) {
      keep_branch(c, &m->refs[i]);
      continue;
    }
    size_t at = place_of(m, m->refs[i].snapshot_id);
    if (at < m->n_snapshots) c->is_kept[at] = c->is_referenced[at] = true;
  }
}

static void keep_young(chooser *c)
{
  const frz_table_metadata *m = c->metadata;
  for (size_t i = 0; i < m->n_snapshots; i++)
    if (!c->is_referenced[i] && m->snapshots[i].timestamp_ms >= c->older_than_ms)
      c->is_kept[i] = true;
}

static frz_status drop_named(chooser *c, frz_error *err)
{
  const frz_table_metadata *m = c->metadata;
  for (size_t i = 0; i < c->options->n_snapshot_ids; i++) {
    int64_t id = c->options->snapshot_ids[i];
    for (size_t k = 0; k < m->n_refs; k++)
      if (c->ref_stays[k] && m->refs[k].snapshot_id == id)
        return frz_fail(err, FRZ_ERR_INVALID, "expire: snapshot %lld is what %s '%.*s' names",
                        (long long)id, m->refs[k].is_branch ? "branch" : "tag",
                        FRZ_STR_ARG(m->refs[k].name));
    size_t at = place_of(m, id);
    if (at < m->n_snapshots) c->is_kept[at] = false;
  }
  return FRZ_OK;
}

static frz_status collect(const chooser *c, frz_arena *arena, frz_expire_choice *choice_out,
                          frz_error *err)
{
  const frz_table_metadata *m = c->metadata;
  int64_t *ids = frz_arena_array(arena, m->n_snapshots, sizeof *ids);
  frz_str *refs = frz_arena_array(arena, m->n_refs, sizeof *refs);
  if (ids == NULL || refs == NULL) return frz_fail_nomem(err, "snapshots to expire");
  frz_expire_choice choice = {.snapshot_ids = ids, .refs = refs};
  for (size_t i = 0; i < m->n_snapshots; i++)
    if (!c->is_kept[i]) ids[choice.n_snapshot_ids++] = m->snapshots[i].snapshot_id;
  for (size_t i = 0; i < m->n_refs; i++)
    if (!c->ref_stays[i]) refs[choice.n_refs++] = m->refs[i].name;
  *choice_out = choice;
  return FRZ_OK;
}

frz_status frz_expire_choose(const frz_table_metadata *metadata, const frz_expire_options *options,
                             int64_t now_ms, frz_arena *arena, frz_expire_choice *choice_out,
                             frz_error *err)
{
  chooser c = {.metadata = metadata, .options = options, .now_ms = now_ms};
  FRZ_TRY(read_settings(&c, err));
  c.is_kept = frz_arena_array(arena, metadata->n_snapshots, sizeof *c.is_kept);
  c.is_referenced = frz_arena_array(arena, metadata->n_snapshots, sizeof *c.is_referenced);
  c.ref_stays = frz_arena_array(arena, metadata->n_refs, sizeof *c.ref_stays);
  if (c.is_kept == NULL || c.is_referenced == NULL || c.ref_stays == NULL)
    return frz_fail_nomem(err, "snapshots to expire");
  choose_refs(&c);
  keep_by_refs(&c);
  keep_young(&c);
  FRZ_TRY(drop_named(&c, err));
  return collect(&c, arena, choice_out, err);
}
