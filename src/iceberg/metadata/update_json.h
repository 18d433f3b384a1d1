/*
 * update_json.h - requirements and updates as the REST catalog's commits send them.
 *
 * Source: Iceberg REST catalog specification, "CommitTableRequest".
 */
#ifndef FRZ_ICEBERG_UPDATE_JSON_H
#define FRZ_ICEBERG_UPDATE_JSON_H

#include "iceberg/metadata/metadata_update.h"
#include "text/json_writer.h"

/**
 * Write the members "requirements" and "updates" into an open object. To the requirements that are
 * given those are added which the updates need to mean on the server what they meant here: the
 * table's uuid, and what ids and refs `base` has where an update assigns or moves them; none where
 * the table shall not be there (FRZ_REQUIRE_CREATE). The arena takes what is made on the way.
 */
frz_status frz_commit_members_write(frz_json_writer *json, const frz_table_metadata *base,
                                    const frz_requirement *requirements, size_t n_requirements,
                                    const frz_metadata_update *updates, size_t n_updates,
                                    frz_arena *arena, frz_error *err) FRZ_MUST_CHECK;

#endif
