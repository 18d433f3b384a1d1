/*
 * string_list.c - lists of names that a catalog returns.
 *
 * Invariant: the array has room for the next power of two of n_items, so that its size need not
 * be stored in the public struct.
 */
#include <stdlib.h>

#include "catalog/catalog_ops.h"

static size_t room_for(size_t n_items)
{
  size_t room = 4;
  while (room < n_items) room *= 2;
  return room;
}

frz_status frz_string_list_add(frz_string_list *list, frz_str text, frz_error *err)
{
  frz_string copy;
  FRZ_TRY(frz_string_copy(list->alloc, text, &copy, err));
  size_t old_room = list->items != NULL ? room_for(list->n_items) : 0;
  size_t new_room = room_for(list->n_items + 1);
  if (new_room > old_room) {
    char **grown = list->alloc->resize(list->alloc->ctx, list->items, old_room * sizeof(char *),
                                       new_room * sizeof(char *));
    if (grown == NULL) {
      frz_string_dispose(&copy);
      return frz_fail_nomem(err, "list of names");
    }
    list->items = grown;
  }
  list->items[list->n_items++] = copy.data;
  return FRZ_OK;
}

static int compare(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

void frz_string_list_sort(frz_string_list *list)
{
  if (list->n_items > 1) qsort(list->items, list->n_items, sizeof *list->items, compare);
}

void frz_string_list_dispose(frz_string_list *list)
{
  if (list == NULL) return;
  if (list->items != NULL) {
    for (size_t i = 0; i < list->n_items; i++)
      frz_alloc_free(list->alloc, list->items[i], strlen(list->items[i]) + 1);
    frz_alloc_free(list->alloc, list->items, room_for(list->n_items) * sizeof(char *));
  }
  *list = (frz_string_list){0};
}
