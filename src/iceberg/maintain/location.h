/*
 * location.h - two spellings of one place: "s3a://b//x/" is "s3://b/x", "file:///x" is "/x".
 *
 * Files are removed by what their locations mean, never by how they are written. Percent signs
 * are left alone: Iceberg stores names as they are.
 */
#ifndef FRZ_ICEBERG_LOCATION_H
#define FRZ_ICEBERG_LOCATION_H

#include "base/buf.h"

/** Longest location that is looked at. */

/**
 * Append the one form that all spellings of a location share: the scheme in small letters, "s3a"
 * and "s3n" as "s3", "gcs" as "gs", "abfs", "wasb" and "wasbs" as "abfss" (and Azure's host for
 * blobs as that for "abfss"), local paths without scheme and absolute, no doubled slash and none at
 * the end. Two locations are the same place where these are equal.
 */
frz_status frz_location_normalise(frz_str location, frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** What follows scheme and host of a normalised location: "/x" of "s3://b/x" and of "/x". */
frz_str frz_location_path(frz_str normalised);

/** Is `location` the folder or below it? Both normalised. */
bool frz_location_is_below(frz_str location, frz_str folder);

#endif
