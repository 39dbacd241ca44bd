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

/* ---- 1. Start and end of the world --------------------------------------- */

/* Free RAM: whole pages, identity mapped, writable, not zeroed. */
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

/* Constant; lives as long as the machine. */
struct hal_boot_info {
    const char *cmdline; /* NUL-terminated, never NULL, at most 4095 bytes */
    unsigned cpu_count;  /* 1 .. HAL_CPU_MAX; CPU 0 runs, the rest wait */
    unsigned region_count;
    unsigned module_count;
    struct hal_region region[HAL_REGION_MAX]; /* disjoint, ascending */
    struct hal_module module[HAL_MODULE_MAX];
    uint8_t cpu_node[HAL_CPU_MAX]; /* NUMA node of each CPU, 0 if unknown */
    uint64_t boot_wall_ns; /* UTC since 1970 when hal_time_ns() was 0, or 0 */
    const char *machine;   /* for people: "x86-64 pc", "posix threads" */
};

/*
 * Upcall: the HAL enters the kernel here, once, on CPU 0, on a stack of at
 * least 16 KiB, with interrupts off.
 */
_Noreturn void kernel_main(const struct hal_boot_info *boot);

/* What the processor says about an exception no one expected. */
struct hal_fault {
    const char *what;   /* "page fault", "double fault", "segmentation fault" */
    uintptr_t ip;       /* where it happened */
    uintptr_t sp;       /* stack pointer then */
    uintptr_t fp;       /* frame pointer then: where a backtrace starts */
    uintptr_t address;  /* the address touched, for memory faults; else 0 */
    const char *detail; /* register dump, lines ending in \n; may be "" */
};

/*
 * Upcall: a processor exception on this CPU. Runs on the HAL's own stack with
 * interrupts off; does not return.
 */
_Noreturn void kernel_fault(const struct hal_fault *fault);

/*
 * End the machine: power off, or leave the process. `status` 0 is success,
 * 1..127 failure; it becomes the exit status of the process or of QEMU (which
 * reports status*2+1 through its debug-exit device, except that 0 powers off).
 */
_Noreturn void hal_exit(int status);

/* End the machine at once after a panic: core dump, or exit status 127. */
_Noreturn void hal_abort(void);

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
 * Sleep until an interrupt; interrupts are off at entry and at exit, and at
 * least one handler has run in between, or the sleep ended for no reason. An
 * interrupt that was pending at entry ends it at once: nothing is lost between
 * the caller's last look and the sleep.
 */
void hal_cpu_idle(void);

/*
 * Watch the 64 bytes at `line` (aligned to 64): a store by another CPU to them
 * from now on will end the next hal_cpu_idle(), which must be the next sleep of
 * this CPU. Interrupts are off from here to there. Returns false when this
 * machine cannot; then only an interrupt ends it.
 */
bool hal_cpu_watch(const void *line);

/* In every spin loop: a pause, and a moment for simulated time to move. */
void hal_cpu_relax(void);

/*
 * Raise HAL_IRQ_DOORBELL on `cpu`. Carries nothing and coalesces: two sends may
 * arrive as one. A sleeping CPU wakes.
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
 * Returns 0, -EINVAL (no such irq or CPU), -EBUSY (attached, or no vector left
 * on that CPU), -ENOMEM.
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

/* Nanoseconds since boot: monotonic, the same on all CPUs, never 0 twice. */
uint64_t hal_time_ns(void);

/*
 * Raise HAL_IRQ_TIMER on this CPU once hal_time_ns() >= deadline_ns, or a
 * little later, or early (then look at the clock and set it again). One
 * deadline per CPU: a new one replaces the old; UINT64_MAX means none. A
 * deadline in the past fires at once.
 */
void hal_timer_set(uint64_t deadline_ns);

