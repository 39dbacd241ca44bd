/* Files of the frames of all cards (--pcap): what is in them, and machines
 * whose file cannot be written. The format byte by byte: test_pcapng.c. */
#include "hal/posix/host/capture.h"
#include "hal/posix/host/clock.h"
#include "hal/posix/host/pcapng.h"
#include "tests/unit/posix/counted_threads.h"
#include "tests/unit/posix/frames.h"
#include "tests/unit/posix/machine_bare.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
    SIZE = 1514,
    FILE_MAX = 64 << 20,
    MANY = 20000, /* frames of SIZE: more than a capture has memory for */
    BUFFER_SIZE = 8 << 20, /* of the two that are filled in turns */
    BLOCK_CARD = 1,
    BLOCK_FRAME = 6,
};

/* ---- Linux --------------------------------------------------------------- */

static int threads_left = -1; /* that can be made; -1: all */
static bool map_fails;

/* The sanitizers call it before they are ready for more. */
__attribute__((no_sanitize_thread)) void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (map_fails && size >= (size_t)8 << 20 && size < (size_t)9 << 20) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    if (threads_left == 0)
        return EAGAIN;
    threads_left -= threads_left > 0;
    return thread_make(thread, attr, fn, arg);
}

/* What the next write of a file answers, and does not do; KEEP: it does. */
enum { KEEP = 1 };
static atomic_int write_answer = KEEP;

/* Writes by other threads than the test's: none goes on while they are held. */
static _Thread_local bool is_test;
static atomic_bool writes_held;
static atomic_size_t asked, written; /* bytes */

static ssize_t write_counted(int fd, const void *bytes, size_t len)
{
    ssize_t done;

    atomic_fetch_add(&asked, len);
    while (atomic_load(&writes_held))
        usleep(1000);
    done = syscall(SYS_write, fd, bytes, len);
    if (done > 0)
        atomic_fetch_add(&written, (size_t)done);
    return done;
}

/* However long it takes. */
static void await(const atomic_size_t *count, size_t least)
{
    while (atomic_load(count) < least)
        usleep(1000);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    int answer = KEEP;

    if (fd > STDERR_FILENO)
        answer = atomic_exchange(&write_answer, KEEP);
    if (answer == KEEP)
        return is_test ? syscall(SYS_write, fd, bytes, len)
                       : write_counted(fd, bytes, len);
    errno = answer < 0 ? -answer : EAGAIN; /* it counts only after -1 */
    return answer < 0 ? -1 : answer;
}

static bool lock_is_kept; /* by a CPU that has stopped */

int pthread_mutex_timedlock(pthread_mutex_t *lock, const struct timespec *until)
{
    assert_true(until->tv_sec > 0);
    return lock_is_kept ? ETIMEDOUT : pthread_mutex_lock(lock);
}

/* ---- Machines with a wire from net0 to net1 ------------------------------ */

static char path[] = "/tmp/torc_capture_XXXXXX/frames";

static int setup(void **state)
{
    static const char ending[] = "/frames";
    char *cut = path + sizeof(path) - sizeof(ending);

    (void)state;
    memcpy(cut - 6, "XXXXXX", 6);
    *cut = '\0';
    is_test = true;
    atomic_store(&asked, 0);
    atomic_store(&written, 0);
    assert_non_null(mkdtemp(path));
    *cut = '/';
    return 0;
}

static int teardown(void **state)
{
    char *cut = strrchr(path, '/');

    (void)state;
    bare_close();
    assert_int_equal(threads, 0);
    unlink(path);
    *cut = '\0';
    assert_int_equal(rmdir(path), 0);
    *cut = '/';
    return 0;
}

static const struct host_net_config wire[] = {
    {.kind = HOST_NET_LINK, .link = "wire"},
    {.kind = HOST_NET_LINK, .link = "wire"},
};

static struct host_config config_of(const char *file, uint32_t snap)
{
    return (struct host_config){
        .nets = wire, .net_count = 2, .capture = {.path = file, .snap = snap}};
}

static void cards_open(const char *file, uint32_t snap)
{
    bare_open(config_of(file, snap));
    for (unsigned i = 0; i < 2; i++)
        assert_true(hal_net_open(i, 0) >= 0);
}

