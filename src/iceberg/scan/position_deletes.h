/*
 * position_deletes.h - the contents of a position delete file: rows by data file.
 *
 * Source: Iceberg specification, "Position Delete Files".
 */
#ifndef FRZ_ICEBERG_POSITION_DELETES_H
#define FRZ_ICEBERG_POSITION_DELETES_H

#include "codec/roaring.h"
#include "iceberg/manifest/manifest.h"

typedef struct frz_position_deletes frz_position_deletes;

/** Read a file. `only_path` (data NULL: every path) leaves out other data files. */
frz_status frz_position_deletes_read(frz_context *context, frz_storage *storage,
                                     const frz_data_file *file, frz_str only_path,
                                     frz_position_deletes **deletes_out,
                                     frz_error *err) FRZ_MUST_CHECK;
void frz_position_deletes_free(frz_position_deletes *deletes);

/** The deleted rows of a data file, or NULL. Borrowed. */
const frz_roaring *frz_position_deletes_find(const frz_position_deletes *deletes, frz_str path);

#endif
