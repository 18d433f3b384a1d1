/*
 * hive_session.c - see hive_session.h.
 *
 * A call takes a connection that lies idle, or opens one to the first of the metastores that
 * answers, and puts it back after a whole answer. An answer has no length in front: it is skipped
 * through while it comes in, and read once it is there.
 *
 * What must stay true: a connection that was not read to the end of its answer is closed; a call
 * that changes something is sent once, and `may_be_done` says where that leaves doubt; a child
 * after a fork uses none of its parent's connections.
 */
#include "catalog/hive_session.h"

#include <pthread.h>

#include "base/arena_list.h"
#include "base/limits.h"
#include "base/os.h"
#include "net/retry.h"
#include "net/tcp_stream.h"

enum {
  SESSION_BYTES_MAX = 1 << 20,
  REQUEST_BYTES_MAX = 64 << 20,
  ANSWER_BYTES_MAX = 64 << 20,
  N_IDLE_MAX = 8,
  CONNECT_TIMEOUT_MS = 10000,
  STALL_TIMEOUT_MS = 60000,
  UNKNOWN_METHOD = 1 /* of a TApplicationException */
};

typedef struct address {
  frz_str host, port; /* NUL-terminated */
} address;

struct frz_hive_session {
  frz_context *context;
  const frz_alloc *alloc;
  frz_arena arena; /* owns all below */
  address *addresses;
  size_t n_addresses;
  frz_str *ugi; /* the user, then groups */
  size_t n_ugi;
  frz_retry_policy retry;
  pthread_mutex_t lock; /* of all below */
  frz_tcp_stream idle[N_IDLE_MAX];
  size_t n_idle;
  int32_t process_id; /* that opened them and made the lock */
};

/* ---- setting up ---- */

/* The part before the next separator, which is taken off `text`. */
static frz_str next_part(frz_str *text, char separator)
{
  const char *end = memchr(text->data, separator, text->size);
  frz_str part = {text->data, end != NULL ? (size_t)(end - text->data) : text->size};
  size_t taken = part.size + (end != NULL);
  *text = (frz_str){text->data + taken, text->size - taken};
  return part;
}

/* "thrift://host:port", "thrift://[::1]:9083"; the port may be left out. */
static frz_status add_address(frz_hive_session *session, frz_str uri, size_t *capacity,
                              frz_error *err)
{
  static const char form[] = "property uri is not of the form thrift://host:port"; /* no secrets */
  if (!frz_str_starts(uri, "thrift://")) return frz_fail(err, FRZ_ERR_INVALID, "%s", form);
  frz_str host = {uri.data + 9, uri.size - 9};
  while (host.size != 0 && host.data[host.size - 1] == '/') host.size--;
  frz_str port = FRZ_STR("9083");
  size_t at = host.size;
  while (at > 0 && host.data[at - 1] >= '0' && host.data[at - 1] <= '9') at--;
  if (at > 0 && at < host.size && host.data[at - 1] == ':') {
    port = (frz_str){host.data + at, host.size - at};
    host.size = at - 1;
  }
  if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
    host = (frz_str){host.data + 1, host.size - 2};
  if (host.size == 0 || memchr(host.data, '/', host.size) != NULL ||
      memchr(host.data, '@', host.size) != NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "%s", form);
  session->addresses =
      frz_arena_list_room(&session->arena, session->addresses, session->n_addresses, capacity,
                          sizeof *session->addresses);
  if (session->addresses == NULL) return frz_fail_nomem(err, "Hive catalog");
  address *added = &session->addresses[session->n_addresses];
  *added = (address){frz_arena_copy(&session->arena, host), frz_arena_copy(&session->arena, port)};
  if (added->host.data == NULL || added->port.data == NULL)
    return frz_fail_nomem(err, "Hive catalog");
  session->n_addresses++;
  return FRZ_OK;
}

