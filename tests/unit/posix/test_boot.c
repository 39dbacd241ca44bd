/* Making and closing hosted machines, and their contexts. */
#include "hal/leaf.h"
#include "tests/unit/posix/checked_locks.h"
#include "tests/unit/posix/counted_threads.h"
#include "tests/unit/posix/machine_bare.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024 };

/* ---- Machines one after the other ---------------------------------------- */

static atomic_uint arrived;
static bool join_fails;
static unsigned create_fails; /* the n-th thread from now; 0: none */

static void cpu_sleeper(void *arg)
{
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    for (;;)
        hal_cpu_idle();
}

static void cpu_spinner(void *arg)
{
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    for (;;)
        hal_cpu_relax();
}

static struct hal_context contexts[2];

static void context_other(void *arg)
{
    (void)arg;
    for (;;)
        hal_context_switch(&contexts[1], &contexts[0]);
}

static void cpu_switcher(void *arg)
{
    hal_context_init(&contexts[1], (char *)arg - STACK_SIZE, STACK_SIZE,
                     context_other, NULL);
    atomic_fetch_add(&arrived, 1);
    for (;;)
        hal_context_switch(&contexts[0], &contexts[1]);
}

static void test_close_stops_all_cpus(void **state)
{
    static void (*const entries[])(void *) = {cpu_sleeper, cpu_spinner,
                                              cpu_switcher};

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        const struct hal_boot_info *boot =
            bare_open((struct host_config){.cpus = 4});

        atomic_store(&arrived, 0);
        assert_int_equal(boot->cpu_count, 4);
        for (unsigned cpu = 1; cpu < 4; cpu++) {
            char *stack = (char *)bare_page(boot, 64 * cpu);

            assert_int_equal(
                hal_cpu_start(cpu, entries[cpu - 1], stack, stack, STACK_SIZE),
                0);
        }
        while (atomic_load(&arrived) < 3)
            hal_cpu_relax();
        if (round % 2 == 0)
            host_machine_close(); /* else prepare() does it */
    }
    host_machine_close();
    host_machine_close();
}

static void test_prepare_starts_afresh(void **state)
{
    const struct hal_boot_info *boot;
    unsigned count = 0;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        boot = bare_open((struct host_config){.cmdline = "a b"});
        assert_string_equal(boot->cmdline, "a b");
        assert_null(hal_cpu_local());
        assert_int_equal(hal_irq_save(), HAL_IRQS_OFF);
        assert_true(hal_time_ns() < PATIENCE_NS);
        assert_int_equal(hal_irq_attach(HAL_IRQ_TIMER, 0, count_irq, &count),
                         0);
        assert_int_equal(*(volatile uint8_t *)bare_page(boot, 3),
                         HOST_FILL_BYTE);
        *(volatile uint8_t *)bare_page(boot, 3) = 1;
        hal_cpu_set_local(&count);
        hal_irq_restore(HAL_IRQS_ON);
        hal_timer_set(1);
        hal_cpu_relax();
        assert_int_equal(count, round + 1);
    }
    host_machine_close();
}

static void test_memory_is_aligned(void **state)
{
    const struct hal_boot_info *boot =
        bare_open((struct host_config){.cpus = 3, .mem_bytes = (2 << 20) + 1});

    (void)state;
    assert_int_equal(boot->region_count, 1);
    assert_int_equal(boot->region[0].base % HAL_LARGE_PAGE_SIZE, 0);
    assert_int_equal(boot->region[0].size, 6 << 20);
    host_machine_close();
}

/* The first byte, one in the middle of a chunk, the last one. */
static void check_filled(const struct hal_boot_info *boot, uint8_t want)
{
    const volatile uint8_t *memory =
        (const volatile uint8_t *)boot->region[0].base;
    size_t size = boot->region[0].size;

    assert_int_equal(memory[0], want);
    assert_int_equal(memory[size / 2 + 4097], want);
    assert_int_equal(memory[size - 1], want);
}

