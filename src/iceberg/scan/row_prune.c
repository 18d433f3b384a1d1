/*
 * row_prune.c - see row_prune.h.
 *
 * In three steps, each for all row groups that the one before left, so that each is one or two
 * requests to the store, and only where the filter can use what they bring:
 *   1. statistics in the footer: nothing is read;
 *   2. bloom filters, for the values of = and IN: headers, then the blocks of those values;
 *   3. column and offset indexes of the filter's columns. Pages of different columns end at
 *      different rows, so a row group is cut where any of them does, and each piece is tested with
 *      the pages that hold it. Row groups of which statistics say that every row matches are left
 *      whole.
 * All steps test the whole filter, with everything that is known so far: "a = 1 OR b > 2" falls
 * where a bloom filter denies the one and bounds the other.
 *
 * What must stay true: rows are left out only where no row can match; row positions stay those of
 * the file.
 */
#include "iceberg/scan/row_prune.h"

#include "base/limits.h"
#include "iceberg/scan/literal_hash.h"
#include "parquet/read/bloom_filter.h"

enum {
  KEYS_MAX = 64,
  LITERALS_MAX = 256,   /* a longer list of values is hardly ever denied as a whole */
  PROBES_MAX = 1 << 16, /* bounds memory and requests */
};

/** A = or IN that bloom filters may deny. */
typedef struct key_test {
  const frz_expr *predicate;
  size_t leaf;
  uint64_t *hashes;
  size_t n_hashes;
  bool *is_absent; /* by row group */
} key_test;

typedef struct pruning {
  const frz_row_group_filter *filter;
  frz_parquet_file *file;
  frz_arena scratch;
  bool *is_wanted; /* by row group */
  key_test keys[KEYS_MAX];
  size_t n_keys;
  size_t *leaves; /* of the filter */
  size_t n_leaves;
  frz_chunk_pages *pages; /* by row group and filter leaf; NULL: none were read */
  size_t row_group;       /* being tested */
  frz_row_range *ranges;
  size_t n_ranges, capacity;
  frz_arena *arena;
} pruning;

/* ---- statistics ---- */

static bool excludes(void *arg, const frz_expr *predicate)
{
  const pruning *self = arg;
  for (size_t i = 0; i < self->n_keys; i++)
    if (self->keys[i].predicate == predicate) return self->keys[i].is_absent[self->row_group];
  return false;
}

static bool may_match(pruning *self, size_t row_group, const frz_leaf_page *pages, size_t n_pages)
{
  frz_row_group_details details = {
      .pages = pages, .n_pages = n_pages, .excludes = excludes, .arg = self};
  self->row_group = row_group;
  return frz_row_group_may_match(self->filter, row_group, &details);
}

static bool is_asked(const frz_parquet_row_group *group, const frz_row_range *asked, size_t n_asked)
{
  if (group->n_rows == 0) return false;
  if (asked == NULL) return true;
  for (size_t i = 0; i < n_asked; i++)
    if (asked[i].first < group->first_row + group->n_rows && asked[i].last > group->first_row)
      return true;
  return false;
}

/** Drop the row groups that cannot match by what is known now; how many are left. */
static size_t test_row_groups(pruning *self)
{
  size_t n = 0;
  size_t n_dropped = 0;
  for (size_t i = 0; i < self->filter->file->n_row_groups; i++) {
    bool was_wanted = self->is_wanted[i];
    self->is_wanted[i] = was_wanted && may_match(self, i, NULL, 0);
    n += self->is_wanted[i];
    n_dropped += was_wanted && !self->is_wanted[i];
  }
  if (self->n_keys == 0)
    FRZ_COUNT(self->filter->counts, n_groups_by_statistics, n_dropped);
  else
    FRZ_COUNT(self->filter->counts, n_groups_by_bloom, n_dropped);
  return n;
}

/* ---- bloom filters ---- */

/** The leaf of a column that is in the file below no list; false: there is none. */
static bool find_leaf(const frz_row_group_filter *filter, int32_t field_id, size_t *leaf_out)
{
  for (size_t i = 0; i < filter->file->n_leaves; i++) {
    if (filter->leaf_ids[i] != field_id) continue;
    *leaf_out = i;
    return true;
  }
  return false;
}

