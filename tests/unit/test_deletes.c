/*
 * test_deletes.c - deletion vectors, which deletes apply to which files, and keys of deleted rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/deletion_vector.h"
#include "iceberg/scan/equality_deletes.h"
#include "memory_store.h"
#include "puffin/puffin.h"
#include "test_files.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* ---- deletion vectors ---- */

typedef struct vector_case {
  const char *file;
  int64_t cardinality;
  int64_t in[6]; /* -1 ends */
  int64_t out[4];
} vector_case;

static uint8_t *read_fixture(const char *name, size_t *size_out)
{
  char folder[4096];
  char path[5000];
  if (!frz_test_fixtures(folder)) return NULL;
  snprintf(path, sizeof path, "%s/iceberg/deletes/%s", folder, name);
  uint8_t *data = frz_test_read(path, size_out);
  if (data == NULL) printf("skipped: no %s\n", path);
  return data;
}

static void test_vectors_of_the_reference(void **state)
{
  (void)state;
  static const vector_case cases[] = {
      {"empty-position-index.bin", 0, {-1}, {0, 1, -1}},
      {"small-alternating-values-position-index.bin", 5, {1, 3, 5, 7, 9, -1}, {0, 2, 10, -1}},
      {"small-and-large-values-position-index.bin",
       4,
       {100, 101, 2147483747, 2147483748, -1},
       {0, 102, 2147483749, -1}},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    size_t size;
    uint8_t *data = read_fixture(cases[i].file, &size);
    if (data == NULL) continue;
    frz_roaring *roaring = NULL;
    frz_error err = {0};
    frz_status st = frz_deletion_vector_parse(frz_alloc_default(), data, size, &roaring, &err);
    if (st != FRZ_OK) fail_msg("%s: %s", cases[i].file, err.message);
    assert_int_equal(frz_roaring_cardinality(roaring), cases[i].cardinality);
    for (size_t k = 0; cases[i].in[k] >= 0; k++)
      assert_true(frz_roaring_contains(roaring, cases[i].in[k]));
    for (size_t k = 0; cases[i].out[k] >= 0; k++)
      assert_false(frz_roaring_contains(roaring, cases[i].out[k]));
    frz_roaring_free(roaring);
    free(data);
  }
}

static void test_damaged_vectors_are_refused(void **state)
{
  (void)state;
  static const char *const files[] = {
      "empty-position-index.bin", "small-alternating-values-position-index.bin",
      "small-and-large-values-position-index.bin", "all-container-types-position-index.bin"};
  for (size_t i = 0; i < LENGTH(files); i++) {
    size_t size;
    uint8_t *data = read_fixture(files[i], &size);
    if (data == NULL) continue;
    frz_roaring *roaring = NULL;
    for (size_t cut = 0; cut < size; cut++) {
      uint8_t *copy = malloc(cut + 1); /* so that a read past the cut is seen */
      memcpy(copy, data, cut);
      assert_int_equal(frz_deletion_vector_parse(frz_alloc_default(), copy, cut, &roaring, NULL),
                       FRZ_ERR_CORRUPT);
      free(copy);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
      data[bit / 8] = (uint8_t)(data[bit / 8] ^ 1u << (bit % 8));
      assert_int_equal(frz_deletion_vector_parse(frz_alloc_default(), data, size, &roaring, NULL),
                       FRZ_ERR_CORRUPT);
      data[bit / 8] = (uint8_t)(data[bit / 8] ^ 1u << (bit % 8));
    }
    free(data);
  }
}

