/*
 * A QEMU whose devices our drivers use from this process, by the qtest protocol
 * (QEMU: docs/devel/qtest.rst). Its processor does nothing; the machine that
 * runs is ours, and has its registers, its interrupts and its memory there:
 *
 *   registers    each access is a command on a socket, and its answer;
 *   lines        QEMU says on the same socket when an input of the I/O APIC
 *                changes; a thread of this process raises the interrupt;
 *   messages     QEMU writes them into its memory, like any MSI; the thread
 *                looks there;
 *   memory       QEMU's is a file that this process has mapped as well. The
 *                memory of our machine is a part of it.
 *
 * One at a time. Called by CPU 0, or without a machine.
 */
#ifndef TORC_TESTS_QTEST_QEMU_H
#define TORC_TESTS_QTEST_QEMU_H

#include "hal/hal.h"

enum { QEMU_ARGS_MAX = 24 };

/*
 * Start a QEMU of that -machine, with the arguments besides (NULL ends them),
 * and with 24 MiB of memory for ours. It ends with qemu_stop(), or with this
 * process. Ends the process when there is no QEMU.
 */
void qemu_start(const char *machine, const char *const *args);
void qemu_stop(void);

/*
 * Begin and end a machine of ours, with QEMU's memory, one CPU and no devices:
 * firmware_run() finds those. As machine_attach() and machine_detach(). The
 * command line may be NULL.
 */
void qemu_attach(const char *cmdline);
void qemu_detach(void);

/* Access a register or memory of QEMU's machine: 1, 2 or 4 bytes. */
uint32_t qemu_read(enum hal_io_space space, uint64_t address, unsigned width);
void qemu_write(enum hal_io_space space, uint64_t address, unsigned width,
                uint32_t value);

/* The same, but done some time before the next other access: for many writes in
 * a row to a data port. */
void qemu_post(enum hal_io_space space, uint64_t address, unsigned width,
               uint32_t value);

/* The same of PCI configuration space, 32 bits at `reg`. */
uint32_t qemu_pci_read(struct hal_pci_addr addr, unsigned reg);
void qemu_pci_write(struct hal_pci_addr addr, unsigned reg, uint32_t value);

/*
 * Give QEMU's monitor (QMP) a command, and its arguments as in JSON (single
 * quotes will do): qemu_execute("set_link", "'name': 'net', 'up': false"). Ends
 * the process when QEMU does not want it.
 */
void qemu_execute(const char *command, const char *arguments);

/*
 * Where QEMU's device must write QEMU_MESSAGE so that `irq` of our machine (256
 * and up) is raised. A message to qemu_message_address(QEMU_MESSAGE_TRAP) ends
 * the test: the device was told a wrong address.
 */
enum { QEMU_MESSAGE = 1, QEMU_MESSAGE_TRAP = -1 };
uint32_t qemu_message_address(int irq);

/*
 * Print how many accesses and interrupts there were since qemu_start(). Fails
 * the test when there were none, or not of the kind that was expected: messages
 * or lines.
 */
void qemu_report(const char *name, bool by_message);

/* Say what is wrong, and end the process. */
_Noreturn void qemu_die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
