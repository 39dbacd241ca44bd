/*
 * Trace sites: <torc/trace_site.h>, which each machine has for itself.
 *
 * A site is an operation that the code needs anyhow (a store, a sum, a load),
 * and a function that is called behind it once sites are on:
 *
 *   trace_site_add(&link->taken, 1, trace_taken, (uintptr_t)link, 0);
 *
 * does ++link->taken, and then perhaps trace_taken(link, 0). On bare metal this
 * costs nothing while sites are off. On the hosted machine it costs a look at
 * one byte. The function must not wait, and runs where the site is: in a
 * thread, in irq work or in an interrupt handler. Of memory it may read what
 * the site itself has written, and what was there when the function around the
 * site was called: the compiler does not know of the call and may keep other
 * stores until behind it.
 */
#ifndef TORC_HAL_TRACE_H
#define TORC_HAL_TRACE_H

/* Turn all sites on, for good. CPU 0, before others start. */
void hal_trace_sites_on(void);

#endif
