/*
 * arrow_format.h - format texts and metadata of the C data interface, for import.
 */
#ifndef FRZ_ARROW_ARROW_FORMAT_H
#define FRZ_ARROW_ARROW_FORMAT_H

#include "arrow/arrow_type.h"

/** How a foreign array lays out a type that frazil holds otherwise. */
typedef enum frz_arrow_layout {
  FRZ_LAYOUT_NORMAL,
  FRZ_LAYOUT_LARGE,      /* 64-bit offsets */
  FRZ_LAYOUT_VIEW,       /* 16-byte views into several buffers */
  FRZ_LAYOUT_FIXED_LIST, /* a list without offsets */
  FRZ_LAYOUT_DATE64      /* milliseconds, taken as days */
} frz_arrow_layout;

typedef struct frz_arrow_format {
  frz_arrow_type type;
  frz_arrow_layout layout;
  int32_t list_items;   /* FIXED_LIST */
  int32_t source_bytes; /* DECIMAL128: bytes of a foreign value */
} frz_arrow_format;

/** False for what frazil does not know. */
bool frz_arrow_format_parse(const char *text, frz_arrow_format *format_out);

/** A value of schema metadata; data NULL where the key is absent. */
frz_str frz_arrow_metadata_find(const char *metadata, const char *key);

#endif
