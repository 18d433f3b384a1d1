/*
 * stream_output.c - a stream of rows as CSV, JSON lines, aligned columns or a Parquet file.
 *
 * CSV and JSON lines stream. Aligned columns need their widths first: they are taken from the first
 * batch, and longer values of later ones push their row out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "text_output.h"

enum { COLUMN_WIDTH_MAX = 60 };

typedef struct row_printer {
  FILE *file;
  output_format format;
  struct ArrowSchema schema;
  size_t *widths; /* pretty */
  int64_t n_rows;
} row_printer;

static void append_csv_field(text *out, const char *bytes, size_t size)
{
  bool quoted = false;
  for (size_t i = 0; i < size; i++) quoted = quoted || strchr(",\"\r\n", bytes[i]) != NULL;
  if (!quoted) {
    text_append(out, bytes, size);
    return;
  }
  text_append(out, "\"", 1);
  for (size_t i = 0; i < size; i++)
    text_append(out, bytes[i] == '"' ? "\"\"" : bytes + i, bytes[i] == '"' ? 2 : 1);
  text_append(out, "\"", 1);
}

static void append_csv_row(const row_printer *printer, const struct ArrowArray *batch, int64_t row,
                           text *out)
{
  for (int64_t c = 0; c < printer->schema.n_children; c++) {
    text value = {0};
    if (c != 0) text_append(out, ",", 1);
    text_append_value(&value, printer->schema.children[c], batch->children[c], row, false);
    append_csv_field(out, value.data, value.size);
    text_free(&value);
  }
  text_append(out, "\n", 1);
}

static void append_json_row(const row_printer *printer, const struct ArrowArray *batch, int64_t row,
                            text *out)
{
  text_append(out, "{", 1);
  for (int64_t c = 0; c < printer->schema.n_children; c++) {
    const char *name = printer->schema.children[c]->name;
    if (c != 0) text_append(out, ", ", 2);
    text_append_json_string(out, name, strlen(name));
    text_append(out, ": ", 2);
    text_append_value(out, printer->schema.children[c], batch->children[c], row, true);
  }
  text_append(out, "}\n", 2);
}

/* Characters of UTF-8 text; control characters take the two of their escape. */
static size_t shown_width(const char *bytes, size_t size)
{
  size_t width = 0;
  for (size_t i = 0; i < size; i++)
    width += (unsigned char)bytes[i] >> 6 == 2 ? 0 : (unsigned char)bytes[i] < 0x20 ? 2 : 1;
  return width;
}

/* A row stays one line, and no value commands the terminal. */
static void append_padded(text *out, const char *bytes, size_t size, size_t width, bool last)
{
  for (size_t i = 0; i < size; i++) {
    char c = bytes[i];
    if ((unsigned char)c >= 0x20)
      text_append(out, &c, 1);
    else
      text_append(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : "\\?", 2);
  }
  size_t shown = shown_width(bytes, size);
  for (size_t i = shown; !last && i < width + 2; i++) text_append(out, " ", 1);
  if (!last && shown > width) text_append(out, "  ", 2);
}

/* Without the blanks that pad empty last columns. */
static void end_pretty_row(text *out)
{
  while (out->size != 0 && out->data[out->size - 1] == ' ') out->size--;
  text_append(out, "\n", 1);
}

static void append_pretty_row(const row_printer *printer, const struct ArrowArray *batch,
                              int64_t row, text *out)
{
  int64_t n = printer->schema.n_children;
  for (int64_t c = 0; c < n; c++) {
    text value = {0};
    text_append_value(&value, printer->schema.children[c], batch->children[c], row, false);
    append_padded(out, value.data, value.size, printer->widths[c], c == n - 1);
    text_free(&value);
  }
  end_pretty_row(out);
}

