/*
 * A site on every CPU (cpu=all): CPU 0 has the disk, each CPU a stack on the
 * card and a server of its own. An application that names these functions in
 * its struct site_network has it.
 */
#ifndef TORC_APPS_SITE_EVERYWHERE_H
#define TORC_APPS_SITE_EVERYWHERE_H

#include "apps/site/options.h"
#include <torc/compiler.h>

/* struct site_network.everywhere */
must_check int site_everywhere(const struct site_options *options);

/* struct site_network.start_all, for cards with an address by the command line.
 */
must_check int site_net_start_all(struct device *card,
                                  struct net_config *config);

#endif
