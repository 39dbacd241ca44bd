/*
 * The order of things: files get their clusters, then they are written, and at
 * last the FATs and the boot sector, so what is half made is no volume.
 */
#include "fs/fat/make/make_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

#define FILE_BYTES_MAX UINT64_C(0xffffffff)

/* ---- Clusters ------------------------------------------------------------ */

/* Whether FAT can hold a file at all. */
static int file_check(const struct make_file *file)
{
    if (file->type != FILE_REGULAR && file->type != FILE_DIRECTORY)
        return -EPERM;
    if (file->links > 1)
        return -EMLINK;
    return file->type == FILE_REGULAR && file->size_bytes > FILE_BYTES_MAX
               ? -EFBIG
               : 0;
}

/* Look at all files, and set the size of directories: of their slots, which are
 * as many as there is room for, or an end behind them. */
static int files_check(struct make_file *root, const struct fat_maker *maker,
                       const struct make_file **bad)
{
    for (struct make_file *at = root; at != NULL; at = at->next) {
        uint32_t slots;
        int status = file_check(at);

        *bad = at;
        if (status == 0 && at->type == FILE_DIRECTORY) {
            status = fat_made_dir_slots(maker, at, &slots, bad);
            at->size_bytes = (uint64_t)max_u32(slots, 1) * SLOT_BYTES;
        }
        if (status != 0)
            return status;
    }
    *bad = NULL;
    return 0;
}

/* Give all files their clusters, as if there were any number of them. Returns
 * how many are taken. */
static uint64_t clusters_give(struct fat_maker *maker)
{
    const uint64_t cluster =
        (uint64_t)maker->layout.cluster_sectors * BOOT_BYTES;
    uint64_t next = FAT_FIRST;

    for (struct make_file *at = maker->root; at != NULL; at = at->next) {
        uint64_t bytes = fat_made_is_fixed(maker, at) ? 0 : at->size_bytes;

        at->clusters = (uint32_t)((bytes + cluster - 1) / cluster);
        at->number = at->clusters > 0 ? (uint32_t)next : 0;
        next += at->clusters;
    }
    maker->next = (uint32_t)next;
    return next - FAT_FIRST;
}

/* ---- Files --------------------------------------------------------------- */

/* What is zeros is there already. */
static int data_write(struct fat_maker *maker, const struct make_file *file)
{
    const struct make_host *host = maker->host;
    const uint64_t offset = fat_made_offset(maker, file);
    int status = 0;

    for (uint64_t at = 0; at < file->size_bytes && status == 0;
         at += MAKE_CHUNK) {
        size_t size = (size_t)min_u64(MAKE_CHUNK, file->size_bytes - at);

        status = host->read(host->context, file, at, maker->chunk, size);
        if (status == 0 && !make_is_zero(maker->chunk, size))
            status =
                make_disk_write(&maker->disk, offset + at, maker->chunk, size);
    }
    return status;
}

static int files_write(struct fat_maker *maker, const struct make_file **bad)
{
    int status = 0;

    for (const struct make_file *at = maker->root; at != NULL && status == 0;
         at = at->next) {
        *bad = at;
        status = at->type == FILE_DIRECTORY ? fat_made_dir(maker, at, bad)
                                            : data_write(maker, at);
    }
    if (status == 0)
        *bad = NULL;
    return status;
}

/* ---- All ----------------------------------------------------------------- */

static int layout_set(struct fat_maker *maker, uint64_t sectors)
{
    const struct fat_make_options *options = maker->options;

    if (options->cluster_bytes % BOOT_BYTES != 0)
        return -EINVAL;
    return fat_layout_set(&maker->layout, sectors, options->bits,
                          options->cluster_bytes / BOOT_BYTES,
                          (uint32_t)(maker->root->size_bytes / SLOT_BYTES));
}

static int all_write(struct fat_maker *maker, const struct make_file **bad)
{
    int status = files_write(maker, bad);

    if (status == 0)
        status = fat_made_table(maker);
    if (status == 0)
        status = fat_made_boot(maker);
    return status != 0 ? status : make_disk_flush(&maker->disk);
}

static int volume_write(struct fat_maker *maker, const struct make_file **bad)
{
    const struct make_host *host = maker->host;
    int status = make_disk_begin(&maker->disk, host, false);

    if (status != 0)
        return status;
    maker->chunk = host->alloc(host->context, MAKE_CHUNK);
    if (maker->chunk != NULL) {
        status = all_write(maker, bad);
        host->release(host->context, maker->chunk, MAKE_CHUNK);
    } else {
        status = -ENOMEM;
    }
    make_disk_end(&maker->disk);
    return status;
}

int fat_make(const struct make_host *host,
             const struct fat_make_options *options, struct make_file *root,
             struct fat_make_result *result)
{
    struct fat_maker maker = {.host = host, .options = options, .root = root};
    uint64_t taken = 0;
    int status = files_check(root, &maker, &result->file);

    if (status == 0)
        status = layout_set(&maker, options->size_bytes / BOOT_BYTES);
    if (status == 0)
        taken = clusters_give(&maker);
    if (status == 0 && taken > maker.layout.clusters)
        status = -ENOSPC;
    if (status == 0)
        status = volume_write(&maker, &result->file);
    if (status != 0)
        return status;
    result->bits = maker.layout.bits;
    result->cluster_bytes = maker.layout.cluster_sectors * BOOT_BYTES;
    result->clusters = maker.layout.clusters;
    result->clusters_free = maker.layout.clusters - (uint32_t)taken;
    return 0;
}

/* ---- Measuring ----------------------------------------------------------- */

/* What is to be free. */
struct spare {
    uint64_t bytes;
    uint32_t percent;
};

/* Returns 0: so many sectors have room; -ENOSPC, -EINVAL, -EFBIG. */
static int size_try(struct fat_maker *maker, uint64_t sectors,
                    const struct spare *spare)
{
    uint64_t cluster, wanted;
    int status = layout_set(maker, sectors);

    if (status != 0)
        return status;
    cluster = (uint64_t)maker->layout.cluster_sectors * BOOT_BYTES;
    wanted = clusters_give(maker);
    wanted +=
        wanted * spare->percent / 100 + (spare->bytes + cluster - 1) / cluster;
    return wanted <= maker->layout.clusters ? 0 : -ENOSPC;
}

int fat_make_measure(const struct make_host *host,
                     const struct fat_make_options *options,
                     struct make_file *root, uint64_t free_bytes,
                     uint32_t free_percent, uint64_t *size_bytes,
                     struct fat_make_result *result)
{
    struct fat_maker maker = {.host = host, .options = options, .root = root};
    const struct spare spare = {free_bytes, free_percent};
    uint64_t low = 0, high = 1; /* too small, and not */
    int status = files_check(root, &maker, &result->file);

    if (status != 0)
        return status;
    while ((status = size_try(&maker, high, &spare)) != 0) {
        if (status != -ENOSPC || high > UINT32_MAX)
            return status;
        low = high;
        high += high / 8 + 1;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (size_try(&maker, middle, &spare) == 0)
            high = middle;
        else
            low = middle;
    }
    *size_bytes = high * BOOT_BYTES;
    return 0;
}
