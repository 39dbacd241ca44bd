/*
 * A file of the frames of all network cards: capture.h. CPUs fill one of two
 * buffers while the thread writes the other one.
 */
#include "hal/posix/host/capture.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/exit.h"
#include "hal/posix/host/memory.h"
#include "hal/posix/host/pcapng.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <torc/assert.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 8 << 20,
    HURRY = BUFFER_SIZE / 4, /* so many bytes are written at once .. */
    COLLECT_MS = 20,         /* .. fewer after this time */
    STALL_MS = 100,          /* how often a full pipe is looked at */
    CLOSE_MS = 2000,
    LOCK_MS = 250,
};

struct buffer {
    uint8_t *bytes;
    size_t used;
};

static struct capture {
    /* constant while the file is open: */
    int fd;
    char path[256];   /* for messages */
    uint32_t snap;    /* 0: all */
    uint64_t wall_ns; /* UTC when host_time_ns() was 0 */
    pthread_t thread;
    atomic_bool open;
    /* any thread: */
    atomic_bool closing;
    atomic_bool failed; /* nothing is written any more */
    /* under the lock: */
    struct buffer *filling;
    bool idle;                   /* the thread waits for a frame */
    uint64_t lost[HOST_NET_MAX]; /* since the last frame of the card */
    uint64_t lost_all;
    /* the thread's, but for `filling`: */
    struct buffer buffers[2];
} capture;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;

static struct timespec after_ms(clockid_t clock, long ms)
{
    struct timespec at;

    clock_gettime(clock, &at);
    at.tv_nsec += ms % 1000 * 1000000;
    at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

/* ---- The file ------------------------------------------------------------ */

/* Frames are lost from now on; `whole` bytes of the file are whole blocks. */
static void fail(int err, off_t whole)
{
    atomic_store(&capture.failed, true);
    host_complain("cannot write to '%s' any more: %s; the frames from now on "
                  "are not in it",
                  capture.path, strerror(err));
    if (whole >= 0)
        (void)!ftruncate(capture.fd, whole);
}

/* Wait until the file takes more. Returns 0 or the host's errno. */
static int room_wait(unsigned *stalled_ms)
{
    struct pollfd wait = {.fd = capture.fd, .events = POLLOUT};
    int ready = poll(&wait, 1, STALL_MS);

    if (ready != 0) /* an error is the next write's */
        return 0;
    if (!atomic_load(&capture.closing))
        return 0;
    *stalled_ms += STALL_MS;
    return *stalled_ms < CLOSE_MS ? 0 : ETIMEDOUT;
}

/* Blocks, written as they are. */
static void write_all(const uint8_t *bytes, size_t len)
{
    off_t whole = lseek(capture.fd, 0, SEEK_CUR); /* -1: a pipe */
    unsigned stalled_ms = 0;
    int err = 0;

    while (len > 0 && err == 0) {
        ssize_t done = write(capture.fd, bytes, len);

        if (done > 0) {
            bytes += done;
            len -= (size_t)done;
        } else if (done < 0 && errno == EAGAIN) {
            err = room_wait(&stalled_ms);
        } else if (done < 0 && errno != EINTR) {
            err = errno;
        }
    }
    if (err != 0)
        fail(err, whole);
}

/* ---- The thread ---------------------------------------------------------- */

/* What is to be written now; empty: the end. The lock is held. */
static struct buffer *buffer_take(void)
{
    struct buffer *full = capture.filling;
    struct timespec until;

