/*
 * s3_storage.c - S3 objects: read by ranges, listed, deleted.
 *
 * Opening asks for the last 128 KiB: one request that tells the object's size and brings what is
 * read first of nearly every file: the footer of a data file, all of a small one. Ranges inside
 * that tail cost nothing more. Others are sorted, joined where little lies between them, cut where
 * they are long, and fetched side by side; bytes go straight to where the caller wants them.
 *
 * What must stay true: an object is read as it was when it was opened (its ETag is compared), since
 * table files never change; a range is filled whole or the call fails.
 */
#include "storage/s3_storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "text/xml_reader.h"

enum {
  TAIL_BYTES = 128 << 10,
  GAP_BYTES_MAX = 256 << 10,  /* read over, rather than asked for apart */
  PART_BYTES_MAX = 8 << 20,   /* of one request */
  READ_BYTES_MAX = 256 << 20, /* what the bookkeeping of one call may take */
  LIST_BYTES_MAX = 32 << 20   /* a page of a listing */
};

typedef struct s3_source {
  frz_source base;
  frz_s3 *s3;
  frz_s3_target target;
  frz_buf tail; /* the last bytes */
  char etag[136];
} s3_source;

/* ---- opening ---- */

static frz_status size_by_head(s3_source *source, frz_error *err)
{
  frz_http_request request = frz_s3_request(&source->target, "HEAD", NULL);
  FRZ_TRY(frz_s3_send(&source->target, &request, 1, err));
  if (request.answer.status != 200) return frz_s3_fail(&source->target, &request, err);
  if (request.answer.length_bytes < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s: the store tells no length",
                    FRZ_STR_ARG(source->target.uri));
  source->base.size_bytes = request.answer.length_bytes;
  memcpy(source->etag, request.answer.etag, sizeof source->etag);
  return FRZ_OK;
}

static frz_status read_tail(s3_source *source, frz_error *err)
{
  char range[32];
  snprintf(range, sizeof range, "bytes=-%d", TAIL_BYTES);
  const frz_http_pair header = {FRZ_STR("range"), frz_str_from(range)};
  frz_http_request request = frz_s3_request(&source->target, "GET", &source->tail);
  request.headers = &header;
  request.n_headers = 1;
  frz_status st = frz_s3_send(&source->target, &request, 1, err);
  const frz_http_answer *answer = &request.answer;
  bool is_whole = answer->status == 200;
  if (st == FRZ_OK && (is_whole || (answer->status == 206 && answer->total_bytes >= 0))) {
    source->base.size_bytes = is_whole ? answer->body_bytes : answer->total_bytes;
    memcpy(source->etag, answer->etag, sizeof source->etag);
    if ((int64_t)source->tail.size <= source->base.size_bytes) return FRZ_OK;
    return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s: %zu bytes of an object of %lld",
                    FRZ_STR_ARG(source->target.uri), source->tail.size,
                    (long long)source->base.size_bytes);
  }
  /* An empty object has no range; some stores give a long one whole. */
  bool asks_size =
      st == FRZ_ERR_LIMIT || (st == FRZ_OK && (answer->status == 416 || answer->status == 206));
  if (st == FRZ_OK && !asks_size) return frz_s3_fail(&source->target, &request, err);
  source->tail.size = 0;
  return asks_size ? size_by_head(source, err) : st;
}

static void source_free(frz_source *base)
{
  s3_source *source = (s3_source *)base;
  frz_s3 *s3 = source->s3;
  frz_buf_dispose(&source->tail);
  frz_s3_target_close(&source->target);
  frz_alloc_free(frz_s3_alloc(s3), source, sizeof *source);
  frz_s3_release(s3);
}

/* ---- reading ---- */

/* One request of a read, and where its bytes go. */
typedef struct part {
  int64_t offset;
  int64_t end;
  size_t first_piece;
  size_t n_pieces;
} part;

typedef struct read_plan {
  frz_arena arena;
  const frz_range **sorted;
  size_t n_sorted;
  part *parts;
  size_t n_parts;
  frz_http_piece *pieces;
  size_t n_pieces;
} read_plan;

static int compare_ranges(const void *a, const void *b)
{
  const frz_range *left = *(const frz_range *const *)a;
  const frz_range *right = *(const frz_range *const *)b;
  return (left->offset > right->offset) - (left->offset < right->offset);
}

