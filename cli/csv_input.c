/*
 * csv_input.c - read a CSV file into Arrow batches.
 *
 * A first pass finds the types of columns that no table gives one; a second reads the rows. A batch
 * is built in plain growable buffers, one set a column, which its ArrowArray then owns. A type is
 * found only where it keeps every value exactly: whole numbers that a long or double would change
 * make a column of strings.
 */
#include "csv_input.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "csv_values.h"
#include "text_output.h"

enum {
  BATCH_ROWS = 65536,
  BATCH_BYTES = 64 << 20, /* of field text; a batch ends with the row that passes it */
  COLUMNS_LIMIT = 4096,
  FIELD_BYTES_LIMIT = 16 << 20
};

/* Every whole number up to this one is a double. */
static const int64_t exact_limit = INT64_C(1) << 53;

typedef enum value_type {
  TYPE_BOOLEAN,
  TYPE_LONG,
  TYPE_INT,
  TYPE_DOUBLE,
  TYPE_FLOAT,
  TYPE_DATE,
  TYPE_TIMESTAMPTZ,
  TYPE_TIMESTAMP,
  TYPE_STRING
} value_type;

static const char *const type_formats[] = {"b", "l", "i", "g", "f", "tdD", "tsu:UTC", "tsu:", "u"};
static const char *const type_names[] = {"boolean", "long",        "int",       "double", "float",
                                         "date",    "timestamptz", "timestamp", "string"};

typedef struct column_build {
  char *name;
  value_type type;
  bool is_given; /* by the table */
  bool seen;     /* a value, while types are found */
  bool wide;     /* a whole number that a double may change, while types are found */
  text validity; /* a byte a row while built */
  text values;
  text offsets;
} column_build;

typedef struct csv_file {
  FILE *file;
  char *path;
  int64_t line;     /* where the next byte is */
  int64_t row_line; /* where the row began */
  size_t batch_bytes;
  column_build *columns;
  size_t n_columns;
  text field;
  bool field_quoted;
  frz_error error;
} csv_file;

static frz_status fail(frz_error *err, frz_status code, const char *format, ...) FRZ_PRINTF(3, 4);

static frz_status fail(frz_error *err, frz_status code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  err->code = code;
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  return code;
}

static void csv_free(csv_file *csv)
{
  if (csv->file != NULL) fclose(csv->file);
  for (size_t i = 0; i < csv->n_columns; i++) {
    free(csv->columns[i].name);
    text_free(&csv->columns[i].validity);
    text_free(&csv->columns[i].values);
    text_free(&csv->columns[i].offsets);
  }
  free(csv->columns);
  free(csv->path);
  text_free(&csv->field);
  free(csv);
}

/* ---- fields ---- */

typedef enum field_end { END_COMMA, END_LINE, END_FILE } field_end;

static frz_status fail_read(const csv_file *csv, frz_error *err)
{
  if (interrupted()) return fail(err, FRZ_ERR_CANCELLED, "%s: interrupted", csv->path);
  return fail(err, FRZ_ERR_IO, "%s: line %lld: %s", csv->path, (long long)csv->line,
              strerror(errno));
}

static frz_status append_byte(csv_file *csv, int c, int64_t first_line, frz_error *err)
{
  if (csv->field.size == FIELD_BYTES_LIMIT)
    return fail(err, FRZ_ERR_LIMIT, "%s: line %lld: a field is longer than %d MiB%s", csv->path,
                (long long)first_line, FIELD_BYTES_LIMIT >> 20,
                csv->field_quoted ? "; is its quote closed?" : "");
  char byte = (char)c;
  text_append(&csv->field, &byte, 1);
  return FRZ_OK;
}

/* After an opening quote: read up to the closing one and past it. */
static frz_status read_quoted(csv_file *csv, frz_error *err)
{
  int64_t first_line = csv->line;
  for (;;) {
    int c = getc_unlocked(csv->file);
    if (c == EOF && ferror(csv->file)) return fail_read(csv, err);
    if (c == EOF)
      return fail(err, FRZ_ERR_CORRUPT, "%s: line %lld: a quote is not closed", csv->path,
                  (long long)first_line);
    if (c == '\n') csv->line++;
    if (c == '"') {
      int next = getc_unlocked(csv->file);
      if (next != '"') {
        if (next != EOF) ungetc(next, csv->file);
        return FRZ_OK;
      }
    }
    frz_status st = append_byte(csv, c, first_line, err);
    if (st != FRZ_OK) return st;
  }
}

