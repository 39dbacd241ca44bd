/*
 * What firmware does before a kernel runs, done for QEMU's machine, since its
 * processor runs nothing: PCI functions get addresses and interrupt lines. Then
 * they are put into our machine as models are (hal/posix/kernel/simbus.h).
 */
#ifndef TORC_TESTS_QTEST_FIRMWARE_H
#define TORC_TESTS_QTEST_FIRMWARE_H

#include "hal/hal.h"

/*
 * Put the devices of QEMU's -machine (pc, q35, microvm) into our machine, in
 * which there must be no other; after qemu_attach().
 *
 * PCI functions (of bus 0) are reset, get addresses and lines, and answer to no
 * access until a driver enables them (pci_enable()).
 */
void firmware_run(const char *machine);

#endif
