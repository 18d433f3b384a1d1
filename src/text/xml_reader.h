/*
 * xml_reader.h - a pull reader for the little XML that object stores answer with.
 *
 * Elements and their text; names lose their namespace prefix, attributes are passed over. An
 * element's text comes with its end, so that a leaf is one event to look at:
 *
 *   while (frz_xml_next(r, &event, err) == FRZ_OK && event.kind != FRZ_XML_DONE)
 *     if (event.kind == FRZ_XML_END && frz_str_is(event.name, "Key")) use(event.text);
 *
 * Document types (and with them entities of their own) are refused. Source: XML 1.0, fifth edition.
 */
#ifndef FRZ_TEXT_XML_READER_H
#define FRZ_TEXT_XML_READER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"

typedef enum frz_xml_kind {
  FRZ_XML_BEGIN, /* an element starts */
  FRZ_XML_END,   /* it ends; `text` is its own text, empty where it holds elements */
  FRZ_XML_DONE   /* the document is over */
} frz_xml_kind;

typedef struct frz_xml_event {
  frz_xml_kind kind;
  frz_str name; /* without a prefix; borrowed from the document */
  frz_str text; /* from the document or the arena */
  int depth;    /* of the element: 1 is the root */
} frz_xml_event;

typedef struct frz_xml_reader {
  const char *data;
  size_t size;
  size_t pos;
  frz_arena *arena;
  int depth;
  bool has_root;
  bool closes; /* the element that just began was "<name/>" */
  bool has_child[FRZ_LIMIT_DEPTH + 1];
  frz_str names[FRZ_LIMIT_DEPTH + 1]; /* of open elements, with prefixes */
} frz_xml_reader;

/** `data` must stay alive as long as texts are used. */
void frz_xml_reader_init(frz_xml_reader *reader, const void *data, size_t size, frz_arena *arena);

/** FRZ_ERR_CORRUPT gives the byte offset. */
frz_status frz_xml_next(frz_xml_reader *reader, frz_xml_event *event_out,
                        frz_error *err) FRZ_MUST_CHECK;

/** The text of the first element of a name, in the document or the arena; size 0: none. */
frz_str frz_xml_find(frz_str document, const char *name, frz_arena *arena);

/** Append text with the five characters that XML reserves escaped. */
frz_status frz_xml_append_text(frz_buf *out, frz_str text, frz_error *err) FRZ_MUST_CHECK;

#endif
