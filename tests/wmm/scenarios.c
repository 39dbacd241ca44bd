/*
 * The kernel's own code between two or three CPUs. Each CPU does what the
 * scheduler would: passes, and sleep when there is nothing to do. A CPU ends
 * when it has received all that it will; an item that is lost, or lies where
 * nobody looks, leaves its receiver waiting, which is a deadlock.
 */
#include "tests/wmm/scenarios.h"
#include "hal/hal.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/pass.h"
#include "kernel/cpu/percpu.h"
#include "kernel/heap/heap.h"
#include "kernel/thread/idle.h"
#include "tests/wmm/machine.h"
#include "tests/wmm/wmm.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/time.h>

enum {
    LETTERS = 4,
    CPUS = 9,
    PARCEL_SIZE = 512, /* heap_home.c */
};

/* What is sent. All of it is plain memory that moves from CPU to CPU. */
struct letter {
    struct exchange_item item;
    unsigned content;
    unsigned from;
};

static struct letter letters[LETTERS];

/* Each is one CPU's own. */
static struct {
    unsigned received;
    uint64_t clock;
    unsigned next[CPUS]; /* content expected from each CPU */
} mine[CPUS];

/* Looking at the clock takes a while, or longer than poll=100. */
uint64_t hal_time_ns(void)
{
    return mine[cpu_id()].clock += (wmm_choose(2) * 100 + 40) * NS_PER_US;
}

/* ---- What a CPU does ----------------------------------------------------- */

/* The scheduler's pass; whether it leaves something urgent to send. */
static bool pass(void)
{
    cpu_pass(cpu_self());
    return cpu_self()->exchange->busy;
}

/* Pass without sleep until `count` have come and nothing is left to send. */
static void poll_for(unsigned count)
{
    while (pass() || mine[cpu_id()].received < count)
        hal_cpu_relax();
}

/* The same with sleep. */
static void sleep_for(unsigned count)
{
    while (pass() || mine[cpu_id()].received < count)
        idle_sleep(cpu_self());
}

/* The same, and then sleep as long as nothing more comes. */
static void rest_after(unsigned count)
{
    sleep_for(count);
    wmm_rest();
    for (;;) {
        idle_sleep(cpu_self());
        pass();
    }
}

/* Sleep that the timer's interrupt ends before it begins. */
static void nap(void)
{
    hal_irqflags flags;

    pass();
    flags = hal_irq_save();
    exchange_may_sleep();
    exchange_wake();
    hal_irq_restore(flags);
}

static void arrived(struct exchange_item *item)
{
    struct letter *letter = container_of(item, struct letter, item);

    assert(letter->content == mine[cpu_id()].next[letter->from]);
    mine[cpu_id()].next[letter->from]++;
    mine[cpu_id()].received++;
    letter->content = 100; /* it is ours now */
}

static void write(struct letter *letter, unsigned content,
                  void (*run)(struct exchange_item *item))
{
    letter->item.run = run;
    letter->content = content;
    letter->from = cpu_id();
}

static void send_with(struct letter *letter, unsigned to, unsigned content,
                      void (*run)(struct exchange_item *item))
{
    write(letter, content, run);
    exchange_send(to, &letter->item);
}

static void send(unsigned letter, unsigned to, unsigned content)
{
    send_with(&letters[letter], to, content, arrived);
}

static void send_lazily(unsigned letter, unsigned to, unsigned content)
{
    write(&letters[letter], content, arrived);
    exchange_send_lazily(to, &letters[letter].item);
}

/* ---- Machines ------------------------------------------------------------ */

static void two_cpus(void)
{
    machine_boot(2, 2, (const unsigned[]){0, 1});
}

/* Before they sleep they look twice for what comes. */
static void two_cpus_polling(void)
{
    machine_poll(100);
    two_cpus();
}

static void three_cpus(void)
{
    machine_boot(3, 3, (const unsigned[]){0, 1, 2});
}

/* So many that a pass does not look at every slot. */
static void two_of_nine(void)
{
    machine_boot(9, 2, (const unsigned[]){0, 8});
}

/* The slots of the sources, 0 and 8, are in two lines behind one flag. */
static void three_of_nine(void)
{
    machine_boot(9, 3, (const unsigned[]){0, 8, 1});
}

/* The same machines, which wake by a store to what they watch. */
static void two_watching(void)
{
    machine_watch();
    two_cpus();
}

static void three_watching(void)
{
    machine_watch();
    three_cpus();
}

