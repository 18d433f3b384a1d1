/*
 * inspect.h - the parts of frz_table_inspect(): one function a family of metadata tables.
 */
#ifndef FRZ_ICEBERG_INSPECT_H
#define FRZ_ICEBERG_INSPECT_H

#include "iceberg/scan/metadata_rows.h"
#include "iceberg/table/table_handle.h"

#define FRZ_N_COLUMNS(columns) (sizeof(columns) / sizeof(columns)[0])

/** What one call looks at. All is borrowed for the call: streams retain what they need. */
typedef struct frz_inspection {
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata;
  frz_str metadata_location;
  const frz_snapshot *snapshot; /* the chosen one; NULL: the table has none */
  bool of_all;                  /* look at every snapshot instead */
} frz_inspection;

/** The manifests of the chosen snapshot, or those of all snapshots, each once; in the arena,
 * without partition summaries in the second case. */
frz_status frz_inspect_collect(const frz_inspection *inspection, frz_arena *arena,
                               const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** From the metadata alone. */
frz_status frz_inspect_snapshots(const frz_inspection *inspection,
                                 struct ArrowArrayStream *stream_out, frz_error *err);
frz_status frz_inspect_history(const frz_inspection *inspection,
                               struct ArrowArrayStream *stream_out, frz_error *err);
frz_status frz_inspect_refs(const frz_inspection *inspection, struct ArrowArrayStream *stream_out,
                            frz_error *err);
frz_status frz_inspect_properties(const frz_inspection *inspection,
                                  struct ArrowArrayStream *stream_out, frz_error *err);
frz_status frz_inspect_metadata_log(const frz_inspection *inspection,
                                    struct ArrowArrayStream *stream_out, frz_error *err);
frz_status frz_inspect_statistics(const frz_inspection *inspection,
                                  struct ArrowArrayStream *stream_out, frz_error *err);

/** From manifest lists: one snapshot a batch. */
frz_status frz_inspect_manifests(const frz_inspection *inspection,
                                 struct ArrowArrayStream *stream_out, frz_error *err);

/** From manifests: one a batch, each once. */
frz_status frz_inspect_entries(const frz_inspection *inspection,
                               struct ArrowArrayStream *stream_out, frz_error *err);
frz_status frz_inspect_files(const frz_inspection *inspection, struct ArrowArrayStream *stream_out,
                             frz_error *err);
frz_status frz_inspect_data_files(const frz_inspection *inspection,
                                  struct ArrowArrayStream *stream_out, frz_error *err);
frz_status frz_inspect_delete_files(const frz_inspection *inspection,
                                    struct ArrowArrayStream *stream_out, frz_error *err);
frz_status frz_inspect_partitions(const frz_inspection *inspection,
                                  struct ArrowArrayStream *stream_out, frz_error *err);

#endif
