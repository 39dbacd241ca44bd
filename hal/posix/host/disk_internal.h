/*
 * What the files of the disks share: disk.c opens them, disk_call.c says which
 * system calls a request needs, disk_uring.c and disk_threads.c make them.
 */
#ifndef TORC_HAL_POSIX_HOST_DISK_INTERNAL_H
#define TORC_HAL_POSIX_HOST_DISK_INTERNAL_H

#include "hal/posix/host/disk.h"
#include <pthread.h>
#include <stdatomic.h>

struct disk_list {
    struct host_disk_request *head;
    struct host_disk_request *tail;
};

static inline void disk_list_push(struct disk_list *list,
                                  struct host_disk_request *request)
{
    request->next = NULL;
    if (list->head == NULL)
        list->head = request;
    else
        list->tail->next = request;
    list->tail = request;
}

static inline struct host_disk_request *disk_list_pop(struct disk_list *list)
{
    struct host_disk_request *request = list->head;

    if (request != NULL)
        list->head = request->next;
    return request;
}

struct disk;

struct host_disk_queue {
    /* constant while the queue is open: */
    struct disk *disk;
    unsigned cpu;
    int irq;
    /* its CPU only: */
    struct host_disk_request *free;
    unsigned free_count;
    struct disk_list batch; /* submitted, not committed; for threads */
    /* its CPU only; with threads under the lock: */
    pthread_mutex_t lock;
    struct disk_list done;
    bool told; /* the interrupt was raised and not everything is polled */
    struct host_disk_request requests[HOST_DISK_DEPTH];
};

/* How requests are carried out. The functions of a queue run on its CPU. */
struct disk_engine {
    /* Returns 0, or an error after a line on stderr. */
    int (*open)(struct disk *disk, const char *path);
    void (*close)(struct disk *disk); /* no request is under way any more */
    int (*queue_open)(struct host_disk_queue *queue);
    void (*submit)(struct host_disk_queue *queue,
                   struct host_disk_request *request);
    void (*commit)(struct host_disk_queue *queue);
    struct host_disk_request *(*poll)(struct host_disk_queue *queue);
    void (*cancel)(struct host_disk_queue *queue);
};

extern const struct disk_engine disk_uring, disk_threads;

/* How a range is made zero: what the file system does not have is not tried
 * again. */
enum disk_zeroing { DISK_ZERO_RANGE, DISK_PUNCH, DISK_WRITE_ZEROES };

enum { DISK_THREADS_MAX = 8 };

struct disk {
    /* constant while the disk is open: */
    int fd;
    bool read_only;
    uint64_t offset; /* bytes of the file before the disk */
    const struct disk_engine *engine;
    unsigned queue_count;
    /* any thread: */
    atomic_int zeroing; /* enum disk_zeroing */
    _Atomic(struct host_disk_queue *) queues[HOST_CPU_MAX];
    /* disk_threads.c, under the lock: */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct disk_list waiting;
    unsigned waiting_count;
    unsigned idle; /* threads that wait for work */
    unsigned thread_count;
    pthread_t threads[DISK_THREADS_MAX];
    bool stop;
};

/* A system call of a request. */
struct disk_call {
    enum { DISK_READV, DISK_WRITEV, DISK_DATASYNC, DISK_ALLOCATE } kind;
    bool durable; /* WRITEV: RWF_DSYNC */
    int mode;     /* ALLOCATE: as fallocate() */
    uint64_t offset;
    uint64_t size; /* ALLOCATE */
    struct host_vec *vec;
    unsigned vec_count;
};

/* The request begins. */
void disk_begin(const struct disk *disk, struct host_disk_request *request);

/* The call that comes next; false: the request is over, see its status. */
bool disk_next(struct disk *disk, struct host_disk_request *request,
               struct disk_call *call);

/* What the call has returned: bytes, 0, or a negative errno of the host. */
void disk_result(struct disk *disk, struct host_disk_request *request,
                 long result);

/* A request is over: it can be polled. Returns whether to raise the interrupt;
 * with threads the caller has the lock. */
bool disk_done(struct host_disk_queue *queue,
               struct host_disk_request *request);

/* The oldest of what is over. With threads the caller has the lock. */
struct host_disk_request *disk_done_pop(struct host_disk_queue *queue);

#endif
