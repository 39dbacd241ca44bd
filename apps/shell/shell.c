/* Sessions: see shell.h. */
#include "apps/shell/shell.h"
#include "apps/shell/words.h"
#include <torc/format.h>
#include <torc/log.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { STOP = 3, FILE_PIECE = 256 };
#define LOOK_NS (NS_PER_S / 4) /* a session looks whether it is to end */
#define STEP_NS (NS_PER_S / 50)
#define END_NS  (2 * NS_PER_S) /* others wait for it */

/* CPU 0 only: the sessions that are open, and whether all are to end. */
static struct shell *sessions;
static bool all_end;

/* ---- Output -------------------------------------------------------------- */

static void terminal_write(struct shell *shell, const char *text, size_t len)
{
    shell->terminal.write(shell->terminal.ctx, text, len);
}

void shell_write(struct shell *shell, const char *text, size_t len)
{
    int64_t done;

    if (shell->target == NULL) {
        terminal_write(shell, text, len);
        return;
    }
    done = file_write(shell->target, text, len);
    if (done != (int64_t)len && shell->target_error == 0)
        shell->target_error = done < 0 ? (int)done : -ENOSPC;
}

/* Returns the length of what has room. */
static size_t cut_print(char text[SHELL_PRINT_MAX], const char *format,
                        va_list args)
{
    size_t len = fmt_vprint(text, SHELL_PRINT_MAX, format, args);

    return len < SHELL_PRINT_MAX ? len : SHELL_PRINT_MAX - 1;
}

void shell_print(struct shell *shell, const char *format, ...)
{
    char text[SHELL_PRINT_MAX];
    va_list args;
    size_t len;

    va_start(args, format);
    len = cut_print(text, format, args);
    va_end(args);
    shell_write(shell, text, len);
}

/* Those of ASCII, and in UTF-8 the ones from 0x80 to 0x9f. */
void shell_tame(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)text[i];

        if (byte < ' ' || byte == 127)
            text[i] = '?';
        else if (byte == 0xc2 && i + 1 < len && (uint8_t)text[i + 1] >= 0x80 &&
                 (uint8_t)text[i + 1] < 0xa0)
            text[i] = text[i + 1] = '?';
    }
}

int shell_say(struct shell *shell, const char *format, ...)
{
    char text[SHELL_PRINT_MAX];
    va_list args;
    size_t len;

    va_start(args, format);
    len = cut_print(text, format, args);
    va_end(args);
    shell_tame(text, len - 1); /* but the end of the line */
    terminal_write(shell, text, len);
    return SHELL_SAID;
}

int shell_fail(struct shell *shell, const char *what, int error)
{
    return shell_say(shell, "%.*s: %s\n", SHELL_PRINT_MAX / 2, what,
                     error_text(error));
}

/* ---- Input --------------------------------------------------------------- */

static void input_ends(struct shell *shell, bool in_order)
{
    uint64_t linger = shell->terminal.linger_ns;

    shell->has_ended = true;
    if (linger == TIME_NEVER)
        shell->end_ns = TIME_NEVER;
    else
        shell->end_ns = in_order ? time_ns() + linger : 0;
}

/* Keep what was typed. Behind Ctrl-C nothing before it matters. */
static void typed_put(struct shell *shell, const uint8_t *bytes, size_t count)
{
    bool is_lost = false;

    for (size_t i = 0; i < count; i++) {
        if (shell->typed_count == SHELL_TYPED && bytes[i] == STOP)
            shell->typed_count = 0;
        if (shell->typed_count == SHELL_TYPED) {
            is_lost = true;
            continue;
        }
        shell
            ->typed[(shell->typed_first + shell->typed_count++) % SHELL_TYPED] =
            bytes[i];
    }
    if (is_lost)
        terminal_write(shell, "\a", 1);
}

/* Read what has come until then, as far as there is room; while an endless
 * command runs also more, since Ctrl-C may be there. Returns 0, -EAGAIN
 * (nothing has), another error: the input has ended, or there is no room. */
static int typed_read(struct shell *shell, uint64_t deadline_ns)
{
    uint8_t bytes[FILE_PIECE];
    size_t room = SHELL_TYPED - shell->typed_count;
    int64_t got;

    if (shell->is_endless || room > sizeof(bytes))
        room = sizeof(bytes);
    if (shell->has_ended || room == 0)
        return -EPIPE;
    got = shell->terminal.read(shell->terminal.ctx, bytes, room, deadline_ns);
    if (got == -EAGAIN)
        return -EAGAIN;
    if (got <= 0) {
        input_ends(shell, got == 0);
        return -EPIPE;
    }
    typed_put(shell, bytes, (size_t)got);
    return 0;
}

