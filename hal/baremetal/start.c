/*
 * From what the loader left to struct hal_boot_info, then into the kernel.
 *
 * PVH: struct hvm_start_info version 1 (Xen, public/arch-x86/hvm/start_info.h).
 * Multiboot2: specification 2.0, section 3.6.
 */
#include "hal/baremetal/machine.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/mem.h"
#include "kernel/lib/str.h"

_Noreturn void hal_start(uint32_t magic, uintptr_t info);

enum {
    MULTIBOOT2_LOADER = 0x36d76289,
    PVH_MAGIC = 0x336ec578,
    CMDLINE_SIZE = 4096,
    MEMORY_START = 0x100000, /* below: firmware, and the start of other CPUs */
    LOADER_ENTRIES_MAX = 256,
    MEMORY_USABLE = 1,
};

/* Constant after hal_start(). */
static struct hal_boot_info boot;
static char cmdline[CMDLINE_SIZE];
static uint64_t rsdp_told;
static bool started; /* boot_alloc() is over */

void boot_fail(const char *why)
{
    hal_console_write("error: ", 7);
    hal_console_write(why, str_len(why, 200));
    hal_console_write("\n", 1);
    hal_exit(1);
}

/* ---- Memory -------------------------------------------------------------- */

size_t boot_ram_size(void)
{
    size_t total = 0;

    for (unsigned i = 0; i < boot.region_count; i++)
        total += boot.region[i].size;
    return total;
}

/* It may reach over several regions in a row, of different nodes. */
bool boot_is_ram(uintptr_t base, size_t size)
{
    for (unsigned i = 0; i < boot.region_count; i++) {
        size_t offset = base - boot.region[i].base;
        size_t rest = boot.region[i].size - offset;

        if (offset >= boot.region[i].size)
            continue;
        if (size <= rest)
            return true;
        base += rest;
        size -= rest;
    }
    return false;
}

/* Keep regions ascending and disjoint; what overlaps an earlier one is cut. */
static void region_add(uint64_t base, uint64_t end)
{
    unsigned at = boot.region_count;

    if (base >= BOOT_ADDRESS_LIMIT || end < base)
        return;
    if (end > BOOT_ADDRESS_LIMIT)
        end = BOOT_ADDRESS_LIMIT;
    base = (base + HAL_PAGE_SIZE - 1) & ~(uint64_t)(HAL_PAGE_SIZE - 1);
    end &= ~(uint64_t)(HAL_PAGE_SIZE - 1);
    if (base < MEMORY_START)
        base = MEMORY_START;
    if (end <= base || boot.region_count == HAL_REGION_MAX)
        return;
    while (at > 0 && boot.region[at - 1].base > base)
        at--;
    if (at > 0) {
        uint64_t before = boot.region[at - 1].base + boot.region[at - 1].size;

        base = base < before ? before : base;
    }
    if (at < boot.region_count && end > boot.region[at].base)
        end = boot.region[at].base;
    if (end <= base)
        return;
    for (unsigned i = boot.region_count++; i > at; i--)
        boot.region[i] = boot.region[i - 1];
    boot.region[at] = (struct hal_region){.base = base, .size = end - base};
}

/* Take [base, end) out of the regions. */
static void region_cut(uint64_t base, uint64_t end)
{
    for (unsigned i = 0; i < boot.region_count; i++) {
        struct hal_region *region = &boot.region[i];
        uint64_t from = region->base;
        uint64_t to = from + region->size;

        if (end <= from || base >= to)
            continue;
        region->size = base > from ? base - from : 0;
        if (end < to)
            region_add(end, to);
    }
    for (unsigned i = 0, kept = 0, count = boot.region_count; i < count; i++) {
        boot.region_count = kept;
        if (boot.region[i].size >= HAL_PAGE_SIZE)
            boot.region[kept++] = boot.region[i];
        boot.region_count = kept;
    }
}

