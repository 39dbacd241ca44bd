/* Directories: the label, the dots, and of each name its long parts and its
 * short entry. */
#include "fs/fat/make/make_internal.h"
#include "fs/fat/make/names.h"
#include "fs/fat/time.h"
#include <torc/string.h>

static bool has_label(const struct fat_maker *maker,
                      const struct make_file *dir)
{
    return dir == maker->root && maker->options->label[0] != '\0';
}

int fat_made_dir_slots(const struct fat_maker *maker,
                       const struct make_file *dir, uint32_t *slots,
                       const struct make_file **file)
{
    uint64_t sum = dir == maker->root ? has_label(maker, dir) : 2;

    for (uint32_t i = 0; i < dir->name_count; i++) {
        uint32_t count;
        int status = fat_made_slots(&dir->names[i], &count);

        if (status != 0) {
            *file = dir->names[i].file;
            return status;
        }
        sum += count;
    }
    if (sum > SLOTS_MAX) {
        *file = dir;
        return -EFBIG;
    }
    *slots = (uint32_t)sum;
    return 0;
}

/* ---- Writing ------------------------------------------------------------- */

static int slot_write(struct fat_maker *maker, uint64_t *at,
                      const uint8_t *slot)
{
    uint64_t offset = *at;

    *at += SLOT_BYTES;
    return make_disk_write(&maker->disk, offset, slot, SLOT_BYTES);
}

static void time_fill(uint8_t *slot, struct file_time moment)
{
    uint16_t date, time;
    uint8_t ten_ms;

    fat_time_put(moment, &date, &time, &ten_ms);
    le16_put(slot + SLOT_WRITE_DATE, date);
    le16_put(slot + SLOT_WRITE_TIME, time);
    le16_put(slot + SLOT_ACCESS_DATE, date);
    le16_put(slot + SLOT_BIRTH_DATE, date);
    le16_put(slot + SLOT_BIRTH_TIME, time);
    slot[SLOT_BIRTH_10MS] = ten_ms;
}

/* An entry of a file; `start` is its first cluster. */
static void slot_fill(uint8_t *slot, const uint8_t *name,
                      const struct make_file *file, uint32_t start)
{
    memset(slot, 0, SLOT_BYTES);
    memcpy(slot + SLOT_NAME, name, SLOT_NAME_BYTES);
    slot[SLOT_ATTR] = ATTR_BIT_DIRECTORY;
    if (file->type == FILE_REGULAR) {
        slot[SLOT_ATTR] = ATTR_BIT_ARCHIVE;
        if ((file->mode & 0222) == 0)
            slot[SLOT_ATTR] |= ATTR_BIT_READ_ONLY;
        le32_put(slot + SLOT_SIZE, (uint32_t)file->size_bytes);
    }
    time_fill(slot, file->time);
    le16_put(slot + SLOT_START, (uint16_t)start);
    le16_put(slot + SLOT_START_HIGH, (uint16_t)(start >> 16));
}

static int label_write(struct fat_maker *maker, uint64_t *at)
{
    const char *label = maker->options->label;
    uint8_t slot[SLOT_BYTES] = {0};

    memset(slot, ' ', SLOT_NAME_BYTES);
    memcpy(slot, label, str_len(label, SLOT_NAME_BYTES));
    slot[SLOT_ATTR] = ATTR_BIT_VOLUME;
    time_fill(slot, maker->options->time);
    return slot_write(maker, at, slot);
}

/* "." and ".."; the root's cluster is said to be 0. */
static int dots_write(struct fat_maker *maker, const struct make_file *dir,
                      uint64_t *at)
{
    static const uint8_t names[2][SLOT_NAME_BYTES + 1] = {".          ",
                                                          "..         "};
    const struct make_file *parent = dir->parent;
    uint8_t slot[SLOT_BYTES];
    int status;

    slot_fill(slot, names[0], dir, dir->number);
    status = slot_write(maker, at, slot);
    if (status != 0)
        return status;
    slot_fill(slot, names[1], parent,
              parent == maker->root ? 0 : parent->number);
    return slot_write(maker, at, slot);
}

static int name_write(struct fat_maker *maker, const struct make_name *from,
                      const struct fat_made_name *made, uint64_t *at)
{
    const uint8_t checksum = fat_short_checksum(made->text);
    uint8_t slot[SLOT_BYTES];
    struct fat_name name;
    int status = fat_made_parse(from, &name);

    for (unsigned part = made->parts; part > 0 && status == 0; part--) {
        fat_part_fill(&name, part, checksum, slot);
        status = slot_write(maker, at, slot);
    }
    if (status != 0)
        return status;
    slot_fill(slot, made->text, from->file, from->file->number);
    return slot_write(maker, at, slot);
}

static int names_write(struct fat_maker *maker, const struct make_file *dir,
                       const struct fat_made_name *made)
{
    uint64_t at = fat_made_offset(maker, dir);
    int status = 0;

    if (has_label(maker, dir))
        status = label_write(maker, &at);
    if (status == 0 && dir != maker->root)
        status = dots_write(maker, dir, &at);
    for (uint32_t i = 0; i < dir->name_count && status == 0; i++)
        status = name_write(maker, &dir->names[i], &made[i], &at);
    return status;
}

int fat_made_dir(struct fat_maker *maker, const struct make_file *dir,
                 const struct make_file **file)
{
    const struct make_host *host = maker->host;
    size_t bytes = (dir->name_count + (size_t)1) * sizeof(struct fat_made_name);
    struct fat_made_name *made = host->alloc(host->context, bytes);
    int status;

    if (made == NULL)
        return -ENOMEM;
    status = fat_made_names(host, dir, made, file);
    if (status == 0)
        status = names_write(maker, dir, made);
    host->release(host->context, made, bytes);
    return status;
}
