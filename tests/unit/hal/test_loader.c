/*
 * What boot loaders say, right and damaged. The sources are pure, so they are
 * included as they are: the hosted archive does not hold bare metal's.
 */
#include "hal/baremetal/base/regions.c"
#include "hal/baremetal/firmware/linux_boot.c"
#include "hal/baremetal/firmware/loader.c"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/physical.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BASE = 0x500,
    SIZE = 128 * 1024,
    MIB = 1024 * 1024,
    IMAGE = 40 * MIB,
    IMAGE_END = 41 * MIB
};

static uint8_t memory[SIZE];
static struct loader_info info;

static uint8_t *at(uint64_t address)
{
    return memory + (address - BASE);
}

static const char *parse(uint32_t magic, uint64_t address)
{
    memset(&info, 0xa5, sizeof(info));
    info.image_start = IMAGE;
    info.image_end = IMAGE_END;
    physical_set(BASE, memory, SIZE);
    return loader_parse(&info, &physical, magic, address);
}

static void entry_put(uint8_t *entry, uint64_t base, uint64_t size,
                      uint32_t type)
{
    le64_put(entry, base);
    le64_put(entry + 8, size);
    le32_put(entry + 16, type);
}

/* ---- PVH ----------------------------------------------------------------- */

enum {
    PVH_INFO = BASE + 0x100,
    PVH_TEXT = 0x2000,
    PVH_LIST = 0x10000,
    PVH_ENTRIES = 0x4000
};

static void pvh_build(void)
{
    memset(memory, 0, sizeof(memory));
    le32_put(at(PVH_INFO), PVH_MAGIC);
    le32_put(at(PVH_INFO) + PVH_VERSION, 1);
    le32_put(at(PVH_INFO) + PVH_MODULE_COUNT, 2);
    le64_put(at(PVH_INFO) + PVH_MODULE_LIST, PVH_LIST);
    le64_put(at(PVH_INFO) + PVH_CMDLINE, PVH_TEXT);
    le64_put(at(PVH_INFO) + PVH_RSDP, 0xf5a10);
    le64_put(at(PVH_INFO) + PVH_MAP, PVH_ENTRIES);
    le32_put(at(PVH_INFO) + PVH_MAP_COUNT, 5);
    memcpy(at(PVH_TEXT), "log=debug -- a", 15);
    le64_put(at(PVH_LIST), 32 * MIB);
    le64_put(at(PVH_LIST) + 8, 5000);
    le64_put(at(PVH_LIST) + 32, 60 * MIB);
    le64_put(at(PVH_LIST) + 40, 1);
    entry_put(at(PVH_ENTRIES), 0, 0x9fc00, 1);
    entry_put(at(PVH_ENTRIES) + 24, 0x9fc00, 0x400, 2);
    entry_put(at(PVH_ENTRIES) + 48, MIB, 63 * MIB - 0x800, 1);
    entry_put(at(PVH_ENTRIES) + 72, 64 * MIB - 0x800, 0x800, 2);
    entry_put(at(PVH_ENTRIES) + 96, UINT64_C(1) << 32, MIB, 1);
}

static void test_pvh(void **state)
{
    (void)state;
    pvh_build();
    assert_null(parse(0, PVH_INFO));
    assert_string_equal(info.machine, "x86-64 by PVH");
    assert_string_equal(info.cmdline, "log=debug -- a");
    assert_int_equal(info.rsdp, 0xf5a10);
    assert_int_equal(info.ram.count, 2);
    assert_int_equal(info.ram.region[0].base, MIB);
    assert_int_equal(info.ram.region[0].size, 63 * MIB - 0x1000);
    assert_int_equal(info.ram.region[1].base, UINT64_C(1) << 32);
    assert_int_equal(info.ram.region[1].size, MIB);
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.module_ignored, 0);
    assert_int_equal(info.module[0].base, 32 * MIB);
    assert_int_equal(info.module[0].size, 5000);
    assert_int_equal(info.module[1].size, 1);
}

