/*
 * A QEMU TCG plugin that writes which code of a guest was executed: when the
 * machine ends, a line "ADDRESS BYTES" (decimal) for each block of
 * instructions. For tools/guest_coverage.pl. Arguments: out=FILE, and low= and
 * high=, which limit the addresses.
 *
 * A block that an exception ends counts as executed to its end.
 */
#include "tools/qemu_plugin.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int qemu_plugin_version = 1;

/* A block as it was translated. It may be translated again: all are kept. */
struct block {
    struct block *next;
    uint64_t at;
    uint64_t bytes;
    _Atomic bool executed; /* set by any virtual CPU */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks; /* guarded by the mutex */
static uint64_t low = 0x100000, high = 0x10000000;
static char out[4096];

static void executed(unsigned cpu, void *data)
{
    struct block *block = data;

    (void)cpu;
    atomic_store_explicit(&block->executed, true, memory_order_relaxed);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t at = qemu_plugin_tb_vaddr(tb);
    struct block *block;

    (void)id;
    if (at < low || at >= high)
        return;
    block = calloc(1, sizeof(*block));
    if (block == NULL)
        abort();
    block->at = at;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
        block->bytes += qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i));
    pthread_mutex_lock(&mutex);
    block->next = blocks;
    blocks = block;
    pthread_mutex_unlock(&mutex);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS,
                                         block);
}

static void ended(qemu_plugin_id_t id, void *p)
{
    FILE *file = fopen(out, "w");

    (void)id;
    (void)p;
    if (file == NULL) {
        perror(out);
        return;
    }
    pthread_mutex_lock(&mutex);
    for (struct block *block = blocks; block != NULL; block = block->next) {
        if (atomic_load_explicit(&block->executed, memory_order_relaxed))
            fprintf(file, "%" PRIu64 " %" PRIu64 "\n", block->at, block->bytes);
    }
    pthread_mutex_unlock(&mutex);
    fclose(file);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
                        int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0)
            snprintf(out, sizeof(out), "%s", argv[i] + 4);
        else if (strncmp(argv[i], "low=", 4) == 0)
            low = strtoull(argv[i] + 4, NULL, 0);
        else if (strncmp(argv[i], "high=", 5) == 0)
            high = strtoull(argv[i] + 5, NULL, 0);
        else
            out[0] = '\0';
    }
    if (out[0] == '\0') {
        fprintf(stderr, "guest_lines: out=FILE, low=, high=\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
