/*
 * write_queue.c - a bounded queue and the threads that empty it.
 */
#include "write_queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "server_fail.h"

struct write_queue {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  write_job *first;
  write_job **last; /* where the next one is put */
  int n_jobs;
  int jobs_max;
  bool is_ending;
  void (*run)(void *ctx, write_job *job);
  void *ctx;
  int n_threads;
  pthread_t threads[];
};

static void *work(void *arg)
{
  write_queue *queue = arg;
  pthread_mutex_lock(&queue->lock);
  for (;;) {
    while (queue->first == NULL && !queue->is_ending)
      pthread_cond_wait(&queue->changed, &queue->lock);
    write_job *job = queue->first;
    if (job == NULL) break;
    queue->first = job->next;
    if (queue->first == NULL) queue->last = &queue->first;
    queue->n_jobs--;
    pthread_mutex_unlock(&queue->lock);
    queue->run(queue->ctx, job);
    pthread_mutex_lock(&queue->lock);
  }
  pthread_mutex_unlock(&queue->lock);
  return NULL;
}

frz_status write_queue_create(int n_threads, int jobs_max, void (*run)(void *ctx, write_job *job),
                              void *ctx, write_queue **queue_out, frz_error *err)
{
  write_queue *queue = calloc(1, sizeof *queue + (size_t)n_threads * sizeof queue->threads[0]);
  if (queue == NULL) return server_fail(err, FRZ_ERR_NOMEM, "no memory for a queue");
  queue->jobs_max = jobs_max;
  queue->run = run;
  queue->ctx = ctx;
  queue->last = &queue->first;
  pthread_mutex_init(&queue->lock, NULL);
  pthread_cond_init(&queue->changed, NULL);
  for (int i = 0; i < n_threads; i++) {
    if (pthread_create(&queue->threads[i], NULL, work, queue) != 0) {
      write_queue_free(queue);
      return server_fail(err, FRZ_ERR_IO, "no more threads can be started");
    }
    queue->n_threads++;
  }
  *queue_out = queue;
  return FRZ_OK;
}

bool write_queue_add(write_queue *queue, write_job *job)
{
  job->next = NULL;
  pthread_mutex_lock(&queue->lock);
  bool has_room = queue->n_jobs < queue->jobs_max;
  if (has_room) {
    *queue->last = job;
    queue->last = &job->next;
    queue->n_jobs++;
    pthread_cond_signal(&queue->changed);
  }
  pthread_mutex_unlock(&queue->lock);
  return has_room;
}

void write_queue_free(write_queue *queue)
{
  if (queue == NULL) return;
  pthread_mutex_lock(&queue->lock);
  queue->is_ending = true;
  pthread_cond_broadcast(&queue->changed);
  pthread_mutex_unlock(&queue->lock);
  for (int i = 0; i < queue->n_threads; i++) pthread_join(queue->threads[i], NULL);
  pthread_cond_destroy(&queue->changed);
  pthread_mutex_destroy(&queue->lock);
  free(queue);
}
