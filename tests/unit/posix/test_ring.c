/*
 * The rings of the CPUs (io_uring): what the host may refuse, sleeping and
 * waking, and rings that are full. Passes without a word where the host has no
 * io_uring.
 */
#include "hal/leaf.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/cpu.h"
#include "hal/posix/host/disk.h"
#include "hal/posix/host/ring.h"
#include "hal/posix/kernel/cpu.h"
#include "tests/unit/posix/checked_locks.h"
#include "tests/unit/posix/machine_bare.h"
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

/* ---- Linux --------------------------------------------------------------- */

static int refuse;               /* rings, with this errno */
static unsigned refuse_flags;    /* which Linux does not know */
static unsigned refuse_features; /* which Linux does not have */
static int refuse_submit;        /* with this errno */
static int refuse_eventfd;
static bool refuse_memory;
static bool refuse_probe;
static unsigned flags_seen;
static atomic_uint enters; /* system calls that submit or wait */

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params)
{
    int result;

    if (refuse != 0)
        return -refuse;
    if ((params->flags & refuse_flags) != 0)
        return -EINVAL;
    flags_seen = params->flags;
    result = LIBC(io_uring_queue_init_params)(entries, ring, params);
    params->features &= ~refuse_features;
    return result;
}

struct io_uring_probe *io_uring_get_probe_ring(struct io_uring *ring)
{
    struct io_uring_probe *probe = LIBC(io_uring_get_probe_ring)(ring);

    if (!refuse_probe)
        return probe;
    if (refuse_memory) {
        io_uring_free_probe(probe);
        return NULL;
    }
    probe->ops[IORING_OP_FALLOCATE].flags = 0;
    return probe;
}

int io_uring_submit(struct io_uring *ring)
{
    enters++;
    return refuse_submit != 0 ? -refuse_submit : LIBC(io_uring_submit)(ring);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                     struct io_uring_cqe **cqe, unsigned count,
                                     struct __kernel_timespec *time,
                                     sigset_t *mask)
{
    enters++;
    return LIBC(io_uring_submit_and_wait_timeout)(ring, cqe, count, time, mask);
}

int eventfd(unsigned count, int flags)
{
    if (refuse_eventfd != 0) {
        errno = refuse_eventfd;
        return -1;
    }
    return LIBC(eventfd)(count, flags);
}

/* ---- A machine whose CPU 0 has a ring ------------------------------------ */

static char path[64];
static int pipe_ends[2];
static char pipe_byte;
static unsigned dones;
static int done_result;

static int setup(void **state)
{
    int fd;

    (void)state;
    strcpy(path, "/tmp/torc_ring_XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 65536), 0);
    close(fd);
    assert_int_equal(pipe(pipe_ends), 0);
    refuse = refuse_submit = refuse_eventfd = 0;
    refuse_flags = refuse_features = 0;
    refuse_memory = refuse_probe = false;
    dones = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    refuse_submit = 0;
    bare_close();
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    unlink(path);
    return 0;
}

static void open_ring(void)
{
    bare_open((struct host_config){.cpus = 2});
    assert_int_equal(host_ring_open(0), 0);
    assert_int_equal(host_ring_open(0), 0); /* once more */
    assert_false(host_ring_busy(0));
}

static void done(struct host_ring_op *op, int result)
{
    assert_true(op->done == done);
    dones++;
    done_result = result;
}

static struct host_ring_op op = {.done = done};

static int push_pipe(void)
{
    struct io_uring_sqe sqe;

    memset(&sqe, 0, sizeof(sqe));
    io_uring_prep_read(&sqe, pipe_ends[0], &pipe_byte, 1, 0);
    return host_ring_push(0, &sqe, &op);
}

static int push_nop(void)
{
    struct io_uring_sqe sqe;

    memset(&sqe, 0, sizeof(sqe));
    io_uring_prep_nop(&sqe);
    return host_ring_push(0, &sqe, &op);
}

static void pipe_write(void)
{
    assert_int_equal(write(pipe_ends[1], "x", 1), 1);
}

/* What another thread does, after a while. */
static void *later(void *arg)
{
    void (*act)(void) = *(void (**)(void))arg;

    usleep(20000);
    act();
    return NULL;
}

static pthread_t do_later(void (**act)(void))
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, later, act), 0);
    return thread;
}

