/*
 * object_server.h - a server on a loopback port that holds one object, for tests of what asks.
 *
 * It speaks as much of S3, Google Cloud Storage and Azure as one write, read, listing and removal
 * take, checks no proof, and says what was asked in a log. Under /credentials it lends keys as the
 * containers' service of AWS does. Its memory is malloc()'s own.
 */
#ifndef FRZ_TESTS_OBJECT_SERVER_H
#define FRZ_TESTS_OBJECT_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct frz_object_server {
  int port;
  int socket;
  pthread_t thread;
  pthread_mutex_t lock;
  bool has_object; /* under any name */
  char *bytes;
  size_t size;
  char writer[40];
  char *parts; /* of an upload that is going on */
  size_t n_parts;
  char parts_writer[40];
  bool is_joined;     /* the last session made its object */
  int lose_answers;   /* so many writes are done without an answer */
  bool refuses_reads; /* 403 to who looks at the object */
  bool shifts_ranges; /* a range is answered with the one a byte beside it */
  /** Asked first: the text of a 200, alive until the next call; NULL: it is for the store. May be
   * NULL. Set while nobody asks. */
  const char *(*says)(void *arg, const char *method, const char *target, const char *body);
  void *says_arg;
  char log[1 << 16]; /* "METHOD path\n" of each request */
  size_t n_log;
} frz_object_server;

void frz_object_server_start(frz_object_server *server);
void frz_object_server_stop(frz_object_server *server);

/** Forget the object and the log. */
void frz_object_server_clear(frz_object_server *server);

#endif