/* Whether Ctrl-C is among what was typed: it and all before it go. */
static bool typed_stops(struct shell *shell)
{
    for (size_t i = shell->typed_count; i > 0; i--) {
        size_t at = (shell->typed_first + i - 1) % SHELL_TYPED;

        if (shell->typed[at] == STOP) {
            shell->typed_first = (at + 1) % SHELL_TYPED;
            shell->typed_count -= i;
            return true;
        }
    }
    return false;
}

static bool is_over(const struct shell *shell)
{
    return shell->is_told || (shell->has_ended && time_ns() >= shell->end_ns);
}

static bool stops(struct shell *shell)
{
    if (is_over(shell) || typed_stops(shell))
        shell->is_stopped = true;
    return shell->is_stopped || shell->target_error != 0;
}

bool shell_wait(struct shell *shell, uint64_t deadline_ns)
{
    bool is_stopped = stops(shell);
    int status = 0;

    while (!is_stopped && status == 0) {
        status = typed_read(shell, deadline_ns);
        is_stopped = stops(shell);
        if (time_ns() >= deadline_ns)
            return is_stopped;
    }
    if (!is_stopped && status != -EAGAIN)
        thread_sleep_until(deadline_ns);
    return is_stopped;
}

bool shell_stopped(struct shell *shell)
{
    thread_yield();
    return shell_wait(shell, 0);
}

/* Wait for a key. Returns 0, or -EPIPE: there will be none. */
static int key_wait(struct shell *shell)
{
    uint64_t idle_ns = shell->terminal.idle_ns;
    uint64_t from = time_ns();
    int status = -EAGAIN;

    while (status == -EAGAIN && !shell->is_told) {
        if (idle_ns != TIME_NEVER && time_ns() - from >= idle_ns)
            return -EPIPE;
        status = typed_read(shell, time_ns() + LOOK_NS);
    }
    return status == 0 ? 0 : -EPIPE;
}

/* The next byte, or -EPIPE. */
static int next_byte(struct shell *shell)
{
    int byte;

    if (shell->is_told || (shell->typed_count == 0 && key_wait(shell) != 0))
        return -EPIPE;
    byte = shell->typed[shell->typed_first];
    shell->typed_first = (shell->typed_first + 1) % SHELL_TYPED;
    shell->typed_count--;
    return byte;
}

/* ---- Commands ------------------------------------------------------------ */

static const struct command *command_find(const char *name)
{
    for (unsigned i = 0; shell_commands[i] != NULL; i++) {
        for (const struct command *command = shell_commands[i];
             command->name != NULL; command++) {
            if (str_equal(command->name, name))
                return command;
        }
    }
    return NULL;
}

static int command_run(struct shell *shell, const struct words *words)
{
    const struct command *command = command_find(words->word[0]);
    int status;

    if (command == NULL)
        return shell_say(shell, "%.100s: no such command; help lists them\n",
                         words->word[0]);
    if (words->count - 1 < command->min || words->count - 1 > command->max)
        return shell_say(shell, "usage: %s %s\n", command->name,
                         command->arguments);
    status = command->run(shell, words->count, (char **)words->word);
    shell->is_endless = false;
    if (status < 0)
        status = shell_fail(shell, command->name, status);
    return status;
}

/* With its output in a file; those of files that it runs, too. */
static int command_to_file(struct shell *shell, const struct words *words)
{
    struct file *outer = shell->target;
    int outer_error = shell->target_error;
    int status = file_open(words->target,
                           FILE_WRITE | FILE_CREATE |
                               (words->appends ? FILE_APPEND : FILE_TRUNCATE),
                           0644, &shell->target);

    if (status != 0)
        return shell_fail(shell, words->target, status);
    shell->target_error = 0;
    status = words->count == 0 ? 0 : command_run(shell, words);
    file_close(shell->target);
    if (shell->target_error != 0)
        status = shell_fail(shell, words->target, shell->target_error);
    shell->target = outer;
    shell->target_error = outer_error;
    return status;
}

int shell_line(struct shell *shell, char *line)
{
    do {
        struct words words;
        int status = words_cut(&line, &words);

        if (status != 0)
            shell->status = shell_fail(
                shell, status == -E2BIG ? "the command" : "the line", status);
        else if (words.target != NULL)
            shell->status = command_to_file(shell, &words);
        else if (words.count > 0)
            shell->status = command_run(shell, &words);
        if (status != 0)
            break;
    } while (line != NULL && !shell->leaves && !shell->is_stopped);
    return shell->status;
}

/* ---- Files of lines ------------------------------------------------------ */

struct lines {
    struct file *file;
    char piece[FILE_PIECE];
    size_t at, count;
    char line[LINE_SIZE];
};

/* The next line, without its end. Returns 1, 0 (there is none), -EMSGSIZE (it
 * is too long), or as file_read(). */
