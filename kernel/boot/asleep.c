/*
 * CPUs that sleep though there is something to do: a wake-up was lost, or what
 * would have caused it is damaged. With watchdog= a CPU looks at itself when it
 * wakes, and now and then at its neighbour:
 *
 *   a thread is ready, or an interrupt has raised work: nobody sleeps then
 *   a slot has a list that was published with an interrupt
 *   the earliest timer is overdue
 *
 * A CPU that waits for a packet or for nothing has none of these.
 *
 * The neighbour's state is only read, and only believed while its number of
 * sleeps stays the same: it writes nothing then. A wake-up takes its time where
 * a host is busy or has paused the machine, so nothing is told before several
 * looks have found one sleep in the same state. A CPU that looks wakes by
 * itself, which hides what its own neighbour has to find: so two neighbours
 * look at different times, and between two sights of a sleep there are a few
 * times LOOK_NS.
 */
#include "kernel/base/backtrace.h"
#include "kernel/base/panic.h"
#include "kernel/boot/watchdog.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/thread/idle.h"
#include "kernel/thread/timer.h"
#include <stdatomic.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

#define PERIOD_NS  (4 * NS_PER_S)
#define LOOK_NS    (400 * NS_PER_MS) /* when there was something to see */
#define OVERDUE_NS NS_PER_S
enum { LOOKS = 3 };

/* Of the CPU that looks. */
static struct {
    struct timer timer;
    uint64_t sleeps; /* of the neighbour, at the last look */
    unsigned looks;  /* that have found this sleep, and something to do */
    bool is_told;
} cache_aligned state[HAL_CPU_MAX];

/* What another CPU owns, which may change it: see above. Each look acquires, so
 * that the second look at the counter of sleeps comes behind it. */
#define LOOK(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define OF_ANOTHER  __attribute__((no_sanitize_thread)) noinline

static uint64_t sleeps_of(const struct cpu *cpu)
{
    return atomic_load_explicit(&cpu->sleeps, memory_order_acquire);
}

/* What a CPU that sleeps has to do; NULL: nothing. */
OF_ANOTHER static const char *work_of(const struct cpu *cpu, uint64_t now_ns)
{
    if (LOOK(cpu->ready.head) != NULL)
        return "a thread is ready";
    if (LOOK(cpu->irq_work_head) != NULL)
        return "an interrupt has left work";
    if (exchange_is_given(cpu))
        return "a message waits";
    if (now_ns > OVERDUE_NS &&
        atomic_load_explicit(&cpu->sleep_end_ns, memory_order_acquire) <
            now_ns - OVERDUE_NS)
        return "a timer is overdue";
    return NULL;
}

/* Straight to the console: who serves the log may be the one that sleeps. */
static noinline void tell(unsigned cpu, const char *why)
{
    if (watchdog_is_the_end())
        panic("cpu %u sleeps, and %s", cpu, why);
    say("warning: cpu %u sleeps, and %s\n", cpu, why);
}

/* ---- The neighbour ------------------------------------------------------- */

/* Returns whether it is to be looked at again soon. */
static bool look_at(unsigned self, const struct cpu *cpu, uint64_t now_ns)
{
    uint64_t sleeps = sleeps_of(cpu);
    const char *why = sleeps % 2 == 1 ? work_of(cpu, now_ns) : NULL;

    if (sleeps_of(cpu) != sleeps)
        why = NULL; /* it was none of that sleep */
    if (sleeps != state[self].sleeps || why == NULL) {
        state[self].looks = 0;
        state[self].is_told = false;
    }
    state[self].sleeps = sleeps;
    if (why == NULL || state[self].is_told)
        return false;
    state[self].looks++;
    if (state[self].looks < LOOKS)
        return true;
    state[self].is_told = true;
    tell(cpu->id, why);
    return false;
}

/* Two neighbours are a quarter or half of a period apart. */
static uint64_t next_look(unsigned self, unsigned cpus, uint64_t now_ns)
{
    unsigned quarter = self % 2 == 1 ? 2 : 0;
    uint64_t shift;

    if (self > 0 && self % 2 == 0 && self == cpus - 1)
        quarter = 1;
    shift = quarter * (PERIOD_NS / 4);
    return (now_ns + PERIOD_NS - shift) / PERIOD_NS * PERIOD_NS + shift;
}

static void look(struct timer *timer)
{
    unsigned self = cpu_id();
    unsigned other = (self + 1) % cpu_count();
    uint64_t now = time_ns();
    bool is_soon = other != self && look_at(self, cpu_of(other), now);

    /* It was taken from its place a moment ago, so there is room for it. */
    if (timer_set(timer, is_soon ? now + LOOK_NS
                                 : next_look(self, cpu_count(), now)) != 0)
        log_warn("watchdog: cpu %u looks at no other any more", self);
}

/* ---- This CPU ------------------------------------------------------------ */

/* It woke, for whatever reason, and handlers have run: none of them makes a
 * thread ready. */
void idle_woken_ready(const struct cpu *cpu)
{
    if (watchdog_is_on())
        tell(cpu->id, "a thread is ready");
}

static int begin_here(void *arg)
{
    struct timer *timer = &state[cpu_id()].timer;

    (void)arg;
    state[cpu_id()].sleeps = state[cpu_id()].looks = 0;
    timer_init(timer, look);
    return timer_set(timer, next_look(cpu_id(), cpu_count(), time_ns()));
}

static int asleep_probe(void)
{
    int status = 0;

    for (unsigned cpu = 0; watchdog_is_on() && cpu < cpu_count(); cpu++) {
        status = remote_call(cpu, begin_here, NULL);
        if (status != 0)
            break;
    }
    return status;
}

const struct driver asleep_driver = {.name = "asleep", .probe = asleep_probe};
