/*
 * console.c: the client of a router's unix socket (sys/api.c describes the lines). Editing and history are libedit's;
 * `?`, Tab, paging and ^C are IOS-like on top of it.
 */
#include "cli/cli.h"
#include "lab/lab.h"

#include <errno.h>
#include <histedit.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

struct console {
    int fd;
    struct strbuf in; /* bytes from the router not yet used */
    EditLine *el;     /* NULL: not interactive */
    char prompt[128];
    u32 length; /* lines per page; 0: no paging */
    u32 shown;  /* lines of this page so far */
    bool quit_page, closed, secret, pasting, gone;
    bool configuring; /* the prompt is one of configuration mode */
    bool ctrl_z;      /* the line ended with ^Z */
    int status;
};

enum { CTRL_C = 3, CTRL_Z = 26 };

static volatile sig_atomic_t
    interrupted; /* set by SIGINT: a signal handler has no other way to say so */

static sigset_t while_waiting; /* the signals that are kept back while we wait: not SIGINT */

static void on_sigint(int sig)
{
    (void)sig;
    interrupted = 1;
}

/* connected: a socket, -1: errno says why nobody is there. */
static int connected(const char *sock)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), why = ENAMETOOLONG;
    if (fd >= 0 && str_copy(a.sun_path, sizeof a.sun_path, sock)) {
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
            return fd;
        }
        why = errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    errno = why;
    return -1;
}

bool console_answers(const char *sock)
{
    int fd = connected(sock);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/* catch_sigint: it is kept back but where we wait, so none is lost between two waits. */
static void catch_sigint(void)
{
    struct sigaction sa = {.sa_handler = on_sigint};
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigprocmask(SIG_BLOCK, &held, &while_waiting);
    sigdelset(&while_waiting, SIGINT);
    sigaction(SIGINT, &sa, NULL);
}

static bool dial(struct console *c, const char *sock)
{
    c->fd = connected(sock);
    if (c->fd < 0) {
        fprintf(stderr, "adit: no router answers at %s: %s%s\n", sock, strerror(errno),
                errno == EACCES ? " (only root may)" : "");
    }
    return c->fd >= 0;
}

static void send_json(struct console *c, json_t *o)
{
    char *s = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    size_t len = strlen(s);
    s[len] = '\n'; /* the terminator's place; written with its length */
    for (size_t done = 0; done < len + 1;) {
        ssize_t n = send(c->fd, s + done, len + 1 - done, MSG_NOSIGNAL);
        if (n <= 0) {
            c->gone = true;
            break;
        }
        done += (size_t)n;
    }
    free(s);
}

static void send_text(struct console *c, const char *key, const char *text)
{
    json_t *v = json_string(text), *o = json_object();
    json_object_set_new(o, key, v ? v : json_string(""));
    send_json(c, o);
}

/* ---- paging ---- */

static void more(struct console *c)
{
    char key = ' ';
    struct termios raw, old;
    fputs(" --More-- ", stdout);
    fflush(stdout);
    tcgetattr(0, &old);
    raw = old;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG); /* ^C is a key that ends the page */
    tcsetattr(0, TCSANOW, &raw);
    if (read(0, &key, 1) != 1) {
        key = 'q';
    }
    tcsetattr(0, TCSANOW, &old);
    fputs("\b\b\b\b\b\b\b\b\b\b          \b\b\b\b\b\b\b\b\b\b", stdout);
    if (key == ' ') {
        c->shown = 0;
    } else if (key == '\r' || key == '\n') {
        c->shown--;
    } else {
        c->quit_page = true;
    }
}

static void show(struct console *c, const char *text)
{
    for (; *text && !c->quit_page; text++) {
        putchar(*text);
        if (*text == '\n' && c->el && c->length > 1 && ++c->shown >= c->length - 1 && text[1]) {
            more(c);
        }
    }
    fflush(stdout);
}

