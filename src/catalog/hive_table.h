/*
 * hive_table.h - Iceberg tables as a Hive metastore describes them.
 *
 * Source: hive_metastore.thrift, structs Table, StorageDescriptor, FieldSchema; the parameters are
 * those of Iceberg's Java and Python libraries.
 */
#ifndef FRZ_CATALOG_HIVE_TABLE_H
#define FRZ_CATALOG_HIVE_TABLE_H

#include "catalog/hive_type.h"
#include "catalog/pointer_table.h"
#include "net/thrift_binary.h"

/** What a description says. All is borrowed from its bytes or the arena; size 0: not there. */
typedef struct frz_hive_table {
  frz_str bytes; /* the whole of it, so that what is not known here can be kept */
  frz_str name;
  frz_str storage;  /* the StorageDescriptor's bytes */
  frz_str location; /* of the metadata file */
  frz_text_pair *parameters;
  size_t n_parameters;
  bool is_iceberg;
} frz_hive_table;

/** Read one; the reader, all in memory, stands at its fields. FRZ_ERR_CORRUPT. */
frz_status frz_hive_table_read(frz_tbinary_reader *reader, frz_arena *arena,
                               frz_hive_table *table_out, frz_error *err) FRZ_MUST_CHECK;

/** What a table is written from. */
typedef struct frz_hive_table_form {
  const frz_identifier *id;
  const frz_hive_table *old;        /* NULL: a new one */
  const frz_table_metadata *before; /* of old */
  const frz_loaded_table *next;
  frz_hive_dialect dialect;
  const char *owner; /* of a new one */
} frz_hive_table_form;

/** Write the fields of a Table and its end. What `old` says beyond the pointer, the columns and the
 * table's own properties is kept. */
frz_status frz_hive_table_write(frz_tbinary_writer *writer, const frz_hive_table_form *form,
                                frz_arena *arena, frz_error *err) FRZ_MUST_CHECK;

/** The same table under another name. */
frz_status frz_hive_table_write_renamed(frz_tbinary_writer *writer, const frz_identifier *id,
                                        const frz_hive_table *old, frz_error *err) FRZ_MUST_CHECK;

#endif
