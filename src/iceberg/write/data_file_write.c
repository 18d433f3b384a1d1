/*
 * data_file_write.c - see data_file_write.h.
 *
 * One Parquet file is under way for each partition that recently had rows. Rows of a batch are
 * grouped by partition; a group that lies together in the batch is written from where it is, others
 * are gathered first. A file is created in storage only when it has grown past what is held in
 * memory for it. When all files together hold too much memory, the largest end their row groups
 * early; when that is not enough, or too many files were created, those that were used longest ago
 * are closed.
 *
 * In a table with a sort order rows are held as they come until they are as many as a file should
 * have, or memory is short. Then all that are held for a partition are sorted and written, and the
 * file is closed: each file is one sorted run (or a part of one, where it rolls).
 *
 * A file that is ended is committed at once, but at the end of all files several are together,
 * since each commit waits for a disk or a store. There they are also sorted and written beside one
 * another, a thread a file: columns of one file take unequal time, and sorting is one thread's
 * work.
 *
 * Invariants: slots[0, n_slots) are files under way; ended[0, n_ended) are files that are described
 * and not committed; slot_of[p] is the slot of partition p, or -1;
 * memory_bytes is the sum of the slots'; every path that may exist in storage is in `paths`, from
 * before it is committed.
 */
#include "iceberg/write/data_file_write.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/os.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/table/table_handle.h"
#include "iceberg/write/data_file_metrics.h"
#include "iceberg/write/lazy_sink.h"
#include "iceberg/write/partition_split.h"
#include "iceberg/write/sort_plan.h"
#include "iceberg/write/stored_columns.h"
#include "iceberg/write/write_properties.h"
#include "parquet/write/parquet_writer.h"

enum {
  SLOTS_MAX = 8192,
  CREATED_MAX = 200, /* descriptors, or uploads */
  SLOTS_CALM = 16,   /* more than these give back their scratch memory after each use */
  SLICE_ROWS = FRZ_PARQUET_BATCH_ROWS, /* between two looks at a file's size */
  SPLIT_ROWS = 1 << 20,                /* of a batch that is grouped by partition */
  HELD_A_TARGET = 4, /* rows take about so much more memory than they will take in a file */
  GATHER_PARALLEL_VALUES = 65536,
  COMMITS_AT_ONCE = 16 /* each is an upload, or waits for the disk; HOLD_BYTES each at most */
};
#define HOLD_BYTES ((size_t)4 << 20)
#define MEMORY_MIN ((int64_t)64 << 20)

typedef struct open_file {
  uint32_t partition;
  frz_sink *sink;
  frz_parquet_writer *parquet;
  frz_str path;
  int64_t last_use;
  size_t memory_bytes;
  frz_batch held;   /* sorted tables: rows that wait; columns NULL where there are none */
  bool is_created;  /* in storage */
  bool has_rows;    /* since its row group was last ended for want of memory */
  bool is_finished; /* its footer is written */
  frz_parquet_write_summary summary; /* once it is */
} open_file;

struct frz_data_file_writer {
  frz_context *context;
  const frz_alloc *alloc;
  frz_storage *storage;
  frz_table_metadata *metadata;
  const frz_schema *schema;
  const frz_partition_spec *spec;
  frz_arena arena; /* fields, paths, described files */

  frz_arrow_field *fields;
  size_t n_fields;
  frz_stored_columns stored; /* of the table's columns; room for lineage behind its fields */
  size_t n_written;          /* those, and lineage */
  bool has_lineage;

  frz_write_properties properties;
  frz_compressors compressors; /* of all files: making one costs more than a small page */
  frz_metrics_config metrics;
  int64_t memory_max;
  frz_sort_plan sort;
  int32_t sort_order_id; /* of files that are sorted by the plan */
  size_t held_bytes_max; /* for one partition */
  bool has_rows;
  frz_str data_path;
  char uuid[37];

  frz_partition_split split;
  bool has_split;
  open_file *slots;
  size_t n_slots, slots_capacity;
  size_t n_created;
  size_t n_named; /* files begun so far */
  size_t memory_bytes;
  frz_buf slot_of; /* int32_t a partition */
  int64_t clock;

  frz_buf numbers; /* uint32_t a row: partition */
  frz_buf counts;  /* uint32_t a partition: rows of the batch, then where the group ends */
  frz_buf rows;    /* int64_t a row: grouped */

  frz_sink *ended[COMMITS_AT_ONCE]; /* of described files, to be committed */
  size_t n_ended, ended_max;        /* when there are so many they are: 1 until the end */
  frz_str *paths;
  size_t n_paths, paths_capacity;
  frz_data_file *files;
  size_t n_files, files_capacity;
  bool failed;
  bool finished;
  bool kept;
};

/* ---- creation ---- */

