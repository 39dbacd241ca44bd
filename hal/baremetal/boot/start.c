/* From what the loader says to struct hal_boot_info, then into the kernel. */
#include "hal/baremetal/base/fail.h"
#include "hal/baremetal/base/image.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/base/words.h"
#include "hal/baremetal/boot/tables.h"
#include "hal/baremetal/cpu/cpu.h"
#include "hal/baremetal/firmware/loader.h"
#include "hal/baremetal/firmware/numa.h"
#include "hal/baremetal/firmware/platform.h"
#include "hal/baremetal/io/console.h"
#include "hal/baremetal/io/pci.h"
#include "hal/baremetal/irq/ioapic.h"
#include "hal/baremetal/irq/lapic.h"
#include "hal/baremetal/memory/early.h"
#include "hal/baremetal/memory/paging.h"
#include "hal/baremetal/time/clock.h"
#include <torc/string.h>

_Noreturn void hal_start(uint32_t magic, uintptr_t info);

/* Constant after hal_start(). */
static struct hal_boot_info boot;
static struct loader_info loader;

/*
 * Where the tables and the loader's data may be: below 4 GiB, all of which
 * boot.S has mapped. QEMU's PVH loader has some on page 0, which paging_init()
 * takes away later; address 0 itself means that there are none.
 */
static const uint8_t *map_low(uint64_t address, size_t size)
{
    if (address == 0 || address > UINT32_MAX || size > UINT32_MAX - address)
        return NULL;
    return (const uint8_t *)(uintptr_t)address;
}

static const struct physical_memory low_memory = {map_low};

static void loader_read(uint32_t magic, uintptr_t info)
{
    const char *error;

    loader.image_start = (uintptr_t)image_start;
    loader.image_end = (uintptr_t)image_end;
    error = loader_parse(&loader, &low_memory, magic, info);
    if (error != NULL)
        boot_fail(error);
    if (loader.ram.dropped != 0)
        boot_warn("%lu KiB of memory are not used: its map has too many pieces",
                  (unsigned long)(loader.ram.dropped / 1024));
    if (loader.module_ignored != 0)
        boot_warn("%u boot modules are ignored: more than %u, above 4 GiB, "
                  "outside of memory, or in the image or another module",
                  loader.module_ignored, (unsigned)HAL_MODULE_MAX);
}

static uintptr_t ram_end(void)
{
    const struct hal_region *last = &ram.region[ram.count - 1];

    return last->base + last->size;
}

/* From the memory of the machine to what is free. */
static void memory_init(void)
{
    uintptr_t start = (uintptr_t)image_start;
    uintptr_t end = (uintptr_t)image_end;

    ram_init(&loader.ram);
    if (!regions_contain(&ram, start, end - start))
        boot_fail(ram_end() < end
                      ? "this machine has too little memory for the image"
                      : "the firmware keeps memory where the image lies");
    regions_cut(&ram, start, end);
    boot.module_count = loader.module_count;
    for (unsigned i = 0; i < loader.module_count; i++) {
        uint64_t base = loader.module[i].base;

        boot.module[i].base = (const uint8_t *)(uintptr_t)base;
        boot.module[i].size = loader.module[i].size;
        regions_cut(&ram, base, base + loader.module[i].size);
    }
    paging_init();
    for (unsigned i = 0; i < ram.count; i++)
        paging_map_ram(ram.region[i].base, ram.region[i].size);
}

static uint32_t apic_id_self(void)
{
    if (cpuid(0, 0).eax >= 0xb && cpuid(0xb, 0).ebx != 0)
        return cpuid(0xb, 0).edx;
    return cpuid(1, 0).ebx >> 24;
}

static void cpus_find(void)
{
    platform_cpu_first(&platform, apic_id_self());
    if (platform.cpu_ignored != 0)
        boot_warn(
            "%u of %u CPUs are not used: %u is the most", platform.cpu_ignored,
            platform.cpu_ignored + platform.cpu_count, (unsigned)HAL_CPU_MAX);
    /* Memory for page tables is then the share of so many. */
    platform.cpu_count = words_cpus(boot.cmdline, platform.cpu_count);
    boot.cpu_count = platform.cpu_count;
    for (unsigned i = 0; i < platform.cpu_count; i++)
        boot.cpu_node[i] = numa_cpu_node(&platform, platform.apic_id[i]);
}

/* What memory is left is the kernel's. */
static void memory_hand_over(void)
{
    boot_alloc_close();
    regions_check(&ram);
    boot.region_count = ram.count;
    memcpy(boot.region, ram.region, ram.count * sizeof(ram.region[0]));
}

void hal_start(uint32_t magic, uintptr_t info)
{
    console_init();
    loader_read(magic, info);
    tables_read(&low_memory, loader.rsdp); /* before memory is used */
    boot.cmdline = loader.cmdline;
    boot.machine = loader.machine;
    boot.framebuffer = loader.framebuffer;
    memory_init();
    ram.count = numa_split(&platform, ram.region, ram.count, HAL_REGION_MAX);
    cpus_find();
    cpu_init(platform.apic_id, platform.cpu_count);
    paging_pools_init(boot.cpu_node);
    lapic_init();
    ioapic_init();
    pci_init();
    clock_init();
    rtc_init();
    sleep_init(boot.cmdline);
    memory_hand_over();
    kernel_main(&boot);
}
