/* The FATs: entries one after the other. */
#include "fs/fat/make/make_internal.h"
#include <torc/assert.h>

enum { MEDIA_ENTRY = 0x0ffffff8, LAST_ENTRY = 0x0fffffff };

/* A FAT that is being written. */
struct stream {
    struct make_disk *disk;
    uint64_t at;      /* byte of the disk */
    uint64_t pending; /* bits that are not written, the first the lowest */
    unsigned pending_count;
    unsigned bits; /* of an entry */
};

static int put(struct stream *out, uint32_t value)
{
    const uint64_t mask = (UINT64_C(1) << out->bits) - 1;
    int status = 0;

    /* The upper 4 bits of an entry of FAT32 are not its own. */
    out->pending |= (value & mask & LAST_ENTRY) << out->pending_count;
    out->pending_count += out->bits;
    while (out->pending_count >= 8 && status == 0) {
        uint8_t byte = (uint8_t)out->pending;

        status = make_disk_write(out->disk, out->at++, &byte, 1);
        out->pending >>= 8;
        out->pending_count -= 8;
    }
    return status;
}

static int end(struct stream *out)
{
    /* FAT12: half a byte is left. */
    return out->pending_count == 0 ? 0 : put(out, 0);
}

/* The run of a file. */
static int run_put(struct stream *out, const struct make_file *file)
{
    int status = 0;

    for (uint32_t i = 1; i <= file->clusters && status == 0; i++)
        status = put(out, i < file->clusters ? file->number + i : LAST_ENTRY);
    return status;
}

static int copy_write(struct fat_maker *maker, unsigned copy)
{
    const struct fat_layout *layout = &maker->layout;
    uint64_t sector = layout->reserved + (uint64_t)copy * layout->fat_sectors;
    struct stream out = {
        .disk = &maker->disk, .at = sector * BOOT_BYTES, .bits = layout->bits};
    int status = put(&out, MEDIA_ENTRY);

    if (status == 0)
        status = put(&out, LAST_ENTRY); /* and it was unmounted */
    for (const struct make_file *file = maker->root;
         file != NULL && status == 0; file = file->next)
        status = run_put(&out, file);
    return status != 0 ? status : end(&out);
}

int fat_made_table(struct fat_maker *maker)
{
    int status = 0;

    for (unsigned i = 0; i < FAT_MADE_COPIES && status == 0; i++)
        status = copy_write(maker, i);
    return status;
}
