/*
 * Crash dumps on a disk: dump=DISK, or dump=DISK:PARTITION. Only an area that
 * tools/gdb/torc_core.py has marked for dumps is written to. All numbers are
 * little-endian; the area has
 *
 *      0  "TORC DUMP AREA 1", its bytes 8, CRC-32 of both
 *   4096  "TORC DUMP STATE1", a state 4, bytes of the stream 8, CRC-32 of all
 *   8192  the stream of dump.c
 *
 * The area is looked at when the machine boots, which can still say what is
 * wrong, and again before it is written to: what the kernel knows may be
 * damaged then, and the disk is not. At boot it takes a reset of the disk, and
 * of what shares its cable: not when any disk is in use by then.
 */
#include "kernel/base/backtrace.h"
#include "kernel/base/panic.h"
#include "kernel/boot/dump.h"
#include "kernel/device/block_driver.h"
#include "kernel/device/driver.h"
#include "kernel/device/gpt.h"
#include "kernel/device/mbr.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/crc32.h"
#include <stdatomic.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>

enum {
    MARK_SIZE = 16, /* of the texts */
    STATE_AT = 4096,
    STREAM_AT = 8192,
    AREA_MIN = 64 * 1024,
    PIECE_UNIT = 4096, /* what is written is a multiple */
    NAME_MAX = 16,
};
static const char area_mark[] = "TORC DUMP AREA 1";
static const char state_mark[] = "TORC DUMP STATE1";

enum state { STATE_BEGUN = 1, STATE_WHOLE = 2, STATE_CUT = 3 };

/* Of CPU 0 at boot, then of the CPU that reports. */
static struct {
    struct block_device *disk;
    const struct block_raw_ops *ops;
    unsigned partition; /* 0: the whole disk */
    uint64_t first;     /* sector, in 512 bytes */
    uint64_t bytes;     /* of the area */
    uint64_t filled;    /* of the stream */
    int status;         /* of the first write that has failed */
    bool is_under_way;
    uint8_t *buffer; /* BLOCK_RAW_BYTES */
} area;

/* Read the logical sector that has this byte of the disk, or of the area. */
static int sector_read(uint64_t sector)
{
    uint32_t size = area.disk->sector_size;
    uint64_t unit = size / BLOCK_SECTOR_SIZE;

    if (sector >= area.disk->sectors)
        return -EINVAL;
    return area.ops->move(area.disk, false, sector - sector % unit, area.buffer,
                          size);
}

/* ---- Where it is --------------------------------------------------------- */

static int range_set(uint64_t first, uint64_t count)
{
    uint64_t unit = area.disk->sector_size / BLOCK_SECTOR_SIZE;
    uint64_t all = area.disk->sectors / unit;

    if (first == 0 || count == 0 || first >= all || count > all - first)
        return -EINVAL;
    area.first = first * unit;
    area.bytes = count * area.disk->sector_size;
    return 0;
}

/* The entry of a GPT, of which the area's own mark is checked and so not all
 * of the table. */
static int gpt_find(void)
{
    uint64_t unit = area.disk->sector_size / BLOCK_SECTOR_SIZE;
    uint64_t last = area.disk->sectors / unit - 1;
    struct gpt_header header;
    uint64_t from, to;
    uint32_t at;
    int status = sector_read(GPT_PRIMARY * unit);

    if (status != 0)
        return status;
    if (gpt_header_parse(area.buffer, area.disk->sector_size, GPT_PRIMARY, last,
                         &header) != NULL ||
        area.partition > header.entry_count)
        return -EINVAL;
    at = (area.partition - 1) * header.entry_size;
    status = sector_read((header.array + at / area.disk->sector_size) * unit);
    if (status != 0)
        return status;
    if (!gpt_entry(&header, area.buffer + at % area.disk->sector_size, 0, &from,
                   &to) ||
        to < from)
        return -EINVAL;
    return range_set(from, to - from + 1);
}

static int range_find(void)
{
    struct mbr mbr;
    int status;

    area.first = 0;
    area.bytes = area.disk->sectors * BLOCK_SECTOR_SIZE;
    if (area.partition == 0)
        return 0;
    status = sector_read(0);
    if (status != 0)
        return status;
    if (!mbr_parse(area.buffer, &mbr))
        return -EINVAL;
    if (mbr_protects_gpt(&mbr))
        return gpt_find();
    if (area.partition > MBR_ENTRIES)
        return -EINVAL;
    return range_set(mbr.entry[area.partition - 1].first,
                     mbr.entry[area.partition - 1].sectors);
}

/* The disk is made ready, and the mark is there. Returns 0, -EINVAL (there is
 * no such area), or an error of the disk. */
static int area_find(void)
{
    uint64_t bytes;
    int status = area.ops->begin(area.disk);

    if (status == 0)
        status = range_find();
    if (status == 0)
        status = sector_read(area.first);
    if (status != 0)
        return status;
    bytes = le64_get(area.buffer + MARK_SIZE);
    if (memcmp(area.buffer, area_mark, MARK_SIZE) != 0 ||
        le32_get(area.buffer + MARK_SIZE + 8) !=
            crc32(0, area.buffer, MARK_SIZE + 8) ||
        bytes < AREA_MIN || bytes > area.bytes)
        return -EINVAL;
    area.bytes = bytes - bytes % PIECE_UNIT;
    return 0;
}

/* ---- Writing ------------------------------------------------------------- */

static int state_write(enum state state)
{
    uint8_t *at = area.buffer;
    int status;

    memset(at, 0, PIECE_UNIT);
    memcpy(at, state_mark, MARK_SIZE);
    le32_put(at + MARK_SIZE, state);
    le64_put(at + MARK_SIZE + 4, area.filled);
    le32_put(at + MARK_SIZE + 12, crc32(0, at, MARK_SIZE + 12));
    status = area.ops->move(area.disk, true,
                            area.first + STATE_AT / BLOCK_SECTOR_SIZE, at,
                            PIECE_UNIT);
    return status != 0 ? status : area.ops->flush(area.disk);
}

