/*
 * pit_request.c - see pit_request.h.
 *
 * Options of a table stand behind it; those in front of the first table are for every table that
 * does not say otherwise.
 */
#include "pit_request.h"

#include <stdlib.h>
#include <string.h>

#include "name_pairs.h"

/* A view's table, and the lists that its struct points into. */
struct pit_part {
  frz_table *table;
  frz_scan_options scan;
  struct ArrowSchema schema; /* of the table, whose names default features borrow */
  frz_join_key *keys;
  frz_feature *features;
  char *name;
  char *key_text; /* copies that are cut into names */
  char *feature_text;
};

static frz_status no_memory(frz_error *err)
{
  err->code = FRZ_ERR_NOMEM;
  snprintf(err->message, sizeof err->message, "out of memory");
  return err->code;
}

view_options pit_request_options(const command_line *line, int first, int at)
{
  view_options all = line->view[at];
  for (int i = first; i >= 0; i--) { /* what stands nearer wins */
    const view_options *also = &line->view[i];
    if (all.name == NULL) all.name = also->name;
    if (all.on == NULL) all.on = also->on;
    if (all.timestamp == NULL) all.timestamp = also->timestamp;
    if (all.created == NULL) all.created = also->created;
    if (all.features == NULL) all.features = also->features;
    if (all.filter == NULL) all.filter = also->filter;
    if (all.ttl_ms == 0) all.ttl_ms = also->ttl_ms;
    all.created_cutoff = all.created_cutoff || also->created_cutoff;
    if (all.snapshot_id != 0 || all.ref != NULL || all.as_of_ms != 0) continue;
    all.snapshot_id = also->snapshot_id;
    all.ref = also->ref;
    all.as_of_ms = also->as_of_ms;
  }
  return all;
}

int pit_request_check(const command_line *line, int first)
{
  if (line->n_arguments < first + 2)
    return report_usage("%s wants a file of entity rows and a table", line->arguments[first - 1]);
  for (int at = first + 1; at < line->n_arguments; at++) {
    if (!is_table_name(line->arguments[at])) return EXIT_USAGE;
    view_options options = pit_request_options(line, first, at);
    if ((options.snapshot_id != 0) + (options.ref != NULL) + (options.as_of_ms != 0) > 1)
      return report_usage("at most one of --snapshot, --ref and --as-of for a table");
    if (options.created_cutoff && options.created == NULL)
      return report_usage("--created-cutoff wants --created");
    if (options.ttl_ms > INT64_MAX / 1000) return report_usage("--ttl is too long");
  }
  return EXIT_FINE;
}

static frz_status take_keys(const char *text, pit_part *part, frz_pit_view *view, frz_error *err)
{
  if (text == NULL || *text == '\0') return FRZ_OK; /* every row goes with every entity row */
  part->keys = calloc(name_pairs_count(text), sizeof *part->keys);
  part->key_text = strdup(text);
  if (part->keys == NULL || part->key_text == NULL) return no_memory(err);
  for (char *at = part->key_text; at != NULL;) {
    frz_join_key *key = &part->keys[view->n_join_keys++];
    name_pairs_next(&at, &key->entity_column, &key->table_column);
    if (key->table_column == NULL) key->table_column = key->entity_column;
  }
  view->join_keys = part->keys;
  return FRZ_OK;
}

static bool decides(const frz_pit_view *view, const char *column)
{
  bool found =
      strcmp(column, view->timestamp_field) == 0 ||
      (view->created_timestamp_field != NULL && strcmp(column, view->created_timestamp_field) == 0);
  for (size_t k = 0; k < view->n_join_keys; k++)
    found = found || strcmp(column, view->join_keys[k].table_column) == 0;
  return found;
}

