/* What regular files hold, and where symbolic links lead. */
#include "fs/ext2/make/make_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

/* The next block of the file. */
static int block_put(struct maker *maker, struct maker_inode *inode,
                     const uint8_t *data)
{
    uint32_t block;
    int status;

    if (make_is_zero(data, maker->layout.block_size))
        return maker_map_hole(maker, &inode->map);
    status = maker_map_block(maker, &inode->map, &block);
    return status != 0 ? status : maker_write(maker, block, data);
}

/* Whole blocks from `at` on that are surely zeros. */
static int holes_skip(struct maker *maker, const struct make_file *file,
                      uint64_t *at, struct maker_inode *inode)
{
    const struct make_host *host = maker->host;
    const uint32_t block = maker->layout.block_size;
    uint64_t zeros = 0;
    int status = 0;

    if (host->hole != NULL)
        zeros = host->hole(host->context, file, *at);
    if (zeros >= file->size_bytes - *at) /* what follows is zeros, too */
        zeros = file->size_bytes - *at + block - 1;
    for (; zeros >= block && status == 0; zeros -= block) {
        status = maker_map_hole(maker, &inode->map);
        *at += block;
    }
    return status;
}

/* Up to a chunk of the file from *at on. */
static int chunk_put(struct maker *maker, const struct make_file *file,
                     uint64_t *at, struct maker_inode *inode)
{
    const struct make_host *host = maker->host;
    const uint32_t block = maker->layout.block_size;
    size_t size = (size_t)min_u64(MAKE_CHUNK, file->size_bytes - *at);
    size_t whole = (size + block - 1) / block * block;
    int status = host->read(host->context, file, *at, maker->chunk, size);

    memset(maker->chunk + size, 0, whole - size);
    for (size_t i = 0; i < whole && status == 0; i += block)
        status = block_put(maker, inode, maker->chunk + i);
    *at += whole;
    return status;
}

int maker_file(struct maker *maker, const struct make_file *file,
               struct maker_inode *inode)
{
    uint64_t at = 0;
    int status = 0;

    inode->size = file->size_bytes;
    while (at < file->size_bytes && status == 0) {
        status = holes_skip(maker, file, &at, inode);
        if (status == 0 && at < file->size_bytes)
            status = chunk_put(maker, file, &at, inode);
    }
    return status;
}

int maker_link(struct maker *maker, const struct make_file *file,
               struct maker_inode *inode)
{
    size_t size = (size_t)file->size_bytes;
    uint32_t block;
    int status;

    inode->size = size;
    if (size >= maker->layout.block_size)
        return -ENAMETOOLONG;
    if (size <= EXT2_FAST_LINK_MAX) {
        memcpy(inode->map.pointers, file->target, size);
        return 0;
    }
    memset(maker->chunk, 0, maker->layout.block_size);
    memcpy(maker->chunk, file->target, size);
    status = maker_map_block(maker, &inode->map, &block);
    return status != 0 ? status : maker_write(maker, block, maker->chunk);
}
