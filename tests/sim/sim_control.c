/*
 * What threads do to one another, with the effect observed: a suspended thread
 * does not run, a killed one runs its cleanups once, who joins gets the value,
 * a mutex goes to who came first, each message arrives once.
 */
#include "hal/posix/sim/sim.h"
#include "tests/sim/runner.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/sync.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { WORKERS = 4, PATIENCE_NS = 50 * 1000 * 1000 };

/* The first rule that was broken; the run ends with it. */
static bool broken;

static bool expect(bool holds, const char *rule)
{
    if (!holds && !broken)
        log_error("control: %s", rule);
    broken = broken || !holds;
    return holds;
}

static unsigned draw(unsigned n)
{
    return hal_choose(n, SIM_WORK);
}

static const struct thread_attr somewhere = {.place = THREAD_SPREAD};

/* ---- Suspend, resume, move, kill ----------------------------------------- */

/* One CPU at a time touches these: the machine is simulated by one thread. */
static struct worker {
    thread_id id;
    unsigned turns;
    unsigned cleaned;
} workers[WORKERS];

static void worker_clean(void *arg)
{
    struct worker *worker = arg;

    thread_yield(); /* a cleanup may wait */
    worker->cleaned++;
}

static int worker_main(void *arg)
{
    struct worker *worker = arg;
    struct thread_cleanup cleanup;

    thread_cleanup_push(&cleanup, worker_clean, worker);
    for (;;) {
        worker->turns++;
        if (draw(3) != 0)
            thread_yield();
        else if (draw(2) == 0)
            thread_sleep(draw(3000));
        else if (thread_migrate(draw(cpu_count())) != 0)
            return 1;
    }
}

/* Whether it gets another turn. */
static bool goes_on(const struct worker *worker)
{
    uint64_t end = time_ns() + PATIENCE_NS;
    unsigned turns = worker->turns;

    while (worker->turns == turns) {
        if (time_ns() >= end)
            return false;
        thread_sleep(500);
    }
    return true;
}

static void check_suspend(struct worker *worker)
{
    unsigned turns;

    expect(thread_suspend(worker->id) == 0, "a live thread is not found");
    turns = worker->turns;
    thread_sleep(draw(20000));
    expect(worker->turns == turns, "a suspended thread has run");
    expect(thread_resume(worker->id) == 0, "a suspended thread is not found");
    expect(goes_on(worker), "a resumed thread does not go on");
}

/* It may go on elsewhere by itself, at once; but it comes by. */
static void check_move(struct worker *worker)
{
    expect(thread_move(worker->id, draw(cpu_count())) == 0,
           "a live thread cannot be moved");
    expect(goes_on(worker), "a moved thread does not go on");
}

static void check_kill(struct worker *worker)
{
    int value = 0;

    expect(thread_kill(worker->id) == 0, "a live thread cannot be killed");
    expect(thread_join(worker->id, &value) == 0, "a killed thread is lost");
    expect(value == -ECANCELED, "a killed thread has another exit value");
    expect(worker->cleaned == 1, "a cleanup did not run once");
    expect(thread_kill(worker->id) == -ESRCH, "a thread that is gone is found");
}

static void control_workers(void)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        if (!expect(thread_create(&somewhere, worker_main, &workers[i],
                                  &workers[i].id) == 0,
                    "a worker cannot be created"))
            return;
    }
    for (unsigned i = 0; i < 6 && !broken; i++) {
        if (draw(3) == 0)
            check_move(&workers[draw(WORKERS)]);
        else
            check_suspend(&workers[draw(WORKERS)]);
    }
    for (unsigned i = 0; i < WORKERS && !broken; i++)
        check_kill(&workers[i]);
}

/* ---- Join ---------------------------------------------------------------- */

static thread_id joined_id;
static int joined_value;
static unsigned joins[3]; /* got it, too late, somebody else does */

static int give_value(void *arg)
{
    if (draw(2) == 0)
        thread_sleep(draw(5000));
    if (draw(2) == 0 && thread_migrate(draw(cpu_count())) != 0)
        return -1;
    return (int)(uintptr_t)arg;
}

static int join_it(void *arg)
{
    int value = -1;
    int status;

    (void)arg;
    thread_sleep(draw(5000));
    status = thread_join(joined_id, &value);
    expect(status == 0 || status == -ESRCH || status == -EBUSY,
           "a join fails with another error");
    joins[status == 0 ? 0 : status == -ESRCH ? 1 : 2]++;
    expect(status != 0 || value == joined_value, "a join gives another value");
    return 0;
}

static void join_twice(void)
{
    thread_id joiner[2];

    joins[0] = joins[1] = joins[2] = 0;
    joined_value = (int)draw(1000);
    expect(thread_create(&somewhere, give_value,
                         (void *)(uintptr_t)joined_value, &joined_id) == 0,
           "a thread cannot be created");
    for (unsigned i = 0; i < 2 && !broken; i++)
        expect(thread_create(&somewhere, join_it, NULL, &joiner[i]) == 0,
               "a thread cannot be created");
    for (unsigned i = 0; i < 2 && !broken; i++)
        expect(thread_join(joiner[i], NULL) == 0, "a joiner is lost");
    expect(joins[0] == 1, "not one of two joins was successful");
}

