/*
 * server_metrics.c - what is counted, and Prometheus's text form of it.
 *
 * Source: Prometheus, "Exposition formats", version 0.0.4.
 */
#include "server_metrics.h"

#include <assert.h>

static const uint16_t statuses[N_STATUSES] = {200, 400, 401, 404, 405, 408, 409,
                                              413, 422, 500, 501, 503, 504, 0};

/* Microseconds. */
static const int64_t bounds_us[N_BUCKETS] = {50,     100,    250,    500,     1000,
                                             2500,   5000,   10000,  25000,   50000,
                                             100000, 250000, 500000, 1000000, 5000000};

const char *server_route_path(server_route route)
{
  static const char *const paths[N_ROUTES] = {
      "/get-online-features", "/push", "/write-to-online-store", "/health", "/metrics", "other"};
  return paths[route];
}

void server_metrics_add(uint64_t *counter, uint64_t n)
{
  __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

void server_metrics_subtract(uint64_t *counter, uint64_t n)
{
  __atomic_fetch_sub(counter, n, __ATOMIC_RELAXED);
}

static uint64_t load(const uint64_t *counter)
{
  return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void server_metrics_count(server_metrics *metrics, server_route route, unsigned status,
                          int64_t duration_us)
{
  int at = 0;
  while (at < N_STATUSES - 1 && statuses[at] != status) at++;
  int bucket = 0;
  while (bucket < N_BUCKETS && duration_us > bounds_us[bucket]) bucket++;
  server_metrics_add(&metrics->requests[route][at], 1);
  server_metrics_add(&metrics->durations[route][bucket], 1);
  server_metrics_add(&metrics->duration_us[route], (uint64_t)(duration_us > 0 ? duration_us : 0));
}

static void put_head(text_out *out, const char *name, const char *type, const char *help)
{
  text_put_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_single(text_out *out, const char *name, const char *type, const char *help,
                       const uint64_t *value)
{
  put_head(out, name, type, help);
  text_put_format(out, "%s %llu\n", name, (unsigned long long)load(value));
}

static void put_requests(const server_metrics *metrics, text_out *out)
{
  put_head(out, "frazil_requests_total", "counter", "Requests by path and status.");
  for (int route = 0; route < N_ROUTES; route++)
    for (int at = 0; at < N_STATUSES; at++) {
      uint64_t n = load(&metrics->requests[route][at]);
      if (n == 0) continue;
      text_put_format(out, "frazil_requests_total{path=\"%s\",status=\"%u\"} %llu\n",
                      server_route_path((server_route)route), statuses[at], (unsigned long long)n);
    }
}

static void put_durations(const server_metrics *metrics, text_out *out)
{
  put_head(out, "frazil_request_seconds", "histogram", "Durations of requests by path.");
  for (int route = 0; route < N_ROUTES; route++) {
    const char *path = server_route_path((server_route)route);
    uint64_t n = 0;
    for (int bucket = 0; bucket < N_BUCKETS; bucket++) {
      n += load(&metrics->durations[route][bucket]);
      text_put_format(out, "frazil_request_seconds_bucket{path=\"%s\",le=\"%g\"} %llu\n", path,
                      (double)bounds_us[bucket] / 1e6, (unsigned long long)n);
    }
    n += load(&metrics->durations[route][N_BUCKETS]);
    text_put_format(out,
                    "frazil_request_seconds_bucket{path=\"%s\",le=\"+Inf\"} %llu\n"
                    "frazil_request_seconds_sum{path=\"%s\"} %.6f\n"
                    "frazil_request_seconds_count{path=\"%s\"} %llu\n",
                    path, (unsigned long long)n, path,
                    (double)load(&metrics->duration_us[route]) / 1e6, path, (unsigned long long)n);
  }
}

void server_metrics_put(const server_metrics *metrics, text_out *out)
{
  put_requests(metrics, out);
  put_durations(metrics, out);
  put_single(out, "frazil_requests_in_flight", "gauge", "Requests that are not over.",
             &metrics->in_flight);
  put_single(out, "frazil_connections", "gauge", "Open connections.", &metrics->connections);
  put_single(out, "frazil_request_bytes_total", "counter", "Bytes of request bodies.",
             &metrics->request_bytes);
  put_single(out, "frazil_response_bytes_total", "counter", "Bytes of response bodies.",
             &metrics->response_bytes);
  put_single(out, "frazil_keys_total", "counter", "Rows of entities that were asked for.",
             &metrics->keys);
  put_single(out, "frazil_keys_found_total", "counter", "Rows that were found, once a view.",
             &metrics->keys_found);
  put_single(out, "frazil_values_total", "counter", "Feature values that were answered.",
             &metrics->values);
  put_single(out, "frazil_rows_written_total", "counter", "Rows that were written.",
             &metrics->rows_written);
  put_single(out, "frazil_reloads_total", "counter", "Reloads that succeeded.", &metrics->reloads);
}
