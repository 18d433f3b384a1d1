/*
 * test_tables_commit.c - changes of several tables in one commit: all of them or none, whatever
 * others do meanwhile and whatever becomes of the answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "iceberg/table/table_state.h"
#include "iceberg/write/table_write.h"
#include "test_lake.h"

/* ---- a catalog that commits to several tables ---- */

typedef enum outcome {
  ALL_DONE,
  ANSWER_LOST,   /* done, and nobody knows */
  NEVER_ARRIVES, /* not done, and nobody knows */
  TAKEN_APART    /* done to the first table alone, and nobody knows */
} outcome;

typedef struct joint {
  frz_test_lake lake;
  frz_commit_port port;
  const frz_commit_port *real;
  void *real_ctx;
  frz_table *tables[2];
  outcome outcome;
  int n_commits;
  const char *rival_filter; /* what another deletes of the second table before the first commit */
  int64_t rival_rows;       /* how many it appends then */
} joint;

static frz_status joint_load(void *ctx, const char *identifier, frz_loaded_table *loaded_out,
                             frz_error *err)
{
  const joint *self = ctx;
  return self->real->load(self->real_ctx, identifier, loaded_out, err);
}

static void let_rival_commit(const joint *self)
{
  frz_table *rival;
  frz_error err = {0};
  frz_test_ok(frz_catalog_load_table(self->lake.catalog, "ns.b", &rival, &err), &err);
  if (self->rival_filter != NULL)
    frz_test_ok(frz_table_delete(rival, self->rival_filter, NULL, NULL, &err), &err);
  if (self->rival_rows != 0) frz_test_ok(frz_test_append(rival, 100, self->rival_rows, &err), &err);
  frz_table_free(rival);
}

static bool is_current(const joint *self, const frz_commit_part *part)
{
  frz_loaded_table now = {0};
  frz_test_ok(self->real->load(self->real_ctx, part->identifier, &now, NULL), NULL);
  bool same = strcmp(now.location.data, part->base->location.data) == 0;
  frz_loaded_table_dispose(&now);
  return same;
}

static frz_status joint_commit(void *ctx, const frz_commit_part *parts, size_t n_parts,
                               frz_error *err)
{
  joint *self = ctx;
  if (self->n_commits++ == 0) let_rival_commit(self);
  for (size_t i = 0; i < n_parts; i++)
    if (!is_current(self, &parts[i]))
      return frz_fail(err, FRZ_ERR_CONFLICT, "somebody was faster at %s", parts[i].identifier);
  size_t n_done = self->outcome == NEVER_ARRIVES ? 0 : self->outcome == TAKEN_APART ? 1 : n_parts;
  for (size_t i = 0; i < n_done; i++) {
    const frz_commit_attempt *attempt = parts[i].attempt;
    frz_loaded_table next = {0};
    frz_test_ok(self->real->commit(self->real_ctx, parts[i].identifier, parts[i].base,
                                   attempt->requirements, attempt->n_requirements, attempt->updates,
                                   attempt->n_updates, &next, err),
                err);
    frz_loaded_table_dispose(&next);
  }
  return self->outcome == ALL_DONE ? FRZ_OK
                                   : frz_fail(err, FRZ_ERR_COMMIT_UNKNOWN, "connection reset");
}

static void nothing(void *ctx)
{
  (void)ctx;
}

static void open_joint(joint *self)
{
  const frz_property quick[] = {{"commit.status-check.min-wait-ms", "1"}, {NULL, NULL}};
  *self = (joint){.port = {.version = 1,
                           .load = joint_load,
                           .retain = nothing,
                           .release = nothing,
                           .commit_tables = joint_commit}};
  frz_test_lake_open(&self->lake, NULL);
  self->tables[0] = frz_test_lake_table(&self->lake, "a", NULL, quick);
  self->tables[1] = frz_test_lake_table(&self->lake, "b", NULL, quick);
}

/* From here on. */
static void put_between(joint *self)
{
  self->real = self->tables[0]->port;
  self->real_ctx = self->tables[0]->port_ctx;
  for (size_t i = 0; i < 2; i++) {
    self->tables[i]->port = &self->port;
    self->tables[i]->port_ctx = self;
  }
}

