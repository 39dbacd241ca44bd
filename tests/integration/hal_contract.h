/*
 * What the files of the contract test share. CPU 0 runs the tests, one after
 * the other. The others sleep until it gives them a function to run and rings
 * their doorbell; so nearly every test tests sleeping and waking too.
 */
#ifndef TORC_TESTS_INTEGRATION_HAL_CONTRACT_H
#define TORC_TESTS_INTEGRATION_HAL_CONTRACT_H

#include "hal/hal.h"
#include <stdatomic.h>
#include <torc/string.h>

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

/* How long anything may take on a slow, crowded, emulated machine. */
#define PATIENCE_NS (10 * S)

enum { STACK_SIZE = 32 * 1024 };

struct cpu {
    /* CPU 0 writes: */
    void (*fn)(void);
    atomic_uint given;
    /* the CPU itself writes: */
    atomic_uint arrived;
    atomic_uint done;
    atomic_uint failures;
    atomic_uint doorbells;
    atomic_uint timers;
    uint64_t timer_wanted_ns; /* an earlier interrupt does not count */
    uint64_t timer_fired_ns;
    atomic_uint samples;
    unsigned bad_samples; /* with interrupts on, or of nowhere */
    uintptr_t entry_sp;
    hal_irqflags entry_flags;
    void *entry_local;
    unsigned entry_id;
} cache_aligned;

extern const struct hal_boot_info *boot;
extern struct cpu cpus[HAL_CPU_MAX];

void print(const char *format, ...) printf_like(1, 2);

/* Note and print what does not hold; returns whether it does. */
bool check(bool holds, const char *what, const char *file, int line);

#define CHECK(e) check((e), #e, __FILE__, __LINE__)

/* Add to a number only this CPU writes: no read-modify-write is needed. */
static inline void count_up(atomic_uint *number)
{
    unsigned value = atomic_load_explicit(number, memory_order_relaxed);

    atomic_store_explicit(number, value + 1, memory_order_release);
}

static inline unsigned count_get(const atomic_uint *number)
{
    return atomic_load_explicit(number, memory_order_acquire);
}

static inline struct cpu *self(void)
{
    return &cpus[hal_cpu_id()];
}

/* Pages of the largest region; never given back. */
void *pages_take(size_t size);

/* Whether the machine calls this address free memory. */
bool in_regions(const void *ptr);

/* Spin until the number has come to `value`; false when it does not. */
bool wait_for(const atomic_uint *number, unsigned value);
void spin_ns(uint64_t ns);

/* Attach this CPU's doorbell and timer; the entry of the CPUs but 0. */
void irqs_attach(struct cpu *cpu);
void cpu_entry(void *arg);

/* Let a CPU run fn(); wait until it has. */
void cpu_give(unsigned id, void (*fn)(void));
bool cpu_finish(unsigned id);

/* Run fn on each CPU in turn, CPU 0 first. */
void on_each(void (*fn)(void));

/* Set the timer; only an interrupt from then on counts in cpu->timers. */
void timer_begin(uint64_t wanted_ns);

struct contract_test {
    const char *name;
    void (*fn)(void);
};

/* Each file's tests, in order; NULL ends the list. */
extern const struct contract_test contract_cpu_tests[];
extern const struct contract_test contract_time_tests[];
extern const struct contract_test contract_memory_tests[];
extern const struct contract_test contract_fp_tests[];

#endif
