/*
 * The connection to Linux: conn.h.
 *
 * libfuse mounts, and takes requests apart; reading them is done here, so that
 * the CPU can do something else until one comes. What libfuse 3.14 does not
 * know of the protocol (linux/fuse.h) is added here, too: that it is we who
 * take set-user-ID from a file that is written to (FUSE_HANDLE_KILLPRIV_V2).
 * Linux would otherwise ask for an extended attribute before each write.
 */
#include "tools/fuse/host/conn.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/irq.h"
#include "hal/posix/host/ready.h"
#include "tools/fuse/host/config.h"
#include "tools/fuse/host/conn_internal.h"
#include "tools/fuse/host/process.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <torc/assert.h>
#include <unistd.h>

enum {
    REQUEST_MAX = SERVE_SIZE_MAX + 8192,
    /* What is written comes behind so much. */
    WRITE_HEAD = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in),
};

static struct {
    /* constant while it is open: */
    struct fuse_session *session;
    int fd;
    int irq;
    /* the CPU's: */
    struct host_ready ready;
    struct conn_request *current; /* libfuse takes it apart */
    void *room;                   /* for the next request; or NULL */
    uint32_t offered;             /* by Linux: flags of FUSE_INIT */
    long displaced;               /* how often it was, at the last look */
    bool is_init;                 /* what is written next answers it */
    /* any thread: */
    atomic_bool is_open, stop, over;
} conn;

/* ---- Requests ------------------------------------------------------------ */

struct conn_request *conn_request_new(struct serve_data *data)
{
    struct conn_request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    request->data = data;
    request->buf.mem = malloc(REQUEST_MAX);
    if (request->buf.mem != NULL)
        return request;
    free(request);
    return NULL;
}

void conn_request_free(struct conn_request *request)
{
    free(request->buf.mem);
    free(request);
}

struct conn_request *conn_current(void)
{
    return conn.current;
}

/*
 * Read a request. What Linux writes goes to a room of its own, of which the
 * pages may become the file's; of all other requests it is put behind the head.
 */
static ssize_t request_get(struct conn_request *request)
{
    char *head = request->buf.mem;
    struct iovec vec[] = {{head, REQUEST_MAX}, {NULL, SERVE_SIZE_MAX}};
    ssize_t got;

    if (conn.room == NULL)
        conn.room = serve_room_new();
    if (conn.room != NULL) {
        vec[0].iov_len = WRITE_HEAD;
        vec[1].iov_base = conn.room;
    }
    got = readv(conn.fd, vec, conn.room != NULL ? 2 : 1);
    if (got <= WRITE_HEAD || conn.room == NULL)
        return got;
    if (((const struct fuse_in_header *)request->buf.mem)->opcode ==
        FUSE_WRITE) {
        request->room = conn.room;
        conn.room = NULL;
    } else {
        memcpy(head + WRITE_HEAD, conn.room, (size_t)got - WRITE_HEAD);
    }
    return got;
}

int conn_receive(struct conn_request *request)
{
    ssize_t got;

    if (atomic_load(&conn.stop)) {
        atomic_store(&conn.over, true);
        return 0;
    }
    assert(request->room == NULL);
    do
        got = request_get(request);
    while (got < 0 && (errno == EINTR || errno == ENOENT));
    if (got > 0) {
        request->buf.size = (size_t)got;
        return 1;
    }
    if (got < 0 && errno == EAGAIN)
        return -EAGAIN;
    atomic_store(&conn.over, true);
    if (got == 0 || errno == ENODEV)
        return 0;
    host_complain("/dev/fuse: %s", strerror(errno));
    return -EIO;
}

/* What libfuse does not tell of a request. */
static void request_look(struct conn_request *request)
{
    const struct fuse_in_header *head = request->buf.mem;
    const void *body = head + 1;
    size_t size = request->buf.size - sizeof(*head);

    request->drops_rights = false;
    if (head->opcode == FUSE_INIT && size >= 16) {
        conn.offered = ((const struct fuse_init_in *)body)->flags;
        conn.is_init = true;
    } else if (head->opcode == FUSE_WRITE &&
               size >= sizeof(struct fuse_write_in)) {
        request->drops_rights =
            (((const struct fuse_write_in *)body)->write_flags &
             FUSE_WRITE_KILL_SUIDGID) != 0;
    } else if (head->opcode == FUSE_SETATTR &&
               size >= sizeof(struct fuse_setattr_in)) {
        request->drops_rights = (((const struct fuse_setattr_in *)body)->valid &
                                 FATTR_KILL_SUIDGID) != 0;
    }
}