/* The next byte outside quotes; the CR of a CR LF is passed over. */
static int next_plain(csv_file *csv)
{
  int c = getc_unlocked(csv->file);
  if (c != '\r') return c;
  int next = getc_unlocked(csv->file);
  if (next == '\n' || next == EOF) return next;
  ungetc(next, csv->file);
  return c;
}

/* Read one field into csv->field, NUL-terminated. A quote inside an unquoted field is itself. */
static frz_status read_field(csv_file *csv, field_end *end_out, frz_error *err)
{
  csv->field.size = 0;
  csv->field_quoted = false;
  for (;;) {
    int c = next_plain(csv);
    frz_status st = FRZ_OK;
    if (c == EOF && ferror(csv->file)) return fail_read(csv, err);
    if (c == ',' || c == '\n' || c == EOF) {
      *end_out = c == ',' ? END_COMMA : c == '\n' ? END_LINE : END_FILE;
      if (c == '\n') csv->line++;
      text_append(&csv->field, "", 1);
      csv->field.size--;
      return FRZ_OK;
    }
    if (csv->field_quoted)
      st = fail(err, FRZ_ERR_CORRUPT,
                "%s: line %lld: text after a closing quote; a quote inside quotes is doubled",
                csv->path, (long long)csv->line);
    else if (c == '"' && csv->field.size == 0) {
      csv->field_quoted = true;
      st = read_quoted(csv, err);
    } else
      st = append_byte(csv, c, csv->line, err);
    if (st != FRZ_OK) return st;
  }
}

/* The name of the next column, from csv->field. */
static frz_status add_column(csv_file *csv, frz_error *err)
{
  size_t n = csv->n_columns + 1;
  if (csv->n_columns == COLUMNS_LIMIT)
    return fail(err, FRZ_ERR_LIMIT, "%s: more than %d columns", csv->path, COLUMNS_LIMIT);
  if (csv->field.size == 0)
    return fail(err, FRZ_ERR_INVALID, "%s: line 1: column %zu has no name", csv->path, n);
  if (!csv_is_text(csv->field.data, csv->field.size))
    return fail(err, FRZ_ERR_INVALID, "%s: line 1: the name of column %zu is not UTF-8 text",
                csv->path, n);
  if (strchr(csv->field.data, '\r') != NULL)
    return fail(
        err, FRZ_ERR_INVALID,
        "%s: line 1: the name of column %zu has a carriage return; lines end by LF or CR LF",
        csv->path, n);
  for (size_t i = 0; i < csv->n_columns; i++)
    if (strcmp(csv->columns[i].name, csv->field.data) == 0)
      return fail(err, FRZ_ERR_INVALID, "%s: line 1: columns %zu and %zu are both named '%.100s'",
                  csv->path, i + 1, n, csv->field.data);
  char *name = strdup(csv->field.data);
  if (name == NULL) return fail(err, FRZ_ERR_NOMEM, "out of memory: %s", csv->path);
  csv->columns[csv->n_columns++] = (column_build){.name = name, .type = TYPE_STRING};
  return FRZ_OK;
}

/* A byte order mark is no part of the first name. */
static void skip_byte_order_mark(csv_file *csv)
{
  char mark[3];
  if (fread(mark, 1, 3, csv->file) != 3 || memcmp(mark, "\xEF\xBB\xBF", 3) != 0) rewind(csv->file);
}