/* One field damaged: what comes of it. */
static void test_pvh_damage(void **state)
{
    static const char other[] = "neither Multiboot2 nor PVH";
    static const struct {
        const char *name;
        uint64_t field; /* its address */
        unsigned width;
        uint64_t value;
        const char *error; /* part of the answer; NULL: none */
        unsigned regions, modules, ignored;
    } rows[] = {
        {"magic", PVH_INFO, 4, 0x336ec579, other, 0, 0, 0},
        {"version 0", PVH_INFO + PVH_VERSION, 4, 0, other, 0, 0, 0},
        {"version 2", PVH_INFO + PVH_VERSION, 4, 2, NULL, 2, 2, 0},
        {"no command line", PVH_INFO + PVH_CMDLINE, 8, 0, NULL, 2, 2, 0},
        {"command line far up", PVH_INFO + PVH_CMDLINE, 8, UINT64_MAX - 4,
         loader_damaged, 0, 0, 0},
        {"command line past the memory", PVH_INFO + PVH_CMDLINE, 8, BASE + SIZE,
         loader_damaged, 0, 0, 0},
        {"map far up", PVH_INFO + PVH_MAP, 8, UINT64_MAX - 23, loader_damaged,
         0, 0, 0},
        {"map at the end", PVH_INFO + PVH_MAP, 8, BASE + SIZE - 5 * 24 + 1,
         loader_damaged, 0, 0, 0},
        {"map at 0", PVH_INFO + PVH_MAP, 8, 0, loader_damaged, 0, 0, 0},
        {"no map", PVH_INFO + PVH_MAP_COUNT, 4, 0, "no usable memory", 0, 0, 0},
        {"map of low memory", PVH_INFO + PVH_MAP_COUNT, 4, 2,
         "no usable memory", 0, 0, 0},
        {"map without end", PVH_INFO + PVH_MAP_COUNT, 4, UINT32_MAX,
         loader_map_too_long, 0, 0, 0},
        {"map of 1024", PVH_INFO + PVH_MAP_COUNT, 4, 1024, NULL, 2, 2, 0},
        {"map of 1025", PVH_INFO + PVH_MAP_COUNT, 4, 1025, loader_map_too_long,
         0, 0, 0},
        {"a size that wraps", PVH_ENTRIES + 104, 8, UINT64_MAX, NULL, 2, 2, 0},
        {"usable over unusable", PVH_ENTRIES + 24, 8, 2 * MIB, NULL, 3, 2, 0},
        {"unusable that wraps", PVH_ENTRIES + 80, 8, UINT64_MAX, NULL, 1, 2, 0},
        {"no modules", PVH_INFO + PVH_MODULE_COUNT, 4, 0, NULL, 2, 0, 0},
        {"modules without end", PVH_INFO + PVH_MODULE_COUNT, 4, UINT32_MAX,
         loader_damaged, 0, 0, 0},
        {"1024 modules", PVH_INFO + PVH_MODULE_COUNT, 4, 1024, NULL, 2, 2, 0},
        {"modules far up", PVH_INFO + PVH_MODULE_LIST, 8, UINT64_MAX - 63,
         loader_damaged, 0, 0, 0},
        {"an empty module", PVH_LIST + 8, 8, 0, NULL, 2, 1, 0},
        {"a module too long", PVH_LIST + 8, 8, 40 * MIB, NULL, 2, 1, 1},
        {"a module that wraps", PVH_LIST + 8, 8, UINT64_MAX, NULL, 2, 1, 1},
        {"a module above 4 GiB", PVH_LIST, 8, UINT64_C(1) << 32, NULL, 2, 1, 1},
        {"a module in the ROM", PVH_LIST, 8, 0xf0000, NULL, 2, 1, 1},
        {"a module in a hole", PVH_LIST, 8, 64 * MIB - 0x800, NULL, 2, 1, 1},
        {"a module before the image", PVH_LIST, 8, IMAGE - 5000, NULL, 2, 2, 0},
        {"a module over its start", PVH_LIST, 8, IMAGE - 4999, NULL, 2, 1, 1},
        {"a module in the image", PVH_LIST, 8, IMAGE + 1, NULL, 2, 1, 1},
        {"a module over its end", PVH_LIST, 8, IMAGE_END - 1, NULL, 2, 1, 1},
        {"a module behind the image", PVH_LIST, 8, IMAGE_END, NULL, 2, 2, 0},
        {"a module around the image", PVH_LIST + 8, 8, 10 * MIB, NULL, 2, 1, 1},
        {"a module before another", PVH_LIST + 32, 8, 32 * MIB - 1, NULL, 2, 2,
         0},
        {"the first byte of another", PVH_LIST + 32, 8, 32 * MIB, NULL, 2, 1,
         1},
        {"the last byte of another", PVH_LIST + 32, 8, 32 * MIB + 4999, NULL, 2,
         1, 1},
        {"a module behind another", PVH_LIST + 32, 8, 32 * MIB + 5000, NULL, 2,
         2, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *error;

        pvh_build();
        if (rows[i].width == 4)
            le32_put(at(rows[i].field), (uint32_t)rows[i].value);
        else
            le64_put(at(rows[i].field), rows[i].value);
        error = parse(0, PVH_INFO);
        ROW(rows[i].name, (error == NULL) == (rows[i].error == NULL));
        if (error != NULL) {
            ROW(rows[i].name, strstr(error, rows[i].error) != NULL);
            continue;
        }
        ROW(rows[i].name, info.ram.count == rows[i].regions);
        ROW(rows[i].name, info.module_count == rows[i].modules);
        ROW(rows[i].name, info.module_ignored == rows[i].ignored);
    }
}

static void test_pvh_places(void **state)
{
    static const uint64_t places[] = {
        0,           BASE - 1,      BASE + SIZE - PVH_SIZE + 1,
        BASE + SIZE, UINT32_MAX,    UINT64_C(1) << 32,
        UINT64_MAX,  UINT64_MAX - 8};

    (void)state;
    pvh_build();
    for (size_t i = 0; i < COUNT_OF(places); i++)
        assert_non_null(parse(0, places[i]));
}

/* Command lines around the end of a page and of what can be kept. */
static void test_pvh_command_lines(void **state)
{
    static const struct {
        uint64_t address;
        size_t len;
        bool ends; /* with a NUL */
        bool good;
    } rows[] = {
        {0x2000, 0, true, true},       {0x2fff, 0, true, true},
        {0x2ffe, 1, true, true},       {0x2fff, 1, true, true},
        {0x2f00, 1000, true, true},    {0x2000, 4095, true, true},
        {0x2fff, 4095, true, true},    {0x2000, 4096, true, false},
        {0x2800, 4096, true, false},   {0x2000, 9000, true, false},
        {0x1f500, 4095, false, false}, /* the memory ends with it */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *error;

        pvh_build();
        memset(at(PVH_TEXT), 0, 32);
        le32_put(at(PVH_INFO) + PVH_MODULE_COUNT, 0);
        le64_put(at(PVH_INFO) + PVH_MAP, 0x1f000);
        entry_put(at(0x1f000), MIB, MIB, 1);
        le32_put(at(PVH_INFO) + PVH_MAP_COUNT, 1);
        le64_put(at(PVH_INFO) + PVH_CMDLINE, rows[i].address);
        if (!rows[i].ends) {
            le64_put(at(PVH_INFO) + PVH_MAP, 0x4000);
            entry_put(at(0x4000), MIB, MIB, 1);
            memset(at(rows[i].address), 'x', BASE + SIZE - rows[i].address);
        } else {
            memset(at(rows[i].address), 'x', rows[i].len);
        }
        error = parse(0, PVH_INFO);
        assert_int_equal(error == NULL, rows[i].good);
        if (error == NULL)
            assert_int_equal(strlen(info.cmdline), rows[i].len);
    }
}

/* ---- Multiboot2 ---------------------------------------------------------- */

enum { MBI = 0x1000 };
static uint64_t mbi_end;

static uint8_t *tag_add(uint32_t type, uint32_t size)
{
    uint8_t *tag = at(mbi_end);

    le32_put(tag, type);
    le32_put(tag + 4, size);
    mbi_end += (size + 7) & ~7U;
    le32_put(at(MBI), (uint32_t)(mbi_end - MBI));
    return tag;
}

static uint8_t *module_tag_add(uint32_t base, uint32_t end)
{
    uint8_t *tag = tag_add(TAG_MODULE, 17);

    le32_put(tag + 8, base);
    le32_put(tag + 12, end);
    return tag;
}

static uint8_t *map_tag_add(unsigned count, uint32_t entry_size)
{
    uint8_t *tag = tag_add(TAG_MAP, 16 + count * entry_size);

    le32_put(tag + 8, entry_size);
    return tag;
}

static void mbi_begin(void)
{
    memset(memory, 0, sizeof(memory));
    mbi_end = MBI + 8;
}

static void mbi_build(void)
{
    uint8_t *tag;

    mbi_begin();
    memcpy(tag_add(TAG_CMDLINE, 8 + 6) + 8, "a=b c", 6);
    tag_add(2, 20); /* the loader's name: not for us */
    module_tag_add(3 * MIB, 3 * MIB + 5000);
    tag = map_tag_add(3, 32); /* longer entries than we know */
    entry_put(tag + 16, MIB, 15 * MIB, 1);
    entry_put(tag + 48, 8 * MIB, 4096, 3);
    entry_put(tag + 80, UINT64_C(1) << 33, MIB, 1);
    tag_add(TAG_RSDP, 8 + 20);
    tag_add(TAG_END, 8);
}

static void test_multiboot(void **state)
{
    uint64_t first;

    (void)state;
    mbi_build();
    assert_null(parse(LOADER_MULTIBOOT2, MBI));
    assert_string_equal(info.machine, "x86-64 by Multiboot2");
    assert_string_equal(info.cmdline, "a=b c");
    assert_int_equal(info.ram.count, 3);
    assert_int_equal(info.ram.region[0].size, 7 * MIB);
    assert_int_equal(info.ram.region[1].base, 8 * MIB + 4096);
    assert_int_equal(info.ram.region[2].base, UINT64_C(1) << 33);
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.module[0].base, 3 * MIB);
    assert_int_equal(info.module[0].size, 5000);
    first = mbi_end - 8 - 32 + 8;
    assert_int_equal(info.rsdp, first);
    /* The old RSDP counts when there is no new one, in whatever order. */
    mbi_end -= 8;
    tag_add(TAG_RSDP_2, 8 + 36);
    tag_add(TAG_RSDP, 8 + 20);
    assert_null(parse(LOADER_MULTIBOOT2, MBI));
    assert_int_equal(info.rsdp, first + 32);
}

