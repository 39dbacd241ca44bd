/*
 * The hardware abstraction layer: what Torc needs from a machine.
 *
 * Two implementations: hal/baremetal is an x86-64 PC, hal/posix a Linux
 * process. Which one an image has is decided by the linker; nothing above this
 * header can tell, and nothing above it may ask.
 *
 * Rules of the whole interface
 * - Machine facts only. Threads, allocators, queues and messages between CPUs
 *   are kernel logic, so they live (and are tested) above.
 * - Errors are negative errno (<torc/errno.h>). A function without a result
 *   cannot fail; handing it nonsense is a bug and stops the machine.
 * - "This CPU" is the one the caller runs on. Unless said otherwise a function
 *   may be called on any CPU, in a thread or an interrupt handler, and does
 *   not wait.
 * - Nothing here allocates after boot, except where the text says so.
 *
 * Interrupts
 * - A handler runs on the CPU it was attached to, with interrupts off, on the
 *   HAL's own stack, and runs to its end. It quiets its device, notes what
 *   happened and returns; the HAL acknowledges the interrupt controller
 *   afterwards.
 * - With interrupts on, a handler may run between any two instructions. (The
 *   hosted machine delivers only inside HAL calls: hal_irq_restore,
 *   hal_cpu_idle, hal_cpu_relax, hal_context_switch. Nobody may rely on that.)
 */
#ifndef TORC_HAL_HAL_H
#define TORC_HAL_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/errno.h>

enum {
    HAL_CPU_MAX = 256,
    HAL_REGION_MAX = 64,
    HAL_MODULE_MAX = 4,
    HAL_PAGE_SIZE = 4096,
    HAL_LARGE_PAGE_SIZE = 2 * 1024 * 1024,
};

/* ---- 1. Start and end of the machine ------------------------------------- */

/*
 * Free RAM: whole pages, at the same virtual as physical address, writable. Its
 * contents are undefined.
 */
struct hal_region {
    uintptr_t base;
    size_t size;
    unsigned node; /* NUMA node, 0 when the firmware does not say */
};

/* A file the boot loader put into memory; not part of any region. */
struct hal_module {
    const uint8_t *base;
    size_t size;
};

/* The pixels of a screen, as the boot loader says. */
struct hal_color {
    uint8_t at, bits; /* of a pixel */
};
struct hal_framebuffer {
    uint64_t base;  /* 0: there is none */
    uint32_t pitch; /* bytes from a row to the next */
    uint32_t width;
    uint32_t height;
    uint32_t depth; /* bits of a pixel: 15, 16, 24 or 32, in whole bytes */
    struct hal_color red, green, blue;
};

/* Constant; lives as long as the machine. */
struct hal_boot_info {
    const char *cmdline; /* NUL-terminated, never NULL, at most 4095 bytes */
    unsigned cpu_count;  /* 1 .. HAL_CPU_MAX; CPU 0 runs, the rest wait */
    unsigned region_count;
    unsigned module_count;
    struct hal_region region[HAL_REGION_MAX]; /* disjoint, ascending */
    struct hal_module module[HAL_MODULE_MAX];
    uint8_t cpu_node[HAL_CPU_MAX]; /* NUMA node of each CPU, 0 if unknown */
    struct hal_framebuffer framebuffer; /* no memory of a region */
    const char *machine; /* for people: "x86-64 pc", "posix threads" */
};

/*
 * Upcall: the HAL enters the kernel here, once, on CPU 0, on a stack of at
 * least 16 KiB, with interrupts off.
 */
_Noreturn void kernel_main(const struct hal_boot_info *boot);

/*
 * The registers of a CPU, in the order that core files have (user_regs_struct
 * of Linux on x86-64): of some the places are known here.
 */
enum {
    HAL_REGISTER_FP = 4,
    HAL_REGISTER_IP = 16,
    HAL_REGISTER_SP = 19,
    HAL_REGISTER_COUNT = 27,
};
struct hal_registers {
    uint64_t value[HAL_REGISTER_COUNT];
};

/* What code did to the address of a fault. */
enum hal_access { HAL_ACCESS_NONE, HAL_READ, HAL_WRITE, HAL_EXECUTE };

/* What the processor says about an exception no one expected. */
struct hal_fault {
    const char *what;   /* "page fault", "double fault", "segmentation fault" */
    uintptr_t ip;       /* where it happened */
    uintptr_t sp;       /* stack pointer then */
    uintptr_t fp;       /* frame pointer then: where a backtrace starts */
    uintptr_t address;  /* the address touched, for memory faults; else 0 */
    const char *detail; /* register dump, lines ending in \n; may be "" */
    enum hal_access access;
    /* Of an exception of code that ran with interrupts on, after which a CPU
     * can go on somewhere else; not of one that the machine is lost with (a
     * double fault, a stack overflow, a machine check). */
    bool may_continue;
    struct hal_registers *registers; /* all of them then; NULL: of a sample */
    uint64_t off_ns; /* of a sample: how long interrupts have been off */
};

