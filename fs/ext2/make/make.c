/*
 * The order of things: inodes get their numbers, then each file is written,
 * what it holds and then its inode; at last the volume around them. The first
 * superblock is written last, so what is half made is no volume.
 */
#include "fs/ext2/hash.h"
#include "fs/ext2/inode_time.h"
#include "fs/ext2/make/make_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

enum { GROWTH_MAX = 100000 /* steps of ext2_make_measure() */ };

/* ---- Blocks -------------------------------------------------------------- */

int maker_take(struct maker *maker, uint32_t *block)
{
    const struct ext2_layout *layout = &maker->layout;
    uint32_t group, data;

    maker->taken++;
    *block = UINT32_MAX;
    if (maker->disk.is_dry)
        return maker->taken < UINT32_MAX ? 0 : -ENOSPC;
    if (maker->next_block >= layout->blocks)
        return -ENOSPC;
    group =
        (maker->next_block - layout->first_block) / layout->blocks_per_group;
    data = ext2_layout_first(layout, group) + ext2_layout_meta(layout, group);
    if (maker->next_block < data)
        maker->next_block = data;
    *block = maker->next_block++;
    return 0;
}

int maker_write(struct maker *maker, uint32_t block, const uint8_t *data)
{
    return make_disk_write(&maker->disk,
                           (uint64_t)block * maker->layout.block_size, data,
                           maker->layout.block_size);
}

/* ---- Inodes -------------------------------------------------------------- */

bool maker_has_lost_dir(const struct maker *maker)
{
    const struct make_file *root = maker->root;

    for (uint32_t i = 0; i < root->name_count; i++) {
        if (root->names[i].len == sizeof(MAKER_LOST_NAME) - 1 &&
            memcmp(root->names[i].text, MAKER_LOST_NAME,
                   sizeof(MAKER_LOST_NAME) - 1) == 0)
            return false;
    }
    return true;
}

/* Write the block of the inode table that is being filled. */
static int table_write(struct maker *maker)
{
    uint32_t block = maker->table_block;

    maker->table_block = 0;
    return block == 0 ? 0 : maker_write(maker, block, maker->table);
}

/* Where an inode goes: zeros. The numbers rise from call to call. */
static int slot_of(struct maker *maker, uint32_t number, uint8_t **raw)
{
    const struct ext2_layout *layout = &maker->layout;
    const uint32_t per_block = layout->block_size / layout->inode_size;
    uint32_t at = (number - 1) % layout->inodes_per_group;
    uint32_t group = (number - 1) / layout->inodes_per_group;
    uint32_t block = maker_table_of(maker, group) + at / per_block;
    int status = 0;

    if (block != maker->table_block) {
        status = table_write(maker);
        memset(maker->table, 0, layout->block_size);
        maker->table_block = block;
    }
    *raw = maker->table + (size_t)(at % per_block) * layout->inode_size;
    return status;
}

static uint16_t format_mode(const struct make_file *file)
{
    static const uint8_t modes[] = {
        [FILE_REGULAR] = MODE_REGULAR,     [FILE_DIRECTORY] = MODE_DIRECTORY,
        [FILE_SYMLINK] = MODE_SYMLINK,     [FILE_FIFO] = MODE_FIFO,
        [FILE_CHARACTER] = MODE_CHARACTER, [FILE_BLOCK] = MODE_BLOCK,
        [FILE_SOCKET] = MODE_SOCKET,
    };

    return (uint16_t)(modes[file->type] << MODE_TYPE_SHIFT |
                      (file->mode & MODE_PERMISSIONS));
}

static void times_put(uint8_t *raw, uint32_t end, struct file_time time)
{
    ext2_time_put(raw, INODE_ATIME, INODE_ATIME_EXTRA, end, time);
    ext2_time_put(raw, INODE_CTIME, INODE_CTIME_EXTRA, end, time);
    ext2_time_put(raw, INODE_MTIME, INODE_MTIME_EXTRA, end, time);
    if (end > EXT2_INODE_SIZE_MIN)
        ext2_time_put(raw, INODE_BTIME, INODE_BTIME_EXTRA, end, time);
}

static void inode_fill(const struct maker *maker, const struct make_file *file,
                       const struct maker_inode *inode, uint8_t *raw)
{
    const uint32_t size = maker->layout.inode_size;
    uint32_t links = file->links, end = EXT2_INODE_SIZE_MIN;

    if (file->type == FILE_DIRECTORY)
        links = 2 + file->dirs;
    if (file == maker->root && maker_has_lost_dir(maker))
        links++;
    le16_put(raw + INODE_MODE, format_mode(file));
    le16_put(raw + INODE_UID, (uint16_t)file->uid);
    le16_put(raw + INODE_UID_HIGH, (uint16_t)(file->uid >> 16));
    le16_put(raw + INODE_GID, (uint16_t)file->gid);
    le16_put(raw + INODE_GID_HIGH, (uint16_t)(file->gid >> 16));
    le32_put(raw + INODE_SIZE, (uint32_t)inode->size);
    le32_put(raw + INODE_SIZE_HIGH, (uint32_t)(inode->size >> 32));
    le16_put(raw + INODE_LINKS, (uint16_t)links);
    le32_put(raw + INODE_FLAGS, inode->flags);
    memcpy(raw + INODE_BLOCK, inode->map.pointers, EXT2_IN_INODE_SIZE);
    if (size > EXT2_INODE_SIZE_MIN) {
        le16_put(raw + INODE_EXTRA_SIZE, INODE_EXTRA_WANTED);
        end += INODE_EXTRA_WANTED;
    }
    times_put(raw, end, file->time);
}