static frz_status read_addresses(frz_hive_session *session, const char *uri, frz_error *err)
{
  size_t capacity = 0;
  frz_str left = frz_str_from(uri);
  if (left.size == 0)
    return frz_fail(err, FRZ_ERR_INVALID, "property uri is missing, such as thrift://host:9083");
  while (left.size != 0) FRZ_TRY(add_address(session, next_part(&left, ','), &capacity, err));
  return FRZ_OK;
}

static frz_status read_ugi(frz_hive_session *session, const char *ugi, frz_error *err)
{
  size_t capacity = 0;
  frz_str left = frz_arena_keep(&session->arena, frz_str_from(ugi));
  if (left.data == NULL) return frz_fail_nomem(err, "Hive catalog");
  while (left.size != 0) {
    session->ugi = frz_arena_list_room(&session->arena, session->ugi, session->n_ugi, &capacity,
                                       sizeof *session->ugi);
    if (session->ugi == NULL) return frz_fail_nomem(err, "Hive catalog");
    frz_str part = frz_arena_copy(&session->arena, next_part(&left, ':'));
    if (part.data == NULL) return frz_fail_nomem(err, "Hive catalog");
    session->ugi[session->n_ugi++] = part;
  }
  return FRZ_OK;
}

static frz_status check_kerberos(const frz_catalog_setup *setup, frz_error *err)
{
  bool is_wanted = false;
  FRZ_TRY(frz_catalog_flag(setup, "hive.kerberos-authentication", false, &is_wanted, err));
  if (!is_wanted) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                  "property hive.kerberos-authentication: Kerberos is not in this build");
}

frz_status frz_hive_session_open(const frz_catalog_setup *setup, frz_hive_session **session_out,
                                 frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(setup->context);
  frz_hive_session *session = frz_alloc_zeroed(alloc, sizeof *session);
  if (session == NULL) return frz_fail_nomem(err, "Hive catalog");
  session->context = setup->context;
  session->alloc = alloc;
  session->process_id = frz_os_process_id();
  pthread_mutex_init(&session->lock, NULL);
  frz_arena_init(&session->arena, alloc, SESSION_BYTES_MAX);
  frz_retry_policy_init(&session->retry);
  frz_status st = check_kerberos(setup, err);
  if (st == FRZ_OK) st = read_addresses(session, frz_catalog_property(setup, "uri"), err);
  if (st == FRZ_OK) st = read_ugi(session, frz_catalog_property(setup, "ugi"), err);
  if (st == FRZ_OK)
    *session_out = session;
  else
    frz_hive_session_free(session);
  return st;
}

void frz_hive_session_free(frz_hive_session *session)
{
  if (session == NULL) return;
  for (size_t i = 0; i < session->n_idle; i++) frz_tcp_close(&session->idle[i]);
  if (session->process_id == frz_os_process_id()) pthread_mutex_destroy(&session->lock);
  frz_arena_free(&session->arena);
  frz_alloc_free(session->alloc, session, sizeof *session);
}

const char *frz_hive_session_user(const frz_hive_session *session)
{
  return session->n_ugi != 0 ? session->ugi[0].data : "frazil";
}

/* ---- errors ---- */

/* What each method throws, by the field's id - 1. */
typedef struct hive_method {
  const char *name;
  bool only_looks;
  const char *thrown[4];
} hive_method;

static const hive_method methods[] = {
    {"alter_table_with_environment_context", false, {"InvalidOperation", "Meta"}},
    {"check_lock", true, {"NoSuchTxn", "TxnAborted", "NoSuchLock"}},
    {"create_database", false, {"AlreadyExists", "InvalidObject", "Meta"}},
    {"create_table", false, {"AlreadyExists", "InvalidObject", "Meta", "NoSuchObject"}},
    {"drop_database", false, {"NoSuchObject", "InvalidOperation", "Meta"}},
    {"drop_table", false, {"NoSuchObject", "Meta"}},
    {"get_all_databases", true, {"Meta"}},
    {"get_all_tables", true, {"Meta"}},
    {"get_database", true, {"NoSuchObject", "Meta"}},
    {"get_table", true, {"Meta", "NoSuchObject"}},
    {"get_table_objects_by_name_req", true, {"Meta", "InvalidOperation", "UnknownDB"}},
    {"get_table_req", true, {"Meta", "NoSuchObject"}},
    {"lock", false, {"NoSuchTxn", "TxnAborted"}},
    {"set_ugi", true, {"Meta"}},
    {"show_locks", true, {NULL}},
    {"unlock", true, {"NoSuchLock", "TxnOpen"}}};

