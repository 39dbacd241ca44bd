/* What files hold: serve.h. */
#include "kernel/file/vfs_give.h"
#include "tools/fuse/node.h"
#include <torc/assert.h>
#include <torc/errno.h>
#include <torc/memory.h>
#include <torc/page_run.h>

struct serve_data *serve_data_new(void)
{
    struct serve_data *data = mem_alloc(sizeof(*data));

    if (data == NULL)
        return NULL;
    data->count = 0;
    data->slices = mem_alloc(SERVE_PIECES * sizeof(struct slice));
    if (data->slices != NULL)
        return data;
    mem_free(data);
    return NULL;
}

void serve_data_free(struct serve_data *data)
{
    assert(data->count == 0);
    mem_free(data->slices);
    mem_free(data);
}

int serve_read(uint64_t id, uint64_t offset, size_t size,
               struct serve_data *data)
{
    const struct slice *slices = data->slices;
    struct node *node = node_get(id);
    unsigned count = SERVE_PIECES;
    int64_t got;

    assert(data->count == 0);
    if (node == NULL)
        return -ENOENT;
    if (size > SERVE_SIZE_MAX)
        size = SERVE_SIZE_MAX;
    got = vfs_lend(node->inode, offset, size, &node->readahead, data->slices,
                   &count);
    data->count = count;
    node_put(node);
    if (got < 0) {
        serve_read_end(data);
        return (int)got;
    }
    for (unsigned i = 0; i < count; i++)
        data->pieces[i] =
            (struct serve_piece){slice_data(&slices[i]), slices[i].len};
    return 0;
}

void serve_read_end(struct serve_data *data)
{
    const struct slice *slices = data->slices;

    for (unsigned i = 0; i < data->count; i++)
        buf_put(slices[i].buf);
    data->count = 0;
}

int64_t serve_write(uint64_t id, const void *data, size_t size, uint64_t offset)
{
    const struct file_part part = {(void *)data, size};
    struct node *node = node_get(id);
    int64_t written;

    if (node == NULL)
        return -ENOENT;
    written = vfs_write(node->inode, &part, 1, &offset, false);
    node_put(node);
    return written;
}

/* ---- Pages that become the file's ---------------------------------------- */

enum {
    ROOM_PAGES = SERVE_SIZE_MAX / PAGE_BYTES,
    GIVE_MIN = 8 * PAGE_BYTES, /* less is copied: the room stays */
};

void *serve_room_new(void)
{
    return page_run_alloc(ROOM_PAGES);
}

void serve_room_free(void *room)
{
    page_run_free(room);
}

/* A buffer of the first page of a room; NULL: no memory. */
static struct buf *page_next(void **room)
{
    void *page = page_run_take(room);
    struct buf *buf = page == NULL ? NULL : buf_of_page(page);

    if (page != NULL && buf == NULL)
        dma_free(page, PAGE_BYTES);
    return buf;
}

/* The first `size` bytes, whole pages. What is short of memory here fails where
 * it is written, too. */
static int64_t give(struct node *node, void **room, size_t size,
                    uint64_t offset, struct buf **bufs)
{
    unsigned count = 0;
    int64_t written = -ENOMEM;

    while (count < size / PAGE_BYTES) {
        bufs[count] = page_next(room);
        if (bufs[count] == NULL)
            break;
        count++;
    }
    if (count > 0)
        written = vfs_give(node->inode, bufs, count, offset);
    serve_room_free(*room);
    *room = NULL;
    return written;
}

int64_t serve_write_room(uint64_t id, void **room, size_t size, uint64_t offset,
                         struct serve_data *data)
{
    struct node *node;
    int64_t written;

    assert(size <= SERVE_SIZE_MAX);
    assert(data->count == 0);
    if (size < GIVE_MIN || (size | offset) % PAGE_BYTES != 0)
        return serve_write(id, *room, size, offset);
    node = node_get(id);
    if (node == NULL)
        return -ENOENT;
    written = give(node, room, size, offset, data->slices);
    node_put(node);
    return written;
}

int serve_sync(uint64_t id, bool data_only)
{
    struct node *node = node_get(id);
    int status;

    if (node == NULL)
        return -ENOENT;
    status = vfs_sync(node->inode, data_only, &node->seen);
    node_put(node);
    return status;
}

int serve_allocate(uint64_t id, int mode, uint64_t offset, uint64_t size)
{
    struct node *node;
    int status;

    /* The bits are those of Linux. */
    if ((mode & ~(FILE_KEEP_SIZE | FILE_PUNCH_HOLE)) != 0)
        return -ENOTSUP;
    node = node_get(id);
    if (node == NULL)
        return -ENOENT;
    status = vfs_allocate(node->inode, offset, size, (unsigned)mode);
    node_put(node);
    return status;
}

int64_t serve_seek(uint64_t id, uint64_t offset, bool hole)
{
    struct node *node = node_get(id);
    int64_t at;

    if (node == NULL)
        return -ENOENT;
    at = vfs_seek(node->inode, offset, hole);
    node_put(node);
    return at;
}
