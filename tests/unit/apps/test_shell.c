/*
 * The shell: sessions and every command, on a machine with files in memory and
 * a terminal that the test plays. The network is the test's, too.
 */
#include "kernel/cpu/percpu.h"
#include "kernel/file/vfs.h"
#include "kernel/heap/heap.h"
#include "tests/fakes/cmocka_all.h"
#include "tests/fakes/console.h"
#include "tests/fakes/machine.h"
#include "tests/fakes/ramblk.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <torc/file_systems.h>
#include <torc/http_client.h>
#include <torc/icmp.h>
#include <torc/log.h>
#include <torc/net.h>
#include <torc/net_resolve.h>
#include <torc/trace.h>

#define net_resolve                  world_net_resolve
#define net_get_config               world_net_get_config
#define icmp_echo(a, b)              world_icmp_echo(a, b)
#define http_client_open             world_http_client_open
#define http_client_request(a, b, c) world_http_client_request(a, b, c)
#define http_client_read             world_http_client_read
#define http_client_close            world_http_client_close
#define trace_header_get             world_trace_header_get
#define trace_take                   world_trace_take
#define time_wall_ns                 world_time_wall_ns
#define file_open_changing           world_file_open_changing
#define file_write                   world_file_write
#define file_read                    world_file_read
#define file_getcwd                  world_file_getcwd
#define dir_read                     world_dir_read

int world_net_resolve(const char *, enum resolve_family, struct net_addr *,
                      unsigned, uint64_t);
int world_net_get_config(struct net_config *);
int world_icmp_echo(const struct icmp_echo *, struct icmp_answer *);
int world_http_client_open(const struct net_endpoint *, uint64_t,
                           struct http_client **);
int world_http_client_request(struct http_client *,
                              const struct http_client_request *, uint64_t);
int64_t world_http_client_read(struct http_client *, void *, size_t, uint64_t);
void world_http_client_close(struct http_client *);
int world_trace_header_get(struct trace_header *);
int world_trace_take(unsigned, void **, size_t *);
uint64_t world_time_wall_ns(void);
int64_t world_file_write(struct file *, const void *, size_t);
int world_file_mount_memory(const char *, const struct memfs_limits *);
int64_t world_file_read(struct file *, void *, size_t);
int64_t world_file_getcwd(char *, size_t);
int world_dir_read(struct file *, struct dir_entry *);

#include "apps/shell/builtin.c"
#include "apps/shell/errors.c"
#include "apps/shell/files.c"
#include "apps/shell/kept.c"
#include "apps/shell/line.c"
#include "apps/shell/net.c"
#include "apps/shell/shell.c"
#include "apps/shell/system.c"
#include "apps/shell/url.c"
#include "apps/shell/words.c"
#define ends_word complete_ends_word
#include "apps/shell/complete.c"
#include "apps/shell/date.c"
#include "apps/shell/disks.c"
#define file_mount_memory world_file_mount_memory
#define mount             mounts_mount
#include "apps/shell/mounts.c"
#undef file_mount_memory
#undef file_open_changing
#undef file_write
#undef file_read
#undef file_getcwd
#undef dir_read
#undef time_wall_ns

/* ---- The terminal -------------------------------------------------------- */

static const char *typing; /* what is typed next */
static bool ends;          /* behind that the input ends; else it waits */
static char screen[200000];
static size_t screen_len;
static struct shell *session;
static int read_error;
static unsigned empty_reads;
static bool really_waits;

static int64_t terminal_read(void *ctx, void *buf, size_t size,
                             uint64_t deadline_ns)
{
    size_t len = strlen(typing);

    (void)ctx;
    assert_true(size > 0);
    if (read_error != 0)
        return read_error;
    if (len == 0 && ends)
        return 0;
    if (len == 0 && !really_waits && ++empty_reads > 1000)
        fail_msg("the shell waits for ever");
    if (len == 0 && really_waits)
        thread_sleep_until(deadline_ns);
    if (len == 0)
        return -EAGAIN;
    if (len > size)
        len = size;
    memcpy(buf, typing, len);
    typing += len;
    return (int64_t)len;
}

static void terminal_show(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    assert_true(screen_len + len < sizeof(screen));
    memcpy(screen + screen_len, text, len);
    screen_len += len;
    screen[screen_len] = '\0';
}

static bool has_ended, begins_again;

_Noreturn void shell_end(bool again)
{
    has_ended = true;
    begins_again = again;
    thread_exit(0);
}

/* ---- Files that fail ----------------------------------------------------- */

static int write_error, write_short, read_fails, cwd_error, dir_error;

int64_t world_file_write(struct file *file, const void *buf, size_t size)
{
    if (write_error != 0)
        return write_error;
    return file_write(file, buf,
                      write_short != 0 && size > 0 ? size - 1 : size);
}

int64_t world_file_read(struct file *file, void *buf, size_t size)
{
    return read_fails != 0 ? read_fails : file_read(file, buf, size);
}

int64_t world_file_getcwd(char *buf, size_t size)
{
    return cwd_error != 0 ? cwd_error : file_getcwd(buf, size);
}

int world_dir_read(struct file *dir, struct dir_entry *entry)
{
    return dir_error != 0 ? dir_error : dir_read(dir, entry);
}

/* Another thread mounts before this mount has come. */
static int (*other_mounts)(void *arg);

int world_file_mount_memory(const char *path, const struct memfs_limits *limits)
{
    int (*other)(void *arg) = other_mounts;

    other_mounts = NULL;
    if (other != NULL)
        assert_int_equal(other(NULL), 0);
    return file_mount_memory(path, limits);
}

/* ---- The network --------------------------------------------------------- */

static int resolve_status, config_status, echo_status, open_status, http_status;
static int64_t content_error;
static const char *content_left;
static unsigned clients;

