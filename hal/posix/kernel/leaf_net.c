/*
 * Network cards of the hosted machine: hal/leaf.h. What is asked is checked
 * here; the host half carries it out.
 */
#include "hal/hal.h"
#include "hal/leaf.h"
#include "hal/posix/host/net.h"
#include "hal/posix/kernel/boot.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/leaf.h"
#include <stdatomic.h>
#include <torc/assert.h>

enum { NOBODY = -1 };

static_assert(sizeof(struct hal_net_frame) == sizeof(struct host_frame) &&
                  offsetof(struct hal_net_frame, status) ==
                      offsetof(struct host_frame, status),
              "a frame is the same in both halves");

static struct net {
    /* constant from host_machine_prepare() on: */
    bool present;
    uint8_t mac[6];
    uint32_t vsock_cid;
    struct host_net_info info;
    /* any CPU: */
    struct {
        atomic_int owner; /* CPU, or NOBODY */
        int irq;          /* constant once there is an owner; its */
    } queues[HOST_NET_QUEUES];
} nets[HOST_NET_MAX];

static int net_open(unsigned unit, const struct host_net_config *config)
{
    static const uint8_t mac_default[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    struct net *net = &nets[unit];
    int err = host_net_open(unit, config, machine_boot.cpu_count, &net->info);
    unsigned any = 0;

    if (err != 0)
        return err;
    assert(net->info.queue_count > 0);
    assert(net->info.queue_count <= HOST_NET_QUEUES);
    net->present = true;
    net->vsock_cid = config->vsock_cid;
    for (unsigned i = 0; i < HOST_NET_QUEUES; i++)
        atomic_store(&net->queues[i].owner, NOBODY);
    for (unsigned i = 0; i < 6; i++)
        any |= config->mac[i];
    for (unsigned i = 0; i < 6; i++)
        net->mac[i] = any != 0 ? config->mac[i] : mac_default[i];
    if (any == 0)
        net->mac[5] = (uint8_t)(net->mac[5] + unit);
    return 0;
}

int leaf_nets_open(const struct host_config *config)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < config->net_count; i++)
        err = net_open(i, &config->nets[i]);
    return err;
}

void leaf_nets_close(void)
{
    for (unsigned i = 0; i < HOST_NET_MAX; i++) {
        if (nets[i].present)
            host_net_close(i);
        nets[i].present = false;
    }
}

static bool net_present(unsigned unit)
{
    return unit < HOST_NET_MAX && nets[unit].present;
}

int hal_net_info(unsigned unit, struct hal_net_info *info)
{
    const struct net *net;

    if (!net_present(unit))
        return -ENODEV;
    net = &nets[unit];
    *info = (struct hal_net_info){.mtu = net->info.mtu,
                                  .offloads = net->info.offloads,
                                  .queue_count = net->info.queue_count,
                                  .frame_max = net->info.frame_max,
                                  .vsock_cid = net->vsock_cid};
    for (unsigned i = 0; i < 6; i++)
        info->mac[i] = net->mac[i];
    return 0;
}

bool hal_net_link(unsigned unit)
{
    return net_present(unit) && host_net_link(unit);
}

/* ---- Queues -------------------------------------------------------------- */

/* Whether this CPU has opened the queue; it alone may use it. */
static bool queue_mine(unsigned unit, unsigned queue)
{
    return net_present(unit) && queue < nets[unit].info.queue_count &&
           atomic_load_explicit(&nets[unit].queues[queue].owner,
                                memory_order_relaxed) == (int)vcpu_self()->id;
}

static int queue_irq(unsigned unit, unsigned queue, unsigned cpu)
{
    uint64_t address;
    uint32_t data;
    int irq = hal_irq_msi(cpu, &address, &data);
    int err;

    if (irq < 0)
        return irq;
    err = host_net_queue_open(unit, queue, cpu, irq);
    return err != 0 ? err : irq;
}