static void test_vectors_round_trip(void **state)
{
  (void)state;
  static const int64_t spread[] = {0, 1, 65535, 65536, 1 << 20, 4294967295, 4294967296, 1LL << 40};
  frz_roaring *made = NULL;
  frz_roaring *back = NULL;
  frz_buf blob;
  frz_buf_init(&blob, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_roaring_create(frz_alloc_default(), &made, NULL), FRZ_OK);
  for (size_t i = 0; i < LENGTH(spread); i++)
    assert_int_equal(frz_roaring_add(made, spread[i], NULL), FRZ_OK);
  assert_int_equal(frz_deletion_vector_write(made, &blob, NULL), FRZ_OK);
  assert_int_equal(
      frz_deletion_vector_parse(frz_alloc_default(), blob.data, blob.size, &back, NULL), FRZ_OK);
  assert_int_equal(frz_roaring_cardinality(back), LENGTH(spread));
  for (size_t i = 0; i < LENGTH(spread); i++) assert_true(frz_roaring_contains(back, spread[i]));
  frz_roaring_free(made);
  frz_roaring_free(back);
  frz_buf_dispose(&blob);
}

/* A Puffin file with two vectors, of three rows and of one. */
static void put_vectors(frz_memory_store *store, frz_puffin_codec codec, frz_data_file *files)
{
  static const char *const targets[] = {"a.parquet", "b.parquet"};
  frz_buf bytes, blob;
  frz_sink *sink = NULL;
  frz_puffin_writer *writer = NULL;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 20);
  frz_buf_init(&blob, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_sink_to_buf(frz_alloc_default(), &bytes, &sink, NULL), FRZ_OK);
  assert_int_equal(frz_puffin_writer_create(frz_alloc_default(), sink, &writer, NULL), FRZ_OK);
  for (size_t i = 0; i < 2; i++) {
    frz_roaring *rows = NULL;
    int64_t n_rows = i == 0 ? 3 : 1;
    frz_puffin_property properties[] = {
        {FRZ_STR("referenced-data-file"), frz_str_from(targets[i])},
        {FRZ_STR("cardinality"), i == 0 ? FRZ_STR("3") : FRZ_STR("1")}};
    frz_puffin_blob about = {.type = FRZ_STR("deletion-vector-v1"),
                             .snapshot_id = -1,
                             .sequence_number = -1,
                             .codec = codec,
                             .properties = properties,
                             .n_properties = 2};
    assert_int_equal(frz_roaring_create(frz_alloc_default(), &rows, NULL), FRZ_OK);
    for (int64_t row = 0; row < n_rows; row++)
      assert_int_equal(frz_roaring_add(rows, row * 70000, NULL), FRZ_OK);
    blob.size = 0;
    assert_int_equal(frz_deletion_vector_write(rows, &blob, NULL), FRZ_OK);
    files[i] = (frz_data_file){.content = FRZ_CONTENT_POSITION_DELETES,
                               .path = FRZ_STR("v.puffin"),
                               .format = FRZ_FORMAT_PUFFIN,
                               .n_rows = n_rows,
                               .referenced_data_file = frz_str_from(targets[i])};
    assert_int_equal(frz_puffin_writer_add(writer, &about, blob.data, blob.size,
                                           &files[i].content_offset, &files[i].content_size_bytes,
                                           NULL),
                     FRZ_OK);
    frz_roaring_free(rows);
  }
  assert_int_equal(frz_puffin_writer_finish(writer, NULL, 0, NULL), FRZ_OK);
  frz_memory_store_put(store, "v.puffin", bytes.data, bytes.size);
  frz_puffin_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&blob);
  frz_buf_dispose(&bytes);
}

static void assert_verified(frz_context *context, frz_storage *storage, const frz_data_file *file,
                            const char *message)
{
  frz_error err = {0};
  frz_status st = frz_deletion_vector_verify(context, storage, file, &err);
  assert_int_equal(st, message == NULL ? FRZ_OK : FRZ_ERR_CORRUPT);
  if (message != NULL && strstr(err.message, message) == NULL)
    fail_msg("'%s' instead of '%s'", err.message, message);
}

