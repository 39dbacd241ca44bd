/* The boot sector, FSInfo, and their backups. */
#include "fs/fat/make/make_internal.h"
#include "kernel/lib/minmax.h"
#include <torc/string.h>

enum { MEDIA_FIXED = 0xf8, DRIVE_FIXED = 0x80, TRACK = 32, HEADS = 64 };

static void text_put(uint8_t *to, const char *text, size_t size)
{
    memset(to, ' ', size);
    memcpy(to, text, str_len(text, size));
}

/* What FAT32 has elsewhere. */
struct places {
    uint32_t drive, extended, serial, label, type, code;
};

static const struct places places_16 = {BOOT_DRIVE_16,  BOOT_EXTENDED_16,
                                        BOOT_SERIAL_16, BOOT_LABEL_16,
                                        BOOT_TYPE_16,   BOOT_CODE_16};
static const struct places places_32 = {BOOT_DRIVE_32,  BOOT_EXTENDED_32,
                                        BOOT_SERIAL_32, BOOT_LABEL_32,
                                        BOOT_TYPE_32,   BOOT_CODE_32};

static void extended_fill(const struct fat_maker *maker,
                          const struct places *at, uint8_t *boot)
{
    static const uint8_t stop[] = {0xfa, 0xf4, 0xeb, 0xfd}; /* cli; hlt; jmp */
    const struct fat_make_options *options = maker->options;
    const uint32_t bits = maker->layout.bits;

    boot[BOOT_JUMP] = 0xeb; /* jmp, nop */
    boot[BOOT_JUMP + 1] = (uint8_t)(at->code - 2);
    boot[BOOT_JUMP + 2] = 0x90;
    memcpy(boot + at->code, stop, sizeof(stop));
    boot[at->drive] = DRIVE_FIXED;
    boot[at->extended] = BOOT_EXTENDED_VALUE;
    le32_put(boot + at->serial, options->serial);
    text_put(boot + at->label,
             options->label[0] != '\0' ? options->label : "NO NAME",
             SLOT_NAME_BYTES);
    text_put(boot + at->type,
             bits == 12   ? "FAT12"
             : bits == 16 ? "FAT16"
                          : "FAT32",
             8);
}

static void boot_fill(const struct fat_maker *maker, uint8_t *boot)
{
    const struct fat_layout *layout = &maker->layout;
    const bool is_32 = layout->bits == 32;

    memset(boot, 0, BOOT_BYTES);
    text_put(boot + BOOT_OEM, "TORC", 8);
    le16_put(boot + BOOT_SECTOR_BYTES, BOOT_BYTES);
    boot[BOOT_CLUSTER_SECTORS] = (uint8_t)layout->cluster_sectors;
    le16_put(boot + BOOT_RESERVED, (uint16_t)layout->reserved);
    boot[BOOT_FAT_COUNT] = FAT_MADE_COPIES;
    le16_put(boot + BOOT_ROOT_ENTRIES, (uint16_t)layout->root_slots);
    boot[BOOT_MEDIA] = MEDIA_FIXED;
    le16_put(boot + BOOT_TRACK_SECTORS, TRACK);
    le16_put(boot + BOOT_HEADS, HEADS);
    le32_put(boot + BOOT_HIDDEN, maker->options->hidden_sectors);
    if (layout->sectors <= UINT16_MAX && !is_32)
        le16_put(boot + BOOT_SECTORS_16, (uint16_t)layout->sectors);
    else
        le32_put(boot + BOOT_SECTORS_32, layout->sectors);
    if (is_32) {
        le32_put(boot + BOOT_FAT_SECTORS_32, layout->fat_sectors);
        le32_put(boot + BOOT_ROOT_CLUSTER, maker->root->number);
        le16_put(boot + BOOT_FSINFO, FAT_MADE_FSINFO);
        le16_put(boot + BOOT_BACKUP, BOOT_BACKUP_USUAL);
    } else {
        le16_put(boot + BOOT_FAT_SECTORS_16, (uint16_t)layout->fat_sectors);
    }
    extended_fill(maker, is_32 ? &places_32 : &places_16, boot);
    le16_put(boot + BOOT_SIGNATURE, BOOT_SIGNATURE_VALUE);
}

static void fsinfo_fill(const struct fat_maker *maker, uint8_t *info)
{
    const uint32_t end = maker->layout.clusters + FAT_FIRST;

    memset(info, 0, FSINFO_BYTES);
    le32_put(info + FSINFO_LEAD, FSINFO_LEAD_VALUE);
    le32_put(info + FSINFO_STRUCT, FSINFO_STRUCT_VALUE);
    le32_put(info + FSINFO_FREE, end - maker->next);
    le32_put(info + FSINFO_NEXT, min_u32(maker->next, end - 1));
    le32_put(info + FSINFO_TRAIL, FSINFO_TRAIL_VALUE);
}

int fat_made_boot(struct fat_maker *maker)
{
    static const uint32_t copies[] = {BOOT_BACKUP_USUAL, 0};
    uint8_t *sectors = maker->chunk;
    int status = 0;

    boot_fill(maker, sectors);
    fsinfo_fill(maker, sectors + BOOT_BYTES);
    if (maker->layout.bits != 32)
        return make_disk_write(&maker->disk, 0, sectors, BOOT_BYTES);
    for (size_t i = 0; i < COUNT_OF(copies) && status == 0; i++)
        status = make_disk_write(&maker->disk, (uint64_t)copies[i] * BOOT_BYTES,
                                 sectors, 2 * BOOT_BYTES);
    return status;
}