static frz_status take_all_features(pit_part *part, frz_pit_view *view, frz_error *err)
{
  frz_status st = frz_table_arrow_schema(part->table, &part->schema, err);
  if (st != FRZ_OK) return st;
  part->features = calloc((size_t)part->schema.n_children + 1, sizeof *part->features);
  if (part->features == NULL) return no_memory(err);
  for (int64_t c = 0; c < part->schema.n_children; c++)
    if (!decides(view, part->schema.children[c]->name))
      part->features[view->n_features++].column = part->schema.children[c]->name;
  view->features = part->features;
  return FRZ_OK;
}

static frz_status take_features(const char *text, pit_part *part, frz_pit_view *view,
                                frz_error *err)
{
  if (text == NULL) return take_all_features(part, view, err);
  if (*text == '\0') return FRZ_OK;
  part->features = calloc(name_pairs_count(text), sizeof *part->features);
  part->feature_text = strdup(text);
  if (part->features == NULL || part->feature_text == NULL) return no_memory(err);
  for (char *at = part->feature_text; at != NULL;) {
    frz_feature *feature = &part->features[view->n_features++];
    name_pairs_next(&at, &feature->column, &feature->output_name);
  }
  view->features = part->features;
  return FRZ_OK;
}

/* The last part of a dotted name or of a path. */
static const char *own_name(const char *identifier)
{
  const char *last = strrchr(identifier, is_path(identifier) ? '/' : '.');
  return last != NULL ? last + 1 : identifier;
}

static frz_status open_view(const invocation *run, const char *identifier, view_options options,
                            pit_part *part, frz_pit_view *view, frz_error *err)
{
  frz_pit_view_init(view);
  frz_scan_options_init(&part->scan);
  part->scan.snapshot_id = options.snapshot_id;
  part->scan.ref = options.ref;
  part->scan.as_of_ms = options.as_of_ms;
  part->scan.row_filter = options.filter;
  part->name = strdup(options.name != NULL ? options.name : own_name(identifier));
  if (part->name == NULL) return no_memory(err);
  frz_status st = load_table(run, identifier, &part->table, err);
  if (st != FRZ_OK) return st;
  view->name = part->name;
  view->table = part->table;
  view->scan = &part->scan;
  view->timestamp_field = options.timestamp != NULL ? options.timestamp : "event_timestamp";
  view->created_timestamp_field = options.created;
  view->created_cutoff = options.created_cutoff;
  view->ttl_us = options.ttl_ms * 1000;
  st = take_keys(options.on, part, view, err);
  return st == FRZ_OK ? take_features(options.features, part, view, err) : st;
}

frz_status pit_request_open(const invocation *run, int first, pit_request *request, frz_error *err)
{
  const command_line *line = run->line;
  *request = (pit_request){0};
  frz_pit_options_init(&request->options);
  request->options.full_feature_names = line->full_names;
  if (line->entity_timestamp != NULL) request->options.timestamp_field = line->entity_timestamp;
  size_t n_views = (size_t)(line->n_arguments - first - 1);
  request->views = calloc(n_views, sizeof *request->views);
  request->parts = calloc(n_views, sizeof *request->parts);
  if (request->views == NULL || request->parts == NULL) return no_memory(err);
  request->n_views = n_views;
  for (size_t v = 0; v < n_views; v++) {
    int at = first + 1 + (int)v;
    frz_status st = open_view(run, line->arguments[at], pit_request_options(line, first, at),
                              &request->parts[v], &request->views[v], err);
    if (st != FRZ_OK) return st;
  }
  return FRZ_OK;
}

void pit_request_dispose(pit_request *request)
{
  for (size_t v = 0; v < request->n_views; v++) {
    pit_part *part = &request->parts[v];
    if (part->schema.release != NULL) part->schema.release(&part->schema);
    frz_table_free(part->table);
    free(part->keys);
    free(part->features);
    free(part->name);
    free(part->key_text);
    free(part->feature_text);
  }
  free(request->views);
  free(request->parts);
  *request = (pit_request){0};
}
