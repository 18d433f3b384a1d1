/*
 * fuzz_object_uri.c - any bytes as the URI of an object: its parts lie in it, and what proves who
 * asks goes to Azure's hosts alone. The same bytes as a connection string, and as base64.
 */
#include <stdint.h>
#include <stdlib.h>

#include "storage/azure_config.h"
#include "storage/gcs_config.h"
#include "storage/s3_config.h"
#include "text/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_so)
{
  if (!is_so) abort();
}

static void require_inside(frz_str part, frz_str whole)
{
  if (part.size == 0) return;
  require(part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void check_azure(frz_str uri, frz_arena *arena)
{
  static const char *const domains[] = {".blob.core.windows.net", ".blob.core.chinacloudapi.cn",
                                        ".blob.core.usgovcloudapi.net",
                                        ".blob.fabric.microsoft.com"};
  frz_azure_config config = {.account = FRZ_STR("account")};
  frz_azure_uri parts;
  frz_azure_address address;
  if (frz_azure_uri_parse(uri, &parts, NULL) != FRZ_OK) return;
  require_inside(parts.container, uri);
  require_inside(parts.host, uri);
  require_inside(parts.key, uri);
  if (frz_azure_address_of(&config, &parts, arena, &address, NULL) != FRZ_OK) return;
  bool is_azures = false;
  for (size_t i = 0; i < 4; i++) is_azures = is_azures || frz_str_ends(address.origin, domains[i]);
  require(is_azures && frz_str_starts(address.origin, "https://"));
  require(memchr(address.origin.data + 8, '/', address.origin.size - 8) == NULL);
}

static void check_base64(frz_str text, frz_arena *arena)
{
  frz_str bytes = {0}, back = {0};
  if (frz_base64_read(text, arena, &bytes)) require(bytes.size <= text.size / 4 * 3 + 2);
  frz_str printed = frz_base64_print(text, arena);
  require(printed.data != NULL && frz_base64_read(printed, arena, &back));
  require(frz_str_equal(back, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_str text = {(const char *)data, size};
  frz_str container, name;
  frz_azure_config config = {0};
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)64 << 20);
  if (frz_azure_config_set(&config, FRZ_STR("adls.connection-string"), text, NULL) == FRZ_OK) {
    require_inside(config.account, text);
    require_inside(config.account_key, text);
    require_inside(config.sas_token, text);
  }
  check_azure(text, &arena);
  if (frz_gcs_uri_parse(text, &container, &name, NULL) == FRZ_OK) require_inside(container, text);
  if (frz_s3_uri_parse(text, &container, &name, NULL) == FRZ_OK) require_inside(container, text);
  check_base64(text, &arena);
  frz_arena_free(&arena);
  return 0;
}
