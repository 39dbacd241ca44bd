#include "tests/models/virtio_balloon_model.h"
#include "kernel/lib/bytes.h"
#include <string.h>

enum { UNIT = 4096, LOST = 0xd1 };

/* Pages in the balloon, in no order. */
static struct {
    uint32_t number[MODEL_BALLOON_PAGES];
    unsigned count;
    bool says_read;
} balloon;

void balloon_model_init(struct virtio_model *model, uint32_t features,
                        unsigned queues)
{
    model->id = 5;
    model->offered |= features;
    model->queue_max = model->queue_max == 0 ? 32 : model->queue_max;
    model->queue_count = queues;
    balloon.count = 0;
    balloon.says_read = false;
}

void balloon_model_says_read(void)
{
    balloon.says_read = true;
}

void balloon_model_want(struct virtio_model *model, uint32_t pages)
{
    le32_put(model->config, pages);
    model_config_changed(model);
}

uint32_t balloon_model_actual(const struct virtio_model *model)
{
    return le32_get(model->config + 4);
}

unsigned balloon_model_pages(void)
{
    return balloon.count;
}

static unsigned index_of(uint32_t number)
{
    unsigned i = 0;

    while (i < balloon.count && balloon.number[i] != number)
        i++;
    return i;
}

static uint8_t *page_of(uint32_t number)
{
    return ring_reach((uint64_t)number * UNIT, UNIT, "a page of the balloon");
}

static void inflate(uint32_t number)
{
    if (index_of(number) < balloon.count)
        model_breach("page %#x is in the balloon already", number);
    if (balloon.count == MODEL_BALLOON_PAGES)
        model_breach("there are more pages in the balloon than memory has");
    balloon.number[balloon.count++] = number;
    memset(page_of(number), LOST, UNIT);
}

/* With MUST_TELL_HOST nobody uses the page before the answer: 5.5.6.1. */
static void deflate(const struct virtio_model *model, uint32_t number)
{
    unsigned i = index_of(number);

    if (i == balloon.count)
        model_breach("page %#x is not in the balloon", number);
    balloon.number[i] = balloon.number[--balloon.count];
    if ((model->accepted & MODEL_BALLOON_MUST_TELL) == 0)
        return;
    for (unsigned at = 0; at < UNIT; at++) {
        if (page_of(number)[at] != LOST)
            model_breach("page %#x of the balloon was written to", number);
    }
}

unsigned balloon_model_answer(struct virtio_model *model, unsigned queue)
{
    static struct ring_chain chain;
    unsigned count;

    if (!model_take(model, queue, &chain))
        return 0;
    count = chain.piece[0].len / 4;
    if (chain.count != 1 || chain.piece[0].writable ||
        chain.piece[0].len % 4 != 0)
        model_breach("queue %u: no array of page numbers: 5.5.6.1", queue);
    for (unsigned i = 0; i < count; i++) {
        uint32_t number = le32_get(chain.piece[0].data + 4 * (size_t)i);

        if (queue == MODEL_BALLOON_INFLATE)
            inflate(number);
        else
            deflate(model, number);
    }
    model_complete(model, queue, chain.head,
                   balloon.says_read ? chain.piece[0].len : 0);
    return count;
}

bool balloon_model_report(struct virtio_model *model, unsigned queue,
                          struct model_report *report)
{
    if (!model_take(model, queue, &report->chain))
        return false;
    report->bytes = 0;
    for (unsigned i = 0; i < report->chain.count; i++) {
        if (!report->chain.piece[i].writable ||
            report->chain.piece[i].len % UNIT != 0)
            model_breach("a report of what is no whole page: 5.5.6.7");
        report->bytes += report->chain.piece[i].len;
    }
    return true;
}

void balloon_model_reported(struct virtio_model *model, unsigned queue,
                            struct model_report *report)
{
    for (unsigned i = 0; i < report->chain.count; i++)
        memset(report->chain.piece[i].data, LOST, report->chain.piece[i].len);
    model_complete(model, queue, report->chain.head, (uint32_t)report->bytes);
}
