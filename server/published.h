/*
 * published.h - what frazil.feast.publish() stored about a Feast project: entities, views,
 * services.
 *
 * It is the property "frazil.feast.registry" of the table "{namespace}.{project}_feast_registry":
 * JSON, as docs/design/feature-server.md says. Immutable once loaded, and counted: any thread.
 */
#ifndef FRAZIL_SERVER_PUBLISHED_H
#define FRAZIL_SERVER_PUBLISHED_H

#include "frazil/catalog.h"
#include "json_tree.h"

typedef struct published {
  unsigned references; /* atomic */
  char *text;
  json_tree tree;
  uint32_t entities; /* JSON_OBJECTs */
  uint32_t views;
  uint32_t services;
} published;

/**
 * @param[in] identifier   Of the table.
 * @param[out] loaded_out  With one reference; published_release() ends it.
 * @retval FRZ_ERR_NOT_FOUND no such table: nothing was published.
 * @retval FRZ_ERR_CORRUPT   the table holds something else.
 */
frz_status published_load(frz_catalog *catalog, const char *identifier, published **loaded_out,
                          frz_error *err) FRZ_MUST_CHECK;

/** Parse the property's text; takes it over, on failure too. */
frz_status published_parse(char *text, size_t size, published **parsed_out,
                           frz_error *err) FRZ_MUST_CHECK;

void published_retain(published *loaded);
void published_release(published *loaded);

/** The object of a service, view or entity; 0: there is none of that name. */
uint32_t published_find(const published *loaded, uint32_t group, const char *name, size_t size);

/** A whole number of a view; 0: nothing was published of it, or it has no such member. */
uint32_t published_view_number(const published *loaded, const char *view, size_t size,
                               const char *member);

#endif
