/*
 * The connection to Linux: its requests for files (/dev/fuse), by libfuse.
 *
 * The host half implements it. What a request asks for it calls in the kernel
 * half (serve.h), on the thread that has called conn_process(). All but
 * conn_stop() is for the CPU that has opened the connection.
 */
#ifndef TORC_TOOLS_FUSE_HOST_CONN_H
#define TORC_TOOLS_FUSE_HOST_CONN_H

#include <stdbool.h>

struct serve_data;

/* Memory for a request, and for what answers it. */
struct conn_request;

/*
 * Mount at fuse_config.mountpoint. `irq` of the CPU whose number is `cpu` is
 * raised as conn_arm() says. Returns 0, or an error after a line on stderr.
 */
int conn_open(unsigned cpu, int irq);

/* Unmount, if it is still mounted; Linux gets no answers any more. */
void conn_close(void);

/* `data` is for what the request reads; NULL: no memory. */
struct conn_request *conn_request_new(struct serve_data *data);
void conn_request_free(struct conn_request *request);

/*
 * Take a request, if there is one. Returns 1, -EAGAIN (there is none), 0 (it
 * was unmounted, or is to end), or -EIO after a line on stderr.
 */
int conn_receive(struct conn_request *request);

/* Answer it. May wait. */
void conn_process(struct conn_request *request);

/* Raise the interrupt once, when there is a request or the end has come. */
void conn_arm(void);

/* Whether looking again and again stands in nobody's way: there are several
 * processors. */
bool conn_may_look_on(void);

/* How often Linux has given the processor to somebody else since the last call,
 * though the CPU did not sleep. */
unsigned conn_displaced(void);

/* All is ready: who has started the process need not wait any longer. */
void conn_ready(void);

/* End the connection: conn_receive() returns 0 from now on. Any thread. */
void conn_stop(void);

/* Whether it is mounted: from conn_open() on, until conn_close(). And
 * whether conn_receive() has returned 0. Any thread. */
bool conn_is_open(void);
bool conn_over(void);

#endif
