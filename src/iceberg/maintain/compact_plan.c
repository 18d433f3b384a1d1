/*
 * compact_plan.c - see compact_plan.h.
 *
 * A file is chosen when it is too small, too large, or when position deletes that name it alone
 * hide too many of its rows. Files of the table's current partition spec are gathered by partition,
 * those of older specs all together, since their rows go to partitions of the current one. A
 * gathering is cut into groups of bounded size, and a group is worth writing when it joins enough
 * files, fills a whole one, or has a file that needs it by itself.
 *
 * The rules are those of the reference implementation's bin-pack rewrites.
 */
#include "iceberg/maintain/compact_plan.h"

#include <stdlib.h>

#include "base/limits.h"
#include "iceberg/scan/delete_index.h"

#define TARGET_BYTES_DEFAULT ((int64_t)512 << 20)
#define GROUP_BYTES_DEFAULT ((int64_t)10 << 30)
enum { INPUT_FILES_DEFAULT = 5 };
static const double DELETE_RATIO_DEFAULT = 0.3;

/* ---- options ---- */

void frz_compact_options_init(frz_compact_options *options)
{
  *options = (frz_compact_options){.struct_bytes = sizeof *options};
}

static frz_status check_range(const char *name, int64_t value, frz_error *err)
{
  if (value >= 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "compact: %s %lld is negative", name, (long long)value);
}

frz_status frz_compact_options_resolve(frz_compact_options *options,
                                       const frz_table_metadata *metadata, frz_error *err)
{
  frz_compact_options *o = options;
  FRZ_TRY(check_range("target_file_bytes", o->target_file_bytes, err));
  FRZ_TRY(check_range("min_file_bytes", o->min_file_bytes, err));
  FRZ_TRY(check_range("max_file_bytes", o->max_file_bytes, err));
  FRZ_TRY(check_range("min_input_files", o->min_input_files, err));
  FRZ_TRY(check_range("max_group_bytes", o->max_group_bytes, err));
  if (!(o->delete_ratio >= 0 && o->delete_ratio <= 1))
    return frz_fail(err, FRZ_ERR_INVALID, "compact: delete_ratio %g is not in [0, 1]",
                    o->delete_ratio);
  for (size_t i = 0; i < o->n_snapshot_properties; i++)
    if (o->snapshot_properties[i].key == NULL || o->snapshot_properties[i].value == NULL)
      return frz_fail(err, FRZ_ERR_INVALID, "snapshot property %zu: key or value is NULL", i);
  if (o->target_file_bytes == 0)
    FRZ_TRY(frz_metadata_property_i64(metadata, "write.target-file-size-bytes",
                                      TARGET_BYTES_DEFAULT, &o->target_file_bytes, err));
  int64_t target = o->target_file_bytes;
  if (target < 1)
    return frz_fail(err, FRZ_ERR_INVALID, "compact: target_file_bytes %lld", (long long)target);
  if (o->min_file_bytes == 0) o->min_file_bytes = target - target / 4;
  if (o->max_file_bytes == 0) o->max_file_bytes = target + target / 5 * 4;
  if (o->max_group_bytes == 0) o->max_group_bytes = GROUP_BYTES_DEFAULT;
  if (o->min_input_files == 0) o->min_input_files = INPUT_FILES_DEFAULT;
  if (o->delete_ratio == 0) o->delete_ratio = DELETE_RATIO_DEFAULT;
  if (o->min_file_bytes <= target && o->max_file_bytes >= target) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "compact: target_file_bytes %lld is not between min_file_bytes %lld and "
                  "max_file_bytes %lld",
                  (long long)target, (long long)o->min_file_bytes, (long long)o->max_file_bytes);
}

/* ---- single files ---- */

typedef struct candidate {
  const frz_scan_task *task;
  size_t gathering;
  size_t order;  /* in the plan */
  bool needs_it; /* by itself, whatever its neighbours */
} candidate;

/* Rows that deletes of this file alone hide: those of several files say nothing about one. */
static bool is_much_deleted(const frz_scan_task *task, double ratio)
{
  int64_t n_hidden = 0;
  for (size_t i = 0; i < task->n_position_deletes; i++) {
    const frz_data_file *deletes = &task->position_deletes[i]->file;
    if (frz_delete_target(deletes).data != NULL) n_hidden += deletes->n_rows;
  }
  return n_hidden != 0 && (double)n_hidden >= ratio * (double)task->entry->file.n_rows;
}

static bool is_chosen(const frz_compact_options *options, const frz_scan_task *task,
                      bool *needs_it_out)
{
  int64_t bytes = task->entry->file.size_bytes;
  *needs_it_out = options->rewrite_all || is_much_deleted(task, options->delete_ratio);
  return *needs_it_out || bytes < options->min_file_bytes || bytes > options->max_file_bytes;
}

/* ---- gatherings ---- */

static frz_status gathering_of(const frz_table_metadata *metadata, const frz_data_file *file,
                               frz_map *partitions, frz_buf *key, size_t *gathering_out,
                               frz_error *err)
{
  uint64_t *number;
  key->size = 0;
  if (file->spec_id == metadata->default_spec_id)
    FRZ_TRY(frz_partition_key(file->spec_id, &file->partition, key, err));
  else
    FRZ_TRY(frz_buf_append_byte(key, 0, err)); /* shorter than any partition's */
  FRZ_TRY(frz_map_insert(partitions, frz_buf_str(key), partitions->size, &number, NULL, err));
  *gathering_out = (size_t)*number;
  return FRZ_OK;
}

