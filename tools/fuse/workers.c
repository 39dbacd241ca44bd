/*
 * Threads that answer Linux: one leads, which means that it waits for the next
 * request. When it has one, it hands the lead on and answers; so a request that
 * waits for the disk does not stop the others. Who was idle last leads next:
 * what it has used is still in the processor's cache.
 */
#include "tools/fuse/workers.h"
#include "hal/hal.h"
#include "hal/posix/kernel/cpu.h"
#include "hal/posix/kernel/memory.h"
#include "kernel/cpu/irq_work.h"
#include "kernel/thread/wait.h"
#include "tools/fuse/host/ahead.h"
#include "tools/fuse/host/conn.h"
#include "tools/fuse/host/serve.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    WORKERS = 32,
    STACK_SIZE = 64 * 1024, /* libfuse and libc run on it */
    TURN = 16,              /* requests, until other threads get the CPU */
    PATIENCE_MIN_NS = 2000,
    PATIENCE_MAX_NS = 50000,
    LOOKS = 32, /* then it is counted how many were */
    LOOKS_SPOILT = 8,
    CROWDED_MIN_NS = 10000000, /* without looks then */
    CROWDED_MAX_NS = NS_PER_S,
    DRY_MIN = 4,
    DRY_TURN = 16,
};

struct worker {
    struct conn_request *request;
    struct serve_data *data;
    struct wait_queue wake;
    struct worker *next_idle;
    thread_id thread;
};

/* Of the CPU that serves. */
static struct pool {
    struct worker workers[WORKERS];
    struct worker *idle;    /* that has been so for the shortest time */
    struct worker *leader;  /* NULL: nobody */
    bool leads;             /* the leader has begun to */
    struct wait_queue come; /* the leader waits for a request */
    bool has_come;
    unsigned dry;         /* requests in a row that did not wait to be taken */
    uint64_t patience_ns; /* how long the leader looks before it sleeps */
    uint64_t patience_max_ns; /* 0: there is one processor, or it is not to */
    unsigned looks;           /* of LOOKS */
    uint64_t crowded_ns;      /* how long others were taken to want it */
    uint64_t crowded_until_ns;
    bool is_over;
    int status;
    struct irq_work work;
} pool;

/* ---- Interrupts ---------------------------------------------------------- */

static void come_irq(void *arg)
{
    (void)arg;
    irq_work_raise(&pool.work);
}

static void come_run(struct irq_work *work)
{
    (void)work;
    pool.has_come = true;
    wait_wake_all(&pool.come);
}

/* ---- Workers ------------------------------------------------------------- */

static void idle_push(struct worker *worker)
{
    worker->next_idle = pool.idle;
    pool.idle = worker;
}

/* Let an idle worker lead, as soon as it runs. */
static void lead_give(void)
{
    struct worker *next = pool.idle;

    pool.leader = next;
    pool.leads = false;
    if (next == NULL)
        return;
    pool.idle = next->next_idle;
    wait_wake_all(&next->wake);
}

/* Who comes back before another one has begun to lead leads again. */
static void lead_take(struct worker *worker)
{
    if (pool.leads) {
        idle_push(worker);
        while (pool.leader != worker && !pool.is_over)
            wait_on(&worker->wake);
    } else {
        if (pool.leader != NULL && pool.leader != worker)
            idle_push(pool.leader);
        pool.leader = worker;
    }
    pool.leads = true;
}

static void over(int status)
{
    pool.is_over = true;
    pool.status = status;
    for (unsigned i = 0; i < WORKERS; i++)
        wait_wake_all(&pool.workers[i].wake);
}

/* Of these looks many ended late, since Linux let somebody else run: who asks
 * wants this processor, too, or others do. Soon again: for twice as long. */
static void displaced(uint64_t now)
{
    bool again = now < pool.crowded_until_ns + pool.crowded_ns;

    pool.crowded_ns = again ? pool.crowded_ns * 2 : CROWDED_MIN_NS;
    if (pool.crowded_ns > CROWDED_MAX_NS)
        pool.crowded_ns = CROWDED_MAX_NS;
    pool.crowded_until_ns = now + pool.crowded_ns;
}

/* Let others run, and look again and again, for as long as that has been worth
 * it lately. Returns as conn_receive(). */
