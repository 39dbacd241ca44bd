#include "tests/fakes/part_image.h"
#include "kernel/lib/bytes.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint32_t image_crc32(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < 8 * size; i++) {
        bool bit = ((data[i / 8] >> i % 8) & 1) != (crc & 1);

        crc = crc >> 1 ^ (bit ? 0xedb88320 : 0);
    }
    return ~crc;
}

void mbr_image_entry(uint8_t *table, unsigned index, uint8_t type,
                     uint32_t first, uint32_t sectors)
{
    uint8_t *entry = table + 446 + 16 * index;

    memset(entry, 0, 16);
    entry[4] = type;
    le32_put(entry + 8, first);
    le32_put(entry + 12, sectors);
    table[510] = 0x55;
    table[511] = 0xaa;
}

static uint64_t array_sectors(const struct gpt_image *image)
{
    uint64_t size = (uint64_t)image->entry_count * image->entry_size;

    return (size + image->sector_size - 1) / image->sector_size;
}

static void header_put(const struct gpt_image *image, uint64_t my_lba,
                       uint64_t other_lba, uint64_t array_lba)
{
    uint8_t *header = image->disk + my_lba * image->sector_size;

    memset(header, 0, image->sector_size);
    memcpy(header, "EFI PART", 8);
    le32_put(header + 8, 0x00010000);
    le32_put(header + 12, 92);
    le64_put(header + 24, my_lba);
    le64_put(header + 32, other_lba);
    le64_put(header + 40, image->usable_first);
    le64_put(header + 48, image->usable_last);
    memset(header + 56, 0xd1, 16); /* the GUID of the disk */
    le64_put(header + 72, array_lba);
    le32_put(header + 80, image->entry_count);
    le32_put(header + 84, image->entry_size);
}

void gpt_image_init(struct gpt_image *image)
{
    uint64_t size = image->sectors * image->sector_size;
    uint64_t last = image->sectors - 1;
    uint64_t array_at[2] = {2, last - array_sectors(image)};

    memset(image->disk, 0, size);
    mbr_image_entry(image->disk, 0, 0xee, 1, (uint32_t)last);
    image->usable_first = 2 + array_sectors(image);
    image->usable_last = array_at[1] - 1;
    header_put(image, 1, last, array_at[0]);
    header_put(image, last, 1, array_at[1]);
    image->header[0] = image->disk + image->sector_size;
    image->header[1] = image->disk + last * image->sector_size;
    for (unsigned i = 0; i < 2; i++) {
        image->array[i] = image->disk + array_at[i] * image->sector_size;
        gpt_image_seal(image, i);
    }
}

void gpt_image_entry(struct gpt_image *image, unsigned index, uint64_t first,
                     uint64_t last)
{
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *entry = image->array[i] + index * image->entry_size;

        memset(entry, 0xaf, 16); /* the type: any GUID but zero */
        memset(entry + 16, (int)index + 1, 16);
        le64_put(entry + 32, first);
        le64_put(entry + 40, last);
        gpt_image_seal(image, i);
    }
}

void gpt_image_seal(struct gpt_image *image, unsigned which)
{
    uint8_t *header = image->header[which];
    uint32_t size = le32_get(header + 12);

    le32_put(header + 88,
             image_crc32(image->array[which],
                         (size_t)image->entry_count * image->entry_size));
    le32_put(header + 16, 0);
    if (size <= image->sector_size)
        le32_put(header + 16, image_crc32(header, size));
}

uint8_t *sfdisk_image(const char *script, size_t size)
{
    char path[] = "/tmp/torc_part_XXXXXX";
    uint8_t *image = malloc(size);
    int fd = mkstemp(path);
    char command[256];
    FILE *pipe;

    if (image == NULL || fd < 0 || ftruncate(fd, (off_t)size) != 0)
        abort();
    snprintf(command, sizeof(command),
             "PATH=$PATH:/sbin:/usr/sbin; sfdisk -q %s", path);
    pipe = popen(command, "w");
    if (pipe == NULL || fputs(script, pipe) < 0 || pclose(pipe) != 0 ||
        pread(fd, image, size, 0) != (ssize_t)size)
        abort();
    close(fd);
    unlink(path);
    return image;
}
