/*
 * PUT and DELETE, and what they leave: the site_writes of the file server.
 *
 * Owner: the CPU of the site, and its one thread.
 */
#ifndef TORC_APPS_FILESERVER_CHANGES_H
#define TORC_APPS_FILESERVER_CHANGES_H

#include "apps/fileserver/settings.h"
#include "apps/site/writes.h"

/* What to hand to site_serve(). `settings` lives for ever. */
const struct site_writes *changes_make(const struct settings *settings);

#endif
