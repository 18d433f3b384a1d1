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

#include "arrow/column.h"
#include "frazil/online.h"

/** Append what all keys of a view begin with. Where it has no join keys that is the whole key. */
frz_status frz_entity_key_head(const frz_online_info *info, frz_buf *out,
                               frz_error *err) FRZ_MUST_CHECK;

/** Append the rest: values, one a join key. */
frz_status frz_entity_key_values(const frz_online_info *info, const frz_value *values, frz_buf *out,
                                 frz_error *err) FRZ_MUST_CHECK;

/** The keys of `n_rows` rows, into a column of binaries without rows (to be disposed of after a
 * failure). `columns`: the values, a column a join key, without nulls. */
frz_status frz_entity_key_rows(const frz_online_info *info, const frz_column *columns,
                               int64_t n_rows, frz_column *keys, frz_error *err) FRZ_MUST_CHECK;

/** The value of the single join key of a serialized key: type (of feast.types.ValueType) and bytes.
 * False: it has several, or is not such a key. */
bool frz_entity_key_single(frz_bytes key, uint32_t *type_out, frz_bytes *value_out);

#endif
