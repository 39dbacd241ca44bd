#include "tests/qtest/qemu.h"
#include "hal/posix/host/config.h"
#include "hal/posix/kernel/irq.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <torc/assert.h>
#include <unistd.h>

/*
 * QEMU's memory: what the PC keeps for itself, a page for messages, and ours.
 * All of it lies below the memory of PCI devices, so that an address is the
 * offset into the file.
 */
#define MIB          (1 << 20)
#define MESSAGE_PAGE (1 * MIB)
#define OUR_BASE     (2 * MIB)
#define OUR_SIZE     (24 * MIB)
#define ALL_SIZE     (OUR_BASE + OUR_SIZE)

enum {
    LINE_COUNT = 24, /* inputs of the I/O APIC */
    WORD_TRAP = IRQ_MSI_COUNT,
    WORD_COUNT,
    LOOK_NS = 100 * 1000,    /* how often the thread looks */
    REPEAT_NS = 1000 * 1000, /* how often a line that stays up interrupts */
    PATIENCE_MS = 60 * 1000, /* for an answer */
    POSTED_MAX = 64,         /* writes that have not been answered */
    BIOS_SIZE = 65536,
    CONFIG_ADDRESS = 0xcf8,
    CONFIG_DATA = 0xcfc,
};

static pid_t process;
static int memory_file = -1;
static bool memory_is_used; /* by a machine of ours, before */
static FILE *monitor;       /* NULL: no command was given yet */
static int monitor_fd = -1;
static _Atomic uint32_t *words; /* the messages: word n is that of irq 256+n */

/* Under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int link_fd = -1;
static char input[4096]; /* what has come and is not read */
static size_t input_len;
static unsigned answers_due; /* to commands that were sent */
static bool is_attached;     /* there is a machine that can be interrupted */
static bool is_high[LINE_COUNT];
static uint64_t raised_ns[LINE_COUNT];
static struct counts {
    unsigned accesses;
    unsigned lines;
    unsigned messages;
} counts;

static pthread_t watcher;
static atomic_bool is_ending;

