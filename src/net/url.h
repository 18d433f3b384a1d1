/*
 * url.h - parts of a URL, and percent-encoding.
 */
#ifndef FRZ_NET_URL_H
#define FRZ_NET_URL_H

#include "base/arena.h"
#include "base/buf.h"

/** A name and its value: of a query, a header, a form. Borrowed. */
typedef struct frz_http_pair {
  frz_str name;
  frz_str value;
} frz_http_pair;

/** "https://host:8080/a/b": origin "https://host:8080", path "/a/b" (data NULL never; may be "").
 */
typedef struct frz_url {
  frz_str origin;
  frz_str host; /* with the port, where one is written */
  frz_str path; /* as it stands, encoded; without a query */
  bool is_https;
} frz_url;

/** FRZ_ERR_INVALID: not http or https, no host, a user name in it (secrets do not belong in URLs),
 * or characters that no URL holds. `what` names the property. */
frz_status frz_url_parse(frz_str text, const char *what, frz_url *url_out,
                         frz_error *err) FRZ_MUST_CHECK;

/** Append with all but unreserved characters (RFC 3986) as %XX; with `keeps_slash` '/' stays. */
frz_status frz_percent_encode(frz_str text, bool keeps_slash, frz_buf *out,
                              frz_error *err) FRZ_MUST_CHECK;

/** Put down the text with %XX decoded, as far as there is room; other '%' stay. The size of it. */
size_t frz_percent_decode(frz_str text, char *out, size_t room_bytes);

/** "a=b&c=d" of pairs in their order. */
frz_status frz_query_append(const frz_http_pair *pairs, size_t n_pairs, frz_buf *out,
                            frz_error *err) FRZ_MUST_CHECK;

#endif
