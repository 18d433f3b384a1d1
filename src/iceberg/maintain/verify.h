/*
 * verify.h - the inside of frz_table_verify(): findings, and the checks in files of their own.
 *
 * A check adds findings and returns FRZ_OK; it fails only where the call cannot go on (no memory,
 * cancelled). Names of checks are stable: scripts look for them.
 */
#ifndef FRZ_ICEBERG_VERIFY_H
#define FRZ_ICEBERG_VERIFY_H

#include "iceberg/maintain/maintain_job.h"
#include "iceberg/maintain/reachable_files.h"
#include "iceberg/scan/file_read.h"

typedef struct frz_finding {
  bool is_error;
  const char *check; /* static */
  frz_str object;
  frz_str message;
  const char *advice; /* static */
} frz_finding;

/** Findings in the order in which they were made. Used by one thread. */
typedef struct frz_findings {
  frz_arena arena;
  frz_finding *items;
  size_t n_items, capacity;
} frz_findings;

/** What a kind of finding always says. */
typedef struct frz_check {
  const char *name;
  bool is_error;
  const char *advice;
} frz_check;

void frz_findings_init(frz_findings *findings, const frz_alloc *alloc);
void frz_findings_dispose(frz_findings *findings);

/** Add a finding; texts are copied. */
frz_status frz_findings_add(frz_findings *findings, const frz_check *check, frz_str object,
                            frz_error *err, const char *format, ...)
    FRZ_PRINTF(5, 6) FRZ_MUST_CHECK;

/** Turn a failure into a finding whose message is that of `why`, or return it where the call cannot
 * go on. FRZ_OK passes. */
frz_status frz_findings_add_failure(frz_findings *findings, const frz_check *check, frz_str object,
                                    frz_status st, const frz_error *why,
                                    frz_error *err) FRZ_MUST_CHECK;

/** A live data file of the snapshot that is looked at. */
typedef struct frz_verify_file {
  int64_t n_rows;
  bool has_vector;
} frz_verify_file;

typedef struct frz_verify_job {
  frz_context *context;
  frz_storage *storage;
  const frz_alloc *alloc;
  const frz_table_metadata *metadata;
  frz_verify_options options;
  frz_findings findings;
  frz_delete_cache *deletes;
  frz_projection projection; /* with read_data: every column of the current schema */
  frz_map files;             /* of the snapshot: path to index in file_list */
  frz_buf file_list;         /* frz_verify_file */
  frz_location_set checked_manifests;
  frz_map checked_files; /* keys of data and delete files whose contents were looked at */
  frz_progress progress;
  frz_verify_result result;
} frz_verify_job;

/** The metadata alone: snapshots, refs, row ids, statistics files. */
frz_status frz_verify_metadata(frz_verify_job *job, frz_error *err) FRZ_MUST_CHECK;

/** A snapshot: its list, manifests, entries, totals, and what its files hold. */
frz_status frz_verify_snapshot(frz_verify_job *job, const frz_snapshot *snapshot,
                               frz_error *err) FRZ_MUST_CHECK;

/** One entry against the file. Any thread: `job` is only read. */
frz_status frz_verify_file_of(const frz_verify_job *job, const frz_manifest_entry *entry,
                              frz_findings *findings, frz_error *err) FRZ_MUST_CHECK;

/** The rows of a data file against its entry. Any thread. */
frz_status frz_verify_rows(const frz_verify_job *job, const frz_manifest_entry *entry,
                           frz_findings *findings, frz_error *err) FRZ_MUST_CHECK;

/** A file of position deletes, or a deletion vector, against the data files. Any thread. */
frz_status frz_verify_positions(const frz_verify_job *job, const frz_manifest_entry *entry,
                                frz_findings *findings, frz_error *err) FRZ_MUST_CHECK;

/** The live data file of a path in the snapshot; NULL: there is none. */
const frz_verify_file *frz_verify_find_file(const frz_verify_job *job, frz_str path);

/** May `value` stand between the bounds? Zero has no sign here. NaN may stand anywhere. */
bool frz_verify_in_bounds(const frz_literal *value, const frz_literal *lower,
                          const frz_literal *upper);

/** The bounds of a column in an entry; is_null where there is none. Bounds that are no value of the
 * type become a finding. */
frz_status frz_verify_read_bounds(const frz_data_file *file, const frz_field *field,
                                  frz_findings *findings, frz_literal *lower_out,
                                  frz_literal *upper_out, frz_error *err) FRZ_MUST_CHECK;

extern const frz_check frz_check_bounds, frz_check_row_count, frz_check_null_count;

#endif
