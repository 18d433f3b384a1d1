/*
 * parquet_shape.h - how a Parquet node turns into an Arrow column: lists, maps and structs found
 * in the tree of groups, with the levels that mark their rows.
 *
 * A node has a slot for every entry whose repetition level is at most slot_rep and whose
 * definition level is at least slot_def; the slot is present where the definition level reaches
 * present_def. A list or map has an item for every entry with repetition <= item_rep and
 * definition >= item_def: the slots of its child.
 */
#ifndef FRZ_PARQUET_PARQUET_SHAPE_H
#define FRZ_PARQUET_PARQUET_SHAPE_H

#include "parquet/format/parquet_metadata.h"

typedef enum frz_shape_kind {
  FRZ_SHAPE_LEAF,
  FRZ_SHAPE_STRUCT,
  FRZ_SHAPE_LIST /* or map: one child */
} frz_shape_kind;

typedef struct frz_parquet_shape frz_parquet_shape;
struct frz_parquet_shape {
  frz_shape_kind kind;
  const frz_parquet_node *node;
  const frz_arrow_field *field;
  int32_t slot_def, slot_rep;
  int32_t present_def;
  int32_t item_def, item_rep; /* LIST */
  frz_parquet_shape *children;
  size_t n_children;
};

/** The shape of a node with at least one selected leaf (`selected` NULL: all), and its field. */
frz_status frz_parquet_shape_make(const frz_parquet_node *node, const bool *selected,
                                  frz_arena *arena, frz_parquet_shape *shape_out,
                                  frz_arrow_field *field_out, frz_error *err) FRZ_MUST_CHECK;

/** Is any leaf of the node selected? */
bool frz_parquet_node_selected(const frz_parquet_node *node, const bool *selected);

#endif
