/*
 * Memory of simulated machines (memory.h), and the data of the program, as they
 * are in a new process (fresh.h). Memory that was given back is zeroed and kept
 * for who comes next. Only pages that the process has touched are restored.
 */
#include "hal/posix/host/fresh.h"
#include "hal/posix/host/error.h"
#include "hal/posix/host/memory.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, BLOCK_MAX = 1024, LOOK_PAGES = 512 };

/* What was mapped; a size of 0: nothing. */
struct block {
    char *base;
    size_t size;
    size_t align;
    uintptr_t hint;
    void *map; /* for munmap(): it begins before the base */
    size_t map_size;
    bool taken;
};

/* In memory of their own: the data of the program are restored. */
static struct block *blocks;
static uint64_t *look; /* at so many pages at once */

/* What the data were, from their first page on; NULL: nothing is kept. */
static char *image;

static void *pages_map(uintptr_t hint, size_t size)
{
    void *map = mmap((void *)hint, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return map == MAP_FAILED ? NULL : map;
}

/* ---- Pages that were touched --------------------------------------------- */

/* /proc/self/pagemap of the process that keeps; else -1: all pages count. */
static int pagemap = -1;

/* Linux, Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)

/* Call fn(page) for each page of [from, to) that may hold something. */
static void each_touched(char *from, const char *to, void (*fn)(char *page))
{
    while (from < to) {
        size_t pages = (size_t)(to - from) / PAGE;
        size_t bytes;
        bool told;

        pages = pages < LOOK_PAGES ? pages : LOOK_PAGES;
        bytes = pages * sizeof(*look);
        told = pread(pagemap, look, bytes,
                     (off_t)((uintptr_t)from / PAGE * sizeof(*look))) ==
               (ssize_t)bytes;
        for (size_t i = 0; i < pages; i++) {
            if (!told || (look[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) != 0)
                fn(from + i * PAGE);
        }
        from += pages * PAGE;
    }
}

static void page_zero(char *page)
{
    memset(page, 0, PAGE);
}

/* ---- Memory -------------------------------------------------------------- */

static bool block_fits(const struct block *block, size_t size, size_t align,
                       uintptr_t hint)
{
    return !block->taken && block->size >= size && block->align == align &&
           block->hint == hint;
}

static void block_unmap(struct block *block)
{
    munmap(block->map, block->map_size);
    *block = (struct block){0};
}

static void *block_map(struct block *block, size_t size, size_t align,
                       uintptr_t hint)
{
    size_t room = size + align; /* so some is behind the aligned part */
    void *map;

    if (room < size)
        return NULL;
    map = pages_map(hint, room);
    if (map == NULL)
        return NULL;
    *block = (struct block){
        .base = (char *)(((uintptr_t)map + align - 1) & ~(align - 1)),
        .size = size,
        .align = align,
        .hint = hint,
        .map = map,
        .map_size = room,
        .taken = true};
    return block->base;
}

/* The table of blocks, the first time. Returns whether it is there. */
static bool table_make(void)
{
    if (blocks == NULL)
        blocks = pages_map(HOST_ANYWHERE, BLOCK_MAX * sizeof(*blocks));
    return blocks != NULL;
}

void *host_memory_map(size_t size, size_t align, uintptr_t hint)
{
    struct block *empty = NULL;

    assert(align >= PAGE && (align & (align - 1)) == 0);
    size = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (!table_make())
        return NULL;
    for (unsigned i = 0; i < BLOCK_MAX; i++) {
        struct block *block = &blocks[i];

        if (block_fits(block, size, align, hint)) {
            block->taken = true;
            return block->base;
        }
        if (hint != HOST_ANYWHERE && block->hint == hint && !block->taken)
            block_unmap(block); /* it is in the way */
        if (block->size == 0 && empty == NULL)
            empty = block;
    }
    return empty == NULL ? NULL : block_map(empty, size, align, hint);
}

static void block_give(struct block *block)
{
    each_touched(block->base, block->base + block->size, page_zero);
    block->taken = false;
}

void host_memory_unmap(void *base, size_t size)
{
    (void)size;
    for (unsigned i = 0; i < BLOCK_MAX; i++) {
        if (!blocks[i].taken || blocks[i].base != base)
            continue;
        if (image != NULL)
            block_give(&blocks[i]);
        else
            block_unmap(&blocks[i]);
        return;
    }
}

/* The next one needs these pages, too: it is as fast as copy-on-write. */
int host_memory_fill(void *base, size_t size, unsigned char byte)
{
    memset(base, byte, size);
    return 0;
}

int host_memory_share(void *base, size_t size, int file, uint64_t offset)
{
    (void)base, (void)size, (void)file, (void)offset;
    return host_error(ENOTSUP);
}

int host_memory_protect(void *base, size_t size, bool access)
{
    (void)base, (void)size, (void)access;
    return host_error(ENOTSUP);
}

/* ---- The data of the program --------------------------------------------- */

/* Of the linker: .data, and .bss behind it. */
extern char __data_start[];
extern char _end[];

static char *data_page(void)
{
    return (char *)((uintptr_t)__data_start & ~(uintptr_t)(PAGE - 1));
}

/* The part of that page which is data of the program. */
static char *data_part(char *page, size_t *size)
{
    char *from = page > __data_start ? page : __data_start;
    char *to = page + PAGE < _end ? page + PAGE : _end;

    *size = (size_t)(to - from);
    return from;
}

static void page_keep(char *page)
{
    size_t size;
    char *from = data_part(page, &size);

    memcpy(image + (from - data_page()), from, size);
}

static void page_restore(char *page)
{
    size_t size;
    char *from = data_part(page, &size);

    memcpy(from, image + (from - data_page()), size);
}

static char *data_end(void)
{
    return (char *)(((uintptr_t)_end + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
}

int host_fresh_keep(void)
{
    assert(image == NULL);
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    image = pages_map(HOST_ANYWHERE, (size_t)(data_end() - data_page()));
    look = pages_map(HOST_ANYWHERE, LOOK_PAGES * sizeof(*look));
    /* The table must be there before the data are kept. */
    if (image == NULL || look == NULL || !table_make())
        return host_error(ENOMEM);
    for (unsigned i = 0; i < BLOCK_MAX; i++) {
        if (blocks[i].taken)
            blocks[i] = (struct block){0};
    }
    each_touched(data_page(), data_end(), page_keep);
    return 0;
}

void host_fresh_restore(void)
{
    assert(image != NULL);
    for (unsigned i = 0; i < BLOCK_MAX; i++) {
        if (blocks[i].taken)
            block_give(&blocks[i]);
    }
    each_touched(data_page(), data_end(), page_restore);
}