    while (full->used == 0 && !atomic_load(&capture.closing)) {
        capture.idle = true;
        pthread_cond_wait(&wake, &lock);
    }
    capture.idle = false;
    until = after_ms(CLOCK_REALTIME, COLLECT_MS);
    if (full->used < HURRY && !atomic_load(&capture.closing))
        (void)pthread_cond_timedwait(&wake, &lock, &until);
    capture.filling =
        full == &capture.buffers[0] ? &capture.buffers[1] : &capture.buffers[0];
    assert(capture.filling->used == 0);
    return full;
}

static void *capture_main(void *arg)
{
    struct buffer *full;

    (void)arg;
    for (;;) {
        pthread_mutex_lock(&lock);
        full = buffer_take();
        pthread_mutex_unlock(&lock);
        if (full->used == 0)
            return NULL;
        if (!atomic_load(&capture.failed))
            write_all(full->bytes, full->used);
        full->used = 0;
    }
}

/* ---- Frames -------------------------------------------------------------- */

static void bytes_copy(uint8_t *to, const struct host_frame *frame, size_t len)
{
    for (unsigned i = 0; len > 0; i++) {
        size_t part = frame->vec[i].len < len ? frame->vec[i].len : len;

        memcpy(to, frame->vec[i].base, part);
        to += part;
        len -= part;
    }
}

static uint32_t flags_of(bool sent, const struct host_frame *frame)
{
    return (sent ? PCAPNG_OUT : PCAPNG_IN) |
           (frame->csum_partial ? PCAPNG_CSUM_NOT_READY : 0) |
           (frame->csum_valid ? PCAPNG_CSUM_VALID : 0) |
           (frame->segments != HOST_NET_WHOLE ? PCAPNG_SEGMENTS : 0);
}

/* The block of a frame, or it is lost. The lock is held. */
static void block_add(struct pcapng_frame *block,
                      const struct host_frame *frame)
{
    struct buffer *buffer = capture.filling;
    size_t size;

    block->lost = capture.lost[block->card];
    size = pcapng_frame_size(block);
    if (size > BUFFER_SIZE - buffer->used) {
        capture.lost[block->card]++;
        capture.lost_all++;
        return;
    }
    bytes_copy(pcapng_frame_write(buffer->bytes + buffer->used, block), frame,
               block->captured);
    capture.lost[block->card] = 0;
    buffer->used += size;
    if (capture.idle || (buffer->used >= HURRY && buffer->used - size < HURRY))
        pthread_cond_signal(&wake);
    capture.idle = false;
}

void host_capture_frame(unsigned unit, bool sent, uint64_t time_ns,
                        const struct host_frame *frame)
{
    struct pcapng_frame block = {.card = unit,
                                 .flags = flags_of(sent, frame),
                                 .time_ns = capture.wall_ns + time_ns,
                                 .captured = frame->len,
                                 .len = frame->len};

    if (atomic_load(&capture.failed))
        return;
    if (capture.snap != 0 && block.captured > capture.snap)
        block.captured = capture.snap;
    pthread_mutex_lock(&lock);
    block_add(&block, frame);
    pthread_mutex_unlock(&lock);
}

static void describe(const struct host_net_config *config, char *text,
                     size_t size)
{
    switch (config->kind) {
    case HOST_NET_TAP:
        snprintf(text, size, "tap %s", config->tap);
        break;
    case HOST_NET_LINK:
        snprintf(text, size, "link %s", config->link);
        break;
    case HOST_NET_UNIX:
        snprintf(text, size, "unix %s", config->path);
        break;
    case HOST_NET_USER:
        snprintf(text, size, "user network");
        break;
    }
}

void host_capture_card(unsigned unit, const struct host_net_config *config)
{
    struct buffer *buffer;
    char name[16], text[64] = "";

    snprintf(name, sizeof(name), "net%u", unit);
    describe(config, text, sizeof(text));
    pthread_mutex_lock(&lock);
    buffer = capture.filling;
    assert(BUFFER_SIZE - buffer->used >= PCAPNG_BLOCK_MAX);
    buffer->used +=
        pcapng_card(buffer->bytes + buffer->used, name, text, capture.snap);
    pthread_mutex_unlock(&lock);
}

/* ---- Open and close ------------------------------------------------------ */

bool host_capture_on(void)
{
    return atomic_load(&capture.open);
}

static void buffers_free(void)
{
    for (unsigned i = 0; i < 2; i++)
        if (capture.buffers[i].bytes != NULL)
            host_memory_unmap(capture.buffers[i].bytes, BUFFER_SIZE);
    memset(capture.buffers, 0, sizeof(capture.buffers));
}

/* A pipe waits for its reader here, and never later. Returns 0 or the host's
 * errno. */
static int file_open(const char *path)
{
    capture.fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
    if (capture.fd < 0)
        return errno;
    (void)fcntl(capture.fd, F_SETFL, O_NONBLOCK);
    return 0;
}

/* Returns 0 or the host's errno. */
static int writer_open(void)
{
    for (unsigned i = 0; i < 2; i++) {
        capture.buffers[i].bytes =
            host_memory_map(BUFFER_SIZE, 4096, HOST_ANYWHERE);
        if (capture.buffers[i].bytes == NULL)
            return ENOMEM;
    }
    capture.filling = &capture.buffers[0];
    capture.filling->used = pcapng_section(capture.filling->bytes);
    return pthread_create(&capture.thread, NULL, capture_main, NULL);
}

/* Let the thread write what there is, and end. The lock is held. */
static void finish(void)
{
    uint64_t lost = capture.lost_all;

    atomic_store(&capture.closing, true);
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
    pthread_join(capture.thread, NULL);
    if (lost > 0)
        host_complain("'%s' was slower than the network cards: %llu frames are "
                      "not in it",
                      capture.path, (unsigned long long)lost);
}

/* The process ends. Of a CPU that has stopped in here, the last frames are
 * lost. */
static void capture_end(void)
{
    struct timespec until = after_ms(CLOCK_REALTIME, LOCK_MS);

    if (!host_cpus_here() || !atomic_exchange(&capture.open, false))
        return;
    if (pthread_mutex_timedlock(&lock, &until) == 0)
        finish();
}

int host_capture_open(const struct host_capture_config *config)
{
    uint64_t wall_ns = host_wall_ns();
    int err;

    if (config->path == NULL)
        return 0;
    assert(!host_capture_on());
    memset(&capture, 0, sizeof(capture));
    snprintf(capture.path, sizeof(capture.path), "%s", config->path);
    capture.snap = config->snap;
    if (wall_ns != 0)
        capture.wall_ns = wall_ns - host_time_ns();
    err = file_open(config->path);
    if (err == 0) {
        err = writer_open();
        if (err != 0)
            close(capture.fd);
    }
    if (err != 0) {
        buffers_free();
        host_complain("cannot write frames to '%s': %s", config->path,
                      strerror(err));
        return host_error(err);
    }
    atomic_store(&capture.open, true);
    host_end_call(capture_end);
    return 0;
}

void host_capture_close(void)
{
    if (!atomic_exchange(&capture.open, false))
        return;
    host_end_call(NULL);
    if (host_cpus_here()) { /* else it is the parent's, with its thread */
        pthread_mutex_lock(&lock);
        finish();
    }
    close(capture.fd);
    buffers_free();
}
