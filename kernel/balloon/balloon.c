#include "kernel/balloon/balloon.h"
#include "hal/hal.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/memory/mem.h"
#include "kernel/memory/page_report.h"
#include "kernel/thread/timer.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    REPORT_PAGES = 8192,  /* under way at a time, at most: 32 MiB; */
    REPORT_FRACTION = 8,  /* and no more of the free memory */
    RESERVE_FRACTION = 8, /* of a share: the balloon does not take it */
    PIECE_ORDER = 8,      /* of the largest piece of the balloon */
};
static_assert(1 << PIECE_ORDER == BALLOON_PIECE_PAGES, "1 MiB");
#define REPORT_DELAY_NS NS_PER_S         /* behind what was freed */
#define REPORT_GAP_NS   (10 * NS_PER_MS) /* between two of a row */

/* A CPU's side; its own only. */
struct giver {
    struct exchange_item begin;
    const struct balloon_host *host; /* constant */
    struct page_allocator *pages;    /* constant */

    struct page_report report;
    struct balloon_batch reported;
    size_t row_pages; /* to be told of before there is a pause */
    struct irq_work stirred;
    struct timer timer;

    struct list kept; /* struct page_info: runs that are in the balloon */
    size_t kept_pages;
    size_t kept_runs;
    /* Batches to take them back in when memory is short: for each of them there
     * is room. */
    struct queue spares;
    size_t spare_count;
    bool is_filling; /* a batch is on its way into the balloon */
} cache_aligned;

static struct giver *giver_self(void)
{
    return cpu_self()->balloon;
}

/* Run it on `cpu`, which may be this one. */
static void send(unsigned cpu, struct balloon_batch *batch,
                 void (*run)(struct exchange_item *item))
{
    batch->item.run = run;
    if (cpu == cpu_self()->id)
        run(&batch->item);
    else
        exchange_send(cpu, &batch->item);
}

static struct balloon_batch *batch_of(struct exchange_item *item)
{
    return container_of(item, struct balloon_batch, item);
}

/* The host may reach a piece as long as it is under way, or in the balloon. */
static bool piece_add(struct balloon_batch *batch, void *base, size_t pages)
{
    if (hal_dma_map(base, pages << PAGE_SHIFT) != 0)
        return false;
    batch->piece[batch->count++] =
        (struct balloon_piece){base, hal_dma_addr(base), pages};
    return true;
}

static void piece_end(const struct balloon_piece *piece)
{
    hal_dma_unmap(piece->base, piece->pages << PAGE_SHIFT);
}

/* ---- Reports ------------------------------------------------------------- */

static void report_in(struct giver *giver, uint64_t ns)
{
    /* Without memory for a timer the next one that frees tries again. */
    if (timer_set(&giver->timer, time_ns() + ns) != 0)
        giver->report.stirred = false;
}

static void stir(struct page_report *report)
{
    irq_work_raise(&container_of(report, struct giver, report)->stirred);
}

/* Reports follow each other until all is told. What is freed meanwhile waits
 * for the next row: one that frees all the time would never see an end. */
static void row_begin(struct giver *giver)
{
    giver->row_pages = giver->pages->total_pages;
    report_in(giver, REPORT_DELAY_NS);
}

static void stirred_run(struct irq_work *work)
{
    row_begin(container_of(work, struct giver, stirred));
}

static void report_on_host(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);

    batch->host->report(batch);
}

/* What is free and not known, as far as it can be missed. */
static void report_fill(struct giver *giver, struct balloon_batch *batch)
{
    size_t limit = giver->pages->free_pages / REPORT_FRACTION;

    if (limit > REPORT_PAGES)
        limit = REPORT_PAGES;
    batch->count = 0;
    while (batch->count < giver->host->report_pieces) {
        size_t count;
        void *base = page_report_take(&giver->report, limit, &count);

        if (base == NULL) {
            if (limit >= (size_t)1 << giver->report.order)
                giver->row_pages = 0; /* that is all */
            break;
        }
        if (!piece_add(batch, base, count)) {
            page_report_put(&giver->report, base, false);
            break;
        }
        limit -= count;
        giver->row_pages -= count < giver->row_pages ? count : giver->row_pages;
    }
}

static void timer_run_report(struct timer *timer)
{
    struct giver *giver = container_of(timer, struct giver, timer);

    report_fill(giver, &giver->reported);
    if (giver->reported.count == 0)
        giver->report.stirred = false;
    else
        send(giver->host->cpu, &giver->reported, report_on_host);
}

