/*
 * Children: what fork() is on the host. A copy of all that the child could
 * change is made, the child runs, and when it ends the copy is put back. What
 * is not put back: page tables, since those that the child has made stay in
 * use; and what is GUEST_KEEP.
 *
 * A machine ends on any of its CPUs. The others are stopped by non-maskable
 * interrupts; CPU 0 goes on from its handler, and the rest stand still until
 * hal_cpu_start() resets them.
 */
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/base/image.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/irq/stop.h"
#include "tests/fakes/console.h"
#include "tests/guest/guest.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    CHILD_STACK_SIZE = 64 * 1024,
    TEXT_MAX = 1 << 20,
    TAIL = 2000,
    PIECES_MAX = 8 + HAL_CPU_MAX,
    LOOKS = 10 * 1000 * 1000,
    INTERRUPTS_MAX = 16, /* that one CPU can be in at once */
};

extern char guest_keep_start[], guest_keep_end[], _end[];

void __wrap_stop_here(const struct hal_registers *registers);
void __real_stop_here(const struct hal_registers *registers);

/* A part of memory, and where its copy is. */
struct piece {
    char *at;
    size_t size;
    char *copy;
};

GUEST_KEEP static struct piece pieces[PIECES_MAX];
GUEST_KEEP static unsigned piece_count;
GUEST_KEEP static size_t copied;
GUEST_KEEP static jmp_buf root;
GUEST_KEEP static char text[TEXT_MAX];
GUEST_KEEP static size_t text_len;
GUEST_KEEP static void (*child_fn)(void);
GUEST_KEEP static bool runs;
GUEST_KEEP static char stack[CHILD_STACK_SIZE] __attribute__((aligned(4096)));
GUEST_KEEP static char end_stack[CHILD_STACK_SIZE]
    __attribute__((aligned(4096)));
/* Of the CPU that ends the machine: it writes the status first. */
GUEST_KEEP static int end_status;
GUEST_KEEP static atomic_bool end_asked;

bool guest_child_runs(void)
{
    return runs;
}

/* Any CPU of a child; two that talk at once may lose text. */
void guest_write(const char *what, size_t len)
{
    if (!runs) {
        metal_console_write(what, len);
        return;
    }
    if (len > TEXT_MAX - 1 - text_len)
        len = TEXT_MAX - 1 - text_len;
    memcpy(text + text_len, what, len);
    text_len += len;
}

/* ---- The copy ------------------------------------------------------------ */

static void keep(void *at, size_t size)
{
    struct piece *piece = &pieces[piece_count];
    const struct guest_area *area = &guest_areas[GUEST_SNAPSHOT];

    if (piece_count == PIECES_MAX || size > area->size - copied) {
        static const char full[] = "guest: too much memory to copy\n";

        metal_console_write(full, sizeof(full) - 1);
        metal_exit(1);
    }
    piece_count++;
    *piece = (struct piece){at, size, (char *)area->base + copied};
    memcpy(piece->copy, at, size);
    copied += (size + 63) & ~(size_t)63;
}

static void keep_all(void)
{
    struct guest_area used = guest_arena_used();
    char here;

    piece_count = 0;
    copied = 0;
    keep((void *)(uintptr_t)data_start,
         (size_t)(guest_keep_start - data_start));
    keep(guest_keep_end, (size_t)(_end - guest_keep_end));
    keep((void *)used.base, used.size);
    keep(&here, (size_t)(guest_stack_end - &here));
    for (unsigned i = 0; i < cpu_block_count; i++)
        keep(cpu_blocks[i], sizeof(*cpu_blocks[i]));
}

/* Page tables stay, and with them the memory that they are in. */
static void restore_block(struct cpu_block *block, const struct piece *piece)
{
    size_t left = block->table_page_count;

    memcpy(piece->at, piece->copy, piece->size);
    block->table_page_count = left;
}