static void test_multiboot_tag_sizes(void **state)
{
    static const uint32_t sizes[] = {0,    1,          7,          9,
                                     4096, 0xfffffff0, 0xfffffff9, UINT32_MAX};

    (void)state;
    /* A tag of a wrong size ends the list: what is before it counts. */
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        uint8_t *tag;

        mbi_begin();
        entry_put(map_tag_add(1, 24) + 16, MIB, MIB, 1);
        tag = tag_add(99, 8);
        memcpy(tag_add(TAG_CMDLINE, 12) + 8, "abc", 4);
        le32_put(tag + 4, sizes[i]);
        assert_null(parse(LOADER_MULTIBOOT2, MBI));
        assert_int_equal(info.ram.count, 1);
        assert_string_equal(info.cmdline, "");
    }
}

static void test_multiboot_damage(void **state)
{
    enum { MAP_AT = MBI + 8 };
    static const struct {
        const char *name;
        uint64_t field;
        uint32_t value;
        bool good;
        unsigned regions;
    } rows[] = {
        {"nothing", MAP_AT, TAG_MAP, true, 2},
        {"size 0", MBI, 0, false, 0},
        {"size 7", MBI, 7, false, 0},
        {"no tag", MBI, 8, false, 0},
        {"a size past memory", MBI, SIZE, false, 0},
        {"a size without end", MBI, UINT32_MAX, false, 0},
        {"entries of 0", MAP_AT + 8, 0, false, 0},
        {"entries of 23", MAP_AT + 8, 23, false, 0},
        {"entries of all", MAP_AT + 8, 48, true, 1},
        {"longer entries", MAP_AT + 8, 49, false, 0},
        {"entries that wrap", MAP_AT + 8, UINT32_MAX - 15, false, 0},
        {"entries that wrap on", MAP_AT + 8, UINT32_MAX, false, 0},
        {"a header only", MAP_AT + 4, 16, false, 0},
        {"less than a header", MAP_AT + 4, 15, false, 0},
        {"a part of an entry", MAP_AT + 4, 16 + 47, true, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *tag;

        mbi_begin();
        tag = map_tag_add(2, 24);
        entry_put(tag + 16, MIB, MIB, 1);
        entry_put(tag + 40, 3 * MIB, MIB, 1);
        tag_add(TAG_END, 8);
        le32_put(at(rows[i].field), rows[i].value);
        ROW(rows[i].name,
            (parse(LOADER_MULTIBOOT2, MBI) == NULL) == rows[i].good);
        if (rows[i].good)
            ROW(rows[i].name, info.ram.count == rows[i].regions);
    }
}

static void test_multiboot_modules(void **state)
{
    (void)state;
    mbi_begin();
    module_tag_add(2 * MIB, 3 * MIB);
    module_tag_add(3 * MIB, 2 * MIB); /* backwards */
    module_tag_add(5 * MIB, 5 * MIB); /* empty: none */
    module_tag_add(5 * MIB + 1, 5 * MIB + 3);
    module_tag_add(UINT32_MAX - 5, UINT32_MAX);
    le32_put(module_tag_add(4 * MIB, 5 * MIB) + 4, 15); /* too short */
    mbi_end -= 8; /* the next tag is where that one says */
    module_tag_add(6 * MIB, 7 * MIB);
    module_tag_add(6 * MIB, 7 * MIB); /* again */
    module_tag_add(7 * MIB, 8 * MIB);
    module_tag_add(8 * MIB, 9 * MIB); /* a fifth one */
    entry_put(map_tag_add(1, 24) + 16, MIB, 15 * MIB, 1);
    assert_null(parse(LOADER_MULTIBOOT2, MBI));
    assert_int_equal(info.module_count, HAL_MODULE_MAX);
    assert_int_equal(info.module_ignored, 4);
    assert_int_equal(info.module[1].base, 5 * MIB + 1);
    assert_int_equal(info.module[1].size, 2);
}

/* Command lines without NUL, and too long ones. */
static void test_multiboot_command_lines(void **state)
{
    static const struct {
        uint32_t size;
        bool good;
    } rows[] = {{0, true},    {1, true},     {100, true},
                {4095, true}, {4096, false}, {5000, false}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        mbi_begin();
        entry_put(map_tag_add(1, 24) + 16, MIB, MIB, 1);
        memset(tag_add(TAG_CMDLINE, 8 + rows[i].size) + 8, 'x', rows[i].size);
        assert_int_equal(parse(LOADER_MULTIBOOT2, MBI) == NULL, rows[i].good);
        if (rows[i].good)
            assert_int_equal(strlen(info.cmdline), rows[i].size);
    }
}

static void test_multiboot_rsdp_too_short(void **state)
{
    (void)state;
    mbi_begin();
    entry_put(map_tag_add(1, 24) + 16, MIB, MIB, 1);
    tag_add(TAG_RSDP, 8 + 19);
    assert_null(parse(LOADER_MULTIBOOT2, MBI));
    assert_int_equal(info.rsdp, 0);
}

/* Too many map entries in one tag; and more regions than the list holds. */
static void test_multiboot_map_lengths(void **state)
{
    for (unsigned count = 1023; count <= 1025; count++) {
        uint8_t *tag;

        (void)state;
        mbi_begin();
        tag = map_tag_add(count, 24);
        for (unsigned i = 0; i < count; i++)
            entry_put(tag + 16 + 24 * i, (1 + 2 * (uint64_t)i) * MIB, MIB, 1);
        if (count > 1024) {
            assert_string_equal(parse(LOADER_MULTIBOOT2, MBI),
                                loader_map_too_long);
            continue;
        }
        assert_null(parse(LOADER_MULTIBOOT2, MBI));
        assert_int_equal(info.ram.count, HAL_REGION_MAX);
        assert_int_equal(regions_size(&info.ram) + info.ram.dropped,
                         (uint64_t)count * MIB);
    }
}

/* ---- Both ---------------------------------------------------------------- */

/* ---- Linux --------------------------------------------------------------- */

enum {
    ZERO = 0x3000,
    ZERO_TEXT = 0x5000,
    ZERO_NODE = 0x6000,
    ZERO_EFI = 0x7000,
    ZERO_TABLES = 0x8000,
};

static void zero_build(void)
{
    uint8_t *page = at(ZERO);

    memset(memory, 0, sizeof(memory));
    le32_put(page + HEADER_MAGIC, LOADER_LINUX);
    le32_put(page + CMDLINE, ZERO_TEXT);
    memcpy(at(ZERO_TEXT), "port=80 a", 10);
    page[MAP_COUNT] = 4;
    entry_put(page + MAP, 0, 0x9fc00, 1);
    entry_put(page + MAP + 20, MIB, 63 * MIB, 1);
    entry_put(page + MAP + 40, 3 * MIB, 4096, 2);
    entry_put(page + MAP + 60, UINT64_C(1) << 32, MIB, 1);
    le32_put(page + RAMDISK, 32 * MIB);
    le32_put(page + RAMDISK_SIZE, 5000);
    le64_put(page + RSDP, 0xf5a10);
}

static void test_linux(void **state)
{
    (void)state;
    zero_build();
    assert_null(parse(LOADER_LINUX, ZERO));
    assert_string_equal(info.machine, "x86-64 by the Linux boot protocol");
    assert_string_equal(info.cmdline, "port=80 a");
    assert_int_equal(info.rsdp, 0xf5a10);
    assert_int_equal(info.ram.count, 3);
    assert_int_equal(info.ram.region[0].base, MIB);
    assert_int_equal(info.ram.region[0].size, 2 * MIB);
    assert_int_equal(info.ram.region[1].base, 3 * MIB + 4096);
    assert_int_equal(info.ram.region[2].base, UINT64_C(1) << 32);
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.module[0].base, 32 * MIB);
    assert_int_equal(info.module[0].size, 5000);
    assert_int_equal(info.framebuffer.base, 0);
}

