/*
 * How the web server starts: its options, its disk, its card. The machine below
 * it belongs to the test.
 */
#include "kernel/base/options.h"
#include "tests/fakes/cmocka_all.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The calls of the server go to the functions of this file. */
#define machine_option     world_machine_option
#define cpu_count          world_cpu_count
#define device_find        world_device_find
#define device_by_name     world_device_by_name
#define device_name        world_device_name
#define device_dedicate    world_device_dedicate
#define remote_call        world_remote_call
#define file_mount         world_file_mount
#define file_stat(...)     world_file_stat(__VA_ARGS__)
#define net_start          world_net_start
#define net_start_all      world_net_start_all
#define net_each_cpu       world_net_each_cpu
#define file_mount_cpu     world_file_mount_cpu
#define site_start         world_site_start
#define site_start_one     world_site_start_one
#define thread_sleep_until world_thread_sleep_until
#define log_write          world_log_write
#define mem_total_bytes    world_mem_total_bytes
#define cpu_id             world_cpu_id
#include "apps/webserver/main.c"

/* The application, and what a test gives it besides. */
static struct torc_app app;
#define torc_app app
#include "apps/site/everywhere.c"
#include "apps/site/options.c"
#include "apps/site/serving.c"
#undef torc_app

/* ---- The machine --------------------------------------------------------- */

struct device {
    const char *name;
    enum device_class class;
    int dedicate_error;
    int mount_error;
    int cpu; /* -1: not dedicated */
};

static struct device devices[4];
static const char *command_line[10]; /* "key=value" */
static char logged[2000];
static int cpu_of_call;
static const struct device *mounted, *started;
static int stat_error, net_error, site_error;
static enum file_type dir_type;
static const char *dir_asked, *dir_served;
static unsigned port_served;
static struct net_config net_given;
static size_t memory_bytes; /* of CPU 0; the others have twice as much */
static jmp_buf serving;

void log_write(enum log_level level, const char *format, ...)
{
    size_t len = strlen(logged);
    va_list args;

    (void)level;
    va_start(args, format);
    vsnprintf(logged + len, sizeof(logged) - len, format, args);
    va_end(args);
    strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
}

const char *machine_option(const char *key)
{
    const char *value = NULL;

    for (size_t i = 0; command_line[i] != NULL; i++) {
        size_t len = strlen(key);

        if (strncmp(command_line[i], key, len) == 0 &&
            command_line[i][len] == '=')
            value = command_line[i] + len + 1;
    }
    return value;
}

unsigned cpu_count(void)
{
    return 4;
}

unsigned cpu_id(void)
{
    return (unsigned)cpu_of_call;
}

size_t mem_total_bytes(void)
{
    return cpu_of_call > 0 ? memory_bytes * 2 : memory_bytes;
}

struct device *device_find(enum device_class class, unsigned index)
{
    for (size_t i = 0; i < COUNT_OF(devices); i++) {
        if (devices[i].name != NULL && devices[i].class == class &&
            index-- == 0)
            return &devices[i];
    }
    return NULL;
}

struct device *device_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(devices); i++) {
        if (devices[i].name != NULL && strcmp(devices[i].name, name) == 0)
            return &devices[i];
    }
    return NULL;
}

const char *device_name(const struct device *device)
{
    return device->name;
}

int device_dedicate(struct device *device, unsigned cpu)
{
    if (device->dedicate_error == 0)
        device->cpu = (int)cpu;
    return device->dedicate_error;
}

int remote_call(unsigned cpu, int (*fn)(void *arg), void *arg)
{
    int status;

    cpu_of_call = (int)cpu;
    status = fn(arg);
    cpu_of_call = -1;
    return status;
}

int file_mount(struct device *device, const char *path, const char *type)
{
    assert_string_equal(path, "/");
    assert_null(type);
    if (device->cpu != cpu_of_call)
        return -EXDEV;
    if (device->mount_error == 0)
        mounted = device;
    return device->mount_error;
}

int world_file_stat(const char *path, bool follow, struct file_stat *stat)
{
    assert_true(follow);
    dir_asked = path;
    stat->type = dir_type;
    return stat_error;
}