static void send(unsigned unit, uint8_t fill, uint32_t len)
{
    uint8_t bytes[SIZE];

    memset(bytes, fill, sizeof(bytes));
    assert_int_equal(frame_send(unit, bytes, len), 0);
}

static void pass(unsigned from, uint8_t fill, uint32_t len)
{
    uint8_t bytes[SIZE];

    send(from, fill, len);
    assert_int_equal(frame_recv(1 - from, bytes, sizeof(bytes)), len);
    assert_int_equal(bytes[len - 1], fill);
}

/* ---- Reading ------------------------------------------------------------- */

static uint8_t *file; /* its contents */
static size_t file_len;

static struct frame {
    struct pcapng_frame head;
    const uint8_t *bytes;
} * frames;
static unsigned frame_count, card_count;

static void file_read(void)
{
    FILE *from = fopen(path, "r");

    free(file);
    file = malloc(FILE_MAX);
    assert_non_null(from);
    assert_non_null(file);
    file_len = fread(file, 1, FILE_MAX, from);
    assert_true(file_len < FILE_MAX);
    fclose(from);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, 4);
    return value;
}

static void frame_take(const uint8_t *block)
{
    struct frame *frame = &frames[frame_count++];
    const uint8_t *option;

    frame->head = (struct pcapng_frame){
        .card = get32(block + 8),
        .time_ns = (uint64_t)get32(block + 12) << 32 | get32(block + 16),
        .captured = get32(block + 20),
        .len = get32(block + 24)};
    frame->bytes = block + 28;
    option = frame->bytes + (frame->head.captured + 3) / 4 * 4;
    assert_int_equal(get32(option), 2 | 4 << 16);
    frame->head.flags = get32(option + 4);
    option += 8;
    if (get32(option) == (4 | 8 << 16)) {
        frame->head.lost = get32(option + 4);
        option += 12;
    }
    assert_int_equal(get32(option), 0);
    assert_ptr_equal(option + 8, block + get32(block + 4));
    assert_true(frame->head.card < card_count);
}

/* Take the file apart: whole blocks, a card before its frames. */
static void blocks_read(void)
{
    size_t at = 0;

    free(frames);
    frames = calloc(FILE_MAX / 64, sizeof(*frames));
    assert_non_null(frames);
    frame_count = card_count = 0;
    while (at < file_len) {
        const uint8_t *block = file + at;
        uint32_t size;

        assert_true(file_len - at >= 12);
        size = get32(block + 4);
        assert_true(size >= 12 && size % 4 == 0 && size <= file_len - at);
        assert_int_equal(get32(block + size - 4), size);
        assert_int_equal(at == 0, get32(block) == 0x0a0d0d0a);
        card_count += get32(block) == BLOCK_CARD;
        if (get32(block) == BLOCK_FRAME)
            frame_take(block);
        at += size;
    }
    assert_int_equal(at, file_len);
}

static void capture_read(void)
{
    bare_close();
    file_read();
    blocks_read();
}

static void frame_is(unsigned i, unsigned card, uint32_t flags, uint8_t fill,
                     uint32_t len)
{
    const struct frame *frame = &frames[i];

    assert_int_equal(frame->head.card, card);
    assert_int_equal(frame->head.flags, flags);
    assert_int_equal(frame->head.len, len);
    for (uint32_t k = 0; k < frame->head.captured; k++)
        assert_int_equal(frame->bytes[k], fill);
}

/* ---- Frames -------------------------------------------------------------- */

static void test_both_directions_of_each_card(void **state)
{
    (void)state;
    cards_open(path, 0);
    pass(0, 1, 60);
    pass(1, 2, SIZE);
    pass(0, 3, 61);
    capture_read();
    assert_int_equal(card_count, 2);
    assert_int_equal(frame_count, 6);
    frame_is(0, 0, PCAPNG_OUT, 1, 60);
    frame_is(1, 1, PCAPNG_IN, 1, 60);
    frame_is(2, 1, PCAPNG_OUT, 2, SIZE);
    frame_is(3, 0, PCAPNG_IN, 2, SIZE);
    frame_is(4, 0, PCAPNG_OUT, 3, 61);
    frame_is(5, 1, PCAPNG_IN, 3, 61);
    for (unsigned i = 0; i < frame_count; i++) {
        assert_int_equal(frames[i].head.captured, frames[i].head.len);
        assert_int_equal(frames[i].head.lost, 0);
    }
}

