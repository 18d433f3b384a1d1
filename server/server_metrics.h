/*
 * server_metrics.h - what is counted: requests by route and status, their durations, what they
 * read.
 *
 * Counters are atomic: any thread.
 */
#ifndef FRAZIL_SERVER_METRICS_H
#define FRAZIL_SERVER_METRICS_H

#include "text_out.h"

typedef enum server_route {
  ROUTE_FEATURES,
  ROUTE_PUSH,
  ROUTE_WRITE,
  ROUTE_HEALTH,
  ROUTE_METRICS,
  ROUTE_NONE,
  N_ROUTES
} server_route;

enum { N_STATUSES = 14, N_BUCKETS = 15 };

typedef struct server_metrics {
  uint64_t requests[N_ROUTES][N_STATUSES];
  uint64_t durations[N_ROUTES][N_BUCKETS + 1]; /* the last: longer than all */
  uint64_t duration_us[N_ROUTES];
  uint64_t in_flight;
  uint64_t connections;
  uint64_t request_bytes;
  uint64_t response_bytes;
  uint64_t keys;
  uint64_t keys_found;
  uint64_t values;
  uint64_t rows_written;
  uint64_t reloads;
} server_metrics;

/** The path of a route; "other" for ROUTE_NONE. */
const char *server_route_path(server_route route);

void server_metrics_add(uint64_t *counter, uint64_t n);
void server_metrics_subtract(uint64_t *counter, uint64_t n);

/** A request is over. */
void server_metrics_count(server_metrics *metrics, server_route route, unsigned status,
                          int64_t duration_us);

/** Prometheus's text form. */
void server_metrics_put(const server_metrics *metrics, text_out *out);

#endif