int net_start(struct device *device, const struct net_config *config)
{
    assert_int_equal(device->cpu, cpu_of_call);
    started = device;
    net_given = *config;
    return net_error;
}

int site_start(const char *dir, uint16_t port, const struct site_writes *writes)
{
    assert_null(writes);
    assert_true(cpu_of_call >= 0);
    dir_served = dir;
    port_served = port;
    return site_error;
}

/* Of cpu=all: the CPUs that have a portal, and those that serve, a bit each. */
static unsigned portals, serving_cpus;
static int all_error, portal_error;
static int failing_cpu; /* -1: none */
static int poor_cpu;    /* has too little memory */

int net_start_all(struct device *device, const struct net_config *config)
{
    assert_int_equal(device->cpu, -1); /* its start gives it to all */
    assert_int_equal(cpu_of_call, 0);
    started = device;
    net_given = *config;
    return all_error;
}

int net_each_cpu(int (*fn)(void *), void *arg)
{
    int before = cpu_of_call;
    int status = 0;

    for (unsigned cpu = 0; cpu < cpu_count() && status == 0; cpu++) {
        if ((int)cpu == poor_cpu)
            memory_bytes = 500;
        status = remote_call(cpu, fn, arg);
    }
    cpu_of_call = before;
    return status;
}

int file_mount_cpu(unsigned cpu, const char *path)
{
    assert_int_equal(cpu, 0);
    assert_string_equal(path, "/");
    assert_true(cpu_of_call > 0);
    portals |= 1u << cpu_of_call;
    return portal_error;
}

int site_start_one(const char *dir, uint16_t port, uint64_t pages_max)
{
    /* A quarter of the memory of the CPU with the disk for all others. */
    assert_int_equal(pages_max, cpu_of_call == 0 ? 0 : memory_bytes / 4 / 4);
    if (cpu_of_call == failing_cpu)
        return -EADDRINUSE;
    serving_cpus |= 1u << cpu_of_call;
    dir_served = dir;
    port_served = port;
    return 0;
}

void thread_sleep_until(uint64_t deadline_ns)
{
    assert_true(deadline_ns == TIME_NEVER);
    longjmp(serving, 1);
}

/* Two disks and a card; nothing fails. */
static void open_machine(void)
{
    memset(devices, 0, sizeof(devices));
    devices[0] = (struct device){"vda", DEVICE_BLOCK, 0, 0, -1};
    devices[1] = (struct device){"net0", DEVICE_NET, 0, 0, -1};
    devices[2] = (struct device){"vdb", DEVICE_BLOCK, 0, 0, -1};
    memset(command_line, 0, sizeof(command_line));
    logged[0] = '\0';
    cpu_of_call = -1;
    mounted = started = NULL;
    stat_error = net_error = site_error = 0;
    dir_type = FILE_DIRECTORY;
    dir_asked = dir_served = NULL;
    port_served = 0;
    memory_bytes = 8 << 20;
    portals = serving_cpus = 0;
    all_error = portal_error = 0;
    failing_cpu = poor_cpu = -1;
    app = torc_app;
}

enum { SERVES = -1 };

/* What main() returns, or SERVES. */
static int start(int argc)
{
    static char *argv[] = {(char *)"webserver", (char *)"word", NULL};

    if (setjmp(serving) != 0)
        return SERVES;
    return torc_app.main(argc, argv);
}

/* ---- Options ------------------------------------------------------------- */

/* Stand for "dir=" and a path of that many bytes. */
static const char dir_255[] = "255", dir_256[] = "256";

static void test_options_defaults(void **state)
{
    struct site_options options;

    (void)state;
    open_machine();
    assert_int_equal(site_options_read(1, NULL, "", &options), 0);
    assert_null(options.root);
    assert_string_equal(options.dir, "/");
    assert_int_equal(options.port, 80);
    assert_int_equal(options.cpu, 0);
    assert_int_equal(options.net.address, 0x0a00020f);
    assert_int_equal(options.net.netmask, 0xffffff00);
    assert_int_equal(options.net.gateway, 0x0a000202);
}