/* ---- A mutex goes to who came first -------------------------------------- */

static struct mutex *mutex;
static unsigned tickets, served, holders;

static int take_turn(void *arg)
{
    unsigned ticket;

    (void)arg;
    for (unsigned i = 0; i < 3; i++) {
        ticket = tickets++; /* nothing runs between this and the queue */
        if (!expect(mutex_lock(mutex, TIME_NEVER) == 0, "a mutex has an error"))
            return 1;
        expect(++holders == 1, "a mutex has two holders");
        expect(ticket == served++, "a mutex went to who came later");
        if (draw(2) == 0)
            thread_sleep(draw(3000));
        else
            thread_yield();
        holders--;
        expect(mutex_unlock(mutex) == 0, "a holder cannot unlock");
        if (draw(2) == 0)
            thread_yield();
    }
    return 0;
}

static void mutex_in_order(void)
{
    thread_id ids[WORKERS];

    tickets = served = holders = 0;
    if (!expect(mutex_create(&mutex) == 0, "no mutex"))
        return;
    for (unsigned i = 0; i < WORKERS; i++) {
        if (!expect(thread_create(NULL, take_turn, NULL, &ids[i]) == 0,
                    "a thread cannot be created"))
            return;
    }
    for (unsigned i = 0; i < WORKERS && !broken; i++)
        expect(thread_join(ids[i], NULL) == 0, "a thread is lost");
    expect(mutex_destroy(mutex) == 0, "a mutex is still held");
}

/* ---- Each message arrives once ------------------------------------------- */

enum { SENDERS = 3, MESSAGES = 8, CAPACITY = 4 * SENDERS * MESSAGES };

static struct channel *channel;
static unsigned arrived[SENDERS][MESSAGES];
static unsigned arrived_count;

static int send_all(void *arg)
{
    uint64_t sender = (uintptr_t)arg;

    for (uint64_t i = 0; i < MESSAGES; i++) {
        expect(channel_send(channel, sender << 32 | i) == 0,
               "a message cannot be sent");
        if (draw(2) == 0)
            thread_yield();
    }
    return 0;
}

/* Receives until it is killed, in the middle of a wait mostly. */
static int receive_some(void *arg)
{
    uint64_t value;

    (void)arg;
    while (channel_receive(channel, TIME_NEVER, &value) == 0) {
        arrived[value >> 32][value & 0xffffffff]++;
        arrived_count++;
    }
    return 1;
}

static void receivers_come_and_go(void)
{
    uint64_t end = time_ns() + PATIENCE_NS;
    thread_id id[2] = {0, 0};

    while (arrived_count < SENDERS * MESSAGES) {
        unsigned i = draw(2);

        if (!expect(time_ns() < end, "a message has not arrived"))
            return;
        if (id[i] != 0) {
            expect(thread_kill(id[i]) == 0 && thread_join(id[i], NULL) == 0,
                   "a receiver is lost");
            id[i] = 0;
        } else {
            expect(thread_create(NULL, receive_some, NULL, &id[i]) == 0,
                   "a receiver cannot be created");
        }
        thread_sleep(draw(2000));
    }
    for (unsigned i = 0; i < 2; i++) {
        if (id[i] != 0)
            expect(thread_kill(id[i]) == 0 && thread_join(id[i], NULL) == 0,
                   "a receiver is lost");
    }
}

static void messages_arrive_once(void)
{
    thread_id senders[SENDERS];

    if (!expect(channel_create(CAPACITY, &channel) == 0, "no channel"))
        return;
    for (uintptr_t i = 0; i < SENDERS; i++) {
        if (!expect(thread_create(&somewhere, send_all, (void *)i,
                                  &senders[i]) == 0,
                    "a sender cannot be created"))
            return;
    }
    receivers_come_and_go();
    for (unsigned i = 0; i < SENDERS && !broken; i++)
        expect(thread_join(senders[i], NULL) == 0, "a sender is lost");
    for (unsigned i = 0; i < SENDERS * MESSAGES; i++)
        expect(arrived[i / MESSAGES][i % MESSAGES] == 1,
               "a message has arrived twice, or never");
    expect(channel_destroy(channel) == 0, "a channel is still in use");
}

/* ---- All of it ----------------------------------------------------------- */

static int control(void)
{
    control_workers();
    for (unsigned i = 0; i < 3 && !broken; i++)
        join_twice();
    if (!broken)
        mutex_in_order();
    if (!broken)
        messages_arrive_once();
    return broken;
}

int main(int argc, char **argv)
{
    static const struct scenario scenario = {
        .name = "control",
        .cpus_min = 2,
        .cpus_max = 5,
        .mem_bytes = 2 << 20,
        .run = control,
    };

    return sim_main(argc, argv, &scenario);
}