static void test_vectors_are_what_their_footer_says(void **state)
{
  (void)state;
  frz_memory_store store = {0};
  frz_storage_ops ops = frz_memory_store_ops();
  frz_context *context = NULL;
  frz_storage *storage = NULL;
  frz_data_file files[2], wrong;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  assert_int_equal(frz_storage_wrap(context, &ops, &store, &storage, NULL), FRZ_OK);
  put_vectors(&store, FRZ_PUFFIN_UNCOMPRESSED, files);
  assert_verified(context, storage, &files[0], NULL);
  assert_verified(context, storage, &files[1], NULL);
  wrong = files[0];
  wrong.content_offset++;
  assert_verified(context, storage, &wrong, "'v.puffin': no blob at offset 5");
  wrong = files[0];
  wrong.content_size_bytes--;
  assert_verified(context, storage, &wrong, "the blob at offset 4 has");
  wrong = files[0];
  wrong.referenced_data_file = files[1].referenced_data_file;
  assert_verified(context, storage, &wrong, "is for 'a.parquet', its manifest says 'b.parquet'");
  wrong = files[1];
  wrong.n_rows = 3;
  assert_verified(context, storage, &wrong, "has a cardinality of '1', its manifest says 3");
  put_vectors(&store, FRZ_PUFFIN_ZSTD, files);
  assert_verified(context, storage, &files[0], "is no uncompressed deletion-vector-v1");
  frz_storage_release(storage);
  frz_context_free(context);
  frz_memory_store_clear(&store);
}

/* ---- which deletes apply ---- */

/** A table with one long column "k" (id 1); spec 0 has no fields, 1 and 2 partition by identity. */
static const frz_field KEY_FIELD = {
    .id = 1, .name = {"k", 1}, .type = {.kind = FRZ_TYPE_LONG}, .required = false};
static const frz_schema SCHEMA = {
    .root = {.kind = FRZ_TYPE_STRUCT, .fields = &KEY_FIELD, .n_fields = 1}, .highest_field_id = 1};
static const frz_partition_field PART = {.source_id = 1,
                                         .field_id = 1000,
                                         .name = {"k", 1},
                                         .transform = {FRZ_TRANSFORM_IDENTITY, 0, {0}}};
static const frz_partition_field VOIDED = {
    .source_id = 1, .field_id = 1001, .name = {"v", 1}, .transform = {FRZ_TRANSFORM_VOID, 0, {0}}};
static const frz_partition_spec SPECS[] = {
    {0, NULL, 0}, {1, &PART, 1}, {2, &PART, 1}, {3, &VOIDED, 1}};

static frz_table_metadata table(void)
{
  return (frz_table_metadata){.format_version = 3,
                              .schemas = &SCHEMA,
                              .n_schemas = 1,
                              .specs = SPECS,
                              .n_specs = LENGTH(SPECS)};
}

typedef struct entry_case {
  frz_file_content content;
  int64_t sequence;
  int32_t spec_id;
  int64_t partition; /* INT64_MIN: null */
  const char *path;
  const char *target;        /* referenced_data_file */
  const char *lower, *upper; /* path bounds */
  bool is_vector;
} entry_case;

static const int32_t KEY_ID[] = {1};

/** Entries and what they point to. */
typedef struct made_entry {
  frz_manifest_entry entry;
  frz_literal value;
  frz_bound lower, upper;
} made_entry;

static void make_entry(const entry_case *from, made_entry *to)
{
  memset(to, 0, sizeof *to);
  to->value = (frz_literal){.kind = FRZ_TYPE_LONG, .as.i64 = from->partition};
  to->value.is_null = from->partition == INT64_MIN;
  frz_data_file *file = &to->entry.file;
  to->entry.data_sequence_number = from->sequence;
  file->content = from->content;
  file->path = frz_str_from(from->path);
  file->format = from->is_vector ? FRZ_FORMAT_PUFFIN : FRZ_FORMAT_PARQUET;
  file->spec_id = from->spec_id;
  file->partition.values = &to->value;
  file->partition.n_values = SPECS[from->spec_id].n_fields;
  file->referenced_data_file = frz_str_from(from->target);
  if (from->content == FRZ_CONTENT_EQUALITY_DELETES) {
    file->equality_ids = KEY_ID;
    file->n_equality_ids = 1;
  }
  if (from->lower != NULL) {
    to->lower = (frz_bound){FRZ_FIELD_ID_DELETE_PATH, frz_str_from(from->lower)};
    to->upper = (frz_bound){FRZ_FIELD_ID_DELETE_PATH, frz_str_from(from->upper)};
    file->lower_bounds = &to->lower;
    file->upper_bounds = &to->upper;
    file->n_lower_bounds = 1;
    file->n_upper_bounds = 1;
  }
}

