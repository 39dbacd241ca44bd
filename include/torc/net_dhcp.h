/* The network, configured by DHCP: docs/net_services.md. */
#ifndef TORC_NET_DHCP_H
#define TORC_NET_DHCP_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/device.h>
#include <torc/errno.h>

/*
 * As net_start(), with an address that DHCP gives. Waits until there is one,
 * `wait_ns` at most; without one it says so in the log, and a thread goes on
 * asking. Services may be registered before there is an address.
 *
 * Returns 0; -ETIMEDOUT (there is none yet); -EXDEV, -EBUSY, -EINVAL as
 * net_start(); -ENOMEM, after which there may be a stack that stays without an
 * address. Context: thread of the CPU that has the card; waits.
 */
must_check int net_start_dhcp(struct device *device, uint64_t wait_ns);

/*
 * As net_card_start() of <torc/net_card.h>; with net=dhcp by net_start_dhcp():
 * the start waits for an address for 20 seconds and goes on without.
 */
must_check int net_card_start_dhcp(uint16_t *port);

#endif