/* ---- from the router ---- */

/* take: one object from the router. Returns the kind of news: 'd' done, 'h' help, 'c' complete, 0 else. */
static char take(struct console *c, json_t *o, struct strbuf *out)
{
    const char *s;
    json_t *done = json_object_get(o, "done");
    if ((s = json_string_value(json_object_get(o, "out")))) {
        show(c, s);
    }
    if ((s = json_string_value(json_object_get(o, "monitor")))) {
        fputs(s, stdout);
        fflush(stdout);
    }
    if ((s = json_string_value(json_object_get(o, "help")))) {
        show(c, s);
        return 'h';
    }
    if ((s = json_string_value(json_object_get(o, "complete")))) {
        sb_add(out, s);
        return 'c';
    }
    if (done) {
        c->status = (int)json_integer_value(done);
        c->length = (u32)json_integer_value(json_object_get(o, "length"));
        c->secret = json_is_true(json_object_get(o, "secret"));
        c->pasting = json_is_true(json_object_get(o, "pasting"));
        c->closed = json_is_true(json_object_get(o, "closed"));
        c->configuring = json_is_true(json_object_get(o, "configuring"));
        s = json_string_value(json_object_get(o, "prompt"));
        str_copy(c->prompt, sizeof c->prompt, s ? s : "#");
        return 'd';
    }
    return 0;
}

/* lines: everything complete in the buffer; true when the wanted news was among it. */
static bool lines(struct console *c, char want, struct strbuf *out)
{
    char *nl;
    bool found = false;
    while (!found && c->in.len && (nl = memchr(c->in.s, '\n', c->in.len))) {
        size_t used = (size_t)(nl - c->in.s) + 1;
        json_t *o = json_loadb(c->in.s, used, 0, NULL);
        memmove(c->in.s, c->in.s + used, c->in.len - used);
        c->in.len -= used;
        found = take(c, o, out) == want;
        json_decref(o);
    }
    return found;
}

static bool receive(struct console *c)
{
    char part[8192];
    ssize_t n = recv(c->fd, part, sizeof part, 0);
    if (n > 0) {
        sb_addn(&c->in, part, (size_t)n);
    }
    c->gone |= n == 0;
    return n > 0;
}

/* wait_for: until the wanted news; ^C is passed on as a break. */
static bool wait_for(struct console *c, char want, struct strbuf *out)
{
    while (!lines(c, want, out)) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (ppoll(&p, 1, NULL, &while_waiting) < 0) { /* SIGINT comes here and nowhere else */
            if (interrupted) {
                interrupted = 0;
                send_json(c, json_pack("{s:b}", "break", 1));
            }
            continue;
        }
        if (!receive(c) && c->gone) {
            return false;
        }
    }
    return true;
}

static bool open_session(struct console *c, const char *sock, bool privileged)
{
    if (!dial(c, sock)) {
        return false;
    }
    send_json(c, json_pack("{s:{s:b}}", "open", "privileged", privileged));
    return wait_for(c, 'd', NULL);
}

int console_once(const char *sock, const char *line)
{
    struct console c = {0};
    int status = 2;
    catch_sigint();
    if (open_session(&c, sock, true)) {
        send_text(&c, "line", line);
        status = wait_for(&c, 'd', NULL) ? c.status : 2;
    }
    close(c.fd);
    sb_free(&c.in);
    return status;
}

/* ---- the interactive console ---- */

static char *on_prompt(EditLine *el)
{
    struct console *c;
    el_get(el, EL_CLIENTDATA, &c);
    return c->prompt;
}

static void typed(EditLine *el, char *out, size_t cap)
{
    const LineInfo *li = el_line(el);
    size_t n = MIN((size_t)(li->cursor - li->buffer), cap - 1);
    memcpy(out, li->buffer, n);
    out[n] = 0;
}