/* ---- What the host refuses ----------------------------------------------- */

/* clang-format off */
static const struct {
    const char *name;
    int error;
    unsigned flags, features;
    bool memory, probe;
    int want;
} refuse_rows[] = {
    {"nothing", 0, 0, 0, false, false, 0},
    {"no such call", ENOSYS, 0, 0, false, false, -ENOSYS},
    {"not for this process", EPERM, 0, 0, false, false, -EPERM},
    {"no memory", ENOMEM, 0, 0, false, false, -ENOMEM},
    {"6.0", 0, IORING_SETUP_DEFER_TASKRUN, 0, false, false, 0},
    {"5.18", 0, IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN, 0,
     false, false, 0},
    {"5.4", 0, IORING_SETUP_CQSIZE, 0, false, false, -EINVAL},
    {"5.12", 0, 0, IORING_FEAT_RSRC_TAGS, false, false, -ENOSYS},
    {"5.10", 0, 0, IORING_FEAT_EXT_ARG, false, false, -ENOSYS},
    {"an operation", 0, 0, 0, false, true, -ENOSYS},
    {"to say", 0, 0, 0, true, true, -ENOSYS},
};
/* clang-format on */

static void refuse_as(size_t row)
{
    refuse = refuse_rows[row].error;
    refuse_flags = refuse_rows[row].flags;
    refuse_features = refuse_rows[row].features;
    refuse_memory = refuse_rows[row].memory;
    refuse_probe = refuse_rows[row].probe;
}

static void test_what_the_host_has(void **state)
{
    unsigned before = fds_open();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refuse_rows); i++) {
        refuse_as(i);
        ROW(refuse_rows[i].name, host_ring_probe() == refuse_rows[i].want);
        ROW(refuse_rows[i].name, fds_open() == before);
    }
}

/* Transfers work with any of the flags. */
static void test_older_hosts(void **state)
{
    static const unsigned seen[] = {
        IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
            IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_CQSIZE | IORING_SETUP_COOP_TASKRUN |
            IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_CQSIZE,
    };
    static const size_t rows[] = {0, 4, 5};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        unsigned before = dones;

        refuse_as(rows[i]);
        open_ring();
        if (i > 0) /* this host may not have the first */
            assert_int_equal(flags_seen, seen[i]);
        assert_int_equal(push_pipe(), 0);
        assert_true(host_ring_busy(0));
        host_ring_submit(0);
        (void)host_ring_reap(0);
        assert_int_equal(dones, before);
        pipe_write();
        host_ring_sleep(0, UINT64_MAX);
        (void)host_ring_reap(0);
        assert_int_equal(dones, before + 1);
        assert_int_equal(done_result, 1);
        assert_false(host_ring_busy(0));
        bare_close();
    }
}

static void test_a_ring_that_cannot_be(void **state)
{
    unsigned before;

    (void)state;
    bare_open((struct host_config){0});
    before = fds_open();
    refuse = EPERM;
    assert_int_equal(host_ring_open(0), -EPERM);
    refuse = 0;
    refuse_eventfd = EMFILE;
    assert_int_equal(host_ring_open(0), -EMFILE);
    assert_int_equal(fds_open(), before);
    /* As if there were none. */
    host_ring_close(0);
    (void)host_ring_reap(0);
    host_ring_submit(0);
    host_ring_wake(0);
    assert_false(host_ring_busy(0));
}

static enum host_disk_engine engine;
static int open_status;

static void open_disk(void)
{
    const struct host_disk_config disk = {.path = path, .engine = engine};
    const struct host_config config = {.disk_count = 1, .disks = &disk};

    refuse = EPERM;
    if ((host_machine_prepare(&config) != NULL) != (open_status == 0))
        _exit(1);
    host_machine_close();
}