static frz_status check_range(const s3_source *source, const frz_range *range, frz_error *err)
{
  int64_t size = source->base.size_bytes;
  if (range->offset >= 0 && range->offset <= size &&
      range->size <= (uint64_t)(size - range->offset))
    return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "read %.*s: %zu bytes at offset %lld pass the end at %lld",
                  FRZ_STR_ARG(source->target.uri), range->size, (long long)range->offset,
                  (long long)size);
}

/* Copies what the tail holds; the others are sorted by offset. */
static frz_status sort_out(const s3_source *source, const frz_range *ranges, size_t n_ranges,
                           read_plan *plan, size_t *n_cuts_out, frz_error *err)
{
  int64_t tail_at = source->base.size_bytes - (int64_t)source->tail.size;
  plan->sorted = frz_arena_array(&plan->arena, n_ranges, sizeof *plan->sorted);
  if (plan->sorted == NULL) return frz_fail_nomem(err, "S3 read");
  for (size_t i = 0; i < n_ranges; i++) {
    const frz_range *range = &ranges[i];
    FRZ_TRY(check_range(source, range, err));
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

/* Joins the part being built, or starts the next. Ranges that overlap are fetched apart. */
static void place(read_plan *plan, uint8_t *dest, int64_t offset, size_t size)
{
  part *last = plan->n_parts != 0 ? &plan->parts[plan->n_parts - 1] : NULL;
  bool joins = last != NULL && offset >= last->end && offset - last->end <= GAP_BYTES_MAX &&
               offset + (int64_t)size - last->offset <= PART_BYTES_MAX;
  if (!joins) {
    last = &plan->parts[plan->n_parts++];
    *last = (part){offset, offset, plan->n_pieces, 0};
  }
  add_piece(plan, last, dest, offset, size);
}

static frz_status make_plan(const s3_source *source, const frz_range *ranges, size_t n_ranges,
                            read_plan *plan, frz_error *err)
{
  size_t n_cuts = 0;
  FRZ_TRY(sort_out(source, ranges, n_ranges, plan, &n_cuts, err));
  plan->parts = frz_arena_array(&plan->arena, n_cuts, sizeof *plan->parts);
  plan->pieces = frz_arena_array(&plan->arena, 2 * n_cuts, sizeof *plan->pieces);
  if (plan->parts == NULL || plan->pieces == NULL) return frz_fail_nomem(err, "S3 read");
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

static frz_status check_part(const s3_source *source, const frz_http_request *request,
                             frz_error *err)
{
  const frz_http_answer *answer = &request->answer;
  if (answer->status != 206 && answer->status != 200)
    return frz_s3_fail(&source->target, request, err);
  if (answer->etag[0] == '\0' || source->etag[0] == '\0' || strcmp(answer->etag, source->etag) == 0)
    return FRZ_OK;
  return frz_fail(err, FRZ_ERR_CORRUPT, "%.*s changed while it was read",
                  FRZ_STR_ARG(source->target.uri));
}

static frz_status fetch(s3_source *source, read_plan *plan, frz_error *err)
{
  frz_http_request *requests = frz_arena_array(&plan->arena, plan->n_parts, sizeof *requests);
  frz_http_pair *headers = frz_arena_array(&plan->arena, plan->n_parts, sizeof *headers);
  frz_buf *texts = frz_arena_array(&plan->arena, plan->n_parts, sizeof *texts);
  if (requests == NULL || headers == NULL || texts == NULL) return frz_fail_nomem(err, "S3 read");
  for (size_t i = 0; i < plan->n_parts; i++) {
    const part *p = &plan->parts[i];
    frz_str range = frz_arena_print(&plan->arena, "bytes=%lld-%lld", (long long)p->offset,
                                    (long long)p->end - 1);
    if (range.data == NULL) return frz_fail_nomem(err, "S3 read");
    frz_buf_init(&texts[i], frz_s3_alloc(source->s3), FRZ_S3_ERROR_BYTES_MAX);
    headers[i] = (frz_http_pair){FRZ_STR("range"), range};
    requests[i] = frz_s3_request(&source->target, "GET", &texts[i]);
    requests[i].headers = &headers[i];
    requests[i].n_headers = 1;
    requests[i].pieces = plan->pieces + p->first_piece;
    requests[i].n_pieces = p->n_pieces;
  }
  frz_status st = frz_s3_send(&source->target, requests, plan->n_parts, err);
  for (size_t i = 0; i < plan->n_parts; i++) {
    if (st == FRZ_OK) st = check_part(source, &requests[i], err);
    frz_buf_dispose(&texts[i]);
  }
  return st;
}

static frz_status read_ranges(frz_source *base, const frz_range *ranges, size_t n_ranges,
                              frz_error *err)
{
  s3_source *source = (s3_source *)base;
  read_plan plan = {0};
  frz_arena_init(&plan.arena, frz_s3_alloc(source->s3), READ_BYTES_MAX);
  frz_status st = make_plan(source, ranges, n_ranges, &plan, err);
  if (st == FRZ_OK && plan.n_parts != 0) st = fetch(source, &plan, err);
  frz_arena_free(&plan.arena);
  return st;
}

static frz_status s3_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  frz_s3 *s3 = ctx;
  s3_source *source = frz_alloc_zeroed(frz_s3_alloc(s3), sizeof *source);
  if (source == NULL) return frz_fail_nomem(err, "S3 object");
  source->s3 = frz_s3_retain(s3);
  source->base.read_ranges = read_ranges;
  source->base.free = source_free;
  frz_buf_init(&source->tail, frz_s3_alloc(s3), TAIL_BYTES);
  frz_status st = frz_s3_target_open(s3, uri, &source->target, err);
  if (st == FRZ_OK) st = read_tail(source, err);
  if (st == FRZ_OK)
    *source_out = &source->base;
  else
    source_free(&source->base);
  return st;
}

/* ---- deleting ---- */

static frz_status s3_remove(void *ctx, frz_str uri, frz_error *err)
{
  frz_s3 *s3 = ctx;
  frz_s3_target target = {0};
  frz_buf text;
  FRZ_TRY(frz_s3_target_open(s3, uri, &target, err));
  frz_buf_init(&text, frz_s3_alloc(s3), FRZ_S3_ERROR_BYTES_MAX);
  frz_http_request request = frz_s3_request(&target, "DELETE", &text);
  frz_status st = frz_s3_send(&target, &request, 1, err);
  if (st == FRZ_OK && request.answer.status != 204 && request.answer.status != 200)
    st = frz_s3_fail(&target, &request, err);
  frz_buf_dispose(&text);
  frz_s3_target_close(&target);
  return st;
}

/* ---- listing ---- */

typedef struct listing {
  frz_s3_target *target; /* the bucket */
  frz_str root;          /* "s3://bucket/" as the caller writes it */
  frz_str prefix;
  frz_buf next; /* the continuation token; size 0: this is the last page */
  frz_buf uri;
  frz_storage_visit visit;
  void *arg;
} listing;

/* "2009-10-12T17:50:30.000Z" in milliseconds; 0: not a time. */
static int64_t time_of(frz_str text)
{
  char copy[40];
  struct tm tm = {0};
  if (text.size >= sizeof copy) return 0;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest == NULL) return 0;
  int64_t ms = (int64_t)timegm(&tm) * 1000;
  if (*rest == '.')
    for (int64_t unit = 100; *++rest >= '0' && *rest <= '9'; unit /= 10) ms += unit * (*rest - '0');
  return ms;
}

static int64_t size_of(frz_str text)
{
  int64_t size = 0;
  if (text.size == 0 || text.size > 18) return -1;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return -1;
    size = size * 10 + (text.data[i] - '0');
  }
  return size;
}

