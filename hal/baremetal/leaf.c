/* Bare metal has no leaf devices: it has devices. */
#include "hal/hal.h"

int hal_blk_info(unsigned unit, struct hal_blk_info *info)
{
    (void)unit;
    (void)info;
    return -ENODEV;
}

int hal_blk_submit(unsigned unit, struct hal_blk_req *req)
{
    (void)unit;
    (void)req;
    return -ENODEV;
}

struct hal_blk_req *hal_blk_poll(unsigned unit)
{
    (void)unit;
    return NULL;
}

int hal_net_info(unsigned unit, struct hal_net_info *info)
{
    (void)unit;
    (void)info;
    return -ENODEV;
}

int hal_net_send(unsigned unit, const void *frame, size_t len)
{
    (void)unit;
    (void)frame;
    (void)len;
    return -ENODEV;
}

int hal_net_recv(unsigned unit, void *buf, size_t size)
{
    (void)unit;
    (void)buf;
    (void)size;
    return -ENODEV;
}