/*
 * Upcall: a processor exception on this CPU. Runs on the HAL's own stack with
 * interrupts off. If it returns, and it may only where fault->may_continue, the
 * CPU goes on with interrupts on at what is in `registers` for IP and SP, and
 * with no value on the x87 stack.
 */
void kernel_fault(const struct hal_fault *fault);

/*
 * End the machine: power off, or leave the process. `status` 0 is success,
 * 1..127 failure; it becomes the exit status of the process or of QEMU (which
 * reports status*2+1 through its debug-exit device, except that 0 powers off).
 * HAL_EXIT_AGAIN is success, after which a machine of its own begins again.
 */
enum { HAL_EXIT_AGAIN = -1 };
_Noreturn void hal_exit(int status);

/*
 * The machine is broken: stop all other CPUs for good, wherever they are, so
 * that this one can say why and call hal_abort(). Of several CPUs that call it
 * at once one returns; the others are stopped in the call. Interrupts are off
 * from here on. Returns false when this CPU has called it before: then what it
 * did since has failed as well.
 */
bool hal_panic_begin(void);

/* The registers of each CPU that hal_panic_begin() has stopped, as it was then;
 * NULL: not known. */
extern const struct hal_registers *hal_stopped[HAL_CPU_MAX];

/*
 * End the machine at once after a panic: by a core dump, or with exit status
 * 127. A machine of its own may also begin again, or stand still for somebody
 * to look at.
 */
enum hal_end { HAL_END_OFF, HAL_END_REBOOT, HAL_END_HALT };
_Noreturn void hal_abort(enum hal_end how);

/* Write text to the console; best effort, bounded wait, any context. */
void hal_console_write(const char *text, size_t len);

/* ---- 2. Processors ------------------------------------------------------- */

/* Number of this CPU, 0 .. cpu_count-1. */
unsigned hal_cpu_id(void);

/* Let hal_cpu_local() return `local` on this CPU. NULL until then. */
void hal_cpu_set_local(void *local);

/*
 * Start another CPU: it runs entry(arg) on `stack` (its lowest address) with
 * interrupts off; entry does not return. Called on CPU 0, once per CPU. Does
 * not wait for it to arrive.
 * Returns 0, -EINVAL (no such CPU, or running already), -ENODEV (cannot be
 * started).
 */
must_check int hal_cpu_start(unsigned cpu, void (*entry)(void *), void *arg,
                             void *stack, size_t stack_size);

/*
 * Sleep until an interrupt comes, and run its handler. Interrupts are off at
 * entry, and off again at return. An interrupt that is pending at entry ends
 * the sleep at once, so none is lost between the caller's last look for work
 * and the sleep. The sleep may also end without an interrupt.
 */
void hal_cpu_idle(void);

/*
 * From now on, a store by another CPU to the 64 bytes at `line` (aligned to 64)
 * ends the next hal_cpu_idle() of this CPU. The caller keeps interrupts off
 * from this call to that sleep. Returns false when this machine cannot watch
 * memory; then only an interrupt ends the sleep.
 */
bool hal_cpu_watch(const void *line);

/*
 * Call this in every loop that waits for another CPU: it lets the processor
 * save energy, and simulated time move on.
 */
void hal_cpu_relax(void);

/*
 * Raise HAL_IRQ_DOORBELL on `cpu`, which may be this one. It carries no data,
 * and two sends may arrive as one. A sleeping CPU wakes.
 */
void hal_ipi_send(unsigned cpu);

/* ---- 3. Interrupts ------------------------------------------------------- */

/*
 * Interrupt numbers: 0 .. 255 are the lines of the platform (global system
 * interrupts), numbers from hal_irq_msi() lie above, and these are each CPU's
 * own.
 */
enum {
    HAL_IRQ_TIMER = -1,
    HAL_IRQ_DOORBELL = -2,
    HAL_IRQ_STOP = -3,
};

typedef unsigned long hal_irqflags;

enum { HAL_IRQS_OFF = 0, HAL_IRQS_ON = 1 };

/*
 * Turn interrupts off on this CPU; returns whether they were HAL_IRQS_ON or
 * HAL_IRQS_OFF. hal_irq_restore() sets either; the first time a CPU turns them
 * on it does so with hal_irq_restore(HAL_IRQS_ON).
 */
hal_irqflags hal_irq_save(void);
void hal_irq_restore(hal_irqflags flags);

