/*
 * Crash dumps: what a debugger needs of a machine that has failed, written by
 * the report of the panic. All threads of all CPUs with their registers, the
 * part of their stacks that is in use, and the variables of the kernel and the
 * application. With dump=console it is printed as lines of base64; dump_disk.c
 * writes it to a disk. tools/gdb/torc_core.py turns it into an ELF core file
 * for gdb.
 *
 * The stream: "TORCDUMP", then records of a type, the bytes that follow, and
 * these, all numbers little-endian; the last record has the CRC-32 of all
 * before.
 *
 * Nothing here waits, allocates or uses the scheduler: the other CPUs are
 * stopped, and whatever is damaged may be read.
 */
#include "kernel/boot/dump.h"
#include "hal/hal.h"
#include "kernel/base/backtrace.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/device/driver.h"
#include "kernel/heap/heap.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/crc32.h"
#include "kernel/memory/mem.h"
#include "kernel/thread/report.h"
#include <torc/drivers.h>
#include <torc/machine.h>
#include <torc/string.h>

enum record {
    RECORD_THREAD = 1, /* id 8, CPU 4, flags 4, name 16, registers 27 * 8 */
    RECORD_MEMORY = 2, /* address 8, bytes */
    RECORD_ZERO = 3,   /* address 8, how many bytes are zero 8 */
    RECORD_END = 4,    /* CRC-32 of all before this record 4 */
};

enum {
    FLAG_RUNS = 1,
    FLAG_IDLE = 2,
    FLAG_KNOWN = 4,  /* its registers are */
    FLAG_FAILED = 8, /* the report is of this one */
    THREAD_SIZE = 8 + 4 + 4 + THREAD_NAME_MAX + 8 * HAL_REGISTER_COUNT,
    PIECE = 256,            /* bytes that are left out when all are zero */
    STACK_MAX = 64 * 1024,  /* of one thread */
    RECORD_MAX = 16 * 1024, /* of memory */
    LINE_BYTES = 57,
};

/* Where the variables of the image are; from the linker, on both machines. */
extern char data_start[] __attribute__((weak));
extern char _end[] __attribute__((weak));

/* Of the CPU that reports. */
static struct {
    struct dump_sink sink;
    size_t filled; /* of the piece */
    uint32_t crc;
    uint64_t bytes;
    bool has_failed;
} out;

/* It reads what it dumps, whoever it belongs to. */
#define ANY_MEMORY __attribute__((no_sanitize_address)) noinline

/* ---- To the console ------------------------------------------------------ */

static bool line_write(const uint8_t *line, size_t size)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[LINE_BYTES / 3 * 4 + 1];
    unsigned len = 0;

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t word = (uint32_t)line[i] << 16;

        word |= left > 1 ? (uint32_t)line[i + 1] << 8 : 0;
        word |= left > 2 ? line[i + 2] : 0;
        text[len++] = digits[word >> 18];
        text[len++] = digits[word >> 12 & 63];
        text[len++] = left > 1 ? digits[word >> 6 & 63] : '=';
        text[len++] = left > 2 ? digits[word & 63] : '=';
    }
    text[len++] = '\n';
    /* Not on a screen, where it would take the place of the report. */
    hal_console_write("dump: ", 6);
    hal_console_write(text, len);
    return true;
}

/* ---- The stream ---------------------------------------------------------- */

static void piece_end(void)
{
    if (out.filled > 0 && !out.has_failed)
        out.has_failed = !out.sink.write(out.sink.piece, out.filled);
    out.filled = 0;
}

ANY_MEMORY static void copy_any(uint8_t *to, const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[i];
}

/* The sum is of what was copied: what is dumped may be this very state. */
static void put(const void *data, size_t size)
{
    const uint8_t *bytes = data;

    out.bytes += size;
    while (size > 0 && !out.has_failed) {
        size_t room = out.sink.size - out.filled;
        size_t part = size < room ? size : room;

        copy_any(out.sink.piece + out.filled, bytes, part);
        out.crc = crc32(out.crc, out.sink.piece + out.filled, part);
        out.filled += part;
        bytes += part;
        size -= part;
        if (out.filled == out.sink.size)
            piece_end();
    }
}

static void put32(uint32_t value)
{
    uint8_t bytes[4];

    le32_put(bytes, value);
    put(bytes, sizeof(bytes));
}

static void put64(uint64_t value)
{
    put32((uint32_t)value);
    put32((uint32_t)(value >> 32));
}

static void record_begin(enum record type, size_t size)
{
    put32(type);
    put32((uint32_t)size);
}

/* ---- Memory -------------------------------------------------------------- */

ANY_MEMORY static bool is_zero(uintptr_t at, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)at;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* How many bytes from `at` on are alike: zero, or not; up to RECORD_MAX. */
static size_t stretch(uintptr_t at, uintptr_t to, bool zero)
{
    uintptr_t end = at;

    if (to - at > RECORD_MAX)
        to = at + RECORD_MAX;
    while (end < to) {
        size_t piece = to - end < PIECE ? to - end : PIECE;

        if (is_zero(end, piece) != zero)
            break;
        end += piece;
    }
    return end - at;
}