static frz_status make_fields(frz_data_file_writer *writer, frz_error *err)
{
  const frz_type *root = &writer->schema->root;
  size_t n = root->n_fields;
  writer->fields = frz_arena_array(&writer->arena, n, sizeof *writer->fields);
  if (writer->fields == NULL) return frz_fail_nomem(err, "data file writer");
  writer->n_fields = n;
  for (size_t i = 0; i < n; i++)
    FRZ_TRY(frz_field_to_arrow(&root->fields[i], &writer->arena, &writer->fields[i], err));
  FRZ_TRY(frz_stored_columns_make(writer->fields, n, FRZ_LINEAGE_COLUMNS, &writer->arena,
                                  &writer->stored, err));
  writer->n_written = writer->stored.n_columns;
  return FRZ_OK;
}

/* Other readers find the schema in the footer, as the Java implementation puts it there. */
static frz_status make_key_values(frz_data_file_writer *writer, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf text;
  frz_buf_init(&text, writer->alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_json_writer json;
  frz_json_writer_init(&json, &text);
  frz_schema_write(&json, writer->schema);
  FRZ_TRY_OUT(frz_json_writer_finish(&json, err));
  frz_parquet_key_value *pair = frz_arena_push(&writer->arena, sizeof *pair);
  frz_str copy = frz_arena_copy(&writer->arena, frz_buf_str(&text));
  if (pair == NULL || copy.data == NULL) {
    st = frz_fail_nomem(err, "data file writer");
    goto out;
  }
  *pair = (frz_parquet_key_value){FRZ_STR("iceberg.schema"), copy};
  writer->properties.parquet.key_values = pair;
  writer->properties.parquet.n_key_values = 1;
out:
  frz_buf_dispose(&text);
  return st;
}

static frz_status prepare(frz_data_file_writer *writer, frz_error *err)
{
  FRZ_TRY(frz_write_properties_read(writer->metadata, writer->schema, &writer->arena,
                                    &writer->properties, err));
  writer->properties.parquet.compressors = &writer->compressors;
  writer->memory_max = frz_context_memory_limit(writer->context) / 4;
  if (writer->memory_max < MEMORY_MIN) writer->memory_max = MEMORY_MIN;
  int64_t held_max = writer->memory_max / 2;
  if (held_max / HELD_A_TARGET > writer->properties.target_bytes)
    held_max = writer->properties.target_bytes * HELD_A_TARGET;
  writer->held_bytes_max = (size_t)(held_max < MEMORY_MIN ? MEMORY_MIN : held_max);
  writer->data_path = frz_data_folder(writer->metadata, &writer->arena);
  if (writer->data_path.data == NULL) return frz_fail_nomem(err, "data file writer");
  FRZ_TRY(make_fields(writer, err));
  FRZ_TRY(make_key_values(writer, err));
  FRZ_TRY(frz_metrics_config_make(writer->metadata, writer->schema, &writer->arena,
                                  &writer->metrics, err));
  FRZ_TRY(
      frz_partition_split_init(&writer->split, writer->alloc, writer->schema, writer->spec, err));
  writer->has_split = true;
  const frz_table_metadata *metadata = writer->metadata;
  FRZ_TRY(frz_data_file_writer_sort_by(
      writer, frz_metadata_sort_order(metadata, metadata->default_sort_order_id), err));
  return frz_os_uuid(writer->uuid, err);
}

frz_status frz_data_file_writer_create(frz_context *context, frz_storage *storage,
                                       frz_table_metadata *metadata, const frz_schema *schema,
                                       const frz_partition_spec *spec,
                                       frz_data_file_writer **writer_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_data_file_writer *writer = frz_alloc_zeroed(alloc, sizeof *writer);
  if (writer == NULL) return frz_fail_nomem(err, "data file writer");
  writer->context = context;
  writer->alloc = alloc;
  writer->storage = frz_storage_retain(storage);
  writer->metadata = frz_table_metadata_retain(metadata);
  writer->schema = schema;
  writer->spec = spec;
  writer->ended_max = 1;
  frz_arena_init(&writer->arena, alloc, FRZ_LIMIT_WRITER_BYTES);
  frz_buf_init(&writer->slot_of, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&writer->numbers, alloc, SIZE_MAX / 4);
  frz_buf_init(&writer->counts, alloc, SIZE_MAX / 4);
  frz_buf_init(&writer->rows, alloc, SIZE_MAX / 4);
  frz_status st = prepare(writer, err);
  if (st != FRZ_OK) {
    frz_data_file_writer_free(writer);
    return st;
  }
  *writer_out = writer;
  return FRZ_OK;
}

frz_status frz_data_file_writer_sort_by(frz_data_file_writer *writer, const frz_sort_order *order,
                                        frz_error *err)
{
  static const frz_sort_order unsorted = {0};
  assert(!writer->has_rows);
  if (order == NULL) order = &unsorted;
  frz_sort_plan plan;
  const frz_parquet_sorting_column *sorting;
  size_t n_sorting;
  FRZ_TRY(
      frz_sort_plan_init(&plan, writer->alloc, &writer->arena, writer->schema, order, true, err));
  FRZ_TRY(frz_sort_plan_describe(&plan, &writer->arena, &sorting, &n_sorting, err));
  writer->sort = plan;
  writer->sort_order_id = plan.n_parts != 0 ? order->order_id : 0;
  writer->properties.parquet.sorting = sorting;
  writer->properties.parquet.n_sorting = n_sorting;
  return FRZ_OK;
}

const frz_arrow_field *frz_data_file_writer_fields(const frz_data_file_writer *writer,
                                                   size_t *n_fields_out)
{
  *n_fields_out = writer->n_fields;
  return writer->fields;
}

frz_status frz_data_file_writer_add_lineage(frz_data_file_writer *writer, frz_error *err)
{
  const frz_arrow_field *fields;
  assert(writer->n_named == 0);
  if (writer->has_lineage || writer->metadata->format_version < 3) return FRZ_OK;
  FRZ_TRY(frz_lineage_fields(&writer->arena, &fields, err));
  for (size_t i = 0; i < FRZ_LINEAGE_COLUMNS; i++)
    writer->stored.fields[writer->n_written++] = fields[i];
  writer->has_lineage = true;
  return FRZ_OK;
}

/* ---- open files ---- */

static int32_t *slot_of(const frz_data_file_writer *writer, uint32_t partition)
{
  return (int32_t *)(void *)writer->slot_of.data + partition;
}

static void drop_slot(frz_data_file_writer *writer, size_t slot)
{
  open_file *file = &writer->slots[slot];
  frz_parquet_writer_free(file->parquet);
  frz_sink_free(file->sink);
  frz_batch_dispose(&file->held);
  writer->memory_bytes -= file->memory_bytes;
  writer->n_created -= file->is_created;
  *slot_of(writer, file->partition) = -1;
  writer->n_slots--;
  if (slot == writer->n_slots) return;
  *file = writer->slots[writer->n_slots];
  *slot_of(writer, file->partition) = (int32_t)slot;
}

static frz_status make_path(frz_data_file_writer *writer, uint32_t partition, frz_str *path_out,
                            frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena scratch;
  frz_arena_init(&scratch, writer->alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf text;
  frz_buf_init(&text, writer->alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(frz_buf_append_str(&text, writer->data_path, err));
  if (writer->spec->n_fields != 0) {
    frz_partition values;
    FRZ_TRY_OUT(frz_partition_split_values(&writer->split, partition, &scratch, &values, err));
    frz_str folder = frz_partition_path(writer->spec, writer->schema, &values, &scratch);
    if (folder.data == NULL) {
      st = frz_fail_nomem(err, "partition path");
      goto out;
    }
    FRZ_TRY_OUT(frz_buf_append_byte(&text, '/', err));
    FRZ_TRY_OUT(frz_buf_append_str(&text, folder, err));
  }
  FRZ_TRY_OUT(frz_buf_print(&text, err, "/%05zu-%s.parquet", writer->n_named, writer->uuid));
  *path_out = frz_arena_copy(&writer->arena, frz_buf_str(&text));
  if (path_out->data == NULL) st = frz_fail_nomem(err, "data file path");
out:
  frz_buf_dispose(&text);
  frz_arena_free(&scratch);
  return st;
}

static frz_status note_path(frz_data_file_writer *writer, frz_str path, frz_error *err)
{
  frz_str *paths = frz_arena_list_room(&writer->arena, writer->paths, writer->n_paths,
                                       &writer->paths_capacity, sizeof *paths);
  if (paths == NULL) return frz_fail_nomem(err, "data file writer");
  writer->paths = paths;
  paths[writer->n_paths++] = path;
  return FRZ_OK;
}

static frz_status open_slot(frz_data_file_writer *writer, uint32_t partition, frz_error *err)
{
  open_file file = {.partition = partition};
  open_file *slots = frz_arena_list_room(&writer->arena, writer->slots, writer->n_slots,
                                         &writer->slots_capacity, sizeof *slots);
  if (slots == NULL) return frz_fail_nomem(err, "data file writer");
  writer->slots = slots;
  FRZ_TRY(make_path(writer, partition, &file.path, err));
  FRZ_TRY(
      frz_lazy_sink_create(writer->alloc, writer->storage, file.path, HOLD_BYTES, &file.sink, err));
  frz_status st =
      frz_parquet_writer_create(writer->context, writer->stored.fields, writer->n_written,
                                file.sink, &writer->properties.parquet, &file.parquet, err);
  if (st != FRZ_OK) {
    frz_sink_free(file.sink);
    return st;
  }
  *slot_of(writer, partition) = (int32_t)writer->n_slots;
  writer->slots[writer->n_slots++] = file;
  writer->n_named++;
  return FRZ_OK;
}

/* The description of a file that is finished. */
static frz_status describe(frz_data_file_writer *writer, const open_file *file,
                           frz_data_file *described, frz_error *err)
{
  *described = (frz_data_file){.content = FRZ_CONTENT_DATA,
                               .path = file->path,
                               .format = FRZ_FORMAT_PARQUET,
                               .spec_id = writer->spec->spec_id,
                               .sort_order_id = writer->sort_order_id,
                               .first_row_id = -1,
                               .content_offset = -1,
                               .content_size_bytes = -1};
  FRZ_TRY(frz_partition_split_values(&writer->split, file->partition, &writer->arena,
                                     &described->partition, err));
  return frz_data_file_set_metrics(&writer->metrics, &file->summary, &writer->arena, described,
                                   err);
}

static frz_status commit_one(void *arg, size_t i, frz_error *err)
{
  frz_data_file_writer *writer = arg;
  frz_sink *sink = writer->ended[i];
  return sink->commit(sink, err);
}

static frz_status settle_one(void *arg, size_t i, frz_error *err)
{
  frz_data_file_writer *writer = arg;
  frz_sink *sink = writer->ended[i];
  (void)err;
  sink->settle(sink);
  return FRZ_OK;
}

static void drop_ended(frz_data_file_writer *writer)
{
  for (size_t i = 0; i < writer->n_ended; i++) frz_sink_free(writer->ended[i]);
  writer->n_ended = 0;
}

/* Names are settled when all are there: what a file system's journal waits for one has the others'
 * too. */
static frz_status commit_ended(frz_data_file_writer *writer, frz_error *err)
{
  size_t n = writer->n_ended;
  frz_status st = frz_parallel_for(writer->context, n, commit_one, writer, err);
  if (st == FRZ_OK) st = frz_parallel_for(writer->context, n, settle_one, writer, err);
  drop_ended(writer);
  return st;
}

/* Everything else that can fail happens before the commit: a committed file is always described. */
static frz_status end_file(frz_data_file_writer *writer, size_t slot, frz_error *err)
{
  open_file *file = &writer->slots[slot];
  if (!file->is_finished) FRZ_TRY(frz_parquet_writer_finish(file->parquet, &file->summary, err));
  frz_data_file *files = frz_arena_list_room(&writer->arena, writer->files, writer->n_files,
                                             &writer->files_capacity, sizeof *files);
  if (files == NULL) return frz_fail_nomem(err, "data file writer");
  writer->files = files;
  FRZ_TRY(describe(writer, file, &files[writer->n_files], err));
  FRZ_TRY(note_path(writer, file->path, err));
  writer->n_files++;
  writer->ended[writer->n_ended++] = file->sink;
  file->sink = NULL;
  drop_slot(writer, slot);
  return writer->n_ended < writer->ended_max ? FRZ_OK : commit_ended(writer, err);
}

typedef struct gather {
  const frz_batch *from;
  frz_batch *to;
  const int64_t *rows; /* NULL: from `first` on */
  int64_t first;
  int64_t n;
} gather;

static frz_status gather_column(void *arg, size_t i, frz_error *err)
{
  const gather *self = arg;
  frz_column *to = &self->to->columns[i];
  const frz_column *from = &self->from->columns[i];
  if (self->rows == NULL) return frz_column_append_rows(to, from, self->first, self->n, err);
  return frz_column_append_take(to, from, self->rows, self->n, err);
}

/* Append rows to a batch of the written columns; it keeps the rows it had on failure. */
static frz_status gather_rows(frz_data_file_writer *writer, const gather *self, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_batch *to = self->to;
  if (self->n * (int64_t)writer->n_written >= GATHER_PARALLEL_VALUES)
    st = frz_parallel_for(writer->context, writer->n_written, gather_column,
                          (void *)(uintptr_t)self, err);
  else
    for (size_t i = 0; st == FRZ_OK && i < writer->n_written; i++)
      st = gather_column((void *)(uintptr_t)self, i, err);
  if (st == FRZ_OK) to->n_rows += self->n;
  for (size_t i = 0; st != FRZ_OK && i < to->n_columns; i++)
    frz_column_truncate(&to->columns[i], to->n_rows);
  return st;
}

/* Write `n` rows of `held`, one behind the other. */
static frz_status write_rows(frz_data_file_writer *writer, const open_file *file,
                             const frz_batch *held, const int64_t *rows, int64_t n, frz_error *err)
{
  frz_batch piece;
  FRZ_TRY(frz_batch_init(&piece, writer->stored.fields, writer->n_written, writer->alloc, err));
  gather self = {.from = held, .to = &piece, .rows = rows, .n = n};
  frz_status st = gather_rows(writer, &self, err);
  if (st == FRZ_OK) st = frz_parquet_writer_write(file->parquet, &piece, err);
  frz_batch_dispose(&piece);
  return st;
}

/* Write all rows of `held` in the order that `rows` gives, into as many files as they fill. */
static frz_status write_run(frz_data_file_writer *writer, uint32_t partition, const frz_batch *held,
                            const int64_t *rows, frz_error *err)
{
  for (int64_t first = 0; first < held->n_rows; first += SLICE_ROWS) {
    if (*slot_of(writer, partition) < 0) FRZ_TRY(open_slot(writer, partition, err));
    size_t slot = (size_t)*slot_of(writer, partition);
    int64_t n = held->n_rows - first < SLICE_ROWS ? held->n_rows - first : SLICE_ROWS;
    FRZ_TRY(write_rows(writer, &writer->slots[slot], held, rows + first, n, err));
    if (first + n < held->n_rows &&
        frz_parquet_writer_bytes(writer->slots[slot].parquet) >= writer->properties.target_bytes)
      FRZ_TRY(end_file(writer, slot, err));
  }
  return FRZ_OK;
}

/* The order of the rows that are held, appended to `rows` (int64_t). */
static frz_status sort_held(const frz_data_file_writer *writer, const frz_batch *held,
                            frz_buf *rows, frz_error *err)
{
  frz_sort_keys keys = {0};
  FRZ_TRY(frz_sort_keys_make(&writer->sort, held->columns, held->n_rows, &keys, err));
  frz_status st = frz_sort_rows(keys.keys, keys.n_keys, held->n_rows, rows, err);
  frz_sort_keys_dispose(&keys);
  return st;
}

static frz_status write_held(frz_data_file_writer *writer, size_t slot, frz_error *err)
{
  uint32_t partition = writer->slots[slot].partition;
  frz_batch held = writer->slots[slot].held;
  writer->slots[slot].held = (frz_batch){0};
  frz_buf rows;
  frz_buf_init(&rows, writer->alloc, SIZE_MAX / 4);
  frz_status st = sort_held(writer, &held, &rows, err);
  if (st == FRZ_OK)
    st = write_run(writer, partition, &held, (const int64_t *)(const void *)rows.data, err);
  frz_buf_dispose(&rows);
  frz_batch_dispose(&held);
  return st;
}

static frz_status close_slot(frz_data_file_writer *writer, size_t slot, frz_error *err)
{
  uint32_t partition = writer->slots[slot].partition;
  if (writer->slots[slot].held.n_rows != 0) FRZ_TRY(write_held(writer, slot, err));
  return end_file(writer, (size_t)*slot_of(writer, partition), err);
}

/* Of the created files, or of all. There is one. */
static frz_status close_oldest(frz_data_file_writer *writer, bool created, frz_error *err)
{
  size_t oldest = SIZE_MAX;
  for (size_t i = 0; i < writer->n_slots; i++) {
    const open_file *file = &writer->slots[i];
    if (created && !file->is_created) continue;
    if (oldest == SIZE_MAX || file->last_use < writer->slots[oldest].last_use) oldest = i;
  }
  assert(oldest != SIZE_MAX);
  return close_slot(writer, oldest, err);
}

/* Look again at what a file costs. */
static void measure(frz_data_file_writer *writer, open_file *file)
{
  writer->memory_bytes -= file->memory_bytes;
  writer->n_created -= file->is_created;
  file->memory_bytes = frz_parquet_writer_memory(file->parquet) + frz_lazy_sink_memory(file->sink) +
                       frz_batch_memory(&file->held);
  file->is_created = frz_lazy_sink_is_open(file->sink);
  writer->memory_bytes += file->memory_bytes;
  writer->n_created += file->is_created;
}

/* Make the file that holds most memory give it up: its row group is ended and, while more files may
 * be created, moved to storage. */
static frz_status shrink_largest(frz_data_file_writer *writer, bool *found_out, frz_error *err)
{
  bool may_create = writer->n_created < CREATED_MAX;
  open_file *largest = NULL;
  for (size_t i = 0; i < writer->n_slots; i++) {
    open_file *file = &writer->slots[i];
    bool can_shrink = file->has_rows || (may_create && !file->is_created);
    if (can_shrink && (largest == NULL || file->memory_bytes > largest->memory_bytes))
      largest = file;
  }
  *found_out = largest != NULL;
  if (largest == NULL) return FRZ_OK;
  FRZ_TRY(frz_parquet_writer_flush(largest->parquet, err));
  if (may_create) FRZ_TRY(frz_lazy_sink_open(largest->sink, err));
  largest->has_rows = false;
  measure(writer, largest);
  return FRZ_OK;
}

static size_t largest_slot(const frz_data_file_writer *writer)
{
  size_t largest = 0;
  for (size_t i = 1; i < writer->n_slots; i++)
    if (writer->slots[i].memory_bytes > writer->slots[largest].memory_bytes) largest = i;
  return largest;
}

/* Keep memory, files and descriptors below their limits. Slots move: no pointer to one survives. */
static frz_status settle(frz_data_file_writer *writer, frz_error *err)
{
  while (writer->n_slots >= SLOTS_MAX) FRZ_TRY(close_oldest(writer, false, err));
  while (writer->n_created > CREATED_MAX) FRZ_TRY(close_oldest(writer, true, err));
  while (writer->n_slots > 0 && writer->memory_bytes > (size_t)writer->memory_max) {
    bool found;
    if (writer->sort.n_parts != 0) {
      FRZ_TRY(close_slot(writer, largest_slot(writer), err));
      continue;
    }
    FRZ_TRY(shrink_largest(writer, &found, err));
    if (!found) FRZ_TRY(close_oldest(writer, false, err));
    while (writer->n_created > CREATED_MAX) FRZ_TRY(close_oldest(writer, true, err));
  }
  return FRZ_OK;
}

/* ---- rows ---- */

/* Hold rows until they can be sorted. A batch whose offsets are full is written first. */
static frz_status hold_rows(frz_data_file_writer *writer, uint32_t partition,
                            const frz_batch *batch, const int64_t *rows, int64_t first, int64_t n,
                            frz_error *err)
{
  while (n > 0) {
    if (*slot_of(writer, partition) < 0) FRZ_TRY(open_slot(writer, partition, err));
    size_t slot = (size_t)*slot_of(writer, partition);
    open_file *file = &writer->slots[slot];
    file->last_use = ++writer->clock;
    if (file->held.columns == NULL)
      FRZ_TRY(frz_batch_init(&file->held, writer->stored.fields, writer->n_written, writer->alloc,
                             err));
    int64_t piece = n < SLICE_ROWS ? n : SLICE_ROWS;
    gather self = {batch, &file->held, rows, first, piece};
    frz_status st = gather_rows(writer, &self, err);
    if (st == FRZ_ERR_LIMIT && file->held.n_rows != 0) {
      FRZ_TRY(close_slot(writer, slot, err));
      continue;
    }
    FRZ_TRY(st);
    n -= piece;
    first += piece;
    if (rows != NULL) rows += piece;
    measure(writer, file);
    if (file->memory_bytes >= writer->held_bytes_max) FRZ_TRY(close_slot(writer, slot, err));
    FRZ_TRY(settle(writer, err));
  }
  return FRZ_OK;
}

/* Rows [first, first + n) of a batch of the written columns. */
static frz_status write_range(frz_data_file_writer *writer, uint32_t partition,
                              const frz_batch *batch, int64_t first, int64_t n, frz_error *err)
{
  if (writer->sort.n_parts != 0) return hold_rows(writer, partition, batch, NULL, first, n, err);
  while (n > 0) {
    if (*slot_of(writer, partition) < 0) FRZ_TRY(open_slot(writer, partition, err));
    size_t slot = (size_t)*slot_of(writer, partition);
    open_file *file = &writer->slots[slot];
    file->last_use = ++writer->clock;
    int64_t piece = n < SLICE_ROWS ? n : SLICE_ROWS;
    FRZ_TRY(frz_parquet_writer_write_rows(file->parquet, batch, first, piece, err));
    first += piece;
    n -= piece;
    if (frz_parquet_writer_bytes(file->parquet) >= writer->properties.target_bytes) {
      FRZ_TRY(close_slot(writer, slot, err));
    } else {
      file->has_rows = true;
      if (writer->n_slots > SLOTS_CALM) frz_parquet_writer_relax(file->parquet);
      measure(writer, file);
    }
    FRZ_TRY(settle(writer, err));
  }
  return FRZ_OK;
}

static frz_status write_gathered(frz_data_file_writer *writer, uint32_t partition,
                                 const frz_batch *batch, const int64_t *rows, int64_t n,
                                 frz_error *err)
{
  frz_batch taken;
  FRZ_TRY(frz_batch_init(&taken, writer->stored.fields, writer->n_written, writer->alloc, err));
  gather self = {batch, &taken, rows, 0, n};
  frz_status st = gather_rows(writer, &self, err);
  if (st == FRZ_OK) st = write_range(writer, partition, &taken, 0, n, err);
  frz_batch_dispose(&taken);
  return st;
}

static frz_status write_group(frz_data_file_writer *writer, uint32_t partition,
                              const frz_batch *batch, const int64_t *rows, int64_t n,
                              frz_error *err)
{
  if (rows[n - 1] - rows[0] == n - 1) return write_range(writer, partition, batch, rows[0], n, err);
  if (writer->sort.n_parts != 0) return hold_rows(writer, partition, batch, rows, 0, n, err);
  return write_gathered(writer, partition, batch, rows, n, err);
}

/* Room for partitions that were seen for the first time. */
static frz_status grow_partitions(frz_data_file_writer *writer, frz_error *err)
{
  size_t before = writer->slot_of.size;
  size_t after = writer->split.n_partitions * sizeof(int32_t);
  if (after <= before) return FRZ_OK;
  FRZ_TRY(frz_buf_resize(&writer->slot_of, after, err));
  memset(writer->slot_of.data + before, 0xff, after - before); /* -1 */
  return FRZ_OK;
}

/* Order the batch's rows by partition, in each as they were: `counts` then tells where groups end.
 */
static frz_status group_rows(frz_data_file_writer *writer, int64_t n, frz_error *err)
{
  size_t n_partitions = writer->split.n_partitions;
  writer->counts.size = 0;
  FRZ_TRY(frz_buf_resize_zeroed(&writer->counts, n_partitions * sizeof(uint32_t), err));
  FRZ_TRY(frz_buf_resize(&writer->rows, (size_t)n * sizeof(int64_t), err));
  const uint32_t *numbers = (const uint32_t *)(const void *)writer->numbers.data;
  uint32_t *counts = (uint32_t *)(void *)writer->counts.data;
  int64_t *rows = (int64_t *)(void *)writer->rows.data;
  for (int64_t i = 0; i < n; i++) counts[numbers[i]]++;
  uint32_t start = 0;
  for (size_t p = 0; p < n_partitions; p++) {
    uint32_t count = counts[p];
    counts[p] = start;
    start += count;
  }
  for (int64_t i = 0; i < n; i++) rows[counts[numbers[i]]++] = i;
  return FRZ_OK;
}

static frz_status write_split(frz_data_file_writer *writer, const frz_batch *batch,
                              const frz_batch *written, frz_error *err)
{
  FRZ_TRY(frz_buf_resize(&writer->numbers, (size_t)batch->n_rows * sizeof(uint32_t), err));
  uint32_t *numbers = (uint32_t *)(void *)writer->numbers.data;
  FRZ_TRY(frz_partition_split_run(&writer->split, batch, numbers, err));
  FRZ_TRY(grow_partitions(writer, err));
  int64_t same = 1;
  while (same < batch->n_rows && numbers[same] == numbers[0]) same++;
  if (same == batch->n_rows) return write_range(writer, numbers[0], written, 0, same, err);
  FRZ_TRY(group_rows(writer, batch->n_rows, err));
  const uint32_t *ends = (const uint32_t *)(const void *)writer->counts.data;
  const int64_t *rows = (const int64_t *)(const void *)writer->rows.data;
  uint32_t first = 0;
  for (size_t p = 0; p < writer->split.n_partitions; p++) {
    if (ends[p] == first) continue;
    FRZ_TRY(write_group(writer, (uint32_t)p, written, rows + first, ends[p] - first, err));
    first = ends[p];
  }
  return FRZ_OK;
}

static frz_status check_batch(const frz_data_file_writer *writer, const frz_batch *batch,
                              frz_error *err)
{
  bool brings_lineage = batch->n_columns == writer->n_fields + FRZ_LINEAGE_COLUMNS;
  if (batch->n_columns != writer->n_fields && !(brings_lineage && writer->has_lineage))
    return frz_fail(err, FRZ_ERR_INVALID, "batch of %zu columns for a table of %zu",
                    batch->n_columns, writer->n_fields);
  const frz_arrow_field *lineage = &writer->stored.fields[writer->stored.n_columns];
  for (size_t i = 0; i < batch->n_columns; i++) {
    const frz_arrow_field *field =
        i < writer->n_fields ? &writer->fields[i] : &lineage[i - writer->n_fields];
    if (batch->columns[i].n_rows != batch->n_rows ||
        !frz_arrow_type_equal(batch->columns[i].type, field->type))
      return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': the batch has another type or length",
                      FRZ_STR_ARG(field->name));
  }
  if (batch->n_rows > INT32_MAX)
    return frz_fail(err, FRZ_ERR_LIMIT, "batch of %lld rows", (long long)batch->n_rows);
  return FRZ_OK;
}

/* Write the columns that files hold. They are lent: nothing here changes or frees them. */
static frz_status write_lent(frz_data_file_writer *writer, const frz_batch *batch,
                             const frz_column *no_lineage, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena scratch;
  frz_arena_init(&scratch, writer->alloc, FRZ_LIMIT_WRITER_BYTES);
  size_t n = writer->stored.n_columns;
  frz_column *columns = frz_arena_array(&scratch, writer->n_written, sizeof *columns);
  if (columns == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "batch"));
  FRZ_TRY_OUT(frz_stored_columns_lend(&writer->stored, batch->columns, &scratch, columns, err));
  for (size_t i = n; i < writer->n_written; i++)
    columns[i] = no_lineage != NULL ? *no_lineage : batch->columns[writer->n_fields + i - n];
  frz_batch written = {batch->n_rows, columns, writer->n_written, writer->alloc};
  FRZ_TRY_OUT(write_split(writer, batch, &written, err));
out:
  frz_arena_free(&scratch);
  return st;
}

static frz_status write_batch(frz_data_file_writer *writer, const frz_batch *batch, frz_error *err)
{
  FRZ_TRY(check_batch(writer, batch, err));
  if (batch->n_rows == 0) return FRZ_OK;
  writer->has_rows = true;
  if (writer->stored.is_all && batch->n_columns == writer->n_written)
    return write_split(writer, batch, batch, err);
  if (!writer->has_lineage || batch->n_columns > writer->n_fields)
    return write_lent(writer, batch, NULL, err);
  frz_column nulls; /* of rows that are new */
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_column_init(&nulls, &writer->stored.fields[writer->stored.n_columns], writer->alloc,
                          err));
  FRZ_TRY_OUT(frz_column_append_nulls(&nulls, batch->n_rows, err));
  FRZ_TRY_OUT(write_lent(writer, batch, &nulls, err));
out:
  frz_column_dispose(&nulls);
  return st;
}