static void test_options_given(void **state)
{
    struct site_options options;

    (void)state;
    open_machine();
    command_line[0] = "net=192.168.1.2/16";
    command_line[1] = "root=vdb";
    command_line[2] = "dir=/www";
    command_line[3] = "port=8080";
    command_line[4] = "cpu=3";
    assert_int_equal(site_options_read(1, NULL, "", &options), 0);
    assert_string_equal(options.root, "vdb");
    assert_string_equal(options.dir, "/www");
    assert_int_equal(options.port, 8080);
    assert_int_equal(options.cpu, 3);
    assert_int_equal(options.net.address, 0xc0a80102);
    assert_int_equal(options.net.gateway, 0);
}

/* Each option is one that the kernel is told of. */
static void test_options_names(void **state)
{
    static const char *const wanted[] = {"net", "root", "dir", "port", "cpu"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        assert_non_null(option_row(torc_app.options, wanted[i]));
    assert_null(torc_app.options[COUNT_OF(wanted)]);
}

static void test_options_limits(void **state)
{
    static const struct {
        const char *word;
        const char *problem; /* NULL: right */
    } rows[] = {
        {"net=", "bad address \"\""},
        {"net=10.0.0.1", "bad address \"10.0.0.1\""},
        {"port=1", NULL},
        {"port=0", "bad port \"0\""},
        {"port=65535", NULL},
        {"port=65536", "bad port \"65536\""},
        {"port=x", "bad port \"x\""},
        {"port=", "bad port \"\""},
        {"cpu=3", NULL},
        {"cpu=4", "no such cpu \"4\""},
        {"cpu=x", "no such cpu \"x\""},
        {"cpu=all", NULL},
        {"cpu=al", "no such cpu \"al\""},
        {"dir=www", "dir must be absolute and short: \"www\""},
        {"dir=", "dir must be absolute and short: \"\""},
        {dir_255, NULL},
        {dir_256, "dir must be absolute and short: \"/aaa"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct site_options options;
        char want[100], word[300];

        open_machine();
        snprintf(word, sizeof(word), "%s", rows[i].word);
        if (rows[i].word == dir_255 || rows[i].word == dir_256) {
            memset(word, 'a', sizeof(word));
            memcpy(word, "dir=/", 5);
            word[4 + (rows[i].word == dir_255 ? 255 : 256)] = '\0';
        }
        command_line[0] = word;
        if (rows[i].problem == NULL) {
            ROW(word, site_options_read(1, NULL, "", &options) == 0);
            ROW(word, logged[0] == '\0');
            continue;
        }
        ROW(word, site_options_read(1, NULL, "", &options) == SITE_EXIT_USAGE);
        snprintf(want, sizeof(want), "webserver: %s", rows[i].problem);
        ROW(word, strncmp(logged, want, strlen(want)) == 0);
        ROW(word, strstr(logged, "options: net=A.B.C.D/PREFIX") != NULL);
    }
}

/* ---- Families of addresses ----------------------------------------------- */

static const char *family_checked, *family_started;
static int family_error;
static int family_cpu;

static int family_check(const char *value)
{
    family_checked = value;
    return strcmp(value, "wrong") == 0 ? -EINVAL : 0;
}

static int family_start(const char *value)
{
    family_started = value;
    family_cpu = cpu_of_call;
    return family_error;
}

static bool next_started;

static int next_start(const char *value)
{
    (void)value;
    next_started = true;
    return 0;
}

static const struct net_family family = {"net9", "off or on", "off",
                                         family_check, family_start};
static const struct net_family next_family = {"net10", "off or on", "off",
                                              family_check, next_start};
static const struct net_family *const families[] = {&family, &next_family,
                                                    NULL};

static void open_machine_with_family(void)
{
    open_machine();
    app.families = families;
    family_checked = family_started = NULL;
    next_started = false;
    family_error = 0;
}

static void test_families_start_as_their_options_say(void **state)
{
    struct site_options options;

    (void)state;
    open_machine_with_family();
    assert_int_equal(start(1), SERVES);
    assert_string_equal(family_checked, "off"); /* without an option */
    assert_string_equal(family_started, "off");

    open_machine_with_family();
    command_line[0] = "net9=on";
    command_line[1] = "cpu=2";
    assert_int_equal(start(1), SERVES);
    assert_string_equal(family_started, "on");
    assert_int_equal(family_cpu, 2);
    assert_true(next_started);

    open_machine_with_family();
    command_line[0] = "net9=wrong";
    assert_int_equal(site_options_read(1, NULL, "", &options), SITE_EXIT_USAGE);
    assert_non_null(strstr(logged, "webserver: net9=wrong: give off or on"));
    assert_null(family_started);
}

static void test_family_that_does_not_start(void **state)
{
    (void)state;
    open_machine_with_family();
    command_line[0] = "net9=on";
    family_error = -ENOMEM;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "net9=on: does not start: error -12"));
    assert_false(next_started);
    assert_null(dir_served);
}

