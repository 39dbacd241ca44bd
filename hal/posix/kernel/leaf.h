/*
 * Leaf devices of the hosted machine (leaf_disk.c, leaf_net.c).
 */
#ifndef TORC_HAL_POSIX_LEAF_H
#define TORC_HAL_POSIX_LEAF_H

#include "hal/posix/host/config.h"

/* Open the disks and nets. Returns 0, or an error after a line on stderr. */
int leaf_disks_open(const struct host_config *config);
int leaf_nets_open(const struct host_config *config);
void leaf_disks_close(void);

/* What is always true of the disks' queues. The CPU of their drivers. */
void leaf_disks_check(void);
void leaf_nets_close(void);

#endif