/* The kernel's clock, from the wall time of the beginning on. */
static void test_times_are_the_kernels(void **state)
{
    uint64_t offset, before;

    (void)state;
    cards_open(path, 0);
    offset = host_wall_ns() - hal_time_ns();
    before = hal_time_ns();
    pass(0, 1, 60);
    pass(0, 2, 60);
    capture_read();
    assert_int_equal(frame_count, 4);
    /* Wall time may be set while this runs, by less than a minute. */
    assert_true(frames[0].head.time_ns + 60 * UINT64_C(1000000000) >
                offset + before);
    assert_true(frames[0].head.time_ns <
                offset + before + 60 * UINT64_C(1000000000));
    for (unsigned i = 1; i < 4; i++)
        assert_true(frames[i - 1].head.time_ns < frames[i].head.time_ns);
}

static void test_long_frames_are_cut(void **state)
{
    (void)state;
    cards_open(path, 65);
    pass(0, 1, 64);
    pass(0, 2, 65);
    pass(0, 3, 66);
    pass(0, 4, SIZE);
    capture_read();
    assert_int_equal(frame_count, 8);
    assert_int_equal(frames[0].head.captured, 64);
    assert_int_equal(frames[2].head.captured, 65);
    assert_int_equal(frames[4].head.captured, 65);
    assert_int_equal(frames[7].head.captured, 65);
    frame_is(7, 1, PCAPNG_IN, 4, SIZE);
    frame_is(4, 0, PCAPNG_OUT, 3, 66);
}

/* What was refused is not in the file, nor what was never there. */
static void test_only_what_went_is_there(void **state)
{
    const struct host_net_config small[] = {
        {.kind = HOST_NET_LINK, .link = "wire"},
        {.kind = HOST_NET_LINK, .link = "wire", .mtu = 100},
    };
    struct host_config config = config_of(path, 0);
    uint8_t bytes[SIZE];

    (void)state;
    config.nets = small;
    bare_open(config);
    for (unsigned i = 0; i < 2; i++)
        assert_true(hal_net_open(i, 0) >= 0);
    assert_int_equal(frame_recv(1, bytes, sizeof(bytes)), -EAGAIN);
    send(0, 1, 115); /* too long for the other end */
    assert_int_equal(frame_recv(1, bytes, sizeof(bytes)), -EMSGSIZE);
    pass(0, 2, 114);
    capture_read();
    assert_int_equal(frame_count, 3);
    frame_is(0, 0, PCAPNG_OUT, 1, 115);
    frame_is(1, 0, PCAPNG_OUT, 2, 114);
    frame_is(2, 1, PCAPNG_IN, 2, 114);
}

/* What cards were asked for, or told, and pieces of frames. */
static void test_offloads_are_told(void **state)
{
    static const struct {
        struct host_frame frame;
        bool sent;
        uint32_t want;
    } rows[] = {
        {{.csum_partial = true}, true, PCAPNG_OUT | PCAPNG_CSUM_NOT_READY},
        {{.csum_partial = true, .segments = HOST_NET_TCP4},
         true,
         PCAPNG_OUT | PCAPNG_CSUM_NOT_READY | PCAPNG_SEGMENTS},
        {{.csum_valid = true}, false, PCAPNG_IN | PCAPNG_CSUM_VALID},
        {{.csum_valid = true, .segments = HOST_NET_TCP6},
         false,
         PCAPNG_IN | PCAPNG_CSUM_VALID | PCAPNG_SEGMENTS},
    };
    uint8_t bytes[70000];
    const struct host_vec vec[] = {
        {bytes, 1}, {bytes + 1, 0}, {bytes + 1, 65535}, {bytes + 65536, 4464}};

    (void)state;
    memset(bytes, 7, sizeof(bytes));
    cards_open(path, 0);
    for (size_t i = 0; i < 4; i++) {
        struct host_frame frame = rows[i].frame;

        frame.vec = vec;
        frame.vec_count = 4;
        frame.len = 65540; /* of one received the memory may be longer */
        host_capture_frame(1, rows[i].sent, i, &frame);
    }
    capture_read();
    assert_int_equal(frame_count, 4);
    for (unsigned i = 0; i < 4; i++)
        frame_is(i, 1, rows[i].want, 7, 65540);
}

