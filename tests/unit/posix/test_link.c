/* Wires inside the process: their ends, cards on them, and their time. */
#include "hal/leaf.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/link.h"
#include "tests/unit/posix/checked_locks.h"
#include "tests/unit/posix/counted_threads.h"
#include "tests/unit/posix/frames.h"
#include "tests/unit/posix/machine_bare.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { SIZE = 1514 };

#define MS UINT64_C(1000000)

/* ---- Linux --------------------------------------------------------------- */

static bool map_fails;
static size_t map_fails_for; /* of at least so many bytes, up to 3 MiB */
static int thread_errno;

/* The sanitizers call it before they are ready for more. */
__attribute__((no_sanitize_thread)) void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (map_fails || (map_fails_for != 0 && size >= map_fails_for &&
                      size < (size_t)3 << 20)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    return thread_errno != 0 ? thread_errno
                             : thread_make(thread, attr, fn, arg);
}

/* ---- Ends ---------------------------------------------------------------- */

static const struct host_line_config plain;
static struct link_end *ends[2];
static atomic_uint told[2];

static void count_told(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static int attach_as(unsigned i, const char *name,
                     const struct host_line_config *config, uint32_t frame_max)
{
    return link_end_attach(name, config, frame_max, count_told, &told[i],
                           &ends[i]);
}

/* The clock runs as long as there is a machine. */
static int setup(void **state)
{
    (void)state;
    bare_open((struct host_config){0});
    ends[0] = ends[1] = NULL;
    atomic_store(&told[0], 0);
    atomic_store(&told[1], 0);
    return 0;
}

static void attach(const struct host_line_config *config)
{
    assert_int_equal(attach_as(0, "wire", config, SIZE), 0);
    assert_int_equal(attach_as(1, "wire", &plain, SIZE), 0);
    atomic_store(&told[0], 0);
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        if (ends[i] != NULL)
            link_end_detach(ends[i]);
    bare_close();
    assert_int_equal(threads, 0);
    return 0;
}

static int send(unsigned i, uint32_t number, uint32_t len)
{
    uint8_t bytes[SIZE + 1] = {0};
    const struct host_vec vec = {bytes, len};
    const struct host_frame frame = {.vec = &vec, .vec_count = 1, .len = len};

    memcpy(bytes + 14, &number, 4);
    return link_end_send(ends[i], &frame);
}

/* The number of the frame, or an error. */
static int recv(unsigned i)
{
    uint8_t bytes[SIZE + 1];
    const struct host_vec vec = {bytes, sizeof(bytes)};
    struct host_frame frame = {.vec = &vec, .vec_count = 1};
    int err = link_end_recv(ends[i], &frame);
    int number;

    memcpy(&number, bytes + 14, 4);
    return err != 0 ? err : number;
}

static void test_frames_go_both_ways(void **state)
{
    (void)state;
    attach(&plain);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(send(0, (uint32_t)i, 60), 0);
        assert_int_equal(send(1, (uint32_t)i + 1000, SIZE), 0);
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(recv(1), i);
        assert_int_equal(recv(0), i + 1000);
    }
    assert_int_equal(recv(0), -EAGAIN);
    assert_int_equal(recv(1), -EAGAIN);
    assert_int_equal(link_end_stats(ends[0]).sent, 100);
    assert_int_equal(link_end_stats(ends[1]).received, 100);
}

/* Who waits is told of the first frame. */
static void test_who_waits_is_told(void **state)
{
    (void)state;
    attach(&plain);
    assert_int_equal(send(0, 1, 60), 0);
    assert_int_equal(told[1], 0);
    assert_false(link_end_arm(ends[1])); /* there is one */
    assert_int_equal(recv(1), 1);
    assert_true(link_end_arm(ends[1]));
    assert_true(link_end_arm(ends[1]));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(send(0, i, 60), 0);
    assert_int_equal(told[1], 1);
    assert_int_equal(told[0], 0);
}

