#include "tests/fakes/ext2_check.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <torc/errno.h>
#include <unistd.h>

/* The clock of a machine may be a little ahead of the host's, in seconds. */
enum { CLOCKS_APART = 3600 };

struct image {
    const uint8_t *data;
    size_t size;
    struct ext2_checked *checked;
};

static int read_bytes(void *context, uint64_t offset, void *to, size_t size)
{
    struct image *image = context;

    /* The checker stays within the disk. */
    if (offset > image->size || size > image->size - offset)
        abort();
    if (image->checked->fail_read > 0 && --image->checked->fail_read == 0)
        return -EIO;
    memcpy(to, image->data + offset, size);
    return 0;
}

static void *take(void *context, size_t size)
{
    struct ext2_checked *checked = ((struct image *)context)->checked;
    void *memory;

    if (checked->fail_alloc > 0 && --checked->fail_alloc == 0)
        return NULL;
    memory = malloc(size);
    if (memory == NULL)
        return NULL;
    memset(memory, 0xa5, size);
    checked->allocated += size;
    if (checked->allocated > checked->allocated_most)
        checked->allocated_most = checked->allocated;
    return memory;
}

static void give_back(void *context, void *memory, size_t size)
{
    ((struct image *)context)->checked->allocated -= size;
    free(memory);
}

static void found(void *context, const struct ext2_finding *finding)
{
    struct ext2_checked *checked = ((struct image *)context)->checked;

    checked->codes[finding->code]++;
    if (checked->count < EXT2_CHECKED_MAX)
        checked->finding[checked->count] = *finding;
    checked->count++;
}

void ext2_check_image(const uint8_t *image, size_t size,
                      struct ext2_checked *checked)
{
    struct image in_memory = {image, size, checked};
    struct ext2_check_host host = {.context = &in_memory,
                                   .size_bytes = size,
                                   .now_s = (uint32_t)time(NULL) + CLOCKS_APART,
                                   .read = read_bytes,
                                   .alloc = take,
                                   .release = give_back,
                                   .found = found};

    *checked = (struct ext2_checked){.fail_alloc = checked->fail_alloc,
                                     .fail_read = checked->fail_read};
    checked->status = ext2_check_volume(&host, &checked->result);
    if (checked->allocated != 0)
        abort();
}

void ext2_check_print(FILE *to, const struct ext2_checked *checked)
{
    if (checked->status != 0)
        fprintf(to, "the check ended with %d\n", checked->status);
    for (unsigned i = 0; i < checked->count && i < EXT2_CHECKED_MAX; i++) {
        const struct ext2_finding *finding = &checked->finding[i];
        const struct ext2_code_info *info = ext2_code_info(finding->code);

        fprintf(to,
                "%s %s inode %" PRIu32 " block %" PRIu64 " expected %" PRIu64
                " found %" PRIu64 "\n",
                info->severity == CHECK_PREEN ? "preen  " : "serious",
                info->name, finding->inode, finding->block, finding->expected,
                finding->found);
    }
    if (checked->count > EXT2_CHECKED_MAX)
        fprintf(to, "and %u more\n", checked->count - EXT2_CHECKED_MAX);
}

bool ext2_check_is_clean(const uint8_t *image, size_t size)
{
    struct ext2_checked checked = {.fail_alloc = 0};

    ext2_check_image(image, size, &checked);
    if (checked.status == 0 && checked.count == 0)
        return true;
    ext2_check_print(stderr, &checked);
    return false;
}

/* ---- e2fsck -------------------------------------------------------------- */

static void problems_read(const char *path, uint32_t *problems, unsigned max,
                          unsigned *count)
{
    char line[1000];
    FILE *log = fopen(path, "r");

    *count = 0;
    while (log != NULL && fgets(line, sizeof(line), log) != NULL) {
        unsigned number;

        if (sscanf(line, "<problem code=\"0x%x\"", &number) != 1)
            continue;
        if (*count < max)
            problems[*count] = number;
        ++*count;
    }
    if (log != NULL)
        fclose(log);
}

int ext2_e2fsck(const uint8_t *image, size_t size, uint32_t *problems,
                unsigned max, unsigned *count)
{
    char path[] = "/tmp/torc_e2fsck_XXXXXX", command[300], log[60];
    int fd = mkstemp(path), status;
    unsigned ignored;

    if (fd < 0 || write(fd, image, size) != (ssize_t)size)
        abort();
    close(fd);
    snprintf(log, sizeof(log), "%s.log", path);
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin; e2fsck -fn -E problem_log=%s %s "
             ">/dev/null 2>&1",
             log, path);
    status = system(command);
    problems_read(log, problems, problems != NULL ? max : 0,
                  count != NULL ? count : &ignored);
    unlink(path);
    unlink(log);
    return status >> 8;
}