static _Noreturn void too_little_memory(void)
{
    boot_fail("too little memory to start: give the machine 8 MiB a CPU");
}

/* From the start of the first region that has room. */
void *boot_alloc(size_t size)
{
    size = (size + HAL_PAGE_SIZE - 1) & ~(size_t)(HAL_PAGE_SIZE - 1);
    for (unsigned i = 0; !started && i < boot.region_count; i++) {
        struct hal_region *region = &boot.region[i];
        void *ptr = (void *)region->base;

        if (region->size <= size || region->base > UINT32_MAX - size)
            continue;
        region->base += size;
        region->size -= size;
        memset(ptr, 0, size);
        return ptr;
    }
    if (started)
        return NULL;
    too_little_memory();
}

/* From the end of the largest region, of that node if there is one. */
void *boot_alloc_near(unsigned node, size_t size)
{
    struct hal_region *best = NULL;

    for (unsigned i = 0; i < boot.region_count; i++) {
        struct hal_region *region = &boot.region[i];
        bool nearer =
            best != NULL && region->node == node && best->node != node;
        bool farther =
            best != NULL && region->node != node && best->node == node;

        if (region->size > size && !farther &&
            (best == NULL || nearer || region->size > best->size))
            best = region;
    }
    if (best == NULL)
        too_little_memory();
    best->size -= size;
    return (void *)(best->base + best->size);
}

/* ---- What the loaders say ------------------------------------------------ */

static void cmdline_set(const char *text, size_t limit)
{
    size_t len = str_len(text, limit < CMDLINE_SIZE ? limit : CMDLINE_SIZE);

    if (len >= CMDLINE_SIZE)
        boot_fail("the command line is longer than 4095 bytes");
    memcpy(cmdline, text, len);
    cmdline[len] = '\0';
}

static void module_add(uint64_t base, uint64_t size)
{
    if (size == 0 || boot.module_count == HAL_MODULE_MAX || base > UINT32_MAX ||
        size > UINT32_MAX - base)
        return;
    boot.module[boot.module_count++] =
        (struct hal_module){(const uint8_t *)(uintptr_t)base, size};
}

static void pvh_parse(const uint8_t *info)
{
    enum {
        VERSION = 4,
        MODULE_COUNT = 12,
        MODULE_LIST = 16,
        CMDLINE = 24,
        RSDP = 32,
        MAP = 40,
        MAP_COUNT = 48,
        MODULE_SIZE = 32,
        MAP_SIZE = 24,
    };
    const uint8_t *map, *modules;

    if (le32_get(info) != PVH_MAGIC || le32_get(info + VERSION) < 1)
        boot_fail("the loader speaks neither Multiboot2 nor PVH version 1");
    if (le64_get(info + CMDLINE) != 0)
        cmdline_set((const char *)(uintptr_t)le64_get(info + CMDLINE),
                    CMDLINE_SIZE);
    rsdp_told = le64_get(info + RSDP);
    map = (const uint8_t *)(uintptr_t)le64_get(info + MAP);
    for (uint32_t i = 0;
         i < le32_get(info + MAP_COUNT) && i < LOADER_ENTRIES_MAX; i++) {
        const uint8_t *entry = map + i * MAP_SIZE;
        uint64_t base = le64_get(entry);

        if (le32_get(entry + 16) == MEMORY_USABLE)
            region_add(base, base + le64_get(entry + 8));
    }
    modules = (const uint8_t *)(uintptr_t)le64_get(info + MODULE_LIST);
    for (uint32_t i = 0;
         i < le32_get(info + MODULE_COUNT) && i < HAL_MODULE_MAX; i++)
        module_add(le64_get(modules + i * MODULE_SIZE),
                   le64_get(modules + i * MODULE_SIZE + 8));
}

