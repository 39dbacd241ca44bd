/*
 * Files that become ready: ready.h. Both ways are one-shot: a file is polled
 * from the moment that it is armed until it is ready. When it is armed, Linux
 * looks at it, so what came before is not missed.
 */
#include "hal/posix/host/ready.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/irq.h"
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <torc/assert.h>
#include <torc/compiler.h>
#include <unistd.h>

/* The thread that waits for files; there while file_count > 0. CPUs open and
 * close files under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned file_count;
static pthread_t event_thread;
static int event_set;
static int event_stop;

/* ---- The event thread ---------------------------------------------------- */

static void *event_main(void *arg)
{
    struct epoll_event event;

    (void)arg;
    for (;;) {
        struct host_ready *ready;

        if (epoll_wait(event_set, &event, 1, -1) < 1)
            continue; /* a signal came */
        ready = event.data.ptr;
        if (ready == NULL)
            return NULL;
        atomic_store(&ready->armed, false);
        machine_irq_raise(ready->irq);
    }
}

/* NULL: the event that ends the thread. Returns 0 or the host's errno. */
static int event_control(int op, int fd, struct host_ready *ready,
                         uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = ready};

    return epoll_ctl(event_set, op, fd, &event) == 0 ? 0 : errno;
}

static int events_open(void)
{
    int err;

    event_set = epoll_create1(EPOLL_CLOEXEC);
    if (event_set < 0)
        return errno;
    event_stop = eventfd(0, EFD_CLOEXEC);
    if (event_stop < 0) {
        err = errno;
        goto fail_eventfd;
    }
    err = event_control(EPOLL_CTL_ADD, event_stop, NULL, EPOLLIN);
    if (err == 0)
        err = pthread_create(&event_thread, NULL, event_main, NULL);
    if (err == 0)
        return 0;
    close(event_stop);
fail_eventfd:
    close(event_set);
    return err;
}

static void events_close(void)
{
    (void)eventfd_write(event_stop, 1);
    pthread_join(event_thread, NULL);
    close(event_stop);
    close(event_set);
}

/* Returns 0 or the host's errno. */
static int event_open(struct host_ready *ready)
{
    int err = 0;

    pthread_mutex_lock(&lock);
    if (file_count == 0)
        err = events_open();
    if (err == 0) {
        err = event_control(EPOLL_CTL_ADD, ready->fd, ready, EPOLLONESHOT);
        if (err == 0)
            file_count++;
        else if (file_count == 0)
            events_close();
    }
    pthread_mutex_unlock(&lock);
    return err;
}

static void event_close(struct host_ready *ready)
{
    pthread_mutex_lock(&lock);
    assert(file_count > 0);
    (void)event_control(EPOLL_CTL_DEL, ready->fd, ready, 0);
    if (--file_count == 0)
        events_close();
    pthread_mutex_unlock(&lock);
}

/* ---- The ring ------------------------------------------------------------ */

static void poll_done(struct host_ring_op *op, int result)
{
    struct host_ready *ready = container_of(op, struct host_ready, op);

    (void)result; /* an error is seen by who uses the file */
    atomic_store(&ready->armed, false);
    machine_irq_raise(ready->irq);
}

/* ---- Files --------------------------------------------------------------- */

int host_ready_open(struct host_ready *ready, int fd, short events,
                    unsigned cpu, int irq)
{
    ready->fd = fd;
    ready->events = events;
    ready->cpu = cpu;
    ready->irq = irq;
    ready->op = (struct host_ring_op){.done = poll_done, .stays = true};
    atomic_store(&ready->armed, false);
    ready->by_ring = host_kind.rings && host_ring_open(cpu) == 0;
    return ready->by_ring ? 0 : host_error(event_open(ready));
}

void host_ready_close(struct host_ready *ready)
{
    if (!ready->by_ring)
        event_close(ready);
}

void host_ready_arm(struct host_ready *ready)
{
    struct io_uring_sqe sqe;

    if (atomic_exchange(&ready->armed, true))
        return;
    if (!ready->by_ring) {
        uint32_t events = (uint32_t)ready->events | EPOLLONESHOT;

        event_control(EPOLL_CTL_MOD, ready->fd, ready, events);
        return;
    }
    memset(&sqe, 0, sizeof(sqe));
    io_uring_prep_poll_add(&sqe, ready->fd, (unsigned)ready->events);
    if (host_ring_push(ready->cpu, &sqe, &ready->op) != 0)
        poll_done(&ready->op, 0); /* no room: look again */
}
