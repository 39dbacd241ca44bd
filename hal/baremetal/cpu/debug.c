/*
 * CPUs stopped for a debugger: hal/debug.h. Of CPUs that stop at the same time
 * one is let through, as in irq/stop.c, and stops the others by non-maskable
 * interrupts. They wait in their handlers until they are told to go on; the
 * one that has stopped them runs kernel_debug().
 */
#include "hal/debug.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/cpu/cpu.h"
#include "hal/baremetal/cpu/trap_frame.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/memory/paging.h"
#include <stdatomic.h>
#include <torc/string.h>

enum {
    FLAG_TRAP = 1 << 8,
    FLAG_IRQS = 1 << 9,
    FLAG_RESUME = 1 << 16,
    DR6_POINTS = 15,
    DR6_STEP = 1 << 14,
    DR6_CLEAR = 0xffff0ff0 & 0x7fffffff,
    OPCODE_INT3 = 0xcc,
    OPCODE_CLI = 0xfa,
    OPCODE_STI = 0xfb,
    OPCODE_PUSHF = 0x9c,
    OPCODE_POPF = 0x9d,
    OPCODE_HLT = 0xf4,
    SIGNAL_TRAP = 5,
    PATIENCE_LOOKS = 10 * 1000 * 1000,
    NOBODY = -1,
    TSS_IST1 = 36,
    GATE_SIZE = 16,
    GATE_IST = 4,
};
#define CR0_WRITE_PROTECT (UINT64_C(1) << 16)

/* Each entry is its CPU's, but what is asked and ordered: the master's. */
static struct {
    _Atomic bool wants;                     /* to be the master */
    _Atomic(struct hal_debug_cpu *) parked; /* NULL: it runs */
    _Atomic uint32_t arrivals;              /* how often it has parked */
    _Atomic uint32_t asked; /* interrupts that a master has sent to it */
    uint32_t taken;         /* of them */
    _Atomic uint32_t order; /* one more: one instruction */
    _Atomic bool single;    /* it executes that */
    bool irqs_were;         /* on before its step */
    uint8_t opcode;         /* of its step */
    bool is_inside;         /* it has stopped in a handler of this file */
    int stop_signal;        /* of its ops->stop(); 0: none */
} cpus[HAL_CPU_MAX];

/* The master's. */
static _Atomic bool stopping; /* CPUs that are interrupted wait */
static int stepping = NOBODY; /* the CPU that executes one instruction */
static uint64_t dr7;          /* and the addresses; read by CPUs that go on */
static uintptr_t dr_address[HAL_DEBUG_POINTS];

/* Constant after open(). */
static void (*byte_received)(uint8_t byte);
static bool (*debugger_is_there)(void);

/* ---- A CPU --------------------------------------------------------------- */

static void registers_put(struct trap_frame *frame,
                          const struct hal_registers *from)
{
    const uint64_t *value = from->value;

    frame->r15 = value[0];
    frame->r14 = value[1];
    frame->r13 = value[2];
    frame->r12 = value[3];
    frame->rbp = value[4];
    frame->rbx = value[5];
    frame->r11 = value[6];
    frame->r10 = value[7];
    frame->r9 = value[8];
    frame->r8 = value[9];
    frame->rax = value[10];
    frame->rcx = value[11];
    frame->rdx = value[12];
    frame->rsi = value[13];
    frame->rdi = value[14];
    frame->rip = value[HAL_REGISTER_IP];
    frame->rflags = value[HAL_REGISTER_FLAGS];
    frame->rsp = value[HAL_REGISTER_SP];
}

/*
 * Breakpoints and steps use the stack of double faults, so that they can be in
 * handlers of exceptions, and behind a panic there. Another one on that stack
 * would overwrite the frame of the first.
 */
static bool is_on_own_stack(unsigned cpu, uint64_t sp)
{
    uint64_t end;

    memcpy(&end, cpu_blocks[cpu]->tss + TSS_IST1 + 8 * (IST_DOUBLE - 1),
           sizeof(end));
    return sp <= end && sp > end - FAULT_STACK_SIZE;
}

static void own_stack_take(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt;

    __asm__ volatile("sidt %0" : "=m"(idt));
    ((uint8_t *)idt.base)[GATE_SIZE * VECTOR_DEBUG + GATE_IST] = IST_DOUBLE;
    ((uint8_t *)idt.base)[GATE_SIZE * VECTOR_BREAKPOINT + GATE_IST] =
        IST_DOUBLE;
}

