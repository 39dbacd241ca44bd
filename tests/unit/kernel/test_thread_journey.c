/*
 * Threads on other CPUs than their own: where they are after each journey, and
 * what others do to them there.
 */
#include "kernel/thread/sched.h"
#include "kernel/thread/thread.h"
#include "kernel/thread/thread_internal.h"
#include "kernel/thread/thread_list.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdatomic.h>
#include <string.h>
#include <torc/errno.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { CPUS = 4, MEM = 8 << 20 };

static int run(int (*fn)(void *))
{
    return machine_run(CPUS, MEM, fn, NULL);
}

/* ---- By itself ----------------------------------------------------------- */

/* From home out, from one foreign CPU to the next, home again, and nowhere. */
static int travel(void *arg)
{
    static const unsigned stations[] = {1, 2, 2, 3, 0, 0, 3, 1, 3, 0, 2};

    (void)arg;
    for (size_t i = 0; i < COUNT_OF(stations); i++) {
        struct thread_info info;

        if (thread_migrate(stations[i]) != 0 || cpu_id() != stations[i])
            return (int)i + 1;
        if (thread_get_info(thread_self(), &info) != 0 ||
            info.cpu != stations[i])
            return (int)i + 21;
        /* Away from home it waits for the answer. */
        if (info.state != (cpu_id() == 0 ? THREAD_RUNNING : THREAD_WAITING))
            return (int)i + 81;
        thread_yield();
        thread_sleep(NS_PER_US);
        if (cpu_id() != stations[i])
            return (int)i + 41;
    }
    if (thread_migrate(CPUS) != -EINVAL || cpu_id() != 2)
        return 60;
    return 61; /* ends away from home */
}

static int travel_and_join(void *arg)
{
    thread_id id;
    int value;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        if (thread_create(NULL, travel, NULL, &id) != 0)
            return 1;
        if (thread_join(id, &value) != 0)
            return 2;
        if (value != 61)
            return value;
        if (thread_join(id, NULL) != -ESRCH || thread_kill(id) != -ESRCH)
            return 3;
    }
    return 0;
}

static void test_journey_by_itself(void **state)
{
    (void)state;
    assert_int_equal(run(travel_and_join), 0);
}

/* ---- By others ----------------------------------------------------------- */

static atomic_uint turns;
static atomic_uint seen_cpu; /* where the last turn was */

static int count_turns(void *arg)
{
    (void)arg;
    for (;;) {
        atomic_store(&seen_cpu, cpu_id());
        atomic_fetch_add(&turns, 1);
        thread_yield();
    }
    return 0;
}

/* Whether it has more turns, on that CPU. */
static bool runs_on(unsigned cpu)
{
    unsigned before = atomic_load(&turns);
    uint64_t end = time_ns() + 10 * NS_PER_S;

    while (time_ns() < end) {
        thread_sleep(NS_PER_US);
        if (atomic_load(&turns) > before + 2 && atomic_load(&seen_cpu) == cpu)
            return true;
    }
    return false;
}

static bool stands_still(void)
{
    unsigned before;

    thread_sleep(NS_PER_MS); /* it may be in the middle of a turn */
    before = atomic_load(&turns);
    thread_sleep(2 * NS_PER_MS);
    return atomic_load(&turns) == before;
}

static bool is(thread_id id, unsigned cpu, enum thread_state state)
{
    struct thread_info info;

    return thread_get_info(id, &info) == 0 && info.cpu == cpu &&
           info.state == state && strcmp(info.name, "guest") == 0;
}

/* Everything that can be done to a thread, while it is on `cpu`. */
static int handle(thread_id id, unsigned cpu)
{
    if (thread_move(id, cpu) != 0 || !runs_on(cpu))
        return 1;
    if (thread_suspend(id) != 0 || !stands_still())
        return 2;
    if (!is(id, cpu, THREAD_SUSPENDED))
        return 3;
    if (thread_resume(id) != 0 || !runs_on(cpu))
        return 4;
    /* Moved while suspended, it goes when it may go on. */
    if (thread_suspend(id) != 0 || !stands_still())
        return 5;
    if (thread_move(id, (cpu + 1) % CPUS) != 0 || !stands_still())
        return 6;
    if (!is(id, cpu, THREAD_SUSPENDED))
        return 7;
    if (thread_resume(id) != 0 || !runs_on((cpu + 1) % CPUS))
        return 8;
    return 0;
}

