#include "fs/make/make.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

int make_disk_begin(struct make_disk *disk, const struct make_host *host,
                    bool is_dry)
{
    *disk = (struct make_disk){.host = host, .is_dry = is_dry};
    disk->buffer = host->alloc(host->context, MAKE_CHUNK);
    return disk->buffer != NULL ? 0 : -ENOMEM;
}

void make_disk_end(struct make_disk *disk)
{
    if (disk->buffer != NULL)
        disk->host->release(disk->host->context, disk->buffer, MAKE_CHUNK);
    disk->buffer = NULL;
}

int make_disk_flush(struct make_disk *disk)
{
    size_t size = disk->used;

    disk->used = 0;
    if (size == 0)
        return 0;
    return disk->host->write(disk->host->context, disk->offset, disk->buffer,
                             size);
}

int make_disk_write(struct make_disk *disk, uint64_t offset, const void *data,
                    size_t size)
{
    const uint8_t *from = data;
    int status = 0;

    if (disk->is_dry)
        return 0;
    if (disk->offset + disk->used != offset)
        status = make_disk_flush(disk);
    while (status == 0 && size > 0) {
        size_t part = min_size(size, MAKE_CHUNK - disk->used);

        if (disk->used == 0)
            disk->offset = offset;
        memcpy(disk->buffer + disk->used, from, part);
        disk->used += part;
        from += part;
        offset += part;
        size -= part;
        if (disk->used == MAKE_CHUNK)
            status = make_disk_flush(disk);
    }
    return status;
}

bool make_is_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}
