/*
 * fault_hive.c - refused allocations in a Hive catalog, against a metastore that is played here: no
 * leak, and a table's pointer never points to a file that was removed. Other writers of the table
 * are always in front in the queue for its lock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "catalog/catalog_ops.h"
#include "fault.h"
#include "net/thrift_binary.h"
#include "test_files.h"
#include "test_lake.h"

/* ---- the metastore ---- */

/* One table at most. Each connection is served to its end, one after the other. */
typedef struct metastore {
  int listener;
  char uri[64];
  pthread_t thread;
  char location[1024]; /* of the table's metadata file; "": there is no table */
  int n_rivals;        /* commits of others */
} metastore;

static void write_table(frz_tbinary_writer *out, const metastore *self)
{
  frz_tbinary_write_string_field(out, 1, FRZ_STR("t"));
  frz_tbinary_write_string_field(out, 2, FRZ_STR("d"));
  frz_tbinary_write_map_field(out, 9, 2);
  frz_tbinary_write_string(out, FRZ_STR("table_type"));
  frz_tbinary_write_string(out, FRZ_STR("ICEBERG"));
  frz_tbinary_write_string(out, FRZ_STR("metadata_location"));
  frz_tbinary_write_string(out, frz_str_from(self->location));
  frz_tbinary_write_stop(out);
}

