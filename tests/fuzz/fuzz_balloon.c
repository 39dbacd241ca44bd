/*
 * Fuzz the virtio balloon, and what a CPU gives up for it, with a device that
 * wants what it likes and answers what it likes, while the application takes
 * and frees memory.
 *
 * The first byte says what device it is; each of the others is a step, and
 * takes what it needs from the bytes that follow. Whatever the device does:
 *   - the heap is whole after every step;
 *   - a block of the application holds what was written to it: what the device
 *     has is nobody's, and if it wants to be told so, until it has answered;
 *   - a device that does what it should is not given up;
 *   - a device that has been reset has nothing more of it, once what was under
 *     way is over.
 */
#include "kernel/balloon/balloon.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/machine.h"
#include "tests/fuzz/must.h"
#include "tests/fuzz/step_input.h"
#include "tests/models/virtio_balloon_model.h"
#include <torc/drivers.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MEMORY = 4 << 20,
    BLOCKS = 32,
    REPORT = 4,
    DRIVER_OK = 4,
    LOST = 0xd1,
    KEPT = 0x5a,
};

static struct input input;
static struct virtio_model model;
static struct block {
    uint8_t *ptr;
    size_t size;
} blocks[BLOCKS];

/* Pages in the balloon of a device that wants to be told of those that are
 * taken out: it writes to them until it has answered. */
static uint64_t inflated[MEMORY / 4096];
static size_t inflated_count;
static bool must_tell;

static bool is_spoiled;    /* the device has done what it should not, */
static uint64_t silent_ns; /* or may have been silent for so long */

static bool is_alive(void)
{
    return (model.status & DRIVER_OK) != 0;
}

/* ---- The application ----------------------------------------------------- */

static void block_end(struct block *block)
{
    for (size_t i = 0; i < block->size; i += 512)
        must(block->ptr[i] == KEPT);
    mem_free(block->ptr);
    *block = (struct block){NULL, 0};
}

static void use(void)
{
    struct block *block = &blocks[take(&input) % BLOCKS];
    size_t size = (size_t)4096 << take(&input) % 12;

    if (block->ptr != NULL) {
        block_end(block);
        return;
    }
    block->ptr = mem_alloc(size);
    if (block->ptr == NULL)
        return;
    block->size = size;
    memset(block->ptr, KEPT, size);
}

/* ---- The device ---------------------------------------------------------- */

static unsigned any_queue(void)
{
    static const unsigned queues[] = {MODEL_BALLOON_INFLATE,
                                      MODEL_BALLOON_DEFLATE, REPORT};

    return queues[take(&input) % 3];
}

static void page_lose(uint64_t bus)
{
    memset(ring_reach(bus, 4096, "a page of the balloon"), LOST, 4096);
}

static void inflated_remove(uint64_t bus)
{
    for (size_t i = 0; i < inflated_count; i++)
        if (inflated[i] == bus)
            inflated[i] = inflated[--inflated_count];
}

/* What is in a piece is lost, or in the pages that it names. */
static void lose(unsigned queue, uint8_t *data, uint32_t len)
{
    if (queue == REPORT) {
        memset(data, LOST, len);
        return;
    }
    must(len % 4 == 0);
    for (uint32_t i = 0; i < len; i += 4) {
        uint64_t bus = (uint64_t)le32_get(data + i) * 4096;

        if (queue != MODEL_BALLOON_INFLATE) {
            inflated_remove(bus);
            continue;
        }
        page_lose(bus);
        must(!must_tell || inflated_count < MEMORY / 4096);
        if (must_tell)
            inflated[inflated_count++] = bus;
    }
}

/* The host has other uses for what is in the balloon. */
static void inflated_lose(void)
{
    for (size_t i = 0; i < inflated_count && is_alive() && !is_spoiled; i++)
        page_lose(inflated[i]);
}

/* Answer the next request rightly. One that has lied does not know any more
 * what it has: it writes to nothing. */