static void test_memory_is_filled_on_request(void **state)
{
    struct host_config config = {.quiet = true, .mem_bytes = (7 << 20) + 4096};
    const struct hal_boot_info *boot;

    (void)state;
    boot = host_machine_prepare(&config);
    assert_non_null(boot);
    check_filled(boot, 0);
    config.fill = true;
    boot = host_machine_prepare(&config);
    assert_non_null(boot);
    check_filled(boot, HOST_FILL_BYTE);
    memset((void *)boot->region[0].base, 0, boot->region[0].size);
    boot = host_machine_prepare(&config); /* the file has not changed */
    assert_non_null(boot);
    check_filled(boot, HOST_FILL_BYTE);
    /* A large machine is filled in part only. */
    config.mem_bytes = 2 * HOST_FILL_MAX;
    boot = host_machine_prepare(&config);
    assert_non_null(boot);
    assert_int_equal(*(uint8_t *)(boot->region[0].base + HOST_FILL_MAX - 1),
                     HOST_FILL_BYTE);
    assert_int_equal(*(uint8_t *)(boot->region[0].base + HOST_FILL_MAX), 0);
    host_machine_close();
}

static void test_nodes_share_evenly(void **state)
{
    static const uint8_t two_of_five[] = {0, 0, 0, 1, 1};
    const struct hal_boot_info *boot = bare_open(
        (struct host_config){.cpus = 5, .mem_bytes = 2 << 20, .nodes = 2});
    uintptr_t base;

    (void)state;
    assert_int_equal(boot->region_count, 2);
    base = boot->region[0].base;
    assert_int_equal(boot->region[0].size, 5 << 20);
    assert_int_equal(boot->region[1].base, base + (5 << 20));
    assert_int_equal(boot->region[1].size, 5 << 20);
    assert_int_equal(boot->region[0].node, 0);
    assert_int_equal(boot->region[1].node, 1);
    assert_memory_equal(boot->cpu_node, two_of_five, 5);
    /* More nodes than CPUs; DMA and rights over a border. */
    boot = bare_open((struct host_config){.mem_bytes = 2 << 20, .nodes = 64});
    assert_int_equal(boot->region_count, 64);
    assert_int_equal(boot->cpu_node[0], 0);
    assert_int_equal(hal_dma_map(bare_page(boot, 0), 2 << 20), 0);
    assert_int_equal(
        hal_page_attr(bare_page(boot, 7), 2 * HAL_PAGE_SIZE, HAL_PAGE_NORMAL),
        0);
    host_machine_close();
}

/* ---- What cannot be made ------------------------------------------------- */

static char long_line[HOST_CMDLINE_MAX + 1];
static const char *const missing[] = {"/nonexistent/module"};
static char small_disk[] = "/tmp/torc_small_XXXXXX";
static const struct host_disk_config bad_disks[] = {
    {.path = "/nonexistent"},
    {.path = "/"},
    {.path = "/dev/null"},
    {.path = small_disk},
};
/* The first is none. */
static const struct host_disk_config mixed_disks[] = {
    {.path = "/nonexistent"}, {.path = "/proc/self/exe", .read_only = true}};
static const struct host_net_config mixed_nets[] = {
    {.kind = HOST_NET_TAP, .tap = "no/name"}, {.kind = HOST_NET_USER}};

