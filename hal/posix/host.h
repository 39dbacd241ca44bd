/*
 * The seam between the two halves of the hosted machine.
 *
 * The kernel half (cpu.c irq.c context.c clock.c dma.c leaf.c platform.c
 * boot.c) implements hal/hal.h and sees no libc. The host half (host_*.c) sees
 * libc and this file only. Types are plain; errors are negative errno with the
 * numbers of <torc/errno.h>, translated in host_misc.c.
 *
 * Another kind of hosted machine replaces host_thread.c: what it must supply is
 * the section "CPUs and time".
 */
#ifndef TORC_HAL_POSIX_HOST_H
#define TORC_HAL_POSIX_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hal_boot_info;

enum {
    HOST_CPU_MAX = 256,
    HOST_NODE_MAX = 64, /* HAL_REGION_MAX */
    HOST_DISK_MAX = 16,
    HOST_NET_MAX = 8,
    HOST_MODULE_MAX = 4,
    HOST_FORWARD_MAX = 16,
    HOST_CMDLINE_MAX = 4096, /* with the NUL */
    HOST_FRAME_MAX = 1514,   /* an Ethernet frame without its checksum */
    HOST_MTU = 1500,
};

#define HOST_MEM_MIN     ((size_t)2 << 20)
#define HOST_MEM_DEFAULT ((size_t)64 << 20)

/* ---- The machine: what it is made of ------------------------------------- */

struct host_disk_config {
    const char *path;
    bool read_only;
};

enum host_net_kind { HOST_NET_TAP, HOST_NET_USER };

/* A port of the host that leads into the machine; addresses in host order. */
struct host_forward {
    bool udp;
    uint32_t host_address; /* 0: all of the host's */
    uint16_t host_port;
    uint32_t guest_address; /* 0: the machine's own, 10.0.2.15 */
    uint16_t guest_port;
};

struct host_net_config {
    enum host_net_kind kind;
    const char *tap; /* name of the interface */
    uint8_t mac[6];  /* all 0: 52:54:00:12:34:56 plus the unit */
    unsigned forward_count;
    struct host_forward forward[HOST_FORWARD_MAX];
};

/*
 * All zero is a machine: one CPU, HOST_MEM_DEFAULT, no devices. What it points
 * to is not needed after host_machine_prepare().
 */
struct host_config {
    unsigned cpus;       /* 0: 1 */
    size_t mem_bytes;    /* of each CPU; 0: HOST_MEM_DEFAULT */
    unsigned nodes;      /* NUMA nodes, at most HOST_NODE_MAX; 0: 1 */
    const char *cmdline; /* NULL: "" */
    unsigned disk_count; /* at most HOST_DISK_MAX */
    const struct host_disk_config *disks;
    unsigned net_count; /* at most HOST_NET_MAX */
    const struct host_net_config *nets;
    unsigned module_count;      /* at most HOST_MODULE_MAX */
    const char *const *modules; /* paths */
    bool quiet;                 /* hal_console_write() says nothing */
};

/*
 * Make a machine and let the calling pthread be its CPU 0, interrupts off. The
 * caller may enter kernel_main() with the result, or use parts of the kernel on
 * this thread. A machine there already is closed first.
 * Returns NULL after a line on stderr when it cannot be made.
 */
const struct hal_boot_info *
host_machine_prepare(const struct host_config *config);

/*
 * Stop the other CPUs and the devices and free everything. Called on CPU 0, on
 * the stack host_machine_prepare() was called on; harmless without a machine.
 * A CPU that never comes to a delivery point (hal.h, "Interrupts") cannot be
 * stopped: that ends the process.
 */
void host_machine_close(void);

/* Tests: let the n-th hal_page_attr() from now fail; 0: none (dma.c). */
extern unsigned machine_attr_fails;

/* Tests: hal_cpu_watch() can watch memory, by looking at it (idle.c). */
extern bool machine_watches;

/* ---- Upcalls: the host half tells the kernel half ------------------------ */

/* Any thread: a device of the host has something to say. */
void machine_irq_raise(int irq);

/* Any thread: the time of host_timer_set() has come. */
void machine_timer_expired(unsigned cpu);

struct host_fault {
    const char *what;
    uintptr_t ip, sp, fp, address;
    const char *detail;
};

/* A CPU's pthread, on its signal stack. */
_Noreturn void machine_fault(const struct host_fault *fault);
void machine_sample(const struct host_fault *where);

/* ---- CPUs and time (host_thread.c) --------------------------------------- */

/* Make `count` CPUs; the caller becomes CPU 0. Returns 0, -ENOMEM, -EAGAIN. */
int host_cpus_open(unsigned count);

/*
 * Wait until the CPUs other than 0 have left their main() and forget all.
 * They have been told; one that stays ends the process.
 */
void host_cpus_close(void);

/* Run main(cpu) as another CPU. Returns 0, -EAGAIN, -ENOMEM. */
int host_cpu_start(unsigned cpu, void (*main)(unsigned cpu));

/* Whether the caller is a CPU. */
bool host_is_cpu(void);

