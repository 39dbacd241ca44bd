#include "fs/ext2/check/check_internal.h"
#include <torc/string.h>

/* ---- Findings ------------------------------------------------------------ */

void fsck_found(struct fsck *fsck, enum ext2_code code, uint32_t inode,
                uint64_t block, uint64_t expected, uint64_t found)
{
    struct ext2_finding finding = {.code = code,
                                   .inode = inode,
                                   .block = block,
                                   .expected = expected,
                                   .found = found};

    fsck->result->findings[ext2_code_info(code)->severity]++;
    fsck->host->found(fsck->host->context, &finding);
}

/* ---- Memory -------------------------------------------------------------- */

void *fsck_alloc(struct fsck *fsck, size_t size)
{
    void *memory = fsck->host->alloc(fsck->host->context, size);

    if (memory != NULL)
        memset(memory, 0, size);
    return memory;
}

void fsck_release(struct fsck *fsck, void *memory, size_t size)
{
    if (memory != NULL)
        fsck->host->release(fsck->host->context, memory, size);
}

int fsck_list_add(struct fsck *fsck, struct fsck_list *list, uint64_t item)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : 2 * list->room;
        uint64_t *larger = fsck_alloc(fsck, room * sizeof(*larger));

        if (larger == NULL)
            return -ENOMEM;
        if (list->count > 0)
            memcpy(larger, list->item, list->count * sizeof(*larger));
        fsck_release(fsck, list->item, list->room * sizeof(*larger));
        list->item = larger;
        list->room = room;
    }
    list->item[list->count++] = item;
    return 0;
}

void fsck_list_free(struct fsck *fsck, struct fsck_list *list)
{
    fsck_release(fsck, list->item, list->room * sizeof(*list->item));
    *list = (struct fsck_list){.item = NULL};
}

/* Let item `at` sink in a heap of `count`, the largest above. */
static void sink(uint64_t *item, size_t at, size_t count)
{
    uint64_t value = item[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= count)
            break;
        if (child + 1 < count && item[child + 1] > item[child])
            child++;
        if (item[child] <= value)
            break;
        item[at] = item[child];
        at = child;
    }
    item[at] = value;
}

/* By a heap: in place, and never slow. */
void fsck_list_sort(struct fsck_list *list)
{
    for (size_t i = list->count / 2; i-- > 0;)
        sink(list->item, i, list->count);
    for (size_t rest = list->count; rest-- > 1;) {
        uint64_t last = list->item[rest];

        list->item[rest] = list->item[0];
        list->item[0] = last;
        sink(list->item, 0, rest);
    }
}

/* ---- Reading ------------------------------------------------------------- */

int fsck_read_block(struct fsck *fsck, uint32_t block, void *to)
{
    return fsck->host->read(fsck->host->context,
                            (uint64_t)block << fsck->block_shift, to,
                            fsck->block_size);
}

/* ---- All ----------------------------------------------------------------- */

/* What is as large as the volume says. */
static int prepare(struct fsck *fsck)
{
    uint8_t **maps[] = {&fsck->used, &fsck->meta, &fsck->shared, &fsck->seen,
                        &fsck->xattr};
    uint8_t **buffers[] = {&fsck->table,       &fsck->indirect[0],
                           &fsck->indirect[1], &fsck->indirect[2],
                           &fsck->data,        &fsck->node};

    for (size_t i = 0; i < COUNT_OF(maps); i++) {
        *maps[i] = fsck_alloc(fsck, fsck_map_size(fsck));
        if (*maps[i] == NULL)
            return -ENOMEM;
    }
    for (size_t i = 0; i < COUNT_OF(buffers); i++) {
        *buffers[i] = fsck_alloc(fsck, fsck->block_size);
        if (*buffers[i] == NULL)
            return -ENOMEM;
    }
    fsck->bytes = fsck_alloc(fsck, fsck->block_size / 8);
    fsck->groups = fsck_alloc(fsck, fsck->group_count * sizeof(*fsck->groups));
    fsck->inode =
        fsck_alloc(fsck, ((size_t)fsck->inodes + 1) * sizeof(*fsck->inode));
    return fsck->bytes == NULL || fsck->groups == NULL || fsck->inode == NULL
               ? -ENOMEM
               : 0;
}

static void forget(struct fsck *fsck)
{
    uint8_t *maps[] = {fsck->used, fsck->meta, fsck->shared, fsck->seen,
                       fsck->xattr};
    uint8_t *buffers[] = {fsck->table,       fsck->indirect[0],
                          fsck->indirect[1], fsck->indirect[2],
                          fsck->data,        fsck->node};

    for (size_t i = 0; i < COUNT_OF(maps); i++)
        fsck_release(fsck, maps[i], fsck_map_size(fsck));
    for (size_t i = 0; i < COUNT_OF(buffers); i++)
        fsck_release(fsck, buffers[i], fsck->block_size);
    fsck_release(fsck, fsck->bytes, fsck->block_size / 8);
    fsck_release(fsck, fsck->groups, fsck->group_count * sizeof(*fsck->groups));
    fsck_release(fsck, fsck->inode,
                 ((size_t)fsck->inodes + 1) * sizeof(*fsck->inode));
    fsck_list_free(fsck, &fsck->xattr_uses);
    fsck_list_free(fsck, &fsck->names);
    fsck_release(fsck, fsck->super, EXT2_SUPER_SIZE);
}

static void count(struct fsck *fsck)
{
    struct ext2_check_result *result = fsck->result;

    result->block_size = fsck->block_size;
    result->blocks = fsck->blocks;
    result->inodes = fsck->inodes;
    for (uint32_t i = fsck->first_block; i < fsck->blocks; i++)
        result->blocks_used += fsck_bit(fsck->used, i);
    for (uint32_t i = 1; i <= fsck->inodes; i++) {
        bool is_used = (fsck->inode[i].flags & (FSCK_USED | FSCK_ORPHAN)) != 0;

        result->inodes_used += is_used;
        result->directories +=
            is_used && fsck->inode[i].type == DIRENT_TYPE_DIRECTORY;
    }
}

static int check(struct fsck *fsck)
{
    static int (*const passes[])(struct fsck * fsck) = {
        fsck_groups,        fsck_orphans, fsck_super_resize,
        fsck_super_journal, fsck_inodes,  fsck_shared,
        fsck_dirs,          fsck_connect, fsck_bitmaps};
    int status = fsck_super(fsck);

    if (status == 0 && !fsck->result->stopped)
        status = prepare(fsck);
    for (size_t i = 0; i < COUNT_OF(passes); i++)
        if (status == 0 && !fsck->result->stopped)
            status = passes[i](fsck);
    if (status == 0 && !fsck->result->stopped)
        count(fsck);
    return status;
}

int ext2_check_volume(const struct ext2_check_host *host,
                      struct ext2_check_result *result)
{
    struct fsck *fsck = host->alloc(host->context, sizeof(*fsck));
    int status;

    *result = (struct ext2_check_result){.stopped = false};
    if (fsck == NULL)
        return -ENOMEM;
    *fsck = (struct fsck){.host = host, .result = result};
    status = check(fsck);
    forget(fsck);
    host->release(host->context, fsck, sizeof(*fsck));
    return status;
}
