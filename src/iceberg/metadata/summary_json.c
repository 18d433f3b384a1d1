/*
 * summary_json.c - see summary_json.h.
 *
 * A summary travels as the text that its writer chose; only those who look at its values pay for
 * them.
 */
#include "iceberg/metadata/summary_json.h"

#include "base/arena_list.h"
#include "base/limits.h"

static frz_status read_value(frz_json_reader *json, frz_str *value_out, frz_error *err)
{
  frz_json_kind kind;
  FRZ_TRY(frz_json_peek(json, &kind, err));
  return kind == FRZ_JSON_STRING ? frz_json_read_string(json, value_out, err)
                                 : frz_json_read_raw(json, value_out, err);
}

static frz_status keep_pair(frz_arena *arena, frz_str key, frz_str value, frz_text_pair *pair_out,
                            frz_error *err)
{
  pair_out->key = frz_arena_keep(arena, key);
  pair_out->value = frz_arena_keep(arena, value);
  return pair_out->key.data != NULL && pair_out->value.data != NULL
             ? FRZ_OK
             : frz_fail_nomem(err, "snapshot summary");
}

frz_status frz_summary_parse(frz_str summary, frz_arena *arena, const frz_text_pair **pairs_out,
                             size_t *n_pairs_out, frz_error *err)
{
  frz_text_pair *pairs = NULL;
  size_t n = 0, capacity = 0;
  *pairs_out = NULL;
  *n_pairs_out = 0;
  if (summary.data == NULL) return FRZ_OK;
  frz_json_reader json;
  frz_json_reader_init(&json, summary.data, summary.size, arena);
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str key, value;
    bool more, was_null;
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) break;
    FRZ_TRY(frz_json_read_null(&json, &was_null, err));
    if (was_null) continue;
    FRZ_TRY(read_value(&json, &value, err));
    if (frz_str_is(key, "operation")) continue;
    pairs = frz_arena_list_room(arena, pairs, n, &capacity, sizeof *pairs);
    if (pairs == NULL) return frz_fail_nomem(err, "snapshot summary");
    FRZ_TRY(keep_pair(arena, key, value, &pairs[n++], err));
  }
  *pairs_out = pairs;
  *n_pairs_out = n;
  return FRZ_OK;
}

frz_str frz_summary_find(const frz_text_pair *pairs, size_t n_pairs, const char *key)
{
  for (size_t i = 0; i < n_pairs; i++)
    if (frz_str_is(pairs[i].key, key)) return pairs[i].value;
  return (frz_str){0};
}

frz_status frz_summary_print(frz_str operation, const frz_text_pair *pairs, size_t n_pairs,
                             frz_arena *arena, frz_str *summary_out, frz_error *err)
{
  frz_buf out;
  frz_json_writer json;
  frz_buf_init(&out, arena->alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_json_writer_init(&json, &out);
  frz_json_write_object_begin(&json);
  frz_json_write_key(&json, "operation");
  frz_json_write_string(&json, operation);
  for (size_t i = 0; i < n_pairs; i++) {
    frz_json_write_key_str(&json, pairs[i].key);
    frz_json_write_string(&json, pairs[i].value);
  }
  frz_json_write_object_end(&json);
  frz_status st = frz_json_writer_finish(&json, err);
  if (st == FRZ_OK) {
    *summary_out = frz_arena_copy(arena, frz_buf_str(&out));
    if (summary_out->data == NULL) st = frz_fail_nomem(err, "snapshot summary");
  }
  frz_buf_dispose(&out);
  return st;
}
