/* How the shell starts: its options, what it mounts, its session, its end. */
#define torc_app world_torc_app
#include "apps/shell/mounts.h"
#include "apps/shell/shell.h"
#include "tests/fakes/cmocka_all.h"
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <torc/app.h>
#include <torc/console.h>
#include <torc/device.h>
#include <torc/figures.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/net.h>
#include <torc/net_card.h>
#include <torc/net_dhcp.h>
#include <torc/net_resolve.h>

#define machine_option         world_machine_option
#define machine_exit(s)        world_machine_end(s)
#define machine_reboot()       world_machine_end(-1)
#define device_find            world_device_find
#define device_name            world_device_name
#define net_card_start_dhcp    world_net_card_start_dhcp
#define net_set_name_servers   world_net_set_name_servers
#define machine_stop_wait      world_machine_stop_wait
#define thread_create          world_thread_create
#define thread_sleep_until(ns) world_thread_sleep_until(ns)
#define figures_start          world_figures_start
#define mem_alloc              world_mem_alloc
#define mem_free               world_mem_free
#define console_read           world_console_read
#define console_write          world_console_write

static const char *world_machine_option(const char *key);
static _Noreturn void world_machine_end(int status);
static struct device *world_device_find(enum device_class class,
                                        unsigned index);
static const char *world_device_name(const struct device *device);
static int world_net_card_start_dhcp(uint16_t *port);
static int world_net_set_name_servers(const struct net_addr *addrs,
                                      unsigned count);
static int world_machine_stop_wait(void);
static int world_thread_create(const struct thread_attr *attr,
                               int (*fn)(void *), void *arg, thread_id *out);
static void world_thread_sleep_until(uint64_t deadline);
static int world_figures_start(void);
static void *world_mem_alloc(size_t size);
static void world_mem_free(void *block);
static int64_t world_console_read(void *buf, size_t size, uint64_t deadline);
static void world_console_write(const char *text, size_t len);

#include "apps/shell/main.c"

static const char *net_dns, *root, *run; /* options */
static unsigned disks, cards;
static int card_status, servers_status, figures_status;
static bool has_no_memory;
static char did[500]; /* what was called, in its order */
static int mount_status[4];
static unsigned mounts;
static int file_status, session_status;
static unsigned sessions_left;
static jmp_buf end;

static void note(const char *what, const char *which)
{
    size_t len = strlen(did);

    snprintf(did + len, sizeof(did) - len, "%s%s ", what, which);
}

static const char *world_machine_option(const char *key)
{
    return strcmp(key, "dns") == 0    ? net_dns
           : strcmp(key, "root") == 0 ? root
                                      : run;
}

static _Noreturn void world_machine_end(int status)
{
    note("end", status < 0 ? "-again" : status > 0 ? "-1" : "");
    longjmp(end, 1);
}

static struct device *world_device_find(enum device_class class, unsigned index)
{
    unsigned count = class == DEVICE_NET ? cards : disks;

    return index < count ? (struct device *)&did[index] : NULL;
}

static const char *world_device_name(const struct device *device)
{
    return (const char *)device == did ? "vda" : "vdb";
}

static int world_net_card_start_dhcp(uint16_t *port)
{
    (void)port;
    note("net", "");
    return card_status;
}

static int world_net_set_name_servers(const struct net_addr *addrs,
                                      unsigned count)
{
    (void)addrs;
    assert_int_equal(count, 1);
    note("dns", "");
    return servers_status;
}

static int world_figures_start(void)
{
    return figures_status;
}

static int stop_status, thread_status, listen_status;
static int (*stopper_fn)(void *arg);

static int world_machine_stop_wait(void)
{
    return stop_status;
}

static int world_thread_create(const struct thread_attr *attr,
                               int (*fn)(void *), void *arg, thread_id *out)
{
    assert_true(attr->detached);
    assert_null(arg);
    *out = 1;
    stopper_fn = fn;
    return thread_status;
}

static void world_thread_sleep_until(uint64_t deadline)
{
    assert_true(deadline == TIME_NEVER);
    note("sleep", "");
    longjmp(end, 1);
}

