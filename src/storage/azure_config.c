/*
 * azure_config.c - see azure_config.h.
 */
#include "storage/azure_config.h"

#include "net/url.h"
#include "storage/store_text.h"

enum { NAME_BYTES_MAX = 63 };

/* ---- properties ---- */

/* The first label of a host's name, or all of a name without dots. */
static frz_str first_label(frz_str host)
{
  const char *dot = host.size != 0 ? memchr(host.data, '.', host.size) : NULL;
  return dot != NULL ? (frz_str){host.data, (size_t)(dot - host.data)} : host;
}

/* A shared access signature may be written with the '?' of the URL that it came from. */
static frz_str sas_of(frz_str value)
{
  return frz_str_starts(value, "?") ? (frz_str){value.data + 1, value.size - 1} : value;
}

/* "adls.sas-token.<account>" or with the account's host, as REST catalogs lend them. */
static void set_sas_of_account(frz_azure_config *config, frz_str host, frz_str value)
{
  frz_str account = first_label(host);
  if (config->for_account.size != 0 && !frz_str_equal(account, config->for_account)) return;
  if (config->account.size == 0) config->account = account;
  config->sas_token = sas_of(value);
}

/* "Name=value;Name=value". */
static frz_status set_connection(frz_azure_config *config, frz_str text, frz_error *err)
{
  const struct {
    const char *name;
    frz_str *to;
  } parts[] = {{"AccountName", &config->account},
               {"AccountKey", &config->account_key},
               {"SharedAccessSignature", &config->sas_token},
               {"BlobEndpoint", &config->endpoint},
               {"DefaultEndpointsProtocol", &config->blob_scheme}};
  for (size_t at = 0; at < text.size;) {
    const char *semicolon = memchr(text.data + at, ';', text.size - at);
    size_t end = semicolon != NULL ? (size_t)(semicolon - text.data) : text.size;
    const char *equals = memchr(text.data + at, '=', end - at);
    if (equals == NULL && end != at)
      return frz_fail(err, FRZ_ERR_INVALID,
                      "property adls.connection-string: byte %zu begins no 'Name=value'", at);
    if (equals != NULL) {
      frz_str name = {text.data + at, (size_t)(equals - text.data) - at};
      frz_str value = {equals + 1, end - at - name.size - 1};
      for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (frz_str_is_word(name, parts[i].name)) *parts[i].to = value;
    }
    at = end + 1;
  }
  config->sas_token = sas_of(config->sas_token);
  return FRZ_OK;
}

frz_status frz_azure_config_set(frz_azure_config *config, frz_str key, frz_str value,
                                frz_error *err)
{
  static const char sas_prefix[] = "adls.sas-token.";
  const struct {
    const char *name;
    frz_str *to;
  } texts[] = {{"account-name", &config->account},
               {"account-key", &config->account_key},
               {"token", &config->token},
               {"tenant-id", &config->tenant_id},
               {"client-id", &config->client_id},
               {"client-secret", &config->client_secret},
               {"authority-host", &config->authority_host},
               {"account-host", &config->account_host},
               {"blob-storage-authority", &config->blob_authority},
               {"blob-storage-scheme", &config->blob_scheme}};
  if (!frz_str_starts(key, "adls.")) return FRZ_OK;
  frz_str name = {key.data + 5, key.size - 5};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (frz_str_is(name, texts[i].name)) *texts[i].to = value;
  if (frz_str_is(name, "connection-string")) return set_connection(config, value, err);
  if (frz_str_is(name, "sas-token")) config->sas_token = sas_of(value);
  if (frz_str_is(name, "anon")) return frz_property_flag(key, value, &config->is_anonymous, err);
  if (frz_str_starts(key, sas_prefix)) {
    size_t n = sizeof sas_prefix - 1;
    set_sas_of_account(config, (frz_str){key.data + n, key.size - n}, value);
  }
  return FRZ_OK;
}

/* ---- addresses ---- */

static bool is_name(frz_str name, bool may_have_dots)
{
  bool is_plain = name.size != 0 && name.size <= (may_have_dots ? 255 : NAME_BYTES_MAX);
  for (size_t i = 0; i < name.size; i++) {
    char c = name.data[i];
    is_plain =
        is_plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '$' || c == '_' || (may_have_dots && c == '.'));
  }
  return is_plain;
}

