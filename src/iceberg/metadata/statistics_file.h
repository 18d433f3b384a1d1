/*
 * statistics_file.h - the statistics files that table metadata lists, in JSON and back.
 *
 * An entry keeps the JSON it was read from, so that members of later versions are not lost.
 * Source: Iceberg specification, "Table Statistics", "Partition Statistics".
 */
#ifndef FRZ_ICEBERG_STATISTICS_FILE_H
#define FRZ_ICEBERG_STATISTICS_FILE_H

#include "iceberg/metadata/table_metadata.h"

/** Parse one entry of "statistics" or "partition-statistics" into the arena. */
frz_status frz_statistics_file_parse(frz_json_reader *json, frz_arena *arena,
                                     frz_statistics_file *file_out, frz_error *err) FRZ_MUST_CHECK;

/** Write an array of entries as the member `key`; nothing where there are none. */
void frz_statistics_files_write(frz_json_writer *json, const char *key,
                                const frz_statistics_file *files, size_t n_files);

/** Copy an entry into the arena; one without JSON gets it. */
frz_status frz_statistics_file_copy(frz_arena *arena, const frz_statistics_file *from,
                                    frz_statistics_file *to, frz_error *err) FRZ_MUST_CHECK;

#endif
