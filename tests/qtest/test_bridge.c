/* The bridge itself: what our machine has of QEMU's, and what it is told. */
#include "drivers/pci.h"
#include "hal/posix/kernel/irq.h"
#include "kernel/lib/bytes.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/qtest/firmware.h"
#include "tests/qtest/qemu.h"
#include "tests/qtest/transcript.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <torc/compiler.h>
#include <torc/memory.h>
#include <torc/thread.h>
#include <torc/time.h>
#include <unistd.h>

static const char *const virtio_rng[] = {"-device", "virtio-rng-pci", NULL};

static void open_machine(const char *machine, const char *const *args)
{
    qemu_start(machine, args);
    qemu_attach(NULL);
    firmware_run(machine);
}

static void close_machine(void)
{
    qemu_detach();
    qemu_stop();
}

static void test_memory_is_the_same(void **state)
{
    uint8_t *page;
    uint64_t bus;

    (void)state;
    open_machine("pc", virtio_rng);
    page = dma_alloc(4096);
    bus = hal_dma_addr(page);
    le32_put(page + 8, 0x12345678);
    assert_int_equal(qemu_read(HAL_IO_MEMORY, bus + 8, 4), 0x12345678);
    assert_int_equal(qemu_read(HAL_IO_MEMORY, bus + 9, 1), 0x56);
    qemu_write(HAL_IO_MEMORY, bus + 12, 2, 0xabcd);
    assert_int_equal(le16_get(page + 12), 0xabcd);
    close_machine();
}

static unsigned found;
static struct pci_function rng;

static void function_found(const struct pci_function *function, void *ctx)
{
    (void)ctx;
    found++;
    if (function->vendor == 0x1af4)
        rng = *function;
}

/* It has an address above 4 GiB and a line, and answers only when enabled. */
static void test_functions_are_placed(void **state)
{
    static const struct {
        const char *machine;
        unsigned functions;
        unsigned line;
    } rows[] = {
        {"pc", 5, 10}, /* i440FX, PIIX3 of three functions, ours at 00:02.0 */
        {"q35", 5, 21},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hal_io io;

        found = 0;
        open_machine(rows[i].machine, virtio_rng);
        pci_scan(function_found, NULL);
        ROW(rows[i].machine, found == rows[i].functions);
        ROW(rows[i].machine, rng.irq_line == rows[i].line);
        assert_int_equal(pci_map_bar(&rng, 4, 0, 0x4000, &io), 0);
        ROW(rows[i].machine, io.base >> 32 == 8);
        ROW(rows[i].machine, hal_io_read16(io, 18) == 0);
        pci_enable(&rng);
        ROW(rows[i].machine, hal_io_read16(io, 18) == 1); /* num_queues */
        close_machine();
    }
}

static void test_the_table_reads_as_written(void **state)
{
    struct hal_io table;
    uint64_t address;
    uint32_t data;
    int irq;

    (void)state;
    open_machine("q35", virtio_rng);
    pci_scan(function_found, NULL);
    pci_enable(&rng);
    assert_int_equal(pci_map_bar(&rng, 1, 0, 0x1000, &table), 0);
    irq = hal_irq_msi(0, &address, &data);
    assert_true(irq >= IRQ_LINE_COUNT);
    hal_io_write32(table, 16, (uint32_t)address);
    hal_io_write32(table, 20, (uint32_t)(address >> 32));
    hal_io_write32(table, 24, data);
    assert_int_equal(hal_io_read32(table, 16), (uint32_t)address);
    assert_int_equal(hal_io_read32(table, 24), data);
    /* QEMU's has the place where messages are seen. */
    assert_int_equal(qemu_read(HAL_IO_MEMORY, table.base + 16, 4),
                     qemu_message_address(irq));
    assert_int_equal(qemu_read(HAL_IO_MEMORY, table.base + 24, 4),
                     QEMU_MESSAGE);
    assert_int_equal(hal_io_read32(table, 28), 1); /* masked, by a reset */
    close_machine();
}

static void count_irq(void *arg)
{
    ++*(unsigned *)arg;
}