static unsigned char on_help(EditLine *el, int ch)
{
    struct console *c;
    char line[1024];
    (void)ch;
    el_get(el, EL_CLIENTDATA, &c);
    typed(el, line, sizeof line);
    fputs("?\n", stdout);
    c->shown = 0;
    c->quit_page = false;
    send_text(c, "help", line);
    wait_for(c, 'h', NULL);
    return CC_REDISPLAY;
}

static unsigned char on_tab(EditLine *el, int ch)
{
    struct console *c;
    char line[1024];
    struct strbuf whole = {0};
    (void)ch;
    el_get(el, EL_CLIENTDATA, &c);
    typed(el, line, sizeof line);
    send_text(c, "complete", line);
    if (wait_for(c, 'c', &whole) && whole.s && strcmp(whole.s, line) != 0) {
        el_deletestr(el, (int)strlen(line));
        el_insertstr(el, whole.s);
    }
    sb_free(&whole);
    return CC_REFRESH;
}

/* on_ctrl_c: the line is forgotten, as on IOS. */
static unsigned char on_ctrl_c(EditLine *el, int ch)
{
    const LineInfo *li = el_line(el);
    (void)ch;
    el_cursor(el, (int)(li->lastchar - li->cursor));
    li = el_line(el);
    el_deletestr(el, (int)(li->cursor - li->buffer));
    fputs("^C\n", stdout);
    return CC_REDISPLAY;
}

/* on_ctrl_z: what was typed is done, then configuration mode is left; at other prompts the line is forgotten. */
static unsigned char on_ctrl_z(EditLine *el, int ch)
{
    struct console *c;
    (void)ch;
    el_get(el, EL_CLIENTDATA, &c);
    fputs("^Z\n", stdout);
    c->ctrl_z = true;
    return CC_NEWLINE;
}

/* on_getc: a key, while log lines of `terminal monitor` come in. */
static int on_getc(EditLine *el, wchar_t *out)
{
    struct console *c;
    el_get(el, EL_CLIENTDATA, &c);
    for (;;) {
        struct pollfd p[2] = {{.fd = 0, .events = POLLIN}, {.fd = c->fd, .events = POLLIN}};
        unsigned char key;
        if (ppoll(p, 2, NULL, &while_waiting) < 0) {
            if (interrupted) {
                interrupted = 0;
                *out = CTRL_C;
                return 1;
            }
            continue;
        }
        if (p[1].revents) {
            if (!receive(c) && c->gone) {
                return 0;
            }
            putchar('\r');
            lines(c, 0, NULL);
            el_set(el, EL_REFRESH);
        }
        if (p[0].revents) {
            if (read(0, &key, 1) != 1) {
                return 0;
            }
            *out = key;
            return 1;
        }
    }
}

static void read_secret(struct console *c, char *out, size_t cap)
{
    struct termios quiet, old;
    fputs(c->prompt, stdout);
    fflush(stdout);
    tcgetattr(0, &old);
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    quiet.c_lflag |= ICANON;
    tcsetattr(0, TCSANOW, &quiet);
    out[0] = 0;
    if (fgets(out, (int)cap, stdin)) {
        out[strcspn(out, "\n")] = 0;
        out[strchr(out, CTRL_C) ? 0 : strlen(out)] = 0;
    }
    tcsetattr(0, TCSANOW, &old);
    putchar('\n');
}

/* say: one line, until its command has ended. False: the router has gone. */
static bool say(struct console *c, const char *line)
{
    send_text(c, "line", line);
    c->shown = 0;
    c->quit_page = false;
    return wait_for(c, 'd', NULL);
}