/*
 * Route `irq` to `cpu` and call handler(arg) there for each one; the line is
 * enabled on return. HAL_IRQ_TIMER and HAL_IRQ_DOORBELL are attached by each
 * CPU for itself. Lines may be shared by handlers of the same CPU.
 * HAL_IRQ_STOP, for CPU 0 by itself, comes when somebody asks the machine to
 * stop: by the power button of a PC (ACPI 6.4, 4.8.2.2.1), or by SIGINT or
 * SIGTERM of the process, which ends at once when it gets a second one, or one
 * that nobody is attached to.
 * Returns 0, -EINVAL (no such irq or CPU), -EBUSY (attached, or no vector left
 * on that CPU), -ENOMEM, -ENODEV (nobody can ask this machine to stop).
 */
must_check int hal_irq_attach(int irq, unsigned cpu, void (*handler)(void *),
                              void *arg);

/*
 * Make a new message-signalled interrupt for `cpu`: *addr and *data are what
 * the device must write. Attach the returned number before enabling it.
 * Returns an irq >= 256, -ENOSPC (none left), -ENODEV (no MSI here).
 */
must_check int hal_irq_msi(unsigned cpu, uint64_t *addr, uint32_t *data);

/* ---- 4. Time and entropy ------------------------------------------------- */

/* Nanoseconds since boot. Never goes back, also from one CPU to another. */
uint64_t hal_time_ns(void);

/*
 * UTC in nanoseconds since 1970, or 0 when the machine does not know it. Unlike
 * hal_time_ns() it may jump, in both directions, when it is corrected: soon
 * after boot, and after the machine was paused.
 */
uint64_t hal_wall_ns(void);

/*
 * Raise HAL_IRQ_TIMER on this CPU when hal_time_ns() has reached `deadline_ns`,
 * or a little later. It may also come early: the handler looks at the clock and
 * sets the timer again. Each CPU has one deadline; a new one replaces it, and
 * UINT64_MAX means none. A deadline in the past raises the interrupt at once.
 */
void hal_timer_set(uint64_t deadline_ns);

/*
 * From now on call kernel_sample() on this CPU about every `period_ns` (at
 * least HAL_SAMPLE_MIN_NS), between any two instructions that run with
 * interrupts on, but not while the CPU sleeps. 0 ends it. Returns 0, -ENOTSUP.
 *
 * Code that keeps interrupts off for HAL_SAMPLES_MISSED periods is sampled as
 * well, some time later: on bare metal another CPU that has samples interrupts
 * it in a way that cannot be turned off, within a second if all others sleep.
 */
enum { HAL_SAMPLE_MIN_NS = 100 * 1000, HAL_SAMPLES_MISSED = 4 };
must_check int hal_sample_start(uint64_t period_ns);

/*
 * Upcall: a sample of what this CPU does: ip, sp and fp of the interrupted
 * code. Runs on the HAL's own stack with interrupts off, between any two
 * instructions: it reads what it can, and returns soon.
 */
void kernel_sample(const struct hal_fault *where);

/*
 * Fill `buf` with `len` bytes, as random as this machine can. Returns how many
 * of them nobody can predict: less than `len` where it has no good source.
 */
size_t hal_entropy(void *buf, size_t len);

/* ---- 5. Execution contexts ----------------------------------------------- */

/* All fields are the HAL's. */
struct hal_context {
    void *sp;   /* while it does not run */
    void *host; /* the hosted machine's own (sanitizer fibre), else NULL */
    void *stack;
    size_t stack_size;
    uint64_t fp_control; /* see hal_context_switch_fp() */
};

/*
 * Prepare `ctx` to run entry(arg) on `stack` (lowest address; size a multiple
 * of 16, at least 2 KiB). entry must not return.
 */
void hal_context_init(struct hal_context *ctx, void *stack, size_t size,
                      void (*entry)(void *), void *arg);

/*
 * `ctx` will never be switched to again: free what the HAL holds for it. Not
 * for the running context.
 */
void hal_context_fini(struct hal_context *ctx);

/* ---- 6. Memory: attributes, ordering, devices ---------------------------- */

enum hal_page_attr {
    HAL_PAGE_NORMAL,          /* readable, writable, cached, not executable */
    HAL_PAGE_NONE,            /* any access is a fault: guard pages */
    HAL_PAGE_UNCACHED,        /* readable, writable, not cached */
    HAL_PAGE_WRITE_COMBINING, /* the same, but stores may be collected */
};