static bool has_filters(const pruning *self, size_t leaf)
{
  for (size_t i = 0; i < self->filter->file->n_row_groups; i++)
    if (self->is_wanted[i] && frz_bloom_filter_exists(self->filter->file, (frz_chunk_id){i, leaf}))
      return true;
  return false;
}

static frz_status add_key(pruning *self, const frz_expr *predicate, frz_error *err)
{
  size_t leaf;
  const frz_parquet_metadata *footer = self->filter->file;
  bool is_key =
      predicate->predicate == FRZ_PREDICATE_EQ || predicate->predicate == FRZ_PREDICATE_IN;
  if (!is_key || self->n_keys == KEYS_MAX || predicate->n_literals > LITERALS_MAX ||
      !find_leaf(self->filter, predicate->field->id, &leaf) || !has_filters(self, leaf))
    return FRZ_OK;
  key_test *key = &self->keys[self->n_keys];
  *key = (key_test){.predicate = predicate, .leaf = leaf};
  key->hashes = frz_arena_array(&self->scratch, predicate->n_literals * FRZ_LITERAL_HASHES_MAX,
                                sizeof *key->hashes);
  key->is_absent = frz_arena_array(&self->scratch, footer->n_row_groups, sizeof *key->is_absent);
  if (key->hashes == NULL || key->is_absent == NULL) return frz_fail_nomem(err, "keys of a filter");
  for (size_t i = 0; i < predicate->n_literals; i++) {
    size_t n = frz_literal_hash(footer->leaves[leaf], &predicate->literals[i],
                                key->hashes + key->n_hashes);
    if (n == 0) return FRZ_OK; /* forgotten again: one that cannot be told may be there */
    key->n_hashes += n;
  }
  self->n_keys++;
  return FRZ_OK;
}

static frz_status find_keys(pruning *self, const frz_expr *expr, frz_error *err)
{
  if (expr->kind == FRZ_EXPR_PREDICATE) return add_key(self, expr, err);
  if (expr->kind != FRZ_EXPR_AND && expr->kind != FRZ_EXPR_OR) return FRZ_OK;
  FRZ_TRY(find_keys(self, expr->left, err));
  return find_keys(self, expr->right, err);
}

/** The probes of a key in a row group; none where it has no filter, or there are too many. */
static size_t probes_of(const pruning *self, const key_test *key, size_t row_group, size_t n_before)
{
  if (!self->is_wanted[row_group] ||
      !frz_bloom_filter_exists(self->filter->file, (frz_chunk_id){row_group, key->leaf}) ||
      key->n_hashes > PROBES_MAX - n_before)
    return 0;
  return key->n_hashes;
}

static frz_status probe_keys(pruning *self, frz_error *err)
{
  size_t n_groups = self->filter->file->n_row_groups;
  size_t n = 0;
  for (size_t g = 0; g < n_groups; g++)
    for (size_t k = 0; k < self->n_keys; k++) n += probes_of(self, &self->keys[k], g, n);
  if (n == 0) return FRZ_OK;
  frz_bloom_probe *probes = frz_arena_array(&self->scratch, n, sizeof *probes);
  if (probes == NULL) return frz_fail_nomem(err, "keys of a filter");
  n = 0;
  for (size_t g = 0; g < n_groups; g++)
    for (size_t k = 0; k < self->n_keys; k++) {
      const key_test *key = &self->keys[k];
      size_t n_probes = probes_of(self, key, g, n);
      for (size_t i = 0; i < n_probes; i++)
        probes[n++] = (frz_bloom_probe){{g, key->leaf}, key->hashes[i], true};
    }
  FRZ_TRY(frz_bloom_filter_probe(self->file, probes, n, err));
  n = 0;
  for (size_t g = 0; g < n_groups; g++)
    for (size_t k = 0; k < self->n_keys; k++) {
      size_t n_probes = probes_of(self, &self->keys[k], g, n);
      bool is_absent = n_probes > 0;
      for (size_t i = 0; i < n_probes; i++) is_absent = is_absent && !probes[n + i].may_contain;
      self->keys[k].is_absent[g] = is_absent;
      n += n_probes;
    }
  return FRZ_OK;
}

static frz_status test_keys(pruning *self, frz_error *err)
{
  FRZ_TRY(find_keys(self, self->filter->filter, err));
  return self->n_keys != 0 ? probe_keys(self, err) : FRZ_OK;
}