/* one_line: what was typed up to Enter, ^Z or ^D. False: the console is over. */
static bool one_line(struct console *c, History *h)
{
    HistEvent ev;
    char copy[1024] = "";
    int count = 0;
    c->ctrl_z = false;
    const char *line = el_gets(c->el, &count);
    if (!c->ctrl_z && (!line || count <= 0)) { /* ^D */
        putchar('\n');
        return c->configuring && !c->gone && say(c, "end");
    }
    str_copy(copy, sizeof copy, line && count > 0 ? line : "");
    copy[strcspn(copy, "\r\n")] = 0;
    if (c->ctrl_z && !c->configuring) {
        copy[0] = 0;
    }
    if (line && count > 0) { /* it may hold a secret */
        mem_wipe((char *)(uintptr_t)line, (size_t)count);
    }
    if (copy[strspn(copy, " ")]) {
        if (!c->pasting && !cli_may_hold_secret(copy)) {
            history(h, &ev, H_ENTER, copy);
        }
    } else if (c->ctrl_z) { /* nothing typed before it */
        return !c->configuring || say(c, "end");
    }
    bool on = say(c, copy);
    mem_wipe(copy, sizeof copy);
    return on && (!c->ctrl_z || !c->configuring || say(c, "end"));
}

static void line_loop(struct console *c, History *h)
{
    char secret[256];
    bool on = true;
    while (on && !c->closed && !c->gone) {
        if (c->secret) {
            read_secret(c, secret, sizeof secret);
            on = say(c, secret);
            mem_wipe(secret, sizeof secret);
        } else {
            on = one_line(c, h);
        }
    }
}

/* script: lines from a pipe or file; the exit status is that of the last command that failed. */
static int script(struct console *c)
{
    char line[1024];
    int status = 0;
    while (!c->closed && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        printf("%s%s\n", c->prompt, line);
        bool end = strcmp(line, "^Z") == 0 || strcmp(line, "\x1a") == 0; /* pasted transcripts */
        if (end && !c->configuring) {
            continue;
        }
        if (!say(c, end ? "end" : line)) {
            return 2;
        }
        status = c->status ? c->status : status;
    }
    return status;
}

int console_interactive(const char *sock)
{
    struct console c = {0};
    catch_sigint();
    if (!open_session(&c, sock, !isatty(0))) {
        return 2;
    }
    int status = 0;
    if (!isatty(0)) {
        status = script(&c);
    } else {
        HistEvent ev;
        History *h = history_init();
        signal(SIGTSTP, SIG_IGN); /* while a command runs ^Z is nothing, never a shell */
        history(h, &ev, H_SETSIZE, 200);
        c.el = el_init("adit", stdin, stdout, stderr);
        el_set(c.el, EL_CLIENTDATA, &c);
        el_set(c.el, EL_PROMPT, on_prompt);
        el_set(c.el, EL_EDITOR, "emacs");
        el_set(c.el, EL_HIST, history, h);
        el_set(c.el, EL_GETCFN, on_getc);
        el_set(c.el, EL_ADDFN, "adit-help", "list what may follow", on_help);
        el_set(c.el, EL_BIND, "?", "adit-help", NULL);
        el_set(c.el, EL_ADDFN, "adit-tab", "complete the word", on_tab);
        el_set(c.el, EL_BIND, "\t", "adit-tab", NULL);
        el_set(c.el, EL_SETTY, "-d", "-isig", NULL); /* ^C and ^Z are keys while a line is typed */
        /* Between two lines too: what is typed ahead waits as keys, ^Z among them; only ^C is a signal while a command runs. */
        el_set(c.el, EL_SETTY, "-x", "-icanon", "-iexten", "-echo", "susp=", NULL);
        el_set(c.el, EL_ADDFN, "adit-clear", "forget the line", on_ctrl_c);
        el_set(c.el, EL_BIND, "^C", "adit-clear", NULL);
        el_set(c.el, EL_ADDFN, "adit-end", "leave configuration mode", on_ctrl_z);
        el_set(c.el, EL_BIND, "^Z", "adit-end", NULL);
        line_loop(&c, h);
        el_end(c.el);
        history_end(h);
    }
    close(c.fd);
    sb_free(&c.in);
    return status;
}
