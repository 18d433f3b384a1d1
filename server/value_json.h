/*
 * value_json.h - feature values as JSON, as Feast's Python feature server writes them.
 *
 * Bytes are base64; timestamps whole seconds since 1970, rounded down; NaN and infinities texts;
 * floats the doubles that they are, with all digits.
 */
#ifndef FRAZIL_SERVER_VALUE_JSON_H
#define FRAZIL_SERVER_VALUE_JSON_H

#include "frazil/online.h"
#include "text_out.h"

/** @retval FRZ_ERR_CORRUPT a serialized value breaks its format. */
frz_status value_json_put(text_out *out, const frz_value *value, frz_error *err) FRZ_MUST_CHECK;

/** A serialized feast.types.Value. @retval FRZ_ERR_CORRUPT */
frz_status value_json_put_serialized(text_out *out, const void *data, size_t size,
                                     frz_error *err) FRZ_MUST_CHECK;

#endif