static const hive_method *method_of(const char *name)
{
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    if (strcmp(methods[i].name, name) == 0) return &methods[i];
  assert(false);
  return NULL;
}

static frz_status status_of(const char *thrown, frz_str message)
{
  static const struct {
    const char *thrown;
    frz_status status;
  } known[] = {{"NoSuchObject", FRZ_ERR_NOT_FOUND},   {"UnknownDB", FRZ_ERR_NOT_FOUND},
               {"AlreadyExists", FRZ_ERR_EXISTS},     {"InvalidObject", FRZ_ERR_INVALID},
               {"InvalidOperation", FRZ_ERR_INVALID}, {"NoSuchLock", FRZ_ERR_CONFLICT},
               {"NoSuchTxn", FRZ_ERR_CONFLICT},       {"TxnAborted", FRZ_ERR_CONFLICT},
               {"TxnOpen", FRZ_ERR_CONFLICT}};
  static const char changed[] = "The table has been modified"; /* of expected_parameter_key */
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp(thrown, known[i].thrown) == 0) return known[i].status;
  if (message.size >= sizeof changed - 1 &&
      memmem(message.data, message.size, changed, sizeof changed - 1) != NULL)
    return FRZ_ERR_CONFLICT;
  return FRZ_ERR_IO;
}

static frz_str first_line(frz_str text)
{
  for (size_t i = 0; i < text.size; i++)
    if ((unsigned char)text.data[i] < ' ') return (frz_str){text.data, i};
  return text;
}

/* The message and the type of an exception: fields 1 and 2 of all of them. */
static frz_status read_exception(frz_tbinary_reader *reader, frz_str *message, int32_t *type,
                                 frz_error *err)
{
  for (;;) {
    int16_t id;
    frz_tbinary_type field;
    FRZ_TRY(frz_tbinary_field(reader, &id, &field, err));
    if (field == FRZ_TBINARY_STOP) return FRZ_OK;
    if (id == 1 && field == FRZ_TBINARY_STRING)
      FRZ_TRY(frz_tbinary_read_string(reader, message, err));
    else if (id == 2 && field == FRZ_TBINARY_I32)
      FRZ_TRY(frz_tbinary_read_i32(reader, type, err));
    else
      FRZ_TRY(frz_tbinary_skip(reader, field, err));
  }
}

static frz_status fail_thrown(frz_hive_call *call, int16_t id, frz_error *err)
{
  const hive_method *method = method_of(call->method);
  const char *thrown = id >= 1 && id <= 4 ? method->thrown[id - 1] : NULL;
  frz_str message = {"", 0};
  int32_t type;
  FRZ_TRY(read_exception(&call->result, &message, &type, err));
  message = first_line(message);
  return frz_fail(err, status_of(thrown != NULL ? thrown : "", message), "Hive %s: %s%s%.*s",
                  call->method, thrown != NULL ? thrown : "unknown",
                  message.size != 0 ? "Exception: " : "Exception", FRZ_STR_ARG(message));
}

/* The server did not get so far as to act: no such method, arguments that it does not read. Or it
 * failed inside; then it may have acted. */
static frz_status fail_application(frz_hive_call *call, frz_error *err)
{
  frz_str message = {"", 0};
  int32_t type = 0;
  FRZ_TRY(read_exception(&call->result, &message, &type, err));
  message = first_line(message);
  call->may_be_done = type != UNKNOWN_METHOD;
  return frz_fail(err, type == UNKNOWN_METHOD ? FRZ_ERR_UNSUPPORTED : FRZ_ERR_IO,
                  "Hive %s: the metastore says: %.*s", call->method, FRZ_STR_ARG(message));
}

/* ---- connections ---- */

