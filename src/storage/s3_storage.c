/*
 * s3_storage.c - S3 objects as a storage: opened and listed.
 *
 * Source: Amazon S3 API Reference, "ListObjectsV2".
 */
#include "storage/s3_storage.h"

#include "storage/object_listing.h"
#include "text/xml_reader.h"

static frz_status s3_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  frz_object *object;
  FRZ_TRY(frz_s3_object_open(ctx, uri, &object, err));
  return frz_object_source_open(object, source_out, err);
}

static frz_status read_page(frz_object_listing *listing, frz_str page, frz_arena *arena,
                            frz_error *err)
{
  frz_xml_reader xml;
  frz_xml_event event;
  frz_str key = {0}, token = {0};
  int64_t size = 0, modified_ms = 0;
  bool is_cut = false;
  frz_xml_reader_init(&xml, page.data, page.size, arena);
  for (;;) {
    FRZ_TRY(frz_xml_next(&xml, &event, err));
    if (event.kind == FRZ_XML_DONE) break;
    if (event.kind == FRZ_XML_BEGIN) continue;
    if (event.depth == 3 && frz_str_is(event.name, "Key")) key = event.text;
    if (event.depth == 3 && frz_str_is(event.name, "Size")) size = frz_object_size(event.text);
    if (event.depth == 3 && frz_str_is(event.name, "LastModified"))
      modified_ms = frz_object_time(event.text);
    if (event.depth == 2 && frz_str_is(event.name, "IsTruncated"))
      is_cut = frz_str_is(event.text, "true");
    if (event.depth == 2 && frz_str_is(event.name, "NextContinuationToken")) token = event.text;
    if (event.depth != 2 || !frz_str_is(event.name, "Contents")) continue;
    FRZ_TRY(frz_object_listing_visit(listing, key, size, modified_ms, err));
    key = (frz_str){0};
    size = modified_ms = 0;
  }
  if (is_cut && token.size == 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "a cut page without a token for the next");
  if (is_cut) listing->next = token;
  return FRZ_OK;
}

static frz_status s3_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                          frz_error *err)
{
  static const frz_http_pair query[] = {{{"list-type", 9}, {"2", 1}}};
  frz_object *object;
  FRZ_TRY(frz_s3_object_open(ctx, uri, &object, err));
  frz_s3_target *target = (frz_s3_target *)object;
  target->path = frz_s3_bucket_path(target);
  frz_object_listing listing = {.container = object,
                                .query = query,
                                .n_query = 1,
                                .prefix_name = FRZ_STR("prefix"),
                                .token_name = FRZ_STR("continuation-token"),
                                .read_page = read_page};
  size_t n_root = (size_t)(target->bucket.data - object->uri.data) + target->bucket.size;
  frz_status st = frz_object_listing_run(&listing, n_root, target->key, visit, arg, err);
  frz_object_free(object);
  return st;
}

static void s3_free(void *ctx)
{
  frz_object_store_release(ctx);
}

const frz_storage_ops *frz_s3_storage_ops(void)
{
  static const frz_storage_ops ops = {.version = 1,
                                      .open = s3_open,
                                      .create = frz_s3_create_object,
                                      .remove = frz_s3_remove_object,
                                      .list = s3_list,
                                      .free = s3_free,
                                      .remove_many = frz_s3_remove_objects};
  return &ops;
}
