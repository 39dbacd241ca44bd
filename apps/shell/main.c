/*
 * A shell on the console: docs/shell.md.
 *
 *   net=dhcp|ADDRESS/PREFIX[,GATEWAY]   default 10.0.2.15/24,10.0.2.2
 *   dns=ADDRESS      a server of names
 *   root=DISK|memfs  what is mounted at "/"; default: the first disk that can
 *                    be mounted, else memory
 *   run=FILE         is executed first
 *   listen=ADDRESS:PORT   sessions by TCP, too: remote.h
 *
 * When the console's session ends, and nothing listens, the machine ends. Its
 * exit status is that of the last command: 0, or 1 when it has failed, or when
 * something could not be unmounted.
 */
#include "apps/shell/kept.h"
#include "apps/shell/mounts.h"
#include "apps/shell/remote.h"
#include "apps/shell/shell.h"
#include <torc/app.h>
#include <torc/console.h>
#include <torc/drivers.h>
#include <torc/figures.h>
#include <torc/file_systems.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/net_card.h>
#include <torc/net_dhcp.h>
#include <torc/net_resolve.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ---- The machine --------------------------------------------------------- */

static bool is_ending; /* CPU 0 only */

/* End what is open. Returns 0 or EXIT_FAILED. Only the first caller comes
 * back. */
static int end_all(void)
{
    while (is_ending)
        thread_sleep_until(TIME_NEVER);
    is_ending = true;
    sessions_end();
    return mounts_end() == 0 ? 0 : EXIT_FAILED;
}

void shell_end(bool again)
{
    int status = end_all();

    if (again)
        machine_reboot();
    machine_exit(status);
}

/* The power button, or SIGTERM: as poweroff. */
static int stopper(void *arg)
{
    (void)arg;
    if (machine_stop_wait() == 0)
        shell_end(false);
    return 0;
}

/* Without a card, or with one that does not work, there is a shell, too. */
static void start_net(void)
{
    const char *dns = machine_option("dns");
    struct net_addr server;
    uint16_t port = 1;
    int status;

    if (device_find(DEVICE_NET, 0) == NULL || net_card_start_dhcp(&port) != 0 ||
        dns == NULL)
        return;
    status = net_addr_parse(dns, &server);
    if (status == 0)
        status = net_set_name_servers(&server, 1);
    if (status != 0)
        log_error("shell: dns=%s: %s", dns, error_text(status));
}

/* Returns 0, or EXIT_USAGE after a line in the log. */
static int mount_root(void)
{
    const char *root = machine_option("root");
    const struct device *disk;
    int status;

    if (root != NULL) {
        status = mounts_add(root, "/", NULL);
        if (status != 0)
            log_error("shell: root=%s: %s", root, error_text(status));
        return status == 0 ? 0 : EXIT_USAGE;
    }
    for (unsigned i = 0; (disk = device_find(DEVICE_BLOCK, i)) != NULL; i++) {
        if (mounts_add(device_name(disk), "/", NULL) == 0)
            return 0;
    }
    status = mounts_add("memfs", "/", NULL);
    return status == 0 ? 0 : EXIT_FAILED;
}

/* ---- The session of the console ------------------------------------------ */

static int64_t typed(void *ctx, void *buf, size_t size, uint64_t deadline_ns)
{
    (void)ctx;
    return console_read(buf, size, deadline_ns);
}

static void shown(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    console_write(text, len);
}

/* Returns 0 or an exit status. */
static int run_first(struct shell *shell)
{
    const char *file = machine_option("run");
    int status = file == NULL ? 0 : shell_file(shell, file);

    if (status < 0)
        status = shell_fail(shell, file, status);
    shell->status = status;
    return status != 0 ? EXIT_FAILED : 0;
}

/* A session, and if somebody else can reach the machine, one after the other
 * until there is no input. Returns an exit status. */
static int console_sessions(bool goes_on)
{
    const struct terminal terminal = {.read = typed,
                                      .write = shown,
                                      .idle_ns = TIME_NEVER,
                                      .linger_ns = TIME_NEVER};
    struct shell *shell = mem_alloc(sizeof(*shell));
    int status;

    if (shell == NULL)
        return EXIT_FAILED;
    shell_init(shell, &terminal);
    (void)run_first(shell);
    shell_session(shell);
    while (goes_on && !shell->has_ended && !is_ending) {
        shell_init(shell, &terminal);
        shell_session(shell);
    }
    status = shell->status != 0 ? EXIT_FAILED : 0;
    mem_free(shell);
    return status;
}

static int app_main(int argc, char **argv)
{
    const struct thread_attr attr = {.name = "stop", .detached = true};
    int status, ended, listens;
    thread_id id;

    (void)argc;
    (void)argv;
    kept_begin();
    status = mount_root();
    if (status == 0 && figures_start() != 0)
        status = EXIT_FAILED;
    if (status != 0) {
        (void)end_all();
        return status;
    }
    start_net();
    if (thread_create(&attr, stopper, NULL, &id) != 0)
        log_warn("shell: no memory to wait for the power button");
    listens = remote_start();
    if (listens < 0)
        status = EXIT_USAGE;
    else
        status = console_sessions(listens > 0);
    if (listens > 0)
        thread_sleep_until(TIME_NEVER);
    ended = end_all();
    return ended != 0 ? ended : status;
}

static const char *const options[] = {
    NET_CARD_OPTION_NAMES,
    "dns=ADDRESS a server of names (by DHCP)",
    "root=DISK what is mounted at /; memfs: memory (the first disk)",
    "run=FILE what is executed first (nothing)",
    REMOTE_OPTION,
    NULL,
};

static const struct driver *const drivers[] = {
    &uart_driver,
    &ps2_driver,
    &vga_text_driver,
    &framebuffer_driver,
    &virtio_console_driver,
    &leaf_tty_driver,
    &virtio_rng_driver,
    &virtio_blk_driver,
    &virtio_net_driver,
    &ide_driver,
    &e1000_driver,
    &ne2000_driver,
    &leaf_blk_driver,
    &leaf_net_driver,
    &ramdisk_driver,
    &virtio_fs_driver,
    NULL,
};

static const struct file_system *const file_systems[] = {
    &ext2_rw_file_system, &fat_file_system, &memfs_file_system,
    &fuse_file_system, NULL};

const struct torc_app torc_app = {
    .name = "shell",
    .main = app_main,
    .options = options,
    .drivers = drivers,
    .file_systems = file_systems,
};
