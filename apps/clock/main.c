/*
 * Say what time it is, for tests that compare it with the host's:
 *
 *   clock GAP COUNT [there]
 *
 * COUNT times twenty lines, 20 ms apart, and between them a sleep of GAP ms, in
 * which nothing runs. A line holds the time since boot and the wall time in
 * microseconds. With "there" CPU 1 does it.
 */
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { LINES = 20, LINE_MS = 20 };

static uint64_t gap_ms, rounds;

static void say_time(void)
{
    uint64_t now = time_ns();
    uint64_t wall = time_wall_ns();

    console_print("clock: %llu %llu\n", (unsigned long long)(now / NS_PER_US),
                  (unsigned long long)(wall / NS_PER_US));
}

static int run(void *arg)
{
    (void)arg;
    for (uint64_t round = 0; round < rounds; round++) {
        if (round > 0)
            thread_sleep(gap_ms * NS_PER_MS);
        for (unsigned line = 0; line < LINES; line++) {
            say_time();
            thread_sleep(LINE_MS * NS_PER_MS);
        }
    }
    return 0;
}

static int app_main(int argc, char **argv)
{
    struct thread_attr attr = {.name = "clock"};
    thread_id id;
    int status;

    if (argc < 3 || argc > 4 || str_to_u64(argv[1], &gap_ms) != 0 ||
        str_to_u64(argv[2], &rounds) != 0) {
        log_error("clock: the gap in ms, how often, then perhaps there");
        return 2;
    }
    if (argc == 4) {
        attr.place = THREAD_ON_CPU;
        attr.cpu = 1;
    }
    if (thread_create(&attr, run, NULL, &id) != 0 ||
        thread_join(id, &status) != 0)
        return 1;
    return 0;
}

const struct torc_app torc_app = {
    .name = "clock",
    .main = app_main,
    .has_arguments = true,
};
