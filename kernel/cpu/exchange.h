/*
 * Exchange slots: the one place where two CPUs touch the same memory.
 *
 * An item is any object with a struct exchange_item in it. The sender gives it
 * up with exchange_send(); the receiver's scheduler pass calls item->run(item)
 * on the target CPU under the rules of irq work. Items of one sender to one
 * receiver arrive in order.
 *
 * exchange.c tells how it works and why no LOCK is needed; exchange_inline.h
 * has exchange_send() and the pass.
 */
#ifndef TORC_KERNEL_EXCHANGE_H
#define TORC_KERNEL_EXCHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/list.h>

struct cpu;

struct exchange_item {
    struct queue_node node; /* the sender's, then the receiver's */
    void (*run)(struct exchange_item *item);
};

enum { EXCHANGE_LINE_WORDS = 8, EXCHANGE_WATCH_WORDS = 4 };

/* Slots of eight sources, or flags: exchange.c tells who writes them when. */
struct exchange_line {
    _Atomic uintptr_t word[EXCHANGE_LINE_WORDS];
} cache_aligned;

/* What others reach a CPU by: exchange.c. */
struct exchange_port;

/* What a CPU has for one other CPU; owner only. */
struct exchange_link {
    /* constant: */
    _Atomic uintptr_t *slot;    /* at the other, for us to fill */
    struct exchange_port *port; /* the other's */
    unsigned cpu;               /* the other */

    uint8_t notify; /* why it is on the list to_notify; 0: it is not */
    bool quietly;   /* the last list was published without an interrupt */
    struct queue_node *newest; /* of what waits to be sent; NULL: nothing */
    struct exchange_link *next_pending;
    struct exchange_link *next_notify;
    /* struct exchange_counters tells what they count */
    uint64_t batches;
    uint64_t blocked;
    uint64_t received;
    uint64_t taken;
};

/* What a CPU exchanges by, a part of struct cpu; owner only. */
struct exchange {
    /* constant: */
    struct exchange_line *watch; /* what a pass looks at */
    struct exchange_link *links; /* one a CPU */
    struct exchange_port *port;

    struct exchange_link *pending;   /* have something to send */
    struct exchange_link *to_notify; /* to be looked at after the fence */
    _Atomic uintptr_t *full; /* nothing can be done while this slot is full */
    bool busy;               /* somebody to notify, or something urgent */
    bool urgent;             /* what is pending leaves with the next pass */
    bool lazy;               /* or, if only this is set, before a sleep */
};

/* Constant after exchange_init(). */
extern unsigned exchange_cpu_count;

/*
 * 0 when the words a pass looks at are all 0: a cheap look; order comes later.
 */
static inline uintptr_t exchange_look(struct exchange_line *line)
{
    uintptr_t any = 0;

#pragma GCC unroll 4
    for (unsigned i = 0; i < EXCHANGE_WATCH_WORDS; i++)
        any |= atomic_load_explicit(&line->word[i], memory_order_relaxed);
    return any;
}

/* Make the slots of `cpu_count` CPUs. CPU 0, at boot. Returns 0, -ENOMEM. */
must_check int exchange_init(unsigned cpu_count);

/* What was sent lazily is published with the next pass. */
void exchange_flush(void);

/*
 * The number of the list an item sent to `cpu` now would leave with. As long as
 * it stays the same, an item sent before is still this CPU's to change.
 */
uint64_t exchange_batch(unsigned cpu);

/* For exchange_inline.h: a list gets its first item; a pass with work to do. */
void exchange_begin(struct exchange *mine, struct exchange_link *link);
bool exchange_pass_busy(struct cpu *self);

/*
 * Whether a pass would find something to do: a list has come, or a slot that
 * items of this CPU wait for has become empty. For the CPU that looks out for
 * work before it sleeps.
 */
bool exchange_has_work(struct exchange *mine);

/*
 * Announce that this CPU is about to sleep, then look once more. Interrupts
 * are off. Returns false when there is something to do: do not sleep. After the
 * sleep, or a false, call exchange_wake(). The scheduler's.
 */
bool exchange_may_sleep(void);
void exchange_wake(void);

/*
 * Whether a slot of `cpu` has a list that was published with an interrupt for
 * who sleeps. Any CPU: what it says is true only if `cpu` has slept all the
 * time.
 */
bool exchange_is_given(const struct cpu *cpu);

/*
 * What must be true of a CPU's side of the exchange between any two calls.
 * Panics when it is not. For tests and the simulated machine; takes as long as
 * there are CPUs.
 */
void exchange_check(const struct cpu *cpu);

/* What went through this CPU's slots to and from one other CPU. */
struct exchange_counters {
    uint64_t batches;  /* lists published */
    uint64_t blocked;  /* passes that tried to publish and found it full */
    uint64_t received; /* items run here */
    uint64_t taken;    /* lists taken here */
};

/* This CPU's own counters of its slots with `cpu`. */
void exchange_get_counters(unsigned cpu, struct exchange_counters *out);

#endif