static int handle_guest(void *arg)
{
    const struct thread_attr attr = {.name = "guest"};
    thread_id id;
    int value;

    (void)arg;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        int line;

        if (thread_create(&attr, count_turns, NULL, &id) != 0)
            return 101;
        line = handle(id, cpu);
        if (line != 0)
            return (int)cpu * 10 + line;
        if (thread_kill(id) != 0)
            return 102;
        if (thread_join(id, &value) != 0 || value != -ECANCELED)
            return 103;
        if (thread_suspend(id) != -ESRCH || thread_move(id, 1) != -ESRCH)
            return 104;
    }
    return 0;
}

/* The same from a CPU that is neither its home nor where it is. */
static int handle_from_afar(void *arg)
{
    (void)arg;
    return remote_call(3, handle_guest, NULL);
}

static void test_journey_by_others(void **state)
{
    (void)state;
    assert_int_equal(run(handle_guest), 0);
    assert_int_equal(run(handle_from_afar), 0);
}

/* ---- On the list of its host --------------------------------------------- */

enum { ROWS = 16 };

/* The rows of a list of this CPU that are the guest's, of `max` at most. */
static int list_guest(void *arg)
{
    struct thread_row rows[ROWS];
    unsigned max = *(unsigned *)arg;
    unsigned count = thread_list(rows, max);
    int found = 0;

    assert_true(count <= max);
    sched_check(cpu_self());
    table_check(cpu_self());
    for (unsigned i = 0; i < count; i++)
        found += strcmp(rows[i].name, "guest") == 0;
    return found;
}

static int list_guest_on(unsigned cpu, unsigned max)
{
    return remote_call(cpu, list_guest, &max);
}

static int list_everywhere(void *arg)
{
    const struct thread_attr attr = {.name = "guest"};
    struct thread_row rows[ROWS];
    thread_id id;

    (void)arg;
    if (thread_create(&attr, count_turns, NULL, &id) != 0 ||
        thread_move(id, 1) != 0 || !runs_on(1))
        return 1;
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        if (list_guest_on(cpu, ROWS) != (cpu == 1))
            return 2;
    }
    if (list_guest_on(1, 0) != 0 || thread_list(rows, 1) != 1)
        return 3;
    if (thread_move(id, 0) != 0 || !runs_on(0))
        return 4;
    if (list_guest_on(1, ROWS) != 0 || list_guest_on(0, ROWS) != 1)
        return 5;
    return thread_kill(id) != 0 || thread_join(id, NULL) != 0 ? 6 : 0;
}

static void test_guests_are_listed_where_they_are(void **state)
{
    (void)state;
    assert_int_equal(run(list_everywhere), 0);
}

/* ---- Ends far away ------------------------------------------------------- */

static int go_and_end(void *arg)
{
    return thread_migrate(*(unsigned *)arg) == 0 ? 33 : 1;
}

static int count_table(void *arg)
{
    (void)arg;
    return (int)cpu_self()->thread_count;
}

/* Joined before and after, and detached before and after its end: nothing is
 * left of it anywhere. */
static int end_as_guest(void *arg)
{
    static const unsigned there = 2;
    struct thread_info info;
    thread_id id;
    int before = count_table(NULL);
    int value;

    (void)arg;
    for (int way = 0; way < 4; way++) {
        if (thread_create(NULL, go_and_end, (void *)(uintptr_t)&there, &id) !=
            0)
            return 1;
        if (way == 0 && (thread_join(id, &value) != 0 || value != 33))
            return 2;
        if (way == 1 && thread_detach(id) != 0)
            return 3;
        while (way >= 2 && thread_get_info(id, &info) == 0 &&
               info.state != THREAD_ENDED)
            thread_sleep(NS_PER_US);
        if (way == 2 && (info.cpu != cpu_id() || thread_join(id, &value) != 0 ||
                         value != 33))
            return 4;
        if (way == 3 && thread_detach(id) != 0)
            return 5;
        for (int i = 0; i < 1000 && count_table(NULL) != before; i++)
            thread_sleep(NS_PER_US);
        if (count_table(NULL) != before)
            return 6;
        if (thread_get_info(id, &info) != -ESRCH)
            return 7;
    }
    return 0;
}