int world_net_resolve(const char *name, enum resolve_family family,
                      struct net_addr *addrs, unsigned size, uint64_t deadline)
{
    (void)family;
    (void)deadline;
    assert_true(strlen(name) > 0);
    for (int i = 0; i < resolve_status && i < (int)size; i++)
        assert_int_equal(net_addr_parse(i == 0 ? "10.0.2.2" : "::1", &addrs[i]),
                         0);
    return resolve_status;
}

int world_net_get_config(struct net_config *out)
{
    *out = (struct net_config){0x0a00020f, 0xffffff00, 0x0a000202};
    return config_status;
}

int world_icmp_echo(const struct icmp_echo *echo, struct icmp_answer *answer)
{
    *answer = (struct icmp_answer){.from = echo->to, .round_trip_ns = 1234567};
    return echo_status;
}

int world_http_client_open(const struct net_endpoint *server, uint64_t deadline,
                           struct http_client **out)
{
    (void)server;
    (void)deadline;
    if (open_status != 0)
        return open_status;
    clients++;
    *out = (struct http_client *)&clients;
    return 0;
}

int world_http_client_request(struct http_client *client,
                              const struct http_client_request *request,
                              uint64_t deadline)
{
    (void)client;
    (void)deadline;
    assert_string_equal(request->method, "GET");
    return http_status;
}

int64_t world_http_client_read(struct http_client *client, void *buf,
                               size_t size, uint64_t deadline)
{
    size_t len = strlen(content_left);

    (void)client;
    (void)deadline;
    if (len == 0)
        return content_error;
    len = len < size ? len : size;
    memcpy(buf, content_left, len);
    content_left += len;
    return (int64_t)len;
}

void world_http_client_close(struct http_client *client)
{
    if (client != NULL)
        clients--;
}

/* ---- The trace, the calendar --------------------------------------------- */

static int header_status, header_count, take_status;
static uint64_t wall_ns;

int world_trace_header_get(struct trace_header *out)
{
    memset(out, 'H', sizeof(*out));
    if (header_count > 0 && --header_count == 0)
        return -EAGAIN;
    return header_status;
}

int world_trace_take(unsigned cpu, void **out, size_t *len)
{
    (void)cpu;
    if (take_status != 0)
        return take_status;
    *len = 5;
    *out = mem_alloc(5);
    memcpy(*out, "event", 5);
    return 0;
}

uint64_t world_time_wall_ns(void)
{
    return wall_ns;
}

/* ---- Sessions ------------------------------------------------------------ */

static const struct file_system *const systems[] = {&memfs_file_system,
                                                    &ext2_file_system, NULL};

static int end_status; /* of mounts_end() */

static void begin(void)
{
    static const struct terminal terminal = {.read = terminal_read,
                                             .write = terminal_show,
                                             .idle_ns = TIME_NEVER,
                                             .linger_ns = TIME_NEVER};

    console_forget();
    machine_attach(16 << 20);
    vfs_init(systems);
    typing = "";
    ends = really_waits = all_end = false;
    empty_reads = 0;
    sessions = NULL;
    screen_len = 0;
    screen[0] = '\0';
    has_ended = begins_again = false;
    write_error = write_short = read_fails = cwd_error = dir_error = 0;
    read_error = 0;
    config_status = echo_status = open_status = 0;
    resolve_status = 2;
    http_status = 200;
    content_error = 0;
    content_left = "content";
    header_status = header_count = take_status = 0;
    wall_ns = UINT64_C(1796110200) * NS_PER_S;
    memset(mount_rows, 0, sizeof(mount_rows));
    assert_int_equal(mounts_add("memfs", "/", NULL), 0);
    assert_int_equal(figures_start(), 0);
    session = mem_alloc(sizeof(*session));
    shell_init(session, &terminal);
}

static void finish(void)
{
    assert_int_equal(clients, 0);
    mem_free(session);
    assert_int_equal(mounts_end(), end_status);
    end_status = 0;
    machine_detach();
}

/* Execute a line; what it shows is on the screen, alone. */
static int line_run(const char *text)
{
    char copy[800];

    snprintf(copy, sizeof(copy), "%s", text);
    screen_len = 0;
    screen[0] = '\0';
    session->is_stopped = false;
    return shell_line(session, copy);
}

/* It succeeds and shows this. */
static void shows(const char *text, const char *want)
{
    int status = line_run(text);

    if (status != 0 || strcmp(screen, want) != 0)
        fail_msg("%s: status %d, shows \"%s\"", text, status, screen);
}

/* It succeeds, and this is part of what it shows. */
static void says(const char *text, const char *want)
{
    int status = line_run(text);

    if (status != 0 || strstr(screen, want) == NULL)
        fail_msg("%s: status %d, shows \"%s\"", text, status, screen);
}

static void fails(const char *text, const char *want)
{
    int status = line_run(text);

    if (status == 0 || strstr(screen, want) == NULL)
        fail_msg("%s: status %d, shows \"%s\"", text, status, screen);
}

/* The n-th allocation from now, from 0 on, fails. */
static void fails_without_memory(const char *text, unsigned n)
{
    heap_fail(n + 1);
    fails(text, "no memory");
    assert_true(heap_failed());
}

/* ---- The shell itself ---------------------------------------------------- */

static void test_help(void **state)
{
    (void)state;
    begin();
    assert_int_equal(line_run("help"), 0);
    for (unsigned i = 0; shell_commands[i] != NULL; i++) {
        for (const struct command *command = shell_commands[i];
             command->name != NULL; command++) {
            char want[40];

            assert_non_null(strstr(screen, command->help));
            assert_true(command->max < WORDS_MAX);
            snprintf(want, sizeof(want), "\n  %s ", command->name);
            assert_true(i == 0 || strstr(screen, want) != NULL);
        }
    }
    says("help ls", "  ls       [-l] [PATH...]");
    fails("help nothing", "help: no such file or name");
    fails("nothing", "nothing: no such command; help lists them");
    fails("pwd x", "usage: pwd");
    fails("cp x", "usage: cp FILE TO");
    finish();
}