/* ---- pages ---- */

/** Do the statistics of a row group say that the filter is false for no row? Then pages tell no
 * more, but for those of nulls. */
static bool matches_whole(const pruning *self, const frz_expr *opposite, size_t row_group)
{
  frz_row_group_filter inverse = *self->filter;
  inverse.filter = opposite;
  return !frz_row_group_may_match(&inverse, row_group, NULL);
}

static frz_status choose_leaves(pruning *self, frz_error *err)
{
  const int32_t *ids = NULL;
  size_t n_ids = 0;
  FRZ_TRY(frz_expr_field_ids(self->filter->filter, &self->scratch, &ids, &n_ids, err));
  self->leaves = frz_arena_array(&self->scratch, n_ids, sizeof *self->leaves);
  if (self->leaves == NULL) return frz_fail_nomem(err, "columns of a filter");
  for (size_t i = 0; i < n_ids; i++)
    if (find_leaf(self->filter, ids[i], &self->leaves[self->n_leaves])) self->n_leaves++;
  return FRZ_OK;
}

/** The indexes to read, in the file's order, as far as the limit goes. */
static frz_status choose_chunks(pruning *self, frz_chunk_id **chunks_out, size_t *n_out,
                                frz_error *err)
{
  const frz_parquet_metadata *footer = self->filter->file;
  const frz_expr *opposite = frz_expr_not(self->filter->filter, &self->scratch);
  frz_chunk_id *chunks =
      frz_arena_array(&self->scratch, footer->n_row_groups, self->n_leaves * sizeof *chunks);
  if (opposite == NULL || chunks == NULL) return frz_fail_nomem(err, "pages of a filter");
  size_t n = 0;
  size_t total = 0;
  for (size_t g = 0; g < footer->n_row_groups; g++) {
    if (!self->is_wanted[g] || matches_whole(self, opposite, g)) continue;
    for (size_t i = 0; i < self->n_leaves; i++) {
      frz_chunk_id chunk = {g, self->leaves[i]};
      size_t bytes = frz_page_index_bytes(footer, chunk);
      if (bytes == 0 || bytes > FRZ_LIMIT_PAGE_INDEX_BYTES - total) continue;
      total += bytes;
      chunks[n++] = chunk;
    }
  }
  *chunks_out = chunks;
  *n_out = n;
  return FRZ_OK;
}

static frz_status read_pages(pruning *self, frz_error *err)
{
  frz_chunk_id *chunks = NULL;
  size_t n = 0;
  size_t n_groups = self->filter->file->n_row_groups;
  FRZ_TRY(choose_leaves(self, err));
  if (self->n_leaves == 0) return FRZ_OK;
  FRZ_TRY(choose_chunks(self, &chunks, &n, err));
  if (n == 0) return FRZ_OK;
  self->pages = frz_arena_array(&self->scratch, n_groups, self->n_leaves * sizeof *self->pages);
  frz_chunk_pages *read = frz_arena_array(&self->scratch, n, sizeof *read);
  if (self->pages == NULL || read == NULL) return frz_fail_nomem(err, "pages of a filter");
  FRZ_TRY(frz_page_index_read(self->file, chunks, n, &self->scratch, read, err));
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < self->n_leaves; k++)
      if (self->leaves[k] == chunks[i].leaf)
        self->pages[chunks[i].row_group * self->n_leaves + k] = read[i];
  return FRZ_OK;
}

/* ---- ranges ---- */

static frz_status add_range(pruning *self, int64_t first, int64_t last, frz_error *err)
{
  if (self->n_ranges == self->capacity) {
    size_t capacity = self->capacity != 0 ? self->capacity * 2 : 16;
    frz_row_range *grown = frz_arena_array(self->arena, capacity, sizeof *grown);
    if (grown == NULL) return frz_fail_nomem(err, "row ranges");
    if (self->n_ranges != 0) memcpy(grown, self->ranges, self->n_ranges * sizeof *grown);
    self->ranges = grown;
    self->capacity = capacity;
  }
  self->ranges[self->n_ranges++] = (frz_row_range){first, last};
  return FRZ_OK;
}

/** Pages of a row group that hold row `row`, counted from its first; where the first of them ends.
 * `at` is each leaf's page, moved on. */
