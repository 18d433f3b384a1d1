/*
 * object_source.c - an object read by ranges.
 *
 * Opening asks for the last 128 KiB: one request that tells the object's size and brings what is
 * read first of nearly every file: the footer of a data file, all of a small one. Where a store has
 * no ranges from the end, the first 128 KiB are asked for, and the last of a longer object then.
 * Ranges inside that tail cost nothing more. Others are sorted, joined where little lies between
 * them, cut where they are long, and fetched side by side; bytes go straight to where the caller
 * wants them.
 *
 * What must stay true: an object is read as it was when it was opened (its ETag is compared), since
 * table files never change; a range is filled whole or the call fails.
 */
#include <stdio.h>
#include <stdlib.h>

#include "storage/object_store.h"

enum {
  TAIL_BYTES = 128 << 10,
  GAP_BYTES_MAX = 256 << 10, /* read over, rather than asked for apart */
  PART_BYTES_MAX = 96 << 20, /* of one request: a row group, as readers ask for it */
  READ_BYTES_MAX = 256 << 20 /* what the bookkeeping of one call may take */
};

typedef struct object_source {
  frz_source base;
  frz_object *object;
  frz_buf tail; /* the last bytes */
  char etag[136];
} object_source;

static void count(object_source *source, const frz_http_answer *answer)
{
  atomic_fetch_add(&source->base.counts.n_requests, answer->n_attempts);
  atomic_fetch_add(&source->base.counts.n_bytes, answer->body_bytes);
}

/* ---- opening ---- */

static frz_http_request get_range(object_source *source, const frz_http_pair *range, frz_buf *text)
{
  const frz_object_ops *ops = source->object->ops;
  frz_http_request request = ops->request(source->object, "GET", text);
  request.headers = range;
  request.n_headers = 1;
  request.query = &ops->media;
  request.n_query = ops->media.name.size != 0;
  return request;
}

static frz_status ask_size(object_source *source, frz_error *err)
{
  frz_http_answer answer;
  FRZ_TRY(frz_object_ask(source->object, &answer, err));
  count(source, &answer);
  if (answer.length_bytes < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s: the store tells no length",
                    FRZ_STR_ARG(source->object->uri));
  source->base.size_bytes = answer.length_bytes;
  memcpy(source->etag, answer.etag, sizeof source->etag);
  return FRZ_OK;
}

/* A cache on the way may have its own idea of a range. */
static frz_status check_place(const object_source *source, const frz_http_answer *answer,
                              int64_t first, frz_error *err)
{
  if (answer->status != 206 || answer->first_byte < 0 || answer->first_byte == first) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s: bytes from %lld on came, not from %lld",
                  FRZ_STR_ARG(source->object->uri), (long long)answer->first_byte,
                  (long long)first);
}

/* The bytes that a Range header names, into the tail, and with them the object's size. `first` -1:
 * the last ones. */
static frz_status read_into_tail(object_source *source, const char *range, int64_t first,
                                 frz_error *err)
{
  const frz_http_pair header = {FRZ_STR("range"), frz_str_from(range)};
  frz_http_request request = get_range(source, &header, &source->tail);
  frz_status st = frz_http_send(source->object->store->http, &request, 1, err);
  const frz_http_answer *answer = &request.answer;
  count(source, answer);
  bool is_whole = answer->status == 200;
  if (st == FRZ_OK && (is_whole || (answer->status == 206 && answer->total_bytes >= 0))) {
    source->base.size_bytes = is_whole ? answer->body_bytes : answer->total_bytes;
    memcpy(source->etag, answer->etag, sizeof source->etag);
    int64_t tail_at = source->base.size_bytes - (int64_t)source->tail.size;
    if (tail_at >= 0) return check_place(source, answer, first >= 0 ? first : tail_at, err);
    return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s: %zu bytes of an object of %lld",
                    FRZ_STR_ARG(source->object->uri), source->tail.size,
                    (long long)source->base.size_bytes);
  }
  /* An empty object has no range; some stores give a long one whole. */
  bool asks_size =
      st == FRZ_ERR_LIMIT || (st == FRZ_OK && (answer->status == 416 || answer->status == 206));
  if (st == FRZ_OK && !asks_size) return source->object->ops->fail(source->object, &request, err);
  source->tail.size = 0;
  return asks_size ? ask_size(source, err) : st;
}

static frz_status read_tail(object_source *source, frz_error *err)
{
  char range[64];
  if (!source->object->ops->has_no_suffix_ranges) {
    snprintf(range, sizeof range, "bytes=-%d", TAIL_BYTES);
    return read_into_tail(source, range, -1, err);
  }
  snprintf(range, sizeof range, "bytes=0-%d", TAIL_BYTES - 1);
  FRZ_TRY(read_into_tail(source, range, 0, err));
  int64_t size = source->base.size_bytes;
  if (size <= TAIL_BYTES) return FRZ_OK;
  char etag[sizeof source->etag];
  memcpy(etag, source->etag, sizeof etag);
  snprintf(range, sizeof range, "bytes=%lld-%lld", (long long)size - TAIL_BYTES,
           (long long)size - 1);
  FRZ_TRY(read_into_tail(source, range, size - TAIL_BYTES, err));
  if (source->base.size_bytes == size && strcmp(etag, source->etag) == 0) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s changed while it was opened",
                  FRZ_STR_ARG(source->object->uri));
}

