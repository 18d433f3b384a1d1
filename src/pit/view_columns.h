/*
 * view_columns.h - the columns of a feature view that decide who wins: keys, event time, created
 * time, and in format version 3 the sequence number of a row's last change, which stays the row's
 * own when the row is moved to another file.
 *
 * Shared by the join and by latest-per-key: resolves the names, knows where each column lies in a
 * scanned batch, and turns batches into offers.
 */
#ifndef FRZ_PIT_VIEW_COLUMNS_H
#define FRZ_PIT_VIEW_COLUMNS_H

#include "pit/feature_offer.h"
#include "pit/feature_table.h"

/** Distinct names, in the order they were first asked for; in an arena. */
typedef struct frz_name_list {
  const char **names;
  size_t n_names;
} frz_name_list;

/** The place of `name` in the list, which has room for it; added when new. */
size_t frz_name_list_add(frz_name_list *list, const char *name);

typedef struct frz_view_columns {
  frz_name_list names; /* what to scan */
  size_t n_keys;
  size_t *key_at;          /* places in the scanned batch */
  frz_key_form *key_forms; /* filled by the caller */
  frz_arrow_field *key_fields;
  const frz_field **key_columns; /* the table's */
  const frz_field *time_field;
  size_t time_at;
  frz_time_scale time_scale;
  bool has_created;
  size_t created_at;
  frz_time_scale created_scale;
  bool has_sequence; /* rows tell the commit that last changed them: format version 3 */
  size_t sequence_at;
} frz_view_columns;

/** `created` may be NULL. All is allocated in the table's arena; names are borrowed. */
frz_status frz_view_columns_find(frz_view_columns *columns, frz_feature_table *table,
                                 const char *const *key_names, size_t n_keys, const char *time,
                                 const char *created, frz_error *err) FRZ_MUST_CHECK;

/** One thread's buffers for turning batches into offers. */
typedef struct frz_offer_lane {
  frz_key_batch keys;
  frz_buf event_times, created_times, present;
  const frz_column **key_columns;
  frz_offer_scratch scratch;
} frz_offer_lane;

frz_status frz_offer_lane_init(frz_offer_lane *lane, const frz_view_columns *columns,
                               frz_feature_table *table, frz_error *err) FRZ_MUST_CHECK;
void frz_offer_lane_dispose(frz_offer_lane *lane);

/** Make an offer of a scanned batch; it borrows from batch and lane. */
frz_status frz_offer_lane_fill(frz_offer_lane *lane, const frz_view_columns *columns,
                               bool nulls_count, const frz_batch *batch, const int64_t *positions,
                               uint32_t file_rank, frz_offer *offer_out,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