static void test_lines(void **state)
{
    (void)state;
    begin();
    shows("echo a  'b  c'", "a b  c\n");
    shows("echo", "\n");
    shows("echo a; echo b", "a\nb\n");
    fails("echo 'a", "the line: that makes no sense here");
    fails("echo 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 "
          "5 6",
          "the command: too many words");
    shows("echo one > f", "");
    shows("echo two >> f; cat f", "one\ntwo\n");
    shows("echo three > f; cat f", "three\n");
    shows("> g; hexdump g", "");
    fails("echo x > /no/where", "/no/where: no such file");
    fails("nothing > f", "nothing: no such command");
    write_error = -EROFS;
    fails("echo x > f", "f: read-only");
    write_error = 0;
    write_short = 1;
    fails("echo x > f", "f: no space left");
    write_short = 0;
    finish();
}

/* A line after exit is not executed. */
static void test_exit(void **state)
{
    (void)state;
    begin();
    shows("exit; echo x", "");
    assert_true(session->leaves);
    finish();
}

static void test_run(void **state)
{
    (void)state;
    begin();
    line_run("echo 'echo one\n\n# nothing\necho two\r' > script");
    shows("run script", "one\ntwo\n");
    line_run("echo 'echo one\nrm nothing\necho two' > bad");
    fails("run bad", "one\nnothing: no such file");
    assert_null(strstr(screen, "two"));
    shows("run script > out", "");
    shows("cat out", "one\ntwo\n");
    fails("run nothing", "nothing: no such file");
    line_run("echo 'run self' > self");
    fails("run self", "self: too many that lead to each other");
    line_run("echo 'exit\necho x' > leave");
    shows("run leave", "");
    assert_true(session->leaves);
    session->leaves = false;
    read_fails = -EIO;
    fails("run script", "script: the device");
    read_fails = 0;
    typing = "\x03";
    shows("run script", "one\n"); /* Ctrl-C */
    fails_without_memory("run script", 0);
    finish();
}

static void test_lines_of_files_are_bounded(void **state)
{
    static char text[LINE_SIZE + 10];
    struct file *file;

    (void)state;
    begin();
    assert_int_equal(file_open("/f", FILE_WRITE | FILE_CREATE, 0644, &file), 0);
    memset(text, 'x', sizeof(text));
    assert_int_equal(file_write(file, text, sizeof(text)), sizeof(text));
    file_close(file);
    fails("run f", "f: too long");
    assert_int_equal(file_open("/f", FILE_WRITE | FILE_TRUNCATE, 0, &file), 0);
    assert_int_equal(file_write(file, "echo a", 7), 7); /* with a NUL */
    file_close(file);
    fails("run f", "f: that makes no sense");
    assert_int_equal(file_open("/f", FILE_WRITE | FILE_TRUNCATE, 0, &file), 0);
    assert_int_equal(file_write(file, "echo end", 8), 8); /* without its end */
    file_close(file);
    shows("run f", "end\n");
    finish();
}

static void test_a_session(void **state)
{
    (void)state;
    begin();
    typing = "mkdir d\rcd d\rpwd\recho \x03"
             "ecoh\x7f\x7fho typed\rhistory\r\x04";
    shell_session(session);
    assert_non_null(strstr(screen, "/> mkdir d\n/> cd d\n/d> pwd\n/d\n/d> "));
    assert_non_null(strstr(screen, "^C\n"));
    assert_non_null(strstr(screen, "\ntyped\n"));
    assert_non_null(strstr(screen, "    3  pwd\n    4  echo typed\n"));
    typing = "exit\recho x\r";
    screen_len = 0;
    shell_session(session);
    assert_string_equal(screen, "/> exit\n");
    session->leaves = false;
    typing = "echo end";
    ends = true;
    shell_session(session); /* the input ends inside of a line */
    assert_true(session->has_ended);
    shell_session(session);
    finish();
}

static void test_a_long_history(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 40; i++) {
        char text[20];

        snprintf(text, sizeof(text), "echo %u\r\x04", i);
        typing = text;
        shell_session(session);
    }
    assert_int_equal(line_run("history"), 0);
    assert_int_equal(strncmp(screen, "    9  echo 8\n", 14), 0);
    finish();
}

static void test_prompts(void **state)
{
    (void)state;
    begin();
    line_run("mkdir '/a directory with a name that is long \xc3\xbc\xc3\xbc'");
    line_run("cd '/a directory with a name that is long \xc3\xbc\xc3\xbc'");
    for (unsigned i = 0; i < 3; i++) {
        typing = "\x04";
        screen_len = 0;
        lines_read(session);
        assert_true(strlen(screen) < LINE_PROMPT + 2);
        assert_non_null(strstr(screen, "\xbc> \n"));
        assert_int_not_equal((uint8_t)screen[0] & 0xc0, 0x80);
        line_run("mkdir x; cd x");
        line_run("cd ..");
        line_run("mkdir y");
    }
    cwd_error = -ENOENT;
    typing = "\x04";
    screen_len = 0;
    lines_read(session);
    assert_string_equal(screen, "?> \n");
    finish();
}

/* A long directory whose cut falls inside of a character. */
static void test_a_prompt_is_not_cut_in_a_character(void **state)
{
    char text[120] = "/";

    (void)state;
    begin();
    for (unsigned i = 0; i < 25; i++)
        strcat(text, "\xc3\xbc");
    for (unsigned i = 0; i < 2; i++) {
        char line[300];

        snprintf(line, sizeof(line), "mkdir %s; cd %s", text, text);
        assert_int_equal(line_run(line), 0);
        typing = "\x04";
        screen_len = 0;
        shell_session(session);
        assert_int_equal((uint8_t)screen[0], 0xc3);
        strcat(text, "x");
    }
    finish();
}

