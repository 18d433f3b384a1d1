/*
 * arrow_stream.c - streams of batches in and out.
 *
 * A failure crosses as an errno value and a text that starts with the status' name in brackets;
 * a stream of frazil read by frazil gets its status back from that text. After a failure or the
 * end, an outgoing stream stays there.
 *
 * Source: Apache Arrow, "The Arrow C stream interface".
 */
#include "arrow/arrow_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arrow/arrow_import.h"
#include "base/limits.h"

typedef struct status_errno {
  frz_status status;
  int number;
} status_errno;

static const status_errno errno_table[] = {{FRZ_ERR_INVALID, EINVAL},
                                           {FRZ_ERR_NOMEM, ENOMEM},
                                           {FRZ_ERR_CORRUPT, EBADMSG},
                                           {FRZ_ERR_UNSUPPORTED, ENOTSUP},
                                           {FRZ_ERR_IO, EIO},
                                           {FRZ_ERR_NOT_FOUND, ENOENT},
                                           {FRZ_ERR_CONFLICT, EAGAIN},
                                           {FRZ_ERR_COMMIT_UNKNOWN, EIO},
                                           {FRZ_ERR_STALE, ESTALE},
                                           {FRZ_ERR_LIMIT, EOVERFLOW},
                                           {FRZ_ERR_TIMEOUT, ETIMEDOUT},
                                           {FRZ_ERR_CANCELLED, ECANCELED},
                                           {FRZ_ERR_AUTH, EACCES},
                                           {FRZ_ERR_EXISTS, EEXIST}};

enum { N_ERRNOS = sizeof errno_table / sizeof errno_table[0] };

static int errno_of(frz_status status)
{
  for (size_t i = 0; i < N_ERRNOS; i++)
    if (errno_table[i].status == status) return errno_table[i].number;
  return EIO;
}

/* ---- out ---- */

typedef struct out_stream {
  const frz_alloc *alloc;
  frz_batch_source source;
  frz_arena arena;
  frz_arrow_field *fields;
  size_t n_fields;
  frz_status status; /* of the failure that ended it */
  bool ended;
  char message[FRZ_ERROR_MESSAGE_BYTES + 40];
} out_stream;

static int stream_fail(out_stream *self, frz_status status, const frz_error *error)
{
  self->status = status;
  snprintf(self->message, sizeof self->message, "[%s] %s", frz_status_name(status), error->message);
  return errno_of(status);
}

static int stream_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
  out_stream *self = stream->private_data;
  frz_error error = {0};
  out->release = NULL;
  frz_status st = frz_arrow_schema_export(self->fields, self->n_fields, self->alloc, out, &error);
  return st == FRZ_OK ? 0 : stream_fail(self, st, &error);
}

static int stream_get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
  out_stream *self = stream->private_data;
  frz_error error = {0};
  frz_batch batch = {0};
  out->release = NULL;
  if (self->ended) return self->status == FRZ_OK ? 0 : errno_of(self->status);
  frz_status st = self->source.next(self->source.self, &batch, &error);
  if (st == FRZ_OK && batch.n_rows > 0) st = frz_batch_export(&batch, out, &error);
  self->ended = st != FRZ_OK || out->release == NULL;
  if (self->ended) frz_batch_dispose(&batch);
  return st == FRZ_OK ? 0 : stream_fail(self, st, &error);
}

static const char *stream_get_last_error(struct ArrowArrayStream *stream)
{
  out_stream *self = stream->private_data;
  return self->status != FRZ_OK ? self->message : NULL;
}

static void out_stream_free(out_stream *self)
{
  self->source.free(self->source.self);
  frz_arena_free(&self->arena);
  frz_alloc_free(self->alloc, self, sizeof *self);
}

static void stream_release(struct ArrowArrayStream *stream)
{
  out_stream_free(stream->private_data);
  stream->private_data = NULL;
  stream->release = NULL;
}

static frz_status copy_fields(out_stream *self, const frz_arrow_field *fields, size_t n_fields,
                              frz_error *err)
{
  self->n_fields = n_fields;
  self->fields = frz_arena_array(&self->arena, n_fields, sizeof *self->fields);
  if (self->fields == NULL) return frz_fail_nomem(err, "stream schema");
  for (size_t i = 0; i < n_fields; i++)
    FRZ_TRY(frz_arrow_field_copy(&fields[i], &self->arena, &self->fields[i], err));
  return FRZ_OK;
}

