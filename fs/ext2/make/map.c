/*
 * The blocks of a file in their order. Of each level one indirect block at most
 * is being filled; it is taken when the first block below it is, so that it
 * lies before that, and written when it is full.
 */
#include "fs/ext2/make/make_internal.h"
#include <torc/string.h>

/* Where the next block's pointer is: `levels` indirect blocks lead there, and
 * slot[l] is the place in the one of level l; slot[levels] that in the inode,
 * when there are none. */
struct path {
    unsigned levels;
    uint32_t slot[EXT2_LEVEL_MAX + 1];
};

static uint32_t pointers_of(const struct maker *maker)
{
    return maker->layout.block_size / 4;
}

/* Returns 0, -EFBIG. */
static int path_of(const struct maker *maker, uint64_t index, struct path *out)
{
    const uint32_t per_block = pointers_of(maker);
    uint64_t reach = per_block;

    *out = (struct path){.levels = 0};
    if (index < EXT2_DIRECT_COUNT) {
        out->slot[0] = (uint32_t)index;
        return 0;
    }
    index -= EXT2_DIRECT_COUNT;
    for (out->levels = 1; index >= reach; reach *= per_block) {
        index -= reach;
        if (++out->levels > EXT2_LEVEL_MAX)
            return -EFBIG;
    }
    for (unsigned level = 1; level <= out->levels; level++) {
        out->slot[level] = (uint32_t)(index % per_block);
        index /= per_block;
    }
    return 0;
}

/* The pointer to a block of level `level`, 0: data. */
static uint8_t *pointer_of(struct maker *maker, struct maker_map *map,
                           const struct path *path, unsigned level)
{
    if (level < path->levels)
        return maker->indirect[level] + 4 * (size_t)path->slot[level + 1];
    if (level == 0)
        return map->pointers + 4 * (size_t)path->slot[0];
    return map->pointers + 4 * (size_t)(EXT2_DIRECT_COUNT - 1 + level);
}

/* Take the indirect blocks that are missing, from the inode down. */
static int tables_take(struct maker *maker, struct maker_map *map,
                       const struct path *path)
{
    for (unsigned level = path->levels; level > 0; level--) {
        uint32_t *table = &map->table[level - 1];
        int status;

        if (*table != 0)
            continue;
        status = maker_take(maker, table);
        if (status != 0)
            return status;
        map->blocks++;
        memset(maker->indirect[level - 1], 0, maker->layout.block_size);
        le32_put(pointer_of(maker, map, path, level), *table);
    }
    return 0;
}

static int table_close(struct maker *maker, struct maker_map *map,
                       unsigned level)
{
    uint32_t block = map->table[level - 1];

    map->table[level - 1] = 0;
    if (block == 0)
        return 0;
    return maker_write(maker, block, maker->indirect[level - 1]);
}

/* The block at `path` is done: close the tables that it was the last one of. */
static int step(struct maker *maker, struct maker_map *map,
                const struct path *path)
{
    int status = 0;

    map->index++;
    for (unsigned level = 1; level <= path->levels && status == 0; level++) {
        if (path->slot[level] + 1 < pointers_of(maker))
            break;
        status = table_close(maker, map, level);
    }
    return status;
}

int maker_map_block(struct maker *maker, struct maker_map *map, uint32_t *block)
{
    struct path path;
    int status = path_of(maker, map->index, &path);

    if (status == 0)
        status = tables_take(maker, map, &path);
    if (status == 0)
        status = maker_take(maker, block);
    if (status != 0)
        return status;
    map->blocks++;
    le32_put(pointer_of(maker, map, &path, 0), *block);
    return step(maker, map, &path);
}

int maker_map_hole(struct maker *maker, struct maker_map *map)
{
    struct path path;
    int status = path_of(maker, map->index, &path);

    return status != 0 ? status : step(maker, map, &path);
}

int maker_map_end(struct maker *maker, struct maker_map *map)
{
    int status = 0;

    for (unsigned level = 1; level <= EXT2_LEVEL_MAX && status == 0; level++)
        status = table_close(maker, map, level);
    return status;
}