int64_t frz_data_file_writer_batch_rows(const frz_data_file_writer *writer)
{
  return writer->spec->n_fields == 0 ? SLICE_ROWS : SPLIT_ROWS;
}

frz_status frz_data_file_writer_write(frz_data_file_writer *writer, const frz_batch *batch,
                                      frz_error *err)
{
  if (writer->failed || writer->finished)
    return frz_fail(err, FRZ_ERR_INVALID, "data file writer: used after it failed or finished");
  frz_status st = frz_context_check_waiting(writer->context, err); /* perhaps a task of a pool */
  if (st == FRZ_OK) st = write_batch(writer, batch, err);
  if (st != FRZ_OK) writer->failed = true;
  return st;
}

/* ---- the end ---- */

static int latest_first(const void *a, const void *b)
{
  const open_file *left = a;
  const open_file *right = b;
  return left->last_use > right->last_use ? -1 : left->last_use < right->last_use;
}

static void order_slots(frz_data_file_writer *writer)
{
  if (writer->n_slots == 0) return;
  qsort(writer->slots, writer->n_slots, sizeof *writer->slots, latest_first);
  for (size_t i = 0; i < writer->n_slots; i++)
    *slot_of(writer, writer->slots[i].partition) = (int32_t)i;
}

/* Might its rows fill more than one file? */
static bool may_roll(const frz_data_file_writer *writer, const open_file *file)
{
  return file->held.n_rows != 0 && file->memory_bytes >= (size_t)writer->properties.target_bytes;
}

