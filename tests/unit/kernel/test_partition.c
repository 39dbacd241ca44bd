/*
 * Finding partitions, on disks whose tables are written from the specification
 * or by sfdisk.
 */
#include "kernel/device/block_internal.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/part_image.h"
#include "tests/fakes/ramblk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <torc/memory.h>

enum { SECTORS = 400, SIZE = SECTORS * 4096 };

static struct ramblk disk;
static uint8_t data[SIZE];
static struct gpt_image image;

/* A disk of SECTORS logical sectors with the bytes of `data`. */
static void attach(uint32_t sector_size)
{
    machine_attach(8 << 20);
    console_forget();
    ramblk_prepare(&disk, data, (size_t)SECTORS * sector_size);
    disk.block.sector_size = sector_size;
    ramblk_start(&disk);
}

static void detach(void)
{
    block_check(&disk.block);
    machine_detach();
}

static int setup(void **state)
{
    (void)state;
    memset(data, 0, sizeof(data));
    attach(512);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    detach();
    return 0;
}

static unsigned partition_count(void)
{
    unsigned count = 0;

    list_for_each (link, &disk.block.partitions)
        count++;
    return count;
}

/* Whether there is a partition of that number and place, in 512 bytes. */
static bool is_at(unsigned number, uint64_t first, uint64_t sectors)
{
    const struct block_device *part = block_partition(&disk.block, number);

    return part != NULL && part->first_sector == first &&
           part->sectors == sectors;
}

/* ---- Primary partitions -------------------------------------------------- */

/* Each entry by itself, on a disk of 400 sectors. */
static void test_partition_entries(void **state)
{
    static const struct {
        const char *name;
        uint8_t type;
        uint32_t first, count;
        bool is_there;
    } rows[] = {
        {"from the first sector to the last", 0x83, 1, 399, true},
        {"one more", 0x83, 1, 400, false},
        {"the last sector", 0x83, 399, 1, true},
        {"behind it", 0x83, 400, 1, false},
        {"the table itself", 0x83, 0, 10, false},
        {"no sectors", 0x83, 20, 0, false},
        {"type 0", 0, 20, 10, false},
        {"nothing", 0, 0, 0, false},
        {"type 1", 1, 20, 10, true},
        {"as many as there can be", 0x83, 1, UINT32_MAX, false},
        {"as far away as can be", 0x83, UINT32_MAX, 1, false},
        {"the sum wraps 32 bits", 0x83, UINT32_MAX, 2, false},
    };

    (void)state;
    detach();
    for (uint32_t size = 512; size <= 4096; size *= 2) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            const struct block_device *part;

            memset(data, 0, 512);
            mbr_image_entry(data, 3, rows[i].type, rows[i].first,
                            rows[i].count);
            attach(size);
            disk.block.read_only = i % 2 == 0;
            assert_int_equal(partition_scan(&disk.block), 0);
            part = block_partition(&disk.block, 4);
            ROW(rows[i].name, (part != NULL) == rows[i].is_there);
            ROW(rows[i].name, partition_count() == rows[i].is_there);
            if (part != NULL) {
                block_check(part);
                ROW(rows[i].name, is_at(4, rows[i].first * (size / 512),
                                        rows[i].count * (size / 512)));
                ROW(rows[i].name, part->read_only == (i % 2 == 0));
                ROW(rows[i].name, part->sector_size == size);
                ROW(rows[i].name, part->limits.sectors == 256);
                ROW(rows[i].name, device_is_mine(&part->device));
                assert_string_equal(part->device.name, "rba4");
            }
            ROW(rows[i].name, console_has("rba: partition 4 lies outside the "
                                          "disk: left out\n") ==
                                  (rows[i].type != 0 && rows[i].count != 0 &&
                                   !rows[i].is_there));
            detach();
        }
    }
    attach(512);
}

