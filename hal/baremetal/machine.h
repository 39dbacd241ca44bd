/*
 * What the files of this HAL share: constants of the machine, instructions, and
 * each file's few functions for the others.
 */
#ifndef TORC_HAL_BAREMETAL_MACHINE_H
#define TORC_HAL_BAREMETAL_MACHINE_H

#include "hal/hal.h"

/* ---- Instructions -------------------------------------------------------- */

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value),
                     "d"((uint32_t)(value >> 32))
                     : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t tsc_read(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* ---- CPUs (cpu.c) -------------------------------------------------------- */

enum {
    IRQ_STACK_SIZE = 8192,
    FAULT_STACK_SIZE = 4096,
    /* Which stack of the TSS: IRQs, NMI, double fault, other exceptions. */
    IST_IRQ = 1,
    IST_NMI = 2,
    IST_DOUBLE = 3,
    IST_FAULT = 4,
};

enum {
    VECTOR_IRQ_FIRST = 0x20,
    VECTOR_IRQ_LAST = 0xef,
    VECTOR_TIMER = 0xf0,
    VECTOR_DOORBELL = 0xf1,
    VECTOR_SPURIOUS = 0xff,
    VECTOR_COUNT = 256,
};

struct handler {
    void (*fn)(void *arg);
    void *arg;
    struct handler *next; /* of a shared line */
};

/* One CPU, at its %gs. Owner: that CPU, and CPU 0 until it starts. */
struct cpu_block {
    void *local;          /* at 0: torc/cpu_local.h and boot.S know */
    uint64_t id;          /* at 8 */
    uint64_t start_stack; /* at 16: boot.S */
    void (*entry)(void *);
    void *entry_arg;
    uint32_t apic_id;
    bool started;
    bool watching; /* idle.c: hal_cpu_watch() was called */
    /* Of the timer, which serves both; UINT64_MAX: never. */
    uint64_t deadline_ns;   /* hal_timer_set() */
    uint64_t sample_ns;     /* the next sample, if the CPU stays awake */
    uint64_t sample_period; /* 0: none */
    uint64_t timer_ticks;   /* what the local APIC's timer was set to */
    uint64_t timer_tsc;     /* and when */
    uint64_t gdt[7];
    uint8_t tss[104] __attribute__((aligned(16)));
    struct handler handlers[VECTOR_COUNT];
    uint8_t *table_pages; /* for paging.c: pages free for page tables */
    size_t table_page_count;
};

extern struct cpu_block *cpu_blocks[HAL_CPU_MAX];
extern unsigned cpu_block_count;

static inline struct cpu_block *cpu_block_self(void)
{
    uint64_t id;

    __asm__ volatile("movq %%gs:8, %0" : "=r"(id));
    return cpu_blocks[id];
}

/* Make the blocks of all CPUs; CPU 0's becomes %gs. */
void cpu_init(const uint32_t *apic_ids, unsigned count);

/* ---- The other files ----------------------------------------------------- */

/* boot.S */
extern const char image_start[], rodata_start[], data_start[], image_end[];
extern const char ap_start16[], ap_start16_end[];
enum { AP_START_PAGE = 0x8000 };

/* start.c: memory for the HAL itself, whole pages, zeroed; never given back. */
void *boot_alloc(size_t size);

/* The same, anywhere, of that node if it has as much; not zeroed. */
void *boot_alloc_near(unsigned node, size_t size);
size_t boot_ram_size(void);

/* Identity mapping ends here, where addresses stop being canonical. */
#define BOOT_ADDRESS_LIMIT (UINT64_C(1) << 47)
_Noreturn void boot_fail(const char *why);
bool boot_is_ram(uintptr_t base, size_t size);

/* acpi.c */
struct acpi_info {
    unsigned cpu_count;
    uint32_t apic_id[HAL_CPU_MAX];
    uint64_t lapic_base;
    unsigned ioapic_count;
    struct {
        uint32_t base;
        uint32_t gsi;
    } ioapic[8];
    struct {
        uint32_t gsi;
        uint16_t flags; /* MPS INTI: bits 0-1 polarity, 2-3 trigger */
        bool set;
    } isa_irq[16];
    uint16_t pm_timer_port; /* 0: none */
    bool pm_timer_32bit;
    uint16_t pm1a_control;  /* port, 0: none */
    uint64_t sleep_control; /* address of the reduced-hardware register */
    bool sleep_control_is_port;
    int s5_type; /* SLP_TYP for power off, -1: unknown */
    unsigned apic_node_count;
    struct {
        uint32_t apic_id;
        uint8_t node;
    } apic_node[HAL_CPU_MAX];
    unsigned memory_node_count;
    struct {
        uint64_t base;
        uint64_t end;
        uint8_t node;
    } memory_node[HAL_REGION_MAX];
    unsigned device_count;
    struct hal_platform_device device[HAL_CPU_MAX / 8];
};
extern struct acpi_info acpi;

/* `rsdp` is where the loader says, or 0. */
void acpi_init(uint64_t rsdp);

/* The pure half (acpi_tables.c): tables are bytes from `map`. */
struct acpi_memory {
    /* The bytes [address, address+size), or NULL when they are not RAM. */
    const uint8_t *(*map)(uint64_t address, size_t size);
};
void acpi_parse(struct acpi_info *out, const struct acpi_memory *memory,
                uint64_t rsdp);
bool acpi_is_rsdp(const uint8_t *bytes, size_t size);

/* numa.c: the node of a CPU, 0 when unknown. */
uint8_t numa_cpu_node(const struct acpi_info *info, uint32_t apic_id);

/*
 * Tell the regions their nodes; one of several is cut, while there are fewer
 * than `max`. Returns how many there are then.
 */
unsigned numa_split(const struct acpi_info *info, struct hal_region *region,
                    unsigned count, unsigned max);

/* apic.c */
void lapic_init(void); /* this CPU */
void lapic_eoi(void);
void lapic_ipi(uint32_t apic_id, uint32_t command);
void lapic_timer_start(uint32_t ticks); /* one shot; 0 stops it */
uint32_t lapic_timer_left(void);
void ioapic_init(void);
/* Route a line; -EINVAL: no such line. */
int ioapic_route(uint32_t gsi, uint32_t apic_id, uint8_t vector);
enum { IPI_INIT = 0x4500, IPI_STARTUP = 0x4600, IPI_FIXED = 0x4000 };

/* idle.c: how to sleep, as the command line says */
void sleep_init(const char *cmdline);

/* irq.c */
void irq_dispatch(uint8_t vector);

/* vectors.S, traps.c */
void traps_init(void); /* build the IDT */
void traps_load(void); /* this CPU uses it */

/* paging.c */
void paging_init(void);
void paging_cpu_init(void); /* this CPU's memory types */
void paging_map_ram(uint64_t base, uint64_t size);
void paging_pools_init(const struct hal_boot_info *boot);
int paging_map_io(uint64_t base, uint64_t size);

/* clock.c */
void clock_init(void);
void clock_settle(void); /* before another CPU may ask for the time */

/* The timer's interrupt: which of the two it is for, perhaps both. */
enum { TIMER_DEADLINE = 1, TIMER_SAMPLE = 2 };
unsigned clock_timer_fired(void);

/* No samples from here to there: around a sleep, with interrupts off. */
void clock_sleep_begin(void);
void clock_sleep_end(void);
uint64_t clock_rtc_ns(void);

/* console.c */
void console_init(void);

#endif
