/*
 * online_refresh.c - from snapshots to views: build, follow, take in own commits.
 *
 * Invariants 2 to 4 and 9 to 11 of docs/design/lookup-index.md are kept here.
 */
#include "base/os.h"
#include "iceberg/metadata/summary_json.h"
#include "online/online_scan.h"
#include "online/online_state.h"

enum { TAIL_RATIO = 4, SUMMARY_BYTES_MAX = 1 << 20 };

void frz_part_list_dispose(frz_part_list *list)
{
  for (size_t i = 0; i < list->n; i++) frz_segment_release(list->parts[i].segment);
  list->n = 0;
}

/* ---- what may be taken in ---- */

static frz_status marks_of(const frz_online_scan *scan, frz_watermark *mark, const frz_alloc *alloc,
                           frz_error *err)
{
  frz_watermark_init(mark, alloc);
  frz_status st = FRZ_OK;
  if (scan->snapshot != NULL) {
    mark->snapshot_id = scan->snapshot->snapshot_id;
    mark->sequence = scan->snapshot->sequence_number;
  }
  for (size_t i = 0; i < scan->plan.n_tasks && st == FRZ_OK; i++) {
    const frz_scan_task *task = &scan->plan.tasks[i];
    frz_file_mark file = frz_file_mark_of(task->entry->file.path);
    st = frz_buf_append(&mark->data_files, &file, sizeof file, err);
    for (size_t k = 0; k < task->n_deletes && st == FRZ_OK; k++) {
      const frz_manifest_entry *deletes =
          k < task->n_position_deletes ? task->position_deletes[k]
                                       : task->equality_deletes[k - task->n_position_deletes];
      file = frz_file_mark_of(deletes->file.path);
      file.hash[1] += (uint64_t)deletes->file.content_offset;
      st = frz_buf_append(&mark->delete_files, &file, sizeof file, err);
    }
  }
  if (st != FRZ_OK) {
    frz_watermark_dispose(mark);
    return st;
  }
  frz_marks_sort(&mark->data_files);
  frz_marks_sort(&mark->delete_files);
  return FRZ_OK;
}

/* Does the operation leave every key's winner where it is, but for rows that it adds? */
static bool keeps_winners(const frz_snapshot *snapshot, const frz_alloc *alloc)
{
  if (frz_str_is(snapshot->operation, "append") || frz_str_is(snapshot->operation, "replace"))
    return true;
  const frz_text_pair *pairs;
  size_t n_pairs;
  frz_arena arena;
  frz_arena_init(&arena, alloc, SUMMARY_BYTES_MAX);
  bool keeps = frz_summary_parse(snapshot->summary, &arena, &pairs, &n_pairs, NULL) == FRZ_OK &&
               frz_str_is(frz_summary_find(pairs, n_pairs, "frazil.compaction"), "latest-per-key");
  frz_arena_free(&arena);
  return keeps;
}

static bool leads_back_to(const frz_table_metadata *m, const frz_snapshot *from, int64_t to_id,
                          const frz_alloc *alloc)
{
  const frz_snapshot *at = from;
  while (at != NULL && at->snapshot_id != to_id) {
    if (!keeps_winners(at, alloc)) return false;
    at = at->parent_id != -1 ? frz_metadata_snapshot(m, at->parent_id) : NULL;
  }
  return at != NULL;
}

/* Invariant 9. `then`: of the same table. */
static bool may_follow(const frz_watermark *then, const frz_online_layout *layout,
                       const frz_snapshot *snapshot, const frz_watermark *now)
{
  const frz_table_metadata *m = layout->metadata;
  if (now->snapshot_id == then->snapshot_id) return true;
  if (snapshot == NULL || m->format_version < 2) return false;
  if (now->sequence <= then->sequence) return false;
  bool same_deletes = frz_marks_contain(&now->delete_files, &then->delete_files) &&
                      frz_marks_contain(&then->delete_files, &now->delete_files);
  if (same_deletes && frz_marks_contain(&now->data_files, &then->data_files)) return true;
  return leads_back_to(m, snapshot, then->snapshot_id, then->data_files.alloc);
}

/* ---- making segments ---- */

static frz_status finish_segment(frz_segment_builder *builder, frz_part_list *list,
                                 int64_t overlay_sequence, const frz_index_folder *folder,
                                 frz_error *err)
{
  frz_view_rival rival = {list->parts, list->n};
  char name[64] = "";
  const frz_segment_target target = {.folder = folder != NULL ? folder->path : NULL,
                                     .name = name,
                                     .loses = list->n != 0 ? frz_view_rival_wins : NULL,
                                     .loses_arg = &rival};
  if (folder != NULL) FRZ_TRY(frz_index_segment_name(name, err));
  frz_segment *segment;
  if (list->n == FRZ_ONLINE_PARTS_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "index: %d segments", FRZ_ONLINE_PARTS_MAX);
  FRZ_TRY(frz_segment_builder_finish(builder, &target, &segment, err));
  if (segment->n_rows == 0)
    frz_segment_release(segment);
  else
    list->parts[list->n++] = (frz_view_part){segment, overlay_sequence};
  return FRZ_OK;
}