static frz_status read_header(csv_file *csv, frz_error *err)
{
  csv->columns = calloc(COLUMNS_LIMIT, sizeof *csv->columns);
  if (csv->columns == NULL) return fail(err, FRZ_ERR_NOMEM, "out of memory: %s", csv->path);
  if (fseek(csv->file, 0, SEEK_SET) != 0)
    return fail(err, FRZ_ERR_IO, "%s: cannot be read twice; save it as a file first", csv->path);
  skip_byte_order_mark(csv);
  for (field_end end = END_COMMA; end == END_COMMA;) {
    frz_status st = read_field(csv, &end, err);
    if (st != FRZ_OK) return st;
    if (end == END_FILE && csv->n_columns == 0 && csv->field.size == 0)
      return fail(err, FRZ_ERR_INVALID,
                  "%s: the file is empty; a first line with the column names is expected",
                  csv->path);
    st = add_column(csv, err);
    if (st != FRZ_OK) return st;
  }
  return FRZ_OK;
}

/* Call `take` for every field of the next row; `more_out` false at the end of the file. */
static frz_status read_row(csv_file *csv,
                           frz_status (*take)(csv_file *csv, column_build *column, frz_error *err),
                           bool *more_out, frz_error *err)
{
  if (interrupted()) return fail(err, FRZ_ERR_CANCELLED, "%s: interrupted", csv->path);
  csv->row_line = csv->line;
  field_end end = END_COMMA;
  size_t n = 0;
  while (end == END_COMMA) {
    frz_status st = read_field(csv, &end, err);
    if (st != FRZ_OK) return st;
    bool blank = n == 0 && end != END_COMMA && csv->field.size == 0 && !csv->field_quoted;
    if (blank && end == END_FILE) {
      *more_out = false;
      return FRZ_OK;
    }
    if (blank && csv->n_columns > 1) { /* of one column it is a null */
      csv->row_line = csv->line;
      end = END_COMMA;
      continue;
    }
    if (n < csv->n_columns) st = take(csv, &csv->columns[n], err);
    if (st != FRZ_OK) return st;
    n++;
  }
  if (n != csv->n_columns)
    return fail(err, FRZ_ERR_CORRUPT, "%s: line %lld: %zu field%s, but the header has %zu",
                csv->path, (long long)csv->row_line, n, n == 1 ? "" : "s", csv->n_columns);
  *more_out = true;
  return FRZ_OK;
}

static bool is_null_field(const csv_file *csv)
{
  return csv->field.size == 0 && !csv->field_quoted;
}

/* ---- types ---- */

static bool fits(const char *value, value_type type)
{
  bool flag;
  int32_t days;
  int64_t integer;
  double number;
  switch (type) {
  case TYPE_BOOLEAN: return csv_parse_boolean(value, &flag);
  case TYPE_INT:
    return csv_parse_long(value, &integer) && integer >= INT32_MIN && integer <= INT32_MAX;
  case TYPE_LONG: return csv_parse_long(value, &integer);
  case TYPE_FLOAT:
    return csv_parse_double(value, &number) &&
           !(isfinite(number) && fabs(number) > (double)FLT_MAX);
  case TYPE_DOUBLE: return csv_parse_double(value, &number);
  case TYPE_DATE: return csv_parse_date(value, &days);
  case TYPE_TIMESTAMPTZ: return csv_parse_timestamp(value, &integer, &flag) && flag;
  case TYPE_TIMESTAMP: return csv_parse_timestamp(value, &integer, &flag) && !flag;
  case TYPE_STRING: return true;
  }
  return false;
}

/* A whole number that a double may not hold exactly. */
static bool is_wide_integer(const char *value)
{
  int64_t integer;
  if (!csv_is_integer(value)) return false;
  return !csv_parse_long(value, &integer) || integer > exact_limit || integer < -exact_limit;
}

static value_type narrowest(const char *value)
{
  static const value_type tried[] = {TYPE_BOOLEAN, TYPE_LONG,        TYPE_DOUBLE,
                                     TYPE_DATE,    TYPE_TIMESTAMPTZ, TYPE_TIMESTAMP};
  for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++)
    if (fits(value, tried[i]) && !(tried[i] == TYPE_DOUBLE && is_wide_integer(value)))
      return tried[i];
  return TYPE_STRING;
}

/* The narrowest type for what the column has held so far and this value too. */
static value_type widened(const column_build *column, const char *value)
{
  if (column->type == TYPE_LONG && fits(value, TYPE_LONG)) return TYPE_LONG;
  if (column->type == TYPE_LONG || column->type == TYPE_DOUBLE)
    return !column->wide && fits(value, TYPE_DOUBLE) ? TYPE_DOUBLE : TYPE_STRING;
  return fits(value, column->type) ? column->type : TYPE_STRING;
}