static int look_on(struct worker *worker)
{
    uint64_t end = time_ns() + pool.patience_ns;
    int status = -EAGAIN;

    if (pool.looks++ == 0)
        (void)conn_displaced();
    while (status == -EAGAIN && time_ns() < end) {
        thread_yield();
        hal_cpu_relax();
        status = conn_receive(worker->request);
    }
    if (status == -EAGAIN)
        pool.patience_ns /= 2;
    if (pool.looks == LOOKS) {
        pool.looks = 0;
        if (conn_displaced() >= LOOKS_SPOILT)
            displaced(time_ns());
    }
    return status;
}

/* Sleep until there is something. If that was soon, the next look is longer. */
static void sleep(void)
{
    uint64_t begin = time_ns();

    conn_arm();
    cpu_watch_ring();
    while (!pool.has_come)
        wait_on(&pool.come);
    pool.has_come = false; /* not before: the end may have come already */
    if (pool.patience_max_ns > 0 && time_ns() - begin < pool.patience_max_ns)
        pool.patience_ns = pool.patience_max_ns;
}

/* Whether it is worth it, and others do not want the processor. */
static bool may_look_on(void)
{
    return pool.patience_ns > PATIENCE_MIN_NS &&
           time_ns() >= pool.crowded_until_ns;
}

/*
 * Take a request that waits. A program that makes one call after the other has
 * never made the next one when the answer is out, so after some of that kind
 * only each 16th time is a look.
 */
static int receive_now(struct worker *worker)
{
    int status;

    if (pool.dry >= DRY_MIN && ++pool.dry % DRY_TURN != 0)
        return -EAGAIN;
    status = conn_receive(worker->request);
    if (status != -EAGAIN)
        pool.dry = 0;
    else if (pool.dry < DRY_MIN)
        pool.dry++;
    return status;
}

/* Wait for a request. Returns whether there is one. */
static bool receive(struct worker *worker)
{
    int status = receive_now(worker);

    while (status == -EAGAIN) {
        if (may_look_on())
            status = look_on(worker);
        if (status == -EAGAIN) {
            sleep();
            status = conn_receive(worker->request);
        }
    }
    if (status != 1)
        over(status);
    return status == 1;
}

static int worker_run(void *arg)
{
    struct worker *worker = arg;
    unsigned turn = TURN;

    for (;;) {
        lead_take(worker);
        if (pool.is_over || !receive(worker))
            return 0;
        lead_give();
        conn_process(worker->request);
        ahead_used(mem_total_bytes() - mem_free_bytes());
        if (--turn == 0) {
            turn = TURN;
            thread_yield();
        }
    }
}

/* ---- The pool ------------------------------------------------------------ */

static void worker_fini(struct worker *worker)
{
    if (worker->request != NULL)
        conn_request_free(worker->request);
    if (worker->data != NULL)
        serve_data_free(worker->data);
}

static int worker_init(struct worker *worker)
{
    const struct thread_attr attr = {.name = "fuse", .stack_size = STACK_SIZE};

    *worker = (struct worker){.data = serve_data_new()};
    wait_queue_init(&worker->wake);
    if (worker->data != NULL)
        worker->request = conn_request_new(worker->data);
    if (worker->request != NULL &&
        thread_create(&attr, worker_run, worker, &worker->thread) == 0)
        return 0;
    worker_fini(worker);
    return -ENOMEM;
}

/* The first `count` workers end when it is over. */
static void workers_join(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = &pool.workers[i];

        if (thread_join(worker->thread, NULL) != 0)
            log_warn("worker %u cannot be joined", i);
        worker_fini(worker);
    }
}

static int irq_open(void)
{
    uint64_t address;
    uint32_t data;
    int irq = hal_irq_msi(cpu_id(), &address, &data);
    int status;

    if (irq < 0)
        return irq;
    irq_work_init(&pool.work, come_run);
    status = hal_irq_attach(irq, cpu_id(), come_irq, NULL);
    return status != 0 ? status : irq;
}

int workers_run(void)
{
    int irq = irq_open();
    unsigned count = 0;
    int status;

    if (irq < 0)
        return irq;
    wait_queue_init(&pool.come);
    pool.patience_max_ns = conn_may_look_on() ? PATIENCE_MAX_NS : 0;
    status = conn_open(cpu_id(), irq);
    if (status != 0)
        return status;
    while (count < WORKERS && status == 0) {
        status = worker_init(&pool.workers[count]);
        count += status == 0;
    }
    if (count == 0) {
        conn_close();
        return status;
    }
    ahead_open((void *)machine_memory.base, machine_memory.size,
               conn_may_look_on());
    conn_ready();
    workers_join(count);
    conn_close();
    return pool.status;
}
