/*
 * The network as the command line wants it, for applications with one card and
 * one port:
 *
 *   net=ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   port=NUMBER                    1 .. 65535, default as the application says
 */
#ifndef TORC_NET_CARD_H
#define TORC_NET_CARD_H

#include <stdint.h>
#include <torc/compiler.h>

/* The options, for struct torc_app. */
#define NET_CARD_OPTION_NAMES                                               \
    "net=ADDRESS/PREFIX[,GATEWAY] the card's address; dhcp, where that is " \
    "linked (10.0.2.15/24,10.0.2.2)",                                       \
        "port=1..65535 the port of the application (its usual one)"

/*
 * Give the first card to this CPU and start a stack on it.
 *   *port   the application's port, which the option replaces
 * Returns 0, or after it has logged what is wrong -EINVAL (an option), -ENODEV
 * (no card), or as device_dedicate() and net_start(). Context: thread; waits.
 */
must_check int net_card_start(uint16_t *port);

/*
 * The same for all CPUs, or the first 16: each has a stack on the card, as by
 * net_start_on().
 */
must_check int net_card_start_all(uint16_t *port);

#endif
