/*
 * What a boot loader says: command line, memory map, modules, the RSDP, the
 * screen. Pure: every byte may be wrong.
 *
 * PVH: struct hvm_start_info version 1 (Xen, public/arch-x86/hvm/start_info.h).
 * Multiboot2: specification 2.0, section 3.6.
 * Linux: linux_boot.c.
 */
#ifndef TORC_HAL_BAREMETAL_LOADER_H
#define TORC_HAL_BAREMETAL_LOADER_H

#include "hal/baremetal/base/regions.h"
#include "hal/baremetal/firmware/physical.h"

enum {
    LOADER_CMDLINE_SIZE = 4096,
    LOADER_MULTIBOOT2 = 0x36d76289, /* in %eax */
    LOADER_LINUX = 0x53726448,      /* boot.S: "HdrS"; anything else is PVH */
    LOADER_MEMORY_START = 0x100000, /* memory below it is not used: firmware,
                                       and where other CPUs start */
};

struct loader_info {
    /* Set by the caller: where the image lies, no module. */
    uint64_t image_start, image_end;
    const char *machine; /* hal_boot_info.machine */
    char cmdline[LOADER_CMDLINE_SIZE];
    uint64_t rsdp; /* 0: not told */
    struct hal_framebuffer framebuffer;
    struct region_list ram; /* usable memory, without what else is told of it */
    unsigned module_count;  /* whole in `ram`, below 4 GiB, not in the image and
                              none in another */
    unsigned module_ignored;
    struct {
        uint64_t base;
        uint64_t size;
    } module[HAL_MODULE_MAX];
};

/*
 * Fill the rest of *out from the loader's data at `info`. `magic` is %eax at
 * entry.
 * Returns NULL, or a sentence that says why the machine cannot start.
 */
const char *loader_parse(struct loader_info *out,
                         const struct physical_memory *memory, uint32_t magic,
                         uint64_t info);

#endif
