/*
 * Files of the host: boot modules, and disks.
 *
 * A disk is a file or block device and a thread that serves its requests in the
 * order they came, so a flush covers every write before it. Two lists, under
 * the disk's lock: what waits, and what is done.
 */
#include "hal/posix/host.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR_SIZE = 512 };

/* ---- Boot modules ------------------------------------------------------------ */

/* A copy-on-write map: the module is memory and may be written to. */
static int file_map(int fd, const void **base, size_t *size)
{
    struct stat stat;
    void *map;

    if (fstat(fd, &stat) != 0)
        return errno;
    if (!S_ISREG(stat.st_mode) || stat.st_size <= 0)
        return EINVAL;
    map = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
               fd, 0);
    if (map == MAP_FAILED)
        return errno;
    *base = map;
    *size = (size_t)stat.st_size;
    return 0;
}

int host_file_map(const char *path, const void **base, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = errno;

    if (fd >= 0) {
        error = file_map(fd, base, size);
        close(fd);
        if (error == 0)
            return 0;
    }
    if (error == EINVAL)
        host_complain("module '%s' is no regular file, or is empty", path);
    else
        host_complain("cannot read module '%s': %s", path, strerror(error));
    return host_error(error);
}

void host_file_unmap(const void *base, size_t size)
{
    munmap((void *)(uintptr_t)base, size);
}

/* ---- Lists of requests --------------------------------------------------------- */

struct request_list {
    struct host_disk_request *head;
    struct host_disk_request *tail;
};

static void list_push(struct request_list *list,
                      struct host_disk_request *request)
{
    request->next = NULL;
    if (list->head == NULL)
        list->head = request;
    else
        list->tail->next = request;
    list->tail = request;
}

static struct host_disk_request *list_pop(struct request_list *list)
{
    struct host_disk_request *request = list->head;

    if (request != NULL)
        list->head = request->next;
    return request;
}

/* ---- Disks: the thread --------------------------------------------------------- */

static struct host_disk {
    /* constant while the disk is open: */
    int fd;
    int irq;
    bool read_only;
    pthread_t thread;
    /* under the lock: */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct request_list waiting;
    struct request_list done;
    bool stop;
} disks[HOST_DISK_MAX];

/* Transfer all of a request; a short file is a broken medium. */
static int transfer(int fd, const struct host_disk_request *request)
{
    char *at = request->buf;
    size_t left = request->size;
    off_t offset = (off_t)request->offset;

    while (left > 0) {
        ssize_t done = request->op == HOST_DISK_WRITE
                           ? pwrite(fd, at, left, offset)
                           : pread(fd, at, left, offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -EIO;
        at += done;
        offset += done;
        left -= (size_t)done;
    }
    return 0;
}

static int serve(const struct host_disk *disk,
                 const struct host_disk_request *request)
{
    if (request->op != HOST_DISK_READ && disk->read_only)
        return -EROFS;
    if (request->op == HOST_DISK_FLUSH)
        return fdatasync(disk->fd) == 0 ? 0 : -EIO;
    return transfer(disk->fd, request);
}

static void *disk_main(void *arg)
{
    struct host_disk *disk = arg;

    pthread_mutex_lock(&disk->lock);
    while (!disk->stop) {
        struct host_disk_request *request = list_pop(&disk->waiting);

        if (request == NULL) {
            pthread_cond_wait(&disk->work, &disk->lock);
            continue;
        }
        pthread_mutex_unlock(&disk->lock);
        request->status = serve(disk, request);
        pthread_mutex_lock(&disk->lock);
        list_push(&disk->done, request);
        pthread_mutex_unlock(&disk->lock);
        machine_irq_raise(disk->irq);
        pthread_mutex_lock(&disk->lock);
    }
    pthread_mutex_unlock(&disk->lock);
    return NULL;
}

void host_disk_submit(unsigned unit, struct host_disk_request *request)
{
    struct host_disk *disk = &disks[unit];

    pthread_mutex_lock(&disk->lock);
    list_push(&disk->waiting, request);
    pthread_cond_signal(&disk->work);
    pthread_mutex_unlock(&disk->lock);
}

struct host_disk_request *host_disk_poll(unsigned unit)
{
    struct host_disk *disk = &disks[unit];
    struct host_disk_request *request;

    pthread_mutex_lock(&disk->lock);
    request = list_pop(&disk->done);
    pthread_mutex_unlock(&disk->lock);
    return request;
}

/* ---- Disks: open and close ------------------------------------------------------ */

/* Open for writing if that is allowed, else for reading. Returns -1, errno. */
static int open_either(const char *path, bool *read_only)
{
    int fd = -1;

    if (!*read_only)
        fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 &&
        (*read_only || errno == EACCES || errno == EROFS || errno == EPERM)) {
        *read_only = true;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd;
}

/*
 * Find the size, and keep other machines from writing to the same disk. Returns
 * what is wrong with it, or NULL.
 */
static const char *inspect(int fd, bool read_only, uint64_t *size)
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
    if (end < SECTOR_SIZE)
        return "it is smaller than a sector of 512 bytes";
    if (flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 &&
        errno == EWOULDBLOCK)
        return "another machine uses it; ,ro on both lets them share it";
    *size = (uint64_t)end;
    return NULL;
}

int host_disk_open(unsigned unit, const struct host_disk_config *config,
                   int irq, struct host_disk_info *info)
{
    struct host_disk *disk = &disks[unit];
    const char *wrong;
    int err;

    info->read_only = config->read_only;
    disk->fd = open_either(config->path, &info->read_only);
    if (disk->fd < 0) {
        err = errno;
        host_complain("cannot open disk '%s': %s", config->path, strerror(err));
        return host_error(err);
    }
    wrong = inspect(disk->fd, info->read_only, &info->size);
    if (wrong != NULL) {
        host_complain("cannot use disk '%s': %s", config->path, wrong);
        close(disk->fd);
        return -EINVAL;
    }
    disk->irq = irq;
    disk->read_only = info->read_only;
    disk->waiting.head = NULL;
    disk->done.head = NULL;
    disk->stop = false;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->work, NULL);
    err = pthread_create(&disk->thread, NULL, disk_main, disk);
    if (err != 0) {
        host_complain("no thread for disk '%s': %s", config->path,
                      strerror(err));
        close(disk->fd);
    }
    return host_error(err);
}

void host_disk_close(unsigned unit)
{
    struct host_disk *disk = &disks[unit];

    pthread_mutex_lock(&disk->lock);
    disk->stop = true;
    pthread_cond_signal(&disk->work);
    pthread_mutex_unlock(&disk->lock);
    pthread_join(disk->thread, NULL);
    pthread_cond_destroy(&disk->work);
    pthread_mutex_destroy(&disk->lock);
    close(disk->fd);
}
