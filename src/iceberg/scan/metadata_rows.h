/*
 * metadata_rows.h - small tables about a table, built value by value.
 *
 *   frz_rows_text(&rows, name);
 *   frz_rows_i64(&rows, value);
 *   FRZ_TRY(frz_rows_end(&rows, err));
 *
 * The first failure is kept until frz_rows_end(), so that single values need no check. Values of a
 * struct are given between frz_rows_struct_begin() and _end(), structs of a list between
 * frz_rows_list_begin() and _end().
 */
#ifndef FRZ_ICEBERG_METADATA_ROWS_H
#define FRZ_ICEBERG_METADATA_ROWS_H

#include "arrow/arrow_stream.h"
#include "iceberg/manifest/manifest.h"

typedef enum frz_rows_kind {
  FRZ_ROWS_TEXT,
  FRZ_ROWS_I32,
  FRZ_ROWS_I64,
  FRZ_ROWS_BOOL,
  FRZ_ROWS_TIME,       /* milliseconds in, timestamp[us, UTC] out */
  FRZ_ROWS_TEXT_MAP,   /* map<string, string> */
  FRZ_ROWS_METRIC_MAP, /* map<int, long> */
  FRZ_ROWS_BOUND_MAP,  /* map<int, binary> */
  FRZ_ROWS_I32_LIST,
  FRZ_ROWS_I64_LIST,
  FRZ_ROWS_BYTES
} frz_rows_kind;

enum { FRZ_ROWS_DEPTH = 4 };

typedef struct frz_rows_column {
  const char *name;
  frz_rows_kind kind;
  bool is_nullable;
} frz_rows_column;

/** The struct or list that values are given for now. */
typedef struct frz_rows_level {
  frz_column *columns;
  const frz_arrow_field *fields;
  size_t n_columns;
  size_t next; /* column of the next value */
  bool is_list;
} frz_rows_level;

typedef struct frz_rows {
  const frz_alloc *alloc;
  frz_arena arena;
  const frz_arrow_field *fields;
  size_t n_columns;
  frz_batch batch;
  frz_rows_level levels[FRZ_ROWS_DEPTH]; /* [0]: the row itself */
  size_t depth;
  frz_status status;
  frz_error error;
} frz_rows;

/** An empty table; `columns` is borrowed. Ended by frz_rows_dispose(), also after a failure. */
frz_status frz_rows_init(frz_rows *rows, const frz_rows_column *columns, size_t n_columns,
                         const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;
/** As above, of any fields; they are borrowed. */
frz_status frz_rows_init_fields(frz_rows *rows, const frz_arrow_field *fields, size_t n_fields,
                                const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;
/** The fields of columns, in an arena; NULL: refused. */
frz_arrow_field *frz_rows_fields(const frz_rows_column *columns, size_t n_columns,
                                 frz_arena *arena);
void frz_rows_dispose(frz_rows *rows);

void frz_rows_null(frz_rows *rows);
void frz_rows_text(frz_rows *rows, frz_str value); /* data NULL: a null, or "" where none may be */
void frz_rows_i32(frz_rows *rows, int32_t value);
void frz_rows_i64(frz_rows *rows, int64_t value);
void frz_rows_id(frz_rows *rows, int64_t value); /* I32 or I64; negative: a null */
void frz_rows_bool(frz_rows *rows, bool value);
void frz_rows_time(frz_rows *rows, int64_t time_ms);
void frz_rows_texts(frz_rows *rows, const frz_text_pair *pairs, size_t n_pairs);
void frz_rows_metrics(frz_rows *rows, const frz_metric *metrics, size_t n_metrics);
void frz_rows_bounds(frz_rows *rows, const frz_bound *bounds, size_t n_bounds);
void frz_rows_i32s(frz_rows *rows, const int32_t *values, size_t n_values);
void frz_rows_i64s(frz_rows *rows, const int64_t *values, size_t n_values);

void frz_rows_bytes(frz_rows *rows, frz_str value); /* data NULL: a null */
/** A value of the column's type, or null. */
void frz_rows_literal(frz_rows *rows, const frz_literal *value);

void frz_rows_struct_begin(frz_rows *rows);
void frz_rows_struct_end(frz_rows *rows);
void frz_rows_list_begin(frz_rows *rows);
void frz_rows_list_end(frz_rows *rows);

/** Close a row whose values were all given. */
frz_status frz_rows_end(frz_rows *rows, frz_error *err) FRZ_MUST_CHECK;

/** Move the rows out as a batch, and go on with none. */
frz_status frz_rows_take(frz_rows *rows, frz_batch *batch_out, frz_error *err) FRZ_MUST_CHECK;

/** Move the rows out as a stream. */
frz_status frz_rows_stream(frz_rows *rows, struct ArrowArrayStream *stream_out,
                           frz_error *err) FRZ_MUST_CHECK;

/** "PARQUET", "AVRO"... as Iceberg's metadata tables spell it. */
frz_str frz_file_format_name(frz_file_format format);

#endif
