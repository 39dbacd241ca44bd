/*
 * Disks on threads: one list of what waits, and up to eight threads that take
 * from it. A thread is made when work comes and none is free, so a disk that is
 * used by one request at a time has one.
 */
#include "hal/posix/host/console.h"
#include "hal/posix/host/disk_internal.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/irq.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <torc/assert.h>
#include <unistd.h>

/* ---- System calls -------------------------------------------------------- */

static_assert(sizeof(struct host_vec) == sizeof(struct iovec) &&
                  offsetof(struct host_vec, len) ==
                      offsetof(struct iovec, iov_len),
              "a piece of memory is what Linux takes");

static long call_make(const struct disk *disk, const struct disk_call *call)
{
    const struct iovec *vec = (const struct iovec *)call->vec;
    int count = (int)call->vec_count;
    long result = -1;

    switch (call->kind) {
    case DISK_READV:
        result = preadv(disk->fd, vec, count, (off_t)call->offset);
        break;
    case DISK_WRITEV:
        result = pwritev2(disk->fd, vec, count, (off_t)call->offset,
                          call->durable ? RWF_DSYNC : 0);
        break;
    case DISK_DATASYNC:
        result = fdatasync(disk->fd);
        break;
    case DISK_ALLOCATE:
        result = fallocate(disk->fd, call->mode, (off_t)call->offset,
                           (off_t)call->size);
        break;
    }
    return result < 0 ? -errno : result;
}

/* ---- Threads ------------------------------------------------------------- */

static void done(struct host_disk_request *request)
{
    struct host_disk_queue *queue = request->queue;
    bool tell;

    assert(request->status <= 0);
    pthread_mutex_lock(&queue->lock);
    tell = disk_done(queue, request);
    pthread_mutex_unlock(&queue->lock);
    if (tell)
        machine_irq_raise(queue->irq);
}

static void serve(struct disk *disk, struct host_disk_request *request)
{
    struct disk_call call;

    while (disk_next(disk, request, &call))
        disk_result(disk, request, call_make(disk, &call));
    done(request);
}

static void *thread_main(void *arg)
{
    struct disk *disk = arg;

    pthread_mutex_lock(&disk->lock);
    while (!disk->stop) {
        struct host_disk_request *request = disk_list_pop(&disk->waiting);

        if (request == NULL) {
            disk->idle++;
            pthread_cond_wait(&disk->work, &disk->lock);
            disk->idle--;
            continue;
        }
        disk->waiting_count--;
        pthread_mutex_unlock(&disk->lock);
        serve(disk, request);
        pthread_mutex_lock(&disk->lock);
    }
    pthread_mutex_unlock(&disk->lock);
    return NULL;
}

/* One more, under the lock. Returns 0, or the host's errno. */
static int thread_make(struct disk *disk)
{
    int err = pthread_create(&disk->threads[disk->thread_count], NULL,
                             thread_main, disk);

    if (err == 0)
        disk->thread_count++;
    return err;
}

static int threads_open(struct disk *disk, const char *path)
{
    int err;

    disk->waiting.head = NULL;
    disk->waiting_count = 0;
    disk->idle = 0;
    disk->thread_count = 0;
    disk->stop = false;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->work, NULL);
    err = thread_make(disk);
    if (err == 0)
        return 0;
    host_complain("no thread for disk '%s': %s", path, strerror(err));
    pthread_cond_destroy(&disk->work);
    pthread_mutex_destroy(&disk->lock);
    return host_error(err);
}

/* A thread that has begun a request completes it. */
static void threads_close(struct disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->stop = true;
    pthread_cond_broadcast(&disk->work);
    pthread_mutex_unlock(&disk->lock);
    for (unsigned i = 0; i < disk->thread_count; i++)
        pthread_join(disk->threads[i], NULL);
    pthread_cond_destroy(&disk->work);
    pthread_mutex_destroy(&disk->lock);
}

/* ---- Queues -------------------------------------------------------------- */

static int queue_open(struct host_disk_queue *queue)
{
    (void)queue;
    return 0;
}

static void submit(struct host_disk_queue *queue,
                   struct host_disk_request *request)
{
    disk_begin(queue->disk, request);
    disk_list_push(&queue->batch, request);
}

static void commit(struct host_disk_queue *queue)
{
    struct disk *disk = queue->disk;
    struct host_disk_request *request;

    if (queue->batch.head == NULL)
        return;
    pthread_mutex_lock(&disk->lock);
    assert(!disk->stop);
    while ((request = disk_list_pop(&queue->batch)) != NULL) {
        disk_list_push(&disk->waiting, request);
        disk->waiting_count++;
        /* A thread that was signalled is idle until it runs. */
        if (disk->waiting_count <= disk->idle)
            pthread_cond_signal(&disk->work);
        else if (disk->thread_count < DISK_THREADS_MAX)
            (void)thread_make(disk); /* else those that are there do it */
    }
    pthread_mutex_unlock(&disk->lock);
}

static struct host_disk_request *poll(struct host_disk_queue *queue)
{
    struct host_disk_request *request;

    pthread_mutex_lock(&queue->lock);
    request = disk_done_pop(queue);
    pthread_mutex_unlock(&queue->lock);
    return request;
}

/* Of what waits, that of the queue is over now. */
static void cancel(struct host_disk_queue *queue)
{
    struct disk *disk = queue->disk;
    struct disk_list all, cancelled = {NULL, NULL};
    struct host_disk_request *request;

    commit(queue);
    pthread_mutex_lock(&disk->lock);
    all = disk->waiting;
    disk->waiting.head = NULL;
    while ((request = disk_list_pop(&all)) != NULL) {
        bool ours = request->queue == queue;

        disk_list_push(ours ? &cancelled : &disk->waiting, request);
        disk->waiting_count -= ours;
    }
    pthread_mutex_unlock(&disk->lock);
    while ((request = disk_list_pop(&cancelled)) != NULL) {
        request->status = -ECANCELED;
        done(request);
    }
}

const struct disk_engine disk_threads = {
    .open = threads_open,
    .close = threads_close,
    .queue_open = queue_open,
    .submit = submit,
    .commit = commit,
    .poll = poll,
    .cancel = cancel,
};
