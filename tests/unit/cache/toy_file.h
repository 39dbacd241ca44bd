/*
 * A disk with a file on it, for tests of the page cache: which unit of the file
 * lies where is a table, and a new unit gets a place that is not next to the
 * one before, now and then. Reserved room is counted.
 */
#ifndef TORC_TESTS_UNIT_CACHE_TOY_FILE_H
#define TORC_TESTS_UNIT_CACHE_TOY_FILE_H

#include "kernel/cache/mapping.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/heap.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdlib.h>
#include <string.h>
#include <torc/thread.h>

enum {
    TOY_UNITS = 4096, /* of a file at most, and of the disk */
    TOY_UNIT_MAX = PAGE_SECTORS,
    TOY_DISK = TOY_UNITS * TOY_UNIT_MAX * BLOCK_SECTOR_SIZE,
};

struct toy_file {
    struct mapping pages;
    unsigned unit;
    uint32_t place[TOY_UNITS]; /* on the disk, in units; 0: a hole */
    uint32_t next_place;
    unsigned spread; /* each so many units there is a gap on the disk */
    uint64_t room;   /* units that may be allocated */
    uint64_t reserved;
    int fail_map[MAP_WRITE + 1]; /* what a map() of that mode returns */
    unsigned fail_map_from[MAP_WRITE + 1]; /* -EIO from the n-th one; 0: none */
    bool waits;                            /* map() lets others run */
    unsigned maps[MAP_WRITE + 1];
    unsigned flushes;
    int flush_status;
};

static uint8_t toy_data[TOY_DISK];
static struct ramblk toy_disk;
static struct block_open toy_open;

static inline struct toy_file *toy_of(struct mapping *mapping)
{
    return container_of(mapping, struct toy_file, pages);
}

static inline void toy_allocate(struct toy_file *toy, uint64_t unit)
{
    assert_true(toy->reserved > 0);
    toy->reserved--;
    if (toy->spread != 0 && toy->next_place % toy->spread == 0)
        toy->next_place += 2;
    toy->place[unit] = toy->next_place++;
}

/* Whether the unit continues the run that begins at `first`. */
static inline bool toy_continues(const struct toy_file *toy, uint64_t first,
                                 uint64_t unit)
{
    if (toy->place[first] == 0)
        return toy->place[unit] == 0;
    return toy->place[unit] == toy->place[first] + (unit - first);
}

static inline int toy_map(struct mapping *mapping, uint64_t sector,
                          uint32_t sectors, enum map_mode mode,
                          struct extent *out)
{
    struct toy_file *toy = toy_of(mapping);
    uint64_t first = sector / toy->unit, unit = first;
    uint64_t end = (sector + sectors) / toy->unit;

    assert_true(sectors > 0);
    assert_int_equal(sector % toy->unit, 0);
    assert_int_equal(sectors % toy->unit, 0);
    assert_true(end <= TOY_UNITS);
    toy->maps[mode]++;
    if (mode == MAP_RELEASE) {
        assert_true(toy->reserved >= end - first);
        toy->reserved -= end - first;
        toy->room += end - first;
        return 0;
    }
    if (toy->waits)
        thread_yield();
    if (toy->fail_map[mode] != 0)
        return toy->fail_map[mode];
    if (toy->fail_map_from[mode] != 0 &&
        toy->maps[mode] >= toy->fail_map_from[mode])
        return -EIO;
    if (mode == MAP_WRITE && toy->place[first] == 0)
        toy_allocate(toy, first);
    for (unit++; unit < end; unit++) {
        if (mode == MAP_WRITE && toy->place[unit] == 0)
            toy_allocate(toy, unit);
        if (!toy_continues(toy, first, unit))
            break;
    }
    if (mode == MAP_RESERVE && toy->place[first] == 0) {
        if (toy->room < unit - first)
            return -ENOSPC;
        toy->room -= unit - first;
        toy->reserved += unit - first;
    }
    *out = (struct extent){
        .type = toy->place[first] == 0 ? EXTENT_HOLE : EXTENT_DATA,
        .sector = (uint64_t)toy->place[first] * toy->unit,
        .sectors = (uint32_t)(unit - first) * toy->unit,
    };
    return 0;
}

static inline int toy_flush(struct mapping *mapping)
{
    struct toy_file *toy = toy_of(mapping);
    int status = mapping_write(mapping, 0, UINT64_MAX);

    toy->flushes++;
    return status != 0 ? status : toy->flush_status;
}

static const struct mapping_ops toy_ops = {.map = toy_map};
static const struct mapping_ops toy_flush_ops = {.map = toy_map,
                                                 .flush = toy_flush};

/* What is on the disk when a test begins. */
static inline uint8_t toy_byte(size_t at)
{
    return (uint8_t)(at * 13 + at / 512 + 1);
}

/* A machine with a full disk of `bytes`. */
static inline int toy_setup_disk(size_t mem_bytes, size_t bytes)
{
    machine_attach(mem_bytes);
    page_cache_boot();
    for (size_t i = 0; i < bytes; i++)
        toy_data[i] = toy_byte(i);
    ramblk_init(&toy_disk, toy_data, bytes);
    return block_open(&toy_disk.block, BLOCK_EXCLUSIVE, &toy_open);
}

/* A file without blocks. */
static inline void toy_create(struct toy_file *toy, unsigned unit,
                              const struct mapping_ops *ops)
{
    memset(toy, 0, sizeof(*toy));
    toy->unit = unit;
    toy->next_place = 1;
    toy->room = TOY_UNITS / 2;
    assert_int_equal(mapping_init(&toy->pages, ops, &toy_open, unit, 0), 0);
}

/* A file of `size` bytes, all on the disk, in runs of `run` units. */
static inline void toy_create_full(struct toy_file *toy, unsigned unit,
                                   unsigned run, uint64_t size)
{
    uint64_t units =
        (size + unit * BLOCK_SECTOR_SIZE - 1) / (unit * BLOCK_SECTOR_SIZE);

    toy_create(toy, unit, &toy_ops);
    toy->spread = run;
    toy->reserved = units;
    for (uint64_t i = 0; i < units; i++)
        toy_allocate(toy, i);
    toy->pages.size_bytes = size;
}

/* The byte of the file that is on the disk, or 0 for a hole and behind the end.
 */
static inline uint8_t toy_on_disk(const struct toy_file *toy, uint64_t at)
{
    uint64_t unit_bytes = toy->unit * (uint64_t)BLOCK_SECTOR_SIZE;
    uint32_t place = toy->place[at / unit_bytes];

    if (place == 0 || at >= toy->pages.size_bytes)
        return 0;
    return toy_data[place * unit_bytes + at % unit_bytes];
}

/* Write as a file does. Returns 0 or the error. */
static inline int toy_write(struct mapping *mapping, uint64_t at,
                            const void *from, size_t size)
{
    const char *next = from;

    while (size > 0) {
        uint32_t in_page = (uint32_t)(at % PAGE_BYTES);
        uint32_t piece = PAGE_BYTES - in_page;
        struct page *page;
        int status;

        if (piece > size)
            piece = (uint32_t)size;
        status = page_take(mapping, at / PAGE_BYTES, &page);
        if (status != 0)
            return status;
        status = page_modify(page, in_page, piece);
        if (status == 0) {
            memcpy(page->buf->base + in_page, next, piece);
            page_dirty(page, in_page, piece);
        }
        page_put(page);
        if (status != 0)
            return status;
        at += piece;
        next += piece;
        size -= piece;
    }
    return 0;
}

static inline void toy_check(struct mapping *mapping)
{
    mapping_check(mapping);
    page_cache_check();
}

#endif