/* Of two that overlap the first one stays. */
static void test_partition_overlap(void **state)
{
    static const struct {
        const char *name;
        uint32_t first, count;
        bool is_there;
    } rows[] = {
        {"before", 10, 90, true},      {"behind", 200, 10, true},
        {"into it", 10, 91, false},    {"out of it", 199, 10, false},
        {"inside", 150, 10, false},    {"around", 50, 300, false},
        {"the same", 100, 100, false}, {"its first", 100, 1, false},
        {"its last", 199, 1, false},
    };

    (void)state;
    detach();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(data, 0, 512);
        mbr_image_entry(data, 0, 0x83, 100, 100);
        mbr_image_entry(data, 1, 0x83, rows[i].first, rows[i].count);
        mbr_image_entry(data, 2, 0x83, 390, 10);
        attach(512);
        assert_int_equal(partition_scan(&disk.block), 0);
        ROW(rows[i].name, is_at(1, 100, 100));
        ROW(rows[i].name,
            (block_partition(&disk.block, 2) != NULL) == rows[i].is_there);
        ROW(rows[i].name, is_at(3, 390, 10)); /* it keeps its number */
        ROW(rows[i].name, console_has("rba: partition 2 overlaps another one: "
                                      "left out\n") == !rows[i].is_there);
        detach();
    }
    attach(512);
}

static void test_partition_no_table(void **state)
{
    (void)state;
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 0);
    mbr_image_entry(data, 0, 0x83, 8, 8);
    data[446] = 0x33; /* boot code that looks like a table */
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 0);
}

/* ---- Logical partitions -------------------------------------------------- */

/* The extended partition has sectors 100 to 299. A table of it at `lba`, with a
 * logical partition and the place of the next table; 0: neither. */
static void table(uint32_t lba, uint32_t first, uint32_t count, uint32_t next)
{
    uint8_t *at = data + lba * disk.block.sector_size;

    memset(at, 0, 512);
    mbr_image_entry(at, 0, count != 0 ? 0x83 : 0, first, count);
    if (next != 0)
        mbr_image_entry(at, 1, 0x05, next - 100, 20);
}

static void test_partition_logical(void **state)
{
    (void)state;
    detach();
    for (uint32_t size = 512; size <= 4096; size *= 8) {
        uint32_t unit = size / 512;

        memset(data, 0, sizeof(data));
        attach(size);
        mbr_image_entry(data, 0, 0x83, 1, 99);
        mbr_image_entry(data, 1, 0x0f, 100, 200);
        mbr_image_entry(data, 2, 0x83, 300, 100);
        table(100, 1, 49, 150);
        table(150, 10, 20, 280);
        table(280, 0, 0, 200); /* no partition, and backwards */
        table(200, 1, 9, 0);
        assert_int_equal(partition_scan(&disk.block), 0);
        assert_int_equal(partition_count(), 5);
        assert_true(is_at(1, 1 * unit, 99 * unit));
        assert_true(is_at(3, 300 * unit, 100 * unit));
        assert_true(is_at(5, 101 * unit, 49 * unit));
        assert_true(is_at(6, 160 * unit, 20 * unit));
        assert_true(is_at(7, 201 * unit, 9 * unit));
        assert_string_equal(block_partition(&disk.block, 7)->device.name,
                            "rba7");
        assert_false(console_has("warning"));
        detach();
    }
    attach(512);
}

/* What is odd in a chain of three: the first one is found in any case. */
static void test_partition_logical_odd(void **state)
{
    static const struct {
        const char *name;
        uint32_t first, count, next; /* of the second table, at 150 */
        unsigned found;              /* of all */
        const char *line;
    } rows[] = {
        {"as it should be", 1, 9, 200, 3, NULL},
        {"the last one", 1, 9, 0, 2, NULL},
        {"it leads to itself", 1, 9, 150, 2,
         "rba: its logical partitions form a loop\n"},
        {"it leads back", 1, 9, 100, 2,
         "rba: its logical partitions form a loop\n"},
        {"it leads out", 1, 9, 300, 2,
         "rba: its logical partitions leave the extended one\n"},
        {"it leads to no table", 1, 9, 299, 2,
         "rba: no table of logical partitions at 299\n"},
        {"its partition begins at the table", 0, 9, 200, 2,
         "rba: partition 6 lies outside the extended one: left out\n"},
        {"up to the end", 1, 49, 200, 3, NULL},
        {"up to the last sector of all", 101, 49, 0, 2, NULL},
        {"past the end", 150, 1, 200, 2,
         "rba: partition 6 lies outside the extended one: left out\n"},
        {"far past the end", 1, UINT32_MAX, 200, 2,
         "rba: partition 6 lies outside the extended one: left out\n"},
        {"over the third", 1, 60, 200, 2,
         "rba: partition 7 overlaps another one: left out\n"},
    };

    (void)state;
    detach();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(data, 0, sizeof(data));
        attach(512);
        mbr_image_entry(data, 1, 0x05, 100, 200);
        table(100, 1, 49, 150);
        table(150, rows[i].first, rows[i].count, rows[i].next);
        table(200, 1, 50, 0);
        assert_int_equal(partition_scan(&disk.block), 0);
        ROW(rows[i].name, is_at(5, 101, 49));
        ROW(rows[i].name, partition_count() == rows[i].found);
        ROW(rows[i].name, rows[i].line == NULL ? !console_has("warning")
                                               : console_has(rows[i].line));
        if (rows[i].found == 3)
            ROW(rows[i].name, is_at(7, 201, 50));
        detach();
    }
    attach(512);
}

