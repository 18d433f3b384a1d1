/*
 * index_files.h - a table's folder of index files, shared by the machine's processes.
 *
 * <cache_dir>/<table uuid>/ holds "index" (the watermark and the names of the segments), segment
 * files and "lock". Layout and invariants: docs/design/lookup-index.md.
 */
#ifndef FRZ_ONLINE_INDEX_FILES_H
#define FRZ_ONLINE_INDEX_FILES_H

#include "online/index_view.h"

enum { FRZ_INDEX_SEGMENTS_MAX = 32, FRZ_INDEX_PATH_BYTES = 4096 };

typedef struct frz_index_folder {
  char path[FRZ_INDEX_PATH_BYTES];
  char uuid[FRZ_SEGMENT_UUID_BYTES + 1];
  int lock_fd; /* -1: not locked */
} frz_index_folder;

/** Which "index" file was seen: it is replaced as a whole. All zero: none. */
typedef struct frz_index_stamp {
  int64_t inode, size_bytes, modified_ns;
} frz_index_stamp;

/** Make the folders, mode 0700. FRZ_ERR_AUTH: they belong to somebody else, or others may write. */
frz_status frz_index_folder_open(frz_index_folder *folder, const char *cache_dir, frz_str uuid,
                                 frz_error *err) FRZ_MUST_CHECK;

/** Become the one that writes. With `wait` until it is free; else *locked_out may be false. */
frz_status frz_index_folder_lock(frz_index_folder *folder, bool wait, bool *locked_out,
                                 frz_error *err) FRZ_MUST_CHECK;
void frz_index_folder_unlock(frz_index_folder *folder);

frz_index_stamp frz_index_folder_stamp(const frz_index_folder *folder);

/** Open what "index" names; `segments_out` has FRZ_INDEX_SEGMENTS_MAX places. FRZ_ERR_NOT_FOUND,
 * FRZ_ERR_CORRUPT, FRZ_ERR_STALE: there is no index that can be used. */
frz_status frz_index_folder_load(const frz_index_folder *folder, const frz_alloc *alloc,
                                 frz_segment **segments_out, size_t *n_segments_out,
                                 frz_watermark *mark_out, frz_error *err) FRZ_MUST_CHECK;

/** A new name for a segment file. */
frz_status frz_index_segment_name(char name_out[64], frz_error *err) FRZ_MUST_CHECK;

/** Replace "index", then remove segment files that it does not name. Locked. */
frz_status frz_index_folder_save(const frz_index_folder *folder, const frz_alloc *alloc,
                                 frz_segment *const *segments, size_t n_segments,
                                 const frz_watermark *mark, frz_error *err) FRZ_MUST_CHECK;

/** Parse an "index" file: names into `names_out` (FRZ_INDEX_SEGMENTS_MAX, borrowed from the bytes).
 */
frz_status frz_index_file_parse(frz_str bytes, frz_str uuid, const frz_alloc *alloc,
                                frz_str *names_out, size_t *n_names_out, frz_watermark *mark_out,
                                frz_error *err) FRZ_MUST_CHECK;

#endif
