/*
 * spill_file.h - a temporary file for what does not fit in memory.
 *
 * It has no name, so nothing of it is left when the process ends in whatever way. Its bytes are
 * private to the process that wrote them.
 */
#ifndef FRZ_BASE_SPILL_FILE_H
#define FRZ_BASE_SPILL_FILE_H

#include "base/runtime.h"

typedef struct frz_spill_file frz_spill_file;

/** Make one in the context's spill folder, which is made (mode 0700) where it is missing.
 * FRZ_ERR_IO names the folder and what to do. */
frz_status frz_spill_file_create(frz_context *context, frz_spill_file **file_out,
                                 frz_error *err) FRZ_MUST_CHECK;
void frz_spill_file_free(frz_spill_file *file); /* NULL is accepted */

/** Where the next byte goes: the bytes written so far. */
int64_t frz_spill_file_end(const frz_spill_file *file);

/** Append. One thread at a time; reads may go on meanwhile. */
frz_status frz_spill_file_write(frz_spill_file *file, const void *data, size_t size,
                                frz_error *err) FRZ_MUST_CHECK;

/** Read what was written. Any number of threads. */
frz_status frz_spill_file_read(const frz_spill_file *file, int64_t offset, void *data, size_t size,
                               frz_error *err) FRZ_MUST_CHECK;

#endif
