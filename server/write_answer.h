/*
 * write_answer.h - from the body of /push and /write-to-online-store to commits.
 */
#ifndef FRAZIL_SERVER_WRITE_ANSWER_H
#define FRAZIL_SERVER_WRITE_ANSWER_H

#include "view_store.h"

/** Write the rows of a body for one feature view, or for all that have a push source.
 * @param[in,out] body      Changed by parsing.
 * @param[out] n_rows_out   Written, once a view.
 * @retval FRZ_ERR_INVALID     not that shape, or values that do not fit.
 * @retval FRZ_ERR_NOT_FOUND   no such view or push source.
 * @retval FRZ_ERR_UNSUPPORTED rows for the offline store.
 * @retval others              of frz_online_write(). */
frz_status write_answer_view(view_store *store, char *body, size_t size, uint64_t *n_rows_out,
                             frz_error *err) FRZ_MUST_CHECK;
frz_status write_answer_push(view_store *store, char *body, size_t size, uint64_t *n_rows_out,
                             frz_error *err) FRZ_MUST_CHECK;

#endif
