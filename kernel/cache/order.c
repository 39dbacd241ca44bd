/*
 * The graph of blocks that wait for each other. A block is in it while it has
 * an edge, and keeps its page in memory; the page knows its blocks.
 */
#include "kernel/cache/order.h"
#include "kernel/cache/cache_internal.h"
#include <torc/errno.h>
#include <torc/memory.h>

enum {
    STEPS_FREE = 8,   /* a write of more steps lets nobody add to them, */
    STEPS_MAX = 4096, /* and of so many there are none */
    LOOK_EDGES = 16,  /* so many are soon seen */
};

enum edge_state {
    EDGE_WAITS,   /* its first end is to be written */
    EDGE_WRITING, /* it is being written */
    EDGE_WRITTEN, /* and is durable with the next flush */
};

/* A block with edges. */
struct order_block {
    struct order_block *next; /* of the same page */
    struct page *page;        /* pinned */
    uint8_t bits;             /* its sectors */
    uint32_t visit;           /* when it was looked at last */
    struct list before;       /* edges that lead to it */
    struct list after;        /* edges that begin at it */
    struct list found;        /* while the graph is searched */
};

struct order_edge {
    struct order_block *from;
    struct order_block *to;
    struct list of_from; /* in from->after */
    struct list of_to;   /* in to->before */
    struct list written; /* in order->written */
    enum edge_state state;
    uint64_t flush; /* WRITTEN: the flush that makes it durable */
    uint64_t call;  /* of mapping_order() that has made it */
};

/* mapping->order. Owner CPU only. */
struct graph {
    struct order order; /* first */
    uint8_t block_sectors;
    bool is_closed; /* a write is to come to its end */
    uint32_t visit;
    uint64_t call; /* of mapping_order() */
    uint64_t edge_count;
    uint64_t flush; /* the next one */
    struct list written;
    struct wait_queue open;
};

static struct graph *graph_of(const struct mapping *mapping)
{
    return container_of(mapping->order, struct graph, order);
}

/* ---- Blocks and edges ---------------------------------------------------- */

static struct order_edge *edge_of_from(const struct list *node)
{
    return container_of(node, struct order_edge, of_from);
}

static struct order_edge *edge_of_to(const struct list *node)
{
    return container_of(node, struct order_edge, of_to);
}

static uint8_t bits_at(const struct graph *order, uint32_t from)
{
    unsigned first = from / BLOCK_SECTOR_SIZE;

    assert(from % (order->block_sectors * (uint32_t)BLOCK_SECTOR_SIZE) == 0);
    return sector_bits(first, first + order->block_sectors);
}

static struct order_block *block_find(const struct page *page, uint8_t bits)
{
    struct order_block *block = page->order;

    while (block != NULL && block->bits != bits)
        block = block->next;
    return block;
}

/* The block, made if it has no edges yet. NULL: no memory. */
static struct order_block *block_get(struct page *page, uint8_t bits)
{
    struct order_block *block = block_find(page, bits);

    if (block != NULL)
        return block;
    block = mem_alloc_zeroed(sizeof(*block));
    if (block == NULL)
        return NULL;
    block->page = page;
    block->bits = bits;
    list_init(&block->before);
    list_init(&block->after);
    list_init(&block->found);
    block->next = page->order;
    page->order = block;
    page_hold(page);
    return block;
}

/* It has no edges any more, if so. */
static void block_settle(struct order_block *block)
{
    struct page *page = block->page;
    struct order_block **at = &page->order;

    if (!list_empty(&block->before) || !list_empty(&block->after))
        return;
    while (*at != block)
        at = &(*at)->next;
    *at = block->next;
    mem_free(block);
    page_put(page);
}

static void edge_free(struct graph *order, struct order_edge *edge)
{
    struct order_block *from = edge->from, *to = edge->to;

    list_remove(&edge->of_from);
    list_remove(&edge->of_to);
    list_remove(&edge->written);
    mem_free(edge);
    order->edge_count--;
    block_settle(from);
    block_settle(to);
}

static struct order_edge *edge_find(const struct order_block *from,
                                    const struct order_block *to)
{
    const struct list *after = from->after.next, *before = to->before.next;

    /* By the shorter one of the two lists. */
    while (after != &from->after && before != &to->before) {
        if (edge_of_from(after)->to == to)
            return edge_of_from(after);
        if (edge_of_to(before)->from == from)
            return edge_of_to(before);
        after = after->next;
        before = before->next;
    }
    return NULL;
}

/* Returns 0, -ENOMEM. */
static int edge_make(struct graph *order, struct order_block *from,
                     struct order_block *to)
{
    struct order_edge *edge = mem_alloc_zeroed(sizeof(*edge));

    if (edge == NULL)
        return -ENOMEM;
    edge->from = from;
    edge->to = to;
    edge->call = order->call;
    edge->state = EDGE_WAITS;
    list_push_back(&from->after, &edge->of_from);
    list_push_back(&to->before, &edge->of_to);
    list_init(&edge->written);
    order->edge_count++;
    return 0;
}