/* Its points are off from here on: what the debugger writes to is no event. */
static void state_save(const struct trap_frame *frame,
                       struct hal_debug_cpu *out, unsigned cpu)
{
    cpus[cpu].is_inside = is_on_own_stack(cpu, frame->rsp);
    __asm__ volatile("movq %0, %%dr7" ::"r"(UINT64_C(0x400)));
    memset(out, 0, sizeof(*out));
    trap_registers(frame, &out->registers);
    __asm__ volatile("fxsave64 %0" : "=m"(out->fp));
}

static void state_load(struct trap_frame *frame,
                       const struct hal_debug_cpu *from)
{
    registers_put(frame, &from->registers);
    __asm__ volatile("fxrstor64 %0" ::"m"(from->fp));
    __asm__ volatile("movq %0, %%dr7" ::"r"(UINT64_C(0x400)));
    __asm__ volatile("movq %0, %%dr0" ::"r"(dr_address[0]));
    __asm__ volatile("movq %0, %%dr1" ::"r"(dr_address[1]));
    __asm__ volatile("movq %0, %%dr2" ::"r"(dr_address[2]));
    __asm__ volatile("movq %0, %%dr3" ::"r"(dr_address[3]));
    __asm__ volatile("movq %0, %%dr6" ::"r"((uint64_t)DR6_CLEAR));
    __asm__ volatile("movq %0, %%dr7" ::"r"(dr7 | 0x400));
}

/* 0: there is no memory. */
static uint8_t byte_at(uintptr_t address)
{
    return paging_is_mapped(address) ? *(const uint8_t *)address : 0;
}

/* The bytes of an instruction that would wait for an interrupt: HLT, MWAIT. */
static unsigned sleep_length(uintptr_t ip)
{
    if (byte_at(ip) == OPCODE_HLT)
        return 1;
    return byte_at(ip) == 0x0f && byte_at(ip + 1) == 1 &&
                   byte_at(ip + 2) == 0xc9
               ? 3
               : 0;
}

/* One instruction, which no interrupt comes before; and a sleep before it,
 * which is over at once. */
static void step_begin(struct trap_frame *frame, unsigned cpu)
{
    frame->rip += sleep_length(frame->rip);
    cpus[cpu].opcode = byte_at(frame->rip);
    cpus[cpu].irqs_were = (frame->rflags & FLAG_IRQS) != 0;
    frame->rflags &= ~(uint64_t)FLAG_IRQS;
    frame->rflags |= FLAG_TRAP | FLAG_RESUME;
}

/* Whether the instruction has left the flag for interrupts as it was. */
static bool keeps_irqs(uint8_t opcode)
{
    return opcode != OPCODE_CLI && opcode != OPCODE_STI &&
           opcode != OPCODE_POPF;
}

/* A step is over: by the trap behind it, or by a fault of it. */
static void step_end(struct trap_frame *frame, unsigned cpu)
{
    bool is_done = frame->vector == VECTOR_DEBUG;
    uint64_t irqs = cpus[cpu].irqs_were ? FLAG_IRQS : 0;

    frame->rflags &= ~(uint64_t)FLAG_TRAP;
    if (!is_done || keeps_irqs(cpus[cpu].opcode))
        frame->rflags |= irqs;
    if (is_done && cpus[cpu].opcode == OPCODE_PUSHF) {
        uint64_t *pushed = (uint64_t *)frame->rsp;

        *pushed = (*pushed & ~(uint64_t)FLAG_TRAP) | irqs;
    }
}

static uint32_t arrivals_of(unsigned cpu)
{
    return atomic_load_explicit(&cpus[cpu].arrivals, memory_order_acquire);
}

static uint32_t order_of(unsigned cpu)
{
    return atomic_load_explicit(&cpus[cpu].order, memory_order_acquire);
}

static bool is_stopping(void)
{
    return atomic_load_explicit(&stopping, memory_order_acquire);
}

/* Wait here until the master lets this CPU go on, or has gone on. */
static noinline void park(struct trap_frame *frame, unsigned cpu)
{
    struct hal_debug_cpu state;
    uint32_t order = order_of(cpu);

    state_save(frame, &state, cpu);
    atomic_store_explicit(&cpus[cpu].parked, &state, memory_order_relaxed);
    atomic_store_explicit(&cpus[cpu].arrivals, arrivals_of(cpu) + 1,
                          memory_order_release);
    hal_fence(); /* before this CPU looks whether the master is still there */
    while (is_stopping() && order_of(cpu) == order)
        hal_cpu_relax();
    state_load(frame, &state);
    if (order_of(cpu) != order)
        step_begin(frame, cpu);
    atomic_store_explicit(&cpus[cpu].parked, NULL, memory_order_release);
}

