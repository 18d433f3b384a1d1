/*
 * online_answer.h - from a request for features to the JSON of its answer.
 */
#ifndef FRAZIL_SERVER_ONLINE_ANSWER_H
#define FRAZIL_SERVER_ONLINE_ANSWER_H

#include "feature_request.h"
#include "text_out.h"
#include "view_store.h"

/** What answering needs beside the request; a thread has one at a time and uses it again. */
typedef struct answer_scratch answer_scratch;

answer_scratch *answer_scratch_create(void); /* NULL: no memory */
void answer_scratch_free(answer_scratch *scratch);

typedef struct answer_totals {
  uint64_t n_keys; /* rows of entities */
  uint64_t n_features;
  uint64_t n_found; /* keys, once a view */
} answer_totals;

/**
 * @param[in] check_ttl   Values older than their view's TTL get the status OUTSIDE_MAX_AGE.
 * @param[in,out] out     The answer is put behind what is there.
 * @param[out] totals_out For metrics and log.
 * @retval FRZ_ERR_INVALID   an entity is missing or does not fit its key, names collide.
 * @retval FRZ_ERR_NOT_FOUND no such view, feature or service.
 * @retval others            of frz_online_read().
 */
frz_status online_answer_put(view_store *store, const json_tree *tree,
                             const feature_request *request, bool check_ttl,
                             answer_scratch *scratch, text_out *out, answer_totals *totals_out,
                             frz_error *err) FRZ_MUST_CHECK;

#endif
