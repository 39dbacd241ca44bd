/*
 * Wires inside the process: each has a name and two ends. An end is a network
 * card (--net link:NAME), or whatever attaches to it, such as a test.
 */
#ifndef TORC_HAL_POSIX_HOST_LINK_H
#define TORC_HAL_POSIX_HOST_LINK_H

#include "hal/posix/host/line.h"

enum { HOST_LINK_NAME_MAX = 32 /* with the NUL */ };

struct link_end;

/*
 * Attach to the wire `name`; what the end sends meets the faults of `config`.
 * It sends and receives frames of at most `frame_max` bytes; longer ones are
 * lost. tell(arg) is called by any thread: when a frame has come that
 * link_end_arm() has asked for, when there is room again, and when the other
 * end comes or goes. It must not call functions of this header.
 * Returns 0, -EBUSY (the wire has two ends), -ENOMEM, -ENFILE (too many wires).
 */
int link_end_attach(const char *name, const struct host_line_config *config,
                    uint32_t frame_max, void (*tell)(void *arg), void *arg,
                    struct link_end **out);

/* Frames on their way to it are lost; those it has sent arrive. */
void link_end_detach(struct link_end *end);

/* The functions below are called by one thread at a time for each end. */

/* Returns 0 (perhaps it is lost), -EMSGSIZE, -EAGAIN (no room: it is told when
 * there is). */
int link_end_send(struct link_end *end, const struct host_frame *frame);

/* Returns 0, -EAGAIN, -EMSGSIZE (it did not fit, and is lost). */
int link_end_recv(struct link_end *end, struct host_frame *frame);

/* Tell when a frame has come. Returns false when one is there: then not. */
bool link_end_arm(struct link_end *end);

/* Whether the wire has another end. */
bool link_end_up(struct link_end *end);

/* What became of the frames that this end has sent. */
struct line_stats link_end_stats(struct link_end *end);

#endif