static void write_get_table(frz_tbinary_writer *out, const metastore *self)
{
  if (self->location[0] == '\0') { /* NoSuchObjectException */
    frz_tbinary_write_field(out, 2, FRZ_TBINARY_STRUCT);
    frz_tbinary_write_stop(out);
    return;
  }
  frz_tbinary_write_field(out, 0, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_field(out, 1, FRZ_TBINARY_STRUCT);
  write_table(out, self);
  frz_tbinary_write_stop(out);
}

static void write_lists(frz_tbinary_writer *out, frz_str method, const metastore *self)
{
  if (!frz_str_ends(method, "_req")) { /* get_all_tables, get_all_databases */
    frz_tbinary_write_list_field(out, 0, FRZ_TBINARY_STRING, 1);
    frz_tbinary_write_string(out, FRZ_STR("t"));
    return;
  }
  frz_tbinary_write_field(out, 0, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_list_field(out, 1, FRZ_TBINARY_STRUCT, 1);
  write_table(out, self);
  frz_tbinary_write_stop(out);
}

static void write_lock(frz_tbinary_writer *out)
{
  frz_tbinary_write_field(out, 0, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_i64_field(out, 1, 7);
  frz_tbinary_write_i32_field(out, 2, 1);
  frz_tbinary_write_stop(out);
}

/* The first parameter metadata_location of a request. */
static void keep_location(metastore *self, frz_str request)
{
  static const char key[] = "\0\0\0\x11metadata_location";
  const char *at = memmem(request.data, request.size, key, sizeof key - 1);
  assert_non_null(at);
  at += sizeof key - 1;
  uint32_t size = frz_load_u32be(at);
  assert_true(size < sizeof self->location);
  memcpy(self->location, at + 4, size);
  self->location[size] = '\0';
}

/* Who asks for the lock finds a rival in front: the table has another version once it is had. */
static void let_rival_commit(metastore *self)
{
  char next[sizeof self->location + 40];
  const char *path = self->location;
  const char *name = strrchr(path, '/');
  if (name == NULL) return;
  snprintf(next, sizeof next, "%.*s/%05d-rival.metadata.json", (int)(name - path), path,
           90000 + ++self->n_rivals);
  const char *to = next;
  if (strncmp(path, "file://", 7) == 0) {
    path += 7;
    to += 7;
  }
  assert_int_equal(link(path, to), 0);
  assert_true(strlen(next) < sizeof self->location);
  memcpy(self->location, next, strlen(next) + 1);
}

static void answer(metastore *self, frz_str method, frz_str request, frz_buf *out)
{
  frz_tbinary_writer writer;
  frz_tbinary_writer_init(&writer, out);
  frz_tbinary_write_i32(&writer, (int32_t)(0x80010000u | FRZ_TBINARY_REPLY));
  frz_tbinary_write_string(&writer, method);
  frz_tbinary_write_i32(&writer, 0);
  if (frz_str_is(method, "create_table") || frz_str_starts(method, "alter_table"))
    keep_location(self, request);
  if (frz_str_is(method, "drop_table")) self->location[0] = '\0';
  if (frz_str_is(method, "lock")) let_rival_commit(self);
  if (frz_str_is(method, "get_database")) {
    frz_tbinary_write_field(&writer, 0, FRZ_TBINARY_STRUCT);
    frz_tbinary_write_stop(&writer);
  } else if (frz_str_is(method, "get_table_req")) {
    write_get_table(&writer, self);
  } else if (frz_str_is(method, "lock") || frz_str_is(method, "check_lock")) {
    write_lock(&writer);
  } else if (frz_str_is(method, "show_locks")) {
    frz_tbinary_write_field(&writer, 0, FRZ_TBINARY_STRUCT);
    frz_tbinary_write_stop(&writer);
  } else if (frz_str_starts(method, "get_")) {
    write_lists(&writer, method, self);
  }
  frz_tbinary_write_stop(&writer);
  assert_int_equal(frz_tbinary_finish(&writer, NULL), FRZ_OK);
}

/* One request: as much as has come in is looked at anew. */
static bool serve_one(metastore *self, int fd)
{
  frz_buf request, reply;
  frz_tbinary_message message;
  frz_buf_init(&request, frz_alloc_default(), 1 << 20);
  frz_buf_init(&reply, frz_alloc_default(), 1 << 20);
  bool is_whole = false;
  while (!is_whole) {
    uint8_t *at;
    assert_int_equal(frz_buf_extend(&request, 65536, &at, NULL), FRZ_OK);
    ssize_t n = recv(fd, at, 65536, 0);
    request.size -= 65536 - (size_t)(n > 0 ? n : 0);
    if (n <= 0) break;
    frz_tbinary_reader reader = {.bytes = frz_reader_of(request.data, request.size)};
    is_whole = frz_tbinary_read_message(&reader, &message, NULL) == FRZ_OK &&
               frz_tbinary_skip(&reader, FRZ_TBINARY_STRUCT, NULL) == FRZ_OK;
  }
  if (is_whole) {
    answer(self, message.name, frz_buf_str(&request), &reply);
    is_whole = send(fd, reply.data, reply.size, MSG_NOSIGNAL) == (ssize_t)reply.size;
  }
  frz_buf_dispose(&request);
  frz_buf_dispose(&reply);
  return is_whole;
}

static void *serve(void *arg)
{
  metastore *self = arg;
  for (;;) {
    int fd = accept(self->listener, NULL, NULL);
    if (fd < 0) return NULL;
    while (serve_one(self, fd)) continue;
    close(fd);
  }
}

static void start(metastore *self)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  self->listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(self->listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(listen(self->listener, 8), 0);
  assert_int_equal(getsockname(self->listener, (struct sockaddr *)&address, &size), 0);
  snprintf(self->uri, sizeof self->uri, "thrift://127.0.0.1:%d", ntohs(address.sin_port));
  assert_int_equal(pthread_create(&self->thread, NULL, serve, self), 0);
}

/* Until all that was sent has been acted on: connections are served in their order. */
static void wait_until_idle(const metastore *self)
{
  char byte;
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(getsockname(self->listener, (struct sockaddr *)&address, &size), 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
  shutdown(fd, SHUT_WR);
  assert_int_equal(recv(fd, &byte, 1, 0), 0);
  close(fd);
}

static void stop(metastore *self)
{
  shutdown(self->listener, SHUT_RDWR);
  pthread_join(self->thread, NULL);
  close(self->listener);
}

/* ---- the work ---- */

static frz_status use_catalog(frz_catalog *catalog, frz_error *err)
{
  struct ArrowSchema schema;
  frz_string_list names = {0};
  frz_table *table = NULL;
  const frz_property property = {"color", "red"}, other = {"color", "blue"};
  const frz_property retries[] = {{"commit.retry.num-retries", "3"},
                                  {"commit.retry.min-wait-ms", "1"}};
  frz_create_table_options options;
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_catalog_create_namespace(catalog, "d", &property, 1, err));
  struct ArrowArrayStream rows;
  frz_test_rows(0, 1, frz_alloc_default(), &rows);
  assert_int_equal(rows.get_schema(&rows, &schema), 0);
  rows.release(&rows);
  frz_create_table_options_init(&options);
  options.properties = retries;
  options.n_properties = 2;
  st = frz_catalog_create_table(catalog, "d.t", &schema, &options, &table, err);
  schema.release(&schema);
  FRZ_TRY_OUT(st);
  FRZ_TRY_OUT(frz_table_set_properties(table, &property, 1, NULL, 0, err));
  FRZ_TRY_OUT(frz_table_set_properties(table, &other, 1, NULL, 0, err));
  FRZ_TRY_OUT(frz_catalog_list_namespaces(catalog, NULL, &names, err));
  frz_string_list_dispose(&names);
  FRZ_TRY_OUT(frz_catalog_list_tables(catalog, "d", &names, err));
  FRZ_TRY_OUT(frz_catalog_drop_table(catalog, "d.t", false, err));
out:
  frz_string_list_dispose(&names);
  frz_table_free(table);
  return st;
}

static frz_status work(const frz_alloc *alloc, const metastore *store, const char *folder,
                       frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  const frz_property properties[] = {{"type", "hive"},
                                     {"uri", store->uri},
                                     {"warehouse", folder},
                                     {"ugi", "me:us"},
                                     {"lock-check-min-wait-time", "0.001"}};
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_catalog_open(context, "c", properties, 5, &catalog, err));
  st = use_catalog(catalog, err);
out:
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st;
}

/* The table is there, whatever was refused, where the metastore says so. */
static void check_pointer(const metastore *store)
{
  if (store->location[0] == '\0') return;
  const char *path = store->location;
  if (strncmp(path, "file://", 7) == 0) path += 7;
  if (access(path, R_OK) != 0) fail_msg("the pointer is to %s, which is gone", path);
}

static void test_hive(void **state)
{
  (void)state;
  char folder[256];
  metastore store = {0};
  frz_fault fault = {0};
  long n = 0;
  frz_test_folder(folder);
  start(&store);
  do {
    frz_error err = {0};
    store.location[0] = '\0';
    frz_fault_arm(&fault, ++n);
    frz_status st = work(&fault.alloc, &store, folder, &err);
    bool is_done = fault.requests < n;
    wait_until_idle(&store);
    /* A change that was sent before memory was refused leaves doubt. */
    bool leaves_doubt = st == FRZ_ERR_COMMIT_UNKNOWN || st == FRZ_ERR_IO;
    if (is_done ? st != FRZ_OK : st != FRZ_ERR_NOMEM && !leaves_doubt)
      fail_msg("request %ld: status %d: %s", n, (int)st, err.message);
    assert_int_equal(fault.live, 0);
    check_pointer(&store);
  } while (fault.requests >= n);
  stop(&store);
  assert_true(n > 100);
  frz_test_folder_remove(folder);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_hive)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