static void test_partition_extended_outside(void **state)
{
    static const struct {
        const char *name;
        uint32_t first, count;
        bool is_read;
    } rows[] = {
        {"to the last sector", 100, 300, true},
        {"one more", 100, 301, false},
        {"behind the disk", 400, 10, false},
        {"from the table on", 0, 200, false},
        {"for ever", 100, UINT32_MAX, false},
    };

    (void)state;
    detach();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        memset(data, 0, sizeof(data));
        attach(512);
        mbr_image_entry(data, 0, 0x85, rows[i].first, rows[i].count);
        table(100, 1, 10, 0);
        assert_int_equal(partition_scan(&disk.block), 0);
        ROW(rows[i].name, is_at(5, 101, 10) == rows[i].is_read);
        ROW(rows[i].name,
            console_has("rba: its extended partition lies outside "
                        "the disk: left out\n") == !rows[i].is_read);
        detach();
    }
    attach(512);
}

/* More tables than there can be numbers. */
static void test_partition_many_logical(void **state)
{
    (void)state;
    mbr_image_entry(data, 0, 0x05, 100, 300);
    for (uint32_t i = 0; i < 140; i++)
        table(100 + 2 * i, 1, 1, i == 139 ? 0 : 102 + 2 * i);
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 124);
    assert_true(is_at(128, 100 + 2 * 123 + 1, 1));
    assert_true(console_has("rba: it has too many logical partitions\n"));
    assert_true(console_has("rba: 4 partitions past number 128: left out\n"));
}

/* All numbers but the last one; all; one more. */
static void test_partition_last_number(void **state)
{
    (void)state;
    detach();
    for (uint32_t count = 123; count <= 125; count++) {
        memset(data, 0, sizeof(data));
        attach(512);
        mbr_image_entry(data, 0, 0x05, 100, 300);
        for (uint32_t i = 0; i < count; i++)
            table(100 + 2 * i, 1, 1, i == count - 1 ? 0 : 102 + 2 * i);
        assert_int_equal(partition_scan(&disk.block), 0);
        assert_int_equal(partition_count(), count == 123 ? 123 : 124);
        assert_int_equal(console_has("rba: 1 partitions past number 128: left "
                                     "out\n"),
                         count == 125);
        assert_int_equal(console_has("past number"), count == 125);
        detach();
    }
    attach(512);
}

/* Two extended partitions are read one after the other. */
static void test_partition_two_extended(void **state)
{
    (void)state;
    mbr_image_entry(data, 0, 0x05, 100, 100);
    mbr_image_entry(data, 3, 0x0f, 300, 50);
    table(100, 1, 10, 0);
    mbr_image_entry(data + 300 * 512, 0, 0x83, 5, 10);
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 2);
    assert_true(is_at(5, 101, 10));
    assert_true(is_at(6, 305, 10));
}

/* ---- GPT ----------------------------------------------------------------- */