/* Write an inode whose content is written. */
static int inode_write(struct maker *maker, const struct make_file *file,
                       struct maker_inode *inode, uint32_t number)
{
    const uint32_t in_sectors = maker->layout.block_size / 512;
    uint8_t dry[256], *raw = dry;
    uint64_t sectors;
    uint32_t block;
    int status = maker_map_end(maker, &inode->map);

    if (status == 0 && !maker->disk.is_dry)
        status = slot_of(maker, number, &raw);
    if (status != 0)
        return status;
    inode_fill(maker, file, inode, raw);
    status = maker_xattrs(maker, file, raw, &block);
    sectors = (inode->map.blocks + (block != 0)) * in_sectors;
    if (status == 0 && sectors > UINT32_MAX)
        status = -EFBIG;
    le32_put(raw + INODE_FILE_ACL, block);
    le32_put(raw + INODE_BLOCKS, (uint32_t)sectors);
    return status;
}

/* ---- Files --------------------------------------------------------------- */

/* The number of a device, where Linux looks for it. */
static void device_put(struct maker_inode *inode, uint64_t rdev)
{
    le32_put(inode->map.pointers + (rdev <= UINT16_MAX ? 0 : 4),
             (uint32_t)rdev);
}

static int content_write(struct maker *maker, const struct make_file *file,
                         struct maker_inode *inode)
{
    switch (file->type) {
    case FILE_REGULAR:
        return maker_file(maker, file, inode);
    case FILE_DIRECTORY:
        return maker_dir(maker, file, inode);
    case FILE_SYMLINK:
        return maker_link(maker, file, inode);
    case FILE_CHARACTER:
    case FILE_BLOCK:
        device_put(inode, file->rdev);
        return 0;
    default:
        return 0;
    }
}

static int one_write(struct maker *maker, const struct make_file *file)
{
    struct maker_inode inode = {.flags = 0};
    int status;

    if (file->links > EXT2_LINKS_MAX || file->dirs > EXT2_LINKS_MAX - 3)
        return -EMLINK;
    status = content_write(maker, file, &inode);
    if (status == 0 && file->type == FILE_DIRECTORY && inode.size > INT32_MAX)
        status = -EFBIG;
    if (status == 0)
        status = inode_write(maker, file, &inode, file->number);
    return status;
}

static int lost_write(struct maker *maker)
{
    const struct make_file file = {.type = FILE_DIRECTORY,
                                   .mode = 0700,
                                   .links = 1,
                                   .time = maker->root->time};
    struct maker_inode inode = {.flags = 0};
    int status = maker_lost_dir(maker, &inode);

    return status != 0
               ? status
               : inode_write(maker, &file, &inode, EXT2_FIRST_INODE_REV0);
}

static void dir_count(struct maker *maker, uint32_t number)
{
    if (maker->dirs != NULL)
        maker->dirs[(number - 1) / maker->layout.inodes_per_group]++;
}

/* Give all files their numbers: behind the root's those that mean something. */
static int numbers_give(struct maker *maker, struct make_file *root)
{
    root->number = EXT2_ROOT_INODE;
    maker->next_inode = EXT2_FIRST_INODE_REV0 + maker_has_lost_dir(maker);
    for (struct make_file *at = root->next; at != NULL; at = at->next) {
        if (maker->next_inode == UINT32_MAX)
            return -ENOSPC;
        at->number = maker->next_inode++;
    }
    return 0;
}

static int files_write(struct maker *maker, const struct make_file **file)
{
    const struct make_file *at = maker->root;
    int status = one_write(maker, at);

    if (status == 0 && maker_has_lost_dir(maker)) {
        dir_count(maker, EXT2_FIRST_INODE_REV0);
        status = lost_write(maker);
    }
    for (; at != NULL && status == 0; at = at->next) {
        if (at->type == FILE_DIRECTORY)
            dir_count(maker, at->number);
        *file = at;
        if (at != maker->root)
            status = one_write(maker, at);
    }
    /* Without room for one there is none for others. */
    if (status == 0 ||
        (status == -ENOSPC && maker->next_block >= maker->layout.blocks))
        *file = NULL;
    return status != 0 ? status : table_write(maker);
}