/* clang-format off */
static const struct {
    const char *name;
    struct host_config config;
    const char *text; /* behind "torc: " */
} bad[] = {
    {"too many cpus", {.cpus = 257}, "257 CPUs are too many, at most 256\n"},
    {"too many nodes", {.nodes = 65}, "65 nodes are too many, at most 64\n"},
    {"too little memory", {.mem_bytes = 2097151},
     "2097151 bytes of memory for each CPU are too few, at least 2097152\n"},
    {"memory wraps", {.cpus = 4, .mem_bytes = SIZE_MAX / 2},
     "9223372036854775807 bytes of memory for each CPU are too many\n"},
    {"memory just wraps", {.cpus = 4, .mem_bytes = SIZE_MAX / 8 + 1},
     "2305843009213693952 bytes of memory for each CPU are too many\n"},
    {"memory just does not wrap", {.cpus = 4, .mem_bytes = SIZE_MAX / 8},
     "no room for 9223372036854771712 bytes of memory: give less with --mem, "
     "or fewer --cpus\n"},
    {"memory nobody has", {.mem_bytes = (size_t)1 << 60},
     "no room for 1152921504606846976 bytes of memory: give less with --mem, "
     "or fewer --cpus\n"},
    {"too many disks", {.disk_count = 17},
     "17 disks are too many, at most 16\n"},
    {"too many nets", {.net_count = 9}, "9 nets are too many, at most 8\n"},
    {"too many modules", {.module_count = 5},
     "5 modules are too many, at most 4\n"},
    {"command line too long", {.cmdline = long_line},
     "the command line is longer than 4095 bytes: give fewer words\n"},
    {"no module", {.module_count = 1, .modules = missing},
     "cannot read module '/nonexistent/module': No such file or directory\n"},
    {"no disk", {.disk_count = 1, .disks = bad_disks},
     "cannot open disk '/nonexistent': No such file or directory\n"},
    {"no first disk", {.disk_count = 2, .disks = mixed_disks},
     "cannot open disk '/nonexistent': No such file or directory\n"},
    {"no first net", {.net_count = 2, .nets = mixed_nets}, "'no/name'"},
    {"disk a directory", {.disk_count = 1, .disks = bad_disks + 1},
     "cannot open disk '/': Is a directory\n"},
    {"disk a device", {.disk_count = 1, .disks = bad_disks + 2},
     "cannot use disk '/dev/null': it is neither a regular file nor a block "
     "device\n"},
    {"no file for the memory",
     {.mem_bytes = 2 << 20, .memory_file = 999},
     "the file of the memory does not have 2097152 bytes from 0 on (error "
     "-9)\n"},
    {"a file too small for the memory",
     {.mem_bytes = 2 << 20, .memory_file = 1, .memory_offset = 4096},
     "the file of the memory does not have 2097152 bytes from 0x1000 on "
     "(error -28)\n"},
    {"disk too small", {.disk_count = 1, .disks = bad_disks + 3},
     "it is smaller than a sector of 512 bytes\n"},
};
/* clang-format on */
static size_t bad_row;

/* It cannot be made, and one that can be made can be made afterwards. */
static void bad_prepare(void)
{
    const struct host_config good = {.mem_bytes = 2 << 20};

    if (host_machine_prepare(&bad[bad_row].config) != NULL)
        _exit(1);
    _exit(host_machine_prepare(&good) != NULL ? 0 : 2);
}

static void test_bad_machines_are_refused(void **state)
{
    char text[512];
    int fd = mkstemp(small_disk);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, long_line, 511), 511);
    close(fd);
    memset(long_line, 'x', HOST_CMDLINE_MAX);
    for (bad_row = 0; bad_row < COUNT_OF(bad); bad_row++) {
        ROW(bad[bad_row].name,
            bare_child(bad_prepare, text, sizeof(text)) == 0);
        ROW(bad[bad_row].name, strncmp(text, "torc: ", 6) == 0);
        ROW(bad[bad_row].name, strstr(text, bad[bad_row].text) != NULL);
        ROW(bad[bad_row].name, strchr(text, '\n') == strrchr(text, '\n'));
    }
    unlink(small_disk);
}

/* As large as they may be, or as small. */
static void test_borders_are_accepted(void **state)
{
    static const char self[] = "/proc/self/exe";
    static const char *const modules[] = {self, self, self, self};
    static struct host_net_config nets[8];
    struct host_disk_config disks[16];
    const struct hal_boot_info *boot;
    struct hal_blk_info disk;
    struct hal_net_info net;

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        nets[i].kind = HOST_NET_USER;
    for (unsigned i = 0; i < 16; i++)
        disks[i] = (struct host_disk_config){.path = self, .read_only = true};
    boot = bare_open((struct host_config){.cpus = 256, .mem_bytes = 2 << 20});
    assert_int_equal(boot->cpu_count, 256);
    assert_int_equal(boot->region[0].size, (size_t)512 << 20);
    assert_string_equal(boot->machine, "posix threads");
    assert_int_equal(boot->module_count, 0);
    memset(long_line, 'x', HOST_CMDLINE_MAX);
    long_line[HOST_CMDLINE_MAX - 1] = '\0';
    boot = bare_open((struct host_config){.cmdline = long_line});
    assert_int_equal(strlen(boot->cmdline), HOST_CMDLINE_MAX - 1);
    assert_int_equal(boot->cpu_count, 1);
    boot = bare_open((struct host_config){.disk_count = 16,
                                          .disks = disks,
                                          .net_count = 8,
                                          .nets = nets,
                                          .module_count = 4,
                                          .modules = modules});
    assert_int_equal(boot->module_count, 4);
    assert_int_equal(hal_blk_info(15, &disk), 0);
    assert_int_equal(hal_net_info(7, &net), 0);
    boot = bare_open((struct host_config){0});
    assert_string_equal(boot->cmdline, "");
    host_machine_close();
}

