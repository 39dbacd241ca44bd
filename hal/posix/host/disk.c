/*
 * Disks of the hosted machine: what is opened, and its queues. See disk.h.
 */
#include "hal/posix/host/disk.h"
#include "hal/posix/host/console.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/disk_internal.h"
#include "hal/posix/host/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <torc/assert.h>
#include <unistd.h>

enum { SECTOR_SIZE = 512, SECTOR_SIZE_MAX = 4096, MEMORY_ALIGN_MAX = 512 };

static struct disk disks[HOST_DISK_MAX];

/* ---- Queues -------------------------------------------------------------- */

static struct host_disk_queue *queue_of(unsigned unit, unsigned queue)
{
    struct host_disk_queue *found;

    assert(unit < HOST_DISK_MAX);
    assert(queue < disks[unit].queue_count);
    found = atomic_load(&disks[unit].queues[queue]);
    assert(found != NULL);
    return found;
}

int host_disk_queue_irq(unsigned unit, unsigned queue, unsigned *cpu)
{
    const struct host_disk_queue *found;

    assert(unit < HOST_DISK_MAX);
    assert(queue < disks[unit].queue_count);
    found = atomic_load(&disks[unit].queues[queue]);
    if (found == NULL)
        return -ENOENT;
    *cpu = found->cpu;
    return found->irq;
}

int host_disk_queue_open(unsigned unit, unsigned index, unsigned cpu, int irq)
{
    struct disk *disk = &disks[unit];
    struct host_disk_queue *queue = calloc(1, sizeof(*queue));
    struct host_disk_queue *none = NULL;
    int err;

    assert(unit < HOST_DISK_MAX);
    assert(index < disk->queue_count);
    if (queue == NULL)
        return -ENOMEM;
    queue->disk = disk;
    queue->cpu = cpu;
    queue->irq = irq;
    for (unsigned i = 0; i < HOST_DISK_DEPTH; i++) {
        queue->requests[i].queue = queue;
        queue->requests[i].next = queue->free;
        queue->free = &queue->requests[i];
    }
    queue->free_count = HOST_DISK_DEPTH;
    pthread_mutex_init(&queue->lock, NULL);
    err = disk->engine->queue_open(queue);
    if (err == 0 &&
        !atomic_compare_exchange_strong(&disk->queues[index], &none, queue))
        err = -EBUSY;
    if (err == 0)
        return 0;
    pthread_mutex_destroy(&queue->lock);
    free(queue);
    return err;
}

struct host_disk_request *host_disk_get(unsigned unit, unsigned index)
{
    struct host_disk_queue *queue = queue_of(unit, index);
    struct host_disk_request *request = queue->free;

    if (request == NULL)
        return NULL;
    queue->free = request->next;
    queue->free_count--;
    return request;
}

void host_disk_put(unsigned unit, unsigned index,
                   struct host_disk_request *request)
{
    struct host_disk_queue *queue = queue_of(unit, index);

    assert(request->queue == queue);
    assert(!request->under_way);
    request->next = queue->free;
    queue->free = request;
    queue->free_count++;
    assert(queue->free_count <= HOST_DISK_DEPTH);
}

void host_disk_submit(unsigned unit, unsigned index,
                      struct host_disk_request *request)
{
    struct host_disk_queue *queue = queue_of(unit, index);

    assert(request->queue == queue);
    assert(!request->under_way);
    assert((request->op == HOST_DISK_FLUSH) == (request->size == 0));
    request->under_way = true;
    queue->disk->engine->submit(queue, request);
}

void host_disk_commit(unsigned unit, unsigned index)
{
    struct host_disk_queue *queue = queue_of(unit, index);

    queue->disk->engine->commit(queue);
}

struct host_disk_request *host_disk_poll(unsigned unit, unsigned index)
{
    struct host_disk_queue *queue = queue_of(unit, index);

    return queue->disk->engine->poll(queue);
}

void host_disk_cancel(unsigned unit, unsigned index)
{
    struct host_disk_queue *queue = queue_of(unit, index);

    queue->disk->engine->cancel(queue);
}

int host_disk_now(unsigned unit, bool is_write, uint64_t offset, void *data,
                  size_t size)
{
    const struct disk *disk = &disks[unit];
    off_t at = (off_t)(disk->offset + offset);

    assert(unit < HOST_DISK_MAX);
    if (size == 0)
        return fdatasync(disk->fd) == 0 ? 0 : -EIO;
    while (size > 0) {
        ssize_t moved = is_write ? pwrite(disk->fd, data, size, at)
                                 : pread(disk->fd, data, size, at);

        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0)
            return -EIO; /* or the file has been cut short */
        data = (char *)data + moved;
        size -= (size_t)moved;
        at += moved;
    }
    return 0;
}

bool disk_done(struct host_disk_queue *queue, struct host_disk_request *request)
{
    bool tell = !queue->told;

    assert(request->under_way);
    assert(request->status <= 0);
    request->under_way = false;
    disk_list_push(&queue->done, request);
    queue->told = true;
    return tell;
}

struct host_disk_request *disk_done_pop(struct host_disk_queue *queue)
{
    struct host_disk_request *request = disk_list_pop(&queue->done);

    if (request == NULL)
        queue->told = false;
    return request;
}

void host_disk_check(unsigned unit, unsigned index)
{
    const struct host_disk_queue *queue;
    unsigned count = 0;

    assert(unit < HOST_DISK_MAX);
    queue = atomic_load(&disks[unit].queues[index]);
    if (queue == NULL)
        return;
    for (const struct host_disk_request *request = queue->free; request != NULL;
         request = request->next) {
        assert(request->queue == queue);
        count++;
        assert(count <= HOST_DISK_DEPTH); /* no circle */
    }
    assert(count == queue->free_count);
}