/* ---- The master ---------------------------------------------------------- */

static bool is_parked(unsigned cpu)
{
    return atomic_load_explicit(&cpus[cpu].parked, memory_order_acquire) !=
           NULL;
}

/* Those that a panic has stopped stay where they are. */
static bool is_out(unsigned cpu)
{
    const struct cpu_block *block = cpu_blocks[cpu];

    return !block->started ||
           atomic_load_explicit(&block->is_stopped, memory_order_acquire);
}

static bool wants(unsigned cpu)
{
    return atomic_load_explicit(&cpus[cpu].wants, memory_order_acquire) &&
           !is_out(cpu);
}

static noinline void wants_set(unsigned cpu, bool value)
{
    atomic_store_explicit(&cpus[cpu].wants, value, memory_order_release);
    hal_fence(); /* before this CPU looks at the flags of others */
}

/* Interrupts off, but not NMIs: who waits here is stopped here. */
static void become_master(unsigned self)
{
again:
    wants_set(self, true);
    for (unsigned i = 0; i < self; i++) {
        if (!wants(i))
            continue;
        wants_set(self, false);
        while (wants(i))
            hal_cpu_relax();
        goto again;
    }
    for (unsigned i = self + 1; i < cpu_block_count; i++) {
        while (wants(i))
            hal_cpu_relax();
    }
}

static void others_stop(unsigned self)
{
    unsigned looks = 0; /* one patience for all */

    atomic_store_explicit(&stopping, true, memory_order_release);
    for (unsigned i = 0; i < cpu_block_count; i++) {
        uint32_t asked =
            atomic_load_explicit(&cpus[i].asked, memory_order_relaxed);

        if (i == self || is_out(i))
            continue;
        atomic_store_explicit(&cpus[i].asked, asked + 1, memory_order_release);
        lapic_ipi(cpu_blocks[i]->apic_id, IPI_NMI);
    }
    for (unsigned i = 0; i < cpu_block_count; i++) {
        while (i != self && !is_out(i) && !is_parked(i) &&
               looks++ < PATIENCE_LOOKS)
            hal_cpu_relax();
    }
}

/* Until each has gone: a new stop must not take them for those of the old. */
static noinline void others_release(unsigned self)
{
    atomic_store_explicit(&stopping, false, memory_order_release);
    hal_fence(); /* who parks now sees it, or is seen here */
    for (unsigned i = 0; i < cpu_block_count; i++) {
        while (i != self && is_parked(i))
            hal_cpu_relax();
    }
}

static void single_set(unsigned cpu, bool value)
{
    atomic_store_explicit(&cpus[cpu].single, value, memory_order_relaxed);
}

/* Another CPU executes one instruction, and waits again. */
static void other_steps(unsigned cpu)
{
    uint32_t before = arrivals_of(cpu);

    single_set(cpu, true);
    atomic_store_explicit(&cpus[cpu].order, order_of(cpu) + 1,
                          memory_order_release);
    while (arrivals_of(cpu) == before)
        hal_cpu_relax();
    single_set(cpu, false);
}

static int signal_of(uint64_t vector)
{
    switch (vector) {
    case VECTOR_DEBUG:
    case VECTOR_BREAKPOINT:
        return SIGNAL_TRAP;
    case 0: /* division */
    case 16:
    case 19:
        return 8;
    case 6:
        return 4;
    default:
        return 11;
    }
}

static struct hal_debug_stop stop_of(const struct trap_frame *frame,
                                     unsigned self)
{
    struct hal_debug_stop stop = {.cpu = self,
                                  .reason = HAL_DEBUG_FAULT,
                                  .signal = signal_of(frame->vector),
                                  .point = -1};
    uint64_t dr6 = 0;

    if (stop.signal == SIGNAL_TRAP)
        stop.reason = HAL_DEBUG_TRAP;
    if (frame->vector == VECTOR_DEBUG)
        __asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
    if ((dr6 & DR6_POINTS) != 0)
        stop.point = __builtin_ctz((unsigned)dr6 & DR6_POINTS);
    if (cpus[self].stop_signal != 0) {
        stop.reason = HAL_DEBUG_INTERRUPT;
        stop.signal = cpus[self].stop_signal;
        cpus[self].stop_signal = 0;
    }
    return stop;
}

