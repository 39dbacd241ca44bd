/* How the file server starts: its options, what it mounts; its quiet disk, on
 * a machine with files in memory. */
#include "kernel/base/options.h"
#include "kernel/thread/timer.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/machine.h"
#include <stdio.h>
#include <string.h>

#define machine_option    world_machine_option
#define cpu_count         world_cpu_count
#define site_serve        world_site_serve
#define changes_make      world_changes_make
#define log_write         world_log_write
#define torc_app          world_torc_app
#define mutex_create      world_mutex_create
#define event_create      world_event_create
#define machine_stop_wait world_machine_stop_wait
#define remote_call       world_remote_call
#define site_stop         world_site_stop
#define file_unmount      world_file_unmount
#include "apps/fileserver/main.c"
#include "apps/fileserver/quiet.c"
#include "apps/fileserver/settings.c"
#include "apps/site/options.c"

static const char *command_line[8];
static char logged[500];
static int (*mount_given)(void *arg);
static const struct settings *settings_given;
static int serve_status = 7, stop_status, end_status, unmount_status;
static unsigned cpu_called, stops, unmounts;
static int create_fails; /* the n-th event or mutex from now is not made */

void log_write(enum log_level level, const char *format, ...)
{
    size_t len = strlen(logged);
    va_list args;

    (void)level;
    va_start(args, format);
    vsnprintf(logged + len, sizeof(logged) - len, format, args);
    va_end(args);
}

const char *machine_option(const char *key)
{
    for (size_t i = 0; command_line[i] != NULL; i++) {
        size_t len = strlen(key);

        if (strncmp(command_line[i], key, len) == 0 &&
            command_line[i][len] == '=')
            return command_line[i] + len + 1;
    }
    return NULL;
}

unsigned cpu_count(void)
{
    return 4;
}

int site_net_start(struct device *card, struct net_config *config)
{
    (void)card;
    (void)config;
    fail_msg("the server starts its network elsewhere");
    return 0;
}

int site_serve(const struct site_options *options, int (*mount)(void *arg),
               const struct site_writes *writes)
{
    assert_ptr_equal(options, &settings_given->site);
    assert_null(writes);
    mount_given = mount;
    return serve_status;
}

int machine_stop_wait(void)
{
    stops++;
    return stop_status;
}

int remote_call(unsigned cpu, int (*fn)(void *), void *arg)
{
    cpu_called = cpu;
    return fn(arg);
}

int site_stop(uint64_t patience_ns)
{
    assert_true(patience_ns >= NS_PER_S && patience_ns <= 10 * NS_PER_S);
    return end_status;
}

const struct site_writes *changes_make(const struct settings *settings)
{
    settings_given = settings;
    return NULL;
}

#undef mutex_create
#undef event_create
#undef file_unmount
int file_unmount(const char *path);
int mutex_create(struct mutex **out);
int event_create(struct event **out);

int world_event_create(struct event **out)
{
    return create_fails > 0 && --create_fails == 0 ? -ENOMEM
                                                   : event_create(out);
}

int world_file_unmount(const char *path)
{
    assert_string_equal(path, "/");
    unmounts++;
    return unmount_status;
}

int world_mutex_create(struct mutex **out)
{
    return create_fails > 0 && --create_fails == 0 ? -ENOMEM
                                                   : mutex_create(out);
}

static int start(const char *first, const char *second)
{
    static char *argv[] = {(char *)"fileserver", NULL};

    memset(command_line, 0, sizeof(command_line));
    command_line[0] = first;
    command_line[1] = second;
    logged[0] = '\0';
    settings_given = NULL;
    return torc_app.main(1, argv);
}

/* It serves, is asked to stop, and unmounts on the CPU that served. */
static void test_it_is_stopped(void **state)
{
    static const struct {
        const char *name;
        int stop, end, unmount, status;
        unsigned unmounts;
        const char *says;
    } rows[] = {
        {"well", 0, 0, 0, 0, 1, "stopped, and the files are unmounted"},
        {"nobody can ask", -EXDEV, 0, 0, EXIT_FAILED, 0,
         "nobody can ask it to stop: error -18"},
        {"a request that does not end", 0, -EBUSY, 0, EXIT_FAILED, 0,
         "the files cannot be unmounted: error -16"},
        {"a disk that is busy", 0, 0, -EIO, EXIT_FAILED, 1,
         "the files cannot be unmounted: error -5"},
    };

    (void)state;
    stops = 0;
    assert_int_equal(start(NULL, NULL), 7);
    assert_int_equal(stops, 0); /* it does not serve */
    serve_status = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        stop_status = rows[i].stop;
        end_status = rows[i].end;
        unmount_status = rows[i].unmount;
        unmounts = 0;
        ROW(rows[i].name, start("cpu=3", NULL) == rows[i].status);
        ROW(rows[i].name, unmounts == rows[i].unmounts);
        ROW(rows[i].name, strstr(logged, rows[i].says) != NULL);
        ROW(rows[i].name,
            (strstr(logged, "asked to stop") != NULL) == (rows[i].stop == 0));
        ROW(rows[i].name, stops == i + 1);
    }
    assert_int_equal(cpu_called, 3);
    serve_status = 7;
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(start(NULL, NULL), 7);
    assert_null(mount_given);
    assert_true(settings_given->syncs);
    assert_true(settings_given->lists);
    assert_false(settings_given->makes_parents);
    assert_true(settings_given->upload_max == INT64_MAX);
    assert_string_equal(torc_app.name, "fileserver");
}