/* ---- Open and close ------------------------------------------------------ */

/* Open for writing if that is allowed, else for reading. Returns -1, errno. */
static int open_either(const char *path, int flags, bool *read_only)
{
    int fd = -1;

    if (!*read_only)
        fd = open(path, O_RDWR | O_CLOEXEC | flags);
    if (fd < 0 &&
        (*read_only || errno == EACCES || errno == EROFS || errno == EPERM)) {
        *read_only = true;
        fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    }
    return fd;
}

/*
 * What direct transfers must be aligned to, as far as Linux says (6.1 and
 * later).
 */
static void alignment(int fd, struct host_disk_info *info)
{
    struct statx stat;

    info->sector_size = SECTOR_SIZE_MAX;
    info->memory_align = MEMORY_ALIGN_MAX;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stat) != 0 ||
        (stat.stx_mask & STATX_DIOALIGN) == 0 || stat.stx_dio_mem_align == 0)
        return;
    if (stat.stx_dio_offset_align <= SECTOR_SIZE)
        info->sector_size = SECTOR_SIZE;
    info->memory_align = stat.stx_dio_mem_align;
}

/*
 * Find what the disk is like, and keep other machines from writing to it.
 * Returns what is wrong with it, or NULL.
 */
static const char *inspect(int fd, const struct host_disk_config *config,
                           struct host_disk_info *info)
{
    struct stat stat;
    off_t end;

    if (fstat(fd, &stat) != 0)
        return strerror(errno);
    if (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode))
        return "it is neither a regular file nor a block device";
    end = lseek(fd, 0, SEEK_END);
    if (end < 0)
        return strerror(errno);
    info->sector_size = SECTOR_SIZE;
    info->memory_align = 1;
    if (config->direct)
        alignment(fd, info);
    if (config->sector_size > info->sector_size)
        info->sector_size = config->sector_size;
    if (config->sector_size != 0 && config->sector_size != info->sector_size)
        return "its direct transfers are of larger sectors";
    if (info->memory_align > MEMORY_ALIGN_MAX)
        return "its direct transfers want memory that is aligned to more than "
               "512 bytes";
    if (config->offset % info->sector_size != 0)
        return "it begins within a sector";
    if (config->offset > (uint64_t)end)
        return "it begins behind the end of the file";
    end -= (off_t)config->offset;
    if (end < (off_t)info->sector_size)
        return info->sector_size == SECTOR_SIZE
                   ? "it is smaller than a sector of 512 bytes"
                   : "it is smaller than a sector of 4096 bytes";
    if (flock(fd, (info->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 &&
        errno == EWOULDBLOCK)
        return "another machine uses it; ,ro on both lets them share it";
    info->size = (uint64_t)end & ~(uint64_t)(info->sector_size - 1);
    return NULL;
}

static int engine_open(struct disk *disk, const struct host_disk_config *config)
{
    int refused = -ENOSYS;

    disk->engine = &disk_uring;
    if (config->engine != HOST_DISK_THREADS && host_kind.rings)
        refused = host_ring_probe();
    if (refused != 0 && config->engine == HOST_DISK_URING) {
        host_complain("the host refuses io_uring for disk '%s': %s; "
                      "engine=threads needs none",
                      config->path, strerror(-refused));
        return host_error(-refused);
    }
    if (refused != 0) {
        disk->engine = &disk_threads;
        if (config->engine == HOST_DISK_ANY && host_kind.rings)
            host_complain("threads serve disk '%s', since the host refuses "
                          "io_uring: %s",
                          config->path, strerror(-refused));
    }
    return disk->engine->open(disk, config->path);
}

int host_disk_open(unsigned unit, const struct host_disk_config *config,
                   unsigned queue_count, struct host_disk_info *info)
{
    struct disk *disk = &disks[unit];
    const char *wrong;
    int err;

    assert(unit < HOST_DISK_MAX);
    assert(queue_count > 0 && queue_count <= HOST_CPU_MAX);
    info->read_only = config->read_only;
    disk->fd = open_either(config->path, config->direct ? O_DIRECT : 0,
                           &info->read_only);
    if (disk->fd < 0) {
        err = errno;
        host_complain("cannot open disk '%s': %s", config->path,
                      config->direct && err == EINVAL
                          ? "its file system has no direct transfers"
                          : strerror(err));
        return host_error(err);
    }
    wrong = inspect(disk->fd, config, info);
    if (wrong != NULL) {
        host_complain("cannot use disk '%s': %s", config->path, wrong);
        close(disk->fd);
        return -EINVAL;
    }
    disk->read_only = info->read_only;
    disk->offset = config->offset;
    disk->queue_count = queue_count;
    atomic_store(&disk->zeroing, DISK_ZERO_RANGE);
    for (unsigned i = 0; i < HOST_CPU_MAX; i++)
        atomic_store(&disk->queues[i], NULL);
    err = engine_open(disk, config);
    if (err != 0)
        close(disk->fd);
    return err;
}

void host_disk_close(unsigned unit)
{
    struct disk *disk = &disks[unit];

    assert(unit < HOST_DISK_MAX);
    disk->engine->close(disk);
    for (unsigned i = 0; i < disk->queue_count; i++) {
        struct host_disk_queue *queue = atomic_exchange(&disk->queues[i], NULL);

        if (queue == NULL)
            continue;
        pthread_mutex_destroy(&queue->lock);
        free(queue);
    }
    close(disk->fd);
}
