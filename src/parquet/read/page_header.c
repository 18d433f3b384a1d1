/*
 * page_header.c - parse a page's header: sizes, counts and encodings, all checked.
 *
 * Source: apache/parquet-format, parquet.thrift, PageHeader.
 */
#include "parquet/read/page_header.h"

#include "parquet/format/thrift.h"

/* Fields of the four kinds' own headers, by id; -1: not given. */
enum { OWN_FIELDS = 9 };

static frz_status parse_own(frz_thrift_reader *reader, int64_t own[OWN_FIELDS], frz_error *err)
{
  for (int i = 0; i < OWN_FIELDS; i++) own[i] = -1;
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) return FRZ_OK;
    if (id < 0 || id >= OWN_FIELDS) {
      FRZ_TRY(frz_thrift_skip(reader, type, err));
    } else if (type == FRZ_THRIFT_I32) {
      int32_t number = 0;
      FRZ_TRY(frz_thrift_read_i32(reader, &number, err));
      if (number < 0)
        return frz_fail(err, FRZ_ERR_CORRUPT, "page header: field %d is %d", id, number);
      own[id] = number;
    } else {
      if (type == FRZ_THRIFT_TRUE || type == FRZ_THRIFT_FALSE) own[id] = type == FRZ_THRIFT_TRUE;
      FRZ_TRY(frz_thrift_skip(reader, type, err));
    }
  }
}

static frz_status take_data(const int64_t own[OWN_FIELDS], frz_page_header *header, frz_error *err)
{
  if (own[1] < 0 || own[2] < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "page header: %lld values, encoding %lld; both must be given",
                    (long long)own[1], (long long)own[2]);
  header->n_values = own[1];
  header->encoding = (int32_t)own[2];
  header->def_encoding = own[3] >= 0 ? (int32_t)own[3] : FRZ_PARQUET_RLE;
  header->rep_encoding = own[4] >= 0 ? (int32_t)own[4] : FRZ_PARQUET_RLE;
  return FRZ_OK;
}

static frz_status take_data_v2(const int64_t own[OWN_FIELDS], frz_page_header *header,
                               frz_error *err)
{
  if (own[1] < 0 || own[3] < 0 || own[4] < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "page header: %lld values, %lld rows, encoding %lld; all must be given",
                    (long long)own[1], (long long)own[3], (long long)own[4]);
  header->n_values = own[1];
  header->n_rows = own[3];
  header->encoding = (int32_t)own[4];
  header->def_bytes = own[5] > 0 ? (size_t)own[5] : 0;
  header->rep_bytes = own[6] > 0 ? (size_t)own[6] : 0;
  header->is_compressed = own[7] != 0;
  return FRZ_OK;
}

static frz_status take_dictionary(const int64_t own[OWN_FIELDS], frz_page_header *header,
                                  frz_error *err)
{
  if (own[1] < 0) return frz_fail(err, FRZ_ERR_CORRUPT, "page header: dictionary without a count");
  header->n_values = own[1];
  header->encoding = own[2] >= 0 ? (int32_t)own[2] : FRZ_PARQUET_PLAIN;
  return FRZ_OK;
}

static frz_status check_header(const frz_page_header *header, int64_t uncompressed,
                               int64_t compressed, int own_kind, frz_error *err)
{
  if (compressed < 0 || uncompressed < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "page of %lld bytes, %lld uncompressed",
                    (long long)compressed, (long long)uncompressed);
  if ((size_t)compressed > FRZ_LIMIT_PAGE_BYTES || (size_t)uncompressed > FRZ_LIMIT_PAGE_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "page of %lld bytes, %lld uncompressed; %zu are allowed",
                    (long long)compressed, (long long)uncompressed, FRZ_LIMIT_PAGE_BYTES);
  bool is_known = header->type == FRZ_PAGE_DATA || header->type == FRZ_PAGE_DICTIONARY ||
                  header->type == FRZ_PAGE_DATA_V2;
  if (is_known && own_kind != header->type)
    return frz_fail(err, FRZ_ERR_CORRUPT, "page of type %d without its header", header->type);
  size_t levels = header->def_bytes + header->rep_bytes;
  if (levels > (size_t)compressed || levels > (size_t)uncompressed)
    return frz_fail(err, FRZ_ERR_CORRUPT, "page of %lld bytes with %zu bytes of levels",
                    (long long)compressed, levels);
  return FRZ_OK;
}

frz_status frz_page_header_parse(const void *data, size_t size, frz_page_header *header_out,
                                 frz_error *err)
{
  frz_page_header header = {.type = -1, .n_rows = -1, .is_compressed = true};
  int64_t uncompressed = -1, compressed = -1;
  int64_t own[OWN_FIELDS];
  int own_kind = -1;
  frz_thrift_reader reader;
  frz_thrift_reader_init(&reader, data, size);
  FRZ_TRY(frz_thrift_struct_begin(&reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(&reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    if (type == FRZ_THRIFT_I32 && id >= 1 && id <= 4) {
      int32_t number = 0;
      FRZ_TRY(frz_thrift_read_i32(&reader, &number, err));
      if (id == 1) header.type = number;
      if (id == 2) uncompressed = number;
      if (id == 3) compressed = number;
      if (id == 4) header.crc = (uint32_t)number;
      header.has_crc |= id == 4;
    } else if (type == FRZ_THRIFT_STRUCT && (id == 5 || id == 7 || id == 8)) {
      FRZ_TRY(parse_own(&reader, own, err));
      own_kind = id == 5 ? FRZ_PAGE_DATA : id == 7 ? FRZ_PAGE_DICTIONARY : FRZ_PAGE_DATA_V2;
      FRZ_TRY(id == 5   ? take_data(own, &header, err)
              : id == 7 ? take_dictionary(own, &header, err)
                        : take_data_v2(own, &header, err));
    } else {
      FRZ_TRY(frz_thrift_skip(&reader, type, err));
    }
  }
  FRZ_TRY(check_header(&header, uncompressed, compressed, own_kind, err));
  header.header_bytes = reader.bytes.pos;
  header.compressed_bytes = (size_t)compressed;
  header.uncompressed_bytes = (size_t)uncompressed;
  *header_out = header;
  return FRZ_OK;
}
