/*
 * azure_config.h - how Azure Blob Storage is reached, as properties say it.
 *
 * Names are PyIceberg's ("adls.account-name", "adls.sas-token"...). All in docs/storage.md.
 */
#ifndef FRZ_STORAGE_AZURE_CONFIG_H
#define FRZ_STORAGE_AZURE_CONFIG_H

#include "base/arena.h"
#include "base/fail.h"

/** Texts are borrowed from the properties; size 0: not set. */
typedef struct frz_azure_config {
  frz_str for_account; /* the account of a URI: tokens of other accounts are passed over */
  frz_str account;
  frz_str account_key; /* base64 */
  frz_str sas_token;   /* "sv=...&sig=...", encoded */
  frz_str token;       /* a bearer token */
  frz_str tenant_id, client_id, client_secret;
  frz_str authority_host; /* where tokens come from */
  frz_str endpoint;       /* of a connection string: a URL */
  frz_str account_host;
  frz_str
      blob_authority; /* ".blob.core.windows.net", or "host:port" with the account in the path */
  frz_str blob_scheme;
  bool is_anonymous;
} frz_azure_config;

/** Take one property; others than Azure's are passed over. FRZ_ERR_INVALID names the property,
 * never its value where that may be a secret. */
frz_status frz_azure_config_set(frz_azure_config *config, frz_str key, frz_str value,
                                frz_error *err) FRZ_MUST_CHECK;

/** "abfss://container@account.dfs.core.windows.net/key" or "az://container/key" in parts. */
typedef struct frz_azure_uri {
  frz_str container;
  frz_str host; /* of the account; size 0: not told */
  frz_str account;
  frz_str key;
} frz_azure_uri;

/** FRZ_ERR_INVALID: no container. */
frz_status frz_azure_uri_parse(frz_str uri, frz_azure_uri *parts_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** Where requests on a container go. */
typedef struct frz_azure_address {
  frz_str account;
  frz_str origin; /* "https://account.blob.core.windows.net" */
  frz_str path;   /* of the container, encoded: "/container" or "/account/container" */
} frz_azure_address;

/** In the arena. FRZ_ERR_INVALID: no account; a host that is not Azure's and that no property names
 * (it would be sent what proves who asks). */
frz_status frz_azure_address_of(const frz_azure_config *config, const frz_azure_uri *uri,
                                frz_arena *arena, frz_azure_address *address_out,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
