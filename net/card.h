/* How an application's only card is started: <torc/net_card.h>. */
#ifndef TORC_NET_CARD_INTERNAL_H
#define TORC_NET_CARD_INTERNAL_H

#include <torc/net.h>

struct net_card_way {
    /* What net= says, of which `syntax` is the form. Returns 0, -EINVAL. */
    int (*parse)(const char *text, struct net_config *out);
    const char *syntax;

    /* Dedicate the card, start the stack on it, and change *config to what it
     * has then. Returns 0 or as device_dedicate() and net_start(). */
    int (*start)(struct device *card, struct net_config *config);
};

/* net_card_start() in that way. */
must_check int net_card_start_by(const struct net_card_way *way,
                                 uint16_t *port);

#endif