/* A GPT with three partitions, the second one's number being 7. */
static void gpt(uint32_t sector_size)
{
    memset(data, 0, sizeof(data));
    attach(sector_size);
    image = (struct gpt_image){.disk = data,
                               .sectors = SECTORS,
                               .sector_size = sector_size,
                               .entry_count = 128,
                               .entry_size = 128};
    gpt_image_init(&image);
    gpt_image_entry(&image, 0, 50, 59);
    gpt_image_entry(&image, 6, 60, 60);
    gpt_image_entry(&image, 127, image.usable_last, image.usable_last);
}

static bool all_three(void)
{
    uint32_t unit = image.sector_size / 512;

    return partition_count() == 3 && is_at(1, 50 * unit, 10 * unit) &&
           is_at(7, 60 * unit, unit) &&
           is_at(128, image.usable_last * unit, unit);
}

static void test_partition_gpt(void **state)
{
    (void)state;
    detach();
    for (uint32_t size = 512; size <= 4096; size *= 2) {
        gpt(size);
        assert_int_equal(partition_scan(&disk.block), 0);
        assert_true(all_three());
        assert_string_equal(block_partition(&disk.block, 128)->device.name,
                            "rba128");
        assert_false(console_has("warning"));
        detach();
    }
    attach(512);
}

/* What is damaged, and what is made of it. */
static void test_partition_gpt_damaged(void **state)
{
    enum { NOTHING, FIRST_HEADER, FIRST_ARRAY, BACKUP_HEADER, BACKUP_ARRAY };
    static const struct {
        const char *name;
        int damaged[2];
        bool is_found;
        const char *lines[3];
    } rows[] = {
        {"nothing", {NOTHING, NOTHING}, true, {NULL}},
        {"the first header",
         {FIRST_HEADER, NOTHING},
         true,
         {"rba: GPT header at 1: its checksum is wrong (error -117)\n",
          "rba: the backup of its GPT is used\n"}},
        {"the first entries",
         {FIRST_ARRAY, NOTHING},
         true,
         {"rba: GPT header at 1: the checksum of its entries is wrong (error "
          "-117)\n",
          "rba: the backup of its GPT is used\n"}},
        {"the backup's header", {BACKUP_HEADER, NOTHING}, true, {NULL}},
        {"the backup's entries", {BACKUP_ARRAY, NOTHING}, true, {NULL}},
        {"both headers",
         {FIRST_HEADER, BACKUP_HEADER},
         false,
         {"rba: GPT header at 399: its checksum is wrong (error -117)\n",
          "error: rba: an MBR for a GPT, but no GPT: no partitions\n"}},
        {"a header and the other's entries",
         {FIRST_ARRAY, BACKUP_ARRAY},
         false,
         {"rba: GPT header at 399: the checksum of its entries is wrong (error "
          "-117)\n",
          "error: rba: an MBR for a GPT, but no GPT: no partitions\n"}},
    };

    (void)state;
    detach();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        gpt(512);
        for (unsigned k = 0; k < 2; k++) {
            uint8_t *at[] = {data + SIZE - 1, image.header[0] + 60,
                             image.array[0] + 200, image.header[1] + 60,
                             image.array[1] + 200};

            at[rows[i].damaged[k]][0] ^= 1;
        }
        assert_int_equal(partition_scan(&disk.block), 0);
        ROW(rows[i].name, all_three() == rows[i].is_found);
        ROW(rows[i].name, rows[i].is_found || partition_count() == 0);
        ROW(rows[i].name,
            (rows[i].lines[0] != NULL) == console_has("GPT header"));
        for (unsigned k = 0; rows[i].lines[k] != NULL; k++)
            ROW(rows[i].name, console_has(rows[i].lines[k]));
        detach();
    }
    attach(512);
}

/* A sector that cannot be read: the backup is looked at; and if that cannot be
 * read either, the disk is the reason. */
static void test_partition_gpt_unreadable(void **state)
{
    (void)state;
    detach();
    for (unsigned bad = 1; bad <= 4; bad++) {
        gpt(512);
        disk.fail_at = bad; /* MBR, header, entries; the fourth is not read */
        assert_int_equal(partition_scan(&disk.block), bad == 1 ? -EIO : 0);
        assert_int_equal(all_three(), bad != 1);
        assert_int_equal(console_has("rba: GPT header at 1: it cannot be read "
                                     "(error -5)\n"),
                         bad == 2);
        assert_int_equal(console_has("rba: GPT header at 1: its entries cannot "
                                     "be read (error -5)\n"),
                         bad == 3);
        assert_int_equal(console_has("the backup of its GPT is used"),
                         bad == 2 || bad == 3);
        detach();
    }
    gpt(512);
    disk.fail_from = 2;
    assert_int_equal(partition_scan(&disk.block), -EIO);
    assert_int_equal(partition_count(), 0);
}