/* Sort and write what the slot at place `i` from the end holds, and its footer, and let the storage
 * begin with it. It touches nothing of the writer that other slots share. */
static frz_status finish_slot(void *arg, size_t i, frz_error *err)
{
  frz_data_file_writer *writer = arg;
  open_file *file = &writer->slots[writer->n_slots - 1 - i];
  frz_batch *held = &file->held;
  frz_status st = FRZ_OK;
  if (held->n_rows != 0) {
    frz_buf rows;
    frz_buf_init(&rows, writer->alloc, SIZE_MAX / 4);
    st = sort_held(writer, held, &rows, err);
    const int64_t *order = (const int64_t *)(const void *)rows.data;
    for (int64_t first = 0; st == FRZ_OK && first < held->n_rows; first += SLICE_ROWS) {
      int64_t n = held->n_rows - first < SLICE_ROWS ? held->n_rows - first : SLICE_ROWS;
      st = write_rows(writer, file, held, order + first, n, err);
    }
    frz_buf_dispose(&rows);
    frz_batch_dispose(held);
  }
  if (st == FRZ_OK) st = frz_parquet_writer_finish(file->parquet, &file->summary, err);
  file->is_finished = st == FRZ_OK;
  return st == FRZ_OK ? file->sink->prepare(file->sink, err) : st;
}