static void test_disks_without_io_uring(void **state)
{
    char text[512], want[512];

    (void)state;
    open_status = 0;
    engine = HOST_DISK_THREADS;
    assert_int_equal(bare_child(open_disk, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    engine = HOST_DISK_ANY;
    assert_int_equal(bare_child(open_disk, text, sizeof(text)), 0);
    snprintf(want, sizeof(want),
             "torc: threads serve disk '%s', since the host refuses io_uring: "
             "Operation not permitted\n",
             path);
    assert_string_equal(text, want);
    open_status = -1;
    engine = HOST_DISK_URING;
    assert_int_equal(bare_child(open_disk, text, sizeof(text)), 0);
    snprintf(want, sizeof(want),
             "torc: the host refuses io_uring for disk '%s': Operation not "
             "permitted; engine=threads needs none\n",
             path);
    assert_string_equal(text, want);
}

/* It is refused only when the queue is opened. */
static void test_a_queue_without_a_ring(void **state)
{
    const struct host_disk_config disk = {.path = path,
                                          .engine = HOST_DISK_URING};

    (void)state;
    bare_open((struct host_config){.disk_count = 1, .disks = &disk});
    refuse = ENOMEM;
    assert_int_equal(hal_blk_open(0, 0), -ENOMEM);
    refuse = 0;
    assert_true(hal_blk_open(0, 0) >= 0);
}

/* ---- Sleeping and waking ------------------------------------------------- */

static unsigned irqs;

static void raise_line(void)
{
    irq_raise(7);
}

/* Each of these ends the sleep of a CPU for which Linux works. */
static void test_what_ends_the_sleep(void **state)
{
    void (*acts[])(void) = {raise_line, pipe_write};
    uint64_t start;
    unsigned woken;

    (void)state;
    open_ring();
    irqs = 0;
    assert_int_equal(hal_irq_attach(7, 0, count_irq, &irqs), 0);
    assert_int_equal(push_pipe(), 0);
    host_ring_submit(0);
    cpu_watch_ring();

    /* Another thread. */
    for (unsigned round = 0; round < 3; round++) {
        pthread_t thread = do_later(&acts[0]);

        woken = enters;
        bare_wait(&irqs, round);
        assert_true(enters - woken <= 3);
        pthread_join(thread, NULL);
    }
    assert_int_equal(dones, 0);

    /* The timer. */
    start = hal_time_ns();
    irqs = 0;
    assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &irqs), 0);
    (void)hal_irq_save();
    hal_timer_set(start + 30 * MS);
    while (irqs == 0 && hal_time_ns() < start + 1000 * MS)
        hal_cpu_idle();
    assert_int_equal(irqs, 1);
    assert_true(hal_time_ns() - start >= 30 * MS);
    assert_true(hal_time_ns() - start < 500 * MS);

    /* A completion. */
    pthread_join(do_later(&acts[1]), NULL);
    hal_timer_set(hal_time_ns() + 5000 * MS);
    while (dones == 0 && irqs == 1)
        hal_cpu_idle();
    hal_timer_set(UINT64_MAX);
    assert_int_equal(irqs, 1);
    assert_int_equal(dones, 1);
}

/* The interrupt is there before it sleeps. */
static void test_a_wake_before_the_sleep(void **state)
{
    (void)state;
    open_ring();
    irqs = 0;
    assert_int_equal(hal_irq_attach(7, 0, count_irq, &irqs), 0);
    assert_int_equal(push_pipe(), 0);
    host_ring_submit(0);
    cpu_watch_ring();
    for (unsigned i = 0; i < 1000; i++) {
        irq_raise(7);
        bare_wait(&irqs, i);
    }
    /* Wakes that nobody waits for are no work to do, and lose no other. */
    for (unsigned i = 0; i < 10000; i++)
        host_ring_wake(0);
    host_ring_sleep(0, UINT64_MAX);
    (void)host_ring_reap(0);
    pipe_write();
    for (unsigned i = 0; dones == 0; i++) {
        assert_true(i < 10);
        host_ring_sleep(0, 1000 * MS);
        (void)host_ring_reap(0);
    }
}

static atomic_bool storm_ends;

static void *storm(void *arg)
{
    (void)arg;
    while (!atomic_load(&storm_ends))
        irq_raise(7);
    return NULL;
}