frz_status frz_stream_export(const frz_arrow_field *fields, size_t n_fields,
                             frz_batch_source source, const frz_alloc *alloc,
                             struct ArrowArrayStream *stream_out, frz_error *err)
{
  out_stream *self = frz_alloc_zeroed(alloc, sizeof *self);
  if (self == NULL) {
    source.free(source.self);
    return frz_fail_nomem(err, "stream");
  }
  self->alloc = alloc;
  self->source = source;
  frz_arena_init(&self->arena, alloc, FRZ_LIMIT_ARROW_SCHEMA_BYTES);
  frz_status st = copy_fields(self, fields, n_fields, err);
  if (st != FRZ_OK) {
    out_stream_free(self);
    return st;
  }
  *stream_out = (struct ArrowArrayStream){.get_schema = stream_get_schema,
                                          .get_next = stream_get_next,
                                          .get_last_error = stream_get_last_error,
                                          .release = stream_release,
                                          .private_data = self};
  return FRZ_OK;
}

/* ---- a list of batches as a source ---- */

typedef struct batch_list {
  const frz_alloc *alloc;
  size_t bytes;
  size_t n_batches;
  size_t next;
  frz_batch batches[];
} batch_list;

static frz_status batch_list_next(void *self, frz_batch *batch_out, frz_error *err)
{
  batch_list *list = self;
  (void)err;
  while (list->next < list->n_batches && list->batches[list->next].n_rows == 0) list->next++;
  if (list->next == list->n_batches) {
    *batch_out = (frz_batch){0};
    return FRZ_OK;
  }
  *batch_out = list->batches[list->next];
  list->batches[list->next++] = (frz_batch){0};
  return FRZ_OK;
}

static void batch_list_free(void *self)
{
  batch_list *list = self;
  for (size_t i = 0; i < list->n_batches; i++) frz_batch_dispose(&list->batches[i]);
  frz_alloc_free(list->alloc, list, list->bytes);
}

frz_status frz_stream_export_batches(const frz_arrow_field *fields, size_t n_fields,
                                     frz_batch *batches, size_t n_batches, const frz_alloc *alloc,
                                     struct ArrowArrayStream *stream_out, frz_error *err)
{
  size_t bytes = sizeof(batch_list) + n_batches * sizeof(frz_batch);
  batch_list *list = frz_alloc_zeroed(alloc, bytes);
  if (list == NULL) {
    for (size_t i = 0; i < n_batches; i++) frz_batch_dispose(&batches[i]);
    return frz_fail_nomem(err, "stream");
  }
  list->alloc = alloc;
  list->bytes = bytes;
  list->n_batches = n_batches;
  for (size_t i = 0; i < n_batches; i++) {
    list->batches[i] = batches[i];
    batches[i] = (frz_batch){0};
  }
  frz_batch_source source = {list, batch_list_next, batch_list_free};
  return frz_stream_export(fields, n_fields, source, alloc, stream_out, err);
}

/* ---- in ---- */

static frz_status status_of(int number, const char *text, const char **message_out)
{
  *message_out = text;
  if (text != NULL && text[0] == '[') {
    for (size_t i = 0; i < N_ERRNOS; i++) {
      const char *name = frz_status_name(errno_table[i].status);
      size_t size = strlen(name);
      if (strncmp(text + 1, name, size) != 0 || text[size + 1] != ']') continue;
      *message_out = text + size + 2 + (text[size + 2] == ' ');
      return errno_table[i].status;
    }
  }
  for (size_t i = 0; i < N_ERRNOS; i++)
    if (errno_table[i].number == number) return errno_table[i].status;
  return number == ENOSYS ? FRZ_ERR_UNSUPPORTED : FRZ_ERR_IO;
}