frz_status frz_azure_uri_parse(frz_str uri, frz_azure_uri *parts_out, frz_error *err)
{
  frz_azure_uri parts = {0};
  bool is_uri = frz_uri_split(uri, &parts.container, &parts.key);
  size_t n = parts.container.size;
  const char *at = n != 0 ? memchr(parts.container.data, '@', n) : NULL;
  if (at != NULL) {
    parts.container.size = (size_t)(at - parts.container.data);
    parts.host = (frz_str){at + 1, n - parts.container.size - 1};
    parts.account = first_label(parts.host);
  }
  if (!is_uri || !is_name(parts.container, false) || (at != NULL && !is_name(parts.host, true)))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "'%.*s' names no container: "
                    "abfss://container@account.dfs.core.windows.net/key",
                    FRZ_STR_ARG(uri));
  *parts_out = parts;
  return FRZ_OK;
}

/* "https://account.blob.core.windows.net" for "account.dfs.core.windows.net"; only for hosts that
 * are Azure's. */
static frz_status endpoint_of_host(frz_str host, frz_arena *arena, frz_str *url_out, frz_error *err)
{
  static const char *const domains[] = {"core.windows.net", "core.chinacloudapi.cn",
                                        "core.usgovcloudapi.net", "fabric.microsoft.com"};
  static const char *const services[] = {".dfs.", ".blob."};
  frz_str account = first_label(host);
  frz_str rest = {host.data + account.size, host.size - account.size};
  for (size_t i = 0; i < 2; i++) {
    size_t n = strlen(services[i]);
    if (!frz_str_starts(rest, services[i])) continue;
    frz_str domain = {rest.data + n, rest.size - n};
    for (size_t d = 0; d < sizeof domains / sizeof domains[0]; d++) {
      if (!frz_str_is(domain, domains[d])) continue;
      *url_out = frz_arena_print(arena, "https://%.*s.blob.%s", FRZ_STR_ARG(account), domains[d]);
      return url_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "Azure address");
    }
  }
  return frz_fail(err, FRZ_ERR_INVALID,
                  "'%.*s' is not a host of Azure's; if it is right, name it by the property "
                  "adls.account-host",
                  FRZ_STR_ARG(host));
}

static frz_status endpoint_of(const frz_azure_config *config, const frz_azure_uri *uri,
                              frz_str account, frz_arena *arena, frz_str *url_out, frz_error *err)
{
  frz_str scheme = config->blob_scheme.size != 0 ? config->blob_scheme : FRZ_STR("https");
  if (config->endpoint.size != 0) {
    *url_out = config->endpoint;
    return FRZ_OK;
  }
  if (config->account_host.size != 0) {
    frz_str host = config->account_host;
    bool has_scheme = host.data != NULL && memmem(host.data, host.size, "://", 3) != NULL;
    *url_out = has_scheme
                   ? host
                   : frz_arena_print(arena, "%.*s://%.*s", FRZ_STR_ARG(scheme), FRZ_STR_ARG(host));
  } else if (frz_str_starts(config->blob_authority, ".")) {
    *url_out = frz_arena_print(arena, "%.*s://%.*s%.*s", FRZ_STR_ARG(scheme), FRZ_STR_ARG(account),
                               FRZ_STR_ARG(config->blob_authority));
  } else if (config->blob_authority.size != 0) {
    *url_out = frz_arena_print(arena, "%.*s://%.*s/%.*s", FRZ_STR_ARG(scheme),
                               FRZ_STR_ARG(config->blob_authority), FRZ_STR_ARG(account));
  } else if (uri->host.size != 0) {
    return endpoint_of_host(uri->host, arena, url_out, err);
  } else {
    *url_out = frz_arena_print(arena, "%.*s://%.*s.blob.core.windows.net", FRZ_STR_ARG(scheme),
                               FRZ_STR_ARG(account));
  }
  return url_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "Azure address");
}

frz_status frz_azure_address_of(const frz_azure_config *config, const frz_azure_uri *uri,
                                frz_arena *arena, frz_azure_address *address_out, frz_error *err)
{
  frz_str account = uri->account.size != 0 ? uri->account : config->account;
  frz_str endpoint;
  frz_url url;
  if (!is_name(account, false))
    return frz_fail(err, FRZ_ERR_INVALID,
                    "which account? Set adls.account-name, or write "
                    "abfss://container@account.dfs.core.windows.net/key");
  FRZ_TRY(endpoint_of(config, uri, account, arena, &endpoint, err));
  while (endpoint.size != 0 && endpoint.data[endpoint.size - 1] == '/') endpoint.size--;
  FRZ_TRY(frz_url_parse(endpoint, "the address of the Azure account", &url, err));
  frz_azure_address address = {.account = frz_arena_copy(arena, account),
                               .origin = frz_arena_copy(arena, url.origin),
                               .path = frz_arena_print(arena, "%.*s/%.*s", (int)url.path.size,
                                                       url.path.data, FRZ_STR_ARG(uri->container))};
  if (address.account.data == NULL || address.origin.data == NULL || address.path.data == NULL)
    return frz_fail_nomem(err, "Azure address");
  *address_out = address;
  return FRZ_OK;
}