static void lock_session(frz_hive_session *session)
{
  if (session->process_id != frz_os_process_id()) {
    /* A child after a fork, with one thread: its parent goes on with the connections. */
    session->process_id = frz_os_process_id();
    pthread_mutex_init(&session->lock, NULL);
    for (size_t i = 0; i < session->n_idle; i++) frz_tcp_close(&session->idle[i]);
    session->n_idle = 0;
  }
  pthread_mutex_lock(&session->lock);
}

static bool take_idle(frz_hive_session *session, frz_tcp_stream *stream_out)
{
  bool found = false;
  lock_session(session);
  while (!found && session->n_idle != 0) {
    *stream_out = session->idle[--session->n_idle];
    found = frz_tcp_is_idle(stream_out);
    if (!found) frz_tcp_close(stream_out);
  }
  pthread_mutex_unlock(&session->lock);
  return found;
}

static void put_back(frz_hive_session *session, frz_tcp_stream *stream)
{
  lock_session(session);
  if (session->n_idle < N_IDLE_MAX) {
    session->idle[session->n_idle++] = *stream;
    stream->fd = -1;
  }
  pthread_mutex_unlock(&session->lock);
  frz_tcp_close(stream);
}

/* ---- exchanges ---- */

/* An answer that comes in. */
typedef struct arrival {
  frz_tcp_stream *stream;
  frz_buf *answer;
} arrival;

static frz_status receive_more(void *ctx, frz_reader *bytes, frz_error *err)
{
  const arrival *self = ctx;
  FRZ_TRY(frz_tcp_receive(self->stream, self->answer, err));
  bytes->data = self->answer->data;
  bytes->size = self->answer->size;
  return FRZ_OK;
}

/* Until the whole answer is there. */
static frz_status receive_answer(frz_hive_call *call, frz_tcp_stream *stream, frz_error *err)
{
  arrival self = {stream, &call->answer};
  frz_tbinary_message message;
  call->answer.size = 0;
  frz_tbinary_reader reader = {.more = receive_more, .ctx = &self};
  FRZ_TRY(frz_tbinary_read_message(&reader, &message, err));
  return frz_tbinary_skip(&reader, FRZ_TBINARY_STRUCT, err);
}

static frz_status exchange(frz_hive_call *call, frz_tcp_stream *stream, frz_error *err)
{
  frz_status st = frz_tcp_send(stream, frz_buf_str(&call->request), err);
  if (st == FRZ_OK) st = receive_answer(call, stream, err);
  if (st == FRZ_OK)
    put_back(call->session, stream);
  else
    frz_tcp_close(stream);
  return st;
}

static frz_status introduce(frz_hive_session *session, frz_tcp_stream *stream, frz_error *err)
{
  frz_hive_call call;
  if (session->n_ugi == 0) return FRZ_OK;
  frz_hive_call_open(&call, session, "set_ugi");
  frz_tbinary_write_string_field(&call.args, 1, session->ugi[0]);
  frz_tbinary_write_list_field(&call.args, 2, FRZ_TBINARY_STRING, session->n_ugi - 1);
  for (size_t i = 1; i < session->n_ugi; i++) frz_tbinary_write_string(&call.args, session->ugi[i]);
  frz_tbinary_write_stop(&call.args);
  frz_status st = frz_tbinary_finish(&call.args, err);
  if (st == FRZ_OK) st = frz_tcp_send(stream, frz_buf_str(&call.request), err);
  if (st == FRZ_OK) st = receive_answer(&call, stream, err);
  frz_hive_call_close(&call);
  return st;
}

static frz_status connect_any(frz_hive_session *session, frz_tcp_stream *stream_out, frz_error *err)
{
  frz_status st = FRZ_ERR_IO;
  for (size_t i = 0; i < session->n_addresses; i++) {
    const address *to = &session->addresses[i];
    st = frz_tcp_connect(session->context, to->host.data, to->port.data, CONNECT_TIMEOUT_MS,
                         STALL_TIMEOUT_MS, stream_out, err);
    if (st == FRZ_OK) st = introduce(session, stream_out, err);
    if (st == FRZ_OK || st == FRZ_ERR_CANCELLED) return st;
    frz_tcp_close(stream_out);
  }
  return st;
}

