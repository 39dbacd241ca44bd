/*
 * A QEMU TCG plugin that prints how many guest instructions ran until the
 * machine ended, and with the argument every=MS also how many until then, each
 * MS milliseconds.
 */
#include "tools/qemu_plugin.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int qemu_plugin_version = 1;

/*
 * Of each virtual CPU, which runs on a thread of its own and is the only one
 * that adds. Below and above 1 MiB: firmware, kernel.
 */
enum { CPU_MAX = 256, FIRMWARE = 0, KERNEL = 1 };
static struct {
    _Atomic uint64_t ran[2];
} __attribute__((aligned(64))) cpus[CPU_MAX];

/* What a callback is told: how many instructions, and of which kind. */
static void executed(unsigned cpu, void *data)
{
    uintptr_t what = (uintptr_t)data;
    _Atomic uint64_t *ran = &cpus[cpu % CPU_MAX].ran[what & 1];

    atomic_store_explicit(
        ran, atomic_load_explicit(ran, memory_order_relaxed) + (what >> 1),
        memory_order_relaxed);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t at = qemu_plugin_tb_vaddr(tb);
    int kind = at >= 0x100000 && at < 0x400000 ? KERNEL : FIRMWARE;
    uintptr_t what = qemu_plugin_tb_n_insns(tb) << 1 | (unsigned)kind;

    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS,
                                         (void *)what);
}

static uint64_t total(int kind)
{
    uint64_t sum = 0;

    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++)
        sum += atomic_load_explicit(&cpus[cpu].ran[kind], memory_order_relaxed);
    return sum;
}

static void *teller(void *arg)
{
    long ms = (long)(intptr_t)arg;
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    char text[120];

    for (;;) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(text, sizeof(text), "at %lld ms: %" PRIu64 " instructions\n",
                 (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                 total(FIRMWARE) + total(KERNEL));
        qemu_plugin_outs(text);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void ended(qemu_plugin_id_t id, void *p)
{
    char text[120];

    (void)id;
    (void)p;
    snprintf(text, sizeof(text),
             "instructions: firmware %" PRIu64
             ", kernel and application %" PRIu64 "\n",
             total(FIRMWARE), total(KERNEL));
    qemu_plugin_outs(text);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
                        int argc, char **argv)
{
    long every = 0;

    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "every=", 6) == 0)
            every = strtol(argv[i] + 6, NULL, 10);
        if (every <= 0) {
            fprintf(stderr, "insn_count: every=MS and nothing else\n");
            return -1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    if (every > 0) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, teller, (void *)(intptr_t)every) != 0)
            return -1;
        pthread_detach(thread);
    }
    return 0;
}
