#include "tools/mkimg/image.h"
#include "tools/mkimg/source.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a signal that ends the program removes. */
static char *volatile half_made;

static void on_signal(int number)
{
    if (half_made != NULL)
        unlink(half_made);
    signal(number, SIG_DFL);
    raise(number);
}

void image_begin(struct image *image, const char *path)
{
    *image = (struct image){.path = path, .fd = -1, .source = -1};
}

static int failed(struct image *image, const char *path, const char *why)
{
    image->has_said = true;
    return complain("%s: %s", path, why);
}

/* ---- The file ------------------------------------------------------------ */

static void signals_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        signal(numbers[i], on_signal);
}

int image_create(struct image *image, uint64_t size)
{
    static const char suffix[] = ".XXXXXX";
    size_t len = strlen(image->path);
    struct stat there;
    mode_t mask = umask(0);

    umask(mask);
    if (stat(image->path, &there) == 0 && !S_ISREG(there.st_mode))
        return failed(image, image->path, "it is no regular file");
    image->temporary = malloc(len + sizeof(suffix));
    if (image->temporary == NULL)
        return failed(image, image->path, strerror(errno));
    memcpy(image->temporary, image->path, len);
    memcpy(image->temporary + len, suffix, sizeof(suffix));
    signals_catch();
    image->fd = mkstemp(image->temporary);
    if (image->fd < 0) {
        free(image->temporary);
        image->temporary = NULL;
        return failed(image, image->path, strerror(errno));
    }
    half_made = image->temporary;
    if (size > INT64_MAX || ftruncate(image->fd, (off_t)size) != 0 ||
        fchmod(image->fd, 0666 & ~mask) != 0)
        return failed(image, image->path, strerror(errno));
    return 0;
}

int image_commit(struct image *image)
{
    if (close(image->fd) != 0 || rename(image->temporary, image->path) != 0) {
        image->fd = -1;
        return failed(image, image->path, strerror(errno));
    }
    image->fd = -1;
    half_made = NULL;
    free(image->temporary);
    image->temporary = NULL;
    return 0;
}

void image_end(struct image *image)
{
    if (image->source >= 0)
        close(image->source);
    if (image->fd >= 0)
        close(image->fd);
    if (image->temporary != NULL)
        unlink(image->temporary);
    half_made = NULL;
    free(image->temporary);
}

int image_write(struct image *image, uint64_t offset, const void *data,
                size_t size)
{
    const char *from = data;

    while (size > 0) {
        ssize_t done = pwrite(image->fd, from, size, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return failed(image, image->path, strerror(errno)), -EIO;
        from += done;
        offset += (uint64_t)done;
        size -= (size_t)done;
    }
    return 0;
}

/* ---- What the makers ask for --------------------------------------------- */

static int write_volume(void *context, uint64_t offset, const void *data,
                        size_t size)
{
    struct image *image = context;

    return image_write(image, image->first + offset, data, size);
}

/* Open the file that a node's bytes are in. Returns it, or -1. */
static int source_open(struct image *image, const struct node *node)
{
    if (node->source == NULL)
        return node->fd;
    if (image->open == node)
        return image->source;
    if (image->source >= 0)
        close(image->source);
    image->open = node;
    image->source = open(node->source, O_RDONLY | O_CLOEXEC);
    if (image->source < 0)
        (void)failed(image, node->source, strerror(errno));
    return image->source;
}

static int read_file(void *context, const struct make_file *file,
                     uint64_t offset, void *to, size_t size)
{
    const struct node *node = (const struct node *)file;
    struct image *image = context;
    int fd = source_open(image, node);
    char *at = to;

    if (fd < 0)
        return -EIO;
    while (size > 0) {
        ssize_t got = pread(fd, at, size, (off_t)(node->offset + offset));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return failed(image, node->path,
                          got < 0 ? strerror(errno)
                                  : "it became shorter while it was read"),
                   -EIO;
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return 0;
}

static uint64_t hole_of(void *context, const struct make_file *file,
                        uint64_t offset)
{
    const struct node *node = (const struct node *)file;
    off_t data;
    int fd;

    if (!node->has_holes)
        return 0;
    fd = source_open(context, node);
    if (fd < 0)
        return 0; /* reading says why */
    data = lseek(fd, (off_t)offset, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? file->size_bytes - offset : 0;
    return (uint64_t)data - offset;
}

static void *take(void *context, size_t size)
{
    (void)context;
    return malloc(size > 0 ? size : 1);
}

static void give_back(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

struct make_host image_host(struct image *image)
{
    return (struct make_host){.context = image,
                              .write = write_volume,
                              .read = read_file,
                              .hole = hole_of,
                              .alloc = take,
                              .release = give_back};
}
