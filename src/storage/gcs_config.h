/*
 * gcs_config.h - how Google Cloud Storage is reached, as properties say it.
 *
 * Names are PyIceberg's ("gcs.oauth2.token", "gcs.service.host"...) and those of Iceberg's Java
 * library where it has others ("gcs.no-auth"). All in docs/storage.md.
 */
#ifndef FRZ_STORAGE_GCS_CONFIG_H
#define FRZ_STORAGE_GCS_CONFIG_H

#include "base/arena.h"
#include "base/fail.h"

/** Texts are borrowed from the properties; size 0: not set. */
typedef struct frz_gcs_config {
  frz_str host; /* a URL, or a host's name */
  frz_str token;
  frz_str user_project;     /* who pays for the requests */
  frz_str credentials_file; /* a key of a service account, or what gcloud leaves */
  bool looks_around;        /* for credentials, where Google's own tools do */
  bool is_anonymous;
} frz_gcs_config;

/** Take one property; others than those of GCS are passed over. FRZ_ERR_INVALID names the property.
 */
frz_status frz_gcs_config_set(frz_gcs_config *config, frz_str key, frz_str value,
                              frz_error *err) FRZ_MUST_CHECK;

/** "gs://bucket/name" in parts. FRZ_ERR_INVALID: no bucket. */
frz_status frz_gcs_uri_parse(frz_str uri, frz_str *bucket_out, frz_str *name_out,
                             frz_error *err) FRZ_MUST_CHECK;

#endif