/* A piece of the stream, which is in the buffer. */
static bool piece_write(const uint8_t *piece, size_t len)
{
    uint64_t at = STREAM_AT + area.filled;
    uint32_t size = ((uint32_t)len + PIECE_UNIT - 1) & ~(PIECE_UNIT - 1U);

    (void)piece;
    if (area.status == 0 && size > area.bytes - at)
        area.status = -ENOSPC;
    if (area.status != 0)
        return false;
    memset(area.buffer + len, 0, size - len);
    area.status =
        area.ops->move(area.disk, true, area.first + at / BLOCK_SECTOR_SIZE,
                       area.buffer, size);
    if (area.status == 0)
        area.filled += len;
    return area.status == 0;
}

static void dump_end(void)
{
    int status = state_write(area.status == 0 ? STATE_WHOLE : STATE_CUT);

    area.is_under_way = false;
    if (area.status == 0)
        area.status = status;
}

/* In a report of a panic. */
static void dump_to_disk(void)
{
    const struct dump_sink sink = {
        .piece = area.buffer, .size = BLOCK_RAW_BYTES, .write = piece_write};

    say("a dump goes to %s\n", area.disk->device.name);
    area.filled = 0;
    area.status = area_find();
    if (area.status == 0)
        area.status = state_write(STATE_BEGUN);
    if (area.status == 0) {
        area.is_under_way = true;
        dump_stream(&sink);
        dump_end();
    }
    if (area.status == 0)
        say("the dump has %llu bytes: tools/gdb/torc_core.py takes them out\n",
            (unsigned long long)area.filled);
    else
        say("the dump has failed behind %llu bytes (error %d)%s\n",
            (unsigned long long)area.filled, area.status,
            area.status == -ENOSPC ? ": the area is too small" : "");
}

/* The part of the report behind it: what is damaged may have ended it. */
static void dump_cut(void)
{
    if (!area.is_under_way)
        return;
    dump_rest();
    if (area.status == 0)
        area.status = -EFAULT;
    dump_end();
    say("the dump has %llu bytes, and ends where the fault was\n",
        (unsigned long long)area.filled);
}

/* ---- At boot ------------------------------------------------------------- */

/* DISK or DISK:PARTITION. */
static bool name_parse(const char *text, char name[NAME_MAX])
{
    size_t len = 0;
    unsigned number = 0;

    while (text[len] != '\0' && text[len] != ':' && len + 1 < NAME_MAX) {
        name[len] = text[len];
        len++;
    }
    name[len] = '\0';
    area.partition = 0;
    if (text[len] == '\0')
        return len > 0;
    if (text[len] != ':')
        return false;
    for (len++; text[len] >= '0' && text[len] <= '9' && number < 1000; len++)
        number = number * 10 + (unsigned)(text[len] - '0');
    area.partition = number;
    return text[len] == '\0' && number >= 1 && number <= BLOCK_PARTITION_MAX;
}

/* Whether there is such a disk, which can be written to at the end. */
static const char *disk_find(const char *name)
{
    struct device *device = device_by_name(name);

    area.disk = device == NULL ? NULL : block_from_device(device);
    if (area.disk == NULL)
        return "there is no such disk";
    area.ops = area.disk->ops->raw;
    if (area.ops == NULL)
        return "this image cannot write dumps to such a disk";
    return area.disk->read_only ? "the disk is read-only" : NULL;
}

static bool disks_are_in_use(void)
{
    struct device *device;

    for (unsigned i = 0; (device = device_find(DEVICE_BLOCK, i)) != NULL; i++) {
        if (atomic_load_explicit(&device->owner, memory_order_relaxed) !=
            DEVICE_NOBODY)
            return true;
    }
    return false;
}

static const char *area_open(const char *where)
{
    char name[NAME_MAX];
    const char *why;
    int status;

    if (!name_parse(where, name))
        return "give a disk, as vda or vda:2";
    why = disk_find(name);
    if (why != NULL)
        return why;
    if (area.buffer == NULL)
        area.buffer = dma_alloc(BLOCK_RAW_BYTES);
    if (area.buffer == NULL)
        return "there is no memory for it";
    status = area.ops->prepare(area.disk);
    area.bytes = 0;
    if (status == 0 && !disks_are_in_use())
        status = area_find();
    if (status == -EINVAL)
        return "no area for dumps is there: tools/gdb/torc_core.py --mark";
    return status != 0 ? "the disk does not answer" : NULL;
}

static int dump_disk_probe(void)
{
    const char *where = machine_option("dump");
    const char *why;

    area.buffer = NULL; /* that of an earlier boot is gone */
    area.is_under_way = false;
    (void)dump_driver.probe();
    if (where == NULL || str_equal(where, "off") || str_equal(where, "console"))
        return 0;
    why = area_open(where);
    if (why != NULL) {
        log_error("dump=%s: %s", where, why);
        return 0;
    }
    if (area.bytes > 0)
        log_info("dump=%s: %llu KiB", where,
                 (unsigned long long)area.bytes / 1024);
    else
        log_warn("dump=%s: disks are in use, so it has not been looked at",
                 where);
    panic_add_part(dump_to_disk);
    panic_add_part(dump_cut);
    return 0;
}

static const char *const dump_disk_options[] = {
    "dump=off|console|DISK[:PARTITION] where a panic writes what a debugger "
    "needs (off)",
    NULL,
};

const struct driver dump_disk_driver = {
    .name = "dump", .probe = dump_disk_probe, .options = dump_disk_options};