static const entry_case DELETES[] = {
    {FRZ_CONTENT_POSITION_DELETES, 5, 1, 7, "p-whole", NULL, NULL, NULL, false},
    {FRZ_CONTENT_POSITION_DELETES, 5, 1, 7, "p-a-to-c", NULL, "a", "c", false},
    {FRZ_CONTENT_POSITION_DELETES, 5, 1, 7, "p-b-to-y", NULL, "b", "y", false},
    {FRZ_CONTENT_POSITION_DELETES, 5, 1, 7, "p-only-b", NULL, "b", "b", false},
    {FRZ_CONTENT_POSITION_DELETES, 5, 1, 7, "p-named-m", "m", NULL, NULL, false},
    {FRZ_CONTENT_POSITION_DELETES, 5, 2, 7, "p-other-spec", NULL, NULL, NULL, false},
    {FRZ_CONTENT_POSITION_DELETES, 5, 1, INT64_MIN, "p-null", NULL, NULL, NULL, false},
    {FRZ_CONTENT_POSITION_DELETES, 5, 1, 7, "v-vector", "vectored", NULL, NULL, true},
    {FRZ_CONTENT_EQUALITY_DELETES, 5, 1, 7, "e-5", NULL, NULL, NULL, false},
    {FRZ_CONTENT_EQUALITY_DELETES, 6, 1, 7, "e-6", NULL, NULL, NULL, false},
    {FRZ_CONTENT_EQUALITY_DELETES, 5, 2, 7, "e-other-spec", NULL, NULL, NULL, false},
    {FRZ_CONTENT_EQUALITY_DELETES, 9, 1, 8, "e-other-partition", NULL, NULL, NULL, false},
    {FRZ_CONTENT_EQUALITY_DELETES, 8, 0, 0, "g-8", NULL, NULL, NULL, false},
    {FRZ_CONTENT_EQUALITY_DELETES, 3, 3, INT64_MIN, "g-void-3", NULL, NULL, NULL, false},
};

typedef struct scope_case {
  entry_case data;
  const char *expected; /* paths in order of their name, each after a space */
} scope_case;