/* A card without an opinion on its link has one. */
static void test_a_card_of_another_kind(void **state)
{
    const struct host_net_config user = {.kind = HOST_NET_USER};
    struct host_config config = config_of(path, 0);

    (void)state;
    config.nets = &user;
    config.net_count = 1;
    bare_open(config);
    assert_true(hal_net_open(0, 0) >= 0);
    assert_true(hal_net_link(0));
    send(0, 0xff, 60);
    capture_read();
    assert_int_equal(card_count, 1);
    assert_true(frame_count >= 1);
    frame_is(0, 0, PCAPNG_OUT, 0xff, 60);
}

/* An interface is named as the card is, and tells what is behind it. */
static void test_cards_are_described(void **state)
{
    char name[64];
    const struct host_net_config cards[] = {
        {.kind = HOST_NET_LINK, .link = "wire"},
        {.kind = HOST_NET_UNIX, .path = name, .peer = "/nowhere"},
        {.kind = HOST_NET_USER},
    };
    static const char *const texts[] = {"net0", "link wire",
                                        "net1", "unix /tmp/torc_capture_",
                                        "net2", "user network"};
    struct host_config config = config_of(path, 0);
    const char *at;

    (void)state;
    snprintf(name, sizeof(name), "%s.wire", path);
    config.nets = cards;
    config.net_count = 3;
    bare_open(config);
    capture_read();
    assert_int_equal(card_count, 3);
    at = (const char *)file;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        at = memmem(at, file_len - (size_t)(at - (const char *)file), texts[i],
                    strlen(texts[i]));
        assert_non_null(at);
    }
}

static void test_the_link_is_that_below(void **state)
{
    struct host_config config = config_of(path, 0);

    (void)state;
    config.net_count = 1;
    bare_open(config);
    assert_false(hal_net_link(0)); /* there is no other end */
    bare_close();
    cards_open(path, 0);
    assert_true(hal_net_link(0));
}

/* ---- Several CPUs -------------------------------------------------------- */

enum { SENDERS = 4, EACH = 3000 };

static void *sender_main(void *arg)
{
    unsigned unit = *(const unsigned *)arg;
    uint8_t bytes[200];
    const struct host_vec vec = {bytes, sizeof(bytes)};
    const struct host_frame frame = {
        .vec = &vec, .vec_count = 1, .len = sizeof(bytes)};

    memset(bytes, (int)unit + 1, sizeof(bytes));
    for (unsigned i = 0; i < EACH; i++)
        host_capture_frame(unit, true, host_time_ns(), &frame);
    return NULL;
}

/* All are there, each whole, those of a queue in the order of time. */
static void test_several_cpus(void **state)
{
    static const unsigned units[SENDERS] = {0, 1, 0, 1};
    pthread_t senders[SENDERS];
    unsigned each[2] = {0};

    (void)state;
    cards_open(path, 0);
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, sender_main,
                                        (void *)(uintptr_t)&units[i]),
                         0);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    capture_read();
    assert_int_equal(frame_count, SENDERS * EACH);
    for (unsigned i = 0; i < frame_count; i++) {
        unsigned card = frames[i].head.card;

        frame_is(i, card, PCAPNG_OUT, (uint8_t)(card + 1), 200);
        each[card]++;
    }
    assert_int_equal(each[0], 2 * EACH);
}

/* ---- Files that cannot be written ---------------------------------------- */

static void full_disk(void)
{
    cards_open("/dev/full", 0);
    for (unsigned i = 0; i < 3; i++) {
        pass(0, 1, 60);
        usleep(50000); /* it writes after 20 ms */
    }
    bare_close();
}

static void test_a_full_disk(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(bare_child(full_disk, text, sizeof(text)), 0);
    assert_string_equal(text, "torc: cannot write to '/dev/full' any more: No "
                              "space left on device; the frames from now on "
                              "are not in it\n");
}

