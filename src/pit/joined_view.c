/*
 * joined_view.c - see joined_view.h.
 *
 * A window's winners are brought into file order, so that each file is read once a window and rows
 * that won several times are fetched once. Windows end where blocks of entity rows end.
 */
#include "pit/joined_view.h"

#include <assert.h>

/* What a row of a window takes beside its features: winner 16, sorting it 16, reference 16, number
 * 4. */
enum { WINDOW_BYTES_PER_ROW = 52 };

/* Fewer values are taken faster than threads are woken. */
enum { VALUES_WORTH_THREADS = 16384 };

/* Values are compressed in files, and an estimate of their length may be off. */
enum { COMPRESSION = 4, VALUE_BYTES_MIN = 16 };

void frz_joined_view_dispose(frz_joined_view *view)
{
  frz_window_winners_dispose(&view->winners);
  frz_buf_dispose(&view->numbers);
  frz_batch_dispose(&view->features);
  frz_feature_table_dispose(&view->table);
}

frz_status frz_joined_view_open(frz_joined_view *view, frz_table *table,
                                const frz_scan_options *scan, frz_error *err)
{
  FRZ_TRY(frz_feature_table_open(&view->table, table, scan, err));
  frz_storage *counted;
  FRZ_TRY(frz_storage_count(view->table.storage, &view->search.storage, &counted, err));
  frz_storage_release(view->table.storage); /* the counted view holds it */
  view->table.storage = counted;
  view->table.search_counts = &view->search;
  view->table.fetch_counts = &view->fetch;
  return FRZ_OK;
}

void frz_joined_view_report(frz_joined_view *view)
{
  frz_pit_report *report = view->report;
  if (report == NULL) return;
  frz_read_counts_report(&view->search, &report->search);
  frz_read_counts_report(&view->fetch, &report->fetch);
  report->fetch.bytes_wanted = 0; /* columns are read in groups, of which one counts */
}

/* One storage counts both: what a fetch asked for is moved to its own counts. */
static void move_requests(frz_joined_view *view, long long n_requests, long long n_bytes)
{
  long long requests = atomic_load(&view->search.storage.n_requests) - n_requests;
  long long bytes = atomic_load(&view->search.storage.n_bytes) - n_bytes;
  atomic_fetch_sub(&view->search.storage.n_requests, requests);
  atomic_fetch_sub(&view->search.storage.n_bytes, bytes);
  atomic_fetch_add(&view->fetch.storage.n_requests, requests);
  atomic_fetch_add(&view->fetch.storage.n_bytes, bytes);
}

size_t frz_joined_view_memory(const frz_joined_view *view)
{
  return view->numbers.capacity + frz_batch_memory(&view->features) + view->winners.memory_bytes;
}

/* ---- windows ---- */

static bool lies_below(const frz_type *type, int32_t field_id)
{
  for (size_t i = 0; i < type->n_fields; i++)
    if (type->fields[i].id == field_id || lies_below(&type->fields[i].type, field_id)) return true;
  return false;
}

/* Bytes a row of a column takes in the planned files, and those below it. */
static size_t stored_bytes(const frz_feature_table *table, const frz_field *field)
{
  int64_t bytes = 0;
  int64_t n_rows = 0;
  for (size_t t = 0; t < table->plan.n_tasks; t++) {
    const frz_data_file *file = &table->plan.tasks[t].entry->file;
    if (file->n_column_sizes == 0 || file->n_rows <= 0) continue;
    n_rows += file->n_rows;
    for (size_t c = 0; c < file->n_column_sizes; c++) {
      const frz_metric *metric = &file->column_sizes[c];
      if (metric->value > 0 &&
          (metric->field_id == field->id || lies_below(&field->type, metric->field_id)))
        bytes += metric->value;
    }
  }
  return n_rows > 0 ? (size_t)(bytes / n_rows) : VALUE_BYTES_MIN;
}

static size_t row_bytes(const frz_joined_view *view, const frz_arrow_field *feature_fields)
{
  const frz_feature_table *table = &view->table;
  size_t bytes = 0;
  for (size_t f = 0; f < view->n_features; f++) {
    const frz_arrow_field *arrow = &feature_fields[f];
    size_t width = frz_arrow_value_bytes(arrow->type);
    if (arrow->n_children != 0 || frz_arrow_type_has_offsets(arrow->type)) {
      const char *name = view->fetched.names[view->column_of_feature[f]];
      const frz_field *field = frz_schema_find_name(table->schema, frz_str_from(name), true);
      width = VALUE_BYTES_MIN + (field != NULL ? stored_bytes(table, field) * COMPRESSION : 0);
    }
    bytes += width + 1;
  }
  return bytes;
}

frz_status frz_joined_view_make_windows(frz_joined_view *view, const frz_entity_rows *rows,
                                        const frz_arrow_field *feature_fields, size_t bytes_max,
                                        frz_error *err)
{
  /* Twice: a file's rows are fetched before they are joined to the other files'. */
  size_t bytes = 2 * row_bytes(view, feature_fields) + WINDOW_BYTES_PER_ROW;
  int64_t rows_max = (int64_t)(bytes_max / bytes);
  if (rows_max > INT32_MAX) rows_max = INT32_MAX;
  int64_t n_rows = 0;
  for (size_t b = 0; b < frz_entity_rows_blocks(rows); b++) {
    int64_t more = frz_entity_rows_block(rows, b)->n_rows;
    if (n_rows != 0 && n_rows + more > rows_max) {
      FRZ_TRY(frz_window_winners_add_window(&view->winners, n_rows, err));
      n_rows = 0;
    }
    n_rows += more;
  }
  return n_rows != 0 ? frz_window_winners_add_window(&view->winners, n_rows, err) : FRZ_OK;
}

