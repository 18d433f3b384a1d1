/*
 * write_properties.c - see write_properties.h.
 *
 * A property that cannot be followed refuses the write: a table whose owner asked for one codec is
 * not filled with another. A bloom filter that is asked for a column that is not there is left out,
 * as a column may be dropped while its properties stay.
 */
#include "iceberg/write/write_properties.h"

#include "base/limits.h"
#include "text/json_reader.h"

#define BLOOM_FPP 0.01

static frz_status fail_value(const char *key, frz_str value, const char *what, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_INVALID, "table property '%s': '%.*s' is %s", key,
                  FRZ_STR_ARG(value), what);
}

static frz_status read_number(const frz_table_metadata *metadata, const char *key, int64_t least,
                              int64_t most, int64_t *value_inout, frz_error *err)
{
  int64_t value;
  FRZ_TRY(frz_metadata_property_i64(metadata, key, *value_inout, &value, err));
  if (value < least || value > most)
    return frz_fail(err, FRZ_ERR_INVALID, "table property '%s': %lld is not in [%lld, %lld]", key,
                    (long long)value, (long long)least, (long long)most);
  *value_inout = value;
  return FRZ_OK;
}

/* One of several words. */
typedef struct word {
  const char *name;
  int value;
} word;

static frz_status read_word(const frz_table_metadata *metadata, const char *key, const word *words,
                            size_t n_words, int *value_inout, frz_error *err)
{
  frz_str value = frz_metadata_property(metadata, key);
  if (value.data == NULL) return FRZ_OK;
  for (size_t i = 0; i < n_words; i++) {
    if (!frz_str_is_word(value, words[i].name)) continue;
    *value_inout = words[i].value;
    return FRZ_OK;
  }
  return fail_value(key, value, "not known", err);
}

static frz_status read_words(const frz_table_metadata *metadata, frz_parquet_write_options *options,
                             frz_error *err)
{
  static const word codecs[] = {
      {"zstd", FRZ_PARQUET_ZSTD},         {"snappy", FRZ_PARQUET_SNAPPY},
      {"gzip", FRZ_PARQUET_GZIP},         {"brotli", FRZ_PARQUET_BROTLI},
      {"lz4", FRZ_PARQUET_LZ4_RAW},       {"lz4_raw", FRZ_PARQUET_LZ4_RAW},
      {"none", FRZ_PARQUET_UNCOMPRESSED}, {"uncompressed", FRZ_PARQUET_UNCOMPRESSED},
  };
  static const word versions[] = {{"v1", false}, {"v2", true}};
  static const word sets[] = {
      {"basic", FRZ_ENCODINGS_BASIC}, {"delta", FRZ_ENCODINGS_DELTA}, {"all", FRZ_ENCODINGS_ALL}};
  int codec = (int)options->codec;
  int is_v2 = options->data_page_v2;
  int set = (int)options->encodings;
  FRZ_TRY(read_word(metadata, "write.parquet.compression-codec", codecs,
                    sizeof codecs / sizeof *codecs, &codec, err));
  FRZ_TRY(read_word(metadata, "write.parquet.page-version", versions,
                    sizeof versions / sizeof *versions, &is_v2, err));
  FRZ_TRY(
      read_word(metadata, "frazil.parquet.encodings", sets, sizeof sets / sizeof *sets, &set, err));
  options->codec = (frz_parquet_codec)codec;
  options->data_page_v2 = is_v2 != 0;
  options->encodings = (frz_encoding_set)set;
  return FRZ_OK;
}

/* ---- bloom filters ---- */

/* The value of property "<prefix><column>"; data NULL: not set. */
static frz_str column_property(const frz_table_metadata *metadata, const char *prefix,
                               frz_str column)
{
  size_t n = strlen(prefix);
  for (size_t i = 0; i < metadata->n_properties; i++) {
    frz_str key = metadata->properties[i].key;
    if (frz_str_starts(key, prefix) && frz_str_equal((frz_str){key.data + n, key.size - n}, column))
      return metadata->properties[i].value;
  }
  return (frz_str){NULL, 0};
}

/* A number as JSON has them, and nothing behind it. */
static bool parse_number(frz_str text, double *number_out)
{
  frz_json_reader json;
  frz_json_kind kind;
  frz_json_reader_init(&json, text.data, text.size, NULL);
  return frz_json_read_double(&json, number_out, NULL) == FRZ_OK &&
         frz_json_peek(&json, &kind, NULL) == FRZ_OK && kind == FRZ_JSON_END;
}