/* What the host is not told of it will not be: it has gone. */
static void report_end(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);
    struct giver *giver = giver_self();

    for (unsigned i = 0; i < batch->count; i++) {
        piece_end(&batch->piece[i]);
        page_report_put(&giver->report, batch->piece[i].base, batch->is_told);
    }
    if (!batch->is_told)
        page_report_end(&giver->report);
    else if (giver->row_pages == 0)
        row_begin(giver);
    else
        report_in(giver, REPORT_GAP_NS);
}

void balloon_reported(struct balloon_batch *batch)
{
    send(batch->cpu, batch, report_end);
}

/* ---- The balloon --------------------------------------------------------- */

static void keep(struct giver *giver, void *base, size_t pages)
{
    list_push_front(&giver->kept, &page_at(giver->pages, base)->link);
    giver->kept_pages += pages;
    giver->kept_runs++;
}

static bool spare_add(struct giver *giver)
{
    struct balloon_batch *batch = mem_alloc_zeroed(sizeof(*batch));

    if (batch == NULL)
        return false;
    batch->host = giver->host;
    batch->cpu = cpu_self()->id;
    queue_push(&giver->spares, &batch->node);
    giver->spare_count++;
    return true;
}

/* There is one while something is in the balloon: spares_drop(). */
static struct balloon_batch *spare_take(struct giver *giver)
{
    struct queue_node *node = queue_pop(&giver->spares);

    assert(node != NULL);
    giver->spare_count--;
    return container_of(node, struct balloon_batch, node);
}

/*
 * Only as many stay as are enough for all that is in the balloon, and for the
 * batch on its way there. All but the last one to be taken are full, of pieces
 * or of pages: kept_take().
 */
static void spares_drop(struct giver *giver)
{
    size_t enough = giver->is_filling;

    if (giver->kept_runs > 0)
        enough += giver->kept_runs / BALLOON_PIECES +
                  giver->kept_pages / BALLOON_BATCH_PAGES + 1;
    while (giver->spare_count > enough)
        mem_free(spare_take(giver));
}

/* A run of at most `want` pages, the larger the better, while there is more
 * than the reserve. */
static void *run_for_balloon(struct giver *giver, size_t want, size_t *count)
{
    const struct page_allocator *pages = giver->pages;
    size_t reserve = pages->total_pages / RESERVE_FRACTION;

    if (pages->free_pages <= reserve)
        return NULL;
    if (want > pages->free_pages - reserve)
        want = pages->free_pages - reserve;
    for (unsigned order = PIECE_ORDER + 1; order-- > 0;) {
        void *base = NULL;

        *count = (size_t)1 << order;
        if (*count <= want)
            base = page_alloc(giver->pages, *count, 0);
        if (base != NULL)
            return base;
    }
    return NULL;
}

static void fill_answer(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);

    batch->host->filled(batch);
}

static void fill_run(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);
    struct giver *giver = giver_self();
    size_t want = batch->want;

    assert(want <= BALLOON_BATCH_PAGES);
    batch->count = 0;
    if (!spare_add(giver))
        want = 0;
    while (batch->count < BALLOON_PIECES && want > 0) {
        size_t count;
        void *base = run_for_balloon(giver, want, &count);

        if (base == NULL)
            break;
        if (!piece_add(batch, base, count)) {
            page_free(giver->pages, base);
            break;
        }
        want -= count;
    }
    giver->is_filling = batch->count > 0;
    spares_drop(giver);
    send(giver->host->cpu, batch, fill_answer);
}

void balloon_fill(struct balloon_batch *batch)
{
    send(batch->cpu, batch, fill_run);
}

static void done_answer(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);

    batch->host->done(batch);
}

/* Not before the host has answered: it may throw away what a piece holds until
 * then, so that nobody may take it back. */
static void keep_run(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);
    struct giver *giver = giver_self();

    for (unsigned i = 0; i < batch->count; i++)
        keep(giver, batch->piece[i].base, batch->piece[i].pages);
    batch->count = 0;
    giver->is_filling = false;
    spares_drop(giver);
    send(giver->host->cpu, batch, done_answer);
}

void balloon_keep(struct balloon_batch *batch)
{
    send(batch->cpu, batch, keep_run);
}