/* In records that each have room for their size. */
static void put_memory(uintptr_t from, uintptr_t to)
{
    while (from < to) {
        size_t zeroes = stretch(from, to, true);
        size_t bytes = stretch(from + zeroes, to, false);

        if (zeroes > 0) {
            record_begin(RECORD_ZERO, 16);
            put64(from);
            put64(zeroes);
        }
        from += zeroes;
        if (bytes > 0) {
            record_begin(RECORD_MEMORY, 8 + bytes);
            put64(from);
            put((const void *)from, bytes);
        }
        from += bytes;
    }
}

/* ---- Threads ------------------------------------------------------------- */

static void put_thread(void *ctx, const struct thread_view *view)
{
    const struct thread *thread = view->thread;
    uintptr_t sp = view->registers.value[HAL_REGISTER_SP];
    uint32_t flags = (view->runs ? FLAG_RUNS : 0) |
                     (view->is_idle ? FLAG_IDLE : 0) |
                     (view->is_known ? FLAG_KNOWN : 0);

    if (view->runs && view->cpu == hal_cpu_id()) {
        flags |= FLAG_FAILED;
        *(bool *)ctx = true;
    }
    record_begin(RECORD_THREAD, THREAD_SIZE);
    put64(thread->id);
    put32(view->cpu);
    put32(flags);
    put(thread->name, sizeof(thread->name));
    for (unsigned i = 0; i < HAL_REGISTER_COUNT; i++)
        put64(view->registers.value[i]);
    put_memory((uintptr_t)thread, (uintptr_t)(thread + 1));
    if (!view->runs && thread->context.sp != NULL)
        sp = (uintptr_t)thread->context.sp; /* with what a switch has left */
    if (sp >= view->stack_low && sp < view->stack_high)
        put_memory(sp, view->stack_high - sp > STACK_MAX ? sp + STACK_MAX
                                                         : view->stack_high);
}

/* The kernel does not know any more which thread it was. */
static void put_nobody(void)
{
    static struct thread nobody; /* of the CPU that reports */
    struct thread_view view = {.thread = &nobody,
                               .cpu = hal_cpu_id(),
                               .runs = true,
                               .is_known = true,
                               .registers = *panic_registers(hal_cpu_id())};
    uintptr_t sp = view.registers.value[HAL_REGISTER_SP];
    bool ignored;

    view.stack_low = sp;
    view.stack_high =
        thread_frames_end(sp, view.registers.value[HAL_REGISTER_FP]);
    put_thread(&ignored, &view);
}

/* Not the heap's blocks: whoever wants one of them has no memory for all. */
static void put_cpu(struct cpu *cpu)
{
    const struct page_allocator *pages = mem_pages_of(cpu->id);
    const struct exchange_link *links = cpu->exchange->links;

    put_memory((uintptr_t)cpu, (uintptr_t)cpu + HEAP_CPU_BLOCK_SIZE);
    put_memory((uintptr_t)cpu->threads,
               (uintptr_t)cpu->threads + thread_table_size(cpu));
    put_memory((uintptr_t)pages, (uintptr_t)(pages + 1));
    put_memory((uintptr_t)links, (uintptr_t)(links + cpu_count()));
}

void dump_stream(const struct dump_sink *sink)
{
    bool is_found = false;
    uint32_t crc;

    out.sink = *sink;
    out.filled = 0;
    out.crc = 0;
    out.bytes = 0;
    out.has_failed = false;
    put("TORCDUMP", 8);
    threads_visit(put_thread, &is_found);
    if (!is_found)
        put_nobody();
    for (unsigned i = 0; i < cpu_count(); i++) {
        struct cpu *cpu = cpu_if_any(i);

        if (cpu != NULL)
            put_cpu(cpu);
    }
    put_memory((uintptr_t)data_start, (uintptr_t)_end);
    crc = out.crc;
    record_begin(RECORD_END, 4);
    put32(crc);
    piece_end();
}

void dump_rest(void)
{
    piece_end();
}

static void dump_to_console(void)
{
    static uint8_t line[LINE_BYTES]; /* of the CPU that reports */

    say("a dump begins: tools/gdb/torc_core.py makes a core file of it\n");
    dump_stream(&(struct dump_sink){line, sizeof(line), line_write});
    say("the dump has %llu bytes\n", (unsigned long long)out.bytes);
}

static int dump_probe(void)
{
    const char *where = machine_option("dump");

    thread_report_init();
    if (where != NULL && str_equal(where, "console"))
        panic_add_part(dump_to_console);
    return 0;
}

static const char *const dump_options[] = {
    "dump=off|console where a panic writes what a debugger needs (off)",
    NULL,
};

const struct driver dump_driver = {
    .name = "dump", .probe = dump_probe, .options = dump_options};