static void print_on_console(void)
{
    struct host_config config = {.quiet = false};

    if (host_machine_prepare(&config) == NULL)
        _exit(1);
    hal_console_write("loud", 4);
    config.quiet = true;
    if (host_machine_prepare(&config) == NULL)
        _exit(2);
    hal_console_write("quiet", 5);
}

static void test_a_quiet_machine_prints_nothing(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(bare_child(print_on_console, text, sizeof(text)), 0);
    assert_string_equal(text, "loud");
}

/* A CPU that comes to no delivery point: the process ends, after a while. */
int pthread_timedjoin_np(pthread_t thread, void **result,
                         const struct timespec *until)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (until->tv_sec < now.tv_sec + 8 || until->tv_sec > now.tv_sec + 11)
        return EINVAL;
    if (join_fails)
        return ETIMEDOUT;
    return pthread_join(thread, result);
}

/* Threads of the host that cannot be made. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *arg)
{
    if (create_fails > 0 && --create_fails == 0)
        return EAGAIN;
    return thread_make(thread, attr, fn, arg);
}

/* Maps and files for memory that cannot be made. */
static unsigned map_fails, memfd_fails; /* the n-th from now; 0: none */
static atomic_size_t mapped;            /* bytes */

void *mmap(void *at, size_t size, int protection, int flags, int fd,
           off_t offset)
{
    if (map_fails > 0 && --map_fails == 0) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if ((flags & MAP_FIXED) == 0) /* else in the place of another one */
        atomic_fetch_add(&mapped, size);
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

int munmap(void *at, size_t size)
{
    atomic_fetch_sub(&mapped, size);
    return (int)syscall(SYS_munmap, at, size);
}

int memfd_create(const char *name, unsigned flags)
{
    if (memfd_fails > 0 && --memfd_fails == 0) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_memfd_create, name, flags);
}

static const char thread_disk_path[] = "/proc/self/exe";
static const struct host_disk_config thread_disk[] = {
    {.path = thread_disk_path, .read_only = true, .engine = HOST_DISK_THREADS}};
static const struct host_net_config thread_net[] = {{.kind = HOST_NET_USER}};

/* clang-format off */
static const struct {
    const char *name;
    unsigned thread; /* that fails: the timer's, the disk's, the network's */
    const char *text;
} thread_rows[] = {
    {"timer", 1, "torc: no threads for 2 CPUs: give fewer with --cpus, or "
                 "raise the limit of processes (ulimit -u)\n"},
    {"disk", 2, "torc: no thread for disk '/proc/self/exe': "
                "Resource temporarily unavailable\n"},
    {"net", 3, "torc: no thread for --net user: "
               "Resource temporarily unavailable\n"},
};
/* clang-format on */
static size_t thread_row;

static void thread_fails(void)
{
    const struct host_config config = {.cpus = 2,
                                       .disk_count = 1,
                                       .disks = thread_disk,
                                       .net_count = 1,
                                       .nets = thread_net};

    unsigned files = fds_open();
    size_t memory = atomic_load(&mapped);

    create_fails = thread_rows[thread_row].thread;
    if (host_machine_prepare(&config) != NULL)
        _exit(1);
    if (create_fails != 0)
        _exit(2);
    if (fds_open() != files || atomic_load(&mapped) != memory)
        _exit(4);
    _exit(host_machine_prepare(&config) != NULL ? 0 : 3);
}

static void test_threads_that_cannot_be_made(void **state)
{
    static char stack[STACK_SIZE] cache_aligned;
    const struct hal_boot_info *boot;
    char text[512];

    (void)state;
    for (thread_row = 0; thread_row < COUNT_OF(thread_rows); thread_row++) {
        const char *name = thread_rows[thread_row].name;

        ROW(name, bare_child(thread_fails, text, sizeof(text)) == 0);
        ROW(name, strcmp(text, thread_rows[thread_row].text) == 0);
    }
    boot = bare_open((struct host_config){.cpus = 2});
    assert_int_equal(boot->cpu_count, 2);
    atomic_store(&arrived, 0);
    create_fails = 1;
    assert_int_equal(hal_cpu_start(1, cpu_sleeper, NULL, stack, sizeof(stack)),
                     -ENODEV);
    assert_int_equal(hal_cpu_start(1, cpu_sleeper, NULL, stack, sizeof(stack)),
                     0);
    while (atomic_load(&arrived) < 1)
        hal_cpu_relax();
    host_machine_close();
}