static void nine_watching_2(void)
{
    machine_watch();
    two_of_nine();
}

static void nine_watching_3(void)
{
    machine_watch();
    three_of_nine();
}

/* The same, where nobody has a reason to interrupt the last one. */
static void two_hushed(void)
{
    two_cpus();
    machine_hush(1);
}

static void nine_hushed(void)
{
    two_of_nine();
    machine_hush(8);
}

/* ---- Slots --------------------------------------------------------------- */

static void one_batch_0(void)
{
    send(0, 1, 0);
    send(1, 1, 1);
    poll_for(0);
}

static void receive_1(void)
{
    poll_for(1);
}

static void receive_2(void)
{
    poll_for(2);
}

static void two_batches_0(void)
{
    send(0, 1, 0);
    pass();
    send(1, 1, 1);
    poll_for(0);
}

static void both_ways_0(void)
{
    send(0, 1, 0);
    poll_for(1);
}

static void both_ways_1(void)
{
    send(1, 0, 0);
    poll_for(1);
}

static void to_1(void)
{
    send(0, 1, 0);
    poll_for(0);
}

static void to_8(void)
{
    send(0, 8, 0);
    poll_for(0);
}

static void two_to_8(void)
{
    send(0, 8, 0);
    pass();
    send(1, 8, 1);
    poll_for(0);
}

/* ---- Three CPUs ---------------------------------------------------------- */

static void source_0(void)
{
    send(0, 2, 0);
    poll_for(0);
}

static void source_1(void)
{
    send(1, 2, 0);
    poll_for(0);
}

/* On CPU 1: what 0 has sent goes on to 2, contents and all. */
static void pass_on(struct exchange_item *item)
{
    struct letter *letter = container_of(item, struct letter, item);

    mine[1].received++;
    assert(letter->content == 0);
    letter->item.run = arrived;
    exchange_send(2, item);
}

static void chain_0(void)
{
    send_with(&letters[0], 1, 0, pass_on);
    poll_for(0);
}

static void source_0_to_1(void)
{
    send(0, 1, 0);
    sleep_for(0);
}

static void source_8_to_1(void)
{
    send(1, 1, 0);
    sleep_for(0);
}

/* ---- Sleep --------------------------------------------------------------- */

static void sleep_1(void)
{
    sleep_for(1);
}

static void sleep_2(void)
{
    sleep_for(2);
}

/* The second finds the slot full, or not: then this CPU sleeps as well. */
static void sleep_two_batches_0(void)
{
    send(0, 1, 0);
    pass();
    send(1, 1, 1);
    sleep_for(0);
}

static void sleep_two_to_8(void)
{
    send(0, 8, 0);
    pass();
    send(1, 8, 1);
    sleep_for(0);
}

static void sleep_three_batches_0(void)
{
    send(0, 1, 0);
    pass();
    send(1, 1, 1);
    pass();
    send(2, 1, 2);
    sleep_for(0);
}

static void sleep_3(void)
{
    sleep_for(3);
}

/* One that is blocked and asleep must also hear others. */
static void blocked_0(void)
{
    send(0, 2, 0);
    pass();
    send(1, 2, 1);
    sleep_for(1);
}

static void call_blocked_1(void)
{
    send(2, 0, 0);
    sleep_for(0);
}

/* Round the three CPUs, all of which sleep. */
static void go_round(struct exchange_item *item)
{
    struct letter *letter = container_of(item, struct letter, item);

    mine[cpu_id()].received++;
    assert(letter->content == cpu_id());
    letter->content++;
    if (cpu_id() == 2)
        letter->item.run = arrived;
    exchange_send((cpu_id() + 1) % 3, item);
}

static void ring_0(void)
{
    mine[0].next[0] = 3;
    send_with(&letters[0], 1, 1, go_round);
    sleep_for(1);
}

static void answer(struct exchange_item *item)
{
    struct letter *letter = container_of(item, struct letter, item);

    mine[1].received++;
    letter->content++;
    letter->item.run = arrived;
    exchange_send(0, item);
}

static void question_0(void)
{
    mine[0].next[0] = 5;
    send_with(&letters[0], 1, 4, answer);
    sleep_for(1);
}

static void sleep_both_0(void)
{
    send(0, 1, 0);
    sleep_for(1);
}

static void sleep_both_1(void)
{
    send(1, 0, 0);
    sleep_for(1);
}

/* ---- In no hurry --------------------------------------------------------- */

