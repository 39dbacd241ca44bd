/*
 * torc-fsck: check an ext2 image with the checker of the kernel
 * (fs/ext2/check). docs/man/torc-fsck.8 is its manual.
 */
#include "fs/ext2/check/check.h"
#include "kernel/lib/bytes.h"
#include "tools/fsck/image_part.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <torc/assert.h>
#include <unistd.h>

/* Exit codes, as of fsck(8). */
enum { EXIT_CLEAN = 0, EXIT_FOUND = 4, EXIT_FAILED = 8, EXIT_USAGE = 16 };

struct volume {
    const char *name;
    int fd;
    uint64_t first; /* byte of the file */
    uint64_t size;
    bool is_verbose;
    int error; /* of the last read */
};

static const char usage[] =
    "usage: torc-fsck [-n] [-v] IMAGE[@OFFSET|:PARTITION]\n"
    "Check an ext2 file system; nothing is changed.\n"
    "  -n      the only mode there is, so it need not be said\n"
    "  -v      say what each finding means, and what e2fsck calls it\n"
    "  --help  this text\n"
    "@OFFSET is where the file system begins, in bytes (k, m, g: powers of\n"
    "1024); :PARTITION is the number of a partition, MBR or GPT.\n"
    "Exit: 0 nothing was found, 4 something was, 8 it could not be checked,\n"
    "16 wrong usage.\n";

/* ---- What the checker asks for ------------------------------------------- */

static int read_bytes(void *context, uint64_t offset, void *to, size_t size)
{
    struct volume *volume = context;
    char *at = to;

    while (size > 0) {
        ssize_t got =
            pread(volume->fd, at, size, (off_t)(volume->first + offset));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            volume->error = got < 0 ? errno : EIO;
            return -EIO;
        }
        at += got;
        offset += (size_t)got;
        size -= (size_t)got;
    }
    return 0;
}

static void *take(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void give_back(void *context, void *memory, size_t size)
{
    (void)context;
    (void)size;
    free(memory);
}

static void found(void *context, const struct ext2_finding *finding)
{
    const struct volume *volume = context;
    const struct ext2_code_info *info = ext2_code_info(finding->code);

    printf("%s: %s: %s", volume->name,
           info->severity == CHECK_PREEN ? "preen" : "serious", info->name);
    if (finding->inode != 0)
        printf(" inode %" PRIu32, finding->inode);
    if (finding->block != 0)
        printf(" block %" PRIu64, finding->block);
    printf(" expected %" PRIu64 " found %" PRIu64 "\n", finding->expected,
           finding->found);
    if (volume->is_verbose)
        printf("    %s; e2fsck: %s\n", info->meaning,
               info->e2fsck[0] != '\0' ? info->e2fsck : "refuses it");
}

/* The kernel's sources assert; here that ends the tool. */
void check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "torc-fsck: %s:%d: %s does not hold\n", file, line, expr);
    abort();
}

/* ---- The image ----------------------------------------------------------- */

static int give_up(const char *name, const char *why)
{
    fprintf(stderr, "torc-fsck: %s: %s\n", name, why);
    return EXIT_FAILED;
}

/* Where in the file the volume is, when `at` (from '@' or ':') says so. */
static const char *place(struct volume *volume, const char *at)
{
    uint64_t offset, size = volume->size;
    char *end;

    offset = strtoull(at + 1, &end, 10);
    if (end == at + 1)
        return "a number is missing behind @ or :";
    if (*at == ':')
        return *end != '\0' ? "a partition is a number"
                            : image_part_find(volume->fd, offset,
                                              &volume->first, &volume->size);
    for (const char *unit = "kmg"; *end != '\0' && *unit != '\0'; unit++) {
        offset *= 1024;
        if (*unit == *end) {
            end++;
            break;
        }
    }
    if (*end != '\0')
        return "an offset is a number with k, m, g or nothing behind it";
    if (offset > size)
        return "the offset is behind the end";
    volume->first = offset;
    volume->size = size - offset;
    return NULL;
}

/* Open "FILE", "FILE@OFFSET" or "FILE:PARTITION". */
static const char *image_open(struct volume *volume, const char *argument)
{
    const char *at = NULL, *why;
    char *path = strdup(argument);
    off_t end;

    if (path == NULL)
        return strerror(errno);
    volume->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (volume->fd < 0 && errno == ENOENT) {
        size_t len = strcspn(path, "@:");

        /* A name may have these letters itself: the last one counts. */
        for (size_t i = len; path[i] != '\0'; i++)
            if (path[i] == '@' || path[i] == ':')
                len = i;
        if (path[len] != '\0') {
            at = argument + len;
            path[len] = '\0';
            volume->fd = open(path, O_RDONLY | O_CLOEXEC);
        }
    }
    free(path);
    if (volume->fd < 0)
        return strerror(errno);
    end = lseek(volume->fd, 0, SEEK_END);
    if (end < 0)
        return strerror(errno);
    volume->size = (uint64_t)end;
    why = at != NULL ? place(volume, at) : NULL;
    return why;
}

/* ---- All ----------------------------------------------------------------- */

static int report(const struct volume *volume, int status,
                  const struct ext2_check_result *result)
{
    uint32_t preen = result->findings[CHECK_PREEN];
    uint32_t serious = result->findings[CHECK_SERIOUS];

    if (status == -EINVAL)
        return give_up(volume->name, "this is not an ext2 file system");
    if (status == -ENOTSUP)
        return give_up(volume->name, "it has features that ext2 has not");
    if (status == -ENOMEM)
        return give_up(volume->name, "there is not enough memory");
    if (status != 0)
        return give_up(volume->name, strerror(volume->error));
    if (result->stopped)
        return give_up(volume->name, "the superblock is too damaged to go on");
    printf("%s: %s, %" PRIu32 "/%" PRIu32 " inodes (%" PRIu32
           " directories), %" PRIu32 "/%" PRIu32 " blocks of %" PRIu32 "%s\n",
           volume->name, preen + serious == 0 ? "clean" : "NOT CLEAN",
           result->inodes_used, result->inodes, result->directories,
           result->blocks_used, result->blocks, result->block_size,
           result->clean ? "" : ", was not unmounted");
    if (preen + serious > 0)
        printf("%s: %" PRIu32 " serious, %" PRIu32
               " that e2fsck -p repairs by itself\n",
               volume->name, serious, preen);
    return preen + serious > 0 ? EXIT_FOUND : EXIT_CLEAN;
}

static int check(struct volume *volume, const char *argument)
{
    struct ext2_check_result result;
    struct ext2_check_host host = {.context = volume,
                                   .read = read_bytes,
                                   .alloc = take,
                                   .release = give_back,
                                   .found = found};
    const char *why = image_open(volume, argument);
    int status;

    if (why != NULL)
        return give_up(argument, why);
    host.size_bytes = volume->size;
    host.now_s = (uint32_t)time(NULL);
    status = ext2_check_volume(&host, &result);
    status = report(volume, status, &result);
    close(volume->fd);
    return status;
}

int main(int argc, char **argv)
{
    struct volume volume = {.fd = -1};
    int option;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_CLEAN;
    }
    while ((option = getopt(argc, argv, "nvpya")) != -1) {
        if (option == 'v')
            volume.is_verbose = true;
        if (option == 'p' || option == 'y' || option == 'a')
            fprintf(stderr,
                    "torc-fsck: it repairs nothing; -n is the only "
                    "mode: use e2fsck -%c\n",
                    option);
        if (option != 'v' && option != 'n') {
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    volume.name = argv[optind];
    return check(&volume, argv[optind]);
}
