/*
 * view_store.h - the feature views that are served: their tables, opened on first use and kept.
 *
 * Any thread. A view is counted: who got it gives it back, and it lives on after it was replaced.
 */
#ifndef FRAZIL_SERVER_VIEW_STORE_H
#define FRAZIL_SERVER_VIEW_STORE_H

#include "frazil/online.h"
#include "published.h"
#include "text_out.h"

typedef struct view_store view_store;
typedef struct served_view served_view;

typedef struct view_store_options {
  frz_context *context;
  frz_catalog *catalog;
  const char *namespace_name;
  const char *project;
  frz_online_options online;
} view_store_options;

/** Texts of the options are copied; context and catalog are borrowed. */
frz_status view_store_create(const view_store_options *options, view_store **store_out,
                             frz_error *err) FRZ_MUST_CHECK;

/** No view may be in use. */
void view_store_free(view_store *store);

/**
 * The view of that name (not NUL-terminated), its table opened where that is new.
 * @param[in] version      0: none was asked for.
 * @retval FRZ_ERR_NOT_FOUND no such table; it is looked for again after a second.
 */
frz_status view_store_get(view_store *store, const char *name, size_t name_size, uint32_t version,
                          served_view **view_out, frz_error *err) FRZ_MUST_CHECK;

void view_store_release(view_store *store, served_view *view);

/** The view's table is gone: open it anew when it is next asked for. */
void view_store_forget(view_store *store, served_view *view);

/** The table. Borrowed from the view. */
frz_online *served_view_table(served_view *view);

/** The view's name in Feast, without version. */
const char *served_view_name(const served_view *view);

/** A result to read into; give it back. */
frz_status served_view_take_result(served_view *view, frz_online_result **result_out,
                                   frz_error *err) FRZ_MUST_CHECK;
void served_view_give_result(served_view *view, frz_online_result *result);

/**
 * What was published, or NULL where nothing was; published_release() it.
 * @param[in] is_missed  Something was not found in it: look again, if the last look is a second
 * old.
 */
frz_status view_store_published(view_store *store, bool is_missed, published **published_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** Of the upkeep thread, now and then: takes in what was published anew. `at_once`: however young
 * what is known is, and views that were not found are looked for again. */
void view_store_refresh(view_store *store, bool at_once);

/** Numbers of each view's table in Prometheus's text form. */
void view_store_put_metrics(view_store *store, text_out *out);

const char *view_store_project(const view_store *store);
const char *view_store_namespace(const view_store *store);

#endif