static const scope_case SCOPES[] = {
    /* sequence numbers: position deletes apply to smaller or equal, equality deletes to smaller */
    {{FRZ_CONTENT_DATA, 5, 1, 7, "z", NULL, NULL, NULL, false}, " e-6 g-8 p-whole"},
    {{FRZ_CONTENT_DATA, 6, 1, 7, "z", NULL, NULL, NULL, false}, " g-8"},
    {{FRZ_CONTENT_DATA, 4, 1, 7, "z", NULL, NULL, NULL, false}, " e-5 e-6 g-8 p-whole"},
    {{FRZ_CONTENT_DATA, 2, 1, 7, "z", NULL, NULL, NULL, false}, " e-5 e-6 g-8 g-void-3 p-whole"},
    {{FRZ_CONTENT_DATA, 8, 1, 7, "z", NULL, NULL, NULL, false}, ""},
    /* path bounds, both ends included */
    {{FRZ_CONTENT_DATA, 5, 1, 7, "a", NULL, NULL, NULL, false}, " e-6 g-8 p-a-to-c p-whole"},
    {{FRZ_CONTENT_DATA, 5, 1, 7, "b", NULL, NULL, NULL, false},
     " e-6 g-8 p-a-to-c p-b-to-y p-only-b p-whole"},
    {{FRZ_CONTENT_DATA, 5, 1, 7, "c", NULL, NULL, NULL, false},
     " e-6 g-8 p-a-to-c p-b-to-y p-whole"},
    {{FRZ_CONTENT_DATA, 5, 1, 7, "m", NULL, NULL, NULL, false},
     " e-6 g-8 p-b-to-y p-named-m p-whole"},
    /* a deletion vector hides position deletes, not equality deletes */
    {{FRZ_CONTENT_DATA, 5, 1, 7, "vectored", NULL, NULL, NULL, false}, " e-6 g-8 v-vector"},
    {{FRZ_CONTENT_DATA, 6, 1, 7, "vectored", NULL, NULL, NULL, false}, " g-8"},
    /* partition and spec */
    {{FRZ_CONTENT_DATA, 5, 1, 8, "z", NULL, NULL, NULL, false}, " e-other-partition g-8"},
    {{FRZ_CONTENT_DATA, 4, 2, 7, "z", NULL, NULL, NULL, false}, " e-other-spec g-8 p-other-spec"},
    {{FRZ_CONTENT_DATA, 5, 1, INT64_MIN, "z", NULL, NULL, NULL, false}, " g-8 p-null"},
    {{FRZ_CONTENT_DATA, 1, 0, 0, "z", NULL, NULL, NULL, false}, " g-8 g-void-3"},
};

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_deletes(const frz_scan_task *task, char *text, size_t size)
{
  const char *names[32];
  size_t n = 0;
  for (size_t i = 0; i < task->n_position_deletes; i++)
    names[n++] = task->position_deletes[i]->file.path.data;
  for (size_t i = 0; i < task->n_equality_deletes; i++)
    names[n++] = task->equality_deletes[i]->file.path.data;
  assert_int_equal(n, task->n_deletes);
  qsort(names, n, sizeof *names, compare_names);
  text[0] = '\0';
  for (size_t i = 0; i < n; i++) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, " %s", names[i]);
  }
}

static frz_delete_index *make_index(const frz_table_metadata *metadata, const entry_case *cases,
                                    size_t n, made_entry *made, frz_status *status_out)
{
  const frz_manifest_entry *entries[64];
  frz_delete_index *index = NULL;
  for (size_t i = 0; i < n; i++) {
    make_entry(&cases[i], &made[i]);
    entries[i] = &made[i].entry;
  }
  *status_out = frz_delete_index_create(frz_alloc_default(), metadata, entries, n, &index, NULL);
  return index;
}

static void test_scopes(void **state)
{
  (void)state;
  made_entry made[LENGTH(DELETES)];
  frz_table_metadata metadata = table();
  frz_arena arena;
  frz_status st;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_delete_index *index = make_index(&metadata, DELETES, LENGTH(DELETES), made, &st);
  assert_int_equal(st, FRZ_OK);
  for (size_t i = 0; i < LENGTH(SCOPES); i++) {
    made_entry data;
    char found[512];
    make_entry(&SCOPES[i].data, &data);
    frz_scan_task task = {.entry = &data.entry, .spec = &SPECS[SCOPES[i].data.spec_id]};
    assert_int_equal(frz_delete_index_find(index, &task, &arena, NULL), FRZ_OK);
    list_deletes(&task, found, sizeof found);
    if (strcmp(found, SCOPES[i].expected) != 0)
      fail_msg("case %zu: '%s' instead of '%s'", i, found, SCOPES[i].expected);
  }
  frz_delete_index_free(index);
  frz_arena_free(&arena);
}