static void restore_all(void)
{
    unsigned others = piece_count - cpu_block_count;

    for (unsigned i = 0; i < piece_count; i++) {
        if (i >= others)
            restore_block((struct cpu_block *)(void *)pieces[i].at, &pieces[i]);
        else
            memcpy(pieces[i].at, pieces[i].copy, pieces[i].size);
    }
}

/* ---- The end ------------------------------------------------------------- */

static bool is_stopped(const struct cpu_block *block)
{
    return atomic_load_explicit(&block->is_stopped, memory_order_acquire);
}

static void stopped(struct cpu_block *block)
{
    atomic_store_explicit(&block->is_stopped, true, memory_order_release);
}

/* It would run in memory that is put back under it. */
static _Noreturn void cannot_stop(unsigned cpu)
{
    char line[80];

    snprintf(line, sizeof(line),
             "guest: CPU %u takes no non-maskable interrupt\n", cpu);
    metal_console_write(line, strlen(line));
    runs = false;
    metal_exit(1);
}

/* CPU 0, on a stack that nobody uses. */
static void child_end(void)
{
    for (unsigned i = 1; i < cpu_block_count; i++) {
        const struct cpu_block *block = cpu_blocks[i];

        if (!block->started || is_stopped(block))
            continue;
        lapic_ipi(block->apic_id, IPI_NMI);
        for (unsigned looks = 0; looks < LOOKS && !is_stopped(block); looks++)
            metal_cpu_relax();
        if (!is_stopped(block))
            cannot_stop(i);
    }
    restore_all();
    for (unsigned i = 0; i < INTERRUPTS_MAX; i++)
        lapic_eoi();
    runs = false;
    longjmp(root, 1);
}

/* Any CPU: the child ends. */
static _Noreturn void end(int status)
{
    struct cpu_block *self = cpu_block_self();

    (void)hal_irq_save();
    end_status = status;
    atomic_store(&end_asked, true);
    if (self->id == 0)
        guest_call(child_end, end_stack + sizeof(end_stack));
    stopped(self);
    if (!is_stopped(cpu_blocks[0]))
        lapic_ipi(cpu_blocks[0]->apic_id, IPI_NMI);
    halt();
}

/* A non-maskable interrupt. */
void __wrap_stop_here(const struct hal_registers *registers)
{
    struct cpu_block *self = cpu_block_self();

    if (!runs) {
        __real_stop_here(registers);
        return;
    }
    hal_stopped[self->id] = registers;
    stopped(self);
    if (self->id != 0)
        halt();
    while (!atomic_load(&end_asked))
        metal_cpu_relax();
    guest_call_nmi(child_end, end_stack + sizeof(end_stack));
}

void hal_exit(int status)
{
    if (runs)
        end(status == HAL_EXIT_AGAIN ? 0 : status & 0xff);
    if (guest_counters_dump != NULL)
        guest_counters_dump();
    metal_exit(status);
}

/* The end of what a quiet console was told. */
static void unseen_tail(void)
{
    const char *unseen = console_unseen();
    size_t len = strlen(unseen), tail = len < TAIL ? len : TAIL;

    guest_write(unseen + len - tail, tail);
}

void hal_abort(enum hal_end how)
{
    if (runs)
        end(GUEST_STATUS_ABORT);
    unseen_tail();
    if (guest_counters_dump != NULL)
        guest_counters_dump();
    metal_abort(how);
}

int guest_child_run(void (*fn)(void), const char **said)
{
    hal_irqflags flags = hal_irq_save();

    child_fn = fn;
    text_len = 0;
    end_status = 0;
    atomic_store(&end_asked, false);
    if (setjmp(root) == 0) {
        keep_all();
        runs = true;
        guest_call(child_fn, stack + sizeof(stack));
    }
    metal_timer_set(cpu_blocks[0]->deadline_ns);
    guest_guards_lift(true);
    text[text_len] = '\0';
    *said = text;
    hal_irq_restore(flags);
    return end_status;
}
