/* What net.c and the kinds of cards share. */
#ifndef TORC_HAL_POSIX_HOST_NET_INTERNAL_H
#define TORC_HAL_POSIX_HOST_NET_INTERNAL_H

#include "hal/posix/host/net.h"
#include <string.h>

/* A kind of cards; the functions are as those of net.h. send() and recv() are
 * for one frame, and return its status or -EAGAIN; a kind that is faster with
 * many has the others instead. */
struct net_kind {
    int (*open)(unsigned unit, const struct host_net_config *config,
                unsigned queue_max, struct host_net_info *info);
    void (*close)(unsigned unit);
    bool (*link)(unsigned unit); /* NULL: always */
    int (*queue_open)(unsigned unit, unsigned queue, unsigned cpu, int irq);
    int (*send)(unsigned unit, unsigned queue, const struct host_frame *frame);
    int (*recv)(unsigned unit, unsigned queue, struct host_frame *frame);
    unsigned (*send_all)(unsigned unit, unsigned queue,
                         struct host_frame *frames, unsigned count);
    unsigned (*recv_all)(unsigned unit, unsigned queue,
                         struct host_frame *frames, unsigned count);
    bool (*arm)(unsigned unit, unsigned queue, bool on);
};

/* Frames on a card of that kind: net.c. */
unsigned kind_send(const struct net_kind *kind, unsigned unit, unsigned queue,
                   struct host_frame *frames, unsigned count);
unsigned kind_recv(const struct net_kind *kind, unsigned unit, unsigned queue,
                   struct host_frame *frames, unsigned count);

extern const struct net_kind net_tap, net_slirp, net_link, net_unix;

/* The same for a card whose frames are written to a file: net_capture.c. */
const struct net_kind *net_capture(unsigned unit, const struct net_kind *kind,
                                   const struct host_net_config *config);

/* Copy `len` bytes, which fit, to where the frame is to lie; or all of a frame
 * from where it lies. */
static inline void frame_scatter(const struct host_frame *frame,
                                 const uint8_t *from, size_t len)
{
    for (unsigned i = 0; len > 0; i++) {
        size_t part = frame->vec[i].len < len ? frame->vec[i].len : len;

        memcpy(frame->vec[i].base, from, part);
        from += part;
        len -= part;
    }
}

static inline void frame_gather(const struct host_frame *frame, uint8_t *to)
{
    for (unsigned i = 0; i < frame->vec_count; i++) {
        memcpy(to, frame->vec[i].base, frame->vec[i].len);
        to += frame->vec[i].len;
    }
}

/* How many bytes of memory a frame has room for. */
static inline size_t frame_room(const struct host_frame *frame)
{
    size_t room = 0;

    for (unsigned i = 0; i < frame->vec_count; i++)
        room += frame->vec[i].len;
    return room;
}

/* A received frame of which nothing is known but its bytes. */
static inline void frame_plain(struct host_frame *frame, uint32_t len)
{
    *frame = (struct host_frame){
        .vec = frame->vec, .vec_count = frame->vec_count, .len = len};
}

#endif
