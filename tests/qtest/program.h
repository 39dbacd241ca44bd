/*
 * A test program: each test runs a scenario against QEMU and against a model,
 * and compares the two transcripts.
 *
 *     PROGRAM [--no-model] [--show] [TEST]
 *
 * TEST may have * and ?; --show prints what was compared.
 */
#ifndef TORC_TESTS_QTEST_PROGRAM_H
#define TORC_TESTS_QTEST_PROGRAM_H

#include "tests/qtest/transcript.h"
#include <torc/compiler.h>

/* Virtio over MMIO, of version 1, or with NO_LEGACY of version 2. */
#define MICROVM   "microvm,ioapic2=off"
#define NO_LEGACY "-global", "virtio-mmio.force-legacy=false"

struct program_test {
    const char *name;
    void (*qemu)(const void *arg, struct transcript *out);
    void (*model)(const void *arg, struct transcript *out);
    const void *arg;
};

enum { PROGRAM_TESTS_MAX = 32 };

/* Run them; returns the exit status. */
int program_main(int argc, char **argv, const struct program_test *tests,
                 size_t count);

#endif
