/* CPUs: their descriptors, stacks and start. */
#include "hal/baremetal/cpu/cpu.h"
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/memory/early.h"
#include "hal/baremetal/memory/paging.h"
#include "hal/baremetal/time/clock.h"
#include "hal/baremetal/time/tsc_sync.h"
#include <stdatomic.h>
#include <torc/assert.h>
#include <torc/string.h>

enum {
    MSR_GS_BASE = 0xc0000101,
    GDT_TSS = 32, /* selector: entries 4 and 5 */
    TSS_IST1 = 36,
    MXCSR_DEFAULT = 0x1f80, /* all exceptions masked, round to nearest */
};

/* start.S: the first instructions of another CPU, copied to AP_START_PAGE. */
extern const char ap_start16[], ap_start16_end[];
enum { AP_START_PAGE = 0x8000 };

void cpu_arrive(struct cpu_block *block);

/* Give it the stack behind a guard page at `at`. Returns where that ends. */
static char *ist_set(struct cpu_block *block, unsigned ist, char *at,
                     size_t size)
{
    char *end = at + HAL_PAGE_SIZE + size;
    uint64_t address = (uintptr_t)end;

    paging_guard(at);
    memcpy(block->tss + TSS_IST1 + 8 * (ist - 1), &address, sizeof(address));
    return end;
}

/* Its block, then its stacks for interrupts and exceptions. */
static struct cpu_block *block_create(unsigned id, uint32_t apic_id)
{
    size_t page = HAL_PAGE_SIZE;
    size_t size = (sizeof(struct cpu_block) + page - 1) & ~(page - 1);
    char *base = boot_alloc(size + page + IRQ_STACK_SIZE +
                            3 * (page + FAULT_STACK_SIZE));
    struct cpu_block *block = (struct cpu_block *)(void *)base;
    char *at = base + size;

    block->id = id;
    block->apic_id = apic_id;
    block->deadline_ns = UINT64_MAX;
    block->sample_ns = UINT64_MAX;
    block->clock_ns = UINT64_MAX;
    block->look_ns = UINT64_MAX;
    atomic_store_explicit(&block->late_ns, UINT64_MAX, memory_order_relaxed);
    at = ist_set(block, IST_IRQ, at, IRQ_STACK_SIZE);
    at = ist_set(block, IST_NMI, at, FAULT_STACK_SIZE);
    at = ist_set(block, IST_DOUBLE, at, FAULT_STACK_SIZE);
    (void)ist_set(block, IST_FAULT, at, FAULT_STACK_SIZE);
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

/* start.S calls this on the new CPU, on its stack. */
void cpu_arrive(struct cpu_block *block)
{
    block_enter(block);
    lapic_init();
    tsc_sync_stamp(block);
    clock_request();
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
    tsc_sync_begin(block);
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

void hal_ipi_send(unsigned cpu)
{
    lapic_ipi(cpu_blocks[cpu]->apic_id, IPI_FIXED | VECTOR_DOORBELL);
}