static frz_status visit_object(listing *list, frz_str key, int64_t size, int64_t modified_ms,
                               frz_error *err)
{
  bool is_folder = key.size != 0 && key.data[key.size - 1] == '/' && size <= 0;
  if (is_folder || key.size < list->prefix.size) return FRZ_OK;
  list->uri.size = 0;
  FRZ_TRY(frz_buf_append_str(&list->uri, list->root, err));
  FRZ_TRY(frz_buf_append_str(&list->uri, key, err));
  const frz_storage_entry entry = {frz_buf_str(&list->uri), size, modified_ms};
  return list->visit(list->arg, &entry, err);
}

static frz_status visit_page(listing *list, frz_str page, frz_arena *arena, frz_error *err)
{
  frz_xml_reader xml;
  frz_xml_event event;
  frz_str key = {0}, token = {0};
  int64_t size = 0, modified_ms = 0;
  bool is_cut = false;
  frz_xml_reader_init(&xml, page.data, page.size, arena);
  for (;;) {
    FRZ_TRY(frz_xml_next(&xml, &event, err));
    if (event.kind == FRZ_XML_DONE) break;
    if (event.kind == FRZ_XML_BEGIN) continue;
    if (event.depth == 3 && frz_str_is(event.name, "Key")) key = event.text;
    if (event.depth == 3 && frz_str_is(event.name, "Size")) size = size_of(event.text);
    if (event.depth == 3 && frz_str_is(event.name, "LastModified"))
      modified_ms = time_of(event.text);
    if (event.depth == 2 && frz_str_is(event.name, "IsTruncated"))
      is_cut = frz_str_is(event.text, "true");
    if (event.depth == 2 && frz_str_is(event.name, "NextContinuationToken")) token = event.text;
    if (event.depth == 2 && frz_str_is(event.name, "Contents"))
      FRZ_TRY(visit_object(list, key, size, modified_ms, err));
  }
  list->next.size = 0;
  if (!is_cut) return FRZ_OK;
  if (token.size == 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "list %.*s: a cut page without a token for the next",
                    FRZ_STR_ARG(list->target->uri));
  return frz_buf_append_str(&list->next, token, err);
}