static void measure(row_printer *printer, const struct ArrowArray *batch)
{
  for (int64_t c = 0; c < printer->schema.n_children; c++) {
    const char *name = printer->schema.children[c]->name;
    size_t widest = shown_width(name, strlen(name));
    for (int64_t row = 0; batch != NULL && row < batch->length && row < 1000; row++) {
      text value = {0};
      text_append_value(&value, printer->schema.children[c], batch->children[c], row, false);
      size_t shown = shown_width(value.data, value.size);
      if (shown > widest) widest = shown;
      text_free(&value);
    }
    printer->widths[c] = widest < COLUMN_WIDTH_MAX ? widest : COLUMN_WIDTH_MAX;
  }
}

static void append_header(const row_printer *printer, text *out)
{
  int64_t n = printer->schema.n_children;
  if (printer->format == FORMAT_JSONL) return;
  for (int64_t c = 0; c < n; c++) {
    const char *name = printer->schema.children[c]->name;
    if (printer->format == FORMAT_CSV) {
      if (c != 0) text_append(out, ",", 1);
      append_csv_field(out, name, strlen(name));
    } else
      append_padded(out, name, strlen(name), printer->widths[c], c == n - 1);
  }
  text_append(out, "\n", 1);
}

static bool write_text(const row_printer *printer, text *out)
{
  bool written = out->size == 0 || fwrite(out->data, 1, out->size, printer->file) == out->size;
  out->size = 0;
  return written;
}

static bool print_batch(row_printer *printer, const struct ArrowArray *batch)
{
  text out = {0};
  bool written = true;
  for (int64_t row = 0; written && row < batch->length; row++) {
    if (printer->format == FORMAT_JSONL)
      append_json_row(printer, batch, row, &out);
    else if (printer->format == FORMAT_CSV)
      append_csv_row(printer, batch, row, &out);
    else
      append_pretty_row(printer, batch, row, &out);
    if (out.size > 1 << 16) written = write_text(printer, &out);
  }
  if (written) written = write_text(printer, &out);
  text_free(&out);
  printer->n_rows += batch->length;
  return written;
}

/* ---- streams ---- */

int report_stream(struct ArrowArrayStream *stream, int code)
{
  frz_error err = {.code = code == ECANCELED ? FRZ_ERR_CANCELLED : FRZ_ERR_IO};
  const char *message = stream->get_last_error(stream);
  snprintf(err.message, sizeof err.message, "%s", message != NULL ? message : strerror(code));
  char *words = strchr(err.message, ']'); /* "[FRZ_ERR_X] words" */
  if (err.message[0] == '[' && words != NULL && words[1] == ' ') {
    if (strncmp(err.message, "[FRZ_ERR_CANCELLED]", 19) == 0) err.code = FRZ_ERR_CANCELLED;
    memmove(err.message, words + 2, strlen(words + 2) + 1);
  }
  return report(&err);
}

static int report_output(const char *place)
{
  if (errno == EPIPE) return EXIT_FINE; /* the reader has enough: no complaint */
  end_progress();
  if (interrupted()) return EXIT_INTERRUPTED;
  fprintf(stderr, "frazil: %s: %s\n", place, strerror(errno));
  return EXIT_FAILED;
}

static int print_rows(row_printer *printer, struct ArrowArrayStream *stream, const char *place)
{
  bool first = true;
  int code = EXIT_FINE;
  while (code == EXIT_FINE) {
    struct ArrowArray batch = {0};
    int failed = stream->get_next(stream, &batch);
    if (failed != 0) return report_stream(stream, failed);
    bool end = batch.release == NULL;
    if (first) {
      text header = {0};
      measure(printer, end ? NULL : &batch);
      append_header(printer, &header);
      if (!write_text(printer, &header)) code = report_output(place);
      text_free(&header);
      first = false;
    }
    if (end) break;
    bool more = code == EXIT_FINE && !ferror(printer->file);
    if (more && !print_batch(printer, &batch)) {
      code = report_output(place);
      more = false;
    }
    batch.release(&batch);
    if (!more) break;
    if (printer->file != stdout) show_progress("%lld rows", (long long)printer->n_rows);
  }
  return code;
}

