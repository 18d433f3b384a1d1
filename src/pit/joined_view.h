/*
 * joined_view.h - a view's part of the result: its features, fetched a window of entity rows at a
 * time.
 *
 * A window is as many neighbouring entity rows as have features that fit the view's share of
 * memory: mostly all of them.
 */
#ifndef FRZ_PIT_JOINED_VIEW_H
#define FRZ_PIT_JOINED_VIEW_H

#include "frazil/pit.h"
#include "pit/entity_rows.h"
#include "pit/feature_table.h"
#include "pit/view_columns.h"
#include "pit/window_winners.h"

typedef struct frz_joined_view {
  const char *name;
  frz_feature_table table; /* open until the last window is fetched */
  frz_name_list fetched;   /* distinct columns */
  size_t *column_of_feature;
  size_t n_features;
  frz_read_counts search, fetch;
  frz_pit_report *report; /* NULL: nobody's */
  frz_window_winners winners;
  int64_t rows_swept, rows_filled;
  int64_t n_slices;
  int64_t first_row; /* of the window that is fetched */
  int64_t n_rows;
  size_t next_window;
  frz_buf numbers;    /* int32 a row of the window: a row of `features`, or -1 */
  frz_batch features; /* distinct winners, in file order */
} frz_joined_view;

void frz_joined_view_dispose(frz_joined_view *view);

/** Open the view's table, with counts of what is read of it. */
frz_status frz_joined_view_open(frz_joined_view *view, frz_table *table,
                                const frz_scan_options *scan, frz_error *err) FRZ_MUST_CHECK;

/** Bring the report up to date. */
void frz_joined_view_report(frz_joined_view *view);

/**
 * Cut the entity rows into windows whose features take about `bytes_max`. The table is planned: its
 * files tell how long values are.
 */
frz_status frz_joined_view_make_windows(frz_joined_view *view, const frz_entity_rows *rows,
                                        const frz_arrow_field *feature_fields, size_t bytes_max,
                                        frz_error *err) FRZ_MUST_CHECK;

/** Fetch the next window's features in place of the last one's. */
frz_status frz_joined_view_next_window(frz_joined_view *view, frz_error *err) FRZ_MUST_CHECK;

/** Append the features of `n` entity rows from `first` on, which are in order from call to call, to
 * `columns`, one a feature. */
frz_status frz_joined_view_append(frz_joined_view *view, int64_t first, int64_t n,
                                  frz_column *columns, frz_error *err) FRZ_MUST_CHECK;

/** Memory that the fetched window holds. */
size_t frz_joined_view_memory(const frz_joined_view *view);

#endif
