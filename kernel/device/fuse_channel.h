/*
 * Channels to a server of files on the other side of the machine, for the file
 * system fs/fuse: messages of the FUSE protocol go out, and answers come back.
 *
 * A channel is a block device, so it is dedicated, opened, timed and recovered
 * as a disk is. What the file system reads and writes of files are block
 * requests to it: their sectors are those of files, as the file system has laid
 * them out, and it makes messages of them (`transfer`). All other messages are
 * sent by themselves.
 */
#ifndef TORC_KERNEL_FUSE_CHANNEL_H
#define TORC_KERNEL_FUSE_CHANNEL_H

#include "kernel/device/block_driver.h"
#include "kernel/thread/wait.h"

enum {
    FUSE_TAG_MAX = 36,           /* bytes, without NUL */
    FUSE_CHANNEL_SEGMENTS = 124, /* pieces of data in a message, at most */
    FUSE_CHANNEL_PIECES = 4,     /* others in a message: headers */
};

/* Sectors of a channel, in 512 bytes. */
#define FUSE_CHANNEL_SECTORS (UINT64_C(1) << 53)

/* A piece of a message: those that the server reads come first. */
struct fuse_piece {
    uint64_t bus;
    uint32_t len;
    bool device_writes;
};

/* A message that is under way; embedded in who sends it. */
struct fuse_call {
    /*
     * It has ended, with 0 and how many bytes the server wrote, or -EIO: the
     * channel is dead. `is_lost` of the channel says that the server may still
     * write to its memory. The channel's CPU; thread or irq work; must not
     * wait.
     */
    void (*done)(struct fuse_call *call, int status, uint32_t written);

    struct list link; /* the driver's, while it has the call */
};

struct fuse_channel;

struct fuse_channel_ops {
    /*
     * Send a message of `count` pieces; with `first` before others, without an
     * answer (FORGET). 0: the channel has the call until done(), which does not
     * come before this returns. -EAGAIN: no room now, room is told by
     * channel->room and block_done(). -EIO: the channel is dead. The channel's
     * CPU; must not wait.
     */
    int (*send)(struct fuse_channel *channel, struct fuse_call *call,
                const struct fuse_piece *pieces, unsigned count, bool first);

    /* Tell the server of what was sent. */
    void (*commit)(struct fuse_channel *channel);
};

struct fuse_channel {
    struct block_device block;

    /* constant once it is registered: */
    const struct fuse_channel_ops *ops;
    char tag[FUSE_TAG_MAX + 1]; /* the name that the host gives it */

    /* owner CPU only: */
    struct wait_queue room; /* for more calls, or for its death */
    bool is_dead;           /* nothing can be sent any more */
    bool is_lost;           /* memory of calls may still be written to */

    /* The file system's while it is mounted; NULL: nothing is. As
     * block_ops.submit(), of requests for sectors of files. */
    int (*transfer)(struct fuse_channel *channel, struct block_request *first);
    void *fs;
};

/* The channel that a block device is, or NULL when it is a disk. */
static inline struct fuse_channel *fuse_channel_of(struct block_device *device)
{
    return device->is_channel ? container_of(device, struct fuse_channel, block)
                              : NULL;
}

#endif