/* Pieces of `want` pages in sum, or a little more, leave the balloon. */
static void kept_take(struct giver *giver, struct balloon_batch *batch,
                      size_t want)
{
    size_t sum = 0;

    batch->count = 0;
    while (batch->count < BALLOON_PIECES && sum < want &&
           !list_empty(&giver->kept)) {
        struct page_info *page =
            container_of(giver->kept.next, struct page_info, link);
        void *base = page_address(giver->pages, page);

        list_remove(&page->link);
        giver->kept_runs--;
        batch->piece[batch->count++] =
            (struct balloon_piece){base, hal_dma_addr(base), page->used};
        sum += page->used;
    }
    giver->kept_pages -= sum;
}

static void pieces_free(struct giver *giver, const struct balloon_batch *batch)
{
    for (unsigned i = 0; i < batch->count; i++) {
        piece_end(&batch->piece[i]);
        page_free(giver->pages, batch->piece[i].base);
    }
}

static void drain_answer(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);

    batch->host->drained(batch);
}

static void drain_run(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);
    struct giver *giver = giver_self();

    kept_take(giver, batch, batch->want);
    send(giver->host->cpu, batch, drain_answer);
}

void balloon_drain(struct balloon_batch *batch)
{
    send(batch->cpu, batch, drain_run);
}

static void release_run(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);
    struct giver *giver = giver_self();

    pieces_free(giver, batch);
    batch->count = 0;
    giver->is_filling = false; /* if it was this one, it does not arrive */
    spares_drop(giver);
    send(giver->host->cpu, batch, done_answer);
}

void balloon_release(struct balloon_batch *batch)
{
    send(batch->cpu, batch, release_run);
}

size_t balloon_pages(void)
{
    return giver_self() == NULL ? 0 : giver_self()->kept_pages;
}

/* ---- Memory is short ----------------------------------------------------- */

static void take_on_host(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);

    batch->host->take(batch);
}

/* Without must_tell the pieces are used at once, and the host learns of it;
 * otherwise they come too late for this allocation. */
static bool reclaim(void)
{
    struct giver *giver = giver_self();
    struct balloon_batch *batch;

    if (list_empty(&giver->kept))
        return false;
    batch = spare_take(giver);
    kept_take(giver, batch, BALLOON_BATCH_PAGES);
    if (!giver->host->must_tell)
        pieces_free(giver, batch);
    send(giver->host->cpu, batch, take_on_host);
    return !giver->host->must_tell;
}

static void take_end(struct exchange_item *item)
{
    struct balloon_batch *batch = batch_of(item);
    struct giver *giver = giver_self();

    if (giver->host->must_tell)
        pieces_free(giver, batch);
    queue_push(&giver->spares, &batch->node);
    giver->spare_count++;
    spares_drop(giver);
}

void balloon_taken(struct balloon_batch *batch)
{
    send(batch->cpu, batch, take_end);
}

/* ---- Begin --------------------------------------------------------------- */

static void giver_begin(struct giver *giver)
{
    cpu_self()->balloon = giver;
    /* What is kept for later costs the host nothing: it goes before. */
    if (giver->host->may_deflate)
        heap_set_last_resort(reclaim);
    if (giver->host->report_pieces == 0)
        return;
    giver->report.stir = stir;
    if (page_report_begin(&giver->report, giver->pages) != 0)
        log_warn("balloon: no memory to report what is free");
}

static void begin_run(struct exchange_item *item)
{
    giver_begin(container_of(item, struct giver, begin));
}

static void giver_init(struct giver *giver, const struct balloon_host *host,
                       unsigned cpu)
{
    giver->host = host;
    giver->pages = mem_pages_of(cpu);
    giver->begin.run = begin_run;
    giver->reported.cpu = cpu;
    giver->reported.host = host;
    irq_work_init(&giver->stirred, stirred_run);
    timer_init(&giver->timer, timer_run_report);
    list_init(&giver->kept);
    queue_init(&giver->spares);
}

int balloon_begin(const struct balloon_host *host)
{
    struct giver *givers;
    size_t size = cpu_count() * sizeof(givers[0]);

    givers = mem_alloc_aligned(size, sizeof(struct exchange_line));
    if (givers == NULL)
        return -ENOMEM;
    memset(givers, 0, size);
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        giver_init(&givers[cpu], host, cpu);
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        if (cpu == cpu_self()->id)
            giver_begin(&givers[cpu]);
        else
            exchange_send(cpu, &givers[cpu].begin);
    }
    return 0;
}
