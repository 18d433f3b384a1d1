/*
 * feature_table.h - a feature view's table as the join reads it: one pass over a few columns,
 * newest files first, then single rows by (file, position).
 */
#ifndef FRZ_PIT_FEATURE_TABLE_H
#define FRZ_PIT_FEATURE_TABLE_H

#include "frazil/table.h"
#include "iceberg/scan/file_read.h"
#include "pit/join_time.h"

/** Opened by frz_feature_table_open(), planned by frz_feature_table_plan(). Owned by one call. */
typedef struct frz_feature_table {
  frz_context *context;
  frz_storage *storage;         /* retained */
  frz_table_metadata *metadata; /* retained */
  frz_arena arena;
  const frz_snapshot *snapshot; /* NULL: the table is empty */
  int64_t from_snapshot_id;     /* not 0: only rows that were appended after it */
  const frz_schema *schema;
  const frz_expr *filter; /* NULL: none */
  const frz_expr *prune;  /* of the plan: the filter and the window of times; NULL: none */
  bool is_planned;
  frz_scan_plan plan;
  frz_delete_cache *deletes;
  const frz_field *time_field;    /* that it was planned for */
  frz_read_counts *search_counts; /* of plan and scan; NULL: nobody's */
  frz_read_counts *fetch_counts;
  uint32_t *task_of_rank; /* tasks by data sequence number (v1: snapshot order), then path */
} frz_feature_table;

/** Choose snapshot and schema. `scan` may be NULL. */
frz_status frz_feature_table_open(frz_feature_table *table, frz_table *handle,
                                  const frz_scan_options *scan, frz_error *err) FRZ_MUST_CHECK;
void frz_feature_table_dispose(frz_feature_table *table);

/** A top-level column; FRZ_ERR_INVALID says that `what` is missing and lists the columns. */
frz_status frz_feature_table_column(const frz_feature_table *table, const char *what,
                                    const char *name, const frz_field **field_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** The Arrow form of a column, in the table's arena. */
frz_status frz_feature_table_arrow(frz_feature_table *table, const frz_field *field,
                                   frz_arrow_field *arrow_out, frz_error *err) FRZ_MUST_CHECK;

/** Find the files that may hold rows whose `time_field` lies in [least, greatest], in its own unit,
 * and that `keys` (NULL: all) may be true of. Rows outside may still come; rows inside all do. */
frz_status frz_feature_table_plan(frz_feature_table *table, const frz_field *time_field,
                                  int64_t least, int64_t greatest, const frz_expr *keys,
                                  frz_error *err) FRZ_MUST_CHECK;

/** The file of a rank. */
const frz_scan_task *frz_feature_table_task(const frz_feature_table *table, uint32_t rank);

/** The least and greatest value of an integer, date or time column in a planned file, in the
 * column's own unit, as the manifest tells them; false: it does not. */
bool frz_feature_table_file_range(const frz_feature_table *table, uint32_t rank,
                                  const frz_field *field, int64_t *least_out,
                                  int64_t *greatest_out);

/** Does the manifest say that the column has no nulls in the file? */
bool frz_feature_table_file_has_no_nulls(const frz_feature_table *table, uint32_t rank,
                                         const frz_field *field);

/** The range of all planned files together. */
bool frz_feature_table_range(const frz_feature_table *table, const frz_field *field,
                             int64_t *least_out, int64_t *greatest_out);

/** Who is shown the rows of a pass. Called from several threads, each with a `lane` in
 * [0, frz_feature_table_lanes()) that no other has meanwhile. */
typedef struct frz_feature_visitor {
  frz_status (*visit)(void *arg, size_t lane, const frz_batch *batch, const int64_t *positions,
                      uint32_t file_rank, frz_error *err);
  /** May all rows of the file, with times in [oldest, newest], be left out? NULL: none. */
  bool (*is_settled)(void *arg, size_t lane, uint32_t file_rank, int64_t oldest, int64_t newest);
  /** May is_settled() ever say so of [oldest, newest]? NULL: yes. */
  bool (*may_settle)(void *arg, int64_t oldest, int64_t newest);
  void *arg;
} frz_feature_visitor;

/** Lanes that frz_feature_table_scan() uses. */
size_t frz_feature_table_lanes(const frz_feature_table *table);

/** Show the `names` columns of every live row once, on all threads: newest files first, by the
 * bounds of the column that the plan was made for; or oldest first, where no file may be settled.
 */
frz_status frz_feature_table_scan(frz_feature_table *table, const char *const *names,
                                  size_t n_names, const frz_feature_visitor *visitor,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Open every planned file as a scan of `names` would, to count what it would read. */
frz_status frz_feature_table_explain(frz_feature_table *table, const char *const *names,
                                     size_t n_names, frz_error *err) FRZ_MUST_CHECK;

/** One row to fetch. */
typedef struct frz_row_reference {
  uint32_t file_rank;
  int64_t position;
} frz_row_reference;

/**
 * Fetch `names` of rows that are sorted by rank and position and distinct, into `batch_out` in that
 * order. Files are read in parallel.
 */
frz_status frz_feature_table_fetch(frz_feature_table *table, const char *const *names,
                                   size_t n_names, const frz_row_reference *rows, size_t n_rows,
                                   frz_batch *batch_out, frz_error *err) FRZ_MUST_CHECK;

#endif