/* Invariant 11: join the last two segments while they are of like size. Rows of later ones win. */
static frz_status join_tail(frz_online *online, const frz_online_layout *layout,
                            frz_part_list *list, frz_error *err)
{
  while (list->n >= 2) {
    frz_view_part *a = &list->parts[list->n - 2], *b = &list->parts[list->n - 1];
    if (a->segment->is_mapped || b->segment->is_mapped || a->overlay_sequence != 0 ||
        b->overlay_sequence != 0 || a->segment->n_rows > b->segment->n_rows * TAIL_RATIO)
      return FRZ_OK;
    frz_segment_builder *builder;
    frz_segment *joined = NULL;
    const frz_segment_target memory = {0};
    FRZ_TRY(frz_online_builder_create(online->context, layout,
                                      a->segment->n_rows + b->segment->n_rows, &builder, err));
    frz_status st = frz_segment_builder_add_segment(builder, 0, a->segment, 0, err);
    if (st == FRZ_OK) st = frz_segment_builder_add_segment(builder, 0, b->segment, 1, err);
    if (st == FRZ_OK) st = frz_segment_builder_finish(builder, &memory, &joined, err);
    frz_segment_builder_free(builder);
    if (st != FRZ_OK) return st;
    frz_segment_release(a->segment);
    frz_segment_release(b->segment);
    *a = (frz_view_part){joined, 0};
    list->n--;
  }
  return FRZ_OK;
}

/* What is in the chosen files, behind what the list has. */
static frz_status read_files(frz_online *online, frz_online_scan *scan, frz_part_list *list,
                             const frz_index_folder *folder, frz_error *err)
{
  frz_segment_builder *builder;
  if (scan->n_chosen == 0) return FRZ_OK;
  FRZ_TRY(frz_online_builder_create(online->context, scan->layout, frz_online_scan_rows(scan),
                                    &builder, err));
  frz_status st = frz_online_scan_read(scan, builder, err);
  if (st == FRZ_OK) st = finish_segment(builder, list, 0, folder, err);
  frz_segment_builder_free(builder);
  return st;
}

/* ---- publishing ---- */

/* Under publish_lock. Takes the view; NULL: there is none, the layout alone is new. */
static void show(frz_online *online, frz_index_view *view, frz_online_layout *shown)
{
  pthread_mutex_lock(&online->lock);
  frz_index_view *before = online->view;
  frz_online_layout *layout = online->layout;
  online->view = view;
  online->layout = frz_online_layout_retain(shown);
  pthread_cond_broadcast(&online->changed);
  pthread_mutex_unlock(&online->lock);
  frz_index_view_release(before);
  frz_online_layout_release(layout);
}

/* Own commits that are newer than the mark, compared with the new segments (invariant 4). */
static frz_status carry_overlays(frz_online *online, const frz_index_view *current,
                                 frz_online_layout *layout, int64_t sequence, frz_part_list *list,
                                 frz_error *err)
{
  for (size_t i = 0; i < current->n_segments; i++) {
    const frz_view_segment *each = &current->segments[i];
    if (each->overlay_sequence <= sequence) continue;
    frz_segment_builder *builder;
    FRZ_TRY(
        frz_online_builder_create(online->context, layout, each->segment->n_rows, &builder, err));
    frz_status st = frz_segment_builder_add_segment(builder, 0, each->segment, 0, err);
    if (st == FRZ_OK) st = finish_segment(builder, list, each->overlay_sequence, NULL, err);
    frz_segment_builder_free(builder);
    FRZ_TRY(st);
  }
  return FRZ_OK;
}

/* `base`: the view that the list was made from; NULL: none. Where nothing was shown while own
 * commits went by, their rows are nowhere but in files: *behind_out is then the view, not shown. */