static void test_partition_gpt_entries(void **state)
{
    static const struct {
        const char *name;
        uint64_t first, last;
        const char *why; /* NULL: it is there */
    } rows[] = {
        {"one sector", 200, 200, NULL},
        {"the first sector that may be used", 34, 34, NULL},
        {"the one before it", 33, 34, "lies outside the disk"},
        {"the last one that may be used", 366, 366, NULL},
        {"the one behind it", 366, 367, "lies outside the disk"},
        {"all of them", 34, 366, "overlaps another one"},
        {"to the end of the number", 200, UINT64_MAX, "lies outside the disk"},
        {"the end before the beginning", 201, 200, "lies outside the disk"},
        {"zeros", 0, 0, "lies outside the disk"},
        {"the last one of another", 109, 120, "overlaps another one"},
        {"behind another", 110, 120, NULL},
        {"far away", UINT64_MAX, UINT64_MAX, "lies outside the disk"},
    };

    (void)state;
    detach();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[80];

        gpt(512);
        gpt_image_init(&image);
        gpt_image_entry(&image, 0, 100, 109);
        gpt_image_entry(&image, 1, rows[i].first, rows[i].last);
        assert_int_equal(partition_scan(&disk.block), 0);
        ROW(rows[i].name, is_at(1, 100, 10));
        ROW(rows[i].name,
            is_at(2, rows[i].first, rows[i].last - rows[i].first + 1) ==
                (rows[i].why == NULL));
        ROW(rows[i].name, partition_count() == 1 + (rows[i].why == NULL));
        if (rows[i].why != NULL) {
            snprintf(line, sizeof(line), "rba: partition 2 %s: left out\n",
                     rows[i].why);
            ROW(rows[i].name, console_has(line));
        }
        detach();
    }
    attach(512);
}

/* Entries of other sizes and numbers, in other sectors. */
static void test_partition_gpt_arrays(void **state)
{
    static const struct {
        uint32_t sector_size, count, size;
    } rows[] = {
        {512, 0, 128},   {512, 1, 128},   {512, 5, 128},   {512, 128, 256},
        {512, 9, 384},   {4096, 1, 128},  {4096, 33, 128}, {4096, 64, 4096},
        {512, 700, 128}, {1024, 4, 1024},
    };

    (void)state;
    detach();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t unit = rows[i].sector_size / 512;

        memset(data, 0, sizeof(data));
        attach(rows[i].sector_size);
        image = (struct gpt_image){.disk = data,
                                   .sectors = SECTORS,
                                   .sector_size = rows[i].sector_size,
                                   .entry_count = rows[i].count,
                                   .entry_size = rows[i].size};
        gpt_image_init(&image);
        for (unsigned k = 0; k < rows[i].count && k < 128; k++)
            gpt_image_entry(&image, k, image.usable_first + k,
                            image.usable_first + k);
        if (rows[i].count > 200) { /* numbers that nothing can have */
            gpt_image_entry(&image, 128, 200, 200);
            gpt_image_entry(&image, 699, 201, 201);
        }
        assert_int_equal(partition_scan(&disk.block), 0);
        assert_false(console_has("GPT header"));
        assert_int_equal(console_has("rba: 2 partitions past number 128: left "
                                     "out\n"),
                         rows[i].count > 200);
        for (unsigned k = 0; k < rows[i].count && k < 128; k++)
            assert_true(is_at(k + 1, (image.usable_first + k) * unit, unit) ||
                        image.usable_first + k > image.usable_last);
        detach();
    }
    attach(512);
}

/* A GPT without the MBR that protects it is none; beside the entry that
 * protects it, an MBR may show others, which are not looked at. */
