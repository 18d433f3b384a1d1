/*
 * view_columns.c - see view_columns.h.
 */
#include "pit/view_columns.h"

size_t frz_name_list_add(frz_name_list *list, const char *name)
{
  for (size_t i = 0; i < list->n_names; i++)
    if (strcmp(list->names[i], name) == 0) return i;
  list->names[list->n_names] = name;
  return list->n_names++;
}

static frz_status find_time(frz_view_columns *columns, frz_feature_table *table, const char *what,
                            const char *name, const frz_field **field_out, size_t *at_out,
                            frz_time_scale *scale_out, frz_error *err)
{
  frz_arrow_field arrow;
  FRZ_TRY(frz_feature_table_column(table, what, name, field_out, err));
  FRZ_TRY(frz_feature_table_arrow(table, *field_out, &arrow, err));
  FRZ_TRY(frz_time_scale_of(&arrow, what, (*field_out)->name, scale_out, err));
  *at_out = frz_name_list_add(&columns->names, name);
  return FRZ_OK;
}

frz_status frz_view_columns_find(frz_view_columns *columns, frz_feature_table *table,
                                 const char *const *key_names, size_t n_keys, const char *time,
                                 const char *created, frz_error *err)
{
  *columns = (frz_view_columns){.n_keys = n_keys, .has_created = created != NULL};
  frz_arena *arena = &table->arena;
  columns->names.names = frz_arena_array(arena, n_keys + 3, sizeof(char *));
  columns->key_at = frz_arena_array(arena, n_keys, sizeof(size_t));
  columns->key_forms = frz_arena_array(arena, n_keys, sizeof(frz_key_form));
  columns->key_fields = frz_arena_array(arena, n_keys, sizeof(frz_arrow_field));
  columns->key_columns = frz_arena_array(arena, n_keys, sizeof(frz_field *));
  if (columns->names.names == NULL || columns->key_at == NULL || columns->key_forms == NULL ||
      columns->key_fields == NULL || columns->key_columns == NULL)
    return frz_fail_nomem(err, "join columns");
  for (size_t k = 0; k < n_keys; k++) {
    const frz_field *field;
    FRZ_TRY(frz_feature_table_column(table, "join key", key_names[k], &field, err));
    FRZ_TRY(frz_feature_table_arrow(table, field, &columns->key_fields[k], err));
    columns->key_columns[k] = field;
    columns->key_at[k] = frz_name_list_add(&columns->names, key_names[k]);
  }
  FRZ_TRY(find_time(columns, table, "timestamp field", time, &columns->time_field,
                    &columns->time_at, &columns->time_scale, err));
  const frz_field *created_field;
  if (created != NULL)
    FRZ_TRY(find_time(columns, table, "created timestamp field", created, &created_field,
                      &columns->created_at, &columns->created_scale, err));
  static const char sequence[] = "_last_updated_sequence_number";
  columns->has_sequence = table->metadata->format_version >= 3 &&
                          frz_schema_find_name(table->schema, frz_str_from(sequence), true) == NULL;
  if (columns->has_sequence) columns->sequence_at = frz_name_list_add(&columns->names, sequence);
  return FRZ_OK;
}

frz_status frz_offer_lane_init(frz_offer_lane *lane, const frz_view_columns *columns,
                               frz_feature_table *table, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(table->context);
  frz_key_batch_init(&lane->keys, alloc);
  frz_buf_init(&lane->event_times, alloc, SIZE_MAX / 2);
  frz_buf_init(&lane->created_times, alloc, SIZE_MAX / 2);
  frz_buf_init(&lane->present, alloc, SIZE_MAX / 2);
  frz_offer_scratch_init(&lane->scratch, alloc);
  lane->key_columns = frz_arena_array(&table->arena, columns->n_keys, sizeof(frz_column *));
  return lane->key_columns != NULL ? FRZ_OK : frz_fail_nomem(err, "join lane");
}

void frz_offer_lane_dispose(frz_offer_lane *lane)
{
  frz_key_batch_dispose(&lane->keys);
  frz_buf_dispose(&lane->event_times);
  frz_buf_dispose(&lane->created_times);
  frz_buf_dispose(&lane->present);
  frz_offer_scratch_dispose(&lane->scratch);
}

/* A time column as int64 in its own unit: the column's own memory where it has that form and no
 * nulls need a mark. */
static frz_status time_values(const frz_column *column, frz_time_scale scale, bool mark_nulls,
                              frz_buf *store, const int64_t **values_out, frz_error *err)
{
  if (!scale.is_32_bits && (column->n_nulls == 0 || !mark_nulls)) {
    *values_out = (const int64_t *)(const void *)column->values.data;
    return FRZ_OK;
  }
  FRZ_TRY(frz_buf_resize(store, (size_t)column->n_rows * sizeof(int64_t), err));
  int64_t *values = (int64_t *)(void *)store->data;
  for (int64_t i = 0; i < column->n_rows; i++)
    values[i] =
        mark_nulls && frz_column_is_null(column, i) ? INT64_MIN : frz_time_value(column, scale, i);
  *values_out = values;
  return FRZ_OK;
}

static frz_status presence(const frz_column *column, frz_buf *store, const uint8_t **present_out,
                           frz_error *err)
{
  *present_out = NULL;
  if (column->n_nulls == 0) return FRZ_OK;
  FRZ_TRY(frz_buf_resize(store, (size_t)column->n_rows, err));
  for (int64_t i = 0; i < column->n_rows; i++) store->data[i] = !frz_column_is_null(column, i);
  *present_out = store->data;
  return FRZ_OK;
}

frz_status frz_offer_lane_fill(frz_offer_lane *lane, const frz_view_columns *columns,
                               bool nulls_count, const frz_batch *batch, const int64_t *positions,
                               uint32_t file_rank, frz_offer *offer_out, frz_error *err)
{
  frz_offer offer = {
      .keys = &lane->keys, .positions = positions, .file_rank = file_rank, .n_rows = batch->n_rows};
  for (size_t k = 0; k < columns->n_keys; k++)
    lane->key_columns[k] = &batch->columns[columns->key_at[k]];
  FRZ_TRY(frz_key_batch_fill(&lane->keys, lane->key_columns, columns->key_forms, columns->n_keys,
                             nulls_count, batch->n_rows, err));
  const frz_column *time = &batch->columns[columns->time_at];
  FRZ_TRY(
      time_values(time, columns->time_scale, false, &lane->event_times, &offer.event_times, err));
  FRZ_TRY(presence(time, &lane->present, &offer.present, err));
  if (columns->has_created)
    FRZ_TRY(time_values(&batch->columns[columns->created_at], columns->created_scale, true,
                        &lane->created_times, &offer.created_times, err));
  if (columns->has_sequence) /* where it is null it is so in every file, and zero */
    offer.sequences =
        (const int64_t *)(const void *)batch->columns[columns->sequence_at].values.data;
  *offer_out = offer;
  return FRZ_OK;
}