/* ---- Typing while a command runs ----------------------------------------- */

static void test_what_is_typed_ahead_is_kept(void **state)
{
    static char text[2 * SHELL_TYPED];

    (void)state;
    begin();
    typing = "ab\x03"
             "cd";
    assert_true(shell_stopped(session));
    assert_int_equal(session->typed_count, 2);
    session->is_stopped = false;
    assert_false(shell_stopped(session));
    memset(text, 'x', sizeof(text) - 1);
    typing = text;
    assert_false(shell_wait(session, time_ns() + 10 * NS_PER_MS));
    /* as much as there is room for */
    assert_int_equal(session->typed_count, SHELL_TYPED);
    assert_int_equal(strlen(typing), SHELL_TYPED + 1);
    assert_int_equal(next_byte(session), 'c');
    assert_int_equal(next_byte(session), 'd');
    assert_int_equal(next_byte(session), 'x');
    session->typed_count = 0;
    typing = "";
    ends = true;
    assert_false(shell_wait(session, time_ns() + 1000));
    assert_int_equal(next_byte(session), -EPIPE);
    ends = false;
    session->has_ended = false;
    read_error = -EXDEV;
    assert_int_equal(next_byte(session), -EPIPE);
    finish();
}

/* Too many keys do not make an endless command deaf. */
static void test_an_endless_command_hears(void **state)
{
    static char text[2 * SHELL_TYPED];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 10] = 3; /* Ctrl-C */
    for (unsigned i = 0; i < 3; i++) {
        static const char *const lines[] = {"top", "top 999999999",
                                            "ping a 1000000"};

        begin();
        resolve_status = 1;
        typing = text;
        assert_int_equal(line_run(lines[i]), 0);
        assert_non_null(strchr(screen, '\a'));
        assert_true(session->typed_count < 10);
        assert_true(session->is_stopped);
        assert_false(session->is_endless);
        finish();
    }
}

/* Without its peer a command goes on for a while, or not at all. */
static void test_the_end_of_the_input_ends_a_command(void **state)
{
    (void)state;
    begin();
    ends = true;
    says("top 1", "busy%"); /* a pipe: it is executed to its end */
    assert_false(session->is_stopped);
    session->has_ended = false;
    session->terminal.linger_ns = 50 * NS_PER_MS;
    assert_int_equal(line_run("top 999999999; echo x"), 0);
    assert_true(session->is_stopped);
    assert_null(strstr(screen, "x"));
    session->has_ended = false;
    session->terminal.linger_ns = NS_PER_S;
    read_error = -ECONNRESET;
    shows("top 999999999; echo x", "");
    finish();
}

/* Ctrl-C ends the whole line, and what is typed next is executed. */
static void test_ctrl_c_ends_the_line(void **state)
{
    (void)state;
    begin();
    line_run("echo big > big; echo 'cat big\necho b' > script");
    typing = "\x03";
    assert_int_not_equal(line_run("cp big copy; rm big"), 0);
    typing = "";
    shows("cat big", "big\n");
    typing = "\x03";
    assert_int_not_equal(line_run("run script; echo c"), 0);
    assert_null(strstr(screen, "b\nb\n"));
    assert_null(strstr(screen, "c\n"));
    typing = "cat big\recho next\r\x04";
    session->is_stopped = true;
    screen_len = 0;
    shell_session(session);
    assert_non_null(strstr(screen, "\nnext\n"));
    finish();
}

/* What cannot be written is not read on. */
static void test_a_full_target_ends_a_command(void **state)
{
    (void)state;
    begin();
    line_run("echo big > big");
    write_error = -ENOSPC;
    fails("top 999999 > f", "f: no space left");
    fails("hexdump big > f", "f: no space left");
    finish();
}

static void test_a_session_is_idle(void **state)
{
    (void)state;
    begin();
    session->terminal.idle_ns = 20 * NS_PER_MS;
    really_waits = true;
    shell_session(session);
    assert_string_equal(screen, "/> ");
    assert_false(session->has_ended);
    finish();
}

/* ---- Sessions that others end -------------------------------------------- */

static int waiting_session(void *arg)
{
    static struct shell other;

    really_waits = true;
    shell_init(&other, &session->terminal);
    if (arg != NULL)
        assert_int_equal(shell_line(&other, arg), 0);
    shell_session(&other);
    return 0;
}

static void test_sessions_end(void **state)
{
    thread_id id;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char in_it[] = "mkdir /m; mount memfs /m; cd /m", endless[] = "top";
        char kill_text[40];

        begin();
        sessions = NULL; /* but not the test's */
        assert_int_equal(
            thread_create(NULL, waiting_session, i == 1 ? endless : in_it, &id),
            0);
        thread_sleep(20 * NS_PER_MS);
        snprintf(kill_text, sizeof(kill_text), "kill %llu",
                 (unsigned long long)id);
        if (i == 2)
            shows(kill_text, "");
        else
            sessions_end();
        assert_int_equal(thread_join(id, NULL), 0);
        assert_null(sessions);
        if (i < 2) { /* one that begins now ends at once */
            assert_int_equal(thread_create(NULL, waiting_session, NULL, &id),
                             0);
            assert_int_equal(thread_join(id, NULL), 0);
        }
        finish(); /* unmounts what that session was in */
    }
}

/* One that does not end is not waited for, for ever. */
static void test_a_session_that_stays(void **state)
{
    uint64_t from;

    (void)state;
    begin();
    from = time_ns();
    sessions_end();
    assert_true(session->is_told);
    assert_true(time_ns() - from >= END_NS);
    finish();
}

/* ---- Completion ---------------------------------------------------------- */

