/*
 * feature_request.h - the bodies that clients send, checked for their shape.
 *
 * Texts and nodes are borrowed from the tree that the body was parsed into.
 */
#ifndef FRAZIL_SERVER_FEATURE_REQUEST_H
#define FRAZIL_SERVER_FEATURE_REQUEST_H

#include "frazil/online.h"
#include "json_tree.h"

enum { REQUEST_COLUMNS_MAX = 2048, REQUEST_FEATURES_MAX = 4096, REQUEST_ENTITIES_MAX = 64 };

/** A named array. */
typedef struct request_column {
  const char *name; /* not NUL-terminated */
  uint32_t name_size;
  uint32_t values; /* the JSON_ARRAY's node */
} request_column;

/** POST /get-online-features. */
typedef struct feature_request {
  request_column entities[REQUEST_ENTITIES_MAX];
  uint32_t n_entities;
  uint32_t n_rows;
  uint32_t features; /* the JSON_ARRAY of texts; 0: a service is asked for */
  uint32_t service;  /* JSON_STRING; 0: features are */
  bool full_feature_names;
  bool view_versions; /* include_feature_view_version_metadata */
} feature_request;

/**
 * @retval FRZ_ERR_INVALID not that shape: no features, no entities, arrays of different lengths.
 * @retval FRZ_ERR_LIMIT   more entities, features or rows than is served.
 */
frz_status feature_request_read(const json_tree *tree, uint32_t rows_max,
                                feature_request *request_out, frz_error *err) FRZ_MUST_CHECK;

/** POST /push and /write-to-online-store. */
typedef struct write_request {
  const char *target; /* push source or feature view; not NUL-terminated */
  uint32_t target_size;
  bool to_online;
  bool to_offline;
  request_column *columns; /* of malloc() */
  uint32_t n_columns;
  uint32_t n_rows;
} write_request;

/**
 * @param[in] target_member "push_source_name" or "feature_view_name".
 * @param[out] request_out  End it with write_request_dispose().
 */
frz_status write_request_read(const json_tree *tree, const char *target_member,
                              write_request *request_out, frz_error *err) FRZ_MUST_CHECK;

void write_request_dispose(write_request *request);

/** A column by name, or NULL. */
const request_column *write_request_column(const write_request *request, const char *name);

/**
 * A JSON value as one of that kind; borrows texts from the tree. JSON null gives NULL.
 * @param[in] kind INT32, INT64, STRING, BOOL, FLOAT, DOUBLE, TIMESTAMP (of whole seconds) or BYTES
 *                 (of a text's UTF-8).
 * @retval FRZ_ERR_INVALID the value is not of that kind.
 */
frz_status json_value_read(const json_tree *tree, uint32_t node, frz_value_kind kind,
                           frz_value *value_out, frz_error *err) FRZ_MUST_CHECK;

/** As json_value_read(), of a join key, which the message names. */
frz_status key_value_read(const json_tree *tree, uint32_t node, const frz_online_column *key,
                          frz_value *value_out, frz_error *err) FRZ_MUST_CHECK;

#endif
