/*
 * puffin_footer.c - the JSON footer of a Puffin file, checked against the file.
 */
#include "puffin/puffin.h"