static const struct {
    const char *typed;
    const char *text; /* then */
} completions[] = {
    {"hel\t", "help "},
    {"h\t", "h"}, /* help, hexdump, history, http */
    {"xyz\t", "xyz"},
    {"echo a; hel\t", "echo a; help "},
    {"cat al\t", "cat alpha"}, /* alpha, alphabet */
    {"cat alphab\t", "cat alphabet "},
    {"cat \xc3\t", "cat "}, /* half of a character is none */
    {"cat g\t", "cat g\xc3"[0] == 0 ? "" : "cat g"},
    {"cat d\t", "cat dir/"},
    {"cat dir/\t", "cat dir/inner "},
    {"cat /dir/in\t", "cat /dir/inner "},
    {"cat ../dir/in\t", "cat ../dir/inner "},
    {"cat no/\t", "cat no/"},
    {"cat 'al\t", "cat 'al"},
    {"cat wi\t", "cat wi"}, /* a blank is in its name */
    {"echo >al\t", "echo >alpha"},
    {"echo\tx", "echo x"},
};

static void test_completion(void **state)
{
    (void)state;
    begin();
    line_run("mkdir dir; touch alpha alphabet dir/inner 'with blank' 'with;'");
    line_run("touch g\xc3\xbc g\xc3\xa4");
    for (unsigned i = 0; i < sizeof(completions) / sizeof(completions[0]);
         i++) {
        line_begin(&session->line, "");
        for (const char *at = completions[i].typed; *at != '\0'; at++)
            assert_int_equal(line_byte(&session->line, (uint8_t)*at),
                             LINE_MORE);
        ROW(completions[i].typed,
            strcmp(session->line.text, completions[i].text) == 0);
    }
    screen_len = 0;
    line_begin(&session->line, "");
    for (const char *at = "cat alp\t\t\t"; *at != '\0'; at++)
        (void)line_byte(&session->line, (uint8_t)*at);
    assert_non_null(strstr(screen, "alpha \n"));
    assert_non_null(strstr(screen, "alphabet \n"));
    finish();
}

static void test_many_candidates(void **state)
{
    char insert_at[10];

    (void)state;
    begin();
    for (unsigned i = 0; i < SHOWN_MAX + 10; i++) {
        char text[40];

        snprintf(text, sizeof(text), "touch file%03u", i);
        assert_int_equal(line_run(text), 0);
    }
    screen_len = 0;
    shell_candidates(session, "cat f", 5);
    assert_non_null(strstr(screen, "... and 10 more\n"));
    assert_int_equal(shell_complete(session, "cat f", 5, insert_at, 10),
                     SHOWN_MAX + 10);
    assert_string_equal(insert_at, "ile");
    finish();
}

/* ---- Files --------------------------------------------------------------- */

static void test_directories(void **state)
{
    (void)state;
    begin();
    shows("pwd", "/\n");
    shows("mkdir d e; touch d/f", "");
    shows("ls d", "f\n");
    shows("ls d/f", "d/f\n");
    says("ls", "d/\n");
    says("ls -l", "drwxr-xr-x ");
    says("ls -l d", "-rw-r--r--   1    0    0          0 ");
    says("ls -l d/f", " d/f\n");
    says("ls d e", "d:\nf\ne:\n");
    fails("ls nothing d", "nothing: no such file");
    assert_non_null(strstr(screen, "d:\nf\n"));
    fails("ls -l nothing", "nothing: no such file");
    shows("cd d; pwd", "/d\n");
    shows("cd; pwd", "/\n");
    fails("cd nothing", "nothing: no such file");
    fails("rmdir d", "d: the directory is not empty");
    fails("rm d", "d: a directory");
    shows("rm d/f; rmdir d e", "");
    fails("rm a b", "a: no such file");
    assert_non_null(strstr(screen, "b: no such file"));
    shows("ls", "");
    fails("mkdir /a/b", "/a/b: no such file");
    shows("touch f; mkdir d; touch f d", "");
    fails("touch a/b", "a/b: no such file");
    typing = "\x03";
    shows("ls /", ""); /* stopped at once */
    dir_error = -EIO;
    fails("ls /", "/: the device");
    dir_error = 0;
    cwd_error = -ENOENT;
    fails("pwd", "pwd: no such file");
    finish();
}

/* Names do nothing to the terminal. */
static void test_names_are_tame(void **state)
{
    (void)state;
    begin();
    shows("mkdir 'a\x1b[2Jb\xc2\x9b\x7f\xc2\xa9'", "");
    shows("ls", "a?[2Jb???\xc2\xa9/\n");
    says("ls -l", " a?[2Jb???\xc2\xa9\n");
    fails("rm 'a\x1b[2Jb\xc2'", "a?[2Jb\xc2: no such file");
    assert_int_equal(line_run("cd 'a\x1b[2Jb\xc2\x9b\x7f\xc2\xa9'"), 0);
    typing = "\x04";
    screen_len = 0;
    lines_read(session);
    assert_string_equal(screen, "/a?[2Jb???\xc2\xa9> \n");
    shows("mkdir 'm\x1b\xc2\x9b'; mount memfs '/a\x1b[2Jb\xc2\x9b\x7f\xc2\xa9'",
          "");
    says("mount", "memfs    /a?[2Jb???\xc2\xa9 ");
    says("df", " /a?[2Jb???\xc2\xa9\n");
    assert_null(strchr(screen, '\x1b'));
    /* No such name is completed, and so none is listed. */
    shows("cd /; touch 'n\xc2\x9b' 'n\xc2\xa0' 'n\x1b' 'n\xc3\x9b'", "");
    screen_len = 0;
    shell_candidates(session, "cat n", 5);
    assert_string_equal(screen, "n\xc2\xa0 \nn\xc3\x9b \n");
    finish();
}

static void test_types(void **state)
{
    (void)state;
    begin();
    assert_int_equal(file_symlink("target", "/link"), 0);
    assert_int_equal(file_make_node("/pipe", FILE_FIFO, 0600, 0), 0);
    says("ls -l link", "lrwxrwxrwx");
    says("ls -l", "prw-------");
    finish();
}