_Noreturn void qemu_die(const char *format, ...)
{
    va_list args;

    fputs("qtest: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- Interrupts; all of it under the lock -------------------------------- */

/* The interrupts of the timer and of the clock. */
static bool is_of_the_pc(unsigned line)
{
    return line == 0 || line == 2 || line == 8;
}

static void line_raise(unsigned line)
{
    if (is_of_the_pc(line))
        return;
    raised_ns[line] = now_ns();
    counts.lines++;
    if (is_attached)
        irq_raise((int)line);
}

/* "IRQ raise 11", "IRQ lower 11". */
static void line_said(const char *text)
{
    unsigned line;

    if (sscanf(text, "IRQ raise %u", &line) == 1 && line < LINE_COUNT) {
        is_high[line] = true;
        line_raise(line);
    } else if (sscanf(text, "IRQ lower %u", &line) == 1 && line < LINE_COUNT) {
        is_high[line] = false;
    } else {
        qemu_die("QEMU says \"%s\"", text);
    }
}

/* PCI's lines are levels (firmware.c gives 10 and 11 to some); the PC's own are
 * edges. */
static bool is_level(unsigned line)
{
    return line == 10 || line == 11 || line >= 16;
}

/*
 * The interrupts of our machine are edges: so a level that stays up interrupts
 * again.
 */
static void lines_repeat(void)
{
    uint64_t now = now_ns();

    for (unsigned i = 0; i < LINE_COUNT; i++)
        if (is_high[i] && is_level(i) && now - raised_ns[i] >= REPEAT_NS)
            line_raise(i);
}

static void messages_look(void)
{
    for (unsigned i = 0; i < WORD_COUNT; i++) {
        if (atomic_load(&words[i]) == 0)
            continue;
        if (atomic_exchange(&words[i], 0) != QEMU_MESSAGE || i == WORD_TRAP)
            qemu_die("a device has sent a message that nobody gave it");
        counts.messages++;
        if (is_attached)
            irq_raise((int)(IRQ_LINE_COUNT + i));
    }
}

uint32_t qemu_message_address(int irq)
{
    unsigned word =
        irq == QEMU_MESSAGE_TRAP ? WORD_TRAP : (unsigned)irq - IRQ_LINE_COUNT;

    assert(word < WORD_COUNT);
    return MESSAGE_PAGE + 4 * word;
}

/* ---- The socket; all of it under the lock -------------------------------- */

/* Whether something came within `wait_ms`. */
static bool input_more(int wait_ms)
{
    struct pollfd wait = {.fd = link_fd, .events = POLLIN};
    ssize_t got;

    if (poll(&wait, 1, wait_ms) <= 0)
        return false;
    got = read(link_fd, input + input_len, sizeof(input) - input_len);
    if (got <= 0)
        qemu_die("QEMU has ended");
    input_len += (size_t)got;
    return true;
}

/* Take one line of what has come, without its end; whether there was one. */
static bool input_line(char *line, size_t size)
{
    char *end = memchr(input, '\n', input_len);
    size_t len = end == NULL ? 0 : (size_t)(end - input);

    if (end == NULL)
        return false;
    if (len >= size)
        qemu_die("a line of %zu bytes from QEMU", len);
    memcpy(line, input, len);
    line[len] = '\0';
    input_len -= len + 1;
    memmove(input, end + 1, input_len);
    return true;
}

static bool is_about_irq(const char *line)
{
    return strncmp(line, "IRQ ", 4) == 0;
}

/* Look at a line. Returns whether it is the answer to a command: then *value is
 * what is behind "OK". */
static bool line_take(const char *line, uint64_t *value)
{
    if (is_about_irq(line)) {
        line_said(line);
        return false;
    }
    if (answers_due == 0 || strncmp(line, "OK", 2) != 0)
        qemu_die("QEMU says \"%s\"", line);
    answers_due--;
    *value = line[2] != '\0' ? strtoull(line + 3, NULL, 0) : 0;
    return true;
}

/* Wait until `left` answers are due. Returns what the last one says. */
static uint64_t answers_await(unsigned left)
{
    char line[128];
    uint64_t value = 0;

    while (answers_due > left) {
        if (input_line(line, sizeof(line)))
            (void)line_take(line, &value);
        else if (!input_more(PATIENCE_MS))
            qemu_die("QEMU does not answer");
    }
    return value;
}

static void command(const char *text)
{
    size_t len = strlen(text);

    if (link_fd < 0)
        qemu_die("a device is used when there is no QEMU");
    if (send(link_fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        qemu_die("QEMU has ended");
    counts.accesses++;
    answers_due++;
}

static uint32_t command_read(enum hal_io_space space, uint64_t address,
                             unsigned width)
{
    static const char names[] = "bw-l";
    char text[64];

    snprintf(text, sizeof(text), "%s%c 0x%llx\n",
             space == HAL_IO_PORT ? "in" : "read", names[width - 1],
             (unsigned long long)address);
    command(text);
    return (uint32_t)answers_await(0);
}

static void command_write(enum hal_io_space space, uint64_t address,
                          unsigned width, uint32_t value)
{
    static const char names[] = "bw-l";
    char text[64];

    snprintf(text, sizeof(text), "%s%c 0x%llx 0x%x\n",
             space == HAL_IO_PORT ? "out" : "write", names[width - 1],
             (unsigned long long)address, value);
    command(text);
}

/* ---- Registers ----------------------------------------------------------- */

uint32_t qemu_read(enum hal_io_space space, uint64_t address, unsigned width)
{
    uint32_t value;

    assert(width == 1 || width == 2 || width == 4);
    pthread_mutex_lock(&lock);
    value = command_read(space, address, width);
    pthread_mutex_unlock(&lock);
    return value;
}

void qemu_write(enum hal_io_space space, uint64_t address, unsigned width,
                uint32_t value)
{
    assert(width == 1 || width == 2 || width == 4);
    pthread_mutex_lock(&lock);
    command_write(space, address, width, value);
    (void)answers_await(0);
    pthread_mutex_unlock(&lock);
}

void qemu_post(enum hal_io_space space, uint64_t address, unsigned width,
               uint32_t value)
{
    pthread_mutex_lock(&lock);
    command_write(space, address, width, value);
    if (answers_due == POSTED_MAX)
        (void)answers_await(POSTED_MAX / 2);
    pthread_mutex_unlock(&lock);
}

static void pci_select(struct hal_pci_addr addr, unsigned reg)
{
    command_write(HAL_IO_PORT, CONFIG_ADDRESS, 4,
                  UINT32_C(1) << 31 | (uint32_t)addr.bus << 16 |
                      (uint32_t)addr.dev << 11 | (uint32_t)addr.fn << 8 | reg);
}

uint32_t qemu_pci_read(struct hal_pci_addr addr, unsigned reg)
{
    uint32_t value;

    pthread_mutex_lock(&lock);
    pci_select(addr, reg);
    value = command_read(HAL_IO_PORT, CONFIG_DATA, 4);
    pthread_mutex_unlock(&lock);
    return value;
}

void qemu_pci_write(struct hal_pci_addr addr, unsigned reg, uint32_t value)
{
    pthread_mutex_lock(&lock);
    pci_select(addr, reg);
    command_write(HAL_IO_PORT, CONFIG_DATA, 4, value);
    (void)answers_await(0);
    pthread_mutex_unlock(&lock);
}

void qemu_report(const char *name, bool by_message)
{
    struct counts now;

    pthread_mutex_lock(&lock);
    now = counts;
    pthread_mutex_unlock(&lock);
    printf("    %s: %u accesses, interrupts: %u by line, %u by message\n", name,
           now.accesses, now.lines, now.messages);
    assert_true(by_message || now.messages == 0);
    assert_true(!by_message || now.lines == 0);
}

/* ---- The monitor --------------------------------------------------------- */

/* Send a line; wait for its answer. What QEMU tells meanwhile is left out. */
static void monitor_say(const char *text)
{
    char line[1024];

    if (dprintf(monitor_fd, "%s\n", text) < 0)
        qemu_die("QEMU has ended");
    while (fgets(line, sizeof(line), monitor) != NULL) {
        if (strstr(line, "\"error\"") != NULL)
            qemu_die("QEMU answers %s to %s", line, text);
        if (strstr(line, "\"return\"") != NULL)
            return;
    }
    qemu_die("QEMU has ended");
}

void qemu_execute(const char *what, const char *arguments)
{
    char text[512];

    if (monitor == NULL) {
        monitor = fdopen(monitor_fd, "r");
        if (monitor == NULL)
            qemu_die("no memory for the monitor");
        monitor_say("{'execute': 'qmp_capabilities'}");
    }
    snprintf(text, sizeof(text), "{'execute': '%s', 'arguments': {%s}}", what,
             arguments);
    monitor_say(text);
}

/* ---- The thread that sees interrupts ------------------------------------- */

static void *watch(void *arg)
{
    const struct timespec look = {.tv_nsec = LOOK_NS};
    struct pollfd wait = {.fd = link_fd, .events = POLLIN};
    char line[128];
    uint64_t value;

    (void)arg;
    prctl(PR_SET_TIMERSLACK, 1000);
    while (!atomic_load(&is_ending)) {
        bool is_readable = ppoll(&wait, 1, &look, NULL) > 0;

        pthread_mutex_lock(&lock);
        while (is_readable && !atomic_load(&is_ending) && input_more(0))
            while (input_line(line, sizeof(line)))
                (void)line_take(line, &value);
        messages_look();
        lines_repeat();
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/* ---- The machine --------------------------------------------------------- */

void qemu_attach(const char *cmdline)
{
    const struct host_config config = {
        .mem_bytes = OUR_SIZE,
        .cmdline = cmdline,
        .quiet = true,
        .fill = !memory_is_used, /* else it holds what the last one left */
        .memory_file = memory_file,
        .memory_offset = OUR_BASE,
    };

    machine_attach_config(&config);
    memory_is_used = true;
    pthread_mutex_lock(&lock);
    is_attached = true;
    pthread_mutex_unlock(&lock);
}

void qemu_detach(void)
{
    pthread_mutex_lock(&lock);
    is_attached = false;
    pthread_mutex_unlock(&lock);
    machine_detach();
}

/* ---- The process --------------------------------------------------------- */

/* A file in memory that QEMU inherits. */
static int file_make(const char *name, size_t size)
{
    int file = memfd_create(name, 0);

    if (file < 0 || ftruncate(file, (off_t)size) != 0)
        qemu_die("no memory for %s: %s", name, strerror(errno));
    return file;
}

/* A BIOS that turns interrupts off and halts, again and again. */
static int bios_make(void)
{
    static const uint8_t halt[] = {0xfa, 0xf4, 0xeb, 0xfc}; /* cli; hlt; jmp */
    int file = file_make("bios", BIOS_SIZE);

    /* The processor starts 16 bytes before the end. */
    if (pwrite(file, halt, sizeof(halt), BIOS_SIZE - 16) != sizeof(halt))
        qemu_die("cannot write the BIOS: %s", strerror(errno));
    return file;
}

/* Files of this process that QEMU has, too. */
struct inherited {
    int qtest, monitor, bios;
};

static _Noreturn void process_run(const char *machine, const char *const *args,
                                  const struct inherited *files)
{
    static char all[6][160];
    /* Debian's QEMU has no "qtest" accelerator, which would leave the processor
     * out. With another one the protocol works all the same. */
    /* clang-format off */
    const char *argv[QEMU_ARGS_MAX + 24] = {
        "qemu-system-x86_64", "-machine", all[0], "-m", all[1],
        "-object", all[2], "-bios", all[3],
        "-chardev", all[4], "-qtest", "chardev:qtest", "-qtest-log", "none",
        "-chardev", all[5], "-mon", "chardev=monitor,mode=control",
        "-nodefaults", "-display", "none",
    };
    /* clang-format on */
    unsigned count = 0;

    while (argv[count] != NULL)
        count++;
    for (unsigned i = 0; args[i] != NULL; i++) {
        if (i == QEMU_ARGS_MAX)
            qemu_die("more than %d arguments", QEMU_ARGS_MAX);
        argv[count++] = args[i];
    }
    snprintf(all[0], sizeof(all[0]), "%s,accel=tcg,memory-backend=ram",
             machine);
    snprintf(all[1], sizeof(all[1]), "%dM", ALL_SIZE / MIB);
    snprintf(all[2], sizeof(all[2]),
             "memory-backend-file,id=ram,size=%dM,share=on,"
             "mem-path=/proc/self/fd/%d",
             ALL_SIZE / MIB, memory_file);
    snprintf(all[3], sizeof(all[3]), "/proc/self/fd/%d", files->bios);
    snprintf(all[4], sizeof(all[4]), "socket,id=qtest,fd=%d", files->qtest);
    snprintf(all[5], sizeof(all[5]), "socket,id=monitor,fd=%d", files->monitor);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], (char *const *)argv);
    qemu_die("cannot run %s: %s", argv[0], strerror(errno));
}

static void state_clear(void)
{
    input_len = 0;
    answers_due = 0;
    is_attached = false;
    memory_is_used = false;
    memset(is_high, 0, sizeof(is_high));
    memset(&counts, 0, sizeof(counts));
    atomic_store(&is_ending, false);
}

/* A pair of sockets; the second one is inherited. */
static void pair_make(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 ||
        fcntl(ends[0], F_SETFD, FD_CLOEXEC) != 0)
        qemu_die("no socket for QEMU: %s", strerror(errno));
}

void qemu_start(const char *machine, const char *const *args)
{
    struct inherited files;
    int qtest[2], mon[2];
    void *page;

    assert(process == 0);
    state_clear();
    memory_file = file_make("memory", ALL_SIZE);
    page = mmap(NULL, HAL_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                memory_file, MESSAGE_PAGE);
    if (page == MAP_FAILED)
        qemu_die("no memory for QEMU: %s", strerror(errno));
    words = page;
    pair_make(qtest);
    pair_make(mon);
    files = (struct inherited){qtest[1], mon[1], bios_make()};
    process = fork();
    if (process == 0)
        process_run(machine, args, &files);
    close(files.qtest);
    close(files.monitor);
    close(files.bios);
    link_fd = qtest[0];
    monitor_fd = mon[0];
    command("irq_intercept_in ioapic\n");
    (void)answers_await(0);
    if (pthread_create(&watcher, NULL, watch, NULL) != 0)
        qemu_die("no thread");
}

void qemu_stop(void)
{
    pthread_mutex_lock(&lock);
    is_attached = false;
    atomic_store(&is_ending, true);
    pthread_mutex_unlock(&lock);
    pthread_join(watcher, NULL);
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
    process = 0;
    close(link_fd);
    link_fd = -1;
    if (monitor != NULL)
        fclose(monitor);
    else
        close(monitor_fd);
    monitor = NULL;
    munmap((void *)words, HAL_PAGE_SIZE);
    close(memory_file);
    memory_file = -1;
}