static void test_options(void **state)
{
    static const char *const names[] = {"net",  "root", "dir",
                                        "port", "cpu",  "upload-max",
                                        "sync", "list", "parents"};
    static const struct {
        const char *word, *problem; /* NULL: right */
    } rows[] = {
        {"upload-max=0", NULL},
        {"upload-max=9223372036854775807", NULL},
        {"upload-max=9223372036854775808", "bad upload-max \"922"},
        {"upload-max=x", "bad upload-max \"x\""},
        {"upload-max=", "bad upload-max \"\""},
        {"sync=0", NULL},
        {"sync=2", "neither 0 nor 1: \"2\""},
        {"list=", "neither 0 nor 1: \"\""},
        {"parents=yes", "neither 0 nor 1: \"yes\""},
        {"port=0", "bad port \"0\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int status = start(rows[i].word, NULL);

        ROW(rows[i].word,
            status == (rows[i].problem == NULL ? 7 : SITE_EXIT_USAGE));
        if (rows[i].problem == NULL)
            continue;
        ROW(rows[i].word, strstr(logged, rows[i].problem) != NULL);
        ROW(rows[i].word, strstr(logged, "upload-max=BYTES") != NULL);
    }
    assert_int_equal(start("sync=0", "list=0"), 7);
    assert_false(settings_given->syncs);
    assert_false(settings_given->lists);
    assert_int_equal(start("parents=1", "upload-max=77"), 7);
    assert_true(settings_given->makes_parents);
    assert_true(settings_given->upload_max == 77);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_non_null(option_row(torc_app.options, names[i]));
    assert_null(torc_app.options[COUNT_OF(names)]);
}

static void test_memory(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    assert_int_equal(start("root=memory", NULL), 7);
    assert_non_null(mount_given);
    assert_int_equal(mount_given(NULL), 0);
    assert_int_equal(mount_given(NULL), -EBUSY);
    assert_non_null(strstr(logged, "root=memory: cannot be mounted"));
    assert_int_equal(file_unmount("/"), 0);
    machine_detach();
}

/* ---- The quiet disk ------------------------------------------------------ */

static bool is_read_only(void)
{
    struct file_fs_stat stat;

    assert_int_equal(file_stat_fs("/", &stat), 0);
    return stat.is_read_only;
}

/* So many yields are enough for a thread that need not wait. */
static void let_run(void)
{
    timer_run(clock_now());
    for (int i = 0; i < 20; i++)
        thread_yield();
}

static void test_quiet(void **state)
{
    uint64_t now = 1000 * NS_PER_S;

    (void)state;
    machine_attach(16 << 20);
    clock_set(now);
    memset(&quiet, 0, sizeof(quiet));
    assert_int_equal(file_mount_memory("/", NULL), 0);
    assert_int_equal(quiet_start(), 0);
    let_run();
    clock_set(now += QUIET_NS - 1);
    let_run();
    assert_false(is_read_only());
    clock_set(now += 1);
    let_run();
    assert_true(is_read_only());
    quiet_wake();
    assert_false(is_read_only());
    /* During a change it stays writable, however long that takes, and whoever
     * ends another one. */
    quiet_wake();
    quiet_changed();
    let_run();
    clock_set(now += 10 * QUIET_NS);
    let_run();
    assert_false(is_read_only());
    quiet_changed();
    let_run();
    /* Each change moves the moment. */
    clock_set(now += QUIET_NS - 1);
    quiet_wake();
    quiet_changed();
    clock_set(now += 1);
    let_run();
    assert_false(is_read_only());
    clock_set(now += QUIET_NS);
    let_run();
    assert_true(is_read_only());
    assert_int_equal(file_remount("/", false), 0);
    assert_int_equal(file_unmount("/"), 0);
    clock_set(0);
    machine_detach();
}

/* What is read-only by somebody else stays so. */
static void test_quiet_of_a_read_only_disk(void **state)
{
    uint64_t now = 1000 * NS_PER_S;

    (void)state;
    machine_attach(16 << 20);
    clock_set(now);
    memset(&quiet, 0, sizeof(quiet));
    assert_int_equal(file_mount_memory("/", NULL), 0);
    assert_int_equal(file_remount("/", true), 0);
    assert_int_equal(quiet_start(), 0);
    let_run();
    clock_set(now += QUIET_NS);
    let_run();
    quiet_wake();
    assert_true(is_read_only());
    quiet_changed();
    assert_int_equal(file_unmount("/"), 0);
    clock_set(0);
    machine_detach();
}

static void test_quiet_start_fails(void **state)
{
    (void)state;
    machine_attach(16 << 20);
    for (int at = 1; at <= 2; at++) {
        create_fails = at;
        assert_int_equal(quiet_start(), -ENOMEM);
    }
    machine_detach();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_stopped),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_quiet_of_a_read_only_disk),
        cmocka_unit_test(test_quiet_start_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
