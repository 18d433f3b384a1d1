/*
 * delete_writer.c - see delete_writer.h.
 *
 * A delete file is written as a data file of a schema of its own, and then described as what it is.
 */
#include "delete_writer.h"

#include "base/limits.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/scan_plan.h"
#include "iceberg/write/data_file_write.h"
#include "iceberg/write/snapshot_producer.h"

static const frz_arrow_field position_fields[] = {
    {.name = {"file_path", 9},
     .field_id = FRZ_FIELD_ID_DELETE_PATH,
     .type = {.kind = FRZ_ARROW_STRING}},
    {.name = {"pos", 3}, .field_id = FRZ_FIELD_ID_DELETE_POS, .type = {.kind = FRZ_ARROW_INT64}},
};

const frz_arrow_field *frz_test_position_fields(void)
{
  return position_fields;
}

/** Write `rows`; the described files are in the arena. The files are left in place. */
static frz_status write_files(frz_table *table, frz_table_metadata *metadata,
                              const frz_schema *schema, const frz_partition_spec *spec,
                              const frz_batch *rows, frz_arena *arena, frz_data_file **files_out,
                              size_t *n_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_data_file_writer *writer = NULL;
  const frz_data_file *files = NULL;
  size_t n = 0;
  FRZ_TRY_OUT(frz_data_file_writer_create(frz_table_context(table), frz_table_storage(table),
                                          metadata, schema, spec, &writer, err));
  FRZ_TRY_OUT(frz_data_file_writer_write(writer, rows, err));
  FRZ_TRY_OUT(frz_data_file_writer_finish(writer, arena, &files, &n, err));
  frz_data_file *copies = frz_arena_array(arena, n, sizeof *copies);
  if (copies == NULL) {
    st = frz_fail_nomem(err, "delete files");
    goto out;
  }
  memcpy(copies, files, n * sizeof *copies);
  frz_data_file_writer_keep(writer);
  *files_out = copies;
  *n_out = n;
out:
  frz_data_file_writer_free(writer);
  return st;
}

static frz_status commit(frz_table *table, const frz_data_file *files, size_t n, frz_error *err)
{
  frz_snapshot_change change = {
      .operation = "delete", .added = files, .n_added = n, .added_sequence_number = -1};
  int64_t snapshot_id;
  return frz_snapshot_commit(table, &change, &snapshot_id, err);
}

frz_status frz_test_delete_keys(frz_table *table, const int32_t *ids, size_t n_ids, int32_t spec_id,
                                const frz_batch *rows, frz_error *err)
{
  return frz_test_delete_keys_among(table, ids, n_ids, n_ids, spec_id, rows, err);
}

frz_status frz_test_delete_keys_among(frz_table *table, const int32_t *ids, size_t n_ids,
                                      size_t n_keys, int32_t spec_id, const frz_batch *rows,
                                      frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_data_file *files = NULL;
  size_t n = 0;
  frz_arena_init(&arena, frz_context_alloc(frz_table_context(table)), FRZ_LIMIT_MANIFEST_BYTES);
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_schema *current = frz_metadata_current_schema(metadata);
  frz_field *fields = frz_arena_array(&arena, n_ids, sizeof *fields);
  if (fields == NULL) {
    st = frz_fail_nomem(err, "delete files");
    goto out;
  }
  for (size_t i = 0; i < n_ids; i++) fields[i] = *frz_schema_find_id(current, ids[i]);
  frz_schema schema = *current;
  schema.root.fields = fields;
  schema.root.n_fields = n_ids;
  FRZ_TRY_OUT(write_files(table, metadata, &schema, frz_metadata_spec(metadata, spec_id), rows,
                          &arena, &files, &n, err));
  for (size_t i = 0; i < n; i++) {
    files[i].content = FRZ_CONTENT_EQUALITY_DELETES;
    files[i].equality_ids = ids;
    files[i].n_equality_ids = n_keys;
  }
  FRZ_TRY_OUT(commit(table, files, n, err));
out:
  frz_table_metadata_release(metadata);
  frz_arena_free(&arena);
  return st;
}

/** The partition of a data file, found by its path in the current snapshot. */
static frz_status copy_partition(frz_table *table, const frz_table_metadata *metadata, frz_str path,
                                 frz_arena *arena, frz_data_file *to, frz_error *err)
{
  frz_scan_plan plan;
  frz_status st = frz_scan_plan_make(frz_table_context(table), frz_table_storage(table), metadata,
                                     frz_metadata_snapshot(metadata, metadata->current_snapshot_id),
                                     frz_metadata_current_schema(metadata), NULL, &plan, err);
  if (st != FRZ_OK) return st;
  for (size_t i = 0; st == FRZ_OK && i < plan.n_tasks; i++) {
    frz_data_file file;
    if (!frz_str_equal(plan.tasks[i].entry->file.path, path)) continue;
    st = frz_data_file_copy(&plan.tasks[i].entry->file, arena, &file, err);
    if (st != FRZ_OK) break;
    to->partition = file.partition;
    to->spec_id = file.spec_id;
  }
  frz_scan_plan_dispose(&plan);
  return st;
}

frz_status frz_test_delete_positions(frz_table *table, const frz_batch *rows, bool bounded,
                                     frz_error *err)
{
  static const frz_partition_spec unpartitioned = {0};
  const frz_field fields[] = {
      {.id = FRZ_FIELD_ID_DELETE_PATH,
       .name = {"file_path", 9},
       .required = true,
       .type = {.kind = FRZ_TYPE_STRING}},
      {.id = FRZ_FIELD_ID_DELETE_POS,
       .name = {"pos", 3},
       .required = true,
       .type = {.kind = FRZ_TYPE_LONG}},
  };
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_data_file *files = NULL;
  size_t n = 0;
  frz_schema schema = {.root = {.kind = FRZ_TYPE_STRUCT, .fields = fields, .n_fields = 2},
                       .highest_field_id = FRZ_FIELD_ID_DELETE_PATH};
  frz_arena_init(&arena, frz_context_alloc(frz_table_context(table)), FRZ_LIMIT_MANIFEST_BYTES);
  frz_table_metadata *metadata = frz_table_current(table);
  FRZ_TRY_OUT(write_files(table, metadata, &schema, &unpartitioned, rows, &arena, &files, &n, err));
  for (size_t i = 0; i < n; i++) {
    files[i].content = FRZ_CONTENT_POSITION_DELETES;
    FRZ_TRY_OUT(copy_partition(table, metadata, frz_column_bytes(&rows->columns[0], 0), &arena,
                               &files[i], err));
    if (bounded) continue;
    files[i].n_lower_bounds = 0;
    files[i].n_upper_bounds = 0;
  }
  FRZ_TRY_OUT(commit(table, files, n, err));
out:
  frz_table_metadata_release(metadata);
  frz_arena_free(&arena);
  return st;
}
