/* The interrupt descriptor table, and exceptions. */
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/cpu/cpu.h"
#include "hal/baremetal/cpu/trap_frame.h"
#include "hal/baremetal/irq/irq.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/irq/stop.h"
#include "hal/baremetal/memory/paging.h"
#include "hal/baremetal/time/clock.h"
#include <torc/format.h>

struct idt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t zero;
};

void trap_handle(struct trap_frame *frame);
extern const char trap_stubs[];

enum {
    GATE_INTERRUPT = 0x8e, /* present, ring 0, interrupts off */
    STUB_SIZE = 16,
    EXCEPTION_COUNT = 32,
    VECTOR_INVALID = 6, /* instruction */
    VECTOR_DOUBLE_FAULT = 8,
    VECTOR_PAGE_FAULT = 14,
    VECTOR_MACHINE_CHECK = 18,
    ERROR_WRITE = 1 << 1,
    ERROR_FETCH = 1 << 4,
    FLAGS_IRQS = 1 << 9,
    FLAGS_PLAIN = FLAGS_IRQS | 1 << 1, /* as a function wants them */
};

/* Built by CPU 0, then the same for all. */
static struct idt_gate idt[VECTOR_COUNT];

static uint8_t ist_of(unsigned vector)
{
    if (vector >= EXCEPTION_COUNT)
        return IST_IRQ;
    if (vector == VECTOR_NMI)
        return IST_NMI;
    return vector == VECTOR_DOUBLE_FAULT ? IST_DOUBLE : IST_FAULT;
}

void traps_init(void)
{
    for (unsigned i = 0; i < VECTOR_COUNT; i++) {
        uintptr_t stub = (uintptr_t)trap_stubs + i * STUB_SIZE;

        idt[i] = (struct idt_gate){
            .offset_low = (uint16_t)stub,
            .selector = 8,
            .ist = ist_of(i),
            .type = GATE_INTERRUPT,
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
}

void traps_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (uintptr_t)idt};

    __asm__ volatile("lidt %0" ::"m"(pointer));
}

static const char *exception_name(uint64_t vector)
{
    static const char *const names[] = {
        "division error",
        "debug trap",
        "non-maskable interrupt",
        "breakpoint",
        "overflow",
        "bound exceeded",
        "invalid instruction",
        "no floating point",
        "double fault",
        "coprocessor overrun",
        "invalid TSS",
        "segment not present",
        "stack fault",
        "general protection fault",
        "page fault",
        "exception 15",
        "floating point error",
        "alignment error",
        "machine check",
        "SIMD error",
    };

    return vector < COUNT_OF(names) ? names[vector] : "unknown exception";
}

/* Of a page fault: Intel SDM volume 3, 4.7. */
static enum hal_access access_of(const struct trap_frame *frame)
{
    if (frame->vector != VECTOR_PAGE_FAULT)
        return HAL_ACCESS_NONE;
    if ((frame->error & ERROR_FETCH) != 0)
        return HAL_EXECUTE;
    return (frame->error & ERROR_WRITE) != 0 ? HAL_WRITE : HAL_READ;
}

static bool may_continue(const struct trap_frame *frame)
{
    return (frame->rflags & FLAGS_IRQS) != 0 && frame->vector != VECTOR_NMI &&
           frame->vector != VECTOR_DOUBLE_FAULT &&
           frame->vector != VECTOR_MACHINE_CHECK;
}

bool (*trap_debug)(struct trap_frame *frame);

noinline void trap_registers(const struct trap_frame *frame,
                             struct hal_registers *out)
{
    *out = (struct hal_registers){
        {frame->r15, frame->r14, frame->r13, frame->r12,    frame->rbp,
         frame->rbx, frame->r11, frame->r10, frame->r9,     frame->r8,
         frame->rax, frame->rcx, frame->rdx, frame->rsi,    frame->rdi,
         UINT64_MAX, frame->rip, frame->cs,  frame->rflags, frame->rsp,
         frame->ss}};
}

static void detail_print(const struct trap_frame *frame, char *text,
                         size_t size)
{
    fmt_print(text, size,
              "  rax %016lx rbx %016lx rcx %016lx\n"
              "  rdx %016lx rsi %016lx rdi %016lx\n"
              "  rbp %016lx rsp %016lx rip %016lx\n"
              "  r8  %016lx r9  %016lx r10 %016lx\n"
              "  r11 %016lx r12 %016lx r13 %016lx\n"
              "  r14 %016lx r15 %016lx flags %lx error %lx\n",
              frame->rax, frame->rbx, frame->rcx, frame->rdx, frame->rsi,
              frame->rdi, frame->rbp, frame->rsp, frame->rip, frame->r8,
              frame->r9, frame->r10, frame->r11, frame->r12, frame->r13,
              frame->r14, frame->r15, frame->rflags, frame->error);
}

