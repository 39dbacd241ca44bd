#include "kernel/cache/io.h"
#include "kernel/cache/cache_internal.h"
#include <torc/memory.h>

static struct page_io *io_of(struct block_request *request)
{
    return container_of(request, struct page_io, request);
}

/* The bits of a piece in its page. */
static uint8_t piece_bits(const struct slice *slice)
{
    unsigned first = slice->offset / BLOCK_SECTOR_SIZE;

    return sector_bits(first, first + slice->len / BLOCK_SECTOR_SIZE);
}

static void io_done(struct block_request *request, int status)
{
    struct page_io *io = io_of(request);

    for (unsigned i = 0; i < request->count; i++) {
        struct page *page = io->pages[i];
        uint8_t bits = piece_bits(&io->vec[i]);

        buf_put(io->vec[i].buf);
        io->ended(io, page, bits, status);
        page_put(page);
    }
    if (io->spare_of == NULL) {
        mem_free(io);
        return;
    }
    io->spare_of->spare = io;
    wait_wake_all(&io->spare_of->spare_back);
}

struct page_io *page_io_create(enum block_op op, unsigned flags,
                               uint64_t sector, unsigned capacity)
{
    struct page_io *io =
        mem_alloc(sizeof(*io) +
                  capacity * (sizeof(struct slice) + sizeof(struct page *)));

    if (io == NULL)
        return NULL;
    io->capacity = capacity;
    io->spare_of = NULL;
    io->vec = (void *)(io + 1);
    io->pages = (void *)(io->vec + capacity);
    page_io_renew(io, op, flags, sector);
    return io;
}

void page_io_renew(struct page_io *io, enum block_op op, unsigned flags,
                   uint64_t sector)
{
    io->request = (struct block_request){
        .op = op,
        .flags = flags,
        .sector = sector,
        .vec = io->vec,
        .done = io_done,
    };
}

void page_io_add(struct page_io *io, struct page *page, unsigned first,
                 unsigned count)
{
    assert(!page_io_is_full(io));
    page->pins++;
    buf_get(page->buf);
    io->pages[io->request.count] = page;
    io->vec[io->request.count++] = (struct slice){
        .buf = page->buf,
        .offset = first * BLOCK_SECTOR_SIZE,
        .len = count * BLOCK_SECTOR_SIZE,
    };
    io->request.sectors += count;
    page_settle(page);
}

void page_io_submit(struct block_open *open, struct block_request *list)
{
    int status = list == NULL ? 0 : block_submit(open, list);

    if (status == 0)
        return;
    while (list != NULL) {
        struct block_request *next = list->next;

        io_done(list, status);
        list = next;
    }
}