static int by_gathering(const void *a, const void *b)
{
  const candidate *x = a, *y = b;
  if (x->gathering != y->gathering) return x->gathering < y->gathering ? -1 : 1;
  int64_t i = x->task->entry->data_sequence_number, j = y->task->entry->data_sequence_number;
  if (i != j) return i < j ? -1 : 1;
  return (x->order > y->order) - (x->order < y->order);
}

static frz_status choose_files(const frz_table_metadata *metadata, const frz_scan_part *part,
                               const frz_compact_options *options, frz_arena *arena,
                               candidate **candidates_out, size_t *n_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_map partitions;
  frz_buf key;
  size_t n = 0;
  frz_map_init(&partitions, arena->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_buf_init(&key, arena->alloc, FRZ_LIMIT_MANIFEST_BYTES);
  candidate *list = frz_arena_array(arena, part->n_tasks, sizeof *list);
  if (list == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "files to compact"));
  for (size_t i = 0; i < part->n_tasks; i++) {
    const frz_scan_task *task = &part->tasks[i];
    bool needs_it;
    if (!is_chosen(options, task, &needs_it)) continue;
    list[n] = (candidate){.task = task, .order = i, .needs_it = needs_it};
    FRZ_TRY_OUT(
        gathering_of(metadata, &task->entry->file, &partitions, &key, &list[n].gathering, err));
    n++;
  }
  if (n != 0) qsort(list, n, sizeof *list, by_gathering);
  *candidates_out = list;
  *n_out = n;
out:
  frz_buf_dispose(&key);
  frz_map_dispose(&partitions);
  return st;
}

/* ---- groups ---- */

/*
 * The size to aim at so that no small file is left over: what would be left is shared out among the
 * others where that does not make them too large.
 */
static int64_t choose_output_bytes(const frz_compact_options *options, int64_t input_bytes)
{
  int64_t target = options->target_file_bytes;
  int64_t n_full = input_bytes / target;
  int64_t left = input_bytes - n_full * target;
  if (n_full == 0 || left == 0 || left >= options->min_file_bytes) return target;
  int64_t shared = input_bytes / n_full + input_bytes / n_full / 20; /* sizes are estimates */
  return shared < options->max_file_bytes ? shared : target;
}

static bool is_worth_it(const frz_compact_options *options, const candidate *files, size_t n_files,
                        int64_t input_bytes)
{
  for (size_t i = 0; i < n_files; i++)
    if (files[i].needs_it || files[i].task->entry->file.size_bytes > options->max_file_bytes)
      return true;
  return n_files > 1 &&
         ((int64_t)n_files >= options->min_input_files || input_bytes > options->target_file_bytes);
}

/* How many of the files from the first on fit into one group. */
static size_t cut_group(const frz_compact_options *options, const candidate *files, size_t n_files,
                        int64_t *bytes_out)
{
  size_t n = 0;
  int64_t bytes = 0;
  while (n < n_files && files[n].gathering == files[0].gathering) {
    int64_t more = files[n].task->entry->file.size_bytes;
    if (n != 0 && more > options->max_group_bytes - bytes) break;
    bytes += more;
    n++;
  }
  *bytes_out = bytes;
  return n;
}

static frz_status make_groups(const frz_compact_options *options, const candidate *files,
                              size_t n_files, frz_arena *arena, frz_compact_plan *plan,
                              frz_error *err)
{
  frz_compact_group *groups = frz_arena_array(arena, n_files, sizeof *groups);
  const frz_scan_task **tasks = frz_arena_array(arena, n_files, sizeof *tasks);
  if (groups == NULL || tasks == NULL) return frz_fail_nomem(err, "files to compact");
  for (size_t first = 0; first < n_files;) {
    int64_t bytes;
    size_t n = cut_group(options, files + first, n_files - first, &bytes);
    if (is_worth_it(options, files + first, n, bytes)) {
      for (size_t i = 0; i < n; i++) tasks[plan->n_files + i] = files[first + i].task;
      groups[plan->n_groups++] =
          (frz_compact_group){.tasks = tasks + plan->n_files,
                              .n_tasks = n,
                              .input_bytes = bytes,
                              .output_file_bytes = choose_output_bytes(options, bytes)};
      plan->n_files += n;
    }
    first += n;
  }
  plan->groups = groups;
  return FRZ_OK;
}

frz_status frz_compact_plan_make(frz_context *context, frz_storage *storage,
                                 const frz_table_metadata *metadata, const frz_snapshot *snapshot,
                                 const frz_schema *schema, const frz_expr *filter,
                                 const frz_compact_options *options, frz_arena *arena,
                                 frz_compact_plan *plan_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_compact_plan plan = {0};
  candidate *files;
  size_t n_files;
  bool more;
  FRZ_TRY(frz_scan_planner_create(context, storage, metadata, snapshot, schema, filter, false,
                                  &plan.planner, err));
  FRZ_TRY_OUT(frz_scan_planner_next(plan.planner, SIZE_MAX, &plan.part, &more, err));
  FRZ_TRY_OUT(choose_files(metadata, &plan.part, options, arena, &files, &n_files, err));
  FRZ_TRY_OUT(make_groups(options, files, n_files, arena, &plan, err));
  *plan_out = plan;
  plan = (frz_compact_plan){0};
out:
  frz_compact_plan_dispose(&plan);
  return st;
}

void frz_compact_plan_dispose(frz_compact_plan *plan)
{
  frz_scan_part_dispose(&plan->part);
  frz_scan_planner_free(plan->planner);
  *plan = (frz_compact_plan){0};
}