/* End the last slots, each a file. */
static frz_status end_slots(frz_data_file_writer *writer, frz_error *err)
{
  size_t n = 0;
  while (n < COMMITS_AT_ONCE && n < writer->n_slots &&
         !may_roll(writer, &writer->slots[writer->n_slots - 1 - n]))
    n++;
  if (n == 0) return close_slot(writer, writer->n_slots - 1, err);
  FRZ_TRY(frz_parallel_for(writer->context, n, finish_slot, writer, err));
  for (; n > 0; n--) FRZ_TRY(end_file(writer, writer->n_slots - 1, err));
  return FRZ_OK;
}

static frz_status finish(frz_data_file_writer *writer, frz_arena *arena,
                         const frz_data_file **files_out, size_t *n_files_out, frz_error *err)
{
  writer->ended_max = COMMITS_AT_ONCE;
  order_slots(writer);
  while (writer->n_slots > 0) FRZ_TRY(end_slots(writer, err));
  FRZ_TRY(commit_ended(writer, err));
  frz_data_file *files = frz_arena_array(arena, writer->n_files, sizeof *files);
  if (files == NULL) return frz_fail_nomem(err, "data files");
  for (size_t i = 0; i < writer->n_files; i++)
    FRZ_TRY(frz_data_file_copy(&writer->files[i], arena, &files[i], err));
  *files_out = files;
  *n_files_out = writer->n_files;
  return FRZ_OK;
}