void conn_process(struct conn_request *request)
{
    request_look(request);
    conn.current = request;
    fuse_session_process_buf(conn.session, &request->buf);
    if (request->room == NULL)
        return;
    if (conn.room == NULL)
        conn.room = request->room;
    else
        serve_room_free(request->room);
    request->room = NULL;
}

/* ---- Answers ------------------------------------------------------------- */

static void init_patch(const struct iovec *iov, int count)
{
    struct fuse_init_out *out;

    conn.is_init = false;
    if (count < 2 || iov[1].iov_len < sizeof(*out))
        return;
    out = iov[1].iov_base;
    out->flags |= conn.offered & FUSE_HANDLE_KILLPRIV_V2;
}

static ssize_t answer_write(int fd, struct iovec *iov, int count, void *data)
{
    (void)data;
    if (conn.is_init)
        init_patch(iov, count);
    return writev(fd, iov, count);
}

/* libfuse wants one; requests are read above. */
static ssize_t request_read(int fd, void *buf, size_t size, void *data)
{
    (void)data;
    return read(fd, buf, size);
}

/* ---- Open and close ------------------------------------------------------ */

static struct fuse_session *session_new(void)
{
    char options[sizeof(fuse_config.mount_options)];
    char name[] = "torc-fuse", option[] = "-o", debug[] = "-d";
    char *argv[] = {name, option, options, debug, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(fuse_config.debug ? 4 : 3, argv);

    memcpy(options, fuse_config.mount_options, sizeof(options));
    return fuse_session_new(&args, &conn_ops, sizeof(conn_ops), NULL);
}

int conn_open(unsigned cpu, int irq)
{
    static const struct fuse_custom_io io = {.writev = answer_write,
                                             .read = request_read};
    int flags, status;

    conn.session = session_new();
    if (conn.session == NULL)
        return -EINVAL;
    if (fuse_session_mount(conn.session, fuse_config.mountpoint) != 0) {
        fuse_session_destroy(conn.session);
        return -EIO;
    }
    conn.irq = irq;
    conn.fd = fuse_session_fd(conn.session);
    status = fuse_session_custom_io(conn.session, &io, conn.fd);
    flags = fcntl(conn.fd, F_GETFL);
    if (status == 0 && fcntl(conn.fd, F_SETFL, flags | O_NONBLOCK) != 0)
        status = -errno;
    if (status == 0)
        status = -host_ready_open(&conn.ready, conn.fd, POLLIN, cpu, irq);
    if (status == 0) {
        atomic_store(&conn.is_open, true);
        return 0;
    }
    host_complain("/dev/fuse: %s", strerror(-status));
    fuse_session_unmount(conn.session);
    fuse_session_destroy(conn.session);
    return host_error(-status);
}

/*
 * It is unmounted, or will be when the process ends: its ring has the file open
 * until then.
 */
void conn_close(void)
{
    atomic_store(&conn.is_open, false);
    if (!conn_over())
        process_unmount();
    host_ready_close(&conn.ready);
    serve_room_free(conn.room);
    conn.room = NULL;
}

void conn_arm(void)
{
    host_ready_arm(&conn.ready);
}

bool conn_may_look_on(void)
{
    cpu_set_t mine;

    return sched_getaffinity(0, sizeof(mine), &mine) == 0 &&
           CPU_COUNT(&mine) > 1;
}

unsigned conn_displaced(void)
{
    struct rusage usage;
    long before = conn.displaced;

    if (getrusage(RUSAGE_THREAD, &usage) == 0)
        conn.displaced = usage.ru_nivcsw;
    return (unsigned)(conn.displaced - before);
}

void conn_ready(void)
{
    process_ready();
}

void conn_stop(void)
{
    atomic_store(&conn.stop, true);
    if (atomic_load(&conn.is_open))
        machine_irq_raise(conn.irq);
}

bool conn_is_open(void)
{
    return atomic_load(&conn.is_open);
}

bool conn_over(void)
{
    return atomic_load(&conn.over);
}
