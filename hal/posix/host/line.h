/*
 * One direction of a wire, which may lose, repeat, reorder and corrupt frames,
 * and takes time. What becomes of the n-th frame is drawn from the seed: it
 * depends on nothing but the configuration, n, and when frames come and go.
 *
 * Nothing here looks at a clock or takes a lock: the caller does.
 */
#ifndef TORC_HAL_POSIX_HOST_LINE_H
#define TORC_HAL_POSIX_HOST_LINE_H

#include "hal/posix/host/net.h"

enum {
    LINE_FRAMES = 1024, /* on their way */
    LINE_HELD_MAX = 8,  /* that are being overtaken */
};

#define LINE_NEVER UINT64_MAX

/* What became of the frames. */
struct line_stats {
    uint64_t sent;
    uint64_t lost;
    uint64_t full; /* lost, since too many were on their way */
    uint64_t repeated;
    uint64_t reordered;
    uint64_t corrupted;
    uint64_t received;
};

struct line {
    /* constant while it is open: */
    struct host_line_config config;
    uint32_t frame_max; /* bytes */
    size_t slot_size;
    uint8_t *slots;

    uint64_t random;
    uint64_t free_at_ns; /* the wire has carried what was sent before */
    uint64_t order;      /* of the next frame */
    struct line_frame *free;
    /* A heap: the first one to arrive at [0]. */
    struct line_frame *frames[LINE_FRAMES];
    unsigned count;
    /* They wait until so many others have been sent, or for their time. */
    struct line_frame *held[LINE_HELD_MAX];
    unsigned held_count;
    struct line_stats stats;
};

/* Frames of at most `frame_max` bytes; `which` makes the two directions of a
 * wire differ. Returns 0, -ENOMEM. */
int line_open(struct line *line, const struct host_line_config *config,
              uint32_t frame_max, unsigned which);
void line_close(struct line *line);

/* What is on its way is gone. */
void line_clear(struct line *line);

/*
 * Send a frame of at most frame_max bytes at `now_ns`, which does not go back.
 * Returns 0 (also when it is lost on the way), or -EAGAIN: there is no room.
 */
int line_push(struct line *line, uint64_t now_ns,
              const struct host_frame *frame);

/* Receive the first frame that has arrived by `now_ns`. Returns 0, -EAGAIN,
 * -EMSGSIZE (it did not fit, and is lost). */
int line_pop(struct line *line, uint64_t now_ns, struct host_frame *frame);

/* When the next frame arrives, as far as it is known; LINE_NEVER. */
uint64_t line_next(const struct line *line);

/* What is always true of a line. */
void line_check(const struct line *line);

#endif