/* A word at the address is an interrupt, each time. */
static void test_a_message_interrupts(void **state)
{
    unsigned count = 0;
    uint64_t address;
    uint32_t data;
    int irq;

    (void)state;
    open_machine("pc", virtio_rng);
    irq = hal_irq_msi(0, &address, &data);
    assert_int_equal(hal_irq_attach(irq, 0, count_irq, &count), 0);
    for (unsigned i = 1; i <= 3; i++) {
        uint64_t end = time_ns() + 10 * NS_PER_S;

        qemu_write(HAL_IO_MEMORY, qemu_message_address(irq), 4, QEMU_MESSAGE);
        while (count < i && time_ns() < end)
            thread_sleep(100 * NS_PER_US);
        assert_int_equal(count, i);
    }
    close_machine();
}

/* How a process ends that runs fn() with a machine open. */
static int ends_with(void (*fn)(void))
{
    const struct rlimit no_core = {0, 0};
    int status;
    pid_t child = fork();

    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        open_machine("pc", virtio_rng);
        fn();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void send_a_wrong_message(void)
{
    qemu_write(HAL_IO_MEMORY, qemu_message_address(QEMU_MESSAGE_TRAP), 4,
               QEMU_MESSAGE);
    thread_sleep(10 * NS_PER_S);
}

static void write_half_of_an_entry(void)
{
    struct hal_io table;

    pci_scan(function_found, NULL);
    pci_enable(&rng);
    if (pci_map_bar(&rng, 1, 0, 0x1000, &table) != 0)
        _exit(1);
    hal_io_write16(table, 0, 0);
}

static void do_nothing(void)
{
}

static void test_what_is_wrong_ends_the_process(void **state)
{
    (void)state;
    assert_int_equal(ends_with(do_nothing), 0);
    assert_int_equal(ends_with(send_a_wrong_message), SIGABRT);
    assert_int_equal(ends_with(write_half_of_an_entry), SIGABRT);
}

static void test_transcripts_are_compared_by_lines(void **state)
{
    static const struct {
        const char *name;
        const char *a[4], *b[4];
        const char *line_a, *line_b; /* NULL: they are equal */
    } rows[] = {
        {"nothing", {NULL}, {NULL}, NULL, NULL},
        {"equal", {"x", "y", NULL}, {"x", "y", NULL}, NULL, NULL},
        {"the second", {"x", "y", NULL}, {"x", "z", NULL}, "y", "z"},
        {"the first", {"x", "y", NULL}, {"w", "y", NULL}, "x", "w"},
        {"shorter", {"x", NULL}, {"x", "y", NULL}, "", "y"},
        {"longer", {"x", "y", NULL}, {"x", NULL}, "y", ""},
        {"none", {"x", NULL}, {NULL}, "x", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct transcript a = {.text = NULL}, b = {.text = NULL};
        char line_a[8], line_b[8];
        bool differ;

        for (unsigned k = 0; rows[i].a[k] != NULL; k++)
            transcript_add(&a, "%s", rows[i].a[k]);
        for (unsigned k = 0; rows[i].b[k] != NULL; k++)
            transcript_add(&b, "%s", rows[i].b[k]);
        differ = transcript_differ(&a, &b, line_a, line_b, sizeof(line_a));
        ROW(rows[i].name, differ == (rows[i].line_a != NULL));
        ROW(rows[i].name, !differ || strcmp(line_a, rows[i].line_a) == 0);
        ROW(rows[i].name, !differ || strcmp(line_b, rows[i].line_b) == 0);
        transcript_free(&a);
        transcript_free(&b);
    }
    assert_int_not_equal(transcript_sum("abcdefghi", 9),
                         transcript_sum("abcdefghj", 9));
    assert_int_not_equal(transcript_sum("abcdefgh\0", 8),
                         transcript_sum("abcdefgh\0", 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_the_same),
        cmocka_unit_test(test_functions_are_placed),
        cmocka_unit_test(test_the_table_reads_as_written),
        cmocka_unit_test(test_a_message_interrupts),
        cmocka_unit_test(test_what_is_wrong_ends_the_process),
        cmocka_unit_test(test_transcripts_are_compared_by_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