/*
 * Set the attribute of whole pages of boot regions; their contents stay. The
 * pages belong to this CPU; other CPUs must not have touched them since they
 * last changed.
 * Returns 0, -EINVAL (not aligned, not in a region), -ENOMEM (no page-table
 * page left), -ENOTSUP (this machine cannot: UNCACHED and WRITE_COMBINING on
 * the hosted one); after an error nothing has changed.
 *
 * Where the memory of one CPU begins, CPU 0 sets the first page to NORMAL
 * before it starts the others: so no two of them ever make the same page table.
 */
must_check int hal_page_attr(void *base, size_t size, enum hal_page_attr attr);

/*
 * Let devices reach [ptr, ptr+size), whole pages of boot regions, from now on.
 * Also pages of the image's constants, any number of times, where devices reach
 * them. Returns 0, -EINVAL, -ENOMEM (the hosted machine tracks a bounded
 * number).
 */
must_check int hal_dma_map(void *ptr, size_t size);
void hal_dma_unmap(void *ptr, size_t size);

/*
 * The address by which a device knows `ptr`, which lies in a mapped range;
 * anything else stops the machine. Ranges are contiguous for the device too.
 */
uint64_t hal_dma_addr(const void *ptr);

/* ---- 7. Device registers ------------------------------------------------- */

enum hal_io_space { HAL_IO_PORT, HAL_IO_MEMORY };

/* A window of registers; pass by value. Offsets are checked against size. */
struct hal_io {
    enum hal_io_space space;
    uintptr_t base;
    size_t size;
};

/*
 * Make `size` bytes of registers at `base` reachable, uncached.
 * Returns 0, -EINVAL (wraps, or past the port space), -ENODEV (nothing can be
 * there), -ENOMEM.
 */
must_check int hal_io_map(enum hal_io_space space, uint64_t base, size_t size,
                          struct hal_io *io);
uint8_t hal_io_read8(struct hal_io io, size_t offset);
uint16_t hal_io_read16(struct hal_io io, size_t offset);
uint32_t hal_io_read32(struct hal_io io, size_t offset);
void hal_io_write8(struct hal_io io, size_t offset, uint8_t value);
void hal_io_write16(struct hal_io io, size_t offset, uint16_t value);
void hal_io_write32(struct hal_io io, size_t offset, uint32_t value);

/* ---- 8. Finding devices -------------------------------------------------- */

struct hal_pci_addr {
    uint8_t bus;
    uint8_t dev; /* 0 .. 31 */
    uint8_t fn;  /* 0 .. 7 */
};

/*
 * PCI configuration space, 32 bits at `reg` (a multiple of 4, below 256).
 * Reads of what does not exist give 0xffffffff, writes go nowhere.
 */
uint32_t hal_pci_read32(struct hal_pci_addr addr, unsigned reg);
void hal_pci_write32(struct hal_pci_addr addr, unsigned reg, uint32_t value);

/* A memory-mapped device the firmware describes and no bus enumerates. */
struct hal_platform_device {
    char id[16]; /* ACPI hardware id: "LNRO0005" is virtio over MMIO */
    uint64_t base;
    size_t size;
    int irq;
};

/* The `index`-th platform device. Returns 0, or -ENODEV past the last. */
must_check int hal_platform_device(unsigned index,
                                   struct hal_platform_device *out);

/*
 * Inline on each machine, chosen by include path:
 *
 *   void *hal_cpu_local(void)    what hal_cpu_set_local() stored on this CPU;
 *                                in <torc/cpu_local.h>, so that inline code
 *                                of include/torc can use it
 *   void hal_context_switch(struct hal_context *from, struct hal_context *to)
 *                                save this context into `from` and continue
 *                                `to`, which must not be running. Returns when
 *                                somebody switches back, perhaps on another
 *                                CPU. The state of interrupts is not switched:
 *                                a new context starts with the caller's
 *   void hal_context_switch_fp(struct hal_context *from,
 *                              const struct hal_context *to)
 *                                switch the floating-point control words (how
 *                                to round, which exceptions to raise): keep
 *                                this CPU's for `from` (NULL: for nobody), load
 *                                those of `to` (NULL: those each CPU starts
 *                                with, which a new context has too). Comes
 *                                before hal_context_switch(), which leaves them
 *                                alone
 *   void hal_context_where(const struct hal_context *ctx, uintptr_t *ip,
 *                          uintptr_t *sp, uintptr_t *fp)
 *                                where a context that does not run goes on:
 *                                for debuggers. It reads its stack
 *   uint64_t hal_cycles(void)    a counter of constant, unknown rate: cheap,
 *                                monotonic, the same on all CPUs
 *   void hal_fence(void)         all loads and stores before it are visible to
 *                                every CPU before any after it: the store-load
 *                                barrier, for the one place that needs it
 */
#include "hal_inline.h"
#include <torc/cpu_local.h>

#endif
