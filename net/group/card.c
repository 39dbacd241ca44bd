/* An application's only card, for all CPUs: <torc/net_card.h>. */
#include "net/card.h"
#include "net/group.h"
#include <torc/machine.h>
#include <torc/net_card.h>

unsigned group_cpus(unsigned cpus[GROUP_MAX])
{
    unsigned count = 0;

    cpus[count++] = cpu_id();
    for (unsigned cpu = 0; cpu < cpu_count() && count < GROUP_MAX; cpu++) {
        if (cpu != cpus[0])
            cpus[count++] = cpu;
    }
    return count;
}

int net_start_all(struct device *card, const struct net_config *config)
{
    unsigned cpus[GROUP_MAX];
    unsigned count = group_cpus(cpus);

    return net_start_on(card, config, cpus, count);
}

static int start(struct device *card, struct net_config *config)
{
    return net_start_all(card, config);
}

int net_card_start_all(uint16_t *port)
{
    static const struct net_card_way way = {net_config_parse,
                                            "ADDRESS/PREFIX[,GATEWAY]", start};

    return net_card_start_by(&way, port);
}