/* The second one of `to` finds the slot full, unless the first was found. */
static void quiet_then_urgent(unsigned to)
{
    send_lazily(0, to, 0);
    nap();
    send(1, to, 1);
    sleep_for(0);
}

static void quiet_then_urgent_to_1(void)
{
    quiet_then_urgent(1);
}

static void quiet_then_urgent_to_8(void)
{
    quiet_then_urgent(8);
}

static void lazy_to_1(void)
{
    send_lazily(0, 1, 0);
    rest_after(0);
}

static void lazy_to_8(void)
{
    send_lazily(0, 8, 0);
    rest_after(0);
}

static void rest(void)
{
    rest_after(0);
}

/* The second one has to wait for the first; no other item helps. */
static void lazy_twice_0(void)
{
    send_lazily(0, 1, 0);
    nap();
    send_lazily(1, 1, 1);
    while (exchange_batch(1) < 2) {
        nap();
        hal_cpu_relax();
    }
    rest_after(0);
}

/* Twice quiet, and then it is to be told of all the same. */
static void lazy_twice_then_urgent_0(void)
{
    send_lazily(0, 1, 0);
    nap();
    send_lazily(1, 1, 1);
    nap();
    send(2, 1, 2);
    sleep_for(0);
}

static void hurry_0(void)
{
    send_lazily(0, 1, 0);
    exchange_flush();
    sleep_for(0);
}

/* It is in the slot, and the next one waits behind it. */
static void hurry_behind_0(void)
{
    send_lazily(0, 1, 0);
    nap();
    send_lazily(1, 1, 1);
    exchange_flush();
    sleep_for(0);
}

/* What is for 1 leaves with what is for 2. */
static void lazy_along_0(void)
{
    send_lazily(0, 1, 0);
    send(1, 2, 0);
    sleep_for(0);
}

/* On 2 or 8: word for 1. */
static void tell_1(struct exchange_item *item)
{
    struct letter *letter = container_of(item, struct letter, item);

    mine[cpu_id()].received++;
    write(letter, 0, arrived);
    exchange_send(1, item);
}

/* A quiet list for 1, and then word by way of `by`, which wakes 1. */
static void quiet_then_by(unsigned by)
{
    send_lazily(0, 1, 0);
    nap();
    send_with(&letters[1], by, 0, tell_1);
    sleep_for(0);
}

static void quiet_then_by_2(void)
{
    quiet_then_by(2);
}

static void quiet_then_by_8(void)
{
    quiet_then_by(8);
}

/* Blocked, with what is urgent and what is not behind one list. */
static void blocked_lazy_0(void)
{
    send(0, 1, 0);
    pass();
    send_lazily(1, 1, 1);
    send(2, 1, 2);
    sleep_for(0);
}

/* The same, where the one in no hurry came later. */
static void blocked_lazy_later_0(void)
{
    send(0, 1, 0);
    pass();
    send(1, 1, 1);
    pass();
    send_lazily(2, 1, 2);
    sleep_for(0);
    send(3, 1, 3);
    sleep_for(0);
}

/* The same, where no pass comes between it and the sleep. */
static void blocked_lazy_last_0(void)
{
    send(0, 1, 0);
    pass();
    send(1, 1, 1);
    if (pass()) {
        send_lazily(2, 1, 2);
        idle_sleep(cpu_self());
    }
    sleep_for(0);
}

static void sleep_4(void)
{
    sleep_for(4);
}

/* Blocked by 2 with what is urgent; what is not is for 1. */
static void blocked_lazy_along_0(void)
{
    send(0, 2, 0);
    pass();
    send_lazily(1, 1, 0);
    send(2, 2, 1);
    sleep_for(0);
}

/* What is for 1 stays in no hurry while 0 takes from 2, which is blocked. */
static void lazy_taking_0(void)
{
    send_lazily(0, 1, 0);
    rest_after(2);
}

static void blocked_2(void)
{
    send(1, 0, 0);
    pass();
    send(2, 0, 1);
    sleep_for(0);
}

static void hushed_1_of_three(void)
{
    three_cpus();
    machine_hush(1);
}

/* ---- Memory -------------------------------------------------------------- */

/* Blocks of CPU 0 that are not free when an execution begins. */
static size_t blocks_at_first;

static size_t blocks(void)
{
    struct mem_stats stats;

    mem_get_stats(&stats);
    return stats.block_count;
}

