/*
 * The boot sector: whether this is FAT, of which kind, and whether its fields
 * agree with each other and with the disk. fat_boot_check() says what the other
 * files rely on.
 */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/string.h>

static bool is_power(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static int damaged(const struct fat_fs *fs, const char *what)
{
    log_error("%s: fat: the boot sector is damaged: %s", fs->name, what);
    return -EUCLEAN;
}

static int refused(const struct fat_fs *fs, const char *what)
{
    log_error("%s: fat: not supported: %s", fs->name, what);
    return -ENOTSUP;
}

/* What only a boot sector of FAT has. */
static bool is_fat(const uint8_t *boot)
{
    const uint32_t sector = le16_get(boot + BOOT_SECTOR_BYTES);

    return le16_get(boot + BOOT_SIGNATURE) == BOOT_SIGNATURE_VALUE &&
           is_power(sector) && sector >= BOOT_BYTES && sector <= PAGE_BYTES &&
           is_power(boot[BOOT_CLUSTER_SECTORS]) &&
           le16_get(boot + BOOT_RESERVED) != 0 && boot[BOOT_FAT_COUNT] != 0 &&
           (boot[BOOT_MEDIA] == BOOT_MEDIA_REMOVABLE ||
            boot[BOOT_MEDIA] >= BOOT_MEDIA_MIN);
}

/* The numbers of the boot sector, in sectors of its own size. */
struct numbers {
    uint32_t sectors;
    uint32_t fat_sectors;
    uint32_t reserved;
    uint32_t fats;
    uint32_t root_slots;
    uint64_t data; /* the first sector of cluster 2 */
    bool is_32;
};

static void numbers_get(const uint8_t *boot, struct numbers *out)
{
    const uint32_t sector = le16_get(boot + BOOT_SECTOR_BYTES);
    uint64_t root_bytes;

    out->sectors = le16_get(boot + BOOT_SECTORS_16);
    if (out->sectors == 0)
        out->sectors = le32_get(boot + BOOT_SECTORS_32);
    out->fat_sectors = le16_get(boot + BOOT_FAT_SECTORS_16);
    out->is_32 = out->fat_sectors == 0;
    if (out->is_32)
        out->fat_sectors = le32_get(boot + BOOT_FAT_SECTORS_32);
    out->reserved = le16_get(boot + BOOT_RESERVED);
    out->fats = boot[BOOT_FAT_COUNT];
    out->root_slots = le16_get(boot + BOOT_ROOT_ENTRIES);
    root_bytes = (uint64_t)out->root_slots * SLOT_BYTES;
    out->data = out->reserved + (uint64_t)out->fats * out->fat_sectors +
                (root_bytes + sector - 1) / sector;
}

/* The kind of FAT is that of the number of clusters; but what has no FAT size
 * of 16 bits is FAT32 with however few. */
static int kind_of(struct fat_fs *fs, const struct numbers *n,
                   uint64_t clusters)
{
    uint64_t entries = fs->fat_bytes / 4;

    if (clusters == 0)
        return damaged(fs, "no clusters");
    fs->bits = 32;
    if (!n->is_32) {
        fs->bits = clusters <= FAT12_CLUSTERS_MAX ? 12 : 16;
        entries = fs->fat_bytes * 8 / fs->bits;
        if (clusters > FAT16_CLUSTERS_MAX)
            return damaged(fs, "number of clusters");
    }
    if (clusters > FAT32_CLUSTERS_MAX)
        return damaged(fs, "number of clusters");
    if (entries < clusters + FAT_FIRST)
        return damaged(fs, "size of the FAT");
    if ((fs->bits == 32) != (n->root_slots == 0))
        return damaged(fs, "size of the root directory");
    fs->cluster_end = (uint32_t)clusters + FAT_FIRST;
    return 0;
}

static void label_get(struct fat_fs *fs, const uint8_t *extended,
                      const uint8_t *label)
{
    unsigned len = sizeof(fs->label) - 1;

    memset(fs->label, 0, sizeof(fs->label));
    if (*extended != BOOT_EXTENDED_VALUE)
        return;
    for (unsigned i = 0; i < len; i++)
        fs->label[i] =
            label[i] >= ' ' && label[i] < 0x7f ? (char)label[i] : '_';
    while (len > 0 && fs->label[len - 1] == ' ')
        fs->label[--len] = '\0';
}

/* What FAT12 and FAT16 do not have. */
static int parse_32(struct fat_fs *fs, const uint8_t *boot,
                    const struct numbers *n)
{
    const uint32_t flags = le16_get(boot + BOOT_FAT_FLAGS);
    const uint32_t fsinfo = le16_get(boot + BOOT_FSINFO);

    label_get(fs, boot + BOOT_EXTENDED_32, boot + BOOT_LABEL_32);
    if (le16_get(boot + BOOT_VERSION) != 0)
        return refused(fs, "another version of FAT32");
    fs->root_cluster = le32_get(boot + BOOT_ROOT_CLUSTER);
    if (!fat_cluster_valid(fs, fs->root_cluster))
        return damaged(fs, "root directory");
    if ((flags & BOOT_FAT_NO_MIRROR) != 0) {
        if ((flags & BOOT_FAT_ACTIVE) >= n->fats)
            return damaged(fs, "active FAT");
        fs->fat_offset[0] += (flags & BOOT_FAT_ACTIVE) * fs->fat_bytes;
        fs->copies = 1;
    }
    if (fsinfo > 0 && fsinfo < n->reserved)
        fs->fsinfo_offset = (uint64_t)fsinfo * fs->sector_bytes;
    return 0;
}

/* Whether clusters are whole sectors of the disk. */
static bool fits_disk(struct fat_fs *fs)
{
    const uint32_t sector =
        (fs->mount->open.sector_mask + 1) * (uint32_t)BLOCK_SECTOR_SIZE;

    fs->write_bytes = sector;
    return (UINT64_C(1) << fs->cluster_shift) % sector == 0 &&
           fs->data_offset % sector == 0;
}

static int parse(struct fat_fs *fs, const uint8_t *boot)
{
    const uint64_t disk = fs->mount->open.dev->sectors * BLOCK_SECTOR_SIZE;
    struct numbers n;
    int status;

    if (!is_fat(boot))
        return -EINVAL;
    numbers_get(boot, &n);
    fs->sector_bytes = le16_get(boot + BOOT_SECTOR_BYTES);
    if (n.sectors == 0 || (uint64_t)n.sectors * fs->sector_bytes > disk)
        return damaged(fs, "number of sectors");
    if (n.fat_sectors == 0)
        return damaged(fs, "size of the FAT");
    if (n.data >= n.sectors)
        return damaged(fs, "no clusters");
    if (n.fats > FAT_COPIES_MAX)
        return refused(fs, "more than four FATs");
    fs->cluster_shift =
        (uint32_t)__builtin_ctz(fs->sector_bytes * boot[BOOT_CLUSTER_SECTORS]);
    fs->fat_bytes = (uint64_t)n.fat_sectors * fs->sector_bytes;
    fs->copies = (uint8_t)n.fats;
    for (unsigned i = 0; i < n.fats; i++)
        fs->fat_offset[i] =
            (uint64_t)n.reserved * fs->sector_bytes + i * fs->fat_bytes;
    fs->root_slots = n.root_slots;
    fs->root_offset = fs->fat_offset[0] + n.fats * fs->fat_bytes;
    fs->data_offset = n.data * fs->sector_bytes;
    status = kind_of(fs, &n, (n.sectors - n.data) / boot[BOOT_CLUSTER_SECTORS]);
    if (status == 0 && !fits_disk(fs))
        status = refused(fs, "clusters that are not whole sectors of the disk");
    if (status != 0)
        return status;
    if (fs->bits == 32)
        return parse_32(fs, boot, &n);
    label_get(fs, boot + BOOT_EXTENDED_16, boot + BOOT_LABEL_16);
    return 0;
}

/* The backup is in sector 6, of whatever size. */
static int parse_backup(struct fat_fs *fs, uint8_t *boot)
{
    for (uint32_t sector = BOOT_BYTES; sector <= PAGE_BYTES; sector *= 2) {
        uint64_t offset = (uint64_t)BOOT_BACKUP_USUAL * sector;
        int status;

        if (offset + BOOT_BYTES > fs->device.size_bytes)
            break;
        status = mapping_copy(&fs->device, offset, boot, BOOT_BYTES);
        if (status != 0)
            return status;
        if (!is_fat(boot) || le16_get(boot + BOOT_SECTOR_BYTES) != sector ||
            le16_get(boot + BOOT_FAT_SECTORS_16) != 0 ||
            le16_get(boot + BOOT_BACKUP) != BOOT_BACKUP_USUAL)
            continue;
        return parse(fs, boot);
    }
    return -EINVAL;
}

int fat_boot_read(struct fat_fs *fs)
{
    uint8_t boot[BOOT_BYTES];
    int status;

    if (fs->device.size_bytes < BOOT_BYTES)
        return -EINVAL;
    status = mapping_copy(&fs->device, 0, boot, sizeof(boot));
    if (status == 0)
        status = parse(fs, boot);
    if (status != -EINVAL && status != -EUCLEAN)
        return status;
    if (parse_backup(fs, boot) != 0)
        return status;
    log_warn("%s: fat: the boot sector is damaged, its backup is used",
             fs->name);
    fs->is_backup = true;
    return 0;
}

void fat_boot_check(const struct fat_fs *fs)
{
    const uint64_t disk = fs->device.size_bytes;

    assert(fs->bits == 12 || fs->bits == 16 || fs->bits == 32);
    assert(fs->copies >= 1);
    assert(fs->copies <= FAT_COPIES_MAX);
    for (unsigned i = 0; i < fs->copies; i++)
        assert(fs->fat_offset[i] + fs->fat_bytes <= fs->data_offset);
    assert(fs->cluster_end > FAT_FIRST);
    assert((uint64_t)fs->cluster_end * fs->bits <= fs->fat_bytes * 8);
    assert(fat_cluster_offset(fs, fs->cluster_end) <= disk);
    assert((fs->root_slots == 0) == (fs->bits == 32));
    assert(fs->root_slots > 0 || fat_cluster_valid(fs, fs->root_cluster));
    assert(fs->root_offset + (uint64_t)fs->root_slots * SLOT_BYTES <=
           fs->data_offset);
}