/* Paths that become too long while they are put together. */
static void test_long_paths(void **state)
{
    static char line[800];
    char name[241];

    (void)state;
    begin();
    memset(name, 'n', 240);
    name[240] = '\0';
    snprintf(line, sizeof(line), "mkdir %s", name);
    assert_int_equal(line_run(line), 0);
    snprintf(line, sizeof(line), "mkdir %s/%s", name, name);
    assert_int_equal(line_run(line), 0);
    snprintf(line, sizeof(line), "cd %s", name);
    assert_int_equal(line_run(line), 0);
    snprintf(line, sizeof(line), "touch %s/%s", name, name);
    assert_int_equal(line_run(line), 0);
    snprintf(line, sizeof(line), "ls -l ../%s/%s", name, name);
    fails(line, "the name is too long");
    snprintf(line, sizeof(line), "cp %s/%s ../%s", name, name, name);
    line_run(line);
    snprintf(line, sizeof(line), "touch f; cp f ../%s/%s/", name, name);
    line_run(line);
    line_run("cd /");
    {
        char path[FILE_PATH_MAX / 8];

        memset(line, 'x', sizeof(line) - 1);
        line[sizeof(line) - 1] = '\0';
        assert_int_equal(target_of("f", line, path, 100), -ENAMETOOLONG);
        assert_int_equal(target_of("abcdef", "/", path, 2), -ENAMETOOLONG);
        assert_int_equal(target_of("abcdef", "/", path, 3), -ENAMETOOLONG);
        assert_int_equal(target_of("a/b/", "/", path, 20), 0);
        assert_string_equal(path, "//b/");
    }
    finish();
}

static void test_contents(void **state)
{
    (void)state;
    begin();
    line_run("echo hello > f; mkdir d");
    shows("cp f g; cat f g", "hello\nhello\n");
    shows("cp f d; cat d/f", "hello\n");
    shows("mv g d; ls d", "f\ng\n");
    shows("mv d/g h; cat h", "hello\n");
    fails("cat nothing", "nothing: no such file");
    fails("cat d", "d: ");
    fails("cp nothing g", "nothing: no such file");
    fails("cp f /a/b", "/a/b: no such file");
    fails("cp f f", "f: it would be copied onto itself");
    shows("cat f", "hello\n");
    fails("cp d h", "d: a directory"); /* which stays as it is */
    shows("cat h", "hello\n");
    fails("cat f >> f", "f: it would wait for itself");
    shows("cat f >> h; cat f h", "hello\nhello\nhello\n");
    /* The same number in another mount is another file. */
    shows("mkdir m n; mount memfs /m; mount memfs /n", "");
    shows("touch m/f n/f; cp m/f n/f; umount /m; umount /n", "");
    fails("mv nothing g", "nothing: no such file");
    typing = "\x03";
    fails("cat f", "f: interrupted");
    typing = "\x03";
    fails("cp f g", "g: interrupted");
    write_error = -EFBIG;
    fails("cp f g", "g: the file is too large");
    write_error = 0;
    write_short = 1;
    fails("cp f g", "g: no space left");
    write_short = 0;
    read_fails = -EIO;
    fails("cat f", "f: the device");
    fails("cp f g", "f: the device");
    read_fails = 0;
    fails_without_memory("cat f", 0);
    fails_without_memory("cp f g", 0);
    finish();
}

static void test_hexdump(void **state)
{
    (void)state;
    begin();
    line_run("echo '0123456789abcdef\x7f\x01' > f");
    shows("hexdump f",
          "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  "
          "|0123456789abcdef|\n"
          "00000010  7f 01 0a                                         |...|\n");
    shows("hexdump f 14 3",
          "0000000e  65 66 7f                                         |ef.|\n");
    shows("hexdump f 100", "");
    fails("hexdump f x", "hexdump: that makes no sense");
    fails("hexdump f 0 x", "hexdump: that makes no sense");
    fails("hexdump nothing", "nothing: no such file");
    fails("hexdump /", "/: ");
    typing = "\x03";
    shows("hexdump f", "");
    finish();
}

/* ---- Disks --------------------------------------------------------------- */

static void test_mounts(void **state)
{
    (void)state;
    begin();
    shows("mount", "memfs    /                        memfs\n");
    shows("mkdir m; mount memfs /m", "");
    says("mount", "memfs    /m                       memfs\n");
    says("df", "memfs ");
    fails("mount memfs", "mount: that makes no sense");
    fails("mount nothing /m", "nothing: no such device");
    fails("mount memfs m", "memfs: that makes no sense");
    fails("mount memfs /m", "memfs: in use");
    fails("mount a-name-that-is-too-long /m", "the name is too long");
    fails("mount x "
          "/a/path/that/is/longer/than/the/table/of/mounts/has/room/for/in/it",
          "x: the name is too long");
    for (unsigned i = 0; i < MOUNTS_MAX - 2; i++) {
        char text[60];

        snprintf(text, sizeof(text), "mkdir n%u; mount memfs /n%u", i, i);
        shows(text, "");
    }
    line_run("mkdir o");
    fails("mount memfs /o", "memfs: no space left");
    shows("umount /m", "");
    fails("umount /m", "/m: that makes no sense");
    fails("umount /", "/: in use");
    shows("mount memfs /m", "");
    assert_int_equal(file_unmount("/m"), 0); /* behind the shell's back */
    fails("umount /m", "/m: that makes no sense");
    end_status = -EBUSY;
    finish();
    assert_true(console_has("shell: /m is not unmounted"));
}

/* A row that is used again is no sign of the order. */
static void test_unmount_in_order(void **state)
{
    (void)state;
    begin();
    shows("mkdir a b; mount memfs /a; mount memfs /b; umount /a", "");
    shows("mkdir b/c; mount memfs /b/c; mkdir b/c/d; mount memfs /b/c/d", "");
    finish();
    for (unsigned i = 0; i < MOUNTS_MAX; i++)
        assert_int_equal(mount_rows[i].path[0], '\0');
}