static void test_the_ends_of_a_wire(void **state)
{
    struct link_end *third;

    (void)state;
    assert_int_equal(attach_as(0, "wire", &plain, SIZE), 0);
    assert_false(link_end_up(ends[0]));
    assert_int_equal(recv(0), -EAGAIN);
    assert_true(link_end_arm(ends[0]));
    assert_int_equal(send(0, 1, 60), 0); /* nobody is there: lost */
    assert_int_equal(attach_as(1, "wire", &plain, SIZE), 0);
    assert_int_equal(told[0], 1);
    assert_true(link_end_up(ends[0]) && link_end_up(ends[1]));
    assert_int_equal(recv(1), -EAGAIN);
    assert_int_equal(
        link_end_attach("wire", &plain, SIZE, count_told, &told[0], &third),
        -EBUSY);
    /* Another wire has nothing to do with it. */
    assert_int_equal(
        link_end_attach("wir", &plain, SIZE, count_told, &told[0], &third), 0);
    assert_false(link_end_up(third));
    assert_int_equal(send(0, 2, 60), 0);
    link_end_detach(third);
    assert_int_equal(recv(1), 2);

    /* What was sent before the end arrives; what is sent after is lost. */
    assert_int_equal(send(0, 3, 60), 0);
    assert_int_equal(send(1, 4, 60), 0);
    link_end_detach(ends[0]);
    assert_int_equal(told[1], 1);
    assert_false(link_end_up(ends[1]));
    assert_int_equal(recv(1), 3);
    assert_int_equal(send(1, 5, 60), 0);
    /* Who comes then gets neither. */
    assert_int_equal(attach_as(0, "wire", &plain, SIZE), 0);
    assert_int_equal(send(0, 6, 60), 0);
    assert_int_equal(recv(1), 6);
    assert_int_equal(recv(0), -EAGAIN);
}

static void test_wires_are_limited(void **state)
{
    struct link_end *many[16], *more;
    char name[8];

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 16; i++) {
            snprintf(name, sizeof(name), "w%u", i);
            assert_int_equal(link_end_attach(name, &plain, SIZE, count_told,
                                             &told[0], &many[i]),
                             0);
        }
        assert_int_equal(
            link_end_attach("more", &plain, SIZE, count_told, &told[0], &more),
            -ENFILE);
        for (unsigned i = 0; i < 16; i++)
            link_end_detach(many[i]);
    }
}

static void test_wires_without_memory(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        map_fails = true;
        assert_int_equal(attach_as(0, "wire", &plain, SIZE), -ENOMEM);
        map_fails = false;
        thread_errno = EAGAIN;
        assert_int_equal(attach_as(0, "wire", &plain, SIZE), -EAGAIN);
        thread_errno = 0;
        assert_int_equal(threads, 1); /* the machine's */
    }
    assert_int_equal(attach_as(0, "wire", &plain, SIZE), 0);
    map_fails = true;
    assert_int_equal(attach_as(1, "wire", &plain, SIZE), -ENOMEM);
    map_fails = false;
    assert_int_equal(attach_as(1, "wire", &plain, SIZE), 0);
    assert_int_equal(threads, 2);
}

/* Longer ones than the card sends, or than the other one takes. */
static void test_long_frames(void **state)
{
    (void)state;
    assert_int_equal(attach_as(0, "wire", &plain, 1000), 0);
    assert_int_equal(attach_as(1, "wire", &plain, 500), 0);
    assert_int_equal(send(0, 1, 1001), -EMSGSIZE);
    assert_int_equal(send(0, 1, 1000), 0);
    assert_int_equal(send(0, 2, 501), 0);
    assert_int_equal(send(0, 3, 500), 0);
    assert_int_equal(recv(1), -EMSGSIZE);
    assert_int_equal(recv(1), -EMSGSIZE);
    assert_int_equal(recv(1), 3);
    assert_int_equal(send(1, 4, 501), -EMSGSIZE);
}

/* Who found no room is told when half of it is free. */
static void test_room(void **state)
{
    unsigned sent = 0;

    (void)state;
    attach(&plain);
    while (send(0, sent, 60) == 0)
        sent++;
    assert_int_equal(sent, 1024);
    for (unsigned i = 0; i < 511; i++)
        assert_int_equal(recv(1), i);
    assert_int_equal(told[0], 0);
    assert_int_equal(recv(1), 511);
    assert_int_equal(told[0], 1);
    assert_int_equal(recv(1), 512);
    assert_int_equal(told[0], 1);
    assert_int_equal(send(0, sent, 60), 0);
}

static void test_faults_are_of_one_direction(void **state)
{
    static const struct host_line_config lossy = {.seed = 1,
                                                  .loss_ppm = 1000000};

    (void)state;
    attach(&lossy);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(send(0, i, 60), 0);
        assert_int_equal(send(1, i, 60), 0);
        assert_int_equal(recv(0), i);
        assert_int_equal(recv(1), -EAGAIN);
    }
    assert_int_equal(link_end_stats(ends[0]).lost, 10);
    assert_int_equal(link_end_stats(ends[1]).lost, 0);
}

/* ---- Time ---------------------------------------------------------------- */

static void wait_told(unsigned i, unsigned count)
{
    uint64_t end = host_time_ns() + PATIENCE_NS;

    while (atomic_load(&told[i]) < count) {
        assert_true(host_time_ns() < end);
        usleep(200);
    }
    assert_int_equal(told[i], count);
}

/* Whoever waits is told when it arrives, not before; whether it was waiting
 * before the frame was sent or is after. */