static frz_status publish_list(frz_online *online, const frz_index_view *base,
                               frz_online_layout *layout, frz_part_list *list, frz_watermark *mark,
                               frz_index_view **behind_out, frz_error *err)
{
  frz_index_view *view = NULL, *current;
  frz_online_layout *shown;
  frz_status st = FRZ_OK;
  *behind_out = NULL;
  pthread_mutex_lock(&online->publish_lock);
  frz_online_current(online, &current, &shown);
  bool is_behind = current != NULL && current != base && current->mark.sequence > mark->sequence;
  if (is_behind) goto out; /* an own commit has moved the mark past it meanwhile */
  if (current != NULL)
    FRZ_TRY_OUT(carry_overlays(online, current, layout, mark->sequence, list, err));
  FRZ_TRY_OUT(frz_index_view_create(online->alloc, layout, list->parts, list->n, mark, &view, err));
  if (current == NULL && shown->metadata != layout->metadata)
    *behind_out = view;
  else
    show(online, view, shown);
out:
  pthread_mutex_unlock(&online->publish_lock);
  frz_index_view_release(current);
  frz_online_layout_release(shown);
  frz_watermark_dispose(mark);
  return st;
}

/* ---- refresh ---- */

static void keep_covered(const frz_index_view *view, frz_part_list *list)
{
  for (size_t i = 0; i < view->n_segments; i++)
    if (view->segments[i].overlay_sequence == 0 && list->n < FRZ_ONLINE_PARTS_MAX)
      list->parts[list->n++] = (frz_view_part){frz_segment_retain(view->segments[i].segment), 0};
}

/* Another version of the table with the same rows: perhaps other columns. */
static frz_status relabel(frz_online *online, const frz_index_view *view, frz_online_layout *layout,
                          frz_index_view **behind_out, frz_error *err)
{
  frz_part_list list = {.n = 0};
  frz_watermark mark;
  FRZ_TRY(frz_watermark_copy(&view->mark, &mark, err));
  keep_covered(view, &list);
  frz_status st = publish_list(online, view, layout, &list, &mark, behind_out, err);
  frz_part_list_dispose(&list);
  return st;
}

/* Everything, into a file where there is a folder: unless another process was faster. */
static frz_status build(frz_online *online, frz_online_scan *scan, frz_part_list *list,
                        const frz_watermark *mark, frz_error *err)
{
  frz_str uuid = scan->layout->metadata->table_uuid;
  frz_index_folder folder;
  if (!frz_online_lock_folder(online, uuid, &folder)) {
    atomic_fetch_add(&online->n_builds, 1);
    FRZ_TRY(frz_online_scan_choose(scan, INT64_MIN, err));
    return read_files(online, scan, list, NULL, err);
  }
  frz_watermark loaded = {0};
  bool was_built = false;
  frz_status st = FRZ_OK;
  frz_online_load_files(online, uuid, list, &loaded, &was_built);
  if (was_built && may_follow(&loaded, scan->layout, scan->snapshot, mark)) {
    st = frz_online_scan_choose(scan, loaded.sequence, err);
    if (st == FRZ_OK) st = read_files(online, scan, list, NULL, err);
  } else {
    frz_part_list_dispose(list);
    atomic_fetch_add(&online->n_builds, 1);
    st = frz_online_scan_choose(scan, INT64_MIN, err);
    if (st == FRZ_OK) st = read_files(online, scan, list, &folder, err);
    if (st == FRZ_OK) frz_online_save_files(online, &folder, list, mark);
  }
  frz_watermark_dispose(&loaded);
  frz_index_folder_unlock(&folder);
  return st;
}

/* The newest files of the folder, or the view's own segments, as far as they can be followed.
 * False: the list is empty. */
static bool choose_base(frz_online *online, const frz_index_view *view, const frz_online_scan *scan,
                        const frz_watermark *now, frz_part_list *list, int64_t *sequence_out)
{
  frz_online_layout *layout = scan->layout;
  frz_watermark loaded = {0};
  bool is_loaded;
  frz_online_load_files(online, layout->metadata->table_uuid, list, &loaded, &is_loaded);
  bool follows = is_loaded && may_follow(&loaded, layout, scan->snapshot, now);
  *sequence_out = loaded.sequence;
  frz_watermark_dispose(&loaded);
  if (follows) return true;
  frz_part_list_dispose(list);
  if (view == NULL || frz_index_view_is_torn(view) ||
      !frz_str_equal(layout->metadata->table_uuid, view->layout->metadata->table_uuid) ||
      !may_follow(&view->mark, layout, scan->snapshot, now))
    return false;
  keep_covered(view, list);
  *sequence_out = view->mark.sequence;
  return true;
}