static void close_joint(joint *self)
{
  for (size_t i = 0; i < 2; i++) {
    if (self->real != NULL) {
      self->tables[i]->port = self->real;
      self->tables[i]->port_ctx = self->real_ctx;
    }
    frz_table_free(self->tables[i]);
  }
  frz_test_lake_close(&self->lake);
}

static int64_t rows_of(const joint *self, const char *identifier)
{
  frz_table *table;
  frz_error err = {0};
  frz_test_ok(frz_catalog_load_table(self->lake.catalog, identifier, &table, &err), &err);
  int64_t n_rows = frz_test_scan(table, NULL).n_rows;
  frz_table_free(table);
  return n_rows;
}

/* Rows into both, and what matches `filter` out of the second. */
static frz_status change_both(joint *self, int64_t n_rows, const char *filter,
                              frz_write_result *results, frz_error *err)
{
  frz_table_change changes[2];
  struct ArrowArrayStream rows[2];
  for (size_t i = 0; i < 2; i++) {
    frz_test_rows(10 * (int64_t)i, n_rows, frz_alloc_default(), &rows[i]);
    frz_table_change_init(&changes[i]);
    changes[i].table = self->tables[i];
    changes[i].data = &rows[i];
  }
  changes[1].filter = filter;
  frz_status st = frz_table_changes_commit(changes, 2, results, err);
  for (size_t i = 0; i < 2; i++)
    if (rows[i].release != NULL) rows[i].release(&rows[i]);
  return st;
}

/* ---- tests ---- */

static void test_all_change_together(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  frz_write_result results[2];
  open_joint(&self);
  frz_test_ok(frz_test_append(self.tables[1], 0, 3, &err), &err);
  put_between(&self);
  frz_test_ok(change_both(&self, 5, "id = 1", results, &err), &err);
  assert_int_equal(self.n_commits, 1);
  assert_int_equal(results[0].n_rows_added, 5);
  assert_int_equal(results[1].n_rows_deleted, 1);
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(results[i].snapshot_id, frz_table_current_snapshot_id(self.tables[i]));
  assert_int_equal(frz_test_scan(self.tables[0], NULL).n_rows, 5);
  assert_int_equal(frz_test_scan(self.tables[1], NULL).n_rows, 7);
  close_joint(&self);
}

static void test_what_others_appended_to_one_is_built_on(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  open_joint(&self);
  self.rival_rows = 1;
  put_between(&self);
  frz_test_ok(change_both(&self, 5, NULL, NULL, &err), &err);
  assert_int_equal(self.n_commits, 2);
  assert_int_equal(rows_of(&self, "ns.a"), 5);
  assert_int_equal(rows_of(&self, "ns.b"), 6);
  /* The lists of the attempt that lost are gone: a manifest and a list a commit. */
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse/ns/a/metadata", ".avro"), 2);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse/ns/b/metadata", ".avro"), 4);
  close_joint(&self);
}

static void test_a_conflict_in_one_leaves_all(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  open_joint(&self);
  frz_test_ok(frz_test_append(self.tables[1], 0, 3, &err), &err);
  self.rival_filter = "id = 2";
  put_between(&self);
  assert_int_equal(change_both(&self, 5, "id = 1", NULL, &err), FRZ_ERR_CONFLICT);
  assert_non_null(strstr(err.message, "table 'ns.b': "));
  assert_int_equal(rows_of(&self, "ns.a"), 0);
  assert_int_equal(rows_of(&self, "ns.b"), 2);
  close_joint(&self);
}

static void test_a_lost_answer_is_looked_up(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  open_joint(&self);
  self.outcome = ANSWER_LOST;
  put_between(&self);
  frz_test_ok(change_both(&self, 5, NULL, NULL, &err), &err);
  assert_int_equal(self.n_commits, 1);
  for (size_t i = 0; i < 2; i++) assert_int_equal(frz_test_scan(self.tables[i], NULL).n_rows, 5);
  close_joint(&self);
}