/*
 * From now on, about every `period_ns` (at least HAL_SAMPLE_MIN_NS), call
 * kernel_sample() on this CPU, whatever it is running with interrupts on, be it
 * a loop that calls nothing of the HAL; but not while it sleeps. 0 ends it.
 * Returns 0, -ENOTSUP.
 */
enum { HAL_SAMPLE_MIN_NS = 100 * 1000 };
must_check int hal_sample_start(uint64_t period_ns);

/*
 * Upcall: a sample of what this CPU does: ip, sp and fp of the interrupted
 * code. Runs on the HAL's own stack with interrupts off, between any two
 * instructions: it reads what it can, and returns soon.
 */
void kernel_sample(const struct hal_fault *where);

/* Fill `buf` with up to `len` random bytes; returns how many it had. */
size_t hal_entropy(void *buf, size_t len);

/* ---- 5. Execution contexts ----------------------------------------------- */

struct hal_context {
    void *sp;
    void *host; /* the hosted machine's own (sanitizer fibre), else NULL */
    void *stack;
    size_t stack_size;
};

/*
 * Prepare `ctx` to run entry(arg) on `stack` (lowest address; size a multiple
 * of 16, at least 2 KiB). entry must not return.
 */
void hal_context_init(struct hal_context *ctx, void *stack, size_t size,
                      void (*entry)(void *), void *arg);

/*
 * Say that `ctx`, never to be continued, is gone, so that the HAL can forget
 * what it holds for it. Not on the running context.
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
 * Returns 0, -EINVAL, -ENOMEM (the hosted machine tracks a bounded number).
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

/* ---- 9. Leaf devices: what a hosted machine has instead of hardware ------ */

/* On bare metal there are none: every call returns -ENODEV or NULL. */

struct hal_blk_info {
    uint64_t sectors; /* of 512 bytes */
    bool read_only;
    int irq; /* raised when a request has completed */
};

struct hal_blk_req {
    uint64_t sector;
    uint32_t count; /* sectors; 0 with `write` means: flush to the medium */
    bool write;
    void *buf;  /* count * 512 bytes; the HAL's from submit to poll */
    int status; /* at completion: 0 or -EIO, -EROFS */
    void *cookie;
};

/* Returns 0, or -ENODEV past the last unit. */
must_check int hal_blk_info(unsigned unit, struct hal_blk_info *info);

/*
 * Start a request; it comes back through hal_blk_poll(). Requests may complete
 * in any order. Returns 0, -EAGAIN (queue full), -EINVAL (beyond the end).
 */
must_check int hal_blk_submit(unsigned unit, struct hal_blk_req *req);

/* A completed request, or NULL. */
struct hal_blk_req *hal_blk_poll(unsigned unit);

struct hal_net_info {
    uint8_t mac[6];
    uint16_t mtu;
    int irq; /* raised when a frame has come and hal_net_recv() found none */
};

/* Returns 0, or -ENODEV past the last unit. */
must_check int hal_net_info(unsigned unit, struct hal_net_info *info);

/* Send one Ethernet frame (copied). Returns 0, -EAGAIN, -EMSGSIZE. */
must_check int hal_net_send(unsigned unit, const void *frame, size_t len);

/* Take one received frame: its length, -EAGAIN (none), -EMSGSIZE (dropped). */
must_check int hal_net_recv(unsigned unit, void *buf, size_t size);

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
 *   uint64_t hal_cycles(void)    a counter of constant, unknown rate: cheap,
 *                                monotonic, the same on all CPUs
 *   uint64_t hal_fp_control(void)
 *   void hal_fp_control_set(uint64_t control)
 *                                this CPU's floating-point control, which a
 *                                function keeps for its caller: the x87 control
 *                                word from bit 32 on, MXCSR below
 *   void hal_fence(void)         all loads and stores before it are visible to
 *                                every CPU before any after it: the store-load
 *                                barrier, for the one place that needs it
 */
#include "hal_inline.h"
#include <torc/cpu_local.h>

#endif
