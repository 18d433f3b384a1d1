/*
 * online_lake.c - see online_lake.h.
 */
#include "online_lake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "base/endian.h"

enum { EVENT = 2, CREATED = 3, FEATURES = 4, COLUMNS = FEATURES + FRZ_TEST_FEATURES };

#define NAMED(text, kind_)                                                        \
  {                                                                               \
    .name = {text, sizeof(text) - 1}, .nullable = true, .field_id = -1, .type = { \
      .kind = kind_,                                                              \
      .unit = FRZ_UNIT_US,                                                        \
      .has_zone = kind_ == FRZ_ARROW_TIMESTAMP                                    \
    }                                                                             \
  }
#define LIST_OF(text, item)                                             \
  {                                                                     \
    .name = {text, sizeof(text) - 1}, .nullable = true, .field_id = -1, \
    .type = {.kind = FRZ_ARROW_LIST}, .children = item, .n_children = 1 \
  }

static frz_arrow_field float_item[] = {NAMED("element", FRZ_ARROW_FLOAT32)};
static frz_arrow_field text_item[] = {NAMED("element", FRZ_ARROW_STRING)};

static const frz_arrow_field fields[COLUMNS] = {
    {.name = {"entity_key", 10}, .field_id = -1, .type = {.kind = FRZ_ARROW_BINARY}},
    NAMED("driver_id", FRZ_ARROW_INT64),
    NAMED("event_ts", FRZ_ARROW_TIMESTAMP),
    NAMED("created_ts", FRZ_ARROW_TIMESTAMP),
    NAMED("flag", FRZ_ARROW_BOOL),
    NAMED("small", FRZ_ARROW_INT32),
    NAMED("large", FRZ_ARROW_INT64),
    NAMED("ratio", FRZ_ARROW_FLOAT32),
    NAMED("exact", FRZ_ARROW_FLOAT64),
    NAMED("moment", FRZ_ARROW_TIMESTAMP),
    NAMED("name", FRZ_ARROW_STRING),
    NAMED("blob", FRZ_ARROW_BINARY),
    NAMED("mapped", FRZ_ARROW_BINARY),
    LIST_OF("vector", float_item),
    LIST_OF("tags", text_item),
};

static const char *const types[FRZ_TEST_FEATURES] = {
    "BOOL",   "INT32", "INT64", "FLOAT",      "DOUBLE",     "UNIX_TIMESTAMP",
    "STRING", "BYTES", "MAP",   "FLOAT_LIST", "STRING_LIST"};

void frz_test_online_table(frz_test_lake *lake, const char *name, const char *partition_spec)
{
  frz_error err = {0};
  struct ArrowSchema schema;
  char identifier[100], property[4096];
  int at = snprintf(property, sizeof property,
                    "{\"version\":1,\"project\":\"p\",\"view\":\"%s\",\"entity_key\":1,"
                    "\"join_keys\":[{\"name\":\"driver_id\",\"id\":2,\"type\":\"INT64\"}],"
                    "\"event_ts\":3,\"created_ts\":4,\"ttl_seconds\":null,\"features\":[",
                    name);
  for (int i = 0; i < FRZ_TEST_FEATURES; i++)
    at += snprintf(property + at, sizeof property - (size_t)at,
                   "%s{\"name\":\"%.*s\",\"id\":%d,\"type\":\"%s\"}", i != 0 ? "," : "",
                   (int)fields[FEATURES + i].name.size, fields[FEATURES + i].name.data, 5 + i,
                   types[i]);
  snprintf(property + at, sizeof property - (size_t)at, "]}");
  const frz_property properties[] = {{"frazil.feast", property},
                                     {"commit.retry.min-wait-ms", "1"},
                                     {"commit.retry.max-wait-ms", "50"}};
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  options.partition_spec = partition_spec != NULL ? partition_spec : "bucket(4, driver_id)";
  options.sort_order = "driver_id asc nulls first";
  options.properties = properties;
  options.n_properties = 3;
  snprintf(identifier, sizeof identifier, "ns.%s", name);
  frz_test_ok(frz_arrow_schema_export(fields, COLUMNS, frz_alloc_default(), &schema, &err), &err);
  frz_test_ok(frz_catalog_create_table(lake->catalog, identifier, &schema, &options, NULL, &err),
              &err);
  schema.release(&schema);
}

