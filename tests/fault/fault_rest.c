/*
 * fault_rest.c - refused allocations in a REST catalog whose server lists, loads a table, takes
 * commits of several tables and signs the requests on files in S3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/catalog_ops.h"
#include "fault.h"
#include "object_server.h"
#include "test_files.h"
#include "test_lake.h"

/* ---- the server ---- */

#define METADATA                                                                                  \
  "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","                \
  "\"location\":\"s3://lake/t\",\"last-sequence-number\":0,\"last-updated-ms\":1,"                \
  "\"last-column-id\":2,\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1," \
  "\"name\":\"id\",\"required\":false,\"type\":\"long\"},"                                        \
  "{\"id\":2,\"name\":\"name\",\"required\":false,\"type\":\"string\"}]}],\"current-schema-id\":" \
  "0,"                                                                                            \
  "\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],\"default-spec-id\":0,"                    \
  "\"last-partition-id\":999,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],"                   \
  "\"default-sort-order-id\":0,\"properties\":{\"write.data.path\":\"%s\","                       \
  "\"write.metadata.path\":\"%s\",\"commit.status-check.num-retries\":\"0\"}}"

typedef struct rest_server {
  frz_object_server objects;
  char uri[64];
  char folder[256]; /* of the table's new files */
  int n_commits;
  char text[4096];
} rest_server;

static const char *sign(rest_server *self, const char *body)
{
  const char *from = strstr(body, "\"uri\":\"") + 7;
  snprintf(self->text, sizeof self->text,
           "{\"uri\":\"%.*s\",\"headers\":{\"Authorization\":[\"AWS4-HMAC-SHA256 x\"],"
           "\"X-Amz-Date\":[\"20260101T000000Z\"],\"Other\":[\"a\",\"b\"]}}",
           (int)strcspn(from, "\""), from);
  return self->text;
}

static const char *say(void *arg, const char *method, const char *target, const char *body)
{
  rest_server *self = arg;
  if (strcmp(target, "/v1/config") == 0)
    return "{\"defaults\":{\"s3.region\":\"us-east-1\"},\"overrides\":{\"prefix\":\"p\"},"
           "\"endpoints\":[\"GET /v1/config\",\"POST /v1/{prefix}/transactions/commit\"]}";
  if (strcmp(target, "/v1/oauth/tokens") == 0)
    return "{\"access_token\":\"a-token\",\"token_type\":\"bearer\",\"expires_in\":3600}";
  if (strcmp(target, "/v1/p/namespaces") == 0) return "{\"namespaces\":[[\"ns\"]]}";
  if (strcmp(target, "/v1/p/namespaces/ns/views") == 0)
    return "{\"identifiers\":[{\"namespace\":[\"ns\"],\"name\":\"v\"}],\"next-page-token\":\"2\"}";
  if (strcmp(target, "/v1/p/namespaces/ns/views?pageToken=2") == 0)
    return "{\"identifiers\":[{\"namespace\":[\"ns\"],\"name\":\"w\"}]}";
  if (strcmp(method, "POST") == 0 && strcmp(target, "/v1/p/namespaces/ns/tables/t/sign") == 0)
    return sign(self, body);
  if (strcmp(target, "/v1/p/transactions/commit") == 0) {
    self->n_commits++;
    return "{}";
  }
  if (strcmp(target, "/v1/p/namespaces/ns/tables/t") != 0) return NULL;
  snprintf(self->text, sizeof self->text,
           "{\"metadata-location\":\"s3://lake/t/metadata/0.metadata.json\",\"metadata\":" METADATA
           ",\"config\":{\"s3.remote-signing-enabled\":\"true\",\"s3.endpoint\":\"%s\"},"
           "\"remote-signing-config\":{\"properties\":{\"a\":\"b\"},\"headers\":{\"x\":[\"1\"]}}}",
           self->folder, self->folder, self->uri);
  return self->text;
}

static int setup(void **state)
{
  static rest_server self;
  frz_object_server_start(&self.objects);
  snprintf(self.uri, sizeof self.uri, "http://127.0.0.1:%d", self.objects.port);
  frz_test_folder(self.folder);
  self.objects.says = say;
  self.objects.says_arg = &self;
  *state = &self;
  return 0;
}

static int teardown(void **state)
{
  rest_server *self = *state;
  frz_object_server_stop(&self->objects);
  frz_test_folder_remove(self->folder);
  return 0;
}

/* ---- the work ---- */

static frz_status use_file(frz_storage *storage, const frz_alloc *alloc, frz_error *err)
{
  frz_buf bytes;
  frz_buf_init(&bytes, alloc, 100);
  frz_status st = frz_storage_write_all(storage, FRZ_STR("s3://lake/t/x"), false, "abc", 3, err);
  if (st == FRZ_OK) st = frz_storage_read_all(storage, FRZ_STR("s3://lake/t/x"), &bytes, err);
  if (st == FRZ_OK) assert_true(frz_str_is(frz_buf_str(&bytes), "abc"));
  frz_buf_dispose(&bytes);
  return st;
}

static frz_status commit_tables(frz_catalog *catalog, frz_table *table, frz_error *err)
{
  struct ArrowArrayStream rows;
  frz_table_change change;
  frz_table_change_init(&change);
  frz_test_rows(0, 1, frz_alloc_default(), &rows);
  change.table = table;
  change.data = &rows;
  return frz_catalog_commit_tables(catalog, &change, 1, NULL, err);
}

static frz_status use_catalog(frz_catalog *catalog, const frz_alloc *alloc, frz_error *err)
{
  frz_string_list list;
  frz_table *table;
  FRZ_TRY(frz_catalog_list_namespaces(catalog, NULL, &list, err));
  assert_int_equal(list.n_items, 1);
  frz_string_list_dispose(&list);
  FRZ_TRY(frz_catalog_list_views(catalog, "ns", &list, err));
  assert_int_equal(list.n_items, 2);
  assert_string_equal(list.items[1], "ns.w");
  frz_string_list_dispose(&list);
  FRZ_TRY(frz_catalog_load_table(catalog, "ns.t", &table, err));
  frz_status st = use_file(frz_table_storage(table), alloc, err);
  if (st == FRZ_OK) st = commit_tables(catalog, table, err);
  frz_table_free(table);
  return st;
}

static frz_status work(const rest_server *server, const frz_alloc *alloc, frz_error *err)
{
  const frz_property properties[] = {
      {"type", "rest"}, {"uri", server->uri}, {"credential", "me:a-secret"}};
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_catalog_open(context, "c", properties, 3, &catalog, err));
  FRZ_TRY_OUT(use_catalog(catalog, alloc, err));
out:
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st;
}

/* Once the server has the commit, only whether the caller hears of it is open. */
static bool is_right(const rest_server *server, bool is_refused, frz_status st)
{
  if (!is_refused) return st == FRZ_OK && server->n_commits == 1;
  if (server->n_commits == 0) return st == FRZ_ERR_NOMEM;
  return st == FRZ_OK || st == FRZ_ERR_COMMIT_UNKNOWN;
}

static void test_memory_runs_out(void **state)
{
  rest_server *server = *state;
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_error err = {0};
    frz_object_server_clear(&server->objects);
    server->n_commits = 0;
    frz_fault_arm(&fault, ++n);
    frz_status st = work(server, &fault.alloc, &err);
    if (!is_right(server, fault.requests >= n, st))
      fail_msg("request %ld: %d %s\n%s", n, (int)st, err.message, server->objects.log);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 100);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_memory_runs_out, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