static void test_an_unknown_outcome_deletes_nothing(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  open_joint(&self);
  self.outcome = NEVER_ARRIVES;
  put_between(&self);
  assert_int_equal(change_both(&self, 5, NULL, NULL, &err), FRZ_ERR_COMMIT_UNKNOWN);
  assert_string_equal(err.message, "connection reset");
  assert_int_equal(self.n_commits, 1);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", ".parquet"), 2);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", ".avro"), 4);
  close_joint(&self);
}

static void test_a_commit_that_was_taken_apart_is_told(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  open_joint(&self);
  self.outcome = TAKEN_APART;
  put_between(&self);
  assert_int_equal(change_both(&self, 5, NULL, NULL, &err), FRZ_ERR_COMMIT_UNKNOWN);
  assert_non_null(strstr(err.message, "1 of 2 tables have the change"));
  assert_int_equal(frz_test_scan(self.tables[0], NULL).n_rows, 5);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", ".parquet"), 2);
  close_joint(&self);
}

static void test_nothing_to_do_is_no_commit(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  frz_write_result results[2];
  open_joint(&self);
  put_between(&self);
  frz_test_ok(change_both(&self, 0, "id = 1", results, &err), &err);
  assert_int_equal(self.n_commits, 0);
  assert_int_equal(results[0].snapshot_id, -1);
  assert_int_equal(results[1].snapshot_id, -1);
  close_joint(&self);
}

static void test_a_table_stands_there_once(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  open_joint(&self);
  frz_table *others[2] = {self.tables[1], NULL};
  frz_test_ok(frz_catalog_load_table(self.lake.catalog, "ns.a", &others[1], &err), &err);
  put_between(&self);
  self.tables[1] = self.tables[0];
  assert_int_equal(change_both(&self, 5, NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "table 'ns.a' stands twice in one commit");
  self.tables[1] = others[1]; /* the same through another handle */
  assert_int_equal(change_both(&self, 5, NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "table 'ns.a' stands twice in one commit");
  assert_int_equal(self.n_commits, 0);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", ".parquet"), 0);
  self.tables[1] = others[0];
  frz_table_free(others[1]);
  close_joint(&self);
}

static void test_catalogs_without_such_commits_say_so(void **state)
{
  (void)state;
  joint self;
  frz_error err = {0};
  frz_table_change change;
  struct ArrowArrayStream rows;
  open_joint(&self);
  frz_table_change_init(&change);
  change.table = self.tables[0];
  assert_int_equal(frz_catalog_commit_tables(self.lake.catalog, &change, 1, NULL, &err),
                   FRZ_ERR_INVALID);
  assert_string_equal(err.message, "change 0: neither data nor filter");
  frz_test_rows(0, 5, frz_alloc_default(), &rows);
  change.data = &rows;
  assert_int_equal(frz_catalog_commit_tables(self.lake.catalog, &change, 1, NULL, &err),
                   FRZ_ERR_UNSUPPORTED);
  assert_string_equal(
      err.message,
      "catalog 'test': only catalogs of type rest change several tables in one commit; change one "
      "table after the other");
  assert_null(rows.release);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", ".parquet"), 0);
  frz_catalog *other = frz_test_lake_connect(&self.lake, self.lake.context);
  change.filter = "true";
  change.data = NULL;
  assert_int_equal(frz_catalog_commit_tables(other, &change, 1, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "table 'ns.a' is not of catalog 'test'");
  frz_catalog_free(other);
  close_joint(&self);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_all_change_together),
      cmocka_unit_test(test_what_others_appended_to_one_is_built_on),
      cmocka_unit_test(test_a_conflict_in_one_leaves_all),
      cmocka_unit_test(test_a_lost_answer_is_looked_up),
      cmocka_unit_test(test_an_unknown_outcome_deletes_nothing),
      cmocka_unit_test(test_a_commit_that_was_taken_apart_is_told),
      cmocka_unit_test(test_nothing_to_do_is_no_commit),
      cmocka_unit_test(test_a_table_stands_there_once),
      cmocka_unit_test(test_catalogs_without_such_commits_say_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