/* What is in use cannot be unmounted, but it is written. */
static void test_what_is_in_use_is_written(void **state)
{
    struct file *file;

    (void)state;
    begin();
    shows("mkdir a; mount memfs /a", "");
    assert_int_equal(file_open("/a/f", FILE_WRITE | FILE_CREATE, 0644, &file),
                     0);
    end_status = -EBUSY;
    mem_free(session);
    assert_int_equal(mounts_end(), -EBUSY);
    file_close(file);
    assert_true(console_has("shell: /a is in use; it is written"));
    assert_true(console_has("shell: / is in use; it is written"));
    assert_int_equal(file_unmount("/a"), 0);
    assert_int_equal(file_unmount("/"), 0);
    end_status = 0;
    machine_detach();
}

static int mounts_b(void *arg)
{
    (void)arg;
    return mounts_add("memfs", "/b", NULL);
}

/* The row is taken before the mount, which may wait, has come. */
static void test_two_mount_at_once(void **state)
{
    thread_id id;
    int status;

    (void)state;
    begin();
    shows("mkdir a b", "");
    other_mounts = mounts_b;
    assert_int_equal(mounts_add("memfs", "/a", NULL), 0);
    assert_int_equal(thread_create(NULL, mounts_b, NULL, &id), 0);
    assert_int_equal(thread_join(id, &status), 0);
    assert_int_equal(status, -EBUSY); /* the other one has come */
    shows("umount /a; umount /b", "");
    finish();
}

static void test_what_is_gone_is_said(void **state)
{
    (void)state;
    begin();
    assert_int_equal(file_unmount("/"), 0);
    says("mount", "memfs    /                        no such file");
    says("df", "/: no such file");
    end_status = -EBUSY;
    finish();
    assert_true(console_has("shell: the root is not there"));
}

static void test_disks(void **state)
{
    static struct ramblk disk;
    static uint8_t data[64 * 512];

    (void)state;
    begin();
    says("disk", "disks:\n");
    ramblk_init(&disk, data, sizeof(data));
    says("disk", "disks: rba\n");
    fails("mount rba /", "rba: in use");
    says("disk", "rba                32    0 ");
    fails_without_memory("disk", 0);
    finish();
}

/* ---- The machine --------------------------------------------------------- */

static void test_machine(void **state)
{
    (void)state;
    begin();
    says("ps", " name\n");
    says("ps 0", " name\n");
    fails("ps 1", "ps: that makes no sense");
    fails("ps x", "ps: that makes no sense");
    fails_without_memory("ps", 0);
    screen_len = 0;
    {
        static struct figures many = {.threads_all = FIGURES_THREADS + 7,
                                      .thread_count = FIGURES_THREADS};

        ps_rows(session, 0, &many);
        assert_non_null(strstr(screen, "cpu 0 has 7 more\n"));
        many.threads_all = FIGURES_THREADS;
        screen_len = 0;
        ps_rows(session, 0, &many);
        assert_null(strstr(screen, "more\n"));
        many.threads_all = 12345;
        cpu_row(session, 0, &many);
        assert_non_null(strstr(screen, " 12345 "));
    }
    says("cpu", "idle ms");
    says("slots", "blocked");
    says("mem", "kept");
    fails("kill x", "x: that makes no sense");
    fails("kill 12345678901", "12345678901: no such thread");
    says("date", "2026-12-01 07:30:00 UTC; up ");
    wall_ns = 0;
    says("date", "does not know the date; up ");
    finish();
}

static int sleeper(void *arg)
{
    (void)arg;
    thread_sleep_until(TIME_NEVER);
    return 0;
}

static void test_kill(void **state)
{
    thread_id id;
    char text[40];
    int value;

    (void)state;
    begin();
    assert_int_equal(thread_create(NULL, sleeper, NULL, &id), 0);
    thread_yield();
    says("ps", " waiting ");
    snprintf(text, sizeof(text), "kill %llu", (unsigned long long)id);
    shows(text, "");
    assert_int_equal(thread_join(id, &value), 0);
    assert_int_equal(value, -ECANCELED);
    finish();
}

static void test_top(void **state)
{
    (void)state;
    begin();
    says("top 1", "busy%");
    typing = "\x03";
    shows("top", "");
    ends = true;
    shows("top", "");
    fails("top x", "top: that makes no sense");
    fails_without_memory("top", 0);
    finish();
}

static void test_log(void **state)
{
    (void)state;
    begin();
    kept_begin();
    log_info("a line");
    says("log", " a line\n");
    for (unsigned i = 0; i < 1000; i++)
        log_info("number %u", i);
    says("log", " number 999\n");
    assert_int_equal(screen[0], '[');
    assert_true(strlen(screen) <= KEPT_SIZE);
    {
        uint64_t at = 0; /* long gone */
        char some[16];

        assert_int_equal(kept_read(&at, some, sizeof(some)), sizeof(some));
    }
    for (unsigned i = 0; i < KEPT_SIZE; i++)
        line_comes("x", 1);
    shows("log", ""); /* no whole line */
    log_listen(NULL);
    finish();
}

static void test_trace(void **state)
{
    (void)state;
    begin();
    shows("trace t", "");
    says("hexdump t", "|event|");
    take_status = -EAGAIN;
    fails("trace t", "t: try again");
    take_status = 0;
    header_count = 2;
    fails("trace t", "t: try again");
    take_status = -EAGAIN; /* it is not the parts that are cut */
    write_short = 1;
    fails("trace t", "t: no space");
    take_status = write_short = 0;
    write_error = -ENOSPC;
    fails("trace t", "t: no space");
    write_error = 0;
    write_short = 1;
    fails("trace t", "t: no space");
    write_short = 0;
    fails("trace /a/b", "/a/b: no such file");
    header_status = -ENODATA;
    fails("trace t", "trace=all");
    finish();
}

