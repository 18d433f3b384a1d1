/*
 * summary_json.h - snapshot summaries: text by text from JSON, and to it.
 *
 * Source: Iceberg specification, "Snapshots", appendix F "Snapshot Summary".
 */
#ifndef FRZ_ICEBERG_SUMMARY_JSON_H
#define FRZ_ICEBERG_SUMMARY_JSON_H

#include "iceberg/metadata/table_metadata.h"

/** The members of a summary without its operation, copied into the arena. `summary` data NULL:
 * none. Numbers, which some writers store, come as their text. */
frz_status frz_summary_parse(frz_str summary, frz_arena *arena, const frz_text_pair **pairs_out,
                             size_t *n_pairs_out, frz_error *err) FRZ_MUST_CHECK;

/** The value of a key among the pairs; data NULL: absent. */
frz_str frz_summary_find(const frz_text_pair *pairs, size_t n_pairs, const char *key);

/** The JSON object of an operation and pairs, in the arena. */
frz_status frz_summary_print(frz_str operation, const frz_text_pair *pairs, size_t n_pairs,
                             frz_arena *arena, frz_str *summary_out, frz_error *err) FRZ_MUST_CHECK;

#endif