static int lines_next(struct lines *lines)
{
    size_t len = 0;

    for (;;) {
        char c;

        if (lines->at == lines->count) {
            int64_t got =
                file_read(lines->file, lines->piece, sizeof(lines->piece));

            lines->at = lines->count = 0;
            if (got < 0)
                return (int)got;
            lines->count = (size_t)got;
            if (got == 0) {
                lines->line[len] = '\0';
                return len > 0;
            }
        }
        c = lines->piece[lines->at++];
        if (c == '\n') {
            lines->line[len] = '\0';
            return 1;
        }
        if (c == '\0')
            return -EINVAL; /* no text */
        if (len == LINE_SIZE - 1)
            return -EMSGSIZE;
        if (c != '\r')
            lines->line[len++] = c;
    }
}

static int lines_run(struct shell *shell, struct lines *lines)
{
    int status;

    shell->depth++;
    do {
        shell->status = 0; /* an empty line is none that fails */
        status = lines_next(lines);
        if (status == 1)
            (void)shell_line(shell, lines->line);
    } while (status == 1 && shell->status == 0 && !shell->leaves &&
             !shell_stopped(shell));
    shell->depth--;
    return status < 0 ? status : shell->status;
}

int shell_file(struct shell *shell, const char *path)
{
    struct lines *lines;
    int status;

    if (shell->depth == SHELL_DEPTH_MAX)
        return -ELOOP;
    lines = mem_alloc_zeroed(sizeof(*lines));
    if (lines == NULL)
        return -ENOMEM;
    status = file_open(path, FILE_READ, 0, &lines->file);
    if (status == 0) {
        status = lines_run(shell, lines);
        file_close(lines->file);
    }
    mem_free(lines);
    return status;
}

/* ---- Sessions ------------------------------------------------------------ */

static void line_write(void *ctx, const char *text, size_t len)
{
    terminal_write(ctx, text, len);
}

static const struct line_ops ops = {
    .write = line_write, .complete = shell_complete, .list = shell_candidates};

static void session_open(struct shell *shell)
{
    shell->thread = thread_self();
    shell->is_told = all_end;
    shell->next = sessions;
    sessions = shell;
}

void shell_init(struct shell *shell, const struct terminal *terminal)
{
    memset(shell, 0, sizeof(*shell));
    shell->terminal = *terminal;
    line_init(&shell->line, &ops, shell);
    session_open(shell);
}

/* The working directory; of a long one the end, from a character's begin on. */
static void prompt(char out[LINE_PROMPT])
{
    char path[FILE_PATH_MAX / 8];
    int64_t len = file_getcwd(path, sizeof(path));
    int64_t from;

    if (len < 0) {
        (void)str_copy(out, LINE_PROMPT, "?> ");
        return;
    }
    from = len > LINE_PROMPT - 3 ? len - (LINE_PROMPT - 3) : 0;
    while (((uint8_t)path[from] & 0xc0) == 0x80)
        from++;
    fmt_print(out, LINE_PROMPT, "%s> ", path + from);
    shell_tame(out, strlen(out));
}

static enum line_event line_read(struct shell *shell)
{
    enum line_event event = LINE_MORE;
    char text[LINE_PROMPT];

    prompt(text);
    line_begin(&shell->line, text);
    while (event == LINE_MORE) {
        int byte = next_byte(shell);

        event = byte < 0 ? LINE_END : line_byte(&shell->line, (uint8_t)byte);
    }
    return event;
}

static void lines_read(struct shell *shell)
{
    while (!shell->leaves) {
        enum line_event event = line_read(shell);

        if (event == LINE_END)
            return;
        if (event == LINE_DROPPED)
            continue;
        memcpy(shell->command, shell->line.text, shell->line.len + 1);
        shell->is_stopped = false;
        (void)shell_line(shell, shell->command);
    }
}

/* What it was in can be unmounted. */
static void session_close(struct shell *shell)
{
    struct shell **at = &sessions;

    while (*at != NULL && *at != shell)
        at = &(*at)->next;
    if (*at != NULL)
        *at = shell->next;
    if (file_chdir("/") != 0)
        log_warn("shell: the root is not there");
}

void shell_session(struct shell *shell)
{
    lines_read(shell);
    session_close(shell);
    if (shell->ends_machine)
        shell_end(shell->begins_again);
}

bool shell_kill(thread_id id)
{
    for (struct shell *shell = sessions; shell != NULL; shell = shell->next) {
        if (shell->thread == id) {
            shell->is_told = true;
            return true;
        }
    }
    return false;
}

void sessions_end(void)
{
    uint64_t deadline_ns = time_ns() + END_NS;

    all_end = true;
    for (struct shell *shell = sessions; shell != NULL; shell = shell->next)
        shell->is_told = true;
    while (sessions != NULL && time_ns() < deadline_ns)
        thread_sleep(STEP_NS);
}