static void test_options_take_no_argument(void **state)
{
    (void)state;
    open_machine();
    assert_int_equal(start(2), SITE_EXIT_USAGE);
    assert_non_null(strstr(logged, "webserver: unknown argument \"word\""));
    assert_null(mounted);
}

/* ---- Starting ------------------------------------------------------------ */

static void test_main_serves(void **state)
{
    (void)state;
    open_machine();
    command_line[0] = "cpu=2";
    command_line[1] = "dir=/www";
    command_line[2] = "port=81";
    command_line[3] = "net=193.171.187.221/16";
    assert_int_equal(start(1), SERVES);
    assert_ptr_equal(mounted, &devices[0]);
    assert_ptr_equal(started, &devices[1]);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(devices[i].cpu, 2);
    assert_string_equal(dir_asked, "/www");
    assert_string_equal(dir_served, "/www");
    assert_int_equal(port_served, 81);
    assert_int_equal(net_given.address, 0xc1abbbdd);
    assert_string_equal(
        logged, "root: vda\n"
                "webserver: serving /www on port 81 of 193.171.187.221\n");
    assert_string_equal(torc_app.name, "webserver");
}

/* Without root= the first disk that mounts; with it that one only. */
static void test_main_finds_its_disk(void **state)
{
    static const struct {
        const char *name, *root;
        int dedicate[2], mount[2]; /* errors of vda and vdb */
        int want;                  /* which is mounted; -1: it fails */
        const char *says;
    } rows[] = {
        {"both mount", NULL, {0, 0}, {0, 0}, 0, "root: vda\n"},
        {"the first does not", NULL, {0, 0}, {-EINVAL, 0}, 2, "root: vdb\n"},
        {"the first has no driver",
         NULL,
         {-ENODEV, 0},
         {0, 0},
         2,
         "disk vda: cannot be set up: error -19\nroot: vdb\n"},
        {"none mounts",
         NULL,
         {0, 0},
         {-EINVAL, -EIO},
         -1,
         "no disk holds an ext2 file system"},
        {"none has a driver",
         NULL,
         {-EIO, -EIO},
         {0, 0},
         -1,
         "no disk: attach an ext2 image"},
        {"the second is named",
         "root=vdb",
         {0, 0},
         {0, 0},
         2,
         "webserver: serving"},
        {"the named does not mount",
         "root=vdb",
         {0, 0},
         {0, -EUCLEAN},
         -1,
         "root=vdb: cannot be mounted: error -117; check"},
        {"nobody has that name",
         "root=vdz",
         {0, 0},
         {0, 0},
         -1,
         "root=vdz: there is no such disk\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status;

        open_machine();
        command_line[0] = rows[i].root;
        for (size_t k = 0; k < 2; k++) {
            devices[2 * k].dedicate_error = rows[i].dedicate[k];
            devices[2 * k].mount_error = rows[i].mount[k];
        }
        status = start(1);
        ROW(rows[i].name, status == (rows[i].want >= 0 ? SERVES : EXIT_FAILED));
        ROW(rows[i].name, rows[i].want < 0 ? mounted == NULL
                                           : mounted == &devices[rows[i].want]);
        ROW(rows[i].name, strstr(logged, rows[i].says) != NULL);
    }
}

static void test_main_says_what_is_missing(void **state)
{
    (void)state;
    open_machine();
    memory_bytes = MEMORY_MIN - 1;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "cpu 0 has 1791 KiB of memory"));
    assert_null(started);
    open_machine();
    memory_bytes = MEMORY_MIN;
    assert_int_equal(start(1), SERVES);
    open_machine();
    devices[1].name = NULL;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "no network card: attach one"));
    assert_null(mounted);

    open_machine();
    devices[0].name = devices[2].name = NULL;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "no disk: attach an ext2 image"));

    open_machine();
    devices[1].dedicate_error = -EIO;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "net0: cannot be set up: error -5"));
    assert_null(started);

    open_machine();
    stat_error = -ENOENT;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "dir=/: no such directory on the disk"));
    assert_null(started);

    open_machine();
    dir_type = FILE_REGULAR;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "dir=/: no such directory on the disk"));

    open_machine();
    memory_bytes = MEMORY_MIN;
    assert_int_equal(start(1), SERVES);

    open_machine();
    memory_bytes = MEMORY_MIN - 1;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, " KiB of memory, too little to serve"));
    assert_null(started);

    open_machine();
    net_error = -EBUSY;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "the network does not start: error -16"));
    assert_null(dir_served);

    open_machine();
    site_error = -EADDRINUSE;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "port 80: cannot serve: error -98"));
}