static void test_partition_gpt_and_its_mbr(void **state)
{
    (void)state;
    detach();
    gpt(512);
    memset(data, 0, 512);
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 0);
    detach();
    gpt(512);
    mbr_image_entry(data, 0, 0x83, 70, 10);
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 1);
    assert_true(is_at(1, 70, 10));
    detach();
    gpt(512);
    mbr_image_entry(data, 2, 0x83, 70, 10); /* a hybrid */
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_true(all_three());
    detach();
    gpt(512);
    mbr_image_entry(data, 2, 0x83, 70, 10);
    image.header[0][0] = image.header[1][0] = 0;
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 0);
    assert_true(console_has("rba: GPT header at 1: there is none (error "
                            "-117)\n"));
}

/* Disks too small for a GPT. */
static void test_partition_gpt_of_a_small_disk(void **state)
{
    (void)state;
    detach();
    for (unsigned sectors = 1; sectors <= 3; sectors++) {
        memset(data, 0, sizeof(data));
        machine_attach(8 << 20);
        console_forget();
        ramblk_init(&disk, data, sectors * 512);
        mbr_image_entry(data, 0, 0xee, 1, 100);
        assert_int_equal(partition_scan(&disk.block), 0);
        assert_int_equal(disk.requests, sectors == 3 ? 3 : 1);
        assert_int_equal(partition_count(), 0);
        assert_true(console_has("an MBR for a GPT, but no GPT"));
        detach();
    }
    attach(512);
}

/* ---- Of other tools ------------------------------------------------------ */

static void test_partition_by_sfdisk(void **state)
{
    static const char gpt_script[] = "label: gpt\n"
                                     "start=2048, size=100\n"
                                     "start=4096, size=1\n"
                                     "start=3000, size=1000\n";
    static const char dos_script[] = "label: dos\n"
                                     "start=2048, size=100, type=83\n"
                                     "start=3000, size=6000, type=5\n"
                                     "start=10000, size=10, type=c\n"
                                     "\n"
                                     "start=4000, size=10, type=83\n"
                                     "start=5000, size=1000, type=82\n";
    size_t size = 8 << 20;
    uint8_t *bytes;

    (void)state;
    detach();
    bytes = sfdisk_image(gpt_script, size);
    machine_attach(8 << 20);
    console_forget();
    ramblk_init(&disk, bytes, size);
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 3);
    assert_true(is_at(1, 2048, 100));
    assert_true(is_at(2, 4096, 1));
    assert_true(is_at(3, 3000, 1000));
    assert_false(console_has("warning"));
    memset(bytes + 512, 0, 34 * 512); /* only its backup remains */
    detach();
    machine_attach(8 << 20);
    ramblk_init(&disk, bytes, size);
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 3);
    assert_true(is_at(3, 3000, 1000));
    detach();
    free(bytes);
    bytes = sfdisk_image(dos_script, size);
    machine_attach(8 << 20);
    console_forget();
    ramblk_init(&disk, bytes, size);
    assert_int_equal(partition_scan(&disk.block), 0);
    assert_int_equal(partition_count(), 4);
    assert_true(is_at(1, 2048, 100));
    assert_true(is_at(3, 10000, 10));
    assert_true(is_at(5, 4000, 10));
    assert_true(is_at(6, 5000, 1000));
    assert_false(console_has("warning"));
    detach();
    free(bytes);
    attach(512);
}

/* ---- Errors -------------------------------------------------------------- */

static void test_partition_chain_unreadable(void **state)
{
    (void)state;
    mbr_image_entry(data, 0, 0x83, 1, 10);
    mbr_image_entry(data, 1, 0x05, 100, 200);
    table(100, 1, 49, 150);
    table(150, 1, 9, 0);
    disk.fail_at = 3;
    assert_int_equal(partition_scan(&disk.block), -EIO);
    assert_int_equal(partition_count(), 2); /* what was found before stays */
    assert_true(is_at(5, 101, 49));
}