/* One field damaged: what comes of it. */
static void test_linux_damage(void **state)
{
    static const char other[] = "no zero page of Linux";
    static const struct {
        const char *name;
        unsigned field; /* in the page */
        unsigned width;
        uint32_t value;
        const char *error; /* part of the answer; NULL: none */
        unsigned regions, modules, ignored;
    } rows[] = {
        {"magic", HEADER_MAGIC, 4, 0x53726449, other, 0, 0, 0},
        {"a version to come", HEADER_MAGIC + 4, 2, 0xffff, NULL, 3, 1, 0},
        {"no command line", CMDLINE, 4, 0, NULL, 3, 1, 0},
        {"command line far up", CMDLINE_HIGH, 4, 1, loader_damaged, 0, 0, 0},
        {"no map", MAP_COUNT, 1, 0, "no usable memory", 0, 0, 0},
        {"low memory only", MAP_COUNT, 1, 1, "no usable memory", 0, 0, 0},
        {"128 entries", MAP_COUNT, 1, 128, NULL, 3, 1, 0},
        {"129 entries", MAP_COUNT, 1, 129, loader_damaged, 0, 0, 0},
        {"a map that wraps", MAP + 20 + 12, 4, UINT32_MAX, NULL, 2, 1, 0},
        {"no ramdisk", RAMDISK_SIZE, 4, 0, NULL, 3, 0, 0},
        {"a ramdisk too long", RAMDISK_SIZE, 4, 40 * MIB, NULL, 3, 0, 1},
        {"a ramdisk that wraps", RAMDISK_SIZE_HIGH, 4, UINT32_MAX, NULL, 3, 0,
         1},
        {"a ramdisk far up", RAMDISK_HIGH, 4, 1, NULL, 3, 0, 1},
        {"more map nowhere", SETUP_DATA, 4, BASE + SIZE - 8, loader_damaged, 0,
         0, 0},
        {"more map far up", SETUP_DATA + 4, 4, UINT32_MAX, loader_damaged, 0, 0,
         0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *field = at(ZERO + rows[i].field);
        const char *error;

        zero_build();
        if (rows[i].width == 1)
            *field = (uint8_t)rows[i].value;
        else if (rows[i].width == 2)
            le16_put(field, (uint16_t)rows[i].value);
        else
            le32_put(field, rows[i].value);
        error = parse(LOADER_LINUX, ZERO);
        ROW(rows[i].name, (error == NULL) == (rows[i].error == NULL));
        if (error != NULL) {
            ROW(rows[i].name, strstr(error, rows[i].error) != NULL);
            continue;
        }
        ROW(rows[i].name, info.ram.count == rows[i].regions);
        ROW(rows[i].name, info.module_count == rows[i].modules);
        ROW(rows[i].name, info.module_ignored == rows[i].ignored);
    }
    assert_non_null(parse(LOADER_LINUX, BASE + SIZE - 4095));
    assert_non_null(parse(LOADER_LINUX, 0));
}

/* The list of what did not fit into the page. */
static void test_linux_more_map(void **state)
{
    static const struct {
        const char *name;
        uint64_t next;
        uint32_t type;
        uint32_t length;
        const char *error;
        unsigned regions;
    } rows[] = {
        {"two entries", 0, 1, 40, NULL, 4},
        {"a part of a third", 0, 1, 59, NULL, 4},
        {"none", 0, 1, 19, NULL, 3},
        {"something else", 0, 2, 40, NULL, 3},
        {"a circle", ZERO_NODE, 1, 20, loader_damaged, 0},
        {"past the end", 0, 1, SIZE, loader_map_too_long, 0},
        {"1024 entries past the end", 0, 1, 20480, NULL, 5},
        {"1025 entries", 0, 1, 20500, loader_map_too_long, 0},
        {"a next one nowhere", 1, 1, 20, loader_damaged, 0},
        {"a length without end", 0, 1, UINT32_MAX, loader_map_too_long, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t *node = at(ZERO_NODE);
        const char *error;

        zero_build();
        le64_put(at(ZERO) + SETUP_DATA, ZERO_NODE);
        le64_put(node, rows[i].next);
        le32_put(node + NODE_TYPE, rows[i].type);
        le32_put(node + NODE_LENGTH, rows[i].length);
        entry_put(node + NODE_SIZE, UINT64_C(1) << 33, MIB, 1);
        entry_put(node + NODE_SIZE + 20, 16 * MIB, 4096, 2);
        if (rows[i].length == 20480)
            entry_put(node + NODE_SIZE + 1023 * 20, UINT64_C(1) << 34, MIB, 1);
        error = parse(LOADER_LINUX, ZERO);
        ROW(rows[i].name, (error == NULL) == (rows[i].error == NULL));
        if (error != NULL)
            ROW(rows[i].name, error == rows[i].error);
        else
            ROW(rows[i].name,
                info.ram.count == rows[i].regions + (rows[i].regions > 3));
    }
    /* Entries that begin at the end of memory. */
    zero_build();
    le64_put(at(ZERO) + SETUP_DATA, BASE + SIZE - NODE_SIZE);
    le32_put(at(BASE + SIZE - NODE_SIZE) + NODE_TYPE, 1);
    le32_put(at(BASE + SIZE - NODE_SIZE) + NODE_LENGTH, 20);
    assert_ptr_equal(parse(LOADER_LINUX, ZERO), loader_damaged);
}

/* A UEFI system table with both pointers. */
static void efi_build(void)
{
    zero_build();
    le64_put(at(ZERO) + RSDP, 0);
    le32_put(at(ZERO) + EFI_SIGNATURE, EFI_LOADER_64);
    le32_put(at(ZERO) + EFI_TABLE, ZERO_EFI);
    le64_put(at(ZERO_EFI), SYSTEM_SIGNATURE);
    le64_put(at(ZERO_EFI) + SYSTEM_TABLE_COUNT, 3);
    le64_put(at(ZERO_EFI) + SYSTEM_TABLE_ENTRIES, ZERO_TABLES);
    memcpy(at(ZERO_TABLES) + CONFIGURATION_SIZE, guid_acpi_1, GUID_SIZE);
    le64_put(at(ZERO_TABLES) + CONFIGURATION_SIZE + GUID_SIZE, 0x1111);
    memcpy(at(ZERO_TABLES) + 2 * CONFIGURATION_SIZE, guid_acpi_2, GUID_SIZE);
    le64_put(at(ZERO_TABLES) + 2 * CONFIGURATION_SIZE + GUID_SIZE, 0x2222);
}

static void test_linux_rsdp_of_uefi(void **state)
{
    static const struct {
        const char *name;
        uint64_t field;
        uint64_t value;
        uint64_t rsdp;
    } rows[] = {
        {"version 2 wins", ZERO_TEXT + 64, 0, 0x2222},
        {"version 1", ZERO_EFI + SYSTEM_TABLE_COUNT, 2, 0x1111},
        {"neither", ZERO_EFI + SYSTEM_TABLE_COUNT, 1, 0},
        {"no entries", ZERO_EFI + SYSTEM_TABLE_COUNT, 0, 0},
        {"1025 entries", ZERO_EFI + SYSTEM_TABLE_COUNT, 1025, 0},
        {"entries without end", ZERO_EFI + SYSTEM_TABLE_COUNT, UINT64_MAX, 0},
        {"entries nowhere", ZERO_EFI + SYSTEM_TABLE_ENTRIES, UINT64_MAX, 0},
        {"no system table", ZERO_EFI, 0, 0},
        {"32-bit firmware", ZERO + EFI_SIGNATURE, 0x32334c45, 0},
        {"told", ZERO + RSDP, 0x3333, 0x3333},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        efi_build();
        le64_put(at(rows[i].field), rows[i].value);
        if (rows[i].field == ZERO + EFI_SIGNATURE)
            le32_put(at(ZERO) + EFI_TABLE, ZERO_EFI);
        ROW(rows[i].name, parse(LOADER_LINUX, ZERO) == NULL);
        ROW(rows[i].name, info.rsdp == rows[i].rsdp);
    }
    /* The table is far up. */
    efi_build();
    le32_put(at(ZERO) + EFI_TABLE_HIGH, 1);
    assert_null(parse(LOADER_LINUX, ZERO));
    assert_int_equal(info.rsdp, 0);
}

/* ---- Screens ------------------------------------------------------------- */

#define NO_COLORS   \
    {0, 0}, {0, 0}, \
    {               \
        0, 0        \
    }
#define RGB8         \
    {16, 8}, {8, 8}, \
    {                \
        0, 8         \
    }

static const struct {
    const char *name;
    struct hal_framebuffer screen;
    bool good;
    struct hal_color red, green, blue; /* if it is good */
} screens[] = {
    {"32 bits", {0xfd000000, 4096, 1024, 768, 32, RGB8}, true, RGB8},
    {"BGR",
     {0xfd000000, 4096, 1024, 768, 32, {0, 8}, {8, 8}, {16, 8}},
     true,
     {0, 8},
     {8, 8},
     {16, 8}},
    {"colors not told",
     {0xfd000000, 4096, 1024, 768, 32, NO_COLORS},
     true,
     RGB8},
    {"10 bits each",
     {0xfd000000, 4096, 1024, 768, 32, {20, 10}, {10, 10}, {0, 10}},
     true,
     {20, 10},
     {10, 10},
     {0, 10}},
    {"24 bits, padded",
     {0xfd000000, 4096, 800, 600, 24, NO_COLORS},
     true,
     RGB8},
    {"24 bits, one is red", {0xfd000000, 2400, 800, 600, 24, RGB8}, true, RGB8},
    {"16 bits",
     {0xfd000000, 1600, 800, 600, 16, NO_COLORS},
     true,
     {11, 5},
     {5, 6},
     {0, 5}},
    {"15 bits",
     {0xfd000000, 4096, 800, 600, 15, NO_COLORS},
     true,
     {10, 5},
     {5, 5},
     {0, 5}},
    {"far up", {UINT64_C(0x1000000000), 4096, 1024, 768, 32, RGB8}, true, RGB8},
    {"nowhere", {0, 4096, 1024, 768, 32, RGB8}, false, NO_COLORS},
    {"no columns", {0xfd000000, 4096, 0, 768, 32, RGB8}, false, NO_COLORS},
    {"no rows", {0xfd000000, 4096, 1024, 0, 32, RGB8}, false, NO_COLORS},
    {"rows that overlap",
     {0xfd000000, 4095, 1024, 768, 32, RGB8},
     false,
     NO_COLORS},
    {"of 24 bits", {0xfd000000, 2399, 800, 600, 24, RGB8}, false, NO_COLORS},
    {"of 15 bits",
     {0xfd000000, 1599, 800, 600, 15, NO_COLORS},
     false,
     NO_COLORS},
    {"8 bits", {0xfd000000, 4096, 1024, 768, 8, RGB8}, false, NO_COLORS},
    {"0 bits", {0xfd000000, 4096, 1024, 768, 0, RGB8}, false, NO_COLORS},
    {"17 bits", {0xfd000000, 8192, 1024, 768, 17, NO_COLORS}, false, NO_COLORS},
    {"33 bits", {0xfd000000, 8192, 1024, 768, 33, RGB8}, false, NO_COLORS},
    {"no red",
     {0xfd000000, 4096, 1024, 768, 32, {0, 0}, {8, 8}, {0, 8}},
     false,
     NO_COLORS},
    {"no green",
     {0xfd000000, 4096, 1024, 768, 32, {8, 8}, {0, 0}, {0, 8}},
     false,
     NO_COLORS},
    {"no blue",
     {0xfd000000, 4096, 1024, 768, 32, {8, 8}, {0, 8}, {0, 0}},
     false,
     NO_COLORS},
    {"red outside",
     {0xfd000000, 4096, 1024, 768, 32, {25, 8}, {8, 8}, {0, 8}},
     false,
     NO_COLORS},
    {"red far outside",
     {0xfd000000, 4096, 1024, 768, 32, {255, 255}, {8, 8}, {0, 8}},
     false,
     NO_COLORS},
    {"in memory", {MIB, 4096, 1024, 1, 32, RGB8}, false, NO_COLORS},
    {"around memory", {4096, 1U << 20, 1024, 768, 32, RGB8}, false, NO_COLORS},
    {"at the end",
     {UINT64_MAX - 4096, 4096, 1024, 768, 32, RGB8},
     false,
     NO_COLORS},
    {"over the end",
     {REGION_ADDRESS_LIMIT - 4096, 4096, 1024, 2, 32, RGB8},
     false,
     NO_COLORS},
};

static bool color_is(struct hal_color got, struct hal_color want)
{
    return got.at == want.at && got.bits == want.bits;
}

static bool screen_is(size_t i)
{
    const struct hal_framebuffer *want = &screens[i].screen;
    const struct hal_framebuffer *got = &info.framebuffer;

    if (!screens[i].good)
        return got->base == 0;
    return got->base == want->base && got->pitch == want->pitch &&
           got->width == want->width && got->height == want->height &&
           got->depth == want->depth && color_is(got->red, screens[i].red) &&
           color_is(got->green, screens[i].green) &&
           color_is(got->blue, screens[i].blue);
}

static void test_screens_of_multiboot(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(screens); i++) {
        const struct hal_framebuffer *screen = &screens[i].screen;
        uint8_t *tag;

        mbi_build();
        mbi_end -= 8;
        tag = tag_add(TAG_FRAMEBUFFER, 38);
        le64_put(tag + 8, screen->base);
        le32_put(tag + 16, screen->pitch);
        le32_put(tag + 20, screen->width);
        le32_put(tag + 24, screen->height);
        tag[28] = (uint8_t)screen->depth;
        tag[29] = FRAMEBUFFER_RGB;
        memcpy(tag + 32, &screen->red, 2);
        memcpy(tag + 34, &screen->green, 2);
        memcpy(tag + 36, &screen->blue, 2);
        ROW(screens[i].name, parse(LOADER_MULTIBOOT2, MBI) == NULL);
        ROW(screens[i].name, screen_is(i));
        tag[29] = 2; /* text */
        ROW(screens[i].name, parse(LOADER_MULTIBOOT2, MBI) == NULL);
        assert_int_equal(info.framebuffer.base, 0);
        tag[29] = FRAMEBUFFER_RGB;
        le32_put(tag + 4, 29); /* too short */
        ROW(screens[i].name, parse(LOADER_MULTIBOOT2, MBI) == NULL);
        assert_int_equal(info.framebuffer.base, 0);
    }
}

static void test_screens_of_linux(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(screens); i++) {
        const struct hal_framebuffer *screen = &screens[i].screen;
        uint8_t *page = at(ZERO);

        zero_build();
        page[SCREEN_KIND] = i % 2 ? SCREEN_KIND_VESA : SCREEN_KIND_EFI;
        le32_put(page + SCREEN_BASE, (uint32_t)screen->base);
        le32_put(page + SCREEN_BASE_HIGH, (uint32_t)(screen->base >> 32));
        le32_put(page + SCREEN_CAPABILITIES, SCREEN_HAS_BASE_HIGH);
        le16_put(page + SCREEN_PITCH, (uint16_t)screen->pitch);
        le16_put(page + SCREEN_WIDTH, (uint16_t)screen->width);
        le16_put(page + SCREEN_HEIGHT, (uint16_t)screen->height);
        le16_put(page + SCREEN_DEPTH, (uint16_t)screen->depth);
        page[SCREEN_COLORS] = screen->red.bits;
        page[SCREEN_COLORS + 1] = screen->red.at;
        page[SCREEN_COLORS + 2] = screen->green.bits;
        page[SCREEN_COLORS + 3] = screen->green.at;
        page[SCREEN_COLORS + 4] = screen->blue.bits;
        page[SCREEN_COLORS + 5] = screen->blue.at;
        ROW(screens[i].name, parse(LOADER_LINUX, ZERO) == NULL);
        ROW(screens[i].name, screen_is(i));
        page[SCREEN_KIND] = 1; /* text */
        ROW(screens[i].name, parse(LOADER_LINUX, ZERO) == NULL);
        assert_int_equal(info.framebuffer.base, 0);
    }
    /* Without the flag the upper half is not there. */
    zero_build();
    at(ZERO)[SCREEN_KIND] = SCREEN_KIND_VESA;
    le32_put(at(ZERO) + SCREEN_BASE, 0xfd000000);
    le32_put(at(ZERO) + SCREEN_BASE_HIGH, 5);
    le16_put(at(ZERO) + SCREEN_PITCH, 4096);
    le16_put(at(ZERO) + SCREEN_WIDTH, 1024);
    le16_put(at(ZERO) + SCREEN_HEIGHT, 768);
    le16_put(at(ZERO) + SCREEN_DEPTH, 32);
    assert_null(parse(LOADER_LINUX, ZERO));
    assert_int_equal(info.framebuffer.base, 0xfd000000);
}

