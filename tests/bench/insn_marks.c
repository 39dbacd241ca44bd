/*
 * A QEMU TCG plugin that counts the guest's instructions between two marks:
 *
 *   -plugin insn_marks.so,begin=ADDRESS,end=ADDRESS -d plugin
 *
 * The marks are functions of the image, called by virtual CPU 0; each time it
 * comes from one to the other, a line is printed with what every virtual CPU
 * has executed meanwhile:
 *
 *   segment NUMBER: COUNT...
 *
 * Whole translation blocks are counted as they begin. A mark begins one, being
 * called; so counts are exact but for a block an exception cuts short.
 */
#include "tools/qemu_plugin.h"
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int qemu_plugin_version = 1;

enum { VCPU_MAX = 8 };

static uint64_t begin_at;
static uint64_t end_at;
static unsigned segments;

/* Written by its own virtual CPU only. */
static struct {
    uint64_t now;
    uint64_t at_begin;
} __attribute__((aligned(64))) counts[VCPU_MAX];

static void executed(unsigned vcpu, void *count)
{
    if (vcpu < VCPU_MAX)
        counts[vcpu].now += (uintptr_t)count;
}

static void begun(unsigned vcpu, void *p)
{
    (void)vcpu;
    (void)p;
    for (unsigned i = 0; i < VCPU_MAX; i++)
        counts[i].at_begin = counts[i].now;
}

static void ended(unsigned vcpu, void *p)
{
    char text[32 + VCPU_MAX * 24];
    int len = snprintf(text, sizeof(text), "segment %u:", segments++);

    (void)vcpu;
    (void)p;
    for (unsigned i = 0; i < VCPU_MAX; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %" PRIu64,
                        counts[i].now - counts[i].at_begin);
    snprintf(text + len, sizeof(text) - (size_t)len, "\n");
    qemu_plugin_outs(text);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t at = qemu_plugin_tb_vaddr(tb);

    (void)id;
    if (at == begin_at || at == end_at)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, at == begin_at ? begun : ended,
                                             QEMU_PLUGIN_CB_NO_REGS, NULL);
    qemu_plugin_register_vcpu_tb_exec_cb(
        tb, executed, QEMU_PLUGIN_CB_NO_REGS,
        (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
                        int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "begin=", 6) == 0)
            begin_at = strtoull(argv[i] + 6, NULL, 16);
        else if (strncmp(argv[i], "end=", 4) == 0)
            end_at = strtoull(argv[i] + 4, NULL, 16);
        else
            return -1;
    }
    if (begin_at == 0 || end_at == 0)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
