/*
 * Leaf devices of the hosted machine: hal.h, section 9. Disks are files, nets
 * are taps or a network inside the process.
 *
 * Each unit is used by one CPU, that of its driver; the queue of a disk is
 * bounded by its slots. Requests cross to the host half in a slot.
 */
#include "hal/posix/machine.h"

enum { SECTOR_SIZE = 512, QUEUE_MAX = 128, FRAME_MIN = 14 };

struct slot {
    struct host_disk_request host;
    struct hal_blk_req *req;
    struct slot *next_free;
};

struct disk {
    /* constant from host_machine_prepare() on: */
    bool present;
    bool read_only;
    uint64_t sectors;
    /* the CPU of the driver only: */
    struct slot *free;
    struct slot slots[QUEUE_MAX];
};

static struct disk disks[HOST_DISK_MAX];

static struct net {
    bool present;
    uint8_t mac[6];
} nets[HOST_NET_MAX];

/* ---- Start and end ---------------------------------------------------------- */

static int disk_open(unsigned unit, const struct host_disk_config *config)
{
    struct disk *disk = &disks[unit];
    struct host_disk_info info;
    int err = host_disk_open(unit, config, (int)(IRQ_LEAF_DISK + unit), &info);

    if (err != 0)
        return err;
    disk->present = true;
    disk->read_only = info.read_only;
    disk->sectors = info.size / SECTOR_SIZE;
    disk->free = NULL;
    for (unsigned i = 0; i < QUEUE_MAX; i++) {
        disk->slots[i].next_free = disk->free;
        disk->free = &disk->slots[i];
    }
    return 0;
}

static int net_open(unsigned unit, const struct host_net_config *config)
{
    static const uint8_t mac_default[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    struct net *net = &nets[unit];
    int err = host_net_open(unit, config, (int)(IRQ_LEAF_NET + unit));
    unsigned any = 0;

    if (err != 0)
        return err;
    net->present = true;
    for (unsigned i = 0; i < 6; i++)
        any |= config->mac[i];
    for (unsigned i = 0; i < 6; i++)
        net->mac[i] = any != 0 ? config->mac[i] : mac_default[i];
    if (any == 0)
        net->mac[5] = (uint8_t)(net->mac[5] + unit);
    return 0;
}

int leaf_open(const struct host_config *config)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < config->disk_count; i++)
        err = disk_open(i, &config->disks[i]);
    for (unsigned i = 0; err == 0 && i < config->net_count; i++)
        err = net_open(i, &config->nets[i]);
    return err;
}

void leaf_close(void)
{
    for (unsigned i = 0; i < HOST_DISK_MAX; i++) {
        if (disks[i].present)
            host_disk_close(i);
        disks[i].present = false;
    }
    for (unsigned i = 0; i < HOST_NET_MAX; i++) {
        if (nets[i].present)
            host_net_close(i);
        nets[i].present = false;
    }
}

/* ---- Disks ------------------------------------------------------------------ */

static struct disk *disk_of(unsigned unit)
{
    return unit < HOST_DISK_MAX && disks[unit].present ? &disks[unit] : NULL;
}

int hal_blk_info(unsigned unit, struct hal_blk_info *info)
{
    const struct disk *disk = disk_of(unit);

    if (disk == NULL)
        return -ENODEV;
    info->sectors = disk->sectors;
    info->read_only = disk->read_only;
    info->irq = (int)(IRQ_LEAF_DISK + unit);
    return 0;
}

int hal_blk_submit(unsigned unit, struct hal_blk_req *req)
{
    struct disk *disk = disk_of(unit);
    struct slot *slot;

    if (disk == NULL)
        return -ENODEV;
    if (req->sector > disk->sectors || req->count > disk->sectors - req->sector)
        return -EINVAL;
    if (req->count == 0 && !req->write)
        return -EINVAL;
    slot = disk->free;
    if (slot == NULL)
        return -EAGAIN;
    disk->free = slot->next_free;
    slot->req = req;
    slot->host.op = req->count == 0 ? HOST_DISK_FLUSH
                    : req->write    ? HOST_DISK_WRITE
                                    : HOST_DISK_READ;
    slot->host.offset = req->sector * SECTOR_SIZE;
    slot->host.size = (size_t)req->count * SECTOR_SIZE;
    slot->host.buf = req->buf;
    host_disk_submit(unit, &slot->host);
    return 0;
}

struct hal_blk_req *hal_blk_poll(unsigned unit)
{
    struct disk *disk = disk_of(unit);
    struct host_disk_request *done;
    struct slot *slot;

    if (disk == NULL)
        return NULL;
    done = host_disk_poll(unit);
    if (done == NULL)
        return NULL;
    slot = container_of(done, struct slot, host);
    slot->req->status = done->status;
    slot->next_free = disk->free;
    disk->free = slot;
    return slot->req;
}

/* ---- Nets ------------------------------------------------------------------- */

static bool net_present(unsigned unit)
{
    return unit < HOST_NET_MAX && nets[unit].present;
}

int hal_net_info(unsigned unit, struct hal_net_info *info)
{
    if (!net_present(unit))
        return -ENODEV;
    for (unsigned i = 0; i < 6; i++)
        info->mac[i] = nets[unit].mac[i];
    info->mtu = HOST_MTU;
    info->irq = (int)(IRQ_LEAF_NET + unit);
    return 0;
}

int hal_net_send(unsigned unit, const void *frame, size_t len)
{
    if (!net_present(unit))
        return -ENODEV;
    if (len < FRAME_MIN || len > HOST_FRAME_MAX)
        return -EMSGSIZE;
    return host_net_send(unit, frame, len);
}

int hal_net_recv(unsigned unit, void *buf, size_t size)
{
    if (!net_present(unit))
        return -ENODEV;
    return host_net_recv(unit, buf, size);
}