frz_status frz_data_file_writer_finish(frz_data_file_writer *writer, frz_arena *arena,
                                       const frz_data_file **files_out, size_t *n_files_out,
                                       frz_error *err)
{
  if (writer->failed || writer->finished)
    return frz_fail(err, FRZ_ERR_INVALID, "data file writer: used after it failed or finished");
  frz_status st = finish(writer, arena, files_out, n_files_out, err);
  writer->finished = st == FRZ_OK;
  writer->failed = st != FRZ_OK;
  return st;
}

void frz_data_file_writer_keep(frz_data_file_writer *writer)
{
  writer->kept = true;
}

static void remove_files(frz_data_file_writer *writer)
{
  for (size_t i = 0; i < writer->n_paths; i++) {
    frz_error error = {0};
    frz_status st = frz_storage_remove(writer->storage, writer->paths[i], &error);
    if (st != FRZ_OK && st != FRZ_ERR_NOT_FOUND)
      frz_context_log(writer->context, FRZ_LOG_WARNING, "data file '%.*s' stays behind: %s",
                      FRZ_STR_ARG(writer->paths[i]), error.message);
  }
}

void frz_data_file_writer_free(frz_data_file_writer *writer)
{
  if (writer == NULL) return;
  while (writer->n_slots > 0) drop_slot(writer, writer->n_slots - 1);
  drop_ended(writer);
  frz_compressors_dispose(&writer->compressors);
  if (!writer->kept) remove_files(writer);
  if (writer->has_split) frz_partition_split_dispose(&writer->split);
  frz_buf_dispose(&writer->slot_of);
  frz_buf_dispose(&writer->numbers);
  frz_buf_dispose(&writer->counts);
  frz_buf_dispose(&writer->rows);
  frz_arena_free(&writer->arena);
  frz_table_metadata_release(writer->metadata);
  frz_storage_release(writer->storage);
  frz_alloc_free(writer->alloc, writer, sizeof *writer);
}