/* A file that may not grow ends with a whole block. */
static void small_file(void)
{
    const struct rlimit limit = {5000, 5000};

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    cards_open(path, 0);
    pass(0, 1, SIZE);
    await(&written, 2 * SIZE); /* both frames, in one piece or two */
    pass(0, 2, SIZE);
    await(&asked, atomic_load(&written) + 1);
    pass(0, 3, 60);
    bare_close();
}

/* What was not written is written again. */
static void test_writes_that_do_nothing(void **state)
{
    static const int answers[] = {0, -EINTR, -EAGAIN};

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        cards_open(path, 0);
        atomic_store(&write_answer, answers[i]);
        pass(0, 1, 60);
        capture_read();
        assert_int_equal(atomic_load(&write_answer), KEEP);
        assert_int_equal(frame_count, 2);
        frame_is(1, 1, PCAPNG_IN, 1, 60);
    }
}

static void test_a_file_that_may_not_grow(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(bare_child(small_file, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "any more: File too large;"));
    assert_ptr_equal(strstr(text, "torc:"), text);
    assert_null(strstr(text + 1, "torc:")); /* one line */
    file_read();
    blocks_read();
    assert_int_equal(frame_count, 2);
    frame_is(1, 1, PCAPNG_IN, 1, SIZE);
}

