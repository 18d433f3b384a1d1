/*
 * online_files.c - the index between this process's memory and the folder that the machine shares.
 *
 * A thread writes; what it wrote is taken in by the next look, in this process as in others: read
 * what "index" names, then what the table has that it does not cover. So views change in one place.
 */
#include "base/os.h"
#include "online/online_scan.h"
#include "online/online_state.h"

enum { DUE_BYTES = 1 << 20, DUE_SHARE = 8, BASE_SHARE = 4, LOAD_SHARE = 4, WAIT_MS = 10 };

static void warn(frz_online *online, const frz_error *error)
{
  frz_context_log(online->context, FRZ_LOG_WARNING, "online table '%s': index files: %s",
                  online->identifier, error->message);
}

static bool open_folder(frz_online *online, frz_str uuid, frz_index_folder *folder)
{
  frz_error error = {0};
  if (online->cache_dir == NULL) return false;
  if (frz_index_folder_open(folder, online->cache_dir, uuid, &error) == FRZ_OK) return true;
  warn(online, &error);
  return false;
}

static bool same_stamp(frz_index_stamp a, frz_index_stamp b)
{
  return a.inode == b.inode && a.size_bytes == b.size_bytes && a.modified_ns == b.modified_ns;
}

/* What memory has room for is read and verified as a whole; the rest block by block on the way. */
static bool load_segment(frz_online *online, frz_segment *segment)
{
  int64_t room = frz_context_memory_limit(online->context) / LOAD_SHARE;
  return (int64_t)segment->size_bytes > room || frz_segment_load(segment);
}

void frz_online_load_files(frz_online *online, frz_str uuid, frz_part_list *list,
                           frz_watermark *mark, bool *loaded_out)
{
  frz_index_folder folder;
  frz_error error = {0};
  frz_segment *segments[FRZ_INDEX_SEGMENTS_MAX];
  size_t n = 0;
  *loaded_out = false;
  if (!open_folder(online, uuid, &folder)) return;
  frz_index_stamp stamp = frz_index_folder_stamp(&folder);
  if (stamp.inode == 0 || same_stamp(stamp, online->stamp)) return;
  frz_status st = frz_index_folder_load(&folder, online->alloc, segments, &n, mark, &error);
  if (st != FRZ_OK) {
    if (st != FRZ_ERR_NOT_FOUND) warn(online, &error);
    return;
  }
  online->stamp = stamp;
  *loaded_out = true;
  for (size_t i = 0; i < n; i++) {
    list->parts[list->n++] = (frz_view_part){segments[i], 0};
    *loaded_out = *loaded_out && load_segment(online, segments[i]);
  }
  if (*loaded_out) return;
  frz_fail(&error, FRZ_ERR_CORRUPT, "%s: a checksum is wrong", folder.path);
  warn(online, &error);
  frz_part_list_dispose(list);
}

/* ---- writing ---- */

static bool is_stopping(frz_online *online)
{
  pthread_mutex_lock(&online->lock);
  bool stopping = online->is_stopping;
  pthread_mutex_unlock(&online->lock);
  return stopping;
}

bool frz_online_lock_folder(frz_online *online, frz_str uuid, frz_index_folder *folder)
{
  frz_error error = {0};
  bool locked = false;
  if (!open_folder(online, uuid, folder)) return false;
  while (!locked && !is_stopping(online)) {
    if (frz_index_folder_lock(folder, false, &locked, &error) != FRZ_OK) {
      warn(online, &error);
      return false;
    }
    if (!locked) frz_os_sleep_ms(WAIT_MS);
  }
  return locked;
}

void frz_online_save_files(frz_online *online, const frz_index_folder *folder,
                           const frz_part_list *list, const frz_watermark *mark)
{
  frz_error error = {0};
  frz_segment *segments[FRZ_ONLINE_PARTS_MAX];
  for (size_t i = 0; i < list->n; i++) segments[i] = list->parts[i].segment;
  if (frz_index_folder_save(folder, online->alloc, segments, list->n, mark, &error) != FRZ_OK)
    warn(online, &error);
  else
    online->stamp = frz_index_folder_stamp(folder);
}

/* Sizes of a view's covered segments. */
typedef struct view_sizes {
  size_t base_bytes, delta_bytes, memory_bytes;
  size_t n_files;
} view_sizes;

static view_sizes measure(const frz_index_view *view)
{
  view_sizes sizes = {0};
  for (size_t i = 0; i < view->n_segments; i++) {
    const frz_view_segment *each = &view->segments[i];
    if (each->overlay_sequence != 0) continue;
    if (!each->segment->is_mapped)
      sizes.memory_bytes += each->segment->size_bytes;
    else if (sizes.n_files++ == 0)
      sizes.base_bytes = each->segment->size_bytes;
    else
      sizes.delta_bytes += each->segment->size_bytes;
  }
  return sizes;
}