static frz_status follow(frz_online *online, const frz_index_view *view, frz_online_layout *layout,
                         frz_index_view **behind_out, frz_error *err)
{
  frz_part_list list = {.n = 0};
  frz_watermark mark = {0};
  frz_online_scan scan;
  frz_status st = FRZ_OK;
  int64_t sequence = 0;
  bool is_built = false;
  FRZ_TRY(frz_online_scan_open(&scan, online->context, online->storage, layout, NULL, err));
  FRZ_TRY_OUT(marks_of(&scan, &mark, online->alloc, err));
  if (choose_base(online, view, &scan, &mark, &list, &sequence)) {
    FRZ_TRY_OUT(frz_online_scan_choose(&scan, sequence, err));
    FRZ_TRY_OUT(read_files(online, &scan, &list, NULL, err));
  } else {
    is_built = true;
    FRZ_TRY_OUT(build(online, &scan, &list, &mark, err));
  }
  FRZ_TRY_OUT(join_tail(online, layout, &list, err));
  st = publish_list(online, view, layout, &list, &mark, behind_out, err);
out:
  frz_watermark_dispose(&mark);
  frz_online_scan_close(&scan);
  frz_part_list_dispose(&list);
  if (is_built) frz_context_trim(online->context); /* reads and refreshes take little */
  return st;
}

/* Does the view have the rows of the layout's snapshot? */
static bool has_rows_of(const frz_index_view *view, const frz_online_layout *layout)
{
  const frz_table_metadata *m = layout->metadata;
  return view != NULL && view->mark.snapshot_id == m->current_snapshot_id &&
         frz_str_equal(m->table_uuid, view->layout->metadata->table_uuid) &&
         !frz_index_view_is_torn(view);
}

frz_status frz_online_update_index(frz_online *online, frz_online_layout *layout, frz_error *err)
{
  frz_index_view *view;
  frz_online_layout *shown;
  frz_status st;
  frz_online_current(online, &view, &shown);
  frz_online_layout_release(shown);
  pthread_mutex_lock(&online->lock);
  bool wants_files = online->wants_files;
  online->wants_files = false;
  pthread_mutex_unlock(&online->lock);
  layout = frz_online_layout_retain(layout);
  for (;;) {
    frz_index_view *behind = NULL;
    st = !wants_files && has_rows_of(view, layout) ? relabel(online, view, layout, &behind, err)
                                                   : follow(online, view, layout, &behind, err);
    frz_index_view_release(view);
    view = behind;
    if (behind == NULL) break;
    /* An own commit takes longer than reading what it added: this ends. */
    frz_index_view *none;
    frz_online_layout_release(layout);
    frz_online_current(online, &none, &layout);
    frz_index_view_release(none);
  }
  frz_online_layout_release(layout);
  return st;
}

/* ---- own commits ---- */

static frz_status take_commit(frz_online *online, const frz_index_view *current,
                              const frz_own_commit *commit, frz_online_layout *layout,
                              frz_part_list *list, frz_watermark *mark, frz_error *err)
{
  bool has_overlay = false;
  for (size_t i = 0; i < current->n_segments; i++) {
    const frz_view_segment *each = &current->segments[i];
    has_overlay |= each->overlay_sequence != 0;
    if (list->n < FRZ_ONLINE_PARTS_MAX)
      list->parts[list->n++] =
          (frz_view_part){frz_segment_retain(each->segment), each->overlay_sequence};
  }
  FRZ_TRY(frz_watermark_copy(&current->mark, mark, err));
  bool follows = !has_overlay && commit->parent_id == current->mark.snapshot_id;
  FRZ_TRY(finish_segment(commit->rows, list, follows ? 0 : commit->sequence, NULL, err));
  if (!follows) return FRZ_OK;
  mark->snapshot_id = commit->snapshot_id;
  mark->sequence = commit->sequence;
  for (size_t i = 0; i < commit->n_files; i++) {
    frz_file_mark file = frz_file_mark_of(commit->files[i].path);
    FRZ_TRY(frz_buf_append(&mark->data_files, &file, sizeof file, err));
  }
  frz_marks_sort(&mark->data_files);
  return join_tail(online, layout, list, err);
}

frz_status frz_online_publish_commit(frz_online *online, const frz_own_commit *commit,
                                     frz_error *err)
{
  frz_part_list list = {.n = 0};
  frz_watermark mark = {0};
  frz_index_view *view = NULL, *current;
  frz_online_layout *layout = NULL, *unused;
  frz_status st = FRZ_OK;
  pthread_mutex_lock(&online->publish_lock);
  frz_online_current(online, &current, &unused);
  if (current != NULL && current->mark.sequence >= commit->sequence) goto out;
  FRZ_TRY_OUT(frz_online_layout_now(online, &layout, err));
  if (current == NULL) {
    show(online, NULL, layout);
    goto out;
  }
  FRZ_TRY_OUT(take_commit(online, current, commit, layout, &list, &mark, err));
  FRZ_TRY_OUT(frz_index_view_create(online->alloc, layout, list.parts, list.n, &mark, &view, err));
  show(online, view, layout);
out:
  pthread_mutex_unlock(&online->publish_lock);
  frz_watermark_dispose(&mark);
  frz_part_list_dispose(&list);
  frz_online_layout_release(layout);
  frz_index_view_release(current);
  frz_online_layout_release(unused);
  return st;
}