frz_online *frz_test_online_open(frz_test_lake *lake, const char *name,
                                 const frz_online_options *options)
{
  frz_error err = {0};
  frz_online *online;
  char identifier[100];
  frz_online_options filled;
  frz_online_options_init(&filled);
  filled.read_timeout_ms = 60000;
  filled.compact_automatically = false;
  snprintf(identifier, sizeof identifier, "ns.%s", name);
  frz_test_ok(frz_online_open(lake->catalog, identifier, options != NULL ? options : &filled,
                              &online, &err),
              &err);
  return online;
}

void frz_test_entity_key(int64_t driver, uint8_t key_out[FRZ_TEST_KEY_BYTES])
{
  static const uint8_t head[] = {1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0};
  static const uint8_t middle[] = {4, 0, 0, 0, 8, 0, 0, 0};
  memcpy(key_out, head, 12);
  memcpy(key_out + 12, "driver_id", 9);
  memcpy(key_out + 21, middle, 8);
  frz_store_u64le(key_out + 29, (uint64_t)driver);
}

/* ---- values of a seed ---- */

typedef struct seed_values {
  uint8_t flag;
  int32_t small;
  int64_t large, moment;
  float ratio;
  double exact;
  char name[64];
  int name_size;
  uint8_t blob[3];
  int n_items; /* of both lists */
  float vector[4];
  char tags[4][16];
} seed_values;

static seed_values values_of(int64_t seed)
{
  seed_values v = {.flag = (uint8_t)(seed & 1),
                   .small = (int32_t)(seed * 7),
                   .large = seed * 1000000007,
                   .moment = seed * 1000000,
                   .ratio = (float)seed / 4,
                   .exact = (double)seed / 3,
                   .blob = {(uint8_t)seed, 0, (uint8_t)(seed >> 8)},
                   .n_items = (int)(seed % 4)};
  v.name_size = snprintf(v.name, sizeof v.name, "%.*s%lld", (int)(seed % 30),
                         "a name of some length or of none", (long long)seed);
  for (int i = 0; i < v.n_items; i++) {
    v.vector[i] = (float)(seed + i);
    snprintf(v.tags[i], sizeof v.tags[i], "t%lld", (long long)seed * i);
  }
  return v;
}

static void append(frz_column *column, const void *value, size_t size)
{
  frz_error err = {0};
  frz_test_ok(frz_column_append_value(column, value, size, &err), &err);
}

static void append_features(frz_column *columns, int64_t seed)
{
  frz_error err = {0};
  if (seed < 0) {
    for (int i = 0; i < FRZ_TEST_FEATURES; i++)
      frz_test_ok(frz_column_append_nulls(&columns[i], 1, &err), &err);
    return;
  }
  seed_values v = values_of(seed);
  append(&columns[0], &v.flag, 1);
  append(&columns[1], &v.small, 4);
  append(&columns[2], &v.large, 8);
  append(&columns[3], &v.ratio, 4);
  append(&columns[4], &v.exact, 8);
  append(&columns[5], &v.moment, 8);
  append(&columns[6], v.name, (size_t)v.name_size);
  append(&columns[7], v.blob, sizeof v.blob);
  append(&columns[8], v.blob, 2);
  for (int i = 0; i < v.n_items; i++) {
    append(&columns[9].children[0], &v.vector[i], 4);
    append(&columns[10].children[0], v.tags[i], strlen(v.tags[i]));
  }
  frz_test_ok(frz_column_append_present(&columns[9], &err), &err);
  frz_test_ok(frz_column_append_present(&columns[10], &err), &err);
}

void frz_test_online_rows(const frz_test_row *rows, size_t n, const frz_alloc *alloc,
                          struct ArrowArrayStream *stream_out)
{
  frz_batch batch;
  frz_error err = {0};
  frz_test_ok(frz_batch_init(&batch, fields, COLUMNS, alloc, &err), &err);
  for (size_t i = 0; i < n; i++) {
    uint8_t key[FRZ_TEST_KEY_BYTES];
    frz_test_entity_key(rows[i].driver, key);
    append(&batch.columns[0], key, sizeof key);
    append(&batch.columns[1], &rows[i].driver, 8);
    append(&batch.columns[EVENT], &rows[i].event_us, 8);
    if (rows[i].created_us == INT64_MIN)
      frz_test_ok(frz_column_append_nulls(&batch.columns[CREATED], 1, &err), &err);
    else
      append(&batch.columns[CREATED], &rows[i].created_us, 8);
    append_features(&batch.columns[FEATURES], rows[i].seed);
  }
  batch.n_rows = (int64_t)n;
  size_t n_batches = n != 0 ? 1 : 0;
  frz_test_ok(
      frz_stream_export_batches(fields, COLUMNS, &batch, n_batches, alloc, stream_out, &err), &err);
  if (n_batches == 0) frz_batch_dispose(&batch);
}