static bool is_due(const frz_index_view *view)
{
  view_sizes sizes = measure(view);
  size_t due = (sizes.base_bytes + sizes.delta_bytes) / DUE_SHARE;
  return sizes.memory_bytes > (due > DUE_BYTES ? due : DUE_BYTES);
}

/* Join the view's covered segments from the first one that is not kept on into a file. */
static frz_status write_segment(frz_online *online, const frz_index_view *view, bool keep_files,
                                const frz_index_folder *folder, frz_part_list *list, frz_error *err)
{
  frz_segment_builder *builder;
  frz_segment *segment = NULL;
  char name[64];
  int64_t n_rows = 0;
  const frz_segment_target target = {.folder = folder->path, .name = name};
  for (size_t i = 0; i < view->n_segments; i++) n_rows += view->segments[i].segment->n_rows;
  FRZ_TRY(frz_index_segment_name(name, err));
  FRZ_TRY(frz_online_builder_create(online->context, view->layout, n_rows, &builder, err));
  frz_status st = FRZ_OK;
  for (size_t i = 0; i < view->n_segments && st == FRZ_OK; i++) {
    const frz_view_segment *each = &view->segments[i];
    if (each->overlay_sequence != 0) continue;
    if (each->segment->is_mapped && keep_files)
      list->parts[list->n++] = (frz_view_part){frz_segment_retain(each->segment), 0};
    else
      st = frz_segment_builder_add_segment(builder, 0, each->segment, i, err);
  }
  if (st == FRZ_OK) st = frz_segment_builder_finish(builder, &target, &segment, err);
  frz_segment_builder_free(builder);
  if (st == FRZ_OK) list->parts[list->n++] = (frz_view_part){segment, 0};
  return st;
}

static bool write_files(frz_online *online, const frz_index_view *view)
{
  frz_index_folder folder;
  frz_error error = {0};
  frz_part_list list = {.n = 0};
  bool locked = false;
  if (!open_folder(online, view->layout->metadata->table_uuid, &folder)) return false;
  frz_status st = frz_index_folder_lock(&folder, false, &locked, &error);
  if (st == FRZ_OK && !locked) return false;
  view_sizes sizes = measure(view);
  bool keep_files = sizes.n_files != 0 && sizes.n_files + 1 < FRZ_INDEX_SEGMENTS_MAX &&
                    sizes.delta_bytes + sizes.memory_bytes < sizes.base_bytes / BASE_SHARE;
  if (st == FRZ_OK) st = write_segment(online, view, keep_files, &folder, &list, &error);
  if (st == FRZ_OK) {
    frz_segment *segments[FRZ_ONLINE_PARTS_MAX];
    for (size_t i = 0; i < list.n; i++) segments[i] = list.parts[i].segment;
    st = frz_index_folder_save(&folder, online->alloc, segments, list.n, &view->mark, &error);
  }
  if (st != FRZ_OK) warn(online, &error);
  frz_index_folder_unlock(&folder);
  frz_part_list_dispose(&list);
  return st == FRZ_OK;
}

static void *run_writer(void *arg)
{
  frz_online *online = arg;
  frz_index_view *view;
  frz_online_layout *layout;
  frz_online_current(online, &view, &layout);
  frz_online_layout_release(layout);
  bool is_written = view != NULL && is_due(view) && write_files(online, view);
  frz_index_view_release(view);
  pthread_mutex_lock(&online->lock);
  online->is_writing = false;
  if (is_written) online->wants_files = true;
  online->n_jobs--;
  pthread_cond_broadcast(&online->changed);
  pthread_mutex_unlock(&online->lock);
  return NULL;
}

void frz_online_write_files_if_due(frz_online *online)
{
  frz_index_view *view;
  frz_online_layout *layout;
  pthread_t thread;
  pthread_attr_t detached;
  if (online->cache_dir == NULL) return;
  frz_online_current(online, &view, &layout);
  frz_online_layout_release(layout);
  bool due = view != NULL && is_due(view);
  frz_index_view_release(view);
  if (!due) return;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_mutex_lock(&online->lock);
  if (!online->is_writing && !online->is_stopping &&
      pthread_create(&thread, &detached, run_writer, online) == 0) {
    online->is_writing = true;
    online->n_jobs++;
  }
  pthread_mutex_unlock(&online->lock);
  pthread_attr_destroy(&detached);
}