/* Where the kernel wants to go on; nothing of what was is left over. */
static void go_on(struct trap_frame *frame,
                  const struct hal_registers *registers)
{
    /* No x87 exception waits for the next instruction, no register is used. */
    __asm__ volatile("fninit");
    frame->rip = registers->value[HAL_REGISTER_IP];
    frame->rsp = registers->value[HAL_REGISTER_SP];
    frame->rflags = FLAGS_PLAIN;
}

/* Not inline: interrupts need not its frame. */
static noinline void exception(struct trap_frame *frame)
{
    char detail[512];
    struct hal_registers registers;
    uint64_t address = 0;
    struct hal_fault fault = {
        .what = exception_name(frame->vector),
        .ip = frame->rip,
        .sp = frame->rsp,
        .fp = frame->rbp,
        .detail = detail,
        .access = access_of(frame),
        .may_continue = may_continue(frame),
        .registers = &registers,
    };

    __asm__ volatile("movq %%cr2, %0" : "=r"(address));
    if (frame->vector == VECTOR_PAGE_FAULT ||
        frame->vector == VECTOR_DOUBLE_FAULT)
        fault.address = address;
    if (fault.address != 0 && paging_is_guard(address)) {
        fault.what = "stack overflow";
        fault.may_continue = false;
    }
    trap_registers(frame, &registers);
    detail_print(frame, detail, sizeof(detail));
    kernel_fault(&fault);
    go_on(frame, &registers);
}

static noinline void interrupted_for_stop(const struct trap_frame *frame)
{
    struct hal_registers registers;

    trap_registers(frame, &registers);
    stop_here(&registers);
}

static void sample(const struct trap_frame *frame, uint64_t off_ns)
{
    const struct hal_fault where = {
        .what = "sample",
        .ip = frame->rip,
        .sp = frame->rsp,
        .fp = frame->rbp,
        .detail = "",
        .off_ns = off_ns,
    };

    kernel_sample(&where);
}

/* Whether it was another CPU that wanted to know what this one does. */
static noinline bool interrupted_for_sample(const struct trap_frame *frame)
{
    uint64_t off_ns;

    if (!hang_asked(&off_ns))
        return false;
    if (off_ns != 0)
        sample(frame, off_ns);
    return true;
}

/*
 * A failed assertion (brief_assert.h) becomes the call that it stands for: of
 * check_failed_line(), or check_failed_place(). Returns whether it was one.
 *
 * One that fails while an exception is reported overwrites the frame of that,
 * which has the same stack. Nobody returns to it: to report and to fail both
 * end the machine, and the report has copies. Who may let a thread go on,
 * kernel/thread/catch.c, asserts nothing.
 */
static noinline bool made_a_call(struct trap_frame *frame)
{
    const uint8_t *at = (const uint8_t *)frame->rip;
    uint64_t *sp = (uint64_t *)frame->rsp - 1;
    uint32_t place;

    if (frame->vector != VECTOR_INVALID || at[0] != 0x0f || at[1] != 0xb9)
        return false;
    if (at[2] == 0x80) {
        memcpy(&place, at + 3, sizeof(place));
        frame->rdi = place;
        *sp = frame->rip + 3 + sizeof(place);
        frame->rip = (uintptr_t)check_failed_place;
    } else if ((at[2] & 0xc7) == 0x40) {
        frame->rdi = (at[2] & 0x38) << 5 | at[3];
        *sp = frame->rip + 4;
        frame->rip = (uintptr_t)check_failed_line;
    } else {
        return false; /* others are nobody's assertion */
    }
    frame->rsp = (uintptr_t)sp;
    return true;
}

void trap_handle(struct trap_frame *frame)
{
    if (frame->vector < EXCEPTION_COUNT) {
        if (made_a_call(frame))
            return;
        if (frame->vector == VECTOR_NMI) /* it may be for several at once */
            interrupted_for_stop(frame);
        if (trap_debug != NULL && trap_debug(frame))
            return;
        if (frame->vector == VECTOR_NMI && interrupted_for_sample(frame))
            return;
        exception(frame);
        return;
    }
    if (frame->vector == VECTOR_TIMER) {
        unsigned fired = clock_timer_fired();

        if ((fired & TIMER_SAMPLE) != 0)
            sample(frame, 0);
        if ((fired & TIMER_DEADLINE) == 0) {
            lapic_eoi();
            return;
        }
    }
    clock_sleep_end(); /* a handler may hang as well */
    irq_dispatch((uint8_t)frame->vector);
}