/* ---- fetching ---- */

/* Number the distinct winners in file order: one reference each, and each row's number. */
static frz_status number_winners(frz_joined_view *view, const frz_buf *found, frz_buf *references,
                                 frz_error *err)
{
  size_t n_found = found->size / sizeof(frz_slot_winner);
  const frz_slot_winner *winners = (const frz_slot_winner *)(const void *)found->data;
  FRZ_TRY(frz_buf_resize(&view->numbers, (size_t)view->n_rows * sizeof(int32_t), err));
  int32_t *numbers = (int32_t *)(void *)view->numbers.data;
  for (int64_t i = 0; i < view->n_rows; i++) numbers[i] = -1;
  FRZ_TRY(frz_buf_resize(references, n_found * sizeof(frz_row_reference), err));
  frz_row_reference *distinct = (frz_row_reference *)(void *)references->data;
  int32_t n_distinct = 0;
  for (size_t i = 0; i < n_found; i++) {
    if (i % FRZ_ENTITY_BLOCK_ROWS == 0) FRZ_TRY(frz_context_poll(view->winners.context, err));
    bool is_same = i != 0 && winners[i].file_rank == winners[i - 1].file_rank &&
                   winners[i].position == winners[i - 1].position;
    if (!is_same)
      distinct[n_distinct++] = (frz_row_reference){winners[i].file_rank, winners[i].position};
    numbers[winners[i].slot] = n_distinct - 1;
  }
  references->size = (size_t)n_distinct * sizeof *distinct;
  return FRZ_OK;
}

frz_status frz_joined_view_next_window(frz_joined_view *view, frz_error *err)
{
  size_t window = view->next_window;
  assert(window < frz_window_winners_windows(&view->winners));
  frz_buf found;
  frz_buf references;
  frz_buf_init(&found, view->winners.alloc, SIZE_MAX / 2);
  frz_buf_init(&references, view->winners.alloc, SIZE_MAX / 2);
  frz_batch_dispose(&view->features);
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_window_winners_take(&view->winners, window, &found, err));
  view->first_row += view->n_rows;
  view->n_rows = frz_window_winners_rows(&view->winners, window);
  view->next_window++;
  FRZ_TRY_OUT(number_winners(view, &found, &references, err));
  frz_buf_dispose(&found);
  long long n_requests = atomic_load(&view->search.storage.n_requests);
  long long n_bytes = atomic_load(&view->search.storage.n_bytes);
  FRZ_TRY_OUT(frz_feature_table_fetch(
      &view->table, view->fetched.names, view->fetched.n_names,
      (const frz_row_reference *)(void *)references.data,
      view->fetched.n_names != 0 ? references.size / sizeof(frz_row_reference) : 0, &view->features,
      err));
  move_requests(view, n_requests, n_bytes);
  frz_joined_view_report(view);
out:
  frz_buf_dispose(&found);
  frz_buf_dispose(&references);
  return st;
}

/* Rows of a window that one feature is taken for. */
typedef struct taken_rows {
  const frz_joined_view *view;
  const int32_t *numbers; /* of the rows */
  int64_t n_rows;
  frz_column *columns; /* one a feature */
} taken_rows;

static frz_status take_feature(void *arg, size_t f, frz_error *err)
{
  const taken_rows *taken = arg;
  const frz_joined_view *view = taken->view;
  const frz_column *from = &view->features.columns[view->column_of_feature[f]];
  int64_t rows[1024];
  for (int64_t done = 0; done < taken->n_rows;) {
    int64_t n = taken->n_rows - done < 1024 ? taken->n_rows - done : 1024;
    for (int64_t i = 0; i < n; i++) rows[i] = taken->numbers[done + i];
    FRZ_TRY(frz_column_append_take(&taken->columns[f], from, rows, n, err));
    done += n;
  }
  return FRZ_OK;
}

frz_status frz_joined_view_append(frz_joined_view *view, int64_t first, int64_t n,
                                  frz_column *columns, frz_error *err)
{
  if (first >= view->first_row + view->n_rows) {
    frz_status st = frz_joined_view_next_window(view, err);
    if (st != FRZ_OK && view->name != NULL) frz_error_where(err, "view '%s': ", view->name);
    if (st != FRZ_OK) return st;
  }
  assert(first >= view->first_row && first + n <= view->first_row + view->n_rows);
  const int32_t *numbers = (const int32_t *)(const void *)view->numbers.data;
  taken_rows taken = {view, numbers + (first - view->first_row), n, columns};
  if (n * (int64_t)view->n_features >= VALUES_WORTH_THREADS)
    return frz_parallel_for(view->winners.context, view->n_features, take_feature, &taken, err);
  for (size_t f = 0; f < view->n_features; f++) FRZ_TRY(take_feature(&taken, f, err));
  return FRZ_OK;
}
