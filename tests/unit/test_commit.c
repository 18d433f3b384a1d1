/*
 * test_commit.c - commits that meet others, lose their answer, or find the disk full.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "delete_writer.h"
#include "frazil/evolution.h"
#include "frazil/maintenance.h"
#include "iceberg/table/table_state.h"
#include "iceberg/write/snapshot_producer.h"
#include "test_lake.h"

static frz_table *load(frz_catalog *catalog, const char *identifier)
{
  frz_table *table;
  frz_error err = {0};
  frz_test_ok(frz_catalog_load_table(catalog, identifier, &table, &err), &err);
  return table;
}

/* ---- a port that stands between a table and its catalog ---- */

typedef enum trouble {
  TROUBLE_NONE,
  TROUBLE_LOSE_ANSWER,     /* the commit happens, the answer is lost */
  TROUBLE_NEVER_ARRIVES,   /* the commit does not happen, and nobody knows */
  TROUBLE_ALWAYS_CONFLICT, /* somebody else always wins */
  TROUBLE_OTHERS_QUEUE     /* somebody else wins unless one has a turn */
} trouble;

typedef struct troubled_port {
  frz_commit_port port;
  const frz_commit_port *real;
  void *real_ctx;
  trouble trouble;
  bool loads_fail;
  int n_commits;
  int n_loads;
  int n_turns;
  int n_turns_ended;
} troubled_port;

static frz_status troubled_load(void *ctx, const char *identifier, frz_loaded_table *loaded_out,
                                frz_error *err)
{
  troubled_port *port = ctx;
  port->n_loads++;
  if (port->loads_fail) return frz_fail(err, FRZ_ERR_IO, "no route to the catalog");
  return port->real->load(port->real_ctx, identifier, loaded_out, err);
}

static frz_status troubled_commit(void *ctx, const char *identifier, const frz_loaded_table *base,
                                  const frz_requirement *requirements, size_t n_requirements,
                                  const frz_metadata_update *updates, size_t n_updates,
                                  frz_loaded_table *loaded_out, frz_error *err)
{
  troubled_port *port = ctx;
  port->n_commits++;
  if (port->trouble == TROUBLE_ALWAYS_CONFLICT ||
      (port->trouble == TROUBLE_OTHERS_QUEUE && base->turn == NULL))
    return frz_fail(err, FRZ_ERR_CONFLICT, "somebody was faster");
  if (port->trouble == TROUBLE_NEVER_ARRIVES)
    return frz_fail(err, FRZ_ERR_COMMIT_UNKNOWN, "connection reset");
  frz_status st = port->real->commit(port->real_ctx, identifier, base, requirements, n_requirements,
                                     updates, n_updates, loaded_out, err);
  if (st != FRZ_OK || port->trouble == TROUBLE_NONE || port->trouble == TROUBLE_OTHERS_QUEUE)
    return st;
  frz_loaded_table_dispose(loaded_out);
  return frz_fail(err, FRZ_ERR_COMMIT_UNKNOWN, "connection reset");
}

static frz_status take_turn(void *ctx, const char *identifier, const frz_loaded_table *base,
                            frz_commit_turn **turn_out, frz_error *err)
{
  troubled_port *port = ctx;
  (void)identifier;
  (void)err;
  assert_null(base->turn);
  assert_int_equal(port->n_turns++, port->n_turns_ended);
  *turn_out = (frz_commit_turn *)(void *)port;
  return FRZ_OK;
}

static void end_turn(void *ctx, frz_commit_turn *turn)
{
  troubled_port *port = ctx;
  assert_ptr_equal(turn, ctx);
  assert_int_equal(port->n_turns, ++port->n_turns_ended);
}

static void nothing(void *ctx)
{
  (void)ctx;
}

static void put_between(troubled_port *port, frz_table *table, trouble what)
{
  *port = (troubled_port){.port = {.version = 1,
                                   .load = troubled_load,
                                   .commit = troubled_commit,
                                   .retain = nothing,
                                   .release = nothing},
                          .real = table->port,
                          .real_ctx = table->port_ctx,
                          .trouble = what};
  table->port = &port->port;
  table->port_ctx = port;
}