/* clang-format off */
static const struct {
    const char *name;
    unsigned *fails;
    unsigned times;
    const char *text;
} memory_rows[] = {
    {"memory", &map_fails, 1,
     "torc: no room for 4194304 bytes of memory: give less with --mem, or "
     "fewer --cpus\n"},
    {"file to fill it", &memfd_fails, 1,
     "torc: cannot make the file that --fill copies: leave it out\n"},
    {"map of the file", &map_fails, 2,
     "torc: cannot make the file that --fill copies: leave it out\n"},
    {"copy of the file", &map_fails, 3,
     "torc: cannot make the file that --fill copies: leave it out\n"},
    {"table of the pages", &map_fails, 5,
     "torc: no room for the table of the pages: give less with --mem\n"},
};
/* clang-format on */
static size_t memory_row;

/* In a process that has made no machine yet. */
static void memory_fails(void)
{
    const struct host_config config = {.mem_bytes = 4 << 20, .fill = true};

    *memory_rows[memory_row].fails = memory_rows[memory_row].times;
    if (host_machine_prepare(&config) != NULL)
        _exit(1);
    _exit(host_machine_prepare(&config) != NULL ? 0 : 3);
}

static void test_memory_that_cannot_be_had(void **state)
{
    char text[512];

    (void)state;
    for (memory_row = 0; memory_row < COUNT_OF(memory_rows); memory_row++) {
        const char *name = memory_rows[memory_row].name;

        ROW(name, bare_child(memory_fails, text, sizeof(text)) == 0);
        ROW(name, strcmp(text, memory_rows[memory_row].text) == 0);
    }
}

static void close_with_a_stuck_cpu(void)
{
    const struct hal_boot_info *boot =
        bare_open((struct host_config){.cpus = 3});

    atomic_store(&arrived, 0);
    if (hal_cpu_start(2, cpu_sleeper, NULL, bare_page(boot, 64), STACK_SIZE) !=
        0)
        _exit(1);
    while (atomic_load(&arrived) < 1)
        hal_cpu_relax();
    join_fails = true;
    host_machine_close();
}

static void test_a_cpu_that_does_not_stop_ends_the_process(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(bare_child(close_with_a_stuck_cpu, text, sizeof(text)),
                     134);
    assert_string_equal(text, "torc: CPU 2 does not stop: it waits for nothing "
                              "and never calls hal_cpu_relax()\n");
}

/* The child of a fork() has the memory of the machine, but not its CPUs. */
static void close_in_a_child(void)
{
    host_machine_close();
    if (host_machine_prepare(&(struct host_config){.quiet = true}) == NULL)
        _exit(1);
    hal_timer_set(1);
    hal_cpu_idle();
    host_machine_close();
}

/* The clock of threads other than the first is slow to read when asked to. */
static atomic_bool clock_slow;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (atomic_load(&clock_slow) && gettid() != getpid())
        usleep(50000);
    return (int)syscall(SYS_clock_gettime, clock, now);
}

/* Nor does it have their locks, which they may hold at that moment. */
static void close_in_time(void)
{
    alarm(20);
    close_in_a_child();
}

static void cpu_timed_sleeper(void *arg)
{
    hal_timer_set(hal_time_ns() + PATIENCE_NS);
    cpu_sleeper(arg);
}

