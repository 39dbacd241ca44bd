/*
 * Threads that do nothing but migrate, and others that ask for them: an errand
 * must find its thread, however it moves. That it misses it at most twice is
 * asserted in thread_control.c.
 */
#include "hal/posix/sim/sim.h"
#include "tests/sim/runner.h"
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { RUNNERS = 2, HUNTERS = 3, ROUNDS = 6 };

static thread_id runners[RUNNERS];

static int run_away(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;

    for (;;) {
        cpu = (cpu + 1 + hal_choose(cpu_count() - 1, SIM_WORK)) % cpu_count();
        if (thread_migrate(cpu) != 0)
            return 1;
    }
}

static int hunt(void *arg)
{
    struct thread_info info;

    (void)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        thread_id id = runners[hal_choose(RUNNERS, SIM_WORK)];
        int status;

        switch (hal_choose(4, SIM_WORK)) {
        case 0:
            status = thread_suspend(id);
            if (status == 0)
                status = thread_resume(id);
            break;
        case 1:
            status = thread_move(id, hal_choose(cpu_count(), SIM_WORK));
            break;
        default:
            status = thread_get_info(id, &info);
        }
        if (status != 0)
            return 1;
    }
    return 0;
}

static int chase(void)
{
    thread_id hunters[HUNTERS];
    int value;

    for (uintptr_t i = 0; i < RUNNERS; i++) {
        if (thread_create(NULL, run_away, (void *)i, &runners[i]) != 0)
            return __LINE__;
    }
    for (unsigned i = 0; i < HUNTERS; i++) {
        const struct thread_attr attr = {.place = THREAD_SPREAD};

        if (thread_create(&attr, hunt, NULL, &hunters[i]) != 0)
            return __LINE__;
    }
    for (unsigned i = 0; i < HUNTERS; i++) {
        if (thread_join(hunters[i], &value) != 0 || value != 0)
            return __LINE__;
    }
    for (unsigned i = 0; i < RUNNERS; i++) {
        /* Suspended by two hunters and resumed by the first, or so. */
        if (thread_kill(runners[i]) != 0 ||
            thread_join(runners[i], &value) != 0 || value != -ECANCELED)
            return __LINE__;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct scenario scenario = {
        .name = "chase",
        .cpus_min = 3,
        .cpus_max = 5,
        .mem_bytes = 2 << 20,
        .run = chase,
    };

    return sim_main(argc, argv, &scenario);
}