/** A file of many of a partition's: the answer must agree with asking every delete file. */
static void test_path_bounds_against_brute_force(void **state)
{
  (void)state;
  enum { N = 60 };
  static char names[N][4], lowers[N][4], uppers[N][4];
  entry_case cases[N];
  made_entry made[N];
  frz_table_metadata metadata = table();
  frz_status st;
  uint32_t random = 12345;
  for (size_t i = 0; i < N; i++) {
    unsigned a = (random = random * 1664525u + 1013904223u) >> 27;
    unsigned b = (random = random * 1664525u + 1013904223u) >> 27;
    if (b <= a) b = a + 1;
    snprintf(names[i], sizeof names[i], "%02zu", i);
    snprintf(lowers[i], sizeof lowers[i], "%02u", a);
    snprintf(uppers[i], sizeof uppers[i], "%02u", b);
    cases[i] = (entry_case){FRZ_CONTENT_POSITION_DELETES,
                            (int64_t)(i % 5),
                            1,
                            7,
                            names[i],
                            NULL,
                            lowers[i],
                            uppers[i],
                            false};
  }
  frz_delete_index *index = make_index(&metadata, cases, N, made, &st);
  assert_int_equal(st, FRZ_OK);
  for (unsigned at = 0; at < 40; at++) {
    char path[12];
    made_entry data;
    frz_arena arena;
    size_t expected = 0;
    snprintf(path, sizeof path, "%02u", at);
    entry_case one = {FRZ_CONTENT_DATA, 2, 1, 7, path, NULL, NULL, NULL, false};
    make_entry(&one, &data);
    for (size_t i = 0; i < N; i++)
      expected += i % 5 >= 2 && strcmp(lowers[i], path) <= 0 && strcmp(path, uppers[i]) <= 0;
    frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
    frz_scan_task task = {.entry = &data.entry, .spec = &SPECS[1]};
    assert_int_equal(frz_delete_index_find(index, &task, &arena, NULL), FRZ_OK);
    assert_int_equal(task.n_deletes, expected);
    frz_arena_free(&arena);
  }
  frz_delete_index_free(index);
}

static void test_bad_deletes_are_refused(void **state)
{
  (void)state;
  static const entry_case bad[][2] = {
      {{FRZ_CONTENT_POSITION_DELETES, 5, 1, 7, "v1", "a", NULL, NULL, true},
       {FRZ_CONTENT_POSITION_DELETES, 6, 1, 7, "v2", "a", NULL, NULL, true}},
      {{FRZ_CONTENT_POSITION_DELETES, 5, 1, 7, "v1", NULL, NULL, NULL, true},
       {FRZ_CONTENT_POSITION_DELETES, 6, 1, 7, "p", NULL, NULL, NULL, false}},
      {{FRZ_CONTENT_DATA, 5, 1, 7, "d", NULL, NULL, NULL, false},
       {FRZ_CONTENT_POSITION_DELETES, 6, 1, 7, "p", NULL, NULL, NULL, false}},
  };
  frz_table_metadata metadata = table();
  for (size_t i = 0; i < LENGTH(bad); i++) {
    made_entry made[2];
    frz_status st;
    make_index(&metadata, bad[i], 2, made, &st);
    assert_int_equal(st, FRZ_ERR_CORRUPT);
  }
  made_entry one;
  make_entry(&DELETES[0], &one);
  one.entry.file.spec_id = 99;
  const frz_manifest_entry *entry = &one.entry;
  frz_delete_index *index;
  assert_int_equal(frz_delete_index_create(frz_alloc_default(), &metadata, &entry, 1, &index, NULL),
                   FRZ_ERR_CORRUPT);
}

static void test_partition_keys(void **state)
{
  (void)state;
  frz_literal a[] = {{.kind = FRZ_TYPE_INT, .as.i32 = -3},
                     {.kind = FRZ_TYPE_DOUBLE, .as.f64 = 0.0}};
  frz_literal b[] = {{.kind = FRZ_TYPE_LONG, .as.i64 = -3},
                     {.kind = FRZ_TYPE_FLOAT, .as.f32 = -0.0f}};
  frz_literal c[] = {{.kind = FRZ_TYPE_LONG, .is_null = true},
                     {.kind = FRZ_TYPE_FLOAT, .as.f32 = -0.0f}};
  frz_partition parts[] = {{a, 2}, {b, 2}, {c, 2}};
  frz_buf keys[3];
  for (size_t i = 0; i < 3; i++) {
    frz_buf_init(&keys[i], frz_alloc_default(), 1000);
    assert_int_equal(frz_partition_key(1, &parts[i], &keys[i], NULL), FRZ_OK);
  }
  assert_true(frz_str_equal(frz_buf_str(&keys[0]), frz_buf_str(&keys[1])));
  assert_false(frz_str_equal(frz_buf_str(&keys[1]), frz_buf_str(&keys[2])));
  for (size_t i = 0; i < 3; i++) frz_buf_dispose(&keys[i]);
}