/* The next thread in the slot of a guest is at home. */
static int stay_behind_a_guest(void *arg)
{
    static const unsigned there = 2;
    struct thread_info info;
    thread_id guest, id;

    if (thread_create(NULL, go_and_end, (void *)(uintptr_t)&there, &guest) != 0)
        return 1;
    if (thread_join(guest, NULL) != 0)
        return 2;
    if (thread_create(NULL, count_turns, arg, &id) != 0 || id == guest)
        return 3;
    if ((id & 0xffffff) != (guest & 0xffffff))
        return 4;
    if (thread_get_info(id, &info) != 0 || info.cpu != cpu_id() ||
        !runs_on(cpu_id()))
        return 5;
    return thread_kill(id) == 0 && thread_join(id, NULL) == 0 ? 0 : 6;
}

static void test_journey_that_ends_far_away(void **state)
{
    (void)state;
    assert_int_equal(run(end_as_guest), 0);
    assert_int_equal(run(stay_behind_a_guest), 0);
}

/* ---- A thread that an errand is after ------------------------------------ */

static atomic_bool may_go;

static int go_in_two_steps(void *arg)
{
    (void)arg;
    if (thread_migrate(1) != 0)
        return 1;
    while (!atomic_load(&may_go))
        thread_yield();
    if (thread_migrate(2) != 0 || cpu_id() != 2)
        return 2;
    return thread_current()->parked ? 3 : 44;
}

/* While an errand with a hold is out, the thread stays when it comes by. */
static int hold_at_home(void *arg)
{
    struct thread_entry *entry;
    struct thread_info info;
    thread_id id;
    int value;

    (void)arg;
    if (thread_create(NULL, go_in_two_steps, NULL, &id) != 0)
        return 1;
    do {
        thread_yield();
        if (thread_get_info(id, &info) != 0)
            return 2;
    } while (info.cpu != 1);
    entry = table_entry(cpu_self(), id);
    entry->holds = 1; /* as if one were out */
    atomic_store(&may_go, true);
    while (!entry->thread->parked)
        thread_sleep(NS_PER_US);
    for (int i = 0; i < 3; i++) {
        if (thread_get_info(id, &info) != 0 || info.cpu != 0)
            return 3;
        if (!entry->thread->parked || info.state != THREAD_MOVING)
            return 4;
    }
    entry->holds = 0; /* it is back: the next one lets the thread go on */
    if (thread_get_info(id, &info) != 0 || thread_join(id, &value) != 0)
        return 5;
    return value == 44 ? 0 : 10 + value;
}

static void test_journey_is_held_up(void **state)
{
    (void)state;
    assert_int_equal(run(hold_at_home), 0);
}

/* ---- Places of new threads ----------------------------------------------- */

static int where(void *arg)
{
    (void)arg;
    return (int)cpu_id();
}

/* Dealt round, from the CPU behind the one that creates them. */
static int spread(void *arg)
{
    const struct thread_attr attr = {.place = THREAD_SPREAD};

    (void)arg;
    for (unsigned i = 1; i < 3 * CPUS; i++) {
        thread_id id;
        int value;

        if (thread_create(&attr, where, NULL, &id) != 0 ||
            thread_join(id, &value) != 0)
            return 1;
        if (value != (int)((cpu_id() + i) % CPUS))
            return 2;
    }
    return 0;
}

static int spread_from_each(void *arg)
{
    int status = 0;

    (void)arg;
    for (unsigned cpu = 0; cpu < CPUS && status == 0; cpu++)
        status = remote_call(cpu, spread, NULL);
    return status;
}

static void test_threads_are_spread(void **state)
{
    (void)state;
    assert_int_equal(run(spread_from_each), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journey_by_itself),
        cmocka_unit_test(test_journey_by_others),
        cmocka_unit_test(test_guests_are_listed_where_they_are),
        cmocka_unit_test(test_journey_that_ends_far_away),
        cmocka_unit_test(test_journey_is_held_up),
        cmocka_unit_test(test_threads_are_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
