/*
 * verify_positions.c - position deletes against the data files whose rows they name. See verify.h.
 */
#include <inttypes.h>

#include "iceberg/maintain/verify.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/deletion_vector.h"
#include "iceberg/scan/position_deletes.h"

static const frz_check check_unreadable = {"delete-unreadable", true,
                                           "The delete file is damaged: restore it from a copy."};
static const frz_check check_position = {"delete-position", false,
                                         "Harmless: compaction removes the delete file."};
static const frz_check check_dangling = {"delete-dangling", false,
                                         "Harmless: compaction removes delete files of this kind."};

/* Rows that the data file does not have. */
static frz_status verify_set(const frz_manifest_entry *entry, frz_str path, int64_t n_rows,
                             const frz_roaring *rows, frz_findings *findings, frz_error *err)
{
  int64_t beyond;
  if (frz_roaring_members(rows, n_rows, 1, &beyond) == 0) return FRZ_OK;
  return frz_findings_add(findings, &check_position, entry->file.path, err,
                          "it deletes row %" PRId64 " of '%.*s', which has %" PRId64 " rows",
                          beyond, FRZ_STR_ARG(path), n_rows);
}

static frz_status verify_vector(const frz_verify_job *job, const frz_manifest_entry *entry,
                                frz_findings *findings, frz_error *err)
{
  frz_str target = entry->file.referenced_data_file;
  const frz_verify_file *data = frz_verify_find_file(job, target);
  frz_roaring *rows = NULL;
  if (data == NULL) return FRZ_OK; /* was told already */
  FRZ_TRY(frz_deletion_vector_read(job->context, job->storage, &entry->file, &rows, err));
  frz_status st = verify_set(entry, target, data->n_rows, rows, findings, err);
  frz_roaring_free(rows);
  return st;
}

/* A file of several data files: it should name one that is live. */
static frz_status verify_several(const frz_verify_job *job, const frz_manifest_entry *entry,
                                 const frz_position_deletes *deletes, frz_findings *findings,
                                 frz_error *err)
{
  bool any = false;
  const frz_verify_file *list = (const frz_verify_file *)(const void *)job->file_list.data;
  for (size_t i = 0; i < job->files.capacity; i++) {
    const frz_map_entry *slot = &job->files.entries[i];
    if (slot->key.data == NULL) continue;
    const frz_roaring *rows = frz_position_deletes_find(deletes, slot->key);
    if (rows == NULL) continue;
    any = true;
    FRZ_TRY(verify_set(entry, slot->key, list[slot->value].n_rows, rows, findings, err));
  }
  if (any) return FRZ_OK;
  return frz_findings_add(findings, &check_dangling, entry->file.path, err,
                          "no data file that it deletes rows of is live");
}

frz_status frz_verify_positions(const frz_verify_job *job, const frz_manifest_entry *entry,
                                frz_findings *findings, frz_error *err)
{
  const frz_data_file *file = &entry->file;
  frz_position_deletes *deletes = NULL;
  frz_error why;
  if (file->format == FRZ_FORMAT_PUFFIN) return verify_vector(job, entry, findings, err);
  frz_status st =
      frz_position_deletes_read(job->context, job->storage, file, (frz_str){0}, &deletes, &why);
  if (st != FRZ_OK)
    return frz_findings_add_failure(findings, &check_unreadable, file->path, st, &why, err);
  frz_str target = frz_delete_target(file);
  if (target.data == NULL) {
    st = verify_several(job, entry, deletes, findings, err);
  } else {
    const frz_verify_file *data = frz_verify_find_file(job, target);
    const frz_roaring *rows = frz_position_deletes_find(deletes, target);
    if (data != NULL && rows != NULL)
      st = verify_set(entry, target, data->n_rows, rows, findings, err);
  }
  frz_position_deletes_free(deletes);
  return st;
}
