/* What an inode says of itself in its entry: attributes, times, size, start. */
#include "fs/fat/fat_internal.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/minmax.h"

enum {
    MODE_ALL = 0777,
    MODE_WRITE = 0222,
};

static uint16_t mode_of(const struct fat_fs *fs, const struct inode *inode,
                        uint8_t attr)
{
    unsigned mode = MODE_ALL & ~(unsigned)fs->options.umask;

    if ((attr & ATTR_BIT_READ_ONLY) != 0 && inode->type == FILE_REGULAR)
        mode &= ~(unsigned)MODE_WRITE;
    return (uint16_t)mode;
}

/* Whether a file is to be read-only by a mode. */
static bool is_read_only(const struct inode *inode, unsigned mode)
{
    return inode->type == FILE_REGULAR && (mode & MODE_WRITE) == 0;
}

void fat_attr_new(struct inode *inode)
{
    const struct fat_fs *fs = fat_of(inode);

    inode->mode = mode_of(
        fs, inode, is_read_only(inode, inode->mode) ? ATTR_BIT_READ_ONLY : 0);
    inode->uid = fs->options.uid;
    inode->gid = fs->options.gid;
}

/* Of a mode there is one bit: whether a file may be written. */
int fat_attr_fit(const struct inode *inode, struct vfs_attr *attr)
{
    const struct fat_fs *fs = fat_of(inode);

    if ((attr->mask & ATTR_UID) != 0 && attr->uid != fs->options.uid)
        return -EPERM;
    if ((attr->mask & ATTR_GID) != 0 && attr->gid != fs->options.gid)
        return -EPERM;
    if ((attr->mask & ATTR_MODE) != 0)
        attr->mode =
            mode_of(fs, inode,
                    is_read_only(inode, attr->mode) ? ATTR_BIT_READ_ONLY : 0);
    return 0;
}

uint32_t fat_entry_start(const struct fat_fs *fs, const uint8_t *raw)
{
    uint32_t start = le16_get(raw + SLOT_START);

    if (fs->bits == 32)
        start |= (uint32_t)le16_get(raw + SLOT_START_HIGH) << 16;
    return start;
}

void fat_entry_get(struct inode *inode, const uint8_t *raw)
{
    const struct fat_fs *fs = fat_of(inode);

    fat_inode_of(inode)->attr = raw[SLOT_ATTR] & ATTR_LONG_MASK;
    inode->mode = mode_of(fs, inode, raw[SLOT_ATTR]);
    inode->uid = fs->options.uid;
    inode->gid = fs->options.gid;
    inode->mtime = fat_time_get(le16_get(raw + SLOT_WRITE_DATE),
                                le16_get(raw + SLOT_WRITE_TIME), 0);
    inode->ctime = inode->mtime;
    inode->atime = fat_time_get(le16_get(raw + SLOT_ACCESS_DATE), 0, 0);
    inode->btime =
        fat_time_get(le16_get(raw + SLOT_BIRTH_DATE),
                     le16_get(raw + SLOT_BIRTH_TIME), raw[SLOT_BIRTH_10MS]);
    inode->links = 1;
}

/* What is in memory only is not there yet. */
static uint32_t size_on_disk(const struct inode *inode)
{
    const struct fat_chain *chain = &fat_inode_of(inode)->chain;
    uint64_t room = (uint64_t)chain->length << fat_of(inode)->cluster_shift;

    if (inode->type == FILE_DIRECTORY)
        return 0;
    if (chain->length == FAT_LENGTH_UNKNOWN)
        return (uint32_t)inode->size_bytes;
    return (uint32_t)min_u64(inode->size_bytes, room);
}

static void times_put(const struct inode *inode, uint8_t *raw)
{
    uint16_t date, time;
    uint8_t ten_ms;

    fat_time_put(inode->mtime, &date, &time, &ten_ms);
    le16_put(raw + SLOT_WRITE_DATE, date);
    le16_put(raw + SLOT_WRITE_TIME, time);
    fat_time_put(inode->atime, &date, &time, &ten_ms);
    le16_put(raw + SLOT_ACCESS_DATE, date);
    fat_time_put(inode->btime, &date, &time, &ten_ms);
    le16_put(raw + SLOT_BIRTH_DATE, date);
    le16_put(raw + SLOT_BIRTH_TIME, time);
    raw[SLOT_BIRTH_10MS] = ten_ms;
}

void fat_entry_put(const struct inode *inode, uint8_t *raw)
{
    const struct fat_inode *fat = fat_inode_of(inode);
    uint8_t attr = fat->attr;

    if (inode->type == FILE_REGULAR) {
        attr &= (uint8_t)~ATTR_BIT_READ_ONLY;
        if (is_read_only(inode, inode->mode))
            attr |= ATTR_BIT_READ_ONLY;
    }
    raw[SLOT_ATTR] = attr;
    times_put(inode, raw);
    le16_put(raw + SLOT_START, (uint16_t)fat->chain.first);
    if (fat_of(inode)->bits == 32)
        le16_put(raw + SLOT_START_HIGH, (uint16_t)(fat->chain.first >> 16));
    le32_put(raw + SLOT_SIZE, size_on_disk(inode));
}

/* The entry may move while the disk is read. */
int fat_inode_write(struct inode *inode)
{
    const struct fat_inode *fat = fat_inode_of(inode);
    struct mapping_ref ref;
    uint64_t position;
    int status;

    do {
        position = fat->position;
        if (position == 0)
            return 0;
        status =
            mapping_ref(&fat_of(inode)->device, position << SLOT_SHIFT, &ref);
        if (status != 0)
            return status;
        if (fat->position == position)
            status = mapping_modify(&ref, 0, SLOT_BYTES);
        if (status == 0 && fat->position == position) {
            fat_entry_put(inode, ref.data);
            mapping_dirty(&ref, 0, SLOT_BYTES);
        }
        mapping_unref(&ref);
    } while (status == 0 && fat->position != position);
    return status;
}