static frz_status read_bloom(const frz_table_metadata *metadata, frz_str column,
                             frz_parquet_bloom_option *bloom, frz_error *err)
{
  static const char fpp_key[] = "write.parquet.bloom-filter-fpp.column.";
  static const char ndv_key[] = "write.parquet.bloom-filter-ndv.column.";
  bloom->fpp = BLOOM_FPP;
  frz_str text = column_property(metadata, fpp_key, column);
  if (text.data != NULL &&
      (!parse_number(text, &bloom->fpp) || !(bloom->fpp > 0 && bloom->fpp < 1)))
    return fail_value(fpp_key, text, "not between 0 and 1", err);
  text = column_property(metadata, ndv_key, column);
  double ndv = 0;
  if (text.data != NULL && (!parse_number(text, &ndv) || !(ndv >= 1 && ndv <= 1e15)))
    return fail_value(ndv_key, text, "not a positive number", err);
  bloom->ndv = (int64_t)ndv;
  return FRZ_OK;
}

static frz_status read_blooms(const frz_table_metadata *metadata, const frz_schema *schema,
                              frz_arena *arena, frz_parquet_write_options *options, frz_error *err)
{
  static const char prefix[] = "write.parquet.bloom-filter-enabled.column.";
  FRZ_TRY(read_number(metadata, "write.parquet.bloom-filter-max-bytes", 1,
                      (int64_t)FRZ_LIMIT_BLOOM_BYTES, &options->bloom_bytes_max, err));
  size_t n = 0;
  frz_parquet_bloom_option *blooms = frz_arena_array(arena, metadata->n_properties, sizeof *blooms);
  if (blooms == NULL) return frz_fail_nomem(err, "write properties");
  for (size_t i = 0; i < metadata->n_properties; i++) {
    frz_str key = metadata->properties[i].key;
    if (!frz_str_starts(key, prefix) || !frz_str_is_word(metadata->properties[i].value, "true"))
      continue;
    frz_str column = {key.data + sizeof prefix - 1, key.size - (sizeof prefix - 1)};
    const frz_field *field = frz_schema_find_name(schema, column, true);
    if (field == NULL) continue;
    blooms[n].field_id = field->id;
    FRZ_TRY(read_bloom(metadata, column, &blooms[n], err));
    n++;
  }
  options->blooms = blooms;
  options->n_blooms = n;
  return FRZ_OK;
}

frz_status frz_write_properties_read(const frz_table_metadata *metadata, const frz_schema *schema,
                                     frz_arena *arena, frz_write_properties *properties_out,
                                     frz_error *err)
{
  static const int64_t bytes_most = (int64_t)1 << 40;
  static const int64_t page_bytes_most = (int64_t)FRZ_LIMIT_PAGE_BYTES / 2;
  frz_write_properties properties = {.target_bytes = (int64_t)512 << 20};
  frz_parquet_write_options *options = &properties.parquet;
  frz_parquet_write_options_init(options);
  FRZ_TRY(read_number(metadata, "write.target-file-size-bytes", 1, INT64_MAX,
                      &properties.target_bytes, err));
  FRZ_TRY(read_number(metadata, "write.parquet.row-group-size-bytes", 1, bytes_most,
                      &options->row_group_bytes, err));
  FRZ_TRY(read_number(metadata, "write.parquet.row-group-limit", 1, INT32_MAX,
                      &options->row_group_rows_max, err));
  FRZ_TRY(read_number(metadata, "write.parquet.page-size-bytes", 1, page_bytes_most,
                      &options->page_bytes, err));
  FRZ_TRY(read_number(metadata, "write.parquet.page-row-limit", 1, INT32_MAX / 2,
                      &options->page_rows_max, err));
  FRZ_TRY(read_number(metadata, "write.parquet.dict-size-bytes", 0, page_bytes_most,
                      &options->dictionary_bytes, err));
  int64_t level = 0;
  FRZ_TRY(read_number(metadata, "write.parquet.compression-level", -1000, 1000, &level, err));
  options->level = (int32_t)level;
  FRZ_TRY(read_words(metadata, options, err));
  FRZ_TRY(read_blooms(metadata, schema, arena, options, err));
  *properties_out = properties;
  return FRZ_OK;
}