/* Every CPU serves the files of CPU 0. */
static void test_main_serves_on_all_cpus(void **state)
{
    (void)state;
    open_machine();
    command_line[0] = "cpu=all";
    command_line[1] = "dir=/www";
    assert_int_equal(start(1), SERVES);
    assert_ptr_equal(mounted, &devices[0]);
    assert_ptr_equal(started, &devices[1]);
    assert_int_equal(devices[0].cpu, 0);
    assert_int_equal(serving_cpus, 15);
    assert_int_equal(portals, 14);
    assert_string_equal(dir_served, "/www");
    assert_int_equal(port_served, 80);
    assert_non_null(strstr(logged, "webserver: serving /www on port 80"));

    open_machine();
    command_line[0] = "cpu=all";
    all_error = -EBUSY;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "the network does not start: error -16"));
    assert_int_equal(serving_cpus, 0);

    open_machine();
    command_line[0] = "cpu=all";
    failing_cpu = 2;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "cpu 2: cannot serve: error -98"));
    assert_int_equal(serving_cpus, 3);

    open_machine();
    command_line[0] = "cpu=all";
    poor_cpu = 3;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "cpu 3 has 0 KiB of memory, too little"));
    assert_int_equal(serving_cpus, 7);

    open_machine();
    command_line[0] = "cpu=all";
    portal_error = -ENOMEM;
    assert_int_equal(start(1), EXIT_FAILED);
    assert_non_null(strstr(logged, "cpu 1: cannot serve: error -12"));
    assert_int_equal(serving_cpus, 1);
}

static int mount_status;

static int mount_other(void *arg)
{
    assert_null(arg);
    assert_int_equal(cpu_of_call, 0);
    return mount_status;
}

/* A server that mounts something else needs no disk. */
static void test_serving_without_a_disk(void **state)
{
    struct site_options options;

    (void)state;
    open_machine();
    devices[0].name = devices[2].name = NULL;
    assert_int_equal(site_options_read(1, NULL, "", &options), 0);
    mount_status = -ENOMEM;
    assert_int_equal(site_serve(&options, mount_other, NULL), EXIT_FAILED);
    assert_null(started);
    mount_status = 0;
    assert_int_equal(site_serve(&options, mount_other, NULL), 0);
    assert_non_null(started);
    assert_null(mounted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families_start_as_their_options_say),
        cmocka_unit_test(test_family_that_does_not_start),
        cmocka_unit_test(test_options_defaults),
        cmocka_unit_test(test_options_given),
        cmocka_unit_test(test_options_names),
        cmocka_unit_test(test_options_limits),
        cmocka_unit_test(test_options_take_no_argument),
        cmocka_unit_test(test_main_serves),
        cmocka_unit_test(test_main_serves_on_all_cpus),
        cmocka_unit_test(test_main_finds_its_disk),
        cmocka_unit_test(test_main_says_what_is_missing),
        cmocka_unit_test(test_serving_without_a_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
