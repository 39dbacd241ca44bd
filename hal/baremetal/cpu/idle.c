/*
 * How a CPU sleeps: HLT, or MONITOR and MWAIT, which a store to one line of
 * memory ends too, so that a CPU can be woken without an interrupt. Intel SDM
 * volume 3, 8.10.
 *
 * The command line's idle=mwait or idle=hlt forces one. By default it is MWAIT
 * on a processor that has it, but not under a hypervisor, which would have to
 * trap it (or, as QEMU's emulation does with several CPUs, spin).
 */
#include "hal/baremetal/base/cpu_block.h"
#include "hal/baremetal/base/insn.h"
#include "hal/baremetal/base/words.h"
#include "hal/baremetal/cpu/cpu.h"
#include "hal/baremetal/time/clock.h"

enum {
    LEAF_FEATURES = 1,
    LEAF_MONITOR = 5,
    CPUID_MONITOR = 1 << 3,
    MONITOR_LINE_MASK = 0xffff,
    WATCH_SIZE = 64,
};
#define CPUID_HYPERVISOR (UINT32_C(1) << 31)

/* Constant after sleep_init(). */
static bool use_mwait;

static bool mwait_wanted(const char *cmdline, bool preset)
{
    const char *value = words_value(cmdline, "idle=");

    return value == NULL ? preset : words_is(value, "mwait");
}

void sleep_init(const char *cmdline)
{
    uint32_t features = cpuid(LEAF_FEATURES, 0).ecx;
    bool preset = false;

    if ((features & CPUID_MONITOR) == 0 || cpuid(0, 0).eax < LEAF_MONITOR)
        return;
    /* A smaller line would leave some of the 64 bytes unwatched. */
    if ((features & CPUID_HYPERVISOR) == 0)
        preset = (cpuid(LEAF_MONITOR, 0).eax & MONITOR_LINE_MASK) >= WATCH_SIZE;
    use_mwait = mwait_wanted(cmdline, preset);
}

bool hal_cpu_watch(const void *line)
{
    if (!use_mwait)
        return false;
    __asm__ volatile("monitor" ::"a"(line), "c"(0), "d"(0) : "memory");
    cpu_block_self()->watching = true;
    return true;
}

/*
 * STI lets one more instruction run before an interrupt: no gap before HLT, and
 * none before MWAIT, which so needs no extension to end with an interrupt. The
 * NOP is for emulators that carry the effect of STI over MWAIT: the interrupt
 * has to come before CLI.
 */
void hal_cpu_idle(void)
{
    struct cpu_block *block = cpu_block_self();

    clock_sleep_begin(block);
    if (block->watching)
        __asm__ volatile("sti\n\tmwait\n\tnop\n\tcli" ::"a"(0), "c"(0)
                         : "memory");
    else
        do /* to look at other CPUs, with watchdog=, is no reason to wake */
            __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
        while (clock_is_asleep(block));
    block->watching = false;
    clock_sleep_end();
}
