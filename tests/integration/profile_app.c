/*
 * The application of the profile's test: between the marks it calls functions
 * of which it is known what they execute (profile_known.S), ROUNDS times.
 */
#include "apps/bench/bench.h"
#include <stddef.h>
#include <torc/app.h>
#include <torc/log.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { ROUNDS = 10, DEPTH = 5, STRING = 64 };

void known_middle(void);
void known_tail(void);
void known_deep(unsigned depth);
void known_string(char *text);
void known_spin(void);
void known_outer_a(void);
void known_outer_b(void);

static int strand_a(void *arg)
{
    (void)arg;
    known_outer_a();
    return 0;
}

static int strand_b(void *arg)
{
    (void)arg;
    known_outer_b();
    return 0;
}

static int sleeper(void *arg)
{
    (void)arg;
    thread_sleep(NS_PER_MS);
    return 0;
}

/* A timer interrupts known_spin(). */
static int spin(void)
{
    thread_id id;
    int status = thread_create(NULL, sleeper, NULL, &id);

    if (status != 0)
        return status;
    thread_yield();
    known_spin();
    return thread_join(id, NULL);
}

static int switch_threads(void)
{
    thread_id a, b;
    int status = thread_create(NULL, strand_a, NULL, &a);

    if (status == 0)
        status = thread_create(NULL, strand_b, NULL, &b);
    if (status == 0)
        status = thread_join(a, NULL);
    if (status == 0)
        status = thread_join(b, NULL);
    return status;
}

static int app_main(int argc, char **argv)
{
    char text[STRING];
    int status = 0;

    (void)argc;
    (void)argv;
    bench_begin();
    for (unsigned i = 0; i < ROUNDS && status == 0; i++) {
        known_middle();
        known_tail();
        known_deep(DEPTH);
        known_string(text);
        status = spin();
        if (status == 0)
            status = switch_threads();
        thread_sleep(NS_PER_MS); /* nobody is ready: the CPU sleeps */
    }
    bench_end();
    console_print("bench known %u 0\n", ROUNDS);
    return status;
}

const struct torc_app torc_app = {
    .name = "profile_app", .main = app_main, .has_arguments = true};
