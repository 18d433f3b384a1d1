/*
 * kept_sources.h - remote files that stay open, so that opening one again costs no request.
 *
 * An open remote file holds its last 128 KiB (object_source.c). Who reads the same few files time
 * and again, as point lookups do, keeps them: of more than a bound those used least recently go.
 * For files whose names are never written twice.
 */
#ifndef FRZ_STORAGE_KEPT_SOURCES_H
#define FRZ_STORAGE_KEPT_SOURCES_H

#include "base/source.h"

typedef struct frz_kept_sources frz_kept_sources;

frz_status frz_kept_sources_create(const frz_alloc *alloc, size_t n_max,
                                   frz_kept_sources **kept_out, frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. Sources that are in use stay until they are freed. */
void frz_kept_sources_free(frz_kept_sources *kept);

/** A source over the file that is kept under a name; NULL: none is. Any thread. */
frz_status frz_kept_sources_find(frz_kept_sources *kept, frz_str name, frz_source **source_out,
                                 frz_error *err) FRZ_MUST_CHECK;

/** Keep an open file, which is taken, on failure too, and give a source over it. Any thread. */
frz_status frz_kept_sources_add(frz_kept_sources *kept, frz_str name, frz_source *opened,
                                frz_source **source_out, frz_error *err) FRZ_MUST_CHECK;

#endif