/* Ask what to do, until all go on, or this one steps. Returns whether the
 * exception is dealt with. */
static bool serve(struct trap_frame *frame, unsigned self)
{
    struct hal_debug_stop stop = stop_of(frame, self);
    bool is_fault = stop.reason == HAL_DEBUG_FAULT;
    struct hal_debug_cpu state;
    unsigned cpu = self;

    state_save(frame, &state, self);
    atomic_store_explicit(&cpus[self].parked, &state, memory_order_release);
    while (kernel_debug(&stop, &cpu) == HAL_DEBUG_STEP) {
        is_fault = is_fault && cpu != self;
        stepping = (int)cpu;
        if (cpu == self)
            break;
        other_steps(cpu);
        stepping = NOBODY;
        stop = (struct hal_debug_stop){
            .cpu = cpu, .signal = SIGNAL_TRAP, .point = -1};
    }
    atomic_store_explicit(&cpus[self].parked, NULL, memory_order_release);
    state_load(frame, &state);
    frame->rflags |= FLAG_RESUME;
    if (stepping == (int)self) {
        step_begin(frame, self); /* and it is still the master */
        return true;
    }
    others_release(self);
    wants_set(self, false);
    return !is_fault;
}

/* Whether what this CPU has run into is gone, because it was stopped on its
 * way here: a breakpoint, then it executes what is there; or a point. */
static bool is_stale(struct trap_frame *frame, unsigned self)
{
    uint64_t dr6 = DR6_STEP;

    if (frame->vector == VECTOR_BREAKPOINT &&
        byte_at(frame->rip - 1) != OPCODE_INT3) {
        frame->rip--;
        return true;
    }
    if (frame->vector == VECTOR_DEBUG && arrivals_of(self) != 0)
        __asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
    return (dr6 & (DR6_POINTS | DR6_STEP)) == 0;
}

/* An exception while nobody debugs is as if this file was not there. */
static bool is_for_debugger(unsigned self)
{
    return cpus[self].stop_signal != 0 || debugger_is_there();
}

/* A non-maskable interrupt: one that a master has sent may come when that has
 * gone on already. */
static bool interrupted(struct trap_frame *frame, unsigned self)
{
    uint32_t asked =
        atomic_load_explicit(&cpus[self].asked, memory_order_acquire);

    if (asked == cpus[self].taken)
        return false;
    cpus[self].taken = asked;
    if (is_stopping() && !is_parked(self))
        park(frame, self);
    return true;
}

static bool enter(struct trap_frame *frame)
{
    unsigned self = (unsigned)cpu_block_self()->id;
    bool may_stop, is_gone;

    if (frame->vector == VECTOR_NMI)
        return interrupted(frame, self);
    if (stepping == (int)self) { /* a fault comes again when it goes on */
        step_end(frame, self);
        if (atomic_load_explicit(&cpus[self].single, memory_order_relaxed)) {
            park(frame, self);
            return true;
        }
        stepping = NOBODY;
        return serve(frame, self);
    }
    may_stop = is_for_debugger(self);
    if (may_stop)
        become_master(self);
    is_gone = is_stale(frame, self);
    if (may_stop && !is_gone && is_for_debugger(self)) {
        others_stop(self);
        return serve(frame, self);
    }
    wants_set(self, false);
    return is_gone;
}

/* ---- Memory -------------------------------------------------------------- */

static void write_protect(bool on)
{
    uint64_t cr0;

    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    cr0 = on ? cr0 | CR0_WRITE_PROTECT : cr0 & ~CR0_WRITE_PROTECT;
    __asm__ volatile("movq %0, %%cr0" ::"r"(cr0) : "memory");
}

/* How many bytes from an address on are mapped, at most `size`. */
static size_t mapped(uintptr_t at, size_t size)
{
    size_t count = 0;

    while (count < size && at + count >= at && paging_is_mapped(at + count)) {
        size_t rest = HAL_PAGE_SIZE - (at + count) % HAL_PAGE_SIZE;

        count += rest < size - count ? rest : size - count;
    }
    return count;
}

static size_t debug_read(uintptr_t from, void *to, size_t size)
{
    size = mapped(from, size);
    memcpy(to, (const void *)from, size);
    return size;
}