int remote_start(void)
{
    note("remote", "");
    return listen_status;
}

static struct shell memory;

static void *world_mem_alloc(size_t size)
{
    assert_true(size == sizeof(memory));
    return has_no_memory ? NULL : &memory;
}

static void world_mem_free(void *block)
{
    assert_ptr_equal(block, &memory);
}

static int64_t world_console_read(void *buf, size_t size, uint64_t deadline)
{
    (void)buf;
    (void)deadline;
    return (int64_t)size;
}

static void world_console_write(const char *text, size_t len)
{
    (void)len;
    note(text, "");
}

/* ---- The other files of the shell ---------------------------------------- */

void kept_begin(void)
{
    note("kept", "");
}

int mounts_add(const char *device, const char *path, const char *type)
{
    assert_string_equal(path, "/");
    assert_null(type);
    note("mount-", device);
    return mount_status[mounts++];
}

static int unmount_status;

int mounts_end(void)
{
    note("unmount", "");
    return unmount_status;
}

void sessions_end(void)
{
    note("tell", "");
}

const char *error_text(int error)
{
    (void)error;
    return "an error";
}

int shell_fail(struct shell *shell, const char *what, int error)
{
    assert_ptr_equal(shell, &memory);
    assert_true(error < 0);
    note("fail-", what);
    return SHELL_SAID;
}

void shell_init(struct shell *shell, const struct terminal *terminal)
{
    assert_ptr_equal(shell, &memory);
    memset(shell, 0, sizeof(*shell));
    shell->terminal = *terminal;
}

int shell_file(struct shell *shell, const char *path)
{
    assert_ptr_equal(shell, &memory);
    note("run-", path);
    return file_status;
}

void shell_session(struct shell *shell)
{
    char byte;

    assert_int_equal(shell->terminal.read(NULL, &byte, 1, 0), 1);
    shell->terminal.write(NULL, "session", 7);
    if (session_status >= 0)
        shell->status = session_status;
    shell->has_ended = sessions_left == 0 || --sessions_left == 0;
}

/* ---- Tests --------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *root, *run, *dns;
    unsigned disks, cards;
    int mounts[4];
    int card, servers, figures, file, session; /* session -1: no command */
    bool no_memory;
    int status;
    const char *did;
} rows[] = {
    {.name = "nothing but memory",
     .session = -1,
     .did = "kept mount-memfs remote session tell unmount "},
    {.name = "a disk",
     .disks = 1,
     .did = "kept mount-vda remote session tell unmount "},
    {.name = "the second disk",
     .disks = 2,
     .mounts = {-EINVAL},
     .did = "kept mount-vda mount-vdb remote session tell unmount "},
    {.name = "disks that cannot be mounted",
     .disks = 2,
     .mounts = {-EINVAL, -EIO},
     .did =
         "kept mount-vda mount-vdb mount-memfs remote session tell unmount "},
    {.name = "not even memory",
     .mounts = {-ENOMEM},
     .status = 1,
     .did = "kept mount-memfs tell unmount "},
    {.name = "root=",
     .root = "vdc",
     .disks = 1,
     .did = "kept mount-vdc remote session tell unmount "},
    {.name = "a bad root=",
     .root = "vdc",
     .mounts = {-ENODEV},
     .status = 2,
     .did = "kept mount-vdc tell unmount "},
    {.name = "no figures",
     .figures = -ENOMEM,
     .status = 1,
     .did = "kept mount-memfs tell unmount "},
    {.name = "a card",
     .cards = 1,
     .did = "kept mount-memfs net remote session tell unmount "},
    {.name = "a card that fails",
     .cards = 1,
     .card = -EIO,
     .dns = "10.0.2.3",
     .did = "kept mount-memfs net remote session tell unmount "},
    {.name = "dns=",
     .cards = 1,
     .dns = "10.0.2.3",
     .did = "kept mount-memfs net dns remote session tell unmount "},
    {.name = "a bad dns=",
     .cards = 1,
     .dns = "x",
     .did = "kept mount-memfs net remote session tell unmount "},
    {.name = "dns= fails",
     .cards = 1,
     .dns = "::1",
     .servers = -ENOTCONN,
     .did = "kept mount-memfs net dns remote session tell unmount "},
    {.name = "run=",
     .run = "f",
     .session = -1,
     .did = "kept mount-memfs remote run-f session tell unmount "},
    {.name = "run= fails",
     .run = "f",
     .file = SHELL_SAID,
     .session = -1,
     .status = 1,
     .did = "kept mount-memfs remote run-f session tell unmount "},
    {.name = "run= of no file",
     .run = "f",
     .file = -ENOENT,
     .session = -1,
     .status = 1,
     .did = "kept mount-memfs remote run-f fail-f session tell unmount "},
    {.name = "the last command fails",
     .session = SHELL_SAID,
     .status = 1,
     .did = "kept mount-memfs remote session tell unmount "},
    {.name = "no memory",
     .no_memory = true,
     .status = 1,
     .did = "kept mount-memfs remote tell unmount "},
};

