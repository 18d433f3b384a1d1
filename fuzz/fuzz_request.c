/*
 * fuzz_request.c - any bytes as a request's body: what is read is within the body, counts agree
 * with nodes, and every value of an entity is read as any join key.
 *
 * The first byte chooses the request: features, push or write.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "feature_request.h"
#include "proto_encode.h"
#include "value_json.h"
#include "write_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const frz_online_column keys[] = {
    {.name = "a", .column = "a", .value_type = 4, .kind = FRZ_VALUE_INT64},
    {.name = "b", .column = "b", .value_type = 3, .kind = FRZ_VALUE_INT32},
    {.name = "c", .column = "c", .value_type = 2, .kind = FRZ_VALUE_STRING},
    {.name = "d", .column = "d", .value_type = 8, .kind = FRZ_VALUE_TIMESTAMP},
    {.name = "e", .column = "e", .value_type = 5, .kind = FRZ_VALUE_DOUBLE},
    {.name = "f", .column = "f", .value_type = 7, .kind = FRZ_VALUE_BOOL}};

enum { N_KEYS = sizeof keys / sizeof keys[0] };

static const frz_online_column features[] = {
    {.name = "map", .column = "map", .value_type = 20, .kind = FRZ_VALUE_SERIALIZED},
    {.name = "maps", .column = "maps", .value_type = 21, .kind = FRZ_VALUE_SERIALIZED},
    {.name = "lists", .column = "lists", .value_type = 42, .kind = FRZ_VALUE_SERIALIZED},
    {.name = "zoned", .column = "zoned", .value_type = 48, .kind = FRZ_VALUE_SERIALIZED},
    {.name = "bytes", .column = "bytes", .value_type = 1, .kind = FRZ_VALUE_BYTES},
    {.name = "json", .column = "json", .value_type = 32, .kind = FRZ_VALUE_STRING},
    {.name = "times",
     .column = "times",
     .value_type = 18,
     .kind = FRZ_VALUE_LIST,
     .item_kind = FRZ_VALUE_TIMESTAMP}};

static void read_keys(const json_tree *tree, const feature_request *request, text_out *out)
{
  for (uint32_t i = 0; i < request->n_entities; i++) {
    uint32_t at = request->entities[i].values + 1;
    for (uint32_t row = 0; row < request->n_rows; row++, at = json_next(tree, at)) {
      if (at >= tree->n_nodes) abort();
      for (int k = 0; k < N_KEYS; k++) {
        frz_value value;
        if (key_value_read(tree, at, &keys[k], &value, NULL) == FRZ_OK &&
            value_json_put(out, &value, NULL) != FRZ_OK)
          abort();
      }
    }
    if (at != json_next(tree, request->entities[i].values)) abort();
  }
}

/* What was encoded is a value that can be printed. */
static void encode_all(const json_tree *tree, text_out *bytes, text_out *out)
{
  static const int32_t types[] = {20, 21, 34, 35, 42, 43, 48};
  for (uint32_t at = 0; at < tree->n_nodes && at < 64; at++)
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
      text_out_clear(bytes);
      if (proto_encode(tree, at, types[i], bytes, NULL) != FRZ_OK || bytes->failed) continue;
      text_out_clear(out);
      if (value_json_put_serialized(out, bytes->data, bytes->size, NULL) != FRZ_OK) abort();
    }
}

static void write_all(const json_tree *tree, const write_request *request)
{
  const frz_online_info info = {.project = "p",
                                .view = "v",
                                .entity_key_column = "entity_key",
                                .event_ts_column = "event_ts",
                                .created_ts_column = "created_ts",
                                .join_keys = keys,
                                .n_join_keys = 1,
                                .features = features,
                                .n_features = sizeof features / sizeof features[0]};
  struct ArrowArrayStream stream;
  frz_error err;
  if (write_rows_stream(tree, request, &info, (time_columns){0}, &stream, &err) != FRZ_OK) return;
  struct ArrowSchema schema;
  struct ArrowArray batch;
  if (stream.get_schema(&stream, &schema) != 0 || stream.get_next(&stream, &batch) != 0) abort();
  if (batch.length != (int64_t)request->n_rows || batch.n_children != schema.n_children) abort();
  batch.release(&batch);
  schema.release(&schema);
  stream.release(&stream);
}

static void read_request(const json_tree *tree, uint8_t choice, text_out *out)
{
  frz_error err;
  if (choice % 3 == 0) {
    feature_request *request = malloc(sizeof *request);
    if (request != NULL && feature_request_read(tree, 1000, request, &err) == FRZ_OK)
      read_keys(tree, request, out);
    free(request);
    return;
  }
  write_request request;
  const char *member = choice % 3 == 1 ? "push_source_name" : "feature_view_name";
  if (write_request_read(tree, member, &request, &err) != FRZ_OK) return;
  write_all(tree, &request);
  write_request_dispose(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0) return 0;
  char *text = malloc(size);
  json_tree tree;
  text_out out;
  text_out bytes;
  if (text == NULL) return 0;
  memcpy(text, data + 1, size - 1);
  json_tree_init(&tree, 1 << 16);
  text_out_init(&out, (size_t)1 << 24);
  text_out_init(&bytes, (size_t)1 << 24);
  (void)!value_json_put_serialized(&out, data, size, NULL);
  text_out_clear(&out);
  if (json_tree_parse(&tree, text, size - 1, NULL) == FRZ_OK) {
    if (json_next(&tree, 0) != tree.n_nodes) abort();
    read_request(&tree, data[0], &out);
    encode_all(&tree, &bytes, &out);
  }
  json_tree_dispose(&tree);
  text_out_dispose(&out);
  text_out_dispose(&bytes);
  free(text);
  return 0;
}