/* Code as well. */
static size_t debug_write(uintptr_t to, const void *from, size_t size)
{
    size = mapped(to, size);
    write_protect(false);
    memcpy((void *)to, from, size);
    write_protect(true);
    return size;
}

static void debug_points(const struct hal_debug_point points[HAL_DEBUG_POINTS])
{
    static const uint8_t lengths[] = {0, 0, 1, 0, 3, 0, 0, 0, 2};
    static const uint8_t kinds[] = {0, 0, 1, 3};

    dr7 = 0;
    for (unsigned i = 0; i < HAL_DEBUG_POINTS; i++) {
        uint64_t bits;

        if (points[i].kind == HAL_DEBUG_OFF)
            continue;
        bits = kinds[points[i].kind];
        if (points[i].kind != HAL_DEBUG_EXECUTE)
            bits |= (uint64_t)lengths[points[i].size] << 2;
        dr_address[i] = points[i].address;
        dr7 |= bits << (16 + 4 * i) | UINT64_C(2) << 2 * i;
    }
}

/* ---- The serial line: PC16550D ------------------------------------------- */

enum {
    DATA = 0,
    IRQ_ENABLE = 1,
    FIFO_CONTROL = 2,
    LINE_CONTROL = 3,
    MODEM_CONTROL = 4,
    LINE_STATUS = 5,
    SCRATCH = 7,
    IRQ_RECEIVED = 1,
    HAS_DATA = 1,
    CAN_SEND = 0x20,
    SEND_LOOKS = 1000 * 1000, /* of about a microsecond */
};

static uint16_t port; /* constant after open() */

static int debug_get(uint64_t deadline_ns)
{
    for (;;) {
        if (deadline_ns != 0 && hal_time_ns() >= deadline_ns)
            return -1;
        if ((inb(port + LINE_STATUS) & HAS_DATA) != 0)
            return inb(port + DATA);
        hal_cpu_relax();
    }
}

static void debug_put(uint8_t byte)
{
    for (unsigned i = 0; i < SEND_LOOKS; i++) {
        if ((inb(port + LINE_STATUS) & CAN_SEND) != 0)
            break;
    }
    outb(port + DATA, byte);
}

static void serial_irq(void *arg)
{
    (void)arg;
    while ((inb(port + LINE_STATUS) & HAS_DATA) != 0)
        byte_received(inb(port + DATA));
}

static void debug_stop(int signal)
{
    hal_irqflags flags = hal_irq_save();
    unsigned self = hal_cpu_id();

    if (!is_on_own_stack(self, (uintptr_t)__builtin_frame_address(0))) {
        cpus[self].stop_signal = signal;
        __asm__ volatile("int3");
    }
    hal_irq_restore(flags);
}

static int debug_open(unsigned number, void (*received)(uint8_t byte),
                      bool (*is_awaited)(void))
{
    int status;
    static const struct {
        uint16_t port;
        uint8_t irq;
    } places[] = {{0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

    if (number < 2 || number > 4)
        return -ENODEV;
    port = places[number - 2].port;
    outb(port + SCRATCH, 0xa5);
    if (inb(port + SCRATCH) != 0xa5)
        return -ENODEV;
    byte_received = received;
    debugger_is_there = is_awaited;
    status = hal_irq_attach(places[number - 2].irq, 0, serial_irq, NULL);
    if (status != 0)
        return status;
    outb(port + IRQ_ENABLE, 0);
    outb(port + LINE_CONTROL, 0x80);
    outb(port + DATA, 1); /* 115200 */
    outb(port + IRQ_ENABLE, 0);
    outb(port + LINE_CONTROL, 3);
    outb(port + FIFO_CONTROL, 7);
    outb(port + MODEM_CONTROL, 0xb); /* with the interrupt's line */
    own_stack_take();
    trap_debug = enter;
    outb(port + IRQ_ENABLE, IRQ_RECEIVED);
    return 0;
}

static struct hal_debug_cpu *debug_cpu(unsigned cpu)
{
    return cpu < cpu_block_count
               ? atomic_load_explicit(&cpus[cpu].parked, memory_order_acquire)
               : NULL;
}

static bool debug_can_step(unsigned cpu)
{
    return !cpus[cpu].is_inside;
}

const struct hal_debug_ops hal_debug_ops = {
    .open = debug_open,
    .get = debug_get,
    .put = debug_put,
    .stop = debug_stop,
    .cpu = debug_cpu,
    .can_step = debug_can_step,
    .read = debug_read,
    .write = debug_write,
    .points = debug_points,
};