frz_status frz_test_online_write(frz_online *online, const frz_test_row *rows, size_t n,
                                 frz_error *err)
{
  struct ArrowArrayStream stream;
  frz_test_online_rows(rows, n, frz_alloc_default(), &stream);
  return frz_online_write(online, &stream, NULL, err);
}

/* ---- reading ---- */

frz_status frz_test_online_read(frz_online *online, const int64_t *drivers, size_t n,
                                frz_online_result **result, frz_error *err)
{
  uint8_t(*keys)[FRZ_TEST_KEY_BYTES] = malloc((n + 1) * sizeof *keys);
  frz_bytes *list = malloc((n + 1) * sizeof *list);
  for (size_t i = 0; i < n; i++) {
    frz_test_entity_key(drivers[i], keys[i]);
    list[i] = (frz_bytes){keys[i], FRZ_TEST_KEY_BYTES};
  }
  frz_status st = *result == NULL ? frz_online_result_create(online, result, err) : FRZ_OK;
  if (st == FRZ_OK) st = frz_online_read(online, list, n, NULL, 0, *result, err);
  free(list);
  free(keys);
  return st;
}

static bool is_bytes(frz_value value, frz_value_kind kind, const void *data, size_t size)
{
  return value.kind == kind && value.as.bytes.size_bytes == size &&
         (size == 0 || memcmp(value.as.bytes.data, data, size) == 0);
}

static bool are_lists(frz_value floats, frz_value texts, const seed_values *v)
{
  bool same = floats.kind == FRZ_VALUE_LIST && texts.kind == FRZ_VALUE_LIST &&
              floats.as.list.n_items == (uint32_t)v->n_items &&
              texts.as.list.n_items == (uint32_t)v->n_items;
  for (int i = 0; same && i < v->n_items; i++) {
    frz_value item = frz_value_item(&floats, (uint32_t)i);
    same = item.kind == FRZ_VALUE_FLOAT && item.as.f32 == v->vector[i] &&
           is_bytes(frz_value_item(&texts, (uint32_t)i), FRZ_VALUE_STRING, v->tags[i],
                    strlen(v->tags[i]));
  }
  return same;
}

static bool are_values(const frz_online_result *result, size_t i, int64_t seed)
{
  frz_value f[FRZ_TEST_FEATURES];
  bool all_null = true;
  for (size_t c = 0; c < FRZ_TEST_FEATURES; c++) {
    f[c] = frz_online_result_value(result, i, c);
    all_null = all_null && f[c].kind == FRZ_VALUE_NULL;
  }
  if (seed < 0) return all_null;
  seed_values v = values_of(seed);
  return f[0].kind == FRZ_VALUE_BOOL && f[0].as.boolean == (v.flag != 0) &&
         f[1].kind == FRZ_VALUE_INT32 && f[1].as.i32 == v.small && f[2].kind == FRZ_VALUE_INT64 &&
         f[2].as.i64 == v.large && f[3].kind == FRZ_VALUE_FLOAT && f[3].as.f32 == v.ratio &&
         f[4].kind == FRZ_VALUE_DOUBLE && f[4].as.f64 == v.exact &&
         f[5].kind == FRZ_VALUE_TIMESTAMP && f[5].as.i64 == v.moment &&
         is_bytes(f[6], FRZ_VALUE_STRING, v.name, (size_t)v.name_size) &&
         is_bytes(f[7], FRZ_VALUE_BYTES, v.blob, sizeof v.blob) &&
         is_bytes(f[8], FRZ_VALUE_SERIALIZED, v.blob, 2) && are_lists(f[9], f[10], &v);
}

bool frz_test_result_is(const frz_online_result *result, size_t i, const frz_test_row *row)
{
  int64_t event_us, created_us;
  return frz_online_result_found(result, i, &event_us, &created_us) && event_us == row->event_us &&
         created_us == row->created_us && are_values(result, i, row->seed);
}

bool frz_test_online_has(frz_online *online, const frz_test_row *row)
{
  frz_error err = {0};
  frz_online_result *result = NULL;
  frz_test_ok(frz_test_online_read(online, &row->driver, 1, &result, &err), &err);
  bool same = frz_test_result_is(result, 0, row);
  frz_online_result_free(result);
  return same;
}

bool frz_test_online_lacks(frz_online *online, int64_t driver)
{
  frz_error err = {0};
  frz_online_result *result = NULL;
  frz_test_ok(frz_test_online_read(online, &driver, 1, &result, &err), &err);
  bool found = frz_online_result_found(result, 0, NULL, NULL);
  frz_online_result_free(result);
  return !found;
}
