/*
 * aws_config.h - who asks a service of AWS, as properties say it.
 *
 * Names are PyIceberg's: "s3.access-key-id" holds for one service, "client.access-key-id" for all
 * where the service's own is not set. All in docs/storage.md.
 */
#ifndef FRZ_STORAGE_AWS_CONFIG_H
#define FRZ_STORAGE_AWS_CONFIG_H

#include "base/fail.h"
#include "net/sigv4.h"

/** Where credentials are looked for, in this order; a set of bits. */
enum {
  FRZ_AWS_FROM_ENVIRONMENT = 1,
  FRZ_AWS_FROM_PROFILE = 2,
  FRZ_AWS_FROM_WEB_IDENTITY = 4,
  FRZ_AWS_FROM_CONTAINER = 8,
  FRZ_AWS_FROM_INSTANCE = 16
};

/** Texts are borrowed from the properties; size 0: not set. */
typedef struct frz_aws_config {
  const char *service; /* "s3", "glue": the word in front of its properties. Static storage */
  frz_str region;
  frz_aws_credentials credentials;
  frz_str profile;
  frz_str role_arn; /* is assumed with the credentials that are found */
  frz_str role_session_name;
  frz_str sts_endpoint;
  int sources;
} frz_aws_config;

/** Take one property of the service or of all; *taken_out false: it says something else.
 * FRZ_ERR_INVALID names the property. */
frz_status frz_aws_config_set(frz_aws_config *config, frz_str key, frz_str value, bool *taken_out,
                              frz_error *err) FRZ_MUST_CHECK;

/** After the last property. FRZ_ERR_INVALID: half of a pair of keys; a region that is none. */
frz_status frz_aws_config_finish(frz_aws_config *config, frz_error *err) FRZ_MUST_CHECK;

/** Is it a name that can stand in a host's name? FRZ_ERR_INVALID. */
frz_status frz_aws_config_check_region(const frz_aws_config *config, frz_error *err) FRZ_MUST_CHECK;

#endif