/* The reading end of `path`, which is a pipe. */
static int reader_open(void)
{
    int fd;

    assert_int_equal(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

static void closed_pipe(void)
{
    int fd = reader_open();

    signal(SIGPIPE, SIG_IGN); /* as in any process: process.c */
    cards_open(path, 0);
    close(fd);
    pass(0, 1, 60);
    usleep(100000);
    pass(0, 1, 60);
    bare_close();
}

static void test_a_closed_pipe(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(bare_child(closed_pipe, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "any more: Broken pipe;"));
    assert_null(strstr(text + 1, "torc:"));
}

/* Nobody reads: nobody waits but for the end, which is two seconds away. */
static void stalled_pipe(void)
{
    int fd = reader_open();

    cards_open(path, 0);
    for (unsigned i = 0; i < MANY; i++)
        pass(0, 1, SIZE);
    bare_close();
    close(fd);
}

static void test_a_stalled_pipe(void **state)
{
    char text[512];
    unsigned lost = 0;

    (void)state;
    assert_int_equal(bare_child(stalled_pipe, text, sizeof(text)), 0);
    assert_non_null(strstr(text, "any more: Connection timed out;"));
    assert_int_equal(sscanf(strstr(text, "cards: ") + 7, "%u", &lost), 1);
    /* All but what two buffers and a pipe hold. */
    assert_true(lost > 2 * MANY - (17 << 20) / SIZE && lost < 2 * MANY);
}

/*
 * The thread writes one buffer, which is slow, and the other one is full. The
 * first frame after those that were lost tells how many they were.
 */
static void test_lost_frames_are_counted(void **state)
{
    const struct pcapng_frame block = {.captured = SIZE, .len = SIZE};
    const unsigned kept = BUFFER_SIZE / pcapng_frame_size(&block);
    uint64_t lost = 0;

    (void)state;
    atomic_store(&writes_held, true);
    cards_open(path, 0);
    await(&asked, 1);
    for (unsigned i = 0; i < kept; i++)
        pass(0, 1, SIZE);
    atomic_store(&writes_held, false);
    await(&asked, BUFFER_SIZE / 2); /* it is the other's turn */
    pass(0, 2, 60);
    pass(0, 3, 60);
    capture_read();
    assert_int_equal(frame_count, kept + 4);
    for (unsigned i = 0; i < frame_count; i++)
        lost += frames[i].head.lost;
    assert_int_equal(lost, kept);
    assert_int_equal(frames[kept].head.lost + frames[kept + 1].head.lost, kept);
    frame_is(kept, 0, PCAPNG_OUT, 2, 60);
    frame_is(frame_count - 1, 1, PCAPNG_IN, 3, 60);
}

/* ---- The end of the process ---------------------------------------------- */

static void ends_by_exit(void)
{
    cards_open(path, 0);
    pass(0, 1, 60);
    hal_exit(3);
}

static void ends_by_abort(void)
{
    cards_open(path, 0);
    pass(0, 1, 60);
    hal_abort(HAL_END_OFF);
}

/* The last frames are the ones of which one wants to know. */
static void test_the_file_is_whole_when_the_process_ends(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(bare_child(ends_by_exit, text, sizeof(text)), 3);
    file_read();
    blocks_read();
    assert_int_equal(frame_count, 2);
    assert_int_equal(bare_child(ends_by_abort, text, sizeof(text)), 134);
    file_read();
    blocks_read();
    assert_int_equal(frame_count, 2);
}

/* Nor does it wait for a CPU that has stopped while it had the lock: the end of
 * the file is lost, and what is there are whole blocks. */
static int threads_before;

static void nobody_is_waited_for(void)
{
    if (atomic_load(&threads) != threads_before)
        _exit(4);
}

static void ends_without_the_lock(void)
{
    cards_open(path, 0);
    pass(0, 1, 60);
    threads_before = atomic_load(&threads);
    if (atexit(nobody_is_waited_for) != 0)
        _exit(5);
    lock_is_kept = true;
    hal_exit(3);
}

static void test_a_process_ends_without_the_lock(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(bare_child(ends_without_the_lock, text, sizeof(text)), 3);
    assert_string_equal(text, "");
    file_read();
    blocks_read();
    assert_true(frame_count <= 2);
}

/* The child of a fork has no thread to wait for, and leaves the file alone. */
static void closes(void)
{
    host_machine_close();
}

static void ends(void)
{
    hal_exit(3);
}

static void test_a_fork_leaves_the_file_alone(void **state)
{
    struct host_config config = config_of(path, 0);
    char text[512];

    (void)state;
    config.net_count = 0;
    bare_open(config);
    assert_int_equal(bare_child(closes, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(bare_child(ends, text, sizeof(text)), 3);
    assert_string_equal(text, "");
    capture_read();
    assert_int_equal(file_len, 40); /* the section, once */
}

/* ---- Files that cannot be made ------------------------------------------- */

static void refused(const char *name, const char *file_name, const char *why)
{
    const struct host_config config = config_of(file_name, 0);
    char text[512] = "";
    int ends[2], saved = dup(STDERR_FILENO);
    unsigned fds = fds_open();

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    ROW(name, host_machine_prepare(&config) == NULL);
    dup2(saved, STDERR_FILENO);
    ROW(name, read(ends[0], text, sizeof(text) - 1) > 0);
    close(ends[0]);
    close(ends[1]);
    ROW(name, strstr(text, why) != NULL);
    ROW(name, strchr(text, '\n') == text + strlen(text) - 1);
    ROW(name, fds_open() == fds);
    close(saved);
}

static void test_a_file_that_cannot_be_made(void **state)
{
    (void)state;
    refused("no such directory", "/nowhere/frames",
            "torc: cannot write frames to '/nowhere/frames': No such file");
    refused("a directory", "/tmp", "'/tmp': Is a directory");
    map_fails = true;
    refused("no memory", path, "Cannot allocate memory");
    map_fails = false;
    threads_left = 1; /* the timers' */
    refused("no thread", path, "Resource temporarily unavailable");
    threads_left = -1;
    cards_open(path, 0); /* and again with all there is */
    pass(0, 1, 60);
    capture_read();
    assert_int_equal(frame_count, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_both_directions_of_each_card),
        TEST(test_times_are_the_kernels),
        TEST(test_long_frames_are_cut),
        TEST(test_only_what_went_is_there),
        TEST(test_offloads_are_told),
        TEST(test_a_card_of_another_kind),
        TEST(test_cards_are_described),
        TEST(test_the_link_is_that_below),
        TEST(test_several_cpus),
        TEST(test_a_full_disk),
        TEST(test_writes_that_do_nothing),
        TEST(test_a_file_that_may_not_grow),
        TEST(test_a_closed_pipe),
        TEST(test_a_stalled_pipe),
        TEST(test_lost_frames_are_counted),
        TEST(test_the_file_is_whole_when_the_process_ends),
        TEST(test_a_process_ends_without_the_lock),
        TEST(test_a_fork_leaves_the_file_alone),
        TEST(test_a_file_that_cannot_be_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