/* Every size that is used has a slab, so that none is made in an execution. */
static void make_slabs(unsigned cpus)
{
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        machine_be(cpu);
        assert(mem_alloc(sizeof(struct letter)) != NULL);
        mem_free(mem_alloc(PARCEL_SIZE));
    }
    machine_be(0);
    blocks_at_first = blocks();
}

static void two_cpus_with_slabs(void)
{
    two_cpus();
    make_slabs(2);
}

/* The same, where nobody has a reason to interrupt CPU 0. */
static void hushed_with_slabs(void)
{
    two_cpus_with_slabs();
    machine_hush(0);
}

static void three_cpus_with_slabs(void)
{
    three_cpus();
    make_slabs(3);
}

static void read_and_free(struct exchange_item *item)
{
    struct letter *letter = container_of(item, struct letter, item);

    mine[cpu_id()].received++;
    assert(letter->content == 7);
    mem_free(letter);
}

static struct letter *block_sent(void)
{
    struct letter *block = mem_alloc(sizeof(*block));

    assert(block != NULL);
    send_with(block, 1, 7, read_and_free);
    return block;
}

/* CPU 0: until its blocks are home again; nobody wakes it for them. */
static void poll_for_blocks(void)
{
    while (pass() || blocks() != blocks_at_first)
        hal_cpu_relax();
}

/* The blocks leave when this CPU sleeps. */
static void free_1(void)
{
    rest_after(1);
}

/* The second one leaves in a parcel. */
static void free_2(void)
{
    rest_after(2);
}

/* Without memory for a parcel each block goes home alone. */
static void free_alone_1(void)
{
    heap_fail(1);
    rest_after(2);
}

/* Until the parcel is back. */
static void free_parcel_1(void)
{
    sleep_for(2);
    nap();
    while (pass() || heap_self()->spare == NULL)
        hal_cpu_relax();
}

/* Send a block away, wait until it is home again, use it once more. */
static void free_elsewhere_0(void)
{
    struct letter *block = block_sent();
    struct letter *again;

    poll_for_blocks();
    again = mem_alloc(sizeof(*again));
    assert(again == block);
    again->content = 8;
}

/* Two of them: one comes home alone, and one in a parcel. */
static void free_both_0(void)
{
    struct letter *block = block_sent();
    struct letter *other = block_sent();

    assert(block != other);
    poll_for_blocks();
    block = mem_alloc(sizeof(*block));
    block->content = 8;
    other = mem_alloc(sizeof(*other));
    other->content = 9;
    assert(block->content == 8);
}

/* Then the empty parcel goes back, with the sleep of this CPU. */
static void free_parcel_0(void)
{
    free_both_0();
    rest_after(0);
}

/* The same two twice, with the parcel that has come back; nobody sleeps. */
static void free_twice_0(void)
{
    for (int i = 0; i < 2; i++) {
        block_sent();
        block_sent();
        poll_for_blocks();
    }
    exchange_flush();
    poll_for(0);
}

static void free_twice_1(void)
{
    while (pass() || mine[1].received < 4 || heap_self()->spare == NULL) {
        hal_cpu_relax();
        exchange_flush();
    }
}

/* From 0 to 1, on to 2, and home from there. */
static void free_further(struct exchange_item *item)
{
    struct letter *letter = container_of(item, struct letter, item);

    mine[1].received++;
    assert(letter->content == 7);
    letter->item.run = read_and_free;
    exchange_send(2, item);
}

static void free_further_0(void)
{
    struct letter *block = mem_alloc(sizeof(*block));

    assert(block != NULL);
    send_with(block, 1, 7, free_further);
    poll_for_blocks();
    block = mem_alloc(sizeof(*block));
    block->content = 8;
}

/* Nobody is woken for a block, which may stay where it is. */
static void free_quiet_0(void)
{
    block_sent();
    rest_after(0);
}

/* Who is told of something else finds it as well. */
static void free_told_0(void)
{
    block_sent();
    sleep_for(1);
    assert(blocks() == blocks_at_first);
}

static void free_then_tell_1(void)
{
    sleep_for(1);
    nap();
    send(0, 0, 0);
    sleep_for(0);
}

/* Who asks finds it when the answer comes. */
static void free_asked_0(void)
{
    block_sent();
    nap();
    send(0, 1, 0);
    sleep_for(1);
    assert(blocks() == blocks_at_first);
}

static void free_then_answer_1(void)
{
    sleep_for(2);
    send(1, 0, 0);
    sleep_for(0);
}

/* ---- The list ------------------------------------------------------------ */

