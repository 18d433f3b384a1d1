/*
 * feature_explain.c - what a pass over a feature table would read, without a row of it.
 */
#include "iceberg/scan/open_file.h"
#include "pit/feature_table.h"

enum { BATCH_ROWS = 65536 };

typedef struct explanation {
  const frz_feature_table *table;
  frz_projection projection;
} explanation;

static frz_status open_one(void *arg, size_t i, frz_error *err)
{
  explanation *self = arg;
  const frz_open_options options = {.without_deletes = true};
  frz_open_file *file;
  FRZ_TRY(frz_open_file_create(self->table->context, self->table->storage, &self->projection,
                               &self->table->plan.tasks[i], NULL, &options, &file, err));
  frz_open_file_free(file);
  return FRZ_OK;
}

frz_status frz_feature_table_explain(frz_feature_table *table, const char *const *names,
                                     size_t n_names, frz_error *err)
{
  explanation self = {.table = table};
  if (!table->is_planned) return FRZ_OK;
  FRZ_TRY(frz_projection_make(table->metadata, table->schema, names, n_names, true, table->filter,
                              BATCH_ROWS, &table->arena, &self.projection, err));
  self.projection.prune = table->prune;
  self.projection.counts = table->search_counts;
  return frz_parallel_for(table->context, table->plan.n_tasks, open_one, &self, err);
}