static size_t pages_at(const pruning *self, const frz_chunk_pages *pages, int64_t n_rows,
                       int64_t row, size_t *at, frz_leaf_page *held, int64_t *end_out)
{
  size_t n = 0;
  *end_out = n_rows;
  for (size_t i = 0; i < self->n_leaves; i++) {
    const frz_page_places *places = &pages[i].places;
    if (places->n_places == 0) continue;
    while (at[i] + 1 < places->n_places && places->places[at[i] + 1].first_row <= row) at[i]++;
    int64_t rows = frz_page_rows(places, at[i], n_rows);
    int64_t end = places->places[at[i]].first_row + rows;
    if (end < *end_out) *end_out = end;
    held[n++] = (frz_leaf_page){self->leaves[i], &pages[i].statistics[at[i]], rows};
  }
  return n;
}

static frz_status add_row_group(pruning *self, size_t row_group, size_t *at, frz_leaf_page *held,
                                frz_error *err)
{
  const frz_parquet_row_group *group = &self->filter->file->row_groups[row_group];
  int64_t base = group->first_row;
  if (self->pages == NULL) return add_range(self, base, base + group->n_rows, err);
  const frz_chunk_pages *pages = &self->pages[row_group * self->n_leaves];
  int64_t wanted_from = -1; /* the range being gathered; -1: none */
  memset(at, 0, self->n_leaves * sizeof *at);
  for (int64_t row = 0, end = 0; row < group->n_rows; row = end) {
    size_t n = pages_at(self, pages, group->n_rows, row, at, held, &end);
    assert(end > row);
    bool wanted = n == 0 || may_match(self, row_group, held, n);
    FRZ_COUNT(self->filter->counts, n_pages, n != 0);
    FRZ_COUNT(self->filter->counts, n_pages_pruned, !wanted);
    if (wanted && wanted_from < 0) wanted_from = row;
    if (!wanted && wanted_from >= 0) {
      FRZ_TRY(add_range(self, base + wanted_from, base + row, err));
      wanted_from = -1;
    }
  }
  if (wanted_from < 0) return FRZ_OK;
  return add_range(self, base + wanted_from, base + group->n_rows, err);
}

static frz_status add_row_groups(pruning *self, frz_error *err)
{
  size_t *at = frz_arena_array(&self->scratch, self->n_leaves, sizeof *at);
  frz_leaf_page *held = frz_arena_array(&self->scratch, self->n_leaves, sizeof *held);
  if (at == NULL || held == NULL) return frz_fail_nomem(err, "pages of a filter");
  for (size_t i = 0; i < self->filter->file->n_row_groups; i++)
    if (self->is_wanted[i]) FRZ_TRY(add_row_group(self, i, at, held, err));
  return FRZ_OK;
}

static frz_status prune(pruning *self, const frz_row_range *asked, size_t n_asked, frz_error *err)
{
  const frz_parquet_metadata *footer = self->filter->file;
  self->is_wanted = frz_arena_array(&self->scratch, footer->n_row_groups, sizeof(bool));
  if (self->is_wanted == NULL) return frz_fail_nomem(err, "row groups of a file");
  for (size_t i = 0; i < footer->n_row_groups; i++)
    self->is_wanted[i] = is_asked(&footer->row_groups[i], asked, n_asked);
  if (self->filter->filter != NULL && test_row_groups(self) != 0) {
    FRZ_TRY(test_keys(self, err));
    if (self->n_keys == 0 || test_row_groups(self) != 0) FRZ_TRY(read_pages(self, err));
  }
  return add_row_groups(self, err);
}

frz_status frz_row_prune(const frz_row_group_filter *filter, frz_parquet_file *file,
                         const frz_row_range *asked, size_t n_asked, frz_arena *arena,
                         const frz_row_range **ranges_out, size_t *n_ranges_out, frz_error *err)
{
  pruning self = {.filter = filter, .file = file, .arena = arena};
  frz_arena_init(&self.scratch, arena->alloc, arena->max_bytes);
  frz_status st = prune(&self, asked, n_asked, err);
  frz_arena_free(&self.scratch);
  if (st != FRZ_OK) return st;
  *ranges_out = self.ranges;
  *n_ranges_out = self.n_ranges;
  return FRZ_OK;
}
