/* Processors: their blocks, descriptors, start, sleep, interrupt flag. */
#include "hal/baremetal/machine.h"
#include "kernel/lib/check.h"
#include "kernel/lib/mem.h"

enum {
    MSR_GS_BASE = 0xc0000101,
    GDT_TSS = 32, /* selector: entries 4 and 5 */
    TSS_IST1 = 36,
    RFLAGS_IF = 0x200,
    MXCSR_DEFAULT = 0x1f80, /* all exceptions masked, round to nearest */
};

static_assert(offsetof(struct cpu_block, id) == 8, "cpu_block_self()");
static_assert(offsetof(struct cpu_block, start_stack) == 16, "boot.S");

/* Made at boot; constant after. */
struct cpu_block *cpu_blocks[HAL_CPU_MAX];
uint32_t cpu_apic_ids[HAL_CPU_MAX];
unsigned cpu_block_count;

void cpu_arrive(struct cpu_block *block);

static void ist_set(struct cpu_block *block, unsigned ist, char *stack_end)
{
    uint64_t end = (uintptr_t)stack_end;

    memcpy(block->tss + TSS_IST1 + 8 * (ist - 1), &end, sizeof(end));
}

/* Its block and its stacks for interrupts and exceptions, in one piece. */
static struct cpu_block *block_create(unsigned id, uint32_t apic_id)
{
    size_t size = (sizeof(struct cpu_block) + 15) & ~(size_t)15;
    char *base = boot_alloc(size + IRQ_STACK_SIZE + 3 * FAULT_STACK_SIZE);
    struct cpu_block *block = (struct cpu_block *)(void *)base;
    char *stack = base + size;

    block->id = id;
    block->apic_id = apic_id;
    block->deadline_ns = UINT64_MAX;
    block->sample_ns = UINT64_MAX;
    ist_set(block, IST_IRQ, stack += IRQ_STACK_SIZE);
    ist_set(block, IST_NMI, stack += FAULT_STACK_SIZE);
    ist_set(block, IST_DOUBLE, stack += FAULT_STACK_SIZE);
    ist_set(block, IST_FAULT, stack + FAULT_STACK_SIZE);
    return block;
}

/* Descriptors: null, code, data, (unused), the TSS in two entries. */
static void descriptors_load(struct cpu_block *block)
{
    uint64_t tss = (uintptr_t)block->tss;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed))
    pointer = {sizeof(block->gdt) - 1, (uintptr_t)block->gdt};

    block->gdt[1] = 0x00209a0000000000;
    block->gdt[2] = 0x0000920000000000;
    block->gdt[4] = 0x0000890000000000 | (sizeof(block->tss) - 1) |
                    (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
    block->gdt[5] = tss >> 32;
    __asm__ volatile("lgdt %0\n\t"
                     "ltr %w1\n\t" ::"m"(pointer),
                     "r"(GDT_TSS)
                     : "memory");
    traps_load();
}

/* x87 and SSE as the ABI wants them at entry (System V AMD64 1.0, 3.4.1). */
static void fp_init(void)
{
    uint32_t mxcsr = MXCSR_DEFAULT;

    __asm__ volatile("fninit\n\tldmxcsr %0" ::"m"(mxcsr));
}

/* The caller becomes the CPU of that block. */
static void block_enter(struct cpu_block *block)
{
    descriptors_load(block);
    msr_write(MSR_GS_BASE, (uintptr_t)block);
    fp_init();
    paging_cpu_init();
}

void cpu_init(const uint32_t *apic_ids, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cpu_apic_ids[i] = apic_ids[i];
        cpu_blocks[i] = block_create(i, apic_ids[i]);
    }
    cpu_block_count = count;
    cpu_blocks[0]->started = true;
    traps_init();
    block_enter(cpu_blocks[0]);
}

/* boot.S calls this on the new CPU, on its stack. */
void cpu_arrive(struct cpu_block *block)
{
    block_enter(block);
    lapic_init();
    block->entry(block->entry_arg);
}

/* Long enough for INIT to take effect, without a clock that may not run. */
static void pause_us(unsigned us)
{
    uint64_t end = hal_time_ns() + us * UINT64_C(1000);

    while (hal_time_ns() < end)
        hal_cpu_relax();
}

int hal_cpu_start(unsigned cpu, void (*entry)(void *), void *arg, void *stack,
                  size_t stack_size)
{
    struct cpu_block *block;

    if (cpu >= cpu_block_count || cpu_blocks[cpu]->started)
        return -EINVAL;
    block = cpu_blocks[cpu];
    clock_settle();
    memcpy((void *)AP_START_PAGE, ap_start16,
           (size_t)(ap_start16_end - ap_start16));
    block->started = true;
    block->entry = entry;
    block->entry_arg = arg;
    block->start_stack = (uintptr_t)stack + stack_size;
    /* Intel SDM volume 3, 8.4.4.1; processors of this century need neither its
     * 10 ms after INIT nor, when the first arrives, the second STARTUP. */
    lapic_ipi(block->apic_id, IPI_INIT);
    pause_us(10);
    lapic_ipi(block->apic_id, IPI_STARTUP | AP_START_PAGE >> 12);
    pause_us(10);
    lapic_ipi(block->apic_id, IPI_STARTUP | AP_START_PAGE >> 12);
    return 0;
}

unsigned hal_cpu_id(void)
{
    uint64_t id;

    __asm__ volatile("movq %%gs:8, %0" : "=r"(id));
    return (unsigned)id;
}

void hal_cpu_set_local(void *local)
{
    __asm__ volatile("movq %0, %%gs:0" ::"r"(local) : "memory");
}

void hal_cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

hal_irqflags hal_irq_save(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags)::"memory");
    return (flags & RFLAGS_IF) != 0 ? HAL_IRQS_ON : HAL_IRQS_OFF;
}

void hal_irq_restore(hal_irqflags flags)
{
    if (flags == HAL_IRQS_ON)
        __asm__ volatile("sti" ::: "memory");
    else
        __asm__ volatile("cli" ::: "memory");
}

void hal_ipi_send(unsigned cpu)
{
    lapic_ipi(cpu_blocks[cpu]->apic_id, IPI_FIXED | VECTOR_DOORBELL);
}

size_t hal_entropy(void *buf, size_t len)
{
    uint8_t *out = buf;
    bool has_rdrand = (cpuid(1, 0).ecx & UINT32_C(1) << 30) != 0;

    for (size_t i = 0; i < len; i++) {
        uint64_t value = 0;
        uint8_t ok = 0;

        for (int tries = 0; has_rdrand && !ok && tries < 10; tries++)
            __asm__ volatile("rdrand %0\n\tsetc %1" : "=r"(value), "=q"(ok));
        /* Without it: the low bits of the time between two reads, poor but
         * better than nothing. */
        for (int bit = 0; !ok && bit < 8; bit++)
            value = value * 31 + tsc_read();
        out[i] = (uint8_t)(value ^ value >> 8);
    }
    return len;
}
