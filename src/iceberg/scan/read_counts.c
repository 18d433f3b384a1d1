/*
 * read_counts.c - see read_counts.h.
 */
#include "iceberg/scan/read_counts.h"

#define ONE(name) +1
_Static_assert(sizeof(frz_read_report) ==
                   sizeof(size_t) + (0 FRZ_READ_REPORT_COUNTS(ONE)) * sizeof(int64_t),
               "FRZ_READ_REPORT_COUNTS names every count");
#undef ONE

void frz_read_counts_report(const frz_read_counts *counts, frz_read_report *report_out)
{
  frz_read_counts *c = (frz_read_counts *)counts; /* atomic loads take no const in C11 */
  int64_t by_partition = atomic_load(&c->n_files_by_partition);
  int64_t by_bounds = atomic_load(&c->n_files_by_bounds);
  int64_t n_files = atomic_load(&c->n_files);
  *report_out =
      (frz_read_report){.struct_bytes = sizeof *report_out,
                        .manifests_total = atomic_load(&c->n_manifests),
                        .manifests_read = atomic_load(&c->n_manifests_read),
                        .files_total = n_files + by_partition + by_bounds,
                        .files_pruned_by_partition = by_partition,
                        .files_pruned_by_bounds = by_bounds,
                        .files_planned = n_files,
                        .files_with_deletes = atomic_load(&c->n_files_with_deletes),
                        .rows_planned = atomic_load(&c->n_rows_planned),
                        .bytes_planned = atomic_load(&c->n_bytes_planned),
                        .files_opened = atomic_load(&c->n_files_opened),
                        .row_groups_total = atomic_load(&c->n_row_groups),
                        .row_groups_pruned_by_statistics = atomic_load(&c->n_groups_by_statistics),
                        .row_groups_pruned_by_bloom = atomic_load(&c->n_groups_by_bloom),
                        .pages_total = atomic_load(&c->n_pages),
                        .pages_pruned = atomic_load(&c->n_pages_pruned),
                        .rows_wanted = atomic_load(&c->n_rows_wanted),
                        .bytes_wanted = atomic_load(&c->n_bytes_wanted),
                        .rows_read = atomic_load(&c->n_rows_read),
                        .rows_deleted = atomic_load(&c->n_rows_deleted),
                        .rows_matched = atomic_load(&c->n_rows_matched),
                        .requests = atomic_load(&c->storage.n_requests),
                        .bytes_read = atomic_load(&c->storage.n_bytes),
                        .server_requests = atomic_load(&c->storage.sources.n_requests),
                        .server_bytes = atomic_load(&c->storage.sources.n_bytes),
                        .cached_bytes = atomic_load(&c->storage.sources.n_cached_bytes)};
}
