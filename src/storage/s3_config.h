/*
 * s3_config.h - how an S3 store is reached, as properties say it.
 *
 * Names are PyIceberg's ("s3.endpoint", "s3.access-key-id"...), those of Iceberg's Java library
 * where it has others ("s3.path-style-access"), and "client.*" for what AWS services share. All in
 * docs/storage.md.
 */
#ifndef FRZ_STORAGE_S3_CONFIG_H
#define FRZ_STORAGE_S3_CONFIG_H

#include "base/arena.h"
#include "storage/aws_config.h"

typedef enum frz_s3_addressing {
  FRZ_S3_BY_KIND, /* path with an endpoint of its own, virtual hosts with AWS's */
  FRZ_S3_PATH,
  FRZ_S3_VIRTUAL
} frz_s3_addressing;

/** Texts are borrowed from the properties; size 0: not set. */
typedef struct frz_s3_config {
  frz_aws_config aws;
  frz_str endpoint;
  frz_str proxy;
  frz_s3_addressing addressing;
  bool is_anonymous;
  bool is_signed_remotely; /* by who lends properties; stands above keys */
  int64_t connect_timeout_ms;
  int64_t request_timeout_ms;
} frz_s3_config;

void frz_s3_config_init(frz_s3_config *config);

/** Take one property; others than those of S3 are passed over. FRZ_ERR_INVALID names the property,
 * never its value where that may be a secret. */
frz_status frz_s3_config_set(frz_s3_config *config, frz_str key, frz_str value,
                             frz_error *err) FRZ_MUST_CHECK;

/** "s3://bucket/key" in parts; s3a and s3n are the same. FRZ_ERR_INVALID: no bucket. */
frz_status frz_s3_uri_parse(frz_str uri, frz_str *bucket_out, frz_str *key_out,
                            frz_error *err) FRZ_MUST_CHECK;

/** Where requests on a bucket go. */
typedef struct frz_s3_address {
  frz_str origin; /* "https://bucket.s3.eu-west-1.amazonaws.com" */
  frz_str host;   /* of it, with the port */
  frz_str path;   /* of the bucket, encoded, with a slash at the end: "/" or "/bucket/" */
  frz_str region;
} frz_s3_address;

/** In the arena. */
frz_status frz_s3_address_of(const frz_s3_config *config, frz_str bucket, frz_arena *arena,
                             frz_s3_address *address_out, frz_error *err) FRZ_MUST_CHECK;

#endif
