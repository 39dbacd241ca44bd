/* Bare metal has no leaf devices: it has devices. */
#include "hal/leaf.h"
#include "hal/hal.h"

int hal_blk_info(unsigned unit, struct hal_blk_info *info)
{
    (void)unit;
    (void)info;
    return -ENODEV;
}

int hal_blk_open(unsigned unit, unsigned queue)
{
    (void)unit;
    (void)queue;
    return -ENODEV;
}

int hal_blk_submit(unsigned unit, unsigned queue, struct hal_blk_req *req)
{
    (void)unit;
    (void)queue;
    (void)req;
    return -ENODEV;
}

void hal_blk_commit(unsigned unit, unsigned queue)
{
    (void)unit;
    (void)queue;
}

struct hal_blk_req *hal_blk_poll(unsigned unit, unsigned queue)
{
    (void)unit;
    (void)queue;
    return NULL;
}

void hal_blk_cancel(unsigned unit, unsigned queue)
{
    (void)unit;
    (void)queue;
}

int hal_blk_now(unsigned unit, bool is_write, uint64_t sector, void *data,
                size_t size)
{
    (void)unit;
    (void)is_write;
    (void)sector;
    (void)data;
    (void)size;
    return -ENODEV;
}

int hal_net_info(unsigned unit, struct hal_net_info *info)
{
    (void)unit;
    (void)info;
    return -ENODEV;
}

int hal_net_open(unsigned unit, unsigned queue)
{
    (void)unit;
    (void)queue;
    return -ENODEV;
}

unsigned hal_net_send_all(unsigned unit, unsigned queue,
                          struct hal_net_frame *frames, unsigned count)
{
    (void)unit;
    (void)queue;
    for (unsigned i = 0; i < count; i++)
        frames[i].status = -ENODEV;
    return count;
}

unsigned hal_net_recv_all(unsigned unit, unsigned queue,
                          struct hal_net_frame *frames, unsigned count)
{
    (void)unit;
    (void)queue;
    if (count == 0)
        return 0;
    frames[0].status = -ENODEV;
    return 1;
}

bool hal_net_arm(unsigned unit, unsigned queue, bool on)
{
    (void)unit;
    (void)queue;
    (void)on;
    return true;
}

bool hal_net_link(unsigned unit)
{
    (void)unit;
    return false;
}

int hal_tty_open(void)
{
    return -ENODEV;
}

int hal_tty_read(void *buf, size_t size)
{
    (void)buf;
    (void)size;
    return -EPIPE;
}

void hal_tty_close(void)
{
}
