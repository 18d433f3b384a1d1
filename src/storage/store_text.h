/*
 * store_text.h - what properties and URIs of all stores are read with.
 */
#ifndef FRZ_STORAGE_STORE_TEXT_H
#define FRZ_STORAGE_STORE_TEXT_H

#include "base/fail.h"
#include "base/str.h"

/** "true" or "false"; FRZ_ERR_INVALID names the property. */
static inline frz_status frz_property_flag(frz_str key, frz_str value, bool *flag_out,
                                           frz_error *err)
{
  bool flag = frz_str_is_word(value, "true");
  if (!flag && !frz_str_is_word(value, "false"))
    return frz_fail(err, FRZ_ERR_INVALID, "property %.*s: '%.*s' is neither true nor false",
                    FRZ_STR_ARG(key), FRZ_STR_ARG(value));
  *flag_out = flag;
  return FRZ_OK;
}

/** "scheme://authority/rest" in parts, which lie in `uri`; false: it is no such text. A rest
 * without a slash before it is empty. */
static inline bool frz_uri_split(frz_str uri, frz_str *authority_out, frz_str *rest_out)
{
  if (uri.data == NULL) return false;
  const char *mark = (const char *)memmem(uri.data, uri.size, "://", 3);
  if (mark == NULL) return false;
  size_t start = (size_t)(mark - uri.data) + 3;
  const char *slash = (const char *)memchr(uri.data + start, '/', uri.size - start);
  size_t end = slash != NULL ? (size_t)(slash - uri.data) : uri.size;
  *authority_out = (frz_str){uri.data + start, end - start};
  *rest_out = slash != NULL ? (frz_str){slash + 1, uri.size - end - 1} : (frz_str){"", 0};
  return true;
}

#endif