/*
 * Sleep until *attention is set (and host_cpu_wake() was called after that) or
 * the CPU's timer expires.
 */
void host_cpu_sleep(unsigned cpu, const atomic_bool *attention);
void host_cpu_wake(unsigned cpu);

/* The caller spins: let others run. */
void host_cpu_relax(void);

/* Nanoseconds since host_cpus_open(), never 0. */
uint64_t host_time_ns(void);

/*
 * Call machine_timer_expired(cpu) at that time, once; replaces an earlier
 * deadline. UINT64_MAX: never.
 */
void host_timer_set(unsigned cpu, uint64_t deadline_ns);

/* ---- Samples (host_sample.c) --------------------------------------------- */

/*
 * Call machine_sample() on this CPU after each `period_ns` of processor time;
 * 0: no more. Returns 0, -ENOTSUP.
 */
int host_sample_start(unsigned cpu, uint64_t period_ns);

/* No CPU has samples from now on. */
void host_samples_close(void);

/* ---- Memory, console, end (host_misc.c, host_file.c) --------------------- */

/*
 * Zeroed memory, `align` a power of two, at `hint` if that is free (0: it does
 * not matter); NULL when there is none.
 */
void *host_memory_map(size_t size, size_t align, uintptr_t hint);
void host_memory_unmap(void *base, size_t size);

/* Allow or forbid access. Returns 0, -ENOMEM. */
int host_memory_protect(void *base, size_t size, bool access);

/*
 * The contents of a file, in memory of our own. Returns 0, or an error after a
 * line on stderr.
 */
int host_file_map(const char *path, const void **base, size_t *size);
void host_file_unmap(const void *base, size_t size);

/* UTC since 1970, nanoseconds. */
uint64_t host_wall_ns(void);

/* Fill with random bytes; returns how many. */
size_t host_entropy(void *buf, size_t len);

/* Write to stdout; gives up on a reader that is stuck. */
void host_console_write(const char *text, size_t len);

/* One line on stderr, with "torc: " before it. */
void host_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

_Noreturn void host_exit(int status);
_Noreturn void host_abort(void);

/* The negative error of Torc for an errno of the host. */
int host_error(int host_errno);

/* ---- Disks (host_file.c) ------------------------------------------------- */

enum host_disk_op { HOST_DISK_READ, HOST_DISK_WRITE, HOST_DISK_FLUSH };

/* The host half's from submit to poll. */
struct host_disk_request {
    enum host_disk_op op;
    uint64_t offset; /* bytes */
    size_t size;
    void *buf;
    int status; /* at completion: 0, -EIO, -EROFS */
    struct host_disk_request *next;
};

struct host_disk_info {
    uint64_t size; /* bytes */
    bool read_only;
};

/*
 * Open disk `unit`; each completion raises `irq`. Returns 0, or an error after
 * a line on stderr.
 */
int host_disk_open(unsigned unit, const struct host_disk_config *config,
                   int irq, struct host_disk_info *info);
void host_disk_close(unsigned unit);

/* Requests are served in order by a thread of the disk. */
void host_disk_submit(unsigned unit, struct host_disk_request *request);

/* A completed request, or NULL. */
struct host_disk_request *host_disk_poll(unsigned unit);

/* ---- Nets (host_net.c) --------------------------------------------------- */

/*
 * Open net `unit`. `irq` is raised when a frame has come after host_net_recv()
 * found none. Returns 0, or an error after a line on stderr.
 */
int host_net_open(unsigned unit, const struct host_net_config *config, int irq);
void host_net_close(unsigned unit);

/* Send a frame of 14 .. HOST_FRAME_MAX bytes. Returns 0, -EAGAIN. */
int host_net_send(unsigned unit, const void *frame, size_t len);

/* Take a frame. Returns its length, -EAGAIN, -EMSGSIZE (too long: dropped). */
int host_net_recv(unsigned unit, void *buf, size_t size);

/* ---- Faults (host_fault.c) ----------------------------------------------- */

/* Turn SIGSEGV and its like on any CPU into machine_fault(). */
void host_fault_catch(void);

/* A stack for signals, for the calling pthread; give back before it ends
 * (host_misc.c). */
struct host_signal_stack {
    void *base;
    void *old_base;
    size_t old_size;
    int old_flags;
};
void host_signal_stack_open(struct host_signal_stack *stack);
void host_signal_stack_close(struct host_signal_stack *stack);

/* ---- Command line (host_args.c) ------------------------------------------ */

struct host_args {
    struct host_config config;
    struct host_disk_config disks[HOST_DISK_MAX];
    struct host_net_config nets[HOST_NET_MAX];
    const char *modules[HOST_MODULE_MAX];
    char cmdline[HOST_CMDLINE_MAX];
    char error[256];
    bool help;
};

/*
 * Read the arguments of the process. Strings of the result point into argv,
 * which is changed. Returns 0, or -EINVAL with a line in args->error.
 */
int host_args_parse(int argc, char **argv, struct host_args *args);
extern const char host_args_help[];

#endif