static frz_status find_type(csv_file *csv, column_build *column, frz_error *err)
{
  (void)err;
  if (column->is_given || is_null_field(csv)) return FRZ_OK;
  const char *value = csv->field.data;
  if (strlen(value) != csv->field.size) /* NUL is in no number */
    column->type = TYPE_STRING;
  else if (!column->seen || column->type != TYPE_STRING) {
    column->wide = column->wide || is_wide_integer(value);
    column->type = column->seen ? widened(column, value) : narrowest(value);
  }
  column->seen = true;
  return FRZ_OK;
}

static frz_status take_table_types(csv_file *csv, const struct ArrowSchema *schema, frz_error *err)
{
  for (size_t c = 0; schema != NULL && c < csv->n_columns; c++) {
    for (int64_t f = 0; f < schema->n_children; f++) {
      const struct ArrowSchema *field = schema->children[f];
      if (strcmp(field->name, csv->columns[c].name) != 0) continue;
      size_t t = 0;
      while (t <= TYPE_STRING && strcmp(type_formats[t], field->format) != 0) t++;
      if (t > TYPE_STRING) {
        text type = {0};
        text_append_type(&type, field);
        fail(err, FRZ_ERR_UNSUPPORTED,
             "%s: column '%s' has type %.*s, which import takes from Parquet only", csv->path,
             field->name, (int)type.size, type.data);
        text_free(&type);
        return FRZ_ERR_UNSUPPORTED;
      }
      csv->columns[c].type = (value_type)t;
      csv->columns[c].is_given = true;
    }
  }
  return FRZ_OK;
}

static frz_status find_types(csv_file *csv, frz_error *err)
{
  bool all_given = true;
  for (size_t c = 0; c < csv->n_columns; c++) all_given = all_given && csv->columns[c].is_given;
  if (all_given) return FRZ_OK;
  long start = ftell(csv->file);
  int64_t start_line = csv->line;
  bool more = true;
  for (int64_t n = 1; more; n++) {
    frz_status st = read_row(csv, find_type, &more, err);
    if (st != FRZ_OK) return st;
    if (n % BATCH_ROWS == 0) show_progress("%lld rows looked at for their types", (long long)n);
  }
  if (start < 0 || fseek(csv->file, start, SEEK_SET) != 0)
    return fail(err, FRZ_ERR_IO, "%s: %s", csv->path, strerror(errno));
  csv->line = start_line;
  return FRZ_OK;
}

/* ---- batches ---- */

static void append_fixed(column_build *column, const void *value, size_t size)
{
  text_append(&column->values, value, size);
}

static bool append_present(column_build *column, const char *value, size_t size)
{
  bool flag = false;
  int32_t days = 0;
  int64_t integer = 0;
  double number = 0;
  if (!fits(value, column->type)) return false;
  if (column->type != TYPE_STRING && strlen(value) != size) return false;
  switch (column->type) {
  case TYPE_BOOLEAN:
    csv_parse_boolean(value, &flag);
    append_fixed(column, &flag, 1);
    break;
  case TYPE_INT:
    csv_parse_long(value, &integer);
    days = (int32_t)integer;
    append_fixed(column, &days, sizeof days);
    break;
  case TYPE_LONG:
    csv_parse_long(value, &integer);
    append_fixed(column, &integer, sizeof integer);
    break;
  case TYPE_FLOAT: {
    csv_parse_double(value, &number);
    float narrow = (float)number;
    append_fixed(column, &narrow, sizeof narrow);
    break;
  }
  case TYPE_DOUBLE:
    csv_parse_double(value, &number);
    append_fixed(column, &number, sizeof number);
    break;
  case TYPE_DATE:
    csv_parse_date(value, &days);
    append_fixed(column, &days, sizeof days);
    break;
  case TYPE_TIMESTAMPTZ:
  case TYPE_TIMESTAMP:
    csv_parse_timestamp(value, &integer, &flag);
    append_fixed(column, &integer, sizeof integer);
    break;
  case TYPE_STRING: text_append(&column->values, value, size); break;
  }
  return true;
}

