/*
 * entity_key.h - Feast's serialized entity keys, version 3, in and out.
 *
 * Little-endian: the number of join keys; for each, by name, the type 2, its length and its name;
 * then for each value, in the same order, type, length and bytes.
 *
 * Source: feast/infra/key_encoding_utils.py, serialize_entity_key(), version 3.
 */
#ifndef FRZ_ONLINE_ENTITY_KEY_H
#define FRZ_ONLINE_ENTITY_KEY_H

#include "base/buf.h"
#include "frazil/online.h"

/** Append the key of values, one a join key. */
frz_status frz_entity_key_write(const frz_online_info *info, const frz_value *values, frz_buf *out,
                                frz_error *err) FRZ_MUST_CHECK;

/** The value of the single join key of a serialized key: type (of feast.types.ValueType) and bytes.
 * False: it has several, or is not such a key. */
bool frz_entity_key_single(frz_bytes key, uint32_t *type_out, frz_bytes *value_out);

#endif
