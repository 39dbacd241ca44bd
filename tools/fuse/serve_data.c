/* What files hold: serve.h. */
#include "tools/fuse/node.h"
#include <torc/assert.h>
#include <torc/memory.h>

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