/* ---- Beginning and end --------------------------------------------------- */

static bool options_are_valid(const struct ext2_make_options *options)
{
    const uint32_t block = options->block_size;

    return (block == 1024 || block == 2048 || block == EXT2_MAKE_BLOCK_MAX) &&
           (options->inode_size == EXT2_INODE_SIZE_MIN ||
            options->inode_size == 2 * EXT2_INODE_SIZE_MIN) &&
           options->hash_version < EXT2_HASH_UNSIGNED;
}

/* The buffers are one piece of memory, the chunk first. */
enum { BUFFERS = 1 + EXT2_LEVEL_MAX + 2 + 1 };

static size_t buffers_size(const struct maker *maker)
{
    return MAKE_CHUNK + (size_t)BUFFERS * maker->layout.block_size;
}

static int maker_begin(struct maker *maker, const struct make_host *host,
                       const struct ext2_make_options *options,
                       struct make_file *root, bool is_dry)
{
    uint8_t *at;
    int status;

    *maker = (struct maker){.host = host, .options = options, .root = root};
    if (!options_are_valid(options))
        return -EINVAL;
    maker->layout.block_size = options->block_size;
    maker->layout.inode_size = options->inode_size;
    status = numbers_give(maker, root);
    if (status == 0)
        status = make_disk_begin(&maker->disk, host, is_dry);
    if (status != 0)
        return status;
    at = host->alloc(host->context, buffers_size(maker));
    if (at == NULL) {
        make_disk_end(&maker->disk);
        return -ENOMEM;
    }
    maker->chunk = at;
    at += MAKE_CHUNK;
    maker->table = at;
    maker->block = at + options->block_size;
    for (unsigned i = 0; i < 2; i++)
        maker->area[i] = at + (2 + i) * (size_t)options->block_size;
    for (unsigned i = 0; i < EXT2_LEVEL_MAX; i++)
        maker->indirect[i] = at + (4 + i) * (size_t)options->block_size;
    return 0;
}

static void maker_end(struct maker *maker)
{
    const struct make_host *host = maker->host;

    host->release(host->context, maker->chunk, buffers_size(maker));
    make_disk_end(&maker->disk);
}

static int all_write(struct maker *maker, struct ext2_make_result *result)
{
    const struct make_host *host = maker->host;
    const size_t size = maker->layout.groups * sizeof(*maker->dirs);
    int status;

    maker->dirs = host->alloc(host->context, size);
    if (maker->dirs == NULL)
        return -ENOMEM;
    memset(maker->dirs, 0, size);
    maker->next_block = maker->layout.first_block;
    status = files_write(maker, &result->file);
    if (status == 0)
        status = maker_volume(maker, result);
    if (status == 0)
        status = make_disk_flush(&maker->disk);
    host->release(host->context, maker->dirs, size);
    return status;
}

int ext2_make(const struct make_host *host,
              const struct ext2_make_options *options, struct make_file *root,
              struct ext2_make_result *result)
{
    struct maker maker;
    int status = maker_begin(&maker, host, options, root, false);

    result->file = NULL;
    if (status != 0)
        return status;
    status = ext2_layout_set(&maker.layout,
                             options->size_bytes / options->block_size,
                             max_u32(options->inodes, maker.next_inode - 1));
    if (status == 0)
        status = all_write(&maker, result);
    maker_end(&maker);
    return status;
}

/* The fewest blocks with room for `data`. */
static int layout_find(struct ext2_layout *layout, uint64_t data,
                       uint64_t inodes)
{
    uint64_t blocks = data;

    for (unsigned i = 0; i < GROWTH_MAX && blocks <= UINT32_MAX; i++) {
        int status = ext2_layout_set(layout, blocks, inodes);
        uint64_t room = status == 0 ? ext2_layout_room(layout) : 0;

        if (status == 0 && room >= data)
            return 0;
        /* Many small groups have no room for so many inodes: more blocks. */
        blocks += status == 0 ? data - room : max_u64(blocks / 64, 1);
    }
    return -ENOSPC;
}

int ext2_make_measure(const struct make_host *host,
                      const struct ext2_make_options *options,
                      struct make_file *root, uint64_t free_bytes,
                      uint32_t free_percent, uint64_t *size_bytes,
                      struct ext2_make_result *result)
{
    const uint32_t block = options->block_size;
    struct maker maker;
    uint64_t data;
    int status = maker_begin(&maker, host, options, root, true);

    result->file = NULL;
    if (status != 0)
        return status;
    status = files_write(&maker, &result->file);
    data = maker.taken + maker.taken * free_percent / 100 +
           (free_bytes + block - 1) / block;
    if (status == 0)
        status = layout_find(&maker.layout, data,
                             max_u32(options->inodes, maker.next_inode - 1));
    if (status == 0)
        *size_bytes = (uint64_t)maker.layout.blocks * block;
    maker_end(&maker);
    return status;
}