static frz_status list_page(listing *list, frz_error *err)
{
  const frz_http_pair query[] = {{FRZ_STR("list-type"), FRZ_STR("2")},
                                 {FRZ_STR("prefix"), list->prefix},
                                 {FRZ_STR("continuation-token"), frz_buf_str(&list->next)}};
  frz_buf page;
  frz_arena arena;
  frz_buf_init(&page, frz_s3_alloc(list->target->s3), LIST_BYTES_MAX);
  frz_arena_init(&arena, frz_s3_alloc(list->target->s3), LIST_BYTES_MAX);
  frz_http_request request = frz_s3_request(list->target, "GET", &page);
  request.query = query;
  request.n_query = list->next.size != 0 ? 3 : 2;
  request.unpacks = true;
  frz_status st = frz_s3_send(list->target, &request, 1, err);
  if (st == FRZ_OK && request.answer.status != 200) st = frz_s3_fail(list->target, &request, err);
  if (st == FRZ_OK) st = visit_page(list, frz_buf_str(&page), &arena, err);
  frz_arena_free(&arena);
  frz_buf_dispose(&page);
  return st;
}

static frz_status s3_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                          frz_error *err)
{
  frz_s3 *s3 = ctx;
  frz_str bucket, key;
  frz_s3_target target = {0};
  listing list = {.target = &target, .visit = visit, .arg = arg};
  FRZ_TRY(frz_s3_uri_parse(uri, &bucket, &key, err));
  frz_status st = FRZ_OK;
  frz_buf_init(&list.next, frz_s3_alloc(s3), FRZ_LIMIT_PATH_BYTES);
  frz_buf_init(&list.uri, frz_s3_alloc(s3), FRZ_LIMIT_PATH_BYTES);
  FRZ_TRY_OUT(frz_s3_target_open(s3, uri, &target, err));
  while (key.size != 0 && key.data[key.size - 1] == '/') key.size--;
  list.prefix = key.size != 0 ? frz_arena_print(&target.arena, "%.*s/", (int)key.size, key.data)
                              : (frz_str){"", 0};
  size_t root_bytes = (size_t)(bucket.data - uri.data) + bucket.size;
  list.root = frz_arena_print(&target.arena, "%.*s/", (int)root_bytes, uri.data);
  size_t n_path = target.address.path.size;
  target.path = n_path > 1 ? (frz_str){target.address.path.data, n_path - 1} : target.address.path;
  if (list.prefix.data == NULL || list.root.data == NULL) {
    st = frz_fail_nomem(err, "S3 listing");
    goto out;
  }
  do FRZ_TRY_OUT(list_page(&list, err));
  while (list.next.size != 0);
out:
  frz_buf_dispose(&list.next);
  frz_buf_dispose(&list.uri);
  frz_s3_target_close(&target);
  return st;
}

static void s3_free(void *ctx)
{
  frz_s3_release(ctx);
}

const frz_storage_ops *frz_s3_storage_ops(void)
{
  static const frz_storage_ops ops = {.version = 1,
                                      .open = s3_open,
                                      .create = frz_s3_create_object,
                                      .remove = s3_remove,
                                      .list = s3_list,
                                      .free = s3_free};
  return &ops;
}