/* ---- keys of deleted rows ---- */

static void fill(frz_leaf_column *leaf, frz_arrow_kind kind, const char *const *texts, size_t n)
{
  frz_arrow_field field = {.type = {.kind = kind}, .nullable = true, .field_id = -1};
  *leaf = (frz_leaf_column){.is_owned = true};
  assert_int_equal(frz_column_init(&leaf->column, &field, frz_alloc_default(), NULL), FRZ_OK);
  for (size_t i = 0; i < n; i++) {
    double real = texts[i] != NULL ? strtod(texts[i], NULL) : 0;
    frz_status st = FRZ_OK;
    if (texts[i] == NULL)
      st = frz_column_append_nulls(&leaf->column, 1, NULL);
    else if (kind == FRZ_ARROW_FLOAT64)
      st = frz_column_append_value(&leaf->column, &real, sizeof real, NULL);
    else
      st = frz_column_append_value(&leaf->column, texts[i], strlen(texts[i]), NULL);
    assert_int_equal(st, FRZ_OK);
  }
}

static void test_equality_sets(void **state)
{
  (void)state;
  static const int32_t ids[] = {1, 2};
  const char *deleted_a[] = {"x", NULL, "y"};
  const char *deleted_b[] = {"1", "nan", NULL};
  const char *row_a[] = {"x", NULL, "y", "x", "x1", ""};
  const char *row_b[] = {"1", "-nan", NULL, NULL, "1", "1"};
  frz_equality_set *set;
  frz_leaf_column keys[2], columns[2];
  assert_int_equal(frz_equality_set_create(frz_alloc_default(), ids, 2, 1 << 20, &set, NULL),
                   FRZ_OK);
  fill(&keys[0], FRZ_ARROW_STRING, deleted_a, 3);
  fill(&keys[1], FRZ_ARROW_FLOAT64, deleted_b, 3);
  fill(&columns[0], FRZ_ARROW_STRING, row_a, 6);
  fill(&columns[1], FRZ_ARROW_FLOAT64, row_b, 6);
  assert_int_equal(frz_equality_set_add(set, keys, 3, 5, NULL), FRZ_OK);
  assert_int_equal(frz_equality_set_add(set, keys, 1, 7, NULL), FRZ_OK);
  assert_int_equal(frz_equality_set_add(set, keys, 1, 6, NULL), FRZ_OK); /* the greatest stays */
  static const struct {
    int64_t sequence;
    int64_t kept[6];
    int64_t n;
  } expected[] = {{4, {3, 4, 5}, 3},
                  {5, {1, 2, 3, 4, 5}, 5},
                  {6, {1, 2, 3, 4, 5}, 5},
                  {7, {0, 1, 2, 3, 4, 5}, 6}};
  for (size_t i = 0; i < LENGTH(expected); i++) {
    int64_t rows[] = {0, 1, 2, 3, 4, 5};
    int64_t n = 6;
    assert_int_equal(frz_equality_set_filter(set, columns, expected[i].sequence, rows, &n, NULL),
                     FRZ_OK);
    assert_int_equal(n, expected[i].n);
    assert_memory_equal(rows, expected[i].kept, (size_t)n * sizeof *rows);
  }
  for (size_t i = 0; i < 2; i++) {
    frz_leaf_column_dispose(&keys[i]);
    frz_leaf_column_dispose(&columns[i]);
  }
  frz_equality_set_free(set);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vectors_of_the_reference),
      cmocka_unit_test(test_damaged_vectors_are_refused),
      cmocka_unit_test(test_vectors_round_trip),
      cmocka_unit_test(test_vectors_are_what_their_footer_says),
      cmocka_unit_test(test_scopes),
      cmocka_unit_test(test_path_bounds_against_brute_force),
      cmocka_unit_test(test_bad_deletes_are_refused),
      cmocka_unit_test(test_partition_keys),
      cmocka_unit_test(test_equality_sets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