/* ---- Adding -------------------------------------------------------------- */

/* Put what follows a block on the list, if it has not been there; looking at
 * *edges edges at most. */
static void search_from(struct graph *order, struct order_block *block,
                        struct list *found, uint64_t *edges)
{
    list_for_each (node, &block->after) {
        struct order_block *to = edge_of_from(node)->to;

        if (*edges == 0)
            return;
        --*edges;
        if (to->visit == order->visit)
            continue;
        to->visit = order->visit;
        list_push_back(found, &to->found);
    }
}

/* Whether `target` is `block`, or follows it, or may do so: more edges than
 * `edges` would have to be looked at. */
static bool leads_to(struct graph *order, struct order_block *block,
                     const struct order_block *target, uint64_t edges)
{
    struct list found;
    bool has_found = block == target;

    list_init(&found);
    order->visit++;
    search_from(order, block, &found, &edges);
    while (!list_empty(&found)) {
        struct order_block *next =
            container_of(list_pop_front(&found), struct order_block, found);

        list_init(&next->found);
        has_found |= next == target;
        if (!has_found)
            search_from(order, next, &found, &edges);
    }
    return has_found || edges == 0;
}

/* The edge of a pair, or NULL. */
static struct order_edge *pair_find(const struct graph *order,
                                    const struct order_pair *pair)
{
    const struct order_block *from =
        block_find(pair->before, bits_at(order, pair->before_from));
    const struct order_block *to =
        block_find(pair->after, bits_at(order, pair->after_from));

    return from == NULL || to == NULL ? NULL : edge_find(from, to);
}

/* Add a pair that is not there. Returns 0; 1: it would close a circle;
 * -ENOMEM. */
static int pair_add(struct graph *order, const struct order_pair *pair)
{
    struct order_block *from =
        block_get(pair->before, bits_at(order, pair->before_from));
    struct order_block *to =
        from == NULL ? NULL
                     : block_get(pair->after, bits_at(order, pair->after_from));
    int status = to == NULL ? -ENOMEM : 0;

    assert(from == NULL || from != to);
    if (status == 0)
        status = leads_to(order, to, from, UINT64_MAX)
                     ? 1
                     : edge_make(order, from, to);
    if (status != 0 && to != NULL)
        block_settle(to);
    if (status != 0 && from != NULL)
        block_settle(from);
    return status;
}

/* Take back what this call has added. */
static void pairs_remove(struct graph *order, const struct order_pair *pairs,
                         unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct order_edge *edge = pair_find(order, &pairs[i]);

        if (edge != NULL && edge->call == order->call)
            edge_free(order, edge);
    }
}

/* They are for the versions that come now, also those that were there. */
static void pairs_renew(const struct graph *order,
                        const struct order_pair *pairs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct order_edge *edge = pair_find(order, &pairs[i]);

        edge->state = EDGE_WAITS;
        list_remove(&edge->written);
    }
}

bool mapping_order_fits(const struct mapping *mapping,
                        const struct order_pair *pair)
{
    struct graph *order = graph_of(mapping);
    const struct order_block *from =
        block_find(pair->before, bits_at(order, pair->before_from));
    struct order_block *to =
        block_find(pair->after, bits_at(order, pair->after_from));

    if (order->is_closed)
        return false;
    if (from == NULL || to == NULL || edge_find(from, to) != NULL)
        return true;
    return !leads_to(order, to, from, LOOK_EDGES);
}

int mapping_order(struct mapping *mapping, const struct order_pair *pairs,
                  unsigned count)
{
    struct graph *order = graph_of(mapping);
    int status = 0;

    if (count == 0)
        return 0;
    if (order->is_closed) {
        wait_on(&order->open);
        return 1;
    }
    order->call++;
    for (unsigned i = 0; i < count && status == 0; i++) {
        if (pair_find(order, &pairs[i]) == NULL)
            status = pair_add(order, &pairs[i]);
    }
    if (status == 0)
        pairs_renew(order, pairs, count);
    else
        pairs_remove(order, pairs, count);
    if (status != 1)
        return status;
    status = mapping_write(mapping, 0, UINT64_MAX);
    if (status == 0)
        status = mapping_flush(mapping);
    return status != 0 ? status : 1;
}

/* ---- Writing ------------------------------------------------------------- */

static uint8_t waiting(const struct page *page)
{
    uint8_t bits = 0;

    for (const struct order_block *block = page->order; block != NULL;
         block = block->next) {
        if (!list_empty(&block->before))
            bits |= block->bits;
    }
    return bits;
}

static void begin(struct page *page, uint8_t sectors)
{
    for (struct order_block *block = page->order; block != NULL;
         block = block->next) {
        if ((block->bits & sectors) == 0)
            continue;
        list_for_each (node, &block->after) {
            if (edge_of_from(node)->state == EDGE_WAITS)
                edge_of_from(node)->state = EDGE_WRITING;
        }
    }
}