static bool is_network(frz_status st)
{
  return st == FRZ_ERR_IO || st == FRZ_ERR_TIMEOUT;
}

/* Send until there is an answer, or no use in sending it again. */
static frz_status send_until_answered(frz_hive_call *call, frz_error *err)
{
  frz_hive_session *session = call->session;
  bool only_looks = method_of(call->method)->only_looks;
  int64_t start_us = frz_os_monotonic_us();
  for (int32_t attempt = 1;; attempt++) {
    frz_tcp_stream stream = {.fd = -1};
    uint64_t random = 0;
    frz_status st = take_idle(session, &stream) ? FRZ_OK : connect_any(session, &stream, err);
    bool was_sent = st == FRZ_OK;
    if (was_sent) st = exchange(call, &stream, err);
    if (st == FRZ_OK) return st;
    call->may_be_done = was_sent && !only_looks; /* whatever kept its answer from being read */
    if (call->may_be_done || !is_network(st)) return st;
    FRZ_TRY(frz_os_random(&random, sizeof random, err));
    int64_t wait_ms = frz_retry_wait_ms(&session->retry, attempt,
                                        (frz_os_monotonic_us() - start_us) / 1000, -1, random);
    if (wait_ms < 0) return st;
    FRZ_TRY(frz_context_sleep(session->context, wait_ms, err));
  }
}

/* ---- calls ---- */

void frz_hive_call_open(frz_hive_call *call, frz_hive_session *session, const char *method)
{
  *call = (frz_hive_call){.session = session, .method = method};
  frz_arena_init(&call->arena, session->alloc, ANSWER_BYTES_MAX);
  frz_buf_init(&call->request, session->alloc, REQUEST_BYTES_MAX);
  frz_buf_init(&call->answer, session->alloc, ANSWER_BYTES_MAX);
  frz_tbinary_writer_init(&call->args, &call->request);
  frz_tbinary_write_call(&call->args, method, 0);
}

void frz_hive_call_close(frz_hive_call *call)
{
  frz_buf_dispose(&call->request);
  frz_buf_dispose(&call->answer);
  frz_arena_free(&call->arena);
}

/* To the value that the answer holds, or the error. */
static frz_status read_answer(frz_hive_call *call, frz_error *err)
{
  frz_tbinary_message message;
  int16_t id;
  frz_tbinary_type type;
  call->result = (frz_tbinary_reader){.bytes = frz_reader_of(call->answer.data, call->answer.size)};
  FRZ_TRY(frz_tbinary_read_message(&call->result, &message, err));
  if (!frz_str_is(message.name, call->method))
    return frz_fail(err, FRZ_ERR_CORRUPT, "Hive %s: the answer is to '%.*s'", call->method,
                    FRZ_STR_ARG(message.name));
  if (message.kind == FRZ_TBINARY_EXCEPTION) return fail_application(call, err);
  FRZ_TRY(frz_tbinary_field(&call->result, &id, &type, err));
  call->result_type = type;
  if (type == FRZ_TBINARY_STOP || id == 0) return FRZ_OK;
  return fail_thrown(call, id, err);
}

frz_status frz_hive_call_send(frz_hive_call *call, frz_error *err)
{
  frz_tbinary_write_stop(&call->args);
  FRZ_TRY(frz_tbinary_finish(&call->args, err));
  frz_status st = send_until_answered(call, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "Hive %s: ", call->method);
    return st;
  }
  st = read_answer(call, err);
  if (st == FRZ_ERR_CORRUPT) call->may_be_done = !method_of(call->method)->only_looks;
  return st;
}

frz_status frz_hive_call_ask(frz_hive_call *call, frz_tbinary_type type, frz_error *err)
{
  FRZ_TRY(frz_hive_call_send(call, err));
  if (call->result_type == type) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "Hive %s: the answer holds no value of type %d",
                  call->method, (int)type);
}
