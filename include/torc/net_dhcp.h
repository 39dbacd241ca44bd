/* The network, configured by DHCP: docs/net_services.md. */
#ifndef TORC_NET_DHCP_H
#define TORC_NET_DHCP_H

#include <stdint.h>
#include <torc/compiler.h>
#include <torc/device.h>
#include <torc/errno.h>
#include <torc/net.h>
#include <torc/time.h>

/* How long the start of an application waits for an address. */
#define NET_DHCP_WAIT_NS (20 * NS_PER_S)

/*
 * As net_start(), with an address that DHCP gives. Waits until there is one,
 * `wait_ns` at most; without one it says so in the log, and a thread goes on
 * asking. Services may be registered before there is an address.
 *
 * Returns 0; -ETIMEDOUT (there is none yet); -ENOTSUP (this CPU has a card with
 * others, by net_start_on()); -EXDEV, -EBUSY, -EINVAL as net_start(); -ENOMEM,
 * after which there may be a stack that stays without an address. Context:
 * thread of the CPU that has the card; waits.
 */
must_check int net_start_dhcp(struct device *device, uint64_t wait_ns);

/*
 * As net_start_all(), with an address that DHCP gives to all of them, and that
 * all lose together. Waits, and returns, as net_start_dhcp().
 */
must_check int net_start_dhcp_all(struct device *device, uint64_t wait_ns);

/*
 * What net= says, ADDRESS/PREFIX[,GATEWAY] or dhcp: then *out is all 0. Returns
 * 0, -EINVAL. And the start as it says, of a card that is dedicated to this CPU
 * or to nobody: with dhcp the start waits for an address for 20 seconds and
 * goes on without. *config becomes what the card has. Returns 0, or as
 * device_dedicate(), net_start() and net_start_dhcp(). Context: thread; waits.
 */
must_check int net_dhcp_or_static_parse(const char *text,
                                        struct net_config *out);
must_check int net_dhcp_or_static_start(struct device *card,
                                        struct net_config *config);

/* net_dhcp_or_static_start() for all CPUs, or the first 16: as net_start_all()
 * and net_start_dhcp_all(). The card is dedicated to nobody yet. */
must_check int net_dhcp_or_static_start_all(struct device *card,
                                            struct net_config *config);

/*
 * As net_card_start() of <torc/net_card.h>; net= may be dhcp.
 */
must_check int net_card_start_dhcp(uint16_t *port);

#endif
