/*
 * Cards whose frames are written to a file (capture.h): they lie over a card of
 * another kind. Without --pcap there are none, and nothing is asked for each
 * frame.
 */
#include "hal/posix/host/capture.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/net_internal.h"

static const struct net_kind *below[HOST_NET_MAX];

static void captured_close(unsigned unit)
{
    below[unit]->close(unit);
}

static bool captured_link(unsigned unit)
{
    return below[unit]->link == NULL || below[unit]->link(unit);
}

static int captured_queue_open(unsigned unit, unsigned queue, unsigned cpu,
                               int irq)
{
    return below[unit]->queue_open(unit, queue, cpu, irq);
}

/* Its time is before that of any answer. */
static unsigned captured_send(unsigned unit, unsigned queue,
                              struct host_frame *frames, unsigned count)
{
    uint64_t now_ns = host_time_ns();
    unsigned taken = kind_send(below[unit], unit, queue, frames, count);

    for (unsigned i = 0; i < taken; i++)
        if (frames[i].status == 0)
            host_capture_frame(unit, true, now_ns, &frames[i]);
    return taken;
}

static unsigned captured_recv(unsigned unit, unsigned queue,
                              struct host_frame *frames, unsigned count)
{
    unsigned got = kind_recv(below[unit], unit, queue, frames, count);
    uint64_t now_ns = host_time_ns();

    for (unsigned i = 0; i < got; i++)
        if (frames[i].status == 0)
            host_capture_frame(unit, false, now_ns, &frames[i]);
    return got;
}

static bool captured_arm(unsigned unit, unsigned queue, bool on)
{
    return below[unit]->arm(unit, queue, on);
}

static const struct net_kind net_captured = {
    .close = captured_close,
    .link = captured_link,
    .queue_open = captured_queue_open,
    .send_all = captured_send,
    .recv_all = captured_recv,
    .arm = captured_arm,
};

const struct net_kind *net_capture(unsigned unit, const struct net_kind *kind,
                                   const struct host_net_config *config)
{
    below[unit] = kind;
    host_capture_card(unit, config);
    return &net_captured;
}