static void multiboot_map(const uint8_t *tag, uint32_t size)
{
    uint32_t entry_size = le32_get(tag + 8);

    if (entry_size < 24)
        return;
    for (uint32_t at = 16; at + entry_size <= size; at += entry_size) {
        uint64_t base = le64_get(tag + at);

        if (le32_get(tag + at + 16) == MEMORY_USABLE)
            region_add(base, base + le64_get(tag + at + 8));
    }
}

static void multiboot_parse(const uint8_t *info)
{
    enum {
        TAG_END,
        TAG_CMDLINE,
        TAG_MODULE = 3,
        TAG_MAP = 6,
        TAG_RSDP = 14,
        TAG_RSDP_2 = 15
    };
    uint32_t total = le32_get(info);

    for (uint32_t at = 8; at + 8 <= total;) {
        const uint8_t *tag = info + at;
        uint32_t type = le32_get(tag);
        uint32_t size = le32_get(tag + 4);

        if (type == TAG_END || size < 8 || size > total - at)
            break;
        if (type == TAG_CMDLINE)
            cmdline_set((const char *)tag + 8, size - 8);
        else if (type == TAG_MODULE && size >= 16)
            module_add(le32_get(tag + 8),
                       le32_get(tag + 12) - (uint64_t)le32_get(tag + 8));
        else if (type == TAG_MAP && size >= 16)
            multiboot_map(tag, size);
        else if (type == TAG_RSDP_2 || (type == TAG_RSDP && rsdp_told == 0))
            rsdp_told = (uintptr_t)tag + 8;
        at += (size + 7) & ~UINT32_C(7);
    }
}

/* ---- The order ----------------------------------------------------------- */

/* CPU 0 is the one that runs; the table may name it anywhere. */
static void cpus_find(void)
{
    uint32_t self = cpuid(1, 0).ebx >> 24;

    if (cpuid(0, 0).eax >= 0xb && cpuid(0xb, 0).ebx != 0)
        self = cpuid(0xb, 0).edx;
    if (acpi.cpu_count == 0)
        acpi.apic_id[acpi.cpu_count++] = self;
    for (unsigned i = 0; i < acpi.cpu_count; i++) {
        if (acpi.apic_id[i] != self)
            continue;
        acpi.apic_id[i] = acpi.apic_id[0];
        acpi.apic_id[0] = self;
    }
    boot.cpu_count = acpi.cpu_count;
    for (unsigned i = 0; i < acpi.cpu_count; i++)
        boot.cpu_node[i] = numa_cpu_node(&acpi, acpi.apic_id[i]);
}

static void loader_parse(uint32_t magic, uintptr_t info)
{
    if (magic == MULTIBOOT2_LOADER)
        multiboot_parse((const uint8_t *)info);
    else
        pvh_parse((const uint8_t *)info);
    if (boot.region_count == 0)
        boot_fail("the loader gave no memory map");
}

void hal_start(uint32_t magic, uintptr_t info)
{
    console_init();
    boot.cmdline = cmdline;
    boot.machine =
        magic == MULTIBOOT2_LOADER ? "x86-64 by Multiboot2" : "x86-64 by PVH";
    loader_parse(magic, info);
    acpi_init(rsdp_told); /* reads the loader's data: before memory is used */
    region_cut(0, (uintptr_t)image_end);
    for (unsigned i = 0; i < boot.module_count; i++)
        region_cut((uintptr_t)boot.module[i].base,
                   (uintptr_t)boot.module[i].base + boot.module[i].size);
    paging_init();
    for (unsigned i = 0; i < boot.region_count; i++)
        paging_map_ram(boot.region[i].base, boot.region[i].size);
    boot.region_count =
        numa_split(&acpi, boot.region, boot.region_count, HAL_REGION_MAX);
    cpus_find();
    cpu_init(acpi.apic_id, acpi.cpu_count);
    paging_pools_init(&boot);
    lapic_init();
    ioapic_init();
    clock_init();
    sleep_init(boot.cmdline);
    boot.boot_wall_ns = clock_rtc_ns();
    started = true;
    kernel_main(&boot);
}