/* Wakes at any moment of the way into the sleep. */
static void test_a_storm_of_wakes(void **state)
{
    pthread_t thread;

    (void)state;
    open_ring();
    irqs = 0;
    assert_int_equal(hal_irq_attach(7, 0, count_irq, &irqs), 0);
    assert_int_equal(push_pipe(), 0);
    host_ring_submit(0);
    cpu_watch_ring();
    atomic_store(&storm_ends, false);
    assert_int_equal(pthread_create(&thread, NULL, storm, NULL), 0);
    for (unsigned i = 0; i < 20000; i++)
        bare_wait(&irqs, irqs);
    atomic_store(&storm_ends, true);
    pthread_join(thread, NULL);
}

/* Linux has no room for the poll that wakes: the sleep is short. */
static void test_a_sleep_that_cannot_be_ended_is_short(void **state)
{
    uint64_t start;

    (void)state;
    open_ring();
    refuse_submit = EBUSY;
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(push_pipe(), 0);
    assert_int_equal(push_pipe(), -EAGAIN);
    start = hal_time_ns();
    host_ring_sleep(0, UINT64_MAX);
    assert_true(hal_time_ns() - start < 1000 * MS);
    refuse_submit = 0;
    for (unsigned i = 0; i < 256; i++)
        pipe_write();
    start = hal_time_ns();
    while (dones < 256 && hal_time_ns() - start < 5000 * MS) {
        host_ring_sleep(0, UINT64_MAX);
        (void)host_ring_reap(0);
    }
    assert_int_equal(dones, 256);
}

/* ---- Full ---------------------------------------------------------------- */

/* As many as the completions have room for; with submissions in between. */
static void test_a_ring_has_room_for_4032(void **state)
{
    unsigned count = 0;

    (void)state;
    open_ring();
    while (count < 5000 && push_nop() == 0)
        count++;
    assert_int_equal(count, 4032);
    host_ring_submit(0);
    (void)host_ring_reap(0);
    assert_int_equal(dones, 4032);
    assert_int_equal(push_nop(), 0);
    assert_int_equal(dones, 4032);
}

/* No system call looks for what is not there. */
static void test_looking_is_no_system_call(void **state)
{
    unsigned before;

    (void)state;
    open_ring();
    assert_int_equal(push_pipe(), 0);
    host_ring_submit(0);
    cpu_watch_ring();
    hal_irq_restore(HAL_IRQS_ON);
    before = enters;
    for (unsigned i = 0; i < 1000; i++)
        hal_cpu_relax();
    assert_int_equal(enters, before);
    pipe_write();
    while (dones == 0)
        hal_cpu_relax();
    assert_int_equal(enters, before);
    /* Linux works no more: delivery points do not look there. */
    assert_ptr_equal(machine_attention, &machine_cpu[0].attention);
}

/* ---- The end ------------------------------------------------------------- */

static void test_close_waits(void **state)
{
    void (*act)(void) = pipe_write;
    pthread_t thread;

    (void)state;
    open_ring();
    assert_int_equal(push_pipe(), 0);
    host_ring_submit(0);
    thread = do_later(&act);
    host_machine_close();
    assert_int_equal(dones, 1);
    pthread_join(thread, NULL);
}

/* A child that was forked has not the operations of its parent. */
static void close_in_child(void)
{
    uint64_t start = host_time_ns();

    host_machine_close();
    if (host_time_ns() - start > 2000 * MS || dones != 0)
        _exit(1);
}

static void test_close_in_a_child(void **state)
{
    char text[512];

    (void)state;
    open_ring();
    assert_int_equal(push_pipe(), 0);
    host_ring_submit(0);
    assert_int_equal(bare_child(close_in_child, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    pipe_write();
    host_ring_sleep(0, UINT64_MAX);
    (void)host_ring_reap(0);
    assert_int_equal(dones, 1);
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_what_the_host_has),
        READY(test_older_hosts),
        READY(test_a_ring_that_cannot_be),
        READY(test_disks_without_io_uring),
        READY(test_a_queue_without_a_ring),
        READY(test_what_ends_the_sleep),
        READY(test_a_wake_before_the_sleep),
        READY(test_a_storm_of_wakes),
        READY(test_a_sleep_that_cannot_be_ended_is_short),
        READY(test_a_ring_has_room_for_4032),
        READY(test_looking_is_no_system_call),
        READY(test_close_waits),
        READY(test_close_in_a_child),
    };

    return host_ring_probe() != 0 ? 0
                                  : cmocka_run_group_tests(tests, NULL, NULL);
}