int hal_net_open(unsigned unit, unsigned queue)
{
    int cpu = (int)vcpu_self()->id, owner = NOBODY;
    struct net *net;
    int irq;

    if (!net_present(unit) || queue >= nets[unit].info.queue_count)
        return -ENODEV;
    net = &nets[unit];
    if (!atomic_compare_exchange_strong(&net->queues[queue].owner, &owner, cpu))
        return owner == cpu ? net->queues[queue].irq : -EBUSY;
    irq = queue_irq(unit, queue, (unsigned)cpu);
    net->queues[queue].irq = irq;
    if (irq < 0)
        atomic_store(&net->queues[queue].owner, NOBODY);
    return irq;
}

/* ---- Frames -------------------------------------------------------------- */

/* What is asked of the card is among what it has, and within the frame. */
static bool offload_fits(const struct net *net,
                         const struct hal_net_frame *frame)
{
    static const unsigned needs[] = {
        [HAL_NET_WHOLE] = 0,
        [HAL_NET_TCP4] = HAL_NET_TX_TCP4,
        [HAL_NET_TCP6] = HAL_NET_TX_TCP6,
    };
    unsigned need;

    if (frame->segments >= COUNT_OF(needs))
        return false;
    need = needs[frame->segments];
    if (frame->csum_partial)
        need |= HAL_NET_TX_CSUM;
    if ((net->info.offloads & need) != need)
        return false;
    if (frame->csum_partial && (frame->csum_at < frame->csum_start ||
                                frame->csum_at + 2U > frame->len))
        return false;
    return frame->segments == HAL_NET_WHOLE ||
           (frame->csum_partial && frame->segment_len > 0 &&
            frame->headers_len <= frame->len);
}

static bool frame_fits(const struct net *net, const struct hal_net_frame *frame)
{
    uint32_t max = frame->segments == HAL_NET_WHOLE
                       ? (uint32_t)(net->info.mtu + HOST_ETHER)
                       : (uint32_t)HOST_FRAME_LARGE;
    uint32_t left = frame->len;

    if (frame->len < HOST_ETHER || frame->len > max ||
        frame->vec_count > HAL_NET_VECS)
        return false;
    for (unsigned i = 0; i < frame->vec_count; i++) {
        if (frame->vec[i].len > left)
            return false;
        left -= (uint32_t)frame->vec[i].len;
    }
    return left == 0 && offload_fits(net, frame);
}

static struct host_frame *host_frames(struct hal_net_frame *frames)
{
    return (struct host_frame *)frames;
}

unsigned hal_net_send_all(unsigned unit, unsigned queue,
                          struct hal_net_frame *frames, unsigned count)
{
    bool mine = queue_mine(unit, queue);
    unsigned done = 0;

    while (done < count) {
        unsigned run = 0, taken = 0;

        while (mine && done + run < count &&
               frame_fits(&nets[unit], &frames[done + run]))
            run++;
        if (run > 0)
            taken = host_net_send(unit, queue, host_frames(frames + done), run);
        done += taken;
        if (taken < run) {
            cpu_watch_ring(); /* it may tell of room */
            break;
        }
        if (done < count)
            frames[done++].status = mine ? -EMSGSIZE : -ENODEV;
    }
    return done;
}

unsigned hal_net_recv_all(unsigned unit, unsigned queue,
                          struct hal_net_frame *frames, unsigned count)
{
    if (count == 0)
        return 0;
    if (!queue_mine(unit, queue)) {
        frames[0].status = -ENODEV;
        return 1;
    }
    for (unsigned i = 0; i < count; i++)
        assert(frames[i].vec_count <= HAL_NET_VECS);
    return host_net_recv(unit, queue, host_frames(frames), count);
}

bool hal_net_arm(unsigned unit, unsigned queue, bool on)
{
    bool armed;

    if (!queue_mine(unit, queue))
        return true;
    armed = host_net_arm(unit, queue, on);
    cpu_watch_ring();
    return armed;
}
