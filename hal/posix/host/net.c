/* Network cards of any kind: see net.h. */
#include "hal/posix/host/net.h"
#include "hal/posix/host/capture.h"
#include "hal/posix/host/net_internal.h"
#include <errno.h>
#include <torc/assert.h>

static const struct net_kind *const kinds[] = {
    [HOST_NET_TAP] = &net_tap,
    [HOST_NET_USER] = &net_slirp,
    [HOST_NET_LINK] = &net_link,
    [HOST_NET_UNIX] = &net_unix,
};

/* Of the units that are open. */
static const struct net_kind *units[HOST_NET_MAX];

int host_net_open(unsigned unit, const struct host_net_config *config,
                  unsigned queue_max, struct host_net_info *info)
{
    const struct net_kind *kind = kinds[config->kind];
    int err;

    assert(unit < HOST_NET_MAX);
    assert(queue_max > 0);
    *info = (struct host_net_info){
        .mtu = HOST_MTU, .queue_count = 1, .frame_max = HOST_FRAME_MAX};
    if (queue_max > HOST_NET_QUEUES)
        queue_max = HOST_NET_QUEUES;
    err = kind->open(unit, config, queue_max, info);
    if (err != 0)
        return err;
    units[unit] = kind;
    if (host_capture_on())
        units[unit] = net_capture(unit, kind, config);
    return 0;
}

void host_net_close(unsigned unit)
{
    units[unit]->close(unit);
}

bool host_net_link(unsigned unit)
{
    return units[unit]->link == NULL || units[unit]->link(unit);
}

int host_net_queue_open(unsigned unit, unsigned queue, unsigned cpu, int irq)
{
    return units[unit]->queue_open(unit, queue, cpu, irq);
}

unsigned kind_send(const struct net_kind *kind, unsigned unit, unsigned queue,
                   struct host_frame *frames, unsigned count)
{
    if (kind->send_all != NULL)
        return kind->send_all(unit, queue, frames, count);
    for (unsigned i = 0; i < count; i++) {
        frames[i].status = kind->send(unit, queue, &frames[i]);
        if (frames[i].status == -EAGAIN)
            return i;
    }
    return count;
}

unsigned kind_recv(const struct net_kind *kind, unsigned unit, unsigned queue,
                   struct host_frame *frames, unsigned count)
{
    if (kind->recv_all != NULL)
        return kind->recv_all(unit, queue, frames, count);
    for (unsigned i = 0; i < count; i++) {
        int status = kind->recv(unit, queue, &frames[i]);

        if (status == -EAGAIN)
            return i;
        frames[i].status = status;
    }
    return count;
}

unsigned host_net_send(unsigned unit, unsigned queue, struct host_frame *frames,
                       unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert(frames[i].len >= HOST_ETHER &&
               frame_room(&frames[i]) == frames[i].len);
    return kind_send(units[unit], unit, queue, frames, count);
}

unsigned host_net_recv(unsigned unit, unsigned queue, struct host_frame *frames,
                       unsigned count)
{
    unsigned got = kind_recv(units[unit], unit, queue, frames, count);

    for (unsigned i = 0; i < got; i++)
        assert(frames[i].status != 0 ||
               frames[i].len <= frame_room(&frames[i]));
    return got;
}

bool host_net_arm(unsigned unit, unsigned queue, bool on)
{
    return units[unit]->arm(unit, queue, on);
}