static void test_frames_arrive_in_time(void **state)
{
    /* As long as the machine may stand still between two calls. */
    static const struct host_line_config slow = {.seed = 1,
                                                 .delay_ns = 300 * MS};

    (void)state;
    attach(&slow);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t start = host_time_ns();

        if (i % 2 == 0)
            assert_true(link_end_arm(ends[1]));
        assert_int_equal(send(0, i, 60), 0);
        assert_int_equal(recv(1), -EAGAIN);
        if (i % 2 == 1)
            assert_true(link_end_arm(ends[1]));
        wait_told(1, i + 1);
        assert_true(host_time_ns() - start >= slow.delay_ns);
        assert_int_equal(recv(1), i);
    }
    /* The other way takes no time. */
    assert_true(link_end_arm(ends[0]));
    assert_int_equal(send(1, 9, 60), 0);
    assert_int_equal(told[0], 1);
}

/* The next frame of all wires counts, whichever is armed first. */
static void test_several_wires_in_time(void **state)
{
    static const struct host_line_config slow = {.delay_ns = 800 * MS},
                                         fast = {.delay_ns = 10 * MS};
    struct link_end *others[2];
    atomic_uint other_told[2] = {0, 0};
    uint64_t start;

    (void)state;
    attach(&slow);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(link_end_attach("fast", &fast, SIZE, count_told,
                                         &other_told[i], &others[i]),
                         0);
    assert_true(link_end_arm(ends[1]));
    assert_int_equal(send(0, 1, 60), 0);
    usleep(2000);
    start = host_time_ns();
    assert_true(link_end_arm(others[1]));
    {
        uint8_t bytes[60] = {0};
        const struct host_vec vec = {bytes, 60};
        const struct host_frame frame = {
            .vec = &vec, .vec_count = 1, .len = 60};

        assert_int_equal(link_end_send(others[0], &frame), 0);
    }
    while (other_told[1] == 0)
        usleep(200);
    assert_true(host_time_ns() - start < 700 * MS);
    wait_told(1, 1);
    for (unsigned i = 0; i < 2; i++)
        link_end_detach(others[i]);
}

static atomic_bool sender_ends;

static void *sender(void *arg)
{
    uint32_t *sent = arg;

    while (!atomic_load(&sender_ends)) {
        if (send(0, *sent, 60) == 0)
            ++*sent;
        else
            sched_yield();
    }
    return NULL;
}

/* At any moment: frames of one thread reach another, which sleeps when there
 * are none, and none is missed. */
static void test_threads_on_both_ends(void **state)
{
    static const struct host_line_config jitter = {.seed = 1,
                                                   .delay_ns = 20000};
    uint32_t sent = 0, received = 0;
    pthread_t thread;

    (void)state;
    attach(&jitter);
    atomic_store(&sender_ends, false);
    assert_int_equal(pthread_create(&thread, NULL, sender, &sent), 0);
    while (received < 20000) {
        unsigned before = atomic_load(&told[1]);
        uint64_t end = host_time_ns() + PATIENCE_NS;
        int number = recv(1);

        if (number >= 0) {
            assert_int_equal(number, received++);
            continue;
        }
        if (!link_end_arm(ends[1]))
            continue;
        while (atomic_load(&told[1]) == before) {
            assert_true(host_time_ns() < end);
            sched_yield();
        }
    }
    atomic_store(&sender_ends, true);
    pthread_join(thread, NULL);
    assert_true(sent >= received);
}

/* ---- Cards --------------------------------------------------------------- */

static unsigned irqs[2];

static void cards_open(const struct host_net_config *nets, unsigned count)
{
    bare_open((struct host_config){.net_count = count, .nets = nets});
    for (unsigned i = 0; i < count; i++) {
        int irq = hal_net_open(i, 0);

        irqs[i] = 0;
        assert_true(irq >= 0);
        assert_int_equal(hal_irq_attach(irq, 0, count_irq, &irqs[i]), 0);
    }
}