static size_t value_width(value_type type)
{
  switch (type) {
  case TYPE_BOOLEAN: return 1;
  case TYPE_INT:
  case TYPE_FLOAT:
  case TYPE_DATE: return 4;
  case TYPE_STRING: return 0;
  default: return 8;
  }
}

static frz_status take_value(csv_file *csv, column_build *column, frz_error *err)
{
  static const char zeros[8] = {0};
  bool null = is_null_field(csv);
  char present = !null;
  text_append(&column->validity, &present, 1);
  csv->batch_bytes += csv->field.size;
  if (null)
    text_append(&column->values, zeros, value_width(column->type));
  else if (column->type == TYPE_STRING && !csv_is_text(csv->field.data, csv->field.size))
    return fail(err, FRZ_ERR_INVALID, "%s: line %lld: column '%s' is not UTF-8 text", csv->path,
                (long long)csv->row_line, column->name);
  else if (!append_present(column, csv->field.data, csv->field.size))
    return fail(err, FRZ_ERR_INVALID, "%s: line %lld: column '%s': '%.100s' is not a %s", csv->path,
                (long long)csv->row_line, column->name, csv->field.data, type_names[column->type]);
  if (column->type == TYPE_STRING) {
    if (column->values.size > INT32_MAX)
      return fail(err, FRZ_ERR_LIMIT, "%s: line %lld: column '%s': over 2 GiB in one batch",
                  csv->path, (long long)csv->row_line, column->name);
    int32_t end = (int32_t)column->values.size;
    text_append(&column->offsets, (const char *)&end, sizeof end);
  }
  return FRZ_OK;
}

/* A byte a row becomes a bit a row. */
static void pack_bits(text *bytes)
{
  size_t n = bytes->size;
  for (size_t i = 0; i < n; i += 8) {
    unsigned packed = 0;
    for (size_t bit = 0; bit < 8 && i + bit < n; bit++)
      packed |= (unsigned)(bytes->data[i + bit] != 0) << bit;
    bytes->data[i / 8] = (char)packed;
  }
}

static void release_column(struct ArrowArray *array)
{
  for (int64_t i = 0; i < array->n_buffers; i++) free((void *)array->buffers[i]);
  free((void *)array->buffers);
  array->release = NULL;
}

static void release_batch(struct ArrowArray *array)
{
  for (int64_t i = 0; i < array->n_children; i++) {
    if (array->children[i] != NULL && array->children[i]->release != NULL)
      array->children[i]->release(array->children[i]);
    free(array->children[i]);
  }
  free(array->children);
  free((void *)array->buffers);
  array->release = NULL;
}

static void move_column(column_build *column, struct ArrowArray *array, int64_t n_rows)
{
  bool is_string = column->type == TYPE_STRING;
  pack_bits(&column->validity);
  if (column->type == TYPE_BOOLEAN) pack_bits(&column->values);
  if (is_string && column->values.data == NULL) text_append(&column->values, "", 1);
  array->buffers[0] = column->validity.data;
  array->buffers[1] = is_string ? column->offsets.data : column->values.data;
  if (is_string) array->buffers[2] = column->values.data;
  array->n_buffers = is_string ? 3 : 2;
  array->length = n_rows;
  array->null_count = -1;
  array->release = release_column;
  column->validity = column->values = column->offsets = (text){0};
}

static frz_status export_batch(csv_file *csv, int64_t n_rows, struct ArrowArray *out)
{
  *out = (struct ArrowArray){.length = n_rows, .n_buffers = 1, .release = release_batch};
  out->buffers = calloc(1, sizeof *out->buffers);
  out->children = calloc(csv->n_columns, sizeof *out->children);
  bool whole = out->buffers != NULL && out->children != NULL;
  for (size_t c = 0; whole && c < csv->n_columns; c++) {
    struct ArrowArray *child = calloc(1, sizeof *child);
    if (child != NULL) child->buffers = calloc(3, sizeof *child->buffers);
    out->children[c] = child;
    out->n_children++;
    whole = child != NULL && child->buffers != NULL;
    if (whole) move_column(&csv->columns[c], child, n_rows);
  }
  if (whole) return FRZ_OK;
  release_batch(out);
  return fail(&csv->error, FRZ_ERR_NOMEM, "out of memory: %s", csv->path);
}

