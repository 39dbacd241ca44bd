/*
 * Messages between threads of one or several CPUs, and calls carried to another
 * CPU. Nothing is shared: a message changes its owner when it is sent.
 */
#ifndef TORC_MESSAGE_H
#define TORC_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

struct channel;

/*
 * Make a channel of at most `capacity` (> 0) queued messages, received on the
 * calling CPU. Returns 0 and *out, -EINVAL, -ENOMEM.
 */
must_check int channel_create(unsigned capacity, struct channel **out);

/*
 * Send one value from any CPU. Messages of one sender arrive in order.
 * Returns 0, -ENOMEM. A message that arrives at a full channel is dropped and
 * counted; senders whose messages must not be lost agree with the receiver on
 * how many may be under way.
 */
must_check int channel_send(struct channel *channel, uint64_t value);

/*
 * Take the oldest message, waiting for one until deadline_ns (TIME_NEVER: for
 * ever). Returns 0 and *value, -ETIMEDOUT, -EXDEV (not the channel's CPU).
 */
must_check int channel_receive(struct channel *channel, uint64_t deadline_ns,
                               uint64_t *value);

/*
 * Free a channel that no thread sends to any more. Returns 0, -EBUSY (it holds
 * messages), -EXDEV (not the channel's CPU).
 */
must_check int channel_destroy(struct channel *channel);

/*
 * Run fn(arg) on `cpu` in a thread of its own and wait for its result. On the
 * caller's own CPU it is an ordinary call.
 * Returns what fn returned, or -EINVAL (no such CPU), -ENOMEM, -EAGAIN (it has
 * as many threads as it may), -ECANCELED (the thread ended inside fn, by
 * thread_exit() or thread_kill()).
 */
must_check int remote_call(unsigned cpu, int (*fn)(void *), void *arg);

#endif