static void source_free(frz_source *base)
{
  object_source *source = (object_source *)base;
  const frz_alloc *alloc = source->tail.alloc;
  frz_buf_dispose(&source->tail);
  frz_object_free(source->object);
  frz_alloc_free(alloc, source, sizeof *source);
}

/* ---- reading ---- */

/* One request of a read, and where its bytes go. */
typedef struct part {
  int64_t offset;
  int64_t end;
  size_t first_piece;
  size_t n_pieces;
} part;

/* Bytes that two ranges share: fetched for the first. */
typedef struct copy {
  const uint8_t *from;
  uint8_t *dest;
  size_t size;
} copy;

typedef struct read_plan {
  frz_arena arena;
  const frz_range **sorted;
  size_t n_sorted;
  part *parts;
  size_t n_parts;
  frz_http_piece *pieces;
  size_t n_pieces;
  copy *copies;
  size_t n_copies;
} read_plan;

static int compare_ranges(const void *a, const void *b)
{
  const frz_range *left = *(const frz_range *const *)a;
  const frz_range *right = *(const frz_range *const *)b;
  return (left->offset > right->offset) - (left->offset < right->offset);
}

/* Copies what the tail holds; the others are sorted by offset. */
static frz_status sort_out(const object_source *source, const frz_range *ranges, size_t n_ranges,
                           read_plan *plan, size_t *n_cuts_out, frz_error *err)
{
  int64_t tail_at = source->base.size_bytes - (int64_t)source->tail.size;
  plan->sorted = frz_arena_array(&plan->arena, n_ranges, sizeof *plan->sorted);
  if (plan->sorted == NULL) return frz_fail_nomem(err, "object");
  for (size_t i = 0; i < n_ranges; i++) {
    const frz_range *range = &ranges[i];
    FRZ_TRY(frz_source_check_range(&source->base, source->object->uri, range, err));
    if (range->size == 0) continue;
    if (range->offset >= tail_at) {
      memcpy(range->dest, source->tail.data + (range->offset - tail_at), range->size);
    } else {
      plan->sorted[plan->n_sorted++] = range;
      *n_cuts_out += range->size / PART_BYTES_MAX + 1;
    }
  }
  qsort(plan->sorted, plan->n_sorted, sizeof *plan->sorted, compare_ranges);
  return FRZ_OK;
}

static void add_piece(read_plan *plan, part *to, uint8_t *dest, int64_t offset, size_t size)
{
  int64_t gap = offset - to->end;
  if (gap != 0) plan->pieces[plan->n_pieces++] = (frz_http_piece){NULL, (size_t)gap};
  plan->pieces[plan->n_pieces++] = (frz_http_piece){dest, size};
  to->end = offset + (int64_t)size;
  to->n_pieces = plan->n_pieces - to->first_piece;
}

/* How many of these bytes the piece that was placed last ends with, which are copied from it. */
static size_t copy_shared(read_plan *plan, uint8_t *dest, int64_t offset, size_t size)
{
  if (plan->n_parts == 0) return 0;
  int64_t overlap = plan->parts[plan->n_parts - 1].end - offset;
  const frz_http_piece *piece = &plan->pieces[plan->n_pieces - 1];
  if (overlap <= 0 || (uint64_t)overlap > piece->size) return 0;
  size_t shared = (size_t)overlap < size ? (size_t)overlap : size;
  plan->copies[plan->n_copies++] =
      (copy){piece->dest + (piece->size - (size_t)overlap), dest, shared};
  return shared;
}

/* Joins the part being built, or starts the next. Of ranges that overlap only the ends of the
 * earlier ones are shared, such as the spare bytes behind column chunks; others are fetched apart.
 */
static void place(read_plan *plan, uint8_t *dest, int64_t offset, size_t size)
{
  size_t shared = copy_shared(plan, dest, offset, size);
  if (shared == size) return;
  dest += shared;
  offset += (int64_t)shared;
  size -= shared;
  part *last = plan->n_parts != 0 ? &plan->parts[plan->n_parts - 1] : NULL;
  bool joins = last != NULL && offset >= last->end && offset - last->end <= GAP_BYTES_MAX &&
               offset + (int64_t)size - last->offset <= PART_BYTES_MAX;
  if (!joins) {
    last = &plan->parts[plan->n_parts++];
    *last = (part){offset, offset, plan->n_pieces, 0};
  }
  add_piece(plan, last, dest, offset, size);
}