/* Each allocation fails once: what was found before stays. */
static void test_partition_out_of_memory(void **state)
{
    (void)state;
    detach();
    for (unsigned kind = 0; kind < 2; kind++) {
        for (uint64_t n = 1;; n++) {
            struct mem_stats before;
            size_t blocks;
            int status;

            gpt(512);
            if (kind == 1) {
                memset(data, 0, 512);
                mbr_image_entry(data, 0, 0x83, 1, 10);
                mbr_image_entry(data, 2, 0x83, 20, 10);
                mbr_image_entry(data, 3, 0x05, 100, 200);
                table(100, 1, 49, 0);
            }
            before = stats();
            heap_fail(n);
            status = partition_scan(&disk.block);
            blocks = stats().block_count - before.block_count;
            assert_int_equal(blocks, partition_count());
            if (!heap_failed()) {
                heap_fail(0);
                assert_int_equal(status, 0);
                assert_int_equal(partition_count(), 3);
                detach();
                break;
            }
            assert_int_equal(status, -ENOMEM);
            assert_true(n < 20);
            detach();
        }
    }
    attach(512);
}

/* ---- By dedication ------------------------------------------------------- */

static int disk_start(struct block_device *dev)
{
    (void)dev;
    return 0;
}

static int reads;
static int read_status; /* of the first one */

static int disk_submit(struct block_queue *queue, struct block_request *first)
{
    block_copy(first, data + first->priv.sector * 512);
    block_done(queue, first, reads++ == 0 ? read_status : 0);
    return 0;
}

static const struct block_ops plain_ops = {.start = disk_start,
                                           .submit = disk_submit};

/* The partitions follow their disk in the device list; when the table cannot be
 * read, the disk works all the same. */
static void test_partition_dedicated(void **state)
{
    (void)state;
    detach();
    for (int fails = 0; fails < 2; fails++) {
        static struct block_device plain;
        struct block_open open;
        uint8_t sector[512];

        memset(data, 0, sizeof(data));
        memset(data + 8 * 512, 0x77, 512);
        mbr_image_entry(data, 0, 0x83, 8, 8);
        memset(&plain, 0, sizeof(plain));
        plain.ops = &plain_ops;
        plain.sectors = SECTORS;
        machine_attach(8 << 20);
        console_forget();
        reads = 0;
        read_status = fails ? -EIO : 0;
        assert_int_equal(block_register(&plain, "vd"), 0);
        assert_int_equal(device_dedicate(&plain.device, 0), 0);
        assert_int_equal(plain.device.owner, 0);
        assert_int_equal(device_by_name("vda1") != NULL, !fails);
        assert_int_equal(
            console_has("error: vda: its partition table cannot be "
                        "read (error -5): partitions are "
                        "missing\n"),
            fails);
        if (!fails) {
            struct block_device *part =
                block_from_device(device_by_name("vda1"));

            assert_ptr_equal(device_find(DEVICE_BLOCK, 1), &part->device);
            assert_int_equal(device_dedicate(&part->device, 0), 0);
            assert_int_equal(block_open(part, BLOCK_EXCLUSIVE, &open), 0);
            assert_int_equal(disk_read(&open, 0, 1, sector), 0);
            assert_int_equal(sector[0], 0x77);
            assert_int_equal(disk_read(&open, 8, 1, sector), -EINVAL);
            block_check(part);
        }
        block_check(&plain);
        machine_detach();
    }
    attach(512);
}

int main(void)
{
#define ATTACHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ATTACHED(test_partition_entries),
        ATTACHED(test_partition_overlap),
        ATTACHED(test_partition_no_table),
        ATTACHED(test_partition_logical),
        ATTACHED(test_partition_logical_odd),
        ATTACHED(test_partition_extended_outside),
        ATTACHED(test_partition_many_logical),
        ATTACHED(test_partition_last_number),
        ATTACHED(test_partition_two_extended),
        ATTACHED(test_partition_gpt),
        ATTACHED(test_partition_gpt_damaged),
        ATTACHED(test_partition_gpt_unreadable),
        ATTACHED(test_partition_gpt_entries),
        ATTACHED(test_partition_gpt_arrays),
        ATTACHED(test_partition_gpt_and_its_mbr),
        ATTACHED(test_partition_gpt_of_a_small_disk),
        ATTACHED(test_partition_by_sfdisk),
        ATTACHED(test_partition_chain_unreadable),
        ATTACHED(test_partition_out_of_memory),
        ATTACHED(test_partition_dedicated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