static void test_two_cards(void **state)
{
    static const struct host_net_config nets[] = {
        {.kind = HOST_NET_LINK, .link = "a", .line = {.delay_ns = 5 * MS}},
        {.kind = HOST_NET_LINK, .link = "a", .mtu = 9000},
    };
    uint8_t bytes[SIZE] = {1, 2, 3}, got[9014];
    struct hal_net_info info;

    (void)state;
    cards_open(nets, 2);
    assert_int_equal(hal_net_info(0, &info), 0);
    assert_int_equal(info.mtu, 1500);
    assert_int_equal(info.frame_max, 1514);
    assert_int_equal(info.offloads, 0);
    assert_int_equal(info.queue_count, 1);
    assert_int_equal(hal_net_info(1, &info), 0);
    assert_int_equal(info.mtu, 9000);
    assert_int_equal(info.frame_max, 9014);
    assert_true(hal_net_link(0) && hal_net_link(1));
    for (unsigned i = 0; i < 20; i++) {
        unsigned before = irqs[1];

        assert_int_equal(frame_recv(1, got, sizeof(got)), -EAGAIN);
        bytes[20] = (uint8_t)i;
        assert_int_equal(frame_send(0, bytes, SIZE), 0);
        bare_wait(&irqs[1], before);
        assert_int_equal(frame_recv(1, got, sizeof(got)), SIZE);
        assert_memory_equal(got, bytes, SIZE);
    }
    assert_int_equal(irqs[0], 0);
    assert_int_equal(frame_send(0, bytes, SIZE), 0);
    assert_true(hal_net_arm(1, 0, false));
    assert_int_equal(frame_send(1, got, 9014), 0);
    assert_int_equal(frame_recv(0, got, sizeof(got)), -EMSGSIZE);
}

/* A test has the other end. */
static void test_a_card_and_a_test(void **state)
{
    static const struct host_net_config net = {.kind = HOST_NET_LINK,
                                               .link = "wire"};
    uint8_t bytes[60] = {0};

    (void)state;
    cards_open(&net, 1);
    assert_false(hal_net_link(0));
    assert_int_equal(attach_as(1, "wire", &plain, SIZE), 0);
    bare_wait(&irqs[0], 0);
    assert_true(hal_net_link(0));
    assert_true(link_end_arm(ends[1]));
    assert_int_equal(frame_send(0, bytes, 60), 0);
    assert_int_equal(told[1], 1);
    assert_int_equal(recv(1), 0);
    assert_int_equal(send(1, 7, 60), 0);
    assert_int_equal(frame_recv(0, bytes, 60), 60);
    assert_int_equal(bytes[14], 7);
    link_end_detach(ends[1]);
    ends[1] = NULL;
    bare_wait(&irqs[0], 1);
    assert_false(hal_net_link(0));
}

/* A card that has not opened its queue is told nothing. */
static void test_a_card_before_it_is_open(void **state)
{
    static const struct host_net_config net = {.kind = HOST_NET_LINK,
                                               .link = "wire"};

    (void)state;
    bare_open((struct host_config){.net_count = 1, .nets = &net});
    assert_int_equal(attach_as(1, "wire", &plain, SIZE), 0);
    assert_int_equal(send(1, 7, 60), 0);
    assert_true(hal_net_open(0, 0) >= 0);
    assert_false(hal_net_arm(0, 0, true));
}

/* clang-format off */
static const struct {
    const char *name;
    unsigned count;
    bool no_memory;
    const char *text;
} refused_rows[] = {
    {"three ends", 3, false, "torc: the link 'wire' has two ends already\n"},
    {"no memory", 1, true,
     "torc: cannot make the link 'wire': Cannot allocate memory\n"},
};
/* clang-format on */
static size_t refused_row;

static void open_refused(void)
{
    static const struct host_net_config nets[] = {
        {.kind = HOST_NET_LINK, .link = "wire"},
        {.kind = HOST_NET_LINK, .link = "wire"},
        {.kind = HOST_NET_LINK, .link = "wire"},
    };
    static struct host_config config = {.nets = nets};

    host_machine_close();
    config.net_count = 0;
    (void)host_machine_prepare(&config); /* what comes once is there */
    config.net_count = refused_rows[refused_row].count;
    if (refused_rows[refused_row].no_memory)
        map_fails_for = (size_t)1024 * 1000;
    if (host_machine_prepare(&config) != NULL)
        _exit(1);
    map_fails_for = 0;
    config.net_count = 2;
    _exit(host_machine_prepare(&config) != NULL ? 0 : 2);
}

static void test_cards_that_are_refused(void **state)
{
    char text[256];

    (void)state;
    host_machine_close(); /* the child makes threads: there are none here */
    for (refused_row = 0; refused_row < COUNT_OF(refused_rows); refused_row++) {
        const char *name = refused_rows[refused_row].name;

        ROW(name, bare_child(open_refused, text, sizeof(text)) == 0);
        ROW(name, strcmp(text, refused_rows[refused_row].text) == 0);
    }
}

int main(void)
{
#define READY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        READY(test_frames_go_both_ways),
        READY(test_who_waits_is_told),
        READY(test_the_ends_of_a_wire),
        READY(test_wires_are_limited),
        READY(test_wires_without_memory),
        READY(test_long_frames),
        READY(test_room),
        READY(test_faults_are_of_one_direction),
        READY(test_frames_arrive_in_time),
        READY(test_several_wires_in_time),
        READY(test_threads_on_both_ends),
        READY(test_two_cards),
        READY(test_a_card_and_a_test),
        READY(test_a_card_before_it_is_open),
        READY(test_cards_that_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
