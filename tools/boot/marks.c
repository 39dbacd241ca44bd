/*
 * A QEMU TCG plugin that tells when the guest first comes to each of some
 * places:
 *
 *   -plugin marks.so,NAME=ADDRESS,... -d plugin
 *
 * prints, in the order in which they were come to, a line
 *
 *   mark NAME VCPU INSTRUCTIONS NANOSECONDS
 *
 * with what all virtual CPUs have executed since the first instruction of the
 * first mark, and the host's time since then. Whole translation blocks are
 * counted as they begin; a function begins one. All virtual CPUs run on one
 * thread of the host (tools/qemu.sh --count).
 */
#include "tools/qemu_plugin.h"
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int qemu_plugin_version = 1;

enum { MARKS_MAX = 64, NAME_MAX_ = 40 };

struct mark {
    uint64_t address;
    char name[NAME_MAX_];
    int seen;
};

static struct mark marks[MARKS_MAX];
static unsigned mark_count;
static int begun;
static uint64_t executed_count;
static uint64_t first_ns;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void executed(unsigned vcpu, void *count)
{
    (void)vcpu;
    if (begun)
        executed_count += (uintptr_t)count;
}

static void reached(unsigned vcpu, void *p)
{
    struct mark *mark = p;
    char text[128];

    if (mark->seen || (!begun && mark != marks))
        return;
    mark->seen = 1;
    if (!begun) {
        begun = 1;
        first_ns = now_ns();
    }
    snprintf(text, sizeof(text), "mark %s %u %" PRIu64 " %" PRIu64 "\n",
             mark->name, vcpu, executed_count, now_ns() - first_ns);
    qemu_plugin_outs(text);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t at = qemu_plugin_tb_vaddr(tb);

    (void)id;
    for (unsigned i = 0; i < mark_count; i++) {
        if (marks[i].address == at)
            qemu_plugin_register_vcpu_tb_exec_cb(
                tb, reached, QEMU_PLUGIN_CB_NO_REGS, &marks[i]);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(
        tb, executed, QEMU_PLUGIN_CB_NO_REGS,
        (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info,
                        int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc && mark_count < MARKS_MAX; i++) {
        struct mark *mark = &marks[mark_count++];
        const char *equals = strchr(argv[i], '=');

        if (equals == NULL || equals - argv[i] >= NAME_MAX_)
            return -1;
        memcpy(mark->name, argv[i], (size_t)(equals - argv[i]));
        mark->address = strtoull(equals + 1, NULL, 16);
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