/* ---- where rows go ---- */

/* Standard output, or a file. A regular file is written beside its place and moved there whole, so
 * that a failure neither leaves a part nor harms what was there; a device or pipe is written to. */
typedef struct destination {
  const char *place; /* NULL: standard output */
  char *part;        /* NULL: written in place */
  FILE *file;
} destination;

static bool open_destination(const char *place, destination *to_out)
{
  if (place != NULL && strcmp(place, "-") == 0) place = NULL;
  *to_out = (destination){.place = place, .file = stdout};
  if (place == NULL) return true;
  struct stat found;
  bool in_place = lstat(place, &found) == 0 && !S_ISREG(found.st_mode);
  if (!in_place) {
    size_t size = strlen(place) + 32;
    to_out->part = malloc(size);
    if (to_out->part == NULL) return false;
    snprintf(to_out->part, size, "%s.%ld.part", place, (long)getpid());
  }
  to_out->file = fopen(in_place ? place : to_out->part, "wb");
  return to_out->file != NULL;
}

/* Takes the exit code so far and returns the final one. */
static int close_destination(destination *to, int code)
{
  bool is_file = to->file != NULL && to->file != stdout;
  if (is_file && fclose(to->file) != 0 && code == EXIT_FINE) code = report_output(to->place);
  if (is_file && to->part != NULL) {
    if (code == EXIT_FINE && rename(to->part, to->place) != 0) code = report_output(to->place);
    if (code != EXIT_FINE) (void)remove(to->part);
  }
  free(to->part);
  return code;
}

static int print_text(const invocation *run, struct ArrowArrayStream *stream, output_format format)
{
  row_printer printer = {.format = format};
  int failed = stream->get_schema(stream, &printer.schema);
  if (failed != 0) return report_stream(stream, failed);
  int code;
  destination to;
  bool opened = open_destination(run->line->output, &to);
  const char *place = to.place != NULL ? to.place : "standard output";
  printer.file = to.file;
  if (opened) printer.widths = calloc((size_t)printer.schema.n_children + 1, sizeof(size_t));
  if (printer.widths == NULL)
    code = report_output(place);
  else
    code = print_rows(&printer, stream, place);
  code = close_destination(&to, code);
  free(printer.widths);
  printer.schema.release(&printer.schema);
  return code;
}

static bool ends_with(const char *name, const char *suffix)
{
  size_t n = name != NULL ? strlen(name) : 0;
  size_t m = strlen(suffix);
  return n >= m && strcmp(name + n - m, suffix) == 0;
}

static output_format choose_format(const command_line *line)
{
  if (line->json) return FORMAT_JSONL;
  if (line->has_format) return line->format;
  if (ends_with(line->output, ".parquet")) return FORMAT_PARQUET;
  if (ends_with(line->output, ".jsonl")) return FORMAT_JSONL;
  return line->output == NULL && isatty(STDOUT_FILENO) ? FORMAT_PRETTY : FORMAT_CSV;
}

int print_stream(const invocation *run, struct ArrowArrayStream *stream)
{
  output_format format = choose_format(run->line);
  if (format == FORMAT_PARQUET) {
    struct stat found;
    const char *place = run->line->output;
    if (place == NULL || strcmp(place, "-") == 0 ||
        (stat(place, &found) == 0 && !S_ISREG(found.st_mode))) { /* it is replaced whole */
      stream->release(stream);
      return report_usage("--format parquet wants --output with a regular file");
    }
    frz_error err = {0};
    if (frz_parquet_file_write(run->context, stream, run->line->output, NULL, &err) != FRZ_OK)
      return report(&err);
    return EXIT_FINE;
  }
  int code = print_text(run, stream, format);
  stream->release(stream);
  return code;
}