/* ---- the stream ---- */

static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
  csv_file *csv = stream->private_data;
  const int32_t zero = 0;
  for (size_t c = 0; c < csv->n_columns; c++) {
    column_build *column = &csv->columns[c];
    column->validity.size = column->values.size = column->offsets.size = 0;
    if (column->type == TYPE_STRING)
      text_append(&column->offsets, (const char *)&zero, sizeof zero);
  }
  int64_t n_rows = 0;
  csv->batch_bytes = 0;
  for (bool more = true; n_rows < BATCH_ROWS && csv->batch_bytes < BATCH_BYTES; n_rows++) {
    frz_status st = read_row(csv, take_value, &more, &csv->error);
    if (st != FRZ_OK) return st == FRZ_ERR_CANCELLED ? ECANCELED : EINVAL;
    if (!more) break;
  }
  *out = (struct ArrowArray){0};
  if (n_rows == 0) return 0;
  return export_batch(csv, n_rows, out) == FRZ_OK ? 0 : ENOMEM;
}

static void release_schema(struct ArrowSchema *schema)
{
  for (int64_t i = 0; i < schema->n_children; i++) {
    if (schema->children[i] != NULL && schema->children[i]->release != NULL)
      schema->children[i]->release(schema->children[i]);
    free(schema->children[i]);
  }
  free(schema->children);
  free((void *)schema->name);
  schema->release = NULL;
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
  csv_file *csv = stream->private_data;
  *out = (struct ArrowSchema){.format = "+s", .release = release_schema};
  out->name = strdup("");
  out->children = calloc(csv->n_columns, sizeof *out->children);
  bool whole = out->name != NULL && out->children != NULL;
  for (size_t c = 0; whole && c < csv->n_columns; c++) {
    struct ArrowSchema *child = calloc(1, sizeof *child);
    out->children[c] = child;
    out->n_children++;
    whole = child != NULL;
    if (!whole) break;
    *child = (struct ArrowSchema){.format = type_formats[csv->columns[c].type],
                                  .flags = ARROW_FLAG_NULLABLE,
                                  .release = release_schema};
    child->name = strdup(csv->columns[c].name);
    whole = child->name != NULL;
  }
  if (whole) return 0;
  release_schema(out);
  return ENOMEM;
}

static const char *stream_error(struct ArrowArrayStream *stream)
{
  csv_file *csv = stream->private_data;
  return csv->error.code != FRZ_OK ? csv->error.message : NULL;
}

static void stream_release(struct ArrowArrayStream *stream)
{
  csv_free(stream->private_data);
  stream->release = NULL;
}

frz_status csv_open(const char *path, const struct ArrowSchema *table_schema,
                    struct ArrowArrayStream *stream_out, frz_error *err)
{
  csv_file *csv = calloc(1, sizeof *csv);
  if (csv == NULL) return fail(err, FRZ_ERR_NOMEM, "out of memory: %s", path);
  csv->line = 1;
  csv->path = strdup(path);
  csv->file = fopen(path, "rb");
  frz_status st = FRZ_OK;
  if (csv->file == NULL || csv->path == NULL)
    st = fail(err, errno == ENOENT ? FRZ_ERR_NOT_FOUND : FRZ_ERR_IO, "%s: %s", path,
              strerror(errno));
  if (st == FRZ_OK) st = read_header(csv, err);
  if (st == FRZ_OK) st = take_table_types(csv, table_schema, err);
  if (st == FRZ_OK) st = find_types(csv, err);
  if (st != FRZ_OK) {
    csv_free(csv);
    return st;
  }
  *stream_out = (struct ArrowArrayStream){.get_schema = stream_schema,
                                          .get_next = stream_next,
                                          .get_last_error = stream_error,
                                          .release = stream_release,
                                          .private_data = csv};
  return FRZ_OK;
}
