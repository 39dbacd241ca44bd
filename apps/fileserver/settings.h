/*
 * The options of the file server: those of apps/site/options.h, with
 * root=memory for files that are in memory only, and
 *
 *   upload-max=BYTES   of one file; default: what the disk holds
 *   sync=0|1           whether an answer waits for the disk, default 1
 *   list=0|1           whether directories without index are listed, default 1
 *   parents=0|1        whether PUT makes missing directories, default 0
 */
#ifndef TORC_APPS_FILESERVER_SETTINGS_H
#define TORC_APPS_FILESERVER_SETTINGS_H

#include "apps/site/options.h"
#include <stdbool.h>

struct settings {
    struct site_options site;
    bool in_memory;
    bool syncs;
    bool lists;
    bool makes_parents;
    uint64_t upload_max; /* bytes */
};

/* For struct torc_app. */
extern const char *const settings_names[];

/* As site_options_read(). */
must_check int settings_read(int argc, char **argv, struct settings *out);

#endif
