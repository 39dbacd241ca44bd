/*
 * A file of the frames of all network cards (--pcap). Frames wait in memory for
 * a thread that writes them, so a CPU never waits for the file; what comes
 * while there is no room is lost, and counted. When the file cannot be written
 * any more, a line on stderr says so, and the machine goes on without it. What
 * waits when the process ends, be it by a panic, is written.
 */
#ifndef TORC_HAL_POSIX_HOST_CAPTURE_H
#define TORC_HAL_POSIX_HOST_CAPTURE_H

#include "hal/posix/host/net.h"

/*
 * Make the file; without a path do nothing. CPU 0, which is alone. Returns 0,
 * or an error after a line on stderr.
 */
int host_capture_open(const struct host_capture_config *config);

/* Write what waits, for two seconds at most while nobody takes it, and close
 * the file. CPU 0, which is alone; harmless when there is none. */
void host_capture_close(void);

/* Whether there is a file. */
bool host_capture_on(void);

/* Add a card: CPU 0, which is alone. */
void host_capture_card(unsigned unit, const struct host_net_config *config);

/* A frame, at the time host_time_ns(). Any CPU. */
void host_capture_frame(unsigned unit, bool sent, uint64_t time_ns,
                        const struct host_frame *frame);

#endif