static int ends_machine(void *arg)
{
    typing = arg;
    shell_session(session);
    return 0;
}

static void test_the_end(void **state)
{
    /* What the session's commands have open is closed then. */
    static char words[][40] = {"poweroff\r", "reboot\r"};
    static char script[] = "mkdir m\rmount memfs /m\rcd m\r"
                           "echo poweroff > s\rrun s > o\r";
    thread_id id;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        begin();
        assert_int_equal(
            thread_create(NULL, ends_machine, i == 2 ? script : words[i], &id),
            0);
        assert_int_equal(thread_join(id, NULL), 0);
        assert_true(has_ended);
        assert_int_equal(begins_again, i == 1);
        finish();
    }
}

/* ---- The network --------------------------------------------------------- */

static void test_net(void **state)
{
    (void)state;
    begin();
    shows("net", "address 10.0.2.15/24, gateway 10.0.2.2\n");
    fails_without_memory("net", 0);
    config_status = -ENOTCONN;
    fails("net", "net: not connected");
    shows("resolve a", "10.0.2.2\n::1\n");
    resolve_status = -ENOENT;
    fails("resolve a", "a: no such file or name");
    finish();
}

/* Cards and disks are in the same list. */
static void test_queues(void **state)
{
    struct figures figures = {
        .queue_count = 2,
        .queues = {{.device = "vda"},
                   {.device = "net0", .is_card = true, .link_up = true}}};

    (void)state;
    begin();
    screen_len = 0;
    card_rows(session, 1, &figures);
    assert_int_equal(strncmp(screen, "net0, cpu 1, link up: in 0", 26), 0);
    figures.queues[1].link_up = false;
    card_rows(session, 1, &figures);
    assert_non_null(strstr(screen, "link down"));
    screen_len = 0;
    disk_rows(session, 1, &figures);
    assert_null(strstr(screen, "net0"));
    finish();
}

static void test_ping(void **state)
{
    (void)state;
    begin();
    resolve_status = 1;
    shows("ping a 1", "56 bytes from 10.0.2.2: seq=0 time=1.234 ms\n"
                      "1 sent, 1 received\n");
    says("ping a 2", "2 sent, 2 received\n");
    typing = "\x03";
    says("ping a", "1 sent, 1 received\n");
    echo_status = -ETIMEDOUT;
    fails("ping a 1", "seq=0: no answer in time\n1 sent, 0 received\n");
    fails("ping a 0", "ping: that makes no sense");
    fails("ping a x", "ping: that makes no sense");
    fails("ping a 1000001", "ping: that makes no sense");
    resolve_status = -ENOENT;
    fails("ping a", "a: no such");
    finish();
}

static void test_http(void **state)
{
    static char text[700], line[800];

    (void)state;
    begin();
    resolve_status = 1;
    shows("http http://a/b", "content");
    content_left = "content";
    shows("http http://a f; cat f", "content");
    fails("http ftp://a", "ftp://a: give http://HOST");
    fails("http ftp://a f", "ftp://a: give http://HOST");
    http_status = 500;
    content_left = "sorry";
    fails("http http://a f", "the server says 500\n");
    http_status = 200;
    content_left = "more";
    fails("http http://a /", "/: ");  /* is no file */
    shows("ls; cat f", "f\ncontent"); /* as it was, and nothing else */
    memset(text, 'x', sizeof(text) - 1);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(line, sizeof(line), "http http://a %.*s", i == 0 ? 509 : 600,
                 text);
        fails(line, "the name is too long");
    }
    fails("http http://a /a/b", "/a/b: no such file");
    http_status = 404;
    content_left = "sorry";
    fails("http http://a", "sorryhttp://a: the server says 404\n");
    http_status = 199;
    fails("http http://a", "the server says 199\n");
    http_status = -EPROTO;
    fails("http http://a", "http://a: the peer breaks");
    http_status = 200;
    content_error = -ECONNRESET;
    fails("http http://a", "http://a: the peer has reset");
    content_error = 0;
    content_left = "content";
    write_error = -EIO;
    fails("http http://a f", "http://a: the device");
    write_error = 0;
    content_left = "content";
    write_short = 1;
    fails("http http://a f", "http://a: no space");
    write_short = 0;
    content_left = "content";
    typing = "\x03";
    fails("http http://a f", "http://a: interrupted");
    open_status = -ECONNREFUSED;
    fails("http http://a", "http://a: the connection is refused");
    resolve_status = -ENOENT;
    fails("http http://a", "http://a: no such");
    finish();
}

static void test_errors(void **state)
{
    (void)state;
    assert_string_equal(error_text(-ENOENT), "no such file or name");
    assert_string_equal(error_text(-EALREADY), "under way already");
    assert_string_equal(error_text(-9999), "it has failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_exit),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_lines_of_files_are_bounded),
        cmocka_unit_test(test_a_session),
        cmocka_unit_test(test_a_long_history),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_a_prompt_is_not_cut_in_a_character),
        cmocka_unit_test(test_what_is_typed_ahead_is_kept),
        cmocka_unit_test(test_an_endless_command_hears),
        cmocka_unit_test(test_the_end_of_the_input_ends_a_command),
        cmocka_unit_test(test_ctrl_c_ends_the_line),
        cmocka_unit_test(test_a_full_target_ends_a_command),
        cmocka_unit_test(test_a_session_is_idle),
        cmocka_unit_test(test_sessions_end),
        cmocka_unit_test(test_a_session_that_stays),
        cmocka_unit_test(test_unmount_in_order),
        cmocka_unit_test(test_what_is_in_use_is_written),
        cmocka_unit_test(test_two_mount_at_once),
        cmocka_unit_test(test_completion),
        cmocka_unit_test(test_many_candidates),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_names_are_tame),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_long_paths),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_hexdump),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_what_is_gone_is_said),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_the_end),
        cmocka_unit_test(test_net),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