static void test_start(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        did[0] = '\0';
        is_ending = false;
        mounts = 0;
        root = rows[i].root;
        run = rows[i].run;
        net_dns = rows[i].dns;
        disks = rows[i].disks;
        cards = rows[i].cards;
        memcpy(mount_status, rows[i].mounts, sizeof(mount_status));
        card_status = rows[i].card;
        servers_status = rows[i].servers;
        figures_status = rows[i].figures;
        file_status = rows[i].file;
        session_status = rows[i].session;
        has_no_memory = rows[i].no_memory;
        ROW(rows[i].name, world_torc_app.main(0, NULL) == rows[i].status);
        ROW(rows[i].name, strcmp(did, rows[i].did) == 0);
    }
}

static void test_listening(void **state)
{
    (void)state;
    memset(mount_status, 0, sizeof(mount_status));
    session_status = -1;
    has_no_memory = false;
    figures_status = file_status = 0;
    run = root = net_dns = NULL;
    disks = cards = 0;
    for (volatile int i = -EINVAL; i < 2; i += EINVAL + 1) {
        did[0] = '\0';
        mounts = 0;
        is_ending = false;
        sessions_left = 3; /* two are ended by their user */
        listen_status = i;
        thread_status = -ENOMEM; /* that is only logged */
        if (setjmp(end) == 0)
            assert_int_equal(world_torc_app.main(0, NULL), 2);
        assert_string_equal(did, i < 0 ? "kept mount-memfs remote tell unmount "
                                       : "kept mount-memfs remote session "
                                         "session session sleep ");
    }
    did[0] = '\0';
    mounts = 0;
    sessions_left = 3;
    is_ending = true; /* by a session of a peer: no new one begins */
    if (setjmp(end) == 0)
        (void)world_torc_app.main(0, NULL);
    assert_string_equal(did, "kept mount-memfs remote session sleep ");
    listen_status = thread_status = 0;
    sessions_left = 0;
}

/* What could not be unmounted is no success. */
static void test_not_unmounted(void **state)
{
    (void)state;
    did[0] = '\0';
    mounts = 0;
    is_ending = false;
    unmount_status = -EBUSY;
    assert_int_equal(world_torc_app.main(0, NULL), 1);
    is_ending = false;
    did[0] = '\0';
    if (setjmp(end) == 0)
        shell_end(false);
    assert_string_equal(did, "tell unmount end-1 ");
    unmount_status = 0;
}

static void test_stop(void **state)
{
    (void)state;
    did[0] = '\0';
    is_ending = false;
    stop_status = -EXDEV;
    assert_int_equal(stopper_fn(NULL), 0);
    stop_status = 0;
    if (setjmp(end) == 0)
        (void)stopper_fn(NULL);
    assert_string_equal(did, "tell unmount end ");
}

/* The first one ends the machine; a second one waits. */
static void test_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        did[0] = '\0';
        is_ending = false;
        if (setjmp(end) == 0)
            shell_end(i == 1);
        if (setjmp(end) == 0)
            shell_end(false);
        assert_string_equal(did, i == 1 ? "tell unmount end-again sleep "
                                        : "tell unmount end sleep ");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),         cmocka_unit_test(test_listening),
        cmocka_unit_test(test_not_unmounted), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
