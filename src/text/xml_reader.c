/*
 * xml_reader.c - see xml_reader.h.
 *
 * One pass, no recursion: open elements are a bounded stack of names that borrow from the document.
 * Text is decoded only where it holds a reference. What must stay true: every step moves `pos`
 * forward or ends the document.
 */
#include "text/xml_reader.h"

void frz_xml_reader_init(frz_xml_reader *reader, const void *data, size_t size, frz_arena *arena)
{
  *reader = (frz_xml_reader){.data = data, .size = size, .arena = arena};
}

static frz_status fail_at(const frz_xml_reader *r, const char *what, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "XML at byte %zu: %s", r->pos, what);
}

static frz_str rest(const frz_xml_reader *r)
{
  return (frz_str){r->data + r->pos, r->size - r->pos};
}

static bool is_space(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Moves behind `end`, which must come. */
static frz_status skip_past(frz_xml_reader *r, const char *end, frz_error *err)
{
  size_t n = strlen(end);
  const char *at =
      r->size - r->pos >= n ? memmem(r->data + r->pos, r->size - r->pos, end, n) : NULL;
  if (at == NULL) return fail_at(r, "ends inside a comment or declaration", err);
  r->pos = (size_t)(at - r->data) + n;
  return FRZ_OK;
}

/* ---- text ---- */

static size_t put_code_point(uint32_t c, char *out)
{
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    out[0] = (char)(0xc0 | (c >> 6));
    out[1] = (char)(0x80 | (c & 0x3f));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = (char)(0xe0 | (c >> 12));
    out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | (c >> 18));
  out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
  out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
  out[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

static int digit_of(char c, uint32_t base)
{
  if (c >= '0' && c <= '9') return c - '0';
  if (base == 16 && c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (base == 16 && c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* "#38" or "#x26": 0 where it is no character. */
static uint32_t character_of(frz_str reference)
{
  uint32_t base = reference.size > 1 && reference.data[1] == 'x' ? 16 : 10;
  size_t at = base == 16 ? 2 : 1;
  uint32_t value = 0;
  if (at == reference.size) return 0;
  for (; at < reference.size; at++) {
    int digit = digit_of(reference.data[at], base);
    if (digit < 0 || value > 0x10ffff) return 0;
    value = value * base + (uint32_t)digit;
  }
  bool is_surrogate = value >= 0xd800 && value < 0xe000;
  return value > 0x10ffff || is_surrogate ? 0 : value;
}

static uint32_t reference_of(frz_str reference)
{
  if (frz_str_is(reference, "amp")) return '&';
  if (frz_str_is(reference, "lt")) return '<';
  if (frz_str_is(reference, "gt")) return '>';
  if (frz_str_is(reference, "quot")) return '"';
  if (frz_str_is(reference, "apos")) return '\'';
  return frz_str_starts(reference, "#") ? character_of(reference) : 0;
}

/* A reference is longer than the character it stands for, so the text only shrinks. */
static frz_status decode(frz_xml_reader *r, frz_str raw, frz_str *text_out, frz_error *err)
{
  if (memchr(raw.data, '&', raw.size) == NULL) {
    *text_out = raw;
    return FRZ_OK;
  }
  char *out = frz_arena_push(r->arena, raw.size);
  if (out == NULL) return frz_fail_nomem(err, "XML text");
  size_t n = 0;
  for (size_t i = 0; i < raw.size;) {
    if (raw.data[i] != '&') {
      out[n++] = raw.data[i++];
      continue;
    }
    const char *end = memchr(raw.data + i, ';', raw.size - i);
    uint32_t c = 0;
    if (end != NULL)
      c = reference_of((frz_str){raw.data + i + 1, (size_t)(end - raw.data) - i - 1});
    if (c == 0) return fail_at(r, "an unknown reference before it", err);
    n += put_code_point(c, out + n);
    i = (size_t)(end - raw.data) + 1;
  }
  *text_out = (frz_str){out, n};
  return FRZ_OK;
}

static frz_status join(frz_xml_reader *r, frz_str more, frz_str *text, frz_error *err)
{
  if (text->size == 0) *text = more;
  if (text->data == more.data || more.size == 0) return FRZ_OK;
  char *out = frz_arena_push(r->arena, text->size + more.size);
  if (out == NULL) return frz_fail_nomem(err, "XML text");
  memcpy(out, text->data, text->size);
  memcpy(out + text->size, more.data, more.size);
  *text = (frz_str){out, text->size + more.size};
  return FRZ_OK;
}

static frz_status read_cdata(frz_xml_reader *r, frz_str *text, frz_error *err)
{
  r->pos += strlen("<![CDATA[");
  size_t from = r->pos;
  FRZ_TRY(skip_past(r, "]]>", err));
  return join(r, (frz_str){r->data + from, r->pos - 3 - from}, text, err);
}

static frz_status read_text(frz_xml_reader *r, frz_str *text, frz_error *err)
{
  const char *end = memchr(r->data + r->pos, '<', r->size - r->pos);
  if (end == NULL) return fail_at(r, "ends inside an element", err);
  frz_str raw = {r->data + r->pos, (size_t)(end - r->data) - r->pos};
  frz_str plain;
  r->pos += raw.size;
  FRZ_TRY(decode(r, raw, &plain, err));
  return join(r, plain, text, err);
}

/* ---- tags ---- */

static frz_status read_name(frz_xml_reader *r, frz_str *name_out, frz_error *err)
{
  size_t from = r->pos;
  while (r->pos < r->size && !is_space(r->data[r->pos]) && r->data[r->pos] != '>' &&
         r->data[r->pos] != '/' && r->data[r->pos] != '<')
    r->pos++;
  if (r->pos == from) return fail_at(r, "a tag has no name", err);
  *name_out = (frz_str){r->data + from, r->pos - from};
  return FRZ_OK;
}

static frz_str without_prefix(frz_str name)
{
  const char *colon = memchr(name.data, ':', name.size);
  if (colon == NULL) return name;
  size_t n = (size_t)(colon - name.data) + 1;
  return (frz_str){name.data + n, name.size - n};
}

static frz_status begin_tag(frz_xml_reader *r, frz_xml_event *event_out, frz_error *err)
{
  frz_str name;
  if (r->depth == 0 && r->has_root) return fail_at(r, "a second root element", err);
  if (r->depth == FRZ_LIMIT_DEPTH) return fail_at(r, "elements are nested too deep", err);
  r->pos++;
  FRZ_TRY(read_name(r, &name, err));
  char quote = 0;
  for (; r->pos < r->size; r->pos++) {
    char c = r->data[r->pos];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '>') {
      break;
    }
  }
  if (r->pos == r->size) return fail_at(r, "ends inside a tag", err);
  r->closes = r->data[r->pos - 1] == '/';
  r->pos++;
  r->has_root = true;
  r->has_child[r->depth] = true;
  r->depth++;
  r->names[r->depth] = name;
  r->has_child[r->depth] = false;
  *event_out = (frz_xml_event){FRZ_XML_BEGIN, without_prefix(name), {"", 0}, r->depth};
  return FRZ_OK;
}

static void end_element(frz_xml_reader *r, frz_str text, frz_xml_event *event_out)
{
  if (r->has_child[r->depth]) text = (frz_str){"", 0};
  *event_out = (frz_xml_event){FRZ_XML_END, without_prefix(r->names[r->depth]), text, r->depth};
  r->depth--;
}

static frz_status end_tag(frz_xml_reader *r, frz_str text, frz_xml_event *event_out, frz_error *err)
{
  frz_str name;
  if (r->depth == 0) return fail_at(r, "an end tag outside of an element", err);
  r->pos += 2;
  FRZ_TRY(read_name(r, &name, err));
  if (!frz_str_equal(name, r->names[r->depth]))
    return fail_at(r, "an end tag of another element", err);
  while (r->pos < r->size && is_space(r->data[r->pos])) r->pos++;
  if (r->pos == r->size || r->data[r->pos] != '>') return fail_at(r, "'>' is missing", err);
  r->pos++;
  end_element(r, text, event_out);
  return FRZ_OK;
}

/* Outside of the root: white space, comments and declarations. */
static frz_status skip_outside(frz_xml_reader *r, bool *done_out, frz_error *err)
{
  while (r->pos < r->size && is_space(r->data[r->pos])) r->pos++;
  *done_out = r->pos == r->size;
  if (*done_out && !r->has_root) return fail_at(r, "no element", err);
  if (!*done_out && r->data[r->pos] != '<') return fail_at(r, "text outside of the root", err);
  return FRZ_OK;
}

frz_status frz_xml_next(frz_xml_reader *r, frz_xml_event *event_out, frz_error *err)
{
  frz_str text = {"", 0};
  if (r->pos == 0 && frz_str_starts(rest(r), "\xef\xbb\xbf")) r->pos = 3;
  if (r->closes) {
    r->closes = false;
    end_element(r, text, event_out);
    return FRZ_OK;
  }
  for (;;) {
    if (r->depth == 0) {
      bool done;
      FRZ_TRY(skip_outside(r, &done, err));
      if (done) {
        *event_out = (frz_xml_event){.kind = FRZ_XML_DONE};
        return FRZ_OK;
      }
    }
    if (r->pos == r->size) return fail_at(r, "ends inside an element", err);
    if (r->data[r->pos] != '<')
      FRZ_TRY(read_text(r, &text, err));
    else if (frz_str_starts(rest(r), "<!--"))
      FRZ_TRY(skip_past(r, "-->", err));
    else if (frz_str_starts(rest(r), "<?"))
      FRZ_TRY(skip_past(r, "?>", err));
    else if (r->depth != 0 && frz_str_starts(rest(r), "<![CDATA["))
      FRZ_TRY(read_cdata(r, &text, err));
    else if (frz_str_starts(rest(r), "<!"))
      return fail_at(r, "document types are refused", err);
    else if (frz_str_starts(rest(r), "</"))
      return end_tag(r, text, event_out, err);
    else
      return begin_tag(r, event_out, err);
  }
}

frz_str frz_xml_find(frz_str document, const char *name, frz_arena *arena)
{
  frz_xml_reader reader;
  frz_xml_event event;
  frz_xml_reader_init(&reader, document.data, document.size, arena);
  while (frz_xml_next(&reader, &event, NULL) == FRZ_OK && event.kind != FRZ_XML_DONE)
    if (event.kind == FRZ_XML_END && frz_str_is(event.name, name)) return event.text;
  return (frz_str){"", 0};
}

frz_status frz_xml_append_text(frz_buf *out, frz_str text, frz_error *err)
{
  for (size_t i = 0; i < text.size; i++) {
    char c = text.data[i];
    const char *name = c == '&'    ? "&amp;"
                       : c == '<'  ? "&lt;"
                       : c == '>'  ? "&gt;"
                       : c == '"'  ? "&quot;"
                       : c == '\'' ? "&apos;"
                       : c == '\r' ? "&#13;"
                                   : NULL;
    if (name != NULL)
      FRZ_TRY(frz_buf_append_str(out, frz_str_from(name), err));
    else
      FRZ_TRY(frz_buf_append_byte(out, (uint8_t)c, err));
  }
  return FRZ_OK;
}
