/*
 * url.c - see url.h. Source: RFC 3986, sections 2 and 3.
 */
#include "net/url.h"

static bool is_unreserved(unsigned char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

frz_status frz_percent_encode(frz_str text, bool keeps_slash, frz_buf *out, frz_error *err)
{
  static const char digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if (is_unreserved(c) || (keeps_slash && c == '/')) {
      FRZ_TRY(frz_buf_append_byte(out, c, err));
      continue;
    }
    const char encoded[3] = {'%', digits[c >> 4], digits[c & 15]};
    FRZ_TRY(frz_buf_append(out, encoded, sizeof encoded, err));
  }
  return FRZ_OK;
}

size_t frz_percent_decode(frz_str text, char *out, size_t room_bytes)
{
  size_t size = 0;
  for (size_t i = 0; i < text.size && size < room_bytes; i++) {
    int high = -1, low = -1;
    if (text.data[i] == '%' && text.size - i > 2) {
      high = frz_hex_digit(text.data[i + 1]);
      low = frz_hex_digit(text.data[i + 2]);
    }
    out[size] = text.data[i];
    if (high >= 0 && low >= 0) {
      out[size] = (char)(high * 16 + low);
      i += 2;
    }
    size++;
  }
  return size;
}

frz_status frz_query_append(const frz_http_pair *pairs, size_t n_pairs, frz_buf *out,
                            frz_error *err)
{
  for (size_t i = 0; i < n_pairs; i++) {
    if (i != 0) FRZ_TRY(frz_buf_append_byte(out, '&', err));
    FRZ_TRY(frz_percent_encode(pairs[i].name, false, out, err));
    FRZ_TRY(frz_buf_append_byte(out, '=', err));
    FRZ_TRY(frz_percent_encode(pairs[i].value, false, out, err));
  }
  return FRZ_OK;
}

frz_status frz_url_parse(frz_str text, const char *what, frz_url *url_out, frz_error *err)
{
  bool is_https = frz_str_starts(text, "https://");
  if (!is_https && !frz_str_starts(text, "http://"))
    return frz_fail(err, FRZ_ERR_INVALID, "%s: a URL begins with https:// or http://", what);
  size_t start = is_https ? 8 : 7;
  size_t end = start;
  for (size_t i = 0; i < text.size; i++)
    if ((unsigned char)text.data[i] <= ' ' || (unsigned char)text.data[i] >= 0x7f)
      return frz_fail(err, FRZ_ERR_INVALID, "%s: byte %zu of the URL must be percent-encoded", what,
                      i);
  while (end < text.size && text.data[end] != '/' && text.data[end] != '?' && text.data[end] != '#')
    end++;
  frz_str host = {text.data + start, end - start};
  if (host.size == 0) return frz_fail(err, FRZ_ERR_INVALID, "%s: the URL has no host", what);
  if (memchr(host.data, '@', host.size) != NULL)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "%s: a user name or password in a URL is not taken; credentials are "
                    "properties of their own",
                    what);
  frz_str path = {text.data + end, text.size - end};
  if (memchr(path.data, '?', path.size) != NULL || memchr(path.data, '#', path.size) != NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "%s: the URL holds a query", what);
  *url_out = (frz_url){{text.data, end}, host, path, is_https};
  return FRZ_OK;
}