/* Few mutants get to the last group: those that take longest, and first. */
/* clang-format off */
const struct wmm_test wmm_scenarios[] = {
    {.name = "timeline", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = timeline_setup, .run = {timeline_writer, timeline_reader}},
    {.name = "virtqueue", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_setup, .run = {virtqueue_driver_1, virtqueue_device_1}},
    {.name = "virtqueue_two", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_setup, .run = {virtqueue_driver_2, virtqueue_device_2}},
    {.name = "virtqueue_event", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_event_setup,
     .run = {virtqueue_driver_1, virtqueue_device_1}},
    {.name = "virtqueue_event_two", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_event_setup,
     .run = {virtqueue_driver_2, virtqueue_device_2}},
    {.name = "virtqueue_packed", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_packed_setup,
     .run = {virtqueue_driver_1, virtqueue_device_1}},
    {.name = "virtqueue_packed_two", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_packed_setup,
     .run = {virtqueue_driver_2, virtqueue_device_2}},
    {.name = "virtqueue_packed_again", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_packed_setup,
     .run = {virtqueue_driver_again, virtqueue_device_2}},
    {.name = "virtqueue_packed_event", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_packed_event_setup,
     .run = {virtqueue_driver_1, virtqueue_device_1}},
    {.name = "virtqueue_packed_event_two", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = virtqueue_packed_event_setup,
     .run = {virtqueue_driver_2, virtqueue_device_2}},
    {.name = "one_batch", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {one_batch_0, receive_2}},
    {.name = "two_batches", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {two_batches_0, receive_2}},
    {.name = "both_ways", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {both_ways_0, both_ways_1}},
    {.name = "flags", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_of_nine, .run = {to_8, receive_1}},
    {.name = "flags_two_batches", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_of_nine, .run = {two_to_8, receive_2}},
    {.name = "sleep", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {to_1, sleep_1}},
    {.name = "sleep_two_batches", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {sleep_two_batches_0, sleep_2}},
    {.name = "sleep_question", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {question_0, sleep_1}},
    {.name = "sleep_both", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {sleep_both_0, sleep_both_1}},
    {.name = "poll_first", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus_polling, .run = {to_1, sleep_1}},
    {.name = "watch", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_watching, .run = {to_1, sleep_1}},
    {.name = "watch_question", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_watching, .run = {question_0, sleep_1}},
    {.name = "watch_flags", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = nine_watching_2, .run = {to_8, sleep_1}},
    {.name = "hurry", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {hurry_0, sleep_1}},
    {.name = "quiet", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_hushed, .run = {lazy_to_1, rest}},
    {.name = "quiet_flags", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = nine_hushed, .run = {lazy_to_8, rest}},
    {.name = "quiet_polled", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_hushed, .run = {lazy_to_1, receive_1}},
    {.name = "quiet_polled_flags", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = nine_hushed, .run = {lazy_to_8, receive_1}},
    {.name = "quiet_twice", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_hushed, .run = {lazy_twice_0, receive_2}},
    {.name = "quiet_urgent", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {quiet_then_urgent_to_1, sleep_2}},
    {.name = "quiet_twice_urgent", .threads = 2, .bound = 3,
     .setup = two_cpus, .run = {lazy_twice_then_urgent_0, sleep_3}},
    {.name = "hurry_behind", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {hurry_behind_0, sleep_2}},
    {.name = "blocked_lazy", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {blocked_lazy_0, sleep_3}},
    {.name = "free_elsewhere", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus_with_slabs, .run = {free_elsewhere_0, free_1}},
    {.name = "free_alone", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus_with_slabs, .run = {free_both_0, free_alone_1}},
    {.name = "free_quiet", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = hushed_with_slabs, .run = {free_quiet_0, free_1}},
    {.name = "two_sources", .threads = 3, .bound = WMM_UNBOUNDED,
     .setup = three_cpus, .run = {source_0, source_1, receive_2}},
    {.name = "two_sources_flags", .threads = 3, .bound = WMM_UNBOUNDED,
     .setup = three_of_nine, .run = {source_0_to_1, source_8_to_1, receive_2}},
    {.name = "two_sources_sleep", .threads = 3, .bound = WMM_UNBOUNDED,
     .setup = three_cpus, .run = {source_0, source_1, sleep_2}},
    {.name = "chain", .threads = 3, .bound = WMM_UNBOUNDED,
     .setup = three_cpus, .run = {chain_0, receive_1, receive_1}},
    {.name = "chain_sleep", .threads = 3, .bound = WMM_UNBOUNDED,
     .setup = three_cpus, .run = {chain_0, sleep_1, sleep_1}},
    {.name = "lazy_along", .threads = 3, .bound = WMM_UNBOUNDED,
     .setup = three_cpus, .run = {lazy_along_0, sleep_1, sleep_1}},
    {.name = "quiet_found", .threads = 3, .bound = 2,
     .setup = three_cpus, .run = {quiet_then_by_2, sleep_2, sleep_1}},
    {.name = "free_both", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus_with_slabs, .run = {free_both_0, free_2}},
    {.name = "free_parcel", .threads = 2, .bound = 3,
     .setup = two_cpus_with_slabs, .run = {free_parcel_0, free_parcel_1}},
    {.name = "free_twice", .threads = 2, .bound = 3,
     .setup = two_cpus_with_slabs, .run = {free_twice_0, free_twice_1}},
    {.name = "chain_free", .threads = 3, .bound = 2,
     .setup = three_cpus_with_slabs, .run = {free_further_0, sleep_1, free_1}},
    {.name = "blocked_lazy_last", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus, .run = {blocked_lazy_last_0, sleep_2}},
    {.name = "blocked_lazy_later", .threads = 2, .bound = 3,
     .setup = two_cpus, .run = {blocked_lazy_later_0, sleep_4}},
    {.name = "quiet_urgent_watch_flags", .threads = 2, .bound = 3,
     .setup = nine_watching_2, .run = {quiet_then_urgent_to_8, sleep_2}},
    {.name = "quiet_found_watch", .threads = 3, .bound = 2,
     .setup = three_watching, .run = {quiet_then_by_2, sleep_2, sleep_1}},
    {.name = "poll_question", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_cpus_polling, .run = {question_0, sleep_1}},
    {.name = "sleep_three_batches", .threads = 2, .bound = 4,
     .setup = two_cpus, .run = {sleep_three_batches_0, sleep_3}},
    {.name = "free_asked", .threads = 2, .bound = 3,
     .setup = two_cpus_with_slabs, .run = {free_asked_0, free_then_answer_1}},
    {.name = "ring_sleep", .threads = 3, .bound = 3,
     .setup = three_cpus, .run = {ring_0, sleep_1, sleep_1}},
    {.name = "two_sources_watch", .threads = 3, .bound = WMM_UNBOUNDED,
     .setup = three_watching, .run = {source_0, source_1, sleep_2}},
    {.name = "sleep_flags", .threads = 2, .bound = 4,
     .setup = two_of_nine, .run = {sleep_two_to_8, sleep_2}},
    {.name = "blocked_lazy_along", .threads = 3, .bound = 2,
     .setup = three_cpus, .run = {blocked_lazy_along_0, sleep_1, sleep_2}},
    {.name = "two_sources_flags_sleep", .threads = 3, .bound = 3,
     .setup = three_of_nine, .run = {source_0_to_1, source_8_to_1, sleep_2}},
    {.name = "quiet_found_flags", .threads = 3, .bound = 2,
     .setup = three_of_nine, .run = {quiet_then_by_8, sleep_1, sleep_2}},
    {.name = "quiet_urgent_watch", .threads = 2, .bound = 4,
     .setup = two_watching, .run = {quiet_then_urgent_to_1, sleep_2}},
    {.name = "free_told", .threads = 2, .bound = 4,
     .setup = two_cpus_with_slabs, .run = {free_told_0, free_then_tell_1}},
    {.name = "watch_two_batches", .threads = 2, .bound = WMM_UNBOUNDED,
     .setup = two_watching, .run = {sleep_two_batches_0, sleep_2}},
    {.name = "quiet_urgent_flags", .threads = 2, .bound = 3,
     .setup = two_of_nine, .run = {quiet_then_urgent_to_8, sleep_2}},
    {.name = "lazy_taking", .threads = 3, .bound = 2,
     .setup = hushed_1_of_three, .run = {lazy_taking_0, rest, blocked_2}},
    {.name = "blocked_and_called", .threads = 3, .bound = 2,
     .setup = three_cpus, .run = {blocked_0, call_blocked_1, sleep_2}},
    {.name = "two_sources_flags_watch", .threads = 3, .bound = 2,
     .setup = nine_watching_3, .run = {source_0_to_1, source_8_to_1, sleep_2}},
};
/* clang-format on */
const size_t wmm_scenario_count = COUNT_OF(wmm_scenarios);