static void test_a_child_has_no_lock_of_another_thread(void **state)
{
    const struct hal_boot_info *boot;
    char text[256];

    (void)state;
    atomic_store(&clock_slow, true);
    boot = bare_open((struct host_config){.cpus = 2});
    usleep(10000); /* the thread of the timers reads the clock */
    assert_int_equal(bare_child(close_in_time, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    atomic_store(&arrived, 0);
    assert_int_equal(hal_cpu_start(1, cpu_timed_sleeper, NULL,
                                   bare_page(boot, 64), STACK_SIZE),
                     0);
    while (atomic_load(&arrived) < 1)
        hal_cpu_relax();
    usleep(25000); /* a CPU reads it, before it sleeps */
    assert_int_equal(bare_child(close_in_time, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    atomic_store(&clock_slow, false);
    host_machine_close();
}

static void test_a_child_makes_its_own_machine(void **state)
{
    char text[256];
    const struct hal_boot_info *boot =
        bare_open((struct host_config){.cpus = 2});

    (void)state;
    atomic_store(&arrived, 0);
    assert_int_equal(
        hal_cpu_start(1, cpu_sleeper, NULL, bare_page(boot, 64), STACK_SIZE),
        0);
    assert_int_equal(bare_child(close_in_a_child, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    host_machine_close();
}

static void test_modules_are_there(void **state)
{
    char path[] = "/tmp/torc_module_XXXXXX";
    const char *paths[] = {path, path};
    int fd = mkstemp(path);
    const struct hal_boot_info *boot;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "module", 6), 6);
    close(fd);
    boot = bare_open((struct host_config){.module_count = 2, .modules = paths});
    assert_int_equal(boot->module_count, 2);
    assert_int_equal(boot->module[1].size, 6);
    assert_memory_equal(boot->module[1].base, "module", 6);
    host_machine_close();
    unlink(path);
}

/* Closed, a machine has left nothing behind: memory, files, threads. */
static void test_close_gives_everything_back(void **state)
{
    static const char self[] = "/proc/self/exe";
    static const char *const modules[] = {self, self};
    static const struct host_disk_config disks[] = {
        {.path = self, .read_only = true}, {.path = self, .read_only = true}};
    static const struct host_net_config nets[] = {{.kind = HOST_NET_USER}};
    const struct hal_boot_info *boot;
    size_t before = 0;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        atomic_store(&arrived, 0);
        boot = bare_open((struct host_config){.cpus = 3,
                                              .disk_count = 2,
                                              .disks = disks,
                                              .net_count = 1,
                                              .nets = nets,
                                              .module_count = 2,
                                              .modules = modules});
        for (unsigned cpu = 1; cpu < 3; cpu++)
            assert_int_equal(hal_cpu_start(cpu, cpu_sleeper, NULL,
                                           bare_page(boot, 64 * cpu),
                                           STACK_SIZE),
                             0);
        while (atomic_load(&arrived) < 2)
            hal_cpu_relax();
        host_machine_close();
        if (round == 0) /* what is kept is made in the first */
            before = atomic_load(&mapped);
        assert_int_equal(atomic_load(&mapped), before);
        assert_int_equal(threads, 0);
    }
}

/* ---- Contexts ------------------------------------------------------------ */

/* A context that ends in the middle of things leaves a clean stack. */
static void context_messy(void *arg)
{
    char text[256];

    snprintf(text, sizeof(text), "%p", arg);
    hal_context_switch(&contexts[1], &contexts[0]);
    abort();
}

static void test_stack_of_a_dead_context_is_plain_memory(void **state)
{
    const struct hal_boot_info *boot = bare_open((struct host_config){0});
    char *stack = bare_page(boot, 16);

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        hal_context_init(&contexts[1], stack, STACK_SIZE, context_messy, stack);
        hal_context_switch(&contexts[0], &contexts[1]);
        hal_context_fini(&contexts[1]);
        for (unsigned i = 0; i < STACK_SIZE; i++)
            stack[i] = (char)round;
    }
    host_machine_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_that_cannot_be_had), /* the first one */
        cmocka_unit_test(test_close_stops_all_cpus),
        cmocka_unit_test(test_prepare_starts_afresh),
        cmocka_unit_test(test_memory_is_aligned),
        cmocka_unit_test(test_memory_is_filled_on_request),
        cmocka_unit_test(test_nodes_share_evenly),
        cmocka_unit_test(test_bad_machines_are_refused),
        cmocka_unit_test(test_borders_are_accepted),
        cmocka_unit_test(test_a_quiet_machine_prints_nothing),
        cmocka_unit_test(test_a_cpu_that_does_not_stop_ends_the_process),
        cmocka_unit_test(test_threads_that_cannot_be_made),
        cmocka_unit_test(test_a_child_makes_its_own_machine),
        cmocka_unit_test(test_a_child_has_no_lock_of_another_thread),
        cmocka_unit_test(test_modules_are_there),
        cmocka_unit_test(test_close_gives_everything_back),
        cmocka_unit_test(test_stack_of_a_dead_context_is_plain_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