static frz_status make_plan(const object_source *source, const frz_range *ranges, size_t n_ranges,
                            read_plan *plan, frz_error *err)
{
  size_t n_cuts = 0;
  FRZ_TRY(sort_out(source, ranges, n_ranges, plan, &n_cuts, err));
  plan->parts = frz_arena_array(&plan->arena, n_cuts, sizeof *plan->parts);
  plan->pieces = frz_arena_array(&plan->arena, 2 * n_cuts, sizeof *plan->pieces);
  plan->copies = frz_arena_array(&plan->arena, n_cuts, sizeof *plan->copies);
  if (plan->parts == NULL || plan->pieces == NULL || plan->copies == NULL)
    return frz_fail_nomem(err, "object");
  for (size_t i = 0; i < plan->n_sorted; i++) {
    const frz_range *range = plan->sorted[i];
    for (size_t at = 0; at < range->size; at += PART_BYTES_MAX) {
      size_t left = range->size - at;
      place(plan, range->dest + at, range->offset + (int64_t)at,
            left < PART_BYTES_MAX ? left : PART_BYTES_MAX);
    }
  }
  return FRZ_OK;
}

static frz_status check_part(const object_source *source, const part *asked,
                             const frz_http_request *request, frz_error *err)
{
  const frz_http_answer *answer = &request->answer;
  if (answer->status != 206 && answer->status != 200)
    return source->object->ops->fail(source->object, request, err);
  FRZ_TRY(check_place(source, answer, asked->offset, err));
  if (answer->etag[0] == '\0' || source->etag[0] == '\0' || strcmp(answer->etag, source->etag) == 0)
    return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s changed while it was read",
                  FRZ_STR_ARG(source->object->uri));
}

static frz_status fetch(object_source *source, read_plan *plan, frz_error *err)
{
  frz_http_request *requests = frz_arena_array(&plan->arena, plan->n_parts, sizeof *requests);
  frz_http_pair *headers = frz_arena_array(&plan->arena, plan->n_parts, sizeof *headers);
  frz_buf *texts = frz_arena_array(&plan->arena, plan->n_parts, sizeof *texts);
  if (requests == NULL || headers == NULL || texts == NULL) return frz_fail_nomem(err, "object");
  for (size_t i = 0; i < plan->n_parts; i++) {
    const part *p = &plan->parts[i];
    frz_str range = frz_arena_print(&plan->arena, "bytes=%lld-%lld", (long long)p->offset,
                                    (long long)p->end - 1);
    if (range.data == NULL) return frz_fail_nomem(err, "object");
    frz_buf_init(&texts[i], source->tail.alloc, FRZ_OBJECT_ERROR_BYTES_MAX);
    headers[i] = (frz_http_pair){FRZ_STR("range"), range};
    requests[i] = get_range(source, &headers[i], &texts[i]);
    requests[i].pieces = plan->pieces + p->first_piece;
    requests[i].n_pieces = p->n_pieces;
  }
  frz_status st = frz_http_send(source->object->store->http, requests, plan->n_parts, err);
  for (size_t i = 0; i < plan->n_parts; i++) {
    count(source, &requests[i].answer);
    if (st == FRZ_OK) st = check_part(source, &plan->parts[i], &requests[i], err);
    frz_buf_dispose(&texts[i]);
  }
  return st;
}

static frz_status read_ranges(frz_source *base, const frz_range *ranges, size_t n_ranges,
                              frz_error *err)
{
  object_source *source = (object_source *)base;
  read_plan plan = {0};
  frz_arena_init(&plan.arena, source->tail.alloc, READ_BYTES_MAX);
  frz_status st = make_plan(source, ranges, n_ranges, &plan, err);
  if (st == FRZ_OK && plan.n_parts != 0) st = fetch(source, &plan, err);
  for (size_t i = 0; i < plan.n_copies && st == FRZ_OK; i++)
    memcpy(plan.copies[i].dest, plan.copies[i].from, plan.copies[i].size);
  frz_arena_free(&plan.arena);
  return st;
}

frz_status frz_object_source_open(frz_object *object, frz_source **source_out, frz_error *err)
{
  const frz_alloc *alloc = object->store->alloc;
  object_source *source = frz_alloc_zeroed(alloc, sizeof *source);
  if (source == NULL) {
    frz_object_free(object);
    return frz_fail_nomem(err, "object");
  }
  source->object = object;
  source->base.read_ranges = read_ranges;
  source->base.free = source_free;
  source->base.is_remote = true;
  frz_buf_init(&source->tail, alloc, TAIL_BYTES);
  frz_status st = read_tail(source, err);
  if (st == FRZ_OK && source->etag[0] != '\0') source->base.etag = source->etag;
  if (st == FRZ_OK)
    *source_out = &source->base;
  else
    source_free(&source->base);
  return st;
}
