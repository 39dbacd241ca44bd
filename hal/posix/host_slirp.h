/*
 * A network inside the process (libslirp): the machine is 10.0.2.15/24 behind a
 * gateway 10.0.2.2 that speaks for it to the network of the host, with ordinary
 * sockets and no privilege. Private to the host half.
 */
#ifndef TORC_HAL_POSIX_HOST_SLIRP_H
#define TORC_HAL_POSIX_HOST_SLIRP_H

#include "hal/posix/host.h"

struct host_slirp;

/* As host_net_open() and so on; NULL after a line on stderr. */
struct host_slirp *host_slirp_open(const struct host_net_config *config,
                                   int irq);
void host_slirp_close(struct host_slirp *net);
int host_slirp_send(struct host_slirp *net, const void *frame, size_t len);
int host_slirp_recv(struct host_slirp *net, void *buf, size_t size);

#endif