static void end(struct page *page, uint8_t sectors, int status)
{
    struct graph *order = graph_of(page->mapping);

    for (struct order_block *block = page->order; block != NULL;
         block = block->next) {
        if ((block->bits & sectors) == 0)
            continue;
        list_for_each (node, &block->after) {
            struct order_edge *edge = edge_of_from(node);

            if (edge->state != EDGE_WRITING)
                continue;
            edge->state = status == 0 ? EDGE_WRITTEN : EDGE_WAITS;
            edge->flush = order->flush;
            if (status == 0)
                list_push_back(&order->written, &edge->written);
        }
    }
}

int mapping_flush(struct mapping *mapping)
{
    struct graph *order = graph_of(mapping);
    uint64_t flush = order->flush++;
    int status;

    /* Errors of writes have been told by those who wrote. */
    (void)block_write_error(mapping->open);
    status = block_flush(mapping->open);
    while (status == 0 && !list_empty(&order->written)) {
        struct order_edge *edge =
            container_of(order->written.next, struct order_edge, written);

        if (edge->flush > flush)
            break; /* and those behind it, too */
        edge_free(order, edge);
    }
    return status;
}

static void set_closed(struct graph *order, bool is_closed)
{
    order->is_closed = is_closed;
    if (!is_closed)
        wait_wake_all(&order->open);
}

static int write(struct mapping *mapping)
{
    struct graph *order = graph_of(mapping);
    bool has_closed = false, is_waiting = true;
    int status = 0;

    for (unsigned i = 0; status == 0 && is_waiting; i++) {
        status = mapping_write_step(mapping, 0, UINT64_MAX, &is_waiting);
        if (status == 0 && is_waiting)
            status = mapping_flush(mapping);
        if (i == STEPS_FREE && !order->is_closed) {
            has_closed = true;
            set_closed(order, true);
        }
        assert(i < STEPS_MAX);
    }
    if (has_closed)
        set_closed(order, false);
    return status;
}

/* ---- Forgetting ---------------------------------------------------------- */

static bool is_between(const struct page *page, uint8_t sectors)
{
    for (const struct order_block *block = page->order; block != NULL;
         block = block->next) {
        if ((block->bits & sectors) != 0 && !list_empty(&block->before) &&
            !list_empty(&block->after))
            return true;
    }
    return false;
}

static void forget(struct page *page, uint8_t sectors)
{
    struct graph *order = graph_of(page->mapping);
    struct order_block *block = page->order;

    while (block != NULL) {
        struct list *edges =
            list_empty(&block->before) ? &block->after : &block->before;

        if ((block->bits & sectors) == 0) {
            block = block->next;
            continue;
        }
        edge_free(order, edges == &block->before ? edge_of_to(edges->next)
                                                 : edge_of_from(edges->next));
        block = page->order; /* it may have been the last one of its block */
    }
}

/* ---- Checking ------------------------------------------------------------ */

static void check(const struct page *page)
{
    for (const struct order_block *block = page->order; block != NULL;
         block = block->next) {
        assert(block->page == page);
        assert(page->mapping->order != NULL);
        assert(page->pins > 0);
        assert(!list_empty(&block->before) || !list_empty(&block->after));
        list_for_each (node, &block->after) {
            const struct order_edge *edge = edge_of_from(node);

            assert(edge->from == block);
            assert((edge->state == EDGE_WRITTEN) ==
                   !list_empty(&edge->written));
            if (edge->state == EDGE_WAITS)
                assert((page->dirty & block->bits) == block->bits);
            if (edge->state == EDGE_WRITING)
                assert((page->writing & block->bits) == block->bits);
        }
    }
}

/* ---- Making and ending --------------------------------------------------- */

static void fini(struct mapping *mapping)
{
    assert(graph_of(mapping)->edge_count == 0);
    mem_free(mapping->order);
    mapping->order = NULL;
}

static const struct order_ops ops = {
    .waiting = waiting,
    .begin = begin,
    .end = end,
    .write = write,
    .is_between = is_between,
    .forget = forget,
    .fini = fini,
    .check = check,
};

int mapping_order_init(struct mapping *mapping, uint32_t block_bytes)
{
    struct graph *order = mem_alloc_zeroed(sizeof(*order));

    assert(block_bytes <= PAGE_BYTES);
    assert(block_bytes % (mapping->unit * (uint32_t)BLOCK_SECTOR_SIZE) == 0);
    assert(mapping->order == NULL);
    if (order == NULL)
        return -ENOMEM;
    order->order.ops = &ops;
    order->block_sectors = (uint8_t)(block_bytes / BLOCK_SECTOR_SIZE);
    list_init(&order->written);
    wait_queue_init(&order->open);
    mapping->order = &order->order;
    return 0;
}