static void serve(unsigned queue)
{
    static struct ring_chain chain;

    if (model.queue[queue].lied || !model_take(&model, queue, &chain))
        return;
    for (unsigned i = 0; i < chain.count; i++)
        lose(queue, chain.piece[i].data, chain.piece[i].len);
    model_complete(&model, queue, chain.head, 0);
}

static void lie(unsigned queue, unsigned how)
{
    if (!model.queue[queue].ready)
        return;
    is_spoiled = true;
    if (how == 0)
        model_use_raw(&model, queue, take(&input) % 4, 0);
    else if (how == 1)
        model_use_raw(&model, queue, take32(&input), take32(&input));
    else
        model_used_index(&model, queue, (uint16_t)take32(&input));
}

static void device_step(unsigned step)
{
    switch (step) {
    case 0:
        balloon_model_want(&model, take32(&input));
        break;
    case 1:
        balloon_model_want(&model, take(&input) * 16U);
        break;
    case 2:
    case 3:
    case 4:
        serve(any_queue());
        break;
    case 5:
        lie(any_queue(), take(&input) % 3);
        break;
    case 6: {
        unsigned queue = any_queue();

        if (model.queue[queue].ready)
            model_interrupt(&model, queue);
        break;
    }
    case 7:
        model.isr = take(&input) % 4;
        model.raise(&model, take(&input) % 3 - 1);
        break;
    case 9:
        inflated_lose();
        break;
    case 8:
        model.lose_interrupts = take(&input) % 2 != 0;
        break;
    default: /* rarely: most inputs would end with it */
        if (take(&input) == 0xfb) {
            is_spoiled = true;
            model_need_reset(&model);
        } else if (take(&input) == 0xfb) {
            is_spoiled = model.restless = true;
        }
    }
}

/* ---- A run --------------------------------------------------------------- */

static void settle(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_yield();
}

static void time_passes(uint64_t ns)
{
    clock_set(clock_now() + ns);
    silent_ns += ns;
    timer_run(time_ns());
    settle();
}

static void step_run(uint8_t step)
{
    switch (step % 16) {
    case 0:
    case 1:
    case 2:
        use();
        break;
    case 3:
        time_passes(take(&input) * (NS_PER_S / 8));
        break;
    case 4:
        time_passes(take(&input) * NS_PER_S);
        break;
    case 5:
        mem_trim();
        break;
    default:
        device_step(step % 16 - 6);
        settle();
    }
    pages_check(heap_self()->pages);
    heap_all_check(heap_self());
}

static void begin(uint8_t form)
{
    memset(&model, 0, sizeof(model));
    memset(blocks, 0, sizeof(blocks));
    inflated_count = 0;
    silent_ns = 0;
    is_spoiled = false;
    must_tell = (form & 2) != 0;
    models_reset();
    machine_attach(MEMORY);
    clock_set(1000 * NS_PER_S);
    model.offered = UINT64_C(1) << 32 | (uint64_t)(form >> 3 & 1) << 34;
    balloon_model_init(&model,
                       MODEL_BALLOON_REPORTING |
                           ((form & 1) != 0 ? MODEL_BALLOON_ON_OOM : 0) |
                           (must_tell ? MODEL_BALLOON_MUST_TELL : 0),
                       5);
    model_on_mmio(&model, 2);
    must(virtio_balloon_driver.probe() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    input = (struct input){data + 1, size < 2048 ? size - 1 : 2047};
    begin(data[0]);
    while (input.len > 0)
        step_run(take(&input));
    for (unsigned i = 0; i < BLOCKS; i++)
        block_end(&blocks[i]);
    settle();
    if (!is_alive()) {
        must(is_spoiled || silent_ns >= 240 * NS_PER_S);
        must(balloon_pages() == 0);
        time_passes(4 * NS_PER_S);
        must(heap_self()->pages->watch == NULL || timer_next() == TIME_NEVER);
    }
    pages_check(heap_self()->pages);
    heap_all_check(heap_self());
    model_set_status(&model, 0);
    machine_detach();
    clock_set(0);
    return 0;
}
