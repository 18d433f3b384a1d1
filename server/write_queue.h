/*
 * write_queue.h - threads that do what takes a commit, so that those of connections need not wait.
 */
#ifndef FRAZIL_SERVER_WRITE_QUEUE_H
#define FRAZIL_SERVER_WRITE_QUEUE_H

#include <stdbool.h>

#include "frazil/status.h"

typedef struct write_queue write_queue;

/** What is embedded in a job. */
typedef struct write_job {
  struct write_job *next;
} write_job;

/** @param[in] run Called on a thread of the queue for each job, which is then its own. */
frz_status write_queue_create(int n_threads, int jobs_max, void (*run)(void *ctx, write_job *job),
                              void *ctx, write_queue **queue_out, frz_error *err) FRZ_MUST_CHECK;

/** false: jobs_max wait already. */
bool write_queue_add(write_queue *queue, write_job *job);

/** Runs what waits, then ends the threads. NULL is accepted. */
void write_queue_free(write_queue *queue);

#endif
