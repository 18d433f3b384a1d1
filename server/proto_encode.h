/*
 * proto_encode.h - JSON values as serialized feast.types.Value, for types that have no column form.
 */
#ifndef FRAZIL_SERVER_PROTO_ENCODE_H
#define FRAZIL_SERVER_PROTO_ENCODE_H

#include "json_tree.h"
#include "text_out.h"

/**
 * @param[in] value_type  Of feast.types.ValueType.Enum: MAP, STRUCT and lists of them, VALUE_LIST,
 *                        VALUE_SET, ZONED_TIMESTAMP. A text for a map, struct or list of them is
 *                        JSON, as Feast's remote client sends it.
 * @param[in,out] out     The value is put behind what is there.
 * @retval FRZ_ERR_INVALID     the JSON does not fit the type.
 * @retval FRZ_ERR_UNSUPPORTED any other type.
 */
frz_status proto_encode(const json_tree *tree, uint32_t node, int32_t value_type, text_out *out,
                        frz_error *err) FRZ_MUST_CHECK;

/**
 * Microseconds since 1970 of "2026-01-31", "2026-01-31T12:00:00.5", with " " for "T" and with
 * "Z", "+01:00" or no zone, which is UTC.
 * @param[out] offset_s_out Of the zone. May be NULL.
 */
bool time_text_read(const char *text, size_t size, int64_t *us_out, int32_t *offset_s_out);

#endif
