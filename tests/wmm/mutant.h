/*
 * Weakening one operation of the kernel: if no test notices, either the order
 * is not needed or a test is missing.
 */
#ifndef TORC_WMM_MUTANT_H
#define TORC_WMM_MUTANT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum site_kind { SITE_NONE, SITE_LOAD, SITE_STORE, SITE_MODIFY, SITE_FENCE };

void mutant_init(void);

/* Take these bits of enum order from the operation at `site`, from now on. */
void mutant_set(uintptr_t site, unsigned without);

/* The order the operation at `site` has; notes the site. */
unsigned mutant_order(const void *site, enum site_kind kind, unsigned order);

/*
 * Print the sites seen, "SITE used", and the mutants there are of each,
 * "SITE:WITHOUT KIND WHAT".
 */
void mutant_list(FILE *file);

#endif
