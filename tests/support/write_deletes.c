/*
 * write_deletes.c - add delete files to a table of an SQL catalog: for tests that compare engines.
 *
 * Usage: write_deletes CATALOG_URI TABLE keys SPEC_ID N_KEYS ROWS.parquet
 *        write_deletes CATALOG_URI TABLE positions bounded|unbounded ROWS.parquet
 *
 * `keys` commits equality delete files, one a partition of the spec. The Parquet file's columns are
 * named as the table's; the first N_KEYS of them are the key, others only give the partition.
 * `positions` commits one position delete file; its rows are file_path and pos, in that order. The
 * rows must lie in one row group. The catalog's name is "default".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/source.h"
#include "delete_writer.h"
#include "parquet/read/parquet_reader.h"
#include "test_files.h"

enum { COLUMNS_MAX = 16, ROWS_MAX = 1 << 20 };

/** The rows of a Parquet file and the names of their columns, which are kept in `reader_out`. */
static frz_status read_rows(frz_context *context, const char *path, frz_parquet_file **file_out,
                            frz_parquet_reader **reader_out, frz_batch *rows_out, frz_error *err)
{
  const frz_parquet_read_options options = {.batch_rows_max = ROWS_MAX};
  size_t size;
  frz_source *source;
  int64_t first_row;
  frz_batch more = {0};
  uint8_t *data = frz_test_read(path, &size);
  if (data == NULL) return frz_fail(err, FRZ_ERR_IO, "%s: cannot be read", path);
  frz_status st = frz_source_from_memory(frz_alloc_default(), data, size, &source, err);
  if (st == FRZ_OK) st = frz_parquet_file_open(context, source, frz_str_from(path), file_out, err);
  if (st == FRZ_OK) st = frz_parquet_reader_create(*file_out, &options, reader_out, err);
  if (st == FRZ_OK) st = frz_parquet_reader_next(*reader_out, rows_out, &first_row, err);
  if (st == FRZ_OK) st = frz_parquet_reader_next(*reader_out, &more, &first_row, err);
  if (st == FRZ_OK && more.n_rows != 0)
    st = frz_fail(err, FRZ_ERR_INVALID, "%s: more than one row group", path);
  frz_batch_dispose(&more);
  free(data);
  return st;
}

/** The table's field ids for the columns of the file. */
static frz_status find_ids(frz_table *table, const frz_parquet_reader *reader, int32_t *ids,
                           size_t *n_ids_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  const frz_arrow_field *fields = frz_parquet_reader_fields(reader, n_ids_out);
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_type *root = &frz_metadata_current_schema(metadata)->root;
  for (size_t i = 0; st == FRZ_OK && i < *n_ids_out; i++) {
    size_t k = 0;
    while (k < root->n_fields && !frz_str_equal(root->fields[k].name, fields[i].name)) k++;
    if (k == root->n_fields || i == COLUMNS_MAX)
      st = frz_fail(err, FRZ_ERR_INVALID, "%s: no column '%.*s', or too many",
                    frz_table_identifier(table), (int)fields[i].name.size, fields[i].name.data);
    else
      ids[i] = root->fields[k].id;
  }
  frz_table_metadata_release(metadata);
  return st;
}

static frz_status write_deletes(frz_context *context, frz_table *table, char **args, frz_error *err)
{
  bool is_keys = strcmp(args[0], "keys") == 0;
  frz_parquet_file *file = NULL;
  frz_parquet_reader *reader = NULL;
  frz_batch rows = {0};
  int32_t ids[COLUMNS_MAX];
  size_t n_ids;
  frz_status st = read_rows(context, args[is_keys ? 3 : 2], &file, &reader, &rows, err);
  if (st == FRZ_OK && !is_keys) {
    st = frz_test_delete_positions(table, &rows, strcmp(args[1], "bounded") == 0, err);
  } else if (st == FRZ_OK) {
    st = find_ids(table, reader, ids, &n_ids, err);
    int32_t spec_id = (int32_t)strtol(args[1], NULL, 10);
    size_t n_keys = (size_t)strtoul(args[2], NULL, 10);
    if (st == FRZ_OK)
      st = frz_test_delete_keys_among(table, ids, n_ids, n_keys, spec_id, &rows, err);
  }
  frz_batch_dispose(&rows);
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(file);
  return st;
}

int main(int argc, char **argv)
{
  bool is_keys = argc == 7 && strcmp(argv[3], "keys") == 0;
  if (!is_keys && (argc != 6 || strcmp(argv[3], "positions") != 0)) {
    fprintf(stderr,
            "usage: write_deletes CATALOG_URI TABLE keys SPEC_ID N_KEYS ROWS.parquet\n"
            "       write_deletes CATALOG_URI TABLE positions bounded|unbounded ROWS.parquet\n");
    return 2;
  }
  /* The warehouse is where tables without a location are created: never, here. */
  const frz_property properties[] = {{"type", "sql"}, {"uri", argv[1]}, {"warehouse", "."}};
  frz_error err = {0};
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_table *table = NULL;
  frz_status st = frz_context_create(NULL, &context, &err);
  if (st == FRZ_OK) st = frz_catalog_open(context, "default", properties, 3, &catalog, &err);
  if (st == FRZ_OK) st = frz_catalog_load_table(catalog, argv[2], &table, &err);
  if (st == FRZ_OK) st = write_deletes(context, table, argv + 3, &err);
  if (st != FRZ_OK) fprintf(stderr, "%s: %s\n", frz_status_name(st), err.message);
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st == FRZ_OK ? 0 : 1;
}
