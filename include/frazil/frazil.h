/*
 * frazil.h - the whole public API: include this one.
 */
#ifndef FRAZIL_FRAZIL_H
#define FRAZIL_FRAZIL_H

#include "frazil/arrow.h"
#include "frazil/catalog.h"
#include "frazil/context.h"
#include "frazil/evolution.h"
#include "frazil/exchange.h"
#include "frazil/explain.h"
#include "frazil/maintenance.h"
#include "frazil/materialize.h"
#include "frazil/online.h"
#include "frazil/pit.h"
#include "frazil/status.h"
#include "frazil/table.h"
#include "frazil/text.h"

#endif
