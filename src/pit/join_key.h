/*
 * join_key.h - join keys of any type, made comparable between an entity frame and a table.
 *
 * Each key column has a form, chosen from both sides' types; values of one form are equal exactly
 * when their encodings are. A key of one 8-byte column is encoded as a 64-bit hash that is a
 * bijection, so that equal hashes are equal keys; every other key also keeps its bytes.
 *
 * Integers of every width, booleans and dates compare as 64-bit numbers; floats as doubles (-0.0 is
 * 0.0, every NaN is one value); a double column joins an integer one where it holds whole numbers,
 * as pandas makes of integers with gaps; strings, binaries, uuids and fixed compare by bytes.
 */
#ifndef FRZ_PIT_JOIN_KEY_H
#define FRZ_PIT_JOIN_KEY_H

#include "arrow/column.h"

typedef enum frz_key_form {
  FRZ_KEY_INTEGER,
  FRZ_KEY_DOUBLE,
  FRZ_KEY_TIME, /* timestamps: seconds and nanoseconds */
  FRZ_KEY_DECIMAL,
  FRZ_KEY_BYTES,
  FRZ_KEY_NOTHING /* one side is the null type: no row matches */
} frz_key_form;

/** The form in which columns of two types compare; FRZ_ERR_INVALID names both columns and types. */
frz_status frz_key_form_of(const frz_arrow_field *left, const frz_arrow_field *right,
                           frz_key_form *form_out, frz_error *err) FRZ_MUST_CHECK;

/** A value of INTEGER form as a number; false: it is equal to no integer. */
bool frz_key_integer(const frz_column *column, int64_t row, int64_t *value_out);

/** The keys of one batch. Reused from batch to batch; dispose once. */
typedef struct frz_key_batch {
  uint64_t *hashes;        /* n_rows; unspecified where absent */
  uint8_t *present;        /* n_rows: 0 where a key value is null or can match nothing */
  const int64_t *integers; /* the keys, where they are one INTEGER column; else NULL */
  const uint8_t *bytes;    /* NULL when the hash is the key of every row */
  const int32_t *offsets;  /* n_rows + 1, into bytes */
  frz_buf hash_store, present_store, integer_store, byte_store, offset_store;
} frz_key_batch;

void frz_key_batch_init(frz_key_batch *keys, const frz_alloc *alloc);
void frz_key_batch_dispose(frz_key_batch *keys);

/**
 * Encode the keys of `n_rows` rows. With `nulls_count` a null is a value like others (latest per
 * key); else its row is absent. The columns must stay alive while `keys` is used.
 */
frz_status frz_key_batch_fill(frz_key_batch *keys, const frz_column *const *columns,
                              const frz_key_form *forms, size_t n_columns, bool nulls_count,
                              int64_t n_rows, frz_error *err) FRZ_MUST_CHECK;

/** The bytes of a row's key; empty when the hash is the key (or a text is empty). */
static inline frz_str frz_key_batch_bytes(const frz_key_batch *keys, int64_t row)
{
  if (keys->bytes == NULL) return (frz_str){0};
  return (frz_str){(const char *)keys->bytes + keys->offsets[row],
                   (size_t)(keys->offsets[row + 1] - keys->offsets[row])};
}

#endif