static void take_away(troubled_port *port, frz_table *table)
{
  table->port = port->real;
  table->port_ctx = port->real_ctx;
}

static void test_a_lost_answer_is_looked_up(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  troubled_port port;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  put_between(&port, table, TROUBLE_LOSE_ANSWER);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  assert_int_equal(port.n_commits, 1);
  assert_int_equal(port.n_loads, 1);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 10);
  take_away(&port, table);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_an_unknown_outcome_deletes_nothing(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  troubled_port port;
  const frz_property quick[] = {{"commit.status-check.min-wait-ms", "1"}, {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, quick);
  for (int round = 0; round < 2; round++) {
    size_t n_data = frz_test_count_files(&lake, "warehouse", ".parquet");
    size_t n_avro = frz_test_count_files(&lake, "warehouse", ".avro");
    put_between(&port, table, TROUBLE_NEVER_ARRIVES);
    port.loads_fail = round == 1;
    assert_int_equal(frz_test_append(table, 0, 10, &err), FRZ_ERR_COMMIT_UNKNOWN);
    assert_string_equal(err.message, "table 'ns.t': connection reset");
    assert_int_equal(port.n_commits, 1); /* never twice: the first may still arrive */
    assert_int_equal(port.n_loads, 4);
    take_away(&port, table);
    assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), n_data + 1);
    assert_int_equal(frz_test_count_files(&lake, "warehouse", ".avro"), n_avro + 2);
    assert_int_equal(frz_table_current_snapshot_id(table), -1);
  }
  const frz_property property = {"a", "b"};
  put_between(&port, table, TROUBLE_LOSE_ANSWER); /* without a snapshot there is nothing to find */
  assert_int_equal(frz_table_set_properties(table, &property, 1, NULL, 0, NULL),
                   FRZ_ERR_COMMIT_UNKNOWN);
  take_away(&port, table);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_conflicts_end_after_the_retries(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  troubled_port port;
  const frz_property few[] = {{"commit.retry.num-retries", "3"},
                              {"commit.retry.min-wait-ms", "1"},
                              {"commit.retry.max-wait-ms", "2"},
                              {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, few);
  put_between(&port, table, TROUBLE_ALWAYS_CONFLICT);
  assert_int_equal(frz_test_append(table, 0, 10, &err), FRZ_ERR_CONFLICT);
  assert_non_null(strstr(err.message, "table 'ns.t': 4 attempts in "));
  assert_non_null(strstr(err.message, "somebody was faster"));
  assert_int_equal(port.n_commits, 4);
  take_away(&port, table);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_who_lost_builds_in_a_turn(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  troubled_port port;
  const frz_property one[] = {{"commit.retry.num-retries", "1"}, {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, one);
  put_between(&port, table, TROUBLE_OTHERS_QUEUE);
  port.port.take_turn = take_turn;
  port.port.end_turn = end_turn;
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  assert_int_equal(port.n_commits, 2);
  assert_int_equal(port.n_turns, 1);
  /* The next one queues at once; as nobody was faster, the one behind it does not. */
  frz_test_ok(frz_test_append(table, 10, 10, &err), &err);
  assert_int_equal(port.n_commits, 3);
  assert_int_equal(port.n_turns, 2);
  frz_test_ok(frz_test_append(table, 20, 10, &err), &err);
  assert_int_equal(port.n_commits, 5);
  assert_int_equal(port.n_turns, 3);
  port.trouble = TROUBLE_ALWAYS_CONFLICT; /* what a turn does not help with */
  assert_int_equal(frz_test_append(table, 30, 10, &err), FRZ_ERR_CONFLICT);
  assert_int_equal(port.n_turns_ended, port.n_turns);
  port.trouble = TROUBLE_OTHERS_QUEUE;
  port.loads_fail = true;
  assert_int_equal(frz_test_append(table, 30, 10, &err), FRZ_ERR_IO);
  assert_int_equal(port.n_turns_ended, port.n_turns);
  take_away(&port, table);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_bad_retry_properties_are_named(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  const frz_property bad[] = {{"commit.retry.num-retries", "-1"}, {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, bad);
  assert_int_equal(frz_test_append(table, 0, 10, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "commit.retry.num-retries"));
  const char *const wrong[] = {"commit.retry.num-retries"};
  err = (frz_error){0};
  assert_int_equal(frz_table_set_properties(table, NULL, 0, wrong, 1, &err), FRZ_OK);
  assert_int_equal(err.code, FRZ_OK);
  assert_int_equal(frz_test_append(table, 0, 10, &err), FRZ_OK);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- several writers ---- */

static void test_a_stale_handle_appends_to_what_won(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *first = frz_test_lake_table(&lake, "t", "bucket(4, id)", NULL);
  frz_table *second = load(lake.catalog, "ns.t");
  frz_test_ok(frz_test_append(first, 0, 10, &err), &err);
  frz_test_ok(frz_test_append(first, 10, 10, &err), &err);
  frz_test_ok(frz_test_append(second, 20, 10, &err), &err);
  assert_int_equal(frz_test_scan(second, NULL).n_rows, 30);
  assert_int_equal(frz_test_scan(first, NULL).n_rows, 20);
  bool changed = false;
  frz_test_ok(frz_table_refresh(first, &changed, &err), &err);
  assert_true(changed);
  assert_int_equal(frz_test_scan(first, NULL).id_sum, 29 * 15);
  /* The list and the metadata file of the attempt that lost are gone. */
  assert_int_equal(frz_test_count_files(&lake, "warehouse/ns/t/metadata", ".metadata.json"), 4);
  assert_int_equal(frz_test_count_files(&lake, "warehouse/ns/t/metadata", ".avro"), 6);
  frz_table_free(first);
  frz_table_free(second);
  frz_test_lake_close(&lake);
}

enum { WRITERS = 4, APPENDS = 6 };

typedef struct writer {
  const frz_test_lake *lake;
  int number;
  frz_error err;
  frz_status status;
} writer;

static void *write_in_thread(void *arg)
{
  writer *self = arg;
  frz_table *table = load(self->lake->catalog, "ns.t");
  for (int i = 0; i < APPENDS && self->status == FRZ_OK; i++)
    self->status = frz_test_append(table, self->number * 100 + i, 1, &self->err);
  frz_table_free(table);
  return NULL;
}

static void test_threads_all_succeed(void **state)
{
  (void)state;
  frz_test_lake lake;
  writer writers[WRITERS] = {{0}};
  pthread_t threads[WRITERS];
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  for (int i = 0; i < WRITERS; i++) {
    writers[i].lake = &lake;
    writers[i].number = i;
    pthread_create(&threads[i], NULL, write_in_thread, &writers[i]);
  }
  for (int i = 0; i < WRITERS; i++) {
    pthread_join(threads[i], NULL);
    frz_test_ok(writers[i].status, &writers[i].err);
  }
  frz_test_ok(frz_table_refresh(table, NULL, NULL), NULL);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, WRITERS * APPENDS);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

typedef struct shared_writer {
  frz_table *table;
  int number;
  frz_error err;
  frz_status status;
} shared_writer;

static void *write_through_handle(void *arg)
{
  shared_writer *self = arg;
  for (int i = 0; i < APPENDS && self->status == FRZ_OK; i++) {
    self->status = frz_test_append(self->table, self->number * 100 + i, 1, &self->err);
    if (self->status == FRZ_OK) self->status = frz_table_refresh(self->table, NULL, &self->err);
  }
  return NULL;
}

static void test_one_handle_serves_several_threads(void **state)
{
  (void)state;
  frz_test_lake lake;
  shared_writer writers[WRITERS] = {{0}};
  pthread_t threads[WRITERS];
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  for (int i = 0; i < WRITERS; i++) {
    writers[i].table = table;
    writers[i].number = i;
    pthread_create(&threads[i], NULL, write_through_handle, &writers[i]);
  }
  for (int i = 0; i < WRITERS; i++) {
    pthread_join(threads[i], NULL);
    frz_test_ok(writers[i].status, &writers[i].err);
  }
  assert_int_equal(frz_test_scan(table, NULL).n_rows, WRITERS * APPENDS);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void write_in_process(const frz_test_lake *lake, int number)
{
  frz_context *context;
  frz_error err = {0};
  if (frz_context_create(NULL, &context, NULL) != FRZ_OK) _exit(2);
  frz_catalog *catalog = frz_test_lake_connect(lake, context);
  frz_table *table = load(catalog, "ns.t");
  for (int i = 0; i < APPENDS; i++) {
    if (frz_test_append(table, number * 100 + i, 1, &err) != FRZ_OK) {
      fprintf(stderr, "writer %d: %s\n", number, err.message);
      _exit(1);
    }
  }
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  _exit(0);
}

static void test_processes_all_succeed(void **state)
{
  (void)state;
  frz_test_lake lake;
  pid_t children[WRITERS];
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  for (int i = 0; i < WRITERS; i++) {
    children[i] = fork();
    if (children[i] == 0) write_in_process(&lake, i);
  }
  for (int i = 0; i < WRITERS; i++) {
    int status;
    assert_int_equal(waitpid(children[i], &status, 0), children[i]);
    assert_int_equal(status, 0);
  }
  frz_test_ok(frz_table_refresh(table, NULL, NULL), NULL);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, WRITERS * APPENDS);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_a_table_made_anew_is_another(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *old = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_catalog_drop_table(lake.catalog, "ns.t", false, &err), &err);
  assert_int_equal(frz_test_append(old, 0, 1, &err), FRZ_ERR_NOT_FOUND);
  frz_table *new = frz_test_lake_table(&lake, "t", NULL, NULL);
  assert_int_equal(frz_test_append(old, 0, 1, &err), FRZ_ERR_CONFLICT);
  assert_non_null(strstr(err.message, "was replaced by another"));
  assert_int_equal(frz_test_scan(new, NULL).n_rows, 0);
  frz_table_free(old);
  frz_table_free(new);
  frz_test_lake_close(&lake);
}

/* ---- conflicts of meaning ---- */

static void test_deletes_see_what_others_added(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *first = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(first, 0, 10, &err), &err);
  frz_table *second = load(lake.catalog, "ns.t");
  frz_test_ok(frz_test_append(first, 100, 10, &err), &err);
  /* The new file holds ids 100 to 109: no overlap, the delete goes on top of it. */
  frz_write_result result;
  frz_test_ok(frz_table_delete(second, "id < 5", NULL, &result, &err), &err);
  assert_int_equal(result.n_rows_deleted, 5);
  assert_int_equal(frz_test_scan(second, NULL).n_rows, 15);
  frz_table_free(first);
  frz_table_free(second);
  frz_test_lake_close(&lake);
}

static void test_serializable_writers_meet(void **state)
{
  (void)state;
  static const struct {
    const char *isolation;
    const char *filter;
    frz_status status;
  } cases[] = {
      {NULL, "id >= 5", FRZ_ERR_CONFLICT},
      {"serializable", "id = 104", FRZ_OK}, /* matches nothing it saw: nothing is done */
      {"serializable", "id = 104 or id = 4", FRZ_ERR_CONFLICT},
      {"snapshot", "id >= 5", FRZ_OK},
      {NULL, "id < 5", FRZ_OK},
      {"bogus", "id < 5", FRZ_ERR_INVALID},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_test_lake lake;
    frz_error err = {0};
    const frz_property properties[] = {{"write.delete.isolation-level", cases[i].isolation != NULL
                                                                            ? cases[i].isolation
                                                                            : "serializable"},
                                       {NULL, NULL}};
    frz_test_lake_open(&lake, NULL);
    frz_table *first =
        frz_test_lake_table(&lake, "t", NULL, cases[i].isolation != NULL ? properties : NULL);
    frz_test_ok(frz_test_append(first, 0, 10, &err), &err);
    frz_table *second = load(lake.catalog, "ns.t");
    frz_test_ok(frz_test_append(first, 100, 10, &err), &err);
    assert_int_equal(frz_table_delete(second, cases[i].filter, NULL, NULL, &err), cases[i].status);
    if (cases[i].status == FRZ_ERR_CONFLICT) {
      assert_non_null(strstr(err.message, "which may hold matching rows, was added by snapshot"));
      assert_non_null(strstr(err.message, ".parquet"));
      frz_test_ok(frz_table_refresh(second, NULL, &err), &err);
      frz_test_ok(frz_table_delete(second, cases[i].filter, NULL, NULL, &err), &err);
    }
    frz_table_free(first);
    frz_table_free(second);
    frz_test_lake_close(&lake);
  }
}

static void test_a_file_is_rewritten_by_one_only(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *first = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(first, 0, 10, &err), &err);
  frz_table *second = load(lake.catalog, "ns.t");
  frz_test_ok(frz_table_delete(first, "id = 3", NULL, NULL, &err), &err);
  assert_int_equal(frz_table_delete(second, "id = 7", NULL, NULL, &err), FRZ_ERR_CONFLICT);
  assert_non_null(strstr(err.message, ".parquet"));
  frz_test_ok(frz_table_refresh(second, NULL, &err), &err);
  frz_test_ok(frz_table_delete(second, "id = 7", NULL, NULL, &err), &err);
  frz_test_sum sum = frz_test_scan(second, NULL);
  assert_int_equal(sum.n_rows, 8);
  assert_int_equal(sum.id_sum, 45 - 10);
  frz_table_free(first);
  frz_table_free(second);
  frz_test_lake_close(&lake);
}

/* The table's spec becomes one whose only field is void: what is left of a dropped field. */
static frz_status make_void_spec(void *arg, const frz_table_metadata *base,
                                 frz_commit_attempt *attempt_out, frz_error *err)
{
  static const frz_partition_field field = {
      .source_id = 1, .name = {"gone", 4}, .transform = {FRZ_TRANSFORM_VOID, 0, {"void", 4}}};
  static const frz_partition_spec spec = {.fields = &field, .n_fields = 1};
  static const frz_metadata_update updates[] = {
      {.kind = FRZ_UPDATE_ADD_SPEC, .spec = &spec},
      {.kind = FRZ_UPDATE_SET_DEFAULT_SPEC, .id = -1},
  };
  (void)arg;
  (void)base;
  (void)err;
  *attempt_out = (frz_commit_attempt){.updates = updates, .n_updates = 2};
  return FRZ_OK;
}

/* Equality deletes of a spec without fields, or with void ones alone, reach files of every spec: to
 * write such a file again beside them would bring their rows back. */
static void test_global_deletes_stop_a_rewrite(void **state)
{
  (void)state;
  static const frz_arrow_field id = {
      .name = {"id", 2}, .nullable = true, .field_id = 1, .type = {.kind = FRZ_ARROW_INT64}};
  static const int32_t key[] = {1};
  frz_test_lake lake;
  frz_error err = {0};
  frz_batch rows;
  int64_t three = 3;
  frz_test_lake_open(&lake, NULL);
  frz_table *first = frz_test_lake_table(&lake, "t", "bucket(2, id)", NULL);
  frz_test_ok(frz_test_append(first, 0, 10, &err), &err);
  frz_table *second = load(lake.catalog, "ns.t");
  frz_test_ok(frz_table_commit(first, make_void_spec, NULL, &err), &err);
  frz_test_ok(frz_batch_init(&rows, &id, 1, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_column_append_value(&rows.columns[0], &three, sizeof three, &err), &err);
  rows.n_rows = 1;
  frz_test_ok(frz_test_delete_keys(first, key, 1, 1, &rows, &err), &err);
  frz_batch_dispose(&rows);
  assert_int_equal(frz_test_scan(first, NULL).n_rows, 9);
  assert_int_equal(frz_table_delete(second, "id = 7 or id = 8", NULL, NULL, &err),
                   FRZ_ERR_CONFLICT);
  assert_non_null(strstr(err.message, "which may hide rows of a rewritten file"));
  frz_test_ok(frz_table_refresh(second, NULL, &err), &err);
  frz_test_ok(frz_table_delete(second, "id = 7 or id = 8", NULL, NULL, &err), &err);
  assert_int_equal(frz_test_scan(second, NULL).n_rows, 7);
  assert_int_equal(frz_test_scan(second, "id = 3").n_rows, 0);
  frz_table_free(first);
  frz_table_free(second);
  frz_test_lake_close(&lake);
}

/* ---- a storage that fails ---- */

typedef struct bad_disk {
  frz_storage *real;
  int64_t bytes_left; /* then writes fail; -1: never */
  bool tears;         /* a commit that fails leaves half of the file, as a bad server may */
} bad_disk;

typedef struct bad_sink {
  frz_sink sink;
  bad_disk *disk;
  frz_sink *real;
} bad_sink;

static frz_status bad_write(frz_sink *sink, const void *data, size_t size, frz_error *err)
{
  bad_sink *self = (bad_sink *)sink;
  bad_disk *disk = self->disk;
  if (disk->bytes_left >= 0 && (int64_t)size > disk->bytes_left) {
    if (disk->tears) (void)!frz_sink_write(self->real, data, (size_t)disk->bytes_left, NULL);
    if (disk->tears) (void)!frz_sink_commit(self->real, NULL);
    disk->bytes_left = 0;
    return frz_fail(err, FRZ_ERR_IO, "no space left on device");
  }
  if (disk->bytes_left >= 0) disk->bytes_left -= (int64_t)size;
  frz_status st = frz_sink_write(self->real, data, size, err);
  sink->written_bytes = self->real->written_bytes;
  return st;
}

static frz_status bad_commit(frz_sink *sink, frz_error *err)
{
  return frz_sink_commit(((bad_sink *)sink)->real, err);
}

static void bad_free(frz_sink *sink)
{
  frz_sink_free(((bad_sink *)sink)->real);
  free(sink);
}

static frz_status bad_create(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                             frz_error *err)
{
  bad_disk *disk = ctx;
  frz_sink *real;
  FRZ_TRY(frz_storage_create_file(disk->real, uri, must_be_new, &real, err));
  bad_sink *self = calloc(1, sizeof *self);
  assert_non_null(self);
  self->sink = (frz_sink){.write = bad_write, .commit = bad_commit, .free = bad_free};
  self->disk = disk;
  self->real = real;
  *sink_out = &self->sink;
  return FRZ_OK;
}

static frz_status pass_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  return frz_storage_open(((bad_disk *)ctx)->real, uri, source_out, err);
}

static frz_status pass_remove(void *ctx, frz_str uri, frz_error *err)
{
  return frz_storage_remove(((bad_disk *)ctx)->real, uri, err);
}

static frz_status pass_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                            frz_error *err)
{
  return frz_storage_list(((bad_disk *)ctx)->real, uri, visit, arg, err);
}

static void test_a_full_disk_changes_nothing(void **state)
{
  (void)state;
  static const frz_storage_ops ops = {.version = 1,
                                      .open = pass_open,
                                      .create = bad_create,
                                      .remove = pass_remove,
                                      .list = pass_list,
                                      .free = nothing};
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  bad_disk disk = {.real = table->storage};
  frz_test_ok(frz_storage_wrap(lake.context, &ops, &disk, &table->storage, &err), &err);
  int n_refused = 0;
  for (int round = 0; round < 2; round++) {
    disk.tears = round == 1;
    for (int64_t room = 0;; room += 37) {
      size_t n_data = frz_test_count_files(&lake, "warehouse", ".parquet");
      int64_t snapshot_id = frz_table_current_snapshot_id(table);
      disk.bytes_left = room;
      frz_status st = frz_test_append(table, 10, 5, &err);
      disk.bytes_left = -1;
      if (st == FRZ_OK) break;
      n_refused++;
      assert_int_equal(st, FRZ_ERR_IO);
      assert_non_null(strstr(err.message, "no space left on device"));
      assert_int_equal(frz_table_current_snapshot_id(table), snapshot_id);
      frz_test_ok(frz_table_refresh(table, NULL, &err), &err);
      assert_int_equal(frz_table_current_snapshot_id(table), snapshot_id);
      if (room == 0 && round == 0)
        assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), n_data);
    }
    assert_int_equal(frz_test_scan(table, NULL).n_rows, 15 + 5 * round);
  }
  assert_true(n_refused > 20);
  frz_storage_release(table->storage);
  table->storage = disk.real;
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- metadata files ---- */

static void test_old_metadata_files_go_when_asked(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  const frz_property trimmed[] = {{"write.metadata.previous-versions-max", "2"},
                                  {"write.metadata.delete-after-commit.enabled", "true"},
                                  {"write.metadata.compression-codec", "gzip"},
                                  {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, trimmed);
  frz_table *kept = frz_test_lake_table(&lake, "kept", NULL, NULL);
  for (int64_t i = 0; i < 6; i++) {
    frz_test_ok(frz_test_append(table, i, 1, &err), &err);
    frz_test_ok(frz_test_append(kept, i, 1, &err), &err);
  }
  assert_int_equal(frz_test_count_files(&lake, "warehouse/ns/t", ".gz.metadata.json"), 3);
  assert_int_equal(frz_test_count_files(&lake, "warehouse/ns/t", ".metadata.json"), 3);
  assert_int_equal(frz_test_count_files(&lake, "warehouse/ns/kept", ".metadata.json"), 7);
  frz_string location;
  frz_test_ok(frz_table_metadata_location(table, &location, &err), &err);
  assert_non_null(strstr(location.data, "/metadata/00006-"));
  frz_string_dispose(&location);
  frz_table_free(table);
  frz_table_free(kept);
  table = load(lake.catalog, "ns.t");
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 6);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_small_manifests_are_merged(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  const frz_property properties[] = {{"commit.manifest.min-count-to-merge", "4"}, {NULL, NULL}};
  const frz_property off[] = {{"commit.manifest.min-count-to-merge", "4"},
                              {"commit.manifest-merge.enabled", "false"},
                              {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *tables[] = {frz_test_lake_table(&lake, "merged", "bucket(2, id)", properties),
                         frz_test_lake_table(&lake, "many", "bucket(2, id)", off)};
  for (int i = 0; i < 2; i++) {
    for (int64_t j = 0; j < 11; j++)
      frz_test_ok(frz_test_append(tables[i], j * 10, 10, &err), &err);
    frz_test_sum sum = frz_test_scan(tables[i], NULL);
    assert_int_equal(sum.n_rows, 110);
    assert_int_equal(sum.id_sum, 109 * 55);
    frz_table_metadata *metadata = frz_table_current(tables[i]);
    const frz_snapshot *head = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
    const frz_manifest_file *manifests;
    size_t n_manifests;
    frz_arena arena;
    frz_arena_init(&arena, frz_alloc_default(), (size_t)1 << 20);
    frz_test_ok(frz_manifest_list_read(tables[i]->storage, metadata, head, &arena, &manifests,
                                       &n_manifests, &err),
                &err);
    if (i == 0)
      assert_true(n_manifests <= 5);
    else
      assert_int_equal(n_manifests, 11);
    frz_arena_free(&arena);
    frz_table_metadata_release(metadata);
    frz_table_free(tables[i]);
  }
  frz_test_lake_close(&lake);
}

/* ---- a table that is upgraded between two attempts ---- */

typedef enum write_kind { APPEND, APPEND_AND_MERGE, REWRITE_FILE, REWRITE_MANIFESTS } write_kind;

static frz_status write_once(frz_table *table, write_kind kind, frz_error *err)
{
  if (kind == REWRITE_FILE) return frz_table_delete(table, "id = 3", NULL, NULL, err);
  if (kind == REWRITE_MANIFESTS) return frz_table_rewrite_manifests(table, NULL, err);
  return frz_test_append(table, 40, 10, err);
}

/* Live files that are older than the current snapshot. */
static int64_t count_older_files(frz_table *table)
{
  int64_t n = 0;
  frz_error err = {0};
  frz_arena arena;
  const frz_manifest_file *manifests;
  const frz_manifest_entry *entries;
  size_t n_manifests, n_entries;
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_snapshot *head = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  frz_arena_init(&arena, frz_alloc_default(), (size_t)1 << 20);
  frz_test_ok(frz_manifest_list_read(table->storage, metadata, head, &arena, &manifests,
                                     &n_manifests, &err),
              &err);
  for (size_t i = 0; i < n_manifests; i++) {
    frz_test_ok(frz_manifest_read(table->storage, metadata, &manifests[i], false, NULL, 0, &arena,
                                  &entries, &n_entries, &err),
                &err);
    for (size_t j = 0; j < n_entries; j++)
      n += entries[j].data_sequence_number < head->sequence_number;
  }
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
  return n;
}

/* Manifests of the first attempt are of the version that it saw. */
static void test_an_upgrade_between_attempts(void **state)
{
  (void)state;
  static const char *const versions[] = {"1", "1", "2"};
  static const int32_t upgrades[] = {2, 3, 3};
  for (size_t i = 0; i < 12; i++) {
    write_kind kind = (write_kind)(i % 4);
    frz_test_lake lake;
    frz_error err = {0};
    const frz_property properties[] = {
        {"format-version", versions[i / 4]},
        {"commit.manifest.min-count-to-merge", kind == APPEND_AND_MERGE ? "2" : "100"},
        {NULL, NULL}};
    frz_test_lake_open(&lake, NULL);
    frz_table *first = frz_test_lake_table(&lake, "t", NULL, properties);
    for (int64_t j = 0; j < 4; j++) frz_test_ok(frz_test_append(first, j * 10, 10, &err), &err);
    frz_table *stale = load(lake.catalog, "ns.t");
    frz_test_ok(frz_table_upgrade(first, upgrades[i / 4], &err), &err);
    frz_test_ok(write_once(stale, kind, &err), &err);
    frz_test_ok(frz_table_refresh(first, NULL, &err), &err);
    frz_test_sum sum = frz_test_scan(first, NULL);
    int64_t n_rows = kind == REWRITE_FILE ? 39 : kind == REWRITE_MANIFESTS ? 40 : 50;
    assert_int_equal(sum.n_rows, n_rows);
    assert_int_equal(count_older_files(first), kind == REWRITE_FILE ? 3 : 4);
    frz_table_free(first);
    frz_table_free(stale);
    frz_test_lake_close(&lake);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_lost_answer_is_looked_up),
      cmocka_unit_test(test_an_unknown_outcome_deletes_nothing),
      cmocka_unit_test(test_conflicts_end_after_the_retries),
      cmocka_unit_test(test_who_lost_builds_in_a_turn),
      cmocka_unit_test(test_bad_retry_properties_are_named),
      cmocka_unit_test(test_a_stale_handle_appends_to_what_won),
      cmocka_unit_test(test_threads_all_succeed),
      cmocka_unit_test(test_one_handle_serves_several_threads),
      cmocka_unit_test(test_processes_all_succeed),
      cmocka_unit_test(test_a_table_made_anew_is_another),
      cmocka_unit_test(test_deletes_see_what_others_added),
      cmocka_unit_test(test_serializable_writers_meet),
      cmocka_unit_test(test_a_file_is_rewritten_by_one_only),
      cmocka_unit_test(test_global_deletes_stop_a_rewrite),
      cmocka_unit_test(test_a_full_disk_changes_nothing),
      cmocka_unit_test(test_old_metadata_files_go_when_asked),
      cmocka_unit_test(test_small_manifests_are_merged),
      cmocka_unit_test(test_an_upgrade_between_attempts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
