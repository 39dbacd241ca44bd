/* Faults of apps/faults that only x86-64 without a system beneath can have. */
#include "apps/faults/fault.h"
#include "hal/hal.h"
#include <stddef.h>
#include <stdint.h>
#include <torc/string.h>

/*
 * The task state segment holds the ends of these stacks (Intel SDM volume 3,
 * 7.7); each of them is 8 KiB.
 */
static int ist_below(unsigned ist)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdt;
    uint16_t selector;
    uint64_t tss, end;
    const uint8_t *entry;

    __asm__ volatile("sgdt %0\n\tstr %1" : "=m"(gdt), "=r"(selector));
    entry = (const uint8_t *)(uintptr_t)gdt.base + selector;
    tss = (uint64_t)entry[2] | (uint64_t)entry[3] << 8 |
          (uint64_t)entry[4] << 16 | (uint64_t)entry[7] << 24;
    memcpy(&end, (const uint8_t *)(uintptr_t)tss + 28 + 8 * (size_t)ist,
           sizeof(end));
    *(volatile char *)(uintptr_t)(end - 8192) = 1; /* its lowest byte */
    *(volatile char *)(uintptr_t)(end - 8193) = 1;
    return 0;
}

static int fault_ist1(void *arg)
{
    (void)arg;
    return ist_below(1);
}

static int fault_ist2(void *arg)
{
    (void)arg;
    return ist_below(2);
}

static int fault_ist3(void *arg)
{
    (void)arg;
    return ist_below(3);
}

static int fault_ist4(void *arg)
{
    (void)arg;
    return ist_below(4);
}

extern char boot_stack_guard[];

static int fault_boot(void *arg)
{
    (void)arg;
    *(volatile char *)(boot_stack_guard + 4096) = 1; /* its lowest byte */
    *(volatile char *)(boot_stack_guard + 4095) = 1;
    return 0;
}

static int fault_triple(void *arg)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = {0, 0};

    (void)arg;
    __asm__ volatile("lidt %0\n\tint3" ::"m"(nothing));
    return 0;
}

/* As another CPU would send it: Intel SDM volume 3, 11.6.1. */
static int fault_nmi(void *arg)
{
    (void)arg;
    *(volatile uint32_t *)(uintptr_t)0xfee00300 = 1 << 18 | 4 << 8;
    for (unsigned i = 0; i < 1000000; i++)
        __asm__ volatile("pause");
    return 0;
}

static int fault_breakpoint(void *arg)
{
    (void)arg;
    __asm__ volatile("int3");
    return 0;
}

/* QEMU raises those of x87, and none of SSE. */
static int fault_x87(void *arg)
{
    static const uint16_t division = 0x37f & ~4;

    (void)arg;
    __asm__ volatile("fninit\n\tfldcw %0\n\tfld1\n\tfldz\n\t"
                     "fdivrp\n\tfwait" ::"m"(division));
    return 0;
}

static int fault_machine_check(void *arg)
{
    (void)arg;
    __asm__ volatile("int $18");
    return 0;
}

static void hang(void *arg)
{
    volatile uintptr_t *count = arg;

    for (*count = 0; *count < UINTPTR_MAX; ++*count)
        ;
}

/* With watchdog=20 stuck=end: a handler on a CPU that has slept, CPU 1. */
static int fault_hang_irq(void *arg)
{
    static uintptr_t count;
    uint64_t address;
    uint32_t vector;
    int irq = hal_irq_msi(1, &address, &vector);

    (void)arg;
    if (irq < 0 || hal_irq_attach(irq, 1, hang, &count) != 0)
        return 1;
    *(volatile uint32_t *)(uintptr_t)0xfee00310 = 1 << 24;
    *(volatile uint32_t *)(uintptr_t)0xfee00300 = 1 << 14 | vector;
    return 0;
}

/* As the firmware of QEMU's "pc" ejects what is in a slot: docs/specs/
 * acpi_pci_hotplug of QEMU. */
void lose_disk(void)
{
    for (unsigned slot = 2; slot < 8; slot++)
        __asm__ volatile("outl %0, %w1" ::"a"(1U << slot), "d"(0xae08));
}

/* The table of interrupts ends behind the double fault: no other exception can
 * be reported. */
static int fault_double(void *arg)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table;

    (void)arg;
    __asm__ volatile("sidt %0" : "=m"(table));
    table.limit = 9 * 16 - 1;
    __asm__ volatile("lidt %0\n\tmovb 8, %%al" ::"m"(table) : "rax");
    return 0;
}

const struct fault machine_faults[] = {
    {"nmi", fault_nmi},
    {"x87", fault_x87},
    {"breakpoint", fault_breakpoint},
    {"hang-irq", fault_hang_irq},
    {"machine-check", fault_machine_check},
    {"double", fault_double},
    {"ist1", fault_ist1},
    {"ist2", fault_ist2},
    {"ist3", fault_ist3},
    {"ist4", fault_ist4},
    {"boot", fault_boot},
    {"triple", fault_triple},
    {NULL, NULL},
};