/* A long text keeps its end, where a traceback of Python says what was raised. */
static frz_status fail_text(frz_status st, const char *text, frz_error *err)
{
  enum { HEAD_BYTES = 300, TAIL_BYTES = 500 };
  size_t size = strlen(text);
  if (size <= HEAD_BYTES + TAIL_BYTES) return frz_fail(err, st, "%s", text);
  return frz_fail(err, st, "%.*s ... %s", HEAD_BYTES, text, text + size - TAIL_BYTES);
}

static frz_status fail_foreign(struct ArrowArrayStream *stream, int number, frz_error *err)
{
  const char *text = stream->get_last_error(stream);
  const char *message;
  frz_status st = status_of(number, text, &message);
  if (message != NULL && message[0] != '\0') return fail_text(st, message, err);
  return frz_fail(err, st, "Arrow stream: errno %d", number);
}

static frz_status read_schema(frz_stream_reader *reader, frz_error *err)
{
  int number = reader->stream.get_schema(&reader->stream, &reader->schema);
  if (number != 0) {
    reader->schema.release = NULL;
    return fail_foreign(&reader->stream, number, err);
  }
  frz_arrow_field root;
  FRZ_TRY(frz_arrow_field_import(&reader->schema, &reader->arena, &root, err));
  if (root.type.kind != FRZ_ARROW_STRUCT || reader->schema.dictionary != NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "Arrow stream of '%s', not of record batches",
                    reader->schema.format);
  reader->fields = root.children;
  reader->n_fields = root.n_children;
  return FRZ_OK;
}

frz_status frz_stream_reader_open(frz_stream_reader *reader, struct ArrowArrayStream *stream,
                                  const frz_alloc *alloc, frz_error *err)
{
  if (stream->release == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "Arrow stream was released already");
  frz_stream_reader made = {.stream = *stream, .alloc = alloc};
  stream->release = NULL;
  frz_arena_init(&made.arena, alloc, FRZ_LIMIT_ARROW_SCHEMA_BYTES);
  frz_status st = read_schema(&made, err);
  if (st != FRZ_OK) {
    frz_stream_reader_dispose(&made);
    return st;
  }
  *reader = made;
  return FRZ_OK;
}

static void release_array(frz_stream_reader *reader)
{
  if (reader->array.release != NULL) reader->array.release(&reader->array);
  reader->array.release = NULL;
}

/* The next array that has rows; none is released at the end. */
static frz_status next_array(frz_stream_reader *reader, frz_error *err)
{
  for (;;) {
    struct ArrowArray array = {0};
    int number = reader->stream.get_next(&reader->stream, &array);
    if (number != 0) return fail_foreign(&reader->stream, number, err);
    reader->array = array;
    if (array.release == NULL || array.length != 0) break;
    release_array(reader);
  }
  reader->array_row = 0;
  reader->array_piece_rows = reader->array.length;
  if (reader->array.release == NULL || reader->rows_max == 0) return FRZ_OK;
  int64_t longest = frz_array_longest_dictionary(&reader->schema, &reader->array);
  reader->array_piece_rows = longest > reader->rows_max ? longest : reader->rows_max;
  return FRZ_OK;
}

frz_status frz_stream_reader_next(frz_stream_reader *reader, frz_batch *batch_out, frz_error *err)
{
  if (reader->array.release == NULL) FRZ_TRY(next_array(reader, err));
  const struct ArrowArray *array = &reader->array;
  if (array->release == NULL) {
    *batch_out = (frz_batch){.alloc = reader->alloc};
    return FRZ_OK;
  }
  int64_t first = reader->array_row;
  int64_t n = array->length - first;
  if (n > reader->array_piece_rows) n = reader->array_piece_rows;
  frz_status st = frz_batch_import_rows(batch_out, reader->fields, reader->n_fields,
                                        &reader->schema, array, first, n, reader->alloc, err);
  reader->array_row += n;
  if (st != FRZ_OK || reader->array_row >= array->length) release_array(reader);
  return st;
}

void frz_stream_reader_dispose(frz_stream_reader *reader)
{
  release_array(reader);
  if (reader->schema.release != NULL) reader->schema.release(&reader->schema);
  if (reader->stream.release != NULL) reader->stream.release(&reader->stream);
  frz_arena_free(&reader->arena);
  *reader = (frz_stream_reader){0};
}
