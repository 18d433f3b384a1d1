/*
 * fault_arrow.c - columns and streams while allocations are refused, one later each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "arrow/column_sort.h"
#include "fault.h"
#include "random_columns.h"

enum { N_FIELDS = 4, N_ROWS = 40 };

typedef struct sample {
  frz_arena arena;
  frz_arrow_field fields[N_FIELDS];
  frz_batch batch;
} sample;

static void make_sample(sample *self, uint64_t seed)
{
  frz_feed feed = {.state = seed};
  frz_arena_init(&self->arena, frz_alloc_default(), 1 << 24);
  assert_int_equal(
      frz_random_batch(&feed, &self->arena, 0, self->fields, N_FIELDS, N_ROWS, &self->batch),
      FRZ_OK);
}

/* A copy of the sample whose appends may fail: each failure must leave the rows of before. */
static frz_status build(const frz_alloc *alloc, const sample *self, frz_batch *batch_out,
                        frz_error *err)
{
  int64_t rows[N_ROWS];
  frz_batch batch = {0};
  frz_status st = FRZ_OK;
  for (int64_t i = 0; i < N_ROWS; i++) rows[i] = i % 3 == 0 ? -1 : N_ROWS - 1 - i;
  FRZ_TRY(frz_batch_init(&batch, self->fields, N_FIELDS, alloc, err));
  for (int i = 0; i < N_FIELDS; i++) {
    frz_column *column = &batch.columns[i];
    const frz_column *from = &self->batch.columns[i];
    int64_t before = 0;
    for (int step = 0; step < 4 && st == FRZ_OK; step++) {
      before = column->n_rows;
      if (step == 0) st = frz_column_append_rows(column, from, 0, N_ROWS, err);
      if (step == 1) st = frz_column_append_take(column, from, rows, N_ROWS, err);
      if (step == 2) st = frz_column_append_nulls(column, N_ROWS, err);
      if (step == 3) st = frz_column_append_repeat(column, from, 7, N_ROWS, err);
    }
    if (st != FRZ_OK) assert_int_equal(column->n_rows, before);
    for (int64_t row = 0; row < column->n_rows && row < N_ROWS; row++)
      assert_true(frz_column_values_equal(column, row, from, row));
    if (st != FRZ_OK) goto out;
  }
  batch.n_rows = 4 * N_ROWS;
  for (int64_t i = 0; i < N_ROWS; i++) rows[i] = i * 2;
  st = frz_batch_filter(&batch, rows, N_ROWS, err);
  for (int i = 0; i < N_FIELDS; i++)
    assert_int_equal(batch.columns[i].n_rows, st == FRZ_OK ? N_ROWS : 4 * N_ROWS);
out:
  if (st != FRZ_OK) {
    frz_batch_dispose(&batch);
    return st;
  }
  *batch_out = batch;
  return FRZ_OK;
}

static frz_status through_stream(const frz_alloc *alloc, const sample *self, frz_error *err)
{
  frz_batch batch;
  frz_batch got = {0};
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  FRZ_TRY(build(alloc, self, &batch, err));
  FRZ_TRY(frz_stream_export_batches(self->fields, N_FIELDS, &batch, 1, alloc, &stream, err));
  FRZ_TRY(frz_stream_reader_open(&reader, &stream, alloc, err));
  frz_status st = frz_stream_reader_next(&reader, &got, err);
  if (st == FRZ_OK) {
    assert_int_equal(got.n_rows, N_ROWS);
    frz_batch_dispose(&got);
    st = frz_stream_reader_next(&reader, &got, err);
    frz_batch_dispose(&got);
  }
  frz_stream_reader_dispose(&reader);
  return st;
}

static frz_status sort_by_all(const frz_alloc *alloc, const sample *self, frz_error *err)
{
  frz_sort_key keys[N_FIELDS];
  size_t n_keys = 0;
  for (size_t i = 0; i < N_FIELDS; i++)
    if (frz_column_is_sortable(self->batch.columns[i].type))
      keys[n_keys++] = (frz_sort_key){&self->batch.columns[i], i % 2 == 0, false};
  frz_buf rows;
  frz_buf_init(&rows, alloc, 1 << 20);
  frz_status st = frz_sort_rows(keys, n_keys, N_ROWS, &rows, err);
  assert_int_equal(rows.size, st == FRZ_OK ? N_ROWS * sizeof(int64_t) : 0);
  frz_buf_dispose(&rows);
  return st;
}

static void test_a_sort_reports_refused_allocations(void **state)
{
  (void)state;
  sample self;
  frz_fault fault = {0};
  long n = 0;
  make_sample(&self, 3);
  do {
    frz_error error = {0};
    frz_fault_arm(&fault, ++n);
    frz_status st = sort_by_all(&fault.alloc, &self, &error);
    assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_int_equal(n, 3);
  frz_batch_dispose(&self.batch);
  frz_arena_free(&self.arena);
}

static void test_every_refused_allocation_is_reported(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 12; seed++) {
    sample self;
    frz_fault fault = {0};
    long n = 0;
    make_sample(&self, seed);
    do {
      frz_error error = {0};
      frz_fault_arm(&fault, ++n);
      frz_status st = through_stream(&fault.alloc, &self, &error);
      assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
      assert_int_equal(fault.live, 0);
    } while (fault.requests >= n);
    assert_true(n > 20);
    frz_batch_dispose(&self.batch);
    frz_arena_free(&self.arena);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_sort_reports_refused_allocations),
      cmocka_unit_test(test_every_refused_allocation_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
