/*
 * object_listing.c - see object_listing.h.
 */
#include "storage/object_listing.h"

#include <time.h>

#include "base/limits.h"

enum { PAGE_BYTES_MAX = 32 << 20, QUERY_MAX = 8, TOKEN_BYTES_MAX = 1 << 16 };

int64_t frz_object_time(frz_str text)
{
  char copy[40];
  struct tm tm = {0};
  if (text.size == 0 || text.size >= sizeof copy) return 0;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest == NULL) return 0;
  int64_t ms = (int64_t)timegm(&tm) * 1000;
  if (*rest == '.')
    for (int64_t unit = 100; *++rest >= '0' && *rest <= '9'; unit /= 10) ms += unit * (*rest - '0');
  return ms;
}

int64_t frz_object_size(frz_str text)
{
  int64_t size = 0;
  if (text.size == 0 || text.size > 18) return -1;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return -1;
    size = size * 10 + (text.data[i] - '0');
  }
  return size;
}

frz_status frz_object_listing_visit(frz_object_listing *listing, frz_str key, int64_t size_bytes,
                                    int64_t modified_ms, frz_error *err)
{
  bool is_folder = frz_str_ends(key, "/") && size_bytes <= 0;
  if (is_folder || key.size < listing->prefix.size) return FRZ_OK;
  listing->uri.size = 0;
  FRZ_TRY(frz_buf_append_str(&listing->uri, listing->root, err));
  FRZ_TRY(frz_buf_append_str(&listing->uri, key, err));
  const frz_storage_entry entry = {frz_buf_str(&listing->uri), size_bytes, modified_ms};
  return listing->visit(listing->arg, &entry, err);
}

/* The page that begins at `token`; where the next one does is left there. */
static frz_status read_page(frz_object_listing *listing, frz_buf *token, frz_error *err)
{
  frz_http_pair query[QUERY_MAX];
  frz_buf page;
  frz_arena arena;
  size_t n = listing->n_query;
  assert(n + 2 <= QUERY_MAX);
  if (n != 0) memcpy(query, listing->query, n * sizeof *query);
  if (listing->prefix.size != 0)
    query[n++] = (frz_http_pair){listing->prefix_name, listing->prefix};
  if (token->size != 0) query[n++] = (frz_http_pair){listing->token_name, frz_buf_str(token)};
  frz_buf_init(&page, token->alloc, PAGE_BYTES_MAX);
  frz_arena_init(&arena, token->alloc, PAGE_BYTES_MAX);
  frz_http_request request = listing->container->ops->request(listing->container, "GET", &page);
  request.query = query;
  request.n_query = n;
  request.unpacks = true;
  listing->next = (frz_str){"", 0};
  frz_status st = frz_object_send(listing->container, &request, 200, err);
  if (st == FRZ_OK) {
    st = listing->read_page(listing, frz_buf_str(&page), &arena, err);
    if (st == FRZ_ERR_CORRUPT) frz_error_where(err, "list %.*s: ", FRZ_STR_ARG(listing->root));
  }
  token->size = 0;
  if (st == FRZ_OK) st = frz_buf_append_str(token, listing->next, err);
  frz_arena_free(&arena);
  frz_buf_dispose(&page);
  return st;
}

frz_status frz_object_listing_run(frz_object_listing *listing, size_t n_root, frz_str key,
                                  frz_storage_visit visit, void *arg, frz_error *err)
{
  frz_arena *arena = &listing->container->arena;
  frz_buf token;
  while (key.size != 0 && key.data[key.size - 1] == '/') key.size--;
  listing->prefix =
      key.size != 0 ? frz_arena_print(arena, "%.*s/", (int)key.size, key.data) : (frz_str){"", 0};
  listing->root = frz_arena_print(arena, "%.*s/", (int)n_root, listing->container->uri.data);
  if (listing->prefix.data == NULL || listing->root.data == NULL)
    return frz_fail_nomem(err, "listing");
  listing->visit = visit;
  listing->arg = arg;
  frz_buf_init(&token, listing->container->store->alloc, TOKEN_BYTES_MAX);
  frz_buf_init(&listing->uri, token.alloc, FRZ_LIMIT_PATH_BYTES);
  frz_status st;
  do st = read_page(listing, &token, err);
  while (st == FRZ_OK && token.size != 0);
  frz_buf_dispose(&listing->uri);
  frz_buf_dispose(&token);
  return st;
}