static void test_random_damage(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 20000; seed++) {
        static const uint32_t magics[] = {0, LOADER_MULTIBOOT2, LOADER_LINUX};
        static const uint64_t places[] = {PVH_INFO, MBI, ZERO};
        uint32_t magic = magics[seed % 3];
        uint64_t from = places[seed % 3];

        srand(seed);
        if (magic == LOADER_MULTIBOOT2)
            mbi_build();
        else if (magic == LOADER_LINUX)
            efi_build();
        else
            pvh_build();
        for (int k = rand() % 6; k >= 0; k--)
            at(from)[rand() % (magic == LOADER_LINUX ? 900 : 200)] =
                (uint8_t)rand();
        (void)parse(magic, from);
        assert_true(info.module_count <= HAL_MODULE_MAX);
        assert_true(strlen(info.cmdline) < LOADER_CMDLINE_SIZE);
    }
}

static int forget(void **state)
{
    (void)state;
    physical_set(0, NULL, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pvh),
        cmocka_unit_test(test_pvh_damage),
        cmocka_unit_test(test_pvh_places),
        cmocka_unit_test(test_pvh_command_lines),
        cmocka_unit_test(test_multiboot),
        cmocka_unit_test(test_multiboot_tag_sizes),
        cmocka_unit_test(test_multiboot_damage),
        cmocka_unit_test(test_multiboot_modules),
        cmocka_unit_test(test_multiboot_command_lines),
        cmocka_unit_test(test_multiboot_rsdp_too_short),
        cmocka_unit_test(test_multiboot_map_lengths),
        cmocka_unit_test(test_linux),
        cmocka_unit_test(test_linux_damage),
        cmocka_unit_test(test_linux_more_map),
        cmocka_unit_test(test_linux_rsdp_of_uefi),
        cmocka_unit_test(test_screens_of_multiboot),
        cmocka_unit_test(test_screens_of_linux),
        cmocka_unit_test(test_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
